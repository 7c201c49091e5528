/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * store.c: the volatile TDB files of one engine, as the core, its workers and the clients see them.
 *
 * A record lies in a hash chain with one lock. Who wants a busy lock waits: a client, a worker for
 * the core (core_key_unlocked() follows, with the lock held by the worker), a worker that freezes
 * (it takes one chain after the other and keeps them), or the routine that retires the file (the
 * same, and then it wipes). Who comes next is drawn. While a file is frozen, the core gets no lock
 * either: a worker has them all.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "sim.h"

static struct vdb *vdb_find(struct vengine *e, uint32_t db_id, uint32_t *index)
{
	for (uint32_t i = 0; i < e->sim->files; i++) {
		if (e->file.db[i].is_open && e->file.db[i].db_id == db_id) {
			*index = i;
			return &e->file.db[i];
		}
	}
	return NULL;
}

static int vkey_find(const struct sim *s, struct slice key)
{
	for (uint32_t i = 0; i < s->keys; i++) {
		if (slice_equal(key, slice_of(s->key_name[i], strlen(s->key_name[i]))))
			return (int)i;
	}
	return -1;
}

static struct vchain *vchain_of(struct sim *s, struct vdb *db, uint32_t key)
{
	return &db->chain[key % s->chains];
}

const struct vrecord *vrecord_of(const struct vengine *e, uint32_t db, uint32_t key)
{
	return &e->file.db[db].record[key];
}

/* ---- who gets a lock next ------------------------------------------------------------------ */

static void vchain_pass_on(struct sim *s, struct vengine *e, uint32_t db, struct vchain *chain);

static void vstore_on_unlocked(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	uint32_t db = (uint32_t)(number >> 8), key = number & 0xFF;
	struct vchain *chain = vchain_of(s, &e->file.db[db], key);

	(void)data;
	if (!e->is_running || chain->holder != VHOLDER_WORKER || chain->worker_key != key)
		return;
	if (!vengine_can_run(e)) {
		if (!e->is_quitting)
			event_after(s, 1000, vstore_on_unlocked, e, NULL, number);
		return;
	}
	sim_trace(s, "node %u: lock of db %u key %u can be had", e->node->pnn, db, key);
	if (!check_is_awaited(e, db, key))
		sim_fail(s, "store", "node %u waited for the lock of db %u key %u, for nothing",
			 e->node->pnn, db, key);
	chain->holder = VHOLDER_CORE;
	chain->is_granted = true;
	core_key_unlocked(e->core, e->file.db[db].db_id,
			  slice_of(s->key_name[key], strlen(s->key_name[key])));
	chain->is_granted = false;
	if (chain->core_depth == 0) {
		chain->holder = VHOLDER_NONE;
		vchain_pass_on(s, e, db, chain);
	}
	vengine_after(e);
}

static void vstore_on_client(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vclient *c = object;

	(void)data;
	if (c->state == VCLIENT_LOCKING && c->turn == number)
		vclient_locked(s, c);
}

static void vstore_freeze_step(struct sim *s, struct vengine *e);
static void vstore_retire_step(struct sim *s, struct vengine *e);

