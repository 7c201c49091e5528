/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wipe.c: a volatile database loses all of its records, on all nodes at once.
 *
 *   WIPE       one node asks, for a client; each active member freezes the file (the all-record
 *              lock: from there on nothing in it changes)
 *   WIPE_VOTE  it is frozen there; or why not, which ends it, as a change of the view does
 *
 * With the last vote of the active members all begin a new view, and the file stays frozen. STATE
 * says so. When all STATE is in, and every member that was active says it, the plan that follows
 * brings the wipe with it; otherwise (a vote was delivered to a part of them only) all let go. A
 * member to which the plan is delivered owes the wipe: it does it when it next becomes active, in
 * that generation or a later one, before its sweep begins, and lets go of the file.
 *
 * So to all that is on its way, is known or waits, a wipe is a recovery that finds nothing: what
 * belongs to the old generation is dropped (R1), what was asked is asked again, locations are
 * forgotten. A record is made in the new generation only when all members have looked for it, and
 * so have wiped.
 *
 * Why no member wipes that others do not follow: the plan is sent when all that were active and are
 * not here are resolved, their files gone. All the others have told that they are frozen, and none
 * lets go any more, for that takes a member that was active and does not tell. If somebody becomes
 * active, everybody in the plan has it, and owes. If nobody does, all that are left wipe with the
 * next one. (Where allow_unfenced is set the first of these does not hold: a part that was cut off may have
 * its records still, older ones than it knows to be gone.)
 *
 * The client is told when all members have reported their records: all have wiped then, and the
 * files of those that could not are gone.
 *
 * A client that keeps a chain lock is not waited for longer than FREEZE_MS. What a client has asked
 * to be pushed before (push.c) ends with the records.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "internal.h"

#define WIPE_PROTOCOL 4 /* the first that knows WIPE */
#define FREEZE_MS     3000

int core_wipe(struct core *c, uint32_t db_id)
{
	const struct db *db = db_get(c, db_id);

	if (db == NULL)
		return -ENOENT;
	if (db_is_replicated(db))
		return -EINVAL;
	if (!view_speaks(c, WIPE_PROTOCOL))
		return -EOPNOTSUPP;
	if (c->is_retired || !c->is_active || c->view.fsm.state != CORE_VIEW_ACTIVE ||
	    c->is_recovering)
		return -EAGAIN;
	/* Who is kept out for its version does not follow into a new view without a change of the group */
	for (size_t i = 0; i < c->view.n; i++)
		if (!c->view.member[i].is_compatible)
			return -EOPNOTSUPP;
	control_send_wipe(c, db_id, ++c->wipe_number);
	return -EINPROGRESS;
}

static void wipe_told(struct core *c, uint32_t asker, uint32_t db_id, int status, uint32_t pnn,
		      const char *why)
{
	if (asker == c->self)
		c->ops->wiped(c->world, db_id, status, pnn, why);
}

/* The clients of this node go on */
static void wipe_end(struct core *c, struct db *db, int status, uint32_t pnn, const char *why)
{
	uint32_t asker = db->wipe.asker;
	bool is_frozen = db->wipe.is_freezing;

	db->wipe = (struct wipe){ 0 };
	if (is_frozen)
		c->ops->db_thaw(c->world, db->db_id);
	wipe_told(c, asker, db->db_id, status, pnn, why);
}

static void wipe_vote(struct core *c, struct db *db, bool is_frozen, const char *why)
{
	db->wipe.until_ms = UINT64_MAX;
	control_send_wipe_vote(c, &db->wipe, db->db_id, is_frozen, why);
}

void wipe_asked(struct core *c, const struct member *asker, uint32_t generation, uint32_t db_id,
		uint64_t number)
{
	struct db *db = db_get(c, db_id);
	size_t planned_n;

	if (generation == 0 || generation != detach_generation(c, &planned_n) ||
	    !asker->is_planned) {
		wipe_told(c, asker->pnn, db_id, -EAGAIN, asker->pnn, "");
		return;
	}
	if (db == NULL || db_is_replicated(db) || db->detach.is_asked ||
	    db->wipe.state != WIPE_NONE) {
		wipe_told(c, asker->pnn, db_id, db == NULL ? -ENOENT : -EALREADY, asker->pnn, "");
		return;
	}
	db->wipe = (struct wipe){ .state = WIPE_FREEZING,
				  .asker = asker->pnn,
				  .number = number,
				  .until_ms = UINT64_MAX };
	if (!view_member(c, c->self)->is_planned)
		return;
	if (c->is_recovering || c->is_frozen || c->node[c->self]->is_leaving) {
		wipe_vote(c, db, false,
			  c->is_recovering ? "the cluster recovers: try again"
			  : c->is_frozen   ? "it has no quorum"
					   : "it is being stopped");
		return;
	}
	db->wipe.is_freezing = true;
	db->wipe.until_ms = core_now(c) + FREEZE_MS;
	c->ops->db_freeze(c->world, db_id);
}

void core_db_frozen(struct core *c, uint32_t db_id)
{
	struct db *db = db_get(c, db_id);

	if (c->is_retired || db == NULL || db->wipe.state != WIPE_FREEZING ||
	    db->wipe.until_ms == UINT64_MAX)
		return;
	if (core_has_bug(c, CORE_BUG_WIPE_EACH_ALONE))
		c->ops->db_wipe(c->world, db_id);
	wipe_vote(c, db, true, "");
	core_run(c);
}

