# SPDX-License-Identifier: GPL-3.0-or-later
dist_noinst_SCRIPTS += tests/fuzz/run
EXTRA_DIST += tests/fuzz/fuzz_decode.c
.PHONY: check-fuzz
check-fuzz:
	$(srcdir)/tests/fuzz/run
