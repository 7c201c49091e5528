/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * event.c: what happens when. A heap ordered by virtual time; what falls on the same microsecond
 * is ordered by the generator. What has to stay in order (a connection, a group's messages) is
 * therefore a queue with one event that takes from it, never several events.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sim.h"

static bool event_is_before(const struct event *a, const struct event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->tie < b->tie;
}

static void event_swap(struct event *a, struct event *b)
{
	struct event t = *a;

	*a = *b;
	*b = t;
}

void event_after_named(struct sim *s, uint64_t delay_us, const char *name, event_fn fn,
		       void *object, void *data, uint64_t number)
{
	struct event_queue *q = &s->queue;
	size_t i;

	if (q->n == q->size) {
		q->size = q->size ? 2 * q->size : 1024;
		q->heap = realloc(q->heap, q->size * sizeof(*q->heap));
		if (q->heap == NULL)
			abort();
	}
	i = q->n++;
	q->heap[i] = (struct event){ .at_us = s->now_us + delay_us,
				     .tie = random_next(&s->random),
				     .fn = fn,
				     .object = object,
				     .data = data,
				     .number = number,
				     .name = name };
	for (; i > 0 && event_is_before(&q->heap[i], &q->heap[(i - 1) / 2]); i = (i - 1) / 2)
		event_swap(&q->heap[i], &q->heap[(i - 1) / 2]);
}

static struct event event_take(struct event_queue *q)
{
	struct event first = q->heap[0];
	size_t i = 0;

	q->heap[0] = q->heap[--q->n];
	for (;;) {
		size_t least = i, left = 2 * i + 1, right = 2 * i + 2;

		if (left < q->n && event_is_before(&q->heap[left], &q->heap[least]))
			least = left;
		if (right < q->n && event_is_before(&q->heap[right], &q->heap[least]))
			least = right;
		if (least == i)
			return first;
		event_swap(&q->heap[i], &q->heap[least]);
		i = least;
	}
}

bool event_run(struct sim *s)
{
	struct event e;

	if (s->queue.n == 0)
		return false;
	e = event_take(&s->queue);
	s->now_us = e.at_us;
	s->step++;
	s->digest = (s->digest ^ e.at_us ^ (e.number << 1)) * 0x100000001B3U;
	e.fn(s, e.object, e.data, e.number);
	free(e.data);
	return true;
}

void event_free_all(struct sim *s)
{
	for (size_t i = 0; i < s->queue.n; i++)
		free(s->queue.heap[i].data);
	free(s->queue.heap);
	s->queue = (struct event_queue){ 0 };
}

/* ---- bytes --------------------------------------------------------------------------------- */

void pipe_add(struct pipe_bytes *b, const void *p, size_t len)
{
	if (b->size - b->len < len) {
		while (b->size - b->len < len)
			b->size = b->size ? 2 * b->size : 4096;
		b->p = realloc(b->p, b->size);
		if (b->p == NULL)
			abort();
	}
	if (len > 0)
		memcpy(b->p + b->len, p, len);
	b->len += len;
}

void pipe_drop(struct pipe_bytes *b, size_t len)
{
	b->len -= len;
	if (b->len > 0)
		memmove(b->p, b->p + len, b->len);
}

/* ---- trace --------------------------------------------------------------------------------- */

void sim_trace(struct sim *s, const char *format, ...)
{
	struct trace *t = s->options.trace;
	char buf[240], *line;
	size_t n;
	va_list ap;

	if (t == NULL)
		return;
	line = t->is_printing ? buf : t->line[t->n % t->size];
	n = (size_t)snprintf(line, sizeof(buf), "%7llu %11.3f ms  ", (unsigned long long)s->step,
			     (double)s->now_us / 1000);
	va_start(ap, format);
	vsnprintf(line + n, sizeof(buf) - n, format, ap);
	va_end(ap);
	t->n++;
	if (t->is_printing)
		puts(line);
}
