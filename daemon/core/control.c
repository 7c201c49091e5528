/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control.c: the messages that members multicast over CPG, and the state machine's input from them.
 * CPG delivers them to all members in one order, so that all come to the same conclusions. Each
 * begins with u8 type and (FACT, ATTACH, COMMIT, DETACH, VOTE, WIPE and WIPE_VOTE excepted, which hold
 * in any view) the u64 name of the view that it is about; one of another view is dropped by all alike.
 * STATE and RESTART name a view by its members, the others also by every member's STATE (view.c).
 *
 *   STATE        u64 boot id, u32 protocol min, max, u32 last generation, u32 active generation,
 *                u8 is leader, u32 topology verdict, u64 round, text name, text address, u16 port,
 *                32 bytes key, INCS known, INCS in active generation, INCS started,
 *                u32 n, n x (u32 pnn, u64 boot id, u8 kind) facts, u32 n, n x (u32 flags, text
 *                name, u32 generation, u32 tag, u64 sequence number, u8 1 damaged | 2 behind | 4 to be
 *                wiped) dbs; INCS: u32 n, n x (u32 pnn, u64 boot id)
 *   HELD         u64 dev, u64 ino: the sender holds the recovery lock; joiners, try it
 *   TRIED        u32 reason: NONE (refused, as it should be) or why to keep me out
 *   LOCK_FAILED  u32 reason: the sender cannot take the lock; the next one may lead
 *   ACTIVATE     u32 generation, INCS, u32 n, n x (u32 pnn, u32 reason) kept out: the plan
 *   ACCEPT       u32 generation: the sender has the plan
 *   FACT         u32 pnn, u64 boot id, u8 kind
 *   ATTACH       u32 flags, text name
 *   RESTART      (nothing): begin this view anew
 *   COMMIT       u32 generation, u32 db, u64 id: the sender's commit happens (commit.c)
 *   DETACH       u32 generation, u32 db, u64 number: may it be closed? (detach.c)
 *   VOTE         u32 generation, u32 db, u32 asker, u64 number, u8 is free, text why not
 *   LINKS        u8 is due, u32 n, n x u32 pnn: with whom the sender cannot exchange data (link.c)
 *   WIPE         as DETACH: is it to be wiped? (wipe.c)
 *   WIPE_VOTE    as VOTE
 */
#include <errno.h>
#include <stdlib.h>
#include "internal.h"
#include "lib/jenkins.h"

static struct writer control_begin(struct core *c, enum control_type type, size_t size)
{
	struct writer w;

	if (c->scratch_size < size) {
		free(c->scratch);
		c->scratch = core_alloc(size);
		c->scratch_size = size;
	}
	w = writer_of(c->scratch, c->scratch_size);
	writer_u8(&w, (uint8_t)type);
	return w;
}

static uint64_t view_name(const struct core *c, uint8_t type)
{
	bool is_early = type == CONTROL_STATE || type == CONTROL_RESTART;

	return is_early ? c->view.group : c->view.digest;
}

static struct writer control_view(struct core *c, enum control_type type, size_t size)
{
	struct writer w = control_begin(c, type, size + 9);

	writer_u64(&w, view_name(c, (uint8_t)type));
	return w;
}

static void incarnation_write(struct writer *w, struct incarnation inc)
{
	writer_u32(w, inc.pnn);
	writer_u64(w, inc.boot_id);
}

static int incarnation_read(struct cursor *m, struct incarnation *inc)
{
	return cursor_u32(m, &inc->pnn) || cursor_u64(m, &inc->boot_id) ||
	       inc->pnn >= CORE_MAX_NODES || inc->boot_id == 0;
}

static void incarnations_write(struct writer *w, const struct incarnation *list, size_t n)
{
	writer_u32(w, (uint32_t)n);
	for (size_t i = 0; i < n; i++)
		incarnation_write(w, list[i]);
}

/* Gives a list, which the caller frees even when it is malformed */
static int incarnations_read(struct cursor *m, struct incarnation **list, size_t *n)
{
	uint32_t count;

	*list = NULL;
	*n = 0;
	if (cursor_u32(m, &count) || count > CORE_MAX_NODES)
		return -EBADMSG;
	*list = core_alloc((count + 1) * sizeof(**list));
	for (; *n < count; (*n)++)
		if (incarnation_read(m, &(*list)[*n]))
			return -EBADMSG;
	return 0;
}

