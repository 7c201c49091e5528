/* SPDX-License-Identifier: GPL-3.0-or-later */
/* command_drain.c: cotdb drain [--wait], and cotdb undrain */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "ask.h"
#include "daemon/io/control_number.h"
#include "field.h"

#define LOOK_MS 100 /* how often --wait looks */

/* Prints what the engine says about it; the exit code */
static int drain_show(struct tool *t, struct json_object *status, enum tool_exit code)
{
	struct json_object *draining = field(status, "draining");
	int rc;

	if (t->is_json) {
		json_object_get(draining);
		json_object_put(status);
		return tool_print_json(t, draining, code);
	}
	printf("%s: %s records handed over, %s left\n", field_text(draining, "state", "?"),
	       field_text(draining, "given", "?"),
	       field_number(draining, "passes", 0) == 0 ? "not known yet how many"
							: field_text(draining, "left", "?"));
	rc = fflush(stdout) == 0 ? (int)code : TOOL_EXIT_FAILED;
	json_object_put(status);
	return rc;
}

static int drain_wait(struct tool *t)
{
	const struct timespec pause = { .tv_nsec = LOOK_MS * 1000000L };

	for (;;) {
		struct json_object *status = NULL;
		int code = ask_status_or_fail(t, &status);
		const char *state;

		if (code != TOOL_EXIT_OK)
			return code;
		state = field_text(status, "draining.state", "off");
		if (strcmp(state, "drained") == 0)
			return drain_show(t, status, TOOL_EXIT_OK);
		if (strcmp(state, "draining") != 0) {
			json_object_put(status);
			return tool_fail(t, TOOL_EXIT_FAILED, "this node drains no longer");
		}
		if (!field_bool(status, "is_active", false)) {
			json_object_put(status);
			return tool_fail(t, TOOL_EXIT_NOT_ACTIVE,
					 "this node is not active, and hands nothing over now");
		}
		if (tool_left_ms(t) <= LOOK_MS)
			return drain_show(t, status, TOOL_EXIT_TIMEOUT);
		json_object_put(status);
		(void)nanosleep(&pause, NULL);
	}
}

int command_drain(struct tool *t, int argc, char **argv)
{
	bool is_waiting = argc == 2 && strcmp(argv[1], "--wait") == 0;
	struct json_object *status = NULL;
	int code;

	if (argc > 1 && !is_waiting)
		return tool_fail(t, TOOL_EXIT_USAGE,
				 "drain takes no argument but --wait; see cotdb drain --help");
	code = ask_control_or_fail(t, COTDB_CONTROL_DRAIN, 1);
	if (code != TOOL_EXIT_OK)
		return code;
	if (is_waiting)
		return drain_wait(t);
	code = ask_status_or_fail(t, &status);
	return code == TOOL_EXIT_OK ? drain_show(t, status, TOOL_EXIT_OK) : code;
}

int command_undrain(struct tool *t, int argc, char **argv)
{
	struct json_object *status = NULL;
	int code;

	if (tool_no_arguments(t, argc, argv) != 0)
		return TOOL_EXIT_USAGE;
	code = ask_control_or_fail(t, COTDB_CONTROL_DRAIN, 0);
	if (code == TOOL_EXIT_OK)
		code = ask_status_or_fail(t, &status);
	return code == TOOL_EXIT_OK ? drain_show(t, status, TOOL_EXIT_OK) : code;
}
