/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * supervise.c: the life of the engine, seen by its supervisor (supervise.h).
 *
 *   leftovers -> running -> [stopping ->] [ending ->] retiring -> restarting -> running ...
 *                                                             \-> exiting
 *
 * Why this keeps I5: other nodes take over this node's records when they hear LEFT or REVOKED. That
 * is said only from engine_retired(), which is reached only when engine and workers were reaped and
 * every volatile file was locked, wiped and unlinked; so no client of the old incarnation can write
 * a record that somebody else owns by then. Every way of not getting there (a lock that a client
 * holds for ever, an engine that cannot be killed) ends in exiting with REASON_RETIRE_FAILED and
 * with nothing said: the node has to be fenced.
 *
 * Restarts are limited: restart_limit in restart_window, with growing pauses; the first one
 * follows at once, because a crash by accident should be mended within seconds. Evictions count
 * too, and pause longer: the first one within EVICTION_WINDOWS not at all, the next ones for a twelfth
 * of restart_window and up to all of it. A network that lets a node in and then loses its data has it
 * evicted again and again, which costs the others a recovery each time.
 */
#include "supervise.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "fsm.h"

#define RESTARTS_MAX	 256U /* a limit above this is taken for this */
#define BACKOFF_FIRST_MS 250U
#define BACKOFF_MAX_MS	 4000U
#define NEVER		 UINT64_MAX
#define EVICTION_WINDOWS 10U /* of restart_window: so long an eviction is remembered */

struct supervise {
	struct supervise_config config;
	const struct supervise_ops *ops;
	void *world;
	struct fsm fsm;
	uint64_t boot_id;	/* of the engine that runs or is being retired; 0: none */
	bool has_engine;	/* started and not ended */
	bool is_wanted_stopped; /* by an admin, by Pacemaker, by failing */
	bool is_left;		/* the engine ended because that was wanted */
	bool has_announced;	/* planted bug */
	bool has_killed_holders;
	enum reason exit_reason; /* once it is clear that we end */
	bool is_exit_decided;
	uint64_t deadline_ms;  /* of the state */
	uint64_t heartbeat_ms; /* last one */
	uint64_t restart_ms[RESTARTS_MAX];
	uint32_t restarts;
	bool is_evicted; /* the engine that ended was */
	uint32_t evictions;
	uint64_t evicted_ms; /* the last one */
};

static const struct fsm_state supervise_states[] = {
	[SUPERVISE_RETIRING_LEFTOVERS] = { "retiring-leftovers",
					   FSM_TO(SUPERVISE_RUNNING) | FSM_TO(SUPERVISE_EXITING) },
	[SUPERVISE_RUNNING] = { "running", FSM_TO(SUPERVISE_STOPPING) | FSM_TO(SUPERVISE_ENDING) |
					       FSM_TO(SUPERVISE_RETIRING) },
	[SUPERVISE_STOPPING] = { "stopping",
				 FSM_TO(SUPERVISE_ENDING) | FSM_TO(SUPERVISE_RETIRING) },
	[SUPERVISE_ENDING] = { "ending", FSM_TO(SUPERVISE_RETIRING) | FSM_TO(SUPERVISE_EXITING) },
	[SUPERVISE_RETIRING] = { "retiring",
				 FSM_TO(SUPERVISE_RESTARTING) | FSM_TO(SUPERVISE_EXITING) },
	[SUPERVISE_RESTARTING] = { "restarting",
				   FSM_TO(SUPERVISE_RUNNING) | FSM_TO(SUPERVISE_EXITING) },
	[SUPERVISE_EXITING] = { "exiting", 0 },
};

static uint64_t now_ms(struct supervise *s)
{
	return s->ops->now_ms(s->world);
}

