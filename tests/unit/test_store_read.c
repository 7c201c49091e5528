/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_store_read.c: whole databases are read by workers, for sweeps and traverses */
#include "store_world.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { READ_RECORDS = 1000, LAST_CHAIN = 1008, STUCK = 5 }; /* it is not the one that clients hold */

/* ---- sweeps ---- */

static bool is_swept(struct world *w)
{
	return w->core.swept > 0;
}

static void records_make(struct engine *e)
{
	for (uint32_t i = 0; i < RECORDS; i++) {
		struct slice key = slice_of(&i, sizeof(i));
		struct record_header h = { .rsn = i, .dmaster = 5 };

		assert_int_equal(store_lock(e, DB, key), 0);
		assert_int_equal(store_put(e, DB, key, &h, slice_of("body", i % 5)), 0);
		store_unlock(e, DB, key);
	}
}

static void test_sweep(void **state)
{
	struct world *w = *state;
	struct engine *e = &w->engine;

	records_make(e);
	/* The second ends the first */
	w->core.cookie = 2;
	store_sweep_start(e, DB, 1);
	store_sweep_start(e, DB, 2);
	assert_true(run_for(w, is_swept, WAIT_MS));
	assert_int_equal(w->core.swept, 1);
	assert_int_equal(w->core.records, RECORDS);
	w->core.cookie = 3;
	w->core.swept = 0;
	store_sweep_start(e, DB, 3);
	assert_true(run_for(w, is_swept, WAIT_MS));
}

static bool has_batch(struct world *w)
{
	return w->core.batches > 0;
}

/* While the peers have much to take it rests, and then it goes on */
static void test_sweep_of_peers(void **state)
{
	struct world *w = *state;
	struct engine *e = &w->engine;

	records_make(e);
	w->core.cookie = 1;
	w->core.is_ahead = true;
	store_sweep_start(e, DB, 1);
	assert_true(run_for(w, has_batch, WAIT_MS));
	assert_false(run_for(w, is_swept, 100));
	assert_int_equal(w->core.batches, 1);
	store_sweep_go_on(e);
	assert_false(run_for(w, is_swept, 50));
	assert_int_equal(w->core.batches, 1);
	/* another generation begins it anew, and it rests again */
	w->core.cookie = 2;
	w->core.batches = 0;
	store_sweep_start(e, DB, 2);
	assert_true(run_for(w, has_batch, WAIT_MS));
	assert_false(run_for(w, is_swept, 50));
	assert_int_equal(w->core.batches, 1);
	w->core.is_ahead = false;
	store_sweep_go_on(e);
	assert_true(run_for(w, is_swept, WAIT_MS));
	assert_int_equal(w->core.records, RECORDS);
}

static bool is_stopped(struct world *w)
{
	return w->stops > 0;
}

/* A file that cannot be read is this node's end, and not that of the cluster's recovery */
static void test_sweep_of_damaged(void **state)
{
	/* libtdb's header with the size of the mutexes, these, the heads of free list and chains */
	enum { HEADER = 168, MUTEX_SIZE = 64, HEADS = 1010 };
	struct world *w = *state;
	const char *path;
	uint32_t nowhere[HEADS], mutex_size;
	int fd;

	for (size_t i = 0; i < HEADS; i++)
		nowhere[i] = 0x7ffffff0;
	assert_int_equal(store_db_path(&w->engine, DB, &path), 0);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, &mutex_size, sizeof(mutex_size), MUTEX_SIZE), 4);
	assert_int_equal(pwrite(fd, nowhere, sizeof(nowhere), HEADER + mutex_size),
			 sizeof(nowhere));
	close(fd);
	store_sweep_start(&w->engine, DB, 1);
	assert_true(run_for(w, is_stopped, WAIT_MS));
	assert_int_equal(w->stops, 1);
	assert_int_equal(w->core.swept, 0);
}

static bool is_killed(struct world *w)
{
	struct store_worker *sweeper = w->engine.store->sweeper;

	for (size_t i = 0; i < STORE_SWEEPERS; i++)
		if (sweeper[i].sweep != NULL && sweeper[i].channel.pid > 0)
			return kill(sweeper[i].channel.pid, SIGKILL) == 0;
	return false;
}

