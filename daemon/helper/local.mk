# SPDX-License-Identifier: GPL-3.0-or-later
# What supervisor, engine and helpers have in common: options, log, fatal, channels
noinst_LIBRARIES += libdaemon.a
libdaemon_a_SOURCES = \
	daemon/options.c daemon/options.h daemon/options.def \
	daemon/log.c daemon/log.h \
	daemon/fatal.c daemon/fatal.h \
	daemon/helper/ipc.c daemon/helper/ipc.h
libdaemon_a_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS)
include daemon/helper/pacemaker.mk
