/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control_seqnum.c: ENABLE_SEQNUM and UPDATE_SEQNUM: clients of all nodes see by a database's own
 * sequence number that something has changed (store_seqnum.c). Each SeqnumInterval the active nodes
 * are told which have changed here since; nothing is done when a record changes. The timer runs from
 * the first ENABLE_SEQNUM on.
 *
 * A node to which much is queued is left out, and told with the next turn: the others then hear of
 * the same change twice, which to a client is only one more look at its database.
 */
#include "control_handlers.h"

#include "daemon/log.h"
#include "store.h"

#define INTERVAL_MIN_MS 10U

static bool seqnum_tell(void *arg, uint32_t db_id)
{
	struct clients *s = arg;
	struct core *core = s->engine->core;
	uint8_t data[4];
	struct writer w = writer_of(data, sizeof(data));
	struct req_control m = { .opcode = CTDB_CONTROL_UPDATE_SEQNUM,
				 .flags = CTDB_CONTROL_NOREPLY };
	struct core_node_status n;
	bool is_told = true;

	writer_u32(&w, db_id);
	m.data = slice_of(w.p, w.len);
	for (size_t i = 0; core_node_status(core, i, &n) == 0; i++) {
		if (n.pnn == s->engine->pnn || n.state != CORE_NODE_ACTIVE)
			continue;
		if (core_is_peer_congested(core, n.pnn))
			is_told = false;
		else
			control_tell(s, n.pnn, &m);
	}
	return is_told;
}

static void seqnum_arm(struct clients *s);

static void seqnum_due(void *data)
{
	struct clients *s = data;

	s->has_seqnum_timer = false;
	if (s->is_active)
		store_seqnum_changed(s->engine, seqnum_tell, s);
	seqnum_arm(s);
	engine_after_event(s->engine);
}

static void seqnum_arm(struct clients *s)
{
	uint64_t ms = tunable_get(&s->tunables, TUNABLE_SeqnumInterval);

	if (s->has_seqnum_timer)
		return;
	if (ms < INTERVAL_MIN_MS)
		ms = INTERVAL_MIN_MS;
	if (qb_loop_timer_add(s->engine->loop, QB_LOOP_LOW, ms * QB_TIME_NS_IN_MSEC, s, seqnum_due,
			      &s->seqnum_timer) == 0)
		s->has_seqnum_timer = true;
	else
		log_error("no timer for the sequence numbers of databases");
}

void control_seqnum_close(struct clients *s)
{
	if (s->has_seqnum_timer)
		qb_loop_timer_del(s->engine->loop, s->seqnum_timer);
	s->has_seqnum_timer = false;
}

int32_t control_enable_seqnum(struct control_request *r, struct control_answer *a)
{
	struct core_db_info info;
	int32_t status = control_db_find(r, a, &info);

	if (status != 0)
		return status;
	if (store_db_enable_seqnum(r->engine, info.db_id) != 0)
		return control_refuse(a, "database %s is not open on this node yet", info.name);
	seqnum_arm(r->clients);
	return 0;
}

/* Other nodes tell it. As with CTDB, one from a client of this node changes nothing. */
int32_t control_update_seqnum(struct control_request *r, struct control_answer *a)
{
	struct core_db_info info;
	int32_t status = control_db_find(r, a, &info);

	if (status == 0 && r->client == NULL)
		store_seqnum_raise(r->engine, info.db_id);
	return status;
}
