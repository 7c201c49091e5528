/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * record.c: giving and taking records (invariants I1 to I3). Ownership is what the file says: a
 * node whose copy has dmaster == itself owns the record, and only its clients write it.
 *
 * A request goes to the lmaster, which forwards it with the location it knows: FORWARD(orig, rsn,
 * definitive). What the receiver does, under the chain lock (rule R3):
 *
 *   it owns the record        -> (is it lent, or would a copy do: readonly.c; is it pushed: push.c)
 *                                give: own copy gets dmaster = orig and rsn + 1 and stays behind
 *                                (I3); GRANT with the data straight to orig, LOCATION to the
 *                                lmaster, and what is parked here follows, behind the data
 *   definitive, rsn above own -> the record is on its way here: park orig until it comes
 *   else                      -> it was given away in this generation: back to the lmaster
 * (BOUNCE), which has the giver's LOCATION by then, for that went before on the same stream
 *
 * GRANT and ADOPT make this node the owner. Both belong to one generation and to one session, so
 * neither comes twice nor late (core_peer_input). The stream is written only after the store has
 * taken the change: the packet waits in the session's buffer meanwhile.
 *
 * An owner that cannot give (its file takes no header, or no lock) stays the owner and says REFUSED
 * to orig, whose clients get an error. Nothing has moved, so I1 to I3 hold, and the lmaster's entry
 * is right as it was. It does not try again by itself: a full or broken file may stay so, and the
 * client that wants the record still asks again.
 */
#include <errno.h>
#include <stdlib.h>
#include "drain.h"
#include "internal.h"
#include "vacuum.h"

#define REFUSED_LOG_MS 10000

/* Those parked here follow the record to its owner; who waits on this node, if that is the owner,
 * has been answered */
void record_forward_parked(struct core *c, struct keystate *k, uint32_t to, uint64_t rsn)
{
	struct packet p = { .type = PACKET_FORWARD,
			    .db_id = k->db_id,
			    .rsn = rsn,
			    .is_definitive = 1,
			    .key = keystate_key(k) };

	for (size_t i = 0; i < k->parked_n; i++) {
		p.orig = k->parked[i];
		if (orig_pnn(p.orig) != c->self || to != c->self)
			packet_send(c, to, &p);
	}
	k->parked_n = 0;
}

/* orig is not to wait for what does not come. Clients may ask again at once, and will: the log is
 * told at most once in a while. */
void record_refuse(struct core *c, const struct packet *f, const char *why, int rc)
{
	struct packet p = { .type = PACKET_REFUSED, .db_id = f->db_id, .key = f->key };
	uint32_t orig = orig_pnn(f->orig);

	c->refused_n++;
	if (core_now(c) >= c->refused_log_ms) {
		core_log(c, CORE_LOG_ERROR,
			 "a record cannot be given away: %s | db=0x%08x node=%s(%u) error=%s "
			 "times=%u",
			 why, f->db_id, node_name(c, orig), orig, strerror(-rc), c->refused_n);
		c->refused_n = 0;
		c->refused_log_ms = core_now(c) + REFUSED_LOG_MS;
	}
	packet_send(c, orig, &p);
}

struct node *record_receiver(struct core *c, const struct packet *f, struct slice body)
{
	struct node *to = c->node[orig_pnn(f->orig)];

	if (!node_takes_records(to))
		return NULL; /* gone meanwhile */
	if (body.len > CORE_MAX_RECORD) {
		record_refuse(c, f, "it is too long", -EFBIG);
		return NULL;
	}
	return to;
}

bool record_put_and_send(struct core *c, const struct packet *f, struct node *to,
			 const struct packet *p, const struct record_header *h, struct slice body)
{
	struct writer w;
	int rc;

	packet_prepare(c, to, p, &w);
	rc = c->ops->put(c->world, f->db_id, f->key, h, body);
	if (rc != 0) {
		/* The number that was taken for the packet goes to the next */
		to->session.next_seq--;
		record_refuse(c, f, "its header cannot be written", rc);
		return false;
	}
	session_commit(c, to, &w);
	return true;
}

uint8_t *record_body_keep(struct slice *body)
{
	uint8_t *copy = core_alloc(body->len + 1);

	if (body->len > 0)
		memcpy(copy, body->p, body->len);
	body->p = copy;
	return copy;
}

