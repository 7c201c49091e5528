# SPDX-License-Identifier: GPL-3.0-or-later
# What supervisor, engine and helpers have in common: options, log, fatal, channels
noinst_LIBRARIES += libdaemon.a
libdaemon_a_SOURCES = \
	daemon/options.c daemon/options.h daemon/options.def \
	daemon/log.c daemon/log.h daemon/log_qb.c \
	daemon/fatal.c daemon/fatal.h daemon/tdb_header.h \
	daemon/helper/ipc.c daemon/helper/ipc.h
libdaemon_a_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS)
include daemon/helper/pacemaker.mk

# The supervisor
sbin_PROGRAMS += cotdbd
cotdbd_SOURCES = \
	daemon/helper/supervisor.c daemon/helper/supervisor.h \
	daemon/helper/supervisor_control.c \
	daemon/helper/supervisor_engine.c \
	daemon/helper/supervisor_group.c \
	daemon/helper/supervisor_roster.c \
	daemon/helper/supervisor_main.c \
	daemon/helper/supervisor_start.c
cotdbd_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(CPG_CFLAGS) $(CMAP_CFLAGS) $(JSON_CFLAGS)
cotdbd_LDADD = libsupervisor.a libcore.a libdaemon.a libcotdb-base.a \
	$(QB_LIBS) $(CPG_LIBS) $(CMAP_LIBS) $(JSON_LIBS) $(TDB_LIBS) -lcorosync_common

# Its parts that are tested by themselves
noinst_LIBRARIES += libsupervisor.a
libsupervisor_a_SOURCES = \
	daemon/helper/child.c daemon/helper/child.h \
	daemon/helper/holder.c daemon/helper/holder.h \
	daemon/helper/persist.c daemon/helper/persist.h \
	daemon/helper/persist_writer.c daemon/helper/persist_writer.h \
	daemon/helper/retire.c daemon/helper/retire.h
libsupervisor_a_CFLAGS = $(AM_CFLAGS) $(TDB_CFLAGS)

# The helpers of the engine that may block
noinst_LIBRARIES += libhelper.a
libhelper_a_SOURCES = \
	daemon/helper/helper_begin.c daemon/helper/helper_begin.h \
	daemon/helper/reclock.c daemon/helper/reclock.h \
	daemon/helper/worker_cache.c daemon/helper/worker_cache.h \
	daemon/helper/worker_commit.c daemon/helper/worker_commit.h \
	daemon/io/store_judge.c daemon/io/store_judge.h \
	daemon/helper/worker_read.c daemon/helper/worker_read.h \
	daemon/helper/worker_sweep.c daemon/helper/worker_sweep.h
libhelper_a_CFLAGS = $(AM_CFLAGS) $(TDB_CFLAGS)

pkglibexec_PROGRAMS += cotdb-reclock cotdb-tdb-worker
cotdb_reclock_SOURCES = daemon/helper/reclock_main.c
cotdb_reclock_LDADD = libhelper.a libdaemon.a libcotdb-base.a
cotdb_tdb_worker_SOURCES = daemon/helper/worker_main.c
cotdb_tdb_worker_CFLAGS = $(AM_CFLAGS) $(TDB_CFLAGS)
cotdb_tdb_worker_LDADD = libhelper.a libdaemon.a libcotdb-base.a $(TDB_LIBS)
