/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * store_read.c: batches of records for traverses, read by workers of their own. A batch is a short
 * job that begins where it is told to, so a worker serves many traverses in turn, and one that ends
 * in the middle costs nothing but the job once more (its records may be told twice).
 *
 * A worker waits where a client holds a chain. So another batch of the same database begins when the
 * one before has ended, or has told nothing for a while: it may be stuck, and what is behind that
 * chain need not be. There is a bound to those of one database, so that what is stuck in one leaves
 * workers to the others. Where there are no more, the batch that is stuck longest gives way, and
 * begins anew behind those that wait. A batch that nobody wants any more ends with its worker. What
 * one batch may queue here is the piece of a record that is not whole yet.
 */
#include "store_private.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/fatal.h"
#include "daemon/log.h"

enum { READ_ENTRIES = 256, READ_STUCK_MS = 300, READ_SLOW_MS = 1200, READERS_OF_DB = 3 };
#define READ_ENTRY_MAX (8U + CORE_MAX_KEY + RECORD_HEADER_SIZE + CORE_MAX_RECORD)

struct store_read {
	struct store_read *next;
	struct store_db *db;
	struct core_traverse_read want;
	struct store_worker *worker;
	uint64_t moved_ms; /* when its worker got it, or told something of it */
	uint64_t stuck_ms; /* ... so long after that it is stuck */
	uint8_t *part;	   /* of an entry: its bytes so far */
	size_t len, size;
};

static void read_assign(struct store *s);

static void read_remove(struct store *s, struct store_read *x)
{
	struct store_read **p = &s->reads;

	while (*p != x)
		p = &(*p)->next;
	*p = x->next;
	if (x->worker != NULL)
		x->worker->read = NULL;
	free(x->part);
	free(x);
}

/* ---- what the workers find ---- */

/* Behind what is kept already; 0 or -errno */
static int part_append(struct store_read *x, const uint8_t *p, size_t len)
{
	size_t size = x->size != 0 ? x->size : 2 * (size_t)IPC_MAX;
	uint8_t *part;

	if (len > READ_ENTRY_MAX + IPC_MAX - x->len)
		return -EBADMSG;
	while (size < x->len + len)
		size *= 2;
	if (size != x->size) {
		part = realloc(x->part, size);
		if (part == NULL)
			return -ENOMEM;
		x->part = part;
		x->size = size;
	}
	memcpy(x->part + x->len, p, len);
	x->len += len;
	return 0;
}

/* Still? What the core was told may have ended x, and another may be at its place. */
static bool worker_has(const struct store_worker *w, const struct store_read *x, uint64_t job)
{
	return w->read == x && w->cookie == job;
}

/* Tells the core the whole entries at p; the number of their bytes. x may be gone after it: then
 * its worker has another job, or none. */
static size_t entries_tell(struct store *s, const struct store_read *x, struct slice all)
{
	const struct store_worker *w = x->worker;
	const uint64_t cookie = x->want.cookie, job = w->cookie;
	struct cursor c = cursor_of(all.p, all.len);
	size_t done = 0, n;

	do {
		struct core_traverse_entry entry[READ_ENTRIES];

		for (n = 0; n < READ_ENTRIES; n++) {
			if (cursor_block(&c, CORE_MAX_KEY, &entry[n].key) ||
			    cursor_block(&c, CORE_MAX_RECORD + RECORD_HEADER_SIZE, &entry[n].value))
				break;
			done = all.len - c.left;
		}
		if (n > 0)
			core_traverse_records(s->engine->core, cookie, entry, n);
	} while (n == READ_ENTRIES && worker_has(w, x, job));
	return done;
}

static int entries_in(struct store *s, struct store_read *x, struct cursor *c)
{
	const struct store_worker *w = x->worker;
	const uint64_t job = w->cookie;
	struct slice piece, all;
	size_t done;
	int rc;

	if (cursor_bytes(c, c->left, &piece))
		return -EBADMSG;
	x->moved_ms = engine_now_ms();
	if (x->len > 0) {
		rc = part_append(x, piece.p, piece.len);
		if (rc != 0)
			return rc;
		all = slice_of(x->part, x->len);
	} else {
		all = piece;
	}
	done = entries_tell(s, x, all);
	if (!worker_has(w, x, job))
		return 0;
	if (x->len == 0)
		return part_append(x, all.p + done, all.len - done);
	x->len -= done;
	memmove(x->part, x->part + done, x->len);
	return 0;
}

