/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * log.h: one log for supervisor, engine and helpers, on libqb: syslog, a file or standard error
 * (options log_level, log_file), and a flight recorder in memory that bug() writes to run_dir.
 * Helpers without libqb have the engine log for them (helper_begin.h).
 *
 * A line is a sentence, then " | " and key=value pairs when there are any:
 *   log_notice("recovery waits for fencing | view=%u node=%s", view, node);
 */
#ifndef COTDB_LOG_H
#define COTDB_LOG_H

#include <syslog.h>
#include "daemon/options.h"

#define LOG_LEVEL_TRACE (LOG_DEBUG + 1)
#define LOG_LINE_MAX	2048 /* bytes, with the NUL; the rest is cut */

/* Where lines go */
struct log_sink {
	/* A sentence without an end of line, of the level or below */
	void (*write)(int level, const char *file, unsigned int line, const char *text);
	void (*level_set)(int level); /* NULL: it does not care */
	void (*close)(void);	      /* NULL: the same */
};

/* The number of a level's name (error, warning, notice, info, debug, trace), or -1 */
int log_level_by_name(const char *name);
const char *log_level_name(int level);

/* ident: who is writing ("cotdb-engine"), borrowed for good. 0, -EINVAL: no such level, or the
 * error of opening the file. Sets fatal() and bug() up to write here. */
int log_open(const char *ident, const struct options *o);
/* The same with another sink, borrowed until log_close(): 0, -EINVAL: no such level */
int log_sink_set(const struct log_sink *sink, const char *ident, const struct options *o);
void log_close(void);
/* SIGHUP: the file was rotated away (which is also noticed without). Not in a signal handler. */
int log_reopen(void);
/* Changes the level while running: LOG_ERR ... LOG_LEVEL_TRACE; and tells it */
void log_level_set(int level);
int log_level(void);
/* What is worth formatting: the level, and for the flight recorder at least LOG_INFO */
int log_threshold(void);

void log_write(int level, const char *file, unsigned int line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#define log_at(level, ...)                                                                         \
	do {                                                                                       \
		if ((level) <= log_threshold())                                                    \
			log_write((level), __FILE__, __LINE__, __VA_ARGS__);                       \
	} while (0)
#define log_error(...)	 log_at(LOG_ERR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_WARNING, __VA_ARGS__)
#define log_notice(...)	 log_at(LOG_NOTICE, __VA_ARGS__)
#define log_info(...)	 log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...)	 log_at(LOG_DEBUG, __VA_ARGS__)
#define log_trace(...)	 log_at(LOG_LEVEL_TRACE, __VA_ARGS__)

#endif
