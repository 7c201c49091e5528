/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_cib_read.c: a CIB as structs, and text that is none or means harm */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>
#include "daemon/helper/cib.h"

static char error[CIB_TEXT_SIZE];

static int read_text(const char *text, struct cib **cib)
{
	*cib = NULL;
	error[0] = '\0';
	return cib_of_text(text, strlen(text), cib, error, sizeof(error));
}

static struct cib *read_good(const char *text)
{
	struct cib *cib;

	assert_int_equal(read_text(text, &cib), 0);
	return cib;
}

static void assert_refused(const char *text, int code, const char *word)
{
	struct cib *cib;

	assert_int_equal(read_text(text, &cib), code);
	assert_null(cib);
	if (strstr(error, word) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", error, word);
}

static void what_is_no_cib_is_refused(void **state)
{
	(void)state;
	assert_refused("", -EBADMSG, "no XML");
	assert_refused("not at all", -EBADMSG, "no XML");
	assert_refused("<cib><configuration></cib>", -EBADMSG, "no XML");
	assert_refused("<html/>", -EBADMSG, "no CIB");
	assert_refused("<cib/>", -EBADMSG, "no CIB");
	assert_refused("<cib><configuration/></cib", -EBADMSG, "no XML");
	assert_refused("<cib><configuration>\xff\xfe</configuration></cib>", -EBADMSG, "no XML");
}

static void no_document_type(void **state)
{
	(void)state;
	assert_refused(
	    "<!DOCTYPE cib [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>"
	    "<cib><configuration><nodes><node id=\"&b;\"/></nodes></configuration></cib>",
	    -EBADMSG, "DOCTYPE");
	assert_refused("<!DOCTYPE cib SYSTEM \"file:///etc/passwd\"><cib><configuration/></cib>",
		       -EBADMSG, "DOCTYPE");
	assert_refused("<!DOCTYPE cib [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>"
		       "<cib><configuration>&x;</configuration></cib>",
		       -EBADMSG, "DOCTYPE");
	assert_refused("<cib><configuration>&unknown;</configuration></cib>", -EBADMSG, "no XML");
}

static void size_and_depth_are_limited(void **state)
{
	size_t len = CIB_MAX_BYTES + 1, deep = 5000;
	char *text = malloc(len);
	struct cib *cib = NULL;

	(void)state;
	assert_non_null(text);
	memset(text, ' ', len);
	assert_int_equal(cib_of_text(text, len, &cib, error, sizeof(error)), -EFBIG);
	for (size_t i = 0; i < deep; i++)
		memcpy(text + 3 * i, "<a>", 3);
	assert_int_equal(cib_of_text(text, 3 * deep, &cib, error, sizeof(error)), -EBADMSG);
	assert_null(cib);
	free(text);
}

static void file_that_is_not_there(void **state)
{
	struct cib *cib = NULL;

	(void)state;
	assert_int_equal(cib_of_file("/nonexistent/cib.xml", &cib, error, sizeof(error)), -ENOENT);
	assert_non_null(strstr(error, "/nonexistent/cib.xml cannot be read"));
	assert_int_equal(cib_of_file("/", &cib, error, sizeof(error)), -EISDIR);
}

static void nodes_and_their_kinds(void **state)
{
	struct cib *cib = read_good("<configuration><nodes><node id=\"1\" uname=\"a&amp;b\"/>"
				    "<node id=\"r\" uname=\"r\" type=\"remote\"/><node/></nodes>"
				    "</configuration>");

	(void)state;
	assert_int_equal(cib->n_nodes, 3);
	assert_string_equal(cib->nodes[0].id, "1");
	assert_string_equal(cib->nodes[0].name, "a&b");
	assert_false(cib->nodes[0].is_remote);
	assert_true(cib->nodes[1].is_remote);
	assert_null(cib->nodes[2].id);
	cib_free(cib);
}

/* The bootstrap set counts first, then sets by score; sets under a rule are passed over */
static void order_of_the_properties(void **state)
{
	struct cib *cib = read_good(
	    "<cib><configuration><crm_config>"
	    "<cluster_property_set id=\"low\" score=\"1\"><nvpair name=\"a\" value=\"low\"/>"
	    "<nvpair name=\"b\" value=\"low\"/><nvpair name=\"c\" "
	    "value=\"low\"/></cluster_property_set>"
	    "<cluster_property_set id=\"ruled\" score=\"INFINITY\"><rule id=\"r\"/>"
	    "<nvpair name=\"a\" value=\"ruled\"/></cluster_property_set>"
	    "<cluster_property_set id=\"high\" score=\"10\"><nvpair name=\"a\" value=\"high\"/>"
	    "<nvpair name=\"b\" value=\"high\"/></cluster_property_set>"
	    "<cluster_property_set id=\"cib-bootstrap-options\"><nvpair name=\"a\" value=\"boot\"/>"
	    "</cluster_property_set></crm_config></configuration></cib>");

	(void)state;
	assert_string_equal(cib_property(cib, "a"), "boot");
	assert_string_equal(cib_property(cib, "b"), "high");
	assert_string_equal(cib_property(cib, "c"), "low");
	assert_null(cib_property(cib, "d"));
	cib_free(cib);
}

static void resources_in_groups_clones_and_templates(void **state)
{
	struct cib *cib = read_good(
	    "<cib><configuration><resources>"
	    "<template id=\"t\" class=\"ocf\" provider=\"cotdb\" type=\"cotdbd\">"
	    "<instance_attributes id=\"ti\"><nvpair name=\"port\" value=\"1\"/>"
	    "<nvpair name=\"workers\" value=\"2\"/></instance_attributes>"
	    "<operations><op id=\"o\" name=\"monitor\" interval=\"10s\"/></operations></template>"
	    "<clone id=\"c\"><meta_attributes id=\"m\"><nvpair name=\"interleave\" value=\"true\"/>"
	    "</meta_attributes><group id=\"g\"><primitive id=\"p\" template=\"t\">"
	    "<instance_attributes id=\"pi\"><nvpair name=\"port\" "
	    "value=\"3\"/></instance_attributes>"
	    "</primitive></group></clone>"
	    "<primitive id=\"f\" class=\"stonith\" type=\"x\"><meta_attributes id=\"fm\">"
	    "<nvpair name=\"target-role\" value=\"Stopped\"/></meta_attributes></primitive>"
	    "<bundle id=\"b\"><primitive id=\"q\" class=\"ocf\" provider=\"cotdb\" "
	    "type=\"cotdbd\"/>"
	    "</bundle></resources></configuration></cib>");
	const struct cib_primitive *p;

	(void)state;
	assert_int_equal(cib->n_primitives, 3);
	p = &cib->primitives[0];
	assert_true(cib_is_cotdb(p));
	assert_string_equal(p->clone_id, "c");
	assert_true(p->is_in_group);
	assert_string_equal(cib_pair_value(p->params, p->n_params, "port"), "3");
	assert_string_equal(cib_pair_value(p->params, p->n_params, "workers"), "2");
	assert_string_equal(cib_pair_value(p->clone_meta, p->n_clone_meta, "interleave"), "true");
	assert_int_equal(p->n_ops, 1);
	assert_true(cib->primitives[1].is_stopped);
	assert_false(cib_is_cotdb(&cib->primitives[1]));
	assert_true(cib->primitives[2].is_in_bundle);
	cib_free(cib);
}

static void values_as_pacemaker_reads_them(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} times[] = {
		{ "20", 20000 },
		{ "20s", 20000 },
		{ "500ms", 500 },
		{ "2min", 120000 },
		{ "1h", 3600000 },
		{ " 3 sec", 3000 },
		{ "", 7 },
		{ "x", 7 },
		{ "5 parsecs", 7 },
		{ NULL, 7 },
		{ "99999999999999999999", 7 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		assert_int_equal(cib_time_ms(times[i].text, 7), times[i].ms);
	assert_true(cib_is_true("TRUE", false));
	assert_true(cib_is_true("on", false));
	assert_false(cib_is_true("0", true));
	assert_true(cib_is_true("perhaps", true));
	assert_false(cib_is_true(NULL, false));
}

static void fencing(void **state)
{
#define WITH(properties, resources)                                                                \
	read_good("<cib><configuration><crm_config><cluster_property_set id=\"s\">" properties     \
		  "</cluster_property_set></crm_config><resources>" resources                      \
		  "</resources></configuration></cib>")
#define PAIR(name, value) "<nvpair name=\"" name "\" value=\"" value "\"/>"
	struct cib *cib = WITH("", "");

	(void)state;
	assert_true(cib_is_fencing_enabled(cib));
	assert_false(cib_has_fencing_device(cib));
	assert_string_equal(cib_fence_action(cib), "reboot");
	assert_int_equal(cib_fence_timeout_ms(cib), 60000);
	cib_free(cib);

	cib = WITH(PAIR("stonith-enabled", "off") PAIR("stonith-action", "off")
		       PAIR("stonith-timeout", "90"),
		   "<primitive id=\"f\" class=\"stonith\" type=\"x\"/>");
	assert_false(cib_is_fencing_enabled(cib));
	assert_true(cib_has_fencing_device(cib));
	assert_string_equal(cib_fence_action(cib), "off");
	assert_int_equal(cib_fence_timeout_ms(cib), 90000);
	cib_free(cib);

	cib = WITH(PAIR("have-watchdog", "true") PAIR("stonith-watchdog-timeout", "10"), "");
	assert_true(cib_has_fencing_device(cib));
	cib_free(cib);
	cib = WITH(PAIR("have-watchdog", "true") PAIR("stonith-watchdog-timeout", "0"), "");
	assert_false(cib_has_fencing_device(cib));
	cib_free(cib);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_cib_is_refused),
		cmocka_unit_test(no_document_type),
		cmocka_unit_test(size_and_depth_are_limited),
		cmocka_unit_test(file_that_is_not_there),
		cmocka_unit_test(nodes_and_their_kinds),
		cmocka_unit_test(order_of_the_properties),
		cmocka_unit_test(resources_in_groups_clones_and_templates),
		cmocka_unit_test(values_as_pacemaker_reads_them),
		cmocka_unit_test(fencing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
