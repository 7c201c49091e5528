/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * codec: packets recorded between Debian's ctdb and ctdbd (golden/vectors.txt) are decoded, their
 * payloads are of the layouts that the table says, and encoding gives the same bytes again. Then
 * the same packets, damaged at random, go through every decoder: none may read outside of them
 * (the sanitizers see it; a copy of exactly the packet's size is decoded) nor accept nonsense.
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <errno.h>
#include <cmocka.h>
#include "lib/codec.h"
#include "lib/payload.h"
#include "tests/fuzz/decode_all.h"

#define MAX_VECTORS 400

struct vector {
	char command[128];
	bool is_reply;
	uint8_t *p;
	size_t len;
	struct packet_header header;
	uint32_t opcode; /* of a control or of the control that is answered */
};

static struct vector vectors[MAX_VECTORS];
static size_t vectors_n;

static void vector_parse(const char *hex, struct vector *v)
{
	size_t digits = strspn(hex, "0123456789abcdef");

	v->len = digits / 2;
	v->p = malloc(v->len);
	assert_non_null(v->p);
	for (size_t i = 0; i < v->len; i++) {
		char byte[3] = { hex[2 * i], hex[2 * i + 1], '\0' };

		v->p[i] = (uint8_t)strtoul(byte, NULL, 16);
	}
}

static int vectors_load(void **state)
{
	const char *srcdir = getenv("srcdir");
	static char line[16384], command[128], path[1024];
	FILE *f;

	(void)state;
	snprintf(path, sizeof(path), "%s/tests/unit/golden/vectors.txt", srcdir ? srcdir : ".");
	f = fopen(path, "r");
	if (f == NULL) {
		perror(path);
		return -1;
	}
	while (fgets(line, sizeof(line), f) != NULL && vectors_n < MAX_VECTORS) {
		struct vector *v = &vectors[vectors_n];
		const char *opcode;
		struct cursor c;

		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#') {
			snprintf(command, sizeof(command), "%.120s", line + 2);
			continue;
		}
		snprintf(v->command, sizeof(v->command), "%s", command);
		v->is_reply = line[0] == '<';
		vector_parse(line + 2, v);
		assert_int_equal(packet_header_decode(slice_of(v->p, v->len), &v->header, &c), 0);
		opcode = strchr(line + 2, ' ');
		v->opcode = opcode != NULL ? (uint32_t)strtoul(opcode + 1, NULL, 10) : UINT32_MAX;
		vectors_n++;
	}
	fclose(f);
	return vectors_n > 100 ? 0 : -1;
}

static int vectors_free(void **state)
{
	(void)state;
	for (size_t i = 0; i < vectors_n; i++)
		free(vectors[i].p);
	return 0;
}

/* Decodes and encodes one packet; its size */
static size_t packet_again(const struct vector *v, struct writer *w)
{
	struct packet_header h;
	struct cursor c;
	union {
		struct req_call req_call;
		struct reply_call reply_call;
		struct req_message req_message;
		struct req_control req_control;
		struct reply_control reply_control;
	} m;

	assert_int_equal(packet_header_decode(slice_of(v->p, v->len), &h, &c), 0);
	switch (h.operation) {
	case CTDB_REQ_CALL:
		assert_int_equal(req_call_decode(&c, &m.req_call), 0);
		req_call_encode(w, &h, &m.req_call);
		return req_call_size(&m.req_call);
	case CTDB_REPLY_CALL:
		assert_int_equal(reply_call_decode(&c, &m.reply_call), 0);
		reply_call_encode(w, &h, &m.reply_call);
		return reply_call_size(&m.reply_call);
	case CTDB_REQ_MESSAGE:
		assert_int_equal(req_message_decode(&c, &m.req_message), 0);
		req_message_encode(w, &h, &m.req_message);
		return req_message_size(&m.req_message);
	case CTDB_REQ_CONTROL:
		assert_int_equal(req_control_decode(&c, &m.req_control), 0);
		req_control_encode(w, &h, &m.req_control);
		return req_control_size(&m.req_control);
	case CTDB_REPLY_CONTROL:
		assert_int_equal(reply_control_decode(&c, &m.reply_control), 0);
		reply_control_encode(w, &h, &m.reply_control);
		return reply_control_size(&m.reply_control);
	default:
		fail_msg("operation %u is not in the vectors", h.operation);
		return 0;
	}
}

