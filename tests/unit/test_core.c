/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_core.c: the core against hostile input, and its sessions. One node stands between a CPG that
 * says anything and a peer that sends anything; whole clusters are the simulator's work.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include "daemon/core/internal.h"

/* ---- a world that answers nothing by itself ---- */

struct world {
	uint64_t now;
	uint8_t sent[65536]; /* the last multicast */
	size_t sent_len;
	unsigned int multicasts, replies, errors, messages, retired, peers, wakes, resumes;
	char record[256]; /* the store: one record */
	size_t record_len;
	struct record_header header;
	bool has_record, is_locked_outside, is_full, is_broken;
	struct core *core;
};

static uint64_t w_now(void *v)
{
	return ((struct world *)v)->now;
}
static void w_log(void *v, enum core_log level, const char *text)
{
	(void)v, (void)level, (void)text;
}
static void w_multicast(void *v, const void *msg, size_t len)
{
	struct world *w = v;

	assert_true(len <= sizeof(w->sent));
	memcpy(w->sent, msg, len);
	w->sent_len = len;
	w->multicasts++;
}
static void w_peer_set(void *v, uint32_t pnn, const struct core_peer *peer)
{
	(void)pnn;
	((struct world *)v)->peers += peer != NULL;
}
static void w_peer_wake(void *v, uint32_t pnn)
{
	(void)pnn;
	((struct world *)v)->wakes++;
}
static void w_peer_resume(void *v, uint32_t pnn)
{
	(void)pnn;
	((struct world *)v)->resumes++;
}
static void w_forwarded(void *v, uint32_t from, struct slice data)
{
	(void)v, (void)from, (void)data;
}
static void w_reply(void *v, uint64_t client, uint32_t reqid, struct slice data)
{
	(void)client, (void)reqid, (void)data;
	((struct world *)v)->replies++;
}
static void w_error(void *v, uint64_t client, uint32_t reqid, const char *text)
{
	(void)client, (void)reqid, (void)text;
	((struct world *)v)->errors++;
}
static void w_message(void *v, uint64_t client, uint64_t srvid, struct slice data)
{
	(void)client, (void)srvid, (void)data;
	((struct world *)v)->messages++;
}
static void w_attached(void *v, uint32_t db_id, int status)
{
	(void)v, (void)db_id, (void)status;
}
static int w_db_open(void *v, uint32_t db_id, const char *name, uint32_t flags)
{
	(void)db_id, (void)name, (void)flags;
	return ((struct world *)v)->is_full ? -ENOSPC : 0;
}
static void w_db_close(void *v, uint32_t db_id)
{
	(void)v, (void)db_id;
}
static int w_lock(void *v, uint32_t db_id, struct slice key)
{
	struct world *w = v;

	(void)db_id, (void)key;
	return w->is_broken ? -EIO : w->is_locked_outside ? -EAGAIN : 0;
}
static void w_unlock(void *v, uint32_t db_id, struct slice key)
{
	(void)v, (void)db_id, (void)key;
}
static int w_get(void *v, uint32_t db_id, struct slice key, struct record_header *h,
		 struct slice *body)
{
	struct world *w = v;

	(void)db_id, (void)key;
	if (!w->has_record)
		return -ENOENT;
	*h = w->header;
	*body = slice_of(w->record, w->record_len);
	return 0;
}
static int w_put(void *v, uint32_t db_id, struct slice key, const struct record_header *h,
		 struct slice body)
{
	struct world *w = v;

	(void)db_id, (void)key;
	if (body.len > sizeof(w->record) || w->is_full)
		return -ENOSPC;
	if (body.len > 0)
		memmove(w->record, body.p, body.len);
	w->record_len = body.len;
	w->header = *h;
	w->has_record = true;
	return 0;
}
static int w_del(void *v, uint32_t db_id, struct slice key)
{
	(void)v, (void)db_id, (void)key;
	return 0;
}
static void w_sweep(void *v, uint32_t db_id, uint64_t cookie)
{
	(void)v, (void)db_id, (void)cookie;
}
static void w_nothing(void *v)
{
	(void)v;
}
static void w_retire(void *v, enum reason why, const char *text)
{
	(void)why, (void)text;
	((struct world *)v)->retired++;
}
static void w_incarnation(void *v, struct incarnation inc)
{
	(void)v, (void)inc;
}
static void w_persist(void *v, uint32_t generation, const struct incarnation *active, size_t n)
{
	(void)v, (void)generation, (void)active, (void)n;
}

