/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_store_judge.c: real TDB files whose writers were really killed, which tdb_check() often
 * refuses, have all their records and are whole; damaged ones are not, whatever is damaged.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <tdb.h>
#include <cmocka.h>
#include "daemon/helper/worker_commit.h"
#include "daemon/io/store_judge.h"

enum {
	HASH_SIZE = 101,
	RECORDS = 200,
	FREE_HEAD = 168,
	FIRST_CHAIN = 172,
	PIECE_NEXT = 0, /* offsets in a piece's header */
	PIECE_LEN = 4,
	PIECE_KEY_LEN = 8,
	PIECE_HASH = 16,
	PIECE_MAGIC = 20,
	PIECE_KEY = 24,
	KILLS = 40,
};

static char dir[64], path[96];
static unsigned int quiet_n;

__attribute__((format(printf, 3, 4))) static void
quiet(struct tdb_context *tdb, enum tdb_debug_level level, const char *format, ...)
{
	(void)tdb;
	(void)level;
	(void)format;
	quiet_n++;
}

static struct tdb_context *db_open(int flags, int hash_size)
{
	const struct tdb_logging_context log = { .log_fn = quiet };
	struct tdb_context *tdb =
	    tdb_open_ex(path, hash_size, flags, O_RDWR | O_CREAT, 0600, &log, NULL);

	assert_non_null(tdb);
	return tdb;
}

static TDB_DATA key_of(unsigned int i, char text[16])
{
	return (TDB_DATA){ .dptr = (unsigned char *)text,
			   .dsize = (size_t)snprintf(text, 16, "key%u", i) };
}

/* Values whose first word tells the record, and whose lengths differ */
static void store(struct tdb_context *tdb, unsigned int i, size_t len)
{
	static unsigned char bytes[16384];
	char text[16];
	TDB_DATA key = key_of(i, text);

	memcpy(bytes, &i, sizeof(i));
	if (tdb_store(tdb, key, (TDB_DATA){ .dptr = bytes, .dsize = len }, 0) != 0)
		abort();
}

static void expect_records(struct tdb_context *tdb, unsigned int n)
{
	char text[16];

	for (unsigned int i = 0; i < n; i++) {
		TDB_DATA value = tdb_fetch(tdb, key_of(i, text));
		unsigned int says = ~0U;

		assert_non_null(value.dptr);
		memcpy(&says, value.dptr, sizeof(says));
		assert_int_equal(says, i);
		free(value.dptr);
	}
}

static int judge(struct tdb_context *tdb, struct store_verdict *v)
{
	int rc = store_judge_file(tdb_fd(tdb), v, NULL);

	assert_true(rc == 0 || rc == -EBADMSG);
	assert_int_equal(rc == 0, v->why == NULL);
	return rc;
}

/* All that is lost has to be what a process that was killed in a commit leaves */
static void expect_whole(struct tdb_context *tdb)
{
	struct store_verdict v;

	if (judge(tdb, &v) != 0)
		fail_msg("not whole: %s", v.why);
	assert_int_equal(v.odd_bytes, 0);
}

static struct tdb_context *db_new(void)
{
	struct tdb_context *tdb;

	unlink(path);
	tdb = db_open(0, HASH_SIZE);
	for (unsigned int i = 0; i < RECORDS; i++)
		store(tdb, i, 20 + i);
	for (unsigned int i = RECORDS; i < 2 * RECORDS; i++)
		store(tdb, i, 20);
	for (unsigned int i = RECORDS; i < 2 * RECORDS; i += 2) { /* some that are free */
		char text[16];

		assert_int_equal(tdb_delete(tdb, key_of(i, text)), 0);
	}
	return tdb;
}

static void test_good(void **state)
{
	struct store_verdict v;
	struct tdb_context *tdb;

	(void)state;
	unlink(path);
	tdb = db_open(0, HASH_SIZE);
	assert_int_equal(judge(tdb, &v), 0); /* one without any record */
	assert_int_equal(v.lost_n, 0);
	tdb_close(tdb);
	tdb = db_new();
	assert_int_equal(judge(tdb, &v), 0);
	assert_int_equal(v.lost_n, 0);
	assert_int_equal(v.lost_bytes, 0);
	tdb_close(tdb);
}

