/* SPDX-License-Identifier: GPL-3.0-or-later */
/* packet.h: what travels between two members, and the stream that it travels in; part of internal.h */
#ifndef COTDB_CORE_PACKET_H
#define COTDB_CORE_PACKET_H

#include "core.h"
#include "lib/cursor.h"

struct node;

/* Between nodes. 1 was what came before the first release. */
#define CORE_PROTOCOL_MIN 2
#define CORE_PROTOCOL_MAX 5
/* Used when all members know it: 3: LINKS (link.c); 4: WIPE (wipe.c); with those that do: 3: DRAIN (drain.c);
 * 5: PROBE (link.c) */

/* ---- session.c ---- */

/* What has to reach a peer, and how far it and we have come. A linear buffer: [acked, sent) is
 * kept for a resend, [sent, end) waits for the link. Offsets are into buf. */
struct session {
	uint8_t *buf;
	size_t size, acked, sent, end;
	uint64_t next_seq;     /* of the next packet */
	uint64_t acked_seq;    /* the peer has it, and so have we let go of it */
	uint64_t received_seq; /* of the peer's packets, the last one taken */
	size_t untold_bytes;
	uint64_t ack_due_ms; /* UINT64_MAX: nothing to tell */
};

/* session.c */
void session_reset(struct session *s);
void session_free(struct session *s);
struct writer session_begin(struct session *s, size_t max);
void session_commit(struct core *c, struct node *n, const struct writer *w);
void session_acked(struct session *s, uint64_t seq);
int session_resume(struct core *c, struct session *s, uint64_t peer_received);
void session_tick(struct core *c, struct node *n);

/* Who asks for a record is a pnn, with this bit when a copy to read would do */
#define ORIG_READONLY 0x80000000U
static inline uint32_t orig_pnn(uint32_t orig)
{
	return orig & ~ORIG_READONLY;
}
static inline bool orig_is_readonly(uint32_t orig)
{
	return (orig & ORIG_READONLY) != 0;
}

/* packet.c: layouts, in the order of the fields. From release 0.1.0 on the numbers and layouts of
 * these, and of enum control_type, stay: new ones are appended, with a new CORE_PROTOCOL_MAX. */
