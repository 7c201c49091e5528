/* SPDX-License-Identifier: GPL-3.0-or-later */
/* report.c: a benchmark's result as text or JSON, and the line that tells of its progress */
#include <inttypes.h>
#include <stdio.h>
#include "bench.h"

void bench_result_latency(struct bench_result *r, const struct histogram *h)
{
	r->p50_ns = histogram_percentile(h, 50);
	r->p90_ns = histogram_percentile(h, 90);
	r->p99_ns = histogram_percentile(h, 99);
	r->max_ns = h->max_ns;
}

static double us(uint64_t ns)
{
	return (double)ns / 1000.0;
}

static double per_second(const struct bench_result *r)
{
	return r->seconds > 0 ? (double)r->operations / r->seconds : 0;
}

static void print_json(const struct bench_result *r)
{
	printf("{\"bench\":\"%s\",\"nodes\":%" PRIu32 ",\"seconds\":%.3f,\"operations\":%" PRIu64
	       ",\"per_second\":%.1f",
	       r->bench, r->nodes, r->seconds, r->operations, per_second(r));
	printf(",\"latency_us\":{\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"max\":%.1f}",
	       us(r->p50_ns), us(r->p90_ns), us(r->p99_ns), us(r->max_ns));
	if (r->has_ring)
		printf(",\"longest_gap_ms\":%" PRIu64 ",\"resent\":%" PRIu32
		       ",\"nodes_lost\":%" PRIu32,
		       r->longest_gap_ms, r->resent, r->nodes_lost);
	if (r->has_fetch)
		printf(",\"local_hits\":%" PRIu64 ",\"migrations\":%" PRIu64, r->local_hits,
		       r->migrations);
	if (r->has_counter)
		printf(",\"counter\":%" PRIu64 ",\"increments\":%" PRIu64, r->counter,
		       r->increments);
	printf(",\"check\":\"%s\"}\n", r->is_ok ? "ok" : "failed");
}

static void print_text(const struct bench_result *r)
{
	printf("%s: %.0f operations/s on %" PRIu32 " node%s (%" PRIu64 " in %.2f s)\n", r->bench,
	       per_second(r), r->nodes, r->nodes == 1 ? "" : "s", r->operations, r->seconds);
	printf("latency: p50 %.1f us, p90 %.1f us, p99 %.1f us, max %.1f us\n", us(r->p50_ns),
	       us(r->p90_ns), us(r->p99_ns), us(r->max_ns));
	if (r->has_ring)
		printf("longest gap without progress: %" PRIu64 " ms, tokens sent again: %" PRIu32
		       ", nodes lost: %" PRIu32 "\n",
		       r->longest_gap_ms, r->resent, r->nodes_lost);
	if (r->has_fetch)
		printf("local hits: %" PRIu64 ", migrations: %" PRIu64 "\n", r->local_hits,
		       r->migrations);
	if (r->has_counter)
		printf("check: %s, the records count %" PRIu64 ", increments made: %" PRIu64 "\n",
		       r->is_ok ? "ok" : "FAILED", r->counter, r->increments);
	else
		printf("check: %s\n", r->is_ok ? "ok" : "FAILED");
}

void bench_print(const struct bench_options *o, const struct bench_result *r)
{
	if (o->is_json)
		print_json(r);
	else
		print_text(r);
	fflush(stdout);
}

void bench_progress(const struct bench_options *o, struct progress *p, const char *bench,
		    uint32_t nodes, uint64_t operations)
{
	uint64_t now_ns = bench_now_ns();
	double seconds = (double)(now_ns - p->last_ns) / 1e9;

	if (!o->has_progress)
		return;
	if (!p->is_begun) {
		*p = (struct progress){ .last_ns = now_ns,
					.begin_ns = now_ns,
					.last_operations = operations,
					.is_begun = true };
		return;
	}
	if (seconds < 0.5)
		return;
	fprintf(stderr, "\r%s: %5.1f s, %" PRIu32 " node%s, %8.0f operations/s ", bench,
		(double)(now_ns - p->begin_ns) / 1e9, nodes, nodes == 1 ? "" : "s",
		operations > p->last_operations
		    ? (double)(operations - p->last_operations) / seconds
		    : 0.0);
	fflush(stderr);
	p->last_ns = now_ns;
	p->last_operations = operations;
}

void bench_progress_end(const struct bench_options *o, struct progress *p)
{
	if (o->has_progress && p->is_begun)
		fputc('\n', stderr);
}
