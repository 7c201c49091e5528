/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * pacemaker.h: the parts of the Pacemaker helper (cotdb-pacemaker). One GLib main loop, because
 * Pacemaker's libraries are made for it; their calls may block, which is why this is a process
 * of its own.
 *
 * Connections come and go together: when either the CIB manager or the fencer is lost, both are
 * closed and connected again after a pause that doubles up to five seconds.
 */
#ifndef COTDB_PACEMAKER_H
#define COTDB_PACEMAKER_H

#include <stdbool.h>
#include <stdint.h>
#include <glib.h>
#include "cib.h"
#include "fence_history.h"
#include "ipc.h"
#include "daemon/options.h"

#define PACEMAKER_CLIENT	   "cotdb"
#define PACEMAKER_TEXT_SIZE	   256	/* what the engine takes, with NUL */
#define PACEMAKER_MAX_INCARNATIONS 2048 /* watches, and requests under way */

struct cib_s;
struct stonith_s;

/* ---- pacemaker_fencer.c: what the fencer did, and requests to it ------------------------------
 */

/* An incarnation of a node whose fencing matters */
struct fencer_node {
	uint32_t nodeid;
	uint64_t boot_id;
	char name[CIB_NAME_SIZE];
	struct fence_watch watch;
	bool is_told;	   /* IPC_FENCED was sent */
	bool is_requested; /* an operation that we asked for is under way */
	guint ask_timer;   /* we are to ask, and wait for what others have asked for */
	guint waited_ms;
};

struct fencer {
	struct stonith_s *st;
	GArray *nodes; /* struct fencer_node */
	guint look_timer;
};

/* ---- pacemaker_cib.c: the CIB, and this node's verdict over it ---------------------------------
 */

struct topology {
	struct cib_s *connection;
	struct cib *cib; /* the last one read; NULL: none yet */
	struct cib_corosync corosync;
	bool has_members; /* the engine has told corosync's nodelist */
	bool has_verdict;
	enum reason verdict;
	char text[PACEMAKER_TEXT_SIZE];
	guint read_timer;
};

/* ---- pacemaker_attribute.c: transient node attributes -------------------------------------------
 */

enum { ATTRIBUTE_STATE, ATTRIBUTE_GENERATION, ATTRIBUTE_LEADER, ATTRIBUTES };

struct attributes {
	char wanted[ATTRIBUTES][CIB_NAME_SIZE];
	char set[ATTRIBUTES][CIB_NAME_SIZE]; /* what Pacemaker has */
	bool is_wanted[ATTRIBUTES], is_set[ATTRIBUTES];
	unsigned int current; /* being set by the running program */
	GPid pid;	      /* 0: none runs */
	guint timer;	      /* ends a program that takes too long, or begins the next try */
};

/* ---- pacemaker.c
 * ----------------------------------------------------------------------------------- */

struct pacemaker {
	GMainLoop *loop;
	struct options options;
	struct fencer fencer;
	struct topology topology;
	struct attributes attributes;
	bool is_up;
	bool is_losing; /* pacemaker_lost() was called, the connections are about to be closed */
	guint connect_timer, backoff_ms;
	uint8_t packet[IPC_MAX];
};

/* One packet to the engine: begun, filled by the caller, sent. A channel that takes nothing more
 * ends the process: the engine is gone. */
struct writer pacemaker_begin(struct pacemaker *p, enum ipc_type type);
void pacemaker_send(const struct writer *w);
/* A connection was lost; may be called from its own callbacks */
void pacemaker_lost(struct pacemaker *p, const char *what);

/* 0 or -errno; nothing is left open on failure */
int fencer_connect(struct pacemaker *p);
void fencer_disconnect(struct pacemaker *p, const char *why);
void fencer_watch(struct pacemaker *p, uint32_t nodeid, const char *name, uint64_t boot_id);
/* The same with a watch that an earlier helper had begun */
void fencer_resume(struct pacemaker *p, uint32_t nodeid, const char *name, uint64_t boot_id,
		   const struct fence_watch *watch);
void fencer_request(struct pacemaker *p, uint32_t nodeid, const char *name, uint64_t boot_id);

int topology_connect(struct pacemaker *p);
void topology_disconnect(struct pacemaker *p);
/* Takes the members, an array of g_malloc() */
void topology_members(struct pacemaker *p, struct cib_member *members, size_t n);
/* Sends the verdict, when it is known and not the same as before */
void topology_judge(struct pacemaker *p);

void attributes_want(struct pacemaker *p, const char *state, uint32_t generation,
		     const char *leader);
/* Pacemaker is there (again): whatever is wanted has to be set */
void attributes_connected(struct pacemaker *p);

#endif
