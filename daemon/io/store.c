/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * store.c: the databases as TDB files that clients map too. A volatile one is NAME.PNN in
 * volatile_dir, made anew by each engine: an old file there would mean that its predecessor's
 * databases were not retired, so it is refused. The handle stays open for good: it holds libtdb's
 * lock that keeps the first client from clearing the file (CLEAR_IF_FIRST). Each file is opened
 * once in this process; the workers have their own handles.
 *
 * Nothing here waits: a busy chain lock becomes a wait (store_wait.c), everything else is short.
 */
#include "store_private.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include "daemon/fatal.h"
#include "daemon/io/store_judge.h"
#include "daemon/log.h"

enum {
	STORE_HASH_SIZE = 100001,
	STORE_MAX_DEAD = 5,
	STORE_SCRATCH = 64 * 1024,
	STORE_SCRATCH_KEEP = 1024 * 1024,
};
#define STORE_SPACE_START (64ULL << 20)
#define STORE_SPACE_DB	  (16ULL << 20)

#define TDB_FLAGS_PERSISTENT TDB_DISALLOW_NESTING
#define TDB_FLAGS_VOLATILE                                                                         \
	(TDB_CLEAR_IF_FIRST | TDB_NOSYNC | TDB_DISALLOW_NESTING | TDB_INCOMPATIBLE_HASH)

/* ---- databases ---------------------------------------------------------------------------------
 */

struct store_db *store_db_by_id(struct store *s, uint32_t db_id)
{
	if (s->last != NULL && s->last->id == db_id)
		return s->last;
	for (size_t i = 0; i < s->db_n; i++) {
		if (s->db[i]->id == db_id) {
			s->last = s->db[i];
			return s->last;
		}
	}
	return NULL;
}

__attribute__((format(printf, 3, 4))) static void
store_tdb_log(struct tdb_context *tdb, enum tdb_debug_level level, const char *format, ...)
{
	static const int levels[] = {
		[TDB_DEBUG_FATAL] = LOG_ERR,
		[TDB_DEBUG_ERROR] = LOG_WARNING,
		[TDB_DEBUG_WARNING] = LOG_INFO,
		[TDB_DEBUG_TRACE] = LOG_LEVEL_TRACE,
	};
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	text[strcspn(text, "\n")] = '\0';
	log_at(level <= TDB_DEBUG_TRACE ? levels[level] : LOG_WARNING, "libtdb: %s | file=%s", text,
	       tdb_name(tdb));
}

static bool store_has_space(const char *dir, uint64_t needed)
{
	struct statvfs v;
	uint64_t free_bytes;

	if (statvfs(dir, &v) < 0)
		return true; /* opening tells what is wrong */
	free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
	if (free_bytes >= needed)
		return true;
	log_error("not enough free space | dir=%s free=%" PRIu64 " needed=%" PRIu64, dir,
		  free_bytes, needed);
	return false;
}

static bool store_name_is_usable(const char *name)
{
	return name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL;
}

/* Whether libtdb can work with a file that is there already; such a one is never made anew. 0;
 * -EBADMSG: it is damaged, for *why; another error: it cannot be told. */
static int store_db_judge(struct store_db *db, const char **why)
{
	struct store_verdict v = { 0 };
	bool is_refused;
	int rc = 0;

	*why = "libtdb cannot open it";
	if (db->tdb == NULL)
		return -EBADMSG;
	if (tdb_lockall_read(db->tdb) != 0)
		return -EIO;
	is_refused = tdb_check(db->tdb, NULL, NULL) != 0;
	if (is_refused && tdb_error(db->tdb) == TDB_ERR_OOM)
		rc = -ENOMEM;
	if (rc == 0)
		rc = store_judge_file(tdb_fd(db->tdb), &v, NULL);
	tdb_unlockall_read(db->tdb);
	db->is_mend_due = rc == 0 && store_is_mendable(&v);
	if (!is_refused)
		return rc == -EBADMSG ? 0 : rc;
	*why = v.why;
	if (rc == 0 && v.odd_bytes > 0) {
		*why = "it has space that no list names, and that may have had records";
		rc = -EBADMSG;
	}
	if (rc == 0 && v.endless_n > 0) {
		*why = "a free piece does not end with its size";
		rc = -EBADMSG;
	}
	if (rc == 0)
		log_notice("libtdb refuses a database's file for space that an interrupted commit "
			   "has left; all records are there, and it is used | db=%s file=%s "
			   "bytes=%" PRIu64,
			   db->name, db->path, v.lost_bytes);
	return rc;
}

