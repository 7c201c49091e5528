/* SPDX-License-Identifier: GPL-3.0-or-later */
/* child.h: processes that end with the one that started them */
#ifndef COTDB_CHILD_H
#define COTDB_CHILD_H

#include <sys/types.h>

/* fork(). The child gets SIGKILL when this process ends, default signal handlers and an empty
 * signal mask. The pid, 0 in the child, -errno */
pid_t child_fork(void);
/* Starts a program in a process group of its own with fd as its IPC_FD, and no other descriptor
 * but 0, 1 and 2. argv ends with NULL. oom_score_adj: -1000 to 1000. The pid or -errno; a program
 * that cannot be started is a child that exits with 127. */
pid_t child_exec(const char *path, char *const *argv, int fd, int oom_score_adj);

#endif
