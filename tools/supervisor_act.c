/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * supervisor_act.c: start, wait for, watch and stop the daemon of this node, in OCF's terms.
 *
 * While a start waits, Pacemaker carries out nothing else, not even the fencing of another node. So
 * a start whose reason only Pacemaker or an admin can end gives up after YIELD_MS, with a soft
 * error: Pacemaker then does its part and starts again. And whatever else depends on others may
 * have its cause in a node that waits to be fenced (the cluster filesystem hangs until then, a
 * member does not answer): that gets PATIENCE_MS, a little more than the daemon's own time-outs.
 *
 * In a cold start what Pacemaker has to do is to start the others. Starts that gave up, here now and
 * there then, would never meet: so the start has succeeded then, and the daemon waits for them.
 *
 * A stop has succeeded only when the supervisor itself said so and is gone: its last answer has the
 * reason (retire-failed among them), and its end frees the lock. One that ends without an answer
 * may have left databases that clients still write to, so that is a failure, and the node is
 * fenced.
 */
#include "config.h"
#include "supervisor_act.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <json-c/json.h>
#include "daemon/options.h"
#include "supervisor_ask.h"

#define YIELD_MS    3000U
#define PATIENCE_MS 7000U
#define SLICE_MS    500U /* one wait request: so often is the reason looked at */
#define SETTLE_MS   50	 /* between two tries to reach a daemon that is just starting or ending */
#define ASK_MS	    5000U

static uint64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000U + (uint64_t)t.tv_nsec / 1000000U;
}

static unsigned int left_ms(uint64_t deadline_ms, unsigned int at_most_ms)
{
	uint64_t now = now_ms(), left = now < deadline_ms ? deadline_ms - now : 0;

	return left < at_most_ms ? (unsigned int)left : at_most_ms;
}

/* Until that process is gone, at most that long; without one (-1) just that long */
static bool wait_gone(int pidfd, unsigned int timeout_ms)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return poll(&p, 1, (int)timeout_ms) > 0;
}

enum waits_for { WAITS_FOR_ITSELF, WAITS_FOR_OTHERS, WAITS_FOR_PACEMAKER };

static enum waits_for reason_waits_for(enum reason reason)
{
	switch (reason) {
	case REASON_STARTING:
	case REASON_ENGINE_RESTARTING:
	case REASON_EVICTED:
		return WAITS_FOR_ITSELF;
	case REASON_NO_QUORUM:
	case REASON_FENCING_PENDING:
	case REASON_COLD_START:
	case REASON_FENCING_FAILED:
	case REASON_NO_PACEMAKER:
	case REASON_LOCK_BUSY:
		return WAITS_FOR_PACEMAKER;
	default:
		return WAITS_FOR_OTHERS;
	}
}

/* How long a start has waited: since when for others at all, since when for Pacemaker */
struct waited {
	uint64_t others_since_ms, pacemaker_since_ms;
};

/* Takes the reason of now; whether the start has to give up */
static bool waited_enough(struct waited *w, enum reason reason)
{
	enum waits_for whom = reason_waits_for(reason);
	uint64_t now = now_ms();

	if (whom == WAITS_FOR_ITSELF || w->others_since_ms == 0)
		w->others_since_ms = now;
	if (whom != WAITS_FOR_PACEMAKER || w->pacemaker_since_ms == 0)
		w->pacemaker_since_ms = now;
	return now - w->others_since_ms >= PATIENCE_MS || now - w->pacemaker_since_ms >= YIELD_MS;
}

