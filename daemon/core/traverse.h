/* SPDX-License-Identifier: GPL-3.0-or-later */
/* traverse.h: what traverse.c and scan.c share, and what the rest of the core calls in them */
#ifndef COTDB_CORE_TRAVERSE_H
#define COTDB_CORE_TRAVERSE_H

#include "internal.h"

/* What a packet holds at most, but for a record that is longer by itself */
#define RECORDS_BYTES (64U * 1024U)

/* The mode of PACKET_TRAVERSE_ASK; in PACKET_TRAVERSE_END it says whether records are missing */
enum { TRAVERSE_WITH_EMPTY = 1, TRAVERSE_ANY_OWNER = 2 };

struct traverse;
struct scan;

struct traverses {
	struct traverse *first; /* oldest first */
	size_t n;
	struct scan *scan;
	size_t scan_n;
	uint64_t last_ticket, last_cookie;
	uint8_t *buf; /* the packet, or the message, being made */
	size_t size;
};

/* traverse.c */
struct traverses *traverses_get(struct core *c); /* makes it */
/* Room for so many bytes, lent until the next call */
struct writer traverse_writer(struct core *c, size_t size);
/* One of the PACKET_TRAVERSE_ types */
void traverse_packet(struct core *c, uint32_t from, const struct packet *p);
void traverse_activate(struct core *c); /* a new generation has begun */
void traverse_db_closed(struct core *c, uint32_t db_id);
void traverse_tick(struct core *c);
uint64_t traverse_deadline(const struct core *c);
void traverse_client_gone(struct core *c, uint64_t client);
size_t traverse_count(const struct core *c);
void traverse_free(struct core *c);

/* scan.c */
void scan_ask_in(struct core *c, uint32_t from, const struct packet *p);
void scan_cancel_in(struct core *c, uint32_t from, const struct packet *p);
void scan_cancel_all(struct core *c);
void scan_db_closed(struct core *c, uint32_t db_id);
void scan_free(struct traverses *a);

#endif
