/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * keeper_run.c: the process above smbd (keeper.h): starts winbindd and smbd, waits for the end of
 * either or for SIGTERM, and ends all that is below it.
 *
 * How things end: TERM to smbd and winbindd, whose children see the end of their parent and go,
 * too; a moment later TERM to whatever is still there; then KILL, which also ends a process that is
 * stopped or waits for a database that is frozen. What is killed leaves its children to the keeper,
 * so passes over the tree go on until it is empty.
 *
 * Where smbd or winbindd has ended because the daemon's engine did (keeper_engine.c), the keeper
 * starts both again when the next engine is active. That is not waited for longer than RESTART_MS,
 * for the addresses of the file service are on this node meanwhile, and not done twice within
 * RESTART_REST_MS: then it is Pacemaker's turn, too.
 *
 * Pacemaker is told when smbd ends by itself, before anything else is done: it needs a moment to
 * come with its stop, and finds all ended by then. crm_resource may wait for a cluster that is
 * busy, so a try that takes too long is ended and the next one begins: 52 seconds, then the next
 * monitor has to find out. What KILL does not end does not keep the keeper from telling.
 */
#include "config.h"
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>
#include "process.h"

#define GRACE_ASKED_MS	5000U /* until KILL, when a stop was asked for */
#define GRACE_FAILED_MS 1000U /* when smbd has ended by itself */
#define PARENTS_MS	200U  /* TERM goes to smbd and winbindd alone that long */
#define KILLED_MS	5000U /* what KILL does not end in that time stays */
#define PASS_MS		50U
#define TELL_TRIES	5
#define TELL_MS		10000U /* what one try may take */
#define TELL_AGAIN_MS	500U
#define RESTART_MS	2000U
#define RESTART_REST_MS 10000U
#define MAX_ARGS	64

enum { SMBD, WINBINDD, DAEMONS };
static const char *const daemon_name[] = { "smbd", "winbindd" };

struct keeper {
	const struct keeper_options *o;
	struct process self;
	struct keeper_id id;
	char mark[KEEPER_MARK]; /* in the environment */
	int run_fd, err, signal_fd;
	int alive[2];	    /* the pipe that is the daemons' standard input */
	pid_t pid[DAEMONS]; /* 0: not started, or gone */
	pid_t teller;	    /* crm_resource */
	int tells_left;
	uint64_t tell_at_ms, tell_until_ms;  /* the next try; the end of this one */
	bool is_asked;			     /* to stop */
	uint64_t end_since_ms, end_grace_ms; /* since 0: smbd runs */
	uint64_t kill_since_ms;		     /* 0: nobody has to be killed */
	struct keeper_engine engine;	     /* that smbd was started on */
	uint64_t restart_until_ms;	     /* 0: smbd is not to be started again */
	uint64_t restarted_ms;		     /* 0: it never was */
	char words[256];
};

/* In a child: what it inherits is its standard input, output and error alone. In a session of its
 * own: smbd and winbindd, when they end by SIGTERM, send it to their whole process group. */
static void exec_program(int in, int out, char *const *argv)
{
	sigset_t none;

	(void)setsid();
	(void)sigemptyset(&none);
	for (int s = 1; s < NSIG; s++)
		(void)signal(s, SIG_DFL);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
	    dup2(out, STDERR_FILENO) < 0)
		_exit(127);
	(void)close_range(STDERR_FILENO + 1, ~0U, 0);
	(void)execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "%s cannot be started: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static pid_t spawn(int in, int out, char *const *argv)
{
	pid_t pid = fork();

	if (pid == 0)
		exec_program(in, out, argv);
	return pid < 0 ? -errno : pid;
}

static int daemon_start(struct keeper *k, int which, const char *program, char **more)
{
	char config[PATH_MAX + 32];
	char *argv[MAX_ARGS] = { (char *)(uintptr_t)program, (char *)(uintptr_t) "--foreground",
				 (char *)(uintptr_t) "--no-process-group", config };
	size_t n = 4;
	pid_t pid;

	(void)snprintf(config, sizeof(config), "--configfile=%s", k->o->config);
	for (; more != NULL && *more != NULL; more++) {
		if (n == MAX_ARGS - 1)
			return -E2BIG;
		argv[n++] = *more;
	}
	pid = spawn(k->alive[0], k->err, argv);
	if (pid < 0)
		return pid;
	k->pid[which] = k->id.session[which] = pid;
	return keeper_file_write(k->run_fd, k->o, KEEPER_STATE_RUNNING, "", &k->id);
}

