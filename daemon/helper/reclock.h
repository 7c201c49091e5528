/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * reclock.h: one byte of lock on one empty file of the cluster file system. All of these may block
 * for as long as the file system does.
 */
#ifndef COTDB_RECLOCK_H
#define COTDB_RECLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include "daemon/core/core.h"

struct reclock {
	const char *path;
	int fd; /* open only while the byte is held; -1 */
	struct core_lock_id id;
	char text[256]; /* what the last call found */
};

void reclock_init(struct reclock *r, const char *path);
/* Takes the byte and keeps it; HELD too when it is held already and still is */
enum core_lock_result reclock_try(struct reclock *r);
/* Takes it and lets it go at once: HELD when that worked */
enum core_lock_result reclock_probe(struct reclock *r);
/* HELD when this process holds the byte of the file that the path names. Otherwise it is let go. */
enum core_lock_result reclock_check(struct reclock *r);
void reclock_release(struct reclock *r);

#endif
