/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * link.c: members that cannot exchange data although CPG works: a firewall, a cut of the network
 * that carries the data plane, a path that loses what is large. One member's word is not enough:
 * its peer may hang, which is its supervisor's to mend, and the one that complains would be put out
 * for it.
 *
 * LINKS tells, over CPG, with whom the sender cannot exchange data; each replaces its last one, so
 * an empty one withdraws all. It counts in the view for which it was made, and nowhere else.
 *
 * Active members. A pair moves when nothing waits to be acknowledged, or when an acknowledgement
 * has come since the last look. (That the other's packets come says nothing about ours, nor does a
 * new connection: a path may lose what is large, and let each handshake through.) Where nothing
 * waits a PROBE is sent to be acknowledged, so that all pairs that have one cause are told of
 * together. Who has not moved with somebody for peer_timeout says so; who is named for half of that,
 * and lives, says so too: an acknowledgement that never comes may be the fault of either. Who is
 * about to leave says nothing:
 * the other end would be evicted for a pair that is about to end. A pair is cut when both say so.
 * Half a peer_timeout after an own pair became cut, when others have had the time to tell of
 * theirs, its ends tell that it is due, and with the first delivery of that all members judge from
 * what was delivered before, which is the same on all: of those in cut pairs the one with the most
 * of them is evicted; of equals the highest pnn. So one is evicted at a time, and the other end of
 * each of its pairs stays.
 *
 * The victim retires as soon as it is told. The others begin the view anew and wait for it there:
 * its engine leaves the group, its supervisor says REVOKED, and the fencing gate opens (I5). If it
 * is silent, it is fenced after state_timeout (view.c); if its supervisor is, after revoke_timeout.
 *
 * Joiners. An evicted node comes back as a joiner. Each joiner needs a link to every member that
 * was active; it tells when it has them all, or that it has waited in vain, and then it is kept out
 * (REASON_NO_LINK) while the others go on. When its links have been up for a moment it asks for
 * another round, and each time that this was in vain the moment is twice as long. Nobody who is
 * active is judged by this.
 */
#include <stdio.h>
#include "internal.h"

#define LINKS_PROTOCOL 3 /* the first that knows LINKS */
#define PROBE_PROTOCOL 5 /* ... PROBE: it goes to those that do, whatever the others know */

static bool cut_has(const uint64_t *cut, uint32_t pnn)
{
	return (cut[pnn / 64] & 1ULL << pnn % 64) != 0;
}

static void cut_add(uint64_t *cut, uint32_t pnn)
{
	cut[pnn / 64] |= 1ULL << pnn % 64;
}

static bool cut_is_empty(const uint64_t *cut)
{
	for (size_t i = 0; i < CORE_MAX_NODES / 64; i++)
		if (cut[i] != 0)
			return false;
	return true;
}

/* All or none: who does not know LINKS can neither tell nor judge */
static bool link_is_spoken(const struct core *c)
{
	return view_speaks(c, LINKS_PROTOCOL);
}

static uint64_t link_interval_ms(const struct core *c)
{
	uint64_t ms = c->config.peer_timeout_ms / 8;

	return ms > 10 ? ms : 10;
}

void link_gather(struct core *c)
{
	struct view *v = &c->view;

	memset(v->told_cut, 0, sizeof(v->told_cut));
	v->has_told_links = v->has_told_due = false;
	v->due_ms = v->link_wait_ms = 0;
	for (uint32_t i = 0; i < CORE_MAX_NODES; i++)
		if (c->node[i] != NULL)
			c->node[i]->named_ms = 0;
}

/* Who was not active before counts from now on: what was sent to it is read only now, and of the
 * joiners of a cold start, who need no links, some may have waited longer than others for one that
 * has none. */
void link_activate(struct core *c)
{
	const struct member *self = view_member(c, c->self);

	for (size_t i = 0; i < c->view.n; i++) {
		const struct member *m = &c->view.member[i];

		if (m->active_generation == 0 || self->active_generation == 0)
			c->node[m->pnn]->moved_ms = core_now(c);
	}
}

/* ---- joiners ---- */

