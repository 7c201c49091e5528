/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * client_world.c: a world for the client socket alone: core, store, corosync and helpers that are
 * just enough for daemon/io/client*.c and control*.c to run in one process, on a real socket.
 *
 *   node 0   this one
 *   node 1   a mirror: what is forwarded to it comes back and is handled here as from node 1
 *   node 2   a member that never answers
 *   node 4   in corosync's nodelist, no member (3 is missing)
 *
 * Commands are messages to srvid WORLD_COMMAND with one u32 (client_world.h).
 */
#include "client_world.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include "daemon/io/client.h"
#include "daemon/io/cluster.h"
#include "daemon/io/helpers.h"
#include "daemon/io/store.h"
#include "lib/cursor.h"
#include "lib/jenkins.h"
#include "lib/protocol.h"

#define MAX_REGISTRATIONS 4096

struct registration {
	uint64_t client, srvid;
};

struct core {
	struct engine *engine;
	bool is_active, is_congested, is_peer_congested, has_node_2, has_status_changed;
	uint32_t calls, generations;
	struct core_db_info db[CORE_MAX_DBS];
	size_t dbs;
	uint32_t attaching[CORE_MAX_DBS];
	size_t attachings;
	uint32_t detaching, wiping; /* 0: none */
	struct registration reg[MAX_REGISTRATIONS];
	size_t regs;
	struct core_traverse traverse; /* the last one */
	uint64_t traverse_client;
	uint32_t records_left;
	bool is_commit_hanging;
	uint64_t committing; /* the client; 0: none */
	bool is_draining;
};

/* ---- core
 * ---------------------------------------------------------------------------------------- */

void core_status(const struct core *c, struct core_status *s)
{
	*s = (struct core_status){
		.view = c->is_active ? CORE_VIEW_ACTIVE : CORE_VIEW_GATED,
		.is_active = c->is_active,
		.generation = 17 + c->generations,
		.leader = c->is_active ? 0 : CORE_UNKNOWN_PNN,
		.reason = c->is_active ? REASON_NONE : REASON_NO_QUORUM,
		.since_ms = 1,
		.calls = c->calls,
		.drain = c->is_draining ? CORE_DRAIN_DRAINING : CORE_DRAIN_OFF,
	};
	s->gate[CORE_GATE_QUORUM].is_open = c->is_active;
	s->gate[CORE_GATE_QUORUM].reason = REASON_NO_QUORUM;
}

int core_node_status(const struct core *c, size_t i, struct core_node_status *s)
{
	if (i > 2)
		return -ENOENT;
	*s = (struct core_node_status){ .pnn = (uint32_t)i, .boot_id = 100 + i };
	snprintf(s->name, sizeof(s->name), "node%zu", i + 1);
	snprintf(s->address, sizeof(s->address), "192.0.2.%zu", i + 1);
	s->state = c->is_active ? CORE_NODE_ACTIVE : CORE_NODE_MEMBER;
	if (i == 2 && !c->has_node_2)
		s->state = CORE_NODE_ABSENT;
	return 0;
}

int core_call(struct core *c, uint64_t client, uint32_t reqid, const struct core_call *call)
{
	static const char text[] = "value of ";
	uint8_t data[256];
	struct writer w = writer_of(data, sizeof(data));
	size_t i;

	c->calls++;
	for (i = 0; i < c->dbs && c->db[i].db_id != call->db_id; i++)
		;
	if (i == c->dbs) {
		clients_call_error(c->engine, client, reqid, "no such database");
		return 0;
	}
	if (call->callid == CALL_FETCH) {
		writer_bytes(&w, text, sizeof(text) - 1);
		writer_bytes(&w, call->key.p, call->key.len);
	}
	clients_call_reply(c->engine, client, reqid, slice_of(w.p, w.len));
	return c->is_congested;
}

