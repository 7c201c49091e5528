/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * supervise.h: what the supervisor decides, without the world: when the engine is started again,
 * when its databases are retired, when that is announced, and how the daemon ends. Pure, so that
 * the simulator runs it beside the core.
 *
 * The order that everything rests on: end the engine and its workers -> retire the volatile
 * databases -> announce LEFT (clean stop) or REVOKED (engine died, was evicted, hung). When
 * retiring fails nothing is announced, and the daemon exits so that the stop fails and the node is
 * fenced.
 */
#ifndef COTDB_SUPERVISE_H
#define COTDB_SUPERVISE_H

#include "core.h"

struct supervise;

enum supervise_state {
	SUPERVISE_RETIRING_LEFTOVERS, /* files found at start */
	SUPERVISE_RUNNING,
	SUPERVISE_STOPPING, /* the engine was asked to end */
	SUPERVISE_ENDING,   /* it is being killed and reaped */
	SUPERVISE_RETIRING,
	SUPERVISE_EXITING,
	SUPERVISE_RESTARTING, /* retired and announced; the next engine waits for its back-off */
};

struct supervise_ops {
	uint64_t (*now_ms)(void *world);
	void (*log)(void *world, enum core_log level, const char *text);
	/* A new engine with a new boot id, which supervise_engine_started() is told (always, after
	 * this op; a start that failed is an engine that supervise_engine_ended() at once) */
	void (*engine_start)(void *world);
	/* Politely: it closes its clients, hands its records over, and exits */
	void (*engine_ask_stop)(void *world);
	/* Kill it and all its workers; supervise_engine_ended() follows */
	void (*engine_kill)(void *world);
	/* Lock, wipe and unlink every volatile database; supervise_retired() follows.
	 * kill_holders: SIGKILL the clients that still hold locks in them first. */
	void (*retire)(void *world, bool kill_holders);
	/* LEFT, else REVOKED */
	void (*announce)(void *world, struct incarnation inc, bool is_left);
	/* End the daemon, after what was announced is delivered. REASON_NONE: a clean stop. Nothing
	 * is called after this. */
	void (*exit)(void *world, enum reason why);
	void (*state_changed)(void *world);
};

struct supervise_config {
	uint32_t pnn;
	uint32_t drain_timeout_ms;  /* what the engine has, from engine_ask_stop on, for its records */
	uint32_t stop_timeout_ms;   /* ... and then to engine_kill; for reaping, too */
	uint32_t retire_timeout_ms; /* then kill holders, and once more this long */
	uint32_t hang_timeout_ms;   /* no heartbeat: kill */
	uint32_t restart_limit, restart_window_ms;
	enum core_bug bug;
};

struct supervise *supervise_new(const struct supervise_config *config,
				const struct supervise_ops *ops, void *world);
void supervise_free(struct supervise *s);
void supervise_start(struct supervise *s);
void supervise_tick(struct supervise *s);
uint64_t supervise_deadline_ms(const struct supervise *s);
void supervise_engine_started(struct supervise *s, uint64_t boot_id);
void supervise_engine_heartbeat(struct supervise *s);
/* The engine is gone and reaped, and so are its workers. why: what it said of itself
 * (REASON_EVICTED: start again; a FINAL reason: retire and exit with it; REASON_STOPPING: as if a
 * stop had been asked for), REASON_NONE if nothing */
void supervise_engine_ended(struct supervise *s, enum reason why);
void supervise_retired(struct supervise *s, bool is_done);
void supervise_stop(struct supervise *s);
/* The daemon cannot go on (corosync is gone): kill the engine, retire, exit with why */
void supervise_fail(struct supervise *s, enum reason why);

enum supervise_state supervise_state(const struct supervise *s);
/* Whether it is on its way to ops->exit(), and with which reason */
bool supervise_is_ending(const struct supervise *s, enum reason *why);
const char *supervise_state_name(const struct supervise *s);
/* Engine restarts in the window */
uint32_t supervise_restarts(const struct supervise *s);

#endif
