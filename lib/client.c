/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * client.c: a connection: bytes out, bytes in, and the events among what came.
 *
 * The socket never blocks. What a call that waits for its own answer reads besides goes, in order,
 * to `kept`; events are taken from there first, then from `in`. Nothing is moved in a buffer while
 * a packet of it is lent: room is only made when more is read or kept, in the next call.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "client.h"

/* Events that nobody takes: the connection fails when they are more than this */
#define KEPT_MAX  (256U << 20)
#define READ_SIZE 65536U

uint32_t client_reqid(struct cotdb *h, bool is_event)
{
	do {
		h->last_reqid++;
	} while (h->last_reqid == 0 || (h->last_reqid & 1) != (is_event ? 1 : 0));
	return h->last_reqid;
}

uint8_t *client_buffer_room(struct client_buffer *b, size_t len)
{
	size_t have = b->end - b->start;

	if (have == 0)
		b->start = b->end = 0;
	if (len <= b->size - b->end)
		return b->p + b->end;
	if (len > KEPT_MAX || have > KEPT_MAX - len)
		return NULL;
	if (have + len > b->size) {
		size_t size = 2 * (have + len);
		uint8_t *p = realloc(b->p, size);

		if (p == NULL)
			return NULL;
		b->p = p;
		b->size = size;
	}
	memmove(b->p, b->p + b->start, have);
	b->start = 0;
	b->end = have;
	return b->p + b->end;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t client_deadline(int timeout_ms)
{
	return timeout_ms < 0 ? -1 : now_ms() + timeout_ms;
}

static int client_fail(struct cotdb *h, int error)
{
	if (h->error == 0)
		h->error = error;
	return h->error;
}

static int client_write(struct cotdb *h)
{
	while (h->out.start < h->out.end) {
		ssize_t n =
		    send(h->fd, h->out.p + h->out.start, h->out.end - h->out.start, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return client_fail(h, errno == EPIPE ? -ECONNRESET : -errno);
		h->out.start += (size_t)n;
	}
	return 0;
}

/* One read is enough: a longer input leaves the socket readable. A packet that is not whole yet
 * says how much is to come, so that a large one does not come in many small steps. */
static int client_read(struct cotdb *h)
{
	size_t have = h->in.end - h->in.start, want = READ_SIZE;
	uint32_t length;
	uint8_t *to;
	ssize_t n;

	if (have >= sizeof(length)) {
		memcpy(&length, h->in.p + h->in.start, sizeof(length));
		if (length <= CTDB_MAX_PACKET && length > have && length - have > want)
			want = length - have;
	}
	to = client_buffer_room(&h->in, want);
	if (to == NULL)
		return client_fail(h, -ENOBUFS);
	do {
		n = recv(h->fd, to, want, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0)
		return client_fail(h, -errno);
	if (n == 0)
		return client_fail(h, -ECONNRESET);
	h->in.end += (size_t)n;
	return 0;
}

int client_io(struct cotdb *h)
{
	if (h->error)
		return h->error;
	if (client_write(h))
		return h->error;
	return client_read(h);
}

int client_wait(struct cotdb *h, int64_t deadline_ms)
{
	struct pollfd p = { .fd = h->fd, .events = cotdb_events(h) };
	int64_t left = -1;
	int n;

	if (h->error)
		return h->error;
	if (deadline_ms >= 0) {
		left = deadline_ms - now_ms();
		if (left < 0)
			left = 0;
		if (left > INT32_MAX)
			left = INT32_MAX;
	}
	n = poll(&p, 1, (int)left);
	if (n < 0 && errno != EINTR)
		return client_fail(h, -errno);
	if (n == 0 && deadline_ms >= 0 && now_ms() >= deadline_ms)
		return -ETIMEDOUT;
	return n > 0 ? client_io(h) : 0;
}

int client_begin(struct cotdb *h, size_t size, struct writer *w)
{
	uint8_t *p;

	if (h->error)
		return h->error;
	if (size > CTDB_MAX_PACKET)
		return -EMSGSIZE;
	p = client_buffer_room(&h->out, size);
	if (p == NULL)
		return -ENOBUFS;
	*w = writer_of(p, size);
	return 0;
}

int client_send(struct cotdb *h, const struct writer *w)
{
	if (w->failed)
		return -EMSGSIZE;
	h->out.end += w->len;
	return client_write(h);
}

int client_packet(struct client_buffer *b, struct slice *packet)
{
	int r = packet_frame(slice_of(b->p ? b->p + b->start : NULL, b->end - b->start),
			     CTDB_MAX_PACKET, packet);

	if (r == 1)
		b->start += packet->len;
	return r;
}

int cotdb_fd(const struct cotdb *h)
{
	return h->fd;
}

short cotdb_events(const struct cotdb *h)
{
	return h->out.start < h->out.end ? POLLIN | POLLOUT : POLLIN;
}

int cotdb_dispatch(struct cotdb *h)
{
	return client_io(h);
}

static int client_open_socket(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, error;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* connect() on a Unix socket waits only for room in the backlog */
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0 &&
	    fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

int cotdb_connect(struct cotdb **h, const char *path, int timeout_ms)
{
	struct cotdb *n;
	struct cotdb_control get_pnn = { .pnn = CTDB_CURRENT_NODE, .opcode = CTDB_CONTROL_GET_PNN };
	struct cotdb_reply reply;
	int r;

	*h = NULL;
	if (path == NULL || path[0] == '\0')
		path = getenv(CTDB_SOCKET_ENV);
	if (path == NULL || path[0] == '\0')
		path = CTDB_SOCKET_DEFAULT;
	n = calloc(1, sizeof(*n));
	if (n == NULL)
		return -ENOMEM;
	n->timeout_ms = timeout_ms;
	n->fd = client_open_socket(path);
	r = n->fd < 0 ? n->fd : cotdb_control(n, &get_pnn, &reply);
	if (r == 0 && reply.status < 0)
		r = -EREMOTEIO;
	if (r != 0) {
		cotdb_close(n);
		return r;
	}
	n->pnn = (uint32_t)reply.status;
	*h = n;
	return 0;
}

void cotdb_close(struct cotdb *h)
{
	if (h == NULL)
		return;
	while (h->dbs != NULL) {
		struct cotdb_db *db = h->dbs;

		h->dbs = db->next;
		client_db_close(db);
	}
	if (h->fd >= 0)
		close(h->fd);
	free(h->in.p);
	free(h->kept.p);
	free(h->out.p);
	free(h->root);
	free(h);
}

void cotdb_set_timeout(struct cotdb *h, int timeout_ms)
{
	h->timeout_ms = timeout_ms;
}

uint32_t cotdb_pnn(const struct cotdb *h)
{
	return h->pnn;
}

int cotdb_set_root(struct cotdb *h, const char *folder)
{
	char *root = NULL;

	if (folder != NULL && folder[0] != '\0') {
		root = strdup(folder);
		if (root == NULL)
			return -ENOMEM;
	}
	free(h->root);
	h->root = root;
	return 0;
}
