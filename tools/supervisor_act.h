/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * supervisor_act.h: `cotdb supervisor VERB`, which the OCF agent is built on: every verb ends
 * within its time-out, its exit code is OCF's, and what it prints is one sentence, or with is_json
 * one JSON object: the supervisor's answer to status as it is, else the sentence with its code.
 */
#ifndef COTDB_SUPERVISOR_ACT_H
#define COTDB_SUPERVISOR_ACT_H

#include <stdbool.h>
#include <stdio.h>

#define OCF_SUCCESS	   0
#define OCF_ERR_GENERIC	   1
#define OCF_ERR_ARGS	   2
#define OCF_ERR_INSTALLED  5
#define OCF_ERR_CONFIGURED 6
#define OCF_NOT_RUNNING	   7
#define OCF_DEGRADED	   190

struct supervisor_act {
	const char *run_dir;
	const char *program; /* cotdbd, for start */
	unsigned int timeout_ms;
	bool is_json;
	char **options; /* start, validate: the daemon's command line, NULL at the end */
	FILE *out;
};

/*
 * status    how it is now: active 0, degraded or still starting 190, not running 7 (only when the
 *           run file's lock is free), else 1
 * start     starts the daemon unless it runs, then as wait
 * wait      until active (0); ends at once with the OCF code of a reason that no waiting can cure,
 *           and soon when it waits for what only Pacemaker or an admin can do
 * stop      asks for a stop and waits until the processes are gone and the lock is free; not
 *           running is success
 * validate  checks the options: 0 or 6
 * Another verb: 2.
 */
int supervisor_act(const struct supervisor_act *act, const char *verb);

#endif