static void supervise_log(struct supervise *s, enum core_log level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void supervise_log(struct supervise *s, enum core_log level, const char *format, ...)
{
	char text[384];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	s->ops->log(s->world, level, text);
}

static void exit_decide(struct supervise *s, enum reason why)
{
	if (s->is_exit_decided)
		return;
	s->is_exit_decided = true;
	s->exit_reason = why;
}

static void exit_now(struct supervise *s, const char *cause)
{
	s->deadline_ms = NEVER;
	fsm_move(&s->fsm, SUPERVISE_EXITING, "%s | reason=%s", cause,
		 reason_row(s->exit_reason)->name);
	s->ops->state_changed(s->world);
	s->ops->exit(s->world, s->exit_reason);
}

/* What a client still holds cannot be taken away: silence, and let the node be fenced */
static void retire_give_up(struct supervise *s, const char *cause)
{
	supervise_log(
	    s, CORE_LOG_ERROR,
	    "%s; nothing is announced, this node has to be fenced | pnn=%u boot_id=%016llx", cause,
	    s->config.pnn, (unsigned long long)s->boot_id);
	s->is_exit_decided = true;
	s->exit_reason = REASON_RETIRE_FAILED;
	exit_now(s, cause);
}

static void retire_begin(struct supervise *s, bool kill_holders)
{
	s->has_killed_holders = kill_holders;
	s->deadline_ms = now_ms(s) + s->config.retire_timeout_ms;
	s->ops->retire(s->world, kill_holders);
}

static void retire_second_try(struct supervise *s, const char *cause)
{
	supervise_log(s, CORE_LOG_WARNING,
		      "%s; clients that hold locks in the volatile databases are killed", cause);
	retire_begin(s, true);
}

static void engine_begin(struct supervise *s, const char *cause)
{
	s->boot_id = 0;
	s->has_engine = false;
	s->deadline_ms = NEVER;
	fsm_move(&s->fsm, SUPERVISE_RUNNING, "%s", cause);
	s->ops->state_changed(s->world);
	s->ops->engine_start(s->world);
}

static void engine_end(struct supervise *s, const char *cause)
{
	s->deadline_ms = now_ms(s) + s->config.stop_timeout_ms;
	fsm_move(&s->fsm, SUPERVISE_ENDING, "%s", cause);
	s->ops->state_changed(s->world);
	s->ops->engine_kill(s->world);
}

static void announce(struct supervise *s)
{
	struct incarnation inc = { .pnn = s->config.pnn, .boot_id = s->boot_id };

	if (s->boot_id == 0 || s->has_announced)
		return;
	s->has_announced = true;
	s->ops->announce(s->world, inc, s->is_left);
}

static void restarts_expire(struct supervise *s, uint64_t now)
{
	uint32_t keep = 0;

	for (uint32_t i = 0; i < s->restarts; i++) {
		if (now - s->restart_ms[i] < s->config.restart_window_ms)
			s->restart_ms[keep++] = s->restart_ms[i];
	}
	s->restarts = keep;
}

static uint32_t backoff_ms(uint32_t restarts)
{
	uint32_t ms = BACKOFF_FIRST_MS;

	if (restarts <= 1)
		return 0;
	while (--restarts > 1 && ms < BACKOFF_MAX_MS)
		ms *= 2;
	return ms;
}

static uint32_t eviction_backoff_ms(struct supervise *s, uint64_t now)
{
	uint64_t window_ms = s->config.restart_window_ms, ms = window_ms / 12;

	if (now - s->evicted_ms >= EVICTION_WINDOWS * window_ms)
		s->evictions = 0;
	s->evicted_ms = now;
	s->evictions++;
	if (s->evictions <= 1)
		return 0;
	for (uint32_t i = 2; i < s->evictions && ms < window_ms; i++)
		ms *= 2;
	return (uint32_t)(ms < window_ms ? ms : window_ms);
}

static void restart_or_give_up(struct supervise *s)
{
	uint64_t now = now_ms(s);
	uint32_t limit = s->config.restart_limit, wait_ms;

	if (limit > RESTARTS_MAX)
		limit = RESTARTS_MAX;
	restarts_expire(s, now);
	if (s->restarts >= limit) {
		exit_decide(s, REASON_RESTART_LIMIT);
		exit_now(s, "the engine ended too often");
		return;
	}
	s->restart_ms[s->restarts++] = now;
	wait_ms = backoff_ms(s->restarts);
	if (s->is_evicted) {
		uint32_t evicted_ms = eviction_backoff_ms(s, now);

		wait_ms = evicted_ms > wait_ms ? evicted_ms : wait_ms;
	}
	s->deadline_ms = now + wait_ms;
	fsm_move(&s->fsm, SUPERVISE_RESTARTING, "retired | restarts=%u wait_ms=%u", s->restarts,
		 wait_ms);
	s->ops->state_changed(s->world);
	if (wait_ms == 0)
		engine_begin(s, "restart at once");
}

/* The one place from where LEFT and REVOKED go out */
static void engine_retired(struct supervise *s)
{
	announce(s);
	s->boot_id = 0;
	if (s->is_exit_decided)
		exit_now(s, "retired");
	else
		restart_or_give_up(s);
}

struct supervise *supervise_new(const struct supervise_config *config,
				const struct supervise_ops *ops, void *world)
{
	struct supervise *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->config = *config;
	s->ops = ops;
	s->world = world;
	s->deadline_ms = NEVER;
	fsm_init(&s->fsm, "supervisor", supervise_states,
		 sizeof(supervise_states) / sizeof(supervise_states[0]),
		 SUPERVISE_RETIRING_LEFTOVERS, ops->log, world);
	return s;
}

void supervise_free(struct supervise *s)
{
	free(s);
}

void supervise_start(struct supervise *s)
{
	retire_begin(s, false);
}

void supervise_engine_started(struct supervise *s, uint64_t boot_id)
{
	s->boot_id = boot_id;
	s->has_engine = true;
	s->has_announced = false;
	s->is_left = false;
	s->heartbeat_ms = now_ms(s);
	if (s->is_wanted_stopped)
		engine_end(s, "a stop was wanted while the engine started");
}

void supervise_engine_heartbeat(struct supervise *s)
{
	s->heartbeat_ms = now_ms(s);
}

void supervise_engine_ended(struct supervise *s, enum reason why)
{
	uint32_t state = s->fsm.state;

	if (!s->has_engine)
		return;
	s->has_engine = false;
	if (state != SUPERVISE_RUNNING && state != SUPERVISE_STOPPING && state != SUPERVISE_ENDING)
		return;
	if (why == REASON_STOPPING && state == SUPERVISE_RUNNING) {
		s->is_wanted_stopped = true;
		exit_decide(s, REASON_NONE);
	}
	if (reason_row(why)->cure == REASON_CURE_FINAL)
		exit_decide(s, why);
	s->is_left = s->is_wanted_stopped;
	s->is_evicted = why == REASON_EVICTED;
	fsm_move(&s->fsm, SUPERVISE_RETIRING, "the engine ended | said=%s boot_id=%016llx",
		 reason_row(why)->name, (unsigned long long)s->boot_id);
	s->ops->state_changed(s->world);
	if (s->config.bug == CORE_BUG_LEFT_EARLY)
		announce(s);
	retire_begin(s, false);
}

void supervise_retired(struct supervise *s, bool is_done)
{
	uint32_t state = s->fsm.state;

	if (state != SUPERVISE_RETIRING && state != SUPERVISE_RETIRING_LEFTOVERS)
		return;
	if (!is_done) {
		if (!s->has_killed_holders)
			retire_second_try(s, "the volatile databases could not be retired");
		else
			retire_give_up(s, "the volatile databases could not be retired");
		return;
	}
	if (state == SUPERVISE_RETIRING)
		engine_retired(s);
	else if (s->is_exit_decided)
		exit_now(s, "stopped before the engine was started");
	else
		engine_begin(s, "no files are left from before");
}

void supervise_stop(struct supervise *s)
{
	s->is_wanted_stopped = true;
	exit_decide(s, REASON_NONE);
	if (s->fsm.state == SUPERVISE_RUNNING && s->has_engine) {
		s->deadline_ms =
		    now_ms(s) + s->config.drain_timeout_ms + s->config.stop_timeout_ms;
		fsm_move(&s->fsm, SUPERVISE_STOPPING, "a stop was asked for");
		s->ops->state_changed(s->world);
		s->ops->engine_ask_stop(s->world);
	} else if (s->fsm.state == SUPERVISE_RESTARTING) {
		exit_now(s, "stopped before the engine was started again");
	}
}

void supervise_fail(struct supervise *s, enum reason why)
{
	s->is_wanted_stopped = true;
	exit_decide(s, why);
	if ((s->fsm.state == SUPERVISE_RUNNING || s->fsm.state == SUPERVISE_STOPPING) &&
	    s->has_engine)
		engine_end(s, reason_row(why)->text);
	else if (s->fsm.state == SUPERVISE_RESTARTING)
		exit_now(s, reason_row(why)->text);
}

uint64_t supervise_deadline_ms(const struct supervise *s)
{
	if (s->fsm.state == SUPERVISE_RUNNING)
		return s->has_engine ? s->heartbeat_ms + s->config.hang_timeout_ms : NEVER;
	if (s->fsm.state == SUPERVISE_STOPPING && /* it drains, and turns meanwhile */
	    s->heartbeat_ms + s->config.hang_timeout_ms < s->deadline_ms)
		return s->heartbeat_ms + s->config.hang_timeout_ms;
	return s->deadline_ms;
}

void supervise_tick(struct supervise *s)
{
	if (now_ms(s) < supervise_deadline_ms(s))
		return;
	switch ((enum supervise_state)s->fsm.state) {
	case SUPERVISE_RUNNING:
		supervise_log(s, CORE_LOG_ERROR,
			      "the engine does not answer and is killed | waited_ms=%u",
			      s->config.hang_timeout_ms);
		engine_end(s, "the engine hangs");
		break;
	case SUPERVISE_STOPPING:
		supervise_log(s, CORE_LOG_WARNING,
			      "the engine does not stop and is killed | is_hanging=%d",
			      now_ms(s) < s->deadline_ms);
		engine_end(s, "the engine does not stop");
		break;
	case SUPERVISE_ENDING:
		retire_give_up(s, "the engine or a worker of it cannot be killed");
		break;
	case SUPERVISE_RETIRING_LEFTOVERS:
	case SUPERVISE_RETIRING:
		if (!s->has_killed_holders)
			retire_second_try(s, "retiring takes too long");
		else
			retire_give_up(s, "retiring takes too long");
		break;
	case SUPERVISE_RESTARTING:
		engine_begin(s, "the back-off is over");
		break;
	case SUPERVISE_EXITING:
		break;
	}
}

enum supervise_state supervise_state(const struct supervise *s)
{
	return (enum supervise_state)s->fsm.state;
}

bool supervise_is_ending(const struct supervise *s, enum reason *why)
{
	*why = s->exit_reason;
	return s->is_exit_decided;
}

const char *supervise_state_name(const struct supervise *s)
{
	return fsm_state_name(&s->fsm);
}

uint32_t supervise_restarts(const struct supervise *s)
{
	uint64_t now = s->ops->now_ms(s->world);
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->restarts; i++)
		n += now - s->restart_ms[i] < s->config.restart_window_ms;
	return n;
}
