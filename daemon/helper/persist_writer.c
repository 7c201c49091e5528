/* SPDX-License-Identifier: GPL-3.0-or-later */
/* persist_writer.c: see persist_writer.h */
#include "daemon/helper/persist_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "daemon/helper/child.h"
#include "daemon/helper/ipc.h"
#include "daemon/log.h"

#define KILLS_MAX 3 /* then it is over, as if the disk did not take it */

/* The process: all that it holds is its end of the pipe. Its exit code is an errno, or 0. */
static _Noreturn void writer_main(int fd, const char *dir)
{
	static struct persist p;
	uint8_t *at = (uint8_t *)&p;
	size_t left = sizeof(p);

	(void)prctl(PR_SET_NAME, "cotdb-persist");
	/* What stops the whole process group is the parent's to know */
	(void)signal(SIGTERM, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	if (dup2(fd, IPC_FD) < 0 || close_range(IPC_FD + 1, ~0U, 0) != 0)
		_exit(errno);
	while (left > 0) {
		ssize_t n = read(IPC_FD, at, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			_exit(n < 0 ? errno : 0); /* it is not needed any more */
		at += n;
		left -= (size_t)n;
	}
	_exit(-persist_write(dir, &p));
}

static int writer_start(struct persist_writer *w, const char *dir)
{
	int fd[2];
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC) != 0)
		return -errno;
	pid = child_fork();
	if (pid == 0)
		writer_main(fd[0], dir);
	close(fd[0]);
	if (pid < 0) {
		close(fd[1]);
		return (int)pid;
	}
	w->pid = pid;
	w->fd = fd[1];
	return 0;
}

void persist_writer_prepare(struct persist_writer *w, const char *dir)
{
	if (w->pid == 0)
		(void)writer_start(w, dir);
}

/* What is written fits into an empty pipe, so this does not wait */
static int writer_hand_over(struct persist_writer *w, const struct persist *p)
{
	ssize_t n = write(w->fd, p, sizeof(*p));

	_Static_assert(sizeof(*p) <= 65536, "a pipe holds it");
	close(w->fd);
	w->fd = -1;
	return n == (ssize_t)sizeof(*p) ? 0 : -EPIPE;
}

int persist_writer_begin(struct persist_writer *w, const char *dir, const struct persist *p)
{
	int rc = w->pid != 0 ? writer_hand_over(w, p) : -EPIPE;

	if (rc != 0) { /* there is none, or somebody has killed it */
		rc = writer_start(w, dir);
		if (rc == 0)
			rc = writer_hand_over(w, p);
	}
	if (rc != 0)
		w->pid = 0;
	w->generation = p->generation;
	return rc;
}

bool persist_writer_is_busy(const struct persist_writer *w)
{
	return w->pid != 0 && w->fd < 0;
}

enum persist_writer_end persist_writer_reaped(struct persist_writer *w, const char *dir, pid_t pid,
					      int status)
{
	bool was_busy = persist_writer_is_busy(w);
	int error = WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;

	if (pid != w->pid || w->pid == 0)
		return PERSIST_WRITER_NONE;
	persist_writer_close(w);
	if (!was_busy)
		return PERSIST_WRITER_NONE;
	w->kills = WIFEXITED(status) ? 0 : w->kills + 1;
	if (w->kills > 0 && w->kills < KILLS_MAX)
		return PERSIST_WRITER_KILLED;
	if (error != 0)
		log_error("the last generation could not be written | folder=%s generation=%u "
			  "error=%s",
			  dir, w->generation, strerror(error));
	return PERSIST_WRITER_OVER;
}

void persist_writer_close(struct persist_writer *w)
{
	if (w->pid != 0 && w->fd >= 0)
		close(w->fd);
	w->pid = 0;
	w->fd = -1;
}
