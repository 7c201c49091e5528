/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * core.h: what cotdb is. One struct core is one node: views, gates, migration, recovery, messages.
 *
 * Pure: no descriptor, clock, random number or library of the world in here. The world calls the
 * core_*() events below, one at a time, and the core answers by calling struct core_ops. The world
 * must not call back into the core from inside an op (the store's ops excepted, which are plain
 * functions that return their answer): an op only queues work. So the same code runs as N virtual
 * nodes in one process (tests/sim) and in the engine (daemon/io).
 *
 * Nodes are named by pnn here (corosync nodeid - 1); the world translates. One run of a daemon is
 * an incarnation: pnn and boot id. A boot id is never 0 and never used twice.
 */
#ifndef COTDB_CORE_H
#define COTDB_CORE_H

#include <stdbool.h>
#include <stdint.h>
#include "lib/slice.h"
#include "lib/reason.h"

#define CORE_MAX_NODES 1024 /* pnn 0..1023 */
#define CORE_UNKNOWN_PNN 0xFFFFFFFFU
#define CORE_KEY_SIZE 32      /* bytes of the secret that proves a peer */
#define CORE_TABLE_KEY_SIZE 16 /* ... of the one that its table's fingerprints are made with */
#define CORE_NAME_SIZE 256    /* node name, database name, address: with NUL */
#define CORE_MAX_RECORD (64U << 20)
#define CORE_MAX_KEY (63U << 10) /* with what goes along it fits a packet of ipc.h */
#define CORE_MAX_DBS 1024

struct core;

struct incarnation {
	uint32_t pnn;
	uint64_t boot_id;
};

static inline bool incarnation_equal(struct incarnation a, struct incarnation b)
{
	return a.pnn == b.pnn && a.boot_id == b.boot_id;
}
static inline bool incarnation_is_in(const struct incarnation *list, size_t n, struct incarnation inc)
{
	for (size_t i = 0; i < n; i++)
		if (incarnation_equal(list[i], inc))
			return true;
	return false;
}

/* What a node knows of the newest generation when it starts again */
struct core_past {
	uint32_t generation;
	bool is_outside; /* it was not in that: others have told it. It may lack what was committed there. */
	const struct incarnation *active; /* who is or may be active in it; of one node there may be several */
	size_t n;
};

/* CTDB's record header (database.md): in front of every value in a TDB */
struct record_header {
	uint64_t rsn;
	uint32_t dmaster;
	uint32_t flags;
};
#define RECORD_HEADER_SIZE 24

/* The record of a persistent or replicated database's sequence number, the key with its NUL; the two
 * reserved words of its header hold the generation of the last commit and the tag (core_content) */
#define SEQUENCE_KEY "__db_sequence_number__"
#define GENERATION_OFFSET 12
#define TAG_OFFSET 20

/* Database flags, CTDB's values in GET_DBMAP */
#define DB_PERSISTENT 1U
#define DB_READONLY 2U
#define DB_STICKY 4U
#define DB_REPLICATED 8U
/* Every node has all of such a database; the others are volatile */
static inline bool db_flags_replicated(uint32_t db_flags)
{
	return (db_flags & (DB_PERSISTENT | DB_REPLICATED)) != 0;
}
/* What a volatile database may become when it is attached already, and then is for good */
#define DB_PROPERTIES (DB_READONLY | DB_STICKY)

/* ---- what the world does for the core ------------------------------------------------------ */

/* What is known about a peer from its STATE: where to connect and how it proves itself */
struct core_peer {
	struct incarnation inc;
	char address[CORE_NAME_SIZE]; /* numeric IPv4 or IPv6 */
	uint16_t port;
	uint8_t key[CORE_KEY_SIZE];
};

enum core_log { CORE_LOG_ERROR = 3, CORE_LOG_WARNING, CORE_LOG_NOTICE, CORE_LOG_INFO, CORE_LOG_DEBUG };

/* What a file of a persistent or replicated database holds: the generation of its last commit, a
 * tag of that generation's members (there may be two with one number, in parts of a cluster that
 * never met), and CTDB's sequence number. All 0: new. A damaged one holds nothing that counts. */
struct core_content {
	uint32_t generation, tag;
	uint64_t seq;
	bool is_damaged;
};

struct core_sweep_entry {
	struct slice key;
	struct record_header header;
};

/* One batch of a traverse, to be read from this node's file: from that hash chain on */
struct core_traverse_read {
	uint64_t cookie;
	uint32_t db_id, chain; /* behind the last one there is nothing */
	uint32_t dmaster; /* only records of this owner; CORE_UNKNOWN_PNN: of any */
	bool with_empty;  /* those without a body, too */
	bool only_empty;  /* no others */
	uint32_t chains;  /* so many at most, 0: until there is enough */
};
#define CORE_CHAIN_END UINT32_MAX /* there is no further chain */
struct core_traverse_entry {
	struct slice key, value; /* value: header and body, as in the file */
};

