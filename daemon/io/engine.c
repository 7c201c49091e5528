/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * engine.c: cotdb-engine, the process that serves. It starts its parts, runs one loop, and hands
 * the world's events to the core, which does the thinking.
 *
 * Every handler ends with engine_after_event(): what the core has queued for peers and clients is
 * written at once, in as few system calls as possible. (A job of the loop would come too late:
 * libqb waits up to 50 ms before it runs one.) The timer for the core's next deadline is only ever
 * moved to an earlier time; one that runs too early just finds nothing to do. It is a timerfd: with
 * a timer of its own libqb spins through the last millisecond.
 */
#include "engine.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <sodium/core.h>
#include <sodium/randombytes.h>
#include <sodium/utils.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include "client.h"
#include "cluster.h"
#include "daemon/fatal.h"
#include "daemon/log.h"
#include "engine_ops.h"
#include "helpers.h"
#include "store.h"
#include "times.h"
#include "transport.h"

#define BOOT_ID_OPTION	  "--boot_id="
#define ENGINE_VERDICT_MS 3000

uint64_t engine_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- the core's time, and its output -----------------------------------------------------------
 */

static int32_t engine_tick(int32_t fd, int32_t revents, void *data)
{
	struct engine *e = data;
	uint64_t count;

	(void)revents;
	if (e->is_stopping || read(fd, &count, sizeof(count)) < 0)
		return 0;
	e->tick_at_ms = UINT64_MAX;
	if (core_deadline_ms(e->core) <= engine_now_ms())
		core_tick(e->core);
	engine_after_event(e);
	return 0;
}

static void engine_arm(struct engine *e)
{
	uint64_t deadline = core_deadline_ms(e->core);
	struct itimerspec at = { 0 };

	if (deadline >= e->tick_at_ms)
		return;
	/* A time of 0 would disarm it */
	at.it_value.tv_sec = (time_t)(deadline / 1000);
	at.it_value.tv_nsec = (long)(deadline % 1000) * 1000000 + 1;
	if (timerfd_settime(e->tick_fd, TFD_TIMER_ABSTIME, &at, NULL) < 0)
		fatal(REASON_ENGINE_RESTARTING, "no timer for the core: %s", strerror(errno));
	e->tick_at_ms = deadline;
}

void engine_after_event(struct engine *e)
{
	if (e->is_flushing || e->is_batching || e->is_stopping || e->core == NULL)
		return;
	e->is_flushing = true;
	do {
		if (e->has_output) {
			e->has_output = false;
			e->transport_ops->flush(e);
		}
		if (e->has_status_changed) {
			e->has_status_changed = false;
			helpers_status_changed(e);
			clients_status_changed(e);
		}
		clients_flush(e);
	} while ((e->has_output || e->has_status_changed) && !e->is_stopping);
	e->is_flushing = false;
	store_sweep_go_on(e);
	if (!e->is_stopping)
		engine_arm(e);
}

void engine_stop(struct engine *e, enum reason why, const char *text)
{
	if (e->is_stopping)
		return;
	e->is_stopping = true;
	e->stop_reason = why;
	snprintf(e->stop_text, sizeof(e->stop_text), "%s", text);
	log_at(why == REASON_STOPPING ? LOG_NOTICE : LOG_ERR, "the engine ends: %s | reason=%s",
	       text, reason_row(why)->name);
	qb_loop_stop(e->loop);
}

void engine_leave(struct engine *e)
{
	if (e->is_leaving || e->is_stopping)
		return;
	e->is_leaving = true;
	log_notice("asked to stop: the clients are disconnected, and the records of this node handed over");
	clients_leave(e);
	core_leave(e->core, (uint32_t)e->options->number[OPTION_drain_timeout]);
	engine_after_event(e);
}

/* ---- start -------------------------------------------------------------------------------------
 */

static int32_t engine_terminated(int32_t signal, void *data)
{
	(void)signal;
	engine_stop(data, REASON_ENGINE_RESTARTING, "ended by a signal; cotdbd is the one to stop");
	return 0;
}

static int32_t engine_hung_up(int32_t signal, void *data)
{
	(void)signal, (void)data;
	log_reopen();
	return 0;
}

/* All but the boot id is for the helpers too */
static int engine_parse(struct engine *e, struct options *o, int argc, char **argv)
{
	char error[256], *end;
	size_t n = 1;

	options_init(o);
	e->child_argv = calloc((size_t)argc + 2, sizeof(*e->child_argv));
	if (e->child_argv == NULL)
		return -ENOMEM;
	for (int i = 1; i < argc; i++) {
		if (strncmp(argv[i], BOOT_ID_OPTION, strlen(BOOT_ID_OPTION)) == 0) {
			e->boot_id = strtoull(argv[i] + strlen(BOOT_ID_OPTION), &end, 16);
			if (*end != '\0')
				e->boot_id = 0;
			continue;
		}
		if (options_parse(o, argv[i], error, sizeof(error)) != 0) {
			fprintf(stderr, "%s: %s\n", argv[0], error);
			return -EINVAL;
		}
		e->child_argv[n++] = argv[i];
	}
	if (e->boot_id == 0) {
		fprintf(stderr, "%s: is started by cotdbd only\n", argv[0]);
		return -EINVAL;
	}
	return 0;
}

