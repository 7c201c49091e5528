/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * status_text.c: the engine's status as text. First the one line that answers "is it well, and if
 * not, what does it wait for"; then what an admin has to know although it works; then the details
 * from the cluster down to this node.
 */
#include "status_text.h"

#include <inttypes.h>
#include <string.h>
#include "field.h"
#include "table.h"

#define STATUS_FORMAT 1
#define DURATION_SIZE 32

void status_text_duration(uint64_t ms, char *text, size_t size)
{
	static const struct {
		uint64_t ms;
		const char *name;
	} unit[] = { { 86400000, "d" }, { 3600000, "h" }, { 60000, "min" }, { 1000, "s" } };

	for (size_t i = 0; i < 4; i++) {
		uint64_t whole = ms / unit[i].ms;

		if (whole == 0)
			continue;
		if (i == 3 || ms % unit[i].ms / unit[i + 1].ms == 0)
			(void)snprintf(text, size, "%" PRIu64 " %s", whole, unit[i].name);
		else
			(void)snprintf(text, size, "%" PRIu64 " %s %" PRIu64 " %s", whole,
				       unit[i].name, ms % unit[i].ms / unit[i + 1].ms,
				       unit[i + 1].name);
		return;
	}
	(void)snprintf(text, size, "%" PRIu64 " ms", ms);
}

/* Prints text without what a terminal could misread */
static void print_clean(FILE *out, const char *text)
{
	for (; *text != '\0'; text++)
		fputc((unsigned char)*text < 0x20U || *text == 0x7F ? '?' : *text, out);
}

/* "sentence: text (reason)" of a gate, a node or the whole */
static void reason_text(struct json_object *of, char *text, size_t size)
{
	const char *detail = field_text(of, "text", "");

	(void)snprintf(text, size, "%s%s%s (%s)", field_text(of, "sentence", "no reason is known"),
		       *detail != '\0' ? ": " : "", detail, field_text(of, "reason", "unknown"));
}

static void print_headline(struct json_object *status, FILE *out)
{
	char duration[DURATION_SIZE], reason[1024];

	print_clean(out, field_text(status, "node.name", "this node"));
	fputs(" (pnn ", out);
	print_clean(out, field_text(status, "node.pnn", "?"));
	fputs(") is ", out);
	if (field_bool(status, "is_active", false)) {
		status_text_duration(field_number(status, "active_ms", 0), duration,
				     sizeof(duration));
		fprintf(out, "active for %s", duration);
		if (field_bool(status, "is_recovering", false))
			fputs(", recovery is going on", out);
	} else {
		status_text_duration(field_number(status, "waiting_ms", 0), duration,
				     sizeof(duration));
		fprintf(out, "NOT ACTIVE for %s: ", duration);
		reason_text(status, reason, sizeof(reason));
		print_clean(out, reason);
	}
	if (field_bool(status, "is_frozen", false))
		fputs("; its databases are FROZEN", out);
	if (field_bool(status, "is_stopping", false))
		fputs("; it is stopping", out);
	fputs(".\n", out);
}

/* Both the engine and the supervisor tell it */
static void print_unfenced(struct json_object *status, FILE *out)
{
	if (field_bool(status, "allow_unfenced", false))
		fputs("WARNING: ALLOW_UNFENCED IS SET: a lost node is taken for dead without "
		      "fencing; records may be lost or doubled\n",
		      out);
}

static void print_warnings(struct json_object *status, FILE *out)
{
	if (field_number(status, "format", 0) != STATUS_FORMAT)
		fputs("WARNING: the daemon is of another version than this command; parts may be "
		      "missing or mean something else\n",
		      out);
	print_unfenced(status, out);
	for (size_t i = 0; i < field_count(status, "warnings"); i++) {
		struct json_object *warning = field_at(status, "warnings", i);

		if (!json_object_is_type(warning, json_type_string) ||
		    strncmp(json_object_get_string(warning), "allow_unfenced", 14) == 0)
			continue; /* said above, louder */
		fputs("WARNING: ", out);
		print_clean(out, json_object_get_string(warning));
		fputc('\n', out);
	}
}

static void print_lock(struct json_object *status, struct table *t)
{
	char duration[DURATION_SIZE];
	const char *path = field_text(status, "recovery_lock.path", NULL);
	uint64_t waiting_ms = field_number(status, "recovery_lock.waiting_ms", 0);

	table_add(t, "Recovery lock");
	if (path == NULL) {
		table_add(t, "none is configured");
		return;
	}
	status_text_duration(waiting_ms, duration, sizeof(duration));
	table_addf(t, "%s, %s%s%s%s", path,
		   field_bool(status, "recovery_lock.is_held_here", false)
		       ? "held by this node"
		       : "not held by this node",
		   waiting_ms > 1000 ? "; THE FILE SYSTEM HAS NOT ANSWERED FOR " : "",
		   waiting_ms > 1000 ? duration : "",
		   field_bool(status, "recovery_lock.is_alive", false)
		       ? ""
		       : "; its helper process is not running");
}

