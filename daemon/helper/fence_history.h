/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fence_history.h: whether a node was fenced after a given moment, decided from the fencer's
 * history. Pure: the helper asks the fencer, this decides.
 *
 * The history has no begin of an operation, only whether it is still going on and when it ended.
 * So "began after the watch" is decided like this:
 *   - At the watch the newest end stamp of the node's entries is the baseline. Nothing up to it
 *     counts, ever.
 *   - Is an operation on the node going on at that moment, then the watch stays open: nothing
 * counts until no operation is going on; then the baseline is taken anew, so that the one that had
 *     begun before (and may have been aimed at the node's earlier life) does not count.
 *   - Afterwards a successful off or reboot that ended later than the baseline began after it.
 *
 * Stamps can be compared only if one clock made them. What the fencer notifies us of has just
 * ended and is stamped by this node's clock. But a fencer that was started lately gets older
 * entries from the other nodes, with the stamps of their clocks, and without a notification. So an
 * entry that is found without one counts only when it is newer than the watch itself by more than
 * FENCE_SKEW_S, more than two nodes' clocks can be apart. What is refused in this way costs time,
 * not safety: in doubt the node is not fenced, and fencing is asked for again.
 *
 * A watch outlives the helper: the engine keeps its baseline and gives it to the next helper, for
 * which every fencing meanwhile is an entry that is found without a notification.
 */
#ifndef COTDB_FENCE_HISTORY_H
#define COTDB_FENCE_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ipc.h"

#define FENCE_SKEW_S   120
#define FENCE_RECENT_S 10

struct fence_stamp {
	int64_t s;
	int64_t ns;
};

enum fence_state { FENCE_GOING_ON, FENCE_DONE, FENCE_FAILED };

/* One operation of the fencer's history; strings borrowed */
struct fence_entry {
	const char *target, *action;
	enum fence_state state;
	struct fence_stamp ended; /* not while FENCE_GOING_ON */
};

struct fence_watch {
	bool is_based; /* the baseline was taken; nothing counts before */
	struct fence_stamp baseline;
	struct fence_stamp since; /* wall clock when it was taken */
};

/*
 * A look at the fencer's history: whether the node called name has been fenced by an operation that
 * began after the watch. The first look at which no operation on the node is going on takes the
 * baseline (the watch starts zeroed). is_notified: the fencer has just told of a successful
 * off or reboot of this node. now: wall clock.
 */
bool fence_watch_look(struct fence_watch *w, const char *name, const struct fence_entry *e,
		      size_t n, bool is_notified, struct fence_stamp now);
/*
 * Whether somebody's fencing of the node is going on, or has succeeded less than FENCE_RECENT_S ago and after
 * the watch, so that the fencer is about to tell of it: nobody need ask for another one yet. For this
 * alone the clocks of two nodes are compared: where they differ a moment is lost, or a fencing is one too many.
 */
bool fence_is_at_work(const struct fence_watch *w, const char *name, const struct fence_entry *e,
		      size_t n, struct fence_stamp now);
/* FENCE_BASE_SIZE bytes of a watch that is based, and a watch made of them again; 0 or 1 */
void fence_watch_write(const struct fence_watch *w, struct writer *to);
int fence_watch_read(struct fence_watch *w, struct cursor *from);
/* Whether an action takes a node down */
bool fence_is_fencing(const char *action);

#endif
