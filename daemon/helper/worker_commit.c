/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * worker_commit.c: see worker_commit.h. libtdb's transactions make it all or nothing: it writes to
 * a recovery area first, and for a persistent database (opened without NOSYNC) waits for the disk.
 *
 * The generation of a commit and its tag lie in the two reserved words of the header of the record
 * of the sequence number, where they change with the records and no client looks.
 */
#include "daemon/helper/worker_commit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "daemon/core/core.h"
#include "daemon/helper/ipc.h"
#include "daemon/io/store_judge.h"
#include "lib/payload.h"

#define READ_MAX   (256UL << 20)
#define PART_BYTES (IPC_MAX - 64U)

static TDB_DATA tdb_data(struct slice s)
{
	return (TDB_DATA){ .dptr = (unsigned char *)(uintptr_t)s.p, .dsize = s.len };
}

static int tdb_rc(struct tdb_context *tdb)
{
	switch (tdb_error(tdb)) {
	case TDB_SUCCESS:
	case TDB_ERR_NOEXIST:
		return -ENOENT;
	case TDB_ERR_OOM:
		return -ENOMEM;
	default:
		return errno == ENOSPC ? -ENOSPC : -EIO;
	}
}

static uint64_t rsn_of(const uint8_t *value)
{
	uint64_t rsn;

	memcpy(&rsn, value, sizeof(rsn));
	return rsn;
}

/* Is what the file has as new as this, and something else? */
static int record_check(struct tdb_context *tdb, const struct ctdb_rec_data *r)
{
	TDB_DATA old = tdb_fetch(tdb, tdb_data(r->key));
	int rc = 0;

	if (old.dptr == NULL)
		return 0;
	if (old.dsize >= RECORD_HEADER_SIZE && rsn_of(old.dptr) >= rsn_of(r->data.p) &&
	    (old.dsize != r->data.len ||
	     memcmp(old.dptr + RECORD_HEADER_SIZE, r->data.p + RECORD_HEADER_SIZE,
		    old.dsize - RECORD_HEADER_SIZE) != 0))
		rc = -EEXIST;
	free(old.dptr);
	return rc;
}

static int records_each(struct tdb_context *tdb, struct slice records,
			int (*f)(struct tdb_context *tdb, const struct ctdb_rec_data *r))
{
	struct cursor c = cursor_of(records.p, records.len);
	struct ctdb_rec_buffer b;
	int rc = 0;

	if (records.len == 0)
		return 0;
	if (ctdb_rec_buffer_decode(&c, &b) != 0)
		return -EBADMSG;
	for (uint32_t i = 0; i < b.count && rc == 0; i++) {
		struct ctdb_rec_data r;

		if (ctdb_rec_data_decode(&c, &r) != 0 || r.key.len == 0 ||
		    r.data.len < RECORD_HEADER_SIZE)
			return -EBADMSG;
		rc = f(tdb, &r);
	}
	return rc;
}

int worker_check(struct tdb_context *tdb, struct slice records)
{
	return records_each(tdb, records, record_check);
}

static int record_store(struct tdb_context *tdb, const struct ctdb_rec_data *r)
{
	return tdb_store(tdb, tdb_data(r->key), tdb_data(r->data), 0) == 0 ? 0 : tdb_rc(tdb);
}

static int generation_note(struct tdb_context *tdb, uint32_t generation, uint32_t tag)
{
	TDB_DATA key = tdb_data(slice_of(SEQUENCE_KEY, sizeof(SEQUENCE_KEY)));
	uint8_t value[RECORD_HEADER_SIZE + sizeof(uint64_t)] = { 0 };
	TDB_DATA old = tdb_fetch(tdb, key);

	if (old.dptr != NULL && old.dsize == sizeof(value))
		memcpy(value, old.dptr, sizeof(value));
	free(old.dptr);
	memcpy(value + GENERATION_OFFSET, &generation, sizeof(generation));
	memcpy(value + TAG_OFFSET, &tag, sizeof(tag));
	return tdb_store(tdb, key, tdb_data(slice_of(value, sizeof(value))), 0) == 0 ? 0
										     : tdb_rc(tdb);
}

static int transaction_end(struct tdb_context *tdb, int rc)
{
	if (rc != 0) {
		tdb_transaction_cancel(tdb);
		return rc;
	}
	return tdb_transaction_commit(tdb) == 0 ? 0 : tdb_rc(tdb);
}

int worker_apply(struct tdb_context *tdb, struct slice records, uint32_t generation, uint32_t tag,
		 bool is_whole)
{
	int rc;

	if (tdb_transaction_start(tdb) != 0)
		return tdb_rc(tdb);
	rc = is_whole && tdb_wipe_all(tdb) != 0 ? tdb_rc(tdb) : 0;
	if (rc == 0)
		rc = records_each(tdb, records, record_store);
	if (rc == 0)
		rc = generation_note(tdb, generation, tag);
	return transaction_end(tdb, rc);
}

