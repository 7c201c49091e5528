/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * transport_link.c: one TCP connection (transport_link.h).
 *
 * Until both sides have proved themselves a link has 256 bytes of its own and a deadline, so a
 * stranger can make us keep little, and not for long. Afterwards it reads up to 256 KiB at once
 * and hands every whole packet to the core where it lies; what is left is moved to the front only
 * when the room behind it gets short. A packet that is larger than the buffer makes it grow as its
 * bytes arrive, never by its length alone; once empty, the buffer shrinks again.
 *
 * Output goes straight from the core's queue to the socket; the loop is asked to watch for room
 * only after the socket took less than offered.
 */
#include "transport_link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sodium/randombytes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#include "daemon/log.h"

static const char *const link_state_name[] = {
	[LINK_CONNECTING] = "connecting", [LINK_HELLO] = "hello",
	[LINK_STRANGER] = "stranger",	  [LINK_PROOF] = "proof",
	[LINK_RECEIVED] = "received",	  [LINK_UP] = "up",
	[LINK_CLOSED] = "closed",
};

static int32_t link_ready(int32_t fd, int32_t revents, void *data);

static void link_poll(struct link *l, int32_t events)
{
	if (l->events == events)
		return;
	l->events = events;
	qb_loop_poll_mod(l->transport->engine->loop, QB_LOOP_HIGH, l->fd, events, l, link_ready);
}

static void link_leave_half_open(struct link *l)
{
	struct transport *t = l->transport;

	for (struct link **p = &t->half_open; *p != NULL; p = &(*p)->next) {
		if (*p != l)
			continue;
		*p = l->next;
		t->half_open_n--;
		break;
	}
	l->next = NULL;
	if (l->is_timer_armed)
		qb_loop_timer_del(t->engine->loop, l->timer);
	l->is_timer_armed = false;
}

/* Whoever can reach the port can make a connection fail: one line a second for those that proved
 * nothing */
static void link_tell(struct link *l, const char *why)
{
	struct transport *t = l->transport;
	uint64_t now = engine_now_ms();

	if (l->role == HANDSHAKE_ACCEPTOR && l->state != LINK_UP) {
		if (now < t->stranger_told_ms + 1000) {
			t->strangers_untold++;
			return;
		}
		t->stranger_told_ms = now;
	}
	log_notice("connection is closed: %s | from=%s pnn=%d state=%s untold=%" PRIu64, why,
		   l->from, (int)l->pnn, link_state_name[l->state], t->strangers_untold);
	t->strangers_untold = 0;
}

void link_close(struct link *l, const char *why)
{
	struct transport *t = l->transport;

	if (l->state == LINK_CLOSED)
		return;
	if (why != NULL)
		link_tell(l, why);
	if (l->state != LINK_UP)
		link_leave_half_open(l);
	qb_loop_poll_del(t->engine->loop, l->fd);
	close(l->fd);
	l->fd = -1;
	l->state = LINK_CLOSED;
	l->next = t->closed;
	t->closed = l;
}

/* Closed from here: its peer has to know */
static void link_fail(struct link *l, const char *why)
{
	enum link_state was = l->state;

	link_close(l, why);
	transport_link_closed(l, was);
}

static void link_timed_out(void *data)
{
	struct link *l = data;
	struct engine *e = l->transport->engine;

	l->is_timer_armed = false;
	if (e->is_stopping)
		return;
	link_fail(l, "the handshake takes too long");
	engine_after_event(e);
}

/* ---- handshake ---------------------------------------------------------------------------------
 */

/* A few bytes on a new connection: there is room for them, or something is wrong with it */
static bool link_send_small(struct link *l, const struct writer *w)
{
	ssize_t n = w->failed ? -1 : send(l->fd, w->p, w->len, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n >= 0 && (size_t)n == w->len)
		return true;
	link_fail(l, "the handshake cannot be sent");
	return false;
}

static int link_mac(const struct link *l, const struct peer *p, enum handshake_role prover,
		    uint8_t mac[HANDSHAKE_MAC])
{
	const uint8_t *own = l->transport->key;

	return l->role == HANDSHAKE_CONNECTOR
		   ? handshake_mac(own, p->known.key, prover, &l->own, &l->theirs, mac)
		   : handshake_mac(p->known.key, own, prover, &l->theirs, &l->own, mac);
}

