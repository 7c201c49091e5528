/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * supervisor_roster.c: what other nodes run (daemon/core/roster.h), between corosync and the
 * engine. The nodes of the ring are read from cmap before the group is joined: one that is lost
 * meanwhile must not go unnoticed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/helper/supervisor.h"
#include "daemon/log.h"

#define MARK_DELAY_MS 200

static void op_multicast(void *world, const void *msg, size_t len)
{
	group_tell_roster(world, msg, len);
}

static void op_started(void *world, struct incarnation inc)
{
	log_info("another node runs an engine | nodeid=%u boot_id=%016llx", inc.pnn + 1,
		 (unsigned long long)inc.boot_id);
	engine_tell_started(world, inc);
}

static void op_over(void *world, struct incarnation inc)
{
	const struct resolved r = { .inc = inc };

	engine_tell_resolved(world, &r);
}

static void op_supervisor(void *world, uint32_t pnn, bool is_present, bool has_told)
{
	engine_tell_supervisor(world, pnn, is_present, has_told);
}

static const struct roster_ops supervisor_roster_ops = {
	.multicast = op_multicast,
	.started = op_started,
	.over = op_over,
	.supervisor = op_supervisor,
};

void supervisor_roster_begin(struct supervisor *s, cmap_handle_t map)
{
	uint32_t pnn[CORE_MAX_NODES];
	size_t n = 0;

	roster_init(&s->roster, s->pnn, engine_boot_id_make(), &supervisor_roster_ops, s);
	for (uint32_t i = 0; i < CORE_MAX_NODES; i++) {
		char key[64], *status;

		snprintf(key, sizeof(key), "runtime.members.%u.status", i + 1);
		if (cmap_get_string(map, key, &status) != CS_OK)
			continue;
		if (strcmp(status, "joined") == 0)
			pnn[n++] = i;
		free(status);
	}
	roster_ring(&s->roster, pnn, n);
}

void supervisor_roster_ring(struct supervisor *s, const uint32_t *nodeid, size_t n)
{
	uint32_t pnn[CORE_MAX_NODES];
	size_t count = 0;

	for (size_t i = 0; i < n && count < CORE_MAX_NODES; i++)
		if (nodeid[i] != 0 && nodeid[i] <= CORE_MAX_NODES)
			pnn[count++] = nodeid[i] - 1;
	roster_ring(&s->roster, pnn, count);
	supervisor_roster_tell_over(s);
}

void supervisor_roster_mark(struct supervisor *s)
{
	struct persist *p = &s->persisted;

	/* The plan of a new generation mostly follows at once, and is not to wait for the disk twice.
	 * A mark that is lost makes a later start wait for longer, and nothing worse. */
	if (roster_mark(&s->roster, p->active, p->is_over, p->n) && s->mark_due_ms == 0)
		s->mark_due_ms = supervisor_now_ms() + MARK_DELAY_MS;
}

void supervisor_roster_tell_over(struct supervisor *s)
{
	const struct persist *p = &s->persisted;

	for (size_t i = 0; i < p->n; i++) {
		const struct resolved r = { .inc = p->active[i], .is_left = true };

		if (p->is_over[i] && roster_is_in_sight(&s->roster, r.inc))
			engine_tell_resolved(s, &r);
	}
}
