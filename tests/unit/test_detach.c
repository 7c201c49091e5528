/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_detach.c: detaching at one node, against a peer that is played by hand; calls that wait, and
 * for how long; contents that are replaced as a whole; wiping. Whole clusters are the simulator's work.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include "core_world.h"
#include "lib/jenkins.h"
#include "lib/payload.h"

static uint32_t a_id(void)
{
	return jenkins_db_id("a.tdb");
}

static size_t dbs(const struct core *c)
{
	struct core_db_info info;
	size_t n = 0;

	while (core_db_info(c, n, &info) == 0)
		n++;
	return n;
}

/* node2's, on a question of node1's */
static void vote_in(struct core *c, uint32_t generation, uint64_t number, bool is_free)
{
	uint8_t buf[64];
	struct writer w = writer_of(buf, sizeof(buf));

	writer_u8(&w, CONTROL_VOTE);
	writer_u32(&w, generation);
	writer_u32(&w, a_id());
	writer_u32(&w, 0);
	writer_u64(&w, number);
	writer_u8(&w, is_free);
	writer_text(&w, is_free ? "" : "busy");
	core_multicast(c, 1, 9, slice_of(buf, w.len));
}

/* A packet of node2's, with the fields that these two types have */
static int packet_in(struct core *c, uint8_t type, uint64_t seq)
{
	uint8_t buf[128];
	struct writer w = writer_of(buf, sizeof(buf));
	uint32_t len = type == PACKET_DONE ? 32 : 32 + 4 + 4 + 8 + 4 + 3;

	writer_u32(&w, len);
	writer_u32(&w, type);
	writer_u32(&w, core_generation(c));
	writer_u32(&w, 0);
	writer_u64(&w, seq);
	writer_u64(&w, 0);
	if (type == PACKET_LOCATION) {
		writer_u32(&w, a_id());
		writer_u32(&w, 1);
		writer_u64(&w, 9);
		writer_block(&w, "key", 3);
	}
	return core_peer_input(c, 1, slice_of(buf, len));
}

/* All have reported what they have: node2's packet number 1 */
static struct core *node_with_peer_recovered(struct world *w)
{
	struct core *c = node_with_peer(w);

	core_sweep_end(c, a_id(), core_generation(c));
	assert_int_equal(packet_in(c, PACKET_DONE, 1), CORE_TAKEN);
	return c;
}

static void test_alone(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	struct core_call call = call_of(c, "key");
	size_t before = dbs(c);

	(void)state;
	assert_int_equal(core_detach(c, 1), -ENOENT);
	core_call(c, 5, 1, &call); /* it is answered, or waits: told in the end, either way */
	assert_int_equal(core_detach(c, a_id()), -EINPROGRESS);
	assert_int_equal(w.sent[0], CONTROL_DETACH);
	w.is_in_use = true;
	deliver(&w);
	deliver(&w); /* the own vote */
	assert_int_equal(w.detach_status, -EBUSY);
	assert_int_equal(core_attach(c, "a.tdb", 0), 0);
	assert_int_equal(dbs(c), before);

	w.is_in_use = false;
	w.is_locked_outside = true;
	core_call(c, 6, 1, &call); /* waits for the chain lock */
	w.errors = 0;
	assert_int_equal(core_detach(c, a_id()), -EINPROGRESS);
	deliver(&w);
	assert_int_equal(w.sent[0], CONTROL_VOTE);
	assert_int_equal(w.closed, 0);
	deliver(&w);
	assert_int_equal(w.detach_ended, 2);
	assert_int_equal(w.detach_status, 0);
	assert_int_equal(w.closed, 1);
	assert_int_equal(w.errors, 1);
	assert_int_equal(dbs(c), before - 1);
	assert_int_equal(w.sent[0], CONTROL_STATE); /* a new view */
	core_call(c, 6, 2, &call);
	assert_int_equal(w.errors, 2);
	core_key_unlocked(c, a_id(), call.key); /* what comes late does no harm */
	core_sweep_end(c, a_id(), core_generation(c));
	core_free(c);
}

