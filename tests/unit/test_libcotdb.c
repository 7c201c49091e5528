/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * libcotdb: connection, requests and events, against a daemon of a few lines in a child process.
 * (Records in files are tested on real daemons, by cotdb-bench.)
 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "lib/codec.h"
#include "lib/cotdb.h"

#define DB_ID 0x12345678U
#define SRVID 0xAE00000000000001ULL

static char path[64];
static pid_t daemon_pid;

static void answer_data(int fd, uint32_t reqid, const void *data, size_t len)
{
	uint8_t buf[128];
	struct writer w = writer_of(buf, sizeof(buf));
	struct packet_header h = { .reqid = reqid };
	struct reply_control r = { .data = slice_of(data, len) };

	reply_control_encode(&w, &h, &r);
	if (write(fd, buf, w.len) != (ssize_t)w.len)
		_exit(1);
}

static void answer(int fd, uint32_t reqid, int32_t status)
{
	uint8_t buf[128];
	struct writer w = writer_of(buf, sizeof(buf));
	struct packet_header h = { .reqid = reqid };
	struct reply_control r = { .status = status };

	if (status < 0)
		r.text = slice_of("refused", 7);
	reply_control_encode(&w, &h, &r);
	if (write(fd, buf, w.len) != (ssize_t)w.len)
		_exit(1);
}

static void send_message(int fd, const char *text)
{
	uint8_t buf[128];
	struct writer w = writer_of(buf, sizeof(buf));
	struct packet_header h = { .srcnode = 3 };
	struct req_message m = { .srvid = SRVID, .data = slice_of(text, strlen(text)) };

	req_message_encode(&w, &h, &m);
	/* in two pieces, as a stream may come */
	if (write(fd, buf, 7) != 7 || write(fd, buf + 7, w.len - 7) != (ssize_t)(w.len - 7))
		_exit(1);
}

/* GET_PNN: 3. REGISTER_SRVID: a message first, then the answer, then another message. GET_DEBUG:
 * no answer, until the next request. SHUTDOWN: the end. STATISTICS: rubbish. DB_ATTACH: DB_ID, but
 * of a.tdb: refused; opened without a file. All else: refused */
static void daemon_control(int fd, uint32_t reqid, const struct req_control *c)
{
	static const uint32_t db_id = DB_ID, in_memory = 2; /* TDB_INTERNAL */
	static uint32_t late;
	static const uint8_t rubbish[64] = { 9 };

	if (late != 0)
		answer(fd, late, 77);
	late = 0;
	switch (c->opcode) {
	case CTDB_CONTROL_GET_PNN:
		answer(fd, reqid, 3);
		break;
	case CTDB_CONTROL_REGISTER_SRVID:
		send_message(fd, "one");
		answer(fd, reqid, 0);
		send_message(fd, "two");
		break;
	case CTDB_CONTROL_GET_DEBUG:
		late = reqid;
		break;
	case CTDB_CONTROL_DB_ATTACH:
		if (slice_equal(c->data, slice_of("a.tdb", 6)))
			answer(fd, reqid, -1);
		else
			answer_data(fd, reqid, &db_id, sizeof(db_id));
		break;
	case CTDB_CONTROL_DB_OPEN_FLAGS:
		answer_data(fd, reqid, &in_memory, sizeof(in_memory));
		break;
	case CTDB_CONTROL_GETDBPATH:
		answer_data(fd, reqid, "/nowhere", 9);
		break;
	case CTDB_CONTROL_SHUTDOWN:
		_exit(0);
	case CTDB_CONTROL_STATISTICS:
		if (write(fd, rubbish, sizeof(rubbish)) < 0)
			_exit(1);
		break;
	default:
		answer(fd, reqid, -1);
	}
}

/* A call's answer: database, callid, flags and key as they came; callid 99: refused */
static void daemon_call(int fd, uint32_t reqid, const struct req_call *m)
{
	static uint8_t data[COTDB_MAX_KEY + 64], buf[sizeof(data) + 256];
	struct writer w = writer_of(buf, sizeof(buf)), d = writer_of(data, sizeof(data));
	struct packet_header h = { .reqid = reqid };
	struct reply_error refusal = { .status = -1, .text = slice_of("refused", 7) };
	struct reply_call r = { .status = 0 };

	writer_u32(&d, m->db_id);
	writer_u32(&d, m->callid);
	writer_u32(&d, m->flags);
	writer_bytes(&d, m->key.p, m->key.len);
	r.data = slice_of(d.p, d.len);
	if (m->callid == 99)
		reply_error_encode(&w, &h, &refusal);
	else
		reply_call_encode(&w, &h, &r);
	if (w.failed || d.failed || write(fd, buf, w.len) != (ssize_t)w.len)
		_exit(1);
}

