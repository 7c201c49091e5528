/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ring.c: one client of a ring, and the way of a token.
 *
 * The clients find each other: each says HELLO to all some twenty times a second, so the ring is
 * who was heard of late, in the order of the node numbers, and the lowest one coordinates. When
 * as many are there as wanted, the coordinator empties the records and sends the tokens. A client
 * that gets one locks its record (ring) or does nothing (message), counts, and sends it on.
 *
 * With --keep-going the ring may change at any time: who is not heard is skipped, who says HELLO
 * joins. A token may be lost with a node, so the coordinator sends one that it has not seen for
 * token_timeout again, with a higher epoch; if the old one was only late, it ends at the first
 * client that knows the new one. Both have incremented truly until then, so no check is harmed.
 *
 * Nothing here waits for the daemon, except that a record's chain lock may be held by the daemon
 * for a moment: a client whose record cannot come during a recovery goes on saying HELLO.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include "lib/jenkins.h"
#include "lib/protocol.h"
#include "ring.h"

#define MS	       1000000U
#define HELLO_NS       (50U * MS)
#define DEAD_NS	       (250U * MS)
#define NO_PROGRESS_NS (20000ULL * MS)

void ring_fail(struct ring_client *r, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "cotdb-bench: node %" PRIu32 ": ", r->pnn);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	r->state = RING_FAILED;
}

void ring_send(struct ring_client *r, uint32_t pnn, const struct ring_packet *p)
{
	uint8_t buf[RING_PACKET_SIZE];
	struct writer w = writer_of(buf, sizeof(buf));
	struct ring_packet copy = *p;
	int error;

	copy.pnn = r->pnn;
	copy.instance = r->instance;
	copy.run = r->run;
	ring_packet_encode(&w, &copy);
	error = w.failed ? -EMSGSIZE : cotdb_message_send(r->h, pnn, r->srvid, buf, w.len);
	if (error != 0)
		ring_fail(r, "cannot send a message: %s", strerror(-error));
}

/* ---- members --------------------------------------------------------------------------------- */

bool ring_member_is_in(const struct ring_client *r, const struct ring_member *m)
{
	return !m->is_lost && m->run == r->run;
}

bool ring_is_coordinator(const struct ring_client *r)
{
	for (size_t i = 0; i < r->members_n; i++) {
		if (ring_member_is_in(r, &r->members[i]))
			return r->members[i].pnn == r->pnn;
	}
	return false;
}

static struct ring_member *member_get(struct ring_client *r, uint32_t pnn)
{
	size_t i = 0;
	struct ring_member *m;

	while (i < r->members_n && r->members[i].pnn < pnn)
		i++;
	if (i < r->members_n && r->members[i].pnn == pnn)
		return &r->members[i];
	if (r->members_n == RING_MAX_MEMBERS)
		return NULL;
	m = realloc(r->members, (r->members_n + 1) * sizeof(*m));
	if (m == NULL)
		return NULL;
	r->members = m;
	memmove(m + i + 1, m + i, (r->members_n - i) * sizeof(*m));
	r->members_n++;
	m[i] = (struct ring_member){ .pnn = pnn };
	return &m[i];
}

static uint32_t member_next(const struct ring_client *r)
{
	uint32_t lowest = r->pnn;

	for (size_t i = r->members_n; i-- > 0;) {
		if (ring_member_is_in(r, &r->members[i]))
			lowest = r->members[i].pnn;
	}
	for (size_t i = 0; i < r->members_n; i++) {
		if (ring_member_is_in(r, &r->members[i]) && r->members[i].pnn > r->pnn)
			return r->members[i].pnn;
	}
	return lowest;
}

static void members_age(struct ring_client *r, uint64_t now_ns)
{
	for (size_t i = 0; i < r->members_n; i++) {
		struct ring_member *m = &r->members[i];

		if (m->pnn == r->pnn)
			m->heard_ns = now_ns;
		if (m->is_lost || now_ns - m->heard_ns < DEAD_NS)
			continue;
		if (r->state == RING_GATHER) {
			m->is_lost = true;
		} else if (r->options->keeps_going) {
			m->is_lost = true;
			r->nodes_lost++;
		}
	}
}

