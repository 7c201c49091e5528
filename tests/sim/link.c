/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * link.c: the connections between engines. A connection comes about while both sides want each
 * other, begins with each telling the other what it has received (core_peer_up()), and then carries
 * bytes both ways, as many at a time as it likes. When it is lost, what is in flight is lost from
 * some byte on; each side notices on its own time, and only then a new one is tried. Where the
 * network is cut or one link is blocked, be it one way, bytes stand still until it heals or the
 * connection is lost.
 */
#include <stdlib.h>
#include <string.h>
#include "sim.h"

enum { RETRY_US = 10000, STALL_US = 15000, WINDOW_BYTES = 16384 };

static void vlink_try_later(struct sim *s, uint32_t a, uint32_t b, uint64_t delay_us);
static void vconn_pump_later(struct sim *s, struct vconn *c, int from);
static void vconn_deliver_later(struct sim *s, struct vconn *c, int from);

static struct vconn *vlink_find(struct sim *s, uint32_t a, uint32_t b, int *end_of_a)
{
	for (struct vconn *c = s->conns; c != NULL; c = c->next) {
		if (c->is_noticed[0] && c->is_noticed[1])
			continue;
		for (int i = 0; i < 2; i++) {
			if (c->end[i]->node->pnn == a && c->end[1 - i]->node->pnn == b) {
				*end_of_a = i;
				return c;
			}
		}
	}
	return NULL;
}

/* The connection that an engine believes in */
static struct vconn *vlink_of(struct sim *s, struct vengine *e, uint32_t pnn, int *end)
{
	for (struct vconn *c = s->conns; c != NULL; c = c->next) {
		for (int i = 0; i < 2; i++) {
			if (c->end[i] == e && c->end[1 - i]->node->pnn == pnn &&
			    !c->is_noticed[i]) {
				*end = i;
				return c;
			}
		}
	}
	return NULL;
}

/* For what a sends to b */
static bool vlink_is_open(struct sim *s, const struct vengine *a, const struct vengine *b)
{
	return corosync_reaches(a->node, b->node) && !s->is_blocked[a->node->pnn][b->node->pnn];
}

/* ---- the end of a connection ---------------------------------------------------------------- */

static void vconn_on_notice(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vconn *c = object;
	struct vengine *e = c->end[number];
	uint32_t peer = c->end[1 - number]->node->pnn;

	(void)data;
	if (c->is_noticed[number])
		return;
	if (e->is_running && !e->is_quitting && !vengine_can_run(e)) {
		event_after(s, STALL_US, vconn_on_notice, c, NULL, number);
		return;
	}
	c->is_noticed[number] = true;
	if (e->is_running && !e->is_quitting && c->is_up[number] && e->peer[peer].is_wanted &&
	    e->peer[peer].boot_id == c->end[1 - number]->boot_id) {
		sim_trace(s, "link: node %u notices that node %u is gone", e->node->pnn, peer);
		core_peer_down(e->core, peer);
		vengine_after(e);
	}
	if (c->is_noticed[0] && c->is_noticed[1]) {
		free(c->pipe[0].p);
		free(c->pipe[1].p);
		c->pipe[0] = c->pipe[1] = (struct pipe_bytes){ 0 };
		vlink_try_later(s, e->node->pnn, peer, sim_delay(s, RETRY_US));
	}
}

static void vconn_close(struct sim *s, struct vconn *c)
{
	if (c->is_closed)
		return;
	c->is_closed = true;
	sim_trace(s, "link: nodes %u and %u lose their connection", c->end[0]->node->pnn,
		  c->end[1]->node->pnn);
	for (int i = 0; i < 2; i++) {
		if (sim_chance(s, 70))
			c->pipe[i].len = sim_below(s, (uint32_t)c->pipe[i].len + 1);
		/* without power on the other side nobody tells this one */
		event_after(s,
			    c->end[1 - i]->node->is_up ? sim_delay(s, 5000)
						       : sim_between(s, 0, s->timeout_ms * 2000),
			    vconn_on_notice, c, NULL, (uint64_t)i);
	}
}

/* ---- its beginning ------------------------------------------------------------------------- */

struct vhello {
	uint64_t boot_id, received;
};

