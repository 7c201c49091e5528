/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pacemaker_fencer.c: tells the engine which watched incarnations were fenced, and has nodes
 * fenced on request. What counts is decided in fence_history.c, from the fencer's own history,
 * which is read whenever something may have changed: a notification, a new connection, the end of
 * a request, and while a watch has no baseline yet. In doubt nothing is told.
 */
#include "config.h"
#include "pacemaker.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <crm/crm.h>
#include <crm/stonith-ng.h>
#include "daemon/log.h"

#define HISTORY_TIMEOUT_S 10
#define LOOK_PAUSE_MS	  500U /* while an operation that was going on at a watch has not ended */
#define REQUEST_SLACK_S	  30   /* of the fencer over the time-out that it was given */
#define ASK_PAUSE_MS	  100U
#define ASK_LATEST_MS                                                                              \
	3000U /* what others have asked for may take; then two are made one by the fencer */

/* libstonithd's notifications carry no argument of ours; there is one connection in this process */
static struct pacemaker *owner;

static struct fencer_node *node_at(struct pacemaker *p, guint i)
{
	return &g_array_index(p->fencer.nodes, struct fencer_node, i);
}

static struct fencer_node *node_find(struct pacemaker *p, uint32_t nodeid, uint64_t boot_id)
{
	for (guint i = 0; i < p->fencer.nodes->len; i++) {
		if (node_at(p, i)->nodeid == nodeid && node_at(p, i)->boot_id == boot_id)
			return node_at(p, i);
	}
	return NULL;
}

static void tell_fenced(struct pacemaker *p, struct fencer_node *n)
{
	struct writer w = pacemaker_begin(p, IPC_FENCED);

	log_notice("a watched node was fenced | node=%s(%u) boot_id=%" PRIx64, n->name, n->nodeid,
		   n->boot_id);
	n->is_told = true;
	n->is_requested = false;
	writer_u32(&w, n->nodeid);
	writer_u64(&w, n->boot_id);
	pacemaker_send(&w);
}

/* For the next helper, if this one ends */
static void tell_based(struct pacemaker *p, const struct fencer_node *n)
{
	struct writer w = pacemaker_begin(p, IPC_FENCE_BASED);
	uint8_t base[FENCE_BASE_SIZE];
	struct writer b = writer_of(base, sizeof(base));

	fence_watch_write(&n->watch, &b);
	writer_u32(&w, n->nodeid);
	writer_u64(&w, n->boot_id);
	writer_block(&w, base, b.len);
	pacemaker_send(&w);
}

static void tell_failed(struct pacemaker *p, struct fencer_node *n, const char *text)
{
	struct writer w = pacemaker_begin(p, IPC_FENCE_FAILED);
	char shortened[PACEMAKER_TEXT_SIZE];

	log_warning("fencing that was asked for failed: %s | node=%s(%u)", text, n->name,
		    n->nodeid);
	n->is_requested = false;
	(void)g_strlcpy(shortened, text, sizeof(shortened));
	writer_u32(&w, n->nodeid);
	writer_u64(&w, n->boot_id);
	writer_text(&w, shortened);
	pacemaker_send(&w);
}

/* ---- the history
 * ---------------------------------------------------------------------------------- */

static enum fence_state entry_state(int state)
{
	switch (state) {
	case st_done:
		return FENCE_DONE;
	case st_failed:
		return FENCE_FAILED;
	default: /* st_query, st_exec, st_duplicate: of an operation that has not ended */
		return FENCE_GOING_ON;
	}
}

/* Strings lent from history */
static GArray *entries_of(const stonith_history_t *history)
{
	GArray *entries = g_array_new(FALSE, TRUE, sizeof(struct fence_entry));

	for (const stonith_history_t *h = history; h != NULL; h = h->next) {
		struct fence_entry e = {
			.target = h->target,
			.action = h->action,
			.state = entry_state(h->state),
			.ended = { h->completed, h->completed_nsec },
		};

		g_array_append_val(entries, e);
	}
	return entries;
}