/* A free chain goes to one of those that wait */
static void vchain_pass_on(struct sim *s, struct vengine *e, uint32_t db, struct vchain *chain)
{
	uint32_t waiting[SIM_CLIENTS + SIM_KEYS + 2], n = 0, chosen;

	if (chain->holder != VHOLDER_NONE || e->file.is_retired)
		return;
	for (uint32_t i = 0; i < SIM_CLIENTS; i++) {
		if (chain->waiting[i] != NULL)
			waiting[n++] = i;
	}
	for (uint32_t i = 0; i < SIM_KEYS; i++) {
		if (chain->is_wanted_by_core[i])
			waiting[n++] = 100 + i;
	}
	if (chain->is_wanted_by_freeze)
		waiting[n++] = 200;
	if (chain->is_wanted_by_retire)
		waiting[n++] = 300;
	if (n == 0)
		return;
	chosen = waiting[sim_below(s, n)];
	if (chosen < 100) {
		struct vclient *c = chain->waiting[chosen];

		chain->waiting[chosen] = NULL;
		chain->holder = VHOLDER_CLIENT;
		chain->client = c;
		event_after(s, sim_delay(s, s->store_us), vstore_on_client, c, NULL, c->turn);
	} else if (chosen < 200) {
		chain->is_wanted_by_core[chosen - 100] = false;
		chain->holder = VHOLDER_WORKER;
		chain->worker_key = chosen - 100;
		event_after(s, sim_delay(s, s->store_us), vstore_on_unlocked, e, NULL,
			    ((uint64_t)db << 8) | (chosen - 100));
	} else if (chosen == 200) {
		chain->is_wanted_by_freeze = false;
		chain->holder = VHOLDER_FREEZE;
		vstore_freeze_step(s, e);
	} else {
		chain->is_wanted_by_retire = false;
		chain->holder = VHOLDER_RETIRE;
		vstore_retire_step(s, e);
	}
}

/* ---- the core ------------------------------------------------------------------------------ */

int vstore_db_open(void *world, uint32_t db_id, const char *name, uint32_t flags)
{
	struct vengine *e = world;
	struct sim *s = e->sim;

	if (strcmp(name, SIM_PERSISTENT) == 0) {
		e->replica.db_id = db_id;
		e->node->pfile.exists = true;
		return flags == DB_PERSISTENT ? 0 : -EINVAL;
	}
	for (uint32_t i = 0; i < s->files; i++) {
		if (strcmp(s->db_name[i], name) != 0)
			continue;
		if (e->file.db[i].is_open)
			sim_fail(s, "store", "node %u opened database %s twice", e->node->pnn,
				 name);
		e->file.db[i].is_open = true;
		e->file.db[i].db_id = db_id;
		if (e->file.is_freezing || e->file.is_frozen) {
			for (uint32_t k = 0; k < s->chains; k++)
				e->file.db[i].chain[k].holder = VHOLDER_FREEZE;
		}
		return 0;
	}
	sim_fail(s, "store", "node %u opened an unknown database %s", e->node->pnn, name);
	return -ENOENT;
}

void vstore_db_close(void *world, uint32_t db_id)
{
	struct vengine *e = world;
	uint32_t i;
	struct vdb *db = vdb_find(e, db_id, &i);
	bool is_wanted_by_freeze = false;

	if (db == NULL || !vdetach_is(db_id)) {
		sim_fail(e->sim, "store", "node %u closes a database that is in use", e->node->pnn);
		return;
	}
	vdetach_closed(e);
	for (uint32_t k = 0; k < e->sim->chains; k++)
		is_wanted_by_freeze |= db->chain[k].is_wanted_by_freeze;
	*db = (struct vdb){ 0 };
	if (is_wanted_by_freeze)
		vstore_freeze_step(e->sim, e);
}

static int vstore_lock_now(struct vengine *e, uint32_t db_id, struct slice key, bool is_waiting)
{
	struct sim *s = e->sim;
	uint32_t i;
	struct vdb *db = vdb_find(e, db_id, &i);
	int k = vkey_find(s, key);
	struct vchain *chain;

	if (db == NULL || k < 0) {
		sim_fail(s, "store", "node %u locked what does not exist", e->node->pnn);
		return -ENOENT;
	}
	chain = vchain_of(s, db, (uint32_t)k);
	if (chain->holder == VHOLDER_NONE || chain->holder == VHOLDER_CORE) {
		chain->holder = VHOLDER_CORE;
		chain->core_depth++;
		e->file.core_locks++;
		return 0;
	}
	chain->is_wanted_by_core[k] |= is_waiting;
	return -EAGAIN;
}

int vstore_lock(void *world, uint32_t db_id, struct slice key)
{
	return vstore_lock_now(world, db_id, key, true);
}