static void world_command(struct core *c, struct slice data)
{
	struct cursor cur = cursor_of(data.p, data.len);
	uint32_t command = 0;

	if (cursor_u32(&cur, &command))
		return;
	switch (command) {
	case WORLD_ACTIVE:
	case WORLD_INACTIVE:
		c->is_active = command == WORLD_ACTIVE;
		break;
	case WORLD_NODE_2_GONE:
	case WORLD_NODE_2_BACK:
		c->has_node_2 = command == WORLD_NODE_2_BACK;
		break;
	case WORLD_CONGESTED:
	case WORLD_NOT_CONGESTED:
		c->is_congested = command == WORLD_CONGESTED;
		break;
	case WORLD_COMMITS_HANG:
		c->is_commit_hanging = true;
		break;
	case WORLD_COMMITS_END:
		c->is_commit_hanging = false;
		c->committing = 0;
		break;
	case WORLD_NEW_GENERATION:
		c->generations++;
		break;
	case WORLD_NODE_2_CONGESTED:
	case WORLD_NODE_2_NOT_CONGESTED:
		c->is_peer_congested = command == WORLD_NODE_2_CONGESTED;
		break;
	}
	c->has_status_changed = true;
}

int core_message(struct core *c, uint32_t dest, uint64_t srvid, struct slice data)
{
	if (srvid == WORLD_COMMAND)
		world_command(c, data);
	if (dest != CORE_CURRENT_NODE && dest != 0 && dest < CORE_CURRENT_NODE)
		return 0;
	for (size_t i = 0; i < c->regs; i++)
		if (c->reg[i].srvid == srvid || c->reg[i].srvid == CORE_SRVID_ALL)
			clients_message(c->engine, c->reg[i].client, srvid, data);
	return 0;
}

void core_register(struct core *c, uint64_t client, uint64_t srvid)
{
	if (c->regs < MAX_REGISTRATIONS)
		c->reg[c->regs++] = (struct registration){ client, srvid };
}

int core_deregister(struct core *c, uint64_t client, uint64_t srvid)
{
	for (size_t i = 0; i < c->regs; i++)
		if (c->reg[i].client == client && c->reg[i].srvid == srvid) {
			c->reg[i] = c->reg[--c->regs];
			return 0;
		}
	return -ENOENT;
}

bool core_is_registered(const struct core *c, uint64_t client, uint64_t srvid)
{
	for (size_t i = 0; i < c->regs; i++)
		if (c->reg[i].client == client && c->reg[i].srvid == srvid)
			return true;
	return false;
}

void core_client_gone(struct core *c, uint64_t client)
{
	for (size_t i = 0; i < c->regs && c->committing != client;)
		if (c->reg[i].client == client)
			c->reg[i] = c->reg[--c->regs];
		else
			i++;
}

bool core_is_congested(const struct core *c)
{
	return c->is_congested;
}

bool core_is_peer_congested(const struct core *c, uint32_t pnn)
{
	return pnn == 2 && c->is_peer_congested && c->has_node_2;
}

/* Traverses: WORLD_RECORDS records of 1 KiB, told until the client is full; one of tag 0 fails. One
 * at a time. */
int core_traverse(struct core *c, uint64_t client, const struct core_traverse *t)
{
	if (c->dbs == 0 || c->db[0].db_id != t->db_id)
		return -ENOENT;
	if (!c->is_active)
		return -EAGAIN;
	if (t->tag == 1)
		return -EBUSY;
	c->traverse = *t;
	c->traverse_client = client;
	c->records_left = WORLD_RECORDS + 1;
	return 0;
}

void core_client_drained(struct core *c, uint64_t client)
{
	uint8_t record[16 + 1024] = { 0 };
	struct core_traverse *t = &c->traverse;

	while (c->records_left > 0 && client == c->traverse_client &&
	       !clients_is_full(c->engine, client)) {
		struct writer w = writer_of(record, 16);
		bool is_end = --c->records_left == 0;

		writer_u32(&w, is_end ? 16 : sizeof(record));
		writer_u32(&w, t->tag);
		writer_u32(&w, is_end ? 0 : t->with_empty ? 2 : 1);
		writer_u32(&w, is_end ? 0 : t->with_empty ? 1022 : 1023);
		clients_message(c->engine, client, t->srvid,
				slice_of(record, is_end ? 16 : sizeof(record)));
		if (is_end && t->tag == 0)
			clients_traverse_failed(c->engine, client, t->db_id, t->is_ext,
						"it is tag 0");
	}
}