/* Of a node that leaves: all of its records are in the files of others; there is no other node; it is
 * not active, or frozen; not all of them are */
enum core_drain_end {
	CORE_DRAIN_DONE,
	CORE_DRAIN_NOBODY,
	CORE_DRAIN_NOT_ACTIVE,
	CORE_DRAIN_TIMED_OUT
};

struct core_ops {
	uint64_t (*now_ms)(void *world);
	void (*log)(void *world, enum core_log level, const char *text);

	/* Control plane: to every member of the group, oneself included, in one order */
	void (*multicast)(void *world, const void *msg, size_t len);

	/* Data plane. peer_set: this peer exists now (a link to it is wanted), or, with NULL, no
	 * longer. peer_wake: core_peer_output() has something. peer_resume: offer a packet that
	 * core_peer_input() answered with CORE_HOLD again. */
	void (*peer_set)(void *world, uint32_t pnn, const struct core_peer *peer);
	void (*peer_wake)(void *world, uint32_t pnn);
	void (*peer_resume)(void *world, uint32_t pnn);
	/* A datagram that core_forward() sent on node from */
	void (*forwarded)(void *world, uint32_t from_pnn, struct slice data);

	/* Clients. data is lent until return. */
	void (*call_reply)(void *world, uint64_t client, uint32_t reqid, struct slice data);
	void (*call_error)(void *world, uint64_t client, uint32_t reqid, const char *text);
	void (*message)(void *world, uint64_t client, uint64_t srvid, struct slice data);
	/* Traverses. client_is_full: so much waits to be read by this client that its traverse has
	 * to pause; if so, core_client_drained() or core_client_gone() follows. traverse_failed: one
	 * has ended without all records, after its last message; with is_ext the client knows no
	 * other sign of that than the end of its connection. */
	bool (*client_is_full)(void *world, uint64_t client);
	void (*traverse_failed)(void *world, uint64_t client, uint32_t db_id, bool is_ext, const char *why);
	/* An attach that core_attach() answered with -EINPROGRESS has ended on this node: for every
	 * client that waits for this id. status 0 or -errno */
	void (*attached)(void *world, uint32_t db_id, int status);

	/* Store: plain synchronous functions on local TDB files. lock: the chain lock of key; 0,
	 * or -EAGAIN: another process has it, core_key_unlocked() is called when it can be had (with
	 * the lock taken for the core during that call: lock() succeeds then), or another -errno.
	 * trylock: the same, but after -EAGAIN nothing follows, and nobody waits.
	 * get: 0 with body lent until the next store op, -ENOENT; an unreadable record (shorter than
	 * a header) is -ENOENT. put, del: 0 or -errno; only with the lock held. */
	int (*db_open)(void *world, uint32_t db_id, const char *name, uint32_t db_flags);
	void (*db_close)(void *world, uint32_t db_id);
	/* Detaching. db_is_free: nobody of this node uses this database; else why it must stay.
	 * detached: what core_detach() was asked for has ended: 0; -EBUSY: a node has said no, and
	 * why; -EAGAIN: the view changes; -ENOENT, -EALREADY: another one was asked for first. */
	bool (*db_is_free)(void *world, uint32_t db_id, char *why, size_t size);
	void (*detached)(void *world, uint32_t db_id, int status, uint32_t pnn, const char *why);
	/* Wiping a volatile database. db_freeze: stop its clients (all-record lock); core_db_frozen()
	 * follows. db_wipe: nothing is in it any more; only while it is frozen; 0, or -errno. db_thaw: they
	 * go on. wiped: what core_wipe() was asked for has ended; as detached. */
	void (*db_freeze)(void *world, uint32_t db_id);
	int (*db_wipe)(void *world, uint32_t db_id);
	void (*db_thaw)(void *world, uint32_t db_id);
	void (*wiped)(void *world, uint32_t db_id, int status, uint32_t pnn, const char *why);
	int (*lock)(void *world, uint32_t db_id, struct slice key);
	int (*trylock)(void *world, uint32_t db_id, struct slice key);
	void (*unlock)(void *world, uint32_t db_id, struct slice key);
	int (*get)(void *world, uint32_t db_id, struct slice key, struct record_header *h, struct slice *body);
	int (*put)(void *world, uint32_t db_id, struct slice key, const struct record_header *h, struct slice body);
	int (*del)(void *world, uint32_t db_id, struct slice key);
	/* Read every record of a database, each hash chain under its lock, beginning after this
	 * call; reports by core_sweep_batch() and core_sweep_end() with this cookie. A new
	 * sweep_start() of the same database ends the older one (its late reports may still come,
	 * with the older cookie). */
	void (*sweep_start)(void *world, uint32_t db_id, uint64_t cookie);
	/* Read whole hash chains, each under its lock, until there are some 64 KiB of records or no
	 * more chains, beginning after this call; reports by core_traverse_records() and, once,
	 * core_traverse_read_end(). traverse_cancel: nobody wants those of this cookie any more. */
	void (*traverse_read)(void *world, const struct core_traverse_read *r);
	void (*traverse_cancel)(void *world, uint64_t cookie);

