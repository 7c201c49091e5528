/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ring_packet.h: what the clients of a ring say to each other, as messages through the daemons */
#ifndef COTDB_BENCH_RING_PACKET_H
#define COTDB_BENCH_RING_PACKET_H

#include "bench.h"

enum ring_kind {
	RING_HELLO = 1, /* I am here, in this run or in none yet: to all, again and again */
	RING_TOKEN,	/* to the next one */
	RING_STOP,	/* the time is over: to all */
	RING_REPORT,	/* what I have done: to the coordinator, until it answers DONE */
	RING_DONE,	/* the result: to all */
};

/* A count that is not known */
#define RING_UNKNOWN UINT64_MAX

struct ring_packet {
	uint32_t kind, pnn;
	uint64_t instance; /* a random number of each client */
	uint64_t run;	   /* a random number of each run, 0: none yet */
	union {
		struct {
			uint32_t remaining_ms;
		} hello;
		struct {
			uint32_t token;
			/* The coordinator that (again) sent the token: of two tokens of one number
			 * the one with the higher epoch, then origin, lives on */
			uint32_t epoch, origin;
			uint64_t hops;
		} token;
		struct {
			uint64_t increments, longest_gap_ms;
			uint32_t resent, nodes_lost;
			/* Where tokens ended after the stop */
			uint32_t ended_n;
			uint64_t ended_hops;
			/* What this node's count in each token's record has to be */
			uint32_t tokens;
			uint64_t expected[BENCH_MAX_TOKENS];
			struct histogram latency;
		} report;
		struct bench_result done;
	};
};

#define RING_PACKET_SIZE 8192
void ring_packet_encode(struct writer *w, const struct ring_packet *p);
/* 0 or -EBADMSG; the name of the benchmark in a result is left as it is */
int ring_packet_decode(struct slice data, struct ring_packet *p);

#endif
