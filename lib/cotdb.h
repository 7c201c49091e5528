/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cotdb.h: libcotdb, a client of cotdb, and of any daemon that speaks CTDB's client protocol.
 *
 * A connection is a struct cotdb, for one thread at a time. Functions answer 0 or a negative
 * errno; -ETIMEDOUT after the connection's time-out, and after an error of the connection itself
 * (-ECONNRESET: the daemon closed it, -EBADMSG: it sent what no daemon sends) every later call
 * answers the same. There are no callbacks: what nobody waits for (messages, replies to requests
 * that were only begun) is kept until it is taken with cotdb_event_next().
 *
 * Data that is lent stays valid until the next call with the same connection.
 *
 *   blocking:    cotdb_connect(), cotdb_control(), cotdb_fetch_lock(), ...
 *   event loop:  poll cotdb_fd() for cotdb_events(); when it is ready cotdb_dispatch(), then
 *                cotdb_event_next() until it answers 0
 *
 * The library opens database files itself. Two rules come with that: libtdb opens a file only
 * once in a process, so attach a database by one connection of a process only; and a child after
 * fork() must not use the parent's connections or databases.
 */
#ifndef LIBCOTDB_COTDB_H
#define LIBCOTDB_COTDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cotdb;
struct cotdb_db;

/* Nodes by number (corosync nodeid - 1), or: */
#define COTDB_CURRENT_NODE	  0xF0000001U
#define COTDB_BROADCAST_ALL	  0xF0000002U
#define COTDB_BROADCAST_ACTIVE	  0xF0000003U
#define COTDB_BROADCAST_CONNECTED 0xF0000004U

/* ---- connection ------------------------------------------------------------------------------ */

/* Connects and asks for the node's number. path NULL: $CTDB_SOCKET, else /run/ctdb/ctdbd.socket.
 * timeout_ms is kept for all later calls, -1 for none. The caller closes *h. */
int cotdb_connect(struct cotdb **h, const char *path, int timeout_ms);
/* Closes its databases too; NULL is allowed */
void cotdb_close(struct cotdb *h);
void cotdb_set_timeout(struct cotdb *h, int timeout_ms);
/* Number of the node that it is connected to */
uint32_t cotdb_pnn(const struct cotdb *h);
/* Folder in front of the paths of database files that the daemon tells: for a daemon that runs in
 * a mount namespace of its own. Copied; NULL or "": none */
int cotdb_set_root(struct cotdb *h, const char *folder);

/* ---- requests that wait for their answer ------------------------------------------------------
 */

struct cotdb_reply {
	int32_t
	    status; /* 0, or what the daemon says failed; for a few controls the answer itself */
	const void *data;
	size_t len_bytes;
	const char *text; /* of an error, not ended by a NUL */
	size_t text_len;
};

struct cotdb_control {
	uint32_t pnn;	 /* node that shall answer, not a broadcast */
	uint32_t opcode; /* cotdb_control_number() */
	uint64_t srvid;	 /* argument of a few controls, else 0 */
	const void *data;
	size_t len_bytes;
};

/* 0 when an answer came, whatever its status; reply is lent and may be NULL */
int cotdb_control(struct cotdb *h, const struct cotdb_control *c, struct cotdb_reply *reply);
/* The same without any answer (NOREPLY); a broadcast is allowed here */
int cotdb_control_send(struct cotdb *h, const struct cotdb_control *c);
/* Opcode of a control by CTDB's name ("GET_PNN"), or -1 */
int cotdb_control_number(const char *name);

/* ---- messages ----------------------------------------------------------------------------------
 */

/* Messages to srvid on this node are for this connection, too. -EREMOTEIO: refused */
int cotdb_register(struct cotdb *h, uint64_t srvid);
/* -ENOENT: was not registered */
int cotdb_deregister(struct cotdb *h, uint64_t srvid);
/* To all who registered srvid on a node, or on many (COTDB_BROADCAST_*); never answered */
int cotdb_message_send(struct cotdb *h, uint32_t pnn, uint64_t srvid, const void *data,
		       size_t len_bytes);

/* ---- events -------------------------------------------------------------------------------------
 */

enum cotdb_event_type {
	COTDB_EVENT_MESSAGE, /* srvid and data are set */
	COTDB_EVENT_REPLY,   /* to cotdb_call_begin(), cotdb_migrate_begin(): reqid, status, data */
};

struct cotdb_event {
	enum cotdb_event_type type;
	uint64_t srvid;
	uint32_t reqid;
	int32_t status; /* 0, or the call failed */
	const void *data;
	size_t len_bytes;
};

