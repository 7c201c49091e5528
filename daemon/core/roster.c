/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * roster.c: see roster.h. A message is u32 1 when the sender's first entry is its own incarnation,
 * 2 when it runs none, 0 when it does not know yet (files of a predecessor may be there); u32 n;
 * n x (u32 pnn, u64 boot id).
 */
#include "roster.h"

#include <errno.h>
#include <string.h>
#include "internal.h"

enum roster_own { ROSTER_OWN_UNKNOWN, ROSTER_OWN_RUNS, ROSTER_OWN_NONE };

void roster_init(struct roster *r, uint32_t pnn, uint64_t salt, const struct roster_ops *ops,
		 void *world)
{
	memset(r, 0, sizeof(*r));
	r->ops = ops;
	r->world = world;
	r->pnn = pnn;
	r->lost = salt;
	r->is_told[pnn] = true;
}

static void roster_add(struct roster *r, struct incarnation inc, bool is_quiet)
{
	if (inc.pnn >= CORE_MAX_NODES || inc.pnn == r->pnn || inc.boot_id == 0 ||
	    r->n == ROSTER_MAX || incarnation_is_in(r->inc, r->n, inc) ||
	    incarnation_is_in(r->over, r->over_n, inc))
		return;
	r->is_quiet[r->n] = is_quiet;
	r->inc[r->n++] = inc;
	if (!is_quiet)
		r->ops->started(r->world, inc);
}

static void roster_drop(struct roster *r, size_t i)
{
	r->n--;
	r->inc[i] = r->inc[r->n];
	r->is_quiet[i] = r->is_quiet[r->n];
}

static void roster_multicast(struct roster *r)
{
	uint8_t buf[ROSTER_MESSAGE];
	struct writer w = writer_of(buf, sizeof(buf));
	enum roster_own own = !r->is_own_known	    ? ROSTER_OWN_UNKNOWN
			      : r->own_boot_id != 0 ? ROSTER_OWN_RUNS
						    : ROSTER_OWN_NONE;
	uint32_t n = own == ROSTER_OWN_RUNS;

	writer_u32(&w, own);
	for (size_t i = 0; i < r->n; i++)
		n += !r->is_quiet[i];
	writer_u32(&w, n);
	if (own == ROSTER_OWN_RUNS) {
		writer_u32(&w, r->pnn);
		writer_u64(&w, r->own_boot_id);
	}
	for (size_t i = 0; i < r->n; i++) {
		if (r->is_quiet[i])
			continue;
		writer_u32(&w, r->inc[i].pnn);
		writer_u64(&w, r->inc[i].boot_id);
	}
	r->ops->multicast(r->world, w.p, w.len);
}

/* A node is out of reach, and nobody can tell what it runs there: an engine may be started. An
 * active engine has no need to know; the next one of this node may. */
static void roster_lose(struct roster *r, uint32_t pnn)
{
	struct incarnation inc = { .pnn = pnn };

	for (size_t i = 0; i < r->n; i++)
		if (r->inc[i].pnn == pnn)
			return;

	r->lost += 2;
	inc.boot_id = r->lost | 1ULL << 63;
	roster_add(r, inc, r->is_engine_active);
}

void roster_leave(struct roster *r, uint32_t pnn)
{
	if (pnn < CORE_MAX_NODES)
		r->has_left[pnn] = true;
}

void roster_group(struct roster *r, const uint32_t *pnn, size_t n)
{
	bool is_present[CORE_MAX_NODES] = { false }, has_come = false;

	for (size_t i = 0; i < n; i++)
		if (pnn[i] < CORE_MAX_NODES)
			is_present[pnn[i]] = true;
	for (uint32_t i = 0; i < CORE_MAX_NODES; i++) {
		r->has_left[i] &= !is_present[i];
		if (is_present[i] == r->is_present[i])
			continue;
		r->is_present[i] = is_present[i];
		if (is_present[i]) {
			r->is_told[i] = i == r->pnn;
			has_come = true;
		} else if (!r->has_left[i] && i != r->pnn) {
			roster_lose(r, i);
		}
		if (i != r->pnn)
			r->ops->supervisor(r->world, i, is_present[i], r->is_told[i]);
	}
	if (r->is_present[r->pnn]) /* last: from now on the engine knows what we do */
		r->ops->supervisor(r->world, r->pnn, true, true);
	if (has_come)
		roster_multicast(r);
}

void roster_ring(struct roster *r, const uint32_t *pnn, size_t n)
{
	bool is_in_ring[CORE_MAX_NODES] = { false };

	for (size_t i = 0; i < n; i++)
		if (pnn[i] < CORE_MAX_NODES)
			is_in_ring[pnn[i]] = true;
	for (uint32_t i = 0; i < CORE_MAX_NODES; i++) {
		/* What can become active without an active engine's knowing has to be fenced;
		 * a node that never had a supervisor here may have one where it is now */
		if (r->is_in_ring[i] && !is_in_ring[i] && i != r->pnn && !r->is_told[i] &&
		    !r->is_engine_active)
			roster_lose(r, i);
		r->is_in_ring[i] = is_in_ring[i];
	}
}

