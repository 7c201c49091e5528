/* SPDX-License-Identifier: GPL-3.0-or-later */
/* status_json.h: what the files status*.c share */
#ifndef COTDB_STATUS_JSON_H
#define COTDB_STATUS_JSON_H

#include <json-c/json.h>
#include "engine.h"

typedef struct json_object json;

static inline void add_text(json *to, const char *name, const char *text)
{
	json_object_object_add(to, name, text ? json_object_new_string(text) : NULL);
}

static inline void add_number(json *to, const char *name, uint64_t n)
{
	json_object_object_add(to, name, json_object_new_uint64(n));
}

static inline void add_bool(json *to, const char *name, bool is_so)
{
	json_object_object_add(to, name, json_object_new_boolean(is_so));
}

static inline uint64_t since(uint64_t now_ms, uint64_t then_ms)
{
	return then_ms != 0 && now_ms > then_ms ? now_ms - then_ms : 0;
}

/* status_recovery.c: the member "recovery" */
json *status_recovery_json(struct engine *e, const struct core_status *c, uint64_t now_ms);

#endif
