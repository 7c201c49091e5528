/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * client.h: the Unix socket that Samba and the ctdb command connect to, with CTDB's client
 * protocol. A client is a connection; its id is a number never used twice in one engine.
 */
#ifndef COTDB_CLIENT_H
#define COTDB_CLIENT_H

#include "engine.h"

/* Listens on path (mode 0700); -EADDRINUSE when a daemon answers there already */
int clients_open(struct engine *e, const char *path);
void clients_close(struct engine *e);
/* The engine is about to end: those that are connected are disconnected, and no others come */
void clients_leave(struct engine *e);

/* The core's ops for clients (core.h has what they mean) */
void clients_call_reply(struct engine *e, uint64_t client, uint32_t reqid, struct slice data);
void clients_call_error(struct engine *e, uint64_t client, uint32_t reqid, const char *text);
void clients_message(struct engine *e, uint64_t client, uint64_t srvid, struct slice data);
bool clients_is_full(struct engine *e, uint64_t client);
void clients_traverse_failed(struct engine *e, uint64_t client, uint32_t db_id, bool is_ext,
			     const char *why);
void clients_committed(struct engine *e, uint64_t client, uint32_t reqid, int status,
		       const char *text);
void clients_attached(struct engine *e, uint32_t db_id, int status);
void clients_detached(struct engine *e, uint32_t db_id, int status, uint32_t pnn, const char *why);
void clients_wiped(struct engine *e, uint32_t db_id, int status, uint32_t pnn, const char *why);
bool clients_db_is_free(struct engine *e, uint32_t db_id, char *why, size_t size);
/* A control or a reply to one, from the engine of another node (ops->forwarded) */
void clients_forwarded(struct engine *e, uint32_t from_pnn, struct slice data);
/* Writes out what is queued for clients: as many packets as possible with one system call each */
void clients_flush(struct engine *e);
/* The view changed: fails what waits for a node that is gone, sends LEADER and so on */
void clients_status_changed(struct engine *e);

#endif
