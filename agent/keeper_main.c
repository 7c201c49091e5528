/* SPDX-License-Identifier: GPL-3.0-or-later */
/* keeper_main.c: cotdb-smbd-keeper [OPTION...] start|status|stop [SMBD-ARGUMENT...]: the command
 * line that the agent writes */
#include "config.h"
#include "keeper.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "tools/tool.h"

enum { NAME, RUN_DIR, TIMEOUT, SMBD, WINBINDD, CONFIG, LOCK_DIR, ADDRESS, PORT, NODE };

static const struct option options[] = { { "name", required_argument, NULL, NAME },
					 { "run-dir", required_argument, NULL, RUN_DIR },
					 { "timeout", required_argument, NULL, TIMEOUT },
					 { "smbd", required_argument, NULL, SMBD },
					 { "winbindd", required_argument, NULL, WINBINDD },
					 { "config", required_argument, NULL, CONFIG },
					 { "lock-dir", required_argument, NULL, LOCK_DIR },
					 { "address", required_argument, NULL, ADDRESS },
					 { "port", required_argument, NULL, PORT },
					 { "node", required_argument, NULL, NODE },
					 { NULL, 0, NULL, 0 } };

static const struct {
	const char *name;
	int (*act)(const struct keeper_options *o);
	bool is_start;
} verbs[] = { { "start", keeper_start, true },
	      { "status", keeper_status, false },
	      { "stop", keeper_stop, false } };

/* 0, or the name of what is wrong with its value */
static const char *take(struct keeper_options *o, int option, const char *value)
{
	switch (option) {
	case NAME:
		o->name = value;
		return value[0] != '\0' ? NULL : "name";
	case RUN_DIR:
		o->run_dir = value;
		return value[0] == '/' ? NULL : "run-dir";
	case TIMEOUT:
		return tool_parse_ms(value, &o->timeout_ms) == 0 ? NULL : "timeout";
	case SMBD:
		o->smbd = value;
		return NULL;
	case WINBINDD:
		o->winbindd = value;
		return NULL;
	case CONFIG:
		o->config = value;
		return NULL;
	case LOCK_DIR:
		o->lock_dir = value;
		return value[0] == '/' && strlen(value) < PATH_MAX && strchr(value, '\n') == NULL
			   ? NULL
			   : "lock-dir";
	case ADDRESS:
		o->address = value;
		return strlen(value) < 64 && strchr(value, '\n') == NULL ? NULL : "address";
	case PORT:
		o->port = (unsigned int)strtoul(value, NULL, 10);
		return o->port > 0 && o->port <= UINT16_MAX ? NULL : "port";
	case NODE:
		o->node = value;
		return NULL;
	default:
		return "command line";
	}
}

static int usage(const char *what)
{
	printf("%s: %s\n", keeper_table[KEEPER_USAGE].text, what);
	return keeper_table[KEEPER_USAGE].ocf;
}

int main(int argc, char **argv)
{
	struct keeper_options o = { .run_dir = RUNDIR "/cotdb",
				    .timeout_ms = 20000,
				    .out = stdout };
	int option;

	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		const char *wrong = take(&o, option, optarg);

		if (wrong != NULL)
			return usage(wrong);
	}
	if (optind >= argc)
		return usage("a verb is missing");
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(argv[optind], verbs[i].name) != 0)
			continue;
		if (o.name == NULL || (verbs[i].is_start && (!o.smbd || !o.config || !o.lock_dir ||
							     !o.address || o.port == 0)))
			return usage("an option is missing");
		o.more = argv + optind + 1;
		return verbs[i].act(&o);
	}
	return usage("the verbs are start, status and stop");
}
