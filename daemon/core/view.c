/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * view.c: from a change of the CPG group to an active generation.
 *
 *   OUT      not in the group yet
 *   GATHER   every member multicasts STATE
 *   GATED    all STATE is in, so all members have computed the same plan; the leader opens the
 *            gates one after the other (gate.c), then multicasts ACTIVATE; on its delivery each
 *            member keeps the plan, and multicasts ACCEPT when it is on disk
 *   ACTIVE   ACCEPT of everybody in the plan was delivered
 *
 * Why two rounds: agreed delivery is not safe delivery. A leader that is cut off may be the only
 * one that its ACTIVATE reaches; others would then form a generation that knows nothing of the
 * joiners it let in. With ACCEPT, if anybody is active in a generation, everybody in its plan has
 * the plan, tells it in STATE, and the fencing gate waits for those in it. A plan that nobody has
 * activated makes the gate wait for somebody who did no harm, at worst.
 *
 * A view has two names. STATE and RESTART say who its members are. Those may meet again (C comes
 * and goes, and A and B are as before), and a message that a member could not send for a while, or
 * that corosync was slow to order, may be delivered only then. So all later messages name the view
 * also by the STATE that each member has told, which no other view has: an ACTIVATE, ACCEPT or
 * TRIED of an earlier view never counts. (The ring would not do: at a change of the group some
 * still know the old one, and one ring can see the same group twice.) A STATE of an earlier view
 * cannot be told from that of this one when it is delivered, but that one follows on the same
 * sender's heels: the second STATE of a member begins the view anew, on all alike.
 *
 * Every change of the group, and RESTART, begin again at GATHER. A node that was active goes on
 * serving in its old generation meanwhile: who owned a record still owns it, and packets of the old
 * generation are good until the receiver's own ACTIVATE (model: every receiver drops older ones).
 * What stops it is freezing (I4), eviction, or fencing.
 *
 * Who leads: the leader of the last active generation if it is here, else the lowest pnn among that
 * generation's members, so a joiner never takes the lock from them; on a cold start the lowest pnn.
 *
 * A member whose incarnation was active once and is not in the newest plan was evicted: it retires
 * and comes back as a new incarnation. One that is in it and has not heard that it became active
 * goes on.
 */
#include <errno.h>
#include <stdlib.h>
#include "drain.h"
#include "internal.h"
#include "traverse.h"
#include "vacuum.h"

#define RELEAD_MS 2000
#define SETTLE_MS 3000 /* a view that takes longer is told as a reason for not serving in full */

static const struct fsm_state view_states[] = {
	[CORE_VIEW_OUT] = { "out", FSM_TO(CORE_VIEW_GATHER) | FSM_TO(CORE_VIEW_OUT) },
	[CORE_VIEW_GATHER] = { "gather", FSM_TO(CORE_VIEW_GATHER) | FSM_TO(CORE_VIEW_GATED) |
					     FSM_TO(CORE_VIEW_OUT) },
	[CORE_VIEW_GATED] = { "gated", FSM_TO(CORE_VIEW_GATHER) | FSM_TO(CORE_VIEW_GATED) |
					   FSM_TO(CORE_VIEW_ACTIVE) | FSM_TO(CORE_VIEW_OUT) },
	[CORE_VIEW_ACTIVE] = { "active", FSM_TO(CORE_VIEW_GATHER) | FSM_TO(CORE_VIEW_OUT) },
};

void view_init(struct core *c)
{
	fsm_init(&c->view.fsm, "view", view_states, 4, CORE_VIEW_OUT, c->ops->log, c->world);
	c->view.candidate = CORE_UNKNOWN_PNN;
	c->view.relead_ms = UINT64_MAX;
}

static void view_move(struct core *c, enum core_view to, const char *why)
{
	fsm_move(&c->view.fsm, to, "%s | members=%zu generation=%u", why, c->view.n, c->generation);
	c->ops->status_changed(c->world);
}

struct member *view_member(const struct core *c, uint32_t pnn)
{
	for (size_t i = 0; i < c->view.n; i++)
		if (c->view.member[i].pnn == pnn)
			return &c->view.member[i];
	return NULL;
}

static uint64_t digest_add(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9E3779B97F4A7C15ULL;
	return h ^ h >> 32;
}

static void member_forget(struct member *m)
{
	free(m->known);
	free(m->active);
	free(m->started);
	free(m->dbs);
}

