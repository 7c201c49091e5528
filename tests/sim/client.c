/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * client.c: virtual clients. Each does what a real one does: lock the chain, look at the header,
 * use the record when this node is its dmaster, else unlock, ask the daemon and begin again. It
 * knows nothing of views: what its node owns it goes on using while the node is cut off or its
 * daemon stands still or is dead, until it needs the daemon or finds the file empty. Some hold a
 * lock for very long, some cannot be killed while they do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/core/internal.h" /* the flags of a header */
#include "sim.h"

static void vclient_turn_later(struct sim *s, struct vclient *c, uint64_t delay_us);

static const char *vclient_name(const struct vclient *c, char *buf, size_t size)
{
	snprintf(buf, size, "client %u.%u.%u", c->e->node->pnn, c->e->number,
		 (uint32_t)(c->id % SIM_CLIENTS));
	return buf;
}

#define NAME(c) vclient_name(c, (char[48]){ 0 }, 48)

void vclient_die(struct sim *s, struct vclient *c)
{
	if (c->state == VCLIENT_NONE || c->state == VCLIENT_DEAD)
		return;
	sim_trace(s, "%s dies", NAME(c));
	c->state = VCLIENT_DEAD;
	c->turn++;
	vstore_client_forget(s, c);
}

/* The daemon sees that it has gone */
static void vclient_on_gone(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;

	(void)s;
	(void)data;
	if (!vengine_can_run(e))
		return;
	core_client_gone(e->core, number);
	vengine_after(e);
}

static void vclient_on_call(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vclient *c = object;
	struct vengine *e = c->e;
	struct core_call call = { .callid = c->is_reading ? CALL_FETCH : CALL_NULL,
				  .flags = c->is_reading ? CALL_WANT_READONLY : 0 };

	(void)data;
	if (c->state != VCLIENT_WAITING || c->turn != number)
		return;
	if (!e->is_running || e->is_quitting || e->is_leaving) {
		vclient_die(s, c);
		return;
	}
	if (!vengine_can_run(e)) {
		event_after(s, 5000 + sim_delay(s, 20000), vclient_on_call, c, NULL, number);
		return;
	}
	call.db_id = e->file.db[c->db].db_id;
	call.key = slice_of(s->key_name[c->key], strlen(s->key_name[c->key]));
	s->calls++;
	core_call(e->core, c->id, c->reqid, &call);
	vengine_after(e);
}

static void vclient_lock(struct sim *s, struct vclient *c)
{
	c->state = VCLIENT_LOCKING;
	c->turn++;
	if (vstore_client_lock(s, c))
		vclient_locked(s, c);
}

static void vclient_has_read(struct sim *s, struct vclient *c)
{
	c->tries = 0;
	c->state = VCLIENT_IDLE;
	if (c->is_orphan)
		vclient_die(s, c);
	else if (!s->is_quiet)
		vclient_turn_later(s, c, sim_delay(s, s->is_healing ? 10 * s->think_us : s->think_us));
}

void vclient_locked(struct sim *s, struct vclient *c)
{
	struct vengine *e = c->e;
	const struct vrecord *r = vrecord_of(e, c->db, c->key);
	uint64_t hold_us = sim_delay(s, s->hold_us);

	c->turn++;
	s->turns += c->tries > 0;
	if (c->is_reading && r->is_present &&
	    (r->header.dmaster == e->node->pnn || (r->header.flags & RECORD_IS_COPY) != 0)) {
		check_read(s, c);
		vstore_client_unlock(s, c);
		vclient_has_read(s, c);
		return;
	}
	if (!c->is_reading && r->is_present && r->header.dmaster == e->node->pnn &&
	    (r->header.flags & RECORD_IS_LENT) == 0) {
		c->state = VCLIENT_HOLDING;
		sim_trace(s, "%s holds db %u key %u rsn %llu", NAME(c), c->db, c->key,
			  (unsigned long long)r->header.rsn);
		check_hold(s, c);
		if (!s->is_healing && sim_chance(s, s->long_hold_percent)) {
			hold_us += sim_between(s, 0, s->timeout_ms * 10000);
			c->is_unkillable = sim_chance(s, 20);
		}
		vclient_turn_later(s, c, hold_us);
		return;
	}
	vstore_client_unlock(s, c);
	s->turns_lost += c->tries > 0;
	c->tries++;
	if (!e->is_running || e->is_quitting || e->is_leaving || c->is_orphan) {
		vclient_die(s, c);
		return;
	}
	c->state = VCLIENT_WAITING;
	c->reqid++;
	event_after(s, sim_delay(s, s->store_us), vclient_on_call, c, NULL, c->turn);
}

