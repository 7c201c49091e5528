/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_client_messages.c: whom messages reach: those who have registered for them, and the daemon;
 * and what is told of registered processes.
 */
#include "client_peer.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "lib/payload.h"

static void test_registrations(void **state)
{
	struct peer *p = peer_open(), *q = peer_open();
	struct ctdb_pid_srvid who = { .pid = getpid(), .srvid = 77 };
	uint8_t data[16];
	struct writer w = writer_of(data, sizeof(data));
	struct answer a;

	(void)state;
	ctdb_pid_srvid_encode(&w, &who);
	assert_int_equal(peer_control(q, 0, CTDB_CONTROL_CHECK_PID_SRVID, data, w.len, &a), -1);
	peer_ask(p, 0, CTDB_CONTROL_REGISTER_SRVID, 77, 0, NULL, 0);
	peer_receive(p, &a);
	assert_int_equal(a.control.status, 0);
	assert_int_equal(peer_control(q, 0, CTDB_CONTROL_CHECK_PID_SRVID, data, w.len, &a), 0);
	assert_int_equal(peer_control(q, 1, CTDB_CONTROL_CHECK_PID_SRVID, data, w.len, &a), 0);
	int32_t pid = getpid();
	assert_int_equal(peer_control(q, 0, CTDB_CONTROL_PROCESS_EXISTS, &pid, 4, &a), 0);
	pid = 1;
	assert_int_equal(peer_control(q, 0, CTDB_CONTROL_PROCESS_EXISTS, &pid, 4, &a), -1);
	peer_message(q, CTDB_BROADCAST_CONNECTED, 77, "hello", 5);
	peer_receive(p, &a);
	assert_int_equal(a.h.operation, CTDB_REQ_MESSAGE);
	assert_int_equal(a.message.srvid, 77);
	assert_int_equal(a.message.data.len, 5);
	peer_ask(p, 0, CTDB_CONTROL_DEREGISTER_SRVID, 77, 0, NULL, 0);
	peer_receive(p, &a);
	assert_int_equal(a.control.status, 0);
	peer_ask(p, 0, CTDB_CONTROL_DEREGISTER_SRVID, 77, 0, NULL, 0);
	peer_receive(p, &a);
	assert_int_equal(a.control.status, ENOENT);
	peer_close(p);
	peer_close(q);
}

/* The notification goes out when its owner's connection ends, unless it was taken back */
static void test_notify(void **state)
{
	struct peer *p = peer_open(), *q = peer_open();
	uint8_t data[64];
	struct answer a;

	(void)state;
	peer_ask(q, 0, CTDB_CONTROL_REGISTER_SRVID, 500, 0, NULL, 0);
	peer_receive(q, &a);
	for (uint64_t srvid = 500; srvid <= 501; srvid++) {
		struct ctdb_notify_data n = { .srvid = srvid, .data = slice_of("gone", 4) };
		struct writer w = writer_of(data, sizeof(data));
		ctdb_notify_data_encode(&w, &n);
		assert_int_equal(peer_control(p, 0, CTDB_CONTROL_REGISTER_NOTIFY, data, w.len, &a),
				 0);
		assert_int_equal(peer_control(p, 0, CTDB_CONTROL_REGISTER_NOTIFY, data, w.len, &a),
				 -1);
	}
	uint64_t taken_back = 501;
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_DEREGISTER_NOTIFY, &taken_back, 8, &a), 0);
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_DEREGISTER_NOTIFY, &taken_back, 8, &a),
			 -1);
	peer_close(p);
	peer_receive(q, &a);
	assert_int_equal(a.message.srvid, 500);
	assert_int_equal(a.message.data.len, 4);
	peer_close(q);
}

static int32_t notify_register(struct peer *p, uint64_t srvid, size_t len)
{
	static const uint8_t zero[40000];
	uint8_t data[sizeof(zero) + 64];
	struct ctdb_notify_data n = { .srvid = srvid, .data = slice_of(zero, len) };
	struct writer w = writer_of(data, sizeof(data));
	struct answer a;

	ctdb_notify_data_encode(&w, &n);
	assert_false(w.failed);
	return peer_control(p, 0, CTDB_CONTROL_REGISTER_NOTIFY, data, w.len, &a);
}

/* They go out when nobody is there any more to be slowed down */
static void test_notify_bounds(void **state)
{
	struct peer *p = peer_open(), *q = peer_open();
	struct answer a;
	uint64_t srvid = 1;

	(void)state;
	while (srvid <= 1000 && notify_register(p, srvid, 100) == 0)
		srvid++;
	assert_int_equal(srvid, 65);
	srvid = 3;
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_DEREGISTER_NOTIFY, &srvid, 8, &a), 0);
	assert_int_equal(notify_register(p, 1000, 100), 0);
	assert_int_equal(notify_register(q, 1, 40000), 0);
	assert_int_equal(notify_register(q, 2, 40000), -1);
	assert_int_equal(notify_register(q, 3, 4), 0);
	peer_close(p);
	peer_close(q);
	expect_well();
}

/* A new one hears of the leader at once, everybody each second */
static void test_leader(void **state)
{
	struct peer *p = peer_open();
	struct answer a;
	uint32_t leader;

	(void)state;
	peer_ask(p, 0, CTDB_CONTROL_REGISTER_SRVID, CTDB_SRVID_LEADER, 0, NULL, 0);
	peer_receive(p, &a);
	assert_int_equal(a.h.operation, CTDB_REPLY_CONTROL);
	for (int i = 0; i < 2; i++) {
		peer_receive(p, &a);
		assert_int_equal(a.h.operation, CTDB_REQ_MESSAGE);
		assert_int_equal(a.message.srvid, CTDB_SRVID_LEADER);
		assert_int_equal(a.message.data.len, 4);
		memcpy(&leader, a.message.data.p, 4);
		assert_int_equal(leader, 0);
	}
	peer_close(p);
}

/* ---- from and to the daemon ---- */

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

/* ---- processes ---- */

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
	assert_int_equal(peer_control(p, dest, CTDB_CONTROL_CHECK_PID_SRVID, data, w.len, &a) == 0,
			 is_told);
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

static int tests_run(void)
{
	const struct CMUnitTest tests[] = {
		ACTIVE(test_registrations),
		ACTIVE(test_notify),
		ACTIVE(test_notify_bounds),
		ACTIVE(test_leader),
		ACTIVE(test_generation),
		ACTIVE(test_service),
		ACTIVE(test_orphan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	return peer_main(argc, argv, tests_run);
}
