/* SPDX-License-Identifier: GPL-3.0-or-later */
/* smb_probe_main.c: cotdb-smb-probe [ADDRESS [PORT]], see its --help */
#include "config.h"
#include "smb_probe.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include "tool.h"

#define EXIT_USAGE	2
#define TIMEOUT_MS	5000U
#define DEFAULT_ADDRESS "127.0.0.1"
#define DEFAULT_PORT	445U

static void print_help(void)
{
	printf("Usage: cotdb-smb-probe [OPTION...] [ADDRESS [PORT]]\n"
	       "Asks the SMB server at ADDRESS (%s) and PORT (%u) to negotiate SMB2, as a client's "
	       "first\npacket does, and says how it answers.\n\n"
	       "  --timeout=TIME  how long to wait: 500ms, 5s, 2min or plain seconds (5s)\n"
	       "  --quiet         print nothing\n"
	       "  --help          this text\n"
	       "  --version       print the version\n\nExit codes:\n",
	       DEFAULT_ADDRESS, DEFAULT_PORT);
	for (size_t i = 0; i < SMB_PROBE_RESULTS; i++)
		printf("  %d  the server %s\n", smb_probe_table[i].code, smb_probe_table[i].text);
	printf("  %d  the command line is wrong\n", EXIT_USAGE);
}

static int usage(const char *what, const char *value)
{
	fprintf(stderr, "cotdb-smb-probe: %s '%s'; see cotdb-smb-probe --help\n", what, value);
	return EXIT_USAGE;
}

static int probe(const char *address, unsigned int port, unsigned int timeout_ms, bool is_quiet)
{
	struct smb_probe p;
	char text[256];

	if (smb_probe_ask(address, port, timeout_ms, &p) != 0)
		return usage("not an address in numbers:", address);
	smb_probe_say(&p, text, sizeof(text));
	if (!is_quiet)
		printf("%s port %u %s\n", address, port, text);
	return fflush(stdout) == 0 ? smb_probe_table[p.result].code : EXIT_USAGE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "timeout", required_argument, NULL, 't' },
						 { "quiet", no_argument, NULL, 'q' },
						 { "help", no_argument, NULL, 'h' },
						 { "version", no_argument, NULL, 'v' },
						 { NULL, 0, NULL, 0 } };
	unsigned int timeout_ms = TIMEOUT_MS;
	unsigned long port = DEFAULT_PORT;
	bool is_quiet = false;
	char *end = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 't') {
			if (tool_parse_ms(optarg, &timeout_ms) != 0)
				return usage("--timeout is a time such as 500ms or 5s, not",
					     optarg);
		} else if (option == 'q') {
			is_quiet = true;
		} else if (option == 'h') {
			print_help();
			return EXIT_SUCCESS;
		} else if (option == 'v') {
			puts("cotdb-smb-probe " PACKAGE_VERSION);
			return EXIT_SUCCESS;
		} else {
			return EXIT_USAGE; /* getopt has said it */
		}
	}
	if (argc - optind > 2)
		return usage("one argument too many:", argv[optind + 2]);
	if (argc - optind == 2) {
		port = strtoul(argv[optind + 1], &end, 10);
		if (*end != '\0' || port == 0 || port > UINT16_MAX)
			return usage("not a port:", argv[optind + 1]);
	}
	return probe(argc > optind ? argv[optind] : DEFAULT_ADDRESS, (unsigned int)port, timeout_ms,
		     is_quiet);
}
