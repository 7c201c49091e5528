/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_commit.c: commits and transfers of one node, against a peer that sends anything. Whole
 * clusters are the simulator's work.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include "core_world.h"
#include "lib/jenkins.h"
#include "lib/payload.h"


static uint32_t p_id(void)
{
	return jenkins_db_id("p.tdb");
}

static struct core *with_persistent(struct world *w, struct core *c)
{
	assert_int_equal(core_attach(c, "p.tdb", DB_PERSISTENT), -EINPROGRESS);
	deliver(w);
	assert_int_equal(core_attach(c, "p.tdb", DB_PERSISTENT), 0);
	return c;
}

static struct slice records_of(uint8_t *buf, size_t size, uint32_t db_id, uint64_t seq)
{
	uint8_t body[RECORD_HEADER_SIZE + 8] = { 0 };
	struct writer w = writer_of(buf, size);
	struct ctdb_rec_data r = { .key = slice_of("k", 1), .data = slice_of(body, sizeof(body)) };

	ctdb_rec_buffer_encode(&w, &(struct ctdb_rec_buffer){ db_id, 2 });
	ctdb_rec_data_encode(&w, &r);
	memcpy(body + RECORD_HEADER_SIZE, &seq, sizeof(seq));
	r.key = slice_of(SEQUENCE_KEY, sizeof(SEQUENCE_KEY));
	ctdb_rec_data_encode(&w, &r);
	assert_false(w.failed);
	return slice_of(buf, w.len);
}

static void commit(struct core *c, uint64_t client, uint64_t seq)
{
	uint8_t buf[256];

	core_commit(c, client, 5, p_id(), records_of(buf, sizeof(buf), p_id(), seq));
}

static struct core_db_info info_of(const struct core *c)
{
	struct core_db_info info;

	for (size_t i = 0; core_db_info(c, i, &info) == 0; i++)
		if (info.db_id == p_id())
			return info;
	fail();
	return info;
}

static void tick_later(struct world *w, uint64_t ms)
{
	w->now += ms;
	assert_true(core_deadline_ms(w->core) <= w->now);
	core_tick(w->core);
}

static void test_alone(void **state)
{
	struct world w;
	struct core *c = with_persistent(&w, node_alone(&w));

	(void)state;
	commit(c, 1, 1);
	assert_int_not_equal(w.checking, 0);
	assert_int_equal(w.applying, 0);
	core_commit_checked(c, p_id(), w.checking + 1, 0); /* of another one */
	assert_int_not_equal(w.sent[0], CONTROL_COMMIT);
	core_commit_checked(c, p_id(), w.checking, 0);
	assert_int_equal(w.sent[0], CONTROL_COMMIT);
	assert_int_equal(w.applying, 0); /* the decision is made where it is delivered */
	deliver(&w);
	assert_int_equal(w.becomes.generation, core_generation(c));
	assert_int_equal(w.becomes.seq, 1);
	assert_int_equal(w.committed, 0);
	core_commit_applied(c, p_id(), w.applying, 0);
	assert_int_equal(w.committed, 1);
	assert_int_equal(w.status, 0);
	assert_int_equal(info_of(c).content.seq, 1);
	deliver(&w); /* a second one of the same: it is not held any more */
	assert_int_equal(w.retired, 1);
	core_free(c);
}

static void test_refused(void **state)
{
	struct world w;
	struct core *c = with_persistent(&w, node_alone(&w));
	uint8_t buf[256];
	struct slice records = records_of(buf, sizeof(buf), p_id(), 1);
	struct core_db_info volatile_db;

	(void)state;
	assert_int_equal(core_db_info(c, 0, &volatile_db), 0);
	core_commit(c, 1, 5, p_id() + 1, records); /* unknown */
	core_commit(c, 1, 5, volatile_db.db_id, records);
	for (size_t len = 0; len < records.len; len++) /* cut off anywhere */
		core_commit(c, 1, 5, p_id(), slice_of(buf, len));
	core_commit(c, 1, 5, p_id(), records_of(buf, sizeof(buf), 7, 1)); /* of another database */
	records = records_of(buf, sizeof(buf), p_id(), 1);
	buf[4] = 1; /* without its sequence number */
	core_commit(c, 1, 5, p_id(), records);
	assert_int_equal(w.committed, 4 + records.len);
	assert_int_equal(w.status, COMMIT_REFUSED);
	w.committed = 0;
	commit(c, 1, 1);
	commit(c, 1, 1); /* on the same connection */
	commit(c, 2, 1); /* to the same database */
	assert_int_equal(w.committed, 2);
	core_commit_checked(c, p_id(), w.checking, -EEXIST);
	assert_int_equal(w.committed, 3);
	assert_int_equal(w.status, COMMIT_REFUSED);
	/* nothing is left of all these */
	commit(c, 1, 1);
	assert_int_equal(w.committed, 3);
	core_free(c);
}

