/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sim.h: a whole virtual cluster in one process. The nodes run the real struct core and struct
 * supervise; everything else is virtual: time, corosync, links, TDB files, clients, the recovery
 * lock, Pacemaker. One seeded generator decides every delay and every fault, so a run is a
 * function of its seed and its parameters.
 *
 *   event.c   the queue of what happens when      random.c  the generator
 *   corosync.c rings, groups, quorum              link.c    connections between engines
 *   store.c   files with chain locks              client.c  who locks, reads and writes records
 *   engine.c  a core and its world                node.c    hosts and supervisors
 *   lock.c    the recovery lock                   fencer.c  Pacemaker
 *   fault.c   what goes wrong, and its end        check.c   the invariants
 *   traverse.c  who asks for all records
 *   replica.c  a persistent database             commit.c  clients that commit to it
 *   detach.c   a database that comes and goes
 *   wipe.c     databases that lose all of their records
 *   drain.c    stops one after the other, and nodes that are drained by hand
 *   scenario.c  one run                           main.c    the command line
 */
#ifndef COTDB_SIM_H
#define COTDB_SIM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "daemon/core/core.h"
#include "daemon/core/roster.h"
#include "daemon/core/supervise.h"

enum {
	SIM_NODES = 5,
	SIM_DBS = 2,
	SIM_FILES = SIM_DBS + 1, /* and the one that comes and goes (detach.c) */
	SIM_KEYS = 6,
	SIM_CLIENTS = 4,  /* for each engine */
	SIM_WRITERS = 96, /* incarnations in one run whose writes are told apart */
	SIM_DISK = 16,	  /* incarnations that a disk remembers */
	SIM_FACTS = 64,
	SIM_COMMITS = 1024, /* in one run */
};

struct sim;
struct vnode;
struct vengine;

/* ---- random.c ------------------------------------------------------------------------------ */

struct random {
	uint64_t s[4];
};
void random_seed(struct random *r, uint64_t seed);
uint64_t random_next(struct random *r);
uint32_t sim_below(struct sim *s, uint32_t n); /* 0 .. n-1; 0 for n == 0 */
bool sim_chance(struct sim *s, uint32_t percent);
uint64_t sim_between(struct sim *s, uint64_t a, uint64_t b); /* both included */
uint64_t sim_delay(struct sim *s, uint64_t typical_us); /* mostly below, now and then far above */
uint64_t sim_lateness(struct sim *s); /* 0, or up to some time-outs, where this run is late */

/* ---- event.c ------------------------------------------------------------------------------- */

/* What happens at a time. object is borrowed, data is freed after it (or at the end). */
typedef void (*event_fn)(struct sim *s, void *object, void *data, uint64_t number);
struct event {
	uint64_t at_us, tie;
	event_fn fn;
	void *object, *data;
	uint64_t number;
	const char *name;
};
struct event_queue {
	struct event *heap;
	size_t n, size;
};
void event_after_named(struct sim *s, uint64_t delay_us, const char *name, event_fn fn,
		       void *object, void *data, uint64_t number);
