/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * waiting.c: calls of this node's clients that are not answered yet: those that wait for a record, and
 * those that wait for a chain lock (which a freeze holds, too). How many, since when, and the end of
 * those for which the world finds that it takes too long.
 */
#include <stdlib.h>
#include "internal.h"

static void waiting_add(struct core_waiting *w, uint64_t since_ms)
{
	if (w->n++ == 0 || since_ms < w->oldest_ms)
		w->oldest_ms = since_ms;
}

void core_waiting(const struct core *c, struct core_waiting *w)
{
	*w = (struct core_waiting){ 0 };
	for (size_t i = 0; i < c->keys.buckets; i++) {
		for (const struct keystate *k = c->keys.bucket[i]; k != NULL; k = k->next) {
			for (const struct waiter *x = k->waiter_first; x != NULL; x = x->next)
				waiting_add(w, x->since_ms);
			for (const struct op *o = k->op_first; o != NULL; o = o->next)
				if (o->is_call)
					waiting_add(w, o->since_ms);
		}
	}
}

static void ops_fail(struct core *c, struct keystate *k, uint64_t since_ms, const char *why)
{
	struct op **at = &k->op_first;

	while (*at != NULL) {
		struct op *o = *at;

		if (!o->is_call || o->since_ms > since_ms) {
			at = &o->next;
			continue;
		}
		*at = o->next;
		c->ops->call_error(c->world, o->client, o->reqid, why);
		free(o);
	}
	k->op_last = at;
}

void core_waiting_fail(struct core *c, uint64_t since_ms, const char *why)
{
	for (size_t i = 0; i < c->keys.buckets && !c->is_retired; i++) {
		struct keystate *k, *next;

		for (k = c->keys.bucket[i]; k != NULL; k = next) {
			next = k->next;
			keystate_fail_waiters(c, k, since_ms, why);
			ops_fail(c, k, since_ms, why);
			keystate_drop_if_idle(c, k);
		}
	}
}
