/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_core.c: libFuzzer's entry for what comes to the core from other nodes: messages over CPG and
 * packets over the data plane. Its input is a story: steps that befall one node, which is active
 * beside a peer (tests/unit/core_world.c). A step is u8 what (enum step), u16 length, bytes. Where
 * a fuzzer would have to guess a number that the node drew (name of the view, sequence number), a
 * step puts the right one in; another one leaves the bytes as they are.
 *
 * Whatever a peer says, the node may drop it, close the connection or retire, but not read outside,
 * run into bug(), or own an impossible number of anything. Only the peer lies here: what comes from
 * oneself comes as it was multicast, and in order.
 *
 * With FUZZ_SEEDS=FOLDER it writes stories to begin with, one for each kind of message and packet,
 * and ends. Built and run by tests/fuzz/run.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "daemon/log.h"
#include "tests/unit/core_world.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

enum step {
	STEP_CONTROL,	   /* a message of the peer, as it is */
	STEP_CONTROL_HERE, /* ... about this view */
	STEP_PACKET,	   /* a packet of the peer, as it is */
	STEP_PACKET_NEXT,  /* ... the next of its session, of this generation */
	STEP_OWN,	   /* the oldest own message that is not delivered yet */
	STEP_TIME,	   /* u8: so many times 100 ms */
	STEP_TOGETHER,	   /* a new view of both */
	STEP_ALONE,	   /* ... of this node alone */
	STEP_PERSISTED,	   /* the plan is on disk */
	STEP_SWEPT,	   /* the sweep ends */
	STEP_CALL,	   /* a client asks for the record of that key */
	STEP_LOCKED,	   /* from now on another process has the chain lock */
	STEP_UNLOCKED,	   /* ... no longer; bytes: the key */
	STEP_RECONNECT,	   /* the link is lost, and back */
	STEP_COUNT
};

/* The node's own messages on their way, oldest first */
#define OWN_MAX 32
struct own {
	uint8_t *p;
	size_t len;
};

static struct world world;
static struct core_ops ops;
static struct own own[OWN_MAX];
static size_t own_n;
static uint64_t ring_seq;

/* ---- the world: that of the unit tests, but for what a story has to remember -------------------
 */

static void own_drop(void)
{
	free(own[0].p);
	memmove(own, own + 1, --own_n * sizeof(own[0]));
}

static void story_multicast(void *v, const void *msg, size_t len)
{
	(void)v;
	if (own_n == OWN_MAX)
		own_drop();
	own[own_n].p = malloc(len);
	if (own[own_n].p == NULL)
		abort();
	memcpy(own[own_n].p, msg, len);
	own[own_n++].len = len;
}

static struct core *story_begin(void)
{
	struct core *c = node_with_peer(&world);

	ops = *c->ops;
	ops.multicast = story_multicast;
	c->ops = &ops;
	core_vacuum_tune(c, 10, 100);
	ring_seq = ring.seq;
	return c;
}

static void story_end(struct core *c)
{
	while (own_n > 0)
		own_drop();
	core_free(c);
}

/* ---- steps
 * --------------------------------------------------------------------------------------- */

static void control_repair(const struct core *c, uint8_t *p, size_t len)
{
	struct writer w;

	if (len < 9 || p[0] == CONTROL_FACT || p[0] == CONTROL_ATTACH)
		return;
	w = writer_of(p + 1, 8);
	writer_u64(&w, p[0] == CONTROL_STATE || p[0] == CONTROL_RESTART ? c->view.group
									: c->view.digest);
}

static void packet_repair(const struct core *c, uint8_t *p, size_t len)
{
	struct writer w = writer_of(p, len);
	uint8_t type;

	if (len < CORE_PACKET_HEADER)
		return;
	type = p[4];
	writer_u32(&w, (uint32_t)len);
	writer_u8(&w, type);
	writer_zero(&w, 3);
	writer_u32(&w, c->active_generation);
	writer_u32(&w, 0);
	writer_u64(&w, type == PACKET_ACK ? 0 : core_peer_received(c, 1) + 1);
	/* the acknowledgement stays as it is: it is the peer's to invent */
}

static void step_group(struct core *c, const struct core_member *m, size_t n)
{
	struct core_ring now = { .node = ring.node, .seq = ++ring_seq };

	core_quorum(c, true, now, NULL, 0);
	core_membership(c, m, n, now);
}

