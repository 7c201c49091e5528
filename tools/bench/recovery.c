/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * recovery.c: how long clients of a surviving node wait while the cluster recovers.
 *
 * First the nodes are filled, each with its share of --records. Then four clients, a process each,
 * do something once a millisecond, and remember the longest that it took:
 *
 *   local   locks, writes and unlocks records that its node, the first one, has
 *   plain   does the same in a database of no cluster: what the machine itself makes wait
 *   remote  fetches records of the second node to the first, and back
 *   new     makes records that nobody has
 *
 * Killing something on another node, the third for instance, is up to who started this: when
 * "running" is printed.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <signal.h>
#include <tdb.h>
#include <time.h>
#include <unistd.h>
#include "bench.h"

#define KEY_SIZE     96
#define VALUE_BYTES  100
#define FILL_DEPTH   64
#define PACE_NS	     1000000L
#define FILL_WAIT_MS 60000
#define HASH_SIZE    100001

enum probe { LOCAL, PLAIN, REMOTE, NEW, PROBES };
static const char *const probe_names[] = { "local", "plain", "remote", "new" };

#define ENDS_MAX 1000000U
struct probe_result {
	uint64_t operations, longest_ns, longest_end_us; /* since the epoch */
	uint64_t *end_us;				 /* of each, ENDS_MAX at most */
	bool is_ok;
};

/* One client process */
struct client {
	const struct bench_options *o;
	struct cotdb *h[2];
	struct cotdb_db *db[2];
	struct tdb_context *plain;
	uint8_t value[VALUE_BYTES];
	uint64_t turn;
};

static uint32_t share(const struct bench_options *o)
{
	uint32_t n = o->records / (uint32_t)o->sockets_n;

	return n > 0 ? n : 1;
}

static size_t key_make(const struct bench_options *o, char key[KEY_SIZE], const char *whose,
		       uint64_t number)
{
	return (size_t)snprintf(key, KEY_SIZE, "recovery-%.32s-%s-%" PRIu64, o->run_name, whose,
				number);
}

static bool fail(const char *what, int error)
{
	fprintf(stderr, "cotdb-bench: %s: %s\n", what, strerror(-error));
	return false;
}

static bool client_connect(struct client *c, size_t which)
{
	int error;

	c->h[which] = bench_connect(c->o->sockets[which]);
	if (c->h[which] == NULL)
		return false;
	cotdb_set_timeout(c->h[which], FILL_WAIT_MS);
	error = cotdb_attach(c->h[which], c->o->db_name, COTDB_DB_VOLATILE, &c->db[which]);
	return error == 0 ? true : fail("cannot attach the database", error);
}

/* ---- filling -----------------------------------------------------------------------------------
 */

/* 0; -EAGAIN: it is not here */
static int fill_one(struct client *c, const char *key, size_t len)
{
	struct cotdb_record r;
	int error = cotdb_try_lock(c->db[0], (struct cotdb_key){ .p = key, .len_bytes = len }, &r);

	if (error != 0)
		return error;
	error = cotdb_store(&r, c->value, sizeof(c->value));
	cotdb_unlock(&r);
	return error;
}

/* The records of one node, from there, some requests in flight */
static bool fill(struct client *c, const char *whose)
{
	uint32_t reqid[FILL_DEPTH] = { 0 }, next = 0, done = 0, n = share(c->o);
	uint64_t number[FILL_DEPTH];
	char key[KEY_SIZE];

	while (done < n) {
		struct cotdb_event e;
		int got, error;
		size_t i;

		for (i = 0; i < FILL_DEPTH && next < n; i++) {
			if (reqid[i] != 0)
				continue;
			number[i] = next;
			error = cotdb_migrate_begin(
			    c->db[0],
			    (struct cotdb_key){ .p = key,
						.len_bytes = key_make(c->o, key, whose, next++) },
			    &reqid[i]);
			if (error != 0)
				return fail("cannot ask for a record", error);
		}
		got = cotdb_event_wait(c->h[0], &e, FILL_WAIT_MS);
		if (got <= 0)
			return fail("no answer from the daemon", got == 0 ? -ETIMEDOUT : got);
		for (i = 0; i < FILL_DEPTH && (reqid[i] == 0 || reqid[i] != e.reqid); i++)
			;
		if (e.type != COTDB_EVENT_REPLY || i == FILL_DEPTH)
			continue;
		reqid[i] = 0;
		error = e.status != 0 ? -EREMOTEIO
				      : fill_one(c, key, key_make(c->o, key, whose, number[i]));
		if (error != 0)
			return fail("cannot make a record", error);
		done++;
	}
	return true;
}

