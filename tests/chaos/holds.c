/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * holds.c: records of volatile databases, each used as Samba does: lock the chain, look whether the
 * record is here, else unlock and have it brought here; then write, and unlock.
 *
 * A value names who wrote it, so that a reader can tell which write it sees: "ID:NUMBER COUNTER"
 * and a tail of some length, which shows a torn value. Lines of the history:
 *
 *   L time db key rsn write counter   the lock is held, and this was read ("-" 0: empty)
 *   W time write counter              about to be written
 *   E time write                      about to be emptied
 *   F time errno                      what was about to be written was refused
 *   U time                            about to unlock
 *   Q time ms db key                  that long it waited, when that was more than a second
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "chaos.h"

#define HOT_KEYS   6
#define COLD_KEYS  40
#define TAIL_MAX   240
#define VALUE_MAX  (NAME_SIZE + 32 + TAIL_MAX)
#define SLOW_NS	   1000000000U
#define GARBAGE_ID "garbage"

/* What a record's value says */
struct value {
	char write[NAME_SIZE]; /* "-": empty */
	uint64_t counter;
};

static size_t value_make(char text[VALUE_MAX], const struct value *v, size_t tail)
{
	size_t n = (size_t)snprintf(text, VALUE_MAX, "%s %" PRIu64 " ", v->write, v->counter);

	memset(text + n, 'a' + (char)(v->counter % 26), tail);
	text[n + tail] = '.';
	return n + tail + 1;
}

static void value_read(const struct cotdb_record *r, struct value *v)
{
	char text[VALUE_MAX + 1], again[VALUE_MAX];
	int head = 0;

	*v = (struct value){ .write = "-" };
	if (r->len_bytes == 0)
		return;
	if (r->len_bytes <= VALUE_MAX) {
		memcpy(text, r->data, r->len_bytes);
		text[r->len_bytes] = 0;
		if (sscanf(text, "%47s %" SCNu64 " %n", v->write, &v->counter, &head) == 2 &&
		    (size_t)head < r->len_bytes &&
		    value_make(again, v, r->len_bytes - (size_t)head - 1) == r->len_bytes &&
		    memcmp(text, again, r->len_bytes) == 0)
			return;
	}
	*v = (struct value){ .write = GARBAGE_ID };
}

/* What happens to a client while it has the lock */
static void hold_suffer(struct chaos_client *c, uint32_t us)
{
	if (client_dies)
		raise(SIGKILL);
	if (client_stops) {
		client_stops = 0;
		raise(SIGSTOP);
	}
	if (us > 0)
		client_sleep_us(client_random(c, us));
}

/* Writes once; the line of the history that announces it is behind `before`, in one piece with it
 */
static int hold_write(struct chaos_client *c, struct cotdb_record *r, struct value *v,
		      bool is_emptied, const char *before)
{
	char text[VALUE_MAX];
	size_t len;
	int error;

	snprintf(v->write, sizeof(v->write), "%s:%" PRIu64, c->id, c->writes++);
	if (is_emptied) {
		history_say("%sE %" PRIu64 " %s\n", before, history_now_ns(), v->write);
		error = cotdb_delete(r);
	} else {
		v->counter++;
		history_say("%sW %" PRIu64 " %s %" PRIu64 "\n", before, history_now_ns(), v->write,
			    v->counter);
		len = value_make(text, v,
				 r->db == c->volatile_db[0] ? 60 : client_random(c, TAIL_MAX));
		error = cotdb_store(r, text, len);
	}
	if (error != 0)
		history_say("F %" PRIu64 " %d\n", history_now_ns(), -error);
	return error;
}

static int hold(struct chaos_client *c, unsigned int which, unsigned int number)
{
	uint32_t dice = client_random(c, 100);
	uint64_t begin_ns = history_now_ns(), locked_ns;
	char key[16], before[256];
	struct cotdb_record r;
	struct value v;
	int error;

	snprintf(key, sizeof(key), "k%u", number);
	client_glance(c, which == 0 ? "hot" : "cold", key);
	error = cotdb_fetch_lock(c->volatile_db[which],
				 (struct cotdb_key){ .p = key, .len_bytes = strlen(key) }, &r);
	locked_ns = history_now_ns();
	if (locked_ns - begin_ns > SLOW_NS)
		history_say("Q %" PRIu64 " %" PRIu64 " %u %s\n", locked_ns,
			    (locked_ns - begin_ns) / 1000000U, which, key);
	if (error != 0)
		return error;
	value_read(&r, &v);
	snprintf(before, sizeof(before), "L %" PRIu64 " %u %s %" PRIu64 " %s %" PRIu64 "\n",
		 locked_ns, which, key, r.rsn, v.write, v.counter);
	if (dice < 10) { /* look */
		history_say("%s", before);
		hold_suffer(c, 1000);
	} else if (dice < 30 && which == 1) {
		error = hold_write(c, &r, &v, true, before);
	} else if (dice < 50) { /* take, and release */
		error = hold_write(c, &r, &v, false, before);
		hold_suffer(c, 3000);
		if (error == 0)
			error = hold_write(c, &r, &v, false, "");
	} else {
		error = hold_write(c, &r, &v, false, before);
		hold_suffer(c, 0);
	}
	history_say("U %" PRIu64 "\n", history_now_ns());
	cotdb_unlock(&r);
	return error == -ENOMEM || error == -EIO ? -EREMOTEIO : error;
}

int holds_step(struct chaos_client *c)
{
	unsigned int which = client_random(c, 2);

	return hold(c, which, client_random(c, which == 0 ? HOT_KEYS : COLD_KEYS));
}

int holds_all(struct chaos_client *c)
{
	static const unsigned int keys[VOLATILE_DBS] = { HOT_KEYS, COLD_KEYS };

	for (unsigned int which = 0; which < VOLATILE_DBS; which++) {
		for (unsigned int i = 0; i < keys[which]; i++) {
			int error = hold(c, which, i);

			if (error != 0)
				return error;
		}
	}
	return 0;
}
