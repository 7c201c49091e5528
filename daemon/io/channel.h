/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * channel.h: one end of a SOCK_SEQPACKET pair to another process of the daemon, on the engine's
 * loop. Sending never waits: what does not fit is queued up to a bound. channel_child adds the
 * process itself: started with the engine's options, killed and forgotten when its channel ends.
 */
#ifndef COTDB_CHANNEL_H
#define COTDB_CHANNEL_H

#include <sys/types.h>
#include "daemon/helper/ipc.h"
#include "engine.h"

struct channel;
struct channel_packet;

struct channel_events {
	/* A packet of that type; the cursor behind the type */
	void (*packet)(struct channel *c, enum ipc_type type, struct cursor *cursor);
	/* The other end is gone or talks nonsense. The channel is closed already. */
	void (*ended)(struct channel *c);
	bool is_background; /* behind everything else */
};

struct channel {
	struct engine *engine;
	const struct channel_events *events;
	void *owner;
	int fd; /* -1: closed */
	enum qb_loop_priority priority;
	bool is_paused;
	struct channel_packet *head, **tail;
	size_t queued, queue_max;
	/* channel_child only */
	const char *program; /* NULL: no child */
	pid_t pid;
	int pidfd;
	uint64_t stopped_ms; /* since when it was seen stopped; 0: it was not */
};

/* Puts an open descriptor on the loop; takes it. events and owner are borrowed. */
int channel_open(struct channel *c, struct engine *e, int fd, size_t queue_max,
		 const struct channel_events *events, void *owner);
/* Starts PKGLIBEXECDIR/program (or COTDB_LIBEXECDIR's; borrowed) with the engine's options and a channel as
 * its descriptor 3 */
int channel_child(struct channel *c, struct engine *e, const char *program, size_t queue_max,
		  const struct channel_events *events, void *owner);
/* 0; -ENOTCONN; -EAGAIN: the queue is full and the packet is dropped */
int channel_send(struct channel *c, const struct writer *w);
/* What comes is not read until it is resumed; its end may still be seen */
void channel_pause(struct channel *c, bool is_paused);
/* To be called now and then: a child that somebody has stopped (SIGSTOP, a debugger), and not let go on
 * for that long, is killed. ended() follows. One that waits, for a lock say, is left alone. */
void channel_watch(struct channel *c, uint64_t limit_ms);
/* Closes, and kills a child, without calling ended() */
void channel_close(struct channel *c);

static inline bool channel_is_open(const struct channel *c)
{
	return c->fd >= 0;
}

#endif