int store_db_create(struct store *s, struct store_db *db)
{
	const struct options *o = s->engine->options;
	const struct tdb_logging_context log = { .log_fn = store_tdb_log };
	bool is_persistent = (db->flags & DB_PERSISTENT) != 0;
	const char *dir = o->text[is_persistent ? OPTION_persistent_dir : OPTION_volatile_dir];
	int n, rc, open_flags = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
	const char *why;
	bool is_old;

	if (!store_name_is_usable(db->name))
		return -EINVAL;
	n = snprintf(db->path, sizeof(db->path), "%s/%s.%u", dir, db->name, s->engine->pnn);
	if (n < 0 || (size_t)n >= sizeof(db->path))
		return -ENAMETOOLONG;
	if (!store_has_space(dir, STORE_SPACE_DB))
		return -ENOSPC;
	if (is_persistent)
		db->tdb_flags = TDB_FLAGS_PERSISTENT;
	else
		db->tdb_flags = TDB_FLAGS_VOLATILE;
	if (!is_persistent && (db->flags & DB_REPLICATED) == 0 && s->has_mutexes)
		db->tdb_flags |= TDB_MUTEX_LOCKING;
	is_old = is_persistent && access(db->path, F_OK) == 0;
	if (is_old)
		open_flags = O_RDWR | O_CLOEXEC;
	errno = 0;
	db->tdb =
	    tdb_open_ex(db->path, (int)s->hash_size, db->tdb_flags, open_flags, 0600, &log, NULL);
	rc = is_old && (db->tdb != NULL || errno == EIO || errno == EINVAL || errno == 0)
		 ? store_db_judge(db, &why)
		 : 0;
	if (rc != 0) {
		if (db->tdb != NULL)
			tdb_close(db->tdb);
		db->tdb = NULL;
		if (rc != -EBADMSG)
			return rc;
		log_error("a database's file is damaged: it is left as it is, and not used | db=%s "
			  "file=%s why=\"%s\"",
			  db->name, db->path, why);
		db->is_damaged = true;
		return 0;
	}
	if (db->tdb == NULL)
		return errno != 0 ? -errno : -EIO;
	tdb_set_max_dead(db->tdb, (int)s->max_dead);
	return 0;
}

int store_db_open(struct engine *e, uint32_t db_id, const char *name, uint32_t db_flags)
{
	struct store *s = e->store;
	struct store_db *db;
	int rc;

	if (store_db_by_id(s, db_id) != NULL)
		return -EEXIST;
	if (s->db_n == CORE_MAX_DBS)
		return -ENOSPC;
	db = calloc(1, sizeof(*db));
	if (db == NULL)
		return -ENOMEM;
	db->id = db_id;
	db->flags = db_flags;
	rc = snprintf(db->name, sizeof(db->name), "%s", name) < (int)sizeof(db->name)
		 ? store_db_create(s, db)
		 : -ENAMETOOLONG;
	if (rc != 0) {
		log_error("database cannot be opened | name=%s file=%s error=%s", name, db->path,
			  strerror(-rc));
		free(db);
		return rc;
	}
	s->db[s->db_n++] = db;
	log_info("database is open | name=%s id=0x%08x flags=0x%x tdb_flags=0x%x", name, db_id,
		 db_flags, (unsigned int)db->tdb_flags);
	store_freeze_db_opened(s, db);
	store_replica_db_opened(s, db);
	return 0;
}

