/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cluster.c: the control plane. The engines are one closed process group of corosync, "cotdb":
 * messages and changes of its membership reach all members in one order. Quorum comes from its
 * own service; both name the ring that they speak of, and the core acts when they agree.
 *
 * The first configuration change comes before the first ring id, so it is held back until the
 * ring is known. Later a change that a new ring brings comes just before that ring's id: the core
 * hears of the members with the old ring first, and then of the new ring.
 *
 * Nothing waits here. Joining goes step by step and is tried again by a timer when corosync says
 * TRY_AGAIN (it does while it synchronises). A message that it does not take stays in a queue,
 * and so do all behind it.
 */
#include "cluster_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include "daemon/fatal.h"
#include "daemon/log.h"

#define CLUSTER_GROUP "cotdb"
enum { CLUSTER_RETRY_MS = 10, CLUSTER_JOIN_TIMEOUT_MS = 30000 };

int cluster_errno(cs_error_t err)
{
	switch (err) {
	case CS_OK:
		return 0;
	case CS_ERR_TRY_AGAIN:
		return -EAGAIN;
	case CS_ERR_NO_MEMORY:
		return -ENOMEM;
	case CS_ERR_ACCESS:
	case CS_ERR_SECURITY:
		return -EACCES;
	case CS_ERR_NOT_EXIST:
		return -ENOENT;
	default:
		return -EIO;
	}
}

void cluster_lost(struct cluster *c, const char *what, cs_error_t err)
{
	char text[128];

	snprintf(text, sizeof(text), "corosync does not answer (%s: %s)", what, cs_strerror(err));
	engine_stop(c->engine, REASON_NO_COROSYNC, text);
}

bool cluster_dispatch(struct cluster *c, const char *what, int32_t revents,
		      cs_error_t (*step)(struct cluster *c))
{
	cs_error_t err;

	if (c->engine->is_stopping)
		return false;
	err = (revents & (POLLHUP | POLLERR)) ? CS_ERR_LIBRARY : step(c);
	if (err != CS_OK && err != CS_ERR_TRY_AGAIN) {
		cluster_lost(c, what, err);
		return false;
	}
	return true;
}

/* ---- sending ------------------------------------------------------------------------------- */

static void cluster_retry(void *data);

static void cluster_retry_later(struct cluster *c)
{
	if (c->is_retry_armed)
		return;
	if (qb_loop_timer_add(c->engine->loop, QB_LOOP_HIGH,
			      (uint64_t)CLUSTER_RETRY_MS * QB_TIME_NS_IN_MSEC, c, cluster_retry,
			      &c->retry_timer) == 0)
		c->is_retry_armed = true;
}

/* CS_OK, CS_ERR_TRY_AGAIN, or an error that ends the engine */
static cs_error_t cluster_send(struct cluster *c, const void *msg, size_t len)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)msg, .iov_len = len };
	cs_error_t err;

	if (c->step <= CLUSTER_JOIN)
		return CS_ERR_TRY_AGAIN;
	err = cpg_mcast_joined(c->cpg, CPG_TYPE_AGREED, &iov, 1);
	if (err != CS_OK && err != CS_ERR_TRY_AGAIN)
		cluster_lost(c, "sending to the group", err);
	return err;
}

static void cluster_drain(struct cluster *c)
{
	while (c->head != NULL && !c->engine->is_stopping) {
		struct cluster_message *m = c->head;

		if (cluster_send(c, m->data, m->len) != CS_OK) {
			cluster_retry_later(c);
			return;
		}
		c->head = m->next;
		if (c->head == NULL)
			c->tail = &c->head;
		c->queued--;
		free(m);
	}
}

void cluster_multicast(struct engine *e, const void *msg, size_t len)
{
	struct cluster *c = e->cluster;
	struct cluster_message *m;
	cs_error_t err = CS_ERR_TRY_AGAIN;

	if (e->is_stopping)
		return;
	if (c->max_message != 0 && len > c->max_message)
		bug("a message to the group is too long | len=%zu max=%u", len, c->max_message);
	if (c->head == NULL)
		err = cluster_send(c, msg, len);
	if (err != CS_ERR_TRY_AGAIN)
		return;
	m = malloc(sizeof(*m) + len);
	if (m == NULL)
		fatal(REASON_ENGINE_RESTARTING, "no memory for a message to the group | len=%zu",
		      len);
	m->next = NULL;
	m->len = len;
	memcpy(m->data, msg, len);
	*c->tail = m;
	c->tail = &m->next;
	c->queued++;
	cluster_retry_later(c);
}

