/* SPDX-License-Identifier: GPL-3.0-or-later */
/* helper_process.h: a helper program of the engine, started and spoken to by a test */
#ifndef COTDB_TESTS_HELPER_PROCESS_H
#define COTDB_TESTS_HELPER_PROCESS_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "daemon/helper/child.h"
#include "daemon/helper/ipc.h"

#define HELPER_BOUND_MS 10000

struct helper_process {
	pid_t pid;
	int fd;
	uint8_t buf[IPC_MAX];
};

/* program is looked for in the build folder, where `make check` runs */
static inline bool helper_process_start(struct helper_process *h, const char *program,
					const char *option)
{
	char *argv[] = { (char *)program, (char *)option, (char[]){ "--log_file=-" },
			 (char[]){ "--boot_id=1" }, NULL };
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) != 0)
		return false;
	h->pid = child_exec(program, argv, fds[1], 0);
	close(fds[1]);
	h->fd = fds[0];
	return h->pid > 0;
}

/* The type of its next packet, 0 when it has ended, -1 when it says nothing for that long */
static inline int helper_process_next(struct helper_process *h, struct cursor *c, int ms)
{
	struct pollfd p = { .fd = h->fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1 ? ipc_receive(h->fd, h->buf, c) : -1;
}

/* Whether the next one is a line for the log, of that level */
static inline bool helper_process_logs(struct helper_process *h, uint32_t level)
{
	char text[1024];
	struct cursor c;
	uint32_t is;

	return helper_process_next(h, &c, HELPER_BOUND_MS) == IPC_LOG && !cursor_u32(&c, &is) &&
	       !cursor_text(&c, text, sizeof(text)) && cursor_end(&c) == 0 && is == level &&
	       text[0] != '\0';
}

/* Ends its channel, or kills it; its wait status */
static inline int helper_process_end(struct helper_process *h, bool is_killed)
{
	int status = -1;

	if (is_killed)
		kill(h->pid, SIGKILL);
	close(h->fd);
	(void)waitpid(h->pid, &status, 0);
	return status;
}

#endif
