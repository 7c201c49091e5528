/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * log.c: libqb's log, set up the same way in every process of the daemon (log.h).
 *
 * The flight recorder is our own ring of text and not libqb's, which lives in files in /dev/shm
 * that a killed process leaves behind; ours are killed by design.
 *
 * The file is opened for appending by each process; a line is one write, so that lines of several
 * processes do not mix.
 */
#include "daemon/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <qb/qbdefs.h>
#include <qb/qblog.h>
#include "daemon/fatal.h"

#define RECORDER_BYTES (128 * 1024)
#define LINE_MAX_BYTES 2048
#define OWN_FILES      "\\(daemon\\|tests\\)/" /* a basic regular expression */

static const struct {
	const char *name;
	int level;
} log_levels[] = {
	{ "error", LOG_ERR }, { "warning", LOG_WARNING }, { "notice", LOG_NOTICE },
	{ "info", LOG_INFO }, { "debug", LOG_DEBUG },	  { "trace", LOG_LEVEL_TRACE },
};

/* One log per process, as libqb's own is */
static struct {
	int level;
	int target; /* libqb's number */
	int is_open;
	char recorder_path[512];
	const char *file; /* NULL: syslog or standard error */
	time_t looked_at; /* when the file was last looked for under its name */
	dev_t dev;
	ino_t ino;
	size_t recorder_at; /* next byte in the ring */
	char recorder[RECORDER_BYTES];
} log_state = { .level = LOG_NOTICE, .target = -1 };

int log_level_by_name(const char *name)
{
	for (size_t i = 0; i < sizeof(log_levels) / sizeof(log_levels[0]); i++) {
		if (strcmp(log_levels[i].name, name) == 0)
			return log_levels[i].level;
	}
	return -1;
}

const char *log_level_name(int level)
{
	for (size_t i = 0; i < sizeof(log_levels) / sizeof(log_levels[0]); i++) {
		if (log_levels[i].level == level)
			return log_levels[i].name;
	}
	return level < LOG_ERR ? "error" : "trace";
}

int log_level(void)
{
	return log_state.level;
}

int log_threshold(void)
{
	return log_state.level > LOG_INFO ? log_state.level : LOG_INFO;
}

static void log_fatal(void *arg, enum reason why, const char *text)
{
	(void)arg;
	log_error("%s: %s | reason=%s", reason_row(why)->text, text, reason_row(why)->name);
}

static void recorder_bytes(const char *text, size_t len)
{
	size_t first = RECORDER_BYTES - log_state.recorder_at;

	if (first > len)
		first = len;
	memcpy(log_state.recorder + log_state.recorder_at, text, first);
	memcpy(log_state.recorder, text + first, len - first);
	log_state.recorder_at = (log_state.recorder_at + len) % RECORDER_BYTES;
}

static void recorder_line(int level, const char *file, unsigned int line, const char *text)
{
	char head[128];
	struct timespec now;
	int n;

	clock_gettime(CLOCK_REALTIME, &now);
	n = snprintf(head, sizeof(head), "%lld.%06ld %s %s:%u: ", (long long)now.tv_sec,
		     now.tv_nsec / 1000, log_level_name(level), file, line);
	if (n > 0)
		recorder_bytes(head, (size_t)n < sizeof(head) ? (size_t)n : sizeof(head) - 1);
	recorder_bytes(text, strlen(text));
	recorder_bytes("\n", 1);
}

static void recorder_dump(void)
{
	size_t at = log_state.recorder_at;
	FILE *f = fopen(log_state.recorder_path, "we");

	if (f == NULL)
		return;
	for (size_t i = 0; i < RECORDER_BYTES; i++) {
		char c = log_state.recorder[(at + i) % RECORDER_BYTES];

		if (c != '\0')
			fputc(c, f);
	}
	fclose(f);
}

static void log_bug(void *arg, const char *text)
{
	(void)arg;
	log_error("bug, aborting: %s | recorder=%s", text, log_state.recorder_path);
	recorder_dump();
}

/* The libraries tell too much at trace, and Pacemaker's calls what only its own daemons have set up:
 * a helper that has it on ends */
