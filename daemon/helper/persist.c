/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * persist.c: the file of the last generation (persist.h). Lines of text that an admin can read:
 *
 *   cotdb-state 1
 *   generation 17
 *   outside
 *   node 0 9e3779b97f4a7c15
 *   over 1 7f4a7c159e3779b9
 *   sum 5d1c6f8e0a1b2c3d
 *
 * outside is there when this node was not in that generation (an older daemon takes it for damage).
 * over is a node's incarnation that has left, or was revoked. sum is FNV-1a (64 bits) over all that
 * precedes it. What is not exactly so is refused: to guess here could mean not to wait for a node
 * that still writes.
 */
#include "daemon/helper/persist.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PERSIST_NAME	 "generation"
#define PERSIST_HEAD	 "cotdb-state 1\n"
#define PERSIST_OUTSIDE	 "outside\n"
#define PERSIST_MAX_SIZE (128U * 1024)

static uint64_t fnv1a(const char *p, size_t len)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)p[i]) * UINT64_C(0x100000001b3);
	return h;
}

struct text {
	char *p;
	size_t len, size;
};

static void text_add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void text_add(struct text *t, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	t->len += (size_t)vsnprintf(t->p + t->len, t->size - t->len, format, ap);
	va_end(ap);
}

static int write_all(int fd, const char *p, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int file_replace(int dirfd, const struct text *t)
{
	int rc, fd = openat(dirfd, PERSIST_NAME ".tmp",
			    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	rc = write_all(fd, t->p, t->len);
	if (rc == 0 && fsync(fd) != 0)
		rc = -errno;
	if (close(fd) != 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && renameat(dirfd, PERSIST_NAME ".tmp", dirfd, PERSIST_NAME) != 0)
		rc = -errno;
	if (rc == 0 && fsync(dirfd) != 0)
		rc = -errno;
	return rc;
}

int persist_write(const char *dir, const struct persist *p)
{
	struct text t = { .p = malloc(PERSIST_MAX_SIZE), .size = PERSIST_MAX_SIZE };
	int rc, fd;

	if (t.p == NULL)
		return -ENOMEM;
	if (p->n > CORE_MAX_NODES) {
		rc = -EINVAL;
		goto out;
	}
	text_add(&t, PERSIST_HEAD "generation %" PRIu32 "\n%s", p->generation,
		 p->is_outside ? PERSIST_OUTSIDE : "");
	for (size_t i = 0; i < p->n; i++)
		text_add(&t, "%s %" PRIu32 " %016" PRIx64 "\n", p->is_over[i] ? "over" : "node",
			 p->active[i].pnn, p->active[i].boot_id);
	text_add(&t, "sum %016" PRIx64 "\n", fnv1a(t.p, t.len));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		rc = -errno;
		goto out;
	}
	rc = file_replace(fd, &t);
	close(fd);
out:
	free(t.p);
	return rc;
}

static int file_read(const char *path, char *text, size_t size, size_t *len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;

	*len = 0;
	if (fd < 0)
		return -errno;
	while ((n = read(fd, text + *len, size - 1 - *len)) > 0)
		*len += (size_t)n;
	if (n < 0)
		n = -errno;
	close(fd);
	text[*len] = '\0';
	return (int)n;
}

/* digits in that base, at least one, as many as they are, into *v; moved behind them */
static int number_take(const char **p, int base, uint64_t max, uint64_t *v)
{
	const char *digits = "0123456789abcdef", *at;
	size_t n = 0;

	*v = 0;
	while (**p != '\0' && (at = strchr(digits, **p)) != NULL && at - digits < base) {
		if (++n > 16)
			return -EBADMSG;
		*v = *v * (uint64_t)base + (uint64_t)(at - digits);
		(*p)++;
	}
	return n > 0 && *v <= max ? 0 : -EBADMSG;
}

static int word_take(const char **p, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*p, word, len) != 0)
		return -EBADMSG;
	*p += len;
	return 0;
}

static int node_take(const char **p, struct persist *out)
{
	struct incarnation *inc = &out->active[out->n];
	uint64_t pnn, boot_id;

	out->is_over[out->n % CORE_MAX_NODES] = strncmp(*p, "over ", 5) == 0;
	if (out->n == CORE_MAX_NODES ||
	    (word_take(p, "node ") != 0 && word_take(p, "over ") != 0) ||
	    number_take(p, 10, CORE_MAX_NODES - 1, &pnn) != 0 || word_take(p, " ") != 0 ||
	    number_take(p, 16, UINT64_MAX, &boot_id) != 0 || boot_id == 0 ||
	    word_take(p, "\n") != 0)
		return -EBADMSG;
	*inc = (struct incarnation){ .pnn = (uint32_t)pnn, .boot_id = boot_id };
	for (size_t i = 0; i < out->n; i++) {
		if (incarnation_equal(out->active[i], *inc))
			return -EBADMSG;
	}
	out->n++;
	return 0;
}

static int text_parse(const char *text, size_t len, struct persist *p)
{
	const char *at = text, *summed;
	uint64_t v;

	if (strlen(text) != len || word_take(&at, PERSIST_HEAD) != 0 ||
	    word_take(&at, "generation ") != 0 || number_take(&at, 10, UINT32_MAX, &v) != 0 ||
	    word_take(&at, "\n") != 0)
		return -EBADMSG;
	p->generation = (uint32_t)v;
	p->is_outside = word_take(&at, PERSIST_OUTSIDE) == 0;
	while (strncmp(at, "sum ", 4) != 0) {
		if (node_take(&at, p) != 0)
			return -EBADMSG;
	}
	summed = at;
	if (word_take(&at, "sum ") != 0 || number_take(&at, 16, UINT64_MAX, &v) != 0 ||
	    word_take(&at, "\n") != 0 || *at != '\0' || v != fnv1a(text, (size_t)(summed - text)))
		return -EBADMSG;
	return 0;
}

int persist_read(const char *dir, struct persist *p, char *error, size_t error_size)
{
	char path[4200];
	char *text = malloc(PERSIST_MAX_SIZE);
	size_t len;
	int rc;

	if (text == NULL)
		return -ENOMEM;
	memset(p, 0, sizeof(*p));
	snprintf(path, sizeof(path), "%s/" PERSIST_NAME, dir);
	rc = file_read(path, text, PERSIST_MAX_SIZE, &len);
	if (rc == -ENOENT) {
		rc = 0;
	} else if (rc != 0) {
		snprintf(error, error_size, "%s cannot be read: %s", path, strerror(-rc));
	} else if (text_parse(text, len, p) != 0) {
		memset(p, 0, sizeof(*p));
		snprintf(error, error_size,
			 "%s is damaged; when no other node can have been active since, or all "
			 "others are down, remove it",
			 path);
		rc = -EBADMSG;
	}
	free(text);
	return rc;
}
