/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ask.c: the engine's status through its client socket, by a control of cotdb's own; and what to
 * say when there is no answer. Then the run file's lock, which the supervisor holds for as long as
 * it lives, tells "no daemon" from "a daemon whose engine is not there".
 */
#include "ask.h"

#include <errno.h>
#include <string.h>
#include "daemon/io/control_number.h"
#include "lib/cursor.h"
#include "lib/cotdb.h"
#include "supervisor_ask.h"

#define STATUS_DEPTH 16

int ask_connect(struct tool *t, struct cotdb **h)
{
	unsigned int left_ms = tool_left_ms(t);

	return left_ms != 0 ? cotdb_connect(h, t->client_socket, (int)left_ms) : -ETIMEDOUT;
}

/* One JSON object, with or without a NUL behind it */
static int status_parse(const void *data, size_t len, struct json_object **status)
{
	struct json_tokener *tokener = json_tokener_new_ex(STATUS_DEPTH);

	*status = NULL;
	if (tokener == NULL)
		return -ENOMEM;
	if (len > 0 && len < INT32_MAX)
		*status = json_tokener_parse_ex(tokener, data, (int)len);
	json_tokener_free(tokener);
	if (json_object_is_type(*status, json_type_object))
		return 0;
	json_object_put(*status);
	*status = NULL;
	return -EBADMSG;
}

int ask_status(struct tool *t, struct json_object **status)
{
	struct cotdb *h = NULL;
	struct cotdb_reply reply = { 0 };
	int rc = ask_connect(t, &h);

	if (rc == 0) {
		struct cotdb_control c = { .pnn = cotdb_pnn(h), .opcode = COTDB_CONTROL_STATUS };

		cotdb_set_timeout(h, (int)tool_left_ms(t));
		rc = cotdb_control(h, &c, &reply);
		if (rc == 0)
			rc = reply.status != 0 ? -EOPNOTSUPP
					       : status_parse(reply.data, reply.len_bytes, status);
	}
	cotdb_close(h);
	return rc;
}

int ask_failed(struct tool *t, int error)
{
	bool is_absent = error == -ENOENT || error == -ECONNREFUSED;

	if (error == -EOPNOTSUPP)
		return tool_fail(
		    t, TOOL_EXIT_FAILED,
		    "the daemon that answers on %s is not cotdb, or of another version",
		    t->client_socket);
	if (error == -EBADMSG)
		return tool_fail(t, TOOL_EXIT_FAILED, "the daemon's answer on %s cannot be read",
				 t->client_socket);
	if (is_absent && supervisor_is_locked(t->run_dir) == 1)
		return tool_fail(
		    t, TOOL_EXIT_NOT_ACTIVE,
		    "the daemon runs, but its engine does not serve clients; see cotdb "
		    "status");
	return tool_fail_errno(t, error, t->client_socket);
}

int ask_control_or_fail(struct tool *t, uint32_t opcode, uint32_t value)
{
	uint8_t data[4];
	struct writer w = writer_of(data, sizeof(data));
	struct cotdb_control c = { .opcode = opcode, .data = data, .len_bytes = sizeof(data) };
	struct cotdb_reply reply = { 0 };
	struct cotdb *h = NULL;
	int rc = ask_connect(t, &h), code = TOOL_EXIT_OK;

	writer_u32(&w, value);
	if (rc == 0) {
		c.pnn = cotdb_pnn(h);
		cotdb_set_timeout(h, (int)tool_left_ms(t));
		rc = cotdb_control(h, &c, &reply);
	}
	if (rc != 0)
		code = ask_failed(t, rc);
	else if (reply.status != 0)
		code = ask_failed(t, -EOPNOTSUPP);
	cotdb_close(h);
	return code;
}

int ask_status_or_fail(struct tool *t, struct json_object **status)
{
	int rc = ask_status(t, status);

	return rc == 0 ? TOOL_EXIT_OK : ask_failed(t, rc);
}
