# SPDX-License-Identifier: GPL-3.0-or-later
# libcotdb-base: cursor, codec and tables, for the daemon, the tools and the tests
noinst_LIBRARIES += libcotdb-base.a
cotdb_base_sources = \
	lib/address.c \
	lib/codec.c lib/codec.h \
	lib/control.def lib/layout.def \
	lib/cursor.c lib/cursor.h \
	lib/jenkins.c lib/jenkins.h \
	lib/payload.c lib/payload_check.c lib/payload.def lib/payload.h lib/payload_undef.h \
	lib/protocol.c lib/protocol.h \
	lib/reason.c lib/reason.def lib/reason.h \
	lib/slice.h
libcotdb_base_a_SOURCES = $(cotdb_base_sources)

# libcotdb: the client library; only cotdb_* is seen from outside
lib_LTLIBRARIES += libcotdb.la
include_HEADERS += lib/cotdb.h
libcotdb_la_SOURCES = $(cotdb_base_sources) \
	lib/client.c lib/client.h lib/client_db.c lib/client_request.c lib/cotdb.h
libcotdb_la_CFLAGS = $(AM_CFLAGS) $(TDB_CFLAGS)
libcotdb_la_LIBADD = $(TDB_LIBS)
libcotdb_la_LDFLAGS = -version-info 0:0:0 -export-symbols-regex '^cotdb_'
pkgconfig_DATA = lib/libcotdb.pc
EXTRA_DIST += lib/libcotdb.pc.in
