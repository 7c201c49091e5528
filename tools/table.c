/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * table.c: text in columns for a terminal. The last column is never padded, so no line ends in
 * blanks; widths count UTF-8 characters, not bytes.
 */
#include "table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static size_t text_width(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xC0U) != 0x80U;
	return n;
}

void table_init(struct table *t, size_t columns)
{
	*t = (struct table){ .columns = columns < TABLE_COLUMNS ? columns : TABLE_COLUMNS };
}

void table_add(struct table *t, const char *text)
{
	char *copy = strdup(text != NULL ? text : "");

	if (copy == NULL)
		abort();
	for (char *p = copy; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20U || *p == 0x7F)
			*p = '?';
	}
	if (t->cells == t->size) {
		size_t size = t->size != 0 ? 2 * t->size : 8 * t->columns;
		char **cell = realloc(t->cell, size * sizeof(*cell));

		if (cell == NULL)
			abort();
		t->cell = cell;
		t->size = size;
	}
	t->cell[t->cells++] = copy;
}

void table_addf(struct table *t, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	table_add(t, text);
}

void table_print(struct table *t, FILE *out, const char *indent)
{
	size_t width[TABLE_COLUMNS] = { 0 };

	for (size_t i = 0; i < t->cells; i++) {
		size_t w = text_width(t->cell[i]);

		if (w > width[i % t->columns])
			width[i % t->columns] = w;
	}
	for (size_t row = 0; row < t->cells; row += t->columns) {
		size_t blanks = 0;

		fputs(indent, out);
		for (size_t i = 0; i < t->columns && row + i < t->cells; i++) {
			const char *text = t->cell[row + i];

			if (*text != '\0') {
				fprintf(out, "%*s%s", (int)blanks, "", text);
				blanks = 0;
			}
			blanks += width[i] - text_width(text) + 2;
		}
		fputc('\n', out);
	}
	for (size_t i = 0; i < t->cells; i++)
		free(t->cell[i]);
	free(t->cell);
	*t = (struct table){ .columns = t->columns };
}
