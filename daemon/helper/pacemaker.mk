# SPDX-License-Identifier: GPL-3.0-or-later
# The CIB and its checks, for the Pacemaker helper and for `cotdb check`
noinst_LIBRARIES += libcotdb-cib.a
libcotdb_cib_a_SOURCES = \
	daemon/helper/cib.h \
	daemon/helper/cib_check.c \
	daemon/helper/cib_corosync.c daemon/helper/cib_corosync.h \
	daemon/helper/cib_fetch.c daemon/helper/cib_fetch.h \
	daemon/helper/cib_findings.c \
	daemon/helper/cib_read.c \
	daemon/helper/cib_rules.def \
	daemon/helper/cib_schema.c \
	daemon/helper/cib_value.c \
	daemon/helper/fence_history.c daemon/helper/fence_history.h
libcotdb_cib_a_CFLAGS = $(AM_CFLAGS) $(XML_CFLAGS) $(CMAP_CFLAGS) $(PACEMAKER_CFLAGS) $(GLIB_CFLAGS)
libcotdb_cib_libs = $(PACEMAKER_LIBS) $(GLIB_LIBS) $(XML_LIBS) $(CMAP_LIBS)

pkglibexec_PROGRAMS += cotdb-pacemaker
cotdb_pacemaker_SOURCES = \
	daemon/helper/pacemaker.c daemon/helper/pacemaker.h \
	daemon/helper/pacemaker_attribute.c \
	daemon/helper/pacemaker_cib.c \
	daemon/helper/pacemaker_fencer.c
cotdb_pacemaker_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(PACEMAKER_CFLAGS) $(GLIB_CFLAGS) $(XML_CFLAGS)
cotdb_pacemaker_LDADD = libcotdb-cib.a libdaemon.a libcotdb-base.a \
	$(libcotdb_cib_libs) $(QB_LIBS)
