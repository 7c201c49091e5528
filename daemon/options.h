/* SPDX-License-Identifier: GPL-3.0-or-later */
/* options.h: the daemon's options; the table is options.def */
#ifndef COTDB_OPTIONS_H
#define COTDB_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type { OPTION_PATH, OPTION_TEXT, OPTION_PORT, OPTION_BOOL, OPTION_MS, OPTION_COUNT };

enum option_id {
#define OPTION(name, type, dflt, metavar, text) OPTION_##name,
#include "options.def"
#undef OPTION
	OPTION_COUNT_OF
};

struct option_row {
	const char *name;
	enum option_type type;
	const char *dflt, *metavar, *text;
};
extern const struct option_row option_table[OPTION_COUNT_OF];

/* Values as text, checked against their type, and numbers where the type has one */
struct options {
	const char *text[OPTION_COUNT_OF]; /* borrowed from argv or the table */
	uint64_t number[OPTION_COUNT_OF];  /* PORT, BOOL (0, 1), MS (milliseconds), COUNT */
};

/* The defaults */
void options_init(struct options *o);
/* One --name=VALUE ('-' and '_' alike). 0; -ENOENT: no such option; -EINVAL: no valid value; error
 * gets a sentence that names the option, what is wrong and what would be right. */
int options_parse(struct options *o, const char *arg, char *error, size_t error_size);
/* Text for --help */
void options_help(char *text, size_t size);

#endif
