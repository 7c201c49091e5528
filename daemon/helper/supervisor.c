/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * supervisor.c: the loop of sbin/cotdbd. Small, so that it can be trusted to be there when the
 * engine is not: it starts the engine, and when that ends, for whatever reason, it retires the
 * databases and tells the cluster (daemon/core/supervise.c decides, this file is its hands).
 */
#include "config.h"
#include "daemon/helper/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "daemon/fatal.h"
#include "daemon/helper/child.h"
#include "daemon/log.h"

#define EXIT_FLUSH_MS 3000U /* for corosync to deliver what was announced */
/* After a clean stop: for the others' LEFT, where all nodes are stopped at once */
#define LINGER_MS 1000U

uint64_t supervisor_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* ---- what the state machine asks for ----------------------------------------------------- */

static uint64_t op_now_ms(void *world)
{
	(void)world;
	return supervisor_now_ms();
}

static void op_log(void *world, enum core_log level, const char *text)
{
	(void)world;
	log_at((int)level, "%s", text);
}

static void op_engine_start(void *world)
{
	struct supervisor *s = world;

	/* Told to the group before it can join the engines' */
	s->engine.boot_id = engine_boot_id_make();
	roster_engine(&s->roster, s->engine.boot_id);
	s->is_engine_wanted = true;
}

static void op_engine_ask_stop(void *world)
{
	engine_ask_stop(world);
}

static void op_engine_kill(void *world)
{
	engine_kill(world);
}

/* The second time, those that still wait for a lock go on waiting, and what failed is tried again
 */
static void op_retire(void *world, bool kill_holders)
{
	struct supervisor *s = world;
	const char *name = NULL;
	int rc = 0;

	if (s->retire == NULL)
		rc = retire_begin(s->options.text[OPTION_volatile_dir], &s->retire);
	if (rc == 0 && kill_holders) {
		size_t n = retire_waiting(s->retire, &name);

		if (n > 0)
			log_warning("clients hold locks in volatile databases | databases=%zu "
				    "first=%s clients=%zu",
				    n, name, s->engine.clients_n);
		rc = retire_kill_holders(s->retire, s->engine.clients, s->engine.clients_n);
	}
	s->retire_error = rc;
}

static void op_announce(void *world, struct incarnation inc, bool is_left)
{
	struct supervisor *s = world;

	group_announce(s, inc, is_left);
	roster_engine(&s->roster, 0);
}

static void op_exit(void *world, enum reason why)
{
	struct supervisor *s = world;

	s->is_exiting = true;
	s->exit_reason = why;
	s->exit_deadline_ms = supervisor_now_ms() + EXIT_FLUSH_MS;
	s->linger_until_ms = why == REASON_NONE ? supervisor_now_ms() + LINGER_MS : 0;
}

static void op_state_changed(void *world)
{
	(void)world; /* looked at after every event anyway */
}