static gboolean look_again(gpointer arg);

/* notified: the name of a node of whose successful fencing the fencer has just told, or NULL */
static void look(struct pacemaker *p, const char *notified)
{
	stonith_t *st = p->fencer.st;
	stonith_history_t *history = NULL;
	struct timespec now;
	bool is_open = false;
	GArray *entries;
	int rc;

	if (st == NULL || p->is_losing)
		return;
	rc = st->cmds->history(st, st_opt_sync_call, NULL, &history, HISTORY_TIMEOUT_S);
	if (rc != pcmk_ok) {
		log_warning("the fencer does not tell its history: %s", pcmk_strerror(rc));
		pacemaker_lost(p, "fencer");
		return;
	}
	(void)clock_gettime(CLOCK_REALTIME, &now);
	entries = entries_of(history);
	for (guint i = 0; i < p->fencer.nodes->len; i++) {
		struct fencer_node *n = node_at(p, i);
		bool is_notified = notified != NULL && strcasecmp(notified, n->name) == 0;
		bool was_based = n->watch.is_based;

		if (n->is_told)
			continue;
		if (fence_watch_look(&n->watch, n->name,
				     (struct fence_entry *)(void *)entries->data, entries->len,
				     is_notified, (struct fence_stamp){ now.tv_sec, now.tv_nsec }))
			tell_fenced(p, n);
		if (!was_based && n->watch.is_based)
			tell_based(p, n);
		is_open = is_open || !n->watch.is_based;
	}
	(void)g_array_free(entries, TRUE);
	stonith_history_free(history);
	if (is_open && p->fencer.look_timer == 0)
		p->fencer.look_timer = g_timeout_add(LOOK_PAUSE_MS, look_again, p);
}

static gboolean look_again(gpointer arg)
{
	struct pacemaker *p = arg;

	p->fencer.look_timer = 0;
	look(p, NULL);
	return G_SOURCE_REMOVE;
}

/* ---- notifications
 * ---------------------------------------------------------------------------------- */

static void on_fence(stonith_t *st, stonith_event_t *e)
{
	bool is_fenced = e->result == pcmk_ok && fence_is_fencing(e->action);

	(void)st;
	log_info("the fencer tells | action=%s target=%s result=%d client=%s",
		 e->action != NULL ? e->action : "?", e->target != NULL ? e->target : "?",
		 e->result, e->client_origin != NULL ? e->client_origin : "?");
	look(owner, is_fenced ? e->target : NULL);
}

static void on_synced(stonith_t *st, stonith_event_t *e)
{
	(void)st;
	(void)e;
	look(owner, NULL);
}

static void on_disconnect(stonith_t *st, stonith_event_t *e)
{
	(void)st;
	(void)e;
	pacemaker_lost(owner, "fencer");
}

int fencer_connect(struct pacemaker *p)
{
	stonith_t *st = stonith_api_new();
	int rc;

	owner = p;
	if (st == NULL)
		return -ENOMEM;
	rc = st->cmds->connect(st, PACEMAKER_CLIENT, NULL);
	if (rc == pcmk_ok)
		rc =
		    st->cmds->register_notification(st, T_STONITH_NOTIFY_DISCONNECT, on_disconnect);
	if (rc == pcmk_ok)
		rc = st->cmds->register_notification(st, T_STONITH_NOTIFY_FENCE, on_fence);
	if (rc == pcmk_ok)
		rc =
		    st->cmds->register_notification(st, T_STONITH_NOTIFY_HISTORY_SYNCED, on_synced);
	if (rc != pcmk_ok) {
		stonith_api_delete(st);
		return rc < 0 ? rc : -EIO;
	}
	p->fencer.st = st;
	look(p, NULL);
	return p->is_losing ? -EIO : 0;
}

