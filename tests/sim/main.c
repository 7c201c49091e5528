/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * main.c: the simulator's command line.
 *
 *   sim [--seeds A-B] [--nodes N] [--steps N] [--bug NAME] [--twice]     run seeds, stop at the
 * first failure sim --trace SEED [...]                                    one seed, with all that
 * happens sim --bug all [--seeds A-B]                               each planted bug has to be
 * found
 *
 * A failing seed is run once more to tell the end of its story; it is the same story.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "sim.h"

enum { TAIL_LINES = 60, SEED_SECONDS = 60 };

static const struct {
	const char *name;
	enum core_bug bug;
} bugs[] = {
	{ "keep-ownership", CORE_BUG_KEEP_OWNERSHIP },
	{ "old-generation", CORE_BUG_OLD_GENERATION },
	{ "rsn-not-raised", CORE_BUG_RSN_NOT_RAISED },
	{ "no-quorum-gate", CORE_BUG_NO_QUORUM_GATE },
	{ "no-fencing-gate", CORE_BUG_NO_FENCING_GATE },
	{ "left-early", CORE_BUG_LEFT_EARLY },
	{ "old-fence", CORE_BUG_OLD_FENCE },
	{ "resend-twice", CORE_BUG_RESEND_TWICE },
	{ "hint-not-definitive", CORE_BUG_HINT_NOT_DEFINITIVE },
	{ "drop-future", CORE_BUG_DROP_FUTURE },
	{ "location-late-loses", CORE_BUG_LOCATION_LATE_LOSES },
	{ "session-forgets", CORE_BUG_SESSION_FORGETS },
	{ "answer-early", CORE_BUG_ANSWER_EARLY },
	{ "number-taken", CORE_BUG_NUMBER_TAKEN },
	{ "commit-early", CORE_BUG_COMMIT_EARLY },
	{ "vacuum-no-tombstone", CORE_BUG_VACUUM_NO_TOMBSTONE },
	{ "vacuum-own-first", CORE_BUG_VACUUM_OWN_FIRST },
	{ "vacuum-rsn-back", CORE_BUG_VACUUM_RSN_BACK },
	{ "vacuum-moved", CORE_BUG_VACUUM_MOVED },
	{ "revoke-not-awaited", CORE_BUG_REVOKE_NOT_AWAITED },
	{ "sweep-leaves-copy", CORE_BUG_SWEEP_LEAVES_COPY },
	{ "lent-is-sole", CORE_BUG_LENT_IS_SOLE },
	{ "held-for-ever", CORE_BUG_HELD_FOR_EVER },
	{ "readers-outlive", CORE_BUG_READERS_OUTLIVE },
	{ "detach-in-use", CORE_BUG_DETACH_IN_USE },
	{ "detach-recovering", CORE_BUG_DETACH_RECOVERING },
	{ "detach-old-packets", CORE_BUG_DETACH_OLD_PACKETS },
	{ "orphans-stay", CORE_BUG_ORPHANS_STAY },
	{ "whohas-first", CORE_BUG_WHOHAS_FIRST },
	{ "whohas-leaves-copy", CORE_BUG_WHOHAS_LEAVES_COPY },
	{ "drain-not-awaited", CORE_BUG_DRAIN_NOT_AWAITED },
	{ "drain-blocked", CORE_BUG_DRAIN_BLOCKED },
	{ "drain-orphans", CORE_BUG_DRAIN_ORPHANS },
	{ "drain-takes", CORE_BUG_DRAIN_TAKES },
	{ "drain-keeps-empty", CORE_BUG_DRAIN_KEEPS_EMPTY },
	{ "drain-not-told", CORE_BUG_DRAIN_NOT_TOLD },
	{ "done-outlives", CORE_BUG_DONE_OUTLIVES },
	{ "sweep-not-anew", CORE_BUG_SWEEP_NOT_ANEW },
	{ "recovers-again", CORE_BUG_RECOVERS_AGAIN },
	{ "push-not-first", CORE_BUG_PUSH_NOT_FIRST },
	{ "push-not-awaited", CORE_BUG_PUSH_NOT_AWAITED },
	{ "cut-by-one", CORE_BUG_CUT_BY_ONE },
	{ "both-evicted", CORE_BUG_BOTH_EVICTED },
	{ "no-probes", CORE_BUG_NO_PROBES },
	{ "victim-stays", CORE_BUG_VICTIM_STAYS },
	{ "joins-without-link", CORE_BUG_JOINS_WITHOUT_LINK },
	{ "wipe-each-alone", CORE_BUG_WIPE_EACH_ALONE },
	{ "wipe-by-some", CORE_BUG_WIPE_BY_SOME },
	{ "wipe-leaves-pushes", CORE_BUG_WIPE_LEAVES_PUSHES },
	{ "replace-by-one", CORE_BUG_REPLACE_BY_ONE },
};
enum { BUGS = sizeof(bugs) / sizeof(bugs[0]) };

