# SPDX-License-Identifier: GPL-3.0-or-later
if HAVE_CMOCKA
core_tests = tests/unit/test_core tests/unit/test_commit tests/unit/test_detach tests/unit/test_drain tests/unit/test_core_view tests/unit/test_roster \
	tests/unit/test_link tests/unit/test_location tests/unit/test_push tests/unit/test_slot tests/unit/test_traverse tests/unit/test_vacuum
check_PROGRAMS += $(core_tests)
TESTS += $(core_tests)

tests_unit_test_core_SOURCES = \
	tests/unit/test_core.c tests/unit/core_world.c tests/unit/core_world.h
tests_unit_test_core_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_core_LDADD = libcore.a libdaemon.a libcotdb-base.a $(SODIUM_LIBS) $(CMOCKA_LIBS)

tests_unit_test_commit_SOURCES = \
	tests/unit/test_commit.c tests/unit/core_world.c tests/unit/core_world.h
tests_unit_test_commit_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_commit_LDADD = libcore.a libdaemon.a libcotdb-base.a $(SODIUM_LIBS) $(CMOCKA_LIBS)

tests_unit_test_detach_SOURCES = \
	tests/unit/test_detach.c tests/unit/core_world.c tests/unit/core_world.h
tests_unit_test_detach_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_detach_LDADD = libcore.a libdaemon.a libcotdb-base.a $(SODIUM_LIBS) $(CMOCKA_LIBS)

tests_unit_test_drain_SOURCES = \
	tests/unit/test_drain.c tests/unit/core_world.c tests/unit/core_world.h
tests_unit_test_drain_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_drain_LDADD = libcore.a libdaemon.a libcotdb-base.a $(SODIUM_LIBS) $(CMOCKA_LIBS)

tests_unit_test_core_view_SOURCES = \
	tests/unit/test_core_view.c tests/unit/core_world.c tests/unit/core_world.h
tests_unit_test_core_view_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_core_view_LDADD = libcore.a libdaemon.a libcotdb-base.a $(SODIUM_LIBS) $(CMOCKA_LIBS)

tests_unit_test_link_SOURCES = \
	tests/unit/test_link.c tests/unit/core_world.c tests/unit/core_world.h
tests_unit_test_link_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_link_LDADD = libcore.a libdaemon.a libcotdb-base.a $(SODIUM_LIBS) $(CMOCKA_LIBS)

tests_unit_test_location_SOURCES = \
	tests/unit/test_location.c tests/unit/core_world.c tests/unit/core_world.h
tests_unit_test_location_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_location_LDADD = libcore.a libdaemon.a libcotdb-base.a $(SODIUM_LIBS) $(CMOCKA_LIBS)

tests_unit_test_push_SOURCES = \
	tests/unit/test_push.c tests/unit/core_world.c tests/unit/core_world.h
tests_unit_test_push_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_push_LDADD = libcore.a libdaemon.a libcotdb-base.a $(SODIUM_LIBS) $(CMOCKA_LIBS)

tests_unit_test_slot_SOURCES = \
	tests/unit/test_slot.c tests/unit/core_world.c tests/unit/core_world.h
tests_unit_test_slot_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_slot_LDADD = libcore.a libdaemon.a libcotdb-base.a $(SODIUM_LIBS) $(CMOCKA_LIBS)

tests_unit_test_traverse_SOURCES = \
	tests/unit/test_traverse.c tests/unit/core_world.c tests/unit/core_world.h
tests_unit_test_traverse_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_traverse_LDADD = libcore.a libdaemon.a libcotdb-base.a $(SODIUM_LIBS) $(CMOCKA_LIBS)

tests_unit_test_vacuum_SOURCES = \
	tests/unit/test_vacuum.c tests/unit/core_world.c tests/unit/core_world.h
tests_unit_test_vacuum_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_vacuum_LDADD = libcore.a libdaemon.a libcotdb-base.a $(SODIUM_LIBS) $(CMOCKA_LIBS)

tests_unit_test_roster_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_roster_LDADD = libcore.a libdaemon.a libcotdb-base.a $(CMOCKA_LIBS)
endif
