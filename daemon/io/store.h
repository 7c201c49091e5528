/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * store.h: the databases of this node as real TDB files, opened once each and for good (libtdb's
 * ACTIVE lock must be held for as long as clients may open them), and the pool of worker processes
 * that wait for locks which clients hold. Files, names, flags: CTDB's (database.md).
 */
#ifndef COTDB_STORE_H
#define COTDB_STORE_H

#include <sys/types.h>
#include <tdb.h>
#include "engine.h"

/* Makes the folders, checks free space, starts the workers. 0 or -errno, with the reason logged */
int store_open(struct engine *e);
void store_close(struct engine *e);

/* CTDB's tunables DatabaseHashSize and DatabaseMaxDead, for databases opened from now on */
void store_tune(struct engine *e, uint32_t hash_size, uint32_t max_dead);

/* Tells the core of the persistent databases that are on this node's disk: before it joins */
void store_find_persistent(struct engine *e);

/* For the clients' controls. path lent until the database is closed; -ENOENT */
int store_db_path(struct engine *e, uint32_t db_id, const char **path);
/* The flags a client has to open the file with (DB_OPEN_FLAGS); -ENOENT */
int store_db_open_flags(struct engine *e, uint32_t db_id, int *tdb_flags);
/* The process id of somebody else who has the file open as clients have; 0: nobody */
int store_db_user(struct engine *e, uint32_t db_id);
int store_db_enable_seqnum(struct engine *e, uint32_t db_id);

/* store_seqnum.c. changed: calls tell() for each volatile database whose sequence number has changed
 * since tell() of it has returned true. raise: another node's has changed; -ENOENT */
void store_seqnum_changed(struct engine *e, bool (*tell)(void *arg, uint32_t db_id), void *arg);
int store_seqnum_raise(struct engine *e, uint32_t db_id);

/* The core's ops for the store (core.h has what they mean) */
int store_db_open(struct engine *e, uint32_t db_id, const char *name, uint32_t db_flags);
void store_db_close(struct engine *e, uint32_t db_id);
int store_lock(struct engine *e, uint32_t db_id, struct slice key);
int store_trylock(struct engine *e, uint32_t db_id, struct slice key);
void store_unlock(struct engine *e, uint32_t db_id, struct slice key);
int store_get(struct engine *e, uint32_t db_id, struct slice key, struct record_header *h,
	      struct slice *body);
int store_put(struct engine *e, uint32_t db_id, struct slice key, const struct record_header *h,
	      struct slice body);
int store_del(struct engine *e, uint32_t db_id, struct slice key);
void store_sweep_go_on(struct engine *e); /* after each event: perhaps the peers have taken it now */
void store_sweep_start(struct engine *e, uint32_t db_id, uint64_t cookie);
void store_traverse_read(struct engine *e, const struct core_traverse_read *r);
void store_traverse_cancel(struct engine *e, uint64_t cookie);
void store_db_content(struct engine *e, uint32_t db_id, struct core_content *content);
void store_commit_check(struct engine *e, uint32_t db_id, uint64_t ticket, struct slice records);
void store_commit_apply(struct engine *e, uint32_t db_id, uint64_t ticket,
			const struct core_content *becomes, struct slice records, bool is_whole);
void store_transfer_send(struct engine *e, uint32_t db_id, uint32_t to_pnn, uint64_t cookie);
void store_transfer_receive(struct engine *e, uint32_t db_id, uint64_t cookie, struct slice part,
			    bool is_last);
void store_freeze(struct engine *e);
/* One volatile database, to be wiped: core_db_frozen() follows */
void store_db_freeze(struct engine *e, uint32_t db_id);
int store_db_wipe(struct engine *e, uint32_t db_id);
void store_db_thaw(struct engine *e, uint32_t db_id);
void store_unfreeze(struct engine *e);

/* Ends those of its workers that were stopped by somebody for as long; they are started again */
void store_watch(struct engine *e, uint64_t limit_ms);

/* Hash chains of all volatile databases, and those of them that no sweep has still to read */
struct store_progress {
	uint64_t chains, chains_done;
};
void store_sweep_progress(const struct engine *e, struct store_progress *p);
/* Databases that are being read for other nodes, which have to have all of them */
size_t store_transfers(const struct engine *e);

/* Counters for `ctdb statistics` and `cotdb status` */
struct store_stats {
	uint64_t lock_waits, lock_waits_now, lock_waits_queued, lock_failures;
	uint64_t lock_wait_us_total, lock_wait_us_max;
};
void store_stats(const struct engine *e, struct store_stats *s);

#endif
