/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * internal.h: the inside of struct core, for the files of this folder only. Its parts are in packet.h,
 * membership.h, record.h and replica.h.
 *
 *   view.c      membership, STATE, ACTIVATE         gate.c     quorum, topology
 *   fencing.c   the gate of departed nodes          lock.c     the recovery lock's gate
 *   fact.c      what became of incarnations         slot.c     key -> lmaster
 *   control.c   messages over CPG                   hint.c     whom to ask first
 *   session.c   a pair's stream                     packet.c   what travels in it
 *   link.c      pairs that cannot exchange data
 *   request.c   what clients of this node wait for  record.c   giving and taking records
 *   location.c  what the lmaster knows              sweep.c    recovery
 *   location_table.c  its table                     resolve.c  who has it? in a recovery
 *   db.c        attach                              detach.c   and the end
 *   message.c   srvids
 *   keystate.c  what waits for a key                status.c   what it is doing
 *   waiting.c   and for how long
 *   traverse.c  all records of a database       scan.c     reading them
 *   commit.c    commits of this node's clients      replica.c  databases that all have
 *   vacuum.c    which empty records may go          erase.c    how they go
 *   parked.c    requests that waited too long   progress.c  where a recovery is
 *   readonly.c  copies that others read             sticky.c   records that move too often
 *   push.c      copies that all are to have     drain.c    all is handed over
 *   wipe.c      all records of a database go
 */
#ifndef COTDB_CORE_INTERNAL_H
#define COTDB_CORE_INTERNAL_H

#include "core.h"
#include "fsm.h"
#include "membership.h"
#include "packet.h"
#include "record.h"
#include "replica.h"

struct registration {
	struct registration *next;
	uint64_t srvid, client;
};
#define SRVID_BUCKETS 4096

struct loop { /* packets to oneself: [0, len) waits, in order */
	uint8_t *buf;
	size_t size, len;
};

struct core {
	struct core_config config;
	const struct core_ops *ops;
	void *world;
	uint32_t self; /* pnn */

	struct view view;
	struct gate gate[CORE_GATE_COUNT];
	struct lock lock;
	enum reason topology;
	char topology_text[256];
	enum reason reason; /* why kept out by the last ACTIVATE */
	struct fact fact[FACT_COUNT];
	size_t fact_n;
	struct departed *departed;
	size_t departed_n;

	/* The active generation */
	uint32_t generation;	   /* the newest that it knows: active, promised, or on its disk */
	struct incarnation *known; /* who is or may be active (known.c) */
	size_t known_n;
	bool was_outside; /* others have told of it, or its plan was without this node */
	struct incarnation started[STARTED_COUNT]; /* and who may be without our having heard */
	size_t started_n;
	uint32_t persisted_generation; /* on disk */
	uint32_t active_generation; /* of this incarnation, 0: never active */
	bool is_active;		    /* a member of active_generation, which is the newest known */
	bool is_frozen, is_retired;
	uint32_t leader;
	struct incarnation *active;
	size_t active_n;
	uint32_t active_tag; /* of those in it */
	uint16_t slot[SLOT_COUNT];
	uint64_t done[CORE_MAX_NODES / 64]; /* whose sweep reports are all in */
	size_t done_n;
	bool is_swept; /* own sweep ended */
	bool is_recovering;
	uint32_t detached_id, detached_generation; /* the last that was, and in which */
	uint64_t detach_number, wipe_number; /* of this node's questions */

	struct node *node[CORE_MAX_NODES];
	struct db *db[CORE_MAX_DBS];
	size_t db_n;
	struct commit *commits;
	uint64_t commit_id, ticket;
	size_t writing_n; /* files that are being written: STATE waits for them */
	size_t prepared_bytes;
	struct push *pushes;
	uint64_t push_number, push_ticket;
	size_t push_bytes, pushes_n;
	struct keytable keys;
	struct location_table locations;
	struct resolution *resolution[RESOLUTION_BUCKETS]; /* by the location's fingerprint */
	size_t resolutions_n;
	struct hint hint[HINT_COUNT];
	struct readers readers[READERS_COUNT];
	struct core_sticky sticky;
	struct moves moves[MOVES_COUNT];
	struct keystate *held_first, *held_last;
	uint64_t copies_n; /* that the sweep has found, and that can still be read */
	uint64_t refused_log_ms; /* requests that were refused: not to be logged before */
	uint32_t refused_n;	 /* ... since the last that was */
	struct registration *srvid[SRVID_BUCKETS];
	struct loop loop, looping; /* filled while the other is worked off */
	bool is_looping;
	uint64_t tick_settled_ms; /* the settle_ms that status_changed() told the end of */
	uint64_t tick_ms; /* of the last core_tick(): the next is due 10 ms later at the earliest */
	struct traverses *traverses;
	struct vacuum *vacuum;
	uint64_t link_due_ms;	/* when link_tick() has to look */
	uint32_t link_asks;	/* of a joiner that was kept out for want of one */
	struct drain *drain;
	uint32_t drain_questions; /* of others, that are not answered yet */
	uint64_t parked_due_ms; /* when parked_tick() has to look, UINT64_MAX: nobody is parked */
	uint8_t *scratch;
	size_t scratch_size;
	struct core_status count; /* counters only */
};

/* core.c */
void core_log(struct core *c, enum core_log level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void *core_alloc(size_t size); /* zeroed; ends the process when there is no memory */
uint64_t core_now(struct core *c);
uint64_t core_hash(uint32_t db_id, struct slice key);
struct node *node_get(struct core *c, uint32_t pnn);	   /* makes it; NULL: no such number */
const char *node_name(const struct core *c, uint32_t pnn); /* "?" if unknown */
void core_run(struct core *c); /* handle the packets to oneself; at the end of every event */
static inline bool core_has_bug(const struct core *c, enum core_bug bug)
{
	return c->config.bug == bug;
}

/* progress.c: for status only */
void progress_gather(struct core *c);
void progress_gated(struct core *c);
void progress_fencing(struct core *c, bool is_open);
void progress_active(struct core *c);
void progress_swept(struct core *c);
void progress_status(const struct core *c, struct core_status *s);
enum core_owes progress_owes(const struct core *c, const struct node *n);

/* message.c */
void message_deliver(struct core *c, uint64_t srvid, struct slice data);
void message_client_gone(struct core *c, uint64_t client);
void message_free(struct core *c);

#endif
