/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * corosync.c: virtual corosync: rings, process groups with extended virtual synchrony, quorum.
 *
 * A ring has one log. What a process sends waits in its node's queue until the ring orders it into
 * the log; each node receives the log in order at its own pace, and each process is handed it from
 * an inbox at its own pace again. When the network or the living change, the ring breaks (nothing
 * is ordered any more), and after a token's time-out those that reach each other form a new one.
 *
 * Nodes that go from the same old ring to the same new one receive the same part of the old log:
 * all that one of them had received, perhaps more, and of the rest only what they sent themselves:
 * a message of a node that was cut off may reach its own partition only. Then they hear who left,
 * who joined, and last the new ring's number, as with model V1 of libcpg. Quorum is told on its
 * own way, earlier or later.
 */
#include <stdlib.h>
#include <string.h>
#include "sim.h"

enum { TOKEN_US = 60000, SYNC_US = 5000 };

bool corosync_reaches(const struct vnode *a, const struct vnode *b)
{
	return a->is_up && b->is_up && a->corosync.part == b->corosync.part;
}

static bool corosync_is_alive(const struct vnode *n)
{
	return n->is_up && n->corosync.is_running && !n->corosync.is_stalled;
}

/* ---- inboxes ------------------------------------------------------------------------------- */

void vinbox_init(struct vinbox *b)
{
	*b = (struct vinbox){ 0 };
	b->last = &b->first;
}

struct vdelivery *vinbox_take(struct vinbox *b)
{
	struct vdelivery *d = b->first;

	if (d == NULL)
		return NULL;
	b->first = d->next;
	if (b->first == NULL)
		b->last = &b->first;
	return d;
}

void vinbox_clear(struct vinbox *b)
{
	struct vdelivery *d;

	while ((d = vinbox_take(b)) != NULL)
		free(d);
}

/* The inbox of this node's own process of the group, if it has joined */
static struct vinbox *corosync_inbox(struct vnode *n, enum vgroup group)
{
	const struct vmembers *m = &n->corosync.group[group];
	uint32_t pid;

	if (group == VGROUP_ENGINES) {
		if (n->engine == NULL || !n->engine->is_running)
			return NULL;
		pid = n->engine->pid;
	} else {
		if (!n->supervisor.is_running)
			return NULL;
		pid = n->supervisor.pid;
	}
	for (size_t i = 0; i < m->n; i++) {
		if (m->m[i].pnn == n->pnn && m->m[i].pid == pid)
			return group == VGROUP_ENGINES ? &n->engine->inbox : &n->supervisor.inbox;
	}
	return NULL;
}

static void corosync_hand(struct vnode *n, enum vgroup group, enum vdelivery_kind kind,
			  struct ventry *entry)
{
	struct vinbox *b = corosync_inbox(n, group);
	struct vdelivery *d;

	if (b == NULL)
		return;
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		abort();
	d->kind = kind;
	d->entry = entry;
	d->members = n->corosync.group[group];
	d->ring = n->corosync.ring->id;
	memcpy(d->is_in_ring, n->corosync.ring->is_node, sizeof(d->is_in_ring));
	*b->last = d;
	b->last = &d->next;
	if (group == VGROUP_ENGINES)
		vengine_deliver_later(n->sim, n->engine);
	else
		vsupervisor_deliver_later(n->sim, n);
}

/* ---- the log ------------------------------------------------------------------------------- */

static void vmembers_add(struct vmembers *m, uint32_t pnn, uint32_t pid)
{
	for (size_t i = 0; i < m->n; i++) {
		if (m->m[i].pnn == pnn && m->m[i].pid == pid)
			return;
	}
	if (m->n == sizeof(m->m) / sizeof(m->m[0]))
		abort();
	m->m[m->n++] = (struct core_member){ .pnn = pnn, .pid = pid };
}

static bool vmembers_remove(struct vmembers *m, uint32_t pnn, uint32_t pid, bool is_any_pid)
{
	bool has_removed = false;

	for (size_t i = 0; i < m->n;) {
		if (m->m[i].pnn == pnn && (is_any_pid || m->m[i].pid == pid)) {
			m->m[i] = m->m[--m->n];
			has_removed = true;
		} else {
			i++;
		}
	}
	return has_removed;
}

