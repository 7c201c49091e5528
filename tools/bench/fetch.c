/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fetch.c: the fetch benchmark: lock, increment and unlock many records.
 *
 * With several sockets the clients take turns: each one fetches all the records, which the one
 * before it has just had, with `depth` requests in flight. With one socket the records move if
 * other processes do the same on other nodes. --local never leaves the node: after the first round
 * every record is here, and the daemon is not asked.
 *
 * In the end each client compares its count in every record with what it did.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "bench.h"
#include "tally.h"

#define KEY_SIZE 96

/* A record that is on its way */
struct flight {
	uint32_t reqid; /* 0: free */
	uint32_t record;
	uint64_t begin_ns;
};

struct fetch_client {
	struct cotdb *h;
	struct cotdb_db *db;
	uint32_t pnn;
	uint64_t *expected; /* its count in each record, UINT64_MAX: not known yet */
	struct flight *flights;
	uint32_t in_flight;
};

struct fetch {
	const struct bench_options *o;
	struct fetch_client clients[BENCH_MAX_SOCKETS];
	size_t clients_n;
	struct histogram latency;
	uint64_t local_hits, migrations;
	uint64_t before; /* sum of the clients' counts when they first saw the records */
	uint64_t begin_ns, end_ns;
	struct tally tally;
	struct progress progress;
};

static struct cotdb_key record_key(const struct fetch *f, uint32_t record, char key[KEY_SIZE])
{
	int len = snprintf(key, KEY_SIZE, "fetch-%.64s-%" PRIu32, f->o->run_name, record);

	return (struct cotdb_key){ .p = key, .len_bytes = (size_t)len };
}

static bool fail(const struct fetch_client *c, const char *what, int error)
{
	fprintf(stderr, "cotdb-bench: node %" PRIu32 ": %s: %s\n", c->pnn, what, strerror(-error));
	return false;
}

/* 0: done; -EAGAIN: the record is not here */
static int record_increment(struct fetch *f, struct fetch_client *c, uint32_t record)
{
	char key[KEY_SIZE];
	struct cotdb_record r;
	int error = cotdb_try_lock(c->db, record_key(f, record, key), &r);

	if (error != 0)
		return error;
	tally_read(&f->tally, slice_of(r.data, r.len_bytes));
	if (c->expected[record] == UINT64_MAX) {
		c->expected[record] = tally_get(&f->tally, c->pnn);
		f->before += c->expected[record];
	}
	error = tally_increment(&f->tally, c->pnn);
	if (error == 0)
		error = cotdb_store(&r, f->tally.bytes, f->tally.len);
	cotdb_unlock(&r);
	if (error == 0)
		c->expected[record]++;
	return error;
}

static bool flight_begin(struct fetch *f, struct fetch_client *c, struct flight *t)
{
	char key[KEY_SIZE];
	int error = cotdb_migrate_begin(c->db, record_key(f, t->record, key), &t->reqid);

	return error == 0 ? true : fail(c, "cannot ask for a record", error);
}

/* Takes a record if it is here, else begins to bring it */
static bool record_begin(struct fetch *f, struct fetch_client *c, uint32_t record)
{
	uint64_t begin_ns = bench_now_ns();
	int error = record_increment(f, c, record);

	if (error == 0) {
		f->local_hits++;
		histogram_add(&f->latency, bench_now_ns() - begin_ns);
		return true;
	}
	if (error != -EAGAIN)
		return fail(c, "cannot lock a record", error);
	for (uint32_t i = 0; i < f->o->depth; i++) {
		struct flight *t = &c->flights[i];

		if (t->reqid != 0)
			continue;
		*t = (struct flight){ .record = record, .begin_ns = begin_ns };
		c->in_flight++;
		return flight_begin(f, c, t);
	}
	return false;
}

static bool reply_take(struct fetch *f, struct fetch_client *c, const struct cotdb_event *e)
{
	for (uint32_t i = 0; i < f->o->depth; i++) {
		struct flight *t = &c->flights[i];
		int error;

		if (t->reqid == 0 || t->reqid != e->reqid)
			continue;
		if (e->status != 0)
			return fail(c, "the daemon did not bring a record", -EREMOTEIO);
		error = record_increment(f, c, t->record);
		if (error == -EAGAIN) /* somebody was faster */
			return flight_begin(f, c, t);
		if (error != 0)
			return fail(c, "cannot lock a record", error);
		f->migrations++;
		histogram_add(&f->latency, bench_now_ns() - t->begin_ns);
		t->reqid = 0;
		c->in_flight--;
		return true;
	}
	return true;
}

