/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * internal.h: the inside of struct core, for the files of this folder only.
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
 */
#ifndef COTDB_CORE_INTERNAL_H
#define COTDB_CORE_INTERNAL_H

#include "core.h"
#include "fsm.h"
#include "lib/cursor.h"

/* Between nodes. 1 was what came before the first release. */
#define CORE_PROTOCOL_MIN 2
#define CORE_PROTOCOL_MAX 3 /* 3: LINKS (link.c); used when all members know it. DRAIN (drain.c) */
#define SLOT_COUNT	  1024
#define STARTED_COUNT	  64
#define FACT_COUNT	  64

/* ---- session.c ---- */

/* What has to reach a peer, and how far it and we have come. A linear buffer: [acked, sent) is
 * kept for a resend, [sent, end) waits for the link. Offsets are into buf. */
struct session {
	uint8_t *buf;
	size_t size, acked, sent, end;
	uint64_t next_seq;     /* of the next packet */
	uint64_t acked_seq;    /* the peer has it, and so have we let go of it */
	uint64_t received_seq; /* of the peer's packets, the last one taken */
	size_t untold_bytes;
	uint64_t ack_due_ms; /* UINT64_MAX: nothing to tell */
};

/* ---- a node ---- */

struct node {
	uint32_t pnn;
	uint64_t boot_id; /* 0: no STATE seen yet */
	char name[CORE_NAME_SIZE];
	char address[CORE_NAME_SIZE];
	bool is_member, is_active, is_connected, has_supervisor, is_untold, is_held;
	bool is_in_ring; /* corosync's */
	bool is_draining; /* it has said so, in this generation (drain.c) */
	bool knows_drain; /* its protocol has it; in this generation */
	bool is_leaving;  /* ... and that it is about to go: it gets no records any more */
	uint64_t drain_ticket; /* to be answered; 0: nothing is */
	enum reason kept_out; /* REASON_NONE unless the last ACTIVATE left it out */
	uint64_t silent_ms;   /* a member without a link: when to say so (again) */
	/* link.c: when data last went to it; how much it had acknowledged at the last look; when its link came
	 * up; since when it says that we do not answer, 0: it does not */
	uint64_t moved_ms, looked_seq, up_ms, named_ms;
	struct session session;
	/* Sweep reports to this lmaster being filled */
	uint8_t *report;
	size_t report_len;
	uint32_t report_n, report_db;
};
static inline bool node_is_there(const struct node *n)
{
	return n != NULL && n->is_active && n->is_member;
}
/* Whether a record may go to it */
static inline bool node_takes_records(const struct node *n)
{
	return node_is_there(n) && !n->is_leaving;
}

/* ---- view.c ---- */

/* A database as a member's STATE tells it */
struct db_told {
	uint32_t db_id, flags;
	char name[CORE_NAME_SIZE];
	struct core_content content; /* of persistent and replicated ones */
	bool is_behind;
};

/* One engine process in the group, and its STATE for this view */
struct member {
	uint32_t pnn, pid;
	bool has_state;
	uint64_t boot_id, round;
	uint32_t last_generation;   /* the newest it knows: active, promised, or on its disk */
	uint32_t active_generation; /* of this very incarnation, 0: never active */
	struct incarnation *known, *active; /* who may be, and who is active in the two */
	struct incarnation *started;
	size_t known_n, active_n, started_n;
	struct db_told *dbs;
	size_t dbs_n;
	bool has_other_db; /* than the cluster has under this name or id: evicted (db.c) */
	uint32_t protocol_max;
	bool has_told_links;		    /* as joiner */
	uint64_t cut[CORE_MAX_NODES / 64]; /* with whom it cannot exchange data */
	bool is_leader; /* of active_generation */
	bool is_compatible;
	bool has_failed_lock; /* as leader of this view */
	enum reason topology;
	/* What the refused try brought */
	bool is_joiner, has_tried;
	bool is_planned, has_accepted; /* in the leader's plan; it promised to take part */
	enum reason kept_out;
};

