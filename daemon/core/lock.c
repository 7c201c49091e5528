/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lock.c: the recovery lock: one byte of one file on the cluster file system, held by the leader
 * (I7), and the refused try. The leader takes it after fencing (its last holder may be the one that
 * had to be fenced) and multicasts HELD; each joiner tries once and has to be refused. One that
 * gets it sees another file system than the leader does, and stays out; so does one that does not
 * answer in lock_timeout. Then the leader makes sure that it holds the lock still, else the
 * refusals say nothing. What was admitted once is not asked again.
 *
 * The helper may hang for as long as the file system does; it answers in the order of the
 * questions.
 */
#include <stdlib.h>
#include "internal.h"

#define LOCK_RETRY_MS 250

static bool lock_is_asked(const struct core *c, enum lock_question what)
{
	for (size_t i = 0; i < c->lock.asked_n; i++)
		if (c->lock.asked[i].what == what)
			return true;
	return false;
}

static bool lock_ask(struct core *c, enum lock_question what, uint64_t digest)
{
	struct lock *l = &c->lock;

	if (l->asked_n == sizeof(l->asked) / sizeof(l->asked[0]))
		return false; /* it hangs already */
	l->asked[l->asked_n].what = what;
	l->asked[l->asked_n].digest = digest;
	l->asked[l->asked_n].asked_ms = core_now(c);
	l->asked_n++;
	if (what == LOCK_Q_TRY)
		c->ops->lock_try(c->world);
	else if (what == LOCK_Q_PROBE)
		c->ops->lock_probe(c->world);
	else
		c->ops->lock_check(c->world);
	return true;
}

static bool lock_is_hung(struct core *c)
{
	return c->lock.asked_n > 0 &&
	       core_now(c) - c->lock.asked[0].asked_ms >= c->config.lock_timeout_ms;
}

/* This node cannot take it: another may lead, or, in an active view, all begin again */
static void lock_give_up(struct core *c, enum reason why)
{
	gate_set(c, CORE_GATE_LOCK, false, why, "node=%s(%u)", node_name(c, c->self), c->self);
	c->lock.failure = why;
	if (c->view.is_lock_failed_sent)
		return;
	c->view.is_lock_failed_sent = true;
	if (c->view.fsm.state == CORE_VIEW_GATED)
		control_send_lock_failed(c, why);
	else
		control_send_restart(c);
}

static bool lock_take(struct core *c)
{
	struct lock *l = &c->lock;
	uint64_t now = core_now(c);

	if (l->is_held)
		return true;
	if (l->since_ms == 0)
		l->since_ms = now;
	if (lock_is_hung(c)) {
		lock_give_up(c, REASON_LOCK_HUNG);
		return false;
	}
	if (now - l->since_ms >= c->config.lock_timeout_ms) {
		lock_give_up(c, REASON_LOCK_BUSY);
		return false;
	}
	gate_set(c, CORE_GATE_LOCK, false, REASON_LOCK_PENDING, "node=%s(%u)",
		 node_name(c, c->self), c->self);
	if (now >= l->retry_ms && !lock_is_asked(c, LOCK_Q_TRY))
		lock_ask(c, LOCK_Q_TRY, c->view.digest);
	return false;
}

/* Every joiner but ourselves has answered, or is late and stays out */
static bool lock_joiners_tried(struct core *c)
{
	struct view *v = &c->view;
	bool is_late = v->is_held_sent && core_now(c) - v->held_ms >= c->config.lock_timeout_ms;
	size_t joiners = 0, missing = 0;
	uint32_t who = CORE_UNKNOWN_PNN;

	for (size_t i = 0; i < v->n; i++) {
		struct member *m = &v->member[i];

		if (!m->is_joiner || m->pnn == c->self ||
		    (m->kept_out != REASON_NONE && !m->has_tried))
			continue;
		joiners++;
		if (m->has_tried)
			continue;
		if (is_late) {
			m->kept_out = REASON_ADMISSION_NO_ANSWER;
			continue;
		}
		missing++;
		who = m->pnn;
	}
	if (joiners == 0) {
		c->lock.is_checked = true;
		return true;
	}
	if (!v->is_held_sent) {
		v->is_held_sent = true;
		v->held_ms = core_now(c);
		control_send_held(c);
	}
	if (missing > 0)
		gate_set(c, CORE_GATE_LOCK, false, REASON_ADMISSION_PENDING,
			 "node=%s(%u) and %zu more", node_name(c, who), who, missing - 1);
	return missing == 0;
}

bool gate_lock(struct core *c)
{
	if (!c->config.has_lock || c->is_retired) {
		gate_set(c, CORE_GATE_LOCK, true, REASON_NONE, "%s", "");
		return true;
	}
	if (!lock_take(c))
		return false;
	if (c->view.fsm.state == CORE_VIEW_ACTIVE) {
		gate_set(c, CORE_GATE_LOCK, true, REASON_NONE, "%s", "");
		return true;
	}
	if (!lock_joiners_tried(c))
		return false;
	if (!c->lock.is_checked) { /* STILL HELD: else the refusals say nothing */
		if (lock_is_hung(c))
			lock_give_up(c, REASON_LOCK_HUNG);
		else if (!lock_is_asked(c, LOCK_Q_CHECK))
			lock_ask(c, LOCK_Q_CHECK, c->view.digest);
		return false;
	}
	gate_set(c, CORE_GATE_LOCK, true, REASON_NONE, "%s", "");
	return true;
}

