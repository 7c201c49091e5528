/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_status_text.c: the admin's view of a status, of an odd one, and of none */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "tools/field.h"
#include "tools/recovery_text.h"
#include "tools/status_text.h"
#include "tools/table.h"

static const char good[] =
    "{\"format\":1,\"version\":\"0.1.0\",\"node\":{\"pnn\":0,\"nodeid\":1,\"name\":\"node1\","
    "\"pid\":42},"
    "\"view\":\"active\",\"is_active\":true,\"is_frozen\":false,\"active_ms\":61000,\"generation\":"
    "17,"
    "\"leader\":{\"pnn\":2,\"name\":\"node3\"},"
    "\"gates\":[{\"name\":\"quorum\",\"is_open\":true},{\"name\":\"fencing\",\"is_open\":false,"
    "\"reason\":\"fencing-pending\",\"sentence\":\"waiting until a departed node is fenced\","
    "\"text\":\"node2(2)\",\"waiting_ms\":4200}],"
    "\"recovery_lock\":{\"path\":\"/clusterfs/.lock\",\"is_held_here\":false,\"is_alive\":true},"
    "\"allow_unfenced\":true,\"corosync\":{\"is_quorate\":true,\"is_encrypted\":false},"
    "\"warnings\":[\"a first warning\",7],"
    "\"draining\":{\"state\":\"draining\",\"given\":70,\"left\":3,\"passes\":2},"
    "\"traverses\":{\"begun\":9,\"now\":0,\"records\":70,\"incomplete\":2},"
    "\"nodes\":[{\"pnn\":0,\"nodeid\":1,\"name\":\"node1\",\"address\":\"192.0.2.1\",\"is_self\":"
    "true,"
    "\"state\":\"active\",\"reason\":\"none\"},{\"pnn\":1,\"nodeid\":2,\"name\":\"n\\u001b[31m2\","
    "\"address\":\"192.0.2.2\",\"state\":\"kept-out\",\"reason\":\"lock-not-shared\",\"sentence\":"
    "\"it got it\","
    "\"is_fencing_pending\":true}],"
    "\"databases\":[{\"name\":\"locking.tdb\",\"db_id\":\"0x7132c184\",\"type\":\"volatile\","
    "\"path\":null}]}";

/* What print makes of the JSON text; the caller's to free */
static char *print_of(const char *json, void (*print)(struct json_object *, FILE *))
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct json_object *object = json_tokener_parse(json);

	assert_non_null(out);
	print(object, out);
	json_object_put(object);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void print_nodes(struct json_object *status, FILE *out)
{
	status_text_nodes(status, out, "");
}

static void print_databases(struct json_object *status, FILE *out)
{
	status_text_databases(status, out, "  ");
}

static void print_supervisor(struct json_object *answer, FILE *out)
{
	status_text_supervisor(answer, "no answer in time", out);
}

static void test_good(void **state)
{
	static const char *const has[] = {
		"node1 (pnn 0) is active for 1 min 1 s.\n",
		"ALLOW_UNFENCED IS SET",
		"WARNING: a first warning\n",
		"node3 (pnn 2)",
		"encryption OFF",
		"/clusterfs/.lock, not held by this node\n",
		"draining: 70 records handed over, 3 left\n",
		"2 of 9 were not complete",
		"quorum   open\n",
		"fencing  CLOSED  4 s    waiting until a departed node is fenced: node2(2) "
		"(fencing-pending)\n",
		"an earlier run of it waits for fencing; it got it\n",
		"n?[31m2",
	};
	char *text = print_of(good, status_text);

	(void)state;
	for (size_t i = 0; i < sizeof(has) / sizeof(has[0]); i++) {
		if (strstr(text, has[i]) == NULL)
			fail_msg("no '%s' in:\n%s", has[i], text);
	}
	assert_null(strchr(text, '\033'));
	assert_null(strstr(text, " \n"));
	free(text);
}

