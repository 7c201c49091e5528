/* SPDX-License-Identifier: GPL-3.0-or-later */
/* process.c: the tree of processes in /proc, and the holders of locks; see process.h */
#include "config.h"
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
	free(l->pid);
	*l = (struct process_list){ 0 };
}

static int list_add(struct process_list *l, pid_t pid)
{
	if (l->n == l->size) {
		size_t size = l->size != 0 ? l->size * 2 : 64;
		pid_t *more = realloc(l->pid, size * sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		l->pid = more;
		l->size = size;
	}
	l->pid[l->n++] = pid;
	return 0;
}

static bool list_has(const struct process_list *l, pid_t pid)
{
	for (size_t i = 0; i < l->n; i++) {
		if (l->pid[i] == pid)
			return true;
	}
	return false;
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

/* The parent of a process, or 0 when it is gone or has ended */
static pid_t parent_of(pid_t pid)
{
	char path[64], text[512], state;
	const char *behind;
	ssize_t n;
	int fd, parent;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	/* the program's name is in brackets, and may have brackets itself */
	behind = strrchr(text, ')');
	if (behind == NULL || sscanf(behind, ") %c %d", &state, &parent) != 2 || state == 'Z' ||
	    state == 'X')
		return 0;
	return parent;
}

struct relation {
	pid_t pid, parent;
};

/* All living processes with their parents; *relations is the caller's to free */
static int processes_read(struct relation **relations, size_t *n)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	size_t size = 0;

	*relations = NULL;
	*n = 0;
	if (proc == NULL)
		return -errno;
	while ((entry = readdir(proc)) != NULL) {
		pid_t pid = name_to_pid(entry->d_name), parent = pid != 0 ? parent_of(pid) : 0;

		if (parent == 0)
			continue;
		if (*n == size) {
			struct relation *more;

			size = size != 0 ? size * 2 : 256;
			more = realloc(*relations, size * sizeof(*more));
			if (more == NULL) {
				(void)closedir(proc);
				free(*relations);
				*relations = NULL;
				return -ENOMEM;
			}
			*relations = more;
		}
		(*relations)[(*n)++] = (struct relation){ pid, parent };
	}
	(void)closedir(proc);
	return 0;
}

int process_descendants(pid_t root, struct process_list *l)
{
	struct relation *relations;
	size_t n, before;
	int error = processes_read(&relations, &n);

	l->n = 0;
	if (error != 0)
		return error;
	do { /* one generation more in each round */
		before = l->n;
		for (size_t i = 0; i < n && error == 0; i++) {
			pid_t parent = relations[i].parent;

			if ((parent == root || list_has(l, parent)) &&
			    !list_has(l, relations[i].pid))
				error = list_add(l, relations[i].pid);
		}
	} while (error == 0 && l->n > before);
	free(relations);
	return error;
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
		int fd;

		if (name_to_pid(entry->d_name) == 0)
			continue;
		fd =
		    openat(dirfd(dir), entry->d_name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
		if (fd < 0)
			continue;
		if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK && lock.l_pid > 0 &&
		    process_runs(lock.l_pid, programs) && !list_has(l, lock.l_pid))
			error = list_add(l, lock.l_pid);
		(void)close(fd);
	}
	(void)closedir(dir);
	return error;
}
