/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * roster.h: what a supervisor knows of the incarnations that other nodes run, for its engine
 * (core_started()). Pure, so that the simulator runs it.
 *
 * An engine that starts knows from disk who was active when its node last took part, and learns the
 * rest from the members that it meets. That is not enough when it meets nobody who knows: the only
 * active engine may have been started while this node's engine was down, and be cut off before the
 * new one comes. Supervisors outlive engines, so they keep the list: each tells the whole of it to
 * the group when somebody comes, and its own new incarnation before that joins the engines' group.
 * A supervisor that is lost before it has told anything counts as one unknown incarnation.
 *
 * The list on disk (core_ops.persist) has to tell who has ended, also while no engine runs: where
 * all nodes stop at once, no later generation does that, and the first one that starts again would
 * wait for nodes that have left in order, and have them fenced. So they are marked: roster_mark().
 */
#ifndef COTDB_ROSTER_H
#define COTDB_ROSTER_H

#include "core.h"

#define ROSTER_MAX     128 /* incarnations */
#define ROSTER_MESSAGE (8 + (ROSTER_MAX + 1) * 12)

struct roster_ops {
	/* To every supervisor of the group, oneself included */
	void (*multicast)(void *world, const void *msg, size_t len);
	/* Tell the engine, if there is one: core_started(), core_supervisor() */
	void (*started)(void *world, struct incarnation inc);
	/* ... and core_revoked(): its own supervisor says otherwise */
	void (*over)(void *world, struct incarnation inc);
	void (*supervisor)(void *world, uint32_t pnn, bool is_present, bool has_told);
};

struct roster {
	const struct roster_ops *ops;
	void *world;
	uint32_t pnn;
	uint64_t own_boot_id;
	bool is_own_known;     /* leftovers are retired: no other incarnation can be here */
	bool is_engine_active; /* its own gate has looked after everything older */
	bool is_present[CORE_MAX_NODES], is_in_ring[CORE_MAX_NODES];
	bool is_told[CORE_MAX_NODES];	    /* its supervisor has said what it runs */
	bool has_left[CORE_MAX_NODES];	    /* the group in good order: nothing is left behind */
	struct incarnation inc[ROSTER_MAX]; /* may be active */
	bool is_quiet[ROSTER_MAX]; /* came while the own engine was active: for the next one */
	size_t n;
	struct incarnation over[ROSTER_MAX]; /* the last that ended, as a ring */
	bool is_over_whole[ROSTER_MAX];	     /* ... of one that had told all that it knew */
	size_t over_n, over_next;
	uint64_t lost; /* made-up boot ids so far */
};

void roster_init(struct roster *r, uint32_t pnn, uint64_t salt, const struct roster_ops *ops,
		 void *world);
/* The supervisor of a node leaves the group in good order: it runs nothing, and has retired what it
 * ran. roster_group() without it follows. */
void roster_leave(struct roster *r, uint32_t pnn);
/* The supervisors' group, and the nodes of corosync's ring */
void roster_group(struct roster *r, const uint32_t *pnn, size_t n);
void roster_ring(struct roster *r, const uint32_t *pnn, size_t n);
/* What ops->multicast() was given by the supervisor of a node */
int roster_message(struct roster *r, uint32_t from_pnn, struct slice msg);
/* LEFT or REVOKED was heard */
void roster_over(struct roster *r, struct incarnation inc);
/* The own engine is about to start with this boot id; 0: none runs, and the files are retired */
void roster_engine(struct roster *r, uint64_t boot_id);
/* The own engine keeps this plan: who is not in it can write no more */
void roster_planned(struct roster *r, const struct incarnation *plan, size_t n);
/* Tell a new engine everything */
void roster_tell(struct roster *r);
/* Marks, in a list of who may be active, those whose LEFT or REVOKED was heard; whether there is a
 * new mark. But none is made while this supervisor knows of somebody who is not in the list: that
 * is in memory only, and who starts from this list alone has to find somebody who can tell. */
bool roster_mark(const struct roster *r, const struct incarnation *list, bool *is_over, size_t n);
/* Whether such a mark, read from disk, counts. What has ended stays so; but while its node is out
 * of sight, somebody may have become active beside it who is known only there. */
bool roster_is_in_sight(const struct roster *r, struct incarnation inc);
/* Whether a supervisor that is here may still say LEFT or REVOKED of one in the list */
bool roster_awaits(const struct roster *r, const struct incarnation *list, size_t n);

#endif
