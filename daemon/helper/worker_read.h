/* SPDX-License-Identifier: GPL-3.0-or-later */
/* worker_read.h: one batch of records for a traverse (struct core_traverse_read) */
#ifndef COTDB_WORKER_READ_H
#define COTDB_WORKER_READ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <tdb.h>

/* Which records are told, by whether they have a body */
enum { WORKER_READ_FULL, WORKER_READ_ALL, WORKER_READ_ONLY_EMPTY };
struct worker_read {
	uint32_t chain, dmaster, with_empty, chains; /* chains: at most, or 0 */
};
struct worker_read_result {
	uint32_t next_chain; /* or CORE_CHAIN_END */
	bool is_incomplete;  /* a key or a record is too long to be told */
};

/* Sends what the batch holds (IPC_WORK_ENTRIES); 0 or -errno */
int worker_read(int fd, struct tdb_context *tdb, uint64_t cookie, const struct worker_read *r,
		struct worker_read_result *result);

#endif
