/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * location.c: what the lmaster knows: which node has a record. Its table (location_table.c) begins
 * empty with each generation and is filled by the members' sweeps (sweep.c) and by what happens
 * since.
 *
 * An entry is definitive when its source is an owner's report, a giver's LOCATION or our own ADOPT
 * of this generation (R2); among those the highest rsn wins, and they replace an offer whatever its
 * rsn. An offer is the best copy that a member reported of a record that it does not own. Then:
 *
 *   definitive                   -> forward the request there, as definitive
 *   not, sweep not done          -> all members are asked for this record (resolve.c)
 *   offered, sweep done          -> an orphan: the holder of its highest rsn adopts it
 *   unknown, sweep done          -> the record is new: the asking node creates it
 *
 * Nor do orphans have to be asked for. When the sweep is done they are adopted, some in each tick,
 * beside the work: only what somebody owns is told by a traverse, and deleted when it is empty.
 */
#include <stdlib.h>
#include "internal.h"

#define ADOPT_SLICE   128U   /* in one tick */
#define ADOPT_BUCKETS 16384U /* that are looked through for them */
#define ADOPT_WAIT_MS 100U   /* while much is queued for a node */

static void location_at(struct location *l, uint32_t pnn)
{
	l->holder = pnn & LOCATION_NOBODY;
}

static void location_forward(struct core *c, const struct location *l, struct slice key,
			     uint32_t orig)
{
	struct packet p = { .type = PACKET_FORWARD,
			    .db_id = location_db_id(c, l),
			    .orig = orig,
			    .rsn = l->rsn,
			    .is_definitive = 1,
			    .key = key };

	packet_send(c, l->holder, &p);
}

/* It is definitive: who has waited for that is told, and its key is needed no longer */
static void location_settle(struct core *c, struct location *l)
{
	struct resolution *r = resolve_end(c, l);

	for (size_t i = 0; r != NULL && i < r->n; i++)
		location_forward(c, l, location_key(l), r->orig[i]);
	free(r);
	location_unname(l);
}

static void location_adopt(struct core *c, struct location *l, uint32_t asking)
{
	struct packet p = { .type = PACKET_ADOPT,
			    .db_id = location_db_id(c, l),
			    .key = location_key(l) };
	uint64_t base = (uint64_t)c->active_generation << 32;

	c->locations.orphans -= location_is_orphan(l);
	p.is_new = l->holder == LOCATION_NOBODY;
	if (p.is_new)
		location_at(l, asking);
	/* above every copy, of this and of older generations, and what was deleted in this one */
	l->rsn += l->rsn < UINT64_MAX; /* which a client may have written */
	if (l->rsn < base)
		l->rsn = base;
	if (p.is_new && c->locations.forgotten_rsn >= l->rsn &&
	    !core_has_bug(c, CORE_BUG_VACUUM_RSN_BACK))
		l->rsn = c->locations.forgotten_rsn + 1;
	l->is_sole = p.is_new;
	l->is_definitive = true;
	p.rsn = l->rsn;
	packet_send(c, l->holder, &p);
	location_settle(c, l);
}

/* REQUEST, or BOUNCE from where we had forwarded it */
void location_request(struct core *c, const struct packet *p)
{
	struct location *l;

	uint32_t asking = orig_pnn(p->orig);

	if (asking >= CORE_MAX_NODES || c->node[asking] == NULL || !c->node[asking]->is_active ||
	    c->node[asking]->is_leaving)
		return;
	l = location_get(c, p->db_id, p->key);
	if (p->type == PACKET_BOUNCE && core_has_bug(c, CORE_BUG_HINT_NOT_DEFINITIVE)) {
		l->is_definitive = false; /* and so it is resolved again */
		l->holder = LOCATION_NOBODY;
	}
	if (!l->is_definitive)
		location_name(c, l, p->key);
	if (!l->is_definitive && c->is_recovering) {
		resolve_wait(c, l, p->orig);
		return;
	}
	if (!l->is_definitive) {
		location_adopt(c, l, asking);
		if (l->holder == asking)
			return; /* ADOPT is the answer */
	}
	location_forward(c, l, p->key, p->orig);
}

