/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * resolve.c: a request in a recovery, for a record of which its lmaster does not know yet who owns
 * it. It does not wait for the sweeps, which take the longer the more records there are: the lmaster
 * asks all members, itself among them, for this one (WHOHAS), once, however many want it. Each
 * looks under the chain lock and answers HAS (rule R5):
 *
 *   owner        -> that is where it is, and all there is to know
 *   copy, none   -> when all have answered, the holder of the highest rsn adopts it; when none has
 *                   a copy, it is new, and the asking node creates it
 *
 * A report of the sweep or a giver's LOCATION that comes meanwhile says as much as an answer, and
 * an owner's ends it (R4). The end of all sweeps ends it, too. Answers that come later count for
 * nothing: the entry is definitive by then.
 *
 * No record can slip through: who answers that he does not own it may get it afterwards only from
 * an owner, who has not answered yet and will say so, or has given it away before he answered, and
 * then his LOCATION came before his answer, on the same stream.
 *
 * Copies that were lent by a lost owner can be read until they are closed: before it is adopted, and
 * can be written, each who is asked closes his.
 */
#include <stdlib.h>
#include "internal.h"

enum has { HAS_NOTHING, HAS_COPY, HAS_IT };

/* The place of this entry's resolution, or where one would be put */
static struct resolution **resolve_find(struct core *c, const struct location *l)
{
	struct resolution **at = &c->resolution[l->print % RESOLUTION_BUCKETS];

	while (*at != NULL && (*at)->location != l)
		at = &(*at)->next;
	return at;
}

struct resolution *resolve_end(struct core *c, struct location *l)
{
	struct resolution **at, *r;

	if (!l->is_awaited)
		return NULL;
	at = resolve_find(c, l);
	r = *at;
	*at = r->next;
	l->is_awaited = false;
	c->resolutions_n--;
	return r;
}

uint32_t resolve_first(struct core *c, struct location *l)
{
	return orig_pnn((*resolve_find(c, l))->orig[0]);
}

void resolve_forget(struct core *c, struct location *l)
{
	free(resolve_end(c, l));
}

void resolve_forget_all(struct core *c)
{
	for (size_t i = 0; i < RESOLUTION_BUCKETS && c->resolutions_n > 0; i++)
		while (c->resolution[i] != NULL)
			resolve_forget(c, c->resolution[i]->location);
}

void resolve_settle(struct core *c)
{
	for (size_t i = 0; i < RESOLUTION_BUCKETS && c->resolutions_n > 0; i++)
		while (c->resolution[i] != NULL)
			location_decide(c, c->resolution[i]->location);
}

static void resolve_ask(struct core *c, struct resolution *r)
{
	const struct location *l = r->location;
	struct packet p = { .type = PACKET_WHOHAS,
			    .db_id = location_db_id(c, l),
			    .key = location_key(l) };

	for (size_t i = 0; i < c->active_n; i++) {
		uint32_t pnn = c->active[i].pnn;

		r->awaited[pnn / 64] |= 1ULL << pnn % 64;
		r->awaited_n++;
		packet_send(c, pnn, &p);
	}
	c->count.resolutions++;
}

void resolve_wait(struct core *c, struct location *l, uint32_t orig)
{
	struct resolution **at = resolve_find(c, l), *r = *at;
	size_t n = r != NULL ? r->n : 0;

	for (size_t i = 0; i < n; i++) {
		if (orig_pnn(r->orig[i]) != orig_pnn(orig))
			continue;
		r->orig[i] &= orig; /* the record itself, if one of the two wants it */
		return;
	}
	r = realloc(r, sizeof(*r) + (n + 1) * sizeof(r->orig[0]));
	if (r == NULL)
		abort();
	*at = r;
	if (n == 0) {
		memset(r, 0, sizeof(*r));
		r->location = l;
		l->is_awaited = true;
		c->resolutions_n++;
	}
	r->orig[r->n++] = orig;
	if (n == 0)
		resolve_ask(c, r);
}

void resolve_whohas(struct core *c, uint32_t from, const struct packet *p)
{
	struct packet answer = { .type = PACKET_HAS, .db_id = p->db_id, .key = p->key };
	struct record_header h = { 0 };
	struct slice body = { 0 };
	int rc = record_read(c, p, &h, &body);

	if (rc < 0)
		return; /* nobody may take what cannot be read for nothing */
	if (rc == 1) {
		answer.rsn = h.rsn;
		answer.is_new = h.dmaster == c->self ? HAS_IT : HAS_COPY;
		if (!core_has_bug(c, CORE_BUG_WHOHAS_LEAVES_COPY) && readonly_close(c, p) != 0)
			return;
	}
	packet_send(c, from, &answer);
}

void resolve_has(struct core *c, uint32_t from, const struct packet *p)
{
	struct location *l = location_known(c, p->db_id, p->key);
	struct resolution *r = l != NULL && l->is_awaited ? *resolve_find(c, l) : NULL;
	uint64_t bit = 1ULL << from % 64;

	if (r == NULL || (r->awaited[from / 64] & bit) == 0)
		return;
	r->awaited[from / 64] &= ~bit;
	r->awaited_n--;
	if (p->is_new == HAS_IT) {
		location_learn(c, p->db_id, p->key, from, p->rsn); /* ends it */
		return;
	}
	if (p->is_new == HAS_COPY)
		location_offer(c, p->db_id, p->key, from, p->rsn);
	if (r->awaited_n == 0 || core_has_bug(c, CORE_BUG_WHOHAS_FIRST))
		location_decide(c, l);
}
