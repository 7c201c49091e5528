/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ipc.h: what the processes of one daemon say to each other.
 *
 *   supervisor (sbin/cotdbd)
 *    └─ engine (libexec/cotdb/cotdb-engine)       fd 3: SOCK_SEQPACKET to the supervisor
 *        ├─ cotdb-reclock                         fd 3: SOCK_SEQPACKET to the engine
 *        ├─ cotdb-pacemaker                       fd 3: SOCK_SEQPACKET to the engine
 *        └─ cotdb-tdb-worker (a fixed pool)       fd 3: SOCK_SEQPACKET to the engine
 *
 * Each packet is a u32 type and the fields listed here, written with struct writer and read with
 * struct cursor: u32/u64 little endian, text and bytes as u32 length and bytes. At most
 * IPC_MAX bytes. A process whose channel ends exits at once. The engine is the leader of a process
 * group of its own, in which its helpers stay; children get SIGKILL when their parent dies
 * (PR_SET_PDEATHSIG), all other descriptors are closed on exec.
 *
 * Options are handed down as the same command line (daemon/options.def); the engine's boot id
 * as --boot_id=HEX. The supervisor alone checks options for sense; the others trust them.
 */
#ifndef COTDB_IPC_H
#define COTDB_IPC_H

#include <sys/types.h>
#include "lib/cursor.h"
#include "lib/reason.h"

#define IPC_FD 3
#define IPC_MAX 65536
#define FENCE_BASE_SIZE 32

enum ipc_type {
	/* engine -> supervisor */
	IPC_HEARTBEAT = 1,  /* (none): each second, from the loop */
	IPC_PERSIST,        /* u32 generation, u8 is_outside, u32 n, n x (u32 pnn, u64 boot id): on disk, atomically */
	IPC_ENGINE_STATE,   /* u32 reason, u32 is_active, u32 generation, u32 leader pnn, text */
	IPC_ENGINE_LAST,    /* u32 reason, text: I end now, because */
	IPC_CLIENT,         /* u32 pid, u32 is_connected: for the killing of holders */
	/* supervisor -> engine */
	IPC_PERSISTED = 32, /* u32 generation, u8 is_outside, u32 n, n x (u32 pnn, u64 boot id): first packet, what is on disk */
	IPC_STOP,           /* (none) */
	IPC_RESOLVED,       /* u32 pnn, u64 boot id, u32 is_left: a supervisor has said LEFT or REVOKED */
	IPC_SUPERVISOR,     /* u32 pnn, u32: a supervisor is not in the group (0), is (1), has told what it runs (2) */
	IPC_STARTED,        /* u32 pnn, u64 boot id: an incarnation that may be active */
	IPC_WRITTEN,        /* u32 generation: IPC_PERSIST is done, or has failed and was logged */
	/* engine -> reclock helper. Each request gets one IPC_LOCK_RESULT, in order. */
	IPC_LOCK_TRY = 64, IPC_LOCK_PROBE, IPC_LOCK_CHECK, IPC_LOCK_RELEASE,
	/* reclock helper -> engine */
	IPC_LOCK_RESULT = 96, /* u32 enum core_lock_result, u64 dev, u64 ino, u64 size, u64 latency us, text */
	/* engine -> Pacemaker helper */
	IPC_FENCE_WATCH = 128, /* u32 nodeid, text node name, u64 boot id */
	IPC_FENCE_REQUEST,     /* u32 nodeid, text node name, u64 boot id */
	IPC_TOPOLOGY_CHECK,    /* u32 n, n x (u32 nodeid, text node name): corosync's nodelist */
	IPC_NODE_ATTRIBUTES,   /* text state, u32 generation, text leader's name */
	IPC_FENCE_RESUME,      /* u32 nodeid, text node name, u64 boot id, bytes of IPC_FENCE_BASED: a watch that an
				  earlier helper had begun goes on */
	/* Pacemaker helper -> engine */
	IPC_FENCED = 160,      /* u32 nodeid, u64 boot id: fenced after the watch of that boot id began */
	IPC_FENCE_FAILED,      /* u32 nodeid, u64 boot id, text */
	IPC_TOPOLOGY,          /* u32 reason, text: verdict, repeated when the CIB changes it */
	IPC_PACEMAKER_UP,      /* u32 is_connected, text: CIB and fencer */
	IPC_FENCE_BASED,       /* u32 nodeid, u64 boot id, bytes: from when on the watch counts, for IPC_FENCE_RESUME;
				  FENCE_BASE_SIZE bytes that only the helper understands */
	/* engine -> TDB worker */
	IPC_WORK_LOCK = 192,   /* u64 cookie, text path, u32 tdb flags, bytes key: wait for the chain lock */
	IPC_WORK_UNLOCK,       /* (none): let it go */
	IPC_WORK_FREEZE,       /* u64 cookie, text path, u32 tdb flags: all-record lock, kept until UNLOCK */
	IPC_WORK_SWEEP,        /* u64 cookie, text path, u32 tdb flags: read all records */
	IPC_WORK_READ,         /* u64 cookie, text path, u32 tdb flags, u32 chain, u32 dmaster, u32 with_empty
				  (2: only empty ones), u32 chains: a batch (struct core_traverse_read) */
	/* These begin: total bytes of data follow as IPC_WORK_DATA. Each is answered by IPC_WORK_DONE. */
	IPC_WORK_CHECK,        /* u64 cookie, text path, u32 tdb flags, u64 total: may a rec_buffer be stored? */
	IPC_WORK_APPLY,        /* ... u32 generation, u32 tag, u32 1: instead of all that is there: store it */
	IPC_WORK_REPLACE,      /* ...: all records become these (worker_commit.h) */
	IPC_WORK_MEND,         /* ... (total is 0): what a rolled back commit has left is filled with 0 */
	IPC_WORK_DUMP,         /* ... (total is 0): answered by IPC_WORK_PART first */
	IPC_WORK_DATA,         /* bytes */
	/* TDB worker -> engine */
	IPC_WORK_LOCKED = 224, /* u64 cookie: the chain lock (or all-record lock) is held by the worker */
	IPC_WORK_FAILED,       /* u64 cookie, text */
	IPC_WORK_RECORDS,      /* u64 cookie, u32 next chain, u32 n, n x (u64 rsn, u32 dmaster, u32 flags, bytes key) */
	IPC_WORK_SWEPT,        /* u64 cookie: all records were read */
	IPC_WORK_ENTRIES,      /* u64 cookie, and the next bytes, to the packet's end, of the batch: a stream of
				  (bytes key, bytes value) that is cut anywhere */
	IPC_WORK_READ_DONE,    /* u64 cookie, u32 next chain, u32: 1 if a record was too long to be told */
	IPC_WORK_PART,         /* u64 cookie, bytes: of a whole database */
	IPC_WORK_DONE,         /* u64 cookie, u32 errno */
	/* reclock helper, TDB worker -> engine, at any time */
	IPC_LOG = 256,         /* u32 level (syslog's, and LOG_LEVEL_TRACE), text: to be logged */
};