/* A batch has ended: tells so, and gives the worker the next one */
static void read_end(struct store *s, struct store_read *x, uint32_t next_chain, int status)
{
	uint64_t cookie = x->want.cookie;

	read_remove(s, x);
	core_traverse_read_end(s->engine->core, cookie, next_chain, status);
	read_assign(s);
}

static void read_packet(struct channel *ch, enum ipc_type type, struct cursor *c)
{
	struct store_worker *w = ch->owner;
	struct store *s = w->store;
	struct store_read *x = w->read;
	uint32_t next_chain, is_incomplete;
	uint64_t cookie;
	char text[256];

	if (cursor_u64(c, &cookie) || cookie != w->cookie || x == NULL)
		return;
	switch (type) {
	case IPC_WORK_ENTRIES:
		if (entries_in(s, x, c) == 0)
			return;
		break;
	case IPC_WORK_READ_DONE:
		if (cursor_u32(c, &next_chain) || cursor_u32(c, &is_incomplete))
			break;
		read_end(s, x, next_chain, is_incomplete ? -EMSGSIZE : 0);
		return;
	case IPC_WORK_FAILED:
		if (cursor_text(c, text, sizeof(text)))
			break;
		log_error("a database cannot be read: %s | db=%s", text, x->db->name);
		read_end(s, x, CORE_CHAIN_END, -EIO);
		return;
	default:
		break;
	}
	log_error("a worker has told nonsense about a database | db=%s", x->db->name);
	read_end(s, x, CORE_CHAIN_END, -EBADMSG);
}

static void read_worker_ended(struct channel *ch)
{
	struct store_worker *w = ch->owner;
	struct store_read *x = w->read;

	w->read = NULL;
	if (x != NULL) {
		x->worker = NULL;
		x->len = 0;
	}
	store_worker_ended(ch);
}

static void read_worker_restarted(struct store_worker *w)
{
	read_assign(w->store);
}

static const struct channel_events read_events = {
	.packet = read_packet,
	.ended = read_worker_ended,
	.is_background = true,
};

/* ---- jobs ---- */

static struct store_worker *read_worker(struct store *s)
{
	return store_worker_free(s, s->reader, STORE_READERS, &read_events, read_worker_restarted);
}

static bool read_is_stuck(const struct store_read *x)
{
	return engine_now_ms() - x->moved_ms >= x->stuck_ms;
}