/* Older daemons take any of them for the first, which counts for who is active; the second for who is not */
enum { STATE_LEADER = 1, STATE_OUTSIDE = 2 };

void control_send_state(struct core *c)
{
	struct writer w = control_view(c, CONTROL_STATE,
				       2048 + (c->known_n + c->active_n + c->started_n) * 12 +
					   FACT_COUNT * 13 + c->db_n * (CORE_NAME_SIZE + 25));
	struct node *self = c->node[c->self];

	writer_u64(&w, c->config.self.boot_id);
	writer_u32(&w, CORE_PROTOCOL_MIN);
	writer_u32(&w, CORE_PROTOCOL_MAX);
	writer_u32(&w, c->generation);
	writer_u32(&w, c->active_generation);
	writer_u8(&w, (uint8_t)((c->active_generation != 0 && c->leader == c->self ? STATE_LEADER : 0) |
				(c->active_generation == 0 && c->was_outside ? STATE_OUTSIDE : 0)));
	writer_u32(&w, c->topology);
	writer_u64(&w, c->view.round);
	writer_text(&w, self->name);
	writer_text(&w, self->address);
	writer_u16(&w, c->config.port);
	writer_bytes(&w, c->config.key, CORE_KEY_SIZE);
	incarnations_write(&w, c->known, c->known_n);
	incarnations_write(&w, c->active, c->active_n);
	incarnations_write(&w, c->started, c->started_n);
	writer_u32(&w, (uint32_t)c->fact_n);
	for (size_t i = 0; i < c->fact_n; i++) {
		incarnation_write(&w, c->fact[i].inc);
		writer_u8(&w, (uint8_t)c->fact[i].kind);
	}
	writer_u32(&w, (uint32_t)c->db_n);
	for (size_t i = 0; i < c->db_n; i++) {
		const struct replica *r = &c->db[i]->replica;

		writer_u32(&w, c->db[i]->flags);
		writer_text(&w, c->db[i]->name);
		writer_u32(&w, r->content.generation);
		writer_u32(&w, r->content.tag);
		writer_u64(&w, r->content.seq);
		writer_u8(&w, (uint8_t)(r->content.is_damaged | r->is_behind << 1 |
					wipe_is_told(c->db[i]) << 2));
	}
	c->ops->multicast(c->world, w.p, w.len);
}

/* Who and where a member is; a new incarnation begins a new session */
static int state_read_node(struct core *c, struct member *m, struct cursor *s)
{
	struct core_peer peer = { .inc = { .pnn = m->pnn } };
	char name[CORE_NAME_SIZE];
	struct node *n = node_get(c, m->pnn);
	struct slice key;

	if (cursor_text(s, name, sizeof(name)) ||
	    cursor_text(s, peer.address, sizeof(peer.address)) || cursor_u16(s, &peer.port) ||
	    cursor_bytes(s, CORE_KEY_SIZE, &key))
		return -EBADMSG;
	memcpy(peer.key, key.p, CORE_KEY_SIZE);
	peer.inc.boot_id = m->boot_id;
	memcpy(n->name, name, sizeof(n->name));
	memcpy(n->address, peer.address, sizeof(n->address));
	if (m->pnn == c->self)
		return 0;
	if (n->boot_id != m->boot_id) {
		session_reset(&n->session);
		n->is_connected = n->is_held = n->is_active = false;
		n->boot_id = m->boot_id;
		n->is_member = false;
	}
	if (!n->is_member) {
		n->is_member = true;
		n->moved_ms = core_now(c);
		n->silent_ms = core_now(c) + c->config.peer_timeout_ms;
		c->ops->peer_set(c->world, m->pnn, &peer);
	}
	return 0;
}

static int state_read_known(struct core *c, struct member *m, struct cursor *s)
{
	free(m->known);
	free(m->active);
	free(m->started);
	m->active = m->started = NULL;
	if (incarnations_read(s, &m->known, &m->known_n) ||
	    incarnations_read(s, &m->active, &m->active_n) ||
	    incarnations_read(s, &m->started, &m->started_n))
		return -EBADMSG;
	known_learn(c, m);
	return 0;
}

