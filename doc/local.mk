# SPDX-License-Identifier: GPL-3.0-or-later
EXTRA_DIST += NEWS doc/design.md doc/plan.md doc/track-record.md
dist_man_MANS += doc/cotdb-bench.1 doc/cotdb-smb-probe.8 doc/cotdb.8 doc/cotdbd.8 doc/ocf_cotdb_cotdbd.7 \
	doc/ocf_cotdb_smbd.7
