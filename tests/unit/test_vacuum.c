/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_vacuum.c: empty records of one node, and against a peer that is played by hand */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "core_world.h"
#include "daemon/core/vacuum.h"

enum { DELAY_MS = 100, INTERVAL_MS = 1000 };

static struct core_status status_of(struct core *c)
{
	struct core_status s;

	core_status(c, &s);
	return s;
}

static void time_goes(struct world *w, uint64_t ms)
{
	w->now += ms;
	core_tick(w->core);
}

static struct core *alone(struct world *w, struct core_call *call)
{
	struct core *c = node_alone(w);

	core_vacuum_tune(c, DELAY_MS, INTERVAL_MS);
	*call = call_of(c, "k");
	return c;
}

/* A record that was made for a client that did not fill it goes, and so does what is known of it */
static void test_alone(void **state)
{
	struct world w;
	struct core_call call;
	struct core *c = alone(&w, &call);
	uint64_t rsn;

	(void)state;
	core_call(c, 1, 5, &call);
	rsn = w.header.rsn;
	assert_int_equal(status_of(c).locations, 1);
	time_goes(&w, DELAY_MS - 1);
	assert_true(w.has_record);
	time_goes(&w, 1);
	assert_false(w.has_record);
	assert_int_equal(status_of(c).locations, 0);
	assert_int_equal(status_of(c).vacuumed, 1);
	assert_int_equal(status_of(c).vacuum_candidates, 0);
	/* the next one is newer than any copy that anybody may still have */
	core_call(c, 1, 6, &call);
	assert_true(w.header.rsn > rsn);
	core_free(c);
}

static void test_in_use(void **state)
{
	struct world w;
	struct core_call call;
	struct core *c = alone(&w, &call);

	(void)state;
	core_call(c, 1, 5, &call);
	w.record_len = 3; /* a client fills it */
	time_goes(&w, DELAY_MS);
	assert_true(w.has_record);
	w.record_len = 0; /* and empties it, twice: it rests since the last time */
	core_vacuum_schedule(c, call.db_id, call.key);
	time_goes(&w, DELAY_MS - 1);
	core_vacuum_schedule(c, call.db_id, call.key);
	time_goes(&w, DELAY_MS - 1);
	assert_true(w.has_record);
	/* a client holds the chain: nobody waits for it, the record is looked at again */
	w.is_locked_outside = true;
	time_goes(&w, 1);
	assert_true(w.has_record);
	assert_int_equal(c->keys.n, 0);
	assert_int_equal(w.lock_waits, 0);
	w.is_locked_outside = false;
	time_goes(&w, DELAY_MS);
	assert_false(w.has_record);
	core_free(c);
}

static void test_readonly_copies(void **state)
{
	struct world w;
	struct core_call call;
	struct core *c = alone(&w, &call);

	(void)state;
	core_call(c, 1, 5, &call);
	w.header.flags = 0x01000000U; /* others have copies for reading */
	time_goes(&w, DELAY_MS);
	assert_true(w.has_record);
	core_free(c);
}

static void test_bounded(void **state)
{
	struct world w;
	struct core_call call;
	struct core *c = alone(&w, &call);
	struct core_status s;

	(void)state;
	for (uint32_t i = 0; i < 100000; i++)
		core_vacuum_schedule(c, call.db_id, slice_of(&i, sizeof(i)));
	core_vacuum_schedule(c, call.db_id + 1, slice_of("x", 1)); /* no such database */
	core_vacuum_schedule(c, call.db_id, slice_of("", 0));
	s = status_of(c);
	assert_int_equal(s.vacuum_candidates, 65536);
	assert_int_equal(s.vacuum_overflows, 100000 - 65536);
	/* a slice at a time, none before the time for it */
	time_goes(&w, DELAY_MS);
	assert_int_equal(status_of(c).vacuum_candidates, 65536 - VACUUM_SLICE);
	core_free(c);
}

