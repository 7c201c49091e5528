/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * drain.c: daemons that are stopped in good order hand over what they own. In a fifth of the seeds
 * that is all that happens but for slow nodes and broken links: one daemon or two are stopped, also
 * in the middle of a recovery, as long as another one is there, and started again. Then each has to
 * hand over all, in time, and nothing that was ever written may be lost (check.c). In a third of
 * all seeds an admin drains nodes now and then, and has them drain no longer.
 *
 * Its own generator, so that the story of a seed without that stays as it is.
 */
#include "sim.h"

static uint64_t vdrain_below(struct sim *s, uint64_t n)
{
	return random_next(&s->drains) % n;
}

void vdrain_set_up(struct sim *s)
{
	s->is_rolling = vdrain_below(s, 5) == 0 && s->n > 1;
	s->has_drains = vdrain_below(s, 3) == 0;
	s->drain_timeout_ms =
	    (s->is_rolling ? 60 : 1 + (uint32_t)vdrain_below(s, 4)) * s->timeout_ms;
}

void vdrain_ended(void *world, enum core_drain_end how)
{
	struct vengine *e = world;

	sim_trace(e->sim, "node %u: engine has drained: %d", e->node->pnn, (int)how);
	e->is_drained = how == CORE_DRAIN_DONE;
	e->sim->drained += e->is_drained;
	if (how == CORE_DRAIN_TIMED_OUT && e->sim->is_rolling)
		sim_fail(e->sim, "liveness", "node %u does not get rid of what it owns",
			 e->node->pnn);
	vengine_quit(e, REASON_STOPPING);
}

static bool vdrain_is_heir(const struct vnode *n, const struct vnode *leaver)
{
	return n != leaver && n->is_wanted && n->engine != NULL && vengine_serves(n->engine) &&
	       core_node_is_active(n->engine->core, n->pnn);
}

static void vdrain_on_stop(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vnode *n = object;

	(void)data;
	(void)number;
	for (uint32_t i = 0; i < s->n && !s->is_healing && n->is_wanted; i++) {
		if (!vdrain_is_heir(&s->node[i], n))
			continue;
		fault_stop_for_a_while(s, n);
		return;
	}
}

static void vdrain_on_roll(struct sim *s, void *object, void *data, uint64_t number)
{
	(void)object;
	(void)data;
	(void)number;
	if (s->is_healing || s->engines_n >= SIM_WRITERS / 2)
		return;
	for (uint64_t k = vdrain_below(s, 3); k < 3; k += 2)
		event_after(s, vdrain_below(s, 100000), vdrain_on_stop,
			    &s->node[vdrain_below(s, s->n)], NULL, 0);
	event_after(s, s->fault_us / 2 + vdrain_below(s, 2 * s->fault_us), vdrain_on_roll, NULL,
		    NULL, 0);
}

static void vdrain_on_admin(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vnode *n = &s->node[vdrain_below(s, s->n)];

	(void)object;
	(void)data;
	(void)number;
	if (s->is_healing)
		return;
	event_after(s, s->fault_us / 2 + vdrain_below(s, s->fault_us), vdrain_on_admin, NULL, NULL,
		    0);
	if (n->engine == NULL || !vengine_serves(n->engine))
		return;
	core_drain(n->engine->core, vdrain_below(s, 2) == 0);
	vengine_after(n->engine);
}

void vdrain_begin(struct sim *s)
{
	if (s->is_rolling)
		event_after(s, vdrain_below(s, 4 * s->fault_us), vdrain_on_roll, NULL, NULL, 0);
	if (s->has_drains)
		event_after(s, vdrain_below(s, 4 * s->fault_us), vdrain_on_admin, NULL, NULL, 0);
}

static void vdrain_on_no_longer(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;

	(void)s;
	(void)data;
	(void)number;
	if (!vengine_serves(e))
		return;
	core_drain(e->core, false);
	vengine_after(e);
}

/* What is drained by hand stays so, and works: in half of the runs up to the end */
void vdrain_end(struct sim *s)
{
	if (!s->has_drains || vdrain_below(s, 2) == 0)
		return;
	for (struct vengine *e = s->engines; e != NULL; e = e->next)
		if (e->is_running)
			event_after(s, vdrain_below(s, 1000000), vdrain_on_no_longer, e, NULL, 0);
}