static int state_read_facts(struct core *c, struct cursor *s)
{
	struct incarnation inc;
	uint8_t kind;
	uint32_t n;

	if (cursor_u32(s, &n) || n > FACT_COUNT)
		return -EBADMSG;
	for (uint32_t i = 0; i < n; i++) {
		if (incarnation_read(s, &inc) || cursor_u8(s, &kind) || kind > FACT_FENCED)
			return -EBADMSG;
		fact_add(c, inc, (enum fact_kind)kind);
	}
	return 0;
}

static int db_read(struct cursor *s, struct db_told *db)
{
	if (cursor_u32(s, &db->flags) || cursor_text(s, db->name, sizeof(db->name)) ||
	    db->name[0] == '\0' || strchr(db->name, '/') != NULL)
		return -EBADMSG;
	db->db_id = jenkins_db_id(db->name);
	return 0;
}

static int state_read_dbs(struct member *m, struct cursor *s)
{
	uint32_t n;

	free(m->dbs);
	m->dbs = NULL;
	m->dbs_n = 0;
	if (cursor_u32(s, &n) || n > CORE_MAX_DBS)
		return -EBADMSG;
	m->dbs = core_alloc((n + 1) * sizeof(*m->dbs));
	for (; m->dbs_n < n; m->dbs_n++) {
		struct db_told *t = &m->dbs[m->dbs_n];
		uint8_t is;

		if (db_read(s, t) != 0 || cursor_u32(s, &t->content.generation) ||
		    cursor_u32(s, &t->content.tag) || cursor_u64(s, &t->content.seq) || cursor_u8(s, &is))
			return -EBADMSG;
		t->content.is_damaged = (is & 1) != 0;
		t->is_behind = (is & 2) != 0;
		t->is_wiping = (is & 4) != 0;
	}
	return 0;
}

static int state_read(struct core *c, struct member *m, struct cursor *s)
{
	uint32_t min, max, topology;
	uint8_t is;

	if (m->has_state) {
		view_restart(c, "a member's state of an earlier view came late");
		return 0;
	}
	if (cursor_u64(s, &m->boot_id) || m->boot_id == 0 || cursor_u32(s, &min) ||
	    cursor_u32(s, &max) || cursor_u32(s, &m->last_generation) ||
	    cursor_u32(s, &m->active_generation) || cursor_u8(s, &is) ||
	    cursor_u32(s, &topology) || cursor_u64(s, &m->round))
		return -EBADMSG;
	m->is_leader = (is & STATE_LEADER) != 0;
	m->is_outside = (is & STATE_OUTSIDE) != 0;
	m->topology = topology < REASON_COUNT ? (enum reason)topology : REASON_TOPOLOGY;
	m->protocol_max = max;
	m->is_compatible = min <= CORE_PROTOCOL_MAX && max >= CORE_PROTOCOL_MIN;
	/* What another version has behind these is not for us to read: it is kept out */
	if (m->is_compatible && (state_read_node(c, m, s) || state_read_known(c, m, s) ||
				 state_read_facts(c, s) || state_read_dbs(m, s) || cursor_end(s)))
		return -EBADMSG;
	m->has_state = true;
	view_state_in(c);
	return 0;
}

void control_send_held(struct core *c)
{
	struct writer w = control_view(c, CONTROL_HELD, 16);

	writer_u64(&w, c->lock.id.dev);
	writer_u64(&w, c->lock.id.ino);
	c->ops->multicast(c->world, w.p, w.len);
}

void control_send_tried(struct core *c, uint64_t digest, uint32_t holder, enum reason result)
{
	struct writer w = control_begin(c, CONTROL_TRIED, 20);

	writer_u64(&w, digest);
	writer_u32(&w, holder);
	writer_u32(&w, result);
	c->ops->multicast(c->world, w.p, w.len);
}

void control_send_lock_failed(struct core *c, enum reason why)
{
	struct writer w = control_view(c, CONTROL_LOCK_FAILED, 4);

	writer_u32(&w, why);
	c->ops->multicast(c->world, w.p, w.len);
}

void control_send_restart(struct core *c)
{
	struct writer w = control_view(c, CONTROL_RESTART, 0);

	c->ops->multicast(c->world, w.p, w.len);
}

