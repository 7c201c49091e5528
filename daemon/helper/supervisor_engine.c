/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * supervisor_engine.c: the engine as a child: started, listened to, killed, reaped.
 *
 * When it is gone, its process group is killed, and its children come to us (subreaper). Before the
 * databases may be retired, whoever could still write to them on the engine's behalf has to be
 * reaped: the TDB workers. A reclock helper that hangs in a system call on a dead cluster file
 * system is not waited for; it dies when the file system lets go of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "daemon/helper/child.h"
#include "daemon/helper/supervisor.h"
#include "daemon/log.h"

/* The OOM killer rather takes anything else, clients included: with the engine go all volatile
 * records and all clients of this node. But not -1000, as the supervisor itself has: an engine that
 * eats all memory must be stoppable, and its death is mended within seconds. */
#define ENGINE_OOM_SCORE (-900)
#define WORKER_COMM	 "cotdb-tdb-worke" /* the kernel keeps 15 characters */
#define CLIENTS_MAX	 65536U
#define STOP_SIGNAL	 SIGKILL

static void channel_close(struct supervisor *s)
{
	if (s->engine.fd < 0)
		return;
	(void)qb_loop_poll_del(s->loop, s->engine.fd);
	close(s->engine.fd);
	s->engine.fd = -1;
}

/* An engine that does not keep to the rules of the channel is as good as dead */
static void engine_condemn(struct supervisor *s, const char *why)
{
	log_error("the engine is killed: %s | pid=%d", why, (int)s->engine.pid);
	channel_close(s);
	engine_kill(s);
}

static void engine_send(struct supervisor *s, const struct writer *w)
{
	int rc;

	if (s->engine.fd < 0)
		return;
	rc = ipc_send(s->engine.fd, w);
	if (rc == -EPIPE || rc == -ECONNRESET)
		return; /* its end is noticed otherwise */
	if (rc != 0)
		engine_condemn(s, "it does not read what its supervisor tells it");
}

void engine_tell_resolved(struct supervisor *s, const struct resolved *r)
{
	uint8_t buf[IPC_MAX];
	struct writer w = ipc_begin(buf, IPC_RESOLVED);

	writer_u32(&w, r->inc.pnn);
	writer_u64(&w, r->inc.boot_id);
	writer_u32(&w, r->is_left);
	engine_send(s, &w);
}

void engine_tell_supervisor(struct supervisor *s, uint32_t pnn, bool is_present, bool has_told)
{
	uint8_t buf[IPC_MAX];
	struct writer w = ipc_begin(buf, IPC_SUPERVISOR);

	writer_u32(&w, pnn);
	writer_u32(&w, !is_present ? 0 : !has_told ? 1 : 2);
	engine_send(s, &w);
}

void engine_tell_started(struct supervisor *s, struct incarnation inc)
{
	uint8_t buf[IPC_MAX];
	struct writer w = ipc_begin(buf, IPC_STARTED);

	writer_u32(&w, inc.pnn);
	writer_u64(&w, inc.boot_id);
	engine_send(s, &w);
}

void engine_tell_written(struct supervisor *s, uint32_t generation)
{
	uint8_t buf[IPC_MAX];
	struct writer w = ipc_begin(buf, IPC_WRITTEN);

	writer_u32(&w, generation);
	engine_send(s, &w);
}

static void engine_tell_all(struct supervisor *s)
{
	const struct supervisor_group *g = &s->group;
	uint8_t buf[IPC_MAX];
	struct writer w = ipc_begin(buf, IPC_PERSISTED);

	writer_u32(&w, s->persisted.generation);
	writer_u8(&w, s->persisted.is_outside);
	writer_u32(&w, (uint32_t)s->persisted.n);
	for (size_t i = 0; i < s->persisted.n; i++) {
		writer_u32(&w, s->persisted.active[i].pnn);
		writer_u64(&w, s->persisted.active[i].boot_id);
	}
	engine_send(s, &w);
	for (size_t i = 0; i < g->resolved_n; i++)
		engine_tell_resolved(s, &g->resolved[i]);
	supervisor_roster_tell_over(s);
	roster_tell(&s->roster);
}