static void engine_reason_of(struct engine *e, int rc, enum reason reason, const char *what)
{
	char text[256];

	snprintf(text, sizeof(text), "%s: %s", what, strerror(-rc));
	engine_stop(e, reason, text);
}

static bool engine_start_cluster(struct engine *e)
{
	const struct cluster_settings *s;
	int rc = cluster_open(e);

	if (rc == -ERANGE) {
		engine_stop(e, REASON_NODEID_TOO_HIGH, reason_row(REASON_NODEID_TOO_HIGH)->text);
		return false;
	}
	if (rc != 0) {
		engine_reason_of(e, rc, REASON_NO_COROSYNC,
				 "corosync's configuration cannot be read");
		return false;
	}
	s = cluster_settings(e);
	if (e->options->number[OPTION_allow_unfenced] != 0 &&
	    (s->has_two_node || s->has_auto_tie_breaker)) {
		engine_stop(e, REASON_UNFENCED_TWO_NODE,
			    reason_row(REASON_UNFENCED_TWO_NODE)->text);
		return false;
	}
	times_warn(e->options, s);
	return true;
}

/* Two halves that both have quorum and fence each other at once would both be gone */
static bool engine_fences_at_once(const struct engine *e)
{
	const struct cluster_settings *s = cluster_settings(e);
	const struct cluster_node *nodes;

	return e->options->number[OPTION_fence_at_once] != 0 && !s->has_two_node &&
	       !s->has_auto_tie_breaker && cluster_nodes(e, &nodes) > 2;
}

/* As at start; but a node that is active does not end for it: it waits for fencing from now on */
static bool engine_allows_unfenced(const struct engine *e)
{
	const struct cluster_settings *s = cluster_settings(e);

	if (e->options->number[OPTION_allow_unfenced] == 0)
		return false;
	if (!s->has_two_node && !s->has_auto_tie_breaker)
		return true;
	log_error("allow_unfenced has no effect any more: %s",
		  reason_row(REASON_UNFENCED_TWO_NODE)->text);
	return false;
}

static uint32_t engine_nodes(const struct engine *e)
{
	const struct cluster_node *nodes;

	return (uint32_t)cluster_nodes(e, &nodes);
}

void engine_settings_changed(struct engine *e)
{
	if (e->core != NULL)
		core_fencing_rules(e->core, engine_fences_at_once(e), engine_allows_unfenced(e),
				   engine_nodes(e));
}

static bool engine_start_core(struct engine *e, const struct helpers_persisted *persisted)
{
	const struct options *o = e->options;
	struct core_config config = {
		.self = { .pnn = e->pnn, .boot_id = e->boot_id },
		.port = (uint16_t)o->number[OPTION_port],
		.has_lock = o->text[OPTION_recovery_lock][0] != '\0',
		.allow_unfenced = o->number[OPTION_allow_unfenced] != 0,
		.fences_at_once = engine_fences_at_once(e),
		.nodes = engine_nodes(e),
		.state_timeout_ms = (uint32_t)o->number[OPTION_state_timeout],
		.peer_timeout_ms = (uint32_t)o->number[OPTION_peer_timeout],
		.lock_timeout_ms = (uint32_t)o->number[OPTION_lock_timeout],
		.fence_grace_ms = (uint32_t)o->number[OPTION_fence_grace],
		.revoke_timeout_ms = (uint32_t)o->number[OPTION_revoke_timeout],
		.past = { persisted->generation, persisted->is_outside, persisted->active,
			  persisted->n },
	};
	int rc = 0;

	snprintf(config.node_name, sizeof(config.node_name), "%s", e->node_name);
	if (o->text[OPTION_address][0] != '\0')
		snprintf(config.address, sizeof(config.address), "%s", o->text[OPTION_address]);
	else
		rc = cluster_local_address(e, config.address, sizeof(config.address));
	if (rc != 0) {
		engine_reason_of(
		    e, rc, REASON_BAD_OPTION,
		    "this node's ring0 address cannot be found: set the option address");
		return false;
	}
	if (sodium_init() < 0) {
		engine_stop(e, REASON_ENGINE_RESTARTING, "no random numbers");
		return false;
	}
	randombytes_buf(config.key, sizeof(config.key));
	randombytes_buf(config.table_key, sizeof(config.table_key));
	e->core = core_new(&config, &engine_ops, e);
	store_find_persistent(e);
	rc = e->transport_ops->open(e, &config);
	sodium_memzero(config.key, sizeof(config.key));
	sodium_memzero(config.table_key, sizeof(config.table_key));
	if (rc != 0) {
		char what[CORE_NAME_SIZE + 64];

		snprintf(what, sizeof(what), "cannot listen on %s port %u", config.address,
			 config.port);
		engine_reason_of(e, rc, rc == -EADDRINUSE ? REASON_SOCKET_BUSY : REASON_BAD_OPTION,
				 what);
		return false;
	}
	return true;
}

