/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_drain.c: a node that hands over what it owns, and what it says to one that does (drain.c) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>
#include "core_world.h"
#include "daemon/core/drain.h"

#define TIMEOUT_MS 10000

/* node1, whose peer is played by hand */
struct peer {
	struct world w;
	struct core *c;
	struct core_call call;
	uint64_t seq;
	uint8_t out[65536];
	size_t len, at;
};

struct fields {
	const struct core_call *call;
	uint64_t number; /* ticket or rsn */
	uint8_t mode;
	const char *body;
};

static void drain_fields(struct writer *w, const struct fields *f)
{
	writer_u64(w, f->number);
	writer_u8(w, f->mode);
}

static void drained_fields(struct writer *w, const struct fields *f)
{
	writer_u64(w, f->number);
}

static void grant_fields(struct writer *w, const struct fields *f)
{
	writer_u32(w, f->call->db_id);
	writer_u64(w, f->number);
	writer_u32(w, 0);
	writer_block(w, f->call->key.p, f->call->key.len);
	writer_block(w, f->body, strlen(f->body));
}

static void request_fields(struct writer *w, const struct fields *f)
{
	writer_u32(w, f->call->db_id);
	writer_u32(w, 1);
	writer_block(w, f->call->key.p, f->call->key.len);
}

static void peer_say(struct peer *p, uint8_t type,
		     void (*write)(struct writer *w, const struct fields *f), struct fields f)
{
	uint8_t buf[512];
	struct writer w = writer_of(buf, sizeof(buf));
	uint32_t len;

	writer_u32(&w, 0);
	writer_u8(&w, type);
	writer_zero(&w, 3);
	writer_u32(&w, core_generation(p->c));
	writer_zero(&w, 4);
	writer_u64(&w, ++p->seq);
	writer_u64(&w, 0);
	if (write != NULL)
		write(&w, &f);
	len = (uint32_t)w.len;
	memcpy(buf, &len, sizeof(len));
	assert_int_equal(core_peer_input(p->c, 1, slice_of(buf, w.len)), CORE_TAKEN);
}

/* The next packet of this type that the peer was sent; false: none */
static bool peer_hears(struct peer *p, uint8_t type, struct packet *found)
{
	struct slice run[2];

	for (;;) {
		uint32_t size;

		if (p->at == p->len) {
			if (core_peer_output(p->c, 1, run) == 0)
				return false;
			assert_true(run[0].len <= sizeof(p->out));
			memcpy(p->out, run[0].p, run[0].len);
			p->len = run[0].len;
			p->at = 0;
			core_peer_sent(p->c, 1, p->len);
		}
		memcpy(&size, p->out + p->at, sizeof(size));
		assert_int_equal(packet_decode(slice_of(p->out + p->at, size), found), 0);
		p->at += size;
		if (found->type == type)
			return true;
	}
}

/* In a recovery; the key's lmaster is node1 */
static struct peer *peer_begin(void)
{
	static char key[16];
	static struct peer p;

	memset(&p, 0, sizeof(p));
	p.c = node_with_peer(&p.w);
	p.c->node[1]->protocol = CORE_PROTOCOL_MAX; /* that world's peer is of an older version */
	for (unsigned int i = 0;; i++) {
		snprintf(key, sizeof(key), "key%u", i);
		p.call = call_of(p.c, key);
		if (core_lmaster(p.c, p.call.db_id, p.call.key) == 0)
			return &p;
	}
}

static void peer_recovers(struct peer *p)
{
	core_sweep_end(p->c, p->call.db_id, core_generation(p->c));
	peer_say(p, PACKET_DONE, NULL, (struct fields){ 0 });
	assert_false(p->c->is_recovering);
}

/* node1 owns the record, as "abc" */
static struct peer *peer_begin_owned(void)
{
	struct peer *p = peer_begin();

	peer_recovers(p);
	peer_say(p, PACKET_GRANT, grant_fields, (struct fields){ &p->call, 50, 0, "abc" });
	assert_int_equal(p->w.header.dmaster, 0);
	return p;
}

static void time_goes(struct peer *p, uint64_t ms)
{
	for (uint64_t end = p->w.now + ms; p->w.now < end;) {
		p->w.now++;
		if (core_deadline_ms(p->c) <= p->w.now)
			core_tick(p->c);
	}
}

