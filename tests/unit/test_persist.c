/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_persist.c: the file of the last generation: round trip, and that no damage gets through */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <cmocka.h>
#include "daemon/helper/persist_writer.h"

static char dir[64], path[128], error[512];
static struct persist p, q;

static int set_up(void **state)
{
	(void)state;
	strcpy(dir, "persist-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/generation", dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(dir); /* and nothing else is left in there */
}

static int read_it(void)
{
	memset(&q, 0x55, sizeof(q));
	error[0] = '\0';
	return persist_read(dir, &q, error, sizeof(error));
}

static void no_file_is_a_first_start(void **state)
{
	(void)state;
	assert_int_equal(read_it(), 0);
	assert_int_equal(q.generation, 0);
	assert_int_equal(q.n, 0);
}

static void what_is_written_is_read(void **state)
{
	(void)state;
	for (size_t n = 0; n <= CORE_MAX_NODES; n += 512) {
		memset(&p, 0, sizeof(p));
		p.generation = UINT32_MAX - (uint32_t)n;
		p.n = n;
		p.is_outside = n == 512;
		for (size_t i = 0; i < n; i++) {
			p.active[i].pnn = (uint32_t)i;
			p.active[i].boot_id = UINT64_MAX - i * 7919;
			p.is_over[i] = i % 3 == 0;
		}
		assert_int_equal(persist_write(dir, &p), 0);
		assert_int_equal(read_it(), 0);
		assert_memory_equal(&p, &q, sizeof(p));
	}
	assert_int_equal(persist_write("no/such/folder", &p), -ENOENT);
}

/* As when a member tells of an incarnation that this node does not know, beside one that it does */
static void one_node_may_be_there_twice(void **state)
{
	(void)state;
	p = (struct persist){ .generation = 3, .n = 2, .active = { { 1, 5 }, { 1, 6 } } };
	assert_int_equal(persist_write(dir, &p), 0);
	assert_int_equal(read_it(), 0);
	assert_memory_equal(&p, &q, sizeof(p));
	p.active[1].boot_id = 5;
	assert_int_equal(persist_write(dir, &p), 0);
	assert_int_equal(read_it(), -EBADMSG);
}

static size_t file_get(char *text, size_t size)
{
	FILE *f = fopen(path, "re");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, size, f);
	fclose(f);
	return n;
}

static void file_put(const char *text, size_t len)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	fclose(f);
}

static void every_damaged_byte_is_noticed(void **state)
{
	char text[512], bad[600];
	size_t len;

	(void)state;
	p = (struct persist){ .generation = 17,
			      .is_outside = true,
			      .n = 2,
			      .active = { { 0, 0x1234 }, { 5, 99 } },
			      .is_over = { false, true } };
	assert_int_equal(persist_write(dir, &p), 0);
	len = file_get(text, sizeof(text));
	assert_true(len > 20 && len < sizeof(text));
	for (size_t i = 0; i < len; i++) {
		for (int bit = 0; bit < 8; bit++) {
			memcpy(bad, text, len);
			bad[i] = (char)(bad[i] ^ (1 << bit));
			file_put(bad, len);
			assert_int_equal(read_it(), -EBADMSG);
			assert_non_null(strstr(error, "generation is damaged"));
			assert_int_equal(q.n, 0);
		}
		file_put(text, i); /* cut short; no byte at all is damage, too */
		assert_int_equal(read_it(), -EBADMSG);
	}
	memcpy(bad, text, len);
	memcpy(bad + len, "node 7 7\n", 9);
	file_put(bad, len + 9);
	assert_int_equal(read_it(), -EBADMSG);
	file_put(text, len);
	assert_int_equal(read_it(), 0);
}

static struct persist_writer writer;

static void begin(uint32_t generation)
{
	memset(&p, 0, sizeof(p));
	p.generation = generation;
	assert_int_equal(persist_writer_begin(&writer, dir, &p), 0);
	assert_true(persist_writer_is_busy(&writer));
}

/* Its end, as SIGCHLD tells it */
static enum persist_writer_end reap(void)
{
	int status;
	pid_t pid = waitpid(-1, &status, 0);

	assert_true(pid > 0);
	return persist_writer_reaped(&writer, dir, pid, status);
}

static void the_writer_writes(void **state)
{
	(void)state;
	for (uint32_t generation = 1; generation < 4; generation++) {
		if (generation > 1) /* the first time none is there */
			persist_writer_prepare(&writer, dir);
		assert_false(persist_writer_is_busy(&writer));
		begin(generation);
		assert_int_equal(reap(), PERSIST_WRITER_OVER);
		assert_int_equal(read_it(), 0);
		assert_int_equal(q.generation, generation);
	}
}

static void one_that_was_killed_is_replaced(void **state)
{
	pid_t pid;

	(void)state;
	persist_writer_prepare(&writer, dir);
	assert_int_equal(kill(writer.pid, SIGKILL), 0);
	assert_int_equal(reap(), PERSIST_WRITER_NONE);

	persist_writer_prepare(&writer, dir);
	pid = writer.pid;
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT), 0);
	begin(7); /* it is dead, and nobody knows yet */
	assert_int_not_equal(writer.pid, pid);
	while (reap() == PERSIST_WRITER_NONE) {
	}
	assert_int_equal(read_it(), 0);
	assert_int_equal(q.generation, 7);
}

/* Not where it is always killed */
static void what_a_killed_one_had_is_written_again(void **state)
{
	(void)state;
	memset(&p, 0, sizeof(p));
	for (unsigned int i = 1; i <= 3; i++) {
		persist_writer_prepare(&writer, dir);
		assert_int_equal(kill(writer.pid, SIGSTOP), 0);
		begin(5);
		assert_int_equal(kill(writer.pid, SIGKILL), 0);
		assert_int_equal(reap(), i < 3 ? PERSIST_WRITER_KILLED : PERSIST_WRITER_OVER);
	}
	begin(6);
	assert_int_equal(reap(), PERSIST_WRITER_OVER);
	assert_int_equal(writer.kills, 0);
}

static void what_cannot_be_written_is_over_too(void **state)
{
	(void)state;
	begin(8);
	assert_int_equal(reap(), PERSIST_WRITER_OVER);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
	begin(9);
	assert_int_equal(reap(), PERSIST_WRITER_OVER);
	assert_int_equal(read_it(), 0);
	assert_int_equal(q.generation, 0);
	assert_int_equal(mkdir(dir, 0700), 0);
}

static void one_that_is_not_needed_ends(void **state)
{
	pid_t pid;

	(void)state;
	persist_writer_prepare(&writer, dir);
	pid = writer.pid;
	persist_writer_close(&writer);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(no_file_is_a_first_start, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_written_is_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_node_may_be_there_twice, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_damaged_byte_is_noticed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_writer_writes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_that_was_killed_is_replaced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_a_killed_one_had_is_written_again, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(what_cannot_be_written_is_over_too, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(one_that_is_not_needed_ends, set_up, tear_down),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
