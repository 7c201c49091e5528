/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * poller.h: many descriptors on the loop, without the loop getting slower with each. The calls are
 * libqb's, with its dispatch function; one that returns a negative number ends the polling.
 */
#ifndef COTDB_POLLER_H
#define COTDB_POLLER_H

#include "engine.h"

struct poller;

/* NULL: no memory, or no descriptor. The engine is borrowed until poller_free(). */
struct poller *poller_new(struct engine *e);
/* What is still polled is forgotten; nothing is closed. NULL is fine. */
void poller_free(struct poller *p);
/* POLLIN and POLLOUT in events; hang-up and error are always told. 0 or -errno */
int poller_add(struct poller *p, int fd, int events, void *data, qb_loop_poll_dispatch_fn dispatch);
int poller_mod(struct poller *p, int fd, int events);
/* Before the descriptor is closed. Its dispatch function is not called any more. */
void poller_del(struct poller *p, int fd);

#endif
