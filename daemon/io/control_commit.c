/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control_commit.c: TRANS3_COMMIT: a client's transaction in a persistent or replicated database.
 * The database is named twice, in the control's srvid (Samba; 0 from the ctdb command) and in front
 * of the records; core/commit.c does the rest, and answers.
 */
#include "control_handlers.h"

int32_t control_trans3_commit(struct control_request *r, struct control_answer *a)
{
	struct cursor c = cursor_of(r->data.p, r->data.len);
	struct ctdb_rec_buffer b;

	if (r->client == NULL)
		return control_refuse(a, "commits come from clients of their own node");
	if (ctdb_rec_buffer_decode(&c, &b) != 0 || (r->srvid != 0 && r->srvid != b.db_id))
		b.db_id = 0; /* none has it: refused like any other */
	if (control_restore_is_running(r->clients, b.db_id)) {
		clients_committed(r->engine, r->client->id, r->reqid, COMMIT_REFUSED,
				  "the database is being wiped or restored");
		return CONTROL_LATER;
	}
	core_commit(r->engine->core, r->client->id, r->reqid, b.db_id, r->data);
	return CONTROL_LATER;
}

void clients_committed(struct engine *e, uint64_t client, uint32_t reqid, int status,
		       const char *text)
{
	if (e->clients == NULL)
		return;
	if (status == COMMIT_REFUSED)
		control_late(e->clients, client, reqid, status, text);
	else
		control_answer_later(e->clients, client, reqid, status, slice_of(NULL, 0), text);
}
