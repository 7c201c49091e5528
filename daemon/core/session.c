/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * session.c: a pair's stream that survives lost connections (rule R7).
 *
 * Every packet but ACK has a sequence number. The sender keeps it until the peer has acknowledged
 * it; when a connection comes up, the peer says which one it took last and is sent all behind it.
 * The receiver drops what it has taken already by number, never by rsn. ACKs ride in the header of
 * every packet; alone they are sent after 100 ms or 256 KiB without another packet.
 */
#include <errno.h>
#include <stdlib.h>
#include "internal.h"

#define SESSION_LIMIT (1024UL << 20)
#define SEQ_OFFSET    16
#define ACK_OFFSET    24

void session_reset(struct session *s)
{
	free(s->buf);
	*s = (struct session){ .next_seq = 1, .ack_due_ms = UINT64_MAX };
}

void session_free(struct session *s)
{
	free(s->buf);
	s->buf = NULL;
}

/* Room for max bytes behind end; what is acknowledged makes way */
struct writer session_begin(struct session *s, size_t max)
{
	if (s->size - s->end < max) {
		size_t kept = s->end - s->acked;

		if (s->acked >= kept && s->acked > 0) {
			memmove(s->buf, s->buf + s->acked, kept);
			s->sent -= s->acked;
			s->end = kept;
			s->acked = 0;
		}
		if (s->size - s->end < max) {
			size_t size = s->size ? s->size : 64 * 1024;

			while (size - s->end < max)
				size *= 2;
			s->buf = realloc(s->buf, size);
			if (s->buf == NULL)
				abort();
			s->size = size;
		}
	}
	return writer_of(s->buf + s->end, max);
}

void session_commit(struct core *c, struct node *n, const struct writer *w)
{
	struct session *s = &n->session;
	bool was_idle = s->sent == s->end;

	s->end += w->len;
	s->untold_bytes = 0;
	s->ack_due_ms = UINT64_MAX;
	c->count.packets_sent++;
	if (s->end - s->acked > SESSION_LIMIT && !c->is_retired) {
		core_log(c, CORE_LOG_ERROR,
			 "a peer takes nothing, and too much waits for it | peer=%u bytes=%zu",
			 n->pnn, s->end - s->acked);
		c->is_retired = true;
		c->ops->retire(c->world, REASON_EVICTED,
			       "too much waits for a peer that takes nothing");
		return;
	}
	if (was_idle && n->is_connected)
		c->ops->peer_wake(c->world, n->pnn);
}

static uint32_t length_at(const uint8_t *p)
{
	uint32_t len;

	memcpy(&len, p, sizeof(len));
	return len;
}

