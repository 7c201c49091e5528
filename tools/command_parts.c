/* SPDX-License-Identifier: GPL-3.0-or-later */
/* command_parts.c: cotdb nodes, leader and db list: parts of the engine's status */
#include <stdio.h>
#include "ask.h"
#include "field.h"
#include "status_text.h"

/* Prints one member of the status as {"name": member} */
static int print_member(struct tool *t, struct json_object *status, const char *name,
			enum tool_exit code)
{
	struct json_object *answer = json_object_new_object();

	json_object_object_add(answer, name, json_object_get(field(status, name)));
	return tool_print_json(t, answer, code);
}

static int command_part(struct tool *t, int argc, char **argv, const char *name,
			void (*print)(struct json_object *, FILE *, const char *))
{
	struct json_object *status = NULL;
	int code;

	if (tool_no_arguments(t, argc, argv) != 0)
		return TOOL_EXIT_USAGE;
	code = ask_status_or_fail(t, &status);
	if (code != TOOL_EXIT_OK)
		return code;
	if (t->is_json) {
		code = print_member(t, status, name, TOOL_EXIT_OK);
	} else {
		print(status, stdout, "");
		code = fflush(stdout) == 0 ? TOOL_EXIT_OK : TOOL_EXIT_FAILED;
	}
	json_object_put(status);
	return code;
}

int command_nodes(struct tool *t, int argc, char **argv)
{
	return command_part(t, argc, argv, "nodes", status_text_nodes);
}

int command_db_list(struct tool *t, int argc, char **argv)
{
	return command_part(t, argc, argv, "databases", status_text_databases);
}

int command_leader(struct tool *t, int argc, char **argv)
{
	struct json_object *status = NULL;
	int code;

	if (tool_no_arguments(t, argc, argv) != 0)
		return TOOL_EXIT_USAGE;
	code = ask_status_or_fail(t, &status);
	if (code != TOOL_EXIT_OK)
		return code;
	code = field(status, "leader") != NULL ? TOOL_EXIT_OK : TOOL_EXIT_NOT_ACTIVE;
	if (t->is_json) {
		code = print_member(t, status, "leader", (enum tool_exit)code);
	} else if (code != TOOL_EXIT_OK) {
		code = tool_fail(t, TOOL_EXIT_NOT_ACTIVE, "no leader is known: %s (%s)",
				 field_text(status, "sentence", "no reason is known"),
				 field_text(status, "reason", "unknown"));
	} else {
		printf("%s (pnn %s)\n", field_text(status, "leader.name", "?"),
		       field_text(status, "leader.pnn", "?"));
		code = fflush(stdout) == 0 ? TOOL_EXIT_OK : TOOL_EXIT_FAILED;
	}
	json_object_put(status);
	return code;
}
