/* SPDX-License-Identifier: GPL-3.0-or-later */
/* command_reasons.c: cotdb reasons, the table of lib/reason.def for admins and for scripts */
#include "tool.h"
#include "table.h"
#include "lib/reason.h"

static struct json_object *reasons_json(void)
{
	struct json_object *answer = json_object_new_object(), *list = json_object_new_array();

	for (unsigned int i = 0; i < REASON_COUNT; i++) {
		const struct reason_row *row = reason_row(i);
		struct json_object *item = json_object_new_object();

		json_object_object_add(item, "reason", json_object_new_string(row->name));
		json_object_object_add(item, "is_final",
				       json_object_new_boolean(row->cure == REASON_CURE_FINAL));
		json_object_object_add(item, "ocf", json_object_new_int(row->ocf));
		json_object_object_add(item, "text", json_object_new_string(row->text));
		json_object_array_add(list, item);
	}
	json_object_object_add(answer, "reasons", list);
	return answer;
}

int command_reasons(struct tool *t, int argc, char **argv)
{
	struct table table;

	if (tool_no_arguments(t, argc, argv) != 0)
		return TOOL_EXIT_USAGE;
	if (t->is_json)
		return tool_print_json(t, reasons_json(), TOOL_EXIT_OK);
	table_init(&table, 4);
	table_add(&table, "REASON");
	table_add(&table, "CURE");
	table_add(&table, "OCF");
	table_add(&table, "TEXT");
	for (unsigned int i = 0; i < REASON_COUNT; i++) {
		const struct reason_row *row = reason_row(i);

		table_add(&table, row->name);
		table_add(&table, row->cure == REASON_CURE_FINAL ? "final" : "wait");
		table_addf(&table, "%d", row->ocf);
		table_add(&table, row->text);
	}
	table_print(&table, stdout, "");
	return TOOL_EXIT_OK;
}
