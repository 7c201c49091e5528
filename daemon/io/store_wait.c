/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * store_wait.c: keys whose chain lock a client holds just now.
 *
 * Each such key is waited for once, however many requests need it. A worker process blocks on the
 * lock; when it has it, the engine marks the lock as its own (libtdb's chainlock_mark: the file is
 * locked by somebody who lets us in), lets the core work on the key, unmarks, and tells the worker
 * to let go. Within the core's call locking that key, or another of its chain, succeeds at once:
 * libtdb counts it as nested.
 *
 * There are few workers, and a stopped client may hold its lock for ever. So a key that finds no
 * free worker, or is too long for a packet, is tried without waiting every few milliseconds: a
 * worker only makes it quicker.
 */
#include "store_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "daemon/fatal.h"
#include "daemon/log.h"
#include "lib/jenkins.h"

enum { WAIT_POLL_MS = 20, WAIT_POLL_MAX = 64 };
#define WAIT_KEY_MAX (IPC_MAX - 8192)

static uint64_t wait_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* ---- the waits
 * ----------------------------------------------------------------------------------- */

static struct store_wait *wait_find(struct store *s, struct store_db *db, struct slice key,
				    uint32_t hash)
{
	struct store_wait *x = s->wait[hash % STORE_WAIT_BUCKETS];

	while (x != NULL &&
	       (x->db != db || x->hash != hash || !slice_equal(slice_of(x->key, x->len), key)))
		x = x->next_hash;
	return x;
}

static void wait_enqueue(struct store *s, struct store_wait *x)
{
	x->next = NULL;
	x->prev = s->queue_tail;
	*s->queue_tail = x;
	s->queue_tail = &x->next;
	x->is_queued = true;
	s->stats.lock_waits_queued++;
}

static void wait_dequeue(struct store *s, struct store_wait *x)
{
	if (!x->is_queued)
		return;
	*x->prev = x->next;
	if (x->next != NULL)
		x->next->prev = x->prev;
	else
		s->queue_tail = x->prev;
	x->is_queued = false;
	s->stats.lock_waits_queued--;
}

/* Takes it out of all lists; the caller frees */
static void wait_remove(struct store *s, struct store_wait *x)
{
	struct store_wait **p = &s->wait[x->hash % STORE_WAIT_BUCKETS];

	while (*p != x)
		p = &(*p)->next_hash;
	*p = x->next_hash;
	wait_dequeue(s, x);
	s->stats.lock_waits_now--;
}

/* The lock is held by this process, for the core to use: it may wait for the same key anew */
static void wait_granted(struct store *s, struct store_wait *x)
{
	uint64_t us = wait_now_us() - x->since_us;

	wait_remove(s, x);
	s->stats.lock_wait_us_total += us;
	if (us > s->stats.lock_wait_us_max)
		s->stats.lock_wait_us_max = us;
	core_key_unlocked(s->engine->core, x->db->id, slice_of(x->key, x->len));
	free(x);
}

/* A wait ends before its lock is given back */
static uint8_t *wait_key_copy(const struct store_wait *x)
{
	uint8_t *key = malloc(x->len + 1);

	if (key == NULL)
		fatal(REASON_ENGINE_RESTARTING, "no memory for a key");
	memcpy(key, x->key, x->len);
	return key;
}

/* ---- by workers
 * ---------------------------------------------------------------------------------- */

static void wait_assign(struct store *s)
{
	struct store_wait *x = s->queue, *next;

	for (size_t i = 0; i < s->locker_n && x != NULL; i++) {
		struct store_worker *w = &s->locker[i];
		uint8_t buf[IPC_MAX];
		struct writer out;

		if (w->wait != NULL || !channel_is_open(&w->channel))
			continue;
		while (x != NULL && x->is_polled_only)
			x = x->next;
		if (x == NULL)
			return;
		next = x->next;
		out = store_worker_job(w, IPC_WORK_LOCK, x->db, buf);
		writer_block(&out, x->key, x->len);
		if (channel_send(&w->channel, &out) == 0) {
			wait_dequeue(s, x);
			x->worker = w;
			w->wait = x;
		}
		x = next;
	}
}

static void wait_locked(struct store_worker *w)
{
	struct store *s = w->store;
	struct store_wait *x = w->wait;
	struct tdb_context *tdb = x->db->tdb;
	uint8_t *key = wait_key_copy(x);
	TDB_DATA k = { .dptr = key, .dsize = x->len };

	w->wait = NULL;
	if (tdb_chainlock_mark(tdb, k) != 0)
		bug("a chain lock that a worker holds cannot be marked | file=%s", tdb_name(tdb));
	wait_granted(s, x);
	if (tdb_chainlock_unmark(tdb, k) != 0)
		bug("a marked chain lock cannot be unmarked | file=%s", tdb_name(tdb));
	free(key);
	store_worker_unlock(w);
}

static void wait_failed(struct store_worker *w, const char *text)
{
	struct store_wait *x = w->wait;

	log_warning("a worker could not wait for a lock: %s | db=%s", text, x->db->name);
	w->store->stats.lock_failures++;
	w->wait = NULL;
	x->worker = NULL;
	x->is_polled_only = true;
	wait_enqueue(w->store, x);
}

static void wait_arm(struct store *s);

