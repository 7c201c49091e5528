/* SPDX-License-Identifier: GPL-3.0-or-later */
/* client_waits: when calls that wait are given up. The core is what this file makes of it. */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "daemon/io/client_private.h"
#include "lib/reason.h"

#define BEGIN_MS 1000000U /* of the clock */
#define LIMIT_S	 10U

static struct core_waiting waiting;
static bool is_active;
static uint64_t failed_since_ms; /* 0: none was given up */

void core_waiting(const struct core *c, struct core_waiting *w)
{
	(void)c;
	*w = waiting;
}

void core_status(const struct core *c, struct core_status *s)
{
	(void)c;
	*s = (struct core_status){ .is_active = is_active,
				   .reason = is_active ? REASON_NONE : REASON_NO_QUORUM };
}

void core_waiting_fail(struct core *c, uint64_t since_ms, const char *why)
{
	(void)c;
	assert_string_not_equal(why, "");
	failed_since_ms = since_ms;
}

static struct engine engine;
static struct clients clients;

static int begin(void **state)
{
	(void)state;
	clients = (struct clients){ .engine = &engine };
	clients.tunables.value[TUNABLE_RecoveryDropAllIPs] = LIMIT_S;
	failed_since_ms = 0;
	return 0;
}

static void become(bool active, uint64_t second)
{
	is_active = active;
	client_waits_status(&clients, active, BEGIN_MS + second * 1000);
}

/* A call from this second on */
static void wait_since(uint64_t second)
{
	waiting = (struct core_waiting){ .n = 1, .oldest_ms = BEGIN_MS + second * 1000 };
}

/* The first second in which something is given up, 0 for none before the last */
static uint64_t given_up(uint64_t second, uint64_t last)
{
	for (; second <= last; second++) {
		client_waits_second(&clients, BEGIN_MS + second * 1000);
		if (failed_since_ms != 0) {
			assert_int_equal(failed_since_ms, BEGIN_MS + (second - LIMIT_S) * 1000);
			return second;
		}
	}
	return 0;
}

static void inactive_time_counts(void **state)
{
	(void)state;
	become(true, 0);
	wait_since(1);
	assert_int_equal(given_up(1, 100), 0); /* others have it locked */
	become(false, 100);
	assert_int_equal(given_up(100, 200), 100 + LIMIT_S);
}

static void time_of_a_later_call_counts(void **state)
{
	(void)state;
	become(false, 1);
	wait_since(50);
	assert_int_equal(given_up(50, 100), 50 + LIMIT_S);
}

static void each_time_counts_anew(void **state)
{
	(void)state;
	wait_since(1);
	become(false, 1);
	assert_int_equal(given_up(1, LIMIT_S), 0);
	become(true, LIMIT_S); /* for less than a second */
	become(false, LIMIT_S);
	assert_int_equal(given_up(LIMIT_S + 1, 100), 2 * LIMIT_S);
}

/* What is told twice is not a beginning */
static void other_changes_do_not_count(void **state)
{
	(void)state;
	wait_since(1);
	become(false, 1);
	become(false, 8);
	assert_int_equal(given_up(1, 100), 1 + LIMIT_S);
}

static void none_is_no_limit(void **state)
{
	(void)state;
	clients.tunables.value[TUNABLE_RecoveryDropAllIPs] = 0;
	wait_since(1);
	become(false, 1);
	assert_int_equal(given_up(1, 1000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(inactive_time_counts, begin),
		cmocka_unit_test_setup(time_of_a_later_call_counts, begin),
		cmocka_unit_test_setup(each_time_counts_anew, begin),
		cmocka_unit_test_setup(other_changes_do_not_count, begin),
		cmocka_unit_test_setup(none_is_no_limit, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
