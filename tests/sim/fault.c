/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fault.c: what goes wrong. One event draws a fault of those that this run allows, does it, has it
 * undone later where it lasts, and draws the next time. Most runs allow only some kinds, so that a
 * kind is also seen alone. fault_end() undoes everything: from then on the cluster has to become
 * whole by itself, with Pacemaker working.
 */
#include "sim.h"

enum fault_kind {
	FAULT_POWER,
	FAULT_PAUSE,
	FAULT_PAUSE_ENGINE,
	FAULT_STALL_COROSYNC,
	FAULT_CUT,
	FAULT_BLOCK_LINK,
	FAULT_BREAK_LINK,
	FAULT_KILL_ENGINE,
	FAULT_KILL_DAEMON,
	FAULT_STOP_DAEMON,
	FAULT_STOP_ALL,
	FAULT_LOCK_HANGS,
	FAULT_LOCK_ALIEN,
	FAULT_LOCK_LOST,
	FAULT_LOCK_LOCAL,
	FAULT_FENCING,
	FAULT_OLD_NEWS,
	FAULT_SLOW,
	FAULT_NEW_RING,
	FAULT_KINDS
};

static uint64_t fault_length_us(struct sim *s)
{
	/* shorter or longer than the daemon's time-outs */
	return sim_chance(s, 50) ? sim_between(s, 1000, s->timeout_ms * 1000)
				 : sim_between(s, 1000, s->timeout_ms * 8000);
}

static void fault_on_resume(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vnode *n = object;

	(void)data;
	switch (number) {
	case FAULT_PAUSE:
		vnode_pause(s, n, false);
		break;
	case FAULT_PAUSE_ENGINE:
		vnode_pause_engine(s, n, false);
		break;
	case FAULT_STALL_COROSYNC:
		if (!n->is_paused)
			corosync_stall(s, n, false);
		break;
	case FAULT_LOCK_HANGS:
		n->is_lock_hung = false;
		break;
	case FAULT_SLOW:
		n->is_slow = false;
		break;
	case FAULT_STOP_DAEMON:
	case FAULT_STOP_ALL:
		n->is_wanted = true;
		break;
	case FAULT_LOCK_ALIEN:
		s->is_lock_alien = false;
		break;
	default:
		break;
	}
}

static void fault_on_stop(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vnode *n = object;

	(void)data;
	n->is_wanted = s->is_healing;
	if (s->is_healing)
		return;
	vnode_stop_daemon(s, n);
	event_after(s, fault_length_us(s), fault_on_resume, n, NULL, number);
}

static void fault_unblock(struct sim *s, uint32_t a, uint32_t b)
{
	if (s->is_blocked[a][b] || s->is_blocked[b][a])
		s->blocked_us[a][b] = s->blocked_us[b][a] = s->now_us;
	s->is_blocked[a][b] = s->is_blocked[b][a] = false;
}

static void fault_on_unblock(struct sim *s, void *object, void *data, uint64_t number)
{
	uint32_t a = (uint32_t)(number >> 8), b = (uint32_t)(number & 0xFF);

	(void)object;
	(void)data;
	if (s->is_healing)
		return;
	fault_unblock(s, a, b);
	if (sim_chance(s, 50))
		vlink_break(s, a, b);
}

/* What was sent is not acknowledged, or a keepalive is not: the kernel gives the connection up, after
 * the time-out that it is told (transport_tcp.c) */
static void fault_on_silence(struct sim *s, void *object, void *data, uint64_t number)
{
	uint32_t a = (uint32_t)(number >> 8), b = (uint32_t)(number & 0xFF);

	(void)object;
	(void)data;
	if (s->is_blocked[a][b] || s->is_blocked[b][a])
		vlink_break(s, a, b);
}

static void fault_block(struct sim *s, uint32_t a, uint32_t b)
{
	bool is_one_way = random_next(&s->links) % 4 == 0;

	sim_trace(s, "fault: nodes %u and %u exchange no data%s", a, b,
		  is_one_way ? ", one way" : "");
	s->is_blocked[a][b] = true;
	s->is_blocked[b][a] |= !is_one_way;
	event_after(s, (s->timeout_ms + random_next(&s->links) % s->timeout_ms) * 1000,
		    fault_on_silence, NULL, NULL, (uint64_t)a << 8 | b);
}

/* Of two nodes, or of one with all others, then true */
static bool fault_block_some(struct sim *s, uint32_t a, uint32_t b, uint64_t length_us)
{
	bool is_all = random_next(&s->links) % 4 == 0;

	for (uint32_t k = 0; k < s->n; k++) {
		if (k == a || (k != b && !is_all))
			continue;
		fault_block(s, a, k);
		if (length_us != 0)
			event_after(s, length_us, fault_on_unblock, NULL, NULL,
				    (uint64_t)a << 8 | k);
	}
	return is_all;
}

