/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * helpers_pacemaker.c: the channel to the Pacemaker helper: fencing, the CIB's topology, node
 * attributes. What it was told is kept here, so that a helper that had to be started again is told
 * all of it once more; a watch goes on from where it began. Requests to fence that were under way
 * then count as failed: the core asks again if it still needs to.
 */
#include "helpers_private.h"

#include <stdio.h>
#include <string.h>
#include "cluster.h"
#include "daemon/log.h"

enum { PACEMAKER_QUEUE = 8192 };

static struct pacemaker *pacemaker_of(struct engine *e)
{
	return &e->helpers->pacemaker;
}

static void pacemaker_send(struct engine *e, const struct writer *w)
{
	struct pacemaker *p = pacemaker_of(e);

	/* Without a channel: it is told when it has been started again */
	if (p->helper.is_configured && channel_is_open(&p->helper.channel) &&
	    channel_send(&p->helper.channel, w) != 0)
		log_warning("the Pacemaker helper takes no packets");
}

static void pacemaker_tell_node(struct engine *e, enum ipc_type type, struct incarnation inc)
{
	const struct cluster_node *node = cluster_node_by_pnn(e, inc.pnn);
	uint8_t buf[IPC_MAX];
	struct writer w = ipc_begin(buf, type);

	writer_u32(&w, inc.pnn + 1);
	writer_text(&w, node != NULL ? node->name : "");
	writer_u64(&w, inc.boot_id);
	if (type == IPC_FENCE_RESUME)
		writer_block(&w, pacemaker_of(e)->watch[inc.pnn].base, FENCE_BASE_SIZE);
	pacemaker_send(e, &w);
}

static void pacemaker_tell_nodes(struct engine *e)
{
	const struct cluster_node *nodes;
	size_t n = cluster_nodes(e, &nodes);
	uint8_t buf[IPC_MAX];
	struct writer w = ipc_begin(buf, IPC_TOPOLOGY_CHECK);

	writer_u32(&w, (uint32_t)n);
	for (size_t i = 0; i < n; i++) {
		writer_u32(&w, nodes[i].nodeid);
		writer_text(&w, nodes[i].name);
	}
	if (w.failed)
		log_error("corosync's nodelist is too long for the check against the CIB");
	else
		pacemaker_send(e, &w);
}

static void pacemaker_tell_attributes(struct engine *e)
{
	const struct pacemaker *p = pacemaker_of(e);
	uint8_t buf[IPC_MAX];
	struct writer w = ipc_begin(buf, IPC_NODE_ATTRIBUTES);

	if (!p->has_attributes)
		return;
	writer_text(&w, p->attribute_state);
	writer_u32(&w, p->attribute_generation);
	writer_text(&w, p->attribute_leader);
	pacemaker_send(e, &w);
}

static void pacemaker_started(struct helper *h)
{
	struct engine *e = h->engine;
	struct pacemaker *p = pacemaker_of(e);

	pacemaker_tell_nodes(e);
	for (uint32_t pnn = 0; pnn < CORE_MAX_NODES; pnn++) {
		const struct fence_watch *watch = &p->watch[pnn];

		if (watch->boot_id != 0)
			pacemaker_tell_node(e, watch->has_base ? IPC_FENCE_RESUME : IPC_FENCE_WATCH,
					    (struct incarnation){ pnn, watch->boot_id });
		/* Asked for while there was no helper */
		if (watch->requested_boot_id != 0)
			pacemaker_tell_node(e, IPC_FENCE_REQUEST,
					    (struct incarnation){ pnn, watch->requested_boot_id });
	}
	pacemaker_tell_attributes(e);
}

/* ---- what it says
 * -------------------------------------------------------------------------------- */

static int pacemaker_incarnation(struct cursor *c, struct incarnation *inc)
{
	uint32_t nodeid;

	if (cursor_u32(c, &nodeid) || cursor_u64(c, &inc->boot_id) || nodeid == 0 ||
	    nodeid > CORE_MAX_NODES)
		return 1;
	inc->pnn = nodeid - 1;
	return 0;
}

static int pacemaker_fenced(struct engine *e, struct cursor *c)
{
	struct incarnation inc;
	struct fence_watch *watch;

	if (pacemaker_incarnation(c, &inc))
		return 1;
	watch = &pacemaker_of(e)->watch[inc.pnn];
	if (watch->requested_boot_id == inc.boot_id)
		watch->requested_boot_id = 0;
	core_fenced(e->core, inc);
	return 0;
}

static int pacemaker_fence_based(struct engine *e, struct cursor *c)
{
	struct fence_watch *watch;
	struct incarnation inc;
	struct slice base;

	if (pacemaker_incarnation(c, &inc) || cursor_block(c, FENCE_BASE_SIZE, &base) ||
	    base.len != FENCE_BASE_SIZE)
		return 1;
	watch = &pacemaker_of(e)->watch[inc.pnn];
	if (watch->boot_id == inc.boot_id) {
		memcpy(watch->base, base.p, FENCE_BASE_SIZE);
		watch->has_base = true;
	}
	return 0;
}

