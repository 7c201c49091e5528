/* SPDX-License-Identifier: GPL-3.0-or-later */
/* is_json.c: exits 0 when standard input is exactly one JSON object with the member named by the
 * first argument (if any) */
#include <stdio.h>
#include <json-c/json.h>

int main(int argc, char **argv)
{
	static char text[1U << 20];
	size_t len = fread(text, 1, sizeof(text) - 1, stdin);
	struct json_tokener *tokener = json_tokener_new_ex(32);
	struct json_object *object, *member = NULL;
	int is_good;

	if (tokener == NULL)
		return 2;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	while (len > 0 && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
	object = json_tokener_parse_ex(tokener, text, (int)len + 1);
	is_good = object != NULL && json_object_is_type(object, json_type_object) &&
		  (argc < 2 || json_object_object_get_ex(object, argv[1], &member));
	json_object_put(object);
	json_tokener_free(tokener);
	return is_good ? 0 : 1;
}
