/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * smb_probe.c: an SMB2 NEGOTIATE as any client begins with it ([MS-SMB2] 2.2.3 and 2.2.4), offering
 * the dialects 2.0.2 to 3.1.1, and a look at the answer.
 *
 * To answer it, smbd has to accept the connection, start the process that serves it, and that one
 * has to reach its databases: a smbd that hangs in any of these takes the connection (the kernel
 * does), and then is silent.
 */
#include "smb_probe.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "lib/cursor.h"

#define SMB2_PROTOCOL_ID       0x424D53FEU /* FE 'S' 'M' 'B' */
#define SMB2_HEADER_SIZE       64U
#define SMB2_COMMAND_NEGOTIATE 0U
#define SMB2_FLAG_ANSWER       0x1U
#define NEGOTIATE_SIZE	       36U
#define NEGOTIATE_ANSWER_SIZE  65U
#define SIGNING_ENABLED	       0x1U
#define CONTEXT_PREAUTH	       1U
#define CONTEXT_ENCRYPTION     2U
#define HASH_SHA512	       1U
#define CIPHER_AES128_CCM      1U
#define CIPHER_AES128_GCM      2U
#define SALT_SIZE	       32U
#define GUID_SIZE	       16U
#define CONTEXTS_OFFSET	       112U /* from the header; a multiple of 8 behind the dialects */

static const uint16_t dialects[] = { 0x0202, 0x0210, 0x0300, 0x0302, 0x0311 };
#define DIALECTS (sizeof(dialects) / sizeof(dialects[0]))

const struct smb_probe_row smb_probe_table[SMB_PROBE_RESULTS] = {
#define PROBE(id, code, text) [SMB_PROBE_##id] = { code, text },
#include "smb_probe.def"
#undef PROBE
};

static void write_header(struct writer *w)
{
	writer_u32(w, SMB2_PROTOCOL_ID);
	writer_u16(w, SMB2_HEADER_SIZE);
	writer_u16(w, 0); /* credit charge */
	writer_u32(w, 0); /* status */
	writer_u16(w, SMB2_COMMAND_NEGOTIATE);
	writer_u16(w, 1); /* credits asked for */
	writer_zero(w, SMB2_HEADER_SIZE - 16);
}

static void write_negotiate(struct writer *w)
{
	uint8_t random[GUID_SIZE + SALT_SIZE] = { 0 };
	size_t begin = w->len;

	(void)getrandom(random, sizeof(random), GRND_NONBLOCK); /* zeroes do as well */
	writer_u16(w, NEGOTIATE_SIZE);
	writer_u16(w, DIALECTS);
	writer_u16(w, SIGNING_ENABLED);
	writer_u16(w, 0);
	writer_u32(w, 0); /* capabilities */
	writer_bytes(w, random, GUID_SIZE);
	writer_u32(w, CONTEXTS_OFFSET);
	writer_u16(w, 2); /* contexts */
	writer_u16(w, 0);
	for (size_t i = 0; i < DIALECTS; i++)
		writer_u16(w, dialects[i]);
	writer_zero(w, CONTEXTS_OFFSET - SMB2_HEADER_SIZE - (w->len - begin));

	writer_u16(w, CONTEXT_PREAUTH);
	writer_u16(w, 6 + SALT_SIZE);
	writer_u32(w, 0);
	writer_u16(w, 1); /* hashes */
	writer_u16(w, SALT_SIZE);
	writer_u16(w, HASH_SHA512);
	writer_bytes(w, random + GUID_SIZE, SALT_SIZE);
	writer_zero(w, 2); /* to a multiple of 8 */

	writer_u16(w, CONTEXT_ENCRYPTION);
	writer_u16(w, 6);
	writer_u32(w, 0);
	writer_u16(w, 2); /* ciphers */
	writer_u16(w, CIPHER_AES128_GCM);
	writer_u16(w, CIPHER_AES128_CCM);
}

size_t smb_probe_request(uint8_t *p, size_t size)
{
	struct writer w = writer_of(p, size);

	/* the length in front is big endian, and fits the last byte */
	writer_zero(&w, 3);
	writer_u8(&w, SMB_PROBE_REQUEST_SIZE - 4);
	write_header(&w);
	write_negotiate(&w);
	return w.failed ? 0 : w.len;
}

static bool dialect_was_offered(uint16_t dialect)
{
	for (size_t i = 0; i < DIALECTS; i++) {
		if (dialects[i] == dialect)
			return true;
	}
	return false;
}

/* The body of an answer whose status is good: 0, or 1 when it is none */
static int read_negotiate(struct cursor *c, size_t len, uint16_t *dialect)
{
	uint16_t size, mode, contexts, offset, token_len;

	return cursor_u16(c, &size) || size != NEGOTIATE_ANSWER_SIZE || cursor_u16(c, &mode) ||
	       cursor_u16(c, dialect) || cursor_u16(c, &contexts) ||
	       cursor_skip(c, GUID_SIZE + 16 + 16) || /* capabilities and sizes; times */
	       cursor_u16(c, &offset) || cursor_u16(c, &token_len) || cursor_skip(c, 4) ||
	       (token_len > 0 && (size_t)offset + token_len > len) ||
	       !dialect_was_offered(*dialect);
}

