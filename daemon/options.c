/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * options.c: one row of options.def becomes its parser and its line of --help. Values are checked
 * against their type here; what they mean together is the supervisor's to judge.
 */
#include "daemon/options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MS_MAX	  86400000U /* a day */
#define COUNT_MAX 1000000U
#define VALUE_MAX 4095U

const struct option_row option_table[OPTION_COUNT_OF] = {
#define OPTION(name, type, dflt, metavar, text)                                                    \
	[OPTION_##name] = { #name, OPTION_##type, dflt, metavar, text },
#include "daemon/options.def"
#undef OPTION
};

/* Decimal digits at the start of *text, moved behind them; a number above max is an error */
static int number_parse(const char **text, uint64_t max, uint64_t *number)
{
	const char *p = *text;
	uint64_t n = 0;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		n = n * 10 + (uint64_t)(*p - '0');
		if (n > max)
			return -ERANGE;
	}
	*text = p;
	*number = n;
	return 0;
}

static int time_parse(const char *text, uint64_t *ms)
{
	static const struct {
		const char *unit;
		uint32_t ms;
	} units[] = { { "ms", 1 },	{ "", 1000 },	{ "s", 1000 },	 { "sec", 1000 },
		      { "min", 60000 }, { "m", 60000 }, { "h", 3600000 } };
	uint64_t n;
	int rc = number_parse(&text, MS_MAX, &n);

	if (rc != 0)
		return rc;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(text, units[i].unit) != 0)
			continue;
		n *= units[i].ms;
		if (n > MS_MAX)
			return -ERANGE;
		*ms = n;
		return 0;
	}
	return -EINVAL;
}

static int bool_parse(const char *text, uint64_t *number)
{
	static const char *const words[2][6] = {
		{ "false", "no", "off", "0", "n", "f" },
		{ "true", "yes", "on", "1", "y", "t" },
	};

	for (unsigned int v = 0; v < 2; v++) {
		for (size_t i = 0; i < 6; i++) {
			if (strcmp(text, words[v][i]) == 0) {
				*number = v;
				return 0;
			}
		}
	}
	return -EINVAL;
}

/* What would be right, or NULL when the value is */
static const char *value_complaint(const struct option_row *row, const char *value,
				   uint64_t *number)
{
	const char *p = value;

	*number = 0;
	if (strlen(value) > VALUE_MAX)
		return "at most 4095 characters";
	for (; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return "no control characters";
	}
	if (*value == '\0' && *row->dflt == '\0')
		return NULL;
	p = value;
	switch (row->type) {
	case OPTION_PATH:
		if (*value == '/' ||
		    (strcmp(row->name, "log_file") == 0 && strcmp(value, "-") == 0))
			return NULL;
		return "an absolute path";
	case OPTION_TEXT:
		return *value != '\0' ? NULL : "some text";
	case OPTION_PORT:
		if (number_parse(&p, 65535, number) == 0 && *p == '\0' && *number != 0)
			return NULL;
		return "a port from 1 to 65535";
	case OPTION_BOOL:
		return bool_parse(value, number) == 0 ? NULL : "true or false";
	case OPTION_MS:
		if (time_parse(value, number) == 0 && *number != 0)
			return NULL;
		return "a time like 500ms, 5s or 2min, from 1ms to 24h";
	case OPTION_COUNT:
		if (number_parse(&p, COUNT_MAX, number) == 0 && *p == '\0')
			return NULL;
		return "a number from 0 to 1000000";
	}
	return "a value of a known type";
}

void options_init(struct options *o)
{
	for (size_t i = 0; i < OPTION_COUNT_OF; i++) {
		o->text[i] = option_table[i].dflt;
		(void)value_complaint(&option_table[i], o->text[i], &o->number[i]);
	}
}

static int same_name(const char *name, const char *arg, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = arg[i] == '-' ? '_' : arg[i];

		if (name[i] != c) /* also ends at name's NUL */
			return 0;
	}
	return name[len] == '\0';
}

int options_parse(struct options *o, const char *arg, char *error, size_t error_size)
{
	const char *name = arg + 2, *equals = strchr(arg, '=');
	size_t len = equals != NULL && equals >= name ? (size_t)(equals - name) : strlen(arg);

	if (strncmp(arg, "--", 2) != 0 || len == 0) {
		snprintf(error, error_size, "'%s' is no option; options are --name=VALUE", arg);
		return -ENOENT;
	}
	if (equals == NULL)
		len = strlen(name);
	for (size_t i = 0; i < OPTION_COUNT_OF; i++) {
		const struct option_row *row = &option_table[i];
		const char *complaint;
		uint64_t number;

		if (!same_name(row->name, name, len))
			continue;
		if (equals == NULL) {
			snprintf(error, error_size, "option --%s needs a value: --%s=%s", row->name,
				 row->name, *row->metavar ? row->metavar : "true");
			return -EINVAL;
		}
		complaint = value_complaint(row, equals + 1, &number);
		if (complaint != NULL) {
			snprintf(error, error_size,
				 "option --%s: '%.64s' is not valid, it has to be %s", row->name,
				 equals + 1, complaint);
			return -EINVAL;
		}
		o->text[i] = equals + 1;
		o->number[i] = number;
		return 0;
	}
	snprintf(error, error_size, "there is no option --%.*s; see --help", (int)len, name);
	return -ENOENT;
}

static void text_append(char *text, size_t size, size_t *len, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static void text_append(char *text, size_t size, size_t *len, const char *format, ...)
{
	va_list ap;
	int n;

	if (*len >= size)
		return;
	va_start(ap, format);
	n = vsnprintf(text + *len, size - *len, format, ap);
	va_end(ap);
	if (n > 0)
		*len += (size_t)n;
}

void options_help(char *text, size_t size)
{
	size_t len = 0;

	if (size > 0)
		*text = '\0';
	for (size_t i = 0; i < OPTION_COUNT_OF; i++) {
		const struct option_row *row = &option_table[i];

		text_append(text, size, &len, "  --%s=%s\n        %s", row->name,
			    *row->metavar ? row->metavar : "true|false", row->text);
		if (*row->dflt != '\0')
			text_append(text, size, &len, " [%s]", row->dflt);
		text_append(text, size, &len, "\n");
	}
}
