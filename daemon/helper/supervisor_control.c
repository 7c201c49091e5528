/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * supervisor_control.c: the supervisor's own socket (ipc.h), for the OCF agent and the admin's
 * command. It answers whatever the engine does: that is why it is not the engine's.
 */
#include <errno.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "daemon/helper/supervisor.h"
#include "daemon/log.h"

#define CONTROL_CLIENTS_MAX 64U
#define REQUEST_MAX	    64U
#define WAIT_MAX_MS	    86400000UL

enum control_wants { WANTS_NOTHING, WANTS_SERVING, WANTS_END };

struct control_client {
	int fd;
	enum control_wants wants;
	uint64_t until_ms;
};

struct control_view {
	const char *state;
	enum reason reason;
	const char *detail; /* of the reason: whom it waits for; "" */
	bool is_settled;    /* active, or a reason that no waiting cures */
};

static struct control_view control_look(const struct supervisor *s)
{
	const struct engine_state *en = &s->engine.state;
	struct control_view v = { .detail = "" };
	enum reason end;

	if (supervise_is_ending(s->machine, &end)) {
		if (s->is_exiting)
			end = s->exit_reason;
		v.state = end == REASON_NONE ? "stopping" : "failed";
		v.reason = end == REASON_NONE ? REASON_STOPPING : end;
		v.detail = end == s->engine.last ? s->engine.last_text : "";
		if (supervise_state(s->machine) == SUPERVISE_STOPPING)
			v.detail = en->text; /* it hands its records over */
		v.is_settled = true;
	} else if (s->engine.pid != 0 && en->is_known && en->is_active) {
		v.state = "active";
		v.reason = REASON_NONE;
		v.detail = en->text;
		v.is_settled = true;
	} else {
		v.state = s->was_active ? "degraded" : "starting";
		v.reason = s->was_active ? REASON_ENGINE_RESTARTING : REASON_STARTING;
		if (s->engine.pid != 0 && en->is_known && en->reason != REASON_NONE) {
			v.reason = en->reason;
			v.detail = en->text;
		}
		v.is_settled = reason_row(v.reason)->cure == REASON_CURE_FINAL;
	}
	return v;
}

/* A sentence: what the reason says, and of whom */
static void view_text(const struct control_view *v, char *text, size_t size)
{
	const char *sentence = reason_row(v->reason)->text;

	if (v->detail[0] == '\0' || v->reason == REASON_NONE || strcmp(v->detail, sentence) == 0)
		snprintf(text, size, "%s", sentence);
	else
		snprintf(text, size, "%s: %s", sentence, v->detail);
}

static void add_int(struct json_object *o, const char *name, int64_t v)
{
	json_object_object_add(o, name, json_object_new_int64(v));
}

static void control_answer(struct supervisor *s, struct control_client *c)
{
	const struct control_view v = control_look(s);
	const struct reason_row *row = reason_row(v.reason);
	struct json_object *o = json_object_new_object();
	char sentence[640];
	const char *text;

	view_text(&v, sentence, sizeof(sentence));
	json_object_object_add(o, "state", json_object_new_string(v.state));
	json_object_object_add(o, "reason", json_object_new_string(row->name));
	json_object_object_add(o, "text", json_object_new_string(sentence));
	json_object_object_add(o, "is_final",
			       json_object_new_boolean(row->cure == REASON_CURE_FINAL));
	add_int(o, "ocf", row->ocf);
	add_int(o, "generation", s->engine.state.generation);
	add_int(o, "leader",
		s->engine.state.leader_pnn < CORE_MAX_NODES ? (int64_t)s->engine.state.leader_pnn
							    : -1);
	add_int(o, "pnn", s->pnn);
	json_object_object_add(o, "node", json_object_new_string(s->node_name));
	add_int(o, "pid", getpid());
	add_int(o, "engine_pid", s->engine.pid);
	add_int(o, "restarts", supervise_restarts(s->machine));
	json_object_object_add(o, "supervisor",
			       json_object_new_string(supervise_state_name(s->machine)));
	json_object_object_add(
	    o, "allow_unfenced",
	    json_object_new_boolean(s->options.number[OPTION_allow_unfenced] != 0));
	add_int(o, "since_ms", (int64_t)(supervisor_now_ms() - s->since_ms));
	text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_SPACED);
	if (send(c->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		log_info("an answer on the control socket was lost | error=%s", strerror(errno));
	json_object_put(o);
	c->wants = WANTS_NOTHING;
}

static void client_drop(struct supervisor *s, struct control_client *c)
{
	(void)qb_loop_poll_del(s->loop, c->fd);
	close(c->fd);
	*c = s->clients[--s->clients_n];
}

static struct control_client *client_find(struct supervisor *s, int fd)
{
	for (size_t i = 0; i < s->clients_n; i++) {
		if (s->clients[i].fd == fd)
			return &s->clients[i];
	}
	return NULL;
}

/* "wait MS": MS as decimal digits */
static bool wait_parse(const char *request, uint64_t *ms)
{
	char *end;

	if (strncmp(request, "wait ", 5) != 0 || request[5] < '0' || request[5] > '9')
		return false;
	errno = 0;
	*ms = strtoul(request + 5, &end, 10);
	return errno == 0 && *end == '\0' && *ms <= WAIT_MAX_MS;
}

static int control_request(struct supervisor *s, struct control_client *c, const char *request)
{
	uint64_t ms;

	if (strcmp(request, "status") == 0) {
		control_answer(s, c);
	} else if (wait_parse(request, &ms)) {
		c->wants = WANTS_SERVING;
		c->until_ms = supervisor_now_ms() + ms;
	} else if (strcmp(request, "stop") == 0) {
		log_notice("a stop was asked for on the control socket");
		c->wants = WANTS_END;
		supervise_stop(s->machine);
	} else {
		return -EBADMSG;
	}
	return 0;
}

static int32_t client_readable(int32_t fd, int32_t revents, void *data)
{
	struct supervisor *s = data;
	struct control_client *c = client_find(s, fd);
	char request[REQUEST_MAX];
	ssize_t n;

	(void)revents;
	if (c == NULL)
		return -1;
	n = recv(fd, request, sizeof(request) - 1, MSG_DONTWAIT | MSG_TRUNC);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n > 0 && (size_t)n < sizeof(request)) {
		request[n] = '\0';
		if (strlen(request) == (size_t)n && c->wants == WANTS_NOTHING &&
		    control_request(s, c, request) == 0) {
			supervisor_after_event(s);
			return 0;
		}
	}
	client_drop(s, c);
	return 0;
}

