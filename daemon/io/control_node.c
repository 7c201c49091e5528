/* SPDX-License-Identifier: GPL-3.0-or-later */
/* control_node.c: controls about this node, the cluster as it sees it, and its tunables */
#include "control_handlers.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>
#include "cluster.h"
#include "daemon/log.h"

int32_t control_ping(struct control_request *r, struct control_answer *a)
{
	(void)a;
	return (int32_t)r->clients->count;
}

int32_t control_get_pid(struct control_request *r, struct control_answer *a)
{
	(void)r, (void)a;
	return getpid();
}

int32_t control_get_pnn(struct control_request *r, struct control_answer *a)
{
	(void)a;
	return (int32_t)r->engine->pnn;
}

int32_t control_get_recmode(struct control_request *r, struct control_answer *a)
{
	(void)a;
	return r->clients->is_active ? CTDB_RECMODE_NORMAL : CTDB_RECMODE_ACTIVE;
}

int32_t control_get_runstate(struct control_request *r, struct control_answer *a)
{
	writer_u32(&a->data, r->engine->is_stopping   ? CTDB_RUNSTATE_SHUTDOWN
			     : r->clients->was_active ? CTDB_RUNSTATE_RUNNING
						      : CTDB_RUNSTATE_FIRST_RECOVERY);
	return 0;
}

int32_t control_get_capabilities(struct control_request *r, struct control_answer *a)
{
	(void)r;
	writer_u32(&a->data, CTDB_CAP_LEADER | CTDB_CAP_LMASTER | CTDB_CAP_FEATURES);
	return 0;
}

int32_t control_get_vnnmap(struct control_request *r, struct control_answer *a)
{
	uint32_t pnns[CORE_MAX_NODES], n = 0;
	struct core_node_status node;

	for (size_t i = 0; r->clients->is_active && n < CORE_MAX_NODES &&
			   core_node_status(r->engine->core, i, &node) == 0;
	     i++)
		if (node.state == CORE_NODE_ACTIVE)
			pnns[n++] = node.pnn;
	ctdb_vnnmap_encode(&a->data, r->clients->generation, pnns, n);
	return 0;
}

/* ---- nodes
 * ------------------------------------------------------------------------------------------- */

/* CTDB's flags for what a node is to us. Samba refuses to start when its own node is disconnected,
 * so this one never is: it waits for us instead. */
static uint32_t node_flags(const struct engine *e, const struct core_node_status *n)
{
	if (n->state == CORE_NODE_ACTIVE && (n->pnn != e->pnn || e->clients->is_active))
		return 0;
	if (n->state == CORE_NODE_ABSENT && n->pnn != e->pnn)
		return CTDB_NODE_DISCONNECTED | CTDB_NODE_UNHEALTHY;
	return CTDB_NODE_UNHEALTHY;
}

/* The address that CTDB's tools print: the one a node serves peers on, else corosync's */
static struct ctdb_address node_address(struct engine *e, uint32_t pnn, const char *told)
{
	const struct cluster_node *known = cluster_node_by_pnn(e, pnn);
	uint16_t port = (uint16_t)e->options->number[OPTION_port];
	struct ctdb_address address;

	if ((told && ctdb_address_parse(&address, told, port) == 0) ||
	    (known && ctdb_address_parse(&address, known->address, port) == 0) ||
	    ctdb_address_parse(&address, "0.0.0.0", port) == 0)
		return address;
	return (struct ctdb_address){ 0 };
}

struct node_entry {
	bool is_there;
	uint32_t flags;
	struct ctdb_address address;
};

/* The entries by pnn, as corosync's nodelist and the core know them; their number */
static uint32_t nodes_collect(struct engine *e, struct node_entry entry[CORE_MAX_NODES])
{
	const struct cluster_node *list;
	struct core_node_status node;
	size_t n = cluster_nodes(e, &list);
	uint32_t end = e->pnn + 1;

	for (size_t i = 0; i < n; i++)
		if (list[i].pnn < CORE_MAX_NODES) {
			bool is_self = list[i].pnn == e->pnn;
			entry[list[i].pnn] = (struct node_entry){
				.is_there = true,
				.flags =
				    CTDB_NODE_UNHEALTHY | (is_self ? 0 : CTDB_NODE_DISCONNECTED),
				.address = node_address(e, list[i].pnn, NULL),
			};
			if (list[i].pnn >= end)
				end = list[i].pnn + 1;
		}
	for (size_t i = 0; core_node_status(e->core, i, &node) == 0; i++) {
		bool is_known = node.pnn < CORE_MAX_NODES &&
				(entry[node.pnn].is_there || node.state != CORE_NODE_ABSENT);
		if (!is_known)
			continue; /* taken out of the nodelist */
		entry[node.pnn] = (struct node_entry){
			.is_there = true,
			.flags = node_flags(e, &node),
			.address = node_address(e, node.pnn, node.address),
		};
		if (node.pnn >= end)
			end = node.pnn + 1;
	}
	return end;
}

