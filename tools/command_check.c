/* SPDX-License-Identifier: GPL-3.0-or-later */
/* command_check.c: cotdb check: becomes cotdb-check (check_main.c) with the same arguments */
#include "config.h"
#include "tool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRAM PKGLIBEXECDIR "/cotdb-check"

int command_check(struct tool *t, int argc, char **argv)
{
	char name[] = "cotdb-check", json[] = "--output-as=json";
	char **args = calloc((size_t)argc + 2, sizeof(*args));
	int n = 0;

	if (args == NULL)
		return tool_fail(t, TOOL_EXIT_FAILED, "out of memory");
	args[n++] = name;
	if (t->is_json)
		args[n++] = json;
	for (int i = 1; i < argc; i++)
		args[n++] = argv[i];
	(void)execv(PROGRAM, args);
	free(args);
	return tool_fail(t, TOOL_EXIT_FAILED, "%s cannot be run: %s", PROGRAM, strerror(errno));
}