static bool link_is_needed(const struct core *c, const struct member *m)
{
	return m->pnn != c->self && m->is_compatible && !m->is_joiner;
}

/* The members that were active and to which this node has no link; for how long, at most */
static uint64_t link_missing(struct core *c, uint64_t *cut)
{
	uint64_t longest_ms = 0;

	for (size_t i = 0; i < c->view.n; i++) {
		const struct member *m = &c->view.member[i];
		const struct node *n = c->node[m->pnn];

		if (!link_is_needed(c, m) || n->is_connected)
			continue;
		cut_add(cut, m->pnn);
		if (core_now(c) - n->moved_ms > longest_ms)
			longest_ms = core_now(c) - n->moved_ms;
	}
	return longest_ms;
}

/* As joiner: once in a view */
static void link_tell(struct core *c)
{
	uint64_t cut[CORE_MAX_NODES / 64] = { 0 }, longest_ms;
	const struct member *self = view_member(c, c->self);

	if (c->view.fsm.state != CORE_VIEW_GATED || c->view.has_told_links || self == NULL ||
	    !self->is_joiner || !link_is_spoken(c))
		return;
	longest_ms = link_missing(c, cut);
	if (!cut_is_empty(cut) && longest_ms < c->config.peer_timeout_ms / 4)
		return;
	c->view.has_told_links = true;
	control_send_links(c, cut, false);
}

/* Kept out, and now there is a link to each active member: another round */
static void link_ask_again(struct core *c)
{
	const struct member *self = view_member(c, c->self);
	uint64_t wait_ms;

	if (c->view.fsm.state != CORE_VIEW_GATED || c->view.plan_generation == 0 ||
	    self->is_planned || self->kept_out != REASON_NO_LINK || c->view.has_asked_again)
		return;
	wait_ms = c->config.peer_timeout_ms / 16 << (c->link_asks < 6 ? c->link_asks : 6);
	for (size_t i = 0; i < c->view.n; i++) {
		const struct member *m = &c->view.member[i];
		const struct node *n = c->node[m->pnn];

		if (m->is_planned && (!n->is_connected || core_now(c) - n->up_ms < wait_ms))
			return;
	}
	c->link_asks++;
	c->view.has_asked_again = true;
	control_send_restart(c);
}

void link_state_in(struct core *c)
{
	c->view.has_asked_again = false;
	link_tell(c);
}

bool link_is_missing(const struct core *c, const struct member *m)
{
	return m->has_told_links && !cut_is_empty(m->cut) &&
	       !core_has_bug(c, CORE_BUG_JOINS_WITHOUT_LINK);
}

static void link_joiner_told(struct core *c, struct member *from)
{
	from->has_told_links = true;
	/* Too late for the plan, which has kept it out for want of an answer */
	if (c->view.is_activate_sent && from->kept_out == REASON_NO_LINK)
		control_send_restart(c);
	if (from->kept_out == REASON_NONE && link_is_missing(c, from))
		from->kept_out = REASON_NO_LINK;
	view_lead(c);
}

bool gate_link(struct core *c)
{
	struct view *v = &c->view;
	uint64_t now = core_now(c);
	bool has_active = false, is_late;
	size_t missing = 0;
	uint32_t who = CORE_UNKNOWN_PNN;

	if (v->link_wait_ms == 0)
		v->link_wait_ms = now;
	is_late = now - v->link_wait_ms >= c->config.peer_timeout_ms / 2;
	for (size_t i = 0; i < v->n; i++)
		has_active |= v->member[i].is_compatible && !v->member[i].is_joiner;
	for (size_t i = 0; i < v->n && has_active && link_is_spoken(c); i++) {
		struct member *m = &v->member[i];

		if (!m->is_joiner || m->has_told_links || m->kept_out != REASON_NONE)
			continue;
		if (is_late) {
			m->kept_out = REASON_NO_LINK;
			continue;
		}
		missing++;
		who = m->pnn;
	}
	if (missing > 0)
		gate_set(c, CORE_GATE_LINK, false, REASON_LINK_PENDING, "node=%s(%u) and %zu more",
			 node_name(c, who), who, missing - 1);
	else
		gate_set(c, CORE_GATE_LINK, true, REASON_NONE, "%s", "");
	return missing == 0;
}

