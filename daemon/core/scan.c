/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * scan.c: the batches of records that other nodes' traverses, and this node's own, want from this
 * node's files (traverse.c). The store reads; what it finds is sent on at once.
 */
#include <stdlib.h>
#include "drain.h"
#include "traverse.h"
#include "vacuum.h"

#define SCAN_MAX 4096U

/* A batch that is being read */
struct scan {
	struct scan *next;
	uint64_t cookie, ticket;
	uint32_t from, round, db_id;
};

static struct scan **scan_find(struct traverses *a, uint32_t from, uint64_t ticket)
{
	struct scan **at = &a->scan;

	while (*at != NULL && ((*at)->from != from || (*at)->ticket != ticket))
		at = &(*at)->next;
	return at;
}

static void scan_remove(struct traverses *a, struct scan **at)
{
	struct scan *s = *at;

	*at = s->next;
	a->scan_n--;
	free(s);
}

static void scan_cancel(struct core *c, struct scan **at)
{
	if (*at == NULL)
		return;
	c->ops->traverse_cancel(c->world, (*at)->cookie);
	scan_remove(c->traverses, at);
}

static void scan_end(struct core *c, const struct scan *s, uint32_t next_chain, bool is_failed)
{
	struct packet p = { .type = PACKET_TRAVERSE_END,
			    .db_id = s->db_id,
			    .ticket = s->ticket,
			    .round = s->round,
			    .chain = next_chain,
			    .mode = is_failed };

	packet_send(c, s->from, &p);
}

void scan_ask_in(struct core *c, uint32_t from, const struct packet *p)
{
	struct traverses *a = traverses_get(c);
	struct scan *s = core_alloc(sizeof(*s));
	struct core_traverse_read r = { .cookie = ++a->last_cookie,
					.db_id = p->db_id,
					.chain = p->chain,
					.dmaster = p->mode & TRAVERSE_ANY_OWNER ? CORE_UNKNOWN_PNN
										: c->self,
					.with_empty = (p->mode & TRAVERSE_WITH_EMPTY) != 0 };

	*s = (struct scan){ .cookie = r.cookie,
			    .ticket = p->ticket,
			    .from = from,
			    .round = p->round,
			    .db_id = p->db_id };
	scan_cancel(c, scan_find(a, from, p->ticket)); /* one at a time for each traverse */
	if (a->scan_n >= SCAN_MAX) {
		scan_end(c, s, CORE_CHAIN_END, true);
		free(s);
		return;
	}
	s->next = a->scan;
	a->scan = s;
	a->scan_n++;
	c->ops->traverse_read(c->world, &r);
}

static struct scan **scan_of(const struct core *c, uint64_t cookie)
{
	struct scan **at;

	if (c->is_retired || c->traverses == NULL)
		return NULL;
	for (at = &c->traverses->scan; *at != NULL; at = &(*at)->next)
		if ((*at)->cookie == cookie)
			return at;
	return NULL;
}

static size_t entry_size(const struct core_traverse_entry *e)
{
	return 4 + e->key.len + 4 + e->value.len;
}

/* As many as fit a packet, one at least; their number */
static size_t records_send(struct core *c, const struct scan *s,
			   const struct core_traverse_entry *e, size_t n)
{
	struct packet p = { .type = PACKET_TRAVERSE_RECORDS,
			    .db_id = s->db_id,
			    .ticket = s->ticket,
			    .round = s->round };
	size_t size = entry_size(&e[0]);
	struct writer w;

	for (p.n = 1; p.n < n && size + entry_size(&e[p.n]) <= RECORDS_BYTES; p.n++)
		size += entry_size(&e[p.n]);
	w = traverse_writer(c, size);
	for (size_t i = 0; i < p.n; i++) {
		writer_block(&w, e[i].key.p, e[i].key.len);
		writer_block(&w, e[i].value.p, e[i].value.len);
	}
	p.data = slice_of(w.p, w.len);
	packet_send(c, s->from, &p);
	return p.n;
}

void core_traverse_records(struct core *c, uint64_t cookie, const struct core_traverse_entry *e,
			   size_t n)
{
	struct scan **at = scan_of(c, cookie);

	if (vacuum_records(c, cookie, e, n) || drain_records(c, cookie, e, n))
		return;
	for (size_t done = 0; at != NULL && done < n;)
		done += records_send(c, *at, e + done, n - done);
	core_run(c);
}

void core_traverse_read_end(struct core *c, uint64_t cookie, uint32_t next_chain, int status)
{
	struct scan **at = scan_of(c, cookie);

	if (at == NULL) {
		if (!vacuum_read_end(c, cookie, next_chain))
			drain_read_end(c, cookie, next_chain, status);
		return;
	}
	scan_end(c, *at, next_chain, status != 0);
	scan_remove(c->traverses, at);
	core_run(c);
}

void scan_cancel_in(struct core *c, uint32_t from, const struct packet *p)
{
	scan_cancel(c, scan_find(traverses_get(c), from, p->ticket));
}

void scan_cancel_all(struct core *c)
{
	while (c->traverses->scan != NULL)
		scan_cancel(c, &c->traverses->scan);
}

void scan_db_closed(struct core *c, uint32_t db_id)
{
	struct scan **at = &c->traverses->scan;

	while (*at != NULL) {
		if ((*at)->db_id == db_id)
			scan_cancel(c, at);
		else
			at = &(*at)->next;
	}
}

void scan_free(struct traverses *a)
{
	while (a->scan != NULL)
		scan_remove(a, &a->scan);
}
