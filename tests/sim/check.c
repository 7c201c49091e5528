/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * check.c: the invariants, checked whenever a record or a view changes.
 *
 * A file counts as long as its clients could still write it: until its node has lost power or the
 * file was retired, whatever any view says.
 *   I1  who becomes owner is the only one, over all files that count
 *   I2  a hand-off raises the rsn; who becomes owner has an rsn above every copy
 *   I3  who becomes owner holds all that the clients of any file that counts made or saw. Content
 *       is a vector: how many writes of each incarnation went into it.
 *   and as long as all daemons that have ended had handed over all, nothing is lost that was ever written
 *   R8  a record that the daemon deleted was empty, and does not come back with an older content
 *   I8  while a client holds a record to write it, no file that counts has a copy that can be read;
 *       a copy that is read is as the owner has the record
 *   I4  no view becomes active without quorum, and who is told that it is lost freezes
 *   I5  no view becomes active without an incarnation that was active and whose file counts
 *   Who is evicted by agreement had a link that was blocked, and was the only one of its generation.
 *       Where one node can exchange data with no other, it is that one.
 * and there are no more generations than reasons for one: changes of a group, and RESTARTs that
 * were asked for. (That these end, too, is checked in the end: scenario.c.)
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/core/internal.h" /* the flags of a header */
#include "sim.h"

void sim_fail(struct sim *s, const char *what, const char *format, ...)
{
	va_list ap;
	int n;

	if (s->has_failed)
		return;
	s->has_failed = true;
	n = snprintf(s->failure, sizeof(s->failure), "%s: ", what);
	va_start(ap, format);
	vsnprintf(s->failure + n, sizeof(s->failure) - (size_t)n, format, ap);
	va_end(ap);
	sim_trace(s, "VIOLATED %s", s->failure);
}

/* The first incarnation with more writes in a than in b, or -1 */
static int content_missing(const uint16_t *a, const uint16_t *b)
{
	for (int i = 0; i < SIM_WRITERS; i++) {
		if (a[i] > b[i])
			return i;
	}
	return -1;
}

static void check_content_of_empty(struct sim *s, struct vengine *e, uint32_t db, uint32_t key,
				   const struct vrecord *old)
{
	struct vrecord *r = &e->file.db[db].record[key];
	uint32_t n = s->given_n[db][key];
	bool is_owner = r->header.dmaster == e->node->pnn; /* it was given to it, not lent */

	for (uint32_t i = 0; i < 16 && i < n; i++) {
		const struct vgiven *g = &s->given[db][key][(n - 1 - i) % 16];

		if (g->rsn == r->header.rsn && g->to == (is_owner ? e->node->pnn : UINT32_MAX)) {
			memcpy(r->body, g->content, sizeof(r->body));
			return;
		}
	}
	if (old->is_present && old->n == 0)
		memcpy(r->body, old->body, sizeof(r->body));
	else
		memcpy(r->body, s->emptied[db][key], sizeof(r->body));
	/* Empty is empty: it stands for what the last client that emptied it has left */
	if (content_missing(r->body, s->emptied[db][key]) < 0)
		memcpy(r->body, s->emptied[db][key], sizeof(r->body));
}

void check_del(struct sim *s, struct vengine *e, uint32_t db, uint32_t key,
	       const struct vrecord *old)
{
	bool is_owner = old->is_present && old->header.dmaster == e->node->pnn;

	sim_trace(s, "node %u: db %u key %u deleted, rsn %llu%s", e->node->pnn, db, key,
		  (unsigned long long)old->header.rsn, is_owner ? ", as its owner" : "");
	if (!old->is_present)
		return;
	if (old->n > 0)
		sim_fail(s, "I3 (lost write)", "node %u deletes db %u key %u, which is not empty",
			 e->node->pnn, db, key);
	if (content_missing(s->deleted[db][key], old->body) < 0)
		memcpy(s->deleted[db][key], old->body, sizeof(old->body));
	s->vacuumed++;
}

