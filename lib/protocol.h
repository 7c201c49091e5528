/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * protocol.h: the numbers of CTDB's client protocol, as Samba and the ctdb command speak it on the
 * daemon's Unix socket. Facts of the protocol only; what cotdb does with them is elsewhere.
 *
 * Integers have the host's byte order (little endian, see cursor.h). A packet is its header and
 * what the operation needs (codec.h); a control carries a payload of its own (payload.h).
 */
#ifndef COTDB_PROTOCOL_H
#define COTDB_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

#define CTDB_SOCKET_DEFAULT "/run/ctdb/ctdbd.socket"
#define CTDB_SOCKET_ENV	    "CTDB_SOCKET"

#define CTDB_MAGIC	 0x43544442U
#define CTDB_VERSION	 1U
#define CTDB_HEADER_SIZE 32U
/* A packet's length on the client socket is padded to this by a daemon */
#define CTDB_PADDING 8U
/* The longest packet that is taken from a client: a large record, its key, and some slack */
#define CTDB_MAX_PACKET (68U << 20)
#define CTDB_MAX_NODES	1024U
/* The longest key that is served: CTDB has no limit of its own, Samba's keys are far below */
#define CTDB_MAX_KEY	(63U << 10)
#define CTDB_MAX_DBS	1024U

enum ctdb_operation {
	CTDB_REQ_CALL = 0,
	CTDB_REPLY_CALL = 1,
	CTDB_REQ_DMASTER = 2, /* 2, 3 and 9: between CTDB's own daemons only */
	CTDB_REPLY_DMASTER = 3,
	CTDB_REPLY_ERROR = 4,
	CTDB_REQ_MESSAGE = 5,
	CTDB_REQ_CONTROL = 7,
	CTDB_REPLY_CONTROL = 8,
	CTDB_REQ_KEEPALIVE = 9,
	CTDB_REQ_TUNNEL = 10,
};

/* Generation of a node that has no view of the cluster */
#define CTDB_GENERATION_INVALID 1U

/* Node numbers that mean more than a node */
#define CTDB_CURRENT_NODE	 0xF0000001U
#define CTDB_BROADCAST_ALL	 0xF0000002U
#define CTDB_BROADCAST_ACTIVE	 0xF0000003U
#define CTDB_BROADCAST_CONNECTED 0xF0000004U
#define CTDB_UNKNOWN_PNN	 0xFFFFFFFFU

/* REQ_CALL: flags, and what to do once the record is here */
#define CTDB_CALL_IMMEDIATE_MIGRATION 0x1U
#define CTDB_CALL_VACUUM_MIGRATION    0x2U
#define CTDB_CALL_WANT_READONLY	      0x4U
#define CTDB_CALL_NULL		      0xFF000001U
#define CTDB_CALL_FETCH		      0xFF000002U
#define CTDB_CALL_FETCH_WITH_HEADER   0xFF000003U

/* REQ_CONTROL flags */
#define CTDB_CONTROL_NOREPLY		  0x00000001U
#define CTDB_CONTROL_ONLY_AVAILABLE_IPS	  0x00010000U /* of GET_PUBLIC_IPS */
#define CTDB_CONTROL_ATTACH_RECOVERY	  0x00020000U /* of DB_ATTACH and its kin */
#define CTDB_CONTROL_OPCODE_SPECIFIC_MASK 0xFFFF0000U

/* REQ_TUNNEL flags; they mean nothing to a daemon */
#define CTDB_TUNNEL_REQUEST 0x1U
#define CTDB_TUNNEL_REPLY   0x2U
#define CTDB_TUNNEL_NOREPLY 0x10U

/* Flags of a node in GET_NODEMAP */
#define CTDB_NODE_DISCONNECTED	       0x01U
#define CTDB_NODE_UNHEALTHY	       0x02U
#define CTDB_NODE_PERMANENTLY_DISABLED 0x04U
#define CTDB_NODE_BANNED	       0x08U
#define CTDB_NODE_DELETED	       0x10U
#define CTDB_NODE_STOPPED	       0x20U
#define CTDB_NODE_DISABLED	       0x06U
#define CTDB_NODE_INACTIVE	       0x39U

/* Flags of a database in GET_DBMAP */
#define CTDB_DB_PERSISTENT 0x01U
#define CTDB_DB_READONLY   0x02U
#define CTDB_DB_STICKY	   0x04U
#define CTDB_DB_REPLICATED 0x08U

/* The header in front of every value in a database's file */
#define CTDB_RECORD_HEADER_SIZE		24U
#define CTDB_RECORD_PERSISTENT		0x00000001U
#define CTDB_RECORD_PERSISTENT_PROGRESS 0x00000002U
#define CTDB_RECORD_MIGRATED_WITH_DATA	0x00010000U
#define CTDB_RECORD_VACUUM_MIGRATED	0x00020000U
#define CTDB_RECORD_AUTOMATIC		0x00040000U
#define CTDB_RECORD_RO_HAVE_DELEGATIONS 0x01000000U
#define CTDB_RECORD_RO_HAVE_READONLY	0x02000000U
#define CTDB_RECORD_RO_REVOKING		0x04000000U
#define CTDB_RECORD_RO_REVOKE_COMPLETE	0x08000000U
#define CTDB_RECORD_RO_FLAGS		0x0F000000U