enum lock_question { LOCK_Q_TRY, LOCK_Q_PROBE, LOCK_Q_CHECK };
struct lock {
	bool is_held, is_checked;
	/* What the helper was asked and has not answered yet, oldest first */
	struct {
		enum lock_question what;
		uint64_t digest, asked_ms;
		uint32_t holder; /* whose HELD a PROBE answers */
	} asked[8];
	size_t asked_n;
	uint64_t since_ms, retry_ms; /* trying since; not before */
	struct core_lock_id id;
	enum reason failure; /* why this node gave up last */
};

struct view {
	struct fsm fsm; /* states: enum core_view */
	struct core_ring ring, quorum_ring;
	bool is_quorate;
	struct member *member;
	size_t n;
	uint64_t group;	 /* digest of the members and restarts: names the view in STATE, RESTART */
	uint64_t digest; /* ... and of each member's round: in all others; 0 before STATE is in */
	uint64_t round;	 /* how often this node began to gather: no STATE of its is like another */
	uint32_t restarts;
	uint32_t candidate; /* pnn of who is to lead, or CORE_UNKNOWN_PNN */
	bool is_held_sent, is_activate_sent, is_lock_failed_sent;
	uint32_t plan_generation, plan_leader; /* ACTIVATE was delivered; 0: not yet */
	bool owes_accept; /* until the plan is on disk */
	bool is_plan_active; /* everybody in it has accepted it */
	bool owes_state;  /* until what was decided is in the files */
	/* link.c: what this node has told; when it tells that a cut pair of it is due, 0: it has none;
	 * since when its joiners' links are waited for */
	uint64_t told_cut[CORE_MAX_NODES / 64], due_ms, link_wait_ms;
	bool has_told_links, has_told_due, has_asked_again;
	uint64_t begin_ms, held_ms, relead_ms, silent_ms, settle_ms;
};

enum fact_kind { FACT_LEFT, FACT_REVOKED, FACT_FENCED };
struct fact {
	struct incarnation inc;
	enum fact_kind kind;
};

/* One departed incarnation that the fencing gate waits for, at the leader */
struct departed {
	struct incarnation inc;
	uint64_t since_ms, request_ms; /* when to ask for fencing */
	uint32_t wait_ms; /* that this is after, from when it became so; 0: it is not waited yet */
	uint32_t tries;
	bool has_left_ring; /* its node did: it may be starting again */
	char result[160];
};

struct gate {
	bool is_open;
	enum reason reason;
	char text[256];
	uint64_t since_ms;
};

/* ---- keystate.c: what waits for a key on this node ---- */

struct op { /* a packet or a call that waits for the chain lock */
	struct op *next;
	bool is_call;
	uint32_t from, generation; /* packet */
	uint64_t client, since_ms; /* call */
	uint32_t reqid, callid;
	bool is_readonly;
	size_t len; /* packet bytes behind */
	uint8_t data[];
};
struct waiter { /* a call that waits for the record */
	struct waiter *next;
	uint64_t client, since_ms;
	uint32_t reqid, callid;
	bool is_readonly; /* a copy to read would do */
};
/* The owner calls in the copies of its record (readonly.c) */
struct revoke {
	uint64_t awaited[CORE_MAX_NODES / 64]; /* who has not said yet that he has none */
	size_t n;
};
struct keystate {
	struct keystate *next;
	uint64_t hash;
	uint32_t db_id;
	size_t keylen;
	struct op *op_first, **op_last; /* blocked on the chain lock */
	bool is_blocked;		/* the store will call core_key_unlocked() */
	struct waiter *waiter_first, **waiter_last;
	uint32_t asked_generation; /* the lmaster was asked in it, 0: not */
	uint32_t *parked;	   /* those whose forward came before the record, or has to wait */
	size_t parked_n;
	uint64_t parked_ms; /* when they go back to the lmaster */
	struct revoke *revoke; /* NULL: none is under way */
	struct push *push;     /* NULL: all have it. Borrowed from struct core */
	uint64_t held_until_ms;	    /* sticky.c; 0: not held */
	struct keystate *held_next; /* those that are held, in the order of their time */
	uint8_t key[];
};
struct keytable {
	struct keystate **bucket;
	size_t buckets, n;
	struct keystate *spare; /* to be used again: no malloc for each call */
	struct waiter *spare_waiter;
	size_t spare_n, spare_waiter_n;
};

