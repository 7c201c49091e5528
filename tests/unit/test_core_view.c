/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_core_view.c: what a node makes of CPG's messages: views, databases, and whatever a member
 * may say. Whole clusters are the simulator's work.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include "core_world.h"

/* A database that is attached while an older one is swept does not keep the sweep from ending, and
 * a record is had before that */
static void test_attach_during_sweep(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	struct core_member self = { .pnn = 0, .pid = 2 };
	struct core_call call = call_of(c, "k");
	struct core_status s;

	(void)state;
	core_membership(c, &self, 1, ring);
	core_multicast(c, 0, 2, slice_of(w.sent, w.sent_len)); /* STATE */
	plan_in(&w, 2);					       /* a.tdb is being swept */
	core_status(c, &s);
	assert_true(s.is_recovering);
	assert_int_equal(core_attach(c, "b.tdb", 0), -EINPROGRESS);
	core_multicast(c, 0, 2, slice_of(w.sent, w.sent_len));
	core_call(c, 1, 5, &call);
	core_status(c, &s);
	assert_true(s.is_recovering);
	assert_int_equal(w.replies, 1);
	core_sweep_end(c, call.db_id, s.generation);
	core_status(c, &s);
	assert_false(s.is_recovering);
	core_free(c);
}

/* A record that cannot be read is not taken for none when somebody asks who has it: the owner may
 * be this node */
static void test_unreadable(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	struct core_member self = { .pnn = 0, .pid = 2 };
	struct core_call call = call_of(c, "k");

	(void)state;
	core_membership(c, &self, 1, ring);
	core_multicast(c, 0, 2, slice_of(w.sent, w.sent_len)); /* STATE */
	plan_in(&w, 2);					       /* a.tdb is being swept */
	w.is_unreadable = true;
	core_call(c, 1, 5, &call);
	assert_int_equal(w.replies, 0);
	assert_int_equal(w.retired, 1);
	core_free(c);
}

/* A database that all have but this node: it cannot go on */
static void test_attach_fails_here(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);

	(void)state;
	assert_int_equal(core_attach(c, "b.tdb", 0), -EINPROGRESS);
	w.is_full = true;
	core_multicast(c, 0, 1, slice_of(w.sent, w.sent_len));
	assert_int_equal(w.retired, 1);
	core_free(c);
}

/* Every truncation and many mutations of what members say: dropped, and the node goes on */
static void test_hostile_cpg(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	uint8_t state_msg[65536], msg[65536];
	size_t len;
	uint32_t seed = 1;

	(void)state;
	core_membership(c, both, 2, ring);
	len = w.sent_len;
	memcpy(state_msg, w.sent, len); /* a STATE of the new view */
	for (size_t n = 0; n < len; n++)
		core_multicast(c, 1, 9, slice_of(state_msg, n));
	for (unsigned int i = 0; i < 20000; i++) {
		memcpy(msg, state_msg, len);
		for (unsigned int k = 0; k < 1 + i % 4; k++) {
			seed = seed * 1664525 + 1013904223;
			msg[(seed >> 8) % len] = (uint8_t)(seed >> 24);
		}
		seed = seed * 1664525 + 1013904223;
		msg[0] = (uint8_t)(i % 3 == 0 ? seed >> 24 : CONTROL_STATE + i % 9);
		core_multicast(c, 1, 9, slice_of(msg, len));
		if (w.retired > 0) { /* told that the cluster went on without it: as it should be */
			core_free(c);
			c = node_alone(&w);
			core_membership(c, both, 2, ring);
		}
	}
	core_multicast(c, 5, 5, slice_of(state_msg, len)); /* from nobody */
	core_free(c);
}

/* The same two meet again: what was sent when they met before does not count, although it comes
 * only now */