static void tell_pacemaker(struct keeper *k)
{
	char *argv[] = { (char *)(uintptr_t) "crm_resource",
			 (char *)(uintptr_t) "--fail",
			 (char *)(uintptr_t) "--resource",
			 (char *)(uintptr_t)k->o->name,
			 (char *)(uintptr_t) "--node",
			 (char *)(uintptr_t)k->o->node,
			 NULL };
	int null;

	k->tells_left--;
	k->tell_at_ms = process_now_ms() + TELL_AGAIN_MS;
	k->tell_until_ms = process_now_ms() + TELL_MS;
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null < 0)
		return;
	k->teller = spawn(null, null, argv);
	if (k->teller < 0)
		k->teller = 0;
	(void)close(null);
}

static void tell_begin(struct keeper *k)
{
	k->restart_until_ms = 0;
	if (k->o->node != NULL) {
		k->tells_left = TELL_TRIES;
		tell_pacemaker(k);
	}
}

static bool may_restart(const struct keeper *k, uint64_t now)
{
	return (k->restarted_ms == 0 || now - k->restarted_ms >= RESTART_REST_MS) &&
	       keeper_engine_has_ended(&k->engine);
}

/* smbd is to end from now on; words: why, if nobody asked for it */
static void end_begin(struct keeper *k, uint64_t grace_ms, const char *words)
{
	k->end_since_ms = process_now_ms();
	k->end_grace_ms = grace_ms;
	if (words == NULL)
		return;
	(void)snprintf(k->words, sizeof(k->words), "%s", words);
	if (may_restart(k, k->end_since_ms))
		k->restart_until_ms = k->end_since_ms + RESTART_MS;
	else
		tell_begin(k);
	(void)keeper_file_write(
	    k->run_fd, k->o, k->restart_until_ms != 0 ? KEEPER_STATE_WAITING : KEEPER_STATE_ENDING,
	    k->words, &k->id);
}

static void daemon_ended(struct keeper *k, int which, int status)
{
	char words[128];

	k->pid[which] = 0;
	if (k->end_since_ms != 0)
		return;
	if (WIFSIGNALED(status))
		(void)snprintf(words, sizeof(words), "%s was killed by signal %d",
			       daemon_name[which], WTERMSIG(status));
	else
		(void)snprintf(words, sizeof(words), "%s ended by itself with exit code %d",
			       daemon_name[which], WEXITSTATUS(status));
	end_begin(k, GRACE_FAILED_MS, words);
}

static void teller_ended(struct keeper *k, int status)
{
	k->teller = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		k->tells_left = 0;
	k->tell_at_ms = process_now_ms() + TELL_AGAIN_MS;
}

/* Everything below the keeper that has ended comes here in the end, strangers too */
static void reap(struct keeper *k)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == k->teller)
			teller_ended(k, status);
		for (int i = 0; i < DAEMONS; i++) {
			if (pid == k->pid[i])
				daemon_ended(k, i, status);
		}
	}
}

static void on_signal(struct keeper *k)
{
	struct signalfd_siginfo info;

	while (read(k->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGTERM && !k->is_asked) {
			k->is_asked = true;
			if (k->end_since_ms == 0)
				end_begin(k, GRACE_ASKED_MS, NULL);
		}
	}
	reap(k);
}

/* What is below the keeper and has to end: all but the one that talks to Pacemaker, as long as it
 * has time for that */
static int remaining(struct keeper *k, struct process_list *l)
{
	bool may_tell = !k->is_asked && process_now_ms() < k->tell_until_ms;
	int error = process_descendants(&k->self, l);

	for (size_t i = 0; i < l->n && may_tell; i++) {
		if (l->p[i].pid == k->teller)
			l->p[i--] = l->p[--l->n];
	}
	return error;
}

/* One round of ending what is there; whether nothing is left */
static bool end_pass(struct keeper *k)
{
	uint64_t now = process_now_ms(), since = now - k->end_since_ms;
	struct process_list l = { 0 };
	bool is_empty = remaining(k, &l) == 0 && l.n == 0;

	if (is_empty || since < k->end_grace_ms)
		k->kill_since_ms = 0;
	else if (k->kill_since_ms == 0)
		k->kill_since_ms = now;
	if (since >= PARENTS_MS) {
		process_signal_below(&k->self, &l, since >= k->end_grace_ms ? SIGKILL : SIGTERM);
	} else {
		for (int i = 0; i < DAEMONS; i++) {
			if (k->pid[i] > 0)
				(void)kill(k->pid[i], SIGTERM);
		}
	}
	process_list_free(&l);
	return is_empty;
}

/* Whether Pacemaker has been told, or is not to be told any more */
static bool is_told(struct keeper *k)
{
	uint64_t now = process_now_ms();

	if (k->is_asked) /* Pacemaker knows; the one that tells it is ended with the others */
		return true;
	if (k->teller > 0) /* a process that KILL does not end is not waited for */
		return now >= k->tell_until_ms + KILLED_MS;
	if (k->tells_left > 0 && now >= k->tell_at_ms)
		tell_pacemaker(k);
	return k->teller == 0 && k->tells_left == 0;
}