/* ---- push.c: a record that all are to have a copy of ---- */

struct push {
	struct push *next;
	uint64_t number; /* a commit asked for later waits for it */
	uint64_t order;	 /* of the contents */
	uint64_t ticket; /* of what was sent for it last */
	uint64_t hash, own_rsn;
	uint32_t db_id;
	struct record_header header;
	uint64_t awaited[CORE_MAX_NODES / 64]; /* who has not said yet that he has it */
	size_t awaited_n;
	size_t keylen, len;
	uint8_t data[]; /* key, body */
};

/* ---- location.c: where records are, at their lmaster ---- */

#define LOCATION_NOBODY 0xFFFFU
struct location {
	struct location *next;
	uint64_t rsn;
	uint32_t hash;
	uint32_t db_id;
	uint16_t holder; /* owner if definitive, else who offers the best copy, or LOCATION_NOBODY */
	uint16_t keylen;
	bool is_definitive : 1;
	bool is_sole : 1; /* made new for holder in this generation, and never moved: no other copy exists */
	bool is_awaited : 1; /* it has a resolution */
	uint8_t key[];
};
_Static_assert(CORE_MAX_KEY <= UINT16_MAX && CORE_MAX_NODES <= LOCATION_NOBODY, "they fit");
struct location_chunk {
	struct location_chunk *next;
	size_t used, size;
	uint8_t data[];
};
#define LOCATION_CLASSES 128
struct location_table {
	struct location **bucket;
	size_t buckets, room, half; /* half: the power of 2 that buckets is not below */
	size_t n;
	struct location_chunk *chunk;
	struct alone *alone;
	struct location *spare[LOCATION_CLASSES]; /* by size, in steps of 8 bytes */
	uint64_t forgotten_rsn; /* the highest of the records that were deleted: new ones are above */
	size_t orphans;	     /* offered, and owned by nobody */
	size_t adopt_bucket; /* where they are looked for next */
	uint64_t adopt_ms;   /* not before */
};

/* ---- resolve.c: requests that wait until it is known where the record is ---- */

struct resolution {
	struct resolution *next;
	struct location *location;
	uint64_t awaited[CORE_MAX_NODES / 64]; /* who has not answered yet whether he has it */
	uint32_t awaited_n;
	uint32_t n;
	uint32_t orig[];
};
#define RESOLUTION_BUCKETS 1024

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

struct db {
	uint32_t db_id, flags;
	char name[CORE_NAME_SIZE];
	struct replica replica;
	struct detach detach;
	bool is_swept; /* by this node, in this generation */
	uint64_t copies_out, revokes;
	const struct db_told *told; /* what counts of it; inside db_settle() only */
	uint32_t teller;
};

struct registration {
	struct registration *next;
	uint64_t srvid, client;
};
#define SRVID_BUCKETS 4096

struct hint { /* hint.c */
	uint64_t hash;
	uint16_t giver;
	bool is_steady;
};
#define HINT_COUNT 4096

/* ---- readonly.c: who was lent a copy of a record, in this generation ---- */

#define READERS_MAX 7
struct readers {
	uint64_t hash;
	uint16_t n; /* 0: not known, it may be anybody */
	uint16_t pnn[READERS_MAX];
};
#define READERS_COUNT 4096

/* ---- sticky.c: how often a record moves ---- */

struct moves {
	uint64_t hash, rsn, since_ms; /* it had that rsn then */
	uint64_t until_ms;	      /* it is sticky */
};
#define MOVES_COUNT 1024

