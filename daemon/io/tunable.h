/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tunable.h: CTDB's tunables; the table is tunable.def */
#ifndef COTDB_TUNABLE_H
#define COTDB_TUNABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/slice.h"

enum tunable_id {
#define TUNABLE(name, place, dflt, is_obsolete) TUNABLE_##name,
#include "tunable.def"
#undef TUNABLE
	TUNABLE_COUNT
};

struct tunable_row {
	const char *name;
	uint32_t place, dflt;
	bool is_obsolete;
};
extern const struct tunable_row tunable_table[TUNABLE_COUNT];

struct tunables {
	uint32_t value[TUNABLE_COUNT];
};

/* The defaults */
void tunables_init(struct tunables *t);
static inline uint32_t tunable_get(const struct tunables *t, enum tunable_id id)
{
	return t->value[id];
}
struct core;
/* Tells the core those that concern it */
void tunables_apply(const struct tunables *t, struct core *core);
/* The tunable of that name (upper and lower case alike; with or without its NUL), or -ENOENT */
int tunable_by_name(struct slice name);
/* The names that are not obsolete, ":A:B:C", with a NUL. The length with the NUL, or -ENOSPC */
int tunable_list(char *text, size_t size);
/* All values, in CTDB's order */
void tunables_by_place(const struct tunables *t, uint32_t value[TUNABLE_COUNT]);

#endif
