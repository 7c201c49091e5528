/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * keeper_act.c: what the agent asks for: start, status, stop (keeper.h).
 *
 * The keeper knows every process of its smbd. A keeper that was killed leaves them to somebody
 * else; then they are found by the locks that they hold in Samba's lock directory, and are ours if
 * they are in a session that the run file names, or have the keeper's mark in their environment.
 * smbd, winbindd and their children stay in their session, whose number is given to no other
 * process as long as one is in it; some of them write their title over the environment.
 * samba-dcerpcd and what it starts make a session of their own, and have the mark. Any other holder
 * of such a lock is foreign: somebody else has started a smbd with the same lock directory. It is
 * told of, and never touched.
 */
#include "config.h"
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include "process.h"
#include "tools/smb_probe.h"

#define PROBE_MS   1000U /* one try while smbd starts */
#define AGAIN_MS   50U	 /* between two tries */
#define RESTART_MS 5000U /* a status waits for a restart */
#define RESERVE_MS 2500U /* of a stop's time: for what has to be done without the keeper */
#define ERR_SIZE   16384 /* of what smbd may print; more is refused */

const struct keeper_row keeper_table[KEEPER_REASONS] = {
#define REASON(id, ocf, text) [KEEPER_##id] = { ocf, text },
#include "keeper_reason.def"
#undef REASON
};

static int say(const struct keeper_options *o, enum keeper_reason reason, const char *details)
{
	bool has_details = details != NULL && details[0] != '\0';

	fprintf(o->out, "%s%s%s\n", keeper_table[reason].text, has_details ? ": " : "",
		has_details ? details : "");
	return keeper_table[reason].ocf;
}

static int say_errno(const struct keeper_options *o, int error)
{
	return say(o, KEEPER_SYSTEM, strerror(-error));
}