static void step_call(struct core *c, struct slice key)
{
	struct core_db_info info;
	struct core_call call = { .callid = CALL_NULL, .key = key };

	if (core_db_info(c, 0, &info) != 0)
		return;
	call.db_id = info.db_id;
	(void)core_call(c, 1, 1, &call);
}

static void step_unlocked(struct core *c, struct slice key)
{
	struct core_db_info info;

	world.is_locked_outside = false;
	if (core_db_info(c, 0, &info) == 0)
		core_key_unlocked(c, info.db_id, key);
}

/* p is a copy of its own, so that reading outside is noticed */
static void step_play(struct core *c, enum step step, uint8_t *p, size_t len)
{
	struct slice bytes = slice_of(p, len), run[2];

	switch (step) {
	case STEP_CONTROL_HERE:
		control_repair(c, p, len);
		/* fall through */
	case STEP_CONTROL:
		core_multicast(c, 1, 9, bytes);
		break;
	case STEP_PACKET_NEXT:
		packet_repair(c, p, len);
		/* fall through */
	case STEP_PACKET:
		(void)core_peer_input(c, 1, bytes);
		break;
	case STEP_OWN:
		if (own_n == 0)
			break;
		core_multicast(c, 0, 1, slice_of(own[0].p, own[0].len));
		own_drop();
		break;
	case STEP_TIME:
		world.now += len > 0 ? p[0] * 100U : 10U;
		core_tick(c);
		break;
	case STEP_TOGETHER:
		step_group(c, both, 2);
		break;
	case STEP_ALONE:
		step_group(c, both, 1);
		break;
	case STEP_PERSISTED:
		core_persisted(c, world.persist_generation);
		break;
	case STEP_SWEPT:
		for (size_t i = 0; i < c->db_n; i++)
			core_sweep_end(c, c->db[i]->db_id, c->active_generation);
		break;
	case STEP_CALL:
		step_call(c, bytes);
		break;
	case STEP_LOCKED:
		world.is_locked_outside = true;
		break;
	case STEP_UNLOCKED:
		step_unlocked(c, bytes);
		break;
	case STEP_RECONNECT:
		core_peer_down(c, 1);
		if (c->node[1] != NULL)
			(void)core_peer_up(c, 1, c->node[1]->boot_id, len > 0 ? p[0] : 0);
		break;
	case STEP_COUNT:
		break;
	}
	/* the link takes all that there is */
	for (size_t n = core_peer_output(c, 1, run); n > 0; n = core_peer_output(c, 1, run))
		core_peer_sent(c, 1, run[0].len);
}

static void check_bounds(const struct core *c)
{
	struct core_status status;
	struct core_node_status node;

	core_status(c, &status);
	for (size_t i = 0; core_node_status(c, i, &node) == 0; i++)
		assert_true(node.pnn < CORE_MAX_NODES);
	assert_true(c->fact_n <= FACT_COUNT);
	assert_true(c->started_n <= STARTED_COUNT);
	assert_true(c->db_n <= CORE_MAX_DBS);
	assert_true(c->active_n <= 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct core *c = story_begin();
	struct cursor story = cursor_of(p, len);
	struct slice bytes;
	uint16_t size;
	uint8_t what;

	while (!c->is_retired && cursor_u8(&story, &what) == 0 && cursor_u16(&story, &size) == 0) {
		uint8_t *copy;

		if (size > story.left)
			size = (uint16_t)story.left;
		if (cursor_bytes(&story, size, &bytes) != 0)
			break;
		copy = malloc(size);
		if (copy == NULL)
			abort();
		if (size > 0)
			memcpy(copy, bytes.p, size);
		step_play(c, (enum step)(what % STEP_COUNT), copy, size);
		free(copy);
		check_bounds(c);
	}
	story_end(c);
	return 0;
}

/* ---- stories to begin with
 * ------------------------------------------------------------------------ */

static const char *seeds;
static struct writer tale;

static void tell(enum step step, const void *p, size_t len)
{
	writer_u8(&tale, (uint8_t)step);
	writer_u16(&tale, (uint16_t)len);
	writer_bytes(&tale, p, len);
}

static void tell_write(const char *kind, unsigned int number)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s-%u", seeds, kind, number);
	f = fopen(path, "we");
	if (f == NULL || tale.failed || fwrite(tale.p, 1, tale.len, f) != tale.len ||
	    fclose(f) != 0) {
		fprintf(stderr, "%s cannot be written\n", path);
		exit(EXIT_FAILURE);
	}
	tale.len = 0;
}

