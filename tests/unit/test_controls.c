/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_controls.c: controls one by one, on a real socket, with the world of client_world.c; what is
 * true of all of them is in test_client.c.
 */
#include "client_peer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include "daemon/io/control.h"
#include "lib/jenkins.h"
#include "lib/payload.h"

/* ---- what they have in common
 * ------------------------------------------------------------------------ */

static uint32_t attach(struct peer *p, const char *name)
{
	struct answer a;

	assert_int_equal(peer_control(p, CTDB_CURRENT_NODE, CTDB_CONTROL_DB_ATTACH, name,
				      strlen(name) + 1, &a),
			 0);
	return jenkins_db_id(name);
}

static void set_tunable(struct peer *p, const char *name, uint32_t value)
{
	struct ctdb_tunable t = { .value = value };
	struct answer a;
	uint8_t data[64];
	struct writer w = writer_of(data, sizeof(data));

	snprintf(t.name, sizeof(t.name), "%s", name);
	ctdb_tunable_encode(&w, &t);
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_SET_TUNABLE, data, w.len, &a), 0);
}

static uint32_t calls(struct peer *p)
{
	struct answer a;
	struct ctdb_statistics t;

	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_STATISTICS, NULL, 0, &a), 0);
	struct cursor c = cursor_of(a.control.data.p, a.control.data.len);
	assert_int_equal(ctdb_statistics_decode(&c, &t), 0);
	return t.total_calls;
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
		CTDB_CONTROL_DB_DETACH,		CTDB_CONTROL_DB_FREEZE,
		CTDB_CONTROL_DB_THAW,		CTDB_CONTROL_DB_PUSH_CONFIRM,
		CTDB_CONTROL_DB_SET_HEALTHY,	CTDB_CONTROL_SET_RECMODE,
		CTDB_CONTROL_SET_LMASTERROLE,	CTDB_CONTROL_SET_RECMASTERROLE,
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

/* ---- processes
 * --------------------------------------------------------------------------------------- */

#define ORPHAN_SRVID 0xAE00000000000042ULL

/* A process that registers a srvid, commits, and is killed */
static pid_t orphan(void)
{
	uint32_t records[2] = { 0 };
	struct answer a;
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct peer *p = peer_open();
		uint32_t last;

		peer_ask(p, 0, CTDB_CONTROL_REGISTER_SRVID, ORPHAN_SRVID, 0, NULL, 0);
		peer_ask(p, 0, CTDB_CONTROL_TRANS3_COMMIT, 0, 0, records, sizeof(records));
		last = peer_ask(p, 0, CTDB_CONTROL_GET_PNN, 0, 0, NULL, 0);
		do /* all before it has been read, too */
			peer_receive(p, &a);
		while (a.h.reqid != last);
		if (write(ready[1], "", 1) == 1)
			(void)pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	(void)close(ready[0]);
	(void)close(ready[1]);
	return pid;
}

/* As the controls of node dest tell it: the process, and with its srvid; not with another */
static bool process_is_told(struct peer *p, uint32_t dest, pid_t pid)
{
	uint8_t data[12];
	struct writer w = writer_of(data, sizeof(data));
	struct answer a;
	bool is_told = peer_control(p, dest, CTDB_CONTROL_PROCESS_EXISTS, &pid, 4, &a) == 0;

	writer_u32(&w, (uint32_t)pid);
	writer_u64(&w, ORPHAN_SRVID);
	assert_int_equal(peer_control(p, dest, CTDB_CONTROL_CHECK_PID_SRVID, data, w.len, &a) == 0, is_told);
	data[4] ^= 1;
	assert_int_equal(peer_control(p, dest, CTDB_CONTROL_CHECK_PID_SRVID, data, w.len, &a), -1);
	return is_told;
}

