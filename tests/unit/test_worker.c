/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_worker.c: the TDB worker as a real process beside this one, which has the files open as the
 * engine has. Locks are looked at from here with tdb_chainlock_nonblock().
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <syslog.h>
#include <tdb.h>
#include <cmocka.h>
#include "daemon/core/core.h"
#include "helper_process.h"

#define FILE_FLAGS                                                                                 \
	(TDB_CLEAR_IF_FIRST | TDB_NOSYNC | TDB_DISALLOW_NESTING | TDB_INCOMPATIBLE_HASH |          \
	 TDB_MUTEX_LOCKING)

static char dir[64], path[2][128];
static struct tdb_context *tdb[2];
static struct helper_process h;

static TDB_DATA data_of(const char *text)
{
	return (TDB_DATA){ .dptr = (unsigned char *)text, .dsize = strlen(text) };
}

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "worker-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	for (int i = 0; i < 2; i++) {
		snprintf(path[i], sizeof(path[i]), "%s/%d.tdb.0", dir, i);
		tdb[i] = tdb_open(path[i], 1009, FILE_FLAGS, O_RDWR | O_CREAT, 0600);
		if (tdb[i] == NULL)
			return -1;
	}
	return helper_process_start(&h, "./cotdb-tdb-worker", "--log_level=error") ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	(void)helper_process_end(&h, true);
	for (int i = 0; i < 2; i++) {
		tdb_close(tdb[i]);
		(void)unlink(path[i]);
	}
	return rmdir(dir);
}

static void request(enum ipc_type type, uint64_t cookie, const char *file, const char *key)
{
	static uint8_t buf[IPC_MAX];
	struct writer w = ipc_begin(buf, type);

	if (type != IPC_WORK_UNLOCK) {
		writer_u64(&w, cookie);
		writer_text(&w, file);
		writer_u32(&w, FILE_FLAGS);
		if (key != NULL)
			writer_text(&w, key);
	}
	assert_int_equal(ipc_send(h.fd, &w), 0);
}

static void expect(int type, uint64_t cookie)
{
	struct cursor c;
	uint64_t got = 0;
	char text[512];

	assert_int_equal(helper_process_next(&h, &c, HELPER_BOUND_MS), type);
	assert_int_equal(cursor_u64(&c, &got), 0);
	assert_int_equal(got, cookie);
	if (type == IPC_WORK_FAILED)
		assert_int_equal(cursor_text(&c, text, sizeof(text)), 0);
	assert_int_equal(cursor_end(&c), 0);
}

static void expect_silence(void)
{
	struct cursor c;

	assert_int_equal(helper_process_next(&h, &c, 100), -1);
}

static bool can_lock(int i, const char *key)
{
	if (tdb_chainlock_nonblock(tdb[i], data_of(key)) != 0)
		return false;
	tdb_chainunlock(tdb[i], data_of(key));
	return true;
}

/* UNLOCK has no answer; a request behind it that fails has */
static void unlock(void)
{
	request(IPC_WORK_UNLOCK, 0, NULL, NULL);
	request(IPC_WORK_SWEEP, 4711, "no-such-file", NULL);
	expect(IPC_WORK_FAILED, 4711);
}

static void it_waits_for_a_chain_lock_and_keeps_it(void **state)
{
	(void)state;
	assert_int_equal(tdb_chainlock(tdb[0], data_of("k")), 0);
	request(IPC_WORK_LOCK, 7, path[0], "k");
	expect_silence();
	tdb_chainunlock(tdb[0], data_of("k"));
	expect(IPC_WORK_LOCKED, 7);
	assert_false(can_lock(0, "k"));
	/* as the engine does: it works under the worker's lock */
	assert_int_equal(tdb_chainlock_mark(tdb[0], data_of("k")), 0);
	assert_int_equal(tdb_store(tdb[0], data_of("k"), data_of("v"), 0), 0);
	assert_int_equal(tdb_chainlock_unmark(tdb[0], data_of("k")), 0);
	unlock();
	assert_true(can_lock(0, "k"));
	request(IPC_WORK_LOCK, 8, path[1], "k");
	expect(IPC_WORK_LOCKED, 8);
	request(IPC_WORK_LOCK, 9, path[0], "k"); /* not two at a time */
	expect(IPC_WORK_FAILED, 9);
	unlock();
	assert_true(can_lock(1, "k"));
}

