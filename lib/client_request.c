/* SPDX-License-Identifier: GPL-3.0-or-later */
/* client_request.c: controls, messages and calls of libcotdb, their answers, and events */
#include <errno.h>
#include "client.h"

/* A reply of whatever kind. 1 when it is one, 0 for other packets, -EBADMSG */
static int reply_read(uint32_t operation, struct cursor *body, struct cotdb_reply *reply)
{
	struct reply_control control = { 0 };
	struct reply_call call = { 0 };
	struct reply_error error = { 0 };
	int r;

	switch (operation) {
	case CTDB_REPLY_CONTROL:
		r = reply_control_decode(body, &control);
		break;
	case CTDB_REPLY_CALL:
		r = reply_call_decode(body, &call);
		control.status = call.status;
		control.data = call.data;
		break;
	case CTDB_REPLY_ERROR:
		r = reply_error_decode(body, &error);
		control.status = error.status != 0 ? error.status : -1;
		control.text = error.text;
		break;
	default:
		return 0;
	}
	if (r != 0)
		return r;
	*reply = (struct cotdb_reply){ .status = control.status,
				       .data = control.data.p,
				       .len_bytes = control.data.len,
				       .text = (const char *)control.text.p,
				       .text_len = control.text.len };
	return 1;
}

static int client_keep(struct cotdb *h, struct slice packet)
{
	uint8_t *to = client_buffer_room(&h->kept, packet.len);

	if (to == NULL)
		return h->error = -ENOBUFS;
	memcpy(to, packet.p, packet.len);
	h->kept.end += packet.len;
	return 0;
}

int client_wait_reply(struct cotdb *h, uint32_t reqid, struct cotdb_reply *reply)
{
	int64_t deadline_ms = client_deadline(h->timeout_ms);
	struct cotdb_reply none;
	int r;

	if (reply == NULL)
		reply = &none;
	for (;;) {
		struct packet_header header;
		struct cursor body;
		struct slice packet;

		r = client_packet(&h->in, &packet);
		if (r == 0) {
			r = client_wait(h, deadline_ms);
			if (r != 0)
				return r;
			continue;
		}
		if (r < 0 || packet_header_decode(packet, &header, &body))
			return h->error = -EBADMSG;
		if (header.reqid == reqid) {
			r = reply_read(header.operation, &body, reply);
			if (r < 0)
				return h->error = -EBADMSG;
			if (r == 1)
				return 0;
		}
		/* Late answers to calls that timed out have even numbers as well */
		if (header.operation == CTDB_REQ_MESSAGE || (header.reqid & 1) != 0) {
			r = client_keep(h, packet);
			if (r != 0)
				return r;
		}
	}
}

/* 1: the packet is an event */
static int event_read(struct slice packet, struct cotdb_event *e)
{
	struct packet_header header;
	struct req_message message;
	struct cotdb_reply reply;
	struct cursor body;
	int r;

	if (packet_header_decode(packet, &header, &body))
		return -EBADMSG;
	*e = (struct cotdb_event){ .reqid = header.reqid };
	if (header.operation == CTDB_REQ_MESSAGE) {
		if (req_message_decode(&body, &message))
			return -EBADMSG;
		e->type = COTDB_EVENT_MESSAGE;
		e->srvid = message.srvid;
		e->data = message.data.p;
		e->len_bytes = message.data.len;
		return 1;
	}
	r = reply_read(header.operation, &body, &reply);
	if (r != 1 || (header.reqid & 1) == 0)
		return r < 0 ? r : 0;
	e->type = COTDB_EVENT_REPLY;
	e->status = reply.status;
	e->data = reply.data;
	e->len_bytes = reply.len_bytes;
	return 1;
}

int cotdb_event_next(struct cotdb *h, struct cotdb_event *e)
{
	for (;;) {
		struct slice packet;
		int r = client_packet(&h->kept, &packet);

		if (r == 0)
			r = client_packet(&h->in, &packet);
		if (r == 0)
			return h->error;
		if (r > 0)
			r = event_read(packet, e);
		if (r < 0)
			return h->error = r;
		if (r > 0)
			return 1;
	}
}

