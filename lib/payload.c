/* SPDX-License-Identifier: GPL-3.0-or-later */
/* payload.c: the structures of payload.def, and those with a tail; see payload.h */
#include <errno.h>
#include "payload.h"

static int cursor_i32(struct cursor *c, int32_t *v)
{
	uint32_t u;

	(void)cursor_u32(c, &u);
	*v = (int32_t)u;
	return c->failed;
}

static int cursor_i64(struct cursor *c, int64_t *v)
{
	uint64_t u;

	(void)cursor_u64(c, &u);
	*v = (int64_t)u;
	return c->failed;
}

static int cursor_f64(struct cursor *c, double *v)
{
	uint64_t u;

	(void)cursor_u64(c, &u);
	memcpy(v, &u, sizeof(*v));
	return c->failed;
}

static void writer_f64(struct writer *w, double v)
{
	uint64_t u;

	memcpy(&u, &v, sizeof(u));
	writer_u64(w, u);
}

static void cursor_u32s(struct cursor *c, uint32_t *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)cursor_u32(c, &v[i]);
}

static void writer_u32s(struct writer *w, const uint32_t *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		writer_u32(w, v[i]);
}

/* size bytes with a NUL in them; what is behind it is cleared */
static void cursor_fixed_text(struct cursor *c, char *text, size_t size)
{
	struct slice s;
	size_t len;

	memset(text, 0, size);
	if (cursor_bytes(c, size, &s))
		return;
	len = strnlen((const char *)s.p, size);
	if (len == size)
		c->failed = 1;
	else
		memcpy(text, s.p, len);
}

static void writer_fixed_text(struct writer *w, const char *text, size_t size)
{
	size_t len = strnlen(text, size - 1);

	writer_bytes(w, text, len);
	writer_zero(w, size - len);
}

#define STRUCT(name, bytes)                                                                        \
	int name##_decode(struct cursor *c, struct name *v)                                        \
	{                                                                                          \
		memset(v, 0, sizeof(*v));
#define END(name)                                                                                  \
	return c->failed ? -EBADMSG : 0;                                                           \
	}
#define U8(field)	     (void)cursor_u8(c, &v->field);
#define U16(field)	     (void)cursor_u16(c, &v->field);
#define U32(field)	     (void)cursor_u32(c, &v->field);
#define I32(field)	     (void)cursor_i32(c, &v->field);
#define U64(field)	     (void)cursor_u64(c, &v->field);
#define I64(field)	     (void)cursor_i64(c, &v->field);
#define F64(field)	     (void)cursor_f64(c, &v->field);
#define U32S(field, n)	     cursor_u32s(c, v->field, n);
#define TEXT(field, n)	     cursor_fixed_text(c, v->field, n);
#define OF(structure, field) (void)structure##_decode(c, &v->field);
#define OFS(structure, field, n)                                                                   \
	for (size_t i = 0; i < (n); i++)                                                           \
		(void)structure##_decode(c, &v->field[i]);
#define PAD(bytes) (void)cursor_skip(c, bytes);
#include "payload.def"
#include "payload_undef.h"

