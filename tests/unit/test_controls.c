/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_controls.c: what is true of all controls, here and on another node; and those about the
 * node, one by one. Those about databases are in test_controls_db.c, those about messages in
 * test_client_messages.c.
 */
#include "client_peer.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "daemon/io/control.h"
#include "lib/payload.h"

/* ---- all controls ---- */

/* Whatever the opcode, and however much data: one answer, and the connection lives. Data of a
 * wrong size is refused with a text. */
static void test_all_opcodes(void **state)
{
	static const size_t sizes[] = { 0, 1, 3, 4, 5, 8, 11, 12, 16, 24, 28, 56, 64, 488, 1000 };
	static uint8_t data[1000];
	struct peer *p = peer_open();
	struct answer a;

	(void)state;
	for (uint32_t opcode = 0; opcode < 180; opcode++)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			const struct control_row *row = control_row(opcode);
			int32_t status = peer_control(p, 0, opcode, data, sizes[i], &a);
			bool is_right = row && row->use != CONTROL_USE_RETIRED &&
					payload_check(row->request, slice_of(data, sizes[i])) == 0;
			if (!is_right && (status != -1 || a.control.text.len == 0))
				fail_msg("control %u with %zu bytes: status %d", opcode, sizes[i],
					 status);
			if (status < 0 && a.control.text.len == 0)
				fail_msg("control %u with %zu bytes: no text", opcode, sizes[i]);
		}
	peer_close(p);
}

/* Data of every wrong size is refused, here and by way of another node, with the same text */
static void expect_size(struct peer *p, uint32_t opcode, size_t right)
{
	static uint8_t data[256];
	static const uint32_t dest[] = { CTDB_CURRENT_NODE, 1 };
	struct answer a;

	for (size_t d = 0; d < 2; d++)
		for (size_t len = 0; len <= sizeof(data); len++) {
			if (len == right)
				continue;
			assert_int_equal(peer_control(p, dest[d], opcode, data, len, &a), -1);
			assert_memory_equal(a.control.text.p, "malformed data", 14);
		}
}

static void test_sizes(void **state)
{
	struct peer *p = peer_open();

	(void)state;
	expect_size(p, CTDB_CONTROL_ENABLE_SEQNUM, 4);
	expect_size(p, CTDB_CONTROL_UPDATE_SEQNUM, 4);
	expect_size(p, CTDB_CONTROL_GET_DB_SEQNUM, 8);
	static const uint32_t of_4[] = {
		CTDB_CONTROL_DB_DETACH,	      CTDB_CONTROL_DB_FREEZE,
		CTDB_CONTROL_DB_THAW,	      CTDB_CONTROL_DB_PUSH_CONFIRM,
		CTDB_CONTROL_DB_SET_HEALTHY,  CTDB_CONTROL_SET_RECMODE,
		CTDB_CONTROL_SET_LMASTERROLE, CTDB_CONTROL_SET_RECMASTERROLE,
	};
	static const uint32_t of_8[] = { CTDB_CONTROL_WIPE_DATABASE,
					 CTDB_CONTROL_DB_TRANSACTION_START,
					 CTDB_CONTROL_DB_TRANSACTION_COMMIT };
	for (size_t i = 0; i < sizeof(of_4) / sizeof(of_4[0]); i++)
		expect_size(p, of_4[i], 4);
	for (size_t i = 0; i < sizeof(of_8) / sizeof(of_8[0]); i++)
		expect_size(p, of_8[i], 8);
	expect_size(p, CTDB_CONTROL_DB_PUSH_START, 16);
	expect_size(p, CTDB_CONTROL_PROCESS_EXISTS, 4);
	expect_size(p, CTDB_CONTROL_CHECK_PID_SRVID, 12);
	peer_close(p);
}

/* ---- for another node ---- */

static void test_same_on_other_node(void **state)
{
	static const uint32_t opcodes[] = {
		CTDB_CONTROL_GET_NODEMAP,      CTDB_CONTROL_GETVNNMAP,
		CTDB_CONTROL_GET_RUNSTATE,     CTDB_CONTROL_LIST_TUNABLES,
		CTDB_CONTROL_GET_ALL_TUNABLES, CTDB_CONTROL_GET_DBMAP
	};
	static uint8_t first[1 << 16];
	struct peer *p = peer_open();
	struct answer a;

	(void)state;
	for (size_t i = 0; i < sizeof(opcodes) / sizeof(opcodes[0]); i++) {
		assert_int_equal(peer_control(p, CTDB_CURRENT_NODE, opcodes[i], NULL, 0, &a), 0);
		size_t len = a.control.data.len;
		memcpy(first, a.control.data.p, len);
		assert_int_equal(peer_control(p, 1, opcodes[i], NULL, 0, &a), 0);
		assert_int_equal(a.control.data.len, len);
		assert_memory_equal(a.control.data.p, first, len);
	}
	/* what is about a connection cannot come from another node */
	assert_int_equal(peer_control(p, 1, CTDB_CONTROL_REGISTER_SRVID, NULL, 0, &a), -1);
	assert_true(a.control.text.len > 0);
	assert_int_equal(peer_control(p, 1, CTDB_CONTROL_DB_ATTACH, "x.tdb", 6, &a), -1);
	/* nobody there */
	assert_int_equal(peer_control(p, 3, CTDB_CONTROL_PING, NULL, 0, &a), -1);
	assert_int_equal(peer_control(p, 0xF0000005U, CTDB_CONTROL_PING, NULL, 0, &a), -1);
	/* to all nodes, with an answer: from whom? */
	assert_int_equal(peer_control(p, CTDB_BROADCAST_ALL, CTDB_CONTROL_PING, NULL, 0, &a), -1);
	peer_close(p);
}

