/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * supervisor_main.c: the command line of sbin/cotdbd, and the way into the background: who started
 * it waits until it holds the run-file lock and answers on its control socket, or learns in one
 * sentence why it does not.
 */
#include "config.h"
#include "daemon/helper/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "daemon/log.h"

static int refusal_print(const struct start_error *e)
{
	const struct reason_row *row = reason_row(e->why);

	fprintf(stderr, "cotdbd: %s: %s\n", row->text, e->text);
	return row->ocf != 0 ? row->ocf : 1;
}

/* The parent's part: ends when the child says how the start went, or when it dies */
static _Noreturn void parent_wait(int fd, pid_t child)
{
	struct start_error e = { 0 };
	size_t len = 0;
	ssize_t n;
	int status;

	while (len < sizeof(e) &&
	       ((n = read(fd, (char *)&e + len, sizeof(e) - len)) > 0 || (n < 0 && errno == EINTR)))
		len += n > 0 ? (size_t)n : 0;
	if (len == sizeof(e))
		exit(e.why == REASON_NONE ? 0 : refusal_print(&e));
	(void)waitpid(child, &status, 0);
	fprintf(stderr, "cotdbd: it ended without a word while starting\n");
	exit(1);
}

/* Returns in the child, with the pipe to the parent */
static int go_background(struct start_error *e)
{
	int fds[2];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) != 0 || (pid = fork()) < 0) {
		snprintf(e->text, sizeof(e->text), "%s", strerror(errno));
		e->why = REASON_RESTART_LIMIT;
		exit(refusal_print(e));
	}
	if (pid > 0) {
		close(fds[1]);
		parent_wait(fds[0], pid);
	}
	close(fds[0]);
	(void)setsid();
	return fds[1];
}

static void descriptors_detach(bool keep_stderr)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)dup2(fd, STDIN_FILENO);
	(void)dup2(fd, STDOUT_FILENO);
	if (!keep_stderr)
		(void)dup2(fd, STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

/* Tells the parent, or who started us, how the start went; the exit code when it was refused */
static int start_tell(const struct start_error *e, int ready_fd)
{
	const struct reason_row *row = reason_row(e->why);

	if (e->why != REASON_NONE)
		log_error("cotdbd does not start: %s: %s | reason=%s", row->text, e->text,
			  row->name);
	if (ready_fd < 0)
		return e->why == REASON_NONE ? 0 : refusal_print(e);
	if (write(ready_fd, e, sizeof(*e)) != (ssize_t)sizeof(*e))
		log_warning("who started cotdbd did not wait for it");
	close(ready_fd);
	return e->why == REASON_NONE ? 0 : row->ocf != 0 ? row->ocf : 1;
}

static int usage(void)
{
	static char help[16384];

	options_help(help, sizeof(help));
	printf("Usage: cotdbd [OPTION]...\n"
	       "Clustered database daemon for Samba: supervisor and engine.\n\n"
	       "  --foreground\n        stay in the foreground, log to standard error\n"
	       "  --help\n        this text\n"
	       "  --version\n        print the version\n"
	       "%s\n"
	       "Exit status: 0 when started (in the foreground: stopped cleanly), else the OCF\n"
	       "code of the reason, which is told in one sentence.\n",
	       help);
	return 0;
}

int main(int argc, char **argv)
{
	static struct supervisor s = {
		.control_fd = -1, .run_lock_fd = -1, .engine = { .fd = -1 }, .group = { .fd = -1 }
	};
	static char *engine_options[OPTION_COUNT_OF * 4 + 2];
	struct start_error e = { .why = REASON_BAD_OPTION };
	bool is_foreground = false;
	size_t n = 0;
	int ready_fd = -1, rc;

	options_init(&s.options);
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return usage();
		if (strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-V") == 0) {
			printf("cotdbd %s\n", PACKAGE_VERSION);
			return 0;
		}
		if (strcmp(argv[i], "--foreground") == 0 || strcmp(argv[i], "-f") == 0) {
			is_foreground = true;
			continue;
		}
		if (options_parse(&s.options, argv[i], e.text, sizeof(e.text)) != 0)
			return refusal_print(&e);
		if (n == OPTION_COUNT_OF * 4) {
			snprintf(e.text, sizeof(e.text), "too many options");
			return refusal_print(&e);
		}
		engine_options[n++] = argv[i];
	}
	if (is_foreground && *s.options.text[OPTION_log_file] == '\0') {
		s.options.text[OPTION_log_file] = "-";
		engine_options[n++] = (char[]){ "--log_file=-" };
	}
	s.engine_options = engine_options;
	s.engine.state.leader_pnn = CORE_UNKNOWN_PNN;
	if (start_options_check(&s.options, &e) != REASON_NONE)
		return refusal_print(&e);

	if (!is_foreground)
		ready_fd = go_background(&e);
	umask(077);
	if (chdir("/") != 0)
		return 1;
	rc = log_open("cotdbd", &s.options);
	if (rc != 0) {
		snprintf(e.text, sizeof(e.text), "option --log_file: %s: %s",
			 s.options.text[OPTION_log_file], strerror(-rc));
		return start_tell(&e, ready_fd);
	}
	e.why = REASON_NONE;
	(void)supervisor_begin(&s, &e);
	if (e.why == REASON_NONE && !is_foreground)
		descriptors_detach(strcmp(s.options.text[OPTION_log_file], "-") == 0);
	rc = start_tell(&e, ready_fd);
	if (e.why == REASON_NONE)
		rc = supervisor_run(&s);
	log_close();
	return rc;
}
