/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * retire.h: takes the volatile databases away from whoever still has them open: each file is
 * locked as a whole, emptied, unlinked and unlocked, each in a process of its own, all at once.
 * What a client still maps afterwards is an empty database that nobody else knows.
 *
 * To be used by a process that reaps children; it tells of every one by retire_reaped().
 */
#ifndef COTDB_RETIRE_H
#define COTDB_RETIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct retire;

/* Starts one process for every volatile database in dir: names that end in .PNN or .PNN.RO. A
 * folder that does not exist is an empty one. 0 or -errno */
int retire_begin(const char *dir, struct retire **retire);
/* Whether this child was one of its processes */
bool retire_reaped(struct retire *r, pid_t pid, int status);
/* 1: all are retired; 0: not yet; -errno: at least one failed, none is running any more */
int retire_result(const struct retire *r);
/* How many are not done yet, and, if there is one, the name of the first of them */
size_t retire_waiting(const struct retire *r, const char **name);
/* SIGKILL for those of the known clients that keep a database which is not done yet locked: in
 * another process, since reading about a process may block. 0 or -errno */
int retire_kill_holders(struct retire *r, const pid_t *known, size_t n);
/* Kills what is still running (its locks are recovered by the next one who wants them); takes r,
 * which may be NULL */
void retire_free(struct retire *r);

/* What each process does; for it and for tests. 0 or -errno */
int retire_file(const char *path);
/* Whether a process maps that file: 1, 0, or -errno */
int retire_is_mapped_by(const char *path, pid_t pid);
/* Whether a process holds a mutex in that file: 1, 0; -ENOTSUP when the file does not tell */
int retire_is_locked_by(const char *path, pid_t pid);

#endif