static void store_db_free(struct store_db *db)
{
	if (db->tdb != NULL)
		tdb_close(db->tdb);
	free(db);
}

/* A detached volatile database leaves no file behind: its name can be attached again */
void store_db_close(struct engine *e, uint32_t db_id)
{
	struct store *s = e->store;
	struct store_db *db = store_db_by_id(s, db_id);

	if (db == NULL)
		return;
	store_wait_db_closed(s, db);
	store_sweep_db_closed(s, db);
	store_read_db_closed(s, db);
	store_freeze_db_closed(s, db);
	store_replica_db_closed(s, db);
	for (size_t i = 0; i < s->db_n; i++) {
		if (s->db[i] == db) {
			memmove(&s->db[i], &s->db[i + 1], (s->db_n - i - 1) * sizeof(s->db[0]));
			s->db_n--;
			break;
		}
	}
	s->last = NULL;
	if ((db->flags & DB_PERSISTENT) == 0)
		unlink(db->path);
	store_db_free(db);
}

/* ---- records -----------------------------------------------------------------------------------
 */

static int store_lock_now(struct store_db *db, struct slice key)
{
	if (db == NULL || db->tdb == NULL)
		return -ENOENT;
	errno = 0;
	if (tdb_chainlock_nonblock(db->tdb, store_key(key)) == 0)
		return 0;
	if (errno == EAGAIN || errno == EACCES || errno == EBUSY || errno == EINTR)
		return -EAGAIN;
	return errno != 0 ? -errno : -EIO;
}

int store_lock(struct engine *e, uint32_t db_id, struct slice key)
{
	struct store_db *db = store_db_by_id(e->store, db_id);
	int rc = store_lock_now(db, key);

	return rc == -EAGAIN ? store_wait_add(e->store, db, key) : rc;
}

int store_trylock(struct engine *e, uint32_t db_id, struct slice key)
{
	return store_lock_now(store_db_by_id(e->store, db_id), key);
}

void store_unlock(struct engine *e, uint32_t db_id, struct slice key)
{
	struct store_db *db = store_db_by_id(e->store, db_id);

	if (db == NULL || tdb_chainunlock(db->tdb, store_key(key)) != 0)
		bug("a chain lock that is not held is given back | db=0x%08x", db_id);
}

struct store_got {
	struct store *store;
	struct record_header *header;
	struct slice *body;
	int rc;
};

static bool store_scratch_fits(struct store *s, size_t len)
{
	size_t size = len > STORE_SCRATCH ? len : STORE_SCRATCH;
	uint8_t *p;

	if (len <= s->scratch_size &&
	    (s->scratch_size <= STORE_SCRATCH_KEEP || len > STORE_SCRATCH))
		return true;
	p = malloc(size);
	if (p == NULL)
		return false;
	free(s->scratch);
	s->scratch = p;
	s->scratch_size = size;
	return true;
}

static int store_parse(TDB_DATA key, TDB_DATA data, void *private_data)
{
	struct store_got *got = private_data;
	struct cursor c = cursor_of(data.dptr, data.dsize);
	struct record_header *h = got->header;
	uint32_t unused;

	(void)key;
	if (cursor_u64(&c, &h->rsn) || cursor_u32(&c, &h->dmaster) || cursor_u32(&c, &unused) ||
	    cursor_u32(&c, &h->flags) || cursor_u32(&c, &unused)) {
		got->rc = -ENOENT;
		return 0;
	}
	if (!store_scratch_fits(got->store, c.left)) {
		got->rc = -ENOMEM;
		return 0;
	}
	if (c.left > 0)
		memcpy(got->store->scratch, c.p, c.left);
	*got->body = slice_of(got->store->scratch, c.left);
	got->rc = 0;
	return 0;
}

