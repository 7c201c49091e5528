/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_times.c: the time-outs' inequalities hold with the defaults, and each can fail */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include "daemon/io/times.h"

static const struct cluster_settings corosync_default = { .token_ms = 1000, .consensus_ms = 1200 };

static size_t failures(const struct options *o, const struct cluster_settings *s, const char *about)
{
	char text[512];
	size_t n = 0;
	int rc;

	for (size_t i = 0; (rc = times_check(i, o, s, text, sizeof(text))) != -ENOENT; i++) {
		if (rc == 0)
			continue;
		assert_non_null(strstr(text, about));
		n++;
	}
	return n;
}

static void test_defaults(void **state)
{
	struct options o;

	(void)state;
	options_init(&o);
	assert_int_equal(failures(&o, &corosync_default, "-"), 0);
}

static void test_slow_corosync(void **state)
{
	struct cluster_settings slow = { .token_ms = 20000, .consensus_ms = 24000 };
	struct options o;

	(void)state;
	options_init(&o);
	assert_int_equal(failures(&o, &slow, "token plus consensus (44000 ms)"), 2);
}

static void test_options(void **state)
{
	struct options o;
	char error[256];

	(void)state;
	options_init(&o);
	assert_int_equal(options_parse(&o, "--retire_timeout=5s", error, sizeof(error)), 0);
	assert_int_equal(failures(&o, &corosync_default, "revoke_timeout"), 1);
	options_init(&o);
	assert_int_equal(options_parse(&o, "--hang_timeout=15s", error, sizeof(error)), 0);
	assert_int_equal(failures(&o, &corosync_default, "state_timeout"), 1);
}

/* Each row, with its sides apart by a millisecond and alike: it holds, and it fails with what to change */
static void test_each_row(void **state)
{
	static const struct {
		enum option_id limit;
		uint64_t left_ms;
		const char *change;
	} rows[] = {
		{ OPTION_state_timeout, 10000, "raise state_timeout above 10000 ms, or lower hang_timeout" },
		{ OPTION_state_timeout, 12200, "raise state_timeout above 12200 ms, or lower token" },
		{ OPTION_peer_timeout, 2200, "raise peer_timeout above 2200 ms, or lower token" },
		{ OPTION_revoke_timeout, 7000, "raise revoke_timeout above 7000 ms, or lower retire_timeout" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cluster_settings corosync = corosync_default;
		struct options o;

		options_init(&o);
		if (rows[i].left_ms == 12200) { /* above hang_timeout, which has the same limit */
			corosync.token_ms = 11000;
			o.number[OPTION_peer_timeout] = 60000;
		}
		o.number[rows[i].limit] = rows[i].left_ms + 1;
		assert_int_equal(failures(&o, &corosync, "-"), 0);
		o.number[rows[i].limit] = rows[i].left_ms;
		assert_int_equal(failures(&o, &corosync, rows[i].change), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_slow_corosync),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_each_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