/* Who is gone before the decision has not committed; after it, exists until that has ended */
static void test_client_gone(void **state)
{
	struct world w;
	struct core *c = with_persistent(&w, node_alone(&w));

	(void)state;
	commit(c, 1, 1);
	assert_true(core_is_committing(c, 1));
	core_client_gone(c, 1);
	assert_false(core_is_committing(c, 1));
	core_commit_checked(c, p_id(), w.checking, 0);
	assert_int_equal(w.applying, 0);

	core_register(c, 2, 77);
	commit(c, 2, 1);
	core_commit_checked(c, p_id(), w.checking, 0);
	core_client_gone(c, 2);
	deliver(&w);
	assert_int_not_equal(w.applying, 0);
	assert_true(core_is_committing(c, 2) && core_is_registered(c, 2, 77));
	assert_false(core_is_committing(c, 1));
	core_commit_applied(c, p_id(), w.applying, 0);
	assert_false(core_is_committing(c, 2) || core_is_registered(c, 2, 77));
	assert_int_equal(w.committed, 0);

	commit(c, 4, 2); /* which does not end */
	core_commit_checked(c, p_id(), w.checking, 0);
	core_client_gone(c, 4);
	deliver(&w);
	w.now += 59999;
	assert_true(core_is_committing(c, 4));
	w.now += 1;
	assert_false(core_is_committing(c, 4));
	core_free(c);
}

/* This node's part of what it prepares */
static void prepare_and_apply(struct world *w)
{
	core_commit_checked(w->core, p_id(), w->checking, 0);
	deliver(w);
	core_commit_applied(w->core, p_id(), w->applying, 0);
}

/* A dead client's commit comes before one that was made from the same number: that one's client would
 * take it for its own if it found its number in the file */
static void test_overtaken(void **state)
{
	struct world w;
	struct core *c = with_persistent(&w, node_alone(&w));

	(void)state;
	commit(c, 1, 1);
	core_commit_checked(c, p_id(), w.checking, 0);
	core_client_gone(c, 1);
	deliver(&w);
	commit(c, 2, 1);
	tick_later(&w, 40); /* it may not be refused: the number is not in the file yet */
	assert_int_equal(w.committed, 0);
	core_commit_applied(c, p_id(), w.applying, 0);
	assert_int_equal(info_of(c).content.seq, 1);
	tick_later(&w, 40); /* declined, and raised */
	assert_int_equal(w.committed, 0);
	tick_later(&w, 40);
	core_commit_checked(c, p_id(), w.checking, -EEXIST); /* a higher rsn is tried */
	tick_later(&w, 40);
	prepare_and_apply(&w);
	assert_int_equal(info_of(c).content.seq, 2);
	assert_int_equal(w.committed, 1);
	assert_int_equal(w.status, COMMIT_REFUSED);

	commit(c, 3, 2); /* what its client has read before it is as good */
	tick_later(&w, 40);
	core_client_gone(c, 3); /* nobody is to be told */
	commit(c, 4, 3);
	prepare_and_apply(&w);
	assert_int_equal(w.status, 0);
	assert_int_equal(info_of(c).content.seq, 3);
	core_free(c);
}

/* ---- with a peer ---- */

static uint64_t peer_seq;

static int input(struct core *c, uint8_t type, uint64_t id, const void *data, size_t len,
		 int is_part)
{
	uint8_t buf[512];
	struct writer p = writer_of(buf, sizeof(buf));
	uint32_t size;

	writer_u32(&p, 0);
	writer_u8(&p, type);
	writer_zero(&p, 3);
	writer_u32(&p, core_generation(c));
	writer_zero(&p, 4);
	writer_u64(&p, ++peer_seq);
	writer_u64(&p, 0);
	writer_u32(&p, p_id());
	writer_u64(&p, id);
	if (is_part)
		writer_u8(&p, (uint8_t)(is_part - 1));
	if (data != NULL)
		writer_block(&p, data, len);
	size = (uint32_t)p.len;
	memcpy(p.p, &size, sizeof(size));
	return core_peer_input(c, 1, slice_of(p.p, p.len));
}