static int32_t nodemap_answer(struct control_request *r, struct control_answer *a, bool has_flags)
{
	static const struct node_entry deleted = { .flags = CTDB_NODE_DELETED };
	struct node_entry entry[CORE_MAX_NODES] = { 0 };
	uint32_t n = nodes_collect(r->engine, entry);
	struct ctdb_address none;

	ctdb_address_parse(&none, "0.0.0.0", (uint16_t)r->engine->options->number[OPTION_port]);
	writer_u32(&a->data, n);
	for (uint32_t pnn = 0; pnn < n; pnn++) {
		const struct node_entry *one = entry[pnn].is_there ? &entry[pnn] : &deleted;
		struct ctdb_node node = { .pnn = pnn, .flags = one->flags };
		node.address = entry[pnn].is_there ? one->address : none;
		if (!has_flags)
			node.flags &= CTDB_NODE_DELETED;
		ctdb_node_encode(&a->data, &node);
	}
	return 0;
}

int32_t control_get_nodemap(struct control_request *r, struct control_answer *a)
{
	return nodemap_answer(r, a, true);
}

int32_t control_get_nodes_file(struct control_request *r, struct control_answer *a)
{
	return nodemap_answer(r, a, false);
}

/* ---- time
 * -------------------------------------------------------------------------------------------- */

/* A time of the monotonic clock as the wall clock shows it; 0 stays 0 */
static struct ctdb_timeval wall_of(int64_t now_us, uint64_t now_ms, uint64_t then_ms)
{
	if (then_ms == 0)
		return (struct ctdb_timeval){ 0 };
	int64_t us = now_us - (int64_t)(now_ms - then_ms) * 1000;
	return (struct ctdb_timeval){ .sec = us / 1000000, .usec = us % 1000000 };
}

int32_t control_uptime(struct control_request *r, struct control_answer *a)
{
	struct engine *e = r->engine;
	struct core_status status;
	struct timeval tv;

	gettimeofday(&tv, NULL);
	core_status(e->core, &status);
	int64_t now_us = (int64_t)tv.tv_sec * 1000000 + tv.tv_usec;
	uint64_t now_ms = engine_now_ms();
	struct ctdb_uptime u = {
		.now = { .sec = tv.tv_sec, .usec = tv.tv_usec },
		.daemon_start = { .sec = e->start_time_us / 1000000,
				  .usec = e->start_time_us % 1000000 },
		.last_recovery_start = wall_of(now_us, now_ms, status.last_recovery_start_ms),
		.last_recovery_end = wall_of(now_us, now_ms, status.last_recovery_end_ms),
	};
	ctdb_uptime_encode(&a->data, &u);
	return 0;
}

/* ---- settings
 * ---------------------------------------------------------------------------------------- */

int32_t control_get_reclock_file(struct control_request *r, struct control_answer *a)
{
	const char *path = r->engine->options->text[OPTION_recovery_lock];

	if (path[0] != '\0')
		ctdb_text_encode(&a->data, path);
	return 0;
}

/* CTDB's levels and syslog's, from the quietest */
static const struct {
	int32_t ctdb;
	int level;
} debug_levels[] = {
	{ CTDB_DEBUG_ERROR, LOG_ERR },	   { CTDB_DEBUG_WARNING, LOG_WARNING },
	{ CTDB_DEBUG_NOTICE, LOG_NOTICE }, { CTDB_DEBUG_INFO, LOG_INFO },
	{ CTDB_DEBUG_DEBUG, LOG_DEBUG },
};
#define DEBUG_LEVELS (sizeof(debug_levels) / sizeof(debug_levels[0]))

int32_t control_get_debug(struct control_request *r, struct control_answer *a)
{
	size_t i = DEBUG_LEVELS - 1;

	(void)r;
	while (i > 0 && debug_levels[i].level > log_level())
		i--;
	writer_u32(&a->data, (uint32_t)debug_levels[i].ctdb);
	return 0;
}

int32_t control_set_debug(struct control_request *r, struct control_answer *a)
{
	struct cursor c = cursor_of(r->data.p, r->data.len);
	size_t i = DEBUG_LEVELS - 1;
	uint32_t level;

	if (cursor_u32(&c, &level) || level > CTDB_DEBUG_DEBUG)
		return control_refuse(a, "the debug level must be 0 to %d", CTDB_DEBUG_DEBUG);
	while (i > 0 && debug_levels[i].ctdb > (int32_t)level)
		i--;
	log_level_set(debug_levels[i].level);
	return 0;
}

int32_t control_get_tunable(struct control_request *r, struct control_answer *a)
{
	struct cursor c = cursor_of(r->data.p, r->data.len);
	struct slice name;

	if (cursor_block(&c, r->data.len, &name))
		return control_refuse(a, "malformed name of a tunable");
	int id = tunable_by_name(name);
	if (id < 0) {
		control_refuse(a, "no such tunable");
		return -EINVAL;
	}
	writer_u32(&a->data, r->clients->tunables.value[id]);
	return 0;
}