static void print_pacemaker(struct json_object *status, struct table *t)
{
	const char *text = field_text(status, "pacemaker.text", "");

	table_add(t, "Pacemaker");
	table_addf(t, "%s%s%s",
		   !field_bool(status, "pacemaker.is_alive", false) ? "the helper is not running"
		   : field_bool(status, "pacemaker.is_connected", false) ? "connected"
									 : "not connected",
		   *text != '\0' ? ": " : "", text);
}

static void print_draining(struct json_object *status, struct table *t)
{
	const char *state = field_text(status, "draining.state", "off");

	if (strcmp(state, "off") == 0)
		return;
	table_add(t, "Draining");
	table_addf(t, "%s: %s records handed over, %s left", state,
		   field_text(status, "draining.given", "?"),
		   field_number(status, "draining.passes", 0) == 0
		       ? "not known yet how many"
		       : field_text(status, "draining.left", "?"));
}

static void print_summary(struct json_object *status, FILE *out)
{
	struct table t;
	bool is_quorate = field_bool(status, "corosync.is_quorate", false);
	bool is_encrypted = field_bool(status, "corosync.is_encrypted", false);

	table_init(&t, 2);
	table_add(&t, "Generation");
	table_addf(&t, "%s, view %s", field_text(status, "generation", "?"),
		   field_text(status, "view", "?"));
	table_add(&t, "Leader");
	if (field(status, "leader") == NULL)
		table_add(&t, "none is known");
	else
		table_addf(&t, "%s (pnn %s)", field_text(status, "leader.name", "?"),
			   field_text(status, "leader.pnn", "?"));
	table_add(&t, "Corosync");
	table_addf(&t, "%s%s, encryption %s", is_quorate ? "quorate" : "NO QUORUM",
		   field_bool(status, "corosync.has_two_node", false) ? ", two_node" : "",
		   is_encrypted ? "on" : "OFF");
	print_lock(status, &t);
	print_pacemaker(status, &t);
	table_add(&t, "Clients");
	if (field_number(status, "waiting.calls", 0) == 0)
		table_addf(&t, "%s connected, 0 calls waiting",
			   field_text(status, "clients.count", "?"));
	else
		table_addf(&t, "%s connected, %s calls waiting, the oldest for %llu.%llu s%s%s",
			   field_text(status, "clients.count", "?"),
			   field_text(status, "waiting.calls", "?"),
			   (unsigned long long)field_number(status, "waiting.waited_ms", 0) / 1000,
			   (unsigned long long)field_number(status, "waiting.waited_ms", 0) / 100 %
			       10,
			   field_bool(status, "is_active", true) ? "" : ": ",
			   field_bool(status, "is_active", true)
			       ? ""
			       : field_text(status, "sentence", "?"));
	table_add(&t, "Records");
	table_addf(&t, "%s came, %s went, %s new, %s taken over from departed nodes%s",
		   field_text(status, "records.handoffs_in", "?"),
		   field_text(status, "records.handoffs_out", "?"),
		   field_text(status, "records.created", "?"),
		   field_text(status, "records.adopted", "?"),
		   field_number(status, "records.orphans", 0) > 0 ? ", more of them to come" : "");
	print_draining(status, &t);
	table_add(&t, "Vacuuming");
	table_addf(&t, "%s records deleted as their lmaster, %s to be looked at",
		   field_text(status, "vacuuming.deleted", "?"),
		   field_text(status, "vacuuming.waiting", "?"));
	if (field_number(status, "traverses.incomplete", 0) > 0) {
		table_add(&t, "Traverses");
		table_addf(&t, "%s of %s were not complete: see the log",
			   field_text(status, "traverses.incomplete", "?"),
			   field_text(status, "traverses.begun", "?"));
	}
	table_add(&t, "Engine");
	table_addf(&t, "pid %s, version %s", field_text(status, "node.pid", "?"),
		   field_text(status, "version", "?"));
	table_print(&t, out, "");
}