/* The last packet of this type that the peer is sent */
static bool output(struct core *c, uint8_t type, struct packet *last)
{
	struct slice run[2];
	bool has_one = false;

	if (core_peer_output(c, 1, run) == 0)
		return false;
	for (size_t at = 0; at < run[0].len;) {
		struct packet p;
		uint32_t len;

		memcpy(&len, run[0].p + at, sizeof(len));
		assert_int_equal(packet_decode(slice_of(run[0].p + at, len), &p), 0);
		if (p.type == type) {
			*last = p;
			has_one = true;
		}
		at += len;
	}
	return has_one;
}

static void test_with_peer(void **state)
{
	struct world w;
	struct core *c = with_persistent(&w, node_with_peer(&w));
	struct packet p;

	(void)state;
	peer_seq = 0;
	commit(c, 1, 1);
	core_commit_checked(c, p_id(), w.checking, 0);
	assert_true(output(c, PACKET_PREPARE, &p));
	assert_int_not_equal(w.sent[0], CONTROL_COMMIT); /* the peer has not prepared */
	assert_int_equal(input(c, PACKET_DECLINED, p.rsn, "no", 2, 0), CORE_TAKEN);
	assert_int_equal(w.committed, 1);
	assert_int_equal(w.status, COMMIT_REFUSED);
	assert_true(output(c, PACKET_ABORT, &p));

	commit(c, 1, 1);
	core_commit_checked(c, p_id(), w.checking, 0);
	assert_true(output(c, PACKET_PREPARE, &p));
	assert_int_equal(input(c, PACKET_PREPARED, p.rsn, NULL, 0, 0), CORE_TAKEN);
	assert_int_equal(w.sent[0], CONTROL_COMMIT);
	assert_int_equal(input(c, PACKET_APPLIED, p.rsn, NULL, 0, 0), CORE_TAKEN); /* it is quick */
	deliver(&w);
	core_commit_applied(c, p_id(), w.applying, 0);
	assert_int_equal(w.committed, 2);
	assert_int_equal(w.status, 0);
	core_free(c);
}

static void test_member(void **state)
{
	struct world w;
	struct core *c = with_persistent(&w, node_with_peer(&w));
	uint8_t buf[256];
	struct slice records = records_of(buf, sizeof(buf), p_id(), 1);
	struct packet p;

	(void)state;
	peer_seq = 0;
	assert_int_equal(input(c, PACKET_PREPARE, 7, "nonsense", 8, 1), CORE_TAKEN);
	assert_true(output(c, PACKET_DECLINED, &p));
	assert_int_equal(input(c, PACKET_PREPARE, 8, records.p, records.len, 1), CORE_TAKEN);
	assert_int_equal(input(c, PACKET_PREPARE, 9, records.p, records.len, 1), CORE_TAKEN);
	assert_true(output(c, PACKET_DECLINED, &p));
	assert_int_equal(p.rsn, 9);
	core_commit_checked(c, p_id(), w.checking, 0);
	assert_true(output(c, PACKET_PREPARED, &p));
	assert_int_equal(p.rsn, 8);
	assert_int_equal(input(c, PACKET_ABORT, 9, NULL, 0, 0), CORE_TAKEN);
	commit(c, 1, 1); /* the slot is taken: it waits */
	assert_int_equal(c->db[1]->replica.prepared.coordinator, 1);
	assert_int_equal(input(c, PACKET_ABORT, 8, NULL, 0, 0), CORE_TAKEN);
	tick_later(&w, 40);
	assert_int_equal(w.committed, 0);
	assert_int_equal(c->db[1]->replica.prepared.coordinator, 0);
	core_free(c);
}

/* STATE waits for what is being written, and the client for the next generation */
static void test_view_changes(void **state)
{
	struct world w;
	struct core *c = with_persistent(&w, node_alone(&w));
	struct core_member self = { .pnn = 0, .pid = 1 };
	uint32_t generation = core_generation(c);

	(void)state;
	commit(c, 1, 1);
	core_commit_checked(c, p_id(), w.checking, 0);
	deliver(&w);
	core_membership(c, &self, 1, ring);
	assert_int_not_equal(w.sent[0], CONTROL_STATE);
	core_commit_applied(c, p_id(), w.applying, 0);
	assert_int_equal(w.sent[0], CONTROL_STATE);
	assert_int_equal(w.committed, 1); /* all had it: that is so, view or not */
	assert_int_equal(w.status, 0);
	deliver(&w);
	plan_in(&w, 1);
	assert_true(core_generation(c) > generation);

	commit(c, 1, 2);
	core_commit_checked(c, p_id(), w.checking, 0);
	core_membership(c, &self, 1, ring); /* COMMIT is under way, and dropped */
	deliver(&w);
	plan_in(&w, 1);
	assert_int_equal(w.committed, 1);
	assert_int_equal(w.sent[0], CONTROL_COMMIT); /* the new generation is noted first */
	deliver(&w);
	assert_int_equal(w.applied_len, 0);
	assert_int_equal(w.becomes.generation, core_generation(c));
	assert_int_equal(w.becomes.seq, 1);
	core_commit_applied(c, p_id(), w.applying, 0);
	assert_int_equal(w.committed, 2);
	assert_int_equal(w.status, COMMIT_VIEW_CHANGED);
	core_free(c);
}