/* Who dies in a commit exists until that has ended */
static void test_orphan(void **state)
{
	struct peer *p = peer_open();
	pid_t pid;

	(void)state;
	peer_command(p, WORLD_COMMITS_HANG);
	pid = orphan();
	for (int i = 0; i < 20; i++) { /* its end has been seen some time */
		assert_true(process_is_told(p, 0, pid));
		assert_true(process_is_told(p, 1, pid));
		assert_int_equal(usleep(5000), 0);
	}
	peer_command(p, WORLD_COMMITS_END);
	expect_well();
	assert_false(process_is_told(p, 0, pid));
	assert_false(process_is_told(p, 1, pid));
	pid = orphan(); /* refused at once */
	assert_false(process_is_told(p, 0, pid));
	peer_command(p, WORLD_COMMITS_HANG);
	(void)orphan(); /* is left when the engine ends */
	peer_close(p);
}

/* ---- detaching
 * --------------------------------------------------------------------------------------- */

static void expect_refused(struct peer *p, uint32_t dest, uint32_t opcode, const void *data,
			   size_t len, const char *words)
{
	struct answer a;
	char text[CONTROL_TEXT_SIZE + 1] = "";

	assert_int_equal(peer_control(p, dest, opcode, data, len, &a), -1);
	memcpy(text, a.control.text.p, a.control.text.len);
	if (strstr(text, words) == NULL)
		fail_msg("'%s' does not say '%s'", text, words);
}

static void test_detach(void **state)
{
	struct peer *p = peer_open(), *q = peer_open();
	uint32_t db_id = attach(q, "a.tdb"), other = attach(q, "open.tdb"), no_db = 77;
	struct answer a;

	(void)state;
	assert_int_equal(peer_control(q, 0, CTDB_CONTROL_DB_ATTACH_PERSISTENT, "p.tdb", 6, &a), 0);
	uint32_t persistent = jenkins_db_id("p.tdb");
	expect_refused(p, 0, CTDB_CONTROL_DB_DETACH, &db_id, 4, "AllowClientDBAttach");
	set_tunable(p, "AllowClientDBAttach", 0);
	expect_refused(p, 0, CTDB_CONTROL_DB_DETACH, &no_db, 4, "no database");
	expect_refused(p, 0, CTDB_CONTROL_DB_DETACH, &persistent, 4, "not volatile");
	expect_refused(p, 1, CTDB_CONTROL_DB_DETACH, &db_id, 4, "their own node");
	expect_refused(p, 0, CTDB_CONTROL_DB_DETACH, &db_id, 4, "node1(0) says no: a client has");
	expect_refused(p, 0, CTDB_CONTROL_DB_ATTACH, "a.tdb", 6, "switched off");
	peer_close(q);
	expect_well();
	expect_refused(p, 0, CTDB_CONTROL_DB_DETACH, &other, 4, "process 4711");
	/* q is gone, but its end may not have been seen yet */
	for (int i = 0; peer_control(p, 0, CTDB_CONTROL_DB_DETACH, &db_id, 4, &a) != 0; i++)
		assert_true(i < 100);
	expect_refused(p, 0, CTDB_CONTROL_DB_DETACH, &db_id, 4, "no database");
	set_tunable(p, "AllowClientDBAttach", 1);
	attach(p, "a.tdb");
	/* one that asks twice, and one that does not wait for the answer */
	set_tunable(p, "AllowClientDBAttach", 0);
	q = peer_open();
	peer_ask(q, 0, CTDB_CONTROL_DB_DETACH, 0, 0, &db_id, 4);
	peer_ask(q, 0, CTDB_CONTROL_DB_DETACH, 0, 0, &db_id, 4);
	peer_close(q);
	expect_well();
	peer_close(p);
}

/* ---- wiping and restoring
 * ---------------------------------------------------------------------------- */

static const uint64_t push_srvid = 0xCE02000000000001ULL;

static int32_t restore_step(struct peer *p, uint32_t dest, uint32_t opcode, uint32_t db_id,
			    struct answer *a)
{
	uint32_t data[2] = { db_id, 17 }; /* the world's generation */
	size_t len = opcode == CTDB_CONTROL_DB_TRANSACTION_START ||
				     opcode == CTDB_CONTROL_DB_TRANSACTION_COMMIT ||
				     opcode == CTDB_CONTROL_WIPE_DATABASE
			 ? 8
			 : 4;

	return peer_control(p, dest, opcode, data, len, a);
}