static bool owned_is_key(struct sim *s, uint32_t db, uint32_t key)
{
	bool is_copied = false;

	for (uint32_t i = 0; i < s->n; i++) {
		const struct vrecord *r = vrecord_of(s->node[i].engine, db, key);

		if (r->is_present && r->header.dmaster == s->node[i].pnn)
			return true;
		/* an empty one may be left of a record that was deleted */
		is_copied |= r->is_present && (r->n > 0 || !s->has_vacuum);
	}
	return !is_copied;
}

bool check_is_owned(struct sim *s, const char **why)
{
	for (uint32_t d = 0; d < s->files; d++) {
		for (uint32_t k = 0; k < s->keys; k++) {
			*why = s->key_name[k];
			if (!owned_is_key(s, d, k))
				return false;
		}
	}
	return true;
}

static bool vacuumed_is_key(struct sim *s, uint32_t db, uint32_t key)
{
	bool is_full = false, is_copied = false;

	for (uint32_t i = 0; i < s->n; i++) {
		const struct vrecord *r = vrecord_of(s->node[i].engine, db, key);

		if (!r->is_present)
			continue;
		is_copied = true;
		is_full |= r->header.dmaster == s->node[i].pnn && r->n > 0;
	}
	return is_full || !is_copied;
}

bool check_is_vacuumed(struct sim *s, uint32_t dbs, const char **why)
{
	for (uint32_t d = 0; d < dbs; d++) {
		for (uint32_t k = 0; k < s->keys; k++) {
			*why = s->key_name[k];
			if (!vacuumed_is_key(s, d, k))
				return false;
		}
	}
	return true;
}

static void check_acquired(struct sim *s, struct vengine *e, uint32_t db, uint32_t key)
{
	struct vrecord *r = &e->file.db[db].record[key];
	int writer;

	for (struct vengine *v = s->engines; v != NULL; v = v->next) {
		const struct vrecord *copy = vrecord_of(v, db, key);

		if (v == e || !vengine_can_write(v))
			continue;
		if (copy->is_present && copy->header.dmaster == v->node->pnn)
			sim_fail(s, "I1 (two owners)",
				 "node %u becomes owner of db %u key %u with rsn %llu, node %u "
				 "(boot %llx) owns it with %llu",
				 e->node->pnn, db, key, (unsigned long long)r->header.rsn,
				 v->node->pnn, (unsigned long long)v->boot_id,
				 (unsigned long long)copy->header.rsn);
		if (copy->is_present &&
		    (copy->header.rsn > r->header.rsn ||
		     (copy->header.rsn == r->header.rsn && copy->header.dmaster != e->node->pnn)))
			sim_fail(s, "I2 (rsn)",
				 "node %u becomes owner of db %u key %u with rsn %llu, node %u has "
				 "a copy of %llu",
				 e->node->pnn, db, key, (unsigned long long)r->header.rsn,
				 v->node->pnn, (unsigned long long)copy->header.rsn);
		writer = content_missing(v->seen[db][key], r->body);
		if (writer >= 0)
			sim_fail(s, "I3 (lost write)",
				 "node %u becomes owner of db %u key %u rsn %llu with %u writes of "
				 "incarnation %d, clients of node %u saw %u",
				 e->node->pnn, db, key, (unsigned long long)r->header.rsn,
				 r->body[writer], writer, v->node->pnn, v->seen[db][key][writer]);
	}
	writer = content_missing(s->written[db][key], r->body);
	if (!s->has_lost && writer >= 0)
		sim_fail(s, "drain (lost write)",
			 "node %u becomes owner of db %u key %u rsn %llu with %u writes of "
			 "incarnation %d, of %u",
			 e->node->pnn, db, key, (unsigned long long)r->header.rsn, r->body[writer],
			 writer, s->written[db][key][writer]);
	if (content_missing(s->deleted[db][key], r->body) >= 0)
		sim_fail(s, "R8 (resurrection)",
			 "node %u becomes owner of db %u key %u rsn %llu with a content older than "
			 "its deletion",
			 e->node->pnn, db, key, (unsigned long long)r->header.rsn);
	memcpy(e->seen[db][key], r->body, sizeof(r->body));
}