/* A sweep outlives two workers */
static void test_sweep_worker_killed(void **state)
{
	struct world *w = *state;
	struct client c = client_hold(w);

	w->core.cookie = 1;
	store_sweep_start(&w->engine, DB, 1);
	for (int i = 0; i < 2; i++) {
		assert_true(run_for(w, is_killed, WAIT_MS));
		assert_false(run_for(w, never, 50));
	}
	assert_int_equal(client_end(&c), 0);
	assert_true(run_for(w, is_swept, WAIT_MS));
	assert_int_equal(w->stops, 0);
}

/* ---- batches for traverses ---- */

static bool is_read(struct world *w)
{
	return w->core.read_ends > 0;
}

/* Begins one batch; the numbers of batches are their cookies */
static void read_start(struct world *w, uint32_t chain, uint32_t dmaster, bool with_empty)
{
	struct core_traverse_read r = { .cookie = ++w->core.cookie,
					.db_id = DB,
					.chain = chain,
					.dmaster = dmaster,
					.with_empty = with_empty };

	w->core.read_ends = 0;
	store_traverse_read(&w->engine, &r);
}

/* All batches, one after the other; their number */
static unsigned int read_all(struct world *w, uint32_t dmaster, bool with_empty)
{
	unsigned int batches = 0;

	w->core.next_chain = 0;
	w->core.records = 0;
	memset(w->core.seen, 0, sizeof(w->core.seen));
	for (; w->core.next_chain != CORE_CHAIN_END; batches++) {
		read_start(w, w->core.next_chain, dmaster, with_empty);
		assert_true(run_for(w, is_read, WAIT_MS));
		assert_int_equal(w->core.read_status, 0);
	}
	return batches;
}

/* Records of node 2, this one, and 5 */
static void read_fill(struct world *w)
{
	struct engine *e = &w->engine;
	uint8_t *body = malloc(BIG_BYTES);

	assert_non_null(body);
	for (uint32_t i = 0; i < READ_RECORDS; i++) {
		struct slice key = slice_of(&i, sizeof(i));
		struct record_header h = { .rsn = i, .dmaster = i % 2 ? 5 : 2 };
		size_t len = i == BIG ? BIG_BYTES : i;

		memset(body, (int)(i & 0xFF), len);
		assert_int_equal(store_lock(e, DB, key), 0);
		assert_int_equal(store_put(e, DB, key, &h, slice_of(body, len)), 0);
		store_unlock(e, DB, key);
	}
	free(body);
}

static void test_read(void **state)
{
	struct world *w = *state;

	assert_int_equal(read_all(w, 2, false), 1);
	assert_int_equal(w->core.records, 0);
	read_fill(w);
	assert_true(read_all(w, 2, false) >= 4); /* 550 KiB */
	assert_int_equal(w->core.records, READ_RECORDS / 2 - 1);
	read_all(w, 2, true);
	assert_int_equal(w->core.records, READ_RECORDS / 2);
	read_all(w, 5, false);
	assert_int_equal(w->core.records, READ_RECORDS / 2);
	read_all(w, CORE_UNKNOWN_PNN, true);
	assert_int_equal(w->core.records, READ_RECORDS);
	read_start(w, LAST_CHAIN + 1, 2, false); /* behind the last chain */
	assert_true(run_for(w, is_read, WAIT_MS));
	assert_int_equal(w->core.next_chain, CORE_CHAIN_END);
}

/* A pass for deletion: empty records only, and so many chains at a time */
static void test_read_empty(void **state)
{
	struct world *w = *state;
	unsigned int batches = 0;

	read_fill(w);
	w->core.records = 0;
	for (uint32_t chain = 0; chain != CORE_CHAIN_END; chain = w->core.next_chain, batches++) {
		struct core_traverse_read r = { .cookie = ++w->core.cookie,
						.db_id = DB,
						.chain = chain,
						.dmaster = CORE_UNKNOWN_PNN,
						.with_empty = true,
						.only_empty = true,
						.chains = 100 };

		assert_int_equal(chain, batches * 100);
		w->core.read_ends = 0;
		store_traverse_read(&w->engine, &r);
		assert_true(run_for(w, is_read, WAIT_MS));
	}
	assert_int_equal(batches, 11);
	assert_int_equal(w->core.records, 1);
}