void gate_link_observe(struct core *c)
{
	uint64_t cut[CORE_MAX_NODES / 64] = { 0 };
	const struct member *self = view_member(c, c->self);

	if (self != NULL && self->is_joiner && link_is_spoken(c))
		link_missing(c, cut);
	for (uint32_t i = 0; i < CORE_MAX_NODES; i++) {
		if (!cut_has(cut, i))
			continue;
		gate_set(c, CORE_GATE_LINK, false,
			 c->reason == REASON_NO_LINK ? REASON_NO_LINK : REASON_LINK_PENDING,
			 "node=%s(%u) address=%s", node_name(c, i), i, c->node[i]->address);
		return;
	}
	gate_set(c, CORE_GATE_LINK, true, REASON_NONE, "%s", "");
}

/* ---- active members ---- */

static bool pair_is_cut(const struct core *c, const struct member *a, const struct member *b)
{
	if (a == b || !a->is_planned || !b->is_planned)
		return false;
	if (core_has_bug(c, CORE_BUG_CUT_BY_ONE))
		return cut_has(a->cut, b->pnn) || cut_has(b->cut, a->pnn);
	return cut_has(a->cut, b->pnn) && cut_has(b->cut, a->pnn);
}

static size_t member_cut_pairs(const struct core *c, const struct member *m)
{
	size_t n = 0;

	for (size_t i = 0; i < c->view.n; i++)
		n += pair_is_cut(c, m, &c->view.member[i]);
	return n;
}

/* The same on all: members are sorted by pnn */
static const struct member *link_victim(const struct core *c, size_t *pairs)
{
	const struct member *victim = NULL;

	*pairs = 0;
	for (size_t i = 0; i < c->view.n; i++) {
		size_t n = member_cut_pairs(c, &c->view.member[i]);

		if (n == 0 || n < *pairs)
			continue;
		victim = &c->view.member[i];
		*pairs = n;
	}
	return victim;
}

static void link_judge(struct core *c)
{
	size_t pairs;
	const struct member *victim = link_victim(c, &pairs), *self = view_member(c, c->self);
	bool is_self = victim == self;

	if (victim == NULL)
		return;
	core_log(c, CORE_LOG_ERROR,
		 "members agree that one is evicted: it cannot exchange data | node=%s(%u) "
		 "address=%s with=%zu",
		 node_name(c, victim->pnn), victim->pnn, c->node[victim->pnn]->address, pairs);
	if (core_has_bug(c, CORE_BUG_BOTH_EVICTED))
		is_self = member_cut_pairs(c, self) > 0;
	if (is_self && !core_has_bug(c, CORE_BUG_VICTIM_STAYS)) {
		char text[128];

		snprintf(text, sizeof(text), LINK_EVICTED_TEXT " with %zu of %zu active nodes",
			 pairs, c->known_n);
		c->is_retired = true;
		c->ops->retire(c->world, REASON_EVICTED, text);
		return;
	}
	view_restart(c, "a member is evicted");
}

static void link_named(struct core *c, const struct member *from)
{
	const struct member *self = view_member(c, c->self);
	struct node *n = c->node[from->pnn];
	struct view *v = &c->view;
	bool is_named = cut_has(from->cut, c->self);

	if (from == self)
		n = NULL;
	if (n != NULL && !is_named)
		n->named_ms = 0;
	else if (n != NULL && n->named_ms == 0)
		n->named_ms = core_now(c);
	if (member_cut_pairs(c, self) == 0)
		v->due_ms = 0;
	else if (v->due_ms == 0)
		v->due_ms = core_now(c) + c->config.peer_timeout_ms / 2;
	v->has_told_due &= v->due_ms != 0;
}

