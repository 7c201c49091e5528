/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * poller.c: see the header. libqb walks through all of its entries before each wait, so thousands
 * of idle clients would cost more than the work for one busy one. So only some descriptors become
 * entries of their own; the others share one entry, an epoll of their own, which costs those one
 * more system call for each batch of events. With few clients nothing is different.
 *
 * The events of a batch are handled before anything is written: engine_after_event() is put off
 * until its end.
 *
 * A descriptor that is closed within a batch may come back as another connection at once, so an
 * event carries the generation of its slot.
 */
#include "poller.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { POLLER_DIRECT = 64, POLLER_BATCH = 64 };

enum poller_where { POLLER_NOWHERE, POLLER_IN_LOOP, POLLER_SHARED };

struct poller_slot {
	enum poller_where where;
	uint32_t generation;
	void *data;
	qb_loop_poll_dispatch_fn dispatch;
};

struct poller {
	struct engine *engine;
	int epoll_fd;
	struct poller_slot *slot; /* by descriptor */
	size_t slots, direct_n;
};

static struct poller_slot *poller_slot(struct poller *p, int fd)
{
	if (fd < 0 || (size_t)fd >= p->slots || p->slot[fd].where == POLLER_NOWHERE)
		return NULL;
	return &p->slot[fd];
}

static uint32_t poller_to_epoll(int events)
{
	return ((events & POLLIN) != 0 ? EPOLLIN : 0U) | ((events & POLLOUT) != 0 ? EPOLLOUT : 0U);
}

static int poller_from_epoll(uint32_t events)
{
	return ((events & EPOLLIN) != 0 ? POLLIN : 0) | ((events & EPOLLOUT) != 0 ? POLLOUT : 0) |
	       ((events & EPOLLHUP) != 0 ? POLLHUP : 0) | ((events & EPOLLERR) != 0 ? POLLERR : 0);
}

static void poller_dispatch(struct poller *p, const struct epoll_event *event)
{
	int fd = (int)(uint32_t)event->data.u64;
	struct poller_slot *s = poller_slot(p, fd);

	if (s == NULL || s->where != POLLER_SHARED || s->generation != event->data.u64 >> 32)
		return;
	if (s->dispatch(fd, poller_from_epoll(event->events), s->data) < 0)
		poller_del(p, fd);
}

static int32_t poller_ready(int32_t fd, int32_t revents, void *data)
{
	struct poller *p = data;
	struct engine *e = p->engine;
	struct epoll_event event[POLLER_BATCH];
	int n = epoll_wait(fd, event, POLLER_BATCH, 0);

	(void)revents;
	e->is_batching = true;
	for (int i = 0; i < n && !e->is_stopping; i++)
		poller_dispatch(p, &event[i]);
	e->is_batching = false;
	engine_after_event(e);
	return 0;
}

static int poller_grow(struct poller *p, size_t needed)
{
	size_t slots = p->slots == 0 ? 256 : p->slots;
	struct poller_slot *slot;

	while (slots < needed)
		slots *= 2;
	if (slots == p->slots)
		return 0;
	slot = realloc(p->slot, slots * sizeof(*slot));
	if (slot == NULL)
		return -ENOMEM;
	memset(slot + p->slots, 0, (slots - p->slots) * sizeof(*slot));
	p->slot = slot;
	p->slots = slots;
	return 0;
}

static int poller_control(struct poller *p, int op, int fd, int events)
{
	struct epoll_event event = {
		.events = poller_to_epoll(events),
		.data.u64 = (uint64_t)p->slot[fd].generation << 32 | (uint32_t)fd,
	};

	return epoll_ctl(p->epoll_fd, op, fd, &event) < 0 ? -errno : 0;
}

int poller_add(struct poller *p, int fd, int events, void *data, qb_loop_poll_dispatch_fn dispatch)
{
	bool is_direct = p->direct_n < POLLER_DIRECT;
	struct poller_slot *s;
	int rc;

	if (fd < 0)
		return -EBADF;
	if (poller_slot(p, fd) != NULL)
		return -EEXIST;
	rc = poller_grow(p, (size_t)fd + 1);
	if (rc != 0)
		return rc;
	s = &p->slot[fd];
	s->generation++;
	s->data = data;
	s->dispatch = dispatch;
	rc = is_direct ? qb_loop_poll_add(p->engine->loop, QB_LOOP_HIGH, fd, events, data, dispatch)
		       : poller_control(p, EPOLL_CTL_ADD, fd, events);
	if (rc != 0)
		return rc;
	s->where = is_direct ? POLLER_IN_LOOP : POLLER_SHARED;
	p->direct_n += is_direct;
	return 0;
}

int poller_mod(struct poller *p, int fd, int events)
{
	struct poller_slot *s = poller_slot(p, fd);

	if (s == NULL)
		return -EBADF;
	if (s->where == POLLER_SHARED)
		return poller_control(p, EPOLL_CTL_MOD, fd, events);
	return qb_loop_poll_mod(p->engine->loop, QB_LOOP_HIGH, fd, events, s->data, s->dispatch);
}

void poller_del(struct poller *p, int fd)
{
	struct poller_slot *s = poller_slot(p, fd);

	if (s == NULL)
		return;
	if (s->where == POLLER_SHARED)
		epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	else
		qb_loop_poll_del(p->engine->loop, fd);
	p->direct_n -= s->where == POLLER_IN_LOOP;
	s->where = POLLER_NOWHERE;
}

struct poller *poller_new(struct engine *e)
{
	struct poller *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->engine = e;
	p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (p->epoll_fd < 0 ||
	    qb_loop_poll_add(e->loop, QB_LOOP_HIGH, p->epoll_fd, POLLIN, p, poller_ready) != 0) {
		if (p->epoll_fd >= 0)
			close(p->epoll_fd);
		free(p);
		return NULL;
	}
	return p;
}

void poller_free(struct poller *p)
{
	if (p == NULL)
		return;
	for (size_t fd = 0; fd < p->slots; fd++)
		poller_del(p, (int)fd);
	qb_loop_poll_del(p->engine->loop, p->epoll_fd);
	close(p->epoll_fd);
	free(p->slot);
	free(p);
}
