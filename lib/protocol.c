/* SPDX-License-Identifier: GPL-3.0-or-later */
/* protocol.c: the table of control.def */
#include <stddef.h>
#include <string.h>
#include "protocol.h"

#define IS_LOCAL_LOCAL true
#define IS_LOCAL_NODE  false

static const struct control_row rows[] = {
#define CONTROL(row_number, row_name, row_request, row_reply, row_use, scope)                      \
	[row_number] = { .number = (row_number),                                                   \
			 .name = #row_name,                                                        \
			 .request = PAYLOAD_##row_request,                                         \
			 .reply = PAYLOAD_##row_reply,                                             \
			 .use = CONTROL_USE_##row_use,                                             \
			 .is_local = IS_LOCAL_##scope },
#include "control.def"
#undef CONTROL
};

#define ROWS_COUNT (sizeof(rows) / sizeof(rows[0]))

const struct control_row *control_row(uint32_t opcode)
{
	if (opcode >= ROWS_COUNT || rows[opcode].name == NULL)
		return NULL;
	return &rows[opcode];
}

const struct control_row *control_by_name(const char *name)
{
	for (size_t i = 0; i < ROWS_COUNT; i++) {
		if (rows[i].name != NULL && strcmp(rows[i].name, name) == 0)
			return &rows[i];
	}
	return NULL;
}
