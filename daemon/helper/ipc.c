/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ipc.c: one packet in, one packet out (ipc.h) */
#include "daemon/helper/ipc.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct writer ipc_begin(void *buf, enum ipc_type type)
{
	struct writer w = writer_of(buf, IPC_MAX);

	writer_u32(&w, (uint32_t)type);
	return w;
}

int ipc_send(int fd, const struct writer *w)
{
	ssize_t n;

	if (w->failed)
		return -EMSGSIZE;
	do {
		n = send(fd, w->p, w->len, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == w->len ? 0 : -EIO;
}

int ipc_receive(int fd, void *buf, struct cursor *c)
{
	struct iovec iov = { .iov_base = buf, .iov_len = IPC_MAX };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	uint32_t type;
	ssize_t n;

	/* The other end has closed with something unread; what it had sent before comes next */
	do {
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n < 0)
		return -errno;
	if (n == 0)
		return 0;
	if ((msg.msg_flags & MSG_TRUNC) != 0)
		return -EBADMSG;
	*c = cursor_of(buf, (size_t)n);
	if (cursor_u32(c, &type) || type == 0 || type > INT32_MAX)
		return -EBADMSG;
	return (int)type;
}
