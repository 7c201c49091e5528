/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vacuum.c: which records may be deleted. Clients delete a record by emptying it, and tell so; a
 * record is also created empty, or comes empty, and may never be filled. Each of them is a
 * candidate, and is looked at when it has rested for a while: a record that is used again soon is
 * worth more than its room. How it is deleted is in erase.c.
 *
 * The set of candidates is bounded. What does not fit, or could not be dealt with, is found by a
 * pass over the files: a worker reads some hash chains at a time and tells the empty records in
 * them. So does what a change of the view has left half done, and copies that nobody owns.
 *
 * All is done in slices, from core_tick(): at most VACUUM_SLICE records in each.
 */
#include <stdlib.h>
#include "traverse.h"
#include "vacuum.h"

#define CANDIDATES_MAX	    65536U
#define CANDIDATE_KEY_BYTES (16UL << 20)
#define CANDIDATE_TRIES	    8U
#define CANDIDATE_BUCKETS   16384U
#define PASS_CHAINS	    4096U /* hash chains that are read at a time */
#define PASS_WAIT_MS	    100U
#define PASS_READ_MS	    60000U /* a client may hold one of the chains */
#define PASS_IDLE	    60U	   /* intervals between passes when nothing is known to be left */

/* ---- candidates ---- */

static struct slice candidate_key(const struct candidate *k)
{
	return slice_of(k->key, k->keylen);
}

static struct candidate **candidate_find(struct vacuum *v, uint64_t hash, uint32_t db_id,
					 struct slice key)
{
	struct candidate **at = &v->bucket[hash & (CANDIDATE_BUCKETS - 1)];

	while (*at != NULL && ((*at)->hash != hash || (*at)->db_id != db_id ||
			       !slice_equal(candidate_key(*at), key)))
		at = &(*at)->next_hash;
	return at;
}

static void candidate_enqueue(struct core *c, struct candidate *k, bool is_soon)
{
	struct vacuum *v = c->vacuum;
	struct candidate_queue *q = is_soon ? &v->soon : &v->resting;

	k->is_soon = is_soon;
	k->due_ms = core_now(c) + (is_soon ? 0 : v->delay_ms);
	k->next = NULL;
	k->prev = q->last;
	if (q->last != NULL)
		q->last->next = k;
	else
		q->first = k;
	q->last = k;
}

static void candidate_dequeue(struct vacuum *v, struct candidate *k)
{
	struct candidate_queue *q = k->is_soon ? &v->soon : &v->resting;

	if (k->prev != NULL)
		k->prev->next = k->next;
	else
		q->first = k->next;
	if (k->next != NULL)
		k->next->prev = k->prev;
	else
		q->last = k->prev;
}

static void candidate_free(struct vacuum *v, struct candidate *k)
{
	v->n--;
	v->key_bytes -= k->keylen;
	free(k);
}

/* is_fresh: it was used just now, so that it begins to rest anew */
static void candidate_add(struct core *c, uint64_t hash, uint32_t db_id, struct slice key,
			  bool is_soon, bool is_orphan, bool is_fresh)
{
	struct vacuum *v = c->vacuum;
	const struct db *db = db_get(c, db_id);
	struct candidate **at, *k;

	if (v == NULL || v->interval_ms == 0 || db == NULL || db_is_replicated(db) ||
	    key.len == 0 || key.len > CORE_MAX_KEY)
		return;
	at = candidate_find(v, hash, db_id, key);
	if (*at != NULL) {
		k = *at;
		k->is_orphan |= is_orphan;
		if (is_fresh || (is_soon && !k->is_soon)) {
			candidate_dequeue(v, k);
			candidate_enqueue(c, k, is_soon);
		}
		return;
	}
	if (v->n >= CANDIDATES_MAX || v->key_bytes + key.len > CANDIDATE_KEY_BYTES) {
		v->is_something_left = true;
		c->count.vacuum_overflows++;
		return;
	}
	k = core_alloc(sizeof(*k) + key.len);
	k->hash = hash;
	k->db_id = db_id;
	k->is_orphan = is_orphan;
	k->keylen = key.len;
	memcpy(k->key, key.p, key.len);
	*at = k;
	v->n++;
	v->key_bytes += key.len;
	candidate_enqueue(c, k, is_soon);
}

void vacuum_arrived(struct core *c, uint64_t hash, uint32_t db_id, struct slice key)
{
	candidate_add(c, hash, db_id, key, false, false, false);
}

