/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_core.c: calls, records, messages and sessions of one node, against a peer that sends
 * anything. Whole clusters are the simulator's work.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "core_world.h"

static void test_alone(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	struct core_call call = call_of(c, "k");
	struct core_status s;

	(void)state;
	core_status(c, &s);
	assert_int_equal(s.reason, REASON_NONE);
	assert_int_equal(s.generation, 2);
	assert_int_equal(s.leader, 0);
	core_call(c, 1, 5, &call);
	assert_int_equal(w.replies, 1); /* created, empty, and ours */
	assert_true(w.has_record);
	assert_int_equal(w.header.dmaster, 0);
	core_free(c);
}

/* The last leader is none any more, in its own eyes too */
static void test_no_leader_without_quorum(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	struct core_status s;

	(void)state;
	core_quorum(c, false, ring, NULL, 0);
	core_status(c, &s);
	assert_true(s.is_frozen);
	assert_int_equal(s.leader, CORE_UNKNOWN_PNN);
	core_quorum(c, true, ring, NULL, 0);
	core_status(c, &s);
	assert_int_equal(s.leader, 0);
	core_free(c);
}

static void test_busy_chain(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	struct core_call call = call_of(c, "k");

	(void)state;
	w.is_locked_outside = true;
	core_call(c, 1, 5, &call);
	core_call(c, 2, 6, &call);
	assert_int_equal(w.replies, 0);
	core_client_gone(c, 2);
	w.is_locked_outside = false;
	core_key_unlocked(c, call.db_id, call.key);
	assert_int_equal(w.replies, 1);
	assert_int_equal(c->keys.n, 0);
	core_free(c);
}

static void test_bad_calls(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	struct core_call call = call_of(c, "k");

	(void)state;
	call.db_id++;
	core_call(c, 1, 5, &call);
	call.db_id--;
	call.key.len = 0;
	core_call(c, 1, 6, &call);
	assert_int_equal(w.errors, 2);
	assert_int_equal(core_attach(c, "../x", 0), -EINVAL);
	assert_int_equal(core_attach(c, "", 0), -EINVAL);
	assert_int_equal(core_attach(c, "a.tdb", DB_PERSISTENT), -EINVAL);
	core_free(c);
}

static void test_messages(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);

	(void)state;
	core_register(c, 1, 7);
	core_register(c, 1, 7);
	core_register(c, 2, CORE_SRVID_ALL);
	core_message(c, CORE_CURRENT_NODE, 7, slice_of("x", 1));
	assert_int_equal(w.messages, 3);
	assert_int_equal(core_deregister(c, 1, 7), 0);
	core_message(c, CORE_BROADCAST_ALL, 7, slice_of("x", 1));
	assert_int_equal(w.messages, 5);
	core_client_gone(c, 1);
	assert_int_equal(core_deregister(c, 1, 7), -ENOENT);
	core_message(c, 5, 7, slice_of("x", 1)); /* no such node */
	core_message(c, 0xF0000005U, 7, slice_of("x", 1));
	assert_int_equal(w.messages, 5);
	core_free(c);
}

static size_t output_all(struct core *c, uint8_t *buf, size_t size)
{
	struct slice run[2];
	size_t n = core_peer_output(c, 1, run), len = 0;

	for (size_t i = 0; i < n; i++) {
		assert_true(len + run[i].len <= size);
		memcpy(buf + len, run[i].p, run[i].len);
		len += run[i].len;
	}
	return len;
}

