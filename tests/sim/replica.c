/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * replica.c: a persistent database: one file on each node, and the workers that write to it. A file
 * changes at one moment, in the middle of a write, and survives everything; a write that has not
 * come to that moment when its engine or its node ends is lost. The engine hears of it later, or
 * never.
 */
#include <stdlib.h>
#include <string.h>
#include "lib/payload.h"
#include "sim.h"

struct vwrite {
	uint64_t ticket; /* or cookie */
	uint32_t generation, tag, commit, n;
	bool is_stamp, is_transfer, is_whole;
	int rc;
};

bool vreplica_info(const struct vengine *e, struct core_db_info *info)
{
	for (size_t i = 0; core_db_info(e->core, i, info) == 0; i++)
		if (strcmp(info->name, SIM_PERSISTENT) == 0)
			return true;
	return false;
}

void vreplica_db_content(void *world, uint32_t db_id, struct core_content *content)
{
	const struct vpfile *f = &((struct vengine *)world)->node->pfile;

	(void)db_id;
	*content = (struct core_content){ f->generation, f->tag, f->n, false };
}

/* The records of a client in commit.c: the commit's number, and the sequence number */
static void vwrite_read(struct vwrite *w, struct slice records)
{
	struct cursor c = cursor_of(records.p, records.len);
	struct ctdb_rec_buffer b;
	struct ctdb_rec_data r[2];

	if (records.len == 0) {
		w->is_stamp = true;
		return;
	}
	if (ctdb_rec_buffer_decode(&c, &b) != 0 || b.count == 0 || b.count > 2)
		abort();
	for (uint32_t i = 0; i < b.count; i++)
		if (ctdb_rec_data_decode(&c, &r[i]) != 0)
			abort();
	if (b.count == 2) /* else the number is raised, no more */
		memcpy(&w->commit, r[0].data.p + RECORD_HEADER_SIZE, sizeof(w->commit));
	memcpy(&w->n, r[b.count - 1].data.p + RECORD_HEADER_SIZE, sizeof(w->n));
}

static void vwrite_later(struct sim *s, struct vengine *e, const struct vwrite *w,
			 uint64_t delay_us, event_fn fn)
{
	struct vwrite *copy = malloc(sizeof(*copy));

	if (copy == NULL)
		abort();
	*copy = *w;
	event_after_named(s, delay_us, "write", fn, e, copy, w->ticket);
}

static uint64_t vwrite_us(struct vengine *e)
{
	return sim_delay(e->sim, e->node->is_slow ? 30000 : 2000);
}

/* ---- what may be stored --------------------------------------------------------------------- */

static void vreplica_on_checked(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;

	(void)number;
	if (!e->is_running || e->is_quitting)
		return;
	if (!vengine_can_run(e)) {
		vwrite_later(s, e, data, 5000, vreplica_on_checked);
		return;
	}
	core_commit_checked(e->core, e->replica.db_id, ((struct vwrite *)data)->ticket,
			    ((struct vwrite *)data)->rc);
	vengine_after(e);
}

void vreplica_check(void *world, uint32_t db_id, uint64_t ticket, struct slice records)
{
	struct vengine *e = world;
	struct vwrite w = { .ticket = ticket };

	(void)db_id;
	vwrite_read(&w, records);
	if (!e->sim->is_healing && sim_chance(e->sim, 3))
		w.rc = -17; /* one member has something against it */
	vwrite_later(e->sim, e, &w, vwrite_us(e), vreplica_on_checked);
}

/* ---- writing -------------------------------------------------------------------------------- */

static void vreplica_on_written(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	const struct vwrite *w = data;

	(void)number;
	if (!e->is_running || e->is_quitting)
		return;
	if (!vengine_can_run(e))
		vwrite_later(s, e, w, 5000, vreplica_on_written);
	else if (w->is_transfer)
		core_transfer_written(e->core, e->replica.db_id, w->ticket, 0);
	else
		core_commit_applied(e->core, e->replica.db_id, w->ticket, 0);
	if (vengine_can_run(e))
		vengine_after(e);
}

