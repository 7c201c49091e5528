/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * store_judge.c: a TDB file that tdb_check() refuses, looked at again. A process that dies inside
 * libtdb, by a signal or with its node, can leave space that belongs to nothing:
 *   - it has made the file longer, and not yet put the new piece on the free list: the space is
 *     filled with 0 or 0x42,
 *   - its commit was rolled back: what it had added behind the old end of the file is still there.
 *     The header of the recovery area, which may be forgotten and among that, says where the old
 *     end was,
 *   - its commit had moved the recovery area, and was rolled back: the old area is where it was,
 *   - without commits (volatile databases) it has taken a free piece, and not yet put the record
 *     into its hash chain.
 * No record is lost, and libtdb works on with such a file. tdb_check() does not: it goes from piece
 * to piece by their lengths, takes all behind the first byte of such a space for unused, and says
 * "Hashes do not match records" as soon as there are records behind it. So one commit that was
 * killed would make a node give up a database that is good, and a loss of power those of all nodes.
 *
 * Here the lists are followed instead: the free list, each hash chain, the recovery area. Each
 * piece that they name must lie in the file, be of the right kind, hold a record of its chain, and
 * overlap no other. What no list names is lost space, and is looked at in turn: where it is not of
 * the first three kinds above, a list may have been cut, and records lost. That a commit was rolled
 * back its recovery area has to show, too: the file is as it was before.
 *
 * The next commit writes another recovery area. So before it the lost space is filled with 0, which
 * needs no explanation, in three turns, each on disk before the next, so that what is left is
 * explained after each write: what the commit had added, the areas, the headers of the areas.
 *
 * The format is libtdb's version 1: a header of 168 bytes, the head of the free list, those of the
 * hash chains, then pieces: a header of six 32-bit words, and the piece's bytes, the last four of
 * which repeat its size. With mutexes in the file all of that comes behind them, and offsets count
 * from there. Numbers are in the byte order of the machine that made the file.
 */
#include "daemon/io/store_judge.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include "daemon/tdb_header.h"
#include "lib/jenkins.h"

enum {
	WORD = sizeof(uint32_t), /* pieces and their lengths are aligned to that */
	LOOKS = 64,		 /* how often each byte of lost space is looked at, at most */
};
#define PIECE_USED	 0x26011999U
#define PIECE_FREE	 (~PIECE_USED)
#define PIECE_DEAD	 0xFEE1DEADU
#define RECOVERY	 0xf53bc0e7U
#define RECOVERY_INVALID 0U
#define PAD		 0x42424242U

struct piece {
	uint32_t next, len, key_len, data_len, hash, magic;
};

struct span {
	uint32_t begin;
	uint64_t end;
};

struct judge {
	const unsigned char *file, *base; /* base: where offsets count from */
	size_t file_len, size;		  /* size: from base on */
	uint32_t hash_size;
	uint32_t area,
	    old_end; /* the recovery area of the header, 0; the file's end as it has it */
	struct span *span;
	size_t span_n, span_max;
	uint64_t looks; /* left */
	uint64_t taken_bytes;
	struct store_verdict *v;
	const struct store_lost *lost;
};

static int judge_fail(struct judge *j, const char *why)
{
	j->v->why = why;
	return -EBADMSG;
}

static uint32_t pieces_begin(const struct judge *j)
{
	return TDB_HEADER_BYTES + (j->hash_size + 1) * (uint32_t)WORD;
}

