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

check_PROGRAMS += tests/unit/test_persist
TESTS += tests/unit/test_persist
tests_unit_test_persist_SOURCES = tests/unit/test_persist.c
tests_unit_test_persist_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_persist_LDADD = libsupervisor.a libdaemon.a libcotdb-base.a $(QB_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_retire
TESTS += tests/unit/test_retire
tests_unit_test_retire_SOURCES = tests/unit/test_retire.c
tests_unit_test_retire_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_retire_LDADD = libsupervisor.a libdaemon.a libcotdb-base.a $(TDB_LIBS) $(QB_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_reclock
TESTS += tests/unit/test_reclock
tests_unit_test_reclock_SOURCES = tests/unit/test_reclock.c tests/unit/helper_process.h
tests_unit_test_reclock_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_reclock_LDADD = libsupervisor.a libdaemon.a libcotdb-base.a $(QB_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_worker
TESTS += tests/unit/test_worker
tests_unit_test_worker_SOURCES = tests/unit/test_worker.c tests/unit/helper_process.h
tests_unit_test_worker_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_worker_LDADD = libsupervisor.a libdaemon.a libcotdb-base.a $(TDB_LIBS) $(QB_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_cotdbd
TESTS += tests/unit/test_cotdbd
tests_unit_test_cotdbd_SOURCES = tests/unit/test_cotdbd.c
tests_unit_test_cotdbd_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_cotdbd_LDADD = libsupervisor.a libcotdb-base.a $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_supervisor_engine
TESTS += tests/unit/test_supervisor_engine
tests_unit_test_supervisor_engine_SOURCES = tests/unit/test_supervisor_engine.c \
	daemon/helper/supervisor_engine.c
tests_unit_test_supervisor_engine_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(CPG_CFLAGS) $(CMAP_CFLAGS) \
	$(CMOCKA_CFLAGS)
tests_unit_test_supervisor_engine_LDADD = libsupervisor.a libcore.a libdaemon.a libcotdb-base.a \
	$(QB_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test_log
TESTS += tests/unit/test_log
tests_unit_test_log_SOURCES = tests/unit/test_log.c
tests_unit_test_log_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_log_LDADD = libcore.a libdaemon.a libcotdb-base.a $(QB_LIBS) $(CMOCKA_LIBS)

endif
