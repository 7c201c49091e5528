/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * location_table.c: the memory of an lmaster's table (location.c), which has an entry for each
 * record of this lmaster that anybody has: a million and more. So an entry is small, and nothing
 * that happens in one event takes the longer the more there are:
 *
 *   it grows by one bucket at a time (linear hashing): bucket b of the first half gives those of
 *   its entries that belong there to bucket half + b, the next one behind the last. So whoever
 *   walks through the buckets, over many events, passes over nothing
 *
 *   an entry does not keep its key, which is longer than all else that there is to know, but a
 *   fingerprint: SipHash of 128 bits with a secret of this engine. Two of a million million keys have
 *   the same one with a probability of 2^-49, and nobody who does not know the secret can find two.
 *   The key itself is kept (location_name) as long as this node may have to tell it to others: until
 *   somebody is known as the owner
 *
 *   entries live in chunks, which are freed without a look at what is in them when a generation
 *   begins. What an entry may own is listed elsewhere: its resolution (resolve.c), and its key
 */
#include <sodium/crypto_shorthash_siphash24.h>
#include <stdlib.h>
#include "internal.h"

#define CHUNK_ENTRIES 4096U
#define BUCKETS_MIN   1024
#define NOTHING	      0U /* an entry's number is its place and one */

_Static_assert(CORE_TABLE_KEY_SIZE == crypto_shorthash_siphashx24_KEYBYTES, "a key of SipHash");

struct print {
	uint64_t print, rest;
	uint16_t db;
};

struct location_name {
	struct location_name *next, **at;
	uint64_t rest;
	size_t len;
	uint8_t key[];
};

static void *table_room(void *p, size_t size)
{
	p = realloc(p, size);
	if (p == NULL)
		abort();
	return p;
}

/* ---- databases: a small number for each, and a secret ---- */

static void db_put(struct core *c, struct location_db *d, uint32_t db_id)
{
	uint8_t text[sizeof(db_id)];

	memcpy(text, &db_id, sizeof(text));
	d->db_id = db_id;
	d->n = 0;
	crypto_shorthash_siphashx24(d->key, text, sizeof(text), c->config.table_key);
}

/* Makes it when it is not known yet */
static uint16_t db_number(struct core *c, uint32_t db_id)
{
	struct location_table *t = &c->locations;
	size_t i, spare = t->dbs;

	if (t->db_last < t->dbs && t->db[t->db_last].db_id == db_id)
		return (uint16_t)t->db_last;
	for (i = 0; i < t->dbs && t->db[i].db_id != db_id; i++)
		if (t->db[i].n == 0)
			spare = i;
	if (i == t->dbs) {
		i = spare;
		if (i == UINT16_MAX)
			abort(); /* CORE_MAX_DBS are less */
		if (i == t->dbs)
			t->db = table_room(t->db, ++t->dbs * sizeof(*t->db));
		db_put(c, &t->db[i], db_id);
	}
	t->db_last = i;
	return (uint16_t)i;
}

uint32_t location_db_id(const struct core *c, const struct location *l)
{
	return c->locations.db[l->db].db_id;
}

static struct print print_of(struct core *c, uint32_t db_id, struct slice key)
{
	struct print p = { .db = db_number(c, db_id) };
	uint8_t hash[crypto_shorthash_siphashx24_BYTES];

	crypto_shorthash_siphashx24(hash, key.p, key.len, c->locations.db[p.db].key);
	memcpy(&p.print, hash, sizeof(p.print));
	memcpy(&p.rest, hash + sizeof(p.print), sizeof(p.rest));
	return p;
}

/* ---- keys ---- */

struct slice location_key(const struct location *l)
{
	return slice_of(l->name->key, l->name->len);
}

void location_name(struct core *c, struct location *l, struct slice key)
{
	struct location_table *t = &c->locations;
	struct location_name *x;

	if (l->is_named)
		return;
	x = table_room(NULL, sizeof(*x) + key.len);
	x->rest = l->rest;
	x->len = key.len;
	memcpy(x->key, key.p, key.len);
	x->next = t->names;
	x->at = &t->names;
	if (x->next != NULL)
		x->next->at = &x->next;
	t->names = x;
	l->name = x;
	l->is_named = true;
}

static void name_free(struct location_name *x)
{
	*x->at = x->next;
	if (x->next != NULL)
		x->next->at = x->at;
	free(x);
}

void location_unname(struct location *l)
{
	struct location_name *x = l->name;

	if (!l->is_named)
		return;
	l->rest = x->rest;
	l->is_named = false;
	name_free(x);
}

/* ---- entries ---- */

static struct location *entry_at(const struct location_table *t, uint32_t number)
{
	return number == NOTHING ? NULL
				 : &t->chunk[(number - 1) / CHUNK_ENTRIES][(number - 1) % CHUNK_ENTRIES];
}