static bool engine_start_store(struct engine *e)
{
	int rc = store_open(e);

	if (rc == -ENOSPC)
		engine_stop(e, REASON_NO_SPACE, reason_row(REASON_NO_SPACE)->text);
	else if (rc != 0)
		engine_reason_of(e, rc, REASON_BAD_OPTION, "the databases' folders cannot be used");
	return rc == 0;
}

static bool engine_start_clients(struct engine *e)
{
	const char *path = e->options->text[OPTION_socket];
	int rc = clients_open(e, path);
	char what[256];

	if (rc == 0)
		return true;
	snprintf(what, sizeof(what), "cannot listen on %s", path);
	engine_reason_of(e, rc, rc == -EADDRINUSE ? REASON_SOCKET_BUSY : REASON_BAD_OPTION, what);
	return false;
}

void engine_join(struct engine *e)
{
	if (e->is_joined || e->is_stopping)
		return;
	e->is_joined = true;
	cluster_join(e);
}

static void engine_join_late(void *data)
{
	struct engine *e = data;

	if (!e->is_joined)
		log_warning("Pacemaker has not told its verdict about this node: joining without "
			    "it | waited_ms=%d",
			    ENGINE_VERDICT_MS);
	engine_join(e);
	engine_after_event(e);
}

static bool engine_start(struct engine *e)
{
	qb_loop_timer_handle late;

	struct helpers_persisted *persisted = calloc(1, sizeof(*persisted));
	bool is_started = false;
	int rc;

	if (persisted == NULL)
		return false;
	rc = helpers_open(e, persisted);
	if (rc != 0) {
		engine_reason_of(e, rc, REASON_ENGINE_RESTARTING, "the supervisor does not answer");
		goto out;
	}
	if (!engine_start_cluster(e) || !engine_start_store(e) ||
	    !engine_start_core(e, persisted) || !engine_start_clients(e))
		goto out;
	rc = helpers_start(e);
	if (rc != 0) {
		engine_reason_of(e, rc, REASON_ENGINE_RESTARTING, "the helpers cannot be started");
		goto out;
	}
	rc = qb_loop_timer_add(e->loop, QB_LOOP_MED, ENGINE_VERDICT_MS * QB_TIME_NS_IN_MSEC, e,
			       engine_join_late, &late);
	is_started = rc == 0;
out:
	free(persisted);
	return is_started;
}

static void engine_close(struct engine *e)
{
	if (e->clients != NULL)
		clients_close(e);
	if (e->transport != NULL)
		e->transport_ops->close(e);
	if (e->store != NULL)
		store_close(e);
	cluster_close(e);
	helpers_last(e, e->stop_reason, e->stop_text);
	helpers_close(e);
	if (e->core != NULL)
		core_free(e->core);
}

/* A client has at least one descriptor; smbd has two for each of its own */
static void engine_raise_limits(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warning("the limit of open files cannot be raised | error=%s", strerror(errno));
}

int main(int argc, char **argv)
{
	struct engine e = {
		.transport_ops = &transport_tcp,
		.tick_at_ms = UINT64_MAX,
		.stop_reason = REASON_ENGINE_RESTARTING,
	};
	struct options options;
	qb_loop_signal_handle term, hup;
	struct timeval now;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (engine_parse(&e, &options, argc, argv) != 0)
		return reason_row(REASON_BAD_OPTION)->ocf;
	e.options = &options;
	if (log_open("cotdb-engine", &options) != 0)
		return reason_row(REASON_BAD_OPTION)->ocf;
	engine_raise_limits();
	gettimeofday(&now, NULL);
	e.start_time_us = (int64_t)now.tv_sec * 1000000 + now.tv_usec;
	e.loop = qb_loop_create();
	e.tick_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (e.loop == NULL || e.tick_fd < 0 ||
	    qb_loop_poll_add(e.loop, QB_LOOP_HIGH, e.tick_fd, POLLIN, &e, engine_tick) != 0)
		return 1;
	signal(SIGPIPE, SIG_IGN);
	qb_loop_signal_add(e.loop, QB_LOOP_HIGH, SIGTERM, &e, engine_terminated, &term);
	qb_loop_signal_add(e.loop, QB_LOOP_LOW, SIGHUP, &e, engine_hung_up, &hup);

	if (engine_start(&e)) {
		log_notice("the engine has started | pnn=%u node=%s boot_id=%016" PRIx64, e.pnn,
			   e.node_name, e.boot_id);
		engine_after_event(&e);
		qb_loop_run(e.loop);
	}
	e.is_stopping = true;
	engine_close(&e);
	qb_loop_destroy(e.loop);
	log_close();
	free(e.child_argv);
	return reason_row(e.stop_reason)->ocf;
}