static int pacemaker_fence_failed(struct engine *e, struct cursor *c)
{
	struct incarnation inc;
	char text[256];

	if (pacemaker_incarnation(c, &inc) || cursor_text(c, text, sizeof(text)))
		return 1;
	if (pacemaker_of(e)->watch[inc.pnn].requested_boot_id == inc.boot_id)
		pacemaker_of(e)->watch[inc.pnn].requested_boot_id = 0;
	core_fence_failed(e->core, inc, text);
	return 0;
}

static int pacemaker_topology(struct engine *e, struct cursor *c)
{
	uint32_t reason;
	char text[256];

	if (cursor_u32(c, &reason) || cursor_text(c, text, sizeof(text)) || reason >= REASON_COUNT)
		return 1;
	core_topology(e->core, (enum reason)reason, text);
	if (reason != REASON_NO_PACEMAKER)
		engine_join(e);
	return 0;
}

static int pacemaker_up(struct helper *h, struct cursor *c)
{
	uint32_t is_connected;

	if (cursor_u32(c, &is_connected) || cursor_text(c, h->text, sizeof(h->text)))
		return 1;
	if (h->is_connected != (is_connected != 0))
		log_notice("Pacemaker %s: %s", is_connected ? "answers" : "does not answer",
			   h->text);
	h->is_connected = is_connected != 0;
	return 0;
}

static void pacemaker_packet(struct channel *ch, enum ipc_type type, struct cursor *c)
{
	struct helper *h = ch->owner;
	int failed = 1;

	switch (type) {
	case IPC_FENCED:
		failed = pacemaker_fenced(h->engine, c);
		break;
	case IPC_FENCE_BASED:
		failed = pacemaker_fence_based(h->engine, c);
		break;
	case IPC_FENCE_FAILED:
		failed = pacemaker_fence_failed(h->engine, c);
		break;
	case IPC_TOPOLOGY:
		failed = pacemaker_topology(h->engine, c);
		break;
	case IPC_PACEMAKER_UP:
		failed = pacemaker_up(h, c);
		break;
	default:
		break;
	}
	if (failed)
		log_error("packet of the Pacemaker helper is not understood | type=%d", (int)type);
}

static void pacemaker_ended(struct channel *ch)
{
	struct helper *h = ch->owner;
	struct pacemaker *p = pacemaker_of(h->engine);

	for (uint32_t pnn = 0; pnn < CORE_MAX_NODES; pnn++) {
		struct incarnation inc = { pnn, p->watch[pnn].requested_boot_id };

		if (inc.boot_id == 0)
			continue;
		p->watch[pnn].requested_boot_id = 0;
		core_fence_failed(h->engine->core, inc,
				  "the process that talks to Pacemaker has ended");
	}
	helper_ended(h);
}

static const struct channel_events pacemaker_events = {
	.packet = pacemaker_packet,
	.ended = pacemaker_ended,
};

/* ---- what the engine tells it
 * -------------------------------------------------------------------- */

void pacemaker_open(struct engine *e)
{
	struct helper *h = &pacemaker_of(e)->helper;

	*h = (struct helper){
		.engine = e,
		.program = "cotdb-pacemaker",
		.events = &pacemaker_events,
		.started = pacemaker_started,
		.queue_max = PACEMAKER_QUEUE,
		.is_configured = true,
	};
	helper_start(h);
}

void helpers_fence_watch(struct engine *e, struct incarnation inc)
{
	struct fence_watch *watch;

	if (inc.pnn >= CORE_MAX_NODES)
		return;
	watch = &pacemaker_of(e)->watch[inc.pnn];
	if (watch->boot_id != inc.boot_id)
		watch->has_base = false;
	watch->boot_id = inc.boot_id;
	pacemaker_tell_node(e, watch->has_base ? IPC_FENCE_RESUME : IPC_FENCE_WATCH, inc);
}

void helpers_fence_request(struct engine *e, struct incarnation inc)
{
	if (inc.pnn >= CORE_MAX_NODES)
		return;
	pacemaker_of(e)->watch[inc.pnn].requested_boot_id = inc.boot_id;
	pacemaker_tell_node(e, IPC_FENCE_REQUEST, inc);
}

void helpers_nodes_changed(struct engine *e)
{
	if (pacemaker_of(e)->helper.is_configured)
		pacemaker_tell_nodes(e);
}

void pacemaker_status_changed(struct engine *e, const struct core_status *s)
{
	struct pacemaker *p = pacemaker_of(e);
	const struct cluster_node *leader = cluster_node_by_pnn(e, s->leader);
	const char *state = s->is_active ? "active" : reason_row(s->reason)->name;
	const char *leader_name = leader != NULL ? leader->name : "";

	if (p->has_attributes && strcmp(p->attribute_state, state) == 0 &&
	    strcmp(p->attribute_leader, leader_name) == 0 &&
	    p->attribute_generation == s->generation)
		return;
	p->has_attributes = true;
	snprintf(p->attribute_state, sizeof(p->attribute_state), "%s", state);
	snprintf(p->attribute_leader, sizeof(p->attribute_leader), "%s", leader_name);
	p->attribute_generation = s->generation;
	pacemaker_tell_attributes(e);
}

void helpers_pacemaker_status(const struct engine *e, struct helper_status *s)
{
	helper_status(&e->helpers->pacemaker.helper, s);
}
