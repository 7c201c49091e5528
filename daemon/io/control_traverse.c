/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control_traverse.c: TRAVERSE_START and TRAVERSE_START_EXT. The answer precedes the first record:
 * the core begins when the client's output has drained, which is looked at when the event is over
 * and the answer stands in it.
 */
#include "control_handlers.h"

#include <errno.h>
#include <inttypes.h>
#include "daemon/log.h"

static int32_t traverse_start(struct control_request *r, struct control_answer *a,
			      struct core_traverse *t)
{
	t->timeout_ms = tunable_get(&r->clients->tunables, TUNABLE_TraverseTimeout);
	t->timeout_ms = t->timeout_ms < UINT32_MAX / 1000 ? t->timeout_ms * 1000 : UINT32_MAX;
	switch (core_traverse(r->engine->core, r->client->id, t)) {
	case 0:
		break;
	case -ENOENT:
		return control_refuse(a, "no database with the id 0x%08x is attached", t->db_id);
	case -EAGAIN:
		return control_refuse(a, "this node is not active in the cluster");
	case -EBUSY:
		return control_refuse(a, "this connection has too many traverses at once");
	default:
		return control_refuse(a, "this node has too many traverses at once");
	}
	r->client->is_awaited = true;
	r->clients->has_drained = true;
	return 0;
}

int32_t control_traverse_start(struct control_request *r, struct control_answer *a)
{
	struct cursor c = cursor_of(r->data.p, r->data.len);
	struct ctdb_traverse_start t;

	if (ctdb_traverse_start_decode(&c, &t) != 0)
		return control_refuse(a, "malformed traverse");
	return traverse_start(
	    r, a, &(struct core_traverse){ .db_id = t.db_id, .tag = t.reqid, .srvid = t.srvid });
}

int32_t control_traverse_start_ext(struct control_request *r, struct control_answer *a)
{
	struct cursor c = cursor_of(r->data.p, r->data.len);
	struct ctdb_traverse_start_ext t;

	if (ctdb_traverse_start_ext_decode(&c, &t) != 0)
		return control_refuse(a, "malformed traverse");
	return traverse_start(r, a,
			      &(struct core_traverse){ .db_id = t.db_id,
						       .tag = t.reqid,
						       .srvid = t.srvid,
						       .with_empty = t.with_empty != 0,
						       .is_ext = true });
}

/* ---- the core's ops ---- */

bool clients_is_full(struct engine *e, uint64_t client)
{
	struct client *cl = client_find(e->clients, client);

	if (cl == NULL)
		return true; /* on its way out */
	if (cl->out.len < CLIENT_TRAVERSE_PAUSE)
		return false;
	cl->is_awaited = true;
	return true;
}

/* Samba was told by a broken record and reports an error. The ctdb command passes over one, and
 * would take what it has for all: it ends, with an error, when its connection does. */
void clients_traverse_failed(struct engine *e, uint64_t client, uint32_t db_id, bool is_ext,
			     const char *why)
{
	struct client *cl = client_find(e->clients, client);

	log_warning("a traverse is not complete: %s | pid=%d client=%" PRIu64 " db=0x%08x", why,
		    cl ? (int)cl->pid : 0, client, db_id);
	if (cl && is_ext)
		client_kill(cl, "its traverse is not complete, and it knows no other sign of that");
}

void clients_drained(struct clients *s)
{
	s->has_drained = false;
	for (size_t i = 0; i < s->slots; i++) {
		struct client *cl = client_at(s, i);

		if (cl == NULL || !cl->is_awaited || cl->out.len >= CLIENT_TRAVERSE_GO)
			continue;
		cl->is_awaited = false;
		core_client_drained(s->engine->core, cl->id);
	}
}