static void packets_come_back(void **state)
{
	static uint8_t buf[16384];

	(void)state;
	for (size_t i = 0; i < vectors_n; i++) {
		const struct vector *v = &vectors[i];
		struct writer w = writer_of(buf, sizeof(buf)), small;
		struct slice packet;

		assert_int_equal(packet_frame(slice_of(v->p, v->len), CTDB_MAX_PACKET, &packet), 1);
		assert_int_equal(packet.len, v->len);
		assert_int_equal(packet_frame(slice_of(v->p, v->len - 1), CTDB_MAX_PACKET, &packet),
				 0);
		assert_int_equal(packet_again(v, &w), v->len);
		assert_false(w.failed);
		assert_int_equal(w.len, v->len);
		assert_memory_equal(buf, v->p, v->len);

		/* One byte less than needed: nothing is written */
		small = writer_of(buf, v->len - 1);
		assert_int_equal(packet_again(v, &small), v->len);
		assert_true(small.failed);
		assert_int_equal(small.len, 0);
	}
}

static struct slice control_payload(const struct vector *v, int32_t *status)
{
	struct packet_header h;
	struct cursor c;
	struct req_control req;
	struct reply_control reply;

	assert_int_equal(packet_header_decode(slice_of(v->p, v->len), &h, &c), 0);
	*status = 0;
	if (!v->is_reply) {
		assert_int_equal(req_control_decode(&c, &req), 0);
		return req.data;
	}
	assert_int_equal(reply_control_decode(&c, &reply), 0);
	*status = reply.status;
	return reply.data;
}

static void payloads_are_of_their_layouts(void **state)
{
	bool seen[PAYLOAD_LAYOUT_COUNT] = { false };
	size_t controls = 0, layouts = 0;

	(void)state;
	for (size_t i = 0; i < vectors_n; i++) {
		const struct vector *v = &vectors[i];
		const struct control_row *row = control_row(v->opcode);
		enum payload_layout layout;
		struct slice payload;
		int32_t status;

		if (v->header.operation != CTDB_REQ_CONTROL &&
		    v->header.operation != CTDB_REPLY_CONTROL)
			continue;
		assert_non_null(row);
		layout = v->is_reply ? row->reply : row->request;
		payload = control_payload(v, &status);
		if (status < 0)
			layout = PAYLOAD_NONE;
		if (payload_check(layout, payload) != 0)
			fail_msg("%s: %s of %s, %zu bytes, is no %s", v->command,
				 v->is_reply ? "reply" : "request", row->name, payload.len,
				 payload_layout_name(layout));
		controls++;
		seen[layout] = true;
	}
	for (size_t i = 0; i < PAYLOAD_LAYOUT_COUNT; i++)
		layouts += seen[i];
	assert_true(controls > 80);
	assert_true(layouts > 20);
}

/* Where Samba's daemon sends what means nothing: pointers among the hot keys */
static struct slice payload_cleared(enum payload_layout layout, struct slice payload,
				    uint8_t copy[8192])
{
	assert_true(payload.len <= 8192);
	if (payload.len > 0)
		memcpy(copy, payload.p, payload.len);
	for (size_t at = 224; layout == PAYLOAD_DB_STATISTICS && at < 464; at += 24)
		memset(copy + at + 4, 0, 12);
	return slice_of(copy, payload.len);
}

static void payloads_come_back(void **state)
{
	(void)state;
	for (size_t i = 0; i < vectors_n; i++) {
		const struct vector *v = &vectors[i];
		const struct control_row *row = control_row(v->opcode);
		struct slice payload;
		uint8_t buf[8192], copy[8192];
		struct writer w = writer_of(buf, sizeof(buf));
		enum payload_layout layout;
		int32_t status;

		if (row == NULL)
			continue;
		layout = v->is_reply ? row->reply : row->request;
		payload = payload_cleared(layout, control_payload(v, &status), copy);
		if (status != 0 || !payload_again(layout, payload, &w))
			continue;
		assert_false(w.failed);
		assert_int_equal(w.len, payload.len);
		if (memcmp(buf, payload.p, payload.len) != 0)
			fail_msg("%s: %s comes back otherwise", v->command, row->name);
	}
}

