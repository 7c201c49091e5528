/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tdb_layout.h: what is read from a TDB file beside libtdb: its header, and which hash chains are
 * empty */
#ifndef COTDB_TDB_LAYOUT_H
#define COTDB_TDB_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <tdb.h>

#define TDB_HEADER_BYTES 168U

/* What the header of a TDB file tells about its locks */
struct tdb_layout {
	int tdb_flags;	  /* to open it with, without CLEAR_IF_FIRST */
	bool has_mutexes; /* chain locks are robust mutexes in the file, else fcntl locks */
	uint32_t hash_size;
	uint32_t mutex_bytes; /* at the start of the file */
};

/* 0; -ENODATA: no TDB file, or not completely made */
int tdb_layout_decode(const uint8_t header[TDB_HEADER_BYTES], struct tdb_layout *layout);

/* The hash chains of an open database, so that empty ones need not be locked to be read: Samba's
 * databases have 100,001 and mostly few records. */
struct tdb_chains {
	const uint32_t *head; /* NULL: not known */
	void *map;
	size_t map_bytes;
};
/* Never fails: where the layout is another one, no chain is known to be empty. The file has to stay
 * open. */
void tdb_chains_begin(struct tdb_chains *c, struct tdb_context *tdb);
void tdb_chains_end(struct tdb_chains *c);
/* At this moment nothing is in the chain, as one who locks it would see it: its head, one word, is
 * written when a record is whole, and says 0 only when the last one has gone. */
static inline bool tdb_chain_is_empty(const struct tdb_chains *c, uint32_t chain)
{
	return c->head != NULL && __atomic_load_n(&c->head[chain], __ATOMIC_ACQUIRE) == 0;
}

#endif