static void test_other_node_goes(void **state)
{
	struct peer *p = peer_open(), *q = peer_open();
	struct answer a;

	(void)state;
	peer_ask(p, 2, CTDB_CONTROL_PING, 0, 0, NULL, 0);
	peer_ask(p, 2, CTDB_CONTROL_PING, 0, CTDB_CONTROL_NOREPLY, NULL, 0);
	/* the connection is usable meanwhile, and this one hears of nothing */
	uint32_t mine = peer_ask(p, 0, CTDB_CONTROL_GET_PNN, 0, 0, NULL, 0);
	peer_receive(p, &a);
	assert_int_equal(a.h.reqid, mine);
	peer_ask(q, 2, CTDB_CONTROL_PING, 0, 0, NULL, 0);
	peer_close(q);
	peer_command(p, WORLD_NODE_2_GONE);
	peer_receive(p, &a);
	assert_int_equal(a.h.reqid, 1);
	assert_int_equal(a.control.status, -1);
	assert_memory_equal(a.control.text.p, "node is disconnected", 20);
	assert_int_equal(peer_control(p, 2, CTDB_CONTROL_PING, NULL, 0, &a), -1);
	peer_close(p);
}

static void test_other_node_is_silent(void **state)
{
	struct peer *p = peer_open();
	struct answer a;

	(void)state;
	peer_set_tunable(p, "controltimeout", 1);
	assert_int_equal(peer_control(p, 2, CTDB_CONTROL_PING, NULL, 0, &a), -1);
	assert_true(a.control.text.len > 0);
	peer_close(p);
}

/* ---- the node ---- */

static void test_nodemap(void **state)
{
	static const uint32_t flags[] = { 0, 0, 0x03, CTDB_NODE_DELETED, 0x03 };
	static const char *const address[] = { "192.0.2.1", "192.0.2.2", "192.0.2.3", "0.0.0.0",
					       "2001:db8::5" };
	struct peer *p = peer_open();
	struct ctdb_node node;
	struct answer a;
	uint32_t n;

	(void)state;
	peer_command(p, WORLD_NODE_2_GONE);
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_GET_NODEMAP, NULL, 0, &a), 0);
	struct cursor c = cursor_of(a.control.data.p, a.control.data.len);
	assert_int_equal(ctdb_list_decode(&c, ctdb_node_SIZE, &n), 0);
	assert_int_equal(n, 5);
	for (uint32_t i = 0; i < n; i++) {
		char text[CTDB_ADDRESS_TEXT_SIZE];
		assert_int_equal(ctdb_node_decode(&c, &node), 0);
		ctdb_address_text(&node.address, text);
		assert_int_equal(node.pnn, i);
		assert_int_equal(node.flags, flags[i]);
		assert_string_equal(text, address[i]);
		assert_int_equal(node.address.port, 4379);
	}
	peer_close(p);
}

static void test_tunables(void **state)
{
	struct ctdb_tunable t = { .value = 7, .name = "vacuumINTERVAL" };
	struct peer *p = peer_open();
	uint8_t data[64];
	struct writer w = writer_of(data, sizeof(data));
	struct answer a;
	uint32_t value;

	(void)state;
	ctdb_tunable_encode(&w, &t);
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_SET_TUNABLE, data, w.len, &a), 0);
	w = writer_of(data, sizeof(data));
	ctdb_name_encode(&w, "VacuumInterval");
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_GET_TUNABLE, data, w.len, &a), 0);
	memcpy(&value, a.control.data.p, 4);
	assert_int_equal(value, 7);
	w = writer_of(data, sizeof(data));
	ctdb_name_encode(&w, "VacuumIntervals");
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_GET_TUNABLE, data, w.len, &a), -EINVAL);
	snprintf(t.name, sizeof(t.name), "DeterministicIPs"); /* obsolete: done, with a warning */
	w = writer_of(data, sizeof(data));
	ctdb_tunable_encode(&w, &t);
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_SET_TUNABLE, data, w.len, &a), 1);
	peer_close(p);
}