void control_send_fact(struct core *c, struct incarnation inc, enum fact_kind kind)
{
	struct writer w = control_begin(c, CONTROL_FACT, 16);

	incarnation_write(&w, inc);
	writer_u8(&w, (uint8_t)kind);
	c->ops->multicast(c->world, w.p, w.len);
}

void control_send_commit(struct core *c, uint32_t db_id, uint64_t id)
{
	struct writer w = control_begin(c, CONTROL_COMMIT, 24);

	writer_u32(&w, c->active_generation);
	writer_u32(&w, db_id);
	writer_u64(&w, id);
	c->ops->multicast(c->world, w.p, w.len);
}

static void control_send_question(struct core *c, enum control_type type, uint32_t db_id,
				  uint64_t number)
{
	struct writer w = control_begin(c, type, 24);

	writer_u32(&w, c->active_generation);
	writer_u32(&w, db_id);
	writer_u64(&w, number);
	c->ops->multicast(c->world, w.p, w.len);
}

void control_send_detach(struct core *c, uint32_t db_id, uint64_t number)
{
	control_send_question(c, CONTROL_DETACH, db_id, number);
}

void control_send_wipe(struct core *c, uint32_t db_id, uint64_t number)
{
	control_send_question(c, CONTROL_WIPE, db_id, number);
}

static void control_send_answer(struct core *c, enum control_type type, uint32_t db_id,
				uint32_t asker, uint64_t number, bool is_yes, const char *why)
{
	struct writer w = control_begin(c, type, 40 + CORE_NAME_SIZE);

	writer_u32(&w, c->active_generation);
	writer_u32(&w, db_id);
	writer_u32(&w, asker);
	writer_u64(&w, number);
	writer_u8(&w, is_yes);
	writer_text(&w, why);
	c->ops->multicast(c->world, w.p, w.len);
}

void control_send_vote(struct core *c, const struct detach *d, uint32_t db_id, bool is_free,
		       const char *why)
{
	control_send_answer(c, CONTROL_VOTE, db_id, d->asker, d->number, is_free, why);
}

void control_send_wipe_vote(struct core *c, const struct wipe *x, uint32_t db_id, bool is_frozen,
			    const char *why)
{
	control_send_answer(c, CONTROL_WIPE_VOTE, db_id, x->asker, x->number, is_frozen, why);
}

void control_send_links(struct core *c, const uint64_t *cut, bool is_due)
{
	struct writer w = control_view(c, CONTROL_LINKS, 5 + c->view.n * 4);
	uint32_t n = 0;

	for (size_t i = 0; i < c->view.n; i++)
		n += (cut[c->view.member[i].pnn / 64] >> c->view.member[i].pnn % 64 & 1) != 0;
	writer_u8(&w, is_due);
	writer_u32(&w, n);
	for (size_t i = 0; i < c->view.n; i++)
		if ((cut[c->view.member[i].pnn / 64] >> c->view.member[i].pnn % 64 & 1) != 0)
			writer_u32(&w, c->view.member[i].pnn);
	c->ops->multicast(c->world, w.p, w.len);
}

static int links_read(struct core *c, struct member *from, struct cursor *s)
{
	uint64_t cut[CORE_MAX_NODES / 64] = { 0 };
	uint32_t n, pnn;
	uint8_t is_due;

	if (cursor_u8(s, &is_due) || cursor_u32(s, &n) || n > c->view.n)
		return -EBADMSG;
	for (uint32_t i = 0; i < n; i++) {
		if (cursor_u32(s, &pnn) || view_member(c, pnn) == NULL)
			return -EBADMSG;
		cut[pnn / 64] |= 1ULL << pnn % 64;
	}
	link_told(c, from, cut, is_due != 0);
	return 0;
}

/* DETACH, WIPE, and the votes */
static int question_read(struct core *c, const struct member *from, uint8_t type, struct cursor *s)
{
	uint32_t generation, db_id, asker;
	uint64_t number;
	char why[CORE_NAME_SIZE];
	uint8_t is_yes;
	bool is_vote = type == CONTROL_VOTE || type == CONTROL_WIPE_VOTE;

	if (cursor_u32(s, &generation) || cursor_u32(s, &db_id) ||
	    (is_vote && cursor_u32(s, &asker)) || cursor_u64(s, &number))
		return -EBADMSG;
	if (type == CONTROL_DETACH) {
		detach_asked(c, from, generation, db_id, number);
		return 0;
	}
	if (type == CONTROL_WIPE) {
		wipe_asked(c, from, generation, db_id, number);
		return 0;
	}
	if (cursor_u8(s, &is_yes) || cursor_text(s, why, sizeof(why)))
		return -EBADMSG;
	if (type == CONTROL_VOTE)
		detach_voted(c, from, generation, db_id, asker, number, is_yes != 0, why);
	else
		wipe_voted(c, from, generation, db_id, asker, number, is_yes != 0, why);
	return 0;
}

