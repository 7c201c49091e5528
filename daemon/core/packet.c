/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * packet.c: what travels between two nodes. A header of 32 bytes
 *
 *   u32 length   u8 type   3 x 0   u32 generation   u32 0   u64 seq   u64 ack
 *
 * and the fields listed at enum packet_type. Little endian. Packets of the record protocol belong
 * to a generation; messages do not (0).
 */
#include <errno.h>
#include <stdlib.h>
#include "internal.h"

static bool packet_is_traverse(uint8_t type)
{
	return type >= PACKET_TRAVERSE_ASK && type <= PACKET_TRAVERSE_END;
}

bool packet_is_record(uint8_t type)
{
	return (type >= PACKET_REQUEST && type <= PACKET_DONE) || packet_is_traverse(type) ||
	       packet_is_commit(type) || packet_is_vacuum(type) ||
	       (type >= PACKET_PUSH && type <= PACKET_DRAINED);
}

bool packet_is_vacuum(uint8_t type)
{
	return type >= PACKET_RETURN && type <= PACKET_ERASED;
}

/* Of those that belong to a generation: it is about one */
bool packet_has_db(uint8_t type)
{
	return type != PACKET_DONE && type != PACKET_DRAIN && type != PACKET_DRAINED;
}

bool packet_is_commit(uint8_t type)
{
	return type >= PACKET_PREPARE && type <= PACKET_PART;
}

static int traverse_decode(struct cursor *c, struct packet *p)
{
	if (cursor_u32(c, &p->db_id) || cursor_u64(c, &p->ticket) || cursor_u32(c, &p->round))
		return 1;
	switch (p->type) {
	case PACKET_TRAVERSE_ASK:
	case PACKET_TRAVERSE_END:
		return cursor_u32(c, &p->chain) || cursor_u8(c, &p->mode);
	case PACKET_TRAVERSE_RECORDS: /* the entries are checked as they are read */
		return cursor_u32(c, &p->n) || cursor_bytes(c, c->left, &p->data);
	default:
		return 0;
	}
}

static int fields_decode(struct cursor *c, struct packet *p)
{
	if (packet_is_traverse(p->type))
		return traverse_decode(c, p);
	switch (p->type) {
	case PACKET_ACK:
	case PACKET_DONE:
	case PACKET_PROBE:
		return 0;
	case PACKET_REQUEST:
	case PACKET_BOUNCE:
		return cursor_u32(c, &p->db_id) || cursor_u32(c, &p->orig) ||
		       cursor_block(c, CORE_MAX_KEY, &p->key);
	case PACKET_FORWARD:
		return cursor_u32(c, &p->db_id) || cursor_u32(c, &p->orig) ||
		       cursor_u64(c, &p->rsn) || cursor_u8(c, &p->is_definitive) ||
		       cursor_block(c, CORE_MAX_KEY, &p->key);
	case PACKET_GRANT:
	case PACKET_COPY:
		return cursor_u32(c, &p->db_id) || cursor_u64(c, &p->rsn) ||
		       cursor_u32(c, &p->flags) || cursor_block(c, CORE_MAX_KEY, &p->key) ||
		       cursor_block(c, CORE_MAX_RECORD, &p->data);
	case PACKET_PUSH:
		return cursor_u32(c, &p->db_id) || cursor_u64(c, &p->ticket) ||
		       cursor_u64(c, &p->rsn) || cursor_u32(c, &p->flags) ||
		       cursor_block(c, CORE_MAX_KEY, &p->key) ||
		       cursor_block(c, CORE_MAX_RECORD, &p->data);
	case PACKET_PUSHED:
		return cursor_u32(c, &p->db_id) || cursor_u64(c, &p->ticket);
	case PACKET_DRAIN:
		return cursor_u64(c, &p->ticket) || cursor_u8(c, &p->mode);
	case PACKET_DRAINED:
		return cursor_u64(c, &p->ticket);
	case PACKET_REFUSED:
	case PACKET_REVOKE:
	case PACKET_REVOKED:
	case PACKET_UNCOPY:
	case PACKET_WHOHAS:
		return cursor_u32(c, &p->db_id) || cursor_block(c, CORE_MAX_KEY, &p->key);
	case PACKET_LOCATION:
		return cursor_u32(c, &p->db_id) || cursor_u32(c, &p->dmaster) ||
		       cursor_u64(c, &p->rsn) || cursor_block(c, CORE_MAX_KEY, &p->key);
	case PACKET_ADOPT:
	case PACKET_HAS:
		return cursor_u32(c, &p->db_id) || cursor_u64(c, &p->rsn) ||
		       cursor_u8(c, &p->is_new) || cursor_block(c, CORE_MAX_KEY, &p->key);
	case PACKET_ERASE:
	case PACKET_ERASED:
		return cursor_u32(c, &p->db_id) || cursor_u64(c, &p->ticket) ||
		       cursor_u32(c, &p->n) || cursor_bytes(c, c->left, &p->data);
	case PACKET_RETURN:
	case PACKET_ORPHAN:
	case PACKET_DELETE:
	case PACKET_REPORT: /* the entries are checked as they are read */
		return cursor_u32(c, &p->db_id) || cursor_u32(c, &p->n) ||
		       cursor_bytes(c, c->left, &p->data);
	case PACKET_MESSAGE:
		return cursor_u64(c, &p->srvid) || cursor_block(c, CORE_MAX_RECORD, &p->data);
	case PACKET_FOREIGN:
		return cursor_block(c, CORE_MAX_RECORD, &p->data);
	case PACKET_PREPARED:
	case PACKET_ABORT:
	case PACKET_APPLIED:
	case PACKET_PULL:
		return cursor_u32(c, &p->db_id) || cursor_u64(c, &p->rsn);
	case PACKET_DECLINED:
		return cursor_u32(c, &p->db_id) || cursor_u64(c, &p->rsn) ||
		       cursor_block(c, CORE_MAX_RECORD, &p->data);
	case PACKET_PREPARE:
	case PACKET_PART:
		return cursor_u32(c, &p->db_id) || cursor_u64(c, &p->rsn) ||
		       cursor_u8(c, &p->is_new) || cursor_block(c, CORE_MAX_RECORD, &p->data);
	default:
		return 1;
	}
}

