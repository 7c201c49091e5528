/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_supervise.c: the supervisor's decisions, against a world that writes down in one line what
 * it was told: S start, A ask to stop, K kill, R retire, H retire and kill holders, L announce
 * LEFT, V announce REVOKED, X<reason> exit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "daemon/core/supervise.h"

struct fake {
	struct supervise *s;
	uint64_t now;
	uint64_t boot_id;
	char did[512];
	char said[256]; /* boot ids announced */
};

static uint64_t fake_now(void *w)
{
	return ((struct fake *)w)->now;
}

static void fake_log(void *w, enum core_log level, const char *text)
{
	(void)w;
	(void)level;
	assert_true(strlen(text) > 0);
}

static void note(void *w, const char *what)
{
	struct fake *f = w;

	assert_true(strlen(f->did) + strlen(what) < sizeof(f->did));
	strcat(f->did, what);
}

static void fake_start(void *w)
{
	note(w, "S");
}

static void fake_ask(void *w)
{
	note(w, "A");
}

static void fake_kill(void *w)
{
	note(w, "K");
}

static void fake_retire(void *w, bool kill_holders)
{
	note(w, kill_holders ? "H" : "R");
}

static void fake_announce(void *w, struct incarnation inc, bool is_left)
{
	struct fake *f = w;

	assert_int_equal(inc.pnn, 3);
	snprintf(f->said + strlen(f->said), sizeof(f->said) - strlen(f->said), "%llu ",
		 (unsigned long long)inc.boot_id);
	note(w, is_left ? "L" : "V");
}

static void fake_exit(void *w, enum reason why)
{
	note(w, "X");
	note(w, reason_row(why)->name);
}

static void fake_changed(void *w)
{
	(void)w;
}

static const struct supervise_ops fake_ops = {
	.now_ms = fake_now,
	.log = fake_log,
	.engine_start = fake_start,
	.engine_ask_stop = fake_ask,
	.engine_kill = fake_kill,
	.retire = fake_retire,
	.announce = fake_announce,
	.exit = fake_exit,
	.state_changed = fake_changed,
};

static void begin_with(struct fake *f, enum core_bug bug)
{
	const struct supervise_config config = {
		.pnn = 3,
		.drain_timeout_ms = 7000,
		.stop_timeout_ms = 5000,
		.retire_timeout_ms = 3000,
		.hang_timeout_ms = 10000,
		.restart_limit = 3,
		.restart_window_ms = 60000,
		.bug = bug,
	};

	*f = (struct fake){ .now = 1000 };
	f->s = supervise_new(&config, &fake_ops, f);
	assert_non_null(f->s);
	supervise_start(f->s);
}

static void begin(struct fake *f)
{
	begin_with(f, CORE_BUG_NONE);
}

static void end(struct fake *f, const char *did)
{
	assert_string_equal(f->did, did);
	supervise_free(f->s);
}

static void engine_up(struct fake *f)
{
	supervise_engine_started(f->s, ++f->boot_id);
}

static void begin_running(struct fake *f)
{
	begin(f);
	supervise_retired(f->s, true);
	engine_up(f);
	assert_int_equal(supervise_state(f->s), SUPERVISE_RUNNING);
}

/* Lets time pass up to the deadline, and tells it */
static void wait_deadline(struct fake *f)
{
	uint64_t deadline = supervise_deadline_ms(f->s);

	assert_true(deadline != UINT64_MAX && deadline >= f->now);
	if (deadline > f->now) {
		char before[sizeof(f->did)];

		strcpy(before, f->did);
		f->now = deadline - 1;
		supervise_tick(f->s);
		assert_string_equal(f->did, before); /* not early */
	}
	f->now = deadline;
	supervise_tick(f->s);
}

static void a_clean_stop_announces_left(void **state)
{
	struct fake f;

	(void)state;
	begin_running(&f);
	supervise_stop(f.s);
	assert_string_equal(f.did, "RSA");
	supervise_engine_ended(f.s, REASON_STOPPING);
	assert_string_equal(f.did, "RSAR"); /* nothing said before it is retired */
	supervise_retired(f.s, true);
	assert_string_equal(f.said, "1 ");
	end(&f, "RSARLXnone");
}

static void a_dead_engine_is_revoked_and_started_again_at_once(void **state)
{
	struct fake f;

	(void)state;
	begin_running(&f);
	supervise_engine_ended(f.s, REASON_NONE);
	supervise_retired(f.s, true);
	assert_string_equal(f.did, "RSRVS");
	assert_int_equal(supervise_restarts(f.s), 1);
	engine_up(&f);
	supervise_engine_ended(f.s, REASON_EVICTED);
	supervise_retired(f.s, true);
	assert_string_equal(f.said, "1 2 ");
	end(&f, "RSRVSRV"); /* the second one waits */
}

