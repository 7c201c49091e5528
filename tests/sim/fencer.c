/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fencer.c: virtual Pacemaker. It fences nodes that a quorate partition has lost, late or promptly
 * or only when asked, and sometimes without success; it tells the engines of its partition, each
 * after its own delay, for every incarnation that they watched before the operation began. It
 * starts the daemon where it should run: only with quorum, and not while a node waits to be fenced.
 */
#include <stdlib.h>
#include "sim.h"

enum { MONITOR_US = 50000, BEGIN_US = 60000, KILL_US = 30000, RETRY_US = 80000 };

struct vfencing_op {
	uint32_t target, by;
	uint64_t number;
	bool is_request;
	struct incarnation inc; /* of the request */
	struct vengine *e;	/* who asked */
};

static bool vfencer_can_act(const struct vnode *r)
{
	return r->is_up && !r->is_paused && r->corosync.is_running && !r->corosync.is_stalled &&
	       r->corosync.is_quorate && r->corosync.ring != NULL && !r->corosync.ring->is_broken;
}

static struct vfencing_op *vfencing_copy(const struct vfencing_op *op)
{
	struct vfencing_op *copy = malloc(sizeof(*copy));

	if (copy == NULL)
		abort();
	*copy = *op;
	return copy;
}

/* ---- who is told --------------------------------------------------------------------------- */

static void vfencer_on_end(struct sim *s, void *object, void *data, uint64_t number)
{
	const struct vfencing_op *op = data;

	(void)object;
	(void)number;
	s->fencings_now--;
	for (uint32_t i = 0; i < s->n; i++) {
		struct vengine *e = s->node[i].engine;
		bool has_told = false;

		if (e == NULL || !e->is_running || !corosync_reaches(&s->node[i], &s->node[op->by]))
			continue;
		for (size_t k = 0; k < e->watch_n; k++) {
			if (e->watch[k].inc.pnn != op->target || e->watch[k].since >= op->number)
				continue;
			if (op->is_request && e == op->e &&
			    e->watch[k].inc.boot_id == op->inc.boot_id)
				has_told = true;
			vengine_ipc(s, e, VIPC_FENCED, e->watch[k].inc,
				    sim_chance(s, 15) && !s->is_healing
					? sim_between(s, 0, s->timeout_ms * 10000)
					: sim_delay(s, 5000) + sim_lateness(s));
			if (s->fenced_n < SIM_FACTS)
				s->fenced[s->fenced_n++].inc = e->watch[k].inc;
		}
		if (op->is_request && e == op->e && !has_told)
			vengine_ipc(s, e, VIPC_FENCED, op->inc, sim_delay(s, 5000));
	}
}

void vfencer_old_news(struct sim *s)
{
	struct incarnation inc;

	if (s->fenced_n == 0)
		return;
	inc = s->fenced[sim_below(s, (uint32_t)s->fenced_n)].inc;
	for (uint32_t i = 0; i < s->n; i++) {
		struct vengine *e = s->node[i].engine;

		if (e != NULL && e->is_running && sim_chance(s, 60))
			vengine_ipc(s, e, VIPC_FENCED, inc,
				    sim_between(s, 0, s->timeout_ms * 2000));
	}
}

/* ---- operations ---------------------------------------------------------------------------- */

static void vfencer_on_begin(struct sim *s, void *object, void *data, uint64_t number);

static void vfencer_on_kill(struct sim *s, void *object, void *data, uint64_t number)
{
	const struct vfencing_op *op = data;
	struct vnode *target = &s->node[op->target];

	(void)object;
	(void)number;
	if (!s->node[op->by].is_up && op->by != op->target) {
		s->fencings_now--;
		/* who did it is dead; another may begin */
		if (!op->is_request)
			event_after(s, sim_delay(s, RETRY_US), vfencer_on_begin, target, NULL, 0);
		return;
	}
	if (s->fencing == VFENCING_FAILING || (!s->is_healing && sim_chance(s, 5))) {
		sim_trace(s, "fencer: fencing of node %u fails", op->target);
		s->fencings_now--;
		if (op->is_request && op->e->is_running)
			vengine_ipc(s, op->e, VIPC_FENCE_FAILED, op->inc, sim_delay(s, 5000));
		else if (!op->is_request)
			event_after(s, sim_delay(s, 2 * RETRY_US), vfencer_on_begin, target, NULL,
				    0);
		return;
	}
	s->fences++;
	if (target->is_up)
		vnode_power_off(s, target, "is fenced");
	target->is_unclean = target->is_failed = false;
	event_after(s, sim_delay(s, KILL_US), vfencer_on_end, NULL, vfencing_copy(op), 0);
}