int packet_decode(struct slice raw, struct packet *p)
{
	struct cursor c = cursor_of(raw.p, raw.len);
	uint32_t len;

	memset(p, 0, sizeof(*p));
	p->raw = raw;
	if (cursor_u32(&c, &len) || cursor_u8(&c, &p->type) || cursor_skip(&c, 3) ||
	    cursor_u32(&c, &p->generation) || cursor_skip(&c, 4) || cursor_u64(&c, &p->seq) ||
	    cursor_u64(&c, &p->ack))
		return -EBADMSG;
	if (len != raw.len || (p->type != PACKET_ACK) != (p->seq != 0))
		return -EBADMSG;
	return fields_decode(&c, p) || cursor_end(&c) ? -EBADMSG : 0;
}

int packet_report_next(struct cursor *c, struct report_entry *e)
{
	return cursor_u64(c, &e->rsn) || cursor_u8(c, &e->is_owner) ||
		       cursor_block(c, CORE_MAX_KEY, &e->key)
		   ? -EBADMSG
		   : 0;
}

static void traverse_encode(struct writer *w, const struct packet *p)
{
	writer_u32(w, p->db_id);
	writer_u64(w, p->ticket);
	writer_u32(w, p->round);
	if (p->type == PACKET_TRAVERSE_ASK || p->type == PACKET_TRAVERSE_END) {
		writer_u32(w, p->chain);
		writer_u8(w, p->mode);
	} else if (p->type == PACKET_TRAVERSE_RECORDS) {
		writer_u32(w, p->n);
		writer_bytes(w, p->data.p, p->data.len);
	}
}

