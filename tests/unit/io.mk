# SPDX-License-Identifier: GPL-3.0-or-later
# daemon/io
if HAVE_CMOCKA

io_test_libs = libio.a libdaemon.a libcotdb-base.a \
	$(QB_LIBS) $(CPG_LIBS) $(QUORUM_LIBS) $(CMAP_LIBS) $(TDB_LIBS) $(SODIUM_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_transport
TESTS += tests/unit/test_transport
tests_unit_test_transport_SOURCES = tests/unit/test_transport.c
tests_unit_test_transport_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(SODIUM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_transport_LDADD = $(io_test_libs)

store_tests = tests/unit/test_store tests/unit/test_store_lock tests/unit/test_store_read \
	tests/unit/test_store_replica
store_test_cflags = $(AM_CFLAGS) $(QB_CFLAGS) $(TDB_CFLAGS) $(CMOCKA_CFLAGS) \
	-DTEST_LIBEXECDIR=\"$(abs_builddir)\"
check_PROGRAMS += $(store_tests)
TESTS += $(store_tests)

check_LIBRARIES += tests/unit/libstore_world.a
tests_unit_libstore_world_a_SOURCES = tests/unit/store_world.c tests/unit/store_world.h
tests_unit_libstore_world_a_CFLAGS = $(store_test_cflags)

tests_unit_test_store_CFLAGS = $(store_test_cflags)
tests_unit_test_store_LDADD = tests/unit/libstore_world.a $(io_test_libs)

tests_unit_test_store_lock_CFLAGS = $(store_test_cflags)
tests_unit_test_store_lock_LDADD = tests/unit/libstore_world.a $(io_test_libs)

tests_unit_test_store_read_CFLAGS = $(store_test_cflags)
tests_unit_test_store_read_LDADD = tests/unit/libstore_world.a $(io_test_libs)

tests_unit_test_store_replica_CFLAGS = $(store_test_cflags)
tests_unit_test_store_replica_LDADD = tests/unit/libstore_world.a $(io_test_libs)

check_PROGRAMS += tests/unit/test_store_judge
TESTS += tests/unit/test_store_judge
tests_unit_test_store_judge_SOURCES = tests/unit/test_store_judge.c
tests_unit_test_store_judge_CFLAGS = $(AM_CFLAGS) $(TDB_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_store_judge_LDADD = libhelper.a libdaemon.a libcotdb-base.a $(TDB_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_times
TESTS += tests/unit/test_times
tests_unit_test_times_SOURCES = tests/unit/test_times.c
tests_unit_test_times_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_times_LDADD = $(io_test_libs)

check_PROGRAMS += tests/unit/test_poller
TESTS += tests/unit/test_poller
tests_unit_test_poller_SOURCES = tests/unit/test_poller.c
tests_unit_test_poller_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_poller_LDADD = libclient.a libdaemon.a libcotdb-base.a $(QB_LIBS) $(CMOCKA_LIBS)

endif
