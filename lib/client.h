/* SPDX-License-Identifier: GPL-3.0-or-later */
/* client.h: inside of libcotdb: a connection, and what its files use of each other */
#ifndef COTDB_LIB_CLIENT_H
#define COTDB_LIB_CLIENT_H

#include <sys/types.h>
#include <tdb.h>
#include "codec.h"
#include "cotdb.h"

/* Bytes in the order of their coming: p[start..end) are there, size are allocated */
struct client_buffer {
	uint8_t *p;
	size_t start, end, size;
};

struct cotdb {
	int fd;
	int error; /* 0, or -errno that every later call answers */
	int timeout_ms;
	uint32_t pnn;
	uint32_t last_reqid;
	char *root;
	struct client_buffer in;   /* what was read and not looked at yet */
	struct client_buffer kept; /* whole packets that a waiting call passed over: events */
	struct client_buffer out;
	struct cotdb_db *dbs;
};

struct cotdb_db {
	struct cotdb_db *next;
	struct cotdb *h;
	struct tdb_context *tdb;
	uint32_t db_id, type;
};

/*
 * Requests that somebody waits for have even numbers, those whose answers are events odd ones. So
 * the late answer to a call that timed out is known by its even number, and dropped.
 */
uint32_t client_reqid(struct cotdb *h, bool is_event);

/* Room for len more bytes at the end: where they go, or NULL (no memory, or too much is kept) */
uint8_t *client_buffer_room(struct client_buffer *b, size_t len);
/* Begins a packet of that size in the output; client_send() sends it */
int client_begin(struct cotdb *h, size_t size, struct writer *w);
int client_send(struct cotdb *h, const struct writer *w);
/* Writes and reads without waiting; the connection's error or 0 */
int client_io(struct cotdb *h);
/* Waits until the socket is ready, then client_io(); deadline_ms absolute or -1; -ETIMEDOUT */
int client_wait(struct cotdb *h, int64_t deadline_ms);
int64_t client_deadline(int timeout_ms);
/* The next whole packet of a buffer, lent; 1, 0, or -EBADMSG */
int client_packet(struct client_buffer *b, struct slice *packet);
/* Waits for the answer to an even reqid; what else comes is kept as events */
int client_wait_reply(struct cotdb *h, uint32_t reqid, struct cotdb_reply *reply);

/* Sends a call; with is_event its answer is an event */
int client_call_send(struct cotdb_db *db, struct cotdb_key key, uint32_t callid, uint32_t flags,
		     bool is_event, uint32_t *reqid);
void client_db_close(struct cotdb_db *db);

#endif
