/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * db.c: which databases there are. An attach is a CPG message, so every node opens the same
 * databases in the same order; a joiner learns the others' from their STATE. The id is CTDB's:
 * Bob Jenkins' lookup3 over the name with its NUL.
 */
#include <errno.h>
#include <stdlib.h>
#include "internal.h"
#include "lib/jenkins.h"

struct db *db_get(struct core *c, uint32_t db_id)
{
	for (size_t i = 0; i < c->db_n; i++)
		if (c->db[i]->db_id == db_id)
			return c->db[i];
	return NULL;
}

int db_learn(struct core *c, const char *name, uint32_t flags)
{
	uint32_t id = jenkins_db_id(name);
	struct db *db = db_get(c, id);
	int rc;

	if (db != NULL)
		return strcmp(db->name, name) == 0 ? 0 : -EEXIST;
	if (c->db_n == CORE_MAX_DBS)
		return -ENOSPC;
	rc = c->ops->db_open(c->world, id, name, flags);
	if (rc != 0) {
		core_log(c, CORE_LOG_ERROR, "a database cannot be opened | db=%s error=%s", name,
			 strerror(-rc));
		return rc;
	}
	db = core_alloc(sizeof(*db));
	db->db_id = id;
	db->flags = flags;
	db->is_swept = true; /* it is new: a sweep that is going on has nothing to find in it */
	memcpy(db->name, name, strlen(name));
	c->db[c->db_n++] = db;
	core_log(c, CORE_LOG_INFO, "database attached | db=%s id=0x%08x flags=%u", name, id, flags);
	/* packets for it may have come before the attach */
	for (uint32_t i = 0; i < CORE_MAX_NODES; i++)
		if (c->node[i] != NULL && c->node[i]->is_held)
			c->ops->peer_resume(c->world, i);
	return 0;
}

int core_attach(struct core *c, const char *name, uint32_t flags)
{
	uint8_t buf[CORE_NAME_SIZE + 32];
	struct writer w = writer_of(buf, sizeof(buf));
	struct db *db;

	if (name[0] == '\0' || strlen(name) >= CORE_NAME_SIZE || strchr(name, '/') != NULL)
		return -EINVAL;
	db = db_get(c, jenkins_db_id(name));
	if (db != NULL && strcmp(db->name, name) != 0)
		return -EEXIST;
	/* as CTDB has it: one that exists may have more of a type than was asked for, not less */
	if (db != NULL)
		return (db->flags & flags) == flags ? 0 : -EINVAL;
	if (c->db_n == CORE_MAX_DBS)
		return -ENOSPC;
	writer_u8(&w, CONTROL_ATTACH);
	writer_u32(&w, flags);
	writer_text(&w, name);
	c->ops->multicast(c->world, buf, w.len);
	return -EINPROGRESS;
}

int core_db_info(const struct core *c, size_t i, struct core_db_info *info)
{
	if (i >= c->db_n)
		return -ENOENT;
	info->db_id = c->db[i]->db_id;
	info->flags = c->db[i]->flags;
	memcpy(info->name, c->db[i]->name, sizeof(info->name));
	return 0;
}

uint32_t core_lmaster(const struct core *c, uint32_t db_id, struct slice key)
{
	return c->is_active ? slot_lmaster(c, core_hash(db_id, key)) : CORE_UNKNOWN_PNN;
}
