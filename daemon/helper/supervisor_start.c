/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * supervisor_start.c: what has to be so before anything is started. A start that is refused says
 * in one sentence why, and its exit code is the reason's, so that Pacemaker knows whether to try
 * again, elsewhere, or not at all.
 */
#include <arpa/inet.h>
#include <corosync/cmap.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "daemon/helper/supervisor.h"
#include "daemon/log.h"

/* A database file of the usual hash size takes 4.3 MB before the first record, and Samba has about
 * a dozen */
#define VOLATILE_MIN_BYTES (64ULL << 20)
#define COROSYNC_TRIES	   20
#define COROSYNC_PAUSE_MS  250
#define PID_NAME	   "cotdbd.pid"
#define PRIORITY_NICE	   (-15)

static int refuse(struct start_error *e, enum reason why, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int refuse(struct start_error *e, enum reason why, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(e->text, sizeof(e->text), format, ap);
	va_end(ap);
	e->why = why;
	return (int)why;
}

static bool is_address(const char *text)
{
	uint8_t raw[16];

	return inet_pton(AF_INET, text, raw) == 1 || inet_pton(AF_INET6, text, raw) == 1;
}

int start_options_check(const struct options *o, struct start_error *e)
{
	const struct sockaddr_un sun = { 0 };

	if (log_level_by_name(o->text[OPTION_log_level]) < 0)
		return refuse(e, REASON_BAD_OPTION,
			      "option --log_level: '%s' has to be error, warning, notice, info, "
			      "debug or trace",
			      o->text[OPTION_log_level]);
	if (*o->text[OPTION_address] != '\0' && !is_address(o->text[OPTION_address]))
		return refuse(e, REASON_BAD_OPTION,
			      "option --address: '%s' has to be a numeric IPv4 or IPv6 address",
			      o->text[OPTION_address]);
	if (strlen(o->text[OPTION_socket]) >= sizeof(sun.sun_path) ||
	    strlen(o->text[OPTION_run_dir]) + 20 >= sizeof(sun.sun_path))
		return refuse(e, REASON_BAD_OPTION,
			      "options --socket and --run_dir: a socket's path has less than %zu "
			      "characters",
			      sizeof(sun.sun_path));
	if (strcmp(o->text[OPTION_volatile_dir], o->text[OPTION_persistent_dir]) == 0)
		return refuse(e, REASON_BAD_OPTION,
			      "options --volatile_dir and --persistent_dir have to be two folders");
	if (o->number[OPTION_workers] == 0 || o->number[OPTION_workers] > 64)
		return refuse(e, REASON_BAD_OPTION, "option --workers has to be from 1 to 64");
	return REASON_NONE;
}

static int folder_make(const char *path, mode_t mode)
{
	char part[4200];
	struct stat st;
	size_t len = strlen(path);

	if (len >= sizeof(part))
		return -ENAMETOOLONG;
	memcpy(part, path, len + 1);
	for (size_t i = 1; i <= len; i++) {
		if (part[i] != '/' && part[i] != '\0')
			continue;
		part[i] = '\0';
		if (mkdir(part, i == len ? mode : 0755) != 0 && errno != EEXIST)
			return -errno;
		part[i] = i == len ? '\0' : '/';
	}
	if (stat(path, &st) != 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int start_folders_make(const struct options *o, struct start_error *e)
{
	static const struct {
		enum option_id id;
		mode_t mode;
	} folders[] = {
		{ OPTION_run_dir, 0755 },
		{ OPTION_state_dir, 0700 },
		{ OPTION_volatile_dir, 0700 },
		{ OPTION_persistent_dir, 0700 },
	};

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		const char *path = o->text[folders[i].id];
		int rc = folder_make(path, folders[i].mode);

		if (rc != 0)
			return refuse(e, REASON_BAD_OPTION,
				      "option --%s: the folder %s cannot be made or used: %s",
				      option_table[folders[i].id].name, path, strerror(-rc));
	}
	return REASON_NONE;
}

/* An fcntl lock: the kernel gives it back when we end, however we end; it is not inherited by the
 * engine; and who asks learns our pid */
int start_run_lock(struct supervisor *s, struct start_error *e)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	char path[4200], pid[32];
	int len;

	snprintf(path, sizeof(path), "%s/" SUPERVISOR_RUN_FILE, s->options.text[OPTION_run_dir]);
	s->run_lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (s->run_lock_fd < 0)
		return refuse(e, REASON_BAD_OPTION, "the run file %s cannot be opened: %s", path,
			      strerror(errno));
	if (fcntl(s->run_lock_fd, F_SETLK, &lock) != 0) {
		if (errno != EAGAIN && errno != EACCES)
			return refuse(e, REASON_BAD_OPTION, "the run file %s cannot be locked: %s",
				      path, strerror(errno));
		if (fcntl(s->run_lock_fd, F_GETLK, &lock) != 0 || lock.l_type == F_UNLCK)
			lock.l_pid = 0;
		return refuse(e, REASON_RUNNING_ALREADY, "process %d has the run file %s locked",
			      (int)lock.l_pid, path);
	}
	len = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(s->run_lock_fd, 0) != 0 || pwrite(s->run_lock_fd, pid, (size_t)len, 0) != len)
		return refuse(e, REASON_BAD_OPTION, "the run file %s cannot be written: %s", path,
			      strerror(errno));
	return REASON_NONE;
}

