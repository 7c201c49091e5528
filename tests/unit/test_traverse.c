/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_traverse.c: traverses of one node's clients and of its peer's, the peer played by hand. The
 * client is number 1, its srvid 7.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include "core_world.h"
#include "daemon/core/traverse.h"

enum { TAG = 0x4711, TIMEOUT_MS = 5000 };

static const char header[RECORD_HEADER_SIZE + 5] = "................dmas....body";

static uint32_t u32_at(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint32_t db_of(struct core *c)
{
	return call_of(c, "k").db_id;
}

static int traverse(struct core *c, bool is_ext)
{
	struct core_traverse t = { .db_id = db_of(c),
				   .tag = TAG,
				   .srvid = 7,
				   .with_empty = true,
				   .is_ext = is_ext,
				   .timeout_ms = TIMEOUT_MS };

	return core_traverse(c, 1, &t);
}

static void entry_tell(struct core *c, uint64_t cookie, const char *key)
{
	struct core_traverse_entry e = { .key = slice_of(key, strlen(key)),
					 .value = slice_of(header, sizeof(header)) };

	core_traverse_records(c, cookie, &e, 1);
}

/* The last message is the end, or a record with that key */
static bool message_is_end(const struct world *w)
{
	return w->message_len == 16 && u32_at(w->message) == 16 && u32_at(w->message + 4) == TAG &&
	       u32_at(w->message + 8) == 0 && u32_at(w->message + 12) == 0;
}

static bool message_is_record(const struct world *w, const char *key)
{
	size_t n = strlen(key);

	return w->message_len == 16 + n + sizeof(header) &&
	       u32_at(w->message) == w->message_len && u32_at(w->message + 4) == TAG &&
	       u32_at(w->message + 8) == n && u32_at(w->message + 12) == sizeof(header) &&
	       memcmp(w->message + 16, key, n) == 0 &&
	       memcmp(w->message + 16 + n, header, sizeof(header)) == 0;
}

static uint64_t number_of(struct core *c)
{
	return core_peer_received(c, 1) + 1;
}

static struct writer packet_of(struct core *c, uint8_t *buf, size_t size, uint8_t type,
			       uint64_t ticket, uint32_t round)
{
	struct writer w = writer_of(buf, size);

	writer_u32(&w, 0);
	writer_u8(&w, type);
	writer_zero(&w, 3);
	writer_u32(&w, core_generation(c));
	writer_zero(&w, 4);
	writer_u64(&w, number_of(c));
	writer_u64(&w, 0);
	writer_u32(&w, db_of(c));
	writer_u64(&w, ticket);
	writer_u32(&w, round);
	return w;
}

static void input(struct core *c, struct writer *w)
{
	uint32_t len = (uint32_t)w->len;

	memcpy(w->p, &len, sizeof(len));
	assert_int_equal(core_peer_input(c, 1, slice_of(w->p, w->len)), CORE_TAKEN);
}

static void peer_sends_u32_u8(struct core *c, uint8_t type, uint64_t ticket, uint32_t round,
			      uint32_t chain, uint8_t mode)
{
	uint8_t buf[128];
	struct writer w = packet_of(c, buf, sizeof(buf), type, ticket, round);

	writer_u32(&w, chain);
	writer_u8(&w, mode);
	input(c, &w);
}

static void peer_sends_record(struct core *c, uint64_t ticket, uint32_t round, const char *key,
			      size_t value_len)
{
	uint8_t buf[256];
	struct writer w = packet_of(c, buf, sizeof(buf), PACKET_TRAVERSE_RECORDS, ticket, round);

	writer_u32(&w, 1);
	writer_block(&w, key, strlen(key));
	writer_block(&w, header, value_len);
	input(c, &w);
}

/* The newest packet of that type that the peer is sent; false: none. p->raw lasts until the next
 * call. What is looked at counts as sent. */
static bool peer_gets(struct core *c, uint8_t type, struct packet *p)
{
	static uint8_t out[1 << 20];
	struct slice run[2];
	bool is_found = false;
	struct packet one;
	uint32_t len;

	if (core_peer_output(c, 1, run) == 0)
		return false;
	assert_true(run[0].len <= sizeof(out));
	memcpy(out, run[0].p, run[0].len);
	for (size_t at = 0; at < run[0].len; at += len) {
		len = u32_at(out + at);
		assert_int_equal(packet_decode(slice_of(out + at, len), &one), 0);
		if (one.type == type) {
			*p = one;
			is_found = true;
		}
	}
	core_peer_sent(c, 1, run[0].len);
	return is_found;
}

static void test_alone(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	struct core_status s;

	(void)state;
	core_register(c, 1, 7);
	assert_int_equal(traverse(c, false), 0);
	assert_int_equal(w.reads + w.messages, 0); /* the answer comes first */
	core_client_drained(c, 1);
	assert_int_equal(w.reads, 1);
	assert_int_equal(w.read[0].db_id, db_of(c));
	assert_int_equal(w.read[0].chain, 0);
	assert_int_equal(w.read[0].dmaster, 0);
	assert_true(w.read[0].with_empty);
	entry_tell(c, w.read[0].cookie, "one");
	assert_true(message_is_record(&w, "one"));
	entry_tell(c, w.read[0].cookie + 1, "not asked for");
	assert_int_equal(w.messages, 1);
	/* the client does not read: nothing is asked for */
	w.is_client_full = true;
	core_traverse_read_end(c, w.read[0].cookie, 17, 0);
	assert_int_equal(w.reads, 1);
	w.is_client_full = false;
	core_client_drained(c, 2);
	assert_int_equal(w.reads, 1);
	core_client_drained(c, 1);
	assert_int_equal(w.reads, 2);
	assert_int_equal(w.read[1].chain, 17);
	core_traverse_read_end(c, w.read[1].cookie, CORE_CHAIN_END, 0);
	assert_true(message_is_end(&w));
	assert_int_equal(w.messages, 2);
	core_traverse_read_end(c, w.read[1].cookie, CORE_CHAIN_END, 0);
	core_client_drained(c, 1);
	assert_int_equal(w.messages, 2);
	core_status(c, &s);
	assert_int_equal(s.traverses, 1);
	assert_int_equal(s.traverses_now + s.traverses_failed, 0);
	assert_int_equal(s.traverse_records, 1);
	core_free(c);
}

static void test_refused(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	struct core_traverse t = { .db_id = 1 };
	unsigned int n = 0;

	(void)state;
	assert_int_equal(core_traverse(c, 1, &t), -ENOENT);
	t.db_id = db_of(c);
	while (core_traverse(c, 1, &t) == 0)
		n++;
	assert_int_equal(n, 4);
	assert_int_equal(core_traverse(c, 1, &t), -EBUSY);
	for (uint64_t client = 2; core_traverse(c, client, &t) == 0; client++)
		n++;
	assert_int_equal(n, 256);
	assert_int_equal(core_traverse(c, 300, &t), -ENOSPC);
	core_client_gone(c, 1);
	assert_int_equal(core_traverse(c, 1, &t), 0);
	core_free(c);
}

/* Of a database that all nodes have whole: from this file, all that is in it */
static void test_persistent(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	struct core_traverse t = { .tag = TAG, .srvid = 7 };
	struct packet p;
	struct core_db_info info;

	(void)state;
	assert_int_equal(core_attach(c, "p.tdb", DB_PERSISTENT), -EINPROGRESS);
	core_multicast(c, 0, 1, slice_of(w.sent, w.sent_len));
	assert_int_equal(core_db_info(c, 1, &info), 0);
	t.db_id = info.db_id;
	core_register(c, 1, 7);
	assert_int_equal(core_traverse(c, 1, &t), 0);
	core_client_drained(c, 1);
	assert_false(peer_gets(c, PACKET_TRAVERSE_ASK, &p));
	assert_int_equal(w.reads, 1);
	assert_int_equal(w.read[0].dmaster, CORE_UNKNOWN_PNN);
	assert_true(w.read[0].with_empty);
	core_traverse_read_end(c, w.read[0].cookie, CORE_CHAIN_END, 0);
	assert_true(message_is_end(&w));
	core_free(c);
}

/* Begun by node1's client, the own part has ended; what the peer was asked */
static struct packet begun(struct core *c, struct world *w, bool is_ext)
{
	struct packet p = { 0 };

	core_register(c, 1, 7);
	assert_int_equal(traverse(c, is_ext), 0);
	core_client_drained(c, 1);
	core_traverse_read_end(c, w->read[(w->reads - 1) % 8].cookie, CORE_CHAIN_END, 0);
	assert_true(peer_gets(c, PACKET_TRAVERSE_ASK, &p));
	assert_int_equal(w->messages, 0);
	return p;
}

static void test_two_nodes(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	struct packet p = begun(c, &w, false), again;

	(void)state;
	assert_int_equal(p.chain, 0);
	assert_int_equal(p.mode, TRAVERSE_WITH_EMPTY);
	peer_sends_record(c, p.ticket, p.round, "theirs", sizeof(header));
	assert_true(message_is_record(&w, "theirs"));
	peer_sends_record(c, p.ticket, p.round + 1, "late", sizeof(header));
	peer_sends_record(c, p.ticket + 1, p.round, "late", sizeof(header));
	assert_int_equal(w.messages, 1);
	peer_sends_u32_u8(c, PACKET_TRAVERSE_END, p.ticket, p.round, 5, 0);
	assert_true(peer_gets(c, PACKET_TRAVERSE_ASK, &again));
	assert_int_equal(again.chain, 5);
	assert_int_not_equal(again.round, p.round);
	peer_sends_u32_u8(c, PACKET_TRAVERSE_END, p.ticket, p.round, CORE_CHAIN_END, 0);
	assert_int_equal(w.messages, 1); /* that was the older batch's */
	peer_sends_u32_u8(c, PACKET_TRAVERSE_END, p.ticket, again.round, CORE_CHAIN_END, 0);
	assert_true(message_is_end(&w));
	assert_int_equal(w.failed, 0);
	core_free(c);
}

/* A traverse has ended without all records: how many messages before, and why */
static void check_failed(struct core *c, const struct world *w, unsigned int before,
			 const char *why)
{
	struct core_status s;

	assert_int_equal(w->failed, 1);
	assert_string_equal(w->why, why);
	assert_true(message_is_end(w));
	assert_int_equal(w->messages, before + 2); /* a broken record, and the end */
	core_status(c, &s);
	assert_int_equal(s.traverses_failed, 1);
	assert_int_equal(s.traverses_now, 0);
}

static void test_peer_malformed(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct world w;
		struct core *c = node_with_peer(&w);
		struct packet p = begun(c, &w, false), cancel;

		if (i == 0) { /* shorter than a header */
			peer_sends_record(c, p.ticket, p.round, "short", RECORD_HEADER_SIZE - 1);
			assert_true(peer_gets(c, PACKET_TRAVERSE_CANCEL, &cancel));
			assert_int_equal(cancel.ticket, p.ticket);
			check_failed(c, &w, 0, "what node1(1) has sent is malformed");
		} else if (i == 1) { /* it does not get on */
			peer_sends_u32_u8(c, PACKET_TRAVERSE_END, p.ticket, p.round, 0, 0);
			check_failed(c, &w, 0, "what node1(1) has sent is malformed");
		} else { /* records are missing: the rest is told, and then that */
			peer_sends_u32_u8(c, PACKET_TRAVERSE_END, p.ticket, p.round, 9, 1);
			assert_int_equal(w.failed, 0);
			assert_true(peer_gets(c, PACKET_TRAVERSE_ASK, &p));
			peer_sends_record(c, p.ticket, p.round, "more", sizeof(header));
			peer_sends_u32_u8(c, PACKET_TRAVERSE_END, p.ticket, p.round, CORE_CHAIN_END,
					  0);
			check_failed(c, &w, 1, "node1(1) cannot read all of its records");
		}
		core_free(c);
	}
}