static void test_old_view(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	uint8_t old_plan[256], plan[256], accept[13];
	size_t old_len, len;
	struct states s;

	(void)state;
	core_membership(c, both, 2, ring);
	states_of(&s, &w, REASON_NONE);
	states_in(c, &s);
	old_len = w.sent_len;
	memcpy(old_plan, w.sent, old_len);
	assert_int_equal(old_plan[0], CONTROL_ACTIVATE);
	core_membership(c, both, 1, ring);
	core_membership(c, both, 2, ring);
	core_multicast(c, 0, 1, slice_of(old_plan, old_len));
	states_of(&s, &w, REASON_NONE);
	states_in(c, &s);
	len = w.sent_len;
	memcpy(plan, w.sent, len);
	core_multicast(c, 0, 1, slice_of(old_plan, old_len));
	assert_int_equal(c->view.plan_generation, 0);
	core_multicast(c, 0, 1, slice_of(plan, len));
	assert_int_not_equal(c->view.plan_generation, 0);
	core_persisted(c, w.persist_generation);
	core_multicast(c, 0, 1, slice_of(w.sent, w.sent_len)); /* ACCEPT */
	memcpy(accept, old_plan, sizeof(accept));
	accept[0] = CONTROL_ACCEPT;
	core_multicast(c, 1, 9, slice_of(accept, sizeof(accept)));
	assert_false(core_node_is_active(c, 1));
	memcpy(accept, plan, sizeof(accept));
	accept[0] = CONTROL_ACCEPT;
	core_multicast(c, 1, 9, slice_of(accept, sizeof(accept)));
	assert_true(core_node_is_active(c, 1));
	core_free(c);
}

/* A member's STATE of the earlier meeting comes first: the view begins anew when the right one
 * comes */
static void test_old_state(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	struct states old, s;

	(void)state;
	core_membership(c, both, 2, ring);
	states_of(&old, &w, REASON_TOPOLOGY);
	core_membership(c, both, 1, ring);
	core_membership(c, both, 2, ring);
	states_of(&s, &w, REASON_NONE);
	core_multicast(c, 1, 9, slice_of(old.theirs, old.len));
	states_in(c, &s);
	assert_int_equal(c->view.fsm.state, CORE_VIEW_GATHER);
	states_of(&s, &w, REASON_NONE); /* it has told its own state once more */
	states_in(c, &s);
	plan_in(&w, 1);
	core_multicast(c, 1, 9, slice_of(w.sent, w.sent_len)); /* its ACCEPT is like ours */
	assert_true(core_node_is_active(c, 1));
	core_free(c);
}

/* The STATE of a peer that was active in a generation (0: never), with one database */
static void peer_tells(struct core *c, uint32_t generation, const char *name, uint32_t flags)
{
	uint8_t buf[1024];
	struct writer w = writer_of(buf, sizeof(buf));

	writer_u8(&w, CONTROL_STATE);
	writer_u64(&w, c->view.group);
	writer_u64(&w, PEER_BOOT);
	writer_u32(&w, CORE_PROTOCOL_MIN);
	writer_u32(&w, CORE_PROTOCOL_MIN);
	writer_u32(&w, generation);
	writer_u32(&w, generation);
	writer_u8(&w, 0);
	writer_u32(&w, REASON_NONE);
	writer_u64(&w, 1);
	writer_text(&w, "node2");
	writer_text(&w, "127.0.0.1");
	writer_u16(&w, 0);
	writer_zero(&w, CORE_KEY_SIZE);
	for (int i = 0; i < 2; i++) { /* known, active */
		writer_u32(&w, generation == 0 ? 0 : 2);
		for (uint32_t pnn = 0; pnn < 2 && generation != 0; pnn++) {
			writer_u32(&w, pnn);
			writer_u64(&w, pnn == 0 ? 77 : PEER_BOOT);
		}
	}
	writer_u32(&w, 0); /* started */
	writer_u32(&w, 0); /* facts */
	writer_u32(&w, 1);
	writer_u32(&w, flags);
	writer_text(&w, name);
	writer_zero(&w, 17); /* its content: new */
	core_multicast(c, 1, 9, slice_of(buf, w.len));
}

/* Its own STATE, of a view with the peer, which tells this */
static void two_meet(struct world *w, uint32_t generation, uint32_t flags)
{
	core_membership(w->core, both, 2, ring);
	core_multicast(w->core, 0, 1, slice_of(w->sent, w->sent_len));
	peer_tells(w->core, generation, "a.tdb", flags);
}

/* A database of two types: a joiner's does not count */
static void test_type_of_joiner(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);

	(void)state;
	two_meet(&w, 0, DB_PERSISTENT);
	plan_in(&w, 1);
	assert_int_equal(w.retired, 0);
	assert_true(core_node_is_active(c, 0));
	assert_false(core_node_is_active(c, 1));
	assert_int_equal(c->node[1]->kept_out, REASON_EVICTED);
	core_free(c);
}

