/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pacemaker.c: cotdb-pacemaker: the engine's channel, and the connections' life (pacemaker.h) */
#include "config.h"
#include "pacemaker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <glib-unix.h>
#include "daemon/log.h"

#define BACKOFF_MIN_MS 250U
#define BACKOFF_MAX_MS 5000U

struct writer pacemaker_begin(struct pacemaker *p, enum ipc_type type)
{
	return ipc_begin(p->packet, type);
}

void pacemaker_send(const struct writer *w)
{
	int error = ipc_send(IPC_FD, w);

	if (error == 0)
		return;
	log_notice("the engine's channel has ended: %s", strerror(-error));
	_exit(0);
}

/* ---- connections
 * --------------------------------------------------------------------------------- */

static void tell_up(struct pacemaker *p, bool is_up, const char *text)
{
	struct writer w = pacemaker_begin(p, IPC_PACEMAKER_UP);

	p->is_up = is_up;
	writer_u32(&w, is_up);
	writer_text(&w, text);
	pacemaker_send(&w);
}

static gboolean connect_now(gpointer arg);

static void connect_later(struct pacemaker *p)
{
	if (p->connect_timer == 0)
		p->connect_timer = g_timeout_add(p->backoff_ms, connect_now, p);
	p->backoff_ms = p->backoff_ms * 2 < BACKOFF_MAX_MS ? p->backoff_ms * 2 : BACKOFF_MAX_MS;
}

static gboolean connect_now(gpointer arg)
{
	struct pacemaker *p = arg;
	char text[PACEMAKER_TEXT_SIZE];
	const char *what = "CIB manager";
	int error = topology_connect(p);

	p->connect_timer = 0;
	if (error == 0) {
		what = "fencer";
		error = fencer_connect(p);
		if (error != 0)
			topology_disconnect(p);
	}
	if (error == 0) {
		p->backoff_ms = BACKOFF_MIN_MS;
		tell_up(p, true, "CIB manager and fencer answer");
		attributes_connected(p);
	} else {
		(void)g_snprintf(text, sizeof(text), "Pacemaker's %s does not answer: %s", what,
				 strerror(-error));
		tell_up(p, false, text);
		connect_later(p);
	}
	topology_judge(p);
	return G_SOURCE_REMOVE;
}

/* Not in the callback of the connection that is closed here */
static gboolean close_all(gpointer arg)
{
	struct pacemaker *p = arg;

	p->is_losing = false;
	fencer_disconnect(p, "the connection to Pacemaker's fencer was lost");
	topology_disconnect(p);
	connect_later(p);
	return G_SOURCE_REMOVE;
}

void pacemaker_lost(struct pacemaker *p, const char *what)
{
	char text[PACEMAKER_TEXT_SIZE];

	if (p->is_losing)
		return;
	p->is_losing = true;
	(void)g_snprintf(text, sizeof(text), "the connection to Pacemaker's %s was lost", what);
	log_warning("%s", text);
	tell_up(p, false, text);
	(void)g_idle_add(close_all, p);
}

/* ---- what the engine says
 * -------------------------------------------------------------------------- */

static int on_incarnation(struct pacemaker *p, enum ipc_type type, struct cursor *c)
{
	char name[CIB_NAME_SIZE];
	struct fence_watch watch;
	struct cursor base = { 0 };
	struct slice bytes;
	uint64_t boot_id;
	uint32_t nodeid;

	if (cursor_u32(c, &nodeid) || cursor_text(c, name, sizeof(name)) || cursor_u64(c, &boot_id))
		return -EBADMSG;
	if (type == IPC_FENCE_RESUME) {
		if (cursor_block(c, FENCE_BASE_SIZE, &bytes))
			return -EBADMSG;
		base = cursor_of(bytes.p, bytes.len);
		if (fence_watch_read(&watch, &base) || cursor_end(&base))
			return -EBADMSG;
	}
	if (cursor_end(c))
		return -EBADMSG;
	if (type == IPC_FENCE_RESUME)
		fencer_resume(p, nodeid, name, boot_id, &watch);
	else if (type == IPC_FENCE_WATCH)
		fencer_watch(p, nodeid, name, boot_id);
	else
		fencer_request(p, nodeid, name, boot_id);
	return 0;
}

static int on_members(struct pacemaker *p, struct cursor *c)
{
	struct cib_member *members;
	uint32_t n;

	if (cursor_u32(c, &n) || n > c->left / 8) /* a member has at least id and length */
		return -EBADMSG;
	members = g_new0(struct cib_member, (size_t)n + 1);
	for (uint32_t i = 0; i < n; i++) {
		if (cursor_u32(c, &members[i].nodeid) ||
		    cursor_text(c, members[i].name, sizeof(members[i].name))) {
			g_free(members);
			return -EBADMSG;
		}
	}
	topology_members(p, members, n);
	return 0;
}

static int on_attributes(struct pacemaker *p, struct cursor *c)
{
	char state[CIB_NAME_SIZE], leader[CIB_NAME_SIZE];
	uint32_t generation;

	if (cursor_text(c, state, sizeof(state)) || cursor_u32(c, &generation) ||
	    cursor_text(c, leader, sizeof(leader)) || cursor_end(c))
		return -EBADMSG;
	attributes_want(p, state, generation, leader);
	return 0;
}

static gboolean on_channel(gint fd, GIOCondition condition, gpointer arg)
{
	struct pacemaker *p = arg;
	uint8_t buf[IPC_MAX];
	struct cursor c;
	int type = ipc_receive(fd, buf, &c), error = -EBADMSG;

	(void)condition;
	if (type == -EAGAIN)
		return G_SOURCE_CONTINUE;
	if (type <= 0 && type != -EBADMSG)
		_exit(0); /* the engine is gone, and with it everybody who could use what we know */
	switch (type) {
	case IPC_FENCE_WATCH:
	case IPC_FENCE_RESUME:
	case IPC_FENCE_REQUEST:
		error = on_incarnation(p, (enum ipc_type)type, &c);
		break;
	case IPC_TOPOLOGY_CHECK:
		error = on_members(p, &c);
		break;
	case IPC_NODE_ATTRIBUTES:
		error = on_attributes(p, &c);
		break;
	default:
		break;
	}
	if (error != 0)
		log_error("packet of the engine is not understood | type=%d", type);
	return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv)
{
	static struct pacemaker p = { .backoff_ms = BACKOFF_MIN_MS };
	char error[512];

	options_init(&p.options);
	for (int i = 1; i < argc; i++) {
		/* The boot id is the engine's own business */
		if (strncmp(argv[i], "--boot_id=", strlen("--boot_id=")) != 0)
			(void)options_parse(&p.options, argv[i], error, sizeof(error));
	}
	if (log_open("cotdb-pacemaker", &p.options) != 0)
		return EXIT_FAILURE;
	p.loop = g_main_loop_new(NULL, FALSE);
	p.fencer.nodes = g_array_new(FALSE, TRUE, sizeof(struct fencer_node));
	(void)g_unix_fd_add(IPC_FD, G_IO_IN | G_IO_HUP | G_IO_ERR, on_channel, &p);
	(void)connect_now(&p);
	g_main_loop_run(p.loop);
	return EXIT_SUCCESS;
}
