/* SPDX-License-Identifier: GPL-3.0-or-later */
/* table.h: text in columns for a terminal */
#ifndef COTDB_TABLE_H
#define COTDB_TABLE_H

#include <stdio.h>

#define TABLE_COLUMNS 12

struct table {
	size_t columns, cells, size;
	char **cell; /* row by row; cells is a multiple of columns */
};

/* A table with that many columns; the first row added is its heading */
void table_init(struct table *t, size_t columns);
/* Adds the next cell (copied; NULL is ""). What a terminal could misread is replaced by '?'. */
void table_add(struct table *t, const char *text);
void table_addf(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Prints all rows with columns aligned, each line behind indent; frees the cells */
void table_print(struct table *t, FILE *out, const char *indent);

#endif