void start_pid_file(const struct supervisor *s)
{
	char path[4200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/" PID_NAME, s->options.text[OPTION_run_dir]);
	f = fopen(path, "we");
	if (f == NULL || fprintf(f, "%d\n", (int)getpid()) < 0)
		log_warning("the pid file cannot be written | file=%s error=%s", path,
			    strerror(errno));
	if (f != NULL)
		fclose(f);
}

/* Whether somebody accepts on that socket, or could (a full backlog is a living daemon, too) */
static bool is_answering(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool is_busy;

	if (fd < 0)
		return false;
	memcpy(sun.sun_path, path, strlen(path) + 1); /* its length was checked */
	is_busy = connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == 0 || errno == EAGAIN ||
		  errno == EPROTOTYPE;
	close(fd);
	return is_busy;
}

int start_world_check(struct supervisor *s, struct start_error *e)
{
	const char *dir = s->options.text[OPTION_volatile_dir];
	const char *socket_path = s->options.text[OPTION_socket];
	const char *folder = getenv("COTDB_LIBEXECDIR");
	struct statvfs fs;
	int rc;

	snprintf(s->engine_path, sizeof(s->engine_path), "%s/cotdb-engine",
		 folder != NULL && *folder == '/' ? folder : PKGLIBEXECDIR);
	if (access(s->engine_path, X_OK) != 0)
		return refuse(e, REASON_NOT_INSTALLED, "%s: %s", s->engine_path, strerror(errno));
	if (is_answering(socket_path))
		return refuse(e, REASON_SOCKET_BUSY, "something listens on %s", socket_path);
	if (statvfs(dir, &fs) != 0)
		return refuse(e, REASON_NO_SPACE, "%s: %s", dir, strerror(errno));
	if ((uint64_t)fs.f_bavail * fs.f_frsize < VOLATILE_MIN_BYTES)
		return refuse(e, REASON_NO_SPACE, "%s has %llu MiB free, at least %llu are needed",
			      dir, ((unsigned long long)fs.f_bavail * fs.f_frsize) >> 20,
			      VOLATILE_MIN_BYTES >> 20);
	rc = persist_read(s->options.text[OPTION_state_dir], &s->persisted, e->text,
			  sizeof(e->text));
	if (rc != 0)
		return e->why = REASON_STATE_DAMAGED;
	return REASON_NONE;
}

static cs_error_t local_nodeid(cmap_handle_t map, uint32_t *nodeid, char *name, size_t size)
{
	char key[64], *text;
	uint32_t pos;
	cs_error_t err = cmap_get_uint32(map, "nodelist.local_node_pos", &pos);

	if (err == CS_OK) {
		snprintf(key, sizeof(key), "nodelist.node.%u.nodeid", pos);
		err = cmap_get_uint32(map, key, nodeid);
		snprintf(key, sizeof(key), "nodelist.node.%u.name", pos);
		if (cmap_get_string(map, key, &text) == CS_OK) {
			snprintf(name, size, "%s", text);
			free(text);
		}
	}
	if (err != CS_OK)
		err = cmap_get_uint32(map, "runtime.votequorum.this_node_id", nodeid);
	return err;
}

/* corosync may have been started a moment ago, with us: a few tries, and never more */
int start_corosync(struct supervisor *s, struct start_error *e)
{
	const struct timespec pause = { .tv_nsec = COROSYNC_PAUSE_MS * 1000000L };
	cs_error_t err = CS_ERR_TRY_AGAIN;
	cmap_handle_t map;

	if (gethostname(s->node_name, sizeof(s->node_name) - 1) != 0)
		s->node_name[0] = '\0';
	for (int i = 0; i < COROSYNC_TRIES && err != CS_OK; i++) {
		if (i > 0)
			nanosleep(&pause, NULL);
		err = cmap_initialize(&map);
		if (err != CS_OK)
			continue;
		err = local_nodeid(map, &s->nodeid, s->node_name, sizeof(s->node_name));
		if (err == CS_OK && s->nodeid != 0 && s->nodeid <= CORE_MAX_NODES) {
			s->pnn = s->nodeid - 1;
			supervisor_roster_begin(s, map);
		}
		cmap_finalize(map);
	}
	if (err != CS_OK)
		return refuse(e, REASON_NO_COROSYNC, "its configuration map: %s", cs_strerror(err));
	if (s->nodeid == 0 || s->nodeid > CORE_MAX_NODES)
		return refuse(e, REASON_NODEID_TOO_HIGH, "the nodeid of this node is %u",
			      s->nodeid);
	return group_join(s, e);
}

/* Clients that keep all processors busy must not be what a recovery waits for: a fair share would
 * be a few milliseconds' wait for each of its steps, of which many follow one another. Processes are
 * shared out by session first where the kernel does that (autogroup), so both are set. The engine and
 * its helpers inherit it; a TDB worker that reads whole databases goes without. */
static void priority_raise(void)
{
	FILE *f;

	if (setpriority(PRIO_PROCESS, 0, PRIORITY_NICE) != 0)
		log_info("the priority cannot be raised | error=%s", strerror(errno));
	f = getsid(0) == getpid() ? fopen("/proc/self/autogroup", "we") : NULL;
	if (f == NULL)
		return;
	if (fprintf(f, "%d\n", PRIORITY_NICE) < 0 || fflush(f) != 0)
		log_info("the priority of the session cannot be raised | error=%s", strerror(errno));
	(void)fclose(f);
}

/* Memory locked and out of the OOM killer's reach: who has to retire the databases of a dead engine
 * must be able to run when memory is short. Orphans of the engine become our children. */
void start_protect(void)
{
	FILE *f = fopen("/proc/self/oom_score_adj", "we");

	if (f == NULL || fprintf(f, "-1000\n") < 0 || fflush(f) != 0)
		log_info("no protection from the OOM killer | error=%s", strerror(errno));
	if (f != NULL)
		fclose(f);
	if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
		log_info("memory cannot be locked | error=%s", strerror(errno));
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
		log_warning("orphans cannot be adopted | error=%s", strerror(errno));
	priority_raise();
}
