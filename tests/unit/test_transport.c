/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_transport.c: two transports in one process, over loopback, each with a fake core that
 * counts what it is given: handshake, framing, holding, replacing, strangers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "daemon/io/transport.h"
#include "daemon/io/transport_link.h"

enum { WAIT_MS = 10000, PACKETS = 3000 };

struct core {
	struct engine *engine;
	uint32_t peer;
	unsigned int ups, downs;
	bool is_up;
	uint64_t peer_received, own_received;
	uint64_t expected_boot_id;
	/* input */
	uint32_t next_in;
	size_t packets, bytes;
	bool is_holding;
	unsigned int holds;
	bool is_refusing;
	/* output: packets are made when they are asked for */
	uint8_t *out;
	size_t out_len, out_sent;
};

struct node {
	struct engine engine;
	struct core core;
	struct core_peer self;
};

struct world {
	qb_loop_t *loop;
	struct node node[2];
	uint64_t deadline_ms;
	bool (*is_done)(struct world *w);
	bool has_timed_out;
};

/* ---- the fake engine and core ---------------------------------------------------------------- */

uint64_t engine_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void engine_after_event(struct engine *e)
{
	if (e->is_flushing)
		return;
	e->is_flushing = true;
	while (e->has_output) {
		e->has_output = false;
		transport_tcp.flush(e);
	}
	e->is_flushing = false;
}

int core_peer_up(struct core *c, uint32_t pnn, uint64_t boot_id, uint64_t peer_received)
{
	assert_int_equal(pnn, c->peer);
	assert_false(c->is_up);
	if (boot_id != c->expected_boot_id)
		return -ESTALE;
	c->is_up = true;
	c->ups++;
	c->peer_received = peer_received;
	transport_tcp.peer_wake(c->engine, pnn);
	return 0;
}

void core_peer_down(struct core *c, uint32_t pnn)
{
	assert_int_equal(pnn, c->peer);
	assert_true(c->is_up);
	c->is_up = false;
	c->downs++;
	c->out_sent = 0;
}

uint64_t core_peer_received(const struct core *c, uint32_t pnn)
{
	assert_int_equal(pnn, c->peer);
	assert_false(c->is_up);
	return c->own_received;
}

/* Packet number i has a length that depends on i, its number behind the length, and i in each byte
 */
static size_t packet_length(uint32_t i)
{
	if (i % 1000 == 999)
		return 1500000;
	return CORE_PACKET_HEADER + (i * 37) % 900;
}

int core_peer_input(struct core *c, uint32_t pnn, struct slice packet)
{
	uint32_t len, number;

	assert_int_equal(pnn, c->peer);
	assert_true(c->is_up);
	if (c->is_refusing)
		return -EBADMSG;
	if (c->is_holding) {
		c->holds++;
		return CORE_HOLD;
	}
	memcpy(&len, packet.p, sizeof(len));
	memcpy(&number, packet.p + 4, sizeof(number));
	assert_int_equal(len, packet.len);
	assert_int_equal(number, c->next_in);
	assert_int_equal(len, packet_length(number));
	assert_int_equal(packet.p[8], (uint8_t)number);
	assert_int_equal(packet.p[len - 1], (uint8_t)number);
	c->next_in++;
	c->packets++;
	c->bytes += len;
	return CORE_TAKEN;
}

size_t core_peer_output(struct core *c, uint32_t pnn, struct slice run[2])
{
	size_t left = c->out_len - c->out_sent, half = left / 2;

	assert_int_equal(pnn, c->peer);
	assert_true(c->is_up);
	if (left == 0)
		return 0;
	run[0] = slice_of(c->out + c->out_sent, left - half);
	run[1] = slice_of(c->out + c->out_sent + left - half, half);
	return half == 0 ? 1 : 2;
}

void core_peer_sent(struct core *c, uint32_t pnn, size_t len_bytes)
{
	assert_int_equal(pnn, c->peer);
	c->out_sent += len_bytes;
	assert_true(c->out_sent <= c->out_len);
}

static void core_fill(struct core *c, uint32_t packets)
{
	size_t len = 0;

	for (uint32_t i = 0; i < packets; i++)
		len += packet_length(i);
	c->out = malloc(len);
	assert_non_null(c->out);
	for (uint32_t i = 0; i < packets; i++) {
		uint32_t l = (uint32_t)packet_length(i);

		memset(c->out + c->out_len, (uint8_t)i, l);
		memcpy(c->out + c->out_len, &l, sizeof(l));
		memcpy(c->out + c->out_len + 4, &i, sizeof(i));
		c->out_len += l;
	}
	transport_tcp.peer_wake(c->engine, c->peer);
	engine_after_event(c->engine);
}

