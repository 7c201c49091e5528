/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cluster.h: corosync. The CPG group of the engines (control plane, ring ids), quorum, and what
 * cmap knows: the nodelist with names and addresses, and the settings that matter to us.
 */
#ifndef COTDB_CLUSTER_H
#define COTDB_CLUSTER_H

#include "engine.h"

/* A node of corosync's nodelist; a number that is missing between two is a DELETED node for CTDB's
 * tools */
struct cluster_node {
	uint32_t pnn, nodeid;
	char name[CORE_NAME_SIZE];
	char address[CORE_NAME_SIZE]; /* ring0_addr as configured: an address or a host's name */
};

struct cluster_settings {
	bool has_two_node, has_auto_tie_breaker;
	bool is_encrypted; /* totem.crypto_cipher is not none */
	uint32_t token_ms, consensus_ms;
};

/* Connects to cmap and reads it: fills e->pnn and e->node_name. 0 or -errno, -ERANGE for a nodeid
 * above 1024 */
int cluster_open(struct engine *e);
/* Joins the group and tracks quorum: events go to e->core from now on. 0 or -errno */
int cluster_join(struct engine *e);
void cluster_close(struct engine *e);

/* The nodelist by pnn, lent until the next event of the loop */
size_t cluster_nodes(const struct engine *e, const struct cluster_node **nodes);
/* NULL when it is not in the nodelist */
const struct cluster_node *cluster_node_by_pnn(const struct engine *e, uint32_t pnn);
const struct cluster_settings *cluster_settings(const struct engine *e);
/* Numeric ring0 address of this node; 0 or -errno */
int cluster_local_address(const struct engine *e, char *address, size_t size);
bool cluster_is_quorate(const struct engine *e);

/* Queues a message for the group; what corosync does not take now is sent later, in order */
void cluster_multicast(struct engine *e, const void *msg, size_t len);
/* Messages that wait for corosync */
size_t cluster_queued(const struct engine *e);

#endif
