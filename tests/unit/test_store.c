/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_store.c: the files of databases, their sequence numbers, and the records in them */
#include "store_world.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_files(void **state)
{
	struct world *w = *state;
	struct engine *e = &w->engine;
	const char *path;
	char expected[256];
	struct stat st;
	int flags;

	snprintf(expected, sizeof(expected), "%s/test.tdb.2", w->volatile_dir);
	assert_int_equal(store_db_path(e, DB, &path), 0);
	assert_string_equal(path, expected);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(store_db_open_flags(e, DB, &flags), 0);
	assert_int_equal(flags, 0x1c41);
	assert_int_equal(store_db_enable_seqnum(e, DB), 0);
	assert_int_equal(store_db_open_flags(e, DB, &flags), 0);
	assert_int_equal(flags, 0x1cc1);
	assert_int_equal(store_db_open(e, DB, "other.tdb", 0), -EEXIST);

	assert_int_equal(store_db_open(e, 1, "p.tdb", DB_PERSISTENT), 0);
	assert_int_equal(store_db_open_flags(e, 1, &flags), 0);
	assert_int_equal(flags, 0x0400);
	assert_int_equal(store_db_open(e, 2, "r.tdb", DB_REPLICATED), 0);
	assert_int_equal(store_db_open_flags(e, 2, &flags), 0);
	assert_int_equal(flags, 0x0c41);

	assert_int_equal(store_db_path(e, 77, &path), -ENOENT);
	assert_int_equal(store_db_open(e, 3, "../x.tdb", 0), -EINVAL);
	assert_int_equal(store_db_open(e, 3, "", 0), -EINVAL);
	assert_int_equal(store_db_open(e, 3, ".", 0), -EINVAL);
	/* A file that nobody retired */
	assert_int_equal(store_db_open(e, 4, "test.tdb", 0), -EEXIST);
	/* A detached database may come back */
	store_db_close(e, DB);
	assert_int_equal(store_db_path(e, DB, &path), -ENOENT);
	assert_int_equal(store_db_open(e, DB, "test.tdb", 0), 0);
}

static unsigned int seqnum_told;

static bool seqnum_tell(void *arg, uint32_t db_id)
{
	assert_int_equal(db_id, DB);
	seqnum_told++;
	return *(bool *)arg;
}

static unsigned int seqnum_changes(struct engine *e, bool is_taken)
{
	seqnum_told = 0;
	store_seqnum_changed(e, seqnum_tell, &is_taken);
	return seqnum_told;
}

/* As clients find it in the file, where libtdb's header comes behind the mutexes */
static uint32_t seqnum_of(struct world *w)
{
	char file[256];
	uint32_t mutexes = 0, n = 0;
	int fd;

	snprintf(file, sizeof(file), "%s/test.tdb.2", w->volatile_dir);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pread(fd, &mutexes, sizeof(mutexes), 64), sizeof(mutexes));
	assert_int_equal(pread(fd, &n, sizeof(n), mutexes + 48), sizeof(n));
	close(fd);
	return n;
}

static void seqnum_put(struct engine *e, uint32_t db_id)
{
	static uint64_t rsn; /* libtdb does not write what is there already */
	const struct record_header h = { .rsn = ++rsn, .dmaster = 2 };

	assert_int_equal(store_lock(e, db_id, KEY), 0);
	assert_int_equal(store_put(e, db_id, KEY, &h, slice_of("value", 5)), 0);
	store_unlock(e, db_id, KEY);
}

