/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cluster_map.c: what corosync's configuration map (cmap) says: nodes, their names and addresses,
 * and the few settings that we must know. Read when the engine starts, and again whenever the
 * nodelist changes (corosync-cfgtool -R).
 *
 * A node without a name in the nodelist goes by the name that Pacemaker gives it: its ring0_addr
 * when that is a host's name; the local node by uname -n.
 */
#include "cluster_private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "daemon/log.h"
#include "helpers.h"

enum { MAP_CONNECT_TRIES = 40, MAP_CONNECT_PAUSE_NS = 50 * 1000 * 1000 };

/* cmap has a type for each width; we only want the number */
static int map_number(cmap_handle_t cmap, const char *key, uint32_t *number)
{
	union {
		uint8_t u8;
		uint16_t u16;
		uint32_t u32;
		uint64_t u64;
	} value;
	size_t len = sizeof(value);
	cmap_value_types_t type;

	if (cmap_get(cmap, key, &value, &len, &type) != CS_OK)
		return -ENOENT;
	switch (type) {
	case CMAP_VALUETYPE_INT8:
	case CMAP_VALUETYPE_UINT8:
		*number = value.u8;
		return 0;
	case CMAP_VALUETYPE_INT16:
	case CMAP_VALUETYPE_UINT16:
		*number = value.u16;
		return 0;
	case CMAP_VALUETYPE_INT32:
	case CMAP_VALUETYPE_UINT32:
		*number = value.u32;
		return 0;
	case CMAP_VALUETYPE_INT64:
	case CMAP_VALUETYPE_UINT64:
		*number = value.u64 > UINT32_MAX ? UINT32_MAX : (uint32_t)value.u64;
		return 0;
	default:
		return -EINVAL;
	}
}

static bool map_is_set(cmap_handle_t cmap, const char *key)
{
	uint32_t number;

	return map_number(cmap, key, &number) == 0 && number != 0;
}

