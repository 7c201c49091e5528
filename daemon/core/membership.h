/* SPDX-License-Identifier: GPL-3.0-or-later */
/* membership.h: who is here, who may be active, and what has to be true before a generation
 * begins; part of internal.h */
#ifndef COTDB_CORE_MEMBERSHIP_H
#define COTDB_CORE_MEMBERSHIP_H

#include "fsm.h"
#include "packet.h"

struct detach;
struct wipe;

#define SLOT_COUNT	  1024
#define STARTED_COUNT	  128
#define FACT_COUNT	  64

/* ---- a node ---- */

struct node {
	uint32_t pnn;
	uint64_t boot_id; /* 0: no STATE seen yet */
	uint64_t started_boot_id; /* what its supervisor has started last */
	char name[CORE_NAME_SIZE];
	char address[CORE_NAME_SIZE];
	bool is_member, is_active, is_connected, has_supervisor, is_untold, is_held;
	bool is_in_ring; /* corosync's */
	bool is_fence_asked; /* with quorum ever since */
	bool is_draining; /* it has said so, in this generation (drain.c) */
	uint32_t protocol; /* the newest that it knows, as its STATE told when this generation began */
	bool is_leaving;  /* ... and that it is about to go: it gets no records any more */
	uint64_t drain_ticket; /* to be answered; 0: nothing is */
	enum reason kept_out; /* REASON_NONE unless the last ACTIVATE left it out */
	uint64_t silent_ms;   /* a member without a link: when to say so (again) */
	/* link.c: when data last went to it; how much it had acknowledged at the last look; when its link came
	 * up; since when it says that we do not answer, 0: it does not */
	uint64_t moved_ms, looked_seq, up_ms, named_ms;
	struct session session;
	/* Sweep reports to this lmaster being filled */
	uint8_t *report;
	size_t report_len;
	uint32_t report_n, report_db;
};
static inline bool node_is_there(const struct node *n)
{
	return n != NULL && n->is_active && n->is_member;
}
/* Whether a record may go to it */
static inline bool node_takes_records(const struct node *n)
{
	return node_is_there(n) && !n->is_leaving;
}

/* ---- view.c ---- */

/* A database as a member's STATE tells it */
struct db_told {
	uint32_t db_id, flags;
	char name[CORE_NAME_SIZE];
	struct core_content content; /* of persistent and replicated ones */
	bool is_behind;
	bool is_wiping; /* its file is frozen for a wipe */
};

/* One engine process in the group, and its STATE for this view */
struct member {
	uint32_t pnn, pid;
	bool has_state;
	uint64_t boot_id, round;
	uint32_t last_generation;   /* the newest it knows: active, promised, or on its disk */
	uint32_t active_generation; /* of this very incarnation, 0: never active */
	struct incarnation *known, *active; /* who may be, and who is active in the two */
	struct incarnation *started;
	size_t known_n, active_n, started_n;
	struct db_told *dbs;
	size_t dbs_n;
	bool has_other_db; /* than the cluster has under this name or id: evicted (db.c) */
	uint32_t protocol_max;
	bool has_told_links;		    /* as joiner */
	uint64_t cut[CORE_MAX_NODES / 64]; /* with whom it cannot exchange data */
	bool is_leader; /* of active_generation */
	bool is_outside; /* it was not in last_generation */
	bool is_compatible;
	bool has_failed_lock; /* as leader of this view */
	enum reason topology;
	/* What the refused try brought */
	bool is_joiner, has_tried;
	bool is_planned, has_accepted; /* in the leader's plan; it promised to take part */
	enum reason kept_out;
};

enum lock_question { LOCK_Q_TRY, LOCK_Q_PROBE, LOCK_Q_CHECK };
struct lock {
	bool is_held, is_checked;
	/* What the helper was asked and has not answered yet, oldest first */
	struct {
		enum lock_question what;
		uint64_t digest, asked_ms;
		uint32_t holder; /* whose HELD a PROBE answers */
	} asked[8];
	size_t asked_n;
	uint64_t owed_digest; /* a PROBE for that view found no room; 0: none */
	uint32_t owed_holder;
	uint64_t since_ms, retry_ms; /* trying since; not before */
	struct core_lock_id id;
	enum reason failure; /* why this node gave up last */
};

struct view {
	struct fsm fsm; /* states: enum core_view */
	struct core_ring ring, quorum_ring;
	bool is_quorate;
	struct member *member;
	size_t n;
	uint64_t group;	 /* digest of the members and restarts: names the view in STATE, RESTART */
	uint64_t digest; /* ... and of each member's round: in all others; 0 before STATE is in */
	uint64_t round;	 /* how often this node began to gather: no STATE of its is like another */
	uint32_t restarts;
	uint32_t candidate; /* pnn of who is to lead, or CORE_UNKNOWN_PNN */
	bool is_held_sent, is_activate_sent, is_lock_failed_sent;
	uint32_t plan_generation, plan_leader; /* ACTIVATE was delivered; 0: not yet */
	bool owes_accept; /* until the plan is on disk */
	bool is_plan_active; /* everybody in it has accepted it */
	bool owes_state;  /* until what was decided is in the files */
	/* link.c: what this node has told; when it tells that a cut pair of it is due, 0: it has none;
	 * since when its joiners' links are waited for */
	uint64_t told_cut[CORE_MAX_NODES / 64], due_ms, link_wait_ms;
	bool has_told_links, has_told_due, has_asked_again;
	uint64_t begin_ms, held_ms, relead_ms, silent_ms, settle_ms;
	uint32_t silent_turn; /* of those who owe an answer */
};

