/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tally.h: what a benchmark's record holds: how often each node has incremented it.
 *
 * A count per node and not one sum, because of nodes that die: what a dead node alone had written
 * may be lost, but each count of a node that lives must be what that node has counted itself.
 *
 * Bytes: u32 number, u32 0, then for each node u32 pnn, u32 0, u64 count.
 */
#ifndef COTDB_TALLY_H
#define COTDB_TALLY_H

#include "lib/slice.h"

#define TALLY_MAX_NODES 1024
#define TALLY_SIZE	(8 + 16 * TALLY_MAX_NODES)

struct tally {
	uint8_t bytes[TALLY_SIZE];
	size_t len;
};

/* A copy of a record's data; an empty tally when it is none */
void tally_read(struct tally *t, struct slice data);
uint64_t tally_get(const struct tally *t, uint32_t pnn);
/* Adds one to the node's count; -ENOSPC */
int tally_increment(struct tally *t, uint32_t pnn);
/* Sum over all nodes */
uint64_t tally_sum(const struct tally *t);
/* Node number i and its count, or -ENOENT behind the last */
int tally_entry(const struct tally *t, uint32_t i, uint32_t *pnn, uint64_t *count);

#endif
