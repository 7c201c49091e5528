/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_retire.c: volatile databases are taken away from real clients: ones that just have the file
 * open, one that is stopped while it holds a chain lock, one that was killed while it held one.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <tdb.h>
#include <cmocka.h>
#include "daemon/helper/child.h"
#include "daemon/helper/holder.h"
#include "daemon/helper/retire.h"

#define CLIENT_FLAGS                                                                               \
	(TDB_CLEAR_IF_FIRST | TDB_NOSYNC | TDB_DISALLOW_NESTING | TDB_INCOMPATIBLE_HASH |          \
	 TDB_MUTEX_LOCKING)
#define BOUND_MS 10000

struct client {
	pid_t pid;
	int to, from; /* one letter each way */
};

static char dir[64];

static TDB_DATA the_key(void)
{
	static unsigned char key[] = "key";

	return (TDB_DATA){ .dptr = key, .dsize = 3 };
}

static void path_of(char *path, const char *name)
{
	snprintf(path, 128, "%s/%s", dir, name);
}

static char ask(struct client *c, char what)
{
	struct pollfd p = { .fd = c->from, .events = POLLIN };
	char got = 0;

	assert_int_equal(write(c->to, &what, 1), 1);
	assert_int_equal(poll(&p, 1, BOUND_MS), 1);
	assert_int_equal(read(c->from, &got, 1), 1);
	return got;
}

/* The life of a client: l lock, u unlock, f fetch ('+' there, '-' not), then whatever it is sent */
static _Noreturn void client_main(const char *path, int in, int out, int hash_size, int flags)
{
	struct tdb_context *tdb = tdb_open(path, hash_size, flags, O_RDWR | O_CREAT, 0600);
	char what, say = 'r';

	if (tdb == NULL || tdb_store(tdb, the_key(), the_key(), 0) != 0)
		say = '!';
	while (write(out, &say, 1) == 1 && read(in, &what, 1) == 1) {
		say = what;
		if (what == 'l')
			say = tdb_chainlock(tdb, the_key()) == 0 ? 'l' : '!';
		else if (what == 'u')
			say = tdb_chainunlock(tdb, the_key()) == 0 ? 'u' : '!';
		else if (what == 'f')
			say = tdb_exists(tdb, the_key()) ? '+' : '-';
	}
	_exit(0);
}

static void client_start_as(struct client *c, const char *name, int flags)
{
	char path[128], got;
	int to[2], from[2];

	path_of(path, name);
	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	c->pid = child_fork();
	assert_true(c->pid >= 0);
	if (c->pid == 0) {
		close(to[1]);
		close(from[0]);
		client_main(path, to[0], from[1], 131, flags);
	}
	close(to[0]);
	close(from[1]);
	c->to = to[1];
	c->from = from[0];
	assert_int_equal(read(c->from, &got, 1), 1);
	assert_int_equal(got, 'r');
}

static void client_start(struct client *c, const char *name)
{
	client_start_as(c, name, CLIENT_FLAGS);
}

/* The wait status of a client that was reaped in passing */
static struct {
	pid_t pid;
	int status;
} reaped[16];
static size_t reaped_n;

static int client_status(pid_t pid)
{
	int status = -1;

	for (size_t i = 0; i < reaped_n; i++) {
		if (reaped[i].pid == pid)
			return reaped[i].status;
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void client_end(struct client *c)
{
	kill(c->pid, SIGKILL);
	(void)client_status(c->pid);
	close(c->to);
	close(c->from);
}

static void reap(struct retire *r)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (retire_reaped(r, pid, status))
			continue;
		assert_true(reaped_n < sizeof(reaped) / sizeof(reaped[0]));
		reaped[reaped_n].pid = pid;
		reaped[reaped_n++].status = status;
	}
}