static void fields_encode(struct writer *w, const struct packet *p)
{
	if (packet_is_traverse(p->type)) {
		traverse_encode(w, p);
		return;
	}
	switch (p->type) {
	case PACKET_REQUEST:
	case PACKET_BOUNCE:
		writer_u32(w, p->db_id);
		writer_u32(w, p->orig);
		writer_block(w, p->key.p, p->key.len);
		break;
	case PACKET_FORWARD:
		writer_u32(w, p->db_id);
		writer_u32(w, p->orig);
		writer_u64(w, p->rsn);
		writer_u8(w, p->is_definitive);
		writer_block(w, p->key.p, p->key.len);
		break;
	case PACKET_GRANT:
	case PACKET_COPY:
		writer_u32(w, p->db_id);
		writer_u64(w, p->rsn);
		writer_u32(w, p->flags);
		writer_block(w, p->key.p, p->key.len);
		writer_block(w, p->data.p, p->data.len);
		break;
	case PACKET_PUSH:
	case PACKET_PUSHED:
		writer_u32(w, p->db_id);
		writer_u64(w, p->ticket);
		if (p->type == PACKET_PUSHED)
			break;
		writer_u64(w, p->rsn);
		writer_u32(w, p->flags);
		writer_block(w, p->key.p, p->key.len);
		writer_block(w, p->data.p, p->data.len);
		break;
	case PACKET_DRAIN:
	case PACKET_DRAINED:
		writer_u64(w, p->ticket);
		if (p->type == PACKET_DRAIN)
			writer_u8(w, p->mode);
		break;
	case PACKET_REFUSED:
	case PACKET_REVOKE:
	case PACKET_REVOKED:
	case PACKET_UNCOPY:
	case PACKET_WHOHAS:
		writer_u32(w, p->db_id);
		writer_block(w, p->key.p, p->key.len);
		break;
	case PACKET_LOCATION:
		writer_u32(w, p->db_id);
		writer_u32(w, p->dmaster);
		writer_u64(w, p->rsn);
		writer_block(w, p->key.p, p->key.len);
		break;
	case PACKET_ADOPT:
	case PACKET_HAS:
		writer_u32(w, p->db_id);
		writer_u64(w, p->rsn);
		writer_u8(w, p->is_new);
		writer_block(w, p->key.p, p->key.len);
		break;
	case PACKET_ERASE:
	case PACKET_ERASED:
	case PACKET_RETURN:
	case PACKET_ORPHAN:
	case PACKET_DELETE:
	case PACKET_REPORT:
		writer_u32(w, p->db_id);
		if (p->type == PACKET_ERASE || p->type == PACKET_ERASED)
			writer_u64(w, p->ticket);
		writer_u32(w, p->n);
		writer_bytes(w, p->data.p, p->data.len);
		break;
	case PACKET_MESSAGE:
		writer_u64(w, p->srvid);
		writer_block(w, p->data.p, p->data.len);
		break;
	case PACKET_FOREIGN:
		writer_block(w, p->data.p, p->data.len);
		break;
	case PACKET_PREPARED:
	case PACKET_ABORT:
	case PACKET_APPLIED:
	case PACKET_PULL:
	case PACKET_PREPARE:
	case PACKET_DECLINED:
	case PACKET_PART:
		writer_u32(w, p->db_id);
		writer_u64(w, p->rsn);
		if (p->type == PACKET_PREPARE || p->type == PACKET_PART)
			writer_u8(w, p->is_new);
		if (p->type == PACKET_PREPARE || p->type == PACKET_DECLINED ||
		    p->type == PACKET_PART)
			writer_block(w, p->data.p, p->data.len);
		break;
	default:
		break;
	}
}

static void packet_encode(const struct core *c, struct writer *w, const struct packet *p,
			  uint64_t seq, uint64_t ack)
{
	uint32_t len;

	writer_u32(w, 0);
	writer_u8(w, p->type);
	writer_zero(w, 3);
	writer_u32(w, packet_is_record(p->type) ? c->active_generation : 0);
	writer_u32(w, 0);
	writer_u64(w, seq);
	writer_u64(w, ack);
	fields_encode(w, p);
	len = (uint32_t)w->len;
	memcpy(w->p, &len, sizeof(len));
}

static size_t packet_size(const struct packet *p)
{
	return CORE_PACKET_HEADER + 48 + p->key.len + p->data.len;
}

void packet_prepare(struct core *c, struct node *n, const struct packet *p, struct writer *w)
{
	struct session *s = &n->session;

	*w = session_begin(s, packet_size(p));
	packet_encode(c, w, p, p->type == PACKET_ACK ? 0 : s->next_seq++, s->received_seq);
}

/* To oneself: a queue that is worked off at the end of the event, so that nothing re-enters */
static void packet_loop(struct core *c, const struct packet *p)
{
	struct loop *l = &c->loop;
	size_t need = packet_size(p);
	struct writer w;

	if (l->size - l->len < need) {
		l->size = (l->size + need) * 2;
		l->buf = realloc(l->buf, l->size);
		if (l->buf == NULL)
			abort();
	}
	w = writer_of(l->buf + l->len, need);
	packet_encode(c, &w, p, p->type == PACKET_ACK ? 0 : 1, 0);
	l->len += w.len;
}

void packet_send(struct core *c, uint32_t pnn, const struct packet *p)
{
	struct node *n = pnn < CORE_MAX_NODES ? c->node[pnn] : NULL;
	struct writer w;

	if (c->is_retired)
		return;
	if (pnn == c->self) {
		packet_loop(c, p);
		return;
	}
	if (n == NULL || n->boot_id == 0 || !n->is_member)
		return; /* gone: the next generation asks again */
	packet_prepare(c, n, p, &w);
	session_commit(c, n, &w);
}
