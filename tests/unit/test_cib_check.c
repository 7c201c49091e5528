/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * test_cib_check.c: the rules over CIBs that crmsh wrote (tests/unit/cib), over changed ones, and
 * the verdict that a node gets; the schema.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "daemon/helper/cib.h"

#define GOOD   SRCDIR "/tests/unit/cib/crmsh-clone.xml"
#define POOR   SRCDIR "/tests/unit/cib/crmsh-poor.xml"
#define SCHEMA "cib-schema/cotdb.rng"

static struct cib_member two[] = { { 1, "node1" }, { 2, "node2" } };
static const struct cib_corosync agreed = {
	.is_known = true, .own_nodeid = 1, .members = two, .n_members = 2
};

static bool has(const struct cib_findings *f, enum cib_rule rule)
{
	for (size_t i = 0; i < f->n; i++) {
		if (f->list[i].rule == rule)
			return true;
	}
	return false;
}

static void assert_rules(const struct cib_findings *f, const enum cib_rule *rules, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (!has(f, rules[i]))
			fail_msg("%s was not found", cib_rule_row(rules[i])->name);
	}
	for (size_t i = 0; i < f->n; i++) {
		size_t k = 0;

		while (k < n && rules[k] != f->list[i].rule)
			k++;
		if (k == n)
			fail_msg("unexpected: %s: %s", cib_rule_row(f->list[i].rule)->name,
				 f->list[i].text);
	}
}
#define RULES(f, ...)                                                                              \
	assert_rules(f, (const enum cib_rule[]){ __VA_ARGS__ },                                    \
		     sizeof((const enum cib_rule[]){ __VA_ARGS__ }) / sizeof(enum cib_rule))

static char *slurp(const char *path)
{
	FILE *f = fopen(path, "r");
	char *text = calloc(1, 65536);

	assert_non_null(f);
	assert_non_null(text);
	assert_true(fread(text, 1, 65535, f) > 0);
	(void)fclose(f);
	return text;
}

/* The good CIB with the first occurrence of one text replaced by another */
static struct cib *changed(const char *from, const char *to)
{
	char *text = slurp(GOOD), *at = strstr(text, from), error[CIB_TEXT_SIZE];
	char *new = calloc(1, 65536 + strlen(to));
	struct cib *cib = NULL;

	assert_non_null(at);
	assert_non_null(new);
	(void)sprintf(new, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	if (cib_of_text(new, strlen(new), &cib, error, sizeof(error)) != 0)
		fail_msg("%s", error);
	free(text);
	free(new);
	return cib;
}

/* The findings over that CIB, which is dropped */
static struct cib_findings check(struct cib *cib, const struct cib_corosync *corosync,
				 const struct options *options)
{
	struct cib_findings f = { 0 };

	cib_check(cib, corosync, options, &f);
	cib_free(cib);
	return f;
}

static struct cib *read_file(const char *path)
{
	struct cib *cib = NULL;
	char error[CIB_TEXT_SIZE];

