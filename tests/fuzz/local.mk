# SPDX-License-Identifier: GPL-3.0-or-later
dist_noinst_SCRIPTS += tests/fuzz/run
EXTRA_DIST += tests/fuzz/fuzz_decode.c
EXTRA_DIST += tests/fuzz/fuzz_core.c tests/fuzz/fuzz_handshake.c tests/fuzz/fuzz_judge.c tests/fuzz/fuzz_roster.c tests/fuzz/fuzz_smb_probe.c
EXTRA_DIST += tests/fuzz/fuzz_client.c tests/fuzz/test-client
.PHONY: check-fuzz
check-fuzz:
	$(srcdir)/tests/fuzz/run
