# SPDX-License-Identifier: GPL-3.0-or-later
noinst_LIBRARIES += libcore.a
libcore_a_CFLAGS = $(AM_CFLAGS) $(SODIUM_CFLAGS)
libcore_a_SOURCES = \
	daemon/core/commit.c \
	daemon/core/control.c \
	daemon/core/core.c daemon/core/core.h \
	daemon/core/db.c daemon/core/detach.c daemon/core/wipe.c \
	daemon/core/drain.c daemon/core/drain.h \
	daemon/core/erase.c \
	daemon/core/fact.c \
	daemon/core/fencing.c \
	daemon/core/fsm.c daemon/core/fsm.h \
	daemon/core/gate.c \
	daemon/core/hint.c \
	daemon/core/internal.h \
	daemon/core/membership.h \
	daemon/core/packet.h \
	daemon/core/record.h \
	daemon/core/replica.h \
	daemon/core/keystate.c \
	daemon/core/known.c \
	daemon/core/link.c \
	daemon/core/location.c \
	daemon/core/location_table.c \
	daemon/core/lock.c \
	daemon/core/message.c \
	daemon/core/packet.c \
	daemon/core/parked.c \
	daemon/core/progress.c \
	daemon/core/push.c \
	daemon/core/readonly.c \
	daemon/core/record.c \
	daemon/core/resolve.c \
	daemon/core/replica.c \
	daemon/core/request.c \
	daemon/core/roster.c daemon/core/roster.h \
	daemon/core/scan.c \
	daemon/core/session.c \
	daemon/core/slot.c \
	daemon/core/status.c \
	daemon/core/sticky.c \
	daemon/core/supervise.c daemon/core/supervise.h \
	daemon/core/sweep.c \
	daemon/core/traverse.c daemon/core/traverse.h \
	daemon/core/vacuum.c daemon/core/vacuum.h \
	daemon/core/view.c daemon/core/waiting.c
