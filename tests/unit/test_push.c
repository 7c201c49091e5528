/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_push.c: records that all are to have a copy of, against a peer that is played by hand */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include "core_world.h"
#include "lib/jenkins.h"
#include "lib/payload.h"

#define KEY slice_of("key", 3)
enum { RSN = 20, OWN_FLAGS = RECORD_IN_PROGRESS | 0xA1 };

static uint32_t a_id(void)
{
	return jenkins_db_id("a.tdb");
}

/* A packet of the peer's. Its number is the next. */
static int say(struct core *c, const struct packet *p)
{
	uint8_t buf[512];
	struct writer w = writer_of(buf, sizeof(buf));
	uint32_t len;

	writer_u32(&w, 0);
	writer_u32(&w, p->type);
	writer_u32(&w, core_generation(c));
	writer_u32(&w, 0);
	writer_u64(&w, core_peer_received(c, 1) + 1);
	writer_u64(&w, 0);
	writer_u32(&w, p->db_id);
	if (p->type == PACKET_DONE) {
		w.len -= 4;
	} else if (p->type == PACKET_FORWARD) {
		writer_u32(&w, p->orig);
		writer_u64(&w, p->rsn);
		writer_u8(&w, p->is_definitive);
		writer_block(&w, p->key.p, p->key.len);
	} else if (p->type == PACKET_PREPARED) {
		writer_u64(&w, p->rsn);
	} else {
		writer_u64(&w, p->ticket);
	}
	if (p->type == PACKET_PUSH) {
		writer_u64(&w, p->rsn);
		writer_u32(&w, p->flags);
		writer_block(&w, p->key.p, p->key.len);
		writer_block(&w, p->data.p, p->data.len);
	}
	len = (uint32_t)w.len;
	memcpy(buf, &len, sizeof(len));
	return core_peer_input(c, 1, slice_of(buf, w.len));
}

/* What the peer was sent since the last time: the last packet of this type; type 0: none */
static struct packet heard(struct core *c, uint8_t type)
{
	static uint8_t out[65536];
	struct packet found = { 0 }, p;
	struct slice run[2];
	size_t n = core_peer_output(c, 1, run), len = 0;

	for (size_t i = 0; i < n; i++) {
		assert_true(len + run[i].len <= sizeof(out));
		memcpy(out + len, run[i].p, run[i].len);
		len += run[i].len;
	}
	for (size_t at = 0; at < len; at += p.raw.len) {
		uint32_t size;

		memcpy(&size, out + at, sizeof(size));
		assert_int_equal(packet_decode(slice_of(out + at, size), &p), 0);
		if (p.type == type)
			found = p;
	}
	core_peer_sent(c, 1, len);
	return found;
}

static struct core *begin(struct world *w)
{
	struct core *c = node_with_peer(w);

	core_sweep_end(c, a_id(), core_generation(c));
	assert_int_equal(say(c, &(struct packet){ .type = PACKET_DONE }), CORE_TAKEN);
	assert_false(c->is_recovering);
	w->has_record = true;
	w->header = (struct record_header){ .rsn = RSN, .dmaster = 0, .flags = OWN_FLAGS };
	memcpy(w->record, "whole", 5);
	w->record_len = 5;
	return c;
}

static int push(struct core *c, uint64_t rsn, const char *body)
{
	struct record_header h = { .rsn = rsn, .dmaster = 0, .flags = 0x41 };

	return core_push(c, a_id(), KEY, &h, slice_of(body, strlen(body)));
}

static void peer_asks(struct core *c)
{
	struct packet p = {
		.type = PACKET_FORWARD, .db_id = a_id(), .orig = 1, .is_definitive = 1, .key = KEY
	};

	assert_int_equal(say(c, &p), CORE_TAKEN);
}

static void peer_has(struct core *c, uint64_t ticket)
{
	struct packet p = { .type = PACKET_PUSHED, .db_id = a_id(), .ticket = ticket };

	assert_int_equal(say(c, &p), CORE_TAKEN);
}

/* The record goes to all others, and stays until they have it */
static void test_owner(void **state)
{
	struct world w;
	struct core *c = begin(&w);
	struct packet p, newer;

	(void)state;
	w.header.flags = 0;
	assert_int_equal(push(c, RSN, "body"), 0);
	p = heard(c, PACKET_PUSH);
	assert_int_equal(p.type, PACKET_PUSH);
	assert_int_equal(p.rsn, RSN);
	assert_int_equal(p.flags, 0x41);
	assert_true(slice_equal(p.data, slice_of("body", 4)));
	assert_int_equal(w.record_len, 5); /* its own is as it was */
	peer_asks(c);
	assert_int_equal(heard(c, PACKET_GRANT).type, 0);
	peer_has(c, p.ticket + 7);
	assert_int_equal(heard(c, PACKET_GRANT).type, 0);
	/* a newer content takes its place, also under the same rsn */
	assert_int_equal(push(c, RSN, "newer"), 0);
	newer = heard(c, PACKET_PUSH);
	assert_int_equal(newer.type, PACKET_PUSH);
	assert_true(slice_equal(newer.data, slice_of("newer", 5)));
	assert_true(newer.ticket != p.ticket);
	peer_has(c, p.ticket);
	assert_int_equal(w.header.dmaster, 0);
	peer_has(c, newer.ticket);
	assert_int_equal(heard(c, PACKET_GRANT).type, PACKET_GRANT);
	assert_int_equal(w.header.dmaster, 1);
	assert_int_equal(c->keys.n, 0);
	assert_null(c->pushes);
	/* it is another node's now */
	assert_int_equal(push(c, RSN, "late"), 0);
	assert_int_equal(heard(c, PACKET_PUSH).type, 0);
	assert_null(c->pushes);
	core_free(c);
}