struct arguments {
	uint64_t first, last, trace_seed;
	bool is_trace, is_all_bugs, is_twice, is_going_on;
	size_t tail;
	struct sim_options options;
};

static char crash_text[200];

/* A core that aborts or does not come back: say which seed it was */
static void on_crash(int signo)
{
	ssize_t n = write(STDERR_FILENO, crash_text, strlen(crash_text));

	(void)n;
	signal(signo, SIG_DFL);
	raise(signo);
}

static void usage(FILE *f)
{
	fputs("usage: sim [--seeds A-B] [--nodes N] [--steps N] [--bug NAME|all] [--trace SEED] "
	      "[--tail N] [--twice]\n"
	      "  --seeds A-B   run these seeds (1-200)\n"
	      "  --nodes N     1, 2, 3 or 5 nodes; otherwise drawn from the seed\n"
	      "  --steps N     events until the faults end (8000)\n"
	      "  --bug NAME    plant a bug in the core; all: each one has to be found\n"
	      "  --trace SEED  run one seed and print everything\n"
	      "  --tail N      lines of its trace that a failing seed prints (60)\n"
	      "  --keep-going  one line for each failing seed, and on\n"
	      "  --twice       run each seed twice: both must be the same\n"
	      "bugs:",
	      f);
	for (int i = 0; i < BUGS; i++)
		fprintf(f, " %s", bugs[i].name);
	fputc('\n', f);
}

static void tell_command(const struct sim *s, const char *bug)
{
	printf("again: tests/sim/run --trace %llu --steps %llu", (unsigned long long)s->seed,
	       (unsigned long long)s->options.steps);
	if (s->options.nodes != 0)
		printf(" --nodes %u", s->options.nodes);
	if (bug != NULL)
		printf(" --bug %s", bug);
	putchar('\n');
}

static const char *bug_name(enum core_bug bug)
{
	for (int i = 0; i < BUGS; i++) {
		if (bugs[i].bug == bug)
			return bugs[i].name;
	}
	return NULL;
}

static void crash_prepare(uint64_t seed, const struct sim_options *o)
{
	snprintf(crash_text, sizeof(crash_text),
		 "the core crashed or did not come back\nagain: tests/sim/run --trace %llu --steps "
		 "%llu%s%s\n",
		 (unsigned long long)seed, (unsigned long long)o->steps, o->bug ? " --bug " : "",
		 o->bug ? bug_name(o->bug) : "");
	alarm(SEED_SECONDS);
}

static void tell_failure(struct sim *s, const struct arguments *a)
{
	struct sim_options o = s->options;
	uint64_t seed = s->seed;
	struct trace t = { .size = a->tail };
	char failure[sizeof(s->failure)];

	memcpy(failure, s->failure, sizeof(failure));
	printf("seed %llu failed after %llu steps, %llu nodes\n%s\n", (unsigned long long)seed,
	       (unsigned long long)s->step, (unsigned long long)s->n, failure);
	t.line = calloc(t.size, sizeof(*t.line));
	if (t.line == NULL)
		abort();
	o.trace = &t;
	crash_prepare(seed, &o);
	sim_run(s, seed, &o);
	for (size_t i = t.n > t.size ? t.n - t.size : 0; i < t.n; i++)
		puts(t.line[i % t.size]);
	if (strcmp(failure, s->failure) != 0)
		printf("THE SECOND RUN IS ANOTHER ONE: %s\n", s->failure);
	free(t.line);
	sim_free(s);
	tell_command(s, bug_name(o.bug));
}

/* The first failing seed, or 0 */
static uint64_t run_seeds(struct sim *s, const struct arguments *a, const struct sim_options *o,
			  bool is_telling)
{
	uint64_t steps = 0, digest, reads = 0, writes = 0, turns = 0, lost = 0, fences = 0, views = 0,
		 commits = 0, failed = 0, vacuumed = 0, wiped = 0, drained = 0, resweeps = 0, generations = 0, changes = 0;

	for (uint64_t seed = a->first; seed <= a->last; seed++) {
		crash_prepare(seed, o);
		if (sim_run(s, seed, o) != 0) {
			sim_free(s);
			if (a->is_going_on) {
				printf("seed %llu: %s\n", (unsigned long long)seed, s->failure);
				failed = seed;
				continue;
			}
			if (is_telling)
				tell_failure(s, a);
			return seed;
		}
		sim_free(s);
		steps += s->step;
		turns += s->turns;
		lost += s->turns_lost;
		reads += s->reads;
		writes += s->writes;
		fences += s->fences;
		commits += s->commits;
		vacuumed += s->vacuumed;
		wiped += s->wiped;
		drained += s->drained;
		views += s->activations;
		resweeps += s->resweeps;
		generations += s->generations_begun;
		changes += s->changes;
		if (!a->is_twice)
			continue;
		digest = s->digest;
		crash_prepare(seed, o);
		sim_run(s, seed, o);
		sim_free(s);
		if (s->digest != digest) {
			printf("seed %llu: two runs differ\n", (unsigned long long)seed);
			return seed;
		}
	}
	alarm(0);
	if (failed != 0)
		return failed;
	if (is_telling)
		printf("seeds %llu-%llu passed: %llu steps, %llu reads, %llu writes, %llu of %llu turns "
		       "lost, %llu deletions, %llu files wiped, %llu commits, %llu activations (%llu in the middle of a "
		       "sweep) of %llu generations for %llu changes of a group, %llu drained, %llu "
		       "fencings\n",
		       (unsigned long long)a->first, (unsigned long long)a->last,
		       (unsigned long long)steps, (unsigned long long)reads,
		       (unsigned long long)writes, (unsigned long long)lost,
		       (unsigned long long)turns, (unsigned long long)vacuumed,
		       (unsigned long long)wiped,
		       (unsigned long long)commits,
		       (unsigned long long)views, (unsigned long long)resweeps,
		       (unsigned long long)generations, (unsigned long long)changes,
		       (unsigned long long)drained, (unsigned long long)fences);
	return 0;
}

