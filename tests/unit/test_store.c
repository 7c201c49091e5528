/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_store.c: the store on real TDB files, with a fake core, real worker processes, and this
 * program itself, started again, as the client that holds a chain lock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "daemon/io/store_private.h"
#include "lib/payload.h"

enum { WAIT_MS = 10000, DB = 0x1234, P = 0x77, RECORDS = 5000, CLIENT_FLAGS = 0x1c40 };
enum { BIG = 700, BIG_BYTES = 300000, READ_RECORDS = 1000 };

static const uint8_t key_bytes[] = "key";
#define KEY slice_of(key_bytes, sizeof(key_bytes))

struct core {
	struct engine *engine;
	unsigned int unlocked, frozen, swept, batches;
	uint64_t cookie;
	size_t records;
	uint8_t seen[RECORDS];
	/* traverse */
	unsigned int read_ends;
	uint32_t next_chain;
	int read_status;
	/* A second wait for the same key, from inside the call */
	bool is_asking_again;
	/* Persistent databases */
	unsigned int checked, applied, written, found;
	int rc;
	uint64_t ticket;
	uint8_t part[8192];
	size_t part_len;
	bool has_all;
};

struct world {
	struct engine engine;
	struct core core;
	struct options options;
	char dir[64], volatile_dir[96], persistent_dir[96], workers[32];
	uint64_t deadline_ms;
	bool (*is_done)(struct world *w);
	bool has_timed_out;
	unsigned int stops;
};

static struct world *stopping;

/* ---- the fake engine and core ---------------------------------------------------------------- */

uint64_t engine_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void engine_after_event(struct engine *e)
{
	(void)e;
}

void engine_stop(struct engine *e, enum reason why, const char *text)
{
	assert_int_equal(why, REASON_ENGINE_RESTARTING);
	assert_non_null(strstr(text, "test.tdb"));
	e->is_stopping = true;
	stopping->stops++;
}

void core_key_unlocked(struct core *c, uint32_t db_id, struct slice key)
{
	struct record_header h = { .rsn = 7, .dmaster = 3, .flags = 0x10000 };
	struct slice body;

	assert_int_equal(db_id, DB);
	assert_true(slice_equal(key, KEY));
	assert_int_equal(store_lock(c->engine, db_id, key), 0);
	assert_int_equal(store_put(c->engine, db_id, key, &h, slice_of("new", 3)), 0);
	assert_int_equal(store_get(c->engine, db_id, key, &h, &body), 0);
	assert_int_equal(body.len, 3);
	store_unlock(c->engine, db_id, key);
	c->unlocked++;
}

void core_sweep_batch(struct core *c, uint32_t db_id, uint64_t cookie,
		      const struct core_sweep_entry *e, size_t n)
{
	uint32_t number;

	assert_int_equal(db_id, DB);
	assert_int_equal(cookie, c->cookie);
	c->batches++;
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(e[i].key.len, sizeof(number));
		memcpy(&number, e[i].key.p, sizeof(number));
		assert_true(number < RECORDS);
		assert_int_equal(e[i].header.rsn, number);
		assert_int_equal(e[i].header.dmaster, 5);
		c->records += c->seen[number]++ == 0;
	}
}

void core_sweep_end(struct core *c, uint32_t db_id, uint64_t cookie)
{
	assert_int_equal(db_id, DB);
	assert_int_equal(cookie, c->cookie);
	c->swept++;
}

/* The value of record n is its header and n times the byte n; that of BIG is
 * longer than any packet */
void core_traverse_records(struct core *c, uint64_t cookie, const struct core_traverse_entry *e,
			   size_t n)
{
	assert_int_equal(cookie, c->cookie);
	c->batches++;
	for (size_t i = 0; i < n; i++) {
		uint32_t number;
		size_t len;

		assert_int_equal(e[i].key.len, sizeof(number));
		memcpy(&number, e[i].key.p, sizeof(number));
		assert_true(number < RECORDS);
		len = number == BIG ? BIG_BYTES : number;
		assert_int_equal(e[i].value.len, RECORD_HEADER_SIZE + len);
		for (size_t k = 0; k < len; k++)
			assert_int_equal(e[i].value.p[RECORD_HEADER_SIZE + k], number & 0xFF);
		c->records += c->seen[number]++ == 0;
	}
}

