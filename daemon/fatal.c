/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fatal.c: ends this process, telling why first (fatal.h) */
#include "daemon/fatal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static struct fatal_ways fatal_ways; /* one per process, like exit() itself */
static int fatal_is_ending;

void fatal_ways_set(const struct fatal_ways *ways)
{
	fatal_ways = *ways;
}

void fatal_ways_get(struct fatal_ways *ways)
{
	*ways = fatal_ways;
}

void fatal(enum reason why, const char *format, ...)
{
	const struct reason_row *row = reason_row(why);
	char text[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (fatal_ways.on_fatal != NULL && !fatal_is_ending) {
		fatal_is_ending = 1;
		fatal_ways.on_fatal(fatal_ways.arg, why, text);
	} else {
		fprintf(stderr, "%s: %s\n", row->text, text);
	}
	_Exit(row->ocf != 0 ? row->ocf : 1);
}

void bug(const char *format, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (fatal_ways.on_bug != NULL && !fatal_is_ending) {
		fatal_is_ending = 1;
		fatal_ways.on_bug(fatal_ways.arg, text);
	} else {
		fprintf(stderr, "bug: %s\n", text);
	}
	abort();
}
