/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * commit.c: commits of this node's clients to persistent and replicated databases (I6), as their
 * coordinator; replica.c is the member's part.
 *
 *   WAITING    for a view in which all is agreed
 *   PREPARING  PREPARE with the records went to every active member; each answers PREPARED when it
 *              holds them and may store them. One DECLINED, or none in time: ABORT, and the client
 *              is refused. Nobody has stored anything.
 *   DECIDED    all have prepared: COMMIT was multicast. On its delivery each member stores the
 *              records, and answers APPLIED when they are on its disk. Then the client is told.
 *
 * The decision is a message of the control plane because that is what all agree on: COMMIT counts
 * only when it is delivered in the generation in which it was sent, and before any change of the
 * view. All members that go on together have the same before such a change, so either all of them
 * apply it or none.
 *
 * A change of the view before all have applied leaves open whether a member that is not here any
 * more has. Those that stay compare what they have (STATE is told when all that was delivered is in
 * the files) and become equal. Then the commit is settled: an empty commit of the new generation
 * notes that generation in every file. From then on a file of the old one, with or without the
 * commit, is older than any of those, and cannot bring back what the client is about to find
 * missing. Only now it is told COMMIT_VIEW_CHANGED, and finds in its own file whether the commit
 * has happened.
 *
 * When the client goes before the decision, the commit is given up. After it nothing can be called
 * off, and until the end nobody can tell by a sequence number whether it has happened. So until then
 * the client is still told to exist (core_is_committing): whoever waits for a lock that it held
 * would otherwise read the old number, commit with the next one, be refused, find that number in its
 * file, and take the dead client's commit for its own.
 *
 * That is not enough when the whole node is lost, or where Samba asks the kernel instead. So a
 * commit is not refused while this node holds another one, and one that was overtaken raises the
 * sequence number once more before its client is told: it finds one that is not its own, and fails.
 * (A commit that was decided is held by this node, or is in its file: all had to prepare it.) One
 * that was not decided when the view changes has not happened, and begins anew.
 */
#include <errno.h>
#include <stdlib.h>
#include "internal.h"
#include "lib/payload.h"

#define COMMIT_RETRY_MS	  20
#define COMMIT_ORPHAN_MS  60000 /* so long a client that is gone is told to exist */
#define COMMIT_TIMEOUT(c) ((c)->config.peer_timeout_ms * 3ULL + 1000)

static const char overtaken[] = "another commit came before it";

int commit_read(struct slice records, uint32_t db_id, uint64_t *seq, uint64_t *seq_rsn)
{
	const struct slice key = slice_of(SEQUENCE_KEY, sizeof(SEQUENCE_KEY));
	struct cursor s = cursor_of(records.p, records.len);
	struct ctdb_rec_buffer b;
	bool has_seq = false;

	if (ctdb_rec_buffer_decode(&s, &b) != 0 || b.db_id != db_id || b.count == 0)
		return -EBADMSG;
	for (uint32_t i = 0; i < b.count; i++) {
		struct ctdb_rec_data r;

		if (ctdb_rec_data_decode(&s, &r) != 0 || r.key.len == 0 ||
		    r.key.len > CORE_MAX_KEY || r.data.len < RECORD_HEADER_SIZE)
			return -EBADMSG;
		if (!slice_equal(r.key, key))
			continue;
		if (r.data.len != RECORD_HEADER_SIZE + sizeof(*seq))
			return -EBADMSG;
		memcpy(seq, r.data.p + RECORD_HEADER_SIZE, sizeof(*seq));
		memcpy(seq_rsn, r.data.p, sizeof(*seq_rsn));
		has_seq = true;
	}
	return has_seq ? 0 : -EBADMSG;
}

