/* SPDX-License-Identifier: GPL-3.0-or-later */
/* record.h: who owns a record, and who waits for it; part of internal.h */
#ifndef COTDB_CORE_RECORD_H
#define COTDB_CORE_RECORD_H

#include "packet.h"

struct node;

/* In a record's header, as clients know them (database.md) */
#define RECORD_IN_PROGRESS	  0x00000002U /* its client is about to have it pushed */
#define RECORD_MIGRATED_WITH_DATA 0x00010000U
#define RECORD_IS_LENT		  0x01000000U /* the owner's: others have copies, nobody writes it */
#define RECORD_IS_COPY		  0x02000000U /* a copy that may be read */
#define RECORD_READONLY_FLAGS	  0x0F000000U /* these, and what CTDB uses while it revokes */

/* ---- keystate.c: what waits for a key on this node ---- */

struct op { /* a packet or a call that waits for the chain lock */
	struct op *next;
	bool is_call;
	uint32_t from, generation; /* packet */
	uint64_t client, since_ms; /* call */
	uint32_t reqid, callid;
	bool is_readonly;
	size_t len; /* packet bytes behind */
	uint8_t data[];
};
struct waiter { /* a call that waits for the record */
	struct waiter *next;
	uint64_t client, since_ms;
	uint32_t reqid, callid;
	bool is_readonly; /* a copy to read would do */
};
/* The owner calls in the copies of its record (readonly.c) */
struct revoke {
	uint64_t awaited[CORE_MAX_NODES / 64]; /* who has not said yet that he has none */
	size_t n;
};
struct keystate {
	struct keystate *next;
	uint64_t hash;
	uint32_t db_id;
	size_t keylen;
	struct op *op_first, **op_last; /* blocked on the chain lock */
	bool is_blocked;		/* the store will call core_key_unlocked() */
	struct waiter *waiter_first, **waiter_last;
	uint32_t asked_generation; /* the lmaster was asked in it, 0: not */
	uint32_t *parked;	   /* those whose forward came before the record, or has to wait */
	size_t parked_n;
	uint64_t parked_ms; /* when they go back to the lmaster */
	struct revoke *revoke; /* NULL: none is under way */
	struct push *push;     /* NULL: all have it. Borrowed from struct core */
	uint64_t held_until_ms;	    /* sticky.c; 0: not held */
	struct keystate *held_next; /* those that are held, in the order of their time */
	uint8_t key[];
};
struct keytable {
	struct keystate **bucket;
	size_t buckets, n;
	struct keystate *spare; /* to be used again: no malloc for each call */
	struct waiter *spare_waiter;
	size_t spare_n, spare_waiter_n;
};

/* ---- push.c: a record that all are to have a copy of ---- */

struct push {
	struct push *next;
	uint64_t number; /* a commit asked for later waits for it */
	uint64_t order;	 /* of the contents */
	uint64_t ticket; /* of what was sent for it last */
	uint64_t hash, own_rsn;
	uint32_t db_id;
	struct record_header header;
	uint64_t awaited[CORE_MAX_NODES / 64]; /* who has not said yet that he has it */
	size_t awaited_n;
	size_t keylen, len;
	uint8_t data[]; /* key, body */
};

/* ---- location.c: where records are, at their lmaster ---- */

#define LOCATION_NOBODY 0xFFFU
struct location_name;
struct location { /* location_table.c says what an entry is known by */
	uint64_t print;
	union {
		uint64_t rest;		    /* of its fingerprint */
		struct location_name *name; /* is_named: the key, and that rest */
	};
	uint64_t rsn;
	uint32_t next;	    /* in its bucket */
	uint16_t db;	    /* the table's number of it */
	uint16_t holder : 12; /* owner if definitive, else who offers the best copy, or LOCATION_NOBODY */
	bool is_definitive : 1;
	bool is_sole : 1; /* made new for holder in this generation, and never moved: no other copy exists */
	bool is_awaited : 1; /* it has a resolution */
	bool is_named : 1;
};
_Static_assert(sizeof(struct location) == 32 && CORE_MAX_NODES < LOCATION_NOBODY, "they fit");
struct location_db {
	uint32_t db_id, n; /* n: how many entries; 0: the place is free */
	uint8_t key[CORE_TABLE_KEY_SIZE];
};
struct location_table {
	uint32_t *bucket;
	size_t buckets, room, half; /* half: the power of 2 that buckets is not below */
	size_t n;
	struct location **chunk;
	size_t chunks, chunk_used; /* chunk_used: entries of the last one */
	uint32_t spare;		   /* entries that are free, by next */
	struct location_name *names;
	struct location_db *db;
	size_t dbs, db_last;
	uint64_t forgotten_rsn; /* the highest of the records that were deleted: new ones are above */
	size_t orphans;	     /* offered, and owned by nobody */
	size_t adopt_bucket; /* where they are looked for next */
	uint64_t adopt_ms;   /* not before */
};