static void restarts_are_limited_and_pause_longer_each_time(void **state)
{
	struct fake f;
	uint64_t last_wait = 0;

	(void)state;
	begin_running(&f);
	for (int i = 0; i < 3; i++) {
		uint64_t t = f.now;

		supervise_engine_ended(f.s, REASON_NONE);
		supervise_retired(f.s, true);
		if (i > 0) {
			assert_int_equal(supervise_state(f.s), SUPERVISE_RESTARTING);
			wait_deadline(&f);
			assert_true(f.now - t > last_wait);
			last_wait = f.now - t;
		}
		engine_up(&f);
	}
	supervise_engine_ended(f.s, REASON_NONE);
	supervise_retired(f.s, true);
	end(&f, "RSRVSRVSRVSRVXrestart-limit");
}

/* Let in and evicted again and again: each time it costs the others a recovery */
static void evictions_pause_longer_each_time(void **state)
{
	static const uint32_t waits_ms[] = { 0, 5000, 10000, 20000, 40000, 60000, 60000 };
	struct fake f;

	(void)state;
	begin_running(&f);
	for (size_t i = 0; i < sizeof(waits_ms) / sizeof(waits_ms[0]); i++) {
		uint64_t t = f.now;

		supervise_engine_ended(f.s, REASON_EVICTED);
		supervise_retired(f.s, true);
		if (i > 0)
			wait_deadline(&f);
		assert_int_equal(f.now - t, waits_ms[i]);
		engine_up(&f);
		f.now += 25000;
	}
	f.now += 600000;
	supervise_engine_heartbeat(f.s);
	supervise_engine_ended(f.s, REASON_EVICTED);
	supervise_retired(f.s, true);
	assert_int_equal(supervise_state(f.s), SUPERVISE_RUNNING);
	supervise_free(f.s);
}

static void old_restarts_are_forgotten(void **state)
{
	struct fake f;

	(void)state;
	begin_running(&f);
	for (int i = 0; i < 10; i++) {
		supervise_engine_ended(f.s, REASON_NONE);
		supervise_retired(f.s, true);
		assert_int_equal(supervise_restarts(f.s), 1);
		assert_int_equal(supervise_state(f.s), SUPERVISE_RUNNING);
		engine_up(&f);
		f.now += 60000;
		supervise_engine_heartbeat(f.s);
		assert_int_equal(supervise_restarts(f.s), 0);
	}
	assert_null(strchr(f.did, 'X'));
	supervise_free(f.s);
}

static void a_stop_during_the_pause_needs_no_engine(void **state)
{
	struct fake f;

	(void)state;
	begin_running(&f);
	supervise_engine_ended(f.s, REASON_NONE);
	supervise_retired(f.s, true);
	engine_up(&f);
	supervise_engine_ended(f.s, REASON_NONE);
	supervise_retired(f.s, true);
	assert_int_equal(supervise_state(f.s), SUPERVISE_RESTARTING);
	supervise_stop(f.s);
	end(&f, "RSRVSRVXnone");
}

static void a_stop_while_retiring_waits_for_it(void **state)
{
	struct fake f;

	(void)state;
	begin_running(&f);
	supervise_engine_ended(f.s, REASON_NONE);
	supervise_stop(f.s);
	supervise_stop(f.s);
	assert_string_equal(f.did, "RSR");
	supervise_retired(f.s, true);
	end(&f, "RSRVXnone");
}

static void a_stop_while_the_engine_starts_or_leftovers_are_retired(void **state)
{
	struct fake f;

	(void)state;
	begin(&f);
	supervise_stop(f.s);
	supervise_retired(f.s, true);
	end(&f, "RXnone");

	begin(&f);
	supervise_retired(f.s, true);
	supervise_stop(f.s);
	engine_up(&f);
	supervise_engine_ended(f.s, REASON_NONE);
	supervise_retired(f.s, true);
	end(&f, "RSKRLXnone");
}

static void an_engine_that_does_not_stop_is_killed(void **state)
{
	struct fake f;

	(void)state;
	begin_running(&f);
	supervise_stop(f.s);
	f.now += 5000;
	supervise_engine_heartbeat(f.s);
	/* what it has for its records, too */
	assert_int_equal(supervise_deadline_ms(f.s), f.now + 7000);
	wait_deadline(&f);
	assert_string_equal(f.did, "RSAK");
	supervise_engine_ended(f.s, REASON_NONE);
	supervise_retired(f.s, true);
	end(&f, "RSAKRLXnone");
}

/* ... and one that hangs meanwhile as soon as at any other time: others wait for its state */
static void an_engine_that_hangs_while_it_stops_is_killed(void **state)
{
	struct fake f;

	(void)state;
	begin_running(&f);
	f.now += 2000;
	supervise_engine_heartbeat(f.s);
	supervise_stop(f.s);
	assert_int_equal(supervise_deadline_ms(f.s), f.now + 10000);
	wait_deadline(&f);
	end(&f, "RSAK");
}