static bool fill_node(const struct bench_options *o, size_t node)
{
	struct bench_options of_one = *o;
	struct client c = { .o = &of_one };
	char whose[16];
	bool is_ok;

	of_one.sockets[0] = o->sockets[node];
	snprintf(whose, sizeof(whose), "%zu", node);
	is_ok = client_connect(&c, 0) && fill(&c, whose);
	cotdb_close(c.h[0]);
	return is_ok;
}

/* ---- one operation of each client ---------------------------------------------------------------
 */

static int write_record(struct client *c, size_t which, const char *key, size_t len)
{
	struct cotdb_record r;
	int error =
	    cotdb_fetch_lock(c->db[which], (struct cotdb_key){ .p = key, .len_bytes = len }, &r);

	if (error != 0)
		return error;
	error = cotdb_store(&r, c->value, sizeof(c->value));
	cotdb_unlock(&r);
	return error;
}

static int write_plain(struct client *c, char *key, size_t len)
{
	TDB_DATA k = { .dptr = (uint8_t *)key, .dsize = len };
	TDB_DATA v = { .dptr = c->value, .dsize = sizeof(c->value) };
	int error = 0;

	if (tdb_chainlock(c->plain, k) != 0)
		return -EIO;
	free(tdb_fetch(c->plain, k).dptr);
	if (tdb_store(c->plain, k, v, 0) != 0)
		error = -EIO;
	(void)tdb_chainunlock(c->plain, k);
	return error;
}

static int probe_step(struct client *c, enum probe which)
{
	uint64_t turn = c->turn++;
	char key[KEY_SIZE];

	switch (which) {
	case LOCAL:
		return write_record(c, 0, key, key_make(c->o, key, "0", turn % share(c->o)));
	case PLAIN:
		return write_plain(c, key, key_make(c->o, key, "0", turn % share(c->o)));
	case REMOTE: /* the record goes to the first node, then back to the second */
		return write_record(c, turn % 2, key,
				    key_make(c->o, key, "1", turn / 2 % share(c->o)));
	default:
		return write_record(c, 0, key, key_make(c->o, key, "new", turn));
	}
}

static bool plain_make(struct client *c)
{
	char path[4096];
	const char *folder = getenv("TMPDIR");
	int fd;

	snprintf(path, sizeof(path), "%s/cotdb-bench-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm"
		 : folder != NULL	       ? folder
					       : "/tmp");
	fd = mkstemp(path);
	if (fd < 0)
		return fail(path, -errno);
	close(fd);
	c->plain =
	    tdb_open(path, HASH_SIZE,
		     TDB_CLEAR_IF_FIRST | TDB_NOSYNC | TDB_INCOMPATIBLE_HASH | TDB_MUTEX_LOCKING,
		     O_RDWR | O_CREAT, 0600);
	(void)unlink(path);
	if (c->plain == NULL)
		return fail(path, -errno);
	for (uint32_t i = 0; i < share(c->o); i++) {
		char key[KEY_SIZE];

		if (write_plain(c, key, key_make(c->o, key, "0", i)) != 0)
			return fail("cannot fill a database", -EIO);
	}
	return true;
}

static uint64_t wall_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000U + (uint64_t)t.tv_nsec / 1000U;
}

static void probe_run(struct client *c, enum probe which, struct probe_result *result)
{
	const struct timespec pace = { .tv_nsec = PACE_NS };
	uint64_t end_ns = bench_now_ns() + (uint64_t)(c->o->seconds * 1e9);

	while (bench_now_ns() < end_ns && !bench_is_interrupted()) {
		uint64_t begin_ns = bench_now_ns(), took_ns, now_us;
		int error = probe_step(c, which);

		if (error != 0) {
			fail(probe_names[which], error);
			return;
		}
		took_ns = bench_now_ns() - begin_ns;
		now_us = wall_us();
		if (result->operations < ENDS_MAX)
			result->end_us[result->operations] = now_us;
		result->operations++;
		if (took_ns > result->longest_ns) {
			result->longest_ns = took_ns;
			result->longest_end_us = now_us;
		}
		(void)nanosleep(&pace, NULL);
	}
	result->is_ok = true;
}

static size_t ends_of(const struct probe_result *r)
{
	return r->operations < ENDS_MAX ? (size_t)r->operations : ENDS_MAX;
}

static bool result_write(int fd, const struct probe_result *r)
{
	const char *p = (const char *)r->end_us;
	size_t left = ends_of(r) * sizeof(*r->end_us);

	if (write(fd, r, sizeof(*r)) != (ssize_t)sizeof(*r))
		return false;
	while (left > 0) {
		ssize_t n = write(fd, p, left);

		if (n <= 0)
			return false;
		p += n;
		left -= (size_t)n;
	}
	return true;
}

