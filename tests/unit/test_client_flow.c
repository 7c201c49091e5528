/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_client_flow.c: who sends more than is taken, or takes less than is sent: back-pressure and
 * bounds. Nobody else suffers.
 */
#include "client_peer.h"

#include <poll.h>
#include <sys/socket.h>

/* Sends calls until the daemon takes no more for a while; how many */
static uint32_t flood(struct peer *p, uint32_t db_id)
{
	uint8_t packet[4096];
	static const uint8_t key[3000] = { 1 };
	uint32_t n = 0;

	for (;; n++) {
		struct packet_header h = { .reqid = n };
		struct req_call m = { .db_id = db_id,
				      .callid = CTDB_CALL_NULL,
				      .key = slice_of(key, sizeof(key)) };
		struct writer w = writer_of(packet, sizeof(packet));
		struct pollfd fd = { .fd = p->fd, .events = POLLOUT };
		req_call_encode(&w, &h, &m);
		if (poll(&fd, 1, SILENCE_MS) == 0)
			return n;
		for (size_t sent = 0; sent < w.len;) {
			ssize_t rc = send(p->fd, packet + sent, w.len - sent, MSG_NOSIGNAL);
			assert_true(rc > 0);
			sent += (size_t)rc;
		}
		assert_true(n < 100000);
	}
}

/* While a peer is congested its clients are not read from, and nobody else suffers */
static void test_congested(void **state)
{
	struct peer *p = peer_open(), *q = peer_open();
	uint32_t db_id = peer_attach(p, "congested.tdb");
	struct answer a;

	(void)state;
	peer_command(q, WORLD_CONGESTED);
	assert_int_equal(peer_control(q, 0, CTDB_CONTROL_GET_PNN, NULL, 0, &a), 0);
	uint32_t n = flood(p, db_id);
	expect_well();
	peer_command(q, WORLD_NOT_CONGESTED);
	for (uint32_t i = 0; i < n; i++) {
		peer_receive(p, &a);
		assert_int_equal(a.h.reqid, i);
	}
	/* one that hangs up while it is not read from: what it had sent still counts */
	peer_command(q, WORLD_CONGESTED);
	assert_int_equal(peer_control(q, 0, CTDB_CONTROL_GET_PNN, NULL, 0, &a), 0);
	peer_call(p, 1, db_id, CTDB_CALL_NULL, "key");
	peer_receive(p, &a);
	peer_ask(q, 0, CTDB_CONTROL_REGISTER_SRVID, 900, 0, NULL, 0);
	peer_receive(q, &a);
	peer_message(p, 0, 900, "last words", 10);
	peer_close(p);
	assert_int_equal(peer_receive_for(q, &a, SILENCE_MS), -1);
	peer_command(q, WORLD_NOT_CONGESTED);
	peer_receive(q, &a);
	assert_int_equal(a.message.srvid, 900);
	peer_close(q);
}

/* Sends controls that want no answer until the daemon takes no more for a while */
static void flood_controls(struct peer *p, uint32_t dest)
{
	uint8_t packet[4096], data[3000] = { 1 };
	struct req_control m = { .opcode = CTDB_CONTROL_ECHO_DATA,
				 .flags = CTDB_CONTROL_NOREPLY,
				 .data = slice_of(data, sizeof(data)) };
	size_t len = control_packet(packet, sizeof(packet), dest, 1, &m);
	struct pollfd fd = { .fd = p->fd, .events = POLLOUT };

	for (uint32_t n = 0; poll(&fd, 1, SILENCE_MS) != 0; n++) {
		for (size_t sent = 0; sent < len;) {
			ssize_t rc = send(p->fd, packet + sent, len - sent, MSG_NOSIGNAL);
			assert_true(rc > 0);
			sent += (size_t)rc;
		}
		assert_true(n < 10000);
	}
}

/* Controls to a node that has much queued: who sends them is not read from, and nobody else
 * suffers, until the node takes what it has, or is gone */
