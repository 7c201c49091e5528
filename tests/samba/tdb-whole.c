/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tdb-whole FILE: whether a database that clients have open is whole. For files that tdbtool
 * refuses: it does so for space that a killed client had taken, too, and it looks at a file with
 * mutexes without any lock. Exit code 0: it is whole; 1: it is not, or cannot be looked at.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include "daemon/io/tdb_whole.h"

int main(int argc, char **argv)
{
	struct tdb_context *tdb;
	const char *why = NULL;
	size_t lost_bytes;
	bool is_whole;

	if (argc != 2) {
		fputs("usage: tdb-whole FILE\n", stderr);
		return 2;
	}
	tdb = tdb_open(argv[1], 0, TDB_MUTEX_LOCKING, O_RDWR, 0);
	if (tdb == NULL && errno == EINVAL) /* one without mutexes */
		tdb = tdb_open(argv[1], 0, TDB_DEFAULT, O_RDWR, 0);
	if (tdb == NULL || tdb_lockall_read(tdb) != 0) {
		fprintf(stderr, "tdb-whole: %s: %s\n", argv[1],
			tdb == NULL ? strerror(errno) : tdb_errorstr(tdb));
		return 1;
	}
	is_whole = tdb_is_whole(tdb, &lost_bytes, &why);
	tdb_unlockall_read(tdb); /* closing does not: whoever waits for the mutex would wait on */
	if (is_whole)
		printf("whole, %zu bytes belong to nothing\n", lost_bytes);
	else
		printf("damaged: %s\n", why);
	tdb_close(tdb);
	return is_whole ? 0 : 1;
}