enum packet_type {
	PACKET_ACK = 1,
	PACKET_REQUEST,	 /* orig -> lmaster: u32 db, u32 orig, block key */
	PACKET_BOUNCE,	 /* not owner -> lmaster: as REQUEST */
	PACKET_FORWARD,	 /* lmaster or giver -> owner: u32 db, u32 orig, u64 rsn, u8 is_definitive,
			    block key */
	PACKET_GRANT,	 /* owner -> orig: u32 db, u64 rsn, u32 flags, block key, block body */
	PACKET_REFUSED,	 /* owner -> orig, it cannot give the record: u32 db, block key */
	PACKET_COPY,	 /* owner -> orig, to read: as GRANT */
	PACKET_REVOKE,	 /* owner -> who may have a copy: u32 db, block key */
	PACKET_REVOKED,	 /* ... it has none: as REVOKE */
	PACKET_UNCOPY,	 /* to oneself, for a copy that the sweep has found: as REVOKE */
	PACKET_LOCATION, /* giver -> lmaster: u32 db, u32 dmaster, u64 rsn, block key */
	PACKET_ADOPT,	 /* lmaster -> holder: u32 db, u64 rsn, u8 is_new, block key */
	PACKET_REPORT,	/* sweep -> lmaster: u32 db, u32 n, n x (u64 rsn, u8 is_owner, block key) */
	PACKET_DONE,	/* sweep -> every lmaster: nothing */
	PACKET_MESSAGE, /* u64 srvid, block data */
	PACKET_FOREIGN, /* core_forward: block data */
	/* Traverses. Each begins with u32 db, u64 ticket (of the asking node), u32 round. */
	PACKET_TRAVERSE_ASK,	 /* u32 chain, u8 flags (TRAVERSE_WITH_EMPTY, TRAVERSE_ANY_OWNER) */
	PACKET_TRAVERSE_CANCEL,	 /* nothing more */
	PACKET_TRAVERSE_RECORDS, /* u32 n, n x (block key, block value) */
	PACKET_TRAVERSE_END,	 /* u32 next chain, u8 is_failed */
	/* commits; rsn stands for the commit's id or the transfer's cookie */
	PACKET_PREPARE,	 /* coordinator -> all: u32 db, u64 id, u8 is_whole (is_new), block records */
	PACKET_PREPARED, /* member -> coordinator: u32 db, u64 id */
	PACKET_DECLINED, /* ... cannot: u32 db, u64 id, block text */
	PACKET_ABORT,	 /* coordinator -> all, before COMMIT: u32 db, u64 id */
	PACKET_APPLIED,	 /* member -> coordinator: u32 db, u64 id */
	PACKET_PULL,	 /* to who has a database: u32 db, u64 cookie */
	PACKET_PART,	 /* of it: u32 db, u64 cookie, u8 is_last (is_new), block data */
	/* Deletion: each u32 db, u32 n, n x (u64 rsn, u8 flags (is_owner), block key) */
	PACKET_RETURN, /* owner -> lmaster: owned there from now on, at that rsn, and empty */
	PACKET_ORPHAN, /* to the lmaster: an empty copy whose owner is not known here */
	PACKET_DELETE, /* lmaster -> others: the record is gone, at that rsn */
	PACKET_ERASE,  /* lmaster -> others: the same behind u64 ticket: empty your copy */
	PACKET_ERASED, /* ... done: u32 db, u64 ticket, u32 n, n bits: 1 if it was refused */
	PACKET_PUSH,   /* owner -> others: u32 db, u64 ticket, u64 rsn, u32 flags, block key, block body */
	PACKET_PUSHED, /* ... done: u32 db, u64 ticket */
	PACKET_WHOHAS, /* lmaster -> all, in a recovery: u32 db, block key */
	PACKET_HAS,    /* ... the answer: u32 db, u64 rsn, u8 enum has (is_new), block key */
	/* Of a node that drains, and of those that it has told so */
	PACKET_DRAIN,	/* to all others: u64 ticket, u8 enum drain_mode */
	PACKET_DRAINED, /* ... what went to and came from it before is stored: u64 ticket */
	PACKET_PROBE,	/* where nothing else goes: to be acknowledged, nothing more */
	PACKET_TYPES
};
struct packet {
	uint8_t type, is_definitive, is_new, mode;
	uint32_t generation, db_id, orig, dmaster, flags, n, round, chain;
	uint64_t seq, ack, rsn, srvid, ticket;
	struct slice key, data, raw; /* raw: the whole packet */
};
/* In is_definitive of a FORWARD to oneself: the record was pushed at that rsn */
#define FORWARD_IS_PUSHED 2
/* ... or: nobody has asked, the record is to go (drain.c) */
#define FORWARD_IS_DRAIN 4
int packet_decode(struct slice raw, struct packet *p);
struct report_entry {
	uint64_t rsn;
	uint8_t is_owner;
	struct slice key;
};
int packet_report_next(struct cursor *entries, struct report_entry *e);
/* For a caller that has something to do between the copying of p's slices and its sending: the
 * packet stands in *w until session_commit(); nothing else may be sent to this node between */
void packet_prepare(struct core *c, struct node *n, const struct packet *p, struct writer *w);
/* Queues p (type, fields and slices set; generation, seq and ack are filled in) for a node, oneself
 * included */
void packet_send(struct core *c, uint32_t pnn, const struct packet *p);
bool packet_is_record(uint8_t type); /* belongs to a generation */
bool packet_is_commit(uint8_t type);
bool packet_is_vacuum(uint8_t type);
bool packet_has_db(uint8_t type);

#endif
