/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control_detach.c: DB_DETACH: the end of a volatile database, on all nodes (core/detach.c).
 *
 * CTDB closes it under whoever uses it, who then works on with a file of his own. Here each node is
 * asked, and says no while one of its connections has attached the database, while another process
 * has its file open (libtdb's ACTIVE lock tells), or while clients may attach (AllowClientDBAttach,
 * which `ctdb detach` asks for, too).
 */
#include "control_handlers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "store.h"

struct detach_wait {
	struct detach_wait *next;
	uint64_t client;
	uint32_t reqid, db_id;
};

int32_t control_db_detach(struct control_request *r, struct control_answer *a)
{
	struct clients *s = r->clients;
	struct core_db_info info;
	int32_t status;

	if (r->client == NULL)
		return control_refuse(a, "databases are detached by clients of their own node");
	if (tunable_get(&s->tunables, TUNABLE_AllowClientDBAttach) != 0)
		return control_refuse(
		    a, "clients may attach databases: set AllowClientDBAttach to 0 on all nodes");
	status = control_db_find(r, a, &info);
	if (status != 0)
		return status;
	for (struct detach_wait *other = s->detaching; other; other = other->next)
		if (other->db_id == info.db_id)
			return control_refuse(a, "another client is detaching it");
	struct detach_wait *wait = malloc(sizeof(*wait));
	if (wait == NULL)
		return control_refuse(a, "no memory");
	*wait = (struct detach_wait){ s->detaching, r->client->id, r->reqid, info.db_id };
	s->detaching = wait;
	int rc = core_detach(r->engine->core, info.db_id);
	if (rc == -EINPROGRESS)
		return CONTROL_LATER;
	s->detaching = wait->next;
	free(wait);
	if (rc == -EINVAL)
		return control_refuse(a, "database %s is not volatile", info.name);
	return control_refuse(a, rc == -EAGAIN ? "the view of the cluster is changing: try again"
					       : "the database cannot be detached");
}

/* By its name, if it has one */
static const char *node_of(const struct engine *e, uint32_t pnn, struct core_node_status *n)
{
	for (size_t i = 0; core_node_status(e->core, i, n) == 0; i++)
		if (n->pnn == pnn && n->name[0] != '\0')
			return n->name;
	return "a node";
}

static void detach_text(const struct engine *e, int status, uint32_t pnn, const char *why,
			char *text, size_t size)
{
	struct core_node_status n;

	if (status == -EBUSY)
		snprintf(text, size, "%.64s(%u) says no: %.160s", node_of(e, pnn, &n), pnn, why);
	else
		snprintf(text, size, "%s",
			 status == -EAGAIN     ? "the view of the cluster has changed: try again"
			 : status == -EALREADY ? "another client is detaching it"
					       : "it was detached already");
}

/* Takes it out of the list; there is at most one for a database */
static struct detach_wait *wait_take(struct clients *s, uint32_t db_id)
{
	for (struct detach_wait **at = &s->detaching; *at; at = &(*at)->next) {
		struct detach_wait *wait = *at;
		if (wait->db_id != db_id)
			continue;
		*at = wait->next;
		return wait;
	}
	return NULL;
}

void clients_detached(struct engine *e, uint32_t db_id, int status, uint32_t pnn, const char *why)
{
	char text[CONTROL_TEXT_SIZE] = "";
	struct detach_wait *wait = e->clients ? wait_take(e->clients, db_id) : NULL;

	if (wait == NULL)
		return;
	if (status != 0)
		detach_text(e, status, pnn, why, text, sizeof(text));
	control_answer_later(e->clients, wait->client, wait->reqid, status == 0 ? 0 : -1,
			     slice_of(NULL, 0), text);
	free(wait);
}

bool clients_db_is_free(struct engine *e, uint32_t db_id, char *why, size_t size)
{
	struct clients *s = e->clients;
	int pid;

	if (s != NULL && tunable_get(&s->tunables, TUNABLE_AllowClientDBAttach) != 0) {
		snprintf(why, size, "AllowClientDBAttach is not 0");
		return false;
	}
	for (size_t i = 0; s != NULL && i < s->slots; i++) {
		struct client *cl = client_at(s, i);
		if (cl == NULL || !client_has_attached(cl, db_id))
			continue;
		snprintf(why, size, "a client has attached it, process %d", (int)cl->pid);
		return false;
	}
	pid = store_db_user(e, db_id);
	if (pid > 0)
		snprintf(why, size, "process %d has its file open", pid);
	else if (pid < 0)
		snprintf(why, size, "a process of another pid namespace has its file open");
	return pid == 0;
}

void control_detach_close(struct clients *s)
{
	while (s->detaching) {
		struct detach_wait *wait = s->detaching;
		s->detaching = wait->next;
		free(wait);
	}
}