/* Who asks for a record is a pnn, with this bit when a copy to read would do */
#define ORIG_READONLY 0x80000000U
static inline uint32_t orig_pnn(uint32_t orig)
{
	return orig & ~ORIG_READONLY;
}
static inline bool orig_is_readonly(uint32_t orig)
{
	return (orig & ORIG_READONLY) != 0;
}

/* In a record's header, as clients know them (database.md) */
#define RECORD_IN_PROGRESS	  0x00000002U /* its client is about to have it pushed */
#define RECORD_MIGRATED_WITH_DATA 0x00010000U
#define RECORD_IS_LENT		  0x01000000U /* the owner's: others have copies, nobody writes it */
#define RECORD_IS_COPY		  0x02000000U /* a copy that may be read */
#define RECORD_READONLY_FLAGS	  0x0F000000U /* these, and what CTDB uses while it revokes */

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
	uint64_t detach_number; /* of this node's questions */

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
	struct resolution *resolution[RESOLUTION_BUCKETS]; /* by the location's hash */
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

/* session.c */
void session_reset(struct session *s);
void session_free(struct session *s);
struct writer session_begin(struct session *s, size_t max);
void session_commit(struct core *c, struct node *n, const struct writer *w);
void session_acked(struct session *s, uint64_t seq);
int session_resume(struct core *c, struct session *s, uint64_t peer_received);
void session_tick(struct core *c, struct node *n);

/* link.c */
#define LINK_EVICTED_TEXT "it cannot exchange data"
void link_gather(struct core *c);   /* a view begins */
void link_state_in(struct core *c); /* every member has told its STATE */
void link_activate(struct core *c);
/* A joiner has told that it lacks a link */
bool link_is_missing(const struct core *c, const struct member *m);
bool gate_link(struct core *c);
void gate_link_observe(struct core *c);
void link_told(struct core *c, struct member *from, const uint64_t *cut, bool is_due);
void link_up(struct core *c, struct node *n);
void link_down(struct core *c, struct node *n);
void link_tick(struct core *c);
uint64_t link_deadline(const struct core *c);

/* packet.c: layouts, in the order of the fields. From release 0.1.0 on the numbers and layouts of
 * these, and of enum control_type, stay: new ones are appended, with a new CORE_PROTOCOL_MAX. */