void core_traverse_read_end(struct core *c, uint64_t cookie, uint32_t next_chain, int status)
{
	assert_int_equal(cookie, c->cookie);
	c->read_ends++;
	c->next_chain = next_chain;
	c->read_status = status;
}

void core_frozen(struct core *c)
{
	c->frozen++;
}

void core_commit_checked(struct core *c, uint32_t db_id, uint64_t ticket, int rc)
{
	assert_int_equal(db_id, P);
	c->checked++;
	c->ticket = ticket;
	c->rc = rc;
}

void core_commit_applied(struct core *c, uint32_t db_id, uint64_t ticket, int rc)
{
	assert_int_equal(db_id, P);
	c->applied++;
	c->ticket = ticket;
	c->rc = rc;
}

int core_transfer_part(struct core *c, uint32_t db_id, uint32_t to_pnn, uint64_t cookie,
		       struct slice part, bool is_last)
{
	assert_int_equal(db_id, P);
	assert_int_equal(to_pnn, 1);
	assert_int_equal(cookie, 77);
	assert_true(part.len <= sizeof(c->part) - c->part_len);
	memcpy(c->part + c->part_len, part.p, part.len);
	c->part_len += part.len;
	c->has_all = is_last;
	return 0;
}

void core_transfer_written(struct core *c, uint32_t db_id, uint64_t cookie, int rc)
{
	assert_int_equal(db_id, P);
	c->written++;
	c->ticket = cookie;
	c->rc = rc;
}

int core_db_found(struct core *c, const char *name, uint32_t flags)
{
	assert_string_equal(name, "p.tdb");
	assert_int_equal(flags, DB_PERSISTENT);
	c->found++;
	return 0;
}

/* ---- the client process ------------------------------------------------------------------------
 */

/* client hold FILE: locks the chain, says so, and keeps it until its input ends
 * client try FILE: exit code 0 when the chain could be locked at once
 * client short FILE: writes a record that is too short
 * client dump FILE: the record as it is in the file, to its output */
static int client_main(const char *what, const char *file)
{
	struct tdb_context *tdb = tdb_open(file, 0, CLIENT_FLAGS, O_RDWR, 0);
	TDB_DATA key = { .dptr = (unsigned char *)(uintptr_t)key_bytes,
			 .dsize = sizeof(key_bytes) };
	TDB_DATA data = { .dptr = (unsigned char *)(uintptr_t) "short", .dsize = 5 };
	char c = 'x';

	if (tdb == NULL)
		return 10;
	if (strcmp(what, "try") == 0)
		return tdb_chainlock_nonblock(tdb, key) == 0 ? 0 : 1;
	if (strcmp(what, "short") == 0)
		return tdb_store(tdb, key, data, 0) == 0 ? 0 : 1;
	if (strcmp(what, "dump") == 0) {
		bool is_written;

		data = tdb_fetch(tdb, key);
		is_written = write(1, data.dptr, data.dsize) == (ssize_t)data.dsize;
		free(data.dptr);
		return is_written ? 0 : 1;
	}
	if (tdb_chainlock(tdb, key) != 0 || write(1, &c, 1) != 1)
		return 11;
	while (read(0, &c, 1) > 0)
		;
	tdb_chainunlock(tdb, key);
	return 0;
}

struct client {
	pid_t pid;
	int in, out;
};

static struct client client_start(struct world *w, const char *what)
{
	char file[256], self[] = "test_store", name[] = "client", how[16];
	char *argv[] = { self, name, how, file, NULL };
	posix_spawn_file_actions_t actions;
	struct client c;
	int in[2], out[2];

	snprintf(file, sizeof(file), "%s/test.tdb.2", w->volatile_dir);
	snprintf(how, sizeof(how), "%s", what);
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, in[0], 0);
	posix_spawn_file_actions_adddup2(&actions, out[1], 1);
	assert_int_equal(posix_spawn(&c.pid, "/proc/self/exe", &actions, NULL, argv, environ), 0);
	posix_spawn_file_actions_destroy(&actions);
	close(in[0]);
	close(out[1]);
	c.in = in[1];
	c.out = out[0];
	return c;
}

