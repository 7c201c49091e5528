/* SPDX-License-Identifier: GPL-3.0-or-later */
/* store_world.c: see store_world.h */
#include "store_world.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { CLIENT_FLAGS = 0x1c40 };

const uint8_t key_bytes[4] = "key";
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

bool core_sweep_is_ahead(const struct core *c)
{
	return c->is_ahead;
}

int core_sweep_batch(struct core *c, uint32_t db_id, uint64_t cookie,
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
	return c->is_ahead;
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

void core_db_frozen(struct core *c, uint32_t db_id)
{
	assert_int_equal(db_id, DB);
	c->db_frozen++;
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

/* ---- the client process ---------------------------------------------------------------------- */

/* client WHAT FILE, see client_start() */
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

struct client client_start(struct world *w, const char *what)
{
	char file[256], self[] = "store_world", name[] = "client", how[16];
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
int client_end(struct client *c)
{
	int status = 0;

	close(c->in);
	close(c->out);
	return waitpid(c->pid, &status, 0) == c->pid && WIFEXITED(status) ? WEXITSTATUS(status)
									  : -1;
}

int client_run(struct world *w, const char *what)
{
	struct client c = client_start(w, what);

	return client_end(&c);
}

struct client client_hold(struct world *w)
{
	struct client c = client_start(w, "hold");
	char x;

	assert_int_equal(read(c.out, &x, 1), 1);
	return c;
}

/* ---- helpers --------------------------------------------------------------------------------- */

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

bool run_for(struct world *w, bool (*is_done)(struct world *w), uint64_t ms)
{
	qb_loop_timer_handle t;

	w->is_done = is_done;
	w->deadline_ms = engine_now_ms() + ms;
	assert_int_equal(qb_loop_timer_add(w->engine.loop, QB_LOOP_LOW, 0, w, poll_world, &t), 0);
	qb_loop_run(w->engine.loop);
	return !w->has_timed_out;
}

bool never(struct world *w)
{
	(void)w;
	return false;
}

static void option_set(struct world *w, const char *arg)
{
	char error[256];

	assert_int_equal(options_parse(&w->options, arg, error, sizeof(error)), 0);
}

int world_setup(void **state)
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

int world_setup_without_workers(void **state)
{
	*state = (char *)"0";
	return world_setup(state);
}

int world_teardown(void **state)
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

int world_main(int argc, char **argv, int (*tests)(void))
{
	if (argc == 4 && strcmp(argv[1], "client") == 0)
		return client_main(argv[2], argv[3]);
	setenv("COTDB_LIBEXECDIR", TEST_LIBEXECDIR, 1);
	return tests();
}
