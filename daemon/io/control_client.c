/* SPDX-License-Identifier: GPL-3.0-or-later */
/* control_client.c: controls about a connection, and about the processes behind connections */
#include "control_handlers.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include "daemon/log.h"

/* Of one client, all together. They go out when it is gone, and nobody is left who could be made to
 * wait, so these bound what they can fill a peer's queue with. Samba has one, of a few bytes. */
enum { NOTIFIES_MAX = 64, NOTIFY_BYTES_MAX = 64 << 10 };

/* What a client wants to be told to all when its connection ends */
struct client_notify {
	struct client_notify *next;
	uint64_t srvid;
	size_t len;
	uint8_t data[];
};

int32_t control_register_srvid(struct control_request *r, struct control_answer *a)
{
	(void)a;
	core_register(r->engine->core, r->client->id, r->srvid);
	if (r->srvid == CTDB_SRVID_LEADER)
		r->clients->has_leader_news = true;
	return 0;
}

int32_t control_deregister_srvid(struct control_request *r, struct control_answer *a)
{
	if (core_deregister(r->engine->core, r->client->id, r->srvid) == 0)
		return 0;
	control_refuse(a, "not registered");
	return ENOENT;
}

int32_t control_register_notify(struct control_request *r, struct control_answer *a)
{
	struct cursor c = cursor_of(r->data.p, r->data.len);
	struct ctdb_notify_data n;

	if (ctdb_notify_data_decode(&c, &n) != 0)
		return control_refuse(a, "malformed notification");
	for (struct client_notify *one = r->client->notify; one; one = one->next)
		if (one->srvid == n.srvid)
			return control_refuse(a,
					      "this connection has a notification with this srvid");
	if (r->client->notifies >= NOTIFIES_MAX ||
	    r->client->notify_bytes + n.data.len > NOTIFY_BYTES_MAX)
		return control_refuse(a, "too many notifications of this connection, or too long");
	struct client_notify *one = malloc(sizeof(*one) + n.data.len);
	if (one == NULL)
		return control_refuse(a, "no memory");
	one->next = r->client->notify;
	one->srvid = n.srvid;
	one->len = n.data.len;
	if (n.data.len > 0)
		memcpy(one->data, n.data.p, n.data.len);
	r->client->notify = one;
	r->client->notifies++;
	r->client->notify_bytes += one->len;
	return 0;
}

int32_t control_deregister_notify(struct control_request *r, struct control_answer *a)
{
	struct cursor c = cursor_of(r->data.p, r->data.len);
	uint64_t srvid;

	if (cursor_u64(&c, &srvid))
		return control_refuse(a, "malformed srvid");
	for (struct client_notify **at = &r->client->notify; *at; at = &(*at)->next) {
		struct client_notify *one = *at;
		if (one->srvid != srvid)
			continue;
		*at = one->next;
		r->client->notifies--;
		r->client->notify_bytes -= one->len;
		free(one);
		return 0;
	}
	return control_refuse(a, "no notification with this srvid");
}

void control_notify_fire(struct clients *s, struct client *cl)
{
	while (cl->notify) {
		struct client_notify *one = cl->notify;
		cl->notify = one->next;
		if (!s->is_closing)
			core_message(s->engine->core, CORE_BROADCAST_CONNECTED, one->srvid,
				     slice_of(one->data, one->len));
		free(one);
	}
}

/*
 * Does a process exist? Samba asks that about who holds a lock, to take it over. So a process that
 * has ended while a commit of it is under way exists until that has ended: before, nobody can tell
 * what the next one will find in the database (core/commit.c).
 */
struct client_orphan {
	struct client_orphan *next;
	uint64_t id;
	pid_t pid;
};

/* Those whose commit has ended are forgotten */
static void orphans_forget(struct clients *s)
{
	struct client_orphan **at = &s->orphans;

	while (*at != NULL) {
		struct client_orphan *one = *at;

		if (core_is_committing(s->engine->core, one->id)) {
			at = &one->next;
			continue;
		}
		*at = one->next;
		free(one);
	}
}

void control_orphan_add(struct clients *s, const struct client *cl)
{
	struct client_orphan *one;

	orphans_forget(s);
	if (!core_is_committing(s->engine->core, cl->id))
		return;
	one = malloc(sizeof(*one));
	if (one == NULL) {
		log_error("no memory: a client that is gone is not told to exist until its commit has "
			  "ended | pid=%d",
			  (int)cl->pid);
		return;
	}
	*one = (struct client_orphan){ s->orphans, cl->id, cl->pid };
	s->orphans = one;
}

void control_orphans_free(struct clients *s)
{
	struct client_orphan *one;

	while ((one = s->orphans) != NULL) {
		s->orphans = one->next;
		free(one);
	}
}

/* NULL: any */
static bool has_srvid(struct control_request *r, uint64_t client, const uint64_t *srvid)
{
	return srvid == NULL || core_is_registered(r->engine->core, client, *srvid);
}

static bool is_committing(struct control_request *r, int32_t pid, const uint64_t *srvid)
{
	orphans_forget(r->clients);
	for (const struct client_orphan *one = r->clients->orphans; one != NULL; one = one->next)
		if (one->pid == pid && has_srvid(r, one->id, srvid))
			return true;
	for (size_t i = 0; i < r->clients->slots; i++) {
		struct client *cl = client_at(r->clients, i);
		if (cl && cl->pid == pid && core_is_committing(r->engine->core, cl->id) &&
		    has_srvid(r, cl->id, srvid))
			return true;
	}
	return false;
}

/* Is there a connection of that process? One that is closed already, but not handled to its end,
 * does not count. */
static bool is_connected(struct control_request *r, int32_t pid, const uint64_t *srvid)
{
	for (size_t i = 0; i < r->clients->slots; i++) {
		struct client *cl = client_at(r->clients, i);
		if (cl && cl->pid == pid && !cl->is_eof && has_srvid(r, cl->id, srvid))
			return true;
	}
	return false;
}

int32_t control_process_exists(struct control_request *r, struct control_answer *a)
{
	struct cursor c = cursor_of(r->data.p, r->data.len);
	uint32_t pid;

	if (cursor_u32(&c, &pid) || (int32_t)pid <= 0)
		return control_refuse(a, "not a process id");
	if (is_committing(r, (int32_t)pid, NULL) ||
	    (is_connected(r, (int32_t)pid, NULL) && kill((int32_t)pid, 0) == 0))
		return 0;
	return control_refuse(a, "no such process");
}

int32_t control_check_pid_srvid(struct control_request *r, struct control_answer *a)
{
	struct cursor c = cursor_of(r->data.p, r->data.len);
	struct ctdb_pid_srvid p;

	if (ctdb_pid_srvid_decode(&c, &p) != 0)
		return control_refuse(a, "malformed process id and srvid");
	return is_committing(r, p.pid, &p.srvid) || is_connected(r, p.pid, &p.srvid)
		   ? 0
		   : control_refuse(a, "no such process with this srvid");
}