/* Its exit code. SIGCHLD is ignored as in the engine, so it is told by a pipe's end only for
 * "hold"; for the others it is waited for. */
static int client_end(struct client *c)
{
	int status = 0;

	close(c->in);
	close(c->out);
	return waitpid(c->pid, &status, 0) == c->pid && WIFEXITED(status) ? WEXITSTATUS(status)
									  : -1;
}

static int client_run(struct world *w, const char *what)
{
	struct client c = client_start(w, what);

	return client_end(&c);
}

static struct client client_hold(struct world *w)
{
	struct client c = client_start(w, "hold");
	char x;

	assert_int_equal(read(c.out, &x, 1), 1);
	return c;
}

/* ---- helpers -----------------------------------------------------------------------------------
 */

static void poll_world(void *data)
{
	struct world *w = data;
	qb_loop_timer_handle t;

	w->has_timed_out = engine_now_ms() >= w->deadline_ms;
	if (w->has_timed_out || w->is_done(w))
		qb_loop_stop(w->engine.loop);
	else
		assert_int_equal(qb_loop_timer_add(w->engine.loop, QB_LOOP_LOW, QB_TIME_NS_IN_MSEC,
						   w, poll_world, &t),
				 0);
}

static bool run_for(struct world *w, bool (*is_done)(struct world *w), uint64_t ms)
{
	qb_loop_timer_handle t;

	w->is_done = is_done;
	w->deadline_ms = engine_now_ms() + ms;
	assert_int_equal(qb_loop_timer_add(w->engine.loop, QB_LOOP_LOW, 0, w, poll_world, &t), 0);
	qb_loop_run(w->engine.loop);
	return !w->has_timed_out;
}

static bool never(struct world *w)
{
	(void)w;
	return false;
}

