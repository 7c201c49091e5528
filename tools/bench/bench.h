/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bench.h: what the benchmarks of cotdb-bench share: options, time, latencies, the result */
#ifndef COTDB_BENCH_H
#define COTDB_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/cotdb.h"
#include "lib/cursor.h"

#define BENCH_MAX_SOCKETS 64
#define BENCH_MAX_TOKENS  64

struct bench_options {
	const char *sockets[BENCH_MAX_SOCKETS];
	size_t sockets_n;
	const char *db_name;
	const char *run_name; /* runs of different names do not meet */
	double seconds;
	bool is_json, has_progress;
	/* ring, message */
	uint32_t nodes, tokens;
	uint32_t token_timeout_ms;
	bool keeps_going;
	bool has_record; /* ring, not message */
	/* fetch */
	uint32_t records, depth;
	bool is_local;
};

uint64_t bench_now_ns(void);
/* Connects one client; on failure says why and answers NULL */
struct cotdb *bench_connect(const char *path);
/* SIGINT or SIGTERM came: end now, with the result so far */
bool bench_is_interrupted(void);

/* ---- latencies: sixteen steps in each power of two, so within 6 percent --------------------- */

#define HISTOGRAM_BUCKETS 640
struct histogram {
	uint32_t bucket[HISTOGRAM_BUCKETS];
	uint64_t n, max_ns;
};
void histogram_add(struct histogram *h, uint64_t ns);
void histogram_merge(struct histogram *to, const struct histogram *from);
/* The value that percent of all are not above, in nanoseconds */
uint64_t histogram_percentile(const struct histogram *h, double percent);
void histogram_encode(struct writer *w, const struct histogram *h);
int histogram_decode(struct cursor *c, struct histogram *h);

/* ---- result ------------------------------------------------------------------------------------
 */

struct bench_result {
	const char *bench;
	uint32_t nodes; /* that took part to the end */
	double seconds;
	uint64_t operations;
	uint64_t p50_ns, p90_ns, p99_ns, max_ns;
	bool has_ring;
	uint64_t longest_gap_ms;
	uint32_t resent, nodes_lost;
	bool has_fetch;
	uint64_t local_hits, migrations;
	bool has_counter;
	uint64_t counter, increments;
	bool is_ok; /* what was counted is what is in the records */
};
void bench_result_latency(struct bench_result *r, const struct histogram *h);
void bench_print(const struct bench_options *o, const struct bench_result *r);
/* A line that is written over itself on a terminal; at most one each half second */
struct progress {
	uint64_t last_ns, last_operations, begin_ns;
	bool is_begun;
};
void bench_progress(const struct bench_options *o, struct progress *p, const char *bench,
		    uint32_t nodes, uint64_t operations);
void bench_progress_end(const struct bench_options *o, struct progress *p);

/* ---- the benchmarks: exit code -----------------------------------------------------------------
 */

int bench_ring(const struct bench_options *o);
int bench_fetch(const struct bench_options *o);
int bench_recovery(const struct bench_options *o);

#endif