/* Sends one packet; 0 or -errno (-EAGAIN on a full non-blocking channel) */
int ipc_send(int fd, const struct writer *w);
/* Begins a packet of that type in buf (IPC_MAX bytes) */
struct writer ipc_begin(void *buf, enum ipc_type type);
/* Reads one packet into buf (IPC_MAX bytes): its type, and *c behind it; 0 at end of file;
 * -EAGAIN, -EBADMSG, -errno */
int ipc_receive(int fd, void *buf, struct cursor *c);

/*
 * The supervisor's control socket, supervisor.socket in run_dir (SOCK_SEQPACKET, mode 0700, root
 * only). One request, one answer; the answer is JSON text:
 *   request "status"            at once
 *   request "wait MS"           when active, or the reason is FINAL, or after MS milliseconds
 *   request "stop"              begins a stop; answered when the daemon is about to exit (connection
 *                               ends with the process)
 *   answer  {"state":"active|starting|degraded|stopping|failed", "reason":"no-quorum", "text":"...",
 *            "is_final":false, "ocf":1, "generation":17, "leader":0, "pnn":0, "node":"node1",
 *            "pid":1, "engine_pid":2, "restarts":0, "supervisor":"running", "since_ms":1234}
 * text is a sentence, the reason's and whom it waits for; leader -1: none; engine_pid 0: none;
 * since_ms: how long state and reason have been so. degraded: was active once and is not now, or
 * the engine is being restarted. failed: on its way to exit, with the reason's code.
 */
#define SUPERVISOR_SOCKET "supervisor.socket"
/* In run_dir: the supervisor holds an fcntl() write lock (whole file) on it from its first moment to
 * its end; a free lock is how the agent knows that nothing runs. It goes into the background when
 * it has the lock and listens; when it ends before that, its exit code is the reason's OCF code and
 * the last words on standard error are the sentence for the admin. */
#define SUPERVISOR_RUN_FILE "cotdbd.lock"

#endif