/* ... nor, in one generation, that of the higher pnn; what it owns is waited for */
static void test_type_of_equal(void **state)
{
	struct incarnation peer = { .pnn = 1, .boot_id = PEER_BOOT };
	struct world w;
	struct core *c = node_alone(&w);

	(void)state;
	peer_joins(&w, REASON_NONE);
	core_membership(c, both, 1, ring);
	two_meet(&w, core_generation(c), 0);
	assert_int_equal(view_member(c, 1)->kept_out, REASON_NONE);
	core_membership(c, both, 1, ring);
	two_meet(&w, core_generation(c), DB_PERSISTENT);
	assert_int_equal(w.retired, 0);
	assert_int_equal(view_member(c, 1)->kept_out, REASON_EVICTED);
	assert_int_not_equal(w.sent[0], CONTROL_ACTIVATE);
	core_membership(c, both, 1, ring); /* it has retired its engine */
	core_multicast(c, 0, 1, slice_of(w.sent, w.sent_len));
	assert_int_not_equal(w.sent[0], CONTROL_ACTIVATE);
	core_revoked(c, peer);
	if (w.sent[0] == CONTROL_FACT)
		core_multicast(c, 0, 1, slice_of(w.sent, w.sent_len));
	assert_int_equal(w.sent[0], CONTROL_ACTIVATE);
	core_free(c);
}

/* ... but that of a newer generation does, and this node starts anew. Read-only is no type. */
static void test_type_of_newer(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);

	(void)state;
	two_meet(&w, core_generation(c) + 1, DB_READONLY);
	assert_int_equal(w.retired, 0);
	two_meet(&w, core_generation(c) + 1, DB_PERSISTENT);
	assert_int_equal(w.retired, 1);
	core_free(c);
}

/* Attached here behind its STATE: told in another one, before it counts */
static void test_type_untold(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	struct states s;

	(void)state;
	assert_int_equal(core_attach(c, "b.tdb", 0), -EINPROGRESS);
	memcpy(s.theirs, w.sent, s.len = w.sent_len);
	core_membership(c, both, 2, ring);
	core_multicast(c, 0, 1, slice_of(w.sent, w.sent_len));
	core_multicast(c, 0, 1, slice_of(s.theirs, s.len));
	assert_int_equal(core_attach(c, "b.tdb", 0), 0);
	w.sent_len = 0;
	peer_tells(c, core_generation(c) + 1, "b.tdb", DB_PERSISTENT);
	assert_int_equal(w.retired, 0);
	assert_int_equal(w.sent[0], CONTROL_RESTART);
	core_multicast(c, 0, 1, slice_of(w.sent, w.sent_len));
	core_multicast(c, 0, 1, slice_of(w.sent, w.sent_len)); /* STATE */
	peer_tells(c, core_generation(c) + 1, "b.tdb", DB_PERSISTENT);
	assert_int_equal(w.retired, 1);
	core_free(c);
}

/* Nodes of before the first release */
static void test_other_version(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	const uint8_t version[8] = { 1, 0, 0, 0, 1, 0, 0, 0 };
	struct states s;

	(void)state;
	core_membership(c, both, 2, ring);
	states_of(&s, &w, REASON_NONE);
	memcpy(s.theirs + 9 + 8, version, sizeof(version));
	memset(s.theirs + s.len - 16, 0xFF, 16); /* what it has behind that is not for us to read */
	states_in(c, &s);
	assert_true(view_member(c, 1)->has_state);
	assert_int_equal(view_member(c, 1)->kept_out, REASON_VERSION);
	plan_in(&w, 1);
	assert_false(core_node_is_active(c, 1));
	core_free(c);
}

/* What a released version sends means the same for ever */
static void test_numbers(void **state)
{
	(void)state;
	assert_int_equal(CORE_PROTOCOL_MIN, 2);
	assert_int_equal(CORE_PROTOCOL_MAX, 5);
	assert_int_equal(PACKET_ACK, 1);
	assert_int_equal(PACKET_LOCATION, 11);
	assert_int_equal(PACKET_FOREIGN, 16);
	assert_int_equal(PACKET_PREPARE, 21);
	assert_int_equal(PACKET_ERASED, 32);
	assert_int_equal(PACKET_PUSHED, 34);
	assert_int_equal(PACKET_DRAINED, 38);
	assert_int_equal(PACKET_PROBE, 39);
	assert_int_equal(CONTROL_STATE, 1);
	assert_int_equal(CONTROL_VOTE, 12);
	assert_int_equal(CONTROL_LINKS, 13);
	assert_int_equal(CONTROL_WIPE, 14);
	assert_int_equal(CONTROL_WIPE_VOTE, 15);
}

