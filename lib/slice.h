/* SPDX-License-Identifier: GPL-3.0-or-later */
/* slice.h: a run of bytes that somebody else owns */
#ifndef COTDB_SLICE_H
#define COTDB_SLICE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const uint8_t *p;
	size_t len;
};

static inline struct slice slice_of(const void *p, size_t len)
{
	return (struct slice){ .p = p, .len = len };
}

static inline int slice_equal(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

#endif
