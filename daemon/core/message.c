/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * message.c: messages to srvids. A client registers any number of them, the same one several times
 * if it likes (and gets the message as often); SRVID_ALL gets every message to this node. Newest
 * registration first, the sender included. Nobody registered: dropped, as CTDB does.
 */
#include <errno.h>
#include <stdlib.h>
#include "internal.h"

static size_t srvid_bucket(uint64_t srvid)
{
	return (size_t)((srvid * 0x9E3779B97F4A7C15ULL) >> 52) & (SRVID_BUCKETS - 1);
}

void core_register(struct core *c, uint64_t client, uint64_t srvid)
{
	struct registration *r = core_alloc(sizeof(*r)), **head = &c->srvid[srvid_bucket(srvid)];

	r->srvid = srvid;
	r->client = client;
	r->next = *head;
	*head = r;
}

int core_deregister(struct core *c, uint64_t client, uint64_t srvid)
{
	struct registration **p = &c->srvid[srvid_bucket(srvid)];

	for (; *p != NULL; p = &(*p)->next) {
		struct registration *r = *p;

		if (r->srvid != srvid || r->client != client)
			continue;
		*p = r->next;
		free(r);
		return 0;
	}
	return -ENOENT;
}

bool core_is_registered(const struct core *c, uint64_t client, uint64_t srvid)
{
	for (const struct registration *r = c->srvid[srvid_bucket(srvid)]; r != NULL; r = r->next)
		if (r->srvid == srvid && r->client == client)
			return true;
	return false;
}

void message_client_gone(struct core *c, uint64_t client)
{
	for (size_t i = 0; i < SRVID_BUCKETS; i++) {
		struct registration **p = &c->srvid[i];

		while (*p != NULL) {
			struct registration *r = *p;

			if (r->client == client) {
				*p = r->next;
				free(r);
			} else {
				p = &r->next;
			}
		}
	}
}

void message_free(struct core *c)
{
	for (size_t i = 0; i < SRVID_BUCKETS; i++) {
		struct registration *r;

		while ((r = c->srvid[i]) != NULL) {
			c->srvid[i] = r->next;
			free(r);
		}
	}
}

static void deliver_to(struct core *c, uint64_t registered, uint64_t srvid, struct slice data)
{
	for (const struct registration *r = c->srvid[srvid_bucket(registered)]; r != NULL;
	     r = r->next)
		if (r->srvid == registered)
			c->ops->message(c->world, r->client, srvid, data);
}

void message_deliver(struct core *c, uint64_t srvid, struct slice data)
{
	deliver_to(c, srvid, srvid, data);
	if (srvid != CORE_SRVID_ALL)
		deliver_to(c, CORE_SRVID_ALL, srvid, data);
}

int core_message(struct core *c, uint32_t dest, uint64_t srvid, struct slice data)
{
	struct packet p = { .type = PACKET_MESSAGE, .srvid = srvid, .data = data };

	if (c->is_retired || data.len > CORE_MAX_RECORD)
		return 0;
	if (dest == CORE_CURRENT_NODE || dest == c->self) {
		packet_send(c, c->self, &p);
	} else if (dest == CORE_BROADCAST_ACTIVE) {
		for (size_t i = 0; i < c->active_n && c->is_active; i++)
			packet_send(c, c->active[i].pnn, &p);
	} else if (dest == CORE_BROADCAST_ALL || dest == CORE_BROADCAST_CONNECTED) {
		for (size_t i = 0; i < c->view.n; i++)
			packet_send(c, c->view.member[i].pnn, &p);
	} else {
		packet_send(c, dest, &p);
	}
	core_run(c);
	return core_is_congested(c);
}

int core_forward(struct core *c, uint32_t pnn, struct slice data)
{
	struct packet p = { .type = PACKET_FOREIGN, .data = data };

	if (c->is_retired || pnn >= CORE_MAX_NODES || c->node[pnn] == NULL ||
	    !c->node[pnn]->is_member)
		return -EHOSTUNREACH;
	if (data.len > CORE_MAX_RECORD)
		return -EMSGSIZE;
	packet_send(c, pnn, &p);
	core_run(c);
	return core_is_peer_congested(c, pnn);
}
