/* SPDX-License-Identifier: GPL-3.0-or-later */
/* client_world.h: see client_world.c */
#ifndef COTDB_CLIENT_WORLD_H
#define COTDB_CLIENT_WORLD_H

#include <stdbool.h>

#define WORLD_COMMAND 0xAE00000000000001ULL
enum world_command {
	WORLD_ACTIVE = 1,
	WORLD_INACTIVE,
	WORLD_NODE_2_GONE,
	WORLD_NODE_2_BACK,
	WORLD_CONGESTED,
	WORLD_NOT_CONGESTED,
	WORLD_NODE_2_CONGESTED,
	WORLD_NODE_2_NOT_CONGESTED,
	WORLD_NEW_GENERATION,
	WORLD_COMMITS_HANG, /* the next one does not end before WORLD_COMMITS_END */
	WORLD_COMMITS_END,
};

/* Of the databases' files, which there are none of */
#define WORLD_FOLDER "/nowhere/in/a/folder/of/some/length/as/they/may/be/chosen/by/an/admin"
/* How many records a traverse of the first database tells, of 1 KiB each */
#define WORLD_RECORDS 4096U

struct engine;

/* NULL, and what is wrong in *error (-errno). One at a time. */
struct engine *world_open(const char *path, bool is_active, int *error);
void world_close(struct engine *e);

/* Serves on that socket until SIGTERM; closes ready_fd (if >= 0) when it listens. Returns a
 * positive errno if it cannot begin. */
int world_serve(const char *path, bool is_active, int ready_fd);

#endif
