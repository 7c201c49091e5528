/* SPDX-License-Identifier: GPL-3.0-or-later */
/* client_table.c: the clients by id; how a connection begins and ends */
#include "client_private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>
#include "control.h"
#include "daemon/log.h"
#include "helpers.h"

#define SLOT_MASK ((1U << CLIENT_SLOT_BITS) - 1U)

static int slots_grow(struct clients *s)
{
	size_t n = s->slots ? s->slots * 2 : 64;
	if (n > SLOT_MASK)
		return -EMFILE;
	struct client **slot = realloc(s->slot, n * sizeof(*slot));
	if (slot == NULL)
		return -ENOMEM;
	s->slot = slot;
	size_t *free_slot = realloc(s->free_slot, n * sizeof(*free_slot));
	if (free_slot == NULL)
		return -ENOMEM;
	s->free_slot = free_slot;
	for (size_t i = n; i-- > s->slots;) {
		s->slot[i] = NULL;
		s->free_slot[s->free_slots++] = i;
	}
	s->slots = n;
	return 0;
}

struct client *client_accept(struct clients *s, int fd, pid_t pid)
{
	struct client *cl = NULL;

	if (s->free_slots == 0 && slots_grow(s) != 0)
		goto failed;
	cl = calloc(1, sizeof(*cl));
	if (cl == NULL)
		goto failed;
	size_t slot = s->free_slot[s->free_slots - 1];
	cl->owner = s;
	cl->id = ++s->serial << CLIENT_SLOT_BITS | slot;
	cl->fd = fd;
	cl->pid = pid;
	cl->since_ms = engine_now_ms();
	if (client_poll_begin(cl) != 0)
		goto failed;
	s->free_slots--;
	s->slot[slot] = cl;
	s->count++;
	if (pid > 0) /* 0: of another pid namespace; nobody could kill it */
		helpers_client(s->engine, (uint32_t)pid, true);
	return cl;

failed:
	log_error("a client cannot be served: no memory or too many clients | pid=%d clients=%zu",
		  (int)pid, s->count);
	free(cl);
	close(fd);
	return NULL;
}

struct client *client_find(struct clients *s, uint64_t id)
{
	size_t slot = id & SLOT_MASK;
	struct client *cl = slot < s->slots ? s->slot[slot] : NULL;
	return cl && cl->id == id && !cl->is_dying ? cl : NULL;
}

struct client *client_at(struct clients *s, size_t i)
{
	struct client *cl = i < s->slots ? s->slot[i] : NULL;
	return cl && !cl->is_dying ? cl : NULL;
}

bool client_has_attached(const struct client *cl, uint32_t db_id)
{
	for (size_t i = 0; i < cl->attached_n; i++)
		if (cl->attached[i] == db_id)
			return true;
	return false;
}

void client_attached(struct client *cl, uint32_t db_id)
{
	uint32_t *more;

	if (client_has_attached(cl, db_id))
		return;
	more = realloc(cl->attached, (cl->attached_n + 1) * sizeof(*more));
	if (more == NULL) {
		client_kill(cl, "no memory for its databases");
		return;
	}
	cl->attached = more;
	cl->attached[cl->attached_n++] = db_id;
}

/* The client is no longer in the dirty list and nobody handles its packets */
static void client_end(struct client *cl)
{
	struct clients *s = cl->owner;
	struct engine *e = s->engine;
	size_t slot = cl->id & SLOT_MASK;

	if (cl->is_polled)
		poller_del(s->poller, cl->fd);
	close(cl->fd);
	/* whom a stopping engine leaves may still hold a lock, and has to stay known */
	if (cl->pid > 0 && !e->is_stopping)
		helpers_client(e, (uint32_t)cl->pid, false);
	s->slot[slot] = NULL;
	s->free_slot[s->free_slots++] = slot;
	s->count--;
	if (!s->is_closing)
		core_client_gone(e->core, cl->id);
	control_client_gone(s, cl);
	queue_clear(&cl->in, &s->pool);
	queue_clear(&cl->out, &s->pool);
	queue_clear(&cl->held, &s->pool);
	free(cl->attached);
	free(cl->tcp);
	free(cl);
}

void clients_resume(struct clients *s)
{
	unsigned int resume = s->resume;

	s->resume = 0;
	if (resume & PAUSE_PEER)
		s->has_congested_peer = false;
	for (size_t i = 0; resume && i < s->slots; i++) {
		struct client *cl = client_at(s, i);
		if (cl == NULL)
			continue;
		unsigned int one = resume;
		if (!client_has_drained(cl))
			one &= ~(unsigned int)PAUSE_OUTPUT;
		if ((cl->pause & one & PAUSE_PEER) &&
		    core_is_peer_congested(s->engine->core, cl->congested_pnn)) {
			one &= ~(unsigned int)PAUSE_PEER;
			s->has_congested_peer = true;
		}
		client_unpause(cl, one);
	}
}

void clients_reap(struct clients *s)
{
	while (s->dying) {
		struct client *cl = s->dying;
		s->dying = cl->next_dying;
		client_end(cl);
	}
}

void client_kill(struct client *cl, const char *why)
{
	struct clients *s = cl->owner;

	if (cl->is_dying)
		return;
	cl->is_dying = true;
	cl->next_dying = s->dying;
	s->dying = cl;
	if (why)
		log_warning("closing a client: %s | pid=%d client=%" PRIu64, why, (int)cl->pid,
			    cl->id);
}

void client_end_all(struct clients *s)
{
	s->is_closing = true;
	s->dirty = NULL;
	s->dying = NULL;
	for (size_t i = 0; i < s->slots; i++)
		if (s->slot[i])
			client_end(s->slot[i]);
	free(s->slot);
	free(s->free_slot);
	s->slot = NULL; /* what still waits finds no client */
	s->slots = 0;
}