size_t cluster_queued(const struct engine *e)
{
	return e->cluster->queued;
}

/* ---- the group ----------------------------------------------------------------------------- */

static struct cluster *cluster_of_cpg(cpg_handle_t handle)
{
	void *context = NULL;

	return cpg_context_get(handle, &context) == CS_OK ? context : NULL;
}

static void cpg_delivered(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid,
			  uint32_t pid, void *msg, size_t len)
{
	struct cluster *c = cluster_of_cpg(handle);

	(void)group;
	if (c == NULL || c->engine->is_stopping)
		return;
	if (nodeid == 0 || nodeid > CORE_MAX_NODES) {
		log_warning("message of a node with an unusable nodeid is dropped | nodeid=%u",
			    nodeid);
		return;
	}
	core_multicast(c->engine->core, nodeid - 1, pid, slice_of(msg, len));
}

static void cluster_tell_members(struct cluster *c)
{
	core_membership(c->engine->core, c->members, c->members_n, c->ring);
}

static void cpg_changed(cpg_handle_t handle, const struct cpg_name *group,
			const struct cpg_address *members, size_t members_n,
			const struct cpg_address *left, size_t left_n,
			const struct cpg_address *joined, size_t joined_n)
{
	struct cluster *c = cluster_of_cpg(handle);

	(void)group, (void)left, (void)joined;
	if (c == NULL || c->engine->is_stopping)
		return;
	c->members_n = 0;
	for (size_t i = 0; i < members_n && c->members_n < CPG_MEMBERS_MAX; i++) {
		if (members[i].nodeid == 0 || members[i].nodeid > CORE_MAX_NODES)
			continue;
		c->members[c->members_n++] = (struct core_member){
			.pnn = members[i].nodeid - 1,
			.pid = members[i].pid,
		};
	}
	c->has_members = true;
	log_info("the group has changed | members=%zu joined=%zu left=%zu ring=%u.%" PRIx64,
		 c->members_n, joined_n, left_n, c->ring.node, c->ring.seq);
	if (c->has_ring)
		cluster_tell_members(c);
}

static void cpg_ring_changed(cpg_handle_t handle, struct cpg_ring_id ring, uint32_t members_n,
			     const uint32_t *members)
{
	struct cluster *c = cluster_of_cpg(handle);
	bool is_first;

	(void)members;
	if (c == NULL || c->engine->is_stopping)
		return;
	is_first = !c->has_ring;
	c->has_ring = true;
	c->ring = (struct core_ring){ .node = ring.nodeid, .seq = ring.seq };
	log_info("the ring has changed | ring=%u.%" PRIx64 " nodes=%u", ring.nodeid, ring.seq,
		 members_n);
	if (!is_first)
		core_ring_id(c->engine->core, c->ring);
	else if (c->has_members)
		cluster_tell_members(c);
}

static cs_error_t group_step(struct cluster *c)
{
	return cpg_dispatch(c->cpg, CS_DISPATCH_ALL);
}

static int32_t cpg_readable(int32_t fd, int32_t revents, void *data)
{
	struct cluster *c = data;

	(void)fd;
	if (!cluster_dispatch(c, "group", revents, group_step))
		return -1;
	cluster_drain(c);
	engine_after_event(c->engine);
	return 0;
}

/* ---- quorum -------------------------------------------------------------------------------- */

