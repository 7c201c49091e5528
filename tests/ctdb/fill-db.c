/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fill-db FILE PNN N LEN PREFIX: puts N new records of LEN bytes, named PREFIX0 and so on, into a
 * volatile database's file of node PNN, which owns them: quicker than to ask the daemon for each.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tdb.h>
#include "lib/cursor.h"

#define FLAGS	    0x1c40 /* as clients open it, but for CLEAR_IF_FIRST */
#define HEADER_SIZE 24

int main(int argc, char **argv)
{
	struct tdb_context *tdb;
	unsigned long n, len;
	uint8_t *value;
	struct writer w;

	if (argc != 6) {
		fputs("usage: fill-db FILE PNN N LEN PREFIX\n", stderr);
		return 2;
	}
	n = strtoul(argv[3], NULL, 10);
	len = strtoul(argv[4], NULL, 10);
	tdb = tdb_open(argv[1], 0, FLAGS, O_RDWR, 0);
	value = calloc(1, HEADER_SIZE + len);
	if (tdb == NULL || value == NULL) {
		perror(argv[1]);
		return 1;
	}
	memset(value + HEADER_SIZE, 'x', len);
	w = writer_of(value, HEADER_SIZE);
	writer_u64(&w, 1);
	writer_u32(&w, (uint32_t)strtoul(argv[2], NULL, 10));
	for (unsigned long i = 0; i < n; i++) {
		char name[256];
		TDB_DATA key = { .dptr = (unsigned char *)name },
			 data = { .dptr = value, .dsize = HEADER_SIZE + len };

		key.dsize = (size_t)snprintf(name, sizeof(name), "%.200s%lu", argv[5], i);
		if (tdb_store(tdb, key, data, TDB_INSERT) != 0) {
			fprintf(stderr, "%s: %s: %s\n", argv[1], name, tdb_errorstr(tdb));
			return 1;
		}
	}
	free(value);
	return tdb_close(tdb) == 0 ? 0 : 1;
}