/* A node's corosync has received an entry of the log */
static void corosync_receive(struct vnode *n, struct ventry *entry)
{
	struct vmembers *m = &n->corosync.group[entry->group];

	switch (entry->kind) {
	case VENTRY_MESSAGE:
		corosync_hand(n, entry->group, VDELIVERY_MESSAGE, entry);
		break;
	case VENTRY_JOIN:
		vmembers_add(m, entry->pnn, entry->pid);
		corosync_hand(n, entry->group, VDELIVERY_MEMBERS, NULL);
		break;
	case VENTRY_LEAVE:
	case VENTRY_DEATH:
		if (vmembers_remove(m, entry->pnn, entry->pid, false))
			corosync_hand(n, entry->group, VDELIVERY_MEMBERS, entry);
		break;
	}
}

static void corosync_on_receive(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vring *r = object;
	struct vnode *n = &s->node[number];

	(void)data;
	if (n->corosync.ring != r || r->is_broken || !corosync_is_alive(n) ||
	    r->received[number] >= r->n)
		return;
	corosync_receive(n, r->log[r->received[number]++]);
}

static void corosync_log(struct vring *r, struct ventry *entry)
{
	if (r->n == r->size) {
		r->size = r->size ? 2 * r->size : 64;
		r->log = realloc(r->log, r->size * sizeof(*r->log));
		if (r->log == NULL)
			abort();
	}
	r->log[r->n++] = entry;
}

static void corosync_order_later(struct sim *s, struct vnode *n);

static void corosync_on_order(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vnode *n = object;
	struct corosync *c = &n->corosync;
	struct ventry *entry = c->send_first;
	struct vring *r = c->ring;

	(void)data;
	(void)number;
	c->is_ordering = false;
	if (entry == NULL || r == NULL || r->is_broken || !corosync_is_alive(n))
		return; /* the next ring takes it up */
	c->send_first = entry->next;
	if (c->send_first == NULL)
		c->send_last = &c->send_first;
	corosync_log(r, entry);
	s->changes += entry->kind != VENTRY_MESSAGE && entry->group == VGROUP_ENGINES;
	for (uint32_t i = 0; i < s->n; i++) {
		if (r->is_node[i])
			event_after(s, sim_delay(s, s->node[i].is_slow ? 8 * s->cpg_us : s->cpg_us),
				    corosync_on_receive, r, NULL, i);
	}
	corosync_order_later(s, n);
}

static void corosync_order_later(struct sim *s, struct vnode *n)
{
	if (n->corosync.is_ordering || n->corosync.send_first == NULL)
		return;
	n->corosync.is_ordering = true;
	event_after(s, sim_delay(s, s->cpg_us), corosync_on_order, n, NULL, 0);
}

void corosync_send(struct sim *s, struct vnode *n, enum ventry_kind kind, enum vgroup group,
		   uint32_t pid, const void *data, size_t len)
{
	struct ventry *entry;

	if (!n->corosync.is_running)
		return;
	entry = calloc(1, sizeof(*entry) + len);
	if (entry == NULL)
		abort();
	entry->kind = kind;
	entry->group = group;
	entry->pnn = n->pnn;
	entry->pid = pid;
	entry->len = len;
	if (len > 0)
		memcpy(entry->data, data, len);
	if (s->entries_n == s->entries_size) {
		s->entries_size = s->entries_size ? 2 * s->entries_size : 256;
		s->entries = realloc(s->entries, s->entries_size * sizeof(*s->entries));
		if (s->entries == NULL)
			abort();
	}
	s->entries[s->entries_n++] = entry;
	*n->corosync.send_last = entry;
	n->corosync.send_last = &entry->next;
	corosync_order_later(s, n);
}

/* ---- rings --------------------------------------------------------------------------------- */

/* Those of the new ring that come from the same old one finish its log alike */
static void corosync_finish_old(struct sim *s, struct vring *old, const bool *is_in)
{
	size_t common = 0;

	for (uint32_t i = 0; i < s->n; i++) {
		if (is_in[i] && s->node[i].corosync.ring == old && old->received[i] > common)
			common = old->received[i];
	}
	common = (size_t)sim_between(s, common, sim_chance(s, 50) ? old->n : common);
	for (uint32_t i = 0; i < s->n; i++) {
		if (!is_in[i] || s->node[i].corosync.ring != old)
			continue;
		for (size_t k = old->received[i]; k < old->n; k++) {
			uint32_t from = old->log[k]->pnn;

			if (k < common || (is_in[from] && s->node[from].corosync.ring == old))
				corosync_receive(&s->node[i], old->log[k]);
		}
		old->received[i] = old->n;
	}
}