static void wait_packet(struct channel *ch, enum ipc_type type, struct cursor *c)
{
	struct store_worker *w = ch->owner;
	struct store *s = w->store;
	uint64_t cookie;
	char text[256];

	if (cursor_u64(c, &cookie) || cookie != w->cookie || w->wait == NULL) {
		/* Of a job that is no longer wanted */
		if (type == IPC_WORK_LOCKED)
			store_worker_unlock(w);
		return;
	}
	if (type == IPC_WORK_LOCKED)
		wait_locked(w);
	else if (type == IPC_WORK_FAILED && !cursor_text(c, text, sizeof(text)))
		wait_failed(w, text);
	else
		log_error("packet of a worker is not understood | type=%d", (int)type);
	wait_assign(s);
	wait_arm(s);
}

/* Its wait goes back to the queue */
static void wait_worker_ended(struct channel *ch)
{
	struct store_worker *w = ch->owner;
	struct store_wait *x = w->wait;

	w->wait = NULL;
	if (x != NULL) {
		w->store->stats.lock_failures++;
		x->worker = NULL;
		wait_enqueue(w->store, x);
		wait_arm(w->store);
	}
	store_worker_ended(ch);
}

static void wait_worker_restarted(struct store_worker *w)
{
	wait_assign(w->store);
}

static const struct channel_events wait_events = {
	.packet = wait_packet,
	.ended = wait_worker_ended,
};

/* ---- without workers
 * ----------------------------------------------------------------------------- */

/* Tries the oldest; what is still busy, and what the core wants anew, goes to the end */
static void wait_try(struct store *s, struct store_wait *x)
{
	struct store_db *db = x->db;
	uint8_t *key;
	TDB_DATA k = { .dptr = x->key, .dsize = x->len };

	if (tdb_chainlock_nonblock(db->tdb, k) != 0) {
		wait_dequeue(s, x);
		wait_enqueue(s, x);
		return;
	}
	key = wait_key_copy(x);
	k.dptr = key;
	wait_granted(s, x);
	tdb_chainunlock(db->tdb, k);
	free(key);
}

static void wait_poll(void *data)
{
	struct store *s = data;
	uint64_t n = s->stats.lock_waits_queued;

	s->is_poll_armed = false;
	if (s->engine->is_stopping)
		return;
	if (n > WAIT_POLL_MAX)
		n = WAIT_POLL_MAX;
	while (n-- > 0 && s->queue != NULL)
		wait_try(s, s->queue);
	wait_assign(s);
	wait_arm(s);
	engine_after_event(s->engine);
}

static void wait_arm(struct store *s)
{
	if (s->queue == NULL || s->is_poll_armed)
		return;
	if (qb_loop_timer_add(s->engine->loop, QB_LOOP_HIGH, WAIT_POLL_MS * QB_TIME_NS_IN_MSEC, s,
			      wait_poll, &s->poll_timer) != 0)
		fatal(REASON_ENGINE_RESTARTING, "no timer for waits");
	s->is_poll_armed = true;
}

/* ---- for store.c
 * --------------------------------------------------------------------------------- */

int store_wait_add(struct store *s, struct store_db *db, struct slice key)
{
	uint32_t hash = jenkins_hash(key);
	struct store_wait *x = wait_find(s, db, key, hash);

	if (x != NULL)
		return -EAGAIN;
	x = calloc(1, sizeof(*x) + key.len);
	if (x == NULL)
		return -ENOMEM;
	x->db = db;
	x->since_us = wait_now_us();
	x->is_polled_only = key.len > WAIT_KEY_MAX;
	x->hash = hash;
	x->len = key.len;
	memcpy(x->key, key.p, key.len);
	x->next_hash = s->wait[hash % STORE_WAIT_BUCKETS];
	s->wait[hash % STORE_WAIT_BUCKETS] = x;
	s->stats.lock_waits++;
	s->stats.lock_waits_now++;
	wait_enqueue(s, x);
	wait_assign(s);
	wait_arm(s);
	return -EAGAIN;
}

static void wait_drop(struct store *s, struct store_wait *x)
{
	if (x->worker != NULL)
		x->worker->wait = NULL;
	wait_remove(s, x);
	free(x);
}

void store_wait_db_closed(struct store *s, struct store_db *db)
{
	for (size_t i = 0; i < STORE_WAIT_BUCKETS; i++) {
		struct store_wait *x = s->wait[i], *next;

		for (; x != NULL; x = next) {
			next = x->next_hash;
			if (x->db != db)
				continue;
			/* A worker that still waits for it is of no use to anybody */
			if (x->worker != NULL) {
				struct store_worker *w = x->worker;

				store_worker_stop(w);
				store_worker_start(w, s, &wait_events, wait_worker_restarted);
			}
			x->worker = NULL;
			wait_drop(s, x);
		}
	}
}

int store_wait_open(struct store *s)
{
	s->locker_n = (size_t)s->engine->options->number[OPTION_workers];
	s->locker = calloc(s->locker_n + 1, sizeof(*s->locker));
	if (s->locker == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < s->locker_n; i++)
		store_worker_start(&s->locker[i], s, &wait_events, wait_worker_restarted);
	return 0;
}

void store_wait_close(struct store *s)
{
	if (s->is_poll_armed)
		qb_loop_timer_del(s->engine->loop, s->poll_timer);
	for (size_t i = 0; i < s->locker_n && s->locker != NULL; i++)
		store_worker_stop(&s->locker[i]);
	for (size_t i = 0; i < STORE_WAIT_BUCKETS; i++) {
		while (s->wait[i] != NULL) {
			struct store_wait *x = s->wait[i];

			x->worker = NULL;
			wait_drop(s, x);
		}
	}
	free(s->locker);
	s->locker = NULL;
}
