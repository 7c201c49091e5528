/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * keystate.c: what waits for a key on this node, in one place.
 *
 *   op      packets and calls that found the chain lock taken; they run in order when the store
 *           says that it can be had, and whatever comes later for the key queues behind them
 *   waiter  calls that wait for the record to come here; the lmaster is asked once for all
 *   parked  nodes whose definitive forward overtook the record (rule R3), or that have to wait at its
 *           owner until the copies are called in
 *   revoke  whose word that he has no copy is awaited
 *   push    whose word that he has a copy is awaited (push.c)
 *   held    it stays here for a while (sticky.c)
 *
 * A keystate exists only while one of them does.
 */
#include <errno.h>
#include <stdlib.h>
#include "internal.h"

#define SMALL_KEY 64  /* keystates with keys up to this are used again */
#define SPARE_MAX 256 /* of each kind */

struct keystate *keystate_find(struct core *c, uint64_t hash, uint32_t db_id, struct slice key)
{
	struct keystate *k;

	if (c->keys.n == 0)
		return NULL;
	for (k = c->keys.bucket[hash & (c->keys.buckets - 1)]; k != NULL; k = k->next)
		if (k->hash == hash && k->db_id == db_id && slice_equal(keystate_key(k), key))
			return k;
	return NULL;
}

static void table_grow(struct keytable *t)
{
	size_t buckets = t->buckets ? t->buckets * 2 : 256;
	struct keystate **bucket = core_alloc(buckets * sizeof(struct keystate *)), *k;

	for (size_t i = 0; i < t->buckets; i++) {
		while ((k = t->bucket[i]) != NULL) {
			t->bucket[i] = k->next;
			k->next = bucket[k->hash & (buckets - 1)];
			bucket[k->hash & (buckets - 1)] = k;
		}
	}
	free(t->bucket);
	t->bucket = bucket;
	t->buckets = buckets;
}

static struct keystate *keystate_alloc(struct core *c, size_t keylen)
{
	struct keystate *k = c->keys.spare;

	if (keylen > SMALL_KEY)
		return core_alloc(sizeof(*k) + keylen);
	if (k == NULL)
		return core_alloc(sizeof(*k) + SMALL_KEY);
	c->keys.spare = k->next;
	c->keys.spare_n--;
	memset(k, 0, sizeof(*k));
	return k;
}

struct keystate *keystate_make(struct core *c, uint64_t hash, uint32_t db_id, struct slice key)
{
	struct keystate *k = keystate_find(c, hash, db_id, key), **head;

	if (k != NULL)
		return k;
	if (c->keys.n >= c->keys.buckets)
		table_grow(&c->keys);
	k = keystate_alloc(c, key.len);
	k->hash = hash;
	k->db_id = db_id;
	k->keylen = key.len;
	k->op_last = &k->op_first;
	k->waiter_last = &k->waiter_first;
	memcpy(k->key, key.p, key.len);
	head = &c->keys.bucket[hash & (c->keys.buckets - 1)];
	k->next = *head;
	*head = k;
	c->keys.n++;
	return k;
}

static void keystate_free(struct core *c, struct keystate *k)
{
	struct op *o;
	struct waiter *w;

	while ((o = k->op_first) != NULL) {
		k->op_first = o->next;
		free(o);
	}
	while ((w = k->waiter_first) != NULL) {
		k->waiter_first = w->next;
		free(w);
	}
	free(k->parked);
	free(k->revoke);
	if (k->keylen > SMALL_KEY || c->keys.spare_n == SPARE_MAX) {
		free(k);
		return;
	}
	k->next = c->keys.spare;
	c->keys.spare = k;
	c->keys.spare_n++;
}

void keystate_drop_if_idle(struct core *c, struct keystate *k)
{
	struct keystate **p;

	if (k->op_first != NULL || k->waiter_first != NULL || k->parked_n > 0 || k->is_blocked ||
	    k->revoke != NULL || k->push != NULL || k->held_until_ms != 0)
		return;
	for (p = &c->keys.bucket[k->hash & (c->keys.buckets - 1)]; *p != k; p = &(*p)->next)
		;
	*p = k->next;
	c->keys.n--;
	keystate_free(c, k);
}

void keystate_fail_waiters(struct core *c, struct keystate *k, uint64_t since_ms, const char *why)
{
	struct waiter **at = &k->waiter_first;

	while (*at != NULL) {
		struct waiter *w = *at;

		if (w->since_ms > since_ms) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		c->ops->call_error(c->world, w->client, w->reqid, why);
		keystate_free_waiter(c, w);
	}
	k->waiter_last = at;
}

