/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * codec.c: the packets, field by field.
 *
 * Fixed fields come first, each packet's lengths among them, then the bytes they count, with no
 * gap. Offsets in the comments are from the start of the packet.
 */
#include <errno.h>
#include "codec.h"

/* Fixed parts, header included; what Samba's daemon pads the shortest ones to */
enum {
	REQ_CALL_FIXED = 56,
	REPLY_CALL_FIXED = 40,
	REPLY_ERROR_FIXED = 40,
	REQ_MESSAGE_FIXED = 44,
	REQ_CONTROL_FIXED = 60,
	REPLY_CONTROL_FIXED = 44,
	REQ_TUNNEL_FIXED = 48,
	REPLY_LEAST = 48,
	REQ_TUNNEL_LEAST = 56,
};

int packet_frame(struct slice arrived, size_t max_bytes, struct slice *packet)
{
	struct cursor c = cursor_of(arrived.p, arrived.len);
	uint32_t length;

	*packet = slice_of(NULL, 0);
	if (cursor_u32(&c, &length))
		return 0;
	if (length < CTDB_HEADER_SIZE || length > max_bytes)
		return -EBADMSG;
	if (arrived.len < length)
		return 0;
	*packet = slice_of(arrived.p, length);
	return 1;
}

int packet_header_decode(struct slice packet, struct packet_header *h, struct cursor *body)
{
	struct cursor c = cursor_of(packet.p, packet.len);
	uint32_t magic, version;

	if (cursor_u32(&c, &h->length) || cursor_u32(&c, &magic) || cursor_u32(&c, &version) ||
	    cursor_u32(&c, &h->generation) || cursor_u32(&c, &h->operation) ||
	    cursor_u32(&c, &h->destnode) || cursor_u32(&c, &h->srcnode) ||
	    cursor_u32(&c, &h->reqid))
		return -EBADMSG;
	if (magic != CTDB_MAGIC || version != CTDB_VERSION || h->length != packet.len)
		return -EBADMSG;
	*body = c;
	return 0;
}

int req_call_decode(struct cursor *c, struct req_call *m)
{
	uint32_t keylen, datalen;

	return cursor_u32(c, &m->flags) || cursor_u32(c, &m->db_id) || cursor_u32(c, &m->callid) ||
		       cursor_u32(c, &m->hopcount) || cursor_u32(c, &keylen) ||
		       cursor_u32(c, &datalen) || cursor_bytes(c, keylen, &m->key) ||
		       cursor_bytes(c, datalen, &m->data)
		   ? -EBADMSG
		   : 0;
}

/* status and one run of bytes: REPLY_CALL and REPLY_ERROR */
static int status_data_decode(struct cursor *c, int32_t *status, struct slice *data)
{
	uint32_t code, len;

	if (cursor_u32(c, &code) || cursor_u32(c, &len) || cursor_bytes(c, len, data))
		return -EBADMSG;
	*status = (int32_t)code;
	return 0;
}

int reply_call_decode(struct cursor *c, struct reply_call *m)
{
	return status_data_decode(c, &m->status, &m->data);
}

int reply_error_decode(struct cursor *c, struct reply_error *m)
{
	return status_data_decode(c, &m->status, &m->text);
}

int req_message_decode(struct cursor *c, struct req_message *m)
{
	uint32_t len;

	return cursor_u64(c, &m->srvid) || cursor_u32(c, &len) || cursor_bytes(c, len, &m->data)
		   ? -EBADMSG
		   : 0;
}

int req_control_decode(struct cursor *c, struct req_control *m)
{
	uint32_t len;

	return cursor_u32(c, &m->opcode) || cursor_skip(c, 4) || cursor_u64(c, &m->srvid) ||
		       cursor_u32(c, &m->client_id) || cursor_u32(c, &m->flags) ||
		       cursor_u32(c, &len) || cursor_bytes(c, len, &m->data)
		   ? -EBADMSG
		   : 0;
}

int reply_control_decode(struct cursor *c, struct reply_control *m)
{
	uint32_t code, datalen, textlen;

	if (cursor_u32(c, &code) || cursor_u32(c, &datalen) || cursor_u32(c, &textlen) ||
	    cursor_bytes(c, datalen, &m->data) || cursor_bytes(c, textlen, &m->text))
		return -EBADMSG;
	m->status = (int32_t)code;
	return 0;
}

int req_tunnel_decode(struct cursor *c, struct req_tunnel *m)
{
	uint32_t len;

	return cursor_u64(c, &m->tunnel_id) || cursor_u32(c, &m->flags) || cursor_u32(c, &len) ||
		       cursor_bytes(c, len, &m->data)
		   ? -EBADMSG
		   : 0;
}

/* Size of a packet: its bytes, not below the least, padded. Cannot wrap for slices that exist. */
static size_t padded(size_t len, size_t least)
{
	if (len < least)
		len = least;
	return (len + CTDB_PADDING - 1) & ~(size_t)(CTDB_PADDING - 1);
}

size_t req_call_size(const struct req_call *m)
{
	return padded(REQ_CALL_FIXED + m->key.len + m->data.len, 0);
}

size_t reply_call_size(const struct reply_call *m)
{
	return padded(REPLY_CALL_FIXED + m->data.len, REPLY_LEAST);
}

