/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * store_replica.c: persistent and replicated databases: commits, and whole databases on their way.
 * Workers of their own do what takes long (the disk), one job of a database after the other. A job
 * whose worker dies is given to the next one: a transaction has happened or has not, and doing it
 * again changes nothing. But libtdb may have rolled it back, by which space in the file is lost that
 * cannot be told from lost records any more when the next transaction has begun (store_judge.c): so a
 * worker mends the file before that.
 *
 * A file that libtdb finds damaged is left alone, and the database is told of as damaged, until
 * another node has sent it: then it is moved aside, never deleted.
 */
#include "store_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "daemon/fatal.h"
#include "daemon/log.h"

#define REPLICA_QUEUE	  16384 /* packets to a worker: a whole database */
#define REPLICA_MAX	  (256UL << 20)
#define REPLICA_CHUNK	  (IPC_MAX - 64U)

struct store_job {
	struct store_job *next;
	struct store_db *db;
	struct store_worker *worker;
	enum ipc_type type;
	uint64_t ticket; /* or cookie */
	uint32_t to_pnn; /* IPC_WORK_DUMP */
	struct core_content becomes;
	bool is_whole;
	uint8_t *data;
	size_t len;
};

static void jobs_assign(struct store *s);

static struct store_job *job_alloc(void)
{
	struct store_job *x = calloc(1, sizeof(*x));

	if (x == NULL)
		fatal(REASON_ENGINE_RESTARTING, "no memory for a commit");
	return x;
}

static void job_remove(struct store *s, struct store_job *x)
{
	struct store_job **at = &s->jobs;

	while (*at != x)
		at = &(*at)->next;
	*at = x->next;
	if (x->worker != NULL)
		x->worker->job = NULL;
	free(x->data);
	free(x);
}

static void job_done(struct store *s, struct store_job *x, int rc)
{
	struct core *core = s->engine->core;
	uint32_t db_id = x->db->id, to_pnn = x->to_pnn;
	enum ipc_type type = x->type;
	uint64_t ticket = x->ticket;

	if (rc != 0 && type != IPC_WORK_CHECK)
		log_error("a worker could not do its work on a database | db=%s work=%d error=%s",
			  x->db->name, (int)type, strerror(-rc));
	if (type == IPC_WORK_MEND && rc == 0) {
		x->db->is_mend_due = false;
		log_info("what an interrupted commit had left in a file is wiped | db=%s",
			 x->db->name);
	}
	job_remove(s, x);
	if (type == IPC_WORK_MEND)
		return;
	if (type == IPC_WORK_CHECK)
		core_commit_checked(core, db_id, ticket, rc);
	else if (type == IPC_WORK_APPLY)
		core_commit_applied(core, db_id, ticket, rc);
	else if (type == IPC_WORK_REPLACE)
		core_transfer_written(core, db_id, ticket, rc);
	else if (rc == 0)
		core_transfer_part(core, db_id, to_pnn, ticket, slice_of("", 0), true);
	else /* its own copy cannot be read: another start finds out what is wrong with it */
		engine_stop(s->engine, REASON_ENGINE_RESTARTING, "a database cannot be read");
}

static void job_packet(struct channel *ch, enum ipc_type type, struct cursor *c)
{
	struct store_worker *w = ch->owner;
	struct store_job *x = w->job;
	uint64_t cookie;
	uint32_t error;
	struct slice part;
	char text[512];

	if (cursor_u64(c, &cookie) || cookie != w->cookie || x == NULL)
		return;
	if (type == IPC_WORK_PART && x->type == IPC_WORK_DUMP && !cursor_block(c, IPC_MAX, &part)) {
		core_transfer_part(w->store->engine->core, x->db->id, x->to_pnn, x->ticket, part,
				   false);
		return;
	}
	if (type == IPC_WORK_DONE && !cursor_u32(c, &error) && error < 4096) {
		job_done(w->store, x, -(int)error);
	} else if (type == IPC_WORK_FAILED && !cursor_text(c, text, sizeof(text))) {
		log_error("%s", text);
		job_done(w->store, x, -EIO);
	} else {
		log_error("packet of a worker is not understood | type=%d", (int)type);
		return;
	}
	jobs_assign(w->store);
}