static void fault_on_cut_off(struct sim *s, void *object, void *data, uint64_t number)
{
	(void)object;
	(void)data;
	(void)number;
	if (s->cut_off != NULL)
		check_cut_off(s);
}

void fault_cut_links(struct sim *s)
{
	uint32_t a = (uint32_t)random_next(&s->links) % s->n;

	if (fault_block_some(
		s, a, (a + 1 + (uint32_t)random_next(&s->links) % (s->n - 1)) % s->n, 0))
		s->cut_off = &s->node[a];
	s->cut_off_us = 0;
	s->cut_generations = s->generations_begun;
	event_after(s, 200ULL * s->timeout_ms, fault_on_cut_off, NULL, NULL, 0);
}

void fault_heal_links(struct sim *s)
{
	sim_trace(s, "fault: all nodes exchange data again");
	s->cut_off = NULL;
	for (uint32_t i = 0; i < s->n; i++)
		for (uint32_t k = 0; k < s->n; k++)
			fault_unblock(s, i, k);
}

static void fault_on_heal(struct sim *s, void *object, void *data, uint64_t number)
{
	(void)object;
	(void)data;
	(void)number;
	s->parted_us = s->now_us;
	for (uint32_t i = 0; i < s->n; i++) {
		s->node[i].corosync.part = 0;
		for (uint32_t k = 0; k < i; k++) {
			if (sim_chance(s, 30))
				vlink_break(s, i, k);
		}
	}
	sim_trace(s, "fault: the network is whole");
	corosync_network_changed(s);
}

static void fault_cut(struct sim *s)
{
	uint32_t parts = s->n > 2 && sim_chance(s, 20) ? 3 : 2, alone = sim_below(s, s->n);
	bool is_one = sim_chance(s, 50);

	for (uint32_t i = 0; i < s->n; i++) {
		s->node[i].corosync.part = is_one ? i == alone : sim_below(s, parts);
		sim_trace(s, "fault: node %u is in part %u", i, s->node[i].corosync.part);
	}
	corosync_network_changed(s);
	event_after(s, fault_length_us(s), fault_on_heal, NULL, NULL, 0);
	if (sim_chance(s, 30))
		vfencer_old_news(s);
}

static void fault_on_cut(struct sim *s, void *object, void *data, uint64_t number)
{
	(void)object;
	(void)data;
	(void)number;
	if (!s->is_healing)
		fault_cut(s);
}

void fault_cut_soon(struct sim *s, uint64_t delay_us)
{
	if (!s->is_healing && (s->faults & 1U << FAULT_CUT) != 0)
		event_after(s, delay_us, fault_on_cut, NULL, NULL, 0);
}

static bool fault_is_of_links(const struct sim *s)
{
	return (s->faults & ~(1U << FAULT_BLOCK_LINK | 1U << FAULT_BREAK_LINK)) == 0;
}

void fault_stop_for_a_while(struct sim *s, struct vnode *n)
{
	n->is_wanted = false;
	vnode_stop_daemon(s, n);
	event_after(s, fault_length_us(s), fault_on_resume, n, NULL, FAULT_STOP_DAEMON);
}

static void fault_do(struct sim *s, enum fault_kind kind)
{
	struct vnode *n = &s->node[sim_below(s, s->n)];
	const char *why;
	uint32_t a, b;

	switch (kind) {
	case FAULT_POWER:
		vnode_power_off(s, n, "loses power");
		break;
	case FAULT_PAUSE:
		vnode_pause(s, n, true);
		event_after(s, fault_length_us(s), fault_on_resume, n, NULL, kind);
		break;
	case FAULT_PAUSE_ENGINE:
		vnode_pause_engine(s, n, true);
		event_after(s, fault_length_us(s), fault_on_resume, n, NULL, kind);
		break;
	case FAULT_STALL_COROSYNC:
		corosync_stall(s, n, true);
		event_after(s, fault_length_us(s), fault_on_resume, n, NULL, kind);
		break;
	case FAULT_CUT:
		fault_cut(s);
		break;
	case FAULT_BLOCK_LINK:
	case FAULT_BREAK_LINK:
		if (s->n < 2)
			break;
		/* where nothing else happens, nobody has a reason to fence anybody */
		if (fault_is_of_links(s) && !s->is_orderly && !check_is_whole(s, &why))
			break;
		s->is_orderly |= fault_is_of_links(s);
		a = n->pnn;
		b = (a + 1 + sim_below(s, s->n - 1)) % s->n;
		if (kind == FAULT_BREAK_LINK) {
			vlink_break(s, a, b);
			break;
		}
		fault_block_some(s, a, b, fault_length_us(s));
		break;
	case FAULT_KILL_ENGINE:
		if (n->is_up && n->engine != NULL && n->engine->is_running)
			sim_trace(s, "fault: the engine of node %u is killed", n->pnn);
		vnode_kill_engine(s, n);
		break;
	case FAULT_KILL_DAEMON:
		if (!vfencer_is_starting_beside(s, n))
			vnode_kill_daemon(s, n);
		break;
	case FAULT_STOP_DAEMON:
		fault_stop_for_a_while(s, n);
		break;
	case FAULT_STOP_ALL:
		/* alone: one that was stopped before might know no more than it did then, and
		 * from here on nobody has a reason to fence anybody */
		if (s->faults == 1U << FAULT_STOP_ALL && !check_is_whole(s, &why))
			break;
		s->is_orderly = s->faults == 1U << FAULT_STOP_ALL;
		for (uint32_t i = 0; i < s->n; i++)
			event_after(s, sim_between(s, 0, 50000), fault_on_stop, &s->node[i], NULL,
				    kind);
		break;
	case FAULT_LOCK_HANGS:
		n->is_lock_hung = true;
		event_after(s, fault_length_us(s), fault_on_resume, n, NULL, kind);
		break;
	case FAULT_LOCK_ALIEN:
		s->is_lock_alien = true;
		event_after(s, fault_length_us(s), fault_on_resume, n, NULL, kind);
		break;
	case FAULT_LOCK_LOST:
		vlock_lose(s);
		break;
	case FAULT_LOCK_LOCAL:
		if (!vnode_has_daemon(n))
			n->is_local_lock = sim_chance(s, 50);
		break;
	case FAULT_FENCING:
		s->fencing = (enum vfencing)sim_below(s, 4);
		sim_trace(s, "fault: fencing is %d", (int)s->fencing);
		break;
	case FAULT_OLD_NEWS:
		vfencer_old_news(s);
		break;
	case FAULT_SLOW:
		n->is_slow = true;
		event_after(s, fault_length_us(s), fault_on_resume, n, NULL, kind);
		break;
	case FAULT_NEW_RING:
		if (n->corosync.ring != NULL) {
			n->corosync.ring->is_broken = true;
			corosync_reform_later(s, n->corosync.part);
		}
		break;
	case FAULT_KINDS:
		break;
	}
}