/* The hello of end "number" arrives at the other end */
static void vconn_on_hello(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vconn *c = object;
	int to = 1 - (int)number;
	struct vengine *e = c->end[to];
	uint32_t peer = c->end[number]->node->pnn;
	struct vhello *h = data, *copy;

	if (c->is_closed)
		return;
	if (!vengine_can_run(e) || !vlink_is_open(s, c->end[number], e)) {
		copy = malloc(sizeof(*copy));
		if (copy == NULL)
			abort();
		*copy = *h;
		event_after(s, STALL_US, vconn_on_hello, c, copy, number);
		return;
	}
	if (!e->peer[peer].is_wanted || e->peer[peer].boot_id != h->boot_id ||
	    core_peer_up(e->core, peer, h->boot_id, h->received) != 0) {
		vconn_close(s, c);
		vengine_after(e);
		return;
	}
	sim_trace(s, "link: node %u has node %u (received %llu)", e->node->pnn, peer,
		  (unsigned long long)h->received);
	c->is_up[to] = true;
	c->has_hello[number] = true;
	vconn_pump_later(s, c, to);
	vconn_deliver_later(s, c, (int)number);
	vengine_after(e);
}

static void vconn_on_greet(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vconn *c = object;
	struct vengine *e = c->end[number];
	struct vhello *h;

	(void)data;
	if (c->is_closed)
		return;
	if (!vengine_can_run(e)) {
		event_after(s, STALL_US, vconn_on_greet, c, NULL, number);
		return;
	}
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		abort();
	h->boot_id = e->boot_id;
	h->received = core_peer_received(e->core, c->end[1 - number]->node->pnn);
	event_after(s, sim_delay(s, s->latency_us), vconn_on_hello, c, h, number);
}

static void vlink_on_try(struct sim *s, void *object, void *data, uint64_t number)
{
	uint32_t pnn[2] = { (uint32_t)(number >> 8), (uint32_t)(number & 0xFF) };
	struct vengine *e[2] = { s->node[pnn[0]].engine, s->node[pnn[1]].engine };
	struct vconn *c;
	int end;

	(void)object;
	(void)data;
	for (int i = 0; i < 2; i++) {
		if (e[i] == NULL || !e[i]->is_running || e[i]->is_quitting ||
		    !e[i]->peer[pnn[1 - i]].is_wanted)
			return; /* whoever comes to want it tries again */
	}
	if (vlink_find(s, pnn[0], pnn[1], &end) != NULL)
		return;
	if (!vlink_is_open(s, e[0], e[1]) || !vlink_is_open(s, e[1], e[0]) ||
	    !vengine_can_run(e[0]) || !vengine_can_run(e[1])) {
		vlink_try_later(s, pnn[0], pnn[1], STALL_US + sim_delay(s, STALL_US));
		return;
	}
	c = calloc(1, sizeof(*c));
	if (c == NULL)
		abort();
	c->next = s->conns;
	s->conns = c;
	for (int i = 0; i < 2; i++) {
		c->end[i] = e[i];
		event_after(s, sim_delay(s, s->latency_us), vconn_on_greet, c, NULL, (uint64_t)i);
	}
}

static void vlink_try_later(struct sim *s, uint32_t a, uint32_t b, uint64_t delay_us)
{
	event_after(s, delay_us, vlink_on_try, NULL, NULL, (uint64_t)a << 8 | b);
}

void vlink_want(struct sim *s, struct vengine *e, uint32_t pnn)
{
	vlink_try_later(s, e->node->pnn, pnn, sim_delay(s, s->latency_us));
}

void vlink_unwant(struct sim *s, struct vengine *e, uint32_t pnn)
{
	int end;
	struct vconn *c = vlink_of(s, e, pnn, &end);

	if (c == NULL)
		return;
	c->is_up[end] = false; /* the core has let go of the peer by itself */
	vconn_close(s, c);
	event_after(s, 0, vconn_on_notice, c, NULL, (uint64_t)end);
}

/* ---- bytes --------------------------------------------------------------------------------- */

static void vconn_on_pump(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vconn *c = object;
	struct vengine *e = c->end[number];
	uint32_t peer = c->end[1 - number]->node->pnn;
	struct slice run[2];
	size_t n, room, sent = 0;

	(void)data;
	c->is_pumping[number] = false;
	if (c->is_noticed[number] || !c->is_up[number] || !e->is_running || e->is_quitting)
		return;
	if (!vengine_can_run(e)) {
		c->is_pumping[number] = true;
		event_after(s, STALL_US, vconn_on_pump, c, NULL, number);
		return;
	}
	n = core_peer_output(e->core, peer, run);
	if (n == 0)
		return;
	if (n > 2) {
		sim_fail(s, "link", "node %u offers %zu runs", e->node->pnn, n);
		return;
	}
	room = c->pipe[number].len < WINDOW_BYTES ? WINDOW_BYTES - c->pipe[number].len : 0;
	if (sim_chance(s, 10))
		room = sim_below(s, (uint32_t)room + 1);
	for (size_t i = 0; i < n && room > 0; i++) {
		size_t len = run[i].len < room ? run[i].len : room;

		if (!c->is_closed)
			pipe_add(&c->pipe[number], run[i].p, len);
		room -= len;
		sent += len;
	}
	if (sent > 0) {
		core_peer_sent(e->core, peer, sent);
		vconn_deliver_later(s, c, (int)number);
	}
	c->is_pumping[number] = true;
	event_after(s, sent > 0 ? sim_delay(s, 50) : sim_delay(s, s->latency_us), vconn_on_pump, c,
		    NULL, number);
	vengine_after(e);
}