	if (cib_of_file(path, &cib, error, sizeof(error)) != 0)
		fail_msg("%s", error);
	return cib;
}

static void nothing_is_wrong(void **state)
{
	struct cib_findings f = check(read_file(GOOD), &agreed, NULL);
	char text[CIB_TEXT_SIZE];

	(void)state;
	assert_int_equal(f.n, 0);
	assert_int_equal(cib_verdict(&f, 1, text, sizeof(text)), REASON_NONE);
	assert_string_equal(text, "");
	cib_findings_free(&f);
}

static void much_is_wrong(void **state)
{
	struct cib_findings f = check(read_file(POOR), &agreed, NULL);
	char text[CIB_TEXT_SIZE];

	(void)state;
	RULES(&f, CIB_RULE_FENCING_DISABLED, CIB_RULE_UNFENCED, CIB_RULE_NO_QUORUM_IGNORE,
	      CIB_RULE_GLOBALLY_UNIQUE, CIB_RULE_CLONE_NODE_MAX, CIB_RULE_PROMOTABLE,
	      CIB_RULE_NOT_INTERLEAVED, CIB_RULE_NOTIFY, CIB_RULE_MONITOR_ON_FAIL,
	      CIB_RULE_STOP_ON_FAIL, CIB_RULE_START_TIMEOUT, CIB_RULE_STOP_TIMEOUT,
	      CIB_RULE_START_RETRY, CIB_RULE_BAD_PARAMETER, CIB_RULE_NO_RECOVERY_LOCK);
	/* allow_unfenced=true accepts it */
	assert_int_equal(cib_verdict(&f, 1, text, sizeof(text)), REASON_NONE);
	cib_findings_free(&f);
}

/* One change of the good CIB, the rules that it breaks */
static void each_rule(void **state)
{
	static const struct {
		const char *from, *to;
		enum cib_rule rule;
	} cases[] = {
		{ "\"stonith\" type", "\"systemd\" type", CIB_RULE_NO_FENCING_DEVICE },
		{ "value=\"stop\"", "value=\"ignore\"", CIB_RULE_NO_QUORUM_IGNORE },
		{ "provider=\"cotdb\"", "provider=\"other\"", CIB_RULE_NO_RESOURCE },
		{ "<constraints/>", "", CIB_RULE_COUNT },
		{ "interleave\" value=\"true\"", "interleave\" value=\"no\"",
		  CIB_RULE_NOT_INTERLEAVED },
		{ "name=\"interleave\"", "name=\"notify\"", CIB_RULE_NOT_INTERLEAVED },
		{ "on-fail=\"fence\"", "on-fail=\"restart\"", CIB_RULE_MONITOR_ON_FAIL },
		{ " on-fail=\"fence\"", "", CIB_RULE_MONITOR_ON_FAIL },
		{ "name=\"monitor\" interval=\"10s\"", "name=\"monitor\" interval=\"0\"",
		  CIB_RULE_NO_MONITOR },
		{ "name=\"monitor\"", "name=\"monitor\" enabled=\"false\"", CIB_RULE_NO_MONITOR },
		{ "name=\"stop\"", "name=\"stop\" on-fail=\"ignore\"", CIB_RULE_STOP_ON_FAIL },
		{ "name=\"start\" interval=\"0s\" timeout=\"60s\"",
		  "name=\"start\" interval=\"0s\"", CIB_RULE_START_TIMEOUT },
		{ "name=\"stop\" interval=\"0s\" timeout=\"60s\"",
		  "name=\"stop\" interval=\"0s\" timeout=\"10\"", CIB_RULE_STOP_TIMEOUT },
		/* the daemon's own time-outs add up to 21 s, draining among them */
		{ "name=\"stop\" interval=\"0s\" timeout=\"60s\"",
		  "name=\"stop\" interval=\"0s\" timeout=\"25s\"", CIB_RULE_STOP_TIMEOUT },
		{ "name=\"stop\" interval=\"0s\" timeout=\"60s\"",
		  "name=\"stop\" interval=\"0s\" timeout=\"26s\"", CIB_RULE_COUNT },
		{ "<nvpair name=\"recovery_lock\"",
		  "<nvpair name=\"drain_timeout\" value=\"45s\" id=\"x\"/><nvpair name=\"recovery_lock\"",
		  CIB_RULE_STOP_TIMEOUT },
		{ "failure-timeout", "migration-threshold", CIB_RULE_START_RETRY },
		{ "recovery_lock\" value=\"/clusterfs/.cotdb.lock\"", "port\" value=\"0\"",
		  CIB_RULE_BAD_PARAMETER },
		{ "/clusterfs/.cotdb.lock", "", CIB_RULE_NO_RECOVERY_LOCK },
		{ "id=\"2\" uname", "id=\"3\" uname", CIB_RULE_NODE_ID },
		{ "uname=\"node2\"", "uname=\"node9\"", CIB_RULE_NODE_NAME },
		{ "id=\"2\" uname=\"node2\"", "id=\"node2\" uname=\"node2\" type=\"remote\"",
		  CIB_RULE_NODE_REMOTE },
		{ "<node id=\"2\" uname=\"node2\"/>", "", CIB_RULE_NODE_MISSING },
		{ "\"pcmk_host_list\"", "\"pcmk_delay_max\"", CIB_RULE_COUNT },
		{ "pcmk_host_list\" value=\"node1 node2\"", "pcmk_delay_max\" value=\"40s\"",
		  CIB_RULE_FENCE_GRACE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cib_findings f = check(changed(cases[i].from, cases[i].to), &agreed, NULL);

		if (cases[i].rule == CIB_RULE_COUNT)
			assert_int_equal(f.n, 0);
		else if (!has(&f, cases[i].rule))
			fail_msg("%s does not break %s", cases[i].to,
				 cib_rule_row(cases[i].rule)->name);
		cib_findings_free(&f);
	}
}

/* Without a clone, twice, in a bundle */
static void around_the_primitive(void **state)
{
#define COTDB(id) "<primitive id=\"" id "\" class=\"ocf\" provider=\"cotdb\" type=\"cotdbd\"/>"
	struct cib_findings f =
	    check(changed("<clone id", COTDB("again") "<clone id"), &agreed, NULL);

	(void)state;
	assert_true(has(&f, CIB_RULE_SEVERAL_RESOURCES));
	assert_true(has(&f, CIB_RULE_NOT_CLONED));
	assert_true(has(&f, CIB_RULE_NO_MONITOR));
	cib_findings_free(&f);
	f = check(changed("<clone id", "<bundle id=\"b\">" COTDB("again") "</bundle><clone id"),
		  &agreed, NULL);
	assert_true(has(&f, CIB_RULE_IN_BUNDLE));
	cib_findings_free(&f);
}

/* Only what is about this node or about the cluster keeps this node out */
static void verdicts(void **state)
{
	static const struct {
		const char *from, *to;
		uint32_t own;
		enum reason reason;
	} cases[] = {
		{ "id=\"2\" uname", "id=\"3\" uname", 2, REASON_TOPOLOGY },
		{ "id=\"2\" uname", "id=\"3\" uname", 1, REASON_NONE },
		{ "uname=\"node1\"", "uname=\"nodeX\"", 1, REASON_TOPOLOGY },
		{ "<node id=\"2\" uname=\"node2\"/>", "", 2, REASON_NONE },
		{ "stonith-enabled\" value=\"true\"", "stonith-enabled\" value=\"false\"", 1,
		  REASON_FENCING_DISABLED },
		{ "\"stonith\" type", "\"systemd\" type", 2, REASON_NO_FENCING_DEVICE },
		{ "name=\"monitor\"", "name=\"start\"", 1, REASON_NONE },
	};
	char text[CIB_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cib_findings f = check(changed(cases[i].from, cases[i].to), &agreed, NULL);

		assert_int_equal(cib_verdict(&f, cases[i].own, text, sizeof(text)),
				 cases[i].reason);
		assert_int_equal(text[0] != '\0', cases[i].reason != REASON_NONE);
		cib_findings_free(&f);
	}
}

static void unfenced_only_where_quorum_decides(void **state)
{
	struct cib_corosync corosync = agreed;
	struct options options;
	struct cib_findings f;
	char text[CIB_TEXT_SIZE], error[CIB_TEXT_SIZE];
	static const char off[] = "stonith-enabled\" value=\"false\"";
	static const char on[] = "stonith-enabled\" value=\"true\"";

	(void)state;
	options_init(&options);
	assert_int_equal(options_parse(&options, "--allow_unfenced=true", error, sizeof(error)), 0);
	f = check(changed(on, off), &corosync, &options);
	assert_int_equal(cib_verdict(&f, 1, text, sizeof(text)), REASON_NONE);
	assert_true(has(&f, CIB_RULE_UNFENCED));
	cib_findings_free(&f);

	corosync.is_two_node = true;
	f = check(changed(on, off), &corosync, &options);
	assert_int_equal(cib_verdict(&f, 1, text, sizeof(text)), REASON_UNFENCED_TWO_NODE);
	cib_findings_free(&f);
	f = check(read_file(GOOD), &corosync, &options); /* refused with fencing, too */
	assert_int_equal(cib_verdict(&f, 1, text, sizeof(text)), REASON_UNFENCED_TWO_NODE);
	cib_findings_free(&f);

	corosync.is_two_node = false;
	corosync.has_auto_tie_breaker = true;
	f = check(changed(on, off), &corosync, &options);
	assert_int_equal(cib_verdict(&f, 1, text, sizeof(text)), REASON_UNFENCED_TWO_NODE);
	cib_findings_free(&f);
}

static void corosync_side(void **state)
{
	struct cib_member odd[] = { { 1, "" }, { 2000, "far" } };
	struct cib_corosync corosync = { .is_known = true,
					 .is_crypto_off = true,
					 .own_nodeid = 1,
					 .members = odd,
					 .n_members = 2 };
	struct cib_findings f = check(read_file(GOOD), &corosync, NULL);

	(void)state;
	RULES(&f, CIB_RULE_NODE_NO_NAME, CIB_RULE_NODEID_TOO_HIGH, CIB_RULE_NODE_MISSING,
	      CIB_RULE_CRYPTO_OFF);
	cib_findings_free(&f);
}

static void schema(void **state)
{
	static const struct {
		const char *from, *to;
		bool is_valid;
	} cases[] = {
		{ "<constraints/>", "", true },
		{ "\"recovery_lock\"", "\"recovery_lok\"", false },
		{ "recovery_lock\" value=\"/clusterfs/.cotdb.lock\"", "port\" value=\"70000\"",
		  false },
		{ "recovery_lock\" value=\"/clusterfs/.cotdb.lock\"", "port\" value=\"4380\"",
		  true },
		{ "recovery_lock\" value=\"/clusterfs/.cotdb.lock\"",
		  "state_timeout\" value=\"5 bananas\"", false },
		{ "recovery_lock\" value=\"/clusterfs/.cotdb.lock\"",
		  "state_timeout\" value=\"500ms\"", true },
		{ "recovery_lock\" value=\"/clusterfs/.cotdb.lock\"",
		  "allow_unfenced\" value=\"maybe\"", false },
		{ "name=\"monitor\"", "name=\"promote\"", false },
		{ "on-fail=\"fence\"", "on-fail=\"hope\"", false },
		{ "interval=\"10s\"", "interval=\"often\"", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cib *cib = changed(cases[i].from, cases[i].to);
		struct cib_findings f = { 0 };

		assert_int_equal(cib_schema_check(cib, SCHEMA, &f), 0);
		if ((f.n == 0) != cases[i].is_valid)
			fail_msg("schema over %s: %s", cases[i].to, f.n > 0 ? f.list[0].text : "");
		cib_free(cib);
		cib_findings_free(&f);
	}
}

static void schema_that_is_not_there(void **state)
{
	struct cib *cib = read_file(GOOD);
	struct cib_findings f = { 0 };

	(void)state;
	assert_true(cib_schema_check(cib, "/nonexistent/cotdb.rng", &f) < 0);
	cib_free(cib);
	cib_findings_free(&f);
}

/* The schema allows the default of every option, and what options.c allows is not refused */
static void schema_knows_every_option(void **state)
{
	(void)state;
	for (size_t i = 0; i < OPTION_COUNT_OF; i++) {
		char pair[5000];
		struct cib_findings f = { 0 };
		struct cib *cib;

		(void)snprintf(pair, sizeof(pair), "name=\"%s\" value=\"%s\"", option_table[i].name,
			       option_table[i].dflt);
		cib = changed("name=\"recovery_lock\" value=\"/clusterfs/.cotdb.lock\"", pair);
		assert_int_equal(cib_schema_check(cib, SCHEMA, &f), 0);
		if (f.n > 0)
			fail_msg("%s", f.list[0].text);
		cib_free(cib);
		cib_findings_free(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_wrong),
		cmocka_unit_test(much_is_wrong),
		cmocka_unit_test(each_rule),
		cmocka_unit_test(around_the_primitive),
		cmocka_unit_test(verdicts),
		cmocka_unit_test(unfenced_only_where_quorum_decides),
		cmocka_unit_test(corosync_side),
		cmocka_unit_test(schema),
		cmocka_unit_test(schema_that_is_not_there),
		cmocka_unit_test(schema_knows_every_option),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
