/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * channel.c: see channel.h. The engine ignores SIGCHLD, so that the kernel reaps its children: a
 * child's death is seen at its channel, and no wait for one that hangs in the kernel is needed.
 * A child is named by its pidfd, which can never mean another process.
 */
#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include "daemon/log.h"

struct channel_packet {
	struct channel_packet *next;
	size_t len;
	uint8_t data[];
};

static int32_t channel_ready(int32_t fd, int32_t revents, void *data);

static void channel_forget(struct channel *c)
{
	while (c->head != NULL) {
		struct channel_packet *p = c->head;

		c->head = p->next;
		free(p);
	}
	c->tail = &c->head;
	c->queued = 0;
}

void channel_close(struct channel *c)
{
	if (c->fd >= 0) {
		qb_loop_poll_del(c->engine->loop, c->fd);
		close(c->fd);
		c->fd = -1;
	}
	if (c->pidfd >= 0) {
		pidfd_send_signal(c->pidfd, SIGKILL, NULL, 0);
		close(c->pidfd);
		c->pidfd = -1;
	}
	if (c->tail != NULL)
		channel_forget(c);
}

/* Its letter in /proc/PID/stat, behind the name, which may have anything in it; 0: unknown */
static char child_state(pid_t pid)
{
	char path[64], text[256];
	const char *end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	end = strrchr(text, ')');
	return end != NULL && end[1] == ' ' ? end[2] : 0;
}

void channel_watch(struct channel *c, uint64_t limit_ms)
{
	uint64_t now_ms = engine_now_ms();
	char state;

	if (!channel_is_open(c) || c->pidfd < 0)
		return;
	state = child_state(c->pid);
	if (state != 'T' && state != 't') {
		c->stopped_ms = 0;
	} else if (c->stopped_ms == 0) {
		c->stopped_ms = now_ms;
	} else if (now_ms - c->stopped_ms >= limit_ms) {
		log_warning("a process of this daemon was stopped by a signal or a debugger, and "
			    "is killed | pid=%d stopped_ms=%llu",
			    (int)c->pid, (unsigned long long)(now_ms - c->stopped_ms));
		pidfd_send_signal(c->pidfd, SIGKILL, NULL, 0);
	}
}

static void channel_end(struct channel *c)
{
	struct engine *e = c->engine;

	channel_close(c);
	c->events->ended(c);
	engine_after_event(e);
}

static void channel_poll(struct channel *c, bool is_output_wanted)
{
	qb_loop_poll_mod(c->engine->loop, c->priority, c->fd,
			 (c->is_paused ? 0 : POLLIN) | (is_output_wanted ? POLLOUT : 0), c,
			 channel_ready);
}

void channel_pause(struct channel *c, bool is_paused)
{
	if (!channel_is_open(c) || c->is_paused == is_paused)
		return;
	c->is_paused = is_paused;
	channel_poll(c, c->head != NULL);
}

static int channel_drain(struct channel *c)
{
	while (c->head != NULL) {
		struct channel_packet *p = c->head;
		struct writer w = { .p = p->data, .len = p->len, .size = p->len };
		int rc = ipc_send(c->fd, &w);

		if (rc != 0)
			return rc;
		c->head = p->next;
		c->queued--;
		free(p);
	}
	c->tail = &c->head;
	channel_poll(c, false);
	return 0;
}

static void channel_log(const struct channel *c, struct cursor *cursor)
{
	char text[LOG_LINE_MAX];
	uint32_t level;

	if (cursor_u32(cursor, &level) || cursor_text(cursor, text, sizeof(text)) ||
	    level > LOG_LEVEL_TRACE)
		log_error("what a helper logs is not understood | pid=%d", (int)c->pid);
	else
		log_at((int)level, "%s%s from=%s[%d]", text,
		       strstr(text, " | ") != NULL ? "" : " |", c->program, (int)c->pid);
}

