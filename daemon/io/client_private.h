/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * client_private.h: what the parts of the client socket share among themselves.
 *
 *   client_socket.c   the listening socket: accept
 *   client_table.c    id -> client; begin and end of a connection
 *   client_stream.c   bytes in, bytes out, when to stop reading
 *   client.c          packets: what goes where; the core's ops for clients
 *   control*.c        controls
 *
 * Nobody frees a client while its packets are being handled: client_kill() only marks it, and
 * clients_flush(), which ends every event of the loop, ends it. That also resumes those that were
 * paused: never within a core's op.
 */
#ifndef COTDB_CLIENT_PRIVATE_H
#define COTDB_CLIENT_PRIVATE_H

#include <sys/types.h>
#include "client.h"
#include "client_queue.h"
#include "counters.h"
#include "poller.h"
#include "tunable.h"

struct attach_wait;
struct detach_wait;
struct restore;
struct client_tcp;
struct client_notify;
struct control_late;
struct control_state;

#define CLIENT_READ_SIZE (256U << 10)
/* A client with so many bytes of answers to be written is not read from */
#define CLIENT_OUTPUT_PAUSE (1U << 20)
/* With so many of any kind its traverses pause, until less than the second number is left */
#define CLIENT_TRAVERSE_PAUSE (256U << 10)
#define CLIENT_TRAVERSE_GO    (64U << 10)
/* The same for its calls that wait until the node is active the first time */
#define CLIENT_HELD_PAUSE (256U << 10)
/* MaxQueueDropMsg counts packets; here is a packet's share of the limit, which is in bytes */
#define CLIENT_DROP_BYTES_PER_PACKET 64U

/* Why a client is not being read from */
enum client_pause {
	PAUSE_CONGESTED = 1, /* a peer that it sends to has much queued */
	PAUSE_OUTPUT = 2,    /* it does not read its answers */
	PAUSE_HELD = 4,	     /* its calls wait for the first view */
	PAUSE_PEER = 8,	     /* congested_pnn, which its controls go to, has much queued */
};

struct client {
	struct clients *owner;
	uint64_t id;
	int fd;
	pid_t pid;
	unsigned int pause; /* bits of enum client_pause */
	uint32_t congested_pnn;
	bool is_eof;	    /* it has closed its side; what it had sent is still handled */
	bool is_dying;
	bool is_dirty;	/* in the list of those with something to write */
	bool is_polled; /* its descriptor is in the loop */
	bool is_awaited; /* by its traverses: core_client_drained() is due when little is in out */
	int poll_events;
	struct client *next_dirty, *next_dying;
	struct byte_queue in, out, held;
	size_t reply_bytes; /* of what is in out, at most */
	uint32_t *attached; /* ids of databases that it was told are there */
	size_t attached_n;
	struct client_tcp *tcp; /* control_tcp.c */
	size_t tcp_n;
	struct client_notify *notify;
	size_t notifies, notify_bytes;
	/* one call being timed: enough for a latency, since few clients have several at once */
	uint32_t timed_reqid;
	uint64_t timed_us;
	uint64_t packets_in, packets_out;
	uint64_t since_ms;
};

struct clients {
	struct engine *engine;
	struct poller *poller; /* of the clients' connections */
	int listen_fd, spare_fd;
	char *path;
	uint64_t path_dev, path_ino;

	/* id = serial << CLIENT_SLOT_BITS | slot: found without a search, and never used twice */
	struct client **slot;
	size_t slots;
	size_t *free_slot;
	size_t free_slots;
	uint64_t serial;
	size_t count;

	struct client *dirty, *dying; /* lists */
	bool has_congested, has_congested_peer, is_closing;
	bool has_drained; /* some of those that are awaited */
	unsigned int resume;	     /* bits of enum client_pause that have ended for some */
	struct byte_queue forwarded; /* from other nodes, not handled yet */
	struct queue_pool pool;
	uint8_t *read_buffer; /* CLIENT_READ_SIZE: shared, since packets are decoded in place */

	/* what core_status() told last: looked at for each packet */
	bool is_active, was_active;
	uint32_t generation, leader;
	bool has_leader_news; /* LEADER is to be told */
	bool has_generation_news; /* ... and RECONFIGURE */