void fencer_disconnect(struct pacemaker *p, const char *why)
{
	struct fencer *f = &p->fencer;

	if (f->look_timer != 0)
		(void)g_source_remove(f->look_timer);
	f->look_timer = 0;
	if (f->st == NULL)
		return;
	(void)f->st->cmds->remove_notification(f->st, NULL);
	(void)f->st->cmds->remove_callback(f->st, 0, true);
	(void)f->st->cmds->disconnect(f->st);
	stonith_api_delete(f->st);
	f->st = NULL;
	for (guint i = 0; i < f->nodes->len; i++) {
		if (node_at(p, i)->is_requested)
			tell_failed(p, node_at(p, i), why);
	}
}

/* ---- what the engine asks for
 * ------------------------------------------------------------------------ */

/* The name that Pacemaker knows a node by, when corosync's nodelist has none */
static const char *name_of(const struct pacemaker *p, uint32_t nodeid, const char *name)
{
	const struct cib *cib = p->topology.cib;
	char id[16];

	if (name[0] != '\0' || cib == NULL)
		return name;
	(void)g_snprintf(id, sizeof(id), "%u", nodeid);
	for (size_t i = 0; i < cib->n_nodes; i++) {
		const struct cib_node *n = &cib->nodes[i];

		if (!n->is_remote && n->id != NULL && n->name != NULL && strcmp(n->id, id) == 0)
			return n->name;
	}
	return name;
}

/* A node has one life at a time: an older incarnation of it is no longer waited for, because the
 * node is back with a new boot id. One whose request is under way is kept for the answer. */
static struct fencer_node *node_add(struct pacemaker *p, uint32_t nodeid, const char *name,
				    uint64_t boot_id)
{
	struct fencer_node new = { .nodeid = nodeid, .boot_id = boot_id };

	for (guint i = p->fencer.nodes->len; i > 0; i--) {
		if (node_at(p, i - 1)->nodeid == nodeid && !node_at(p, i - 1)->is_requested)
			(void)g_array_remove_index_fast(p->fencer.nodes, i - 1);
	}
	if (p->fencer.nodes->len >= PACEMAKER_MAX_INCARNATIONS) {
		log_error("too many nodes are watched | node=%s(%u)", name, nodeid);
		return NULL;
	}
	(void)g_strlcpy(new.name, name_of(p, nodeid, name), sizeof(new.name));
	g_array_append_val(p->fencer.nodes, new);
	return node_at(p, p->fencer.nodes->len - 1);
}

void fencer_watch(struct pacemaker *p, uint32_t nodeid, const char *name, uint64_t boot_id)
{
	if (node_find(p, nodeid, boot_id) != NULL)
		return; /* watched already, from an earlier moment on */
	if (node_add(p, nodeid, name, boot_id) != NULL)
		look(p, NULL);
}

void fencer_resume(struct pacemaker *p, uint32_t nodeid, const char *name, uint64_t boot_id,
		   const struct fence_watch *watch)
{
	struct fencer_node *n;

	if (node_find(p, nodeid, boot_id) != NULL)
		return;
	n = node_add(p, nodeid, name, boot_id);
	if (n == NULL)
		return;
	n->watch = *watch;
	look(p, NULL);
}

struct request {
	struct pacemaker *p;
	uint32_t nodeid;
	uint64_t boot_id;
};

static void on_requested(stonith_t *st, stonith_callback_data_t *data)
{
	struct request *r = data->userdata;
	struct fencer_node *n = node_find(r->p, r->nodeid, r->boot_id);
	char text[PACEMAKER_TEXT_SIZE];

	(void)st;
	if (n != NULL && n->is_requested) {
		if (data->rc == pcmk_ok) {
			char name[CIB_NAME_SIZE];

			(void)g_strlcpy(name, n->name, sizeof(name));
			look(r->p, name);
			n = node_find(r->p, r->nodeid, r->boot_id);
			if (n != NULL && n->is_requested && !n->is_told)
				tell_failed(r->p, n,
					    "the fencer reports success, but of an operation that "
					    "may have begun before this life of the node");
		} else {
			(void)g_snprintf(text, sizeof(text), "the fencer reports: %s",
					 pcmk_strerror(data->rc));
			tell_failed(r->p, n, text);
		}
	}
	g_free(r);
}