static void vclient_on_schedule(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	uint32_t db = (uint32_t)(number >> 8), key = number & 0xFF;

	(void)data;
	if (!vengine_serves(e))
		return; /* the pass finds it */
	core_vacuum_schedule(e->core, e->file.db[db].db_id,
			     slice_of(s->key_name[key], strlen(s->key_name[key])));
	vengine_after(e);
}

/* It has emptied a record, and tells the daemon; one in eight does not come that far */
static void vclient_schedule(struct sim *s, struct vclient *c)
{
	if (s->has_vacuum && random_next(&s->vacuums) % 8 != 0)
		event_after(s, random_next(&s->vacuums) % 500, vclient_on_schedule, c->e, NULL,
			    (uint64_t)c->db << 8 | c->key);
}

struct vpush {
	uint32_t db, key, n;
	uint64_t wiped; /* how often the database was, when it was written */
	struct record_header header;
	uint16_t body[SIM_WRITERS];
};

/* It may come when the database has been wiped, and there are new records in it */
static bool vclient_push_is_late(const struct vengine *e, const struct vpush *p)
{
	const struct vdb *db = &e->file.db[p->db];

	return db->is_wiping || (db->wiped != p->wiped && random_next(&e->sim->wipes) % 4 != 0);
}

static void vclient_on_push(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	struct vpush *p = data;
	int rc;

	(void)number;
	if (!e->is_running || e->is_quitting || e->is_leaving)
		return;
	if (!vengine_can_run(e) || vclient_push_is_late(e, p)) {
		struct vpush *again = malloc(sizeof(*again));

		if (again == NULL)
			abort();
		*again = *p;
		event_after(s, 5000, vclient_on_push, e, again, 0);
		return;
	}
	e->pushes_coming[p->db][p->key]--;
	rc = core_push(e->core, e->file.db[p->db].db_id,
		       slice_of(s->key_name[p->key], strlen(s->key_name[p->key])), &p->header,
		       slice_of(p->body, p->n * sizeof(p->body[0])));
	sim_trace(s, "node %u: push of db %u key %u rsn %llu", e->node->pnn, p->db, p->key,
		  (unsigned long long)p->header.rsn);
	if (rc < 0)
		sim_fail(s, "push", "node %u: a push of db %u key %u says %d", e->node->pnn, p->db,
			 p->key, rc);
	check_push(e, p->db, p->key, p->body);
	vengine_after(e);
}

/* It has written, and wants all nodes to have it. The mark stays until it stores the record once more,
 * behind a commit: here, until any client of its node writes when nothing is being pushed. */
static void vclient_push(struct sim *s, struct vclient *c)
{
	struct vrecord *r = &c->e->file.db[c->db].record[c->key];
	struct vpush *p;

	if (c->e->pushes_coming[c->db][c->key] == 0 && c->e->core != NULL &&
	    !push_is_pending(c->e->core, UINT64_MAX))
		r->header.flags &= ~RECORD_IN_PROGRESS;
	if (!s->has_pushes || c->db == s->dbs || r->n == 0 || random_next(&s->pushes) % 8 != 0)
		return;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		abort();
	*p = (struct vpush){ .db = c->db, .key = c->key, .n = r->n, .header = r->header };
	p->wiped = c->e->file.db[c->db].wiped;
	memcpy(p->body, r->body, sizeof(p->body));
	r->header.rsn++;
	r->header.flags |= RECORD_IN_PROGRESS | RECORD_MIGRATED_WITH_DATA;
	c->e->pushes_coming[c->db][c->key]++;
	event_after(s, random_next(&s->pushes) % 500, vclient_on_push, c->e, p, 0);
}

static void vclient_finish(struct sim *s, struct vclient *c)
{
	uint32_t what = sim_below(s, 100);

	check_hold(s, c);
	if (s->is_emptying)
		what = 0;
	if (what < 75)
		check_write(s, c->e, c->db, c->key, what < s->empty_percent);
	if (what < 75)
		vclient_push(s, c);
	c->is_unkillable = false;
	vstore_client_unlock(s, c);
	if (what < s->empty_percent)
		vclient_schedule(s, c);
	c->tries = 0;
	c->state = VCLIENT_IDLE;
	c->turn++;
}

