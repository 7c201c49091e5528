/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * log_qb.c: libqb's log as the sink, for processes that have libqb anyhow: syslog, a file or
 * standard error. The file is opened for appending by each process; a line is one write, so that
 * lines of several processes do not mix.
 */
#include "daemon/log.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <qb/qbdefs.h>
#include <qb/qblog.h>

#define OWN_FILES "\\(daemon\\|tests\\)/" /* a basic regular expression */

/* One per process, as libqb's own is */
static struct {
	int target; /* libqb's number */
	bool is_open;
	const char *file; /* NULL: syslog or standard error */
	time_t looked_at; /* when the file was last looked for under its name */
	dev_t dev;
	ino_t ino;
} log_qb;

/* The libraries tell too much at trace, and Pacemaker's calls what only its own daemons have set
 * up: a helper that has it on ends */
static void log_qb_level_set(int level)
{
	int target = log_qb.target;
	int theirs = level < LOG_DEBUG ? level : LOG_DEBUG;

	qb_log_filter_ctl(target, QB_LOG_FILTER_CLEAR_ALL, QB_LOG_FILTER_FILE, "*",
			  LOG_LEVEL_TRACE);
	qb_log_filter_ctl(target, QB_LOG_FILTER_ADD, QB_LOG_FILTER_FILE, "*", (uint8_t)theirs);
	qb_log_filter_ctl(target, QB_LOG_FILTER_ADD, QB_LOG_FILTER_FILE_REGEX, OWN_FILES,
			  (uint8_t)level);
}

/* Notices, once a second at most, that the file was rotated away: helpers get no signal for that */
static void log_qb_follow(time_t now)
{
	struct stat st;

	if (log_qb.file == NULL || log_qb.looked_at == now)
		return;
	log_qb.looked_at = now;
	if (stat(log_qb.file, &st) == 0 && st.st_dev == log_qb.dev && st.st_ino == log_qb.ino)
		return;
	(void)log_reopen();
	if (stat(log_qb.file, &st) == 0) {
		log_qb.dev = st.st_dev;
		log_qb.ino = st.st_ino;
	}
}

static void log_qb_write(int level, const char *file, unsigned int line, const char *text)
{
	log_qb_follow(time(NULL));
	qb_log_from_external_source("", file, "%s", (uint8_t)level, line, 0, text);
}

static void log_qb_close(void)
{
	log_qb.is_open = false;
	qb_log_fini();
}

int log_open(const char *ident, const struct options *o)
{
	static const struct log_sink sink = {
		.write = log_qb_write,
		.level_set = log_qb_level_set,
		.close = log_qb_close,
	};
	const char *file = o->text[OPTION_log_file];
	bool is_syslog = *file == '\0';
	int rc;

	qb_log_init(ident, LOG_DAEMON, LOG_WARNING);
	qb_log_ctl(QB_LOG_SYSLOG, QB_LOG_CONF_ENABLED, is_syslog);
	if (is_syslog)
		log_qb.target = QB_LOG_SYSLOG;
	else if (strcmp(file, "-") == 0)
		log_qb.target = QB_LOG_STDERR;
	else
		log_qb.target = qb_log_file_open(file);
	rc = log_qb.target < 0 ? log_qb.target : log_sink_set(&sink, ident, o);
	if (rc != 0) {
		qb_log_fini();
		return rc;
	}
	if (!is_syslog)
		qb_log_format_set(log_qb.target, "%T %N[%P] %7p: %b");
	qb_log_ctl(log_qb.target, QB_LOG_CONF_MAX_LINE_LEN, LOG_LINE_MAX);
	log_qb.is_open = true;
	log_qb.file = NULL;
	if (!is_syslog && log_qb.target != QB_LOG_STDERR) {
		struct stat st = { 0 };

		(void)stat(file, &st);
		log_qb.file = file;
		log_qb.dev = st.st_dev;
		log_qb.ino = st.st_ino;
	}
	qb_log_ctl(log_qb.target, QB_LOG_CONF_ENABLED, QB_TRUE);
	return 0;
}

int log_reopen(void)
{
	if (!log_qb.is_open || log_qb.target == QB_LOG_SYSLOG || log_qb.target == QB_LOG_STDERR)
		return 0;
	return qb_log_file_reopen(log_qb.target, NULL);
}
