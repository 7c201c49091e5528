/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_reclock.c: the recovery lock, with two real helper processes as two nodes of a cluster file
 * system would be.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <cmocka.h>
#include "daemon/core/core.h"
#include "helper_process.h"

static char path[128], option[256];
static struct helper_process a, b;

static void start(struct helper_process *h)
{
	assert_true(helper_process_start(h, "./cotdb-reclock", option));
}

static uint32_t ask_id(struct helper_process *h, enum ipc_type type, struct core_lock_id *id)
{
	uint8_t buf[IPC_MAX];
	struct writer w = ipc_begin(buf, type);
	struct cursor c;
	uint32_t result = 99;
	uint64_t took_us = 0;
	char text[256];

	assert_int_equal(ipc_send(h->fd, &w), 0);
	assert_int_equal(helper_process_next(h, &c, HELPER_BOUND_MS), IPC_LOCK_RESULT);
	assert_int_equal(cursor_u32(&c, &result) || cursor_u64(&c, &id->dev) ||
			     cursor_u64(&c, &id->ino) || cursor_u64(&c, &id->size) ||
			     cursor_u64(&c, &took_us) || cursor_text(&c, text, sizeof(text)) ||
			     cursor_end(&c),
			 0);
	assert_true(strlen(text) > 0);
	assert_true(took_us < HELPER_BOUND_MS * 1000U);
	return result;
}

static uint32_t ask(struct helper_process *h, enum ipc_type type)
{
	struct core_lock_id id;

	return ask_id(h, type, &id);
}

static int set_up(void **state)
{
	static char dir[64];
	char here[1024];

	(void)state;
	strcpy(dir, "reclock-XXXXXX");
	if (mkdtemp(dir) == NULL || getcwd(here, sizeof(here)) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/lock", dir);
	snprintf(option, sizeof(option), "--recovery_lock=%.100s/%.64s/lock", here, dir);
	start(&a);
	start(&b);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)helper_process_end(&a, false);
	(void)helper_process_end(&b, false);
	(void)unlink(path);
	*strrchr(path, '/') = '\0';
	return rmdir(path);
}

static void one_holds_it_and_the_other_is_refused(void **state)
{
	struct core_lock_id id, other;
	struct stat st;

	(void)state;
	assert_int_equal(ask(&a, IPC_LOCK_CHECK), CORE_LOCK_REFUSED);
	assert_int_equal(ask_id(&a, IPC_LOCK_TRY, &id), CORE_LOCK_HELD);
	assert_int_equal(ask_id(&b, IPC_LOCK_PROBE, &other), CORE_LOCK_REFUSED);
	assert_memory_equal(&id, &other, sizeof(id));
	assert_int_equal(ask(&b, IPC_LOCK_TRY), CORE_LOCK_REFUSED);
	assert_int_equal(ask(&a, IPC_LOCK_TRY), CORE_LOCK_HELD);
	assert_int_equal(ask(&a, IPC_LOCK_CHECK), CORE_LOCK_HELD);
	assert_int_equal(ask(&b, IPC_LOCK_PROBE), CORE_LOCK_REFUSED);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(id.dev, st.st_dev);
	assert_int_equal(id.ino, st.st_ino);
	assert_int_equal(id.size, 0);
}

static void exactly_one_byte_is_locked(void **state)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd;

	(void)state;
	assert_int_equal(ask(&a, IPC_LOCK_TRY), CORE_LOCK_HELD);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETLK, &lock), 0);
	assert_int_equal(lock.l_type, F_WRLCK);
	assert_int_equal(lock.l_pid, a.pid);
	assert_int_equal(lock.l_start, 0);
	assert_int_equal(lock.l_len, 1);
	close(fd);
}

static void a_probe_lets_go_at_once(void **state)
{
	(void)state;
	assert_int_equal(ask(&a, IPC_LOCK_PROBE), CORE_LOCK_HELD);
	assert_int_equal(ask(&a, IPC_LOCK_CHECK), CORE_LOCK_REFUSED);
	assert_int_equal(ask(&b, IPC_LOCK_TRY), CORE_LOCK_HELD);
}

static void it_is_free_when_released_or_its_holder_is_killed(void **state)
{
	(void)state;
	assert_int_equal(ask(&a, IPC_LOCK_TRY), CORE_LOCK_HELD);
	(void)ask(&a, IPC_LOCK_RELEASE);
	assert_int_equal(ask(&b, IPC_LOCK_TRY), CORE_LOCK_HELD);
	assert_int_equal(ask(&a, IPC_LOCK_TRY), CORE_LOCK_REFUSED);
	(void)helper_process_end(&b, true);
	assert_int_equal(ask(&a, IPC_LOCK_TRY), CORE_LOCK_HELD);
	start(&b);
	assert_int_equal(ask(&b, IPC_LOCK_PROBE), CORE_LOCK_REFUSED);
}

static void a_file_that_is_not_empty_is_refused(void **state)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	struct core_lock_id id;

	(void)state;
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(ask_id(&a, IPC_LOCK_TRY, &id), CORE_LOCK_NOT_EMPTY);
	assert_int_equal(id.size, 1);
	assert_int_equal(ask(&a, IPC_LOCK_PROBE), CORE_LOCK_NOT_EMPTY);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(ask(&a, IPC_LOCK_TRY), CORE_LOCK_HELD);
	close(fd);
}

static void a_file_that_was_replaced_is_noticed(void **state)
{
	char aside[160];

	(void)state;
	assert_int_equal(ask(&a, IPC_LOCK_TRY), CORE_LOCK_HELD);
	snprintf(aside, sizeof(aside), "%s.aside", path);
	assert_int_equal(rename(path, aside), 0);
	assert_int_equal(ask(&a, IPC_LOCK_CHECK), CORE_LOCK_ERROR);
	assert_int_equal(ask(&a, IPC_LOCK_CHECK), CORE_LOCK_REFUSED);
	assert_int_equal(unlink(aside), 0);
	assert_int_equal(ask(&a, IPC_LOCK_TRY), CORE_LOCK_HELD);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(ask(&b, IPC_LOCK_TRY), CORE_LOCK_HELD);
	assert_int_equal(ask(&a, IPC_LOCK_CHECK), CORE_LOCK_ERROR);
}

static void what_is_no_file_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(ask(&a, IPC_LOCK_TRY), CORE_LOCK_ERROR);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(ask(&a, IPC_LOCK_TRY), CORE_LOCK_ERROR);
	assert_int_equal(ask(&a, IPC_LOCK_PROBE), CORE_LOCK_ERROR);
}

static void it_ends_with_its_channel_and_on_nonsense(void **state)
{
	uint8_t buf[IPC_MAX];
	struct writer w = ipc_begin(buf, IPC_WORK_SWEEP);
	struct cursor c;
	int status;

	(void)state;
	status = helper_process_end(&a, false);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	start(&a);
	assert_int_equal(ipc_send(a.fd, &w), 0);
	assert_true(helper_process_logs(&a, LOG_ERR));
	assert_int_equal(helper_process_next(&a, &c, HELPER_BOUND_MS), 0);
	status = helper_process_end(&a, false);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	start(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_holds_it_and_the_other_is_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(exactly_one_byte_is_locked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_probe_lets_go_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_is_free_when_released_or_its_holder_is_killed,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_that_is_not_empty_is_refused, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_file_that_was_replaced_is_noticed, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_file_is_an_error, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_ends_with_its_channel_and_on_nonsense, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
