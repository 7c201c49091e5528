/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_controls_db.c: controls about databases and their records, one by one */
#include "client_peer.h"

#include <string.h>
#include <unistd.h>
#include "daemon/io/control.h"
#include "lib/jenkins.h"
#include "lib/payload.h"

/* ---- attaching ---- */

static void test_attach(void **state)
{
	static const char *const bad[] = { "", ".", "..", "../x.tdb", "a/b", "x\ny" };
	struct peer *p = peer_open();
	struct answer a;

	(void)state;
	assert_int_equal(peer_attach(p, "g_lock.tdb"), 0x4d2a432b);
	assert_int_equal(peer_attach(p, "g_lock.tdb"), 0x4d2a432b);
	assert_int_equal(
	    peer_control(p, 0, CTDB_CONTROL_DB_ATTACH_PERSISTENT, "g_lock.tdb", 11, &a), -1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(
		    peer_control(p, 0, CTDB_CONTROL_DB_ATTACH, bad[i], strlen(bad[i]) + 1, &a), -1);
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_DB_ATTACH, "no NUL", 6, &a), -1);
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_GETDBPATH, "\x2b\x43\x2a\x4d", 4, &a), 0);
	assert_string_equal(ctdb_text_decode(a.control.data), WORLD_FOLDER "/g_lock.tdb.0");
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_GET_DBNAME, "\x2b\x43\x2a\x4d", 4, &a), 0);
	assert_string_equal(ctdb_text_decode(a.control.data), "g_lock.tdb");
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_GETDBPATH, "abcd", 4, &a), -1);
	peer_close(p);
}

/* ---- properties ---- */

static uint8_t db_flags(struct peer *p, uint32_t db_id)
{
	struct answer a;
	struct ctdb_db db;
	uint32_t n;

	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_GET_DBMAP, NULL, 0, &a), 0);
	struct cursor c = cursor_of(a.control.data.p, a.control.data.len);
	assert_int_equal(cursor_u32(&c, &n), 0);
	for (uint32_t i = 0; i < n; i++) {
		assert_int_equal(ctdb_db_decode(&c, &db), 0);
		if (db.db_id == db_id)
			return db.flags;
	}
	fail_msg("database 0x%08x is not listed", db_id);
	return 0;
}

/* Read-only and sticky: for volatile databases that exist, for good */
static void test_properties(void **state)
{
	struct peer *p = peer_open();
	uint32_t db_id = peer_attach(p, "copies.tdb"), other = db_id + 1;
	struct answer a;

	(void)state;
	for (uint32_t opcode = CTDB_CONTROL_SET_DB_READONLY; opcode != 0;
	     opcode = opcode == CTDB_CONTROL_SET_DB_STICKY ? 0 : CTDB_CONTROL_SET_DB_STICKY) {
		for (uint32_t pnn = 0; pnn < 2; pnn++) {
			uint8_t bytes[8] = { 0 };

			memcpy(bytes, &db_id, 4);
			for (size_t len = 0; len <= 8; len++) {
				if (len == 4)
					continue;
				assert_int_equal(peer_control(p, pnn, opcode, bytes, len, &a), -1);
				assert_true(a.control.text.len > 0);
			}
		}
		assert_int_equal(peer_control(p, 0, opcode, &other, 4, &a), -1);
		assert_true(a.control.text.len > 0);
	}
	assert_int_equal(db_flags(p, db_id), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(peer_control(p, 0, CTDB_CONTROL_SET_DB_READONLY, &db_id, 4, &a),
				 0);
		assert_int_equal(a.control.data.len, 0);
		assert_int_equal(db_flags(p, db_id), DB_READONLY);
	}
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_SET_DB_STICKY, &db_id, 4, &a), 0);
	assert_int_equal(db_flags(p, db_id), DB_READONLY | DB_STICKY);
	/* for another node, which has heard of no attach yet, and answers nothing */
	db_id = peer_attach(p, "late.tdb");
	assert_int_equal(peer_control(p, 2, CTDB_CONTROL_SET_DB_READONLY, &db_id, 4, &a), 0);
	assert_int_equal(db_flags(p, db_id), DB_READONLY);
	assert_int_equal(peer_control(p, 7, CTDB_CONTROL_SET_DB_READONLY, &db_id, 4, &a), -1);
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_DB_ATTACH_PERSISTENT, "p.tdb", 6, &a), 0);
	memcpy(&db_id, a.control.data.p, 4);
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_SET_DB_READONLY, &db_id, 4, &a), -1);
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_SET_DB_STICKY, &db_id, 4, &a), -1);
	assert_int_equal(db_flags(p, db_id), DB_PERSISTENT);
	peer_close(p);
}

