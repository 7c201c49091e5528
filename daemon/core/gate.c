/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * gate.c: what has to be true before a generation is activated. The leader opens the gates in this
 * order; each says for whom it waits.
 *
 *   quorum    corosync's, reported for the same ring as the group
 *   topology  a joiner whose corosync and CIB disagree about it is kept out; nobody else is
 *   fencing   what was active and is gone can write no more (fencing.c)
 *   link      a joiner has a link to each active member (link.c), or is kept out
 *   lock      the leader holds the recovery lock, and every joiner's try was refused (lock.c)
 */
#include <stdarg.h>
#include <stdio.h>
#include "internal.h"

void gate_set(struct core *c, enum core_gate which, bool is_open, enum reason why,
	      const char *format, ...)
{
	struct gate *g = &c->gate[which];
	char text[sizeof(g->text)];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (g->is_open != is_open || g->reason != why || g->since_ms == 0)
		g->since_ms = core_now(c);
	else if (strcmp(g->text, text) == 0)
		return;
	if (!is_open)
		core_log(c, g->reason != why ? CORE_LOG_NOTICE : CORE_LOG_INFO,
			 "%s | %s waited_ms=%llu", reason_row(why)->text, text,
			 (unsigned long long)(core_now(c) - c->view.begin_ms));
	if (which == CORE_GATE_FENCING)
		progress_fencing(c, is_open);
	g->is_open = is_open;
	g->reason = is_open ? REASON_NONE : why;
	memcpy(g->text, text, sizeof(g->text));
	c->ops->status_changed(c->world);
}

/* ---- quorum ---- */

bool gate_quorum(struct core *c)
{
	const struct view *v = &c->view;
	bool is_same = v->ring.node == v->quorum_ring.node && v->ring.seq == v->quorum_ring.seq;

	if (core_has_bug(c, CORE_BUG_NO_QUORUM_GATE))
		return true;
	if (!is_same)
		gate_set(c, CORE_GATE_QUORUM, false, REASON_RING_CHANGING,
			 "group_ring=%u.%llu quorum_ring=%u.%llu", v->ring.node,
			 (unsigned long long)v->ring.seq, v->quorum_ring.node,
			 (unsigned long long)v->quorum_ring.seq);
	else if (!v->is_quorate)
		gate_set(c, CORE_GATE_QUORUM, false, REASON_NO_QUORUM, "members=%zu", v->n);
	else
		gate_set(c, CORE_GATE_QUORUM, true, REASON_NONE, "%s", "");
	return is_same && v->is_quorate;
}

/* I4: without quorum a node stops its clients until it knows more */
void gate_freeze(struct core *c)
{
	if (c->is_retired || !c->is_active)
		return;
	if (!c->view.is_quorate && !c->is_frozen && !core_has_bug(c, CORE_BUG_NO_QUORUM_GATE)) {
		c->is_frozen = true;
		core_log(c, CORE_LOG_WARNING,
			 "quorum is lost: clients are stopped until it is back | generation=%u",
			 c->generation);
		c->ops->freeze(c->world);
		c->ops->status_changed(c->world);
	} else if (c->view.is_quorate && c->is_frozen && c->view.fsm.state == CORE_VIEW_ACTIVE) {
		c->is_frozen = false;
		core_log(c, CORE_LOG_NOTICE, "quorum is back: clients go on | generation=%u",
			 c->generation);
		c->ops->unfreeze(c->world);
		c->ops->status_changed(c->world);
	}
}

void core_frozen(struct core *c)
{
	core_log(c, CORE_LOG_NOTICE, "all volatile databases are frozen | generation=%u",
		 c->generation);
}

/* ---- topology ---- */

void core_topology(struct core *c, enum reason verdict, const char *text)
{
	bool is_changed = c->topology != verdict;
	size_t len = strlen(text);

	if (len >= sizeof(c->topology_text))
		len = sizeof(c->topology_text) - 1;
	memcpy(c->topology_text, text, len);
	c->topology_text[len] = '\0';
	c->topology = verdict;
	gate_set(c, CORE_GATE_TOPOLOGY, verdict == REASON_NONE, verdict, "%s", c->topology_text);
	if (is_changed && !c->is_active && c->view.n > 0 && !c->is_retired)
		control_send_restart(c);
	core_run(c);
}

/* ---- for everybody ---- */

void gate_observe(struct core *c)
{
	uint32_t who = c->view.candidate;

	gate_quorum(c);
	fencing_check(c);
	gate_link_observe(c);
	if (c->config.has_lock && who != CORE_UNKNOWN_PNN)
		gate_set(c, CORE_GATE_LOCK, false, REASON_LOCK_PENDING, "leader=%s(%u)",
			 node_name(c, who), who);
	else if (c->config.has_lock) /* this node among them: its own reason may have a cure */
		gate_set(c, CORE_GATE_LOCK, false,
			 c->lock.failure != REASON_NONE ? c->lock.failure : REASON_LOCK_BUSY,
			 "every member has failed");
}

uint64_t gate_deadline(const struct core *c)
{
	uint64_t t = lock_deadline(c);

	return view_is_leading(c) && fencing_deadline(c) < t ? fencing_deadline(c) : t;
}
