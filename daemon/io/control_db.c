/* SPDX-License-Identifier: GPL-3.0-or-later */
/* control_db.c: controls about databases; attaching is in control_attach.c */
#include "control_handlers.h"

#include <errno.h>
#include <string.h>
#include "client_private.h"
#include "daemon/log.h"
#include "store.h"

int32_t control_db_find(struct control_request *r, struct control_answer *a,
			struct core_db_info *info)
{
	struct cursor c = cursor_of(r->data.p, r->data.len);
	uint32_t db_id;

	if (cursor_u32(&c, &db_id))
		return control_refuse(a, "malformed database id");
	for (size_t i = 0; core_db_info(r->engine->core, i, info) == 0; i++)
		if (info->db_id == db_id)
			return 0;
	return control_refuse(a, "no database with the id 0x%08x is attached", db_id);
}

int32_t control_get_dbmap(struct control_request *r, struct control_answer *a)
{
	struct core_db_info info;
	uint32_t n = 0;

	while (core_db_info(r->engine->core, n, &info) == 0)
		n++;
	writer_u32(&a->data, n);
	while (n > 0) { /* the last attached first */
		if (core_db_info(r->engine->core, --n, &info) != 0)
			return control_refuse(a, "the list of databases has changed");
		struct ctdb_db db = { .db_id = info.db_id, .flags = (uint8_t)info.flags };
		ctdb_db_encode(&a->data, &db);
	}
	return 0;
}

int32_t control_get_dbname(struct control_request *r, struct control_answer *a)
{
	struct core_db_info info;
	int32_t status = control_db_find(r, a, &info);

	if (status == 0)
		ctdb_text_encode(&a->data, info.name);
	return status;
}

int32_t control_get_dbpath(struct control_request *r, struct control_answer *a)
{
	struct core_db_info info;
	const char *path;
	int32_t status = control_db_find(r, a, &info);

	if (status != 0)
		return status;
	if (store_db_path(r->engine, info.db_id, &path) != 0)
		return control_refuse(a, "database %s is not open on this node yet", info.name);
	ctdb_text_encode(&a->data, path);
	return 0;
}

int32_t control_db_open_flags(struct control_request *r, struct control_answer *a)
{
	struct core_db_info info;
	int32_t status = control_db_find(r, a, &info);
	int flags;

	if (status != 0)
		return status;
	if (store_db_open_flags(r->engine, info.db_id, &flags) != 0)
		return control_refuse(a, "database %s is not open on this node yet", info.name);
	writer_u32(&a->data, (uint32_t)flags);
	return 0;
}

/* An empty reason: it is healthy. One that is fetched from another node will be. */
int32_t control_db_get_health(struct control_request *r, struct control_answer *a)
{
	struct core_db_info info;
	int32_t status = control_db_find(r, a, &info);

	if (status == 0 && info.is_lost)
		ctdb_text_encode(&a->data, info.content.is_damaged
					       ? "its file is damaged, and no node has a good one"
					       : "no node has a good copy");
	return status;
}

/* The header is not looked at: the record is, when it has rested */
int32_t control_schedule_for_deletion(struct control_request *r, struct control_answer *a)
{
	struct cursor c = cursor_of(r->data.p, r->data.len);
	struct core_db_info info;
	struct ctdb_key_data k;
	int32_t status;

	if (ctdb_key_data_decode(&c, &k) != 0 || cursor_end(&c) != 0)
		return control_refuse(a, "malformed key of a deleted record");
	if (k.key.len == 0 || k.key.len > CORE_MAX_KEY)
		return control_refuse(a, "a key of no valid length: %zu bytes", k.key.len);
	status = control_db_find(r, a, &info);
	if (status == 0 && db_flags_replicated(info.flags))
		return control_refuse(a, "database %s is not volatile", info.name);
	if (status == 0)
		core_vacuum_schedule(r->engine->core, k.db_id, k.key);
	return status;
}

/* Samba 4.25 with persistent handles, and ctdb pushrecord: to all active nodes, without an answer. Its
 * generation does not matter: the core pushes in whatever comes next what is not through (core/push.c). */
int32_t control_push_record(struct control_request *r, struct control_answer *a)
{
	struct cursor c = cursor_of(r->data.p, r->data.len);
	struct ctdb_push_record p;
	struct record_header h;
	int rc;

	if (r->client == NULL)
		return control_refuse(a, "records are pushed by clients of their owner's node");
	if (ctdb_push_record_decode(&c, &p) != 0 || cursor_end(&c) != 0)
		return control_refuse(a, "malformed record");
	h = (struct record_header){ .rsn = p.header.rsn,
				    .dmaster = p.header.dmaster,
				    .flags = p.header.flags };
	rc = core_push(r->engine->core, p.db_id, p.key, &h, p.value);
	if (rc == 1 && r->client != NULL)
		client_pause_congested(r->client);
	if (rc >= 0)
		return 0;
	log_warning("a record is not pushed to the other nodes | db=0x%08x error=%s", p.db_id,
		    strerror(-rc));
	return control_refuse(a, "not a record of a volatile database that is attached, or too much is "
				 "pushed already");
}

/* For good, and on every node: the property is told to all as an attach is */
static int32_t set_property(struct control_request *r, struct control_answer *a, uint32_t property)
{
	struct core_db_info info;
	int32_t status = control_db_find(r, a, &info);

	if (status != 0)
		return status;
	if (db_flags_replicated(info.flags))
		return control_refuse(a, "database %s is not volatile", info.name);
	return control_attach_property(r, a, &info, property);
}

int32_t control_set_db_readonly(struct control_request *r, struct control_answer *a)
{
	return set_property(r, a, DB_READONLY);
}

int32_t control_set_db_sticky(struct control_request *r, struct control_answer *a)
{
	return set_property(r, a, DB_STICKY);
}

int32_t control_get_db_seqnum(struct control_request *r, struct control_answer *a)
{
	struct core_db_info info;
	int32_t status = control_db_find(r, a, &info);

	/* from memory: in the file a worker may be in the middle of a transaction. Volatile: 0 */
	if (status == 0)
		writer_u64(&a->data, info.content.seq);
	return status;
}

int32_t control_get_db_statistics(struct control_request *r, struct control_answer *a)
{
	struct ctdb_db_statistics t = { 0 };
	struct core_db_info info;
	int32_t status = control_db_find(r, a, &info);

	if (status != 0)
		return status;
	t.ro_delegations = (uint32_t)info.copies_out;
	t.ro_revokes = (uint32_t)info.revokes;
	ctdb_db_statistics_encode(&a->data, &t);
	return 0;
}
