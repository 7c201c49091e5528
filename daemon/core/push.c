/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * push.c: PUSH_RECORD: a client that owns a record wants every active node to have a copy of it as it is
 * now (Samba's persistent handles). Who owns it stays as it is.
 *
 *   PUSH    owner -> all others: each stores the record as a copy like any other (I3), under the chain
 *           lock, unless it owns the record or has a newer one, and answers PUSHED. Of one rsn the
 *           pushed content is the newer: the other is what the owner's giver has left behind.
 *
 * The record stays with its owner until all have answered; who wants it meanwhile is parked there,
 * as while copies are called in. So no PUSH is on its way when the record moves on or is deleted,
 * and none can bring back an old content (R8). The lmaster is told LOCATION, so that it does not take
 * the record for one of which there is no other copy.
 *
 * The client does not wait for an answer. Its next commit is the sign that all have the copy: no commit
 * of this node is decided before those pushes are through that were asked for before it (commit.c).
 *
 * A client stores the record with a mark (RECORD_IN_PROGRESS) before it asks, under the chain lock, and
 * lets go then. A request may come first and find the lock free. So a record with the mark is pushed
 * before it is given away, asked for or not; and when the client's word comes then, the record is not
 * here any more, and all is done.
 *
 * In a new generation what is not through is pushed anew, to its members. A node that joins later gets
 * no copy of what was pushed before.
 */
#include <errno.h>
#include <stdlib.h>
#include "internal.h"

#define PUSHES_BYTES (64UL << 20) /* that wait for an answer */
#define PUSHES_COUNT 4096U

static struct slice push_key(const struct push *x)
{
	return slice_of(x->data, x->keylen);
}

static size_t push_bytes(const struct push *x)
{
	return sizeof(*x) + x->keylen + x->len;
}

/* Takes nothing. It waits for nobody yet. */
static struct push *push_new(struct core *c, uint32_t db_id, struct slice key,
			     const struct record_header *h, struct slice body)
{
	struct push *x = core_alloc(sizeof(*x) + key.len + body.len);

	x->number = x->order = ++c->push_number;
	x->db_id = db_id;
	x->hash = core_hash(db_id, key);
	x->header = *h;
	x->keylen = key.len;
	x->len = body.len;
	memcpy(x->data, key.p, key.len);
	if (body.len > 0)
		memcpy(x->data + key.len, body.p, body.len);
	c->push_bytes += push_bytes(x);
	c->pushes_n++;
	x->next = c->pushes;
	c->pushes = x;
	return x;
}

static void push_free(struct core *c, struct push *x)
{
	struct push **at = &c->pushes;

	while (*at != x)
		at = &(*at)->next;
	*at = x->next;
	c->push_bytes -= push_bytes(x);
	c->pushes_n--;
	free(x);
}

/* All have it, or it is not here any more: what has waited for that goes on */
static void push_end(struct core *c, struct push *x)
{
	struct keystate *k = keystate_find(c, x->hash, x->db_id, push_key(x));
	struct packet p = { .type = PACKET_FORWARD,
			    .db_id = x->db_id,
			    .rsn = x->own_rsn,
			    .is_definitive = 1 | FORWARD_IS_PUSHED,
			    .key = push_key(x) };

	if (k != NULL && k->push == x) {
		k->push = NULL;
		for (size_t i = 0; i < k->parked_n; i++) {
			p.orig = k->parked[i];
			packet_send(c, c->self, &p);
		}
		k->parked_n = 0;
		keystate_drop_if_idle(c, k);
	}
	push_free(c, x);
	commit_pushed(c);
}

bool push_is_pending(const struct core *c, uint64_t number)
{
	for (const struct push *x = c->pushes; x != NULL; x = x->next)
		if (x->number <= number)
			return true;
	return false;
}

/* This node owns the record; the lock is held */
static void push_begin(struct core *c, struct push *x, uint64_t own_rsn)
{
	struct keystate *k = keystate_make(c, x->hash, x->db_id, push_key(x));
	struct packet p = { .type = PACKET_LOCATION,
			    .db_id = x->db_id,
			    .dmaster = c->self,
			    .rsn = own_rsn,
			    .key = push_key(x) };

	if (k->push != NULL && k->push != x) { /* an older content: who waits for that waits for this */
		if (k->push->number < x->number)
			x->number = k->push->number;
		push_free(c, k->push);
	}
	k->push = x;
	x->own_rsn = own_rsn;
	x->ticket = ++c->push_ticket;
	packet_send(c, slot_lmaster(c, x->hash), &p);
	p = (struct packet){ .type = PACKET_PUSH,
			     .db_id = x->db_id,
			     .rsn = x->header.rsn,
			     .ticket = x->ticket,
			     .flags = x->header.flags,
			     .key = push_key(x),
			     .data = slice_of(x->data + x->keylen, x->len) };
	memset(x->awaited, 0, sizeof(x->awaited));
	x->awaited_n = 0;
	for (size_t i = 0; i < c->active_n; i++) {
		uint32_t pnn = c->active[i].pnn;

		if (pnn == c->self)
			continue;
		x->awaited[pnn / 64] |= 1ULL << pnn % 64;
		x->awaited_n++;
		packet_send(c, pnn, &p);
	}
	if (x->awaited_n == 0)
		push_end(c, x);
}

/* To this node itself: its turn comes with the chain lock, which the client may still hold */
static void push_ask(struct core *c, struct push *x)
{
	struct packet p = { .type = PACKET_PUSH, .db_id = x->db_id, .key = push_key(x) };

	p.ticket = x->ticket = ++c->push_ticket;
	packet_send(c, c->self, &p);
}

int core_push(struct core *c, uint32_t db_id, struct slice key, const struct record_header *h,
	      struct slice body)
{
	const struct db *db = db_get(c, db_id);
	struct push *x;

	if (c->is_retired)
		return 0;
	if (db == NULL)
		return -ENOENT;
	if (db_is_replicated(db) || key.len == 0 || key.len > CORE_MAX_KEY ||
	    body.len > CORE_MAX_RECORD)
		return -EINVAL;
	if (h->dmaster != c->self)
		return 0; /* not the owner's: nobody stores it */
	if (c->push_bytes > PUSHES_BYTES || c->pushes_n >= PUSHES_COUNT)
		return -ENOBUFS;
	x = push_new(c, db_id, key, h, body);
	if (c->is_active)
		push_ask(c, x); /* else with the next generation */
	core_run(c);
	return core_is_congested(c);
}

bool push_is_due(const struct core *c, const struct packet *f, const struct record_header *h)
{
	bool is_pushed = (f->is_definitive & FORWARD_IS_PUSHED) != 0 && f->rsn == h->rsn;

	return (h->flags & RECORD_IN_PROGRESS) != 0 && !is_pushed &&
	       !core_has_bug(c, CORE_BUG_PUSH_NOT_FIRST);
}

void push_before_giving(struct core *c, const struct packet *f, const struct record_header *h,
			struct slice body)
{
	struct keystate *k = keystate_make(c, core_hash(f->db_id, f->key), f->db_id, f->key);

	keystate_park(c, k, f->orig);
	push_begin(c, push_new(c, f->db_id, f->key, h, body), h->rsn);
}

/* ---- with the chain lock held ---- */

/* Its owner writes a record again and again under one rsn */
static bool push_is_newer(const struct push *x, const struct push *than)
{
	return x->header.rsn > than->header.rsn ||
	       (x->header.rsn == than->header.rsn && x->order > than->order);
}

/* The record has gone with all others (wipe.c). What is here now was made later, and its rsn begins with
 * that generation. */
static bool push_is_wiped(const struct core *c, const struct push *x)
{
	return x->header.rsn >> 32 < db_get(c, x->db_id)->wiped_generation &&
	       !core_has_bug(c, CORE_BUG_WIPE_LEAVES_PUSHES);
}

/* This node's own, whose turn has come */
static void push_turn(struct core *c, const struct packet *p, const struct record_header *own)
{
	struct push *x = c->pushes;
	const struct keystate *k;

	while (x != NULL && x->ticket != p->ticket)
		x = x->next;
	if (x == NULL)
		return; /* a newer one has taken its place */
	k = keystate_find(c, x->hash, x->db_id, push_key(x));
	if (own->dmaster != c->self || push_is_wiped(c, x)) {
		push_end(c, x);
	} else if (k != NULL && k->push != NULL && k->push != x &&
		   push_is_newer(k->push, x)) { /* late: who waits for it waits for that */
		if (x->number < k->push->number)
			k->push->number = x->number;
		push_free(c, x);
	} else {
		push_begin(c, x, own->rsn);
	}
}

/* True: the copy is here, or a newer record */
static bool push_store(struct core *c, uint32_t from, const struct packet *p,
		       const struct record_header *own)
{
	struct record_header h = { .rsn = p->rsn,
				   .dmaster = from,
				   .flags = (p->flags & ~RECORD_READONLY_FLAGS) |
					    RECORD_MIGRATED_WITH_DATA };
	int rc;

	if (own->dmaster == c->self || (own->dmaster != CORE_UNKNOWN_PNN && own->rsn > p->rsn))
		return true;
	rc = c->ops->put(c->world, p->db_id, p->key, &h, p->data);
	if (rc != 0)
		record_lose(c, p, rc); /* a commit counts on it */
	return rc == 0;
}

void push_packet(struct core *c, uint32_t from, const struct packet *p)
{
	struct packet answer = { .type = PACKET_PUSHED, .db_id = p->db_id, .ticket = p->ticket };
	struct record_header own = { 0 };
	struct slice body = { 0 };

	if (record_read(c, p, &own, &body) < 0)
		return;
	if (from == c->self) {
		push_turn(c, p, &own);
		return;
	}
	if (push_store(c, from, p, &own))
		packet_send(c, from, &answer);
}

/* ---- answers, and ends ---- */

void push_pushed(struct core *c, uint32_t from, const struct packet *p)
{
	struct push *x = c->pushes;
	uint64_t bit = 1ULL << from % 64;

	while (x != NULL && x->ticket != p->ticket)
		x = x->next;
	if (x == NULL || (x->awaited[from / 64] & bit) == 0)
		return;
	x->awaited[from / 64] &= ~bit;
	if (--x->awaited_n == 0)
		push_end(c, x);
}

void push_activate(struct core *c)
{
	for (struct push *x = c->pushes; x != NULL; x = x->next) {
		memset(x->awaited, 0, sizeof(x->awaited));
		x->awaited_n = 0;
		push_ask(c, x);
	}
}

void push_db_closed(struct core *c, uint32_t db_id)
{
	struct push *x = c->pushes, *next;

	for (; x != NULL; x = next) {
		next = x->next;
		if (x->db_id == db_id)
			push_free(c, x);
	}
	commit_pushed(c);
}

void push_free_all(struct core *c)
{
	while (c->pushes != NULL)
		push_free(c, c->pushes);
}
