/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * judge-db FILE: whether a volatile database that clients have open is whole. For files that
 * tdbtool refuses: it does so for space that a killed client had taken, too, and it looks at a file
 * with mutexes without any lock. Prints how many pieces belong to nothing, their bytes, and how
 * many of these may have been records. Exit code 0: all else is whole; 1: it is not, or cannot be
 * looked at.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h> /* what tdb.h needs */
#include <tdb.h>
#include "daemon/io/store_judge.h"

int main(int argc, char **argv)
{
	struct store_verdict v = { 0 };
	struct tdb_context *tdb;
	int rc;

	if (argc != 2) {
		fputs("usage: judge-db FILE\n", stderr);
		return 2;
	}
	tdb = tdb_open(argv[1], 0, TDB_MUTEX_LOCKING, O_RDWR, 0);
	if (tdb == NULL && errno == EINVAL) /* one without mutexes */
		tdb = tdb_open(argv[1], 0, TDB_DEFAULT, O_RDWR, 0);
	if (tdb == NULL || tdb_lockall_read(tdb) != 0) {
		fprintf(stderr, "judge-db: %s: %s\n", argv[1],
			tdb == NULL ? strerror(errno) : tdb_errorstr(tdb));
		return 1;
	}
	rc = store_judge_file(tdb_fd(tdb), &v, NULL);
	tdb_unlockall_read(tdb); /* closing does not: whoever waits for the mutex would wait on */
	tdb_close(tdb);
	if (rc != 0) {
		printf("damaged: %s\n", v.why != NULL ? v.why : strerror(-rc));
		return 1;
	}
	printf("%zu %" PRIu64 " %" PRIu64 "\n", v.lost_n, v.lost_bytes, v.odd_bytes);
	return 0;
}
