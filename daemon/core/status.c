/* SPDX-License-Identifier: GPL-3.0-or-later */
/* status.c: what the node is doing, for people and for the controls. */
#include <errno.h>
#include <stdio.h>
#include "drain.h"
#include "internal.h"
#include "traverse.h"
#include "vacuum.h"

/* A node serves on in its old generation while a view is being agreed; that is worth telling only
 * when it takes long */
static bool status_is_serving(const struct core *c)
{
	if (!c->is_active || c->is_frozen)
		return false;
	return c->view.fsm.state == CORE_VIEW_ACTIVE ||
	       c->ops->now_ms(c->world) < c->view.settle_ms;
}

static enum reason status_reason(const struct core *c, const char **text)
{
	*text = "";
	if (c->is_retired)
		return REASON_EVICTED;
	if (status_is_serving(c))
		return REASON_NONE;
	if (c->view.fsm.state == CORE_VIEW_OUT)
		return REASON_JOINING;
	if (!c->is_active && c->reason != REASON_STARTING && c->reason != REASON_NONE) {
		*text = c->reason == REASON_NO_LINK ? c->gate[CORE_GATE_LINK].text : c->topology_text;
		return c->reason; /* kept out */
	}
	if (c->view.fsm.state == CORE_VIEW_GATHER) {
		for (size_t i = 0; i < c->view.n; i++)
			if (!c->view.member[i].has_state && c->node[c->view.member[i].pnn] != NULL)
				*text = c->node[c->view.member[i].pnn]->name;
		if (!c->view.is_quorate) {
			*text = c->gate[CORE_GATE_QUORUM].text;
			return REASON_NO_QUORUM;
		}
		return REASON_STATE_MISSING;
	}
	/* What keeps this node out for good, or keeps it from leading alone, comes before what it
	 * waits for meanwhile */
	if (!c->is_active && c->topology != REASON_NONE &&
	    (reason_row(c->topology)->cure == REASON_CURE_FINAL ||
	     c->view.candidate == CORE_UNKNOWN_PNN)) {
		*text = c->topology_text;
		return c->topology;
	}
	for (int g = 0; g < CORE_GATE_COUNT; g++) {
		if (c->gate[g].is_open || c->gate[g].since_ms == 0)
			continue;
		*text = c->gate[g].text;
		return c->gate[g].reason;
	}
	return c->is_frozen ? REASON_NO_QUORUM : REASON_STATE_MISSING;
}

static void drain_status(const struct core *c, struct core_status *s)
{
	const struct drain *d = c->drain;

	if (d == NULL || d->mode == DRAIN_OFF)
		return;
	s->drain = d->mode == DRAIN_LEAVING		? CORE_DRAIN_LEAVING
		   : d->is_empty ? CORE_DRAIN_DRAINED
						   : CORE_DRAIN_DRAINING;
	s->drain_since_ms = d->begin_ms;
	s->drain_given = d->total;
	s->drain_left = d->left;
	s->drain_passes = d->passes;
	if (d->mode == DRAIN_LEAVING && s->reason == REASON_NONE)
		snprintf(s->text, sizeof(s->text), "%llu records handed over, %llu found and not yet",
			 (unsigned long long)d->total, (unsigned long long)d->left);
}

void core_status(const struct core *c, struct core_status *s)
{
	const char *text;

	*s = c->count;
	s->view = (enum core_view)c->view.fsm.state;
	s->reason = status_reason(c, &text);
	snprintf(s->text, sizeof(s->text), "%s", text);
	s->is_active = s->reason == REASON_NONE;
	s->is_frozen = c->is_frozen;
	s->is_recovering = c->is_recovering;
	s->generation = c->active_generation;
	s->leader = c->is_active && !c->is_frozen ? c->leader : CORE_UNKNOWN_PNN;
	s->has_lock_held = c->lock.is_held;
	s->since_ms = c->view.begin_ms;
	s->locations = c->locations.n;
	s->orphans = c->locations.orphans;
	progress_status(c, s);
	s->traverses_now = traverse_count(c);
	drain_status(c, s);
	s->vacuum_candidates = c->vacuum != NULL ? c->vacuum->n : 0;
	for (int g = 0; g < CORE_GATE_COUNT; g++) {
		const struct gate *gate = &c->gate[g];

		s->gate[g].is_open = gate->is_open;
		s->gate[g].reason = gate->is_open ? REASON_NONE : gate->reason;
		s->gate[g].since_ms = gate->since_ms;
		snprintf(s->gate[g].text, sizeof(s->gate[g].text), "%s", gate->text);
	}
}

static bool node_is_pending(const struct core *c, uint32_t pnn)
{
	for (size_t i = 0; i < c->departed_n; i++)
		if (c->departed[i].inc.pnn == pnn)
			return true;
	return false;
}

static void node_status(const struct core *c, const struct node *n, struct core_node_status *s)
{
	memset(s, 0, sizeof(*s));
	s->pnn = n->pnn;
	s->boot_id = n->boot_id;
	memcpy(s->name, n->name, sizeof(s->name));
	memcpy(s->address, n->address, sizeof(s->address));
	s->is_connected = n->is_connected;
	s->is_pending = node_is_pending(c, n->pnn);
	s->is_draining = n->is_draining;
	s->owes = progress_owes(c, n);
	s->queued_bytes = n->session.end - n->session.acked;
	s->reason = n->is_member ? n->kept_out : REASON_NONE;
	s->state = !n->is_member		  ? CORE_NODE_ABSENT
		   : n->is_active && c->is_active ? CORE_NODE_ACTIVE
		   : n->kept_out != REASON_NONE	  ? CORE_NODE_KEPT_OUT
						  : CORE_NODE_MEMBER;
}

int core_node_status(const struct core *c, size_t i, struct core_node_status *s)
{
	for (uint32_t pnn = 0; pnn < CORE_MAX_NODES; pnn++) {
		if (c->node[pnn] == NULL || i-- > 0)
			continue;
		node_status(c, c->node[pnn], s);
		return 0;
	}
	return -ENOENT;
}

bool core_node_is_active(const struct core *c, uint32_t pnn)
{
	return pnn < CORE_MAX_NODES && c->node[pnn] != NULL && c->node[pnn]->is_active &&
	       c->node[pnn]->is_member;
}

uint32_t core_generation(const struct core *c)
{
	return c->active_generation;
}