static void sequence_encode(const struct core *c, struct writer *w, uint64_t seq, uint64_t rsn)
{
	uint8_t value[RECORD_HEADER_SIZE + sizeof(seq)] = { 0 };

	memcpy(value, &rsn, 8);
	memcpy(value + 8, &c->self, 4);
	memcpy(value + RECORD_HEADER_SIZE, &seq, sizeof(seq));
	ctdb_rec_data_encode(
	    w, &(struct ctdb_rec_data){ .key = slice_of(SEQUENCE_KEY, sizeof(SEQUENCE_KEY)),
					.data = slice_of(value, sizeof(value)) });
}

static void commit_end(struct core *c, struct commit *m, int status, const char *text)
{
	struct commit **at = &c->commits;

	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
	if (m->is_orphan)
		message_client_gone(c, m->client);
	else
		c->ops->committed(c->world, m->client, m->reqid, status, text);
	free(m->records);
	free(m);
}

static void commit_send(struct core *c, const struct commit *m, uint8_t type)
{
	struct packet p = { .type = type, .db_id = m->db_id, .rsn = m->id };

	if (type == PACKET_PREPARE) {
		p.data = slice_of(m->records, m->len);
		p.is_new = m->is_whole && m->len > 0;
	}
	for (size_t i = 0; i < c->active_n; i++)
		packet_send(c, c->active[i].pnn, &p);
}

static void commit_await(struct commit *m)
{
	memset(m->has_answered, 0, sizeof(m->has_answered));
	m->answered_n = 0;
}

static const struct replica *commit_replica(const struct core *c, const struct commit *m)
{
	return &db_get(c, m->db_id)->replica;
}

/* This node holds another commit to the database, or is being sent others: they may be in the file
 * soon */
static bool commit_is_blocked(const struct core *c, const struct commit *m)
{
	const struct replica *r = commit_replica(c, m);
	const struct prepared *w = &r->prepared;
	bool is_held = w->state != PREPARED_NONE && (w->coordinator != c->self || w->id != m->id);

	return (is_held || (r->is_behind && !r->is_lost)) && !m->is_settling && !m->is_whole &&
	       !core_has_bug(c, CORE_BUG_NUMBER_TAKEN);
}

/* Not all nodes at the same time */
static void commit_retry(struct core *c, struct commit *m)
{
	m->state = COMMIT_WAITING;
	m->retry_ms = core_now(c) + COMMIT_RETRY_MS + c->self % COMMIT_RETRY_MS;
}

/* Begins it if the view allows; it may wait for that */
static void commit_begin(struct core *c, struct commit *m)
{
	if (!c->is_active || c->view.fsm.state != CORE_VIEW_ACTIVE)
		return;
	if (m->is_raising && commit_replica(c, m)->content.seq != m->seq) {
		commit_end(c, m, COMMIT_REFUSED, overtaken);
		return;
	}
	if (commit_is_blocked(c, m)) {
		commit_retry(c, m);
		return;
	}
	m->state = COMMIT_PREPARING;
	m->id = ++c->commit_id;
	m->until_ms = core_now(c) + COMMIT_TIMEOUT(c);
	m->retry_ms = UINT64_MAX;
	commit_await(m);
	commit_send(c, m, PACKET_PREPARE);
}

/* Its records are the next sequence number alone, from now on */
static void commit_raise(struct core *c, struct commit *m)
{
	struct ctdb_rec_buffer b = { .db_id = m->db_id, .count = 1 };
	struct writer w = writer_of(m->records, m->len); /* which held that record among others */

	m->is_raising = true;
	ctdb_rec_buffer_encode(&w, &b);
	sequence_encode(c, &w, m->seq + 1, ++m->seq_rsn);
	m->len = w.len;
}

/* Before COMMIT was sent */
static void commit_abort(struct core *c, struct commit *m, int status, const char *text)
{
	bool is_overtaken;

	commit_send(c, m, PACKET_ABORT);
	if (m->is_settling) {
		commit_retry(c, m);
		return;
	}
	if (m->is_whole || core_has_bug(c, CORE_BUG_NUMBER_TAKEN)) {
		commit_end(c, m, status, text);
		return;
	}
	is_overtaken = commit_replica(c, m)->content.seq == m->seq;
	if (!is_overtaken && !commit_is_blocked(c, m)) {
		commit_end(c, m, status, m->is_raising ? overtaken : text);
		return;
	}
	if (is_overtaken) /* again, if it is raising already: what is there may have a higher rsn */
		commit_raise(c, m);
	commit_retry(c, m);
}