/* Who is kept out judges, too: all begin the view anew, or none */
void link_told(struct core *c, struct member *from, const uint64_t *cut, bool is_due)
{
	bool is_active = c->view.is_plan_active;

	if (is_active ? !from->is_planned
		      : !from->is_joiner || c->view.fsm.state != CORE_VIEW_GATED ||
			    c->view.plan_generation != 0)
		return;
	memcpy(from->cut, cut, sizeof(from->cut));
	if (!is_active) {
		link_joiner_told(c, from);
		return;
	}
	link_named(c, from);
	if (is_due)
		link_judge(c);
}

/* All that this node has sent has arrived */
static bool link_is_idle(const struct session *s)
{
	return s->acked_seq + 1 == s->next_seq;
}

/* Since the last look */
static void link_look(struct core *c, struct node *n, bool has_slept)
{
	const struct packet probe = { .type = PACKET_PROBE };
	const struct session *s = &n->session;
	bool is_idle = link_is_idle(s);

	if (has_slept || (n->is_connected && (is_idle || s->acked_seq != n->looked_seq)))
		n->moved_ms = core_now(c);
	n->looked_seq = s->acked_seq;
	if (is_idle && n->is_connected && c->is_active && node_is_there(n) &&
	    n->protocol >= PROBE_PROTOCOL && !core_has_bug(c, CORE_BUG_NO_PROBES))
		packet_send(c, n->pnn, &probe);
}

static void link_report(struct core *c)
{
	struct view *v = &c->view;
	uint64_t cut[CORE_MAX_NODES / 64] = { 0 }, now = core_now(c);
	bool is_due = v->due_ms != 0 && now >= v->due_ms && !v->has_told_due;

	for (size_t i = 0; i < v->n; i++) {
		const struct member *m = &v->member[i];
		const struct node *n = c->node[m->pnn];

		if (m->pnn == c->self || !m->is_planned)
			continue;
		if (now - n->moved_ms >= c->config.peer_timeout_ms ||
		    (n->named_ms != 0 && now - n->named_ms >= c->config.peer_timeout_ms / 2))
			cut_add(cut, m->pnn);
	}
	if (c->node[c->self]->is_leaving) /* complains of nobody, who might be evicted for it */
		memset(cut, 0, sizeof(cut));
	if (!is_due && memcmp(cut, v->told_cut, sizeof(cut)) == 0)
		return;
	if (!cut_is_empty(cut))
		core_log(c, CORE_LOG_WARNING,
			 "no data goes to or from active members: they are told so | is_due=%d",
			 is_due);
	memcpy(v->told_cut, cut, sizeof(cut));
	v->has_told_due |= is_due;
	control_send_links(c, cut, is_due);
}

void link_tick(struct core *c)
{
	struct view *v = &c->view;
	const struct member *self = view_member(c, c->self);
	uint64_t now = core_now(c);
	bool has_slept;

	if (now < c->link_due_ms || self == NULL)
		return;
	/* Who stood still itself knows nothing of the others */
	has_slept = now - c->link_due_ms >= 2 * link_interval_ms(c);
	c->link_due_ms = now + link_interval_ms(c);
	for (size_t i = 0; i < v->n; i++)
		if (v->member[i].pnn != c->self)
			link_look(c, c->node[v->member[i].pnn], has_slept);
	link_tell(c);
	link_ask_again(c);
	if (v->fsm.state == CORE_VIEW_ACTIVE && self->is_planned && v->is_quorate &&
	    v->ring.node == v->quorum_ring.node && v->ring.seq == v->quorum_ring.seq &&
	    link_is_spoken(c))
		link_report(c);
}

uint64_t link_deadline(const struct core *c)
{
	return c->view.n > 1 ? c->link_due_ms : UINT64_MAX;
}

/* ---- what the transport tells ---- */

void link_up(struct core *c, struct node *n)
{
	n->up_ms = core_now(c);
	/* That a handshake came through says nothing about what waits: each new connection may
	 * stick */
	if (link_is_idle(&n->session))
		n->moved_ms = core_now(c);
	link_tell(c);
}

void link_down(struct core *c, struct node *n)
{
	if (!c->is_active || !n->is_active) /* a joiner waits for it from now on */
		n->moved_ms = core_now(c);
}