static const struct core_ops ops = {
	.now_ms = w_now,
	.log = w_log,
	.multicast = w_multicast,
	.peer_set = w_peer_set,
	.peer_wake = w_peer_wake,
	.peer_resume = w_peer_resume,
	.forwarded = w_forwarded,
	.call_reply = w_reply,
	.call_error = w_error,
	.message = w_message,
	.attached = w_attached,
	.db_open = w_db_open,
	.db_close = w_db_close,
	.lock = w_lock,
	.unlock = w_unlock,
	.get = w_get,
	.put = w_put,
	.del = w_del,
	.sweep_start = w_sweep,
	.freeze = w_nothing,
	.unfreeze = w_nothing,
	.retire = w_retire,
	.lock_try = w_nothing,
	.lock_probe = w_nothing,
	.lock_check = w_nothing,
	.lock_release = w_nothing,
	.fence_watch = w_incarnation,
	.fence_request = w_incarnation,
	.persist = w_persist,
	.status_changed = w_nothing,
};

static const struct core_member both[] = { { 0, 1 }, { 1, 9 } };
static const struct core_ring ring = { .node = 1, .seq = 4 };

/* A node alone in its group up to an active generation, with one database */
static struct core *node_alone(struct world *w)
{
	struct core_config config = { .self = { .pnn = 0, .boot_id = 77 },
				      .node_name = "node1",
				      .address = "127.0.0.1",
				      .lock_timeout_ms = 1000 };
	struct core_member self = { .pnn = 0, .pid = 1 };
	struct core *c;

	memset(w, 0, sizeof(*w));
	w->now = 1000;
	c = w->core = core_new(&config, &ops, w);
	assert_non_null(c);
	core_topology(c, REASON_NONE, "");
	core_supervisor(c, 0, true, true);
	core_quorum(c, true, ring);
	core_membership(c, &self, 1, ring);
	core_multicast(c, 0, 1, slice_of(w->sent, w->sent_len)); /* its own STATE */
	core_multicast(c, 0, 1, slice_of(w->sent, w->sent_len)); /* its own ACTIVATE */
	assert_true(core_node_is_active(c, 0));
	assert_int_equal(core_attach(c, "a.tdb", 0), -EINPROGRESS);
	core_multicast(c, 0, 1, slice_of(w->sent, w->sent_len));
	assert_int_equal(core_attach(c, "a.tdb", 0), 0);
	return c;
}

static struct core_call call_of(struct core *c, const char *key)
{
	struct core_db_info info;

	assert_int_equal(core_db_info(c, 0, &info), 0);
	return (struct core_call){ .db_id = info.db_id,
				   .callid = CALL_NULL,
				   .key = slice_of(key, strlen(key)) };
}

/* ---- tests ---- */

static void test_alone(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	struct core_call call = call_of(c, "k");
	struct core_status s;

	(void)state;
	core_status(c, &s);
	assert_int_equal(s.reason, REASON_NONE);
	assert_int_equal(s.generation, 2);
	assert_int_equal(s.leader, 0);
	core_call(c, 1, 5, &call);
	assert_int_equal(w.replies, 1); /* created, empty, and ours */
	assert_true(w.has_record);
	assert_int_equal(w.header.dmaster, 0);
	core_free(c);
}

static void test_busy_chain(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	struct core_call call = call_of(c, "k");

	(void)state;
	w.is_locked_outside = true;
	core_call(c, 1, 5, &call);
	core_call(c, 2, 6, &call);
	assert_int_equal(w.replies, 0);
	core_client_gone(c, 2);
	w.is_locked_outside = false;
	core_key_unlocked(c, call.db_id, call.key);
	assert_int_equal(w.replies, 1);
	assert_int_equal(c->keys.n, 0);
	core_free(c);
}

