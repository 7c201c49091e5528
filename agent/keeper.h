/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * keeper.h: cotdb-smbd-keeper, what the OCF agent of smbd is built on.
 *
 * The keeper is the process above smbd (and winbindd, if it is wanted). It is made the one that
 * inherits whatever loses its parent below it, so that it always knows every process of this smbd
 * and no other, and it hears at once when smbd ends. Then it ends what is left and tells Pacemaker.
 * Only where smbd has ended because the daemon's engine did, it starts smbd again itself, on the next
 * engine. It holds a POSIX lock on its run file as long as it lives: who holds it is the keeper. If it
 * dies, smbd and winbindd end by themselves, because their standard input does.
 */
#ifndef COTDB_AGENT_KEEPER_H
#define COTDB_AGENT_KEEPER_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>
#include "process.h"

enum keeper_reason {
#define REASON(id, ocf, text) KEEPER_##id,
#include "keeper_reason.def"
#undef REASON
	KEEPER_REASONS
};

struct keeper_row {
	int ocf;
	const char *text;
};
extern const struct keeper_row keeper_table[KEEPER_REASONS];

struct keeper_options {
	const char *name;    /* of the resource; names the run file, too */
	const char *run_dir; /* of the run file */
	unsigned int timeout_ms;
	/* start alone: */
	const char *smbd, *config;
	const char *winbindd; /* NULL: without */
	const char *lock_dir; /* Samba's "lock directory" */
	const char *address;  /* where smbd is to answer */
	unsigned int port;
	const char *node; /* Pacemaker's name of this node; NULL: nobody is told */
	char **more;	  /* arguments for smbd, NULL at the end */
	FILE *out;	  /* where the sentence goes */
};

/* Each prints one sentence and returns an OCF exit code, within timeout_ms.
 * start   starts smbd unless it runs, and waits until it answers
 * status  whether smbd runs and answers
 * stop    ends every process of this smbd, by force what does not go; an smbd that was not started
 *         here is told of and left alone */
int keeper_start(const struct keeper_options *o);
int keeper_status(const struct keeper_options *o);
int keeper_stop(const struct keeper_options *o);

/* The keeper itself, in a process of its own; *err: where smbd's first words go. Returns when all
 * has ended: an exit code */
int keeper_run(const struct keeper_options *o, int err);

/* What is in the environment of all that this keeper starts: VARIABLE=NUMBER.START */
#define KEEPER_VARIABLE "COTDB_SMBD_KEEPER"
#define KEEPER_MARK	64 /* bytes */
void keeper_mark(const struct process *keeper, char mark[KEEPER_MARK]);

/* ---- the run file ---------------------------------------------------------------------------- */

enum keeper_state {
	KEEPER_STATE_NONE,    /* there is no run file, or none that can be read */
	KEEPER_STATE_RUNNING, /* or, without a keeper: it was killed */
	KEEPER_STATE_ENDING,  /* words: why */
	KEEPER_STATE_WAITING, /* it has ended with the daemon's engine, and waits for the next one */
	KEEPER_STATE_ENDED,   /* by itself; words: why */
	KEEPER_STATE_STOPPED, /* was asked to, and nothing is left */
};

/* Who started smbd, alive or not: the keeper's number (0: not known) and start, and the sessions that
 * smbd and winbindd lead (0: none) */
struct keeper_id {
	struct process keeper;
	pid_t session[2];
};

struct keeper_file {
	pid_t keeper; /* 0: nobody holds the lock */
	struct keeper_id started_by;
	enum keeper_state state;
	unsigned int port;
	char address[64], lock_dir[PATH_MAX], words[256];
};

/* 0 or -errno; that there is no file is no error */
int keeper_file_read(const struct keeper_options *o, struct keeper_file *f);
/* Takes the lock: the file descriptor, or -errno (-EBUSY: another keeper has it) */
int keeper_file_lock(const struct keeper_options *o);
/* started_by: NULL where there is nothing that it could be asked for */
int keeper_file_write(int fd, const struct keeper_options *o, enum keeper_state state,
		      const char *words, const struct keeper_id *started_by);

/* ---- the daemon's engine --------------------------------------------------------------------- */

struct keeper_engine {
	pid_t pid;
	int pidfd; /* -1: none is known */
};
/* The one that runs now; *e: empty, or an earlier one. 0, or -errno: none is known then */
int keeper_engine_open(const char *run_dir, struct keeper_engine *e);
void keeper_engine_close(struct keeper_engine *e);
bool keeper_engine_has_ended(const struct keeper_engine *e);

enum keeper_engine_next {
	KEEPER_ENGINE_COMES,
	KEEPER_ENGINE_ACTIVE,
	KEEPER_ENGINE_NONE, /* the daemon was stopped, or has failed */
};
/* What follows the one that has ended */
enum keeper_engine_next keeper_engine_next(const char *run_dir, const struct keeper_engine *old);

#endif
