/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * progress.c: where a recovery is, for people. It begins with the first change of the group after
 * the last one was over; a new view in the middle of it does not begin another one. It decides
 * nothing.
 */
#include "internal.h"

void progress_gather(struct core *c)
{
	struct core_recovery *r = &c->count.recovery;

	if (c->view.n == 0)
		return;
	if (r->begin_ms != 0 && r->swept_ms == 0)
		*r = (struct core_recovery){ .begin_ms = r->begin_ms,
					     .unfenced_ms = r->unfenced_ms,
					     .restarts = r->restarts + 1 };
	else
		*r = (struct core_recovery){ .begin_ms = core_now(c) };
}

void progress_gated(struct core *c)
{
	c->count.recovery.told_ms = core_now(c);
}

void progress_fencing(struct core *c, bool is_open)
{
	struct core_recovery *r = &c->count.recovery;

	if (r->begin_ms == 0 || r->active_ms != 0)
		return;
	if (!is_open && r->unfenced_ms == 0)
		r->unfenced_ms = core_now(c);
	r->fenced_ms = is_open && r->unfenced_ms != 0 ? core_now(c) : 0;
}

void progress_active(struct core *c)
{
	c->count.recovery.active_ms = core_now(c);
	c->count.recovery.generation = c->active_generation;
	c->count.records_swept = 0;
}

void progress_swept(struct core *c)
{
	c->count.recovery.swept_ms = core_now(c);
}

static enum core_phase progress_phase(const struct core *c, uint32_t fetching)
{
	const struct member *self = view_member(c, c->self);

	switch (c->view.fsm.state) {
	case CORE_VIEW_OUT:
		return CORE_PHASE_OUT;
	case CORE_VIEW_GATHER:
		return CORE_PHASE_GATHER;
	case CORE_VIEW_GATED:
		return c->view.plan_generation != 0 && self != NULL && self->is_planned
			   ? CORE_PHASE_ACTIVATION
			   : CORE_PHASE_GATES;
	default:
		return c->is_recovering		  ? CORE_PHASE_SWEEP
		       : c->locations.orphans > 0 ? CORE_PHASE_ADOPTION
		       : fetching > 0		  ? CORE_PHASE_CONTENT
						  : CORE_PHASE_OVER;
	}
}

void progress_status(const struct core *c, struct core_status *s)
{
	s->resolutions_now = c->resolutions_n;
	s->sweep_dbs = s->sweep_dbs_done = s->fetching = s->writing = 0;
	for (size_t i = 0; i < c->db_n; i++) {
		const struct db *db = c->db[i];

		if (!db_is_replicated(db)) {
			s->sweep_dbs++;
			s->sweep_dbs_done += db->is_swept;
			continue;
		}
		s->fetching += db->replica.is_behind && !db->replica.is_lost;
		s->writing += db->replica.is_writing;
	}
	s->phase = progress_phase(c, s->fetching);
}

enum core_owes progress_owes(const struct core *c, const struct node *n)
{
	const struct member *m = view_member(c, n->pnn);

	if (m == NULL)
		return CORE_OWES_NOTHING;
	if (c->view.fsm.state == CORE_VIEW_GATHER)
		return m->has_state ? CORE_OWES_NOTHING : CORE_OWES_STATE;
	if (c->view.fsm.state == CORE_VIEW_GATED)
		return c->view.plan_generation != 0 && m->is_planned && !m->has_accepted
			   ? CORE_OWES_ACCEPT
			   : CORE_OWES_NOTHING;
	return c->is_recovering && n->is_active && (c->done[n->pnn / 64] & 1ULL << n->pnn % 64) == 0
		   ? CORE_OWES_REPORT
		   : CORE_OWES_NOTHING;
}
