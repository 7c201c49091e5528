# SPDX-License-Identifier: GPL-3.0-or-later
# The tests of lib/
if HAVE_CMOCKA
lib_tests = tests/unit/test_cursor tests/unit/test_jenkins tests/unit/test_payload \
	tests/unit/test_codec tests/unit/test_bench tests/unit/test_libcotdb
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
tests_unit_test_codec_SOURCES = tests/unit/test_codec.c tests/fuzz/decode_all.c tests/fuzz/decode_all.h
tests_unit_test_codec_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_codec_LDADD = libcotdb-base.a $(CMOCKA_LIBS)
tests_unit_test_bench_SOURCES = tests/unit/test_bench.c \
	tools/bench/histogram.c tools/bench/ring_packet.c tools/bench/tally.c
tests_unit_test_bench_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_bench_LDADD = libcotdb-base.a $(CMOCKA_LIBS)
tests_unit_test_libcotdb_SOURCES = tests/unit/test_libcotdb.c
tests_unit_test_libcotdb_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_libcotdb_LDADD = libcotdb.la libcotdb-base.a $(CMOCKA_LIBS)
endif
EXTRA_DIST += tests/unit/golden/record tests/unit/golden/vectors.txt
