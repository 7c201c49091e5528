/* SPDX-License-Identifier: GPL-3.0-or-later */
/* drain.h: what the rest of the core calls in drain.c */
#ifndef COTDB_CORE_DRAIN_H
#define COTDB_CORE_DRAIN_H

#include "internal.h"

/* Oneself; a peer that drains is told of in struct node */
enum drain_mode { DRAIN_OFF, DRAIN_STAYING, DRAIN_LEAVING };
struct drain {
	enum drain_mode mode;
	uint64_t begin_ms, until_ms; /* leaving: then it ends as it is */

	/* PACKET_DRAIN: the last one, and who has not answered yet */
	bool has_asked; /* in this generation */
	uint64_t ticket;
	uint64_t awaited[CORE_MAX_NODES / 64];
	size_t awaited_n;
	uint64_t asked_handoffs; /* of this node's hand-offs, those that were sent before */

	/* The pass over the files */
	bool is_reading, is_begun;
	bool is_sure;  /* it began when nothing could come here any more */
	bool is_clean; /* one that was sure has found nothing */
	bool is_empty; /* the last that has ended has found nothing */
	size_t pass_db;
	uint32_t pass_chain, chains; /* from where, and how many at a time */
	uint32_t kept_end; /* one before this is kept: so many at a time only up to here */
	uint64_t pass_ms; /* when it goes on, or is given up while it is reading */
	uint64_t cookie;
	uint64_t found, given; /* in this pass */
	uint64_t locked, pending, homeless, unread;
	uint64_t passes, left; /* those that have ended; what the last one has left here */
	uint64_t total;	       /* given since it began */
};

void drain_activate(struct core *c);
void drain_db_closed(struct core *c);
void drain_tick(struct core *c);
uint64_t drain_deadline(const struct core *c);
void drain_free(struct core *c);
/* PACKET_DRAIN and PACKET_DRAINED */
void drain_packet(struct core *c, uint32_t from, const struct packet *p);
/* A record was given away because drain.c has asked for that */
void drain_given(struct core *c);
/* What was read for a pass, if cookie is a pass's */
bool drain_records(struct core *c, uint64_t cookie, const struct core_traverse_entry *e, size_t n);
bool drain_read_end(struct core *c, uint64_t cookie, uint32_t next_chain, int status);
/* This node is about to go: nothing may come to it */
static inline bool drain_is_leaving(const struct core *c)
{
	return c->drain != NULL && c->drain->mode == DRAIN_LEAVING;
}

#endif
