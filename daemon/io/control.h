/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control.h: REQ_CONTROL: one handler per opcode. lib/control.def has the opcodes with the forms
 * of their payloads, which are checked before a handler is called; control_table.c has the
 * handlers. Everything is answered, with -1 and a text where nothing better can be said.
 *
 *   control.c          check, call, answer; forwarding to another node
 *   control_table.c    opcode -> handler
 *   control_node.c     about the node and the cluster
 *   control_client.c   about a connection, or the processes behind connections
 *   control_db.c       about databases;  control_attach.c: attaching
 *   control_restore.c  wiping and restoring them
 *   control_tcp.c      TCP connections of Samba's clients
 *   control_detach.c   ... and detaching; control_seqnum.c: TDB's own sequence numbers
 *   control_traverse.c all records of a database
 *   control_counters.c statistics
 */
#ifndef COTDB_CONTROL_H
#define COTDB_CONTROL_H

#include "lib/codec.h"
#include "lib/payload.h"
#include "client_private.h"
#include "control_number.h"

struct control_request {
	struct clients *clients;
	struct engine *engine;
	struct client *client; /* NULL: it comes from another node */
	uint32_t from_pnn;     /* whose client it is */
	uint32_t reqid;	       /* the client's */
	uint32_t opcode, flags;
	uint64_t srvid;
	struct slice data; /* of the right size for the opcode; lent until return */
};

#define CONTROL_TEXT_SIZE 256
/* The most that an answer holds */
#define CONTROL_DATA_SIZE (1U << 20)
struct control_answer {
	struct writer data; /* goes out only with status 0 */
	char text[CONTROL_TEXT_SIZE];
};

/* A handler's status that means: control_answer_later() follows */
#define CONTROL_LATER INT32_MIN
/* Returns the answer's status: 0 and above, or -1 (or -errno) with a text */
typedef int32_t (*control_handler)(struct control_request *r, struct control_answer *a);

/* NULL: we do not know this one. */
control_handler control_handler_of(uint32_t opcode);
/* Sets the answer's text; returns -1 */
int32_t control_refuse(struct control_answer *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

int control_open(struct clients *s);
void control_close(struct clients *s);
/* Ends what waits for this client; tells those that it registered notifications for */
void control_client_gone(struct clients *s, struct client *cl);
void control_orphan_add(struct clients *s, const struct client *cl);
void control_orphans_free(struct clients *s);
/* One REQ_CONTROL from a client */
void control_request(struct client *cl, const struct packet_header *h, const struct req_control *m);
/* A malformed one, of which only the header could be read */
void control_malformed(struct client *cl, const struct packet_header *h);
/* Handles what came from other nodes */
void control_forwarded(struct clients *s);
/* Each second: time-outs */
void control_second(struct clients *s, uint64_t now_ms);
/* Fails what was forwarded to nodes that are gone */
void control_status_changed(struct clients *s);
/* The answer to a control that was CONTROL_LATER; dropped when the client is gone */
void control_answer_later(struct clients *s, uint64_t client, uint32_t reqid, int32_t status,
			  struct slice data, const char *text);

/* control_attach.c */
int32_t control_attach(struct control_request *r, struct control_answer *a);
/* An attached database is to have this property from now on, on every node */
int32_t control_attach_property(struct control_request *r, struct control_answer *a,
				const struct core_db_info *info, uint32_t property);
void control_attach_active(struct clients *s);
void control_attach_second(struct clients *s, uint64_t now_ms);
void control_attach_client_gone(struct clients *s, uint64_t client);
void control_attach_close(struct clients *s);
/* How many wait */
size_t control_attaching(const struct clients *s);

/* control_late.c: also at the end, to drop them all. text is borrowed until return. */
void control_late_second(struct clients *s);
void control_late(struct clients *s, uint64_t client, uint32_t reqid, int32_t status,
		  const char *text);

/* To another node, without an answer: as core_forward() */
int control_tell(struct clients *s, uint32_t pnn, const struct req_control *m);

/* control_db.c: reads the db id that the data begins with, and finds the database; -1 with a text */
int32_t control_db_find(struct control_request *r, struct control_answer *a,
			struct core_db_info *info);

/* control_detach.c */
void control_detach_close(struct clients *s);

/* control_restore.c */
bool control_restore_is_running(struct clients *s, uint32_t db_id);
void control_restore_message(struct clients *s, uint64_t srvid, struct slice data);
void control_restore_client_gone(struct clients *s, uint64_t client);
void control_restore_second(struct clients *s, uint64_t now_ms);
void control_restore_close(struct clients *s);

/* control_seqnum.c */
void control_seqnum_close(struct clients *s);

/* control_client.c */
void control_notify_fire(struct clients *s, struct client *cl);

/* control_tcp.c: number i of a client's; NULL behind the last */
const struct ctdb_connection *client_tcp_at(const struct client *cl, size_t i);

/* status.c: writes JSON text; -ENOMEM, or -ENOSPC when it does not fit */
int status_json(struct clients *s, struct writer *w);

#endif
