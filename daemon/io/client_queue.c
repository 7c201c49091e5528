/* SPDX-License-Identifier: GPL-3.0-or-later */
/* client_queue.c: see client_queue.h */
#include "client_queue.h"

#include <errno.h>
#include <stdlib.h>

static uint8_t *pool_take(struct queue_pool *pool)
{
	return pool->n > 0 ? pool->free[--pool->n] : malloc(QUEUE_CHUNK);
}

static void buffer_give(struct queue_pool *pool, uint8_t *p, size_t size)
{
	if (size == QUEUE_CHUNK && pool->n < QUEUE_POOL)
		pool->free[pool->n++] = p;
	else
		free(p);
}

uint8_t *queue_reserve(struct byte_queue *q, struct queue_pool *pool, size_t len)
{
	if (q->p == NULL && len <= QUEUE_CHUNK) {
		q->p = pool_take(pool);
		if (q->p == NULL)
			return NULL;
		q->size = QUEUE_CHUNK;
		q->start = q->len = 0;
	}
	if (len <= q->size && q->start + q->len <= q->size - len)
		return q->p + q->start + q->len;
	if (len > SIZE_MAX / 4 - q->len)
		return NULL;

	size_t need = q->len + len;
	if (need <= q->size && q->start >= q->len) {
		/* at least half is consumed: moving the rest down is cheaper than growing */
		memcpy(q->p, q->p + q->start, q->len);
		q->start = 0;
		return q->p + q->len;
	}
	size_t size = q->size > QUEUE_CHUNK ? q->size : QUEUE_CHUNK;
	while (size < need + need / 2)
		size *= 2;
	uint8_t *p = malloc(size);
	if (p == NULL)
		return NULL;
	if (q->len > 0)
		memcpy(p, q->p + q->start, q->len);
	if (q->p)
		buffer_give(pool, q->p, q->size);
	q->p = p;
	q->size = size;
	q->start = 0;
	return q->p + q->len;
}

void queue_commit(struct byte_queue *q, size_t len)
{
	q->len += len;
}

int queue_append(struct byte_queue *q, struct queue_pool *pool, const void *p, size_t len)
{
	if (len == 0)
		return 0;
	uint8_t *to = queue_reserve(q, pool, len);
	if (to == NULL)
		return -ENOMEM;
	memcpy(to, p, len);
	q->len += len;
	return 0;
}

void queue_consume(struct byte_queue *q, struct queue_pool *pool, size_t len)
{
	q->start += len;
	q->len -= len;
	if (q->len == 0)
		queue_clear(q, pool);
}

void queue_clear(struct byte_queue *q, struct queue_pool *pool)
{
	if (q->p)
		buffer_give(pool, q->p, q->size);
	*q = (struct byte_queue){ 0 };
}

void queue_pool_free(struct queue_pool *pool)
{
	while (pool->n > 0)
		free(pool->free[--pool->n]);
}
