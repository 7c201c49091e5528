/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ask.h: what a command learns from the daemon of this node */
#ifndef COTDB_ASK_H
#define COTDB_ASK_H

#include "tool.h"

struct cotdb;

/* Connects to the engine; 0 or -errno. The caller closes *h. */
int ask_connect(struct tool *t, struct cotdb **h);
/* The engine's status, the caller's to put. 0, -errno of the connection, -EBADMSG: no JSON object,
 * -EOPNOTSUPP: not a cotdb daemon */
int ask_status(struct tool *t, struct json_object **status);
/* The same for commands that can do nothing without it: reports failure. 0, or the exit code */
int ask_status_or_fail(struct tool *t, struct json_object **status);
/* A control of cotdb's own that has no answer but its status: 0, or the exit code of what was reported */
int ask_control_or_fail(struct tool *t, uint32_t opcode, uint32_t value);
/* Reports that the engine could not be asked; the exit code. Looks whether the daemon runs. */
int ask_failed(struct tool *t, int error);

#endif