void check_put(struct sim *s, struct vengine *e, uint32_t db, uint32_t key,
	       const struct vrecord *old)
{
	struct vrecord *r = &e->file.db[db].record[key];
	uint32_t own = e->node->pnn;
	bool was_owner = old->is_present && old->header.dmaster == own,
	     is_owner = r->header.dmaster == own;

	if (was_owner != is_owner)
		vtraverse_moved(s, db, key);
	sim_trace(s, "node %u: db %u key %u dmaster %u -> %u, rsn %llu -> %llu", own, db, key,
		  old->is_present ? old->header.dmaster : UINT32_MAX, r->header.dmaster,
		  (unsigned long long)old->header.rsn, (unsigned long long)r->header.rsn);
	if (old->is_present && r->header.rsn < old->header.rsn)
		sim_fail(s, "I2 (rsn)", "node %u lowers the rsn of db %u key %u from %llu to %llu",
			 own, db, key, (unsigned long long)old->header.rsn,
			 (unsigned long long)r->header.rsn);
	if (was_owner) {
		if (r->n != old->n ||
		    (r->n > 0 && memcmp(r->body, old->body, sizeof(r->body)) != 0))
			sim_fail(s, "I3 (lost write)",
				 "the daemon of node %u changed the content of db %u key %u", own,
				 db, key);
		memcpy(r->body, old->body, sizeof(r->body));
		if (is_owner && (r->header.flags & ~old->header.flags & RECORD_IS_LENT) == 0)
			return;
		if (r->header.rsn <= old->header.rsn)
			sim_fail(s, "I2 (rsn)",
				 "node %u gives db %u key %u to node %u with the same rsn %llu",
				 own, db, key, r->header.dmaster,
				 (unsigned long long)r->header.rsn);
		struct vgiven *g = &s->given[db][key][s->given_n[db][key]++ % 16];

		g->rsn = r->header.rsn;
		g->to = is_owner ? UINT32_MAX : r->header.dmaster; /* a copy, to anybody */
		memcpy(g->content, r->body, sizeof(g->content));
		return;
	}
	if (r->n == 0)
		check_content_of_empty(s, e, db, key, old);
	else if (vwipe_is_old(s, db, key, r->body))
		sim_fail(s, "wipe (resurrection)",
			 "node %u is given db %u key %u rsn %llu with a content of before a wipe", own,
			 db, key, (unsigned long long)r->header.rsn);
	if (is_owner)
		check_acquired(s, e, db, key);
}

/* A client reads from a copy: it is as the owner has it */
void check_read(struct sim *s, struct vclient *c)
{
	const struct vrecord *r = vrecord_of(c->e, c->db, c->key);
	uint16_t *seen = c->e->seen[c->db][c->key];

	s->reads++;
	if (c->e->is_running && r->n > 0 && vwipe_is_old(s, c->db, c->key, r->body))
		sim_fail(s, "wipe (resurrection)",
			 "a client of node %u reads db %u key %u as it was before a wipe",
			 c->e->node->pnn, c->db, c->key);
	for (struct vengine *v = s->engines; v != NULL; v = v->next) {
		const struct vrecord *owned = vrecord_of(v, c->db, c->key);

		if (v == c->e || !vengine_can_write(v) || !owned->is_present ||
		    owned->header.dmaster != v->node->pnn ||
		    r->header.dmaster == c->e->node->pnn)
			continue;
		if (owned->n != r->n ||
		    (r->n > 0 && memcmp(owned->body, r->body, sizeof(r->body)) != 0))
			sim_fail(s, "I8 (old copy)",
				 "a client of node %u reads db %u key %u from a copy that is older "
				 "than what node %u has",
				 c->e->node->pnn, c->db, c->key, v->node->pnn);
	}
	for (int i = 0; i < SIM_WRITERS; i++)
		if (r->body[i] > seen[i])
			seen[i] = r->body[i];
}

/* Every node knows what the databases have become */
void check_properties(struct sim *s)
{
	struct core_db_info first, info;

	for (size_t i = 0; core_db_info(s->node[0].engine->core, i, &first) == 0; i++)
		for (uint32_t n = 1; n < s->n; n++)
			for (size_t k = 0; core_db_info(s->node[n].engine->core, k, &info) == 0; k++)
				if (info.db_id == first.db_id && info.flags != first.flags)
					sim_fail(s, "attach", "nodes 0 and %u have %s with flags %u and %u",
						 n, info.name, first.flags, info.flags);
}

