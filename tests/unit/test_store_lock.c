/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_store_lock.c: chain locks that a client has when the engine wants them, of one key and, to
 * freeze, of all. Both without and with workers that wait for them.
 */
#include "store_world.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

static bool is_unlocked(struct world *w)
{
	return w->core.unlocked > 0;
}

/* The client has the lock: the engine goes on, and works on the key when the client lets go */
static void test_busy(void **state)
{
	struct world *w = *state;
	struct engine *e = &w->engine;
	struct client c = client_hold(w);
	struct store_stats stats;
	struct slice body;
	struct record_header h;

	assert_int_equal(store_lock(e, DB, KEY), -EAGAIN);
	assert_int_equal(store_lock(e, DB, KEY), -EAGAIN);
	assert_false(run_for(w, is_unlocked, 100));
	store_stats(e, &stats);
	assert_int_equal(stats.lock_waits, 1);
	assert_int_equal(stats.lock_waits_now, 1);
	assert_int_equal(client_end(&c), 0);
	assert_true(run_for(w, is_unlocked, WAIT_MS));
	assert_false(run_for(w, never, 50));
	assert_int_equal(w->core.unlocked, 1);
	/* Nobody holds it any more */
	assert_int_equal(client_run(w, "try"), 0);
	assert_int_equal(store_lock(e, DB, KEY), 0);
	assert_int_equal(store_get(e, DB, KEY, &h, &body), 0);
	assert_true(slice_equal(body, slice_of("new", 3)));
	assert_int_equal(client_run(w, "try"), 1);
	store_unlock(e, DB, KEY);
	store_stats(e, &stats);
	assert_int_equal(stats.lock_waits_now, 0);
	assert_true(stats.lock_wait_us_max > 0);
}

/* Who only tries keeps no worker waiting */
static void test_busy_tried(void **state)
{
	struct world *w = *state;
	struct engine *e = &w->engine;
	struct client c = client_hold(w);
	struct store_stats stats;

	assert_int_equal(store_trylock(e, 77, KEY), -ENOENT);
	assert_int_equal(store_trylock(e, DB, KEY), -EAGAIN);
	store_stats(e, &stats);
	assert_int_equal(stats.lock_waits, 0);
	assert_int_equal(client_end(&c), 0);
	assert_false(run_for(w, is_unlocked, 100));
	assert_int_equal(store_trylock(e, DB, KEY), 0);
	assert_int_equal(client_run(w, "try"), 1);
	store_unlock(e, DB, KEY);
}

/* A client that dies with the lock: its robust mutex is recovered */
static void test_busy_client_killed(void **state)
{
	struct world *w = *state;
	struct client c = client_hold(w);

	assert_int_equal(store_lock(&w->engine, DB, KEY), -EAGAIN);
	assert_false(run_for(w, is_unlocked, 50));
	assert_int_equal(kill(c.pid, SIGKILL), 0);
	assert_int_equal(client_end(&c), -1);
	assert_true(run_for(w, is_unlocked, WAIT_MS));
}

/* A worker that dies while it waits is replaced, and the wait goes on */
static void test_busy_worker_killed(void **state)
{
	struct world *w = *state;
	struct store *s = w->engine.store;
	struct client c = client_hold(w);

	assert_int_equal(store_lock(&w->engine, DB, KEY), -EAGAIN);
	assert_false(run_for(w, is_unlocked, 50));
	assert_non_null(s->locker[0].wait);
	assert_int_equal(kill(s->locker[0].channel.pid, SIGKILL), 0);
	assert_false(run_for(w, is_unlocked, 100));
	assert_int_equal(client_end(&c), 0);
	assert_true(run_for(w, is_unlocked, WAIT_MS));
	assert_int_equal(w->core.unlocked, 1);
}

/* One that somebody has stopped while it waits, too; not one that waits as long */
static void test_busy_worker_stopped(void **state)
{
	struct world *w = *state;
	struct store *s = w->engine.store;
	struct client c = client_hold(w);
	pid_t pid;

	assert_int_equal(store_lock(&w->engine, DB, KEY), -EAGAIN);
	assert_false(run_for(w, is_unlocked, 50));
	pid = s->locker[0].channel.pid;
	store_watch(&w->engine, 0);
	store_watch(&w->engine, 0);
	assert_false(run_for(w, is_unlocked, 50));
	assert_int_equal(s->locker[0].channel.pid, pid);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WSTOPPED | WNOWAIT), 0);
	store_watch(&w->engine, 60000);
	assert_int_equal(client_end(&c), 0);
	assert_false(run_for(w, is_unlocked, 100));
	store_watch(&w->engine, 60000);
	assert_false(run_for(w, is_unlocked, 50));
	store_watch(&w->engine, 100);
	assert_true(run_for(w, is_unlocked, WAIT_MS));
}