static struct core_status status_of(const struct core *c)
{
	struct core_status s;

	core_status(c, &s);
	return s;
}

/* What was asked to be read last: with the record, if it is owned, and to its end */
static void pass_reads(struct peer *p)
{
	struct core_traverse_read r = p->w.read[(p->w.reads - 1) % 8];
	struct core_traverse_entry e = { .key = p->call.key,
					 .value = slice_of(p->w.record, p->w.record_len) };

	assert_int_equal(r.dmaster, 0);
	assert_true(r.with_empty);
	if (p->w.has_record && p->w.header.dmaster == 0)
		core_traverse_records(p->c, r.cookie, &e, 1);
	core_traverse_read_end(p->c, r.cookie, CORE_CHAIN_END, 0);
}

static void test_nobody(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);

	(void)state;
	core_leave(c, TIMEOUT_MS);
	assert_int_equal(w.drains, 1);
	assert_int_equal(w.drain_end, CORE_DRAIN_NOBODY);
	core_free(c);
}

static void test_leave(void **state)
{
	struct peer *p = peer_begin_owned();
	struct packet ask, grant;
	uint64_t ticket;

	(void)state;
	core_leave(p->c, TIMEOUT_MS);
	assert_int_equal(status_of(p->c).drain, CORE_DRAIN_LEAVING);
	assert_true(peer_hears(p, PACKET_DRAIN, &ask));
	assert_int_equal(ask.mode, DRAIN_LEAVING);
	ticket = ask.ticket;
	assert_int_equal(p->w.reads, 1); /* it does not wait for the answer to begin */
	pass_reads(p);
	assert_true(peer_hears(p, PACKET_GRANT, &grant));
	assert_int_equal(grant.rsn, 51);
	assert_int_equal(grant.data.len, 3);
	assert_int_equal(p->w.header.dmaster, 1);
	assert_int_equal(status_of(p->c).drain_given, 1);
	/* what was found before all have answered says nothing of the end */
	time_goes(p, 100);
	pass_reads(p);
	time_goes(p, 100);
	assert_int_equal(p->w.drains, 0);
	peer_say(p, PACKET_DRAINED, drained_fields, (struct fields){ .number = ticket - 1 });
	peer_say(p, PACKET_DRAINED, drained_fields, (struct fields){ .number = ticket });
	peer_say(p, PACKET_DRAINED, drained_fields, (struct fields){ .number = ticket });
	pass_reads(p); /* began before */
	time_goes(p, 100);
	assert_false(peer_hears(p, PACKET_DRAIN, &ask));
	pass_reads(p);
	/* nothing is here, and nothing comes: is what was given stored? */
	time_goes(p, 100);
	assert_true(peer_hears(p, PACKET_DRAIN, &ask));
	assert_true(ask.ticket > ticket);
	assert_int_equal(p->w.drains, 0);
	peer_say(p, PACKET_DRAINED, drained_fields, (struct fields){ .number = ask.ticket });
	assert_int_equal(p->w.drains, 1);
	assert_int_equal(p->w.drain_end, CORE_DRAIN_DONE);
	core_free(p->c);
}

static void test_timeout(void **state)
{
	struct peer *p = peer_begin_owned();
	struct packet grant;

	(void)state;
	p->w.is_locked_outside = true;
	core_leave(p->c, TIMEOUT_MS);
	pass_reads(p);
	assert_int_equal(p->w.lock_waits, 0); /* nobody waits behind the client */
	assert_int_equal(status_of(p->c).drain_left, 1);
	time_goes(p, TIMEOUT_MS - 1);
	assert_int_equal(p->w.drains, 0);
	time_goes(p, 20);
	assert_int_equal(p->w.drains, 1);
	assert_int_equal(p->w.drain_end, CORE_DRAIN_TIMED_OUT);
	assert_false(peer_hears(p, PACKET_GRANT, &grant));
	core_free(p->c);
}