static void test_not_active(void **state)
{
	char *text =
	    print_of("{\"format\":1,\"is_active\":false,\"is_frozen\":true,\"waiting_ms\":500,"
		     "\"reason\":\"no-quorum\",\"sentence\":\"the partition has no quorum\"}",
		     status_text);

	(void)state;
	assert_non_null(strstr(text, "NOT ACTIVE for 500 ms: the partition has no quorum "
				     "(no-quorum); its databases are FROZEN.\n"));
	free(text);
}

static void test_many_databases(void **state)
{
	char *text = print_of("{\"databases\":[{\"name\":\"a.tdb\"}],\"databases_count\":1024}",
			      print_databases);

	(void)state;
	assert_non_null(strstr(text, "and 1023 more"));
	free(text);
	text = print_of("{\"databases\":[{\"name\":\"a.tdb\"}],\"databases_count\":1}",
			print_databases);
	assert_null(strstr(text, "more"));
	free(text);
}

/* Each is valid JSON that no daemon of ours sends */
static void test_odd(void **state)
{
	static const char *const odd[] = {
		"{}",
		"[]",
		"null",
		"{\"gates\":{},\"nodes\":7,\"databases\":\"x\",\"warnings\":null}",
		"{\"gates\":[null,1,[],{}],\"nodes\":[[],null,{\"name\":{}}],\"databases\":[0]}",
		"{\"format\":2,\"leader\":\"node1\",\"node\":[],\"recovery_lock\":5}",
		"{\"recovery\":{}}",
		"{\"recovery\":{\"waits_for\":[0,{}],\"times\":7,\"phase\":{}}}",
		"{\"active_ms\":-1,\"is_active\":true,\"generation\":1e300}",
	};
	void (*const print[])(struct json_object *, FILE *) = {
		status_text, print_nodes, print_databases, print_supervisor, recovery_text
	};

	(void)state;
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		for (size_t k = 0; k < 5; k++) {
			char *text = print_of(odd[i], print[k]);

			assert_true(strlen(text) > 0);
			free(text);
		}
	}
}

static void test_supervisor(void **state)
{
	char *text = print_of("{\"state\":\"degraded\",\"reason\":\"engine-restarting\","
			      "\"text\":\"the engine ended\",\"is_final\":false,\"restarts\":2,"
			      "\"pid\":10,\"engine_pid\":11,\"generation\":4,"
			      "\"allow_unfenced\":true}",
			      print_supervisor);

	(void)state;
	assert_non_null(strstr(text, "no answer in time"));
	assert_non_null(strstr(text, "degraded"));
	assert_non_null(strstr(text, "the engine ended (engine-restarting)"));
	assert_non_null(strstr(text, "WARNING: ALLOW_UNFENCED"));
	free(text);
}

static const char recovering[] =
    "{\"sentence\":\"active\",\"gates\":[{\"name\":\"quorum\",\"is_open\":true},"
    "{\"name\":\"fencing\",\"is_open\":false,\"sentence\":\"a node is to be fenced\","
    "\"text\":\"node3(3)\"}],"
    "\"records\":{\"locations\":70},\"corosync\":{\"token_ms\":1000},"
    "\"recovery\":{\"phase\":\"%s\",\"is_over\":%s,\"generation\":18,\"since_ms\":2000,"
    "\"restarts\":%d,\"times\":{\"gather_ms\":3,\"fencing_ms\":310,\"activation_ms\":4,"
    "\"sweep_ms\":null,\"total_ms\":null},"
    "\"waits_for\":[{\"pnn\":1,\"name\":\"node2\",\"what\":\"report\"},"
    "{\"name\":\"n\\u001b[31m\",\"what\":\"report\"}],"
    "\"reported\":[{\"name\":\"node1\"}],\"databases\":12,\"databases_done\":3,"
    "\"chains\":1200,\"chains_done\":300,\"records\":70,\"orphans\":5,\"resolutions\":2,"
    "\"fetching\":1,\"writing\":1,\"sending\":0}}";

static char *recovery_of(const char *phase, bool is_over, int restarts)
{
	char json[2048];

	(void)snprintf(json, sizeof(json), recovering, phase, is_over ? "true" : "false", restarts);
	return print_of(json, recovery_text);
}

