/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * payload_check.c: is a payload what its layout says, to the last byte?
 *
 * layout.def bounds the size of every layout, which settles those of fixed size. The others are
 * walked here by one function each, with the decoders of payload.h.
 */
#include <errno.h>
#include "payload.h"

static void walk_name(struct cursor *c)
{
	char name[256];

	(void)ctdb_name_decode(c, name, sizeof(name));
}

static void walk_vnnmap(struct cursor *c)
{
	struct ctdb_vnnmap m;

	(void)ctdb_vnnmap_decode(c, &m);
}

static void walk_list(struct cursor *c, size_t entry_bytes)
{
	uint32_t n;

	if (ctdb_list_decode(c, entry_bytes, &n) == 0)
		(void)cursor_skip(c, n * entry_bytes);
}

static void walk_dbid_map(struct cursor *c)
{
	walk_list(c, ctdb_db_SIZE);
}

static void walk_node_map(struct cursor *c)
{
	walk_list(c, ctdb_node_SIZE);
}

static void walk_public_ip_list(struct cursor *c)
{
	walk_list(c, ctdb_public_ip_SIZE);
}

static void walk_iface(struct cursor *c)
{
	struct ctdb_iface i;

	(void)ctdb_iface_decode(c, &i);
}

static void walk_ifaces(struct cursor *c, uint32_t n)
{
	for (; n > 0 && !c->failed; n--)
		walk_iface(c);
}

static void walk_iface_list(struct cursor *c)
{
	uint32_t n;

	if (ctdb_list_decode(c, ctdb_iface_SIZE, &n) == 0)
		walk_ifaces(c, n);
}

static void walk_public_ip_info(struct cursor *c)
{
	struct ctdb_public_ip_info i;

	if (ctdb_public_ip_info_decode(c, &i) == 0)
		walk_ifaces(c, i.n);
}

static void walk_addr_info(struct cursor *c)
{
	struct ctdb_addr_info a;

	(void)ctdb_addr_info_decode(c, &a);
}

static void walk_tickle_list(struct cursor *c)
{
	struct ctdb_tickle_list t;

	if (ctdb_tickle_list_decode(c, &t) == 0)
		(void)cursor_skip(c, (size_t)t.n * ctdb_connection_SIZE);
}

static void walk_tunable(struct cursor *c)
{
	struct ctdb_tunable t;

	(void)ctdb_tunable_decode(c, &t);
}

static void walk_var_list(struct cursor *c)
{
	struct slice s;

	if (cursor_block(c, 65536, &s) == 0 && ctdb_text_decode(s) == NULL)
		c->failed = 1;
}

static void walk_rec_data(struct cursor *c)
{
	struct ctdb_rec_data r;

	(void)ctdb_rec_data_decode(c, &r);
}

static void walk_rec_buffer(struct cursor *c)
{
	struct ctdb_rec_buffer b;

	if (ctdb_rec_buffer_decode(c, &b))
		return;
	for (; b.count > 0 && !c->failed; b.count--)
		walk_rec_data(c);
}

static void walk_key_data(struct cursor *c)
{
	struct ctdb_key_data k;

	(void)ctdb_key_data_decode(c, &k);
}

static void walk_notify_data(struct cursor *c)
{
	struct ctdb_notify_data n;

	(void)ctdb_notify_data_decode(c, &n);
}

static void walk_push_record(struct cursor *c)
{
	struct ctdb_push_record p;

	(void)ctdb_push_record_decode(c, &p);
}

static void walk_echo_data(struct cursor *c)
{
	struct ctdb_echo_data e;

	(void)ctdb_echo_data_decode(c, &e);
}

static void walk_statistics_list(struct cursor *c)
{
	uint32_t n;

	if (ctdb_statistics_list_decode(c, &n) == 0)
		(void)cursor_skip(c, (size_t)n * ctdb_statistics_SIZE);
}

static void walk_db_statistics(struct cursor *c)
{
	struct ctdb_db_statistics s;

	if (ctdb_db_statistics_decode(c, &s))
		return;
	for (size_t i = 0; i < sizeof(s.hot_keys) / sizeof(s.hot_keys[0]); i++)
		(void)cursor_skip(c, s.hot_keys[i].key_len);
}

static const struct {
	const char *name;
	uint32_t min_bytes, max_bytes;
	void (*walk)(struct cursor *c);
} layouts[PAYLOAD_LAYOUT_COUNT] = {
#define LAYOUT(id, min, max)                                                                       \
	[PAYLOAD_##id].name = #id, [PAYLOAD_##id].min_bytes = (min),                               \
	[PAYLOAD_##id].max_bytes = (max),
#include "layout.def"
#undef LAYOUT
	[PAYLOAD_NAME].walk = walk_name,
	[PAYLOAD_VNNMAP].walk = walk_vnnmap,
	[PAYLOAD_DBID_MAP].walk = walk_dbid_map,
	[PAYLOAD_NODE_MAP].walk = walk_node_map,
	[PAYLOAD_PUBLIC_IP_LIST].walk = walk_public_ip_list,
	[PAYLOAD_PUBLIC_IP_INFO].walk = walk_public_ip_info,
	[PAYLOAD_IFACE].walk = walk_iface,
	[PAYLOAD_IFACE_LIST].walk = walk_iface_list,
	[PAYLOAD_ADDR_INFO].walk = walk_addr_info,
	[PAYLOAD_TICKLE_LIST].walk = walk_tickle_list,
	[PAYLOAD_TUNABLE].walk = walk_tunable,
	[PAYLOAD_VAR_LIST].walk = walk_var_list,
	[PAYLOAD_REC_DATA].walk = walk_rec_data,
	[PAYLOAD_REC_BUFFER].walk = walk_rec_buffer,
	[PAYLOAD_KEY_DATA].walk = walk_key_data,
	[PAYLOAD_NOTIFY_DATA].walk = walk_notify_data,
	[PAYLOAD_PUSH_RECORD].walk = walk_push_record,
	[PAYLOAD_ECHO_DATA].walk = walk_echo_data,
	[PAYLOAD_STATISTICS_LIST].walk = walk_statistics_list,
	[PAYLOAD_DB_STATISTICS].walk = walk_db_statistics,
};

int payload_check(enum payload_layout layout, struct slice payload)
{
	struct cursor c = cursor_of(payload.p, payload.len);

	if (layout >= PAYLOAD_LAYOUT_COUNT || payload.len < layouts[layout].min_bytes ||
	    payload.len > layouts[layout].max_bytes)
		return -EBADMSG;
	switch (layout) {
	case PAYLOAD_TEXT:
		return ctdb_text_decode(payload) != NULL ? 0 : -EBADMSG;
	case PAYLOAD_REASON:
		return payload.len == 0 || ctdb_text_decode(payload) != NULL ? 0 : -EBADMSG;
	default:
		if (layouts[layout].walk == NULL)
			return 0;
		layouts[layout].walk(&c);
		return cursor_end(&c) ? -EBADMSG : 0;
	}
}

const char *payload_layout_name(enum payload_layout layout)
{
	return layout < PAYLOAD_LAYOUT_COUNT ? layouts[layout].name : "?";
}
