/* SPDX-License-Identifier: GPL-3.0-or-later */
/* holder.h: which process keeps a lock in a TDB file, read from the file and from /proc */
#ifndef COTDB_HOLDER_H
#define COTDB_HOLDER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What the header of a TDB file tells about its locks */
struct holder_layout {
	int tdb_flags;	  /* to open it with, without CLEAR_IF_FIRST */
	bool has_mutexes; /* chain locks are robust mutexes in the file, else fcntl locks */
	uint32_t hash_size;
	uint32_t mutex_bytes; /* at the start of the file */
};

/* 0; -ENODATA: no TDB file, or not completely made; -errno */
int holder_layout_read(const char *path, struct holder_layout *layout);
/* Whether a process has the file mapped: 1, 0, -errno */
int holder_maps(const char *path, pid_t pid);
/* Whether a process owns a mutex in the file: 1, 0; -ENOTSUP when that cannot be told */
int holder_locks(const char *path, pid_t pid);
/* SIGKILL for a process that still is what it was taken for: it maps the file and, as far as that
 * can be told, holds a lock in it. 1: done, 0: it is none, -errno */
int holder_kill(const char *path, pid_t pid);

#endif
