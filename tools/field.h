/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * field.h: members of a JSON answer by path ("leader.name"). What is missing or of another type
 * reads as the default: an answer of another version of the daemon must never stop the tool.
 */
#ifndef COTDB_FIELD_H
#define COTDB_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <json-c/json.h>

/* Lent until the object is dropped; NULL: not there, or null */
struct json_object *field(struct json_object *object, const char *path);
/* The text; of a number its digits (lent as above) */
const char *field_text(struct json_object *object, const char *path, const char *missing);
uint64_t field_number(struct json_object *object, const char *path, uint64_t missing);
bool field_bool(struct json_object *object, const char *path, bool missing);
/* Elements of a list; 0 for what is none */
size_t field_count(struct json_object *object, const char *path);
struct json_object *field_at(struct json_object *object, const char *path, size_t i);

#endif
