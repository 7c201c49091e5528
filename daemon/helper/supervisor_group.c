/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * supervisor_group.c: the CPG group "cotdb-supervisor". What is said in it is what lets other nodes
 * take over: LEFT and REVOKED of an incarnation whose databases are retired. A supervisor is
 * believed only about its own node: the sender's nodeid is corosync's word, not the message's.
 *
 * Messages that corosync does not take at the moment wait in a small queue and are tried again by
 * the timer; our own come back to us like everybody's, and so we know that they were delivered.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include "daemon/helper/supervisor.h"
#include "daemon/log.h"

#define GROUP_NAME	  "cotdb-supervisor"
#define GROUP_VERSION	  1U
#define GROUP_RETRY_MS	  50U
#define JOIN_TRIES	  40
#define JOIN_PAUSE_MS	  250
#define LEAVE_TRIES	  20
#define RESOLVED_PER_NODE 4U
#define MESSAGE_BYTES	  (20 + ROSTER_MESSAGE)

enum group_type { GROUP_HELLO = 1, GROUP_LEFT, GROUP_REVOKED, GROUP_ROSTER };

static bool node_pnn(uint32_t nodeid, uint32_t *pnn)
{
	if (nodeid == 0 || nodeid > CORE_MAX_NODES)
		return false;
	*pnn = nodeid - 1;
	return true;
}

/* An engine that starts later may still wait for one of these. Of each node the last few are kept:
 * an older one is resolved by every later incarnation of its node anyway. */
static void resolved_remember(struct supervisor_group *g, const struct resolved *r)
{
	size_t same = 0, drop = 0;

	for (size_t i = g->resolved_n; i-- > 0;) {
		if (g->resolved[i].inc.pnn != r->inc.pnn)
			continue;
		same++;
		drop = i; /* in the end: the oldest of this node */
	}
	if (same < RESOLVED_PER_NODE)
		drop = 0;
	if (same >= RESOLVED_PER_NODE || g->resolved_n == SUPERVISOR_RESOLVED_MAX) {
		g->resolved_n--;
		memmove(&g->resolved[drop], &g->resolved[drop + 1],
			(g->resolved_n - drop) * sizeof(g->resolved[0]));
	}
	g->resolved[g->resolved_n++] = *r;
}

static int message_decode(struct cursor c, struct group_message *m, struct slice *rest)
{
	uint32_t version;

	if (cursor_u32(&c, &version) || version < GROUP_VERSION || cursor_u32(&c, &m->type) ||
	    cursor_u32(&c, &m->inc.pnn) || cursor_u64(&c, &m->inc.boot_id))
		return -EBADMSG; /* a later version may add behind this */
	*rest = slice_of(c.p, c.left);
	return 0;
}

static void group_deliver(cpg_handle_t handle, const struct cpg_name *group, uint32_t nodeid,
			  uint32_t pid, void *msg, size_t len)
{
	struct supervisor *s;
	struct group_message m;
	struct slice rest;
	uint32_t pnn;
	void *context;

	(void)group;
	if (cpg_context_get(handle, &context) != CS_OK)
		return;
	s = context;
	if (nodeid == s->nodeid && pid == (uint32_t)getpid())
		s->group.delivered++;
	if (!node_pnn(nodeid, &pnn) || message_decode(cursor_of(msg, len), &m, &rest) != 0 ||
	    m.inc.pnn != pnn ||
	    (m.type == GROUP_ROSTER && roster_message(&s->roster, pnn, rest) != 0)) {
		log_warning("a message of another supervisor makes no sense and is ignored | "
			    "nodeid=%u bytes=%zu",
			    nodeid, len);
		return;
	}
	if (m.type == GROUP_LEFT || m.type == GROUP_REVOKED) {
		const struct resolved r = { .inc = m.inc, .is_left = m.type == GROUP_LEFT };

		log_notice(
		    "the databases of an engine are retired | nodeid=%u boot_id=%016llx as=%s",
		    nodeid, (unsigned long long)m.inc.boot_id, r.is_left ? "left" : "revoked");
		resolved_remember(&s->group, &r);
		roster_over(&s->roster, m.inc);
		supervisor_roster_mark(s);
		engine_tell_resolved(s, &r);
	}
}