enum packet_type {
	PACKET_ACK = 1,
	PACKET_REQUEST,	 /* orig -> lmaster: u32 db, u32 orig, block key */
	PACKET_BOUNCE,	 /* not owner -> lmaster: as REQUEST */
	PACKET_FORWARD,	 /* lmaster or giver -> owner: u32 db, u32 orig, u64 rsn, u8 is_definitive,
			    block key */
	PACKET_GRANT,	 /* owner -> orig: u32 db, u64 rsn, u32 flags, block key, block body */
	PACKET_REFUSED,	 /* owner -> orig, it cannot give the record: u32 db, block key */
	PACKET_COPY,	 /* owner -> orig, to read: as GRANT */
	PACKET_REVOKE,	 /* owner -> who may have a copy: u32 db, block key */
	PACKET_REVOKED,	 /* ... it has none: as REVOKE */
	PACKET_UNCOPY,	 /* to oneself, for a copy that the sweep has found: as REVOKE */
	PACKET_LOCATION, /* giver -> lmaster: u32 db, u32 dmaster, u64 rsn, block key */
	PACKET_ADOPT,	 /* lmaster -> holder: u32 db, u64 rsn, u8 is_new, block key */
	PACKET_REPORT,	/* sweep -> lmaster: u32 db, u32 n, n x (u64 rsn, u8 is_owner, block key) */
	PACKET_DONE,	/* sweep -> every lmaster: nothing */
	PACKET_MESSAGE, /* u64 srvid, block data */
	PACKET_FOREIGN, /* core_forward: block data */
	/* Traverses. Each begins with u32 db, u64 ticket (of the asking node), u32 round. */
	PACKET_TRAVERSE_ASK,	 /* u32 chain, u8 flags (TRAVERSE_WITH_EMPTY, TRAVERSE_ANY_OWNER) */
	PACKET_TRAVERSE_CANCEL,	 /* nothing more */
	PACKET_TRAVERSE_RECORDS, /* u32 n, n x (block key, block value) */
	PACKET_TRAVERSE_END,	 /* u32 next chain, u8 is_failed */
	/* commits; rsn stands for the commit's id or the transfer's cookie */
	PACKET_PREPARE,	 /* coordinator -> all: u32 db, u64 id, u8 is_whole (is_new), block records */
	PACKET_PREPARED, /* member -> coordinator: u32 db, u64 id */
	PACKET_DECLINED, /* ... cannot: u32 db, u64 id, block text */
	PACKET_ABORT,	 /* coordinator -> all, before COMMIT: u32 db, u64 id */
	PACKET_APPLIED,	 /* member -> coordinator: u32 db, u64 id */
	PACKET_PULL,	 /* to who has a database: u32 db, u64 cookie */
	PACKET_PART,	 /* of it: u32 db, u64 cookie, u8 is_last (is_new), block data */
	/* Deletion: each u32 db, u32 n, n x (u64 rsn, u8 flags (is_owner), block key) */
	PACKET_RETURN, /* owner -> lmaster: owned there from now on, at that rsn, and empty */
	PACKET_ORPHAN, /* to the lmaster: an empty copy whose owner is not known here */
	PACKET_DELETE, /* lmaster -> others: the record is gone, at that rsn */
	PACKET_ERASE,  /* lmaster -> others: the same behind u64 ticket: empty your copy */
	PACKET_ERASED, /* ... done: u32 db, u64 ticket, u32 n, n bits: 1 if it was refused */
	PACKET_PUSH,   /* owner -> others: u32 db, u64 ticket, u64 rsn, u32 flags, block key, block body */
	PACKET_PUSHED, /* ... done: u32 db, u64 ticket */
	PACKET_WHOHAS, /* lmaster -> all, in a recovery: u32 db, block key */
	PACKET_HAS,    /* ... the answer: u32 db, u64 rsn, u8 enum has (is_new), block key */
	/* Of a node that drains, and of those that it has told so */
	PACKET_DRAIN,	/* to all others: u64 ticket, u8 enum drain_mode */
	PACKET_DRAINED, /* ... what went to and came from it before is stored: u64 ticket */
	PACKET_TYPES
};
struct packet {
	uint8_t type, is_definitive, is_new, mode;
	uint32_t generation, db_id, orig, dmaster, flags, n, round, chain;
	uint64_t seq, ack, rsn, srvid, ticket;
	struct slice key, data, raw; /* raw: the whole packet */
};
/* In is_definitive of a FORWARD to oneself: the record was pushed at that rsn */
#define FORWARD_IS_PUSHED 2
/* ... or: nobody has asked, the record is to go (drain.c) */
#define FORWARD_IS_DRAIN 4
int packet_decode(struct slice raw, struct packet *p);
struct report_entry {
	uint64_t rsn;
	uint8_t is_owner;
	struct slice key;
};
int packet_report_next(struct cursor *entries, struct report_entry *e);
/* For a caller that has something to do between the copying of p's slices and its sending: the
 * packet stands in *w until session_commit(); nothing else may be sent to this node between */
void packet_prepare(struct core *c, struct node *n, const struct packet *p, struct writer *w);
/* Queues p (type, fields and slices set; generation, seq and ack are filled in) for a node, oneself
 * included */
void packet_send(struct core *c, uint32_t pnn, const struct packet *p);
bool packet_is_record(uint8_t type); /* belongs to a generation */
bool packet_is_commit(uint8_t type);
bool packet_is_vacuum(uint8_t type);
bool packet_has_db(uint8_t type);

/* view.c */
void view_init(struct core *c);
void view_tick(struct core *c);
uint64_t view_deadline(const struct core *c);
void view_restart(struct core *c, const char *why);
struct member *view_member(const struct core *c, uint32_t pnn);
void view_lead(struct core *c); /* take the next step as leader, if this node is to lead */
bool view_is_leading(const struct core *c);
void view_free(struct core *c);