static void test_session_resumes(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	uint8_t first[65536], again[65536];
	size_t len, rest;

	(void)state;
	core_message(c, 1, 7, slice_of("one", 3));
	core_message(c, 1, 7, slice_of("two", 3));
	len = output_all(c, first, sizeof(first));
	core_peer_sent(c, 1, len - 5); /* the last packet is cut in two */
	core_peer_down(c, 1);
	assert_int_equal(output_all(c, again, sizeof(again)), 0);
	/* the peer took nothing: all comes again, from a packet's start */
	assert_int_equal(core_peer_up(c, 1, PEER_BOOT, 0), 0);
	assert_int_equal(output_all(c, again, sizeof(again)), len);
	assert_memory_equal(first, again, len);
	/* it took the first one: the rest comes */
	core_peer_down(c, 1);
	assert_int_equal(core_peer_up(c, 1, PEER_BOOT, 1), 0);
	rest = output_all(c, again, sizeof(again));
	assert_true(rest < len);
	assert_memory_equal(first + (len - rest), again, rest);
	/* it claims what was never sent, or forgets what it had; or it is another run */
	core_peer_down(c, 1);
	assert_int_equal(core_peer_up(c, 1, PEER_BOOT, 1000), -EPROTO);
	assert_int_equal(core_peer_up(c, 1, PEER_BOOT, 0), -EPROTO);
	assert_int_equal(core_peer_up(c, 1, 78, 1), -ESTALE);
	core_free(c);
}

/* Nobody acknowledges an ACK: while all packets go the other way, none is kept */
static void test_session_one_way(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	const struct session *s = &c->node[1]->session;
	uint8_t buf[65536];
	struct packet ack = { .type = PACKET_ACK };
	size_t len = output_all(c, buf, sizeof(buf));

	(void)state;
	core_peer_sent(c, 1, len);
	core_peer_down(c, 1);
	assert_int_equal(core_peer_up(c, 1, PEER_BOOT, s->next_seq - 1), 0);
	for (int i = 0; i < 10000; i++) {
		packet_send(c, 1, &ack);
		len = output_all(c, buf, sizeof(buf));
		assert_int_equal(len, 32);
		core_peer_sent(c, 1, len - 5); /* in two pieces */
		core_peer_sent(c, 1, 5);
	}
	assert_int_equal(s->end - s->acked, 0);
	core_free(c);
}

/* A joiner that was never active may go and come back as the same incarnation, and its session with
 * it, though there was a new generation meanwhile */
static void test_session_of_joiner(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	struct core_member self = { .pnn = 0, .pid = 1 };
	uint8_t buf[65536];

	(void)state;
	peer_joins(&w, REASON_TOPOLOGY);
	assert_int_equal(core_peer_up(c, 1, PEER_BOOT, 0), 0);
	core_message(c, 1, 7, slice_of("one", 3));
	core_peer_sent(c, 1, output_all(c, buf, sizeof(buf)));
	core_peer_down(c, 1);
	core_membership(c, &self, 1, ring);
	core_multicast(c, 0, 1, slice_of(w.sent, w.sent_len)); /* STATE */
	plan_in(&w, 1);
	peer_joins(&w, REASON_NONE);
	assert_int_equal(core_peer_up(c, 1, PEER_BOOT, 1), 0);
	core_free(c);
}

static struct writer packet_of(uint8_t *buf, size_t size, uint8_t type, uint32_t generation,
			       uint64_t seq)
{
	struct writer w = writer_of(buf, size);

	writer_u32(&w, 0);
	writer_u8(&w, type);
	writer_zero(&w, 3);
	writer_u32(&w, generation);
	writer_zero(&w, 4);
	writer_u64(&w, seq);
	writer_u64(&w, 0);
	return w;
}

static int input(struct core *c, struct writer *w)
{
	uint32_t len = (uint32_t)w->len;

	memcpy(w->p, &len, sizeof(len));
	return core_peer_input(c, 1, slice_of(w->p, w->len));
}