static void commit_refuse(struct core *c, uint64_t client, uint32_t reqid, const char *why)
{
	c->ops->committed(c->world, client, reqid, COMMIT_REFUSED, why);
}

/* Takes nothing. NULL: the client was refused */
static struct commit *commit_new(struct core *c, uint64_t client, uint32_t reqid, uint32_t db_id)
{
	const struct db *db = db_get(c, db_id);
	struct commit *m;

	if (db == NULL || !db_is_replicated(db)) {
		commit_refuse(c, client, reqid,
			      "not a persistent or replicated database that is attached");
		return NULL;
	}
	for (m = c->commits; m != NULL; m = m->next) {
		if (m->client != client && (m->db_id != db_id || m->is_orphan))
			continue;
		commit_refuse(
		    c, client, reqid,
		    "another commit of this connection or to this database is under way");
		return NULL;
	}
	m = core_alloc(sizeof(*m));
	m->client = client;
	m->reqid = reqid;
	m->db_id = db_id;
	m->until_ms = core_now(c) + COMMIT_TIMEOUT(c);
	m->retry_ms = UINT64_MAX;
	m->push_number = c->push_number;
	m->next = c->commits;
	c->commits = m;
	return m;
}

void core_commit(struct core *c, uint64_t client, uint32_t reqid, uint32_t db_id,
		 struct slice records)
{
	struct commit *m;
	uint64_t seq, seq_rsn;

	if (c->is_retired)
		return;
	if (records.len > CORE_MAX_RECORD ||
	    commit_read(records, db_id, &seq, &seq_rsn) != 0) {
		commit_refuse(c, client, reqid,
			      "malformed records, or no new sequence number among them");
		return;
	}
	m = commit_new(c, client, reqid, db_id);
	if (m == NULL)
		return;
	m->seq = seq;
	m->seq_rsn = seq_rsn;
	m->records = core_alloc(records.len);
	m->len = records.len;
	memcpy(m->records, records.p, records.len);
	commit_begin(c, m);
	core_run(c);
}

/* ---- the whole content ---- */

/* The records but for that of the sequence number, whose value is told; -EBADMSG */
static int whole_read(struct slice records, uint32_t db_id, struct writer *w, uint32_t *n,
		      uint64_t *seq)
{
	const struct slice key = slice_of(SEQUENCE_KEY, sizeof(SEQUENCE_KEY));
	struct cursor s = cursor_of(records.p, records.len);
	struct ctdb_rec_buffer b;

	if (ctdb_rec_buffer_decode(&s, &b) != 0 || b.db_id != db_id)
		return -EBADMSG;
	*n = 0;
	*seq = 0;
	for (uint32_t i = 0; i < b.count; i++) {
		struct ctdb_rec_data r;

		if (ctdb_rec_data_decode(&s, &r) != 0 || r.key.len == 0 ||
		    r.key.len > CORE_MAX_KEY || r.data.len < RECORD_HEADER_SIZE)
			return -EBADMSG;
		if (!slice_equal(r.key, key)) {
			ctdb_rec_data_encode(w, &r);
			++*n;
		} else if (r.data.len == RECORD_HEADER_SIZE + sizeof(*seq)) {
			memcpy(seq, r.data.p + RECORD_HEADER_SIZE, sizeof(*seq));
		}
	}
	return 0;
}