/* It is attached again before the next generation: its records can be had in that */
static void test_attached_again(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	struct core_call call = call_of(c, "key");
	uint8_t buf[1024];
	size_t len;

	(void)state;
	assert_int_equal(core_detach(c, a_id()), -EINPROGRESS);
	deliver(&w);
	deliver(&w);
	assert_int_equal(w.closed, 1);
	assert_int_equal(w.sent[0], CONTROL_STATE);
	len = w.sent_len;
	memcpy(buf, w.sent, len);
	assert_int_equal(core_attach(c, "a.tdb", 0), -EINPROGRESS);
	deliver(&w);
	assert_int_equal(w.attach_status, 0);
	w.has_record = false;
	core_call(c, 5, 1, &call);
	assert_false(w.has_record);
	assert_int_equal(w.replies, 0);
	core_multicast(c, 0, 1, slice_of(buf, len));
	plan_in(&w, 1);
	core_sweep_end(c, a_id(), core_generation(c));
	assert_int_equal(w.replies, 1);
	assert_true(w.has_record);
	core_free(c);
}

/* With a yes this node does not promise that nobody attaches it later */
static void test_attached_while_asked(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	uint8_t vote[64];
	size_t len;

	(void)state;
	assert_int_equal(core_detach(c, a_id()), -EINPROGRESS);
	deliver(&w);
	assert_int_equal(w.sent[0], CONTROL_VOTE);
	len = w.sent_len;
	memcpy(vote, w.sent, len);
	assert_int_equal(core_attach(c, "a.tdb", 0), -EINPROGRESS);
	core_multicast(c, 0, 1, slice_of(vote, len));
	assert_int_equal(w.detach_status, 0);
	assert_int_equal(w.closed, 1);
	assert_int_equal(w.sent[0], CONTROL_STATE); /* its ATTACH is on its way */
	core_free(c);
}

static void test_with_peer(void **state)
{
	struct world w;
	struct core *c = node_with_peer_recovered(&w);
	uint32_t generation = core_generation(c);

	(void)state;
	/* the peer says no, says yes twice, to another question, of another generation */
	assert_int_equal(core_detach(c, a_id()), -EINPROGRESS);
	vote_in(c, generation, 1, true); /* nothing is asked yet */
	deliver(&w);
	vote_in(c, generation, 2, true);
	vote_in(c, generation - 1, 1, true);
	vote_in(c, generation, 1, true);
	vote_in(c, generation, 1, true);
	assert_int_equal(w.closed, 0);
	core_membership(c, both, 2, ring);
	assert_int_equal(w.detach_status, -EAGAIN);
	core_free(c);
	c = node_with_peer_recovered(&w);
	assert_int_equal(core_detach(c, a_id()), -EINPROGRESS);
	deliver(&w);
	vote_in(c, generation, 1, false);
	assert_int_equal(w.detach_ended, 1);
	assert_int_equal(w.detach_status, -EBUSY);
	deliver(&w); /* the own vote: too late for anything */
	assert_int_equal(w.closed, 0);

	/* an attach comes between */
	uint8_t buf[64];
	struct writer attach = writer_of(buf, sizeof(buf));
	writer_u8(&attach, CONTROL_ATTACH);
	writer_u32(&attach, 0);
	writer_text(&attach, "a.tdb");
	assert_int_equal(core_detach(c, a_id()), -EINPROGRESS);
	deliver(&w);
	core_multicast(c, 1, 9, slice_of(buf, attach.len));
	assert_int_equal(w.detach_ended, 2);
	assert_int_equal(w.detach_status, -EBUSY);
	vote_in(c, generation, 2, true);
	deliver(&w);
	assert_int_equal(w.closed, 0);

	/* the answer to that question comes when the next is asked */
	assert_int_equal(core_detach(c, a_id()), -EINPROGRESS);
	deliver(&w);
	vote_in(c, generation, 2, true);
	deliver(&w);
	assert_int_equal(w.closed, 0);
	vote_in(c, generation, 3, false);

	/* the view changes */
	assert_int_equal(core_detach(c, a_id()), -EINPROGRESS);
	deliver(&w);
	core_membership(c, both, 1, ring);
	assert_int_equal(w.detach_ended, 4);
	assert_int_equal(w.detach_status, -EAGAIN);
	assert_int_equal(core_detach(c, a_id()), -EAGAIN);
	core_free(c);
}

/* Records are still being told of, and a request waits for the last one */
static void test_recovering(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	uint8_t asked[32] = { CONTROL_DETACH };
	uint32_t id = a_id(), generation = core_generation(c);

	(void)state;
	assert_int_equal(core_detach(c, id), -EAGAIN);
	memcpy(asked + 1, &generation, sizeof(generation));
	memcpy(asked + 5, &id, sizeof(id));
	core_multicast(c, 1, 9, slice_of(asked, 17)); /* node2 asks */
	assert_int_equal(w.sent[0], CONTROL_VOTE);
	assert_int_equal(w.sent[1 + 4 + 4 + 4 + 8], false);
	core_free(c);
}

