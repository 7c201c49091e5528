/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * counters.c: the statistics of CTDB's tools, from what is counted here, in the core and in the
 * store. All count since the engine began; a reset, and each interval of the history, remembers
 * where they stood.
 *
 * What CTDB counts and cotdb does not have stays 0 (keepalives, helper writes, delegations). A
 * hand-off is told as CTDB's pair REQ_DMASTER (given away) and REPLY_DMASTER (received).
 */
#include "counters.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include "client_private.h"
#include "store.h"

struct counters_kept {
	struct ctdb_statistics at_reset, at_interval;
	uint64_t interval_ms; /* when the present one began */
	uint32_t newest, n;   /* of the history's ring */
	struct ctdb_statistics history[COUNTERS_HISTORY];
};

/* NAME_minus(a, b): subtracts every u32, the counters, of every structure of payload.def */
#define STRUCT(name, bytes)                                                                        \
	static void __attribute__((unused)) name##_minus(struct name *a, const struct name *b)     \
	{                                                                                          \
		(void)a, (void)b;
#define END(name) }
#define U8(field)
#define U16(field)
#define U32(field) a->field -= b->field;
#define I32(field)
#define U64(field)
#define I64(field)
#define F64(field)
#define U32S(field, n)                                                                             \
	for (size_t i = 0; i < (n); i++)                                                           \
		a->field[i] -= b->field[i];
#define TEXT(field, n)
#define OF(structure, field) structure##_minus(&a->field, &b->field);
#define OFS(structure, field, n)
#define PAD(bytes)
static void __attribute__((unused))
ctdb_address_minus(struct ctdb_address *a, const struct ctdb_address *b)
{
	(void)a, (void)b;
}
#include "lib/payload.def"
#include "lib/payload_undef.h"

static struct ctdb_timeval wall_clock(void)
{
	struct timeval tv;

	gettimeofday(&tv, NULL);
	return (struct ctdb_timeval){ .sec = tv.tv_sec, .usec = tv.tv_usec };
}

static double seconds(uint64_t us)
{
	return (double)us / 1e6;
}

static struct ctdb_latency latency_tell(const struct latency_counter *l)
{
	return (struct ctdb_latency){
		.num = (int32_t)l->n,
		.min = seconds(l->min_us),
		.max = seconds(l->max_us),
		.total = seconds(l->total_us),
	};
}

static void latency_add(struct latency_counter *l, uint64_t us)
{
	if (l->n == 0 || us < l->min_us)
		l->min_us = us;
	if (us > l->max_us)
		l->max_us = us;
	l->n++;
	l->total_us += us;
}

void counters_add_call(struct counters *c, uint64_t us)
{
	latency_add(&c->call, us);
	latency_add(&c->call_interval, us);
}

static uint32_t memory_used(void)
{
	size_t n = mallinfo2().uordblks;
	return n < UINT32_MAX ? (uint32_t)n : UINT32_MAX;
}

/* All that grows, since the engine began */
static void totals_read(struct clients *s, struct ctdb_statistics *t)
{
	const struct counters *c = &s->counters;
	struct core_status core;
	struct store_stats store;

	core_status(s->engine->core, &core);
	store_stats(s->engine, &store);
	*t = (struct ctdb_statistics){
		.client_packets_sent = c->packets_out,
		.client_packets_recv = c->packets_in,
		.client_req_call = c->req_call,
		.client_req_message = c->req_message,
		.client_req_control = c->req_control,
		.client_req_tunnel = c->req_tunnel,
		.timeout_control = c->control_timeouts,
		.timeout_traverse = (uint32_t)core.traverse_timeouts,
		.node_packets_sent = (uint32_t)core.packets_sent,
		.node_packets_recv = (uint32_t)core.packets_received,
		.node_req_call = (uint32_t)core.forwards,
		.node_req_dmaster = (uint32_t)core.handoffs_out,
		.node_reply_dmaster = (uint32_t)core.handoffs_in,
		.node_req_control = c->forwarded_in,
		.node_reply_control = c->forwarded_replies,
		.total_calls = (uint32_t)core.calls,
		.num_recoveries = core.recoveries,
		.total_ro_delegations = (uint32_t)core.copies_out,
		.total_ro_revokes = (uint32_t)core.revokes,
		.locks = {
			.num_calls = (uint32_t)store.lock_waits,
			.num_failed = (uint32_t)store.lock_failures,
		},
	};
}

/* What is so now, whatever was before */
static void gauges_read(struct clients *s, struct ctdb_statistics *t)
{
	struct core_status core;
	struct store_stats store;

	core_status(s->engine->core, &core);
	store_stats(s->engine, &store);
	t->num_clients = (uint32_t)s->count;
	t->frozen = core.is_frozen;
	t->recovering = !core.is_active;
	t->pending_calls = (uint32_t)core.calls_pending;
	t->locks.num_current = (uint32_t)store.lock_waits_now;
	t->locks.num_pending = (uint32_t)store.lock_waits_queued;
	t->memory_used = memory_used();
	t->current_time = wall_clock();
}

void counters_read(struct clients *s, struct ctdb_statistics *t)
{
	const struct ctdb_statistics *base = &s->counters.kept->at_reset;
	struct store_stats store;

	store_stats(s->engine, &store);
	totals_read(s, t);
	ctdb_statistics_minus(t, base);
	gauges_read(s, t);
	t->start_time = base->start_time;
	t->call_latency = latency_tell(&s->counters.call);
	t->locks.latency = (struct ctdb_latency){
		.num = (int32_t)t->locks.num_calls,
		.max = seconds(store.lock_wait_us_max),
		.total = seconds(store.lock_wait_us_total),
	};
}

void counters_reset(struct clients *s)
{
	struct ctdb_statistics *base = &s->counters.kept->at_reset;

	totals_read(s, base);
	base->start_time = wall_clock();
	s->counters.call = (struct latency_counter){ 0 };
}

static void interval_begin(struct clients *s)
{
	struct counters_kept *kept = s->counters.kept;

	totals_read(s, &kept->at_interval);
	kept->at_interval.start_time = wall_clock();
	kept->interval_ms = engine_now_ms();
	s->counters.call_interval = (struct latency_counter){ 0 };
}

void counters_second(struct clients *s)
{
	struct counters_kept *kept = s->counters.kept;
	uint64_t length_ms = tunable_get(&s->tunables, TUNABLE_StatHistoryInterval) * 1000ULL;

	/* half a second of slack, since the timer is never quite on time */
	if (length_ms == 0 || engine_now_ms() + 500 < kept->interval_ms + length_ms)
		return;
	kept->newest = (kept->newest + 1) % COUNTERS_HISTORY;
	if (kept->n < COUNTERS_HISTORY)
		kept->n++;
	struct ctdb_statistics *t = &kept->history[kept->newest];
	totals_read(s, t);
	ctdb_statistics_minus(t, &kept->at_interval);
	gauges_read(s, t);
	t->start_time = kept->at_interval.start_time;
	t->call_latency = latency_tell(&s->counters.call_interval);
	interval_begin(s);
}

const struct ctdb_statistics *counters_interval(const struct clients *s, uint32_t i)
{
	const struct counters_kept *kept = s->counters.kept;

	if (i >= kept->n)
		return NULL;
	return &kept->history[(kept->newest + COUNTERS_HISTORY - i) % COUNTERS_HISTORY];
}

int counters_open(struct clients *s)
{
	s->counters.kept = calloc(1, sizeof(*s->counters.kept));
	if (s->counters.kept == NULL)
		return -ENOMEM;
	counters_reset(s);
	interval_begin(s);
	return 0;
}

void counters_close(struct clients *s)
{
	free(s->counters.kept);
	s->counters.kept = NULL;
}
