/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * drain.c: a node hands over all that it owns: before a clean stop (leaving), or because an admin
 * wants so (staying). What it owns goes with its files otherwise, and what its clients have written
 * since it got a record goes with that.
 *
 * A pass reads the files a batch at a time and asks, in the name of another node, for each record
 * that this node owns: the FORWARD that an lmaster would send, to oneself (FORWARD_IS_DRAIN). So it
 * is given as always (record.c): under the chain lock, with a raised rsn, GRANT to the new owner
 * and LOCATION to the lmaster; copies are called in first, and what is to be pushed is pushed. The
 * new owner is the node that will be the record's lmaster when those that drain are gone. A record
 * without a body goes, too: if it were lost, an older content of it would come back (R8). What is
 * locked by a client, or waits for something, is found again by the next pass.
 *
 * Leaving, the world has ended this node's clients before. It is over when
 *
 *   1. nothing can come here any more. DRAIN says so to all members. A member that has heard it
 * gives this node no record and makes none for it, and answers DRAINED when the sweeps of this
 *      generation are done and, as lmaster, it has no orphan left: what it had this node adopt came
 *      before the answer, on the same stream.
 *   2. a pass that began after all answers has found nothing.
 *   3. all that was given away is in its new owner's file. The acknowledgement of a packet does not
 * say so: a GRANT may wait for a chain lock there, and is dropped with its generation (R1), which
 * ends when this node leaves. So DRAINED also says that no record waits there to be stored, and all
 * are asked once more, behind the last hand-off. (One that has gone further from there and is
 * dropped on its way is in its giver's file, I3.)
 *
 * All of that is of one generation; in a new one it begins anew. Copies of what others own are not
 * kept: their owner lives, and has all that is in them and more. Locations are found anew by the
 * sweeps of the generation without this node (R6), orphans have been adopted.
 *
 * A member whose protocol does not know DRAIN yet is not asked, and gets its share: as good as it
 * can be while the daemons of a cluster are renewed one after the other.
 *
 * Staying, clients go on, and get back what they ask for. The passes go on, too, with rests.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "drain.h"
#include "traverse.h"

#define DRAIN_PROTOCOL	3      /* the first that knows DRAIN */
#define READ_MS		500U   /* a client may hold one of the chains for ever */
#define READ_CHAINS	4096U  /* at a time */
#define FEWER_CHAINS	16U    /* ... so many times fewer, until it is found */
#define CONGESTED_MS	50U
#define LEAVING_REST_MS 50U   /* something could not be given away */
#define STAYING_REST_MS 1000U /* something was here */
#define DRAINED_REST_MS 5000U
#define ANSWER_LATER_MS 10U

/* ---- who gets a record ---- */

static bool node_is_other(const struct core *c, const struct node *n)
{
	return node_is_there(n) && n->pnn != c->self;
}

/* What is lost otherwise goes to one that stays, though it would rather have nothing; not to one
 * that takes little or nothing at the moment */
static bool target_is_possible(const struct core *c, uint32_t pnn)
{
	const struct node *n = c->node[pnn];

	return node_is_other(c, n) && n->is_connected && !n->is_leaving &&
	       !core_is_peer_congested(c, pnn);
}

static bool target_is_best(const struct core *c, uint32_t pnn)
{
	return target_is_possible(c, pnn) && !c->node[pnn]->is_draining;
}

static uint32_t drain_target(const struct core *c, uint64_t hash)
{
	uint32_t to = slot_best(c, hash, target_is_best);

	return to == CORE_UNKNOWN_PNN && drain_is_leaving(c)
		   ? slot_best(c, hash, target_is_possible)
		   : to;
}

static bool drain_has_target(const struct core *c)
{
	for (size_t i = 0; i < c->active_n; i++)
		if (target_is_possible(c, c->active[i].pnn))
			return true;
	return false;
}

/* Whether there is anybody at all, with a link or without */
static bool drain_has_heir(const struct core *c)
{
	for (size_t i = 0; i < c->active_n; i++) {
		const struct node *n = c->node[c->active[i].pnn];

		if (node_is_other(c, n) && !n->is_leaving)
			return true;
	}
	return false;
}

/* ---- what a member answers to ---- */

static uint64_t handoffs(const struct core *c)
{
	return c->count.handoffs_out + c->count.vacuum_returned;
}

/* A record that has come, or an order to adopt one, waits for its chain lock */
static bool keystate_has_arrival(const struct core *c, const struct keystate *k)
{
	for (const struct op *o = k->op_first; o != NULL; o = o->next) {
		struct packet p;

		if (!o->is_call && o->generation == c->active_generation &&
		    packet_decode(slice_of(o->data, o->len), &p) == 0 &&
		    (p.type == PACKET_GRANT || p.type == PACKET_ADOPT))
			return true;
	}
	return false;
}

static bool records_are_stored(const struct core *c)
{
	if (core_has_bug(c, CORE_BUG_DRAIN_BLOCKED))
		return true;
	for (size_t i = 0; i < c->keys.buckets; i++)
		for (const struct keystate *k = c->keys.bucket[i]; k != NULL; k = k->next)
			if (keystate_has_arrival(c, k))
				return false;
	return true;
}

/* Whatever this node is to store, or to have stored by others as an lmaster, is stored or on its
 * way */
static bool drain_is_settled(const struct core *c)
{
	bool has_orphans = c->is_recovering || c->locations.orphans > 0;

	if (core_has_bug(c, CORE_BUG_DRAIN_ORPHANS))
		has_orphans = false;
	return c->is_active && !has_orphans && records_are_stored(c);
}

static void drain_answer(struct core *c, struct node *n)
{
	struct packet p = { .type = PACKET_DRAINED, .ticket = n->drain_ticket };

	n->drain_ticket = 0;
	c->drain_questions--;
	packet_send(c, n->pnn, &p);
}

static void drain_answer_all(struct core *c)
{
	if (c->drain_questions == 0 || !drain_is_settled(c))
		return;
	for (size_t i = 0; i < c->active_n; i++) {
		struct node *n = c->node[c->active[i].pnn];

		if (n->drain_ticket != 0)
			drain_answer(c, n);
	}
}

static void drain_asked(struct core *c, uint32_t from, const struct packet *p)
{
	struct node *n = c->node[from];

	if (p->ticket == 0) /* nobody asks so */
		return;
	n->is_draining = p->mode != DRAIN_OFF;
	n->is_leaving = p->mode == DRAIN_LEAVING && !core_has_bug(c, CORE_BUG_DRAIN_TAKES);
	if (n->drain_ticket == 0)
		c->drain_questions++;
	n->drain_ticket = p->ticket;
	drain_answer_all(c);
	c->ops->status_changed(c->world);
}

/* ---- the question to all ---- */

static void drain_ask(struct core *c)
{
	struct drain *d = c->drain;
	struct packet p = { .type = PACKET_DRAIN, .mode = (uint8_t)d->mode };

	p.ticket = ++d->ticket;
	d->has_asked = true;
	d->asked_handoffs = handoffs(c);
	memset(d->awaited, 0, sizeof(d->awaited));
	d->awaited_n = 0;
	for (size_t i = 0; i < c->active_n; i++) {
		uint32_t pnn = c->active[i].pnn;

		if (pnn == c->self || c->node[pnn]->protocol < DRAIN_PROTOCOL)
			continue;
		d->awaited[pnn / 64] |= 1ULL << pnn % 64;
		d->awaited_n++;
		packet_send(c, pnn, &p);
	}
}

static void drain_answered(struct core *c, uint32_t from, const struct packet *p)
{
	struct drain *d = c->drain;
	uint64_t bit = 1ULL << from % 64;

	if (d == NULL || p->ticket != d->ticket || (d->awaited[from / 64] & bit) == 0)
		return;
	d->awaited[from / 64] &= ~bit;
	d->awaited_n--;
}

void drain_packet(struct core *c, uint32_t from, const struct packet *p)
{
	if (p->type == PACKET_DRAIN)
		drain_asked(c, from, p);
	else
		drain_answered(c, from, p);
	drain_tick(c);
}

/* Nothing can come to this node any more */
static bool drain_is_sure(const struct core *c)
{
	const struct drain *d = c->drain;

	return d->mode == DRAIN_LEAVING && d->has_asked && d->awaited_n == 0 && c->loop.len == 0 &&
	       drain_is_settled(c);
}

/* ---- the pass ---- */

void drain_given(struct core *c)
{
	if (c->drain == NULL)
		return;
	c->drain->given++;
	c->drain->total++;
}

/* As if that node had asked for it */
static void drain_record(struct core *c, uint32_t db_id, struct slice key)
{
	struct drain *d = c->drain;
	uint64_t hash = core_hash(db_id, key);
	struct packet p = { .type = PACKET_FORWARD,
			    .db_id = db_id,
			    .orig = drain_target(c, hash),
			    .is_definitive = FORWARD_IS_DRAIN,
			    .key = key };
	int rc;

	d->found++;
	if (p.orig == CORE_UNKNOWN_PNN) {
		d->homeless++;
		return;
	}
	if (keystate_find(c, hash, db_id, key) != NULL) {
		d->pending++;
		return;
	}
	/* Not behind a client that holds it for long: the store waits for few locks at once */
	rc = c->ops->trylock(c->world, db_id, key);
	if (rc != 0) {
		d->locked++;
		return;
	}
	c->ops->unlock(c->world, db_id, key);
	packet_send(c, c->self, &p);
}

bool drain_records(struct core *c, uint64_t cookie, const struct core_traverse_entry *e, size_t n)
{
	struct drain *d = c->drain;
	uint32_t db_id;

	if (d == NULL || !d->is_reading || d->cookie != cookie)
		return false;
	db_id = c->db[d->pass_db]->db_id;
	for (size_t i = 0; i < n; i++)
		drain_record(c, db_id, e[i].key);
	core_run(c);
	return true;
}

static void pass_next_db(struct drain *d)
{
	d->pass_db++;
	d->pass_chain = d->kept_end = 0;
}

static void pass_end(struct core *c)
{
	struct drain *d = c->drain;
	bool was_empty = d->is_empty;

	d->passes++;
	d->is_empty = d->found == 0 && d->unread == 0;
	d->left = d->found > d->given ? d->found - d->given : 0;
	d->left += d->unread;
	d->is_clean = d->is_sure && d->is_empty && drain_is_settled(c);
	d->is_begun = false;
	if (d->mode == DRAIN_STAYING)
		d->pass_ms = core_now(c) + (d->found > 0 ? STAYING_REST_MS : DRAINED_REST_MS);
	else
		d->pass_ms = core_now(c) + (d->left > 0 || d->found == 0 ? LEAVING_REST_MS : 0);
	if (d->mode == DRAIN_STAYING && was_empty != d->is_empty)
		core_log(c, CORE_LOG_NOTICE, "%s | given=%llu left=%llu passes=%llu",
			 d->is_empty ? "this node is drained: it owns no record"
				     : "this node drains: some records have stayed or come back",
			 (unsigned long long)d->total, (unsigned long long)d->left,
			 (unsigned long long)d->passes);
	c->ops->status_changed(c->world);
}

static void pass_begin(struct core *c)
{
	struct drain *d = c->drain;

	d->is_begun = true;
	d->is_sure = drain_is_sure(c);
	d->pass_db = 0;
	d->pass_chain = d->kept_end = 0;
	d->found = d->given = 0;
	d->locked = d->pending = d->homeless = d->unread = 0;
}

/* It takes too long: the chain that is kept is looked for, and waits for the next pass; what is behind
 * it does not */
static void pass_is_kept(struct drain *d)
{
	d->is_reading = false;
	if (d->chains > 1) {
		d->kept_end = d->pass_chain + d->chains;
		d->chains /= FEWER_CHAINS;
		return;
	}
	d->unread++;
	d->pass_chain++;
}

static void pass_go_on(struct core *c)
{
	struct drain *d = c->drain;
	struct core_traverse_read r = { .dmaster = c->self,
					.with_empty = !core_has_bug(c, CORE_BUG_DRAIN_KEEPS_EMPTY) };

	if (core_now(c) < d->pass_ms || d->is_clean)
		return;
	if (d->is_reading) {
		c->ops->traverse_cancel(c->world, d->cookie);
		pass_is_kept(d);
	}
	if (core_is_congested(c) && !drain_has_target(c)) {
		d->pass_ms = core_now(c) + CONGESTED_MS;
		return;
	}
	if (!d->is_begun)
		pass_begin(c);
	while (d->pass_db < c->db_n && db_is_replicated(c->db[d->pass_db]))
		pass_next_db(d);
	if (d->pass_db >= c->db_n) {
		pass_end(c);
		return;
	}
	r.db_id = c->db[d->pass_db]->db_id;
	if (d->pass_chain >= d->kept_end)
		d->chains = READ_CHAINS;
	r.chain = d->pass_chain;
	r.chains = d->chains;
	r.cookie = d->cookie = ++traverses_get(c)->last_cookie;
	d->is_reading = true;
	d->pass_ms = core_now(c) + READ_MS;
	c->ops->traverse_read(c->world, &r);
}

bool drain_read_end(struct core *c, uint64_t cookie, uint32_t next_chain, int status)
{
	struct drain *d = c->drain;

	if (d == NULL || !d->is_reading || d->cookie != cookie)
		return false;
	d->is_reading = false;
	d->unread += status != 0;
	d->pass_ms = core_now(c);
	if (next_chain == CORE_CHAIN_END)
		pass_next_db(d);
	else
		d->pass_chain = next_chain;
	drain_tick(c);
	return true;
}

/* ---- its end, when leaving ---- */

static void drain_end(struct core *c, enum core_drain_end how)
{
	static const char *const told[] = {
		[CORE_DRAIN_DONE] = "all records were handed over",
		[CORE_DRAIN_NOBODY] =
		    "no records are handed over: there is no other active node that stays",
		[CORE_DRAIN_NOT_ACTIVE] = "no records are handed over: this node is not active",
		[CORE_DRAIN_TIMED_OUT] = "not all records were handed over in drain_timeout",
	};
	struct drain *d = c->drain;
	bool is_begun = d->is_begun;

	if (d->is_reading)
		c->ops->traverse_cancel(c->world, d->cookie);
	d->is_reading = false;
	if (how != CORE_DRAIN_TIMED_OUT)
		core_log(c, CORE_LOG_NOTICE, "%s | given=%llu passes=%llu after_ms=%llu", told[how],
			 (unsigned long long)d->total, (unsigned long long)d->passes,
			 (unsigned long long)(core_now(c) - d->begin_ms));
	else
		core_log(c, CORE_LOG_WARNING,
			 "%s | given=%llu passes=%llu left=%llu locked=%llu in_use=%llu "
			 "without_target=%llu unread=%llu pass_is_whole=%d silent_nodes=%zu "
			 "recovering=%d",
			 told[how], (unsigned long long)d->total, (unsigned long long)d->passes,
			 (unsigned long long)(is_begun && d->found > d->given ? d->found - d->given
									      : d->left),
			 (unsigned long long)d->locked, (unsigned long long)d->pending,
			 (unsigned long long)d->homeless, (unsigned long long)d->unread, !is_begun,
			 d->awaited_n, c->is_recovering);
	d->mode = DRAIN_OFF;
	d->has_asked = true;		     /* nothing more is told */
	c->node[c->self]->is_leaving = true; /* until it is gone */
	c->ops->drained(c->world, how);
}

static bool drain_is_done(struct core *c)
{
	struct drain *d = c->drain;

	if (!d->is_clean)
		return false;
	if (core_has_bug(c, CORE_BUG_DRAIN_NOT_AWAITED))
		return true;
	if (d->asked_handoffs != handoffs(c))
		drain_ask(c);
	return d->awaited_n == 0;
}

static void drain_go_on(struct core *c)
{
	struct drain *d = c->drain;

	if (d->mode == DRAIN_LEAVING && (!c->is_active || c->is_frozen)) {
		drain_end(c, CORE_DRAIN_NOT_ACTIVE);
		return;
	}
	if (!c->is_active || c->is_frozen)
		return;
	if (d->mode == DRAIN_LEAVING && !drain_has_heir(c)) {
		drain_end(c, CORE_DRAIN_NOBODY);
		return;
	}
	if (!d->has_asked)
		drain_ask(c);
	if (d->mode == DRAIN_OFF)
		return;
	pass_go_on(c);
	if (d->mode == DRAIN_LEAVING && drain_is_done(c))
		drain_end(c, CORE_DRAIN_DONE);
	else if (d->mode == DRAIN_LEAVING && core_now(c) >= d->until_ms)
		drain_end(c, CORE_DRAIN_TIMED_OUT);
}

void drain_tick(struct core *c)
{
	drain_answer_all(c);
	if (c->drain != NULL && !c->is_retired &&
	    (c->drain->mode != DRAIN_OFF || !c->drain->has_asked))
		drain_go_on(c);
}

uint64_t drain_deadline(const struct core *c)
{
	const struct drain *d = c->drain;
	uint64_t t = c->drain_questions > 0 ? c->tick_ms + ANSWER_LATER_MS : UINT64_MAX;

	if (d == NULL || d->mode == DRAIN_OFF || !c->is_active || c->is_frozen)
		return t;
	if (!d->is_clean && d->pass_ms < t)
		t = d->pass_ms;
	return d->mode == DRAIN_LEAVING && d->until_ms < t ? d->until_ms : t;
}

/* ---- its life ---- */

static struct drain *drain_get(struct core *c)
{
	if (c->drain == NULL)
		c->drain = core_alloc(sizeof(*c->drain));
	return c->drain;
}

static void drain_begin(struct core *c, enum drain_mode mode)
{
	struct drain *d = drain_get(c);

	if (d->is_reading)
		c->ops->traverse_cancel(c->world, d->cookie);
	*d = (struct drain){ .mode = mode, .ticket = d->ticket, .begin_ms = core_now(c) };
	c->node[c->self]->is_draining = mode != DRAIN_OFF;
	c->node[c->self]->is_leaving = mode == DRAIN_LEAVING;
	c->ops->status_changed(c->world);
}

void core_drain(struct core *c, bool is_wanted)
{
	bool is_so = c->drain != NULL && c->drain->mode != DRAIN_OFF;

	if (c->is_retired || is_so == is_wanted || c->node[c->self]->is_leaving)
		return;
	core_log(c, CORE_LOG_NOTICE, "%s",
		 is_wanted ? "this node drains: it hands over what it owns, and keeps nothing"
			   : "this node drains no longer");
	drain_begin(c, is_wanted ? DRAIN_STAYING : DRAIN_OFF);
	drain_tick(c);
	core_run(c);
}

void core_leave(struct core *c, uint32_t timeout_ms)
{
	if (c->is_retired || c->node[c->self]->is_leaving)
		return;
	drain_begin(c, DRAIN_LEAVING);
	c->drain->until_ms = core_now(c) + timeout_ms;
	drain_tick(c);
	core_run(c);
}

/* Everybody says anew that he drains, and asks anew */
void drain_activate(struct core *c)
{
	struct drain *d = c->drain;

	for (uint32_t i = 0; i < CORE_MAX_NODES; i++) {
		struct node *n = c->node[i];

		if (n == NULL || i == c->self)
			continue;
		n->is_draining = n->is_leaving = false;
		n->drain_ticket = 0;
	}
	c->drain_questions = 0;
	if (d == NULL)
		return;
	d->has_asked = d->mode == DRAIN_OFF;
	d->awaited_n = 0;
	d->is_sure = d->is_clean = false;
	d->pass_ms = d->is_reading ? d->pass_ms : core_now(c);
	drain_tick(c);
}

/* The others have moved up in the table: a pass begins anew */
void drain_db_closed(struct core *c)
{
	struct drain *d = c->drain;

	if (d == NULL || d->mode == DRAIN_OFF)
		return;
	if (d->is_reading)
		c->ops->traverse_cancel(c->world, d->cookie);
	d->is_reading = d->is_begun = d->is_clean = false;
	d->pass_ms = core_now(c);
}

void drain_free(struct core *c)
{
	free(c->drain);
	c->drain = NULL;
}
