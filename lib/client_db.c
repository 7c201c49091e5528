/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * client_db.c: databases of libcotdb: attach, and records under their chain locks.
 *
 * A client reads and writes the node's TDB file itself. Under the chain lock a record may be
 * written when its header says that this node is its dmaster and no read-only copies exist.
 * If not, the lock is let go and the daemon is asked, by a call that does nothing else (NULL), to
 * bring the record; meanwhile anybody may take it away again, so that is a loop.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include "client.h"
#include "payload.h"

static TDB_DATA tdb_key(struct cotdb_key key)
{
	union {
		const void *in;
		unsigned char *out; /* libtdb does not change it, but has no const */
	} p = { .in = key.p };

	return (TDB_DATA){ .dptr = p.out, .dsize = key.len_bytes };
}

/* libtdb's error as -errno */
static int tdb_errno(struct tdb_context *tdb)
{
	switch (tdb_error(tdb)) {
	case TDB_ERR_NOEXIST:
		return -ENOENT;
	case TDB_ERR_OOM:
		return -ENOMEM;
	case TDB_ERR_CORRUPT:
		return -EUCLEAN;
	default:
		return -EIO;
	}
}

/* A control about a database to the own node. data of the reply is lent */
static int db_control(struct cotdb *h, uint32_t opcode, const void *data, size_t len,
		      struct slice *reply_data)
{
	struct cotdb_control c = {
		.pnn = CTDB_CURRENT_NODE, .opcode = opcode, .data = data, .len_bytes = len
	};
	const struct control_row *row = control_row(opcode);
	struct cotdb_reply reply;
	int r = cotdb_control(h, &c, &reply);

	if (r != 0)
		return r;
	if (reply.status != 0)
		return -EREMOTEIO;
	*reply_data = slice_of(reply.data, reply.len_bytes);
	return payload_check(row->reply, *reply_data) ? h->error = -EBADMSG : 0;
}

static uint32_t u32_of(struct slice s)
{
	struct cursor c = cursor_of(s.p, s.len);
	uint32_t v;

	(void)cursor_u32(&c, &v);
	return v;
}

static int db_open_file(struct cotdb_db *db)
{
	struct cotdb *h = db->h;
	struct slice reply;
	char *path;
	int r, tdb_flags;

	r = db_control(h, CTDB_CONTROL_DB_OPEN_FLAGS, &db->db_id, sizeof(db->db_id), &reply);
	if (r != 0)
		return r;
	tdb_flags = (int)u32_of(reply);
	r = db_control(h, CTDB_CONTROL_GETDBPATH, &db->db_id, sizeof(db->db_id), &reply);
	if (r != 0)
		return r;
	if (asprintf(&path, "%s%s", h->root != NULL ? h->root : "", (const char *)reply.p) < 0)
		return -ENOMEM;
	db->tdb = tdb_open(path, 0, tdb_flags, O_RDWR, 0);
	r = db->tdb != NULL ? 0 : -errno;
	free(path);
	return r;
}

int cotdb_attach(struct cotdb *h, const char *name, uint32_t type, struct cotdb_db **db)
{
	struct cotdb_db *n;
	struct slice reply;
	uint32_t opcode = type == COTDB_DB_PERSISTENT	? CTDB_CONTROL_DB_ATTACH_PERSISTENT
			  : type == COTDB_DB_REPLICATED ? CTDB_CONTROL_DB_ATTACH_REPLICATED
							: CTDB_CONTROL_DB_ATTACH;
	int r;

	*db = NULL;
	r = db_control(h, opcode, name, strlen(name) + 1, &reply);
	if (r != 0)
		return r;
	n = calloc(1, sizeof(*n));
	if (n == NULL)
		return -ENOMEM;
	n->h = h;
	n->type = type;
	n->db_id = u32_of(reply);
	r = db_open_file(n);
	if (r != 0) {
		free(n);
		return r;
	}
	n->next = h->dbs;
	h->dbs = n;
	*db = n;
	return 0;
}

void client_db_close(struct cotdb_db *db)
{
	(void)tdb_close(db->tdb);
	free(db);
}

