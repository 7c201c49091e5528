/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * decode_all.h: every decoder of lib/ by name, each as a function that takes any bytes: for the
 * fuzzer (fuzz_decode.c) and for the unit test's damaged packets.
 */
#ifndef COTDB_TESTS_DECODE_ALL_H
#define COTDB_TESTS_DECODE_ALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/payload.h"

struct decode_target {
	const char *name;
	void (*decode)(const uint8_t *p, size_t len);
};

extern const struct decode_target decode_targets[];
extern const size_t decode_targets_n;

/* Gives the bytes to all of them */
void decode_all(const uint8_t *p, size_t len);

/* Decodes a payload of that layout and encodes it again; false when its layout has nothing to
 * decode. Aborts when the decoder takes what payload_check() refuses, or the other way round. */
bool payload_again(enum payload_layout layout, struct slice payload, struct writer *w);

#endif
