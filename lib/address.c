/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * address.c: addresses in payloads: 28 bytes that hold a sockaddr_in or a sockaddr_in6.
 *
 *   0 family (host order)  2 port (network order)  IPv4: 4 address
 *                                                  IPv6: 4 flowinfo  8 address  24 scope
 * What a family does not use is sent as zeros and ignored when it comes in.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include "payload.h"

int ctdb_address_decode(struct cursor *c, struct ctdb_address *a)
{
	struct slice ip = { NULL, 0 };
	uint16_t port;

	memset(a, 0, sizeof(*a));
	if (cursor_u16(c, &a->family) || cursor_u16(c, &port))
		return -EBADMSG;
	a->port = ntohs(port);
	if (a->family == AF_INET6)
		(void)(cursor_u32(c, &a->flowinfo) || cursor_bytes(c, 16, &ip) ||
		       cursor_u32(c, &a->scope_id));
	else if (a->family == AF_INET)
		(void)(cursor_bytes(c, 4, &ip) || cursor_skip(c, 20));
	else
		(void)cursor_skip(c, 24);
	if (c->failed)
		return -EBADMSG;
	if (ip.len > 0)
		memcpy(a->ip, ip.p, ip.len);
	return 0;
}

void ctdb_address_encode(struct writer *w, const struct ctdb_address *a)
{
	writer_u16(w, a->family);
	writer_u16(w, htons(a->port));
	if (a->family == AF_INET6) {
		writer_u32(w, a->flowinfo);
		writer_bytes(w, a->ip, 16);
		writer_u32(w, a->scope_id);
	} else if (a->family == AF_INET) {
		writer_bytes(w, a->ip, 4);
		writer_zero(w, 20);
	} else {
		writer_zero(w, 24);
	}
}

int ctdb_address_parse(struct ctdb_address *a, const char *text, uint16_t port)
{
	static const uint8_t mapped[12] = { [10] = 0xFF, [11] = 0xFF };

	memset(a, 0, sizeof(*a));
	a->port = port;
	a->family = AF_INET;
	if (inet_pton(AF_INET, text, a->ip) == 1)
		return 0;
	a->family = AF_INET6;
	if (inet_pton(AF_INET6, text, a->ip) != 1)
		return -EINVAL;
	if (memcmp(a->ip, mapped, sizeof(mapped)) == 0) {
		a->family = AF_INET;
		memmove(a->ip, a->ip + 12, 4);
		memset(a->ip + 4, 0, 12);
	}
	return 0;
}

void ctdb_address_text(const struct ctdb_address *a, char text[CTDB_ADDRESS_TEXT_SIZE])
{
	text[0] = '\0';
	if (a->family == AF_INET || a->family == AF_INET6)
		(void)inet_ntop(a->family, a->ip, text, CTDB_ADDRESS_TEXT_SIZE);
}

bool ctdb_address_equal(const struct ctdb_address *a, const struct ctdb_address *b)
{
	return a->family == b->family && a->port == b->port &&
	       memcmp(a->ip, b->ip, sizeof(a->ip)) == 0 && a->scope_id == b->scope_id;
}
