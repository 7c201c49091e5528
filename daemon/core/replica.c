/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * replica.c: persistent and replicated databases, of which every active member has all (I6):
 * holding and applying commits (commit.c is the coordinator's part), and becoming equal.
 *
 * A file's content is named by (generation of its last commit, sequence number, tag of the
 * generation's members); all are in the file, and change in one transaction with the records. In
 * one generation a database is committed to by all its members or not at all, one commit after the
 * other and each with a higher sequence number, so equal names mean equal content.
 *
 * When a generation begins, all STATE is known: the members that were active in the newest
 * generation, and had the database themselves, decide: they have every commit that a client was
 * told of. The highest name among them counts. Without such members (a cold start), or when none of
 * them is good, it is the highest of all: a commit that a client was told of is on every node that
 * was active then, so that a quorum has one of them. Who has another content fetches the whole
 * database from the first that has that one, and prepares no commit until it is written: so nobody
 * changes it meanwhile, and a commit waits.
 *
 * STATE is told only when nothing is being written: it tells what the file holds.
 */
#include <errno.h>
#include <stdlib.h>
#include "internal.h"

#define PREPARED_BYTES (256UL << 20) /* held for others, all databases together */

static bool content_equal(const struct core_content *a, const struct core_content *b)
{
	return a->generation == b->generation && a->seq == b->seq && a->tag == b->tag &&
	       a->is_damaged == b->is_damaged;
}

static bool content_is_higher(const struct core_content *a, const struct core_content *b)
{
	if (a->generation != b->generation)
		return a->generation > b->generation;
	return a->seq != b->seq ? a->seq > b->seq : a->tag > b->tag;
}

void replica_opened(struct core *c, struct db *db)
{
	const struct core_content none = { 0 };
	struct replica *r = &db->replica;

	r->source = c->self;
	if (!db_is_replicated(db))
		return;
	c->ops->db_content(c->world, db->db_id, &r->content);
	if (content_equal(&r->content, &none))
		return;
	/* Not served until the members have compared what they have. One that was opened behind our
	 * STATE is not in it: the view begins anew. */
	r->is_behind = true;
	r->source = CORE_UNKNOWN_PNN;
	if (c->view.n > 0)
		control_send_restart(c);
}

static void prepared_drop(struct core *c, struct prepared *w)
{
	c->prepared_bytes -= w->len;
	free(w->records);
	*w = (struct prepared){ .state = PREPARED_NONE };
}

void replica_free(struct db *db)
{
	free(db->replica.prepared.records);
}

static void replica_answer(struct core *c, uint32_t to, uint32_t db_id, uint64_t id, uint8_t type,
			   const char *text)
{
	struct packet p = {
		.type = type, .db_id = db_id, .rsn = id, .data = slice_of(text, strlen(text))
	};

	packet_send(c, to, &p);
}

/* ---- commits ---- */

static void prepared_decline(struct core *c, struct db *db, const char *why)
{
	struct prepared *w = &db->replica.prepared;

	replica_answer(c, w->coordinator, db->db_id, w->id, PACKET_DECLINED, why);
	prepared_drop(c, w);
}

static void prepared_hold(struct core *c, struct db *db)
{
	struct prepared *w = &db->replica.prepared;

	w->state = PREPARED_HELD;
	replica_answer(c, w->coordinator, db->db_id, w->id, PACKET_PREPARED, "");
}

/* This node has the database: may the records be stored? */
static void prepared_check(struct core *c, struct db *db)
{
	struct replica *r = &db->replica;
	struct prepared *w = &r->prepared;
	uint64_t seq_rsn;

	if (w->len == 0) {
		w->seq = r->content.seq;
		prepared_hold(c, db);
		return;
	}
	if (commit_read(slice_of(w->records, w->len), db->db_id, &w->seq, &seq_rsn) != 0) {
		prepared_decline(c, db, "malformed records");
		return;
	}
	if (w->seq <= r->content.seq) {
		prepared_decline(c, db, "the database has that sequence number already");
		return;
	}
	if (w->is_whole) { /* what is there does not matter */
		prepared_hold(c, db);
		return;
	}
	w->state = PREPARED_CHECKING;
	w->ticket = ++c->ticket;
	c->ops->commit_check(c->world, db->db_id, w->ticket, slice_of(w->records, w->len));
}

static void replica_prepare(struct core *c, uint32_t from, struct db *db, const struct packet *p)
{
	struct prepared *w = &db->replica.prepared;
	const char *why = NULL;

	if (w->state != PREPARED_NONE)
		why = "another commit to this database is under way";
	else if (p->data.len > PREPARED_BYTES - c->prepared_bytes)
		why = "too much waits to be committed";
	if (why != NULL) {
		replica_answer(c, from, db->db_id, p->rsn, PACKET_DECLINED, why);
		return;
	}
	w->state = PREPARED_WAITING;
	w->coordinator = from;
	w->id = p->rsn;
	w->is_whole = p->is_new != 0;
	w->len = p->data.len;
	w->records = core_alloc(w->len + 1);
	if (w->len > 0)
		memcpy(w->records, p->data.p, w->len);
	c->prepared_bytes += w->len;
	if (!db->replica.is_behind)
		prepared_check(c, db);
}

void core_commit_checked(struct core *c, uint32_t db_id, uint64_t ticket, int rc)
{
	struct db *db = db_get(c, db_id);
	struct prepared *w = db != NULL ? &db->replica.prepared : NULL;

	if (c->is_retired || w == NULL || w->state != PREPARED_CHECKING || w->ticket != ticket)
		return;
	if (rc == 0)
		prepared_hold(c, db);
	else
		prepared_decline(c, db,
				 rc == -EEXIST ? "the database has a newer record already"
					       : strerror(-rc));
	core_run(c);
}

/* What was promised to all is not here, or cannot be done: this node's content is not what the
 * others have. It comes back as another incarnation, and is given theirs. */
static void replica_failed(struct core *c, const struct db *db, enum reason why, const char *what)
{
	core_log(c, CORE_LOG_ERROR, "%s | db=%s", what, db->name);
	c->is_retired = true;
	c->ops->retire(c->world, why, what);
}

void replica_decided(struct core *c, uint32_t coordinator, struct db *db, uint64_t id)
{
	struct prepared *w = &db->replica.prepared;

	if (w->state != PREPARED_HELD || w->coordinator != coordinator || w->id != id) {
		replica_failed(c, db, REASON_ENGINE_RESTARTING,
			       "a commit was decided that this node does not hold");
		return;
	}
	w->state = PREPARED_APPLYING;
	w->ticket = ++c->ticket;
	c->writing_n++;
	db->replica.coming =
	    (struct core_content){ c->active_generation, c->active_tag, w->seq, false };
	c->ops->commit_apply(c->world, db->db_id, w->ticket, &db->replica.coming,
			     slice_of(w->records, w->len), w->is_whole);
}

/* Files say now what has been decided: a view that waited for that may hear it */
static void replica_written(struct core *c)
{
	if (--c->writing_n > 0 || !c->view.owes_state)
		return;
	c->view.owes_state = false;
	control_send_state(c);
}

void core_commit_applied(struct core *c, uint32_t db_id, uint64_t ticket, int rc)
{
	struct db *db = db_get(c, db_id);
	struct prepared *w = db != NULL ? &db->replica.prepared : NULL;

	if (c->is_retired || w == NULL || w->state != PREPARED_APPLYING || w->ticket != ticket)
		return;
	if (rc != 0) {
		replica_failed(c, db, REASON_NO_SPACE, "a commit cannot be written");
		return;
	}
	db->replica.content = db->replica.coming;
	replica_answer(c, w->coordinator, db_id, w->id, PACKET_APPLIED, "");
	prepared_drop(c, w);
	replica_written(c);
	core_run(c);
}

/* ---- becoming equal ---- */

static const struct db_told *member_told(const struct member *m, uint32_t db_id)
{
	for (size_t i = 0; i < m->dbs_n; i++)
		if (m->dbs[i].db_id == db_id)
			return &m->dbs[i];
	return NULL;
}

/* Whose content counts among the planned members of that generation (0: all of them) */
static const struct member *replica_best(struct core *c, const struct db *db, uint32_t generation,
					 struct core_content *best)
{
	const struct member *source = NULL;

	for (size_t i = 0; i < c->view.n; i++) {
		const struct member *m = &c->view.member[i];
		const struct db_told *t = member_told(m, db->db_id);
		struct core_content content = { 0 };

		if (!m->is_planned || (generation != 0 && (m->active_generation != generation ||
							   (t != NULL && t->is_behind))))
			continue;
		if (t != NULL)
			content = t->content;
		if (content.is_damaged || (source != NULL && !content_is_higher(&content, best)))
			continue;
		*best = content;
		source = m;
	}
	return source;
}

static void replica_is_in(struct core *c, struct db *db)
{
	struct replica *r = &db->replica;
	bool was_behind = r->is_behind;

	r->is_behind = r->is_lost = false;
	r->source = c->self;
	if (!was_behind)
		return;
	c->ops->attached(c->world, db->db_id, 0);
	if (r->prepared.state == PREPARED_WAITING)
		prepared_check(c, db);
}

static void replica_fetch(struct core *c, struct db *db, uint32_t source)
{
	struct packet p = { .type = PACKET_PULL, .db_id = db->db_id };
	struct replica *r = &db->replica;

	r->is_behind = true;
	r->is_lost = false;
	r->source = source;
	r->cookie = p.rsn = (uint64_t)c->active_generation << 32 | (uint32_t)++c->ticket;
	core_log(c, content_is_higher(&r->content, &r->coming) ? CORE_LOG_WARNING : CORE_LOG_NOTICE,
		 "a database is fetched from another node | db=%s node=%s(%u) "
		 "mine=%u.%llu%s its=%u.%llu",
		 db->name, node_name(c, source), source, r->content.generation,
		 (unsigned long long)r->content.seq, r->content.is_damaged ? " (damaged)" : "",
		 r->coming.generation, (unsigned long long)r->coming.seq);
	packet_send(c, source, &p);
}

static void replica_compare(struct core *c, struct db *db, uint32_t newest)
{
	const struct member *self = view_member(c, c->self), *source;
	struct replica *r = &db->replica;

	source = replica_best(c, db, newest, &r->coming);
	if (source == NULL)
		source = replica_best(c, db, 0, &r->coming);
	if (source == NULL || (r->is_behind && member_told(self, db->db_id) == NULL)) {
		r->is_behind = r->is_lost = true;
		r->source = CORE_UNKNOWN_PNN;
		core_log(c, CORE_LOG_ERROR,
			 "a database is not served: no node has a good copy of it | db=%s",
			 db->name);
		c->ops->attached(c->world, db->db_id, -EUCLEAN);
	} else if (content_equal(&r->content, &r->coming)) {
		replica_is_in(c, db);
	} else {
		replica_fetch(c, db, source->pnn);
	}
}

void replica_activate(struct core *c)
{
	uint32_t newest = 0;

	for (size_t i = 0; i < c->view.n; i++) {
		const struct member *m = &c->view.member[i];

		if (m->is_planned && m->active_generation > newest)
			newest = m->active_generation;
	}
	for (size_t i = 0; i < c->db_n; i++) {
		struct db *db = c->db[i];

		if (!db_is_replicated(db))
			continue;
		prepared_drop(c, &db->replica.prepared);
		replica_compare(c, db, newest);
	}
}

/* ---- the whole database on its way ---- */

int core_transfer_part(struct core *c, uint32_t db_id, uint32_t to, uint64_t cookie,
		       struct slice part, bool is_last)
{
	struct packet p = {
		.type = PACKET_PART, .db_id = db_id, .rsn = cookie, .is_new = is_last, .data = part
	};

	if (c->is_retired || cookie >> 32 != c->active_generation)
		return -ESTALE;
	packet_send(c, to, &p);
	core_run(c);
	return 0;
}

static void replica_part(struct core *c, uint32_t from, struct db *db, const struct packet *p)
{
	struct replica *r = &db->replica;

	/* STATE has told what the file holds until the next generation, which asks anew */
	if (!r->is_behind || r->is_writing || r->source != from || r->cookie != p->rsn ||
	    c->view.fsm.state != CORE_VIEW_ACTIVE)
		return;
	if (p->is_new != 0) {
		r->is_writing = true;
		c->writing_n++;
	}
	c->ops->transfer_receive(c->world, db->db_id, p->rsn, p->data, p->is_new != 0);
}

void core_transfer_written(struct core *c, uint32_t db_id, uint64_t cookie, int rc)
{
	struct db *db = db_get(c, db_id);
	struct replica *r = db != NULL ? &db->replica : NULL;

	if (c->is_retired || r == NULL || !r->is_writing || r->cookie != cookie)
		return;
	if (rc != 0) {
		replica_failed(c, db, REASON_NO_SPACE,
			       "a database of the cluster cannot be written here");
		return;
	}
	r->is_writing = false;
	r->content = r->coming;
	core_log(c, CORE_LOG_NOTICE,
		 "a database has come from another node | db=%s content=%u.%llu", db->name,
		 r->content.generation, (unsigned long long)r->content.seq);
	replica_is_in(c, db);
	replica_written(c);
	c->ops->status_changed(c->world);
	core_run(c);
}

/* ---- packets ---- */

void replica_packet(struct core *c, uint32_t from, const struct packet *p)
{
	struct db *db = db_get(c, p->db_id);
	struct prepared *w = &db->replica.prepared;

	if (!db_is_replicated(db)) {
		replica_answer(c, from, p->db_id, p->rsn, PACKET_DECLINED,
			       "the database is volatile");
		return;
	}
	switch (p->type) {
	case PACKET_PREPARE:
		replica_prepare(c, from, db, p);
		break;
	case PACKET_ABORT:
		if (w->state != PREPARED_NONE && w->state != PREPARED_APPLYING &&
		    w->coordinator == from && w->id == p->rsn)
			prepared_drop(c, w);
		break;
	case PACKET_PULL:
		if (!db->replica.is_behind)
			c->ops->transfer_send(c->world, p->db_id, from, p->rsn);
		break;
	case PACKET_PART:
		replica_part(c, from, db, p);
		break;
	default:
		break;
	}
}
