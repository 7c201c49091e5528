/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cursor.c: checked reading and writing of little endian bytes; see cursor.h */
#include "cursor.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the client protocol has the host's byte order: only little endian hosts are supported"
#endif

/* Where the next len bytes are, or NULL when fewer are left (and then for ever) */
static const uint8_t *cursor_take(struct cursor *c, size_t len)
{
	const uint8_t *p = c->p;

	if (c->failed || len > c->left) {
		c->failed = 1;
		return NULL;
	}
	if (len > 0)
		c->p += len;
	c->left -= len;
	return p;
}

static int cursor_number(struct cursor *c, void *v, size_t size)
{
	const uint8_t *p = cursor_take(c, size);

	if (c->failed) {
		memset(v, 0, size);
		return 1;
	}
	memcpy(v, p, size);
	return 0;
}

int cursor_u8(struct cursor *c, uint8_t *v)
{
	return cursor_number(c, v, sizeof(*v));
}

int cursor_u16(struct cursor *c, uint16_t *v)
{
	return cursor_number(c, v, sizeof(*v));
}

int cursor_u32(struct cursor *c, uint32_t *v)
{
	return cursor_number(c, v, sizeof(*v));
}

int cursor_u64(struct cursor *c, uint64_t *v)
{
	return cursor_number(c, v, sizeof(*v));
}

int cursor_bytes(struct cursor *c, size_t len, struct slice *v)
{
	const uint8_t *p = cursor_take(c, len);

	*v = c->failed ? slice_of(NULL, 0) : slice_of(p, len);
	return c->failed;
}

int cursor_skip(struct cursor *c, size_t len)
{
	(void)cursor_take(c, len);
	return c->failed;
}

int cursor_block(struct cursor *c, size_t max, struct slice *v)
{
	uint32_t len;

	*v = slice_of(NULL, 0);
	if (cursor_u32(c, &len))
		return 1;
	if (len > max) {
		c->failed = 1;
		return 1;
	}
	return cursor_bytes(c, len, v);
}

int cursor_text(struct cursor *c, char *text, size_t size)
{
	struct slice s;

	if (size == 0) {
		c->failed = 1;
		return 1;
	}
	text[0] = '\0';
	if (cursor_block(c, size - 1, &s))
		return 1;
	if (s.len > 0 && memchr(s.p, '\0', s.len) != NULL) {
		c->failed = 1;
		return 1;
	}
	if (s.len > 0)
		memcpy(text, s.p, s.len);
	text[s.len] = '\0';
	return 0;
}

int cursor_end(const struct cursor *c)
{
	return c->failed || c->left != 0;
}

/* Where the next len bytes go, or NULL when they do not fit (and then for ever) */
static uint8_t *writer_take(struct writer *w, size_t len)
{
	uint8_t *p;

	if (w->failed || len > w->size - w->len) {
		w->failed = 1;
		return NULL;
	}
	p = w->p + w->len;
	w->len += len;
	return p;
}

void writer_bytes(struct writer *w, const void *p, size_t len)
{
	uint8_t *to;

	if (len == 0)
		return;
	to = writer_take(w, len);
	if (to != NULL)
		memcpy(to, p, len);
}

void writer_zero(struct writer *w, size_t len)
{
	uint8_t *to;

	if (len == 0)
		return;
	to = writer_take(w, len);
	if (to != NULL)
		memset(to, 0, len);
}

void writer_u8(struct writer *w, uint8_t v)
{
	writer_bytes(w, &v, sizeof(v));
}

void writer_u16(struct writer *w, uint16_t v)
{
	writer_bytes(w, &v, sizeof(v));
}

void writer_u32(struct writer *w, uint32_t v)
{
	writer_bytes(w, &v, sizeof(v));
}

void writer_u64(struct writer *w, uint64_t v)
{
	writer_bytes(w, &v, sizeof(v));
}

void writer_block(struct writer *w, const void *p, size_t len)
{
	/* Whole or not at all: a length without its bytes would be a lie */
	if (len > UINT32_MAX || w->failed || w->size - w->len < 4 || w->size - w->len - 4 < len) {
		w->failed = 1;
		return;
	}
	writer_u32(w, (uint32_t)len);
	writer_bytes(w, p, len);
}

void writer_text(struct writer *w, const char *text)
{
	writer_block(w, text, strlen(text));
}
