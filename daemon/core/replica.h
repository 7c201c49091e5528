/* SPDX-License-Identifier: GPL-3.0-or-later */
/* replica.h: databases, and those of which every member has all; part of internal.h */
#ifndef COTDB_CORE_REPLICA_H
#define COTDB_CORE_REPLICA_H

#include "packet.h"

struct member;

/* ---- replica.c: a database of which every member has all ---- */

/* A commit that this member was asked to hold, or does. One for each database. */
enum prepared_state {
	PREPARED_NONE,
	PREPARED_WAITING,  /* until this node has the database itself */
	PREPARED_CHECKING, /* by the store */
	PREPARED_HELD,	   /* it was promised */
	PREPARED_APPLYING, /* COMMIT was delivered */
};
struct prepared {
	enum prepared_state state;
	uint32_t coordinator;
	uint64_t id, ticket, seq;
	bool is_whole; /* the records replace all that is there */
	uint8_t *records;
	size_t len;
};
struct replica {
	struct core_content content; /* of the file */
	bool is_behind;		     /* others have another content: it is fetched */
	bool is_lost;		     /* ... but no member has a good one */
	bool is_writing;	     /* it has come, and is being written */
	uint32_t source;
	struct core_content coming; /* what source has, or what is being applied leads to */
	uint64_t cookie;
	struct prepared prepared;
};

/* ---- commit.c: commits of this node's clients ---- */

enum commit_state { COMMIT_WAITING, COMMIT_PREPARING, COMMIT_DECIDED };
struct commit {
	struct commit *next;
	enum commit_state state;
	bool is_whole;
	bool is_settling; /* the view has changed under it: then the client is told, not before */
	bool is_orphan;   /* the client is gone, and the commit was decided */
	bool is_raising;  /* it was overtaken */
	uint64_t seq, seq_rsn; /* the sequence number that it sets; not of a whole content */
	uint64_t client, orphan_until_ms;
	uint32_t reqid, db_id;
	uint64_t id, until_ms, retry_ms;
	uint64_t push_number; /* not to be decided before those up to this one are through */
	uint64_t has_answered[CORE_MAX_NODES / 64];
	size_t answered_n;
	uint8_t *records;
	size_t len;
};

/* ---- detach.c: it is about to be closed on all nodes, if all agree ---- */

struct detach {
	bool is_asked;
	uint32_t asker;
	uint64_t number; /* the asker's, of this question */
	uint64_t votes[CORE_MAX_NODES / 64];
	size_t votes_n;
};

/* ---- wipe.c: it is about to lose all of its records on all nodes ---- */

enum wipe_state {
	WIPE_NONE,
	WIPE_FREEZING, /* it was asked for: members freeze the file, and say so */
	WIPE_FROZEN,   /* all have said so */
	WIPE_OWED,     /* a plan that brings it was delivered: done with the next activation */
};
struct wipe {
	enum wipe_state state;
	bool is_freezing; /* this node's file is, or will be, frozen */
	uint32_t asker;
	uint64_t number;   /* the asker's, of this question */
	uint64_t until_ms; /* this node is to say no then; UINT64_MAX: it has voted, or has no vote */
	uint64_t votes[CORE_MAX_NODES / 64];
	size_t votes_n;
};

struct db {
	uint32_t db_id, flags;
	char name[CORE_NAME_SIZE];
	struct replica replica;
	struct detach detach;
	struct wipe wipe;
	bool is_wipe_untold; /* it is wiped here, and whoever asked this node for it waits for the others */
	uint32_t wiped_generation; /* records with an rsn of before do not count */
	bool is_swept; /* by this node, in this generation */
	uint64_t copies_out, revokes;
	const struct db_told *told; /* what counts of it; inside db_settle() only */
	uint32_t teller;
};

/* db.c */
struct db *db_get(const struct core *c, uint32_t db_id);
int db_learn(struct core *c, const char *name, uint32_t flags); /* from STATE or ATTACH */
/* A database that the cluster has cannot be opened here: retires */
void db_missing(struct core *c);
/* Every member has told its STATE: learns their databases, and finds who has another one under the
 * same name (struct member, has_other_db). False: not with what they have told, or not on this
 * node, which retires; the view begins anew. */
bool db_settle(struct core *c);

/* detach.c */
void detach_asked(struct core *c, const struct member *asker, uint32_t generation, uint32_t db_id,
		  uint64_t number);
void detach_voted(struct core *c, const struct member *from, uint32_t generation, uint32_t db_id,
		  uint32_t asker, uint64_t number, bool is_free, const char *why);
/* An attach of it is delivered */
void detach_attach_in(struct core *c, struct db *db, uint32_t from);
void detach_forget(struct core *c); /* the view has changed */
bool detach_is_asked(const struct db *db);
/* The generation in which this view goes on, and how many are in it; 0: not yet */
uint32_t detach_generation(const struct core *c, size_t *planned_n);
/* About a database that was detached in the packet's generation: what it says is over */
bool detach_is_past(const struct core *c, const struct packet *p);

/* wipe.c */
void wipe_asked(struct core *c, const struct member *asker, uint32_t generation, uint32_t db_id,
		uint64_t number);
void wipe_voted(struct core *c, const struct member *from, uint32_t generation, uint32_t db_id,
		uint32_t asker, uint64_t number, bool is_frozen, const char *why);
void wipe_gather(struct core *c); /* the view has changed */
bool wipe_is_told(const struct db *db); /* in STATE: this node's file is frozen for it */
void wipe_state_in(struct core *c);
void wipe_promise(struct core *c);
bool wipe_activate(struct core *c); /* false: this node retires */
void wipe_swept(struct core *c);
void wipe_tick(struct core *c);
uint64_t wipe_deadline(const struct core *c);

static inline bool db_is_replicated(const struct db *db)
{
	return db_flags_replicated(db->flags);
}

/* replica.c */
void replica_opened(struct core *c, struct db *db);
void replica_activate(struct core *c); /* who has what is known: fetches what differs */
void replica_packet(struct core *c, uint32_t from, const struct packet *p);
/* COMMIT was delivered, in the generation in which it was sent */
void replica_decided(struct core *c, uint32_t coordinator, struct db *db, uint64_t id);
void replica_free(struct db *db);

/* commit.c */
void commit_packet(struct core *c, uint32_t from, const struct packet *p);
void commit_delivered(struct core *c, uint32_t from, uint32_t generation, uint32_t db_id, uint64_t id);
void commit_activate(struct core *c);
void commit_pushed(struct core *c); /* a push is through: commits may go on */
void commit_client_gone(struct core *c, uint64_t client);
void commit_tick(struct core *c);
uint64_t commit_deadline(const struct core *c);
void commit_free(struct core *c);
/* A rec_buffer: 0, and the sequence number that it sets; -EBADMSG */
int commit_read(struct slice records, uint32_t db_id, uint64_t *seq, uint64_t *seq_rsn);

#endif