static int say_processes(const struct keeper_options *o, enum keeper_reason reason,
			 const struct process_list *l)
{
	char text[128] = "";
	size_t len = 0;

	for (size_t i = 0; i < l->n && i < 8; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%d",
					i == 0 ? "process " : ", ", l->p[i].pid);
	if (l->n > 8)
		(void)snprintf(text + len, sizeof(text) - len, " and more");
	return say(o, reason, text);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* ---- processes without a keeper
 * ------------------------------------------------------------------ */

enum whose { OURS, FOREIGN };

static enum whose whose(const struct process *p, const struct keeper_id *by)
{
	const pid_t sessions[] = { by->keeper.pid, by->session[0], by->session[1] };
	char mark[KEEPER_MARK];
	struct process leader;

	if (by->keeper.pid == 0 || p->start < by->keeper.start)
		return FOREIGN;
	keeper_mark(&by->keeper, mark);
	if (process_has_variable(p, mark))
		return OURS;
	for (size_t i = 0; i < sizeof(sessions) / sizeof(sessions[0]); i++) {
		if (sessions[i] == 0 || p->session != sessions[i])
			continue;
		/* after the last process of a session its number may be given to another one */
		return !process_find(sessions[i], &leader) || process_has_variable(&leader, mark) ||
			       (leader.pid == by->keeper.pid && leader.start == by->keeper.start)
			   ? OURS
			   : FOREIGN;
	}
	return FOREIGN;
}

/* Who is there of these: winbindd may be somebody else's when this resource has none, and then is
 * nobody's concern */
static int holders(const char *lock_dir, bool has_winbindd, const struct keeper_id *started_by,
		   enum whose which, struct process_list *l)
{
	const char *const programs[] = {
		"smbd", "samba-dcerpcd", "rpcd_*", "samba-bgqd", has_winbindd ? "winbindd" : NULL,
		NULL
	};
	char folder[PATH_MAX + 16];
	size_t n = 0;
	int error;

	l->n = 0;
	if (lock_dir == NULL || lock_dir[0] != '/')
		return 0;
	(void)snprintf(folder, sizeof(folder), "%s/msg.lock", lock_dir);
	error = process_lock_holders(folder, programs, l);
	for (size_t i = 0; i < l->n; i++) {
		if (whose(&l->p[i], started_by) == which)
			l->p[n++] = l->p[i];
	}
	l->n = n;
	return error;
}

/* Whether the run file tells of a smbd of which something may be left */
static bool may_have_left(const struct keeper_file *f)
{
	return f->state != KEEPER_STATE_NONE && f->state != KEEPER_STATE_STOPPED;
}

/* What is left of the smbd that the run file tells of */
static int left_of(const struct keeper_options *o, const struct keeper_file *f,
		   struct process_list *l)
{
	l->n = 0;
	return may_have_left(f) ? holders(f->lock_dir, o->winbindd != NULL, &f->started_by, OURS, l)
				: 0;
}

/* Kills what is left until nothing is, or the time is up; *l is what is left then */
static int kill_left(const struct keeper_options *o, const struct keeper_file *f,
		     struct process_list *l, uint64_t deadline_ms)
{
	for (;;) {
		int error = left_of(o, f, l);

		if (error != 0 || l->n == 0)
			return error;
		for (size_t i = 0; i < l->n; i++)
			process_signal(&l->p[i], SIGKILL);
		if (process_wait(-1, earlier(process_now_ms() + AGAIN_MS, deadline_ms)) ||
		    process_now_ms() >= deadline_ms)
			return -EBUSY;
	}
}

/* The keeper's processes while it cannot do that itself, then the keeper */
static void kill_keeper(const struct process *keeper, int pidfd, uint64_t deadline_ms)
{
	struct process_list l = { 0 };

	while (process_descendants(keeper, &l) == 0 && l.n > 0 && process_now_ms() < deadline_ms) {
		process_signal_below(keeper, &l, SIGKILL);
		(void)process_wait(-1, earlier(process_now_ms() + AGAIN_MS, deadline_ms));
	}
	process_list_free(&l);
	(void)pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
	(void)process_wait(pidfd, deadline_ms);
}

/* ---- start
 * ------------------------------------------------------------------------------------------ */

/* The last line that smbd or the keeper printed, behind the keeper's own words */
static void last_words(const struct keeper_options *o, int err, char *text, size_t size)
{
	char printed[ERR_SIZE];
	struct keeper_file f;
	ssize_t n = err >= 0 ? pread(err, printed, sizeof(printed) - 1, 0) : 0;
	size_t len;
	char *line;

	printed[n > 0 ? n : 0] = '\0';
	len = strlen(printed); /* the rest of the file was never written */
	while (len > 0 && printed[len - 1] == '\n')
		printed[--len] = '\0';
	line = strrchr(printed, '\n');
	line = line != NULL ? line + 1 : printed;
	if (keeper_file_read(o, &f) != 0 || f.state != KEEPER_STATE_ENDED)
		f.words[0] = '\0';
	(void)snprintf(text, size, "%s%s%s", f.words,
		       f.words[0] != '\0' && *line != '\0' ? ": " : "", line);
}

/* Until smbd answers, the keeper is gone, or the time is up */
static int wait_answer(const struct keeper_options *o, int keeper_pidfd, int err,
		       uint64_t deadline_ms)
{
	char text[512], said[256];
	struct smb_probe p;

	for (;;) {
		uint64_t now = process_now_ms(), until = earlier(deadline_ms, now + PROBE_MS);
		unsigned int left_ms = until > now ? (unsigned int)(until - now) : 0;

		if (smb_probe_ask(o->address, o->port, left_ms, &p) != 0)
			return say(o, KEEPER_USAGE, "no such address");
		if (p.result == SMB_PROBE_ANSWERS && !process_wait(keeper_pidfd, 0))
			break;
		if (process_wait(keeper_pidfd, earlier(deadline_ms, process_now_ms() + AGAIN_MS))) {
			last_words(o, err, text, sizeof(text));
			return say(o, KEEPER_NOT_STARTED, text);
		}
		if (process_now_ms() >= deadline_ms)
			break;
	}
	smb_probe_say(&p, said, sizeof(said));
	(void)snprintf(text, sizeof(text), "%s port %u %s", o->address, o->port, said);
	return say(o, p.result == SMB_PROBE_ANSWERS ? KEEPER_RUNS : KEEPER_NO_ANSWER, text);
}

/* A file in memory of a fixed size: nothing that smbd prints in its life makes it larger */
static int open_err(void)
{
	int fd = memfd_create("smbd-stderr", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, ERR_SIZE - 1) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) < 0) {
		int error = -errno;

		(void)close(fd);
		return error;
	}
	return fd;
}