static void quorum_changed(quorum_handle_t handle, uint32_t is_quorate, struct quorum_ring_id ring,
			   uint32_t members_n, const uint32_t *members)
{
	const void *context = NULL;
	uint32_t pnn[CORE_MAX_NODES];
	size_t n = 0;
	struct cluster *c;

	if (quorum_context_get(handle, &context) != CS_OK || context == NULL)
		return;
	c = (struct cluster *)(uintptr_t)context;
	if (c->engine->is_stopping)
		return;
	c->is_quorate = is_quorate != 0;
	log_info("quorum was reported | quorate=%d ring=%u.%" PRIx64 " nodes=%u", c->is_quorate,
		 ring.nodeid, ring.seq, members_n);
	for (uint32_t i = 0; i < members_n && n < CORE_MAX_NODES; i++)
		if (members[i] > 0)
			pnn[n++] = members[i] - 1;
	core_quorum(c->engine->core, c->is_quorate,
		    (struct core_ring){ .node = ring.nodeid, .seq = ring.seq }, pnn, n);
}

static void quorum_nodes_changed(quorum_handle_t handle, struct quorum_ring_id ring,
				 uint32_t members_n, const uint32_t *members, uint32_t joined_n,
				 const uint32_t *joined, uint32_t left_n, const uint32_t *left)
{
	/* The group tells the same */
	(void)handle, (void)ring, (void)members_n, (void)members;
	(void)joined_n, (void)joined, (void)left_n, (void)left;
}

static cs_error_t quorum_step(struct cluster *c)
{
	return quorum_dispatch(c->quorum, CS_DISPATCH_ALL);
}

static int32_t quorum_readable(int32_t fd, int32_t revents, void *data)
{
	struct cluster *c = data;

	(void)fd;
	if (!cluster_dispatch(c, "quorum", revents, quorum_step))
		return -1;
	engine_after_event(c->engine);
	return 0;
}

/* ---- joining ------------------------------------------------------------------------------- */

static cs_error_t cluster_step_cpg(struct cluster *c)
{
	cpg_model_v1_data_t model = {
		.model = CPG_MODEL_V1,
		.cpg_deliver_fn = cpg_delivered,
		.cpg_confchg_fn = cpg_changed,
		.cpg_totem_confchg_fn = cpg_ring_changed,
		.flags = CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF,
	};
	cs_error_t err;

	err = cpg_model_initialize(&c->cpg, CPG_MODEL_V1, (cpg_model_data_t *)&model, c);
	if (err != CS_OK)
		c->cpg = 0;
	if (err == CS_OK)
		err = cpg_max_atomic_msgsize_get(c->cpg, &c->max_message);
	if (err == CS_OK)
		err = cpg_fd_get(c->cpg, &c->cpg_fd);
	if (err == CS_OK && qb_loop_poll_add(c->engine->loop, QB_LOOP_HIGH, c->cpg_fd, POLLIN, c,
					     cpg_readable) != 0)
		err = CS_ERR_LIBRARY;
	return err;
}

static cs_error_t cluster_step_join(struct cluster *c)
{
	struct cpg_name group = { .length = sizeof(CLUSTER_GROUP) - 1, .value = CLUSTER_GROUP };

	return cpg_join(c->cpg, &group);
}

static cs_error_t cluster_step_quorum(struct cluster *c)
{
	quorum_model_v1_data_t model = {
		.model = QUORUM_MODEL_V1,
		.quorum_notify_fn = quorum_changed,
		.nodelist_notify_fn = quorum_nodes_changed,
	};
	uint32_t type = QUORUM_FREE;
	cs_error_t err;

	err = quorum_model_initialize(&c->quorum, QUORUM_MODEL_V1, (quorum_model_data_t *)&model,
				      &type, c);
	if (err != CS_OK)
		c->quorum = 0;
	if (err == CS_OK && type == QUORUM_FREE)
		log_error("corosync has no quorum provider configured (quorum.provider): this node "
			  "will never have quorum");
	if (err == CS_OK)
		err = quorum_fd_get(c->quorum, &c->quorum_fd);
	if (err == CS_OK && qb_loop_poll_add(c->engine->loop, QB_LOOP_HIGH, c->quorum_fd, POLLIN, c,
					     quorum_readable) != 0)
		err = CS_ERR_LIBRARY;
	return err;
}

static cs_error_t cluster_step_track(struct cluster *c)
{
	return quorum_trackstart(c->quorum, CS_TRACK_CURRENT | CS_TRACK_CHANGES);
}