static void log_filters_set(int target, int level)
{
	int theirs = level < LOG_DEBUG ? level : LOG_DEBUG;

	qb_log_filter_ctl(target, QB_LOG_FILTER_CLEAR_ALL, QB_LOG_FILTER_FILE, "*",
			  LOG_LEVEL_TRACE);
	qb_log_filter_ctl(target, QB_LOG_FILTER_ADD, QB_LOG_FILTER_FILE, "*", (uint8_t)theirs);
	qb_log_filter_ctl(target, QB_LOG_FILTER_ADD, QB_LOG_FILTER_FILE_REGEX, OWN_FILES,
			  (uint8_t)level);
}

void log_level_set(int level)
{
	if (level < LOG_ERR)
		level = LOG_ERR;
	if (level > LOG_LEVEL_TRACE)
		level = LOG_LEVEL_TRACE;
	log_state.level = level;
	if (!log_state.is_open)
		return;
	log_filters_set(log_state.target, level);
}

/* Notices, once a second at most, that the file was rotated away: helpers get no signal for that */
static void log_file_follow(time_t now)
{
	struct stat st;

	if (log_state.file == NULL || log_state.looked_at == now)
		return;
	log_state.looked_at = now;
	if (stat(log_state.file, &st) == 0 && st.st_dev == log_state.dev &&
	    st.st_ino == log_state.ino)
		return;
	(void)log_reopen();
	if (stat(log_state.file, &st) == 0) {
		log_state.dev = st.st_dev;
		log_state.ino = st.st_ino;
	}
}

int log_open(const char *ident, const struct options *o)
{
	const struct fatal_ways ways = { .on_fatal = log_fatal, .on_bug = log_bug };
	const char *file = o->text[OPTION_log_file];
	int level = log_level_by_name(o->text[OPTION_log_level]);
	bool is_syslog = *file == '\0';

	if (level < 0)
		return -EINVAL;
	qb_log_init(ident, LOG_DAEMON, LOG_WARNING);
	qb_log_ctl(QB_LOG_SYSLOG, QB_LOG_CONF_ENABLED, is_syslog);
	if (is_syslog)
		log_state.target = QB_LOG_SYSLOG;
	else if (strcmp(file, "-") == 0)
		log_state.target = QB_LOG_STDERR;
	else
		log_state.target = qb_log_file_open(file);
	if (log_state.target < 0) {
		int rc = log_state.target;

		qb_log_fini();
		return rc;
	}
	if (!is_syslog)
		qb_log_format_set(log_state.target, "%T %N[%P] %7p: %b");
	qb_log_ctl(log_state.target, QB_LOG_CONF_MAX_LINE_LEN, LINE_MAX_BYTES);
	log_state.is_open = 1;
	log_state.file = NULL;
	if (!is_syslog && log_state.target != QB_LOG_STDERR) {
		struct stat st = { 0 };

		(void)stat(file, &st);
		log_state.file = file;
		log_state.dev = st.st_dev;
		log_state.ino = st.st_ino;
	}
	log_level_set(level);
	qb_log_ctl(log_state.target, QB_LOG_CONF_ENABLED, QB_TRUE);
	snprintf(log_state.recorder_path, sizeof(log_state.recorder_path), "%s/%s.%d.recorder",
		 o->text[OPTION_run_dir], ident, (int)getpid());
	fatal_ways_set(&ways);
	return 0;
}

void log_close(void)
{
	const struct fatal_ways none = { 0 };

	if (!log_state.is_open)
		return;
	fatal_ways_set(&none);
	log_state.is_open = 0;
	log_state.target = -1;
	qb_log_fini();
}

int log_reopen(void)
{
	if (!log_state.is_open || log_state.target == QB_LOG_SYSLOG ||
	    log_state.target == QB_LOG_STDERR)
		return 0;
	return qb_log_file_reopen(log_state.target, NULL);
}

void log_write(int level, const char *file, unsigned int line, const char *format, ...)
{
	char text[LINE_MAX_BYTES];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	recorder_line(level, file, line, text);
	if (level > log_state.level)
		return;
	log_file_follow(time(NULL));
	if (log_state.is_open)
		qb_log_from_external_source("", file, "%s", (uint8_t)level, line, 0, text);
	else
		fprintf(stderr, "%s: %s\n", log_level_name(level), text);
}