/* Into m, with the sequence number that this content will have */
static int whole_take(struct core *c, struct commit *m, struct slice records)
{
	uint64_t step = core_has_bug(c, CORE_BUG_REPLACE_BY_ONE) ? 1 : 2, seq;
	uint64_t least = db_get(c, m->db_id)->replica.content.seq + step;
	size_t size = records.len + 256;
	uint8_t head[64];
	struct ctdb_rec_buffer b = { .db_id = m->db_id };
	struct writer w, h = writer_of(head, sizeof(head));

	m->records = core_alloc(size);
	ctdb_rec_buffer_encode(&h, &b); /* for its length */
	w = writer_of(m->records + h.len, size - h.len);
	if (whole_read(records, m->db_id, &w, &b.count, &seq) != 0)
		return -EBADMSG;
	if (seq < least || seq > UINT64_MAX / 2)
		seq = least;
	sequence_encode(c, &w, seq, seq); /* its rsn grows, too */
	b.count++;
	h = writer_of(m->records, size);
	ctdb_rec_buffer_encode(&h, &b);
	m->len = h.len + w.len;
	return w.failed ? -EBADMSG : 0;
}

void core_replace(struct core *c, uint64_t client, uint32_t reqid, uint32_t db_id,
		  struct slice records)
{
	struct commit *m;

	if (c->is_retired)
		return;
	if (records.len > CORE_MAX_RECORD - 256) {
		commit_refuse(c, client, reqid, "the records are too many for one commit");
		return;
	}
	m = commit_new(c, client, reqid, db_id);
	if (m == NULL)
		return;
	if (db_get(c, db_id)->replica.is_behind) {
		/* its sequence number would be counted from a content that is not the newest */
		commit_end(c, m, COMMIT_REFUSED, "this node is still fetching the database");
		return;
	}
	m->is_whole = true;
	if (whole_take(c, m, records) != 0)
		commit_end(c, m, COMMIT_REFUSED, "malformed records");
	else if (!c->is_active || c->view.fsm.state != CORE_VIEW_ACTIVE)
		/* one that waits would have a sequence number of now */
		commit_end(c, m, COMMIT_REFUSED, "the view of the cluster is changing");
	else
		commit_begin(c, m);
	core_run(c);
}

/* ---- what members answer ---- */

/* When all have prepared, and have what a client here had pushed to them before */
static void commit_decide(struct core *c, struct commit *m)
{
	if (!m->is_settling && push_is_pending(c, m->push_number) &&
	    !core_has_bug(c, CORE_BUG_PUSH_NOT_AWAITED))
		return;
	m->state = COMMIT_DECIDED;
	commit_await(m);
	control_send_commit(c, m->db_id, m->id);
}

void commit_pushed(struct core *c)
{
	for (struct commit *m = c->commits; m != NULL; m = m->next)
		if (m->state == COMMIT_PREPARING && m->answered_n == c->active_n)
			commit_decide(c, m);
}

void commit_packet(struct core *c, uint32_t from, const struct packet *p)
{
	uint64_t bit = 1ULL << from % 64;
	struct commit *m = c->commits;
	char text[160];

	while (m != NULL && (m->id != p->rsn || m->db_id != p->db_id))
		m = m->next;
	if (m == NULL || m->state == COMMIT_WAITING ||
	    (p->type == PACKET_APPLIED) != (m->state == COMMIT_DECIDED) ||
	    (m->has_answered[from / 64] & bit) != 0)
		return;
	if (p->type == PACKET_DECLINED) {
		size_t len = p->data.len < sizeof(text) ? p->data.len : sizeof(text) - 1;

		memcpy(text, p->data.p, len);
		text[len] = '\0';
		commit_abort(c, m, COMMIT_REFUSED, text);
		return;
	}
	m->has_answered[from / 64] |= bit;
	m->answered_n++;
	if (m->state == COMMIT_PREPARING) {
		if (m->answered_n == c->active_n || core_has_bug(c, CORE_BUG_COMMIT_EARLY))
			commit_decide(c, m);
	} else if (m->answered_n == c->active_n || core_has_bug(c, CORE_BUG_ANSWER_EARLY)) {
		commit_end(c, m,
			   m->is_raising    ? COMMIT_REFUSED
			   : m->is_settling ? COMMIT_VIEW_CHANGED
					    : 0,
			   m->is_raising ? overtaken
					 : "the view has changed: the database tells whether it "
					   "was committed");
	}
}