/* Before the other jobs of this database */
static void job_mend(struct store *s, struct store_db *db)
{
	struct store_job *x = job_alloc(), **at = &s->jobs;

	x->db = db;
	x->type = IPC_WORK_MEND;
	while (*at != NULL && (*at)->db != db)
		at = &(*at)->next;
	x->next = *at;
	*at = x;
	db->is_mend_due = true;
}

static bool job_writes(const struct store_job *x)
{
	return x->type == IPC_WORK_APPLY || x->type == IPC_WORK_REPLACE;
}

static void job_worker_ended(struct channel *ch)
{
	struct store_worker *w = ch->owner;
	struct store_job *x = w->job;

	w->job = NULL;
	if (x != NULL) {
		x->worker = NULL;
		if (job_writes(x))
			job_mend(w->store, x->db);
	}
	store_worker_ended(ch);
}

static void job_worker_restarted(struct store_worker *w)
{
	jobs_assign(w->store);
}

static const struct channel_events job_events = {
	.packet = job_packet,
	.ended = job_worker_ended,
};

static struct store_worker *job_worker(struct store *s)
{
	return store_worker_free(s, s->committer, STORE_COMMITTERS, &job_events,
				 job_worker_restarted);
}

/* In order: one of a database waits for those before it */
static bool job_is_next(const struct store *s, const struct store_job *x)
{
	for (const struct store_job *o = s->jobs; o != x; o = o->next)
		if (o->db == x->db)
			return false;
	return x->worker == NULL;
}

static int job_send(struct store_worker *w, const struct store_job *x)
{
	uint8_t buf[IPC_MAX];
	struct writer out = store_worker_job(w, x->type, x->db, buf);
	int rc;

	writer_u64(&out, x->len);
	if (x->type == IPC_WORK_APPLY) {
		writer_u32(&out, x->becomes.generation);
		writer_u32(&out, x->becomes.tag);
		writer_u32(&out, x->is_whole);
	}
	w->channel.queue_max = REPLICA_QUEUE;
	rc = channel_send(&w->channel, &out);
	for (size_t at = 0; at < x->len && rc == 0; at += REPLICA_CHUNK) {
		size_t n = x->len - at < REPLICA_CHUNK ? x->len - at : REPLICA_CHUNK;

		out = ipc_begin(buf, IPC_WORK_DATA);
		writer_block(&out, x->data + at, n);
		rc = channel_send(&w->channel, &out);
	}
	return rc;
}

static void jobs_assign(struct store *s)
{
	for (struct store_job *x = s->jobs; x != NULL; x = x->next) {
		struct store_worker *w;

		if (!job_is_next(s, x))
			continue;
		w = job_worker(s);
		if (w == NULL)
			return;
		x->worker = w;
		w->job = x;
		if (job_send(w, x) == 0)
			continue;
		/* It has half of a job, which nobody can end but by ending it */
		channel_close(&w->channel);
		job_worker_ended(&w->channel);
	}
}

static struct store_job *job_new(struct engine *e, uint32_t db_id, enum ipc_type type,
				 uint64_t ticket, struct slice data)
{
	struct store *s = e->store;
	struct store_db *db = store_db_by_id(s, db_id);
	struct store_job *x = job_alloc(), **tail = &s->jobs;

	if (db == NULL)
		bug("a job for a database that is not open | db=0x%08x", db_id);
	if (data.len > 0 && (x->data = malloc(data.len)) == NULL)
		fatal(REASON_ENGINE_RESTARTING, "no memory for a commit");
	x->db = db;
	x->type = type;
	x->ticket = ticket;
	x->len = data.len;
	if (data.len > 0)
		memcpy(x->data, data.p, data.len);
	while (*tail != NULL)
		tail = &(*tail)->next;
	*tail = x;
	return x;
}

/* ---- the core's ops ---- */

void store_commit_check(struct engine *e, uint32_t db_id, uint64_t ticket, struct slice records)
{
	job_new(e, db_id, IPC_WORK_CHECK, ticket, records);
	jobs_assign(e->store);
}

void store_commit_apply(struct engine *e, uint32_t db_id, uint64_t ticket,
			const struct core_content *becomes, struct slice records, bool is_whole)
{
	struct store_job *x = job_new(e, db_id, IPC_WORK_APPLY, ticket, records);

	x->becomes = *becomes;
	x->is_whole = is_whole;
	jobs_assign(e->store);
}

