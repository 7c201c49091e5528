/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_poller.c: many descriptors on one loop: all are served, and none after it was taken off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include "daemon/io/poller.h"

enum { PAIRS = 300 };

struct world {
	struct engine engine;
	struct poller *poller;
	int pair[PAIRS][2];
	unsigned int calls[PAIRS], total, expected;
	int victim; /* taken off from within the first call of another, -1: none */
	bool is_victim_replaced;
};

static struct world *w;
static unsigned int flushes;

void engine_after_event(struct engine *e)
{
	assert_false(e->is_batching);
	flushes++;
}

static int32_t readable(int32_t fd, int32_t revents, void *data)
{
	size_t i = (size_t)(uintptr_t)data;
	char c;

	assert_true(revents & POLLIN);
	assert_int_equal(fd, w->pair[i][0]);
	assert_int_equal(read(fd, &c, 1), 1);
	w->calls[i]++;
	if (w->victim >= 0 && (size_t)w->victim != i) {
		int v = w->victim;

		w->victim = -1;
		w->expected -= w->calls[v] == 0;
		poller_del(w->poller, w->pair[v][0]);
		if (w->is_victim_replaced) {
			/* The same number, another connection, which has nothing to say */
			int other[2];

			assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, other), 0);
			assert_int_equal(dup2(other[0], w->pair[v][0]), w->pair[v][0]);
			close(other[0]);
			close(w->pair[v][1]);
			w->pair[v][1] = other[1];
			assert_int_equal(poller_add(w->poller, w->pair[v][0], POLLIN,
						    (void *)(uintptr_t)v, readable),
					 0);
		}
	}
	if (++w->total >= w->expected)
		qb_loop_stop(w->engine.loop);
	return 0;
}

static void too_late(void *data)
{
	(void)data;
	qb_loop_stop(w->engine.loop);
}

static void run(void)
{
	qb_loop_timer_handle t;

	assert_int_equal(qb_loop_timer_add(w->engine.loop, QB_LOOP_LOW, 5 * QB_TIME_NS_IN_SEC, NULL,
					   too_late, &t),
			 0);
	qb_loop_run(w->engine.loop);
	qb_loop_timer_del(w->engine.loop, t);
}

static void say_all(void)
{
	w->total = 0;
	w->expected = PAIRS;
	for (size_t i = 0; i < PAIRS; i++) {
		w->calls[i] = 0;
		assert_int_equal(write(w->pair[i][1], "x", 1), 1);
	}
}

static int setup(void **state)
{
	(void)state;
	w = calloc(1, sizeof(*w));
	w->victim = -1;
	w->engine.loop = qb_loop_create();
	w->poller = poller_new(&w->engine);
	assert_non_null(w->poller);
	for (size_t i = 0; i < PAIRS; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, w->pair[i]),
				 0);
		assert_int_equal(poller_add(w->poller, w->pair[i][0], POLLIN, (void *)i, readable),
				 0);
	}
	flushes = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	poller_free(w->poller);
	for (size_t i = 0; i < PAIRS; i++) {
		close(w->pair[i][0]);
		close(w->pair[i][1]);
	}
	qb_loop_destroy(w->engine.loop);
	free(w);
	return 0;
}

static void test_all_are_served(void **state)
{
	(void)state;
	for (int round = 0; round < 3; round++) {
		say_all();
		run();
		for (size_t i = 0; i < PAIRS; i++)
			assert_int_equal(w->calls[i], 1);
	}
	assert_true(flushes > 0);
}

static void test_taken_off(void **state)
{
	(void)state;
	for (int round = 0; round < 2; round++) {
		say_all();
		w->victim = PAIRS - 1 - round;
		w->is_victim_replaced = round == 1;
		run();
		assert_int_equal(w->victim, -1);
		assert_int_equal(w->total, w->expected);
		if (round == 0)
			assert_int_equal(poller_add(w->poller, w->pair[PAIRS - 1][0], POLLIN,
						    (void *)(size_t)(PAIRS - 1), readable),
					 0);
		/* What it had to say, if it was not called */
		if (round == 0 && w->calls[PAIRS - 1] == 0) {
			char c;

			assert_int_equal(read(w->pair[PAIRS - 1][0], &c, 1), 1);
		}
	}
}

static void test_mod(void **state)
{
	(void)state;
	assert_int_equal(poller_mod(w->poller, w->pair[0][0], 0), 0);
	assert_int_equal(poller_mod(w->poller, w->pair[PAIRS - 1][0], 0), 0);
	say_all();
	w->expected = PAIRS - 2;
	run();
	assert_int_equal(w->calls[0] + w->calls[PAIRS - 1], 0);
	assert_int_equal(poller_mod(w->poller, w->pair[0][0], POLLIN), 0);
	assert_int_equal(poller_mod(w->poller, w->pair[PAIRS - 1][0], POLLIN), 0);
	w->expected = PAIRS;
	run();
	assert_int_equal(w->calls[0] + w->calls[PAIRS - 1], 2);
	assert_true(poller_mod(w->poller, 9999, POLLIN) < 0);
	assert_true(poller_add(w->poller, w->pair[0][0], POLLIN, NULL, readable) < 0);
	assert_true(poller_add(w->poller, -1, POLLIN, NULL, readable) < 0);
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(test_all_are_served),
		WORLD(test_taken_off),
		WORLD(test_mod),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