/* What it has told is not read yet */
static bool read_has_told(const struct store_read *x)
{
	struct pollfd p = { .fd = x->worker->channel.fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* Ends one that is stuck, of this database (NULL: of any), which begins anew behind all others, and is
 * given more time then: it may be slow */
static void read_give_way(struct store *s, const struct store_db *db)
{
	struct store_read *longest = NULL, **p = &s->reads;

	for (size_t i = 0; i < STORE_READERS; i++) {
		struct store_read *x = s->reader[i].read;

		if (x != NULL && (db == NULL || x->db == db) && read_is_stuck(x) &&
		    !read_has_told(x) && (longest == NULL || x->moved_ms < longest->moved_ms))
			longest = x;
	}
	if (longest == NULL)
		return;
	longest->worker->read = NULL;
	store_worker_stop(longest->worker);
	longest->worker = NULL;
	longest->len = 0;
	if (longest->stuck_ms < READ_SLOW_MS)
		longest->stuck_ms *= 2;
	while (*p != longest)
		p = &(*p)->next;
	*p = longest->next;
	longest->next = NULL;
	while (*p != NULL)
		p = &(*p)->next;
	*p = longest;
}

struct readers_busy {
	size_t n, stuck_of_db;
	uint64_t of_db_ms, any_ms; /* when the first of those that are not stuck would be */
};

static struct readers_busy readers_busy(const struct store *s, const struct store_db *db)
{
	struct readers_busy busy = { .of_db_ms = UINT64_MAX, .any_ms = UINT64_MAX };

	for (size_t i = 0; i < STORE_READERS; i++) {
		const struct store_read *x = s->reader[i].read;
		uint64_t at_ms = x != NULL ? x->moved_ms + x->stuck_ms : UINT64_MAX;

		if (x == NULL)
			continue;
		busy.n++;
		if (read_is_stuck(x)) {
			busy.stuck_of_db += x->db == db;
			continue;
		}
		if (at_ms < busy.any_ms)
			busy.any_ms = at_ms;
		if (x->db == db && at_ms < busy.of_db_ms)
			busy.of_db_ms = at_ms;
	}
	return busy;
}

/* When another batch of this database may begin; 0: now, and then there is room for it */
static uint64_t read_turn_ms(struct store *s, const struct store_db *db)
{
	struct readers_busy busy = readers_busy(s, db);

	if (busy.of_db_ms != UINT64_MAX)
		return busy.of_db_ms;
	if (busy.n == STORE_READERS && busy.stuck_of_db < READERS_OF_DB && busy.any_ms != UINT64_MAX)
		return busy.any_ms;
	if (busy.stuck_of_db >= READERS_OF_DB)
		read_give_way(s, db);
	else if (busy.n == STORE_READERS)
		read_give_way(s, NULL);
	return 0;
}

static void read_assign_late(void *data)
{
	struct store *s = data;

	s->is_read_armed = false;
	if (!s->engine->is_stopping)
		read_assign(s);
}

static void read_assign_at(struct store *s, uint64_t at_ms)
{
	uint64_t now_ms = engine_now_ms();

	if (s->is_read_armed || at_ms == UINT64_MAX)
		return;
	if (qb_loop_timer_add(s->engine->loop, QB_LOOP_HIGH,
			      (at_ms > now_ms ? at_ms - now_ms : 0) * QB_TIME_NS_IN_MSEC, s,
			      read_assign_late, &s->read_timer) != 0)
		fatal(REASON_ENGINE_RESTARTING, "no timer for a traverse");
	s->is_read_armed = true;
}

static bool read_begin(struct store *s, struct store_read *x)
{
	struct store_worker *w = read_worker(s);
	uint8_t buf[IPC_MAX];
	struct writer out;

	if (w == NULL)
		return false;
	out = store_worker_job(w, IPC_WORK_READ, x->db, buf);
	writer_u32(&out, x->want.chain);
	writer_u32(&out, x->want.dmaster);
	writer_u32(&out, x->want.only_empty ? 2 : x->want.with_empty);
	writer_u32(&out, x->want.chains);
	if (channel_send(&w->channel, &out) != 0)
		return true; /* the loop is about to see its end */
	x->worker = w;
	x->moved_ms = engine_now_ms();
	w->read = x;
	return true;
}

static void read_assign(struct store *s)
{
	uint64_t soonest_ms = UINT64_MAX;

	for (struct store_read *x = s->reads; x != NULL; x = x->next) {
		uint64_t at_ms = x->worker == NULL ? read_turn_ms(s, x->db) : UINT64_MAX;

		if (at_ms < soonest_ms && at_ms != 0)
			soonest_ms = at_ms;
		if (at_ms == 0 && !read_begin(s, x))
			break;
	}
	read_assign_at(s, soonest_ms);
}

void store_traverse_read(struct engine *e, const struct core_traverse_read *r)
{
	struct store *s = e->store;
	struct store_db *db = store_db_by_id(s, r->db_id);
	struct store_read *x, **tail = &s->reads;

	if (db == NULL)
		return; /* closed: who waits for it gives it up in time */
	x = calloc(1, sizeof(*x));
	if (x == NULL)
		fatal(REASON_ENGINE_RESTARTING, "no memory for a traverse");
	x->db = db;
	x->want = *r;
	x->stuck_ms = READ_STUCK_MS;
	while (*tail != NULL)
		tail = &(*tail)->next;
	*tail = x;
	read_assign(s);
}

/* With its worker, which may wait for a client's lock */
static void read_give_up(struct store *s, struct store_read *x)
{
	if (x->worker != NULL)
		store_worker_stop(x->worker);
	x->worker = NULL;
	read_remove(s, x);
}

void store_traverse_cancel(struct engine *e, uint64_t cookie)
{
	struct store *s = e->store;
	struct store_read *x = s->reads;

	while (x != NULL && x->want.cookie != cookie)
		x = x->next;
	if (x == NULL)
		return;
	read_give_up(s, x);
	read_assign(s);
}

void store_read_db_closed(struct store *s, struct store_db *db)
{
	struct store_read *x = s->reads, *next;

	for (; x != NULL; x = next) {
		next = x->next;
		if (x->db == db)
			read_give_up(s, x);
	}
	read_assign(s);
}

void store_read_close(struct store *s)
{
	for (size_t i = 0; i < STORE_READERS; i++)
		store_worker_stop(&s->reader[i]);
	if (s->is_read_armed)
		qb_loop_timer_del(s->engine->loop, s->read_timer);
	while (s->reads != NULL) {
		s->reads->worker = NULL;
		read_remove(s, s->reads);
	}
}