void location_learn(struct core *c, uint32_t db_id, struct slice key, uint32_t dmaster,
		    uint64_t rsn)
{
	struct location *l;

	if (dmaster >= CORE_MAX_NODES)
		return;
	l = location_get(c, db_id, key);
	if (l->is_awaited && !l->is_definitive &&
	    core_has_bug(c, CORE_BUG_LOCATION_LATE_LOSES))
		return;
	if (l->is_definitive && rsn < l->rsn)
		return;
	c->locations.orphans -= location_is_orphan(l);
	location_at(l, dmaster);
	l->rsn = rsn;
	l->is_definitive = true;
	if (!core_has_bug(c, CORE_BUG_VACUUM_MOVED))
		l->is_sole = false;
	location_settle(c, l);
}

void location_offer(struct core *c, uint32_t db_id, struct slice key, uint32_t holder, uint64_t rsn)
{
	struct location *l = location_get(c, db_id, key);

	if (l->is_definitive || (l->holder != LOCATION_NOBODY && rsn <= l->rsn))
		return;
	location_name(c, l, key);
	c->locations.orphans += !location_is_orphan(l);
	location_at(l, holder);
	l->rsn = rsn;
}

void location_decide(struct core *c, struct location *l)
{
	if (!l->is_definitive)
		location_adopt(c, l, resolve_first(c, l));
}

/* ---- orphans ---- */

static bool location_may_adopt(const struct core *c)
{
	return c->locations.orphans > 0 && c->is_active && !c->is_recovering && !c->is_frozen &&
	       !core_has_bug(c, CORE_BUG_ORPHANS_STAY);
}

/* The table may grow between two ticks: a bucket's second half is then behind all of the first
 * halves, so that nothing is passed over */
void location_tick(struct core *c)
{
	struct location_table *t = &c->locations;
	size_t adopted = 0;

	if (!location_may_adopt(c) || core_now(c) < t->adopt_ms)
		return;
	if (core_is_congested(c)) {
		t->adopt_ms = core_now(c) + ADOPT_WAIT_MS;
		return;
	}
	for (size_t looked = 0; looked < ADOPT_BUCKETS && adopted < ADOPT_SLICE; looked++) {
		struct location *l;

		if (t->adopt_bucket >= t->buckets) { /* the rest are those whose holder has gone, too */
			t->adopt_bucket = 0;
			t->adopt_ms = core_now(c) + ADOPT_WAIT_MS;
			return;
		}
		l = location_in_bucket(c, t->adopt_bucket++);
		for (; l != NULL; l = location_next(c, l)) {
			if (!location_is_orphan(l) || !node_is_there(c->node[l->holder]))
				continue;
			location_adopt(c, l, l->holder);
			adopted++;
		}
		if (t->orphans == 0)
			return;
	}
}

uint64_t location_deadline(const struct core *c)
{
	return location_may_adopt(c) ? c->locations.adopt_ms : UINT64_MAX;
}

/* ---- deletion (erase.c) ---- */

bool location_is_settled(struct core *c, uint32_t db_id, struct slice key, uint32_t holder,
			 bool *is_sole)
{
	const struct location *l = location_known(c, db_id, key);

	if (l == NULL || !l->is_definitive || l->holder != holder || l->is_awaited)
		return false;
	*is_sole = l->is_sole;
	return true;
}

void location_raise(struct core *c, uint32_t db_id, struct slice key, uint64_t rsn)
{
	struct location *l = location_known(c, db_id, key);

	if (l != NULL && l->rsn < rsn)
		l->rsn = rsn;
}

void location_forget(struct core *c, uint32_t db_id, struct slice key, uint64_t rsn)
{
	struct location_table *t = &c->locations;
	const struct location *l = location_known(c, db_id, key);

	if (t->forgotten_rsn < rsn)
		t->forgotten_rsn = rsn;
	if (l == NULL)
		return;
	if (t->forgotten_rsn < l->rsn)
		t->forgotten_rsn = l->rsn;
	location_remove(c, l);
}

bool location_orphan(struct core *c, uint32_t db_id, struct slice key, uint32_t from, uint64_t rsn)
{
	struct location *l = location_known(c, db_id, key);

	if (l == NULL) {
		if (c->locations.forgotten_rsn < rsn)
			c->locations.forgotten_rsn = rsn;
		return true;
	}
	if (!l->is_definitive)
		location_adopt(c, l, from);
	return false;
}