int store_get(struct engine *e, uint32_t db_id, struct slice key, struct record_header *h,
	      struct slice *body)
{
	struct store_db *db = store_db_by_id(e->store, db_id);
	struct store_got got = { .store = e->store, .header = h, .body = body, .rc = -ENOENT };

	if (db == NULL || db->tdb == NULL)
		return -ENOENT;
	if (tdb_parse_record(db->tdb, store_key(key), store_parse, &got) != 0)
		return tdb_error(db->tdb) == TDB_ERR_NOEXIST ? -ENOENT : -EIO;
	return got.rc;
}

static int store_write_errno(struct tdb_context *tdb)
{
	switch (tdb_error(tdb)) {
	case TDB_ERR_NOEXIST:
		return -ENOENT;
	case TDB_ERR_OOM:
		return -ENOMEM;
	case TDB_ERR_IO:
		return errno == ENOSPC ? -ENOSPC : -EIO;
	default:
		return -EIO;
	}
}

int store_put(struct engine *e, uint32_t db_id, struct slice key, const struct record_header *h,
	      struct slice body)
{
	struct store_db *db = store_db_by_id(e->store, db_id);
	uint8_t header[RECORD_HEADER_SIZE];
	struct writer w = writer_of(header, sizeof(header));
	TDB_DATA part[2];

	if (db == NULL || db->tdb == NULL)
		return -ENOENT;
	writer_u64(&w, h->rsn);
	writer_u32(&w, h->dmaster);
	writer_u32(&w, 0);
	writer_u32(&w, h->flags);
	writer_u32(&w, 0);
	part[0] = (TDB_DATA){ .dptr = header, .dsize = sizeof(header) };
	part[1] = store_key(body);
	if (tdb_storev(db->tdb, store_key(key), part, body.len > 0 ? 2 : 1, 0) != 0)
		return store_write_errno(db->tdb);
	return 0;
}

int store_del(struct engine *e, uint32_t db_id, struct slice key)
{
	struct store_db *db = store_db_by_id(e->store, db_id);

	if (db == NULL || db->tdb == NULL)
		return -ENOENT;
	return tdb_delete(db->tdb, store_key(key)) == 0 ? 0 : store_write_errno(db->tdb);
}

/* ---- for the clients' controls -----------------------------------------------------------------
 */

int store_db_path(struct engine *e, uint32_t db_id, const char **path)
{
	struct store_db *db = store_db_by_id(e->store, db_id);

	if (db == NULL)
		return -ENOENT;
	*path = db->path;
	return 0;
}

int store_db_open_flags(struct engine *e, uint32_t db_id, int *tdb_flags)
{
	struct store_db *db = store_db_by_id(e->store, db_id);

	if (db == NULL)
		return -ENOENT;
	*tdb_flags = db->tdb_flags;
	return 0;
}

/* Who opens a file with CLEAR_IF_FIRST keeps a read lock on this byte of it, and gets the file wiped
 * by libtdb when nobody else has one */
#define TDB_ACTIVE_LOCK 4

int store_db_user(struct engine *e, uint32_t db_id)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = TDB_ACTIVE_LOCK, .l_len = 1 };
	struct store_db *db = store_db_by_id(e->store, db_id);

	if (db == NULL || db->tdb == NULL || fcntl(tdb_fd(db->tdb), F_GETLK, &lock) != 0 ||
	    lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid > 0 ? lock.l_pid : -1; /* of another pid namespace */
}

int store_db_enable_seqnum(struct engine *e, uint32_t db_id)
{
	struct store_db *db = store_db_by_id(e->store, db_id);

	if (db == NULL)
		return -ENOENT;
	store_seqnum_enable(db);
	return 0;
}

