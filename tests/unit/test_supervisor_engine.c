/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_supervisor_engine.c: what the supervisor makes of an engine's packets: bounds and nonsense.
 * There is no engine, only its end of the channel; and which processes live is up to the test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "daemon/helper/supervisor.h"

enum { CLIENTS_MAX = 65536, NEW = 1 << 20 };

static struct supervisor s;
static int engine_fd;
static pid_t first_alive;
static unsigned int marks;

/* ---- the world ------------------------------------------------------------------------------- */

int kill(pid_t pid, int sig)
{
	assert_int_equal(sig, 0);
	if (pid >= first_alive)
		return 0;
	errno = ESRCH;
	return -1;
}

void supervisor_after_event(struct supervisor *v)
{
	(void)v;
}

void supervisor_roster_tell_over(struct supervisor *v)
{
	(void)v;
}

void supervisor_roster_mark(struct supervisor *v)
{
	(void)v;
	marks++;
}

static int set_up(void **state)
{
	int fds[2];

	(void)state;
	memset(&s, 0, sizeof(s));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
		return -1;
	s.loop = qb_loop_create();
	s.engine.fd = fds[0];
	engine_fd = fds[1];
	first_alive = 0;
	marks = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (s.engine.fd >= 0)
		close(s.engine.fd);
	close(engine_fd);
	free(s.engine.clients);
	qb_loop_destroy(s.loop);
	return 0;
}

static void client_comes(pid_t pid)
{
	uint8_t buf[IPC_MAX];
	struct writer w = ipc_begin(buf, IPC_CLIENT);

	writer_u32(&w, (uint32_t)pid);
	writer_u32(&w, 1);
	assert_int_equal(ipc_send(engine_fd, &w), 0);
	engine_drain(&s);
}

static void persist_comes(uint32_t pnn)
{
	uint8_t buf[IPC_MAX];
	struct writer w = ipc_begin(buf, IPC_PERSIST);

	writer_u32(&w, 17);
	writer_u8(&w, 1);
	writer_u32(&w, 1);
	writer_u32(&w, pnn);
	writer_u64(&w, 4711);
	assert_int_equal(ipc_send(engine_fd, &w), 0);
	engine_drain(&s);
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void clients_fill(void)
{
	s.engine.clients = calloc(CLIENTS_MAX, sizeof(*s.engine.clients));
	assert_non_null(s.engine.clients);
	s.engine.clients_n = s.engine.clients_size = CLIENTS_MAX;
	for (int i = 0; i < CLIENTS_MAX; i++)
		s.engine.clients[i] = i + 1;
}

static void too_many_clients_are_no_reason_to_kill_it(void **state)
{
	size_t n;

	(void)state;
	clients_fill();
	for (pid_t i = 0; i < 100; i++)
		client_comes(NEW + i);
	assert_true(s.engine.fd >= 0);
	n = s.engine.clients_n;
	assert_in_range(n, CLIENTS_MAX / 2, CLIENTS_MAX);
	for (pid_t i = 0; i < 100; i++)
		assert_int_equal(s.engine.clients[n - 100 + (size_t)i], NEW + i);
	/* of the others the newest are left */
	assert_int_equal(s.engine.clients[n - 101], CLIENTS_MAX);
	assert_int_equal(s.engine.clients[0], CLIENTS_MAX - (n - 100) + 1);
}

static void the_dead_are_forgotten_first(void **state)
{
	(void)state;
	clients_fill();
	first_alive = CLIENTS_MAX - 9;
	client_comes(NEW);
	assert_true(s.engine.fd >= 0);
	assert_int_equal(s.engine.clients_n, 11);
	assert_int_equal(s.engine.clients[0], CLIENTS_MAX - 9);
	assert_int_equal(s.engine.clients[10], NEW);
}

static void nodes_of_a_plan_are_checked(void **state)
{
	(void)state;
	persist_comes(CORE_MAX_NODES - 1);
	assert_true(s.engine.fd >= 0);
	assert_int_equal(marks, 1);
	assert_int_equal(s.persisted.n, 1);
	assert_true(s.persisted.is_outside);
	assert_int_equal(s.persisted.active[0].pnn, CORE_MAX_NODES - 1);
	persist_comes(CORE_MAX_NODES);
	assert_int_equal(s.engine.fd, -1);
	assert_int_equal(marks, 1);
	assert_int_equal(s.persisted.active[0].pnn, CORE_MAX_NODES - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(too_many_clients_are_no_reason_to_kill_it, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(the_dead_are_forgotten_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nodes_of_a_plan_are_checked, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
