/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * readonly.c: copies of a record that clients of other nodes may read. In a database in read-only
 * mode a client may say that a copy would do. Then the owner need not give the record away:
 *
 *   lend     the owner marks its own record as lent, and sends COPY. Clients of the owner do not
 *            write a record with that mark. The asking node stores the copy with a mark of its own;
 *            clients there read it as if it were theirs. The first copy raises the owner's rsn: so
 *            the copies are above all that is older (I3), and alike, as nobody writes meanwhile. The
 *            lmaster is told LOCATION, so that it does not take the record for one of which there is
 *            no other copy, when it is deleted (erase.c).
 *   revoke   somebody wants to write, here or elsewhere: REVOKE goes to all who may have a copy.
 *            Each takes its mark off, under the chain lock, keeps data and rsn, and answers REVOKED.
 *            The owner's mark goes when all have. Until then everybody who wants the record waits
 *            in line at the owner, and is served from there in order.
 *
 * So when a client writes a record, nobody has a copy of it that can be read: only an owner without
 * the mark is written, and the mark goes after the last copy.
 *
 * Who may have a copy: whom the owner has lent one to since it set the mark, in this generation.
 * The owner remembers that by the record's hash, in a small table that is overwritten at will, and
 * when it does not know, it asks everybody. It never knows in a generation that is new: then every
 * member takes the mark off all copies that its sweep finds, before its DONE, and off one that it is
 * asked for, before it answers (resolve.c), and drops those of an older generation that are still on
 * their way (R1). So when a lost owner's record is adopted, no old copy can be read, and a living
 * owner revokes in the new generation, from everybody. Revokes of the old one are forgotten: who wanted the record asks
 * again. A node that is out of sight is in no new generation before its files are known to be
 * retired (I5), and until there is one, a revoke waits for it.
 *
 * COPY and REVOKE come in order on one session, and wait in one queue for the chain lock. So a
 * REVOKE never overtakes the copy that it is about, nor REVOKED the end of it.
 */
#include <errno.h>
#include <stdlib.h>
#include "internal.h"

/* ---- whom it was lent to ---- */

static struct readers *readers_slot(struct core *c, uint64_t hash)
{
	return &c->readers[hash >> 16 & (READERS_COUNT - 1)];
}

/* is_first: nobody has a copy yet */
static void readers_add(struct core *c, uint64_t hash, uint32_t pnn, bool is_first)
{
	struct readers *r = readers_slot(c, hash);
	bool is_known = r->n > 0 && r->hash == hash; /* of another key, perhaps: one too many */

	if (!is_known && !is_first)
		return;
	if (!is_known)
		*r = (struct readers){ .hash = hash };
	for (size_t i = 0; i < r->n; i++)
		if (r->pnn[i] == pnn)
			return;
	if (r->n == READERS_MAX)
		r->n = 0;
	else
		r->pnn[r->n++] = (uint16_t)pnn;
}

static void readers_forget(struct core *c, uint64_t hash)
{
	struct readers *r = readers_slot(c, hash);

	if (r->hash == hash)
		r->n = 0;
}

static bool readers_may_have(struct core *c, uint64_t hash, uint32_t pnn)
{
	const struct readers *r = readers_slot(c, hash);

	if (r->n == 0 || r->hash != hash)
		return !core_has_bug(c, CORE_BUG_READERS_OUTLIVE);
	for (size_t i = 0; i < r->n; i++)
		if (r->pnn[i] == pnn)
			return true;
	return false;
}

/* ---- at the owner ---- */

void readonly_lend(struct core *c, const struct packet *f, struct record_header h,
		   struct slice body)
{
	uint32_t to_pnn = orig_pnn(f->orig);
	struct node *to = record_receiver(c, f, body);
	uint64_t hash = core_hash(f->db_id, f->key);
	bool is_first = (h.flags & RECORD_IS_LENT) == 0;
	struct packet p = { .type = PACKET_COPY, .db_id = f->db_id, .key = f->key, .data = body };
	struct packet location = { .type = PACKET_LOCATION,
				   .db_id = f->db_id,
				   .dmaster = c->self,
				   .rsn = h.rsn + 1,
				   .key = f->key };

	if (to == NULL)
		return;
	h.rsn += is_first;
	if (body.len > 0)
		h.flags |= RECORD_MIGRATED_WITH_DATA;
	h.flags = (h.flags & ~RECORD_READONLY_FLAGS) | RECORD_IS_LENT;
	p.rsn = h.rsn;
	p.flags = (h.flags & ~RECORD_IS_LENT) | RECORD_IS_COPY;
	if (!is_first) {
		packet_send(c, to_pnn, &p);
	} else {
		if (!record_put_and_send(c, f, to, &p, &h, body))
			return;
		if (!core_has_bug(c, CORE_BUG_LENT_IS_SOLE))
			packet_send(c, slot_lmaster(c, hash), &location);
	}
	readers_add(c, hash, to_pnn, is_first);
	c->count.copies_out++;
	db_get(c, f->db_id)->copies_out++;
}

/* Oneself among them, so that the end of it is the same however many there are */
void readonly_revoke(struct core *c, struct keystate *k)
{
	struct packet p = { .type = PACKET_REVOKE, .db_id = k->db_id, .key = keystate_key(k) };

	if (k->revoke != NULL)
		return;
	k->revoke = core_alloc(sizeof(*k->revoke));
	for (size_t i = 0; i < c->active_n; i++) {
		uint32_t pnn = c->active[i].pnn;

		if (pnn != c->self && !readers_may_have(c, k->hash, pnn))
			continue;
		packet_send(c, pnn, &p);
		if (pnn != c->self && core_has_bug(c, CORE_BUG_REVOKE_NOT_AWAITED))
			continue;
		k->revoke->awaited[pnn / 64] |= 1ULL << pnn % 64;
		k->revoke->n++;
	}
}

