/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_supervisor_act.c: what the agent is told, against a supervisor that is played here: a child
 * that holds the lock and answers with prepared texts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "tools/supervisor_act.h"
#include "tools/supervisor_ask.h"

static char dir[] = "/tmp/test_supervisor_act.XXXXXX";
static char said[1024];

static int act(const char *verb, unsigned int timeout_ms, const char *program, char **options)
{
	FILE *out = fmemopen(said, sizeof(said), "w");
	struct supervisor_act a = {
		.run_dir = dir,
		.program = program,
		.timeout_ms = timeout_ms,
		.options = options,
		.out = out,
	};
	int code;

	assert_non_null(out);
	code = supervisor_act(&a, verb);
	(void)fclose(out);
	said[strcspn(said, "\n")] = '\0';
	return code;
}

static void path_of(char *path, size_t size, const char *name)
{
	(void)snprintf(path, size, "%s/%s", dir, name);
}

static void take_lock(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[128];
	int fd;

	path_of(path, sizeof(path), SUPERVISOR_RUN_FILE);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	if (fd < 0 || fcntl(fd, F_OFD_SETLK, &lock) < 0)
		_exit(1);
}

/* Answers request number i with answers[i] (the last one again and again; NULL: hangs up and ends);
 * ends after the answer to "stop" */
static void play(const char *const *answers, int ready)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	char request[64], answer[1024];

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)alarm(30);
	take_lock();
	path_of(addr.sun_path, sizeof(addr.sun_path), "supervisor.socket");
	(void)unlink(addr.sun_path);
	if (bind(listener, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(listener, 8) < 0 || write(ready, "r", 1) != 1)
		_exit(1);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		ssize_t n = recv(fd, request, sizeof(request) - 1, 0);

		if (n <= 0 || answers[0] == NULL)
			_exit(0);
		request[n] = '\0';
		(void)snprintf(answer, sizeof(answer), answers[0], (int)getpid());
		if (strncmp(request, "wait", 4) == 0)
			(void)usleep(20000); /* a real one waits longer */
		(void)send(fd, answer, strlen(answer), 0);
		(void)close(fd);
		if (strcmp(request, "stop") == 0)
			_exit(0);
		if (answers[1] != NULL || answers[2] != NULL)
			answers++;
	}
}

static pid_t start_player(const char *const *answers)
{
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		play(answers, ready[1]);
	(void)close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	(void)close(ready[0]);
	return pid;
}