static void daemon_run(int listener)
{
	static uint8_t buf[COTDB_MAX_KEY + 4096];
	size_t have = 0;
	int fd = accept(listener, NULL, NULL);

	for (;;) {
		struct packet_header h;
		struct req_control m;
		struct req_call call;
		struct cursor c;
		struct slice packet;
		ssize_t n = read(fd, buf + have, sizeof(buf) - have);

		if (n <= 0)
			_exit(0);
		have += (size_t)n;
		while (packet_frame(slice_of(buf, have), sizeof(buf), &packet) == 1) {
			if (packet_header_decode(packet, &h, &c) != 0)
				_exit(1);
			if (h.operation == CTDB_REQ_CALL && req_call_decode(&c, &call) == 0)
				daemon_call(fd, h.reqid, &call);
			else if (h.operation == CTDB_REQ_CONTROL && req_control_decode(&c, &m) == 0)
				daemon_control(fd, h.reqid, &m);
			else
				_exit(1);
			have -= packet.len;
			memmove(buf, buf + packet.len, have);
		}
	}
}

static int daemon_start(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	snprintf(path, sizeof(path), "./libcotdb-%d.socket", (int)getpid());
	memcpy(addr.sun_path, path, strlen(path) + 1);
	unlink(path);
	if (listener < 0 || bind(listener, (const struct sockaddr *)&addr, sizeof(addr)) != 0 ||
	    listen(listener, 1) != 0)
		return -1;
	daemon_pid = fork();
	if (daemon_pid == 0)
		daemon_run(listener);
	close(listener);
	return daemon_pid > 0 ? 0 : -1;
}

static int daemon_end(void **state)
{
	(void)state;
	unlink(path);
	return waitpid(daemon_pid, NULL, 0) == daemon_pid ? 0 : -1;
}

static void messages_are_kept_in_order(void **state)
{
	struct cotdb *h;
	struct cotdb_event e;

	(void)state;
	assert_int_equal(cotdb_connect(&h, path, 5000), 0);
	assert_int_equal(cotdb_pnn(h), 3);
	assert_int_equal(cotdb_event_next(h, &e), 0);
	assert_int_equal(cotdb_register(h, SRVID), 0);
	assert_int_equal(cotdb_event_wait(h, &e, 5000), 1);
	assert_int_equal(e.type, COTDB_EVENT_MESSAGE);
	assert_true(e.srvid == SRVID);
	assert_int_equal(e.len_bytes, 3);
	assert_memory_equal(e.data, "one", 3);
	assert_int_equal(cotdb_event_wait(h, &e, 5000), 1);
	assert_memory_equal(e.data, "two", 3);
	assert_int_equal(cotdb_event_wait(h, &e, 0), 0);
	cotdb_close(h);
}

static void late_answers_are_dropped(void **state)
{
	struct cotdb *h;
	struct cotdb_control c = { .pnn = COTDB_CURRENT_NODE };
	struct cotdb_reply reply;
	struct cotdb_event e;

	(void)state;
	assert_int_equal(cotdb_connect(&h, path, 5000), 0);
	cotdb_set_timeout(h, 20);
	c.opcode = (uint32_t)cotdb_control_number("GET_DEBUG");
	assert_int_equal(cotdb_control(h, &c, &reply), -ETIMEDOUT);
	cotdb_set_timeout(h, 5000);
	c.opcode = (uint32_t)cotdb_control_number("PING");
	assert_int_equal(cotdb_control(h, &c, &reply), 0);
	assert_int_equal(reply.status, -1);
	assert_int_equal(reply.text_len, 7);
	assert_memory_equal(reply.text, "refused", 7);
	assert_int_equal(cotdb_event_wait(h, &e, 0), 0);
	assert_int_equal(cotdb_control_number("NO_SUCH_CONTROL"), -1);
	cotdb_close(h);
}

static void end_of_the_daemon_stays(void **state)
{
	struct cotdb *h;
	struct cotdb_control c = { .pnn = COTDB_CURRENT_NODE, .opcode = CTDB_CONTROL_SHUTDOWN };
	struct cotdb_db *db;
	struct cotdb_event e;

	(void)state;
	assert_int_equal(cotdb_connect(&h, path, 5000), 0);
	assert_int_equal(cotdb_attach(h, "a.tdb", COTDB_DB_VOLATILE, &db), -EREMOTEIO);
	assert_int_equal(cotdb_control(h, &c, NULL), -ECONNRESET);
	assert_int_equal(cotdb_control(h, &c, NULL), -ECONNRESET);
	assert_int_equal(cotdb_event_next(h, &e), -ECONNRESET);
	cotdb_close(h);
}

