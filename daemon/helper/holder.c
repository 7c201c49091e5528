/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * holder.c: whom to kill when retiring is stuck, and nobody else.
 *
 * A number in a list of clients may belong to another process by now. So the process is pinned
 * first (pidfd), then it has to map the very file, then, where the file's chain locks are mutexes
 * of glibc at the place where libtdb puts them, it has to be the owner of one. The place is
 * believed only if the size that the file's header gives for all mutexes is the one that this
 * layout has; otherwise mapping the file is enough.
 */
#include "daemon/helper/holder.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <tdb.h>
#include <unistd.h>
#include "daemon/tdb_header.h"

#define HASH_SIZE_MAX	   (16U << 20)

int holder_layout_read(const char *path, struct holder_layout *layout)
{
	uint8_t header[TDB_HEADER_BYTES];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = pread(fd, header, sizeof(header), 0);
	if (n < 0 || fstat(fd, &st) != 0)
		n = -errno;
	close(fd); /* this process has no lock on the file that this could drop */
	if (n < 0)
		return (int)n;
	if (n < (ssize_t)sizeof(header) ||
	    memcmp(header, TDB_MAGIC_TEXT, sizeof(TDB_MAGIC_TEXT) - 1) != 0 ||
	    tdb_word(header, TDB_VERSION_OFFSET) != TDB_VERSION_NUMBER)
		return -ENODATA;
	layout->hash_size = tdb_word(header, TDB_HASH_OFFSET);
	layout->has_mutexes = (tdb_word(header, TDB_FLAGS_OFFSET) & TDB_HAS_MUTEXES) != 0;
	layout->mutex_bytes = layout->has_mutexes ? tdb_word(header, TDB_MUTEX_OFFSET) : 0;
	if (layout->hash_size == 0 || layout->hash_size > HASH_SIZE_MAX)
		return -ENODATA;
	/* With mutexes libtdb writes the header, makes room for them, and writes it again behind
	 * them, with the hash table: as long as that is not there nobody can have opened it */
	if ((uint64_t)st.st_size < (uint64_t)layout->mutex_bytes + TDB_HEADER_BYTES +
					   (layout->hash_size + 1) * sizeof(uint32_t))
		return -ENODATA;
	layout->tdb_flags = TDB_NOSYNC | TDB_DISALLOW_NESTING | TDB_INCOMPATIBLE_HASH |
			    (layout->has_mutexes ? TDB_MUTEX_LOCKING : 0);
	return 0;
}

int holder_maps(const char *path, pid_t pid)
{
	char name[64], line[4608];
	const char *base = strrchr(path, '/');
	struct stat st;
	int found = 0;
	FILE *f;

	base = base != NULL ? base : path;
	if (stat(path, &st) != 0)
		return -errno;
	snprintf(name, sizeof(name), "/proc/%d/maps", (int)pid);
	f = fopen(name, "re");
	if (f == NULL)
		return errno == ENOENT || errno == ESRCH ? 0 : -errno;
	while (!found && fgets(line, sizeof(line), f) != NULL) {
		unsigned long long inode = 0;

		/* start-end perms offset dev inode path; the dev of an overlay is not stat's */
		if (sscanf(line, "%*s %*s %*s %*s %llu", &inode) == 1 && inode == st.st_ino &&
		    strstr(line, base) != NULL)
			found = 1;
	}
	fclose(f);
	return found;
}

static bool is_thread_of(pid_t tid, pid_t pid)
{
	char name[64];

	if (tid == pid)
		return true;
	snprintf(name, sizeof(name), "/proc/%d/task/%d", (int)pid, (int)tid);
	return access(name, F_OK) == 0;
}

/* libtdb puts in front of the database: its header, the mutex of the all-record lock, a short with
 * that lock's kind, and one mutex for each hash chain and for the list of free records; filled up
 * to a page. */
int holder_locks(const char *path, pid_t pid)
{
	struct holder_layout layout;
	size_t chains_at = TDB_HEADER_BYTES + sizeof(pthread_mutex_t) + sizeof(void *), bytes;
	size_t page = (size_t)sysconf(_SC_PAGESIZE), owners = 0;
	uint8_t *area = NULL;
	int fd = -1, rc = holder_layout_read(path, &layout);

	if (rc != 0)
		return rc;
	bytes = chains_at + ((size_t)layout.hash_size + 1) * sizeof(pthread_mutex_t);
	if (!layout.has_mutexes || layout.mutex_bytes != (bytes + page - 1) / page * page)
		return -ENOTSUP;
	area = malloc(bytes);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (area == NULL || fd < 0 || pread(fd, area, bytes, 0) != (ssize_t)bytes) {
		rc = -ENOTSUP;
		goto out;
	}
	for (size_t at = TDB_HEADER_BYTES; rc == 0 && at + sizeof(pthread_mutex_t) <= bytes;
	     at = at < chains_at ? chains_at : at + sizeof(pthread_mutex_t)) {
		pthread_mutex_t mutex;
		pid_t owner;

		memcpy(&mutex, area + at, sizeof(mutex));
		owner = mutex.__data.__owner;
		if (owner <= 0)
			continue;
		owners++;
		if (is_thread_of(owner, pid))
			rc = 1;
	}
out:
	if (fd >= 0)
		close(fd);
	free(area);
	return rc;
}

int holder_kill(const char *path, pid_t pid)
{
	int fd, rc;

	if (pid <= 1 || pid == getpid())
		return 0;
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return errno == ESRCH ? 0 : -errno;
	rc = holder_maps(path, pid);
	if (rc == 1 && holder_locks(path, pid) == 0)
		rc = 0;
	if (rc == 1 && syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) != 0)
		rc = -errno;
	close(fd);
	return rc;
}
