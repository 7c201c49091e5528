/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cib_corosync.c: the nodelist and the flags that the CIB is compared with, from cmap */
#include "config.h"
#include "cib_corosync.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <corosync/cmap.h>

#define MAX_POSITIONS 4096U

static bool get_flag(cmap_handle_t cmap, const char *key)
{
	uint8_t value = 0;

	return cmap_get_uint8(cmap, key, &value) == CS_OK && value != 0;
}

static int members_read(cmap_handle_t cmap, struct cib_corosync *c)
{
	cmap_iter_handle_t iter;
	char key[CMAP_KEYNAME_MAXLEN + 1];
	uint32_t own_position = UINT32_MAX;
	int error = 0;

	(void)cmap_get_uint32(cmap, "nodelist.local_node_pos", &own_position);
	if (cmap_iter_init(cmap, "nodelist.node.", &iter) != CS_OK)
		return -ENOTCONN;
	while (cmap_iter_next(cmap, iter, key, NULL, NULL) == CS_OK) {
		struct cib_member *grown, *m;
		char name_key[64], *name = NULL;
		unsigned int position;
		uint32_t nodeid;
		int end = 0;

		if (sscanf(key, "nodelist.node.%u.nodeid%n", &position, &end) != 1 || end == 0 ||
		    key[end] != '\0' || position >= MAX_POSITIONS ||
		    cmap_get_uint32(cmap, key, &nodeid) != CS_OK)
			continue;
		grown = reallocarray(c->members, c->n_members + 1, sizeof(*grown));
		if (grown == NULL) {
			error = -ENOMEM;
			break;
		}
		c->members = grown;
		m = &grown[c->n_members++];
		m->nodeid = nodeid;
		m->name[0] = '\0';
		(void)snprintf(name_key, sizeof(name_key), "nodelist.node.%u.name", position);
		if (cmap_get_string(cmap, name_key, &name) == CS_OK && name != NULL)
			(void)snprintf(m->name, sizeof(m->name), "%s", name);
		free(name);
		if (position == own_position)
			c->own_nodeid = nodeid;
	}
	(void)cmap_iter_finalize(cmap, iter);
	return error;
}

int cib_corosync_read(struct cib_corosync *c)
{
	cmap_handle_t cmap;
	char *cipher = NULL;
	int error;

	memset(c, 0, sizeof(*c));
	if (cmap_initialize(&cmap) != CS_OK)
		return -ENOTCONN;
	c->is_two_node = get_flag(cmap, "quorum.two_node");
	c->has_auto_tie_breaker = get_flag(cmap, "quorum.auto_tie_breaker");
	c->is_crypto_off = cmap_get_string(cmap, "totem.crypto_cipher", &cipher) != CS_OK ||
			   cipher == NULL || strcmp(cipher, "none") == 0;
	free(cipher);
	error = members_read(cmap, c);
	(void)cmap_finalize(cmap);
	c->is_known = error == 0;
	return error;
}

void cib_corosync_free(struct cib_corosync *c)
{
	free(c->members);
	memset(c, 0, sizeof(*c));
}