/* A chain that a client keeps: what is behind it does not wait, and the end does */
static void test_kept_chain(void **state)
{
	struct peer *p = peer_begin_owned();
	enum { KEPT = 3000 };
	struct packet ask;
	unsigned int reads;
	uint32_t all;
	uint64_t begin;

	(void)state;
	core_leave(p->c, TIMEOUT_MS);
	assert_true(peer_hears(p, PACKET_DRAIN, &ask));
	peer_say(p, PACKET_DRAINED, drained_fields, (struct fields){ .number = ask.ticket });
	assert_int_equal(p->w.reads, 1);
	all = p->w.read[0].chains;
	assert_true(all > KEPT);
	/* each number of chains is tried once too often, and time is lost by nothing else */
	for (begin = p->w.now; p->w.read[(p->w.reads - 1) % 8].chain <= KEPT;) {
		struct core_traverse_read r = p->w.read[(p->w.reads - 1) % 8];

		if (r.chain + r.chains <= KEPT)
			core_traverse_read_end(p->c, r.cookie, r.chain + r.chains, 0);
		else
			time_goes(p, 100);
	}
	assert_in_range(p->w.now - begin, 2000, 2500);
	assert_int_equal(p->w.cancels, 4);
	while (p->w.read[(p->w.reads - 1) % 8].chains < all) {
		struct core_traverse_read r = p->w.read[(p->w.reads - 1) % 8];

		assert_in_range(r.chain, KEPT + 1, KEPT + 16);
		core_traverse_read_end(p->c, r.cookie, r.chain + r.chains, 0);
	}
	p->w.has_record = false; /* it is in the chain that could not be read */
	pass_reads(p);
	assert_int_equal(status_of(p->c).drain_left, 1);
	assert_false(peer_hears(p, PACKET_DRAIN, &ask));
	/* The client lets go */
	p->w.has_record = true;
	for (unsigned int i = 0; p->w.drains == 0 && i < 8; i++) {
		reads = p->w.reads;
		time_goes(p, 100);
		if (p->w.reads > reads)
			pass_reads(p);
		if (peer_hears(p, PACKET_DRAIN, &ask))
			peer_say(p, PACKET_DRAINED, drained_fields,
				 (struct fields){ .number = ask.ticket });
	}
	assert_int_equal(p->w.drain_end, CORE_DRAIN_DONE);
	assert_int_equal(p->w.header.dmaster, 1);
	core_free(p->c);
}

/* What goes to a peer that takes nothing is not given away; the pass goes on all the same */
static void test_peer_takes_nothing(void **state)
{
	static uint8_t much[CORE_MAX_RECORD];
	struct peer *p = peer_begin_owned();

	(void)state;
	while (core_forward(p->c, 1, slice_of(much, sizeof(much))) == 0) {
	}
	assert_true(core_is_peer_congested(p->c, 1));
	core_leave(p->c, TIMEOUT_MS);
	assert_int_equal(p->w.reads, 0); /* there is nobody else */
	assert_false(p->c->drain == NULL);
	p->c->node[1]->session.sent = p->c->node[1]->session.end;
	time_goes(p, 100);
	assert_int_equal(p->w.reads, 1);
	p->c->node[1]->session.sent = p->c->node[1]->session.acked;
	pass_reads(p);
	assert_int_equal(p->w.header.dmaster, 0); /* it stays, rather than wait in a queue */
	p->c->node[1]->session.sent = p->c->node[1]->session.end;
	time_goes(p, 100); /* that pass ends, and another one begins */
	assert_int_equal(status_of(p->c).drain_left, 1);
	assert_int_equal(p->w.reads, 2);
	pass_reads(p);
	assert_int_equal(p->w.header.dmaster, 1);
	core_free(p->c);
}

/* A client has written an rsn that no hand-off can be above: the record stays where it is */
static void test_rsn_at_its_end(void **state)
{
	struct peer *p = peer_begin_owned();
	struct packet grant;

	(void)state;
	p->w.header.rsn = UINT64_MAX;
	core_leave(p->c, TIMEOUT_MS);
	pass_reads(p);
	assert_false(peer_hears(p, PACKET_GRANT, &grant));
	assert_int_equal(p->w.header.dmaster, 0);
	assert_true(p->w.header.rsn == UINT64_MAX);
	assert_int_equal(status_of(p->c).drain_left, 1);
	core_free(p->c);
}

