/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * reclock.c: the recovery lock as an fcntl lock (reclock.h); keeps I7: the file stays empty, and
 * exactly one byte of it is locked, on one node.
 *
 * POSIX gives a process's locks on a file away when the process closes any descriptor of it. So
 * while the byte is held the file is not opened a second time, here or in a library: whether the
 * path still names the locked file is told by stat(). The lock of a holder that ends, however it
 * ends, is free at once; this is the point of holding it in a process of its own.
 */
#include "daemon/helper/reclock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum core_lock_result say(struct reclock *r, enum core_lock_result result, const char *what,
				 int error)
{
	if (error != 0)
		snprintf(r->text, sizeof(r->text), "%s: %s", what, strerror(error));
	else
		snprintf(r->text, sizeof(r->text), "%s", what);
	return result;
}

static void id_set(struct reclock *r, const struct stat *st)
{
	r->id.dev = st->st_dev;
	r->id.ino = st->st_ino;
	r->id.size = (uint64_t)st->st_size;
}

void reclock_init(struct reclock *r, const char *path)
{
	*r = (struct reclock){ .path = path, .fd = -1 };
}

void reclock_release(struct reclock *r)
{
	if (r->fd >= 0)
		close(r->fd); /* and with it the lock */
	r->fd = -1;
	(void)say(r, CORE_LOCK_REFUSED, "released", 0);
}

/* OCFS2: of two nodes that create the file at the same time one may get EEXIST, though O_EXCL was
 * not asked for */
static int file_open(const char *path)
{
	const int flags = O_RDWR | O_CLOEXEC | O_NONBLOCK;
	int fd = open(path, flags | O_CREAT, 0600);

	if (fd < 0 && errno == EEXIST)
		fd = open(path, flags);
	return fd;
}

static enum core_lock_result byte_lock(struct reclock *r)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1 };
	struct stat st, named;

	if (fstat(r->fd, &st) != 0)
		return say(r, CORE_LOCK_ERROR, "the file cannot be looked at", errno);
	id_set(r, &st);
	if (!S_ISREG(st.st_mode))
		return say(r, CORE_LOCK_ERROR, "this is not a regular file", 0);
	if (st.st_size != 0)
		return say(r, CORE_LOCK_NOT_EMPTY, "the file is not empty", 0);
	if (fcntl(r->fd, F_SETLK, &lock) != 0) {
		if (errno == EAGAIN || errno == EACCES)
			return say(r, CORE_LOCK_REFUSED, "somebody else holds it", 0);
		return say(r, CORE_LOCK_ERROR, "the file cannot be locked", errno);
	}
	if (stat(r->path, &named) != 0 || named.st_dev != st.st_dev || named.st_ino != st.st_ino)
		return say(r, CORE_LOCK_ERROR, "the file was replaced while it was locked", 0);
	return say(r, CORE_LOCK_HELD, "held", 0);
}

enum core_lock_result reclock_try(struct reclock *r)
{
	enum core_lock_result result;

	if (r->fd >= 0)
		return reclock_check(r);
	r->id = (struct core_lock_id){ 0 };
	r->fd = file_open(r->path);
	if (r->fd < 0)
		return say(r, CORE_LOCK_ERROR, "the file cannot be opened", errno);
	result = byte_lock(r);
	if (result != CORE_LOCK_HELD) {
		close(r->fd);
		r->fd = -1;
	}
	return result;
}

enum core_lock_result reclock_probe(struct reclock *r)
{
	enum core_lock_result result = reclock_try(r);

	if (result == CORE_LOCK_HELD) {
		reclock_release(r);
		return say(r, CORE_LOCK_HELD, "got it, and let it go", 0);
	}
	return result;
}

static enum core_lock_result lost(struct reclock *r, const char *why, int error)
{
	reclock_release(r);
	return say(r, CORE_LOCK_ERROR, why, error);
}

enum core_lock_result reclock_check(struct reclock *r)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1 };
	struct stat st, named;

	if (r->fd < 0)
		return say(r, CORE_LOCK_REFUSED, "not held", 0);
	if (fstat(r->fd, &st) != 0)
		return lost(r, "the locked file cannot be looked at", errno);
	if (stat(r->path, &named) != 0)
		return lost(r, "the locked file has no name any more", errno);
	if (named.st_dev != st.st_dev || named.st_ino != st.st_ino)
		return lost(r, "another file has the name of the locked one", 0);
	/* says F_UNLCK for what we hold ourselves */
	if (fcntl(r->fd, F_GETLK, &lock) != 0)
		return lost(r, "the lock cannot be looked at", errno);
	if (lock.l_type != F_UNLCK)
		return lost(r, "somebody else holds it now", 0);
	id_set(r, &st);
	return say(r, CORE_LOCK_HELD,
		   st.st_size == 0 ? "held" : "held, but the file is not empty any more", 0);
}
