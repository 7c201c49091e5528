/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cib_schema.c: the shape of the cotdb resource against cotdb.rng. Each primitive, with the clone
 * or group around it, is taken out of the CIB and validated as a document of its own, so that the
 * schema need not know the rest of a CIB.
 */
#include "config.h"
#include "cib.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <libxml/relaxng.h>
#include <libxml/tree.h>

#define MAX_MESSAGES 8U /* of one resource */

struct messages {
	struct cib_findings *f;
	const char *id;
	unsigned int n;
};

static void add_message(void *arg, const xmlError *e)
{
	struct messages *m = arg;

	if (e->message == NULL || m->n++ >= MAX_MESSAGES)
		return;
	cib_findings_add(m->f, CIB_RULE_SCHEMA, 0, "%s, line %d: %.*s", m->id != NULL ? m->id : "?",
			 e->line, (int)strcspn(e->message, "\n"), e->message);
}

static void drop_message(void *arg, const xmlError *e)
{
	(void)arg;
	(void)e;
}

static int validate(xmlRelaxNG *schema, const struct cib_primitive *p, struct cib_findings *f)
{
	struct messages m = { .f = f, .id = p->id };
	xmlRelaxNGValidCtxt *valid = xmlRelaxNGNewValidCtxt(schema);
	xmlDoc *doc = xmlNewDoc((const xmlChar *)"1.0");
	xmlNode *copy = doc != NULL ? xmlDocCopyNode(p->xml, doc, 1) : NULL;
	int result = -1;

	if (valid != NULL && copy != NULL) {
		(void)xmlDocSetRootElement(doc, copy);
		copy->line = p->xml->line;
		xmlRelaxNGSetValidStructuredErrors(valid, (xmlStructuredErrorFunc)add_message, &m);
		result = xmlRelaxNGValidateDoc(valid, doc);
		if (result > 0 && m.n == 0)
			cib_findings_add(f, CIB_RULE_SCHEMA, 0, "%s", p->id != NULL ? p->id : "?");
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
