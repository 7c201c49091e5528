/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * wipe.c: databases that lose all of their records, in a quarter of the seeds: clients ask for it
 * now and then, and the others go on. Each is answered, once.
 *
 * A content says how many writes of each incarnation went into it. Those go on counting behind a
 * wipe, so what was written before can be told from what came after (vwipe_is_old). When the first
 * node has wiped nothing old may come to be in a file any more, nor be read or written on a node
 * whose daemon runs. When a client is told that it is done, it is in no file that counts.
 */
#include <errno.h>
#include <string.h>
#include "sim.h"

static bool vwipe_chance(struct sim *s, uint32_t percent)
{
	return random_next(&s->wipes) % 100 < percent;
}

bool vwipe_is_old(const struct sim *s, uint32_t db, uint32_t key, const uint16_t *content)
{
	for (uint32_t i = 0; i < SIM_WRITERS; i++)
		if (content[i] != 0 && content[i] <= s->wiped_writes[db][key][i])
			return true;
	return false;
}

void vwipe_done(struct sim *s, struct vengine *e, uint32_t db)
{
	sim_trace(s, "node %u: db %u is wiped", e->node->pnn, db);
	s->wiped++;
	for (uint32_t k = 0; k < s->keys; k++) {
		vtraverse_moved(s, db, k);
		for (uint32_t i = 0; i < SIM_WRITERS; i++)
			if (s->written[db][k][i] > s->wiped_writes[db][k][i])
				s->wiped_writes[db][k][i] = s->written[db][k][i];
	}
	/* what of it is gone is no loss */
	memset(s->written[db], 0, sizeof(s->written[db]));
	memset(s->emptied[db], 0, sizeof(s->emptied[db]));
	memset(s->deleted[db], 0, sizeof(s->deleted[db]));
	memset(s->given_n[db], 0, sizeof(s->given_n[db]));
	memset(e->seen[db], 0, sizeof(e->seen[db]));
	for (struct vengine *v = s->engines; v != NULL; v = v->next) {
		memset(v->pushed[db], 0, sizeof(v->pushed[db]));
		memset(v->committer.pushed[db], 0, sizeof(v->committer.pushed[db]));
	}
}

/* A vote is on its way: a cut just now may leave it to one part only */
void vwipe_frozen(struct sim *s)
{
	if (vwipe_chance(s, 10))
		fault_cut_soon(s, random_next(&s->wipes) % (4 * s->cpg_us));
}

static int vwipe_db(const struct vengine *e, uint32_t db_id)
{
	for (uint32_t d = 0; d < e->sim->dbs; d++)
		if (e->file.db[d].is_open && e->file.db[d].db_id == db_id)
			return (int)d;
	return -1;
}

void vwipe_ended(void *world, uint32_t db_id, int status, uint32_t pnn, const char *why)
{
	struct vengine *e = world;
	struct sim *s = e->sim;
	int db = vwipe_db(e, db_id);

	sim_trace(s, "node %u: wipe of db %d ends with %d (node %u: %s)", e->node->pnn, db, status,
		  pnn, why);
	if (db < 0 || !e->is_wiping[db]) {
		sim_fail(s, "wipe", "node %u is answered what it has not asked", e->node->pnn);
		return;
	}
	e->is_wiping[db] = false;
	for (struct vengine *v = s->engines; status == 0 && v != NULL; v = v->next)
		for (uint32_t k = 0; k < s->keys && vengine_can_write(v); k++) {
			const struct vrecord *r = vrecord_of(v, (uint32_t)db, k);

			if (r->is_present && r->n > 0 && vwipe_is_old(s, (uint32_t)db, k, r->body))
				sim_fail(
				    s, "wipe (resurrection)",
				    "db %d is said to be wiped, and node %u has key %u of before",
				    db, v->node->pnn, k);
		}
}

static void vwipe_on_turn(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	uint32_t db = (uint32_t)random_next(&s->wipes) % s->dbs;
	int rc;

	(void)data;
	(void)number;
	if (!e->is_running || e->is_quitting || s->is_healing)
		return;
	event_after(s, sim_delay(s, 2 * s->fault_us), vwipe_on_turn, e, NULL, 0);
	if (!vengine_serves(e) || !e->is_attached[db] || e->is_wiping[db] || vwipe_chance(s, 50))
		return;
	s->restarts++; /* it may begin a generation */
	e->is_wiping[db] = true;
	rc = core_wipe(e->core, e->file.db[db].db_id);
	if (rc != -EINPROGRESS)
		e->is_wiping[db] = false;
	if (rc != -EINPROGRESS && rc != -EAGAIN && rc != -EALREADY)
		sim_fail(s, "wipe", "node %u: wipe of db %u says %d", e->node->pnn, db, rc);
	vengine_after(e);
}

void vwipe_start(struct sim *s, struct vengine *e)
{
	if (s->has_wipes)
		event_after(s, sim_delay(s, 2 * s->fault_us), vwipe_on_turn, e, NULL, 0);
}

bool check_wipe(struct sim *s, const char **why)
{
	for (uint32_t i = 0; i < s->n; i++)
		for (uint32_t d = 0; d < s->dbs; d++) {
			*why = "a wipe is not answered";
			if (s->node[i].engine->is_wiping[d])
				return false;
		}
	return true;
}