static void option_set(struct world *w, const char *arg)
{
	char error[256];

	assert_int_equal(options_parse(&w->options, arg, error, sizeof(error)), 0);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	stopping = w;
	strcpy(w->dir, "/tmp/cotdb-test-store-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	snprintf(w->volatile_dir, sizeof(w->volatile_dir), "--volatile_dir=%s/a/volatile", w->dir);
	snprintf(w->persistent_dir, sizeof(w->persistent_dir), "--persistent_dir=%s/persistent",
		 w->dir);
	snprintf(w->workers, sizeof(w->workers), "--workers=%s",
		 *state != NULL ? (char *)*state : "2");
	options_init(&w->options);
	option_set(w, w->volatile_dir);
	option_set(w, w->persistent_dir);
	option_set(w, w->workers);
	memmove(w->volatile_dir, strchr(w->volatile_dir, '=') + 1,
		strlen(strchr(w->volatile_dir, '=')));
	w->options.text[OPTION_volatile_dir] = w->volatile_dir;
	w->engine.loop = qb_loop_create();
	w->engine.options = &w->options;
	w->engine.core = &w->core;
	w->engine.pnn = 2;
	w->engine.child_argv = calloc(2, sizeof(char *));
	w->core.engine = &w->engine;
	assert_int_equal(store_open(&w->engine), 0);
	/* The clients here are waited for */
	signal(SIGCHLD, SIG_DFL);
	store_tune(&w->engine, 1009, 5);
	assert_int_equal(store_db_open(&w->engine, DB, "test.tdb", 0), 0);
	*state = w;
	return 0;
}

static int setup_without_workers(void **state)
{
	*state = (char *)"0";
	return setup(state);
}

static int teardown(void **state)
{
	struct world *w = *state;
	char command[128];

	store_close(&w->engine);
	qb_loop_destroy(w->engine.loop);
	free(w->engine.child_argv);
	snprintf(command, sizeof(command), "rm -r %s", w->dir);
	assert_int_equal(system(command), 0);
	free(w);
	return 0;
}

/* ---- tests
 * --------------------------------------------------------------------------------------- */

static void test_files(void **state)
{
	struct world *w = *state;
	struct engine *e = &w->engine;
	const char *path;
	char expected[256];
	struct stat st;
	int flags;

	snprintf(expected, sizeof(expected), "%s/test.tdb.2", w->volatile_dir);
	assert_int_equal(store_db_path(e, DB, &path), 0);
	assert_string_equal(path, expected);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(store_db_open_flags(e, DB, &flags), 0);
	assert_int_equal(flags, 0x1c41);
	assert_int_equal(store_db_enable_seqnum(e, DB), 0);
	assert_int_equal(store_db_open_flags(e, DB, &flags), 0);
	assert_int_equal(flags, 0x1cc1);
	assert_int_equal(store_db_open(e, DB, "other.tdb", 0), -EEXIST);

	assert_int_equal(store_db_open(e, 1, "p.tdb", DB_PERSISTENT), 0);
	assert_int_equal(store_db_open_flags(e, 1, &flags), 0);
	assert_int_equal(flags, 0x0400);
	assert_int_equal(store_db_open(e, 2, "r.tdb", DB_REPLICATED), 0);
	assert_int_equal(store_db_open_flags(e, 2, &flags), 0);
	assert_int_equal(flags, 0x0c41);

	assert_int_equal(store_db_path(e, 77, &path), -ENOENT);
	assert_int_equal(store_db_open(e, 3, "../x.tdb", 0), -EINVAL);
	assert_int_equal(store_db_open(e, 3, "", 0), -EINVAL);
	assert_int_equal(store_db_open(e, 3, ".", 0), -EINVAL);
	/* A file that nobody retired */
	assert_int_equal(store_db_open(e, 4, "test.tdb", 0), -EEXIST);
	/* A detached database may come back */
	store_db_close(e, DB);
	assert_int_equal(store_db_path(e, DB, &path), -ENOENT);
	assert_int_equal(store_db_open(e, DB, "test.tdb", 0), 0);
}

static unsigned int seqnum_told;

static bool seqnum_tell(void *arg, uint32_t db_id)
{
	assert_int_equal(db_id, DB);
	seqnum_told++;
	return *(bool *)arg;
}

static unsigned int seqnum_changes(struct engine *e, bool is_taken)
{
	seqnum_told = 0;
	store_seqnum_changed(e, seqnum_tell, &is_taken);
	return seqnum_told;
}

/* As clients find it in the file, where libtdb's header comes behind the mutexes */
static uint32_t seqnum_of(struct world *w)
{
	char file[256];
	uint32_t mutexes = 0, n = 0;
	int fd;

	snprintf(file, sizeof(file), "%s/test.tdb.2", w->volatile_dir);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, &mutexes, sizeof(mutexes), 64), sizeof(mutexes));
	assert_int_equal(pread(fd, &n, sizeof(n), mutexes + 48), sizeof(n));
	close(fd);
	return n;
}

static void seqnum_put(struct engine *e, uint32_t db_id)
{
	static uint64_t rsn; /* libtdb does not write what is there already */
	const struct record_header h = { .rsn = ++rsn, .dmaster = 2 };

	assert_int_equal(store_lock(e, db_id, KEY), 0);
	assert_int_equal(store_put(e, db_id, KEY, &h, slice_of("value", 5)), 0);
	store_unlock(e, db_id, KEY);
}

static void test_seqnum(void **state)
{
	struct world *w = *state;
	struct engine *e = &w->engine;
	uint32_t before;

	seqnum_put(e, DB);
	assert_int_equal(seqnum_of(w), 0);
	assert_int_equal(store_seqnum_raise(e, DB), 0); /* nobody looks at it */
	assert_int_equal(seqnum_of(w), 0);
	assert_int_equal(store_db_enable_seqnum(e, DB), 0);
	assert_int_equal(store_db_open(e, 1, "p.tdb", DB_PERSISTENT), 0);
	assert_int_equal(store_db_enable_seqnum(e, 1), 0);
	assert_int_equal(seqnum_changes(e, true), 0);
	seqnum_put(e, DB);
	seqnum_put(e, 1); /* every node has its own commits */
	before = seqnum_of(w);
	assert_int_equal(before, 1);
	assert_int_equal(seqnum_changes(e, false), 1); /* it could not be told */
	assert_int_equal(seqnum_changes(e, true), 1);
	assert_int_equal(seqnum_changes(e, true), 0);
	/* another node's change is not told on, and does not hide one of this node */
	assert_int_equal(store_seqnum_raise(e, DB), 0);
	assert_int_equal(seqnum_of(w), before + 1);
	assert_int_equal(seqnum_changes(e, true), 0);
	seqnum_put(e, DB);
	assert_int_equal(store_seqnum_raise(e, DB), 0);
	assert_int_equal(seqnum_changes(e, true), 1);
	assert_int_equal(seqnum_changes(e, true), 0);
	assert_int_equal(store_seqnum_raise(e, 77), -ENOENT);
}