	/* Persistent and replicated databases, of which every node has all. Slow, so nothing is done
	 * inside these calls but db_content, which tells of a database that is open now. check: may
	 * these records (a rec_buffer, lent until return) be stored? apply: store them as one
	 * transaction, durably, and note generation and tag; an empty slice: note these only;
	 * is_whole: they take the place of all that is there. Each is
	 * answered once, by core_commit_checked() or core_commit_applied() with its ticket; of a
	 * database there is one apply or write at a time, in this order.
	 * send: read all of it, as it is at one moment, to core_transfer_part(). receive: one more
	 * part of what another node has sent, of a newer cookie: forget the older; with is_last:
	 * replace the file's content by them as one transaction, then core_transfer_written(). */
	void (*db_content)(void *world, uint32_t db_id, struct core_content *content);
	void (*commit_check)(void *world, uint32_t db_id, uint64_t ticket, struct slice records);
	void (*commit_apply)(void *world, uint32_t db_id, uint64_t ticket,
			     const struct core_content *becomes, struct slice records,
			     bool is_whole);
	void (*transfer_send)(void *world, uint32_t db_id, uint32_t to_pnn, uint64_t cookie);
	void (*transfer_receive)(void *world, uint32_t db_id, uint64_t cookie, struct slice part,
				 bool is_last);
	/* What core_commit() was asked for has ended: 0, or CTDB's status and why */
	void (*committed)(void *world, uint64_t client, uint32_t reqid, int status, const char *text);

	/* Volatile databases: stop the clients (all-record lock), let them go on. core_frozen()
	 * reports the end of a freeze. */
	void (*freeze)(void *world);
	void (*unfreeze)(void *world);
	/* This incarnation was evicted or has failed: stop serving, have the supervisor retire the
	 * files, start anew as another incarnation. Nothing is called after this. */
	void (*retire)(void *world, enum reason why, const char *text);

	/* Recovery lock, answered by core_lock_result() / core_lock_lost() */
	void (*lock_try)(void *world);   /* as leader: take it and keep it */
	void (*lock_probe)(void *world); /* as joiner: try once; if it is got, let go at once */
	void (*lock_check)(void *world); /* as leader: still held? */
	void (*lock_release)(void *world);

	/* Fencing. watch: this incarnation is active from now on; a successful fencing of its node
	 * that begins after this call is to be reported by core_fenced() with this incarnation. */
	void (*fence_watch)(void *world, struct incarnation inc);
	void (*fence_request)(void *world, struct incarnation inc);

	/* Keep over a restart (each ACTIVATE): who may be active in the newest generation.
	 * core_persisted() follows; of several in a row, for the last one at least. */
	void (*persist)(void *world, const struct core_past *past);
	/* What core_leave() has begun is over: nothing is called after this. Whatever it says, this engine
	 * ends now, and its databases are retired. */
	void (*drained)(void *world, enum core_drain_end how);
	/* Something that core_status() tells has changed */
	void (*status_changed)(void *world);
};

/* ---- one node ------------------------------------------------------------------------------- */

