/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ring_report.c: the end of a ring: every client reports to the coordinator what it has done, the
 * coordinator compares it with what the records hold, and tells all the result.
 *
 * What has to be true: in each record the count of each living node is what that node has made of
 * it. Counts of nodes that died meanwhile may be lower than they were (what a dead node alone had
 * written may be lost), and are only added up. Without a record, every hop of a token is somebody's
 * operation, and no token is lost if no node was.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "lib/protocol.h"
#include "ring.h"

#define MS	      1000000U
#define REPORT_NS     (100U * MS)
#define TOKENS_END_NS (1000ULL * MS)
#define REPORTS_NS    (5000ULL * MS)
#define DONE_NS	      (30000ULL * MS)

static void report_fill(const struct ring_client *r, struct ring_packet *p)
{
	memset(p, 0, sizeof(*p));
	p->kind = RING_REPORT;
	p->pnn = r->pnn;
	p->run = r->run;
	p->instance = r->instance;
	p->report.increments = r->increments;
	p->report.longest_gap_ms = r->longest_gap_ns / MS;
	p->report.resent = r->resent;
	p->report.nodes_lost = r->nodes_lost;
	p->report.ended_n = r->ended_n;
	p->report.ended_hops = r->ended_hops;
	p->report.tokens = r->options->tokens;
	for (uint32_t i = 0; i < r->options->tokens; i++)
		p->report.expected[i] = r->tokens[i].expected;
	p->report.latency = r->latency;
}

void ring_stop(struct ring_client *r, uint64_t now_ns)
{
	if (now_ns - r->last_increment_ns > r->longest_gap_ns)
		r->longest_gap_ns = now_ns - r->last_increment_ns;
	for (uint32_t i = 0; i < r->options->tokens; i++) {
		/* Tokens that wait for their record end here and now */
		if (r->tokens[i].is_here) {
			r->tokens[i].is_here = false;
			r->ended_n++;
			r->ended_hops += r->tokens[i].hops;
		}
	}
	r->state = RING_STOPPED;
	r->stopped_ns = now_ns;
	r->next_report_ns = now_ns;
}

void ring_report_take(struct ring_client *r, const struct ring_packet *p)
{
	for (size_t i = 0; i < r->members_n; i++) {
		struct ring_member *m = &r->members[i];

		if (m->pnn != p->pnn)
			continue;
		if (m->report == NULL)
			m->report = malloc(sizeof(*m->report));
		if (m->report != NULL)
			*m->report = *p;
	}
}

/* One token's record against all reports */
static bool record_check(struct ring_client *r, uint32_t number, uint64_t *sum)
{
	const struct ring_token *t = &r->tokens[number];
	struct cotdb_key key = { .p = t->key, .len_bytes = t->key_len };
	struct cotdb_record record;
	bool is_ok = true;
	int error = cotdb_fetch_lock(r->db, key, &record);

	if (error != 0) {
		ring_fail(r, "cannot lock the record for the check: %s", strerror(-error));
		return false;
	}
	tally_read(&r->tally, slice_of(record.data, record.len_bytes));
	cotdb_unlock(&record);
	*sum += tally_sum(&r->tally);
	for (size_t i = 0; i < r->members_n; i++) {
		const struct ring_member *m = &r->members[i];
		uint64_t expected, is;

		if (m->report == NULL || number >= m->report->report.tokens)
			continue;
		expected = m->report->report.expected[number];
		is = tally_get(&r->tally, m->pnn);
		if (expected != RING_UNKNOWN && expected != is) {
			fprintf(stderr,
				"cotdb-bench: record %.*s: node %" PRIu32 " counted %" PRIu64
				", the record says %" PRIu64 "\n",
				(int)t->key_len, t->key, m->pnn, expected, is);
			is_ok = false;
		}
	}
	return is_ok;
}

/* Sums up, checks, and tells all */
static void result_make(struct ring_client *r)
{
	struct bench_result *result = &r->result;
	struct histogram latency = { .n = 0 };
	struct ring_packet done = { .kind = RING_DONE };
	uint32_t ended_n = 0;
	uint64_t ended_hops = 0;

	*result = (struct bench_result){ .has_ring = true, .is_ok = true };
	result->seconds = (double)(r->stopped_ns - r->start_ns) / 1e9;
	for (size_t i = 0; i < r->members_n; i++) {
		const struct ring_packet *p = r->members[i].report;

		if (p == NULL)
			continue;
		result->nodes++;
		result->increments += p->report.increments;
		result->resent += p->report.resent;
		if (p->report.nodes_lost > result->nodes_lost)
			result->nodes_lost = p->report.nodes_lost;
		if (p->report.longest_gap_ms > result->longest_gap_ms)
			result->longest_gap_ms = p->report.longest_gap_ms;
		ended_n += p->report.ended_n;
		ended_hops += p->report.ended_hops;
		histogram_merge(&latency, &p->report.latency);
	}
	bench_result_latency(result, &latency);
	result->operations = result->increments;
	if (r->options->has_record) {
		result->has_counter = true;
		for (uint32_t i = 0; i < r->options->tokens && r->state != RING_FAILED; i++)
			result->is_ok = record_check(r, i, &result->counter) && result->is_ok;
		if (result->counter > result->operations)
			result->operations = result->counter;
		if (result->nodes_lost == 0 && result->counter != result->increments)
			result->is_ok = false;
	} else if (!r->options->keeps_going) {
		result->has_counter = true;
		result->counter = ended_hops;
		result->is_ok = ended_n == r->options->tokens && ended_hops == result->increments;
	}
	if (r->state == RING_FAILED)
		return;
	/* This client is over when its own message has come back: then the daemon has sent it */
	done.done = *result;
	ring_send(r, CTDB_BROADCAST_CONNECTED, &done);
	r->has_result = true;
}

static bool reports_are_in(const struct ring_client *r, uint64_t now_ns)
{
	uint32_t ended_n = 0;
	bool are_in = true;

	for (size_t i = 0; i < r->members_n; i++) {
		const struct ring_member *m = &r->members[i];

		if (m->report != NULL)
			ended_n += m->report->report.ended_n;
		else if (ring_member_is_in(r, m))
			are_in = false;
	}
	if (now_ns - r->stopped_ns > REPORTS_NS)
		return true;
	return are_in && (ended_n >= r->options->tokens || r->options->has_record ||
			  now_ns - r->stopped_ns > TOKENS_END_NS);
}

void ring_stopped_tick(struct ring_client *r, uint64_t now_ns)
{
	struct ring_packet p;
	uint32_t coordinator = r->pnn;

	if (now_ns >= r->next_report_ns) {
		r->next_report_ns = now_ns + REPORT_NS;
		for (size_t i = r->members_n; i-- > 0;) {
			if (ring_member_is_in(r, &r->members[i]))
				coordinator = r->members[i].pnn;
		}
		report_fill(r, &p);
		if (coordinator == r->pnn)
			ring_report_take(r, &p);
		else
			ring_send(r, coordinator, &p);
	}
	if (r->state == RING_STOPPED && !r->has_result && ring_is_coordinator(r) &&
	    reports_are_in(r, now_ns))
		result_make(r);
	if (r->state == RING_STOPPED && now_ns - r->stopped_ns > DONE_NS)
		ring_fail(r, "no result came from node %" PRIu32, coordinator);
}
