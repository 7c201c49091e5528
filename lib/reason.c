/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reason.c: the table of reason.def */
#include <string.h>
#include "reason.h"

static const struct reason_row rows[REASON_COUNT] = {
#define REASON(id, row_name, row_cure, row_ocf, row_text)                                          \
	[REASON_##id] = {                                                                          \
		.name = row_name, .text = row_text, .cure = REASON_CURE_##row_cure, .ocf = row_ocf \
	},
#include "reason.def"
#undef REASON
};

const struct reason_row *reason_row(unsigned int reason)
{
	return &rows[reason < REASON_COUNT ? reason : REASON_NONE];
}

int reason_by_name(const char *name)
{
	for (int i = 0; i < REASON_COUNT; i++) {
		if (strcmp(rows[i].name, name) == 0)
			return i;
	}
	return -1;
}