/* ---- of all keys ---- */

static bool is_frozen(struct world *w)
{
	return w->core.frozen > 0;
}

static void test_freeze(void **state)
{
	struct world *w = *state;
	struct engine *e = &w->engine;

	assert_int_equal(client_run(w, "try"), 0);
	store_freeze(e);
	assert_true(run_for(w, is_frozen, WAIT_MS));
	assert_int_equal(client_run(w, "try"), 1);
	assert_int_equal(store_lock(e, DB, KEY), -EAGAIN);
	store_unfreeze(e);
	assert_true(run_for(w, is_unlocked, WAIT_MS));
	assert_int_equal(client_run(w, "try"), 0);
	assert_int_equal(w->core.frozen, 1);
	/* Once more, with a client in the way */
	{
		struct client c = client_hold(w);

		store_freeze(e);
		w->core.frozen = 0;
		assert_false(run_for(w, is_frozen, 100));
		assert_int_equal(client_end(&c), 0);
		assert_true(run_for(w, is_frozen, WAIT_MS));
	}
	store_unfreeze(e);
	assert_int_equal(client_run(w, "try"), 0);
}

static bool is_db_frozen(struct world *w)
{
	return w->core.db_frozen > 0;
}

/* Only when it is frozen; all of it goes, and clients go on. That of all volatile ones may come between. */
static void test_wipe(void **state)
{
	struct world *w = *state;
	struct engine *e = &w->engine;
	struct record_header h = { .rsn = 1 };
	struct slice body;

	assert_int_equal(store_lock(e, DB, KEY), 0);
	assert_int_equal(store_put(e, DB, KEY, &h, slice_of("value", 5)), 0);
	store_unlock(e, DB, KEY);
	assert_int_equal(store_db_wipe(e, DB), -EBUSY);
	store_db_freeze(e, DB);
	assert_true(run_for(w, is_db_frozen, WAIT_MS));
	assert_int_equal(w->core.frozen, 0);
	assert_int_equal(client_run(w, "try"), 1);
	store_freeze(e);
	assert_true(run_for(w, is_frozen, WAIT_MS));
	store_unfreeze(e);
	assert_int_equal(client_run(w, "try"), 1);
	assert_int_equal(store_db_wipe(e, DB), 0);
	assert_int_equal(client_run(w, "try"), 1);
	store_db_thaw(e, DB);
	assert_int_equal(client_run(w, "try"), 0);
	assert_int_equal(store_lock(e, DB, KEY), 0);
	assert_int_equal(store_get(e, DB, KEY, &h, &body), -ENOENT);
	assert_int_equal(store_put(e, DB, KEY, &h, slice_of("new", 3)), 0);
	store_unlock(e, DB, KEY);
}

static struct store_db *first_db(const struct world *w)
{
	return w->engine.store->db[0];
}

/* The process that has the lock dies: it is wiped if nobody has a record, and not if a client has */
static void test_wipe_without_freezer(void **state)
{
	struct world *w = *state;
	struct engine *e = &w->engine;
	struct client c;

	for (int i = 0; i < 2; i++) {
		w->core.db_frozen = 0;
		store_db_freeze(e, DB);
		assert_true(run_for(w, is_db_frozen, WAIT_MS));
		assert_int_equal(kill(first_db(w)->freezer->channel.pid, SIGKILL), 0);
		assert_int_equal(waitid(P_PIDFD, (id_t)first_db(w)->freezer->channel.pidfd,
					&(siginfo_t){ 0 }, WEXITED | WNOWAIT),
				 0);
		if (i == 1)
			c = client_hold(w);
		assert_int_equal(store_db_wipe(e, DB), i == 0 ? 0 : -EBUSY);
		store_db_thaw(e, DB);
	}
	assert_int_equal(client_end(&c), 0);
}

static void test_freeze_without_databases(void **state)
{
	struct world *w = *state;

	store_db_close(&w->engine, DB);
	store_freeze(&w->engine);
	assert_int_equal(w->core.frozen, 0);
	assert_true(run_for(w, is_frozen, WAIT_MS));
}

static int tests_run(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_WITHOUT_WORKERS(test_busy),
		WORLD_WITHOUT_WORKERS(test_busy_client_killed),
		WORLD_WITHOUT_WORKERS(test_freeze_without_databases),
		WORLD(test_busy),
		WORLD(test_busy_tried),
		WORLD(test_busy_client_killed),
		WORLD(test_busy_worker_killed),
		WORLD(test_busy_worker_stopped),
		WORLD(test_freeze),
		WORLD(test_wipe),
		WORLD(test_wipe_without_freezer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	return world_main(argc, argv, tests_run);
}