/* ---- status ---- */

static void test_status_json(void **state)
{
	struct peer *p = peer_open();
	struct answer a;

	(void)state;
	for (uint32_t pnn = 0; pnn < 2; pnn++) {
		assert_int_equal(peer_control(p, pnn, COTDB_CONTROL_STATUS, NULL, 0, &a), 0);
		const char *text = ctdb_text_decode(a.control.data);
		assert_non_null(text);
		assert_non_null(strstr(text, "\"path\":\"/clusterfs/.cotdb.lock\""));
		assert_non_null(strstr(text, "\"name\":\"node5\""));
		assert_non_null(strstr(text, "\"generation\":17"));
		assert_non_null(strstr(text, "\"databases\":[],\"databases_count\":0,"));
	}
	peer_close(p);
}

/* The most databases with the longest names: those that fit are listed, and all are counted */
static void test_status_of_many(void **state)
{
	struct peer *p = peer_open();
	struct answer a;
	const char *text, *at;
	char name[CORE_NAME_SIZE];
	size_t listed = 0;

	(void)state;
	for (int i = 0; i < CORE_MAX_DBS; i++) {
		/* each of these takes two bytes */
		memset(name, '"', sizeof(name));
		snprintf(name + 232, sizeof(name) - 232, "%04d.tdb", i);
		peer_attach(p, name);
	}
	assert_int_equal(peer_control(p, 0, COTDB_CONTROL_STATUS, NULL, 0, &a), 0);
	text = ctdb_text_decode(a.control.data);
	assert_non_null(text);
	for (at = text; (at = strstr(at, "\"db_id\":")) != NULL; at++)
		listed++;
	assert_in_range(listed, 256, CORE_MAX_DBS - 1);
	assert_non_null(strstr(text, "0000.tdb\""));
	assert_non_null(strstr(text, "\"databases_count\":1024"));
	assert_non_null(strstr(text, "\"lock_wait_us_max\""));
	peer_close(p);
}

/* ---- TCP connections ---- */

static bool status_says(struct peer *p, const char *words)
{
	static char text[1 << 20];
	struct answer a;

	assert_int_equal(peer_control(p, 0, COTDB_CONTROL_STATUS, NULL, 0, &a), 0);
	assert_true(a.control.data.len < sizeof(text));
	memcpy(text, a.control.data.p, a.control.data.len);
	text[a.control.data.len] = '\0';
	return strstr(text, words) != NULL;
}

static void test_drain(void **state)
{
	struct peer *p = peer_open();
	struct answer a;
	uint8_t data[4];
	struct writer w = writer_of(data, sizeof(data));

	(void)state;
	assert_true(status_says(p, "\"draining\":{\"state\":\"off\","));
	assert_int_equal(peer_control(p, 0, COTDB_CONTROL_DRAIN, NULL, 0, &a), -1);
	writer_u32(&w, 2);
	assert_int_equal(peer_control(p, 0, COTDB_CONTROL_DRAIN, data, sizeof(data), &a), -1);
	w = writer_of(data, sizeof(data));
	writer_u32(&w, 1);
	assert_int_equal(peer_control(p, 0, COTDB_CONTROL_DRAIN, data, sizeof(data), &a), 0);
	assert_true(status_says(p, "\"draining\":{\"state\":\"draining\","));
	w = writer_of(data, sizeof(data));
	writer_u32(&w, 0);
	assert_int_equal(peer_control(p, 0, COTDB_CONTROL_DRAIN, data, sizeof(data), &a), 0);
	assert_true(status_says(p, "\"draining\":{\"state\":\"off\","));
	peer_close(p);
}

static int32_t tcp(struct peer *p, uint32_t dest, uint32_t opcode, uint16_t port)
{
	struct ctdb_connection t;
	struct answer a;
	uint8_t data[56];
	struct writer w = writer_of(data, sizeof(data));

	assert_int_equal(ctdb_address_parse(&t.src, "192.0.2.77", port), 0);
	assert_int_equal(ctdb_address_parse(&t.dst, "192.0.2.1", 445), 0);
	ctdb_connection_encode(&w, &t);
	memset(data + 8, port, 20); /* what Samba leaves there */
	return peer_control(p, dest, opcode, data, sizeof(data), &a);
}

