/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * delete-many list FILE: the keys in a volatile database's file, of any owner, empty or not
 * delete-many dump FILE KEY: header and body of one of them, in hexadecimal; exit code 1: none
 * delete-many make DB N NAME: makes N records, named NAME0 and so on, and deletes each, as smbd does
 * for each open file
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tdb.h>
#include "lib/cotdb.h"

#define FLAGS 0x1c40 /* as clients open it, but for CLEAR_IF_FIRST */

static int list_key(struct tdb_context *tdb, TDB_DATA key, TDB_DATA data, void *arg)
{
	(void)tdb, (void)data, (void)arg;
	printf("%.*s\n", (int)key.dsize, (const char *)key.dptr);
	return 0;
}

static int list(const char *file)
{
	struct tdb_context *tdb = tdb_open(file, 0, FLAGS, O_RDWR, 0);

	if (tdb == NULL || tdb_traverse_read(tdb, list_key, NULL) < 0) {
		perror(file);
		return 1;
	}
	return tdb_close(tdb) == 0 ? 0 : 1;
}

static int dump(const char *file, char *name)
{
	struct tdb_context *tdb = tdb_open(file, 0, FLAGS, O_RDWR, 0);
	TDB_DATA key = { .dptr = (unsigned char *)name, .dsize = strlen(name) }, value;

	if (tdb == NULL) {
		perror(file);
		return 2;
	}
	value = tdb_fetch(tdb, key);
	if (value.dptr == NULL)
		return 1;
	for (size_t i = 0; i < value.dsize; i++)
		printf("%02x", value.dptr[i]);
	free(value.dptr);
	return 0;
}

static int make(const char *name, unsigned long n, const char *prefix)
{
	struct cotdb_db *db;
	struct cotdb *h;
	int error = cotdb_connect(&h, NULL, 10000);

	if (error == 0)
		error = cotdb_attach(h, name, COTDB_DB_VOLATILE, &db);
	for (unsigned long i = 0; error == 0 && i < n; i++) {
		struct cotdb_record r;
		char text[256];
		struct cotdb_key key = { .p = text };

		key.len_bytes = (size_t)snprintf(text, sizeof(text), "%.200s%lu", prefix, i);
		error = cotdb_fetch_lock(db, key, &r);
		if (error != 0)
			break;
		error = cotdb_store(&r, text, key.len_bytes);
		cotdb_unlock(&r);
		if (error == 0)
			error = cotdb_fetch_lock(db, key, &r);
		if (error != 0)
			break;
		error = cotdb_delete(&r);
		cotdb_unlock(&r);
	}
	if (error != 0)
		fprintf(stderr, "%s: %s\n", name, strerror(-error));
	return error != 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "list") == 0)
		return list(argv[2]);
	if (argc == 4 && strcmp(argv[1], "dump") == 0)
		return dump(argv[2], argv[3]);
	if (argc == 5 && strcmp(argv[1], "make") == 0)
		return make(argv[2], strtoul(argv[3], NULL, 10), argv[4]);
	fputs("usage: delete-many list FILE | dump FILE KEY | make DB N NAME\n", stderr);
	return 2;
}