static void a_wait_is_cancelled_by_killing_it(void **state)
{
	(void)state;
	assert_int_equal(tdb_chainlock(tdb[0], data_of("k")), 0);
	request(IPC_WORK_LOCK, 7, path[0], "k");
	expect_silence();
	(void)helper_process_end(&h, true);
	tdb_chainunlock(tdb[0], data_of("k"));
	assert_true(can_lock(0, "k"));
	assert_true(helper_process_start(&h, "./cotdb-tdb-worker", "--log_level=error"));
	request(IPC_WORK_LOCK, 8, path[0], "k");
	expect(IPC_WORK_LOCKED, 8);
	(void)helper_process_end(&h, true); /* and so is a lock it holds: robust mutexes */
	assert_true(can_lock(0, "k"));
	assert_true(helper_process_start(&h, "./cotdb-tdb-worker", "--log_level=error"));
}

static void it_freezes_databases_until_unlocked(void **state)
{
	(void)state;
	request(IPC_WORK_FREEZE, 1, path[0], NULL);
	expect(IPC_WORK_LOCKED, 1);
	request(IPC_WORK_FREEZE, 2, path[1], NULL);
	expect(IPC_WORK_LOCKED, 2);
	request(IPC_WORK_FREEZE, 3, path[1], NULL); /* again is the same */
	expect(IPC_WORK_LOCKED, 3);
	assert_false(can_lock(0, "a"));
	assert_false(can_lock(1, "b"));
	unlock();
	assert_true(can_lock(0, "a"));
	assert_true(can_lock(1, "b"));
}

static void record_store(const char *key, size_t key_len, uint64_t rsn, size_t body_len)
{
	uint8_t value[256] = { 0 };
	struct writer w = writer_of(value, sizeof(value));

	writer_u64(&w, rsn);
	writer_u32(&w, (uint32_t)(rsn % 7));
	writer_zero(&w, 4);
	writer_u32(&w, (uint32_t)(rsn * 3));
	assert_int_equal(tdb_store(tdb[0],
				   (TDB_DATA){ .dptr = (unsigned char *)key, .dsize = key_len },
				   (TDB_DATA){ .dptr = value, .dsize = 24 + body_len }, 0),
			 0);
}

static void one_packet(struct cursor *c, uint64_t cookie, bool *seen, size_t total, size_t *big)
{
	uint64_t got = 0, rsn = 0;
	uint32_t chain = 0, n = 0, dmaster = 0, flags = 0;
	struct slice key = { 0 };

	assert_int_equal(cursor_u64(c, &got) || cursor_u32(c, &chain) || cursor_u32(c, &n), 0);
	assert_int_equal(got, cookie);
	assert_in_range(chain, 1, tdb_hash_size(tdb[0]));
	assert_true(n > 0);
	for (; n > 0; n--) {
		assert_int_equal(cursor_u64(c, &rsn) || cursor_u32(c, &dmaster) ||
				     cursor_u32(c, &flags) || cursor_block(c, IPC_MAX, &key),
				 0);
		assert_true(rsn < total);
		assert_false(seen[rsn]);
		seen[rsn] = true;
		assert_int_equal(dmaster, rsn % 7);
		assert_int_equal(flags, rsn * 3);
		*big += key.len > 1000;
	}
	assert_int_equal(cursor_end(c), 0);
}

static void a_sweep_tells_every_record_once(void **state)
{
	enum { SMALL = 20000, BIG = 100, TOTAL = SMALL + BIG };
	static bool seen[TOTAL];
	static char key[40000];
	size_t big = 0, packets = 0;
	struct cursor c;
	int type;

	(void)state;
	memset(seen, 0, sizeof(seen));
	for (uint64_t i = 0; i < SMALL; i++) {
		int len = snprintf(key, sizeof(key), "record number %llu", (unsigned long long)i);

		record_store(key, (size_t)len, i, i % 100);
	}
	memset(key, 'x', sizeof(key));
	for (uint64_t i = 0; i < BIG; i++) {
		memcpy(key, &i, sizeof(i));
		record_store(key, sizeof(key) - i, SMALL + i, 0);
	}
	/* no header: no record */
	assert_int_equal(tdb_store(tdb[0], data_of("short"), data_of("23 bytes are too few.."), 0),
			 0);
	request(IPC_WORK_SWEEP, 5, path[0], NULL);
	while ((type = helper_process_next(&h, &c, HELPER_BOUND_MS)) == IPC_WORK_RECORDS) {
		one_packet(&c, 5, seen, TOTAL, &big);
		packets++;
	}
	assert_int_equal(type, IPC_WORK_SWEPT);
	for (size_t i = 0; i < TOTAL; i++)
		assert_true(seen[i]);
	assert_int_equal(big, BIG);
	assert_true(packets < TOTAL / 100); /* many in one */
}

