/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * detach.c: the end of a volatile database, on all nodes at once.
 *
 *   DETACH  one node asks, for a client
 *   VOTE    each active member says whether nobody has the database open there, and that it will
 *           not be opened before an ATTACH that follows
 *
 * Both go over the control plane, so every member counts the same votes in the same order: with the
 * last one of the active members each closes the database, at the same place among all messages. A
 * single no ends it; so do an attach that is delivered meanwhile and a change of the view. A vote
 * names the question by its asker's number of it: the answer to one that has ended may come when
 * the next is asked.
 *
 * During a recovery every member says no: records are being reported to lmasters, where requests of
 * clients that are gone wait for the last report, and would be settled in a closed database.
 *
 * When the database is closed the members begin a new view. Packets about it may be on their way
 * (R1 would keep them, for a database that is about to be attached): until the next generation they
 * are dropped, here and at every other member, and then as all of an old one.
 *
 * So it can be attached again at any time; the order of the messages decides. What a client asks of
 * it before the next generation waits for that: no record of the new database can come to be in the
 * old one's generation, in which others may still move.
 *
 * One limit: a member that is cut off just then may be the only one that has all votes. When they
 * meet, the others still have the database and it learns it anew, empty. Nobody has it open (all
 * have said so); the records are those that the others have, and DETACH can be asked for again.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "drain.h"
#include "internal.h"
#include "traverse.h"
#include "vacuum.h"

/* ---- asking ---- */

static bool detach_is_too_early(const struct core *c)
{
	return c->is_recovering && !core_has_bug(c, CORE_BUG_DETACH_RECOVERING);
}

int core_detach(struct core *c, uint32_t db_id)
{
	const struct db *db = db_get(c, db_id);

	if (db == NULL)
		return -ENOENT;
	if (db_is_replicated(db))
		return -EINVAL;
	if (c->is_retired || !c->is_active || c->view.fsm.state != CORE_VIEW_ACTIVE ||
	    detach_is_too_early(c))
		return -EAGAIN;
	control_send_detach(c, db_id, ++c->detach_number);
	return -EINPROGRESS;
}

static void detach_told(struct core *c, uint32_t asker, uint32_t db_id, int status, uint32_t pnn,
			const char *why)
{
	if (asker == c->self)
		c->ops->detached(c->world, db_id, status, pnn, why);
}

/* It will not be */
static void detach_end(struct core *c, struct db *db, int status, uint32_t pnn, const char *why)
{
	db->detach.is_asked = false;
	detach_told(c, db->detach.asker, db->db_id, status, pnn, why);
}

/* The generation in which this view goes on: all in its plan have accepted. The same at every member,
 * also at one that is kept out: it has no clients (who was active once is in the plan, or evicted) and
 * no vote, but counts what the others say, and closes the database with them. 0: not yet */
uint32_t detach_generation(const struct core *c, size_t *planned_n)
{
	const struct view *v = &c->view;

	*planned_n = 0;
	for (size_t i = 0; i < v->n; i++) {
		if (v->member[i].is_planned && !v->member[i].has_accepted)
			return 0;
		*planned_n += v->member[i].is_planned;
	}
	return v->plan_generation;
}

/* Does this node say yes? Else why not */
static bool detach_is_possible(struct core *c, uint32_t db_id, char *why, size_t size)
{
	if (detach_is_too_early(c)) {
		snprintf(why, size, "the cluster recovers: try again");
		return false;
	}
	return c->ops->db_is_free(c->world, db_id, why, size) ||
	       core_has_bug(c, CORE_BUG_DETACH_IN_USE);
}

