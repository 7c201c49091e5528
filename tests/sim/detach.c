/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * detach.c: a database that comes and goes, in a quarter of the seeds: clients attach and use it for
 * a while, then end, with whatever they have asked for, and somebody asks to detach it. It is closed
 * nowhere while a client uses it, every attach and detach is answered, once, and in the end all nodes
 * have it or none.
 *
 * It is one more file beside the others (number s->dbs), so what check.c says of records holds for its
 * records, too. With the file end its records, and what clients of that node have seen in them.
 */
#include <errno.h>
#include <string.h>
#include "lib/jenkins.h"
#include "sim.h"

static bool vdetach_chance(struct sim *s, uint32_t percent)
{
	return random_next(&s->detaches) % 100 < percent;
}

bool vdetach_is(uint32_t db_id)
{
	return db_id == jenkins_db_id(SIM_DETACHED);
}

static struct vdb *vdetach_file(struct vengine *e)
{
	return &e->file.db[e->sim->dbs];
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
	if (status == 0 && !vdetach_file(e)->is_open)
		sim_fail(e->sim, "detach", "node %u has attached %s, and does not have it",
			 e->node->pnn, SIM_DETACHED);
}

void vdetach_ended(void *world, uint32_t db_id, int status, uint32_t pnn, const char *why)
{
	struct vengine *e = world;

	sim_trace(e->sim, "node %u: detach ends with %d (node %u: %s)", e->node->pnn, status, pnn,
		  why);
	if (!vdetach_is(db_id) || !e->detach.is_asking)
		sim_fail(e->sim, "detach", "node %u is answered what it has not asked",
			 e->node->pnn);
	if (status == 0 && vdetach_file(e)->is_open)
		sim_fail(e->sim, "detach", "node %u is told that %s is gone, and has it",
			 e->node->pnn, SIM_DETACHED);
	e->detach.is_asking = false;
}

static void vdetach_attach(struct sim *s, struct vengine *e)
{
	uint32_t flags = s->has_readers && vdetach_chance(s, 50) ? DB_READONLY : 0;
	int rc = core_attach(e->core, SIM_DETACHED, flags);

	if (rc == 0)
		e->detach.is_used = true;
	else if (rc == -EINPROGRESS)
		e->detach.is_attaching = true;
	else
		sim_fail(s, "attach", "node %u: attach of %s says %d", e->node->pnn, SIM_DETACHED,
			 rc);
}

/* At once again, while what was asked of the old one is still on its way */
static void vdetach_on_again(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;

	(void)data;
	(void)number;
	if (!vengine_serves(e) || s->is_healing || e->detach.is_used || e->detach.is_attaching ||
	    e->first_generation == 0)
		return;
	vdetach_attach(s, e);
	vengine_after(e);
}

void vdetach_closed(struct vengine *e)
{
	struct sim *s = e->sim;

	sim_trace(s, "node %u: %s is detached", e->node->pnn, SIM_DETACHED);
	if (e->detach.is_used)
		sim_fail(s, "detach", "node %u closes %s while a client uses it", e->node->pnn,
			 SIM_DETACHED);
	memset(e->seen[s->dbs], 0, sizeof(e->seen[s->dbs]));
	memset(s->written[s->dbs], 0, sizeof(s->written[s->dbs]));
	s->detached++;
	s->restarts++;
	if (vdetach_chance(s, 50))
		event_after(s, random_next(&s->detaches) % 5000, vdetach_on_again, e, NULL, 0);
}

static void vdetach_ask(struct sim *s, struct vengine *e)
{
	int rc = core_detach(e->core, jenkins_db_id(SIM_DETACHED));

	if (rc == -EINPROGRESS)
		e->detach.is_asking = true;
	else if (rc != -ENOENT && rc != -EAGAIN)
		sim_fail(s, "detach", "node %u: detach says %d", e->node->pnn, rc);
}

/* Whoever uses it is gone, and the daemon knows it; not one that cannot be killed */
static void vdetach_leave(struct sim *s, struct vengine *e)
{
	for (uint32_t i = 0; i < SIM_CLIENTS; i++) {
		struct vclient *c = &e->client[i];

		if (c->db != s->dbs || c->state == VCLIENT_NONE || c->state == VCLIENT_IDLE ||
		    c->state == VCLIENT_DEAD)
			continue;
		if (c->is_unkillable)
			return;
		vclient_end(s, c);
	}
	e->detach.is_used = false;
}

static void vdetach_on_turn(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;

	(void)data;
	(void)number;
	if (!e->is_running || e->is_quitting || s->is_healing)
		return;
	event_after(s, sim_delay(s, s->fault_us), vdetach_on_turn, e, NULL, 0);
	if (!vengine_serves(e))
		return;
	if (e->detach.is_used && vdetach_chance(s, 70))
		vdetach_leave(s, e);
	if (e->detach.is_used)
		;
	else if (e->first_generation == 0)
		; /* the engine lets clients wait until it has been active */
	else if (!e->detach.is_attaching && vdetach_chance(s, 40))
		vdetach_attach(s, e);
	else if (!e->detach.is_asking)
		vdetach_ask(s, e);
	vengine_after(e);
}

/* Just now a generation has begun: what clients have asked for waits for the reports */
static void vdetach_on_recovery(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;

	(void)data;
	(void)number;
	if (!vengine_serves(e) || s->is_healing)
		return;
	if (e->detach.is_used)
		vdetach_leave(s, e);
	if (!e->detach.is_used && !e->detach.is_asking && !e->detach.is_attaching)
		vdetach_ask(s, e);
	vengine_after(e);
}

void vdetach_activated(struct sim *s, struct vengine *e)
{
	if (s->has_detaches && vdetach_chance(s, 50))
		event_after(s, random_next(&s->detaches) % 1000, vdetach_on_recovery, e, NULL, 0);
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
		if (vdetach_file(s->node[i].engine)->is_open !=
		    vdetach_file(s->node[0].engine)->is_open)
			return false;
	}
	return true;
}

uint32_t vdetach_use_all(struct sim *s)
{
	if (!s->has_detaches || !vdetach_file(s->node[0].engine)->is_open)
		return s->dbs;
	for (uint32_t i = 0; i < s->n; i++)
		s->node[i].engine->detach.is_used = true;
	return s->files;
}
