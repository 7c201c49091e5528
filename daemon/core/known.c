/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * known.c: who is or may be active, as far as this node knows (invariant I5). The fencing gate
 * waits for everybody in this list who is gone.
 *
 * The list is replaced when a plan (ACTIVATE) is delivered: the leader had gone through the gate,
 * so nobody outside the plan can write any more. From then on those in it may be active, whether or
 * not we hear that they are. It grows by what others tell in STATE: at once, since the view may
 * break before everybody has told his; and when all STATE is in, it becomes what the members know
 * together. Lists of generations older than the one that a member is active in are history and do
 * not count; without an active member (cold start) only those of the highest generation count.
 *
 * Generations order plans of one history only. After a cold start of a part that knew nothing of
 * the other there may be two histories: their lists are joined, and who is active in the lower
 * generation and not in the list of the higher one is evicted and waited for.
 */
#include <stdlib.h>
#include "internal.h"

/* The list, which it takes, becomes what we know; a fencing of one that is new in it counts from
 * now on. It outlives this process. */
static void known_take(struct core *c, uint32_t generation, bool is_outside, struct incarnation *list,
		       size_t n)
{
	const struct core_past past = { generation, is_outside, list, n };
	bool is_changed = generation != c->generation || n != c->known_n ||
			  is_outside != c->was_outside;

	for (size_t i = 0; i < n; i++) {
		if (incarnation_is_in(c->known, c->known_n, list[i]))
			continue;
		is_changed = true;
		if (list[i].pnn != c->self)
			c->ops->fence_watch(c->world, list[i]);
	}
	free(c->known);
	c->known = list;
	c->known_n = n;
	c->generation = generation;
	c->was_outside = is_outside;
	if (is_changed)
		c->ops->persist(c->world, &past);
}

void known_replace(struct core *c, uint32_t generation, const struct incarnation *list, size_t n)
{
	struct incarnation *copy = core_alloc((n + 1) * sizeof(*copy));

	if (n > 0)
		memcpy(copy, list, n * sizeof(*copy));
	known_take(c, generation, !incarnation_is_in(list, n, c->config.self), copy, n);
	c->started_n = 0;
}

/* Not worth knowing: it has ended, or its node is here as another incarnation */
static bool known_is_over(struct core *c, struct incarnation inc)
{
	const struct member *m = view_member(c, inc.pnn);

	return fact_known(c, inc) || (m != NULL && m->boot_id != 0 && m->boot_id != inc.boot_id);
}

static size_t known_add(struct core *c, struct incarnation *list, size_t n, const struct member *m)
{
	for (size_t i = 0; i < m->known_n && n < CORE_MAX_NODES; i++)
		if (!incarnation_is_in(list, n, m->known[i]) && !known_is_over(c, m->known[i]))
			list[n++] = m->known[i];
	return n;
}

/* An incarnation that somebody has started, and that may have become active elsewhere; it counts
 * whatever the generation, until a plan is delivered: then it is in it, or not active */
static void started_add(struct core *c, struct incarnation inc)
{
	if (inc.pnn >= CORE_MAX_NODES || inc.pnn == c->self || inc.boot_id == 0 ||
	    c->started_n == STARTED_COUNT || known_is_over(c, inc) ||
	    incarnation_is_in(c->started, c->started_n, inc))
		return;
	c->started[c->started_n++] = inc;
	c->ops->fence_watch(c->world, inc);
}

static void started_expire(struct core *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->started_n; i++)
		if (!known_is_over(c, c->started[i]))
			c->started[n++] = c->started[i];
	c->started_n = n;
}

/* A member has told its STATE */
void known_learn(struct core *c, const struct member *m)
{
	bool is_newer = m->last_generation > c->generation;
	struct incarnation *list;
	size_t n = c->known_n;

	for (size_t i = 0; i < m->started_n; i++)
		started_add(c, m->started[i]);
	/* Of an active member's history that is not ours, whatever its number */
	if (m->active_generation != 0 &&
	    (c->active_generation == 0 ||
	     !incarnation_is_in(m->active, m->active_n, c->config.self)))
		for (size_t i = 0; i < m->known_n; i++)
			started_add(c, m->known[i]);
	if (m->last_generation < c->active_generation)
		return;
	list = core_alloc((n + m->known_n + 1) * sizeof(*list));
	if (n > 0)
		memcpy(list, c->known, n * sizeof(*list));
	n = known_add(c, list, n, m);
	known_take(c, is_newer ? m->last_generation : c->generation, is_newer || c->was_outside, list, n);
}

void core_started(struct core *c, struct incarnation inc)
{
	if (c->is_retired)
		return;
	if (inc.pnn < CORE_MAX_NODES)
		node_get(c, inc.pnn)->started_boot_id = inc.boot_id;
	started_expire(c);
	started_add(c, inc);
	view_lead(c);
	core_run(c);
}

/* Every member has told its STATE */
void known_settle(struct core *c)
{
	struct view *v = &c->view;
	struct incarnation *list;
	uint32_t active = 0, newest = 0;
	size_t n = 0, size = 1;

	for (size_t i = 0; i < v->n; i++) {
		const struct member *m = &v->member[i];

		if (!m->is_compatible)
			continue; /* it has told nothing that we can read */
		active = m->active_generation > active ? m->active_generation : active;
		newest = m->last_generation > newest ? m->last_generation : newest;
		size += m->known_n;
	}
	list = core_alloc(size * sizeof(*list));
	for (size_t i = 0; i < v->n; i++)
		if (v->member[i].last_generation >= (active != 0 ? active : newest))
			n = known_add(c, list, n, &v->member[i]);
	known_take(c, newest, c->was_outside, list, n);
	started_expire(c);
}

/* The cluster went on without m: it was active, and is not in the newest active generation; or it
 * has a database that the others cannot share. All members come to the same answer. */
bool known_is_evicted(const struct core *c, const struct member *m)
{
	const struct view *v = &c->view;
	const struct member *newest = NULL;
	struct incarnation inc = { .pnn = m->pnn, .boot_id = m->boot_id };

	if (m->active_generation == 0)
		return false;
	if (m->has_other_db)
		return true;
	for (size_t i = 0; i < v->n; i++) { /* by pnn: the lowest of equals */
		const struct member *o = &v->member[i];

		/* who is active with another version has told a list that we cannot read */
		if (o->is_compatible &&
		    (newest == NULL || o->active_generation > newest->active_generation))
			newest = o;
	}
	if (newest == NULL)
		return false;
	return !incarnation_is_in(newest->active, newest->active_n, inc);
}
