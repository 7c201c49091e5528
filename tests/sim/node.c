/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * node.c: a host with its power, its disk, and its supervisor: a struct supervise whose wishes
 * become events. Supervisors are a process group of their own; each tells its engine who is in it
 * and what they announce, and a new engine everything that it has heard.
 */
#include <stdlib.h>
#include <string.h>
#include "sim.h"

enum { PAUSED_POLL_US = 20000, BOOT_US = 300000, LINGER_POLL_US = 2000 };

bool vnode_has_daemon(const struct vnode *n)
{
	return n->is_up && n->supervisor.is_running;
}

/* ---- the supervisor's clock ------------------------------------------------------------------ */

static bool vsupervisor_can_run(const struct vnode *n)
{
	return n->is_up && n->supervisor.is_running && !n->is_paused;
}

static void vsupervisor_after(struct vnode *n);

static void vsupervisor_on_tick(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vnode *n = object;

	(void)data;
	if (!n->is_up || !n->supervisor.is_running || n->supervisor.tick_at_ms != number)
		return;
	if (n->is_paused) {
		event_after(s, PAUSED_POLL_US, vsupervisor_on_tick, n, NULL, number);
		return;
	}
	n->supervisor.tick_at_ms = UINT64_MAX;
	supervise_tick(n->supervisor.supervise);
	vsupervisor_after(n);
}

static void vsupervisor_after(struct vnode *n)
{
	struct sim *s = n->sim;
	uint64_t deadline_ms = supervise_deadline_ms(n->supervisor.supervise),
		 late_us = sim_delay(s, 1000);

	if (deadline_ms == UINT64_MAX || deadline_ms >= n->supervisor.tick_at_ms)
		return;
	n->supervisor.tick_at_ms = deadline_ms;
	if (deadline_ms * 1000 > s->now_us)
		late_us += deadline_ms * 1000 - s->now_us;
	event_after(s, late_us, vsupervisor_on_tick, n, NULL, deadline_ms);
}

/* ---- its disk ---------------------------------------------------------------------------------
 */

static void vsupervisor_write(struct sim *s, struct vnode *n);

static void vsupervisor_on_written(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vnode *n = object;

	if (!n->is_up || !n->supervisor.is_running || n->supervisor.round != number)
		return;
	n->disk = *(struct vdisk *)data;
	n->supervisor.is_writing = false;
	if (n->engine != NULL && n->engine->is_running)
		vengine_ipc(s, n->engine, VIPC_WRITTEN,
			    (struct incarnation){ .boot_id = n->disk.generation }, 0);
	vsupervisor_write(s, n);
}

static void vsupervisor_write(struct sim *s, struct vnode *n)
{
	struct vsupervisor *v = &n->supervisor;
	struct vdisk *d;

	if (!v->is_write_wanted || v->is_writing)
		return;
	d = malloc(sizeof(*d));
	if (d == NULL)
		abort();
	*d = v->persisted;
	v->is_write_wanted = false;
	v->is_writing = true;
	event_after(s, sim_delay(s, n->is_slow ? 100000 : 2000), vsupervisor_on_written, n, d,
		    v->round);
}

static void vsupervisor_mark(struct sim *s, struct vnode *n)
{
	struct vdisk *d = &n->supervisor.persisted;

	if (roster_mark(&n->supervisor.roster, d->active, d->is_over, d->n)) {
		sim_trace(s, "node %u: supervisor marks on disk who has ended", n->pnn);
		n->supervisor.is_write_wanted = true;
	}
	vsupervisor_write(s, n);
}

static void vsupervisor_tell_over(struct sim *s, struct vnode *n)
{
	const struct vdisk *d = &n->supervisor.persisted;

	if (n->engine == NULL || !n->engine->is_running)
		return;
	for (size_t i = 0; i < d->n; i++)
		if (d->is_over[i] && roster_is_in_sight(&n->supervisor.roster, d->active[i]))
			vengine_ipc(s, n->engine, VIPC_LEFT, d->active[i], 0);
}

struct vpersist {
	struct vdisk disk;
	uint64_t number;
};

