/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * client.c: one client: connects to its node's daemon, attaches the databases, does one thing after
 * the other, and begins anew when the connection ends, as Samba's processes do that are started
 * again.
 *
 * Lines of the history:
 *   S time node boot file   a session begins; file: device and inode of a volatile database's file.
 * A retired one is unlinked, so this names one incarnation of the node X time errno            it
 * ended
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "chaos.h"

#define TIMEOUT_MS	150000 /* above RecoveryDropAllIPs: the daemon has the last word */
#define ONCE_TIMEOUT_MS 60000
#define PAUSE_US	40000 /* at most, between two things */
#define RECONNECT_US	50000
#define TRANSFER_EACH	100 /* so many things it does, on average, and then a transfer */

volatile sig_atomic_t client_is_over, client_stops, client_dies;

uint32_t client_random(struct chaos_client *c, uint32_t below)
{
	c->random = c->random * 6364136223846793005U + 1442695040888963407U;
	return (uint32_t)(c->random >> 33) % below;
}

void client_sleep_us(uint32_t us)
{
	(void)nanosleep(
	    &(struct timespec){ .tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000 },
	    NULL);
}

void client_glance(struct chaos_client *c, const char *what, const char *which)
{
	snprintf(c->glance->doing, sizeof(c->glance->doing), "%s %s", what, which);
	c->glance->since_ns = history_now_ns();
}

static int session_begin(struct chaos_client *c, const struct chaos_options *o)
{
	static const char *const names[VOLATILE_DBS] = { "chaos-hot.tdb", "chaos-cold.tdb" };
	struct stat s;
	int error;

	client_glance(c, "connect", "");
	error = cotdb_connect(&c->h, NULL, o->once != NULL ? ONCE_TIMEOUT_MS : TIMEOUT_MS);
	for (int i = 0; i < VOLATILE_DBS && error == 0; i++)
		error = cotdb_attach(c->h, names[i], COTDB_DB_VOLATILE, &c->volatile_db[i]);
	if (error == 0)
		error =
		    cotdb_attach(c->h, "chaos-bank.tdb", COTDB_DB_PERSISTENT, &c->persistent_db);
	if (error == 0 && fstat(tdb_fd(c->volatile_db[0]->tdb), &s) != 0)
		error = -errno;
	if (error == 0)
		history_say("S %" PRIu64 " %s %s %jx.%ju\n", history_now_ns(), o->node, o->boot,
			    (uintmax_t)s.st_dev, (uintmax_t)s.st_ino);
	return error;
}

static int session_go_on(struct chaos_client *c)
{
	int error = 0;

	while (!client_is_over && (error == 0 || error == -EREMOTEIO)) {
		error = client_random(c, TRANSFER_EACH) == 0 ? transfers_step(c) : holds_step(c);
		client_sleep_us(client_random(c, PAUSE_US));
	}
	return error;
}

static int once(struct chaos_client *c, const struct chaos_options *o)
{
	int error;

	if (strcmp(o->once, "look") == 0)
		return transfers_look(c);
	error = holds_all(c);
	return error != 0 ? error : transfers_step(c);
}

int client_run(const struct chaos_options *o, unsigned int slot, unsigned int number,
	       struct glance *g)
{
	struct chaos_client c = { .glance = g };
	int error;

	snprintf(c.slot, sizeof(c.slot), "%s.%s%u", o->node, o->once != NULL ? o->once : "", slot);
	snprintf(c.id, sizeof(c.id), "%s.%s.%s%u.%u", o->node, o->crew,
		 o->once != NULL ? o->once : "", slot, number);
	c.random = history_now_ns() * 2 + (uint64_t)getpid();
	error = history_open(o->folder, c.id);
	while (error == 0 && !client_is_over) {
		error = session_begin(&c, o);
		if (error == 0)
			error = o->once != NULL ? once(&c, o) : session_go_on(&c);
		history_say("X %" PRIu64 " %d\n", history_now_ns(), -error);
		cotdb_close(c.h);
		c.h = NULL;
		if (o->once != NULL)
			break;
		error = 0;
		client_sleep_us(RECONNECT_US);
	}
	if (error != 0)
		fprintf(stderr, "client %s, %s: %s\n", c.id, g->doing, strerror(-error));
	return error != 0;
}
