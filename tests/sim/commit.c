/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * commit.c: clients that commit to the persistent database, and invariant I6. They do what Samba's
 * do: take the lock (in some runs now and then without), read the sequence number in their own
 * file, commit with the next one, and when that fails look into the file again: done, or to be
 * tried again, or given up. A client that is gone was told nothing; its lock is taken by another
 * one when its node says that it is gone, and not before its commit has ended.
 *
 * I6, checked whenever a client is told, and when a node's file is found good in a generation:
 *   - what a client was told of is in the file of every node of the generation, and in the file of
 *     each node that is active later;
 *   - what a client found missing when it was told of a failure is in none of these, ever;
 *   - in the end all files are equal;
 *   - who has the lock does not find the sequence number that it has asked for with the commit of
 *     another client, which it would take for its own.
 * One limit: a generation that begins without any node that has it cannot know of it. Corosync's
 * quorum does not keep that from happening: the only nodes with an active daemon may be down, while
 * others that had none make a quorum. Then there are two histories, and when they meet one is lost:
 * from there on only what is told is checked, and that all become equal.
 */
#include <stdlib.h>
#include <string.h>
#include "lib/payload.h"
#include "sim.h"


static bool vpfile_has(const struct vpfile *f, uint32_t commit, uint32_t n)
{
	return n <= f->n && f->commit[n % SIM_COMMITS] == commit;
}

static void check_told(struct sim *s, const struct vpfile *f, uint32_t pnn, struct vtold *t)
{
	t->holders |= 1U << pnn;
	if (vpfile_has(f, t->commit, t->n) == t->is_done)
		return;
	sim_fail(
	    s, t->is_done ? "I6 (lost commit)" : "I6 (commit out of nothing)",
	    "node %u %s commit %u, sequence number %u, of which a client was told in generation "
	    "%u that it %s; its file is at %u.%u",
	    pnn, t->is_done ? "does not have" : "has", t->commit, t->n, t->generation,
	    t->is_done ? "is done" : "is not", f->generation, f->n);
}

void check_replica(struct sim *s, struct vengine *e)
{
	struct core_db_info info;

	if (e->core == NULL || e->is_quitting || !e->is_running ||
	    core_generation(e->core) == e->replica.checked_generation ||
	    !core_node_is_active(e->core, e->node->pnn) || !vreplica_info(e, &info) ||
	    info.is_behind)
		return;
	e->replica.checked_generation = core_generation(e->core);
	if (info.content.generation != e->node->pfile.generation ||
	    info.content.seq != e->node->pfile.n)
		sim_fail(s, "I6 (content)", "node %u takes its file for %u.%llu, it is %u.%u",
			 e->node->pnn, info.content.generation,
			 (unsigned long long)info.content.seq, e->node->pfile.generation,
			 e->node->pfile.n);
	for (size_t i = 0; i < s->told_n; i++)
		if (s->told[i].generation <= core_generation(e->core))
			check_told(s, &e->node->pfile, e->node->pnn, &s->told[i]);
}

void check_replica_generation(struct sim *s, const struct incarnation *active, size_t n)
{
	uint32_t nodes = 0;

	for (size_t i = 0; i < n; i++)
		nodes |= 1U << active[i].pnn;
	s->has_histories |= s->last_nodes != 0 && (s->last_nodes & nodes) == 0;
	s->last_nodes = nodes;
	for (size_t i = 0; i < s->told_n; i++)
		s->has_histories |= (s->told[i].holders & nodes) == 0;
	if (s->has_histories)
		s->told_n = 0;
}

void check_replicas_equal(struct sim *s)
{
	const struct vpfile *a = &s->node[0].pfile;

	for (uint32_t i = 0; i < s->n && !s->has_failed; i++) {
		const struct vpfile *f = &s->node[i].pfile;

		if (f->n != a->n ||
		    memcmp(f->commit, a->commit, (a->n + 1) * sizeof(a->commit[0])) != 0)
			sim_fail(s, "I6 (equal)", "nodes 0 and %u hold different files: %u and %u",
				 i, a->n, f->n);
		for (size_t k = 0; k < s->told_n; k++)
			check_told(s, f, i, &s->told[k]);
	}
}

/* ---- clients -------------------------------------------------------------------------------- */

static void vcommitter_turn_later(struct sim *s, struct vcommitter *c, uint64_t delay_us);

static void vcommitter_idle(struct sim *s, struct vcommitter *c)
{
	c->state = VCOMMITTER_IDLE;
	if (s->commit_lock == c && c->dead_id == 0)
		s->commit_lock = NULL;
	vcommitter_turn_later(s, c, 1000 + sim_delay(s, 5 * s->think_us));
}