/* Nobody can ask for a key above the limit, but a client can write one into the file */
static void a_sweep_skips_a_key_that_is_too_long(void **state)
{
	static bool seen[3];
	static char key[CORE_MAX_KEY + 4096];
	struct cursor c;
	size_t big = 0;
	int type;

	(void)state;
	record_store(key, CORE_MAX_KEY, 0, 0);
	record_store(key, CORE_MAX_KEY + 1, 1, 0);
	record_store(key, sizeof(key), 2, 0);
	request(IPC_WORK_SWEEP, 5, path[0], NULL);
	while ((type = helper_process_next(&h, &c, HELPER_BOUND_MS)) == IPC_WORK_RECORDS)
		one_packet(&c, 5, seen, 3, &big);
	assert_int_equal(type, IPC_WORK_SWEPT);
	assert_true(seen[0]);
	assert_int_equal(big, 1);
}

static void a_slow_reader_does_not_keep_chains_locked(void **state)
{
	struct cursor c;
	char key[64];
	int type;

	(void)state;
	for (uint64_t i = 0; i < 50000; i++) {
		int len = snprintf(key, sizeof(key), "a record with a rather long key %llu",
				   (unsigned long long)i);

		record_store(key, (size_t)len, i, 0);
	}
	request(IPC_WORK_SWEEP, 6, path[0], NULL);
	/* one packet is there, so it is at work; the rest does not fit the channel */
	assert_int_equal(helper_process_next(&h, &c, HELPER_BOUND_MS), IPC_WORK_RECORDS);
	for (uint64_t i = 0; i < 50000; i += 7) {
		int len = snprintf(key, sizeof(key), "a record with a rather long key %llu",
				   (unsigned long long)i);

		record_store(key, (size_t)len, i, 1); /* blocks for ever if it did */
	}
	do {
		type = helper_process_next(&h, &c, HELPER_BOUND_MS);
	} while (type == IPC_WORK_RECORDS);
	assert_int_equal(type, IPC_WORK_SWEPT);
}

static void another_file_of_the_same_name_is_opened_anew(void **state)
{
	(void)state;
	request(IPC_WORK_LOCK, 1, path[1], "k");
	expect(IPC_WORK_LOCKED, 1);
	unlock();
	tdb_close(tdb[1]);
	assert_int_equal(unlink(path[1]), 0);
	tdb[1] = tdb_open(path[1], 7, FILE_FLAGS, O_RDWR | O_CREAT, 0600);
	assert_non_null(tdb[1]);
	request(IPC_WORK_LOCK, 2, path[1], "k");
	expect(IPC_WORK_LOCKED, 2);
	assert_false(can_lock(1, "k"));
	unlock();
}

static void nonsense_ends_it(void **state)
{
	uint8_t buf[IPC_MAX];
	struct writer w = ipc_begin(buf, IPC_WORK_LOCK);
	struct cursor c;

	(void)state;
	writer_u64(&w, 1);
	writer_u32(&w, 1000000); /* a text that is not there */
	assert_int_equal(ipc_send(h.fd, &w), 0);
	assert_true(helper_process_logs(&h, LOG_ERR));
	assert_int_equal(helper_process_next(&h, &c, HELPER_BOUND_MS), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_waits_for_a_chain_lock_and_keeps_it, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_wait_is_cancelled_by_killing_it, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(it_freezes_databases_until_unlocked, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_sweep_tells_every_record_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_sweep_skips_a_key_that_is_too_long, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_slow_reader_does_not_keep_chains_locked, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(another_file_of_the_same_name_is_opened_anew,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(nonsense_ends_it, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
