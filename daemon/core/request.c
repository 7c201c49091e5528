/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * request.c: calls of this node's clients. A call whose record is here is answered at once. Any
 * other waits as the key's waiter; the lmaster is asked once, however many wait. There is no
 * time-out: a request is answered, refused by an owner that cannot give, or asked again in the next
 * generation.
 */
#include <errno.h>
#include <stdlib.h>
#include "internal.h"
#include "traverse.h"

#define CONGESTED_BYTES (8UL << 20)

/* Would a copy do for all who wait? */
static bool waiters_are_readonly(const struct keystate *k)
{
	for (const struct waiter *w = k->waiter_first; w != NULL; w = w->next)
		if (!w->is_readonly)
			return false;
	return true;
}

void request_ask(struct core *c, struct keystate *k)
{
	struct packet p = {
		.type = PACKET_REQUEST, .db_id = k->db_id, .orig = c->self, .key = keystate_key(k)
	};
	uint32_t lmaster, to;

	if (!c->is_active || k->asked_generation == c->active_generation ||
	    c->node[c->self]->is_leaving)
		return;
	k->asked_generation = c->active_generation;
	if (waiters_are_readonly(k))
		p.orig |= ORIG_READONLY;
	to = lmaster = slot_lmaster(c, k->hash);
	if (lmaster != c->self && hint_giver(c, k->hash) != CORE_UNKNOWN_PNN) {
		to = hint_giver(c, k->hash);
		if (to != lmaster)
			p.type = PACKET_FORWARD; /* not definitive */
	}
	packet_send(c, to, &p);
}

static void call_answer(struct core *c, uint64_t client, uint32_t reqid, uint32_t callid,
			const struct record_header *h, struct slice body)
{
	struct writer w;

	if (callid == CALL_FETCH) {
		c->ops->call_reply(c->world, client, reqid, body);
		return;
	}
	if (callid != CALL_FETCH_WITH_HEADER) {
		c->ops->call_reply(c->world, client, reqid, slice_of(NULL, 0));
		return;
	}
	if (c->scratch_size < RECORD_HEADER_SIZE + body.len) {
		free(c->scratch);
		c->scratch_size = RECORD_HEADER_SIZE + body.len;
		c->scratch = core_alloc(c->scratch_size);
	}
	w = writer_of(c->scratch, c->scratch_size);
	writer_u64(&w, h->rsn);
	writer_u32(&w, h->dmaster);
	writer_u32(&w, 0);
	writer_u32(&w, h->flags);
	writer_u32(&w, 0);
	writer_bytes(&w, body.p, body.len);
	c->ops->call_reply(c->world, client, reqid, slice_of(w.p, w.len));
}

void request_answer(struct core *c, struct keystate *k, const struct record_header *h,
		    struct slice body)
{
	bool is_owner = h->dmaster == c->self;
	bool is_whole = is_owner && (h->flags & RECORD_IS_LENT) == 0;
	struct waiter **at = &k->waiter_first, *w;

	while ((w = *at) != NULL) {
		if (!is_whole && !w->is_readonly) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		call_answer(c, w->client, w->reqid, w->callid, h, body);
		keystate_free_waiter(c, w);
	}
	k->waiter_last = at;
	k->asked_generation = 0;
	if (k->waiter_first == NULL)
		return;
	if (is_owner)
		readonly_revoke(c, k);
	else
		request_ask(c, k);
}

void request_refused(struct core *c, const struct packet *p)
{
	struct keystate *k = keystate_find(c, core_hash(p->db_id, p->key), p->db_id, p->key);

	if (k == NULL)
		return;
	keystate_fail_waiters(c, k, UINT64_MAX, "the node that has the record cannot give it away");
	k->asked_generation = 0;
	keystate_drop_if_idle(c, k);
}

/* What it asks for does not need the record itself */
static bool call_is_read(const struct core_call *call)
{
	return (call->flags & CALL_WANT_READONLY) != 0 || call->callid == CALL_FETCH ||
	       call->callid == CALL_FETCH_WITH_HEADER;
}

/* Would a copy do? */
static bool call_is_readonly(const struct core *c, const struct core_call *call)
{
	const struct db *db = db_get(c, call->db_id);

	return (call->flags & CALL_WANT_READONLY) != 0 && db != NULL &&
	       (db->flags & DB_READONLY) != 0;
}

static void call_wait(struct core *c, uint64_t hash, const struct core_call *call, uint64_t client,
		      uint32_t reqid, bool is_lent, uint64_t since_ms)
{
	struct keystate *k = keystate_make(c, hash, call->db_id, call->key);

	keystate_add_waiter(c, k, client, reqid, call->callid, call_is_readonly(c, call),
			    since_ms);
	if (is_lent)
		readonly_revoke(c, k);
	else
		request_ask(c, k);
}

/* With the chain lock held */
static void call_do(struct core *c, uint64_t hash, const struct core_call *call, uint64_t client,
		    uint32_t reqid, uint64_t since_ms)
{
	struct db *db = db_get(c, call->db_id);
	struct record_header h = { 0 };
	struct slice body = { 0 };
	int rc = c->ops->get(c->world, call->db_id, call->key, &h, &body);
	bool is_owner = rc == 0 && h.dmaster == c->self;
	bool is_lent = is_owner && (h.flags & RECORD_IS_LENT) != 0;
	bool is_copy = rc == 0 && !is_owner && (h.flags & RECORD_IS_COPY) != 0;

	if ((db != NULL && db_is_replicated(db)) || (is_owner && (!is_lent || call_is_read(call))) ||
	    (is_copy && call_is_readonly(c, call)))
		call_answer(c, client, reqid, call->callid, &h, body);
	else
		call_wait(c, hash, call, client, reqid, is_lent, since_ms);
}

