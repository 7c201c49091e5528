/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * client.c: what becomes of a client's packets, and the core's ops for clients.
 *
 * Until this node has been active once there is nothing to serve: a client's calls are kept (and
 * the client is no longer read from when they become many), attaches wait in control_attach.c. From
 * then on the core itself holds what a change of the view delays, so that no client ever sees more
 * of it than a pause.
 */
#include "client.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>
#include "client_private.h"
#include "control.h"
#include "daemon/log.h"
#include "lib/codec.h"

uint64_t client_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static struct packet_header reply_header(const struct clients *s, uint32_t reqid)
{
	return (struct packet_header){
		.generation = s->generation,
		.srcnode = s->engine->pnn,
		.reqid = reqid,
	};
}

/* ---- packets to a client
 * ------------------------------------------------------------------------- */

static void call_error(struct client *cl, uint32_t reqid, const char *text)
{
	struct packet_header h = reply_header(cl->owner, reqid);
	struct reply_error m = { .status = -1, .text = slice_of(text, strlen(text) + 1) };
	size_t size = reply_error_size(&m);
	uint8_t *p = client_output(cl, size, true);

	if (p) {
		struct writer w = writer_of(p, size);
		reply_error_encode(&w, &h, &m);
	}
}

void clients_call_error(struct engine *e, uint64_t client, uint32_t reqid, const char *text)
{
	struct client *cl = client_find(e->clients, client);

	if (cl)
		call_error(cl, reqid, text);
}

void clients_call_reply(struct engine *e, uint64_t client, uint32_t reqid, struct slice data)
{
	struct client *cl = client_find(e->clients, client);
	struct packet_header h = reply_header(e->clients, reqid);
	struct reply_call m = { .status = 0, .data = data };
	size_t size = reply_call_size(&m);
	uint8_t *p = cl ? client_output(cl, size, true) : NULL;

	if (p == NULL)
		return;
	struct writer w = writer_of(p, size);
	reply_call_encode(&w, &h, &m);
	if (cl->timed_us && cl->timed_reqid == reqid) {
		counters_add_call(&e->clients->counters, client_now_us() - cl->timed_us);
		cl->timed_us = 0;
	}
}

void clients_message(struct engine *e, uint64_t client, uint64_t srvid, struct slice data)
{
	if (client == CLIENT_ID_RESTORE)
		control_restore_message(e->clients, srvid, data);
	if (client == CLIENT_ID_SERVICE)
		clients_service_message(e->clients, srvid, data);
	struct client *cl = client_find(e->clients, client);
	struct packet_header h = reply_header(e->clients, 0);
	struct req_message m = { .srvid = srvid, .data = data };
	size_t size = req_message_size(&m);
	uint8_t *p = cl ? client_output(cl, size, false) : NULL;

	if (p) {
		struct writer w = writer_of(p, size);
		h.destnode = e->pnn;
		req_message_encode(&w, &h, &m);
	}
}

/* ---- packets from a client
 * ----------------------------------------------------------------------- */

static void call_take(struct client *cl, uint32_t reqid, const struct req_call *m)
{
	struct core_call call = {
		.db_id = m->db_id,
		.flags = m->flags,
		.callid = m->callid,
		.key = m->key,
	};

	if (cl->timed_us == 0) {
		cl->timed_us = client_now_us();
		cl->timed_reqid = reqid;
	}
	if (core_call(cl->owner->engine->core, cl->id, reqid, &call) == 1)
		client_pause_congested(cl);
}

/* Before the first view: keeps the packet */
static void call_hold(struct client *cl, struct slice packet)
{
	if (queue_append(&cl->held, &cl->owner->pool, packet.p, packet.len) != 0)
		client_kill(cl, "no memory for its calls");
	else if (cl->held.len > CLIENT_HELD_PAUSE)
		cl->pause |= PAUSE_HELD;
}

static void packet_call(struct client *cl, const struct packet_header *h, struct cursor *body,
			struct slice packet)
{
	struct req_call m;

	cl->owner->counters.req_call++;
	if (req_call_decode(body, &m) != 0)
		call_error(cl, h->reqid, "malformed call");
	else if (m.key.len == 0 || m.key.len > CORE_MAX_KEY)
		call_error(cl, h->reqid, "the key of a call is empty or too long");
	else if (!cl->owner->was_active)
		call_hold(cl, packet);
	else
		call_take(cl, h->reqid, &m);
}

static void packet_message(struct client *cl, const struct packet_header *h, struct cursor *body)
{
	struct clients *s = cl->owner;
	struct req_message m;

	s->counters.req_message++;
	if (req_message_decode(body, &m) != 0) {
		log_info("a malformed message was dropped | pid=%d", (int)cl->pid);
		return;
	}
	if (core_message(s->engine->core, h->destnode, m.srvid, m.data) == 1)
		client_pause_congested(cl);
}

static void packet_control(struct client *cl, const struct packet_header *h, struct cursor *body)
{
	struct req_control m;

	cl->owner->counters.req_control++;
	if (req_control_decode(body, &m) != 0)
		control_malformed(cl, h);
	else
		control_request(cl, h, &m);
}

void client_take_packet(struct client *cl, struct slice packet)
{
	struct packet_header h;
	struct cursor body;

	if (packet_header_decode(packet, &h, &body) != 0) {
		client_kill(cl, "it does not speak CTDB's protocol");
		return;
	}
	switch (h.operation) {
	case CTDB_REQ_CALL:
		packet_call(cl, &h, &body, packet);
		break;
	case CTDB_REQ_MESSAGE:
		packet_message(cl, &h, &body);
		break;
	case CTDB_REQ_CONTROL:
		packet_control(cl, &h, &body);
		break;
	default: /* tunnels among them: no Samba program uses them */
		cl->owner->counters.req_tunnel += h.operation == CTDB_REQ_TUNNEL;
		log_info(
		    "a packet of a kind that clients do not send was dropped | operation=%u pid=%d",
		    h.operation, (int)cl->pid);
	}
}

