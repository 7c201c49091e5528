/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * engine.c: one incarnation: a struct core, and the ops that turn what it asks for into events of
 * the virtual world. An engine that stands still (paused) is given nothing; what is meant for it
 * waits.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/core/internal.h" /* what an ACTIVATE looks like */
#include "sim.h"

enum { PAUSED_POLL_US = 20000, HEARTBEAT_US = 50000 };

struct vipc {
	struct vipc *next;
	enum vipc_kind kind;
	struct incarnation inc;
};

bool vengine_can_run(const struct vengine *e)
{
	return e->is_running && !e->is_quitting && e->node->is_up && !e->node->is_paused &&
	       !e->node->is_engine_paused;
}

bool vengine_serves(const struct vengine *e)
{
	return vengine_can_run(e) && !e->is_leaving;
}

bool vengine_can_write(const struct vengine *e)
{
	return e->node->is_up && !e->file.is_retired;
}

/* ---- time ---------------------------------------------------------------------------------- */

static void vengine_on_tick(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;

	(void)data;
	if (e->tick_at_ms != number || !e->is_running || e->is_quitting)
		return;
	if (!vengine_can_run(e)) {
		event_after(s, PAUSED_POLL_US, vengine_on_tick, e, NULL, number);
		return;
	}
	e->tick_at_ms = UINT64_MAX;
	core_tick(e->core);
	vengine_after(e);
}

void vengine_after(struct vengine *e)
{
	struct sim *s = e->sim;
	uint64_t deadline_ms, late_us;

	vstore_event_done(s, e);
	if (e->core != NULL && core_generation(e->core) != e->generation) {
		s->resweeps += e->was_sweeping;
		check_activate(s, e, core_generation(e->core), e->plan, e->plan_n);
		vsupervisor_engine_active(s, e);
		vdetach_activated(s, e);
	}
	e->was_sweeping = e->core != NULL && e->core->is_recovering;
	check_replica(s, e);
	if (e->is_quitting || !e->is_running)
		return;
	check_freeze(s, e);
	deadline_ms = core_deadline_ms(e->core);
	if (deadline_ms == UINT64_MAX || deadline_ms == e->tick_at_ms ||
	    (e->tick_at_ms != UINT64_MAX && e->tick_at_ms < deadline_ms))
		return;
	e->tick_at_ms = deadline_ms;
	late_us = sim_delay(s, e->node->is_slow ? 8000 : 1000);
	if (deadline_ms * 1000 > s->now_us)
		late_us += deadline_ms * 1000 - s->now_us;
	event_after(s, late_us, vengine_on_tick, e, NULL, deadline_ms);
}

static uint64_t op_now_ms(void *world)
{
	return ((struct vengine *)world)->sim->now_us / 1000;
}

static void op_log(void *world, enum core_log level, const char *text)
{
	struct vengine *e = world;

	(void)level;
	sim_trace(e->sim, "node %u: %s", e->node->pnn, text);
}

/* ---- control plane ------------------------------------------------------------------------- */

static void vengine_on_join(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;

	(void)data;
	(void)number;
	if (!e->is_running || e->is_quitting || e->is_joined)
		return;
	e->is_joined = true;
	corosync_send(s, e->node, VENTRY_JOIN, VGROUP_ENGINES, e->pid, NULL, 0);
}

static void op_multicast(void *world, const void *msg, size_t len)
{
	struct vengine *e = world;

	sim_trace(e->sim, "node %u: multicasts %zu bytes of type %u", e->node->pnn, len,
		  len > 0 ? *(const uint8_t *)msg : 0);
	e->sim->restarts += len > 0 && *(const uint8_t *)msg == CONTROL_RESTART;
	check_multicast(e->sim, e, len > 0 && *(const uint8_t *)msg == CONTROL_ACTIVATE);
	vengine_on_join(e->sim, e, NULL, 0); /* nothing is sent before */
	corosync_send(e->sim, e->node, VENTRY_MESSAGE, VGROUP_ENGINES, e->pid, msg, len);
}

static bool core_ring_equal(struct core_ring a, struct core_ring b)
{
	return a.node == b.node && a.seq == b.seq;
}