/* Records that nobody has told of */
static void test_pass(void **state)
{
	struct world w;
	struct core_call call;
	struct core *c = alone(&w, &call);
	uint8_t header[RECORD_HEADER_SIZE] = { 1 };
	struct core_traverse_entry e = { .key = call.key,
					 .value = slice_of(header, sizeof(header)) };

	(void)state;
	core_call(c, 1, 5, &call);
	w.record_len = 3;
	time_goes(&w, DELAY_MS);
	assert_int_equal(status_of(c).vacuum_candidates, 0);
	w.record_len = 0;
	assert_int_equal(w.reads, 0);
	time_goes(&w, INTERVAL_MS);
	assert_int_equal(w.reads, 1);
	assert_true(w.read[0].only_empty);
	assert_int_equal(w.read[0].chain, 0);
	assert_true(w.read[0].chains > 0);
	core_traverse_records(c, w.read[0].cookie + 1, &e, 1); /* not of this one */
	assert_int_equal(status_of(c).vacuum_candidates, 0);
	core_traverse_records(c, w.read[0].cookie, &e, 1);
	assert_int_equal(status_of(c).vacuum_candidates, 1);
	core_traverse_read_end(c, w.read[0].cookie, 4096, 0);
	time_goes(&w, 10);
	assert_int_equal(w.reads, 2);
	assert_int_equal(w.read[1].chain, 4096);
	core_traverse_read_end(c, w.read[1].cookie, CORE_CHAIN_END, 0);
	time_goes(&w, DELAY_MS);
	assert_false(w.has_record);
	assert_int_equal(status_of(c).vacuum_passes, 1);
	core_free(c);
}

/* ---- with a peer ---- */

struct peer {
	struct world w;
	struct core *c;
	struct core_call mine, theirs; /* keys by their lmaster */
	uint64_t seq;
	uint8_t out[65536];
	size_t len, at;
};

static void peer_say(struct peer *p, uint8_t type, void (*fields)(struct writer *w, void *arg),
		     void *arg)
{
	uint8_t buf[512];
	struct writer w = writer_of(buf, sizeof(buf));
	uint32_t len;

	writer_u32(&w, 0);
	writer_u8(&w, type);
	writer_zero(&w, 3);
	writer_u32(&w, core_generation(p->c));
	writer_zero(&w, 4);
	writer_u64(&w, ++p->seq);
	writer_u64(&w, 0);
	if (fields != NULL)
		fields(&w, arg);
	len = (uint32_t)w.len;
	memcpy(buf, &len, sizeof(len));
	assert_int_equal(core_peer_input(p->c, 1, slice_of(buf, w.len)), CORE_TAKEN);
}

/* The next packet of this type that the peer was sent; false: none */
static bool peer_hears(struct peer *p, uint8_t type, struct packet *found)
{
	struct slice run[2];

	for (;;) {
		uint32_t size;

		if (p->at == p->len) {
			if (core_peer_output(p->c, 1, run) == 0)
				return false;
			assert_true(run[0].len <= sizeof(p->out));
			memcpy(p->out, run[0].p, run[0].len);
			p->len = run[0].len;
			p->at = 0;
			core_peer_sent(p->c, 1, p->len);
		}
		memcpy(&size, p->out + p->at, sizeof(size));
		assert_int_equal(packet_decode(slice_of(p->out + p->at, size), found), 0);
		p->at += size;
		if (found->type == type)
			return true;
	}
}

static struct peer *peer_begin(void)
{
	static char name[2][16];
	static struct peer p;
	bool has[2] = { false, false };

	memset(&p, 0, sizeof(p));
	p.c = node_with_peer(&p.w);
	core_vacuum_tune(p.c, DELAY_MS, INTERVAL_MS);
	core_sweep_end(p.c, call_of(p.c, "k").db_id, core_generation(p.c));
	peer_say(&p, PACKET_DONE, NULL, NULL);
	assert_false(p.c->is_recovering);
	for (unsigned int i = 0; !has[0] || !has[1]; i++) {
		char key[16];
		uint32_t lmaster;
		struct core_call call;

		snprintf(key, sizeof(key), "key%u", i);
		call = call_of(p.c, key);
		lmaster = core_lmaster(p.c, call.db_id, call.key);
		memcpy(name[lmaster], key, sizeof(key));
		has[lmaster] = true;
	}
	p.mine = call_of(p.c, name[0]);
	p.theirs = call_of(p.c, name[1]);
	return &p;
}

struct grant {
	const struct core_call *call;
	uint64_t rsn;
	const char *body;
};
static void grant_fields(struct writer *w, void *arg)
{
	const struct grant *g = arg;

	writer_u32(w, g->call->db_id);
	writer_u64(w, g->rsn);
	writer_u32(w, 0);
	writer_block(w, g->call->key.p, g->call->key.len);
	writer_block(w, g->body, strlen(g->body));
}

static void location_fields(struct writer *w, void *arg)
{
	const struct grant *g = arg;

	writer_u32(w, g->call->db_id);
	writer_u32(w, 0);
	writer_u64(w, g->rsn);
	writer_block(w, g->call->key.p, g->call->key.len);
}