/* Planted bugs, to prove that the simulator finds them; never set by the engine */
enum core_bug {
	CORE_BUG_NONE,
	CORE_BUG_KEEP_OWNERSHIP,    /* hand-off keeps ownership */
	CORE_BUG_OLD_GENERATION,    /* old generation accepted */
	CORE_BUG_RSN_NOT_RAISED,    /* hand-off does not raise the rsn */
	CORE_BUG_NO_QUORUM_GATE,    /* quorum gate skipped */
	CORE_BUG_NO_FENCING_GATE,   /* take-over before fencing */
	CORE_BUG_LEFT_EARLY,        /* LEFT before retiring (supervise.c) */
	CORE_BUG_OLD_FENCE,         /* a fence of an older incarnation accepted */
	CORE_BUG_RESEND_TWICE,      /* a resent hand-off applied twice */
	CORE_BUG_HINT_NOT_DEFINITIVE, /* a definitive location taken as a hint (R2) */
	CORE_BUG_DROP_FUTURE,       /* R1: a packet of a newer generation dropped, not held */
	CORE_BUG_LOCATION_LATE_LOSES, /* R4: LOCATION does not settle a waiting request */
	CORE_BUG_SESSION_FORGETS,  /* R7: a reconnect loses what was in flight */
	CORE_BUG_ANSWER_EARLY,     /* I6: a client is answered before all have applied */
	CORE_BUG_NUMBER_TAKEN,      /* I6: a commit that was overtaken is refused at once */
	CORE_BUG_COMMIT_EARLY,     /* I6: COMMIT is sent before all have prepared */
	CORE_BUG_VACUUM_NO_TOMBSTONE, /* R8: old copies are not made empty first */
	CORE_BUG_VACUUM_OWN_FIRST, /* R8: the own copy is deleted first */
	CORE_BUG_VACUUM_RSN_BACK, /* R8: a new record's rsn is not above a deleted one's */
	CORE_BUG_VACUUM_MOVED, /* R8: a record that moved is taken for one that never did */
	CORE_BUG_REVOKE_NOT_AWAITED, /* a record is written before its copies are called in */
	CORE_BUG_SWEEP_LEAVES_COPY,  /* a copy can be read after its generation */
	CORE_BUG_LENT_IS_SOLE,       /* R8: a record that was lent is taken for one that never was elsewhere */
	CORE_BUG_HELD_FOR_EVER,      /* a record that is held is never let go */
	CORE_BUG_READERS_OUTLIVE,    /* whom nobody knows as a reader is taken for none */
	CORE_BUG_REPLACE_BY_ONE,   /* the sequence number of a whole content is one above */
	CORE_BUG_DETACH_IN_USE,    /* a database is detached while clients use it */
	CORE_BUG_DETACH_RECOVERING, /* ... in a recovery, and what it has brought counts */
	CORE_BUG_DETACH_OLD_PACKETS, /* ... attached again, and gets the old one's records */
	CORE_BUG_WHOHAS_FIRST, /* R5: the first answer decides */
	CORE_BUG_WHOHAS_LEAVES_COPY, /* a copy that was told of can still be read */
	CORE_BUG_ORPHANS_STAY, /* what a lost node owned is nobody's until it is asked for */
	CORE_BUG_DONE_OUTLIVES, /* R6: DONE of a sweep that a new view has ended counts in the next one */
	CORE_BUG_SWEEP_NOT_ANEW, /* ... and what was not read yet is not read in the next one either */
	CORE_BUG_RECOVERS_AGAIN, /* the end of a recovery begins another one */
	CORE_BUG_PUSH_NOT_FIRST, /* a record is given away before it is pushed */
	CORE_BUG_DRAIN_NOT_AWAITED, /* a node leaves before what it gave away is stored */
	CORE_BUG_DRAIN_BLOCKED, /* ... is said to be stored, and waits for a chain lock */
	CORE_BUG_DRAIN_ORPHANS, /* ... before what it is to adopt has come */
	CORE_BUG_DRAIN_TAKES, /* a node that leaves is given records */
	CORE_BUG_DRAIN_KEEPS_EMPTY, /* ... keeps those without a body */
	CORE_BUG_DRAIN_NOT_TOLD, /* the lmaster is not told who has what was handed over */
	CORE_BUG_PUSH_NOT_AWAITED, /* a commit does not wait for what was pushed before it */
	CORE_BUG_CUT_BY_ONE, /* a pair is cut when one of the two says so */
	CORE_BUG_BOTH_EVICTED, /* who is in a cut pair evicts itself */
	CORE_BUG_VICTIM_STAYS, /* who was evicted goes on */
	CORE_BUG_JOINS_WITHOUT_LINK, /* a joiner is let in that cannot exchange data */
	CORE_BUG_NO_PROBES, /* a link where nothing goes is not looked at */
	CORE_BUG_WIPE_EACH_ALONE, /* each node wipes when its own file is frozen */
	CORE_BUG_WIPE_BY_SOME, /* ... is wiped by those that know that all are, where others do not */
	CORE_BUG_WIPE_LEAVES_PUSHES, /* what was to be pushed comes again */
};

struct core_config {
	struct incarnation self;
	char node_name[CORE_NAME_SIZE];
	char address[CORE_NAME_SIZE];
	uint16_t port;
	uint8_t key[CORE_KEY_SIZE];
	uint8_t table_key[CORE_TABLE_KEY_SIZE]; /* random, and never told (location_table.c) */
	bool has_lock;       /* a recovery lock is configured */
	bool allow_unfenced; /* departed nodes are taken for fenced */
	bool fences_at_once; /* a lost node's fencing is asked for now, not after fence_grace */
	uint32_t nodes; /* in corosync's nodelist, whatever runs there; 0: not known */
	uint32_t state_timeout_ms, peer_timeout_ms, lock_timeout_ms, fence_grace_ms, revoke_timeout_ms;
	struct core_past past; /* what persist() was last given; all 0 on a first start. Borrowed until return */
	enum core_bug bug; /* simulator only: planted on purpose */
};