static void test_bad_calls(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	struct core_call call = call_of(c, "k");

	(void)state;
	call.db_id++;
	core_call(c, 1, 5, &call);
	call.db_id--;
	call.key.len = 0;
	core_call(c, 1, 6, &call);
	assert_int_equal(w.errors, 2);
	assert_int_equal(core_attach(c, "../x", 0), -EINVAL);
	assert_int_equal(core_attach(c, "", 0), -EINVAL);
	assert_int_equal(core_attach(c, "a.tdb", DB_PERSISTENT), -EINVAL);
	core_free(c);
}

static void test_messages(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);

	(void)state;
	core_register(c, 1, 7);
	core_register(c, 1, 7);
	core_register(c, 2, CORE_SRVID_ALL);
	core_message(c, CORE_CURRENT_NODE, 7, slice_of("x", 1));
	assert_int_equal(w.messages, 3);
	assert_int_equal(core_deregister(c, 1, 7), 0);
	core_message(c, CORE_BROADCAST_ALL, 7, slice_of("x", 1));
	assert_int_equal(w.messages, 5);
	core_client_gone(c, 1);
	assert_int_equal(core_deregister(c, 1, 7), -ENOENT);
	core_message(c, 5, 7, slice_of("x", 1)); /* no such node */
	core_message(c, 0xF0000005U, 7, slice_of("x", 1));
	assert_int_equal(w.messages, 5);
	core_free(c);
}

/* A database that is attached while an older one is swept does not keep the sweep from ending */
static void test_attach_during_sweep(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	struct core_member self = { .pnn = 0, .pid = 2 };
	struct core_call call = call_of(c, "k");
	struct core_status s;

	(void)state;
	core_membership(c, &self, 1, ring);
	core_multicast(c, 0, 2, slice_of(w.sent, w.sent_len)); /* STATE */
	core_multicast(c, 0, 2, slice_of(w.sent, w.sent_len)); /* ACTIVATE: a.tdb is being swept */
	core_status(c, &s);
	assert_true(s.is_recovering);
	assert_int_equal(core_attach(c, "b.tdb", 0), -EINPROGRESS);
	core_multicast(c, 0, 2, slice_of(w.sent, w.sent_len));
	core_call(c, 1, 5, &call);
	assert_int_equal(w.replies, 0);
	core_sweep_end(c, call.db_id, s.generation);
	core_status(c, &s);
	assert_false(s.is_recovering);
	assert_int_equal(w.replies, 1);
	core_free(c);
}

/* A database that all have but this node: it cannot go on */
static void test_attach_fails_here(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);

	(void)state;
	assert_int_equal(core_attach(c, "b.tdb", 0), -EINPROGRESS);
	w.is_full = true;
	core_multicast(c, 0, 1, slice_of(w.sent, w.sent_len));
	assert_int_equal(w.retired, 1);
	core_free(c);
}

/* Every truncation and many mutations of what members say: dropped, and the node goes on */
static void test_hostile_cpg(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	uint8_t state_msg[65536], msg[65536];
	size_t len;
	uint32_t seed = 1;

	(void)state;
	core_membership(c, both, 2, ring);
	len = w.sent_len;
	memcpy(state_msg, w.sent, len); /* a STATE of the new view */
	for (size_t n = 0; n < len; n++)
		core_multicast(c, 1, 9, slice_of(state_msg, n));
	for (unsigned int i = 0; i < 20000; i++) {
		memcpy(msg, state_msg, len);
		for (unsigned int k = 0; k < 1 + i % 4; k++) {
			seed = seed * 1664525 + 1013904223;
			msg[(seed >> 8) % len] = (uint8_t)(seed >> 24);
		}
		seed = seed * 1664525 + 1013904223;
		msg[0] = (uint8_t)(i % 3 == 0 ? seed >> 24 : CONTROL_STATE + i % 9);
		core_multicast(c, 1, 9, slice_of(msg, len));
		if (w.retired > 0) { /* told that the cluster went on without it: as it should be */
			core_free(c);
			c = node_alone(&w);
			core_membership(c, both, 2, ring);
		}
	}
	core_multicast(c, 5, 5, slice_of(state_msg, len)); /* from nobody */
	core_free(c);
}

/* A second node, by hand: its STATE is this node's with another boot id and name. It joins with
 * this topology verdict, and is kept out unless that is REASON_NONE. */
