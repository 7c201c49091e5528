/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control.c: a control's way: checked against lib/control.def, handled here or on the node it is
 * for, answered.
 *
 * To another node it travels by core_forward(), in order with the records. The first field says
 * what it is; fields are those of struct writer:
 *   ask     u32 1, u64 ticket, u32 opcode, u32 flags, u64 srvid, bytes data
 *   answer  u32 2, u64 ticket, u32 status, bytes data, bytes text
 * The ticket is this node's own number for one waiting client. It is given up, with an error
 * for the client, when the node leaves (also when it is back meanwhile: its boot id tells) and
 * after ControlTimeout.
 */
#include "control.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "daemon/log.h"

enum { FORWARD_ASK = 1, FORWARD_ANSWER = 2 };
#define FORWARD_FIXED 64U

struct control_wait {
	struct control_wait *next;
	uint64_t ticket, client, deadline_ms, boot_id;
	uint32_t reqid, pnn, opcode;
};

struct control_state {
	struct control_wait *waits;
	uint64_t ticket;
	uint8_t *data;	  /* CONTROL_DATA_SIZE: of the answer being made */
	uint8_t *forward; /* packets to other nodes */
	size_t forward_size;
};

int32_t control_refuse(struct control_answer *a, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(a->text, sizeof(a->text), format, ap);
	va_end(ap);
	return -1;
}

/* ---- answers
 * ------------------------------------------------------------------------------------- */

static void answer_client(struct client *cl, uint32_t reqid, int32_t status, struct slice data,
			  const char *text)
{
	struct packet_header h = {
		.generation = cl->owner->generation,
		.srcnode = cl->owner->engine->pnn,
		.reqid = reqid,
	};
	struct reply_control m = { .status = status };

	if (status == 0)
		m.data = data;
	else
		m.text = slice_of(text, strlen(text));
	size_t size = reply_control_size(&m);
	uint8_t *p = client_output(cl, size, true);
	if (p) {
		struct writer w = writer_of(p, size);
		reply_control_encode(&w, &h, &m);
	}
}

void control_answer_later(struct clients *s, uint64_t client, uint32_t reqid, int32_t status,
			  struct slice data, const char *text)
{
	struct client *cl = client_find(s, client);

	if (cl)
		answer_client(cl, reqid, status, data, text);
}

void control_malformed(struct client *cl, const struct packet_header *h)
{
	answer_client(cl, h->reqid, -1, slice_of(NULL, 0), "malformed control");
}

/* ---- here
 * ------------------------------------------------------------------------------------------ */

static int32_t control_check(const struct control_request *r, struct control_answer *a)
{
	const struct control_row *row = control_row(r->opcode);

	if (row == NULL)
		return (r->opcode == COTDB_CONTROL_STATUS && r->data.len == 0) ||
			       (r->opcode == COTDB_CONTROL_DRAIN && r->data.len == 4)
			   ? 0
			   : control_refuse(a, "control %u is unknown", r->opcode);
	if (row->use == CONTROL_USE_RETIRED)
		return control_refuse(a, "control %s is no longer in use", row->name);
	if (row->is_local && r->client == NULL)
		return control_refuse(
		    a, "control %s is about a connection: it cannot come from another node",
		    row->name);
	if (payload_check(row->request, r->data) != 0)
		return control_refuse(a, "malformed data of control %s (%zu bytes)", row->name,
				      r->data.len);
	return 0;
}

/* The status; CONTROL_LATER only for a client of this node */
static int32_t control_handle(struct control_request *r, struct control_answer *a)
{
	struct control_state *state = r->clients->control;
	control_handler handler = control_handler_of(r->opcode);
	const struct control_row *row = control_row(r->opcode);

	a->data = writer_of(state->data, CONTROL_DATA_SIZE);
	a->text[0] = '\0';
	int32_t status = control_check(r, a);
	if (status != 0)
		return status;
	if (handler == NULL)
		return control_refuse(a, "control %s is not supported by cotdb",
				      row ? row->name : "?");
	status = handler(r, a);
	if (status == 0 && a->data.failed)
		return control_refuse(a, "the answer is too long");
	return status;
}

static void control_here(struct client *cl, const struct packet_header *h,
			 const struct req_control *m)
{
	struct control_answer a;
	struct control_request r = {
		.clients = cl->owner,
		.engine = cl->owner->engine,
		.client = cl,
		.from_pnn = cl->owner->engine->pnn,
		.reqid = h->reqid,
		.opcode = m->opcode,
		.flags = m->flags,
		.srvid = m->srvid,
		.data = m->data,
	};
	int32_t status = control_handle(&r, &a);

	if (status != CONTROL_LATER && !(m->flags & CTDB_CONTROL_NOREPLY))
		answer_client(cl, h->reqid, status, slice_of(a.data.p, a.data.len), a.text);
}