void control_send_activate(struct core *c)
{
	struct view *v = &c->view;
	struct writer w = control_view(c, CONTROL_ACTIVATE, 16 + v->n * 20);
	uint32_t in = 0, generation = c->generation + 1;

	for (size_t i = 0; i < v->n; i++)
		in += v->member[i].kept_out == REASON_NONE;
	writer_u32(&w, generation < 2 ? 2 : generation); /* 0 and 1 mean none to clients */
	writer_u32(&w, in);
	for (size_t i = 0; i < v->n; i++)
		if (v->member[i].kept_out == REASON_NONE)
			incarnation_write(
			    &w, (struct incarnation){ v->member[i].pnn, v->member[i].boot_id });
	writer_u32(&w, (uint32_t)v->n - in);
	for (size_t i = 0; i < v->n; i++) {
		if (v->member[i].kept_out == REASON_NONE)
			continue;
		writer_u32(&w, v->member[i].pnn);
		writer_u32(&w, v->member[i].kept_out);
	}
	c->ops->multicast(c->world, w.p, w.len);
}

void control_send_accept(struct core *c, uint32_t generation)
{
	struct writer w = control_view(c, CONTROL_ACCEPT, 4);

	writer_u32(&w, generation);
	c->ops->multicast(c->world, w.p, w.len);
}

static int accept_read(struct core *c, struct member *from, struct cursor *s)
{
	uint32_t generation;

	if (cursor_u32(s, &generation))
		return -EBADMSG;
	view_accepted(c, from, generation);
	return 0;
}

static int activate_read(struct core *c, const struct member *from, struct cursor *s)
{
	struct incarnation *in;
	uint32_t generation, n, out, pnn, why;
	struct member *m;

	if (cursor_u32(s, &generation) || cursor_u32(s, &n) || n > c->view.n)
		return -EBADMSG;
	if (c->view.fsm.state != CORE_VIEW_GATED || c->view.plan_generation != 0 ||
	    generation <= c->generation)
		return 0; /* the second of two */
	in = core_alloc((n + 1) * sizeof(*in));
	for (uint32_t i = 0; i < n; i++)
		if (incarnation_read(s, &in[i]) || (m = view_member(c, in[i].pnn)) == NULL ||
		    m->boot_id != in[i].boot_id)
			goto bad;
	if (cursor_u32(s, &out) || out > c->view.n)
		goto bad;
	for (uint32_t i = 0; i < out; i++) {
		if (cursor_u32(s, &pnn) || cursor_u32(s, &why) || (m = view_member(c, pnn)) == NULL)
			goto bad;
		m->kept_out =
		    why > REASON_NONE && why < REASON_COUNT ? (enum reason)why : REASON_TOPOLOGY;
	}
	view_promise(c, from->pnn, generation, in, n);
	free(in);
	return 0;
bad:
	free(in);
	return -EBADMSG;
}

