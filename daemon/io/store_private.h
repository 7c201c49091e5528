/* SPDX-License-Identifier: GPL-3.0-or-later */
/* store_private.h: what the files store*.c share */
#ifndef COTDB_STORE_PRIVATE_H
#define COTDB_STORE_PRIVATE_H

#include "channel.h"
#include "store.h"

struct store_db;

/* A process that waits for locks. Its job, if any, is in the union of its kind. */
struct store_worker {
	struct store *store;
	struct channel channel;
	bool is_retry_armed;
	qb_loop_timer_handle retry_timer;
	uint64_t started_ms, cookie; /* of its job; an answer with another cookie is late */
	/* It has ended by itself and has been started again: its job is to be given out anew */
	void (*restarted)(struct store_worker *w);
	struct store_wait *wait;   /* kind lock */
	struct store_sweep *sweep; /* kind sweep */
	struct store_read *read;   /* kind read */
	struct store_db *frozen;   /* kind freeze */
	struct store_job *job;	   /* kind commit */
};

/* A key whose chain lock another process has */
struct store_wait {
	struct store_wait *next_hash;
	struct store_wait *next, **prev; /* in the queue, while no worker waits for it */
	struct store_db *db;
	struct store_worker *worker;
	bool is_queued, is_polled_only;
	uint64_t since_us;
	uint32_t hash;
	size_t len;
	uint8_t key[];
};

struct store_sweep {
	struct store_sweep *next;
	struct store_db *db;
	uint64_t cookie;
	unsigned int failures;
	struct store_worker *worker;
	uint32_t chain; /* those before it are told */
};

/* A whole database that another node sends */
struct store_coming {
	uint64_t cookie;
	uint8_t *data;
	size_t len, size;
};

struct store_db {
	uint32_t id, flags;
	int tdb_flags; /* what a client has to open it with */
	char name[CORE_NAME_SIZE];
	char path[4096];
	struct tdb_context *tdb; /* NULL: its file is damaged, and not touched */
	bool is_damaged, is_mend_due; /* mend: traces of a rolled back commit are in it */
	struct store_coming coming;
	struct store_worker *freezer;
	bool is_frozen, is_wiping; /* wiping: it is frozen for that, whatever the others are */
	uint32_t seqnum; /* store_seqnum.c: what the other nodes were told */
};

enum { STORE_WAIT_BUCKETS = 256, STORE_SWEEPERS = 2, STORE_READERS = 8, STORE_COMMITTERS = 2 };

struct store {
	struct engine *engine;
	bool has_mutexes;
	uint32_t hash_size, max_dead;
	struct store_db *db[CORE_MAX_DBS];
	size_t db_n;
	struct store_db *last; /* found last */
	uint8_t *scratch;      /* of the last get */
	size_t scratch_size;
	uint64_t next_cookie;

	/* store_wait.c */
	struct store_worker *locker;
	size_t locker_n;
	struct store_wait *wait[STORE_WAIT_BUCKETS];
	struct store_wait *queue, **queue_tail;
	bool is_poll_armed;
	qb_loop_timer_handle poll_timer;
	struct store_stats stats;

	/* store_sweep.c */
	struct store_worker sweeper[STORE_SWEEPERS];
	struct store_sweep *sweeps;	  /* oldest first */
	qb_loop_timer_handle sweep_timer; /* until they begin; 0: they have */
	bool is_sweep_paused;
	struct core_sweep_entry *entries;

	/* store_read.c */
	struct store_worker reader[STORE_READERS];
	struct store_read *reads; /* oldest first */
	bool is_read_armed;
	qb_loop_timer_handle read_timer;

	/* store_replica.c */
	struct store_worker committer[STORE_COMMITTERS];
	struct store_job *jobs; /* oldest first */

	/* store_freeze.c */
	bool is_freezing, is_frozen_told, is_report_armed;
	qb_loop_timer_handle report_timer;
};

/* NULL when it is not open */
struct store_db *store_db_by_id(struct store *s, uint32_t db_id);

static inline TDB_DATA store_key(struct slice key)
{
	return (TDB_DATA){ .dptr = (unsigned char *)(uintptr_t)key.p, .dsize = key.len };
}

/* store_worker.c. events->packet gets the channel, whose owner is the worker. */
int store_worker_start(struct store_worker *w, struct store *s, const struct channel_events *events,
		       void (*restarted)(struct store_worker *w));
/* One of a pool that has no job, started if it does not run yet; NULL: none can be had now */
struct store_worker *store_worker_free(struct store *s, struct store_worker *pool, size_t n,
				       const struct channel_events *events,
				       void (*restarted)(struct store_worker *w));
/* From the channel's ended(): starts it again, at once when it had lived for a while */
void store_worker_ended(struct channel *ch);
void store_worker_stop(struct store_worker *w);
/* Begins a job of that type on a database; the writer takes what else the type has */
struct writer store_worker_job(struct store_worker *w, enum ipc_type type,
			       const struct store_db *db, void *buf);
void store_worker_unlock(struct store_worker *w);

/* store_wait.c */
int store_wait_open(struct store *s);
void store_wait_close(struct store *s);
/* The core wants this key's lock: core_key_unlocked() when it can be had */
int store_wait_add(struct store *s, struct store_db *db, struct slice key);
void store_wait_db_closed(struct store *s, struct store_db *db);

/* store_seqnum.c */
void store_seqnum_enable(struct store_db *db);

/* store_sweep.c */
void store_sweep_close(struct store *s);
void store_sweep_db_closed(struct store *s, struct store_db *db);

/* store_read.c */
void store_read_close(struct store *s);
void store_read_db_closed(struct store *s, struct store_db *db);

/* store.c: makes or opens the file */
int store_db_create(struct store *s, struct store_db *db);

/* store_replica.c */
void store_replica_close(struct store *s);
void store_replica_db_opened(struct store *s, struct store_db *db);
void store_replica_db_closed(struct store *s, struct store_db *db);

/* store_freeze.c */
void store_freeze_close(struct store *s);
void store_freeze_db_opened(struct store *s, struct store_db *db);
void store_freeze_db_closed(struct store *s, struct store_db *db);

#endif