int vstore_trylock(void *world, uint32_t db_id, struct slice key)
{
	return vstore_lock_now(world, db_id, key, false);
}

void vstore_unlock(void *world, uint32_t db_id, struct slice key)
{
	struct vengine *e = world;
	struct sim *s = e->sim;
	uint32_t i;
	struct vdb *db = vdb_find(e, db_id, &i);
	int k = vkey_find(s, key);
	struct vchain *chain = db != NULL && k >= 0 ? vchain_of(s, db, (uint32_t)k) : NULL;

	if (chain == NULL || chain->core_depth == 0) {
		sim_fail(s, "store", "node %u unlocked what it has not locked", e->node->pnn);
		return;
	}
	e->file.core_locks--;
	if (--chain->core_depth > 0 || chain->is_granted)
		return;
	chain->holder = VHOLDER_NONE;
	vchain_pass_on(s, e, i, chain);
}

void vstore_event_done(struct sim *s, struct vengine *e)
{
	if (e->file.core_locks > 0)
		sim_fail(s, "store", "node %u left a chain lock behind at the end of an event",
			 e->node->pnn);
}

static struct vrecord *vrecord_find(struct vengine *e, uint32_t db_id, struct slice key,
				    bool is_write, uint32_t *i, int *k)
{
	struct vdb *db = vdb_find(e, db_id, i);

	*k = vkey_find(e->sim, key);
	if (db == NULL || *k < 0)
		return NULL;
	if (is_write && vchain_of(e->sim, db, (uint32_t)*k)->core_depth == 0) {
		sim_fail(e->sim, "store", "node %u wrote key %d without its lock", e->node->pnn,
			 *k);
		return NULL;
	}
	return &db->record[*k];
}

/* In some runs a file cannot be read, or takes no change, now and then: once in so many times. Their
 * own generator: the story of a seed that has no such fault stays as it is. */
enum { BAD_GIVE = 8, BAD_TAKE = 400, BAD_READ = 2000 };

static bool vstore_fails(struct sim *s, uint32_t once_in)
{
	return s->has_bad_files && !s->is_healing && (once_in == BAD_GIVE || !s->is_rolling) &&
	       random_next(&s->bad_files) % once_in == 0;
}

int vstore_get(void *world, uint32_t db_id, struct slice key, struct record_header *h,
	       struct slice *body)
{
	struct vengine *e = world;
	uint32_t i;
	int k;
	struct vrecord *r = vrecord_find(e, db_id, key, false, &i, &k);

	if (r == NULL || !r->is_present)
		return -ENOENT;
	if (vstore_fails(e->sim, BAD_READ)) {
		e->file.is_bad = true;
		sim_trace(e->sim, "fault: node %u cannot read db %u key %d", e->node->pnn, i, k);
		return -EIO;
	}
	*h = r->header;
	*body = slice_of(r->body, r->n * sizeof(r->body[0]));
	return 0;
}

int vstore_put(void *world, uint32_t db_id, struct slice key, const struct record_header *h,
	       struct slice body)
{
	struct vengine *e = world;
	uint32_t i;
	int k;
	struct vrecord *r = vrecord_find(e, db_id, key, true, &i, &k), old;
	bool is_given;

	if (r == NULL)
		return -EIO;
	if (body.len > sizeof(r->body) || body.len % sizeof(r->body[0]) != 0) {
		sim_fail(e->sim, "store", "node %u wrote a body that no client wrote",
			 e->node->pnn);
		return -EIO;
	}
	/* Given away or lent: it is kept. Taken in: that ends the engine */
	is_given = r->is_present && r->header.dmaster == e->node->pnn &&
		   (h->dmaster != e->node->pnn || h->flags != r->header.flags);
	if (vstore_fails(e->sim, is_given ? BAD_GIVE : BAD_TAKE)) {
		e->file.is_bad |= !is_given;
		sim_trace(e->sim, "fault: node %u cannot write db %u key %d", e->node->pnn, i, k);
		return -EIO;
	}
	old = *r;
	if (body.len > 0)
		memmove(r->body, body.p, body.len); /* it may be the record's own */
	memset((uint8_t *)r->body + body.len, 0, sizeof(r->body) - body.len);
	r->n = (uint16_t)(body.len / sizeof(r->body[0]));
	r->header = *h;
	r->is_present = true;
	check_put(e->sim, e, i, (uint32_t)k, &old);
	return 0;
}

