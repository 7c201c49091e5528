/* SPDX-License-Identifier: GPL-3.0-or-later */
/* tally.c: see tally.h. The bytes are kept as they are in the record: incrementing is one search.
 */
#include <errno.h>
#include "tally.h"

static uint32_t tally_n(const struct tally *t)
{
	uint32_t n;

	memcpy(&n, t->bytes, sizeof(n));
	return n;
}

static uint8_t *tally_at(struct tally *t, uint32_t i)
{
	return t->bytes + 8 + 16 * (size_t)i;
}

int tally_entry(const struct tally *t, uint32_t i, uint32_t *pnn, uint64_t *count)
{
	if (i >= tally_n(t))
		return -ENOENT;
	memcpy(pnn, t->bytes + 8 + 16 * (size_t)i, sizeof(*pnn));
	memcpy(count, t->bytes + 16 + 16 * (size_t)i, sizeof(*count));
	return 0;
}

void tally_read(struct tally *t, struct slice data)
{
	uint32_t n;

	if (data.len >= 8 && data.len <= TALLY_SIZE) {
		memcpy(&n, data.p, sizeof(n));
		if (n <= TALLY_MAX_NODES && data.len == 8 + 16 * (size_t)n) {
			memcpy(t->bytes, data.p, data.len);
			t->len = data.len;
			return;
		}
	}
	memset(t->bytes, 0, 8);
	t->len = 8;
}

uint64_t tally_get(const struct tally *t, uint32_t pnn)
{
	uint32_t p;
	uint64_t count;

	for (uint32_t i = 0; tally_entry(t, i, &p, &count) == 0; i++) {
		if (p == pnn)
			return count;
	}
	return 0;
}

int tally_increment(struct tally *t, uint32_t pnn)
{
	uint32_t p, n = tally_n(t);
	uint64_t count = 0;
	uint8_t *at;

	for (uint32_t i = 0; tally_entry(t, i, &p, &count) == 0; i++) {
		if (p == pnn) {
			count++;
			memcpy(tally_at(t, i) + 8, &count, sizeof(count));
			return 0;
		}
	}
	if (n == TALLY_MAX_NODES)
		return -ENOSPC;
	count = 1;
	at = tally_at(t, n);
	memset(at, 0, 16);
	memcpy(at, &pnn, sizeof(pnn));
	memcpy(at + 8, &count, sizeof(count));
	n++;
	memcpy(t->bytes, &n, sizeof(n));
	t->len += 16;
	return 0;
}

uint64_t tally_sum(const struct tally *t)
{
	uint64_t sum = 0, count;
	uint32_t pnn;

	for (uint32_t i = 0; tally_entry(t, i, &pnn, &count) == 0; i++)
		sum += count;
	return sum;
}
