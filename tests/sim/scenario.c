/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * scenario.c: one run: a cluster whose size and temper come from the seed, faults for a number of steps,
 * then none. Everything has to be whole within SIM_HEAL_TIMEOUTS of the daemon's time-outs: every
 * member active in one generation, and every request answered. Last, each node fetches each record,
 * and messages and datagrams go from each to each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sim.h"

enum { SIM_HEAL_TIMEOUTS = 60, SIM_QUIET_TIMEOUTS = 20 };
/* What a fault has left behind may begin a generation when all is whole: a leader whose lock is gone */
enum { SIM_LATE_GENERATIONS = 2 };

static void sim_set_up(struct sim *s)
{
	static const uint32_t sizes[] = { 1, 2, 3, 3, 3, 5, 5 };

	s->n = s->options.nodes != 0 ? s->options.nodes : sizes[sim_below(s, 7)];
	s->is_two_node = s->n == 2;
	s->dbs = 1 + sim_below(s, SIM_DBS);
	s->keys = 1 + sim_below(s, SIM_KEYS);
	s->chains = 1 + sim_below(s, s->keys);
	for (uint32_t i = 0; i < s->dbs; i++)
		snprintf(s->db_name[i], sizeof(s->db_name[i]), "db%u.tdb", i);
	s->files = s->dbs + s->has_detaches;
	memcpy(s->db_name[s->dbs], SIM_DETACHED, sizeof(SIM_DETACHED));
	for (uint32_t i = 0; i < s->keys; i++)
		snprintf(s->key_name[i], sizeof(s->key_name[i]), "key%u-%08x", i,
			 sim_below(s, UINT32_MAX));
	s->think_us = sim_between(s, 200, 20000);
	s->hold_us = sim_between(s, 20, 3000);
	s->long_hold_percent = sim_chance(s, 50) ? 0 : sim_below(s, 4);
	s->latency_us = sim_between(s, 50, 3000);
	s->cpg_us = sim_between(s, 100, 6000);
	s->store_us = sim_between(s, 10, 300);
	/* as of many records: requests do not wait for the sweeps */
	s->sweep_us = s->has_long_sweeps ? 50 * s->store_us : s->store_us;
	s->timeout_ms = (uint32_t)sim_between(s, 200, 800);
	s->fault_us = sim_between(s, 20000, 600000);
	s->has_lock = sim_chance(s, 80);
	s->is_lock_hung_without_quorum = sim_chance(s, 50);
	s->is_commit_lock_loose = sim_chance(s, 25);
	for (uint32_t i = 0; i < s->n; i++) {
		struct vnode *n = &s->node[i];

		n->sim = s;
		n->pnn = i;
		n->next_pid = 100 * (i + 1);
		n->corosync.send_last = &n->corosync.send_first;
		n->is_wanted = true;
	}
}

static void sim_on_power(struct sim *s, void *object, void *data, uint64_t number)
{
	(void)data;
	(void)number;
	vnode_power_on(s, object);
}

/* Runs until is_done() or until a time; false: the time came first */
static bool sim_run_until(struct sim *s, uint64_t until_us, bool (*is_done)(struct sim *s))
{
	uint32_t look = 0;

	while (!s->has_failed && s->now_us < until_us) {
		if (look++ % 64 == 0 && is_done(s))
			return true;
		if (!event_run(s))
			return is_done(s);
	}
	return false;
}

static bool sim_is_whole(struct sim *s)
{
	const char *why;

	return check_is_whole(s, &why);
}

static bool sim_is_quiet(struct sim *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		const struct vengine *e = s->node[i].engine;

		if (e != NULL && e->committer.state > VCOMMITTER_IDLE)
			return false;
		for (uint32_t k = 0; e != NULL && k < SIM_CLIENTS; k++) {
			if (e->client[k].state != VCLIENT_IDLE &&
			    e->client[k].state != VCLIENT_NONE &&
			    e->client[k].state != VCLIENT_DEAD)
				return false;
		}
	}
	return true;
}

static bool sim_has_traversed(struct sim *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->node[i].engine != NULL && s->node[i].engine->traverse.is_going)
			return false;
	return true;
}