static int32_t push_start(struct peer *p, uint32_t dest, uint32_t db_id, struct answer *a)
{
	uint8_t data[16];
	struct writer w = writer_of(data, sizeof(data));

	ctdb_pulldb_ext_encode(&w, &(struct ctdb_pulldb_ext){ db_id, UINT32_MAX, push_srvid });
	return peer_control(p, dest, CTDB_CONTROL_DB_PUSH_START, data, sizeof(data), a);
}

/* n records; cut: so many bytes are missing at the end */
static void push_records(struct peer *p, uint32_t db_id, uint32_t n, size_t cut)
{
	uint8_t data[400], value[32] = { 0 };
	struct writer w = writer_of(data, sizeof(data));

	ctdb_rec_buffer_encode(&w, &(struct ctdb_rec_buffer){ db_id, n });
	for (uint32_t i = 0; i < n; i++)
		ctdb_rec_data_encode(&w, &(struct ctdb_rec_data){ .key = slice_of("key", 3),
								  .data = slice_of(value, 32) });
	assert_false(w.failed);
	peer_message(p, 0, push_srvid, data, w.len - cut);
}

static uint32_t number_of(const struct answer *a)
{
	struct cursor c = cursor_of(a->control.data.p, a->control.data.len);
	uint32_t n;

	assert_int_equal(cursor_u32(&c, &n), 0);
	return n;
}

/* Here, and at node 1, where the same happens without a client, up to the commit. What is forwarded
 * there comes back to this world as from node 1: its controls are about a restore of its own. */
static void test_restore(void **state)
{
	struct peer *p = peer_open(), *q = peer_open();
	struct answer a;
	uint32_t vol = attach(p, "v.tdb"), db_id = jenkins_db_id("p.tdb");

	(void)state;
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_DB_ATTACH_PERSISTENT, "p.tdb", 6, &a), 0);
	assert_int_equal(restore_step(p, 0, CTDB_CONTROL_DB_FREEZE, vol, &a), -1);
	assert_int_equal(restore_step(p, 0, CTDB_CONTROL_DB_FREEZE, 77, &a), -1);
	static const uint32_t steps[] = {
		CTDB_CONTROL_DB_THAW,		  CTDB_CONTROL_DB_TRANSACTION_START,
		CTDB_CONTROL_WIPE_DATABASE,	  CTDB_CONTROL_DB_PUSH_CONFIRM,
		CTDB_CONTROL_DB_SET_HEALTHY,	  CTDB_CONTROL_DB_TRANSACTION_COMMIT,
	};
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		assert_int_equal(restore_step(p, 0, steps[i], db_id, &a), -1);
	assert_int_equal(push_start(p, 0, db_id, &a), -1);

	/* one at a time, of one connection; not half of it */
	assert_int_equal(restore_step(p, 0, CTDB_CONTROL_DB_FREEZE, db_id, &a), 0);
	assert_int_equal(restore_step(q, 0, CTDB_CONTROL_DB_FREEZE, db_id, &a), -1);
	assert_int_equal(restore_step(q, 0, CTDB_CONTROL_DB_THAW, db_id, &a), -1);
	assert_int_equal(restore_step(p, 1, CTDB_CONTROL_DB_THAW, db_id, &a), -1);
	assert_int_equal(restore_step(p, 0, CTDB_CONTROL_WIPE_DATABASE, db_id, &a), -1);
	assert_int_equal(restore_step(p, 0, CTDB_CONTROL_DB_TRANSACTION_START, db_id, &a), 0);
	assert_int_equal(restore_step(p, 0, CTDB_CONTROL_DB_TRANSACTION_COMMIT, db_id, &a), -1);
	uint32_t old[2] = { db_id, 16 };
	expect_refused(p, 0, CTDB_CONTROL_WIPE_DATABASE, old, 8, "generation");
	assert_int_equal(push_start(p, 0, db_id, &a), -1);
	assert_int_equal(restore_step(p, 0, CTDB_CONTROL_WIPE_DATABASE, db_id, &a), 0);
	assert_int_equal(push_start(p, 0, db_id, &a), 0);
	assert_int_equal(restore_step(p, 0, CTDB_CONTROL_DB_TRANSACTION_COMMIT, db_id, &a), -1);
	/* malformed ones do not count; the command's backup has another id in it */
	push_records(p, 4711, 3, 0);
	push_records(p, db_id, 2, 1);
	push_records(p, db_id, 2, 60);
	peer_message(p, 0, push_srvid, "1234567", 7);
	peer_message(p, 0, push_srvid, "", 0);
	push_records(p, db_id, 2, 0);
	assert_int_equal(restore_step(p, 0, CTDB_CONTROL_DB_PUSH_CONFIRM, db_id, &a), 0);
	assert_int_equal(number_of(&a), 5);
	assert_int_equal(restore_step(p, 0, CTDB_CONTROL_DB_SET_HEALTHY, db_id, &a), 0);
	assert_int_equal(restore_step(p, 0, CTDB_CONTROL_DB_TRANSACTION_COMMIT, db_id, &a), 0);
	assert_int_equal(calls(p), 5);
	assert_int_equal(restore_step(p, 0, CTDB_CONTROL_DB_THAW, db_id, &a), 0);
	assert_int_equal(restore_step(p, 0, CTDB_CONTROL_DB_THAW, db_id, &a), -1);

	/* another node's command: this one counts, and commits nothing */
	assert_int_equal(restore_step(p, 1, CTDB_CONTROL_DB_FREEZE, db_id, &a), 0);
	assert_int_equal(restore_step(p, 1, CTDB_CONTROL_DB_TRANSACTION_START, db_id, &a), 0);
	assert_int_equal(restore_step(p, 1, CTDB_CONTROL_WIPE_DATABASE, db_id, &a), 0);
	assert_int_equal(push_start(p, 1, db_id, &a), 0);
	push_records(p, db_id, 4, 0);
	assert_int_equal(restore_step(p, 1, CTDB_CONTROL_DB_PUSH_CONFIRM, db_id, &a), 0);
	assert_int_equal(number_of(&a), 4);
	assert_int_equal(restore_step(p, 1, CTDB_CONTROL_DB_TRANSACTION_COMMIT, db_id, &a), 0);
	assert_int_equal(calls(p), 5);
	assert_int_equal(restore_step(p, 1, CTDB_CONTROL_DB_THAW, db_id, &a), 0);

	/* one that ends in the middle */
	assert_int_equal(restore_step(q, 0, CTDB_CONTROL_DB_FREEZE, db_id, &a), 0);
	assert_int_equal(restore_step(q, 0, CTDB_CONTROL_DB_TRANSACTION_START, db_id, &a), 0);
	assert_int_equal(restore_step(q, 0, CTDB_CONTROL_WIPE_DATABASE, db_id, &a), 0);
	assert_int_equal(push_start(q, 0, db_id, &a), 0);
	peer_close(q);
	for (int i = 0; restore_step(p, 0, CTDB_CONTROL_DB_FREEZE, db_id, &a) != 0; i++)
		assert_true(i < 100);
	peer_close(p);
}

