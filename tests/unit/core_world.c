/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core_world.c: see core_world.h */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "core_world.h"

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
	struct world *w = v;

	(void)client, (void)srvid;
	w->messages++;
	w->message_len = data.len;
	memcpy(w->message, data.p, data.len < sizeof(w->message) ? data.len : sizeof(w->message));
}
static bool w_client_is_full(void *v, uint64_t client)
{
	(void)client;
	return ((struct world *)v)->is_client_full;
}
static void w_traverse_failed(void *v, uint64_t client, uint32_t db_id, bool is_ext,
			      const char *why)
{
	struct world *w = v;

	(void)client, (void)db_id, (void)is_ext;
	w->failed++;
	snprintf(w->why, sizeof(w->why), "%s", why);
}
static void w_probe(void *v)
{
	((struct world *)v)->probes++;
}
static void w_traverse_read(void *v, const struct core_traverse_read *r)
{
	struct world *w = v;

	w->read[w->reads++ % 8] = *r;
}
static void w_traverse_cancel(void *v, uint64_t cookie)
{
	(void)cookie;
	((struct world *)v)->cancels++;
}
static void w_attached(void *v, uint32_t db_id, int status)
{
	(void)db_id;
	((struct world *)v)->attached++;
	((struct world *)v)->attach_status = status;
}
static void w_content(void *v, uint32_t db_id, struct core_content *content)
{
	(void)db_id;
	*content = ((struct world *)v)->content;
}
static void w_check(void *v, uint32_t db_id, uint64_t ticket, struct slice records)
{
	(void)db_id, (void)records;
	((struct world *)v)->checking = ticket;
}
static void w_apply(void *v, uint32_t db_id, uint64_t ticket, const struct core_content *becomes,
		    struct slice records, bool is_whole)
{
	struct world *w = v;

