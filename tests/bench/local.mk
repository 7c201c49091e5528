# SPDX-License-Identifier: GPL-3.0-or-later
dist_noinst_SCRIPTS += tests/bench/ctdbd-cluster tests/bench/recovery tests/bench/ring-pair tests/bench/smb-pair
