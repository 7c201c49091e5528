/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * worker_read.c: one batch of records for a traverse (worker_read.h): whole hash chains, each read
 * under its lock, until there is enough, or it has taken long: who is not done soon after waits for a
 * lock. What they hold is copied, and sent when no lock is held: a
 * slow engine makes this process wait, never a client. The next batch begins with a chain, so that
 * nothing that clients do between two batches can hide a record that stays where it is.
 */
#include "daemon/helper/worker_read.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include "daemon/core/core.h"
#include "daemon/helper/ipc.h"

#define READ_ENOUGH_BYTES (64U * 1024U)
#define READ_LONG_NS	  100000000
#define CLOCK_CHAINS	  64U /* so often it looks at the clock */
#define PIECE_BYTES	  (IPC_MAX - 12U) /* behind type and cookie */

struct batch {
	const struct worker_read *want;
	struct worker_read_result *result;
	uint8_t *buf; /* the stream */
	size_t len, size;
	int rc;
};

static int batch_reserve(struct batch *b, size_t more)
{
	size_t size = b->size != 0 ? b->size : 2 * READ_ENOUGH_BYTES;
	uint8_t *buf;

	while (size < b->len + more)
		size *= 2;
	if (size == b->size)
		return 0;
	buf = realloc(b->buf, size);
	if (buf == NULL)
		return -ENOMEM;
	b->buf = buf;
	b->size = size;
	return 0;
}

static bool record_is_wanted(const struct worker_read *want, TDB_DATA value)
{
	struct cursor c = cursor_of(value.dptr, value.dsize);
	uint64_t rsn;
	uint32_t dmaster;

	if (value.dsize < RECORD_HEADER_SIZE || cursor_u64(&c, &rsn) || cursor_u32(&c, &dmaster))
		return false; /* shorter than a header: no record for anybody */
	if (want->dmaster != CORE_UNKNOWN_PNN && dmaster != want->dmaster)
		return false;
	if (value.dsize == RECORD_HEADER_SIZE)
		return want->with_empty != WORKER_READ_FULL;
	return want->with_empty != WORKER_READ_ONLY_EMPTY;
}

static int batch_record(struct tdb_context *tdb, TDB_DATA key, TDB_DATA value, void *arg)
{
	struct batch *b = arg;
	size_t need = 4 + key.dsize + 4 + value.dsize;
	struct writer w;

	(void)tdb;
	if (!record_is_wanted(b->want, value))
		return 0;
	if (key.dsize > CORE_MAX_KEY || value.dsize > CORE_MAX_RECORD + RECORD_HEADER_SIZE) {
		b->result->is_incomplete = true;
		return 0;
	}
	b->rc = batch_reserve(b, need);
	if (b->rc != 0)
		return -1;
	w = writer_of(b->buf + b->len, need);
	writer_block(&w, key.dptr, key.dsize);
	writer_block(&w, value.dptr, value.dsize);
	b->len += w.len;
	return 0;
}

static int batch_send(const struct batch *b, int fd, uint64_t cookie)
{
	uint8_t packet[IPC_MAX];
	int rc = 0;

	for (size_t at = 0; rc == 0 && at < b->len; at += PIECE_BYTES) {
		struct writer w = ipc_begin(packet, IPC_WORK_ENTRIES);
		size_t left = b->len - at;

		writer_u64(&w, cookie);
		writer_bytes(&w, b->buf + at, left < PIECE_BYTES ? left : PIECE_BYTES);
		rc = ipc_send(fd, &w);
	}
	return rc;
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int worker_read(int fd, struct tdb_context *tdb, uint64_t cookie, const struct worker_read *r,
		struct worker_read_result *result)
{
	struct batch b = { .want = r, .result = result };
	uint32_t chain = r->chain, chains = (uint32_t)tdb_hash_size(tdb), end = chains;
	int64_t end_ns = now_ns() + READ_LONG_NS;

	*result = (struct worker_read_result){ .next_chain = CORE_CHAIN_END };
	if (r->chains != 0 && chain < chains && r->chains < chains - chain)
		end = chain + r->chains;
	for (; b.rc == 0 && chain < end && b.len < READ_ENOUGH_BYTES; chain++) {
		if (chain != r->chain && chain % CLOCK_CHAINS == 0 && now_ns() >= end_ns)
			break;
		if (tdb_traverse_chain(tdb, chain, batch_record, &b) < 0 && b.rc == 0)
			b.rc = -EIO;
	}
	if (chain < chains)
		result->next_chain = chain;
	if (b.rc == 0)
		b.rc = batch_send(&b, fd, cookie);
	free(b.buf);
	return b.rc;
}
