/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * helpers.h: the engine's channels to the processes that may block: its supervisor (fd 3), the
 * reclock helper and the Pacemaker helper. A helper that dies is started again with back-off.
 */
#ifndef COTDB_HELPERS_H
#define COTDB_HELPERS_H

#include "engine.h"

/* What the supervisor had on disk from the last ACTIVATE */
struct helpers_persisted {
	uint32_t generation;
	bool is_outside;
	struct incarnation active[CORE_MAX_NODES];
	size_t n;
};

/* Waits (bounded) for the supervisor's first packet; 0 or -errno */
int helpers_open(struct engine *e, struct helpers_persisted *persisted);
/* Starts the helpers; 0 or -errno */
int helpers_start(struct engine *e);
void helpers_close(struct engine *e);
/* Tells the supervisor why this engine ends */
void helpers_last(struct engine *e, enum reason why, const char *text);

/* A client came or went: the supervisor has to know whom to kill when retiring is stuck */
void helpers_client(struct engine *e, uint32_t pid, bool is_connected);
/* The core's state changed: tells supervisor and Pacemaker */
void helpers_status_changed(struct engine *e);
/* corosync's nodelist was read (again) */
void helpers_nodes_changed(struct engine *e);

/* The core's ops (core.h has what they mean) */
void helpers_lock_try(struct engine *e);
void helpers_lock_probe(struct engine *e);
void helpers_lock_check(struct engine *e);
void helpers_lock_release(struct engine *e);
void helpers_fence_watch(struct engine *e, struct incarnation inc);
void helpers_fence_request(struct engine *e, struct incarnation inc);
void helpers_persist(struct engine *e, const struct core_past *past);

/* For `cotdb status` */
struct helper_status {
	bool is_configured, is_alive;
	uint32_t pid, restarts;
	uint64_t last_latency_us; /* reclock: of its last answer */
	uint64_t waiting_ms;	  /* reclock: the oldest request without an answer; 0: none */
	bool is_connected;	  /* Pacemaker: CIB and fencer answer */
	char text[256];		  /* its last words about itself */
};
void helpers_reclock_status(const struct engine *e, struct helper_status *s);
void helpers_pacemaker_status(const struct engine *e, struct helper_status *s);

#endif
