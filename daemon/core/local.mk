# SPDX-License-Identifier: GPL-3.0-or-later
noinst_LIBRARIES += libcore.a
libcore_a_SOURCES = \
	daemon/core/core.h \
	daemon/core/fsm.c daemon/core/fsm.h \
	daemon/core/supervise.c daemon/core/supervise.h