static void vsupervisor_on_persist(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vnode *n = object;
	struct vsupervisor *v = &n->supervisor;
	struct vpersist *p = data;

	if (!n->is_up || !v->is_running || v->round != number || p->number < v->persisted_number)
		return; /* the channel is in order: the newest stands */
	v->persisted_number = p->number;
	for (size_t i = 0; i < p->disk.n; i++)
		for (size_t k = 0; k < v->persisted.n; k++)
			p->disk.is_over[i] |=
			    v->persisted.is_over[k] &&
			    incarnation_equal(p->disk.active[i], v->persisted.active[k]);
	v->persisted = p->disk;
	v->is_write_wanted = true;
	vsupervisor_mark(s, n);
}

void vsupervisor_persist(struct sim *s, struct vnode *n, const struct vdisk *d)
{
	struct vpersist *p = malloc(sizeof(*p));

	if (p == NULL)
		abort();
	*p = (struct vpersist){ .disk = *d, .number = ++n->supervisor.persists };
	event_after(s, sim_delay(s, 300), vsupervisor_on_persist, n, p, n->supervisor.round);
}

/* ---- what supervisors say to each other -------------------------------------------------------
 */

struct vannounce {
	enum { VANNOUNCE_LEFT, VANNOUNCE_REVOKED, VANNOUNCE_ROSTER } kind;
	struct incarnation inc;
	size_t len; /* of what the roster says */
	uint8_t data[ROSTER_MESSAGE + 16];
};

static void op_roster_multicast(void *world, const void *msg, size_t len)
{
	struct vnode *n = world;
	struct vannounce a;

	memset(&a, 0, sizeof(a));
	a.kind = VANNOUNCE_ROSTER;
	a.len = len;
	memcpy(a.data, msg, len);
	corosync_send(n->sim, n, VENTRY_MESSAGE, VGROUP_SUPERVISORS, n->supervisor.pid, &a,
		      sizeof(a));
}

static void op_roster_started(void *world, struct incarnation inc)
{
	struct vnode *n = world;

	sim_trace(n->sim, "node %u: supervisor knows of boot %llx of node %u", n->pnn,
		  (unsigned long long)inc.boot_id, inc.pnn);
	if (n->engine != NULL && n->engine->is_running)
		vengine_ipc(n->sim, n->engine, VIPC_STARTED, inc, 0);
}

static void op_roster_over(void *world, struct incarnation inc)
{
	struct vnode *n = world;

	if (n->engine != NULL && n->engine->is_running)
		vengine_ipc(n->sim, n->engine, VIPC_REVOKED, inc, 0);
}

static void op_roster_supervisor(void *world, uint32_t pnn, bool is_present, bool has_told)
{
	struct vnode *n = world;
	struct incarnation inc = { .pnn = pnn, .boot_id = is_present + has_told };

	sim_trace(n->sim, "node %u: supervisor of node %u is %s", n->pnn, pnn,
		  !is_present ? "gone"
		  : has_told  ? "here and has told"
			      : "here");
	if (n->engine != NULL && n->engine->is_running)
		vengine_ipc(n->sim, n->engine, VIPC_SUPERVISOR, inc, 0);
}

static const struct roster_ops vsupervisor_roster_ops = {
	.multicast = op_roster_multicast,
	.started = op_roster_started,
	.over = op_roster_over,
	.supervisor = op_roster_supervisor,
};

/* Its engine is active in the plan that it was told to keep */
void vsupervisor_engine_active(struct sim *s, struct vengine *e)
{
	(void)s;
	if (e->node->supervisor.is_running)
		roster_planned(&e->node->supervisor.roster, e->plan, e->plan_n);
}