static void view_gather(struct core *c, const char *why)
{
	struct view *v = &c->view;

	detach_forget(c);
	wipe_gather(c);
	v->group = digest_add(0x636f746462ULL, v->restarts);
	v->digest = 0;
	v->round++;
	for (size_t i = 0; i < v->n; i++) {
		struct member *m = &v->member[i];

		v->group = digest_add(v->group, (uint64_t)m->pnn << 32 | m->pid);
		member_forget(m);
		*m = (struct member){ .pnn = m->pnn, .pid = m->pid };
	}
	v->plan_generation = 0;
	v->owes_accept = v->is_plan_active = false;
	v->candidate = CORE_UNKNOWN_PNN;
	v->is_held_sent = v->is_activate_sent = v->is_lock_failed_sent = false;
	v->relead_ms = UINT64_MAX;
	v->begin_ms = core_now(c);
	v->silent_ms = v->begin_ms + c->config.state_timeout_ms;
	v->settle_ms = v->begin_ms + SETTLE_MS;
	c->lock.is_checked = false;
	c->lock.since_ms = 0;
	link_gather(c);
	c->count.views++;
	progress_gather(c);
	view_move(c, v->n == 0 ? CORE_VIEW_OUT : CORE_VIEW_GATHER, why);
	/* It tells what is in the files: what was decided goes there first */
	v->owes_state = v->n > 0 && c->writing_n > 0;
	if (v->n > 0 && !v->owes_state)
		control_send_state(c);
	gate_freeze(c);
}

static int member_order(const void *a, const void *b)
{
	const struct core_member *x = a, *y = b;

	if (x->pnn != y->pnn)
		return x->pnn < y->pnn ? -1 : 1;
	return x->pid < y->pid ? -1 : x->pid > y->pid;
}

void core_membership(struct core *c, const struct core_member *m, size_t n, struct core_ring ring)
{
	struct view *v = &c->view;
	struct core_member *sorted;

	if (c->is_retired)
		return;
	v->ring = ring;
	v->restarts = 0;
	sorted = core_alloc((n + 1) * sizeof(*sorted));
	if (n > 0)
		memcpy(sorted, m, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), member_order);
	for (size_t i = 0; i < v->n; i++)
		member_forget(&v->member[i]);
	free(v->member);
	v->member = core_alloc((n + 1) * sizeof(*v->member));
	v->n = 0;
	for (size_t i = 0; i < n; i++)
		if (node_get(c, sorted[i].pnn) != NULL)
			v->member[v->n++] =
			    (struct member){ .pnn = sorted[i].pnn, .pid = sorted[i].pid };
	free(sorted);
	for (uint32_t i = 0; i < CORE_MAX_NODES; i++) {
		struct node *node = c->node[i];

		if (node == NULL || !node->is_member || i == c->self || view_member(c, i) != NULL)
			continue;
		/* Its session stays: it may come back as the incarnation that it was */
		node->is_member = node->is_connected = node->is_held = false;
		c->ops->peer_set(c->world, i, NULL);
	}
	c->node[c->self]->is_member = true;
	if (view_member(c, c->self) == NULL)
		v->n = 0;
	view_gather(c, "the group has changed");
	core_run(c);
}

void core_ring_id(struct core *c, struct core_ring ring)
{
	c->view.ring = ring;
	gate_freeze(c);
	view_lead(c);
	core_run(c);
}

void core_quorum(struct core *c, bool is_quorate, struct core_ring ring, const uint32_t *pnn,
		 size_t n)
{
	if (c->is_retired)
		return;
	for (uint32_t i = 0; i < CORE_MAX_NODES; i++)
		if (c->node[i] != NULL)
			c->node[i]->is_in_ring = false;
	for (size_t i = 0; i < n; i++) {
		struct node *in = node_get(c, pnn[i]);

		if (in != NULL)
			in->is_in_ring = true;
	}
	c->view.is_quorate = is_quorate;
	c->view.quorum_ring = ring;
	if (!is_quorate)
		fencing_wait(c);
	gate_freeze(c);
	view_lead(c);
	core_run(c);
}

void view_restart(struct core *c, const char *why)
{
	c->view.restarts++;
	view_gather(c, why);
}

bool view_speaks(const struct core *c, uint32_t protocol)
{
	for (size_t i = 0; i < c->view.n; i++)
		if (c->view.member[i].is_compatible && c->view.member[i].protocol_max < protocol)
			return false;
	return true;
}

static bool member_was_active(const struct core *c, const struct member *m)
{
	return m->active_generation != 0 && !known_is_evicted(c, m);
}

