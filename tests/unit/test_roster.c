/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_roster.c: what a supervisor marks on disk, and whose last word it waits for. The roster as a
 * whole is tested by the simulator. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "daemon/core/internal.h"
#include "daemon/core/roster.h"

static struct roster r;

static void op_multicast(void *world, const void *msg, size_t len)
{
	(void)world, (void)msg, (void)len;
}
static void op_incarnation(void *world, struct incarnation inc)
{
	(void)world, (void)inc;
}
static void op_supervisor(void *world, uint32_t pnn, bool is_present, bool has_told)
{
	(void)world, (void)pnn, (void)is_present, (void)has_told;
}
static const struct roster_ops ops = { op_multicast, op_incarnation, op_incarnation,
				       op_supervisor };

static const uint32_t three[] = { 0, 1, 2 };
static const struct incarnation list[] = { { 0, 100 }, { 1, 101 }, { 2, 102 } };

/* What the supervisor of list[who] says when it runs that, and knows those behind it */
static void tells(uint32_t who, size_t others)
{
	uint8_t buf[ROSTER_MESSAGE];
	struct writer w = writer_of(buf, sizeof(buf));

	writer_u32(&w, 1);
	writer_u32(&w, (uint32_t)(1 + others));
	for (size_t i = who; i <= who + others; i++) {
		writer_u32(&w, i < 3 ? list[i].pnn : 3);
		writer_u64(&w, i < 3 ? list[i].boot_id : 103);
	}
	assert_int_equal(roster_message(&r, who, slice_of(w.p, w.len)), 0);
}

static int set_up(void **state)
{
	(void)state;
	roster_init(&r, 0, 1, &ops, NULL);
	roster_ring(&r, three, 3);
	roster_group(&r, three, 3);
	roster_engine(&r, 100);
	return 0;
}

static void marks_who_has_left(void **state)
{
	bool is_over[3] = { false };

	(void)state;
	tells(1, 0);
	tells(2, 0);
	assert_false(roster_mark(&r, list, is_over, 3));
	assert_true(roster_awaits(&r, list, 3));
	roster_over(&r, list[1]);
	assert_true(roster_mark(&r, list, is_over, 3));
	assert_false(roster_mark(&r, list, is_over, 3));
	assert_true(is_over[1] && !is_over[0] && !is_over[2]);
	assert_true(roster_awaits(&r, list, 3));
	roster_over(&r, list[2]);
	roster_over(&r, list[0]);
	assert_false(roster_awaits(&r, list, 3));
	assert_true(roster_mark(&r, list, is_over, 3));
	assert_true(is_over[0] && is_over[2]);
}

/* It had not told what it knows of others */
static void not_who_has_told_nothing(void **state)
{
	bool is_over[3] = { false };

	(void)state;
	roster_over(&r, list[1]);
	assert_false(roster_mark(&r, list, is_over, 3));
}

/* The supervisor of node 2 knows of one that the list has not */
static void nobody_while_the_list_is_short(void **state)
{
	struct incarnation stranger = { 3, 103 };
	bool is_over[3] = { false };

	(void)state;
	tells(1, 0);
	tells(2, 1);
	roster_over(&r, list[1]);
	assert_false(roster_mark(&r, list, is_over, 3));
	roster_over(&r, stranger);
	assert_true(roster_mark(&r, list, is_over, 3));
}

static void waits_for_those_who_are_here(void **state)
{
	(void)state;
	roster_leave(&r, 1);
	roster_group(&r, three, 1);
	assert_false(roster_awaits(&r, list, 3));
	assert_int_equal(r.n, 1); /* node 2 is lost, node 1 is not */
	assert_int_equal(r.inc[0].pnn, 2);
}

/* A supervisor that left and came back may die */
static void leaves_once(void **state)
{
	(void)state;
	roster_leave(&r, 1);
	roster_group(&r, three, 3);
	roster_group(&r, three, 1);
	assert_int_equal(r.n, 2);
}

static void a_mark_counts_in_sight(void **state)
{
	(void)state;
	assert_true(roster_is_in_sight(&r, list[2]));
	roster_ring(&r, three, 2);
	assert_false(roster_is_in_sight(&r, list[2]));
	assert_false(roster_is_in_sight(&r, (struct incarnation){ CORE_MAX_NODES, 1 }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(marks_who_has_left, set_up),
		cmocka_unit_test_setup(not_who_has_told_nothing, set_up),
		cmocka_unit_test_setup(nobody_while_the_list_is_short, set_up),
		cmocka_unit_test_setup(waits_for_those_who_are_here, set_up),
		cmocka_unit_test_setup(leaves_once, set_up),
		cmocka_unit_test_setup(a_mark_counts_in_sight, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