static uint64_t number_at(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Lets go of the ACKs at the front, which nobody acknowledges, and of the buffer when it is empty
 */
static void session_settle(struct session *s)
{
	while (s->acked < s->sent && number_at(s->buf + s->acked + SEQ_OFFSET) == 0 &&
	       s->acked + length_at(s->buf + s->acked) <= s->sent)
		s->acked += length_at(s->buf + s->acked);
	if (s->acked < s->end)
		return;
	s->acked = s->sent = s->end = 0;
	if (s->size > 1024 * 1024) {
		free(s->buf);
		s->buf = NULL;
		s->size = 0;
	}
}

/* Let go of everything up to and with seq */
void session_acked(struct session *s, uint64_t seq)
{
	if (seq <= s->acked_seq)
		return;
	s->acked_seq = seq;
	while (s->acked < s->sent) {
		uint64_t q = number_at(s->buf + s->acked + SEQ_OFFSET);

		if (q > seq)
			break;
		if (s->acked + length_at(s->buf + s->acked) > s->sent)
			break;
		s->acked += length_at(s->buf + s->acked);
	}
	session_settle(s);
}

/* A new connection: go on behind what the peer has */
int session_resume(struct core *c, struct session *s, uint64_t peer_received)
{
	if (peer_received >= s->next_seq || peer_received < s->acked_seq)
		return -EPROTO;
	if (core_has_bug(c, CORE_BUG_SESSION_FORGETS)) {
		/* what was written is taken for received */
		while (s->acked < s->sent && s->acked + length_at(s->buf + s->acked) <= s->sent)
			s->acked += length_at(s->buf + s->acked);
		s->sent = s->acked;
		return 0;
	}
	s->sent = s->end;
	if (!core_has_bug(c, CORE_BUG_RESEND_TWICE))
		session_acked(s, peer_received);
	s->sent = s->acked;
	return 0;
}

void session_tick(struct core *c, struct node *n)
{
	struct session *s = &n->session;
	struct packet p = { .type = PACKET_ACK };

	if (n->is_member && !n->is_connected && core_now(c) >= n->silent_ms) {
		n->silent_ms = core_now(c) + c->config.peer_timeout_ms;
		core_log(c, CORE_LOG_WARNING,
			 "there is no link to a member of the group | peer=%s(%u) address=%s "
			 "waiting_bytes=%zu",
			 node_name(c, n->pnn), n->pnn, n->address, s->end - s->acked);
	}
	if (!n->is_connected || s->ack_due_ms == UINT64_MAX)
		return;
	if (s->ack_due_ms > core_now(c) && s->untold_bytes < 256 * 1024)
		return;
	packet_send(c, n->pnn, &p);
}

/* ---- the transport's side ---- */

int core_peer_up(struct core *c, uint32_t pnn, uint64_t boot_id, uint64_t peer_received)
{
	struct node *n = pnn < CORE_MAX_NODES ? c->node[pnn] : NULL;
	int rc;

	if (c->is_retired || n == NULL || !n->is_member || n->boot_id != boot_id || pnn == c->self)
		return -ESTALE;
	rc = session_resume(c, &n->session, peer_received);
	if (rc != 0) {
		core_log(
		    c, CORE_LOG_ERROR,
		    "a peer's session does not fit ours | peer=%s(%u) its=%llu ours=%llu..%llu",
		    n->name, pnn, (unsigned long long)peer_received,
		    (unsigned long long)n->session.acked_seq,
		    (unsigned long long)n->session.next_seq);
		return rc;
	}
	n->is_connected = true;
	n->is_held = false;
	link_up(c, n);
	core_log(c, CORE_LOG_INFO, "link to a peer is up | peer=%s(%u)", n->name, pnn);
	if (n->session.sent < n->session.end)
		c->ops->peer_wake(c->world, pnn);
	c->ops->status_changed(c->world);
	return 0;
}

void core_peer_down(struct core *c, uint32_t pnn)
{
	struct node *n = pnn < CORE_MAX_NODES ? c->node[pnn] : NULL;

	if (c->is_retired || n == NULL || !n->is_connected || pnn == c->self)
		return;
	n->is_connected = false;
	link_down(c, n);
	n->silent_ms = core_now(c) + c->config.peer_timeout_ms;
	n->is_held = false;
	core_log(c, CORE_LOG_NOTICE,
		 "link to a peer is down | peer=%s(%u) unacknowledged_bytes=%zu", n->name, pnn,
		 n->session.end - n->session.acked);
	c->ops->status_changed(c->world);
}

uint64_t core_peer_received(const struct core *c, uint32_t pnn)
{
	return pnn < CORE_MAX_NODES && c->node[pnn] != NULL ? c->node[pnn]->session.received_seq
							    : 0;
}

size_t core_peer_output(struct core *c, uint32_t pnn, struct slice run[2])
{
	const struct node *n = pnn < CORE_MAX_NODES ? c->node[pnn] : NULL;

	if (n == NULL || !n->is_connected || n->session.sent == n->session.end)
		return 0;
	run[0] = slice_of(n->session.buf + n->session.sent, n->session.end - n->session.sent);
	return 1;
}

void core_peer_sent(struct core *c, uint32_t pnn, size_t len)
{
	struct session *s = &c->node[pnn]->session;

	s->sent += len <= s->end - s->sent ? len : s->end - s->sent;
	session_settle(s);
}
