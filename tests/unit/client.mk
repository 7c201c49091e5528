# SPDX-License-Identifier: GPL-3.0-or-later
# The client socket and the controls
if HAVE_CMOCKA
client_tests = tests/unit/test_client tests/unit/test_client_calls tests/unit/test_client_flow \
	tests/unit/test_client_messages tests/unit/test_client_traverse tests/unit/test_client_waits \
	tests/unit/test_controls tests/unit/test_controls_db
client_test_cflags = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(QB_CFLAGS) $(TDB_CFLAGS)
client_test_libs = libclient.a libdaemon.a libcotdb-base.a $(CMOCKA_LIBS) $(QB_LIBS) $(JSON_LIBS)
check_PROGRAMS += $(client_tests)
TESTS += $(client_tests)

check_LIBRARIES += tests/unit/libclient_world.a
tests_unit_libclient_world_a_SOURCES = tests/unit/client_peer.c tests/unit/client_peer.h \
	tests/unit/client_world.c tests/unit/client_world.h
tests_unit_libclient_world_a_CFLAGS = $(client_test_cflags)

tests_unit_test_client_CFLAGS = $(client_test_cflags)
tests_unit_test_client_LDADD = tests/unit/libclient_world.a $(client_test_libs)

tests_unit_test_client_calls_CFLAGS = $(client_test_cflags)
tests_unit_test_client_calls_LDADD = tests/unit/libclient_world.a $(client_test_libs)

tests_unit_test_client_flow_CFLAGS = $(client_test_cflags)
tests_unit_test_client_flow_LDADD = tests/unit/libclient_world.a $(client_test_libs)

tests_unit_test_client_messages_CFLAGS = $(client_test_cflags)
tests_unit_test_client_messages_LDADD = tests/unit/libclient_world.a $(client_test_libs)

tests_unit_test_client_traverse_CFLAGS = $(client_test_cflags)
tests_unit_test_client_traverse_LDADD = tests/unit/libclient_world.a $(client_test_libs)

tests_unit_test_client_waits_CFLAGS = $(client_test_cflags)
tests_unit_test_client_waits_LDADD = $(client_test_libs)

tests_unit_test_controls_CFLAGS = $(client_test_cflags)
tests_unit_test_controls_LDADD = tests/unit/libclient_world.a $(client_test_libs)

tests_unit_test_controls_db_CFLAGS = $(client_test_cflags)
tests_unit_test_controls_db_LDADD = tests/unit/libclient_world.a $(client_test_libs)
endif