void smb_probe_answer(struct slice answer, struct smb_probe *p)
{
	struct cursor c = cursor_of(answer.p, answer.len);
	uint32_t id, flags;
	uint16_t size, command;

	*p = (struct smb_probe){ .result = SMB_PROBE_NOT_SMB2 };
	if (cursor_u32(&c, &id) || id != SMB2_PROTOCOL_ID || cursor_u16(&c, &size) ||
	    size != SMB2_HEADER_SIZE || cursor_skip(&c, 2) || cursor_u32(&c, &p->status) ||
	    cursor_u16(&c, &command) || command != SMB2_COMMAND_NEGOTIATE || cursor_skip(&c, 2) ||
	    cursor_u32(&c, &flags) || (flags & SMB2_FLAG_ANSWER) == 0 ||
	    cursor_skip(&c, SMB2_HEADER_SIZE - 20))
		return;
	if (p->status != 0)
		p->result = SMB_PROBE_REFUSES;
	else if (read_negotiate(&c, answer.len, &p->dialect) == 0)
		p->result = SMB_PROBE_ANSWERS;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000U + (uint64_t)t.tv_nsec / 1000000U;
}

/* Until fd is ready or the time is up */
static bool wait_ready(int fd, short events, uint64_t deadline_ms)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		uint64_t now = now_ms();
		int n = poll(&p, 1, now < deadline_ms ? (int)(deadline_ms - now) : 0);

		if (n > 0)
			return true;
		if (n == 0 && now_ms() >= deadline_ms)
			return false;
		if (n < 0 && errno != EINTR)
			return false;
	}
}

static enum smb_probe_result probe_connect(int fd, const struct addrinfo *to, uint64_t deadline_ms,
					   int *error)
{
	socklen_t len = sizeof(*error);

	*error = 0;
	if (connect(fd, to->ai_addr, to->ai_addrlen) == 0)
		return SMB_PROBE_ANSWERS;
	*error = errno;
	if (*error != EINPROGRESS)
		return SMB_PROBE_UNREACHABLE;
	if (!wait_ready(fd, POLLOUT, deadline_ms))
		return SMB_PROBE_SILENT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, error, &len) < 0)
		*error = errno;
	return *error == 0 ? SMB_PROBE_ANSWERS : SMB_PROBE_UNREACHABLE;
}

/* Exactly len bytes */
static enum smb_probe_result probe_receive(int fd, uint8_t *p, size_t len, uint64_t deadline_ms)
{
	while (len > 0) {
		ssize_t n;

		if (!wait_ready(fd, POLLIN, deadline_ms))
			return SMB_PROBE_SILENT;
		n = recv(fd, p, len, 0);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n <= 0)
			return SMB_PROBE_CLOSES;
		p += n;
		len -= (size_t)n;
	}
	return SMB_PROBE_ANSWERS;
}

/* ANSWERS: with the whole answer */
static enum smb_probe_result probe_exchange(int fd, uint8_t *answer, size_t *len,
					    uint64_t deadline_ms)
{
	uint8_t request[SMB_PROBE_REQUEST_SIZE], head[4];
	size_t size = smb_probe_request(request, sizeof(request));
	enum smb_probe_result result;

	/* the socket's buffer is empty: a request that small goes out whole */
	if (send(fd, request, size, MSG_NOSIGNAL) != (ssize_t)size)
		return SMB_PROBE_CLOSES;
	result = probe_receive(fd, head, sizeof(head), deadline_ms);
	if (result != SMB_PROBE_ANSWERS)
		return result;
	*len = (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
	if (head[0] != 0 || *len > SMB_PROBE_ANSWER_SIZE)
		return SMB_PROBE_NOT_SMB2;
	return probe_receive(fd, answer, *len, deadline_ms);
}

int smb_probe_ask(const char *address, unsigned int port, unsigned int timeout_ms,
		  struct smb_probe *p)
{
	static uint8_t answer[SMB_PROBE_ANSWER_SIZE];
	uint64_t deadline_ms = now_ms() + timeout_ms;
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
				  .ai_socktype = SOCK_STREAM },
			*to = NULL;
	char service[16];
	size_t len = 0;
	int fd;

	*p = (struct smb_probe){ .result = SMB_PROBE_UNREACHABLE };
	(void)snprintf(service, sizeof(service), "%u", port);
	if (port == 0 || port > UINT16_MAX || getaddrinfo(address, service, &hints, &to) != 0)
		return -EINVAL;
	fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		p->error = errno;
		freeaddrinfo(to);
		return 0;
	}
	p->result = probe_connect(fd, to, deadline_ms, &p->error);
	if (p->result == SMB_PROBE_ANSWERS)
		p->result = probe_exchange(fd, answer, &len, deadline_ms);
	if (p->result == SMB_PROBE_ANSWERS)
		smb_probe_answer(slice_of(answer, len), p);
	(void)close(fd);
	freeaddrinfo(to);
	return 0;
}

void smb_probe_say(const struct smb_probe *p, char *text, size_t size)
{
	const char *row = smb_probe_table[p->result].text;

	if (p->result == SMB_PROBE_ANSWERS)
		(void)snprintf(text, size, "%s, SMB %x.%x.%x", row, p->dialect >> 8,
			       p->dialect >> 4 & 0xfU, p->dialect & 0xfU);
	else if (p->result == SMB_PROBE_REFUSES)
		(void)snprintf(text, size, "%s, with the status 0x%08x", row, p->status);
	else if (p->result == SMB_PROBE_UNREACHABLE)
		(void)snprintf(text, size, "%s: %s", row, strerror(p->error));
	else
		(void)snprintf(text, size, "%s", row);
}