static void group_confchg(cpg_handle_t handle, const struct cpg_name *group,
			  const struct cpg_address *members, size_t members_n,
			  const struct cpg_address *left, size_t left_n,
			  const struct cpg_address *joined, size_t joined_n)
{
	uint32_t pnn[CORE_MAX_NODES];
	struct supervisor *s;
	size_t n = 0;
	void *context;

	(void)group;
	(void)joined;
	(void)joined_n;
	if (cpg_context_get(handle, &context) != CS_OK)
		return;
	s = context;
	for (size_t i = 0; i < members_n && n < CORE_MAX_NODES; i++)
		n += node_pnn(members[i].nodeid, &pnn[n]);
	log_info("the group of the supervisors has changed | members=%zu", n);
	for (size_t i = 0; i < left_n; i++) {
		uint32_t gone;

		if (left[i].reason == CPG_REASON_LEAVE && node_pnn(left[i].nodeid, &gone))
			roster_leave(&s->roster, gone);
	}
	roster_group(&s->roster, pnn, n);
}

static void group_totem_confchg(cpg_handle_t handle, struct cpg_ring_id ring, uint32_t members_n,
				const uint32_t *members)
{
	void *context;

	(void)ring;
	if (cpg_context_get(handle, &context) == CS_OK)
		supervisor_roster_ring(context, members, members_n);
}

