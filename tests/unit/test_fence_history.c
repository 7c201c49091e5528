/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_fence_history.c: only what began after the watch counts as a fencing */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "daemon/helper/fence_history.h"

#define N(list) (sizeof(list) / sizeof((list)[0]))
#define DONE(name, s, ns)                                                                          \
	{                                                                                          \
		name, "reboot", FENCE_DONE,                                                        \
		{                                                                                  \
			s, ns                                                                      \
		}                                                                                  \
	}
#define GOING_ON(name)                                                                             \
	{                                                                                          \
		name, "reboot", FENCE_GOING_ON,                                                    \
		{                                                                                  \
			0, 0                                                                       \
		}                                                                                  \
	}

static const struct fence_stamp at_1000 = { 1000, 0 };
static const struct fence_stamp at_1010 = { 1010, 0 };

static struct fence_watch watch_on(const struct fence_entry *e, size_t n)
{
	struct fence_watch w = { .is_based = false };

	/* The first look never tells of a fencing, whatever is there */
	assert_false(fence_watch_look(&w, "node3", e, n, true, at_1000));
	return w;
}

static void older_fencing_does_not_count(void **state)
{
	const struct fence_entry before[] = { DONE("node3", 990, 5), DONE("node3", 995, 7) };
	struct fence_watch w = watch_on(before, N(before));

	(void)state;
	assert_true(w.is_based);
	assert_false(fence_watch_look(&w, "node3", before, N(before), true, at_1010));
	/* nor when the history has lost its order, or its newest */
	assert_false(fence_watch_look(&w, "node3", before, 1, true, at_1010));
	assert_false(fence_watch_look(&w, "node3", NULL, 0, true, at_1010));
}

/* Another fencing need not be asked for while one is going on, or has just ended */
static void one_that_is_about_to_be_told(void **state)
{
	const struct fence_entry before[] = { DONE("node3", 990, 5) };
	const struct fence_entry going_on[] = { GOING_ON("node3"), DONE("node3", 990, 5) };
	const struct fence_entry done[] = { DONE("node3", 1005, 0), DONE("node3", 990, 5) };
	const struct fence_entry status[] = { { "node3", "status", FENCE_GOING_ON, { 0, 0 } } };
	const struct fence_stamp later = { 1016, 0 };
	struct fence_watch w = watch_on(before, N(before));

	(void)state;
	assert_false(fence_is_at_work(&w, "node3", before, N(before), at_1000)); /* of before */
	assert_true(fence_is_at_work(&w, "node3", going_on, N(going_on), at_1010));
	assert_false(fence_is_at_work(&w, "node2", going_on, N(going_on), at_1010));
	assert_false(fence_is_at_work(&w, "node3", status, N(status), at_1010));
	assert_true(fence_is_at_work(&w, "node3", done, N(done), at_1010));
	assert_false(fence_is_at_work(&w, "node3", done, N(done), later));
}

static void newer_fencing_counts_to_the_nanosecond(void **state)
{
	const struct fence_entry before[] = { DONE("node3", 995, 7) };
	const struct fence_entry after[] = { DONE("node3", 995, 8), DONE("node3", 995, 7) };
	struct fence_watch w = watch_on(before, N(before));

	(void)state;
	assert_true(fence_watch_look(&w, "node3", after, N(after), true, at_1010));
	assert_true(fence_watch_look(&w, "NODE3", after, N(after), true, at_1010));
}

static void other_nodes_and_actions_do_not_count(void **state)
{
	const struct fence_entry after[] = {
		DONE("node1", 1005, 0),
		{ "node3", "on", FENCE_DONE, { 1005, 0 } },
		{ "node3", "reboot", FENCE_FAILED, { 1005, 0 } },
		{ "node3", NULL, FENCE_DONE, { 1005, 0 } },
		{ NULL, "off", FENCE_DONE, { 1005, 0 } },
		GOING_ON("node3"),
	};
	struct fence_watch w = watch_on(NULL, 0);

	(void)state;
	assert_false(fence_watch_look(&w, "node3", after, N(after), true, at_1010));
}

static void off_counts_too(void **state)
{
	const struct fence_entry after[] = { { "node3", "off", FENCE_DONE, { 1005, 0 } } };
	struct fence_watch w = watch_on(NULL, 0);

	(void)state;
	assert_true(fence_watch_look(&w, "node3", after, 1, true, at_1010));
}