static void hello_send(struct ring_client *r, uint64_t now_ns)
{
	struct ring_packet p = { .kind = RING_HELLO };

	/* Who has stopped does not want newcomers, but lives */
	if (r->state == RING_RUN && r->end_ns > now_ns)
		p.hello.remaining_ms = (uint32_t)((r->end_ns - now_ns) / MS);
	ring_send(r, CTDB_BROADCAST_CONNECTED, &p);
	r->next_hello_ns = now_ns + HELLO_NS;
}

/* ---- tokens ------------------------------------------------------------------------------------
 */

static struct cotdb_key token_key(const struct ring_token *t)
{
	return (struct cotdb_key){ .p = t->key, .len_bytes = t->key_len };
}

static void token_pass(struct ring_client *r, uint32_t number, uint64_t now_ns)
{
	struct ring_token *t = &r->tokens[number];
	struct ring_packet p = { .kind = RING_TOKEN };

	t->is_here = false;
	t->hops++;
	t->seen_ns = now_ns;
	r->increments++;
	if (now_ns - r->last_increment_ns > r->longest_gap_ns)
		r->longest_gap_ns = now_ns - r->last_increment_ns;
	r->last_increment_ns = now_ns;
	p.token.token = number;
	p.token.epoch = t->epoch;
	p.token.origin = t->origin;
	p.token.hops = t->hops;
	ring_send(r, member_next(r), &p);
}

/* The token is here: lock its record, or ask for it */
static void token_work(struct ring_client *r, uint32_t number)
{
	struct ring_token *t = &r->tokens[number];
	struct cotdb_record record;
	uint64_t now_ns;
	int error;

	t->reqid = 0;
	t->wants_retry = false;
	if (!r->options->has_record) {
		now_ns = bench_now_ns();
		/* From here round and back: the time of all hops */
		if (t->hops > 0 && now_ns > t->seen_ns)
			histogram_add(&r->latency, now_ns - t->seen_ns);
		token_pass(r, number, now_ns);
		return;
	}
	error = cotdb_try_lock(r->db, token_key(t), &record);
	if (error == -EAGAIN)
		error = cotdb_migrate_begin(r->db, token_key(t), &t->reqid);
	else if (error == 0) {
		tally_read(&r->tally, slice_of(record.data, record.len_bytes));
		if (t->expected == RING_UNKNOWN)
			t->expected = tally_get(&r->tally, r->pnn);
		error = tally_increment(&r->tally, r->pnn);
		if (error == 0)
			error = cotdb_store(&record, r->tally.bytes, r->tally.len);
		cotdb_unlock(&record);
		if (error == 0) {
			t->expected++;
			now_ns = bench_now_ns();
			histogram_add(&r->latency, now_ns - t->arrived_ns);
			token_pass(r, number, now_ns);
		}
	}
	if (error != 0)
		ring_fail(r, "cannot lock the record: %s", strerror(-error));
}

static void token_arrive(struct ring_client *r, uint32_t number)
{
	r->tokens[number].is_here = true;
	r->tokens[number].arrived_ns = bench_now_ns();
	token_work(r, number);
}

static void token_take(struct ring_client *r, const struct ring_packet *p)
{
	struct ring_token *t;

	if (p->token.token >= r->options->tokens)
		return;
	t = &r->tokens[p->token.token];
	if (p->token.epoch < t->epoch ||
	    (p->token.epoch == t->epoch && p->token.origin < t->origin))
		return;
	t->epoch = p->token.epoch;
	t->origin = p->token.origin;
	if (p->token.hops > t->hops || !r->options->keeps_going)
		t->hops = p->token.hops;
	if (r->state == RING_STOPPED) {
		r->ended_n++;
		r->ended_hops += p->token.hops;
	} else if (r->state == RING_RUN && !t->is_here) {
		token_arrive(r, p->token.token);
	}
}

static void tokens_send_again(struct ring_client *r, uint64_t now_ns)
{
	for (uint32_t i = 0; i < r->options->tokens && r->state == RING_RUN; i++) {
		struct ring_token *t = &r->tokens[i];

		if (t->is_here || now_ns - t->seen_ns < (uint64_t)r->options->token_timeout_ms * MS)
			continue;
		t->epoch++;
		t->origin = r->pnn;
		r->resent++;
		token_arrive(r, i);
	}
}

/* ---- the run
 * ------------------------------------------------------------------------------------- */

