/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * lock.c: the recovery lock: one byte of one file that all nodes share, unless a node has a local
 * file there, which it gets whatever the others hold. The helper answers one request after the
 * other, or not at all while the file system hangs. When a node is lost the file system gives its
 * lock to whoever asks next, and the node that had it does not hear of that (as on GFS2).
 */
#include "sim.h"

enum { HUNG_POLL_US = 20000, ANSWER_US = 2000 };

static void vlock_on_answer(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	struct core_lock_id id = { .dev = 1, .ino = 2, .size = 0 };
	enum core_lock_result result = CORE_LOCK_REFUSED;
	enum vlock_request what;
	bool is_mine;

	(void)data;
	(void)number;
	if (!e->is_running || e->is_quitting || e->lock_requests == 0)
		return;
	if (!vengine_can_run(e) || e->node->is_lock_hung ||
	    (s->is_lock_hung_without_quorum && !e->node->corosync.is_quorate &&
	     !e->node->is_local_lock)) {
		event_after(s, HUNG_POLL_US, vlock_on_answer, e, NULL, 0);
		return;
	}
	what = e->lock_request[0];
	e->lock_requests--;
	for (uint32_t i = 0; i < e->lock_requests; i++)
		e->lock_request[i] = e->lock_request[i + 1];
	if (e->node->corosync.is_quorate)
		e->has_stale_lock = false;
	if (e->node->is_local_lock) {
		id.dev = 100 + e->node->pnn;
		result = CORE_LOCK_HELD;
	} else if (what == VLOCK_CHECK) {
		result =
		    s->lock_owner == e || e->has_stale_lock ? CORE_LOCK_HELD : CORE_LOCK_REFUSED;
	} else if (what != VLOCK_RELEASE) {
		is_mine = s->lock_owner == NULL ? !s->is_lock_alien : s->lock_owner == e;
		result = is_mine ? CORE_LOCK_HELD : CORE_LOCK_REFUSED;
		if (what == VLOCK_TRY && is_mine)
			s->lock_owner = e;
	} else if (s->lock_owner == e) {
		s->lock_owner = NULL;
	}
	if (e->lock_requests > 0)
		event_after(s, sim_delay(s, ANSWER_US), vlock_on_answer, e, NULL, 0);
	if (what == VLOCK_RELEASE)
		return;
	sim_trace(s, "node %u: lock request %d: result %d", e->node->pnn, (int)what, (int)result);
	core_lock_result(e->core, result, id,
			 result == CORE_LOCK_HELD ? "" : "another process holds it");
	vengine_after(e);
}

void vlock_ask(struct vengine *e, enum vlock_request what)
{
	struct sim *s = e->sim;

	if (e->lock_requests == sizeof(e->lock_request) / sizeof(e->lock_request[0])) {
		if (!e->node->is_lock_hung && !s->is_lock_hung_without_quorum)
			sim_fail(s, "lock", "node %u asks without end for the recovery lock",
				 e->node->pnn);
		return;
	}
	e->lock_request[e->lock_requests++] = what;
	if (e->lock_requests == 1)
		event_after(s, sim_delay(s, ANSWER_US), vlock_on_answer, e, NULL, 0);
}

void vlock_engine_gone(struct sim *s, struct vengine *e)
{
	e->lock_requests = 0;
	e->has_stale_lock = false;
	if (s->lock_owner == e)
		s->lock_owner = NULL;
}

static void vlock_on_lost(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;

	(void)data;
	(void)number;
	if (!vengine_can_run(e))
		return;
	sim_trace(s, "node %u: recovery lock is lost", e->node->pnn);
	core_lock_lost(e->core, "the file system took it back");
	vengine_after(e);
}

/* Its holder loses it, and is told */
void vlock_lose(struct sim *s)
{
	struct vengine *e = s->lock_owner;

	if (e == NULL)
		return;
	s->lock_owner = NULL;
	event_after(s, sim_delay(s, ANSWER_US), vlock_on_lost, e, NULL, 0);
}

void vlock_move(struct sim *s)
{
	struct vengine *e = s->lock_owner;

	if (e == NULL || e->node->corosync.is_quorate || !sim_chance(s, 80))
		return;
	e->has_stale_lock = true;
	s->lock_owner = NULL;
}
