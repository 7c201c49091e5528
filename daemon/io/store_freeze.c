/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * store_freeze.c: I4: a node that may no longer be in the quorate partition stops its clients. One
 * process for each volatile database takes the all-record lock and keeps it; clients then block in
 * libtdb. Thawing ends those processes: robust mutexes, or the kernel's locks, are free with them.
 *
 * One database alone is frozen in the same way when it is to be wiped (core/wipe.c). The engine wipes it by
 * itself, under the lock that the process holds: that writes the table of hash chains, no record.
 */
#include "store_private.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/fatal.h"
#include "daemon/log.h"

static bool freeze_is_wanted(const struct store *s, const struct store_db *db)
{
	/* Clients write to volatile ones only, and the engine reads the others without asking who
	 * has them locked */
	return (s->is_freezing || db->is_wiping) && !db_flags_replicated(db->flags);
}

static bool freeze_is_done(const struct store *s)
{
	for (size_t i = 0; i < s->db_n; i++)
		if (freeze_is_wanted(s, s->db[i]) && !s->db[i]->is_frozen)
			return false;
	return true;
}

static void freeze_report(struct store *s)
{
	if (!s->is_freezing || s->is_frozen_told || !freeze_is_done(s))
		return;
	s->is_frozen_told = true;
	core_frozen(s->engine->core);
}

static void freeze_send(struct store_worker *w)
{
	uint8_t buf[IPC_MAX];
	struct writer out = store_worker_job(w, IPC_WORK_FREEZE, w->frozen, buf);

	channel_send(&w->channel, &out);
}

static void freeze_packet(struct channel *ch, enum ipc_type type, struct cursor *c)
{
	struct store_worker *w = ch->owner;
	uint64_t cookie;
	char text[256];

	if (cursor_u64(c, &cookie) || cookie != w->cookie)
		return;
	if (type == IPC_WORK_LOCKED) {
		w->frozen->is_frozen = true;
		freeze_report(w->store);
		if (w->frozen->is_wiping)
			core_db_frozen(w->store->engine->core, w->frozen->id);
		return;
	}
	if (type == IPC_WORK_FAILED && !cursor_text(c, text, sizeof(text)))
		log_error("a database cannot be frozen: %s | db=%s", text, w->frozen->name);
	else
		log_error("packet of a worker is not understood | type=%d", (int)type);
	channel_close(&w->channel);
	store_worker_ended(&w->channel);
}

static void freeze_worker_ended(struct channel *ch)
{
	struct store_worker *w = ch->owner;

	w->frozen->is_frozen = false;
	store_worker_ended(ch);
}

static const struct channel_events freeze_events = {
	.packet = freeze_packet,
	.ended = freeze_worker_ended,
};

void store_freeze_db_opened(struct store *s, struct store_db *db)
{
	if (!freeze_is_wanted(s, db) || db->freezer != NULL)
		return;
	db->freezer = calloc(1, sizeof(*db->freezer));
	if (db->freezer == NULL)
		fatal(REASON_ENGINE_RESTARTING, "no memory to freeze a database");
	db->freezer->frozen = db;
	if (store_worker_start(db->freezer, s, &freeze_events, freeze_send) == 0)
		freeze_send(db->freezer);
}

void store_freeze_db_closed(struct store *s, struct store_db *db)
{
	(void)s;
	if (db->freezer == NULL)
		return;
	store_worker_stop(db->freezer);
	free(db->freezer);
	db->freezer = NULL;
	db->is_frozen = false;
}

/* With no database there is nothing to wait for, but the core is not told from inside an op */
static void freeze_report_later(void *data)
{
	struct store *s = data;

	s->is_report_armed = false;
	if (s->engine->is_stopping)
		return;
	freeze_report(s);
	engine_after_event(s->engine);
}

void store_freeze(struct engine *e)
{
	struct store *s = e->store;

	if (s->is_freezing)
		return;
	s->is_freezing = true;
	s->is_frozen_told = false;
	for (size_t i = 0; i < s->db_n; i++)
		store_freeze_db_opened(s, s->db[i]);
	if (!freeze_is_done(s) || s->is_report_armed)
		return;
	if (qb_loop_timer_add(e->loop, QB_LOOP_HIGH, 0, s, freeze_report_later, &s->report_timer) !=
	    0)
		fatal(REASON_ENGINE_RESTARTING, "no timer for a freeze");
	s->is_report_armed = true;
}

void store_unfreeze(struct engine *e)
{
	struct store *s = e->store;

	if (!s->is_freezing)
		return;
	s->is_freezing = false;
	for (size_t i = 0; i < s->db_n; i++)
		if (!s->db[i]->is_wiping)
			store_freeze_db_closed(s, s->db[i]);
}

void store_db_freeze(struct engine *e, uint32_t db_id)
{
	struct store_db *db = store_db_by_id(e->store, db_id);

	if (db == NULL)
		return;
	db->is_wiping = true;
	store_freeze_db_opened(e->store, db);
}

/* That it has died is seen here before the loop sees its end */
static bool freeze_is_held(const struct store_db *db)
{
	struct pollfd p = { .fd = db->freezer != NULL ? db->freezer->channel.pidfd : -1,
			    .events = POLLIN };

	return db->is_frozen && p.fd >= 0 && poll(&p, 1, 0) == 0;
}

int store_db_wipe(struct engine *e, uint32_t db_id)
{
	struct store_db *db = store_db_by_id(e->store, db_id);
	int rc;

	if (db == NULL || db->tdb == NULL)
		return -ENOENT;
	if (!freeze_is_held(db)) { /* the process that had the lock has died */
		if (!db->is_wiping || tdb_lockall_nonblock(db->tdb) != 0)
			return -EBUSY;
		rc = tdb_wipe_all(db->tdb) == 0 ? 0 : -EIO;
		tdb_unlockall(db->tdb);
		return rc;
	}
	if (tdb_lockall_mark(db->tdb) != 0)
		return -EIO;
	rc = tdb_wipe_all(db->tdb) == 0 ? 0 : -EIO;
	tdb_lockall_unmark(db->tdb);
	return freeze_is_held(db) ? rc : -EBUSY;
}

void store_db_thaw(struct engine *e, uint32_t db_id)
{
	struct store_db *db = store_db_by_id(e->store, db_id);

	if (db == NULL)
		return;
	db->is_wiping = false;
	if (!e->store->is_freezing)
		store_freeze_db_closed(e->store, db);
}

void store_freeze_close(struct store *s)
{
	if (s->is_report_armed)
		qb_loop_timer_del(s->engine->loop, s->report_timer);
	for (size_t i = 0; i < s->db_n; i++)
		store_freeze_db_closed(s, s->db[i]);
}
