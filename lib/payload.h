/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * payload.h: what is inside the payload of controls and of CTDB's own messages.
 *
 * Structures of fixed size are made from payload.def: struct NAME, NAME_decode(), NAME_encode()
 * and NAME_SIZE bytes. Those with a tail of their own (records, lists, names) follow below.
 * Decoders answer 0 or -EBADMSG and lend their slices from the cursor's buffer; nothing here
 * allocates. Trailing bytes are the caller's matter: cursor_end(), or payload_check() before.
 */
#ifndef COTDB_PAYLOAD_H
#define COTDB_PAYLOAD_H

#include "cursor.h"
#include "protocol.h"

/* An address and port, 28 bytes: sockaddr_in or sockaddr_in6 */
struct ctdb_address {
	uint16_t family; /* AF_INET or AF_INET6; anything else is carried with no address in it */
	uint16_t port;	 /* in host order */
	uint8_t ip[16];	 /* 4 or 16 bytes in network order, the rest 0 */
	uint32_t flowinfo, scope_id; /* IPv6 only; flowinfo as it is on the wire */
};
#define ctdb_address_SIZE 28
#define CTDB_ADDRESS_TEXT_SIZE 64
int ctdb_address_decode(struct cursor *c, struct ctdb_address *a);
void ctdb_address_encode(struct writer *w, const struct ctdb_address *a);
/* From "192.0.2.1" or "2001:db8::1"; IPv4 in IPv6 becomes IPv4. 0 or -EINVAL */
int ctdb_address_parse(struct ctdb_address *a, const char *text, uint16_t port);
/* Without the port; "" for an unknown family */
void ctdb_address_text(const struct ctdb_address *a, char text[CTDB_ADDRESS_TEXT_SIZE]);
/* Same family, address and port (never compare the bytes: Samba leaves rubbish in their tail) */
bool ctdb_address_equal(const struct ctdb_address *a, const struct ctdb_address *b);

#define STRUCT(name, bytes)	      struct name {
#define END(name)		      };
#define U8(field)		      uint8_t field;
#define U16(field)		      uint16_t field;
#define U32(field)		      uint32_t field;
#define I32(field)		      int32_t field;
#define U64(field)		      uint64_t field;
#define I64(field)		      int64_t field;
#define F64(field)		      double field;
#define U32S(field, n)		      uint32_t field[n];
#define TEXT(field, n)		      char field[n];
#define OF(structure, field)	      struct structure field;
#define OFS(structure, field, n)      struct structure field[n];
#define PAD(bytes)
#include "payload.def"
#include "payload_undef.h"