int core_call(struct core *c, uint64_t client, uint32_t reqid, const struct core_call *call)
{
	uint64_t hash = core_hash(call->db_id, call->key);
	struct keystate *k;
	int rc;

	if (c->is_retired)
		return 0;
	c->count.calls++;
	if (db_get(c, call->db_id) == NULL || call->key.len == 0 || call->key.len > CORE_MAX_KEY) {
		c->ops->call_error(c->world, client, reqid,
				   "no such database, or a key of no valid length");
		return 0;
	}
	rc = keystate_lock(c, hash, call->db_id, call->key, &k);
	if (rc == -EAGAIN) {
		keystate_block_call(k, client, reqid, call->callid, call_is_readonly(c, call),
				    core_now(c));
	} else if (rc != 0) {
		c->ops->call_error(c->world, client, reqid, "the database cannot be locked");
	} else {
		call_do(c, hash, call, client, reqid, core_now(c));
		c->ops->unlock(c->world, call->db_id, call->key);
	}
	core_run(c);
	return core_is_congested(c);
}

/* ---- what waited for the chain lock ---- */

static void blocked_call(struct core *c, struct keystate *k, const struct op *o)
{
	struct core_call call = { .db_id = k->db_id,
				  .flags = o->is_readonly ? CALL_WANT_READONLY : 0,
				  .callid = o->callid,
				  .key = keystate_key(k) };

	call_do(c, k->hash, &call, o->client, o->reqid, o->since_ms);
}

void core_key_unlocked(struct core *c, uint32_t db_id, struct slice key)
{
	struct keystate *k =
	    c->is_retired ? NULL : keystate_find(c, core_hash(db_id, key), db_id, key);
	struct op *o;

	if (k == NULL || !k->is_blocked)
		return;
	k->is_blocked = false;
	while ((o = k->op_first) != NULL && !k->is_blocked && !c->is_retired) {
		struct packet p;

		k->op_first = o->next;
		if (k->op_first == NULL)
			k->op_last = &k->op_first;
		if (o->is_call) {
			if (c->ops->lock(c->world, db_id, key) == 0) {
				blocked_call(c, k, o);
				c->ops->unlock(c->world, db_id, key);
			} else {
				c->ops->call_error(c->world, o->client, o->reqid,
						   "the database cannot be locked");
			}
		} else if (packet_decode(slice_of(o->data, o->len), &p) == 0 &&
			   o->generation == c->active_generation) {
			record_packet(c, o->from, &p); /* may end k */
			k = keystate_find(c, core_hash(db_id, key), db_id, key);
		}
		free(o);
		if (k == NULL)
			break;
	}
	if (k != NULL)
		keystate_drop_if_idle(c, k);
	core_run(c);
}

/* ---- a new generation ---- */

/* What waited for the old one is forgotten, and what is still wanted is asked for again. Blocked
 * packets of the old generation are dropped when their turn comes. */
static void request_again(struct core *c, struct keystate *k)
{
	k->parked_n = 0;
	free(k->revoke);
	k->revoke = NULL;
	k->push = NULL;
	if (k->waiter_first != NULL)
		request_ask(c, k);
	else
		keystate_drop_if_idle(c, k);
}

void request_activate(struct core *c)
{
	keystate_each(c, request_again);
}

/* ---- clients that are gone ---- */

static void ops_drop_client(struct keystate *k, uint64_t client)
{
	struct op **list = &k->op_first;

	while (*list != NULL) {
		struct op *o = *list;

		if (o->is_call && o->client == client) {
			*list = o->next;
			free(o);
		} else {
			list = &o->next;
		}
	}
	k->op_last = list;
}

void core_client_gone(struct core *c, uint64_t client)
{
	for (size_t i = 0; i < c->keys.buckets; i++) {
		struct keystate *k, *next;

		for (k = c->keys.bucket[i]; k != NULL; k = next) {
			struct waiter **w = &k->waiter_first;

			next = k->next;
			ops_drop_client(k, client);
			while (*w != NULL) {
				struct waiter *gone = *w;

				if (gone->client != client) {
					w = &gone->next;
					continue;
				}
				*w = gone->next;
				keystate_free_waiter(c, gone);
			}
			k->waiter_last = w;
			keystate_drop_if_idle(c, k);
		}
	}
	traverse_client_gone(c, client);
	commit_client_gone(c, client);
	if (!core_is_committing(c, client)) /* else its srvids go with its commit */
		message_client_gone(c, client);
	core_run(c);
}

static bool node_is_congested(const struct node *n)
{
	return n != NULL && n->session.end - n->session.sent > CONGESTED_BYTES;
}

bool core_is_peer_congested(const struct core *c, uint32_t pnn)
{
	const struct node *n = pnn < CORE_MAX_NODES ? c->node[pnn] : NULL;

	return node_is_congested(n) && n->is_member;
}

bool core_is_congested(const struct core *c)
{
	for (size_t i = 0; i < c->active_n; i++)
		if (node_is_congested(c->node[c->active[i].pnn]))
			return true;
	return false;
}
