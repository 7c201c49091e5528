/* SPDX-License-Identifier: GPL-3.0-or-later */
/* worker_commit.h: whole transactions in a persistent or replicated database, and reading all of it
 */
#ifndef COTDB_WORKER_COMMIT_H
#define COTDB_WORKER_COMMIT_H

#include <stdint.h>
#include <sys/types.h>
#include <tdb.h>
#include "lib/slice.h"

/* May the records of this rec_buffer be stored? 0; -EEXIST: one in the file is as new, with another
 * body; -EBADMSG */
int worker_check(struct tdb_context *tdb, struct slice records);
/* Stores them, is_whole: in the place of all that is there, and notes generation and tag, in one
 * transaction; empty: only notes. 0 or -errno */
int worker_apply(struct tdb_context *tdb, struct slice records, uint32_t generation, uint32_t tag,
		 bool is_whole);
/* Replaces all records by these: key and value, each as a block, one after the other. 0 or -errno
 */
int worker_replace(struct tdb_context *tdb, struct slice records);
/* Fills what a rolled back commit has left in the file with 0 (store_judge.h). 0, -EBADMSG: the
 * file is damaged, or -errno */
int worker_mend(struct tdb_context *tdb);
/* Sends all records in that form as IPC_WORK_PART, as they are at one moment. 0 or -errno */
int worker_dump(int fd, struct tdb_context *tdb, uint64_t cookie);

#endif