/* Who left the group, in the eyes of a node: whoever is on no node that came along */
static void corosync_tell_left(struct sim *s, struct vnode *n, const struct vring *old,
			       const bool *is_in)
{
	for (int g = 0; g < VGROUPS; g++) {
		bool has_left = false;

		for (uint32_t i = 0; i < s->n; i++) {
			if (!is_in[i] || s->node[i].corosync.ring != old)
				has_left |= vmembers_remove(&n->corosync.group[g], i, 0, true);
		}
		if (has_left)
			corosync_hand(n, (enum vgroup)g, VDELIVERY_MEMBERS, NULL);
	}
}

static bool corosync_has_quorum(struct sim *s, struct vnode *n, uint32_t members)
{
	if (!s->is_two_node)
		return members > s->n / 2;
	if (members == s->n)
		n->corosync.has_seen_all = true;
	return n->corosync.has_seen_all;
}

static void corosync_reform(struct sim *s, const bool *is_in, uint32_t members)
{
	struct vring *r = calloc(1, sizeof(*r)), *old[SIM_NODES];
	struct vmembers own[SIM_NODES][VGROUPS];
	uint32_t rep = 0;

	if (r == NULL)
		abort();
	while (!is_in[rep])
		rep++;
	s->next_ring += 4;
	r->id = (struct core_ring){ .node = rep + 1, .seq = s->next_ring };
	r->next = s->rings;
	s->rings = r;
	for (uint32_t i = 0; i < s->n; i++) {
		old[i] = s->node[i].corosync.ring;
		r->is_node[i] = is_in[i];
		if (is_in[i] && old[i] != NULL) {
			old[i]->is_broken = true;
			corosync_finish_old(s, old[i], is_in);
		}
	}
	sim_trace(s, "corosync: ring %u.%llx forms with %u nodes", r->id.node,
		  (unsigned long long)r->id.seq, members);
	for (uint32_t i = 0; i < s->n; i++) {
		if (is_in[i] && old[i] != NULL)
			corosync_tell_left(s, &s->node[i], old[i], is_in);
	}
	for (uint32_t i = 0; i < s->n; i++) {
		for (int g = 0; g < VGROUPS; g++) {
			own[i][g].n = 0;
			for (size_t k = 0; is_in[i] && k < s->node[i].corosync.group[g].n; k++) {
				struct core_member m = s->node[i].corosync.group[g].m[k];

				if (m.pnn == i)
					vmembers_add(&own[i][g], m.pnn, m.pid);
			}
		}
	}
	/* some leave, and others come, perhaps one by one */
	s->changes++;
	for (uint32_t i = 0; i < s->n; i++)
		s->changes += own[i][VGROUP_ENGINES].n;
	for (uint32_t i = 0; i < s->n; i++) {
		struct vnode *n = &s->node[i];
		bool is_quorate;

		if (!is_in[i])
			continue;
		for (int g = 0; g < VGROUPS; g++) {
			bool is_one_by_one = sim_chance(s, 50);
			bool has_joined = false;

			for (uint32_t k = 0; k < s->n; k++) {
				size_t before = n->corosync.group[g].n;

				for (size_t q = 0; q < own[k][g].n; q++)
					vmembers_add(&n->corosync.group[g], own[k][g].m[q].pnn,
						     own[k][g].m[q].pid);
				if (n->corosync.group[g].n == before)
					continue;
				has_joined = true;
				if (is_one_by_one)
					corosync_hand(n, (enum vgroup)g, VDELIVERY_MEMBERS, NULL);
			}
			if (has_joined && !is_one_by_one)
				corosync_hand(n, (enum vgroup)g, VDELIVERY_MEMBERS, NULL);
		}
		is_quorate = corosync_has_quorum(s, n, members);
		n->corosync.is_quorate = is_quorate;
		n->corosync.ring = r;
		corosync_hand(n, VGROUP_ENGINES, VDELIVERY_RING, NULL);
		corosync_hand(n, VGROUP_SUPERVISORS, VDELIVERY_RING, NULL);
		corosync_order_later(s, n);
	}
	for (uint32_t i = 0; i < s->n; i++) {
		struct vnode *n = &s->node[i];

		if (!is_in[i])
			continue;
		if (n->engine != NULL && n->engine->is_running)
			vengine_tell_quorum(s, n->engine);
		for (uint32_t k = 0; old[i] != NULL && k < s->n; k++) {
			if (old[i]->is_node[k] && !is_in[k])
				vfencer_node_lost(s, &s->node[k]);
		}
	}
	vlock_move(s);
}