/* No database here can be committed to */
void core_commit(struct core *c, uint64_t client, uint32_t reqid, uint32_t db_id,
		 struct slice records)
{
	(void)db_id, (void)records;
	if (c->is_commit_hanging)
		c->committing = client;
	else
		clients_committed(c->engine, client, reqid, COMMIT_REFUSED, "refused");
}

bool core_is_committing(const struct core *c, uint64_t client)
{
	return c->committing == client;
}

void core_drain(struct core *c, bool is_wanted)
{
	c->is_draining = is_wanted;
}

void core_vacuum_schedule(struct core *c, uint32_t db_id, struct slice key)
{
	(void)c, (void)db_id, (void)key;
}

int core_push(struct core *c, uint32_t db_id, struct slice key, const struct record_header *h,
	      struct slice body)
{
	(void)c, (void)db_id;
	return key.len == 3 && h->rsn == 7 && h->dmaster == 1 && h->flags == 0x10001 &&
		       slice_equal(body, slice_of("value", 5))
		   ? 0
		   : -EINVAL;
}

void core_vacuum_tune(struct core *c, uint32_t delay_ms, uint32_t interval_ms)
{
	(void)c, (void)delay_ms, (void)interval_ms;
}

int core_attach(struct core *c, const char *name, uint32_t db_flags)
{
	uint32_t db_id = jenkins_db_id(name);

	for (size_t i = 0; i < c->dbs; i++) {
		if (c->db[i].db_id != db_id)
			continue;
		if ((c->db[i].flags & db_flags) == db_flags)
			return 0;
		if ((db_flags & ~c->db[i].flags & ~DB_PROPERTIES) != 0)
			return -EINVAL;
		c->db[i].flags |= db_flags;
		c->attaching[c->attachings++] = db_id;
		return -EINPROGRESS;
	}
	if (c->dbs == CORE_MAX_DBS)
		return -ENOSPC;
	c->db[c->dbs].db_id = db_id;
	c->db[c->dbs].flags = db_flags;
	snprintf(c->db[c->dbs].name, CORE_NAME_SIZE, "%s", name);
	c->dbs++;
	c->attaching[c->attachings++] = db_id;
	return -EINPROGRESS;
}

void core_sticky(struct core *c, const struct core_sticky *s)
{
	(void)c, (void)s;
}

/* Asked for at once; what becomes of it is told with the next turn of the loop */
int core_detach(struct core *c, uint32_t db_id)
{
	for (size_t i = 0; i < c->dbs; i++) {
		if (c->db[i].db_id != db_id)
			continue;
		if (c->db[i].flags != 0)
			return -EINVAL;
		if (!c->is_active)
			return -EAGAIN;
		c->detaching = db_id;
		return -EINPROGRESS;
	}
	return -ENOENT;
}

/* The same */
int core_wipe(struct core *c, uint32_t db_id)
{
	if (!c->is_active)
		return -EAGAIN;
	c->wiping = db_id;
	return -EINPROGRESS;
}

static void world_wipe(struct core *c)
{
	uint32_t db_id = c->wiping;

	c->wiping = 0;
	clients_wiped(c->engine, db_id, 0, 0, "");
}

static void world_detach(struct core *c)
{
	uint32_t db_id = c->detaching;
	char why[256] = "";
	size_t i = 0;

	c->detaching = 0;
	if (!clients_db_is_free(c->engine, db_id, why, sizeof(why))) {
		clients_detached(c->engine, db_id, -EBUSY, 0, why);
		return;
	}
	while (c->db[i].db_id != db_id)
		i++;
	c->db[i] = c->db[--c->dbs];
	clients_detached(c->engine, db_id, 0, 0, "");
}

