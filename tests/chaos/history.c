/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * history.c: a client's history, as lines in a file of its own. What it is about to do is written
 * before it does it, by one write(2): so it is told though the client, or its node, is killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "chaos.h"

static int history_fd = -1;

int history_open(const char *folder, const char *id)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", folder, id);
	history_fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0644);
	return history_fd >= 0 ? 0 : -errno;
}

uint64_t history_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

void history_say(const char *format, ...)
{
	char text[4096];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	/* a history with a gap proves nothing */
	if (n < 0 || (size_t)n >= sizeof(text) || write(history_fd, text, (size_t)n) != n)
		abort();
}