/* May m lead rather than best? */
static bool member_leads(const struct core *c, const struct member *m, const struct member *best)
{
	if (m->has_failed_lock || !m->is_compatible)
		return false;
	if (!member_was_active(c, m) &&
	    (m->topology != REASON_NONE || m->active_generation != 0 || m->has_other_db))
		return false;
	if (best == NULL)
		return true;
	if (member_was_active(c, m) != member_was_active(c, best))
		return member_was_active(c, m);
	if (member_was_active(c, m) && m->is_leader != best->is_leader)
		return m->is_leader;
	return m->pnn < best->pnn;
}

static void view_plan(struct core *c)
{
	struct view *v = &c->view;
	struct member *best = NULL, *self = view_member(c, c->self);

	for (size_t i = 0; i < v->n; i++) {
		struct member *m = &v->member[i];

		m->is_joiner = !member_was_active(c, m);
		m->has_tried = false;
		m->kept_out = REASON_NONE;
		if (m->is_joiner)
			m->kept_out = m->active_generation != 0 || m->has_other_db ? REASON_EVICTED
				      : !m->is_compatible			   ? REASON_VERSION
										   : m->topology;
		if (m->is_joiner && m->kept_out == REASON_NONE && link_is_missing(c, m))
			m->kept_out = REASON_NO_LINK;
		if (member_leads(c, m, best))
			best = m;
	}
	v->candidate = best != NULL ? best->pnn : CORE_UNKNOWN_PNN;
	if (v->candidate != c->self && c->lock.is_held) {
		/* taken in a view that was never active: who is to lead now needs it */
		c->lock.is_held = false;
		c->ops->lock_release(c->world);
	}
	if (best == NULL)
		v->relead_ms = core_now(c) + RELEAD_MS;
	if (self->kept_out == REASON_EVICTED && !core_has_bug(c, CORE_BUG_OLD_GENERATION)) {
		c->is_retired = true;
		c->ops->retire(c->world, REASON_EVICTED,
			       self->has_other_db
				   ? "a database here is not of the type that the cluster has"
				   : "the cluster went on without this node");
	}
}

/* Of what every member has said it is made: the same members may meet again, but not with the same
 * STATE */
static uint64_t view_digest(const struct view *v)
{
	uint64_t digest = v->group;

	for (size_t i = 0; i < v->n; i++)
		digest = digest_add(digest_add(digest, v->member[i].boot_id), v->member[i].round);
	return digest;
}

void view_state_in(struct core *c)
{
	for (size_t i = 0; i < c->view.n; i++)
		if (!c->view.member[i].has_state)
			return;
	if (c->is_retired)
		return;
	c->view.digest = view_digest(&c->view);
	known_settle(c);
	if (!db_settle(c))
		return;
	view_plan(c);
	if (c->is_retired)
		return;
	wipe_state_in(c);
	progress_gated(c);
	view_move(c, CORE_VIEW_GATED, "every member has told its state");
	link_state_in(c);
	view_lead(c);
}

bool view_is_leading(const struct core *c)
{
	return c->view.fsm.state == CORE_VIEW_GATED && c->view.candidate == c->self &&
	       !c->is_retired;
}

void view_lead(struct core *c)
{
	struct view *v = &c->view;

	if (c->is_retired || v->fsm.state != CORE_VIEW_GATED)
		return;
	if (!view_is_leading(c)) {
		gate_observe(c);
		return;
	}
	if (v->is_activate_sent || !gate_quorum(c) || !gate_fencing(c) || !gate_link(c) ||
	    !gate_lock(c))
		return;
	v->is_activate_sent = true;
	control_send_activate(c);
}

/* Ends the old generation's sessions with those that are gone: whoever comes back from one of them
 * is another incarnation. One that was never active may come back as the one that it was, and go
 * on with its session. */
static void view_forget(struct core *c)
{
	for (uint32_t i = 0; i < CORE_MAX_NODES; i++) {
		struct node *n = c->node[i];

		if (n == NULL)
			continue;
		if (n->is_active && !n->is_member) {
			session_reset(&n->session);
			n->boot_id = 0;
		}
		n->is_active = false;
	}
}

/* Of an active set: no other has the same incarnations. All know it in the same order. */
static uint64_t view_tag(const struct incarnation *in, size_t n)
{
	uint64_t tag = 0;

	for (size_t i = 0; i < n; i++)
		tag = digest_add(digest_add(tag, in[i].pnn), in[i].boot_id);
	return tag ^ tag >> 32;
}