/* In the child: nothing of the agent's is kept open, so that Pacemaker sees its end */
static void become_keeper(const struct keeper_options *o, int err)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(err, STDERR_FILENO) < 0)
		_exit(EXIT_FAILURE);
	(void)close_range(STDERR_FILENO + 1, ~0U, 0);
	if (chdir("/") < 0)
		_exit(EXIT_FAILURE);
	_exit(keeper_run(o, STDERR_FILENO));
}

static int start_keeper(const struct keeper_options *o, uint64_t deadline_ms)
{
	int code, pidfd, err = open_err();
	pid_t pid;

	if (err < 0)
		return say_errno(o, err);
	(void)fflush(o->out);
	pid = fork();
	if (pid == 0)
		become_keeper(o, err);
	pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
	if (pidfd < 0) {
		code = say_errno(o, -errno);
	} else {
		code = wait_answer(o, pidfd, err, deadline_ms);
		(void)close(pidfd);
	}
	(void)close(err);
	return code;
}

/* What a keeper that was killed left, and others that would be in the way; *code: the answer if
 * there is something */
static bool is_way_free(const struct keeper_options *o, const struct keeper_file *f,
			uint64_t deadline_ms, int *code)
{
	struct process_list l = { 0 };
	struct smb_probe p;
	int error = kill_left(o, f, &l, deadline_ms);

	if (error == -EBUSY) {
		*code = say_processes(o, KEEPER_LEFT, &l);
		goto out;
	}
	if (error == 0)
		error = holders(o->lock_dir, o->winbindd != NULL, &f->started_by, FOREIGN, &l);
	if (error != 0)
		*code = say_errno(o, error);
	else if (l.n > 0)
		*code = say_processes(o, KEEPER_FOREIGN, &l);
	else if (smb_probe_ask(o->address, o->port, PROBE_MS, &p) != 0)
		*code = say(o, KEEPER_USAGE, "no such address");
	else if (p.result != SMB_PROBE_UNREACHABLE)
		*code = say(o, KEEPER_PORT_BUSY, o->address);
	else {
		process_list_free(&l);
		return true;
	}
out:
	process_list_free(&l);
	return false;
}

int keeper_start(const struct keeper_options *o)
{
	uint64_t deadline_ms = process_now_ms() + o->timeout_ms;
	struct keeper_file f;
	int code, pidfd, error = keeper_file_read(o, &f);

	if (error != 0)
		return say_errno(o, error);
	if (f.keeper == 0)
		return is_way_free(o, &f, deadline_ms, &code) ? start_keeper(o, deadline_ms) : code;
	if (f.state != KEEPER_STATE_RUNNING)
		return say(o, KEEPER_ENDING, f.words);
	pidfd = pidfd_open(f.keeper, 0);
	if (pidfd < 0)
		return say_errno(o, -errno);
	code = wait_answer(o, pidfd, -1, deadline_ms);
	(void)close(pidfd);
	return code;
}

/* ---- status
 * --------------------------------------------------------------------------------------------- */

/* Reads the run file, and asks smbd if it runs. The keeper may just start it again, beside a new
 * engine of the daemon, so it is asked again for a while; 0 or -errno */
static int look(const struct keeper_options *o, struct keeper_file *f, struct smb_probe *p)
{
	uint64_t deadline_ms = process_now_ms() + o->timeout_ms;
	uint64_t again_ms = earlier(deadline_ms, process_now_ms() + RESTART_MS);

	for (;;) {
		uint64_t now = process_now_ms();
		int error = keeper_file_read(o, f);
		bool is_running = error == 0 && f->keeper != 0 && f->state == KEEPER_STATE_RUNNING;

		p->result = SMB_PROBE_UNREACHABLE;
		if (is_running)
			error = smb_probe_ask(
			    f->address, f->port,
			    deadline_ms > now ? (unsigned int)(deadline_ms - now) : 0, p);
		if (error != 0 || f->keeper == 0 || p->result != SMB_PROBE_UNREACHABLE ||
		    !(is_running || f->state == KEEPER_STATE_WAITING) ||
		    process_now_ms() >= again_ms)
			return error;
		(void)process_wait(-1, earlier(process_now_ms() + AGAIN_MS, again_ms));
	}
}

