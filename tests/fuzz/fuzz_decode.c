/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_decode.c: libFuzzer's entry for one decoder of lib/, or all: FUZZ_TARGET names it
 * (fuzz-decode with FUZZ_TARGET=list prints the names). Built and run by tests/fuzz/run.
 */
#include <stdio.h>
#include <stdlib.h>
#include "decode_all.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

static void (*decode)(const uint8_t *p, size_t len) = decode_all;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *name = getenv("FUZZ_TARGET");
	bool is_list = name != NULL && strcmp(name, "list") == 0;

	(void)argc;
	(void)argv;
	if (name == NULL)
		return 0;
	for (size_t i = 0; i < decode_targets_n; i++) {
		if (is_list)
			puts(decode_targets[i].name);
		else if (strcmp(decode_targets[i].name, name) == 0) {
			decode = decode_targets[i].decode;
			return 0;
		}
	}
	if (is_list)
		exit(EXIT_SUCCESS);
	fprintf(stderr, "no decoder is named %s\n", name);
	exit(EXIT_FAILURE);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	decode(p, len);
	return 0;
}