/* Takes nothing; ops and world are borrowed until core_free() */
struct core *core_new(const struct core_config *config, const struct core_ops *ops, void *world);
void core_free(struct core *c);

/* Time. The world calls core_tick() at or after core_deadline_ms() (absolute, UINT64_MAX: none). */
void core_tick(struct core *c);
uint64_t core_deadline_ms(const struct core *c);

/* ---- events: control plane -------------------------------------------------------------------- */

struct core_ring {
	uint32_t node;
	uint64_t seq;
};
/* The group's engines (one per node) and the ring that it was seen on. pid tells two runs on one
 * node apart before their STATE is known. */
struct core_member {
	uint32_t pnn, pid;
};
void core_membership(struct core *c, const struct core_member *m, size_t n, struct core_ring ring);
void core_ring_id(struct core *c, struct core_ring ring); /* the ring changed, the group did not */
/* These of config have changed */
void core_fencing_rules(struct core *c, bool fences_at_once, bool allow_unfenced, uint32_t nodes);
/* pnn: the nodes of that ring, whatever runs on them */
void core_quorum(struct core *c, bool is_quorate, struct core_ring ring, const uint32_t *pnn,
		 size_t n);
void core_multicast(struct core *c, uint32_t from_pnn, uint32_t from_pid, struct slice msg);

/* ---- events: what is known about a departed incarnation --------------------------------------- */

void core_left(struct core *c, struct incarnation inc);    /* its supervisor retired it: clean stop */
void core_revoked(struct core *c, struct incarnation inc); /* its supervisor retired it: engine died */
/* A node's supervisor is in the group, and has told (core_started()) what it runs, or that it runs
 * nothing. The own one is told of last, when everything that it knows was told. */
void core_supervisor(struct core *c, uint32_t pnn, bool is_present, bool has_told);
/* An incarnation that may become active, or is, without this node's having heard of it: a
 * supervisor has started it, or (with a made-up boot id) a supervisor was lost before it had told
 * what it runs. Takes part in the fencing gate until one of the events here or its node's STATE
 * ends it. */
void core_started(struct core *c, struct incarnation inc);
void core_fenced(struct core *c, struct incarnation inc);
void core_fence_failed(struct core *c, struct incarnation inc, const char *text);

/* What persist() was given with this generation is on disk, or cannot be put there: then the world
 * has told the admin. Until then nobody is promised that this node knows of it. */
void core_persisted(struct core *c, uint32_t generation);

/* ---- events: helpers --------------------------------------------------------------------------- */

enum core_lock_result { CORE_LOCK_HELD, CORE_LOCK_REFUSED, CORE_LOCK_ERROR, CORE_LOCK_NOT_EMPTY };
struct core_lock_id {
	uint64_t dev, ino, size;
};
/* The answer to lock_try, lock_probe (HELD: it was got, and let go) or lock_check. No answer is
 * noticed by the core itself (lock_timeout_ms). */
void core_lock_result(struct core *c, enum core_lock_result r, struct core_lock_id id, const char *text);
void core_lock_lost(struct core *c, const char *text);
/* This node's own check of corosync against the CIB: REASON_NONE, or why it must stay out */
void core_topology(struct core *c, enum reason verdict, const char *text);
void core_frozen(struct core *c);

/* ---- events: data plane -------------------------------------------------------------------------- */

/* A pair's stream is a session: it outlives a lost connection. On connect both sides tell each
 * other core_peer_received(); core_peer_up() is given the peer's, so that what it lacks is sent
 * again. boot_id: the peer's, proved by the handshake; -ESTALE when the core knows another one. */
int core_peer_up(struct core *c, uint32_t pnn, uint64_t boot_id, uint64_t peer_received);
void core_peer_down(struct core *c, uint32_t pnn);
uint64_t core_peer_received(const struct core *c, uint32_t pnn);

/* Packets begin with their own length: u32 little endian, header included */
#define CORE_PACKET_HEADER 32
#define CORE_MAX_PACKET (CORE_MAX_RECORD + CORE_MAX_KEY + 4096U)
enum { CORE_TAKEN = 0, CORE_HOLD = 1 };
/* One whole packet, lent until return. CORE_TAKEN; CORE_HOLD: not now, keep it and read no further
 * until peer_resume; -EBADMSG: malformed, close the connection. */
int core_peer_input(struct core *c, uint32_t pnn, struct slice packet);
/* Bytes to send to a connected peer, lent until the next call into the core: at most two runs.
 * Returns their number. Always whole packets from the start of the connection. */
size_t core_peer_output(struct core *c, uint32_t pnn, struct slice run[2]);
void core_peer_sent(struct core *c, uint32_t pnn, size_t len_bytes);

/* ---- events: databases and records ----------------------------------------------------------------- */

