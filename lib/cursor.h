/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cursor.h: the only way bytes from outside become numbers.
 *
 * A cursor reads forward through a buffer that it borrows; every call checks that enough is left
 * and returns 0, or 1 when it is not (so that calls chain with ||). After a failure nothing more
 * is read: every later call fails too. Integers are little endian: the client protocol has the
 * host's byte order, and every host that Samba's clustering runs on is little endian (checked at
 * compile time in cursor.c); the packets between nodes are little endian by definition.
 *
 * A writer appends to a buffer of fixed size that it borrows; what does not fit sets failed and
 * is dropped whole.
 */
#ifndef COTDB_CURSOR_H
#define COTDB_CURSOR_H

#include "slice.h"

struct cursor {
	const uint8_t *p;
	size_t left;
	int failed;
};

static inline struct cursor cursor_of(const void *p, size_t len)
{
	return (struct cursor){ .p = p, .left = len, .failed = 0 };
}

int cursor_u8(struct cursor *c, uint8_t *v);
int cursor_u16(struct cursor *c, uint16_t *v);
int cursor_u32(struct cursor *c, uint32_t *v);
int cursor_u64(struct cursor *c, uint64_t *v);
/* Lends len bytes of the cursor's buffer */
int cursor_bytes(struct cursor *c, size_t len, struct slice *v);
int cursor_skip(struct cursor *c, size_t len);
/* u32 length, then that many bytes; fails when the length is above max */
int cursor_block(struct cursor *c, size_t max, struct slice *v);
/* u32 length, then text without NUL inside; copied to text with a NUL; fails when it does not fit size */
int cursor_text(struct cursor *c, char *text, size_t size);
/* All has been read, and nothing failed: 0, else 1 */
int cursor_end(const struct cursor *c);

struct writer {
	uint8_t *p;
	size_t len, size;
	int failed;
};

static inline struct writer writer_of(void *p, size_t size)
{
	return (struct writer){ .p = p, .len = 0, .size = size, .failed = 0 };
}

void writer_u8(struct writer *w, uint8_t v);
void writer_u16(struct writer *w, uint16_t v);
void writer_u32(struct writer *w, uint32_t v);
void writer_u64(struct writer *w, uint64_t v);
void writer_bytes(struct writer *w, const void *p, size_t len);
void writer_zero(struct writer *w, size_t len);
/* u32 length, then the bytes: what cursor_block and cursor_text read */
void writer_block(struct writer *w, const void *p, size_t len);
void writer_text(struct writer *w, const char *text);

#endif
