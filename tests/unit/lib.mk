# SPDX-License-Identifier: GPL-3.0-or-later
# The tests of lib/
if HAVE_CMOCKA
lib_tests = tests/unit/test_cursor tests/unit/test_jenkins tests/unit/test_payload
check_PROGRAMS += $(lib_tests)
TESTS += $(lib_tests)
tests_unit_test_cursor_SOURCES = tests/unit/test_cursor.c
tests_unit_test_cursor_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_cursor_LDADD = libcotdb-base.a $(CMOCKA_LIBS)
tests_unit_test_jenkins_SOURCES = tests/unit/test_jenkins.c
tests_unit_test_jenkins_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(TDB_CFLAGS)
tests_unit_test_jenkins_LDADD = libcotdb-base.a $(CMOCKA_LIBS) $(TDB_LIBS)
tests_unit_test_payload_SOURCES = tests/unit/test_payload.c
tests_unit_test_payload_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_payload_LDADD = libcotdb-base.a $(CMOCKA_LIBS)
endif