/* ---- TCP connections
 * --------------------------------------------------------------------------------- */

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
	assert_int_equal(number_of(&a), 0);
	peer_close(p);
	for (int i = 0; status_says(q, "192.0.2.77"); i++)
		assert_true(i < 100);
	peer_close(q);
}

/* ---- messages from and to the daemon
 * ----------------------------------------------------------------- */

static void register_srvid(struct peer *p, uint64_t srvid)
{
	struct answer a;
	uint32_t reqid = peer_ask(p, 0, CTDB_CONTROL_REGISTER_SRVID, srvid, 0, NULL, 0);

	do
		peer_receive(p, &a);
	while (a.h.operation == CTDB_REQ_MESSAGE);
	assert_int_equal(a.h.reqid, reqid);
}

static void expect_message(struct peer *p, uint64_t srvid, struct answer *a)
{
	peer_receive(p, a);
	assert_int_equal(a->h.operation, CTDB_REQ_MESSAGE);
	assert_true(a->message.srvid == srvid);
}

static void test_generation(void **state)
{
	struct peer *p = peer_open();
	struct answer a;

	(void)state;
	register_srvid(p, CTDB_SRVID_RECONFIGURE);
	register_srvid(p, CTDB_SRVID_IPREALLOCATED);
	peer_command(p, WORLD_CONGESTED); /* a change of the status, not of the generation */
	assert_int_equal(peer_receive_for(p, &a, SILENCE_MS), -1);
	peer_command(p, WORLD_NEW_GENERATION);
	expect_message(p, CTDB_SRVID_RECONFIGURE, &a);
	assert_int_equal(a.message.data.len, 0);
	expect_message(p, CTDB_SRVID_IPREALLOCATED, &a);
	assert_int_equal(a.message.data.len, 0);
	assert_int_equal(peer_receive_for(p, &a, SILENCE_MS), -1);
	peer_close(p);
}

