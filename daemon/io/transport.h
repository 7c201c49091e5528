/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * transport.h: the data plane: packets between the engines of two nodes, in order, without loss
 * while a link lasts. What outlives a link (resending, duplicates) is the core's session; what a
 * link is made of is struct transport_ops.
 */
#ifndef COTDB_TRANSPORT_H
#define COTDB_TRANSPORT_H

#include "engine.h"

struct transport_ops {
	const char *name;
	/* Listens, ...; sets e->transport. 0 or -errno */
	int (*open)(struct engine *e, const struct core_config *self);
	void (*close)(struct engine *e);
	/* The core's ops (core.h has what they mean) */
	void (*peer_set)(struct engine *e, uint32_t pnn, const struct core_peer *peer);
	void (*peer_wake)(struct engine *e, uint32_t pnn);
	void (*peer_resume)(struct engine *e, uint32_t pnn);
	/* Offers again what peer_resume asked for, and writes what the core has queued for the
	 * peers that were woken. Not inside an op. */
	void (*flush)(struct engine *e);
};

extern const struct transport_ops transport_tcp;

#endif