/* ---- records ---- */

/* What Samba sends to all nodes of a record, which the core is given once, here */
static void test_push_record(void **state)
{
	struct peer *p = peer_open();
	struct ctdb_push_record r = {
		.generation = 5,
		.db_id = 0x1234,
		.header = { .rsn = 7, .dmaster = 1, .flags = 0x10001 },
		.key = slice_of("key", 3),
		.value = slice_of("value", 5),
	};
	uint8_t data[64] = { 0 };
	struct writer w = writer_of(data, sizeof(data));
	struct answer a;

	(void)state;
	ctdb_push_record_encode(&w, &r);
	assert_int_equal(w.len, 36 + 3 + 4 + 5);
	assert_memory_equal(data + 36 + 3, "\5\0\0\0value", 9); /* its length is not aligned */
	for (uint32_t len = 0; len <= sizeof(data); len++)
		assert_int_equal(
		    peer_control(p, CTDB_BROADCAST_ACTIVE, CTDB_CONTROL_PUSH_RECORD, data, len, &a),
		    len == w.len ? 0 : -1);
	data[8]++; /* the core refuses it */
	assert_int_equal(peer_control(p, CTDB_BROADCAST_ACTIVE, CTDB_CONTROL_PUSH_RECORD, data,
				      (uint32_t)w.len, &a),
			 -1);
	peer_close(p);
}

/* What Samba sends for each deleted record, and all that is not quite so */
static void test_schedule_for_deletion(void **state)
{
	const uint32_t opcode = CTDB_CONTROL_SCHEDULE_FOR_DELETION;
	struct peer *p = peer_open();
	struct ctdb_key_data k = { .db_id = peer_attach(p, "deleted.tdb"),
				   .key = slice_of("key", 3) };
	uint8_t data[64] = { 0 };
	struct writer w = writer_of(data, sizeof(data));
	struct answer a;
	uint32_t lie;

	(void)state;
	ctdb_key_data_encode(&w, &k);
	assert_int_equal(w.len, 39);
	for (uint32_t len = 0; len <= sizeof(data); len++) {
		assert_int_equal(peer_control(p, 0, opcode, data, len, &a), len == w.len ? 0 : -1);
		assert_int_equal(a.control.text.len > 0, len != w.len);
	}
	for (lie = 0; lie < 100; lie++) {
		memcpy(data + 32, &lie, 4); /* the length of the key */
		assert_int_equal(peer_control(p, 0, opcode, data, w.len, &a), lie == 3 ? 0 : -1);
	}
	lie = UINT32_MAX;
	memcpy(data + 32, &lie, 4);
	assert_int_equal(peer_control(p, 0, opcode, data, w.len, &a), -1);
	lie = 0;
	memcpy(data + 32, &lie, 4); /* no key */
	assert_int_equal(peer_control(p, 0, opcode, data, 36, &a), -1);
	lie = 3;
	memcpy(data + 32, &lie, 4);
	data[0] ^= 1; /* no such database */
	assert_int_equal(peer_control(p, 0, opcode, data, w.len, &a), -1);
	peer_close(p);
}

/* A commit is refused, but late: Samba would ask again at once */
static void test_commit(void **state)
{
	struct peer *p = peer_open(), *q = peer_open();
	uint8_t empty[8] = { 0 };
	struct answer a;

	(void)state;
	peer_ask(q, 0, CTDB_CONTROL_TRANS3_COMMIT, 0, 0, empty, sizeof(empty));
	peer_close(q);
	uint32_t commit = peer_ask(p, 0, CTDB_CONTROL_TRANS3_COMMIT, 0, 0, empty, sizeof(empty));
	uint32_t pnn = peer_ask(p, 0, CTDB_CONTROL_GET_PNN, 0, 0, NULL, 0);
	peer_receive(p, &a);
	assert_int_equal(a.h.reqid, pnn);
	peer_receive(p, &a);
	assert_int_equal(a.h.reqid, commit);
	assert_int_equal(a.control.status, -1);
	assert_true(a.control.text.len > 0);
	peer_ask(p, 0, CTDB_CONTROL_TRANS3_COMMIT, 0, 0, empty, sizeof(empty));
	peer_close(p);
}

/* ---- detaching ---- */