static void vengine_on_deliver(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	struct vdelivery *d;

	(void)data;
	(void)number;
	e->inbox.is_pumping = false;
	if (!vengine_can_run(e)) /* vengine_resumed() goes on */
		return;
	d = vinbox_take(&e->inbox);
	if (d == NULL)
		return;
	switch (d->kind) {
	case VDELIVERY_MESSAGE:
		sim_trace(s, "node %u: hears node %u, type %u", e->node->pnn, d->entry->pnn,
			  d->entry->data[0]);
		core_multicast(e->core, d->entry->pnn, d->entry->pid,
			       slice_of(d->entry->data, d->entry->len));
		break;
	case VDELIVERY_MEMBERS:
		/* Members come with the ring that was told last, as from libcpg; the first ones
		 * wait for it */
		if (!e->has_ring) {
			e->has_ring = true;
			e->ring = d->ring;
		}
		core_membership(e->core, d->members.m, d->members.n, e->ring);
		break;
	case VDELIVERY_RING:
		if (e->has_ring && !core_ring_equal(e->ring, d->ring)) {
			e->ring = d->ring;
			core_ring_id(e->core, e->ring);
		}
		break;
	}
	free(d);
	vengine_deliver_later(s, e);
	vengine_after(e);
}

void vengine_deliver_later(struct sim *s, struct vengine *e)
{
	if (e->inbox.is_pumping || e->inbox.first == NULL || !e->is_running || e->is_quitting)
		return;
	e->inbox.is_pumping = true;
	event_after(s, sim_delay(s, e->node->is_slow ? 8 * s->cpg_us : s->cpg_us),
		    vengine_on_deliver, e, NULL, 0);
}

struct vquorum {
	struct vquorum *next;
	bool is_quorate;
	struct core_ring ring;
	uint32_t pnn[SIM_NODES];
	size_t n;
};

static void vengine_read_quorum_later(struct sim *s, struct vengine *e);

static void vengine_on_quorum(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	struct vquorum *q = e->quorum_first;

	(void)data;
	(void)number;
	e->is_reading_quorum = false;
	if (q == NULL || !vengine_can_run(e))
		return;
	e->quorum_first = q->next;
	if (e->quorum_first == NULL)
		e->quorum_last = &e->quorum_first;
	e->is_quorate = q->is_quorate;
	e->quorum_ring = q->ring;
	core_quorum(e->core, q->is_quorate, q->ring, q->pnn, q->n);
	free(q);
	vengine_read_quorum_later(s, e);
	vengine_after(e);
}

static void vengine_read_quorum_later(struct sim *s, struct vengine *e)
{
	if (e->is_reading_quorum || e->quorum_first == NULL || !e->is_running)
		return;
	e->is_reading_quorum = true;
	event_after(s, sim_delay(s, s->cpg_us), vengine_on_quorum, e, NULL, 0);
}

void vengine_tell_quorum(struct sim *s, struct vengine *e)
{
	struct corosync *c = &e->node->corosync;
	struct vquorum *q;

	if (c->ring == NULL || !e->is_running)
		return;
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		abort();
	q->is_quorate = c->is_quorate;
	q->ring = c->ring->id;
	for (uint32_t i = 0; i < s->n; i++)
		if (c->ring->is_node[i])
			q->pnn[q->n++] = i;
	*e->quorum_last = q;
	e->quorum_last = &q->next;
	vengine_read_quorum_later(s, e);
}

/* ---- data plane ---------------------------------------------------------------------------- */

static void op_peer_set(void *world, uint32_t pnn, const struct core_peer *peer)
{
	struct vengine *e = world;
	struct vpeer *p;

	if (pnn >= e->sim->n || pnn == e->node->pnn) {
		sim_fail(e->sim, "link", "node %u wants a link to node %u", e->node->pnn, pnn);
		return;
	}
	p = &e->peer[pnn];
	if (p->is_wanted && (peer == NULL || p->boot_id != peer->inc.boot_id)) {
		p->is_wanted = false;
		vlink_unwant(e->sim, e, pnn);
	}
	if (peer == NULL || p->is_wanted)
		return;
	p->is_wanted = true;
	p->boot_id = peer->inc.boot_id;
	vlink_want(e->sim, e, pnn);
}

static void op_peer_wake(void *world, uint32_t pnn)
{
	vlink_wake(((struct vengine *)world)->sim, world, pnn);
}

static void op_peer_resume(void *world, uint32_t pnn)
{
	vlink_resume(((struct vengine *)world)->sim, world, pnn);
}

static void op_forwarded(void *world, uint32_t from_pnn, struct slice data)
{
	(void)from_pnn;
	(void)data;
	((struct vengine *)world)->forwards_in++;
}

/* ---- clients ------------------------------------------------------------------------------- */