static void test_timeout(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	struct packet p = begun(c, &w, false), cancel;

	(void)state;
	w.now += TIMEOUT_MS - 1;
	core_tick(c);
	assert_int_equal(w.failed, 0);
	assert_true(core_deadline_ms(c) <= w.now + 10);
	w.now++;
	core_tick(c);
	assert_true(peer_gets(c, PACKET_TRAVERSE_CANCEL, &cancel));
	assert_int_equal(cancel.ticket, p.ticket);
	check_failed(c, &w, 0, "node1(1) does not answer in time");
	core_free(c);
}

/* A slow client is not a slow node */
static void test_slow_client_has_time(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	struct packet p = begun(c, &w, false);

	(void)state;
	w.is_client_full = true;
	peer_sends_u32_u8(c, PACKET_TRAVERSE_END, p.ticket, p.round, 5, 0);
	assert_false(peer_gets(c, PACKET_TRAVERSE_ASK, &p));
	w.now += 100 * TIMEOUT_MS;
	core_tick(c);
	assert_int_equal(w.failed, 0);
	w.is_client_full = false;
	core_client_drained(c, 1);
	assert_true(peer_gets(c, PACKET_TRAVERSE_ASK, &p));
	core_free(c);
}

static void test_client_gone(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	struct packet p = { 0 }, cancel;

	(void)state;
	core_register(c, 1, 7);
	assert_int_equal(traverse(c, false), 0);
	core_client_drained(c, 1);
	assert_true(peer_gets(c, PACKET_TRAVERSE_ASK, &p));
	assert_int_equal(w.reads, 1);
	core_client_gone(c, 1);
	assert_true(peer_gets(c, PACKET_TRAVERSE_CANCEL, &cancel));
	assert_int_equal(cancel.ticket, p.ticket);
	assert_int_equal(w.cancels, 1); /* here, too */
	entry_tell(c, w.read[0].cookie, "late");
	core_traverse_read_end(c, w.read[0].cookie, CORE_CHAIN_END, 0);
	peer_sends_record(c, p.ticket, p.round, "late", sizeof(header));
	assert_int_equal(w.messages, 0);
	core_free(c);
}

