/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fsm.h: a state machine as a table of which state may follow which. All moves go through
 * fsm_move(), which checks the table, logs one line with the cause, and counts.
 *
 *   static const struct fsm_state view_states[] = {
 *       [VIEW_GATHER] = { "gather", FSM_TO(VIEW_GATED) | FSM_TO(VIEW_GATHER) },
 *       ...
 */
#ifndef COTDB_FSM_H
#define COTDB_FSM_H

#include "core.h"

#define FSM_TO(state) (UINT32_C(1) << (state))

struct fsm_state {
	const char *name;
	uint32_t to; /* FSM_TO() of the states that may follow */
};

struct fsm {
	const char *name;	       /* of the machine, in the log */
	const struct fsm_state *table; /* borrowed */
	uint32_t count;		       /* of states, at most 32 */
	uint32_t state;
	uint64_t moves;
	void (*log)(void *world, enum core_log level, const char *text);
	void *world;
};

/* log may be NULL */
void fsm_init(struct fsm *f, const char *name, const struct fsm_state *table, uint32_t count,
	      uint32_t first, void (*log)(void *world, enum core_log level, const char *text),
	      void *world);
/* A move that the table does not allow is a bug(). cause: a sentence, with " | key=value" if it
 * has some. A move to the state it is in is not logged. */
void fsm_move(struct fsm *f, uint32_t to, const char *cause, ...)
    __attribute__((format(printf, 3, 4)));
const char *fsm_state_name(const struct fsm *f);

#endif
