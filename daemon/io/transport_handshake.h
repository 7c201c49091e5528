/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * transport_handshake.h: how the two ends of a new connection prove to each other who they are.
 * Bytes and keys only, no sockets.
 *
 *   connector                                  acceptor
 *   HELLO                       ->
 *                               <-             HELLO, PROOF
 *   PROOF, RECEIVED             ->
 *                               <-             RECEIVED
 *
 * PROOF is an HMAC-SHA256 over the prover's role and both HELLOs, with a key made of the keys that
 * both engines sent to the group. RECEIVED is the number of the last packet that this side has of
 * the pair's session. All integers little endian; each frame begins with its length.
 */
#ifndef COTDB_TRANSPORT_HANDSHAKE_H
#define COTDB_TRANSPORT_HANDSHAKE_H

#include "daemon/core/core.h"
#include "lib/cursor.h"

#define HANDSHAKE_MAGIC	  0x50544F43U /* "COTP" */
#define HANDSHAKE_VERSION 1U
enum {
	HANDSHAKE_NONCE = 32,
	HANDSHAKE_MAC = 32,
	HANDSHAKE_HELLO_LEN = 4 + 4 + 4 + 4 + 4 + 8 + HANDSHAKE_NONCE,
	HANDSHAKE_PROOF_LEN = 4 + HANDSHAKE_MAC,
	HANDSHAKE_RECEIVED_LEN = 4 + 8,
};

struct handshake_hello {
	uint32_t version, pnn, to_pnn;
	uint64_t boot_id;
	uint8_t nonce[HANDSHAKE_NONCE];
};

enum handshake_role { HANDSHAKE_CONNECTOR = 1, HANDSHAKE_ACCEPTOR = 2 };

/* One whole frame each: 0 or -EBADMSG */
int handshake_hello_decode(struct slice frame, struct handshake_hello *h);
int handshake_proof_decode(struct slice frame, struct slice *mac);
int handshake_received_decode(struct slice frame, uint64_t *received);
void handshake_hello_encode(struct writer *w, const struct handshake_hello *h);
void handshake_proof_encode(struct writer *w, const uint8_t mac[HANDSHAKE_MAC]);
void handshake_received_encode(struct writer *w, uint64_t received);

/* What the prover in that role sends; 0 or -EIO */
int handshake_mac(const uint8_t connector_key[CORE_KEY_SIZE],
		  const uint8_t acceptor_key[CORE_KEY_SIZE], enum handshake_role prover,
		  const struct handshake_hello *connector, const struct handshake_hello *acceptor,
		  uint8_t mac[HANDSHAKE_MAC]);
/* In constant time */
bool handshake_mac_equal(const uint8_t mac[HANDSHAKE_MAC], struct slice other);

#endif
