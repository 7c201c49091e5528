/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gate.c: what has to be true before a generation is activated. The leader opens the gates in this
 * order; each says for whom it waits.
 *
 *   quorum    corosync's, reported for the same ring as the group
 *   topology  a joiner whose corosync and CIB disagree about it is kept out; nobody else is
 *   fencing   every incarnation that was active and is gone has left, was revoked, is back with a
 *             new boot id, or was fenced after it was admitted (fact.c)
 *   lock      the leader holds the recovery lock, and every joiner's try at it was refused. A joiner
 *             that gets it sees another file system than we do, and stays out.
 *
 * The lock is taken after fencing: its last holder may be the one that has to be fenced first.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "internal.h"

#define LOCK_RETRY_MS 250
#define FENCE_RETRY_MS 10000
#define FENCE_RETRY_MAX_MS 60000

void gate_set(struct core *c, enum core_gate which, bool is_open, enum reason why, const char *format, ...)
{
	struct gate *g = &c->gate[which];
	char text[sizeof(g->text)];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (g->is_open != is_open || g->reason != why || g->since_ms == 0)
		g->since_ms = core_now(c);
	else if (strcmp(g->text, text) == 0)
		return;
	if (!is_open)
		core_log(c, g->reason != why ? CORE_LOG_NOTICE : CORE_LOG_INFO, "%s | %s waited_ms=%llu",
			 reason_row(why)->text, text, (unsigned long long)(core_now(c) - c->view.begin_ms));
	g->is_open = is_open;
	g->reason = is_open ? REASON_NONE : why;
	memcpy(g->text, text, sizeof(g->text));
	c->ops->status_changed(c->world);
}

static const char *name_of(const struct core *c, uint32_t pnn)
{
	return pnn < CORE_MAX_NODES && c->node[pnn] != NULL && c->node[pnn]->name[0] ? c->node[pnn]->name : "?";
}

/* ---- quorum ---- */

bool gate_quorum(struct core *c)
{
	const struct view *v = &c->view;
	bool is_same = v->ring.node == v->quorum_ring.node && v->ring.seq == v->quorum_ring.seq;

	if (core_has_bug(c, CORE_BUG_NO_QUORUM_GATE))
		return true;
	if (!is_same)
		gate_set(c, CORE_GATE_QUORUM, false, REASON_RING_CHANGING, "group_ring=%u.%llu quorum_ring=%u.%llu", v->ring.node,
			 (unsigned long long)v->ring.seq, v->quorum_ring.node, (unsigned long long)v->quorum_ring.seq);
	else if (!v->is_quorate)
		gate_set(c, CORE_GATE_QUORUM, false, REASON_NO_QUORUM, "members=%zu", v->n);
	else
		gate_set(c, CORE_GATE_QUORUM, true, REASON_NONE, "%s", "");
	return is_same && v->is_quorate;
}

/* I4: without quorum a node stops its clients until it knows more */
void gate_freeze(struct core *c)
{
	if (c->is_retired || !c->is_active)
		return;
	if (!c->view.is_quorate && !c->is_frozen && !core_has_bug(c, CORE_BUG_NO_QUORUM_GATE)) {
		c->is_frozen = true;
		core_log(c, CORE_LOG_WARNING, "quorum is lost: clients are stopped until it is back | generation=%u", c->generation);
		c->ops->freeze(c->world);
		c->ops->status_changed(c->world);
	} else if (c->view.is_quorate && c->is_frozen && c->view.fsm.state == CORE_VIEW_ACTIVE) {
		c->is_frozen = false;
		core_log(c, CORE_LOG_NOTICE, "quorum is back: clients go on | generation=%u", c->generation);
		c->ops->unfreeze(c->world);
		c->ops->status_changed(c->world);
	}
}

void core_frozen(struct core *c)
{
	core_log(c, CORE_LOG_NOTICE, "all volatile databases are frozen | generation=%u", c->generation);
}

/* ---- fencing ---- */

/* Is it certain that inc can write no more? */
static bool departed_is_over(struct core *c, struct incarnation inc)
{
	for (size_t i = 0; i < c->view.n; i++) {
		const struct member *m = &c->view.member[i];

		/* here still (evicted ones retire by themselves: not over), or back as another */
		if (m->pnn == inc.pnn)
			return m->boot_id != inc.boot_id;
	}
	return fact_known(c, inc);
}

static bool member_is_active_still(const struct core *c, struct incarnation inc)
{
	for (size_t i = 0; i < c->view.n; i++) {
		const struct member *m = &c->view.member[i];

		if (m->pnn == inc.pnn && m->boot_id == inc.boot_id)
			return !m->is_joiner;
	}
	return false;
}

