/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * check_main.c: cotdb-check, the program behind `cotdb check`. It is one of its own because
 * Pacemaker's libraries take longer to load than all that `cotdb` does otherwise, and the agent's
 * monitor runs that every few seconds.
 */
#include "config.h"
#include "check.h"

#include <string.h>

/* The value of an option --NAME=VALUE or --NAME VALUE at argv[*i], or NULL */
static const char *value_of(const char *name, int argc, char **argv, int *i)
{
	size_t len = strlen(name);

	if (strncmp(argv[*i], name, len) != 0)
		return NULL;
	if (argv[*i][len] == '=')
		return argv[*i] + len + 1;
	if (argv[*i][len] != '\0' || *i + 1 >= argc)
		return NULL;
	return argv[++*i];
}

int main(int argc, char **argv)
{
	struct check_options o = { .is_json = false };

	for (int i = 1; i < argc; i++) {
		const char *value;

		if ((value = value_of("--cib", argc, argv, &i)) != NULL) {
			o.cib_file = value;
		} else if ((value = value_of("--schema", argc, argv, &i)) != NULL) {
			o.schema = value;
		} else if (strcmp(argv[i], "--no-corosync") == 0) {
			o.has_no_corosync = true;
		} else if (strcmp(argv[i], "--quiet") == 0) {
			o.is_quiet = true;
		} else if (strcmp(argv[i], "--output-as=json") == 0) {
			o.is_json = true;
		} else {
			char text[512];

			snprintf(text, sizeof(text),
				 "check does not understand '%s'; see cotdb check --help", argv[i]);
			return check_fail(&o, CHECK_USAGE, text, stdout, stderr);
		}
	}
	/* A file is of whatever cluster: corosync is asked only about the running one */
	if (o.cib_file != NULL)
		o.has_no_corosync = true;
	return check_run(&o, stdout, stderr);
}