static void link_prepare_hello(struct link *l)
{
	l->own = (struct handshake_hello){
		.version = HANDSHAKE_VERSION,
		.pnn = l->transport->self.pnn,
		.to_pnn = l->pnn,
		.boot_id = l->transport->self.boot_id,
	};
	randombytes_buf(l->own.nonce, HANDSHAKE_NONCE);
}

static void link_connected(struct link *l)
{
	uint8_t buf[LINK_SMALL];
	struct writer w = writer_of(buf, sizeof(buf));
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error != 0) {
		log_debug("cannot connect | pnn=%u error=%s", l->pnn, strerror(error));
		link_fail(l, NULL);
		return;
	}
	link_prepare_hello(l);
	l->state = LINK_HELLO;
	link_poll(l, POLLIN);
	handshake_hello_encode(&w, &l->own);
	link_send_small(l, &w);
}

/* The acceptor's answer to a HELLO, once it knows whose it is */
static void link_answer(struct link *l, const struct peer *p)
{
	uint8_t buf[LINK_SMALL], mac[HANDSHAKE_MAC];
	struct writer w = writer_of(buf, sizeof(buf));

	link_prepare_hello(l);
	if (link_mac(l, p, HANDSHAKE_ACCEPTOR, mac) != 0) {
		link_fail(l, "cryptography failed");
		return;
	}
	handshake_hello_encode(&w, &l->own);
	handshake_proof_encode(&w, mac);
	l->state = LINK_PROOF;
	link_send_small(l, &w);
}

static bool link_is_known(const struct link *l, const struct peer *p)
{
	return p != NULL && p->known.inc.boot_id == l->theirs.boot_id;
}

void link_peer_known(struct link *l)
{
	const struct peer *p = transport_peer(l->transport, l->pnn);

	if (l->state != LINK_STRANGER || !link_is_known(l, p))
		return;
	link_poll(l, POLLIN);
	link_answer(l, p);
}

static void link_got_hello(struct link *l, struct slice frame)
{
	struct transport *t = l->transport;
	const struct peer *p;

	if (handshake_hello_decode(frame, &l->theirs) != 0 ||
	    l->theirs.version != HANDSHAKE_VERSION || l->theirs.to_pnn != t->self.pnn) {
		link_fail(l, "malformed HELLO");
		return;
	}
	if (l->role == HANDSHAKE_CONNECTOR) {
		p = transport_peer(t, l->pnn);
		if (l->theirs.pnn != l->pnn || !link_is_known(l, p))
			link_fail(l, "another incarnation answers");
		else
			l->state = LINK_PROOF;
		return;
	}
	/* The lower pnn connects */
	if (l->theirs.pnn >= t->self.pnn) {
		link_fail(l, "malformed HELLO");
		return;
	}
	l->pnn = l->theirs.pnn;
	p = transport_peer(t, l->pnn);
	if (link_is_known(l, p)) {
		link_answer(l, p);
		return;
	}
	/* The group will tell soon; until then only its end is of interest */
	l->state = LINK_STRANGER;
	link_poll(l, 0);
}

static void link_got_proof(struct link *l, struct slice frame)
{
	struct transport *t = l->transport;
	const struct peer *p = transport_peer(t, l->pnn);
	enum handshake_role other =
	    l->role == HANDSHAKE_CONNECTOR ? HANDSHAKE_ACCEPTOR : HANDSHAKE_CONNECTOR;
	uint8_t buf[LINK_SMALL], mac[HANDSHAKE_MAC];
	struct writer w = writer_of(buf, sizeof(buf));
	struct slice theirs;

	if (handshake_proof_decode(frame, &theirs) != 0 || !link_is_known(l, p) ||
	    link_mac(l, p, other, mac) != 0 || !handshake_mac_equal(mac, theirs)) {
		link_fail(l, "it cannot prove that it is a member");
		return;
	}
	/* Nothing may come in by an older link once RECEIVED has been told */
	transport_link_proved(l);
	p = transport_peer(t, l->pnn);
	if (l->state == LINK_CLOSED)
		return;
	if (!link_is_known(l, p)) {
		link_fail(l, "the core knows another incarnation");
		return;
	}
	if (l->role == HANDSHAKE_CONNECTOR) {
		if (link_mac(l, p, HANDSHAKE_CONNECTOR, mac) != 0) {
			link_fail(l, "cryptography failed");
			return;
		}
		handshake_proof_encode(&w, mac);
	}
	handshake_received_encode(&w, core_peer_received(t->engine->core, l->pnn));
	l->state = LINK_RECEIVED;
	link_send_small(l, &w);
}

