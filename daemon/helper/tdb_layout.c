/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tdb_layout.c: the start of a TDB file, little endian as all that cotdb runs on: with mutexes,
 * they and a header of their own in front; the header of 168 bytes; a word for the list of free
 * records, and one for each hash chain, the place of its first record.
 */
#include "daemon/helper/tdb_layout.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define TDB_MAGIC_TEXT	   "TDB file\n"
#define TDB_VERSION_OFFSET 32U
#define TDB_HASH_OFFSET	   36U
#define TDB_FLAGS_OFFSET   60U
#define TDB_MUTEX_OFFSET   64U
#define TDB_VERSION_NUMBER (0x26011967U + 6)
#define TDB_HAS_MUTEXES	   1U
#define HASH_SIZE_MAX	   (16U << 20)

static uint32_t header_u32(const uint8_t *header, size_t offset)
{
	uint32_t v;

	memcpy(&v, header + offset, sizeof(v));
	return v;
}

int tdb_layout_decode(const uint8_t header[TDB_HEADER_BYTES], struct tdb_layout *layout)
{
	if (memcmp(header, TDB_MAGIC_TEXT, sizeof(TDB_MAGIC_TEXT) - 1) != 0 ||
	    header_u32(header, TDB_VERSION_OFFSET) != TDB_VERSION_NUMBER)
		return -ENODATA;
	layout->hash_size = header_u32(header, TDB_HASH_OFFSET);
	layout->has_mutexes = (header_u32(header, TDB_FLAGS_OFFSET) & TDB_HAS_MUTEXES) != 0;
	layout->mutex_bytes = layout->has_mutexes ? header_u32(header, TDB_MUTEX_OFFSET) : 0;
	if (layout->hash_size == 0 || layout->hash_size > HASH_SIZE_MAX)
		return -ENODATA;
	layout->tdb_flags = TDB_NOSYNC | TDB_DISALLOW_NESTING | TDB_INCOMPATIBLE_HASH |
			    (layout->has_mutexes ? TDB_MUTEX_LOCKING : 0);
	return 0;
}

void tdb_chains_begin(struct tdb_chains *c, struct tdb_context *tdb)
{
	uint8_t header[TDB_HEADER_BYTES];
	struct tdb_layout layout;
	struct stat st;
	size_t at, bytes;
	void *map;
	int fd = tdb_fd(tdb);

	*c = (struct tdb_chains){ 0 };
	if (pread(fd, header, sizeof(header), 0) != (ssize_t)sizeof(header) ||
	    tdb_layout_decode(header, &layout) != 0 ||
	    layout.hash_size != (uint32_t)tdb_hash_size(tdb) || fstat(fd, &st) != 0)
		return;
	at = (size_t)layout.mutex_bytes + TDB_HEADER_BYTES + sizeof(uint32_t);
	bytes = at + (size_t)layout.hash_size * sizeof(uint32_t);
	if (at % sizeof(uint32_t) != 0 || (size_t)st.st_size < bytes)
		return;
	map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return;
	c->map = map;
	c->map_bytes = bytes;
	c->head = (const uint32_t *)((const uint8_t *)map + at);
}

void tdb_chains_end(struct tdb_chains *c)
{
	if (c->map != NULL)
		(void)munmap(c->map, c->map_bytes);
	*c = (struct tdb_chains){ 0 };
}
