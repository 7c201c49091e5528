/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_slot.c: which node is the lmaster, and how few keys get another one when nodes come and go
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "core_world.h"

enum { NODES_MAX = 64, KEYS = 20000 };

struct slots {
	struct core c;
	struct incarnation active[NODES_MAX];
};

/* Those of these pnns, which need not be in a row */
static const uint16_t *slots_of(struct slots *s, const uint32_t *pnn, size_t n)
{
	for (size_t i = 0; i < n; i++)
		s->active[i].pnn = pnn[i];
	s->c.active = s->active;
	s->c.active_n = n;
	slot_assign(&s->c);
	return s->c.slot;
}

static size_t slots_had(const uint16_t *slot, uint32_t pnn)
{
	size_t n = 0;

	for (size_t i = 0; i < SLOT_COUNT; i++)
		n += slot[i] == pnn;
	return n;
}

/* pnn 0 .. n-1, with the given gap in front of the second half */
static void pnns_fill(uint32_t *pnn, size_t n, uint32_t gap)
{
	for (size_t i = 0; i < n; i++)
		pnn[i] = (uint32_t)i + (i >= n / 2 ? gap : 0);
}

/* Each has about its share of the 1024: of eight nodes and less, within a quarter of it */
static void test_balance(void **state)
{
	static struct slots s;
	uint32_t pnn[NODES_MAX];

	(void)state;
	for (size_t n = 1; n <= NODES_MAX; n++) {
		for (uint32_t gap = 0; gap < 900; gap += 299) {
			const uint16_t *slot;
			size_t all = 0;

			pnns_fill(pnn, n, gap);
			slot = slots_of(&s, pnn, n);
			for (size_t i = 0; i < n; i++) {
				size_t had = slots_had(slot, pnn[i]), share = SLOT_COUNT / n;

				all += had;
				if (n <= 8)
					assert_in_range(had, share * 3 / 4, share * 5 / 4 + 1);
				else
					assert_in_range(had, 1, share * 3);
			}
			assert_int_equal(all, SLOT_COUNT);
		}
	}
}

/* Who goes gives away what he had, and who comes takes what is his: nothing else moves */
static void test_moves(void **state)
{
	static struct slots s;
	uint16_t with[SLOT_COUNT];
	uint32_t pnn[NODES_MAX], others[NODES_MAX];

	(void)state;
	for (size_t n = 2; n <= 16; n++) {
		pnns_fill(pnn, n, 7);
		memcpy(with, slots_of(&s, pnn, n), sizeof(with));
		for (size_t gone = 0; gone < n; gone++) {
			const uint16_t *without;
			size_t moved = 0;

			for (size_t i = 0, k = 0; i < n; i++)
				if (i != gone)
					others[k++] = pnn[i];
			without = slots_of(&s, others, n - 1);
			for (size_t i = 0; i < SLOT_COUNT; i++) {
				if (with[i] == without[i])
					continue;
				assert_int_equal(with[i], pnn[gone]);
				moved++;
			}
			assert_int_equal(moved, slots_had(with, pnn[gone]));
			/* about 1/n of all */
			assert_in_range(moved, SLOT_COUNT / n / 2, SLOT_COUNT / n * 2);
		}
	}
}

/* Those that go are not all inherited by one */
static void test_heirs(void **state)
{
	static struct slots s;
	uint16_t with[SLOT_COUNT];
	uint32_t pnn[5];
	size_t inherited[5] = { 0 };

	(void)state;
	pnns_fill(pnn, 5, 0);
	memcpy(with, slots_of(&s, pnn, 5), sizeof(with));
	slots_of(&s, pnn, 4); /* without pnn 4 */
	for (size_t i = 0; i < SLOT_COUNT; i++)
		if (with[i] == 4)
			inherited[s.c.slot[i]]++;
	for (size_t i = 0; i < 4; i++)
		assert_in_range(inherited[i], slots_had(with, 4) / 8, slots_had(with, 4) / 2);
}

/* The order in which they are listed does not count, and keys are spread over the slots */
static void test_keys(void **state)
{
	static struct slots s, t;
	const uint32_t forth[3] = { 0, 1, 2 }, back[3] = { 2, 1, 0 };
	size_t had[3] = { 0 };

	(void)state;
	assert_memory_equal(slots_of(&s, forth, 3), slots_of(&t, back, 3), sizeof(s.c.slot));
	for (unsigned int i = 0; i < KEYS; i++) {
		char key[32];
		size_t len = (size_t)snprintf(key, sizeof(key), "key-%u", i);

		had[slot_lmaster(&s.c, core_hash(1, slice_of(key, len)))]++;
	}
	for (size_t i = 0; i < 3; i++)
		assert_in_range(had[i], KEYS / 3 * 4 / 5, KEYS / 3 * 6 / 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_balance),
		cmocka_unit_test(test_moves),
		cmocka_unit_test(test_heirs),
		cmocka_unit_test(test_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