#define PEER_BOOT (77 ^ 0x55)
struct states {
	uint8_t mine[65536], theirs[65536];
	size_t len;
};
static void states_of(struct states *s, const struct world *w, uint8_t verdict)
{
	assert_int_equal(w->sent[0], CONTROL_STATE);
	s->len = w->sent_len;
	memcpy(s->mine, w->sent, s->len);
	memcpy(s->theirs, s->mine, s->len);
	s->theirs[9] ^= 0x55;			 /* boot id */
	memset(s->theirs + 9 + 8 + 8 + 4, 0, 5); /* never active, does not lead */
	s->theirs[9 + 8 + 8 + 4 + 5] = verdict;
}

static void states_in(struct core *c, const struct states *s)
{
	core_multicast(c, 0, 1, slice_of(s->mine, s->len));
	core_multicast(c, 1, 9, slice_of(s->theirs, s->len));
}

static void peer_joins(struct world *w, uint8_t verdict)
{
	struct core *c = w->core;
	struct states s;

	core_membership(c, both, 2, ring);
	states_of(&s, w, verdict);
	states_in(c, &s);
	core_multicast(c, 0, 1, slice_of(w->sent, w->sent_len)); /* ACTIVATE */
	if (verdict == REASON_NONE) /* nobody is active before everybody has the plan */
		assert_false(core_node_is_active(c, 1));
	w->sent[0] = CONTROL_ACCEPT; /* the rest is as in ACTIVATE: view, generation */
	core_multicast(c, 1, 9, slice_of(w->sent, 13));
	assert_int_equal(core_node_is_active(c, 1), verdict == REASON_NONE);
}

static struct core *node_with_peer(struct world *w)
{
	struct core *c = node_alone(w);

	peer_joins(w, REASON_NONE);
	assert_int_equal(w->peers, 1);
	assert_int_equal(core_peer_up(c, 1, PEER_BOOT, 0), 0);
	return c;
}

/* The same two meet again: what was sent when they met before does not count, although it comes
 * only now */
static void test_old_view(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	uint8_t old_plan[256], plan[256], accept[13];
	size_t old_len, len;
	struct states s;

	(void)state;
	core_membership(c, both, 2, ring);
	states_of(&s, &w, REASON_NONE);
	states_in(c, &s);
	old_len = w.sent_len;
	memcpy(old_plan, w.sent, old_len);
	assert_int_equal(old_plan[0], CONTROL_ACTIVATE);
	core_membership(c, both, 1, ring);
	core_membership(c, both, 2, ring);
	core_multicast(c, 0, 1, slice_of(old_plan, old_len));
	states_of(&s, &w, REASON_NONE);
	states_in(c, &s);
	len = w.sent_len;
	memcpy(plan, w.sent, len);
	core_multicast(c, 0, 1, slice_of(old_plan, old_len));
	assert_int_equal(c->view.plan_generation, 0);
	core_multicast(c, 0, 1, slice_of(plan, len));
	assert_int_not_equal(c->view.plan_generation, 0);
	memcpy(accept, old_plan, sizeof(accept));
	accept[0] = CONTROL_ACCEPT;
	core_multicast(c, 1, 9, slice_of(accept, sizeof(accept)));
	assert_false(core_node_is_active(c, 1));
	memcpy(accept, plan, sizeof(accept));
	accept[0] = CONTROL_ACCEPT;
	core_multicast(c, 1, 9, slice_of(accept, sizeof(accept)));
	assert_true(core_node_is_active(c, 1));
	core_free(c);
}

/* A member's STATE of the earlier meeting comes first: the view begins anew when the right one
 * comes */
static void test_old_state(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	struct states old, s;

	(void)state;
	core_membership(c, both, 2, ring);
	states_of(&old, &w, REASON_TOPOLOGY);
	core_membership(c, both, 1, ring);
	core_membership(c, both, 2, ring);
	states_of(&s, &w, REASON_NONE);
	core_multicast(c, 1, 9, slice_of(old.theirs, old.len));
	states_in(c, &s);
	assert_int_equal(c->view.fsm.state, CORE_VIEW_GATHER);
	states_of(&s, &w, REASON_NONE); /* it has told its own state once more */
	states_in(c, &s);
	core_multicast(c, 0, 1, slice_of(w.sent, w.sent_len)); /* ACTIVATE */
	w.sent[0] = CONTROL_ACCEPT;
	core_multicast(c, 1, 9, slice_of(w.sent, 13));
	assert_true(core_node_is_active(c, 1));
	core_free(c);
}