static void fault_on_next(struct sim *s, void *object, void *data, uint64_t number)
{
	enum fault_kind kind;

	(void)object;
	(void)data;
	(void)number;
	if (s->is_healing)
		return;
	do {
		kind = (enum fault_kind)sim_below(s, FAULT_KINDS);
	} while ((s->faults & 1U << kind) == 0);
	/* all the incarnations that a run can tell apart: no more deaths */
	if (s->engines_n < SIM_WRITERS / 2)
		fault_do(s, kind);
	/* faults come in bursts */
	event_after(s, sim_chance(s, 25) ? sim_between(s, 0, 20000) : sim_delay(s, s->fault_us),
		    fault_on_next, NULL, NULL, 0);
}

void fault_begin(struct sim *s)
{
	do {
		s->faults = (uint32_t)random_next(&s->random) & ((1U << FAULT_KINDS) - 1);
		if (sim_chance(s, 30))
			s->faults = 1U << sim_below(s, FAULT_KINDS);
		if (sim_chance(s, 10))
			s->faults = (1U << FAULT_KINDS) - 1;
	} while (s->faults == 0);
	if (s->is_rolling) /* and only what loses nothing */
		s->faults &= 1U << FAULT_BREAK_LINK | 1U << FAULT_SLOW;
	if (sim_chance(s, 30) && (s->faults & 1U << FAULT_CUT) != 0)
		fault_cut(s);
	if (s->faults == 1U << FAULT_STOP_ALL || fault_is_of_links(s)) {
		/* What may have a node fenced after all: a client that keeps a lock, and a list of
		 * who runs that is delivered to one who was started after it was sent */
		s->long_hold_percent = 0;
		s->is_late = false;
		s->cpg_us = s->cpg_us < 1000 ? s->cpg_us : 1000;
	}
	if (s->faults != 0)
		event_after(s, sim_between(s, 0, 4 * s->fault_us), fault_on_next, NULL, NULL, 0);
}

void fault_end(struct sim *s)
{
	sim_trace(s, "no more faults: everything has to become whole");
	for (uint32_t i = 0; i < s->n; i++)
		if (s->node[i].corosync.part != 0)
			s->parted_us = s->now_us;
	s->is_healing = true;
	vdrain_end(s);
	s->fencing = VFENCING_PROMPT;
	s->is_lock_alien = s->is_lock_hung_without_quorum = false;
	for (uint32_t i = 0; i < s->n; i++) {
		struct vnode *n = &s->node[i];

		vnode_pause(s, n, false);
		vnode_pause_engine(s, n, false);
		corosync_stall(s, n, false);
		n->is_lock_hung = n->is_slow = false;
		n->is_wanted = true;
		n->corosync.part = 0;
		for (uint32_t k = 0; k < s->n; k++)
			fault_unblock(s, i, k);
		/* an admin mounts the shared file system, and starts the daemon that saw another */
		if (n->is_local_lock) {
			n->is_local_lock = false;
			vnode_stop_daemon(s, n);
		}
	}
	corosync_network_changed(s);
}
