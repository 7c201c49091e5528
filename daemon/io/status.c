/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * status.c: all that this node knows about itself and the cluster, as JSON: the answer to control
 * COTDB_CONTROL_STATUS, and what `cotdb status --output-as=json` prints. Members are only ever
 * added; "format" grows when the meaning of one changes. Times that end in _ms are durations.
 *
 *  { "format": 1, "version": "0.1.0",
 *    "node": { "pnn": 0, "nodeid": 1, "name": "node1", "pid": 123, "boot_id": "0123456789abcdef",
 *              "start_time": 1790000000, "uptime_ms": 5000 },
 *    "view": "out" | "gather" | "gated" | "active",
 *    "is_active": true, "was_active": true, "is_frozen": false, "is_recovering": false,
 *    "is_stopping": false,
 *    "reason": "none", "sentence": "active", "text": "", "waiting_ms": 0,
 *       (reason.def: why it is not active; text: for whom or what it waits; waiting_ms: for how
 *        long, 0 when active)
 *    "draining": { "state": "off" | "draining" | "drained" (nothing was found that this node owns) |
 *                  "leaving" (the daemon is being stopped), "for_ms": 0, "given": 0 (records, since then),
 *                  "left": 0 (that the last look at all files could not give away), "passes": 0 },
 *    "active_ms": 1000,                        (0 when not active)
 *    "generation": 17,
 *    "leader": { "pnn": 0, "name": "node1" },  (null: none is known)
 *    "gates": [ { "name": "quorum" | "fencing" | "link" | "recovery-lock" | "topology", "is_open": true,
 *                 "reason": "none", "sentence": "active", "text": "", "waiting_ms": 0 }, ... ],
 *    "recovery_lock": { "path": "/clusterfs/.cotdb.lock" (null: none is configured),
 *                       "is_held_here": true, HELPER },
 *    "pacemaker": { "is_connected": true, HELPER },
 *       (HELPER: "is_alive": true, "pid": 124, "restarts": 0, "waiting_ms": 0, "latency_us": 90,
 *        "text": "")
 *    "allow_unfenced": false,
 *    "corosync": { "is_quorate": true, "is_encrypted": true, "has_two_node": false,
 *                  "has_auto_tie_breaker": false, "token_ms": 1000, "consensus_ms": 1200,
 *                  "queued_messages": 0 },
 *    "warnings": [ "a sentence", ... ],
 *    "nodes": [ { "pnn": 0, "nodeid": 1, "name": "node1", "address": "192.0.2.1", "is_self": true,
 *                 "state": "absent" | "member" | "kept-out" | "active", "reason": "none",
 *                 "sentence": "active", "boot_id": "...", "is_connected": true,
 *                 "is_fencing_pending": false, "is_draining": false, "queued_bytes": 0 }, ... ],
 *    "databases": [ { "name": "locking.tdb", "db_id": "0x7132c184",
 *                     "type": "volatile" | "persistent" | "replicated",
 *                     "path": "/run/cotdb/volatile/locking.tdb.0" (null: not open yet),
 *                     persistent and replicated ones: "state": "ok" | "fetching" (from another node)
 *                     | "lost" | "damaged" (no node has a good copy), "seqnum": 7,
 *                     "commit_generation": 17 }, ... (the first ones, in 512 KiB) ],
 *    "databases_count": 12,                    (of all)
 *    "clients": { "count": 2, "attaching": 0, "list": [ { "pid": 300, "client": 1048577,
 *                 "age_ms": 900, "packets_in": 7, "packets_out": 7, "queued_bytes": 0,
 *                 "paused": [ "congested" | "output" | "held" | "peer", ... ],
 *                 "tcp": [ "192.0.2.77:40000 192.0.2.1:445", ... (4 at most) ] }, ... (256 at most)
 * ] }, "records": { "calls": 0, "calls_pending": 0, "handoffs_in": 0, "handoffs_out": 0,
 *                 "copies_in": 0, "copies_out": 0, "revokes": 0 (of read-only databases),
 *                 "forwards": 0, "created": 0, "adopted": 0, "resolutions": 0, "parked": 0, "locations": 0,
 *                 "orphans": 0 (of departed nodes, not taken over yet), "packets_sent": 0,
 *                 "packets_received": 0, "views": 1, "recoveries": 1, "last_recovery_ms": 12 },
 *    "vacuuming": { "scheduled": 0, "waiting": 0, "given_back": 0, "deleted": 0 (as the lmaster),
 *                   "overflows": 0 (found later, by a pass), "passes": 0 },
 *    "waiting": { "calls": 0, "waited_ms": 0 (of the oldest), "kept": 0 (clients whose calls wait for
 *                 the first view), "limit_ms": 120000 (RecoveryDropAllIPs; 0: none) },
 *    "recovery": { "phase": "out" | "gather" | "gates" | "activation" | "sweep" | "adoption"
 *                  | "content" | "over" (enum core_phase),
 *                  "is_over": true, "generation": 17 (that it has led to, 0: none yet),
 *                  "since_ms": 0 (that it has been going on; when over, since its sweeps' end),
 *                  "restarts": 0 (by new views before it was over),
 *                  "times": { "gather_ms": 1, "fencing_ms": 0, "activation_ms": 2, "sweep_ms": 9,
 *                             "total_ms": 12 }
 *                     (until all states were in; from then on until no departed node was waited for,
 *                      until it was active, until all were swept; null: not yet),
 *                  "waits_for": [ { "pnn": 1, "name": "node2",
 *                                   "what": "state" | "acceptance" | "report" }, ... ],
 *                  "reported": [ { "pnn": 0, "name": "node1" }, ... ],
 *                  "databases": 12, "databases_done": 12, "chains": 1200012, "chains_done": 1200012,
 *                  "records": 70 (this node's own sweep), "orphans": 0, "resolutions": 0 (records that
 *                  all members are being asked for), "fetching": 0, "writing": 0, "sending": 0
 *                  (databases of which every node has all) },
 *    "traverses": { "begun": 0, "now": 0, "records": 0,
 *                   "incomplete": 0 (those whose client was told so) },
 *    "store": { "lock_waits": 0, "lock_waits_now": 0, "lock_waits_queued": 0, "lock_failures": 0,
 *               "lock_wait_us_total": 0, "lock_wait_us_max": 0 } }
 */
#include "control.h"

#include <errno.h>
#include <inttypes.h>
#include <json-c/json.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include "cluster.h"
#include "config.h"
#include "helpers.h"
#include "status_json.h"
#include "store.h"

#define CLIENTS_LISTED 256
#define TCP_LISTED     4U /* of each */
/* Of text, so that the longest names of the most databases leave room for all else in the answer */
#define DATABASES_LISTED_BYTES (CONTROL_DATA_SIZE / 2)
#define JSON_STYLE	       (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

static void add_boot_id(json *to, uint64_t boot_id)
{
	char text[17];

	snprintf(text, sizeof(text), "%016" PRIx64, boot_id);
	add_text(to, "boot_id", text);
}

static void add_reason(json *to, enum reason reason)
{
	const struct reason_row *row = reason_row(reason);

	add_text(to, "reason", row->name);
	add_text(to, "sentence", row->text);
}

static json *node_json(const struct engine *e)
{
	json *to = json_object_new_object();
	int64_t start = e->start_time_us / 1000000;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	add_number(to, "pnn", e->pnn);
	add_number(to, "nodeid", e->pnn + 1);
	add_text(to, "name", e->node_name);
	add_number(to, "pid", (uint64_t)getpid());
	add_boot_id(to, e->boot_id);
	add_number(to, "start_time", (uint64_t)start);
	int64_t up_ms = now.tv_sec * 1000 + now.tv_nsec / 1000000 - e->start_time_us / 1000;
	add_number(to, "uptime_ms", up_ms > 0 ? (uint64_t)up_ms : 0);
	return to;
}

static void add_view(json *to, const struct clients *s, const struct core_status *c,
		     uint64_t now_ms)
{
	static const char *const view[] = {
		[CORE_VIEW_OUT] = "out",
		[CORE_VIEW_GATHER] = "gather",
		[CORE_VIEW_GATED] = "gated",
		[CORE_VIEW_ACTIVE] = "active",
	};

	add_text(to, "view", view[c->view]);
	add_bool(to, "is_active", c->is_active);
	add_bool(to, "was_active", s->was_active);
	add_bool(to, "is_frozen", c->is_frozen);
	add_bool(to, "is_recovering", c->is_recovering);
	add_bool(to, "is_stopping", s->engine->is_stopping);
	add_reason(to, c->reason);
	add_text(to, "text", c->text);
	add_number(to, "waiting_ms", c->is_active ? 0 : since(now_ms, c->since_ms));
	add_number(to, "active_ms", c->is_active ? since(now_ms, c->since_ms) : 0);
	add_number(to, "generation", c->generation);
}

static json *draining_json(const struct core_status *c, uint64_t now_ms)
{
	static const char *const state[] = {
		[CORE_DRAIN_OFF] = "off",
		[CORE_DRAIN_DRAINING] = "draining",
		[CORE_DRAIN_DRAINED] = "drained",
		[CORE_DRAIN_LEAVING] = "leaving",
	};
	json *to = json_object_new_object();

	add_text(to, "state", state[c->drain]);
	add_number(to, "for_ms", since(now_ms, c->drain_since_ms));
	add_number(to, "given", c->drain_given);
	add_number(to, "left", c->drain_left);
	add_number(to, "passes", c->drain_passes);
	return to;
}

static json *leader_json(struct engine *e, uint32_t pnn)
{
	const struct cluster_node *node = cluster_node_by_pnn(e, pnn);

	if (pnn == CORE_UNKNOWN_PNN)
		return NULL;
	json *to = json_object_new_object();
	add_number(to, "pnn", pnn);
	add_text(to, "name", node ? node->name : NULL);
	return to;
}

static json *gates_json(const struct core_status *c, uint64_t now_ms)
{
	static const char *const name[CORE_GATE_COUNT] = {
		[CORE_GATE_QUORUM] = "quorum",
		[CORE_GATE_FENCING] = "fencing",
		[CORE_GATE_LINK] = "link",
		[CORE_GATE_LOCK] = "recovery-lock",
		[CORE_GATE_TOPOLOGY] = "topology",
	};
	json *list = json_object_new_array();

	for (size_t i = 0; i < CORE_GATE_COUNT; i++) {
		const struct core_gate_status *g = &c->gate[i];
		json *one = json_object_new_object();
		add_text(one, "name", name[i]);
		add_bool(one, "is_open", g->is_open);
		add_reason(one, g->is_open ? REASON_NONE : g->reason);
		add_text(one, "text", g->text);
		add_number(one, "waiting_ms", g->is_open ? 0 : since(now_ms, g->since_ms));
		json_object_array_add(list, one);
	}
	return list;
}

static void add_helper(json *to, const struct helper_status *h)
{
	add_bool(to, "is_alive", h->is_alive);
	add_number(to, "pid", h->pid);
	add_number(to, "restarts", h->restarts);
	add_number(to, "waiting_ms", h->waiting_ms);
	add_number(to, "latency_us", h->last_latency_us);
	add_text(to, "text", h->text);
}

static json *lock_json(struct engine *e, const struct core_status *c)
{
	const char *path = e->options->text[OPTION_recovery_lock];
	json *to = json_object_new_object();
	struct helper_status h = { 0 };

	helpers_reclock_status(e, &h);
	add_text(to, "path", path[0] ? path : NULL);
	add_bool(to, "is_held_here", c->has_lock_held);
	add_helper(to, &h);
	return to;
}

static json *pacemaker_json(struct engine *e)
{
	json *to = json_object_new_object();
	struct helper_status h = { 0 };

	helpers_pacemaker_status(e, &h);
	add_bool(to, "is_connected", h.is_connected);
	add_helper(to, &h);
	return to;
}

static json *corosync_json(struct engine *e)
{
	const struct cluster_settings *c = cluster_settings(e);
	json *to = json_object_new_object();

	add_bool(to, "is_quorate", cluster_is_quorate(e));
	add_bool(to, "is_encrypted", c->is_encrypted);
	add_bool(to, "has_two_node", c->has_two_node);
	add_bool(to, "has_auto_tie_breaker", c->has_auto_tie_breaker);
	add_number(to, "token_ms", c->token_ms);
	add_number(to, "consensus_ms", c->consensus_ms);
	add_number(to, "queued_messages", cluster_queued(e));
	return to;
}

static json *warnings_json(struct engine *e)
{
	json *list = json_object_new_array();

	if (!cluster_settings(e)->is_encrypted)
		json_object_array_add(
		    list, json_object_new_string(
			      "corosync's own encryption is off (totem.crypto_cipher): the keys "
			      "that prove "
			      "this cluster's nodes to each other travel in clear text"));
	if (e->options->number[OPTION_allow_unfenced])
		json_object_array_add(
		    list, json_object_new_string("allow_unfenced is on: lost nodes are taken for "
						 "fenced, records may be lost or "
						 "doubled"));
	if (e->options->text[OPTION_recovery_lock][0] == '\0')
		json_object_array_add(
		    list,
		    json_object_new_string(
			"no recovery lock is configured: a node whose cluster file system is not "
			"shared is not noticed"));
	return list;
}

static json *peer_json(struct engine *e, const struct core_node_status *n)
{
	static const char *const state[] = {
		[CORE_NODE_ABSENT] = "absent",
		[CORE_NODE_MEMBER] = "member",
		[CORE_NODE_KEPT_OUT] = "kept-out",
		[CORE_NODE_ACTIVE] = "active",
	};
	const struct cluster_node *known = cluster_node_by_pnn(e, n->pnn);
	json *to = json_object_new_object();

	add_number(to, "pnn", n->pnn);
	add_number(to, "nodeid", n->pnn + 1);
	add_text(to, "name", n->name[0] || known == NULL ? n->name : known->name);
	add_text(to, "address", n->address[0] || known == NULL ? n->address : known->address);
	add_bool(to, "is_self", n->pnn == e->pnn);
	add_text(to, "state", state[n->state]);
	add_reason(to, n->reason);
	add_boot_id(to, n->boot_id);
	add_bool(to, "is_connected", n->is_connected);
	add_bool(to, "is_fencing_pending", n->is_pending);
	add_bool(to, "is_draining", n->is_draining);
	add_number(to, "queued_bytes", n->queued_bytes);
	return to;
}

/* Those of corosync's nodelist that the core has not met are absent */
static json *nodes_json(struct engine *e)
{
	const struct cluster_node *known;
	size_t n_known = cluster_nodes(e, &known), k = 0;
	json *list = json_object_new_array();
	struct core_node_status n;

	for (size_t i = 0;; i++) {
		bool has_more = core_node_status(e->core, i, &n) == 0;
		for (; k < n_known && (!has_more || known[k].pnn <= n.pnn); k++) {
			struct core_node_status absent = { .pnn = known[k].pnn };
			if (!has_more || known[k].pnn < n.pnn)
				json_object_array_add(list, peer_json(e, &absent));
		}
		if (!has_more)
			return list;
		json_object_array_add(list, peer_json(e, &n));
	}
}

static json *database_json(struct engine *e, const struct core_db_info *info)
{
	json *to = json_object_new_object();
	const char *path = NULL;
	char id[11];

	snprintf(id, sizeof(id), "0x%08" PRIx32, info->db_id);
	add_text(to, "name", info->name);
	add_text(to, "db_id", id);
	add_text(to, "type",
		 info->flags & DB_PERSISTENT   ? "persistent"
		 : info->flags & DB_REPLICATED ? "replicated"
					       : "volatile");
	add_text(to, "path", store_db_path(e, info->db_id, &path) == 0 ? path : NULL);
	if (db_flags_replicated(info->flags)) {
		add_text(to, "state",
			 info->is_lost	   ? info->content.is_damaged ? "damaged" : "lost"
			 : info->is_behind ? "fetching"
					   : "ok");
		add_number(to, "seqnum", info->content.seq);
		add_number(to, "commit_generation", info->content.generation);
	}
	return to;
}

static void add_databases(json *to, struct engine *e)
{
	json *list = json_object_new_array();
	struct core_db_info info;
	size_t n = 0, len, used = 0;

	for (; core_db_info(e->core, n, &info) == 0; n++) {
		json *one;

		if (used > DATABASES_LISTED_BYTES)
			continue; /* the others are counted only */
		one = database_json(e, &info);
		(void)json_object_to_json_string_length(one, JSON_STYLE, &len);
		used += len + 1;
		if (used <= DATABASES_LISTED_BYTES)
			json_object_array_add(list, one);
		else
			json_object_put(one);
	}
	json_object_object_add(to, "databases", list);
	add_number(to, "databases_count", n);
}

static void tcp_text(const struct ctdb_connection *t, char *text, size_t size)
{
	char src[CTDB_ADDRESS_TEXT_SIZE], dst[CTDB_ADDRESS_TEXT_SIZE];

	ctdb_address_text(&t->src, src);
	ctdb_address_text(&t->dst, dst);
	snprintf(text, size, "%s:%u %s:%u", src, t->src.port, dst, t->dst.port);
}

static json *tcp_json(const struct client *cl)
{
	json *list = json_object_new_array();
	const struct ctdb_connection *t;
	char text[2 * CTDB_ADDRESS_TEXT_SIZE + 16];

	for (size_t i = 0; i < TCP_LISTED && (t = client_tcp_at(cl, i)) != NULL; i++) {
		tcp_text(t, text, sizeof(text));
		json_object_array_add(list, json_object_new_string(text));
	}
	return list;
}

static json *client_json(const struct client *cl, uint64_t now_ms)
{
	json *to = json_object_new_object(), *paused = json_object_new_array();

	add_number(to, "pid", (uint64_t)cl->pid);
	add_number(to, "client", cl->id);
	add_number(to, "age_ms", since(now_ms, cl->since_ms));
	add_number(to, "packets_in", cl->packets_in);
	add_number(to, "packets_out", cl->packets_out);
	add_number(to, "queued_bytes", cl->out.len);
	if (cl->pause & PAUSE_CONGESTED)
		json_object_array_add(paused, json_object_new_string("congested"));
	if (cl->pause & PAUSE_OUTPUT)
		json_object_array_add(paused, json_object_new_string("output"));
	if (cl->pause & PAUSE_HELD)
		json_object_array_add(paused, json_object_new_string("held"));
	if (cl->pause & PAUSE_PEER)
		json_object_array_add(paused, json_object_new_string("peer"));
	json_object_object_add(to, "paused", paused);
	json_object_object_add(to, "tcp", tcp_json(cl));
	return to;
}

static json *clients_json(struct clients *s, uint64_t now_ms)
{
	json *to = json_object_new_object(), *list = json_object_new_array();
	size_t listed = 0;

	for (size_t i = 0; i < s->slots && listed < CLIENTS_LISTED; i++) {
		struct client *cl = client_at(s, i);
		if (cl == NULL)
			continue;
		json_object_array_add(list, client_json(cl, now_ms));
		listed++;
	}
	add_number(to, "count", s->count);
	add_number(to, "attaching", control_attaching(s));
	json_object_object_add(to, "list", list);
	return to;
}

static json *records_json(const struct core_status *c)
{
	json *to = json_object_new_object();

	add_number(to, "calls", c->calls);
	add_number(to, "calls_pending", c->calls_pending);
	add_number(to, "handoffs_in", c->handoffs_in);
	add_number(to, "handoffs_out", c->handoffs_out);
	add_number(to, "copies_in", c->copies_in);
	add_number(to, "copies_out", c->copies_out);
	add_number(to, "revokes", c->revokes);
	add_number(to, "forwards", c->forwards);
	add_number(to, "created", c->created);
	add_number(to, "adopted", c->adopted);
	add_number(to, "resolutions", c->resolutions);
	add_number(to, "parked", c->parked);
	add_number(to, "locations", c->locations);
	add_number(to, "orphans", c->orphans);
	add_number(to, "packets_sent", c->packets_sent);
	add_number(to, "packets_received", c->packets_received);
	add_number(to, "views", c->views);
	add_number(to, "recoveries", c->recoveries);
	add_number(to, "last_recovery_ms",
		   since(c->last_recovery_end_ms, c->last_recovery_start_ms));
	return to;
}

static json *vacuuming_json(const struct core_status *c)
{
	json *to = json_object_new_object();

	add_number(to, "scheduled", c->vacuum_scheduled);
	add_number(to, "waiting", c->vacuum_candidates);
	add_number(to, "given_back", c->vacuum_returned);
	add_number(to, "deleted", c->vacuumed);
	add_number(to, "overflows", c->vacuum_overflows);
	add_number(to, "passes", c->vacuum_passes);
	return to;
}

/* The reason is that of the view: "sentence" and "text" above */
static json *waiting_json(struct clients *s, uint64_t now_ms)
{
	json *to = json_object_new_object();
	struct core_waiting w;

	core_waiting(s->engine->core, &w);
	add_number(to, "calls", w.n);
	add_number(to, "waited_ms", w.n > 0 ? since(now_ms, w.oldest_ms) : 0);
	add_number(to, "kept", client_waits_held(s));
	add_number(to, "limit_ms",
		   tunable_get(&s->tunables, TUNABLE_RecoveryDropAllIPs) * 1000ULL);
	return to;
}

static json *traverses_json(const struct core_status *c)
{
	json *to = json_object_new_object();

	add_number(to, "begun", c->traverses);
	add_number(to, "now", c->traverses_now);
	add_number(to, "records", c->traverse_records);
	add_number(to, "incomplete", c->traverses_failed);
	return to;
}

static json *store_json(struct engine *e)
{
	json *to = json_object_new_object();
	struct store_stats st;

	store_stats(e, &st);
	add_number(to, "lock_waits", st.lock_waits);
	add_number(to, "lock_waits_now", st.lock_waits_now);
	add_number(to, "lock_waits_queued", st.lock_waits_queued);
	add_number(to, "lock_failures", st.lock_failures);
	add_number(to, "lock_wait_us_total", st.lock_wait_us_total);
	add_number(to, "lock_wait_us_max", st.lock_wait_us_max);
	return to;
}

int status_json(struct clients *s, struct writer *w)
{
	struct engine *e = s->engine;
	json *to = json_object_new_object();
	uint64_t now_ms = engine_now_ms();
	struct core_status c;

	core_status(e->core, &c);
	add_number(to, "format", 1);
	add_text(to, "version", PACKAGE_VERSION);
	json_object_object_add(to, "node", node_json(e));
	add_view(to, s, &c, now_ms);
	json_object_object_add(to, "draining", draining_json(&c, now_ms));
	json_object_object_add(to, "leader", leader_json(e, s->leader));
	json_object_object_add(to, "gates", gates_json(&c, now_ms));
	json_object_object_add(to, "recovery_lock", lock_json(e, &c));
	json_object_object_add(to, "pacemaker", pacemaker_json(e));
	add_bool(to, "allow_unfenced", e->options->number[OPTION_allow_unfenced] != 0);
	json_object_object_add(to, "corosync", corosync_json(e));
	json_object_object_add(to, "warnings", warnings_json(e));
	json_object_object_add(to, "nodes", nodes_json(e));
	add_databases(to, e);
	json_object_object_add(to, "clients", clients_json(s, now_ms));
	json_object_object_add(to, "records", records_json(&c));
	json_object_object_add(to, "vacuuming", vacuuming_json(&c));
	json_object_object_add(to, "waiting", waiting_json(s, now_ms));
	json_object_object_add(to, "recovery", status_recovery_json(e, &c, now_ms));
	json_object_object_add(to, "traverses", traverses_json(&c));
	json_object_object_add(to, "store", store_json(e));
	const char *text = json_object_to_json_string_ext(to, JSON_STYLE);
	int rc = text ? 0 : -ENOMEM;
	if (text)
		ctdb_text_encode(w, text);
	json_object_put(to);
	return rc ? rc : w->failed ? -ENOSPC : 0;
}
