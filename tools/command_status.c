/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * command_status.c: cotdb status. The engine is asked first; where it does not answer, its
 * supervisor, which answers also while the engine hangs or is being started again.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "ask.h"
#include "field.h"
#include "status_text.h"
#include "supervisor_ask.h"

/* Enough of --timeout is kept for the supervisor, which answers at once or not at all */
#define SUPERVISOR_SHARE 3

static int supervisor_status(struct tool *t, const char *why, int error)
{
	static char text[SUPERVISOR_ANSWER_SIZE];
	struct json_object *answer, *status;
	unsigned int left_ms = tool_left_ms(t);
	int rc = supervisor_ask_text(t->run_dir, "status", left_ms != 0 ? left_ms : 1, text,
				     sizeof(text));

	if (rc != 0)
		return ask_failed(t, error);
	answer = json_tokener_parse(text);
	if (!json_object_is_type(answer, json_type_object)) {
		json_object_put(answer);
		return tool_fail(t, TOOL_EXIT_FAILED, "the supervisor's answer cannot be read");
	}
	if (!t->is_json) {
		status_text_supervisor(answer, why, stdout);
		json_object_put(answer);
		return fflush(stdout) == 0 ? TOOL_EXIT_NOT_ACTIVE : TOOL_EXIT_FAILED;
	}
	status = json_object_new_object();
	json_object_object_add(status, "is_active", json_object_new_boolean(0));
	json_object_object_add(status, "engine_error", json_object_new_string(why));
	json_object_object_add(
	    status, "allow_unfenced",
	    json_object_new_boolean(field_bool(answer, "allow_unfenced", false)));
	json_object_object_add(status, "supervisor", answer);
	return tool_print_json(t, status, TOOL_EXIT_NOT_ACTIVE);
}

int command_status(struct tool *t, int argc, char **argv)
{
	struct json_object *status = NULL;
	uint64_t deadline_ms = t->deadline_ms;
	bool is_active;
	int rc;

	if (tool_no_arguments(t, argc, argv) != 0)
		return TOOL_EXIT_USAGE;
	t->deadline_ms -= t->timeout_ms / SUPERVISOR_SHARE;
	rc = ask_status(t, &status);
	t->deadline_ms = deadline_ms;
	if (rc == -ENOENT || rc == -ECONNREFUSED)
		return supervisor_status(t, "its socket is not there", rc);
	if (rc == -ETIMEDOUT)
		return supervisor_status(t, "no answer in time", rc);
	if (rc == -ECONNRESET || rc == -EPIPE)
		return supervisor_status(t, "it closed the connection", rc);
	if (rc != 0)
		return ask_failed(t, rc);
	is_active = field_bool(status, "is_active", false);
	if (t->is_json)
		return tool_print_json(t, status, is_active ? TOOL_EXIT_OK : TOOL_EXIT_NOT_ACTIVE);
	status_text(status, stdout);
	json_object_put(status);
	if (fflush(stdout) != 0)
		return TOOL_EXIT_FAILED;
	return is_active ? TOOL_EXIT_OK : TOOL_EXIT_NOT_ACTIVE;
}