/* It had begun before the watch: aimed at the node's earlier life */
static void operation_going_on_at_the_watch_does_not_count(void **state)
{
	const struct fence_entry before[] = { GOING_ON("node3"), DONE("node3", 900, 0) };
	const struct fence_entry ended[] = { DONE("node3", 1005, 0), DONE("node3", 900, 0) };
	const struct fence_entry again[] = { DONE("node3", 1020, 0), DONE("node3", 1005, 0) };
	struct fence_watch w = watch_on(before, N(before));

	(void)state;
	assert_false(w.is_based);
	assert_false(fence_watch_look(&w, "node3", before, N(before), true, at_1010));
	assert_false(fence_watch_look(&w, "node3", ended, N(ended), true, at_1010));
	assert_true(w.is_based);
	assert_false(fence_watch_look(&w, "node3", ended, N(ended), true, at_1010));
	assert_true(fence_watch_look(&w, "node3", again, N(again), true, at_1010));
}

static void operation_on_another_node_does_not_keep_it_open(void **state)
{
	const struct fence_entry before[] = { GOING_ON("node1") };
	struct fence_watch w = watch_on(before, N(before));

	(void)state;
	assert_true(w.is_based);
}

/* A new operation is going on; the one that counts has ended all the same */
static void later_operation_does_not_hide_a_fencing(void **state)
{
	const struct fence_entry after[] = { GOING_ON("node3"), DONE("node3", 1005, 0) };
	struct fence_watch w = watch_on(NULL, 0);

	(void)state;
	assert_true(fence_watch_look(&w, "node3", after, N(after), true, at_1010));
}

/* Entries that came from another node's history, with its clock's stamps */
static void unnotified_entry_must_be_beyond_the_skew(void **state)
{
	const struct fence_entry near[] = { DONE("node3", 1000 + FENCE_SKEW_S, 0) };
	const struct fence_entry far[] = { DONE("node3", 1000 + FENCE_SKEW_S, 1) };
	struct fence_watch w = watch_on(NULL, 0);

	(void)state;
	assert_false(fence_watch_look(&w, "node3", near, 1, false, at_1010));
	assert_true(fence_watch_look(&w, "node3", far, 1, false, at_1010));
	assert_true(fence_watch_look(&w, "node3", near, 1, true, at_1010));
}

/* The helper that began the watch has ended; the next one gets what it left to the engine */
static struct fence_watch resumed(const struct fence_watch *old)
{
	struct fence_watch w = { .is_based = false };
	uint8_t base[FENCE_BASE_SIZE];
	struct writer to = writer_of(base, sizeof(base));
	struct cursor from = cursor_of(base, sizeof(base)), cut = cursor_of(base, sizeof(base) - 1);

	fence_watch_write(old, &to);
	assert_int_equal(to.len, FENCE_BASE_SIZE);
	assert_false(to.failed);
	assert_int_not_equal(fence_watch_read(&w, &cut), 0);
	assert_int_equal(fence_watch_read(&w, &from), 0);
	assert_int_equal(cursor_end(&from), 0);
	return w;
}

static void fencing_while_no_helper_ran_counts(void **state)
{
	const struct fence_entry before[] = { DONE("node3", 995, 7) };
	const struct fence_entry near[] = { DONE("node3", 1005, 0), DONE("node3", 995, 7) };
	const struct fence_entry after[] = { DONE("node3", 5000, 0), DONE("node3", 995, 7) };
	struct fence_watch old = watch_on(before, N(before)), w = resumed(&old);
	const struct fence_stamp now = { 5010, 0 };

	(void)state;
	assert_false(fence_watch_look(&w, "node3", before, N(before), false, now));
	/* it may be another clock's word of a fencing before the watch */
	assert_false(fence_watch_look(&w, "node3", near, N(near), false, now));
	assert_true(fence_watch_look(&w, "node3", after, N(after), false, now));
	assert_true(fence_watch_look(&w, "node3", near, N(near), true, now));
	/* a watch of its own would take it for one of before */
	w = watch_on(after, N(after));
	assert_false(fence_watch_look(&w, "node3", after, N(after), true, now));
}

static void clock_set_back_means_doubt(void **state)
{
	const struct fence_entry before[] = { DONE("node3", 999, 0) };
	const struct fence_entry after[] = { DONE("node3", 400, 0), DONE("node3", 999, 0) };
	struct fence_watch w = watch_on(before, 1);

	(void)state;
	assert_false(fence_watch_look(&w, "node3", after, N(after), true, at_1010));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(older_fencing_does_not_count),
		cmocka_unit_test(one_that_is_about_to_be_told),
		cmocka_unit_test(newer_fencing_counts_to_the_nanosecond),
		cmocka_unit_test(other_nodes_and_actions_do_not_count),
		cmocka_unit_test(off_counts_too),
		cmocka_unit_test(operation_going_on_at_the_watch_does_not_count),
		cmocka_unit_test(operation_on_another_node_does_not_keep_it_open),
		cmocka_unit_test(later_operation_does_not_hide_a_fencing),
		cmocka_unit_test(unnotified_entry_must_be_beyond_the_skew),
		cmocka_unit_test(fencing_while_no_helper_ran_counts),
		cmocka_unit_test(clock_set_back_means_doubt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
