/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ring_main.c: the ring and message benchmarks: all clients of this process in one loop */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include "ring.h"

static bool is_done(const struct ring_client *r)
{
	return r->state == RING_OVER || r->state == RING_FAILED;
}

/* Operations of all clients, those of other processes too: the tokens count them */
static uint64_t operations(const struct ring_client *clients, size_t n, uint32_t tokens)
{
	uint64_t sum = 0;

	for (uint32_t t = 0; t < tokens; t++) {
		uint64_t most = 0;

		for (size_t i = 0; i < n; i++) {
			if (clients[i].tokens[t].hops > most)
				most = clients[i].tokens[t].hops;
		}
		sum += most;
	}
	return sum;
}

static uint32_t members(const struct ring_client *clients, size_t n)
{
	uint32_t most = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t in = 0;

		for (size_t m = 0; !is_done(&clients[i]) && m < clients[i].members_n; m++)
			in += ring_member_is_in(&clients[i], &clients[i].members[m]);
		if (in > most)
			most = in;
	}
	return most;
}

/* One round: wait, read, act. Whether any client is still at work */
static bool ring_turn(const struct bench_options *o, struct ring_client *clients, size_t n,
		      struct pollfd *fds, uint64_t *next_ns)
{
	uint64_t now_ns = bench_now_ns();
	bool is_at_work = false;
	int timeout_ms = *next_ns > now_ns ? (int)((*next_ns - now_ns) / 1000000U) + 1 : 0;

	for (size_t i = 0; i < n; i++) {
		fds[i].fd = is_done(&clients[i]) ? -1 : cotdb_fd(clients[i].h);
		fds[i].events = cotdb_events(clients[i].h);
		fds[i].revents = 0;
	}
	if (poll(fds, n, timeout_ms) < 0 && errno != EINTR) {
		perror("cotdb-bench: poll");
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (fds[i].revents != 0) {
			(void)cotdb_dispatch(clients[i].h); /* an error is told by the events */
			ring_client_events(&clients[i]);
		}
	}
	now_ns = bench_now_ns();
	if (now_ns >= *next_ns || bench_is_interrupted()) {
		*next_ns = UINT64_MAX;
		for (size_t i = 0; i < n; i++) {
			uint64_t at_ns;

			if (is_done(&clients[i]))
				continue;
			at_ns = ring_client_tick(&clients[i], now_ns);
			if (at_ns < *next_ns)
				*next_ns = at_ns;
			/* A tick may have waited for the daemon and read ahead */
			ring_client_events(&clients[i]);
		}
	}
	for (size_t i = 0; i < n; i++) {
		if (clients[i].state == RING_FAILED && !o->keeps_going)
			return false;
		is_at_work = is_at_work || !is_done(&clients[i]);
	}
	return is_at_work;
}

int bench_ring(const struct bench_options *o)
{
	const char *name = o->has_record ? "ring" : "message";
	struct ring_client *clients = calloc(o->sockets_n, sizeof(*clients));
	struct pollfd fds[BENCH_MAX_SOCKETS];
	struct progress progress = { .is_begun = false };
	const struct bench_result *result = NULL;
	uint64_t next_ns = 0;
	size_t n = 0;
	int code = EXIT_FAILURE;

	if (clients == NULL)
		return EXIT_FAILURE;
	for (; n < o->sockets_n; n++) {
		if (!ring_client_open(&clients[n], o, o->sockets[n])) {
			n++;
			goto out;
		}
	}
	while (ring_turn(o, clients, n, fds, &next_ns))
		bench_progress(o, &progress, name, members(clients, n),
			       operations(clients, n, o->tokens));
	bench_progress_end(o, &progress);

	for (size_t i = 0; i < n; i++) {
		if (clients[i].state == RING_OVER) {
			clients[i].result.bench = name;
			result = &clients[i].result;
		} else if (!o->keeps_going) {
			goto out;
		}
	}
	if (result != NULL) {
		bench_print(o, result);
		code = result->is_ok ? EXIT_SUCCESS : EXIT_FAILURE;
	}
out:
	for (size_t i = 0; i < n; i++)
		ring_client_close(&clients[i]);
	free(clients);
	return code;
}