/* This node owns the record, h and body; the lock is held */
static void record_give(struct core *c, const struct packet *f, struct record_header h,
			struct slice body)
{
	struct node *to = record_receiver(c, f, body);
	uint64_t hash = core_hash(f->db_id, f->key);
	struct packet p = { .type = PACKET_GRANT, .db_id = f->db_id, .key = f->key, .data = body };
	struct keystate *k;

	if (to == NULL)
		return;
	if (h.rsn == UINT64_MAX) { /* a client wrote that */
		record_refuse(c, f, "its rsn cannot be raised", -ERANGE);
		return;
	}
	if (!core_has_bug(c, CORE_BUG_RSN_NOT_RAISED))
		h.rsn++;
	if (!core_has_bug(c, CORE_BUG_KEEP_OWNERSHIP))
		h.dmaster = f->orig;
	h.flags &= ~RECORD_READONLY_FLAGS;
	if (body.len > 0)
		h.flags |= RECORD_MIGRATED_WITH_DATA;
	p.rsn = h.rsn;
	p.flags = h.flags;
	if (!record_put_and_send(c, f, to, &p, &h, body))
		return; /* it is kept */
	c->count.handoffs_out++;
	p = (struct packet){ .type = PACKET_LOCATION,
			     .db_id = f->db_id,
			     .dmaster = f->orig,
			     .rsn = h.rsn,
			     .key = f->key };
	if ((f->is_definitive & FORWARD_IS_DRAIN) == 0 || slot_lmaster(c, hash) == c->self ||
	    !core_has_bug(c, CORE_BUG_DRAIN_NOT_TOLD))
		packet_send(c, slot_lmaster(c, hash), &p);
	if ((f->is_definitive & FORWARD_IS_DRAIN) != 0)
		drain_given(c);
	k = keystate_find(c, hash, f->db_id, f->key);
	if (k != NULL)
		record_forward_parked(c, k, f->orig, h.rsn);
}

/* This node owns the record */
static void record_ask_owner(struct core *c, const struct packet *f, const struct record_header *h,
			     struct slice body)
{
	uint64_t hash = core_hash(f->db_id, f->key);
	struct keystate *k = keystate_find(c, hash, f->db_id, f->key);

	if (orig_pnn(f->orig) == c->self) {
		if (k != NULL)
			request_answer(c, k, h, body);
		return;
	}
	if (k != NULL && (k->revoke != NULL || k->push != NULL || k->held_until_ms != 0)) {
		keystate_park(c, k, f->orig);
	} else if (orig_is_readonly(f->orig)) {
		readonly_lend(c, f, *h, body);
	} else if ((h->flags & RECORD_IS_LENT) != 0) {
		k = keystate_make(c, hash, f->db_id, f->key);
		keystate_park(c, k, f->orig);
		readonly_revoke(c, k);
	} else if (push_is_due(c, f, h)) {
		push_before_giving(c, f, h, body);
	} else {
		record_give(c, f, *h, body);
	}
}

static void record_forward(struct core *c, const struct packet *f)
{
	uint64_t hash = core_hash(f->db_id, f->key);
	struct record_header h = { .dmaster = CORE_UNKNOWN_PNN };
	struct slice body = { 0 };
	struct packet p = *f;
	bool is_coming;
	int rc;

	if (orig_pnn(f->orig) >= CORE_MAX_NODES)
		return;
	rc = c->ops->get(c->world, f->db_id, f->key, &h, &body);
	if (rc != 0 && rc != -ENOENT) {
		record_refuse(c, f, "it cannot be read", rc);
		return;
	}
	if (rc != 0)
		h = (struct record_header){ .dmaster = CORE_UNKNOWN_PNN };
	is_coming =
	    f->is_definitive && f->rsn > h.rsn && !core_has_bug(c, CORE_BUG_HINT_NOT_DEFINITIVE);
	if (h.dmaster == c->self) {
		record_ask_owner(c, f, &h, body);
	} else if (is_coming) {
		keystate_park(c, keystate_make(c, hash, f->db_id, f->key), f->orig);
		c->count.parked++;
	} else if ((f->is_definitive & FORWARD_IS_DRAIN) == 0) {
		p.type = PACKET_BOUNCE;
		c->count.forwards++;
		packet_send(c, slot_lmaster(c, hash), &p);
	}
}