int vstore_del(void *world, uint32_t db_id, struct slice key)
{
	struct vengine *e = world;
	uint32_t i;
	int k;
	struct vrecord *r = vrecord_find(e, db_id, key, true, &i, &k), old;

	if (r == NULL)
		return -EIO;
	old = *r;
	*r = (struct vrecord){ 0 };
	check_del(e->sim, e, i, (uint32_t)k, &old);
	vtraverse_moved(e->sim, i, (uint32_t)k);
	return 0;
}

/* ---- sweeps -------------------------------------------------------------------------------- */

struct vsweep {
	uint32_t db, chain; /* the next to read */
	uint64_t cookie;
	struct record_header header[SIM_KEYS];
	uint32_t key[SIM_KEYS];
	uint32_t n;
};

static void vstore_on_sweep_read(struct sim *s, void *object, void *data, uint64_t number);

static void vsweep_later(struct sim *s, struct vengine *e, const struct vsweep *w,
			 uint64_t delay_us, event_fn fn)
{
	struct vsweep *copy = malloc(sizeof(*copy));

	if (copy == NULL)
		abort();
	*copy = *w;
	event_after_named(s, delay_us, "sweep", fn, e, copy, w->cookie);
}

/* What was read reaches the core, perhaps when it is no longer so */
static void vstore_on_sweep_report(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	struct vsweep *w = data;
	struct core_sweep_entry entry[SIM_KEYS];

	(void)number;
	if (e->is_quitting || !e->is_running)
		return;
	if (!vengine_can_run(e)) {
		vsweep_later(s, e, w, 5000, vstore_on_sweep_report);
		return;
	}
	for (uint32_t i = 0; i < w->n; i++) {
		const char *name = s->key_name[w->key[i]];

		entry[i] = (struct core_sweep_entry){ .key = slice_of(name, strlen(name)),
						      .header = w->header[i] };
	}
	if (w->n > 0)
		core_sweep_batch(e->core, e->file.db[w->db].db_id, w->cookie, entry, w->n);
	w->n = 0;
	if (e->is_quitting) {
		vengine_after(e);
		return;
	}
	if (w->chain == s->chains)
		core_sweep_end(e->core, e->file.db[w->db].db_id, w->cookie);
	else
		vsweep_later(s, e, w, sim_delay(s, s->sweep_us), vstore_on_sweep_read);
	vengine_after(e);
}

static void vstore_on_sweep_read(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	struct vsweep *w = data;
	struct vdb *db = &e->file.db[w->db];
	uint32_t slice = 1 + sim_below(s, s->chains);

	(void)number;
	if (!e->is_running || e->is_quitting || db->sweep_cookie != w->cookie)
		return;
	for (; w->chain < s->chains && slice > 0; slice--, w->chain++) {
		if (db->chain[w->chain].holder != VHOLDER_NONE) {
			vsweep_later(s, e, w, 3000 + sim_delay(s, 10 * s->store_us),
				     vstore_on_sweep_read);
			return;
		}
		for (uint32_t k = w->chain; k < s->keys; k += s->chains) {
			if (!db->record[k].is_present)
				continue;
			w->header[w->n] = db->record[k].header;
			w->key[w->n++] = k;
		}
	}
	vsweep_later(s, e, w, sim_delay(s, s->sweep_us), vstore_on_sweep_report);
}