static void op_call_reply(void *world, uint64_t client, uint32_t reqid, struct slice data)
{
	(void)data;
	vclient_replied(((struct vengine *)world)->sim, world, client, reqid, false);
}

static void op_call_error(void *world, uint64_t client, uint32_t reqid, const char *text)
{
	struct vengine *e = world;

	sim_trace(e->sim, "node %u: call fails: %s", e->node->pnn, text);
	vclient_replied(e->sim, e, client, reqid, true);
}

static void op_message(void *world, uint64_t client, uint64_t srvid, struct slice data)
{
	if (!vtraverse_message(world, client, srvid, data))
		((struct vengine *)world)->messages_in++;
}

static void vengine_on_attach(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	int rc;

	(void)data;
	if (!e->is_running || e->is_quitting || e->is_leaving || e->is_attached[number])
		return;
	if (!vengine_can_run(e)) {
		event_after(s, PAUSED_POLL_US, vengine_on_attach, e, NULL, number);
		return;
	}
	rc = core_attach(e->core, s->db_name[number], 0);
	sim_trace(s, "node %u: attach %s: %d", e->node->pnn, s->db_name[number], rc);
	if (rc == 0)
		e->is_attached[number] = true;
	else if (rc != -EINPROGRESS)
		sim_fail(s, "attach", "node %u: attach of %s says %d", e->node->pnn,
			 s->db_name[number], rc);
	vengine_after(e);
}

/* Some time later a client wants the database in read-only mode, and one of them sticky */
static void vengine_on_readonly(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	int rc;

	(void)data;
	if (!vengine_serves(e))
		return;
	rc = core_attach(e->core, s->db_name[number], number == 1 ? DB_PROPERTIES : DB_READONLY);
	if (rc != 0 && rc != -EINPROGRESS)
		sim_fail(s, "attach", "node %u: read-only mode of %s says %d", e->node->pnn,
			 s->db_name[number], rc);
	vengine_after(e);
}

/* the persistent database */
static void vengine_on_attach_replica(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	int rc;

	(void)data;
	(void)number;
	if (!e->is_running || e->is_quitting || e->is_leaving || e->replica.is_attached)
		return;
	if (!vengine_can_run(e)) {
		event_after(s, PAUSED_POLL_US, vengine_on_attach_replica, e, NULL, 0);
		return;
	}
	rc = core_attach(e->core, SIM_PERSISTENT, DB_PERSISTENT);
	if (rc == 0)
		e->replica.is_attached = true;
	else if (rc != -EINPROGRESS)
		sim_fail(s, "attach", "node %u: attach of %s says %d", e->node->pnn,
			 SIM_PERSISTENT, rc);
	vengine_after(e);
}

static void op_attached(void *world, uint32_t db_id, int status)
{
	struct vengine *e = world;

	if (vdetach_is(db_id)) {
		vdetach_attached(e, status);
		return;
	}
	if (db_id == e->replica.db_id) {
		e->replica.is_attached |= status == 0;
		if (status != 0)
			event_after(e->sim, 50000, vengine_on_attach_replica, e, NULL, 0);
		return;
	}
	for (uint32_t i = 0; i < e->sim->dbs; i++) {
		if (e->file.db[i].is_open && e->file.db[i].db_id == db_id && status == 0)
			e->is_attached[i] = true;
	}
	if (status != 0) {
		for (uint32_t i = 0; i < e->sim->dbs; i++)
			event_after(e->sim, 50000, vengine_on_attach, e, NULL, i);
	}
}

/* ---- helpers ------------------------------------------------------------------------------- */

static void vengine_on_quit(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;

	(void)data;
	(void)number;
	if (e->is_running)
		vengine_end(s, e, e->last_reason);
}

void vengine_quit(struct vengine *e, enum reason why)
{
	e->is_quitting = true;
	e->last_reason = why;
	event_after(e->sim, sim_delay(e->sim, 5000), vengine_on_quit, e, NULL, 0);
}

static void op_retire(void *world, enum reason why, const char *text)
{
	struct vengine *e = world;

	if (e->is_quitting)
		return;
	if ((why == REASON_ENGINE_RESTARTING || why == REASON_NO_SPACE) && !e->file.is_bad)
		sim_fail(e->sim, "file", "node %u: %s", e->node->pnn, text);
	sim_trace(e->sim, "node %u: engine quits: %s (%s)", e->node->pnn, reason_row(why)->name,
		  text);
	if (why == REASON_EVICTED && strstr(text, LINK_EVICTED_TEXT) != NULL)
		check_evicted(e->sim, e);
	vengine_quit(e, why);
}