void check_hold(struct sim *s, struct vclient *c)
{
	const struct vrecord *own = vrecord_of(c->e, c->db, c->key);

	if (c->e->is_running && own->n > 0 && vwipe_is_old(s, c->db, c->key, own->body))
		sim_fail(s, "wipe (resurrection)",
			 "a client of node %u holds db %u key %u as it was before a wipe",
			 c->e->node->pnn, c->db, c->key);
	for (struct vengine *v = s->engines; v != NULL; v = v->next) {
		const struct vrecord *copy = vrecord_of(v, c->db, c->key);

		if (v == c->e || !vengine_can_write(v))
			continue;
		if (copy->is_present && (copy->header.flags & RECORD_IS_COPY) != 0)
			sim_fail(s, "I8 (old copy)",
				 "a client of node %u holds db %u key %u, node %u (boot %llx) has a "
				 "copy that can be read",
				 c->e->node->pnn, c->db, c->key, v->node->pnn,
				 (unsigned long long)v->boot_id);
		for (uint32_t i = 0; i < SIM_CLIENTS; i++) {
			if (v->client[i].state == VCLIENT_HOLDING && v->client[i].db == c->db &&
			    v->client[i].key == c->key)
				sim_fail(s, "I1 (two holders)",
					 "clients of nodes %u and %u hold db %u key %u at once",
					 c->e->node->pnn, v->node->pnn, c->db, c->key);
		}
	}
}

void check_write(struct sim *s, struct vengine *e, uint32_t db, uint32_t key, bool is_emptied)
{
	struct vrecord *r = &e->file.db[db].record[key];
	bool is_lost;

	if (!r->is_present || r->header.dmaster != e->node->pnn) {
		sim_fail(s, "I1 (two owners)",
			 "node %u lost db %u key %u while its client held the lock", e->node->pnn,
			 db, key);
		return;
	}
	if (is_emptied && r->n == 0)
		return;
	/* of before a wipe that its daemon did not live to do: it ends with the file */
	is_lost = vwipe_is_old(s, db, key, r->body);
	if (r->body[e->number] < s->wiped_writes[db][key][e->number])
		r->body[e->number] = s->wiped_writes[db][key][e->number];
	r->body[e->number]++;
	if (!is_lost)
		s->written[db][key][e->number] = r->body[e->number];
	s->writes++;
	memcpy(e->seen[db][key], r->body, sizeof(r->body));
	if (is_emptied) {
		if (!is_lost)
			memcpy(s->emptied[db][key], r->body, sizeof(r->body));
		r->n = 0;
		return;
	}
	for (r->n = SIM_WRITERS; r->body[r->n - 1] == 0;)
		r->n--;
}

void check_push(struct vengine *e, uint32_t db, uint32_t key, const uint16_t *content)
{
	struct vpushed *p = &e->pushed[db][key];
	struct core_node_status n;

	if (content_missing(p->content, content) >= 0 || vwipe_is_old(e->sim, db, key, content))
		return; /* a newer one, or a wipe, came first */
	p->is_pushed = true;
	memcpy(p->content, content, sizeof(p->content));
	memset(p->boot_id, 0, sizeof(p->boot_id));
	for (size_t i = 0; core_node_status(e->core, i, &n) == 0; i++)
		if (n.state == CORE_NODE_ACTIVE)
			p->boot_id[n.pnn] = n.boot_id;
}

/* Every node that was active then, and still is, has that content or a newer one */
void check_pushed(struct sim *s, struct vengine *e)
{
	for (uint32_t i = 0; i < s->dbs * s->keys * s->n; i++) {
		uint32_t db = i / s->n / s->keys, key = i / s->n % s->keys;
		const struct vpushed *p = &e->committer.pushed[db][key];
		const struct vengine *v = s->node[i % s->n].engine;
		const struct vrecord *r;

		if (v == NULL || !p->is_pushed || v->boot_id != p->boot_id[i % s->n] ||
		    !vengine_can_write(v) || v->generation != e->generation ||
		    content_missing(p->content, s->deleted[db][key]) < 0 ||
		    content_missing(p->content, s->emptied[db][key]) < 0)
			continue;
		r = vrecord_of(v, db, key);
		if (!r->is_present || content_missing(p->content, r->body) >= 0)
			sim_fail(s, "push",
				 "node %u has not what node %u had pushed of db %u key %u before a "
				 "commit",
				 v->node->pnn, e->node->pnn, db, key);
	}
}

