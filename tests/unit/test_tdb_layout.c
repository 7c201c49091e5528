/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_tdb_layout.c: what is read beside libtdb against what libtdb says, chain by chain */
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
#include <unistd.h>
#include <tdb.h>
#include <cmocka.h>
#include "daemon/helper/tdb_layout.h"

#define HASH_SIZE 1009

static int count(struct tdb_context *tdb, TDB_DATA key, TDB_DATA value, void *arg)
{
	(void)tdb;
	(void)key;
	(void)value;
	++*(size_t *)arg;
	return 0;
}

static void chains_compare(struct tdb_context *tdb, size_t empty_min, size_t empty_max)
{
	struct tdb_chains c;
	size_t empty = 0;

	tdb_chains_begin(&c, tdb);
	for (uint32_t i = 0; i < HASH_SIZE; i++) {
		size_t n = 0;

		assert_int_not_equal(tdb_traverse_chain(tdb, i, count, &n), -1);
		assert_int_equal(tdb_chain_is_empty(&c, i), n == 0);
		empty += n == 0;
	}
	assert_in_range(empty, empty_min, empty_max);
	tdb_chains_end(&c);
}

static void step(struct tdb_context *tdb, uint32_t number, size_t len)
{
	static uint8_t value[5000];
	TDB_DATA key = { .dptr = (uint8_t *)&number, .dsize = sizeof(number) };
	TDB_DATA data = { .dptr = value, .dsize = len };

	if (len > 0)
		assert_int_equal(tdb_store(tdb, key, data, 0), 0);
	else
		(void)tdb_delete(tdb, key);
}

static void every_chain(int flags)
{
	char name[] = "layout-XXXXXX";
	struct tdb_context *tdb;
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	close(fd);
	tdb = tdb_open(name, HASH_SIZE, flags, O_RDWR | O_CREAT, 0600);
	assert_non_null(tdb);
	chains_compare(tdb, HASH_SIZE, HASH_SIZE);
	for (uint32_t i = 0; i < 300; i++)
		step(tdb, i, 1 + i * 7 % 4000);
	chains_compare(tdb, HASH_SIZE - 300, HASH_SIZE - 200);
	for (uint32_t i = 0; i < 5000; i++)
		step(tdb, i * 7919 % 600, i % 3 == 0 ? 0 : 1 + i % 4999);
	chains_compare(tdb, HASH_SIZE - 600, HASH_SIZE - 200);
	assert_int_equal(tdb_wipe_all(tdb), 0);
	chains_compare(tdb, HASH_SIZE, HASH_SIZE);
	tdb_close(tdb);
	assert_int_equal(unlink(name), 0);
}

static void volatile_databases(void **state)
{
	(void)state;
	every_chain(TDB_CLEAR_IF_FIRST | TDB_NOSYNC | TDB_INCOMPATIBLE_HASH | TDB_MUTEX_LOCKING);
}

static void persistent_databases(void **state)
{
	(void)state;
	every_chain(TDB_INCOMPATIBLE_HASH | TDB_NOSYNC);
	every_chain(TDB_DEFAULT);
}

/* In memory, and of the other byte order: nothing is known, so nothing is skipped */
static void others_are_not_known(void **state)
{
	const int flags[] = { TDB_INTERNAL, TDB_CONVERT };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct tdb_context *tdb =
		    tdb_open("layout.tdb", HASH_SIZE, flags[i], O_RDWR | O_CREAT, 0600);
		struct tdb_chains c;

		assert_non_null(tdb);
		tdb_chains_begin(&c, tdb);
		assert_null(c.head);
		assert_false(tdb_chain_is_empty(&c, 0));
		tdb_chains_end(&c);
		tdb_close(tdb);
		(void)unlink("layout.tdb");
	}
}

static void nonsense_is_no_database(void **state)
{
	uint8_t header[TDB_HEADER_BYTES] = "TDB file\n";
	struct tdb_layout layout;

	(void)state;
	assert_int_not_equal(tdb_layout_decode(header, &layout), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(volatile_databases),
		cmocka_unit_test(persistent_databases),
		cmocka_unit_test(others_are_not_known),
		cmocka_unit_test(nonsense_is_no_database),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
