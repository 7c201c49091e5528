/* SPDX-License-Identifier: GPL-3.0-or-later */
/* status_text.h: the engine's status JSON (its members: daemon/io/status.c) as text for humans */
#ifndef COTDB_STATUS_TEXT_H
#define COTDB_STATUS_TEXT_H

#include <stdio.h>
#include <json-c/json.h>

/* All of `cotdb status`. Whatever the object is, it ends and prints something that is true. */
void status_text(struct json_object *status, FILE *out);
/* Tables of `cotdb nodes` and `cotdb db list`, also parts of the above */
void status_text_nodes(struct json_object *status, FILE *out, const char *indent);
void status_text_databases(struct json_object *status, FILE *out, const char *indent);
/* The supervisor's answer, when the engine has none. why: what is wrong with the engine */
void status_text_supervisor(struct json_object *answer, const char *why, FILE *out);
/* "340 ms", "12 s", "5 min 3 s", "3 h 4 min", "2 d 4 h" */
void status_text_duration(uint64_t ms, char *text, size_t size);

#endif