int32_t control_set_tunable(struct control_request *r, struct control_answer *a)
{
	struct cursor c = cursor_of(r->data.p, r->data.len);
	struct ctdb_tunable t;

	if (ctdb_tunable_decode(&c, &t) != 0)
		return control_refuse(a, "malformed tunable");
	int id = tunable_by_name(slice_of(t.name, strlen(t.name)));
	if (id < 0)
		return control_refuse(a, "no such tunable");
	log_notice("a tunable was set by a client | name=%s value=%" PRIu32 " was=%" PRIu32,
		   tunable_table[id].name, t.value, r->clients->tunables.value[id]);
	r->clients->tunables.value[id] = t.value;
	tunables_apply(&r->clients->tunables, r->engine->core);
	return tunable_table[id].is_obsolete ? 1 : 0;
}

int32_t control_list_tunables(struct control_request *r, struct control_answer *a)
{
	char text[4096];
	int len = tunable_list(text, sizeof(text));

	(void)r;
	if (len < 0)
		return control_refuse(a, "the list of tunables is too long");
	writer_block(&a->data, text, (size_t)len);
	return 0;
}

int32_t control_get_all_tunables(struct control_request *r, struct control_answer *a)
{
	uint32_t value[TUNABLE_COUNT];

	tunables_by_place(&r->clients->tunables, value);
	for (size_t i = 0; i < TUNABLE_COUNT; i++)
		writer_u32(&a->data, value[i]);
	return 0;
}

/* ---- statistics
 * -------------------------------------------------------------------------------------- */

int32_t control_statistics(struct control_request *r, struct control_answer *a)
{
	struct ctdb_statistics t;

	counters_read(r->clients, &t);
	ctdb_statistics_encode(&a->data, &t);
	return 0;
}

int32_t control_statistics_reset(struct control_request *r, struct control_answer *a)
{
	(void)a;
	counters_reset(r->clients);
	return 0;
}

int32_t control_get_stat_history(struct control_request *r, struct control_answer *a)
{
	static const struct ctdb_statistics none;

	ctdb_statistics_list_encode(&a->data, COUNTERS_HISTORY);
	for (uint32_t i = 0; i < COUNTERS_HISTORY; i++) {
		const struct ctdb_statistics *t = counters_interval(r->clients, i);
		ctdb_statistics_encode(&a->data, t ? t : &none);
	}
	return 0;
}

int32_t control_dump_memory(struct control_request *r, struct control_answer *a)
{
	struct mallinfo2 m = mallinfo2();
	char text[256];
	int n = snprintf(text, sizeof(text),
			 "cotdb-engine %d: %zu bytes in use, %zu from the system, %zu clients\n",
			 (int)getpid(), m.uordblks, m.arena + m.hblkhd, r->clients->count);

	writer_bytes(&a->data, text, (size_t)n);
	return 0;
}

int32_t control_echo(struct control_request *r, struct control_answer *a)
{
	writer_bytes(&a->data, r->data.p, r->data.len);
	return 0;
}

int32_t control_drain(struct control_request *r, struct control_answer *a)
{
	struct cursor c = cursor_of(r->data.p, r->data.len);
	uint32_t is_wanted;

	if (cursor_u32(&c, &is_wanted) || is_wanted > 1)
		return control_refuse(a, "malformed data of a control of cotdb's own");
	core_drain(r->engine->core, is_wanted != 0);
	return 0;
}

int32_t control_status(struct control_request *r, struct control_answer *a)
{
	int rc = status_json(r->clients, &a->data);

	return rc == 0 ? 0 : control_refuse(a, "the status cannot be told: %s", strerror(-rc));
}

/* ---- what is Pacemaker's
 * ----------------------------------------------------------------------------- */

/* The list of addresses, or of interfaces, that we manage: none */
int32_t control_empty_list(struct control_request *r, struct control_answer *a)
{
	(void)r;
	writer_u32(&a->data, 0);
	return 0;
}

int32_t control_not_public(struct control_request *r, struct control_answer *a)
{
	(void)r;
	return control_refuse(a, "not an address of cotdb: addresses are Pacemaker's (IPaddr2)");
}

int32_t control_no_tickles(struct control_request *r, struct control_answer *a)
{
	(void)r;
	control_refuse(a, "not an address of cotdb: addresses are Pacemaker's (IPaddr2)");
	return 1;
}

int32_t control_pacemaker_stops(struct control_request *r, struct control_answer *a)
{
	log_notice("a client asked for a shutdown and was refused | pid=%d",
		   r->client ? (int)r->client->pid : 0);
	return control_refuse(
	    a, "Pacemaker starts and stops this daemon: disable its resource, or put the "
	       "node on standby");
}

int32_t control_pacemaker_decides(struct control_request *r, struct control_answer *a)
{
	(void)r;
	return control_refuse(a,
			      "Pacemaker decides where this daemon runs: put the node on standby "
			      "instead");
}
