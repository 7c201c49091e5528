/* SPDX-License-Identifier: GPL-3.0-or-later */
/* command_supervisor.c: cotdb supervisor VERB [-- --OPTION=VALUE...] */
#include "config.h"
#include "tool.h"
#include "supervisor_act.h"

#include <stdlib.h>

int command_supervisor(struct tool *t, int argc, char **argv)
{
	struct supervisor_act act = {
		.run_dir = t->run_dir,
		.program = getenv("COTDBD"),
		.timeout_ms = t->timeout_ms,
		.is_json = t->is_json,
		.options = argv + 2,
		.out = stdout,
	};

	if (argc < 2)
		return tool_fail(t, TOOL_EXIT_USAGE,
				 "a verb is missing; see cotdb supervisor --help");
	if (act.program == NULL)
		act.program = SBINDIR "/cotdbd";
	return supervisor_act(&act, argv[1]);
}
