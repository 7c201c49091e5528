/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * traverse.c: in some runs a client of each node now and then asks for all records of a database.
 * It reads slowly, and sometimes goes away in the middle. A traverse that ends as complete must
 * have told every record that a node of its generation owned when it began and has owned ever
 * since, whatever became of that node; it may tell one twice. In the end, when all is whole and
 * nothing moves, it must be complete.
 *
 * Its own generator, so that the story of a seed without traverses stays as it is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "lib/cursor.h"
#include "sim.h"

enum { VTRAVERSE_TAG = 0x7A6 };
/* and the number of the client, which has it for itself */
#define VTRAVERSE_SRVID 0x7A7A00000000ULL

static uint64_t vtraverse_below(struct sim *s, uint64_t n)
{
	return random_next(&s->traverses) % n;
}

static uint64_t vtraverse_delay(struct sim *s, uint64_t typical_us)
{
	uint64_t us = vtraverse_below(s, 2 * typical_us + 1);

	return vtraverse_below(s, 16) == 0 ? 20 * us : us;
}

/* ---- what this node reads for others ------------------------------------------------------- */

struct vread {
	struct core_traverse_read want;
	uint32_t db, chain;
	uint32_t key[SIM_KEYS], n;
	struct record_header header[SIM_KEYS];
};

static void vread_on_read(struct sim *s, void *object, void *data, uint64_t number);

static void vread_later(struct sim *s, struct vengine *e, const struct vread *r, uint64_t delay_us,
			event_fn fn)
{
	struct vread *copy = malloc(sizeof(*copy));

	if (copy == NULL)
		abort();
	*copy = *r;
	event_after_named(s, delay_us, "traverse", fn, e, copy, r->want.cookie);
}

/* What was read reaches the core, perhaps when it is no longer so */
static void vread_on_report(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	struct vread *r = data;
	uint8_t value[SIM_KEYS][RECORD_HEADER_SIZE];
	struct core_traverse_entry entry[SIM_KEYS];

	(void)number;
	if (e->is_quitting || !e->is_running)
		return;
	if (!vengine_can_run(e)) {
		vread_later(s, e, r, 5000, vread_on_report);
		return;
	}
	for (uint32_t i = 0; i < r->n; i++) {
		const char *name = s->key_name[r->key[i]];
		struct writer w = writer_of(value[i], sizeof(value[i]));

		writer_u64(&w, r->header[i].rsn);
		writer_u32(&w, r->header[i].dmaster);
		writer_zero(&w, RECORD_HEADER_SIZE - w.len);
		entry[i] = (struct core_traverse_entry){ .key = slice_of(name, strlen(name)),
							 .value = slice_of(value[i], w.len) };
	}
	if (r->n > 0)
		core_traverse_records(e->core, r->want.cookie, entry, r->n);
	if (!e->is_quitting)
		core_traverse_read_end(e->core, r->want.cookie,
				       r->chain < s->chains ? r->chain : CORE_CHAIN_END, 0);
	vengine_after(e);
}

static void vread_on_read(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	struct vread *r = data;
	struct vdb *db = &e->file.db[r->db];
	uint64_t chains = 1 + vtraverse_below(s, s->chains);

	(void)number;
	if (!e->is_running || e->is_quitting)
		return;
	for (; r->chain < s->chains && chains > 0; chains--, r->chain++) {
		if (db->chain[r->chain].holder != VHOLDER_NONE) {
			vread_later(s, e, r, 3000 + vtraverse_delay(s, 10 * s->store_us),
				    vread_on_read);
			return;
		}
		for (uint32_t k = r->chain; k < s->keys; k += s->chains) {
			const struct vrecord *v = &db->record[k];

			if (!v->is_present || (r->want.only_empty && v->n > 0) ||
			    (!r->want.with_empty && v->n == 0) ||
			    (r->want.dmaster != CORE_UNKNOWN_PNN &&
			     v->header.dmaster != r->want.dmaster))
				continue;
			r->header[r->n] = v->header;
			r->key[r->n++] = k;
		}
	}
	vread_later(s, e, r, vtraverse_delay(s, s->store_us), vread_on_report);
}

void vtraverse_read(void *world, const struct core_traverse_read *want)
{
	struct vengine *e = world;
	struct vread r = { .want = *want, .chain = want->chain };

	for (; r.db < e->sim->files; r.db++)
		if (e->file.db[r.db].is_open && e->file.db[r.db].db_id == want->db_id)
			break;
	if (r.db == e->sim->files ||
	    (want->dmaster != e->node->pnn && !want->only_empty)) {
		sim_fail(e->sim, "traverse", "node %u is to read what does not exist",
			 e->node->pnn);
		return;
	}
	vread_later(e->sim, e, &r, vtraverse_delay(e->sim, e->sim->store_us), vread_on_read);
}

void vtraverse_cancel(void *world, uint64_t cookie)
{
	(void)world;
	(void)cookie; /* the worker is at it already: what it tells comes too late */
}

/* ---- the client ---------------------------------------------------------------------------- */

static void vtraverse_on_drained(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;

	(void)data;
	if (e->is_quitting || !e->is_running || e->traverse.client != number)
		return;
	if (!vengine_can_run(e)) {
		event_after(s, 5000, vtraverse_on_drained, e, NULL, number);
		return;
	}
	core_client_drained(e->core, number);
	vengine_after(e);
}

bool vtraverse_is_full(void *world, uint64_t client)
{
	struct vengine *e = world;
	struct sim *s = e->sim;

	if (e->traverse.client != client || vtraverse_below(s, 3) != 0)
		return false;
	event_after(s, vtraverse_delay(s, s->think_us), vtraverse_on_drained, e, NULL, client);
	return true;
}

