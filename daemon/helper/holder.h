/* SPDX-License-Identifier: GPL-3.0-or-later */
/* holder.h: which process keeps a lock in a TDB file, read from the file and from /proc */
#ifndef COTDB_HOLDER_H
#define COTDB_HOLDER_H

#include <sys/types.h>
#include "daemon/helper/tdb_layout.h"

/* 0; -ENODATA: no TDB file, or not completely made; -errno */
int holder_layout_read(const char *path, struct tdb_layout *layout);
/* Whether a process has the file mapped: 1, 0, -errno */
int holder_maps(const char *path, pid_t pid);
/* Whether a process owns a mutex in the file: 1, 0; -ENOTSUP when that cannot be told */
int holder_locks(const char *path, pid_t pid);
/* SIGKILL for a process that still is what it was taken for: it maps the file and, as far as that
 * can be told, holds a lock in it. 1: done, 0: it is none, -errno */
int holder_kill(const char *path, pid_t pid);

#endif