int worker_replace(struct tdb_context *tdb, struct slice records)
{
	struct cursor c = cursor_of(records.p, records.len);
	int rc = 0;

	if (tdb_transaction_start(tdb) != 0)
		return tdb_rc(tdb);
	if (tdb_wipe_all(tdb) != 0)
		rc = tdb_rc(tdb);
	while (rc == 0 && c.left > 0) {
		struct ctdb_rec_data r;

		if (cursor_block(&c, CORE_MAX_KEY, &r.key) ||
		    cursor_block(&c, CORE_MAX_RECORD, &r.data))
			rc = -EBADMSG;
		else
			rc = record_store(tdb, &r);
	}
	return transaction_end(tdb, rc);
}

/* ---- lost space ---- */

struct mend_part {
	size_t at, len;
	unsigned int turn;
};

struct mend {
	struct mend_part *part;
	size_t n, size;
	bool has_failed; /* no memory */
};

static void mend_take(void *arg, size_t at, size_t len, unsigned int turn)
{
	struct mend *m = arg;

	if (m->n == m->size && !m->has_failed) {
		size_t size = m->size == 0 ? 64 : m->size * 2;
		struct mend_part *part = realloc(m->part, size * sizeof(*part));

		m->has_failed = part == NULL;
		if (part != NULL) {
			m->part = part;
			m->size = size;
		}
	}
	if (!m->has_failed)
		m->part[m->n++] = (struct mend_part){ at, len, turn };
}

static int mend_zero(int fd, size_t at, size_t len)
{
	static const uint8_t zero[65536];

	while (len > 0) {
		size_t n = len < sizeof(zero) ? len : sizeof(zero);
		ssize_t rc = pwrite(fd, zero, n, (off_t)at);

		if (rc < 0 && errno == EINTR)
			continue;
		if (rc <= 0)
			return rc < 0 ? -errno : -EIO;
		at += (size_t)rc;
		len -= (size_t)rc;
	}
	return 0;
}

static int mend_turns(int fd, const struct mend *m)
{
	int rc = m->has_failed ? -ENOMEM : 0;

	for (unsigned int turn = 0; turn < STORE_LOST_TURNS && rc == 0; turn++) {
		for (size_t i = 0; i < m->n && rc == 0; i++)
			if (m->part[i].turn == turn)
				rc = mend_zero(fd, m->part[i].at, m->part[i].len);
		if (rc == 0 && m->n > 0 && fdatasync(fd) != 0)
			rc = -errno;
	}
	return rc;
}

int worker_mend(struct tdb_context *tdb)
{
	struct mend m = { 0 };
	const struct store_lost lost = { .take = mend_take, .arg = &m };
	struct store_verdict v;
	int rc;

	if (tdb_lockall(tdb) != 0) /* rolls back what has to be */
		return tdb_rc(tdb);
	rc = store_judge_file(tdb_fd(tdb), &v, &lost);
	if (rc == 0 && store_is_mendable(&v))
		rc = mend_turns(tdb_fd(tdb), &m);
	tdb_unlockall(tdb);
	free(m.part);
	return rc;
}

/* ---- reading ---- */

struct reading {
	uint8_t *buf;
	size_t len, size;
	int rc;
};

static int reading_record(struct tdb_context *tdb, TDB_DATA key, TDB_DATA value, void *arg)
{
	struct reading *r = arg;
	size_t need = 8 + key.dsize + value.dsize;
	struct writer w;

	(void)tdb;
	if (r->len + need > READ_MAX) {
		r->rc = -EFBIG;
		return -1;
	}
	if (r->size - r->len < need) {
		size_t size = (r->size + need) * 2;
		uint8_t *buf = realloc(r->buf, size);

		if (buf == NULL) {
			r->rc = -ENOMEM;
			return -1;
		}
		r->buf = buf;
		r->size = size;
	}
	w = writer_of(r->buf + r->len, r->size - r->len);
	writer_block(&w, key.dptr, key.dsize);
	writer_block(&w, value.dptr, value.dsize);
	r->len += w.len;
	return 0;
}

/* Clients read the file meanwhile; only the engine's own writing waits, and there is none */
static int reading_all(struct tdb_context *tdb, struct reading *r)
{
	if (tdb_lockall_read(tdb) != 0)
		return tdb_rc(tdb);
	if (tdb_traverse_read(tdb, reading_record, r) < 0 && r->rc == 0)
		r->rc = -EIO;
	tdb_unlockall_read(tdb);
	return r->rc;
}

int worker_dump(int fd, struct tdb_context *tdb, uint64_t cookie)
{
	struct reading r = { 0 };
	uint8_t buf[IPC_MAX];
	int rc = reading_all(tdb, &r);

	for (size_t at = 0; at < r.len && rc == 0; at += PART_BYTES) {
		struct writer w = ipc_begin(buf, IPC_WORK_PART);
		size_t n = r.len - at < PART_BYTES ? r.len - at : PART_BYTES;

		writer_u64(&w, cookie);
		writer_block(&w, r.buf + at, n);
		rc = ipc_send(fd, &w);
	}
	free(r.buf);
	return rc;
}
