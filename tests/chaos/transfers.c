/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * transfers.c: transactions in a persistent database. Each takes some from one of the accounts,
 * gives it to another one, names itself in its slot's own record, and in the record "tail", where
 * it finds the transaction before it: so the transactions that have happened are a chain.
 *
 * There is no lock: a transaction is made from what the node's file says at one moment (between two
 * looks at an equal sequence number), and if another one comes first it is refused, since the tail
 * has a newer record then. A client that is told of a failure does as Samba's do: it looks whether
 * its transaction is in the file; if not, and nothing has changed, it commits again.
 *
 * Lines of the history:
 *   P begin end sequence tail own account ...  what the file says; an account is BALANCE/WRITER
 *   T time transaction from to amount          about to be committed, on what the last P says
 *   R time transaction done|found|missing|unknown status
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "chaos.h"
#include "lib/payload.h"

#define ACCOUNTS	 8
#define BALANCE_AT_FIRST 100
#define TRIES		 40
#define LOOKS		 200
#define SEQUENCE_KEY	 "__db_sequence_number__" /* its NUL counts */
#define HEADER_SIZE	 CTDB_RECORD_HEADER_SIZE
#define ROWS		 (ACCOUNTS + 3)

enum { TAIL = ACCOUNTS, OWN, SEQUENCE };

struct row {
	char key[NAME_SIZE];
	size_t key_len;
	uint64_t rsn;
	char writer[NAME_SIZE]; /* "-": nobody yet */
	int64_t number;		/* balance, sequence number */
};

struct image {
	uint64_t begin_ns, end_ns;
	struct row row[ROWS];
};

static TDB_DATA row_key(struct row *r)
{
	return (TDB_DATA){ .dptr = (unsigned char *)r->key, .dsize = r->key_len };
}

static int row_parse(TDB_DATA key, TDB_DATA data, void *arg)
{
	struct row *r = arg;
	struct ctdb_record_header header;
	struct slice body;
	char text[128];

	if (ctdb_record_split(slice_of(data.dptr, data.dsize), &header, &body) != 0)
		return 0;
	r->rsn = header.rsn;
	if (key.dsize == sizeof(SEQUENCE_KEY) && body.len == sizeof(r->number)) {
		memcpy(&r->number, body.p, sizeof(r->number));
		return 0;
	}
	if (body.len < sizeof(text)) {
		memcpy(text, body.p, body.len);
		text[body.len] = 0;
		if (sscanf(text, "%" SCNd64 " %47s", &r->number, r->writer) == 2)
			return 0;
	}
	snprintf(r->writer, sizeof(r->writer), "garbage");
	return 0;
}

static void image_rows(const struct chaos_client *c, struct image *i)
{
	*i = (struct image){ 0 };
	for (int n = 0; n < ROWS; n++) {
		struct row *r = &i->row[n];

		if (n < ACCOUNTS)
			snprintf(r->key, sizeof(r->key), "account%d", n);
		else
			snprintf(r->key, sizeof(r->key), "%s%s",
				 n == TAIL  ? "tail"
				 : n == OWN ? "own "
					    : SEQUENCE_KEY,
				 n == OWN ? c->slot : "");
		r->key_len = strlen(r->key) + (n == SEQUENCE);
		snprintf(r->writer, sizeof(r->writer), "-");
		r->number = n < ACCOUNTS ? BALANCE_AT_FIRST : 0;
	}
}

/* What the file says at one moment; -EAGAIN: it never stands still */
static int image_take(struct chaos_client *c, struct image *i)
{
	struct tdb_context *tdb = c->persistent_db->tdb;

	for (int look = 0; look < LOOKS && !client_is_over; look++) {
		struct row first;

		image_rows(c, i);
		i->begin_ns = history_now_ns();
		first = i->row[SEQUENCE];
		(void)tdb_parse_record(tdb, row_key(&first), row_parse, &first);
		for (int n = 0; n < ROWS; n++)
			(void)tdb_parse_record(tdb, row_key(&i->row[n]), row_parse, &i->row[n]);
		i->end_ns = history_now_ns();
		if (first.rsn == i->row[SEQUENCE].rsn && first.number == i->row[SEQUENCE].number)
			return 0;
		client_sleep_us(1000);
	}
	return -EAGAIN;
}