/* GET_CAPABILITIES */
#define CTDB_CAP_LEADER	  0x00000001U
#define CTDB_CAP_LMASTER  0x00000002U
#define CTDB_CAP_FEATURES 0x00030000U

enum ctdb_runstate {
	CTDB_RUNSTATE_UNKNOWN,
	CTDB_RUNSTATE_INIT,
	CTDB_RUNSTATE_SETUP,
	CTDB_RUNSTATE_FIRST_RECOVERY,
	CTDB_RUNSTATE_STARTUP,
	CTDB_RUNSTATE_RUNNING,
	CTDB_RUNSTATE_SHUTDOWN,
};

enum ctdb_recmode { CTDB_RECMODE_NORMAL, CTDB_RECMODE_ACTIVE };

/* GET_DEBUG, SET_DEBUG */
enum ctdb_debug {
	CTDB_DEBUG_ERROR = 0,
	CTDB_DEBUG_WARNING = 1,
	CTDB_DEBUG_NOTICE = 3,
	CTDB_DEBUG_INFO = 5,
	CTDB_DEBUG_DEBUG = 10,
};

/* Whom a message is for */
#define CTDB_SRVID_ALL			 0xFFFFFFFFFFFFFFFFULL
#define CTDB_SRVID_RECOVERY		 0xF001000000000000ULL
#define CTDB_SRVID_BANNING		 0xF002000000000000ULL
#define CTDB_SRVID_ELECTION		 0xF100000000000000ULL
#define CTDB_SRVID_LEADER		 0xF101000000000000ULL
#define CTDB_SRVID_RECONFIGURE		 0xF200000000000000ULL
#define CTDB_SRVID_RELEASE_IP		 0xF300000000000000ULL
#define CTDB_SRVID_TAKE_IP		 0xF301000000000000ULL
#define CTDB_SRVID_IPREALLOCATED	 0xF302000000000000ULL
#define CTDB_SRVID_START_IPREALLOCATE	 0xF303000000000000ULL
#define CTDB_SRVID_RECD_UPDATE_IP	 0xF500000000000000ULL
#define CTDB_SRVID_MEM_DUMP		 0xF800000000000000ULL
#define CTDB_SRVID_PUSH_NODE_FLAGS	 0xF900000000000000ULL
#define CTDB_SRVID_RELOAD_NODES		 0xFA00000000000000ULL
#define CTDB_SRVID_TAKEOVER_RUN		 0xFB00000000000000ULL
#define CTDB_SRVID_REBALANCE_NODE	 0xFB01000000000000ULL
#define CTDB_SRVID_DISABLE_TAKEOVER_RUNS 0xFB03000000000000ULL
#define CTDB_SRVID_DISABLE_RECOVERIES	 0xFB04000000000000ULL
#define CTDB_SRVID_DISABLE_IP_CHECK	 0xFC00000000000000ULL
#define CTDB_SRVID_SAMBA_NOTIFY		 0xFE00000000000000ULL
#define CTDB_SRVID_SAMBA_NOTIFY_PROXY	 0xFE00000000000001ULL
#define CTDB_SRVID_SAMBA_PROCESS	 0xFE00000000000002ULL
/* Ranges: the top eight bits, the rest is the user's */
#define CTDB_SRVID_TOOL	  0xCE00000000000000ULL
#define CTDB_SRVID_CLIENT 0xBE00000000000000ULL
#define CTDB_SRVID_TEST	  0xAE00000000000000ULL

/* Opcodes of REQ_CONTROL: CTDB_CONTROL_PING and so on */
enum ctdb_control {
#define CONTROL(number, name, request, reply, use, scope) CTDB_CONTROL_##name = (number),
#include "control.def"
#undef CONTROL
};

/* What a payload looks like: PAYLOAD_U32 and so on */
enum payload_layout {
#define LAYOUT(id, min_bytes, max_bytes) PAYLOAD_##id,
#include "layout.def"
#undef LAYOUT
	PAYLOAD_LAYOUT_COUNT
};

enum control_use {
	CONTROL_USE_CLIENT,   /* sent by Samba or by the ctdb command */
	CONTROL_USE_INTERNAL, /* only CTDB's own daemons and helpers send it */
	CONTROL_USE_RETIRED,  /* answered with -1 for years */
};

struct control_row {
	uint32_t number;
	const char *name; /* "GET_PNN" */
	enum payload_layout request, reply;
	enum control_use use;
	bool is_local; /* concerns the very connection it came by: refused from another node */
};

/* The row of an opcode, or NULL for a number that never was one */
const struct control_row *control_row(uint32_t opcode);
/* The row of a name ("GET_PNN"), or NULL */
const struct control_row *control_by_name(const char *name);

#endif
