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

/* Exit codes of cotdb check; they do not clash with the others of cotdb (exit.def) */
enum check_result { CHECK_OK = 0, CHECK_ERRORS = 1, CHECK_USAGE = 2, CHECK_UNREADABLE = 8 };

/* Reads, checks, prints; an enum check_result. Warnings leave it CHECK_OK. */
int check_run(const struct check_options *o, FILE *out, FILE *err);
/* Says why it cannot check, a sentence without full stop: to err, or to out as JSON. Returns code.
 */
int check_fail(const struct check_options *o, enum check_result code, const char *text, FILE *out,
	       FILE *err);
#endif
