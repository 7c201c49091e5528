/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_client.c: the client socket as a client sees it, byte by byte: framing and malformed input.
 * The daemon's own code on a real socket, in a child with the world of client_world.c.
 */
#include "client_peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

static void test_socket_file(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(peer_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	/* a second daemon is refused; a leftover is replaced (each setup proves it) */
	assert_int_equal(world_serve(peer_path, true, -1), EADDRINUSE);
	expect_well();
}

/* Unpadded packets, cut at every place */
static void test_split(void **state)
{
	struct req_control m = { .opcode = CTDB_CONTROL_ECHO_DATA };
	uint8_t payload[8 + 13], packet[3 * 256];
	struct writer w = writer_of(payload, sizeof(payload));
	struct peer *p = peer_open();
	struct answer a;
	size_t len = 0;

	(void)state;
	writer_u32(&w, 0);
	writer_block(&w, "thirteen byte", 13);
	m.data = slice_of(payload, sizeof(payload));
	for (uint32_t i = 1; i <= 3; i++) {
		uint32_t unpadded = 60 + sizeof(payload);
		control_packet(packet + len, 256, 0, i, &m);
		memcpy(packet + len, &unpadded, 4); /* as Samba sends it */
		len += unpadded;
	}
	for (size_t cut = 0; cut <= len; cut++) {
		peer_send(p, packet, cut);
		if (cut % 4 == 0) { /* let it be read apart */
			struct peer *other = peer_open();
			peer_control(other, 0, CTDB_CONTROL_GET_PNN, NULL, 0, &a);
			peer_close(other);
		}
		if (cut < len)
			peer_send(p, packet + cut, len - cut);
		for (uint32_t i = 1; i <= 3; i++) {
			peer_receive(p, &a);
			assert_int_equal(a.h.reqid, i);
			assert_int_equal(a.control.status, 0);
			assert_int_equal(a.control.data.len, sizeof(payload));
			assert_memory_equal(a.control.data.p, payload, sizeof(payload));
		}
	}
	peer_close(p);
}

static void test_bad_lengths(void **state)
{
	static const uint32_t lengths[] = { 0, 1, 8, 31, CTDB_MAX_PACKET + 1, UINT32_MAX };
	uint8_t bytes[64] = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct peer *p = peer_open();
		memcpy(bytes, &lengths[i], 4);
		peer_send(p, bytes, 4);
		peer_expect_end(p);
		peer_close(p);
	}
	expect_well();
}

static void test_bad_magic(void **state)
{
	uint8_t packet[128];
	struct req_control m = { .opcode = CTDB_CONTROL_PING };

	(void)state;
	for (size_t at = 4; at <= 8; at += 4) {
		struct peer *p = peer_open();
		size_t len = control_packet(packet, sizeof(packet), 0, 1, &m);
		packet[at] ^= 0xff;
		peer_send(p, packet, len);
		peer_expect_end(p);
		assert_int_equal(p->len, 0);
		peer_close(p);
	}
	expect_well();
}

/* A huge length that is believable, and nothing behind it, costs nobody else anything */
static void test_long_begin(void **state)
{
	uint32_t length = CTDB_MAX_PACKET;
	struct peer *p = peer_open();

	(void)state;
	peer_send(p, &length, sizeof(length));
	expect_well();
	peer_close(p);
	expect_well();
}

/* A packet longer than any buffer arrives whole */
static void test_long_packet(void **state)
{
	size_t data_len = 3u << 20, size = data_len + 256;
	uint8_t *packet = malloc(size), *data = calloc(1, data_len);
	struct req_control m = { .opcode = CTDB_CONTROL_PING, .data = slice_of(data, data_len) };
	struct peer *p = peer_open();
	struct answer a;

	(void)state;
	for (uint32_t dest = 0; dest < 2; dest++) {
		size_t len = control_packet(packet, size, dest, 7 + dest, &m);
		for (size_t sent = 0; sent < len;) {
			ssize_t n = send(p->fd, packet + sent, len - sent, MSG_NOSIGNAL);
			assert_true(n > 0);
			sent += (size_t)n;
		}
		peer_receive(p, &a);
		assert_int_equal(a.h.reqid, 7 + dest);
		assert_int_equal(a.control.status,
				 -1); /* PING takes no data, and 1 does not get it */
	}
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_GET_PNN, NULL, 0, &a), 0);
	peer_close(p);
	free(packet);
	free(data);
}

/* Operations that are not a client's, inner lengths that lie */
static void test_bad_packets(void **state)
{
	uint8_t packet[128];
	struct req_control ping = { .opcode = CTDB_CONTROL_PING };
	struct peer *p = peer_open();
	struct answer a;
	uint32_t n;

	(void)state;
	for (n = 0; n < 200; n++) {
		size_t len = control_packet(packet, sizeof(packet), 0, 1, &ping);
		if (n == CTDB_REQ_CALL || n == CTDB_REQ_CONTROL)
			continue;
		memcpy(packet + 16, &n, 4);
		peer_send(p, packet, len);
	}
	assert_int_equal(peer_receive_for(p, &a, SILENCE_MS), -1);
	/* a control whose data is longer than the packet */
	size_t len = control_packet(packet, sizeof(packet), 0, 9, &ping);
	n = 1000;
	memcpy(packet + 56, &n, 4);
	peer_send(p, packet, len);
	peer_receive(p, &a);
	assert_int_equal(a.h.reqid, 9);
	assert_int_equal(a.control.status, -1);
	assert_true(a.control.text.len > 0);
	/* a header alone, for each operation */
	for (n = 0; n < 11; n++) {
		uint32_t header[8] = { 32, CTDB_MAGIC, 1, 0, n, 0, 0, 50 + n };
		peer_send(p, header, sizeof(header));
	}
	peer_receive(p, &a);
	assert_int_equal(a.h.operation, CTDB_REPLY_ERROR);
	assert_int_equal(a.h.reqid, 50);
	peer_receive(p, &a);
	assert_int_equal(a.h.operation, CTDB_REPLY_CONTROL);
	assert_int_equal(a.control.status, -1);
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_GET_PNN, NULL, 0, &a), 0);
	peer_close(p);
}

static int tests_run(void)
{
	const struct CMUnitTest tests[] = {
		ACTIVE(test_socket_file),
		ACTIVE(test_split),
		ACTIVE(test_bad_lengths),
		ACTIVE(test_bad_magic),
		ACTIVE(test_long_begin),
		ACTIVE(test_long_packet),
		ACTIVE(test_bad_packets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	return peer_main(argc, argv, tests_run);
}
