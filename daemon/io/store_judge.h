/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef COTDB_STORE_JUDGE_H
#define COTDB_STORE_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a look at all of a TDB file has found */
struct store_verdict {
	const char *why;     /* what is damaged, a sentence, lent for good; NULL: nothing */
	size_t lost_n;	     /* pieces of the file that belong to nothing */
	uint64_t lost_bytes; /* in all of them */
	/* Of these, what neither making the file longer nor a rolled back commit leaves: records
	 * may be in it that are not in their lists any more */
	uint64_t odd_bytes;
	/* ... and what a rolled back commit has left, which can be told until the next commit */
	uint64_t traced_bytes;
	/* Free pieces that do not end with their size, by which libtdb goes when it joins them with
	 * the next ones. A killed client leaves that. */
	size_t endless_n;
};

/* Gets the parts of traced_bytes: to be filled with 0 before the next commit, those of turn 0
 * first, then those of 1, of 2, each turn on disk before the next */
struct store_lost {
	void (*take)(void *arg, size_t at, size_t len, unsigned int turn);
	void *arg;
};
enum { STORE_LOST_TURNS = 3 };

/* Whether there is something to be wiped, and the file is good otherwise */
static inline bool store_is_mendable(const struct store_verdict *v)
{
	return v->traced_bytes > 0 && v->odd_bytes == 0 && v->endless_n == 0;
}

/* Judges the bytes of a TDB file, which nobody may change meanwhile. Any bytes will do. 0: each
 * record and each free piece that the file's lists name is one, and none overlaps another;
 * -EBADMSG: not so, for v->why; -ENOMEM. lost: NULL, or who gets the parts, which counts only with
 * 0 and no odd_bytes. */
int store_judge(const void *file, size_t len, struct store_verdict *v,
		const struct store_lost *lost);
/* The same of an open file, whose caller keeps others from writing; -EIO: it is empty, and -errno */
int store_judge_file(int fd, struct store_verdict *v, const struct store_lost *lost);

#endif
