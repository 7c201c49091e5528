/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * log.c: what all processes of the daemon have in common (log.h): the level, the flight recorder,
 * what fatal() and bug() tell. Where lines go is the sink's (log_qb.c, helper_begin.c).
 *
 * The flight recorder is our own ring of text and not libqb's, which lives in files in /dev/shm
 * that a killed process leaves behind; ours are killed by design.
 */
#include "daemon/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "daemon/fatal.h"

#define RECORDER_BYTES (128 * 1024)

static const struct {
	const char *name;
	int level;
} log_levels[] = {
	{ "error", LOG_ERR }, { "warning", LOG_WARNING }, { "notice", LOG_NOTICE },
	{ "info", LOG_INFO }, { "debug", LOG_DEBUG },	  { "trace", LOG_LEVEL_TRACE },
};

/* One log per process */
static struct {
	int level;
	const struct log_sink *sink; /* NULL: standard error */
	char recorder_path[512];
	size_t recorder_at; /* next byte in the ring */
	char recorder[RECORDER_BYTES];
} log_state = { .level = LOG_NOTICE };

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

void log_level_set(int level)
{
	if (level < LOG_ERR)
		level = LOG_ERR;
	if (level > LOG_LEVEL_TRACE)
		level = LOG_LEVEL_TRACE;
	log_state.level = level;
	if (log_state.sink != NULL && log_state.sink->level_set != NULL)
		log_state.sink->level_set(level);
}

int log_sink_set(const struct log_sink *sink, const char *ident, const struct options *o)
{
	const struct fatal_ways ways = { .on_fatal = log_fatal, .on_bug = log_bug };
	int level = log_level_by_name(o->text[OPTION_log_level]);

	if (level < 0)
		return -EINVAL;
	log_state.sink = sink;
	log_level_set(level);
	snprintf(log_state.recorder_path, sizeof(log_state.recorder_path), "%s/%s.%d.recorder",
		 o->text[OPTION_run_dir], ident, (int)getpid());
	fatal_ways_set(&ways);
	return 0;
}

void log_close(void)
{
	const struct log_sink *sink = log_state.sink;
	const struct fatal_ways none = { 0 };

	if (sink == NULL)
		return;
	fatal_ways_set(&none);
	log_state.sink = NULL;
	if (sink->close != NULL)
		sink->close();
}

void log_write(int level, const char *file, unsigned int line, const char *format, ...)
{
	char text[LOG_LINE_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	recorder_line(level, file, line, text);
	if (level > log_state.level)
		return;
	if (log_state.sink != NULL)
		log_state.sink->write(level, file, line, text);
	else
		fprintf(stderr, "%s: %s\n", log_level_name(level), text);
}
