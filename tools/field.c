/* SPDX-License-Identifier: GPL-3.0-or-later */
/* field.c: members of a JSON answer by path */
#include "field.h"

#include <string.h>

#define FIELD_NAME_SIZE 64

struct json_object *field(struct json_object *object, const char *path)
{
	char name[FIELD_NAME_SIZE];

	for (;;) {
		size_t len = strcspn(path, ".");

		if (len >= sizeof(name) || !json_object_is_type(object, json_type_object))
			return NULL;
		memcpy(name, path, len);
		name[len] = '\0';
		if (!json_object_object_get_ex(object, name, &object))
			return NULL;
		if (path[len] == '\0')
			return object;
		path += len + 1;
	}
}

const char *field_text(struct json_object *object, const char *path, const char *missing)
{
	struct json_object *value = field(object, path);

	if (!json_object_is_type(value, json_type_string) &&
	    !json_object_is_type(value, json_type_int))
		return missing;
	return json_object_get_string(value);
}

uint64_t field_number(struct json_object *object, const char *path, uint64_t missing)
{
	struct json_object *value = field(object, path);

	if (!json_object_is_type(value, json_type_int) || json_object_get_int64(value) < 0)
		return missing;
	return json_object_get_uint64(value);
}

bool field_bool(struct json_object *object, const char *path, bool missing)
{
	struct json_object *value = field(object, path);

	return json_object_is_type(value, json_type_boolean) ? json_object_get_boolean(value)
							     : missing;
}

size_t field_count(struct json_object *object, const char *path)
{
	struct json_object *value = field(object, path);

	return json_object_is_type(value, json_type_array) ? json_object_array_length(value) : 0;
}

struct json_object *field_at(struct json_object *object, const char *path, size_t i)
{
	return i < field_count(object, path) ? json_object_array_get_idx(field(object, path), i)
					     : NULL;
}