static int map_text(cmap_handle_t cmap, const char *key, char *text, size_t size)
{
	char *value;
	int n;

	if (cmap_get_string(cmap, key, &value) != CS_OK)
		return -ENOENT;
	n = snprintf(text, size, "%s", value);
	free(value);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static bool is_numeric_address(const char *text)
{
	struct in6_addr a;

	return inet_pton(AF_INET, text, &a) == 1 || inet_pton(AF_INET6, text, &a) == 1;
}

static void map_node_name(struct cluster *c, uint32_t position, struct cluster_node *node)
{
	char key[CMAP_KEYNAME_MAXLEN + 1];

	snprintf(key, sizeof(key), "nodelist.node.%u.name", position);
	if (map_text(c->cmap, key, node->name, sizeof(node->name)) == 0 && node->name[0] != '\0')
		return;
	if (node->address[0] != '\0' && !is_numeric_address(node->address))
		snprintf(node->name, sizeof(node->name), "%s", node->address);
	else if (node->nodeid != c->local_nodeid || gethostname(node->name, sizeof(node->name)) < 0)
		snprintf(node->name, sizeof(node->name), "node%u", node->nodeid);
	node->name[sizeof(node->name) - 1] = '\0';
}

static int node_compare(const void *a, const void *b)
{
	const struct cluster_node *x = a, *y = b;

	return x->nodeid < y->nodeid ? -1 : x->nodeid > y->nodeid;
}

/* The positions of the nodelist, which need not be without gaps */
static int map_positions(cmap_handle_t cmap, uint32_t **positions, size_t *n)
{
	char key[CMAP_KEYNAME_MAXLEN + 1];
	cmap_iter_handle_t iter;
	size_t len, room = 0;
	cmap_value_types_t type;

	*positions = NULL;
	*n = 0;
	if (cmap_iter_init(cmap, "nodelist.node.", &iter) != CS_OK)
		return -EIO;
	while (cmap_iter_next(cmap, iter, key, &len, &type) == CS_OK) {
		uint32_t position, *more;
		int end = 0;

		if (sscanf(key, "nodelist.node.%u.nodeid%n", &position, &end) != 1 || end == 0 ||
		    key[end] != '\0')
			continue;
		if (*n == room) {
			room = room == 0 ? 16 : room * 2;
			more = realloc(*positions, room * sizeof(*more));
			if (more == NULL) {
				cmap_iter_finalize(cmap, iter);
				return -ENOMEM;
			}
			*positions = more;
		}
		(*positions)[(*n)++] = position;
	}
	cmap_iter_finalize(cmap, iter);
	return 0;
}

static int map_read_nodes(struct cluster *c)
{
	char key[CMAP_KEYNAME_MAXLEN + 1];
	struct cluster_node *nodes = NULL;
	uint32_t *positions = NULL;
	size_t n, used = 0;
	int rc;

	rc = map_positions(c->cmap, &positions, &n);
	if (rc != 0)
		goto out;
	nodes = calloc(n + 1, sizeof(*nodes));
	if (nodes == NULL) {
		rc = -ENOMEM;
		goto out;
	}
	for (size_t i = 0; i < n; i++) {
		struct cluster_node *node = &nodes[used];

		snprintf(key, sizeof(key), "nodelist.node.%u.nodeid", positions[i]);
		if (map_number(c->cmap, key, &node->nodeid) != 0 || node->nodeid == 0)
			continue;
		if (node->nodeid > CORE_MAX_NODES && node->nodeid != c->local_nodeid) {
			log_warning("node is not usable: its nodeid is above %u | nodeid=%u",
				    CORE_MAX_NODES, node->nodeid);
			continue;
		}
		node->pnn = node->nodeid - 1;
		snprintf(key, sizeof(key), "nodelist.node.%u.ring0_addr", positions[i]);
		if (map_text(c->cmap, key, node->address, sizeof(node->address)) != 0)
			node->address[0] = '\0';
		map_node_name(c, positions[i], node);
		used++;
	}
	qsort(nodes, used, sizeof(*nodes), node_compare);
	free(c->nodes);
	c->nodes = nodes;
	c->nodes_n = used;
	nodes = NULL;
out:
	free(nodes);
	free(positions);
	return rc;
}

static void map_read_settings(struct cluster *c)
{
	struct cluster_settings *s = &c->settings;
	char cipher[64];

	s->has_two_node = map_is_set(c->cmap, "quorum.two_node") ||
			  map_is_set(c->cmap, "runtime.votequorum.two_node");
	s->has_auto_tie_breaker = map_is_set(c->cmap, "quorum.auto_tie_breaker");
	s->is_encrypted = map_text(c->cmap, "totem.crypto_cipher", cipher, sizeof(cipher)) == 0 &&
			  strcmp(cipher, "none") != 0;
	if (map_number(c->cmap, "runtime.config.totem.token", &s->token_ms) != 0)
		s->token_ms = 0;
	if (map_number(c->cmap, "runtime.config.totem.consensus", &s->consensus_ms) != 0)
		s->consensus_ms = 0;
}

/* The nodeid of this node: the nodelist's, or what votequorum uses */
static int map_read_local(struct cluster *c)
{
	char key[CMAP_KEYNAME_MAXLEN + 1];
	uint32_t position;

	if (map_number(c->cmap, "runtime.votequorum.this_node_id", &c->local_nodeid) == 0)
		return 0;
	if (map_number(c->cmap, "nodelist.local_node_pos", &position) != 0)
		return -ENOENT;
	snprintf(key, sizeof(key), "nodelist.node.%u.nodeid", position);
	return map_number(c->cmap, key, &c->local_nodeid);
}

static void map_changed(cmap_handle_t handle, cmap_track_handle_t track, int32_t event,
			const char *key, struct cmap_notify_value new_value,
			struct cmap_notify_value old_value, void *data)
{
	struct cluster *c = data;

	(void)handle, (void)track, (void)event, (void)key, (void)new_value, (void)old_value;
	c->is_map_stale = true;
}

static cs_error_t cmap_step(struct cluster *c)
{
	return cmap_dispatch(c->cmap, CS_DISPATCH_ALL);
}

static int32_t map_dispatch(int32_t fd, int32_t revents, void *data)
{
	struct cluster *c = data;

	(void)fd;
	if (!cluster_dispatch(c, "cmap", revents, cmap_step))
		return -1;
	if (c->is_map_stale) {
		int rc = map_read_nodes(c);

		c->is_map_stale = rc != 0; /* then with the next change */
		if (rc != 0)
			log_error("corosync's nodelist cannot be read again | error=%s",
				  strerror(-rc));
		map_read_settings(c);
		log_notice("corosync's configuration has changed | nodes=%zu two_node=%d", c->nodes_n,
			   c->settings.has_two_node);
		helpers_nodes_changed(c->engine);
		engine_settings_changed(c->engine);
		engine_after_event(c->engine);
	}
	return 0;
}

static cs_error_t map_connect(cmap_handle_t *cmap)
{
	const struct timespec pause = { .tv_nsec = MAP_CONNECT_PAUSE_NS };
	cs_error_t err = CS_ERR_TRY_AGAIN;

	/* Before the loop runs: nobody is served yet, so a short wait harms nobody */
	for (int i = 0; i < MAP_CONNECT_TRIES && err == CS_ERR_TRY_AGAIN; i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		err = cmap_initialize(cmap);
	}
	return err;
}

int cluster_map_open(struct cluster *c)
{
	static const char *const tracked[CLUSTER_TRACKS] = { "nodelist.", "quorum.",
							     "runtime.votequorum.two_node" };
	cs_error_t err = map_connect(&c->cmap);
	int rc;

	if (err != CS_OK) {
		log_error("corosync does not answer (cmap) | error=%s", cs_strerror(err));
		return cluster_errno(err);
	}
	if (map_read_local(c) != 0) {
		log_error("corosync's configuration has no nodelist with this node");
		return -ENOENT;
	}
	rc = map_read_nodes(c);
	if (rc != 0)
		return rc;
	map_read_settings(c);
	for (size_t i = 0; i < sizeof(tracked) / sizeof(tracked[0]) && err == CS_OK; i++)
		err = cmap_track_add(c->cmap, tracked[i],
				     CMAP_TRACK_ADD | CMAP_TRACK_DELETE | CMAP_TRACK_MODIFY |
					 CMAP_TRACK_PREFIX,
				     map_changed, c, &c->track[i]);
	if (err == CS_OK)
		err = cmap_fd_get(c->cmap, &c->cmap_fd);
	if (err != CS_OK)
		return cluster_errno(err);
	return qb_loop_poll_add(c->engine->loop, QB_LOOP_HIGH, c->cmap_fd, POLLIN, c, map_dispatch);
}

void cluster_map_close(struct cluster *c)
{
	if (c->cmap_fd >= 0)
		qb_loop_poll_del(c->engine->loop, c->cmap_fd);
	if (c->cmap != 0)
		cmap_finalize(c->cmap);
	free(c->nodes);
}

int cluster_local_address(const struct engine *e, char *address, size_t size)
{
	const struct cluster *c = e->cluster;
	const struct cluster_node *node = cluster_node_by_pnn(e, e->pnn);
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	struct addrinfo *found;
	char key[CMAP_KEYNAME_MAXLEN + 1], text[CORE_NAME_SIZE], *ip;
	int rc;

	/* What corosync made of it: "r(0) ip(10.0.0.1) r(1) ..." */
	snprintf(key, sizeof(key), "runtime.members.%u.ip", c->local_nodeid);
	if (map_text(c->cmap, key, text, sizeof(text)) == 0) {
		ip = strstr(text, "ip(");
		if (ip != NULL) {
			ip += strlen("ip(");
			ip[strcspn(ip, ")")] = '\0';
			if (is_numeric_address(ip)) {
				snprintf(address, size, "%s", ip);
				return 0;
			}
		}
	}
	if (node == NULL || node->address[0] == '\0')
		return -ENOENT;
	if (is_numeric_address(node->address)) {
		snprintf(address, size, "%s", node->address);
		return 0;
	}
	/* A host's name: only while the engine starts */
	if (getaddrinfo(node->address, NULL, &hints, &found) != 0)
		return -EADDRNOTAVAIL;
	rc = getnameinfo(found->ai_addr, found->ai_addrlen, address, (socklen_t)size, NULL, 0,
			 NI_NUMERICHOST);
	freeaddrinfo(found);
	return rc == 0 ? 0 : -EADDRNOTAVAIL;
}
