# SPDX-License-Identifier: GPL-3.0-or-later
# The tests of tools/cotdb and of the manual
if HAVE_CMOCKA
tools_tests = tests/unit/test_status_text tests/unit/test_manual tests/unit/test_smb_probe \
	tests/unit/test_process
check_PROGRAMS += $(tools_tests)
TESTS += $(tools_tests)
tests_unit_test_status_text_SOURCES = tests/unit/test_status_text.c \
	tools/field.c tools/field.h tools/recovery_text.c tools/recovery_text.h \
	tools/status_text.c tools/status_text.h \
	tools/table.c tools/table.h
tests_unit_test_status_text_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(JSON_CFLAGS)
tests_unit_test_status_text_LDADD = $(CMOCKA_LIBS) $(JSON_LIBS)
tests_unit_test_manual_SOURCES = tests/unit/test_manual.c tools/tool.h \
	tools/commands.def tools/exit.def tools/smb_probe.def agent/keeper_reason.def
tests_unit_test_manual_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(JSON_CFLAGS)
tests_unit_test_manual_LDADD = libdaemon.a libcotdb-base.a $(CMOCKA_LIBS)
tests_unit_test_smb_probe_SOURCES = tests/unit/test_smb_probe.c \
	tools/smb_probe.c tools/smb_probe.def tools/smb_probe.h
tests_unit_test_smb_probe_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_smb_probe_LDADD = libcotdb-base.a $(CMOCKA_LIBS)
tests_unit_test_process_SOURCES = tests/unit/test_process.c agent/process.c agent/process.h
tests_unit_test_process_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_process_LDADD = $(CMOCKA_LIBS)
endif
