/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_store_replica.c: persistent databases: commits, and content that one node gives another */
#include "store_world.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/payload.h"

static struct slice records_of(uint8_t *buf, size_t size, uint64_t rsn, const char *text,
			       uint64_t seq)
{
	uint8_t value[RECORD_HEADER_SIZE + 64] = { 0 };
	struct writer w = writer_of(buf, size);
	struct ctdb_rec_data r = { .key = KEY,
				   .data = slice_of(value, RECORD_HEADER_SIZE + strlen(text)) };

	ctdb_rec_buffer_encode(&w, &(struct ctdb_rec_buffer){ P, 2 });
	memcpy(value, &rsn, sizeof(rsn));
	memcpy(value + RECORD_HEADER_SIZE, text, strlen(text));
	ctdb_rec_data_encode(&w, &r);
	memcpy(value + RECORD_HEADER_SIZE, &seq, sizeof(seq));
	r.key = slice_of(SEQUENCE_KEY, sizeof(SEQUENCE_KEY));
	r.data.len = RECORD_HEADER_SIZE + sizeof(seq);
	ctdb_rec_data_encode(&w, &r);
	assert_false(w.failed);
	return slice_of(buf, w.len);
}

static bool is_checked(struct world *w)
{
	return w->core.checked > 0;
}
static bool is_applied(struct world *w)
{
	return w->core.applied > 0;
}
static bool is_dumped(struct world *w)
{
	return w->core.has_all;
}
static bool is_written(struct world *w)
{
	return w->core.written > 0;
}

static int check(struct world *w, struct slice records)
{
	w->core.checked = 0;
	store_commit_check(&w->engine, P, 5, records);
	assert_true(run_for(w, is_checked, WAIT_MS));
	assert_int_equal(w->core.ticket, 5);
	return w->core.rc;
}

static void apply(struct world *w, struct slice records, uint32_t generation, uint32_t tag)
{
	struct core_content becomes = { .generation = generation, .tag = tag };

	w->core.applied = 0;
	store_commit_apply(&w->engine, P, 6, &becomes, records, false);
	assert_true(run_for(w, is_applied, WAIT_MS));
	assert_int_equal(w->core.ticket, 6);
	assert_int_equal(w->core.rc, 0);
}

static struct core_content content_of(struct world *w)
{
	struct core_content content;

	store_db_content(&w->engine, P, &content);
	return content;
}

static void test_commit(void **state)
{
	struct world *w = *state;
	struct record_header h;
	struct slice body;
	struct core_content content;
	uint8_t buf[512];

	assert_int_equal(store_db_open(&w->engine, P, "p.tdb", DB_PERSISTENT), 0);
	store_find_persistent(&w->engine);
	assert_int_equal(w->core.found, 1);
	content = content_of(w);
	assert_int_equal(content.generation, 0);
	assert_int_equal(content.seq, 0);
	assert_false(content.is_damaged);
	assert_int_equal(check(w, records_of(buf, sizeof(buf), 1, "one", 1)), 0);
	apply(w, records_of(buf, sizeof(buf), 1, "one", 1), 9, 0xabcd);
	assert_int_equal(store_get(&w->engine, P, KEY, &h, &body), 0);
	assert_true(slice_equal(body, slice_of("one", 3)));
	content = content_of(w);
	assert_int_equal(content.generation, 9);
	assert_int_equal(content.tag, 0xabcd);
	assert_int_equal(content.seq, 1);
	/* as new, and another body; the same once more; newer */
	assert_int_equal(check(w, records_of(buf, sizeof(buf), 1, "two", 2)), -EEXIST);
	assert_int_equal(check(w, records_of(buf, sizeof(buf), 1, "one", 1)), 0);
	assert_int_equal(check(w, records_of(buf, sizeof(buf), 2, "two", 2)), 0);
	assert_int_equal(check(w, slice_of("x", 1)), -EBADMSG);
	apply(w, slice_of(NULL, 0), 10, 7);
	content = content_of(w);
	assert_int_equal(content.generation, 10);
	assert_int_equal(content.seq, 1);
}

