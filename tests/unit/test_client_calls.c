/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_client_calls.c: a client's calls, and what waits for the first view */
#include "client_peer.h"

#include <string.h>
#include "lib/jenkins.h"

static void test_calls(void **state)
{
	struct peer *p = peer_open();
	struct answer a;
	uint32_t db_id = peer_attach(p, "calls.tdb");

	(void)state;
	for (uint32_t i = 1; i <= 100; i++)
		peer_call(p, i, db_id, i % 2 ? CTDB_CALL_FETCH : CTDB_CALL_NULL, "key");
	for (uint32_t i = 1; i <= 100; i++) {
		peer_receive(p, &a);
		assert_int_equal(a.h.operation, CTDB_REPLY_CALL);
		assert_int_equal(a.h.reqid, i);
		assert_int_equal(a.h.generation, 17);
		assert_int_equal(a.call.data.len, i % 2 ? 12 : 0);
	}
	peer_call(p, 200, db_id + 1, CTDB_CALL_NULL, "key");
	peer_receive(p, &a);
	assert_int_equal(a.h.operation, CTDB_REPLY_ERROR);
	peer_call(p, 201, db_id, CTDB_CALL_NULL, "");
	peer_receive(p, &a);
	assert_int_equal(a.h.operation, CTDB_REPLY_ERROR);
	assert_int_equal(a.h.reqid, 201);
	peer_close(p);
}

/* The longest key is served; a longer one is refused before anybody has to carry it */
static void test_key_lengths(void **state)
{
	static const uint8_t key[CTDB_MAX_KEY + 1];
	static uint8_t packet[sizeof(key) + 256];
	struct peer *p = peer_open();
	struct answer a;
	struct packet_header h = { .reqid = 1 };
	struct req_call m = { .db_id = peer_attach(p, "keys.tdb"), .callid = CTDB_CALL_NULL };

	(void)state;
	for (; h.reqid <= 2; h.reqid++) {
		struct writer w = writer_of(packet, sizeof(packet));

		m.key = slice_of(key, CTDB_MAX_KEY + h.reqid - 1);
		req_call_encode(&w, &h, &m);
		assert_false(w.failed);
		peer_send(p, packet, w.len);
		peer_receive(p, &a);
		assert_int_equal(a.h.reqid, h.reqid);
		assert_int_equal(a.h.operation, h.reqid == 1 ? CTDB_REPLY_CALL : CTDB_REPLY_ERROR);
	}
	peer_close(p);
}

/* Before the first view calls and attaches wait, and nothing else does */
static void test_waiting(void **state)
{
	struct peer *p = peer_open(), *q = peer_open();
	struct answer a;
	uint32_t map[3];

	(void)state;
	peer_call(p, 1000, jenkins_db_id("early.tdb"), CTDB_CALL_FETCH, "key");
	uint32_t reqid = peer_ask(p, 0, CTDB_CONTROL_DB_ATTACH, 0, 0, "early.tdb", 10);
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_GET_RECMODE, NULL, 0, &a), 1);
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_GETVNNMAP, NULL, 0, &a), 0);
	assert_int_equal(a.control.data.len, 8);
	memcpy(map, a.control.data.p, 8);
	assert_int_equal(map[0], 1);
	assert_int_equal(map[1], 0);
	assert_int_equal(peer_receive_for(p, &a, SILENCE_MS), -1);
	peer_command(q, WORLD_ACTIVE);
	/* the fake core attaches before the call is given to it, but tells it later */
	peer_receive(p, &a);
	assert_int_equal(a.h.operation, CTDB_REPLY_CALL);
	assert_int_equal(a.h.reqid, 1000);
	peer_receive(p, &a);
	assert_int_equal(a.h.reqid, reqid);
	assert_int_equal(a.control.status, 0);
	/* later views are the core's matter */
	peer_command(q, WORLD_INACTIVE); /* takes effect at the end of the event */
	expect_well();
	assert_int_equal(peer_control(q, 0, CTDB_CONTROL_GET_RECMODE, NULL, 0, &a), 1);
	peer_call(p, 1001, jenkins_db_id("early.tdb"), CTDB_CALL_NULL, "key");
	peer_receive(p, &a);
	assert_int_equal(a.h.reqid, 1001);
	peer_close(p);
	peer_close(q);
}

static int tests_run(void)
{
	const struct CMUnitTest tests[] = {
		ACTIVE(test_calls),
		ACTIVE(test_key_lengths),
		WAITING(test_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	return peer_main(argc, argv, tests_run);
}
