/* SPDX-License-Identifier: GPL-3.0-or-later */
/* status_recovery.c: where a recovery is, or how long the last one took (its members: status.c) */
#include "status_json.h"

#include "cluster.h"
#include "store.h"

static void add_time(json *to, const char *name, uint64_t from_ms, uint64_t to_ms)
{
	json_object_object_add(to, name,
			       to_ms != 0 ? json_object_new_uint64(since(to_ms, from_ms)) : NULL);
}

static json *recovery_times_json(const struct core_recovery *r)
{
	json *to = json_object_new_object();
	/* Nobody may have been waited for */
	uint64_t fenced_ms = r->unfenced_ms == 0 ? r->told_ms : r->fenced_ms;

	add_time(to, "gather_ms", r->begin_ms, r->told_ms);
	add_time(to, "fencing_ms", r->told_ms, fenced_ms);
	add_time(to, "activation_ms", fenced_ms > r->told_ms ? fenced_ms : r->told_ms,
		 r->active_ms);
	add_time(to, "sweep_ms", r->active_ms, r->swept_ms);
	add_time(to, "total_ms", r->begin_ms, r->swept_ms);
	return to;
}

static json *named_json(struct engine *e, const struct core_node_status *n)
{
	const struct cluster_node *known = cluster_node_by_pnn(e, n->pnn);
	json *to = json_object_new_object();

	add_number(to, "pnn", n->pnn);
	add_text(to, "name", n->name[0] || known == NULL ? n->name : known->name);
	return to;
}

static void add_members(json *to, struct engine *e, const struct core_status *c)
{
	static const char *const owes[] = {
		[CORE_OWES_STATE] = "state",
		[CORE_OWES_ACCEPT] = "acceptance",
		[CORE_OWES_REPORT] = "report",
	};
	json *awaited = json_object_new_array(), *reported = json_object_new_array();
	struct core_node_status n;

	for (size_t i = 0; core_node_status(e->core, i, &n) == 0; i++) {
		if (n.owes != CORE_OWES_NOTHING) {
			json *one = named_json(e, &n);

			add_text(one, "what", owes[n.owes]);
			json_object_array_add(awaited, one);
		} else if (c->phase >= CORE_PHASE_SWEEP && n.state == CORE_NODE_ACTIVE) {
			json_object_array_add(reported, named_json(e, &n));
		}
	}
	json_object_object_add(to, "waits_for", awaited);
	json_object_object_add(to, "reported", reported);
}

json *status_recovery_json(struct engine *e, const struct core_status *c, uint64_t now_ms)
{
	static const char *const phase[CORE_PHASE_COUNT] = {
		[CORE_PHASE_OUT] = "out",	  [CORE_PHASE_GATHER] = "gather",
		[CORE_PHASE_GATES] = "gates",	  [CORE_PHASE_ACTIVATION] = "activation",
		[CORE_PHASE_SWEEP] = "sweep",	  [CORE_PHASE_ADOPTION] = "adoption",
		[CORE_PHASE_CONTENT] = "content", [CORE_PHASE_OVER] = "over",
	};
	const struct core_recovery *r = &c->recovery;
	json *to = json_object_new_object();
	bool is_over = c->phase == CORE_PHASE_OVER;
	struct store_progress p;

	store_sweep_progress(e, &p);
	add_text(to, "phase", phase[c->phase]);
	add_bool(to, "is_over", is_over);
	add_number(to, "generation", r->generation);
	add_number(to, "since_ms", since(now_ms, is_over ? r->swept_ms : r->begin_ms));
	add_number(to, "restarts", r->restarts);
	json_object_object_add(to, "times", recovery_times_json(r));
	add_members(to, e, c);
	add_number(to, "databases", c->sweep_dbs);
	add_number(to, "databases_done", c->sweep_dbs_done);
	add_number(to, "chains", p.chains);
	add_number(to, "chains_done", p.chains_done);
	add_number(to, "records", c->records_swept);
	add_number(to, "orphans", c->orphans);
	add_number(to, "resolutions", c->resolutions_now);
	add_number(to, "fetching", c->fetching);
	add_number(to, "writing", c->writing);
	add_number(to, "sending", store_transfers(e));
	return to;
}
