/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * supervisor.h: the parts of sbin/cotdbd. One qb_loop; every handler of an event ends with
 * supervisor_after_event(), which does what the state machine (daemon/core/supervise.h) has asked
 * for and arms the one timer.
 *
 *   supervisor_main.c     command line, into the background
 *   supervisor.c          the loop, and the state machine's hands
 *   supervisor_start.c    what has to be so before anything is started
 *   supervisor_engine.c   the engine: start, channel, end, reaping
 *   supervisor_group.c    the CPG group of the supervisors: LEFT and REVOKED
 *   supervisor_roster.c   ... and what each of them runs
 *   supervisor_control.c  the control socket
 */
#ifndef COTDB_SUPERVISOR_H
#define COTDB_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <corosync/cmap.h>
#include <corosync/cpg.h>
#include <qb/qbloop.h>
#include "daemon/core/roster.h"
#include "daemon/core/supervise.h"
#include "daemon/helper/ipc.h"
#include "daemon/helper/persist_writer.h"
#include "daemon/helper/retire.h"
#include "daemon/options.h"

#define SUPERVISOR_NEVER	UINT64_MAX
#define SUPERVISOR_RESOLVED_MAX 256U
#define SUPERVISOR_OUTBOX_MAX	64U

/* What the engine says of itself */
struct engine_state {
	bool is_known;
	enum reason reason;
	bool is_active;
	uint32_t generation, leader_pnn;
	char text[256];
};

struct supervisor_engine {
	pid_t pid; /* also its process group; 0: none */
	uint64_t boot_id;
	int fd; /* its channel, -1: none */
	bool is_reaped;
	enum reason last; /* IPC_ENGINE_LAST */
	char last_text[256];
	struct engine_state state;
	pid_t
	    *clients; /* processes that were connected, those that are gone now and then left out */
	size_t clients_n, clients_size;
};

struct resolved {
	struct incarnation inc;
	bool is_left;
};

struct group_message {
	uint32_t type;
	struct incarnation inc;
	size_t roster_len; /* of a GROUP_ROSTER: what roster.c says */
	uint8_t roster[ROSTER_MESSAGE];
};

struct supervisor_group {
	cpg_handle_t handle;
	int fd;						   /* -1: not connected */
	struct resolved resolved[SUPERVISOR_RESOLVED_MAX]; /* the last ones, oldest first */
	size_t resolved_n;
	struct group_message outbox[SUPERVISOR_OUTBOX_MAX]; /* corosync did not take them yet */
	size_t outbox_n;
	uint64_t retry_ms;
	uint64_t sent, delivered; /* of our own messages */
};

struct control_client;

struct supervisor {
	qb_loop_t *loop;
	qb_loop_timer_handle timer;
	struct options options;
	char *const *engine_options; /* the options as given, for the engine; NULL at the end */
	char engine_path[4200];
	uint32_t nodeid, pnn;
	char node_name[CORE_NAME_SIZE];
	struct supervise *machine;

	int run_lock_fd; /* closing it would give the run-file lock away */
	struct supervisor_engine engine;
	struct supervisor_group group;
	struct roster roster;
	struct persist persisted; /* what is on disk, or about to be */
	bool is_persist_wanted;
	uint64_t mark_due_ms; /* who has ended is written by then; 0: it is */
	struct persist_writer writer;

	int control_fd;
	struct control_client *clients;
	size_t clients_n;

	bool was_active;
	uint64_t since_ms; /* of the state that status shows */
	const char *shown_state;
	enum reason shown_reason;

	/* asked for by the state machine, done in supervisor_after_event() */
	bool is_engine_wanted, is_engine_ended;
	struct retire *retire;
	int retire_error;
	bool is_exiting;
	enum reason exit_reason;
	uint64_t exit_deadline_ms, linger_until_ms;
};

/* Why the daemon cannot start: REASON_NONE, or a reason and a sentence */
struct start_error {
	enum reason why;
	char text[512];
};

/* supervisor.c */
/* All checks, then everything is set up; why it cannot be, with a sentence, or REASON_NONE */
int supervisor_begin(struct supervisor *s, struct start_error *e);
/* Until the end; the exit code */
int supervisor_run(struct supervisor *s);
uint64_t supervisor_now_ms(void);
void supervisor_after_event(struct supervisor *s);
/* Writes s->persisted to disk by s->writer */
void supervisor_persist(struct supervisor *s);

/* supervisor_start.c. Each returns e->why. */
int start_options_check(const struct options *o, struct start_error *e);
int start_folders_make(const struct options *o, struct start_error *e);
int start_run_lock(struct supervisor *s, struct start_error *e);
int start_world_check(struct supervisor *s, struct start_error *e);
int start_corosync(struct supervisor *s, struct start_error *e);
void start_protect(void);
void start_pid_file(const struct supervisor *s);

/* supervisor_engine.c */
void engine_launch(struct supervisor *s); /* tells the state machine */
void engine_ask_stop(struct supervisor *s);
void engine_kill(struct supervisor *s);
/* A child was reaped; whether it was the engine */
bool engine_reaped(struct supervisor *s, pid_t pid, int status);
/* After children were reaped: notices that engine and workers are gone */
void engine_check_ended(struct supervisor *s);
/* Reads what is in the channel now */
void engine_drain(struct supervisor *s);
void engine_tell_resolved(struct supervisor *s, const struct resolved *r);
void engine_tell_supervisor(struct supervisor *s, uint32_t pnn, bool is_present, bool has_told);
void engine_tell_started(struct supervisor *s, struct incarnation inc);
void engine_tell_written(struct supervisor *s, uint32_t generation);
uint64_t engine_boot_id_make(void);
void engine_forget_clients(struct supervisor *s);

/* supervisor_group.c */
int group_join(struct supervisor *s, struct start_error *e);
int group_watch(struct supervisor *s);
void group_tell_roster(struct supervisor *s, const void *msg, size_t len);
void group_announce(struct supervisor *s, struct incarnation inc, bool is_left);
/* Everything sent was delivered, or cannot be any more */
bool group_is_quiet(const struct supervisor *s);
void group_retry(struct supervisor *s);
/* is_clean: nothing of this node is left behind; the others are told so by corosync */
void group_leave(struct supervisor *s, bool is_clean);

/* supervisor_roster.c */
void supervisor_roster_begin(struct supervisor *s, cmap_handle_t map);
void supervisor_roster_ring(struct supervisor *s, const uint32_t *nodeid, size_t n);
/* Who has ended is marked in s->persisted, and that is written */
void supervisor_roster_mark(struct supervisor *s);
/* Tells the engine who was marked so before this supervisor's time */
void supervisor_roster_tell_over(struct supervisor *s);

/* supervisor_control.c */
int control_open(struct supervisor *s, struct start_error *e);
int control_watch(struct supervisor *s);
void control_progress(struct supervisor *s); /* answers who waits, when it is time */
uint64_t control_deadline_ms(const struct supervisor *s);
/* Answers everybody who waits, with how it ends */
void control_close(struct supervisor *s);

#endif
