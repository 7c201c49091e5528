/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * store_seqnum.c: TDB's own sequence number of volatile databases. Clients poll it in the file to
 * see that something has changed, on whatever node (Samba does so for its cache of byte range locks),
 * so a change here has to raise the others' numbers. Of a persistent or replicated database every
 * node writes each commit itself, which raises its number there.
 *
 * libtdb raises it with each write through a handle that has TDB_SEQNUM: the engine's, and those of
 * clients that opened the file with the flags that DB_OPEN_FLAGS tells. Reading it is one word of
 * the mapped header. A change that another node has told of counts as told here: the difference to
 * what this node has to tell stays what it was.
 */
#include "store_private.h"

#include <errno.h>

void store_seqnum_enable(struct store_db *db)
{
	if (db->tdb != NULL && (db->tdb_flags & TDB_SEQNUM) == 0)
		tdb_enable_seqnum(db->tdb);
	if (db->tdb != NULL && (db->tdb_flags & TDB_SEQNUM) == 0)
		db->seqnum = (uint32_t)tdb_get_seqnum(db->tdb);
	db->tdb_flags |= TDB_SEQNUM;
}

static bool seqnum_is_told(const struct store_db *db)
{
	return db->tdb != NULL && (db->tdb_flags & TDB_SEQNUM) != 0 &&
	       !db_flags_replicated(db->flags);
}

void store_seqnum_changed(struct engine *e, bool (*tell)(void *arg, uint32_t db_id), void *arg)
{
	struct store *s = e->store;

	for (size_t i = 0; i < s->db_n; i++) {
		struct store_db *db = s->db[i];
		uint32_t now = seqnum_is_told(db) ? (uint32_t)tdb_get_seqnum(db->tdb) : db->seqnum;

		if (now != db->seqnum && tell(arg, db->id))
			db->seqnum = now;
	}
}

int store_seqnum_raise(struct engine *e, uint32_t db_id)
{
	struct store_db *db = store_db_by_id(e->store, db_id);

	if (db == NULL)
		return -ENOENT;
	if (!seqnum_is_told(db))
		return 0; /* nobody looks at it */
	tdb_increment_seqnum_nonblock(db->tdb);
	db->seqnum++;
	return 0;
}