static const struct supervise_ops supervisor_ops = {
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

/* ---- after every event
 * ---------------------------------------------------------------------------- */

void supervisor_persist(struct supervisor *s)
{
	const char *dir = s->options.text[OPTION_state_dir];
	int rc;

	if (s->mark_due_ms != 0 && (s->is_exiting || supervisor_now_ms() >= s->mark_due_ms))
		s->is_persist_wanted = true;
	if (!s->is_persist_wanted || persist_writer_is_busy(&s->writer))
		return;
	s->is_persist_wanted = false;
	s->mark_due_ms = 0;
	rc = persist_writer_begin(&s->writer, dir, &s->persisted);
	if (rc == 0)
		return;
	log_error("the last generation could not be written | folder=%s error=%s", dir,
		  strerror(-rc));
	engine_tell_written(s, s->persisted.generation);
}

/* One thing that was asked for; whether there was one */
static bool work_do(struct supervisor *s)
{
	int rc;

	if (s->is_engine_ended) {
		s->is_engine_ended = false;
		supervise_engine_ended(s->machine, s->engine.last);
		return true;
	}
	rc = s->retire_error != 0 ? s->retire_error
	     : s->retire != NULL  ? retire_result(s->retire)
				  : 0;
	if (rc != 0) {
		retire_free(s->retire);
		s->retire = NULL;
		s->retire_error = 0;
		if (rc > 0)
			engine_forget_clients(s);
		supervise_retired(s->machine, rc > 0);
		return true;
	}
	if (s->is_engine_wanted && group_is_quiet(s)) {
		s->is_engine_wanted = false;
		engine_launch(s);
		return true;
	}
	return false;
}

static void supervisor_timer(void *data)
{
	struct supervisor *s = data;

	s->timer = 0;
	engine_drain(s); /* after a pause of this process its heartbeats may still lie there */
	supervise_tick(s->machine);
	supervisor_after_event(s);
}

static bool supervisor_lingers(const struct supervisor *s)
{
	return supervisor_now_ms() < s->linger_until_ms && s->group.fd >= 0 &&
	       roster_awaits(&s->roster, s->persisted.active, s->persisted.n);
}

static void timer_arm(struct supervisor *s)
{
	uint64_t now = supervisor_now_ms(), at = supervise_deadline_ms(s->machine);
	uint64_t control = control_deadline_ms(s);

	if (control < at)
		at = control;
	if (s->mark_due_ms != 0 && !persist_writer_is_busy(&s->writer) && s->mark_due_ms < at)
		at = s->mark_due_ms;
	if (s->group.outbox_n > 0 && s->group.retry_ms < at)
		at = s->group.retry_ms;
	if (s->is_exiting) {
		uint64_t end = supervisor_lingers(s) ? s->linger_until_ms : s->exit_deadline_ms;

		at = end < at ? end : at;
	}
	if (s->timer != 0)
		(void)qb_loop_timer_del(s->loop, s->timer);
	s->timer = 0;
	if (at != SUPERVISOR_NEVER &&
	    qb_loop_timer_add(s->loop, QB_LOOP_HIGH, (at > now ? at - now : 0) * 1000000U, s,
			      supervisor_timer, &s->timer) != 0)
		fatal(REASON_RESTART_LIMIT, "no timer can be made");
}

static bool exit_is_due(const struct supervisor *s)
{
	if (!s->is_exiting)
		return false;
	if (supervisor_now_ms() >= s->exit_deadline_ms) {
		log_warning("corosync did not deliver what was announced, or the disk did not "
			    "write, in time");
		return true;
	}
	return group_is_quiet(s) && !persist_writer_is_busy(&s->writer) && !s->is_persist_wanted &&
	       !supervisor_lingers(s);
}

void supervisor_after_event(struct supervisor *s)
{
	while (work_do(s)) {
	}
	supervisor_persist(s);
	group_retry(s);
	control_progress(s);
	if (exit_is_due(s))
		qb_loop_stop(s->loop);
	else
		timer_arm(s);
}

/* ---- signals
 * ---------------------------------------------------------------------------------------- */

static int32_t on_child(int32_t sig, void *data)
{
	struct supervisor *s = data;
	int status;
	pid_t pid;

	(void)sig;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (engine_reaped(s, pid, status))
			continue;
		if (s->retire != NULL && retire_reaped(s->retire, pid, status))
			continue;
		switch (persist_writer_reaped(&s->writer, s->options.text[OPTION_state_dir], pid,
					      status)) {
		case PERSIST_WRITER_OVER:
			engine_tell_written(s, s->writer.generation);
			break;
		case PERSIST_WRITER_KILLED:
			s->is_persist_wanted = true;
			break;
		case PERSIST_WRITER_NONE:
			break;
		}
	}
	engine_check_ended(s);
	supervisor_after_event(s);
	if (!s->is_exiting)
		persist_writer_prepare(&s->writer, s->options.text[OPTION_state_dir]);
	return 0;
}

static int32_t on_stop(int32_t sig, void *data)
{
	struct supervisor *s = data;

	log_notice("a stop was asked for by signal | signal=%d", sig);
	supervise_stop(s->machine);
	supervisor_after_event(s);
	return 0;
}

