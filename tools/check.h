/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * check.h: `cotdb check`: the configuration of corosync and Pacemaker, as far as cotdb depends on
 * it. The rules are cib_rules.def, the schema is cotdb.rng.
 */
#ifndef COTDB_CHECK_H
#define COTDB_CHECK_H

#include <stdbool.h>
#include <stdio.h>

struct check_options {
	const char *cib_file; /* "-": standard input; NULL: the running cluster's (or $CIB_file) */
	const char *schema;   /* NULL: the installed one */
	bool is_json;
	bool has_no_corosync; /* do not compare with corosync */
	bool is_quiet;	      /* exit code only */
};

enum check_exit { CHECK_OK = 0, CHECK_ERRORS = 1, CHECK_USAGE = 2, CHECK_UNREADABLE = 3 };

/* Reads, checks, prints; an enum check_exit. Warnings leave it CHECK_OK. */
int check_run(const struct check_options *o, FILE *out, FILE *err);
#endif