static bool result_read(int fd, struct probe_result *r)
{
	size_t left;
	char *p;

	if (read(fd, r, sizeof(*r)) != (ssize_t)sizeof(*r))
		return false;
	left = ends_of(r) * sizeof(*r->end_us);
	r->end_us = calloc(1, left + 1);
	p = (char *)r->end_us;
	while (left > 0 && p != NULL) {
		ssize_t n = read(fd, p, left);

		if (n <= 0)
			return false;
		p += n;
		left -= (size_t)n;
	}
	return p != NULL && r->is_ok;
}

/* Its process: says when it is ready, and is told when all are */
static void probe_main(const struct bench_options *o, enum probe which, int in, int out)
{
	struct client c = { .o = o };
	struct probe_result result = { .end_us = calloc(ENDS_MAX, sizeof(uint64_t)) };
	char x = 0;
	bool is_ready;

	if (result.end_us == NULL)
		_exit(EXIT_FAILURE);
	is_ready = which == PLAIN
		       ? plain_make(&c)
		       : client_connect(&c, 0) && (which != REMOTE || client_connect(&c, 1));
	if (is_ready && write(out, &x, 1) == 1 && read(in, &x, 1) == 1)
		probe_run(&c, which, &result);
	if (!result_write(out, &result))
		_exit(EXIT_FAILURE);
	_exit(result.is_ok ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* ---- all of it ---------------------------------------------------------------------------------
 */

static pid_t child_begin(void)
{
	pid_t pid = fork();

	if (pid == 0)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (pid < 0)
		fail("cannot start a process", -errno);
	return pid;
}

static bool fill_all(const struct bench_options *o)
{
	pid_t pid[BENCH_MAX_SOCKETS];
	bool is_ok = true;
	size_t n = 0;

	for (; n < o->sockets_n && is_ok; n++) {
		pid[n] = child_begin();
		if (pid[n] == 0)
			_exit(fill_node(o, n) ? EXIT_SUCCESS : EXIT_FAILURE);
		is_ok = pid[n] > 0;
	}
	for (size_t i = 0; i < n; i++) {
		int status = 0;

		if (pid[i] > 0 && (waitpid(pid[i], &status, 0) != pid[i] || status != 0))
			is_ok = false;
	}
	return is_ok;
}

static void print(const struct bench_options *o, const struct probe_result results[PROBES])
{
	if (o->is_json)
		printf("{\"bench\":\"recovery\",\"records\":%" PRIu32, o->records);
	for (int i = 0; i < PROBES; i++) {
		const struct probe_result *r = &results[i];

		printf(o->is_json ? ",\"%s\":{\"operations\":%" PRIu64
				    ",\"longest_ms\":%.3f,\"longest_end_us\":%" PRIu64 "}"
				  : "%-6s  %" PRIu64
				    " operations, longest %.3f ms, which ended at %" PRIu64
				    " us since the epoch\n",
		       probe_names[i], r->operations, (double)r->longest_ns / 1e6,
		       r->longest_end_us);
	}
	if (!o->is_json)
		return;
	printf(",\"remote_ends_us\":[");
	for (size_t i = 0; i < ends_of(&results[REMOTE]); i++)
		printf("%s%" PRIu64, i > 0 ? "," : "", results[REMOTE].end_us[i]);
	puts("]}");
}

static bool probes_run(const struct bench_options *o, struct probe_result results[PROBES])
{
	int to[PROBES][2], from[PROBES][2];
	bool is_ok = true;
	char x;

	for (int i = 0; i < PROBES; i++) {
		pid_t pid;

		if (pipe(to[i]) != 0 || pipe(from[i]) != 0)
			return fail("cannot make a pipe", -errno);
		pid = child_begin();
		if (pid == 0) {
			close(to[i][1]);
			close(from[i][0]);
			probe_main(o, (enum probe)i, to[i][0], from[i][1]);
		}
		close(to[i][0]);
		close(from[i][1]);
		if (pid < 0)
			return false;
	}
	for (int i = 0; i < PROBES && is_ok; i++)
		is_ok = read(from[i][0], &x, 1) == 1;
	if (is_ok) {
		puts("running");
		fflush(stdout);
	}
	for (int i = 0; i < PROBES; i++) {
		if (is_ok && write(to[i][1], "", 1) != 1)
			is_ok = false;
		if (!is_ok)
			close(to[i][1]);
	}
	for (int i = 0; i < PROBES; i++) {
		is_ok = is_ok && result_read(from[i][0], &results[i]);
	}
	return is_ok;
}

int bench_recovery(const struct bench_options *o)
{
	struct probe_result results[PROBES] = { 0 };
	bool is_ok;

	if (o->sockets_n < 2) {
		fputs("cotdb-bench: recovery needs two sockets or more\n", stderr);
		return 2;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	is_ok = fill_all(o) && probes_run(o, results);
	if (is_ok)
		print(o, results);
	for (int i = 0; i < PROBES; i++)
		free(results[i].end_us);
	return is_ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