/* Waits until fewer than `most` are in flight */
static bool flights_wait(struct fetch *f, struct fetch_client *c, uint32_t most)
{
	while (c->in_flight >= most) {
		struct cotdb_event e;
		int n = cotdb_event_wait(c->h, &e, 10000);

		if (n == 0)
			return fail(c, "no answer from the daemon", -ETIMEDOUT);
		if (n < 0)
			return fail(c, "the daemon is gone", n);
		if (e.type == COTDB_EVENT_REPLY && !reply_take(f, c, &e))
			return false;
	}
	return true;
}

static bool is_over(const struct fetch *f)
{
	return bench_is_interrupted() || bench_now_ns() >= f->end_ns;
}

/* One client fetches every record once */
static bool fetch_round(struct fetch *f, struct fetch_client *c)
{
	for (uint32_t i = 0; i < f->o->records && !is_over(f); i++) {
		if (!record_begin(f, c, i) || !flights_wait(f, c, f->o->depth))
			return false;
		bench_progress(f->o, &f->progress, "fetch", (uint32_t)f->clients_n,
			       f->local_hits + f->migrations);
	}
	return flights_wait(f, c, 1);
}

static bool fetch_client_open(struct fetch *f, struct fetch_client *c, const char *path)
{
	int error;

	*c = (struct fetch_client){ .h = bench_connect(path) };
	if (c->h == NULL)
		return false;
	c->pnn = cotdb_pnn(c->h);
	error = cotdb_attach(c->h, f->o->db_name, COTDB_DB_VOLATILE, &c->db);
	if (error != 0)
		return fail(c, "cannot attach the database", error);
	c->flights = calloc(f->o->depth, sizeof(*c->flights));
	c->expected = malloc(f->o->records * sizeof(*c->expected));
	if (c->flights == NULL || c->expected == NULL)
		return fail(c, "cannot begin", -ENOMEM);
	memset(c->expected, 0xFF, f->o->records * sizeof(*c->expected));
	return true;
}

/* What each client did is what the records say */
static bool fetch_check(struct fetch *f, uint64_t *counter)
{
	bool is_ok = true;

	for (size_t i = 0; i < f->clients_n; i++) {
		struct fetch_client *c = &f->clients[i];

		for (uint32_t record = 0; record < f->o->records; record++) {
			char key[KEY_SIZE];
			struct cotdb_record r;
			uint64_t is;
			int error;

			if (c->expected[record] == UINT64_MAX)
				continue;
			error = cotdb_fetch_lock(c->db, record_key(f, record, key), &r);
			if (error != 0)
				return fail(c, "cannot lock a record for the check", error);
			tally_read(&f->tally, slice_of(r.data, r.len_bytes));
			cotdb_unlock(&r);
			is = tally_get(&f->tally, c->pnn);
			*counter += is;
			if (is != c->expected[record]) {
				fprintf(stderr,
					"cotdb-bench: record %s: node %" PRIu32 " counted %" PRIu64
					", the record says %" PRIu64 "\n",
					key, c->pnn, c->expected[record], is);
				is_ok = false;
			}
		}
	}
	return is_ok;
}

static bool fetch_run(struct fetch *f)
{
	for (size_t i = 0; i < f->o->sockets_n; i++) {
		f->clients_n++;
		if (!fetch_client_open(f, &f->clients[i], f->o->sockets[i]))
			return false;
	}
	f->begin_ns = bench_now_ns();
	f->end_ns = f->begin_ns + (uint64_t)(f->o->seconds * 1e9);
	while (!is_over(f)) {
		for (size_t i = 0; i < (f->o->is_local ? 1 : f->clients_n); i++) {
			if (!fetch_round(f, &f->clients[i]))
				return false;
		}
	}
	f->end_ns = bench_now_ns();
	return true;
}

int bench_fetch(const struct bench_options *o)
{
	struct fetch *f = calloc(1, sizeof(*f));
	struct bench_result result = { .bench = "fetch", .has_fetch = true, .has_counter = true };
	bool is_done;

	if (f == NULL)
		return EXIT_FAILURE;
	f->o = o;
	is_done = fetch_run(f);
	bench_progress_end(o, &f->progress);
	if (is_done) {
		result.nodes = (uint32_t)f->clients_n;
		result.seconds = (double)(f->end_ns - f->begin_ns) / 1e9;
		result.local_hits = f->local_hits;
		result.migrations = f->migrations;
		result.operations = f->local_hits + f->migrations;
		bench_result_latency(&result, &f->latency);
		result.increments = result.operations;
		result.is_ok = fetch_check(f, &result.counter);
		result.counter -= f->before;
		if (result.counter != result.increments)
			result.is_ok = false;
		bench_print(o, &result);
	}
	for (size_t i = 0; i < f->clients_n; i++) {
		free(f->clients[i].flights);
		free(f->clients[i].expected);
		cotdb_close(f->clients[i].h);
	}
	free(f);
	return is_done && result.is_ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