void commit_delivered(struct core *c, uint32_t from, uint32_t generation, uint32_t db_id,
		      uint64_t id)
{
	struct db *db = db_get(c, db_id);

	/* All members have the same state of the view here: it only moves by what CPG delivers */
	if (!c->is_active || c->view.fsm.state != CORE_VIEW_ACTIVE ||
	    generation != c->active_generation)
		return;
	if (db == NULL || !db_is_replicated(db) || !c->node[from]->is_active)
		return;
	replica_decided(c, from, db, id);
}

/* ---- ends ---- */

/* A new generation: what was begun in the old one is over, and to be settled */
void commit_activate(struct core *c)
{
	struct commit *m = c->commits, *next;

	for (; m != NULL; m = next) {
		next = m->next;
		if (m->is_orphan && m->is_raising) {
			commit_end(c, m, 0, "");
			continue;
		}
		if (m->is_raising || (m->state == COMMIT_PREPARING && !m->is_whole &&
				      !core_has_bug(c, CORE_BUG_NUMBER_TAKEN)))
			m->state = COMMIT_WAITING;
		m->retry_ms = UINT64_MAX;
		if (m->state != COMMIT_WAITING) {
			m->state = COMMIT_WAITING;
			m->is_settling = true;
			free(m->records);
			m->records = NULL;
			m->len = 0;
		}
		commit_begin(c, m);
	}
}

void commit_client_gone(struct core *c, uint64_t client)
{
	struct commit *m = c->commits, *next;

	for (; m != NULL; m = next) {
		next = m->next;
		if (m->client != client)
			continue;
		m->is_orphan = true;
		m->orphan_until_ms = core_now(c) + COMMIT_ORPHAN_MS;
		if (m->is_settling || m->state == COMMIT_DECIDED)
			continue;
		if (m->state == COMMIT_PREPARING)
			commit_send(c, m, PACKET_ABORT);
		commit_end(c, m, 0, "");
	}
}

bool core_is_committing(const struct core *c, uint64_t client)
{
	uint64_t now_ms = c->ops->now_ms(c->world);

	for (const struct commit *m = c->commits; m != NULL; m = m->next)
		if (m->client == client)
			return !m->is_orphan || now_ms < m->orphan_until_ms;
	return false;
}

static uint64_t commit_due(const struct commit *m)
{
	if (m->state == COMMIT_DECIDED)
		return UINT64_MAX;
	return m->state == COMMIT_WAITING &&
		       (m->is_settling || m->is_raising || m->retry_ms != UINT64_MAX)
		   ? m->retry_ms
		   : m->until_ms;
}

void commit_tick(struct core *c)
{
	struct commit *m = c->commits, *next;

	for (; m != NULL; m = next) {
		next = m->next;
		if (commit_due(m) > core_now(c))
			continue;
		if (m->state == COMMIT_PREPARING)
			commit_abort(c, m, COMMIT_TIMED_OUT,
				     "a node did not answer in time, and nothing was committed");
		else if (m->retry_ms != UINT64_MAX) {
			m->retry_ms = UINT64_MAX;
			commit_begin(c, m);
		} else if (commit_is_blocked(c, m) || commit_replica(c, m)->content.seq == m->seq)
			m->until_ms = core_now(c) + COMMIT_TIMEOUT(c); /* whether it happened cannot be told yet */
		else
			commit_end(c, m, COMMIT_TIMED_OUT,
				   "the cluster did not become active in time");
	}
}

uint64_t commit_deadline(const struct core *c)
{
	uint64_t t = UINT64_MAX;

	for (const struct commit *m = c->commits; m != NULL; m = m->next)
		if (commit_due(m) < t)
			t = commit_due(m);
	return t;
}

void commit_free(struct core *c)
{
	struct commit *m;

	while ((m = c->commits) != NULL) {
		c->commits = m->next;
		free(m->records);
		free(m);
	}
}