/* For poll(): the descriptor, and POLLIN with or without POLLOUT */
int cotdb_fd(const struct cotdb *h);
short cotdb_events(const struct cotdb *h);
/* Writes and reads what can be without waiting */
int cotdb_dispatch(struct cotdb *h);
/* Takes the next event; its data is lent. 1: *e is set, 0: there is none now, or -errno.
 * Reads nothing by itself. */
int cotdb_event_next(struct cotdb *h, struct cotdb_event *e);
/* The same, but waits for one: at most timeout_ms (-1: for ever), then 0 */
int cotdb_event_wait(struct cotdb *h, struct cotdb_event *e, int timeout_ms);

/* ---- databases
 * ------------------------------------------------------------------------------------ */

#define COTDB_DB_VOLATILE   0x0U
#define COTDB_DB_PERSISTENT 0x1U
#define COTDB_DB_REPLICATED 0x8U

/* Creates the database in the cluster if there is none of that name, and opens this node's file
 * with the flags that the daemon tells. type: COTDB_DB_*. -EREMOTEIO: the daemon refused;
 * -EBUSY: this process has the file open already. Closed with the connection. */
int cotdb_attach(struct cotdb *h, const char *name, uint32_t type, struct cotdb_db **db);
uint32_t cotdb_db_id(const struct cotdb_db *db);

/* A longer key is served by no daemon */
#define COTDB_MAX_KEY 64512U

struct cotdb_key {
	const void *p;
	size_t len_bytes; /* 1 to COTDB_MAX_KEY */
};

/* A record under its chain lock. data is the record's until it is unlocked. */
struct cotdb_record {
	struct cotdb_db *db;
	struct cotdb_key key; /* borrowed until the unlock */
	uint64_t rsn;
	uint32_t dmaster, flags;
	const void *data;
	size_t len_bytes;
	void *buffer; /* private */
};

/*
 * Locks a record of a volatile database for writing: the node's other clients wait at the lock,
 * other nodes ask for it through their daemon. If the record belongs to another node it is brought
 * here first (one call or more). A record that does not exist is made, with no data.
 * Waits for the lock without a limit if another client of this node holds it; the time-out is for
 * the daemon. Hold it for a short time only, and do not wait for anybody meanwhile.
 */
int cotdb_fetch_lock(struct cotdb_db *db, struct cotdb_key key, struct cotdb_record *r);
/* The same if the record is here now; -EAGAIN when it is not: cotdb_migrate_begin(), and again */
int cotdb_try_lock(struct cotdb_db *db, struct cotdb_key key, struct cotdb_record *r);
/* Begins to bring a record here. The answer is an event with *reqid. */
int cotdb_migrate_begin(struct cotdb_db *db, struct cotdb_key key, uint32_t *reqid);
/* Replaces the data of a locked record in the file; r->data is still what was read */
int cotdb_store(struct cotdb_record *r, const void *data, size_t len_bytes);
/* Empties a locked record and tells the daemon that it can be removed */
int cotdb_delete(struct cotdb_record *r);
void cotdb_unlock(struct cotdb_record *r);

/* What a call does with the record once it is on this node; its answer has that data */
#define COTDB_CALL_NULL		     0xFF000001U /* nothing; no data */
#define COTDB_CALL_FETCH	     0xFF000002U /* its value */
#define COTDB_CALL_FETCH_WITH_HEADER 0xFF000003U /* the 24 bytes in front of it, and its value */

/* Flags of a call: hints, and a daemon may do without them */
#define COTDB_CALL_IMMEDIATE_MIGRATION 0x1U /* bring the record at the first request */
#define COTDB_CALL_WANT_READONLY       0x4U /* a copy that can only be read would do */

/* One call of the daemon, as Samba does it: brings a record to this node (of a volatile database;
 * any other has its copy here), where another may take it away again at any time (see
 * cotdb_fetch_lock()), and does callid there: COTDB_CALL_*, any other gets an answer without data
 * from cotdb. Waits for the answer. 0 when one came: reply->status 0 and lent data, or another
 * status and a text when the daemon refused (no such database, an owner that cannot give the
 * record); reply is lent and may be NULL. -EINVAL: a key of no valid length; -errno of the
 * connection. */
int cotdb_call(struct cotdb_db *db, struct cotdb_key key, uint32_t callid, uint32_t flags,
	       struct cotdb_reply *reply);
/* The same without waiting: the answer is an event with *reqid */
int cotdb_call_begin(struct cotdb_db *db, struct cotdb_key key, uint32_t callid, uint32_t flags,
		     uint32_t *reqid);

/* Reads a record without a lock, from this node's file if it may, else through the daemon (to
 * whom the record may then move). A record that does not exist has no data: *len_bytes 0. *data is
 * the caller's to free(), and never NULL when 0 is answered. */
int cotdb_read(struct cotdb_db *db, struct cotdb_key key, void **data, size_t *len_bytes);

#ifdef __cplusplus
}
#endif

#endif
