/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * erase.c: how an empty record is deleted, so that nothing older of it comes back (rule R8).
 *
 * Old copies stay behind where a record has been (I3), and after a loss of its owner the newest copy
 * is what counts. So a record may be forgotten only when every copy of it is empty, too. Where its
 * owner is another node than its lmaster, it first goes home: RETURN is a hand-off to the lmaster
 * that nobody has asked for (GRANT and LOCATION in one; nothing but the key is in it).
 *
 * At the lmaster, in a generation in which all have told what they have:
 *
 *   1. under the chain lock: it is owned and empty, the entry is definitive, nobody waits for it.
 *      The own rsn is raised.
 *   2. ERASE with that rsn goes to all others. Each makes an old copy empty that it does not own,
 *      and answers ERASED, or refuses a key that somebody waits for there.
 *   3. When all have answered, and it is still owned, empty and of that rsn: the own copy is deleted
 *      and the entry forgotten, in one step, and DELETE has the others delete theirs.
 *
 * Why the entry can be forgotten: a LOCATION that is older than the record's coming here was sent
 * before its giver answered ERASE, on the same stream; so it has come. A node that holds a forward
 * for this key, blocked or parked, refuses. One that is still on its way between two others finds no
 * copy, is parked, and comes back here in a while (parked.c). Who asks from now on gets a new
 * record. Its rsn is above that of all that were forgotten in this generation (location.c keeps the
 * highest), so a late DELETE, which deletes nothing above its rsn, does not touch it.
 *
 * Records that never moved. Most are made for one node, used there, and emptied. The lmaster's entry
 * says so (is_sole: it has sent ADOPT for a new record, and no LOCATION has come since). Then no other
 * copy exists but the one that is left behind by RETURN, and that one is empty: the entry is forgotten
 * at once, and DELETE goes to the node that the record was made for.
 *
 * A step that cannot be done now (a client holds the chain) is not waited for; the key is looked at
 * again later. Whatever ends in the middle leaves empty copies, which are the same as none. A pass
 * finds them, and asks the lmaster (ORPHAN), which has them adopted, or deleted when it knows that
 * the record is absent.
 */
#include <errno.h>
#include <stdlib.h>
#include "vacuum.h"

#define BATCH_BYTES	 (32U * 1024U)
#define ENTRY_FIXED	 16U
#define BATCH_ROOM	 (BATCH_BYTES + CORE_MAX_KEY + ENTRY_FIXED)
#define ERASES_MAX	 8U
#define FLAGS_READONLY	 0x0F000000U /* copies for reading have been given out, or this is one */
#define FLAGS_KEPT	 0xFFU	     /* Samba's own */
#define FLAG_WAS_MIGRATED 0x00010000U
#define RSN_LIMIT	 (UINT64_MAX / 2) /* not of our making */

/* ---- packets with many entries ---- */

static void erase_begin(struct core *c, const struct batch *b);

static void batch_send(struct core *c, struct batch *b)
{
	struct packet p = { .type = b->type,
			    .db_id = b->db_id,
			    .n = b->n,
			    .data = slice_of(b->buf, b->len) };

	if (b->n == 0)
		return;
	if (b->type == PACKET_ERASE)
		erase_begin(c, b);
	else if (b->pnn != CORE_UNKNOWN_PNN)
		packet_send(c, b->pnn, &p);
	else
		for (size_t i = 0; i < c->active_n; i++)
			if (c->active[i].pnn != c->self)
				packet_send(c, c->active[i].pnn, &p);
	b->n = 0;
	b->len = 0;
}

static void batch_add(struct core *c, struct batch *b, uint32_t pnn, uint32_t db_id, uint64_t rsn,
		      uint32_t flags, struct slice key)
{
	size_t need = ENTRY_FIXED + key.len;
	struct writer w;

	if (b->n > 0 && (b->pnn != pnn || b->db_id != db_id || b->n == VACUUM_SLICE ||
			 b->len + need > BATCH_BYTES))
		batch_send(c, b);
	if (b->buf == NULL)
		b->buf = malloc(BATCH_ROOM);
	if (b->buf == NULL)
		abort();
	b->pnn = pnn;
	b->db_id = db_id;
	w = writer_of(b->buf + b->len, BATCH_ROOM - b->len);
	writer_u64(&w, rsn);
	writer_u8(&w, (uint8_t)(flags & FLAGS_KEPT));
	writer_block(&w, key.p, key.len);
	b->len += w.len;
	b->n++;
}

