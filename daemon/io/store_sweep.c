/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * store_sweep.c: reading whole databases for a recovery. Workers of their own do it, two at a time
 * so that one chain that a client holds does not stop all of it; they send the records in packets
 * and wait when the channel is full, so the engine takes them at its own pace, behind its other
 * work, and at that of the peers to which they are reported. They begin a moment after the
 * generation: who has waited for it is answered first, and needs no sweep for that.
 *
 * A sweep whose worker fails or dies begins again: what was reported twice does no harm. But not
 * for ever: until every member has swept, each request for a record that moved costs a question to
 * all. So a file that cannot be read costs this node its databases, and not the cluster its
 * recovery: the engine ends, the supervisor retires the files, and the next engine makes new ones.
 */
#include "store_private.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/fatal.h"
#include "daemon/log.h"
#include "lib/protocol.h"

/* The shortest record of a packet: rsn, dmaster, flags, length of the key */
enum { SWEEP_ENTRIES_MAX = IPC_MAX / (8 + 4 + 4 + 4) };

/* Attempts at one database; the first two may have met a want of memory, or an admin's kill */
enum { SWEEP_ATTEMPTS = 3 };

enum { SWEEP_DELAY_MS = 100 };

_Static_assert(CORE_MAX_KEY == CTDB_MAX_KEY, "clients and core agree about the longest key");

static void sweep_assign(struct store *s);

static void sweep_remove(struct store *s, struct store_sweep *x)
{
	struct store_sweep **p = &s->sweeps;

	while (*p != x)
		p = &(*p)->next;
	*p = x->next;
	if (x->worker != NULL)
		x->worker->sweep = NULL;
	free(x);
}

/* Its worker could not do it, whatever the reason */
static void sweep_failed(struct store *s, struct store_sweep *x)
{
	char text[CORE_NAME_SIZE + 64];

	x->worker->sweep = NULL;
	x->worker = NULL;
	x->chain = 0;
	if (++x->failures < SWEEP_ATTEMPTS)
		return;
	snprintf(text, sizeof(text), "a database cannot be swept, so it is retired | db=%s",
		 x->db->name);
	engine_stop(s->engine, REASON_ENGINE_RESTARTING, text);
}

static void sweep_pause(struct store *s, bool is_paused)
{
	s->is_sweep_paused = is_paused;
	for (size_t i = 0; i < STORE_SWEEPERS; i++)
		if (s->sweeper[i].store != NULL)
			channel_pause(&s->sweeper[i].channel, is_paused);
}

void store_sweep_go_on(struct engine *e)
{
	struct store *s = e->store;

	if (s != NULL && s->is_sweep_paused && !core_sweep_is_ahead(e->core))
		sweep_pause(s, false);
}

/* What all of that took is given back */
static void sweeps_over(struct store *s)
{
	for (size_t i = 0; i < STORE_SWEEPERS; i++)
		store_worker_stop(&s->sweeper[i]);
	free(s->entries);
	s->entries = NULL;
	(void)malloc_trim(0);
}

static int sweep_records(struct store *s, struct store_sweep *x, struct cursor *c)
{
	uint32_t n;

	if (cursor_u32(c, &x->chain) || cursor_u32(c, &n) || n > SWEEP_ENTRIES_MAX)
		return 1;
	for (uint32_t i = 0; i < n; i++) {
		struct core_sweep_entry *entry = &s->entries[i];

		if (cursor_u64(c, &entry->header.rsn) || cursor_u32(c, &entry->header.dmaster) ||
		    cursor_u32(c, &entry->header.flags) ||
		    cursor_block(c, CORE_MAX_KEY, &entry->key))
			return 1;
	}
	if (core_sweep_batch(s->engine->core, x->db->id, x->cookie, s->entries, n) != 0)
		sweep_pause(s, true);
	return 0;
}

static void sweep_packet(struct channel *ch, enum ipc_type type, struct cursor *c)
{
	struct store_worker *w = ch->owner;
	struct store *s = w->store;
	struct store_sweep *x = w->sweep;
	uint64_t cookie, sweep_cookie;
	uint32_t db_id;
	char text[256];

	if (cursor_u64(c, &cookie) || cookie != w->cookie || x == NULL)
		return;
	switch (type) {
	case IPC_WORK_RECORDS:
		if (sweep_records(s, x, c))
			break;
		return;
	case IPC_WORK_SWEPT:
		db_id = x->db->id;
		sweep_cookie = x->cookie;
		sweep_remove(s, x);
		core_sweep_end(s->engine->core, db_id, sweep_cookie);
		if (s->sweeps == NULL)
			sweeps_over(s);
		else
			sweep_assign(s);
		return;
	case IPC_WORK_FAILED:
		if (cursor_text(c, text, sizeof(text)))
			break;
		log_error("a database cannot be swept: %s | db=%s", text, x->db->name);
		break;
	default:
		break;
	}
	/* Once more, with a new process */
	sweep_failed(s, x);
	channel_close(&w->channel);
	store_worker_ended(&w->channel);
}