static void vfencing_start(struct sim *s, struct vfencing_op *op)
{
	op->number = ++s->fencings;
	s->fencings_now++;
	sim_trace(s, "fencer: node %u begins fencing %u of node %u", op->by, (uint32_t)op->number,
		  op->target);
	event_after(s, sim_delay(s, KILL_US), vfencer_on_kill, NULL, vfencing_copy(op), 0);
}

static void vfencer_on_begin(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vnode *target = object;
	struct vfencing_op op = { .target = target->pnn };
	uint32_t able[SIM_NODES], n = 0;
	bool is_back = false;

	(void)data;
	(void)number;
	if (!target->is_unclean)
		return;
	for (uint32_t i = 0; i < s->n; i++) {
		struct vnode *r = &s->node[i];

		if (r == target || !vfencer_can_act(r))
			continue;
		if (target->is_up && target->corosync.ring == r->corosync.ring)
			is_back = true;
		able[n++] = i;
	}
	if (is_back && !target->is_failed && sim_chance(s, 50)) {
		sim_trace(s, "fencer: node %u is back and is not fenced", target->pnn);
		target->is_unclean = false;
		return;
	}
	if (n == 0 && target->is_failed && vfencer_can_act(target))
		able[n++] = target->pnn; /* alone it restarts itself */
	if (n == 0 || (s->fencing == VFENCING_PASSIVE && !target->is_failed)) {
		event_after(s, RETRY_US + sim_delay(s, RETRY_US), vfencer_on_begin, target, NULL,
			    0);
		return;
	}
	op.by = able[sim_below(s, n)];
	vfencing_start(s, &op);
}

void vfencer_node_lost(struct sim *s, struct vnode *n)
{
	if (n->is_unclean)
		return;
	n->is_unclean = true;
	sim_trace(s, "fencer: node %u is unclean", n->pnn);
	event_after(s,
		    s->fencing == VFENCING_LATE && !s->is_healing
			? sim_between(s, 0, s->timeout_ms * 20000)
			: sim_delay(s, BEGIN_US),
		    vfencer_on_begin, n, NULL, 0);
}

void vfencer_stop_failed(struct sim *s, struct vnode *n)
{
	n->is_failed = true;
	if (!n->is_unclean) {
		n->is_unclean = true;
		event_after(s, sim_delay(s, BEGIN_US), vfencer_on_begin, n, NULL, 0);
	}
}

static void vfencer_on_request(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	struct vfencing_op op = *(struct vfencing_op *)data;

	(void)number;
	s->fencings_now--;
	if (!e->is_running || !e->node->is_up)
		return;
	if (!vfencer_can_act(e->node) && !s->is_two_node) {
		vengine_ipc(s, e, VIPC_FENCE_FAILED, op.inc, sim_delay(s, 5000));
		return;
	}
	vfencing_start(s, &op);
}

void vfencer_request(struct vengine *e, struct incarnation inc)
{
	struct vfencing_op op = {
		.target = inc.pnn, .by = e->node->pnn, .is_request = true, .inc = inc, .e = e
	};

	if (inc.pnn >= e->sim->n || inc.pnn == e->node->pnn) {
		sim_fail(e->sim, "fencing", "node %u asks to fence node %u", e->node->pnn, inc.pnn);
		return;
	}
	sim_trace(e->sim, "node %u: asks to fence boot %llx of node %u", e->node->pnn,
		  (unsigned long long)inc.boot_id, inc.pnn);
	if (e->sim->is_orderly)
		sim_fail(e->sim, "fencing", "node %u asks to fence node %u, and nothing has failed",
			 e->node->pnn, inc.pnn);
	e->sim->fencings_now++;
	event_after(e->sim, sim_delay(e->sim, 2000), vfencer_on_request, e, vfencing_copy(&op), 0);
}

static void vfencer_on_watch(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	const struct incarnation *inc = data;

	(void)number;
	for (size_t i = 0; i < e->watch_n; i++) {
		if (e->watch[i].inc.pnn == inc->pnn && e->watch[i].inc.boot_id == inc->boot_id)
			return;
	}
	if (e->watch_n == SIM_FACTS) {
		for (size_t i = 1; i < SIM_FACTS; i++)
			e->watch[i - 1] = e->watch[i];
		e->watch_n--;
	}
	e->watch[e->watch_n++] = (struct vwatch){ .inc = *inc, .since = s->fencings };
}