/* What is on its way when it is closed is taken, and nothing comes of it */
static void test_late_packets(void **state)
{
	struct world w;
	struct core *c = node_with_peer_recovered(&w);
	struct core_status s;

	(void)state;
	assert_int_equal(packet_in(c, PACKET_LOCATION, 2), CORE_TAKEN);
	core_status(c, &s);
	assert_int_equal(s.locations, 1);
	assert_int_equal(core_detach(c, a_id()), -EINPROGRESS);
	deliver(&w);
	deliver(&w);
	vote_in(c, core_generation(c), 1, true);
	assert_int_equal(w.closed, 1);
	core_status(c, &s);
	assert_int_equal(s.locations, 0);
	assert_int_equal(packet_in(c, PACKET_LOCATION, 3), CORE_TAKEN);
	core_status(c, &s);
	assert_int_equal(s.locations, 0);
	core_free(c);
}

/* The copies of a record are being called in */
static void test_revoking(void **state)
{
	struct world w;
	struct core *c = node_with_peer_recovered(&w);
	struct core_call call = call_of(c, "key");

	(void)state;
	w.has_record = true;
	w.header = (struct record_header){ .rsn = 5, .dmaster = 0, .flags = RECORD_IS_LENT };
	core_call(c, 5, 1, &call);
	assert_int_equal(c->keys.n, 1);
	assert_int_equal(core_detach(c, a_id()), -EINPROGRESS);
	deliver(&w);
	deliver(&w);
	vote_in(c, core_generation(c), 1, true);
	assert_int_equal(w.closed, 1);
	assert_int_equal(w.errors, 1);
	assert_int_equal(c->keys.n, 0);
	core_free(c);
}

/* ---- calls that wait ---- */

static void test_waiting(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	struct core_call call = call_of(c, "key");
	struct core_waiting waiting;

	(void)state;
	core_waiting(c, &waiting);
	assert_int_equal(waiting.n, 0);
	core_membership(c, both, 2, ring); /* the view is open; this node serves what it owns */
	w.is_locked_outside = true;
	w.replies = w.errors = 0;
	w.now = 5000;
	core_call(c, 5, 1, &call);
	w.now = 6000;
	core_call(c, 5, 2, &call);
	core_waiting(c, &waiting);
	assert_int_equal(waiting.n, 2);
	assert_int_equal(waiting.oldest_ms, 5000);
	assert_int_equal(w.replies + w.errors, 0);
	core_waiting_fail(c, 4999, "too long");
	assert_int_equal(w.errors, 0);
	core_waiting_fail(c, 5000, "too long");
	assert_int_equal(w.errors, 1);
	w.is_locked_outside = false;
	w.has_record = true;
	w.header = (struct record_header){ .dmaster = 0 };
	core_key_unlocked(c, a_id(), call.key);
	assert_int_equal(w.replies, 1);
	core_waiting(c, &waiting);
	assert_int_equal(waiting.n, 0);
	core_free(c);
}

/* ---- the whole content ---- */

static void test_replace(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	uint32_t p = jenkins_db_id("p.tdb");
	uint8_t buf[256], body[RECORD_HEADER_SIZE + 8] = { 0 };
	struct writer r = writer_of(buf, sizeof(buf));
	uint64_t high = 9;

	(void)state;
	assert_int_equal(core_attach(c, "p.tdb", DB_PERSISTENT), -EINPROGRESS);
	deliver(&w);
	ctdb_rec_buffer_encode(&r, &(struct ctdb_rec_buffer){ p, 0 });
	core_replace(c, 1, 5, a_id(), slice_of(buf, r.len));
	core_replace(c, 1, 5, p + 1, slice_of(buf, r.len));
	for (size_t len = 0; len < r.len; len++)
		core_replace(c, 1, 5, p, slice_of(buf, len));
	assert_int_equal(w.committed, 2 + r.len);
	assert_int_equal(w.status, COMMIT_REFUSED);
	w.committed = 0;
	core_replace(c, 1, 5, p, slice_of(buf, r.len)); /* wiped */
	assert_int_equal(w.checking, 0);
	assert_int_equal(w.sent[0], CONTROL_COMMIT);
	deliver(&w);
	assert_true(w.is_whole);
	assert_int_equal(w.becomes.seq, 2);
	core_commit_applied(c, p, w.applying, 0);
	assert_int_equal(w.committed, 1);
	assert_int_equal(w.status, 0);
	/* a backup with a higher number, then one with a lower */
	for (uint64_t should = 9; should <= 11; should += 2) {
		r = writer_of(buf, sizeof(buf));
		ctdb_rec_buffer_encode(&r, &(struct ctdb_rec_buffer){ p, 1 });
		memcpy(body + RECORD_HEADER_SIZE, &high, 8);
		ctdb_rec_data_encode(&r, &(struct ctdb_rec_data){
					     .key = slice_of(SEQUENCE_KEY, sizeof(SEQUENCE_KEY)),
					     .data = slice_of(body, sizeof(body)) });
		core_replace(c, 1, 5, p, slice_of(buf, r.len));
		deliver(&w);
		assert_int_equal(w.becomes.seq, should);
		core_commit_applied(c, p, w.applying, 0);
	}
	/* not while the view changes */
	core_membership(c, both, 2, ring);
	w.committed = 0;
	core_replace(c, 1, 5, p, slice_of(buf, r.len));
	assert_int_equal(w.committed, 1);
	assert_int_equal(w.status, COMMIT_REFUSED);
	core_free(c);
}

