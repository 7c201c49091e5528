/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * many-records DB FILE FIRST N TOTAL: a client that alone writes the records FIRST to FIRST + N - 1
 * of TOTAL, a number in each that it makes one larger, and reads and takes those of others, until
 * SIGTERM. FILE keeps what it has written last, over its runs. At its begin, when there is one, and
 * at its end each of its own records must be so; and no record of others may ever be older than it
 * was. Says "ready" when it goes on, and at its end how many operations that were and the longest,
 * in milliseconds. Exit code 1: a record was not as it has to be; 2: an error.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/cotdb.h"

#define TIMEOUT_MS 60000
#define PAUSE_NS   500000L

static volatile sig_atomic_t is_ending;
static struct cotdb_db *db;
static uint32_t first, n, total, *number; /* number: of all records, as last written or seen */
static uint64_t operations;
static double longest_ms;

static void on_term(int signo)
{
	(void)signo;
	is_ending = 1;
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static void fail(const char *what, int error)
{
	fprintf(stderr, "many-records: %s: %s\n", what, strerror(-error));
	exit(2);
}

static uint32_t number_of(const void *data, size_t len)
{
	char text[32] = "";

	memcpy(text, data, len < sizeof(text) ? len : sizeof(text) - 1);
	return (uint32_t)strtoul(text, NULL, 10);
}

static int is_own(uint32_t i)
{
	return i >= first && i < first + n;
}

static void check(uint32_t i, uint32_t found)
{
	if (is_own(i) ? found == number[i] : found >= number[i])
		return;
	fprintf(stderr, "many-records: record %u has %u, and not %u\n", i, found, number[i]);
	exit(1);
}

static struct cotdb_key key_of(uint32_t i, char text[16])
{
	return (struct cotdb_key){ .p = text,
				   .len_bytes = (size_t)snprintf(text, 16, "record%u", i) };
}

/* is_written: with a number that is one larger. Otherwise it only comes here. */
static void record_take(uint32_t i, int is_written)
{
	char name[16], text[128];
	struct cotdb_record r;
	int rc = cotdb_fetch_lock(db, key_of(i, name), &r);

	if (rc != 0)
		fail("fetch_lock", rc);
	check(i, number_of(r.data, r.len_bytes));
	if (is_written) {
		memset(text, ' ', sizeof(text));
		snprintf(text, sizeof(text), "%u", ++number[i]);
		rc = cotdb_store(&r, text, sizeof(text));
	} else {
		number[i] = number_of(r.data, r.len_bytes);
	}
	cotdb_unlock(&r);
	if (rc != 0)
		fail("store", rc);
}

static void record_read(uint32_t i)
{
	char name[16];
	size_t len;
	void *data;
	int rc = cotdb_read(db, key_of(i, name), &data, &len);

	if (rc != 0)
		fail("read", rc);
	check(i, number_of(data, len));
	number[i] = number_of(data, len);
	free(data);
}

static void check_all_own(void)
{
	for (uint32_t i = first; i < first + n; i++)
		record_read(i);
}

static void do_one(void)
{
	uint32_t i = (uint32_t)random() % total;
	double begin = now_ms(), took;

	if (is_own(i) || random() % 4 == 0)
		record_take(i, is_own(i));
	else
		record_read(i);
	took = now_ms() - begin;
	longest_ms = took > longest_ms ? took : longest_ms;
	operations++;
}

static void file_read(const char *path)
{
	FILE *f = fopen(path, "r");

	if (f == NULL)
		return;
	if (fread(number + first, sizeof(*number), n, f) != n)
		fail(path, -EIO);
	fclose(f);
	check_all_own();
}

static void file_write(const char *path)
{
	FILE *f = fopen(path, "w");

	if (f == NULL || fwrite(number + first, sizeof(*number), n, f) != n || fclose(f) != 0)
		fail(path, -EIO);
}

int main(int argc, char **argv)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NS };
	struct cotdb *h;
	int rc;

	if (argc != 6) {
		fputs("usage: many-records DB FILE FIRST N TOTAL\n", stderr);
		return 2;
	}
	first = (uint32_t)strtoul(argv[3], NULL, 10);
	n = (uint32_t)strtoul(argv[4], NULL, 10);
	total = (uint32_t)strtoul(argv[5], NULL, 10);
	number = calloc(total, sizeof(*number));
	if (number == NULL || n == 0 || first + n > total)
		return 2;
	signal(SIGTERM, on_term);
	srandom(first + 1);
	rc = cotdb_connect(&h, NULL, TIMEOUT_MS);
	if (rc != 0)
		fail("connect", rc);
	rc = cotdb_attach(h, argv[1], COTDB_DB_VOLATILE, &db);
	if (rc != 0)
		fail(argv[1], rc);
	file_read(argv[2]);
	for (uint32_t i = first; number[first + n - 1] == 0 && i < first + n; i++)
		record_take(i, 1);
	puts("ready");
	fflush(stdout);
	while (!is_ending) {
		do_one();
		nanosleep(&pause, NULL);
	}
	check_all_own();
	file_write(argv[2]);
	printf("%" PRIu64 " %.0f\n", operations, longest_ms);
	cotdb_close(h);
	return 0;
}