void vfencer_watch(struct vengine *e, struct incarnation inc)
{
	struct incarnation *copy = malloc(sizeof(*copy));

	if (copy == NULL)
		abort();
	*copy = inc;
	event_after(e->sim, sim_delay(e->sim, 500), vfencer_on_watch, e, copy, 0);
}

/* ---- the daemon as a resource -----------------------------------------------------------------
 */

/* Knows more of who was active */
static bool vengine_is_newer(const struct vengine *a, const struct vengine *b)
{
	return a->generation != b->generation ? a->generation > b->generation
					      : a->number > b->number;
}

/* The same limit, seen from the other side: a daemon starts already, and perhaps nobody knows n */
bool vfencer_is_starting_beside(struct sim *s, const struct vnode *n)
{
	for (uint32_t i = 0; i < s->n; i++) {
		const struct vnode *other = &s->node[i];

		if (other != n && vnode_has_daemon(other) &&
		    (other->engine == NULL || !other->engine->is_running ||
		     other->engine->generation == 0))
			return true;
	}
	return false;
}

static bool vfencer_may_start(struct sim *s, const struct vnode *n)
{
	const struct vengine *own = n->engine;

	if (own != NULL && !vengine_can_write(own))
		own = NULL;
	if (!vfencer_can_act(n))
		return false;
	for (uint32_t i = 0; i < s->n; i++) {
		struct vnode *other = &s->node[i];

		/* startup-fencing: who has power and was not seen is fenced before anything starts
		 */
		if (other->is_up && !n->corosync.ring->is_node[i])
			vfencer_node_lost(s, other);
		if (other->is_unclean)
			return false;
		/* Not Pacemaker's doing, but a limit of the daemon (README): where supervisor and
		 * engine were killed together, clients may go on until Pacemaker has noticed, and
		 * a node that starts without meeting anybody who knows cannot wait for them */
		if (other != n && !vnode_has_daemon(other) && other->engine != NULL &&
		    vengine_can_write(other->engine) &&
		    (own == NULL || vengine_is_newer(other->engine, own)))
			return false;
	}
	return true;
}

static void vfencer_on_start_daemon(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vnode *n = object;

	(void)data;
	n->is_start_scheduled = false;
	if (n->is_up && n->boots == number && n->is_wanted && !vnode_has_daemon(n) &&
	    !n->is_paused && vfencer_may_start(s, n))
		vnode_start_daemon(s, n);
}

static void vfencer_monitor(struct sim *s, struct vnode *n)
{
	struct core_status status;

	if (!n->is_up || n->is_paused)
		return;
	if (!vnode_has_daemon(n)) {
		if (n->had_daemon && n->is_wanted && !s->is_healing && sim_chance(s, 30)) {
			n->had_daemon = false;
			vfencer_stop_failed(s, n); /* on-fail=fence */
			return;
		}
		n->had_daemon = false;
		if (n->is_wanted && !n->is_start_scheduled && vfencer_may_start(s, n)) {
			n->is_start_scheduled = true;
			event_after(s, sim_delay(s, MONITOR_US), vfencer_on_start_daemon, n, NULL,
				    n->boots);
		}
		return;
	}
	n->had_daemon = true;
	if (n->engine == NULL || !vengine_can_run(n->engine))
		return;
	core_status(n->engine->core, &status);
	if (!status.is_active && status.reason != REASON_NONE &&
	    reason_row(status.reason)->cure == REASON_CURE_FINAL && sim_chance(s, 20)) {
		sim_trace(s, "node %u: start fails: %s", n->pnn, status.text);
		vnode_stop_daemon(s, n);
	}
}

static void vfencer_on_monitor(struct sim *s, void *object, void *data, uint64_t number)
{
	(void)object;
	(void)data;
	vfencer_monitor(s, &s->node[number]);
	event_after(s, MONITOR_US + sim_delay(s, MONITOR_US), vfencer_on_monitor, NULL, NULL,
		    number);
}

void vfencer_start(struct sim *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		event_after(s, sim_delay(s, MONITOR_US), vfencer_on_monitor, NULL, NULL, i);
}