static void ask_service(struct peer *p, uint64_t what, size_t size)
{
	uint8_t data[64] = { 0 };
	struct writer w = writer_of(data, sizeof(data));

	writer_u32(&w, 0);
	writer_u32(&w, 0);
	writer_u64(&w, 0xCE01);
	peer_message(p, 0, what, data, size);
}

static void test_service(void **state)
{
	static const uint64_t what[] = { CTDB_SRVID_TAKEOVER_RUN, CTDB_SRVID_DISABLE_TAKEOVER_RUNS,
					 CTDB_SRVID_DISABLE_RECOVERIES, CTDB_SRVID_MEM_DUMP };
	static const size_t right[] = { 16, 24, 24, 16 };
	struct peer *p = peer_open();
	struct answer a;

	(void)state;
	register_srvid(p, 0xCE01);
	for (size_t i = 0; i < 4; i++) {
		for (size_t size = 0; size < 40; size++)
			if (size != right[i])
				ask_service(p, what[i], size);
		expect_well();
		ask_service(p, what[i], right[i]);
		expect_message(p, 0xCE01, &a);
		if (what[i] != CTDB_SRVID_MEM_DUMP)
			assert_int_equal(a.message.data.len, 4);
		assert_int_equal(peer_receive_for(p, &a, SILENCE_MS), -1);
	}
	/* of several that are asked only the leader answers */
	peer_command(p, WORLD_INACTIVE);
	expect_well();
	ask_service(p, CTDB_SRVID_TAKEOVER_RUN, 16);
	assert_int_equal(peer_receive_for(p, &a, SILENCE_MS), -1);
	for (int i = 0; i < 10000; i++)
		ask_service(p, CTDB_SRVID_MEM_DUMP, 16);
	expect_well();
	peer_close(p);
}

/* ---- what is not cotdb's
 * ----------------------------------------------------------------------------- */

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

/* ---- sequence numbers
 * -------------------------------------------------------------------------------- */

/* What this node tells node 1, a mirror, comes back as from node 1: the world counts it as a call */
static void test_seqnum(void **state)
{
	struct peer *p = peer_open();
	uint32_t db_id, no_db = 77;
	struct answer a;

	(void)state;
	set_tunable(p, "SeqnumInterval", 20);
	db_id = attach(p, "a.tdb");
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_ENABLE_SEQNUM, &no_db, 4, &a), -1);
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_UPDATE_SEQNUM, &no_db, 4, &a), -1);
	/* one of a client here changes nothing; neither does anything by itself */
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_UPDATE_SEQNUM, &db_id, 4, &a), 0);
	usleep(SILENCE_MS * 1000);
	assert_int_equal(calls(p), 0);
	assert_int_equal(peer_control(p, 1, CTDB_CONTROL_UPDATE_SEQNUM, &db_id, 4, &a), 0);
	assert_int_equal(calls(p), 1);
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_ENABLE_SEQNUM, &db_id, 4, &a), 0);
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_ENABLE_SEQNUM, &db_id, 4, &a), 0);
	for (int i = 0; calls(p) < 3; i++) {
		assert_true(i < PATIENCE_MS / 10);
		usleep(10000);
	}
	peer_close(p);
}

static int tests_run(void)
{
#define ACTIVE(test) cmocka_unit_test_setup_teardown(test, peer_setup_active, peer_teardown)
	const struct CMUnitTest tests[] = {
		ACTIVE(test_sizes),
		ACTIVE(test_orphan),
		ACTIVE(test_detach),
		ACTIVE(test_restore),
		ACTIVE(test_tcp),
		ACTIVE(test_generation),
		ACTIVE(test_service),
		ACTIVE(test_refused),
		ACTIVE(test_seqnum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	return peer_main(argc, argv, tests_run);
}