static void vsupervisor_heard(struct sim *s, struct vnode *n, const struct ventry *entry)
{
	struct vsupervisor *v = &n->supervisor;
	struct vannounce a;
	bool is_left;

	memcpy(&a, entry->data, sizeof(a));
	if (a.kind == VANNOUNCE_ROSTER) {
		if (roster_message(&v->roster, entry->pnn, slice_of(a.data, a.len)) != 0)
			sim_fail(s, "supervisor", "node %u does not understand node %u", n->pnn,
				 entry->pnn);
		return;
	}
	is_left = a.kind == VANNOUNCE_LEFT;
	roster_over(&v->roster, a.inc);
	vsupervisor_mark(s, n);
	if (v->resolved_n == SIM_FACTS) {
		memmove(v->resolved, v->resolved + 1, (SIM_FACTS - 1) * sizeof(v->resolved[0]));
		v->resolved_n--;
	}
	v->resolved[v->resolved_n].inc = a.inc;
	v->resolved[v->resolved_n++].is_left = is_left;
	if (n->engine != NULL && n->engine->is_running)
		vengine_ipc(s, n->engine, is_left ? VIPC_LEFT : VIPC_REVOKED, a.inc, 0);
}

static void vsupervisor_on_deliver(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vnode *n = object;
	struct vdelivery *d;
	uint32_t pnn[2 * SIM_NODES];
	size_t count = 0;

	(void)data;
	(void)number;
	n->supervisor.inbox.is_pumping = false;
	if (!vsupervisor_can_run(n))
		return;
	d = vinbox_take(&n->supervisor.inbox);
	if (d == NULL)
		return;
	if (d->kind == VDELIVERY_RING || !n->supervisor.has_ring) { /* one comes with joining */
		n->supervisor.has_ring = true;
		for (uint32_t i = 0; i < s->n; i++) {
			if (d->is_in_ring[i])
				pnn[count++] = i;
		}
		roster_ring(&n->supervisor.roster, pnn, count);
		vsupervisor_tell_over(s, n);
		count = 0;
	}
	if (d->kind == VDELIVERY_MESSAGE) {
		vsupervisor_heard(s, n, d->entry);
	} else if (d->kind == VDELIVERY_MEMBERS) {
		for (size_t i = 0; i < d->members.n; i++) {
			pnn[count++] = d->members.m[i].pnn;
		}
		if (d->entry != NULL && d->entry->kind == VENTRY_LEAVE)
			roster_leave(&n->supervisor.roster, d->entry->pnn);
		roster_group(&n->supervisor.roster, pnn, count);
	}
	free(d);
	vsupervisor_deliver_later(s, n);
}

void vsupervisor_deliver_later(struct sim *s, struct vnode *n)
{
	struct vinbox *b = &n->supervisor.inbox;

	if (b->is_pumping || b->first == NULL)
		return;
	b->is_pumping = true;
	event_after(s, sim_delay(s, s->cpg_us), vsupervisor_on_deliver, n, NULL, 0);
}

/* ---- ops ------------------------------------------------------------------------------------- */

static uint64_t op_now_ms(void *world)
{
	return ((struct vnode *)world)->sim->now_us / 1000;
}

static void op_log(void *world, enum core_log level, const char *text)
{
	struct vnode *n = world;

	(void)level;
	sim_trace(n->sim, "node %u: supervisor: %s", n->pnn, text);
}

static void vsupervisor_on_engine_start(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vnode *n = object;
	struct vsupervisor *v = &n->supervisor;

	(void)data;
	if (!n->is_up || !v->is_running || v->round != number)
		return;
	if (n->is_paused) {
		event_after(s, PAUSED_POLL_US, vsupervisor_on_engine_start, n, NULL, number);
		return;
	}
	if (n->engine != NULL && (n->engine->is_running || vengine_can_write(n->engine))) {
		sim_fail(s, "supervisor",
			 "node %u starts an engine while another runs or its files are not retired",
			 n->pnn);
		return;
	}
	vengine_start(s, n, v->boot_id);
	vsupervisor_tell_over(s, n);
	roster_tell(&v->roster);
	for (size_t i = 0; i < v->resolved_n; i++)
		vengine_ipc(s, n->engine, v->resolved[i].is_left ? VIPC_LEFT : VIPC_REVOKED,
			    v->resolved[i].inc, 0);
	supervise_engine_started(v->supervise, n->engine->boot_id);
	vsupervisor_after(n);
}