/* A peer is not told of more records than it works off soon: what a client waits for is behind them */
static void test_sweep_waits_for_peer(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	struct core_call call = call_of(c, "k");
	struct session *s = &c->node[1]->session;
	uint8_t buf[64];
	struct writer p;
	struct slice run[2];
	uint32_t n = 0;
	int rc = 0;

	(void)state;
	c->is_swept = false;
	while (rc == 0) {
		char key[96];
		struct core_sweep_entry e = { .header = { .rsn = 1 } };

		e.key = slice_of(key, (size_t)snprintf(key, sizeof(key), "%090u", n++));
		rc = core_sweep_batch(c, call.db_id, c->active_generation, &e, 1);
		assert_true(n < 50000);
	}
	assert_in_range(s->end - s->acked, 512 * 1024, 600 * 1024);
	assert_true(core_sweep_is_ahead(c));
	/* who is out of reach does not keep the others from theirs */
	c->node[1]->is_connected = false;
	assert_false(core_sweep_is_ahead(c));
	c->node[1]->is_connected = true;
	/* written is not taken */
	while (core_peer_output(c, 1, run) > 0)
		core_peer_sent(c, 1, run[0].len);
	assert_true(core_sweep_is_ahead(c));
	p = writer_of(buf, sizeof(buf));
	writer_u32(&p, 0);
	writer_u8(&p, PACKET_ACK);
	writer_zero(&p, 3 + 4 + 4);
	writer_u64(&p, 0);
	writer_u64(&p, s->next_seq - 1);
	assert_int_equal(input(c, &p), CORE_TAKEN);
	assert_false(core_sweep_is_ahead(c));
	core_free(c);
}

static void test_duplicates_and_gaps(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	uint8_t buf[256];
	struct writer p;

	(void)state;
	core_register(c, 1, 7);
	p = packet_of(buf, sizeof(buf), PACKET_MESSAGE, 0, 1);
	writer_u64(&p, 7);
	writer_block(&p, "x", 1);
	assert_int_equal(input(c, &p), CORE_TAKEN);
	assert_int_equal(w.messages, 1);
	assert_int_equal(input(c, &p), CORE_TAKEN); /* the same number: had already */
	assert_int_equal(w.messages, 1);
	buf[16] = 3;
	assert_int_equal(input(c, &p), -EBADMSG); /* 2 is missing */
	assert_int_equal(core_peer_received(c, 1), 1);
	core_free(c);
}

static void test_generations(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	struct core_call call = call_of(c, "k");
	uint8_t buf[256];
	struct writer p;
	struct core_status s;

	(void)state;
	core_status(c, &s);
	for (int i = 0; i < 3; i++) {
		/* older: taken and dropped; newer: held; this one: the record is ours */
		uint32_t generation = s.generation + (uint32_t)(i == 2 ? 0 : i == 0 ? -1 : 1);

		p = packet_of(buf, sizeof(buf), PACKET_GRANT, generation, i == 0 ? 1 : 2);
		writer_u32(&p, call.db_id);
		writer_u64(&p, 9);
		writer_u32(&p, 0);
		writer_block(&p, call.key.p, call.key.len);
		writer_block(&p, "body", 4);
		assert_int_equal(input(c, &p), i == 1 ? CORE_HOLD : CORE_TAKEN);
		assert_int_equal(w.has_record, i == 2);
	}
	assert_int_equal(w.header.rsn, 9);
	assert_int_equal(w.header.dmaster, 0);
	/* of a database that is not attached here yet: held */
	p = packet_of(buf, sizeof(buf), PACKET_LOCATION, s.generation, 3);
	writer_u32(&p, call.db_id + 1);
	writer_u32(&p, 1);
	writer_u64(&p, 9);
	writer_block(&p, "k", 1);
	assert_int_equal(input(c, &p), CORE_HOLD);
	core_free(c);
}

/* A record of this node's, from the peer: its packet number 1 */
static void record_comes(struct core *c, const struct core_call *call)
{
	uint8_t buf[256];
	struct writer p = packet_of(buf, sizeof(buf), PACKET_GRANT, core_generation(c), 1);

	writer_u32(&p, call->db_id);
	writer_u64(&p, 9);
	writer_u32(&p, 0);
	writer_block(&p, call->key.p, call->key.len);
	writer_block(&p, "body", 4);
	assert_int_equal(input(c, &p), CORE_TAKEN);
}