/* The STATE of a peer that was active in a generation (0: never), with one database */
static void peer_tells(struct core *c, uint32_t generation, const char *name, uint32_t flags)
{
	uint8_t buf[1024];
	struct writer w = writer_of(buf, sizeof(buf));

	writer_u8(&w, CONTROL_STATE);
	writer_u64(&w, c->view.group);
	writer_u64(&w, PEER_BOOT);
	writer_u32(&w, CORE_PROTOCOL_MIN);
	writer_u32(&w, CORE_PROTOCOL_MAX);
	writer_u32(&w, generation);
	writer_u32(&w, generation);
	writer_u8(&w, 0);
	writer_u32(&w, REASON_NONE);
	writer_u64(&w, 1);
	writer_text(&w, "node2");
	writer_text(&w, "127.0.0.1");
	writer_u16(&w, 0);
	writer_zero(&w, CORE_KEY_SIZE);
	for (int i = 0; i < 2; i++) { /* known, active */
		writer_u32(&w, generation == 0 ? 0 : 2);
		for (uint32_t pnn = 0; pnn < 2 && generation != 0; pnn++) {
			writer_u32(&w, pnn);
			writer_u64(&w, pnn == 0 ? 77 : PEER_BOOT);
		}
	}
	writer_u32(&w, 0); /* started */
	writer_u32(&w, 0); /* facts */
	writer_u32(&w, 1);
	writer_u32(&w, flags);
	writer_text(&w, name);
	core_multicast(c, 1, 9, slice_of(buf, w.len));
}

/* Its own STATE, of a view with the peer, which tells this */
static void two_meet(struct world *w, uint32_t generation, uint32_t flags)
{
	core_membership(w->core, both, 2, ring);
	core_multicast(w->core, 0, 1, slice_of(w->sent, w->sent_len));
	peer_tells(w->core, generation, "a.tdb", flags);
}

/* A database of two types: a joiner's does not count */
static void test_type_of_joiner(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);

	(void)state;
	two_meet(&w, 0, DB_PERSISTENT);
	core_multicast(c, 0, 1, slice_of(w.sent, w.sent_len)); /* ACTIVATE */
	assert_int_equal(w.retired, 0);
	assert_true(core_node_is_active(c, 0));
	assert_false(core_node_is_active(c, 1));
	assert_int_equal(c->node[1]->kept_out, REASON_EVICTED);
	core_free(c);
}

/* ... nor, in one generation, that of the higher pnn; what it owns is waited for */
static void test_type_of_equal(void **state)
{
	struct incarnation peer = { .pnn = 1, .boot_id = PEER_BOOT };
	struct world w;
	struct core *c = node_alone(&w);

	(void)state;
	peer_joins(&w, REASON_NONE);
	core_membership(c, both, 1, ring);
	two_meet(&w, core_generation(c), 0);
	assert_int_equal(view_member(c, 1)->kept_out, REASON_NONE);
	core_membership(c, both, 1, ring);
	two_meet(&w, core_generation(c), DB_PERSISTENT);
	assert_int_equal(w.retired, 0);
	assert_int_equal(view_member(c, 1)->kept_out, REASON_EVICTED);
	assert_int_not_equal(w.sent[0], CONTROL_ACTIVATE);
	core_membership(c, both, 1, ring); /* it has retired its engine */
	core_multicast(c, 0, 1, slice_of(w.sent, w.sent_len));
	assert_int_not_equal(w.sent[0], CONTROL_ACTIVATE);
	core_revoked(c, peer);
	if (w.sent[0] == CONTROL_FACT)
		core_multicast(c, 0, 1, slice_of(w.sent, w.sent_len));
	assert_int_equal(w.sent[0], CONTROL_ACTIVATE);
	core_free(c);
}

/* ... but that of a newer generation does, and this node starts anew. Read-only is no type. */
static void test_type_of_newer(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);

	(void)state;
	two_meet(&w, core_generation(c) + 1, DB_READONLY);
	assert_int_equal(w.retired, 0);
	two_meet(&w, core_generation(c) + 1, DB_PERSISTENT);
	assert_int_equal(w.retired, 1);
	core_free(c);
}