enum fact_kind { FACT_LEFT, FACT_REVOKED, FACT_FENCED };
struct fact {
	struct incarnation inc;
	enum fact_kind kind;
};

/* One departed incarnation that the fencing gate waits for, at the leader */
struct departed {
	struct incarnation inc;
	uint64_t since_ms, request_ms; /* when to ask for fencing */
	uint32_t wait_ms; /* that this is after, from when it became so; 0: it is not waited yet */
	uint32_t tries;
	uint64_t asked_ms;  /* for a fencing that has not failed since; 0: no */
	bool has_left_ring; /* its node did: it may be starting again */
	char result[160];
};

struct gate {
	bool is_open;
	enum reason reason;
	char text[256];
	uint64_t since_ms;
};

/* view.c */
void view_init(struct core *c);
void view_tick(struct core *c);
uint64_t view_deadline(const struct core *c);
void view_restart(struct core *c, const char *why);
struct member *view_member(const struct core *c, uint32_t pnn);
/* All members know this version of the protocol, but those that are kept out for theirs */
bool view_speaks(const struct core *c, uint32_t protocol);
void view_lead(struct core *c); /* take the next step as leader, if this node is to lead */
bool view_is_leading(const struct core *c);
void view_free(struct core *c);

/* control.c: what members multicast; each names its view */
void control_send_state(struct core *c);
void control_send_activate(struct core *c);
void control_send_accept(struct core *c, uint32_t generation);
void control_send_held(struct core *c);
void control_send_tried(struct core *c, uint64_t digest, uint32_t holder, enum reason result);
void control_send_lock_failed(struct core *c, enum reason why);
void control_send_restart(struct core *c);
void control_send_fact(struct core *c, struct incarnation inc, enum fact_kind kind);
void control_send_commit(struct core *c, uint32_t db_id, uint64_t id);
void control_send_detach(struct core *c, uint32_t db_id, uint64_t number);
void control_send_links(struct core *c, const uint64_t *cut, bool is_due);
void control_send_vote(struct core *c, const struct detach *d, uint32_t db_id, bool is_free,
		       const char *why);
void control_send_wipe(struct core *c, uint32_t db_id, uint64_t number);
void control_send_wipe_vote(struct core *c, const struct wipe *w, uint32_t db_id, bool is_frozen,
			    const char *why);
/* and what comes of it, in view.c; the sender is a member */
void view_state_in(struct core *c);
void view_promise(struct core *c, uint32_t leader, uint32_t generation,
		  const struct incarnation *in, size_t n);
void view_accepted(struct core *c, struct member *from, uint32_t generation);

/* gate.c */
void gate_set(struct core *c, enum core_gate g, bool is_open, enum reason why, const char *format,
	      ...) __attribute__((format(printf, 5, 6)));
bool gate_quorum(struct core *c);
void gate_observe(struct core *c); /* as a follower: for status only */
void gate_freeze(struct core *c);  /* after a change of quorum */
uint64_t gate_deadline(const struct core *c);

/* fencing.c */
bool fencing_check(struct core *c); /* is nobody waited for? */
bool gate_fencing(struct core *c);  /* and ask for it, as leader */
void fencing_wait(struct core *c); /* without quorum: time does not count */
uint64_t fencing_deadline(const struct core *c);

/* link.c */
#define LINK_EVICTED_TEXT "it cannot exchange data"
void link_gather(struct core *c);   /* a view begins */
void link_state_in(struct core *c); /* every member has told its STATE */
void link_activate(struct core *c);
/* A joiner has told that it lacks a link */
bool link_is_missing(const struct core *c, const struct member *m);
bool gate_link(struct core *c);
void gate_link_observe(struct core *c);
void link_told(struct core *c, struct member *from, const uint64_t *cut, bool is_due);
void link_up(struct core *c, struct node *n);
void link_down(struct core *c, struct node *n);
void link_tick(struct core *c);
uint64_t link_deadline(const struct core *c);

/* lock.c */
bool gate_lock(struct core *c);
void gate_lock_probe(struct core *c, uint64_t digest, uint32_t holder); /* the leader says HELD */
uint64_t lock_deadline(const struct core *c);

/* known.c */
void known_replace(struct core *c, uint32_t generation, const struct incarnation *list, size_t n);
void known_learn(struct core *c, const struct member *m);
void known_settle(struct core *c);
bool known_is_evicted(const struct core *c, const struct member *m);

/* fact.c */
void fact_add(struct core *c, struct incarnation inc, enum fact_kind kind);
bool fact_known(const struct core *c, struct incarnation inc);

enum control_type {
	CONTROL_STATE = 1,
	CONTROL_HELD,
	CONTROL_TRIED,
	CONTROL_LOCK_FAILED,
	CONTROL_ACTIVATE,
	CONTROL_FACT,
	CONTROL_ATTACH,
	CONTROL_RESTART,
	CONTROL_ACCEPT,
	CONTROL_COMMIT,
	CONTROL_DETACH,
	CONTROL_VOTE,
	CONTROL_LINKS,
	CONTROL_WIPE,
	CONTROL_WIPE_VOTE
};

/* slot.c */
void slot_assign(struct core *c);
uint32_t slot_lmaster(const struct core *c, uint64_t hash);
/* The active node that would be, if there were no others than those that may; CORE_UNKNOWN_PNN: none */
uint32_t slot_best(const struct core *c, uint64_t hash,
		   bool (*may)(const struct core *c, uint32_t pnn));

#endif
