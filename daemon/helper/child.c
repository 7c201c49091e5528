/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * child.c: processes that end with the one that started them (child.h).
 *
 * PR_SET_PDEATHSIG is set in the child, after fork(): a parent that died in between is noticed by
 * its changed pid. Between fork and exec only calls that are safe there are made.
 */
#include "daemon/helper/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include "daemon/helper/ipc.h"

static void signals_reset(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)signal(sig, SIG_DFL); /* fails for a few, which are right already */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

pid_t child_fork(void)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return -errno;
	if (pid > 0)
		return pid;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
		_exit(127);
	signals_reset();
	return 0;
}

static void oom_score_set(const char *text)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (write(fd, text, strlen(text)) < 0) {
		/* not allowed here: then no protection */
	}
	close(fd);
}

pid_t child_exec(const char *path, char *const *argv, int fd, int oom_score_adj)
{
	char score[16];
	pid_t pid;

	snprintf(score, sizeof(score), "%d", oom_score_adj);
	pid = child_fork();
	if (pid != 0)
		return pid;
	setpgid(0, 0);
	oom_score_set(score);
	if (fd == IPC_FD ? fcntl(fd, F_SETFD, 0) < 0 : dup2(fd, IPC_FD) < 0)
		_exit(127);
	if (close_range(IPC_FD + 1, ~0U, 0) != 0)
		_exit(127);
	execv(path, argv);
	_exit(127);
}
