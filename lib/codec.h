/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * codec.h: CTDB's packets to and from bytes.
 *
 * A packet on the stream is `length` bytes that begin with the length itself. packet_frame() cuts
 * one off the bytes that have arrived, packet_header_decode() reads its header, and one of the
 * decoders below what follows; slices in a decoded packet point into the packet. What comes from
 * outside may be padded or not and begin at any address; inner lengths are checked against what
 * is there, bytes behind the last field are slack and ignored.
 *
 * The encoders append one whole packet to a writer, padded to 8 bytes with zeros, and not shorter
 * than Samba's own daemon sends. When it does not fit, the writer is failed and nothing of the
 * packet is left in it. Every *_size() tells what an encoder will write.
 */
#ifndef COTDB_CODEC_H
#define COTDB_CODEC_H

#include "cursor.h"
#include "protocol.h"

struct packet_header {
	uint32_t length; /* of the whole packet; set by the encoders */
	uint32_t generation;
	uint32_t operation; /* enum ctdb_operation; set by the encoders */
	uint32_t destnode, srcnode, reqid;
};

struct req_call {
	uint32_t flags, db_id, callid, hopcount;
	struct slice key, data;
};

struct reply_call {
	int32_t status;
	struct slice data;
};

struct reply_error {
	int32_t status;
	struct slice text; /* with or without NUL */
};

struct req_message {
	uint64_t srvid;
	struct slice data;
};

struct req_control {
	uint32_t opcode;
	uint64_t srvid;
	uint32_t client_id, flags;
	struct slice data;
};

struct reply_control {
	int32_t status;
	struct slice data;
	struct slice text; /* of an error; without NUL */
};

struct req_tunnel {
	uint64_t tunnel_id;
	uint32_t flags;
	struct slice data;
};

/*
 * Is there a whole packet at the beginning of what has arrived? 1: yes, in *packet (lent); 0: more
 * must come; -EBADMSG: a length below the header's or above max_bytes, the stream cannot be
 * followed any more; its connection has to be closed.
 */
int packet_frame(struct slice arrived, size_t max_bytes, struct slice *packet);

/* Reads the header of one whole packet, and sets *body behind it. 0; -EBADMSG: foreign magic,
 * version, or a length that is not the packet's */
int packet_header_decode(struct slice packet, struct packet_header *h, struct cursor *body);

/* 0 or -EBADMSG. Slices are lent from the cursor's buffer. */
int req_call_decode(struct cursor *c, struct req_call *m);
int reply_call_decode(struct cursor *c, struct reply_call *m);
int reply_error_decode(struct cursor *c, struct reply_error *m);
int req_message_decode(struct cursor *c, struct req_message *m);
int req_control_decode(struct cursor *c, struct req_control *m);
int reply_control_decode(struct cursor *c, struct reply_control *m);
int req_tunnel_decode(struct cursor *c, struct req_tunnel *m);

/* h: generation, destnode, srcnode and reqid are used */
void req_call_encode(struct writer *w, const struct packet_header *h, const struct req_call *m);
void reply_call_encode(struct writer *w, const struct packet_header *h, const struct reply_call *m);
void reply_error_encode(struct writer *w, const struct packet_header *h,
			const struct reply_error *m);
void req_message_encode(struct writer *w, const struct packet_header *h,
			const struct req_message *m);
void req_control_encode(struct writer *w, const struct packet_header *h,
			const struct req_control *m);
void reply_control_encode(struct writer *w, const struct packet_header *h,
			  const struct reply_control *m);
void req_tunnel_encode(struct writer *w, const struct packet_header *h, const struct req_tunnel *m);

/* Bytes that the encoder writes */
size_t req_call_size(const struct req_call *m);
size_t reply_call_size(const struct reply_call *m);
size_t reply_error_size(const struct reply_error *m);
size_t req_message_size(const struct req_message *m);
size_t req_control_size(const struct req_control *m);
size_t reply_control_size(const struct reply_control *m);
size_t req_tunnel_size(const struct req_tunnel *m);

#endif
