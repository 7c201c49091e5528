/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * transport_link.h: one TCP connection: its handshake, then packets. What it means for the pair of
 * nodes (which link is used, when to connect again) is transport_tcp.c's.
 */
#ifndef COTDB_TRANSPORT_LINK_H
#define COTDB_TRANSPORT_LINK_H

#include <netinet/in.h>
#include "transport.h"
#include "transport_handshake.h"

enum link_state {
	LINK_CONNECTING,
	LINK_HELLO,    /* its HELLO is awaited */
	LINK_STRANGER, /* acceptor: the core does not know that incarnation yet */
	LINK_PROOF,    /* its PROOF is awaited */
	LINK_RECEIVED, /* its RECEIVED is awaited */
	LINK_UP,
	LINK_CLOSED,
};

enum {
	LINK_SMALL = 256,	  /* enough for the handshake */
	LINK_BUFFER = 256 * 1024, /* one read of packets */
};

struct link;
struct peer;

struct transport {
	struct engine *engine;
	struct incarnation self;
	uint8_t key[CORE_KEY_SIZE];
	struct sockaddr_storage address;
	socklen_t address_len;
	uint32_t handshake_timeout_ms, user_timeout_ms;
	int listen_fd;
	bool is_listening_paused;
	qb_loop_timer_handle listen_timer;
	struct peer *peer[CORE_MAX_NODES];
	struct peer *woken, **woken_tail;
	struct link *half_open; /* newest first */
	size_t half_open_n;
	uint64_t stranger_told_ms; /* when the last line about one was written */
	uint64_t strangers_untold;
	struct link *closed; /* freed when nothing on the stack can name them any more */
};

struct peer {
	struct transport *transport;
	struct core_peer known;
	char from[INET6_ADDRSTRLEN]; /* its address, written as link.from is */
	struct link *link;    /* up */
	struct link *attempt; /* our connection that is not up yet */
	uint32_t backoff_ms;
	uint64_t up_ms;
	bool is_retry_armed, is_woken, is_resumed, has_failed;
	qb_loop_timer_handle retry_timer;
	struct peer *next_woken;
};

struct link {
	struct transport *transport;
	struct link *next; /* half_open or closed */
	enum link_state state;
	enum handshake_role role;
	int fd;
	int32_t events; /* polled for */
	bool is_held;
	uint32_t pnn; /* the other's; CORE_UNKNOWN_PNN before its HELLO */
	struct handshake_hello own, theirs;
	qb_loop_timer_handle timer;
	bool is_timer_armed;
	char from[INET6_ADDRSTRLEN];
	bool is_from_peer; /* that is a peer's address, which proves nothing */
	uint8_t small[LINK_SMALL];
	uint8_t *buf; /* small, or allocated */
	size_t size, start, end;
};

/* Takes fd. NULL: no memory, fd is closed */
struct link *link_new(struct transport *t, int fd, enum handshake_role role, uint32_t pnn);
/* why: NULL when it needs no line in the log. The peer hears nothing; see transport_link_closed()
 */
void link_close(struct link *l, const char *why);
/* The core knows that incarnation now: goes on with the handshake */
void link_peer_known(struct link *l);
/* Offers a held packet again */
void link_resume(struct link *l);
/* Writes what the core has for this peer */
void link_output(struct link *l);

/* transport_tcp.c: what a link tells of itself, always outside of the core's ops */
struct peer *transport_peer(struct transport *t, uint32_t pnn);
/* Both have proved themselves: an older link of the pair has to go first */
void transport_link_proved(struct link *l);
/* Up; -ESTALE when the core does not want it */
int transport_link_up(struct link *l, uint64_t peer_received);
/* Was closed by itself, after being in that state */
void transport_link_closed(struct link *l, enum link_state was);

#endif
