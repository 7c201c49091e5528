# SPDX-License-Identifier: GPL-3.0-or-later
bin_PROGRAMS += cotdb-bench
cotdb_bench_SOURCES = \
	tools/bench/bench.h \
	tools/bench/fetch.c \
	tools/bench/histogram.c \
	tools/bench/main.c \
	tools/bench/recovery.c \
	tools/bench/report.c \
	tools/bench/ring.c tools/bench/ring.h \
	tools/bench/ring_main.c \
	tools/bench/ring_packet.c tools/bench/ring_packet.h \
	tools/bench/ring_report.c \
	tools/bench/tally.c tools/bench/tally.h
cotdb_bench_CFLAGS = $(AM_CFLAGS) $(TDB_CFLAGS)
cotdb_bench_LDADD = libcotdb.la libcotdb-base.a $(TDB_LIBS)
