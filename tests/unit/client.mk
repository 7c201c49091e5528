# SPDX-License-Identifier: GPL-3.0-or-later
# The client socket and the controls
if HAVE_CMOCKA
check_PROGRAMS += tests/unit/test_client
TESTS += tests/unit/test_client
tests_unit_test_client_SOURCES = tests/unit/test_client.c \
	tests/unit/client_peer.c tests/unit/client_peer.h \
	tests/unit/client_world.c tests/unit/client_world.h
tests_unit_test_client_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(QB_CFLAGS) $(TDB_CFLAGS)
tests_unit_test_client_LDADD = libclient.a libdaemon.a libcotdb-base.a \
	$(CMOCKA_LIBS) $(QB_LIBS) $(JSON_LIBS)

check_PROGRAMS += tests/unit/test_client_waits
TESTS += tests/unit/test_client_waits
tests_unit_test_client_waits_SOURCES = tests/unit/test_client_waits.c
tests_unit_test_client_waits_CFLAGS = $(tests_unit_test_client_CFLAGS)
tests_unit_test_client_waits_LDADD = $(tests_unit_test_client_LDADD)

check_PROGRAMS += tests/unit/test_controls
TESTS += tests/unit/test_controls
tests_unit_test_controls_SOURCES = tests/unit/test_controls.c \
	tests/unit/client_peer.c tests/unit/client_peer.h \
	tests/unit/client_world.c tests/unit/client_world.h
tests_unit_test_controls_CFLAGS = $(tests_unit_test_client_CFLAGS)
tests_unit_test_controls_LDADD = $(tests_unit_test_client_LDADD)
endif