static void test_peer_congested(void **state)
{
	static const uint32_t dest[] = { 2, CTDB_BROADCAST_CONNECTED };
	static const enum world_command end[] = { WORLD_NODE_2_NOT_CONGESTED, WORLD_NODE_2_GONE };
	struct peer *q = peer_open();
	struct answer a;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct peer *p = peer_open();

		peer_command(q, WORLD_NODE_2_CONGESTED);
		assert_int_equal(peer_control(q, 0, CTDB_CONTROL_GET_PNN, NULL, 0, &a), 0);
		flood_controls(p, dest[i]);
		expect_well();
		assert_int_equal(peer_control(q, 1, CTDB_CONTROL_GET_RUNSTATE, NULL, 0, &a), 0);
		peer_command(q, end[i]);
		if (i == 0) { /* one that waits for the answer hears of it in the end */
			uint32_t reqid = peer_ask(p, 0, CTDB_CONTROL_GET_PNN, 0, 0, NULL, 0);
			peer_receive(p, &a);
			assert_int_equal(a.h.reqid, reqid);
		}
		assert_int_equal(peer_control(p, 0, CTDB_CONTROL_GET_PNN, NULL, 0, &a), 0);
		peer_close(p);
	}
	peer_close(q);
}

/* Calls that wait for the first view are bounded by reading no more */
static void test_held(void **state)
{
	struct peer *p = peer_open(), *q = peer_open();
	struct answer a;

	(void)state;
	uint32_t n = flood(p, 1);
	expect_well();
	peer_command(q, WORLD_ACTIVE);
	for (uint32_t i = 0; i < n; i++) {
		peer_receive(p, &a);
		assert_int_equal(a.h.operation, CTDB_REPLY_ERROR);
		assert_int_equal(a.h.reqid, i);
	}
	peer_close(p);
	peer_close(q);
}

/* One that reads nothing is closed when MaxQueueDropMsg's share of bytes waits for it */
static void test_deaf(void **state)
{
	struct peer *p = peer_open(), *q = peer_open();
	uint8_t data[400] = { 0 };
	struct answer a;

	(void)state;
	peer_set_tunable(q, "MaxQueueDropMsg", 10000);
	peer_ask(p, 0, CTDB_CONTROL_REGISTER_SRVID, 600, 0, NULL, 0);
	peer_receive(p, &a);
	assert_int_equal(peer_control(q, 0, CTDB_CONTROL_PING, NULL, 0, &a), 2);
	for (int i = 0; i < 5000; i++)
		peer_message(q, 0, 600, data, sizeof(data));
	assert_int_equal(peer_control(q, 0, CTDB_CONTROL_PING, NULL, 0, &a), 1);
	peer_expect_end(p);
	peer_close(p);
	peer_close(q);
	expect_well();
}

/* One that is flooded with messages, and writes before it reads, is read from all the same */
static void test_flooded(void **state)
{
	struct peer *p = peer_open(), *q = peer_open();
	uint8_t data[400] = { 0 };
	struct answer a;

	(void)state;
	peer_ask(p, 0, CTDB_CONTROL_REGISTER_SRVID, 700, 0, NULL, 0);
	peer_receive(p, &a);
	for (int i = 0; i < 8000; i++) /* 3.5 MB for p */
		peer_message(q, 0, 700, data, sizeof(data));
	assert_int_equal(peer_control(q, 0, CTDB_CONTROL_PING, NULL, 0, &a), 2);
	for (int i = 0; i < 4000; i++) { /* more than a socket holds */
		struct pollfd fd = { .fd = p->fd, .events = POLLOUT };
		assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
		peer_message(p, 0, 701, data, sizeof(data));
	}
	uint32_t reqid = peer_ask(p, 0, CTDB_CONTROL_GET_PNN, 0, 0, NULL, 0);
	do
		peer_receive(p, &a);
	while (a.h.operation == CTDB_REQ_MESSAGE);
	assert_int_equal(a.h.reqid, reqid);
	peer_close(p);
	peer_close(q);
}

static int tests_run(void)
{
	const struct CMUnitTest tests[] = {
		ACTIVE(test_congested),
		ACTIVE(test_peer_congested),
		WAITING(test_held),
		ACTIVE(test_deaf),
		ACTIVE(test_flooded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	return peer_main(argc, argv, tests_run);
}
