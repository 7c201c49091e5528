/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * retire.c: one process per volatile database (retire.h); the routine for clean stop, revocation,
 * eviction and leftovers alike.
 *
 * Why a client cannot harm anybody afterwards (I5): it writes a record only after it has read,
 * under the chain lock, that this node owns it. tdb_lockall() waits until nobody holds a chain
 * lock; tdb_wipe_all() leaves no record to be read; and the name is gone before the lock is, so no
 * new client can open the file. A client that comes late finds nothing and asks the daemon, whose
 * socket is closed.
 *
 * Processes, because tdb_lockall() blocks for as long as a client holds a lock, and libtdb does not
 * open a file twice in one process. The open has no CLEAR_IF_FIRST: that would not clear a file
 * which a client still has open, and would truncate one that is locked through its mutexes.
 */
#include "daemon/helper/retire.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <tdb.h>
#include <unistd.h>
#include "daemon/helper/child.h"
#include "daemon/helper/holder.h"
#include "daemon/log.h"

#define RETIRE_FILES_MAX 4096U

struct retire_job {
	char *path;
	pid_t pid; /* 0: reaped */
	int status;
};

struct retire {
	struct retire_job *jobs;
	size_t n;
	pid_t killer; /* the process that kills holders, 0: none */
};

int retire_file(const char *path)
{
	struct holder_layout layout;
	struct tdb_context *tdb;
	int rc = holder_layout_read(path, &layout);

	if (rc == -ENOENT)
		return 0;
	if (rc == -ENODATA) /* its creation was interrupted: nobody was told about it yet */
		return unlink(path) == 0 || errno == ENOENT ? 0 : -errno;
	if (rc != 0)
		return rc;
	errno = 0;
	tdb = tdb_open(path, 0, layout.tdb_flags, O_RDWR | O_CLOEXEC, 0);
	if (tdb == NULL)
		return errno == ENOENT ? 0 : errno != 0 ? -errno : -EIO;
	if (tdb_lockall(tdb) != 0) {
		tdb_close(tdb);
		return -EIO;
	}
	if (tdb_wipe_all(tdb) != 0)
		rc = -EIO;
	else if (unlink(path) != 0 && errno != ENOENT)
		rc = -errno;
	/* Not left to tdb_close(): it takes the mapping away with the mutex still locked, and then
	 * even the end of this process does not wake those who wait for it */
	(void)tdb_unlockall(tdb);
	tdb_close(tdb);
	return rc;
}

/* NAME.PNN, NAME.PNN.RO */
static bool is_volatile_name(const char *name)
{
	size_t len = strlen(name), digits = 0;

	if (len > 3 && strcmp(name + len - 3, ".RO") == 0)
		len -= 3;
	while (digits < len && name[len - 1 - digits] >= '0' && name[len - 1 - digits] <= '9')
		digits++;
	return digits > 0 && digits < 5 && len > digits + 1 && name[len - 1 - digits] == '.';
}

static int jobs_collect(struct retire *r, const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	int rc = 0;

	if (d == NULL)
		return errno == ENOENT ? 0 : -errno;
	r->jobs = calloc(RETIRE_FILES_MAX, sizeof(*r->jobs));
	if (r->jobs == NULL)
		rc = -ENOMEM;
	while (rc == 0 && (entry = readdir(d)) != NULL) {
		struct stat st;

		if (!is_volatile_name(entry->d_name) ||
		    fstatat(dirfd(d), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		    !S_ISREG(st.st_mode))
			continue;
		if (r->n == RETIRE_FILES_MAX) {
			rc = -E2BIG;
			break;
		}
		if (asprintf(&r->jobs[r->n].path, "%s/%s", dir, entry->d_name) < 0)
			rc = -ENOMEM;
		else
			r->n++;
	}
	closedir(d);
	return rc;
}

static _Noreturn void job_main(const char *path)
{
	int rc = retire_file(path);

	if (rc != 0)
		log_error("a volatile database could not be retired | file=%s error=%s", path,
			  strerror(-rc));
	_exit(rc == 0 ? 0 : 1);
}

int retire_begin(const char *dir, struct retire **retire)
{
	struct retire *r = calloc(1, sizeof(*r));
	int rc;

	if (r == NULL)
		return -ENOMEM;
	rc = jobs_collect(r, dir);
	for (size_t i = 0; rc == 0 && i < r->n; i++) {
		pid_t pid = child_fork();

		if (pid == 0)
			job_main(r->jobs[i].path);
		if (pid < 0)
			rc = (int)pid;
		else
			r->jobs[i].pid = pid;
	}
	if (rc != 0) {
		retire_free(r);
		return rc;
	}
	*retire = r;
	return 0;
}

bool retire_reaped(struct retire *r, pid_t pid, int status)
{
	if (pid == r->killer) {
		r->killer = 0;
		return true;
	}
	for (size_t i = 0; i < r->n; i++) {
		if (r->jobs[i].pid == pid) {
			r->jobs[i].pid = 0;
			r->jobs[i].status = status;
			return true;
		}
	}
	return false;
}

int retire_result(const struct retire *r)
{
	int rc = 1;

	for (size_t i = 0; i < r->n; i++) {
		if (r->jobs[i].pid != 0)
			return 0;
		if (r->jobs[i].status != 0)
			rc = -EIO;
	}
	return rc;
}

size_t retire_waiting(const struct retire *r, const char **name)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++) {
		if (r->jobs[i].pid != 0 && n++ == 0 && name != NULL)
			*name = strrchr(r->jobs[i].path, '/') + 1;
	}
	return n;
}

int retire_is_mapped_by(const char *path, pid_t pid)
{
	return holder_maps(path, pid);
}

int retire_is_locked_by(const char *path, pid_t pid)
{
	return holder_locks(path, pid);
}

static _Noreturn void killer_main(const struct retire *r, const pid_t *known, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < r->n; k++) {
			const char *path = r->jobs[k].path;

			if (r->jobs[k].pid != 0 && holder_kill(path, known[i]) == 1) {
				log_warning("a client that holds a lock in a volatile database is "
					    "killed | pid=%d file=%s",
					    (int)known[i], path);
				break;
			}
		}
	}
	_exit(0);
}

int retire_kill_holders(struct retire *r, const pid_t *known, size_t n)
{
	pid_t pid;

	if (r->killer != 0)
		return 0;
	pid = child_fork();
	if (pid == 0)
		killer_main(r, known, n);
	if (pid < 0)
		return (int)pid;
	r->killer = pid;
	return 0;
}

void retire_free(struct retire *r)
{
	if (r == NULL)
		return;
	if (r->killer != 0)
		kill(r->killer, SIGKILL);
	for (size_t i = 0; i < r->n; i++) {
		if (r->jobs[i].pid != 0)
			kill(r->jobs[i].pid, SIGKILL);
		free(r->jobs[i].path);
	}
	free(r->jobs);
	free(r);
}