void wipe_voted(struct core *c, const struct member *from, uint32_t generation, uint32_t db_id,
		uint32_t asker, uint64_t number, bool is_frozen, const char *why)
{
	struct db *db = db_get(c, db_id);
	struct wipe *w = db != NULL ? &db->wipe : NULL;
	uint64_t bit = 1ULL << from->pnn % 64;
	size_t planned_n;

	if (w == NULL || w->state != WIPE_FREEZING || w->asker != asker || w->number != number ||
	    !from->is_planned || generation != detach_generation(c, &planned_n) ||
	    (w->votes[from->pnn / 64] & bit) != 0)
		return;
	if (!is_frozen) {
		wipe_end(c, db, -EBUSY, from->pnn, why);
		return;
	}
	w->votes[from->pnn / 64] |= bit;
	if (++w->votes_n < planned_n)
		return;
	if (core_has_bug(c, CORE_BUG_WIPE_EACH_ALONE)) {
		wipe_end(c, db, 0, asker, "");
		return;
	}
	if (w->is_freezing)
		w->state = WIPE_FROZEN;
	else
		*w = (struct wipe){ 0 }; /* this node is kept out, and has no records */
	core_log(c, CORE_LOG_NOTICE,
		 "a database is wiped with the next generation | db=%s asked_by=%s(%u)", db->name,
		 node_name(c, asker), asker);
	view_restart(c, "a database is to be wiped");
}

/* ---- a new view ---- */

void wipe_gather(struct core *c)
{
	for (size_t i = 0; i < c->db_n; i++)
		if (c->db[i]->wipe.state == WIPE_FREEZING)
			wipe_end(c, c->db[i], -EAGAIN, c->self, "");
}

bool wipe_is_told(const struct db *db)
{
	return db->wipe.state == WIPE_FROZEN || db->wipe.state == WIPE_OWED;
}

static bool member_tells_wipe(const struct member *m, uint32_t db_id)
{
	for (size_t i = 0; i < m->dbs_n; i++)
		if (m->dbs[i].db_id == db_id)
			return m->dbs[i].is_wiping;
	return false;
}

void wipe_state_in(struct core *c)
{
	for (size_t i = 0; i < c->db_n; i++) {
		struct db *db = c->db[i];
		bool is_told = true;

		if (db->wipe.state != WIPE_FROZEN)
			continue;
		for (size_t k = 0; k < c->view.n; k++)
			is_told &= c->view.member[k].is_joiner ||
				   member_tells_wipe(&c->view.member[k], db->db_id);
		if (!is_told && !core_has_bug(c, CORE_BUG_WIPE_BY_SOME))
			wipe_end(c, db, -EAGAIN, c->self, "");
	}
}

void wipe_promise(struct core *c)
{
	for (size_t i = 0; i < c->db_n; i++)
		if (c->db[i]->wipe.state == WIPE_FROZEN)
			c->db[i]->wipe.state = WIPE_OWED;
}

bool wipe_activate(struct core *c)
{
	for (size_t i = 0; i < c->db_n; i++) {
		struct db *db = c->db[i];
		int rc;

		if (db->wipe.state != WIPE_OWED)
			continue;
		rc = c->ops->db_wipe(c->world, db->db_id);
		if (rc != 0) {
			core_log(c, CORE_LOG_ERROR, "a database cannot be wiped | db=%s error=%s",
				 db->name, strerror(-rc));
			c->is_retired = true;
			c->ops->retire(c->world, REASON_ENGINE_RESTARTING,
				       "a database cannot be wiped");
			return false;
		}
		db->wiped_generation = c->active_generation;
		core_log(c, CORE_LOG_NOTICE, "database wiped | db=%s id=0x%08x generation=%u",
			 db->name, db->db_id, c->active_generation);
		db->is_wipe_untold |= db->wipe.asker == c->self;
		db->wipe = (struct wipe){ 0 };
		c->ops->db_thaw(c->world, db->db_id);
	}
	return true;
}

void wipe_swept(struct core *c)
{
	for (size_t i = 0; i < c->db_n; i++) {
		if (!c->db[i]->is_wipe_untold)
			continue;
		c->db[i]->is_wipe_untold = false;
		c->ops->wiped(c->world, c->db[i]->db_id, 0, c->self, "");
	}
}

/* ---- time ---- */

void wipe_tick(struct core *c)
{
	for (size_t i = 0; i < c->db_n; i++) {
		struct db *db = c->db[i];

		if (db->wipe.state == WIPE_FREEZING && core_now(c) >= db->wipe.until_ms)
			wipe_vote(c, db, false, "a client keeps a record locked");
	}
}

uint64_t wipe_deadline(const struct core *c)
{
	uint64_t t = UINT64_MAX;

	for (size_t i = 0; i < c->db_n; i++)
		if (c->db[i]->wipe.state == WIPE_FREEZING && c->db[i]->wipe.until_ms < t)
			t = c->db[i]->wipe.until_ms;
	return t;
}
