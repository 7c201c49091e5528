/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * jenkins.c: lookup3 (Bob Jenkins, 2006, public domain), reading bytes, initial value 0.
 *
 * Three words of state take twelve bytes a round; the last one to twelve bytes are mixed in with
 * zeros behind them, then the state is finished by a stronger mix. The result is the third word.
 */
#include "jenkins.h"

static inline uint32_t rotate(uint32_t x, unsigned int n)
{
	return x << n | x >> (32 - n);
}

static inline uint32_t word(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v)); /* little endian hosts only, see cursor.c */
	return v;
}

uint32_t jenkins_hash(struct slice key)
{
	uint32_t a, b, c;
	const uint8_t *p = key.p;
	size_t left = key.len;
	uint8_t tail[12] = { 0 };

	a = b = c = 0xDEADBEEFU + (uint32_t)key.len;
	if (left == 0)
		return c;

	for (; left > 12; left -= 12, p += 12) {
		a += word(p);
		b += word(p + 4);
		c += word(p + 8);
		a = (a - c) ^ rotate(c, 4), c += b;
		b = (b - a) ^ rotate(a, 6), a += c;
		c = (c - b) ^ rotate(b, 8), b += a;
		a = (a - c) ^ rotate(c, 16), c += b;
		b = (b - a) ^ rotate(a, 19), a += c;
		c = (c - b) ^ rotate(b, 4), b += a;
	}

	memcpy(tail, p, left);
	a += word(tail);
	b += word(tail + 4);
	c += word(tail + 8);
	c = (c ^ b) - rotate(b, 14);
	a = (a ^ c) - rotate(c, 11);
	b = (b ^ a) - rotate(a, 25);
	c = (c ^ b) - rotate(b, 16);
	a = (a ^ c) - rotate(c, 4);
	b = (b ^ a) - rotate(a, 14);
	c = (c ^ b) - rotate(b, 24);
	return c;
}

uint32_t jenkins_db_id(const char *name)
{
	return jenkins_hash(slice_of(name, strlen(name) + 1));
}