bool check_is_awaited(struct vengine *e, uint32_t db, uint32_t key)
{
	uint32_t db_id = e->file.db[db].db_id;
	struct slice name = slice_of(e->sim->key_name[key], strlen(e->sim->key_name[key]));
	const struct keystate *k = keystate_find(e->core, core_hash(db_id, name), db_id, name);

	return k != NULL && k->is_blocked;
}

struct vengine *sim_engine_of(struct sim *s, struct incarnation inc)
{
	for (struct vengine *v = s->engines; v != NULL; v = v->next) {
		if (v->node->pnn == inc.pnn && v->boot_id == inc.boot_id)
			return v;
	}
	return NULL;
}

static bool active_has(const struct incarnation *active, size_t n, const struct vengine *v)
{
	for (size_t i = 0; i < n; i++) {
		if (active[i].pnn == v->node->pnn && active[i].boot_id == v->boot_id)
			return true;
	}
	return false;
}

/* Whether somebody was told of this very view before */
static bool check_generation_known(struct sim *s, uint32_t generation,
				   const struct incarnation *active, size_t n)
{
	struct vgeneration *g;

	for (size_t i = s->generations_n; i-- > 0;) {
		g = &s->generations[i];
		if (g->generation == generation && g->n == n &&
		    memcmp(g->active, active, n * sizeof(*active)) == 0)
			return true;
	}
	if (s->generations_n == s->generations_size) {
		s->generations_size = s->generations_size ? 2 * s->generations_size : 16;
		s->generations = realloc(s->generations, s->generations_size * sizeof(*g));
		if (s->generations == NULL)
			abort();
	}
	g = &s->generations[s->generations_n++];
	memset(g, 0, sizeof(*g));
	g->generation = generation;
	g->n = n;
	memcpy(g->active, active, n * sizeof(*active));
	return false;
}

void check_activate(struct sim *s, struct vengine *e, uint32_t generation,
		    const struct incarnation *active, size_t n)
{
	struct incarnation list[SIM_NODES];

	if (n > SIM_NODES) {
		sim_fail(s, "view", "node %u activates with %zu nodes", e->node->pnn, n);
		return;
	}
	memset(list, 0, sizeof(list));
	for (size_t i = 0; i < n; i++) {
		size_t k = i;

		for (; k > 0 && list[k - 1].pnn > active[i].pnn; k--)
			list[k] = list[k - 1];
		list[k].pnn = active[i].pnn;
		list[k].boot_id = active[i].boot_id;
	}
	if (!active_has(list, n, e))
		return; /* it only hears of a view that it is not in */
	if (generation != e->plan_generation)
		sim_fail(s, "view",
			 "node %u is active in generation %u, which it was not told to keep (%u)",
			 e->node->pnn, generation, e->plan_generation);
	if (generation <= e->generation)
		sim_fail(s, "view", "node %u goes from generation %u to %u", e->node->pnn,
			 e->generation, generation);
	e->generation = generation;
	e->nodes = 0;
	for (size_t i = 0; i < n; i++)
		e->nodes |= 1U << list[i].pnn;
	s->activations++;
	if (!check_generation_known(s, generation, list, n)) {
		check_replica_generation(s, list, n);
		if (++s->generations_begun > s->changes + s->restarts)
			sim_fail(s, "view",
				 "generation %u is the %lluth, after %llu changes of a group, and "
				 "%llu that were asked for",
				 generation, (unsigned long long)s->generations_begun,
				 (unsigned long long)s->changes, (unsigned long long)s->restarts);
		for (struct vengine *v = s->engines; v != NULL; v = v->next) {
			if (v->first_generation != 0 && vengine_can_write(v) &&
			    !active_has(list, n, v))
				sim_fail(s, "I5 (take-over)",
					 "generation %u starts on node %u without boot %llx of "
					 "node %u, whose clients can still write",
					 generation, e->node->pnn, (unsigned long long)v->boot_id,
					 v->node->pnn);
		}
	}
	if (e->first_generation == 0)
		e->first_generation = generation;
}

