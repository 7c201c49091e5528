/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * main.c: cotdb-bench: how fast records and messages move. It speaks CTDB's client protocol only,
 * so the same measurement runs against cotdb and against Samba's ctdbd.
 */
#include "config.h"
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "bench.h"

enum {
	EXIT_USAGE = 2,
};

static volatile sig_atomic_t interrupted;

static void on_signal(int signo)
{
	(void)signo;
	interrupted = 1;
}

bool bench_is_interrupted(void)
{
	return interrupted != 0;
}

uint64_t bench_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

/* "/proc/PID/root" if that is how the path begins */
static bool root_find(const char *path, char root[64])
{
	static const char proc[] = "/proc/";
	const char *pid = path + strlen(proc);
	size_t digits;

	if (strncmp(path, proc, strlen(proc)) != 0)
		return false;
	digits = strspn(pid, "0123456789");
	if (digits == 0 || digits > 20 || strncmp(pid + digits, "/root/", 6) != 0)
		return false;
	snprintf(root, 64, "%.*s", (int)(strlen(proc) + digits + 5), path);
	return true;
}

/* A socket under "/proc/PID/root", or under a link to there, is one of another mount namespace;
 * so are the database files of its daemon */
static int set_root(struct cotdb *h, const char *path)
{
	char prefix[4096], target[4096], root[64];

	if (path == NULL)
		return 0;
	if (root_find(path, root))
		return cotdb_set_root(h, root);
	for (const char *end = strchr(path + 1, '/'); end != NULL; end = strchr(end + 1, '/')) {
		ssize_t n;

		snprintf(prefix, sizeof(prefix), "%.*s", (int)(end - path), path);
		n = readlink(prefix, target, sizeof(target) - 2);
		if (n <= 0)
			continue;
		memcpy(target + n, "/", 2);
		if (root_find(target, root))
			return cotdb_set_root(h, root);
	}
	return 0;
}

struct cotdb *bench_connect(const char *path)
{
	struct cotdb *h;
	int r = cotdb_connect(&h, path, 10000);

	if (r == 0 && set_root(h, path) != 0) {
		cotdb_close(h);
		r = -ENOMEM;
	}
	if (r == 0)
		return h;
	fprintf(stderr, "cotdb-bench: cannot connect to %s: %s\n",
		path != NULL ? path : "the daemon", strerror(-r));
	return NULL;
}

static void usage(FILE *f)
{
	fputs(
	    "Usage: cotdb-bench ring|message|fetch|recovery [OPTION]...\n"
	    "Measures how fast records and messages move between the nodes of a cluster.\n"
	    "\n"
	    "  ring     a token goes from node to node; each one that gets it locks a record "
	    "(which\n"
	    "           thereby moves to it), increments it, and sends the token on\n"
	    "  message  the same without a record\n"
	    "  fetch    locks, increments and unlocks records that other nodes have, or (--local)\n"
	    "           that are on this node\n"
	    "  recovery how long clients of the first socket's node wait while another node is\n"
	    "           lost: start it with a socket of each node, and kill something on the\n"
	    "           last one when it prints \"running\"\n"
	    "\n"
	    "Start it once on each node (ring, message: with --nodes), or once with several "
	    "sockets.\n"
	    "\n"
	    "  --socket PATH       socket of a daemon, may be repeated, one client each\n"
	    "                      [$CTDB_SOCKET, else /run/ctdb/ctdbd.socket]\n"
	    "  --seconds S         how long [10]\n"
	    "  --json              result as JSON\n"
	    "  --progress          a line about the progress, even if stderr is no terminal\n"
	    "  --db NAME           database [cotdb-bench.tdb]\n"
	    "  --name NAME         runs of different names do not meet [default]\n"
	    "  --help              this text\n"
	    "  --version           print the version\n"
	    "ring, message:\n"
	    "  --nodes N           begin when N clients are there [number of sockets]\n"
	    "  --tokens N          tokens under way at the same time, each with its record [1]\n"
	    "  --keep-going        go on with the nodes that are left when one is lost, and let\n"
	    "                      one that comes join\n"
	    "  --token-timeout MS  a token not seen for so long is sent again (--keep-going) "
	    "[250]\n"
	    "fetch, recovery:\n"
	    "  --records N         records to go round, or to fill the nodes with [1000]\n"
	    "fetch:\n"
	    "  --depth N           requests in flight [1]\n"
	    "  --local             records that are here already: the daemon is not asked\n"
	    "\n"
	    "Exit code: 0, 1 when something failed or the records do not count what was done,\n"
	    "2 for wrong usage.\n",
	    f);
}