void store_transfer_send(struct engine *e, uint32_t db_id, uint32_t to_pnn, uint64_t cookie)
{
	job_new(e, db_id, IPC_WORK_DUMP, cookie, slice_of(NULL, 0))->to_pnn = to_pnn;
	jobs_assign(e->store);
}

/* What is there is damaged: it is kept under another name, for the admin */
static int damaged_move_aside(struct engine *e, struct store_db *db)
{
	char aside[sizeof(db->path) + 64], when[32];
	time_t now = time(NULL);
	struct tm tm;

	strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
	snprintf(aside, sizeof(aside), "%s.damaged-%s", db->path, when);
	if (rename(db->path, aside) != 0)
		return -errno;
	log_warning("a damaged database was moved aside, another node has sent it | db=%s file=%s",
		    db->name, aside);
	db->is_damaged = false;
	return store_db_create(e->store, db);
}

void store_transfer_receive(struct engine *e, uint32_t db_id, uint64_t cookie, struct slice part,
			    bool is_last)
{
	struct store_db *db = store_db_by_id(e->store, db_id);
	struct store_coming *in = &db->coming;
	int rc = 0;

	if (in->cookie != cookie)
		in->len = 0;
	in->cookie = cookie;
	if (in->len + part.len > REPLICA_MAX) {
		engine_stop(e, REASON_NO_SPACE, "a database of the cluster is too large");
		return;
	}
	if (in->size - in->len < part.len) {
		in->size = (in->size + part.len) * 2;
		in->data = realloc(in->data, in->size);
		if (in->data == NULL)
			fatal(REASON_ENGINE_RESTARTING, "no memory for a database");
	}
	if (part.len > 0)
		memcpy(in->data + in->len, part.p, part.len);
	in->len += part.len;
	if (!is_last)
		return;
	if (db->is_damaged)
		rc = damaged_move_aside(e, db);
	if (rc != 0) {
		log_error("database cannot be opened | name=%s file=%s error=%s", db->name,
			  db->path, strerror(-rc));
		engine_stop(e, REASON_NO_SPACE, "a database of the cluster cannot be made anew");
		return;
	}
	job_new(e, db_id, IPC_WORK_REPLACE, cookie, slice_of(in->data, in->len));
	free(in->data);
	*in = (struct store_coming){ 0 };
	jobs_assign(e->store);
}

/* Only when it is opened: later a worker may be in the middle of a transaction, and reading would
 * wait for the disk */
void store_db_content(struct engine *e, uint32_t db_id, struct core_content *content)
{
	struct store_db *db = store_db_by_id(e->store, db_id);
	TDB_DATA value = { 0 };

	*content = (struct core_content){ .is_damaged = db->is_damaged };
	if (db->tdb != NULL)
		value = tdb_fetch(db->tdb, store_key(slice_of(SEQUENCE_KEY, sizeof(SEQUENCE_KEY))));
	if (value.dptr != NULL && value.dsize == RECORD_HEADER_SIZE + sizeof(content->seq)) {
		memcpy(&content->generation, value.dptr + GENERATION_OFFSET,
		       sizeof(content->generation));
		memcpy(&content->tag, value.dptr + TAG_OFFSET, sizeof(content->tag));
		memcpy(&content->seq, value.dptr + RECORD_HEADER_SIZE, sizeof(content->seq));
	}
	free(value.dptr);
}

/* Whatever job comes first begins with it */
void store_replica_db_opened(struct store *s, struct store_db *db)
{
	if (db->is_mend_due)
		job_mend(s, db);
}

void store_replica_db_closed(struct store *s, struct store_db *db)
{
	struct store_job *x = s->jobs, *next;

	for (; x != NULL; x = next) {
		next = x->next;
		if (x->db != db)
			continue;
		if (x->worker != NULL)
			store_worker_stop(x->worker);
		x->worker = NULL;
		job_remove(s, x);
	}
	free(db->coming.data);
	jobs_assign(s); /* of others: the workers that were stopped do not ask for more */
}

size_t store_transfers(const struct engine *e)
{
	size_t n = 0;

	for (const struct store_job *x = e->store->jobs; x != NULL; x = x->next)
		n += x->type == IPC_WORK_DUMP;
	return n;
}

void store_replica_close(struct store *s)
{
	for (size_t i = 0; i < STORE_COMMITTERS; i++)
		store_worker_stop(&s->committer[i]);
	while (s->jobs != NULL) {
		s->jobs->worker = NULL;
		job_remove(s, s->jobs);
	}
}