int cotdb_event_wait(struct cotdb *h, struct cotdb_event *e, int timeout_ms)
{
	int64_t deadline_ms = client_deadline(timeout_ms);

	for (;;) {
		int r = cotdb_event_next(h, e);

		if (r != 0)
			return r;
		r = client_wait(h, deadline_ms);
		if (r == -ETIMEDOUT)
			return 0;
		if (r != 0)
			return r;
	}
}

static int control_begin(struct cotdb *h, const struct cotdb_control *c, uint32_t flags,
			 uint32_t reqid)
{
	struct packet_header header = { .destnode = c->pnn, .srcnode = h->pnn, .reqid = reqid };
	struct req_control m = { .opcode = c->opcode,
				 .srvid = c->srvid,
				 .flags = flags,
				 .data = slice_of(c->data, c->len_bytes) };
	struct writer w;
	int r;

	r = client_begin(h, req_control_size(&m), &w);
	if (r != 0)
		return r;
	req_control_encode(&w, &header, &m);
	return client_send(h, &w);
}

int cotdb_control(struct cotdb *h, const struct cotdb_control *c, struct cotdb_reply *reply)
{
	uint32_t reqid = client_reqid(h, false);
	int r = control_begin(h, c, 0, reqid);

	return r != 0 ? r : client_wait_reply(h, reqid, reply);
}

int cotdb_control_send(struct cotdb *h, const struct cotdb_control *c)
{
	return control_begin(h, c, CTDB_CONTROL_NOREPLY, client_reqid(h, false));
}

int cotdb_control_number(const char *name)
{
	const struct control_row *row = control_by_name(name);

	return row != NULL ? (int)row->number : -1;
}

int cotdb_register(struct cotdb *h, uint64_t srvid)
{
	struct cotdb_control c = { .pnn = CTDB_CURRENT_NODE,
				   .opcode = CTDB_CONTROL_REGISTER_SRVID,
				   .srvid = srvid };
	struct cotdb_reply reply;
	int r = cotdb_control(h, &c, &reply);

	if (r != 0)
		return r;
	return reply.status == 0 ? 0 : -EREMOTEIO;
}

int cotdb_deregister(struct cotdb *h, uint64_t srvid)
{
	struct cotdb_control c = { .pnn = CTDB_CURRENT_NODE,
				   .opcode = CTDB_CONTROL_DEREGISTER_SRVID,
				   .srvid = srvid };
	struct cotdb_reply reply;
	int r = cotdb_control(h, &c, &reply);

	if (r != 0)
		return r;
	return reply.status == 0 ? 0 : -ENOENT;
}

int cotdb_message_send(struct cotdb *h, uint32_t pnn, uint64_t srvid, const void *data,
		       size_t len_bytes)
{
	struct packet_header header = { .generation = CTDB_GENERATION_INVALID,
					.destnode = pnn,
					.srcnode = h->pnn };
	struct req_message m = { .srvid = srvid, .data = slice_of(data, len_bytes) };
	struct writer w;
	int r;

	r = client_begin(h, req_message_size(&m), &w);
	if (r != 0)
		return r;
	req_message_encode(&w, &header, &m);
	return client_send(h, &w);
}

int client_call_send(struct cotdb_db *db, struct cotdb_key key, uint32_t callid, uint32_t flags,
		     bool is_event, uint32_t *reqid)
{
	struct cotdb *h = db->h;
	struct packet_header header = { .destnode = h->pnn, .srcnode = h->pnn };
	struct req_call m = { .flags = flags,
			      .db_id = db->db_id,
			      .callid = callid,
			      .key = slice_of(key.p, key.len_bytes) };
	struct writer w;
	int r;

	header.reqid = *reqid = client_reqid(h, is_event);
	r = client_begin(h, req_call_size(&m), &w);
	if (r != 0)
		return r;
	req_call_encode(&w, &header, &m);
	return client_send(h, &w);
}