static int32_t channel_ready(int32_t fd, int32_t revents, void *data)
{
	struct channel *c = data;
	struct engine *e = c->engine;
	uint8_t buf[IPC_MAX];
	struct cursor cursor;
	int rc;

	(void)fd;
	if (e->is_stopping)
		return 0;
	if ((revents & POLLOUT) != 0) {
		rc = channel_drain(c);
		/* what it has said before its end is read first */
		if (rc != 0 && rc != -EAGAIN && (revents & POLLIN) == 0) {
			channel_end(c);
			return 0;
		}
	}
	if ((revents & (POLLIN | POLLHUP | POLLERR)) == 0)
		return 0;
	rc = ipc_receive(c->fd, buf, &cursor);
	if (rc == -EAGAIN)
		return 0;
	if (rc <= 0) {
		channel_end(c);
		return 0;
	}
	if (rc == IPC_LOG && c->program != NULL) {
		channel_log(c, &cursor);
		return 0;
	}
	/* The owner may close the channel, or free it */
	c->events->packet(c, (enum ipc_type)rc, &cursor);
	engine_after_event(e);
	return 0;
}

static int channel_queue(struct channel *c, const struct writer *w)
{
	struct channel_packet *p;

	if (c->queued >= c->queue_max)
		return -EAGAIN;
	p = malloc(sizeof(*p) + w->len);
	if (p == NULL)
		return -ENOMEM;
	p->next = NULL;
	p->len = w->len;
	memcpy(p->data, w->p, w->len);
	if (c->head == NULL)
		channel_poll(c, true);
	*c->tail = p;
	c->tail = &p->next;
	c->queued++;
	return 0;
}

int channel_send(struct channel *c, const struct writer *w)
{
	int rc = -EAGAIN;

	if (c->fd < 0)
		return -ENOTCONN;
	if (w->failed)
		return -EMSGSIZE;
	if (c->head == NULL)
		rc = ipc_send(c->fd, w);
	/* A broken channel is dealt with when the loop sees its end */
	return rc == -EAGAIN ? channel_queue(c, w) : rc;
}

int channel_open(struct channel *c, struct engine *e, int fd, size_t queue_max,
		 const struct channel_events *events, void *owner)
{
	*c = (struct channel){
		.engine = e,
		.events = events,
		.owner = owner,
		.fd = fd,
		.priority = events->is_background ? QB_LOOP_LOW : QB_LOOP_HIGH,
		.queue_max = queue_max,
		.pidfd = -1,
	};
	c->tail = &c->head;
	return qb_loop_poll_add(e->loop, c->priority, fd, POLLIN, c, channel_ready);
}

static int channel_spawn(pid_t *pid, const char *path, char *const argv[], int fd)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t all, none;
	int rc;

	sigfillset(&all);
	sigemptyset(&none);
	rc = posix_spawn_file_actions_init(&actions);
	if (rc != 0)
		return -rc;
	rc = posix_spawnattr_init(&attr);
	if (rc == 0) {
		posix_spawnattr_setsigdefault(&attr, &all);
		posix_spawnattr_setsigmask(&attr, &none);
		posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
		rc = posix_spawn_file_actions_adddup2(&actions, fd, IPC_FD);
		if (rc == 0)
			rc = posix_spawn_file_actions_addclosefrom_np(&actions, IPC_FD + 1);
		if (rc == 0)
			rc = posix_spawn(pid, path, &actions, &attr, argv, environ);
		posix_spawnattr_destroy(&attr);
	}
	posix_spawn_file_actions_destroy(&actions);
	return -rc;
}

int channel_child(struct channel *c, struct engine *e, const char *program, size_t queue_max,
		  const struct channel_events *events, void *owner)
{
	const char *dir = getenv("COTDB_LIBEXECDIR");
	char path[4096];
	int pair[2], rc;
	pid_t pid;

	c->fd = c->pidfd = -1;
	snprintf(path, sizeof(path), "%s/%s", dir != NULL ? dir : PKGLIBEXECDIR, program);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return -errno;
	/* O_NONBLOCK belongs to each end: the child's own end blocks */
	rc = fcntl(pair[1], F_SETFL, 0) < 0 ? -errno : 0;
	if (rc == 0) {
		e->child_argv[0] = path;
		rc = channel_spawn(&pid, path, e->child_argv, pair[1]);
		e->child_argv[0] = NULL;
	}
	close(pair[1]);
	if (rc == 0)
		rc = channel_open(c, e, pair[0], queue_max, events, owner);
	if (rc != 0) {
		log_error("a helper cannot be started | program=%s error=%s", path, strerror(-rc));
		close(pair[0]);
		c->fd = -1;
		return rc;
	}
	c->program = program;
	c->pid = pid;
	c->pidfd = pidfd_open(pid, 0);
	return 0;
}
