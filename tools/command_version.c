/* SPDX-License-Identifier: GPL-3.0-or-later */
/* command_version.c: cotdb version */
#include "config.h"
#include "cotdb.h"

#include <stdio.h>

int command_version(struct cotdb *t, int argc, char **argv)
{
	if (cotdb_no_arguments(t, argc, argv) != 0)
		return COTDB_EXIT_USAGE;
	if (t->is_json) {
		struct json_object *answer = json_object_new_object();

		json_object_object_add(answer, "version", json_object_new_string(PACKAGE_VERSION));
		return cotdb_print_json(t, answer, COTDB_EXIT_OK);
	}
	return puts("cotdb " PACKAGE_VERSION) == EOF ? COTDB_EXIT_FAILED : COTDB_EXIT_OK;
}