static uint32_t entry_alloc(struct location_table *t)
{
	uint32_t number = t->spare;

	if (number != NOTHING) {
		t->spare = entry_at(t, number)->next;
		return number;
	}
	if (t->chunks == 0 || t->chunk_used == CHUNK_ENTRIES) {
		if (t->chunks == UINT32_MAX / CHUNK_ENTRIES)
			abort(); /* more than can be counted: 128 GiB of them */
		t->chunk = table_room(t->chunk, (t->chunks + 1) * sizeof(t->chunk[0]));
		t->chunk[t->chunks++] = table_room(NULL, CHUNK_ENTRIES * sizeof(struct location));
		t->chunk_used = 0;
	}
	return (uint32_t)((t->chunks - 1) * CHUNK_ENTRIES + ++t->chunk_used);
}

struct location *location_in_bucket(const struct core *c, size_t bucket)
{
	return entry_at(&c->locations, c->locations.bucket[bucket]);
}

struct location *location_next(const struct core *c, const struct location *l)
{
	return entry_at(&c->locations, l->next);
}

/* ---- buckets ---- */

/* Behind the last bucket, with what belongs there */
static void table_split(struct location_table *t)
{
	size_t to = t->buckets++;
	uint32_t *at = &t->bucket[to - t->half], number;

	t->bucket[to] = NOTHING;
	while ((number = *at) != NOTHING) {
		struct location *l = entry_at(t, number);

		if ((l->print & (2 * t->half - 1)) != to) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		l->next = t->bucket[to];
		t->bucket[to] = number;
	}
	if (t->buckets == 2 * t->half)
		t->half = t->buckets;
}

static void table_grow(struct location_table *t)
{
	if (t->buckets == t->room) {
		t->room = t->room != 0 ? 2 * t->room : BUCKETS_MIN;
		t->bucket = table_room(t->bucket, t->room * sizeof(*t->bucket));
	}
	if (t->buckets > 0) {
		table_split(t);
		return;
	}
	memset(t->bucket, 0, BUCKETS_MIN * sizeof(*t->bucket));
	t->buckets = t->half = BUCKETS_MIN;
}

static uint32_t *table_bucket(const struct location_table *t, uint64_t print)
{
	size_t b = print & (2 * t->half - 1);

	return &t->bucket[b < t->buckets ? b : b - t->half];
}

static bool entry_is(const struct location *l, const struct print *p)
{
	return l->print == p->print && l->db == p->db &&
	       (l->is_named ? l->name->rest : l->rest) == p->rest;
}

/* Where it is, or its chain's end */
static uint32_t *table_find(const struct location_table *t, const struct print *p)
{
	uint32_t *at = table_bucket(t, p->print);
	struct location *l;

	while ((l = entry_at(t, *at)) != NULL && !entry_is(l, p))
		at = &l->next;
	return at;
}

struct location *location_known(struct core *c, uint32_t db_id, struct slice key)
{
	struct location_table *t = &c->locations;
	struct print p;

	if (t->n == 0)
		return NULL;
	p = print_of(c, db_id, key);
	return entry_at(t, *table_find(t, &p));
}

struct location *location_get(struct core *c, uint32_t db_id, struct slice key)
{
	struct location_table *t = &c->locations;
	struct print p = print_of(c, db_id, key);
	struct location *l;
	uint32_t *at;

	if (t->n >= t->buckets)
		table_grow(t);
	at = table_find(t, &p);
	if (*at != NOTHING)
		return entry_at(t, *at);
	*at = entry_alloc(t);
	l = entry_at(t, *at);
	*l = (struct location){ .print = p.print, .rest = p.rest, .db = p.db, .holder = LOCATION_NOBODY };
	t->db[p.db].n++;
	t->n++;
	return l;
}

static void entry_remove(struct core *c, uint32_t *at)
{
	struct location_table *t = &c->locations;
	uint32_t number = *at;
	struct location *l = entry_at(t, number);

	*at = l->next;
	t->n--;
	t->db[l->db].n--;
	t->orphans -= location_is_orphan(l);
	resolve_forget(c, l);
	location_unname(l);
	l->next = t->spare;
	t->spare = number;
}

void location_remove(struct core *c, const struct location *l)
{
	struct location_table *t = &c->locations;
	uint32_t *at = table_bucket(t, l->print);

	while (entry_at(t, *at) != l)
		at = &entry_at(t, *at)->next;
	entry_remove(c, at);
}

void location_db_closed(struct core *c, uint32_t db_id)
{
	struct location_table *t = &c->locations;
	uint16_t db = db_number(c, db_id);

	for (size_t i = 0; i < t->buckets && t->db[db].n > 0; i++) {
		uint32_t *at = &t->bucket[i];

		while (*at != NOTHING) {
			if (entry_at(t, *at)->db == db)
				entry_remove(c, at);
			else
				at = &entry_at(t, *at)->next;
		}
	}
}

void location_reset(struct core *c)
{
	struct location_table *t = &c->locations;

	resolve_forget_all(c);
	while (t->names != NULL)
		name_free(t->names);
	while (t->chunks > 0)
		free(t->chunk[--t->chunks]);
	free(t->chunk);
	free(t->bucket);
	free(t->db);
	memset(t, 0, sizeof(*t));
}