static gboolean ask_again(gpointer arg)
{
	struct request *r = arg;
	struct fencer_node *n = node_find(r->p, r->nodeid, r->boot_id);

	if (n == NULL)
		return G_SOURCE_REMOVE;
	n->ask_timer = 0;
	if (!n->is_told)
		fencer_request(r->p, r->nodeid, n->name, r->boot_id);
	return G_SOURCE_REMOVE;
}

/* Pacemaker's own fencing of a node ends before corosync has told its loss, and the fencer can tell
 * of it only then: just when we are about to ask. A second one would meet a node that starts. */
static bool is_about_to_tell(struct pacemaker *p, struct fencer_node *n)
{
	stonith_history_t *history = NULL;
	struct timespec now;
	GArray *entries;
	bool is_so;

	if (n->waited_ms >= ASK_LATEST_MS ||
	    p->fencer.st->cmds->history(p->fencer.st, st_opt_sync_call, n->name, &history,
					HISTORY_TIMEOUT_S) != pcmk_ok)
		return false;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	entries = entries_of(history);
	is_so = fence_is_at_work(&n->watch, n->name, (struct fence_entry *)(void *)entries->data,
				 entries->len, (struct fence_stamp){ now.tv_sec, now.tv_nsec });
	(void)g_array_free(entries, TRUE);
	stonith_history_free(history);
	return is_so;
}

static struct request *request_new(struct pacemaker *p, const struct fencer_node *n)
{
	struct request *r = g_new0(struct request, 1);

	r->p = p;
	r->nodeid = n->nodeid;
	r->boot_id = n->boot_id;
	return r;
}

void fencer_request(struct pacemaker *p, uint32_t nodeid, const char *name, uint64_t boot_id)
{
	struct fencer_node *n = node_find(p, nodeid, boot_id);
	stonith_t *st = p->fencer.st;
	const char *action = "reboot";
	int timeout_s = 60, call_id;

	if (n == NULL) { /* its watch begins now, before the operation */
		n = node_add(p, nodeid, name, boot_id);
		if (n == NULL)
			return;
		look(p, NULL);
		n = node_find(p, nodeid, boot_id);
		if (n == NULL)
			return;
	}
	if (n->is_requested || n->ask_timer != 0)
		return;
	if (n->is_told) {
		tell_fenced(p, n);
		return;
	}
	if (st == NULL || p->is_losing) {
		tell_failed(p, n, "Pacemaker's fencer does not answer");
		return;
	}
	if (is_about_to_tell(p, n)) {
		n->waited_ms += ASK_PAUSE_MS;
		n->ask_timer = g_timeout_add_full(G_PRIORITY_DEFAULT, ASK_PAUSE_MS, ask_again,
						  request_new(p, n), g_free);
		return;
	}
	n->waited_ms = 0;
	if (p->topology.cib != NULL) {
		action = cib_fence_action(p->topology.cib);
		timeout_s = (int)(cib_fence_timeout_ms(p->topology.cib) / 1000);
	}
	call_id = st->cmds->fence(st, st_opt_none, n->name, action, timeout_s, 0);
	if (call_id <= 0) {
		tell_failed(p, n, pcmk_strerror(call_id));
		return;
	}
	log_notice("fencing was asked for | node=%s(%u) action=%s timeout_s=%d", n->name, nodeid,
		   action, timeout_s);
	n->is_requested = true;
	(void)st->cmds->register_callback(st, call_id, timeout_s + REQUEST_SLACK_S,
					  st_opt_timeout_updates, request_new(p, n), "on_requested",
					  on_requested);
}