/* As joiner */
void gate_lock_probe(struct core *c, uint64_t digest, uint32_t holder)
{
	if (!c->config.has_lock) {
		control_send_tried(c, digest, holder, REASON_LOCK_ERROR);
	} else if (lock_ask(c, LOCK_Q_PROBE, digest)) {
		c->lock.asked[c->lock.asked_n - 1].holder = holder;
	} else {
		core_log(c, CORE_LOG_ERROR,
			 "the recovery lock cannot be tried yet: earlier tries hang | tries=%zu",
			 c->lock.asked_n);
		c->lock.owed_digest = digest;
		c->lock.owed_holder = holder;
	}
}

/* There is room now */
static void lock_probe_owed(struct core *c)
{
	uint64_t digest = c->lock.owed_digest;

	c->lock.owed_digest = 0;
	if (digest != 0 && digest == c->view.digest)
		gate_lock_probe(c, digest, c->lock.owed_holder);
}

static void lock_tried(struct core *c, uint64_t digest, uint32_t holder, enum core_lock_result r)
{
	static const enum reason verdict[] = {
		[CORE_LOCK_HELD] = REASON_LOCK_NOT_SHARED,
		[CORE_LOCK_REFUSED] = REASON_NONE,
		[CORE_LOCK_ERROR] = REASON_LOCK_ERROR,
		[CORE_LOCK_NOT_EMPTY] = REASON_LOCK_NOT_EMPTY,
	};

	control_send_tried(c, digest, holder, verdict[r]);
}

/* digest: of the view that it was asked in; a CHECK of an older one was done before the joiners of
 * this one tried, so it says nothing about them */
static void lock_answered(struct core *c, enum lock_question what, uint64_t digest,
			  enum core_lock_result r, struct core_lock_id id)
{
	struct lock *l = &c->lock;

	if (r == CORE_LOCK_HELD) {
		l->is_held = true;
		l->since_ms = 0;
		l->id = id;
		if (what == LOCK_Q_CHECK && digest == c->view.digest)
			l->is_checked = true;
		if (c->view.fsm.state == CORE_VIEW_ACTIVE) /* it was lost, and is back */
			gate_set(c, CORE_GATE_LOCK, true, REASON_NONE, "%s", "");
		return;
	}
	l->is_held = false;
	l->retry_ms = core_now(c) + LOCK_RETRY_MS;
	if (what == LOCK_Q_CHECK) { /* lost while joiners tried: begin again */
		control_send_restart(c);
		return;
	}
	if (r == CORE_LOCK_ERROR || r == CORE_LOCK_NOT_EMPTY)
		lock_give_up(c, r == CORE_LOCK_ERROR ? REASON_LOCK_ERROR : REASON_LOCK_NOT_EMPTY);
}

void core_lock_result(struct core *c, enum core_lock_result r, struct core_lock_id id,
		      const char *text)
{
	struct lock *l = &c->lock;
	enum lock_question what;
	uint64_t digest;
	uint32_t holder;

	if (c->is_retired || l->asked_n == 0)
		return;
	what = l->asked[0].what;
	digest = l->asked[0].digest;
	holder = l->asked[0].holder;
	memmove(&l->asked[0], &l->asked[1], --l->asked_n * sizeof(l->asked[0]));
	if (r == CORE_LOCK_ERROR || r == CORE_LOCK_NOT_EMPTY)
		core_log(c, CORE_LOG_ERROR, "the recovery lock cannot be used | error=%s", text);
	lock_probe_owed(c);
	if (what == LOCK_Q_PROBE)
		lock_tried(c, digest, holder, r);
	else if (view_is_leading(c) || c->leader == c->self)
		lock_answered(c, what, digest, r, id);
	else if (r == CORE_LOCK_HELD)
		c->ops->lock_release(c->world); /* the view has changed, another leads */
	view_lead(c);
	c->ops->status_changed(c->world);
	core_run(c);
}

void core_lock_lost(struct core *c, const char *text)
{
	struct lock *l = &c->lock;
	bool was_probing = lock_is_asked(c, LOCK_Q_PROBE);

	if (c->is_retired)
		return;
	if (l->is_held)
		core_log(c, CORE_LOG_ERROR, "the recovery lock is lost | error=%s", text);
	l->is_held = false;
	l->is_checked = false;
	l->asked_n = 0;
	l->owed_digest = 0; /* what was_probing asks again */
	l->retry_ms = core_now(c) + LOCK_RETRY_MS;
	if (was_probing)
		gate_lock_probe(c, c->view.digest, c->view.candidate);
	if (c->view.fsm.state == CORE_VIEW_GATED && c->view.is_held_sent && view_is_leading(c))
		control_send_restart(c);
	view_tick(c);
	c->ops->status_changed(c->world);
	core_run(c);
}

uint64_t lock_deadline(const struct core *c)
{
	const struct lock *l = &c->lock;
	bool is_lost = c->view.fsm.state == CORE_VIEW_ACTIVE && c->leader == c->self && !l->is_held;
	uint64_t t = UINT64_MAX, timeout = c->config.lock_timeout_ms;

	if (!c->config.has_lock || (!view_is_leading(c) && !is_lost))
		return t;
	if (c->view.is_held_sent && view_is_leading(c))
		t = c->view.held_ms + timeout;
	if (c->view.is_lock_failed_sent)
		return t;
	if (l->asked_n > 0 && l->asked[0].asked_ms + timeout < t)
		t = l->asked[0].asked_ms + timeout;
	if (!l->is_held && l->asked_n == 0 && l->retry_ms < t)
		t = l->retry_ms;
	if (!l->is_held && l->since_ms != 0 && l->since_ms + timeout < t)
		t = l->since_ms + timeout;
	return t;
}
