/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * histogram.c: latencies in buckets whose width grows with the value.
 *
 * Values below 16 have a bucket each; above, the four bits behind the highest one choose one of
 * sixteen buckets of that power of two.
 */
#include "bench.h"

#define STEPS	   16U
#define STEPS_BITS 4

static size_t bucket_of(uint64_t ns)
{
	unsigned int high;
	size_t i;

	if (ns < STEPS)
		return (size_t)ns;
	high = 63U - (unsigned int)__builtin_clzll(ns);
	i = (size_t)(high - STEPS_BITS + 1) * STEPS + ((ns >> (high - STEPS_BITS)) & (STEPS - 1));
	return i < HISTOGRAM_BUCKETS ? i : HISTOGRAM_BUCKETS - 1;
}

/* The highest value that falls into a bucket */
static uint64_t bucket_top(size_t i)
{
	unsigned int shift;

	if (i < STEPS)
		return i;
	shift = (unsigned int)(i / STEPS - 1);
	return ((STEPS + i % STEPS + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t ns)
{
	h->bucket[bucket_of(ns)]++;
	h->n++;
	if (ns > h->max_ns)
		h->max_ns = ns;
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		to->bucket[i] += from->bucket[i];
	to->n += from->n;
	if (from->max_ns > to->max_ns)
		to->max_ns = from->max_ns;
}

uint64_t histogram_percentile(const struct histogram *h, double percent)
{
	uint64_t want = (uint64_t)((double)h->n * percent / 100.0), seen = 0;

	if (want >= h->n)
		return h->max_ns;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen > want)
			return bucket_top(i) < h->max_ns ? bucket_top(i) : h->max_ns;
	}
	return h->max_ns;
}

/* max, number of buckets in use, then u32 index and u32 number of each */
void histogram_encode(struct writer *w, const struct histogram *h)
{
	uint32_t used = 0;

	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		used += h->bucket[i] != 0;
	writer_u64(w, h->max_ns);
	writer_u32(w, used);
	for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (h->bucket[i] != 0) {
			writer_u32(w, i);
			writer_u32(w, h->bucket[i]);
		}
	}
}

int histogram_decode(struct cursor *c, struct histogram *h)
{
	uint32_t used, i, n;

	memset(h, 0, sizeof(*h));
	if (cursor_u64(c, &h->max_ns) || cursor_u32(c, &used))
		return 1;
	for (; used > 0; used--) {
		if (cursor_u32(c, &i) || cursor_u32(c, &n) || i >= HISTOGRAM_BUCKETS)
			return 1;
		h->bucket[i] += n;
		h->n += n;
	}
	return 0;
}
