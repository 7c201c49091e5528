# SPDX-License-Identifier: GPL-3.0-or-later
dist_noinst_SCRIPTS += tests/run
EXTRA_DIST += tests/runner.py