static void end_player(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

#define ANSWER(state, reason, is_final, ocf)                                                       \
	"{\"state\":\"" state "\",\"reason\":\"" reason                                            \
	"\",\"text\":\"words\",\"is_final\":" is_final ",\"ocf\":" ocf                             \
	",\"pid\":%d,\"engine_pid\":0}"
#define ACTIVE	 ANSWER("active", "none", "false", "0")
#define STARTING ANSWER("starting", "joining", "false", "1")

static void no_daemon(void **state)
{
	(void)state;
	assert_int_equal(act("status", 1000, NULL, NULL), OCF_NOT_RUNNING);
	assert_int_equal(act("stop", 1000, NULL, NULL), OCF_SUCCESS);
	assert_int_equal(act("wait", 1000, NULL, NULL), OCF_NOT_RUNNING);
	assert_int_equal(act("dance", 1000, NULL, NULL), OCF_ERR_ARGS);
}

static void status_codes(void **state)
{
	static const struct {
		const char *answer[3];
		int code;
	} cases[] = {
		{ { ACTIVE }, OCF_SUCCESS },
		{ { STARTING }, OCF_DEGRADED },
		{ { ANSWER("degraded", "no-quorum", "false", "1") }, OCF_DEGRADED },
		{ { ANSWER("stopping", "stopping", "false", "1") }, OCF_ERR_GENERIC },
		{ { ANSWER("failed", "retire-failed", "true", "1") }, OCF_ERR_GENERIC },
		{ { ANSWER("failed", "lock-not-shared", "true", "5") }, OCF_ERR_INSTALLED },
		{ { "{\"state\":\"well\",\"pid\":%d}" }, OCF_ERR_GENERIC },
		{ { "nonsense %d" }, OCF_ERR_GENERIC },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pid_t pid = start_player(cases[i].answer);

		assert_int_equal(act("status", 2000, NULL, NULL), cases[i].code);
		end_player(pid);
	}
}

/* The lock is held but nobody answers: that is an error, never "not running" */
static void hanging_supervisor(void **state)
{
	static const char *const answers[3] = { ACTIVE };
	pid_t pid = start_player(answers);

	(void)state;
	(void)kill(pid, SIGSTOP);
	assert_int_equal(act("status", 100, NULL, NULL), OCF_ERR_GENERIC);
	assert_non_null(strstr(said, "does not answer"));
	assert_int_equal(act("stop", 100, NULL, NULL), OCF_ERR_GENERIC);
	end_player(pid);
}

static void wait_until_active(void **state)
{
	static const char *const answers[] = { STARTING, STARTING, ACTIVE, NULL, NULL };
	pid_t pid = start_player(answers);

	(void)state;
	assert_int_equal(act("wait", 5000, NULL, NULL), OCF_SUCCESS);
	end_player(pid);
}

static void wait_ends_with_its_time(void **state)
{
	static const char *const answers[3] = { STARTING };
	pid_t pid = start_player(answers);

	(void)state;
	assert_int_equal(act("wait", 200, NULL, NULL), OCF_ERR_GENERIC);
	assert_string_equal(said, "words");
	end_player(pid);
}

static void wait_ends_with_a_final_reason(void **state)
{
	static const char *const answers[] = { STARTING,
					       ANSWER("starting", "topology", "true", "6"), NULL,
					       NULL };
	pid_t pid = start_player(answers);

	(void)state;
	assert_int_equal(act("wait", 20000, NULL, NULL), OCF_ERR_CONFIGURED);
	end_player(pid);
}

/* Pacemaker cannot fence while a start goes on: so the start gives up soon */
static void wait_yields_to_pacemaker(void **state)
{
	static const char *const answers[3] = { ANSWER("starting", "fencing-pending", "false",
						       "1") };
	pid_t pid = start_player(answers);
	struct timespec from, to;

	(void)state;
	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	assert_int_equal(act("wait", 60000, NULL, NULL), OCF_ERR_GENERIC);
	(void)clock_gettime(CLOCK_MONOTONIC, &to);
	assert_in_range(to.tv_sec - from.tv_sec, 2, 10);
	end_player(pid);
}

/* In a cold start there are others to be started: this start has succeeded; what needs the daemon gives up */
static void start_in_a_cold_start(void **state)
{
	static const char *const answers[3] = { ANSWER("starting", "cold-start", "false", "1") };
	pid_t pid = start_player(answers);

	(void)state;
	assert_int_equal(act("start", 30000, NULL, NULL), OCF_SUCCESS);
	assert_int_equal(act("wait", 30000, NULL, NULL), OCF_ERR_GENERIC);
	end_player(pid);
}

static void stop_waits_for_the_end(void **state)
{
	static const char *const answers[3] = { ANSWER("stopping", "stopping", "false", "1") };
	pid_t pid = start_player(answers);

	(void)state;
	assert_int_equal(act("stop", 5000, NULL, NULL), OCF_SUCCESS);
	end_player(pid);
}

/* It is ending by itself, for a reason that says nothing against its databases: no reason to fence
 */
static void stop_of_what_failed_is_success(void **state)
{
	static const char *const answers[3] = { ANSWER("failed", "lock-not-shared", "true", "5") };
	pid_t pid = start_player(answers);

	(void)state;
	assert_int_equal(act("stop", 5000, NULL, NULL), OCF_SUCCESS);
	end_player(pid);
}

static void stop_fails_when_retiring_failed(void **state)
{
	static const char *const answers[3] = { ANSWER("failed", "retire-failed", "true", "1") };
	pid_t pid = start_player(answers);

	(void)state;
	assert_int_equal(act("stop", 5000, NULL, NULL), OCF_ERR_GENERIC);
	assert_string_equal(said, "words");
	end_player(pid);
}

static void stop_fails_without_an_answer(void **state)
{
	static const char *const answers[] = { ACTIVE, NULL, "", NULL, NULL };
	pid_t pid = start_player(answers);

	(void)state;
	assert_int_equal(act("stop", 5000, NULL, NULL), OCF_ERR_GENERIC);
	end_player(pid);
}

static void start_tells_why_the_daemon_ended(void **state)
{
	char path[128];
	FILE *script;

	(void)state;
	assert_int_equal(act("start", 5000, "/nonexistent/cotdbd", NULL), OCF_ERR_INSTALLED);
	assert_non_null(strstr(said, "cannot be started"));
	path_of(path, sizeof(path), "script");
	script = fopen(path, "w");
	assert_non_null(script);
	fprintf(script, "#!/bin/sh\necho \"port is wrong: $1\" >&2\nexit 6\n");
	(void)fclose(script);
	assert_int_equal(chmod(path, 0700), 0);
	assert_int_equal(act("start", 5000, path, (char *[]){ (char[]){ "--port=x" }, NULL }),
			 OCF_ERR_CONFIGURED);
	assert_string_equal(said, "port is wrong: --port=x");
	(void)unlink(path);
}

static void validate_checks_the_options(void **state)
{
	(void)state;
	assert_int_equal(act("validate", 1000, NULL, (char *[]){ (char[]){ "--port=4379" }, NULL }),
			 OCF_SUCCESS);
	assert_int_equal(act("validate", 1000, NULL, (char *[]){ (char[]){ "--port=0" }, NULL }),
			 OCF_ERR_CONFIGURED);
	assert_int_equal(act("validate", 1000, NULL, (char *[]){ (char[]){ "--no_such=1" }, NULL }),
			 OCF_ERR_CONFIGURED);
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static int drop_dir(void **state)
{
	char path[128];

	(void)state;
	path_of(path, sizeof(path), "supervisor.socket");
	(void)unlink(path);
	path_of(path, sizeof(path), SUPERVISOR_RUN_FILE);
	(void)unlink(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_daemon),
		cmocka_unit_test(status_codes),
		cmocka_unit_test(hanging_supervisor),
		cmocka_unit_test(wait_until_active),
		cmocka_unit_test(wait_ends_with_its_time),
		cmocka_unit_test(wait_ends_with_a_final_reason),
		cmocka_unit_test(wait_yields_to_pacemaker),
		cmocka_unit_test(start_in_a_cold_start),
		cmocka_unit_test(stop_waits_for_the_end),
		cmocka_unit_test(stop_of_what_failed_is_success),
		cmocka_unit_test(stop_fails_when_retiring_failed),
		cmocka_unit_test(stop_fails_without_an_answer),
		cmocka_unit_test(start_tells_why_the_daemon_ended),
		cmocka_unit_test(validate_checks_the_options),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
