/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * traverse.c: all records of a database, for a client that asks for them.
 *
 * The node that the client asks is the traverse's origin. It has one part for each active node, and
 * asks it for one batch after the other: ASK names the hash chain where the batch begins, RECORDS
 * bring it, END says where the next one begins. Nothing is asked for while much waits to be read by
 * the client; so a slow client stops the readers of its own traverse on all nodes, and what is on
 * its way is at most PARTS_AT_ONCE batches. A node that reads remembers nothing between two
 * batches.
 *
 * Each node tells the records that its file says it owns (dmaster). A record that moves while its
 * old and its new owner are read may be told twice, or not at all; every other one is told.
 *
 * The packets belong to a generation, like those of the records (R1). At ACTIVATE the readers
 * forget what they were asked, and the origin asks again, beginning with the batch that was on its
 * way: its records may be told twice. A round says which ASK an answer belongs to, so that a late
 * one does no harm. What a node owned that is no longer there cannot be told: such a traverse has
 * failed, as it has when a node does not answer in time or cannot read its file. The other nodes'
 * records are told all the same. How a client learns of it, and why so, is in doc/design.md.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "traverse.h"

#define PARTS_AT_ONCE	    4U
#define TRAVERSE_PER_CLIENT 4U
#define TRAVERSE_MAX	    256U
/* CTDB's rec_data: u32 length of all, u32 tag, u32 and u32 lengths of key and data, key, data */
#define REC_DATA_FIXED 16U

/* One node's share of a traverse, at the origin */
struct part {
	struct incarnation inc;
	uint32_t chain; /* where its next batch, or the one that is asked for, begins */
	uint32_t round;
	bool is_asked, has_ended;
	uint64_t deadline_ms; /* while it is asked */
};

struct traverse {
	struct traverse *next;
	struct core_traverse ask;
	uint64_t ticket, client;
	uint8_t mode;
	char why[128]; /* it has failed */
	size_t part_n;
	struct part part[];
};

struct traverses *traverses_get(struct core *c)
{
	if (c->traverses == NULL)
		c->traverses = core_alloc(sizeof(*c->traverses));
	return c->traverses;
}

struct writer traverse_writer(struct core *c, size_t size)
{
	struct traverses *a = traverses_get(c);

	/* one that was made for a single long record is not kept */
	if (a->size < size || (a->size > 4 * RECORDS_BYTES && size <= RECORDS_BYTES)) {
		a->size = size > RECORDS_BYTES ? size : RECORDS_BYTES;
		free(a->buf);
		a->buf = core_alloc(a->size);
	}
	return writer_of(a->buf, a->size);
}

/* ---- the origin: to the client ---- */

static void traverse_tell(struct core *c, const struct traverse *t, uint32_t length,
			  struct slice key, struct slice value)
{
	struct writer w = traverse_writer(c, REC_DATA_FIXED + key.len + value.len);

	writer_u32(&w, length);
	writer_u32(&w, t->ask.tag);
	writer_u32(&w, (uint32_t)key.len);
	writer_u32(&w, (uint32_t)value.len);
	writer_bytes(&w, key.p, key.len);
	writer_bytes(&w, value.p, value.len);
	message_deliver(c, t->ask.srvid, slice_of(w.p, w.len));
}

static void traverse_finish(struct core *c, struct traverse *t)
{
	struct traverses *a = c->traverses;
	struct traverse **at = &a->first;
	const struct slice none = { 0 };

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	a->n--;
	if (t->why[0] != '\0') {
		c->count.traverses_failed++;
		/* a length that is not its own: Samba's clients fail at such a record */
		if (!t->ask.is_ext)
			traverse_tell(c, t, UINT32_MAX, none, none);
	}
	if (t->why[0] == '\0' || !t->ask.is_ext)
		traverse_tell(c, t, REC_DATA_FIXED, none, none);
	if (t->why[0] != '\0')
		c->ops->traverse_failed(c->world, t->client, t->ask.db_id, t->ask.is_ext, t->why);
	free(t);
}

/* ---- the origin: from the nodes ---- */

static void part_cancel(struct core *c, const struct traverse *t, struct part *part)
{
	struct packet p = { .type = PACKET_TRAVERSE_CANCEL,
			    .db_id = t->ask.db_id,
			    .ticket = t->ticket,
			    .round = part->round };

	if (part->is_asked)
		packet_send(c, part->inc.pnn, &p);
	part->is_asked = false;
}

__attribute__((format(printf, 4, 5))) static void
part_fail(struct core *c, struct traverse *t, struct part *part, const char *format, ...)
{
	va_list ap;

	part_cancel(c, t, part);
	part->has_ended = true;
	if (t->why[0] != '\0')
		return; /* the first reason is told */
	va_start(ap, format);
	vsnprintf(t->why, sizeof(t->why), format, ap);
	va_end(ap);
}

