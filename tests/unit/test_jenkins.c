/* SPDX-License-Identifier: GPL-3.0-or-later */
/* jenkins: database ids as CTDB gives them, and the same hash as libtdb for every length */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sys/types.h>
#include <tdb.h>
#include "lib/jenkins.h"

static void db_ids_are_ctdbs(void **state)
{
	(void)state;
	assert_int_equal(jenkins_db_id("g_lock.tdb"), 0x4d2a432b);
	assert_int_equal(jenkins_db_id("secrets.tdb"), 0x7132c184);
}

static void hash_is_libtdbs(void **state)
{
	uint8_t bytes[100];
	uint32_t x = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		x = x * 1664525U + 1013904223U;
		bytes[i] = (uint8_t)(x >> 24);
	}
	for (size_t len = 0; len <= 64; len++) {
		for (size_t at = 0; at < 8; at++) {
			TDB_DATA key = { .dptr = bytes + at, .dsize = len };

			assert_int_equal(jenkins_hash(slice_of(bytes + at, len)),
					 tdb_jenkins_hash(&key));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(db_ids_are_ctdbs),
		cmocka_unit_test(hash_is_libtdbs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
