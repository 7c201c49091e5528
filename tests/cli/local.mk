# SPDX-License-Identifier: GPL-3.0-or-later
check_PROGRAMS += tests/cli/is_json
tests_cli_is_json_SOURCES = tests/cli/is_json.c
tests_cli_is_json_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
tests_cli_is_json_LDADD = $(JSON_LIBS)
TESTS += tests/cli/arguments
EXTRA_DIST += tests/cli/arguments
