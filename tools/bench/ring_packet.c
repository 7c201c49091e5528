/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ring_packet.c: see ring_packet.h */
#include <errno.h>
#include "ring_packet.h"

#define MAGIC 0x676E6972U /* "ring" */

static void result_encode(struct writer *w, const struct bench_result *r)
{
	writer_u64(w, (uint64_t)(r->seconds * 1e6));
	writer_u64(w, r->operations);
	writer_u64(w, r->p50_ns);
	writer_u64(w, r->p90_ns);
	writer_u64(w, r->p99_ns);
	writer_u64(w, r->max_ns);
	writer_u64(w, r->longest_gap_ms);
	writer_u64(w, r->counter);
	writer_u64(w, r->increments);
	writer_u32(w, r->nodes);
	writer_u32(w, r->resent);
	writer_u32(w, r->nodes_lost);
	writer_u32(w, r->has_counter);
	writer_u32(w, r->is_ok);
}

static int result_decode(struct cursor *c, struct bench_result *r)
{
	uint64_t microseconds;
	uint32_t has_counter, is_ok;

	if (cursor_u64(c, &microseconds) || cursor_u64(c, &r->operations) ||
	    cursor_u64(c, &r->p50_ns) || cursor_u64(c, &r->p90_ns) || cursor_u64(c, &r->p99_ns) ||
	    cursor_u64(c, &r->max_ns) || cursor_u64(c, &r->longest_gap_ms) ||
	    cursor_u64(c, &r->counter) || cursor_u64(c, &r->increments) ||
	    cursor_u32(c, &r->nodes) || cursor_u32(c, &r->resent) ||
	    cursor_u32(c, &r->nodes_lost) || cursor_u32(c, &has_counter) || cursor_u32(c, &is_ok))
		return 1;
	r->seconds = (double)microseconds / 1e6;
	r->has_ring = true;
	r->has_counter = has_counter != 0;
	r->is_ok = is_ok != 0;
	return 0;
}

void ring_packet_encode(struct writer *w, const struct ring_packet *p)
{
	writer_u32(w, MAGIC);
	writer_u32(w, p->kind);
	writer_u32(w, p->pnn);
	writer_u64(w, p->instance);
	writer_u64(w, p->run);
	switch (p->kind) {
	case RING_HELLO:
		writer_u32(w, p->hello.remaining_ms);
		break;
	case RING_TOKEN:
		writer_u32(w, p->token.token);
		writer_u32(w, p->token.epoch);
		writer_u32(w, p->token.origin);
		writer_u64(w, p->token.hops);
		break;
	case RING_REPORT:
		writer_u64(w, p->report.increments);
		writer_u64(w, p->report.longest_gap_ms);
		writer_u32(w, p->report.resent);
		writer_u32(w, p->report.nodes_lost);
		writer_u32(w, p->report.ended_n);
		writer_u64(w, p->report.ended_hops);
		writer_u32(w, p->report.tokens);
		for (uint32_t i = 0; i < p->report.tokens; i++)
			writer_u64(w, p->report.expected[i]);
		histogram_encode(w, &p->report.latency);
		break;
	case RING_DONE:
		result_encode(w, &p->done);
		break;
	default:
		break;
	}
}

static int report_decode(struct cursor *c, struct ring_packet *p)
{
	if (cursor_u64(c, &p->report.increments) || cursor_u64(c, &p->report.longest_gap_ms) ||
	    cursor_u32(c, &p->report.resent) || cursor_u32(c, &p->report.nodes_lost) ||
	    cursor_u32(c, &p->report.ended_n) || cursor_u64(c, &p->report.ended_hops) ||
	    cursor_u32(c, &p->report.tokens) || p->report.tokens > BENCH_MAX_TOKENS)
		return 1;
	for (uint32_t i = 0; i < p->report.tokens; i++) {
		if (cursor_u64(c, &p->report.expected[i]))
			return 1;
	}
	return histogram_decode(c, &p->report.latency);
}

int ring_packet_decode(struct slice data, struct ring_packet *p)
{
	struct cursor c = cursor_of(data.p, data.len);
	uint32_t magic;
	int failed = 0;

	if (cursor_u32(&c, &magic) || magic != MAGIC || cursor_u32(&c, &p->kind) ||
	    cursor_u32(&c, &p->pnn) || cursor_u64(&c, &p->instance) || cursor_u64(&c, &p->run))
		return -EBADMSG;
	switch (p->kind) {
	case RING_HELLO:
		failed = cursor_u32(&c, &p->hello.remaining_ms);
		break;
	case RING_TOKEN:
		failed = cursor_u32(&c, &p->token.token) || cursor_u32(&c, &p->token.epoch) ||
			 cursor_u32(&c, &p->token.origin) || cursor_u64(&c, &p->token.hops);
		break;
	case RING_STOP:
		break;
	case RING_REPORT:
		failed = report_decode(&c, p);
		break;
	case RING_DONE:
		failed = result_decode(&c, &p->done);
		break;
	default:
		failed = 1;
	}
	return failed ? -EBADMSG : 0;
}
