/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cursor: nothing is read behind the end, nothing is written behind the size, and both stay failed
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "lib/cursor.h"

static void numbers_come_back(void **state)
{
	uint8_t buf[64];
	struct writer w = writer_of(buf, sizeof(buf));
	struct cursor c;
	struct slice s;
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;
	char text[8];

	(void)state;
	writer_u8(&w, 0xA1);
	writer_u16(&w, 0xA2B2);
	writer_u32(&w, 0xA3B3C3D3U);
	writer_u64(&w, 0xA4B4C4D4E4F40414U);
	writer_text(&w, "record");
	writer_block(&w, "\0\1", 2);
	writer_zero(&w, 3);
	assert_false(w.failed);
	assert_int_equal(buf[1], 0xB2); /* little endian */

	c = cursor_of(buf, w.len);
	assert_false(cursor_u8(&c, &u8) || cursor_u16(&c, &u16) || cursor_u32(&c, &u32) ||
		     cursor_u64(&c, &u64) || cursor_text(&c, text, sizeof(text)) ||
		     cursor_block(&c, 2, &s) || cursor_skip(&c, 3));
	assert_int_equal(u8, 0xA1);
	assert_int_equal(u16, 0xA2B2);
	assert_int_equal(u32, 0xA3B3C3D3U);
	assert_true(u64 == 0xA4B4C4D4E4F40414U);
	assert_string_equal(text, "record");
	assert_true(slice_equal(s, slice_of("\0\1", 2)));
	assert_false(cursor_end(&c));
}

static void cursor_stays_failed(void **state)
{
	struct cursor c = cursor_of("\1\2\3", 3);
	uint32_t u32 = 7;
	uint8_t u8 = 7;

	(void)state;
	assert_true(cursor_u32(&c, &u32));
	assert_int_equal(u32, 0);
	assert_true(cursor_u8(&c, &u8)); /* three bytes are there, but it has failed */
	assert_true(cursor_end(&c));
}

static void block_is_bounded(void **state)
{
	const uint8_t long_block[] = { 5, 0, 0, 0, 1, 2, 3, 4, 5 };
	const uint8_t lying[] = { 0xFF, 0xFF, 0xFF, 0xFF, 1 };
	struct cursor c = cursor_of(long_block, sizeof(long_block));
	struct slice s;

	(void)state;
	assert_true(cursor_block(&c, 4, &s));
	c = cursor_of(long_block, sizeof(long_block));
	assert_false(cursor_block(&c, 5, &s));
	c = cursor_of(lying, sizeof(lying));
	assert_true(cursor_block(&c, SIZE_MAX, &s));
	assert_int_equal(s.len, 0);
}

static void text_has_no_nul_and_fits(void **state)
{
	const uint8_t with_nul[] = { 3, 0, 0, 0, 'a', 0, 'b' };
	const uint8_t four[] = { 4, 0, 0, 0, 'a', 'b', 'c', 'd' };
	struct cursor c = cursor_of(with_nul, sizeof(with_nul));
	char text[4];

	(void)state;
	assert_true(cursor_text(&c, text, sizeof(text)));
	assert_string_equal(text, "");
	c = cursor_of(four, sizeof(four));
	assert_true(cursor_text(&c, text, sizeof(text)));
	c = cursor_of(four, sizeof(four));
	assert_true(cursor_text(&c, text, 0));
}

static void writer_drops_whole(void **state)
{
	uint8_t buf[6] = { 0 };
	struct writer w = writer_of(buf, sizeof(buf));

	(void)state;
	writer_block(&w, "abc", 3); /* needs 7 */
	assert_true(w.failed);
	assert_int_equal(w.len, 0);
	writer_u8(&w, 1);
	assert_int_equal(w.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_come_back),  cmocka_unit_test(cursor_stays_failed),
		cmocka_unit_test(block_is_bounded),   cmocka_unit_test(text_has_no_nul_and_fits),
		cmocka_unit_test(writer_drops_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