static void vcommitter_on_send(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vcommitter *c = object;
	struct vengine *e = c->e;
	uint8_t body[RECORD_HEADER_SIZE + 8], buf[256];
	struct writer w = writer_of(buf, sizeof(buf));
	struct ctdb_rec_data r = { .key = slice_of("key", 3) };

	(void)data;
	if (c->turn != number || c->state != VCOMMITTER_SENDING || !e->is_running)
		return;
	if (!vengine_can_run(e)) {
		event_after(s, 5000, vcommitter_on_send, c, NULL, number);
		return;
	}
	memset(body, 0, sizeof(body));
	memcpy(body + RECORD_HEADER_SIZE, &c->commit, sizeof(c->commit));
	ctdb_rec_buffer_encode(&w, &(struct ctdb_rec_buffer){ e->replica.db_id,
							      c->is_whole ? 1 : 2 });
	r.data = slice_of(body, sizeof(body));
	ctdb_rec_data_encode(&w, &r);
	memcpy(body + RECORD_HEADER_SIZE, &c->n, sizeof(c->n));
	r.key = slice_of(SEQUENCE_KEY, sizeof(SEQUENCE_KEY));
	if (!c->is_whole)
		ctdb_rec_data_encode(&w, &r);
	c->state = VCOMMITTER_WAITING;
	c->reqid++;
	sim_trace(s, "node %u: client asks for commit %u, sequence number %u", e->node->pnn,
		  c->commit, c->n);
	memcpy(c->pushed, e->pushed, sizeof(c->pushed));
	if (c->is_whole)
		core_replace(e->core, c->id, c->reqid, e->replica.db_id, slice_of(w.p, w.len));
	else
		core_commit(e->core, c->id, c->reqid, e->replica.db_id, slice_of(w.p, w.len));
	vengine_after(e);
}

static void vcommitter_send(struct sim *s, struct vcommitter *c)
{
	c->state = VCOMMITTER_SENDING;
	c->turn++;
	event_after(s, sim_delay(s, s->store_us), vcommitter_on_send, c, NULL, c->turn);
}

/* Its holder, or its holder's node, is gone */
static bool is_commit_lock_free(const struct sim *s)
{
	const struct vcommitter *c = s->commit_lock;

	return c == NULL || !c->e->is_running ||
	       (c->dead_id != 0 && !core_is_committing(c->e->core, c->dead_id));
}

/* Samba's would have it attached: this one may read a file that is not served yet */
static bool vreplica_is_served(struct vengine *e)
{
	struct core_db_info info;

	return core_node_is_active(e->core, e->node->pnn) && vreplica_info(e, &info) &&
	       !info.is_behind;
}

static void vcommitter_begin(struct sim *s, struct vcommitter *c)
{
	c->has_lock = is_commit_lock_free(s) && vreplica_is_served(c->e);
	if (is_commit_lock_free(s)) {
		s->commit_lock = c;
		c->dead_id = 0;
	} else if (!s->is_commit_lock_loose || !sim_chance(s, 20)) {
		vcommitter_turn_later(s, c, 1000 + sim_delay(s, s->think_us));
		return;
	}
	c->commit = ++s->next_commit;
	c->is_whole = random_next(&s->restores) % 10 == 0;
	c->n = c->e->node->pfile.n + 1 + c->is_whole;
	c->since_us = s->now_us;
	c->tries = 0;
	vcommitter_send(s, c);
}

static void vcommitter_on_turn(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vcommitter *c = object;

	(void)data;
	if (c->turn != number || c->state != VCOMMITTER_IDLE || !c->e->is_running || s->is_quiet)
		return;
	/* One of the whole takes two numbers, and so does one that was overtaken */
	if (!c->e->replica.is_attached || s->next_commit >= SIM_COMMITS - 50 ||
	    c->e->node->pfile.n >= SIM_COMMITS - 50)
		vcommitter_turn_later(s, c, 10000 + sim_delay(s, s->think_us));
	else
		vcommitter_begin(s, c);
}

static void vcommitter_turn_later(struct sim *s, struct vcommitter *c, uint64_t delay_us)
{
	event_after(s, delay_us, vcommitter_on_turn, c, NULL, ++c->turn);
}

void vcommit_now(struct sim *s, struct vengine *e)
{
	e->committer.has_done = false;
	if (e->committer.state == VCOMMITTER_NONE)
		return;
	s->commit_lock = NULL;
	e->committer.dead_id = 0;
	vcommitter_begin(s, &e->committer);
}