static void revoke_fail(struct core *c, struct keystate *k, const struct packet *p, int rc)
{
	struct packet f = *p;

	for (size_t i = 0; i < k->parked_n; i++) {
		f.orig = k->parked[i];
		record_refuse(c, &f, "its header cannot be written", rc);
	}
	k->parked_n = 0;
	request_refused(c, p); /* may end k */
}

/* Nobody has a copy any more: the clients here may have the record, then who is parked */
static void revoke_end(struct core *c, struct keystate *k, const struct packet *p)
{
	struct record_header h = { .dmaster = CORE_UNKNOWN_PNN };
	struct slice body = { 0 };
	uint8_t *copy;
	int rc;

	free(k->revoke);
	k->revoke = NULL;
	if (c->ops->get(c->world, p->db_id, p->key, &h, &body) != 0 || h.dmaster != c->self) {
		record_forward_parked(c, k, c->self, h.rsn); /* and from here back */
		if (k->waiter_first != NULL)
			request_ask(c, k);
		return;
	}
	copy = record_body_keep(&body);
	h.flags &= ~RECORD_READONLY_FLAGS;
	rc = c->ops->put(c->world, p->db_id, p->key, &h, body);
	if (rc == 0) {
		readers_forget(c, k->hash);
		c->count.revokes++;
		db_get(c, p->db_id)->revokes++;
		request_answer(c, k, &h, body);
		if (k->held_until_ms == 0)
			record_forward_parked(c, k, c->self, h.rsn);
	} else {
		revoke_fail(c, k, p, rc);
	}
	free(copy);
}

static void readonly_revoked(struct core *c, uint32_t from, const struct packet *p)
{
	struct keystate *k = keystate_find(c, core_hash(p->db_id, p->key), p->db_id, p->key);
	uint64_t bit = 1ULL << from % 64;

	if (k == NULL || k->revoke == NULL || (k->revoke->awaited[from / 64] & bit) == 0)
		return;
	k->revoke->awaited[from / 64] &= ~bit;
	if (--k->revoke->n == 0)
		revoke_end(c, k, p);
}

/* ---- at who has a copy ---- */

static void readonly_copy(struct core *c, uint32_t from, const struct packet *p)
{
	struct keystate *k = keystate_find(c, core_hash(p->db_id, p->key), p->db_id, p->key);
	struct record_header own;
	struct record_header h = { .rsn = p->rsn,
				   .dmaster = from,
				   .flags = (p->flags & ~RECORD_READONLY_FLAGS) | RECORD_IS_COPY };
	struct slice body = { 0 };

	if (record_read(c, p, &own, &body) < 0)
		return;
	if (own.dmaster == c->self)
		return; /* cannot be: the owner gives it away behind this, on the same stream */
	c->count.copies_in++;
	/* One that cannot be stored does for those that wait for it now */
	if (own.dmaster != CORE_UNKNOWN_PNN && own.rsn > h.rsn)
		core_log(c, CORE_LOG_ERROR, "a copy to read is older than what is here | db=0x%08x", p->db_id);
	else if (c->ops->put(c->world, p->db_id, p->key, &h, p->data) != 0)
		core_log(c, CORE_LOG_WARNING, "a copy to read cannot be stored | db=0x%08x", p->db_id);
	if (k != NULL)
		request_answer(c, k, &h, p->data);
}

/* Data and rsn stay: it is a copy like any other (I3) */
int readonly_close(struct core *c, const struct packet *p)
{
	struct record_header h;
	struct slice body = { 0 };
	uint8_t *copy;
	int rc = record_read(c, p, &h, &body);

	if (rc < 0)
		return rc;
	if (rc == 0 || h.dmaster == c->self || (h.flags & RECORD_IS_COPY) == 0)
		return 0;
	copy = record_body_keep(&body);
	h.flags &= ~RECORD_READONLY_FLAGS;
	rc = c->ops->put(c->world, p->db_id, p->key, &h, body);
	free(copy);
	if (rc != 0)
		record_lose(c, p, rc); /* it could be read for ever */
	return rc;
}

void readonly_packet(struct core *c, uint32_t from, const struct packet *p)
{
	struct packet answer = { .type = PACKET_REVOKED, .db_id = p->db_id, .key = p->key };

	switch (p->type) {
	case PACKET_COPY:
		readonly_copy(c, from, p);
		break;
	case PACKET_REVOKED:
		readonly_revoked(c, from, p);
		break;
	case PACKET_REVOKE:
		(void)readonly_close(c, p);
		packet_send(c, from, &answer);
		break;
	default: /* UNCOPY */
		if (from != c->self || c->copies_n == 0)
			break;
		if (!core_has_bug(c, CORE_BUG_SWEEP_LEAVES_COPY))
			(void)readonly_close(c, p);
		c->copies_n--;
		sweep_check(c);
		break;
	}
}

void readonly_swept(struct core *c, uint32_t db_id, struct slice key)
{
	struct packet p = { .type = PACKET_UNCOPY, .db_id = db_id, .key = key };

	c->copies_n++;
	packet_send(c, c->self, &p);
}

void readonly_activate(struct core *c)
{
	c->copies_n = 0;
	for (size_t i = 0; i < READERS_COUNT; i++)
		c->readers[i].n = 0;
}