static void link_got_received(struct link *l, struct slice frame)
{
	uint64_t received;
	uint8_t *buf;
	size_t rest;

	if (handshake_received_decode(frame, &received) != 0) {
		link_fail(l, "malformed RECEIVED");
		return;
	}
	buf = malloc(LINK_BUFFER);
	if (buf == NULL) {
		link_fail(l, "no memory");
		return;
	}
	/* Packets may have come right behind */
	l->start += frame.len;
	rest = l->end - l->start;
	memcpy(buf, l->buf + l->start, rest);
	l->buf = buf;
	l->size = LINK_BUFFER;
	l->start = 0;
	l->end = rest;
	link_leave_half_open(l);
	l->state = LINK_UP;
	if (transport_link_up(l, received) != 0)
		link_fail(l, "the core knows another incarnation");
}

/* One frame of the handshake; the caller skips it unless the link went up */
static void link_handshake(struct link *l, struct slice frame)
{
	switch (l->state) {
	case LINK_HELLO:
		link_got_hello(l, frame);
		return;
	case LINK_PROOF:
		link_got_proof(l, frame);
		return;
	case LINK_RECEIVED:
		link_got_received(l, frame);
		return;
	default:
		link_fail(l, "a frame that was not asked for");
		return;
	}
}

/* ---- input -------------------------------------------------------------------------------------
 */

static uint32_t link_length(const struct link *l)
{
	struct cursor c = cursor_of(l->buf + l->start, l->end - l->start);
	uint32_t len = 0;

	return cursor_u32(&c, &len) ? 0 : len;
}

static bool link_length_is_valid(const struct link *l, uint32_t len)
{
	return l->state == LINK_UP ? len >= CORE_PACKET_HEADER && len <= CORE_MAX_PACKET
				   : len >= HANDSHAKE_RECEIVED_LEN && len <= HANDSHAKE_HELLO_LEN;
}

/* Hands over every whole frame and packet in the buffer */
static void link_consume(struct link *l)
{
	while (l->state != LINK_CLOSED && !l->is_held && l->end - l->start >= sizeof(uint32_t)) {
		uint32_t len = link_length(l);
		bool was_up = l->state == LINK_UP;
		struct slice packet;
		int rc;

		if (!link_length_is_valid(l, len)) {
			link_fail(l, "a malformed length");
			return;
		}
		if (l->end - l->start < len)
			return;
		packet = slice_of(l->buf + l->start, len);
		if (!was_up) {
			link_handshake(l, packet);
			if (l->state != LINK_UP)
				l->start += len;
			if (l->state == LINK_STRANGER)
				return;
			continue;
		}
		rc = core_peer_input(l->transport->engine->core, l->pnn, packet);
		if (l->state == LINK_CLOSED)
			return;
		if (rc == CORE_HOLD) {
			l->is_held = true;
			link_poll(l, l->events & POLLOUT);
			return;
		}
		if (rc != CORE_TAKEN) {
			link_fail(l, "a malformed packet");
			return;
		}
		l->start += len;
	}
}

/* Room for the next read: at the front, or by growing for a packet that is larger */
static bool link_make_room(struct link *l)
{
	size_t have = l->end - l->start;
	size_t room = l->state == LINK_UP ? LINK_BUFFER / 4 : 1;

	if (have == 0) {
		l->start = l->end = 0;
		if (l->size > LINK_BUFFER) {
			uint8_t *buf = malloc(LINK_BUFFER);

			if (buf != NULL) {
				free(l->buf);
				l->buf = buf;
				l->size = LINK_BUFFER;
			}
		}
	}
	if (l->size - l->end >= room)
		return true;
	if (l->start > 0) {
		memmove(l->buf, l->buf + l->start, have);
		l->start = 0;
		l->end = have;
	}
	if (l->state == LINK_UP && l->size - l->end < room) {
		uint8_t *buf = realloc(l->buf, l->size * 2);

		if (buf == NULL)
			return l->size > l->end;
		l->buf = buf;
		l->size *= 2;
	}
	return l->size > l->end;
}

