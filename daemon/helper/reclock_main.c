/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * reclock_main.c: libexec/cotdb/cotdb-reclock. One request after the other (ipc.h), each answered
 * once, with how long it took. Waiting for the file system is all it is for.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "daemon/helper/helper_begin.h"
#include "daemon/helper/ipc.h"
#include "daemon/helper/reclock.h"
#include "daemon/log.h"

#define SLOW_US 1000000U

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int request_answer(struct reclock *r, int type)
{
	static const char *const names[] = { "held", "refused", "error", "not-empty" };
	enum core_lock_result result = CORE_LOCK_REFUSED;
	uint64_t start = now_us(), took;
	uint8_t buf[IPC_MAX];
	struct writer w;

	switch (type) {
	case IPC_LOCK_TRY:
		result = reclock_try(r);
		break;
	case IPC_LOCK_PROBE:
		result = reclock_probe(r);
		break;
	case IPC_LOCK_CHECK:
		result = reclock_check(r);
		break;
	case IPC_LOCK_RELEASE:
		reclock_release(r);
		break;
	default:
		return -1;
	}
	took = now_us() - start;
	log_at(took >= SLOW_US ? LOG_WARNING : LOG_INFO,
	       "recovery lock: %s | request=%d result=%s took_us=%llu file=%s", r->text, type,
	       names[result], (unsigned long long)took, r->path);
	w = ipc_begin(buf, IPC_LOCK_RESULT);
	writer_u32(&w, (uint32_t)result);
	writer_u64(&w, r->id.dev);
	writer_u64(&w, r->id.ino);
	writer_u64(&w, r->id.size);
	writer_u64(&w, took);
	writer_text(&w, r->text);
	return ipc_send(IPC_FD, &w);
}

int main(int argc, char **argv)
{
	struct options o;
	struct reclock r;
	int rc = helper_begin(argc, argv, "cotdb-reclock", &o);

	if (rc != 0)
		return rc;
	reclock_init(&r, o.text[OPTION_recovery_lock]);
	for (;;) {
		uint8_t buf[IPC_MAX];
		struct cursor c;
		int type = ipc_receive(IPC_FD, buf, &c);

		if (type == 0)
			break;
		if (type < 0 || cursor_end(&c) || request_answer(&r, type) != 0) {
			log_error("the engine's channel is broken | type=%d", type);
			rc = 1;
			break;
		}
	}
	reclock_release(&r);
	log_close();
	return rc;
}
