# SPDX-License-Identifier: GPL-3.0-or-later
check_PROGRAMS += tests/sim/sim
tests_sim_sim_SOURCES = \
	tests/sim/check.c tests/sim/client.c tests/sim/commit.c tests/sim/corosync.c tests/sim/detach.c tests/sim/drain.c tests/sim/engine.c tests/sim/event.c tests/sim/wipe.c \
	tests/sim/fault.c tests/sim/fencer.c tests/sim/link.c tests/sim/lock.c tests/sim/main.c tests/sim/node.c \
	tests/sim/random.c tests/sim/replica.c tests/sim/scenario.c tests/sim/sim.h tests/sim/store.c \
	tests/sim/traverse.c
tests_sim_sim_LDADD = libcore.a libdaemon.a libcotdb-base.a $(QB_LIBS) $(SODIUM_LIBS)
# 200 seeds
TESTS += tests/sim/sim
EXTRA_DIST += tests/sim/README tests/sim/test-bugs
dist_noinst_SCRIPTS += tests/sim/run
