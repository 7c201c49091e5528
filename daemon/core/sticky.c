/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sticky.c: in a sticky database a record that moves very often stays a while where it comes, so
 * that the clients there get some work done before the next node has it. Each hand-off raises the
 * rsn by one, so a node to which a record comes again sees by its rsn how often it has moved
 * meanwhile, wherever that was. With so many moves within a second (HopcountMakeSticky) it is
 * sticky for a while (StickyDuration); each time that it comes then, what others want of it is
 * parked (StickyPindown). Then they follow in order.
 *
 * Nothing depends on what is remembered here, so it is small, keyed by hash alone, and overwritten
 * at will. A record that is held is owned as any other: only the moment of giving it is another.
 */
#include "internal.h"

#define WINDOW_MS 1000

void core_sticky(struct core *c, const struct core_sticky *s)
{
	c->sticky = *s;
}

/* Does it move that often? */
static bool sticky_is(struct core *c, uint64_t hash, uint64_t rsn)
{
	struct moves *m = &c->moves[hash >> 16 & (MOVES_COUNT - 1)];
	uint64_t now = core_now(c);

	if (m->hash != hash || rsn < m->rsn || rsn - m->rsn > UINT32_MAX)
		*m = (struct moves){ .hash = hash, .rsn = rsn, .since_ms = now };
	if (rsn - m->rsn >= c->sticky.moves)
		m->until_ms = now + c->sticky.duration_ms;
	if (rsn - m->rsn >= c->sticky.moves || now - m->since_ms > WINDOW_MS) {
		m->rsn = rsn;
		m->since_ms = now;
	}
	return now < m->until_ms;
}

void sticky_arrived(struct core *c, const struct packet *p)
{
	const struct db *db = db_get(c, p->db_id);
	uint64_t hash = core_hash(p->db_id, p->key);
	struct keystate *k;

	if (db == NULL || (db->flags & DB_STICKY) == 0 || c->sticky.pindown_ms == 0 ||
	    !sticky_is(c, hash, p->rsn))
		return;
	k = keystate_make(c, hash, p->db_id, p->key);
	if (k->held_until_ms != 0)
		return;
	k->held_until_ms = core_now(c) + c->sticky.pindown_ms;
	k->held_next = NULL;
	*(c->held_first != NULL ? &c->held_last->held_next : &c->held_first) = k;
	c->held_last = k;
}

/* All are held for as long, so those that came first are due first; a pindown that was changed
 * meanwhile makes some wait for those before them */
void sticky_tick(struct core *c)
{
	struct keystate *k;

	while ((k = c->held_first) != NULL && core_now(c) >= k->held_until_ms) {
		c->held_first = k->held_next;
		if (core_has_bug(c, CORE_BUG_HELD_FOR_EVER))
			continue;
		k->held_until_ms = 0;
		record_forward_parked(c, k, c->self, 0);
		keystate_drop_if_idle(c, k);
	}
}

uint64_t sticky_deadline(const struct core *c)
{
	return c->held_first != NULL ? c->held_first->held_until_ms : UINT64_MAX;
}