/* ---- what the engine says ---------------------------------------------------------------- */

static int persist_take(struct supervisor *s, struct cursor *c)
{
	struct persist p = { 0 };
	uint8_t is_outside;
	uint32_t n;

	if (cursor_u32(c, &p.generation) || cursor_u8(c, &is_outside) || cursor_u32(c, &n) ||
	    n > CORE_MAX_NODES)
		return -EBADMSG;
	p.is_outside = is_outside != 0;
	for (uint32_t i = 0; i < n; i++) {
		if (cursor_u32(c, &p.active[i].pnn) || p.active[i].pnn >= CORE_MAX_NODES ||
		    cursor_u64(c, &p.active[i].boot_id))
			return -EBADMSG;
	}
	p.n = n;
	if (cursor_end(c))
		return -EBADMSG;
	for (size_t i = 0; i < p.n; i++) /* the engine does not know the marks */
		for (size_t k = 0; k < s->persisted.n && !p.is_over[i]; k++)
			p.is_over[i] = s->persisted.is_over[k] &&
				       incarnation_equal(p.active[i], s->persisted.active[k]);
	s->persisted = p;
	s->is_persist_wanted = true;
	supervisor_roster_mark(s);
	return 0;
}

static int state_take(struct supervisor *s, struct cursor *c)
{
	struct engine_state state = { .is_known = true };
	uint32_t reason, is_active;

	if (cursor_u32(c, &reason) || reason >= REASON_COUNT || cursor_u32(c, &is_active) ||
	    cursor_u32(c, &state.generation) || cursor_u32(c, &state.leader_pnn) ||
	    cursor_text(c, state.text, sizeof(state.text)) || cursor_end(c))
		return -EBADMSG;
	state.reason = reason;
	state.is_active = is_active != 0;
	if (state.is_active && state.generation != s->engine.state.generation &&
	    state.generation == s->persisted.generation)
		roster_planned(&s->roster, s->persisted.active, s->persisted.n);
	s->engine.state = state;
	return 0;
}

static int last_take(struct supervisor *s, struct cursor *c)
{
	uint32_t reason;

	if (cursor_u32(c, &reason) || reason >= REASON_COUNT ||
	    cursor_text(c, s->engine.last_text, sizeof(s->engine.last_text)) || cursor_end(c))
		return -EBADMSG;
	s->engine.last = reason;
	return 0;
}

/* Processes that are gone need not be remembered */
static void clients_sift(struct supervisor_engine *en)
{
	size_t n = 0;

	for (size_t i = 0; i < en->clients_n; i++) {
		if (kill(en->clients[i], 0) == 0 || errno != ESRCH)
			en->clients[n++] = en->clients[i];
	}
	en->clients_n = n;
}

/* So many live: better that one which holds a lock in the end cannot be killed, so that this node
 * has to be fenced, than that an engine with so many clients is killed now */
static void clients_forget_oldest(struct supervisor_engine *en)
{
	size_t gone = en->clients_size / 16;

	log_warning(
	    "too many processes were clients, and the first ones are forgotten: a lock that "
	    "one of them keeps would end in fencing | clients=%zu forgotten=%zu",
	    en->clients_n, gone);
	en->clients_n -= gone;
	memmove(en->clients, en->clients + gone, en->clients_n * sizeof(*en->clients));
}

static int clients_grow(struct supervisor_engine *en)
{
	size_t size = en->clients_size != 0 ? en->clients_size * 2 : 256;
	pid_t *more;

	clients_sift(en);
	if (en->clients_n <= en->clients_size / 2 && en->clients_size != 0)
		return 0;
	more = size <= CLIENTS_MAX ? realloc(en->clients, size * sizeof(*more)) : NULL;
	if (more == NULL && en->clients_size != 0) {
		if (en->clients_n > en->clients_size - en->clients_size / 16)
			clients_forget_oldest(en);
		return 0;
	}
	if (more == NULL)
		return -ENOMEM;
	en->clients = more;
	en->clients_size = size;
	return 0;
}

