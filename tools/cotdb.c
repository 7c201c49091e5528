/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cotdb.c: the admin's command. Finds the command in the table, takes the options that all
 * commands share out of the command line, and runs it.
 */
#include "config.h"
#include "tool.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct tool_command commands[] = {
#define COMMAND(function, name, args, help) { name, args, help, command_##function },
#include "commands.def"
#undef COMMAND
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static const struct {
	int code;
	const char *text;
} exit_codes[] = {
#define EXIT(id, code, text) { code, text },
#include "exit.def"
#undef EXIT
};

/* The daemon's own defaults, by name of the option */
enum {
#define OPTION(name, type, dflt, metavar, text) DAEMON_OPTION_##name,
#include "daemon/options.def"
#undef OPTION
};
static const char *const daemon_default[] = {
#define OPTION(name, type, dflt, metavar, text) dflt,
#include "daemon/options.def"
#undef OPTION
};

static uint64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000U + (uint64_t)now.tv_nsec / 1000000U;
}

unsigned int tool_left_ms(const struct tool *t)
{
	uint64_t now = now_ms();

	return now < t->deadline_ms ? (unsigned int)(t->deadline_ms - now) : 0U;
}

int tool_print_json(struct tool *t, struct json_object *object, enum tool_exit code)
{
	const char *text = json_object_to_json_string_ext(
	    object,
	    JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);
	bool is_written = text != NULL && puts(text) != EOF && fflush(stdout) == 0;

	(void)t;
	json_object_put(object);
	return is_written ? code : TOOL_EXIT_FAILED;
}

int tool_fail(struct tool *t, enum tool_exit code, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (t->is_json) {
		struct json_object *answer = json_object_new_object(),
				   *error = json_object_new_object();

		json_object_object_add(error, "code", json_object_new_int((int)code));
		json_object_object_add(error, "text", json_object_new_string(text));
		json_object_object_add(answer, "error", error);
		return tool_print_json(t, answer, code);
	}
	(void)fflush(stdout);
	fprintf(stderr, "cotdb: %s\n", text);
	return (int)code;
}

int tool_fail_errno(struct tool *t, int error, const char *what)
{
	switch (-error) {
	case ENOENT:
	case ECONNREFUSED:
		return tool_fail(t, TOOL_EXIT_NOT_RUNNING, "%s: no daemon runs on this node", what);
	case EACCES:
	case EPERM:
		return tool_fail(t, TOOL_EXIT_NOT_PERMITTED,
				 "%s: not permitted; the daemon's sockets belong to root", what);
	case ETIMEDOUT:
		return tool_fail(t, TOOL_EXIT_TIMEOUT, "%s: no answer within %u ms", what,
				 t->timeout_ms);
	default:
		return tool_fail(t, TOOL_EXIT_FAILED, "%s: %s", what, strerror(-error));
	}
}

int tool_no_arguments(struct tool *t, int argc, char **argv)
{
	if (argc <= 1)
		return 0;
	return tool_fail(t, TOOL_EXIT_USAGE, "%s takes no argument '%s'; see cotdb %s --help",
			 t->command->name, argv[1], t->command->name);
}

static void print_options(void)
{
	printf("Options, before or behind the command:\n"
	       "  --output-as=FORMAT  text or json (text)\n"
	       "  --timeout=TIME      how long to wait for an answer: 500ms, 5s, 2min or plain "
	       "seconds (5s)\n"
	       "  --socket=FILE       the daemon's socket (%s)\n"
	       "  --run-dir=DIR       the daemon's run_dir (%s)\n"
	       "  --help              this text, or that of one command\n"
	       "  --version           print the version\n",
	       daemon_default[DAEMON_OPTION_socket], daemon_default[DAEMON_OPTION_run_dir]);
}

static void print_help(void)
{
	fputs("Usage: cotdb [OPTION...] COMMAND [ARGUMENT...]\n"
	      "Shows what the cotdb daemon of this node and its cluster are doing.\n\nCommands:\n",
	      stdout);
	for (size_t i = 0; i < COMMANDS; i++)
		printf("  %-24s %s\n", commands[i].name, commands[i].help);
	fputs("\n", stdout);
	print_options();
	fputs("\nExit codes:\n", stdout);
	for (size_t i = 0; i < sizeof(exit_codes) / sizeof(exit_codes[0]); i++)
		printf("  %d  %s\n", exit_codes[i].code, exit_codes[i].text);
}

static void print_command_help(const struct tool_command *c)
{
	printf("Usage: cotdb [OPTION...] %s%s%s\n%s\n\n", c->name, c->args[0] != '\0' ? " " : "",
	       c->args, c->help);
	print_options();
}