static void op_lock_try(void *world)
{
	vlock_ask(world, VLOCK_TRY);
}

static void op_lock_probe(void *world)
{
	vlock_ask(world, VLOCK_PROBE);
}

static void op_lock_check(void *world)
{
	vlock_ask(world, VLOCK_CHECK);
}

static void op_lock_release(void *world)
{
	vlock_ask(world, VLOCK_RELEASE);
}

static void op_fence_watch(void *world, struct incarnation inc)
{
	vfencer_watch(world, inc);
}

static void op_fence_request(void *world, struct incarnation inc)
{
	vfencer_request(world, inc);
}

static void op_persist(void *world, const struct core_past *past)
{
	struct vengine *e = world;
	struct vdisk d = { .generation = past->generation, .is_outside = past->is_outside, .n = past->n };
	const struct incarnation *active = past->active;
	size_t n = past->n;

	if (n > SIM_DISK)
		abort();
	memcpy(d.active, active, n * sizeof(*active));
	vsupervisor_persist(e->sim, e->node, &d);
	e->plan_generation = past->generation;
	e->plan_n = n < SIM_NODES ? n : SIM_NODES;
	memcpy(e->plan, active, e->plan_n * sizeof(*active));
}

static void op_status_changed(void *world)
{
	(void)world;
}

static const struct core_ops vengine_ops = {
	.now_ms = op_now_ms,
	.log = op_log,
	.multicast = op_multicast,
	.peer_set = op_peer_set,
	.peer_wake = op_peer_wake,
	.peer_resume = op_peer_resume,
	.forwarded = op_forwarded,
	.call_reply = op_call_reply,
	.call_error = op_call_error,
	.message = op_message,
	.client_is_full = vtraverse_is_full,
	.traverse_failed = vtraverse_failed,
	.attached = op_attached,
	.db_open = vstore_db_open,
	.db_close = vstore_db_close,
	.db_is_free = vdetach_is_free,
	.detached = vdetach_ended,
	.db_freeze = vstore_db_freeze,
	.db_wipe = vstore_db_wipe,
	.db_thaw = vstore_db_thaw,
	.wiped = vwipe_ended,
	.lock = vstore_lock,
	.trylock = vstore_trylock,
	.unlock = vstore_unlock,
	.get = vstore_get,
	.put = vstore_put,
	.del = vstore_del,
	.sweep_start = vstore_sweep_start,
	.traverse_read = vtraverse_read,
	.traverse_cancel = vtraverse_cancel,
	.db_content = vreplica_db_content,
	.commit_check = vreplica_check,
	.commit_apply = vreplica_apply,
	.transfer_send = vreplica_send,
	.transfer_receive = vreplica_receive,
	.committed = vcommit_ended,
	.freeze = vstore_freeze,
	.unfreeze = vstore_unfreeze,
	.retire = op_retire,
	.lock_try = op_lock_try,
	.lock_probe = op_lock_probe,
	.lock_check = op_lock_check,
	.lock_release = op_lock_release,
	.fence_watch = op_fence_watch,
	.fence_request = op_fence_request,
	.persist = op_persist,
	.drained = vdrain_ended,
	.status_changed = op_status_changed,
};

/* ---- what the helpers tell ----------------------------------------------------------------- */

static void vengine_read_ipc_later(struct sim *s, struct vengine *e);

static void vengine_on_ipc(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	struct vipc *i = e->ipc_first;

	(void)data;
	(void)number;
	e->is_reading_ipc = false;
	if (i == NULL || !vengine_can_run(e))
		return;
	e->ipc_first = i->next;
	if (e->ipc_first == NULL)
		e->ipc_last = &e->ipc_first;
	switch (i->kind) {
	case VIPC_LEFT:
		core_left(e->core, i->inc);
		break;
	case VIPC_REVOKED:
		core_revoked(e->core, i->inc);
		break;
	case VIPC_SUPERVISOR:
		core_supervisor(e->core, i->inc.pnn, i->inc.boot_id != 0, i->inc.boot_id == 2);
		break;
	case VIPC_STARTED:
		core_started(e->core, i->inc);
		break;
	case VIPC_WRITTEN:
		core_persisted(e->core, (uint32_t)i->inc.boot_id);
		break;
	case VIPC_FENCED:
		sim_trace(s, "node %u hears: boot %llx of node %u was fenced", e->node->pnn,
			  (unsigned long long)i->inc.boot_id, i->inc.pnn);
		core_fenced(e->core, i->inc);
		break;
	case VIPC_FENCE_FAILED:
		core_fence_failed(e->core, i->inc, "the device did not answer");
		break;
	}
	free(i);
	vengine_read_ipc_later(s, e);
	vengine_after(e);
}

