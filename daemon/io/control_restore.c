/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control_restore.c: `ctdb wipedb` and `ctdb restoredb`. The command tells every active node by
 * itself what to do, as if it were CTDB's recovery:
 *
 *   DB_FREEZE, DB_TRANSACTION_START, WIPE_DATABASE,
 *   (restoredb:) DB_PUSH_START, the records as messages, DB_PUSH_CONFIRM,
 *   DB_SET_HEALTHY, DB_TRANSACTION_COMMIT, DB_THAW
 *
 * Done so, an end in the middle would leave nodes with different contents. Here one node collects,
 * that of the command's connection, and DB_TRANSACTION_COMMIT makes of it one commit that replaces the
 * content on all nodes, or on none (core_replace). The other nodes check what they are told, and
 * count the records, because the command compares the numbers.
 *
 * Between DB_FREEZE and DB_THAW a node's clients are refused commits to the database, and told so
 * late (control_late.c), as when CTDB recovers; they may read. That ends when the connection does, on the
 * other nodes because this one tells them, and everywhere after RESTORE_IDLE_MS without a word.
 *
 * The sequence number does not go back to the backup's, since it names a content.
 *
 * A volatile database can be wiped, not restored: all nodes agree on that among themselves (core/wipe.c), and
 * the command's own node asks for it. Nothing waits between the steps then.
 */
#include "control_handlers.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "daemon/log.h"

#define RESTORE_IDLE_MS 60000U
#define RESTORES_MAX	8U

struct restore {
	struct restore *next;
	uint32_t db_id;
	uint32_t from_pnn;
	uint64_t client; /* of this node; 0: this node only counts */
	uint64_t deadline_ms;
	bool is_volatile, has_begun, is_wiped, is_pushing;
	bool is_waiting; /* for core_wipe() */
	uint32_t reqid;
	uint32_t generation; /* it has begun in */
	uint64_t srvid; /* of the messages with records */
	uint32_t count;
	uint8_t *records; /* as in a rec_buffer, without its head */
	size_t len, size;
};

static struct restore *restore_find(struct clients *s, uint32_t db_id)
{
	for (struct restore *x = s->restores; x; x = x->next)
		if (x->db_id == db_id)
			return x;
	return NULL;
}

static void restore_end(struct clients *s, struct restore *x)
{
	struct restore **at = &s->restores;

	while (*at != x)
		at = &(*at)->next;
	*at = x->next;
	s->restores_n--;
	if (x->is_pushing && !s->is_closing)
		core_deregister(s->engine->core, CLIENT_ID_RESTORE, x->srvid);
	free(x->records);
	free(x);
}

bool control_restore_is_running(struct clients *s, uint32_t db_id)
{
	return restore_find(s, db_id) != NULL;
}

/* The one that this control belongs to; NULL, with a text */
static struct restore *restore_of(struct control_request *r, struct control_answer *a,
				  bool has_transaction)
{
	struct cursor c = cursor_of(r->data.p, r->data.len);
	struct restore *x = NULL;
	uint32_t db_id, id;

	if (cursor_u32(&c, &db_id) == 0)
		x = restore_find(r->clients, db_id);
	if (x == NULL || x->from_pnn != r->from_pnn ||
	    x->client != (r->client ? r->client->id : 0)) {
		control_refuse(a, "the database is not frozen by this connection (DB_FREEZE)");
		return NULL;
	}
	/* The command's own node may be done, and that begins a generation, before the others hear */
	if (has_transaction &&
	    (cursor_u32(&c, &id) || (id != r->clients->generation &&
				     !(x->client == 0 && x->has_begun && id == x->generation)))) {
		control_refuse(a, "the generation has changed: begin anew");
		return NULL;
	}
	x->deadline_ms = engine_now_ms() + RESTORE_IDLE_MS;
	return x;
}

int32_t control_db_freeze(struct control_request *r, struct control_answer *a)
{
	struct clients *s = r->clients;
	struct core_db_info info;
	int32_t status = control_db_find(r, a, &info);
	struct restore *x;

	if (status != 0)
		return status;
	if (restore_find(s, info.db_id) != NULL)
		return control_refuse(a, "database %s is being wiped or restored already",
				      info.name);
	x = s->restores_n < RESTORES_MAX ? calloc(1, sizeof(*x)) : NULL;
	if (x == NULL)
		return control_refuse(a, "too many databases are being wiped or restored");
	x->db_id = info.db_id;
	x->is_volatile = !db_flags_replicated(info.flags);
	x->client = r->client ? r->client->id : 0;
	x->from_pnn = r->from_pnn;
	x->deadline_ms = engine_now_ms() + RESTORE_IDLE_MS;
	x->next = s->restores;
	s->restores = x;
	s->restores_n++;
	log_notice("a database is about to be wiped or restored | db=%s pid=%d", info.name,
		   r->client ? (int)r->client->pid : 0);
	return 0;
}

