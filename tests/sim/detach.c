/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * detach.c: a database that comes and goes, in a quarter of the seeds: clients attach and use it for
 * a while, and now and then somebody asks to detach it. No records are in it: what is checked is
 * that it is closed nowhere while a client uses it, that every attach and detach is answered, once,
 * and that in the end all nodes have it or none.
 */
#include <errno.h>
#include <string.h>
#include "lib/jenkins.h"
#include "sim.h"

#define DETACHED "d.tdb"

static bool vdetach_chance(struct sim *s, uint32_t percent)
{
	return random_next(&s->detaches) % 100 < percent;
}

bool vdetach_is(uint32_t db_id)
{
	return db_id == jenkins_db_id(DETACHED);
}

bool vdetach_is_name(const char *name)
{
	return strcmp(name, DETACHED) == 0;
}

int vdetach_open(struct vengine *e)
{
	if (e->detach.is_open)
		sim_fail(e->sim, "store", "node %u opened %s twice", e->node->pnn, DETACHED);
	e->detach.is_open = true;
	return 0;
}

void vdetach_close(struct vengine *e)
{
	sim_trace(e->sim, "node %u: %s is detached", e->node->pnn, DETACHED);
	if (!e->detach.is_open || e->detach.is_used)
		sim_fail(e->sim, "detach", "node %u closes %s while %s", e->node->pnn, DETACHED,
			 e->detach.is_used ? "a client uses it" : "it is not open");
	e->detach.is_open = false;
	e->sim->detached++;
}

/* There is nothing in it; it may be gone before that is told */
static void vdetach_on_swept(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;

	(void)data;
	if (!e->is_running || e->is_quitting)
		return;
	if (!vengine_can_run(e)) {
		event_after(s, 5000, vdetach_on_swept, e, NULL, number);
		return;
	}
	core_sweep_end(e->core, jenkins_db_id(DETACHED), number);
	vengine_after(e);
}

static void vdetach_on_read(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;

	(void)data;
	if (!e->is_running || e->is_quitting)
		return;
	if (!vengine_can_run(e)) {
		event_after(s, 5000, vdetach_on_read, e, NULL, number);
		return;
	}
	core_traverse_read_end(e->core, number, CORE_CHAIN_END, 0);
	vengine_after(e);
}

void vdetach_read(struct vengine *e, uint64_t cookie)
{
	event_after(e->sim, sim_delay(e->sim, e->sim->store_us), vdetach_on_read, e, NULL, cookie);
}

void vdetach_sweep(struct vengine *e, uint64_t cookie)
{
	event_after(e->sim, sim_delay(e->sim, e->sim->store_us), vdetach_on_swept, e, NULL,
		    cookie);
}

bool vdetach_is_free(void *world, uint32_t db_id, char *why, size_t size)
{
	struct vengine *e = world;

	if (!vdetach_is(db_id))
		sim_fail(e->sim, "detach", "node %u is asked about another database", e->node->pnn);
	if (e->detach.is_used && size > 7)
		memcpy(why, "in use", 7);
	return !e->detach.is_used;
}

void vdetach_attached(struct vengine *e, int status)
{
	if (!e->detach.is_attaching)
		return;
	e->detach.is_attaching = false;
	e->detach.is_used = status == 0;
	if (status == 0 && !e->detach.is_open)
		sim_fail(e->sim, "detach", "node %u has attached %s, and does not have it",
			 e->node->pnn, DETACHED);
}

void vdetach_ended(void *world, uint32_t db_id, int status, uint32_t pnn, const char *why)
{
	struct vengine *e = world;

	sim_trace(e->sim, "node %u: detach ends with %d (node %u: %s)", e->node->pnn, status, pnn,
		  why);
	if (!vdetach_is(db_id) || !e->detach.is_asking)
		sim_fail(e->sim, "detach", "node %u is answered what it has not asked",
			 e->node->pnn);
	if (status == 0 && e->detach.is_open)
		sim_fail(e->sim, "detach", "node %u is told that %s is gone, and has it",
			 e->node->pnn, DETACHED);
	e->detach.is_asking = false;
}

static void vdetach_attach(struct sim *s, struct vengine *e)
{
	int rc = core_attach(e->core, DETACHED, 0);

	if (rc == 0)
		e->detach.is_used = true;
	else if (rc == -EINPROGRESS)
		e->detach.is_attaching = true;
	else if (rc != -EBUSY)
		sim_fail(s, "attach", "node %u: attach of %s says %d", e->node->pnn, DETACHED, rc);
}

static void vdetach_ask(struct sim *s, struct vengine *e)
{
	int rc = core_detach(e->core, jenkins_db_id(DETACHED));

	if (rc == -EINPROGRESS)
		e->detach.is_asking = true;
	else if (rc != -ENOENT && rc != -EAGAIN)
		sim_fail(s, "detach", "node %u: detach says %d", e->node->pnn, rc);
}

static void vdetach_on_turn(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;

	(void)data;
	(void)number;
	if (!e->is_running || e->is_quitting || s->is_healing)
		return;
	event_after(s, sim_delay(s, s->fault_us), vdetach_on_turn, e, NULL, 0);
	if (!vengine_can_run(e))
		return;
	if (e->detach.is_used)
		e->detach.is_used = vdetach_chance(s, 30);
	else if (e->first_generation == 0)
		; /* the engine lets clients wait until it has been active */
	else if (!e->detach.is_attaching && vdetach_chance(s, 40))
		vdetach_attach(s, e);
	else if (!e->detach.is_asking)
		vdetach_ask(s, e);
	vengine_after(e);
}

void vdetach_start(struct sim *s, struct vengine *e)
{
	if (s->has_detaches)
		event_after(s, sim_delay(s, s->fault_us), vdetach_on_turn, e, NULL, 0);
}

bool check_detach(struct sim *s, const char **why)
{
	for (uint32_t i = 0; i < s->n; i++) {
		const struct vdetach *d = &s->node[i].engine->detach;

		*why = "an attach or a detach is not answered";
		if (d->is_asking || d->is_attaching)
			return false;
		*why = "some nodes have a database that others have not";
		if (d->is_open != s->node[0].engine->detach.is_open)
			return false;
	}
	return true;
}
