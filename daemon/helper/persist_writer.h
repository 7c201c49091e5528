/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * persist_writer.h: a process that writes struct persist to disk. The whole cluster waits while the
 * plan of a generation is being written, and to fork takes longer than all the rest of that, so the
 * process is there before it is needed. It writes once, and its end tells how that went.
 */
#ifndef COTDB_PERSIST_WRITER_H
#define COTDB_PERSIST_WRITER_H

#include <sys/types.h>
#include "daemon/helper/persist.h"

struct persist_writer {
	pid_t pid; /* 0: none is there */
	int fd;	   /* where it takes what it shall write; -1: it has it */
	uint32_t generation;
	unsigned int kills; /* of those that wrote, in a row */
};

/* One is there when it can be; what fails here is told by persist_writer_begin() */
void persist_writer_prepare(struct persist_writer *w, const char *dir);
/* Not while one writes. 0 or -errno */
int persist_writer_begin(struct persist_writer *w, const char *dir, const struct persist *p);
bool persist_writer_is_busy(const struct persist_writer *w);
/* A child has ended. It was the one that wrote: what failed is logged, and is over; or somebody has killed
 * it, and it is to be written again. */
enum persist_writer_end { PERSIST_WRITER_NONE, PERSIST_WRITER_OVER, PERSIST_WRITER_KILLED };
enum persist_writer_end persist_writer_reaped(struct persist_writer *w, const char *dir, pid_t pid,
					      int status);
void persist_writer_close(struct persist_writer *w);

#endif
