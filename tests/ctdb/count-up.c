/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * count-up DB KEY SECONDS read|write|again [PAUSE]: a client that for so long reads a number, or makes it
 * one larger, and then waits PAUSE microseconds (2000). Prints how often it did, the last number, and how
 * often it has begun with 1. Who sees a number become smaller has read an old copy: exit code 1; but for
 * "again", which writes, too, where the database is wiped meanwhile.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/cotdb.h"

#define TIMEOUT_MS 30000

static int fail(const char *what, int error)
{
	fprintf(stderr, "count-up: %s: %s\n", what, strerror(-error));
	return 2;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static unsigned long number_of(const void *data, size_t len)
{
	char text[32] = "";

	memcpy(text, data, len < sizeof(text) ? len : sizeof(text) - 1);
	return strtoul(text, NULL, 10);
}

static int read_one(struct cotdb_db *db, struct cotdb_key key, unsigned long *number)
{
	size_t len;
	void *data;
	int rc = cotdb_read(db, key, &data, &len);

	if (rc == 0)
		*number = number_of(data, len);
	free(rc == 0 ? data : NULL);
	return rc;
}

static int write_one(struct cotdb_db *db, struct cotdb_key key, unsigned long *number)
{
	struct cotdb_record r;
	char text[32];
	int rc = cotdb_fetch_lock(db, key, &r);

	if (rc != 0)
		return rc;
	*number = number_of(r.data, r.len_bytes) + 1;
	snprintf(text, sizeof(text), "%lu", *number);
	rc = cotdb_store(&r, text, strlen(text));
	cotdb_unlock(&r);
	return rc;
}

int main(int argc, char **argv)
{
	struct timespec pause = { .tv_nsec = 2000000 };
	unsigned long number = 0, before = 0, n = 0, begun = 0;
	bool is_reader, is_again;
	struct cotdb *h;
	struct cotdb_db *db;
	struct cotdb_key key;
	double until;
	int rc;

	if (argc < 5 || argc > 6) {
		fputs("usage: count-up DB KEY SECONDS read|write|again [PAUSE]\n", stderr);
		return 2;
	}
	if (argc == 6)
		pause.tv_nsec = strtol(argv[5], NULL, 10) * 1000;
	rc = cotdb_connect(&h, NULL, TIMEOUT_MS);
	if (rc)
		return fail("connect", rc);
	rc = cotdb_attach(h, argv[1], COTDB_DB_VOLATILE, &db);
	if (rc)
		return fail(argv[1], rc);
	key = (struct cotdb_key){ .p = argv[2], .len_bytes = strlen(argv[2]) };
	is_reader = strcmp(argv[4], "read") == 0;
	is_again = strcmp(argv[4], "again") == 0;
	for (until = now() + strtod(argv[3], NULL); now() < until; n++) {
		rc = is_reader ? read_one(db, key, &number) : write_one(db, key, &number);
		if (rc)
			return fail(argv[4], rc);
		begun += !is_reader && number == 1;
		if (number < before && !is_again) {
			fprintf(stderr, "count-up: %lu came after %lu\n", number, before);
			return 1;
		}
		before = number;
		if (pause.tv_nsec > 0)
			nanosleep(&pause, NULL);
	}
	printf("%lu %lu %lu\n", n, number, begun);
	return 0;
}