static void view_activate(struct core *c)
{
	struct view *v = &c->view;
	struct member *self = view_member(c, c->self);
	const struct incarnation *in = c->known;
	uint32_t leader = v->plan_leader, generation = v->plan_generation;
	size_t n = c->known_n;

	for (size_t i = 0; i < v->n; i++)
		c->node[v->member[i].pnn]->kept_out = v->member[i].kept_out;
	v->candidate = leader;
	v->is_plan_active = true;
	/* What it could not do while it planned says nothing of now: it gets the lock in time, or all
	 * begin again */
	v->is_lock_failed_sent = false;
	if (!c->lock.is_held)
		c->lock.since_ms = 0;
	if (!self->is_planned) {
		c->reason = self->kept_out;
		core_log(c, CORE_LOG_ERROR,
			 "this node is kept out: %s | leader=%s(%u) generation=%u",
			 reason_row(c->reason)->text, c->node[leader]->name, leader, generation);
		c->ops->status_changed(c->world);
		return;
	}
	view_forget(c);
	for (size_t i = 0; i < n; i++) {
		const struct member *m = view_member(c, in[i].pnn);

		c->node[in[i].pnn]->is_active = true;
		c->node[in[i].pnn]->protocol = m != NULL ? m->protocol_max : 0;
	}
	free(c->active);
	c->active = core_alloc(n * sizeof(*in));
	memcpy(c->active, in, n * sizeof(*in));
	c->active_n = n;
	c->active_tag = (uint32_t)view_tag(in, n);
	c->active_generation = generation;
	c->is_active = true;
	c->leader = leader;
	c->reason = REASON_NONE;
	fencing_wait(c);
	free(c->departed);
	c->departed = NULL;
	c->departed_n = 0;
	view_move(c, CORE_VIEW_ACTIVE, "the leader has activated it");
	for (int g = 0; g < CORE_GATE_COUNT; g++)
		gate_set(c, (enum core_gate)g, true, REASON_NONE, "%s", "");
	core_log(c, CORE_LOG_NOTICE,
		 "generation is active | generation=%u leader=%s(%u) nodes=%zu after_ms=%llu",
		 generation, c->node[leader]->name, leader, n,
		 (unsigned long long)(core_now(c) - v->begin_ms));
	link_activate(c);
	slot_assign(c);
	c->count.last_recovery_start_ms = v->begin_ms;
	progress_active(c);
	if (!wipe_activate(c))
		return;
	readonly_activate(c);
	sweep_activate(c);
	request_activate(c);
	push_activate(c);
	traverse_activate(c);
	vacuum_activate(c);
	replica_activate(c);
	commit_activate(c);
	gate_freeze(c);
	drain_activate(c);
	if (leader != c->self && c->lock.is_held) {
		c->lock.is_held = false;
		c->ops->lock_release(c->world);
	}
	/* R1: what waited for this generation can be had now */
	for (uint32_t i = 0; i < CORE_MAX_NODES; i++)
		if (c->node[i] != NULL && c->node[i]->is_held)
			c->ops->peer_resume(c->world, i);
}

/* Everybody in the plan has it: whoever is active from now on is known to all */
static void view_activate_if_accepted(struct core *c)
{
	struct view *v = &c->view;

	if (v->fsm.state != CORE_VIEW_GATED || v->plan_generation == 0)
		return;
	for (size_t i = 0; i < v->n; i++)
		if (v->member[i].is_planned && !v->member[i].has_accepted)
			return;
	view_activate(c);
}

void view_accepted(struct core *c, struct member *from, uint32_t generation)
{
	if (generation != c->view.plan_generation)
		return;
	from->has_accepted = true;
	view_activate_if_accepted(c);
}

/* ACCEPT promises that a start after a loss of power knows the plan, too: so the disk comes first
 */
static void view_accept_if_kept(struct core *c)
{
	struct view *v = &c->view;

	if (!v->owes_accept || c->is_retired || c->persisted_generation != v->plan_generation)
		return;
	v->owes_accept = false;
	control_send_accept(c, v->plan_generation);
}

void core_persisted(struct core *c, uint32_t generation)
{
	c->persisted_generation = generation;
	view_accept_if_kept(c);
	core_run(c);
}

/* ACTIVATE was delivered. Who was not active, or not with this incarnation, may be from now on. */
void view_promise(struct core *c, uint32_t leader, uint32_t generation,
		  const struct incarnation *in, size_t n)
{
	struct view *v = &c->view;

	for (size_t i = 0; i < v->n; i++)
		v->member[i].is_planned = v->member[i].has_accepted = false;
	for (size_t i = 0; i < n; i++) {
		view_member(c, in[i].pnn)->is_planned = true;
	}
	known_replace(c, generation, in, n);
	wipe_promise(c);
	v->plan_generation = generation;
	v->plan_leader = leader;
	v->silent_ms = core_now(c) + c->config.state_timeout_ms;
	v->owes_accept = view_member(c, c->self)->is_planned;
	view_accept_if_kept(c);
}