static uint32_t random_next(uint32_t *x)
{
	*x = *x * 1664525U + 1013904223U;
	return *x >> 8;
}

static void damaged_packets_are_harmless(void **state)
{
	uint32_t x = 20261122;

	(void)state;
	for (size_t round = 0; round < 300; round++) {
		for (size_t i = 0; i < vectors_n; i++) {
			const struct vector *v = &vectors[i];
			size_t len = v->len, changes = 1 + random_next(&x) % 4;
			uint8_t *copy;

			if (random_next(&x) % 4 == 0)
				len = random_next(&x) % (v->len + 1);
			copy = malloc(len > 0 ? len : 1);
			assert_non_null(copy);
			memcpy(copy, v->p, len);
			for (; changes > 0 && len > 0; changes--) {
				uint32_t r = random_next(&x);
				uint8_t *at = copy + random_next(&x) % len;

				*at = r % 3 == 0 ? 0xFF : r % 3 == 1 ? 0 : (uint8_t)(r >> 8);
			}
			decode_all(copy, len);
			free(copy);
		}
	}
}

static void framing(void **state)
{
	const uint8_t zero[8] = { 0 }, short_one[8] = { 31 }, huge[8] = { 0xFF, 0xFF, 0xFF, 0xFF };
	struct slice packet;

	(void)state;
	assert_int_equal(packet_frame(slice_of(zero, 3), 1024, &packet), 0);
	assert_int_equal(packet_frame(slice_of(zero, 8), 1024, &packet), -EBADMSG);
	assert_int_equal(packet_frame(slice_of(short_one, 8), 1024, &packet), -EBADMSG);
	assert_int_equal(packet_frame(slice_of(huge, 8), CTDB_MAX_PACKET, &packet), -EBADMSG);
}

static void replies_and_tunnels(void **state)
{
	uint8_t buf[256];
	struct packet_header h = { .generation = 7, .srcnode = 1, .reqid = 9 }, got;
	struct reply_error e = { .status = -1, .text = slice_of("no such database", 17) }, e2;
	struct req_tunnel t = { .tunnel_id = 5, .flags = 1, .data = slice_of("x", 1) }, t2;
	struct writer w = writer_of(buf, sizeof(buf));
	struct cursor c;

	(void)state;
	memset(buf, 0xAA, sizeof(buf));
	reply_error_encode(&w, &h, &e);
	assert_int_equal(w.len, 64); /* 57 */
	assert_memory_equal(buf + 57, "\0\0\0\0\0\0\0", 7);
	assert_int_equal(packet_header_decode(slice_of(buf, w.len), &got, &c), 0);
	assert_int_equal(got.operation, CTDB_REPLY_ERROR);
	assert_int_equal(got.reqid, 9);
	assert_int_equal(reply_error_decode(&c, &e2), 0);
	assert_true(slice_equal(e.text, e2.text) && e2.status == -1);

	w = writer_of(buf, sizeof(buf));
	req_tunnel_encode(&w, &h, &t);
	assert_int_equal(w.len, 56);
	assert_int_equal(packet_header_decode(slice_of(buf, w.len), &got, &c), 0);
	assert_int_equal(req_tunnel_decode(&c, &t2), 0);
	assert_true(slice_equal(t.data, t2.data) && t2.tunnel_id == 5 && t2.flags == 1);

	buf[0]++; /* a length that is not the packet's */
	assert_int_equal(packet_header_decode(slice_of(buf, w.len), &got, &c), -EBADMSG);
	buf[0]--;
	buf[4]++; /* a foreign magic */
	assert_int_equal(packet_header_decode(slice_of(buf, w.len), &got, &c), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(packets_come_back),
		cmocka_unit_test(payloads_are_of_their_layouts),
		cmocka_unit_test(payloads_come_back),
		cmocka_unit_test(damaged_packets_are_harmless),
		cmocka_unit_test(framing),
		cmocka_unit_test(replies_and_tunnels),
	};

	return cmocka_run_group_tests(tests, vectors_load, vectors_free);
}