/* An older content that comes late does not take the place of a newer one */
static void test_late(void **state)
{
	struct world w;
	struct core *c = begin(&w);
	struct packet p;

	(void)state;
	peer_asks(c); /* the record has the mark, and is pushed as it is */
	p = heard(c, PACKET_PUSH);
	assert_int_equal(p.rsn, RSN);
	assert_int_equal(push(c, RSN - 1, "older"), 0);
	assert_int_equal(heard(c, PACKET_PUSH).type, 0);
	c->pushes->order = 100; /* as of an owner that has written again under one rsn */
	assert_int_equal(push(c, RSN, "older"), 0);
	assert_int_equal(heard(c, PACKET_PUSH).type, 0);
	assert_int_equal(c->pushes_n, 1);
	assert_int_equal(c->pushes->header.rsn, RSN);
	peer_has(c, p.ticket);
	assert_int_equal(heard(c, PACKET_GRANT).type, PACKET_GRANT);
	assert_null(c->pushes);
	assert_int_equal(c->push_bytes, 0);
	core_free(c);
}

/* Two wait for the chain lock when the view changes, and the newer one is asked for first */
static void test_order_in_new_view(void **state)
{
	struct world w;
	struct core *c = begin(&w);
	struct packet p;

	(void)state;
	w.header.flags = 0;
	w.is_locked_outside = true;
	assert_int_equal(push(c, RSN, "older"), 0);
	assert_int_equal(push(c, RSN, "newer"), 0);
	assert_int_equal(c->pushes_n, 2);
	push_activate(c);
	core_tick(c);
	w.is_locked_outside = false;
	core_key_unlocked(c, a_id(), KEY);
	p = heard(c, PACKET_PUSH);
	assert_int_equal(p.type, PACKET_PUSH);
	assert_true(slice_equal(p.data, slice_of("newer", 5)));
	assert_int_equal(c->pushes_n, 1);
	core_free(c);
}

/* Neither a copy that is pushed here nor a request makes anything of a record that cannot be read:
 * this node may own it */
static void test_unreadable(void **state)
{
	struct world w;
	struct core *c = begin(&w);
	struct packet p = { .type = PACKET_PUSH,
			    .db_id = a_id(),
			    .ticket = 100,
			    .rsn = RSN + 1,
			    .key = KEY,
			    .data = slice_of("pushed", 6) };

	(void)state;
	w.is_unreadable = true;
	peer_asks(c);
	assert_int_equal(heard(c, PACKET_BOUNCE).type, 0);
	peer_asks(c);
	assert_int_equal(heard(c, PACKET_REFUSED).type, PACKET_REFUSED);
	assert_int_equal(w.retired, 0);
	assert_int_equal(say(c, &p), CORE_TAKEN);
	assert_int_equal(w.retired, 1);
	assert_int_equal(w.record_len, 5);
	assert_int_equal(heard(c, PACKET_PUSHED).type, 0);
	core_free(c);
}

/* What waits for answers is bounded, however small it is */
static void test_many(void **state)
{
	struct world w;
	struct core *c = begin(&w);
	struct record_header h = { .rsn = RSN };
	int rc = 0;
	uint32_t n = 0;

	(void)state;
	for (; rc == 0 && n < 1000000; n++)
		rc = core_push(c, a_id(), slice_of(&n, sizeof(n)), &h, slice_of(NULL, 0));
	assert_int_equal(rc, -ENOBUFS);
	assert_in_range(n, 1000, 10000);
	core_free(c);
}

/* A request comes before the client's word */
static void test_before_giving(void **state)
{
	struct world w;
	struct core *c = begin(&w);
	struct packet p;

	(void)state;
	peer_asks(c);
	p = heard(c, PACKET_PUSH);
	assert_int_equal(p.rsn, RSN);
	assert_int_equal(p.flags, OWN_FLAGS);
	assert_int_equal(w.header.dmaster, 0);
	peer_has(c, p.ticket);
	p = heard(c, PACKET_GRANT);
	assert_int_equal(p.type, PACKET_GRANT);
	assert_int_equal(p.flags, OWN_FLAGS | RECORD_MIGRATED_WITH_DATA);
	assert_true(slice_equal(p.data, slice_of("whole", 5)));
	core_free(c);
}

