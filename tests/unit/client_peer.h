/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * client_peer.h: a client of client_world.c's socket, packet by packet, and the child that serves
 * it
 */
#ifndef COTDB_CLIENT_PEER_H
#define COTDB_CLIENT_PEER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "client_world.h"
#include "lib/codec.h"

#define PATIENCE_MS 10000
/* Long enough to see that nothing comes, in a test that expects silence */
#define SILENCE_MS 100

extern char peer_path[64]; /* of the socket */

struct peer {
	int fd;
	uint32_t reqid;
	size_t len;
	uint8_t buf[1 << 21];
};

struct answer {
	struct packet_header h;
	struct reply_control control;
	struct reply_call call;
	struct reply_error error;
	struct req_message message;
};

struct peer *peer_open(void);
void peer_close(struct peer *p);
void peer_send(struct peer *p, const void *data, size_t len);
/* 1: a packet; 0: the connection has ended; -1: nothing came */
int peer_receive_for(struct peer *p, struct answer *a, int timeout_ms);
void peer_receive(struct peer *p, struct answer *a);
/* Waits for the end of the connection, whatever comes before */
void peer_expect_end(struct peer *p);
size_t control_packet(uint8_t *to, size_t size, uint32_t dest, uint32_t reqid,
		      const struct req_control *m);
uint32_t peer_ask(struct peer *p, uint32_t dest, uint32_t opcode, uint64_t srvid, uint32_t flags,
		  const void *data, size_t len);
/* Asks a control and waits for its answer; messages that come between are dropped */
int32_t peer_control(struct peer *p, uint32_t dest, uint32_t opcode, const void *data, size_t len,
		     struct answer *a);
/* The control is refused, with a text that says these words */
void expect_refused(struct peer *p, uint32_t dest, uint32_t opcode, const void *data, size_t len,
		    const char *words);
/* The number that the data of an answer begins with */
uint32_t answer_number(const struct answer *a);
/* A volatile database; its id */
uint32_t peer_attach(struct peer *p, const char *name);
void peer_set_tunable(struct peer *p, const char *name, uint32_t value);
void peer_message(struct peer *p, uint32_t dest, uint64_t srvid, const void *data, size_t len);
void peer_call(struct peer *p, uint32_t reqid, uint32_t db_id, uint32_t callid, const char *key);
void peer_command(struct peer *p, enum world_command command);
/* The daemon is there and serves others */
void expect_well(void);

/* Around a test, a world that is active, or is not yet */
int peer_setup_active(void **state);
int peer_setup_waiting(void **state);
int peer_teardown(void **state);
#define ACTIVE(test)  cmocka_unit_test_setup_teardown(test, peer_setup_active, peer_teardown)
#define WAITING(test) cmocka_unit_test_setup_teardown(test, peer_setup_waiting, peer_teardown)
/* main() of such a test program. With --serve PATH it leaves the child's part to try tools on by
 * hand. */
int peer_main(int argc, char **argv, int (*tests)(void));

#endif