/* What an end between making the file longer and using the new space leaves */
static void test_lost_space(void **state)
{
	struct tdb_context *tdb = db_new();
	struct store_verdict v;
	struct stat st;

	(void)state;
	assert_int_equal(fstat(tdb_fd(tdb), &st), 0);
	assert_int_equal(ftruncate(tdb_fd(tdb), st.st_size + 8192), 0);
	for (unsigned int i = 0; i < RECORDS; i++)
		store(tdb, i, 3000);
	print_message("tdb_check() %s the file with lost space\n",
		      tdb_check(tdb, NULL, NULL) != 0 ? "refuses" : "takes");
	assert_int_equal(judge(tdb, &v), 0);
	assert_int_equal(v.lost_n, 1);
	assert_int_equal(v.lost_bytes, 8192);
	assert_int_equal(v.odd_bytes, 0);
	expect_records(tdb, RECORDS);

	tdb_close(tdb);
}

/* A commit that made the file longer, as it is when its process ends in the middle of it: all is
 * saved, some of it is written */
static void commit_interrupted(unsigned int len)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct tdb_context *tdb = tdb_open(path, HASH_SIZE, 0, O_RDWR, 0600);
		struct stat before, after;
		char junk[4096];

		memset(junk, 'j', sizeof(junk));
		if (tdb == NULL || fstat(tdb_fd(tdb), &before) != 0 ||
		    tdb_transaction_start(tdb) != 0)
			_exit(1);
		for (unsigned int i = 0; i < RECORDS; i++)
			store(tdb, i, len);
		if (tdb_transaction_prepare_commit(tdb) != 0 || fstat(tdb_fd(tdb), &after) != 0 ||
		    after.st_size < before.st_size + (off_t)sizeof(junk) ||
		    pwrite(tdb_fd(tdb), junk, sizeof(junk), before.st_size) != sizeof(junk))
			_exit(1);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void commit(unsigned int n, unsigned int len)
{
	struct tdb_context *tdb = db_open(0, HASH_SIZE);

	assert_int_equal(tdb_transaction_start(tdb), 0);
	for (unsigned int i = 0; i < n; i++)
		store(tdb, i, len);
	assert_int_equal(tdb_transaction_commit(tdb), 0);
	tdb_close(tdb);
}

struct parts {
	struct {
		size_t at, len;
		unsigned int turn;
	} part[16];
	size_t n;
};

static void part_take(void *arg, size_t at, size_t len, unsigned int turn)
{
	struct parts *p = arg;

	assert_true(p->n < 16);
	p->part[p->n].at = at;
	p->part[p->n].len = len;
	p->part[p->n++].turn = turn;
}

/* The parts are wiped, in their order, and the file is judged after each 4 KiB */
static void wipe_slowly(struct tdb_context *tdb)
{
	struct parts parts = { 0 };
	const struct store_lost lost = { .take = part_take, .arg = &parts };
	static const char zero[4096];
	struct store_verdict v;

	assert_int_equal(store_judge_file(tdb_fd(tdb), &v, &lost), 0);
	for (unsigned int turn = 0; turn < STORE_LOST_TURNS; turn++) {
		for (size_t i = 0; i < parts.n; i++) {
			if (parts.part[i].turn != turn)
				continue;
			for (size_t at = 0; at < parts.part[i].len; at += sizeof(zero)) {
				size_t n = parts.part[i].len - at;

				n = n < sizeof(zero) ? n : sizeof(zero);
				assert_int_equal(
				    pwrite(tdb_fd(tdb), zero, n, (off_t)(parts.part[i].at + at)),
				    n);
				expect_whole(tdb);
			}
		}
	}
	assert_int_equal(judge(tdb, &v), 0);
	assert_int_equal(v.traced_bytes, 0);
}

/* The recovery area of an interrupted commit is found at the file's end, or has its place already;
 * the worker wipes what is left, at once or with an end after each write; and the file stays good
 * when it grows */
