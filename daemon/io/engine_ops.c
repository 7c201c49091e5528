/* SPDX-License-Identifier: GPL-3.0-or-later */
/* engine_ops.c: the core's view of the world, each op handed on to the part that does it */
#include "engine_ops.h"

#include "client.h"
#include "cluster.h"
#include "daemon/log.h"
#include "helpers.h"
#include "store.h"
#include "transport.h"

static uint64_t op_now_ms(void *world)
{
	(void)world;
	return engine_now_ms();
}

/* The levels' numbers are syslog's */
static void op_log(void *world, enum core_log level, const char *text)
{
	(void)world;
	log_at((int)level, "%s", text);
}

static void op_multicast(void *world, const void *msg, size_t len)
{
	cluster_multicast(world, msg, len);
}

static void op_peer_set(void *world, uint32_t pnn, const struct core_peer *peer)
{
	struct engine *e = world;

	e->transport_ops->peer_set(e, pnn, peer);
}

static void op_peer_wake(void *world, uint32_t pnn)
{
	struct engine *e = world;

	e->has_output = true;
	e->transport_ops->peer_wake(e, pnn);
}

static void op_peer_resume(void *world, uint32_t pnn)
{
	struct engine *e = world;

	e->transport_ops->peer_resume(e, pnn);
}

static void op_forwarded(void *world, uint32_t from_pnn, struct slice data)
{
	clients_forwarded(world, from_pnn, data);
}

static void op_call_reply(void *world, uint64_t client, uint32_t reqid, struct slice data)
{
	clients_call_reply(world, client, reqid, data);
}

static void op_call_error(void *world, uint64_t client, uint32_t reqid, const char *text)
{
	clients_call_error(world, client, reqid, text);
}

static void op_message(void *world, uint64_t client, uint64_t srvid, struct slice data)
{
	clients_message(world, client, srvid, data);
}

static bool op_client_is_full(void *world, uint64_t client)
{
	return clients_is_full(world, client);
}

static void op_traverse_failed(void *world, uint64_t client, uint32_t db_id, bool is_ext,
			       const char *why)
{
	clients_traverse_failed(world, client, db_id, is_ext, why);
}

static void op_attached(void *world, uint32_t db_id, int status)
{
	clients_attached(world, db_id, status);
}

static int op_db_open(void *world, uint32_t db_id, const char *name, uint32_t db_flags)
{
	return store_db_open(world, db_id, name, db_flags);
}

static void op_db_close(void *world, uint32_t db_id)
{
	store_db_close(world, db_id);
}

static bool op_db_is_free(void *world, uint32_t db_id, char *why, size_t size)
{
	return clients_db_is_free(world, db_id, why, size);
}

static void op_detached(void *world, uint32_t db_id, int status, uint32_t pnn, const char *why)
{
	clients_detached(world, db_id, status, pnn, why);
}

static void op_db_freeze(void *world, uint32_t db_id)
{
	store_db_freeze(world, db_id);
}

static int op_db_wipe(void *world, uint32_t db_id)
{
	return store_db_wipe(world, db_id);
}

static void op_db_thaw(void *world, uint32_t db_id)
{
	store_db_thaw(world, db_id);
}

static void op_wiped(void *world, uint32_t db_id, int status, uint32_t pnn, const char *why)
{
	clients_wiped(world, db_id, status, pnn, why);
}

static int op_lock(void *world, uint32_t db_id, struct slice key)
{
	return store_lock(world, db_id, key);
}

static int op_trylock(void *world, uint32_t db_id, struct slice key)
{
	return store_trylock(world, db_id, key);
}

static void op_unlock(void *world, uint32_t db_id, struct slice key)
{
	store_unlock(world, db_id, key);
}

static int op_get(void *world, uint32_t db_id, struct slice key, struct record_header *h,
		  struct slice *body)
{
	return store_get(world, db_id, key, h, body);
}

static int op_put(void *world, uint32_t db_id, struct slice key, const struct record_header *h,
		  struct slice body)
{
	return store_put(world, db_id, key, h, body);
}

static int op_del(void *world, uint32_t db_id, struct slice key)
{
	return store_del(world, db_id, key);
}

static void op_db_content(void *world, uint32_t db_id, struct core_content *content)
{
	store_db_content(world, db_id, content);
}