static void op_engine_start(void *world)
{
	struct vnode *n = world;

	/* no order in boot ids: nothing may depend on it */
	n->supervisor.boot_id = (++n->sim->next_boot_id * 0x9E3779B97F4A7C15U) | 1;
	n->supervisor.boot_id &= ~(1ULL << 63);
	roster_engine(&n->supervisor.roster, n->supervisor.boot_id);
	event_after(n->sim, sim_delay(n->sim, 10000), vsupervisor_on_engine_start, n, NULL,
		    n->supervisor.round);
}

/* number: round << 1 | whether it is killed */
static void vsupervisor_on_engine_end(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vnode *n = object;
	bool is_killed = number & 1;

	(void)data;
	if (!n->is_up || !n->supervisor.is_running || n->supervisor.round != number >> 1 ||
	    n->engine == NULL)
		return;
	if (is_killed)
		vengine_end(s, n->engine, REASON_NONE);
	else if (vengine_can_run(n->engine))
		vengine_leave(s, n->engine);
	else
		event_after(s, PAUSED_POLL_US, vsupervisor_on_engine_end, n, NULL, number);
}

static void op_engine_ask_stop(void *world)
{
	struct vnode *n = world;

	event_after(n->sim, sim_delay(n->sim, 10000), vsupervisor_on_engine_end, n, NULL,
		    n->supervisor.round << 1);
}

static void op_engine_kill(void *world)
{
	struct vnode *n = world;

	event_after(n->sim, sim_delay(n->sim, 2000), vsupervisor_on_engine_end, n, NULL,
		    n->supervisor.round << 1 | 1);
}

/* data: present when holders are to be killed */
static void vsupervisor_on_retire(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vnode *n = object;

	if (!n->is_up || !n->supervisor.is_running || n->supervisor.round != number)
		return;
	if (supervise_state(n->supervisor.supervise) != SUPERVISE_RETIRING &&
	    supervise_state(n->supervisor.supervise) != SUPERVISE_RETIRING_LEFTOVERS)
		return; /* an earlier request has done it */
	if (n->engine != NULL && n->engine->is_running) {
		sim_fail(s, "supervisor", "node %u retires the files of an engine that runs",
			 n->pnn);
		return;
	}
	if (n->engine != NULL && vengine_can_write(n->engine))
		vstore_retire(s, n->engine, data != NULL);
	else
		vsupervisor_retired(s, n, true);
}

static void op_retire(void *world, bool kill_holders)
{
	struct vnode *n = world;
	void *kill = kill_holders ? calloc(1, 1) : NULL;

	event_after(n->sim, sim_delay(n->sim, 5000), vsupervisor_on_retire, n, kill,
		    n->supervisor.round);
}

void vsupervisor_retired(struct sim *s, struct vnode *n, bool is_done)
{
	(void)s;
	supervise_retired(n->supervisor.supervise, is_done);
	vsupervisor_after(n);
}

void vsupervisor_engine_ended(struct sim *s, struct vnode *n, enum reason why)
{
	(void)s;
	supervise_engine_ended(n->supervisor.supervise, why);
	vsupervisor_after(n);
}

static void op_announce(void *world, struct incarnation inc, bool is_left)
{
	struct vnode *n = world;
	struct vannounce a;

	memset(&a, 0, sizeof(a));
	a.inc.pnn = inc.pnn;
	a.inc.boot_id = inc.boot_id;
	a.kind = is_left ? VANNOUNCE_LEFT : VANNOUNCE_REVOKED;
	sim_trace(n->sim, "node %u: supervisor announces that boot %llx %s", n->pnn,
		  (unsigned long long)inc.boot_id, is_left ? "has left" : "is revoked");
	corosync_send(n->sim, n, VENTRY_MESSAGE, VGROUP_SUPERVISORS, n->supervisor.pid, &a,
		      sizeof(a));
	roster_engine(&n->supervisor.roster, 0);
}

/* The process is gone, and with it what it was doing */
static void vsupervisor_gone(struct sim *s, struct vnode *n, enum ventry_kind how)
{
	struct vsupervisor *v = &n->supervisor;

	if (!v->is_running)
		return;
	v->is_running = false;
	v->round++;
	supervise_free(v->supervise);
	v->supervise = NULL;
	vinbox_clear(&v->inbox);
	if (n->is_up)
		corosync_send(s, n, how, VGROUP_SUPERVISORS, v->pid, NULL, 0);
}

