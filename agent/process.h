/* SPDX-License-Identifier: GPL-3.0-or-later */
/* process.h: finding the processes of a service that forks as it likes, and ending them */
#ifndef COTDB_AGENT_PROCESS_H
#define COTDB_AGENT_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A number may be given to another process once this one is gone; number and start together not */
struct process {
	pid_t pid, parent, session;
	uint64_t start; /* in the kernel's ticks since boot */
};
struct process_list {
	struct process *p;
	size_t n, size;
};
void process_list_free(struct process_list *l);

/* The living process of that number; whether there is one */
bool process_find(pid_t pid, struct process *p);
/* Whether it still lives */
bool process_lives(const struct process *p);
/* Whether "NAME=VALUE" was in its environment when its program was started. (Some programs write
 * their title over that.) */
bool process_has_variable(const struct process *p, const char *variable);
/* Sends a signal to this process and to no other; not if it is gone */
void process_signal(const struct process *p, int signal);

/* All processes below root in the tree of processes, root and what has ended already left out; none
 * if root is gone. A process that is forked meanwhile may be missing. 0 or -errno; *l is emptied
 * first */
int process_descendants(const struct process *root, struct process_list *l);
/* Sends a signal to those of this list that are proved to be below root still: who loses its parent
 * meanwhile is left to the next pass */
void process_signal_below(const struct process *root, const struct process_list *l, int signal);

/*
 * The processes that hold a POSIX lock on a file in that folder and run one of these programs
 * (their names without folder, NULL at the end; a '*' at the end of a name stands for anything).
 * Every process of a Samba installation holds the lock of its own file in msg.lock below "lock
 * directory" as long as it lives, whoever its parent is by now, so this is which ones belong to one
 * installation and to no other. A folder that is not there has none. 0 or -errno
 */
int process_lock_holders(const char *folder, const char *const *programs, struct process_list *l);

/* Milliseconds of CLOCK_MONOTONIC */
uint64_t process_now_ms(void);
/* A file descriptor to be polled for the end of something, -1 for none: until then or the time is
 * up; whether it ended */
bool process_wait(int pidfd, uint64_t deadline_ms);

#endif