void check_multicast(struct sim *s, struct vengine *e, bool is_activate)
{
	if (is_activate && (!e->is_quorate || e->ring.node != e->quorum_ring.node ||
			    e->ring.seq != e->quorum_ring.seq))
		sim_fail(s, "I4 (quorum)", "node %u activates a view without quorum", e->node->pnn);
}

void check_freeze(struct sim *s, struct vengine *e)
{
	if (e->generation != 0 && !e->is_quorate && !e->file.is_freezing)
		sim_fail(s, "I4 (quorum)", "node %u has no quorum and does not stop its clients",
			 e->node->pnn);
}

/* Whether data did not get through between a node and another a while ago */
static bool check_had_cut(const struct sim *s, uint32_t pnn)
{
	uint64_t while_us = (uint64_t)s->timeout_ms * 4000;
	uint32_t stalled = 0;

	/* One that stands still has nobody evicted; when both have, it cannot be told who is to
	 * blame */
	for (uint32_t i = 0; i < s->n; i++)
		stalled +=
		    s->node[i].stalled_us != 0 && s->node[i].stalled_us + while_us > s->now_us;
	if (stalled > 1 && s->node[pnn].stalled_us != 0 &&
	    s->node[pnn].stalled_us + while_us > s->now_us)
		return true;
	if (s->parted_us != 0 && s->parted_us + while_us > s->now_us)
		return true;
	for (uint32_t i = 0; i < s->n; i++)
		if (s->is_blocked[i][pnn] || s->is_blocked[pnn][i] ||
		    s->node[i].corosync.part != s->node[pnn].corosync.part ||
		    (s->blocked_us[i][pnn] != 0 && s->blocked_us[i][pnn] + while_us > s->now_us))
			return true;
	return false;
}

/* What a node had of another one's acknowledgements */
static uint64_t check_acked(const struct sim *s, uint32_t pnn, uint32_t peer)
{
	const struct vengine *e = s->node[pnn].engine;
	const struct node *n =
	    e != NULL && e->core != NULL && pnn != peer ? e->core->node[peer] : NULL;

	return n != NULL ? n->session.acked_seq : 0;
}

void check_cut_off(struct sim *s)
{
	s->cut_off_us = s->now_us;
	for (uint32_t i = 0; i < s->n; i++) {
		s->cut_acked[i][0] = check_acked(s, i, s->cut_off->pnn);
		s->cut_acked[i][1] = check_acked(s, s->cut_off->pnn, i);
	}
}

/* For so long that nothing that is judged is of an older cut; no acknowledgement that had come before has
 * waited behind something that was held; nobody has just joined, whose pairs count from then on; and nobody
 * is about to leave, who says nothing */
static bool check_is_cut_off(const struct sim *s, const struct core *c)
{
	for (size_t i = 0; i < c->view.n; i++)
		if (c->view.member[i].active_generation == 0 &&
		    s->generations_begun != s->cut_generations)
			return false;
	if (s->cut_off_us == 0 || s->now_us < s->cut_off_us + 1200ULL * s->timeout_ms)
		return false;
	for (uint32_t i = 0; i < s->n; i++) {
		const struct vengine *e = s->node[i].engine;

		if (e != NULL && e->core != NULL && e->core->node[i]->is_leaving)
			return false;
		if (s->cut_acked[i][0] != check_acked(s, i, s->cut_off->pnn) ||
		    s->cut_acked[i][1] != check_acked(s, s->cut_off->pnn, i))
			return false;
	}
	return true;
}

