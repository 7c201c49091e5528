/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_log.c: log, fatal(), bug() and fsm_move(), each in a process of its own, as they end one or
 * keep state of one.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <qb/qblog.h>
#include <cmocka.h>
#include "daemon/core/fsm.h"
#include "daemon/fatal.h"
#include "daemon/log.h"

static char dir[64], file[128], text[65536];

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "log-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(file, sizeof(file), "%s/log", dir);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf ./%s", dir);
	return system(command);
}

static void begin(const char *level)
{
	struct options o;

	options_init(&o);
	o.text[OPTION_log_file] = file;
	o.text[OPTION_run_dir] = dir;
	o.text[OPTION_log_level] = level;
	if (log_open("test", &o) != 0)
		_exit(99);
}

static int status_of(void (*what)(void))
{
	pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		what();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static const char *content(const char *path)
{
	FILE *f = fopen(path, "re");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static void do_levels(void)
{
	begin("notice");
	log_notice("a notice | number=%d percent=%s", 7, "%s");
	log_info("an info");
	log_level_set(LOG_DEBUG);
	log_debug("a debug line");
	log_trace("a trace");
	log_level_set(1000);
	log_trace("a late trace");
	qb_log_from_external_source("f", "lib/other.c", "of another %s", LOG_DEBUG, 1, 0,
				    "at debug");
	qb_log_from_external_source("f", "lib/other.c", "of another %s", LOG_LEVEL_TRACE, 2, 0,
				    "at trace");
	log_close();
}

static void levels_are_kept(void **state)
{
	(void)state;
	assert_int_equal(status_of(do_levels), 0);
	(void)content(file);
	assert_non_null(strstr(text, "notice"));
	assert_non_null(strstr(text, ": a notice | number=7 percent=%s\n"));
	assert_null(strstr(text, "an info"));
	assert_non_null(strstr(text, "a debug line"));
	assert_null(strstr(text, "a trace"));
	assert_non_null(strstr(text, "a late trace"));
	assert_non_null(strstr(text, "of another at debug"));
	assert_null(strstr(text, "of another at trace"));
}

static void do_rotate(void)
{
	char aside[160];

	begin("notice");
	log_notice("before");
	snprintf(aside, sizeof(aside), "%s.1", file);
	if (rename(file, aside) != 0 || log_reopen() != 0)
		_exit(98);
	log_notice("after");
	log_close();
}

static void a_rotated_file_is_opened_anew(void **state)
{
	(void)state;
	assert_int_equal(status_of(do_rotate), 0);
	assert_non_null(strstr(content(file), "after"));
	assert_null(strstr(text, "before"));
}

static void do_fatal(void)
{
	begin("error");
	fatal(REASON_NO_SPACE, "%s has %d bytes", "/x", 3);
}

static void fatal_ends_with_the_code_of_the_reason(void **state)
{
	int status = status_of(do_fatal);

	(void)state;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), reason_row(REASON_NO_SPACE)->ocf);
	assert_non_null(strstr(content(file), "/x has 3 bytes"));
	assert_non_null(strstr(text, reason_row(REASON_NO_SPACE)->text));
}

static void do_bug(void)
{
	begin("error");
	for (int i = 0; i < 10000; i++) /* more than the recorder holds */
		log_info("only the recorder keeps line number %d", i);
	bug("two owners of %s", "a record");
}

static void bug_writes_the_flight_recorder(void **state)
{
	char path[128], name[128] = "";
	int status = status_of(do_bug);
	FILE *ls;

	(void)state;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(strstr(content(file), "two owners of a record"));
	assert_null(strstr(text, "line number"));
	snprintf(path, sizeof(path), "ls %s/*.recorder", dir);
	ls = popen(path, "re");
	assert_non_null(ls);
	assert_int_equal(fscanf(ls, "%120s", name), 1);
	pclose(ls);
	(void)content(name);
	assert_null(strstr(text, "line number 1\n"));
	snprintf(path, sizeof(path), "tail -n 2 %s", name);
	ls = popen(path, "re");
	text[fread(text, 1, sizeof(text) - 1, ls)] = '\0';
	pclose(ls);
	assert_non_null(strstr(text, "line number 9999\n"));
	assert_non_null(strstr(text, "two owners of a record"));
}

static void count_log(void *world, enum core_log level, const char *line)
{
	(void)level;
	(*(unsigned int *)world)++;
	if (strcmp(line, "door: open to shut: the wind | force=9") != 0)
		_exit(97);
}

static void do_moves(void)
{
	static const struct fsm_state door[] = {
		[0] = { "open", FSM_TO(1) | FSM_TO(0) },
		[1] = { "shut", FSM_TO(1) },
	};
	unsigned int lines = 0;
	struct fsm f;

	fsm_init(&f, "door", door, 2, 0, count_log, &lines);
	fsm_move(&f, 0, "nothing happens");
	fsm_move(&f, 1, "the wind | force=%d", 9);
	fsm_move(&f, 1, "nothing happens");
	if (f.moves != 3 || lines != 1 || strcmp(fsm_state_name(&f), "shut") != 0)
		_exit(96);
	if (freopen("/dev/null", "w", stderr) != NULL)
		fsm_move(&f, 0, "it is locked");
}

static void a_move_against_the_table_is_a_bug(void **state)
{
	int status = status_of(do_moves);

	(void)state;
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(levels_are_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_rotated_file_is_opened_anew, set_up, tear_down),
		cmocka_unit_test_setup_teardown(fatal_ends_with_the_code_of_the_reason, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(bug_writes_the_flight_recorder, set_up, tear_down),
		cmocka_unit_test(a_move_against_the_table_is_a_bug),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
