/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pacemaker_attribute.c: transient node attributes, so that crm_mon -A shows what this node does
 * and rules can refer to it. Pacemaker has no public interface for them but the program
 * attrd_updater: one runs at a time, bounded in time, and only what has changed is set. To start
 * one takes a processor as long as a whole recovery, so what has changed is left to settle first.
 */
#include "config.h"
#include "pacemaker.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include "daemon/log.h"

#define RUN_LIMIT_MS 10000U
#define RETRY_MS     10000U
#define SETTLE_MS    1000U

static const char *const names[ATTRIBUTES] = { "cotdb-state", "cotdb-generation", "cotdb-leader" };

static void run_next(struct pacemaker *p);

static gboolean take_too_long(gpointer arg)
{
	struct attributes *a = arg;

	a->timer = 0;
	if (a->pid != 0)
		(void)kill(a->pid, SIGKILL); /* the end is noticed by run_ended() */
	return G_SOURCE_REMOVE;
}

static gboolean try_again(gpointer arg)
{
	struct pacemaker *p = arg;

	p->attributes.timer = 0;
	run_next(p);
	return G_SOURCE_REMOVE;
}

static void timer_set(struct attributes *a, guint timeout_ms, GSourceFunc function, gpointer arg)
{
	if (a->timer != 0)
		(void)g_source_remove(a->timer);
	a->timer = function != NULL ? g_timeout_add(timeout_ms, function, arg) : 0;
}

static void run_ended(GPid pid, gint status, gpointer arg)
{
	struct pacemaker *p = arg;
	struct attributes *a = &p->attributes;

	g_spawn_close_pid(pid);
	a->pid = 0;
	if (status == 0) {
		timer_set(a, 0, NULL, NULL);
		run_next(p);
		return;
	}
	log_info("a node attribute could not be set | name=%s status=%d", names[a->current],
		 status);
	a->is_set[a->current] = false;
	timer_set(a, RETRY_MS, try_again, p);
}

static void end_with_parent(gpointer arg)
{
	(void)arg;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void run_next(struct pacemaker *p)
{
	struct attributes *a = &p->attributes;
	GError *error = NULL;
	unsigned int i;

	if (a->pid != 0 || !p->is_up)
		return;
	for (i = 0; i < ATTRIBUTES; i++) {
		if (a->is_wanted[i] && (!a->is_set[i] || strcmp(a->set[i], a->wanted[i]) != 0))
			break;
	}
	if (i == ATTRIBUTES)
		return;
	/* Remembered as it is handed over: what is wanted may change meanwhile */
	(void)g_strlcpy(a->set[i], a->wanted[i], sizeof(a->set[i]));
	a->is_set[i] = true;
	a->current = i;
	{
		char program[] = "attrd_updater", n[] = "--name", u[] = "--update";
		char *argv[] = { program, n, (char *)(uintptr_t)names[i], u, a->set[i], NULL };

		if (!g_spawn_async(NULL, argv, NULL,
				   G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD |
				       G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL,
				   end_with_parent, NULL, &a->pid, &error)) {
			log_info("attrd_updater cannot be run: %s", error->message);
			g_error_free(error);
			a->pid = 0;
			a->is_set[i] = false;
			timer_set(a, RETRY_MS, try_again, p);
			return;
		}
	}
	(void)g_child_watch_add(a->pid, run_ended, p);
	timer_set(a, RUN_LIMIT_MS, take_too_long, a);
}

void attributes_want(struct pacemaker *p, const char *state, uint32_t generation,
		     const char *leader)
{
	struct attributes *a = &p->attributes;

	(void)g_strlcpy(a->wanted[ATTRIBUTE_STATE], state, CIB_NAME_SIZE);
	(void)g_snprintf(a->wanted[ATTRIBUTE_GENERATION], CIB_NAME_SIZE, "%u", generation);
	(void)g_strlcpy(a->wanted[ATTRIBUTE_LEADER], leader, CIB_NAME_SIZE);
	for (unsigned int i = 0; i < ATTRIBUTES; i++)
		a->is_wanted[i] = true;
	if (a->pid == 0 && a->timer == 0)
		timer_set(a, SETTLE_MS, try_again, p);
}

void attributes_connected(struct pacemaker *p)
{
	memset(p->attributes.is_set, 0, sizeof(p->attributes.is_set));
	run_next(p);
}