void erase_flush(struct core *c)
{
	struct vacuum *v = c->vacuum;

	batch_send(c, &v->returns);
	batch_send(c, &v->orphans);
	batch_send(c, &v->erases);
	batch_send(c, &v->deletes);
}

bool erase_is_full(const struct vacuum *v)
{
	return v->erase_n >= ERASES_MAX;
}

/* ---- one record, on the node that has it ---- */

static bool header_is_idle(const struct record_header *h, struct slice body)
{
	return body.len == 0 && (h->flags & FLAGS_READONLY) == 0 && h->rsn < RSN_LIMIT;
}

/* The own copy goes, and with it the record. The lock is held. */
static enum erase_verdict record_forget(struct core *c, uint32_t db_id, struct slice key,
					uint64_t rsn)
{
	if (c->ops->del(c->world, db_id, key) != 0)
		return ERASE_LATER;
	location_forget(c, db_id, key, rsn);
	c->count.vacuumed++;
	return ERASE_DONE;
}

/* To its lmaster: as record_give() does it */
static enum erase_verdict record_return(struct core *c, const struct candidate *k, uint32_t to,
					struct record_header h)
{
	const struct slice key = slice_of(k->key, k->keylen);

	if (!node_takes_records(c->node[to]))
		return ERASE_LATER;
	h.rsn++;
	h.dmaster = to;
	if (c->ops->put(c->world, k->db_id, key, &h, slice_of(NULL, 0)) != 0)
		return ERASE_LATER;
	c->count.vacuum_returned++;
	batch_add(c, &c->vacuum->returns, to, k->db_id, h.rsn, h.flags, key);
	return ERASE_DONE;
}

/* Step 1 */
static enum erase_verdict record_erase(struct core *c, const struct candidate *k,
				       struct record_header h)
{
	const struct slice key = slice_of(k->key, k->keylen);
	bool is_sole = false;

	if (!location_is_settled(c, k->db_id, key, c->self, &is_sole))
		return ERASE_LATER;
	if (is_sole || c->active_n == 1)
		return record_forget(c, k->db_id, key, h.rsn);
	h.rsn++;
	if (c->ops->put(c->world, k->db_id, key, &h, slice_of(NULL, 0)) != 0)
		return ERASE_LATER;
	location_raise(c, k->db_id, key, h.rsn);
	if (core_has_bug(c, CORE_BUG_VACUUM_OWN_FIRST))
		record_forget(c, k->db_id, key, h.rsn);
	batch_add(c, &c->vacuum->erases, CORE_UNKNOWN_PNN, k->db_id, h.rsn, h.flags, key);
	return ERASE_DONE;
}

enum erase_verdict erase_candidate(struct core *c, const struct candidate *k)
{
	const struct slice key = slice_of(k->key, k->keylen);
	const uint32_t lmaster = slot_lmaster(c, k->hash);
	enum erase_verdict verdict = ERASE_DONE;
	struct record_header h = { 0 };
	struct slice body = { 0 };
	int rc;

	if (db_get(c, k->db_id) == NULL)
		return ERASE_DONE; /* it was detached */
	if (keystate_find(c, k->hash, k->db_id, key) != NULL)
		return ERASE_LATER;
	rc = c->ops->trylock(c->world, k->db_id, key);
	if (rc != 0)
		return rc == -EAGAIN ? ERASE_LATER : ERASE_DONE;
	if (c->ops->get(c->world, k->db_id, key, &h, &body) == 0 && header_is_idle(&h, body)) {
		if (h.dmaster != c->self && k->is_orphan)
			batch_add(c, &c->vacuum->orphans, lmaster, k->db_id, h.rsn, 0, key);
		else if (h.dmaster == c->self && lmaster != c->self)
			verdict = record_return(c, k, lmaster, h);
		else if (h.dmaster == c->self)
			verdict = record_erase(c, k, h);
	}
	c->ops->unlock(c->world, k->db_id, key);
	return verdict;
}

/* ---- at the lmaster ---- */

/* Step 2 */
static void erase_begin(struct core *c, const struct batch *b)
{
	struct vacuum *v = c->vacuum;
	struct erase *e = core_alloc(sizeof(*e) + b->len);
	struct packet p = { .type = PACKET_ERASE,
			    .db_id = b->db_id,
			    .ticket = ++v->last_ticket,
			    .n = b->n,
			    .data = slice_of(b->buf, b->len) };

	e->ticket = p.ticket;
	e->db_id = b->db_id;
	e->n = b->n;
	e->len = b->len;
	memcpy(e->entries, b->buf, b->len);
	e->next = v->erase;
	v->erase = e;
	v->erase_n++;
	for (size_t i = 0; i < c->active_n; i++) {
		uint32_t pnn = c->active[i].pnn;

		if (pnn == c->self)
			continue;
		e->waits_for[pnn / 64] |= 1ULL << pnn % 64;
		e->waits_n++;
		packet_send(c, pnn, &p);
	}
}