/* A client is remembered as long as its process lives: one whose connection is closed, by itself or
 * by an engine that stops, may hold a lock still. That it does is looked at before it is killed. */
static int client_take(struct supervisor *s, struct cursor *c)
{
	struct supervisor_engine *en = &s->engine;
	uint32_t pid, is_connected;
	int rc;

	if (cursor_u32(c, &pid) || pid > INT32_MAX || cursor_u32(c, &is_connected) || cursor_end(c))
		return -EBADMSG;
	if (pid == 0)
		return 0; /* a client in another pid namespace: nobody we could kill */
	if (!is_connected)
		return 0;
	for (size_t i = 0; i < en->clients_n; i++) {
		if (en->clients[i] == (pid_t)pid)
			return 0;
	}
	if (en->clients_n == en->clients_size) {
		rc = clients_grow(en);
		if (rc != 0)
			return rc;
	}
	en->clients[en->clients_n++] = (pid_t)pid;
	return 0;
}

static int engine_packet(struct supervisor *s, int type, struct cursor *c)
{
	switch (type) {
	case IPC_HEARTBEAT:
		supervise_engine_heartbeat(s->machine);
		return cursor_end(c) ? -EBADMSG : 0;
	case IPC_PERSIST:
		return persist_take(s, c);
	case IPC_ENGINE_STATE:
		return state_take(s, c);
	case IPC_ENGINE_LAST:
		return last_take(s, c);
	case IPC_CLIENT:
		return client_take(s, c);
	default:
		return -EBADMSG;
	}
}

void engine_drain(struct supervisor *s)
{
	uint8_t buf[IPC_MAX];
	struct cursor c;

	while (s->engine.fd >= 0) {
		int type = ipc_receive(s->engine.fd, buf, &c);

		if (type == -EAGAIN)
			return;
		if (type == 0) {
			/* a process whose channel ends has to exit at once; one that said
			 * why it ends is given the time it has anyway */
			channel_close(s);
			if (!s->engine.is_reaped && s->engine.last == REASON_NONE)
				engine_kill(s);
			return;
		}
		if (type < 0 || engine_packet(s, type, &c) != 0)
			engine_condemn(s, "it sent a packet that makes no sense");
	}
}

static int32_t engine_readable(int32_t fd, int32_t revents, void *data)
{
	struct supervisor *s = data;

	(void)fd;
	(void)revents;
	engine_drain(s);
	supervisor_after_event(s);
	return 0;
}

/* ---- start and end
 * -------------------------------------------------------------------------------- */

/* The highest bit marks those that roster.c makes up */
uint64_t engine_boot_id_make(void)
{
	uint64_t id = 0;

	while (id == 0) {
		if (getrandom(&id, sizeof(id), 0) != (ssize_t)sizeof(id))
			id = 0;
		id &= ~(1ULL << 63);
	}
	return id;
}

static int engine_spawn(struct supervisor *s, uint64_t boot_id)
{
	char boot[64], *argv[OPTION_COUNT_OF * 4 + 4];
	size_t n = 0;
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		return -errno;
	snprintf(boot, sizeof(boot), "--boot_id=%016llx", (unsigned long long)boot_id);
	argv[n++] = s->engine_path;
	for (size_t i = 0; s->engine_options[i] != NULL; i++)
		argv[n++] = s->engine_options[i];
	argv[n++] = boot;
	argv[n] = NULL;
	pid = child_exec(s->engine_path, argv, fds[1], ENGINE_OOM_SCORE);
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return (int)pid;
	}
	(void)setpgid(pid, pid); /* both sides do it: whoever comes first */
	(void)fcntl(fds[0], F_SETFL, O_NONBLOCK);
	s->engine.pid = pid;
	s->engine.fd = fds[0];
	return 0;
}

