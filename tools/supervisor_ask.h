/* SPDX-License-Identifier: GPL-3.0-or-later */
/* supervisor_ask.h: a client of the supervisor's control socket (ipc.h), and of its run file's lock
 */
#ifndef COTDB_SUPERVISOR_ASK_H
#define COTDB_SUPERVISOR_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "daemon/helper/ipc.h"
#include "lib/reason.h"

#define SUPERVISOR_ANSWER_SIZE 65536

/* The answer, read */
struct supervisor_answer {
	enum {
		SUPERVISOR_ACTIVE,
		SUPERVISOR_STARTING,
		SUPERVISOR_DEGRADED,
		SUPERVISOR_STOPPING,
		SUPERVISOR_FAILED
	} state;
	enum reason reason;
	bool is_final;
	int ocf;
	pid_t pid, engine_pid;
	char text[512];
};

/* Sends request ("status", "wait MS", "stop") to the supervisor of run_dir and waits at most
 * timeout_ms for the JSON text, which is put into text with a NUL. 0; -ENOENT, -ECONNREFUSED:
 * nobody listens; -ETIMEDOUT; -ECONNRESET: it ended without an answer; -EMSGSIZE; -errno */
int supervisor_ask_text(const char *run_dir, const char *request, unsigned int timeout_ms,
			char *text, size_t size);
/* The same, read; -EBADMSG: no valid answer */
int supervisor_ask(const char *run_dir, const char *request, unsigned int timeout_ms,
		   struct supervisor_answer *a);
/* Reads such a text; 0 or -EBADMSG */
int supervisor_answer_parse(const char *text, struct supervisor_answer *a);
/* Whether a supervisor holds the lock of run_dir's run file: 1, 0, or -errno */
int supervisor_is_locked(const char *run_dir);

#endif