/* A number of an option between min and max, or ends with a sentence */
static uint32_t number(const char *option, const char *text, uint32_t min, uint32_t max)
{
	char *end;
	unsigned long v;

	errno = 0;
	v = strtoul(text, &end, 10);
	if (errno != 0 || *text < '0' || *text > '9' || *end != '\0' || v < min || v > max) {
		fprintf(stderr, "cotdb-bench: --%s has to be a number from %u to %u\n", option, min,
			max);
		exit(EXIT_USAGE);
	}
	return (uint32_t)v;
}

static double seconds(const char *text)
{
	char *end;
	double v = strtod(text, &end);

	if (*end != '\0' || end == text || !(v > 0) || v > 1e6) {
		fputs("cotdb-bench: --seconds has to be a number above 0\n", stderr);
		exit(EXIT_USAGE);
	}
	return v;
}

static void options_parse(struct bench_options *o, int argc, char **argv)
{
	enum {
		SOCKET = 256,
		SECONDS,
		JSON,
		PROGRESS,
		DB,
		NAME,
		NODES,
		TOKENS,
		KEEP_GOING,
		TOKEN_TIMEOUT,
		RECORDS,
		DEPTH,
		LOCAL
	};
	static const struct option table[] = {
		{ "socket", required_argument, NULL, SOCKET },
		{ "seconds", required_argument, NULL, SECONDS },
		{ "json", no_argument, NULL, JSON },
		{ "progress", no_argument, NULL, PROGRESS },
		{ "db", required_argument, NULL, DB },
		{ "name", required_argument, NULL, NAME },
		{ "nodes", required_argument, NULL, NODES },
		{ "tokens", required_argument, NULL, TOKENS },
		{ "keep-going", no_argument, NULL, KEEP_GOING },
		{ "token-timeout", required_argument, NULL, TOKEN_TIMEOUT },
		{ "records", required_argument, NULL, RECORDS },
		{ "depth", required_argument, NULL, DEPTH },
		{ "local", no_argument, NULL, LOCAL },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "hV", table, NULL)) != -1) {
		switch (c) {
		case SOCKET:
			if (o->sockets_n == BENCH_MAX_SOCKETS) {
				fputs("cotdb-bench: too many sockets\n", stderr);
				exit(EXIT_USAGE);
			}
			o->sockets[o->sockets_n++] = optarg;
			break;
		case SECONDS:
			o->seconds = seconds(optarg);
			break;
		case JSON:
			o->is_json = true;
			break;
		case PROGRESS:
			o->has_progress = true;
			break;
		case DB:
			o->db_name = optarg;
			break;
		case NAME:
			o->run_name = optarg;
			break;
		case NODES:
			o->nodes = number("nodes", optarg, 1, 1024);
			break;
		case TOKENS:
			o->tokens = number("tokens", optarg, 1, BENCH_MAX_TOKENS);
			break;
		case KEEP_GOING:
			o->keeps_going = true;
			break;
		case TOKEN_TIMEOUT:
			o->token_timeout_ms = number("token-timeout", optarg, 10, 600000);
			break;
		case RECORDS:
			o->records = number("records", optarg, 1, 10000000);
			break;
		case DEPTH:
			o->depth = number("depth", optarg, 1, 1024);
			break;
		case LOCAL:
			o->is_local = true;
			break;
		case 'h':
			usage(stdout);
			exit(EXIT_SUCCESS);
		case 'V':
			puts("cotdb-bench " PACKAGE_VERSION);
			exit(EXIT_SUCCESS);
		default:
			fputs("Try 'cotdb-bench --help'.\n", stderr);
			exit(EXIT_USAGE);
		}
	}
	if (o->sockets_n == 0)
		o->sockets[o->sockets_n++] = NULL;
	if (o->nodes == 0)
		o->nodes = (uint32_t)o->sockets_n;
}

int main(int argc, char **argv)
{
	struct bench_options o = { .db_name = "cotdb-bench.tdb",
				   .run_name = "default",
				   .seconds = 10,
				   .has_progress = isatty(STDERR_FILENO) == 1,
				   .tokens = 1,
				   .token_timeout_ms = 250,
				   .records = 1000,
				   .depth = 1 };
	struct sigaction on = { .sa_handler = on_signal };
	const char *bench;

	options_parse(&o, argc, argv);
	bench = optind == argc - 1 ? argv[optind] : "";
	(void)sigaction(SIGINT, &on, NULL);
	(void)sigaction(SIGTERM, &on, NULL);
	if (strcmp(bench, "ring") == 0 || strcmp(bench, "message") == 0) {
		o.has_record = bench[0] == 'r';
		return bench_ring(&o);
	}
	if (strcmp(bench, "fetch") == 0)
		return bench_fetch(&o);
	if (strcmp(bench, "recovery") == 0)
		return bench_recovery(&o);
	usage(stderr);
	return EXIT_USAGE;
}
