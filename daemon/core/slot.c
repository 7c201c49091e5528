/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * slot.c: which node is the lmaster of a key.
 *
 * A key's hash picks one of 1024 slots; a slot belongs to the active node with the highest random
 * weight for it. So the table is a function of the active set alone, the same on every node with
 * nothing to agree on, and a node that comes or goes moves only the slots that it gets or had.
 */
#include "internal.h"

static uint64_t slot_weight(uint32_t slot, uint32_t pnn)
{
	uint64_t h = ((uint64_t)slot << 32 | pnn) + 0x9E3779B97F4A7C15ULL;

	h = (h ^ h >> 30) * 0xBF58476D1CE4E5B9ULL;
	h = (h ^ h >> 27) * 0x94D049BB133111EBULL;
	return h ^ h >> 31;
}

void slot_assign(struct core *c)
{
	for (uint32_t slot = 0; slot < SLOT_COUNT; slot++) {
		uint64_t best = 0;

		for (size_t i = 0; i < c->active_n; i++) {
			uint64_t w = slot_weight(slot, c->active[i].pnn);

			if (i == 0 || w > best) {
				best = w;
				c->slot[slot] = (uint16_t)c->active[i].pnn;
			}
		}
	}
}

uint32_t slot_best(const struct core *c, uint64_t hash,
		   bool (*may)(const struct core *c, uint32_t pnn))
{
	uint32_t slot = hash >> 32 & (SLOT_COUNT - 1), best_pnn = CORE_UNKNOWN_PNN;
	uint64_t best = 0;

	for (size_t i = 0; i < c->active_n; i++) {
		uint64_t w = slot_weight(slot, c->active[i].pnn);

		if (may(c, c->active[i].pnn) && (best_pnn == CORE_UNKNOWN_PNN || w > best)) {
			best = w;
			best_pnn = c->active[i].pnn;
		}
	}
	return best_pnn;
}

uint32_t slot_lmaster(const struct core *c, uint64_t hash)
{
	return c->slot[hash >> 32 & (SLOT_COUNT - 1)];
}
