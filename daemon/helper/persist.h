/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * persist.h: what outlives a restart of the node: the last active generation and the incarnations
 * that were active in it, so that a cold start knows whom it has to wait for. One small text file
 * in state_dir, replaced as a whole.
 */
#ifndef COTDB_PERSIST_H
#define COTDB_PERSIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "daemon/core/core.h"

struct persist {
	uint32_t generation; /* 0 and n 0: there never was one */
	bool is_outside;     /* this node was not in it */
	size_t n;
	struct incarnation active[CORE_MAX_NODES]; /* of one node there may be several */
	bool is_over[CORE_MAX_NODES];		   /* it has left, or was revoked */
};

/* 0, also when there is no file; -EBADMSG: it is damaged, error says where; -errno */
int persist_read(const char *dir, struct persist *p, char *error, size_t error_size);
/* On disk when it returns 0; else -errno, and the old file is as it was. Blocks. */
int persist_write(const char *dir, const struct persist *p);

#endif