static void test_answer(void **state)
{
	struct peer *p = peer_begin();
	struct packet done;
	struct core_node_status n;

	(void)state;
	peer_say(p, PACKET_DRAIN, drain_fields,
		 (struct fields){ .number = 7, .mode = DRAIN_LEAVING });
	time_goes(p, 50);
	assert_false(peer_hears(p, PACKET_DRAINED, &done)); /* it is to adopt something, perhaps */
	peer_recovers(p);
	time_goes(p, 50);
	assert_true(peer_hears(p, PACKET_DRAINED, &done));
	assert_int_equal(done.ticket, 7);
	assert_int_equal(core_node_status(p->c, 1, &n), 0);
	assert_true(n.is_draining);
	/* what it has given is to be stored first */
	p->w.is_locked_outside = true;
	peer_say(p, PACKET_GRANT, grant_fields, (struct fields){ &p->call, 50, 0, "abc" });
	assert_false(p->w.has_record);
	peer_say(p, PACKET_DRAIN, drain_fields,
		 (struct fields){ .number = 8, .mode = DRAIN_LEAVING });
	time_goes(p, 50);
	assert_false(peer_hears(p, PACKET_DRAINED, &done));
	p->w.is_locked_outside = false;
	core_key_unlocked(p->c, p->call.db_id, p->call.key);
	assert_true(p->w.has_record);
	time_goes(p, 50);
	assert_true(peer_hears(p, PACKET_DRAINED, &done));
	assert_int_equal(done.ticket, 8);
	/* it gets nothing any more, neither what is here nor what is new */
	peer_say(p, PACKET_REQUEST, request_fields, (struct fields){ &p->call, 0, 0, "" });
	p->call.key = slice_of("another", 7);
	peer_say(p, PACKET_REQUEST, request_fields, (struct fields){ &p->call, 0, 0, "" });
	assert_int_equal(p->w.header.dmaster, 0);
	assert_false(peer_hears(p, PACKET_ADOPT, &done));
	core_free(p->c);
}

static void test_by_hand(void **state)
{
	struct peer *p = peer_begin_owned();
	struct packet ask, grant;

	(void)state;
	core_drain(p->c, false); /* it does not */
	assert_false(peer_hears(p, PACKET_DRAIN, &ask));
	core_drain(p->c, true);
	assert_true(peer_hears(p, PACKET_DRAIN, &ask));
	assert_int_equal(ask.mode, DRAIN_STAYING);
	assert_int_equal(status_of(p->c).drain, CORE_DRAIN_DRAINING);
	pass_reads(p);
	assert_true(peer_hears(p, PACKET_GRANT, &grant));
	assert_int_equal(status_of(p->c).drain, CORE_DRAIN_DRAINING); /* what else may have come meanwhile? */
	time_goes(p, 2000);
	pass_reads(p);
	assert_int_equal(status_of(p->c).drain, CORE_DRAIN_DRAINED);
	/* a client has it back, and it goes once more */
	peer_say(p, PACKET_GRANT, grant_fields, (struct fields){ &p->call, 52, 0, "abcd" });
	assert_int_equal(p->w.header.dmaster, 0);
	time_goes(p, 6000);
	pass_reads(p);
	assert_true(peer_hears(p, PACKET_GRANT, &grant));
	assert_int_equal(grant.rsn, 53);
	core_drain(p->c, false);
	assert_true(peer_hears(p, PACKET_DRAIN, &ask));
	assert_int_equal(ask.mode, DRAIN_OFF);
	assert_int_equal(status_of(p->c).drain, CORE_DRAIN_OFF);
	time_goes(p, TIMEOUT_MS);
	assert_int_equal(p->w.drains, 0);
	core_free(p->c);
}

/* One of an older version is not asked, which it would not understand */
static void test_old_peer(void **state)
{
	struct peer *p = peer_begin_owned();
	struct packet ask, grant;

	(void)state;
	p->c->node[1]->protocol = CORE_PROTOCOL_MIN;
	core_leave(p->c, TIMEOUT_MS);
	pass_reads(p);
	assert_true(peer_hears(p, PACKET_GRANT, &grant));
	time_goes(p, 100);
	pass_reads(p);
	time_goes(p, 100);
	assert_int_equal(p->w.drain_end, CORE_DRAIN_DONE);
	assert_int_equal(p->w.drains, 1);
	assert_false(peer_hears(p, PACKET_DRAIN, &ask));
	core_free(p->c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_leave),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_by_hand),
		cmocka_unit_test(test_old_peer),
		cmocka_unit_test(test_rsn_at_its_end),
		cmocka_unit_test(test_kept_chain),
		cmocka_unit_test(test_peer_takes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