/* What one node reads becomes another's content, also when that one's file was damaged */
static void test_transfer(void **state)
{
	struct world *w = *state;
	struct core_content content;
	struct record_header h;
	struct slice body;
	char path[256], command[400];
	const char *name;
	uint8_t buf[512];
	int fd;

	assert_int_equal(store_db_open(&w->engine, P, "p.tdb", DB_PERSISTENT), 0);
	apply(w, records_of(buf, sizeof(buf), 1, "one", 3), 9, 7);
	store_transfer_send(&w->engine, P, 1, 77);
	assert_true(run_for(w, is_dumped, WAIT_MS));
	apply(w, records_of(buf, sizeof(buf), 2, "other", 4), 10, 8);
	store_transfer_receive(&w->engine, P, 80, slice_of("of an older one", 15), false);
	store_transfer_receive(&w->engine, P, 81, slice_of(w->core.part, 10), false);
	store_transfer_receive(&w->engine, P, 81,
			       slice_of(w->core.part + 10, w->core.part_len - 10), true);
	assert_true(run_for(w, is_written, WAIT_MS));
	assert_int_equal(w->core.rc, 0);
	content = content_of(w);
	assert_int_equal(content.generation, 9);
	assert_int_equal(content.seq, 3);
	assert_int_equal(store_get(&w->engine, P, KEY, &h, &body), 0);
	assert_true(slice_equal(body, slice_of("one", 3)));

	assert_int_equal(store_db_path(&w->engine, P, &name), 0);
	snprintf(path, sizeof(path), "%s", name);
	store_db_close(&w->engine, P);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "garbage", 7, 0), 7);
	close(fd);
	assert_int_equal(store_db_open(&w->engine, P, "p.tdb", DB_PERSISTENT), 0);
	assert_true(content_of(w).is_damaged);
	assert_int_equal(store_lock(&w->engine, P, KEY), -ENOENT);
	w->core.written = 0;
	store_transfer_receive(&w->engine, P, 82, slice_of(w->core.part, w->core.part_len), true);
	assert_true(run_for(w, is_written, WAIT_MS));
	assert_int_equal(w->core.rc, 0);
	content = content_of(w);
	assert_false(content.is_damaged);
	assert_int_equal(content.seq, 3);
	snprintf(command, sizeof(command), "grep -q garbage %s.damaged-*", path);
	assert_int_equal(system(command), 0);
}

static bool is_mend_due(struct world *w)
{
	return store_db_by_id(w->engine.store, P)->is_mend_due;
}