void detach_asked(struct core *c, const struct member *asker, uint32_t generation, uint32_t db_id,
		  uint64_t number)
{
	struct db *db = db_get(c, db_id);
	char why[CORE_NAME_SIZE] = "";
	size_t planned_n;
	bool is_free;

	if (generation == 0 || generation != detach_generation(c, &planned_n) ||
	    !asker->is_planned) {
		detach_told(c, asker->pnn, db_id, -EAGAIN, asker->pnn, "");
		return;
	}
	if (db == NULL || db_is_replicated(db) || db->detach.is_asked ||
	    db->wipe.state != WIPE_NONE) {
		detach_told(c, asker->pnn, db_id, db == NULL ? -ENOENT : -EALREADY, asker->pnn, "");
		return;
	}
	db->detach = (struct detach){ .is_asked = true, .asker = asker->pnn, .number = number };
	if (!view_member(c, c->self)->is_planned)
		return;
	is_free = detach_is_possible(c, db_id, why, sizeof(why));
	control_send_vote(c, &db->detach, db_id, is_free, why);
}

bool detach_is_past(const struct core *c, const struct packet *p)
{
	if (core_has_bug(c, CORE_BUG_DETACH_OLD_PACKETS) && db_get(c, p->db_id) != NULL)
		return false;
	return packet_is_record(p->type) && p->type != PACKET_DONE && p->db_id == c->detached_id &&
	       p->generation == c->detached_generation;
}

bool detach_is_asked(const struct db *db)
{
	return db->detach.is_asked;
}

/* ---- the end of it ---- */

static void detach_keys(struct core *c, uint32_t db_id)
{
	for (size_t i = 0; i < c->keys.buckets; i++) {
		struct keystate *k, *next;

		for (k = c->keys.bucket[i]; k != NULL; k = next) {
			next = k->next;
			if (k->db_id == db_id)
				keystate_fail(c, k, "the database was detached");
		}
	}
}

static void detach_close(struct core *c, struct db *db)
{
	size_t i = 0;

	while (c->db[i] != db)
		i++;
	traverse_db_closed(c, db->db_id);
	vacuum_db_closed(c, i);
	drain_db_closed(c);
	push_db_closed(c, db->db_id);
	detach_keys(c, db->db_id);
	if (!core_has_bug(c, CORE_BUG_DETACH_RECOVERING))
		location_db_closed(c, db->db_id);
	c->detached_id = db->db_id;
	c->detached_generation = c->active_generation;
	c->ops->db_close(c->world, db->db_id);
	memmove(&c->db[i], &c->db[i + 1], (c->db_n - i - 1) * sizeof(c->db[0]));
	c->db_n--;
	core_log(c, CORE_LOG_NOTICE, "database detached | db=%s id=0x%08x asked_by=%s(%u)",
		 db->name, db->db_id, node_name(c, db->detach.asker), db->detach.asker);
	replica_free(db);
	free(db);
}

void detach_voted(struct core *c, const struct member *from, uint32_t generation, uint32_t db_id,
		  uint32_t asker, uint64_t number, bool is_free, const char *why)
{
	struct db *db = db_get(c, db_id);
	struct detach *d = db != NULL ? &db->detach : NULL;
	uint64_t bit = 1ULL << from->pnn % 64;
	size_t planned_n;

	if (d == NULL || !d->is_asked || d->asker != asker || d->number != number ||
	    !from->is_planned || generation != detach_generation(c, &planned_n) ||
	    (d->votes[from->pnn / 64] & bit) != 0)
		return;
	if (!is_free) {
		detach_end(c, db, -EBUSY, from->pnn, why);
		return;
	}
	d->votes[from->pnn / 64] |= bit;
	if (++d->votes_n < planned_n)
		return;
	detach_close(c, db);
	detach_told(c, asker, db_id, 0, asker, "");
	view_restart(c, "a database was detached");
}

void detach_attach_in(struct core *c, struct db *db, uint32_t from)
{
	if (db->detach.is_asked)
		detach_end(c, db, -EBUSY, from, "a client attaches it");
}

void detach_forget(struct core *c)
{
	for (size_t i = 0; i < c->db_n; i++)
		if (c->db[i]->detach.is_asked)
			detach_end(c, c->db[i], -EAGAIN, c->self, "");
}