static int lock_message(struct core *c, struct member *from, uint8_t type, struct cursor *s)
{
	uint32_t why, holder = c->view.candidate;

	if (type == CONTROL_HELD) {
		struct member *self = view_member(c, c->self);

		if (from->pnn != c->self && self != NULL && self->is_joiner)
			gate_lock_probe(c, c->view.digest, from->pnn);
		return 0;
	}
	if ((type == CONTROL_TRIED && cursor_u32(s, &holder)) || cursor_u32(s, &why) ||
	    why >= REASON_COUNT)
		return -EBADMSG;
	if (type == CONTROL_TRIED) {
		/* Refused by a leader that has failed since, or got when it had let go: says
		 * nothing of the one that holds the lock now, whose HELD asks for another */
		if (!from->is_joiner || holder != c->view.candidate)
			return 0;
		/* Kept out for something else, which the lock does not change */
		if (!from->has_tried && from->kept_out != REASON_NONE &&
		    from->kept_out != REASON_ADMISSION_NO_ANSWER)
			return 0;
		/* Too late for the plan, which has kept it out for want of an answer: another
		 * round, whatever it says, for the lock may have been lost meanwhile */
		if (from->kept_out == REASON_ADMISSION_NO_ANSWER && c->view.is_activate_sent)
			control_send_restart(c);
		from->has_tried = true;
		from->kept_out = (enum reason)why;
	} else {
		from->has_failed_lock = true;
		core_log(c, CORE_LOG_WARNING,
			 "a member cannot take the recovery lock, %s | node=%s(%u) reason=%s",
			 c->view.plan_generation == 0 ? "the next one may lead"
						      : "but its plan is here already",
			 c->node[from->pnn]->name, from->pnn, reason_row(why)->name);
		/* plans anew; but a plan that was delivered is a promise */
		if (c->view.fsm.state == CORE_VIEW_GATED && c->view.plan_generation == 0)
			view_state_in(c);
	}
	view_lead(c);
	return 0;
}

static int control_read(struct core *c, struct member *from, struct cursor *s)
{
	struct db_told db;
	struct incarnation inc;
	uint8_t type, kind;
	uint64_t view;
	int rc;

	if (cursor_u8(s, &type))
		return -EBADMSG;
	if (type == CONTROL_FACT) {
		if (incarnation_read(s, &inc) || cursor_u8(s, &kind) || kind > FACT_FENCED)
			return -EBADMSG;
		fact_add(c, inc, (enum fact_kind)kind);
		return 0;
	}
	if (type == CONTROL_ATTACH) {
		if (db_read(s, &db) != 0)
			return -EBADMSG;
		rc = db_learn(c, db.name, db.flags);
		if (rc == 0)
			detach_attach_in(c, db_get(c, db.db_id), from->pnn);
		if (rc != 0 || !db_get(c, db.db_id)->replica.is_behind)
			c->ops->attached(c->world, db.db_id, rc);
		/* An id that is taken, or too many databases: it is so on every node, so nobody has
		 * this one. Anything else is this node's own trouble. */
		if (rc != 0 && rc != -EEXIST && c->db_n < CORE_MAX_DBS)
			db_missing(c);
		return 0;
	}
	if (type == CONTROL_COMMIT) {
		uint32_t generation;
		uint64_t id;

		if (cursor_u32(s, &generation) || cursor_u32(s, &db.db_id) || cursor_u64(s, &id))
			return -EBADMSG;
		commit_delivered(c, from->pnn, generation, db.db_id, id);
		return 0;
	}
	if (type == CONTROL_DETACH || type == CONTROL_VOTE || type == CONTROL_WIPE ||
	    type == CONTROL_WIPE_VOTE)
		return question_read(c, from, type, s);
	if (cursor_u64(s, &view))
		return -EBADMSG;
	if (view != view_name(c, type))
		return 0;
	switch (type) {
	case CONTROL_STATE:
		return state_read(c, from, s);
	case CONTROL_HELD:
	case CONTROL_TRIED:
	case CONTROL_LOCK_FAILED:
		return lock_message(c, from, type, s);
	case CONTROL_ACTIVATE:
		return activate_read(c, from, s);
	case CONTROL_ACCEPT:
		return accept_read(c, from, s);
	case CONTROL_LINKS:
		return links_read(c, from, s);
	case CONTROL_RESTART:
		view_restart(c, "a member asks for it");
		return 0;
	default:
		return -EBADMSG;
	}
}

void core_multicast(struct core *c, uint32_t from_pnn, uint32_t from_pid, struct slice msg)
{
	struct cursor s = cursor_of(msg.p, msg.len);

	if (c->is_retired)
		return;
	for (size_t i = 0; i < c->view.n; i++) {
		struct member *m = &c->view.member[i];

		if (m->pnn != from_pnn || m->pid != from_pid)
			continue;
		if (control_read(c, m, &s) != 0)
			core_log(
			    c, CORE_LOG_ERROR,
			    "a malformed message came over CPG and is dropped | node=%u length=%zu",
			    from_pnn, msg.len);
		break;
	}
	core_run(c);
}
