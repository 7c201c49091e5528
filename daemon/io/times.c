/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * times.c: the inequalities between time-outs that the design states, as a table. None of them
 * makes anything safe; where one fails, one fault is taken for another, or the hard way comes
 * before the gentle one has had its chance. So they are warnings, at start.
 */
#include "times.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include "daemon/log.h"

/* What a left side is made of: corosync's detection, and options */
struct times_row {
	bool has_detection;
	unsigned int factor; /* of the option, 0: none */
	enum option_id option;
	unsigned int extra_ms;
	enum option_id limit; /* must be above the left side */
	const char *left, *otherwise;
};

static const struct times_row times_table[] = {
	{ .has_detection = true,
	  .limit = OPTION_state_timeout,
	  .left = "corosync's token plus consensus",
	  .otherwise = "a member that only waits for corosync is taken for one that hangs" },
	{ .has_detection = true,
	  .limit = OPTION_peer_timeout,
	  .left = "corosync's token plus consensus",
	  .otherwise = "a node that corosync is about to drop is evicted by its peers first" },
	{ .factor = 2,
	  .option = OPTION_retire_timeout,
	  .extra_ms = 1000,
	  .limit = OPTION_revoke_timeout,
	  .left = "twice retire_timeout and a second",
	  .otherwise = "a node is fenced whose databases would have been retired" },
	{ .factor = 1,
	  .option = OPTION_hang_timeout,
	  .limit = OPTION_state_timeout,
	  .left = "hang_timeout",
	  .otherwise = "a node is fenced whose supervisor would have ended its engine" },
};

int times_check(size_t i, const struct options *o, const struct cluster_settings *s, char *text,
		size_t size)
{
	const struct times_row *row;
	uint64_t left_ms, limit_ms;

	if (i >= sizeof(times_table) / sizeof(times_table[0]))
		return -ENOENT;
	row = &times_table[i];
	left_ms = row->extra_ms + (row->factor > 0 ? row->factor * o->number[row->option] : 0);
	if (row->has_detection)
		left_ms += (uint64_t)s->token_ms + s->consensus_ms;
	limit_ms = o->number[row->limit];
	if (left_ms < limit_ms)
		return 0;
	snprintf(text, size,
		 "%s (%" PRIu64 " ms) should be below %s (%" PRIu64 " ms), or else %s; raise %s "
		 "above %" PRIu64 " ms, or lower %s",
		 row->left, left_ms, option_table[row->limit].name, limit_ms, row->otherwise,
		 option_table[row->limit].name, left_ms,
		 row->has_detection ? "token and consensus in corosync.conf"
				    : option_table[row->option].name);
	return 1;
}

void times_warn(const struct options *o, const struct cluster_settings *s)
{
	char text[512];
	int rc;

	for (size_t i = 0; (rc = times_check(i, o, s, text, sizeof(text))) != -ENOENT; i++)
		if (rc != 0)
			log_warning("%s", text);
}
