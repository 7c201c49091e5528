/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_handshake.c: libFuzzer's entry for the frames of a new connection between two nodes, which
 * anybody who reaches the port may send. What is decoded is encoded to the same bytes again. Built
 * and run by tests/fuzz/run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/io/transport_handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

static void check_same(struct slice frame, const struct writer *w)
{
	if (!w->failed && slice_equal(frame, slice_of(w->p, w->len)))
		return;
	fputs("a frame is not what was decoded from it\n", stderr);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct slice frame = slice_of(p, len), mac;
	struct handshake_hello hello;
	uint8_t buf[HANDSHAKE_HELLO_LEN];
	struct writer w = writer_of(buf, sizeof(buf));
	uint64_t received;

	if (handshake_hello_decode(frame, &hello) == 0) {
		handshake_hello_encode(&w, &hello);
		check_same(frame, &w);
	}
	if (handshake_proof_decode(frame, &mac) == 0) {
		w = writer_of(buf, sizeof(buf));
		handshake_proof_encode(&w, mac.p);
		check_same(frame, &w);
		if (!handshake_mac_equal(mac.p, mac))
			abort();
	}
	if (handshake_received_decode(frame, &received) == 0) {
		w = writer_of(buf, sizeof(buf));
		handshake_received_encode(&w, received);
		check_same(frame, &w);
	}
	return 0;
}