/* What was told concerns every node of the generation in which it was told */
static void vcommitter_told(struct sim *s, struct vcommitter *c, bool is_done)
{
	struct vengine *e = c->e;
	struct vtold t = { c->commit, c->n, core_generation(e->core), is_done, 0 };

	for (uint32_t i = 0; i < s->n; i++) {
		if (e->nodes & 1U << i)
			check_told(s, &s->node[i].pfile, i, &t);
	}
	if (s->told_n < SIM_COMMITS && !s->has_histories)
		s->told[s->told_n++] = t;
}

/* One of the whole content has the number that it was given, 2 above what was there then */
static uint32_t vcommitter_number(const struct vcommitter *c)
{
	const struct vpfile *f = &c->e->node->pfile;

	for (uint32_t n = f->n; c->is_whole && n > 0 && n + 50 > f->n; n--)
		if (f->commit[n % SIM_COMMITS] == c->commit)
			return n;
	return c->n;
}

void vcommit_ended(void *world, uint64_t client, uint32_t reqid, int status, const char *text)
{
	struct vengine *e = world;
	struct sim *s = e->sim;
	struct vcommitter *c = &e->committer;
	struct core_status now;
	bool is_done;

	if (client != c->id)
		return; /* of one that has died */
	c->n = vcommitter_number(c);
	is_done = vpfile_has(&e->node->pfile, c->commit, c->n);
	if (c->state != VCOMMITTER_WAITING || c->reqid != reqid) {
		sim_fail(s, "commit", "a client of node %u is answered twice", e->node->pnn);
		return;
	}
	sim_trace(s, "node %u: commit %u ends with %d (%s), and is %s", e->node->pnn, c->commit,
		  status, status != 0 ? text : "", is_done ? "there" : "not there");
	s->commits += status == 0;
	if (status == 0)
		check_pushed(s, e);
	if (status == 0 && !is_done)
		sim_fail(s, "I6 (lost commit)", "commit %u is not on node %u itself", c->commit,
			 e->node->pnn);
	if (status != 0 && !is_done && !s->is_commit_lock_loose && c->has_lock && !c->is_whole &&
	    e->node->pfile.n == c->n)
		sim_fail(s, "I6 (another's commit)",
			 "node %u has commit %u under the number of commit %u, whose client takes it for its own",
			 e->node->pnn, e->node->pfile.commit[c->n % SIM_COMMITS], c->commit);
	c->has_done = is_done;
	/* As a client would: nothing has come between, so it is the same commit once more */
	core_status(e->core, &now);
	if (!is_done && e->node->pfile.n + 1 + c->is_whole == c->n && (s->is_quiet || sim_chance(s, 60)) &&
	    (now.view != CORE_VIEW_ACTIVE || c->tries++ < 20)) {
		vcommitter_send(s, c);
		return;
	}
	vcommitter_told(s, c, is_done);
	vcommitter_idle(s, c);
}

/* ---- life and death ------------------------------------------------------------------------- */

static void vcommitter_on_accident(struct sim *s, void *object, void *data, uint64_t number)
{
	struct vengine *e = object;
	struct vcommitter *c = &e->committer;

	(void)data;
	(void)number;
	if (!e->is_running || s->is_healing)
		return;
	event_after(s, sim_delay(s, 4 * s->fault_us), vcommitter_on_accident, e, NULL, 0);
	if (!vengine_can_run(e) || c->state != VCOMMITTER_WAITING)
		return;
	sim_trace(s, "node %u: the client of commit %u dies", e->node->pnn, c->commit);
	c->dead_id = s->commit_lock == c ? c->id : 0;
	core_client_gone(e->core, c->id++);
	vcommitter_idle(s, c);
	vengine_after(e);
}

void vcommit_start(struct sim *s, struct vengine *e)
{
	struct vcommitter *c = &e->committer;

	c->e = e;
	c->id = 1ULL << 40; /* nobody else's */
	c->state = VCOMMITTER_IDLE;
	vcommitter_turn_later(s, c, sim_delay(s, 5 * s->think_us));
	event_after(s, sim_delay(s, 4 * s->fault_us), vcommitter_on_accident, e, NULL, 0);
}

void vcommit_engine_leaves(struct sim *s, struct vengine *e)
{
	core_client_gone(e->core, e->committer.id);
	vcommit_engine_gone(s, e);
}

void vcommit_engine_gone(struct sim *s, struct vengine *e)
{
	e->committer.state = VCOMMITTER_NONE;
	e->committer.turn++;
	e->committer.dead_id = 0;
	if (s->commit_lock == &e->committer)
		s->commit_lock = NULL;
}