/* Attached here behind its STATE: told in another one, before it counts */
static void test_type_untold(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	struct states s;

	(void)state;
	assert_int_equal(core_attach(c, "b.tdb", 0), -EINPROGRESS);
	memcpy(s.theirs, w.sent, s.len = w.sent_len);
	core_membership(c, both, 2, ring);
	core_multicast(c, 0, 1, slice_of(w.sent, w.sent_len));
	core_multicast(c, 0, 1, slice_of(s.theirs, s.len));
	assert_int_equal(core_attach(c, "b.tdb", 0), 0);
	w.sent_len = 0;
	peer_tells(c, core_generation(c) + 1, "b.tdb", DB_PERSISTENT);
	assert_int_equal(w.retired, 0);
	assert_int_equal(w.sent[0], CONTROL_RESTART);
	core_multicast(c, 0, 1, slice_of(w.sent, w.sent_len));
	core_multicast(c, 0, 1, slice_of(w.sent, w.sent_len)); /* STATE */
	peer_tells(c, core_generation(c) + 1, "b.tdb", DB_PERSISTENT);
	assert_int_equal(w.retired, 1);
	core_free(c);
}

static size_t output_all(struct core *c, uint8_t *buf, size_t size)
{
	struct slice run[2];
	size_t n = core_peer_output(c, 1, run), len = 0;

	for (size_t i = 0; i < n; i++) {
		assert_true(len + run[i].len <= size);
		memcpy(buf + len, run[i].p, run[i].len);
		len += run[i].len;
	}
	return len;
}

static void test_session_resumes(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	uint8_t first[65536], again[65536];
	size_t len, rest;

	(void)state;
	core_message(c, 1, 7, slice_of("one", 3));
	core_message(c, 1, 7, slice_of("two", 3));
	len = output_all(c, first, sizeof(first));
	core_peer_sent(c, 1, len - 5); /* the last packet is cut in two */
	core_peer_down(c, 1);
	assert_int_equal(output_all(c, again, sizeof(again)), 0);
	/* the peer took nothing: all comes again, from a packet's start */
	assert_int_equal(core_peer_up(c, 1, PEER_BOOT, 0), 0);
	assert_int_equal(output_all(c, again, sizeof(again)), len);
	assert_memory_equal(first, again, len);
	/* it took the first one: the rest comes */
	core_peer_down(c, 1);
	assert_int_equal(core_peer_up(c, 1, PEER_BOOT, 1), 0);
	rest = output_all(c, again, sizeof(again));
	assert_true(rest < len);
	assert_memory_equal(first + (len - rest), again, rest);
	/* it claims what was never sent, or forgets what it had; or it is another run */
	core_peer_down(c, 1);
	assert_int_equal(core_peer_up(c, 1, PEER_BOOT, 1000), -EPROTO);
	assert_int_equal(core_peer_up(c, 1, PEER_BOOT, 0), -EPROTO);
	assert_int_equal(core_peer_up(c, 1, 78, 1), -ESTALE);
	core_free(c);
}

/* A joiner that was never active may go and come back as the same incarnation, and its session with
 * it, though there was a new generation meanwhile */
static void test_session_of_joiner(void **state)
{
	struct world w;
	struct core *c = node_alone(&w);
	struct core_member self = { .pnn = 0, .pid = 1 };
	uint8_t buf[65536];

	(void)state;
	peer_joins(&w, REASON_TOPOLOGY);
	assert_int_equal(core_peer_up(c, 1, PEER_BOOT, 0), 0);
	core_message(c, 1, 7, slice_of("one", 3));
	core_peer_sent(c, 1, output_all(c, buf, sizeof(buf)));
	core_peer_down(c, 1);
	core_membership(c, &self, 1, ring);
	core_multicast(c, 0, 1, slice_of(w.sent, w.sent_len)); /* STATE */
	core_multicast(c, 0, 1, slice_of(w.sent, w.sent_len)); /* ACTIVATE */
	peer_joins(&w, REASON_NONE);
	assert_int_equal(core_peer_up(c, 1, PEER_BOOT, 1), 0);
	core_free(c);
}