int core_db_info(const struct core *c, size_t i, struct core_db_info *info)
{
	if (i >= c->dbs)
		return -ENOENT;
	*info = c->db[i];
	return 0;
}

/* Only what is a commit of the whole: count of records, kept for the next */
void core_replace(struct core *c, uint64_t client, uint32_t reqid, uint32_t db_id,
		  struct slice records)
{
	struct cursor cur = cursor_of(records.p, records.len);
	uint32_t id, n;

	if (cursor_u32(&cur, &id) || cursor_u32(&cur, &n) || id != db_id) {
		clients_committed(c->engine, client, reqid, COMMIT_REFUSED, "malformed");
		return;
	}
	c->calls = n;
	clients_committed(c->engine, client, reqid, 0, "");
}

void core_waiting(const struct core *c, struct core_waiting *w)
{
	(void)c;
	*w = (struct core_waiting){ 0 };
}

void core_waiting_fail(struct core *c, uint64_t since_ms, const char *why)
{
	(void)c, (void)since_ms, (void)why;
}

int core_forward(struct core *c, uint32_t pnn, struct slice data)
{
	if (pnn == 1)
		clients_forwarded(c->engine, 1, data);
	return pnn <= 2 ? core_is_peer_congested(c, pnn) : -EHOSTUNREACH;
}

/* ---- store
 * ------------------------------------------------------------------------------------------- */

int store_db_path(struct engine *e, uint32_t db_id, const char **path)
{
	static char text[CORE_NAME_SIZE * 2];

	for (size_t i = 0; i < e->core->dbs; i++)
		if (e->core->db[i].db_id == db_id) {
			snprintf(text, sizeof(text), WORLD_FOLDER "/%s.0", e->core->db[i].name);
			*path = text;
			return 0;
		}
	return -ENOENT;
}

void store_sweep_progress(const struct engine *e, struct store_progress *p)
{
	(void)e;
	*p = (struct store_progress){ 0 };
}

size_t store_transfers(const struct engine *e)
{
	(void)e;
	return 0;
}

int store_db_open_flags(struct engine *e, uint32_t db_id, int *tdb_flags)
{
	(void)e, (void)db_id;
	*tdb_flags = 0x1c41;
	return 0;
}

/* In one whose name begins with "open" */
int store_db_user(struct engine *e, uint32_t db_id)
{
	for (size_t i = 0; i < e->core->dbs; i++)
		if (e->core->db[i].db_id == db_id && strncmp(e->core->db[i].name, "open", 4) == 0)
			return 4711;
	return 0;
}

int store_db_enable_seqnum(struct engine *e, uint32_t db_id)
{
	(void)e, (void)db_id;
	return 0;
}

/* Each has changed when it is asked after; what a mirror tells of the first shows as a call */
void store_seqnum_changed(struct engine *e, bool (*tell)(void *arg, uint32_t db_id), void *arg)
{
	if (e->core->dbs > 0)
		tell(arg, e->core->db[0].db_id);
}

int store_seqnum_raise(struct engine *e, uint32_t db_id)
{
	(void)db_id;
	e->core->calls++;
	return 0;
}

int store_get(struct engine *e, uint32_t db_id, struct slice key, struct record_header *h,
	      struct slice *body)
{
	(void)e, (void)db_id, (void)key, (void)h, (void)body;
	return -ENOENT;
}

void store_stats(const struct engine *e, struct store_stats *s)
{
	(void)e;
	*s = (struct store_stats){ 0 };
}

/* ---- corosync and helpers
 * ------------------------------------------------------------------------------ */

static const struct cluster_node nodes[] = {
	{ 0, 1, "node1", "192.0.2.1" },
	{ 1, 2, "node2", "192.0.2.2" },
	{ 2, 3, "node3", "192.0.2.3" },
	{ 4, 5, "node5", "2001:db8::5" },
};
#define NODES (sizeof(nodes) / sizeof(nodes[0]))