/* A member that owes an answer: its STATE, or ACCEPT */
static bool member_is_silent(const struct core *c, const struct member *m)
{
	return c->view.fsm.state == CORE_VIEW_GATHER ? !m->has_state
						     : m->is_planned && !m->has_accepted;
}

static bool other_is_silent(const struct core *c, const struct member *m)
{
	return m->pnn != c->self && member_is_silent(c, m);
}

/* What runs on a node, as its supervisor has told, or the engine itself; boot_id 0: neither has */
static struct incarnation node_incarnation(const struct core *c, uint32_t pnn)
{
	const struct node *n = c->node[pnn];
	struct incarnation started = { pnn, n->started_boot_id };

	return started.boot_id != 0 && !fact_known(c, started)
		   ? started
		   : (struct incarnation){ pnn, n->boot_id };
}

/* Being in the group does not prove life: who does not tell its state, and was not killed by its
 * own supervisor either, is to be fenced. The first of those that did asks for it, for one of them
 * at a time: Pacemaker may have another one do it. */
static void view_silent(struct core *c)
{
	struct view *v = &c->view;
	struct member *self = view_member(c, c->self);
	bool is_first = self != NULL && !member_is_silent(c, self);
	struct incarnation inc;
	size_t silent_n = 0, i;

	v->silent_ms = core_now(c) + c->config.state_timeout_ms;
	for (i = 0; i < v->n; i++) {
		silent_n += other_is_silent(c, &v->member[i]);
		if (!member_is_silent(c, &v->member[i]) && v->member[i].pnn < c->self)
			is_first = false;
	}
	if (silent_n == 0)
		return;
	silent_n = v->silent_turn++ % silent_n;
	for (i = 0; !other_is_silent(c, &v->member[i]) || silent_n-- > 0; i++)
		;
	inc = node_incarnation(c, v->member[i].pnn);
	core_log(c, CORE_LOG_WARNING,
		 "a member of the group does not tell its state | node=%s(%u) waited_ms=%llu",
		 node_name(c, inc.pnn), inc.pnn,
		 (unsigned long long)(core_now(c) - v->begin_ms));
	if (is_first && inc.boot_id != 0 && gate_quorum(c) && !c->config.allow_unfenced)
		c->ops->fence_request(c->world, inc);
}

/* For an answer of every member */
static bool view_is_waiting(const struct core *c)
{
	return c->view.fsm.state == CORE_VIEW_GATHER ||
	       (c->view.fsm.state == CORE_VIEW_GATED && c->view.plan_generation != 0);
}

void view_tick(struct core *c)
{
	struct view *v = &c->view;
	uint64_t now = core_now(c);

	if (v->fsm.state == CORE_VIEW_GATED && now >= v->relead_ms) {
		v->relead_ms = now + RELEAD_MS;
		if (v->n > 0 && v->member[0].pnn == c->self)
			control_send_restart(c); /* everybody has failed to lead: once more */
	}
	if (v->fsm.state != CORE_VIEW_ACTIVE && now >= v->settle_ms &&
	    c->tick_settled_ms < v->settle_ms) {
		c->tick_settled_ms = v->settle_ms;
		c->ops->status_changed(c->world);
	}
	if (view_is_waiting(c) && now >= v->silent_ms)
		view_silent(c);
	if (v->fsm.state == CORE_VIEW_ACTIVE && c->leader == c->self)
		gate_lock(c); /* lost perhaps */
	view_lead(c);
}

uint64_t view_deadline(const struct core *c)
{
	uint64_t t = gate_deadline(c);

	if (c->view.fsm.state == CORE_VIEW_GATED && c->view.relead_ms < t)
		t = c->view.relead_ms;
	if (c->view.fsm.state != CORE_VIEW_ACTIVE && c->tick_settled_ms < c->view.settle_ms &&
	    c->view.settle_ms < t)
		t = c->view.settle_ms;
	if (view_is_leading(c) && c->view.link_wait_ms != 0 && !c->gate[CORE_GATE_LINK].is_open &&
	    c->view.link_wait_ms + c->config.peer_timeout_ms / 2 < t)
		t = c->view.link_wait_ms + c->config.peer_timeout_ms / 2;
	if (view_is_waiting(c) && c->view.silent_ms < t)
		t = c->view.silent_ms;
	return t;
}

void view_free(struct core *c)
{
	for (size_t i = 0; i < c->view.n; i++)
		member_forget(&c->view.member[i]);
	free(c->view.member);
}