/* The record has come, and was stored as h and body: first the clients here, then who is parked */
static void record_arrived(struct core *c, const struct packet *p, const struct record_header *h,
			   struct slice body)
{
	struct keystate *k = keystate_find(c, core_hash(p->db_id, p->key), p->db_id, p->key);

	if (k == NULL)
		return;
	request_answer(c, k, h, body);
	/* The first of the parked gets it through our own queue, and the others follow it */
	if (k->held_until_ms == 0)
		record_forward_parked(c, k, c->self, h->rsn);
}

/* One that came is nobody's now, or nobody can tell what is here: only a new generation, without this
 * engine's files, finds the newest copy of it */
void record_lose(struct core *c, const struct packet *p, int rc)
{
	core_log(c, CORE_LOG_ERROR, "a record that must be stored cannot be | db=0x%08x error=%s",
		 p->db_id, strerror(-rc));
	c->is_retired = true;
	c->ops->retire(c->world, REASON_NO_SPACE, "a record that must be stored cannot be");
}

int record_read(struct core *c, const struct packet *p, struct record_header *h, struct slice *body)
{
	int rc = c->ops->get(c->world, p->db_id, p->key, h, body);

	if (rc == 0)
		return 1;
	*h = (struct record_header){ .dmaster = CORE_UNKNOWN_PNN };
	*body = slice_of(NULL, 0);
	if (rc == -ENOENT)
		return 0;
	record_lose(c, p, rc);
	return rc;
}

static void record_store(struct core *c, const struct packet *p, struct record_header *h,
			 struct slice body)
{
	int rc;

	h->dmaster = c->self;
	h->rsn = p->rsn;
	h->flags &= ~RECORD_READONLY_FLAGS;
	rc = c->ops->put(c->world, p->db_id, p->key, h, body);
	if (rc != 0) {
		record_lose(c, p, rc);
		return;
	}
	if (body.len == 0)
		vacuum_arrived(c, core_hash(p->db_id, p->key), p->db_id, p->key);
	record_arrived(c, p, h, body);
}

static void record_adopt(struct core *c, const struct packet *p)
{
	struct record_header h = { 0 };
	struct slice body = { 0 };
	uint8_t *copy = NULL;

	if (!p->is_new && record_read(c, p, &h, &body) < 0)
		return;
	if (body.len > 0) {
		copy = record_body_keep(&body);
	} else {
		body.len = 0;
		h.flags = 0;
	}
	if (p->is_new)
		c->count.created++;
	else
		c->count.adopted++;
	record_store(c, p, &h, body);
	free(copy);
}

/* FORWARD, GRANT, ADOPT, WHOHAS, and those of readonly.c; waits its turn where the chain lock is taken */
void record_packet(struct core *c, uint32_t from, const struct packet *p)
{
	uint64_t hash = core_hash(p->db_id, p->key);
	struct record_header h = { 0 };
	struct keystate *k;
	int rc;

	rc = keystate_lock(c, hash, p->db_id, p->key, &k);
	if (rc == -EAGAIN) {
		keystate_block_packet(k, from, p);
		return;
	}
	if (rc != 0) {
		if (p->type == PACKET_FORWARD)
			record_refuse(c, p, "its database cannot be locked", rc);
		else
			record_lose(c, p, rc);
		return;
	}
	switch (p->type) {
	case PACKET_FORWARD:
		record_forward(c, p);
		break;
	case PACKET_GRANT:
		h.flags = p->flags;
		c->count.handoffs_in++;
		hint_learn(c, hash, from);
		sticky_arrived(c, p);
		record_store(c, p, &h, p->data);
		break;
	case PACKET_ADOPT:
		record_adopt(c, p);
		break;
	case PACKET_WHOHAS:
		resolve_whohas(c, from, p);
		break;
	case PACKET_PUSH:
		push_packet(c, from, p);
		break;
	default:
		readonly_packet(c, from, p);
		break;
	}
	c->ops->unlock(c->world, p->db_id, p->key);
	k = keystate_find(c, hash, p->db_id, p->key);
	if (k != NULL)
		keystate_drop_if_idle(c, k);
}
