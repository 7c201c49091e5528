/* SPDX-License-Identifier: GPL-3.0-or-later */
/* helpers_private.h: what helpers.c, helpers_reclock.c and helpers_pacemaker.c share */
#ifndef COTDB_HELPERS_PRIVATE_H
#define COTDB_HELPERS_PRIVATE_H

#include "channel.h"
#include "helpers.h"

/* A helper process that is kept running */
struct helper {
	struct engine *engine;
	const char *program;
	const struct channel_events *events;
	size_t queue_max;
	void (*started)(struct helper *h); /* after each start: tells it what it has to know */
	struct channel channel;
	bool is_configured, is_connected;
	uint32_t restarts;
	uint64_t started_ms, backoff_ms;
	bool is_restart_armed;
	qb_loop_timer_handle restart_timer;
	char text[256];
};

void helper_start(struct helper *h);
/* From the ended() of its channel: starts it again, a little later each time */
void helper_ended(struct helper *h);
void helper_close(struct helper *h);
void helper_status(const struct helper *h, struct helper_status *s);

/* Requests to the reclock helper that have no answer yet, oldest first */
struct reclock_request {
	enum ipc_type type;
	uint64_t sent_ms;
};
enum { RECLOCK_REQUESTS = 16 };

struct reclock {
	struct helper helper;
	struct reclock_request request[RECLOCK_REQUESTS];
	size_t requests_n;
	bool is_holding;
	uint64_t last_latency_us;
};

/* What the Pacemaker helper was told about a node */
struct fence_watch {
	uint64_t boot_id; /* of the incarnation that is watched, 0: none */
	uint8_t base[FENCE_BASE_SIZE]; /* from when on: for the next helper */
	bool has_base;
	uint64_t
	    requested_boot_id; /* of the one whose fencing was asked for without an answer yet */
};

struct pacemaker {
	struct helper helper;
	struct fence_watch watch[CORE_MAX_NODES];
	char attribute_state[64], attribute_leader[CORE_NAME_SIZE];
	uint32_t attribute_generation;
	bool has_attributes;
};

struct helpers {
	struct channel supervisor;
	qb_loop_timer_handle heartbeat_timer;
	bool is_heartbeat_armed;
	struct reclock reclock;
	struct pacemaker pacemaker;
	/* What the supervisor was last told */
	enum reason told_reason;
	bool is_told, told_active;
	uint32_t told_generation, told_leader;
	char told_text[256];
};

void reclock_open(struct engine *e);
void pacemaker_open(struct engine *e);
void pacemaker_status_changed(struct engine *e, const struct core_status *s);

#endif
