/* SPDX-License-Identifier: GPL-3.0-or-later */
/* smb_probe: the request is what a server can read, and an answer counts only if all of it is right
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "lib/cursor.h"
#include "tools/smb_probe.h"

#define ANSWER_SIZE 136 /* header, body, and a token of 8 bytes */
enum {
	PROTOCOL_ID = 0,
	STATUS = 8,
	COMMAND = 12,
	FLAGS = 16,
	SIZE = 64,
	DIALECT = 68,
	OFFSET = 120,
	TOKEN_LEN = 122
};

static void set(uint8_t *p, size_t at, uint32_t v, size_t size)
{
	for (size_t i = 0; i < size; i++)
		p[at + i] = (uint8_t)(v >> 8 * i);
}

static void good_answer(uint8_t *p)
{
	memset(p, 0, ANSWER_SIZE);
	memcpy(p, "\xfeSMB\x40", 5);
	set(p, FLAGS, 1, 4);
	set(p, SIZE, 65, 2);
	set(p, DIALECT, 0x0311, 2);
	set(p, OFFSET, 128, 2);
	set(p, TOKEN_LEN, 8, 2);
}

static enum smb_probe_result result_of(const uint8_t *p, size_t len, struct smb_probe *probe)
{
	uint8_t *copy = malloc(len); /* of that size exactly, for the sanitizers */

	assert_true(copy != NULL || len == 0);
	if (len > 0)
		memcpy(copy, p, len);
	smb_probe_answer(slice_of(copy, len), probe);
	free(copy);
	return probe->result;
}

static void request_can_be_read(void **state)
{
	uint8_t p[SMB_PROBE_REQUEST_SIZE];
	struct cursor c;
	uint32_t id, contexts;
	uint16_t size, count, dialect, type, len;

	(void)state;
	assert_int_equal(smb_probe_request(p, sizeof(p)), sizeof(p));
	assert_int_equal(p[3], sizeof(p) - 4);
	assert_int_equal(smb_probe_request(p, sizeof(p) - 1), 0);
	assert_int_equal(smb_probe_request(p, sizeof(p)), sizeof(p));
	c = cursor_of(p + 4, sizeof(p) - 4);
	assert_false(cursor_u32(&c, &id) || cursor_skip(&c, 60) || cursor_u16(&c, &size) ||
		     cursor_u16(&c, &count) || cursor_skip(&c, 24) || cursor_u32(&c, &contexts) ||
		     cursor_skip(&c, 4));
	assert_int_equal(id, 0x424D53FE);
	assert_int_equal(size, 36);
	assert_int_equal(count, 5);
	for (size_t i = 0; i < count; i++)
		assert_false(cursor_u16(&c, &dialect));
	assert_int_equal(dialect, 0x0311);
	c = cursor_of(p + 4, sizeof(p) - 4);
	assert_false(cursor_skip(&c, contexts));
	for (uint16_t expected = 1; expected <= 2; expected++) {
		assert_false(cursor_u16(&c, &type) || cursor_u16(&c, &len) ||
			     cursor_skip(&c, 4U + len) ||
			     cursor_skip(&c, expected == 1 ? 2 : 0)); /* to a multiple of 8 */
		assert_int_equal(type, expected);
	}
	assert_false(cursor_end(&c));
}

static void good_answer_counts(void **state)
{
	uint8_t p[ANSWER_SIZE];
	struct smb_probe probe;
	char text[64];

	(void)state;
	good_answer(p);
	assert_int_equal(result_of(p, sizeof(p), &probe), SMB_PROBE_ANSWERS);
	assert_int_equal(probe.dialect, 0x0311);
	smb_probe_say(&probe, text, sizeof(text));
	assert_string_equal(text, "answers, SMB 3.1.1");
	set(p, DIALECT, 0x0202, 2);
	assert_int_equal(result_of(p, sizeof(p), &probe), SMB_PROBE_ANSWERS);
}

static void bad_answers_do_not(void **state)
{
	static const struct {
		size_t at, size;
		uint32_t v;
	} change[] = {
		{ PROTOCOL_ID, 4, 0x424D53FF }, /* SMB1 */
		{ 4, 2, 63 },
		{ COMMAND, 2, 1 },
		{ FLAGS, 4, 0 },
		{ SIZE, 2, 64 },
		{ DIALECT, 2, 0x02FF }, /* which nobody offered */
		{ DIALECT, 2, 0 },
		{ OFFSET, 2, 129 },
		{ TOKEN_LEN, 2, 9 },
		{ OFFSET, 2, 65535 },
	};
	uint8_t p[ANSWER_SIZE];
	struct smb_probe probe;

	(void)state;
	for (size_t i = 0; i < sizeof(change) / sizeof(change[0]); i++) {
		good_answer(p);
		set(p, change[i].at, change[i].v, change[i].size);
		assert_int_equal(result_of(p, sizeof(p), &probe), SMB_PROBE_NOT_SMB2);
	}
	good_answer(p);
	for (size_t len = 0; len < sizeof(p); len++)
		assert_int_equal(result_of(p, len, &probe), SMB_PROBE_NOT_SMB2);
}

static void refusal_has_its_status(void **state)
{
	uint8_t p[ANSWER_SIZE];
	struct smb_probe probe;
	char text[64];

	(void)state;
	good_answer(p);
	set(p, STATUS, 0xC00000BB, 4);
	assert_int_equal(result_of(p, 73, &probe), SMB_PROBE_REFUSES);
	smb_probe_say(&probe, text, sizeof(text));
	assert_string_equal(text, "refuses to negotiate, with the status 0xc00000bb");
}

static void address_in_numbers(void **state)
{
	struct smb_probe probe;

	(void)state;
	assert_true(smb_probe_ask("localhost", 445, 10, &probe) < 0);
	assert_true(smb_probe_ask("127.0.0.1", 0, 10, &probe) < 0);
	assert_true(smb_probe_ask("127.0.0.1", 65536, 10, &probe) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_can_be_read), cmocka_unit_test(good_answer_counts),
		cmocka_unit_test(bad_answers_do_not),  cmocka_unit_test(refusal_has_its_status),
		cmocka_unit_test(address_in_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