static void op_commit_check(void *world, uint32_t db_id, uint64_t ticket, struct slice records)
{
	store_commit_check(world, db_id, ticket, records);
}

static void op_commit_apply(void *world, uint32_t db_id, uint64_t ticket,
			    const struct core_content *becomes, struct slice records, bool is_whole)
{
	store_commit_apply(world, db_id, ticket, becomes, records, is_whole);
}

static void op_transfer_send(void *world, uint32_t db_id, uint32_t to_pnn, uint64_t cookie)
{
	store_transfer_send(world, db_id, to_pnn, cookie);
}

static void op_transfer_receive(void *world, uint32_t db_id, uint64_t cookie, struct slice part,
				bool is_last)
{
	store_transfer_receive(world, db_id, cookie, part, is_last);
}

static void op_committed(void *world, uint64_t client, uint32_t reqid, int status, const char *text)
{
	clients_committed(world, client, reqid, status, text);
}

static void op_sweep_start(void *world, uint32_t db_id, uint64_t cookie)
{
	store_sweep_start(world, db_id, cookie);
}

static void op_traverse_read(void *world, const struct core_traverse_read *r)
{
	store_traverse_read(world, r);
}

static void op_traverse_cancel(void *world, uint64_t cookie)
{
	store_traverse_cancel(world, cookie);
}

static void op_freeze(void *world)
{
	store_freeze(world);
}

static void op_unfreeze(void *world)
{
	store_unfreeze(world);
}

static void op_retire(void *world, enum reason why, const char *text)
{
	engine_stop(world, why, text);
}

static void op_lock_try(void *world)
{
	helpers_lock_try(world);
}

static void op_lock_probe(void *world)
{
	helpers_lock_probe(world);
}

static void op_lock_check(void *world)
{
	helpers_lock_check(world);
}

static void op_lock_release(void *world)
{
	helpers_lock_release(world);
}

static void op_fence_watch(void *world, struct incarnation inc)
{
	helpers_fence_watch(world, inc);
}

static void op_fence_request(void *world, struct incarnation inc)
{
	helpers_fence_request(world, inc);
}

static void op_persist(void *world, const struct core_past *past)
{
	helpers_persist(world, past);
}

/* The core has said in the log how it ended */
static void op_drained(void *world, enum core_drain_end how)
{
	(void)how;
	engine_stop(world, REASON_STOPPING, "asked to stop");
}

/* Told after the event: what is told comes from core_status(), and we are inside the core now */
static void op_status_changed(void *world)
{
	struct engine *e = world;

	e->has_status_changed = true;
}

const struct core_ops engine_ops = {
	.now_ms = op_now_ms,
	.log = op_log,
	.multicast = op_multicast,
	.peer_set = op_peer_set,
	.peer_wake = op_peer_wake,
	.peer_resume = op_peer_resume,
	.forwarded = op_forwarded,
	.call_reply = op_call_reply,
	.call_error = op_call_error,
	.message = op_message,
	.client_is_full = op_client_is_full,
	.traverse_failed = op_traverse_failed,
	.attached = op_attached,
	.db_open = op_db_open,
	.db_close = op_db_close,
	.db_is_free = op_db_is_free,
	.detached = op_detached,
	.db_freeze = op_db_freeze,
	.db_wipe = op_db_wipe,
	.db_thaw = op_db_thaw,
	.wiped = op_wiped,
	.lock = op_lock,
	.trylock = op_trylock,
	.unlock = op_unlock,
	.get = op_get,
	.put = op_put,
	.del = op_del,
	.sweep_start = op_sweep_start,
	.traverse_read = op_traverse_read,
	.traverse_cancel = op_traverse_cancel,
	.db_content = op_db_content,
	.commit_check = op_commit_check,
	.commit_apply = op_commit_apply,
	.transfer_send = op_transfer_send,
	.transfer_receive = op_transfer_receive,
	.committed = op_committed,
	.freeze = op_freeze,
	.unfreeze = op_unfreeze,
	.retire = op_retire,
	.lock_try = op_lock_try,
	.lock_probe = op_lock_probe,
	.lock_check = op_lock_check,
	.lock_release = op_lock_release,
	.fence_watch = op_fence_watch,
	.fence_request = op_fence_request,
	.persist = op_persist,
	.drained = op_drained,
	.status_changed = op_status_changed,
};