/* Also for an attached one, with DB_PROPERTIES that it is to have from now on.
 * 0: it is so already; -EINPROGRESS: ops->attached follows; -EEXIST: the id belongs to another
 * name; -EINVAL: another type; -EUCLEAN: damaged, and no member has it; -ENOSPC */
int core_attach(struct core *c, const char *name, uint32_t db_flags);
/* Close a volatile database on all nodes. -EINPROGRESS: ops->detached follows; -ENOENT; -EINVAL: not
 * volatile; -EAGAIN: the view changes. core_attach() may follow at any time: it ends it, or, if it
 * comes later, attaches a new database, whose records can be had from the next generation on. */
int core_detach(struct core *c, uint32_t db_id);
/* Empty a volatile database on all nodes. -EINPROGRESS: ops->wiped follows; -EOPNOTSUPP: a member does not
 * know of it; the others as core_detach(). */
int core_wipe(struct core *c, uint32_t db_id);
void core_db_frozen(struct core *c, uint32_t db_id);
/* Before the group is joined: a file of this node's from before */
int core_db_found(struct core *c, const char *name, uint32_t db_flags);
/* When a record of a sticky database is held, and how long (sticky.c). Before the first call: never. */
struct core_sticky {
	uint32_t moves; /* in a second */
	uint64_t duration_ms, pindown_ms;
};
void core_sticky(struct core *c, const struct core_sticky *s);
struct core_db_info {
	uint32_t db_id;
	uint32_t flags;
	char name[CORE_NAME_SIZE];
	struct core_content content; /* persistent and replicated ones */
	bool is_behind; /* others have another content: it is not served, but fetched from source */
	bool is_lost;	/* ... and no member has a good one */
	uint32_t source;
	uint64_t copies_out, revokes; /* lent by this node, and called in */
};
/* Database number i, in the order of attaching; -ENOENT behind the last */
int core_db_info(const struct core *c, size_t i, struct core_db_info *info);
/* The lmaster of a key, or CORE_UNKNOWN_PNN outside a view */
uint32_t core_lmaster(const struct core *c, uint32_t db_id, struct slice key);

#define CALL_NULL 0xFF000001U
#define CALL_FETCH 0xFF000002U
#define CALL_FETCH_WITH_HEADER 0xFF000003U
#define CALL_WANT_READONLY 4U
struct core_call {
	uint32_t db_id, flags, callid;
	struct slice key;
};
/* Ends with call_reply or call_error, perhaps before it returns. 0, or 1: taken, but the peer it
 * goes to has much queued; read no more from this client until core_is_congested() is false. */
int core_call(struct core *c, uint64_t client, uint32_t reqid, const struct core_call *call);
void core_key_unlocked(struct core *c, uint32_t db_id, struct slice key);
/* The calls that are not answered yet, and since when the oldest one waits (0: none) */
struct core_waiting {
	uint64_t n, oldest_ms;
};
void core_waiting(const struct core *c, struct core_waiting *w);
/* Answers those that wait since that time or longer with an error */
void core_waiting_fail(struct core *c, uint64_t since_ms, const char *why);
/* 0, or 1: taken, but a peer has much of it to take yet; give no more, of no database, until
 * core_sweep_is_ahead() is false */
int core_sweep_batch(struct core *c, uint32_t db_id, uint64_t cookie, const struct core_sweep_entry *e, size_t n);
bool core_sweep_is_ahead(const struct core *c);
void core_sweep_end(struct core *c, uint32_t db_id, uint64_t cookie);
/* What it has asked for is not answered any more */
void core_client_gone(struct core *c, uint64_t client);
/* Whether a commit of this client is under way; one that was decided goes on without its client, which
 * may be asked for here by its id, and has its srvids, until that has ended (for a minute at most) */
bool core_is_committing(const struct core *c, uint64_t client);
/* A client has emptied this record: it is deleted when nobody has used it for a while */
void core_vacuum_schedule(struct core *c, uint32_t db_id, struct slice key);
/* How long an empty record rests, and the time between two passes over the files when something may
 * be left (else it is 60 times as long). Without a call, or with an interval of 0, nothing of this
 * node's is deleted. */
void core_vacuum_tune(struct core *c, uint32_t delay_ms, uint32_t interval_ms);
bool core_is_congested(const struct core *c);
/* A client of this node wants all active nodes to have a copy of a record as it is here; h->dmaster is this
 * node, or nothing is done. There is no answer: when a commit ends that is asked for later, they have it.
 * 0; 1: like 0, but a peer is congested: read no more from clients for now; -ENOENT: no such database;
 * -EINVAL: not volatile, or too long; -ENOBUFS: too much is under way. */
int core_push(struct core *c, uint32_t db_id, struct slice key, const struct record_header *h,
	      struct slice body);

/* ---- events: draining ---------------------------------------------------------------------------------- */