static void test_records(void **state)
{
	static const uint8_t golden[RECORD_HEADER_SIZE + 4] = {
		8, 7, 6, 5, 4, 3, 2, 1, 2, 0, 0,   0,	0,   0,
		0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 'b', 'o', 'd', 'y',
	};
	struct world *w = *state;
	struct engine *e = &w->engine;
	struct record_header h = { .rsn = 0x0102030405060708, .dmaster = 2, .flags = 0x01010000 },
			     g;
	uint8_t *large = malloc(3 << 20), raw[64];
	struct slice body;
	struct client c;

	assert_int_equal(store_get(e, DB, KEY, &g, &body), -ENOENT);
	assert_int_equal(store_lock(e, DB, KEY), 0);
	assert_int_equal(store_put(e, DB, KEY, &h, slice_of("body", 4)), 0);
	assert_int_equal(store_get(e, DB, KEY, &g, &body), 0);
	assert_int_equal(g.rsn, h.rsn);
	assert_int_equal(g.dmaster, h.dmaster);
	assert_int_equal(g.flags, h.flags);
	assert_true(slice_equal(body, slice_of("body", 4)));
	store_unlock(e, DB, KEY);
	c = client_start(w, "dump");
	assert_int_equal(read(c.out, raw, sizeof(raw)), sizeof(golden));
	assert_memory_equal(raw, golden, sizeof(golden));
	assert_int_equal(client_end(&c), 0);

	/* Empty, large, small again */
	assert_int_equal(store_lock(e, DB, KEY), 0);
	assert_int_equal(store_put(e, DB, KEY, &h, slice_of(NULL, 0)), 0);
	assert_int_equal(store_get(e, DB, KEY, &g, &body), 0);
	assert_int_equal(body.len, 0);
	memset(large, 0x5a, 3 << 20);
	assert_int_equal(store_put(e, DB, KEY, &h, slice_of(large, 3 << 20)), 0);
	assert_int_equal(store_get(e, DB, KEY, &g, &body), 0);
	assert_true(slice_equal(body, slice_of(large, 3 << 20)));
	assert_int_equal(store_put(e, DB, KEY, &h, slice_of("x", 1)), 0);
	assert_int_equal(store_get(e, DB, KEY, &g, &body), 0);
	assert_true(slice_equal(body, slice_of("x", 1)));
	assert_int_equal(store_del(e, DB, KEY), 0);
	assert_int_equal(store_get(e, DB, KEY, &g, &body), -ENOENT);
	assert_int_equal(store_del(e, DB, KEY), -ENOENT);
	store_unlock(e, DB, KEY);
	free(large);

	assert_int_equal(client_run(w, "short"), 0);
	assert_int_equal(store_get(e, DB, KEY, &g, &body), -ENOENT);
	assert_int_equal(store_lock(e, 77, KEY), -ENOENT);
}

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

static bool is_swept(struct world *w)
{
	return w->core.swept > 0;
}