static void corosync_on_reform(struct sim *s, void *object, void *data, uint64_t number)
{
	bool is_in[SIM_NODES] = { false };
	struct vring *common = NULL;
	bool is_same = true;
	uint32_t members = 0, ring_members = 0;

	(void)object;
	(void)data;
	for (uint32_t i = 0; i < s->n; i++) {
		struct vnode *n = &s->node[i];

		if (n->corosync.part != number || !corosync_is_alive(n))
			continue;
		is_in[i] = true;
		if (members++ == 0)
			common = n->corosync.ring;
		else if (n->corosync.ring != common)
			is_same = false;
	}
	if (members == 0)
		return;
	for (uint32_t i = 0; common != NULL && i < s->n; i++)
		ring_members += common->is_node[i];
	if (is_same && common != NULL && !common->is_broken && ring_members == members)
		return;
	corosync_reform(s, is_in, members);
}

/* Every ring with members that no longer belong together breaks */
void corosync_network_changed(struct sim *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		struct vnode *n = &s->node[i];
		bool is_wrong = false;
		struct vring *r = n->corosync.ring;

		if (!corosync_is_alive(n))
			continue;
		for (uint32_t k = 0; k < s->n; k++) {
			bool is_with = corosync_is_alive(&s->node[k]) &&
				       s->node[k].corosync.part == n->corosync.part;

			if (is_with !=
			    (r != NULL && r->is_node[k] && s->node[k].corosync.ring == r))
				is_wrong = true;
		}
		if (r == NULL || r->is_broken || is_wrong)
			corosync_reform_later(s, n->corosync.part);
		if (r != NULL && is_wrong) {
			for (uint32_t k = 0; k < s->n; k++) {
				if (r->is_node[k] && (!corosync_is_alive(&s->node[k]) ||
						      s->node[k].corosync.part != n->corosync.part))
					r->is_broken = true;
			}
		}
	}
}

void corosync_reform_later(struct sim *s, uint32_t part)
{
	event_after(s, TOKEN_US / 2 + sim_delay(s, TOKEN_US), corosync_on_reform, NULL, NULL, part);
}

void corosync_start(struct sim *s, struct vnode *n)
{
	struct corosync *c = &n->corosync;

	if (c->is_running)
		return;
	c->is_running = true;
	c->is_stalled = false;
	c->has_seen_all = c->is_quorate = false;
	c->ring = NULL;
	c->group[0].n = c->group[1].n = 0;
	c->send_first = NULL;
	c->send_last = &c->send_first;
	corosync_network_changed(s);
}

void corosync_kill(struct sim *s, struct vnode *n)
{
	struct corosync *c = &n->corosync;

	if (!c->is_running)
		return;
	c->is_running = false;
	c->is_quorate = false;
	if (c->ring != NULL)
		c->ring->is_broken = true;
	c->ring = NULL;
	c->send_first = NULL;
	c->send_last = &c->send_first;
	corosync_network_changed(s);
}

void corosync_stall(struct sim *s, struct vnode *n, bool is_stalled)
{
	if (n->corosync.is_stalled == is_stalled)
		return;
	n->corosync.is_stalled = is_stalled;
	if (is_stalled && n->corosync.ring != NULL)
		n->corosync.ring->is_broken = true;
	corosync_network_changed(s);
	if (!is_stalled)
		corosync_reform_later(s, n->corosync.part);
}

/* All that have power are one ring, and it works */
bool corosync_is_whole(const struct sim *s)
{
	const struct vring *r = s->node[0].corosync.ring;

	for (uint32_t i = 0; i < s->n; i++) {
		if (!corosync_is_alive(&s->node[i]) || s->node[i].corosync.ring != r || r == NULL ||
		    r->is_broken || !r->is_node[i])
			return false;
	}
	return true;
}

void corosync_free_all(struct sim *s)
{
	struct vring *r;

	while ((r = s->rings) != NULL) {
		s->rings = r->next;
		free(r->log);
		free(r);
	}
	for (size_t i = 0; i < s->entries_n; i++)
		free(s->entries[i]);
	free(s->entries);
	s->entries = NULL;
	s->entries_n = s->entries_size = 0;
}