static const uint32_t two_nodes[] = { 0, 1 };

/* How long it takes until a fencing is asked for, for a minute at most */
static uint64_t wait_for_request(struct world *w)
{
	uint64_t begin = w->now;

	w->fence_requests = 0;
	core_tick(w->core);
	while (w->fence_requests == 0 && w->now < begin + 60000) {
		w->now += 100;
		core_tick(w->core);
	}
	return w->now - begin;
}

/* node2 has departed; is it in the ring? */
static struct core *node_left(struct world *w, bool has_supervisor, bool is_in_ring,
			      bool is_at_once)
{
	struct core *c = node_alone(w);

	c->config.fences_at_once = is_at_once;
	peer_joins(w, REASON_NONE);
	core_supervisor(c, 1, has_supervisor, true);
	core_quorum(c, true, ring, two_nodes, is_in_ring ? 2 : 1);
	core_membership(c, both, 1, ring);
	core_multicast(c, 0, 1, slice_of(w->sent, w->sent_len)); /* our STATE */
	return c;
}

/* Where nobody is left to retire the databases of a node that lives, nobody is waited for */
static void test_fencing_is_asked_for(void **state)
{
	static const struct {
		bool has_supervisor, is_in_ring, is_at_once;
		uint64_t wait_ms;
	} table[] = {
		{ true, true, true, 10000 },
		{ false, true, true, 100 },
		{ false, true, false, 1000 },
		{ false, false, false, 30000 },
		{ false, false, true, 100 },
		{ true, false, true, 100 }, /* its supervisor is about to be told to be gone */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct world w;
		struct core *c = node_left(&w, table[i].has_supervisor, table[i].is_in_ring,
					   table[i].is_at_once);

		assert_int_equal(wait_for_request(&w), table[i].wait_ms);
		core_free(c);
	}
}

/* A node that has come back is given the time to start */
static void test_fencing_of_who_comes_back(void **state)
{
	struct world w;
	struct core *c = node_left(&w, false, false, false);

	(void)state;
	w.now += 20000;
	core_tick(c);
	core_quorum(c, true, ring, two_nodes, 2);
	assert_int_equal(wait_for_request(&w), 10000);
	core_free(c);
	c = node_left(&w, false, false, false);
	w.now += 29000;
	core_tick(c);
	core_quorum(c, true, ring, two_nodes, 2);
	core_supervisor(c, 1, true, true);
	assert_int_equal(wait_for_request(&w), 10000);
	core_free(c);
	/* also when the fencing has failed meanwhile */
	c = node_left(&w, false, false, true);
	assert_int_equal(wait_for_request(&w), 100);
	core_fence_failed(c, (struct incarnation){ 1, PEER_BOOT }, "no answer");
	w.now += 9000;
	core_tick(c);
	core_quorum(c, true, ring, two_nodes, 2);
	assert_int_equal(wait_for_request(&w), 30000);
	core_free(c);
}

/* An engine that has come and never tells its STATE is fenced, as what its supervisor has started; of two one at
 * a time */
static void test_fencing_of_the_silent(void **state)
{
	static const struct core_member three[] = { { 0, 1 }, { 1, 9 }, { 2, 9 } };
	static const uint32_t three_nodes[] = { 0, 1, 2 };

	(void)state;
	for (uint32_t told = 0; told < 2; told++) {
		struct world w;
		struct core *c = node_alone(&w);

		c->config.state_timeout_ms = 1000;
		core_quorum(c, true, ring, three_nodes, 3);
		core_membership(c, three, 3, ring);
		core_multicast(c, 0, 1, slice_of(w.sent, w.sent_len)); /* our STATE */
		for (uint32_t pnn = 1; told && pnn <= 2; pnn++)
			core_started(c, (struct incarnation){ pnn, 4711 });
		c->started_n = 0; /* a plan was delivered meanwhile */
		for (uint32_t i = 0; i < 2; i++) {
			w.now += 999;
			core_tick(c);
			assert_int_equal(w.fence_requests, told * i);
			w.now += 1;
			core_tick(c);
			assert_int_equal(w.fence_requests, told * (i + 1));
			assert_int_equal(w.fenced.pnn, told * (i + 1));
			assert_int_equal(w.fenced.boot_id, told * 4711);
		}
		core_free(c);
	}
}