void engine_launch(struct supervisor *s)
{
	struct supervisor_engine *en = &s->engine;
	uint64_t boot_id = en->boot_id;
	int rc;

	en->is_reaped = false;
	en->last = REASON_NONE;
	en->last_text[0] = '\0';
	en->state = (struct engine_state){ .leader_pnn = CORE_UNKNOWN_PNN };
	rc = engine_spawn(s, boot_id);
	supervise_engine_started(s->machine, boot_id);
	if (rc == 0)
		rc = qb_loop_poll_add(s->loop, QB_LOOP_HIGH, en->fd, POLLIN, s, engine_readable);
	if (rc != 0) {
		log_error("the engine cannot be started | path=%s error=%s", s->engine_path,
			  strerror(-rc));
		if (en->pid != 0)
			engine_condemn(s, "it cannot be listened to");
		else
			s->is_engine_ended = true;
		return;
	}
	log_notice("the engine is started | pid=%d boot_id=%016llx", (int)en->pid,
		   (unsigned long long)boot_id);
	engine_tell_all(s);
}

void engine_ask_stop(struct supervisor *s)
{
	uint8_t buf[IPC_MAX];
	struct writer w = ipc_begin(buf, IPC_STOP);

	engine_send(s, &w);
}

void engine_kill(struct supervisor *s)
{
	if (s->engine.pid == 0)
		return;
	(void)kill(-s->engine.pid, STOP_SIGNAL);
	if (!s->engine.is_reaped)
		(void)kill(s->engine.pid, STOP_SIGNAL); /* it may not be in its group yet */
}

bool engine_reaped(struct supervisor *s, pid_t pid, int status)
{
	struct supervisor_engine *en = &s->engine;

	if (en->pid == 0 || pid != en->pid || en->is_reaped)
		return false;
	en->is_reaped = true;
	engine_drain(s); /* its last words */
	channel_close(s);
	if (WIFSIGNALED(status))
		log_warning("the engine ended by a signal | pid=%d signal=%d said=%s", (int)pid,
			    WTERMSIG(status), reason_row(en->last)->name);
	else
		log_notice("the engine ended | pid=%d code=%d said=%s%s%s", (int)pid,
			   WEXITSTATUS(status), reason_row(en->last)->name,
			   en->last_text[0] != '\0' ? " text=" : "", en->last_text);
	engine_kill(s);
	return true;
}

/* From /proc/PID/stat: whether it is a living child of ours, in that group, a TDB worker */
static bool is_worker(const char *pid_text, pid_t group)
{
	char name[300], line[512], state;
	const char *comm, *comm_end;
	int parent, pgrp, n = -1;
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%s/stat", pid_text);
	f = fopen(name, "re");
	if (f == NULL)
		return false;
	if (fgets(line, sizeof(line), f) == NULL)
		line[0] = '\0';
	fclose(f);
	comm = strchr(line, '(');
	comm_end = strrchr(line, ')');
	if (comm == NULL || comm_end == NULL)
		return false;
	n = sscanf(comm_end + 1, " %c %d %d", &state, &parent, &pgrp);
	return n == 3 && parent == getpid() && pgrp == group && state != 'Z' &&
	       strncmp(comm + 1, WORKER_COMM, sizeof(WORKER_COMM) - 1) == 0;
}

static bool has_worker(pid_t group)
{
	DIR *d = opendir("/proc");
	struct dirent *entry;
	bool found = false;

	if (d == NULL)
		return true; /* in doubt there is one; ending is bounded */
	while (!found && (entry = readdir(d)) != NULL) {
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9')
			found = is_worker(entry->d_name, group);
	}
	closedir(d);
	return found;
}

void engine_check_ended(struct supervisor *s)
{
	struct supervisor_engine *en = &s->engine;

	if (en->pid == 0 || !en->is_reaped)
		return;
	/* no child of ours left in the group: none of them can be a worker */
	if (waitid(P_PGID, (id_t)en->pid, &(siginfo_t){ 0 }, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	    has_worker(en->pid))
		return;
	en->pid = 0;
	s->is_engine_ended = true;
}

void engine_forget_clients(struct supervisor *s)
{
	s->engine.clients_n = 0;
}