static void vconn_pump_later(struct sim *s, struct vconn *c, int from)
{
	if (c->is_pumping[from])
		return;
	c->is_pumping[from] = true;
	event_after(s, sim_delay(s, 50), vconn_on_pump, c, NULL, (uint64_t)from);
}

/* What end "number" has sent is read by the other */
static void vconn_on_deliver(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vconn *c = object;
	int to = 1 - (int)number;
	struct vengine *e = c->end[to];
	struct pipe_bytes *b = &c->pipe[number];
	uint32_t peer = c->end[number]->node->pnn, len;
	int rc;

	(void)data;
	c->is_delivering[number] = false;
	if (c->is_noticed[to] || !c->is_up[to] || c->is_held[to] || !e->is_running ||
	    e->is_quitting || b->len < 4)
		return;
	if (!vengine_can_run(e) || (!c->is_closed && !vlink_is_open(s, c->end[number], e))) {
		c->is_delivering[number] = true;
		event_after(s, STALL_US, vconn_on_deliver, c, NULL, number);
		return;
	}
	memcpy(&len, b->p, sizeof(len));
	if (len < CORE_PACKET_HEADER || len > CORE_MAX_PACKET) {
		sim_fail(s, "link", "node %u sends a packet of %u bytes", peer, len);
		return;
	}
	if (b->len < len)
		return;
	rc = core_peer_input(e->core, peer, slice_of(b->p, len));
	if (rc == CORE_HOLD) {
		c->is_held[to] = true;
	} else if (rc == CORE_TAKEN) {
		pipe_drop(b, len);
	} else {
		sim_fail(s, "link", "node %u refuses a packet of node %u: %d", e->node->pnn, peer,
			 rc);
		return;
	}
	vconn_deliver_later(s, c, (int)number);
	vengine_after(e);
}

static void vconn_deliver_later(struct sim *s, struct vconn *c, int from)
{
	uint32_t a = c->end[from]->node->pnn, b = c->end[1 - from]->node->pnn;
	uint64_t delay_us;

	if (c->is_delivering[from] || c->pipe[from].len == 0)
		return;
	c->is_delivering[from] = true;
	delay_us =
	    sim_delay(s, c->end[1 - from]->node->is_slow ? 8 * s->latency_us : s->latency_us);
	/* some of these in a row, and the link is as good as blocked */
	if (delay_us > s->timeout_ms * 1000 / 16)
		s->blocked_us[a][b] = s->blocked_us[b][a] = s->now_us + delay_us;
	event_after(s, delay_us, vconn_on_deliver, c, NULL, (uint64_t)from);
}

void vlink_wake(struct sim *s, struct vengine *e, uint32_t pnn)
{
	int end;
	struct vconn *c = vlink_of(s, e, pnn, &end);

	if (c != NULL && c->is_up[end])
		vconn_pump_later(s, c, end);
}

void vlink_resume(struct sim *s, struct vengine *e, uint32_t pnn)
{
	int end;
	struct vconn *c = vlink_of(s, e, pnn, &end);

	if (c == NULL || !c->is_held[end])
		return;
	c->is_held[end] = false;
	vconn_deliver_later(s, c, 1 - end);
}

/* ---- what happens to them ------------------------------------------------------------------- */

/* A process has died: the kernel closes its side, the other hears of it if the network lets it */
void vlink_engine_gone(struct sim *s, struct vengine *e)
{
	for (struct vconn *c = s->conns; c != NULL; c = c->next) {
		for (int i = 0; i < 2; i++) {
			if (c->end[i] == e)
				vconn_close(s, c);
		}
	}
}

void vlink_break(struct sim *s, uint32_t a, uint32_t b)
{
	int end;
	struct vconn *c = vlink_find(s, a, b, &end);

	if (c != NULL)
		vconn_close(s, c);
}

void vlink_free_all(struct sim *s)
{
	struct vconn *c;

	while ((c = s->conns) != NULL) {
		s->conns = c->next;
		free(c->pipe[0].p);
		free(c->pipe[1].p);
		free(c);
	}
}