/* Until nothing is left below the keeper, and Pacemaker knows; 0, or -EBUSY when something cannot
 * be ended */
static int wait_ended(struct keeper *k)
{
	for (;;) {
		struct pollfd p = { .fd = k->signal_fd, .events = POLLIN };
		bool is_empty, has_told;

		if (poll(&p, 1, k->end_since_ms != 0 ? (int)PASS_MS : -1) > 0)
			on_signal(k);
		if (k->end_since_ms == 0)
			continue;
		is_empty = end_pass(k);
		has_told = is_told(k);
		if (is_empty && has_told)
			return 0;
		if (has_told && k->kill_since_ms != 0 &&
		    process_now_ms() - k->kill_since_ms >= KILLED_MS)
			return -EBUSY;
	}
}

/* All has ended with the engine: whether the next one is active, and nobody has asked for a stop */
static bool wait_engine(struct keeper *k)
{
	enum keeper_engine_next next;

	while (k->restart_until_ms != 0 && !k->is_asked) {
		struct pollfd p = { .fd = k->signal_fd, .events = POLLIN };

		next = keeper_engine_next(k->o->run_dir, &k->engine);
		if (next == KEEPER_ENGINE_ACTIVE)
			return true;
		if (next == KEEPER_ENGINE_NONE || process_now_ms() >= k->restart_until_ms) {
			tell_begin(k);
			(void)keeper_file_write(k->run_fd, k->o, KEEPER_STATE_ENDING, k->words,
						&k->id);
		} else if (poll(&p, 1, (int)PASS_MS) > 0) {
			on_signal(k);
		}
	}
	return false;
}

static int daemons_start(struct keeper *k)
{
	int error = 0;

	(void)keeper_engine_open(k->o->run_dir, &k->engine);
	if (k->o->winbindd != NULL)
		error = daemon_start(k, WINBINDD, k->o->winbindd, NULL);
	if (error == 0)
		error = daemon_start(k, SMBD, k->o->smbd, k->o->more);
	return error;
}

/* What has ended, has; as if the keeper had just been started */
static int daemons_restart(struct keeper *k)
{
	syslog(LOG_DAEMON | LOG_WARNING,
	       "smbd is started again: it had ended with the engine of cotdbd | resource=%s",
	       k->o->name);
	k->restarted_ms = process_now_ms();
	k->restart_until_ms = k->end_since_ms = k->kill_since_ms = 0;
	k->words[0] = '\0';
	return daemons_start(k);
}

static int prepare(struct keeper *k)
{
	sigset_t mask;

	if (setsid() < 0)
		return -errno;
	if (!process_find(getpid(), &k->self))
		return -ESRCH;
	k->id.keeper = k->self;
	keeper_mark(&k->self, k->mark);
	if (putenv(k->mark) != 0)
		return -ENOMEM;
	k->run_fd = keeper_file_lock(k->o);
	if (k->run_fd < 0)
		return k->run_fd;
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0 || pipe2(k->alive, O_CLOEXEC) < 0)
		return -errno;
	(void)sigemptyset(&mask);
	(void)sigaddset(&mask, SIGCHLD);
	(void)sigaddset(&mask, SIGTERM);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGCHLD, SIG_DFL); /* ignored, children could not be waited for */
	if (sigprocmask(SIG_SETMASK, &mask, NULL) < 0)
		return -errno;
	k->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (k->signal_fd < 0)
		return -errno;
	return keeper_file_write(k->run_fd, k->o, KEEPER_STATE_RUNNING, "", &k->id);
}

int keeper_run(const struct keeper_options *o, int err)
{
	struct keeper k = { .o = o, .err = err, .run_fd = -1, .engine.pidfd = -1 };
	int error = prepare(&k);

	if (error == 0)
		error = daemons_start(&k);
	if (error != 0) {
		dprintf(err, "%s: %s\n", keeper_table[KEEPER_SYSTEM].text, strerror(-error));
		if (k.pid[WINBINDD] == 0 && k.pid[SMBD] == 0)
			return EXIT_FAILURE;
		end_begin(&k, GRACE_FAILED_MS, NULL);
		k.is_asked = true;
	}
	error = wait_ended(&k);
	while (error == 0 && k.restart_until_ms != 0 && !k.is_asked) {
		if (wait_engine(&k) && daemons_restart(&k) != 0)
			end_begin(&k, GRACE_FAILED_MS, "smbd could not be started again");
		error = wait_ended(&k);
	}
	(void)keeper_file_write(k.run_fd, o,
				k.words[0] == '\0' && error == 0 ? KEEPER_STATE_STOPPED
								 : KEEPER_STATE_ENDED,
				k.words, &k.id);
	return error == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