/* At another node than the owner's */
static void test_copy(void **state)
{
	struct world w;
	struct core *c = begin(&w);
	static const struct {
		bool has_record, is_stored;
		uint32_t dmaster;
		uint64_t rsn;
	} cases[] = {
		{ false, true, 0, 0 },	      /* none here */
		{ true, true, 1, RSN - 1 },   /* an older one */
		{ true, true, 1, RSN },	      /* what was left behind when it was given */
		{ true, false, 1, RSN + 1 },  /* a newer one */
		{ true, false, 0, RSN - 10 }, /* it is owned here */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct packet p = { .type = PACKET_PUSH,
				    .db_id = a_id(),
				    .ticket = 100 + i,
				    .rsn = RSN,
				    .flags = 0x81 | RECORD_IS_LENT,
				    .key = KEY,
				    .data = slice_of("pushed", 6) };

		w.has_record = cases[i].has_record;
		w.header = (struct record_header){ .rsn = cases[i].rsn,
						   .dmaster = cases[i].dmaster };
		w.record_len = 5;
		assert_int_equal(say(c, &p), CORE_TAKEN);
		assert_int_equal(w.record_len, cases[i].is_stored ? 6 : 5);
		if (cases[i].is_stored) {
			assert_int_equal(w.header.rsn, RSN);
			assert_int_equal(w.header.dmaster, 1);
			assert_int_equal(w.header.flags, 0x81 | RECORD_MIGRATED_WITH_DATA);
		}
		assert_int_equal(heard(c, PACKET_PUSHED).ticket, 100 + i);
	}
	core_free(c);
}

static void test_commit_waits(void **state)
{
	struct world w;
	struct core *c = begin(&w);
	uint32_t p_id = jenkins_db_id("p.tdb");
	uint8_t buf[256], body[RECORD_HEADER_SIZE + 8] = { 0 };
	struct writer r = writer_of(buf, sizeof(buf));
	struct packet pushed;

	(void)state;
	assert_int_equal(core_attach(c, "p.tdb", DB_PERSISTENT), -EINPROGRESS);
	deliver(&w);
	ctdb_rec_buffer_encode(&r, &(struct ctdb_rec_buffer){ p_id, 1 });
	body[RECORD_HEADER_SIZE] = 1;
	ctdb_rec_data_encode(
	    &r, &(struct ctdb_rec_data){ .key = slice_of(SEQUENCE_KEY, sizeof(SEQUENCE_KEY)),
					 .data = slice_of(body, sizeof(body)) });
	assert_int_equal(push(c, RSN, "body"), 0);
	pushed = heard(c, PACKET_PUSH);
	core_commit(c, 1, 5, p_id, slice_of(buf, r.len));
	core_commit_checked(c, p_id, w.checking, 0);
	w.sent[0] = 0;
	say(c, &(struct packet){
		   .type = PACKET_PREPARED, .db_id = p_id, .rsn = heard(c, PACKET_PREPARE).rsn });
	assert_int_equal(w.sent[0], 0); /* all have prepared, and not all have what was pushed */
	push(c, RSN + 1, "later"); /* it takes the place of the first */
	peer_has(c, pushed.ticket);
	assert_int_equal(w.sent[0], 0);
	peer_has(c, heard(c, PACKET_PUSH).ticket);
	assert_int_equal(w.sent[0], CONTROL_COMMIT);
	core_free(c);
}

/* What is not through when the view changes is pushed in the new generation; not to be asked for */
static void test_ends(void **state)
{
	struct world w;
	struct core *c = begin(&w);
	struct core_member self = { .pnn = 0, .pid = 1 };
	struct record_header h = { .rsn = RSN, .dmaster = 1 };

	(void)state;
	assert_int_equal(core_push(c, 1, KEY, &h, KEY), -ENOENT);
	assert_int_equal(core_push(c, a_id(), slice_of("", 0), &h, KEY), -EINVAL);
	assert_int_equal(core_push(c, a_id(), KEY, &h, KEY), 0); /* another node's */
	assert_null(c->pushes);
	w.is_locked_outside = true; /* the client has not let go yet */
	assert_int_equal(push(c, RSN, "body"), 0);
	assert_int_equal(heard(c, PACKET_PUSH).type, 0);
	w.is_locked_outside = false;
	core_key_unlocked(c, a_id(), KEY);
	assert_int_equal(heard(c, PACKET_PUSH).type, PACKET_PUSH);
	core_membership(c, &self, 1, ring);
	core_left(c, (struct incarnation){ 1, PEER_BOOT });
	core_multicast(c, 0, 1, slice_of(w.sent, w.sent_len));
	assert_non_null(c->pushes);
	plan_in(&w, 1);
	assert_null(c->pushes); /* nobody else is there */
	core_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_order_in_new_view),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_before_giving),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_commit_waits),
		cmocka_unit_test(test_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
