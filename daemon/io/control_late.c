/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * control_late.c: refusals that are told at the next turn of the second's timer. Samba asks for a
 * commit again at once, for ever, when it is refused one; told at once that would keep its process
 * and this one busy all the time.
 */
#include "control_handlers.h"

#include <stdio.h>
#include <stdlib.h>

#define LATE_AT_MOST 1024U

struct control_late {
	struct control_late *next;
	uint64_t client;
	uint32_t reqid;
	int32_t status;
	char text[CONTROL_TEXT_SIZE];
};

void control_late(struct clients *s, uint64_t client, uint32_t reqid, int32_t status,
		  const char *text)
{
	struct control_late *late = s->lates < LATE_AT_MOST ? malloc(sizeof(*late)) : NULL;

	if (late == NULL) {
		control_answer_later(s, client, reqid, status, slice_of(NULL, 0), text);
		return;
	}
	*late = (struct control_late){ s->late, client, reqid, status, "" };
	snprintf(late->text, sizeof(late->text), "%s", text);
	s->late = late;
	s->lates++;
}

/* Those whose client is gone meanwhile are dropped by control_answer_later() */
void control_late_second(struct clients *s)
{
	while (s->late) {
		struct control_late *late = s->late;
		s->late = late->next;
		control_answer_later(s, late->client, late->reqid, late->status, slice_of(NULL, 0),
				     late->text);
		free(late);
	}
	s->lates = 0;
}