void vstore_sweep_start(void *world, uint32_t db_id, uint64_t cookie)
{
	struct vengine *e = world;
	struct vsweep w = { .cookie = cookie };

	if (vdb_find(e, db_id, &w.db) == NULL) {
		sim_fail(e->sim, "store", "node %u swept what does not exist", e->node->pnn);
		return;
	}
	e->file.db[w.db].sweep_cookie = cookie;
	vsweep_later(e->sim, e, &w, sim_delay(e->sim, e->sim->sweep_us), vstore_on_sweep_read);
}

/* ---- clients ------------------------------------------------------------------------------- */

bool vstore_client_lock(struct sim *s, struct vclient *c)
{
	struct vchain *chain = vchain_of(s, &c->e->file.db[c->db], c->key);

	if (chain->holder == VHOLDER_NONE) {
		chain->holder = VHOLDER_CLIENT;
		chain->client = c;
		return true;
	}
	for (uint32_t i = 0; i < SIM_CLIENTS; i++) {
		if (chain->waiting[i] == NULL) {
			chain->waiting[i] = c;
			return false;
		}
	}
	abort();
}

void vstore_client_unlock(struct sim *s, struct vclient *c)
{
	struct vchain *chain = vchain_of(s, &c->e->file.db[c->db], c->key);

	if (chain->holder != VHOLDER_CLIENT || chain->client != c)
		return;
	chain->holder = VHOLDER_NONE;
	chain->client = NULL;
	vchain_pass_on(s, c->e, c->db, chain);
}

/* It died: its lock is free (robust), and it waits no more */
void vstore_client_forget(struct sim *s, struct vclient *c)
{
	for (uint32_t d = 0; d < s->files; d++) {
		for (uint32_t k = 0; k < s->chains; k++) {
			struct vchain *chain = &c->e->file.db[d].chain[k];

			for (uint32_t i = 0; i < SIM_CLIENTS; i++) {
				if (chain->waiting[i] == c)
					chain->waiting[i] = NULL;
			}
			if (chain->holder == VHOLDER_CLIENT && chain->client == c) {
				chain->holder = VHOLDER_NONE;
				chain->client = NULL;
				vchain_pass_on(s, c->e, d, chain);
			}
		}
	}
}

/* ---- freeze -------------------------------------------------------------------------------- */

static void vstore_on_frozen(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;

	(void)data;
	if (!e->is_running || e->is_quitting || e->file.freeze_round != number)
		return;
	if (!vengine_can_run(e)) {
		event_after(s, 5000, vstore_on_frozen, e, NULL, number);
		return;
	}
	sim_trace(s, "node %u: frozen", e->node->pnn);
	core_frozen(e->core);
	vengine_after(e);
}

static void vstore_on_db_frozen(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	struct vdb *db = &e->file.db[number >> 32];

	(void)data;
	if (!e->is_running || e->is_quitting || !db->is_frozen || db->wipe_round != (uint32_t)number)
		return;
	if (!vengine_can_run(e)) {
		event_after(s, 5000, vstore_on_db_frozen, e, NULL, number);
		return;
	}
	core_db_frozen(e->core, db->db_id);
	vwipe_frozen(s);
	vengine_after(e);
}

/* Takes the chains one after the other; false: it waits for one */
static bool vstore_freeze_db(struct sim *s, struct vengine *e, uint32_t d)
{
	struct vdb *db = &e->file.db[d];

	for (uint32_t k = 0; k < s->chains; k++) {
		struct vchain *chain = &db->chain[k];

		if (chain->holder != VHOLDER_NONE && chain->holder != VHOLDER_FREEZE) {
			chain->is_wanted_by_freeze = true;
			return false;
		}
		chain->holder = VHOLDER_FREEZE;
	}
	if (db->is_wiping && !db->is_frozen) {
		db->is_frozen = true;
		event_after(s, sim_delay(s, s->store_us), vstore_on_db_frozen, e, NULL,
			    (uint64_t)d << 32 | db->wipe_round);
	}
	return true;
}