/* The result, as soon as there is one, at the latest after that time */
static int wait_result(struct retire *r, int ms)
{
	struct timespec slice = { .tv_nsec = 20000000 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (reap(r); ms > 0 && retire_result(r) == 0; ms -= 20) {
		(void)sigtimedwait(&set, NULL, &slice);
		reap(r);
	}
	return retire_result(r);
}

static bool exists(const char *name)
{
	char path[128];

	path_of(path, name);
	return access(path, F_OK) == 0;
}

static void make_file(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	path_of(path, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int set_up(void **state)
{
	sigset_t set;

	(void)state;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	reaped_n = 0;
	strcpy(dir, "retire-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf ./%s", dir);
	return system(command);
}

static void what_a_client_still_maps_is_empty(void **state)
{
	struct client a, b, c;
	struct retire *r;

	(void)state;
	client_start(&a, "locking.tdb.0");
	client_start(&b, "brlock.tdb.0");
	client_start_as(&c, "ctdb.tdb.0", CLIENT_FLAGS & ~TDB_MUTEX_LOCKING);
	make_file("notes.txt", "hello");
	make_file("broken.tdb.0", "not a database");
	make_file("empty.tdb.0.RO", "");
	make_file("name.with.digits.12345", "x");
	assert_int_equal(ask(&a, 'f'), '+');
	assert_int_equal(retire_begin(dir, &r), 0);
	assert_int_equal(wait_result(r, BOUND_MS), 1);
	retire_free(r);
	assert_false(exists("locking.tdb.0"));
	assert_false(exists("brlock.tdb.0"));
	assert_false(exists("ctdb.tdb.0"));
	assert_false(exists("broken.tdb.0"));
	assert_false(exists("empty.tdb.0.RO"));
	assert_true(exists("notes.txt"));
	assert_true(exists("name.with.digits.12345"));
	assert_int_equal(ask(&a, 'f'), '-');
	assert_int_equal(ask(&b, 'f'), '-');
	assert_int_equal(ask(&c, 'f'), '-');
	client_end(&a);
	client_end(&b);
	client_end(&c);
}

static void a_stopped_holder_is_killed_and_nobody_else(void **state)
{
	struct client holder, other, elsewhere;
	struct retire *r;
	const char *name = NULL;
	int status;

	(void)state;
	client_start(&holder, "locking.tdb.0");
	client_start(&other, "locking.tdb.0");
	client_start(&elsewhere, "brlock.tdb.0");
	assert_int_equal(ask(&holder, 'l'), 'l');
	assert_int_equal(ask(&elsewhere, 'l'), 'l'); /* lets go in time */
	assert_int_equal(kill(holder.pid, SIGSTOP), 0);
	assert_int_equal(retire_begin(dir, &r), 0);
	assert_int_equal(wait_result(r, 300), 0);
	assert_int_equal(retire_waiting(r, &name), 2);
	assert_int_equal(ask(&elsewhere, 'u'), 'u');
	assert_int_equal(wait_result(r, 300), 0);
	assert_int_equal(retire_waiting(r, &name), 1);
	assert_string_equal(name, "locking.tdb.0");
	assert_true(exists("locking.tdb.0"));
	{
		const pid_t known[] = { 1, getpid(), elsewhere.pid, other.pid, holder.pid };

		assert_int_equal(retire_kill_holders(r, known, 5), 0);
	}
	assert_int_equal(wait_result(r, BOUND_MS), 1);
	assert_false(exists("locking.tdb.0"));
	status = client_status(holder.pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	assert_int_equal(ask(&other, 'f'), '-');
	assert_int_equal(ask(&elsewhere, 'f'), '-');
	retire_free(r);
	client_end(&other);
	client_end(&elsewhere);
	close(holder.to);
	close(holder.from);
}

static void a_holder_that_was_killed_does_not_matter(void **state)
{
	struct client holder, other;
	struct retire *r;

	(void)state;
	client_start(&holder, "locking.tdb.3");
	client_start(&other, "locking.tdb.3");
	assert_int_equal(ask(&holder, 'l'), 'l');
	client_end(&holder);
	assert_int_equal(retire_begin(dir, &r), 0);
	assert_int_equal(wait_result(r, BOUND_MS), 1);
	assert_int_equal(ask(&other, 'f'), '-');
	assert_int_equal(ask(&other, 'l'), 'l');
	retire_free(r);
	client_end(&other);
}

static void giving_up_lets_the_clients_go_on(void **state)
{
	struct client holder, other;
	struct retire *r;
	int status;

	(void)state;
	client_start(&holder, "locking.tdb.0");
	client_start(&other, "locking.tdb.0");
	assert_int_equal(ask(&holder, 'l'), 'l');
	assert_int_equal(retire_begin(dir, &r), 0);
	assert_int_equal(wait_result(r, 200), 0);
	retire_free(r); /* kills the process that waits with the all-record lock */
	assert_true(waitpid(-1, &status, 0) > 0);
	assert_int_equal(ask(&holder, 'u'), 'u');
	assert_int_equal(ask(&other, 'l'), 'l');
	client_end(&holder);
	client_end(&other);
}

static void holders_are_told_from_bystanders(void **state)
{
	struct client holder, other;
	struct holder_layout layout;
	char path[128];

	(void)state;
	client_start(&holder, "locking.tdb.0");
	client_start(&other, "locking.tdb.0");
	path_of(path, "locking.tdb.0");
	assert_int_equal(holder_layout_read(path, &layout), 0);
	assert_true(layout.has_mutexes);
	assert_int_equal(layout.hash_size, 131);
	assert_int_equal(layout.tdb_flags, 0x1c40);
	assert_int_equal(holder_maps(path, holder.pid), 1);
	assert_int_equal(holder_maps(path, getpid()), 0);
	assert_int_equal(holder_locks(path, holder.pid), 0);
	assert_int_equal(ask(&holder, 'l'), 'l');
	assert_int_equal(holder_locks(path, holder.pid), 1);
	assert_int_equal(holder_locks(path, other.pid), 0);
	assert_int_equal(holder_kill(path, other.pid), 0);
	assert_int_equal(holder_kill(path, getpid()), 0);
	assert_int_equal(holder_kill(path, 1), 0);
	assert_int_equal(ask(&holder, 'u'), 'u');
	assert_int_equal(holder_kill(path, holder.pid), 0);
	assert_int_equal(ask(&other, 'f'), '+');
	client_end(&holder);
	client_end(&other);
	assert_int_equal(holder_maps(path, holder.pid), 0);
}

/* The engine was killed while it made the file: nobody was told of it yet, so nothing has to be waited
 * for, however far it had come */
static void a_file_that_was_not_completely_made_goes(void **state)
{
	off_t lens[] = { 0, 100, 168, 500, 0, 0, 0, 0 };
	struct holder_layout layout;
	struct tdb_context *tdb;
	char path[128];
	struct stat st;

	(void)state;
	path_of(path, "half.tdb.0");
	tdb = tdb_open(path, 1000, CLIENT_FLAGS, O_RDWR | O_CREAT, 0600);
	assert_non_null(tdb);
	assert_int_equal(fstat(tdb_fd(tdb), &st), 0);
	tdb_close(tdb);
	assert_int_equal(holder_layout_read(path, &layout), 0);
	lens[4] = layout.mutex_bytes;
	lens[5] = layout.mutex_bytes + 168;
	lens[6] = layout.mutex_bytes + 168 + 2000;
	lens[7] = layout.mutex_bytes + 168 + 1001 * 4 - 1;
	assert_true(lens[7] < st.st_size);
	for (size_t i = sizeof(lens) / sizeof(lens[0]); i-- > 0;) {
		tdb = tdb_open(path, 1000, CLIENT_FLAGS, O_RDWR | O_CREAT, 0600);
		assert_non_null(tdb);
		tdb_close(tdb);
		assert_int_equal(truncate(path, lens[i]), 0);
		assert_int_equal(holder_layout_read(path, &layout), -ENODATA);
		assert_int_equal(retire_file(path), 0);
		assert_int_equal(access(path, F_OK), -1);
	}
}

static void a_folder_that_does_not_exist_is_retired(void **state)
{
	struct retire *r;

	(void)state;
	assert_int_equal(retire_begin("no-such-folder", &r), 0);
	assert_int_equal(retire_result(r), 1);
	retire_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_a_client_still_maps_is_empty, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_stopped_holder_is_killed_and_nobody_else, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_holder_that_was_killed_does_not_matter, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(giving_up_lets_the_clients_go_on, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(holders_are_told_from_bystanders, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_file_that_was_not_completely_made_goes, set_up,
						tear_down),
		cmocka_unit_test(a_folder_that_does_not_exist_is_retired),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
