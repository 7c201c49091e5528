/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * keeper_engine.c: the daemon's engine, as the keeper sees it.
 *
 * smbd ends by itself when the engine does, and the supervisor starts the next one within a moment.
 * So that end is no failure of smbd, and Pacemaker need not know of it, as it need not know of the
 * engine's: smbd is started again as soon as the next engine is active (keeper_run.c).
 */
#include "config.h"
#include "keeper.h"

#include <errno.h>
#include <poll.h>
#include <sys/pidfd.h>
#include <unistd.h>
#include "tools/supervisor_ask.h"

#define ASK_MS 200U
#define END_MS 500 /* an engine that ends by itself closes its clients' connections first */

int keeper_engine_open(const char *run_dir, struct keeper_engine *e)
{
	struct supervisor_answer a;
	int error = supervisor_ask(run_dir, "status", ASK_MS, &a);

	keeper_engine_close(e);
	if (error != 0)
		return error;
	if (a.engine_pid <= 0)
		return -ESRCH;
	e->pidfd = pidfd_open(a.engine_pid, 0);
	if (e->pidfd < 0)
		return -errno;
	e->pid = a.engine_pid;
	return 0;
}

void keeper_engine_close(struct keeper_engine *e)
{
	if (e->pidfd >= 0)
		(void)close(e->pidfd);
	*e = (struct keeper_engine){ .pidfd = -1 };
}

bool keeper_engine_has_ended(const struct keeper_engine *e)
{
	struct pollfd p = { .fd = e->pidfd, .events = POLLIN };

	return e->pidfd >= 0 && poll(&p, 1, END_MS) == 1;
}

enum keeper_engine_next keeper_engine_next(const char *run_dir, const struct keeper_engine *old)
{
	struct supervisor_answer a;
	int error = supervisor_ask(run_dir, "status", ASK_MS, &a);

	if (error == -ETIMEDOUT)
		return KEEPER_ENGINE_COMES;
	if (error != 0)
		return KEEPER_ENGINE_NONE;
	switch (a.state) {
	case SUPERVISOR_ACTIVE: /* it may not know yet that the old one has ended */
		return a.engine_pid != old->pid ? KEEPER_ENGINE_ACTIVE : KEEPER_ENGINE_COMES;
	case SUPERVISOR_STARTING:
	case SUPERVISOR_DEGRADED:
		return KEEPER_ENGINE_COMES;
	case SUPERVISOR_STOPPING:
	case SUPERVISOR_FAILED:
		break;
	}
	return KEEPER_ENGINE_NONE;
}
