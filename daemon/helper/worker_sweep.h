/* SPDX-License-Identifier: GPL-3.0-or-later */
/* worker_sweep.h: reads every record of a database and sends key and header to the engine */
#ifndef COTDB_WORKER_SWEEP_H
#define COTDB_WORKER_SWEEP_H

#include <stdint.h>
#include <sys/types.h>
#include <tdb.h>

/* Sends IPC_WORK_RECORDS on fd, waiting when the channel is full; 0 or -errno */
int worker_sweep(int fd, struct tdb_context *tdb, uint64_t cookie);

#endif