static void an_engine_that_hangs_is_killed_and_started_again(void **state)
{
	struct fake f;

	(void)state;
	begin_running(&f);
	f.now += 9999;
	supervise_tick(f.s);
	supervise_engine_heartbeat(f.s);
	f.now += 9999;
	supervise_tick(f.s);
	assert_string_equal(f.did, "RS");
	f.now += 1;
	supervise_tick(f.s);
	assert_int_equal(supervise_state(f.s), SUPERVISE_ENDING);
	supervise_engine_ended(f.s, REASON_NONE);
	supervise_retired(f.s, true);
	end(&f, "RSKRVS");
}

static void an_engine_that_cannot_be_reaped_is_left_to_fencing(void **state)
{
	struct fake f;

	(void)state;
	begin_running(&f);
	f.now += 10000;
	supervise_tick(f.s);
	wait_deadline(&f);
	supervise_engine_ended(f.s, REASON_NONE); /* too late */
	supervise_retired(f.s, true);
	end(&f, "RSKXretire-failed");
}

static void holders_are_killed_and_nothing_is_announced_when_that_does_not_help(void **state)
{
	struct fake f;

	(void)state;
	begin_running(&f);
	supervise_stop(f.s);
	supervise_engine_ended(f.s, REASON_STOPPING);
	wait_deadline(&f);
	assert_string_equal(f.did, "RSARH");
	wait_deadline(&f);
	supervise_retired(f.s, true); /* too late */
	assert_string_equal(f.said, "");
	assert_int_equal(supervise_deadline_ms(f.s), UINT64_MAX);
	end(&f, "RSARHXretire-failed");

	begin_running(&f); /* it can help */
	supervise_engine_ended(f.s, REASON_NONE);
	wait_deadline(&f);
	supervise_retired(f.s, true);
	end(&f, "RSRHVS");

	begin_running(&f); /* a failure at once is tried once more too */
	supervise_engine_ended(f.s, REASON_NONE);
	supervise_retired(f.s, false);
	supervise_retired(f.s, false);
	end(&f, "RSRHXretire-failed");

	begin(&f); /* the same with leftovers: no engine is started over them */
	wait_deadline(&f);
	wait_deadline(&f);
	end(&f, "RHXretire-failed");
}

static void a_final_reason_ends_the_daemon(void **state)
{
	struct fake f;

	(void)state;
	begin_running(&f);
	supervise_engine_ended(f.s, REASON_LOCK_NOT_SHARED);
	supervise_retired(f.s, true);
	end(&f, "RSRVXlock-not-shared");
}

static void an_engine_that_was_told_to_stop_stops_the_daemon(void **state)
{
	struct fake f;

	(void)state;
	begin_running(&f);
	supervise_engine_ended(f.s, REASON_STOPPING);
	supervise_retired(f.s, true);
	end(&f, "RSRLXnone");
}

static void without_corosync_the_engine_is_killed_and_retired(void **state)
{
	struct fake f;

	(void)state;
	begin_running(&f);
	supervise_fail(f.s, REASON_NO_COROSYNC);
	assert_string_equal(f.did, "RSK");
	supervise_stop(f.s);
	supervise_engine_ended(f.s, REASON_NONE);
	supervise_retired(f.s, true);
	end(&f, "RSKRLXno-corosync");
}

static void the_planted_bug_announces_early_and_once(void **state)
{
	struct fake f;

	(void)state;
	begin_with(&f, CORE_BUG_LEFT_EARLY);
	supervise_retired(f.s, true);
	engine_up(&f);
	supervise_stop(f.s);
	supervise_engine_ended(f.s, REASON_NONE);
	supervise_retired(f.s, true);
	end(&f, "RSALRXnone");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_clean_stop_announces_left),
		cmocka_unit_test(a_dead_engine_is_revoked_and_started_again_at_once),
		cmocka_unit_test(restarts_are_limited_and_pause_longer_each_time),
		cmocka_unit_test(evictions_pause_longer_each_time),
		cmocka_unit_test(old_restarts_are_forgotten),
		cmocka_unit_test(a_stop_during_the_pause_needs_no_engine),
		cmocka_unit_test(a_stop_while_retiring_waits_for_it),
		cmocka_unit_test(a_stop_while_the_engine_starts_or_leftovers_are_retired),
		cmocka_unit_test(an_engine_that_does_not_stop_is_killed),
		cmocka_unit_test(an_engine_that_hangs_while_it_stops_is_killed),
		cmocka_unit_test(an_engine_that_hangs_is_killed_and_started_again),
		cmocka_unit_test(an_engine_that_cannot_be_reaped_is_left_to_fencing),
		cmocka_unit_test(
		    holders_are_killed_and_nothing_is_announced_when_that_does_not_help),
		cmocka_unit_test(a_final_reason_ends_the_daemon),
		cmocka_unit_test(an_engine_that_was_told_to_stop_stops_the_daemon),
		cmocka_unit_test(without_corosync_the_engine_is_killed_and_retired),
		cmocka_unit_test(the_planted_bug_announces_early_and_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
