# SPDX-License-Identifier: GPL-3.0-or-later
dist_noinst_SCRIPTS += tests/run
EXTRA_DIST += tests/runner.py
dist_noinst_SCRIPTS += .ci/run
EXTRA_DIST += tests/cluster/harness.py \
	tests/cluster/test-calls-wait tests/cluster/test-clean-stop tests/cluster/test-cli tests/cluster/test-cold-start tests/cluster/test-cut tests/cluster/test-cut-data tests/cluster/test-drain tests/cluster/test-hang-engine tests/cluster/test-hang-supervisor tests/cluster/test-kill-daemon \
	tests/cluster/test-five-nodes tests/cluster/test-kill-engine tests/cluster/test-kill-node \
	tests/cluster/test-ipv6 tests/cluster/test-lock-not-shared \
	tests/cluster/test-lock-refused tests/cluster/long-lock-refused-kill \
	tests/cluster/test-one-node tests/cluster/test-pause tests/cluster/test-records \
	tests/cluster/test-recovery-lock tests/cluster/test-restart-limit tests/cluster/long-retire-worst tests/cluster/hang_fs.py tests/cluster/test-ring tests/cluster/test-start tests/cluster/test-start-waits \
	tests/cluster/test-stopped-client tests/cluster/test-two-nodes
noinst_PROGRAMS += tests/cluster/hold-lock
tests_cluster_hold_lock_SOURCES = tests/cluster/hold-lock.c
tests_cluster_hold_lock_LDADD = libcotdb.la
# no wrapper script: it is copied into a node, where libcotdb is installed
tests_cluster_hold_lock_LDFLAGS = -no-install
noinst_PROGRAMS += tests/cluster/many-records
tests_cluster_many_records_SOURCES = tests/cluster/many-records.c
tests_cluster_many_records_LDADD = libcotdb.la
tests_cluster_many_records_LDFLAGS = -no-install
EXTRA_DIST += tests/ctdb/peer.py tests/ctdb/test-commands tests/ctdb/test-commit-kill tests/ctdb/test-controls tests/ctdb/test-malformed tests/ctdb/test-cut tests/ctdb/test-persistent tests/ctdb/test-push tests/ctdb/test-readonly tests/ctdb/test-samba tests/ctdb/test-traverse tests/ctdb/test-wipe
EXTRA_DIST += tests/samba/smb.py tests/samba/domain.py tests/samba/torture.py tests/samba/load.py tests/samba/compare-torture tests/samba/ctdbd-passes tests/samba/long-compare tests/samba/long-kill tests/samba/test-domain tests/samba/test-serve tests/samba/test-torture
noinst_PROGRAMS += tests/samba/judge-db
tests_samba_judge_db_SOURCES = tests/samba/judge-db.c
tests_samba_judge_db_CFLAGS = $(AM_CFLAGS) $(TDB_CFLAGS)
tests_samba_judge_db_LDADD = libio.a libcotdb-base.a $(TDB_LIBS)
EXTRA_DIST += tests/ctdb/test-vacuum
noinst_PROGRAMS += tests/ctdb/fill-db
tests_ctdb_fill_db_SOURCES = tests/ctdb/fill-db.c
tests_ctdb_fill_db_CFLAGS = $(AM_CFLAGS) $(TDB_CFLAGS)
tests_ctdb_fill_db_LDADD = libcotdb-base.a $(TDB_LIBS)
noinst_PROGRAMS += tests/ctdb/delete-many
tests_ctdb_delete_many_SOURCES = tests/ctdb/delete-many.c
tests_ctdb_delete_many_CFLAGS = $(AM_CFLAGS) $(TDB_CFLAGS)
tests_ctdb_delete_many_LDADD = libcotdb.la $(TDB_LIBS)
tests_ctdb_delete_many_LDFLAGS = -no-install

noinst_PROGRAMS += tests/ctdb/count-up
tests_ctdb_count_up_SOURCES = tests/ctdb/count-up.c
tests_ctdb_count_up_LDADD = libcotdb.la
# no wrapper script: as hold-lock
tests_ctdb_count_up_LDFLAGS = -no-install
EXTRA_DIST += tests/chaos/chaos tests/chaos/check_bank.py tests/chaos/check_records.py tests/chaos/faults.py \
	tests/chaos/history.py tests/chaos/long-chaos tests/chaos/run.py tests/chaos/schedule.py \
	tests/chaos/test-check tests/chaos/test-check-model tests/chaos/test-quick tests/chaos/violation.py
noinst_PROGRAMS += tests/chaos/crew
tests_chaos_crew_SOURCES = tests/chaos/chaos.h tests/chaos/client.c tests/chaos/crew.c tests/chaos/history.c \
	tests/chaos/holds.c tests/chaos/transfers.c
tests_chaos_crew_CFLAGS = $(AM_CFLAGS) $(TDB_CFLAGS)
tests_chaos_crew_LDADD = libcotdb.la libcotdb-base.a $(TDB_LIBS)
# no wrapper script: as hold-lock
tests_chaos_crew_LDFLAGS = -no-install

# Beside `make check`: the simulator with more seeds and the planted bugs, all of `make check` with
# sanitizers (in a build folder of its own), and the tests that need a cluster, as root
.PHONY: check-sim check-asan check-cluster
check-sim: tests/sim/sim
	COTDB_BUILD=$(abs_builddir) $(srcdir)/tests/sim/run --seeds 1-1000
	COTDB_BUILD=$(abs_builddir) $(srcdir)/tests/sim/test-bugs
check-asan:
	$(MKDIR_P) asan
	test -f asan/Makefile || \
		(cd asan && $(abs_srcdir)/configure --with-sanitizers=address,undefined)
	cd asan && $(MAKE) && $(MAKE) check
check-cluster:
	SANDBOX_BUILD=$(abs_builddir) $(srcdir)/tests/run cluster ctdb agent
clean-local:
	rm -rf asan