/* The peer asks for it; the last packet that it is sent then */
static struct packet last_packet(struct core *c)
{
	static uint8_t out[65536];
	struct packet p = { 0 };
	size_t len;

	len = output_all(c, out, sizeof(out));
	for (size_t at = 0; at < len; at += p.raw.len) {
		uint32_t size;
		uint64_t before = p.seq;

		memcpy(&size, out + at, sizeof(size));
		assert_int_equal(packet_decode(slice_of(out + at, size), &p), 0);
		if (at > 0)
			assert_int_equal(p.seq, before + 1);
	}
	core_peer_sent(c, 1, len);
	return p;
}

static struct packet peer_asks_as(struct core *c, const struct core_call *call, uint64_t seq,
				  uint32_t orig)
{
	uint8_t buf[256];
	struct writer w = packet_of(buf, sizeof(buf), PACKET_FORWARD, core_generation(c), seq);

	writer_u32(&w, call->db_id);
	writer_u32(&w, orig);
	writer_u64(&w, 9);
	writer_u8(&w, 1);
	writer_block(&w, call->key.p, call->key.len);
	assert_int_equal(input(c, &w), CORE_TAKEN);
	return last_packet(c);
}

static struct packet peer_asks(struct core *c, const struct core_call *call, uint64_t seq)
{
	return peer_asks_as(c, call, seq, 1);
}

/* A lent record is not given away, nor had by a client here that would write it, before the copy is
 * called in */
static void test_lends(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	struct core_call call = call_of(c, "k");
	uint8_t buf[256];
	struct writer revoked;
	struct packet p;

	(void)state;
	record_comes(c, &call);
	p = peer_asks_as(c, &call, 2, 1 | ORIG_READONLY);
	if (p.type == PACKET_LOCATION) { /* to the lmaster, behind the copy */
		assert_int_equal(p.rsn, 10);
		p = peer_asks_as(c, &call, 3, 1 | ORIG_READONLY);
	} else {
		peer_asks_as(c, &call, 3, 1 | ORIG_READONLY);
	}
	assert_int_equal(p.type, PACKET_COPY);
	assert_int_equal(p.rsn, 10);
	assert_int_equal(p.flags & RECORD_READONLY_FLAGS, RECORD_IS_COPY);
	assert_true(slice_equal(p.data, slice_of("body", 4)));
	assert_int_equal(w.header.rsn, 10);
	assert_int_equal(w.header.dmaster, 0);
	assert_int_equal(w.header.flags & RECORD_READONLY_FLAGS, RECORD_IS_LENT);
	call.callid = CALL_FETCH;
	core_call(c, 1, 1, &call);
	assert_int_equal(w.replies, 1); /* who only reads may */
	call.callid = CALL_NULL;
	core_call(c, 1, 2, &call);
	assert_int_equal(w.replies, 1);
	p = last_packet(c);
	assert_int_equal(p.type, PACKET_REVOKE);
	p = peer_asks_as(c, &call, 4, 1);
	assert_int_equal(p.type, 0); /* it waits */
	assert_int_equal(w.header.dmaster, 0);
	for (uint64_t seq = 5; seq < 7; seq++) { /* what it says twice counts once */
		revoked = packet_of(buf, sizeof(buf), PACKET_REVOKED, core_generation(c), seq);
		writer_u32(&revoked, call.db_id);
		writer_block(&revoked, call.key.p, call.key.len);
		assert_int_equal(input(c, &revoked), CORE_TAKEN);
	}
	assert_int_equal(w.replies, 2);
	assert_int_equal(w.header.dmaster, 1);
	assert_int_equal(w.header.rsn, 11);
	assert_int_equal(w.header.flags & RECORD_READONLY_FLAGS, 0);
	core_free(c);
}