static void test_rolled_back(void **state)
{
	(void)state;
	for (unsigned int kind = 0; kind < 8; kind++) {
		bool has_area = (kind & 1) != 0, is_slow = (kind & 2) != 0,
		     is_twice = (kind & 4) != 0;
		struct store_verdict v;
		struct tdb_context *tdb;

		unlink(path);
		commit(RECORDS, 20);
		if (has_area) /* which is large enough for all that comes */
			commit(RECORDS, 2000);
		commit_interrupted(has_area ? 6000 : 2000);
		tdb = db_open(0, HASH_SIZE); /* rolls back */
		assert_int_equal(judge(tdb, &v), 0);
		assert_int_not_equal(v.lost_bytes, 0);
		assert_int_not_equal(v.traced_bytes, 0);
		expect_whole(tdb);
		expect_records(tdb, RECORDS);
		if (is_slow)
			wipe_slowly(tdb);
		assert_int_equal(worker_mend(tdb), 0);
		assert_int_equal(judge(tdb, &v), 0);
		assert_int_equal(v.traced_bytes, 0);
		tdb_close(tdb);
		if (is_twice) {
			commit_interrupted(9000);
			tdb = db_open(0, HASH_SIZE);
			expect_whole(tdb);
			assert_int_equal(worker_mend(tdb), 0);
			tdb_close(tdb);
		}
		commit(RECORDS, 3000);
		commit(RECORDS, 9000);
		tdb = db_open(0, HASH_SIZE);
		expect_whole(tdb);
		expect_records(tdb, RECORDS);
		tdb_close(tdb);
	}
}

/* The same header is left by a commit that happened: it explains nothing */
static void test_not_rolled_back(void **state)
{
	struct store_verdict v;
	struct tdb_context *tdb;
	uint32_t head = 0, zero = 0, at = 172;

	(void)state;
	unlink(path);
	commit(RECORDS, 20);
	commit(RECORDS, 2000);
	commit(RECORDS, 6000);
	tdb = db_open(0, HASH_SIZE);
	expect_whole(tdb);
	for (; head == 0; at += 4)
		assert_int_equal(pread(tdb_fd(tdb), &head, sizeof(head), at), sizeof(head));
	assert_int_equal(pwrite(tdb_fd(tdb), &zero, sizeof(zero), at - 4), sizeof(zero));
	assert_int_equal(judge(tdb, &v), 0);
	assert_int_not_equal(v.odd_bytes, 0);
	tdb_close(tdb);
}

static void wait_us(long us)
{
	nanosleep(&(struct timespec){ .tv_nsec = us * 1000 }, NULL);
}

static pid_t writer_start(unsigned int seed)
{
	struct tdb_context *tdb;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	tdb = tdb_open(path, HASH_SIZE, 0, O_RDWR, 0600);
	if (tdb == NULL)
		abort();
	for (;;) {
		if (tdb_transaction_start(tdb) != 0)
			abort();
		for (unsigned int i = 0; i < 20; i++) {
			unsigned int n = (unsigned int)rand_r(&seed) % RECORDS;

			store(tdb, n, 20 + (unsigned int)rand_r(&seed) % 900);
		}
		if (tdb_transaction_commit(tdb) != 0)
			abort();
	}
}

/* Commits that are killed anywhere: whatever tdb_check() says, nothing is missing, and what is lost
 * can be told from lost records, also after more commits once the worker has mended the file */
static void test_killed_commits(void **state)
{
	unsigned int seed = 1, refused = 0, lost = 0;

	(void)state;
	for (int k = 0; k < KILLS; k++) {
		struct store_verdict v;
		struct tdb_context *tdb;
		int status;
		pid_t pid;

		if (k % 8 == 0) {
			unlink(path);
			tdb = db_open(0, HASH_SIZE);
			for (unsigned int i = 0; i < RECORDS; i++)
				store(tdb, i, 20);
			tdb_close(tdb);
		}
		pid = writer_start((unsigned int)k);
		wait_us(2000 + rand_r(&seed) % 10000);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

		tdb = db_open(0, HASH_SIZE); /* rolls back */
		expect_whole(tdb);
		expect_records(tdb, RECORDS);
		refused += tdb_check(tdb, NULL, NULL) != 0;
		assert_int_equal(judge(tdb, &v), 0);
		if (v.traced_bytes > 0) {
			lost++;
			assert_int_equal(worker_mend(tdb), 0);
			assert_int_equal(judge(tdb, &v), 0);
			assert_int_equal(v.traced_bytes, 0);
			expect_records(tdb, RECORDS);
		}
		tdb_close(tdb);
	}
	print_message(
	    "of %d files whose writer was killed %u have lost space, tdb_check() refuses %u\n",
	    KILLS, lost, refused);
}