static void vengine_read_ipc_later(struct sim *s, struct vengine *e)
{
	if (e->is_reading_ipc || e->ipc_first == NULL || !e->is_running)
		return;
	e->is_reading_ipc = true;
	event_after(s, sim_delay(s, 1000), vengine_on_ipc, e, NULL, 0);
}

static void vengine_on_ipc_sent(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	struct vipc *i = malloc(sizeof(*i));

	if (i == NULL)
		abort();
	*i = *(struct vipc *)data;
	(void)number;
	if (!e->is_running) {
		free(i);
		return;
	}
	*e->ipc_last = i;
	e->ipc_last = &i->next;
	vengine_read_ipc_later(s, e);
}

void vengine_ipc(struct sim *s, struct vengine *e, enum vipc_kind kind, struct incarnation inc,
		 uint64_t delay_us)
{
	struct vipc *i = calloc(1, sizeof(*i));

	if (i == NULL)
		abort();
	i->kind = kind;
	i->inc = inc;
	if (delay_us > 0) {
		event_after(s, delay_us, vengine_on_ipc_sent, e, i, 0);
		return;
	}
	vengine_on_ipc_sent(s, e, i, 0);
	free(i);
}

static void vengine_on_topology(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;

	(void)data;
	(void)number;
	if (!e->is_running || e->is_quitting)
		return;
	if (!vengine_can_run(e)) {
		event_after(s, PAUSED_POLL_US, vengine_on_topology, e, NULL, 0);
		return;
	}
	core_topology(e->core, REASON_NONE, "");
	vengine_after(e);
}

static void vengine_on_heartbeat(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;

	(void)data;
	(void)number;
	if (!e->is_running || e->is_quitting)
		return;
	if (vengine_can_run(e) && e->node->supervisor.is_running)
		supervise_engine_heartbeat(e->node->supervisor.supervise);
	event_after(s, HEARTBEAT_US, vengine_on_heartbeat, e, NULL, 0);
}

/* ---- birth and death ----------------------------------------------------------------------- */

struct vengine *vengine_start(struct sim *s, struct vnode *n, uint64_t boot_id)
{
	struct vengine *e = calloc(1, sizeof(*e));
	struct core_config *config = calloc(1, sizeof(*config));

	if (e == NULL || config == NULL)
		abort();
	e->next = s->engines;
	s->engines = e;
	e->sim = s;
	e->node = n;
	e->number = s->engines_n++;
	if (e->number >= SIM_WRITERS)
		sim_fail(s, "simulator", "more than %d incarnations", SIM_WRITERS);
	e->boot_id = boot_id;
	e->pid = ++n->next_pid;
	vinbox_init(&e->inbox);
	e->ipc_last = &e->ipc_first;
	e->quorum_last = &e->quorum_first;
	e->tick_at_ms = UINT64_MAX;
	e->is_running = true;
	n->engine = e;
	config->self = (struct incarnation){ .pnn = n->pnn, .boot_id = e->boot_id };
	snprintf(config->node_name, sizeof(config->node_name), "node%u", n->pnn + 1);
	snprintf(config->address, sizeof(config->address), "192.0.2.%u", n->pnn + 1);
	config->port = 4379;
	for (size_t i = 0; i < sizeof(config->key); i++)
		config->key[i] = (uint8_t)(e->boot_id >> (8 * (i % 8)));
	config->has_lock = s->has_lock;
	config->state_timeout_ms = config->peer_timeout_ms = config->lock_timeout_ms =
	    s->timeout_ms;
	config->fence_grace_ms = config->revoke_timeout_ms = 2 * s->timeout_ms;
	config->fences_at_once = s->seed % 2 == 0 && !s->is_two_node;
	config->nodes = s->n;
	config->past = (struct core_past){ n->supervisor.persisted.generation,
					   n->supervisor.persisted.is_outside,
					   n->supervisor.persisted.active, n->supervisor.persisted.n };
	config->bug = s->options.bug;
	sim_trace(s, "node %u: engine starts, boot %llx, incarnation %u", n->pnn,
		  (unsigned long long)e->boot_id, e->number);
	e->core = core_new(config, &vengine_ops, e);
	free(config);
	core_vacuum_tune(e->core, s->vacuum_delay_ms, s->vacuum_interval_ms);
	core_sticky(e->core, &(struct core_sticky){ 10, 2000, 20 });
	if (n->pfile.exists)
		core_db_found(e->core, SIM_PERSISTENT, DB_PERSISTENT);
	event_after(s, sim_delay(s, 5000), vengine_on_topology, e, NULL, 0);
	event_after(s, sim_delay(s, 5000), vengine_on_join, e, NULL, 0);
	event_after(s, HEARTBEAT_US, vengine_on_heartbeat, e, NULL, 0);
	for (uint32_t i = 0; i < s->dbs; i++)
		event_after(s, sim_delay(s, 20000), vengine_on_attach, e, NULL, i);
	event_after(s, sim_delay(s, 20000), vengine_on_attach_replica, e, NULL, 0);
	for (uint32_t i = 0; s->has_readers && i < s->dbs; i++)
		if (random_next(&s->readers) % 2 == 0)
			event_after(s, 20000 + random_next(&s->readers) % 400000,
				    vengine_on_readonly, e, NULL, i);
	vengine_tell_quorum(s, e);
	vclient_start_all(s, e);
	vtraverse_start_all(s, e);
	vcommit_start(s, e);
	vdetach_start(s, e);
	vwipe_start(s, e);
	vengine_after(e);
	return e;
}