/* Goes as far as corosync lets us */
static void cluster_advance(struct cluster *c)
{
	static cs_error_t (*const step[])(struct cluster *) = {
		[CLUSTER_CPG] = cluster_step_cpg,
		[CLUSTER_JOIN] = cluster_step_join,
		[CLUSTER_QUORUM] = cluster_step_quorum,
		[CLUSTER_TRACK] = cluster_step_track,
	};

	while (c->step < CLUSTER_JOINED) {
		cs_error_t err = step[c->step](c);

		if (err == CS_OK) {
			c->step++;
			continue;
		}
		if (err != CS_ERR_TRY_AGAIN || engine_now_ms() >= c->step_deadline_ms)
			cluster_lost(c, "joining", err);
		else
			cluster_retry_later(c);
		return;
	}
}

static void cluster_retry(void *data)
{
	struct cluster *c = data;

	c->is_retry_armed = false;
	if (c->engine->is_stopping)
		return;
	cluster_advance(c);
	cluster_drain(c);
}

/* ---- for the others ------------------------------------------------------------------------ */

int cluster_open(struct engine *e)
{
	struct cluster *c = calloc(1, sizeof(*c));
	const struct cluster_node *self;
	int rc;

	if (c == NULL)
		return -ENOMEM;
	c->engine = e;
	c->cmap_fd = c->cpg_fd = c->quorum_fd = -1;
	c->tail = &c->head;
	e->cluster = c;
	rc = cluster_map_open(c);
	if (rc != 0)
		return rc;
	if (c->local_nodeid == 0 || c->local_nodeid > CORE_MAX_NODES) {
		log_error("the corosync nodeid of this node is above %u | nodeid=%u",
			  CORE_MAX_NODES, c->local_nodeid);
		return -ERANGE;
	}
	e->pnn = c->local_nodeid - 1;
	self = cluster_node_by_pnn(e, e->pnn);
	if (self == NULL) {
		log_error("this node is not in corosync's nodelist | nodeid=%u", c->local_nodeid);
		return -ENOENT;
	}
	memcpy(e->node_name, self->name, sizeof(e->node_name));
	if (!c->settings.is_encrypted)
		log_warning("corosync's messages are not encrypted (totem.crypto_cipher): who can "
			    "read the network can pass for a member");
	return 0;
}

int cluster_join(struct engine *e)
{
	struct cluster *c = e->cluster;

	c->step_deadline_ms = engine_now_ms() + CLUSTER_JOIN_TIMEOUT_MS;
	cluster_advance(c);
	return e->is_stopping ? -EIO : 0;
}

void cluster_close(struct engine *e)
{
	struct cluster *c = e->cluster;

	if (c == NULL)
		return;
	if (c->is_retry_armed)
		qb_loop_timer_del(e->loop, c->retry_timer);
	if (c->quorum_fd >= 0)
		qb_loop_poll_del(e->loop, c->quorum_fd);
	if (c->quorum != 0)
		quorum_finalize(c->quorum);
	if (c->cpg_fd >= 0)
		qb_loop_poll_del(e->loop, c->cpg_fd);
	if (c->cpg != 0)
		cpg_finalize(c->cpg);
	cluster_map_close(c);
	while (c->head != NULL) {
		struct cluster_message *m = c->head;

		c->head = m->next;
		free(m);
	}
	free(c);
	e->cluster = NULL;
}

size_t cluster_nodes(const struct engine *e, const struct cluster_node **nodes)
{
	*nodes = e->cluster->nodes;
	return e->cluster->nodes_n;
}

const struct cluster_node *cluster_node_by_pnn(const struct engine *e, uint32_t pnn)
{
	const struct cluster *c = e->cluster;

	for (size_t i = 0; i < c->nodes_n; i++)
		if (c->nodes[i].pnn == pnn)
			return &c->nodes[i];
	return NULL;
}

const struct cluster_settings *cluster_settings(const struct engine *e)
{
	return &e->cluster->settings;
}

bool cluster_is_quorate(const struct engine *e)
{
	return e->cluster->is_quorate;
}