static void image_say(const struct image *i)
{
	char text[ACCOUNTS * (NAME_SIZE + 24)] = "";
	size_t n = 0;

	for (int a = 0; a < ACCOUNTS; a++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " %" PRId64 "/%s",
				      i->row[a].number, i->row[a].writer);
	history_say("P %" PRIu64 " %" PRIu64 " %" PRId64 " %s %s%s\n", i->begin_ns, i->end_ns,
		    i->row[SEQUENCE].number, i->row[TAIL].writer, i->row[OWN].writer, text);
}

/* The record as this transaction leaves it */
static void row_encode(struct writer *w, struct row *r, uint32_t pnn)
{
	uint8_t value[HEADER_SIZE + 128];
	struct writer v = writer_of(value, sizeof(value));
	char text[96];

	ctdb_record_header_encode(
	    &v, &(struct ctdb_record_header){ .rsn = r->rsn + 1, .dmaster = pnn });
	if (r->key_len == sizeof(SEQUENCE_KEY)) {
		writer_u64(&v, (uint64_t)r->number);
	} else {
		snprintf(text, sizeof(text), "%" PRId64 " %s", r->number, r->writer);
		writer_bytes(&v, text, strlen(text));
	}
	ctdb_rec_data_encode(w, &(struct ctdb_rec_data){ .key = slice_of(r->key, r->key_len),
							 .data = slice_of(value, v.len) });
}

static int commit(struct chaos_client *c, const struct writer *w, int32_t *status)
{
	struct cotdb_control control = { .pnn = COTDB_CURRENT_NODE,
					 .opcode = (uint32_t)cotdb_control_number("TRANS3_COMMIT"),
					 .srvid = cotdb_db_id(c->persistent_db),
					 .data = w->p,
					 .len_bytes = w->len };
	struct cotdb_reply reply;
	int error = cotdb_control(c->h, &control, &reply);

	*status = error == 0 ? reply.status : error;
	return error;
}

/* Commits until it is known what has become of it: a word for the history */
static const char *transfer_settle(struct chaos_client *c, const struct image *before,
				   const char *name, const struct writer *w, int *error,
				   int32_t *status)
{
	for (int n = 0;; n++) {
		struct image now;

		*error = commit(c, w, status);
		if (*error != 0)
			return "unknown";
		if (*status == 0)
			return "done";
		if (image_take(c, &now) != 0)
			return "unknown";
		image_say(&now);
		if (strcmp(now.row[OWN].writer, name) == 0)
			return "found";
		if (now.row[SEQUENCE].number != before->row[SEQUENCE].number || n == TRIES ||
		    client_is_over)
			return "missing";
		client_sleep_us(5000 + client_random(c, 20000));
	}
}

int transfers_step(struct chaos_client *c)
{
	uint8_t buffer[4096];
	struct writer w = writer_of(buffer, sizeof(buffer));
	struct image now, next;
	uint32_t from = client_random(c, ACCOUNTS);
	uint32_t to = (from + 1 + client_random(c, ACCOUNTS - 1)) % ACCOUNTS;
	int64_t amount = client_random(c, 10);
	uint32_t changed[] = { from, to, TAIL, OWN, SEQUENCE };
	char name[NAME_SIZE];
	const char *fate;
	int32_t status;
	int error;

	client_glance(c, "transfer", "");
	if (image_take(c, &now) != 0)
		return 0;
	image_say(&now);
	snprintf(name, sizeof(name), "%s:%" PRIu64, c->id, c->transfers++);
	next = now;
	next.row[from].number -= amount;
	next.row[to].number += amount;
	next.row[SEQUENCE].number++;
	ctdb_rec_buffer_encode(
	    &w, &(struct ctdb_rec_buffer){ .db_id = cotdb_db_id(c->persistent_db), .count = 5 });
	for (size_t i = 0; i < 5; i++) {
		snprintf(next.row[changed[i]].writer, NAME_SIZE, "%s", name);
		row_encode(&w, &next.row[changed[i]], cotdb_pnn(c->h));
	}
	history_say("T %" PRIu64 " %s %u %u %" PRId64 "\n", history_now_ns(), name, from, to,
		    amount);
	fate = transfer_settle(c, &now, name, &w, &error, &status);
	history_say("R %" PRIu64 " %s %s %d\n", history_now_ns(), name, fate, status);
	return error;
}

int transfers_look(struct chaos_client *c)
{
	struct image now;
	int error = image_take(c, &now);

	if (error == 0)
		image_say(&now);
	return error;
}
