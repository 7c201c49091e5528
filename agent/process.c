/* SPDX-License-Identifier: GPL-3.0-or-later */
/* process.c: the tree of processes in /proc, and the holders of locks; see process.h */
#include "config.h"
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <time.h>
#include <unistd.h>

uint64_t process_now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000U + (uint64_t)t.tv_nsec / 1000000U;
}

bool process_wait(int pidfd, uint64_t deadline_ms)
{
	for (;;) {
		struct pollfd p = { .fd = pidfd, .events = POLLIN };
		uint64_t now = process_now_ms();
		int n = poll(&p, 1, now < deadline_ms ? (int)(deadline_ms - now) : 0);

		if (n > 0)
			return true;
		if (process_now_ms() >= deadline_ms)
			return false;
	}
}

void process_list_free(struct process_list *l)
{
	free(l->p);
	*l = (struct process_list){ 0 };
}

static int list_add(struct process_list *l, const struct process *p)
{
	if (l->n == l->size) {
		size_t size = l->size != 0 ? l->size * 2 : 64;
		struct process *more = realloc(l->p, size * sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		l->p = more;
		l->size = size;
	}
	l->p[l->n++] = *p;
	return 0;
}

static const struct process *list_get(const struct process_list *l, pid_t pid)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->p[i].pid == pid)
			return &l->p[i];
	}
	return NULL;
}

/* The number that is all of name, or 0 */
static pid_t name_to_pid(const char *name)
{
	char *end = NULL;
	unsigned long n;

	if (name[0] < '1' || name[0] > '9')
		return 0;
	n = strtoul(name, &end, 10);
	return *end == '\0' && n <= INT_MAX ? (pid_t)n : 0;
}

bool process_find(pid_t pid, struct process *p)
{
	char path[64], text[512], state;
	const char *behind;
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	/* the program's name is in brackets, and may have brackets itself */
	behind = strrchr(text, ')');
	p->pid = pid;
	return behind != NULL &&
	       sscanf(behind,
		      ") %c %d %*d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
		      "%" SCNu64,
		      &state, &p->parent, &p->session, &p->start) == 4 &&
	       state != 'Z' && state != 'X';
}

bool process_lives(const struct process *p)
{
	struct process now;

	return process_find(p->pid, &now) && now.start == p->start;
}

bool process_has_variable(const struct process *p, const char *variable)
{
	char path[64], *line = NULL;
	size_t size = 0;
	bool has = false;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/environ", p->pid);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	while (!has && getdelim(&line, &size, '\0', f) > 0)
		has = strcmp(line, variable) == 0;
	free(line);
	(void)fclose(f);
	return has && process_lives(p);
}

/* The descriptor keeps the process, not its number: so it is looked at behind the opening */
void process_signal(const struct process *p, int signal)
{
	int pidfd = pidfd_open(p->pid, 0);

	if (pidfd < 0)
		return;
	if (process_lives(p))
		(void)pidfd_send_signal(pidfd, signal, NULL, 0);
	(void)close(pidfd);
}

/* All living processes */
static int processes_read(struct process_list *l)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int error = 0;

	if (proc == NULL)
		return -errno;
	while (error == 0 && (entry = readdir(proc)) != NULL) {
		pid_t pid = name_to_pid(entry->d_name);
		struct process p;

		if (pid != 0 && process_find(pid, &p))
			error = list_add(l, &p);
	}
	(void)closedir(proc);
	return error;
}

int process_descendants(const struct process *root, struct process_list *l)
{
	struct process_list all = { 0 };
	int error = processes_read(&all);
	size_t before;

	l->n = 0;
	do { /* one generation more in each round */
		before = l->n;
		for (size_t i = 0; i < all.n && error == 0; i++) {
			pid_t parent = all.p[i].parent;

			if ((parent == root->pid || list_get(l, parent) != NULL) &&
			    list_get(l, all.p[i].pid) == NULL)
				error = list_add(l, &all.p[i]);
		}
	} while (error == 0 && l->n > before);
	process_list_free(&all);
	if (!process_lives(root))
		l->n = 0;
	return error;
}

/*
 * What was read of one process after the other need not fit together: a number may have passed from
 * a process of ours to a foreign one, whose child then looked like ours. A parent that lives now
 * and has the start that was read had that number all the time, so its child was its child.
 */
static bool is_below(const struct process *root, const struct process_list *l,
		     const struct process *p)
{
	for (size_t steps = 0; p != NULL && steps <= l->n; steps++) {
		if (p->parent == root->pid)
			return process_lives(root);
		p = list_get(l, p->parent);
		if (p != NULL && !process_lives(p))
			return false;
	}
	return false;
}

void process_signal_below(const struct process *root, const struct process_list *l, int signal)
{
	for (size_t i = 0; i < l->n; i++) {
		if (is_below(root, l, &l->p[i]))
			process_signal(&l->p[i], signal);
	}
}

/* Whether a process runs one of these programs */
static bool process_runs(pid_t pid, const char *const *programs)
{
	static const char replaced[] = " (deleted)"; /* by an upgrade */
	char path[64], exe[PATH_MAX];
	char *name;
	ssize_t n;
	size_t len;

	(void)snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	n = readlink(path, exe, sizeof(exe) - 1);
	if (n <= 0)
		return false;
	exe[n] = '\0';
	len = (size_t)n;
	if (len >= sizeof(replaced) && strcmp(exe + len - strlen(replaced), replaced) == 0)
		exe[len - strlen(replaced)] = '\0';
	name = strrchr(exe, '/');
	name = name != NULL ? name + 1 : exe;
	for (; *programs != NULL; programs++) {
		len = strlen(*programs);
		if (len > 0 && (*programs)[len - 1] == '*' ? strncmp(name, *programs, len - 1) == 0
							   : strcmp(name, *programs) == 0)
			return true;
	}
	return false;
}

int process_lock_holders(const char *folder, const char *const *programs, struct process_list *l)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int error = 0;

	l->n = 0;
	if (dir == NULL)
		return errno == ENOENT ? 0 : -errno;
	while (error == 0 && (entry = readdir(dir)) != NULL) {
		struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
		struct process p;
		int fd;

		if (name_to_pid(entry->d_name) == 0)
			continue;
		fd =
		    openat(dirfd(dir), entry->d_name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (fd < 0)
			continue;
		if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_pid > 0 &&
		    process_runs(lock.l_pid, programs) && list_get(l, lock.l_pid) == NULL &&
		    process_find(lock.l_pid, &p))
			error = list_add(l, &p);
		(void)close(fd);
	}
	(void)closedir(dir);
	return error;
}