void vacuum_schedule(struct core *c, uint64_t hash, uint32_t db_id, struct slice key, bool is_soon,
		     bool is_orphan)
{
	candidate_add(c, hash, db_id, key, is_soon, is_orphan, false);
}

void core_vacuum_schedule(struct core *c, uint32_t db_id, struct slice key)
{
	if (c->is_retired)
		return;
	c->count.vacuum_scheduled++;
	candidate_add(c, core_hash(db_id, key), db_id, key, false, false, true);
}

/* ---- a slice ---- */

/* Out of the table while it is looked at */
static struct candidate *candidate_take_due(struct core *c)
{
	struct vacuum *v = c->vacuum;
	struct candidate *k = v->soon.first != NULL ? v->soon.first : v->resting.first, **at;

	if (k == NULL || k->due_ms > core_now(c))
		return NULL;
	candidate_dequeue(v, k);
	for (at = &v->bucket[k->hash & (CANDIDATE_BUCKETS - 1)]; *at != k; at = &(*at)->next_hash)
		;
	*at = k->next_hash;
	return k;
}

static void candidate_put_back(struct core *c, struct candidate *k)
{
	struct vacuum *v = c->vacuum;
	struct candidate **at;

	if (++k->tries >= CANDIDATE_TRIES) {
		v->is_something_left = true;
		candidate_free(v, k);
		return;
	}
	at = candidate_find(v, k->hash, k->db_id, candidate_key(k));
	if (*at != NULL) { /* it has become one again meanwhile */
		candidate_free(v, k);
		return;
	}
	k->next_hash = NULL;
	*at = k;
	candidate_enqueue(c, k, false);
}

/* Those of one database and one lmaster together: they share packets */
static int candidate_order(const void *a, const void *b)
{
	const struct candidate *x = *(struct candidate *const *)a,
			       *y = *(struct candidate *const *)b;

	if (x->db_id != y->db_id)
		return x->db_id < y->db_id ? -1 : 1;
	if (x->hash == y->hash)
		return 0;
	return x->hash < y->hash ? -1 : 1;
}

static void vacuum_slice(struct core *c)
{
	struct vacuum *v = c->vacuum;
	struct candidate *k[VACUUM_SLICE];
	size_t n = 0;

	if (erase_is_full(v) || core_now(c) < v->pause_ms)
		return;
	if (core_is_congested(c)) {
		v->pause_ms = core_now(c) + PASS_WAIT_MS;
		return;
	}
	while (n < VACUUM_SLICE && (k[n] = candidate_take_due(c)) != NULL)
		n++;
	qsort(k, n, sizeof(k[0]), candidate_order);
	for (size_t i = 0; i < n; i++) {
		if (erase_candidate(c, k[i]) == ERASE_LATER)
			candidate_put_back(c, k[i]);
		else
			candidate_free(v, k[i]);
	}
	erase_flush(c);
}

/* ---- the pass over the files ---- */

static void pass_end(struct core *c)
{
	struct vacuum *v = c->vacuum;

	v->pass_db = 0;
	v->pass_chain = 0;
	v->pass_ms = core_now(c) + (uint64_t)v->interval_ms * (v->is_something_left ? 1 : PASS_IDLE);
	v->is_something_left = false;
	c->count.vacuum_passes++;
}

static void pass_next_db(struct vacuum *v)
{
	v->pass_db++;
	v->pass_chain = 0;
}

static void pass_go_on(struct core *c)
{
	struct vacuum *v = c->vacuum;
	struct core_traverse_read r = { .dmaster = CORE_UNKNOWN_PNN,
					.with_empty = true,
					.only_empty = true,
					.chains = PASS_CHAINS };

	if (core_now(c) < v->pass_ms)
		return;
	if (v->is_reading) { /* it takes too long: the rest of this database waits for the next */
		c->ops->traverse_cancel(c->world, v->cookie);
		v->is_reading = false;
		v->is_something_left = true;
		pass_next_db(v);
	}
	if (v->n > CANDIDATES_MAX / 2) {
		v->pass_ms = core_now(c) + PASS_WAIT_MS;
		return;
	}
	while (v->pass_db < c->db_n && db_is_replicated(c->db[v->pass_db]))
		pass_next_db(v);
	if (v->pass_db >= c->db_n) {
		pass_end(c);
		return;
	}
	r.db_id = c->db[v->pass_db]->db_id;
	r.chain = v->pass_chain;
	r.cookie = v->cookie = ++traverses_get(c)->last_cookie;
	v->is_reading = true;
	v->pass_ms = core_now(c) + PASS_READ_MS;
	c->ops->traverse_read(c->world, &r);
}