/* An owner that cannot give its record away stays the owner, and the one that asked is told */
static void test_refuses(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	struct core_call call = call_of(c, "k");
	struct packet p;

	(void)state;
	record_comes(c, &call);
	w.is_full = true;
	p = peer_asks(c, &call, 2);
	assert_int_equal(p.type, PACKET_REFUSED);
	assert_true(slice_equal(p.key, call.key));
	assert_int_equal(w.header.dmaster, 0);
	assert_int_equal(w.header.rsn, 9);
	w.is_full = false;
	w.is_broken = true; /* it cannot even be locked */
	p = peer_asks(c, &call, 3);
	assert_int_equal(p.type, PACKET_REFUSED);
	w.is_broken = false;
	p = peer_asks(c, &call, 4);
	assert_true(p.type == PACKET_GRANT || p.type == PACKET_LOCATION);
	assert_int_equal(w.header.dmaster, 1);
	assert_int_equal(w.retired, 0);
	core_free(c);
}

/* What was refused by the owner is an error to the clients that wait for it */
static void time_goes(struct world *w, uint64_t ms)
{
	w->now += ms;
	core_tick(w->core);
}

/* How many records the peer is told to adopt */
static unsigned int adopts(struct core *c)
{
	struct slice run[2];
	size_t n = core_peer_output(c, 1, run), sent = 0;
	unsigned int found = 0;
	struct packet p;

	for (size_t i = 0; i < n; i++) {
		for (size_t at = 0; at < run[i].len; at += p.raw.len) {
			uint32_t size;

			memcpy(&size, run[i].p + at, sizeof(size));
			assert_int_equal(packet_decode(slice_of(run[i].p + at, size), &p), 0);
			found += p.type == PACKET_ADOPT;
			assert_true(p.type != PACKET_ADOPT || p.rsn > 9);
		}
		sent += run[i].len;
	}
	core_peer_sent(c, 1, sent);
	return found;
}

static uint64_t orphans(const struct core *c)
{
	struct core_status s;

	core_status(c, &s);
	return s.orphans;
}

/* What nobody owns is adopted when all reports are in, some in each tick, none while much is queued */
static void test_orphans(void **state)
{
	enum { ORPHANS = 300, MANY = 9 << 20 };
	struct world w;
	struct core *c = node_with_peer(&w);
	struct core_call call = call_of(c, "k");
	static uint8_t buf[65536], big[MANY];
	struct writer p;

	(void)state;
	core_sweep_end(c, call.db_id, core_generation(c));
	p = packet_of(buf, sizeof(buf), PACKET_REPORT, core_generation(c), 1);
	writer_u32(&p, call.db_id);
	writer_u32(&p, ORPHANS + 1);
	for (uint32_t i = 0; i <= ORPHANS; i++) {
		writer_u64(&p, 9);
		writer_u8(&p, i == ORPHANS); /* the last one is owned */
		writer_block(&p, &i, sizeof(i));
	}
	assert_int_equal(input(c, &p), CORE_TAKEN);
	assert_int_equal(orphans(c), ORPHANS);
	time_goes(&w, 10);
	assert_int_equal(adopts(c), 0);
	p = packet_of(buf, sizeof(buf), PACKET_DONE, core_generation(c), 2);
	assert_int_equal(input(c, &p), CORE_TAKEN);
	assert_int_equal(orphans(c), ORPHANS);
	assert_true(core_deadline_ms(c) <= w.now + 10);
	core_message(c, 1, 7, slice_of(big, sizeof(big)));
	time_goes(&w, 10);
	assert_int_equal(adopts(c), 0); /* and now all that was queued is sent */
	assert_true(core_deadline_ms(c) > w.now + 10);
	for (unsigned int found = 0, n; found < ORPHANS; found += n) {
		time_goes(&w, 100);
		n = adopts(c);
		assert_in_range(n, 1, ORPHANS / 2);
		assert_int_equal(orphans(c), ORPHANS - found - n);
	}
	time_goes(&w, 100);
	assert_int_equal(adopts(c), 0);
	core_free(c);
}

