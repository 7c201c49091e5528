/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * store_world.h: the store on real TDB files for the unit tests, with a fake core, real worker
 * processes, and the test program itself, started again, as the client that holds a chain lock.
 */
#ifndef COTDB_STORE_WORLD_H
#define COTDB_STORE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "daemon/io/store_private.h"

/* DB is test.tdb, which is open; P is for p.tdb */
enum { WAIT_MS = 10000, DB = 0x1234, P = 0x77, RECORDS = 5000 };
/* The record with a long value */
enum { BIG = 700, BIG_BYTES = 300000 };

extern const uint8_t key_bytes[4];
#define KEY slice_of(key_bytes, sizeof(key_bytes))

struct core {
	struct engine *engine;
	unsigned int unlocked, frozen, db_frozen, swept, batches;
	uint64_t cookie;
	size_t records;
	uint8_t seen[RECORDS];
	/* traverse */
	unsigned int read_ends;
	uint32_t next_chain;
	int read_status;
	/* Persistent databases */
	unsigned int checked, applied, written, found;
	int rc;
	uint64_t ticket;
	uint8_t part[8192];
	size_t part_len;
	bool has_all;
	bool is_ahead; /* the peers have much to take */
};

struct world {
	struct engine engine;
	struct core core;
	struct options options;
	char dir[64], volatile_dir[96], persistent_dir[96], workers[32];
	uint64_t deadline_ms;
	bool (*is_done)(struct world *w);
	bool has_timed_out;
	unsigned int stops;
};

struct client {
	pid_t pid;
	int in, out;
};

/* hold: locks the chain of KEY, says so, and keeps it until its input ends; try: its exit code is 0
 * when that chain could be locked at once; short: writes a record that is too short; dump: the
 * record as it is in the file, to its output */
struct client client_start(struct world *w, const char *what);
/* Its exit code, -1 when it was killed */
int client_end(struct client *c);
int client_run(struct world *w, const char *what);
/* The chain is locked when it returns */
struct client client_hold(struct world *w);

/* Runs the engine until it is done; false: it was not within this time */
bool run_for(struct world *w, bool (*is_done)(struct world *w), uint64_t ms);
bool never(struct world *w);

/* Around a test, a world with two workers for locks, or with none */
int world_setup(void **state);
int world_setup_without_workers(void **state);
int world_teardown(void **state);
#define WORLD(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)
#define WORLD_WITHOUT_WORKERS(f)                                                                   \
	cmocka_unit_test_setup_teardown(f, world_setup_without_workers, world_teardown)
/* main() of such a test program */
int world_main(int argc, char **argv, int (*tests)(void));

#endif
