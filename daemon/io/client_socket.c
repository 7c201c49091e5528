/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * client_socket.c: the listening socket.
 *
 * Who may connect is decided by the file's mode alone, as CTDB does it. A socket file that nobody
 * listens on is left over and removed; where somebody does, this daemon must not start, since
 * Samba would find one of two daemons.
 */
#include "client_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <poll.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "daemon/log.h"

#define BACKLOG 1024
/* Connections taken in one turn of the loop */
#define ACCEPT_AT_ONCE 16

/* mkdir -p of the folder of a file */
static int folder_make(const char *path)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];

	snprintf(dir, sizeof(dir), "%s", path);
	char *last = strrchr(dir, '/');
	if (last == NULL || last == dir)
		return 0;
	*last = '\0';
	for (char *p = dir + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(dir, 0755) != 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(dir, 0755) == 0 || errno == EEXIST ? 0 : -errno;
}

/* 0: the path is free now */
static int leftover_remove(const struct sockaddr_un *addr)
{
	struct stat st;

	if (lstat(addr->sun_path, &st) != 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int rc = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 ? 0 : errno;
	close(fd);
	if (rc != ECONNREFUSED)
		return rc == 0 || rc == EAGAIN ? -EADDRINUSE : -rc;
	return unlink(addr->sun_path) == 0 || errno == ENOENT ? 0 : -errno;
}

static int spare_open(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* No descriptor left: the connection would be reported for ever, so take it with the one kept for
 * this, and close it */
static void refuse_one(struct clients *s)
{
	if (s->spare_fd < 0)
		return;
	close(s->spare_fd);
	int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	s->spare_fd = spare_open();
	log_error("a client was refused: no descriptor left | clients=%zu", s->count);
}

static int socket_ready(int32_t fd, int32_t revents, void *data)
{
	struct clients *s = data;

	(void)revents;
	for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
		struct ucred cred = { 0 };
		socklen_t len = sizeof(cred);
		int one = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (one < 0) {
			if (errno == EMFILE || errno == ENFILE)
				refuse_one(s);
			break;
		}
		if (getsockopt(one, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0) {
			close(one);
			continue;
		}
		client_accept(s, one, cred.pid);
	}
	engine_after_event(s->engine);
	return 0;
}

/* Thousands of clients are normal */
static void descriptors_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int client_socket_open(struct clients *s, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct stat st;
	int rc;

	s->listen_fd = -1;
	s->spare_fd = spare_open();
	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path));
	rc = folder_make(path);
	if (rc == 0)
		rc = leftover_remove(&addr);
	if (rc != 0)
		return rc;
	descriptors_raise();
	s->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (s->listen_fd < 0)
		return -errno;
	mode_t mask = umask(0077);
	rc = bind(s->listen_fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 ? 0 : -errno;
	umask(mask);
	if (rc != 0)
		goto failed;
	if (chmod(path, 0700) != 0 || stat(path, &st) != 0 || listen(s->listen_fd, BACKLOG) != 0) {
		rc = -errno;
		unlink(path);
		goto failed;
	}
	s->path = strdup(path);
	s->path_dev = st.st_dev;
	s->path_ino = st.st_ino;
	rc = qb_loop_poll_add(s->engine->loop, QB_LOOP_MED, s->listen_fd, POLLIN, s, socket_ready);
	if (rc == 0 && s->path)
		return 0;
	rc = rc ? rc : -ENOMEM;
	client_socket_close(s);
	return rc;

failed:
	close(s->listen_fd);
	s->listen_fd = -1;
	return rc;
}

void client_socket_close(struct clients *s)
{
	struct stat st;

	if (s->spare_fd >= 0)
		close(s->spare_fd);
	s->spare_fd = -1;
	if (s->listen_fd < 0)
		return;
	qb_loop_poll_del(s->engine->loop, s->listen_fd);
	close(s->listen_fd);
	s->listen_fd = -1;
	/* only if it is still ours: another daemon may have taken the path meanwhile */
	if (s->path && lstat(s->path, &st) == 0 && st.st_dev == s->path_dev &&
	    st.st_ino == s->path_ino)
		unlink(s->path);
	free(s->path);
	s->path = NULL;
}
