# SPDX-License-Identifier: GPL-3.0-or-later
include tests/unit/lib.mk
include tests/unit/io.mk
include tests/unit/core.mk
include tests/unit/pacemaker.mk
if HAVE_CMOCKA

check_PROGRAMS += tests/unit/test_options
TESTS += tests/unit/test_options
tests_unit_test_options_SOURCES = tests/unit/test_options.c
tests_unit_test_options_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_options_LDADD = libdaemon.a $(CMOCKA_LIBS)

endif