static struct writer packet_of(uint8_t *buf, size_t size, uint8_t type, uint32_t generation,
			       uint64_t seq)
{
	struct writer w = writer_of(buf, size);

	writer_u32(&w, 0);
	writer_u8(&w, type);
	writer_zero(&w, 3);
	writer_u32(&w, generation);
	writer_zero(&w, 4);
	writer_u64(&w, seq);
	writer_u64(&w, 0);
	return w;
}

static int input(struct core *c, struct writer *w)
{
	uint32_t len = (uint32_t)w->len;

	memcpy(w->p, &len, sizeof(len));
	return core_peer_input(c, 1, slice_of(w->p, w->len));
}

static void test_duplicates_and_gaps(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	uint8_t buf[256];
	struct writer p;

	(void)state;
	core_register(c, 1, 7);
	p = packet_of(buf, sizeof(buf), PACKET_MESSAGE, 0, 1);
	writer_u64(&p, 7);
	writer_block(&p, "x", 1);
	assert_int_equal(input(c, &p), CORE_TAKEN);
	assert_int_equal(w.messages, 1);
	assert_int_equal(input(c, &p), CORE_TAKEN); /* the same number: had already */
	assert_int_equal(w.messages, 1);
	buf[16] = 3;
	assert_int_equal(input(c, &p), -EBADMSG); /* 2 is missing */
	assert_int_equal(core_peer_received(c, 1), 1);
	core_free(c);
}

static void test_generations(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	struct core_call call = call_of(c, "k");
	uint8_t buf[256];
	struct writer p;
	struct core_status s;

	(void)state;
	core_status(c, &s);
	for (int i = 0; i < 3; i++) {
		/* older: taken and dropped; newer: held; this one: the record is ours */
		uint32_t generation = s.generation + (uint32_t)(i == 2 ? 0 : i == 0 ? -1 : 1);

		p = packet_of(buf, sizeof(buf), PACKET_GRANT, generation, i == 0 ? 1 : 2);
		writer_u32(&p, call.db_id);
		writer_u64(&p, 9);
		writer_u32(&p, 0);
		writer_block(&p, call.key.p, call.key.len);
		writer_block(&p, "body", 4);
		assert_int_equal(input(c, &p), i == 1 ? CORE_HOLD : CORE_TAKEN);
		assert_int_equal(w.has_record, i == 2);
	}
	assert_int_equal(w.header.rsn, 9);
	assert_int_equal(w.header.dmaster, 0);
	/* of a database that is not attached here yet: held */
	p = packet_of(buf, sizeof(buf), PACKET_LOCATION, s.generation, 3);
	writer_u32(&p, call.db_id + 1);
	writer_u32(&p, 1);
	writer_u64(&p, 9);
	writer_block(&p, "k", 1);
	assert_int_equal(input(c, &p), CORE_HOLD);
	core_free(c);
}

/* A record of this node's, from the peer: its packet number 1 */
static void record_comes(struct core *c, const struct core_call *call)
{
	uint8_t buf[256];
	struct writer p = packet_of(buf, sizeof(buf), PACKET_GRANT, core_generation(c), 1);

	writer_u32(&p, call->db_id);
	writer_u64(&p, 9);
	writer_u32(&p, 0);
	writer_block(&p, call->key.p, call->key.len);
	writer_block(&p, "body", 4);
	assert_int_equal(input(c, &p), CORE_TAKEN);
}

/* The peer asks for it; the last packet that it is sent then */
static struct packet peer_asks(struct core *c, const struct core_call *call, uint64_t seq)
{
	static uint8_t out[65536];
	uint8_t buf[256];
	struct writer w = packet_of(buf, sizeof(buf), PACKET_FORWARD, core_generation(c), seq);
	struct packet p = { 0 };
	size_t len;

	writer_u32(&w, call->db_id);
	writer_u32(&w, 1);
	writer_u64(&w, 9);
	writer_u8(&w, 1);
	writer_block(&w, call->key.p, call->key.len);
	assert_int_equal(input(c, &w), CORE_TAKEN);
	len = output_all(c, out, sizeof(out));
	for (size_t at = 0; at < len; at += p.raw.len) {
		uint32_t size;
		uint64_t before = p.seq;

		memcpy(&size, out + at, sizeof(size));
		assert_int_equal(packet_decode(slice_of(out + at, size), &p), 0);
		if (at > 0)
			assert_int_equal(p.seq, before + 1);
	}
	core_peer_sent(c, 1, len);
	return p;
}

