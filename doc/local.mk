# SPDX-License-Identifier: GPL-3.0-or-later
EXTRA_DIST += doc/design.md doc/plan.md
dist_man_MANS += doc/cotdb.8 doc/cotdbd.8 doc/ocf_cotdb_cotdbd.7