/* What this node has decides, and the peer, which has another content, asks for it */
static void test_sends(void **state)
{
	struct world w;
	struct core *c = with_persistent(&w, node_with_peer(&w));
	struct packet p;

	(void)state;
	peer_seq = 0;
	assert_int_equal(input(c, PACKET_PULL, 77, NULL, 0, 0), CORE_TAKEN);
	assert_int_equal(w.sending, 77);
	assert_int_equal(core_transfer_part(c, p_id(), 1, 77, slice_of("x", 1), true), -ESTALE);
	assert_int_equal(core_transfer_part(c, p_id(), 1, (uint64_t)core_generation(c) << 32 | 7,
					    slice_of("x", 1), true),
			 0);
	assert_true(output(c, PACKET_PART, &p));
	assert_int_equal(p.is_new, 1);
	core_free(c);
}

static const struct core_content tagged = { .generation = 9, .tag = 1, .seq = 30 };

/* A database that is damaged here is fetched; commits wait for it */
static void test_receives(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	uint8_t buf[256];
	struct slice records = records_of(buf, sizeof(buf), p_id(), 31);
	struct packet p;

	(void)state;
	peer_seq = 0;
	w.content = tagged;
	w.content.is_damaged = true;
	assert_int_equal(core_attach(c, "p.tdb", DB_PERSISTENT), -EINPROGRESS);
	deliver(&w);
	assert_int_equal(w.attached, 1);	      /* a.tdb only */
	assert_int_equal(w.sent[0], CONTROL_RESTART); /* the others have to know */
	assert_int_equal(core_attach(c, "p.tdb", DB_PERSISTENT), -EINPROGRESS);
	/* as if all had told: the peer has it */
	c->db[1]->replica.source = 1;
	c->db[1]->replica.coming = tagged;
	c->db[1]->replica.cookie = 5;
	assert_int_equal(input(c, PACKET_PREPARE, 8, records.p, records.len, 1), CORE_TAKEN);
	assert_int_equal(w.checking, 0);
	assert_int_equal(input(c, PACKET_PART, 4, "old", 3, 1), CORE_TAKEN);
	assert_int_equal(w.received_len, 0);
	assert_int_equal(input(c, PACKET_PART, 5, "new", 3, 1), CORE_TAKEN);
	assert_int_equal(input(c, PACKET_PART, 5, "", 0, 2), CORE_TAKEN);
	assert_int_equal(w.received_len, 3);
	assert_true(w.is_received);
	core_transfer_written(c, p_id(), 5, 0);
	assert_int_equal(w.attached, 2);
	assert_int_equal(w.attach_status, 0);
	assert_int_equal(info_of(c).content.seq, 30);
	assert_false(info_of(c).is_behind);
	assert_int_not_equal(w.checking, 0);
	core_commit_checked(c, p_id(), w.checking, 0);
	assert_true(output(c, PACKET_PREPARED, &p));
	core_free(c);
}

static void test_nobody_has_it(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);

	(void)state;
	w.content.is_damaged = true;
	assert_int_equal(core_attach(c, "p.tdb", DB_PERSISTENT), -EINPROGRESS);
	deliver(&w); /* ATTACH */
	deliver(&w); /* RESTART */
	deliver(&w); /* STATE */
	plan_in(&w, 1);
	assert_int_equal(w.attached, 2);
	assert_int_equal(w.attach_status, -EUCLEAN);
	assert_true(info_of(c).is_lost);
	assert_int_equal(core_attach(c, "p.tdb", DB_PERSISTENT), -EUCLEAN);
	core_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alone),	     cmocka_unit_test(test_refused),
		cmocka_unit_test(test_client_gone),  cmocka_unit_test(test_overtaken),
		cmocka_unit_test(test_with_peer),    cmocka_unit_test(test_member),
		cmocka_unit_test(test_view_changes), cmocka_unit_test(test_sends),
		cmocka_unit_test(test_receives),     cmocka_unit_test(test_nobody_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