/* control.c: what members multicast; each names its view */
void control_send_state(struct core *c);
void control_send_activate(struct core *c);
void control_send_accept(struct core *c, uint32_t generation);
void control_send_held(struct core *c);
void control_send_tried(struct core *c, uint64_t digest, uint32_t holder, enum reason result);
void control_send_lock_failed(struct core *c, enum reason why);
void control_send_restart(struct core *c);
void control_send_fact(struct core *c, struct incarnation inc, enum fact_kind kind);
void control_send_commit(struct core *c, uint32_t db_id, uint64_t id);
void control_send_detach(struct core *c, uint32_t db_id, uint64_t number);
void control_send_links(struct core *c, const uint64_t *cut, bool is_due);
void control_send_vote(struct core *c, const struct detach *d, uint32_t db_id, bool is_free,
		       const char *why);
/* and what comes of it, in view.c; the sender is a member */
void view_state_in(struct core *c);
void view_promise(struct core *c, uint32_t leader, uint32_t generation,
		  const struct incarnation *in, size_t n);
void view_accepted(struct core *c, struct member *from, uint32_t generation);

/* gate.c */
void gate_set(struct core *c, enum core_gate g, bool is_open, enum reason why, const char *format,
	      ...) __attribute__((format(printf, 5, 6)));
bool gate_quorum(struct core *c);
void gate_observe(struct core *c); /* as a follower: for status only */
void gate_freeze(struct core *c);  /* after a change of quorum */
uint64_t gate_deadline(const struct core *c);

/* fencing.c */
bool fencing_check(struct core *c); /* is nobody waited for? */
bool gate_fencing(struct core *c);  /* and ask for it, as leader */
void fencing_wait(struct core *c); /* without quorum: time does not count */
uint64_t fencing_deadline(const struct core *c);

/* lock.c */
bool gate_lock(struct core *c);
void gate_lock_probe(struct core *c, uint64_t digest, uint32_t holder); /* the leader says HELD */
uint64_t lock_deadline(const struct core *c);

/* known.c */
void known_replace(struct core *c, uint32_t generation, const struct incarnation *list, size_t n);
void known_learn(struct core *c, const struct member *m);
void known_settle(struct core *c);
bool known_is_evicted(const struct core *c, const struct member *m);
bool incarnation_is_in(const struct incarnation *list, size_t n, struct incarnation inc);

/* fact.c */
void fact_add(struct core *c, struct incarnation inc, enum fact_kind kind);
bool fact_known(const struct core *c, struct incarnation inc);

enum control_type {
	CONTROL_STATE = 1,
	CONTROL_HELD,
	CONTROL_TRIED,
	CONTROL_LOCK_FAILED,
	CONTROL_ACTIVATE,
	CONTROL_FACT,
	CONTROL_ATTACH,
	CONTROL_RESTART,
	CONTROL_ACCEPT,
	CONTROL_COMMIT,
	CONTROL_DETACH,
	CONTROL_VOTE,
	CONTROL_LINKS
};

/* slot.c */
void slot_assign(struct core *c);
uint32_t slot_lmaster(const struct core *c, uint64_t hash);
/* The active node that would be, if there were no others than those that may; CORE_UNKNOWN_PNN: none */
uint32_t slot_best(const struct core *c, uint64_t hash,
		   bool (*may)(const struct core *c, uint32_t pnn));

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
/* About a database that was detached in the packet's generation: what it says is over */
bool detach_is_past(const struct core *c, const struct packet *p);

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

/* keystate.c */
struct keystate *keystate_find(struct core *c, uint64_t hash, uint32_t db_id, struct slice key);
struct keystate *keystate_make(struct core *c, uint64_t hash, uint32_t db_id, struct slice key);
void keystate_drop_if_idle(struct core *c, struct keystate *k);
void keystate_free_all(struct core *c);
void keystate_add_waiter(struct core *c, struct keystate *k, uint64_t client, uint32_t reqid,
			 uint32_t callid, bool is_readonly, uint64_t since_ms);
