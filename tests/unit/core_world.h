/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * core_world.h: one core for the unit tests, in a world that answers nothing by itself, and a
 * second node that is played by hand. node1 is pnn 0, boot id 77, pid 1; node2 is pnn 1, pid 9.
 */
#ifndef COTDB_CORE_WORLD_H
#define COTDB_CORE_WORLD_H

#include "daemon/core/internal.h"

struct world {
	uint64_t now;
	uint8_t sent[65536]; /* the last multicast */
	size_t sent_len;
	unsigned int multicasts, replies, errors, messages, retired, peers, wakes, resumes, fence_requests;
	char record[256]; /* the store: one record */
	size_t record_len;
	struct record_header header;
	unsigned int lock_waits;
	bool has_record, is_locked_outside, is_full, is_broken, is_unreadable;
	/* traverses */
	struct core_traverse_read read[8]; /* what was to be read */
	unsigned int reads, cancels, failed;
	bool is_client_full;
	char why[128];
	uint8_t message[256]; /* the last one, its beginning */
	size_t message_len;
	struct core *core;
	/* persistent databases: what was asked of the store last */
	struct core_content content, becomes;
	uint64_t checking, applying, sending, receiving; /* tickets and cookies */
	size_t applied_len, received_len;
	bool is_received, is_whole;
	unsigned int committed, attached;
	int status, attach_status;
	bool is_in_use; /* detaching */
	unsigned int closed, detach_ended;
	int detach_status;
	unsigned int freezes, wipes, thaws, wipes_ended; /* of a database that is wiped */
	int wipe_status;
	unsigned int drains, probes;
	enum core_drain_end drain_end;
	uint32_t persist_generation; /* the last that was to be kept */
	bool persist_is_outside;
	struct incarnation fenced; /* the last that was to be */
};

extern const struct core_member both[2];
extern const struct core_ring ring;

/* node1 alone in its group up to an active generation, with one database, a.tdb. To be freed with
 * core_free(); w has to live as long. */
struct core *node_alone(struct world *w);
/* node1 knows from its disk that node2 was active, too, and is in no group yet. Freed like that. */
struct core *node_cold(struct world *w);
/* node1's last multicast is delivered to itself */
void deliver(struct world *w);
/* The last multicast, node1's ACTIVATE, is delivered, and then its ACCEPT: the last one now */
void plan_in(struct world *w, uint32_t pid);
/* A call for a record of that database. Borrows key. */
struct core_call call_of(struct core *c, const char *key);

/* What the two members of a view tell: node2's STATE is node1's with another boot id, of a node
 * that was never active, and with this topology verdict */
#define PEER_BOOT (77 ^ 0x55)
struct states {
	uint8_t mine[65536], theirs[65536];
	size_t len;
};
/* The last multicast was node1's STATE */
void states_of(struct states *s, const struct world *w, uint8_t verdict);
void states_in(struct core *c, const struct states *s);
/* node2 joins, and is kept out unless the verdict is REASON_NONE */
void peer_joins(struct world *w, uint8_t verdict);
/* Both are active, and have a link */
struct core *node_with_peer(struct world *w);

#endif
