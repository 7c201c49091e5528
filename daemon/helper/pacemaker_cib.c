/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pacemaker_cib.c: reads the CIB when it has changed, and judges this node.
 *
 * The verdict is sent when it is first known and whenever it changes. A CIB manager that goes
 * away takes nothing back: what it said last holds until another CIB says otherwise. Without any
 * CIB the verdict is NO_PACEMAKER, or nothing against it when the admin allowed to run unfenced
 * (and corosync's quorum does not depend on fencing).
 */
#include "config.h"
#include "pacemaker.h"

#include <errno.h>
#include <string.h>
#include <libxml/tree.h>
#include <crm/crm.h>
#include <crm/cib.h>
#include "cib_corosync.h"
#include "daemon/log.h"

#define READ_PAUSE_MS 200U /* changes come in bursts */
#define CONFIGURATION "/cib/configuration"

/* libcib's callbacks carry no argument of ours; there is one connection in this process */
static struct pacemaker *owner;

static void verdict_set(struct pacemaker *p, enum reason verdict, const char *text)
{
	struct topology *t = &p->topology;
	struct writer w;

	if (t->has_verdict && t->verdict == verdict && strcmp(t->text, text) == 0)
		return;
	t->has_verdict = true;
	t->verdict = verdict;
	(void)g_strlcpy(t->text, text, sizeof(t->text));
	if (verdict == REASON_NONE)
		log_info("corosync and the CIB agree about this node");
	else
		log_warning("this node is not to be admitted: %s | reason=%s", text,
			    reason_row(verdict)->name);
	w = pacemaker_begin(p, IPC_TOPOLOGY);
	writer_u32(&w, (uint32_t)verdict);
	writer_text(&w, t->text);
	pacemaker_send(&w);
}

static void judge_without_cib(struct pacemaker *p)
{
	const struct cib_corosync *c = &p->topology.corosync;

	if (p->options.number[OPTION_allow_unfenced] == 0)
		verdict_set(p, REASON_NO_PACEMAKER, "Pacemaker's CIB cannot be read");
	else if (c->is_two_node || c->has_auto_tie_breaker)
		verdict_set(p, REASON_UNFENCED_TWO_NODE,
			    cib_rule_row(CIB_RULE_UNFENCED_TWO_NODE)->sentence);
	else
		verdict_set(p, REASON_NONE, "");
}

void topology_judge(struct pacemaker *p)
{
	struct topology *t = &p->topology;
	struct cib_findings f = { 0 };
	char text[PACEMAKER_TEXT_SIZE];
	enum reason verdict;

	if (!t->has_members)
		return;
	if (t->cib == NULL) {
		judge_without_cib(p);
		return;
	}
	cib_check(t->cib, &t->corosync, &p->options, &f);
	for (size_t i = 0; i < f.n; i++)
		log_debug("CIB: %s | rule=%s severity=%s", f.list[i].text,
			  cib_rule_row(f.list[i].rule)->name,
			  cib_severity_name(f.list[i].severity));
	verdict = cib_verdict(&f, t->corosync.own_nodeid, text, sizeof(text));
	cib_findings_free(&f);
	verdict_set(p, verdict, text);
}

void topology_members(struct pacemaker *p, struct cib_member *members, size_t n)
{
	struct topology *t = &p->topology;
	struct cib_corosync fresh;

	/* Flags and own id from cmap, the members from the engine, which has them agreed */
	if (cib_corosync_read(&fresh) == 0) {
		t->corosync.own_nodeid = fresh.own_nodeid;
		t->corosync.is_two_node = fresh.is_two_node;
		t->corosync.has_auto_tie_breaker = fresh.has_auto_tie_breaker;
		t->corosync.is_crypto_off = fresh.is_crypto_off;
	}
	cib_corosync_free(&fresh);
	t->corosync.is_known = true;
	g_free(t->corosync.members);
	t->corosync.members = members;
	t->corosync.n_members = n;
	t->has_members = true;
	topology_judge(p);
}

/* ---- the connection -----------------------------------------------------------------------------
 */

static int read_now(struct pacemaker *p)
{
	struct topology *t = &p->topology;
	cib_t *connection = t->connection;
	xmlNode *answer = NULL;
	struct cib *cib = NULL;
	char error[CIB_TEXT_SIZE];
	int rc = connection->cmds->query(connection, "configuration", &answer,
					 cib_sync_call | cib_scope_local);

	if (rc != pcmk_ok) {
		if (answer != NULL)
			free_xml(answer);
		return rc < 0 ? rc : -EIO;
	}
	rc = cib_of_tree(answer, &cib, error, sizeof(error));
	free_xml(answer);
	if (rc != 0) {
		log_error("the CIB cannot be read: %s", error);
		return rc;
	}
	cib_free(t->cib);
	t->cib = cib;
	return 0;
}

static gboolean read_after_change(gpointer arg)
{
	struct pacemaker *p = arg;
	int error;

	p->topology.read_timer = 0;
	if (p->topology.connection == NULL)
		return G_SOURCE_REMOVE;
	error = read_now(p);
	if (error != 0) {
		log_warning("the CIB cannot be read: %s", pcmk_strerror(error));
		pacemaker_lost(p, "CIB manager");
		return G_SOURCE_REMOVE;
	}
	topology_judge(p);
	return G_SOURCE_REMOVE;
}

/* Whether a notification is about the configuration; status changes all the time. *has_path: it
 * lists what has changed at all. */
static bool is_configuration(const xmlNode *n, bool *has_path)
{
	for (; n != NULL; n = n->next) {
		const char *path =
		    n->type == XML_ELEMENT_NODE ? crm_element_value(n, "path") : NULL;

		if (path != NULL) {
			*has_path = true;
			if (strcmp(path, "/cib") == 0 || path[0] != '/' ||
			    strncmp(path, CONFIGURATION, strlen(CONFIGURATION)) == 0)
				return true;
		}
		if (n->type == XML_ELEMENT_NODE && is_configuration(n->children, has_path))
			return true;
	}
	return false;
}

static void on_diff(const char *event, xmlNode *msg)
{
	bool has_path = false;

	(void)event;
	if (!is_configuration(msg, &has_path) && has_path)
		return;
	if (owner->topology.read_timer == 0)
		owner->topology.read_timer = g_timeout_add(READ_PAUSE_MS, read_after_change, owner);
}

static void on_lost(gpointer arg)
{
	(void)arg;
	pacemaker_lost(owner, "CIB manager");
}

int topology_connect(struct pacemaker *p)
{
	cib_t *connection = cib_new();
	int rc;

	owner = p;
	if (connection == NULL)
		return -ENOMEM;
	rc = connection->cmds->signon(connection, PACEMAKER_CLIENT, cib_query);
	if (rc == pcmk_ok)
		rc = connection->cmds->set_connection_dnotify(connection, on_lost);
	if (rc == pcmk_ok)
		rc = connection->cmds->add_notify_callback(connection, T_CIB_DIFF_NOTIFY, on_diff);
	p->topology.connection = connection;
	if (rc == pcmk_ok)
		rc = read_now(p);
	if (rc != pcmk_ok)
		topology_disconnect(p);
	return rc > 0 ? -EIO : rc;
}

void topology_disconnect(struct pacemaker *p)
{
	struct topology *t = &p->topology;

	if (t->read_timer != 0)
		(void)g_source_remove(t->read_timer);
	t->read_timer = 0;
	if (t->connection == NULL)
		return;
	(void)t->connection->cmds->set_connection_dnotify(t->connection, NULL);
	(void)t->connection->cmds->signoff(t->connection);
	cib_delete(t->connection);
	t->connection = NULL;
}