static int32_t control_readable(int32_t fd, int32_t revents, void *data)
{
	struct supervisor *s = data;
	struct ucred cred = { 0 };
	socklen_t len = sizeof(cred);
	int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)revents;
	if (client < 0)
		return 0;
	if (s->clients_n == CONTROL_CLIENTS_MAX ||
	    getsockopt(client, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0 || cred.uid != 0 ||
	    qb_loop_poll_add(s->loop, QB_LOOP_MED, client, POLLIN, s, client_readable) != 0) {
		log_warning("a client of the control socket is refused | pid=%d uid=%u",
			    (int)cred.pid, (unsigned int)cred.uid);
		close(client);
		return 0;
	}
	s->clients[s->clients_n++] = (struct control_client){ .fd = client };
	return 0;
}

int control_open(struct supervisor *s, struct start_error *e)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	mode_t mask = umask(077);
	int n = snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/" SUPERVISOR_SOCKET,
			 s->options.text[OPTION_run_dir]);
	int rc = n < 0 || (size_t)n >= sizeof(sun.sun_path) ? -ENAMETOOLONG : 0;

	s->clients = calloc(CONTROL_CLIENTS_MAX, sizeof(*s->clients));
	s->control_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* whatever lies there is of a supervisor before us: we hold the run-file lock */
	if (rc == 0 && (s->clients == NULL || s->control_fd < 0 ||
			(unlink(sun.sun_path) != 0 && errno != ENOENT) ||
			bind(s->control_fd, (struct sockaddr *)&sun, sizeof(sun)) != 0 ||
			listen(s->control_fd, 16) != 0))
		rc = errno != 0 ? -errno : -ENOMEM;
	umask(mask);
	if (rc == 0)
		return REASON_NONE;
	snprintf(e->text, sizeof(e->text), "the control socket in %s cannot be made: %s",
		 s->options.text[OPTION_run_dir], strerror(-rc));
	return e->why = REASON_BAD_OPTION;
}

int control_watch(struct supervisor *s)
{
	return qb_loop_poll_add(s->loop, QB_LOOP_MED, s->control_fd, POLLIN, s, control_readable);
}

/* The log: a new state as a notice, another reason for the same one only for who wants to know */
static void view_tell(struct supervisor *s, const struct control_view *v, uint64_t now)
{
	bool is_new = s->shown_state == NULL || strcmp(s->shown_state, v->state) != 0;
	char sentence[640];

	if (!is_new && s->shown_reason == v->reason)
		return;
	s->shown_state = v->state;
	s->shown_reason = v->reason;
	s->since_ms = now;
	view_text(v, sentence, sizeof(sentence));
	log_at(is_new ? LOG_NOTICE : LOG_INFO, "this node is %s: %s | reason=%s generation=%u",
	       v->state, sentence, reason_row(v->reason)->name, s->engine.state.generation);
}

void control_progress(struct supervisor *s)
{
	const struct control_view v = control_look(s);
	uint64_t now = supervisor_now_ms();

	if (v.reason == REASON_NONE)
		s->was_active = true;
	view_tell(s, &v, now);
	for (size_t i = 0; i < s->clients_n; i++) {
		struct control_client *c = &s->clients[i];

		if (c->wants == WANTS_SERVING && (v.is_settled || now >= c->until_ms))
			control_answer(s, c);
	}
}

uint64_t control_deadline_ms(const struct supervisor *s)
{
	uint64_t deadline = SUPERVISOR_NEVER;

	for (size_t i = 0; i < s->clients_n; i++) {
		if (s->clients[i].wants == WANTS_SERVING && s->clients[i].until_ms < deadline)
			deadline = s->clients[i].until_ms;
	}
	return deadline;
}

void control_close(struct supervisor *s)
{
	char path[256];

	for (size_t i = 0; i < s->clients_n; i++) {
		if (s->clients[i].wants != WANTS_NOTHING)
			control_answer(s, &s->clients[i]);
	}
	snprintf(path, sizeof(path), "%s/" SUPERVISOR_SOCKET, s->options.text[OPTION_run_dir]);
	(void)unlink(path);
}