void keystate_free_waiter(struct core *c, struct waiter *w);
void keystate_park(struct core *c, struct keystate *k, uint32_t orig);
/* The chain lock of a key for a packet or a call: 0; -EAGAIN: taken, queue at *k; or -errno */
int keystate_lock(struct core *c, uint64_t hash, uint32_t db_id, struct slice key,
		  struct keystate **k);
/* Behind those that wait for the chain lock already */
void keystate_block_packet(struct keystate *k, uint32_t from, const struct packet *p);
void keystate_block_call(struct keystate *k, uint64_t client, uint32_t reqid, uint32_t callid,
			 bool is_readonly, uint64_t since_ms);
/* Who waits for the record since then, or longer, is told this; UINT64_MAX: everybody */
void keystate_fail_waiters(struct core *c, struct keystate *k, uint64_t since_ms, const char *why);
/* Everybody who waits is told this, and it ends */
void keystate_fail(struct core *c, struct keystate *k, const char *why);
/* Every keystate; f may not add or remove any but the one it is given */
void keystate_each(struct core *c, void (*f)(struct core *c, struct keystate *k));
static inline struct slice keystate_key(const struct keystate *k)
{
	return slice_of(k->key, k->keylen);
}

/* request.c */
void request_ask(struct core *c, struct keystate *k);
/* The record is here, as h and body: who waits for it is answered, as far as this will do for him */
void request_answer(struct core *c, struct keystate *k, const struct record_header *h,
		    struct slice body);
/* The owner cannot give the record: who waits for it is told so */
void request_refused(struct core *c, const struct packet *p);
void request_activate(struct core *c);

/* record.c */
void record_packet(struct core *c, uint32_t from, const struct packet *p);
/* orig is told that the record cannot be given to it */
void record_refuse(struct core *c, const struct packet *f, const char *why, int rc);
/* The node that f->orig names, if this record can be sent to it; else NULL, and it is told, if it is
 * there */
struct node *record_receiver(struct core *c, const struct packet *f, struct slice body);
/* The own header and packet p to that node, both or neither; false: refused */
bool record_put_and_send(struct core *c, const struct packet *f, struct node *to,
			 const struct packet *p, const struct record_header *h, struct slice body);
/* put() ends the loan of this body: a copy instead, to be freed */
uint8_t *record_body_keep(struct slice *body);
/* A record cannot be stored that must be: the engine ends */
void record_lose(struct core *c, const struct packet *p, int rc);
/* What is here of p's record: 1; 0: nothing, and dmaster is CORE_UNKNOWN_PNN; -errno: it cannot be told,
 * and the engine ends: this node may own it, or clients may be reading a copy */
int record_read(struct core *c, const struct packet *p, struct record_header *h, struct slice *body);
/* Those parked at k follow the record to its owner */
void record_forward_parked(struct core *c, struct keystate *k, uint32_t to, uint64_t rsn);

/* readonly.c; all but the last two with the chain lock held */
/* Lends a copy of this node's record to f->orig */
void readonly_lend(struct core *c, const struct packet *f, struct record_header h,
		   struct slice body);
/* Calls in the copies; what waits at k goes on when none is left */
void readonly_revoke(struct core *c, struct keystate *k);
void readonly_packet(struct core *c, uint32_t from, const struct packet *p);
/* A copy of an older generation that somebody asks for: not to be read any more; 0, -errno */
int readonly_close(struct core *c, const struct packet *p);
/* ... that the sweep has found: not to be read any more before DONE is sent */
void readonly_swept(struct core *c, uint32_t db_id, struct slice key);
void readonly_activate(struct core *c);

/* push.c */
void push_packet(struct core *c, uint32_t from, const struct packet *p); /* with the chain lock held */
void push_pushed(struct core *c, uint32_t from, const struct packet *p);
/* Whether this node's record is to be pushed before f can be done; and that, with the lock held */
bool push_is_due(const struct core *c, const struct packet *f, const struct record_header *h);
void push_before_giving(struct core *c, const struct packet *f, const struct record_header *h,
			struct slice body);