/* Whether the command line begins with the words of a command; *words: how many */
static bool command_matches(const struct tool_command *c, int argc, char **argv, int *words)
{
	const char *name = c->name;

	for (*words = 0; *words < argc; (*words)++) {
		size_t len = strcspn(name, " ");

		if (strlen(argv[*words]) != len || memcmp(argv[*words], name, len) != 0)
			return false;
		name += len;
		if (*name == '\0') {
			(*words)++;
			return true;
		}
		name++;
	}
	return false;
}

/* Is argv[*i] this option? *value: behind '=' or the next argument, on which *i then stands; NULL
 * when that is missing */
static bool option_matches(const char *name, int argc, char **argv, int *i, const char **value)
{
	size_t len = strlen(name);
	const char *arg = argv[*i];

	if (strncmp(arg, name, len) != 0 || (arg[len] != '\0' && arg[len] != '='))
		return false;
	if (arg[len] == '=')
		*value = arg + len + 1;
	else
		*value = *i + 1 < argc ? argv[++*i] : NULL;
	return true;
}

/* One option of the tool: 1 taken, 0 none of ours, else the exit code of its error as a negative
 * number */
static int take_option(struct tool *t, int argc, char **argv, int *i)
{
	const char *name = argv[*i], *value = NULL;

	if (option_matches("--output-as", argc, argv, i, &value)) {
		if (value != NULL && (strcmp(value, "json") == 0 || strcmp(value, "text") == 0)) {
			t->is_json = strcmp(value, "json") == 0;
			return 1;
		}
		return -tool_fail(t, TOOL_EXIT_USAGE, "--output-as is text or json");
	}
	if (option_matches("--timeout", argc, argv, i, &value)) {
		if (value != NULL && tool_parse_ms(value, &t->timeout_ms) == 0) {
			t->deadline_ms = now_ms() + t->timeout_ms;
			return 1;
		}
		return -tool_fail(t, TOOL_EXIT_USAGE,
				  "--timeout is a time such as 500ms, 5s or 2min, up to a day");
	}
	if (option_matches("--socket", argc, argv, i, &t->client_socket) ||
	    option_matches("--run-dir", argc, argv, i, &t->run_dir) ||
	    option_matches("--run_dir", argc, argv, i, &t->run_dir)) {
		if (t->client_socket != NULL && t->run_dir != NULL)
			return 1;
		return -tool_fail(t, TOOL_EXIT_USAGE, "%s needs a value", name);
	}
	return 0;
}

/* Also of what is wrong in front of --output-as a caller that asks for JSON is told in JSON */
static bool asks_for_json(int argc, char **argv)
{
	const char *value;

	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (option_matches("--output-as", argc, argv, &i, &value) && value != NULL &&
		    strcmp(value, "json") == 0)
			return true;
	return false;
}

int main(int argc, char **argv)
{
	struct tool t = {
		.timeout_ms = 5000,
		.client_socket = daemon_default[DAEMON_OPTION_socket],
		.run_dir = daemon_default[DAEMON_OPTION_run_dir],
	};
	bool is_help = false, is_version = false, is_ours = true;
	int left = 0, words = 0;

	(void)signal(SIGPIPE, SIG_IGN);
	t.is_json = asks_for_json(argc, argv);
	t.deadline_ms = now_ms() + t.timeout_ms;
	/* What is not ours moves to the front of argv */
	for (int i = 1; i < argc; i++) {
		int taken = is_ours ? take_option(&t, argc, argv, &i) : 0;

		if (taken < 0)
			return -taken;
		if (taken != 0)
			continue;
		if (is_ours && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0))
			is_help = true;
		else if (is_ours && strcmp(argv[i], "--version") == 0)
			is_version = true;
		else if (is_ours && strcmp(argv[i], "--") == 0)
			is_ours = false;
		else
			argv[left++] = argv[i];
	}
	argv[left] = NULL;

	if (left == 0 && is_version)
		return command_version(&t, 1, argv);
	if (left == 0 && is_help) {
		print_help();
		return TOOL_EXIT_OK;
	}
	for (size_t i = 0; i < COMMANDS; i++) {
		if (!command_matches(&commands[i], left, argv, &words))
			continue;
		t.command = &commands[i];
		if (is_help) {
			print_command_help(t.command);
			return TOOL_EXIT_OK;
		}
		return t.command->run(&t, left - words + 1, argv + words - 1);
	}
	if (left == 0)
		return tool_fail(&t, TOOL_EXIT_USAGE, "a command is missing; see cotdb --help");
	return tool_fail(&t, TOOL_EXIT_USAGE, "there is no command '%s%s%s'; see cotdb --help",
			 argv[0], left > 1 ? " " : "", left > 1 ? argv[1] : "");
}
