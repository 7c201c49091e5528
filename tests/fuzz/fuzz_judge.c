/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_judge.c: libFuzzer's entry for what looks at damaged TDB files (daemon/io/store_judge.c). Its input
 * is such a file. Built and run by tests/fuzz/run; with FUZZ_SEEDS=FOLDER writes a good one there.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <tdb.h>
#include "daemon/io/store_judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static void seed_write(const char *folder)
{
	char path[4096];
	struct tdb_context *tdb;

	snprintf(path, sizeof(path), "%s/good", folder);
	tdb = tdb_open(path, 3, TDB_NOSYNC, O_RDWR | O_CREAT, 0600);
	if (tdb == NULL)
		abort();
	for (unsigned char i = 1; i < 20; i++) {
		TDB_DATA bytes = { .dptr = &i, .dsize = 1 };

		if (tdb_store(tdb, bytes, bytes, 0) != 0 ||
		    (i % 3 == 0 && tdb_delete(tdb, bytes) != 0))
			abort();
	}
	if (tdb_transaction_start(tdb) != 0 || tdb_wipe_all(tdb) != 0 ||
	    tdb_transaction_commit(tdb) != 0 ||
	    tdb_store(tdb, (TDB_DATA){ (unsigned char *)path, 4 },
		      (TDB_DATA){ (unsigned char *)path, 8 }, 0) != 0)
		abort();
	tdb_close(tdb);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *folder = getenv("FUZZ_SEEDS");

	(void)argc;
	(void)argv;
	if (folder == NULL)
		return 0;
	seed_write(folder);
	exit(0);
}

static void part_take(void *arg, size_t at, size_t len, unsigned int turn)
{
	(void)at;
	if (len == 0 || turn >= STORE_LOST_TURNS)
		abort();
	*(size_t *)arg += len;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	size_t taken = 0;
	const struct store_lost lost = { .take = part_take, .arg = &taken };
	struct store_verdict v;
	int rc = store_judge(p, len, &v, &lost);

	if ((rc != 0) != (v.why != NULL) || v.lost_bytes > len || v.odd_bytes > v.lost_bytes ||
	    v.lost_n > len / 4 || v.traced_bytes != taken || taken > v.lost_bytes || (v.lost_n == 0) != (v.lost_bytes == 0)) {
		fputs("judge: a promise is broken\n", stderr);
		abort();
	}
	return 0;
}
