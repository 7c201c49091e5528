# SPDX-License-Identifier: GPL-3.0-or-later
# The engine's parts without main(): for cotdb-engine and for the tests
noinst_LIBRARIES += libio.a
libio_a_SOURCES = \
	daemon/io/engine.h daemon/io/engine_ops.c daemon/io/engine_ops.h \
	daemon/io/channel.c daemon/io/channel.h \
	daemon/io/cluster.c daemon/io/cluster.h daemon/io/cluster_map.c daemon/io/cluster_private.h \
	daemon/io/helpers.c daemon/io/helpers.h daemon/io/helpers_private.h \
	daemon/io/helpers_pacemaker.c daemon/io/helpers_reclock.c \
	daemon/io/store.c daemon/io/store.h daemon/io/store_private.h \
	daemon/io/store_freeze.c daemon/io/store_read.c daemon/io/store_replica.c daemon/io/store_seqnum.c daemon/io/store_sweep.c daemon/io/store_wait.c \
	daemon/io/store_judge.c daemon/io/store_judge.h daemon/io/store_worker.c \
	daemon/io/times.c daemon/io/times.h \
	daemon/io/transport.h daemon/io/transport_tcp.c \
	daemon/io/transport_link.c daemon/io/transport_link.h \
	daemon/io/transport_handshake.c daemon/io/transport_handshake.h
libio_a_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(CPG_CFLAGS) $(QUORUM_CFLAGS) $(CMAP_CFLAGS) \
	$(TDB_CFLAGS) $(SODIUM_CFLAGS)

pkglibexec_PROGRAMS += cotdb-engine
cotdb_engine_SOURCES = daemon/io/engine.c
cotdb_engine_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(TDB_CFLAGS) $(SODIUM_CFLAGS)
cotdb_engine_LDADD = libio.a libclient.a libio.a libcore.a libdaemon.a libcotdb-base.a \
	$(QB_LIBS) $(CPG_LIBS) $(QUORUM_LIBS) $(CMAP_LIBS) $(TDB_LIBS) $(SODIUM_LIBS) $(JSON_LIBS) \
	-lcorosync_common

# The client socket and the controls: for cotdb-engine and for the tests
noinst_LIBRARIES += libclient.a
libclient_a_SOURCES = \
	daemon/io/client.c daemon/io/client.h daemon/io/client_private.h \
	daemon/io/client_service.c daemon/io/client_waits.c \
	daemon/io/client_queue.c daemon/io/client_queue.h \
	daemon/io/client_socket.c \
	daemon/io/client_stream.c \
	daemon/io/client_table.c \
	daemon/io/poller.c daemon/io/poller.h \
	daemon/io/control.c daemon/io/control.h daemon/io/control_handlers.h daemon/io/control_number.h \
	daemon/io/control_attach.c \
	daemon/io/control_client.c \
	daemon/io/control_db.c \
	daemon/io/control_commit.c daemon/io/control_late.c \
	daemon/io/control_detach.c daemon/io/control_refused.c \
	daemon/io/control_restore.c daemon/io/control_tcp.c \
	daemon/io/control_node.c \
	daemon/io/control_seqnum.c \
	daemon/io/control_table.c \
	daemon/io/control_traverse.c \
	daemon/io/counters.c daemon/io/counters.h \
	daemon/io/status.c \
	daemon/io/status_json.h \
	daemon/io/status_recovery.c \
	daemon/io/tunable.c daemon/io/tunable.def daemon/io/tunable.h
libclient_a_CFLAGS = $(AM_CFLAGS) $(QB_CFLAGS) $(TDB_CFLAGS) $(JSON_CFLAGS)