static void part_ask(struct core *c, const struct traverse *t, struct part *part)
{
	struct packet p = { .type = PACKET_TRAVERSE_ASK,
			    .db_id = t->ask.db_id,
			    .ticket = t->ticket,
			    .round = ++part->round,
			    .chain = part->chain,
			    .mode = t->mode };

	part->is_asked = true;
	part->deadline_ms = t->ask.timeout_ms != 0 ? core_now(c) + t->ask.timeout_ms : UINT64_MAX;
	packet_send(c, part->inc.pnn, &p);
}

/* Asks for what may be asked for now, or ends; t may be gone after it */
static void traverse_go(struct core *c, struct traverse *t)
{
	size_t asked = 0, ended = 0;

	for (size_t i = 0; i < t->part_n; i++) {
		asked += t->part[i].is_asked;
		ended += t->part[i].has_ended;
	}
	if (ended == t->part_n) {
		traverse_finish(c, t);
		return;
	}
	if (asked + ended == t->part_n || asked >= PARTS_AT_ONCE ||
	    c->ops->client_is_full(c->world, t->client))
		return;
	for (size_t i = 0; i < t->part_n && asked < PARTS_AT_ONCE; i++) {
		struct part *part = &t->part[i];

		if (part->is_asked || part->has_ended)
			continue;
		part_ask(c, t, part);
		asked++;
	}
}

/* Whose batch is this? NULL: nobody waits for it any more */
static struct traverse *traverse_of(const struct core *c, uint32_t from, const struct packet *p,
				    struct part **part)
{
	struct traverse *t = c->traverses != NULL ? c->traverses->first : NULL;

	while (t != NULL && t->ticket != p->ticket)
		t = t->next;
	for (size_t i = 0; t != NULL && i < t->part_n; i++) {
		*part = &t->part[i];
		if ((*part)->inc.pnn == from && (*part)->is_asked && (*part)->round == p->round)
			return t;
	}
	return NULL;
}

static void traverse_records_in(struct core *c, uint32_t from, const struct packet *p)
{
	struct cursor s = cursor_of(p->data.p, p->data.len);
	struct part *part;
	struct traverse *t = traverse_of(c, from, p, &part);

	if (t == NULL)
		return;
	for (uint32_t i = 0; i < p->n; i++) {
		struct slice key, value;

		if (cursor_block(&s, CORE_MAX_KEY, &key) ||
		    cursor_block(&s, CORE_MAX_RECORD + RECORD_HEADER_SIZE, &value) ||
		    value.len < RECORD_HEADER_SIZE) {
			part_fail(c, t, part, "what %s(%u) has sent is malformed",
				  node_name(c, from), from);
			traverse_go(c, t);
			return;
		}
		c->count.traverse_records++;
		traverse_tell(c, t, (uint32_t)(REC_DATA_FIXED + key.len + value.len), key, value);
	}
}

static void traverse_end_in(struct core *c, uint32_t from, const struct packet *p)
{
	struct part *part;
	struct traverse *t = traverse_of(c, from, p, &part);

	if (t == NULL)
		return;
	part->is_asked = false;
	/* no further than before: it would never end */
	if (p->chain != CORE_CHAIN_END && p->chain <= part->chain)
		part_fail(c, t, part, "what %s(%u) has sent is malformed", node_name(c, from),
			  from);
	part->chain = p->chain;
	if (p->mode != 0 && t->why[0] == '\0')
		snprintf(t->why, sizeof(t->why), "%.64s(%u) cannot read all of its records",
			 node_name(c, from), from);
	if (p->chain == CORE_CHAIN_END)
		part->has_ended = true;
	traverse_go(c, t);
}

void traverse_packet(struct core *c, uint32_t from, const struct packet *p)
{
	switch (p->type) {
	case PACKET_TRAVERSE_ASK:
		scan_ask_in(c, from, p);
		break;
	case PACKET_TRAVERSE_CANCEL:
		scan_cancel_in(c, from, p);
		break;
	case PACKET_TRAVERSE_RECORDS:
		traverse_records_in(c, from, p);
		break;
	case PACKET_TRAVERSE_END:
		traverse_end_in(c, from, p);
		break;
	default:
		break;
	}
}

/* ---- begin, pause, end ---- */

