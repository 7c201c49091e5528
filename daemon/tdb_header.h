/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tdb_header.h: the start of a TDB file, version 1, little endian as all that cotdb runs on. With
 * mutexes they come behind it, and behind them the header once more, with all else. */
#ifndef COTDB_TDB_HEADER_H
#define COTDB_TDB_HEADER_H

#include <stdint.h>
#include <string.h>

#define TDB_HEADER_BYTES    168U
#define TDB_MAGIC_TEXT	    "TDB file\n"
#define TDB_VERSION_OFFSET  32U
#define TDB_HASH_OFFSET	    36U
#define TDB_RECOVERY_OFFSET 44U
#define TDB_FLAGS_OFFSET    60U
#define TDB_MUTEX_OFFSET    64U
#define TDB_VERSION_NUMBER  (0x26011967U + 6)
#define TDB_HAS_MUTEXES	    1U

/* The word there: u32 */
static inline uint32_t tdb_word(const uint8_t *bytes, size_t offset)
{
	uint32_t v;

	memcpy(&v, bytes + offset, sizeof(v));
	return v;
}

#endif