/* Step 3 for one of them; false: not now */
static bool record_erased(struct core *c, uint32_t db_id, const struct report_entry *e)
{
	uint64_t hash = core_hash(db_id, e->key);
	struct record_header h = { 0 };
	struct slice body = { 0 };
	bool is_sole, is_done = false;

	if (core_has_bug(c, CORE_BUG_VACUUM_OWN_FIRST)) {
		batch_add(c, &c->vacuum->deletes, CORE_UNKNOWN_PNN, db_id, e->rsn, 0, e->key);
		return true;
	}
	if (keystate_find(c, hash, db_id, e->key) != NULL ||
	    !location_is_settled(c, db_id, e->key, c->self, &is_sole) ||
	    c->ops->trylock(c->world, db_id, e->key) != 0)
		return false;
	if (c->ops->get(c->world, db_id, e->key, &h, &body) == 0 && h.dmaster == c->self &&
	    h.rsn == e->rsn && header_is_idle(&h, body) &&
	    record_forget(c, db_id, e->key, h.rsn) == ERASE_DONE) {
		batch_add(c, &c->vacuum->deletes, CORE_UNKNOWN_PNN, db_id, h.rsn, 0, e->key);
		is_done = true;
	}
	c->ops->unlock(c->world, db_id, e->key);
	return is_done;
}

static void erase_finish(struct core *c, struct erase *x)
{
	struct cursor s = cursor_of(x->entries, x->len);
	struct report_entry e;

	for (uint32_t i = 0; i < x->n && packet_report_next(&s, &e) == 0; i++) {
		bool is_refused = (x->is_refused[i / 64] & 1ULL << i % 64) != 0;

		if (is_refused || !record_erased(c, x->db_id, &e))
			vacuum_schedule(c, core_hash(x->db_id, e.key), x->db_id, e.key, false,
					false);
	}
}

/* data: a bit for each entry, set if it was refused */
static void erased_in(struct core *c, uint32_t from, const struct packet *p)
{
	struct erase **at = &c->vacuum->erase, *x;

	while (*at != NULL && (*at)->ticket != p->ticket)
		at = &(*at)->next;
	x = *at;
	if (x == NULL || x->n != p->n || p->data.len != (p->n + 7) / 8 ||
	    (x->waits_for[from / 64] & 1ULL << from % 64) == 0)
		return;
	x->waits_for[from / 64] &= ~(1ULL << from % 64);
	for (uint32_t i = 0; i < x->n; i++)
		if (p->data.p[i / 8] & 1U << i % 8)
			x->is_refused[i / 64] |= 1ULL << i % 64;
	if (--x->waits_n > 0)
		return;
	*at = x->next;
	c->vacuum->erase_n--;
	erase_finish(c, x);
	free(x);
}

/* A record comes home. If it never was anywhere else, that was its end. */
static void returned_in(struct core *c, uint32_t from, uint32_t db_id, const struct report_entry *e)
{
	uint64_t hash = core_hash(db_id, e->key);
	bool is_sole = false;

	if (location_is_settled(c, db_id, e->key, from, &is_sole) && is_sole &&
	    keystate_find(c, hash, db_id, e->key) == NULL) {
		location_forget(c, db_id, e->key, e->rsn);
		batch_add(c, &c->vacuum->deletes, from, db_id, e->rsn, 0, e->key);
		c->count.vacuumed++;
	} else {
		struct packet p = { .type = PACKET_GRANT,
				    .db_id = db_id,
				    .rsn = e->rsn,
				    .flags = e->is_owner | FLAG_WAS_MIGRATED,
				    .key = e->key };

		packet_send(c, c->self, &p);
		location_learn(c, db_id, e->key, c->self, e->rsn);
		vacuum_schedule(c, hash, db_id, e->key, true, false);
	}
}

static void orphan_in(struct core *c, uint32_t from, uint32_t db_id, const struct report_entry *e)
{
	if (!c->is_recovering && location_orphan(c, db_id, e->key, from, e->rsn))
		batch_add(c, &c->vacuum->deletes, from, db_id, e->rsn, 0, e->key);
}

/* ---- at the others ---- */