static int run_all_bugs(struct sim *s, const struct arguments *a)
{
	int missed = 0;

	for (int i = 0; i < BUGS; i++) {
		struct sim_options o = a->options;
		uint64_t seed;

		o.bug = bugs[i].bug;
		seed = run_seeds(s, a, &o, false);
		if (seed == 0) {
			printf("MISSED  %-20s in seeds %llu-%llu\n", bugs[i].name,
			       (unsigned long long)a->first, (unsigned long long)a->last);
			missed++;
			continue;
		}
		printf("found   %-20s seed %-4llu %s\n", bugs[i].name, (unsigned long long)seed,
		       s->failure);
		fflush(stdout);
	}
	printf("%d of %d planted bugs found\n", BUGS - missed, BUGS);
	return missed != 0;
}

static int parse_number(const char *text, uint64_t *value)
{
	char *end;

	if (text == NULL || *text < '0' || *text > '9')
		return -1;
	*value = strtoull(text, &end, 10);
	return *end == '\0' ? 0 : -1;
}

static int parse_seeds(const char *text, struct arguments *a)
{
	char *end;

	if (text == NULL || *text < '0' || *text > '9')
		return -1;
	a->first = a->last = strtoull(text, &end, 10);
	return *end == '\0' ? 0 : *end == '-' ? parse_number(end + 1, &a->last) : -1;
}

static int parse_bug(const char *text, struct arguments *a)
{
	if (text == NULL)
		return -1;
	if (strcmp(text, "all") == 0) {
		a->is_all_bugs = true;
		return 0;
	}
	for (int i = 0; i < BUGS; i++) {
		if (strcmp(text, bugs[i].name) == 0) {
			a->options.bug = bugs[i].bug;
			return 0;
		}
	}
	return -1;
}

static int parse(int argc, char **argv, struct arguments *a)
{
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;
		uint64_t number = 0;
		int rc = 0;

		if (strcmp(argv[i], "--twice") == 0) {
			a->is_twice = true;
			continue;
		}
		if (strcmp(argv[i], "--keep-going") == 0) {
			a->is_going_on = true;
			continue;
		}
		if (strcmp(argv[i], "--seeds") == 0) {
			rc = parse_seeds(value, a);
		} else if (strcmp(argv[i], "--bug") == 0) {
			rc = parse_bug(value, a);
		} else if (strcmp(argv[i], "--trace") == 0) {
			rc = parse_number(value, &a->trace_seed);
			a->is_trace = true;
		} else if (strcmp(argv[i], "--steps") == 0) {
			rc = parse_number(value, &a->options.steps);
		} else if (strcmp(argv[i], "--tail") == 0) {
			rc = parse_number(value, &number) != 0 || number == 0 || number > 1000000
				 ? -1
				 : 0;
			a->tail = (size_t)number;
		} else if (strcmp(argv[i], "--nodes") == 0) {
			rc = parse_number(value, &number) != 0 || number == 0 || number > SIM_NODES
				 ? -1
				 : 0;
			a->options.nodes = (uint32_t)number;
		} else {
			rc = -1;
		}
		if (rc != 0)
			return -1;
		i++;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct arguments a = { .first = 1, .last = 200, .tail = TAIL_LINES, .options.steps = 8000 };
	struct trace t = { .is_printing = true };
	struct sim *s;
	int rc;

	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		usage(stdout);
		return 0;
	}
	if (parse(argc, argv, &a) != 0) {
		usage(stderr);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGSEGV, on_crash);
	signal(SIGABRT, on_crash);
	signal(SIGALRM, on_crash);
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return 2;
	if (a.is_trace) {
		a.options.trace = &t;
		crash_prepare(a.trace_seed, &a.options);
		rc = sim_run(s, a.trace_seed, &a.options);
		sim_free(s);
		printf(rc != 0 ? "failed: %s\n" : "passed%s\n", s->failure);
	} else if (a.is_all_bugs) {
		rc = run_all_bugs(s, &a);
	} else {
		rc = run_seeds(s, &a, &a.options, true) != 0;
	}
	free(s);
	return rc;
}
