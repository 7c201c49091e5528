/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * supervisor_ask.h: a client of the supervisor's control socket (ipc.h), and the command
 * `cotdb supervisor` that the OCF agent is built on: exit codes are OCF's, the reason is one
 * sentence on standard output.
 */
#ifndef COTDB_SUPERVISOR_ASK_H
#define COTDB_SUPERVISOR_ASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SUPERVISOR_RUN_DIR     "/run/cotdb" /* default of the option run_dir */
#define SUPERVISOR_ANSWER_SIZE 65536

enum supervisor_exit {
	SUPERVISOR_OK = 0,
	SUPERVISOR_ERR_GENERIC = 1,
	SUPERVISOR_ERR_ARGS = 2,
	SUPERVISOR_NOT_RUNNING = 7, /* the run-file lock is free */
	SUPERVISOR_DEGRADED = 190,
};

/* Sends request ("status", "wait MS", "stop") to the supervisor of run_dir and waits at most
 * timeout_ms for the JSON answer, which is put into answer with a NUL. 0; -ENOENT, -ECONNREFUSED:
 * nobody listens; -ETIMEDOUT; -ECONNRESET: it ended without an answer; -EMSGSIZE; -errno */
int supervisor_ask(const char *run_dir, const char *request, int timeout_ms, char *answer, size_t size);
/* Whether a supervisor holds the lock of run_dir's run file: 1, 0, or -errno */
int supervisor_is_locked(const char *run_dir);

/* `cotdb supervisor [--run-dir=DIR] [--timeout=MS] [--output-as=json] status|wait|stop`; argv[0] is
 * "supervisor". An OCF exit code. */
int supervisor_ask_main(int argc, char **argv);

#endif