/* ---- damage -------------------------------------------------------------------------------------
 */

static uint32_t get(struct tdb_context *tdb, uint32_t at)
{
	uint32_t v = 0;

	assert_int_equal(pread(tdb_fd(tdb), &v, sizeof(v), at), sizeof(v));
	return v;
}

static void put(struct tdb_context *tdb, uint32_t at, uint32_t v)
{
	assert_int_equal(pwrite(tdb_fd(tdb), &v, sizeof(v), at), sizeof(v));
}

/* A word is damaged, seen, and mended. what: NULL: it is not called damage, but odd */
static void expect_damage(struct tdb_context *tdb, uint32_t at, uint32_t v, const char *what)
{
	uint32_t was = get(tdb, at);
	struct store_verdict verdict;
	int rc;

	assert_int_not_equal(was, v);
	put(tdb, at, v);
	rc = judge(tdb, &verdict);
	if (what == NULL && (rc != 0 || verdict.odd_bytes + verdict.endless_n == 0))
		fail_msg("at %u: it is not seen: %s", at, rc != 0 ? verdict.why : "nothing is odd");
	if (what != NULL && (rc == 0 || strstr(verdict.why, what) == NULL))
		fail_msg("at %u: %s is not seen, but: %s", at, what,
			 rc == 0 ? "nothing" : verdict.why);
	put(tdb, at, was);
	expect_whole(tdb);
}

static uint32_t chain_with(struct tdb_context *tdb, unsigned int at_least)
{
	for (uint32_t h = 0; h < HASH_SIZE; h++) {
		uint32_t head = FIRST_CHAIN + h * 4, at = get(tdb, head);
		unsigned int n = 0;

		for (; at != 0; at = get(tdb, at + PIECE_NEXT))
			n++;
		if (n >= at_least)
			return head;
	}
	fail_msg("no chain with %u records", at_least);
	return 0;
}

static void test_damaged(void **state)
{
	struct tdb_context *tdb = db_new();
	uint32_t head = chain_with(tdb, 2), record = get(tdb, head), second = get(tdb, record);
	uint32_t other = FIRST_CHAIN + (head == FIRST_CHAIN ? 4 : 0);
	uint32_t free_piece = get(tdb, FREE_HEAD);
	struct store_verdict v;
	struct stat st;

	(void)state;
	assert_int_equal(fstat(tdb_fd(tdb), &st), 0);
	assert_int_not_equal(free_piece, 0);
	expect_damage(tdb, head, (uint32_t)st.st_size, "a list leads out of the file");
	expect_damage(tdb, head, UINT32_MAX - 3, "a list leads out of the file");
	expect_damage(tdb, head, record + 1, "a list leads out of the file");
	expect_damage(tdb, head, 4, "a list leads out of the file");
	expect_damage(tdb, head, record + 4, ""); /* what is there decides what is seen */
	expect_damage(tdb, head, 0, NULL);
	expect_damage(tdb, record + PIECE_NEXT, 0, NULL);
	expect_damage(tdb, FREE_HEAD, 0, NULL);
	expect_damage(tdb, 36, 1, NULL); /* one chain of all */
	expect_damage(tdb, head, free_piece, "a hash chain has a piece that is no record");
	expect_damage(tdb, other, record, "a record is in another key's hash chain");
	expect_damage(tdb, second + PIECE_NEXT, record, "a list comes by at a place twice");
	expect_damage(tdb, free_piece + PIECE_NEXT, free_piece, "a list comes by at a place twice");
	expect_damage(tdb, FREE_HEAD, record, "the free list has a piece that is not free");
	expect_damage(tdb, record + PIECE_LEN, UINT32_MAX, "a piece is longer than the file");
	expect_damage(tdb, record + PIECE_LEN, get(tdb, record + PIECE_LEN) + 4,
		      "two pieces overlap");
	expect_damage(tdb, record + PIECE_KEY_LEN, 70000, "a record is longer than its place");
	expect_damage(tdb, record + PIECE_KEY_LEN, UINT32_MAX, "a record is longer than its place");
	expect_damage(tdb, record + PIECE_HASH, get(tdb, record + PIECE_HASH) + HASH_SIZE,
		      "a record's key is not the one that its hash is of");
	expect_damage(tdb, record + PIECE_HASH, get(tdb, record + PIECE_HASH) + 1,
		      "a record is in another key's hash chain");
	expect_damage(tdb, record + PIECE_MAGIC, 0, "a hash chain has a piece that is no record");
	expect_damage(tdb, record + PIECE_KEY, 0,
		      "a record's key is not the one that its hash is of");
	expect_damage(tdb, free_piece + 24 + get(tdb, free_piece + PIECE_LEN) - 4, 0, NULL);
	expect_damage(tdb, record + PIECE_LEN, get(tdb, record + PIECE_LEN) + 1,
		      "a piece's length is not aligned");
	expect_damage(tdb, 44, (uint32_t)st.st_size, "a list leads out of the file");
	expect_damage(tdb, 32, 0, "the header is not that of a TDB");
	expect_damage(tdb, 36, UINT32_MAX, "the file is shorter than its hash table");
	expect_damage(tdb, 36, 0, "the file is shorter than its hash table");
	put(tdb, 64, UINT32_MAX);
	expect_damage(tdb, 60, 1, "the file is shorter than its mutexes");
	put(tdb, 64, 0);
	expect_records(tdb, RECORDS);

	assert_int_equal(ftruncate(tdb_fd(tdb), 100), 0);
	assert_int_equal(judge(tdb, &v), -EBADMSG);
	assert_int_equal(store_judge(NULL, 0, &v, NULL), -EBADMSG);
	tdb_close(tdb);
}