/* ---- helpers --------------------------------------------------------------------------------- */

static void poll_world(void *data)
{
	struct world *w = data;
	qb_loop_timer_handle t;

	w->has_timed_out = engine_now_ms() >= w->deadline_ms;
	if (w->has_timed_out || w->is_done(w))
		qb_loop_stop(w->loop);
	else
		assert_int_equal(
		    qb_loop_timer_add(w->loop, QB_LOOP_LOW, QB_TIME_NS_IN_MSEC, w, poll_world, &t),
		    0);
}

static bool run_for(struct world *w, bool (*is_done)(struct world *w), uint64_t ms)
{
	qb_loop_timer_handle t;

	w->is_done = is_done;
	w->deadline_ms = engine_now_ms() + ms;
	assert_int_equal(qb_loop_timer_add(w->loop, QB_LOOP_LOW, 0, w, poll_world, &t), 0);
	qb_loop_run(w->loop);
	return !w->has_timed_out;
}

static uint16_t free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	close(fd);
	return ntohs(a.sin_port);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->loop = qb_loop_create();
	for (uint32_t i = 0; i < 2; i++) {
		struct node *n = &w->node[i];
		struct core_config config = {
			.self = { .pnn = i, .boot_id = 100 + i },
			.address = "127.0.0.1",
			.port = free_port(),
			.peer_timeout_ms = 2000,
		};

		memset(config.key, 0x40 + (int)i, sizeof(config.key));
		n->core.engine = &n->engine;
		n->core.peer = 1 - i;
		n->core.expected_boot_id = 100 + (1 - i);
		n->core.own_received = 1000 + i;
		n->engine.loop = w->loop;
		n->engine.core = &n->core;
		n->engine.pnn = i;
		n->self.inc = config.self;
		n->self.port = config.port;
		strcpy(n->self.address, config.address);
		memcpy(n->self.key, config.key, sizeof(config.key));
		assert_int_equal(transport_tcp.open(&n->engine, &config), 0);
	}
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 2; i++) {
		transport_tcp.close(&w->node[i].engine);
		free(w->node[i].core.out);
	}
	qb_loop_destroy(w->loop);
	free(w);
	return 0;
}

static void tell(struct world *w, int who, const struct core_peer *about)
{
	transport_tcp.peer_set(&w->node[who].engine, (uint32_t)(1 - who), about);
	engine_after_event(&w->node[who].engine);
}

static void introduce(struct world *w)
{
	tell(w, 0, &w->node[1].self);
	tell(w, 1, &w->node[0].self);
}