static void test_is_refused(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	struct core_call call = call_of(c, "k");
	uint8_t buf[256];
	struct writer p;

	(void)state;
	core_call(c, 1, 5, &call);
	core_call(c, 2, 6, &call);
	assert_int_equal(w.errors, 0);
	p = packet_of(buf, sizeof(buf), PACKET_REFUSED, core_generation(c), 1);
	writer_u32(&p, call.db_id);
	writer_block(&p, call.key.p, call.key.len);
	assert_int_equal(input(c, &p), CORE_TAKEN);
	assert_int_equal(w.errors, 2);
	assert_int_equal(w.replies, 0);
	assert_int_equal(c->keys.n, 0);
	core_call(c, 1, 7, &call); /* and can be asked for again */
	assert_int_equal(w.errors, 2);
	assert_int_equal(c->keys.n, 1);
	core_free(c);
}

/* Who fills the queue to a member is told, while it is long and the member is there */
static void test_forward_is_congested(void **state)
{
	static const uint8_t data[1 << 20];
	struct world w;
	struct core *c = node_with_peer(&w);
	unsigned int n = 0;
	struct slice run[2];

	(void)state;
	assert_int_equal(core_forward(c, 2, slice_of(data, 1)), -EHOSTUNREACH);
	assert_false(core_is_peer_congested(c, 1));
	assert_false(core_is_peer_congested(c, CORE_MAX_NODES));
	while (n < 64 && core_forward(c, 1, slice_of(data, sizeof(data))) == 0)
		n++;
	assert_in_range(n, 1, 16);
	assert_true(core_is_peer_congested(c, 1));
	assert_int_equal(core_peer_up(c, 1, PEER_BOOT, 0), 0);
	while (core_peer_output(c, 1, run) > 0)
		core_peer_sent(c, 1, run[0].len);
	assert_false(core_is_peer_congested(c, 1));
	assert_int_equal(core_forward(c, 1, slice_of(data, 1)), 0);
	core_free(c);
}

/* A record that came and cannot be taken in is nobody's: this node may not go on */
static void test_grant_without_lock(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	struct core_call call = call_of(c, "k");

	(void)state;
	w.is_broken = true;
	record_comes(c, &call);
	assert_int_equal(w.retired, 1);
	core_free(c);
}

static void test_hostile_peer(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	uint8_t buf[512];
	uint32_t seed = 7;
	struct core_status s;

	(void)state;
	core_status(c, &s);
	for (unsigned int i = 0; i < 50000 && w.retired == 0; i++) {
		struct writer p = packet_of(buf, sizeof(buf), (uint8_t)(i % (PACKET_TYPES + 2)),
					    s.generation, core_peer_received(c, 1) + 1);
		size_t len = (seed >> 10) % 200;

		for (size_t k = 0; k < len; k++) {
			seed = seed * 1664525 + 1013904223;
			writer_u8(&p, (uint8_t)(k % 4 == 3 ? 0 : seed >> 24));
		}
		input(c, &p);
	}
	assert_int_equal(input(c, &(struct writer){ .p = buf, .len = 8, .size = 8 }), -EBADMSG);
	core_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_no_leader_without_quorum),
		cmocka_unit_test(test_busy_chain),
		cmocka_unit_test(test_bad_calls),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_session_resumes),
		cmocka_unit_test(test_session_one_way),
		cmocka_unit_test(test_session_of_joiner),
		cmocka_unit_test(test_sweep_waits_for_peer),
		cmocka_unit_test(test_duplicates_and_gaps),
		cmocka_unit_test(test_generations),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_lends),
		cmocka_unit_test(test_orphans),
		cmocka_unit_test(test_is_refused),
		cmocka_unit_test(test_grant_without_lock),
		cmocka_unit_test(test_forward_is_congested),
		cmocka_unit_test(test_hostile_peer),
	};

	return cmocka_run_group_tests_name("core", tests, NULL, NULL);
}