/* ---- on another node
 * ------------------------------------------------------------------------------- */

/* The boot id of a member, 0 when it is none */
static uint64_t member_boot_id(struct engine *e, uint32_t pnn)
{
	struct core_node_status n;

	for (size_t i = 0; core_node_status(e->core, i, &n) == 0; i++)
		if (n.pnn == pnn)
			return n.state == CORE_NODE_ABSENT ? 0 : n.boot_id;
	return 0;
}

/* Room for a packet to another node, or NULL */
static uint8_t *forward_buffer(struct control_state *state, size_t size)
{
	if (size > state->forward_size) {
		uint8_t *p = realloc(state->forward, size);
		if (p == NULL)
			return NULL;
		state->forward = p;
		state->forward_size = size;
	}
	return state->forward;
}

/* 0, 1: taken, but the node has much queued; or -errno */
static int forward_ask(struct clients *s, uint32_t pnn, uint64_t ticket,
		       const struct req_control *m)
{
	size_t size = FORWARD_FIXED + m->data.len;
	uint8_t *p;

	/* No control that has an answer is longer: so many clients at once fill no queue either */
	if (m->data.len > CONTROL_DATA_SIZE)
		return -EMSGSIZE;
	p = forward_buffer(s->control, size);
	if (p == NULL)
		return -ENOMEM;
	struct writer w = writer_of(p, size);
	writer_u32(&w, FORWARD_ASK);
	writer_u64(&w, ticket);
	writer_u32(&w, m->opcode);
	writer_u32(&w, m->flags);
	writer_u64(&w, m->srvid);
	writer_block(&w, m->data.p, m->data.len);
	return core_forward(s->engine->core, pnn, slice_of(w.p, w.len));
}

int control_tell(struct clients *s, uint32_t pnn, const struct req_control *m)
{
	return forward_ask(s, pnn, 0, m);
}

static void forward_answer(struct clients *s, uint32_t pnn, uint64_t ticket, int32_t status,
			   const struct control_answer *a)
{
	size_t text = status ? strlen(a->text) : 0, data = status ? 0 : a->data.len;
	uint8_t *p = forward_buffer(s->control, FORWARD_FIXED + data + text);

	if (p == NULL)
		return;
	struct writer w = writer_of(p, FORWARD_FIXED + data + text);
	writer_u32(&w, FORWARD_ANSWER);
	writer_u64(&w, ticket);
	writer_u32(&w, (uint32_t)status);
	writer_block(&w, a->data.p, data);
	writer_block(&w, a->text, text);
	core_forward(s->engine->core, pnn, slice_of(w.p, w.len));
}

/* Asks for a client, which is not read from while that node has much queued: nothing else would
 * bound what a client can have sent there, NOREPLY or not */
static int client_forward_ask(struct client *cl, uint32_t pnn, uint64_t ticket,
			      const struct req_control *m)
{
	int rc = forward_ask(cl->owner, pnn, ticket, m);

	if (rc == 1)
		client_pause_for_peer(cl, pnn);
	return rc < 0 ? rc : 0;
}

static void control_there(struct client *cl, const struct packet_header *h,
			  const struct req_control *m)
{
	struct clients *s = cl->owner;
	struct control_state *state = s->control;
	bool has_reply = !(m->flags & CTDB_CONTROL_NOREPLY);
	uint64_t boot_id = member_boot_id(s->engine, h->destnode);
	struct control_wait *wait = NULL;

	if (boot_id == 0) {
		if (has_reply)
			answer_client(cl, h->reqid, -1, slice_of(NULL, 0), "node is disconnected");
		return;
	}
	if (has_reply) {
		wait = calloc(1, sizeof(*wait));
		if (wait == NULL) {
			answer_client(cl, h->reqid, -1, slice_of(NULL, 0), "no memory");
			return;
		}
		*wait = (struct control_wait){
			.ticket = ++state->ticket,
			.client = cl->id,
			.reqid = h->reqid,
			.pnn = h->destnode,
			.boot_id = boot_id,
			.opcode = m->opcode,
			.deadline_ms = engine_now_ms() +
				       tunable_get(&s->tunables, TUNABLE_ControlTimeout) * 1000ULL,
		};
	}
	int rc = client_forward_ask(cl, h->destnode, wait ? wait->ticket : 0, m);
	if (rc == 0 && wait) {
		wait->next = state->waits;
		state->waits = wait;
		return;
	}
	free(wait);
	if (rc != 0 && has_reply)
		answer_client(cl, h->reqid, -1, slice_of(NULL, 0),
			      rc == -EHOSTUNREACH ? "node is disconnected"
			      : rc == -EMSGSIZE	  ? "the control is too long for another node"
						  : "the control cannot be forwarded");
}

