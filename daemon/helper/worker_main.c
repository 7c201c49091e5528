/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * worker_main.c: libexec/cotdb/cotdb-tdb-worker, one of the engine's pool. It does what may take
 * long in a TDB file that clients have open, too: waits for a chain lock (and keeps it until the
 * engine has done its work under it, by libtdb's "mark"), keeps a database frozen, reads all
 * records, commits. One request after the other; a wait is cancelled by killing the process: the mutexes
 * are robust. Who locks a mutex unlocks it: that is why UNLOCK comes here.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "daemon/core/core.h"
#include "daemon/helper/helper_begin.h"
#include "daemon/helper/ipc.h"
#include "daemon/helper/worker_cache.h"
#include "daemon/helper/worker_commit.h"
#include "daemon/helper/worker_read.h"
#include "daemon/helper/worker_sweep.h"
#include "daemon/log.h"

#define PATH_SIZE      4200
#define WORK_DATA_MAX (256UL << 20)

struct worker {
	struct worker_cache cache;
	int nice; /* as it was started with */
	struct worker_file *locked; /* its chain lock of key is held */
	uint8_t key[IPC_MAX];
	size_t key_len;
};

struct work {
	enum ipc_type type;
	uint64_t cookie;
	char path[PATH_SIZE];
	uint32_t tdb_flags;
	struct slice key; /* IPC_WORK_LOCK */
	struct worker_read read;
	uint64_t total;	  /* IPC_WORK_CHECK and the like */
	uint32_t generation, tag, is_whole;
	uint8_t *data;
};

static bool work_has_data(enum ipc_type type)
{
	return type >= IPC_WORK_CHECK && type <= IPC_WORK_DUMP;
}

static int answer(enum ipc_type type, uint64_t cookie, const char *text)
{
	uint8_t buf[IPC_MAX];
	struct writer w = ipc_begin(buf, type);

	writer_u64(&w, cookie);
	if (text != NULL)
		writer_text(&w, text);
	return ipc_send(IPC_FD, &w);
}

static int answer_failed(const struct work *work, const char *what, int error)
{
	char text[512];

	snprintf(text, sizeof(text), "%s: %.300s: %s", what, work->path, strerror(error));
	log_warning("%s", text);
	return answer(IPC_WORK_FAILED, work->cookie, text);
}

static int tdb_errno(struct tdb_context *tdb)
{
	switch (tdb_error(tdb)) {
	case TDB_ERR_OOM:
		return ENOMEM;
	case TDB_ERR_LOCK:
	case TDB_ERR_LOCK_TIMEOUT:
		return EDEADLK;
	default:
		return EIO;
	}
}

static TDB_DATA locked_key(struct worker *wk)
{
	return (TDB_DATA){ .dptr = wk->key, .dsize = wk->key_len };
}

static void unlock_all(struct worker *wk)
{
	if (wk->locked != NULL)
		(void)tdb_chainunlock(wk->locked->tdb, locked_key(wk));
	wk->locked = NULL;
	for (size_t i = 0; i < wk->cache.n; i++) {
		if (wk->cache.files[i].is_frozen)
			(void)tdb_unlockall(wk->cache.files[i].tdb);
		wk->cache.files[i].is_frozen = false;
	}
}

static int work_lock(struct worker *wk, const struct work *work, struct worker_file *f)
{
	memcpy(wk->key, work->key.p, work->key.len);
	wk->key_len = work->key.len;
	if (tdb_chainlock(f->tdb, locked_key(wk)) != 0)
		return answer_failed(work, "the chain lock cannot be taken", tdb_errno(f->tdb));
	wk->locked = f;
	return answer(IPC_WORK_LOCKED, work->cookie, NULL);
}

static int work_freeze(const struct work *work, struct worker_file *f)
{
	if (!f->is_frozen && tdb_lockall(f->tdb) != 0)
		return answer_failed(work, "the database cannot be frozen", tdb_errno(f->tdb));
	f->is_frozen = true;
	return answer(IPC_WORK_LOCKED, work->cookie, NULL);
}

static int work_sweep(const struct work *work, struct worker_file *f)
{
	int rc = worker_sweep(IPC_FD, f->tdb, work->cookie);

	if (rc == -EPIPE || rc == -ECONNRESET)
		return rc;
	if (rc != 0)
		return answer_failed(work, "the records cannot be read", -rc);
	return answer(IPC_WORK_SWEPT, work->cookie, NULL);
}

static int work_read(const struct work *work, struct worker_file *f)
{
	uint8_t buf[IPC_MAX];
	struct worker_read_result result;
	struct writer w = ipc_begin(buf, IPC_WORK_READ_DONE);
	int rc = worker_read(IPC_FD, f->tdb, work->cookie, &work->read, &result);

	if (rc == -EPIPE || rc == -ECONNRESET)
		return rc;
	if (rc != 0)
		return answer_failed(work, "the records cannot be read", -rc);
	writer_u64(&w, work->cookie);
	writer_u32(&w, result.next_chain);
	writer_u32(&w, result.is_incomplete);
	return ipc_send(IPC_FD, &w);
}

/* What the engine sends behind the job */
static int work_receive(struct work *work)
{
	static uint8_t buf[IPC_MAX];
	size_t len = 0;

	work->data = malloc(work->total + 1);
	if (work->data == NULL)
		return -ENOMEM;
	while (len < work->total) {
		struct cursor c;
		struct slice part;

		if (ipc_receive(IPC_FD, buf, &c) != IPC_WORK_DATA ||
		    cursor_block(&c, IPC_MAX, &part) || cursor_end(&c) || part.len == 0 ||
		    part.len > work->total - len)
			return -EBADMSG;
		memcpy(work->data + len, part.p, part.len);
		len += part.len;
	}
	return 0;
}

static int work_commit(const struct work *work, struct worker_file *f)
{
	struct slice data = slice_of(work->data, work->total);
	uint8_t buf[IPC_MAX];
	struct writer w = ipc_begin(buf, IPC_WORK_DONE);
	int rc;

	if ((work->tdb_flags & TDB_SEQNUM) != 0)
		tdb_enable_seqnum(f->tdb); /* since the file was opened, perhaps */
	errno = 0;
	if (work->type == IPC_WORK_CHECK)
		rc = worker_check(f->tdb, data);
	else if (work->type == IPC_WORK_APPLY)
		rc = worker_apply(f->tdb, data, work->generation, work->tag,
				  work->is_whole != 0);
	else if (work->type == IPC_WORK_REPLACE)
		rc = worker_replace(f->tdb, data);
	else if (work->type == IPC_WORK_MEND)
		rc = worker_mend(f->tdb);
	else
		rc = worker_dump(IPC_FD, f->tdb, work->cookie);
	writer_u64(&w, work->cookie);
	writer_u32(&w, (uint32_t)-rc);
	return ipc_send(IPC_FD, &w);
}

/* What reads or writes whole databases does not run before the clients, as all else of the daemon does.
 * (Where processes are shared out by session first, it does: the session has the priority.) */
static bool work_is_bulk(enum ipc_type type)
{
	return type == IPC_WORK_SWEEP || type == IPC_WORK_READ || type == IPC_WORK_DUMP ||
	       type == IPC_WORK_REPLACE || type == IPC_WORK_MEND;
}

static int work_do_now(struct worker *wk, const struct work *work)
{
	struct worker_file *f;
	int rc;

	if (work->type == IPC_WORK_UNLOCK) {
		unlock_all(wk);
		return 0;
	}
	if (wk->locked != NULL) /* one chain at a time: two could wait for each other */
		return answer_failed(work, "the worker holds a chain lock", EBUSY);
	rc = worker_cache_open(&wk->cache, work->path, (int)work->tdb_flags, &f);
	if (rc != 0)
		return answer_failed(work, "the database cannot be opened", -rc);
	switch (work->type) {
	case IPC_WORK_LOCK:
		return work_lock(wk, work, f);
	case IPC_WORK_FREEZE:
		return work_freeze(work, f);
	case IPC_WORK_READ:
		return work_read(work, f);
	case IPC_WORK_SWEEP:
		return work_sweep(work, f);
	default:
		return work_commit(work, f);
	}
}

static int work_do(struct worker *wk, const struct work *work)
{
	bool is_lowered = wk->nice < 0 && work_is_bulk(work->type);
	int rc;

	if (is_lowered)
		(void)setpriority(PRIO_PROCESS, 0, 0);
	rc = work_do_now(wk, work);
	if (is_lowered)
		(void)setpriority(PRIO_PROCESS, 0, wk->nice);
	return rc;
}

static int read_decode(struct cursor *c, struct worker_read *r)
{
	return cursor_u32(c, &r->chain) || cursor_u32(c, &r->dmaster) ||
	       cursor_u32(c, &r->with_empty) || cursor_u32(c, &r->chains);
}

static int work_decode(int type, struct cursor *c, struct work *work)
{
	*work = (struct work){ .type = (enum ipc_type)type };
	switch (type) {
	case IPC_WORK_UNLOCK:
		break;
	case IPC_WORK_LOCK:
	case IPC_WORK_FREEZE:
	case IPC_WORK_SWEEP:
	case IPC_WORK_CHECK:
	case IPC_WORK_APPLY:
	case IPC_WORK_REPLACE:
	case IPC_WORK_MEND:
	case IPC_WORK_DUMP:
	case IPC_WORK_READ:
		if (cursor_u64(c, &work->cookie) ||
		    cursor_text(c, work->path, sizeof(work->path)) ||
		    cursor_u32(c, &work->tdb_flags) ||
		    (type == IPC_WORK_LOCK && cursor_block(c, IPC_MAX, &work->key)) ||
		    (type == IPC_WORK_READ && read_decode(c, &work->read)) ||
		    (work_has_data(work->type) && cursor_u64(c, &work->total)) ||
		    (type == IPC_WORK_APPLY &&
		     (cursor_u32(c, &work->generation) || cursor_u32(c, &work->tag) ||
		      cursor_u32(c, &work->is_whole))) ||
		    work->total > WORK_DATA_MAX)
			return -EBADMSG;
		break;
	default:
		return -EBADMSG;
	}
	return cursor_end(c) ? -EBADMSG : 0;
}

int main(int argc, char **argv)
{
	static struct worker wk;
	struct options o;
	int rc = helper_begin(argc, argv, "cotdb-tdb-worker", &o);

	if (rc != 0)
		return rc;
	helper_expendable();
	wk.nice = getpriority(PRIO_PROCESS, 0);
	for (;;) {
		static uint8_t buf[IPC_MAX];
		static struct work work;
		struct cursor c;
		int type = ipc_receive(IPC_FD, buf, &c);

		if (type == 0)
			break;
		if (type < 0 || work_decode(type, &c, &work) != 0 ||
		    (work_has_data(work.type) && work_receive(&work) != 0) ||
		    work_do(&wk, &work) != 0) {
			log_error("the engine's channel is broken | type=%d", type);
			rc = 1;
			break;
		}
		free(work.data);
		work.data = NULL;
	}
	unlock_all(&wk);
	worker_cache_close(&wk.cache);
	log_close();
	return rc;
}
