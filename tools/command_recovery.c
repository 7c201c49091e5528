/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * command_recovery.c: cotdb recovery [--wait TIME]. The engine cannot be asked to say when a
 * recovery is over (it may be the one that is started again for it), so it is asked again and
 * again.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "ask.h"
#include "field.h"
#include "recovery_text.h"
#include "supervisor_ask.h"

#define ASK_AGAIN_MS 100
#define TELL_MS	     1000 /* who does not look at a terminal is told of it so often at most */

struct recovery_wait {
	uint64_t end_ms, told_ms;
	bool is_terminal;
	char told[RECOVERY_LINE_SIZE];
};

static uint64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000U + (uint64_t)now.tv_nsec / 1000000U;
}

static int parse(struct tool *t, int argc, char **argv, unsigned int *wait_ms)
{
	const char *value = NULL;

	*wait_ms = 0;
	if (argc == 1)
		return TOOL_EXIT_OK;
	if (argc == 2 && strncmp(argv[1], "--wait=", 7) == 0)
		value = argv[1] + 7;
	else if (argc == 3 && strcmp(argv[1], "--wait") == 0)
		value = argv[2];
	else if (strcmp(argv[1], "--wait") != 0 || argc > 3)
		return tool_fail(t, TOOL_EXIT_USAGE,
				 "recovery takes no argument '%s'; see cotdb recovery --help",
				 argv[argc > 3 ? 3 : 1]);
	if (value == NULL || tool_parse_ms(value, wait_ms) != 0)
		return tool_fail(t, TOOL_EXIT_USAGE,
				 "--wait needs a time such as 500ms, 5s or 2min, up to a day");
	return TOOL_EXIT_OK;
}

/* On stderr, so that it is in nobody's way */
static void tell(struct recovery_wait *w, const char *line)
{
	uint64_t now = now_ms();

	if (strcmp(line, w->told) == 0 || (!w->is_terminal && now - w->told_ms < TELL_MS))
		return;
	w->told_ms = now;
	(void)snprintf(w->told, sizeof(w->told), "%s", line);
	fprintf(stderr, w->is_terminal ? "\r\033[K%.100s" : "%s\n", line);
	(void)fflush(stderr);
}

/* Whether the engine may be back before the end: a supervisor that starts it is there */
static bool error_may_pass(const struct tool *t, int error)
{
	return (error == -ETIMEDOUT || error == -ECONNRESET || error == -EPIPE ||
		error == -ENOENT || error == -ECONNREFUSED) &&
	       supervisor_is_locked(t->run_dir) == 1;
}

/* Asks until it is over, or the end: 0 with the last answer, or -errno of the last try */
static int wait_over(struct tool *t, struct recovery_wait *w, struct json_object **status)
{
	for (;;) {
		char line[RECOVERY_LINE_SIZE] = "the engine does not answer";
		uint64_t now = now_ms();
		int rc;

		t->deadline_ms = now + t->timeout_ms;
		if (now < w->end_ms && t->deadline_ms > w->end_ms)
			t->deadline_ms = w->end_ms;
		rc = ask_status(t, status);
		if (rc == 0 && field_bool(*status, "recovery.is_over", false))
			return 0;
		if ((rc != 0 && !error_may_pass(t, rc)) || now_ms() + ASK_AGAIN_MS >= w->end_ms)
			return rc;
		if (rc == 0)
			recovery_text_line(*status, line, sizeof(line));
		json_object_put(*status);
		*status = NULL;
		tell(w, line);
		(void)poll(NULL, 0, ASK_AGAIN_MS);
	}
}

int command_recovery(struct tool *t, int argc, char **argv)
{
	struct recovery_wait w = { .is_terminal = isatty(STDERR_FILENO) == 1 };
	struct json_object *status = NULL, *answer;
	unsigned int wait_ms;
	int code = parse(t, argc, argv, &wait_ms), rc;

	if (code != TOOL_EXIT_OK)
		return code;
	w.end_ms = now_ms() + wait_ms;
	rc = wait_over(t, &w, &status);
	if (w.is_terminal && w.told[0] != '\0')
		fputs("\r\033[K", stderr);
	if (rc != 0)
		return ask_failed(t, rc);
	if (!field_bool(status, "recovery.is_over", false))
		code = TOOL_EXIT_RECOVERING;
	if (t->is_json) {
		answer = json_object_new_object();
		json_object_object_add(answer, "recovery",
				       json_object_get(field(status, "recovery")));
		code = tool_print_json(t, answer, (enum tool_exit)code);
	} else {
		recovery_text(status, stdout);
		code = fflush(stdout) == 0 ? code : TOOL_EXIT_FAILED;
	}
	json_object_put(status);
	return code;
}