/* Another process ends in the middle of a commit that makes the file longer */
static void commit_interrupted(const char *path)
{
	unsigned char junk[100000] = { 'j' };
	TDB_DATA value = { .dptr = junk, .dsize = sizeof(junk) };
	TDB_DATA key = { .dptr = junk, .dsize = 4 };
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct tdb_context *tdb = tdb_open(path, 0, 0, O_RDWR, 0);
		struct stat st;

		_exit(tdb == NULL || fstat(tdb_fd(tdb), &st) != 0 ||
		      tdb_transaction_start(tdb) != 0 || tdb_store(tdb, key, value, 0) != 0 ||
		      tdb_transaction_prepare_commit(tdb) != 0 ||
		      pwrite(tdb_fd(tdb), junk, sizeof(junk), st.st_size) != sizeof(junk));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* Lost space of a rolled back commit is no damage, and is wiped before the next one: after that, and
 * after more commits, it still is none */
static void test_lost_space(void **state)
{
	struct world *w = *state;
	struct record_header h;
	struct slice body;
	char path[256];
	const char *name;
	uint8_t buf[512];

	assert_int_equal(store_db_open(&w->engine, P, "p.tdb", DB_PERSISTENT), 0);
	apply(w, records_of(buf, sizeof(buf), 1, "one", 3), 9, 7);
	assert_int_equal(store_db_path(&w->engine, P, &name), 0);
	snprintf(path, sizeof(path), "%s", name);
	assert_false(is_mend_due(w));
	for (uint64_t i = 4; i < 7; i++) {
		store_db_close(&w->engine, P);
		commit_interrupted(path);
		assert_int_equal(store_db_open(&w->engine, P, "p.tdb", DB_PERSISTENT), 0);
		assert_false(content_of(w).is_damaged);
		assert_int_equal(content_of(w).seq, i - 1);
		assert_true(is_mend_due(w));
		apply(w, records_of(buf, sizeof(buf), i, "two", i), 10, 8);
		assert_int_equal(content_of(w).seq, i);
		assert_false(is_mend_due(w));
		assert_int_equal(store_get(&w->engine, P, KEY, &h, &body), 0);
		assert_true(slice_equal(body, slice_of("two", 3)));
	}
}

/* A worker dies at its work: the file is mended first, then the commit happens */
static void test_worker_killed(void **state)
{
	struct world *w = *state;
	struct store *s = w->engine.store;
	struct core_content becomes = { .generation = 9, .tag = 7 };
	struct record_header h;
	struct slice body;
	uint8_t buf[512];

	assert_int_equal(store_db_open(&w->engine, P, "p.tdb", DB_PERSISTENT), 0);
	for (uint64_t i = 1; i <= 4; i++) {
		char text[32];

		snprintf(text, sizeof(text), "value %d", (int)i);
		w->core.applied = 0;
		store_commit_apply(&w->engine, P, i, &becomes,
				   records_of(buf, sizeof(buf), i, text, i), false);
		for (size_t k = 0; k < STORE_COMMITTERS; k++)
			if (s->committer[k].job != NULL)
				kill(s->committer[k].channel.pid, SIGKILL);
		assert_true(run_for(w, is_mend_due, WAIT_MS));
		assert_true(run_for(w, is_applied, WAIT_MS));
		assert_int_equal(w->core.rc, 0);
		assert_false(is_mend_due(w));
		assert_int_equal(store_get(&w->engine, P, KEY, &h, &body), 0);
		assert_true(slice_equal(body, slice_of(text, strlen(text))));
	}
}

/* The file has a list that was cut: the records behind are still there, but nobody finds them. It
 * stays as it is. */
static void test_cut_list(void **state)
{
	struct world *w = *state;
	char path[256], before[168 + 4 * 8], after[sizeof(before)];
	const char *name;
	uint8_t buf[512];
	uint32_t zero = 0;
	uint64_t at = 172;
	int fd;

	assert_int_equal(store_db_open(&w->engine, P, "p.tdb", DB_PERSISTENT), 0);
	apply(w, records_of(buf, sizeof(buf), 1, "one", 3), 9, 7);
	assert_int_equal(store_db_path(&w->engine, P, &name), 0);
	snprintf(path, sizeof(path), "%s", name);
	store_db_close(&w->engine, P);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	for (uint32_t head = 0; head == 0; at += 4) /* the first hash chain that has a record */
		assert_int_equal(pread(fd, &head, sizeof(head), (off_t)at), sizeof(head));
	assert_int_equal(pwrite(fd, &zero, sizeof(zero), (off_t)at - 4), sizeof(zero));
	assert_int_equal(pread(fd, before, sizeof(before), 0), sizeof(before));
	assert_int_equal(store_db_open(&w->engine, P, "p.tdb", DB_PERSISTENT), 0);
	assert_true(content_of(w).is_damaged);
	store_db_close(&w->engine, P);
	assert_int_equal(pread(fd, after, sizeof(after), 0), sizeof(after));
	assert_memory_equal(before, after, sizeof(before));
	close(fd);
}

static int tests_run(void)
{
	const struct CMUnitTest tests[] = {
		WORLD(test_commit),
		WORLD(test_transfer),
		WORLD(test_lost_space),
		WORLD(test_worker_killed),
		WORLD(test_cut_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	return world_main(argc, argv, tests_run);
}
