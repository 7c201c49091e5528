/* SPDX-License-Identifier: GPL-3.0-or-later */
/* recovery_text.c: see the header */
#include "recovery_text.h"

#include <inttypes.h>
#include <string.h>
#include "field.h"
#include "status_text.h"
#include "table.h"

#define DURATION_SIZE 32
#define NAMES_SIZE    256

static const struct {
	const char *name, *text;
} phases[] = {
	{ "out", "corosync has not admitted this node" },
	{ "gather", "waiting for the members' state" },
	{ "gates", "waiting for a gate" },
	{ "activation", "waiting until the members have accepted the plan" },
	{ "sweep", "active, the members report their records" },
	{ "adoption", "all records are reported, those of departed nodes are taken over" },
	{ "content", "databases are fetched from other nodes" },
	{ "over", "over" },
};

static const char *phase_text(const char *phase)
{
	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
		if (strcmp(phases[i].name, phase) == 0)
			return phases[i].text;
	return phase;
}

/* "node2 (report), node3 (report)"; what does not fit is left out */
static void names_text(struct json_object *status, const char *path, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < field_count(status, path); i++) {
		struct json_object *one = field_at(status, path, i);
		const char *what = field_text(one, "what", NULL);
		int n = snprintf(text + len, size - len, "%s%s%s%s%s", len > 0 ? ", " : "",
				 field_text(one, "name", "?"), what != NULL ? " (" : "",
				 what != NULL ? what : "", what != NULL ? ")" : "");

		if (n < 0 || (size_t)n >= size - len) {
			text[len] = '\0';
			return;
		}
		len += (size_t)n;
	}
}

/* Whom or what a closed gate waits for */
static void gates_text(struct json_object *status, char *text, size_t size)
{
	for (size_t i = 0; i < field_count(status, "gates"); i++) {
		struct json_object *gate = field_at(status, "gates", i);
		const char *detail = field_text(gate, "text", "");

		if (field_bool(gate, "is_open", false))
			continue;
		(void)snprintf(text, size, "%s: %s%s%s", field_text(gate, "name", "?"),
			       field_text(gate, "sentence", "?"), *detail != '\0' ? ": " : "",
			       detail);
		return;
	}
	(void)snprintf(text, size, "%s", field_text(status, "sentence", "?"));
}

static void sweep_text(struct json_object *status, char *text, size_t size)
{
	uint64_t chains = field_number(status, "recovery.chains", 0);
	uint64_t done = field_number(status, "recovery.chains_done", 0);

	(void)snprintf(text, size,
		       "%s of %s databases, %" PRIu64 " %% of the hash chains, %s records",
		       field_text(status, "recovery.databases_done", "?"),
		       field_text(status, "recovery.databases", "?"),
		       chains > 0 && done < chains ? done * 100 / chains : 100,
		       field_text(status, "recovery.records", "?"));
}

void recovery_text_line(struct json_object *status, char *text, size_t size)
{
	const char *phase = field_text(status, "recovery.phase", "unknown");
	char names[NAMES_SIZE] = "", detail[NAMES_SIZE] = "";

	names_text(status, "recovery.waits_for", names, sizeof(names));
	if (strcmp(phase, "gates") == 0)
		gates_text(status, detail, sizeof(detail));
	else if (strcmp(phase, "sweep") == 0)
		sweep_text(status, detail, sizeof(detail));
	else if (strcmp(phase, "adoption") == 0)
		(void)snprintf(detail, sizeof(detail), "%s left",
			       field_text(status, "recovery.orphans", "?"));
	else if (strcmp(phase, "content") == 0)
		(void)snprintf(detail, sizeof(detail), "%s left",
			       field_text(status, "recovery.fetching", "?"));
	(void)snprintf(text, size, "%s%s%s%s%s", phase_text(phase), *detail != '\0' ? "; " : "",
		       detail, *names != '\0' ? "; waits for " : "", names);
}

static void time_text(struct json_object *status, const char *path, char *text, size_t size)
{
	if (field(status, path) == NULL)
		(void)snprintf(text, size, "-");
	else
		status_text_duration(field_number(status, path, 0), text, size);
}

static void print_headline(struct json_object *status, FILE *out)
{
	char since[DURATION_SIZE], line[RECOVERY_LINE_SIZE];
	uint64_t restarts = field_number(status, "recovery.restarts", 0);

	status_text_duration(field_number(status, "recovery.since_ms", 0), since, sizeof(since));
	if (field_bool(status, "recovery.is_over", false)) {
		char total[DURATION_SIZE];

		time_text(status, "recovery.times.total_ms", total, sizeof(total));
		fprintf(out,
			"No recovery is going on; the last one, to generation %s, ended %s ago "
			"and took %s.\n",
			field_text(status, "recovery.generation", "?"), since, total);
		return;
	}
	recovery_text_line(status, line, sizeof(line));
	for (char *p = line; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20U || *p == 0x7F)
			*p = '?';
	fprintf(out, "A recovery has been going on for %s: %s.\n", since, line);
	if (restarts > 0)
		fprintf(out, "It began anew %" PRIu64 " times, with a new view.\n", restarts);
}

static void print_times(struct json_object *status, struct table *t)
{
	static const char *const path[] = { "recovery.times.gather_ms", "recovery.times.fencing_ms",
					    "recovery.times.activation_ms",
					    "recovery.times.sweep_ms" };
	char text[4][DURATION_SIZE];

	for (size_t i = 0; i < 4; i++)
		time_text(status, path[i], text[i], sizeof(text[i]));
	table_add(t, "Times");
	table_addf(t, "states %s, fencing %s, activation %s, sweep %s", text[0], text[1], text[2],
		   text[3]);
	table_add(t, "");
	table_addf(t, "(before them corosync's detection, which has a token time-out of %s ms)",
		   field_text(status, "corosync.token_ms", "?"));
}

void recovery_text(struct json_object *status, FILE *out)
{
	char text[NAMES_SIZE];
	struct table t;

	if (field(status, "recovery") == NULL) {
		fputs("The daemon is of another version, and tells nothing about recoveries.\n",
		      out);
		return;
	}
	print_headline(status, out);
	fputc('\n', out);
	table_init(&t, 2);
	names_text(status, "recovery.waits_for", text, sizeof(text));
	table_add(&t, "Waits for");
	table_add(&t, *text != '\0' ? text : "no member");
	names_text(status, "recovery.reported", text, sizeof(text));
	table_add(&t, "Have reported");
	table_add(&t, *text != '\0' ? text : "none");
	sweep_text(status, text, sizeof(text));
	table_add(&t, "This node");
	table_add(&t, text);
	table_add(&t, "As lmaster");
	table_addf(&t, "%s records known, %s to be taken over, %s being looked for",
		   field_text(status, "records.locations", "?"),
		   field_text(status, "recovery.orphans", "?"),
		   field_text(status, "recovery.resolutions", "?"));
	table_add(&t, "Whole databases");
	table_addf(&t, "%s fetched, %s being written, %s sent to other nodes",
		   field_text(status, "recovery.fetching", "?"),
		   field_text(status, "recovery.writing", "?"),
		   field_text(status, "recovery.sending", "?"));
	print_times(status, &t);
	table_print(&t, out, "");
}
