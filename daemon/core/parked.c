/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * parked.c: requests that wait here for a record that was said to be on its way (rule R3). It may
 * never come: it was here, went on, and was deleted (erase.c), and only then the forward came that a
 * giver had sent behind it. So after a while they go back to the lmaster. Its entry says where the
 * record is, or there is none, and who asked gets a new one. A record that is late indeed costs one
 * more forward each time.
 */
#include "internal.h"

#define PARKED_MS 1000

void parked_begin(struct core *c, struct keystate *k)
{
	k->parked_ms = core_now(c) + PARKED_MS;
	if (k->parked_ms < c->parked_due_ms)
		c->parked_due_ms = k->parked_ms;
}

static void parked_look(struct core *c, struct keystate *k)
{
	struct packet p = { .type = PACKET_BOUNCE, .db_id = k->db_id, .key = keystate_key(k) };

	if (k->parked_n == 0)
		return;
	if (core_now(c) < k->parked_ms) {
		if (k->parked_ms < c->parked_due_ms)
			c->parked_due_ms = k->parked_ms;
		return;
	}
	for (size_t i = 0; i < k->parked_n; i++) {
		p.orig = k->parked[i];
		packet_send(c, slot_lmaster(c, k->hash), &p);
	}
	k->parked_n = 0;
	keystate_drop_if_idle(c, k);
}

void parked_tick(struct core *c)
{
	if (core_now(c) < c->parked_due_ms)
		return;
	c->parked_due_ms = UINT64_MAX;
	keystate_each(c, parked_look);
}
