/* SPDX-License-Identifier: GPL-3.0-or-later */
/* worker_cache.c: the TDB files that a worker has open (worker_cache.h) */
#include "daemon/helper/worker_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "daemon/log.h"

#define CACHE_FILES 32U	  /* above this the oldest one is closed */
#define CACHE_MAX   1024U /* with the frozen ones */

static void tdb_says(struct tdb_context *tdb, enum tdb_debug_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void tdb_says(struct tdb_context *tdb, enum tdb_debug_level level, const char *format, ...)
{
	char text[512];
	va_list ap;
	size_t len;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	len = strlen(text);
	while (len > 0 && text[len - 1] == '\n')
		text[--len] = '\0';
	log_at(level <= TDB_DEBUG_ERROR ? LOG_ERR : LOG_DEBUG, "libtdb: %s | file=%s", text,
	       tdb != NULL ? tdb_name(tdb) : "");
}

static void file_close(struct worker_cache *c, struct worker_file *f)
{
	tdb_close(f->tdb);
	free(f->path);
	*f = c->files[--c->n];
}

static struct worker_file *file_oldest(struct worker_cache *c)
{
	struct worker_file *oldest = NULL;

	for (size_t i = 0; i < c->n; i++) {
		struct worker_file *f = &c->files[i];

		if (!f->is_frozen && (oldest == NULL || f->used_at < oldest->used_at))
			oldest = f;
	}
	return oldest;
}

static struct worker_file *file_find(struct worker_cache *c, const char *path)
{
	for (size_t i = 0; i < c->n; i++) {
		if (strcmp(c->files[i].path, path) == 0)
			return &c->files[i];
	}
	return NULL;
}

static int file_add(struct worker_cache *c, const char *path, int tdb_flags, const struct stat *st,
		    struct worker_file **file)
{
	const struct tdb_logging_context logging = { .log_fn = tdb_says };
	struct worker_file f = { .dev = st->st_dev, .ino = st->st_ino };
	struct worker_file *more;

	if (c->n >= CACHE_FILES && file_oldest(c) != NULL)
		file_close(c, file_oldest(c));
	if (c->n >= CACHE_MAX)
		return -EMFILE;
	more = realloc(c->files, (c->n + 1) * sizeof(*more));
	if (more == NULL)
		return -ENOMEM;
	c->files = more;
	f.path = strdup(path);
	if (f.path == NULL)
		return -ENOMEM;
	errno = 0;
	f.tdb = tdb_open_ex(path, 0, tdb_flags & ~TDB_CLEAR_IF_FIRST, O_RDWR | O_CLOEXEC, 0,
			    &logging, NULL);
	if (f.tdb == NULL) {
		free(f.path);
		return errno != 0 ? -errno : -EIO;
	}
	c->files[c->n] = f;
	*file = &c->files[c->n++];
	return 0;
}

int worker_cache_open(struct worker_cache *c, const char *path, int tdb_flags,
		      struct worker_file **file)
{
	struct worker_file *f = file_find(c, path);
	struct stat st;
	int rc = 0;

	if (stat(path, &st) != 0)
		rc = -errno;
	if (f != NULL && (rc != 0 || f->dev != st.st_dev || f->ino != st.st_ino)) {
		if (f->is_frozen)
			return -EBUSY;
		file_close(c, f); /* the name stands for another file now */
		f = NULL;
	}
	if (rc == 0 && f == NULL)
		rc = file_add(c, path, tdb_flags, &st, &f);
	if (rc != 0)
		return rc;
	f->used_at = ++c->clock;
	*file = f;
	return 0;
}

void worker_cache_close(struct worker_cache *c)
{
	while (c->n > 0)
		file_close(c, &c->files[c->n - 1]);
	free(c->files);
	c->files = NULL;
}
