/* SPDX-License-Identifier: GPL-3.0-or-later */
/* test_agent_metadata.c: the agent's parameters are the daemon's options, row by row */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <libxml/parser.h>
#include "daemon/options.h"

static xmlNode *next_element(xmlNode *n, const char *name)
{
	while (n != NULL &&
	       (n->type != XML_ELEMENT_NODE || strcmp((const char *)n->name, name) != 0))
		n = n->next;
	return n;
}

static void assert_attr(xmlNode *n, const char *name, const char *expected)
{
	xmlChar *value = xmlGetProp(n, (const xmlChar *)name);

	assert_non_null(value);
	assert_string_equal((const char *)value, expected);
	xmlFree(value);
}

static void parameters_are_the_options(void **state)
{
	static const char *const content[] = {
		[OPTION_PATH] = "string",  [OPTION_TEXT] = "string", [OPTION_PORT] = "integer",
		[OPTION_BOOL] = "boolean", [OPTION_MS] = "string",   [OPTION_COUNT] = "integer",
	};
	char text[65536];
	FILE *agent = popen("sh agent/cotdbd meta-data", "r");
	size_t len;
	xmlDoc *doc;
	xmlNode *parameter;

	(void)state;
	assert_non_null(agent);
	len = fread(text, 1, sizeof(text), agent);
	assert_int_equal(pclose(agent), 0);
	doc = xmlReadMemory(text, (int)len, "meta-data", NULL, XML_PARSE_NONET);
	assert_non_null(doc);
	parameter = next_element(xmlDocGetRootElement(doc)->children, "parameters")->children;
	for (size_t i = 0; i < OPTION_COUNT_OF; i++, parameter = parameter->next) {
		const struct option_row *row = &option_table[i];
		xmlNode *longdesc, *value;
		xmlChar *words;

		parameter = next_element(parameter, "parameter");
		assert_non_null(parameter);
		assert_attr(parameter, "name", row->name);
		value = next_element(parameter->children, "content");
		assert_attr(value, "type", content[row->type]);
		assert_attr(value, "default", row->dflt);
		longdesc = next_element(parameter->children, "longdesc");
		words = xmlNodeGetContent(longdesc);
		/* the first letter is a capital, and there is a full stop */
		assert_int_equal(strlen((const char *)words), strlen(row->text) + 1);
		assert_memory_equal(words + 1, row->text + 1, strlen(row->text) - 1);
		xmlFree(words);
	}
	assert_null(next_element(parameter, "parameter"));
	xmlFreeDoc(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(parameters_are_the_options) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
