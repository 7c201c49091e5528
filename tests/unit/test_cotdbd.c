/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_cotdbd.c: sbin/cotdbd, as far as it comes without corosync: each refusal with its sentence
 * on standard error and the exit code of its reason, in the background and in the foreground.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "daemon/helper/child.h"
#include "lib/reason.h"

#define ARGS_MAX 16
#define BOUND_MS 20000

static char dir[1200], said[8192];

/* Runs cotdbd with folders in dir, and these options more; its exit code */
static int run(const char *const *more)
{
	static const char *const folders[] = { "run_dir",   "volatile_dir", "persistent_dir",
					       "state_dir", "socket",	    "log_file" };
	static char options[6][1400];
	char *argv[ARGS_MAX + 8] = { (char[]){ "cotdbd" } };
	size_t n = 1, len = 0;
	struct pollfd p;
	int fds[2], status;
	ssize_t got;
	pid_t pid;

	for (size_t i = 0; i < 6; i++) {
		snprintf(options[i], sizeof(options[i]), "--%s=%s/%s", folders[i], dir, folders[i]);
		argv[n++] = options[i];
	}
	for (size_t i = 0; more[i] != NULL; i++)
		argv[n++] = (char *)more[i];
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = child_fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		execv("./cotdbd", argv);
		_exit(127);
	}
	close(fds[1]);
	p = (struct pollfd){ .fd = fds[0], .events = POLLIN };
	do {
		assert_int_equal(poll(&p, 1, BOUND_MS), 1);
		got = read(fds[0], said + len, sizeof(said) - 1 - len);
		len += got > 0 ? (size_t)got : 0;
	} while (got > 0);
	said[len] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void refused(enum reason why, const char *const *more)
{
	assert_int_equal(run(more), reason_row(why)->ocf);
	assert_non_null(strstr(said, reason_row(why)->text));
}

#define OPTIONS(...)                                                                               \
	(const char *const[])                                                                      \
	{                                                                                          \
		__VA_ARGS__ __VA_OPT__(, ) NULL                                                    \
	}

static int set_up(void **state)
{
	char here[1024];

	(void)state;
	if (getcwd(here, sizeof(here)) == NULL)
		return -1;
	snprintf(dir, sizeof(dir), "%s/cotdbd-XXXXXX", here);
	if (mkdtemp(dir) == NULL)
		return -1;
	/* the folder of the build has the engine or something like it */
	return setenv("COTDB_LIBEXECDIR", here, 1);
}

static int tear_down(void **state)
{
	char command[1300];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

static void it_tells_about_itself(void **state)
{
	(void)state;
	assert_int_equal(run(OPTIONS("--help")), 0);
	assert_non_null(strstr(said, "--recovery_lock=FILE"));
	assert_int_equal(run(OPTIONS("--version")), 0);
	assert_int_equal(strncmp(said, "cotdbd ", 7), 0);
}

static void bad_options_are_refused(void **state)
{
	(void)state;
	refused(REASON_BAD_OPTION, OPTIONS("--port=0"));
	assert_non_null(strstr(said, "--port"));
	refused(REASON_BAD_OPTION, OPTIONS("--no-such-option=1"));
	refused(REASON_BAD_OPTION, OPTIONS("start"));
	refused(REASON_BAD_OPTION, OPTIONS("--log_level=loud"));
	refused(REASON_BAD_OPTION, OPTIONS("--address=localhost"));
	refused(REASON_BAD_OPTION, OPTIONS("--workers=0"));
	refused(REASON_BAD_OPTION, OPTIONS("--volatile_dir=/x", "--persistent_dir=/x"));
	refused(REASON_BAD_OPTION, OPTIONS("--run_dir=/dev/null/x"));
	refused(REASON_BAD_OPTION, OPTIONS("--run_dir=/dev/null/x", "--foreground"));
	refused(REASON_BAD_OPTION, OPTIONS("--log_file=/no/such/folder/log"));
}

static void a_missing_engine_is_noticed(void **state)
{
	(void)state;
	setenv("COTDB_LIBEXECDIR", "/no/such/folder", 1);
	refused(REASON_NOT_INSTALLED, OPTIONS());
	assert_non_null(strstr(said, "/no/such/folder/cotdb-engine"));
}

static void a_second_one_is_refused(void **state)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[1400], pid[64];
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/run_dir", dir);
	assert_int_equal(mkdir(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/run_dir/cotdbd.lock", dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(fcntl(fd, F_SETLK, &lock), 0);
	refused(REASON_RUNNING_ALREADY, OPTIONS());
	snprintf(pid, sizeof(pid), "process %d ", (int)getpid());
	assert_non_null(strstr(said, pid));
	close(fd);
}

static void a_daemon_on_the_client_socket_is_noticed(void **state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	if (snprintf(sun.sun_path, sizeof(sun.sun_path), "%.90s/socket", dir) < 0 ||
	    strlen(dir) > 90)
		skip();
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	assert_int_equal(listen(fd, 1), 0);
	refused(REASON_SOCKET_BUSY, OPTIONS());
	refused(REASON_SOCKET_BUSY, OPTIONS("--foreground"));
	close(fd);
}

static void a_damaged_state_is_refused(void **state)
{
	char path[1400];
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/state_dir", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s/state_dir/generation", dir);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs("generation 17\n", f);
	fclose(f);
	refused(REASON_STATE_DAMAGED, OPTIONS());
	assert_non_null(strstr(said, path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_tells_about_itself, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bad_options_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_missing_engine_is_noticed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_second_one_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_daemon_on_the_client_socket_is_noticed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_damaged_state_is_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
