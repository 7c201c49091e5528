/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_location.c: the lmaster's table, with more records than it begins with room for */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "core_world.h"

enum { MANY = 50000, DB = 5, OTHER_DB = 6 };

static struct slice key_of(char *text, uint32_t i)
{
	/* of many lengths */
	int len = snprintf(text, 4096, "%0*u", 8 + (int)(i % 61) + (i % 1000 == 0 ? 1500 : 0), i);

	return slice_of(text, (size_t)len);
}

static void expect_holder(struct core *c, uint32_t db_id, uint32_t i, uint32_t holder, uint64_t rsn)
{
	char text[4096];
	const struct location *l = location_known(c, db_id, key_of(text, i));

	assert_non_null(l);
	assert_true(l->is_definitive);
	assert_false(l->is_named); /* nobody has to be told its key any more */
	assert_int_equal(location_db_id(c, l), db_id);
	assert_int_equal(l->holder, holder);
	assert_int_equal(l->rsn, rsn);
}

static void fill(struct core *c)
{
	char text[4096];

	for (uint32_t i = 0; i < MANY; i++) {
		size_t buckets = c->locations.buckets;

		location_learn(c, DB, key_of(text, i), i % 2, 100 + i);
		location_learn(c, OTHER_DB, key_of(text, i), 1, 7);
		/* it never stops to move all */
		if (buckets > 0)
			assert_in_range(c->locations.buckets - buckets, 0, 2);
		assert_true(c->locations.n <= c->locations.buckets);
	}
	assert_int_equal(c->locations.n, 2 * MANY);
}

static void test_finds_all(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	char text[4096];

	(void)state;
	fill(c);
	for (uint32_t i = 0; i < MANY; i++) {
		expect_holder(c, DB, i, i % 2, 100 + i);
		expect_holder(c, OTHER_DB, i, 1, 7);
	}
	assert_null(location_known(c, DB, key_of(text, MANY)));
	assert_null(location_known(c, OTHER_DB + 1, key_of(text, 1)));
	/* their room is used again */
	for (uint32_t i = 0; i < MANY; i += 2)
		location_forget(c, DB, key_of(text, i), 1);
	for (uint32_t i = 0; i < MANY; i += 2)
		assert_null(location_known(c, DB, key_of(text, i)));
	for (uint32_t i = 0; i < MANY; i += 2)
		location_learn(c, DB, key_of(text, i), 1, 200 + i);
	for (uint32_t i = 0; i < MANY; i++)
		expect_holder(c, DB, i, 1, (i % 2 == 0 ? 200 : 100) + i);
	core_free(c);
}

static void test_closed_and_reset(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	char text[4096];

	(void)state;
	fill(c);
	location_db_closed(c, OTHER_DB);
	assert_int_equal(c->locations.n, MANY);
	for (uint32_t i = 0; i < MANY; i++) {
		expect_holder(c, DB, i, i % 2, 100 + i);
		assert_null(location_known(c, OTHER_DB, key_of(text, i)));
	}
	/* another takes its number */
	location_learn(c, OTHER_DB + 1, key_of(text, 1), 1, 7);
	expect_holder(c, OTHER_DB + 1, 1, 1, 7);
	assert_int_equal(c->locations.dbs, 2);
	location_offer(c, DB, key_of(text, MANY), 1, 7);
	location_reset(c);
	assert_int_equal(c->locations.n, 0);
	assert_null(c->locations.names);
	assert_null(location_known(c, DB, key_of(text, 1)));
	fill(c);
	core_free(c);
}

/* Orphans are looked for in some buckets at a time, while the table grows */
static void test_orphans_while_growing(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	char text[4096];
	uint32_t i = 0;

	(void)state;
	c->is_recovering = false;
	for (; i < 3000; i++)
		location_offer(c, DB, key_of(text, i), 0, 9);
	for (uint32_t k = 0; k < 3000; k++) {
		const struct location *l = location_known(c, DB, key_of(text, k));

		assert_true(l->is_named && slice_equal(location_key(l), key_of(text, k)));
	}
	assert_int_equal(c->locations.orphans, 3000);
	while (c->locations.orphans > 0) {
		size_t orphans = c->locations.orphans;

		for (uint32_t end = i + 500; i < end; i++)
			location_learn(c, DB, key_of(text, i), 1, 9);
		location_tick(c);
		assert_true(c->locations.orphans <
			    orphans); /* each time some: none is passed over */
	}
	for (uint32_t k = 0; k < 3000; k++) {
		const struct location *l = location_known(c, DB, key_of(text, k));

		assert_true(l != NULL && l->is_definitive && !l->is_named && l->holder == 0);
	}
	assert_null(c->locations.names);
	core_free(c);
}

/* Who waits is told when all reports are in, and forgotten with the generation */
static void test_waiting(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	char text[4096];

	(void)state;
	c->is_recovering = true;
	for (uint32_t i = 0; i < 5000; i++) {
		struct packet p = {
			.type = PACKET_REQUEST, .db_id = DB, .orig = 1, .key = key_of(text, i)
		};

		location_request(c, &p);
		location_request(c, &p); /* it is one that waits */
	}
	assert_int_equal(c->resolutions_n, 5000);
	location_learn(c, DB, key_of(text, 17), 1, 9);
	assert_int_equal(c->resolutions_n, 4999);
	location_forget(c, DB, key_of(text, 18), 9);
	assert_int_equal(c->resolutions_n, 4998);
	c->is_recovering = false;
	resolve_settle(c);
	assert_int_equal(c->resolutions_n, 0);
	for (uint32_t i = 0; i < 5000; i++)
		if (i != 18)
			assert_int_equal(location_known(c, DB, key_of(text, i))->holder, 1);
	c->is_recovering = true;
	for (uint32_t i = 5000; i < 6000; i++) {
		struct packet p = {
			.type = PACKET_REQUEST, .db_id = DB, .orig = 1, .key = key_of(text, i)
		};

		location_request(c, &p);
	}
	assert_int_equal(c->resolutions_n, 1000);
	location_reset(c);
	assert_int_equal(c->resolutions_n, 0);
	core_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_finds_all),
		cmocka_unit_test(test_closed_and_reset),
		cmocka_unit_test(test_orphans_while_growing),
		cmocka_unit_test(test_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
