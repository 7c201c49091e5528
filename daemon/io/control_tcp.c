/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control_tcp.c: TCP_CLIENT and its kin: which TCP connections of SMB clients a Samba process serves.
 * They are kept with its connection to us, and go with it; `cotdb status` tells them. Nothing else
 * is done with them yet: cotdb has no addresses, so it has no tickles to send
 * (GET_TCP_TICKLE_LIST says so).
 */
#include "control_handlers.h"

#include <stdlib.h>

/* A process of Samba serves one client, of a few connections. The oldest is forgotten. */
#define TCP_MAX 64U

struct client_tcp {
	struct ctdb_connection c;
};

static int tcp_decode(struct control_request *r, struct ctdb_connection *t)
{
	struct cursor c = cursor_of(r->data.p, r->data.len);

	return ctdb_connection_decode(&c, t);
}

static bool tcp_remove(struct client *cl, const struct ctdb_connection *t)
{
	for (size_t i = 0; i < cl->tcp_n; i++) {
		if (!ctdb_address_equal(&cl->tcp[i].c.src, &t->src) ||
		    !ctdb_address_equal(&cl->tcp[i].c.dst, &t->dst))
			continue;
		cl->tcp_n--;
		memmove(&cl->tcp[i], &cl->tcp[i + 1], (cl->tcp_n - i) * sizeof(cl->tcp[0]));
		return true;
	}
	return false;
}

int32_t control_tcp_client(struct control_request *r, struct control_answer *a)
{
	struct ctdb_connection t;
	struct client *cl = r->client;
	struct client_tcp *more;

	if (tcp_decode(r, &t) != 0)
		return control_refuse(a, "malformed addresses");
	tcp_remove(cl, &t);
	if (cl->tcp_n == TCP_MAX)
		memmove(&cl->tcp[0], &cl->tcp[1], --cl->tcp_n * sizeof(cl->tcp[0]));
	more = realloc(cl->tcp, (cl->tcp_n + 1) * sizeof(*more));
	if (more == NULL)
		return control_refuse(a, "no memory");
	cl->tcp = more;
	cl->tcp[cl->tcp_n++].c = t;
	return 0;
}

/* The connection has ended, or another process has it and tells so by itself. One that is not known
 * is no error. */
int32_t control_tcp_client_gone(struct control_request *r, struct control_answer *a)
{
	struct ctdb_connection t;

	if (tcp_decode(r, &t) != 0)
		return control_refuse(a, "malformed addresses");
	tcp_remove(r->client, &t);
	return 0;
}

const struct ctdb_connection *client_tcp_at(const struct client *cl, size_t i)
{
	return i < cl->tcp_n ? &cl->tcp[i].c : NULL;
}
