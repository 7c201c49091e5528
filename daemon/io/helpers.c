/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * helpers.c: the channel to the supervisor, its heartbeat, and the restarting of helpers. A
 * helper that ends is started again at once the first time, then after a pause that doubles up to
 * five seconds; when it has lived for ten seconds the pause is forgotten.
 */
#include "helpers_private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include "cluster.h"
#include "daemon/fatal.h"
#include "daemon/log.h"
#include "store.h"

enum {
	HEARTBEAT_MS = 1000,
	SUPERVISOR_WAIT_MS = 5000,
	SUPERVISOR_QUEUE = 65536,
	HELPER_BACKOFF_MIN_MS = 50,
	HELPER_BACKOFF_MAX_MS = 5000,
	HELPER_LIVED_MS = 10000,
};

/* ---- helpers -----------------------------------------------------------------------------------
 */

static void helper_restart(void *data)
{
	struct helper *h = data;

	h->is_restart_armed = false;
	if (h->engine->is_stopping)
		return;
	h->restarts++;
	helper_start(h);
	engine_after_event(h->engine);
}

static void helper_restart_later(struct helper *h)
{
	uint64_t lived_ms = engine_now_ms() - h->started_ms;

	if (lived_ms >= HELPER_LIVED_MS)
		h->backoff_ms = 0;
	if (qb_loop_timer_add(h->engine->loop, QB_LOOP_HIGH, h->backoff_ms * QB_TIME_NS_IN_MSEC, h,
			      helper_restart, &h->restart_timer) != 0)
		fatal(REASON_ENGINE_RESTARTING, "no timer for a helper");
	h->is_restart_armed = true;
	h->backoff_ms = h->backoff_ms == 0 ? HELPER_BACKOFF_MIN_MS : h->backoff_ms * 2;
	if (h->backoff_ms > HELPER_BACKOFF_MAX_MS)
		h->backoff_ms = HELPER_BACKOFF_MAX_MS;
}

void helper_start(struct helper *h)
{
	h->started_ms = engine_now_ms();
	if (channel_child(&h->channel, h->engine, h->program, h->queue_max, h->events, h) != 0) {
		helper_restart_later(h);
		return;
	}
	if (h->started != NULL)
		h->started(h);
}

void helper_ended(struct helper *h)
{
	h->is_connected = false;
	log_warning("a helper has ended and is started again | program=%s pid=%d restarts=%u",
		    h->program, (int)h->channel.pid, h->restarts);
	helper_restart_later(h);
}

void helper_close(struct helper *h)
{
	if (!h->is_configured)
		return;
	if (h->is_restart_armed)
		qb_loop_timer_del(h->engine->loop, h->restart_timer);
	channel_close(&h->channel);
}

void helper_status(const struct helper *h, struct helper_status *s)
{
	*s = (struct helper_status){
		.is_configured = h->is_configured,
		.is_alive = h->is_configured && channel_is_open(&h->channel),
		.restarts = h->restarts,
		.is_connected = h->is_connected,
	};
	if (s->is_alive)
		s->pid = (uint32_t)h->channel.pid;
	memcpy(s->text, h->text, sizeof(s->text));
}

/* ---- supervisor --------------------------------------------------------------------------------
 */

static void supervisor_send(struct engine *e, const struct writer *w)
{
	int rc;

	if (e->helpers == NULL || !channel_is_open(&e->helpers->supervisor))
		return;
	rc = channel_send(&e->helpers->supervisor, w);
	if (rc != 0 && !e->is_stopping)
		engine_stop(e, REASON_ENGINE_RESTARTING, "the supervisor takes no packets");
}

static void supervisor_packet(struct channel *ch, enum ipc_type type, struct cursor *c)
{
	struct engine *e = ch->engine;
	struct incarnation inc;
	uint32_t flag;

	switch (type) {
	case IPC_STOP:
		engine_leave(e);
		return;
	case IPC_RESOLVED:
		if (cursor_u32(c, &inc.pnn) || cursor_u64(c, &inc.boot_id) || cursor_u32(c, &flag))
			break;
		if (flag != 0)
			core_left(e->core, inc);
		else
			core_revoked(e->core, inc);
		return;
	case IPC_SUPERVISOR:
		if (cursor_u32(c, &inc.pnn) || cursor_u32(c, &flag))
			break;
		core_supervisor(e->core, inc.pnn, flag != 0, flag == 2);
		return;
	case IPC_STARTED:
		if (cursor_u32(c, &inc.pnn) || cursor_u64(c, &inc.boot_id))
			break;
		core_started(e->core, inc);
		return;
	case IPC_WRITTEN:
		if (cursor_u32(c, &flag))
			break;
		core_persisted(e->core, flag);
		return;
	default:
		break;
	}
	log_error("packet of the supervisor is not understood | type=%d", (int)type);
}

static void supervisor_ended(struct channel *ch)
{
	engine_stop(ch->engine, REASON_STOPPING, "the supervisor has ended");
}

static const struct channel_events supervisor_events = {
	.packet = supervisor_packet,
	.ended = supervisor_ended,
};

