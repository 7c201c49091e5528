/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * fuzz_roster.c: libFuzzer's entry for what supervisors tell each other (daemon/core/roster.c). Its
 * input is a sequence of u8 what, u8 pnn, u8 length, bytes. Built and run by tests/fuzz/run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/core/internal.h"
#include "daemon/core/roster.h"
#include "lib/cursor.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

#define SELF 3U

enum step {
	STEP_MESSAGE,
	STEP_GROUP,
	STEP_RING,
	STEP_LEAVE,
	STEP_OVER,
	STEP_ENGINE,
	STEP_PLAN,
	STEP_TELL,
	STEP_COUNT
};

static void broken(const char *what)
{
	fprintf(stderr, "%s\n", what);
	abort();
}

static void check_incarnation(struct incarnation inc)
{
	if (inc.pnn >= CORE_MAX_NODES || inc.pnn == SELF || inc.boot_id == 0)
		broken("an impossible incarnation is told of");
}

static void r_multicast(void *world, const void *msg, size_t len)
{
	(void)world, (void)msg;
	if (len > ROSTER_MESSAGE)
		broken("a message is longer than it may be");
}

static void r_incarnation(void *world, struct incarnation inc)
{
	(void)world;
	check_incarnation(inc);
}

static void r_supervisor(void *world, uint32_t pnn, bool is_present, bool has_told)
{
	(void)world, (void)is_present, (void)has_told;
	if (pnn >= CORE_MAX_NODES)
		broken("an impossible supervisor is told of");
}

static const struct roster_ops ops = {
	.multicast = r_multicast,
	.started = r_incarnation,
	.over = r_incarnation,
	.supervisor = r_supervisor,
};

/* Each byte is a pnn */
static size_t pnns_of(struct slice bytes, uint32_t pnn[256])
{
	for (size_t i = 0; i < bytes.len; i++)
		pnn[i] = bytes.p[i];
	return bytes.len;
}

static void step_play(struct roster *r, enum step step, uint8_t pnn, struct slice bytes)
{
	struct cursor c = cursor_of(bytes.p, bytes.len);
	struct incarnation inc = { .pnn = pnn };
	uint32_t nodes[256];

	if (cursor_u64(&c, &inc.boot_id) != 0)
		inc.boot_id = 0;
	switch (step) {
	case STEP_MESSAGE:
		(void)roster_message(r, pnn, bytes);
		break;
	case STEP_GROUP:
		roster_group(r, nodes, pnns_of(bytes, nodes));
		break;
	case STEP_RING:
		roster_ring(r, nodes, pnns_of(bytes, nodes));
		break;
	case STEP_LEAVE:
		roster_leave(r, pnn);
		break;
	case STEP_OVER:
		roster_over(r, inc);
		break;
	case STEP_ENGINE:
		roster_engine(r, pnn);
		break;
	case STEP_PLAN:
		inc = (struct incarnation){ .pnn = SELF, .boot_id = pnn };
		roster_planned(r, &inc, 1);
		break;
	case STEP_TELL:
		roster_tell(r);
		break;
	case STEP_COUNT:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	static struct roster r;
	struct incarnation list[2] = { { .pnn = 1, .boot_id = 1 }, { .pnn = SELF, .boot_id = 1 } };
	bool is_over[2] = { false }, was_over[2] = { false };
	struct cursor story = cursor_of(p, len);
	uint8_t what, pnn, size;

	roster_init(&r, SELF, 0, &ops, NULL);
	while (cursor_u8(&story, &what) == 0 && cursor_u8(&story, &pnn) == 0 &&
	       cursor_u8(&story, &size) == 0) {
		size_t n = size < story.left ? size : story.left;
		uint8_t *copy = malloc(n); /* of its own, so that reading outside is noticed */
		struct slice bytes;

		if (copy == NULL || cursor_bytes(&story, n, &bytes) != 0)
			abort();
		if (n > 0)
			memcpy(copy, bytes.p, n);
		step_play(&r, (enum step)(what % STEP_COUNT), pnn, slice_of(copy, n));
		free(copy);
		if (r.n > ROSTER_MAX || r.over_n > ROSTER_MAX)
			broken("the roster is longer than it may be");
		for (size_t i = 0; i < r.n; i++)
			check_incarnation(r.inc[i]);
		(void)roster_mark(&r, list, is_over, 2);
		for (size_t i = 0; i < 2; i++)
			if (is_over[i] && !was_over[i] &&
			    !incarnation_is_in(r.over, r.over_n, list[i]))
				broken("one is marked that has not ended");
		memcpy(was_over, is_over, sizeof(was_over));
		(void)roster_awaits(&r, list, 2);
	}
	return 0;
}
