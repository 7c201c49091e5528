/* SPDX-License-Identifier: GPL-3.0-or-later */
/* payload: sizes of the structures, round trips, and that hostile counts and lengths are refused */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <sys/socket.h>
#include <cmocka.h>
#include "lib/payload.h"

/* Each structure of the table takes its size in bytes, not one less, and survives a round trip */
#define STRUCT(name, bytes)                                                                        \
	static void check_##name(void)                                                             \
	{                                                                                          \
		uint8_t in[bytes], out[(bytes) + 1];                                               \
		struct cursor c;                                                                   \
		struct writer w = writer_of(out, sizeof(out));                                     \
		struct name v, again;                                                              \
                                                                                                   \
		memset(in, 1, sizeof(in));                                                         \
		in[(bytes) / 2] = 0; /* a NUL, for texts */                                        \
		c = cursor_of(in, sizeof(in) - 1);                                                 \
		assert_int_equal(name##_decode(&c, &v), -EBADMSG);                                 \
		c = cursor_of(in, sizeof(in));                                                     \
		assert_int_equal(name##_decode(&c, &v), 0);                                        \
		assert_int_equal(c.left, 0);                                                       \
		name##_encode(&w, &v);                                                             \
		assert_int_equal(w.len, (bytes));                                                  \
		c = cursor_of(out, w.len);                                                         \
		assert_int_equal(name##_decode(&c, &again), 0);                                    \
		assert_memory_equal(&v, &again, sizeof(v));                                        \
	}
#define END(name)
#define U8(field)
#define U16(field)
#define U32(field)
#define I32(field)
#define U64(field)
#define I64(field)
#define F64(field)
#define U32S(field, n)
#define TEXT(field, n)
#define OF(structure, field)
#define OFS(structure, field, n)
#define PAD(bytes)
#include "lib/payload.def"
#undef STRUCT
#define STRUCT(name, bytes) check_##name();

static void every_structure_has_its_size(void **state)
{
	(void)state;
#include "lib/payload.def"
}
#include "lib/payload_undef.h"

static struct slice done(const struct writer *w)
{
	assert_false(w->failed);
	return slice_of(w->p, w->len);
}

static void addresses(void **state)
{
	uint8_t buf[ctdb_address_SIZE];
	struct ctdb_address a, b;
	struct cursor c = cursor_of(buf, sizeof(buf));
	struct writer w = writer_of(buf, sizeof(buf));
	char text[CTDB_ADDRESS_TEXT_SIZE];

	(void)state;
	assert_int_equal(ctdb_address_parse(&a, "192.0.2.7", 4379), 0);
	ctdb_address_encode(&w, &a);
	assert_memory_equal(buf, "\2\0\x11\x1b\xc0\0\2\7\0\0\0\0", 12);
	memset(buf + 8, 0xAA, 20); /* the rubbish that Samba leaves there */
	assert_int_equal(ctdb_address_decode(&c, &b), 0);
	assert_true(ctdb_address_equal(&a, &b));
	ctdb_address_text(&b, text);
	assert_string_equal(text, "192.0.2.7");

	assert_int_equal(ctdb_address_parse(&b, "::ffff:192.0.2.7", 4379), 0);
	assert_true(ctdb_address_equal(&a, &b));
	assert_int_equal(ctdb_address_parse(&b, "2001:db8::1", 1), 0);
	assert_int_equal(b.family, AF_INET6);
	assert_false(ctdb_address_equal(&a, &b));
	assert_int_equal(ctdb_address_parse(&b, "node1", 1), -EINVAL);
}

static void texts(void **state)
{
	char name[8];
	struct cursor c = cursor_of("\5\0\0\0Vacu\0", 9);

	(void)state;
	assert_non_null(ctdb_text_decode(slice_of("a.tdb", 6)));
	assert_null(ctdb_text_decode(slice_of("a.tdb", 5)));
	assert_null(ctdb_text_decode(slice_of("a\0b", 4)));
	assert_null(ctdb_text_decode(slice_of("", 0)));
	assert_int_equal(ctdb_name_decode(&c, name, sizeof(name)), 0);
	assert_string_equal(name, "Vacu");
	c = cursor_of("\4\0\0\0Vacu", 8); /* without its NUL */
	assert_int_equal(ctdb_name_decode(&c, name, sizeof(name)), 0);
	assert_string_equal(name, "Vacu");
	c = cursor_of("\x8\0\0\0VacuumXX", 12); /* no room for the NUL */
	assert_int_equal(ctdb_name_decode(&c, name, sizeof(name)), -EBADMSG);
}

static void records(void **state)
{
	uint8_t buf[256];
	struct writer w = writer_of(buf, sizeof(buf));
	struct ctdb_rec_buffer b = { .db_id = 7, .count = 2 };
	struct ctdb_rec_data r = { .reqid = 1,
				   .key = slice_of("key", 3),
				   .data = slice_of("d", 1) };
	struct ctdb_rec_data end = { .reqid = 1 }, got;
	struct cursor c;

	(void)state;
	ctdb_rec_buffer_encode(&w, &b);
	ctdb_rec_data_encode(&w, &r);
	ctdb_rec_data_encode(&w, &end);
	assert_int_equal(w.len, 8 + 20 + 16);
	assert_int_equal(payload_check(PAYLOAD_REC_BUFFER, done(&w)), 0);
	c = cursor_of(buf, w.len);
	assert_int_equal(ctdb_rec_buffer_decode(&c, &b), 0);
	assert_int_equal(ctdb_rec_data_decode(&c, &got), 0);
	assert_true(slice_equal(got.key, r.key) && slice_equal(got.data, r.data));
	assert_int_equal(ctdb_rec_data_decode(&c, &got), 0);
	assert_int_equal(got.key.len, 0);

	for (size_t len = 0; len < w.len; len++)
		assert_int_equal(payload_check(PAYLOAD_REC_BUFFER, slice_of(buf, len)), -EBADMSG);
	buf[8]++; /* the first record's length is not that of its parts */
	assert_int_equal(payload_check(PAYLOAD_REC_BUFFER, done(&w)), -EBADMSG);
	buf[8]--;
	memset(buf + 4, 0xFF, 4); /* four billion records */
	assert_int_equal(payload_check(PAYLOAD_REC_BUFFER, done(&w)), -EBADMSG);
}

static void key_data_is_exact(void **state)
{
	uint8_t buf[64];
	struct writer w = writer_of(buf, sizeof(buf));
	struct ctdb_key_data k = { .db_id = 7,
				   .header = { .rsn = 3, .dmaster = 1, .flags = 0x10000 },
				   .key = slice_of("key", 3) };

	(void)state;
	ctdb_key_data_encode(&w, &k);
	assert_int_equal(w.len, 39);
	assert_int_equal(payload_check(PAYLOAD_KEY_DATA, done(&w)), 0);
	writer_zero(&w, 1);
	assert_int_equal(payload_check(PAYLOAD_KEY_DATA, done(&w)), -EBADMSG);
}

static void lists_are_bounded(void **state)
{
	uint8_t buf[256];
	struct writer w = writer_of(buf, sizeof(buf));
	struct ctdb_node n = { .pnn = 1 };
	struct ctdb_vnnmap m;
	struct cursor c;
	uint32_t pnns[] = { 0, 2 }, count, pnn;

	(void)state;
	writer_u32(&w, 2);
	ctdb_node_encode(&w, &n);
	assert_int_equal(payload_check(PAYLOAD_NODE_MAP, done(&w)), -EBADMSG);
	ctdb_node_encode(&w, &n);
	assert_int_equal(payload_check(PAYLOAD_NODE_MAP, done(&w)), 0);
	memset(buf, 0xFF, 4);
	c = cursor_of(buf, w.len);
	assert_int_equal(ctdb_list_decode(&c, ctdb_node_SIZE, &count), -EBADMSG);
	assert_int_equal(count, 0);

	w = writer_of(buf, sizeof(buf));
	ctdb_vnnmap_encode(&w, 17, pnns, 2);
	c = cursor_of(buf, w.len);
	assert_int_equal(ctdb_vnnmap_decode(&c, &m), 0);
	assert_int_equal(m.generation, 17);
	assert_int_equal(m.size_n, 2);
	assert_int_equal(cursor_u32(&m.pnns, &pnn) || cursor_u32(&m.pnns, &pnn), 0);
	assert_int_equal(pnn, 2);
	assert_int_equal(cursor_u32(&m.pnns, &pnn), 1);
	assert_int_equal(cursor_end(&c), 0);
}

static void the_table_of_controls(void **state)
{
	const struct control_row *row = control_row(CTDB_CONTROL_CHECK_PID_SRVID);

	(void)state;
	assert_non_null(row);
	assert_string_equal(row->name, "CHECK_PID_SRVID");
	assert_int_equal(payload_check(row->request, slice_of("123456789012", 12)), 0);
	assert_int_equal(payload_check(row->request, slice_of("1234567890123456", 16)), -EBADMSG);
	assert_null(control_row(2));
	assert_null(control_row(163));
	assert_null(control_row(UINT32_MAX));
	assert_ptr_equal(control_by_name("CHECK_PID_SRVID"), row);
	assert_null(control_by_name("NOTHING"));
	assert_true(control_row(CTDB_CONTROL_REGISTER_SRVID)->is_local);
	assert_false(control_row(CTDB_CONTROL_PING)->is_local);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_structure_has_its_size),
		cmocka_unit_test(addresses),
		cmocka_unit_test(texts),
		cmocka_unit_test(records),
		cmocka_unit_test(key_data_is_exact),
		cmocka_unit_test(lists_are_bounded),
		cmocka_unit_test(the_table_of_controls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