static void supervisor_heartbeat(void *data)
{
	struct engine *e = data;
	uint8_t buf[IPC_MAX];
	struct writer w = ipc_begin(buf, IPC_HEARTBEAT);

	e->helpers->is_heartbeat_armed = false;
	if (e->is_stopping)
		return;
	supervisor_send(e, &w);
	store_watch(e, e->options->number[OPTION_hang_timeout]);
	channel_watch(&e->helpers->pacemaker.helper.channel, e->options->number[OPTION_hang_timeout]);
	if (qb_loop_timer_add(e->loop, QB_LOOP_HIGH, (uint64_t)HEARTBEAT_MS * QB_TIME_NS_IN_MSEC, e,
			      supervisor_heartbeat, &e->helpers->heartbeat_timer) != 0)
		fatal(REASON_ENGINE_RESTARTING, "no timer for the heartbeat");
	e->helpers->is_heartbeat_armed = true;
}

static int supervisor_first_packet(struct helpers_persisted *persisted)
{
	struct pollfd p = { .fd = IPC_FD, .events = POLLIN };
	uint8_t buf[IPC_MAX], is_outside;
	struct cursor c;
	uint32_t n;
	int rc;

	rc = poll(&p, 1, SUPERVISOR_WAIT_MS);
	if (rc < 0)
		return -errno;
	if (rc == 0)
		return -ETIMEDOUT;
	rc = ipc_receive(IPC_FD, buf, &c);
	if (rc < 0)
		return rc;
	if (rc != IPC_PERSISTED || cursor_u32(&c, &persisted->generation) ||
	    cursor_u8(&c, &is_outside) || cursor_u32(&c, &n) || n > CORE_MAX_NODES)
		return -EBADMSG;
	persisted->is_outside = is_outside != 0;
	for (persisted->n = 0; persisted->n < n; persisted->n++) {
		struct incarnation *inc = &persisted->active[persisted->n];

		if (cursor_u32(&c, &inc->pnn) || cursor_u64(&c, &inc->boot_id))
			return -EBADMSG;
	}
	return cursor_end(&c) ? -EBADMSG : 0;
}

int helpers_open(struct engine *e, struct helpers_persisted *persisted)
{
	struct helpers *h;
	int flags, rc;

	rc = supervisor_first_packet(persisted);
	if (rc != 0)
		return rc;
	flags = fcntl(IPC_FD, F_GETFL);
	if (flags < 0 || fcntl(IPC_FD, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(IPC_FD, F_SETFD, FD_CLOEXEC) < 0)
		return -errno;
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		return -ENOMEM;
	e->helpers = h;
	return channel_open(&h->supervisor, e, IPC_FD, SUPERVISOR_QUEUE, &supervisor_events, h);
}

int helpers_start(struct engine *e)
{
	if (e->options->text[OPTION_recovery_lock][0] != '\0')
		reclock_open(e);
	pacemaker_open(e);
	supervisor_heartbeat(e);
	return e->is_stopping ? -EIO : 0;
}

void helpers_close(struct engine *e)
{
	struct helpers *h = e->helpers;

	if (h == NULL)
		return;
	if (h->is_heartbeat_armed)
		qb_loop_timer_del(e->loop, h->heartbeat_timer);
	helper_close(&h->reclock.helper);
	helper_close(&h->pacemaker.helper);
	channel_close(&h->supervisor);
	free(h);
	e->helpers = NULL;
}

void helpers_last(struct engine *e, enum reason why, const char *text)
{
	uint8_t buf[IPC_MAX];
	struct writer w = ipc_begin(buf, IPC_ENGINE_LAST);

	writer_u32(&w, (uint32_t)why);
	writer_text(&w, text);
	supervisor_send(e, &w);
}

void helpers_client(struct engine *e, uint32_t pid, bool is_connected)
{
	uint8_t buf[IPC_MAX];
	struct writer w = ipc_begin(buf, IPC_CLIENT);

	writer_u32(&w, pid);
	writer_u32(&w, is_connected);
	supervisor_send(e, &w);
}

void helpers_persist(struct engine *e, const struct core_past *past)
{
	uint8_t buf[IPC_MAX];
	struct writer w = ipc_begin(buf, IPC_PERSIST);

	writer_u32(&w, past->generation);
	writer_u8(&w, past->is_outside);
	writer_u32(&w, (uint32_t)past->n);
	for (size_t i = 0; i < past->n; i++) {
		writer_u32(&w, past->active[i].pnn);
		writer_u64(&w, past->active[i].boot_id);
	}
	supervisor_send(e, &w);
}

void helpers_status_changed(struct engine *e)
{
	struct helpers *h = e->helpers;
	struct core_status s;
	uint8_t buf[IPC_MAX];
	struct writer w;

	core_status(e->core, &s);
	pacemaker_status_changed(e, &s);
	if (h->is_told && h->told_reason == s.reason && h->told_active == s.is_active &&
	    h->told_generation == s.generation && h->told_leader == s.leader &&
	    strcmp(h->told_text, s.text) == 0)
		return;
	h->is_told = true;
	h->told_reason = s.reason;
	h->told_active = s.is_active;
	h->told_generation = s.generation;
	h->told_leader = s.leader;
	memcpy(h->told_text, s.text, sizeof(h->told_text));
	w = ipc_begin(buf, IPC_ENGINE_STATE);
	writer_u32(&w, (uint32_t)s.reason);
	writer_u32(&w, s.is_active);
	writer_u32(&w, s.generation);
	writer_u32(&w, s.leader);
	writer_text(&w, s.text);
	supervisor_send(e, &w);
}
