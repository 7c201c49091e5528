/* SPDX-License-Identifier: GPL-3.0-or-later */
/* vacuum.h: what vacuum.c and erase.c share, and what the rest of the core calls in them */
#ifndef COTDB_CORE_VACUUM_H
#define COTDB_CORE_VACUUM_H

#include "internal.h"

#define VACUUM_SLICE 128U /* records that are looked at in one turn, and that a packet holds */

/* A record that may be empty: to be looked at when it is due */
struct candidate {
	struct candidate *next_hash, *next, *prev;
	uint64_t hash, due_ms;
	uint32_t db_id, tries;
	bool is_soon;	/* in which of the two queues it is */
	bool is_orphan; /* an empty copy that this node does not own: its lmaster is asked */
	size_t keylen;
	uint8_t key[];
};
struct candidate_queue {
	struct candidate *first, *last;
};

/* Entries (packet_entry_next) for one node, or for all others, being collected */
struct batch {
	uint8_t type;
	uint32_t pnn, db_id, n; /* CORE_UNKNOWN_PNN: all others */
	size_t len;
	uint8_t *buf;
};

/* Records of this lmaster whose old copies are being made empty. One packet, to all others. */
struct erase {
	struct erase *next;
	uint64_t ticket;
	uint64_t waits_for[CORE_MAX_NODES / 64];
	size_t waits_n;
	uint32_t db_id, n;
	uint64_t is_refused[VACUUM_SLICE / 64];
	size_t len;
	uint8_t entries[];
};

struct vacuum {
	uint32_t delay_ms, interval_ms; /* 0: nothing is done */
	struct candidate **bucket;
	size_t n, key_bytes;
	struct candidate_queue soon, resting; /* the latter by due_ms */
	uint64_t pause_ms;
	bool is_something_left; /* one did not fit, or could not be dealt with: the next pass comes soon */

	/* The pass over the files */
	size_t pass_db;
	uint32_t pass_chain;
	uint64_t pass_ms; /* when it goes on, or is given up while it is reading */
	uint64_t cookie;
	bool is_reading;

	/* erase.c */
	struct batch returns, orphans, erases, deletes;
	struct erase *erase;
	size_t erase_n;
	uint64_t last_ticket;
};

/* ---- vacuum.c ---- */

/* A record that was stored here without a body */
void vacuum_arrived(struct core *c, uint64_t hash, uint32_t db_id, struct slice key);
/* To be looked at: at once, or when it has rested. is_orphan as in struct candidate */
void vacuum_schedule(struct core *c, uint64_t hash, uint32_t db_id, struct slice key, bool is_soon,
		     bool is_orphan);
void vacuum_activate(struct core *c);
/* Database number i is about to be closed; those behind it move up */
void vacuum_db_closed(struct core *c, size_t i);
void vacuum_tick(struct core *c);
uint64_t vacuum_deadline(const struct core *c);
void vacuum_free(struct core *c);
/* What was read for a pass, if cookie is a pass's */
bool vacuum_records(struct core *c, uint64_t cookie, const struct core_traverse_entry *e, size_t n);
bool vacuum_read_end(struct core *c, uint64_t cookie, uint32_t next_chain);

/* ---- erase.c ---- */

enum erase_verdict { ERASE_DONE, ERASE_LATER };
enum erase_verdict erase_candidate(struct core *c, const struct candidate *k);
void erase_flush(struct core *c); /* at the end of each event in which something was collected */
bool erase_is_full(const struct vacuum *v);
void erase_packet(struct core *c, uint32_t from, const struct packet *p);
void erase_drop_all(struct vacuum *v);
void erase_init(struct vacuum *v);
void erase_free(struct vacuum *v);

#endif