/* Nodes that come and go do not keep those waiting that have quorum all the time */
static void test_fencing_among_ring_changes(void **state)
{
	struct world w;
	struct core *c = node_left(&w, true, true, true);
	struct core_ring r = ring;

	(void)state;
	core_tick(c);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(w.fence_requests, 0);
		w.now += 3000;
		core_tick(c);
		r.seq++;
		core_quorum(c, true, r, two_nodes, 2);
		core_ring_id(c, r);
	}
	assert_int_equal(w.fence_requests, 1);
	core_free(c);
}

/* The rest of the ring may be about to come back, too; and without quorum no time counts */
static void test_fencing_after_a_loss_of_quorum(void **state)
{
	struct world w;
	struct core *c = node_left(&w, false, true, true);

	(void)state;
	core_quorum(c, false, ring, two_nodes, 1);
	w.now += 50000;
	core_tick(c);
	core_quorum(c, true, ring, two_nodes, 1);
	assert_int_equal(wait_for_request(&w), 30000);
	core_free(c);
	/* the wait for a supervisor that is there begins anew, too */
	c = node_left(&w, true, true, true);
	core_tick(c);
	w.now += 8000;
	core_tick(c);
	core_quorum(c, false, ring, two_nodes, 2);
	w.now += 50000;
	core_tick(c);
	core_quorum(c, true, ring, two_nodes, 2);
	assert_int_equal(wait_for_request(&w), 10000);
	core_free(c);
	/* ... and so does the back-off behind a request that has failed */
	c = node_left(&w, false, false, true);
	assert_int_equal(wait_for_request(&w), 100);
	core_fence_failed(c, (struct incarnation){ 1, PEER_BOOT }, "no answer");
	core_quorum(c, false, ring, two_nodes, 1);
	w.now += 50000;
	core_tick(c);
	core_quorum(c, true, ring, two_nodes, 1);
	assert_int_equal(wait_for_request(&w), 30000);
	core_free(c);
}

/* In a cold start others may be slower, whether their corosync, or supervisor, is there or not */
static void test_fencing_of_the_slow(void **state)
{
	(void)state;
	for (size_t n = 1; n <= 3; n++) {
		struct world w;
		struct core *c = node_cold(&w);
		struct core_status s;

		core_quorum(c, true, ring, two_nodes, n == 1 ? 1 : 2);
		core_membership(c, both, 1, ring);
		core_multicast(c, 0, 1, slice_of(w.sent, w.sent_len)); /* our STATE */
		core_tick(c);
		w.now += 20000;
		core_tick(c);
		core_supervisor(c, 1, n == 3, true);
		core_status(c, &s);
		assert_int_equal(s.reason, REASON_COLD_START);
		assert_in_range(wait_for_request(&w), 10000, 10100);
		core_free(c);
	}
}

static enum reason reason_of(const struct core *c)
{
	struct core_status s;

	core_status(c, &s);
	return s.reason;
}

/* In a cold start no more than half of the nodes have nobody fenced */
static void test_fencing_by_few(void **state)
{
	static const uint32_t three_nodes[] = { 0, 1, 2 };
	const struct incarnation third = { 2, 99 };
	struct states s;
	struct world w;
	struct core *c = node_cold(&w);

	(void)state;
	core_fencing_rules(c, true, false, 3);
	core_started(c, third);
	core_quorum(c, true, ring, three_nodes, 3);
	core_membership(c, both, 1, ring);
	core_multicast(c, 0, 1, slice_of(w.sent, w.sent_len)); /* our STATE */
	assert_int_equal(reason_of(c), REASON_COLD_START);
	for (uint64_t end = w.now + 100000; w.now < end; w.now += 100) {
		core_tick(c);
		assert_true(core_deadline_ms(c) > w.now);
	}
	assert_int_equal(w.fence_requests, 0);
	/* The second one comes; the time of the third begins */
	core_membership(c, both, 2, ring);
	states_of(&s, &w, REASON_NONE);
	states_in(c, &s);
	assert_int_equal(reason_of(c), REASON_COLD_START);
	assert_int_equal(wait_for_request(&w), 30000);
	assert_int_equal(w.fence_requests, 1);
	core_free(c);
}