static void vreplica_on_apply(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	struct vpfile *f = &e->node->pfile;
	const struct vwrite *w = data;

	(void)number;
	if (!e->is_running)
		return; /* its workers ended with it */
	if (e->node->is_paused) {
		vwrite_later(s, e, w, 5000, vreplica_on_apply);
		return;
	}
	if (!w->is_stamp) {
		if (w->n != f->n + 1 + w->is_whole)
			sim_fail(s, "I6 (order)", "node %u applies commit %u as %u after %u",
				 e->node->pnn, w->commit, w->n, f->n);
		f->commit[(f->n + 1) % SIM_COMMITS] = 0; /* skipped by one of the whole */
		f->n = w->n;
		f->commit[f->n % SIM_COMMITS] = w->commit;
	}
	if (w->generation < f->generation)
		sim_fail(s, "I6 (order)", "node %u goes from generation %u to %u in its file",
			 e->node->pnn, f->generation, w->generation);
	f->generation = w->generation;
	f->tag = w->tag;
	sim_trace(s, "node %u: commit %u is in the file: %u.%u", e->node->pnn, w->commit,
		  f->generation, f->n);
	vwrite_later(s, e, w, sim_delay(s, s->store_us), vreplica_on_written);
}

void vreplica_apply(void *world, uint32_t db_id, uint64_t ticket,
		    const struct core_content *becomes, struct slice records, bool is_whole)
{
	struct vengine *e = world;
	struct vwrite w = { .ticket = ticket,
			    .generation = becomes->generation,
			    .tag = becomes->tag,
			    .is_whole = is_whole };

	(void)db_id;
	vwrite_read(&w, records);
	vwrite_later(e->sim, e, &w, vwrite_us(e), vreplica_on_apply);
}

/* ---- the whole file ------------------------------------------------------------------------- */

struct vtransfer {
	uint64_t cookie;
	uint32_t to;
	size_t at; /* sent so far */
	struct vpfile file;
};

static void vtransfer_later(struct sim *s, struct vengine *e, const struct vtransfer *t,
			    uint64_t delay_us, event_fn fn)
{
	struct vtransfer *copy = malloc(sizeof(*copy));

	if (copy == NULL)
		abort();
	*copy = *t;
	event_after_named(s, delay_us, "transfer", fn, e, copy, t->cookie);
}

static void vreplica_on_part(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	struct vtransfer *t = data;
	size_t part = 1 + sim_below(s, sizeof(t->file)), left = sizeof(t->file) - t->at;

	(void)number;
	if (!e->is_running || e->is_quitting)
		return;
	if (!vengine_can_run(e)) {
		vtransfer_later(s, e, t, 5000, vreplica_on_part);
		return;
	}
	if (part > left)
		part = left;
	if (core_transfer_part(e->core, e->replica.db_id, t->to, t->cookie,
			       slice_of((uint8_t *)&t->file + t->at, part), part == left) == 0 &&
	    part < left) {
		t->at += part;
		vtransfer_later(s, e, t, sim_delay(s, s->store_us), vreplica_on_part);
	}
	vengine_after(e);
}

static void vreplica_on_read(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	struct vtransfer *t = data;

	(void)number;
	if (!e->is_running)
		return;
	t->file = e->node->pfile;
	vtransfer_later(s, e, t, sim_delay(s, s->store_us), vreplica_on_part);
}

void vreplica_send(void *world, uint32_t db_id, uint32_t to, uint64_t cookie)
{
	struct vengine *e = world;
	struct vtransfer t = { .cookie = cookie, .to = to };

	(void)db_id;
	vtransfer_later(e->sim, e, &t, vwrite_us(e), vreplica_on_read);
}

static void vreplica_on_replace(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	const struct vwrite *w = data;

	(void)number;
	if (!e->is_running)
		return;
	if (e->node->is_paused) {
		vwrite_later(s, e, w, 5000, vreplica_on_replace);
		return;
	}
	memcpy(&e->node->pfile, e->replica.coming.p, sizeof(e->node->pfile));
	sim_trace(s, "node %u: the file is replaced: %u.%u", e->node->pnn,
		  e->node->pfile.generation, e->node->pfile.n);
	vwrite_later(s, e, w, sim_delay(s, s->store_us), vreplica_on_written);
}

void vreplica_receive(void *world, uint32_t db_id, uint64_t cookie, struct slice part, bool is_last)
{
	struct vengine *e = world;
	struct vreplica *r = &e->replica;
	struct vwrite w = { .ticket = cookie, .is_transfer = true };

	(void)db_id;
	if (r->cookie != cookie)
		pipe_drop(&r->coming, r->coming.len);
	r->cookie = cookie;
	pipe_add(&r->coming, part.p, part.len);
	if (!is_last)
		return;
	if (r->coming.len != sizeof(struct vpfile))
		sim_fail(e->sim, "I6 (transfer)", "node %u was sent %zu bytes", e->node->pnn,
			 r->coming.len);
	else
		vwrite_later(e->sim, e, &w, vwrite_us(e), vreplica_on_replace);
}
