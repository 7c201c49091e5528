/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * hold-lock DB KEY VALUE [unknown | look-at FILE]: a client that stops at the worst moment. It takes a record of a
 * volatile database under its chain lock, says "locked", and stops itself (SIGSTOP). When somebody
 * continues it, it writes VALUE, as a client may that holds the lock, says "stored", and ends.
 * With "unknown" it closes its connection first: nobody can tell then that it holds the lock. With
 * "look-at" it does not stop itself, but asks for that file, on a file system that does not answer.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/cotdb.h"

#define TIMEOUT_MS 10000

static int fail(const char *what, int error)
{
	fprintf(stderr, "hold-lock: %s: %s\n", what, strerror(-error));
	return 1;
}

int main(int argc, char **argv)
{
	struct cotdb *h;
	struct cotdb_db *db;
	struct cotdb_record r;
	struct cotdb_key key;
	const char *how;
	struct stat st;
	int ret;

	how = argc > 4 ? argv[4] : "";
	if (argc < 4 || argc > 6 || (argc == 6) != (strcmp(how, "look-at") == 0)) {
		fputs("usage: hold-lock DB KEY VALUE [unknown | look-at FILE]\n", stderr);
		return 2;
	}
	ret = cotdb_connect(&h, NULL, TIMEOUT_MS);
	if (ret)
		return fail("connect", ret);
	ret = cotdb_attach(h, argv[1], COTDB_DB_VOLATILE, &db);
	if (ret)
		return fail(argv[1], ret);
	key = (struct cotdb_key){ .p = argv[2], .len_bytes = strlen(argv[2]) };
	ret = cotdb_fetch_lock(db, key, &r);
	if (ret)
		return fail(argv[2], ret);
	if (argc == 5) /* unknown */
		close(cotdb_fd(h));
	puts("locked");
	fflush(stdout);
	if (argc == 6)
		(void)stat(argv[5], &st);
	else
		raise(SIGSTOP);
	ret = cotdb_store(&r, argv[3], strlen(argv[3]));
	if (ret)
		return fail("store", ret);
	puts("stored");
	fflush(stdout);
	cotdb_unlock(&r);
	return 0;
}
