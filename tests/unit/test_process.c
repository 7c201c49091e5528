/* SPDX-License-Identifier: GPL-3.0-or-later */
/* process: who is below a process, and who holds a lock */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "agent/process.h"

static const char *const me[] = { "test_proc*", NULL };
static const char *const other[] = { "smbd", NULL };

/* A child that says so when it is ready, and then waits to be killed */
static pid_t child(int ready, const char *lock_path, int depth)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (lock_path != NULL) {
		struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
		int fd = open(lock_path, O_RDWR | O_CREAT, 0600);

		if (fd < 0 || fcntl(fd, F_SETLK, &lock) < 0)
			_exit(1);
	}
	if (depth > 0)
		(void)child(ready, NULL, depth - 1);
	else if (write(ready, "", 1) != 1)
		_exit(1);
	for (;;)
		(void)pause();
}

static struct process found(pid_t pid)
{
	struct process p;

	assert_true(process_find(pid, &p));
	return p;
}

/* The processes below one, and what process_descendants() returns */
static int below(pid_t pid, struct process_list *l)
{
	struct process root = found(pid);

	return process_descendants(&root, l);
}

static void tree_is_found(void **state)
{
	struct process_list l = { 0 };
	struct process root;
	int ready[2];
	char byte;
	pid_t top;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	top = child(ready[1], NULL, 2);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	root = found(top);
	assert_int_equal(root.parent, getpid());
	assert_int_equal(root.session, getsid(0));
	assert_int_equal(process_descendants(&root, &l), 0);
	assert_int_equal(l.n, 2);
	assert_int_equal(below(getpid(), &l), 0);
	assert_int_equal(l.n, 3);
	assert_int_equal(l.p[0].pid, top);
	assert_int_equal(kill(top, SIGKILL), 0);
	assert_int_equal(waitpid(top, NULL, 0), top);
	assert_false(process_lives(&root));
	assert_int_equal(process_descendants(&root, &l), 0);
	assert_int_equal(l.n, 0);
	process_list_free(&l);
	(void)close(ready[0]);
	(void)close(ready[1]);
}

static void variable_is_seen(void **state)
{
	char *argv[] = { (char *)(uintptr_t) "sh", (char *)(uintptr_t) "-c",
			 (char *)(uintptr_t) "echo; kill -STOP $$", NULL };
	char *env[] = { (char *)(uintptr_t) "A=1", (char *)(uintptr_t) "MARK=12.34", NULL };
	struct process p;
	int ready[2];
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		(void)dup2(ready[1], STDOUT_FILENO);
		(void)execve("/bin/sh", argv, env);
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	p = found(pid);
	assert_true(process_has_variable(&p, "MARK=12.34"));
	assert_true(process_has_variable(&p, "A=1"));
	assert_false(process_has_variable(&p, "MARK=12.3"));
	assert_false(process_has_variable(&p, "MARK=12.345"));
	p.start--;
	assert_false(process_has_variable(&p, "MARK=12.34"));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	(void)close(ready[0]);
	(void)close(ready[1]);
}

/* The numbers are right, the starts are those of processes that had them before */
static void another_of_that_number_is_left_alone(void **state)
{
	struct process_list l = { 0 };
	struct process root = found(getpid()), was;
	int ready[2];
	char byte;
	pid_t top;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	top = child(ready[1], NULL, 1);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	was = found(top);
	was.start--;
	assert_false(process_lives(&was));
	process_signal(&was, SIGKILL);
	assert_int_equal(process_descendants(&was, &l), 0);
	assert_int_equal(l.n, 0);

	assert_int_equal(process_descendants(&root, &l), 0);
	assert_int_equal(l.n, 2);
	l.p[0].start--; /* the child itself; and so its own child is not known to be ours */
	process_signal_below(&root, &l, SIGKILL);
	l.p[0].start++;
	root.start--;
	process_signal_below(&root, &l, SIGKILL);
	assert_int_equal(below(top, &l), 0);
	assert_int_equal(l.n, 1);
	assert_int_equal(waitpid(top, NULL, WNOHANG), 0);

	root.start++;
	assert_int_equal(process_descendants(&root, &l), 0);
	process_signal_below(&root, &l, SIGKILL);
	assert_int_equal(waitpid(top, NULL, 0), top);
	assert_int_equal(below(getpid(), &l), 0);
	assert_int_equal(l.n, 0);
	process_list_free(&l);
	(void)close(ready[0]);
	(void)close(ready[1]);
}

static void ended_process_is_none(void **state)
{
	struct process_list l = { 0 };
	pid_t pid = fork();
	siginfo_t info;

	(void)state;
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(below(getpid(), &l), 0);
	assert_int_equal(l.n, 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	process_list_free(&l);
}

static void lock_tells_its_holder(void **state)
{
	char dir[] = "/tmp/test_process.XXXXXX", path[64], stale[64], text[64];
	struct process_list l = { 0 };
	int ready[2];
	char byte;
	pid_t pid;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/123", dir);
	(void)snprintf(stale, sizeof(stale), "%s/124", dir);
	(void)snprintf(text, sizeof(text), "%s/name", dir);
	(void)close(open(stale, O_RDWR | O_CREAT, 0600)); /* nobody's any more */
	assert_int_equal(pipe(ready), 0);
	pid = child(ready[1], path, 0);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(process_lock_holders(dir, me, &l), 0);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.p[0].pid, pid);
	assert_int_equal(process_lock_holders(dir, other, &l), 0);
	assert_int_equal(l.n, 0);
	assert_int_equal(rename(path, text), 0); /* not a process's file */
	assert_int_equal(process_lock_holders(dir, me, &l), 0);
	assert_int_equal(l.n, 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(process_lock_holders("/nonexistent", me, &l), 0);
	assert_int_equal(l.n, 0);
	process_list_free(&l);
	assert_int_equal(unlink(text), 0);
	assert_int_equal(unlink(stale), 0);
	assert_int_equal(rmdir(dir), 0);
	(void)close(ready[0]);
	(void)close(ready[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tree_is_found),
		cmocka_unit_test(variable_is_seen),
		cmocka_unit_test(another_of_that_number_is_left_alone),
		cmocka_unit_test(ended_process_is_none),
		cmocka_unit_test(lock_tells_its_holder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