static void run_begin(struct ring_client *r, uint64_t run, uint64_t left_ns)
{
	uint64_t now_ns = bench_now_ns();

	r->run = run;
	r->state = RING_RUN;
	r->start_ns = r->last_increment_ns = now_ns;
	r->end_ns = now_ns + left_ns;
	for (uint32_t i = 0; i < r->options->tokens; i++) {
		r->tokens[i].seen_ns = now_ns;
		r->tokens[i].expected = RING_UNKNOWN;
	}
	/* Whoever is here is in it from the start, even if it does not know yet: a token tells it
	 */
	for (size_t i = 0; i < r->members_n; i++) {
		if (!r->members[i].is_lost)
			r->members[i].run = run;
	}
	r->next_hello_ns = now_ns;
}

/* As coordinator: empty records, then the tokens */
static void run_start(struct ring_client *r)
{
	uint64_t run = 0;

	while (run == 0) {
		if (getrandom(&run, sizeof(run), 0) != sizeof(run)) {
			ring_fail(r, "no random number");
			return;
		}
	}
	for (uint32_t i = 0; r->options->has_record && i < r->options->tokens; i++) {
		struct cotdb_record record;
		int error = cotdb_fetch_lock(r->db, token_key(&r->tokens[i]), &record);

		if (error == 0) {
			error = cotdb_store(&record, NULL, 0);
			cotdb_unlock(&record);
		}
		if (error != 0) {
			ring_fail(r, "cannot empty the record: %s", strerror(-error));
			return;
		}
	}
	run_begin(r, run, (uint64_t)(r->options->seconds * 1e9));
	hello_send(r, bench_now_ns());
	for (uint32_t i = 0; i < r->options->tokens && r->state == RING_RUN; i++) {
		r->tokens[i].epoch = 1;
		r->tokens[i].origin = r->pnn;
		token_arrive(r, i);
	}
}

static void hello_take(struct ring_client *r, const struct ring_packet *p)
{
	struct ring_member *m = member_get(r, p->pnn);

	if (m == NULL)
		return;
	if (m->instance != p->instance && m->pnn == r->pnn && p->instance != r->instance) {
		ring_fail(r, "another cotdb-bench runs on this node (see --name)");
		return;
	}
	/* It was only late, or it is another one */
	if (m->is_lost && m->instance == p->instance && r->nodes_lost > 0)
		r->nodes_lost--;
	m->instance = p->instance;
	m->heard_ns = bench_now_ns();
	m->is_lost = false;
	/* Its run may be news to it: what the coordinator decided stands */
	if (p->run != 0 || r->state == RING_GATHER)
		m->run = p->run;
	if (p->run == 0 || p->hello.remaining_ms == 0)
		return;
	if (r->state == RING_GATHER)
		run_begin(r, p->run, (uint64_t)p->hello.remaining_ms * MS);
	else if (p->run == r->run && p->pnn < r->pnn)
		r->end_ns = m->heard_ns + (uint64_t)p->hello.remaining_ms * MS;
}

static void message_take(struct ring_client *r, const struct cotdb_event *e)
{
	struct ring_packet p;

	if (ring_packet_decode(slice_of(e->data, e->len_bytes), &p))
		return;
	if (p.kind == RING_HELLO) {
		hello_take(r, &p);
		return;
	}
	if (r->state == RING_GATHER && p.kind == RING_TOKEN && p.run != 0)
		run_begin(r, p.run, (uint64_t)(r->options->seconds * 1e9));
	if (p.run != r->run || r->run == 0)
		return;
	if (p.kind == RING_TOKEN) {
		token_take(r, &p);
	} else if (p.kind == RING_STOP && r->state == RING_RUN) {
		ring_stop(r, bench_now_ns());
	} else if (p.kind == RING_REPORT && r->state == RING_STOPPED) {
		ring_report_take(r, &p);
	} else if (p.kind == RING_DONE && r->state == RING_STOPPED) {
		r->result = p.done;
		r->state = RING_OVER;
	}
}

static void reply_take(struct ring_client *r, const struct cotdb_event *e)
{
	for (uint32_t i = 0; i < r->options->tokens; i++) {
		struct ring_token *t = &r->tokens[i];

		if (!t->is_here || t->reqid != e->reqid)
			continue;
		t->reqid = 0;
		if (r->state != RING_RUN)
			return;
		if (e->status == 0)
			token_work(r, i);
		else if (r->options->keeps_going)
			t->wants_retry = true;
		else
			ring_fail(r, "the daemon did not bring the record");
		return;
	}
}