/* An owner that cannot give its record away stays the owner, and the one that asked is told */
static void test_refuses(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	struct core_call call = call_of(c, "k");
	struct packet p;

	(void)state;
	record_comes(c, &call);
	w.is_full = true;
	p = peer_asks(c, &call, 2);
	assert_int_equal(p.type, PACKET_REFUSED);
	assert_true(slice_equal(p.key, call.key));
	assert_int_equal(w.header.dmaster, 0);
	assert_int_equal(w.header.rsn, 9);
	w.is_full = false;
	w.is_broken = true; /* it cannot even be locked */
	p = peer_asks(c, &call, 3);
	assert_int_equal(p.type, PACKET_REFUSED);
	w.is_broken = false;
	p = peer_asks(c, &call, 4);
	assert_true(p.type == PACKET_GRANT || p.type == PACKET_LOCATION);
	assert_int_equal(w.header.dmaster, 1);
	assert_int_equal(w.retired, 0);
	core_free(c);
}

/* What was refused by the owner is an error to the clients that wait for it */
static void test_is_refused(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	struct core_call call = call_of(c, "k");
	uint8_t buf[256];
	struct writer p;

	(void)state;
	core_call(c, 1, 5, &call);
	core_call(c, 2, 6, &call);
	assert_int_equal(w.errors, 0);
	p = packet_of(buf, sizeof(buf), PACKET_REFUSED, core_generation(c), 1);
	writer_u32(&p, call.db_id);
	writer_block(&p, call.key.p, call.key.len);
	assert_int_equal(input(c, &p), CORE_TAKEN);
	assert_int_equal(w.errors, 2);
	assert_int_equal(w.replies, 0);
	assert_int_equal(c->keys.n, 0);
	core_call(c, 1, 7, &call); /* and can be asked for again */
	assert_int_equal(w.errors, 2);
	assert_int_equal(c->keys.n, 1);
	core_free(c);
}

/* A record that came and cannot be taken in is nobody's: this node may not go on */
static void test_grant_without_lock(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	struct core_call call = call_of(c, "k");

	(void)state;
	w.is_broken = true;
	record_comes(c, &call);
	assert_int_equal(w.retired, 1);
	core_free(c);
}

static void test_hostile_peer(void **state)
{
	struct world w;
	struct core *c = node_with_peer(&w);
	uint8_t buf[512];
	uint32_t seed = 7;
	struct core_status s;

	(void)state;
	core_status(c, &s);
	for (unsigned int i = 0; i < 50000 && w.retired == 0; i++) {
		struct writer p = packet_of(buf, sizeof(buf), (uint8_t)(i % (PACKET_TYPES + 2)),
					    s.generation, core_peer_received(c, 1) + 1);
		size_t len = (seed >> 10) % 200;

		for (size_t k = 0; k < len; k++) {
			seed = seed * 1664525 + 1013904223;
			writer_u8(&p, (uint8_t)(k % 4 == 3 ? 0 : seed >> 24));
		}
		input(c, &p);
	}
	assert_int_equal(input(c, &(struct writer){ .p = buf, .len = 8, .size = 8 }), -EBADMSG);
	core_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_alone),
		cmocka_unit_test(test_busy_chain),
		cmocka_unit_test(test_bad_calls),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_attach_during_sweep),
		cmocka_unit_test(test_attach_fails_here),
		cmocka_unit_test(test_hostile_cpg),
		cmocka_unit_test(test_old_view),
		cmocka_unit_test(test_old_state),
		cmocka_unit_test(test_type_of_joiner),
		cmocka_unit_test(test_type_of_equal),
		cmocka_unit_test(test_type_of_newer),
		cmocka_unit_test(test_type_untold),
		cmocka_unit_test(test_session_resumes),
		cmocka_unit_test(test_session_of_joiner),
		cmocka_unit_test(test_duplicates_and_gaps),
		cmocka_unit_test(test_generations),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_is_refused),
		cmocka_unit_test(test_grant_without_lock),
		cmocka_unit_test(test_hostile_peer),
	};

	return cmocka_run_group_tests_name("core", tests, NULL, NULL);
}