/* From 127.0.0.host; the nodes have host 1 */
static int stranger_from(struct world *w, int to, uint32_t host)
{
	struct sockaddr_in from = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl((127U << 24) + host) };
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons(w->node[to].self.port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&from, sizeof(from)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static int stranger(struct world *w, int to)
{
	return stranger_from(w, to, 1);
}

static bool both_up(struct world *w)
{
	return w->node[0].core.is_up && w->node[1].core.is_up;
}

static bool never(struct world *w)
{
	(void)w;
	return false;
}

static bool all_received(struct world *w)
{
	return w->node[0].core.packets == PACKETS && w->node[1].core.packets == PACKETS;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void test_handshake(void **state)
{
	struct world *w = *state;

	introduce(w);
	assert_true(run_for(w, both_up, WAIT_MS));
	assert_int_equal(w->node[0].core.peer_received, 1001);
	assert_int_equal(w->node[1].core.peer_received, 1000);
	assert_int_equal(w->node[0].engine.transport->half_open_n, 0);
	assert_int_equal(w->node[1].engine.transport->half_open_n, 0);
}

static void test_framing(void **state)
{
	struct world *w = *state;
	struct link *l;

	introduce(w);
	core_fill(&w->node[0].core, PACKETS);
	core_fill(&w->node[1].core, PACKETS);
	assert_true(run_for(w, all_received, WAIT_MS));
	assert_int_equal(w->node[0].core.bytes, w->node[1].core.out_len);
	assert_int_equal(w->node[1].core.bytes, w->node[0].core.out_len);
	l = w->node[0].engine.transport->peer[1]->link;
	assert_int_equal(l->start, l->end);
}

/* The connector is first: the acceptor must wait for its core to hear of it */
static void test_late_introduction(void **state)
{
	struct world *w = *state;

	tell(w, 0, &w->node[1].self);
	assert_false(run_for(w, both_up, 100));
	assert_int_equal(w->node[1].engine.transport->half_open_n, 1);
	tell(w, 1, &w->node[0].self);
	assert_true(run_for(w, both_up, WAIT_MS));
}

static void test_wrong_key(void **state)
{
	struct world *w = *state;
	struct core_peer wrong = w->node[0].self;

	wrong.key[31] ^= 1;
	tell(w, 0, &w->node[1].self);
	tell(w, 1, &wrong);
	assert_false(run_for(w, both_up, 200));
	assert_int_equal(w->node[0].core.ups + w->node[1].core.ups, 0);
	/* It goes on trying: the right key lets it in */
	tell(w, 1, &w->node[0].self);
	assert_true(run_for(w, both_up, WAIT_MS));
}

static void test_wrong_incarnation(void **state)
{
	struct world *w = *state;
	struct core_peer old = w->node[1].self;

	old.inc.boot_id = 7;
	tell(w, 0, &old);
	tell(w, 1, &w->node[0].self);
	assert_false(run_for(w, both_up, 200));
	assert_int_equal(w->node[0].core.ups, 0);
}

static bool second_holds(struct world *w)
{
	return w->node[1].core.holds > 0;
}

static bool second_received_all(struct world *w)
{
	return w->node[1].core.packets == PACKETS;
}

static void test_hold(void **state)
{
	struct world *w = *state;

	w->node[1].core.is_holding = true;
	introduce(w);
	core_fill(&w->node[0].core, PACKETS);
	assert_true(run_for(w, second_holds, WAIT_MS));
	assert_false(run_for(w, never, 50));
	assert_int_equal(w->node[1].core.holds, 1);
	assert_int_equal(w->node[1].core.packets, 0);
	w->node[1].core.is_holding = false;
	transport_tcp.peer_resume(&w->node[1].engine, 0);
	engine_after_event(&w->node[1].engine);
	assert_true(run_for(w, second_received_all, WAIT_MS));
}

static bool twice_up(struct world *w)
{
	return both_up(w) && w->node[0].core.ups == 2 && w->node[1].core.ups == 2;
}

/* A link that breaks on one side is made again; the newer connection wins on the other */
static void test_reconnect(void **state)
{
	struct world *w = *state;
	struct peer *p;

	introduce(w);
	assert_true(run_for(w, both_up, WAIT_MS));
	p = w->node[0].engine.transport->peer[1];
	shutdown(p->link->fd, SHUT_RDWR);
	assert_true(run_for(w, twice_up, WAIT_MS));
	assert_int_equal(w->node[0].core.downs, 1);
	assert_int_equal(w->node[1].core.downs, 1);
}

static void test_replaced(void **state)
{
	struct world *w = *state;
	struct transport *t;
	struct link *old;

	introduce(w);
	assert_true(run_for(w, both_up, WAIT_MS));
	/* The connector forgets its link without the acceptor hearing of it */
	t = w->node[0].engine.transport;
	old = t->peer[1]->link;
	qb_loop_poll_del(w->loop, old->fd);
	t->peer[1]->link = NULL;
	core_peer_down(&w->node[0].core, 1);
	tell(w, 0, NULL);
	tell(w, 0, &w->node[1].self);
	assert_true(run_for(w, twice_up, WAIT_MS));
	assert_int_equal(w->node[1].core.downs, 1);
	close(old->fd);
	free(old->buf);
	free(old);
}

static void test_malformed_packet(void **state)
{
	struct world *w = *state;

	w->node[1].core.is_refusing = true;
	introduce(w);
	core_fill(&w->node[0].core, 1);
	assert_false(run_for(w, never, 100));
	assert_true(w->node[1].core.downs > 0);
}

/* What a stranger sends closes its connection, and nobody else's */
static void test_stranger(void **state)
{
	static const uint8_t too_long[8] = { 0xff, 0xff, 0xff, 0xff };
	static const uint8_t too_short[8] = { 3 };
	uint8_t hello[HANDSHAKE_HELLO_LEN] = { HANDSHAKE_HELLO_LEN };
	const struct slice text[] = {
		{ too_long, sizeof(too_long) },
		{ too_short, sizeof(too_short) },
		{ hello, sizeof(hello) },
		{ (const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18 },
	};
	struct world *w = *state;
	char c;

	introduce(w);
	assert_true(run_for(w, both_up, WAIT_MS));
	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++) {
		int fd = stranger(w, 1);

		assert_int_equal(send(fd, text[i].p, text[i].len, 0), text[i].len);
		assert_false(run_for(w, never, 30));
		assert_true(recv(fd, &c, 1, MSG_DONTWAIT) <= 0 && errno != EAGAIN);
		close(fd);
	}
	assert_true(both_up(w));
	assert_int_equal(w->node[1].core.downs, 0);
	assert_int_equal(w->node[1].engine.transport->half_open_n, 0);
}

/* Who says nothing is cut off, and cannot use up more than a bounded number of connections */
static void test_silent_strangers(void **state)
{
	struct world *w = *state;
	int fd[160];

	for (size_t i = 0; i < 160; i++) {
		fd[i] = stranger(w, 1);
		if (i % 32 == 31)
			assert_false(run_for(w, never, 20));
	}
	assert_false(run_for(w, never, 50));
	assert_true(w->node[1].engine.transport->half_open_n <= 128);
	introduce(w);
	assert_true(run_for(w, both_up, WAIT_MS));
	assert_false(run_for(w, never, 2200));
	assert_int_equal(w->node[1].engine.transport->half_open_n, 0);
	assert_true(both_up(w));
	for (size_t i = 0; i < 160; i++)
		close(fd[i]);
}

static bool is_open(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* A flood from elsewhere does not push out what comes from a peer's address, be the peer known
 * before or after; but so many from there are bounded, too */
static void test_flood(void **state)
{
	struct world *w = *state;
	int early, late, fd[160];

	early = stranger(w, 1);
	assert_false(run_for(w, never, 20));
	tell(w, 1, &w->node[0].self);
	late = stranger(w, 1);
	for (uint32_t host = 2; host >= 1; host--) {
		for (size_t i = 0; i < 160; i++) {
			fd[i] = stranger_from(w, 1, host);
			if (i % 32 == 31)
				assert_false(run_for(w, never, 20));
		}
		assert_false(run_for(w, never, 50));
		assert_true(w->node[1].engine.transport->half_open_n <= 128);
		assert_int_equal(is_open(early), host == 2);
		assert_int_equal(is_open(late), host == 2);
		assert_int_equal(is_open(fd[0]), false);
		assert_int_equal(is_open(fd[159]), true);
		for (size_t i = 0; i < 160; i++)
			close(fd[i]);
		assert_false(run_for(w, never, 50));
	}
	close(early);
	close(late);
	introduce(w);
	assert_true(run_for(w, both_up, WAIT_MS));
}

static void test_mac(void **state)
{
	struct handshake_hello a = { .version = 1, .pnn = 0, .to_pnn = 1, .boot_id = 5 };
	struct handshake_hello b = { .version = 1, .pnn = 1, .to_pnn = 0, .boot_id = 6 };
	uint8_t ka[CORE_KEY_SIZE] = { 1 }, kb[CORE_KEY_SIZE] = { 2 };
	uint8_t one[HANDSHAKE_MAC], other[HANDSHAKE_MAC];

	(void)state;
	assert_int_equal(handshake_mac(ka, kb, HANDSHAKE_CONNECTOR, &a, &b, one), 0);
	assert_int_equal(handshake_mac(ka, kb, HANDSHAKE_CONNECTOR, &a, &b, other), 0);
	assert_true(handshake_mac_equal(one, slice_of(other, sizeof(other))));
	assert_int_equal(handshake_mac(ka, kb, HANDSHAKE_ACCEPTOR, &a, &b, other), 0);
	assert_false(handshake_mac_equal(one, slice_of(other, sizeof(other))));
	assert_int_equal(handshake_mac(kb, ka, HANDSHAKE_CONNECTOR, &a, &b, other), 0);
	assert_false(handshake_mac_equal(one, slice_of(other, sizeof(other))));
	b.nonce[31] = 1;
	assert_int_equal(handshake_mac(ka, kb, HANDSHAKE_CONNECTOR, &a, &b, other), 0);
	assert_false(handshake_mac_equal(one, slice_of(other, sizeof(other))));
	assert_false(handshake_mac_equal(one, slice_of(one, sizeof(one) - 1)));
}

#define WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mac), WORLD(test_handshake),
		WORLD(test_framing),	    WORLD(test_late_introduction),
		WORLD(test_wrong_key),	    WORLD(test_wrong_incarnation),
		WORLD(test_hold),	    WORLD(test_reconnect),
		WORLD(test_replaced),	    WORLD(test_malformed_packet),
		WORLD(test_stranger),	    WORLD(test_silent_strangers),
		WORLD(test_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
