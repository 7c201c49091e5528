/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * transport_tcp.c: the transport "tcp": one duplex connection for each pair of nodes. The lower
 * pnn connects, at once when the core names a peer, and again after a loss with a pause that
 * doubles up to a second; the higher one listens. A new connection of the same incarnation that
 * has proved itself replaces the old one: the other side knows best that the old one is dead.
 *
 * The core's ops only note what is to be done, or do what cannot call back: it is not called from
 * inside an op.
 */
#include "transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sodium/utils.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "daemon/fatal.h"
#include "daemon/log.h"
#include "transport_link.h"

enum {
	TCP_BACKLOG = 64,
	TCP_HALF_OPEN_MAX = 128,
	TCP_RETRY_MIN_MS = 20,
	TCP_RETRY_MAX_MS = 1000,
	TCP_LASTED_MS = 1000,
	TCP_PAUSE_MS = 200, /* accepting, when there are no descriptors left */
};

static void peer_connect(struct peer *p);

struct peer *transport_peer(struct transport *t, uint32_t pnn)
{
	return pnn < CORE_MAX_NODES ? t->peer[pnn] : NULL;
}

/* Only from where no link is on the stack */
static void transport_bury(struct transport *t)
{
	while (t->closed != NULL) {
		struct link *l = t->closed;

		t->closed = l->next;
		if (l->buf != l->small)
			free(l->buf);
		free(l);
	}
}

static void socket_tune(const struct transport *t, int fd)
{
	/* TCP_USER_TIMEOUT also says when a silent connection ends, whatever TCP_KEEPCNT would */
	static const int on = 1, idle_s = 2, interval_s = 1;
	const unsigned int user_ms = t->user_timeout_ms;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_ms, sizeof(user_ms));
}

static int address_parse(const char *text, uint16_t port, struct sockaddr_storage *address,
			 socklen_t *len)
{
	const struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
	};
	struct addrinfo *found;
	char service[8];

	snprintf(service, sizeof(service), "%u", port);
	if (getaddrinfo(text, service, &hints, &found) != 0)
		return -EINVAL;
	memcpy(address, found->ai_addr, found->ai_addrlen);
	*len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

static void address_text(const struct sockaddr_storage *address, socklen_t len,
			 char text[INET6_ADDRSTRLEN])
{
	if (getnameinfo((const struct sockaddr *)address, len, text, INET6_ADDRSTRLEN, NULL, 0,
			NI_NUMERICHOST) != 0)
		text[0] = '\0';
}

/* ---- connecting --------------------------------------------------------------------------------
 */

static void peer_retry(void *data)
{
	struct peer *p = data;
	struct engine *e = p->transport->engine;

	p->is_retry_armed = false;
	if (e->is_stopping)
		return;
	peer_connect(p);
	transport_bury(p->transport);
}

static void peer_retry_later(struct peer *p)
{
	if (p->is_retry_armed)
		return;
	p->backoff_ms = p->backoff_ms == 0 ? TCP_RETRY_MIN_MS : p->backoff_ms * 2;
	if (p->backoff_ms > TCP_RETRY_MAX_MS)
		p->backoff_ms = TCP_RETRY_MAX_MS;
	if (qb_loop_timer_add(p->transport->engine->loop, QB_LOOP_HIGH,
			      p->backoff_ms * QB_TIME_NS_IN_MSEC, p, peer_retry,
			      &p->retry_timer) != 0)
		fatal(REASON_ENGINE_RESTARTING, "no timer for a connection");
	p->is_retry_armed = true;
}

