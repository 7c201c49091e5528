/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * store_worker.c: one cotdb-tdb-worker process and its channel. It is started again when it ends
 * by itself: at once if it had lived for a second, else after that second, so that one which
 * cannot run at all costs next to nothing.
 */
#include "store_private.h"

#include <string.h>
#include "daemon/fatal.h"
#include "daemon/log.h"

enum { WORKER_LIVED_MS = 1000, WORKER_QUEUE = 16 };

static void store_worker_again(void *data)
{
	struct store_worker *w = data;
	struct engine *e = w->store->engine;

	w->is_retry_armed = false;
	if (e->is_stopping)
		return;
	if (store_worker_start(w, w->store, w->channel.events, w->restarted) == 0)
		w->restarted(w);
	engine_after_event(e);
}

static void store_worker_retry(struct store_worker *w, uint64_t ms)
{
	if (qb_loop_timer_add(w->store->engine->loop, QB_LOOP_HIGH, ms * QB_TIME_NS_IN_MSEC, w,
			      store_worker_again, &w->retry_timer) != 0)
		fatal(REASON_ENGINE_RESTARTING, "no timer for a worker");
	w->is_retry_armed = true;
}

int store_worker_start(struct store_worker *w, struct store *s, const struct channel_events *events,
		       void (*restarted)(struct store_worker *w))
{
	int rc;

	w->store = s;
	w->restarted = restarted;
	w->started_ms = engine_now_ms();
	rc = channel_child(&w->channel, s->engine, "cotdb-tdb-worker", WORKER_QUEUE, events, w);
	if (rc != 0) {
		w->channel.events = events;
		store_worker_retry(w, WORKER_LIVED_MS);
	}
	return rc;
}

struct store_worker *store_worker_free(struct store *s, struct store_worker *pool, size_t n,
				       const struct channel_events *events,
				       void (*restarted)(struct store_worker *w))
{
	for (size_t i = 0; i < n; i++) {
		struct store_worker *w = &pool[i];

		if (w->job != NULL || w->read != NULL || w->sweep != NULL || w->is_retry_armed)
			continue;
		if (w->store == NULL && store_worker_start(w, s, events, restarted) != 0)
			continue;
		if (channel_is_open(&w->channel))
			return w;
	}
	return NULL;
}

void store_worker_ended(struct channel *ch)
{
	struct store_worker *w = ch->owner;
	bool has_lived = engine_now_ms() - w->started_ms >= WORKER_LIVED_MS;

	log_warning("a worker has ended and is started again | pid=%d", (int)ch->pid);
	store_worker_retry(w, has_lived ? 0 : WORKER_LIVED_MS);
}

void store_worker_stop(struct store_worker *w)
{
	if (w->store == NULL)
		return;
	if (w->is_retry_armed)
		qb_loop_timer_del(w->store->engine->loop, w->retry_timer);
	channel_close(&w->channel);
	memset(w, 0, sizeof(*w));
}

struct writer store_worker_job(struct store_worker *w, enum ipc_type type,
			       const struct store_db *db, void *buf)
{
	struct writer out = ipc_begin(buf, type);

	w->cookie = ++w->store->next_cookie;
	writer_u64(&out, w->cookie);
	writer_text(&out, db->path);
	writer_u32(&out, (uint32_t)(db->tdb_flags & ~TDB_CLEAR_IF_FIRST));
	return out;
}

void store_worker_unlock(struct store_worker *w)
{
	uint8_t buf[IPC_MAX];
	struct writer out = ipc_begin(buf, IPC_WORK_UNLOCK);

	channel_send(&w->channel, &out);
}