/* To all, without replies; on this node too */
static void control_everywhere(struct client *cl, const struct packet_header *h,
			       const struct req_control *m)
{
	struct clients *s = cl->owner;
	struct core_node_status n;

	if (!(m->flags & CTDB_CONTROL_NOREPLY)) {
		answer_client(
		    cl, h->reqid, -1, slice_of(NULL, 0),
		    "a control to many nodes cannot be answered: it needs the flag NOREPLY");
		return;
	}
	for (size_t i = 0; core_node_status(s->engine->core, i, &n) == 0; i++)
		if (n.pnn != s->engine->pnn && n.state != CORE_NODE_ABSENT &&
		    (h->destnode != CTDB_BROADCAST_ACTIVE || n.state == CORE_NODE_ACTIVE))
			client_forward_ask(cl, n.pnn, 0, m);
	control_here(cl, h, m);
}

/* It is told to all nodes in any case, in order behind the attach of its database. To carry it to
 * that node could overtake the attach. */
static bool control_is_for_all(struct engine *e, uint32_t pnn, uint32_t opcode)
{
	return (opcode == CTDB_CONTROL_SET_DB_READONLY || opcode == CTDB_CONTROL_SET_DB_STICKY) &&
	       member_boot_id(e, pnn) != 0;
}

void control_request(struct client *cl, const struct packet_header *h, const struct req_control *m)
{
	const struct control_row *row = control_row(m->opcode);

	if (h->destnode == CTDB_CURRENT_NODE || h->destnode == cl->owner->engine->pnn ||
	    control_is_for_all(cl->owner->engine, h->destnode, m->opcode) ||
	    m->opcode == CTDB_CONTROL_PUSH_RECORD) /* the core carries it */
		control_here(cl, h, m);
	else if (h->destnode == CTDB_BROADCAST_ALL || h->destnode == CTDB_BROADCAST_ACTIVE ||
		 h->destnode == CTDB_BROADCAST_CONNECTED)
		control_everywhere(cl, h, m);
	else if (row && row->is_local && !(m->flags & CTDB_CONTROL_NOREPLY))
		answer_client(
		    cl, h->reqid, -1, slice_of(NULL, 0),
		    "this control is about a connection: it can be sent to its own node only");
	else
		control_there(cl, h, m);
}

/* ---- from another node
 * ----------------------------------------------------------------------------- */

/* Takes the wait out of the list */
static struct control_wait *wait_take(struct control_state *state, uint64_t ticket, uint32_t pnn)
{
	for (struct control_wait **at = &state->waits; *at; at = &(*at)->next) {
		struct control_wait *wait = *at;
		if (wait->ticket == ticket && wait->pnn == pnn) {
			*at = wait->next;
			return wait;
		}
	}
	return NULL;
}

static void forwarded_ask(struct clients *s, uint32_t from_pnn, struct cursor *c)
{
	struct control_answer a;
	struct control_request r = {
		.clients = s, .engine = s->engine, .from_pnn = from_pnn
	};
	uint64_t ticket;

	if (cursor_u64(c, &ticket) || cursor_u32(c, &r.opcode) || cursor_u32(c, &r.flags) ||
	    cursor_u64(c, &r.srvid) || cursor_block(c, CTDB_MAX_PACKET, &r.data) || cursor_end(c)) {
		log_warning("a malformed control from another node was dropped | pnn=%u", from_pnn);
		return;
	}
	s->counters.forwarded_in++;
	int32_t status = control_handle(&r, &a);
	if (ticket != 0)
		forward_answer(s, from_pnn, ticket, status, &a);
}

static void forwarded_answer(struct clients *s, uint32_t from_pnn, struct cursor *c)
{
	char text[CONTROL_TEXT_SIZE];
	struct slice data, why;
	uint64_t ticket;
	uint32_t status;

	if (cursor_u64(c, &ticket) || cursor_u32(c, &status) ||
	    cursor_block(c, CTDB_MAX_PACKET, &data) || cursor_block(c, sizeof(text) - 1, &why) ||
	    cursor_end(c)) {
		log_warning("a malformed answer from another node was dropped | pnn=%u", from_pnn);
		return;
	}
	s->counters.forwarded_replies++;
	struct control_wait *wait = wait_take(s->control, ticket, from_pnn);
	if (wait == NULL)
		return; /* given up meanwhile, or its client is gone */
	snprintf(text, sizeof(text), "%.*s", (int)why.len, (const char *)why.p);
	control_answer_later(s, wait->client, wait->reqid, (int32_t)status, data, text);
	free(wait);
}

