/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * command_ping.c: cotdb ping [NODE]: a PING control to this node's engine, or through it and the
 * data plane to that of another node, whose answer proves that records could move too.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "ask.h"
#include "field.h"
#include "lib/cotdb.h"

static uint64_t now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000U + (uint64_t)now.tv_nsec / 1000U;
}

/* The pnn of a node's name or number; 0, or the exit code of what was reported */
static int node_find(struct tool *t, const char *node, uint32_t *pnn)
{
	struct json_object *status = NULL;
	int code = ask_status_or_fail(t, &status);

	if (code != TOOL_EXIT_OK)
		return code;
	for (size_t i = 0; i < field_count(status, "nodes"); i++) {
		struct json_object *one = field_at(status, "nodes", i);

		if (strcmp(field_text(one, "name", ""), node) != 0 &&
		    strcmp(field_text(one, "pnn", ""), node) != 0)
			continue;
		*pnn = (uint32_t)field_number(one, "pnn", 0);
		json_object_put(status);
		return TOOL_EXIT_OK;
	}
	json_object_put(status);
	return tool_fail(t, TOOL_EXIT_USAGE, "there is no node of the name or pnn '%s'", node);
}

static int ping_print(struct tool *t, uint32_t pnn, uint64_t latency_us)
{
	if (t->is_json) {
		struct json_object *answer = json_object_new_object();

		json_object_object_add(answer, "pnn", json_object_new_int64(pnn));
		json_object_object_add(answer, "latency_us", json_object_new_uint64(latency_us));
		return tool_print_json(t, answer, TOOL_EXIT_OK);
	}
	printf("pnn %" PRIu32 " answered in %" PRIu64 ".%03" PRIu64 " ms\n", pnn, latency_us / 1000,
	       latency_us % 1000);
	return fflush(stdout) == 0 ? TOOL_EXIT_OK : TOOL_EXIT_FAILED;
}

int command_ping(struct tool *t, int argc, char **argv)
{
	struct cotdb_control c = { .opcode = (uint32_t)cotdb_control_number("PING") };
	struct cotdb_reply reply = { 0 };
	struct cotdb *h = NULL;
	uint64_t start_us;
	int rc, code = TOOL_EXIT_OK;

	if (argc > 2)
		return tool_fail(t, TOOL_EXIT_USAGE, "ping takes one node at most");
	if (argc == 2)
		code = node_find(t, argv[1], &c.pnn);
	if (code != TOOL_EXIT_OK)
		return code;
	rc = ask_connect(t, &h);
	if (rc != 0)
		return ask_failed(t, rc);
	if (argc < 2)
		c.pnn = cotdb_pnn(h);
	cotdb_set_timeout(h, (int)tool_left_ms(t));
	start_us = now_us();
	rc = cotdb_control(h, &c, &reply);
	if (rc != 0)
		code = ask_failed(t, rc);
	else if (reply.status < 0)
		code = tool_fail(t, TOOL_EXIT_FAILED, "pnn %" PRIu32 " cannot be asked: %.*s",
				 c.pnn, (int)(reply.text_len < 512 ? reply.text_len : 512),
				 reply.text != NULL ? reply.text : "");
	else
		code = ping_print(t, c.pnn, now_us() - start_us);
	cotdb_close(h);
	return code;
}
