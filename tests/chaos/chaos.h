/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * chaos.h: the clients of a chaos run. crew.c starts them and sends them the faults that are
 * theirs; client.c is one of them; what it does to records is in holds.c and transfers.c, and what
 * it tells of that goes to its history (history.c), which history.py reads.
 */
#ifndef COTDB_CHAOS_H
#define COTDB_CHAOS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "lib/client.h"

#define VOLATILE_DBS 2
#define ID_SIZE	     24 /* of a client */
#define NAME_SIZE    48 /* of what it wrote: "ID:NUMBER" */

/* What others may see of a client: in memory that it shares with its crew */
struct glance {
	char doing[64];
	uint64_t since_ns;
};

struct chaos_client {
	char id[ID_SIZE];   /* of this process, and of no other one */
	char slot[ID_SIZE]; /* of those that follow each other in one place of a node */
	uint64_t random;
	uint64_t writes; /* so many things it has written: its next one has this number */
	uint64_t transfers;
	struct glance *glance;
	struct cotdb *h;
	struct cotdb_db *volatile_db[VOLATILE_DBS];
	struct cotdb_db *persistent_db;
};

struct chaos_options {
	const char *node, *boot, *crew; /* numbers */
	const char *folder;		/* of the histories */
	unsigned int clients;		/* at once; 0: see below */
	const char *once; /* "all": one client that does each operation once; "look": reads */
};

/* Set by signals: the client is to end; to stop itself, or to die, under its next lock */
extern volatile sig_atomic_t client_is_over, client_stops, client_dies;

/* client.c: its whole life; an exit code */
int client_run(const struct chaos_options *o, unsigned int slot, unsigned int number,
	       struct glance *g);
uint32_t client_random(struct chaos_client *c, uint32_t below);
void client_sleep_us(uint32_t us);
void client_glance(struct chaos_client *c, const char *what, const char *which);

/* holds.c. 0, or the error that ends the session; -EREMOTEIO does not */
int holds_step(struct chaos_client *c);
int holds_all(struct chaos_client *c);

/* transfers.c, likewise */
int transfers_step(struct chaos_client *c);
int transfers_look(struct chaos_client *c);

/* history.c: lines of text, in the file when the call returns, whatever then becomes of the process
 */
int history_open(const char *folder, const char *id);
uint64_t history_now_ns(void);
void history_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
