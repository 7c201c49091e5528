/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * tdb_whole.c: a TDB file that tdb_check() refuses, looked at again. A process that dies inside
 * libtdb, by a signal or with its node, can leave space that belongs to nothing:
 *   - it has made the file longer, and not yet put the new piece on the free list,
 *   - it has taken a free piece, and not yet put the record into its hash chain,
 *   - its commit was rolled back at the next opening, and the recovery area at the old end of the
 *     file was forgotten by that.
 * No record is lost, and libtdb works on with such a file. tdb_check() does not: it goes from piece
 * to piece by their lengths, takes all behind the first byte of such a space for unused, and says
 * "Hashes do not match records" as soon as there are records behind it. So one commit that was
 * killed would make a node give up a database that is good, and a loss of power those of all nodes.
 *
 * Here the lists are followed instead: the free list, each hash chain, the recovery area. Each
 * piece that they name must lie in the file, be of the right kind, hold a record that libtdb finds
 * by its key, and overlap no other. What no list names is lost space.
 *
 * The format is libtdb's version 1: a header of 168 bytes, the head of the free list, those of the
 * hash chains, then pieces: a header of six 32-bit words, and the piece's bytes, the last four of
 * which repeat its size. With mutexes in the file all of that comes behind them, and offsets count
 * from there. Numbers are in the byte order of the machine that made the file.
 */
#include "daemon/io/tdb_whole.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum {
	HEADER_SIZE = 168,
	HEADER_VERSION = 32, /* offsets in the header */
	HEADER_HASH_SIZE = 36,
	HEADER_RECOVERY = 44,
	HEADER_FEATURES = 60,
	HEADER_MUTEX_SIZE = 64,
	FEATURE_MUTEX = 1,
	PIECE_ALIGNMENT = 4,
};
#define TDB_VERSION_1	       (0x26011967 + 6)
#define PIECE_USED	       0x26011999U
#define PIECE_FREE	       (~PIECE_USED)
#define PIECE_DEAD	       0xFEE1DEADU
#define PIECE_RECOVERY	       0xf53bc0e7U
#define PIECE_RECOVERY_INVALID 0U

struct piece {
	uint32_t next, len, key_len, data_len, hash, magic;
};

struct span {
	uint32_t begin;
	uint64_t end;
};

struct file {
	struct tdb_context *tdb;
	const unsigned char *map, *base; /* base: where offsets count from */
	size_t map_len, size;		 /* size: from base on */
	uint32_t hash_size;
	struct span *span;
	size_t span_n, span_max;
	const char *why;
};

static bool file_fail(struct file *f, const char *why)
{
	f->why = why;
	return false;
}

