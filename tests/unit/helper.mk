# SPDX-License-Identifier: GPL-3.0-or-later
# Options, supervisor, retiring, reclock, TDB worker
if HAVE_CMOCKA

check_PROGRAMS += tests/unit/test_options
TESTS += tests/unit/test_options
tests_unit_test_options_SOURCES = tests/unit/test_options.c
tests_unit_test_options_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_options_LDADD = libdaemon.a $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_supervise
TESTS += tests/unit/test_supervise
tests_unit_test_supervise_SOURCES = tests/unit/test_supervise.c
tests_unit_test_supervise_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_supervise_LDADD = libcore.a libdaemon.a libcotdb-base.a $(QB_LIBS) $(CMOCKA_LIBS)

endif
