/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ring.h: one client of a ring; what ring.c, ring_report.c and ring_main.c share */
#ifndef COTDB_BENCH_RING_H
#define COTDB_BENCH_RING_H

#include "ring_packet.h"
#include "tally.h"

#define RING_MAX_MEMBERS 1024

enum ring_state {
	RING_GATHER, /* not all clients are there yet */
	RING_RUN,
	RING_STOPPED, /* the time is over, the reports are being collected */
	RING_OVER,    /* with a result */
	RING_FAILED,
};

struct ring_member {
	uint32_t pnn;
	uint64_t instance, run;
	uint64_t heard_ns;
	bool is_lost;
	struct ring_packet *report; /* the coordinator's copy */
};

struct ring_token {
	/* The youngest known of this number */
	uint32_t epoch, origin;
	uint64_t hops;
	uint64_t seen_ns;
	/* This client has it, and waits for the record */
	bool is_here, wants_retry;
	uint32_t reqid;
	uint64_t arrived_ns;
	char key[96];
	size_t key_len;
	/* What this node's count in the record has to be */
	uint64_t expected;
};

struct ring_client {
	const struct bench_options *options;
	struct cotdb *h;
	struct cotdb_db *db;
	uint32_t pnn;
	uint64_t srvid, instance, run;
	enum ring_state state;
	uint64_t start_ns, end_ns, next_hello_ns, stopped_ns, next_report_ns;
	struct ring_member *members; /* sorted by pnn, oneself among them */
	size_t members_n;
	struct ring_token tokens[BENCH_MAX_TOKENS];
	uint32_t ended_n;
	uint64_t ended_hops;
	uint64_t increments, last_increment_ns, longest_gap_ns;
	uint32_t resent, nodes_lost;
	struct histogram latency;
	struct tally tally;
	struct bench_result result;
	bool has_result; /* it is the coordinator, and has told all */
};

/* Connects, attaches and registers; false with the reason printed */
bool ring_client_open(struct ring_client *r, const struct bench_options *o, const char *path);
void ring_client_close(struct ring_client *r);
/* Handles everything that has come. Until it is over, or has failed. */
void ring_client_events(struct ring_client *r);
/* What is to be done by time; when it wants to be called again at the latest */
uint64_t ring_client_tick(struct ring_client *r, uint64_t now_ns);

bool ring_member_is_in(const struct ring_client *r, const struct ring_member *m);
/* Is this client the one that starts, stops and sums up: the lowest pnn of those in the run */
bool ring_is_coordinator(const struct ring_client *r);
void ring_send(struct ring_client *r, uint32_t pnn, const struct ring_packet *p);
/* Ends the client with a sentence */
void ring_fail(struct ring_client *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ring_report.c: from the stop to the result */
void ring_stop(struct ring_client *r, uint64_t now_ns);
void ring_report_take(struct ring_client *r, const struct ring_packet *p);
void ring_stopped_tick(struct ring_client *r, uint64_t now_ns);

#endif
