/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * db.c: which databases there are. An attach is a CPG message, so every node opens the same
 * databases in the same order; a joiner learns the others' from their STATE, when all STATE is in.
 * The id is CTDB's: Bob Jenkins' lookup3 over the name with its NUL.
 *
 * Two parts of a group can each attach a database under one name, of two types: their records are
 * kept in ways that do not go together. When the parts meet, what the member of the newest active
 * generation (of equals, the lowest pnn) that has this name tells is the type. Every member
 * computes the same from all STATE, and a member that has told another is evicted: it retires its
 * files and comes back without databases, and its clients, which have to attach again, are told
 * that the type is another. Nothing weaker would do: clients have the old file mapped.
 */
#include <errno.h>
#include <stdlib.h>
#include "internal.h"
#include "lib/jenkins.h"

struct db *db_get(const struct core *c, uint32_t db_id)
{
	for (size_t i = 0; i < c->db_n; i++)
		if (c->db[i]->db_id == db_id)
			return c->db[i];
	return NULL;
}

/* READONLY and STICKY never end, and say nothing about the file. So it does not matter in what order
 * they come, and members that meet have what any of them has. */
static void db_add_properties(struct db *db, uint32_t flags)
{
	if (!db_is_replicated(db))
		db->flags |= flags & DB_PROPERTIES;
}

int db_learn(struct core *c, const char *name, uint32_t flags)
{
	uint32_t id = jenkins_db_id(name);
	struct db *db = db_get(c, id);
	int rc;

	if (db != NULL && strcmp(db->name, name) != 0)
		return -EEXIST;
	if (db != NULL) {
		db_add_properties(db, flags);
		return 0;
	}
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
	replica_opened(c, db);
	core_log(c, CORE_LOG_INFO, "database attached | db=%s id=0x%08x flags=%u", name, id, flags);
	/* packets for it may have come before the attach */
	for (uint32_t i = 0; i < CORE_MAX_NODES; i++)
		if (c->node[i] != NULL && c->node[i]->is_held)
			c->ops->peer_resume(c->world, i);
	return 0;
}

/* Without it this node would hold back every packet of a peer behind the first one for it */
void db_missing(struct core *c)
{
	if (c->is_retired)
		return;
	c->is_retired = true;
	c->ops->retire(c->world, REASON_NO_SPACE,
		       "a database that the cluster has cannot be opened here");
}

/* ---- when members meet ---- */

static bool db_is_other(const char *a, uint32_t a_flags, const struct db_told *b)
{
	return strcmp(a, b->name) != 0 ||
	       ((a_flags ^ b->flags) & (DB_PERSISTENT | DB_REPLICATED)) != 0;
}

/* Whose word counts more comes first; the same that known_is_evicted() goes by */
static int teller_order(const void *a, const void *b)
{
	const struct member *x = *(struct member *const *)a, *y = *(struct member *const *)b;

	if (x->active_generation != y->active_generation)
		return x->active_generation > y->active_generation ? -1 : 1;
	return x->pnn < y->pnn ? -1 : 1;
}

static int db_told(struct core *c, struct member *m, const struct db_told *t)
{
	struct db *db = db_get(c, t->db_id);

	if (db == NULL) {
		int rc = db_learn(c, t->name, t->flags);

		if (rc != 0)
			return rc;
		db = db_get(c, t->db_id);
	}
	if (!db_is_other(db->name, db->flags, t))
		db_add_properties(db, t->flags);
	if (db->told == NULL) {
		db->told = t;
		db->teller = m->pnn;
	} else if (db_is_other(db->told->name, db->told->flags, t)) {
		m->has_other_db = true;
		core_log(
		    c, CORE_LOG_ERROR,
		    "a member has a database of another type than the cluster, and starts anew "
		    "without it | db=%s flags=%u node=%s(%u) cluster_db=%s cluster_flags=%u "
		    "told_by=%s(%u)",
		    t->name, t->flags, node_name(c, m->pnn), m->pnn, db->told->name,
		    db->told->flags, node_name(c, db->teller), db->teller);
	}
	return 0;
}

