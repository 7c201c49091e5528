# SPDX-License-Identifier: GPL-3.0-or-later
sbin_PROGRAMS += cotdb
cotdb_SOURCES = \
	tools/command_version.c \
	tools/commands.def \
	tools/cotdb.c \
	tools/cotdb.h \
	tools/exit.def \
	tools/table.c \
	tools/table.h
cotdb_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
cotdb_LDADD = $(JSON_LIBS)