static void sweep_worker_ended(struct channel *ch)
{
	struct store_worker *w = ch->owner;

	if (w->sweep != NULL)
		sweep_failed(w->store, w->sweep);
	store_worker_ended(ch);
}

static void sweep_worker_restarted(struct store_worker *w)
{
	sweep_assign(w->store);
}

static const struct channel_events sweep_events = {
	.packet = sweep_packet,
	.ended = sweep_worker_ended,
	.is_background = true,
};

static void sweep_assign(struct store *s)
{
	if (s->sweep_timer != 0)
		return;
	for (struct store_sweep *x = s->sweeps; x != NULL; x = x->next) {
		uint8_t buf[IPC_MAX];
		struct store_worker *w;
		struct writer out;

		if (x->worker != NULL)
			continue;
		w = store_worker_free(s, s->sweeper, STORE_SWEEPERS, &sweep_events,
				      sweep_worker_restarted);
		if (w == NULL)
			return;
		out = store_worker_job(w, IPC_WORK_SWEEP, x->db, buf);
		if (channel_send(&w->channel, &out) != 0)
			continue;
		x->worker = w;
		w->sweep = x;
	}
}

static void sweep_forget(struct store *s, const struct store_db *db)
{
	struct store_sweep *x = s->sweeps, *next;

	for (; x != NULL; x = next) {
		next = x->next;
		if (x->db != db)
			continue;
		/* libtdb's robust mutexes survive the end of one that holds a chain */
		if (x->worker != NULL)
			store_worker_stop(x->worker);
		x->worker = NULL;
		sweep_remove(s, x);
	}
}

void store_sweep_db_closed(struct store *s, struct store_db *db)
{
	bool has_swept = s->sweeps != NULL;

	sweep_forget(s, db);
	if (has_swept && s->sweeps == NULL)
		sweeps_over(s);
}

static void sweep_delay_over(void *data)
{
	struct store *s = data;

	s->sweep_timer = 0;
	sweep_assign(s);
	engine_after_event(s->engine);
}

void store_sweep_start(struct engine *e, uint32_t db_id, uint64_t cookie)
{
	struct store *s = e->store;
	struct store_db *db = store_db_by_id(s, db_id);
	struct store_sweep *x, **tail = &s->sweeps;

	if (db == NULL)
		return;
	sweep_forget(s, db);
	if (s->entries == NULL)
		s->entries = calloc(SWEEP_ENTRIES_MAX, sizeof(*s->entries));
	x = calloc(1, sizeof(*x));
	if (x == NULL || s->entries == NULL)
		fatal(REASON_ENGINE_RESTARTING, "no memory for a sweep");
	x->db = db;
	x->cookie = cookie;
	while (*tail != NULL)
		tail = &(*tail)->next;
	*tail = x;
	if (s->sweep_timer == 0 &&
	    qb_loop_timer_add(e->loop, QB_LOOP_LOW, SWEEP_DELAY_MS * QB_TIME_NS_IN_MSEC, s,
			      sweep_delay_over, &s->sweep_timer) != 0)
		fatal(REASON_ENGINE_RESTARTING, "no timer for a sweep");
}

void store_sweep_progress(const struct engine *e, struct store_progress *p)
{
	const struct store *s = e->store;

	*p = (struct store_progress){ 0 };
	for (size_t i = 0; i < s->db_n; i++)
		if (!db_flags_replicated(s->db[i]->flags) && s->db[i]->tdb != NULL)
			p->chains += (uint64_t)tdb_hash_size(s->db[i]->tdb);
	p->chains_done = p->chains;
	for (const struct store_sweep *x = s->sweeps; x != NULL; x = x->next) {
		uint64_t chains = (uint64_t)tdb_hash_size(x->db->tdb);

		p->chains_done -= x->chain < chains ? chains - x->chain : 0;
	}
}

void store_sweep_close(struct store *s)
{
	if (s->sweep_timer != 0)
		qb_loop_timer_del(s->engine->loop, s->sweep_timer);
	for (size_t i = 0; i < STORE_SWEEPERS; i++)
		store_worker_stop(&s->sweeper[i]);
	while (s->sweeps != NULL) {
		struct store_sweep *x = s->sweeps;

		s->sweeps = x->next;
		free(x);
	}
	free(s->entries);
}
