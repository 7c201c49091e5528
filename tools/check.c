/* SPDX-License-Identifier: GPL-3.0-or-later */
/* check.c: `cotdb check`: reads corosync's and Pacemaker's configuration, and tells what is wrong
 * (check.h) */
#include "config.h"
#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <json-c/json.h>
#include "daemon/helper/cib.h"
#include "daemon/helper/cib_corosync.h"
#include "daemon/helper/cib_fetch.h"

#define SCHEMA PKGDATADIR "/cotdb.rng"

static const char *node_of(const struct cib_corosync *c, uint32_t nodeid)
{
	for (size_t i = 0; i < c->n_members; i++) {
		if (c->members[i].nodeid == nodeid)
			return c->members[i].name;
	}
	return "";
}

static int compare(const void *a, const void *b)
{
	const struct cib_finding *x = a, *y = b;

	if (x->severity != y->severity)
		return x->severity > y->severity ? -1 : 1;
	if (x->rule != y->rule)
		return x->rule < y->rule ? -1 : 1;
	return x->nodeid < y->nodeid ? -1 : x->nodeid > y->nodeid;
}

static size_t count(const struct cib_findings *f, enum cib_severity severity)
{
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		n += f->list[i].severity == severity;
	return n;
}

static void print_text(const struct cib_findings *f, FILE *out)
{
	for (size_t i = 0; i < f->n; i++) {
		const struct cib_rule_row *row = cib_rule_row(f->list[i].rule);

		fprintf(out, "%s: %s [%s]\n    %s\n", cib_severity_name(f->list[i].severity),
			f->list[i].text, row->name, row->cure);
	}
	fprintf(out, "%zu errors, %zu warnings\n", count(f, CIB_ERROR), count(f, CIB_WARNING));
}

static void add_text(struct json_object *o, const char *name, const char *text)
{
	json_object_object_add(o, name, json_object_new_string(text));
}

static void print_json(const struct cib_findings *f, const struct cib_corosync *corosync, FILE *out)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	json_object_object_add(o, "errors", json_object_new_int64((int64_t)count(f, CIB_ERROR)));
	json_object_object_add(o, "warnings",
			       json_object_new_int64((int64_t)count(f, CIB_WARNING)));
	json_object_object_add(o, "has_corosync", json_object_new_boolean(corosync->is_known));
	for (size_t i = 0; i < f->n; i++) {
		const struct cib_finding *now = &f->list[i];
		struct json_object *finding = json_object_new_object();

		add_text(finding, "rule", cib_rule_row(now->rule)->name);
		add_text(finding, "severity", cib_severity_name(now->severity));
		add_text(finding, "text", now->text);
		add_text(finding, "cure", cib_rule_row(now->rule)->cure);
		if (now->nodeid != 0) {
			json_object_object_add(finding, "nodeid",
					       json_object_new_int64((int64_t)now->nodeid));
			add_text(finding, "node", node_of(corosync, now->nodeid));
		}
		json_object_array_add(list, finding);
	}
	json_object_object_add(o, "findings", list);
	fprintf(out, "%s\n",
		json_object_to_json_string_ext(o, JSON_C_TO_STRING_PRETTY |
						      JSON_C_TO_STRING_SPACED |
						      JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

int check_fail(const struct check_options *o, enum check_result code, const char *text, FILE *out,
	       FILE *err)
{
	struct json_object *answer, *why;

	if (!o->is_json) {
		fprintf(err, "cotdb: %s\n", text);
		return code;
	}
	answer = json_object_new_object();
	why = json_object_new_object();
	json_object_object_add(why, "code", json_object_new_int(code));
	add_text(why, "text", text);
	json_object_object_add(answer, "error", why);
	fprintf(out, "%s\n",
		json_object_to_json_string_ext(answer, JSON_C_TO_STRING_PRETTY |
							   JSON_C_TO_STRING_SPACED |
							   JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(answer);
	return code;
}

int check_run(const struct check_options *o, FILE *out, FILE *err)
{
	const char *schema = o->schema != NULL ? o->schema : SCHEMA;
	struct cib_corosync corosync = { .is_known = false };
	struct cib_findings f = { 0 };
	struct cib *cib = NULL;
	char error[CIB_TEXT_SIZE];
	int rc, code;

	rc = o->cib_file != NULL ? cib_of_file(o->cib_file, &cib, error, sizeof(error))
				 : cib_fetch(&cib, error, sizeof(error));
	if (rc != 0)
		return check_fail(o, CHECK_UNREADABLE, error, out, err);
	if (!o->has_no_corosync && cib_corosync_read(&corosync) != 0 && !o->is_quiet)
		fprintf(err, "cotdb: corosync does not answer; the CIB alone is checked\n");
	cib_check(cib, &corosync, NULL, &f);
	rc = cib_schema_check(cib, schema, &f);
	if (rc != 0)
		fprintf(err, "cotdb: the schema %s cannot be used: %s\n", schema, strerror(-rc));
	if (f.n > 0)
		qsort(f.list, f.n, sizeof(f.list[0]), compare);
	if (o->is_json)
		print_json(&f, &corosync, out);
	else if (!o->is_quiet)
		print_text(&f, out);
	code = count(&f, CIB_ERROR) > 0	       ? CHECK_ERRORS
	       : rc != 0 || f.is_out_of_memory ? CHECK_UNREADABLE
					       : CHECK_OK;
	cib_findings_free(&f);
	cib_corosync_free(&corosync);
	cib_free(cib);
	return code;
}
