/* SPDX-License-Identifier: GPL-3.0-or-later */
/* core.c: one node's life: making it, time, packets from peers and to itself. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "daemon/fatal.h"
#include "drain.h"
#include "internal.h"
#include "traverse.h"
#include "vacuum.h"

void core_log(struct core *c, enum core_log level, const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	c->ops->log(c->world, level, text);
}

void *core_alloc(size_t size)
{
	void *p = calloc(1, size);

	if (p == NULL)
		abort(); /* half a state machine is worse than none: the supervisor retires us */
	return p;
}

uint64_t core_now(struct core *c)
{
	return c->ops->now_ms(c->world);
}

/* The same on every node: it maps keys to lmasters. Multiply and fold, 8 bytes at a time. */
uint64_t core_hash(uint32_t db_id, struct slice key)
{
	const uint64_t k = 0x9E3779B97F4A7C15ULL;
	uint64_t h = (db_id + k) * k ^ key.len;
	size_t i = 0;

	for (; i < key.len; i += 8) {
		uint64_t w = 0;
		size_t left = key.len - i;

		memcpy(&w, key.p + i, left < 8 ? left : 8);
		h = (h ^ w) * k;
		h ^= h >> 29;
	}
	h *= 0xBF58476D1CE4E5B9ULL;
	h ^= h >> 32;
	h *= 0x94D049BB133111EBULL;
	return h ^ h >> 31;
}

struct node *node_get(struct core *c, uint32_t pnn)
{
	if (pnn >= CORE_MAX_NODES)
		return NULL;
	if (c->node[pnn] == NULL) {
		struct node *n = core_alloc(sizeof(*n));

		n->pnn = pnn;
		session_reset(&n->session);
		c->node[pnn] = n;
	}
	return c->node[pnn];
}

const char *node_name(const struct core *c, uint32_t pnn)
{
	return pnn < CORE_MAX_NODES && c->node[pnn] != NULL && c->node[pnn]->name[0]
		   ? c->node[pnn]->name
		   : "?";
}

struct core *core_new(const struct core_config *config, const struct core_ops *ops, void *world)
{
	struct core *c;
	struct node *self;

	if (config->self.pnn >= CORE_MAX_NODES || config->self.boot_id == 0)
		return NULL;
	c = core_alloc(sizeof(*c));
	c->config = *config;
	c->ops = ops;
	c->world = world;
	c->self = config->self.pnn;
	c->leader = CORE_UNKNOWN_PNN;
	view_init(c);
	c->topology = REASON_NO_PACEMAKER;
	c->generation = config->past.generation;
	c->was_outside = config->past.is_outside;
	c->reason = REASON_STARTING;
	c->parked_due_ms = UINT64_MAX;
	if (config->past.n > 0) {
		c->known_n = config->past.n;
		c->known = core_alloc(c->known_n * sizeof(*c->known));
		memcpy(c->known, config->past.active, c->known_n * sizeof(*c->known));
	}
	c->config.past.active = NULL;
	self = node_get(c, c->self);
	self->boot_id = config->self.boot_id;
	self->is_connected = true;
	self->is_untold = true;
	memcpy(self->name, config->node_name, sizeof(self->name));
	memcpy(self->address, config->address, sizeof(self->address));
	/* What was active before this start can be fenced from now on */
	for (size_t i = 0; i < c->known_n; i++)
		if (c->known[i].pnn != c->self)
			ops->fence_watch(world, c->known[i]);
	return c;
}

void core_free(struct core *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < CORE_MAX_NODES; i++) {
		if (c->node[i] == NULL)
			continue;
		session_free(&c->node[i]->session);
		free(c->node[i]->report);
		free(c->node[i]);
	}
	for (size_t i = 0; i < c->db_n; i++) {
		replica_free(c->db[i]);
		free(c->db[i]);
	}
	commit_free(c);
	push_free_all(c);
	free(c->loop.buf);
	free(c->looping.buf);
	view_free(c);
	keystate_free_all(c);
	location_reset(c);
	message_free(c);
	traverse_free(c);
	vacuum_free(c);
	drain_free(c);
	free(c->active);
	free(c->known);
	free(c->departed);
	free(c->scratch);
	free(c);
}

/* ---- time ---- */

void core_tick(struct core *c)
{
	if (c->is_retired)
		return;
	c->tick_ms = core_now(c);
	for (size_t i = 0; i < c->view.n; i++)
		if (c->view.member[i].pnn != c->self)
			session_tick(c, c->node[c->view.member[i].pnn]);
	link_tick(c);
	view_tick(c);
	traverse_tick(c);
	commit_tick(c);
	parked_tick(c);
	vacuum_tick(c);
	sticky_tick(c);
	location_tick(c);
	drain_tick(c);
	wipe_tick(c);
	core_run(c);
}

uint64_t core_deadline_ms(const struct core *c)
{
	uint64_t t;

	if (c->is_retired)
		return UINT64_MAX;
	t = view_deadline(c);
	if (link_deadline(c) < t)
		t = link_deadline(c);
	if (traverse_deadline(c) < t)
		t = traverse_deadline(c);
	if (commit_deadline(c) < t)
		t = commit_deadline(c);
	if (vacuum_deadline(c) < t)
		t = vacuum_deadline(c);
	if (c->parked_due_ms < t)
		t = c->parked_due_ms;
	if (sticky_deadline(c) < t)
		t = sticky_deadline(c);
	if (location_deadline(c) < t)
		t = location_deadline(c);
	if (drain_deadline(c) < t)
		t = drain_deadline(c);
	if (wipe_deadline(c) < t)
		t = wipe_deadline(c);
	for (size_t i = 0; i < c->view.n; i++) {
		const struct node *n = c->node[c->view.member[i].pnn];
		uint64_t due;

		if (!n->is_member || n->pnn == c->self)
			continue;
		due = n->is_connected ? n->session.ack_due_ms : n->silent_ms;
		if (due < t)
			t = due;
	}
	return t != UINT64_MAX && t < c->tick_ms + 10 ? c->tick_ms + 10 : t;
}

