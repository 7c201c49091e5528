/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * decode_all.c: the decoders of lib/ for tests with any bytes.
 *
 * Beyond not reading outside (which sanitizers notice), each one must keep a promise: what has
 * been decoded is encoded to bytes that decode to the same again.
 */
#include <stdio.h>
#include <stdlib.h>
#include "lib/codec.h"
#include "decode_all.h"

static void broken(const char *what)
{
	fprintf(stderr, "%s: a promise is broken\n", what);
	abort();
}

/* ---- packets --------------------------------------------------------------------------------- */

/* The body of a packet of one operation; its size must be enough for what was decoded */
#define PACKET(name, longest)                                                                      \
	static void decode_##name(const uint8_t *p, size_t len)                                    \
	{                                                                                          \
		struct cursor c = cursor_of(p, len);                                               \
		struct packet_header h = { .reqid = 1 }, got;                                      \
		struct name m, again;                                                              \
		struct slice packet;                                                               \
		struct writer w;                                                                   \
		size_t size;                                                                       \
                                                                                                   \
		if (name##_decode(&c, &m) != 0)                                                    \
			return;                                                                    \
		size = name##_size(&m);                                                            \
		if (size < CTDB_HEADER_SIZE || size % CTDB_PADDING != 0 || size > len + (longest)) \
			broken(#name "_size");                                                     \
		w = writer_of(malloc(size), size);                                                 \
		if (w.p == NULL)                                                                   \
			return;                                                                    \
		name##_encode(&w, &h, &m);                                                         \
		if (w.failed || w.len != size ||                                                   \
		    packet_frame(slice_of(w.p, w.len), CTDB_MAX_PACKET, &packet) != 1 ||           \
		    packet_header_decode(packet, &got, &c) != 0 || name##_decode(&c, &again) != 0) \
			broken(#name);                                                             \
		free(w.p);                                                                         \
	}
PACKET(req_call, 64)
PACKET(reply_call, 64)
PACKET(reply_error, 64)
PACKET(req_message, 64)
PACKET(req_control, 64)
PACKET(reply_control, 64)
PACKET(req_tunnel, 64)

static void decode_packet(const uint8_t *p, size_t len)
{
	struct packet_header h;
	struct cursor c;
	struct slice packet;

	if (packet_frame(slice_of(p, len), CTDB_MAX_PACKET, &packet) != 1 ||
	    packet_header_decode(packet, &h, &c) != 0)
		return;
	switch (h.operation) {
	case CTDB_REQ_CALL:
		decode_req_call(c.p, c.left);
		break;
	case CTDB_REPLY_CALL:
		decode_reply_call(c.p, c.left);
		break;
	case CTDB_REPLY_ERROR:
		decode_reply_error(c.p, c.left);
		break;
	case CTDB_REQ_MESSAGE:
		decode_req_message(c.p, c.left);
		break;
	case CTDB_REQ_CONTROL:
		decode_req_control(c.p, c.left);
		break;
	case CTDB_REPLY_CONTROL:
		decode_reply_control(c.p, c.left);
		break;
	case CTDB_REQ_TUNNEL:
		decode_req_tunnel(c.p, c.left);
		break;
	default:
		break;
	}
}

/* ---- payloads ----------------------------------------------------------------------------------
 */

/* One structure, then as many more of it as a list says */
#define AGAIN(name)                                                                                \
	static void again_##name(struct cursor *c, struct writer *w)                               \
	{                                                                                          \
		struct name v;                                                                     \
                                                                                                   \
		if (name##_decode(c, &v) == 0)                                                     \
			name##_encode(w, &v);                                                      \
	}
AGAIN(ctdb_address)
AGAIN(ctdb_connection)
AGAIN(ctdb_node)
AGAIN(ctdb_db)
AGAIN(ctdb_node_flag_change)
AGAIN(ctdb_ban_state)
AGAIN(ctdb_uptime)
AGAIN(ctdb_public_ip)
AGAIN(ctdb_iface)
AGAIN(ctdb_traverse_start)
AGAIN(ctdb_traverse_start_ext)
AGAIN(ctdb_traverse_all)
AGAIN(ctdb_traverse_all_ext)
AGAIN(ctdb_pulldb_ext)
AGAIN(ctdb_transdb)
AGAIN(ctdb_db_seqnum)
AGAIN(ctdb_vacuum)
AGAIN(ctdb_pid_srvid)
AGAIN(ctdb_statistics)
AGAIN(ctdb_tunable)
AGAIN(ctdb_rec_data)
AGAIN(ctdb_key_data)
AGAIN(ctdb_notify_data)
AGAIN(ctdb_push_record)
AGAIN(ctdb_addr_info)
AGAIN(ctdb_echo_data)

static void again_list(struct cursor *c, struct writer *w, size_t entry_bytes,
		       void (*again)(struct cursor *, struct writer *))
{
	uint32_t n;

	if (ctdb_list_decode(c, entry_bytes, &n))
		return;
	writer_u32(w, n);
	for (; n > 0 && !c->failed; n--)
		again(c, w);
}

static void again_dbid_map(struct cursor *c, struct writer *w)
{
	again_list(c, w, ctdb_db_SIZE, again_ctdb_db);
}

static void again_node_map(struct cursor *c, struct writer *w)
{
	again_list(c, w, ctdb_node_SIZE, again_ctdb_node);
}

static void again_public_ip_list(struct cursor *c, struct writer *w)
{
	again_list(c, w, ctdb_public_ip_SIZE, again_ctdb_public_ip);
}

static void again_iface_list(struct cursor *c, struct writer *w)
{
	again_list(c, w, ctdb_iface_SIZE, again_ctdb_iface);
}

static void again_vnnmap(struct cursor *c, struct writer *w)
{
	struct ctdb_vnnmap m;
	uint32_t pnn;

	if (ctdb_vnnmap_decode(c, &m))
		return;
	ctdb_vnnmap_encode(w, m.generation, NULL, 0);
	w->len -= 4;
	writer_u32(w, m.size_n);
	for (uint32_t i = 0; i < m.size_n && cursor_u32(&m.pnns, &pnn) == 0; i++)
		writer_u32(w, pnn);
}

static void again_rec_buffer(struct cursor *c, struct writer *w)
{
	struct ctdb_rec_buffer b;

	if (ctdb_rec_buffer_decode(c, &b))
		return;
	ctdb_rec_buffer_encode(w, &b);
	for (; b.count > 0 && !c->failed; b.count--)
		again_ctdb_rec_data(c, w);
}

static void again_tickle_list(struct cursor *c, struct writer *w)
{
	struct ctdb_tickle_list t;

	if (ctdb_tickle_list_decode(c, &t))
		return;
	ctdb_tickle_list_encode(w, &t);
	for (; t.n > 0 && !c->failed; t.n--)
		again_ctdb_connection(c, w);
}

static void again_public_ip_info(struct cursor *c, struct writer *w)
{
	struct ctdb_public_ip_info i;

	if (ctdb_public_ip_info_decode(c, &i))
		return;
	ctdb_public_ip_info_encode(w, &i);
	for (; i.n > 0 && !c->failed; i.n--)
		again_ctdb_iface(c, w);
}

static void again_statistics_list(struct cursor *c, struct writer *w)
{
	uint32_t n;

	if (ctdb_statistics_list_decode(c, &n))
		return;
	ctdb_statistics_list_encode(w, n);
	for (; n > 0 && !c->failed; n--)
		again_ctdb_statistics(c, w);
}

static void again_db_statistics(struct cursor *c, struct writer *w)
{
	struct ctdb_db_statistics s;

	if (ctdb_db_statistics_decode(c, &s))
		return;
	ctdb_db_statistics_encode(w, &s);
	for (size_t i = 0; i < sizeof(s.hot_keys) / sizeof(s.hot_keys[0]); i++) {
		struct slice key;

		if (cursor_bytes(c, s.hot_keys[i].key_len, &key) == 0)
			writer_bytes(w, key.p, key.len);
	}
}

static void again_name(struct cursor *c, struct writer *w)
{
	char name[256];

	if (ctdb_name_decode(c, name, sizeof(name)) == 0)
		ctdb_name_encode(w, name);
}

static void (*const again[PAYLOAD_LAYOUT_COUNT])(struct cursor *, struct writer *) = {
	[PAYLOAD_DB_SEQNUM] = again_ctdb_db_seqnum,
	[PAYLOAD_VACUUM] = again_ctdb_vacuum,
	[PAYLOAD_PID_SRVID] = again_ctdb_pid_srvid,
	[PAYLOAD_NAME] = again_name,
	[PAYLOAD_SOCKADDR] = again_ctdb_address,
	[PAYLOAD_CONNECTION] = again_ctdb_connection,
	[PAYLOAD_VNNMAP] = again_vnnmap,
	[PAYLOAD_DBID_MAP] = again_dbid_map,
	[PAYLOAD_NODE_MAP] = again_node_map,
	[PAYLOAD_NODE_FLAG_CHANGE] = again_ctdb_node_flag_change,
	[PAYLOAD_BAN_STATE] = again_ctdb_ban_state,
	[PAYLOAD_UPTIME] = again_ctdb_uptime,
	[PAYLOAD_PUBLIC_IP] = again_ctdb_public_ip,
	[PAYLOAD_PUBLIC_IP_LIST] = again_public_ip_list,
	[PAYLOAD_PUBLIC_IP_INFO] = again_public_ip_info,
	[PAYLOAD_IFACE] = again_ctdb_iface,
	[PAYLOAD_IFACE_LIST] = again_iface_list,
	[PAYLOAD_ADDR_INFO] = again_ctdb_addr_info,
	[PAYLOAD_TICKLE_LIST] = again_tickle_list,
	[PAYLOAD_TUNABLE] = again_ctdb_tunable,
	[PAYLOAD_TRAVERSE_START] = again_ctdb_traverse_start,
	[PAYLOAD_TRAVERSE_START_EXT] = again_ctdb_traverse_start_ext,
	[PAYLOAD_TRAVERSE_ALL] = again_ctdb_traverse_all,
	[PAYLOAD_TRAVERSE_ALL_EXT] = again_ctdb_traverse_all_ext,
	[PAYLOAD_REC_DATA] = again_ctdb_rec_data,
	[PAYLOAD_REC_BUFFER] = again_rec_buffer,
	[PAYLOAD_PULLDB_EXT] = again_ctdb_pulldb_ext,
	[PAYLOAD_TRANSDB] = again_ctdb_transdb,
	[PAYLOAD_KEY_DATA] = again_ctdb_key_data,
	[PAYLOAD_NOTIFY_DATA] = again_ctdb_notify_data,
	[PAYLOAD_PUSH_RECORD] = again_ctdb_push_record,
	[PAYLOAD_ECHO_DATA] = again_ctdb_echo_data,
	[PAYLOAD_STATISTICS] = again_ctdb_statistics,
	[PAYLOAD_STATISTICS_LIST] = again_statistics_list,
	[PAYLOAD_DB_STATISTICS] = again_db_statistics,
};

bool payload_again(enum payload_layout layout, struct slice payload, struct writer *w)
{
	struct cursor c = cursor_of(payload.p, payload.len);
	bool is_valid = payload_check(layout, payload) == 0;

	if (again[layout] == NULL)
		return false;
	again[layout](&c, w);
	if (is_valid && cursor_end(&c))
		broken(payload_layout_name(layout));
	/* texts of a length with or without NUL, of at most their field, are the only difference */
	if (is_valid && !w->failed && w->len > payload.len + 8)
		broken(payload_layout_name(layout));
	return true;
}

static void decode_layout(enum payload_layout layout, const uint8_t *p, size_t len)
{
	size_t size = len + 1024;
	struct writer w = writer_of(malloc(size), size), w2 = writer_of(malloc(size), size);

	if (w.p == NULL || w2.p == NULL)
		abort();
	/* What was encoded from a good payload is one, and the same once more */
	if (payload_again(layout, slice_of(p, len), &w) &&
	    payload_check(layout, slice_of(p, len)) == 0 && !w.failed) {
		if (payload_check(layout, slice_of(w.p, w.len)) != 0)
			broken(payload_layout_name(layout));
		(void)payload_again(layout, slice_of(w.p, w.len), &w2);
		if (w2.failed || !slice_equal(slice_of(w.p, w.len), slice_of(w2.p, w2.len)))
			broken(payload_layout_name(layout));
	}
	free(w.p);
	free(w2.p);
}

#define LAYOUT(id, min_bytes, max_bytes)                                                           \
	static void decode_##id(const uint8_t *p, size_t len)                                      \
	{                                                                                          \
		decode_layout(PAYLOAD_##id, p, len);                                               \
	}
#include "lib/layout.def"
#undef LAYOUT

const struct decode_target decode_targets[] = {
	{ "packet", decode_packet },
	{ "req_call", decode_req_call },
	{ "reply_call", decode_reply_call },
	{ "reply_error", decode_reply_error },
	{ "req_message", decode_req_message },
	{ "req_control", decode_req_control },
	{ "reply_control", decode_reply_control },
	{ "req_tunnel", decode_req_tunnel },
#define LAYOUT(id, min_bytes, max_bytes) { #id, decode_##id },
#include "lib/layout.def"
#undef LAYOUT
};
const size_t decode_targets_n = sizeof(decode_targets) / sizeof(decode_targets[0]);

void decode_all(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < decode_targets_n; i++)
		decode_targets[i].decode(p, len);
	/* Payloads begin behind a packet's fixed part */
	if (len > 60) {
		for (size_t i = 0; i < PAYLOAD_LAYOUT_COUNT; i++) {
			decode_layout((enum payload_layout)i, p + 60, len - 60);
			decode_layout((enum payload_layout)i, p + 44, len - 44);
		}
	}
}