	(void)db_id;
	w->is_whole = is_whole;
	w->applying = ticket;
	w->becomes = *becomes;
	w->applied_len = records.len;
}
static void w_send(void *v, uint32_t db_id, uint32_t to, uint64_t cookie)
{
	(void)db_id, (void)to;
	((struct world *)v)->sending = cookie;
}
static void w_receive(void *v, uint32_t db_id, uint64_t cookie, struct slice part, bool is_last)
{
	struct world *w = v;

	(void)db_id;
	w->receiving = cookie;
	w->received_len += part.len;
	w->is_received = is_last;
}
static void w_committed(void *v, uint64_t client, uint32_t reqid, int status, const char *text)
{
	(void)client, (void)reqid, (void)text;
	((struct world *)v)->committed++;
	((struct world *)v)->status = status;
}
static int w_db_open(void *v, uint32_t db_id, const char *name, uint32_t flags)
{
	(void)db_id, (void)name, (void)flags;
	return ((struct world *)v)->is_full ? -ENOSPC : 0;
}
static void w_db_close(void *v, uint32_t db_id)
{
	(void)db_id;
	((struct world *)v)->closed++;
}
static bool w_is_free(void *v, uint32_t db_id, char *why, size_t size)
{
	(void)db_id, (void)why, (void)size;
	return !((struct world *)v)->is_in_use;
}
static void w_detached(void *v, uint32_t db_id, int status, uint32_t pnn, const char *why)
{
	(void)db_id, (void)pnn, (void)why;
	((struct world *)v)->detach_ended++;
	((struct world *)v)->detach_status = status;
}
static void w_db_freeze(void *v, uint32_t db_id)
{
	(void)db_id;
	((struct world *)v)->freezes++;
}
static int w_db_wipe(void *v, uint32_t db_id)
{
	(void)db_id;
	((struct world *)v)->wipes++;
	return ((struct world *)v)->is_broken ? -EIO : 0;
}
static void w_db_thaw(void *v, uint32_t db_id)
{
	(void)db_id;
	((struct world *)v)->thaws++;
}
static void w_wiped(void *v, uint32_t db_id, int status, uint32_t pnn, const char *why)
{
	(void)db_id, (void)pnn, (void)why;
	((struct world *)v)->wipes_ended++;
	((struct world *)v)->wipe_status = status;
}
static int w_trylock(void *v, uint32_t db_id, struct slice key)
{
	struct world *w = v;

	(void)db_id, (void)key;
	return w->is_broken ? -EIO : w->is_locked_outside ? -EAGAIN : 0;
}
static int w_lock(void *v, uint32_t db_id, struct slice key)
{
	int rc = w_trylock(v, db_id, key);

	((struct world *)v)->lock_waits += rc == -EAGAIN;
	return rc;
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
	if (w->is_unreadable)
		return -EIO;
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
	(void)db_id, (void)key;
	((struct world *)v)->has_record = false;
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
static void w_fence_request(void *v, struct incarnation inc)
{
	((struct world *)v)->fence_requests++;
	((struct world *)v)->fenced = inc;
}
static void w_persist(void *v, const struct core_past *past)
{
	((struct world *)v)->persist_generation = past->generation;
	((struct world *)v)->persist_is_outside = past->is_outside;
}

static void w_drained(void *v, enum core_drain_end how)
{
	struct world *w = v;

	w->drains++;
	w->drain_end = how;
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
	.client_is_full = w_client_is_full,
	.traverse_failed = w_traverse_failed,
	.attached = w_attached,
	.db_open = w_db_open,
	.db_close = w_db_close,
	.db_is_free = w_is_free,
	.detached = w_detached,
	.db_freeze = w_db_freeze,
	.db_wipe = w_db_wipe,
	.db_thaw = w_db_thaw,
	.wiped = w_wiped,
	.lock = w_lock,
	.trylock = w_trylock,
	.unlock = w_unlock,
	.get = w_get,
	.put = w_put,
	.del = w_del,
	.sweep_start = w_sweep,
	.traverse_read = w_traverse_read,
	.traverse_cancel = w_traverse_cancel,
	.db_content = w_content,
	.commit_check = w_check,
	.commit_apply = w_apply,
	.transfer_send = w_send,
	.transfer_receive = w_receive,
	.committed = w_committed,
	.freeze = w_nothing,
	.unfreeze = w_nothing,
	.retire = w_retire,
	.lock_try = w_nothing,
	.lock_probe = w_probe,
	.lock_check = w_nothing,
	.lock_release = w_nothing,
	.fence_watch = w_incarnation,
	.fence_request = w_fence_request,
	.persist = w_persist,
	.drained = w_drained,
	.status_changed = w_nothing,
};

const struct core_member both[2] = { { 0, 1 }, { 1, 9 } };
const struct core_ring ring = { .node = 1, .seq = 4 };

void deliver(struct world *w)
{
	uint8_t buf[1024];
	size_t len = w->sent_len;

	assert_true(len <= sizeof(buf));
	memcpy(buf, w->sent, len);
	core_multicast(w->core, 0, 1, slice_of(buf, len));
}

void plan_in(struct world *w, uint32_t pid)
{
	assert_int_equal(w->sent[0], CONTROL_ACTIVATE);
	core_multicast(w->core, 0, pid, slice_of(w->sent, w->sent_len));
	assert_int_not_equal(w->sent[0], CONTROL_ACCEPT); /* not before it is on disk */
	core_persisted(w->core, w->persist_generation);
	assert_int_equal(w->sent[0], CONTROL_ACCEPT);
	core_multicast(w->core, 0, pid, slice_of(w->sent, w->sent_len));
}

struct core *node_cold(struct world *w)
{
	const struct incarnation active[] = { { .pnn = 0, .boot_id = 5 },
					      { .pnn = 1, .boot_id = PEER_BOOT } };
	struct core_config config = { .self = { .pnn = 0, .boot_id = 77 },
				      .node_name = "node1",
				      .address = "127.0.0.1",
				      .fences_at_once = true,
				      .revoke_timeout_ms = 10000,
				      .peer_timeout_ms = 10000,
				      .fence_grace_ms = 30000,
				      .past = { .generation = 3, .active = active, .n = 2 } };

	memset(w, 0, sizeof(*w));
	w->now = 1000;
	w->core = core_new(&config, &ops, w);
	assert_non_null(w->core);
	core_topology(w->core, REASON_NONE, "");
	core_supervisor(w->core, 0, true, true);
	return w->core;
}

struct core *node_alone(struct world *w)
{
	struct core_config config = { .self = { .pnn = 0, .boot_id = 77 },
				      .node_name = "node1",
				      .address = "127.0.0.1",
				      .lock_timeout_ms = 1000,
				      .revoke_timeout_ms = 10000,
				      .peer_timeout_ms = 10000,
				      .fence_grace_ms = 30000 };
	struct core_member self = { .pnn = 0, .pid = 1 };
	struct core *c;

	memset(w, 0, sizeof(*w));
	w->now = 1000;
	c = w->core = core_new(&config, &ops, w);
	assert_non_null(c);
	core_topology(c, REASON_NONE, "");
	core_supervisor(c, 0, true, true);
	core_quorum(c, true, ring, (const uint32_t[]){ 0, 1 }, 2);
	core_membership(c, &self, 1, ring);
	core_multicast(c, 0, 1, slice_of(w->sent, w->sent_len)); /* its own STATE */
	plan_in(w, 1);
	assert_true(core_node_is_active(c, 0));
	assert_int_equal(core_attach(c, "a.tdb", 0), -EINPROGRESS);
	deliver(w);
	assert_int_equal(core_attach(c, "a.tdb", 0), 0);
	return c;
}

struct core_call call_of(struct core *c, const char *key)
{
	struct core_db_info info;

	assert_int_equal(core_db_info(c, 0, &info), 0);
	return (struct core_call){ .db_id = info.db_id,
				   .callid = CALL_NULL,
				   .key = slice_of(key, strlen(key)) };
}

void states_of(struct states *s, const struct world *w, uint8_t verdict)
{
	assert_int_equal(w->sent[0], CONTROL_STATE);
	s->len = w->sent_len;
	memcpy(s->mine, w->sent, s->len);
	memcpy(s->theirs, s->mine, s->len);
	s->theirs[9] ^= 0x55;			 /* boot id */
	s->theirs[9 + 8 + 4] = CORE_PROTOCOL_MIN; /* as MAX: nothing is asked of its links */
	memset(s->theirs + 9 + 8 + 8 + 4, 0, 5); /* never active, does not lead */
	s->theirs[9 + 8 + 8 + 4 + 5] = verdict;
}

void states_in(struct core *c, const struct states *s)
{
	core_multicast(c, 0, 1, slice_of(s->mine, s->len));
	core_multicast(c, 1, 9, slice_of(s->theirs, s->len));
}

void peer_joins(struct world *w, uint8_t verdict)
{
	struct core *c = w->core;
	struct states s;

	core_membership(c, both, 2, ring);
	states_of(&s, w, verdict);
	states_in(c, &s);
	plan_in(w, 1);
	if (verdict == REASON_NONE) /* nobody is active before everybody has the plan */
		assert_false(core_node_is_active(c, 1));
	core_multicast(c, 1, 9, slice_of(w->sent, w->sent_len)); /* its ACCEPT is like ours */
	assert_int_equal(core_node_is_active(c, 1), verdict == REASON_NONE);
}

struct core *node_with_peer(struct world *w)
{
	struct core *c = node_alone(w);

	peer_joins(w, REASON_NONE);
	assert_int_equal(w->peers, 1);
	assert_int_equal(core_peer_up(c, 1, PEER_BOOT, 0), 0);
	return c;
}
