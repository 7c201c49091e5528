/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bench: percentiles within their precision, tallies in records, and packets of the ring */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <errno.h>
#include <cmocka.h>
#include "tools/bench/ring_packet.h"
#include "tools/bench/tally.h"

static void percentiles(void **state)
{
	struct histogram *h = calloc(1, sizeof(*h)), *merged = calloc(1, sizeof(*merged)), got;
	static uint8_t buf[RING_PACKET_SIZE];
	struct writer w = writer_of(buf, sizeof(buf));
	struct cursor c;

	(void)state;
	assert_non_null(h);
	assert_non_null(merged);
	assert_int_equal(histogram_percentile(h, 50), 0);
	for (uint64_t us = 1; us <= 1000; us++)
		histogram_add(h, us * 1000);
	assert_in_range(histogram_percentile(h, 50), 500000, 540000);
	assert_in_range(histogram_percentile(h, 99), 990000, 1000000);
	assert_int_equal(histogram_percentile(h, 100), 1000000);
	histogram_add(h, UINT64_MAX / 2); /* beyond the last bucket */
	histogram_merge(merged, h);
	histogram_merge(merged, h);
	assert_int_equal(merged->n, 2002);
	assert_int_equal(merged->max_ns, UINT64_MAX / 2);

	histogram_encode(&w, merged);
	assert_false(w.failed);
	c = cursor_of(buf, w.len);
	assert_int_equal(histogram_decode(&c, &got), 0);
	assert_memory_equal(&got, merged, sizeof(got));
	free(h);
	free(merged);
}

static void tallies(void **state)
{
	static struct tally t, again;
	uint8_t wrong[24] = { 2 };

	(void)state;
	tally_read(&t, slice_of(NULL, 0));
	assert_int_equal(tally_sum(&t), 0);
	assert_int_equal(tally_increment(&t, 7), 0);
	assert_int_equal(tally_increment(&t, 3), 0);
	assert_int_equal(tally_increment(&t, 7), 0);
	assert_int_equal(t.len, 8 + 2 * 16);
	tally_read(&again, slice_of(t.bytes, t.len));
	assert_int_equal(tally_get(&again, 7), 2);
	assert_int_equal(tally_get(&again, 3), 1);
	assert_int_equal(tally_get(&again, 4), 0);
	assert_int_equal(tally_sum(&again), 3);
	tally_read(&again, slice_of(wrong, sizeof(wrong))); /* says two, has one */
	assert_int_equal(again.len, 8);
	for (uint32_t i = 0; i < TALLY_MAX_NODES; i++)
		assert_int_equal(tally_increment(&again, i), 0);
	assert_int_equal(tally_increment(&again, TALLY_MAX_NODES), -ENOSPC);
}

static void ring_packets(void **state)
{
	static struct ring_packet p, got;
	static uint8_t buf[RING_PACKET_SIZE];
	struct writer w;

	(void)state;
	p = (struct ring_packet){ .kind = RING_TOKEN, .pnn = 1, .instance = 2, .run = 3 };
	p.token.token = 4;
	p.token.epoch = 5;
	p.token.origin = 6;
	p.token.hops = 7;
	w = writer_of(buf, sizeof(buf));
	ring_packet_encode(&w, &p);
	assert_int_equal(ring_packet_decode(slice_of(buf, w.len), &got), 0);
	assert_int_equal(got.token.hops, 7);
	assert_int_equal(ring_packet_decode(slice_of(buf, w.len - 1), &got), -EBADMSG);

	memset(&p, 0, sizeof(p));
	p.kind = RING_REPORT;
	p.report.increments = 9;
	p.report.tokens = BENCH_MAX_TOKENS;
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
		p.report.latency.bucket[i] = 1;
	w = writer_of(buf, sizeof(buf));
	ring_packet_encode(&w, &p);
	assert_false(w.failed); /* the largest report fits */
	assert_int_equal(ring_packet_decode(slice_of(buf, w.len), &got), 0);
	assert_int_equal(got.report.latency.n, HISTOGRAM_BUCKETS);
	for (size_t len = 0; len < w.len; len++)
		assert_int_equal(ring_packet_decode(slice_of(buf, len), &got), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(percentiles),
		cmocka_unit_test(tallies),
		cmocka_unit_test(ring_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