/* The last message that the node sent is the peer's */
static void tell_last(void)
{
	assert_true(own_n > 0);
	tell(STEP_CONTROL_HERE, own[own_n - 1].p, own[own_n - 1].len);
}

static void tell_controls(struct core *c)
{
	struct incarnation inc = { .pnn = 2, .boot_id = 5 };

	control_send_held(c);
	tell_last();
	tell_write("control", CONTROL_HELD);
	control_send_tried(c, c->view.digest, 0, REASON_LOCK_NOT_SHARED);
	tell_last();
	tell_write("control", CONTROL_TRIED);
	control_send_lock_failed(c, REASON_LOCK_BUSY);
	tell_last();
	tell_write("control", CONTROL_LOCK_FAILED);
	control_send_fact(c, inc, FACT_FENCED);
	tell_last();
	tell_write("control", CONTROL_FACT);
	control_send_restart(c);
	tell_last();
	tell_write("control", CONTROL_RESTART);
	assert_int_equal(core_attach(c, "b.tdb", 0), -EINPROGRESS);
	tell_last();
	tell_write("control", CONTROL_ATTACH);
}

/* A new view of both, up to its generation. The peer's STATE is the node's own, as an incarnation
 * that was never active, or (is_old) as the one that is. */
static void tell_view(struct core *c, bool is_old)
{
	struct states s;

	step_group(c, both, 2);
	s.len = own[own_n - 1].len;
	memcpy(s.theirs, own[own_n - 1].p, s.len);
	s.theirs[9] ^= 0x55; /* boot id, behind type and view */
	if (!is_old)
		memset(s.theirs + 29, 0, 5);
	tell(STEP_TOGETHER, NULL, 0);
	tell(STEP_OWN, NULL, 0);
	tell(STEP_CONTROL_HERE, s.theirs, s.len);
	tell(STEP_OWN, NULL, 0);
	tell(STEP_PERSISTED, NULL, 0);
	tell(STEP_OWN, NULL, 0);
	control_send_accept(c, c->generation + 1);
	tell_last();
	control_send_activate(c);
	tell_last();
	tell(STEP_SWEPT, NULL, 0);
	tell(STEP_TIME, "\x10", 1);
	tell_write("view", is_old);
}

static void tell_packets(struct core *c)
{
	struct core_db_info info;
	uint8_t entries[64];
	struct writer e = writer_of(entries, sizeof(entries)), w;

	assert_int_equal(core_db_info(c, 0, &info), 0);
	writer_u64(&e, 7);
	writer_u8(&e, 1);
	writer_block(&e, "key", 3);
	for (uint8_t type = PACKET_ACK; type < PACKET_TYPES; type++) {
		struct packet p = { .type = type,
				    .db_id = info.db_id,
				    .orig = 1,
				    .dmaster = 1,
				    .rsn = 7,
				    .n = 1,
				    .key = slice_of("key", 3),
				    .data = type == PACKET_REPORT || packet_is_vacuum(type)
						? slice_of(e.p, e.len)
						: slice_of("body", 4) };

		packet_prepare(c, c->node[1], &p, &w);
		tell(STEP_PACKET_NEXT, w.p, w.len);
		tell(STEP_SWEPT, NULL, 0);
		tell_write("packet", type);
		tell(STEP_CALL, "key", 3);
		tell(STEP_LOCKED, NULL, 0);
		tell(STEP_PACKET_NEXT, w.p, w.len);
		tell(STEP_RECONNECT, "\1", 1);
		tell(STEP_UNLOCKED, "key", 3);
		tell_write("packet-late", type);
	}
}

static void tell_all(void)
{
	static uint8_t buf[65536];
	struct core *c;

	tale = writer_of(buf, sizeof(buf));
	c = story_begin();
	tell_packets(c);
	tell_view(c, true);
	story_end(c);
	c = story_begin();
	tell_view(c, false);
	tell_controls(c);
	story_end(c);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	log_level_set(LOG_EMERG);
	seeds = getenv("FUZZ_SEEDS");
	if (seeds == NULL)
		return 0;
	tell_all();
	exit(EXIT_SUCCESS);
}
