/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * client_queue.h: a run of bytes that grows at its end and is consumed from its start: what was
 * read from a client but not handled yet, and what is to be written to it. An empty queue owns no
 * memory, so that thousands of idle clients cost nothing; a small buffer comes from, and goes back
 * to, a pool, so that a busy client costs no malloc.
 */
#ifndef COTDB_CLIENT_QUEUE_H
#define COTDB_CLIENT_QUEUE_H

#include "lib/slice.h"

#define QUEUE_CHUNK 4096U /* the size of the pool's buffers */
#define QUEUE_POOL  64U

struct queue_pool {
	uint8_t *free[QUEUE_POOL];
	size_t n;
};

struct byte_queue {
	uint8_t *p;
	size_t start, len, size;
};

/* Room for len more bytes at the end, lent until the next call; NULL: no memory. queue_commit()
 * makes that many of them part of the queue. */
uint8_t *queue_reserve(struct byte_queue *q, struct queue_pool *pool, size_t len);
void queue_commit(struct byte_queue *q, size_t len);
/* Copies bytes to the end; 0 or -ENOMEM */
int queue_append(struct byte_queue *q, struct queue_pool *pool, const void *p, size_t len);
/* Drops len bytes from the start; an empty queue gives its memory away */
void queue_consume(struct byte_queue *q, struct queue_pool *pool, size_t len);
void queue_clear(struct byte_queue *q, struct queue_pool *pool);
void queue_pool_free(struct queue_pool *pool);

/* What is in it, lent until the next call */
static inline struct slice queue_slice(const struct byte_queue *q)
{
	return slice_of(q->p ? q->p + q->start : NULL, q->len);
}

#endif