/* Nothing moves, and nobody leaves: each node is told all, and that it is all */
static void sim_traverse(struct sim *s)
{
	uint64_t limit_us = (uint64_t)SIM_QUIET_TIMEOUTS * s->timeout_ms * 1000;

	if (!sim_run_until(s, s->now_us + limit_us, sim_has_traversed))
		sim_fail(s, "liveness", "a traverse does not end");
	for (uint32_t d = 0; d < s->dbs && !s->has_failed; d++) {
		for (uint32_t i = 0; i < s->n; i++)
			if (!vtraverse_begin(s, s->node[i].engine, d))
				sim_fail(s, "traverse", "node %u does not begin one", i);
		if (!sim_run_until(s, s->now_us + limit_us, sim_has_traversed))
			sim_fail(s, "liveness", "a traverse does not end");
		for (uint32_t i = 0; i < s->n; i++)
			if (!s->node[i].engine->traverse.is_complete)
				sim_fail(s, "traverse", "one of node %u is not complete", i);
	}
}

static void sim_tell_unanswered(struct sim *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		const struct vengine *e = s->node[i].engine;

		if (e != NULL && e->committer.state > VCOMMITTER_IDLE)
			sim_fail(s, "liveness", "commit %u of node %u is not answered for %llu ms",
				 e->committer.commit, i,
				 (unsigned long long)((s->now_us - e->committer.since_us) / 1000));
		for (uint32_t k = 0; e != NULL && k < SIM_CLIENTS; k++) {
			const struct vclient *c = &e->client[k];

			if (c->state == VCLIENT_WAITING || c->state == VCLIENT_LOCKING ||
			    c->state == VCLIENT_HOLDING)
				sim_fail(s, "liveness",
					 "a client of node %u has not got db %u key %u for %llu ms "
					 "(state %d, tries %u)",
					 i, c->db, c->key,
					 (unsigned long long)((s->now_us - c->since_us) / 1000),
					 (int)c->state, c->tries);
		}
	}
}

static bool sim_has_messages(struct sim *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		if (s->node[i].engine->messages_in < s->n ||
		    s->node[i].engine->forwards_in < s->n - 1)
			return false;
	}
	return true;
}

static void sim_send_messages(struct sim *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		struct vengine *e = s->node[i].engine;

		e->messages_in = e->forwards_in = 0;
		core_register(e->core, 1, 0x5151);
	}
	for (uint32_t i = 0; i < s->n; i++) {
		struct vengine *e = s->node[i].engine;

		for (uint32_t k = 0; k < s->n; k++) {
			core_message(e->core, k == i ? CORE_CURRENT_NODE : k, 0x5151,
				     slice_of("hello", 5));
			if (k != i && core_forward(e->core, k, slice_of("datagram", 8)) < 0)
				sim_fail(s, "message", "node %u cannot forward to node %u", i, k);
		}
		vengine_after(e);
	}
}

/* A client of node i that does nothing */
static struct vclient *sim_idle_client(struct sim *s, uint32_t i)
{
	struct vengine *e = s->node[i].engine;

	for (uint32_t k = 0; k < SIM_CLIENTS; k++) {
		if (e->client[k].state == VCLIENT_IDLE)
			return &e->client[k];
	}
	e->client[0].state = VCLIENT_IDLE;
	e->client[0].id += SIM_CLIENTS;
	return &e->client[0];
}

static bool sim_is_vacuumed(struct sim *s)
{
	const char *why;

	return check_is_vacuumed(s, vdetach_use_all(s), &why);
}

static bool sim_is_owned(struct sim *s)
{
	const char *why;

	return check_is_owned(s, &why);
}