static void entry_fields(struct writer *w, void *arg)
{
	const struct grant *g = arg;

	writer_u32(w, g->call->db_id);
	writer_u32(w, 1);
	writer_u64(w, g->rsn);
	writer_u8(w, 0);
	writer_block(w, g->call->key.p, g->call->key.len);
}

static void erase_fields(struct writer *w, void *arg)
{
	const struct grant *g = arg;

	writer_u32(w, g->call->db_id);
	writer_u64(w, 7); /* ticket */
	writer_u32(w, 1);
	writer_u64(w, g->rsn);
	writer_u8(w, 0);
	writer_block(w, g->call->key.p, g->call->key.len);
}

struct erased {
	uint32_t db_id, n;
	uint64_t ticket;
	uint8_t bits;
};
static void erased_fields(struct writer *w, void *arg)
{
	const struct erased *e = arg;

	writer_u32(w, e->db_id);
	writer_u64(w, e->ticket);
	writer_u32(w, e->n);
	writer_u8(w, e->bits);
}

static struct report_entry entry_of(const struct packet *p)
{
	struct cursor s = cursor_of(p->data.p, p->data.len);
	struct report_entry e;

	assert_int_equal(p->n, 1);
	assert_int_equal(packet_report_next(&s, &e), 0);
	return e;
}

/* A record of this lmaster that comes from the peer, empty: the peer's copy goes first */
static void test_erase(void **state)
{
	struct peer *p = peer_begin();
	struct grant g = { .call = &p->mine, .rsn = 50, .body = "" };
	struct erased e = { .db_id = p->mine.db_id, .n = 1, .bits = 1 };
	struct packet ask, gone;
	struct report_entry entry;

	(void)state;
	peer_say(p, PACKET_GRANT, grant_fields, &g);
	time_goes(&p->w, DELAY_MS); /* its LOCATION is not in: not now */
	assert_false(peer_hears(p, PACKET_ERASE, &ask));
	peer_say(p, PACKET_LOCATION, location_fields, &g);
	time_goes(&p->w, DELAY_MS);
	assert_true(peer_hears(p, PACKET_ERASE, &ask));
	entry = entry_of(&ask);
	assert_int_equal(entry.rsn, 51);
	assert_int_equal(p->w.header.rsn, 51);
	e.ticket = ask.ticket;
	/* refused: later. Answers that are none do nothing. */
	peer_say(p, PACKET_ERASED, erased_fields, &e);
	peer_say(p, PACKET_ERASED, erased_fields, &e);
	assert_true(p->w.has_record);
	time_goes(&p->w, DELAY_MS);
	assert_true(peer_hears(p, PACKET_ERASE, &ask));
	assert_int_equal(entry_of(&ask).rsn, 52);
	e = (struct erased){ .db_id = e.db_id, .n = 7, .ticket = ask.ticket };
	peer_say(p, PACKET_ERASED, erased_fields, &e);
	assert_true(p->w.has_record);
	e.n = 1;
	peer_say(p, PACKET_ERASED, erased_fields, &e);
	assert_false(p->w.has_record);
	assert_true(peer_hears(p, PACKET_DELETE, &gone));
	assert_int_equal(entry_of(&gone).rsn, 52);
	assert_int_equal(status_of(p->c).locations, 0);
	/* the next one is above it */
	core_call(p->c, 1, 5, &p->mine);
	assert_true(p->w.header.rsn > 52);
	core_free(p->c);
}

/* It is used again while the others empty their copies */
static void test_erase_given_up(void **state)
{
	struct peer *p = peer_begin();
	struct grant g = { .call = &p->mine, .rsn = 50, .body = "" };
	struct erased e = { .db_id = p->mine.db_id, .n = 1 };
	struct packet ask;

	(void)state;
	peer_say(p, PACKET_GRANT, grant_fields, &g);
	peer_say(p, PACKET_LOCATION, location_fields, &g);
	time_goes(&p->w, DELAY_MS);
	assert_true(peer_hears(p, PACKET_ERASE, &ask));
	e.ticket = ask.ticket;
	p->w.record_len = 3;
	peer_say(p, PACKET_ERASED, erased_fields, &e);
	assert_true(p->w.has_record);
	assert_false(peer_hears(p, PACKET_DELETE, &ask));
	core_free(p->c);
}

