/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * counters.h: what is counted for `ctdb statistics`, `ctdb stats` and `ctdb dbstatistics`.
 *
 * Some numbers are counted here, others by core and store since they began; those are remembered
 * at each reset, and at each interval of the history, and subtracted.
 */
#ifndef COTDB_COUNTERS_H
#define COTDB_COUNTERS_H

#include <stdint.h>
#include "lib/payload.h"

struct clients;

struct latency_counter {
	uint64_t n, min_us, max_us, total_us;
};

/* Counted by the parts of the client socket; each only grows */
struct counters {
	uint32_t req_call, req_message, req_control, req_tunnel;
	uint32_t packets_in, packets_out;
	uint32_t control_timeouts;
	uint32_t forwarded_in, forwarded_replies;
	struct latency_counter call, call_interval;
	struct counters_kept *kept;
};

#define COUNTERS_HISTORY 100U

/* 0 or -ENOMEM. Begins to count. */
int counters_open(struct clients *s);
void counters_close(struct clients *s);
void counters_add_call(struct counters *c, uint64_t us);
/* Each second: the history */
void counters_second(struct clients *s);
/* Begins anew, now */
void counters_reset(struct clients *s);
/* Since the last reset */
void counters_read(struct clients *s, struct ctdb_statistics *t);
/* Number i of the intervals that have ended, newest first; NULL: so many have not ended yet */
const struct ctdb_statistics *counters_interval(const struct clients *s, uint32_t i);

#endif