static const struct departed *departed_find(const struct core *c, struct incarnation inc)
{
	for (size_t i = 0; i < c->departed_n; i++)
		if (incarnation_equal(c->departed[i].inc, inc))
			return &c->departed[i];
	return NULL;
}

/* The list of those still waited for, made anew, with what was known of each kept */
static void departed_update(struct core *c)
{
	const struct view *v = &c->view;
	struct departed *list = core_alloc((v->before_n + 1) * sizeof(*list));
	size_t n = 0;

	for (size_t i = 0; i < v->before_n; i++) {
		struct incarnation inc = v->before[i];
		const struct departed *old = departed_find(c, inc);

		if (member_is_active_still(c, inc) || departed_is_over(c, inc) || incarnation_equal(inc, c->config.self))
			continue;
		if (old != NULL) {
			list[n++] = *old;
			continue;
		}
		list[n].inc = inc;
		list[n].since_ms = core_now(c);
		n++;
	}
	free(c->departed);
	c->departed = list;
	c->departed_n = n;
}

/* Ask for fencing where nobody else seems to */
static void departed_request(struct core *c, struct departed *d)
{
	uint64_t now = core_now(c), back_off;
	struct node *n = node_get(c, d->inc.pnn);

	if (d->request_ms == 0)
		d->request_ms = now + (n->has_supervisor ? c->config.revoke_timeout_ms : c->config.fence_grace_ms);
	if (now < d->request_ms)
		return;
	back_off = (uint64_t)FENCE_RETRY_MS << (d->tries < 3 ? d->tries : 3);
	d->tries++;
	d->request_ms = now + (back_off < FENCE_RETRY_MAX_MS ? back_off : FENCE_RETRY_MAX_MS);
	core_log(c, CORE_LOG_WARNING, "asking Pacemaker to fence a lost node | node=%s(%u) try=%u waited_ms=%llu",
		 name_of(c, d->inc.pnn), d->inc.pnn, d->tries, (unsigned long long)(now - d->since_ms));
	c->ops->fence_request(c->world, d->inc);
}

static bool fencing_check(struct core *c)
{
	const struct departed *d;

	departed_update(c);
	if (c->departed_n == 0 || c->config.allow_unfenced || core_has_bug(c, CORE_BUG_NO_FENCING_GATE)) {
		gate_set(c, CORE_GATE_FENCING, true, REASON_NONE, "%s", "");
		return true;
	}
	d = &c->departed[0];
	gate_set(c, CORE_GATE_FENCING, false, d->result[0] ? REASON_FENCING_FAILED : REASON_FENCING_PENDING,
		 "node=%s(%u) and %zu more; requests=%u%s%s", name_of(c, d->inc.pnn), d->inc.pnn, c->departed_n - 1, d->tries,
		 d->result[0] ? " last_error=" : "", d->result);
	return false;
}

bool gate_fencing(struct core *c)
{
	if (fencing_check(c))
		return true;
	for (size_t i = 0; i < c->departed_n; i++)
		departed_request(c, &c->departed[i]);
	return false;
}

/* ---- recovery lock ---- */

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
	return c->lock.asked_n > 0 && core_now(c) - c->lock.asked[0].asked_ms >= c->config.lock_timeout_ms;
}