static void vsupervisor_on_exit(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vnode *n = object;
	struct vsupervisor *v = &n->supervisor;

	(void)data;
	if (!n->is_up || !v->is_running || v->round != number)
		return;
	if (v->is_writing || v->is_write_wanted ||
	    (s->now_us < v->linger_until_us &&
	     roster_awaits(&v->roster, v->persisted.active, v->persisted.n))) {
		event_after(s, LINGER_POLL_US, vsupervisor_on_exit, n, NULL, number);
		return;
	}
	sim_trace(s, "node %u: supervisor exits", n->pnn);
	vsupervisor_gone(s, n, v->is_clean ? VENTRY_LEAVE : VENTRY_DEATH);
	n->had_daemon = false;
	if (n->engine == NULL)
		return;
	if (n->engine->is_running) {
		sim_fail(s, "supervisor", "node %u exits and leaves its engine behind", n->pnn);
		return;
	}
	if (vengine_can_write(n->engine)) {
		vstore_retire_abort(s, n->engine);
		vfencer_stop_failed(s, n);
	}
}

static void op_exit(void *world, enum reason why)
{
	struct vnode *n = world;

	sim_trace(n->sim, "node %u: supervisor ends: %s", n->pnn, reason_row(why)->name);
	n->supervisor.is_clean = why != REASON_RETIRE_FAILED;
	n->supervisor.linger_until_us =
	    why == REASON_NONE ? n->sim->now_us + (uint64_t)n->sim->timeout_ms * 1000 : 0;
	event_after(n->sim, sim_delay(n->sim, 2000), vsupervisor_on_exit, n, NULL,
		    n->supervisor.round);
}

static void op_state_changed(void *world)
{
	(void)world;
}

static const struct supervise_ops vsupervisor_ops = {
	.now_ms = op_now_ms,
	.log = op_log,
	.engine_start = op_engine_start,
	.engine_ask_stop = op_engine_ask_stop,
	.engine_kill = op_engine_kill,
	.retire = op_retire,
	.announce = op_announce,
	.exit = op_exit,
	.state_changed = op_state_changed,
};

/* ---- the daemon ------------------------------------------------------------------------------ */

void vnode_start_daemon(struct sim *s, struct vnode *n)
{
	struct vsupervisor *v = &n->supervisor;
	struct supervise_config config = {
		.pnn = n->pnn,
		.drain_timeout_ms = s->drain_timeout_ms,
		.stop_timeout_ms = s->timeout_ms,
		.retire_timeout_ms = s->timeout_ms,
		.hang_timeout_ms = 2 * s->timeout_ms,
		.restart_limit = 5,
		.restart_window_ms = 10 * s->timeout_ms,
		.bug = s->options.bug,
	};
	uint32_t ring[SIM_NODES];
	size_t ring_n = 0;

	if (v->is_running || !n->is_up || !n->corosync.is_running)
		return;
	sim_trace(s, "node %u: daemon starts", n->pnn);
	v->is_running = true;
	v->round++;
	v->pid = ++n->next_pid;
	v->tick_at_ms = UINT64_MAX;
	v->resolved_n = 0;
	v->has_ring = v->is_writing = v->is_write_wanted = false;
	v->persisted = n->disk;
	v->persists = v->persisted_number = 0;
	roster_init(&v->roster, n->pnn, (uint64_t)v->pid << 32 | s->now_us << 8,
		    &vsupervisor_roster_ops, n);
	vinbox_init(&v->inbox);
	/* as corosync tells before the group is joined */
	for (uint32_t i = 0; n->corosync.ring != NULL && i < s->n; i++) {
		if (n->corosync.ring->is_node[i])
			ring[ring_n++] = i;
	}
	roster_ring(&v->roster, ring, ring_n);
	v->supervise = supervise_new(&config, &vsupervisor_ops, n);
	corosync_send(s, n, VENTRY_JOIN, VGROUP_SUPERVISORS, v->pid, NULL, 0);
	supervise_start(v->supervise);
	vsupervisor_after(n);
}

