/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * client_waits.c: calls that wait. While the cluster changes, a call for a record that is not here
 * gets no error: it waits, and is answered when the node serves in full again. What it waits for
 * (a member's answer, quorum, a fencing, the recovery lock) has time-outs of its own, and cotdb
 * status names it; here it is said in the log, after 1, 2, 4 ... seconds.
 *
 * The last bound is the tunable RecoveryDropAllIPs (seconds, 120; 0: none), by which CTDB gives up
 * the addresses of a node that does not recover: a call that has waited for so long on a node that
 * is not active is answered with an error. Samba's process then fails what it was asked, instead of
 * being stuck with its client. On an active node a call waits as long as others have the record
 * locked, as with CTDB; so the time counts from when the node ceased to be active, or from the call
 * if that came later.
 */
#include "client_private.h"

#include <inttypes.h>
#include "control.h"
#include "daemon/log.h"
#include "lib/reason.h"

#define WAITS_LOG_MS 1000U

size_t client_waits_held(const struct clients *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->slots; i++) {
		const struct client *cl = s->slot[i];
		n += cl != NULL && cl->held.len > 0;
	}
	return n;
}

static void waits_log(struct clients *s, const struct core_status *status,
		      const struct core_waiting *w, uint64_t now_ms)
{
	uint64_t waited = now_ms - w->oldest_ms;

	if (waited < WAITS_LOG_MS || (s->waits_logged_ms != 0 && waited < 2 * s->waits_logged_ms))
		return;
	s->waits_logged_ms = waited;
	log_warning("calls of clients wait: %s%s%s | calls=%" PRIu64 " waited_ms=%" PRIu64,
		    reason_row(status->reason)->text, status->text[0] ? ": " : "", status->text,
		    w->n, waited);
}

void client_waits_status(struct clients *s, bool is_active, uint64_t now_ms)
{
	if (is_active)
		s->inactive_since_ms = 0;
	else if (s->inactive_since_ms == 0)
		s->inactive_since_ms = now_ms;
}

void client_waits_second(struct clients *s, uint64_t now_ms)
{
	uint64_t limit_ms = tunable_get(&s->tunables, TUNABLE_RecoveryDropAllIPs) * 1000ULL;
	struct core *core = s->engine->core;
	struct core_status status;
	struct core_waiting w;

	core_waiting(core, &w);
	if (w.n == 0) {
		s->waits_logged_ms = 0;
		return;
	}
	core_status(core, &status);
	if (status.is_active)
		return; /* somebody has the record locked */
	waits_log(s, &status, &w, now_ms);
	client_waits_status(s, false, now_ms);
	if (limit_ms == 0 || w.oldest_ms + limit_ms > now_ms ||
	    s->inactive_since_ms + limit_ms > now_ms)
		return;
	log_error("calls of clients are given up: the node was not able to serve them for the time "
		  "of RecoveryDropAllIPs | calls=%" PRIu64,
		  w.n);
	core_waiting_fail(core, now_ms - limit_ms,
			  "this node cannot serve now: it waits for the cluster for too long");
}