static int peer_connect_socket(const struct peer *p)
{
	const struct transport *t = p->transport;
	struct sockaddr_storage to = { 0 }, from = t->address;
	socklen_t len = 0;
	int fd, rc = address_parse(p->known.address, p->known.port, &to, &len);

	if (rc != 0)
		return rc;
	fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	socket_tune(t, fd);
	/* From the address that is meant for this, if it is of that family */
	if (from.ss_family == to.ss_family) {
		if (from.ss_family == AF_INET)
			((struct sockaddr_in *)&from)->sin_port = 0;
		else
			((struct sockaddr_in6 *)&from)->sin6_port = 0;
		if (bind(fd, (struct sockaddr *)&from, t->address_len) < 0)
			log_debug("cannot connect from the own address | error=%s",
				  strerror(errno));
	}
	if (connect(fd, (struct sockaddr *)&to, len) < 0 && errno != EINPROGRESS) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

static void peer_connect(struct peer *p)
{
	int fd;

	if (p->link != NULL || p->attempt != NULL)
		return;
	fd = peer_connect_socket(p);
	if (fd >= 0)
		p->attempt = link_new(p->transport, fd, HANDSHAKE_CONNECTOR, p->known.inc.pnn);
	if (p->attempt != NULL) {
		snprintf(p->attempt->from, sizeof(p->attempt->from), "%.*s",
			 (int)sizeof(p->attempt->from) - 1, p->known.address);
		return;
	}
	if (!p->has_failed)
		log_warning("cannot connect to a peer | pnn=%u address=%s error=%s",
			    p->known.inc.pnn, p->known.address,
			    fd < 0 ? strerror(-fd) : "no memory");
	p->has_failed = true;
	peer_retry_later(p);
}

static bool peer_is_ours_to_connect(const struct peer *p)
{
	return p->transport->self.pnn < p->known.inc.pnn;
}

/* ---- what links tell ---------------------------------------------------------------------------
 */

void transport_link_proved(struct link *l)
{
	struct peer *p = transport_peer(l->transport, l->pnn);
	struct link *old = p->link;

	if (old == NULL || old == l)
		return;
	p->link = NULL;
	link_close(old, "a newer connection replaces it");
	core_peer_down(l->transport->engine->core, l->pnn);
}

int transport_link_up(struct link *l, uint64_t peer_received)
{
	struct peer *p = transport_peer(l->transport, l->pnn);
	int rc;

	if (p == NULL)
		return -ESTALE;
	if (p->attempt == l)
		p->attempt = NULL;
	p->link = l;
	rc = core_peer_up(l->transport->engine->core, l->pnn, l->theirs.boot_id, peer_received);
	/* The core may have dropped the peer, or taken another incarnation for it */
	p = transport_peer(l->transport, l->pnn);
	if (rc != 0 && p != NULL && p->link == l)
		p->link = NULL;
	if (rc != 0 || l->state != LINK_UP)
		return rc;
	p->up_ms = engine_now_ms();
	p->has_failed = false;
	log_info("peer is connected | pnn=%u address=%s", l->pnn, l->from);
	return 0;
}

void transport_link_closed(struct link *l, enum link_state was)
{
	struct peer *p = transport_peer(l->transport, l->pnn);

	(void)was;
	if (p == NULL)
		return;
	if (p->link == l) {
		p->link = NULL;
		/* One that only lasts for a moment is not worth being in a hurry for */
		if (engine_now_ms() - p->up_ms >= TCP_LASTED_MS)
			p->backoff_ms = 0;
		core_peer_down(l->transport->engine->core, l->pnn);
	} else if (p->attempt == l) {
		p->attempt = NULL;
		if (!p->has_failed)
			log_warning("cannot connect to a peer | pnn=%u address=%s", l->pnn,
				    p->known.address);
		p->has_failed = true;
	}
	/* The core may have dropped the peer just now */
	p = transport_peer(l->transport, l->pnn);
	if (p != NULL && p->link == NULL && p->attempt == NULL && peer_is_ours_to_connect(p))
		peer_retry_later(p);
}

/* ---- accepting ---------------------------------------------------------------------------------
 */

static int32_t transport_acceptable(int32_t fd, int32_t revents, void *data);

static void transport_listen_again(void *data)
{
	struct transport *t = data;

	t->is_listening_paused = false;
	qb_loop_poll_mod(t->engine->loop, QB_LOOP_MED, t->listen_fd, POLLIN, t,
			 transport_acceptable);
}

static void transport_pause(struct transport *t)
{
	if (qb_loop_timer_add(t->engine->loop, QB_LOOP_LOW, TCP_PAUSE_MS * QB_TIME_NS_IN_MSEC, t,
			      transport_listen_again, &t->listen_timer) != 0)
		return;
	t->is_listening_paused = true;
	qb_loop_poll_mod(t->engine->loop, QB_LOOP_MED, t->listen_fd, 0, t, transport_acceptable);
}

/* Of too many strangers the oldest goes; one that comes from a peer's address only when all do, or
 * whoever can reach the port could keep the peers from ever getting through */
static void transport_make_room(struct transport *t)
{
	struct link *oldest = NULL;

	if (t->half_open_n < TCP_HALF_OPEN_MAX)
		return;
	for (struct link *l = t->half_open; l != NULL; l = l->next)
		if (l->role == HANDSHAKE_ACCEPTOR &&
		    (oldest == NULL || oldest->is_from_peer || !l->is_from_peer))
			oldest = l;
	if (oldest != NULL)
		link_close(oldest, "too many connections that prove nothing");
}

static bool address_is_peers(const struct transport *t, const char *from)
{
	for (uint32_t pnn = 0; pnn < CORE_MAX_NODES; pnn++)
		if (t->peer[pnn] != NULL && from[0] != '\0' &&
		    strcmp(t->peer[pnn]->from, from) == 0)
			return true;
	return false;
}

static int32_t transport_acceptable(int32_t fd, int32_t revents, void *data)
{
	struct transport *t = data;
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	struct link *l;
	int s;

	(void)revents;
	if (t->engine->is_stopping)
		return 0;
	s = accept4(fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (s < 0) {
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			log_warning("cannot accept a connection | error=%s", strerror(errno));
			transport_pause(t);
		}
		return 0;
	}
	transport_bury(t);
	transport_make_room(t);
	socket_tune(t, s);
	l = link_new(t, s, HANDSHAKE_ACCEPTOR, CORE_UNKNOWN_PNN);
	if (l != NULL) {
		address_text(&from, len, l->from);
		l->is_from_peer = address_is_peers(t, l->from);
	}
	return 0;
}

static int transport_listen(struct transport *t)
{
	static const int on = 1;
	int fd = socket(t->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&t->address, t->address_len) < 0 ||
	    listen(fd, TCP_BACKLOG) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	t->listen_fd = fd;
	return qb_loop_poll_add(t->engine->loop, QB_LOOP_MED, fd, POLLIN, t, transport_acceptable);
}

/* ---- ops ---------------------------------------------------------------------------------------
 */

static int tcp_open(struct engine *e, const struct core_config *self)
{
	struct transport *t = calloc(1, sizeof(*t));
	int rc;

	if (t == NULL)
		return -ENOMEM;
	t->engine = e;
	t->self = self->self;
	t->listen_fd = -1;
	t->woken_tail = &t->woken;
	t->handshake_timeout_ms = t->user_timeout_ms = self->peer_timeout_ms;
	memcpy(t->key, self->key, sizeof(t->key));
	e->transport = t;
	rc = address_parse(self->address, self->port, &t->address, &t->address_len);
	return rc != 0 ? rc : transport_listen(t);
}

static void peer_free(struct peer *p)
{
	struct transport *t = p->transport;

	if (p->is_retry_armed)
		qb_loop_timer_del(t->engine->loop, p->retry_timer);
	if (p->link != NULL)
		link_close(p->link, NULL);
	if (p->attempt != NULL)
		link_close(p->attempt, NULL);
	for (struct peer **w = &t->woken; p->is_woken && *w != NULL; w = &(*w)->next_woken) {
		if (*w != p)
			continue;
		*w = p->next_woken;
		if (t->woken_tail == &p->next_woken)
			t->woken_tail = w;
		break;
	}
	t->peer[p->known.inc.pnn] = NULL;
	sodium_memzero(&p->known, sizeof(p->known));
	free(p);
}

static void tcp_close(struct engine *e)
{
	struct transport *t = e->transport;

	for (uint32_t pnn = 0; pnn < CORE_MAX_NODES; pnn++)
		if (t->peer[pnn] != NULL)
			peer_free(t->peer[pnn]);
	while (t->half_open != NULL)
		link_close(t->half_open, NULL);
	transport_bury(t);
	if (t->is_listening_paused)
		qb_loop_timer_del(e->loop, t->listen_timer);
	if (t->listen_fd >= 0) {
		qb_loop_poll_del(e->loop, t->listen_fd);
		close(t->listen_fd);
	}
	sodium_memzero(t, sizeof(*t));
	free(t);
	e->transport = NULL;
}

/* To be looked after by the next flush */
static void peer_wake_up(struct peer *p)
{
	struct transport *t = p->transport;

	t->engine->has_output = true;
	if (p->is_woken)
		return;
	p->is_woken = true;
	p->next_woken = NULL;
	*t->woken_tail = p;
	t->woken_tail = &p->next_woken;
}

static bool peer_is_same(const struct core_peer *a, const struct core_peer *b)
{
	return a->inc.boot_id == b->inc.boot_id && a->port == b->port &&
	       strcmp(a->address, b->address) == 0 && memcmp(a->key, b->key, sizeof(a->key)) == 0;
}

/* Those that have come already from the address of a new peer */
static void peer_mark(struct peer *p)
{
	struct sockaddr_storage address = { 0 };
	socklen_t len = 0;

	if (address_parse(p->known.address, p->known.port, &address, &len) != 0)
		return;
	address_text(&address, len, p->from);
	for (struct link *l = p->transport->half_open; l != NULL; l = l->next)
		if (p->from[0] != '\0' && strcmp(l->from, p->from) == 0)
			l->is_from_peer = true;
}

static void tcp_peer_set(struct engine *e, uint32_t pnn, const struct core_peer *known)
{
	struct transport *t = e->transport;
	struct peer *p = transport_peer(t, pnn);

	if (pnn >= CORE_MAX_NODES || pnn == t->self.pnn)
		return;
	if (p != NULL && known != NULL && peer_is_same(&p->known, known))
		return;
	if (p != NULL)
		peer_free(p);
	if (known == NULL)
		return;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		fatal(REASON_ENGINE_RESTARTING, "no memory for a peer");
	p->transport = t;
	p->known = *known;
	p->known.inc.pnn = pnn;
	t->peer[pnn] = p;
	peer_mark(p);
	/* The next flush connects, or answers who has connected already */
	peer_wake_up(p);
}

static void tcp_peer_wake(struct engine *e, uint32_t pnn)
{
	struct peer *p = transport_peer(e->transport, pnn);

	if (p != NULL)
		peer_wake_up(p);
}

static void tcp_peer_resume(struct engine *e, uint32_t pnn)
{
	struct peer *p = transport_peer(e->transport, pnn);

	if (p == NULL)
		return;
	p->is_resumed = true;
	peer_wake_up(p);
}

/* A peer that has no link and no attempt yet is a new one */
static void peer_begin(struct peer *p)
{
	struct transport *t = p->transport;
	struct link *next;

	if (peer_is_ours_to_connect(p)) {
		if (!p->is_retry_armed)
			peer_connect(p);
		return;
	}
	for (struct link *l = t->half_open; l != NULL; l = next) {
		next = l->next;
		if (l->state == LINK_STRANGER && l->pnn == p->known.inc.pnn)
			link_peer_known(l);
	}
}

static void tcp_flush(struct engine *e)
{
	struct transport *t = e->transport;

	while (t->woken != NULL && !e->is_stopping) {
		struct peer *p = t->woken;
		bool is_resumed = p->is_resumed;

		t->woken = p->next_woken;
		if (t->woken == NULL)
			t->woken_tail = &t->woken;
		p->is_woken = p->is_resumed = false;
		if (p->link == NULL) {
			peer_begin(p);
			continue;
		}
		/* The core may drop the peer while it is given input */
		if (is_resumed) {
			uint32_t pnn = p->known.inc.pnn;

			link_resume(p->link);
			p = transport_peer(t, pnn);
		}
		if (p != NULL && p->link != NULL && (p->link->events & POLLOUT) == 0)
			link_output(p->link);
	}
	transport_bury(t);
}

const struct transport_ops transport_tcp = {
	.name = "tcp",
	.open = tcp_open,
	.close = tcp_close,
	.peer_set = tcp_peer_set,
	.peer_wake = tcp_peer_wake,
	.peer_resume = tcp_peer_resume,
	.flush = tcp_flush,
};
