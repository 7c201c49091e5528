/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * client_service.c: messages to and from the daemon itself.
 *
 * After each recovery clients are told RECONFIGURE and IPREALLOCATED, by their own node. CTDB sends
 * the second one when its addresses have moved, which follows each recovery; whoever looks at the
 * addresses then does so here, too.
 *
 * What the ctdb command asks by a message, and waits for an answer to, until it gives up after
 * minutes: a takeover run (ipreallocate), that there be none for a while (reloadips), a report of
 * memory (rddumpmemory). cotdb has no addresses: a run is over as soon as it begins, and the leader
 * says so. The question names node and srvid of whoever waits.
 */
#include "client_private.h"

#include <malloc.h>
#include <stdio.h>
#include <unistd.h>
#include "daemon/log.h"
#include "lib/payload.h"

/* Answers that wait for the end of an event; a flood of questions is not answered */
#define ANSWERS_MAX (64U << 10)

static const uint64_t service_srvids[] = {
	CTDB_SRVID_TAKEOVER_RUN,
	CTDB_SRVID_DISABLE_TAKEOVER_RUNS,
	CTDB_SRVID_DISABLE_RECOVERIES,
	CTDB_SRVID_MEM_DUMP,
};

void clients_service_open(struct clients *s)
{
	for (size_t i = 0; i < sizeof(service_srvids) / sizeof(service_srvids[0]); i++)
		core_register(s->engine->core, CLIENT_ID_SERVICE, service_srvids[i]);
}

static void service_queue(struct clients *s, uint32_t pnn, uint64_t srvid, struct slice data)
{
	size_t size = 16 + data.len;
	uint8_t *p = s->answers.len < ANSWERS_MAX ? queue_reserve(&s->answers, &s->pool, size) : NULL;

	if (p == NULL || srvid == 0)
		return;
	struct writer w = writer_of(p, size);
	writer_u32(&w, pnn);
	writer_u64(&w, srvid);
	writer_block(&w, data.p, data.len);
	queue_commit(&s->answers, w.len);
}

static void service_number(struct clients *s, uint32_t pnn, uint64_t srvid)
{
	uint8_t data[4];
	struct writer w = writer_of(data, sizeof(data));

	writer_u32(&w, s->engine->pnn);
	service_queue(s, pnn, srvid, slice_of(w.p, w.len));
}

static void service_memory(struct clients *s, uint32_t pnn, uint64_t srvid)
{
	struct mallinfo2 m = mallinfo2();
	char text[128];
	int n = snprintf(text, sizeof(text),
			 "cotdb has no recovery daemon; cotdb-engine %d: %zu bytes in use\n",
			 (int)getpid(), m.uordblks);

	service_queue(s, pnn, srvid, slice_of(text, (size_t)n + 1));
}

void clients_service_message(struct clients *s, uint64_t srvid, struct slice data)
{
	struct cursor c = cursor_of(data.p, data.len);
	struct ctdb_srvid_request ask;
	struct ctdb_disable_request disable;

	if (srvid == CTDB_SRVID_TAKEOVER_RUN || srvid == CTDB_SRVID_MEM_DUMP) {
		if (ctdb_srvid_request_decode(&c, &ask) != 0 || c.left > 0)
			return;
		if (srvid == CTDB_SRVID_MEM_DUMP)
			service_memory(s, ask.pnn, ask.srvid);
		else if (s->leader == s->engine->pnn) /* one answer, of all nodes that are asked */
			service_number(s, ask.pnn, ask.srvid);
		return;
	}
	if (ctdb_disable_request_decode(&c, &disable) == 0 && c.left == 0)
		service_number(s, disable.pnn, disable.srvid);
}

void clients_service_answer(struct clients *s)
{
	struct byte_queue now = s->answers;
	struct slice all = queue_slice(&now), data;
	struct cursor c = cursor_of(all.p, all.len);
	uint32_t pnn;
	uint64_t srvid;

	s->answers = (struct byte_queue){ 0 };
	while (cursor_u32(&c, &pnn) == 0 && cursor_u64(&c, &srvid) == 0 &&
	       cursor_block(&c, CTDB_MAX_PACKET, &data) == 0)
		core_message(s->engine->core, pnn, srvid, data);
	queue_clear(&now, &s->pool);
}

void clients_tell_generation(struct clients *s)
{
	struct core *core = s->engine->core;

	s->has_generation_news = false;
	core_message(core, CORE_CURRENT_NODE, CTDB_SRVID_RECONFIGURE, slice_of(NULL, 0));
	core_message(core, CORE_CURRENT_NODE, CTDB_SRVID_IPREALLOCATED, slice_of(NULL, 0));
}