static void vengine_on_reaped(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vnode *n = object;

	(void)data;
	if (!n->is_up || !n->supervisor.is_running || n->supervisor.round != number >> 32)
		return;
	if (n->is_paused) {
		event_after(s, PAUSED_POLL_US, vengine_on_reaped, n, NULL, number);
		return;
	}
	vsupervisor_engine_ended(s, n, (enum reason)(number & 0xFFFFFFFFU));
}

/* What was meant for it */
static void vengine_clear(struct vengine *e)
{
	struct vquorum *q;
	struct vipc *i;

	vinbox_clear(&e->inbox);
	while ((i = e->ipc_first) != NULL) {
		e->ipc_first = i->next;
		free(i);
	}
	e->ipc_last = &e->ipc_first;
	while ((q = e->quorum_first) != NULL) {
		e->quorum_first = q->next;
		free(q);
	}
	e->quorum_last = &e->quorum_first;
}

void vengine_end(struct sim *s, struct vengine *e, enum reason why)
{
	if (!e->is_running)
		return;
	sim_trace(s, "node %u: engine boot %llx is gone", e->node->pnn,
		  (unsigned long long)e->boot_id);
	e->is_running = false;
	e->is_quitting = true;
	s->has_lost |= e->first_generation != 0 && !e->is_drained;
	core_free(e->core);
	e->core = NULL;
	vengine_clear(e);
	vcommit_engine_gone(s, e);
	if (e->node->is_up) {
		if (e->is_joined)
			corosync_send(s, e->node, VENTRY_DEATH, VGROUP_ENGINES, e->pid, NULL, 0);
		vstore_workers_died(s, e);
		vclient_engine_gone(s, e);
		event_after(s, sim_delay(s, 5000), vengine_on_reaped, e->node, NULL,
			    e->node->supervisor.round << 32 | (uint32_t)why);
	}
	vlock_engine_gone(s, e);
	vlink_engine_gone(s, e);
}

/* Its sockets first, and whatever its clients had sent */
void vengine_leave(struct sim *s, struct vengine *e)
{
	if (e->is_leaving)
		return;
	sim_trace(s, "node %u: engine is to end", e->node->pnn);
	e->is_leaving = true;
	vclient_engine_leaves(s, e);
	vtraverse_engine_leaves(e);
	vcommit_engine_leaves(s, e);
	core_leave(e->core, s->drain_timeout_ms);
	vengine_after(e);
}

void vengine_resumed(struct sim *s, struct vengine *e)
{
	vengine_deliver_later(s, e);
	vengine_read_ipc_later(s, e);
	vengine_read_quorum_later(s, e);
}

void vengine_free_all(struct sim *s)
{
	struct vengine *e;

	while ((e = s->engines) != NULL) {
		s->engines = e->next;
		if (e->core != NULL)
			core_free(e->core);
		vengine_clear(e);
		free(e->replica.coming.p);
		free(e);
	}
}
