/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * worker_cache.h: the TDB files that a worker has open. Each is opened once, because libtdb allows
 * no second one in a process, and kept, because opening costs more than most of a worker's work.
 */
#ifndef COTDB_WORKER_CACHE_H
#define COTDB_WORKER_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <tdb.h>

struct worker_file {
	char *path;
	struct tdb_context *tdb;
	dev_t dev;
	ino_t ino;
	size_t used_at;
	bool is_frozen; /* holds the all-record lock: not to be closed */
};

struct worker_cache {
	struct worker_file *files;
	size_t n, clock;
};

/* The open file of that name (never creates, never clears); lent until the next call. 0 or -errno
 */
int worker_cache_open(struct worker_cache *c, const char *path, int tdb_flags,
		      struct worker_file **file);
void worker_cache_close(struct worker_cache *c);

#endif