/* ---- resolve.c: requests that wait until it is known where the record is ---- */

struct resolution {
	struct resolution *next;
	struct location *location;
	uint64_t awaited[CORE_MAX_NODES / 64]; /* who has not answered yet whether he has it */
	uint32_t awaited_n;
	uint32_t n;
	uint32_t orig[];
};
#define RESOLUTION_BUCKETS 1024

struct hint { /* hint.c */
	uint64_t hash;
	uint16_t giver;
	bool is_steady;
};
#define HINT_COUNT 4096

/* ---- readonly.c: who was lent a copy of a record, in this generation ---- */

#define READERS_MAX 7
struct readers {
	uint64_t hash;
	uint16_t n; /* 0: not known, it may be anybody */
	uint16_t pnn[READERS_MAX];
};
#define READERS_COUNT 4096

/* ---- sticky.c: how often a record moves ---- */

struct moves {
	uint64_t hash, rsn, since_ms; /* it had that rsn then */
	uint64_t until_ms;	      /* it is sticky */
};
#define MOVES_COUNT 1024

/* keystate.c */
struct keystate *keystate_find(struct core *c, uint64_t hash, uint32_t db_id, struct slice key);
struct keystate *keystate_make(struct core *c, uint64_t hash, uint32_t db_id, struct slice key);
void keystate_drop_if_idle(struct core *c, struct keystate *k);
void keystate_free_all(struct core *c);
void keystate_add_waiter(struct core *c, struct keystate *k, uint64_t client, uint32_t reqid,
			 uint32_t callid, bool is_readonly, uint64_t since_ms);
void keystate_free_waiter(struct core *c, struct waiter *w);
void keystate_park(struct core *c, struct keystate *k, uint32_t orig);
/* The chain lock of a key for a packet or a call: 0; -EAGAIN: taken, queue at *k; or -errno */
int keystate_lock(struct core *c, uint64_t hash, uint32_t db_id, struct slice key,
		  struct keystate **k);
/* Behind those that wait for the chain lock already */
void keystate_block_packet(struct keystate *k, uint32_t from, const struct packet *p);
void keystate_block_call(struct keystate *k, uint64_t client, uint32_t reqid, uint32_t callid,
			 bool is_readonly, uint64_t since_ms);
/* Who waits for the record since then, or longer, is told this; UINT64_MAX: everybody */
void keystate_fail_waiters(struct core *c, struct keystate *k, uint64_t since_ms, const char *why);
/* Everybody who waits is told this, and it ends */
void keystate_fail(struct core *c, struct keystate *k, const char *why);
/* Every keystate; f may not add or remove any but the one it is given */
void keystate_each(struct core *c, void (*f)(struct core *c, struct keystate *k));
static inline struct slice keystate_key(const struct keystate *k)
{
	return slice_of(k->key, k->keylen);
}

/* request.c */
void request_ask(struct core *c, struct keystate *k);
/* The record is here, as h and body: who waits for it is answered, as far as this will do for him */
void request_answer(struct core *c, struct keystate *k, const struct record_header *h,
		    struct slice body);
/* The owner cannot give the record: who waits for it is told so */
void request_refused(struct core *c, const struct packet *p);
void request_activate(struct core *c);

/* record.c */
void record_packet(struct core *c, uint32_t from, const struct packet *p);
/* orig is told that the record cannot be given to it */
void record_refuse(struct core *c, const struct packet *f, const char *why, int rc);
/* The node that f->orig names, if this record can be sent to it; else NULL, and it is told, if it is
 * there */
struct node *record_receiver(struct core *c, const struct packet *f, struct slice body);
/* The own header and packet p to that node, both or neither; false: refused */
bool record_put_and_send(struct core *c, const struct packet *f, struct node *to,
			 const struct packet *p, const struct record_header *h, struct slice body);
/* put() ends the loan of this body: a copy instead, to be freed */
uint8_t *record_body_keep(struct slice *body);
/* A record cannot be stored that must be: the engine ends */
void record_lose(struct core *c, const struct packet *p, int rc);
/* What is here of p's record: 1; 0: nothing, and dmaster is CORE_UNKNOWN_PNN; -errno: it cannot be told,
 * and the engine ends: this node may own it, or clients may be reading a copy */
int record_read(struct core *c, const struct packet *p, struct record_header *h, struct slice *body);
/* Those parked at k follow the record to its owner */
void record_forward_parked(struct core *c, struct keystate *k, uint32_t to, uint64_t rsn);

/* readonly.c; all but the last two with the chain lock held */
/* Lends a copy of this node's record to f->orig */
void readonly_lend(struct core *c, const struct packet *f, struct record_header h,
		   struct slice body);
