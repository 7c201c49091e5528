/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fact.c: what became of incarnations (invariant I5). A departed incarnation's records may be taken
 * over only when it has left or was revoked by its supervisor (its files are retired), or was
 * fenced by an operation that began after it was admitted. Facts are shared over CPG and in STATE;
 * the newest FACT_COUNT are kept, and one that is forgotten makes us wait, never go on.
 */
#include <stdlib.h>
#include "internal.h"

static const char *fact_text(enum fact_kind kind)
{
	static const char *const text[] = { "left", "revoked", "fenced" };

	return text[kind];
}

bool fact_known(const struct core *c, struct incarnation inc)
{
	for (size_t i = 0; i < c->fact_n; i++) {
		if (incarnation_equal(c->fact[i].inc, inc))
			return true;
		if (core_has_bug(c, CORE_BUG_OLD_FENCE) && c->fact[i].kind == FACT_FENCED &&
		    c->fact[i].inc.pnn == inc.pnn)
			return true;
	}
	return false;
}

void fact_add(struct core *c, struct incarnation inc, enum fact_kind kind)
{
	if (inc.pnn >= CORE_MAX_NODES || incarnation_equal(inc, c->config.self))
		return;
	for (size_t i = 0; i < c->fact_n; i++)
		if (incarnation_equal(c->fact[i].inc, inc))
			return;
	if (c->fact_n == FACT_COUNT)
		memmove(c->fact, c->fact + 1, --c->fact_n * sizeof(c->fact[0]));
	c->fact[c->fact_n++] = (struct fact){ .inc = inc, .kind = kind };
	core_log(c, CORE_LOG_NOTICE,
		 "an incarnation is known to have ended | node=%s(%u) boot=%016llx how=%s",
		 c->node[inc.pnn] ? c->node[inc.pnn]->name : "?", inc.pnn,
		 (unsigned long long)inc.boot_id, fact_text(kind));
	view_lead(c);
}

/* What all supervisors hear, all know. But one that starts may find a mark on its disk that others do not
 * have, and its engine may have told its STATE before it hears of that. */
static void fact_share(struct core *c, struct incarnation inc, enum fact_kind kind)
{
	if (c->view.n > 0 && c->view.fsm.state != CORE_VIEW_ACTIVE && c->active_generation == 0 &&
	    inc.pnn < CORE_MAX_NODES && !fact_known(c, inc))
		control_send_fact(c, inc, kind);
}

void core_left(struct core *c, struct incarnation inc)
{
	fact_share(c, inc, FACT_LEFT);
	fact_add(c, inc, FACT_LEFT);
	core_run(c);
}

void core_revoked(struct core *c, struct incarnation inc)
{
	fact_add(c, inc, FACT_REVOKED);
	core_run(c);
}

void core_fenced(struct core *c, struct incarnation inc)
{
	if (c->is_retired || inc.pnn >= CORE_MAX_NODES || fact_known(c, inc))
		return;
	control_send_fact(c, inc, FACT_FENCED);
	fact_add(c, inc, FACT_FENCED);
	core_run(c);
}

void core_fence_failed(struct core *c, struct incarnation inc, const char *text)
{
	core_log(c, CORE_LOG_ERROR, "fencing failed | node=%s(%u) error=%s",
		 inc.pnn < CORE_MAX_NODES && c->node[inc.pnn] ? c->node[inc.pnn]->name : "?",
		 inc.pnn, text);
	for (size_t i = 0; i < c->departed_n; i++) {
		struct departed *d = &c->departed[i];
		size_t len = strlen(text);

		if (!incarnation_equal(d->inc, inc))
			continue;
		if (len >= sizeof(d->result))
			len = sizeof(d->result) - 1;
		memcpy(d->result, text, len);
		d->result[len] = '\0';
		d->asked_ms = 0;
	}
	view_lead(c);
	core_run(c);
}

void core_supervisor(struct core *c, uint32_t pnn, bool is_present, bool has_told)
{
	struct node *n = node_get(c, pnn);

	if (n == NULL || c->is_retired)
		return;
	n->has_supervisor = is_present;
	n->is_untold = is_present && !has_told;
	view_lead(c);
	core_run(c);
}