static int span_add(struct judge *j, uint32_t begin, uint64_t end)
{
	if (j->span_n == j->span_max) {
		size_t max = j->span_max == 0 ? 1024 : j->span_max * 2;
		struct span *more = realloc(j->span, max * sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		j->span = more;
		j->span_max = max;
	}
	j->span[j->span_n++] = (struct span){ begin, end };
	return 0;
}

/* Takes a piece that a list names */
static int piece_take(struct judge *j, uint32_t at, struct piece *p)
{
	uint64_t end;

	if (at < pieces_begin(j) || at % WORD != 0 || at > j->size - sizeof(*p))
		return judge_fail(j, "a list leads out of the file");
	memcpy(p, j->base + at, sizeof(*p));
	end = (uint64_t)at + sizeof(*p) + p->len;
	if (end > j->size)
		return judge_fail(j, "a piece is longer than the file");
	if (p->len % WORD != 0)
		return judge_fail(j, "a piece's length is not aligned");
	/* more than the file has: a list comes by at a place twice, perhaps without end */
	j->taken_bytes += sizeof(*p) + p->len;
	if (j->taken_bytes > j->size)
		return judge_fail(j, "a list comes by at a place twice");
	return span_add(j, at, end);
}

static int free_list_follow(struct judge *j)
{
	struct piece p;

	for (uint32_t at = tdb_word(j->base, TDB_HEADER_BYTES); at != 0; at = p.next) {
		int rc = piece_take(j, at, &p);

		if (rc != 0)
			return rc;
		if (p.magic != PIECE_FREE)
			return judge_fail(j, "the free list has a piece that is not free");
		/* one of no bytes is what is left of a recovery area that never got its header */
		if (p.len > 0 &&
		    tdb_word(j->base, at + sizeof(p) + p.len - WORD) != p.len + sizeof(p))
			j->v->endless_n++;
	}
	return 0;
}

/* libtdb's hash of old, before it took lookup3; a file has one of the two for all keys */
static uint32_t hash_old(const unsigned char *key, uint32_t len)
{
	uint32_t value = 0x238F13AFU * len;

	for (uint32_t i = 0; i < len; i++)
		value += (uint32_t)key[i] << (i * 5 % 24);
	return 1103515243U * value + 12345U;
}

static int record_look(struct judge *j, uint32_t at, const struct piece *p, uint32_t chain)
{
	const unsigned char *bytes = j->base + at + sizeof(*p);

	if (p->magic != PIECE_USED && p->magic != PIECE_DEAD)
		return judge_fail(j, "a hash chain has a piece that is no record");
	if (p->hash % j->hash_size != chain)
		return judge_fail(j, "a record is in another key's hash chain");
	if ((uint64_t)p->key_len + p->data_len + WORD > p->len)
		return judge_fail(j, "a record is longer than its place");
	if (p->magic == PIECE_DEAD)
		return 0;
	return p->hash == jenkins_hash(slice_of(bytes, p->key_len)) ||
		       p->hash == hash_old(bytes, p->key_len)
		   ? 0
		   : judge_fail(j, "a record's key is not the one that its hash is of");
}

static int chains_follow(struct judge *j)
{
	struct piece p;

	for (uint32_t h = 0; h < j->hash_size; h++) {
		size_t head = TDB_HEADER_BYTES + (h + 1) * (size_t)WORD;

		for (uint32_t at = tdb_word(j->base, head); at != 0; at = p.next) {
			int rc = piece_take(j, at, &p);

			if (rc == 0)
				rc = record_look(j, at, &p, h);
			if (rc != 0)
				return rc;
		}
	}
	return 0;
}

static bool is_recovery(uint32_t magic)
{
	return magic == RECOVERY || magic == RECOVERY_INVALID;
}

/* One without its header is not one to libtdb either, and lost space */
static int recovery_follow(struct judge *j)
{
	uint32_t at = tdb_word(j->base, TDB_RECOVERY_OFFSET);
	struct piece p;
	int rc;

	if (at == 0)
		return 0;
	if (at >= pieces_begin(j) && at <= j->size - sizeof(p)) {
		memcpy(&p, j->base + at, sizeof(p));
		if (!is_recovery(p.magic))
			return 0;
	}
	rc = piece_take(j, at, &p);
	if (rc == 0) {
		j->area = at;
		j->old_end = p.key_len;
	}
	return rc;
}

static bool is_fill(uint32_t word)
{
	return word == 0 || word == PAD;
}

static void lost_part(const struct judge *j, uint64_t begin, uint64_t end, unsigned int turn)
{
	if (begin == end)
		return;
	j->v->traced_bytes += end - begin;
	if (j->lost != NULL)
		j->lost->take(j->lost->arg, (size_t)(j->base - j->file) + (size_t)begin,
			      (size_t)(end - begin), turn);
}

static void lost_area(const struct judge *j, uint64_t at, uint64_t end)
{
	lost_part(j, at + sizeof(struct piece), end, 1);
	lost_part(j, at, at + sizeof(struct piece), 2);
}

/* Where the recovery area ends that begins at `at`, before `end`; 0: there is none */
static uint64_t area_end(const struct judge *j, uint64_t at, uint64_t end, struct piece *p)
{
	uint64_t over;

	if (at + sizeof(*p) > end)
		return 0;
	memcpy(p, j->base + at, sizeof(*p));
	over = at + sizeof(*p) + p->len;
	return is_recovery(p->magic) && p->next == 0 && p->hash == 0 && p->data_len > 0 &&
		       p->data_len <= p->len && p->key_len <= j->size && p->len % WORD == 0 &&
		       over <= end
		   ? over
		   : 0;
}

/* Of bytes that are saved in a recovery area and belong to `at`; where the area is, which libtdb
 * notes beside them, is left out */
static bool is_as_saved(const struct judge *j, uint32_t at, const unsigned char *saved,
			uint32_t len)
{
	uint32_t skip = 0;

	if (at > j->size || len > j->size - at)
		return false;
	if (at <= TDB_RECOVERY_OFFSET && TDB_RECOVERY_OFFSET - at < len) {
		skip = TDB_RECOVERY_OFFSET - at;
		if (len - skip < WORD || memcmp(j->base + at, saved, skip) != 0)
			return false;
		skip += WORD;
	}
	return memcmp(j->base + at + skip, saved + skip, len - skip) == 0;
}

/* Whether the commit of the recovery area at `at` was rolled back: the file is as it was before,
 * which is saved there as (u32 offset, u32 length, bytes), and a word behind all. After a commit it
 * is not: a sequence number has changed. */
static bool is_rolled_back(struct judge *j, uint64_t at, const struct piece *p)
{
	const unsigned char *data = j->base + at + sizeof(*p);
	uint64_t n = 0;

	if (p->data_len > p->len || j->looks < p->data_len / WORD)
		return false;
	j->looks -= p->data_len / WORD;
	while (n + 2 * (uint64_t)WORD < p->data_len) {
		uint32_t offset = tdb_word(data, n), len = tdb_word(data, n + WORD);

		n += 2 * (uint64_t)WORD;
		if (len == 0 || len > p->data_len - n || !is_as_saved(j, offset, data + n, len))
			return false;
		n += len;
	}
	return n > 0;
}

/* Where in the lost space from `fill` on a recovery area is whose commit was rolled back, when the
 * file had ended between `at` and `fill`; 0: none */
static uint64_t forgotten_area(struct judge *j, uint64_t at, uint64_t fill, uint64_t end,
			       uint64_t *over)
{
	struct piece p;

	for (uint64_t q = fill; q < end && j->looks > 0; q += WORD, j->looks--) {
		*over = area_end(j, q, end, &p);
		if (*over != 0 && p.key_len >= at && p.key_len <= fill && is_rolled_back(j, q, &p))
			return q;
		if (j->looks == 0)
			break;
	}
	return 0;
}

/* How far the lost space from `at` on is explained; 0: it is not */
static uint64_t lost_explain(struct judge *j, uint64_t at, uint64_t end)
{
	uint64_t fill = at, over, q;
	struct piece p;

	while (fill < end && is_fill(tdb_word(j->base, fill)))
		fill += WORD;
	if (fill == end)
		return end;
	if (j->area != 0 && end == j->size && j->old_end >= at && j->old_end <= fill) {
		memcpy(&p, j->base + j->area, sizeof(p));
		if (is_rolled_back(j, j->area, &p)) {
			lost_part(j, fill, end, 0);
			return end;
		}
	}
	/* an area's header begins with a zero, and then its length */
	over = fill > at ? area_end(j, fill - WORD, end, &p) : 0;
	if (over != 0) {
		lost_area(j, fill - WORD, over);
		return over;
	}
	q = forgotten_area(j, at, fill, end, &over);
	if (q == 0)
		return 0;
	lost_part(j, fill, q, 0);
	lost_area(j, q, over);
	return over;
}

static void lost_look(struct judge *j, uint64_t begin, uint64_t end)
{
	if (begin == end)
		return;
	j->v->lost_n++;
	j->v->lost_bytes += end - begin;
	j->looks = j->size / WORD * LOOKS;
	while (begin < end) {
		uint64_t over = end % WORD == 0 ? lost_explain(j, begin, end) : 0;

		if (over == 0) {
			j->v->odd_bytes += end - begin;
			return;
		}
		begin = over;
	}
}

static int span_compare(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return (x->begin > y->begin) - (x->begin < y->begin);
}

static int spans_look(struct judge *j)
{
	uint64_t end = pieces_begin(j);

	if (j->span_n > 0)
		qsort(j->span, j->span_n, sizeof(j->span[0]), span_compare);
	for (size_t i = 0; i < j->span_n; i++) {
		if (j->span[i].begin < end)
			return judge_fail(j, "two pieces overlap");
		end = j->span[i].end;
	}
	end = pieces_begin(j);
	for (size_t i = 0; i < j->span_n; i++) {
		lost_look(j, end, j->span[i].begin);
		end = j->span[i].end;
	}
	lost_look(j, end, j->size);
	return 0;
}

static int header_read(struct judge *j)
{
	uint64_t skip = 0;

	if (j->file_len < TDB_HEADER_BYTES ||
	    tdb_word(j->file, TDB_VERSION_OFFSET) != TDB_VERSION_NUMBER)
		return judge_fail(j, "the header is not that of a TDB of this machine");
	if ((tdb_word(j->file, TDB_FLAGS_OFFSET) & TDB_HAS_MUTEXES) != 0)
		skip = tdb_word(j->file, TDB_MUTEX_OFFSET);
	if (j->file_len - TDB_HEADER_BYTES < skip)
		return judge_fail(j, "the file is shorter than its mutexes");
	j->base = j->file + skip;
	j->size = j->file_len - (size_t)skip;
	j->hash_size = tdb_word(j->base, TDB_HASH_OFFSET);
	if (j->size > UINT32_MAX || j->hash_size == 0 ||
	    j->hash_size >= (j->size - TDB_HEADER_BYTES) / WORD)
		return judge_fail(j, "the file is shorter than its hash table");
	return 0;
}

int store_judge(const void *file, size_t len, struct store_verdict *v,
		const struct store_lost *lost)
{
	struct judge j = { .file = file, .file_len = len, .v = v, .lost = lost };
	int rc;

	*v = (struct store_verdict){ 0 };
	rc = header_read(&j);
	if (rc == 0)
		rc = free_list_follow(&j);
	if (rc == 0)
		rc = chains_follow(&j);
	if (rc == 0)
		rc = recovery_follow(&j);
	if (rc == 0)
		rc = spans_look(&j);
	free(j.span);
	return rc;
}

int store_judge_file(int fd, struct store_verdict *v, const struct store_lost *lost)
{
	struct stat st;
	void *map;
	int rc;

	*v = (struct store_verdict){ 0 };
	if (fstat(fd, &st) != 0)
		return -errno;
	if (st.st_size <= 0)
		return -EIO;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	rc = store_judge(map, (size_t)st.st_size, v, lost);
	munmap(map, (size_t)st.st_size);
	return rc;
}