static void test_seqnum(void **state)
{
	struct world *w = *state;
	struct engine *e = &w->engine;
	uint32_t before;

	seqnum_put(e, DB);
	assert_int_equal(seqnum_of(w), 0);
	assert_int_equal(store_seqnum_raise(e, DB), 0); /* nobody looks at it */
	assert_int_equal(seqnum_of(w), 0);
	assert_int_equal(store_db_enable_seqnum(e, DB), 0);
	assert_int_equal(store_db_open(e, 1, "p.tdb", DB_PERSISTENT), 0);
	assert_int_equal(store_db_enable_seqnum(e, 1), 0);
	assert_int_equal(seqnum_changes(e, true), 0);
	seqnum_put(e, DB);
	seqnum_put(e, 1); /* every node has its own commits */
	before = seqnum_of(w);
	assert_int_equal(before, 1);
	assert_int_equal(seqnum_changes(e, false), 1); /* it could not be told */
	assert_int_equal(seqnum_changes(e, true), 1);
	assert_int_equal(seqnum_changes(e, true), 0);
	/* another node's change is not told on, and does not hide one of this node */
	assert_int_equal(store_seqnum_raise(e, DB), 0);
	assert_int_equal(seqnum_of(w), before + 1);
	assert_int_equal(seqnum_changes(e, true), 0);
	seqnum_put(e, DB);
	assert_int_equal(store_seqnum_raise(e, DB), 0);
	assert_int_equal(seqnum_changes(e, true), 1);
	assert_int_equal(seqnum_changes(e, true), 0);
	assert_int_equal(store_seqnum_raise(e, 77), -ENOENT);
}

static void test_records(void **state)
{
	static const uint8_t golden[RECORD_HEADER_SIZE + 4] = {
		8, 7, 6, 5, 4, 3, 2, 1, 2, 0, 0,   0,	0,   0,
		0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 'b', 'o', 'd', 'y',
	};
	struct world *w = *state;
	struct engine *e = &w->engine;
	struct record_header h = { .rsn = 0x0102030405060708, .dmaster = 2, .flags = 0x01010000 },
			     g;
	uint8_t *large = malloc(3 << 20), raw[64];
	struct slice body;
	struct client c;

	assert_int_equal(store_get(e, DB, KEY, &g, &body), -ENOENT);
	assert_int_equal(store_lock(e, DB, KEY), 0);
	assert_int_equal(store_put(e, DB, KEY, &h, slice_of("body", 4)), 0);
	assert_int_equal(store_get(e, DB, KEY, &g, &body), 0);
	assert_int_equal(g.rsn, h.rsn);
	assert_int_equal(g.dmaster, h.dmaster);
	assert_int_equal(g.flags, h.flags);
	assert_true(slice_equal(body, slice_of("body", 4)));
	store_unlock(e, DB, KEY);
	c = client_start(w, "dump");
	assert_int_equal(read(c.out, raw, sizeof(raw)), sizeof(golden));
	assert_memory_equal(raw, golden, sizeof(golden));
	assert_int_equal(client_end(&c), 0);

	/* Empty, large, small again */
	assert_int_equal(store_lock(e, DB, KEY), 0);
	assert_int_equal(store_put(e, DB, KEY, &h, slice_of(NULL, 0)), 0);
	assert_int_equal(store_get(e, DB, KEY, &g, &body), 0);
	assert_int_equal(body.len, 0);
	memset(large, 0x5a, 3 << 20);
	assert_int_equal(store_put(e, DB, KEY, &h, slice_of(large, 3 << 20)), 0);
	assert_int_equal(store_get(e, DB, KEY, &g, &body), 0);
	assert_true(slice_equal(body, slice_of(large, 3 << 20)));
	assert_int_equal(store_put(e, DB, KEY, &h, slice_of("x", 1)), 0);
	assert_int_equal(store_get(e, DB, KEY, &g, &body), 0);
	assert_true(slice_equal(body, slice_of("x", 1)));
	assert_int_equal(store_del(e, DB, KEY), 0);
	assert_int_equal(store_get(e, DB, KEY, &g, &body), -ENOENT);
	assert_int_equal(store_del(e, DB, KEY), -ENOENT);
	store_unlock(e, DB, KEY);
	free(large);

	assert_int_equal(client_run(w, "short"), 0);
	assert_int_equal(store_get(e, DB, KEY, &g, &body), -ENOENT);
	assert_int_equal(store_lock(e, 77, KEY), -ENOENT);
}

static int tests_run(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_WITHOUT_WORKERS(test_files),
		WORLD_WITHOUT_WORKERS(test_seqnum),
		WORLD_WITHOUT_WORKERS(test_records),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	return world_main(argc, argv, tests_run);
}