void ring_client_events(struct ring_client *r)
{
	struct cotdb_event e;

	while (r->state != RING_OVER && r->state != RING_FAILED) {
		int n = cotdb_event_next(r->h, &e);

		if (n == 0)
			return;
		if (n < 0)
			ring_fail(r, "the daemon is gone: %s", strerror(-n));
		else if (e.type == COTDB_EVENT_MESSAGE)
			message_take(r, &e);
		else
			reply_take(r, &e);
	}
}

static size_t members_present(const struct ring_client *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->members_n; i++)
		n += !r->members[i].is_lost;
	return n;
}

static void running_tick(struct ring_client *r, uint64_t now_ns)
{
	for (uint32_t i = 0; i < r->options->tokens && r->state == RING_RUN; i++) {
		if (r->tokens[i].is_here && r->tokens[i].wants_retry)
			token_work(r, i);
	}
	if (r->state != RING_RUN)
		return;
	if (bench_is_interrupted() || (ring_is_coordinator(r) && now_ns >= r->end_ns)) {
		struct ring_packet stop = { .kind = RING_STOP };

		ring_send(r, CTDB_BROADCAST_CONNECTED, &stop);
		ring_stop(r, now_ns);
	} else if (ring_is_coordinator(r) && r->options->keeps_going) {
		tokens_send_again(r, now_ns);
	}
	if (!r->options->keeps_going && r->state == RING_RUN &&
	    now_ns - r->last_increment_ns > NO_PROGRESS_NS)
		ring_fail(r, "no token came for %llu s", NO_PROGRESS_NS / MS / 1000);
}

uint64_t ring_client_tick(struct ring_client *r, uint64_t now_ns)
{
	uint64_t next_ns;

	members_age(r, now_ns);
	if (now_ns >= r->next_hello_ns)
		hello_send(r, now_ns);
	if (r->state == RING_GATHER) {
		if (bench_is_interrupted())
			ring_fail(r, "interrupted before all clients were there");
		else if (ring_is_coordinator(r) && members_present(r) >= r->options->nodes)
			run_start(r);
	} else if (r->state == RING_RUN) {
		running_tick(r, now_ns);
	} else if (r->state == RING_STOPPED) {
		ring_stopped_tick(r, now_ns);
	}
	next_ns = r->next_hello_ns;
	if (r->state == RING_RUN && r->end_ns > now_ns && r->end_ns < next_ns)
		next_ns = r->end_ns;
	return next_ns;
}

bool ring_client_open(struct ring_client *r, const struct bench_options *o, const char *path)
{
	uint32_t name = jenkins_hash(slice_of(o->run_name, strlen(o->run_name)));
	struct ring_member *self;
	int error = 0;

	*r = (struct ring_client){ .options = o };
	r->h = bench_connect(path);
	if (r->h == NULL)
		return false;
	r->pnn = cotdb_pnn(r->h);
	/* A range that nobody else uses, the benchmark, the run's name */
	r->srvid =
	    CTDB_SRVID_TEST | (o->has_record ? 0x52000000000000ULL : 0x4D000000000000ULL) | name;
	for (uint32_t i = 0; i < o->tokens; i++) {
		struct ring_token *t = &r->tokens[i];
		int len = snprintf(t->key, sizeof(t->key), "ring-%.64s-%" PRIu32, o->run_name, i);

		t->key_len = (size_t)len;
	}
	if (getrandom(&r->instance, sizeof(r->instance), 0) != sizeof(r->instance))
		error = -EIO;
	if (error == 0 && o->has_record)
		error = cotdb_attach(r->h, o->db_name, COTDB_DB_VOLATILE, &r->db);
	if (error == 0)
		error = cotdb_register(r->h, r->srvid);
	self = member_get(r, r->pnn);
	if (self == NULL)
		error = -ENOMEM;
	if (error != 0) {
		ring_fail(r, "cannot begin: %s", strerror(-error));
		return false;
	}
	self->instance = r->instance;
	return true;
}

void ring_client_close(struct ring_client *r)
{
	for (size_t i = 0; i < r->members_n; i++)
		free(r->members[i].report);
	free(r->members);
	cotdb_close(r->h);
}