/* Within an op the core may not be called: the packet waits for clients_flush() */
void clients_forwarded(struct engine *e, uint32_t from_pnn, struct slice data)
{
	struct clients *s = e->clients;
	uint8_t *p;

	if (s == NULL || data.len > CTDB_MAX_PACKET)
		return;
	p = queue_reserve(&s->forwarded, &s->pool, data.len + 8);
	if (p == NULL) {
		log_error("no memory for a control from another node | pnn=%u", from_pnn);
		return;
	}
	struct writer w = writer_of(p, data.len + 8);
	writer_u32(&w, from_pnn);
	writer_block(&w, data.p, data.len);
	queue_commit(&s->forwarded, w.len);
}

static void forwarded_one(struct clients *s, uint32_t from_pnn, struct slice data)
{
	struct cursor c = cursor_of(data.p, data.len);
	uint32_t kind;

	if (cursor_u32(&c, &kind))
		kind = 0;
	if (kind == FORWARD_ASK)
		forwarded_ask(s, from_pnn, &c);
	else if (kind == FORWARD_ANSWER)
		forwarded_answer(s, from_pnn, &c);
	else
		log_warning("something unknown from another node was dropped | pnn=%u", from_pnn);
}

void control_forwarded(struct clients *s)
{
	struct byte_queue now = s->forwarded;
	struct slice all = queue_slice(&now), data;
	struct cursor c = cursor_of(all.p, all.len);
	uint32_t from_pnn;

	s->forwarded = (struct byte_queue){ 0 }; /* more may come while these are handled */
	while (cursor_u32(&c, &from_pnn) == 0 && cursor_block(&c, CTDB_MAX_PACKET, &data) == 0)
		forwarded_one(s, from_pnn, data);
	queue_clear(&now, &s->pool);
}

/* ---- ends
 * ------------------------------------------------------------------------------------------ */

enum wait_end { WAIT_GOES_ON, WAIT_NODE_GONE, WAIT_TIMED_OUT };

static enum wait_end wait_judge(struct clients *s, const struct control_wait *wait, uint64_t now_ms)
{
	if (wait->deadline_ms <= now_ms)
		return WAIT_TIMED_OUT;
	if (member_boot_id(s->engine, wait->pnn) != wait->boot_id)
		return WAIT_NODE_GONE;
	return WAIT_GOES_ON;
}

static void waits_check(struct clients *s, uint64_t now_ms)
{
	struct control_wait **at = &s->control->waits;

	while (*at) {
		struct control_wait *wait = *at;
		enum wait_end end = wait_judge(s, wait, now_ms);
		if (end == WAIT_GOES_ON) {
			at = &wait->next;
			continue;
		}
		*at = wait->next;
		if (end == WAIT_TIMED_OUT)
			s->counters.control_timeouts++;
		control_answer_later(s, wait->client, wait->reqid, -1, slice_of(NULL, 0),
				     end == WAIT_TIMED_OUT
					 ? "the other node did not answer in time (ControlTimeout)"
					 : "node is disconnected");
		free(wait);
	}
}

void control_client_gone(struct clients *s, struct client *cl)
{
	control_notify_fire(s, cl);
	if (s->is_closing)
		return;
	control_orphan_add(s, cl);
	control_attach_client_gone(s, cl->id);
	control_restore_client_gone(s, cl->id);
	for (struct control_wait **at = &s->control->waits; *at;) {
		struct control_wait *wait = *at;
		if (wait->client != cl->id) {
			at = &wait->next;
			continue;
		}
		*at = wait->next;
		free(wait);
	}
}

void control_second(struct clients *s, uint64_t now_ms)
{
	waits_check(s, now_ms);
	control_attach_second(s, now_ms);
	control_late_second(s);
	control_restore_second(s, now_ms);
	client_waits_second(s, now_ms);
}

void control_status_changed(struct clients *s)
{
	waits_check(s, 0);
}

int control_open(struct clients *s)
{
	s->control = calloc(1, sizeof(*s->control));
	if (s->control == NULL)
		return -ENOMEM;
	s->control->data = malloc(CONTROL_DATA_SIZE);
	return s->control->data ? 0 : -ENOMEM;
}

void control_close(struct clients *s)
{
	struct control_state *state = s->control;

	if (state == NULL)
		return;
	control_attach_close(s);
	control_detach_close(s);
	control_restore_close(s);
	control_seqnum_close(s);
	control_orphans_free(s);
	control_late_second(s);
	while (state->waits) {
		struct control_wait *wait = state->waits;
		state->waits = wait->next;
		free(wait);
	}
	free(state->data);
	free(state->forward);
	free(state);
	s->control = NULL;
}
