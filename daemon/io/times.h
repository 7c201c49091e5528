/* SPDX-License-Identifier: GPL-3.0-or-later */
/* times.h: do the time-outs fit each other, and corosync's? */
#ifndef COTDB_TIMES_H
#define COTDB_TIMES_H

#include "cluster.h"

/* Checks number i: a sentence in text when it fails; 0 when it holds, 1 when it fails, -ENOENT
 * behind the last */
int times_check(size_t i, const struct options *o, const struct cluster_settings *s, char *text,
		size_t size);
/* Logs a warning for each that fails */
void times_warn(const struct options *o, const struct cluster_settings *s);

#endif