bool push_is_pending(const struct core *c, uint64_t number); /* one of those up to this one */
void push_activate(struct core *c);
void push_db_closed(struct core *c, uint32_t db_id);
void push_free_all(struct core *c);

/* sticky.c */
void sticky_arrived(struct core *c, const struct packet *p); /* by GRANT */
void sticky_tick(struct core *c);
uint64_t sticky_deadline(const struct core *c);

/* hint.c */
void hint_learn(struct core *c, uint64_t hash, uint32_t giver);
uint32_t hint_giver(struct core *c, uint64_t hash); /* or CORE_UNKNOWN_PNN */

/* location_table.c */
struct location *location_known(const struct core *c, uint32_t db_id, struct slice key);
struct location *location_get(struct core *c, uint32_t db_id, struct slice key); /* makes it */
void location_remove(struct core *c, const struct location *l);
void location_reset(struct core *c);
void location_db_closed(struct core *c, uint32_t db_id);
/* Somebody has a copy of it, and nobody is known as its owner */
static inline bool location_is_orphan(const struct location *l)
{
	return !l->is_definitive && l->holder != LOCATION_NOBODY;
}
static inline struct slice location_key(const struct location *l)
{
	return slice_of(l->key, l->keylen);
}

/* location.c */
void location_request(struct core *c, const struct packet *p);
void location_learn(struct core *c, uint32_t db_id, struct slice key, uint32_t dmaster,
		    uint64_t rsn);
void location_offer(struct core *c, uint32_t db_id, struct slice key, uint32_t holder,
		    uint64_t rsn);
void location_tick(struct core *c);
uint64_t location_deadline(const struct core *c);

/* For deletion. Definitive, at that holder, and nobody waits: */
bool location_is_settled(const struct core *c, uint32_t db_id, struct slice key, uint32_t holder,
			 bool *is_sole);
void location_raise(struct core *c, uint32_t db_id, struct slice key, uint64_t rsn);
/* The record is absent; one that is made later has a higher rsn */
void location_forget(struct core *c, uint32_t db_id, struct slice key, uint64_t rsn);
/* A node has an empty copy. True: the record is absent, the copy can go. One that nobody owns is
 * adopted. */
bool location_orphan(struct core *c, uint32_t db_id, struct slice key, uint32_t from, uint64_t rsn);

/* Nobody is known to have more than what has been told: who waits gets the record from the holder of
 * its highest rsn, who adopts it, or as a new one */
void location_decide(struct core *c, struct location *l);
/* progress.c: for status only */
void progress_gather(struct core *c);
void progress_gated(struct core *c);
void progress_fencing(struct core *c, bool is_open);
void progress_active(struct core *c);
void progress_swept(struct core *c);
void progress_status(const struct core *c, struct core_status *s);
enum core_owes progress_owes(const struct core *c, const struct node *n);

/* resolve.c */
void resolve_wait(struct core *c, struct location *l, uint32_t orig);
void resolve_whohas(struct core *c, uint32_t from, const struct packet *p); /* with the chain lock held */
void resolve_has(struct core *c, uint32_t from, const struct packet *p);
void resolve_settle(struct core *c); /* all reports are in */
/* It is known where the record is: its resolution, to be freed; NULL: nobody waits */
struct resolution *resolve_end(struct core *c, struct location *l);
uint32_t resolve_first(struct core *c, struct location *l); /* the node that asked first */
void resolve_forget(struct core *c, struct location *l);
void resolve_forget_all(struct core *c);

/* parked.c */
void parked_begin(struct core *c, struct keystate *k);
void parked_tick(struct core *c);

/* sweep.c */
void sweep_activate(struct core *c);
void sweep_report(struct core *c, uint32_t from, const struct packet *p);
void sweep_done(struct core *c, uint32_t from);
void sweep_check(struct core *c);

/* message.c */
void message_deliver(struct core *c, uint64_t srvid, struct slice data);
void message_client_gone(struct core *c, uint64_t client);
void message_free(struct core *c);

#endif