/* ---- views ---- */

/* node2 has left, in good order */
static void peer_leaves(struct core *c, struct world *w)
{
	struct core_member self = { .pnn = 0, .pid = 1 };

	core_left(c, (struct incarnation){ 1, PEER_BOOT });
	core_membership(c, &self, 1, ring);
	core_multicast(c, 0, 1, slice_of(w->sent, w->sent_len)); /* STATE */
	plan_in(w, 1);
	assert_false(core_node_is_active(c, 1));
}

static void test_node_leaves(void **state)
{
	(void)state;
	for (int is_ext = 0; is_ext < 2; is_ext++) {
		struct world w;
		struct core *c = node_with_peer(&w);

		begun(c, &w, is_ext != 0);
		peer_leaves(c, &w);
		if (!is_ext) {
			check_failed(c, &w, 0, "node1(1) has left");
		} else { /* the end of its connection is the sign */
			assert_int_equal(w.failed, 1);
			assert_int_equal(w.messages, 0);
		}
		core_free(c);
	}
}

/* It had told all that it owned */
static void test_node_leaves_when_done(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	struct packet p;

	(void)state;
	core_register(c, 1, 7);
	assert_int_equal(traverse(c, false), 0);
	core_client_drained(c, 1);
	assert_true(peer_gets(c, PACKET_TRAVERSE_ASK, &p));
	peer_sends_u32_u8(c, PACKET_TRAVERSE_END, p.ticket, p.round, CORE_CHAIN_END, 0);
	peer_leaves(c, &w);
	/* this node's own batch is asked for again */
	assert_int_equal(w.cancels, 1);
	assert_int_equal(w.reads, 2);
	entry_tell(c, w.read[0].cookie, "late");
	assert_int_equal(w.messages, 0);
	core_traverse_read_end(c, w.read[1].cookie, CORE_CHAIN_END, 0);
	assert_int_equal(w.failed, 0);
	assert_true(message_is_end(&w));
	core_free(c);
}