int32_t control_db_thaw(struct control_request *r, struct control_answer *a)
{
	struct restore *x = restore_of(r, a, false);

	if (x == NULL)
		return -1;
	if (x->is_waiting)
		return control_refuse(a, "it is being wiped");
	restore_end(r->clients, x);
	return 0;
}

int32_t control_db_transaction_start(struct control_request *r, struct control_answer *a)
{
	struct restore *x = restore_of(r, a, true);

	if (x == NULL)
		return -1;
	x->has_begun = true;
	x->generation = r->clients->generation;
	return 0;
}

int32_t control_wipe_database(struct control_request *r, struct control_answer *a)
{
	struct restore *x = restore_of(r, a, true);

	if (x == NULL)
		return -1;
	if (!x->has_begun)
		return control_refuse(a, "no transaction has begun (DB_TRANSACTION_START)");
	x->is_wiped = true;
	x->count = 0;
	x->len = 0;
	return 0;
}

/* ---- records
 * ----------------------------------------------------------------------------------------- */

/* The id of a database that the command sends with them is no such thing: the srvid alone tells */
static struct restore *restore_by_srvid(struct clients *s, uint64_t srvid)
{
	for (struct restore *x = s->restores; x; x = x->next)
		if (x->is_pushing && x->srvid == srvid)
			return x;
	return NULL;
}

int32_t control_db_push_start(struct control_request *r, struct control_answer *a)
{
	struct cursor c = cursor_of(r->data.p, r->data.len);
	struct ctdb_pulldb_ext push;
	struct restore *x = restore_of(r, a, false);

	if (x == NULL)
		return -1;
	if (x->is_volatile)
		return control_refuse(a, "a volatile database can be wiped, not restored");
	if (ctdb_pulldb_ext_decode(&c, &push) != 0 || !x->is_wiped || x->is_pushing)
		return control_refuse(a, "records can be sent once, and after WIPE_DATABASE");
	if (restore_by_srvid(r->clients, push.srvid) != NULL)
		return control_refuse(a, "another database is being restored: one after the other");
	x->is_pushing = true;
	x->srvid = push.srvid;
	core_register(r->engine->core, CLIENT_ID_RESTORE, push.srvid);
	return 0;
}

static int restore_add(struct restore *x, struct slice records)
{
	if (records.len > CORE_MAX_RECORD - x->len)
		return -EFBIG;
	if (x->size - x->len < records.len) {
		size_t size = (x->len + records.len) * 2;
		uint8_t *p = realloc(x->records, size);
		if (p == NULL)
			return -ENOMEM;
		x->records = p;
		x->size = size;
	}
	if (records.len > 0)
		memcpy(x->records + x->len, records.p, records.len);
	x->len += records.len;
	return 0;
}

/* Within an op: nothing of the core is called. What is malformed does not count, and so is found by
 * DB_PUSH_CONFIRM. */
void control_restore_message(struct clients *s, uint64_t srvid, struct slice data)
{
	struct cursor c = cursor_of(data.p, data.len);
	struct ctdb_rec_buffer b;
	struct ctdb_rec_data one;
	struct restore *x;

	x = restore_by_srvid(s, srvid);
	if (x == NULL || ctdb_rec_buffer_decode(&c, &b) != 0)
		return;
	struct slice records = slice_of(c.p, c.left);
	for (uint32_t i = 0; i < b.count; i++)
		if (ctdb_rec_data_decode(&c, &one) != 0 || one.key.len == 0)
			return;
	records.len -= c.left; /* what is behind the last one */
	if (x->client != 0 && restore_add(x, records) != 0) {
		log_warning("the records of a backup are too many for one commit | db=0x%08" PRIx32,
			    x->db_id);
		return;
	}
	x->count += b.count;
	x->deadline_ms = engine_now_ms() + RESTORE_IDLE_MS;
}

int32_t control_db_push_confirm(struct control_request *r, struct control_answer *a)
{
	struct restore *x = restore_of(r, a, false);

	if (x == NULL)
		return -1;
	if (!x->is_pushing)
		return control_refuse(a, "no records were announced (DB_PUSH_START)");
	x->is_pushing = false;
	core_deregister(r->engine->core, CLIENT_ID_RESTORE, x->srvid);
	writer_u32(&a->data, x->count);
	return 0;
}