/* Two that are in the ring: one, and the other when it has answered; what might have come there
 * while it fell out of the ring, at once */
static void test_fencing_in_turn(void **state)
{
	static const uint32_t three_nodes[] = { 0, 1, 2 };
	const struct incarnation third = { 2, 99 }, unseen = { 1, 1ULL << 63 | 1 };
	struct world w;
	struct core *c = node_cold(&w);

	(void)state;
	core_quorum(c, true, ring, three_nodes, 3);
	core_started(c, third);
	core_membership(c, both, 1, ring);
	core_multicast(c, 0, 1, slice_of(w.sent, w.sent_len)); /* our STATE */
	assert_int_equal(wait_for_request(&w), 30000);
	assert_int_equal(w.fence_requests, 1);
	assert_int_equal(wait_for_request(&w),
			 10000); /* that one again; the other's turn has not come */
	assert_int_equal(w.fence_requests, 1);
	core_fenced(c, (struct incarnation){ 1, PEER_BOOT });
	assert_in_range(wait_for_request(&w), 0, 200);
	assert_int_equal(w.fence_requests, 1);
	core_fenced(c, third);
	core_started(c, unseen);
	core_membership(c, both, 1, (struct core_ring){ 1, ring.seq + 4 });
	core_quorum(c, true, (struct core_ring){ 1, ring.seq + 4 }, three_nodes, 1);
	core_multicast(c, 0, 1, slice_of(w.sent, w.sent_len));
	assert_in_range(wait_for_request(&w), 0, 200);
	core_free(c);
}

/* A node that was told of a generation that it was not in, by one that has left meanwhile, does not go on
 * alone */
static void test_newest_is_not_here(void **state)
{
	static const uint32_t three_nodes[] = { 0, 1, 2 };

	(void)state;
	for (uint8_t newer = 0; newer < 2; newer++) {
		const struct core_ring later = { 1, ring.seq + 4 };
		struct states s;
		struct world w;
		struct core *c = node_cold(&w);

		core_fencing_rules(c, true, false, 3);
		core_quorum(c, true, ring, three_nodes, 3);
		core_membership(c, both, 2, ring);
		states_of(&s, &w, REASON_NONE);
		s.theirs[9 + 8 + 8] += newer; /* last generation */
		states_in(c, &s);
		core_left(c, (struct incarnation){ 1, PEER_BOOT });
		core_quorum(c, true, later, three_nodes, 3);
		core_membership(c, both, 1, later);
		core_multicast(c, 0, 1, slice_of(w.sent, w.sent_len)); /* our STATE */
		core_tick(c);
		assert_int_equal(w.sent[0] == CONTROL_ACTIVATE, newer == 0);
		assert_int_equal(reason_of(c) == REASON_COLD_START, newer != 0);
		core_free(c);
	}
}

/* A leader that cannot take the lock, told behind a plan: what was promised stays so */
static void test_lock_fails_late(void **state)
{
	uint8_t failed[13] = { CONTROL_LOCK_FAILED };
	struct states s;
	struct world w;
	struct core *c = node_alone(&w);
	uint32_t generation, why = REASON_LOCK_HUNG;

	(void)state;
	core_membership(c, both, 2, ring);
	states_of(&s, &w, REASON_NONE);
	states_in(c, &s);
	assert_int_equal(w.sent[0], CONTROL_ACTIVATE);
	memcpy(failed + 1, w.sent + 1, 8); /* of this view */
	memcpy(failed + 9, &why, sizeof(why));
	core_multicast(c, 0, 1, slice_of(w.sent, w.sent_len));
	generation = w.persist_generation;
	assert_int_equal(c->view.plan_generation, generation);
	core_multicast(c, 1, 9, slice_of(failed, sizeof(failed)));
	assert_int_equal(c->generation, generation);
	assert_int_equal(w.persist_generation, generation);
	core_free(c);
}