/* A new generation with the same two: what was asked is asked again, from the same chain */
static void test_nodes_stay(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	struct packet p = begun(c, &w, false), again;
	struct states s;
	uint32_t generation = core_generation(c);

	(void)state;
	peer_sends_u32_u8(c, PACKET_TRAVERSE_END, p.ticket, p.round, 5, 0);
	assert_true(peer_gets(c, PACKET_TRAVERSE_ASK, &p));
	core_membership(c, both, 2, ring);
	states_of(&s, &w, REASON_NONE);
	memcpy(s.theirs + 9 + 8 + 8 + 4, s.mine + 9 + 8 + 8 + 4, 4); /* it is active */
	states_in(c, &s);
	plan_in(&w, 1);
	core_multicast(c, 1, 9, slice_of(w.sent, w.sent_len));
	assert_int_not_equal(core_generation(c), generation);
	assert_true(peer_gets(c, PACKET_TRAVERSE_ASK, &again));
	assert_int_equal(again.ticket, p.ticket);
	assert_int_equal(again.chain, 5);
	assert_int_not_equal(again.round, p.round);
	peer_sends_u32_u8(c, PACKET_TRAVERSE_END, p.ticket, again.round, CORE_CHAIN_END, 0);
	assert_true(message_is_end(&w));
	assert_int_equal(w.failed, 0);
	core_free(c);
}

/* ---- the peer's traverses ---- */