/* This node hands over what it owns, and goes on doing so until it is wanted no more; clients are served */
void core_drain(struct core *c, bool is_wanted);
/* This node is to be stopped. The clients are gone, and no others come. Ends with ops->drained, perhaps
 * before it returns: when all is handed over, when nothing can be, or after that time. */
void core_leave(struct core *c, uint32_t timeout_ms);

/* ---- events: persistent and replicated databases --------------------------------------------------- */

/* CTDB's status of a commit: was not possible; not begun in time; ended by a change of the view, the
 * client's file tells whether it has happened */
enum { COMMIT_REFUSED = -1, COMMIT_TIMED_OUT = 1, COMMIT_VIEW_CHANGED = 2 };
/* records: a rec_buffer, its db_id and padding behind it included. Ends with ops->committed,
 * perhaps before it returns. */
void core_commit(struct core *c, uint64_t client, uint32_t reqid, uint32_t db_id, struct slice records);
/* The same, for the whole content: the records, of whose sequence number only is taken that it is not
 * below, replace all that is there. The new number is 2 above the old one at least: a client that
 * has begun a commit meanwhile does not find the number that it would have set, which it would take
 * for its own success. */
void core_replace(struct core *c, uint64_t client, uint32_t reqid, uint32_t db_id, struct slice records);
/* rc: 0, -EEXIST: a newer record is there, or another -errno */
void core_commit_checked(struct core *c, uint32_t db_id, uint64_t ticket, int rc);
void core_commit_applied(struct core *c, uint32_t db_id, uint64_t ticket, int rc);
/* -ESTALE: nobody wants it any more. The last part may be empty. */
int core_transfer_part(struct core *c, uint32_t db_id, uint32_t to_pnn, uint64_t cookie,
		       struct slice part, bool is_last);
void core_transfer_written(struct core *c, uint32_t db_id, uint64_t cookie, int rc);

/* ---- events: messages --------------------------------------------------------------------------------- */

#define CORE_SRVID_ALL UINT64_MAX
#define CORE_CURRENT_NODE 0xF0000001U
#define CORE_BROADCAST_ALL 0xF0000002U
#define CORE_BROADCAST_ACTIVE 0xF0000003U
#define CORE_BROADCAST_CONNECTED 0xF0000004U
void core_register(struct core *c, uint64_t client, uint64_t srvid);
int core_deregister(struct core *c, uint64_t client, uint64_t srvid); /* -ENOENT */
bool core_is_registered(const struct core *c, uint64_t client, uint64_t srvid);
/* To a pnn, CORE_CURRENT_NODE or a broadcast; 1: congested, as core_call() */
int core_message(struct core *c, uint32_t dest, uint64_t srvid, struct slice data);
/* Any bytes to the world of another member, active or not, in order with everything else. 0, or 1:
 * taken, but much is queued for that member; take no more from whoever this comes from until
 * core_is_peer_congested() is false. -EHOSTUNREACH: no member; -EMSGSIZE: above CORE_MAX_RECORD */
int core_forward(struct core *c, uint32_t pnn, struct slice data);
/* Whether much is queued for a member; false for any other node */
bool core_is_peer_congested(const struct core *c, uint32_t pnn);

/* ---- events: traverses ----------------------------------------------------------------------------------- */

struct core_traverse {
	uint32_t db_id, tag; /* tag: goes with every record */
	uint64_t srvid;      /* records are messages to it, on this node */
	bool with_empty;
	bool is_ext;         /* for traverse_failed() */
	uint32_t timeout_ms; /* for a node to tell its next batch */
};
/* The records of all active nodes, or, of a database that is not volatile, of this node's file.
 * Sends nothing yet: it begins with the next core_client_drained() of its client. 0; -ENOENT: no
 * such database; -EAGAIN: this node is not active; -EBUSY: the client has too many; -ENOSPC: this
 * node has. */
int core_traverse(struct core *c, uint64_t client, const struct core_traverse *t);
/* What was queued for it has gone out: its traverses go on */
void core_client_drained(struct core *c, uint64_t client);
/* What traverse_read() has found, in any number of pieces */
void core_traverse_records(struct core *c, uint64_t cookie, const struct core_traverse_entry *e, size_t n);
/* The batch is read. next_chain: where the next one begins, or CORE_CHAIN_END. status: 0, or -errno:
 * not all of its records were told. */
void core_traverse_read_end(struct core *c, uint64_t cookie, uint32_t next_chain, int status);

/* ---- what it is doing ------------------------------------------------------------------------------------ */

