# SPDX-License-Identifier: GPL-3.0-or-later
if HAVE_CMOCKA
pacemaker_tests = \
	tests/unit/test_agent_metadata \
	tests/unit/test_cib_check \
	tests/unit/test_cib_read \
	tests/unit/test_fence_history \
	tests/unit/test_supervisor_act
check_PROGRAMS += $(pacemaker_tests)
TESTS += $(pacemaker_tests)

tests_unit_test_agent_metadata_SOURCES = tests/unit/test_agent_metadata.c
tests_unit_test_agent_metadata_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(XML_CFLAGS)
tests_unit_test_agent_metadata_LDADD = libdaemon.a $(XML_LIBS) $(CMOCKA_LIBS)
EXTRA_tests_unit_test_agent_metadata_DEPENDENCIES = agent/cotdbd

tests_unit_test_cib_check_SOURCES = tests/unit/test_cib_check.c
tests_unit_test_cib_check_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(XML_CFLAGS)
tests_unit_test_cib_check_CPPFLAGS = $(AM_CPPFLAGS) -DSRCDIR=\"$(abs_srcdir)\"
tests_unit_test_cib_check_LDADD = libcotdb-cib.a libdaemon.a libcotdb-base.a $(XML_LIBS) $(CMOCKA_LIBS)
EXTRA_tests_unit_test_cib_check_DEPENDENCIES = cib-schema/cotdb.rng
EXTRA_DIST += tests/unit/cib/crmsh-clone.xml tests/unit/cib/crmsh-poor.xml

tests_unit_test_cib_read_SOURCES = tests/unit/test_cib_read.c
tests_unit_test_cib_read_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(XML_CFLAGS)
tests_unit_test_cib_read_LDADD = libcotdb-cib.a $(XML_LIBS) $(CMOCKA_LIBS)

tests_unit_test_fence_history_SOURCES = tests/unit/test_fence_history.c
tests_unit_test_fence_history_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_test_fence_history_LDADD = libcotdb-cib.a libcotdb-base.a $(CMOCKA_LIBS)

tests_unit_test_supervisor_act_SOURCES = \
	tests/unit/test_supervisor_act.c tools/supervisor_act.c tools/supervisor_ask.c
tests_unit_test_supervisor_act_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS) $(JSON_CFLAGS)
tests_unit_test_supervisor_act_LDADD = libdaemon.a libcotdb-base.a $(JSON_LIBS) $(CMOCKA_LIBS)
endif
EXTRA_DIST += tests/agent/engine.py tests/agent/test-agent tests/agent/test-pacemaker-helper tests/agent/test-smbd
