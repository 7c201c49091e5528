# SPDX-License-Identifier: GPL-3.0-or-later
# The CIB and its checks, for the Pacemaker helper and for `cotdb check`
noinst_LIBRARIES += libcotdb-cib.a
libcotdb_cib_a_SOURCES = \
	daemon/helper/cib.h \
	daemon/helper/cib_check.c \
	daemon/helper/cib_corosync.c daemon/helper/cib_corosync.h \
	daemon/helper/cib_findings.c \
	daemon/helper/cib_read.c \
	daemon/helper/cib_rules.def \
	daemon/helper/cib_schema.c \
	daemon/helper/cib_value.c \
	daemon/helper/fence_history.c daemon/helper/fence_history.h
libcotdb_cib_a_CFLAGS = $(AM_CFLAGS) $(XML_CFLAGS) $(CMAP_CFLAGS)
