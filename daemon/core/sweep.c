/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sweep.c: recovery. At each ACTIVATE every member reads its volatile databases, beside its work
 * and without stopping anybody, and reports every record to the key's lmaster: as owner, or as one
 * that has a copy. DONE follows on the same stream (never over CPG, which might overtake the
 * reports).
 *
 * The store reads each hash chain under its lock, but its report may be older than what happened
 * since: an owner's report with the rsn of before a hand-off loses against the giver's LOCATION,
 * which is higher. A record that arrived after the sweep passed its chain was reported by the
 * giver's LOCATION. A database attached since ACTIVATE holds nothing from before.
 */
#include <stdlib.h>
#include "internal.h"

#define REPORT_BYTES (32 * 1024)

/* An answer that a client waits for goes behind the reports on the same session. So no more of
 * them are on their way than a node works off in some milliseconds, and, as it acknowledges each
 * 256 KiB at once, no less than keeps it at work. */
#define REPORTS_AHEAD_BYTES (512 * 1024)

static void report_flush(struct core *c, struct node *n)
{
	struct packet p = { .type = PACKET_REPORT,
			    .db_id = n->report_db,
			    .n = n->report_n,
			    .data = slice_of(n->report, n->report_len) };

	if (n->report_n == 0)
		return;
	packet_send(c, n->pnn, &p);
	n->report_n = 0;
	n->report_len = 0;
}

static void sweep_finished(struct core *c)
{
	struct packet p = { .type = PACKET_DONE };

	c->is_swept = true;
	for (size_t i = 0; i < c->active_n; i++) {
		struct node *n = c->node[c->active[i].pnn];

		report_flush(c, n);
		free(n->report);
		n->report = NULL;
		packet_send(c, n->pnn, &p);
	}
}

void sweep_check(struct core *c)
{
	if (c->copies_n > 0)
		return;
	for (size_t i = 0; i < c->db_n; i++)
		if (!c->db[i]->is_swept)
			return;
	if (!c->is_swept)
		sweep_finished(c);
}

void sweep_activate(struct core *c)
{
	bool is_in_sweep = c->is_recovering; /* of the generation before: all of it begins anew */

	location_reset(c);
	if (!is_in_sweep || !core_has_bug(c, CORE_BUG_DONE_OUTLIVES)) {
		memset(c->done, 0, sizeof(c->done));
		c->done_n = 0;
	}
	c->is_swept = false;
	c->is_recovering = true;
	c->count.recoveries++;
	for (uint32_t i = 0; i < CORE_MAX_NODES; i++)
		if (c->node[i] != NULL)
			c->node[i]->report_n = 0, c->node[i]->report_len = 0;
	for (size_t i = 0; i < c->db_n; i++) {
		c->db[i]->is_swept = db_is_replicated(c->db[i]);
		if (!c->db[i]->is_swept &&
		    (!is_in_sweep || !core_has_bug(c, CORE_BUG_SWEEP_NOT_ANEW)))
			c->ops->sweep_start(c->world, c->db[i]->db_id, c->active_generation);
	}
	sweep_check(c);
}

bool core_sweep_is_ahead(const struct core *c)
{
	for (size_t i = 0; i < c->active_n; i++) {
		const struct node *n = c->node[c->active[i].pnn];

		/* who is out of reach does not keep the others from their reports */
		if (n->is_member && n->is_connected &&
		    n->session.end - n->session.acked > REPORTS_AHEAD_BYTES)
			return true;
	}
	return false;
}

int core_sweep_batch(struct core *c, uint32_t db_id, uint64_t cookie,
		     const struct core_sweep_entry *e, size_t n)
{
	if (c->is_retired || cookie != c->active_generation || c->is_swept ||
	    db_get(c, db_id) == NULL)
		return 0;
	c->count.records_swept += n;
	for (size_t i = 0; i < n; i++) {
		struct node *to = c->node[slot_lmaster(c, core_hash(db_id, e[i].key))];
		size_t need = e[i].key.len + 16;
		struct writer w;

		if (e[i].key.len > CORE_MAX_KEY)
			continue;
		if ((e[i].header.flags & RECORD_IS_COPY) != 0 && e[i].header.dmaster != c->self)
			readonly_swept(c, db_id, e[i].key);
		if (to->report_n > 0 &&
		    (to->report_db != db_id || to->report_len + need > REPORT_BYTES))
			report_flush(c, to);
		if (to->report == NULL)
			to->report = core_alloc(REPORT_BYTES + CORE_MAX_KEY);
		to->report_db = db_id;
		w = writer_of(to->report + to->report_len,
			      REPORT_BYTES + CORE_MAX_KEY - to->report_len);
		writer_u64(&w, e[i].header.rsn);
		writer_u8(&w, e[i].header.dmaster == c->self);
		writer_block(&w, e[i].key.p, e[i].key.len);
		to->report_len += w.len;
		to->report_n++;
	}
	core_run(c);
	return core_sweep_is_ahead(c);
}

void core_sweep_end(struct core *c, uint32_t db_id, uint64_t cookie)
{
	struct db *db = db_get(c, db_id);

	if (c->is_retired || cookie != c->active_generation || db == NULL)
		return;
	db->is_swept = true;
	sweep_check(c);
	core_run(c);
}

void sweep_report(struct core *c, uint32_t from, const struct packet *p)
{
	struct cursor s = cursor_of(p->data.p, p->data.len);
	struct report_entry e;

	for (uint32_t i = 0; i < p->n; i++) {
		if (packet_report_next(&s, &e) != 0) {
			core_log(c, CORE_LOG_ERROR, "a malformed sweep report is dropped | node=%u",
				 from);
			return;
		}
		if (e.is_owner)
			location_learn(c, p->db_id, e.key, from, e.rsn);
		else
			location_offer(c, p->db_id, e.key, from, e.rsn);
	}
}

void sweep_done(struct core *c, uint32_t from)
{
	if (c->done[from / 64] & 1ULL << from % 64)
		return;
	c->done[from / 64] |= 1ULL << from % 64;
	if (++c->done_n < c->active_n)
		return;
	c->is_recovering = false;
	c->count.last_recovery_end_ms = core_now(c);
	progress_swept(c);
	core_log(
	    c, CORE_LOG_NOTICE,
	    "every member has reported its records | generation=%u locations=%zu after_ms=%llu",
	    c->active_generation, c->locations.n,
	    (unsigned long long)(core_now(c) - c->count.last_recovery_start_ms));
	resolve_settle(c);
	wipe_swept(c);
	if (c->leader == c->self && core_has_bug(c, CORE_BUG_RECOVERS_AGAIN))
		control_send_restart(c);
	c->ops->status_changed(c->world);
}