/* This node cannot take it: another may lead, or, in an active view, all begin again */
static void lock_give_up(struct core *c, enum reason why)
{
	gate_set(c, CORE_GATE_LOCK, false, why, "node=%s(%u)", name_of(c, c->self), c->self);
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
	gate_set(c, CORE_GATE_LOCK, false, REASON_LOCK_PENDING, "node=%s(%u)", name_of(c, c->self), c->self);
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

		if (!m->is_joiner || m->pnn == c->self || (m->kept_out != REASON_NONE && !m->has_tried))
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
		gate_set(c, CORE_GATE_LOCK, false, REASON_ADMISSION_PENDING, "node=%s(%u) and %zu more", name_of(c, who), who,
			 missing - 1);
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
void gate_lock_probe(struct core *c, uint64_t digest)
{
	if (!c->config.has_lock)
		control_send_tried(c, digest, REASON_LOCK_ERROR);
	else if (!lock_ask(c, LOCK_Q_PROBE, digest))
		core_log(c, CORE_LOG_ERROR, "the recovery lock cannot be tried: earlier tries hang | tries=%zu", c->lock.asked_n);
}

static void lock_tried(struct core *c, uint64_t digest, enum core_lock_result r)
{
	static const enum reason verdict[] = {
		[CORE_LOCK_HELD] = REASON_LOCK_NOT_SHARED,
		[CORE_LOCK_REFUSED] = REASON_NONE,
		[CORE_LOCK_ERROR] = REASON_LOCK_ERROR,
		[CORE_LOCK_NOT_EMPTY] = REASON_LOCK_NOT_EMPTY,
	};

	control_send_tried(c, digest, verdict[r]);
	/* Too late for that view, which has kept us out for want of an answer: ask for another */
	if (digest == c->view.digest && c->reason == REASON_ADMISSION_NO_ANSWER && r == CORE_LOCK_REFUSED)
		control_send_restart(c);
}

static void lock_answered(struct core *c, enum lock_question what, enum core_lock_result r, struct core_lock_id id)
{
	struct lock *l = &c->lock;

	if (r == CORE_LOCK_HELD) {
		l->is_held = true;
		l->since_ms = 0;
		l->id = id;
		if (what == LOCK_Q_CHECK)
			l->is_checked = true;
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

void core_lock_result(struct core *c, enum core_lock_result r, struct core_lock_id id, const char *text)
{
	struct lock *l = &c->lock;
	enum lock_question what;
	uint64_t digest;

	if (c->is_retired || l->asked_n == 0)
		return;
	what = l->asked[0].what;
	digest = l->asked[0].digest;
	memmove(&l->asked[0], &l->asked[1], --l->asked_n * sizeof(l->asked[0]));
	if (r == CORE_LOCK_ERROR || r == CORE_LOCK_NOT_EMPTY)
		core_log(c, CORE_LOG_ERROR, "the recovery lock cannot be used | error=%s", text);
	if (what == LOCK_Q_PROBE)
		lock_tried(c, digest, r);
	else if (view_is_leading(c) || c->leader == c->self)
		lock_answered(c, what, r, id);
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
	l->retry_ms = core_now(c) + LOCK_RETRY_MS;
	if (was_probing)
		gate_lock_probe(c, c->view.digest);
	if (c->view.fsm.state == CORE_VIEW_GATED && c->view.is_held_sent && view_is_leading(c))
		control_send_restart(c);
	view_tick(c);
	c->ops->status_changed(c->world);
	core_run(c);
}

/* ---- topology ---- */

void core_topology(struct core *c, enum reason verdict, const char *text)
{
	bool is_changed = c->topology != verdict;
	size_t len = strlen(text);

	if (len >= sizeof(c->topology_text))
		len = sizeof(c->topology_text) - 1;
	memcpy(c->topology_text, text, len);
	c->topology_text[len] = '\0';
	c->topology = verdict;
	gate_set(c, CORE_GATE_TOPOLOGY, verdict == REASON_NONE, verdict, "%s", c->topology_text);
	if (is_changed && !c->is_active && c->view.n > 0 && !c->is_retired)
		control_send_restart(c);
	core_run(c);
}

/* ---- for everybody ---- */

void gate_observe(struct core *c)
{
	uint32_t who = c->view.candidate;

	gate_quorum(c);
	fencing_check(c);
	if (c->config.has_lock && who != CORE_UNKNOWN_PNN)
		gate_set(c, CORE_GATE_LOCK, false, REASON_LOCK_PENDING, "leader=%s(%u)", name_of(c, who), who);
	else if (c->config.has_lock)
		gate_set(c, CORE_GATE_LOCK, false, REASON_LOCK_BUSY, "every member has failed");
}

uint64_t gate_deadline(const struct core *c)
{
	uint64_t t = UINT64_MAX;
	const struct lock *l = &c->lock;

	if (view_is_leading(c)) {
		for (size_t i = 0; i < c->departed_n; i++)
			if (c->departed[i].request_ms != 0 && c->departed[i].request_ms < t)
				t = c->departed[i].request_ms;
		if (c->view.is_held_sent && c->view.held_ms + c->config.lock_timeout_ms < t)
			t = c->view.held_ms + c->config.lock_timeout_ms;
	}
	if (!c->config.has_lock || c->view.is_lock_failed_sent)
		return t;
	if (view_is_leading(c) || (c->view.fsm.state == CORE_VIEW_ACTIVE && c->leader == c->self && !l->is_held)) {
		if (l->asked_n > 0 && l->asked[0].asked_ms + c->config.lock_timeout_ms < t)
			t = l->asked[0].asked_ms + c->config.lock_timeout_ms;
		if (!l->is_held && l->asked_n == 0 && l->retry_ms < t)
			t = l->retry_ms;
		if (!l->is_held && l->since_ms != 0 && l->since_ms + c->config.lock_timeout_ms < t)
			t = l->since_ms + c->config.lock_timeout_ms;
	}
	return t;
}