size_t cluster_nodes(const struct engine *e, const struct cluster_node **list)
{
	(void)e;
	*list = nodes;
	return NODES;
}

const struct cluster_node *cluster_node_by_pnn(const struct engine *e, uint32_t pnn)
{
	(void)e;
	for (size_t i = 0; i < NODES; i++)
		if (nodes[i].pnn == pnn)
			return &nodes[i];
	return NULL;
}

const struct cluster_settings *cluster_settings(const struct engine *e)
{
	static const struct cluster_settings settings = { .token_ms = 1000, .consensus_ms = 1200 };

	(void)e;
	return &settings;
}

bool cluster_is_quorate(const struct engine *e)
{
	(void)e;
	return true;
}

size_t cluster_queued(const struct engine *e)
{
	(void)e;
	return 0;
}

void helpers_client(struct engine *e, uint32_t pid, bool is_connected)
{
	(void)e, (void)pid, (void)is_connected;
}

void helpers_reclock_status(const struct engine *e, struct helper_status *s)
{
	(void)e;
	*s = (struct helper_status){ 0 };
}

void helpers_pacemaker_status(const struct engine *e, struct helper_status *s)
{
	(void)e;
	*s = (struct helper_status){ 0 };
}

/* ---- engine
 * -------------------------------------------------------------------------------------------- */

uint64_t engine_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void engine_after_event(struct engine *e)
{
	static bool is_flushing;
	struct core *c = e->core;

	if (is_flushing)
		return;
	is_flushing = true;
	do {
		while (c->attachings > 0)
			clients_attached(e, c->attaching[--c->attachings], 0);
		if (c->detaching != 0)
			world_detach(c);
		if (c->wiping != 0)
			world_wipe(c);
		if (c->has_status_changed) {
			c->has_status_changed = false;
			clients_status_changed(e);
		}
		clients_flush(e);
	} while (c->has_status_changed || c->attachings > 0);
	is_flushing = false;
}

static int32_t world_stop(int32_t signal, void *data)
{
	struct engine *e = data;

	(void)signal;
	qb_loop_stop(e->loop);
	return 0;
}

struct engine *world_open(const char *path, bool is_active, int *error)
{
	static struct options options;
	struct core *c = calloc(1, sizeof(*c));
	struct engine *e = calloc(1, sizeof(*e));

	if (c == NULL || e == NULL) {
		free(c);
		free(e);
		*error = -ENOMEM;
		return NULL;
	}
	options_init(&options);
	options.text[OPTION_recovery_lock] = "/clusterfs/.cotdb.lock";
	signal(SIGPIPE, SIG_IGN);
	*e = (struct engine){ .core = c, .options = &options, .boot_id = 100 };
	snprintf(e->node_name, sizeof(e->node_name), "node1");
	c->engine = e;
	c->is_active = is_active;
	c->has_node_2 = true;
	e->start_time_us = (int64_t)time(NULL) * 1000000;
	e->loop = qb_loop_create();
	*error = clients_open(e, path);
	if (*error != 0) {
		world_close(e);
		return NULL;
	}
	clients_status_changed(e);
	return e;
}

void world_close(struct engine *e)
{
	if (e->clients != NULL)
		clients_close(e);
	qb_loop_destroy(e->loop);
	free(e->core);
	free(e);
}

int world_serve(const char *path, bool is_active, int ready_fd)
{
	qb_loop_signal_handle term;
	int error;
	struct engine *e = world_open(path, is_active, &error);

	if (e == NULL)
		return -error;
	qb_loop_signal_add(e->loop, QB_LOOP_HIGH, SIGTERM, e, world_stop, &term);
	if (ready_fd >= 0)
		close(ready_fd);
	qb_loop_run(e->loop);
	world_close(e);
	return 0;
}