#define event_after(s, delay_us, fn, object, data, number)                                         \
	event_after_named(s, delay_us, #fn, fn, object, data, number)
bool event_run(struct sim *s); /* the next one; false: none is left */
void event_free_all(struct sim *s);

/* ---- bytes --------------------------------------------------------------------------------- */

/* A queue of bytes */
struct pipe_bytes {
	uint8_t *p;
	size_t len, size;
};
void pipe_add(struct pipe_bytes *b, const void *p, size_t len);
void pipe_drop(struct pipe_bytes *b, size_t len); /* from the front */

/* ---- corosync.c ---------------------------------------------------------------------------- */

enum vgroup { VGROUP_ENGINES, VGROUP_SUPERVISORS, VGROUPS };
enum ventry_kind { VENTRY_MESSAGE, VENTRY_JOIN, VENTRY_LEAVE, VENTRY_DEATH };

/* What a process has sent: in its node's queue first, then in the order of a ring */
struct ventry {
	struct ventry *next;
	enum ventry_kind kind;
	enum vgroup group;
	uint32_t pnn, pid;
	size_t len;
	uint8_t data[];
};
struct vmembers {
	struct core_member m[2 * SIM_NODES];
	size_t n;
};
/* What a process of a group is handed, in order */
enum vdelivery_kind { VDELIVERY_MESSAGE, VDELIVERY_MEMBERS, VDELIVERY_RING };
struct vdelivery {
	struct vdelivery *next;
	enum vdelivery_kind kind;
	struct ventry *entry; /* borrowed: entries live as long as the run */
	struct vmembers members;
	struct core_ring ring;
	bool is_in_ring[SIM_NODES];
};
struct vinbox {
	struct vdelivery *first, **last;
	bool is_pumping;
};
struct vring {
	struct vring *next;
	struct core_ring id;
	bool is_node[SIM_NODES];
	bool is_broken; /* its token is lost: nothing is ordered any more */
	struct ventry **log;
	size_t n, size;
	size_t received[SIM_NODES];
};
struct corosync {
	bool is_running, is_stalled;
	bool has_seen_all; /* wait_for_all */
	bool is_quorate;
	uint32_t part; /* nodes with the same number reach each other */
	struct vring *ring;
	struct vmembers group[VGROUPS];
	struct ventry *send_first, **send_last;
	bool is_ordering;
};
void corosync_start(struct sim *s, struct vnode *n);
void corosync_kill(struct sim *s, struct vnode *n);
void corosync_stall(struct sim *s, struct vnode *n, bool is_stalled);
void corosync_network_changed(struct sim *s); /* parts are other ones: form rings after a while */
void corosync_reform_later(struct sim *s, uint32_t part);
void corosync_send(struct sim *s, struct vnode *n, enum ventry_kind kind, enum vgroup group,
		   uint32_t pid, const void *data, size_t len);
bool corosync_reaches(const struct vnode *a, const struct vnode *b);
bool corosync_is_whole(const struct sim *s);
void vinbox_init(struct vinbox *b);
struct vdelivery *vinbox_take(struct vinbox *b);
void vinbox_clear(struct vinbox *b);
void corosync_free_all(struct sim *s);

/* ---- store.c: the volatile files of one engine --------------------------------------------- */

enum vholder {
	VHOLDER_NONE,
	VHOLDER_CLIENT,
	VHOLDER_CORE,
	VHOLDER_WORKER,
	VHOLDER_FREEZE,
	VHOLDER_RETIRE
};
struct vrecord {
	bool is_present;
	struct record_header header;
	uint16_t n; /* length of the body; an empty one has content, too: that of its last write */
	uint16_t body[SIM_WRITERS]; /* the writes of each incarnation that it holds */
};
struct vclient;
struct vchain {
	enum vholder holder;
	struct vclient *client;
	uint32_t worker_key;
	bool is_wanted_by_core[SIM_KEYS], is_wanted_by_freeze, is_wanted_by_retire;
	struct vclient *waiting[SIM_CLIENTS];
	uint32_t core_depth; /* locked by the core inside this event */
	bool is_granted;     /* core_key_unlocked() runs */
};
struct vdb {
	bool is_open;
	uint32_t db_id;
	struct vrecord record[SIM_KEYS];
	struct vchain chain[SIM_KEYS];
	uint64_t sweep_cookie; /* of the newest sweep */
	bool is_wiping, is_frozen; /* it is to be frozen alone, and is */
	uint64_t wipe_round, wiped; /* wiped: how often */
};
struct vfile {
	struct vdb db[SIM_FILES];
	bool is_freezing, is_frozen;
	bool is_retiring, is_retired; /* retired: wiped, no client can write any more */
	bool is_bad; /* it could not be read, or not take a record in: its engine ends */
	uint64_t freeze_round, retire_round;
	uint32_t core_locks; /* held by the core: none when an event is over */
};
bool vstore_client_lock(struct sim *s,
			struct vclient *c); /* false: waits, vclient_locked() follows */
void vstore_client_unlock(struct sim *s, struct vclient *c);
void vstore_client_forget(struct sim *s, struct vclient *c);
void vstore_workers_died(struct sim *s, struct vengine *e);
void vstore_retire(struct sim *s, struct vengine *e, bool kill_holders);
void vstore_retire_abort(struct sim *s, struct vengine *e);
void vstore_event_done(struct sim *s, struct vengine *e);
int vstore_db_open(void *world, uint32_t db_id, const char *name, uint32_t flags);
void vstore_db_close(void *world, uint32_t db_id);
int vstore_lock(void *world, uint32_t db_id, struct slice key);
int vstore_trylock(void *world, uint32_t db_id, struct slice key);
void vstore_unlock(void *world, uint32_t db_id, struct slice key);
int vstore_get(void *world, uint32_t db_id, struct slice key, struct record_header *h,
	       struct slice *body);
int vstore_put(void *world, uint32_t db_id, struct slice key, const struct record_header *h,
	       struct slice body);
int vstore_del(void *world, uint32_t db_id, struct slice key);
void vstore_sweep_start(void *world, uint32_t db_id, uint64_t cookie);
void vstore_db_freeze(void *world, uint32_t db_id);
int vstore_db_wipe(void *world, uint32_t db_id);
void vstore_db_thaw(void *world, uint32_t db_id);
void vstore_freeze(void *world);
void vstore_unfreeze(void *world);

/* ---- replica.c: one persistent database ----------------------------------------------------- */

#define SIM_PERSISTENT "p.tdb"
/* A node's file. It survives everything; each commit has a number of its own in the run. */
struct vpfile {
	bool exists;
	uint32_t generation, tag, n; /* n: CTDB's sequence number */
	uint32_t commit[SIM_COMMITS]; /* in the order of the sequence number, from 1 */
};
/* What an engine does with it */
struct vreplica {
	uint32_t db_id;
	bool is_attached;
	uint32_t checked_generation; /* it was found good in */
	uint64_t cookie;	     /* of what comes */
	struct pipe_bytes coming;
};
void vreplica_db_content(void *world, uint32_t db_id, struct core_content *content);
void vreplica_check(void *world, uint32_t db_id, uint64_t ticket, struct slice records);
void vreplica_apply(void *world, uint32_t db_id, uint64_t ticket,
		    const struct core_content *becomes, struct slice records, bool is_whole);
void vreplica_send(void *world, uint32_t db_id, uint32_t to, uint64_t cookie);
void vreplica_receive(void *world, uint32_t db_id, uint64_t cookie, struct slice part,
		      bool is_last);
bool vreplica_info(const struct vengine *e, struct core_db_info *info);

/* ---- commit.c ------------------------------------------------------------------------------ */

enum vcommitter_state { VCOMMITTER_NONE, VCOMMITTER_IDLE, VCOMMITTER_SENDING, VCOMMITTER_WAITING };
/* Content that a client had pushed, and to whom */
struct vpushed {
	bool is_pushed;
	uint64_t boot_id[SIM_NODES]; /* 0: not to this node */
	uint16_t content[SIM_WRITERS];
};
struct vcommitter {
	struct vpushed pushed[SIM_FILES][SIM_KEYS]; /* before it was begun */
	struct vengine *e;
	enum vcommitter_state state;
	uint64_t id, turn, since_us;
	uint32_t reqid, commit, n, tries; /* the commit's number, and the sequence number it sets */
	bool is_whole;			  /* it replaces all: the number is 2 higher */
	bool has_done;			  /* one that was asked for at the end */
	bool has_lock;			  /* while this commit is made */
	uint64_t dead_id;		  /* had it, and has died; 0: nobody */
};
/* What a client was told of */
struct vtold {
	uint32_t commit, n, generation;
	bool is_done;	  /* it was committed, or else it was not */
	uint32_t holders; /* set of the nodes whose file was found to be so */
};
void vcommit_start(struct sim *s, struct vengine *e);
void vcommit_engine_gone(struct sim *s, struct vengine *e);
void vcommit_engine_leaves(struct sim *s, struct vengine *e);
void vcommit_now(struct sim *s, struct vengine *e); /* an idle one, at once */
void vcommit_ended(void *world, uint64_t client, uint32_t reqid, int status, const char *text);
void check_replica(struct sim *s, struct vengine *e); /* after every event */
void check_replicas_equal(struct sim *s);
/* A generation begins somewhere */
void check_replica_generation(struct sim *s, const struct incarnation *active, size_t n);

/* ---- client.c ------------------------------------------------------------------------------ */

enum vclient_state {
	VCLIENT_NONE,
	VCLIENT_IDLE,
	VCLIENT_LOCKING,
	VCLIENT_HOLDING,
	VCLIENT_WAITING,
	VCLIENT_DEAD
};
struct vclient {
	struct vengine *e;
	uint64_t id;
	enum vclient_state state;
	uint32_t db, key, reqid, tries;
	bool is_unkillable; /* in D state while it holds a lock */
	bool is_orphan;	    /* its socket is gone */
	bool is_reading;    /* a copy would do */
	uint64_t since_us;  /* it has wanted what it wants */
	uint64_t turn;	    /* only the newest event of a client counts */
};
void vclient_start_all(struct sim *s, struct vengine *e);
void vclient_locked(struct sim *s, struct vclient *c);
void vclient_replied(struct sim *s, struct vengine *e, uint64_t client, uint32_t reqid,
		     bool is_error);
void vclient_die(struct sim *s, struct vclient *c);
/* It dies, the daemon knows it at once, and its server starts another */
void vclient_end(struct sim *s, struct vclient *c);
void vclient_engine_gone(struct sim *s, struct vengine *e);
void vclient_engine_leaves(struct sim *s, struct vengine *e);
void vclient_fetch(struct sim *s, struct vclient *c, uint32_t db,
		   uint32_t key); /* an idle one, at once */

/* ---- traverse.c ---------------------------------------------------------------------------- */

struct vtraverse {
	uint64_t client;
	uint32_t db;
	bool is_going, is_broken, is_complete;
	bool is_owed[SIM_KEYS]; /* owned by one of its nodes ever since it began */
	bool is_told[SIM_KEYS];
};
void vtraverse_start_all(struct sim *s, struct vengine *e);
void vtraverse_engine_leaves(struct vengine *e);
bool vtraverse_begin(struct sim *s, struct vengine *e, uint32_t db);
void vtraverse_moved(struct sim *s, uint32_t db, uint32_t key);
bool vtraverse_message(struct vengine *e, uint64_t client, uint64_t srvid, struct slice data);
void vtraverse_read(void *world, const struct core_traverse_read *want);
void vtraverse_cancel(void *world, uint64_t cookie);
bool vtraverse_is_full(void *world, uint64_t client);
void vtraverse_failed(void *world, uint64_t client, uint32_t db_id, bool is_ext, const char *why);

/* ---- detach.c ------------------------------------------------------------------------------ */

#define SIM_DETACHED "d.tdb"
struct vdetach {
	bool is_used; /* by a client */
	bool is_attaching, is_asking;
};
bool vdetach_is(uint32_t db_id);
void vdetach_closed(struct vengine *e);
bool vdetach_is_free(void *world, uint32_t db_id, char *why, size_t size);
void vdetach_attached(struct vengine *e, int status);
void vdetach_ended(void *world, uint32_t db_id, int status, uint32_t pnn, const char *why);
void vdetach_start(struct sim *s, struct vengine *e);
void vdetach_activated(struct sim *s, struct vengine *e);
bool check_detach(struct sim *s, const char **why);
/* In the end clients of all nodes use it, if it is there; the number of files that there are */
uint32_t vdetach_use_all(struct sim *s);

/* ---- wipe.c -------------------------------------------------------------------------------- */

void vwipe_start(struct sim *s, struct vengine *e);
void vwipe_frozen(struct sim *s);
void vwipe_ended(void *world, uint32_t db_id, int status, uint32_t pnn, const char *why);
/* A node has emptied its file */
void vwipe_done(struct sim *s, struct vengine *e, uint32_t db);
/* Something of it was written before the last wipe */
bool vwipe_is_old(const struct sim *s, uint32_t db, uint32_t key, const uint16_t *content);
bool check_wipe(struct sim *s, const char **why);

/* ---- engine.c: one incarnation ------------------------------------------------------------- */

/* What supervisor and Pacemaker helper tell the engine, in order */
enum vipc_kind {
	VIPC_LEFT,
	VIPC_REVOKED,
	VIPC_SUPERVISOR,
	VIPC_STARTED,
	VIPC_WRITTEN,
	VIPC_FENCED,
	VIPC_FENCE_FAILED
};
struct vwatch {
	struct incarnation inc;
	uint64_t since; /* number of the first fencing that counts */
};
enum vlock_request { VLOCK_TRY, VLOCK_PROBE, VLOCK_CHECK, VLOCK_RELEASE };
struct vpeer {
	bool is_wanted;
	uint64_t boot_id;
};
struct vengine {
	struct vengine *next; /* all of the run */
	struct sim *sim;
	struct vnode *node;
	uint64_t boot_id;
	uint32_t pid, number;
	struct core *core;
	bool is_running;  /* the process exists */
	bool is_quitting; /* nothing is called any more */
	bool is_leaving;  /* asked to end: its clients are gone, and it drains */
	bool is_drained;  /* it has said so */
	bool is_joined;
	bool has_ring;
	bool was_sweeping;
	struct core_ring ring, quorum_ring;
	bool is_quorate; /* as it was told */
	struct vmembers members;
	struct vinbox inbox;
	uint64_t tick_at_ms;
	enum reason last_reason;
	struct vfile file;
	struct vclient client[SIM_CLIENTS];
	struct vtraverse traverse;
	struct vreplica replica;
	struct vcommitter committer;
	struct vdetach detach;
	bool is_wiping[SIM_DBS]; /* asked for by a client of it, and not answered */
	struct vpushed pushed[SIM_FILES][SIM_KEYS];
	uint32_t pushes_coming[SIM_FILES][SIM_KEYS]; /* the engine has not heard of */
	struct vpeer peer[SIM_NODES];
	struct vwatch watch[SIM_FACTS];
	size_t watch_n;
	uint32_t first_generation; /* it was active in, 0: never */
	uint32_t generation;
	uint32_t plan_generation; /* what it was last told to keep over a restart */
	struct incarnation plan[SIM_NODES];
	size_t plan_n;
	uint32_t nodes; /* set of those in the generation that it is active in */
	bool is_attached[SIM_DBS];
	bool is_evicted; /* by agreement */
	uint32_t messages_in, forwards_in;
	struct vipc *ipc_first, **ipc_last;
	struct vquorum *quorum_first, **quorum_last;
	bool is_reading_ipc, is_reading_quorum;
	enum vlock_request lock_request[16]; /* what the helper has not answered, oldest first */
	uint32_t lock_requests;
	bool has_stale_lock; /* its node was cut off: the lock is another's, and it does not know */
	uint16_t seen[SIM_FILES][SIM_KEYS][SIM_WRITERS]; /* what its clients made or saw */
};
struct vengine *vengine_start(struct sim *s, struct vnode *n, uint64_t boot_id);
void vengine_end(struct sim *s, struct vengine *e, enum reason why); /* the process is gone */
void vengine_quit(struct vengine *e, enum reason why); /* it ends by itself */
void vengine_leave(struct sim *s, struct vengine *e); /* it is asked to end */
bool vengine_serves(const struct vengine *e);	      /* runs, and has clients */
bool vengine_can_run(const struct vengine *e);	 /* exists, is not paused, and still takes events */
bool vengine_can_write(const struct vengine *e); /* its clients may still change its file */
void vengine_after(struct vengine *e);		 /* after every event given to its core */
void vengine_deliver_later(struct sim *s, struct vengine *e);
void vengine_tell_quorum(struct sim *s, struct vengine *e);
void vengine_ipc(struct sim *s, struct vengine *e, enum vipc_kind kind, struct incarnation inc,
		 uint64_t delay_us);
void vengine_resumed(struct sim *s, struct vengine *e);
void vengine_free_all(struct sim *s);

/* ---- link.c -------------------------------------------------------------------------------- */

struct vconn {
	struct vconn *next; /* all of the run */
	struct vengine *end[2];
	bool is_up[2];	    /* core_peer_up() was called there */
	bool has_hello[2];  /* of that end has arrived at the other */
	bool is_noticed[2]; /* that end knows that it is closed */
	bool is_closed;
	bool is_held[2], is_pumping[2], is_delivering[2];
	struct pipe_bytes pipe[2]; /* from end i */
};
void vlink_want(struct sim *s, struct vengine *e, uint32_t pnn);
void vlink_unwant(struct sim *s, struct vengine *e, uint32_t pnn);
void vlink_wake(struct sim *s, struct vengine *e, uint32_t pnn);
void vlink_resume(struct sim *s, struct vengine *e, uint32_t pnn);
void vlink_engine_gone(struct sim *s, struct vengine *e);
void vlink_break(struct sim *s, uint32_t a, uint32_t b);
void vlink_free_all(struct sim *s);

/* ---- node.c -------------------------------------------------------------------------------- */

struct vdisk {
	uint32_t generation;
	bool is_outside;
	struct incarnation active[SIM_DISK];
	bool is_over[SIM_DISK];
	size_t n;
};
struct vsupervisor {
	bool is_running;
	uint32_t pid;
	struct supervise *supervise;
	struct vinbox inbox;
	struct roster roster;
	bool has_ring;
	uint64_t boot_id; /* of the engine to be started */
	struct {
		struct incarnation inc;
		bool is_left;
	} resolved[SIM_FACTS];
	size_t resolved_n;
	uint64_t tick_at_ms, round;
	struct vdisk persisted;		     /* what is on disk, or about to be */
	uint64_t persists, persisted_number; /* asked for by engines; the newest that has come */
	bool is_writing, is_write_wanted;
	bool is_clean; /* it ends, and leaves nothing behind */
	uint64_t linger_until_us;
};
struct vnode {
	struct sim *sim;
	uint32_t pnn;
	bool is_up;	/* the host has power */
	bool is_paused; /* corosync, supervisor and engine stand still; clients do not */
	bool is_engine_paused;
	uint64_t stalled_us; /* when the node or its engine stood still last, 0: never */
	bool is_local_lock; /* its recovery lock is a local file */
	bool is_lock_hung;
	bool is_slow;
	bool is_unclean; /* Pacemaker means to fence it */
	bool is_failed;	 /* ... although it is there: a stop has failed */
	uint64_t boots;
	uint32_t next_pid;
	struct corosync corosync;
	struct vdisk disk;
	struct vpfile pfile;
	struct vsupervisor supervisor;
	struct vengine *engine; /* the newest one, running or not; NULL before the first */
	bool is_wanted;		/* Pacemaker is to run the daemon here */
	bool is_start_scheduled, had_daemon;
};
void vnode_power_on(struct sim *s, struct vnode *n);
void vnode_power_off(struct sim *s, struct vnode *n, const char *why);
void vnode_pause(struct sim *s, struct vnode *n, bool is_paused);
void vnode_pause_engine(struct sim *s, struct vnode *n, bool is_paused);
void vnode_start_daemon(struct sim *s, struct vnode *n);
void vnode_stop_daemon(struct sim *s, struct vnode *n);
void vnode_kill_daemon(struct sim *s, struct vnode *n); /* supervisor and engine, at once */
void vnode_kill_engine(struct sim *s, struct vnode *n);
void vsupervisor_deliver_later(struct sim *s, struct vnode *n);
void vsupervisor_free(struct vnode *n);
void vsupervisor_engine_active(struct sim *s, struct vengine *e);
void vsupervisor_persist(struct sim *s, struct vnode *n, const struct vdisk *d);
void vsupervisor_retired(struct sim *s, struct vnode *n, bool is_done);
void vsupervisor_engine_ended(struct sim *s, struct vnode *n, enum reason why);
bool vnode_has_daemon(const struct vnode *n);

/* ---- lock.c -------------------------------------------------------------------------------- */

void vlock_ask(struct vengine *e, enum vlock_request what);
void vlock_engine_gone(struct sim *s, struct vengine *e);
void vlock_lose(struct sim *s);
void vlock_move(struct sim *s); /* the file system takes the lock from a node it has lost */

/* ---- fencer.c ------------------------------------------------------------------------------ */

enum vfencing { VFENCING_PROMPT, VFENCING_LATE, VFENCING_PASSIVE, VFENCING_FAILING };
void vfencer_watch(struct vengine *e, struct incarnation inc);
void vfencer_request(struct vengine *e, struct incarnation inc);
void vfencer_node_lost(struct sim *s, struct vnode *n);
/* Its stop has failed: fence it although it is a member */
void vfencer_stop_failed(struct sim *s, struct vnode *n);
void vfencer_old_news(struct sim *s); /* tell somebody of a fencing of long ago */
void vfencer_start(struct sim *s);
bool vfencer_is_starting_beside(struct sim *s, const struct vnode *n);

/* ---- fault.c ------------------------------------------------------------------------------- */

void fault_begin(struct sim *s);
void fault_end(struct sim *s); /* everything heals */
/* No data goes between two nodes, or between one and all, from now on; and it does again */
void fault_cut_links(struct sim *s);
void fault_heal_links(struct sim *s);
/* The network gets parts, if this run allows it */
void fault_cut_soon(struct sim *s, uint64_t delay_us);

/* ---- drain.c ------------------------------------------------------------------------------- */

/* In some runs daemons are stopped and started again one after the other and hardly anything else happens;
 * in some an admin drains nodes */
void vdrain_begin(struct sim *s);
void vdrain_set_up(struct sim *s);
void vdrain_end(struct sim *s);
void vdrain_ended(void *world, enum core_drain_end how);
/* A node is to run the daemon again after a while */
void fault_stop_for_a_while(struct sim *s, struct vnode *n);

/* ---- check.c ------------------------------------------------------------------------------- */

void sim_fail(struct sim *s, const char *what, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void check_put(struct sim *s, struct vengine *e, uint32_t db, uint32_t key,
	       const struct vrecord *old);
void check_del(struct sim *s, struct vengine *e, uint32_t db, uint32_t key,
	       const struct vrecord *old);
/* Whether somebody owns each record of which there are copies */
bool check_is_owned(struct sim *s, const char **why);
/* Whether no file has anything left of the records that are empty */
bool check_is_vacuumed(struct sim *s, uint32_t dbs, const char **why);
void check_hold(struct sim *s, struct vclient *c);
/* The engine is told of a push, and a commit ends that was begun after it */
void check_push(struct vengine *e, uint32_t db, uint32_t key, const uint16_t *content);
void check_pushed(struct sim *s, struct vengine *e);
/* Whether the core does something with the chain lock that it waits for */
bool check_is_awaited(struct vengine *e, uint32_t db, uint32_t key);
void check_read(struct sim *s, struct vclient *c);
void check_properties(struct sim *s);
/* A client of e, which holds the record, writes it */
void check_write(struct sim *s, struct vengine *e, uint32_t db, uint32_t key, bool is_emptied);
void check_activate(struct sim *s, struct vengine *e, uint32_t generation,
		    const struct incarnation *active, size_t n);
void check_multicast(struct sim *s, struct vengine *e, bool is_activate);
void check_freeze(struct sim *s, struct vengine *e);
bool check_is_whole(struct sim *s, const char **why);
/* As whole as it can be while links are blocked: who is not active is kept out for that */
bool check_is_whole_but_cut(struct sim *s, const char **why);
/* The members have agreed that this one goes */
/* A node has been cut off, and nothing is on its way any more */
void check_cut_off(struct sim *s);
void check_evicted(struct sim *s, struct vengine *e);
const struct vrecord *vrecord_of(const struct vengine *e, uint32_t db, uint32_t key);
struct vengine *sim_engine_of(struct sim *s, struct incarnation inc);

/* ---- scenario.c ---------------------------------------------------------------------------- */

/* The last lines of a run, or all of them on standard output */
struct trace {
	bool is_printing;
	size_t size, n; /* kept, and seen so far */
	char (*line)[240];
};
struct sim_options {
	uint32_t nodes; /* 0: drawn from the seed */
	uint64_t steps;
	enum core_bug bug;
	struct trace *trace; /* NULL: none */
};
/* A record on its way */
struct vgiven {
	uint64_t rsn;
	uint32_t to;
	uint16_t content[SIM_WRITERS];
};
struct vgeneration {
	uint32_t generation;
	struct incarnation active[SIM_NODES];
	size_t n;
};
struct sim {
	struct sim_options options;
	uint64_t seed;
	struct random random, bad_files, traverses, readers;
	bool has_bad_files; /* a record cannot be given away, taken in, or read now and then */
	bool has_traverses;
	bool has_readers; /* databases in read-only mode, and clients that only read */
	struct random detaches, restores, pushes, drains, links, delays;
	bool is_rolling, has_drains;
	uint32_t drain_timeout_ms;
	uint64_t drained; /* engines that have handed over all */
	bool is_late; /* freezes, retiring and news of fencing take longer than any time-out */
	bool has_pushes; /* clients have records pushed to all nodes now and then */
	bool has_detaches;
	struct random wipes;
	bool has_wipes;
	uint64_t wiped;
	uint16_t wiped_writes[SIM_FILES][SIM_KEYS][SIM_WRITERS]; /* those up to it are of before the last wipe */
	uint32_t detached;
	uint64_t traverse_clients;
	/* Empty records are deleted in most runs; what clients know to be deleted, and how much of
	 * what they write is nothing */
	struct random vacuums;
	bool has_vacuum, is_emptying;
	uint32_t vacuum_delay_ms, vacuum_interval_ms, empty_percent;
	uint64_t vacuumed;
	struct event_queue queue;
	uint64_t now_us, step;
	uint64_t digest; /* of everything that happened, to compare two runs */

	uint32_t n; /* nodes */
	bool is_two_node;
	struct vnode node[SIM_NODES];
	struct vengine *engines;
	uint32_t engines_n;
	uint64_t next_boot_id;
	struct vring *rings;
	uint64_t next_ring;
	struct ventry **entries; /* all, freed at the end */
	size_t entries_n, entries_size;
	struct vconn *conns;
	bool is_blocked[SIM_NODES][SIM_NODES];	   /* links, what the first sends to the second */
	uint64_t blocked_us[SIM_NODES][SIM_NODES]; /* when they were last */
	uint64_t parted_us;			   /* when the network had parts last */
	bool has_lasting_cut; /* one that outlives the other faults */
	uint32_t evictions;
	const struct vnode *cut_off; /* it exchanges no data with any other */
	uint64_t cut_off_us; /* when nothing was on its way any more, and what was acknowledged then */
	uint64_t cut_acked[SIM_NODES][2], cut_generations;

	/* the recovery lock */
	bool has_lock;
	struct vengine *lock_owner;
	bool is_lock_alien; /* somebody else has it */
	bool is_lock_hung_without_quorum;

	/* fencer */
	enum vfencing fencing;
	uint64_t fencings;     /* begun so far */
	uint32_t fencings_now; /* asked for or begun, and not ended */
	struct {
		struct incarnation inc;
	} fenced[SIM_FACTS];
	size_t fenced_n;

	/* databases, keys, and what was written at last by emptying */
	uint32_t dbs, files, keys, chains; /* files: dbs, and perhaps one that comes and goes */
	char key_name[SIM_KEYS][24];
	char db_name[SIM_FILES][24];
	uint16_t written[SIM_FILES][SIM_KEYS][SIM_WRITERS]; /* all that there ever was */
	bool has_lost; /* an engine that was active has ended, and had not handed over all */
	uint16_t emptied[SIM_FILES][SIM_KEYS][SIM_WRITERS];
	uint16_t deleted[SIM_FILES][SIM_KEYS][SIM_WRITERS]; /* its last content, by the daemon */
	struct vgiven given[SIM_FILES][SIM_KEYS][16]; /* the last hand-offs */
	uint32_t given_n[SIM_FILES][SIM_KEYS];
	struct vgeneration *generations;
	size_t generations_n, generations_size;

	/* commits, and the lock that clients hold while they commit */
	uint32_t next_commit;
	struct vcommitter *commit_lock;
	bool is_commit_lock_loose;
	struct vtold told[SIM_COMMITS];
	size_t told_n;
	uint32_t last_nodes; /* set of the nodes in the generation that began last */
	bool has_histories;  /* one began without any of those before it */

	/* this run's temper, drawn from the seed */
	bool is_orderly; /* all daemons are stopped and started again, and nothing else happens */
	uint32_t faults; /* set of enum fault_kind that may happen */
	uint64_t think_us, hold_us, latency_us, cpg_us, store_us, sweep_us, fault_us;
	bool has_long_sweeps;
	uint32_t long_hold_percent;
	uint32_t timeout_ms; /* base of the daemon's own time-outs */
	bool is_healing, is_quiet;
	uint64_t heal_us;

	bool has_failed;
	char failure[512];
	uint64_t turns, turns_lost; /* answered: look again; and the record was gone when it did */
	uint64_t changes;  /* of the engines' group, in whatever part of the network */
	uint64_t restarts; /* RESTART, and detaches: what else may begin a generation */
	uint64_t generations_begun;
	uint64_t resweeps; /* activations in the middle of the sweep of the generation before */
	uint64_t calls, reads, writes, activations, fences, traverses_ended, commits;
};
/* Runs one seed; 0, or 1 with the reason in s->failure. Call sim_free() after it. */
int sim_run(struct sim *s, uint64_t seed, const struct sim_options *options);
void sim_free(struct sim *s);
void sim_trace(struct sim *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
