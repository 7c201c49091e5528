/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * transport_handshake.c: see the header. The key of a pair is both engines' keys one after the
 * other, the connector's first: who is not in the group knows neither, and two engines that know
 * a third one's key still need each other's. The role in front keeps one side's proof from being
 * sent back to it as the other's; the nonces keep an old proof from being used again.
 */
#include "transport_handshake.h"

#include <errno.h>
#include <sodium/crypto_auth_hmacsha256.h>
#include <sodium/utils.h>
#include <string.h>

_Static_assert(HANDSHAKE_MAC == crypto_auth_hmacsha256_BYTES, "HMAC with SHA-256");

static const char handshake_label[] = "cotdb peer proof 1";

int handshake_hello_decode(struct slice frame, struct handshake_hello *h)
{
	struct cursor c = cursor_of(frame.p, frame.len);
	uint32_t len, magic;
	struct slice nonce;

	if (cursor_u32(&c, &len) || cursor_u32(&c, &magic) || cursor_u32(&c, &h->version) ||
	    cursor_u32(&c, &h->pnn) || cursor_u32(&c, &h->to_pnn) || cursor_u64(&c, &h->boot_id) ||
	    cursor_bytes(&c, HANDSHAKE_NONCE, &nonce) || cursor_end(&c) || len != frame.len ||
	    magic != HANDSHAKE_MAGIC)
		return -EBADMSG;
	memcpy(h->nonce, nonce.p, HANDSHAKE_NONCE);
	return 0;
}

int handshake_proof_decode(struct slice frame, struct slice *mac)
{
	struct cursor c = cursor_of(frame.p, frame.len);
	uint32_t len;

	if (cursor_u32(&c, &len) || cursor_bytes(&c, HANDSHAKE_MAC, mac) || cursor_end(&c) ||
	    len != frame.len)
		return -EBADMSG;
	return 0;
}

int handshake_received_decode(struct slice frame, uint64_t *received)
{
	struct cursor c = cursor_of(frame.p, frame.len);
	uint32_t len;

	if (cursor_u32(&c, &len) || cursor_u64(&c, received) || cursor_end(&c) || len != frame.len)
		return -EBADMSG;
	return 0;
}

static void handshake_hello_body(struct writer *w, const struct handshake_hello *h)
{
	writer_u32(w, HANDSHAKE_MAGIC);
	writer_u32(w, h->version);
	writer_u32(w, h->pnn);
	writer_u32(w, h->to_pnn);
	writer_u64(w, h->boot_id);
	writer_bytes(w, h->nonce, HANDSHAKE_NONCE);
}

void handshake_hello_encode(struct writer *w, const struct handshake_hello *h)
{
	writer_u32(w, HANDSHAKE_HELLO_LEN);
	handshake_hello_body(w, h);
}

void handshake_proof_encode(struct writer *w, const uint8_t mac[HANDSHAKE_MAC])
{
	writer_u32(w, HANDSHAKE_PROOF_LEN);
	writer_bytes(w, mac, HANDSHAKE_MAC);
}

void handshake_received_encode(struct writer *w, uint64_t received)
{
	writer_u32(w, HANDSHAKE_RECEIVED_LEN);
	writer_u64(w, received);
}

int handshake_mac(const uint8_t connector_key[CORE_KEY_SIZE],
		  const uint8_t acceptor_key[CORE_KEY_SIZE], enum handshake_role prover,
		  const struct handshake_hello *connector, const struct handshake_hello *acceptor,
		  uint8_t mac[HANDSHAKE_MAC])
{
	uint8_t key[2 * CORE_KEY_SIZE];
	uint8_t text[sizeof(handshake_label) + 1 + 2 * HANDSHAKE_HELLO_LEN];
	struct writer w = writer_of(text, sizeof(text));
	crypto_auth_hmacsha256_state state;

	writer_bytes(&w, handshake_label, sizeof(handshake_label));
	writer_u8(&w, (uint8_t)prover);
	handshake_hello_body(&w, connector);
	handshake_hello_body(&w, acceptor);
	memcpy(key, connector_key, CORE_KEY_SIZE);
	memcpy(key + CORE_KEY_SIZE, acceptor_key, CORE_KEY_SIZE);
	crypto_auth_hmacsha256_init(&state, key, sizeof(key));
	crypto_auth_hmacsha256_update(&state, text, w.len);
	crypto_auth_hmacsha256_final(&state, mac);
	sodium_memzero(key, sizeof(key));
	sodium_memzero(&state, sizeof(state));
	return w.failed ? -EIO : 0;
}

bool handshake_mac_equal(const uint8_t mac[HANDSHAKE_MAC], struct slice other)
{
	return other.len == HANDSHAKE_MAC && sodium_memcmp(mac, other.p, HANDSHAKE_MAC) == 0;
}
