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
 *   entries live in chunks, which are freed without a look at what is in them when a generation
 *   begins. What an entry may own is listed elsewhere: its resolution (resolve.c), and those whose
 *   keys are so long that they are allocated by themselves
 */
#include <stdlib.h>
#include "internal.h"

#define CHUNK_SIZE  (256 * 1024)
#define BUCKETS_MIN 1024

/* In front of an entry that is in no chunk */
struct alone {
	struct alone *next, **at;
};

static size_t entry_size(size_t keylen)
{
	return (offsetof(struct location, key) + keylen + 7) & ~(size_t)7;
}

static bool size_is_alone(size_t size)
{
	return size / 8 >= LOCATION_CLASSES;
}

static struct location *entry_alloc_alone(struct location_table *t, size_t size)
{
	struct alone *a = core_alloc(sizeof(*a) + size);

	a->next = t->alone;
	a->at = &t->alone;
	if (a->next != NULL)
		a->next->at = &a->next;
	t->alone = a;
	return (struct location *)(a + 1);
}

static void entry_free_alone(struct location *l)
{
	struct alone *a = (struct alone *)l - 1;

	*a->at = a->next;
	if (a->next != NULL)
		a->next->at = a->at;
	free(a);
}

static struct location *entry_alloc(struct location_table *t, size_t size)
{
	struct location_chunk *k = t->chunk;
	struct location *l;

	if (size_is_alone(size))
		return entry_alloc_alone(t, size);
	l = t->spare[size / 8];
	if (l != NULL) {
		t->spare[size / 8] = l->next;
		return l;
	}
	if (k == NULL || k->size - k->used < size) {
		k = malloc(CHUNK_SIZE);
		if (k == NULL)
			abort();
		k->size = CHUNK_SIZE - sizeof(*k);
		k->used = 0;
		k->next = t->chunk;
		t->chunk = k;
	}
	l = (struct location *)(k->data + k->used);
	k->used += size;
	return l;
}

/* Behind the last bucket, with what belongs there */
static void table_split(struct location_table *t)
{
	size_t to = t->buckets++;
	struct location **at = &t->bucket[to - t->half], *l;

	t->bucket[to] = NULL;
	while ((l = *at) != NULL) {
		if ((l->hash & (2 * t->half - 1)) != to) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		l->next = t->bucket[to];
		t->bucket[to] = l;
	}
	if (t->buckets == 2 * t->half)
		t->half = t->buckets;
}

static void table_grow(struct location_table *t)
{
	if (t->buckets == t->room) {
		t->room = t->room != 0 ? 2 * t->room : BUCKETS_MIN;
		t->bucket = realloc(t->bucket, t->room * sizeof(*t->bucket));
		if (t->bucket == NULL)
			abort();
	}
	if (t->buckets > 0) {
		table_split(t);
		return;
	}
	memset(t->bucket, 0, BUCKETS_MIN * sizeof(*t->bucket));
	t->buckets = t->half = BUCKETS_MIN;
}

static struct location **table_bucket(const struct location_table *t, uint32_t hash)
{
	size_t b = hash & (2 * t->half - 1);

	return &t->bucket[b < t->buckets ? b : b - t->half];
}

/* Where it is, or its chain's end */
static struct location **table_find(const struct location_table *t, uint32_t hash, uint32_t db_id,
				    struct slice key)
{
	struct location **at = table_bucket(t, hash);

	while (*at != NULL && ((*at)->hash != hash || (*at)->db_id != db_id ||
			       !slice_equal(location_key(*at), key)))
		at = &(*at)->next;
	return at;
}

struct location *location_known(const struct core *c, uint32_t db_id, struct slice key)
{
	const struct location_table *t = &c->locations;

	return t->n == 0 ? NULL : *table_find(t, (uint32_t)core_hash(db_id, key), db_id, key);
}

struct location *location_get(struct core *c, uint32_t db_id, struct slice key)
{
	struct location_table *t = &c->locations;
	uint32_t hash = (uint32_t)core_hash(db_id, key);
	struct location **at, *l;

	if (t->n >= t->buckets)
		table_grow(t);
	at = table_find(t, hash, db_id, key);
	if (*at != NULL)
		return *at;
	l = entry_alloc(t, entry_size(key.len));
	memset(l, 0, sizeof(*l));
	l->hash = hash;
	l->db_id = db_id;
	l->holder = LOCATION_NOBODY;
	l->keylen = (uint16_t)key.len;
	memcpy(l->key, key.p, key.len);
	*at = l;
	t->n++;
	return l;
}

static void entry_remove(struct core *c, struct location **at)
{
	struct location_table *t = &c->locations;
	struct location *l = *at;
	size_t size = entry_size(l->keylen);

	*at = l->next;
	t->n--;
	t->orphans -= location_is_orphan(l);
	resolve_forget(c, l);
	if (size_is_alone(size)) {
		entry_free_alone(l);
		return;
	}
	l->next = t->spare[size / 8];
	t->spare[size / 8] = l;
}

void location_remove(struct core *c, const struct location *l)
{
	entry_remove(c, table_find(&c->locations, l->hash, l->db_id, location_key(l)));
}

void location_db_closed(struct core *c, uint32_t db_id)
{
	struct location_table *t = &c->locations;

	for (size_t i = 0; i < t->buckets; i++) {
		struct location **at = &t->bucket[i];

		while (*at != NULL) {
			if ((*at)->db_id == db_id)
				entry_remove(c, at);
			else
				at = &(*at)->next;
		}
	}
}

void location_reset(struct core *c)
{
	struct location_table *t = &c->locations;
	struct location_chunk *k;

	resolve_forget_all(c);
	while (t->alone != NULL)
		entry_free_alone((struct location *)(t->alone + 1));
	while ((k = t->chunk) != NULL) {
		t->chunk = k->next;
		free(k);
	}
	free(t->bucket);
	memset(t, 0, sizeof(*t));
}