static void test_tcp(void **state)
{
	struct peer *p = peer_open(), *q = peer_open();
	struct answer a;
	uint8_t address[28] = { 2 };

	(void)state;
	assert_int_equal(tcp(p, 1, CTDB_CONTROL_TCP_CLIENT, 1000), -1); /* its own node only */
	assert_int_equal(tcp(p, 0, CTDB_CONTROL_TCP_CLIENT, 1000), 0);
	assert_int_equal(tcp(p, 0, CTDB_CONTROL_TCP_CLIENT, 1000), 0);
	assert_int_equal(tcp(p, 0, CTDB_CONTROL_TCP_CLIENT, 1001), 0);
	assert_true(status_says(q, "\"tcp\":[\"192.0.2.77:1000 192.0.2.1:445\","
				   "\"192.0.2.77:1001 192.0.2.1:445\"]"));
	assert_int_equal(tcp(p, 0, CTDB_CONTROL_TCP_CLIENT_DISCONNECTED, 1000), 0);
	assert_int_equal(tcp(p, 0, CTDB_CONTROL_TCP_CLIENT_DISCONNECTED, 1000), 0);
	assert_true(status_says(q, "\"tcp\":[\"192.0.2.77:1001 192.0.2.1:445\"]"));
	assert_int_equal(tcp(p, 0, CTDB_CONTROL_TCP_CLIENT_PASSED, 1001), 0);
	assert_false(status_says(q, "192.0.2.77"));
	for (uint16_t port = 2000; port < 2070; port++)
		assert_int_equal(tcp(p, 0, CTDB_CONTROL_TCP_CLIENT, port), 0);
	assert_true(status_says(q, "\"tcp\":[\"192.0.2.77:2006 192.0.2.1:445\","));
	/* and still none of these addresses is ours */
	assert_int_equal(peer_control(q, 0, CTDB_CONTROL_GET_TCP_TICKLE_LIST, address, 28, &a), 1);
	assert_int_equal(peer_control(q, 0, CTDB_CONTROL_GET_PUBLIC_IPS, NULL, 0, &a), 0);
	assert_int_equal(answer_number(&a), 0);
	peer_close(p);
	for (int i = 0; status_says(q, "192.0.2.77"); i++)
		assert_true(i < 100);
	peer_close(q);
}

/* ---- what is not cotdb's ---- */

static void test_refused(void **state)
{
	struct peer *p = peer_open();
	static const uint8_t data[64];
	uint32_t one = 1, zero = 0;
	struct answer a;

	(void)state;
	expect_refused(p, 0, CTDB_CONTROL_TCP_REMOVE, data, 56, "Pacemaker");
	expect_refused(p, 0, CTDB_CONTROL_TCP_ADD_DELAYED_UPDATE, data, 56, "Pacemaker");
	expect_refused(p, 1, CTDB_CONTROL_RELEASE_IP, data, 32, "Pacemaker");
	expect_refused(p, 0, CTDB_CONTROL_TAKEOVER_IP, data, 32, "Pacemaker");
	expect_refused(p, 0, CTDB_CONTROL_SEND_GRATUITOUS_ARP, data, 36, "Pacemaker");
	expect_refused(p, 0, CTDB_CONTROL_ADD_PUBLIC_IP, data, 36, "Pacemaker");
	expect_refused(p, 0, CTDB_CONTROL_DEL_PUBLIC_IP, data, 36, "Pacemaker");
	expect_refused(p, 0, CTDB_CONTROL_SET_IFACE_LINK_STATE, data, 24, "Pacemaker");
	expect_refused(p, 0, CTDB_CONTROL_RELOAD_PUBLIC_IPS, NULL, 0, "Pacemaker");
	expect_refused(p, 0, CTDB_CONTROL_IPREALLOCATED, NULL, 0, "Pacemaker");
	expect_refused(p, 0, CTDB_CONTROL_RELOAD_NODES_FILE, NULL, 0, "corosync");
	expect_refused(p, 0, CTDB_CONTROL_SET_LMASTERROLE, &one, 4, "every node");
	expect_refused(p, 1, CTDB_CONTROL_SET_RECMASTERROLE, &one, 4, "every node");
	expect_refused(p, 0, CTDB_CONTROL_SET_RECMODE, &one, 4, "by itself");
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_SET_RECMODE, &zero, 4, &a), 0);
	expect_refused(p, 0, CTDB_CONTROL_CHECK_SRVIDS, data, 8, "no longer");
	peer_close(p);
}

static int tests_run(void)
{
	const struct CMUnitTest tests[] = {
		ACTIVE(test_all_opcodes),
		ACTIVE(test_sizes),
		ACTIVE(test_same_on_other_node),
		ACTIVE(test_other_node_goes),
		ACTIVE(test_other_node_is_silent),
		ACTIVE(test_nodemap),
		ACTIVE(test_tunables),
		ACTIVE(test_status_json),
		ACTIVE(test_status_of_many),
		ACTIVE(test_drain),
		ACTIVE(test_tcp),
		ACTIVE(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	return peer_main(argc, argv, tests_run);
}