/* ---- packets ---- */

static void packet_handle(struct core *c, uint32_t from, const struct packet *p)
{
	switch (p->type) {
	case PACKET_REQUEST:
	case PACKET_BOUNCE:
		location_request(c, p);
		break;
	case PACKET_REFUSED:
		request_refused(c, p);
		break;
	case PACKET_LOCATION:
		location_learn(c, p->db_id, p->key, p->dmaster, p->rsn);
		break;
	case PACKET_REPORT:
		sweep_report(c, from, p);
		break;
	case PACKET_DONE:
		sweep_done(c, from);
		break;
	case PACKET_FORWARD:
	case PACKET_GRANT:
	case PACKET_ADOPT:
	case PACKET_COPY:
	case PACKET_REVOKE:
	case PACKET_REVOKED:
	case PACKET_UNCOPY:
	case PACKET_WHOHAS:
	case PACKET_PUSH:
		record_packet(c, from, p);
		break;
	case PACKET_HAS:
		resolve_has(c, from, p);
		break;
	case PACKET_PUSHED:
		push_pushed(c, from, p);
		break;
	case PACKET_DRAIN:
	case PACKET_DRAINED:
		drain_packet(c, from, p);
		break;
	case PACKET_PROBE:
		break;
	case PACKET_MESSAGE:
		message_deliver(c, p->srvid, p->data);
		break;
	case PACKET_FOREIGN:
		c->ops->forwarded(c->world, from, p->data);
		break;
	case PACKET_PREPARED:
	case PACKET_DECLINED:
	case PACKET_APPLIED:
		commit_packet(c, from, p);
		break;
	default:
		if (packet_is_commit(p->type))
			replica_packet(c, from, p);
		else if (packet_is_vacuum(p->type))
			erase_packet(c, from, p);
		else
			traverse_packet(c, from, p);
		break;
	}
}

/* It may be too late for a packet to oneself, too */
static bool packet_counts(const struct core *c, const struct packet *p)
{
	if (!packet_is_record(p->type))
		return true;
	return p->generation == c->active_generation &&
	       (!detach_is_past(c, p) || core_has_bug(c, CORE_BUG_DETACH_RECOVERING));
}

void core_run(struct core *c)
{
	if (c->is_looping)
		return;
	c->is_looping = true;
	while (c->loop.len > 0) {
		struct loop now = c->loop;
		struct packet p;

		c->loop = c->looping; /* what is sent from now on goes there */
		c->looping = now;
		c->loop.len = 0;
		for (size_t at = 0; at < now.len; at += p.raw.len) {
			uint32_t len;

			memcpy(&len, now.buf + at, sizeof(len));
			if (packet_decode(slice_of(now.buf + at, len), &p) != 0)
				bug("a packet to this node itself is malformed: type=%u", p.type);
			if (!c->is_retired && packet_counts(c, &p))
				packet_handle(c, c->self, &p);
		}
	}
	c->is_looping = false;
}

int core_peer_input(struct core *c, uint32_t pnn, struct slice raw)
{
	struct node *n = pnn < CORE_MAX_NODES ? c->node[pnn] : NULL;
	struct session *s;
	struct packet p;

	if (c->is_retired)
		return CORE_TAKEN;
	if (n == NULL || !n->is_connected || pnn == c->self || packet_decode(raw, &p) != 0)
		return -EBADMSG;
	s = &n->session;
	if (p.ack >= s->next_seq)
		return -EBADMSG; /* it has what was never sent */
	session_acked(s, p.ack);
	if (p.type == PACKET_ACK)
		return CORE_TAKEN;
	if (!core_has_bug(c, CORE_BUG_RESEND_TWICE)) {
		if (p.seq <= s->received_seq)
			return CORE_TAKEN; /* sent again after a reconnect, and had already */
		if (p.seq != s->received_seq + 1 && !core_has_bug(c, CORE_BUG_SESSION_FORGETS))
			return -EBADMSG;
	}
	/* R1: what belongs to a generation that we have not activated yet waits, and with it all
	 * behind it; and so does what concerns a database that is about to be attached */
	if (packet_is_record(p.type)) {
		if (p.generation > c->active_generation && !core_has_bug(c, CORE_BUG_DROP_FUTURE)) {
			n->is_held = true;
			return CORE_HOLD;
		}
		if (p.generation == c->active_generation && packet_has_db(p.type) &&
		    !detach_is_past(c, &p) && db_get(c, p.db_id) == NULL) {
			n->is_held = true;
			return CORE_HOLD;
		}
	}
	n->is_held = false;
	if (p.seq > s->received_seq)
		s->received_seq = p.seq;
	s->untold_bytes += raw.len;
	if (s->ack_due_ms == UINT64_MAX)
		s->ack_due_ms = core_now(c) + 100;
	c->count.packets_received++;
	if (packet_is_record(p.type)) {
		bool is_old = p.generation != c->active_generation;

		if (is_old && p.generation < c->active_generation &&
		    core_has_bug(c, CORE_BUG_OLD_GENERATION))
			is_old = db_get(c, p.db_id) == NULL && packet_has_db(p.type);
		if (is_old || detach_is_past(c, &p) || !c->is_active || !n->is_active)
			return CORE_TAKEN;
	}
	packet_handle(c, pnn, &p);
	if (s->untold_bytes >= 256 * 1024)
		session_tick(c, n);
	core_run(c);
	return CORE_TAKEN;
}