static void print_gates(struct json_object *status, FILE *out)
{
	struct table t;

	table_init(&t, 4);
	table_add(&t, "GATE");
	table_add(&t, "STATE");
	table_add(&t, "WAITS");
	table_add(&t, "REASON");
	for (size_t i = 0; i < field_count(status, "gates"); i++) {
		struct json_object *gate = field_at(status, "gates", i);
		bool is_open = field_bool(gate, "is_open", false);
		char duration[DURATION_SIZE] = "", reason[1024] = "";

		if (!is_open) {
			status_text_duration(field_number(gate, "waiting_ms", 0), duration,
					     sizeof(duration));
			reason_text(gate, reason, sizeof(reason));
		}
		table_add(&t, field_text(gate, "name", "?"));
		table_add(&t, is_open ? "open" : "CLOSED");
		table_add(&t, duration);
		table_add(&t, reason);
	}
	table_print(&t, out, "");
}

void status_text_nodes(struct json_object *status, FILE *out, const char *indent)
{
	struct table t;

	table_init(&t, 7);
	table_add(&t, "NODE");
	table_add(&t, "PNN");
	table_add(&t, "NODEID");
	table_add(&t, "ADDRESS");
	table_add(&t, "STATE");
	table_add(&t, "LINK");
	table_add(&t, "REMARKS");
	for (size_t i = 0; i < field_count(status, "nodes"); i++) {
		struct json_object *node = field_at(status, "nodes", i);
		const char *reason = field_text(node, "reason", "none");
		bool is_self = field_bool(node, "is_self", false);

		table_add(&t, field_text(node, "name", "?"));
		table_add(&t, field_text(node, "pnn", "?"));
		table_add(&t, field_text(node, "nodeid", "?"));
		table_add(&t, field_text(node, "address", "?"));
		table_add(&t, field_text(node, "state", "?"));
		table_add(&t, is_self					? "self"
			      : field_bool(node, "is_connected", false) ? "up"
									: "-");
		table_addf(&t, "%s%s%s%s",
			   field_bool(node, "is_draining", false) ? "it drains; " : "",
			   field_bool(node, "is_fencing_pending", false)
			       ? "an earlier run of it waits for fencing"
			       : "",
			   field_bool(node, "is_fencing_pending", false) &&
				   strcmp(reason, "none") != 0
			       ? "; "
			       : "",
			   strcmp(reason, "none") != 0 ? field_text(node, "sentence", reason) : "");
	}
	table_print(&t, out, indent);
}

void status_text_databases(struct json_object *status, FILE *out, const char *indent)
{
	size_t told = field_count(status, "databases");
	uint64_t all = field_number(status, "databases_count", told);
	struct table t;

	table_init(&t, 4);
	table_add(&t, "ID");
	table_add(&t, "TYPE");
	table_add(&t, "NAME");
	table_add(&t, "FILE");
	for (size_t i = 0; i < told; i++) {
		struct json_object *db = field_at(status, "databases", i);

		table_add(&t, field_text(db, "db_id", "?"));
		table_add(&t, field_text(db, "type", "?"));
		table_add(&t, field_text(db, "name", "?"));
		table_add(&t, field_text(db, "path", "not open yet"));
	}
	table_print(&t, out, indent);
	if (all > told)
		fprintf(out, "%sand %" PRIu64 " more, which the engine's answer has no room for\n",
			indent, all - told);
}

void status_text(struct json_object *status, FILE *out)
{
	print_headline(status, out);
	print_warnings(status, out);
	fputc('\n', out);
	print_summary(status, out);
	fputc('\n', out);
	print_gates(status, out);
	fputc('\n', out);
	status_text_nodes(status, out, "");
}

void status_text_supervisor(struct json_object *answer, const char *why, FILE *out)
{
	struct table t;
	char duration[DURATION_SIZE];

	fputs("The engine does not answer (", out);
	print_clean(out, why);
	fputs("); this is what its supervisor says.\n", out);
	print_unfenced(answer, out);
	fputc('\n', out);
	table_init(&t, 2);
	table_add(&t, "State");
	table_add(&t, field_text(answer, "state", "?"));
	table_add(&t, "Reason");
	table_addf(&t, "%s (%s)", field_text(answer, "text", "?"),
		   field_text(answer, "reason", "unknown"));
	table_add(&t, "For");
	status_text_duration(field_number(answer, "since_ms", 0), duration, sizeof(duration));
	table_addf(&t, "%s%s", duration,
		   field_bool(answer, "is_final", false) ? "; waiting does not help" : "");
	table_add(&t, "Generation");
	table_add(&t, field_text(answer, "generation", "?"));
	table_add(&t, "Restarts");
	table_add(&t, field_text(answer, "restarts", "?"));
	table_add(&t, "Processes");
	table_addf(&t, "supervisor %s, engine %s", field_text(answer, "pid", "?"),
		   field_text(answer, "engine_pid", "?"));
	table_print(&t, out, "");
}