int keeper_status(const struct keeper_options *o)
{
	struct process_list l = { 0 };
	struct keeper_file f;
	struct smb_probe p;
	char text[512], said[256];
	int code, error = look(o, &f, &p);

	if (error != 0)
		return say_errno(o, error);
	if (f.keeper != 0 && f.state != KEEPER_STATE_RUNNING)
		return say(o, KEEPER_ENDING, f.words);
	if (f.keeper == 0) {
		error = left_of(o, &f, &l);
		if (error != 0)
			code = say_errno(o, error);
		else if (l.n > 0)
			code = say_processes(o, KEEPER_LEFT, &l);
		else
			code = say(o, KEEPER_NOT_RUNNING, f.words);
		process_list_free(&l);
		return code;
	}
	smb_probe_say(&p, said, sizeof(said));
	(void)snprintf(text, sizeof(text), "%s port %u %s", f.address, f.port, said);
	if (p.result == SMB_PROBE_SILENT)
		return say(o, KEEPER_SILENT, text);
	return say(o, p.result == SMB_PROBE_ANSWERS ? KEEPER_RUNS : KEEPER_NO_ANSWER, text);
}

/* ---- stop
 * ------------------------------------------------------------------------------------------------
 */

static void stop_keeper(const struct keeper_options *o, pid_t keeper, uint64_t deadline_ms)
{
	uint64_t gentle_ms =
	    deadline_ms - (o->timeout_ms > 2 * RESERVE_MS ? RESERVE_MS : o->timeout_ms / 2);
	struct keeper_file f;
	struct process p;
	int pidfd = pidfd_open(keeper, 0);

	if (pidfd < 0)
		return; /* gone meanwhile */
	/* the number was not given to another process before it was opened and looked at */
	if (process_find(keeper, &p) && keeper_file_read(o, &f) == 0 && f.keeper == keeper) {
		(void)pidfd_send_signal(pidfd, SIGTERM, NULL, 0);
		if (!process_wait(pidfd, gentle_ms))
			kill_keeper(&p, pidfd, deadline_ms);
	}
	(void)close(pidfd);
}

/* The run file says that nothing is left */
static int note_stopped(const struct keeper_options *o, const struct keeper_file *f)
{
	struct keeper_options was = *o;
	int error, fd = keeper_file_lock(o);

	if (fd < 0)
		return fd;
	was.address = f->address;
	was.port = f->port;
	was.lock_dir = f->lock_dir;
	error = keeper_file_write(fd, &was, KEEPER_STATE_STOPPED, "", NULL);
	(void)close(fd);
	return error;
}

int keeper_stop(const struct keeper_options *o)
{
	uint64_t deadline_ms = process_now_ms() + o->timeout_ms;
	struct process_list l = { 0 };
	struct keeper_file f;
	int code, error = keeper_file_read(o, &f);

	if (error != 0)
		return say_errno(o, error);
	if (f.keeper != 0) {
		stop_keeper(o, f.keeper, deadline_ms);
		error = keeper_file_read(o, &f);
		if (error == 0 && f.keeper != 0)
			return say(o, KEEPER_NOT_STOPPED, "the keeper does not end");
	}
	if (error == 0)
		error = kill_left(o, &f, &l, deadline_ms);
	if (error == -EBUSY) {
		code = say_processes(o, KEEPER_NOT_STOPPED, &l);
		goto out;
	}
	if (error == 0 && may_have_left(&f))
		error = note_stopped(o, &f);
	if (error == 0)
		error = holders(f.lock_dir, o->winbindd != NULL, &f.started_by, FOREIGN, &l);
	if (error != 0)
		code = say_errno(o, error);
	else if (l.n > 0)
		code = say_processes(o, KEEPER_STOPPED_BESIDE, &l);
	else
		code = say(o, KEEPER_STOPPED, "");
out:
	process_list_free(&l);
	return code;
}
