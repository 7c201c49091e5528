/* SPDX-License-Identifier: GPL-3.0-or-later */
/* helper_begin.c: what every helper process of the engine does first (helper_begin.h) */
#include "daemon/helper/helper_begin.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "daemon/helper/ipc.h"
#include "daemon/log.h"

/* What cannot be sent is lost with the channel, whose end ends this process, too */
static void helper_log(int level, const char *file, unsigned int line, const char *text)
{
	uint8_t buf[IPC_MAX];
	struct writer w = ipc_begin(buf, IPC_LOG);

	(void)file; /* the flight recorder has them */
	(void)line;
	writer_u32(&w, (uint32_t)level);
	writer_text(&w, text);
	(void)ipc_send(IPC_FD, &w);
}

int helper_begin(int argc, char **argv, const char *ident, struct options *o)
{
	char error[512];
	int type = 0, rc;
	socklen_t len = sizeof(type);
	static const struct log_sink sink = { .write = helper_log };

	options_init(o);
	for (int i = 1; i < argc; i++) {
		if (options_parse(o, argv[i], error, sizeof(error)) == -EINVAL) {
			fprintf(stderr, "%s: %s\n", ident, error);
			return 2;
		}
	}
	if (getsockopt(IPC_FD, SOL_SOCKET, SO_TYPE, &type, &len) != 0 || type != SOCK_SEQPACKET) {
		fprintf(stderr, "%s: this program is started by cotdb's engine only\n", ident);
		return 2;
	}
	rc = log_sink_set(&sink, ident, o);
	if (rc != 0) {
		fprintf(stderr, "%s: no such log level\n", ident);
		return 2;
	}
	/* An engine that died before this line is noticed by the channel, which has ended */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
		log_warning("this process would outlive its engine | error=%s", strerror(errno));
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	return 0;
}

void helper_expendable(void)
{
	FILE *f = fopen("/proc/self/oom_score_adj", "we");

	if (f == NULL)
		return;
	(void)fputs("0\n", f);
	fclose(f);
}