uint32_t cotdb_db_id(const struct cotdb_db *db)
{
	return db->db_id;
}

/* What a read of the local file found */
struct found {
	bool is_there; /* a record of at least a header */
	struct ctdb_record_header header;
	uint8_t *body; /* never NULL when is_there; for free() */
	size_t len;
};

static int found_parse(TDB_DATA key, TDB_DATA data, void *private_data)
{
	struct found *f = private_data;
	struct slice body;

	(void)key;
	if (ctdb_record_split(slice_of(data.dptr, data.dsize), &f->header, &body))
		return 0;
	f->body = malloc(body.len + 1);
	if (f->body == NULL)
		return -1;
	memcpy(f->body, body.p, body.len);
	f->len = body.len;
	f->is_there = true;
	return 0;
}

static int found_read(struct cotdb_db *db, struct cotdb_key key, struct found *f)
{
	*f = (struct found){ .is_there = false };
	if (tdb_parse_record(db->tdb, tdb_key(key), found_parse, f) == 0)
		return 0;
	if (tdb_error(db->tdb) == TDB_ERR_NOEXIST)
		return 0;
	return f->body == NULL ? tdb_errno(db->tdb) : 0;
}

/* What users of the library see */
_Static_assert(COTDB_MAX_KEY == CTDB_MAX_KEY, "the longest key");
_Static_assert(COTDB_CALL_NULL == CTDB_CALL_NULL && COTDB_CALL_FETCH == CTDB_CALL_FETCH &&
		   COTDB_CALL_FETCH_WITH_HEADER == CTDB_CALL_FETCH_WITH_HEADER,
	       "what calls do");
_Static_assert(COTDB_CALL_IMMEDIATE_MIGRATION == CTDB_CALL_IMMEDIATE_MIGRATION &&
		   COTDB_CALL_WANT_READONLY == CTDB_CALL_WANT_READONLY,
	       "flags of calls");

static bool key_is_valid(struct cotdb_key key)
{
	return key.len_bytes > 0 && key.len_bytes <= CTDB_MAX_KEY;
}

int cotdb_try_lock(struct cotdb_db *db, struct cotdb_key key, struct cotdb_record *r)
{
	struct found f;
	int error;

	if (!key_is_valid(key) || db->type != COTDB_DB_VOLATILE)
		return -EINVAL;
	if (tdb_chainlock(db->tdb, tdb_key(key)) != 0)
		return tdb_errno(db->tdb);
	error = found_read(db, key, &f);
	if (error == 0 && f.is_there && f.header.dmaster == db->h->pnn &&
	    (f.header.flags & CTDB_RECORD_RO_HAVE_DELEGATIONS) == 0) {
		*r = (struct cotdb_record){ .db = db,
					    .key = key,
					    .rsn = f.header.rsn,
					    .dmaster = f.header.dmaster,
					    .flags = f.header.flags,
					    .data = f.body,
					    .len_bytes = f.len,
					    .buffer = f.body };
		return 0;
	}
	(void)tdb_chainunlock(db->tdb, tdb_key(key));
	free(f.body);
	return error != 0 ? error : -EAGAIN;
}

int cotdb_call_begin(struct cotdb_db *db, struct cotdb_key key, uint32_t callid, uint32_t flags,
		     uint32_t *reqid)
{
	return key_is_valid(key) ? client_call_send(db, key, callid, flags, true, reqid) : -EINVAL;
}

int cotdb_call(struct cotdb_db *db, struct cotdb_key key, uint32_t callid, uint32_t flags,
	       struct cotdb_reply *reply)
{
	uint32_t reqid;
	int error;

	if (!key_is_valid(key))
		return -EINVAL;
	error = client_call_send(db, key, callid, flags, false, &reqid);
	return error != 0 ? error : client_wait_reply(db->h, reqid, reply);
}

int cotdb_migrate_begin(struct cotdb_db *db, struct cotdb_key key, uint32_t *reqid)
{
	return cotdb_call_begin(db, key, COTDB_CALL_NULL, COTDB_CALL_IMMEDIATE_MIGRATION, reqid);
}

