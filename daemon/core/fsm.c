/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fsm.c: the one place where a state changes (fsm.h) */
#include "fsm.h"

#include <stdarg.h>
#include <stdio.h>
#include "daemon/fatal.h"

void fsm_init(struct fsm *f, const char *name, const struct fsm_state *table, uint32_t count,
	      uint32_t first, void (*log)(void *world, enum core_log level, const char *text),
	      void *world)
{
	if (count > 32 || first >= count)
		bug("state machine %s cannot begin in state %u of %u", name, first, count);
	*f = (struct fsm){ .name = name,
			   .table = table,
			   .count = count,
			   .state = first,
			   .log = log,
			   .world = world };
}

const char *fsm_state_name(const struct fsm *f)
{
	return f->table[f->state].name;
}

void fsm_move(struct fsm *f, uint32_t to, const char *cause, ...)
{
	char why[384], text[512];
	uint32_t from = f->state;
	va_list ap;

	va_start(ap, cause);
	vsnprintf(why, sizeof(why), cause, ap);
	va_end(ap);
	if (to >= f->count || (f->table[from].to & FSM_TO(to)) == 0)
		bug("%s may not go from %s to %s: %s", f->name, f->table[from].name,
		    to < f->count ? f->table[to].name : "nowhere", why);
	f->state = to;
	f->moves++;
	if (from == to || f->log == NULL)
		return;
	snprintf(text, sizeof(text), "%s: %s to %s: %s", f->name, f->table[from].name,
		 f->table[to].name, why);
	f->log(f->world, CORE_LOG_INFO, text);
}