/* Somebody empties each record; after a while no file has anything of them */
static void sim_vacuum(struct sim *s)
{
	uint64_t limit_us = (uint64_t)SIM_QUIET_TIMEOUTS * s->timeout_ms * 1000;
	const char *why;

	s->is_emptying = true;
	for (uint32_t d = 0; d < vdetach_use_all(s); d++) {
		for (uint32_t k = 0; k < s->keys && !s->has_failed; k++) {
			vclient_fetch(s, sim_idle_client(s, (uint32_t)random_next(&s->vacuums) % s->n), d,
				      k);
			if (!sim_run_until(s, s->now_us + limit_us, sim_is_quiet))
				sim_tell_unanswered(s);
		}
	}
	s->is_emptying = false;
	/* at worst a pass, 60 intervals after the last, finds it; then it rests, and is tried again */
	limit_us = 70ULL * (s->vacuum_interval_ms + s->vacuum_delay_ms + 100) * 1000;
	if (!s->has_failed && !sim_run_until(s, s->now_us + limit_us, sim_is_vacuumed)) {
		check_is_vacuumed(s, vdetach_use_all(s), &why);
		sim_fail(s, "liveness", "what is left of %s is not deleted", why);
	}
}

static bool sim_is_whole_but_cut(struct sim *s)
{
	const char *why;

	return check_is_whole_but_cut(s, &why);
}

static bool sim_is_never(struct sim *s)
{
	(void)s;
	return false;
}

/* All faults are over but one: some nodes exchange no data. Who cannot be here is out, and stays out. */
static void sim_outlast_cut(struct sim *s)
{
	uint64_t limit_us = (uint64_t)SIM_HEAL_TIMEOUTS * s->timeout_ms * 1000;
	const char *why = "";
	uint32_t evictions;

	fault_cut_links(s);
	sim_run_until(s, s->now_us + limit_us / 6, sim_is_never); /* an idle link has to notice */
	if (!sim_run_until(s, s->now_us + limit_us, sim_is_whole_but_cut)) {
		check_is_whole_but_cut(s, &why);
		sim_fail(s, "liveness", "not whole with links that are cut: %s", why);
		return;
	}
	evictions = s->evictions;
	sim_run_until(s, s->now_us + limit_us / 6, sim_is_never);
	if (s->evictions != evictions)
		sim_fail(s, "eviction", "%u members are evicted after the one that it took",
			 s->evictions - evictions);
	if (!check_is_whole_but_cut(s, &why))
		sim_fail(s, "liveness", "it does not stay whole with links that are cut: %s", why);
	fault_heal_links(s);
}

static void sim_finish(struct sim *s)
{
	const char *why = "";
	uint64_t generations;
	uint32_t detached;

	fault_end(s);
	if (s->has_lasting_cut)
		sim_outlast_cut(s);
	s->heal_us = s->now_us;
	if (!sim_run_until(s, s->now_us + (uint64_t)SIM_HEAL_TIMEOUTS * s->timeout_ms * 1000,
			   sim_is_whole)) {
		check_is_whole(s, &why);
		sim_fail(s, "liveness", "not whole %llu ms after the last fault: %s",
			 (unsigned long long)((s->now_us - s->heal_us) / 1000), why);
		return;
	}
	sim_trace(s, "whole again after %llu ms",
		  (unsigned long long)((s->now_us - s->heal_us) / 1000));
	s->is_quiet = true;
	generations = s->generations_begun;
	detached = s->detached;
	if (!sim_run_until(s, s->now_us + (uint64_t)SIM_QUIET_TIMEOUTS * s->timeout_ms * 1000,
			   sim_is_quiet))
		sim_tell_unanswered(s);
	if (!s->has_failed &&
	    !sim_run_until(s, s->now_us + (uint64_t)SIM_QUIET_TIMEOUTS * s->timeout_ms * 1000,
			   sim_is_owned)) {
		check_is_owned(s, &why);
		sim_fail(s, "liveness", "nobody owns %s", why);
	}
	for (uint32_t d = 0; d < vdetach_use_all(s); d++) {
		for (uint32_t k = 0; k < s->keys; k++) {
			for (uint32_t i = 0; i < s->n && !s->has_failed; i++) {
				vclient_fetch(s, sim_idle_client(s, (i + k) % s->n), d, k);
				if (!sim_run_until(s,
						   s->now_us + (uint64_t)SIM_QUIET_TIMEOUTS *
								   s->timeout_ms * 1000,
						   sim_is_quiet))
					sim_tell_unanswered(s);
			}
		}
	}
	if (!s->has_failed && s->has_vacuum)
		sim_vacuum(s);
	if (!s->has_failed && s->has_traverses)
		sim_traverse(s);
	for (uint32_t i = 0; i < s->n && !s->has_failed; i++) {
		vcommit_now(s, s->node[i].engine);
		if (!sim_run_until(s, s->now_us + (uint64_t)SIM_QUIET_TIMEOUTS * s->timeout_ms * 1000,
				   sim_is_quiet))
			sim_tell_unanswered(s);
		else if (!s->node[i].engine->committer.has_done)
			sim_fail(s, "liveness", "node %u cannot commit", i);
	}
	if (s->has_failed)
		return;
	check_replicas_equal(s);
	check_properties(s);
	if (s->has_failed)
		return;
	sim_send_messages(s);
	if (!sim_run_until(s, s->now_us + (uint64_t)SIM_QUIET_TIMEOUTS * s->timeout_ms * 1000,
			   sim_has_messages))
		sim_fail(s, "message", "not every message has arrived");
	if (!s->has_failed && !check_is_whole(s, &why))
		sim_fail(s, "liveness", "it does not stay whole: %s", why);
	if (!s->has_failed && s->generations_begun > generations + SIM_LATE_GENERATIONS &&
	    s->detached == detached)
		sim_fail(s, "liveness", "%llu generations begin when all is whole",
			 (unsigned long long)(s->generations_begun - generations));
}

