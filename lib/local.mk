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
EXTRA_DIST += lib/libcotdb.pc.in
