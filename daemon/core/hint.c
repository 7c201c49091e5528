/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hint.c: whom to ask for a record before the lmaster. Records often go the same way round: back
 * and forth between two nodes, or in a ring. So when a key came from the same giver twice running,
 * the next request goes straight to that node, as a FORWARD that is not definitive. If it still
 * owns the record this saves the hop over the lmaster; if not, it sends the request back to the
 * lmaster (R3), which costs one hop. Nothing depends on a hint being right, so the table is small,
 * keyed by hash alone, and overwritten at will.
 */
#include "internal.h"

static struct hint *hint_of(struct core *c, uint64_t hash)
{
	return &c->hint[hash >> 16 & (HINT_COUNT - 1)];
}

void hint_learn(struct core *c, uint64_t hash, uint32_t giver)
{
	struct hint *h = hint_of(c, hash);

	h->is_steady = h->hash == hash && h->giver == giver;
	h->hash = hash;
	h->giver = (uint16_t)giver;
}

uint32_t hint_giver(struct core *c, uint64_t hash)
{
	const struct hint *h = hint_of(c, hash);

	if (h->hash != hash || !h->is_steady || !core_node_is_active(c, h->giver))
		return CORE_UNKNOWN_PNN;
	return h->giver;
}
