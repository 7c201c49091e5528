/* SPDX-License-Identifier: GPL-3.0-or-later */
/* engine.h: the parts of the engine, and how they reach each other. One per process. */
#ifndef COTDB_ENGINE_H
#define COTDB_ENGINE_H

#include <stdbool.h>
#include <stdint.h>
#include <qb/qbdefs.h>
#include <qb/qbloop.h>
#include "daemon/core/core.h"
#include "daemon/options.h"

struct store;	  /* store.h: the TDB files and the workers that wait for their locks */
struct transport; /* transport.h: links to the other engines */
struct cluster;	  /* cluster.h: cpg, quorum, cmap */
struct clients;	  /* client.h: the Unix socket, controls */
struct helpers;	  /* helpers.h: channels to supervisor, reclock and Pacemaker helpers */

struct engine {
	qb_loop_t *loop;
	const struct options *options;
	struct core *core;
	struct store *store;
	struct transport *transport;
	struct cluster *cluster;
	struct clients *clients;
	struct helpers *helpers;
	uint32_t pnn;
	char node_name[CORE_NAME_SIZE];
	uint64_t boot_id;
	int64_t start_time_us; /* wall clock, microseconds since 1970 */
	bool is_stopping, is_leaving, is_joined;

	/* The options as handed down, without the boot id: for the helpers' command lines; [0] is
	 * free for the program's name */
	char **child_argv;

	/* engine.c's own */
	const struct transport_ops *transport_ops;
	int tick_fd;
	uint64_t tick_at_ms; /* when tick_fd fires, UINT64_MAX: not armed */
	bool is_batching;    /* poller.c: engine_after_event() comes at the end of the batch */
	bool is_flushing, has_output, has_status_changed;
	enum reason stop_reason;
	char stop_text[256];
};

/* Monotonic clock, milliseconds */
uint64_t engine_now_ms(void);
/* To be called after every event given to the core: arms the timer for its deadline, and flushes
 * what the event left for peers and clients */
void engine_after_event(struct engine *e);
/* cluster_settings() are other ones */
void engine_settings_changed(struct engine *e);
/* Joins the CPG group, once: when Pacemaker has told its verdict about this node, which STATE has
 * to carry, or has let us wait for too long */
void engine_join(struct engine *e);
/* A clean stop was asked for: the clients are ended, the core hands its records over, and then, or when
 * drain_timeout is over, engine_stop() */
void engine_leave(struct engine *e);
/* End this engine in order: leaves the loop, tells the supervisor why, closes the clients. Returns:
 * the caller goes on unwinding; the core is given no event any more. May be called inside an op. */
void engine_stop(struct engine *e, enum reason why, const char *text);

#endif
