/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fencing.c: the fencing gate (invariant I5): what was active in the newest generation and is gone
 * must be certain to write no more. It has left or was revoked (its supervisor retired its files),
 * it was fenced after it was admitted, or its node is back with a new boot id, which a daemon takes
 * only after it has retired what its predecessor left.
 *
 * Pacemaker fences lost nodes by itself. A quorate leader asks for it, too: at once where the lost ones
 * cannot have quorum and do the same, or nobody is left on a node that lives; else late, when a
 * supervisor is there that should have revoked its engine by now, or when nothing has happened. But in
 * a cold start only where more than half of the nodes take part.
 */
#include <stdlib.h>
#include "internal.h"

#define FENCE_RETRY_MS	   10000
#define FENCE_RETRY_MAX_MS 60000
#define AT_ONCE_MS	   100	/* a supervisor that leaves in order tells LEFT first */
#define UNSUPERVISED_MS	   1000 /* where both halves of a cluster might ask */
#define IN_TURN_MS	   100
#define ANSWER_MAX_MS	   30000

/* Is it certain that inc can write no more? */
static bool departed_is_over(struct core *c, struct incarnation inc)
{
	for (size_t i = 0; i < c->view.n; i++) {
		const struct member *m = &c->view.member[i];

		/* here still (evicted ones retire by themselves: not over), or back as another */
		if (m->pnn == inc.pnn)
			return m->boot_id != 0 && m->boot_id != inc.boot_id;
	}
	return fact_known(c, inc);
}

/* A member is waited for only when it was evicted: it retires by itself */
static bool member_is_here(const struct core *c, struct incarnation inc)
{
	const struct member *m = view_member(c, inc.pnn);

	return m != NULL && m->boot_id == inc.boot_id && m->kept_out != REASON_EVICTED;
}

/* Without an active member nobody may know what was started elsewhere */
static bool view_is_cold(const struct core *c)
{
	for (size_t i = 0; i < c->view.n; i++)
		if (c->view.member[i].active_generation != 0)
			return false;
	return true;
}

static size_t view_takes_part(const struct core *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->view.n; i++)
		n += c->view.member[i].has_state && c->view.member[i].is_compatible;
	return n;
}

/* Does more than half of the cluster take part? Fewer may lack what the others have committed since.
 * One of two may go on alone: with two_node it has quorum. */
static bool view_is_majority(const struct core *c)
{
	size_t n = view_takes_part(c);

	return n > c->config.nodes / 2 || (c->config.nodes == 2 && n > 0);
}

static bool view_is_few(const struct core *c)
{
	return view_is_cold(c) && !view_is_majority(c);
}

/* This node was not in the newest generation that it knows of, and nobody is here who was: what was
 * committed in that is not here either. Who has only heard of it, too, does not count. */
static bool view_is_behind(const struct core *c)
{
	if (!c->was_outside)
		return false;
	for (size_t i = 0; i < c->view.n; i++) {
		const struct member *m = &c->view.member[i];

		if (m->has_state && !m->is_outside && m->last_generation >= c->generation)
			return false;
	}
	return true;
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
	struct departed *list = core_alloc((c->known_n + c->started_n + 1) * sizeof(*list));
	size_t n = 0;

	size_t started_n = view_is_cold(c) ? c->started_n : 0;

	for (size_t i = 0; i < c->known_n + started_n; i++) {
		struct incarnation inc = i < c->known_n ? c->known[i] : c->started[i - c->known_n];
		const struct departed *old = departed_find(c, inc);

		if (i >= c->known_n && incarnation_is_in(c->known, c->known_n, inc))
			continue;
		if (member_is_here(c, inc) || departed_is_over(c, inc) ||
		    incarnation_equal(inc, c->config.self))
			continue;
		if (old != NULL) {
			list[n] = *old;
		} else {
			list[n].inc = inc;
			list[n].since_ms = core_now(c);
		}
		list[n].has_left_ring |= !node_get(c, inc.pnn)->is_in_ring;
		n++;
	}
	free(c->departed);
	c->departed = list;
	c->departed_n = n;
}

/* How long somebody else may take to see to it: its supervisor; its node, which may be slower in a cold
 * start, or start again; or Pacemaker, which fences a node that corosync has lost, but may take seconds
 * to begin. A node that is there all the time, and has lost its supervisor, too, Pacemaker finds out
 * about by the next monitor only; nobody can retire its databases meanwhile. In a cold start a node that
 * was waited for and fenced falls out of the ring, and something that nobody here has heard of might be
 * there: its grace is over. After a loss of quorum nobody is fenced at once: the rest of the ring may be
 * about to come back, too. */
static uint32_t departed_wait_ms(const struct core *c, const struct departed *d,
				 const struct node *n)
{
	uint32_t grace_ms = c->config.fence_grace_ms, revoke_ms = c->config.revoke_timeout_ms;

	if (view_is_cold(c))
		return n->is_fence_asked && !n->is_in_ring ? AT_ONCE_MS /* it had its time */
		       : grace_ms > revoke_ms		    ? grace_ms
							    : revoke_ms;
	if (n->is_in_ring && n->has_supervisor)
		return revoke_ms;
	if (n->is_in_ring)
		return d->has_left_ring		  ? grace_ms
		       : c->config.fences_at_once ? AT_ONCE_MS
						  : UNSUPERVISED_MS;
	return c->config.fences_at_once && !c->is_frozen ? AT_ONCE_MS : grace_ms;
}