/* As text, or as JSON in the form of tool_fail() unless it is a success */
static int say(const struct supervisor_act *act, int code, const char *text)
{
	struct json_object *answer, *said;

	if (!act->is_json) {
		fprintf(act->out, "%s\n", text);
		return code;
	}
	answer = said = json_object_new_object();
	if (code != OCF_SUCCESS) {
		said = json_object_new_object();
		json_object_object_add(answer, "error", said);
	}
	json_object_object_add(said, "code", json_object_new_int(code));
	json_object_object_add(said, "text", json_object_new_string(text));
	fprintf(act->out, "%s\n",
		json_object_to_json_string_ext(answer, JSON_C_TO_STRING_SPACED |
							   JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(answer);
	return code;
}

/* Nobody answered: is it not running, or does it hang? */
static int say_silent(const struct supervisor_act *act, int error)
{
	int is_locked = supervisor_is_locked(act->run_dir);
	char text[256];

	if (is_locked == 0)
		return say(act, OCF_NOT_RUNNING, "the daemon does not run");
	(void)snprintf(text, sizeof(text), "the supervisor does not answer: %s",
		       is_locked < 0 ? strerror(-is_locked) : strerror(-error));
	return say(act, OCF_ERR_GENERIC, text);
}

/* A reason's exit code, never that of success */
static int failure_code(const struct supervisor_answer *a)
{
	return a->ocf > 0 ? a->ocf : OCF_ERR_GENERIC;
}

static int act_status(const struct supervisor_act *act)
{
	char text[SUPERVISOR_ANSWER_SIZE];
	struct supervisor_answer a;
	int error =
	    supervisor_ask_text(act->run_dir, "status", act->timeout_ms, text, sizeof(text));

	if (error == 0)
		error = supervisor_answer_parse(text, &a);
	if (error != 0)
		return say_silent(act, error);
	if (act->is_json)
		fprintf(act->out, "%s\n", text);
	else
		fprintf(act->out, "%s\n", a.text);
	switch (a.state) {
	case SUPERVISOR_ACTIVE:
		return OCF_SUCCESS;
	case SUPERVISOR_DEGRADED:
	case SUPERVISOR_STARTING:
		return OCF_DEGRADED;
	case SUPERVISOR_STOPPING:
	case SUPERVISOR_FAILED:
		break;
	}
	return failure_code(&a) == OCF_NOT_RUNNING ? OCF_ERR_GENERIC : failure_code(&a);
}

/* The daemon that this process started, or 0 and -1 */
struct started {
	pid_t child;
	int pidfd;
	int err; /* what it writes to its standard error: a file in memory */
};

/* The daemon has ended by itself: its last words, and its exit code, which is OCF's */
static int say_ended(const struct supervisor_act *act, const struct started *s, int status)
{
	char text[1024] = "";
	ssize_t n = pread(s->err, text, sizeof(text) - 1, 0);
	size_t len = n > 0 ? (size_t)n : 0;

	text[len] = '\0';
	while (len > 0 && text[len - 1] == '\n')
		text[--len] = '\0';
	if (len == 0 && WIFSIGNALED(status))
		(void)snprintf(text, sizeof(text), "cotdbd was killed by signal %d",
			       WTERMSIG(status));
	else if (len == 0)
		(void)snprintf(text, sizeof(text), "cotdbd ended with exit code %d",
			       WEXITSTATUS(status));
	if (WIFEXITED(status) && WEXITSTATUS(status) > 0 && WEXITSTATUS(status) < OCF_NOT_RUNNING)
		return say(act, WEXITSTATUS(status), text);
	return say(act, OCF_ERR_GENERIC, text);
}

static int say_waited(const struct supervisor_act *act, bool is_start,
		      const struct supervisor_answer *a)
{
	return say(act, is_start && a->reason == REASON_COLD_START ? OCF_SUCCESS : failure_code(a),
		   a->text);
}

static int act_wait(const struct supervisor_act *act, struct started *s, bool is_start)
{
	uint64_t deadline_ms = now_ms() + act->timeout_ms;
	struct waited waited = { 0 };
	struct supervisor_answer a = { .text = "the daemon does not answer" }, last = { 0 };
	bool has_last = false;
	char request[32];
	int error, status;

	for (;;) {
		unsigned int slice_ms = left_ms(deadline_ms, SLICE_MS);

		(void)snprintf(request, sizeof(request), "wait %u", slice_ms);
		error = supervisor_ask(act->run_dir, request,
				       slice_ms + left_ms(deadline_ms, ASK_MS), &a);
		if (error == 0 && a.state == SUPERVISOR_ACTIVE)
			return say(act, OCF_SUCCESS, a.text);
		if (error == 0 && (a.is_final || a.state == SUPERVISOR_FAILED))
			return say(act, failure_code(&a), a.text);
		if (error != 0) {
			bool is_gone = wait_gone(s->pidfd, left_ms(deadline_ms, SETTLE_MS));

			if (is_gone && waitpid(s->child, &status, WNOHANG) == s->child) {
				if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
					return say_ended(act, s, status);
				s->child = 0; /* it went into the background */
				(void)close(s->pidfd);
				s->pidfd = -1; /* poll() passes over it */
			}
			if (s->child == 0 && supervisor_is_locked(act->run_dir) == 0)
				return say_silent(act, error);
		}
		if (error == 0) {
			last = a;
			has_last = true;
			if (waited_enough(&waited, a.reason))
				return say_waited(act, is_start, &a);
		} else {
			waited = (struct waited){ 0 };
			/* the last bit of time may be too short for an answer: the one before it
			 * says more than that */
			has_last = has_last && error == -ETIMEDOUT;
		}
		if (left_ms(deadline_ms, 1) == 0) {
			if (!has_last)
				return say_silent(act, error);
			return say_waited(act, is_start, &last);
		}
	}
}

/* In the child: a session of its own, so that it outlives the agent and its time-out */
static void exec_daemon(const struct supervisor_act *act, int err)
{
	char *argv[OPTION_COUNT_OF + 2] = { (char *)(uintptr_t)act->program };
	size_t n = 1;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (char **o = act->options;
	     o != NULL && *o != NULL && n < sizeof(argv) / sizeof(argv[0]) - 1; o++)
		argv[n++] = *o;
	(void)setsid();
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(err, STDERR_FILENO) < 0)
		_exit(OCF_ERR_GENERIC);
	(void)close_range(STDERR_FILENO + 1, ~0U, 0);
	if (chdir("/") == 0)
		(void)execv(act->program, argv);
	dprintf(STDERR_FILENO, "%s cannot be started: %s", act->program, strerror(errno));
	_exit(OCF_ERR_INSTALLED);
}

static int act_start(const struct supervisor_act *act)
{
	struct started s = { .pidfd = -1, .err = -1 };
	int code, is_locked = supervisor_is_locked(act->run_dir);

	if (is_locked < 0)
		return say_silent(act, is_locked);
	if (is_locked > 0)
		return act_wait(act, &s, true);
	s.err = memfd_create("cotdbd-stderr", MFD_CLOEXEC);
	if (s.err < 0)
		return say(act, OCF_ERR_GENERIC, strerror(errno));
	s.child = fork();
	if (s.child < 0) {
		code = say(act, OCF_ERR_GENERIC, strerror(errno));
		goto out;
	}
	if (s.child == 0)
		exec_daemon(act, s.err);
	s.pidfd = pidfd_open(s.child, 0);
	code = act_wait(act, &s, true);
	if (s.pidfd >= 0)
		(void)close(s.pidfd);
out:
	(void)close(s.err);
	return code;
}

static int ended_code(const struct supervisor_act *act, bool is_ended)
{
	return is_ended ? say(act, OCF_SUCCESS, "stopped")
			: say(act, OCF_ERR_GENERIC, "the daemon's processes did not end in time");
}

/* Until nobody holds the run file's lock */
static bool wait_unlocked(const struct supervisor_act *act, uint64_t deadline_ms)
{
	while (supervisor_is_locked(act->run_dir) != 0) {
		if (left_ms(deadline_ms, 1) == 0)
			return false;
		(void)wait_gone(-1, left_ms(deadline_ms, SETTLE_MS));
	}
	return true;
}

static int act_stop(const struct supervisor_act *act)
{
	uint64_t deadline_ms = now_ms() + act->timeout_ms;
	struct supervisor_answer before, a;
	int pidfd[2] = { -1, -1 }, code, error;
	bool is_ended = true;
	char text[256];

	error = supervisor_ask(act->run_dir, "status", left_ms(deadline_ms, ASK_MS), &before);
	if (error != 0) /* not running; or its socket is closed already, and its end is near */
		return supervisor_is_locked(act->run_dir) == 0
			   ? say(act, OCF_SUCCESS, "the daemon does not run")
			   : ended_code(act, wait_unlocked(act, deadline_ms));
	pidfd[0] = before.pid > 0 ? pidfd_open(before.pid, 0) : -1;
	pidfd[1] = before.engine_pid > 0 ? pidfd_open(before.engine_pid, 0) : -1;
	error = supervisor_ask(act->run_dir, "stop", left_ms(deadline_ms, act->timeout_ms), &a);
	if (error != 0) {
		(void)snprintf(text, sizeof(text),
			       "the supervisor did not confirm that it stopped: %s",
			       strerror(-error));
		code = say(act, OCF_ERR_GENERIC, text);
	} else if (a.reason == REASON_RETIRE_FAILED) {
		code = say(act, OCF_ERR_GENERIC, a.text);
	} else {
		for (size_t i = 0; i < 2; i++) {
			if (pidfd[i] >= 0 && !wait_gone(pidfd[i], left_ms(deadline_ms, INT32_MAX)))
				is_ended = false;
		}
		code = ended_code(act, is_ended && wait_unlocked(act, deadline_ms));
	}
	for (size_t i = 0; i < 2; i++) {
		if (pidfd[i] >= 0)
			(void)close(pidfd[i]);
	}
	return code;
}

static int act_validate(const struct supervisor_act *act)
{
	struct options options;
	char error[512] = "";

	options_init(&options);
	for (char **o = act->options; o != NULL && *o != NULL; o++) {
		if (options_parse(&options, *o, error, sizeof(error)) != 0)
			return say(act, OCF_ERR_CONFIGURED, error);
	}
	return say(act, OCF_SUCCESS, "the options are valid");
}

int supervisor_act(const struct supervisor_act *act, const char *verb)
{
	struct started none = { .pidfd = -1, .err = -1 };

	if (strcmp(verb, "status") == 0)
		return act_status(act);
	if (strcmp(verb, "start") == 0)
		return act_start(act);
	if (strcmp(verb, "wait") == 0)
		return act_wait(act, &none, false);
	if (strcmp(verb, "stop") == 0)
		return act_stop(act);
	if (strcmp(verb, "validate") == 0)
		return act_validate(act);
	return say(act, OCF_ERR_ARGS, "the verbs are status, start, wait, stop and validate");
}