static struct core_traverse_read read_of(struct world *w, uint32_t chain, uint32_t chains)
{
	return (struct core_traverse_read){ .cookie = ++w->core.cookie,
					    .db_id = DB,
					    .chain = chain,
					    .chains = chains,
					    .dmaster = CORE_UNKNOWN_PNN };
}

/* A client has a chain: what is read of this database waits for it, but not of another */
static void test_read_busy(void **state)
{
	struct world *w = *state;
	struct engine *e = &w->engine;
	struct core_traverse_read other = { .db_id = DB + 1, .dmaster = 2 };
	struct client c = client_hold(w);

	assert_int_equal(store_db_open(e, DB + 1, "other.tdb", 0), 0);
	read_start(w, 0, 2, false);
	assert_false(run_for(w, is_read, 100));
	read_start(w, 0, 2, false);
	other.cookie = ++w->core.cookie;
	store_traverse_read(e, &other);
	assert_true(run_for(w, is_read, WAIT_MS));
	/* Nobody wants the two any more: nothing is told of them */
	store_traverse_cancel(e, other.cookie - 2);
	store_traverse_cancel(e, other.cookie - 1);
	w->core.read_ends = 0;
	assert_false(run_for(w, is_read, 100));
	/* ... and what comes next does not wait for what they waited for */
	other = read_of(w, LAST_CHAIN, 0);
	store_traverse_read(e, &other);
	assert_true(run_for(w, is_read, WAIT_MS));
	assert_int_equal(client_end(&c), 0);
	read_start(w, 0, 2, false);
	assert_true(run_for(w, is_read, WAIT_MS));
}

static bool are_read(struct world *w)
{
	return w->core.read_ends >= STUCK;
}

/* ... nor does it for long for those that are stuck, however many these are; and they come to their end, too */
static void test_read_stuck(void **state)
{
	struct world *w = *state;
	struct engine *e = &w->engine;
	struct core_traverse_read next;
	struct client c = client_hold(w);

	for (size_t i = 0; i < STUCK; i++) {
		next = read_of(w, 0, 0);
		next.cookie = w->core.cookie = 1; /* all of them */
		store_traverse_read(e, &next);
		assert_false(run_for(w, is_read, 100));
		next.chain = LAST_CHAIN;
		store_traverse_read(e, &next); /* and nothing else happens that it could go on with */
		assert_true(run_for(w, is_read, WAIT_MS));
		w->core.read_ends = 0;
	}
	assert_int_equal(client_end(&c), 0);
	assert_true(run_for(w, are_read, WAIT_MS));
}

/* Its worker dies: it is read once more */
static void test_read_worker_killed(void **state)
{
	struct world *w = *state;
	struct client c = client_hold(w);

	read_start(w, 0, 2, false);
	assert_false(run_for(w, is_read, 50));
	assert_non_null(w->engine.store->reader[0].read);
	assert_int_equal(kill(w->engine.store->reader[0].channel.pid, SIGKILL), 0);
	assert_false(run_for(w, is_read, 100));
	assert_int_equal(client_end(&c), 0);
	assert_true(run_for(w, is_read, WAIT_MS));
	assert_int_equal(w->core.read_status, 0);
	/* The database is closed while it is read */
	c = client_hold(w);
	read_start(w, 0, 2, false);
	assert_false(run_for(w, is_read, 50));
	store_db_close(&w->engine, DB);
	assert_int_equal(client_end(&c), 0);
	assert_false(run_for(w, is_read, 50));
}

static int tests_run(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(test_sweep),
		WORLD(test_sweep_of_peers),
		WORLD(test_sweep_of_damaged),
		WORLD(test_sweep_worker_killed),
		WORLD(test_read),
		WORLD(test_read_empty),
		WORLD(test_read_busy),
		WORLD(test_read_stuck),
		WORLD(test_read_worker_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	return world_main(argc, argv, tests_run);
}