static void departed_wait_anew(struct core *c)
{
	for (size_t i = 0; i < c->departed_n; i++) {
		c->departed[i].wait_ms = 0;
		c->departed[i].request_ms = 0;
	}
}

void fencing_wait(struct core *c)
{
	departed_wait_anew(c);
	for (size_t i = 0; i < CORE_MAX_NODES; i++)
		if (c->node[i] != NULL)
			c->node[i]->is_fence_asked = false;
}

/* Pacemaker may choose any node of the ring to fence another one. If that is to be fenced itself, or is
 * being fenced, the other one's fencing ends by its time-out only. */
static bool fencing_is_in_turn(struct core *c, const struct departed *d, const struct node *n)
{
	for (size_t i = 0; i < c->departed_n; i++) {
		const struct departed *other = &c->departed[i];

		if (other != d && other->asked_ms != 0 &&
		    core_now(c) < other->asked_ms + ANSWER_MAX_MS &&
		    (n->is_in_ring || node_get(c, other->inc.pnn)->is_in_ring ||
		     other->inc.pnn == n->pnn))
			return false;
	}
	return true;
}

/* Ask for fencing where nobody else seems to */
static void departed_request(struct core *c, struct departed *d)
{
	uint64_t now = core_now(c), back_off;
	struct node *n = node_get(c, d->inc.pnn);
	uint32_t wait_ms = departed_wait_ms(c, d, n);

	/* also when a request has failed: its node may have come back meanwhile, and be starting */
	if (wait_ms != d->wait_ms) {
		d->wait_ms = wait_ms;
		if (d->tries == 0 || d->request_ms < now + wait_ms)
			d->request_ms = now + wait_ms;
	}
	if (now < d->request_ms)
		return;
	if (!fencing_is_in_turn(c, d, n)) {
		d->request_ms = now + IN_TURN_MS;
		return;
	}
	n->is_fence_asked = true;
	d->asked_ms = now;
	back_off = (uint64_t)FENCE_RETRY_MS << (d->tries < 3 ? d->tries : 3);
	d->tries++;
	d->request_ms = now + (back_off < FENCE_RETRY_MAX_MS ? back_off : FENCE_RETRY_MAX_MS);
	core_log(c, CORE_LOG_WARNING,
		 "asking Pacemaker to fence a lost node | node=%s(%u) try=%u waited_ms=%llu",
		 node_name(c, d->inc.pnn), d->inc.pnn, d->tries,
		 (unsigned long long)(now - d->since_ms));
	c->ops->fence_request(c->world, d->inc);
}

void core_fencing_rules(struct core *c, bool fences_at_once, bool allow_unfenced, uint32_t nodes)
{
	c->config.nodes = nodes;
	c->config.fences_at_once = fences_at_once;
	c->config.allow_unfenced = allow_unfenced;
}

/* Without an active member, nobody here knows what runs on a node whose supervisor has not told */
static const struct node *untold_find(struct core *c)
{
	if (!view_is_cold(c))
		return NULL;
	for (uint32_t i = 0; i < CORE_MAX_NODES; i++)
		if (c->node[i] != NULL && c->node[i]->is_untold &&
		    (i == c->self || view_member(c, i) == NULL))
			return c->node[i];
	return NULL;
}

bool fencing_check(struct core *c)
{
	const struct node *untold = untold_find(c);
	const struct departed *d;
	bool is_few = view_is_few(c);

	departed_update(c);
	if (is_few && view_is_behind(c) && !c->config.allow_unfenced) {
		gate_set(c, CORE_GATE_FENCING, false, REASON_COLD_START,
			 "nobody is here who was active in generation %u; %zu of %u nodes take part",
			 c->generation, view_takes_part(c), c->config.nodes);
		return false;
	}
	if (c->departed_n == 0 && untold != NULL && !c->config.allow_unfenced) {
		gate_set(c, CORE_GATE_FENCING, false, REASON_FENCING_PENDING,
			 "node=%s(%u) has not told what it runs", node_name(c, untold->pnn),
			 untold->pnn);
		return false;
	}
	if (c->departed_n == 0 || c->config.allow_unfenced ||
	    core_has_bug(c, CORE_BUG_NO_FENCING_GATE)) {
		gate_set(c, CORE_GATE_FENCING, true, REASON_NONE, "%s", "");
		return true;
	}
	d = &c->departed[0];
	gate_set(c, CORE_GATE_FENCING, false,
		 d->result[0] && !is_few ? REASON_FENCING_FAILED
		 : view_is_cold(c)	 ? REASON_COLD_START
					 : REASON_FENCING_PENDING,
		 "node=%s(%u) and %zu more; %zu of %u nodes take part; requests=%u%s%s",
		 node_name(c, d->inc.pnn), d->inc.pnn, c->departed_n - 1, view_takes_part(c),
		 c->config.nodes, d->tries, d->result[0] ? " last_error=" : "", d->result);
	return false;
}

bool gate_fencing(struct core *c)
{
	if (fencing_check(c))
		return true;
	if (view_is_few(c)) {
		departed_wait_anew(c);
		return false;
	}
	for (size_t i = 0; i < c->departed_n; i++)
		departed_request(c, &c->departed[i]);
	return false;
}

/* When the next request is due */
uint64_t fencing_deadline(const struct core *c)
{
	uint64_t t = UINT64_MAX;

	for (size_t i = 0; i < c->departed_n; i++)
		if (c->departed[i].request_ms != 0 && c->departed[i].request_ms < t)
			t = c->departed[i].request_ms;
	return t;
}
