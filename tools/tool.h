/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tool.h: what the commands of the admin tool share.
 *
 * A command is a row of commands.def and a function command_NAME() in a file of its own. It prints
 * its result to stdout, as text or as one JSON object, and returns an exit code of exit.def. It
 * says that it failed through tool_fail(), so that a caller that asked for JSON always gets JSON.
 * Whatever it waits for is bounded by tool_left_ms().
 */
#ifndef COTDB_TOOL_H
#define COTDB_TOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <json-c/json.h>

enum tool_exit {
#define EXIT(id, code, text) TOOL_EXIT_##id = code,
#include "exit.def"
#undef EXIT
};

struct tool_command;

/* One run of the tool */
struct tool {
	const struct tool_command *command;
	bool is_json;
	uint64_t deadline_ms; /* monotonic: --timeout from the start */
	unsigned int timeout_ms;
	const char *client_socket; /* of the engine: CTDB's client protocol */
	const char *run_dir;	   /* in which the supervisor's socket is */
};

/* argv[0] is the command's last word; options of the tool itself are taken out already */
struct tool_command {
	const char *name, *args, *help;
	int (*run)(struct tool *t, int argc, char **argv);
};

#define COMMAND(function, name, args, help)                                                        \
	int command_##function(struct tool *t, int argc, char **argv);
#include "commands.def"
#undef COMMAND

/* Reports a failure (a sentence without full stop): text on stderr, or a JSON object on stdout.
 * Returns code. */
int tool_fail(struct tool *t, enum tool_exit code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A command without arguments was given some: reports that. 0 when there are none */
int tool_no_arguments(struct tool *t, int argc, char **argv);
/* The exit code and sentence for a connection that failed with -errno; returns the code */
int tool_fail_errno(struct tool *t, int error, const char *what);
/* Milliseconds until the deadline, 0 when it is over */
unsigned int tool_left_ms(const struct tool *t);
/* Prints object as the whole answer and drops it; returns code, or TOOL_EXIT_FAILED when stdout
 * does not take it */
int tool_print_json(struct tool *t, struct json_object *object, enum tool_exit code);

/* "500ms", "5s", "2min" or plain seconds; 0 or -EINVAL. At most a day. */
int tool_parse_ms(const char *text, unsigned int *ms);

#endif