/* libtdb puts a recovery area that never got its header on the free list, with a length of 0 */
static void test_area_without_header(void **state)
{
	struct tdb_context *tdb = db_new();
	uint32_t head = get(tdb, FREE_HEAD), at;
	struct store_verdict v;
	struct stat st;

	(void)state;
	assert_int_equal(fstat(tdb_fd(tdb), &st), 0);
	at = (uint32_t)st.st_size;
	assert_int_equal(ftruncate(tdb_fd(tdb), st.st_size + 8192), 0);
	put(tdb, at + PIECE_NEXT, head);
	put(tdb, at + PIECE_MAGIC, ~0x26011999U);
	put(tdb, FREE_HEAD, at);
	assert_int_not_equal(tdb_check(tdb, NULL, NULL), 0);
	assert_int_equal(judge(tdb, &v), 0);
	assert_int_equal(v.lost_bytes, 8192 - 24);
	expect_whole(tdb);
	for (unsigned int i = 0; i < RECORDS; i++) /* libtdb works with it */
		store(tdb, i, 3000);
	expect_whole(tdb);
	expect_records(tdb, RECORDS);
	tdb_close(tdb);
}

/* Whatever a word is, there is an answer */
static void test_any_word(void **state)
{
	struct tdb_context *tdb = db_new();
	struct store_verdict v;
	unsigned int seed = 3;
	struct stat st;

	(void)state;
	assert_int_equal(fstat(tdb_fd(tdb), &st), 0);
	for (int i = 0; i < 5000; i++) {
		uint32_t at = (uint32_t)(rand_r(&seed) % (st.st_size / 4)) * 4;
		uint32_t was = get(tdb, at);

		if (i % 4 == 0)
			at = 32 + at % 512 / 4 * 4, was = get(tdb, at);
		put(tdb, at,
		    i % 3 == 0 ? (uint32_t)rand_r(&seed)
			       : (uint32_t)(rand_r(&seed) % st.st_size) & ~3U);
		(void)judge(tdb, &v);
		put(tdb, at, was);
	}
	expect_whole(tdb);
	tdb_close(tdb);
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test_store_judge.XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/test.tdb", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_lost_space),
		cmocka_unit_test(test_rolled_back),
		cmocka_unit_test(test_not_rolled_back),
		cmocka_unit_test(test_killed_commits),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_area_without_header),
		cmocka_unit_test(test_any_word),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