static void pause_ms(long ms)
{
	const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

int group_join(struct supervisor *s, struct start_error *e)
{
	cpg_model_v1_data_t model = {
		.model = CPG_MODEL_V1,
		.cpg_deliver_fn = group_deliver,
		.cpg_confchg_fn = group_confchg,
		.cpg_totem_confchg_fn = group_totem_confchg,
		.flags = CPG_MODEL_V1_DELIVER_INITIAL_TOTEM_CONF,
	};
	struct cpg_name name = { .length = sizeof(GROUP_NAME) - 1, .value = GROUP_NAME };
	cs_error_t err = CS_ERR_TRY_AGAIN;
	bool is_connected = false;

	for (int i = 0; i < JOIN_TRIES && err != CS_OK; i++) {
		if (i > 0)
			pause_ms(JOIN_PAUSE_MS);
		if (!is_connected)
			err = cpg_model_initialize(&s->group.handle, CPG_MODEL_V1,
						   (cpg_model_data_t *)&model, s);
		is_connected = is_connected || err == CS_OK;
		if (is_connected)
			err = cpg_join(s->group.handle, &name);
	}
	if (err == CS_OK)
		err = cpg_fd_get(s->group.handle, &s->group.fd);
	if (err == CS_OK)
		return REASON_NONE;
	if (is_connected)
		cpg_finalize(s->group.handle);
	s->group.fd = -1;
	snprintf(e->text, sizeof(e->text), "the CPG group %s could not be joined: %s", GROUP_NAME,
		 cs_strerror(err));
	return e->why = REASON_NO_COROSYNC;
}

static void group_lost(struct supervisor *s)
{
	if (s->group.fd < 0)
		return;
	log_error("corosync is gone; the engine is stopped and its databases are retired");
	(void)qb_loop_poll_del(s->loop, s->group.fd);
	cpg_finalize(s->group.handle);
	s->group.fd = -1;
	s->group.outbox_n = 0;
	supervise_fail(s->machine, REASON_NO_COROSYNC);
}

static int32_t group_dispatch(int32_t fd, int32_t revents, void *data)
{
	struct supervisor *s = data;
	cs_error_t err = CS_ERR_LIBRARY;

	(void)fd;
	if ((revents & POLLIN) != 0)
		err = cpg_dispatch(s->group.handle, CS_DISPATCH_ALL);
	if (err != CS_OK && err != CS_ERR_TRY_AGAIN)
		group_lost(s);
	supervisor_after_event(s);
	return 0;
}

static cs_error_t group_send(struct supervisor *s, const struct group_message *m)
{
	uint8_t buf[MESSAGE_BYTES];
	struct writer w = writer_of(buf, sizeof(buf));
	struct iovec iov = { .iov_base = buf };
	cs_error_t err;

	writer_u32(&w, GROUP_VERSION);
	writer_u32(&w, m->type);
	writer_u32(&w, m->inc.pnn);
	writer_u64(&w, m->inc.boot_id);
	writer_bytes(&w, m->roster, m->roster_len);
	if (w.failed)
		return CS_ERR_TOO_BIG;
	iov.iov_len = w.len;
	err = cpg_mcast_joined(s->group.handle, CPG_TYPE_AGREED, &iov, 1);
	if (err == CS_OK)
		s->group.sent++;
	return err;
}

void group_retry(struct supervisor *s)
{
	struct supervisor_group *g = &s->group;
	size_t done = 0;

	if (g->fd < 0 || g->outbox_n == 0 || supervisor_now_ms() < g->retry_ms)
		return;
	while (done < g->outbox_n) {
		cs_error_t err = group_send(s, &g->outbox[done]);

		if (err == CS_ERR_TRY_AGAIN)
			break;
		if (err != CS_OK)
			log_error("corosync did not take a message of the supervisor | error=%s",
				  cs_strerror(err));
		done++;
	}
	g->outbox_n -= done;
	memmove(g->outbox, g->outbox + done, g->outbox_n * sizeof(g->outbox[0]));
	g->retry_ms = g->outbox_n > 0 ? supervisor_now_ms() + GROUP_RETRY_MS : SUPERVISOR_NEVER;
}

static void group_queue(struct supervisor *s, const struct group_message *m)
{
	struct supervisor_group *g = &s->group;

	if (g->fd < 0)
		return;
	if (g->outbox_n == SUPERVISOR_OUTBOX_MAX) {
		log_error("corosync takes no messages; one is lost | type=%u", m->type);
		return;
	}
	g->outbox[g->outbox_n++] = *m;
	if (g->outbox_n == 1)
		g->retry_ms = 0; /* sent at the end of this event */
}

int group_watch(struct supervisor *s)
{
	const struct group_message hello = { .type = GROUP_HELLO, .inc = { .pnn = s->pnn } };

	group_queue(s, &hello);
	return qb_loop_poll_add(s->loop, QB_LOOP_HIGH, s->group.fd, POLLIN, s, group_dispatch);
}

void group_tell_roster(struct supervisor *s, const void *msg, size_t len)
{
	struct group_message m = { .type = GROUP_ROSTER, .inc = { .pnn = s->pnn } };

	if (len > sizeof(m.roster))
		return;
	m.roster_len = len;
	memcpy(m.roster, msg, len);
	group_queue(s, &m);
}

void group_announce(struct supervisor *s, struct incarnation inc, bool is_left)
{
	const struct group_message m = { .type = is_left ? GROUP_LEFT : GROUP_REVOKED, .inc = inc };

	group_queue(s, &m);
}

bool group_is_quiet(const struct supervisor *s)
{
	return s->group.fd < 0 || (s->group.outbox_n == 0 && s->group.delivered >= s->group.sent);
}

void group_leave(struct supervisor *s, bool is_clean)
{
	struct cpg_name name = { .length = sizeof(GROUP_NAME) - 1, .value = GROUP_NAME };
	cs_error_t err = is_clean ? CS_ERR_TRY_AGAIN : CS_OK;

	if (s->group.fd < 0)
		return;
	/* The loop has ended; without this word the others have to take it for a death */
	for (int i = 0; i < LEAVE_TRIES && err == CS_ERR_TRY_AGAIN; i++) {
		if (i > 0)
			pause_ms(GROUP_RETRY_MS);
		err = cpg_leave(s->group.handle, &name);
	}
	if (err != CS_OK)
		log_warning("corosync does not take that the group is left | error=%s",
			    cs_strerror(err));
	cpg_finalize(s->group.handle);
	s->group.fd = -1;
}
