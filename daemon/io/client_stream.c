/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * client_stream.c: bytes of a client in and out.
 *
 * In: one read() into a buffer that all clients share, and the packets are handled where they lie.
 * Only what is left over (the beginning of a packet, or packets of a client that is paused) is
 * copied to a queue of the client's own; the next read() goes behind it. So a busy client costs one
 * system call for all that it has sent, and no memory.
 *
 * Out: packets are written into the client's queue, and clients_flush(), which follows each event
 * of the loop, writes all of it at once. What the socket does not take waits for POLLOUT.
 *
 * A client that asks and does not read is paused, so that answers cannot pile up. One that is only
 * sent messages is not: it may write to us, and wait until that is taken, before it reads again.
 * Messages have a bound of their own, behind which the client is closed (MaxQueueDropMsg).
 *
 * A paused client is not read from, nor are the packets handled that were read before. When it
 * hangs up while it is paused, its descriptor leaves the loop (the hang-up would be reported for
 * ever), and it ends when it is unpaused and what it had sent is handled.
 */
#include "client_private.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "control.h"
#include "lib/codec.h"

/* Handles the whole packets at p, until the client is paused or dying; the number of bytes handled
 */
static size_t client_handle(struct client *cl, const uint8_t *p, size_t len)
{
	size_t done = 0;

	while (cl->pause == 0 && !cl->is_dying) {
		struct slice packet;
		int rc = packet_frame(slice_of(p + done, len - done), CTDB_MAX_PACKET, &packet);
		if (rc < 0)
			client_kill(cl, "it sent a packet of an impossible length");
		if (rc <= 0)
			break;
		cl->packets_in++;
		cl->owner->counters.packets_in++;
		client_take_packet(cl, packet);
		done += packet.len;
	}
	return done;
}

static void client_handle_queued(struct client *cl)
{
	struct queue_pool *pool = &cl->owner->pool;
	struct slice in = queue_slice(&cl->in);
	size_t done = client_handle(cl, in.p, in.len);

	if (done > 0)
		queue_consume(&cl->in, pool, done);
}

/* What a read() behind queued bytes should have room for: the rest of the packet that has begun */
static size_t client_want(const struct client *cl)
{
	struct cursor c = cursor_of(cl->in.p + cl->in.start, cl->in.len);
	size_t want = QUEUE_CHUNK / 2;
	uint32_t n;

	if (cursor_u32(&c, &n) == 0 && n <= CTDB_MAX_PACKET && n > cl->in.len)
		want = n - cl->in.len;
	return want < CLIENT_READ_SIZE ? want : CLIENT_READ_SIZE;
}

/* False: nothing more can be read now */
static bool client_read_in(struct client *cl)
{
	struct clients *s = cl->owner;
	bool is_queued = cl->in.len > 0;
	size_t want = CLIENT_READ_SIZE;
	uint8_t *to = s->read_buffer;

	if (is_queued) {
		want = client_want(cl);
		to = queue_reserve(&cl->in, &s->pool, want);
		if (to == NULL) {
			client_kill(cl, "no memory for what it sends");
			return false;
		}
	}
	ssize_t n = read(cl->fd, to, want);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			client_kill(cl, errno == ECONNRESET ? NULL : "reading from it failed");
		return false;
	}
	if (n == 0) {
		cl->is_eof = true;
		return false;
	}
	if (is_queued) {
		queue_commit(&cl->in, (size_t)n);
		client_handle_queued(cl);
		return true;
	}
	size_t done = client_handle(cl, to, (size_t)n);
	if (!cl->is_dying && queue_append(&cl->in, &s->pool, to + done, (size_t)n - done) != 0)
		client_kill(cl, "no memory for what it sends");
	return true;
}

static void client_poll_update(struct client *cl)
{
	struct poller *poller = cl->owner->poller;

	if (cl->is_dying || !cl->is_polled)
		return;
	if (cl->is_eof) {
		poller_del(poller, cl->fd);
		cl->is_polled = false;
		return;
	}
	int events = (cl->pause ? 0 : POLLIN) | (cl->out.len > 0 && !cl->is_dirty ? POLLOUT : 0);
	if (events != cl->poll_events && poller_mod(poller, cl->fd, events) == 0)
		cl->poll_events = events;
}

/* Has it closed its side, and is all handled that it had sent? */
static void client_check_end(struct client *cl)
{
	if (cl->is_eof && cl->pause & PAUSE_OUTPUT) {
		queue_clear(&cl->out, &cl->owner->pool);
		cl->reply_bytes = 0;
		cl->owner->resume |= PAUSE_OUTPUT;
	}
	if (cl->is_eof && cl->pause == 0)
		client_kill(cl, cl->in.len > 0 ? "it ended in the middle of a packet" : NULL);
}