size_t reply_error_size(const struct reply_error *m)
{
	return padded(REPLY_ERROR_FIXED + m->text.len, REPLY_LEAST);
}

size_t req_message_size(const struct req_message *m)
{
	return padded(REQ_MESSAGE_FIXED + m->data.len, REPLY_LEAST);
}

size_t req_control_size(const struct req_control *m)
{
	return padded(REQ_CONTROL_FIXED + m->data.len, 0);
}

size_t reply_control_size(const struct reply_control *m)
{
	return padded(REPLY_CONTROL_FIXED + m->data.len + m->text.len, REPLY_LEAST);
}

size_t req_tunnel_size(const struct req_tunnel *m)
{
	return padded(REQ_TUNNEL_FIXED + m->data.len, REQ_TUNNEL_LEAST);
}

/* Writes the header of a packet of that size; false (and the writer is failed) if it cannot fit.
 * A packet that begins can be written to its end, so nothing has ever to be taken back. */
static bool packet_begin(struct writer *w, const struct packet_header *h, uint32_t operation,
			 size_t size)
{
	if (w->failed || size > UINT32_MAX || size > w->size - w->len) {
		w->failed = 1;
		return false;
	}
	writer_u32(w, (uint32_t)size);
	writer_u32(w, CTDB_MAGIC);
	writer_u32(w, CTDB_VERSION);
	writer_u32(w, h->generation);
	writer_u32(w, operation);
	writer_u32(w, h->destnode);
	writer_u32(w, h->srcnode);
	writer_u32(w, h->reqid);
	return true;
}

/* Pads a packet that began at start */
static void packet_end(struct writer *w, size_t start, size_t size)
{
	writer_zero(w, start + size - w->len);
}

void req_call_encode(struct writer *w, const struct packet_header *h, const struct req_call *m)
{
	size_t start = w->len, size = req_call_size(m);

	if (!packet_begin(w, h, CTDB_REQ_CALL, size))
		return;
	writer_u32(w, m->flags);
	writer_u32(w, m->db_id);
	writer_u32(w, m->callid);
	writer_u32(w, m->hopcount);
	writer_u32(w, (uint32_t)m->key.len);
	writer_u32(w, (uint32_t)m->data.len);
	writer_bytes(w, m->key.p, m->key.len);
	writer_bytes(w, m->data.p, m->data.len);
	packet_end(w, start, size);
}

static void status_data_encode(struct writer *w, const struct packet_header *h, uint32_t operation,
			       size_t size, int32_t status, struct slice data)
{
	size_t start = w->len;

	if (!packet_begin(w, h, operation, size))
		return;
	writer_u32(w, (uint32_t)status);
	writer_u32(w, (uint32_t)data.len);
	writer_bytes(w, data.p, data.len);
	packet_end(w, start, size);
}

void reply_call_encode(struct writer *w, const struct packet_header *h, const struct reply_call *m)
{
	status_data_encode(w, h, CTDB_REPLY_CALL, reply_call_size(m), m->status, m->data);
}

void reply_error_encode(struct writer *w, const struct packet_header *h,
			const struct reply_error *m)
{
	status_data_encode(w, h, CTDB_REPLY_ERROR, reply_error_size(m), m->status, m->text);
}

void req_message_encode(struct writer *w, const struct packet_header *h,
			const struct req_message *m)
{
	size_t start = w->len, size = req_message_size(m);

	if (!packet_begin(w, h, CTDB_REQ_MESSAGE, size))
		return;
	writer_u64(w, m->srvid);
	writer_u32(w, (uint32_t)m->data.len);
	writer_bytes(w, m->data.p, m->data.len);
	packet_end(w, start, size);
}

void req_control_encode(struct writer *w, const struct packet_header *h,
			const struct req_control *m)
{
	size_t start = w->len, size = req_control_size(m);

	if (!packet_begin(w, h, CTDB_REQ_CONTROL, size))
		return;
	writer_u32(w, m->opcode);
	writer_u32(w, 0);
	writer_u64(w, m->srvid);
	writer_u32(w, m->client_id);
	writer_u32(w, m->flags);
	writer_u32(w, (uint32_t)m->data.len);
	writer_bytes(w, m->data.p, m->data.len);
	packet_end(w, start, size);
}

void reply_control_encode(struct writer *w, const struct packet_header *h,
			  const struct reply_control *m)
{
	size_t start = w->len, size = reply_control_size(m);

	if (!packet_begin(w, h, CTDB_REPLY_CONTROL, size))
		return;
	writer_u32(w, (uint32_t)m->status);
	writer_u32(w, (uint32_t)m->data.len);
	writer_u32(w, (uint32_t)m->text.len);
	writer_bytes(w, m->data.p, m->data.len);
	writer_bytes(w, m->text.p, m->text.len);
	packet_end(w, start, size);
}

void req_tunnel_encode(struct writer *w, const struct packet_header *h, const struct req_tunnel *m)
{
	size_t start = w->len, size = req_tunnel_size(m);

	if (!packet_begin(w, h, CTDB_REQ_TUNNEL, size))
		return;
	writer_u64(w, m->tunnel_id);
	writer_u32(w, m->flags);
	writer_u32(w, (uint32_t)m->data.len);
	writer_bytes(w, m->data.p, m->data.len);
	packet_end(w, start, size);
}