enum core_view { CORE_VIEW_OUT, CORE_VIEW_GATHER, CORE_VIEW_GATED, CORE_VIEW_ACTIVE };
enum core_gate {
	CORE_GATE_QUORUM,
	CORE_GATE_FENCING,
	CORE_GATE_LINK,
	CORE_GATE_LOCK,
	CORE_GATE_TOPOLOGY,
	CORE_GATE_COUNT
};
struct core_gate_status {
	bool is_open;
	enum reason reason;
	char text[256]; /* whom or what it waits for; "" when open */
	uint64_t since_ms;
};
enum core_node_state { CORE_NODE_ABSENT, CORE_NODE_MEMBER, CORE_NODE_KEPT_OUT, CORE_NODE_ACTIVE };
enum core_owes { CORE_OWES_NOTHING, CORE_OWES_STATE, CORE_OWES_ACCEPT, CORE_OWES_REPORT };
struct core_node_status {
	uint32_t pnn;
	uint64_t boot_id;
	char name[CORE_NAME_SIZE];
	char address[CORE_NAME_SIZE];
	enum core_node_state state;
	enum reason reason;
	bool is_connected;  /* the transport has a link (oneself: true) */
	bool is_pending;    /* an earlier incarnation still waits for fencing */
	bool is_draining; /* it has said so */
	enum core_owes owes;
	uint64_t queued_bytes;
};
/* Where a recovery is; the later ones happen beside the work, without a call that waits for them */
enum core_phase {
	CORE_PHASE_OUT,	       /* this node is in no group */
	CORE_PHASE_GATHER,     /* members have not told their state */
	CORE_PHASE_GATES,      /* a gate is closed, or this node is kept out */
	CORE_PHASE_ACTIVATION, /* members have not accepted the plan */
	CORE_PHASE_SWEEP,      /* members have not reported all of their records */
	CORE_PHASE_ADOPTION,   /* this lmaster has orphans left */
	CORE_PHASE_CONTENT,    /* this node fetches databases of which it has to have all */
	CORE_PHASE_OVER,
	CORE_PHASE_COUNT
};
/* The recovery that is going on, or the last one: when what has happened, as now_ms(); 0: not yet,
 * or not at all */
struct core_recovery {
	uint32_t generation; /* that it has led to */
	uint32_t restarts;   /* by a new view before it was over */
	uint64_t begin_ms;   /* the group changed */
	uint64_t told_ms;    /* all members had told their state */
	uint64_t unfenced_ms, fenced_ms; /* departed ones were waited for; no more */
	uint64_t active_ms, swept_ms;
};
enum core_drain { CORE_DRAIN_OFF, CORE_DRAIN_DRAINING, CORE_DRAIN_DRAINED, CORE_DRAIN_LEAVING };
struct core_status {
	enum core_view view;
	bool is_active;     /* this node is in the active generation and may migrate */
	bool is_frozen;
	bool is_recovering; /* the sweep of this generation is not done everywhere */
	uint32_t generation; /* of the last ACTIVATE, 0 before the first */
	uint32_t leader;     /* pnn or CORE_UNKNOWN_PNN, as without quorum */
	bool has_lock_held;  /* by this node */
	enum reason reason;  /* why it is not active: the first closed gate; REASON_NONE when active */
	char text[256];
	uint64_t since_ms;   /* when the view began to wait, or became active */
	struct core_gate_status gate[CORE_GATE_COUNT];
	uint32_t views, recoveries;
	uint64_t last_recovery_start_ms, last_recovery_end_ms;
	uint64_t calls, calls_pending, handoffs_in, handoffs_out, copies_in, copies_out, revokes, forwards, created, adopted, resolutions, parked;
	uint64_t packets_sent, packets_received, locations;
	enum core_phase phase;
	struct core_recovery recovery;
	uint32_t sweep_dbs, sweep_dbs_done;  /* of this node, in this generation */
	uint64_t records_swept;		     /* by this node, so far */
	uint64_t resolutions_now;	     /* records that this lmaster asks all members for */
	uint32_t fetching, writing; /* databases that come from other nodes, and those being written */
	uint64_t orphans; /* that this node, as the lmaster, is to have adopted */
	uint64_t vacuum_scheduled, vacuum_candidates, vacuum_returned, vacuum_overflows, vacuum_passes;
	uint64_t vacuumed; /* by this node as the lmaster */
	enum core_drain drain;	/* DRAINED: the last look at all files has found nothing that this node owns */
	uint64_t drain_since_ms, drain_given, drain_left, drain_passes; /* left: by the last look */
	uint64_t traverses, traverses_now, traverses_failed, traverse_timeouts, traverse_records;
};
void core_status(const struct core *c, struct core_status *s);
/* Node number i of those known, by pnn; -ENOENT behind the last */
int core_node_status(const struct core *c, size_t i, struct core_node_status *s);
/* Whether a node is active in the current generation */
bool core_node_is_active(const struct core *c, uint32_t pnn);
/* The generation that this node is active in, or was; 0: never */
uint32_t core_generation(const struct core *c);

#endif
