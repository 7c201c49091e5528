/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cib_schema.c: the shape of the cotdb resource against cotdb.rng. Each primitive, with the clone
 * or group around it, is taken out of the CIB and validated as a document of its own, so that the
 * schema need not know the rest of a CIB.
 */
#include "config.h"
#include "cib.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <libxml/relaxng.h>
#include <libxml/tree.h>

/* libxml2 complains on every level that contains the mistake: the lowest in the text is nearest */
struct nearest {
	int line;
	char text[CIB_TEXT_SIZE / 2];
};

static void keep_nearest(void *arg, const xmlError *e)
{
	const xmlNode *node = e->node;
	struct nearest *n = arg;
	xmlChar *id = NULL;
	size_t len;

	if (e->message == NULL || (n->text[0] != '\0' && e->line <= n->line))
		return;
	n->line = e->line;
	if (node != NULL && node->type == XML_ELEMENT_NODE)
		id = xmlGetProp(node, (const xmlChar *)"id");
	(void)snprintf(n->text, sizeof(n->text), "%s%s%s%s", id != NULL ? "element " : "",
		       id != NULL ? (const char *)node->name : "", id != NULL ? " " : "",
		       id != NULL ? (const char *)id : "");
	len = strlen(n->text);
	(void)snprintf(n->text + len, sizeof(n->text) - len, "%s%.*s", id != NULL ? ": " : "",
		       (int)strcspn(e->message, "\n"), e->message);
	xmlFree(id);
}

static void drop_message(void *arg, const xmlError *e)
{
	(void)arg;
	(void)e;
}

static int validate(xmlRelaxNG *schema, const struct cib_primitive *p, struct cib_findings *f)
{
	struct nearest nearest = { .line = 0 };
	xmlRelaxNGValidCtxt *valid = xmlRelaxNGNewValidCtxt(schema);
	xmlDoc *doc = xmlNewDoc((const xmlChar *)"1.0");
	xmlNode *copy = doc != NULL ? xmlDocCopyNode(p->xml, doc, 1) : NULL;
	int result = -1;

	if (valid != NULL && copy != NULL) {
		(void)xmlDocSetRootElement(doc, copy);
		copy->line = p->xml->line;
		xmlRelaxNGSetValidStructuredErrors(valid, (xmlStructuredErrorFunc)keep_nearest,
						   &nearest);
		result = xmlRelaxNGValidateDoc(valid, doc);
		if (result > 0)
			cib_findings_add(f, CIB_RULE_SCHEMA, 0, "%s, line %d: %s",
					 p->id != NULL ? p->id : "?", nearest.line, nearest.text);
	}
	xmlRelaxNGFreeValidCtxt(valid);
	xmlFreeDoc(doc);
	return result < 0 ? -ENOMEM : 0;
}

int cib_schema_check(const struct cib *cib, const char *schema_path, struct cib_findings *f)
{
	xmlRelaxNGParserCtxt *parser = xmlRelaxNGNewParserCtxt(schema_path);
	xmlRelaxNG *schema = NULL;
	int error = 0;

	if (parser == NULL)
		return -ENOMEM;
	xmlRelaxNGSetParserStructuredErrors(parser, (xmlStructuredErrorFunc)drop_message, NULL);
	schema = xmlRelaxNGParse(parser);
	xmlRelaxNGFreeParserCtxt(parser);
	if (schema == NULL)
		return -ENOENT;
	for (size_t i = 0; i < cib->n_primitives && error == 0; i++) {
		if (cib_is_cotdb(&cib->primitives[i]))
			error = validate(schema, &cib->primitives[i], f);
	}
	xmlRelaxNGFree(schema);
	return error;
}