static uint32_t word_at(const unsigned char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint32_t pieces_begin(const struct file *f)
{
	return HEADER_SIZE + (f->hash_size + 1) * (uint32_t)sizeof(uint32_t);
}

/* Takes a piece that a list names */
static bool piece_take(struct file *f, uint32_t at, struct piece *p)
{
	uint64_t end;

	if (at < pieces_begin(f) || at % PIECE_ALIGNMENT != 0 || at > f->size - sizeof(*p))
		return file_fail(f, "a list leads out of the file");
	memcpy(p, f->base + at, sizeof(*p));
	end = (uint64_t)at + sizeof(*p) + p->len;
	if (end > f->size)
		return file_fail(f, "a piece is longer than the file");
	/* as many as fit into the file: more means that a list never ends, or comes by twice */
	if (f->span_n == f->span_max)
		return file_fail(f, "a list has no end");
	f->span[f->span_n++] = (struct span){ at, end };
	return true;
}

static bool free_list_is_whole(struct file *f)
{
	struct piece p;

	for (uint32_t at = word_at(f->base + HEADER_SIZE); at != 0; at = p.next) {
		if (!piece_take(f, at, &p))
			return false;
		if (p.magic != PIECE_FREE)
			return file_fail(f, "the free list has a piece that is not free");
	}
	return true;
}

static bool record_is_whole(struct file *f, uint32_t at, const struct piece *p)
{
	TDB_DATA key = { 0 };
	void *copy;
	bool is_found;

	if ((uint64_t)p->key_len + p->data_len + sizeof(uint32_t) > p->len)
		return file_fail(f, "a record is longer than its place");
	if (p->magic == PIECE_DEAD)
		return true;
	copy = malloc(p->key_len + 1);
	if (copy == NULL)
		return file_fail(f, "no memory to look at it");
	memcpy(copy, f->base + at + sizeof(*p), p->key_len);
	key.dptr = copy;
	key.dsize = p->key_len;
	is_found = tdb_exists(f->tdb, key) != 0;
	free(copy);
	return is_found || file_fail(f, "a record is not found by its key");
}

/* The lists first, for all chains: tdb_exists() follows them, too */
static bool chains_are_whole(struct file *f, bool with_keys)
{
	struct piece p;

	for (uint32_t h = 0; h < f->hash_size; h++) {
		size_t head = HEADER_SIZE + (h + 1) * sizeof(uint32_t);

		for (uint32_t at = word_at(f->base + head); at != 0; at = p.next) {
			if (with_keys) {
				memcpy(&p, f->base + at, sizeof(p));
				if (!record_is_whole(f, at, &p))
					return false;
				continue;
			}
			if (!piece_take(f, at, &p))
				return false;
			if (p.magic != PIECE_USED && p.magic != PIECE_DEAD)
				return file_fail(f, "a hash chain has a piece that is no record");
			if (p.hash % f->hash_size != h)
				return file_fail(f, "a record is in another key's hash chain");
		}
	}
	return true;
}

static bool recovery_is_whole(struct file *f)
{
	uint32_t at = word_at(f->base + HEADER_RECOVERY);
	struct piece p;

	if (at == 0)
		return true;
	if (!piece_take(f, at, &p))
		return false;
	return p.magic == PIECE_RECOVERY || p.magic == PIECE_RECOVERY_INVALID ||
	       file_fail(f, "what is called the recovery area is none");
}

static int span_compare(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return (x->begin > y->begin) - (x->begin < y->begin);
}

static bool spans_are_apart(struct file *f, size_t *lost_bytes)
{
	uint64_t end = pieces_begin(f);

	*lost_bytes = 0;
	qsort(f->span, f->span_n, sizeof(f->span[0]), span_compare);
	for (size_t i = 0; i < f->span_n; i++) {
		if (f->span[i].begin < end)
			return file_fail(f, "two pieces overlap");
		*lost_bytes += f->span[i].begin - end;
		end = f->span[i].end;
	}
	*lost_bytes += f->size - end;
	return true;
}

static bool header_is_good(struct file *f)
{
	uint64_t skip = 0;

	if (f->map_len < HEADER_SIZE || word_at(f->map + HEADER_VERSION) != TDB_VERSION_1)
		return file_fail(f, "the header is not that of a TDB of this machine");
	if ((word_at(f->map + HEADER_FEATURES) & FEATURE_MUTEX) != 0)
		skip = word_at(f->map + HEADER_MUTEX_SIZE);
	if (f->map_len - HEADER_SIZE < skip)
		return file_fail(f, "the file is shorter than its mutexes");
	f->base = f->map + skip;
	f->size = f->map_len - (size_t)skip;
	f->hash_size = word_at(f->base + HEADER_HASH_SIZE);
	if (f->size > UINT32_MAX || f->hash_size == 0 ||
	    f->hash_size >= (f->size - HEADER_SIZE) / sizeof(uint32_t) ||
	    f->size - pieces_begin(f) < sizeof(struct piece))
		return file_fail(f, "the file is shorter than its hash table");
	return true;
}

static bool file_is_whole(struct file *f, size_t *lost_bytes)
{
	if (!header_is_good(f))
		return false;
	f->span_max = f->size / sizeof(struct piece);
	f->span = malloc(f->span_max * sizeof(f->span[0]));
	if (f->span == NULL)
		return file_fail(f, "no memory to look at it");
	return free_list_is_whole(f) && chains_are_whole(f, false) && recovery_is_whole(f) &&
	       spans_are_apart(f, lost_bytes) && chains_are_whole(f, true);
}

bool tdb_is_whole(struct tdb_context *tdb, size_t *lost_bytes, const char **why)
{
	struct file f = { .tdb = tdb };
	struct stat st;
	bool is_whole = false;
	void *map;

	*lost_bytes = 0;
	*why = "the file cannot be read";
	if (fstat(tdb_fd(tdb), &st) != 0 || st.st_size <= 0)
		return false;
	f.map_len = (size_t)st.st_size;
	map = mmap(NULL, f.map_len, PROT_READ, MAP_SHARED, tdb_fd(tdb), 0);
	if (map == MAP_FAILED)
		return false;
	f.map = map;
	is_whole = file_is_whole(&f, lost_bytes);
	*why = f.why;
	free(f.span);
	munmap(map, f.map_len);
	return is_whole;
}
