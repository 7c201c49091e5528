/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * keeper_file.c: the run file, RUN_DIR/smbd-NAME.run: six lines (state, address, port, Samba's lock
 * directory, words, who started it) that outlive the keeper, and the lock that does
 * not.
 *
 * The lock is a plain POSIX one, so that F_GETLK tells who holds it: the keeper opens the file once
 * and its children do not get it.
 */
#include "config.h"
#include "keeper.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_SIZE (PATH_MAX + 512)

static const char *const state_names[] = { [KEEPER_STATE_NONE] = "none",
					   [KEEPER_STATE_RUNNING] = "running",
					   [KEEPER_STATE_ENDING] = "ending",
					   [KEEPER_STATE_WAITING] = "waiting",
					   [KEEPER_STATE_ENDED] = "ended",
					   [KEEPER_STATE_STOPPED] = "stopped" };
#define STATES (sizeof(state_names) / sizeof(state_names[0]))

static int path_of(const struct keeper_options *o, char *path, size_t size)
{
	int n = snprintf(path, size, "%s/smbd-%s.run", o->run_dir, o->name);

	if (n < 0 || (size_t)n >= size)
		return -ENAMETOOLONG;
	/* the name of a clone's instance has a colon */
	for (char *c = strrchr(path, '/') + 1; *c != '\0'; c++) {
		if (!isalnum((unsigned char)*c) && strchr("._-", *c) == NULL)
			*c = '_';
	}
	return 0;
}

void keeper_mark(const struct process *keeper, char mark[KEEPER_MARK])
{
	(void)snprintf(mark, KEEPER_MARK, KEEPER_VARIABLE "=%d.%" PRIu64, keeper->pid,
		       keeper->start);
}

/* The next line of the text, which is cut there; NULL when there is none */
static char *line_take(char **text)
{
	char *line = *text, *end = strchr(line, '\n');

	if (end == NULL)
		return NULL;
	*end = '\0';
	*text = end + 1;
	return line;
}

static void copy(char *to, size_t size, const char *from)
{
	(void)snprintf(to, size, "%s", from);
}

static void parse(char *text, struct keeper_file *f)
{
	char *state = line_take(&text), *address = state != NULL ? line_take(&text) : NULL,
	     *port = address != NULL ? line_take(&text) : NULL,
	     *lock_dir = port != NULL ? line_take(&text) : NULL,
	     *words = lock_dir != NULL ? line_take(&text) : NULL,
	     *started_by = words != NULL ? line_take(&text) : NULL;

	if (words == NULL)
		return;
	if (started_by == NULL || sscanf(started_by, "%d %" SCNu64 " %d %d",
					 &f->started_by.keeper.pid, &f->started_by.keeper.start,
					 &f->started_by.session[0], &f->started_by.session[1]) != 4)
		f->started_by = (struct keeper_id){ 0 };
	for (size_t i = 0; i < STATES; i++) {
		if (strcmp(state, state_names[i]) == 0)
			f->state = (enum keeper_state)i;
	}
	f->port = (unsigned int)strtoul(port, NULL, 10);
	copy(f->address, sizeof(f->address), address);
	copy(f->lock_dir, sizeof(f->lock_dir), lock_dir);
	copy(f->words, sizeof(f->words), words);
}

int keeper_file_read(const struct keeper_options *o, struct keeper_file *f)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[PATH_MAX], text[FILE_SIZE];
	ssize_t n;
	int fd, error = path_of(o, path, sizeof(path));

	*f = (struct keeper_file){ .state = KEEPER_STATE_NONE };
	if (error != 0)
		return error;
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0 || fcntl(fd, F_GETLK, &lock) < 0)
		error = -errno;
	(void)close(fd);
	if (error != 0)
		return error;
	text[n] = '\0';
	parse(text, f);
	if (lock.l_type == F_UNLCK)
		return 0;
	if (lock.l_pid <= 0) /* in a pid namespace that cannot be seen from here */
		return -EBUSY;
	f->keeper = lock.l_pid;
	return 0;
}

int keeper_file_lock(const struct keeper_options *o)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[PATH_MAX];
	int fd, error = path_of(o, path, sizeof(path));

	if (error != 0)
		return error;
	if (mkdir(o->run_dir, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (fcntl(fd, F_SETLK, &lock) == 0)
		return fd;
	error = errno == EACCES || errno == EAGAIN ? -EBUSY : -errno;
	(void)close(fd);
	return error;
}

int keeper_file_write(int fd, const struct keeper_options *o, enum keeper_state state,
		      const char *words, const struct keeper_id *started_by)
{
	static const struct keeper_id nobody;
	const struct keeper_id *by = started_by != NULL ? started_by : &nobody;
	char text[FILE_SIZE];
	int n = snprintf(text, sizeof(text), "%s\n%s\n%u\n%s\n%s\n%d %" PRIu64 " %d %d\n",
			 state_names[state], o->address, o->port, o->lock_dir, words,
			 by->keeper.pid, by->keeper.start, by->session[0], by->session[1]);

	if (n < 0 || (size_t)n >= sizeof(text))
		return -ENAMETOOLONG;
	if (pwrite(fd, text, (size_t)n, 0) != n || ftruncate(fd, n) < 0)
		return -errno;
	return 0;
}