int core_traverse(struct core *c, uint64_t client, const struct core_traverse *ask)
{
	struct traverses *a = traverses_get(c);
	const struct db *db = db_get(c, ask->db_id);
	const struct incarnation self = c->config.self, *of = c->active;
	size_t n = c->active_n, own = 0;
	struct traverse *t, **tail = &a->first;
	bool is_local;

	if (db == NULL)
		return -ENOENT;
	is_local = db_is_replicated(db);
	if (c->is_retired || (!is_local && !c->is_active))
		return -EAGAIN;
	for (; *tail != NULL; tail = &(*tail)->next)
		own += (*tail)->client == client;
	if (own >= TRAVERSE_PER_CLIENT)
		return -EBUSY;
	if (a->n >= TRAVERSE_MAX)
		return -ENOSPC;
	if (is_local) {
		of = &self;
		n = 1;
	}
	t = core_alloc(sizeof(*t) + n * sizeof(t->part[0]));
	t->ask = *ask;
	t->client = client;
	t->ticket = ++a->last_ticket;
	t->mode = is_local	    ? TRAVERSE_ANY_OWNER | TRAVERSE_WITH_EMPTY
		  : ask->with_empty ? TRAVERSE_WITH_EMPTY
				    : 0;
	t->part_n = n;
	for (size_t i = 0; i < n; i++)
		t->part[i].inc = of[i];
	*tail = t;
	a->n++;
	c->count.traverses++;
	return 0;
}

void core_client_drained(struct core *c, uint64_t client)
{
	struct traverse *t, *next;

	if (c->is_retired || c->traverses == NULL)
		return;
	for (t = c->traverses->first; t != NULL; t = next) {
		next = t->next;
		if (t->client == client)
			traverse_go(c, t);
	}
	core_run(c);
}

void traverse_client_gone(struct core *c, uint64_t client)
{
	struct traverse **at = c->traverses != NULL ? &c->traverses->first : NULL;

	while (at != NULL && *at != NULL) {
		struct traverse *t = *at;

		if (t->client != client) {
			at = &t->next;
			continue;
		}
		for (size_t i = 0; i < t->part_n; i++)
			part_cancel(c, t, &t->part[i]);
		*at = t->next;
		c->traverses->n--;
		free(t);
	}
}

void traverse_db_closed(struct core *c, uint32_t db_id)
{
	struct traverse *t, *next;

	if (c->traverses == NULL)
		return;
	scan_db_closed(c, db_id);
	for (t = c->traverses->first; t != NULL; t = next) {
		next = t->next;
		if (t->ask.db_id != db_id)
			continue;
		for (size_t i = 0; i < t->part_n; i++)
			if (!t->part[i].has_ended)
				part_fail(c, t, &t->part[i], "the database was detached");
		traverse_go(c, t);
	}
}

/* ACTIVATE: who has left will not tell what is asked, and who has stayed has forgotten it */
void traverse_activate(struct core *c)
{
	struct traverse *t, *next;

	if (c->traverses == NULL)
		return;
	scan_cancel_all(c);
	for (t = c->traverses->first; t != NULL; t = next) {
		next = t->next;
		for (size_t i = 0; i < t->part_n; i++) {
			struct part *part = &t->part[i];
			const struct node *n = c->node[part->inc.pnn];

			if (part->has_ended)
				continue;
			if (!n->is_active || n->boot_id != part->inc.boot_id)
				part_fail(c, t, part, "%s(%u) has left", node_name(c, n->pnn),
					  n->pnn);
			else if (part->is_asked)
				part_ask(c, t, part);
		}
		traverse_go(c, t);
	}
}

void traverse_tick(struct core *c)
{
	struct traverse *t, *next;

	if (c->traverses == NULL || traverse_deadline(c) > core_now(c))
		return;
	for (t = c->traverses->first; t != NULL; t = next) {
		next = t->next;
		for (size_t i = 0; i < t->part_n; i++) {
			struct part *part = &t->part[i];

			if (!part->is_asked || part->deadline_ms > core_now(c))
				continue;
			c->count.traverse_timeouts++;
			part_fail(c, t, part, "%s(%u) does not answer in time",
				  node_name(c, part->inc.pnn), part->inc.pnn);
		}
		traverse_go(c, t);
	}
}

uint64_t traverse_deadline(const struct core *c)
{
	uint64_t first = UINT64_MAX;

	if (c->traverses == NULL)
		return first;
	for (const struct traverse *t = c->traverses->first; t != NULL; t = t->next)
		for (size_t i = 0; i < t->part_n; i++)
			if (t->part[i].is_asked && t->part[i].deadline_ms < first)
				first = t->part[i].deadline_ms;
	return first;
}

size_t traverse_count(const struct core *c)
{
	return c->traverses != NULL ? c->traverses->n : 0;
}

void traverse_free(struct core *c)
{
	struct traverses *a = c->traverses;

	if (a == NULL)
		return;
	scan_free(a);
	while (a->first != NULL) {
		struct traverse *t = a->first;

		a->first = t->next;
		free(t);
	}
	free(a->buf);
	free(a);
}