int cotdb_fetch_lock(struct cotdb_db *db, struct cotdb_key key, struct cotdb_record *r)
{
	for (;;) {
		struct cotdb_reply reply;
		int error = cotdb_try_lock(db, key, r);

		if (error != -EAGAIN)
			return error;
		error =
		    cotdb_call(db, key, COTDB_CALL_NULL, COTDB_CALL_IMMEDIATE_MIGRATION, &reply);
		if (error != 0)
			return error;
		if (reply.status != 0)
			return -EREMOTEIO;
	}
}

int cotdb_store(struct cotdb_record *r, const void *data, size_t len_bytes)
{
	struct ctdb_record_header h = { .rsn = r->rsn, .dmaster = r->dmaster, .flags = r->flags };
	uint8_t header[CTDB_RECORD_HEADER_SIZE];
	struct writer w = writer_of(header, sizeof(header));
	union {
		const void *in;
		unsigned char *out;
	} p = { .in = data };
	TDB_DATA parts[2] = { { .dptr = header, .dsize = sizeof(header) },
			      { .dptr = p.out, .dsize = len_bytes } };

	ctdb_record_header_encode(&w, &h);
	if (tdb_storev(r->db->tdb, tdb_key(r->key), parts, len_bytes > 0 ? 2 : 1, TDB_REPLACE) != 0)
		return tdb_errno(r->db->tdb);
	return 0;
}

int cotdb_delete(struct cotdb_record *r)
{
	struct ctdb_key_data k = {
		.db_id = r->db->db_id,
		.header = { .rsn = r->rsn, .dmaster = r->dmaster, .flags = r->flags },
		.key = slice_of(r->key.p, r->key.len_bytes)
	};
	struct cotdb_control c = { .pnn = CTDB_CURRENT_NODE,
				   .opcode = CTDB_CONTROL_SCHEDULE_FOR_DELETION,
				   .srvid = r->db->db_id };
	size_t size = 12 + CTDB_RECORD_HEADER_SIZE + r->key.len_bytes;
	struct writer w;
	uint8_t *payload;
	int error;

	error = cotdb_store(r, NULL, 0);
	if (error != 0)
		return error;
	payload = malloc(size);
	if (payload == NULL)
		return -ENOMEM;
	w = writer_of(payload, size);
	ctdb_key_data_encode(&w, &k);
	c.data = payload;
	c.len_bytes = w.len;
	error = cotdb_control_send(r->db->h, &c);
	free(payload);
	return error;
}

void cotdb_unlock(struct cotdb_record *r)
{
	(void)tdb_chainunlock(r->db->tdb, tdb_key(r->key));
	free(r->buffer);
	r->buffer = NULL;
	r->data = NULL;
	r->len_bytes = 0;
}

int cotdb_read(struct cotdb_db *db, struct cotdb_key key, void **data, size_t *len_bytes)
{
	struct cotdb_reply reply;
	struct found f;
	int error;

	*data = NULL;
	*len_bytes = 0;
	if (!key_is_valid(key))
		return -EINVAL;
	error = found_read(db, key, &f);
	if (error != 0)
		return error;
	if (f.is_there && (db->type != COTDB_DB_VOLATILE || f.header.dmaster == db->h->pnn ||
			   (f.header.flags & CTDB_RECORD_RO_HAVE_READONLY) != 0)) {
		*data = f.body;
		*len_bytes = f.len;
		return 0;
	}
	free(f.body);
	error = cotdb_call(db, key, COTDB_CALL_FETCH, f.is_there ? COTDB_CALL_WANT_READONLY : 0,
			   &reply);
	if (error != 0)
		return error;
	if (reply.status != 0)
		return -EREMOTEIO;
	*data = malloc(reply.len_bytes + 1);
	if (*data == NULL)
		return -ENOMEM;
	if (reply.len_bytes > 0)
		memcpy(*data, reply.data, reply.len_bytes);
	*len_bytes = reply.len_bytes;
	return 0;
}