/* ---- the end
 * ----------------------------------------------------------------------------------------- */

/* Whether a database is good is told by its files alone */
int32_t control_db_set_healthy(struct control_request *r, struct control_answer *a)
{
	return restore_of(r, a, false) != NULL ? 0 : -1;
}

static int32_t restore_wipe(struct control_request *r, struct control_answer *a, struct restore *x)
{
	int rc;

	if (x->is_waiting)
		return control_refuse(a, "it is being wiped already");
	x->is_waiting = true;
	x->reqid = r->reqid;
	rc = core_wipe(r->engine->core, x->db_id);
	if (rc == -EINPROGRESS)
		return CONTROL_LATER;
	x->is_waiting = false;
	return control_refuse(a, rc == -EOPNOTSUPP
				     ? "a member runs an older version, which cannot wipe a volatile database"
				 : rc == -EAGAIN ? "the cluster recovers: try again"
						 : "the database cannot be wiped");
}

void clients_wiped(struct engine *e, uint32_t db_id, int status, uint32_t pnn, const char *why)
{
	struct restore *x = e->clients ? restore_find(e->clients, db_id) : NULL;
	char text[CONTROL_TEXT_SIZE] = "";

	if (x == NULL || !x->is_waiting)
		return;
	x->is_waiting = false;
	x->deadline_ms = engine_now_ms() + RESTORE_IDLE_MS;
	if (status == -EBUSY)
		snprintf(text, sizeof(text), "node %" PRIu32 " says no: %.200s", pnn, why);
	else if (status != 0)
		snprintf(text, sizeof(text), "%s",
			 status == -EAGAIN     ? "the view of the cluster has changed: try again"
			 : status == -EALREADY ? "another client wipes or detaches it"
					       : "there is no such database any more");
	control_answer_later(e->clients, x->client, x->reqid, status == 0 ? 0 : -1,
			     slice_of(NULL, 0), text);
}

int32_t control_db_transaction_commit(struct control_request *r, struct control_answer *a)
{
	struct restore *x = restore_of(r, a, true);
	struct writer w;

	if (x == NULL)
		return -1;
	if (!x->is_wiped || x->is_pushing)
		return control_refuse(
		    a, "only whole contents can be committed: WIPE_DATABASE, then the records");
	if (x->client == 0)
		return 0; /* the command's own node does it for all */
	if (x->is_volatile)
		return restore_wipe(r, a, x);
	uint8_t *p = malloc(8 + x->len);
	if (p == NULL)
		return control_refuse(a, "no memory");
	w = writer_of(p, 8 + x->len);
	ctdb_rec_buffer_encode(&w, &(struct ctdb_rec_buffer){ x->db_id, x->count });
	writer_bytes(&w, x->records, x->len);
	core_replace(r->engine->core, x->client, r->reqid, x->db_id, slice_of(w.p, w.len));
	free(p);
	return CONTROL_LATER;
}

/* The command has ended in the middle: the other nodes need not wait for it */
static void restore_give_up(struct clients *s, struct restore *x)
{
	uint8_t data[4];
	struct writer w = writer_of(data, sizeof(data));
	struct req_control m = { .opcode = CTDB_CONTROL_DB_THAW, .flags = CTDB_CONTROL_NOREPLY };
	struct core_node_status n;

	log_notice(x->is_waiting ? "the command has ended while a database is being wiped | db=0x%08" PRIx32
				 : "a database is neither wiped nor restored: the command has ended, "
				   "or says nothing any more | db=0x%08" PRIx32,
		   x->db_id);
	writer_u32(&w, x->db_id);
	m.data = slice_of(w.p, w.len);
	for (size_t i = 0; x->client != 0 && core_node_status(s->engine->core, i, &n) == 0; i++)
		if (n.pnn != s->engine->pnn && n.state != CORE_NODE_ABSENT)
			control_tell(s, n.pnn, &m);
	restore_end(s, x);
}

void control_restore_client_gone(struct clients *s, uint64_t client)
{
	struct restore *x = s->restores, *next;

	for (; x; x = next) {
		next = x->next;
		if (x->client != 0 && x->client == client)
			restore_give_up(s, x);
	}
}

void control_restore_second(struct clients *s, uint64_t now_ms)
{
	struct restore *x = s->restores, *next;

	for (; x; x = next) {
		next = x->next;
		if (x->deadline_ms <= now_ms && !x->is_waiting)
			restore_give_up(s, x);
	}
}

void control_restore_close(struct clients *s)
{
	while (s->restores)
		restore_end(s, s->restores);
}