static void vclient_on_turn(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vclient *c = object;
	struct vengine *e = c->e;

	(void)data;
	if (c->turn != number || !vengine_can_write(e))
		return;
	switch (c->state) {
	case VCLIENT_HOLDING:
		vclient_finish(s, c);
		if (c->is_orphan)
			vclient_die(s, c);
		else if (!s->is_quiet)
			vclient_turn_later(
			    s, c, sim_delay(s, s->is_healing ? 10 * s->think_us : s->think_us));
		break;
	case VCLIENT_IDLE:
		if (s->is_quiet)
			break;
		c->db = sim_below(s, s->dbs);
		c->key = sim_below(s, s->keys);
		c->is_reading = s->has_readers && random_next(&s->readers) % 100 < 60;
		c->since_us = s->now_us;
		if (e->detach.is_used && random_next(&s->detaches) % 3 == 0)
			c->db = s->dbs;
		if (c->db == s->dbs || e->is_attached[c->db])
			vclient_lock(s, c);
		else
			vclient_turn_later(s, c, 10000 + sim_delay(s, s->think_us));
		break;
	case VCLIENT_WAITING: /* it was answered */
		vclient_lock(s, c);
		break;
	default:
		break;
	}
}

static void vclient_turn_later(struct sim *s, struct vclient *c, uint64_t delay_us)
{
	event_after(s, delay_us, vclient_on_turn, c, NULL, ++c->turn);
}

void vclient_replied(struct sim *s, struct vengine *e, uint64_t client, uint32_t reqid,
		     bool is_error)
{
	struct vclient *c = &e->client[client % SIM_CLIENTS];

	if (c->id != client || c->state == VCLIENT_DEAD)
		return;
	if (c->state != VCLIENT_WAITING || c->reqid != reqid) {
		sim_fail(s, "reply", "%s is answered twice, or to what it has not asked", NAME(c));
		return;
	}
	if (c->is_reading && !is_error) {
		vclient_has_read(s, c); /* the answer is the data */
		return;
	}
	if (is_error) {
		c->state = VCLIENT_IDLE;
		vclient_turn_later(s, c, 10000 + sim_delay(s, s->think_us));
		return;
	}
	vclient_turn_later(s, c, sim_delay(s, s->store_us));
}

void vclient_fetch(struct sim *s, struct vclient *c, uint32_t db, uint32_t key)
{
	c->db = db;
	c->key = key;
	c->is_reading = false;
	c->since_us = s->now_us;
	vclient_lock(s, c);
}

static void vclient_on_orphan(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vclient *c = object;

	(void)data;
	(void)number;
	c->is_orphan = true;
	if (c->state != VCLIENT_HOLDING && c->state != VCLIENT_LOCKING)
		vclient_die(s, c);
}

/* Its socket is closed; it notices when it looks */
void vclient_engine_gone(struct sim *s, struct vengine *e)
{
	for (uint32_t i = 0; i < SIM_CLIENTS; i++) {
		if (e->client[i].state != VCLIENT_NONE)
			event_after(s, sim_delay(s, 30000), vclient_on_orphan, &e->client[i], NULL,
				    0);
	}
}

void vclient_engine_leaves(struct sim *s, struct vengine *e)
{
	for (uint32_t i = 0; i < SIM_CLIENTS; i++)
		if (e->client[i].state != VCLIENT_NONE)
			core_client_gone(e->core, e->client[i].id);
	vclient_engine_gone(s, e);
}

static void vclient_start_again(struct sim *s, struct vclient *c)
{
	c->id += SIM_CLIENTS;
	c->state = VCLIENT_IDLE;
	vclient_turn_later(s, c, sim_delay(s, s->think_us));
}

void vclient_end(struct sim *s, struct vclient *c)
{
	vclient_die(s, c);
	core_client_gone(c->e->core, c->id);
	vengine_after(c->e);
	vclient_start_again(s, c);
}

/* Now and then one dies, and its server starts another */
static void vclient_on_accident(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	struct vclient *c = &e->client[sim_below(s, SIM_CLIENTS)];

	(void)data;
	(void)number;
	if (!e->is_running || e->is_leaving || s->is_healing)
		return;
	event_after(s, sim_delay(s, 4 * s->fault_us), vclient_on_accident, e, NULL, 0);
	if (c->state == VCLIENT_NONE || c->state == VCLIENT_DEAD || c->is_unkillable)
		return;
	vclient_die(s, c);
	event_after(s, sim_delay(s, s->store_us), vclient_on_gone, e, NULL, c->id);
	vclient_start_again(s, c);
}

void vclient_start_all(struct sim *s, struct vengine *e)
{
	uint32_t n = 1 + sim_below(s, SIM_CLIENTS);

	for (uint32_t i = 0; i < SIM_CLIENTS; i++) {
		struct vclient *c = &e->client[i];

		c->e = e;
		c->id = SIM_CLIENTS * 100 + i;
		if (i >= n)
			continue;
		c->state = VCLIENT_IDLE;
		vclient_turn_later(s, c, sim_delay(s, s->think_us));
	}
	event_after(s, sim_delay(s, 8 * s->fault_us), vclient_on_accident, e, NULL, 0);
}