/* ---- the view
 * ---------------------------------------------------------------------------------------- */

/* The node is active for the first time: the calls that were kept */
static void held_release(struct clients *s)
{
	for (size_t i = 0; i < s->slots; i++) {
		struct client *cl = client_at(s, i);
		if (cl == NULL)
			continue;
		struct slice all = queue_slice(&cl->held), packet;
		while (packet_frame(all, CTDB_MAX_PACKET, &packet) == 1) {
			struct packet_header h;
			struct cursor body;
			struct req_call m;
			if (packet_header_decode(packet, &h, &body) == 0 &&
			    req_call_decode(&body, &m) == 0)
				call_take(cl, h.reqid, &m);
			all = slice_of(all.p + packet.len, all.len - packet.len);
		}
		queue_clear(&cl->held, &s->pool);
	}
	s->resume |= PAUSE_HELD;
}

/* The ctdb command learns the leader from this message alone, and waits for it */
void clients_tell_leader(struct clients *s)
{
	uint8_t data[4];
	struct writer w = writer_of(data, sizeof(data));

	s->has_leader_news = false;
	writer_u32(&w, s->leader);
	core_message(s->engine->core, CORE_CURRENT_NODE, CTDB_SRVID_LEADER,
		     slice_of(data, sizeof(data)));
}

/* Whom to call the leader: not one that is gone while there is no other yet */
static uint32_t leader_of(const struct core *c, uint32_t pnn)
{
	struct core_node_status n;

	for (size_t i = 0; core_node_status(c, i, &n) == 0; i++)
		if (n.pnn == pnn && n.state != CORE_NODE_ABSENT)
			return pnn;
	return CORE_UNKNOWN_PNN;
}

void clients_status_changed(struct engine *e)
{
	struct clients *s = e->clients;
	struct core_status status;

	if (s == NULL)
		return;
	core_status(e->core, &status);
	uint32_t leader = leader_of(e->core, status.leader);
	bool has_new_leader = leader != s->leader;
	s->leader = leader;
	s->is_active = status.is_active;
	client_waits_status(s, s->is_active, engine_now_ms());
	s->generation = status.is_active ? status.generation : CTDB_GENERATION_INVALID;
	if (has_new_leader)
		s->has_leader_news = true;
	if (status.is_active && !status.is_recovering && status.generation != s->told_generation) {
		s->told_generation = status.generation;
		s->has_generation_news = true;
	}
	control_status_changed(s);
	if (s->is_active && !s->was_active) {
		s->was_active = true;
		control_attach_active(s);
		held_release(s);
	}
}

static void clients_second(void *data)
{
	struct clients *s = data;
	struct engine *e = s->engine;

	if (qb_loop_timer_add(e->loop, QB_LOOP_MED, QB_TIME_NS_IN_SEC, s, clients_second,
			      &s->second_timer) != 0)
		log_error("no timer for the clients");
	s->has_leader_news = true;
	control_second(s, engine_now_ms());
	counters_second(s);
	engine_after_event(e);
}

/* ---- begin and end
 * ------------------------------------------------------------------------------- */

int clients_open(struct engine *e, const char *path)
{
	struct clients *s = calloc(1, sizeof(*s));
	int rc = -ENOMEM;

	if (s == NULL)
		return rc;
	s->engine = e;
	s->listen_fd = s->spare_fd = -1;
	s->leader = CORE_UNKNOWN_PNN;
	s->generation = CTDB_GENERATION_INVALID;
	tunables_init(&s->tunables);
	tunables_apply(&s->tunables, e->core);
	s->read_buffer = malloc(CLIENT_READ_SIZE);
	s->poller = poller_new(e);
	if (s->read_buffer == NULL || s->poller == NULL)
		goto failed;
	rc = control_open(s);
	if (rc != 0)
		goto failed;
	rc = counters_open(s);
	if (rc != 0)
		goto failed;
	rc = client_socket_open(s, path);
	if (rc != 0)
		goto failed;
	e->clients = s;
	clients_service_open(s);
	rc = qb_loop_timer_add(e->loop, QB_LOOP_MED, QB_TIME_NS_IN_SEC, s, clients_second,
			       &s->second_timer);
	if (rc == 0)
		return 0;
failed:
	e->clients = s;
	clients_close(e);
	return rc;
}

void clients_leave(struct engine *e)
{
	struct clients *s = e->clients;
	struct client *cl;

	client_socket_close(s);
	for (size_t i = 0; i < s->slots; i++)
		if ((cl = client_at(s, i)) != NULL)
			client_kill(cl, NULL);
	clients_flush(e);
}

void clients_close(struct engine *e)
{
	struct clients *s = e->clients;

	if (s == NULL)
		return;
	s->is_closing = true;
	client_socket_close(s);
	if (s->second_timer)
		qb_loop_timer_del(e->loop, s->second_timer);
	clients_flush(e);
	client_end_all(s);
	control_close(s);
	queue_clear(&s->forwarded, &s->pool);
	queue_clear(&s->answers, &s->pool);
	counters_close(s);
	queue_pool_free(&s->pool);
	poller_free(s->poller);
	free(s->read_buffer);
	free(s);
	e->clients = NULL;
}
