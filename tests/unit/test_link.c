/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_link.c: a member that cannot exchange data: a joiner stays out, of active ones one is
 * evicted */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include "core_world.h"

#define PEER_TIMEOUT 8000

/* Time passes, and what node1 sends is acknowledged or not; true: node1 has multicast something, which
 * is not delivered yet */
static bool wait_said_while(struct world *w, uint64_t ms, bool is_acknowledged)
{
	struct session *s = &w->core->node[1]->session;
	unsigned int before = w->multicasts;

	for (uint64_t i = 0; i < ms && w->multicasts == before; i += 100) {
		w->now += 100;
		core_tick(w->core);
		if (is_acknowledged) {
			s->sent = s->end;
			session_acked(s, s->next_seq - 1);
		}
	}
	return w->multicasts != before;
}

static bool wait_said(struct world *w, uint64_t ms)
{
	return wait_said_while(w, ms, false);
}

/* node2 says that it cannot exchange data with node1, or that it can */
static void peer_links(struct core *c, bool is_cut, bool is_due)
{
	uint8_t buf[32];
	struct writer w = writer_of(buf, sizeof(buf));

	writer_u8(&w, CONTROL_LINKS);
	writer_u64(&w, c->view.digest);
	writer_u8(&w, is_due);
	writer_u32(&w, is_cut);
	if (is_cut)
		writer_u32(&w, 0);
	core_multicast(c, 1, 9, slice_of(buf, w.len));
}

static bool has_said_links(const struct world *w, bool is_cut, bool is_due)
{
	return w->sent[0] == CONTROL_LINKS && w->sent[9] == is_due && w->sent[10] == is_cut;
}

/* node2, of this version, has told its STATE */
static struct core *with_joiner(struct world *w, uint8_t verdict)
{
	struct core *c = node_alone(w);
	struct states s;

	c->config.peer_timeout_ms = PEER_TIMEOUT;
	core_tick(c);
	core_membership(c, both, 2, ring);
	states_of(&s, w, verdict);
	s.theirs[9 + 8 + 4] = CORE_PROTOCOL_MAX;
	states_in(c, &s);
	return c;
}

/* ... and is active, with a link */
static struct core *with_active(struct world *w)
{
	struct core *c = with_joiner(w, REASON_NONE);

	assert_int_not_equal(w->sent[0], CONTROL_ACTIVATE); /* it has not told of its links */
	assert_int_equal(core_peer_up(c, 1, PEER_BOOT, 0), 0);
	peer_links(c, false, false);
	plan_in(w, 1);
	core_multicast(c, 1, 9, slice_of(w->sent, w->sent_len));
	assert_true(core_node_is_active(c, 1));
	return c;
}

static void test_joiner_without_link(void **state)
{
	struct world w;
	struct core *c = with_joiner(&w, REASON_NONE);

	(void)state;
	peer_links(c, true, false);
	plan_in(&w, 1);
	assert_false(core_node_is_active(c, 1));
	assert_int_equal(c->node[1]->kept_out, REASON_NO_LINK);
	assert_int_equal(core_node_is_active(c, 0), true);
	core_free(c);
}

/* A joiner that does not tell keeps nobody waiting */
static void test_silent_joiner(void **state)
{
	struct world w;
	struct core *c = with_joiner(&w, REASON_NONE);
	uint64_t begin = w.now;

	(void)state;
	assert_true(wait_said(&w, PEER_TIMEOUT));
	assert_in_range(w.now - begin, PEER_TIMEOUT / 2, PEER_TIMEOUT / 2 + 200);
	plan_in(&w, 1);
	assert_int_equal(c->node[1]->kept_out, REASON_NO_LINK);
	core_free(c);
}

static void test_pair_is_cut(void **state)
{
	struct world w;
	struct core *c = with_active(&w);
	uint64_t begin = w.now;

	(void)state;
	core_peer_down(c, 1);
	assert_true(wait_said(&w, 2 * PEER_TIMEOUT));
	assert_in_range(w.now - begin, PEER_TIMEOUT, PEER_TIMEOUT + 2000);
	assert_true(has_said_links(&w, true, false));
	deliver(&w);
	assert_false(wait_said(&w, 2 * PEER_TIMEOUT)); /* the word of one */
	peer_links(c, true, false);
	begin = w.now;
	assert_true(wait_said(&w, PEER_TIMEOUT));
	assert_in_range(w.now - begin, PEER_TIMEOUT / 2, PEER_TIMEOUT / 2 + 2000);
	assert_true(has_said_links(&w, true, true));
	assert_int_equal(c->view.fsm.state, CORE_VIEW_ACTIVE);
	deliver(&w);
	assert_int_equal(w.retired, 0); /* the highest pnn goes */
	assert_int_equal(c->view.fsm.state, CORE_VIEW_GATHER);
	core_free(c);
}

/* Each new connection lets the handshake through, and loses what waits; the other's packets come */
static void test_path_that_loses(void **state)
{
	struct world w;
	struct core *c = with_active(&w);
	uint64_t begin = w.now;

	(void)state;
	core_message(c, 1, 7, slice_of("lost", 4));
	while (w.now - begin < PEER_TIMEOUT + 2000) {
		c->node[1]->session.received_seq++;
		core_peer_down(c, 1);
		assert_int_equal(core_peer_up(c, 1, PEER_BOOT, c->node[1]->session.acked_seq), 0);
		if (wait_said(&w, 1000))
			break;
	}
	assert_in_range(w.now - begin, PEER_TIMEOUT, PEER_TIMEOUT + 2000);
	assert_true(has_said_links(&w, true, false));
	deliver(&w);
	peer_links(c, true, false);
	core_peer_down(c, 1);
	core_peer_up(c, 1, PEER_BOOT, c->node[1]->session.acked_seq);
	assert_true(wait_said(&w, PEER_TIMEOUT));
	assert_true(has_said_links(&w, true, true));
	core_free(c);
}

