/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_manual.c: every option, reason, command and exit code of the tables is in the manual, with
 * its default, OCF code and so on as the table has it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/options.h"
#include "lib/reason.h"
#include "tools/tool.h"

#define PAGE_SIZE (256U * 1024U)

/* A page of the manual; make check says where the sources are */
static char *page_read(const char *name)
{
	const char *srcdir = getenv("srcdir");
	char path[1024];
	char *text = calloc(1, PAGE_SIZE);
	FILE *in;

	assert_non_null(text);
	(void)snprintf(path, sizeof(path), "%s/doc/%s", srcdir != NULL ? srcdir : ".", name);
	in = fopen(path, "r");
	if (in == NULL)
		fail_msg("%s cannot be read", path);
	assert_true(fread(text, 1, PAGE_SIZE - 1, in) < PAGE_SIZE - 1);
	assert_int_equal(fclose(in), 0);
	return text;
}

/* The text of the list item that begins with this line; the caller's to free */
static char *item_of(const char *page, const char *line)
{
	const char *begin = strstr(page, line);
	const char *end, *section;
	char *item;

	if (begin == NULL || begin == page || begin[-1] != '\n')
		fail_msg("the manual has no line '%s'", line);
	end = strstr(begin + 1, "\n.It ");
	section = strstr(begin + 1, "\n.El");
	if (end == NULL || (section != NULL && section < end))
		end = section;
	assert_non_null(end);
	item = strndup(begin, (size_t)(end - begin));
	assert_non_null(item);
	return item;
}

static void test_options(void **state)
{
	char *page = page_read("cotdbd.8");
	size_t rows = 0;

	(void)state;
	for (size_t i = 0; i < OPTION_COUNT_OF; i++) {
		const struct option_row *row = &option_table[i];
		char line[256], dflt[256];
		char *item;

		(void)snprintf(line, sizeof(line), ".It Fl -%s Ns = Ns Ar %s\n", row->name,
			       *row->metavar != '\0' ? row->metavar : "true|false");
		item = item_of(page, line);
		(void)snprintf(dflt, sizeof(dflt), "\n.Pq Default: Li %s", row->dflt);
		if (*row->dflt != '\0' && strstr(item, dflt) == NULL)
			fail_msg("the manual's default of --%s is not %s", row->name, row->dflt);
		if (*row->dflt == '\0' && strstr(item, "Default:") != NULL)
			fail_msg("--%s has no default, but one in the manual", row->name);
		free(item);
	}
	for (const char *p = page; (p = strstr(p, "\n.It Fl -")) != NULL; p++)
		rows++;
	assert_int_equal(rows, OPTION_COUNT_OF);
	free(page);
}

static void test_reasons(void **state)
{
	char *page = page_read("cotdb.8");

	(void)state;
	free(item_of(page, ".It Li none\n"));
	for (unsigned int i = 1; i < REASON_COUNT; i++) {
		const struct reason_row *row = reason_row(i);
		char line[256];

		(void)snprintf(line, sizeof(line), ".It Li %s Pq %s, %d\n", row->name,
			       row->cure == REASON_CURE_FINAL ? "final" : "wait", row->ocf);
		free(item_of(page, line));
	}
	free(page);
}

static void test_commands(void **state)
{
	static const struct {
		const char *name, *args;
	} row[] = {
#define COMMAND(function, name, args, help) { name, args },
#include "tools/commands.def"
#undef COMMAND
	};
	char *page = page_read("cotdb.8");

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		char line[256];

		(void)snprintf(line, sizeof(line), "\n.It Ic %s%s", row[i].name,
			       *row[i].args != '\0' ? " " : "\n");
		if (strstr(page, line) == NULL)
			fail_msg("the manual has no command '%s'", row[i].name);
	}
	free(page);
}

static void test_exit_codes(void **state)
{
	static const struct {
		int code;
		const char *text;
	} row[] = {
#define EXIT(id, code, text) { code, text },
#include "tools/exit.def"
#undef EXIT
	};
	char *page = page_read("cotdb.8");

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		char line[256];

		(void)snprintf(line, sizeof(line), "\n.It %d\n%s\n", row[i].code, row[i].text);
		if (strstr(page, line) == NULL)
			fail_msg("the manual has no exit code %d '%s'", row[i].code, row[i].text);
	}
	free(page);
}

static void test_smb_probe(void **state)
{
	static const struct {
		int code;
		const char *text;
	} row[] = {
#define PROBE(id, code, text) { code, text },
#include "tools/smb_probe.def"
#undef PROBE
	};
	char *page = page_read("cotdb-smb-probe.8");

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		char line[256];

		(void)snprintf(line, sizeof(line), "\n.It %d\nthe server %s\n", row[i].code,
			       row[i].text);
		if (strstr(page, line) == NULL)
			fail_msg("the manual has no exit code %d '%s'", row[i].code, row[i].text);
	}
	free(page);
}

static void test_keeper_reasons(void **state)
{
	static const struct {
		int ocf;
		const char *text;
	} row[] = {
#define REASON(id, ocf, text) { ocf, text },
#include "agent/keeper_reason.def"
#undef REASON
	};
	char *page = page_read("ocf_cotdb_smbd.7");

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		char line[256];

		(void)snprintf(line, sizeof(line), ".It %s Pq %d\n", row[i].text, row[i].ocf);
		free(item_of(page, line));
	}
	free(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_exit_codes),
		cmocka_unit_test(test_smb_probe),
		cmocka_unit_test(test_keeper_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
