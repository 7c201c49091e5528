/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * helpers_reclock.c: the recovery lock, which another process holds, because the cluster file
 * system may hang for minutes.
 *
 * The helper answers each request once, in order, but perhaps long after the core has given up
 * waiting and has asked something else. The core keeps count of what it has asked, so it gets every
 * answer, late ones too, and knows by the order to which question each belongs. Where that count
 * cannot be kept, because a request was not taken or the helper has ended, the helper is started
 * anew, and the core is told so and forgets what it had asked. The lock lives and dies with the
 * process: when it ends while it held the lock, the core hears of it before anything else.
 */
#include "helpers_private.h"

#include <errno.h>
#include <string.h>
#include "daemon/log.h"

static struct reclock *reclock_of(struct engine *e)
{
	return &e->helpers->reclock;
}

static void reclock_ask(struct engine *e, enum ipc_type type)
{
	struct reclock *r = reclock_of(e);
	uint8_t buf[IPC_MAX];
	struct writer w = ipc_begin(buf, type);
	int rc;

	if (!r->helper.is_configured)
		return;
	if (!channel_is_open(&r->helper.channel))
		return; /* being started again: reclock_started() puts it right */
	rc = r->requests_n == RECLOCK_REQUESTS ? -EAGAIN : channel_send(&r->helper.channel, &w);
	if (rc != 0) {
		log_warning("the recovery lock's helper takes no requests and is killed | "
			    "waiting=%zu error=%s",
			    r->requests_n, strerror(-rc));
		channel_close(&r->helper.channel);
		r->is_holding = false;
		r->requests_n = 0;
		helper_ended(&r->helper);
		return;
	}
	r->request[r->requests_n++] = (struct reclock_request){
		.type = type,
		.sent_ms = engine_now_ms(),
	};
}

static void reclock_answered(struct reclock *r, enum core_lock_result result,
			     struct core_lock_id id, const char *text)
{
	struct engine *e = r->helper.engine;
	enum ipc_type type;

	if (r->requests_n == 0) {
		log_error("the recovery lock's helper answers what nobody asked");
		return;
	}
	type = r->request[0].type;
	memmove(&r->request[0], &r->request[1], --r->requests_n * sizeof(r->request[0]));
	if (type == IPC_LOCK_TRY || type == IPC_LOCK_CHECK)
		r->is_holding = result == CORE_LOCK_HELD;
	else if (type == IPC_LOCK_RELEASE)
		r->is_holding = false;
	if (type == IPC_LOCK_RELEASE)
		return;
	core_lock_result(e->core, result, id, text);
}

static void reclock_packet(struct channel *ch, enum ipc_type type, struct cursor *c)
{
	struct helper *h = ch->owner;
	struct reclock *r = reclock_of(h->engine);
	struct core_lock_id id;
	uint32_t result;

	if (type != IPC_LOCK_RESULT || cursor_u32(c, &result) || cursor_u64(c, &id.dev) ||
	    cursor_u64(c, &id.ino) || cursor_u64(c, &id.size) ||
	    cursor_u64(c, &r->last_latency_us) || cursor_text(c, h->text, sizeof(h->text)) ||
	    result > CORE_LOCK_NOT_EMPTY) {
		log_error("packet of the recovery lock's helper is not understood | type=%d",
			  (int)type);
		return;
	}
	reclock_answered(r, (enum core_lock_result)result, id, h->text);
}

static void reclock_ended(struct channel *ch)
{
	struct helper *h = ch->owner;
	struct reclock *r = reclock_of(h->engine);
	bool was_holding = r->is_holding;

	r->is_holding = false;
	/* A try that was under way may have got the lock, but did not keep it */
	r->requests_n = 0;
	if (was_holding)
		core_lock_lost(h->engine->core,
			       "the process that held the recovery lock has ended");
	helper_ended(h);
}

/* A new one knows nothing of what its predecessor was asked, or of what was asked between the two
 */
static void reclock_started(struct helper *h)
{
	struct reclock *r = reclock_of(h->engine);

	r->requests_n = 0;
	r->is_holding = false;
	if (h->restarts > 0)
		core_lock_lost(h->engine->core, "its helper was started again");
}

static const struct channel_events reclock_events = {
	.packet = reclock_packet,
	.ended = reclock_ended,
};

void reclock_open(struct engine *e)
{
	struct helper *h = &reclock_of(e)->helper;

	*h = (struct helper){
		.engine = e,
		.program = "cotdb-reclock",
		.events = &reclock_events,
		.started = reclock_started,
		.queue_max = RECLOCK_REQUESTS,
		.is_configured = true,
	};
	helper_start(h);
}

void helpers_lock_try(struct engine *e)
{
	reclock_ask(e, IPC_LOCK_TRY);
}

void helpers_lock_probe(struct engine *e)
{
	reclock_ask(e, IPC_LOCK_PROBE);
}

void helpers_lock_check(struct engine *e)
{
	reclock_ask(e, IPC_LOCK_CHECK);
}

void helpers_lock_release(struct engine *e)
{
	reclock_ask(e, IPC_LOCK_RELEASE);
}

void helpers_reclock_status(const struct engine *e, struct helper_status *s)
{
	const struct reclock *r = &e->helpers->reclock;

	helper_status(&r->helper, s);
	s->is_connected = s->is_alive;
	s->last_latency_us = r->last_latency_us;
	if (r->requests_n > 0)
		s->waiting_ms = engine_now_ms() - r->request[0].sent_ms;
}