static void test_sweep(void **state)
{
	struct world *w = *state;
	struct engine *e = &w->engine;

	for (uint32_t i = 0; i < RECORDS; i++) {
		struct slice key = slice_of(&i, sizeof(i));
		struct record_header h = { .rsn = i, .dmaster = 5 };

		assert_int_equal(store_lock(e, DB, key), 0);
		assert_int_equal(store_put(e, DB, key, &h, slice_of("body", i % 5)), 0);
		store_unlock(e, DB, key);
	}
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
	read_start(w, 1009, 2, false); /* behind the last chain */
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
	assert_int_equal(client_end(&c), 0);
	w->core.read_ends = 0;
	assert_false(run_for(w, is_read, 100));
	read_start(w, 0, 2, false);
	assert_true(run_for(w, is_read, WAIT_MS));
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

static bool is_frozen(struct world *w)
{
	return w->core.frozen > 0;
}

/* ---- persistent databases ---- */


static struct slice records_of(uint8_t *buf, size_t size, uint64_t rsn, const char *text,
			       uint64_t seq)
{
	uint8_t value[RECORD_HEADER_SIZE + 64] = { 0 };
	struct writer w = writer_of(buf, size);
	struct ctdb_rec_data r = { .key = KEY,
				   .data = slice_of(value, RECORD_HEADER_SIZE + strlen(text)) };

	ctdb_rec_buffer_encode(&w, &(struct ctdb_rec_buffer){ P, 2 });
	memcpy(value, &rsn, sizeof(rsn));
	memcpy(value + RECORD_HEADER_SIZE, text, strlen(text));
	ctdb_rec_data_encode(&w, &r);
	memcpy(value + RECORD_HEADER_SIZE, &seq, sizeof(seq));
	r.key = slice_of(SEQUENCE_KEY, sizeof(SEQUENCE_KEY));
	r.data.len = RECORD_HEADER_SIZE + sizeof(seq);
	ctdb_rec_data_encode(&w, &r);
	assert_false(w.failed);
	return slice_of(buf, w.len);
}

static bool is_checked(struct world *w)
{
	return w->core.checked > 0;
}
static bool is_applied(struct world *w)
{
	return w->core.applied > 0;
}
static bool is_dumped(struct world *w)
{
	return w->core.has_all;
}
static bool is_written(struct world *w)
{
	return w->core.written > 0;
}

static int check(struct world *w, struct slice records)
{
	w->core.checked = 0;
	store_commit_check(&w->engine, P, 5, records);
	assert_true(run_for(w, is_checked, WAIT_MS));
	assert_int_equal(w->core.ticket, 5);
	return w->core.rc;
}

static void apply(struct world *w, struct slice records, uint32_t generation, uint32_t tag)
{
	struct core_content becomes = { .generation = generation, .tag = tag };

	w->core.applied = 0;
	store_commit_apply(&w->engine, P, 6, &becomes, records, false);
	assert_true(run_for(w, is_applied, WAIT_MS));
	assert_int_equal(w->core.ticket, 6);
	assert_int_equal(w->core.rc, 0);
}

static struct core_content content_of(struct world *w)
{
	struct core_content content;

	store_db_content(&w->engine, P, &content);
	return content;
}

static void test_commit(void **state)
{
	struct world *w = *state;
	struct record_header h;
	struct slice body;
	struct core_content content;
	uint8_t buf[512];

	assert_int_equal(store_db_open(&w->engine, P, "p.tdb", DB_PERSISTENT), 0);
	store_find_persistent(&w->engine);
	assert_int_equal(w->core.found, 1);
	content = content_of(w);
	assert_int_equal(content.generation, 0);
	assert_int_equal(content.seq, 0);
	assert_false(content.is_damaged);
	assert_int_equal(check(w, records_of(buf, sizeof(buf), 1, "one", 1)), 0);
	apply(w, records_of(buf, sizeof(buf), 1, "one", 1), 9, 0xabcd);
	assert_int_equal(store_get(&w->engine, P, KEY, &h, &body), 0);
	assert_true(slice_equal(body, slice_of("one", 3)));
	content = content_of(w);
	assert_int_equal(content.generation, 9);
	assert_int_equal(content.tag, 0xabcd);
	assert_int_equal(content.seq, 1);
	/* as new, and another body; the same once more; newer */
	assert_int_equal(check(w, records_of(buf, sizeof(buf), 1, "two", 2)), -EEXIST);
	assert_int_equal(check(w, records_of(buf, sizeof(buf), 1, "one", 1)), 0);
	assert_int_equal(check(w, records_of(buf, sizeof(buf), 2, "two", 2)), 0);
	assert_int_equal(check(w, slice_of("x", 1)), -EBADMSG);
	apply(w, slice_of(NULL, 0), 10, 7);
	content = content_of(w);
	assert_int_equal(content.generation, 10);
	assert_int_equal(content.seq, 1);
}

/* What one node reads becomes another's content, also when that one's file was damaged */
static void test_transfer(void **state)
{
	struct world *w = *state;
	struct core_content content;
	struct record_header h;
	struct slice body;
	char path[256], command[400];
	const char *name;
	uint8_t buf[512];
	int fd;

	assert_int_equal(store_db_open(&w->engine, P, "p.tdb", DB_PERSISTENT), 0);
	apply(w, records_of(buf, sizeof(buf), 1, "one", 3), 9, 7);
	store_transfer_send(&w->engine, P, 1, 77);
	assert_true(run_for(w, is_dumped, WAIT_MS));
	apply(w, records_of(buf, sizeof(buf), 2, "other", 4), 10, 8);
	store_transfer_receive(&w->engine, P, 80, slice_of("of an older one", 15), false);
	store_transfer_receive(&w->engine, P, 81, slice_of(w->core.part, 10), false);
	store_transfer_receive(&w->engine, P, 81,
			       slice_of(w->core.part + 10, w->core.part_len - 10), true);
	assert_true(run_for(w, is_written, WAIT_MS));
	assert_int_equal(w->core.rc, 0);
	content = content_of(w);
	assert_int_equal(content.generation, 9);
	assert_int_equal(content.seq, 3);
	assert_int_equal(store_get(&w->engine, P, KEY, &h, &body), 0);
	assert_true(slice_equal(body, slice_of("one", 3)));

	assert_int_equal(store_db_path(&w->engine, P, &name), 0);
	snprintf(path, sizeof(path), "%s", name);
	store_db_close(&w->engine, P);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "garbage", 7, 0), 7);
	close(fd);
	assert_int_equal(store_db_open(&w->engine, P, "p.tdb", DB_PERSISTENT), 0);
	assert_true(content_of(w).is_damaged);
	assert_int_equal(store_lock(&w->engine, P, KEY), -ENOENT);
	w->core.written = 0;
	store_transfer_receive(&w->engine, P, 82, slice_of(w->core.part, w->core.part_len), true);
	assert_true(run_for(w, is_written, WAIT_MS));
	assert_int_equal(w->core.rc, 0);
	content = content_of(w);
	assert_false(content.is_damaged);
	assert_int_equal(content.seq, 3);
	snprintf(command, sizeof(command), "grep -q garbage %s.damaged-*", path);
	assert_int_equal(system(command), 0);
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