/* Its own supervisor's word: whatever else was known of that node is over */
static void roster_own_word(struct roster *r, uint32_t pnn, struct incarnation own)
{
	if (!r->is_told[pnn]) {
		r->is_told[pnn] = true;
		r->ops->supervisor(r->world, pnn, r->is_present[pnn], true);
	}
	for (size_t i = 0; i < r->n;) {
		struct incarnation inc = r->inc[i];

		if (inc.pnn != pnn || inc.boot_id == own.boot_id) {
			i++;
			continue;
		}
		roster_drop(r, i);
		r->ops->over(r->world, inc);
	}
}

int roster_message(struct roster *r, uint32_t from_pnn, struct slice msg)
{
	struct cursor c = cursor_of(msg.p, msg.len);
	uint32_t own, n;

	if (from_pnn >= CORE_MAX_NODES || cursor_u32(&c, &own) || cursor_u32(&c, &n) ||
	    n > ROSTER_MAX + 1)
		return -EBADMSG;
	if (from_pnn == r->pnn)
		return 0;
	if (own == ROSTER_OWN_NONE)
		roster_own_word(r, from_pnn, (struct incarnation){ .pnn = from_pnn });
	for (uint32_t i = 0; i < n; i++) {
		struct incarnation inc;

		if (cursor_u32(&c, &inc.pnn) || cursor_u64(&c, &inc.boot_id))
			return -EBADMSG;
		if (i == 0 && own == ROSTER_OWN_RUNS && inc.pnn == from_pnn) {
			roster_add(r, inc, false); /* before the engine hears that it was told */
			roster_own_word(r, from_pnn, inc);
			continue;
		}
		if (inc.pnn == from_pnn ||
		    (inc.pnn < CORE_MAX_NODES && r->is_present[inc.pnn] && r->is_told[inc.pnn]))
			continue; /* its own supervisor knows better */
		roster_add(r, inc, false);
	}
	return 0;
}

void roster_over(struct roster *r, struct incarnation inc)
{
	for (size_t i = 0; i < r->n; i++) {
		if (incarnation_equal(r->inc[i], inc)) {
			roster_drop(r, i);
			break;
		}
	}
	r->over[r->over_next] = inc;
	r->is_over_whole[r->over_next] =
	    inc.pnn < CORE_MAX_NODES && r->is_present[inc.pnn] && r->is_told[inc.pnn];
	r->over_next = (r->over_next + 1) % ROSTER_MAX;
	if (r->over_n < ROSTER_MAX)
		r->over_n++;
}

void roster_engine(struct roster *r, uint64_t boot_id)
{
	r->is_own_known = true;
	r->own_boot_id = boot_id;
	r->is_engine_active = false;
	roster_multicast(r);
}

void roster_planned(struct roster *r, const struct incarnation *plan, size_t n)
{
	struct incarnation own = { .pnn = r->pnn, .boot_id = r->own_boot_id };

	if (!incarnation_is_in(plan, n, own))
		return;
	r->is_engine_active = true;
	for (size_t i = 0; i < r->n;) {
		if (!incarnation_is_in(plan, n, r->inc[i]) && !r->is_present[r->inc[i].pnn])
			roster_drop(r, i);
		else
			i++;
	}
}

void roster_tell(struct roster *r)
{
	for (size_t i = 0; i < r->n; i++) {
		r->is_quiet[i] = false;
		r->ops->started(r->world, r->inc[i]);
	}
	for (uint32_t i = 0; i < CORE_MAX_NODES; i++)
		if (r->is_present[i] && i != r->pnn)
			r->ops->supervisor(r->world, i, true, r->is_told[i]);
	if (r->is_present[r->pnn])
		r->ops->supervisor(r->world, r->pnn, true, true);
}

/* What it knew of others has come here before its last word: nothing is lost with it */
static bool roster_is_over_whole(const struct roster *r, struct incarnation inc)
{
	for (size_t i = 0; i < r->over_n; i++)
		if (incarnation_equal(r->over[i], inc))
			return r->is_over_whole[i];
	return false;
}

bool roster_mark(const struct roster *r, const struct incarnation *list, bool *is_over, size_t n)
{
	bool is_new = false;

	if (r->n == ROSTER_MAX)
		return false; /* there may be more than it knows */
	for (size_t i = 0; i < r->n; i++)
		if (!incarnation_is_in(list, n, r->inc[i]))
			return false;
	for (size_t i = 0; i < n; i++) {
		if (is_over[i] || !roster_is_over_whole(r, list[i]))
			continue;
		is_over[i] = is_new = true;
	}
	return is_new;
}

bool roster_is_in_sight(const struct roster *r, struct incarnation inc)
{
	return inc.pnn < CORE_MAX_NODES && r->is_in_ring[inc.pnn];
}

bool roster_awaits(const struct roster *r, const struct incarnation *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint32_t pnn = list[i].pnn;

		if (pnn < CORE_MAX_NODES && pnn != r->pnn && r->is_present[pnn] &&
		    !incarnation_is_in(r->over, r->over_n, list[i]))
			return true;
	}
	return false;
}