static void link_input(struct link *l)
{
	ssize_t n;

	if (!link_make_room(l)) {
		link_fail(l, "no room");
		return;
	}
	n = read(l->fd, l->buf + l->end, l->size - l->end);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		link_fail(l, n == 0 ? "the other side closed it" : strerror(errno));
		return;
	}
	l->end += (size_t)n;
	link_consume(l);
}

void link_resume(struct link *l)
{
	if (l->state != LINK_UP || !l->is_held)
		return;
	l->is_held = false;
	link_consume(l);
	if (l->state == LINK_UP && !l->is_held)
		link_poll(l, l->events | POLLIN);
}

/* ---- output ------------------------------------------------------------------------------------
 */

void link_output(struct link *l)
{
	struct core *core = l->transport->engine->core;

	while (l->state == LINK_UP) {
		struct slice run[2];
		struct iovec iov[2];
		size_t runs = core_peer_output(core, l->pnn, run), offered = 0;
		struct msghdr msg = { .msg_iov = iov, .msg_iovlen = runs };
		ssize_t n;

		if (runs == 0) {
			link_poll(l, l->events & ~POLLOUT);
			return;
		}
		for (size_t i = 0; i < runs; i++) {
			iov[i] = (struct iovec){ .iov_base = (void *)(uintptr_t)run[i].p,
						 .iov_len = run[i].len };
			offered += run[i].len;
		}
		/* Nearly always one run, which send() takes with less ado */
		n = runs == 1 ? send(l->fd, run[0].p, run[0].len, MSG_NOSIGNAL | MSG_DONTWAIT)
			      : sendmsg(l->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			link_fail(l, strerror(errno));
			return;
		}
		if (n > 0)
			core_peer_sent(core, l->pnn, (size_t)n);
		if (l->state != LINK_UP)
			return;
		if (n < 0 || (size_t)n < offered) {
			link_poll(l, l->events | POLLOUT);
			return;
		}
	}
}

/* ---- the loop ----------------------------------------------------------------------------------
 */

static int32_t link_ready(int32_t fd, int32_t revents, void *data)
{
	struct link *l = data;
	struct engine *e = l->transport->engine;

	(void)fd;
	if (e->is_stopping || l->state == LINK_CLOSED)
		return 0;
	if (l->state == LINK_CONNECTING)
		link_connected(l);
	else if ((l->events & POLLIN) == 0 && (revents & (POLLHUP | POLLERR)) != 0)
		link_fail(l, "the other side closed it"); /* held: the session brings it again */
	else {
		if ((revents & POLLOUT) != 0)
			link_output(l);
		if (l->state != LINK_CLOSED && (l->events & POLLIN) != 0 &&
		    (revents & (POLLIN | POLLHUP | POLLERR)) != 0)
			link_input(l);
	}
	engine_after_event(e);
	return 0;
}

struct link *link_new(struct transport *t, int fd, enum handshake_role role, uint32_t pnn)
{
	struct link *l = calloc(1, sizeof(*l));

	if (l == NULL) {
		close(fd);
		return NULL;
	}
	l->transport = t;
	l->fd = fd;
	l->role = role;
	l->pnn = pnn;
	l->buf = l->small;
	l->size = LINK_SMALL;
	l->state = role == HANDSHAKE_CONNECTOR ? LINK_CONNECTING : LINK_HELLO;
	l->events = role == HANDSHAKE_CONNECTOR ? POLLOUT : POLLIN;
	if (qb_loop_poll_add(t->engine->loop, QB_LOOP_HIGH, fd, l->events, l, link_ready) != 0) {
		close(fd);
		free(l);
		return NULL;
	}
	if (qb_loop_timer_add(t->engine->loop, QB_LOOP_LOW,
			      t->handshake_timeout_ms * QB_TIME_NS_IN_MSEC, l, link_timed_out,
			      &l->timer) == 0)
		l->is_timer_armed = true;
	l->next = t->half_open;
	t->half_open = l;
	t->half_open_n++;
	return l;
}