/* Take the next chain of each, wait for it, or be done */
static void vstore_freeze_step(struct sim *s, struct vengine *e)
{
	bool is_done = true;

	for (uint32_t d = 0; d < s->files; d++)
		if (e->file.db[d].is_open && (e->file.is_freezing || e->file.db[d].is_wiping))
			is_done &= vstore_freeze_db(s, e, d);
	if (!is_done || !e->file.is_freezing || e->file.is_frozen)
		return;
	e->file.is_frozen = true;
	event_after(s, sim_delay(s, s->store_us), vstore_on_frozen, e, NULL, e->file.freeze_round);
}

static void vstore_on_freeze(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;

	(void)data;
	if (e->is_running && e->file.is_freezing && e->file.freeze_round == number)
		vstore_freeze_step(s, e);
}

void vstore_freeze(void *world)
{
	struct vengine *e = world;

	if (e->file.is_freezing)
		return;
	e->file.is_freezing = true;
	e->file.freeze_round++;
	sim_trace(e->sim, "node %u: freeze", e->node->pnn);
	event_after(e->sim, sim_delay(e->sim, e->sim->store_us) + sim_lateness(e->sim),
		    vstore_on_freeze, e, NULL, e->file.freeze_round);
}

static void vstore_on_db_freeze(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	const struct vdb *db = &e->file.db[number >> 32];

	(void)data;
	if (e->is_running && db->is_wiping && db->wipe_round == (uint32_t)number)
		vstore_freeze_step(s, e);
}

static void vstore_thaw_db(struct sim *s, struct vengine *e, uint32_t d)
{
	for (uint32_t k = 0; k < s->chains; k++) {
		struct vchain *chain = &e->file.db[d].chain[k];

		chain->is_wanted_by_freeze = false;
		if (chain->holder == VHOLDER_FREEZE) {
			chain->holder = VHOLDER_NONE;
			vchain_pass_on(s, e, d, chain);
		}
	}
}

static void vstore_thaw(struct sim *s, struct vengine *e)
{
	e->file.is_freezing = e->file.is_frozen = false;
	e->file.freeze_round++;
	for (uint32_t d = 0; d < s->files; d++)
		if (!e->file.db[d].is_wiping)
			vstore_thaw_db(s, e, d);
}

void vstore_db_freeze(void *world, uint32_t db_id)
{
	struct vengine *e = world;
	uint32_t d;
	struct vdb *db = vdb_find(e, db_id, &d);

	if (db == NULL || db->is_wiping) {
		sim_fail(e->sim, "wipe", "node %u freezes what it cannot", e->node->pnn);
		return;
	}
	db->is_wiping = true;
	db->wipe_round++;
	sim_trace(e->sim, "node %u: freeze of db %u", e->node->pnn, d);
	event_after(e->sim, sim_delay(e->sim, e->sim->store_us), vstore_on_db_freeze, e, NULL,
		    (uint64_t)d << 32 | db->wipe_round);
}

void vstore_db_thaw(void *world, uint32_t db_id)
{
	struct vengine *e = world;
	uint32_t d;
	struct vdb *db = vdb_find(e, db_id, &d);

	if (db == NULL || !db->is_wiping) {
		sim_fail(e->sim, "wipe", "node %u thaws what is not frozen", e->node->pnn);
		return;
	}
	sim_trace(e->sim, "node %u: thaw of db %u", e->node->pnn, d);
	db->is_wiping = db->is_frozen = false;
	if (!e->file.is_freezing)
		vstore_thaw_db(e->sim, e, d);
}

int vstore_db_wipe(void *world, uint32_t db_id)
{
	struct vengine *e = world;
	uint32_t d;
	struct vdb *db = vdb_find(e, db_id, &d);

	if (db == NULL || !db->is_frozen) {
		sim_fail(e->sim, "wipe", "node %u wipes what is not frozen", e->node->pnn);
		return -EBUSY;
	}
	memset(db->record, 0, sizeof(db->record));
	db->wiped++;
	vwipe_done(e->sim, e, d);
	return 0;
}