static void test_detach(void **state)
{
	struct peer *p = peer_open(), *q = peer_open();
	uint32_t db_id = peer_attach(q, "a.tdb"), other = peer_attach(q, "open.tdb"), no_db = 77;
	struct answer a;

	(void)state;
	assert_int_equal(peer_control(q, 0, CTDB_CONTROL_DB_ATTACH_PERSISTENT, "p.tdb", 6, &a), 0);
	uint32_t persistent = jenkins_db_id("p.tdb");
	expect_refused(p, 0, CTDB_CONTROL_DB_DETACH, &db_id, 4, "AllowClientDBAttach");
	peer_set_tunable(p, "AllowClientDBAttach", 0);
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
	peer_set_tunable(p, "AllowClientDBAttach", 1);
	peer_attach(p, "a.tdb");
	/* one that asks twice, and one that does not wait for the answer */
	peer_set_tunable(p, "AllowClientDBAttach", 0);
	q = peer_open();
	peer_ask(q, 0, CTDB_CONTROL_DB_DETACH, 0, 0, &db_id, 4);
	peer_ask(q, 0, CTDB_CONTROL_DB_DETACH, 0, 0, &db_id, 4);
	peer_close(q);
	expect_well();
	peer_close(p);
}

/* ---- wiping and restoring ---- */

/* That the world has counted: calls, the other node's changes, commits */
static uint32_t calls(struct peer *p)
{
	struct answer a;
	struct ctdb_statistics t;

	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_STATISTICS, NULL, 0, &a), 0);
	struct cursor c = cursor_of(a.control.data.p, a.control.data.len);
	assert_int_equal(ctdb_statistics_decode(&c, &t), 0);
	return t.total_calls;
}

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

/* Here, and at node 1, where the same happens without a client, up to the commit. What is forwarded
 * there comes back to this world as from node 1: its controls are about a restore of its own. */
static void test_restore(void **state)
{
	struct peer *p = peer_open(), *q = peer_open();
	struct answer a;
	uint32_t vol = peer_attach(p, "v.tdb"), db_id = jenkins_db_id("p.tdb");

	(void)state;
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_DB_ATTACH_PERSISTENT, "p.tdb", 6, &a), 0);
	/* a volatile one: wiped, not restored */
	assert_int_equal(restore_step(p, 0, CTDB_CONTROL_DB_FREEZE, vol, &a), 0);
	assert_int_equal(restore_step(p, 0, CTDB_CONTROL_DB_TRANSACTION_START, vol, &a), 0);
	assert_int_equal(restore_step(p, 0, CTDB_CONTROL_DB_TRANSACTION_COMMIT, vol, &a), -1);
	assert_int_equal(restore_step(p, 0, CTDB_CONTROL_WIPE_DATABASE, vol, &a), 0);
	assert_int_equal(push_start(p, 0, vol, &a), -1);
	assert_int_equal(restore_step(p, 0, CTDB_CONTROL_DB_SET_HEALTHY, vol, &a), 0);
	assert_int_equal(restore_step(p, 0, CTDB_CONTROL_DB_TRANSACTION_COMMIT, vol, &a), 0);
	assert_int_equal(restore_step(p, 0, CTDB_CONTROL_DB_THAW, vol, &a), 0);
	assert_int_equal(restore_step(p, 0, CTDB_CONTROL_DB_FREEZE, 77, &a), -1);
	static const uint32_t steps[] = {
		CTDB_CONTROL_DB_THAW,	     CTDB_CONTROL_DB_TRANSACTION_START,
		CTDB_CONTROL_WIPE_DATABASE,  CTDB_CONTROL_DB_PUSH_CONFIRM,
		CTDB_CONTROL_DB_SET_HEALTHY, CTDB_CONTROL_DB_TRANSACTION_COMMIT,
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
	assert_int_equal(answer_number(&a), 5);
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
	assert_int_equal(answer_number(&a), 4);
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

/* ---- sequence numbers ---- */

/* What this node tells node 1, a mirror, comes back as from node 1: the world counts it as a call
 */
static void test_seqnum(void **state)
{
	struct peer *p = peer_open();
	uint32_t db_id, no_db = 77;
	struct answer a;

	(void)state;
	peer_set_tunable(p, "SeqnumInterval", 20);
	db_id = peer_attach(p, "a.tdb");
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
	const struct CMUnitTest tests[] = {
		ACTIVE(test_attach),
		ACTIVE(test_properties),
		ACTIVE(test_push_record),
		ACTIVE(test_schedule_for_deletion),
		ACTIVE(test_commit),
		ACTIVE(test_detach),
		ACTIVE(test_restore),
		ACTIVE(test_seqnum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	return peer_main(argc, argv, tests_run);
}