#define STRUCT(name, bytes)                                                                        \
	void name##_encode(struct writer *w, const struct name *v)                                 \
	{
#define END(name)	     }
#define U8(field)	     writer_u8(w, v->field);
#define U16(field)	     writer_u16(w, v->field);
#define U32(field)	     writer_u32(w, v->field);
#define I32(field)	     writer_u32(w, (uint32_t)v->field);
#define U64(field)	     writer_u64(w, v->field);
#define I64(field)	     writer_u64(w, (uint64_t)v->field);
#define F64(field)	     writer_f64(w, v->field);
#define U32S(field, n)	     writer_u32s(w, v->field, n);
#define TEXT(field, n)	     writer_fixed_text(w, v->field, n);
#define OF(structure, field) structure##_encode(w, &v->field);
#define OFS(structure, field, n)                                                                   \
	for (size_t i = 0; i < (n); i++)                                                           \
		structure##_encode(w, &v->field[i]);
#define PAD(bytes) writer_zero(w, bytes);
#include "payload.def"
#include "payload_undef.h"

int ctdb_list_decode(struct cursor *c, size_t entry_bytes, uint32_t *n)
{
	if (cursor_u32(c, n))
		return -EBADMSG;
	if (*n > c->left / entry_bytes) {
		c->failed = 1;
		*n = 0;
		return -EBADMSG;
	}
	return 0;
}

const char *ctdb_text_decode(struct slice payload)
{
	if (payload.len == 0 || memchr(payload.p, '\0', payload.len) != payload.p + payload.len - 1)
		return NULL;
	return (const char *)payload.p;
}

void ctdb_text_encode(struct writer *w, const char *text)
{
	writer_bytes(w, text, strlen(text) + 1);
}

int ctdb_name_decode(struct cursor *c, char *text, size_t size)
{
	struct slice s;

	text[0] = '\0';
	if (cursor_block(c, size, &s))
		return -EBADMSG;
	if (s.len > 0 && s.p[s.len - 1] == '\0')
		s.len--;
	if (s.len >= size || (s.len > 0 && memchr(s.p, '\0', s.len) != NULL)) {
		c->failed = 1;
		return -EBADMSG;
	}
	if (s.len > 0)
		memcpy(text, s.p, s.len);
	text[s.len] = '\0';
	return 0;
}

void ctdb_name_encode(struct writer *w, const char *text)
{
	writer_block(w, text, strlen(text) + 1);
}

int ctdb_vnnmap_decode(struct cursor *c, struct ctdb_vnnmap *m)
{
	if (cursor_u32(c, &m->generation) || ctdb_list_decode(c, 4, &m->size_n))
		return -EBADMSG;
	m->pnns = cursor_of(c->p, 4 * (size_t)m->size_n);
	return cursor_skip(c, 4 * (size_t)m->size_n) ? -EBADMSG : 0;
}

void ctdb_vnnmap_encode(struct writer *w, uint32_t generation, const uint32_t *pnns, uint32_t n)
{
	writer_u32(w, generation);
	writer_u32(w, n);
	writer_u32s(w, pnns, n);
}

int ctdb_tunable_decode(struct cursor *c, struct ctdb_tunable *t)
{
	return cursor_u32(c, &t->value) || ctdb_name_decode(c, t->name, sizeof(t->name)) ? -EBADMSG
											 : 0;
}

void ctdb_tunable_encode(struct writer *w, const struct ctdb_tunable *t)
{
	writer_u32(w, t->value);
	ctdb_name_encode(w, t->name);
}

#define REC_DATA_FIXED 16

size_t ctdb_rec_data_size(const struct ctdb_rec_data *r)
{
	return REC_DATA_FIXED + r->key.len + r->data.len;
}

int ctdb_rec_data_decode(struct cursor *c, struct ctdb_rec_data *r)
{
	uint32_t length, keylen, datalen;

	if (cursor_u32(c, &length) || cursor_u32(c, &r->reqid) || cursor_u32(c, &keylen) ||
	    cursor_u32(c, &datalen) || cursor_bytes(c, keylen, &r->key) ||
	    cursor_bytes(c, datalen, &r->data))
		return -EBADMSG;
	if (length != ctdb_rec_data_size(r)) {
		c->failed = 1;
		return -EBADMSG;
	}
	return 0;
}

void ctdb_rec_data_encode(struct writer *w, const struct ctdb_rec_data *r)
{
	if (ctdb_rec_data_size(r) > UINT32_MAX) {
		w->failed = 1;
		return;
	}
	writer_u32(w, (uint32_t)ctdb_rec_data_size(r));
	writer_u32(w, r->reqid);
	writer_u32(w, (uint32_t)r->key.len);
	writer_u32(w, (uint32_t)r->data.len);
	writer_bytes(w, r->key.p, r->key.len);
	writer_bytes(w, r->data.p, r->data.len);
}

int ctdb_rec_buffer_decode(struct cursor *c, struct ctdb_rec_buffer *b)
{
	return cursor_u32(c, &b->db_id) || ctdb_list_decode(c, REC_DATA_FIXED, &b->count) ? -EBADMSG
											  : 0;
}

void ctdb_rec_buffer_encode(struct writer *w, const struct ctdb_rec_buffer *b)
{
	writer_u32(w, b->db_id);
	writer_u32(w, b->count);
}

int ctdb_record_split(struct slice data, struct ctdb_record_header *h, struct slice *body)
{
	struct cursor c = cursor_of(data.p, data.len);

	if (ctdb_record_header_decode(&c, h))
		return -EBADMSG;
	*body = slice_of(c.p, c.left);
	return 0;
}

int ctdb_key_data_decode(struct cursor *c, struct ctdb_key_data *k)
{
	return cursor_u32(c, &k->db_id) || cursor_skip(c, 4) ||
		       ctdb_record_header_decode(c, &k->header) ||
		       cursor_block(c, CTDB_MAX_KEY, &k->key)
		   ? -EBADMSG
		   : 0;
}

void ctdb_key_data_encode(struct writer *w, const struct ctdb_key_data *k)
{
	writer_u32(w, k->db_id);
	writer_zero(w, 4);
	ctdb_record_header_encode(w, &k->header);
	writer_block(w, k->key.p, k->key.len);
}

int ctdb_notify_data_decode(struct cursor *c, struct ctdb_notify_data *n)
{
	return cursor_u64(c, &n->srvid) || cursor_block(c, CTDB_MAX_PACKET, &n->data) ? -EBADMSG
										      : 0;
}

void ctdb_notify_data_encode(struct writer *w, const struct ctdb_notify_data *n)
{
	writer_u64(w, n->srvid);
	writer_block(w, n->data.p, n->data.len);
}

int ctdb_push_record_decode(struct cursor *c, struct ctdb_push_record *p)
{
	return cursor_u32(c, &p->generation) || cursor_u32(c, &p->db_id) ||
		       ctdb_record_header_decode(c, &p->header) ||
		       cursor_block(c, CTDB_MAX_KEY, &p->key) ||
		       cursor_block(c, CTDB_MAX_PACKET, &p->value)
		   ? -EBADMSG
		   : 0;
}

void ctdb_push_record_encode(struct writer *w, const struct ctdb_push_record *p)
{
	writer_u32(w, p->generation);
	writer_u32(w, p->db_id);
	ctdb_record_header_encode(w, &p->header);
	writer_block(w, p->key.p, p->key.len);
	writer_block(w, p->value.p, p->value.len);
}

int ctdb_addr_info_decode(struct cursor *c, struct ctdb_addr_info *a)
{
	return ctdb_address_decode(c, &a->address) || cursor_u32(c, &a->mask) ||
		       ctdb_name_decode(c, a->iface, sizeof(a->iface))
		   ? -EBADMSG
		   : 0;
}

void ctdb_addr_info_encode(struct writer *w, const struct ctdb_addr_info *a)
{
	ctdb_address_encode(w, &a->address);
	writer_u32(w, a->mask);
	if (a->iface[0] == '\0')
		writer_u32(w, 0);
	else
		ctdb_name_encode(w, a->iface);
}

int ctdb_tickle_list_decode(struct cursor *c, struct ctdb_tickle_list *t)
{
	return ctdb_address_decode(c, &t->address) ||
		       ctdb_list_decode(c, ctdb_connection_SIZE, &t->n)
		   ? -EBADMSG
		   : 0;
}

void ctdb_tickle_list_encode(struct writer *w, const struct ctdb_tickle_list *t)
{
	ctdb_address_encode(w, &t->address);
	writer_u32(w, t->n);
}

int ctdb_public_ip_info_decode(struct cursor *c, struct ctdb_public_ip_info *i)
{
	return ctdb_public_ip_decode(c, &i->ip) || cursor_u32(c, &i->active_idx) ||
		       ctdb_list_decode(c, ctdb_iface_SIZE, &i->n)
		   ? -EBADMSG
		   : 0;
}

void ctdb_public_ip_info_encode(struct writer *w, const struct ctdb_public_ip_info *i)
{
	ctdb_public_ip_encode(w, &i->ip);
	writer_u32(w, i->active_idx);
	writer_u32(w, i->n);
}

int ctdb_echo_data_decode(struct cursor *c, struct ctdb_echo_data *e)
{
	return cursor_u32(c, &e->timeout) || cursor_block(c, CTDB_MAX_PACKET, &e->data) ? -EBADMSG
											: 0;
}

void ctdb_echo_data_encode(struct writer *w, const struct ctdb_echo_data *e)
{
	writer_u32(w, e->timeout);
	writer_block(w, e->data.p, e->data.len);
}

int ctdb_statistics_list_decode(struct cursor *c, uint32_t *n)
{
	if (cursor_u32(c, n) || cursor_skip(c, 4) || *n > c->left / ctdb_statistics_SIZE) {
		c->failed = 1;
		*n = 0;
		return -EBADMSG;
	}
	return 0;
}

void ctdb_statistics_list_encode(struct writer *w, uint32_t n)
{
	writer_u32(w, n);
	writer_zero(w, 4);
}