/* False: not now */
static bool copy_erase(struct core *c, uint32_t lmaster, uint32_t db_id,
		       const struct report_entry *e)
{
	struct record_header h = { 0 };
	struct slice body = { 0 };
	bool is_done = true;
	int rc;

	if (core_has_bug(c, CORE_BUG_VACUUM_NO_TOMBSTONE))
		return true;
	if (keystate_find(c, core_hash(db_id, e->key), db_id, e->key) != NULL ||
	    c->ops->trylock(c->world, db_id, e->key) != 0)
		return false;
	rc = c->ops->get(c->world, db_id, e->key, &h, &body);
	if (rc != 0) {
		is_done = rc == -ENOENT; /* what cannot be read now may come back later */
	} else if (h.dmaster == c->self || h.rsn > e->rsn) {
		is_done = false;
	} else if (body.len > 0) {
		h = (struct record_header){ .rsn = e->rsn, .dmaster = lmaster };
		is_done = c->ops->put(c->world, db_id, e->key, &h, slice_of(NULL, 0)) == 0;
	}
	c->ops->unlock(c->world, db_id, e->key);
	return is_done;
}

static void erase_in(struct core *c, uint32_t from, const struct packet *p)
{
	struct cursor s = cursor_of(p->data.p, p->data.len);
	uint8_t refused[VACUUM_SLICE / 8] = { 0 };
	struct packet answer = { .type = PACKET_ERASED,
				 .db_id = p->db_id,
				 .ticket = p->ticket,
				 .n = p->n,
				 .data = slice_of(refused, (p->n + 7) / 8) };
	struct report_entry e;

	if (p->n > VACUUM_SLICE)
		return;
	for (uint32_t i = 0; i < p->n; i++)
		if (packet_report_next(&s, &e) != 0 || !copy_erase(c, from, p->db_id, &e))
			refused[i / 8] |= (uint8_t)(1U << i % 8);
	packet_send(c, from, &answer);
}

/* An empty copy that is not newer */
static void copy_delete(struct core *c, uint32_t db_id, const struct report_entry *e)
{
	uint64_t hash = core_hash(db_id, e->key);
	const struct keystate *k = keystate_find(c, hash, db_id, e->key);
	struct record_header h = { 0 };
	struct slice body = { 0 };

	if ((k != NULL && k->is_blocked) || c->ops->trylock(c->world, db_id, e->key) != 0) {
		vacuum_schedule(c, hash, db_id, e->key, false, true);
		return;
	}
	if (c->ops->get(c->world, db_id, e->key, &h, &body) == 0 && h.dmaster != c->self &&
	    h.rsn <= e->rsn && body.len == 0)
		c->ops->del(c->world, db_id, e->key);
	c->ops->unlock(c->world, db_id, e->key);
}

/* ---- packets ---- */

static void entries_in(struct core *c, uint32_t from, const struct packet *p)
{
	struct cursor s = cursor_of(p->data.p, p->data.len);
	struct report_entry e;

	for (uint32_t i = 0; i < p->n; i++) {
		if (packet_report_next(&s, &e) != 0) {
			core_log(c, CORE_LOG_ERROR,
				 "a malformed packet about deleted records is dropped | node=%u",
				 from);
			break;
		}
		if (p->type == PACKET_RETURN)
			returned_in(c, from, p->db_id, &e);
		else if (p->type == PACKET_ORPHAN)
			orphan_in(c, from, p->db_id, &e);
		else
			copy_delete(c, p->db_id, &e);
	}
}

void erase_packet(struct core *c, uint32_t from, const struct packet *p)
{
	if (c->vacuum == NULL)
		core_vacuum_tune(c, 0, 0);
	if (p->type == PACKET_ERASE)
		erase_in(c, from, p);
	else if (p->type == PACKET_ERASED)
		erased_in(c, from, p);
	else
		entries_in(c, from, p);
	erase_flush(c);
}

/* ---- its life ---- */

void erase_init(struct vacuum *v)
{
	v->returns.type = PACKET_RETURN;
	v->orphans.type = PACKET_ORPHAN;
	v->erases.type = PACKET_ERASE;
	v->deletes.type = PACKET_DELETE;
}

void erase_drop_all(struct vacuum *v)
{
	struct erase *e;

	while ((e = v->erase) != NULL) {
		v->erase = e->next;
		free(e);
	}
	v->erase_n = 0;
}

void erase_free(struct vacuum *v)
{
	erase_drop_all(v);
	free(v->returns.buf);
	free(v->orphans.buf);
	free(v->erases.buf);
	free(v->deletes.buf);
}