void keystate_fail(struct core *c, struct keystate *k, const char *why)
{
	struct op *o;

	keystate_fail_waiters(c, k, UINT64_MAX, why);
	while ((o = k->op_first) != NULL) {
		k->op_first = o->next;
		if (o->is_call)
			c->ops->call_error(c->world, o->client, o->reqid, why);
		free(o);
	}
	k->op_last = &k->op_first;
	k->parked_n = 0;
	k->is_blocked = false;
	free(k->revoke);
	k->revoke = NULL;
	k->push = NULL;
	keystate_drop_if_idle(c, k);
}

void keystate_free_all(struct core *c)
{
	struct keystate *k;
	struct waiter *w;

	for (size_t i = 0; i < c->keys.buckets; i++) {
		while ((k = c->keys.bucket[i]) != NULL) {
			c->keys.bucket[i] = k->next;
			keystate_free(c, k);
		}
	}
	while ((k = c->keys.spare) != NULL) {
		c->keys.spare = k->next;
		free(k);
	}
	while ((w = c->keys.spare_waiter) != NULL) {
		c->keys.spare_waiter = w->next;
		free(w);
	}
	free(c->keys.bucket);
	c->keys = (struct keytable){ 0 };
}

void keystate_each(struct core *c, void (*f)(struct core *c, struct keystate *k))
{
	struct keystate *k, *next;

	for (size_t i = 0; i < c->keys.buckets; i++) {
		for (k = c->keys.bucket[i]; k != NULL; k = next) {
			next = k->next;
			f(c, k);
		}
	}
}

void keystate_add_waiter(struct core *c, struct keystate *k, uint64_t client, uint32_t reqid,
			 uint32_t callid, bool is_readonly, uint64_t since_ms)
{
	struct waiter *w = c->keys.spare_waiter;

	if (w == NULL) {
		w = core_alloc(sizeof(*w));
	} else {
		c->keys.spare_waiter = w->next;
		c->keys.spare_waiter_n--;
		w->next = NULL;
	}
	w->client = client;
	w->since_ms = since_ms;
	w->reqid = reqid;
	w->callid = callid;
	w->is_readonly = is_readonly;
	*k->waiter_last = w;
	k->waiter_last = &w->next;
	c->count.calls_pending++;
}

void keystate_free_waiter(struct core *c, struct waiter *w)
{
	c->count.calls_pending--;
	if (c->keys.spare_waiter_n == SPARE_MAX) {
		free(w);
		return;
	}
	w->next = c->keys.spare_waiter;
	c->keys.spare_waiter = w;
	c->keys.spare_waiter_n++;
}

void keystate_park(struct core *c, struct keystate *k, uint32_t orig)
{
	for (size_t i = 0; i < k->parked_n; i++) {
		if (orig_pnn(k->parked[i]) != orig_pnn(orig))
			continue;
		k->parked[i] &= orig; /* the record itself, if one of the two wants it */
		return;
	}
	if (k->parked_n == 0)
		parked_begin(c, k);
	k->parked = realloc(k->parked, (k->parked_n + 1) * sizeof(*k->parked));
	if (k->parked == NULL)
		abort();
	k->parked[k->parked_n++] = orig;
}

static struct op *op_append(struct keystate *k, size_t len)
{
	struct op *o = core_alloc(sizeof(*o) + len);

	o->len = len;
	*k->op_last = o;
	k->op_last = &o->next;
	return o;
}

int keystate_lock(struct core *c, uint64_t hash, uint32_t db_id, struct slice key,
		  struct keystate **k)
{
	int rc;

	*k = keystate_find(c, hash, db_id, key);
	rc = *k != NULL && (*k)->is_blocked ? -EAGAIN : c->ops->lock(c->world, db_id, key);
	if (rc == -EAGAIN) {
		*k = keystate_make(c, hash, db_id, key);
		(*k)->is_blocked = true;
	}
	return rc;
}

void keystate_block_packet(struct keystate *k, uint32_t from, const struct packet *p)
{
	struct op *o = op_append(k, p->raw.len);

	o->from = from;
	o->generation = p->generation;
	memcpy(o->data, p->raw.p, p->raw.len);
}

void keystate_block_call(struct keystate *k, uint64_t client, uint32_t reqid, uint32_t callid,
			 bool is_readonly, uint64_t since_ms)
{
	struct op *o = op_append(k, 0);

	o->is_call = true;
	o->client = client;
	o->since_ms = since_ms;
	o->reqid = reqid;
	o->callid = callid;
	o->is_readonly = is_readonly;
}