/* One that was attached here after our STATE, while it was on its way: the others do not know that
 * we have it. With a new STATE all come to the same end. */
static bool db_is_untold(const struct core *c)
{
	const struct member *self = view_member(c, c->self);

	for (size_t i = 0; i < c->db_n && !self->has_other_db; i++)
		if (c->db[i]->told != NULL &&
		    db_is_other(c->db[i]->name, c->db[i]->flags, c->db[i]->told))
			return true;
	return false;
}

bool db_settle(struct core *c)
{
	struct view *v = &c->view;
	struct member **by_rank = core_alloc((v->n + 1) * sizeof(*by_rank));
	bool is_settled;
	int rc = 0;

	for (size_t i = 0; i < c->db_n; i++)
		c->db[i]->told = NULL;
	for (size_t i = 0; i < v->n; i++)
		by_rank[i] = &v->member[i];
	qsort(by_rank, v->n, sizeof(*by_rank), teller_order);
	for (size_t i = 0; i < v->n && rc == 0; i++) {
		struct member *m = by_rank[i];

		if (known_is_evicted(c, m))
			continue;
		for (size_t k = 0; k < m->dbs_n && rc == 0 && !m->has_other_db; k++)
			rc = db_told(c, m, &m->dbs[k]);
	}
	is_settled = rc == 0 && !db_is_untold(c);
	if (rc != 0)
		db_missing(c);
	else if (!is_settled)
		control_send_restart(c);
	free(by_rank);
	return is_settled;
}

int core_attach(struct core *c, const char *name, uint32_t flags)
{
	uint8_t buf[CORE_NAME_SIZE + 32];
	struct writer w = writer_of(buf, sizeof(buf));
	uint32_t missing;
	struct db *db;

	if (name[0] == '\0' || strlen(name) >= CORE_NAME_SIZE || strchr(name, '/') != NULL)
		return -EINVAL;
	db = db_get(c, jenkins_db_id(name));
	if (db != NULL && strcmp(db->name, name) != 0)
		return -EEXIST;
	/* as CTDB has it: one that exists may have more of a type than was asked for, not less */
	missing = db != NULL ? flags & ~db->flags : 0;
	if ((missing & ~DB_PROPERTIES) != 0 || (missing != 0 && db_is_replicated(db)))
		return -EINVAL;
	if (db != NULL && db->replica.is_behind)
		return db->replica.is_lost ? -EUCLEAN : -EINPROGRESS;
	/* while it is being detached, this ends that, or makes it anew */
	if (db != NULL && missing == 0 && !detach_is_asked(db))
		return 0;
	if (db == NULL && c->db_n == CORE_MAX_DBS)
		return -ENOSPC;
	writer_u8(&w, CONTROL_ATTACH);
	writer_u32(&w, flags | (db != NULL ? db->flags : 0));
	writer_text(&w, name);
	c->ops->multicast(c->world, buf, w.len);
	return -EINPROGRESS;
}

int core_db_found(struct core *c, const char *name, uint32_t flags)
{
	return c->is_retired || c->view.n > 0 ? -EBUSY : db_learn(c, name, flags);
}

int core_db_info(const struct core *c, size_t i, struct core_db_info *info)
{
	const struct replica *r;

	if (i >= c->db_n)
		return -ENOENT;
	r = &c->db[i]->replica;
	info->content = r->content;
	info->is_behind = r->is_behind;
	info->is_lost = r->is_lost;
	info->source = r->source;
	info->copies_out = c->db[i]->copies_out;
	info->revokes = c->db[i]->revokes;
	info->db_id = c->db[i]->db_id;
	info->flags = c->db[i]->flags;
	memcpy(info->name, c->db[i]->name, sizeof(info->name));
	return 0;
}

uint32_t core_lmaster(const struct core *c, uint32_t db_id, struct slice key)
{
	return c->is_active ? slot_lmaster(c, core_hash(db_id, key)) : CORE_UNKNOWN_PNN;
}
