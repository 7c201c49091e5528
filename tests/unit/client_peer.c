/* SPDX-License-Identifier: GPL-3.0-or-later */
/* client_peer.c: see client_peer.h */
#include "client_peer.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include "daemon/io/control.h"
#include "lib/jenkins.h"
#include "lib/payload.h"

char peer_path[64];
static pid_t world;
static char peer_dir[] = "/tmp/test_client.XXXXXX";

/* ---- a client ---- */

struct peer *peer_open(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct peer *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", peer_path);
	p->fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(connect(p->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return p;
}

void peer_close(struct peer *p)
{
	close(p->fd);
	free(p);
}

void peer_send(struct peer *p, const void *data, size_t len)
{
	assert_int_equal(send(p->fd, data, len, MSG_NOSIGNAL), len);
}

/* 1: a packet; 0: the connection has ended; -1: nothing came */
int peer_receive_for(struct peer *p, struct answer *a, int timeout_ms)
{
	for (;;) {
		struct slice packet;
		struct cursor c;
		if (packet_frame(slice_of(p->buf, p->len), sizeof(p->buf), &packet) == 1) {
			static uint8_t copy[sizeof(p->buf)];
			memcpy(copy, packet.p, packet.len);
			memmove(p->buf, p->buf + packet.len, p->len - packet.len);
			p->len -= packet.len;
			packet.p = copy;
			assert_int_equal(packet.len % 8, 0);
			assert_true(packet.len >= 48);
			assert_int_equal(packet_header_decode(packet, &a->h, &c), 0);
			switch (a->h.operation) {
			case CTDB_REPLY_CONTROL:
				assert_int_equal(reply_control_decode(&c, &a->control), 0);
				return 1;
			case CTDB_REPLY_CALL:
				assert_int_equal(reply_call_decode(&c, &a->call), 0);
				return 1;
			case CTDB_REPLY_ERROR:
				assert_int_equal(reply_error_decode(&c, &a->error), 0);
				return 1;
			case CTDB_REQ_MESSAGE:
				assert_int_equal(req_message_decode(&c, &a->message), 0);
				return 1;
			}
			fail_msg("a packet that is not for clients: %u", a->h.operation);
		}
		struct pollfd fd = { .fd = p->fd, .events = POLLIN };
		if (poll(&fd, 1, timeout_ms) == 0)
			return -1;
		ssize_t n = read(p->fd, p->buf + p->len, sizeof(p->buf) - p->len);
		if (n <= 0)
			return 0;
		p->len += (size_t)n;
	}
}

void peer_receive(struct peer *p, struct answer *a)
{
	assert_int_equal(peer_receive_for(p, a, PATIENCE_MS), 1);
}

/* Waits for the end of the connection, whatever comes before */
void peer_expect_end(struct peer *p)
{
	struct answer a;
	int rc;

	while ((rc = peer_receive_for(p, &a, PATIENCE_MS)) == 1)
		;
	assert_int_equal(rc, 0);
}

size_t control_packet(uint8_t *to, size_t size, uint32_t dest, uint32_t reqid,
		      const struct req_control *m)
{
	struct packet_header h = { .destnode = dest, .reqid = reqid };
	struct writer w = writer_of(to, size);

	req_control_encode(&w, &h, m);
	assert_false(w.failed);
	return w.len;
}

uint32_t peer_ask(struct peer *p, uint32_t dest, uint32_t opcode, uint64_t srvid, uint32_t flags,
		  const void *data, size_t len)
{
	static uint8_t packet[1 << 16];
	struct req_control m = {
		.opcode = opcode, .srvid = srvid, .flags = flags, .data = slice_of(data, len)
	};

	peer_send(p, packet, control_packet(packet, sizeof(packet), dest, ++p->reqid, &m));
	return p->reqid;
}

/* Asks a control and waits for its answer; messages that come between are dropped */
int32_t peer_control(struct peer *p, uint32_t dest, uint32_t opcode, const void *data, size_t len,
		     struct answer *a)
{
	uint32_t reqid = peer_ask(p, dest, opcode, 0, 0, data, len);

	do
		peer_receive(p, a);
	while (a->h.operation == CTDB_REQ_MESSAGE);
	assert_int_equal(a->h.operation, CTDB_REPLY_CONTROL);
	assert_int_equal(a->h.reqid, reqid);
	if (a->control.status == 0)
		assert_int_equal(a->control.text.len, 0);
	else
		assert_int_equal(a->control.data.len, 0);
	return a->control.status;
}

uint32_t peer_attach(struct peer *p, const char *name)
{
	struct answer a;
	uint32_t db_id;

	assert_int_equal(
	    peer_control(p, CTDB_CURRENT_NODE, CTDB_CONTROL_DB_ATTACH, name, strlen(name) + 1, &a),
	    0);
	assert_int_equal(a.control.data.len, 4);
	memcpy(&db_id, a.control.data.p, 4);
	assert_int_equal(db_id, jenkins_db_id(name));
	return db_id;
}

void peer_set_tunable(struct peer *p, const char *name, uint32_t value)
{
	struct ctdb_tunable t = { .value = value };
	struct answer a;
	uint8_t data[64];
	struct writer w = writer_of(data, sizeof(data));

	snprintf(t.name, sizeof(t.name), "%s", name);
	ctdb_tunable_encode(&w, &t);
	assert_int_equal(peer_control(p, 0, CTDB_CONTROL_SET_TUNABLE, data, w.len, &a), 0);
}

void expect_refused(struct peer *p, uint32_t dest, uint32_t opcode, const void *data, size_t len,
		    const char *words)
{
	struct answer a;
	char text[CONTROL_TEXT_SIZE + 1] = "";

	assert_int_equal(peer_control(p, dest, opcode, data, len, &a), -1);
	memcpy(text, a.control.text.p, a.control.text.len);
	if (strstr(text, words) == NULL)
		fail_msg("'%s' does not say '%s'", text, words);
}

uint32_t answer_number(const struct answer *a)
{
	struct cursor c = cursor_of(a->control.data.p, a->control.data.len);
	uint32_t n;

	assert_int_equal(cursor_u32(&c, &n), 0);
	return n;
}

void peer_message(struct peer *p, uint32_t dest, uint64_t srvid, const void *data, size_t len)
{
	uint8_t packet[512];
	struct packet_header h = { .destnode = dest, .generation = 1 };
	struct req_message m = { .srvid = srvid, .data = slice_of(data, len) };
	struct writer w = writer_of(packet, sizeof(packet));

	req_message_encode(&w, &h, &m);
	assert_false(w.failed);
	peer_send(p, packet, w.len);
}

void peer_call(struct peer *p, uint32_t reqid, uint32_t db_id, uint32_t callid, const char *key)
{
	uint8_t packet[512];
	struct packet_header h = { .reqid = reqid };
	struct req_call m = { .db_id = db_id, .callid = callid, .key = slice_of(key, strlen(key)) };
	struct writer w = writer_of(packet, sizeof(packet));

	req_call_encode(&w, &h, &m);
	assert_false(w.failed);
	peer_send(p, packet, w.len);
}

void peer_command(struct peer *p, enum world_command command)
{
	uint32_t n = command;

	peer_message(p, CTDB_CURRENT_NODE, WORLD_COMMAND, &n, sizeof(n));
}

/* The daemon is there and serves others */
void expect_well(void)
{
	struct peer *p = peer_open();
	struct answer a;

	assert_int_equal(peer_control(p, CTDB_CURRENT_NODE, CTDB_CONTROL_GET_PNN, NULL, 0, &a), 0);
	peer_close(p);
}

/* ---- the world ---- */

static void world_start(bool is_active)
{
	int ready[2];
	char c;

	assert_int_equal(pipe(ready), 0);
	fflush(NULL);
	world = fork();
	assert_true(world >= 0);
	if (world == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int i = 1; i < SIGRTMIN; i++) /* cmocka would go on with the tests */
			signal(i, SIG_DFL);
		close(ready[0]);
		exit(world_serve(peer_path, is_active, ready[1])); /* its sanitizers may object */
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 0);
	close(ready[0]);
	expect_well();
}

static void world_end(void)
{
	int status;

	kill(world, SIGTERM);
	assert_int_equal(waitpid(world, &status, 0), world);
	world = 0;
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int peer_setup_active(void **state)
{
	(void)state;
	world_start(true);
	return 0;
}

int peer_setup_waiting(void **state)
{
	(void)state;
	world_start(false);
	return 0;
}

int peer_teardown(void **state)
{
	(void)state;
	world_end();
	return 0;
}

int peer_main(int argc, char **argv, int (*tests)(void))
{
	if (argc == 3 && strcmp(argv[1], "--serve") == 0)
		return world_serve(argv[2], true, -1);
	if (mkdtemp(peer_dir) == NULL)
		return 1;
	snprintf(peer_path, sizeof(peer_path), "%s/ctdb/socket", peer_dir);
	int rc = tests();
	unlink(peer_path);
	char *last = strrchr(peer_path, '/');
	*last = '\0';
	rmdir(peer_path);
	rmdir(peer_dir);
	return rc;
}