	struct tunables tunables;
	struct counters counters;
	struct control_state *control;
	struct attach_wait *attaching; /* control_attach.c */
	struct detach_wait *detaching; /* control_detach.c */
	struct restore *restores;      /* control_restore.c */
	size_t restores_n;
	struct byte_queue answers;     /* client_service.c: to what the tools have asked */
	uint32_t told_generation;      /* RECONFIGURE was sent for it */
	struct client_orphan *orphans; /* control_client.c: gone, but not their commits */
	uint64_t waits_logged_ms;      /* client_waits.c */
	uint64_t inactive_since_ms;    /* 0: the node is active */
	struct control_late *late;     /* control_late.c */
	uint32_t lates;
	qb_loop_timer_handle second_timer;
	bool has_seqnum_timer; /* control_seqnum.c */
	qb_loop_timer_handle seqnum_timer;
};

#define CLIENT_SLOT_BITS 20
/* Who registers srvids in this daemon's own name; no client has these */
enum { CLIENT_ID_SERVICE = 1, CLIENT_ID_RESTORE = 2 };

/* ---- client_table.c -------------------------------------------------------------------------- */

/* Takes fd. NULL when there is no memory or no slot (fd is closed then) */
struct client *client_accept(struct clients *s, int fd, pid_t pid);
/* Marks it for its end, for a reason that goes to the log (NULL: it went in peace) */
void client_kill(struct client *cl, const char *why);
/* NULL: no such client any more */
struct client *client_find(struct clients *s, uint64_t id);
/* Client number i of those there are slots for; NULL: none in this slot */
struct client *client_at(struct clients *s, size_t i);
/* That it uses a database, for as long as it is connected */
void client_attached(struct client *cl, uint32_t db_id);
bool client_has_attached(const struct client *cl, uint32_t db_id);
/* clients_flush()'s work: ends the pauses in s->resume, and the dying (who must not be dirty) */
void clients_resume(struct clients *s);
void clients_reap(struct clients *s);
/* Ends all at once, for the end of the engine */
void client_end_all(struct clients *s);

/* ---- client_stream.c ---------------------------------------------------------------------------
 */

/* Room for a packet of that size (a multiple of 8) in the client's output, to be filled at once;
 * NULL: it will not be sent. */
uint8_t *client_output(struct client *cl, size_t size, bool is_reply);
int client_poll_begin(struct client *cl);
/* Ends a pause and handles what was read meanwhile */
void client_unpause(struct client *cl, unsigned int pause);
/* Reads no more from it until no peer is congested */
void client_pause_congested(struct client *cl);
/* Reads no more from it until that node, which it sent a control to, has less queued */
void client_pause_for_peer(struct client *cl, uint32_t pnn);
/* Whether a pause for lack of reading is over */
bool client_has_drained(const struct client *cl);

/* ---- client.c
 * ------------------------------------------------------------------------------------ */

/* One whole packet of a client, lent until return. It may set cl->pause, or kill the client. */
void client_take_packet(struct client *cl, struct slice packet);
/* Tells the leader to those who registered LEADER: each second, and what it is to a new one at once
 */
void clients_tell_leader(struct clients *s);

/* ---- control_traverse.c ------------------------------------------------------------------------ */

/* Lets the traverses of those go on whose output has drained (has_drained) */
void clients_drained(struct clients *s);

/* ---- client_service.c --------------------------------------------------------------------------
 */

void clients_service_open(struct clients *s);
/* A message to the daemon itself; called within the core's op */
void clients_service_message(struct clients *s, uint64_t srvid, struct slice data);
/* Sends what is to be answered */
void clients_service_answer(struct clients *s);
/* A new generation is served: RECONFIGURE, IPREALLOCATED */
void clients_tell_generation(struct clients *s);

/* ---- client_waits.c ----------------------------------------------------------------------------
 */

/* Told each time that it may have changed */
void client_waits_status(struct clients *s, bool is_active, uint64_t now_ms);
/* Each second: says that calls wait, and ends those that have waited for too long */
void client_waits_second(struct clients *s, uint64_t now_ms);
/* Calls that were kept before the first view */
size_t client_waits_held(const struct clients *s);

/* ---- client_socket.c
 * ------------------------------------------------------------------------------- */

int client_socket_open(struct clients *s, const char *path);
void client_socket_close(struct clients *s);

uint64_t client_now_us(void);

#endif