static void expect_call(const void *data, size_t len, uint32_t callid, uint32_t flags,
			struct cotdb_key key)
{
	struct cursor c = cursor_of(data, len);
	uint32_t db_id = 0, got_callid = 0, got_flags = 0;

	assert_false(cursor_u32(&c, &db_id) || cursor_u32(&c, &got_callid) ||
		     cursor_u32(&c, &got_flags));
	assert_int_equal(db_id, DB_ID);
	assert_int_equal(got_callid, callid);
	assert_int_equal(got_flags, flags);
	assert_int_equal(c.left, key.len_bytes);
	assert_memory_equal(c.p, key.p, key.len_bytes);
}

static void calls_carry_what_they_are_given(void **state)
{
	static const uint8_t bytes[COTDB_MAX_KEY + 1] = { 'k', 'e', 'y' };
	struct cotdb_key key = { bytes, 3 };
	struct cotdb_reply reply;
	struct cotdb_event e;
	struct cotdb_db *db;
	struct cotdb *h;
	uint32_t reqid, migrate;

	(void)state;
	assert_int_equal(cotdb_connect(&h, path, 5000), 0);
	assert_int_equal(cotdb_attach(h, "calls.tdb", COTDB_DB_VOLATILE, &db), 0);
	assert_int_equal(cotdb_db_id(db), DB_ID);
	assert_int_equal(cotdb_call(db, key, 7, COTDB_CALL_WANT_READONLY, &reply), 0);
	assert_int_equal(reply.status, 0);
	expect_call(reply.data, reply.len_bytes, 7, COTDB_CALL_WANT_READONLY, key);
	assert_int_equal(cotdb_call(db, key, COTDB_CALL_NULL, 0, NULL), 0);
	/* refused is an answer, too */
	assert_int_equal(cotdb_call(db, key, 99, 0, &reply), 0);
	assert_int_equal(reply.status, -1);
	assert_memory_equal(reply.text, "refused", 7);
	/* one that is only begun, while others are waited for */
	assert_int_equal(cotdb_call_begin(db, key, COTDB_CALL_FETCH, 5, &reqid), 0);
	assert_int_equal(cotdb_migrate_begin(db, key, &migrate), 0);
	assert_int_equal(cotdb_call(db, key, 8, 0, &reply), 0);
	expect_call(reply.data, reply.len_bytes, 8, 0, key);
	assert_int_equal(cotdb_event_wait(h, &e, 5000), 1);
	assert_int_equal(e.type, COTDB_EVENT_REPLY);
	assert_int_equal(e.reqid, reqid);
	expect_call(e.data, e.len_bytes, COTDB_CALL_FETCH, 5, key);
	assert_int_equal(cotdb_event_wait(h, &e, 5000), 1);
	assert_int_equal(e.reqid, migrate);
	expect_call(e.data, e.len_bytes, COTDB_CALL_NULL, COTDB_CALL_IMMEDIATE_MIGRATION, key);
	/* the limits of a key */
	key.len_bytes = 0;
	assert_int_equal(cotdb_call(db, key, 7, 0, &reply), -EINVAL);
	key.len_bytes = COTDB_MAX_KEY + 1;
	assert_int_equal(cotdb_call(db, key, 7, 0, &reply), -EINVAL);
	assert_int_equal(cotdb_call_begin(db, key, 7, 0, &reqid), -EINVAL);
	key.len_bytes = COTDB_MAX_KEY;
	assert_int_equal(cotdb_call(db, key, 7, 0, &reply), 0);
	expect_call(reply.data, reply.len_bytes, 7, 0, key);
	cotdb_close(h);
}

static void rubbish_is_an_error(void **state)
{
	struct cotdb *h;
	struct cotdb_control c = { .pnn = COTDB_CURRENT_NODE, .opcode = CTDB_CONTROL_STATISTICS };

	(void)state;
	assert_int_equal(cotdb_connect(&h, path, 5000), 0);
	assert_int_equal(cotdb_control(h, &c, NULL), -EBADMSG);
	assert_int_equal(cotdb_register(h, SRVID), -EBADMSG);
	cotdb_close(h);
	cotdb_close(NULL);
}

static void nobody_answers(void **state)
{
	struct cotdb *h;

	(void)state;
	assert_int_equal(cotdb_connect(&h, "./no-such-socket", 5000), -ENOENT);
	assert_null(h);
}

#define WITH_DAEMON(test) cmocka_unit_test_setup_teardown(test, daemon_start, daemon_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_DAEMON(messages_are_kept_in_order),
		WITH_DAEMON(late_answers_are_dropped),
		WITH_DAEMON(calls_carry_what_they_are_given),
		WITH_DAEMON(end_of_the_daemon_stays),
		WITH_DAEMON(rubbish_is_an_error),
		cmocka_unit_test(nobody_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
