/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fence_history.c: was this node fenced by an operation that began after the watch? */
#include "config.h"
#include "fence_history.h"

#include <string.h>
#include <strings.h>

static bool is_newer(struct fence_stamp a, struct fence_stamp b)
{
	return a.s != b.s ? a.s > b.s : a.ns > b.ns;
}

static bool is_about(const struct fence_entry *e, const char *name)
{
	return e->target != NULL && strcasecmp(e->target, name) == 0;
}

bool fence_is_fencing(const char *action)
{
	return action != NULL && (strcmp(action, "off") == 0 || strcmp(action, "reboot") == 0);
}

static void take_baseline(struct fence_watch *w, const char *name, const struct fence_entry *e,
			  size_t n, struct fence_stamp now)
{
	struct fence_stamp newest = { 0, 0 };

	for (size_t i = 0; i < n; i++) {
		if (!is_about(&e[i], name))
			continue;
		if (e[i].state == FENCE_GOING_ON)
			return;
		if (is_newer(e[i].ended, newest))
			newest = e[i].ended;
	}
	w->baseline = newest;
	w->since = now;
	w->is_based = true;
}

bool fence_watch_look(struct fence_watch *w, const char *name, const struct fence_entry *e,
		      size_t n, bool is_notified, struct fence_stamp now)
{
	struct fence_stamp doubtless = { w->since.s + FENCE_SKEW_S, w->since.ns };

	if (!w->is_based) {
		take_baseline(w, name, e, n, now);
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (is_about(&e[i], name) && fence_is_fencing(e[i].action) &&
		    e[i].state == FENCE_DONE && is_newer(e[i].ended, w->baseline) &&
		    (is_notified || is_newer(e[i].ended, doubtless)))
			return true;
	}
	return false;
}

bool fence_is_at_work(const struct fence_watch *w, const char *name, const struct fence_entry *e,
		      size_t n, struct fence_stamp now)
{
	for (size_t i = 0; i < n; i++) {
		if (!is_about(&e[i], name) || !fence_is_fencing(e[i].action))
			continue;
		if (e[i].state == FENCE_GOING_ON)
			return true;
		if (e[i].state == FENCE_DONE && w->is_based && is_newer(e[i].ended, w->baseline) &&
		    e[i].ended.s >= now.s - FENCE_RECENT_S &&
		    e[i].ended.s <= now.s + FENCE_RECENT_S)
			return true;
	}
	return false;
}

static void stamp_write(struct writer *w, struct fence_stamp stamp)
{
	writer_u64(w, (uint64_t)stamp.s);
	writer_u64(w, (uint64_t)stamp.ns);
}

static int stamp_read(struct cursor *c, struct fence_stamp *stamp)
{
	uint64_t s, ns;

	if (cursor_u64(c, &s) || cursor_u64(c, &ns))
		return 1;
	*stamp = (struct fence_stamp){ (int64_t)s, (int64_t)ns };
	return 0;
}

void fence_watch_write(const struct fence_watch *w, struct writer *to)
{
	stamp_write(to, w->baseline);
	stamp_write(to, w->since);
}

int fence_watch_read(struct fence_watch *w, struct cursor *from)
{
	struct fence_watch read = { .is_based = true };

	if (stamp_read(from, &read.baseline) || stamp_read(from, &read.since))
		return 1;
	*w = read;
	return 0;
}
