/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_options.c: the options' table, each type's right and wrong values, --help */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "daemon/options.h"

static char error[512];

static int parse(struct options *o, const char *arg)
{
	error[0] = '\0';
	return options_parse(o, arg, error, sizeof(error));
}

static void every_default_is_valid(void **state)
{
	struct options o, again;
	char arg[4200];

	(void)state;
	options_init(&o);
	options_init(&again);
	for (size_t i = 0; i < OPTION_COUNT_OF; i++) {
		snprintf(arg, sizeof(arg), "--%s=%s", option_table[i].name, option_table[i].dflt);
		assert_int_equal(parse(&again, arg), 0);
		assert_string_equal(again.text[i], o.text[i]);
		assert_int_equal(again.number[i], o.number[i]);
		again = o; /* its texts pointed into arg */
	}
	assert_int_equal(o.number[OPTION_port], 4379);
	assert_int_equal(o.number[OPTION_allow_unfenced], 0);
	assert_int_equal(o.number[OPTION_fence_grace], 30000);
	assert_string_equal(o.text[OPTION_recovery_lock], "");
}

static void times_have_units(void **state)
{
	static const struct {
		const char *arg;
		uint64_t ms;
	} good[] = {
		{ "--state-timeout=500ms", 500 },    { "--state_timeout=5s", 5000 },
		{ "--state-timeout=7", 7000 },	     { "--state_timeout=2min", 120000 },
		{ "--state_timeout=24h", 86400000 },
	};
	static const char *const bad[] = {
		"--state_timeout=",	"--state_timeout=0",
		"--state_timeout=25h",	"--state_timeout=-1s",
		"--state_timeout=5 s",	"--state_timeout=s",
		"--state_timeout=5sx",	"--state_timeout=99999999999999999999999s",
		"--state_timeout=0x10", "--state_timeout=1.5s",
	};
	struct options o;

	(void)state;
	options_init(&o);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(parse(&o, good[i].arg), 0);
		assert_int_equal(o.number[OPTION_state_timeout], good[i].ms);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse(&o, bad[i]), -EINVAL);
		assert_non_null(strstr(error, "state_timeout"));
		assert_int_equal(o.number[OPTION_state_timeout], 86400000);
	}
}

static void wrong_values_are_named(void **state)
{
	static const char *const bad[] = {
		"--port=0",	"--port=65536", "--port=x",	  "--port=",
		"--port=4379 ", "--socket=",	"--socket=rel",	  "--allow_unfenced=perhaps",
		"--workers=-1", "--log_level=", "--socket=/a\nb", "--port",
	};
	struct options o;

	(void)state;
	options_init(&o);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse(&o, bad[i]), -EINVAL);
		assert_true(strlen(error) > 10);
	}
	assert_int_equal(o.number[OPTION_port], 4379);
}

static void unknown_options_are_refused(void **state)
{
	static const char *const bad[] = { "",	      "-",	   "--",     "--=",
					   "--por=1", "--ports=1", "port=1", "x" };
	struct options o;

	(void)state;
	options_init(&o);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(parse(&o, bad[i]), -ENOENT);
}

static void dash_and_underscore_are_alike(void **state)
{
	struct options o;

	(void)state;
	options_init(&o);
	assert_int_equal(parse(&o, "--allow-unfenced=yes"), 0);
	assert_int_equal(o.number[OPTION_allow_unfenced], 1);
	assert_int_equal(parse(&o, "--log-file=-"), 0);
	assert_string_equal(o.text[OPTION_log_file], "-");
}

static void help_names_every_option(void **state)
{
	char text[16384], name[128], small[40];

	(void)state;
	options_help(text, sizeof(text));
	assert_true(strlen(text) + 1 < sizeof(text));
	for (size_t i = 0; i < OPTION_COUNT_OF; i++) {
		snprintf(name, sizeof(name), "--%s=", option_table[i].name);
		assert_non_null(strstr(text, name));
		assert_non_null(strstr(text, option_table[i].text));
	}
	options_help(small, sizeof(small));
	assert_int_equal(strlen(small), sizeof(small) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_default_is_valid),
		cmocka_unit_test(times_have_units),
		cmocka_unit_test(wrong_values_are_named),
		cmocka_unit_test(unknown_options_are_refused),
		cmocka_unit_test(dash_and_underscore_are_alike),
		cmocka_unit_test(help_names_every_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