static void client_write_out(struct client *cl)
{
	struct clients *s = cl->owner;
	struct slice out = queue_slice(&cl->out);

	if (cl->is_dying || out.len == 0)
		return;
	ssize_t n = send(cl->fd, out.p, out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
			client_kill(cl, NULL);
		n = 0;
	}
	queue_consume(&cl->out, &s->pool, (size_t)n);
	if (cl->reply_bytes > cl->out.len)
		cl->reply_bytes = cl->out.len;
	if (cl->pause & PAUSE_OUTPUT && client_has_drained(cl))
		s->resume |= PAUSE_OUTPUT;
	if (cl->is_awaited && cl->out.len < CLIENT_TRAVERSE_GO)
		s->has_drained = true;
	client_poll_update(cl);
}

static int client_poll(int32_t fd, int32_t revents, void *data)
{
	struct client *cl = data;
	struct engine *e = cl->owner->engine;

	(void)fd;
	if (!cl->is_dying && revents & POLLOUT)
		client_write_out(cl);
	if (!cl->is_dying && revents & POLLIN && cl->pause == 0)
		client_read_in(cl);
	else if (!cl->is_dying && revents & (POLLHUP | POLLERR))
		while (client_read_in(cl)) /* bounded by the socket's buffer: the peer is gone */
			;
	client_poll_update(cl);
	client_check_end(cl);
	engine_after_event(e);
	return 0;
}

int client_poll_begin(struct client *cl)
{
	int rc = poller_add(cl->owner->poller, cl->fd, POLLIN, cl, client_poll);
	if (rc == 0) {
		cl->is_polled = true;
		cl->poll_events = POLLIN;
	}
	return rc;
}

uint8_t *client_output(struct client *cl, size_t size, bool is_reply)
{
	struct clients *s = cl->owner;
	size_t limit = (size_t)tunable_get(&s->tunables, TUNABLE_MaxQueueDropMsg) *
		       CLIENT_DROP_BYTES_PER_PACKET;

	if (cl->is_dying || cl->is_eof)
		return NULL;
	if (cl->out.len > limit) {
		client_kill(cl, "it does not read what it is sent (MaxQueueDropMsg)");
		return NULL;
	}
	uint8_t *p = queue_reserve(&cl->out, &s->pool, size);
	if (p == NULL) {
		client_kill(cl, "no memory for what it is sent");
		return NULL;
	}
	queue_commit(&cl->out, size);
	cl->packets_out++;
	s->counters.packets_out++;
	if (!cl->is_dirty && !(cl->poll_events & POLLOUT)) {
		cl->is_dirty = true;
		cl->next_dirty = s->dirty;
		s->dirty = cl;
	}
	if (is_reply) {
		cl->reply_bytes += size;
		if (cl->reply_bytes > CLIENT_OUTPUT_PAUSE)
			cl->pause |= PAUSE_OUTPUT;
	}
	return p;
}

void client_unpause(struct client *cl, unsigned int pause)
{
	if (!(cl->pause & pause) || cl->is_dying)
		return;
	cl->pause &= ~pause;
	if (cl->pause == 0)
		client_handle_queued(cl);
	client_poll_update(cl);
	client_check_end(cl);
}

void client_pause_congested(struct client *cl)
{
	cl->pause |= PAUSE_CONGESTED;
	cl->owner->has_congested = true;
}

void client_pause_for_peer(struct client *cl, uint32_t pnn)
{
	cl->pause |= PAUSE_PEER;
	cl->congested_pnn = pnn;
	cl->owner->has_congested_peer = true;
}

bool client_has_drained(const struct client *cl)
{
	return cl->reply_bytes < CLIENT_OUTPUT_PAUSE / 2;
}

void clients_flush(struct engine *e)
{
	struct clients *s = e->clients;

	if (s == NULL)
		return;
	if (s->has_congested && !core_is_congested(e->core)) {
		s->has_congested = false;
		s->resume |= PAUSE_CONGESTED;
	}
	if (s->has_congested_peer)
		s->resume |= PAUSE_PEER;
	if (s->has_leader_news)
		clients_tell_leader(s);
	if (s->has_generation_news)
		clients_tell_generation(s);
	if (s->answers.len > 0)
		clients_service_answer(s);
	while (s->dirty || s->dying || s->resume || s->has_drained ||
	       s->forwarded.len > 0) {
		if (s->forwarded.len > 0)
			control_forwarded(s);
		if (s->resume)
			clients_resume(s);
		if (s->has_drained)
			clients_drained(s);
		while (s->dirty) {
			struct client *cl = s->dirty;
			s->dirty = cl->next_dirty;
			cl->is_dirty = false;
			client_write_out(cl);
		}
		clients_reap(s);
	}
}