void vstore_unfreeze(void *world)
{
	struct vengine *e = world;

	sim_trace(e->sim, "node %u: unfreeze", e->node->pnn);
	vstore_thaw(e->sim, e);
}

/* The engine is dead: what its workers held is free, and nobody waits for it any more */
void vstore_workers_died(struct sim *s, struct vengine *e)
{
	for (uint32_t d = 0; d < s->files; d++) {
		e->file.db[d].is_wiping = e->file.db[d].is_frozen = false;
		for (uint32_t k = 0; k < s->chains; k++) {
			struct vchain *chain = &e->file.db[d].chain[k];

			memset(chain->is_wanted_by_core, 0, sizeof(chain->is_wanted_by_core));
			if (chain->holder == VHOLDER_WORKER) {
				chain->holder = VHOLDER_NONE;
				vchain_pass_on(s, e, d, chain);
			}
		}
	}
	vstore_thaw(s, e);
}

/* ---- retiring ------------------------------------------------------------------------------ */

static void vstore_on_retired(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;

	(void)data;
	if (!e->node->is_up || e->file.is_retired || !e->node->supervisor.is_running ||
	    !e->file.is_retiring || e->file.retire_round != number)
		return;
	if (e->node->is_paused) {
		event_after(s, 5000, vstore_on_retired, e, NULL, number);
		return;
	}
	e->file.is_retired = true;
	for (uint32_t d = 0; d < s->files; d++)
		memset(&e->file.db[d], 0, sizeof(e->file.db[d]));
	sim_trace(s, "node %u: files of boot %llx are retired", e->node->pnn,
		  (unsigned long long)e->boot_id);
	for (uint32_t i = 0; i < SIM_CLIENTS; i++)
		vclient_die(s, &e->client[i]); /* it finds nothing in the file, and no socket */
	vsupervisor_retired(s, e->node, true);
}

static void vstore_retire_step(struct sim *s, struct vengine *e)
{
	for (uint32_t d = 0; d < s->files; d++) {
		for (uint32_t k = 0; e->file.db[d].is_open && k < s->chains; k++) {
			struct vchain *chain = &e->file.db[d].chain[k];

			if (chain->holder == VHOLDER_RETIRE)
				continue;
			if (chain->holder != VHOLDER_NONE) {
				chain->is_wanted_by_retire = true;
				return;
			}
			chain->holder = VHOLDER_RETIRE;
		}
	}
	event_after(s, sim_delay(s, s->store_us) + sim_lateness(s), vstore_on_retired, e, NULL,
		    e->file.retire_round);
}

void vstore_retire(struct sim *s, struct vengine *e, bool kill_holders)
{
	if (kill_holders) {
		for (uint32_t d = 0; d < s->files; d++) {
			for (uint32_t k = 0; k < s->chains; k++) {
				struct vchain *chain = &e->file.db[d].chain[k];

				if (chain->holder == VHOLDER_CLIENT &&
				    !chain->client->is_unkillable)
					vclient_die(s, chain->client);
			}
		}
	}
	if (e->file.is_retiring)
		return;
	e->file.is_retiring = true;
	e->file.retire_round++;
	vstore_retire_step(s, e);
}

/* Who retired it is gone before it was done */
void vstore_retire_abort(struct sim *s, struct vengine *e)
{
	if (!e->file.is_retiring || e->file.is_retired)
		return;
	e->file.is_retiring = false;
	for (uint32_t d = 0; d < s->files; d++) {
		for (uint32_t k = 0; k < s->chains; k++) {
			struct vchain *chain = &e->file.db[d].chain[k];

			chain->is_wanted_by_retire = false;
			if (chain->holder == VHOLDER_RETIRE) {
				chain->holder = VHOLDER_NONE;
				vchain_pass_on(s, e, d, chain);
			}
		}
	}
}