#define STRUCT(name, bytes)                                                                        \
	enum { name##_SIZE = (bytes) };                                                            \
	int name##_decode(struct cursor *c, struct name *v);                                       \
	void name##_encode(struct writer *w, const struct name *v);
#define END(name)
#define U8(field)
#define U16(field)
#define U32(field)
#define I32(field)
#define U64(field)
#define I64(field)
#define F64(field)
#define U32S(field, n)
#define TEXT(field, n)
#define OF(structure, field)
#define OFS(structure, field, n)
#define PAD(bytes)
#include "payload.def"
#include "payload_undef.h"

/*
 * Lists: u32 number, then that many entries of fixed size: PAYLOAD_NODE_MAP (ctdb_node),
 * PAYLOAD_DBID_MAP (ctdb_db), PAYLOAD_PUBLIC_IP_LIST (ctdb_public_ip), PAYLOAD_IFACE_LIST
 * (ctdb_iface), the PNNs of a vnnmap. Reads the number and fails when so many entries of
 * entry_bytes are not there; then decode each. To encode: writer_u32(), and each.
 */
int ctdb_list_decode(struct cursor *c, size_t entry_bytes, uint32_t *n);

/* Text that fills a payload up to its only NUL: the text, lent, or NULL when it is none */
const char *ctdb_text_decode(struct slice payload);
void ctdb_text_encode(struct writer *w, const char *text);
/* u32 length with NUL, text, NUL; when decoding the NUL may be missing. Copied to text. */
int ctdb_name_decode(struct cursor *c, char *text, size_t size);
void ctdb_name_encode(struct writer *w, const char *text);

/* generation, then a list of size_n PNNs */
struct ctdb_vnnmap {
	uint32_t generation, size_n;
	struct cursor pnns; /* to read the PNNs with cursor_u32() */
};
int ctdb_vnnmap_decode(struct cursor *c, struct ctdb_vnnmap *m);
void ctdb_vnnmap_encode(struct writer *w, uint32_t generation, const uint32_t *pnns, uint32_t n);

/* SET_TUNABLE */
struct ctdb_tunable {
	uint32_t value;
	char name[64];
};
int ctdb_tunable_decode(struct cursor *c, struct ctdb_tunable *t);
void ctdb_tunable_encode(struct writer *w, const struct ctdb_tunable *t);

/* One record in a rec_buffer, in a traverse, or in TRAVERSE_DATA. When a record header belongs to
 * it, it is the first 24 bytes of data. */
struct ctdb_rec_data {
	uint32_t reqid;
	struct slice key, data;
};
size_t ctdb_rec_data_size(const struct ctdb_rec_data *r);
int ctdb_rec_data_decode(struct cursor *c, struct ctdb_rec_data *r);
void ctdb_rec_data_encode(struct writer *w, const struct ctdb_rec_data *r);

/* Many records of one database: this, then count times ctdb_rec_data with no gaps */
struct ctdb_rec_buffer {
	uint32_t db_id, count;
};
int ctdb_rec_buffer_decode(struct cursor *c, struct ctdb_rec_buffer *b);
void ctdb_rec_buffer_encode(struct writer *w, const struct ctdb_rec_buffer *b);

/* Splits data into header and body; -EBADMSG when it is shorter than a header */
int ctdb_record_split(struct slice data, struct ctdb_record_header *h, struct slice *body);

/* SCHEDULE_FOR_DELETION */
struct ctdb_key_data {
	uint32_t db_id;
	struct ctdb_record_header header;
	struct slice key;
};
int ctdb_key_data_decode(struct cursor *c, struct ctdb_key_data *k);
void ctdb_key_data_encode(struct writer *w, const struct ctdb_key_data *k);

/* REGISTER_NOTIFY */
struct ctdb_notify_data {
	uint64_t srvid;
	struct slice data;
};
int ctdb_notify_data_decode(struct cursor *c, struct ctdb_notify_data *n);
void ctdb_notify_data_encode(struct writer *w, const struct ctdb_notify_data *n);

/* PUSH_RECORD */
struct ctdb_push_record {
	uint32_t generation, db_id;
	struct ctdb_record_header header;
	struct slice key, value;
};
int ctdb_push_record_decode(struct cursor *c, struct ctdb_push_record *p);
void ctdb_push_record_encode(struct writer *w, const struct ctdb_push_record *p);

/* ADD_PUBLIC_IP, DEL_PUBLIC_IP, SEND_GRATUITOUS_ARP */
struct ctdb_addr_info {
	struct ctdb_address address;
	uint32_t mask;
	char iface[18]; /* "" when none is named */
};
int ctdb_addr_info_decode(struct cursor *c, struct ctdb_addr_info *a);
void ctdb_addr_info_encode(struct writer *w, const struct ctdb_addr_info *a);

/* GET_TCP_TICKLE_LIST: this, then n connections */
struct ctdb_tickle_list {
	struct ctdb_address address;
	uint32_t n;
};
int ctdb_tickle_list_decode(struct cursor *c, struct ctdb_tickle_list *t);
void ctdb_tickle_list_encode(struct writer *w, const struct ctdb_tickle_list *t);

/* GET_PUBLIC_IP_INFO: this, then n interfaces */
struct ctdb_public_ip_info {
	struct ctdb_public_ip ip;
	uint32_t active_idx; /* 0xFFFFFFFF: on none */
	uint32_t n;
};
int ctdb_public_ip_info_decode(struct cursor *c, struct ctdb_public_ip_info *i);
void ctdb_public_ip_info_encode(struct writer *w, const struct ctdb_public_ip_info *i);

/* ECHO_DATA: the same bytes come back */
struct ctdb_echo_data {
	uint32_t timeout;
	struct slice data;
};
int ctdb_echo_data_decode(struct cursor *c, struct ctdb_echo_data *e);
void ctdb_echo_data_encode(struct writer *w, const struct ctdb_echo_data *e);

/* GET_STAT_HISTORY: u32 number and padding, then that many ctdb_statistics */
int ctdb_statistics_list_decode(struct cursor *c, uint32_t *n);
void ctdb_statistics_list_encode(struct writer *w, uint32_t n);

/*
 * Is this payload one of that layout, to its last byte? 0 or -EBADMSG. Sizes, counts, inner
 * lengths and the NULs of texts are checked; what the numbers mean is not.
 */
int payload_check(enum payload_layout layout, struct slice payload);
const char *payload_layout_name(enum payload_layout layout);

#endif