/* Calls in the copies; what waits at k goes on when none is left */
void readonly_revoke(struct core *c, struct keystate *k);
void readonly_packet(struct core *c, uint32_t from, const struct packet *p);
/* A copy of an older generation that somebody asks for: not to be read any more; 0, -errno */
int readonly_close(struct core *c, const struct packet *p);
/* ... that the sweep has found: not to be read any more before DONE is sent */
void readonly_swept(struct core *c, uint32_t db_id, struct slice key);
void readonly_activate(struct core *c);

/* push.c */
void push_packet(struct core *c, uint32_t from, const struct packet *p); /* with the chain lock held */
void push_pushed(struct core *c, uint32_t from, const struct packet *p);
/* Whether this node's record is to be pushed before f can be done; and that, with the lock held */
bool push_is_due(const struct core *c, const struct packet *f, const struct record_header *h);
void push_before_giving(struct core *c, const struct packet *f, const struct record_header *h,
			struct slice body);
bool push_is_pending(const struct core *c, uint64_t number); /* one of those up to this one */
void push_activate(struct core *c);
void push_db_closed(struct core *c, uint32_t db_id);
void push_free_all(struct core *c);

/* sticky.c */
void sticky_arrived(struct core *c, const struct packet *p); /* by GRANT */
void sticky_tick(struct core *c);
uint64_t sticky_deadline(const struct core *c);

/* hint.c */
void hint_learn(struct core *c, uint64_t hash, uint32_t giver);
uint32_t hint_giver(struct core *c, uint64_t hash); /* or CORE_UNKNOWN_PNN */

/* location_table.c */
struct location *location_known(struct core *c, uint32_t db_id, struct slice key);
struct location *location_get(struct core *c, uint32_t db_id, struct slice key); /* makes it */
void location_remove(struct core *c, const struct location *l);
void location_reset(struct core *c);
void location_db_closed(struct core *c, uint32_t db_id);
/* Somebody has a copy of it, and nobody is known as its owner */
static inline bool location_is_orphan(const struct location *l)
{
	return !l->is_definitive && l->holder != LOCATION_NOBODY;
}
/* An entry's key, while it is_named: always while it is not definitive */
struct slice location_key(const struct location *l);
uint32_t location_db_id(const struct core *c, const struct location *l);
void location_name(struct core *c, struct location *l, struct slice key);
void location_unname(struct location *l);
/* The entries of a bucket: NULL behind the last one */
struct location *location_in_bucket(const struct core *c, size_t bucket);
struct location *location_next(const struct core *c, const struct location *l);

/* location.c */
void location_request(struct core *c, const struct packet *p);
void location_learn(struct core *c, uint32_t db_id, struct slice key, uint32_t dmaster,
		    uint64_t rsn);
void location_offer(struct core *c, uint32_t db_id, struct slice key, uint32_t holder,
		    uint64_t rsn);
void location_tick(struct core *c);
uint64_t location_deadline(const struct core *c);

/* For deletion. Definitive, at that holder, and nobody waits: */
bool location_is_settled(struct core *c, uint32_t db_id, struct slice key, uint32_t holder,
			 bool *is_sole);
void location_raise(struct core *c, uint32_t db_id, struct slice key, uint64_t rsn);
/* The record is absent; one that is made later has a higher rsn */
void location_forget(struct core *c, uint32_t db_id, struct slice key, uint64_t rsn);
/* A node has an empty copy. True: the record is absent, the copy can go. One that nobody owns is
 * adopted. */
bool location_orphan(struct core *c, uint32_t db_id, struct slice key, uint32_t from, uint64_t rsn);

/* Nobody is known to have more than what has been told: who waits gets the record from the holder of
 * its highest rsn, who adopts it, or as a new one */
void location_decide(struct core *c, struct location *l);

/* resolve.c */
void resolve_wait(struct core *c, struct location *l, uint32_t orig);
void resolve_whohas(struct core *c, uint32_t from, const struct packet *p); /* with the chain lock held */
void resolve_has(struct core *c, uint32_t from, const struct packet *p);
void resolve_settle(struct core *c); /* all reports are in */
/* It is known where the record is: its resolution, to be freed; NULL: nobody waits */
struct resolution *resolve_end(struct core *c, struct location *l);
uint32_t resolve_first(struct core *c, struct location *l); /* the node that asked first */
void resolve_forget(struct core *c, struct location *l);
void resolve_forget_all(struct core *c);

/* parked.c */
void parked_begin(struct core *c, struct keystate *k);
void parked_tick(struct core *c);

/* sweep.c */
void sweep_activate(struct core *c);
void sweep_report(struct core *c, uint32_t from, const struct packet *p);
void sweep_done(struct core *c, uint32_t from);
void sweep_check(struct core *c);

#endif