/* A leader that has told so behind its plan leads, and still has to get the lock in time */
static void test_lock_never_comes(void **state)
{
	struct core_member self = { .pnn = 0, .pid = 2 };
	struct world w;
	struct core *c = node_alone(&w);

	(void)state;
	core_membership(c, &self, 1, ring);
	core_multicast(c, 0, 2, slice_of(w.sent, w.sent_len)); /* STATE */
	c->config.has_lock = true; /* since it planned */
	c->view.is_lock_failed_sent = true;
	c->lock.since_ms = w.now;
	plan_in(&w, 2);
	assert_true(c->is_active);
	assert_false(c->lock.is_held);
	for (int i = 0; i < 30 && w.sent[0] != CONTROL_RESTART; i++) {
		assert_true(c->is_active);
		w.now += 100;
		core_tick(c);
	}
	assert_int_equal(w.sent[0], CONTROL_RESTART);
	core_free(c);
}

/* Nor when two are here that have only heard of the newest generation; and that outlives an engine */
static void test_newest_is_hearsay(void **state)
{
	static const uint32_t five_nodes[] = { 0, 1, 2, 3, 4 };
	const size_t at = 9 + 8 + 8; /* last generation, active generation, what it is */

	(void)state;
	for (uint8_t is_outside = 0; is_outside < 2; is_outside++) {
		const struct core_ops *ops;
		struct core_config config;
		struct states s;
		struct world w;
		struct core *c = node_cold(&w);

		core_fencing_rules(c, true, false, 5);
		core_left(c, (struct incarnation){ 1, PEER_BOOT });
		core_quorum(c, true, ring, five_nodes, 5);
		core_membership(c, both, 2, ring);
		states_of(&s, &w, REASON_NONE);
		s.theirs[at]++;
		s.theirs[at + 8] = (uint8_t)(is_outside << 1);
		states_in(c, &s);
		assert_true(w.persist_is_outside);
		assert_int_equal(w.persist_generation, 4);
		assert_int_equal(w.sent[0] == CONTROL_ACTIVATE, !is_outside);
		assert_int_equal(reason_of(c) == REASON_COLD_START, is_outside);
		if (is_outside) {
			core_fencing_rules(c, true, true, 5); /* an admin knows better */
			w.now += 100;
			core_tick(c);
			assert_int_equal(w.sent[0], CONTROL_ACTIVATE);
		}
		config = c->config;
		ops = c->ops;
		config.past = (struct core_past){ .generation = 4, .is_outside = true };
		core_free(c);
		c = core_new(&config, ops, &w);
		assert_true(c->was_outside);
		core_free(c);
	}
}

/* The lock's file hangs over many views: the one that counts is tried when there is room */
static void test_lock_hangs_long(void **state)
{
	const struct core_lock_id none = { 0 };
	struct world w;
	struct core *c = node_alone(&w);

	(void)state;
	c->config.has_lock = true;
	for (uint64_t i = 0; i < 8; i++)
		gate_lock_probe(c, i + 1, 1);
	gate_lock_probe(c, c->view.digest, 1);
	assert_int_equal(w.probes, 8);
	core_lock_result(c, CORE_LOCK_REFUSED, none, "");
	assert_int_equal(w.probes, 9);
	core_lock_result(c, CORE_LOCK_REFUSED, none, "");
	assert_int_equal(w.probes, 9);
	core_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attach_during_sweep),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_attach_fails_here),
		cmocka_unit_test(test_hostile_cpg),
		cmocka_unit_test(test_old_view),
		cmocka_unit_test(test_old_state),
		cmocka_unit_test(test_type_of_joiner),
		cmocka_unit_test(test_type_of_equal),
		cmocka_unit_test(test_type_of_newer),
		cmocka_unit_test(test_type_untold),
		cmocka_unit_test(test_other_version),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_fencing_is_asked_for),
		cmocka_unit_test(test_fencing_in_turn),
		cmocka_unit_test(test_fencing_by_few),
		cmocka_unit_test(test_newest_is_not_here),
		cmocka_unit_test(test_newest_is_hearsay),
		cmocka_unit_test(test_lock_fails_late),
		cmocka_unit_test(test_lock_never_comes),
		cmocka_unit_test(test_lock_hangs_long),
		cmocka_unit_test(test_fencing_of_who_comes_back),
		cmocka_unit_test(test_fencing_among_ring_changes),
		cmocka_unit_test(test_fencing_after_a_loss_of_quorum),
		cmocka_unit_test(test_fencing_of_the_slow),
		cmocka_unit_test(test_fencing_of_the_silent),
	};

	return cmocka_run_group_tests_name("core_view", tests, NULL, NULL);
}
