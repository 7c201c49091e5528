/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control_refused.c: controls that the ctdb command can cause and that ask for what is not cotdb's:
 * each is told whose it is. What no client sends is refused by its name alone (control.c).
 */
#include "control_handlers.h"

int32_t control_no_addresses(struct control_request *r, struct control_answer *a)
{
	(void)r;
	return control_refuse(a,
			      "addresses, interfaces and tickles are not cotdb's: Pacemaker moves "
			      "addresses (IPaddr2)");
}

int32_t control_no_roles(struct control_request *r, struct control_answer *a)
{
	(void)r;
	return control_refuse(a, "every node of cotdb may lead, and is an lmaster, while it is active");
}

int32_t control_reload_nodes(struct control_request *r, struct control_answer *a)
{
	(void)r;
	return control_refuse(a, "the nodes are those of corosync's nodelist: cotdb follows it by "
				 "itself");
}

/* `ctdb recover`, and wipedb and restoredb when they fail */
int32_t control_set_recmode(struct control_request *r, struct control_answer *a)
{
	struct cursor c = cursor_of(r->data.p, r->data.len);
	uint32_t mode;

	if (cursor_u32(&c, &mode))
		return control_refuse(a, "malformed recovery mode");
	if (mode == (r->clients->is_active ? CTDB_RECMODE_NORMAL : CTDB_RECMODE_ACTIVE))
		return 0;
	return control_refuse(a, "recovery begins and ends by itself with each change of the "
				 "cluster: cotdb status tells what it waits for");
}