bool vtraverse_begin(struct sim *s, struct vengine *e, uint32_t db)
{
	struct vtraverse *t = &e->traverse;
	struct core_traverse ask = { .db_id = e->file.db[db].db_id,
				     .tag = VTRAVERSE_TAG,
				     .with_empty = true,
				     .timeout_ms = 10 * s->timeout_ms };

	*t = (struct vtraverse){ .client = ++s->traverse_clients + 1000000, .db = db };
	ask.srvid = VTRAVERSE_SRVID | t->client;
	core_register(e->core, t->client, ask.srvid);
	if (core_traverse(e->core, t->client, &ask) != 0) {
		core_client_gone(e->core, t->client);
		vengine_after(e);
		return false;
	}
	t->is_going = true;
	sim_trace(s, "node %u: traverse of db %u begins", e->node->pnn, db);
	for (uint32_t k = 0; k < s->keys; k++) {
		for (struct vengine *v = s->engines; v != NULL; v = v->next) {
			const struct vrecord *r = vrecord_of(v, db, k);
			struct core_node_status n = { 0 };

			if (!vengine_can_write(v) || !r->is_present ||
			    r->header.dmaster != v->node->pnn ||
			    !core_node_is_active(e->core, v->node->pnn))
				continue;
			for (size_t i = 0; core_node_status(e->core, i, &n) == 0; i++)
				if (n.pnn == v->node->pnn)
					break;
			t->is_owed[k] = n.boot_id == v->boot_id;
		}
	}
	event_after(s, vtraverse_delay(s, s->think_us), vtraverse_on_drained, e, NULL, t->client);
	return true;
}

/* A record goes to another node, or is deleted: it may be told or not */
void vtraverse_moved(struct sim *s, uint32_t db, uint32_t key)
{
	for (struct vengine *v = s->engines; v != NULL; v = v->next)
		if (v->traverse.is_going && v->traverse.db == db)
			v->traverse.is_owed[key] = false;
}

void vtraverse_engine_leaves(struct vengine *e)
{
	if (e->traverse.is_going)
		core_client_gone(e->core, e->traverse.client);
	e->traverse.is_going = false;
}

void vtraverse_failed(void *world, uint64_t client, uint32_t db_id, bool is_ext, const char *why)
{
	struct vengine *e = world;

	(void)db_id;
	(void)is_ext;
	sim_trace(e->sim, "node %u: a traverse has failed: %s", e->node->pnn, why);
	if (e->traverse.client == client)
		e->traverse.is_complete = false;
}

static void vtraverse_end(struct sim *s, struct vengine *e)
{
	struct vtraverse *t = &e->traverse;

	t->is_going = false;
	sim_trace(s, "node %u: the traverse has ended%s", e->node->pnn,
		  t->is_broken ? ", not complete" : "");
	t->is_complete = !t->is_broken;
	for (uint32_t k = 0; k < s->keys && t->is_complete; k++)
		if (t->is_owed[k] && !t->is_told[k])
			sim_fail(s, "traverse",
				 "node %u was not told db %u key %u, which has not moved",
				 e->node->pnn, t->db, k);
	s->traverses_ended++;
}

/* False: it is not for a traverse */
bool vtraverse_message(struct vengine *e, uint64_t client, uint64_t srvid, struct slice data)
{
	struct sim *s = e->sim;
	struct vtraverse *t = &e->traverse;
	struct cursor c = cursor_of(data.p, data.len);
	uint32_t length, tag, keylen, datalen;
	struct slice key = { 0 };

	if (srvid >> 32 != VTRAVERSE_SRVID >> 32)
		return false;
	if (client != t->client || !t->is_going) {
		sim_fail(s, "traverse", "node %u tells a traverse that has ended", e->node->pnn);
		return true;
	}
	if (cursor_u32(&c, &length) || cursor_u32(&c, &tag) || cursor_u32(&c, &keylen) ||
	    cursor_u32(&c, &datalen) || tag != VTRAVERSE_TAG) {
		sim_fail(s, "traverse", "node %u tells nonsense", e->node->pnn);
		return true;
	}
	if (length != data.len) {
		t->is_broken = true;
	} else if (keylen == 0 && datalen == 0) {
		vtraverse_end(s, e);
	} else if (cursor_bytes(&c, keylen, &key) == 0) {
		for (uint32_t k = 0; k < s->keys; k++)
			if (slice_equal(key, slice_of(s->key_name[k], strlen(s->key_name[k]))))
				t->is_told[k] = true;
	}
	return true;
}

/* ---- now and then -------------------------------------------------------------------------- */

static void vtraverse_on_turn(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	uint32_t db = (uint32_t)vtraverse_below(s, s->dbs);

	(void)data;
	(void)number;
	if (!e->is_running || e->is_quitting || s->is_quiet)
		return;
	event_after(s, vtraverse_delay(s, 10 * s->think_us), vtraverse_on_turn, e, NULL, 0);
	if (!vengine_serves(e))
		return;
	if (e->traverse.is_going) {
		if (vtraverse_below(s, 20) == 0) {
			sim_trace(s, "node %u: the client of a traverse goes away", e->node->pnn);
			e->traverse.is_going = false;
			core_client_gone(e->core, e->traverse.client);
			vengine_after(e);
		}
		return;
	}
	if (e->is_attached[db])
		vtraverse_begin(s, e, db);
}

void vtraverse_start_all(struct sim *s, struct vengine *e)
{
	if (s->has_traverses)
		event_after(s, vtraverse_delay(s, 10 * s->think_us), vtraverse_on_turn, e, NULL, 0);
}
