/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * crew NODE BOOT CREW FOLDER CLIENTS|all|look: so many clients of this node, a process each; one
 * that dies is followed by a new one. NODE and BOOT are told in the histories, CREW makes their
 * names unlike those of any other crew. The end of its input ends it; lines of the input are
 * faults:
 *
 *   kill SLOT            kill -9 at once          stop SLOT MS         SIGSTOP for that long
 *   kill-locked SLOT     under its next lock      stop-locked SLOT MS
 *
 * Then it prints a line for each client that does not end within ten seconds: what it waits for.
 * With "all" a client does each operation on each record once, with "look" it reads; exit code 0:
 * it could.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "chaos.h"

#define MAX_CLIENTS 64
#define TICK_MS	    20
#define END_NS	    10000000000U
#define FOLLOW_NS   100000000U /* a client that dies at once again is not started without end */

struct member {
	pid_t pid;
	unsigned int number; /* so many came before it */
	uint64_t follow_ns;
	uint32_t stop_ms;   /* how long it stays stopped when it stops */
	uint64_t resume_ns; /* 0: it is not stopped */
};

struct crew {
	const struct chaos_options *o;
	struct member member[MAX_CLIENTS];
	struct glance *glance;
};

static void client_signal(int sig)
{
	if (sig == SIGTERM)
		client_is_over = 1;
	else if (sig == SIGUSR1)
		client_stops = 1;
	else
		client_dies = 1;
}

static void member_start(struct crew *c, unsigned int slot)
{
	struct sigaction act = { .sa_handler = client_signal };
	struct member *m = &c->member[slot];
	pid_t parent = getpid(), pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(EXIT_FAILURE);
		sigaction(SIGTERM, &act, NULL);
		sigaction(SIGUSR1, &act, NULL);
		sigaction(SIGUSR2, &act, NULL);
		_exit(client_run(c->o, slot, m->number, &c->glance[slot]));
	}
	m->number++;
	m->pid = pid > 0 ? pid : 0;
	m->stop_ms = 0;
	m->resume_ns = 0;
}

/* Who has ended, who has stopped */
static void crew_reap(struct crew *c, bool is_over)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
		for (unsigned int i = 0; i < c->o->clients; i++) {
			struct member *m = &c->member[i];

			if (m->pid != pid)
				continue;
			if (WIFSTOPPED(status)) {
				m->resume_ns = history_now_ns() + m->stop_ms * 1000000ULL;
				m->stop_ms = 0;
			} else {
				m->pid = 0;
				m->follow_ns = history_now_ns() + FOLLOW_NS;
			}
		}
	}
	for (unsigned int i = 0; i < c->o->clients; i++) {
		struct member *m = &c->member[i];

		if (m->pid > 0 && m->resume_ns != 0 &&
		    (is_over || history_now_ns() > m->resume_ns)) {
			m->resume_ns = 0;
			kill(m->pid, SIGCONT);
		}
		if (m->pid == 0 && !is_over && history_now_ns() > m->follow_ns)
			member_start(c, i);
	}
}

static void crew_obey(struct crew *c, const char *line)
{
	char what[32];
	unsigned int slot, ms = 0;
	struct member *m;

	if (sscanf(line, "%31s %u %u", what, &slot, &ms) < 2 || slot >= c->o->clients)
		return;
	m = &c->member[slot];
	if (m->pid <= 0)
		return;
	m->stop_ms = ms;
	kill(m->pid, strcmp(what, "kill") == 0		? SIGKILL
		     : strcmp(what, "stop") == 0	? SIGSTOP
		     : strcmp(what, "kill-locked") == 0 ? SIGUSR2
							: SIGUSR1);
}

/* Until the input ends */
static void crew_go_on(struct crew *c)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	char text[1024];
	size_t n = 0;

	for (;;) {
		crew_reap(c, false);
		if (poll(&p, 1, TICK_MS) > 0) {
			ssize_t got = read(STDIN_FILENO, text + n, sizeof(text) - n - 1);
			char *line = text, *end;

			if (got <= 0)
				return;
			n += (size_t)got;
			text[n] = 0;
			while ((end = strchr(line, '\n')) != NULL) {
				*end = 0;
				crew_obey(c, line);
				line = end + 1;
			}
			n = strlen(line);
			memmove(text, line, n);
		}
	}
}

static int crew_end(struct crew *c)
{
	uint64_t now_ns = history_now_ns(), end_ns = now_ns + END_NS;
	unsigned int left = 1;

	for (unsigned int i = 0; i < c->o->clients; i++) {
		if (c->member[i].pid > 0)
			kill(c->member[i].pid, SIGTERM);
	}
	while (left > 0 && history_now_ns() < end_ns) {
		client_sleep_us(TICK_MS * 1000);
		crew_reap(c, true);
		left = 0;
		for (unsigned int i = 0; i < c->o->clients; i++)
			left += c->member[i].pid > 0;
	}
	for (unsigned int i = 0; i < c->o->clients; i++) {
		if (c->member[i].pid > 0)
			printf("client %s.%u waits for %" PRIu64 " ms: %s\n", c->o->node, i,
			       (history_now_ns() - c->glance[i].since_ns) / 1000000U,
			       c->glance[i].doing);
	}
	return left > 0;
}

int main(int argc, char **argv)
{
	struct chaos_options o;
	struct crew c = { .o = &o };

	if (argc != 6) {
		fputs("usage: crew NODE BOOT CREW FOLDER CLIENTS|all|look\n", stderr);
		return 2;
	}
	o = (struct chaos_options){ .node = argv[1],
				    .boot = argv[2],
				    .crew = argv[3],
				    .folder = argv[4],
				    .clients = (unsigned int)atoi(argv[5]) };
	if (o.clients == 0)
		o.once = argv[5];
	c.glance = mmap(NULL, sizeof(*c.glance) * MAX_CLIENTS, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c.glance == MAP_FAILED || o.clients > MAX_CLIENTS)
		return 2;
	if (o.once != NULL)
		return client_run(&o, 0, 0, &c.glance[0]);
	crew_go_on(&c);
	return crew_end(&c);
}
