/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fatal.h: the two ways to end that are not an error to return.
 *
 * fatal(): the world does not let us go on safely. The reason's sentence and exit code tell the
 * agent. bug(): impossible by our own rules: flight recorder, abort. Both are plain C without the
 * world, so that core/ and the simulator may use them; a process with a log hands in its own way
 * of telling.
 */
#ifndef COTDB_FATAL_H
#define COTDB_FATAL_H

#include "lib/reason.h"

_Noreturn void fatal(enum reason why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
_Noreturn void bug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* on_fatal is called once before exit, on_bug once before abort; NULL: the text goes to standard
 * error. They must not come back here. */
struct fatal_ways {
	void (*on_fatal)(void *arg, enum reason why, const char *text);
	void (*on_bug)(void *arg, const char *text);
	void *arg;
};
/* Copies */
void fatal_ways_set(const struct fatal_ways *ways);
void fatal_ways_get(struct fatal_ways *ways);

#endif
