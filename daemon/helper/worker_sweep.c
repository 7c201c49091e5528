/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * worker_sweep.c: every record of a database, hash chain by hash chain (worker_sweep.h).
 *
 * Each chain is read under its lock (rule R6): a walk through the whole file could run past a
 * record that is stored again behind it. A chain whose head says that it is empty is locked, too:
 * libtdb takes a record that grows out of its chain first, and puts it back. What a chain holds is copied, and sent only when its lock
 * is let go, so that a slow engine never makes clients wait: it makes this process wait, between
 * two chains.
 */
#include "daemon/helper/worker_sweep.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/core/core.h"
#include "daemon/helper/ipc.h"

#define ENTRY_BYTES(key_len) (8U + 4U + 4U + 4U + (key_len))
#define PACKET_HEAD_BYTES    (4U + 8U + 4U + 4U) /* type, cookie, next chain, number of records */
#define PACKET_ROOM	     (IPC_MAX - PACKET_HEAD_BYTES)
#define SEND_ABOVE_BYTES     (PACKET_ROOM / 2)

/* Any key that somebody can ask for can be told of */
_Static_assert(ENTRY_BYTES(CORE_MAX_KEY) <= PACKET_ROOM, "the longest key fits a packet");

struct sweep {
	int fd;
	uint64_t cookie;
	uint8_t *buf; /* entries as they are sent */
	size_t len, size;
	uint32_t chain; /* all before it are told, when this is */
	int rc;
};

static int sweep_reserve(struct sweep *s, size_t more)
{
	size_t size = s->size != 0 ? s->size : PACKET_ROOM;
	uint8_t *buf;

	while (size < s->len + more)
		size *= 2;
	if (size == s->size)
		return 0;
	buf = realloc(s->buf, size);
	if (buf == NULL)
		return -ENOMEM;
	s->buf = buf;
	s->size = size;
	return 0;
}

/* struct ctdb's record header as it lies in the file: rsn, dmaster, reserved, flags, padding */
static int header_read(TDB_DATA value, struct record_header *h)
{
	struct cursor c = cursor_of(value.dptr, value.dsize);

	return value.dsize < RECORD_HEADER_SIZE || cursor_u64(&c, &h->rsn) ||
	       cursor_u32(&c, &h->dmaster) || cursor_skip(&c, 4) || cursor_u32(&c, &h->flags);
}

static int sweep_record(struct tdb_context *tdb, TDB_DATA key, TDB_DATA value, void *arg)
{
	struct sweep *s = arg;
	struct record_header h;
	struct writer w;

	(void)tdb;
	if (header_read(value, &h))
		return 0; /* shorter than a header: no record for anybody */
	/* A client can write any key into the file, but nobody can ask for one that is too long: no
	 * record for anybody, and no reason to hold up the recovery of all others */
	if (key.dsize > CORE_MAX_KEY)
		return 0;
	s->rc = sweep_reserve(s, ENTRY_BYTES(key.dsize));
	if (s->rc != 0)
		return -1;
	w = writer_of(s->buf + s->len, s->size - s->len);
	writer_u64(&w, h.rsn);
	writer_u32(&w, h.dmaster);
	writer_u32(&w, h.flags);
	writer_block(&w, key.dptr, key.dsize);
	s->len += w.len;
	return 0;
}

static int packet_send(const struct sweep *s, const uint8_t *entries, size_t len, uint32_t n)
{
	uint8_t packet[IPC_MAX];
	struct writer w = ipc_begin(packet, IPC_WORK_RECORDS);

	writer_u64(&w, s->cookie);
	writer_u32(&w, s->chain);
	writer_u32(&w, n);
	writer_bytes(&w, entries, len);
	return ipc_send(s->fd, &w);
}

/* As few packets as hold all that is there */
static int sweep_send(struct sweep *s)
{
	struct cursor c = cursor_of(s->buf, s->len);
	const uint8_t *begin = s->buf;
	uint32_t n = 0;
	int rc = 0;

	while (rc == 0 && c.left > 0) {
		const uint8_t *entry = c.p;
		struct slice key;

		if (cursor_skip(&c, 16) || cursor_block(&c, PACKET_ROOM, &key))
			return -EBADMSG;
		if ((size_t)(c.p - begin) > PACKET_ROOM) {
			rc = packet_send(s, begin, (size_t)(entry - begin), n);
			begin = entry;
			n = 0;
		}
		n++;
	}
	if (rc == 0 && n > 0)
		rc = packet_send(s, begin, (size_t)(c.p - begin), n);
	s->len = 0;
	return rc;
}

int worker_sweep(int fd, struct tdb_context *tdb, uint64_t cookie)
{
	struct sweep s = { .fd = fd, .cookie = cookie };
	unsigned int chains = (unsigned int)tdb_hash_size(tdb);

	for (unsigned int chain = 0; s.rc == 0 && chain < chains; chain++) {
		if (tdb_traverse_chain(tdb, chain, sweep_record, &s) < 0 && s.rc == 0)
			s.rc = -EIO;
		s.chain = chain + 1;
		if (s.rc == 0 && s.len >= SEND_ABOVE_BYTES)
			s.rc = sweep_send(&s);
	}
	if (s.rc == 0 && s.len > 0)
		s.rc = sweep_send(&s);
	free(s.buf);
	return s.rc;
}