/* ---- wiping ---- */

/* node1 asks, freezes its file, and says so */
static void wipe_frozen(struct world *w)
{
	assert_int_equal(core_wipe(w->core, a_id()), -EINPROGRESS);
	assert_int_equal(w->sent[0], CONTROL_WIPE);
	deliver(w);
	core_db_frozen(w->core, a_id());
	assert_int_equal(w->sent[0], CONTROL_WIPE_VOTE);
	deliver(w);
	assert_int_equal(w->sent[0], CONTROL_STATE);
}

static void test_wipe(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	uint32_t generation;

	(void)state;
	assert_int_equal(core_wipe(c, 1), -ENOENT);
	assert_int_equal(core_wipe(c, a_id()), -EINPROGRESS);
	deliver(&w);
	assert_int_equal(w.freezes, 1);
	assert_true(core_deadline_ms(c) <= w.now + 3000);
	w.now += 3000; /* a client keeps a lock */
	core_tick(c);
	assert_int_equal(w.sent[0], CONTROL_WIPE_VOTE);
	core_db_frozen(c, a_id()); /* too late */
	deliver(&w);
	assert_int_equal(w.thaws, 1);
	assert_int_equal(w.wipe_status, -EBUSY);

	/* done with the next generation, told when all have reported */
	generation = core_generation(c);
	wipe_frozen(&w);
	deliver(&w);
	assert_int_equal(w.wipes, 0);
	plan_in(&w, 1);
	assert_true(core_generation(c) > generation);
	assert_int_equal(w.wipes, 1);
	assert_int_equal(w.thaws, 2);
	assert_int_equal(w.wipes_ended, 1);
	assert_int_equal(core_wipe(c, a_id()), -EAGAIN);
	core_sweep_end(c, a_id(), core_generation(c));
	assert_int_equal(w.wipes_ended, 2);
	assert_int_equal(w.wipe_status, 0);

	/* what was promised is done with whatever generation comes */
	wipe_frozen(&w);
	deliver(&w);
	deliver(&w); /* the plan */
	core_membership(c, both, 1, ring);
	assert_int_equal(w.thaws, 2);
	deliver(&w);
	plan_in(&w, 1);
	assert_int_equal(w.wipes, 2);
	core_free(c);
}

/* A member that does not know of it, and one that was active and has not heard that all are frozen */
static void test_wipe_with_peer(void **state)
{
	struct world w;
	struct core *c = node_with_peer_recovered(&w);

	(void)state;
	assert_int_equal(core_wipe(c, a_id()), -EOPNOTSUPP);
	view_member(c, 1)->protocol_max = 4;
	assert_int_equal(core_wipe(c, a_id()), -EINPROGRESS);
	deliver(&w);
	core_db_frozen(c, a_id());
	deliver(&w);
	assert_int_equal(w.wipes_ended, 0); /* node2 has not voted */
	core_membership(c, both, 2, ring);
	assert_int_equal(w.wipe_status, -EAGAIN);
	assert_int_equal(w.thaws, 1);
	assert_int_equal(w.wipes, 0);
	core_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_attached_again),
		cmocka_unit_test(test_attached_while_asked),
		cmocka_unit_test(test_with_peer),
		cmocka_unit_test(test_recovering),
		cmocka_unit_test(test_late_packets),
		cmocka_unit_test(test_revoking),
		cmocka_unit_test(test_waiting),
		cmocka_unit_test(test_replace),
		cmocka_unit_test(test_wipe),
		cmocka_unit_test(test_wipe_with_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
