/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control_attach.c: DB_ATTACH and its kin, and what a database becomes later (SET_DB_READONLY).
 *
 * Attaching is agreed on by all nodes, so the answer takes a round over the control plane; before
 * the first view there is nobody to agree with, and the request waits, at most DeferredAttachTO.
 * When the answer goes out the file is there, and held open by the store.
 */
#include "control_handlers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "daemon/log.h"
#include "lib/jenkins.h"

struct attach_wait {
	struct attach_wait *next;
	uint64_t client, deadline_ms;
	uint32_t reqid, db_id, db_flags;
	bool has_begun; /* the core knows of it */
	bool is_property; /* of one that is attached: its answer has no data */
	char name[CORE_NAME_SIZE];
};

static const char *attach_error(int rc)
{
	switch (rc) {
	case -EEXIST:
		return "another database has the same id";
	case -EINVAL:
		return "the database is attached as another type";
	case -EUCLEAN:
		return "the database is damaged, and no node has a good copy of it";
	case -ENOSPC:
		return "too many databases, or no space left";
	default:
		return "the database cannot be attached";
	}
}

static void attach_answer(struct clients *s, const struct attach_wait *wait, int rc)
{
	uint8_t data[4];
	struct writer w = writer_of(data, sizeof(data));
	struct client *cl = client_find(s, wait->client);

	if (!wait->is_property) {
		writer_u32(&w, wait->db_id);
		if (rc == 0 && cl != NULL)
			client_attached(cl, wait->db_id);
	}
	control_answer_later(s, wait->client, wait->reqid, rc == 0 ? 0 : -1,
			     slice_of(data, w.len), attach_error(rc));
}

/* Names become files: NAME.PNN in one folder */
static bool is_good_name(const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || len > CORE_NAME_SIZE - 16 || name[0] == '.')
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] == '/' || (unsigned char)name[i] < ' ')
			return false;
	return true;
}

/* False: it was answered already, and is gone */
static bool wait_remove(struct clients *s, struct attach_wait *wait)
{
	struct attach_wait **at = &s->attaching;

	while (*at && *at != wait)
		at = &(*at)->next;
	if (*at == NULL)
		return false;
	*at = wait->next;
	free(wait);
	return true;
}

/* Hands it to the core. It may be answered, and gone, on return. */
static void wait_begin(struct clients *s, struct attach_wait *wait)
{
	/* the core may report the end before it returns, which frees the wait */
	struct attach_wait copy = *wait;

	wait->has_begun = true;
	int rc = core_attach(s->engine->core, wait->name, wait->db_flags);
	if (rc != -EINPROGRESS && wait_remove(s, wait))
		attach_answer(s, &copy, rc);
}

static struct attach_wait *wait_add(struct control_request *r, const char *name)
{
	struct clients *s = r->clients;
	struct attach_wait *wait = calloc(1, sizeof(*wait));

	if (wait == NULL)
		return NULL;
	snprintf(wait->name, sizeof(wait->name), "%s", name);
	wait->client = r->client->id;
	wait->reqid = r->reqid;
	wait->db_id = jenkins_db_id(name);
	wait->deadline_ms =
	    engine_now_ms() + tunable_get(&s->tunables, TUNABLE_DeferredAttachTO) * 1000ULL;
	wait->next = s->attaching;
	s->attaching = wait;
	return wait;
}

int32_t control_attach(struct control_request *r, struct control_answer *a)
{
	struct clients *s = r->clients;
	const char *name = ctdb_text_decode(r->data);

	if (r->client == NULL)
		return control_refuse(a, "databases are attached by clients of their own node");
	if (tunable_get(&s->tunables, TUNABLE_AllowClientDBAttach) == 0)
		return control_refuse(a, "attaching is switched off (AllowClientDBAttach)");
	if (r->flags & CTDB_CONTROL_ATTACH_RECOVERY)
		return control_refuse(a, "only CTDB's own recovery attaches so");
	if (name == NULL || !is_good_name(name))
		return control_refuse(a, "not a name for a database");
	struct attach_wait *wait = wait_add(r, name);
	if (wait == NULL)
		return control_refuse(a, "no memory");
	wait->db_flags = r->opcode == CTDB_CONTROL_DB_ATTACH_PERSISTENT	  ? DB_PERSISTENT
			 : r->opcode == CTDB_CONTROL_DB_ATTACH_REPLICATED ? DB_REPLICATED
									  : 0;
	if (s->was_active)
		wait_begin(s, wait);
	return CONTROL_LATER;
}

/* Told by another node, or where nobody waits for an answer, it is under way with this one */
int32_t control_attach_property(struct control_request *r, struct control_answer *a,
				const struct core_db_info *info, uint32_t property)
{
	struct attach_wait *wait;

	if (r->client == NULL || (r->flags & CTDB_CONTROL_NOREPLY) != 0) {
		int rc = core_attach(r->engine->core, info->name, info->flags | property);

		return rc == 0 || rc == -EINPROGRESS ? 0 : control_refuse(a, "%s", attach_error(rc));
	}
	wait = wait_add(r, info->name);
	if (wait == NULL)
		return control_refuse(a, "no memory");
	wait->db_flags = info->flags | property;
	wait->is_property = true;
	wait_begin(r->clients, wait);
	return CONTROL_LATER;
}

void control_attach_active(struct clients *s)
{
	/* oldest first, so that all nodes attach in the order in which clients asked */
	for (;;) {
		struct attach_wait *oldest = NULL;
		for (struct attach_wait *wait = s->attaching; wait; wait = wait->next)
			if (!wait->has_begun)
				oldest = wait;
		if (oldest == NULL)
			return;
		wait_begin(s, oldest);
	}
}

/* Another client may have attached it as another type first */
static int attach_check_type(struct engine *e, const struct attach_wait *wait)
{
	struct core_db_info info;

	for (size_t i = 0; core_db_info(e->core, i, &info) == 0; i++)
		if (info.db_id == wait->db_id)
			return (info.flags & wait->db_flags) == wait->db_flags ? 0 : -EINVAL;
	return -ENOENT;
}

void clients_attached(struct engine *e, uint32_t db_id, int status)
{
	struct clients *s = e->clients;
	struct attach_wait **at = s ? &s->attaching : NULL;

	while (at && *at) {
		struct attach_wait *wait = *at;
		if (!wait->has_begun || wait->db_id != db_id) {
			at = &wait->next;
			continue;
		}
		*at = wait->next;
		attach_answer(s, wait, status == 0 ? attach_check_type(e, wait) : status);
		free(wait);
	}
}

/* Drops those of a client (0: of nobody) and those that have waited too long */
static void waits_drop(struct clients *s, uint64_t client, uint64_t now_ms)
{
	struct attach_wait **at = &s->attaching;

	while (*at) {
		struct attach_wait *wait = *at;
		if (wait->client != client && wait->deadline_ms > now_ms) {
			at = &wait->next;
			continue;
		}
		*at = wait->next;
		control_answer_later(s, wait->client, wait->reqid, -1, slice_of(NULL, 0),
				     "this node did not become active in time (DeferredAttachTO)");
		free(wait);
	}
}

void control_attach_second(struct clients *s, uint64_t now_ms)
{
	waits_drop(s, 0, now_ms);
}

void control_attach_client_gone(struct clients *s, uint64_t client)
{
	waits_drop(s, client, 0);
}

size_t control_attaching(const struct clients *s)
{
	size_t n = 0;

	for (const struct attach_wait *wait = s->attaching; wait; wait = wait->next)
		n++;
	return n;
}

void control_attach_close(struct clients *s)
{
	waits_drop(s, 0, UINT64_MAX);
}