static void test_freeze_without_databases(void **state)
{
	struct world *w = *state;

	store_db_close(&w->engine, DB);
	store_freeze(&w->engine);
	assert_int_equal(w->core.frozen, 0);
	assert_true(run_for(w, is_frozen, WAIT_MS));
}

#define WORLD(f)		 cmocka_unit_test_setup_teardown(f, setup, teardown)
#define WORLD_WITHOUT_WORKERS(f) cmocka_unit_test_setup_teardown(f, setup_without_workers, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		WORLD_WITHOUT_WORKERS(test_files),
		WORLD_WITHOUT_WORKERS(test_seqnum),
		WORLD_WITHOUT_WORKERS(test_records),
		WORLD_WITHOUT_WORKERS(test_busy),
		WORLD_WITHOUT_WORKERS(test_busy_client_killed),
		WORLD_WITHOUT_WORKERS(test_freeze_without_databases),
		WORLD(test_busy),
		WORLD(test_busy_tried),
		WORLD(test_busy_client_killed),
		WORLD(test_busy_worker_killed),
		WORLD(test_sweep),
		WORLD(test_sweep_of_damaged),
		WORLD(test_sweep_worker_killed),
		WORLD(test_read),
		WORLD(test_read_empty),
		WORLD(test_read_busy),
		WORLD(test_read_worker_killed),
		WORLD(test_commit),
		WORLD(test_transfer),
		WORLD(test_freeze),
	};

	if (argc == 4 && strcmp(argv[1], "client") == 0)
		return client_main(argv[2], argv[3]);
	setenv("COTDB_LIBEXECDIR", TEST_LIBEXECDIR, 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
