/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef COTDB_TDB_WHOLE_H
#define COTDB_TDB_WHOLE_H

#include <stdbool.h>
#include <sys/types.h> /* what tdb.h needs */
#include <tdb.h>

/* Whether each record and each free piece of this file is where the file says it is, and none
 * overlaps another. Space that belongs to nothing is no damage here, to tdb_check() it is: this is
 * for files that tdb_check() does not pass. Nobody may write meanwhile.
 * why: what is wrong, a sentence; lent for good. lost_bytes: the space that belongs to nothing. */
bool tdb_is_whole(struct tdb_context *tdb, size_t *lost_bytes, const char **why);

#endif
