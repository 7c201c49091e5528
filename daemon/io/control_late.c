/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control_late.c: refusals that are told at the next turn of the second's timer. Samba asks for a
 * commit again at once, for ever, when it is refused one; told at once that would keep its process
 * and this one busy all the time.
 */
#include "control_handlers.h"

#include <stdlib.h>

#define LATE_AT_MOST 1024U

struct control_late {
	struct control_late *next;
	uint64_t client;
	uint32_t reqid;
};

#define COMMIT_TEXT "cotdb does not commit to persistent databases yet"

int32_t control_no_commits(struct control_request *r, struct control_answer *a)
{
	struct clients *s = r->clients;
	struct control_late *late = s->lates < LATE_AT_MOST ? malloc(sizeof(*late)) : NULL;

	if (late == NULL)
		return control_refuse(a, COMMIT_TEXT);
	*late = (struct control_late){ s->late, r->client->id, r->reqid };
	s->late = late;
	s->lates++;
	return CONTROL_LATER;
}

/* Those whose client is gone meanwhile are dropped by control_answer_later() */
void control_late_second(struct clients *s)
{
	while (s->late) {
		struct control_late *late = s->late;
		s->late = late->next;
		control_answer_later(s, late->client, late->reqid, -1, slice_of(NULL, 0),
				     COMMIT_TEXT);
		free(late);
	}
	s->lates = 0;
}