void vnode_stop_daemon(struct sim *s, struct vnode *n)
{
	if (!vsupervisor_can_run(n))
		return;
	sim_trace(s, "node %u: daemon is to stop", n->pnn);
	supervise_stop(n->supervisor.supervise);
	vsupervisor_after(n);
}

void vnode_kill_engine(struct sim *s, struct vnode *n)
{
	if (n->engine != NULL && n->engine->is_running)
		vengine_end(s, n->engine, REASON_NONE);
}

void vnode_kill_daemon(struct sim *s, struct vnode *n)
{
	if (!vnode_has_daemon(n))
		return;
	sim_trace(s, "node %u: supervisor and engine are killed", n->pnn);
	vsupervisor_gone(s, n, VENTRY_DEATH);
	vnode_kill_engine(s, n);
	if (n->engine != NULL)
		vstore_retire_abort(s, n->engine);
}

void vsupervisor_free(struct vnode *n)
{
	if (n->supervisor.supervise != NULL)
		supervise_free(n->supervisor.supervise);
	if (n->supervisor.is_running)
		vinbox_clear(&n->supervisor.inbox);
}

/* ---- the host -------------------------------------------------------------------------------- */

static void vnode_on_corosync(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vnode *n = object;

	(void)data;
	if (n->is_up && n->boots == number)
		corosync_start(s, n);
}

void vnode_power_on(struct sim *s, struct vnode *n)
{
	if (n->is_up)
		return;
	n->is_up = true;
	n->boots++;
	sim_trace(s, "node %u: boots", n->pnn);
	event_after(s, sim_delay(s, 20000), vnode_on_corosync, n, NULL, n->boots);
}

static void vnode_on_boot(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vnode *n = object;

	(void)data;
	if (!n->is_up && n->boots == number)
		vnode_power_on(s, n);
}

void vnode_power_off(struct sim *s, struct vnode *n, const char *why)
{
	struct vengine *e = n->engine;

	if (!n->is_up)
		return;
	sim_trace(s, "node %u: %s", n->pnn, why);
	n->is_up = false;
	n->is_paused = n->is_engine_paused = n->had_daemon = false;
	if (e != NULL) {
		e->file.is_retired = true; /* it was in memory */
		vengine_end(s, e, REASON_NONE);
		for (uint32_t i = 0; i < SIM_CLIENTS; i++) {
			if (e->client[i].state != VCLIENT_NONE)
				e->client[i].state = VCLIENT_DEAD;
			e->client[i].turn++;
		}
	}
	vsupervisor_gone(s, n, VENTRY_DEATH);
	corosync_kill(s, n);
	n->corosync.is_stalled = false;
	event_after(s, BOOT_US + sim_between(s, 0, s->is_healing ? BOOT_US : s->timeout_ms * 10000),
		    vnode_on_boot, n, NULL, n->boots);
}

void vnode_pause(struct sim *s, struct vnode *n, bool is_paused)
{
	if (n->is_paused == is_paused || !n->is_up)
		return;
	sim_trace(s, "node %u: %s", n->pnn, is_paused ? "stands still" : "goes on");
	n->is_paused = is_paused;
	n->stalled_us = s->now_us;
	corosync_stall(s, n, is_paused);
	if (is_paused)
		return;
	if (n->engine != NULL && n->engine->is_running)
		vengine_resumed(s, n->engine);
	if (n->supervisor.is_running)
		vsupervisor_deliver_later(s, n);
}

void vnode_pause_engine(struct sim *s, struct vnode *n, bool is_paused)
{
	if (n->is_engine_paused == is_paused)
		return;
	sim_trace(s, "node %u: engine %s", n->pnn, is_paused ? "stands still" : "goes on");
	n->is_engine_paused = is_paused;
	n->stalled_us = s->now_us;
	if (!is_paused && n->engine != NULL && n->engine->is_running)
		vengine_resumed(s, n->engine);
}
