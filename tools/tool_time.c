/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tool_time.c: times on a tool's command line */
#include "config.h"
#include "tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int tool_parse_ms(const char *text, unsigned int *ms)
{
	static const struct {
		const char *unit;
		unsigned long long factor;
	} units[] = { { "", 1000 },	{ "s", 1000 },	{ "sec", 1000 }, { "ms", 1 },
		      { "min", 60000 }, { "m", 60000 }, { "h", 3600000 } };
	char *end = NULL;
	unsigned long long n;

	if (text[0] < '0' || text[0] > '9')
		return -EINVAL;
	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno != 0 || n > 86400000U)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit) == 0 && n * units[i].factor <= 86400000U) {
			*ms = (unsigned int)(n * units[i].factor);
			return 0;
		}
	}
	return -EINVAL;
}
