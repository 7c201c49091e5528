/* SPDX-License-Identifier: GPL-3.0-or-later */
/* command_version.c: cotdb version */
#include "config.h"
#include "tool.h"

#include <stdio.h>

int command_version(struct tool *t, int argc, char **argv)
{
	if (tool_no_arguments(t, argc, argv) != 0)
		return TOOL_EXIT_USAGE;
	if (t->is_json) {
		struct json_object *answer = json_object_new_object();

		json_object_object_add(answer, "version", json_object_new_string(PACKAGE_VERSION));
		return tool_print_json(t, answer, TOOL_EXIT_OK);
	}
	return puts("cotdb " PACKAGE_VERSION) == EOF ? TOOL_EXIT_FAILED : TOOL_EXIT_OK;
}