/* Who is about to leave has nobody evicted */
static void test_leaving(void **state)
{
	struct world w;
	struct core *c = with_active(&w);

	(void)state;
	core_peer_down(c, 1);
	c->node[0]->is_leaving = true;
	peer_links(c, true, false);
	assert_false(wait_said(&w, 3 * PEER_TIMEOUT));
	core_free(c);
}

/* What was said is withdrawn before it is due */
static void test_pair_mends(void **state)
{
	struct world w;
	struct core *c = with_active(&w);

	(void)state;
	core_peer_down(c, 1);
	assert_true(wait_said(&w, 2 * PEER_TIMEOUT));
	deliver(&w);
	peer_links(c, true, false);
	core_peer_up(c, 1, PEER_BOOT, c->node[1]->session.acked_seq);
	peer_links(c, false, false);
	assert_true(wait_said_while(&w, PEER_TIMEOUT, true));
	assert_true(has_said_links(&w, false, false));
	deliver(&w);
	assert_false(wait_said_while(&w, 2 * PEER_TIMEOUT, true));
	peer_links(c, false, true); /* due, and nothing is cut */
	assert_int_equal(c->view.fsm.state, CORE_VIEW_ACTIVE);
	core_free(c);
}

/* Nothing goes, and nothing waits: that the pair is cut is found all the same, in the time that it takes
 * where something waits */
static void test_idle_pair(void **state)
{
	struct world w;
	struct core *c = with_active(&w);

	(void)state;
	assert_false(wait_said_while(&w, 5 * PEER_TIMEOUT, true));
	assert_false(wait_said(&w, PEER_TIMEOUT - 200));
	assert_true(wait_said(&w, PEER_TIMEOUT / 4 + 200));
	assert_true(has_said_links(&w, true, false));
	core_free(c);
}

/* One of an older version, which could not read it, is sent none, also while the STATE of a new view is not in */
static void test_old_peer(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	uint64_t next = c->node[1]->session.next_seq;

	(void)state;
	c->config.peer_timeout_ms = PEER_TIMEOUT;
	wait_said_while(&w, PEER_TIMEOUT, true);
	core_membership(c, both, 2, (struct core_ring){ 1, ring.seq + 4 });
	wait_said_while(&w, PEER_TIMEOUT, true);
	assert_true(c->node[1]->is_connected);
	assert_int_equal(c->node[1]->session.next_seq, next);
	core_free(c);
}

/* Whoever is named says so too, unless it is not named any more after a while */
static void test_named(void **state)
{
	struct world w;
	struct core *c = with_active(&w);

	(void)state;
	peer_links(c, true, false);
	assert_false(wait_said_while(&w, PEER_TIMEOUT / 2 - 200, true));
	peer_links(c, false, false);
	assert_false(wait_said_while(&w, PEER_TIMEOUT, true));
	peer_links(c, true, false);
	assert_true(wait_said_while(&w, PEER_TIMEOUT / 2 + 2000, true));
	assert_true(has_said_links(&w, true, false));
	deliver(&w);
	peer_links(c, false, false);
	assert_true(wait_said_while(&w, PEER_TIMEOUT / 2, true));
	assert_true(has_said_links(&w, false, false));
	core_free(c);
}

/* A node that stood still for long does not say that others did */
static void test_own_pause(void **state)
{
	struct world w;
	struct core *c = with_active(&w);

	(void)state;
	core_peer_down(c, 1);
	w.now += 4 * PEER_TIMEOUT;
	w.multicasts = 0;
	core_tick(c);
	assert_int_equal(w.multicasts, 0);
	assert_false(wait_said(&w, PEER_TIMEOUT - 200));
	assert_true(wait_said(&w, 2000));
	core_free(c);
}

/* Who is kept out for its topology stays so, although it was refused the recovery lock */
static void test_tried_for_nothing(void **state)
{
	struct world w;
	struct core *c = with_joiner(&w, REASON_TOPOLOGY);
	uint8_t buf[32];
	struct writer tried = writer_of(buf, sizeof(buf));

	(void)state;
	writer_u8(&tried, CONTROL_TRIED);
	writer_u64(&tried, c->view.digest);
	writer_u32(&tried, 0);
	writer_u32(&tried, REASON_NONE);
	core_multicast(c, 1, 9, slice_of(buf, tried.len));
	assert_int_equal(view_member(c, 1)->kept_out, REASON_TOPOLOGY);
	core_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_joiner_without_link),
		cmocka_unit_test(test_silent_joiner),
		cmocka_unit_test(test_pair_is_cut),
		cmocka_unit_test(test_path_that_loses),
		cmocka_unit_test(test_leaving),
		cmocka_unit_test(test_pair_mends),
		cmocka_unit_test(test_named),
		cmocka_unit_test(test_idle_pair),
		cmocka_unit_test(test_old_peer),
		cmocka_unit_test(test_own_pause),
		cmocka_unit_test(test_tried_for_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
