# SPDX-License-Identifier: GPL-3.0-or-later
EXTRA_DIST += doc/design.md doc/plan.md
