/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cluster_private.h: what cluster.c and cluster_map.c share */
#ifndef COTDB_CLUSTER_PRIVATE_H
#define COTDB_CLUSTER_PRIVATE_H

#include <corosync/cmap.h>
#include <corosync/cpg.h>
#include <corosync/quorum.h>
#include "cluster.h"

/* A message that corosync has not taken yet */
struct cluster_message {
	struct cluster_message *next;
	size_t len;
	uint8_t data[];
};

/* How far joining has come; each step may have to be tried again later */
enum cluster_step { CLUSTER_CPG, CLUSTER_JOIN, CLUSTER_QUORUM, CLUSTER_TRACK, CLUSTER_JOINED };

enum { CLUSTER_TRACKS = 3 }; /* what of the map is watched */

struct cluster {
	struct engine *engine;

	/* cluster_map.c */
	cmap_handle_t cmap;
	int cmap_fd;
	cmap_track_handle_t track[CLUSTER_TRACKS];
	bool is_map_stale; /* a change was reported and not read yet */
	struct cluster_node *nodes;
	size_t nodes_n;
	uint32_t local_nodeid;
	struct cluster_settings settings;

	/* cluster.c */
	enum cluster_step step;
	uint64_t step_deadline_ms;
	cpg_handle_t cpg;
	int cpg_fd;
	uint32_t max_message;
	bool has_ring, has_members;
	struct core_ring ring;
	struct core_member members[CPG_MEMBERS_MAX];
	size_t members_n;
	quorum_handle_t quorum;
	int quorum_fd;
	bool is_quorate;

	struct cluster_message *head, **tail;
	size_t queued;
	bool is_retry_armed;
	qb_loop_timer_handle retry_timer;
};

/* Connects to cmap, reads everything, tracks changes of the nodelist. 0 or -errno */
int cluster_map_open(struct cluster *c);
void cluster_map_close(struct cluster *c);
/* -errno of a corosync error */
int cluster_errno(cs_error_t err);
/* corosync is gone: ends the engine */
void cluster_lost(struct cluster *c, const char *what, cs_error_t err);
/* A handle can be read: step has its library work off what came. False, and the handle is done
 * with, when the engine stops or corosync is gone. */
bool cluster_dispatch(struct cluster *c, const char *what, int32_t revents,
		      cs_error_t (*step)(struct cluster *c));

#endif