/* A record of the peer as the lmaster: it goes home. And what the lmaster asks of a copy. */
static void test_other_lmaster(void **state)
{
	struct peer *p = peer_begin();
	struct grant g = { .call = &p->theirs, .rsn = 50, .body = "" };
	struct packet home;

	(void)state;
	peer_say(p, PACKET_GRANT, grant_fields, &g);
	time_goes(&p->w, DELAY_MS);
	assert_true(peer_hears(p, PACKET_RETURN, &home));
	assert_int_equal(entry_of(&home).rsn, 51);
	assert_int_equal(p->w.header.dmaster, 1);
	g.rsn = 50; /* an older one than the copy */
	peer_say(p, PACKET_DELETE, entry_fields, &g);
	assert_true(p->w.has_record);
	g.rsn = 51;
	p->w.record_len = 3; /* never one that is not empty */
	peer_say(p, PACKET_DELETE, entry_fields, &g);
	assert_true(p->w.has_record);
	p->w.record_len = 0;
	peer_say(p, PACKET_DELETE, entry_fields, &g);
	assert_false(p->w.has_record);
	/* nor one that is owned here */
	g.rsn = 60;
	peer_say(p, PACKET_GRANT, grant_fields, &g);
	g.rsn = 70;
	peer_say(p, PACKET_DELETE, entry_fields, &g);
	assert_true(p->w.has_record);
	core_free(p->c);
}

/* A copy that cannot be read is not told to be empty: it may be there again later */
static void test_unreadable_copy(void **state)
{
	struct peer *p = peer_begin();
	struct grant g = { .call = &p->theirs, .rsn = 50 };
	struct packet answer;

	(void)state;
	p->w.has_record = true;
	p->w.header = (struct record_header){ .rsn = 20, .dmaster = 1 };
	p->w.record_len = 3;
	p->w.is_unreadable = true;
	peer_say(p, PACKET_ERASE, erase_fields, &g);
	assert_true(peer_hears(p, PACKET_ERASED, &answer));
	assert_int_equal(answer.data.p[0], 1);
	assert_int_equal(p->w.record_len, 3);
	p->w.is_unreadable = false;
	peer_say(p, PACKET_ERASE, erase_fields, &g);
	assert_true(peer_hears(p, PACKET_ERASED, &answer));
	assert_int_equal(answer.data.p[0], 0);
	assert_int_equal(p->w.record_len, 0);
	core_free(p->c);
}

/* Made for the peer, and back from there: no other copy was anywhere */
static void test_sole(void **state)
{
	struct peer *p = peer_begin();
	struct grant g = { .call = &p->mine };
	struct packet made, gone;
	struct packet ask = { .type = PACKET_REQUEST,
			      .db_id = p->mine.db_id,
			      .orig = 1,
			      .key = p->mine.key };

	(void)state;
	location_request(p->c, &ask);
	assert_true(peer_hears(p, PACKET_ADOPT, &made));
	assert_true(made.is_new);
	g.rsn = made.rsn + 1;
	peer_say(p, PACKET_RETURN, entry_fields, &g);
	assert_true(peer_hears(p, PACKET_DELETE, &gone));
	assert_int_equal(entry_of(&gone).rsn, g.rsn);
	assert_int_equal(status_of(p->c).locations, 0);
	assert_false(p->w.has_record);
	core_free(p->c);
}

/* A forward for a record that is not here, and does not come, goes back to the lmaster */
static void forward_fields(struct writer *w, void *arg)
{
	const struct grant *g = arg;

	writer_u32(w, g->call->db_id);
	writer_u32(w, 1);
	writer_u64(w, g->rsn);
	writer_u8(w, 1);
	writer_block(w, g->call->key.p, g->call->key.len);
}

static void test_parked(void **state)
{
	struct peer *p = peer_begin();
	struct grant g = { .call = &p->theirs, .rsn = 50 };
	struct packet back;

	(void)state;
	peer_say(p, PACKET_FORWARD, forward_fields, &g);
	assert_int_equal(p->c->keys.n, 1);
	assert_true(core_deadline_ms(p->c) <= p->w.now + 1000);
	time_goes(&p->w, 999);
	assert_false(peer_hears(p, PACKET_BOUNCE, &back));
	time_goes(&p->w, 1);
	assert_true(peer_hears(p, PACKET_BOUNCE, &back));
	assert_int_equal(back.orig, 1);
	assert_int_equal(p->c->keys.n, 0);
	core_free(p->c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_in_use),
		cmocka_unit_test(test_readonly_copies),
		cmocka_unit_test(test_bounded),
		cmocka_unit_test(test_pass),
		cmocka_unit_test(test_erase),
		cmocka_unit_test(test_erase_given_up),
		cmocka_unit_test(test_other_lmaster),
		cmocka_unit_test(test_unreadable_copy),
		cmocka_unit_test(test_sole),
		cmocka_unit_test(test_parked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