static void expect_recovery(const char *phase, bool is_over, int restarts, const char *part)
{
	char *text = recovery_of(phase, is_over, restarts);

	if (strstr(text, part) == NULL)
		fail_msg("no '%s' in:\n%s", part, text);
	assert_null(strchr(text, '\033'));
	free(text);
}

static void test_recovery(void **state)
{
	(void)state;
	expect_recovery("gather", false, 0, "A recovery has been going on for 2 s: waiting for");
	expect_recovery("gather", false, 0, "waits for node2 (report), n?[31m (report).\n");
	expect_recovery("gates", false, 0, "fencing: a node is to be fenced: node3(3)");
	expect_recovery("sweep", false, 0, "3 of 12 databases, 25 % of the hash chains, 70 records");
	expect_recovery("sweep", false, 2, "began anew 2 times");
	expect_recovery("sweep", false, 2, "fencing 310 ms, activation 4 ms, sweep -\n");
	expect_recovery("adoption", false, 0, "taken over; 5 left");
	expect_recovery("content", false, 0, "fetched from other nodes; 1 left");
	expect_recovery("sweep", false, 0, "70 records known, 5 to be taken over, 2 being looked for");
	expect_recovery("over", true, 0,
			"the last one, to generation 18, ended 2 s ago and took -.\n");
	expect_recovery("of a later version", false, 0, "of a later version");
}

static void test_duration(void **state)
{
	static const struct {
		uint64_t ms;
		const char *text;
	} row[] = {
		{ 0, "0 ms" },	    { 999, "999 ms" },	      { 1000, "1 s" },
		{ 60000, "1 min" }, { 303000, "5 min 3 s" },  { 11040000, "3 h 4 min" },
		{ 3600000, "1 h" }, { 187200000, "2 d 4 h" }, { UINT64_MAX, "213503982334 d 14 h" },
	};
	char text[32];

	(void)state;
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++) {
		status_text_duration(row[i].ms, text, sizeof(text));
		assert_string_equal(text, row[i].text);
	}
}

static void test_field(void **state)
{
	struct json_object *object = json_tokener_parse(
	    "{\"a\":{\"b\":{\"c\":5}},\"n\":-1,\"t\":true,\"s\":\"x\",\"z\":null}");

	(void)state;
	assert_int_equal(field_number(object, "a.b.c", 9), 5);
	assert_string_equal(field_text(object, "a.b.c", "?"), "5");
	assert_int_equal(field_number(object, "a.b.c.d", 9), 9);
	assert_int_equal(field_number(object, "n", 9), 9);
	assert_int_equal(field_number(object, "s", 9), 9);
	assert_string_equal(field_text(object, "t", "?"), "?");
	assert_true(field_bool(object, "t", false));
	assert_true(field_bool(object, "s", true));
	assert_null(field(object, "z"));
	assert_null(field(object, ""));
	assert_null(field(object, "a..b"));
	assert_null(field(NULL, "a"));
	assert_int_equal(field_count(object, "a"), 0);
	assert_null(field_at(object, "a", 0));
	json_object_put(object);
}

static void test_table(void **state)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct table t;

	(void)state;
	table_init(&t, 3);
	table_add(&t, "A");
	table_add(&t, "BB");
	table_add(&t, "C");
	table_add(&t, "\303\244\303\266");
	table_add(&t, NULL);
	table_add(&t, "tab\there");
	table_addf(&t, "%d", 5);
	table_add(&t, "x");
	table_add(&t, "");
	table_print(&t, out, "> ");
	assert_int_equal(fclose(out), 0);
	assert_string_equal(text, "> A   BB  C\n> \303\244\303\266      tab?here\n> 5   x\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),	 cmocka_unit_test(test_not_active),
		cmocka_unit_test(test_many_databases),
		cmocka_unit_test(test_odd),	 cmocka_unit_test(test_supervisor),
		cmocka_unit_test(test_recovery), cmocka_unit_test(test_duration), cmocka_unit_test(test_field),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