static void test_reads_for_peer(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	struct packet p;

	(void)state;
	peer_sends_u32_u8(c, PACKET_TRAVERSE_ASK, 3, 8, 40, 0);
	assert_int_equal(w.reads, 1);
	assert_int_equal(w.read[0].chain, 40);
	assert_int_equal(w.read[0].dmaster, 0);
	assert_false(w.read[0].with_empty);
	entry_tell(c, w.read[0].cookie, "ours");
	assert_true(peer_gets(c, PACKET_TRAVERSE_RECORDS, &p));
	assert_int_equal(p.ticket, 3);
	assert_int_equal(p.round, 8);
	assert_int_equal(p.n, 1);
	assert_int_equal(p.data.len, 4 + 4 + 4 + sizeof(header));
	core_traverse_read_end(c, w.read[0].cookie, 77, -EIO);
	assert_true(peer_gets(c, PACKET_TRAVERSE_END, &p));
	assert_int_equal(p.ticket, 3);
	assert_int_equal(p.chain, 77);
	assert_int_equal(p.mode, 1);
	/* cancelled, and asked for anew while it is read */
	peer_sends_u32_u8(c, PACKET_TRAVERSE_ASK, 3, 9, 77, TRAVERSE_ANY_OWNER);
	assert_int_equal(w.read[1].dmaster, CORE_UNKNOWN_PNN);
	peer_sends_u32_u8(c, PACKET_TRAVERSE_ASK, 3, 10, 77, 0);
	assert_int_equal(w.cancels, 1);
	uint8_t buf[128];
	struct writer cancel = packet_of(c, buf, sizeof(buf), PACKET_TRAVERSE_CANCEL, 3, 10);
	input(c, &cancel);
	assert_int_equal(w.cancels, 2);
	core_traverse_read_end(c, w.read[2].cookie, CORE_CHAIN_END, 0);
	assert_false(peer_gets(c, PACKET_TRAVERSE_END, &p));
	/* the end of a generation is the end of what was asked in it */
	peer_sends_u32_u8(c, PACKET_TRAVERSE_ASK, 4, 1, 0, 0);
	peer_leaves(c, &w);
	assert_int_equal(w.cancels, 3);
	core_free(c);
}

/* Many records go in packets of a bounded length, one that is longer in one of its own */
static void test_packets(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	static uint8_t value[3 * RECORDS_BYTES];
	struct core_traverse_entry e[64];
	struct core_status before, after;
	struct packet p;

	(void)state;
	for (size_t i = 0; i < 64; i++)
		e[i] = (struct core_traverse_entry){ .key = slice_of("key", 3),
						     .value = slice_of(value, 4096) };
	e[63].value.len = sizeof(value);
	peer_sends_u32_u8(c, PACKET_TRAVERSE_ASK, 3, 8, 0, 0);
	core_status(c, &before);
	core_traverse_records(c, w.read[0].cookie, e, 64);
	core_status(c, &after);
	assert_int_equal(after.packets_sent - before.packets_sent, 6); /* 15 in each, and one */
	assert_true(peer_gets(c, PACKET_TRAVERSE_RECORDS, &p));
	assert_int_equal(p.n, 1);
	core_free(c);
}

/* More than any honest peer asks for is refused */
static void test_too_many_for_peer(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	struct packet p;

	(void)state;
	for (uint32_t i = 0; i < 4096; i++)
		peer_sends_u32_u8(c, PACKET_TRAVERSE_ASK, i, 1, 0, 0);
	assert_int_equal(w.reads, 4096);
	assert_false(peer_gets(c, PACKET_TRAVERSE_END, &p));
	peer_sends_u32_u8(c, PACKET_TRAVERSE_ASK, 4096, 1, 0, 0);
	assert_int_equal(w.reads, 4096);
	assert_true(peer_gets(c, PACKET_TRAVERSE_END, &p));
	assert_int_equal(p.mode, 1);
	core_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_persistent),
		cmocka_unit_test(test_two_nodes),
		cmocka_unit_test(test_peer_malformed),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_slow_client_has_time),
		cmocka_unit_test(test_client_gone),
		cmocka_unit_test(test_node_leaves),
		cmocka_unit_test(test_node_leaves_when_done),
		cmocka_unit_test(test_nodes_stay),
		cmocka_unit_test(test_reads_for_peer),
		cmocka_unit_test(test_packets),
		cmocka_unit_test(test_too_many_for_peer),
	};

	return cmocka_run_group_tests_name("traverse", tests, NULL, NULL);
}
