/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tunable.c: see tunable.h */
#include "tunable.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include "daemon/core/core.h"

#define VACUUM_RESTS 5U /* an empty record rests for a fifth of VacuumInterval */

const struct tunable_row tunable_table[TUNABLE_COUNT] = {
#define TUNABLE(name, place, dflt, is_obsolete)                                                    \
	[TUNABLE_##name] = { #name, place, dflt, is_obsolete },
#include "tunable.def"
#undef TUNABLE
};

void tunables_init(struct tunables *t)
{
	for (size_t i = 0; i < TUNABLE_COUNT; i++)
		t->value[i] = tunable_table[i].dflt;
}

void tunables_apply(const struct tunables *t, struct core *core)
{
	uint32_t interval_s = tunable_get(t, TUNABLE_VacuumInterval);

	if (interval_s > UINT32_MAX / 1000)
		interval_s = UINT32_MAX / 1000;
	core_vacuum_tune(core, interval_s * 1000 / VACUUM_RESTS, interval_s * 1000);
	core_sticky(core, &(struct core_sticky){
			      .moves = tunable_get(t, TUNABLE_HopcountMakeSticky),
			      .duration_ms = tunable_get(t, TUNABLE_StickyDuration) * 1000ULL,
			      .pindown_ms = tunable_get(t, TUNABLE_StickyPindown),
			  });
}

int tunable_by_name(struct slice name)
{
	size_t len = name.len > 0 ? strnlen((const char *)name.p, name.len) : 0;

	for (size_t i = 0; i < TUNABLE_COUNT; i++)
		if (strlen(tunable_table[i].name) == len &&
		    strncasecmp(tunable_table[i].name, (const char *)name.p, len) == 0)
			return (int)i;
	return -ENOENT;
}

int tunable_list(char *text, size_t size)
{
	size_t at = 0;

	for (size_t i = 0; i < TUNABLE_COUNT; i++) {
		size_t len = strlen(tunable_table[i].name);
		if (tunable_table[i].is_obsolete)
			continue;
		if (size - at < len + 2)
			return -ENOSPC;
		text[at++] = ':';
		memcpy(text + at, tunable_table[i].name, len);
		at += len;
	}
	text[at++] = '\0';
	return (int)at;
}

void tunables_by_place(const struct tunables *t, uint32_t value[TUNABLE_COUNT])
{
	for (size_t i = 0; i < TUNABLE_COUNT; i++)
		value[tunable_table[i].place] = t->value[i];
}
