/* SPDX-License-Identifier: GPL-3.0-or-later */
/* recovery_text.h: the member "recovery" of the engine's status (daemon/io/status.c) as text */
#ifndef COTDB_RECOVERY_TEXT_H
#define COTDB_RECOVERY_TEXT_H

#include <stdio.h>
#include <json-c/json.h>

#define RECOVERY_LINE_SIZE 512

/* All of `cotdb recovery`. Whatever the object is, it ends and prints something that is true. */
void recovery_text(struct json_object *status, FILE *out);
/* In one line: what it waits for now, and how far that is */
void recovery_text_line(struct json_object *status, char *text, size_t size);

#endif
