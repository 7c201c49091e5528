/* SPDX-License-Identifier: GPL-3.0-or-later */
/* supervisor_ask.c: one request to the supervisor, one answer, and a look at its lock
 * (supervisor_ask.h) */
#include "config.h"
#include "supervisor_ask.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <json-c/json.h>

#define SOCKET_NAME "supervisor.socket"

static uint64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000U + (uint64_t)t.tv_nsec / 1000000U;
}

/* Waits until fd is ready for events; 0, -ETIMEDOUT or -errno */
static int wait_for(int fd, short events, uint64_t deadline_ms)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		uint64_t now = now_ms();
		int n = poll(&p, 1, now < deadline_ms ? (int)(deadline_ms - now) : 0);

		if (n > 0)
			return 0;
		if (n == 0 && now_ms() >= deadline_ms)
			return -ETIMEDOUT;
		if (n < 0 && errno != EINTR)
			return -errno;
	}
}

static int open_socket(const char *run_dir)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, n = snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/%s", run_dir, SOCKET_NAME);

	if (n < 0 || (size_t)n >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0) {
		int error = -errno;

		(void)close(fd);
		return error == -EAGAIN ? -ETIMEDOUT : error; /* its backlog is full */
	}
	return fd;
}

int supervisor_ask_text(const char *run_dir, const char *request, unsigned int timeout_ms,
			char *text, size_t size)
{
	uint64_t deadline_ms = now_ms() + timeout_ms;
	struct iovec iov = { .iov_base = text, .iov_len = size - 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;
	int fd = open_socket(run_dir), error;

	if (fd < 0)
		return fd;
	error = wait_for(fd, POLLOUT, deadline_ms);
	if (error == 0 && send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
		error = errno == EPIPE ? -ECONNRESET : -errno;
	if (error == 0)
		error = wait_for(fd, POLLIN, deadline_ms);
	if (error == 0) {
		n = recvmsg(fd, &msg, 0);
		if (n < 0)
			error = -errno;
		else if (n == 0)
			error = -ECONNRESET;
		else if ((msg.msg_flags & MSG_TRUNC) != 0)
			error = -EMSGSIZE;
		else
			text[n] = '\0';
	}
	(void)close(fd);
	return error;
}

static const char *member_text(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(o, name, &v) && json_object_is_type(v, json_type_string)
		   ? json_object_get_string(v)
		   : NULL;
}

static int member_int(struct json_object *o, const char *name)
{
	struct json_object *v = NULL;

	return json_object_object_get_ex(o, name, &v) ? json_object_get_int(v) : 0;
}

int supervisor_answer_parse(const char *text, struct supervisor_answer *a)
{
	static const char *const states[] = { "active", "starting", "degraded", "stopping",
					      "failed" };
	struct json_object *o = json_tokener_parse(text), *v = NULL;
	const char *state, *reason, *sentence;
	size_t i;
	int number, error = -EBADMSG;

	memset(a, 0, sizeof(*a));
	if (!json_object_is_type(o, json_type_object))
		goto out;
	state = member_text(o, "state");
	for (i = 0; state != NULL && i < sizeof(states) / sizeof(states[0]); i++) {
		if (strcmp(state, states[i]) == 0)
			break;
	}
	if (state == NULL || i == sizeof(states) / sizeof(states[0]))
		goto out;
	a->state = (unsigned int)i;
	reason = member_text(o, "reason");
	number = reason != NULL ? reason_by_name(reason) : -1;
	a->reason = number >= 0 ? (enum reason)number : REASON_NONE;
	a->is_final = json_object_object_get_ex(o, "is_final", &v) && json_object_get_boolean(v);
	a->ocf = member_int(o, "ocf");
	a->pid = member_int(o, "pid");
	a->engine_pid = member_int(o, "engine_pid");
	sentence = member_text(o, "text");
	(void)snprintf(a->text, sizeof(a->text), "%s",
		       sentence != NULL && sentence[0] != '\0' ? sentence
							       : reason_row(a->reason)->text);
	error = 0;
out:
	json_object_put(o);
	return error;
}

int supervisor_ask(const char *run_dir, const char *request, unsigned int timeout_ms,
		   struct supervisor_answer *a)
{
	char text[SUPERVISOR_ANSWER_SIZE];
	int error = supervisor_ask_text(run_dir, request, timeout_ms, text, sizeof(text));

	return error != 0 ? error : supervisor_answer_parse(text, a);
}

int supervisor_is_locked(const char *run_dir)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[512];
	int fd, error = 0, n = snprintf(path, sizeof(path), "%s/%s", run_dir, SUPERVISOR_RUN_FILE);

	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
		error = -errno;
	(void)close(fd);
	return error != 0 ? error : lock.l_type != F_UNLCK;
}