static int32_t on_hangup(int32_t sig, void *data)
{
	int rc = log_reopen(); /* engine and helpers notice by themselves */

	(void)sig;
	(void)data;
	if (rc != 0)
		log_error("the log file cannot be opened again | error=%s", strerror(-rc));
	return 0;
}

static int signals_watch(struct supervisor *s)
{
	qb_loop_signal_handle h;

	(void)signal(SIGPIPE, SIG_IGN);
	return qb_loop_signal_add(s->loop, QB_LOOP_HIGH, SIGCHLD, s, on_child, &h) != 0 ||
		       qb_loop_signal_add(s->loop, QB_LOOP_MED, SIGTERM, s, on_stop, &h) != 0 ||
		       qb_loop_signal_add(s->loop, QB_LOOP_MED, SIGINT, s, on_stop, &h) != 0 ||
		       qb_loop_signal_add(s->loop, QB_LOOP_LOW, SIGHUP, s, on_hangup, &h) != 0
		   ? -ENOMEM
		   : 0;
}

/* ---- start and end
 * ------------------------------------------------------------------------------------ */

int supervisor_begin(struct supervisor *s, struct start_error *e)
{
	struct supervise_config config = {
		.drain_timeout_ms = (uint32_t)s->options.number[OPTION_drain_timeout],
		.stop_timeout_ms = (uint32_t)s->options.number[OPTION_stop_timeout],
		.retire_timeout_ms = (uint32_t)s->options.number[OPTION_retire_timeout],
		.hang_timeout_ms = (uint32_t)s->options.number[OPTION_hang_timeout],
		.restart_limit = (uint32_t)s->options.number[OPTION_restart_limit],
		.restart_window_ms = (uint32_t)s->options.number[OPTION_restart_window],
	};

	if (start_folders_make(&s->options, e) != REASON_NONE ||
	    start_run_lock(s, e) != REASON_NONE || start_world_check(s, e) != REASON_NONE ||
	    control_open(s, e) != REASON_NONE || start_corosync(s, e) != REASON_NONE)
		return e->why;
	config.pnn = s->pnn;
	s->loop = qb_loop_create();
	s->machine = supervise_new(&config, &supervisor_ops, s);
	if (s->loop == NULL || s->machine == NULL || signals_watch(s) != 0 ||
	    control_watch(s) != 0 || group_watch(s) != 0) {
		snprintf(e->text, sizeof(e->text), "out of memory or descriptors");
		group_leave(s, true);
		return e->why = REASON_RESTART_LIMIT;
	}
	start_pid_file(s);
	start_protect();
	s->since_ms = supervisor_now_ms();
	return REASON_NONE;
}

int supervisor_run(struct supervisor *s)
{
	const struct reason_row *row;
	char path[4200];

	log_notice("cotdbd %s is started | node=%s(%u) pnn=%u pid=%d", PACKAGE_VERSION,
		   s->node_name, s->nodeid, s->pnn, (int)getpid());
	supervise_start(s->machine);
	supervisor_after_event(s);
	persist_writer_prepare(&s->writer, s->options.text[OPTION_state_dir]);
	qb_loop_run(s->loop);

	row = reason_row(s->exit_reason);
	if (s->exit_reason == REASON_NONE)
		log_notice("cotdbd ends: stopped");
	else
		log_error("cotdbd ends: %s | reason=%s code=%d", row->text, row->name, row->ocf);
	engine_kill(s);
	retire_free(s->retire);
	persist_writer_close(&s->writer);
	group_leave(s, s->exit_reason != REASON_RETIRE_FAILED);
	snprintf(path, sizeof(path), "%s/cotdbd.pid", s->options.text[OPTION_run_dir]);
	(void)unlink(path);
	control_close(s);
	supervise_free(s->machine);
	return s->exit_reason == REASON_NONE ? 0 : row->ocf != 0 ? row->ocf : 1;
}