int sim_run(struct sim *s, uint64_t seed, const struct sim_options *options)
{
	memset(s, 0, sizeof(*s));
	s->options = *options;
	s->seed = seed;
	random_seed(&s->random, seed);
	random_seed(&s->bad_files, ~seed);
	random_seed(&s->traverses, seed ^ 0x7A7A7A7A);
	random_seed(&s->readers, seed ^ 0x5E5E5E5E);
	s->has_readers = random_next(&s->readers) % 2 == 0;
	random_seed(&s->detaches, seed ^ 0xDE7AC4);
	random_seed(&s->wipes, seed ^ 0x319E);
	s->has_wipes = random_next(&s->wipes) % 4 == 0;
	random_seed(&s->restores, seed ^ 0x2E5702E);
	random_seed(&s->pushes, seed ^ 0x9A51);
	random_seed(&s->links, seed ^ 0x11A4);
	random_seed(&s->drains, seed ^ 0xD2A14);
	random_seed(&s->delays, seed ^ 0xDE1A7);
	s->is_late = random_next(&s->delays) % 4 == 0;
	s->has_pushes = random_next(&s->pushes) % 3 == 0;
	s->has_long_sweeps = seed % 4 == 0;
	s->has_detaches = random_next(&s->detaches) % 4 == 3;
	s->has_traverses = random_next(&s->traverses) % 3 == 0;
	s->has_bad_files = random_next(&s->bad_files) % 8 == 7;
	random_seed(&s->vacuums, seed ^ 0x56565656);
	s->empty_percent = 6;
	s->has_vacuum = random_next(&s->vacuums) % 4 != 0;
	if (s->has_vacuum) {
		s->vacuum_delay_ms = 1U << random_next(&s->vacuums) % 9;
		s->vacuum_interval_ms = 10U << random_next(&s->vacuums) % 6;
		s->empty_percent += (uint32_t)(random_next(&s->vacuums) % 40);
	}
	sim_set_up(s);
	vdrain_set_up(s);
	s->is_late &= !s->is_rolling;
	s->has_lasting_cut =
	    random_next(&s->links) % 4 == 0 && s->n > 1 && !s->is_rolling;
	for (uint32_t i = 0; i < s->n; i++)
		event_after(s, sim_delay(s, 50000), sim_on_power, &s->node[i], NULL, 0);
	vfencer_start(s);
	fault_begin(s);
	vdrain_begin(s);
	while (!s->has_failed && s->step < s->options.steps && event_run(s))
		;
	if (!s->has_failed)
		sim_finish(s);
	return s->has_failed;
}

void sim_free(struct sim *s)
{
	event_free_all(s);
	vlink_free_all(s);
	vengine_free_all(s);
	for (uint32_t i = 0; i < s->n; i++)
		vsupervisor_free(&s->node[i]);
	corosync_free_all(s);
	free(s->generations);
	s->generations = NULL;
}