bool vacuum_records(struct core *c, uint64_t cookie, const struct core_traverse_entry *e, size_t n)
{
	struct vacuum *v = c->vacuum;
	uint32_t db_id;

	if (v == NULL || !v->is_reading || v->cookie != cookie)
		return false;
	db_id = c->db[v->pass_db]->db_id;
	for (size_t i = 0; i < n; i++) {
		struct cursor s = cursor_of(e[i].value.p, e[i].value.len);
		uint64_t rsn;
		uint32_t dmaster;

		if (e[i].value.len != RECORD_HEADER_SIZE || cursor_u64(&s, &rsn) ||
		    cursor_u32(&s, &dmaster))
			continue;
		vacuum_schedule(c, core_hash(db_id, e[i].key), db_id, e[i].key, false,
				dmaster != c->self);
	}
	return true;
}

bool vacuum_read_end(struct core *c, uint64_t cookie, uint32_t next_chain)
{
	struct vacuum *v = c->vacuum;

	if (v == NULL || !v->is_reading || v->cookie != cookie)
		return false;
	v->is_reading = false;
	v->pass_ms = core_now(c);
	if (next_chain == CORE_CHAIN_END)
		pass_next_db(v);
	else
		v->pass_chain = next_chain;
	return true;
}

/* ---- its life ---- */

void core_vacuum_tune(struct core *c, uint32_t delay_ms, uint32_t interval_ms)
{
	struct vacuum *v = c->vacuum;

	if (v == NULL) {
		v = c->vacuum = core_alloc(sizeof(*v));
		v->bucket = core_alloc(CANDIDATE_BUCKETS * sizeof(struct candidate *));
		erase_init(v);
	}
	v->delay_ms = delay_ms;
	v->interval_ms = interval_ms;
	if (!v->is_reading && v->pass_db == 0 && v->pass_chain == 0)
		v->pass_ms = core_now(c) + interval_ms;
}

/* What was under way belonged to the old generation. What it has left is found by a pass. */
void vacuum_activate(struct core *c)
{
	struct vacuum *v = c->vacuum;

	if (v == NULL)
		return;
	erase_drop_all(v);
	v->is_something_left = true;
	if (!v->is_reading && v->pass_db == 0 && v->pass_chain == 0)
		v->pass_ms = core_now(c) + v->interval_ms;
}

/* Candidates of it find no record any more. Whatever else is under way ends with the generation, which is
 * about to. */
void vacuum_db_closed(struct core *c, size_t i)
{
	struct vacuum *v = c->vacuum;

	if (v == NULL)
		return;
	erase_drop_all(v);
	if (i > v->pass_db)
		return;
	if (v->is_reading)
		c->ops->traverse_cancel(c->world, v->cookie);
	v->is_reading = false;
	v->is_something_left = true;
	v->pass_db = 0;
	v->pass_chain = 0;
	v->pass_ms = core_now(c);
}

/* Nothing is deleted while not all is known, nor while this node may not go on. One that is about to
 * leave asks for no orphan to be adopted, and gives nothing back. */
static bool vacuum_may_work(const struct core *c)
{
	return c->vacuum != NULL && c->vacuum->interval_ms != 0 && c->is_active &&
	       !c->is_recovering && !c->is_frozen && !c->is_retired &&
	       !c->node[c->self]->is_leaving;
}

void vacuum_tick(struct core *c)
{
	if (!vacuum_may_work(c))
		return;
	vacuum_slice(c);
	pass_go_on(c);
}

uint64_t vacuum_deadline(const struct core *c)
{
	const struct vacuum *v = c->vacuum;
	uint64_t t = UINT64_MAX;

	if (!vacuum_may_work(c))
		return UINT64_MAX;
	if (!erase_is_full(v)) { /* if it is, an answer makes room, and time goes on */
		if (v->soon.first != NULL)
			t = v->soon.first->due_ms;
		else if (v->resting.first != NULL)
			t = v->resting.first->due_ms;
		if (t < v->pause_ms)
			t = v->pause_ms;
	}
	return v->pass_ms < t ? v->pass_ms : t;
}

void vacuum_free(struct core *c)
{
	struct vacuum *v = c->vacuum;
	struct candidate *k;

	if (v == NULL)
		return;
	for (size_t i = 0; i < CANDIDATE_BUCKETS; i++) {
		while ((k = v->bucket[i]) != NULL) {
			v->bucket[i] = k->next_hash;
			free(k);
		}
	}
	erase_free(v);
	free(v->bucket);
	free(v);
	c->vacuum = NULL;
}