void store_find_persistent(struct engine *e)
{
	const char *path = e->options->text[OPTION_persistent_dir];
	char suffix[32], name[CORE_NAME_SIZE];
	DIR *dir = opendir(path);
	struct dirent *d;

	if (dir == NULL) {
		log_error("the persistent databases cannot be listed | dir=%s error=%s", path,
			  strerror(errno));
		return;
	}
	snprintf(suffix, sizeof(suffix), ".tdb.%u", e->pnn);
	while ((d = readdir(dir)) != NULL) {
		size_t len = strlen(d->d_name), tail = strlen(suffix);
		int rc;

		if (len <= tail || strcmp(d->d_name + len - tail, suffix) != 0 ||
		    len - tail + 4 >= sizeof(name))
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(len - tail + 4), d->d_name);
		rc = core_db_found(e->core, name, DB_PERSISTENT);
		if (rc != 0)
			log_error("a persistent database is not used | db=%s error=%s", name,
				  strerror(-rc));
	}
	closedir(dir);
}

void store_tune(struct engine *e, uint32_t hash_size, uint32_t max_dead)
{
	e->store->hash_size = hash_size;
	e->store->max_dead = max_dead;
}

void store_stats(const struct engine *e, struct store_stats *stats)
{
	*stats = e->store->stats;
}

/* ---- open, close -------------------------------------------------------------------------------
 */

/* dir and what is above it; only dir itself is private */
static int store_make_dir(const char *dir)
{
	char path[4096];
	struct stat st;
	int n = snprintf(path, sizeof(path), "%s", dir);

	if (n <= 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	for (char *p = strchr(path + 1, '/'); p != NULL; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (stat(path, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int store_open(struct engine *e)
{
	const char *volatile_dir = e->options->text[OPTION_volatile_dir];
	const char *persistent_dir = e->options->text[OPTION_persistent_dir];
	struct store *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return -ENOMEM;
	s->engine = e;
	s->hash_size = STORE_HASH_SIZE;
	s->max_dead = STORE_MAX_DEAD;
	s->queue_tail = &s->queue;
	e->store = s;
	rc = store_make_dir(volatile_dir);
	if (rc == 0)
		rc = store_make_dir(persistent_dir);
	if (rc != 0) {
		log_error("folder of the databases cannot be used | dirs=%s,%s error=%s",
			  volatile_dir, persistent_dir, strerror(-rc));
		return rc;
	}
	if (!store_has_space(volatile_dir, STORE_SPACE_START))
		return -ENOSPC;
	/* libtdb tries this with a child of its own, once; afterwards the kernel may reap for us */
	s->has_mutexes = tdb_runtime_check_for_robust_mutexes();
	signal(SIGCHLD, SIG_IGN);
	if (!s->has_mutexes)
		log_warning("robust mutexes do not work here: chain locks are slower");
	return store_wait_open(s);
}

static void workers_watch(struct store_worker *w, size_t n, uint64_t limit_ms)
{
	for (size_t i = 0; i < n; i++)
		if (w[i].store != NULL)
			channel_watch(&w[i].channel, limit_ms);
}

void store_watch(struct engine *e, uint64_t limit_ms)
{
	struct store *s = e->store;

	workers_watch(s->locker, s->locker_n, limit_ms);
	workers_watch(s->sweeper, STORE_SWEEPERS, limit_ms);
	workers_watch(s->reader, STORE_READERS, limit_ms);
	workers_watch(s->committer, STORE_COMMITTERS, limit_ms);
	for (size_t i = 0; i < s->db_n; i++) /* one that keeps a database frozen does that stopped, too */
		if (s->db[i]->freezer != NULL && !s->db[i]->is_frozen)
			workers_watch(s->db[i]->freezer, 1, limit_ms);
}

void store_close(struct engine *e)
{
	struct store *s = e->store;

	store_wait_close(s);
	store_sweep_close(s);
	store_read_close(s);
	store_freeze_close(s);
	store_replica_close(s);
	for (size_t i = 0; i < s->db_n; i++)
		store_db_free(s->db[i]);
	free(s->scratch);
	free(s);
	e->store = NULL;
}