void check_evicted(struct sim *s, struct vengine *e)
{
	s->evictions++;
	if (!check_had_cut(s, e->node->pnn))
		sim_fail(s, "eviction", "node %u is evicted, and its links were good", e->node->pnn);
	if (s->cut_off != NULL && s->cut_off != e->node && e->plan_n > 2 &&
	    check_is_cut_off(s, e->core))
		sim_fail(s, "eviction", "node %u is evicted, not node %u, which has no link at all",
			 e->node->pnn, s->cut_off->pnn);
	for (const struct vengine *v = s->engines; v != NULL; v = v->next)
		if (v->is_evicted && v->generation == e->generation && v->plan_n == e->plan_n &&
		    s->parted_us == 0 && memcmp(v->plan, e->plan, sizeof(v->plan)) == 0)
			sim_fail(s, "eviction", "nodes %u and %u are evicted from generation %u",
				 v->node->pnn, e->node->pnn, e->generation);
	e->is_evicted = true;
}

bool check_is_whole_but_cut(struct sim *s, const char **why)
{
	struct core_status status;
	uint32_t generation = 0;
	bool is_active[SIM_NODES] = { 0 };

	*why = "corosync is not one ring";
	if (!corosync_is_whole(s))
		return false;
	for (uint32_t i = 0; i < s->n; i++) {
		struct vengine *e = s->node[i].engine;

		*why = "a node is still to be fenced";
		if (s->node[i].is_unclean || s->fencings_now > 0)
			return false;
		*why = "an engine does not run";
		if (e == NULL || !vengine_can_run(e) || !vnode_has_daemon(&s->node[i]) ||
		    supervise_state(s->node[i].supervisor.supervise) != SUPERVISE_RUNNING)
			return false;
		core_status(e->core, &status);
		is_active[i] = status.is_active && status.view == CORE_VIEW_ACTIVE;
		*why = "a node is neither active nor kept out";
		if (!is_active[i] && status.reason != REASON_NO_LINK)
			return false;
		*why = "a sweep is not done, or a node is frozen";
		if (status.is_recovering || status.is_frozen)
			return false;
		*why = "generations differ";
		if (is_active[i] && generation != 0 && status.generation != generation)
			return false;
		generation = is_active[i] ? status.generation : generation;
	}
	*why = "nobody is active";
	if (generation == 0)
		return false;
	for (uint32_t i = 0; i < s->n; i++) {
		bool is_cut = false;

		for (uint32_t k = 0; k < s->n; k++)
			is_cut |= is_active[k] && (s->is_blocked[i][k] || s->is_blocked[k][i]);
		*why = is_cut ? "two that exchange no data are active" : "one is kept out for nothing";
		if (is_active[i] == is_cut)
			return false;
	}
	return true;
}

bool check_is_whole(struct sim *s, const char **why)
{
	struct core_status first = { 0 }, status;

	*why = "corosync is not one ring";
	if (!corosync_is_whole(s))
		return false;
	for (uint32_t i = 0; i < s->n; i++) {
		struct vengine *e = s->node[i].engine;

		*why = "a node is still to be fenced";
		if (s->node[i].is_unclean || s->fencings_now > 0)
			return false;
		*why = "an engine does not run";
		if (e == NULL || !vengine_can_run(e) || !vnode_has_daemon(&s->node[i]) ||
		    supervise_state(s->node[i].supervisor.supervise) != SUPERVISE_RUNNING)
			return false;
		core_status(e->core, &status);
		*why = "a node is not active";
		if (!status.is_active || status.view != CORE_VIEW_ACTIVE)
			return false;
		*why = "a sweep is not done";
		if (status.is_recovering)
			return false;
		*why = "a node is frozen";
		if (status.is_frozen)
			return false;
		if (i == 0)
			first = status;
		*why = "generation or leader differ";
		if (status.generation != first.generation || status.leader != first.leader)
			return false;
		*why = "a node does not know of another that it is active";
		for (uint32_t k = 0; k < s->n; k++) {
			if (!core_node_is_active(e->core, k))
				return false;
		}
		*why = "the persistent database is not attached";
		if (!e->replica.is_attached)
			return false;
		*why = "a database is not attached";
		for (uint32_t d = 0; d < s->dbs; d++) {
			if (!e->is_attached[d])
				return false;
		}
	}
	return check_detach(s, why) && check_wipe(s, why);
}
