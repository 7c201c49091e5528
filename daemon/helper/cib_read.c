/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * cib_read.c: a CIB as plain structs.
 *
 * The text may come from anywhere, so it is parsed with nothing that reaches outside of it: a
 * document type declaration stops the parser at once (no entities, no external subset), the network
 * is off, size and depth are limited. Strings are lent from the tree, which struct cib owns.
 *
 * What Pacemaker would resolve by rules that depend on the time or on the node (rule elements) is
 * passed over: the checks look at what holds always. Values are in Pacemaker's order: the
 * bootstrap set of the cluster's properties counts first, then sets by falling score.
 */
#include "config.h"
#include "cib.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include <libxml/parser.h>
#include <libxml/tree.h>

#define BOOTSTRAP_SET "cib-bootstrap-options"

static bool is_element(const xmlNode *n, const char *name)
{
	return n->type == XML_ELEMENT_NODE && strcmp((const char *)n->name, name) == 0;
}

static xmlNode *child_of(const xmlNode *parent, const char *name)
{
	for (xmlNode *n = parent != NULL ? parent->children : NULL; n != NULL; n = n->next) {
		if (is_element(n, name))
			return n;
	}
	return NULL;
}

/* Lent from the tree; NULL when absent */
static const char *attr_of(const xmlNode *n, const char *name)
{
	for (const xmlAttr *a = n->properties; a != NULL; a = a->next) {
		if (strcmp((const char *)a->name, name) != 0)
			continue;
		if (a->children == NULL)
			return "";
		if (a->children->next == NULL && a->children->type == XML_TEXT_NODE &&
		    a->children->content != NULL)
			return (const char *)a->children->content;
		return NULL;
	}
	return NULL;
}

/* Makes room for one more of size bytes at the end of *list, zeroed; NULL without memory */
static void *list_grow(void **list, size_t *n, size_t size)
{
	char *grown = reallocarray(*list, *n + 1, size);

	if (grown == NULL)
		return NULL;
	*list = grown;
	memset(grown + *n * size, 0, size);
	return grown + (*n)++ * size;
}

static int pairs_add(struct cib_pair **pairs, size_t *n, const xmlNode *set)
{
	if (child_of(set, "rule") != NULL)
		return 0;
	for (const xmlNode *v = set->children; v != NULL; v = v->next) {
		struct cib_pair *pair;
		const char *name;

		if (!is_element(v, "nvpair") || (name = attr_of(v, "name")) == NULL)
			continue;
		pair = list_grow((void **)pairs, n, sizeof(**pairs));
		if (pair == NULL)
			return -ENOMEM;
		pair->name = name;
		pair->value = attr_of(v, "value");
	}
	return 0;
}

/* An element of that name anywhere below, with that id; bounded by the parser's depth */
static xmlNode *find_id(xmlNode *below, const char *name, const char *id)
{
	for (xmlNode *n = below->children; n != NULL; n = n->next) {
		const char *own;
		xmlNode *found;

		if (n->type != XML_ELEMENT_NODE)
			continue;
		own = attr_of(n, "id");
		if (is_element(n, name) && own != NULL && strcmp(own, id) == 0)
			return n;
		found = find_id(n, name, id);
		if (found != NULL)
			return found;
	}
	return NULL;
}

static long score_of(const xmlNode *set)
{
	const char *score = attr_of(set, "score");

	if (score == NULL)
		return 0;
	if (strcasecmp(score, "INFINITY") == 0 || strcasecmp(score, "+INFINITY") == 0)
		return 1000000;
	if (strcasecmp(score, "-INFINITY") == 0)
		return -1000000;
	return strtol(score, NULL, 10);
}

/* All sets of that element name in parent, falling scores; the first set is first among equals */
static int sets_add(struct cib *cib, struct cib_pair **pairs, size_t *n, const xmlNode *parent,
		    const char *name)
{
	xmlNode *root = xmlDocGetRootElement(cib->doc);
	long bound = 0, next = 0;
	bool has_bound = false;
	int error = 0;

	do {
		bool has_next = false;

		for (const xmlNode *s = parent->children; s != NULL && error == 0; s = s->next) {
			const xmlNode *set = s;
			const char *ref, *id;
			long score;

			if (!is_element(s, name))
				continue;
			id = attr_of(s, "id");
			score =
			    id != NULL && strcmp(id, BOOTSTRAP_SET) == 0 ? 1000001 : score_of(s);
			if (has_bound && score == bound) {
				ref = attr_of(s, "id-ref");
				if (ref != NULL)
					set = find_id(root, name, ref);
				if (set != NULL)
					error = pairs_add(pairs, n, set);
			} else if ((!has_bound || score < bound) && (!has_next || score > next)) {
				next = score;
				has_next = true;
			}
		}
		if (!has_next)
			break;
		bound = next;
		has_bound = true;
	} while (error == 0);
	return error;
}

static int ops_add(struct cib_primitive *p, const xmlNode *parent)
{
	const xmlNode *ops = child_of(parent, "operations");

	for (const xmlNode *o = ops != NULL ? ops->children : NULL; o != NULL; o = o->next) {
		struct cib_op *op;

		if (!is_element(o, "op"))
			continue;
		op = list_grow((void **)&p->ops, &p->n_ops, sizeof(*op));
		if (op == NULL)
			return -ENOMEM;
		op->name = attr_of(o, "name");
		op->interval = attr_of(o, "interval");
		op->timeout = attr_of(o, "timeout");
		op->on_fail = attr_of(o, "on-fail");
		op->role = attr_of(o, "role");
		op->is_enabled = cib_is_true(attr_of(o, "enabled"), true);
	}
	return 0;
}

/* outer: the clone or group that this primitive is in, as far as there is one */
struct outer {
	xmlNode *xml;
	const xmlNode *clone, *group;
	bool is_in_bundle;
};

static bool is_stopped(const struct cib_pair *meta, size_t n)
{
	const char *role = cib_pair_value(meta, n, "target-role");

	return role != NULL && strcasecmp(role, "Stopped") == 0;
}

static int primitive_add(struct cib *cib, const xmlNode *resources, xmlNode *xml,
			 const struct outer *outer)
{
	const char *template_id = attr_of(xml, "template");
	const xmlNode *from[2] = { xml, NULL };
	struct cib_primitive *p;
	int error = 0;

	p = list_grow((void **)&cib->primitives, &cib->n_primitives, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	p->xml = outer->xml != NULL ? outer->xml : xml;
	p->id = attr_of(xml, "id");
	p->is_in_group = outer->group != NULL;
	p->is_in_bundle = outer->is_in_bundle;
	for (xmlNode *t = resources->children; t != NULL && template_id != NULL; t = t->next) {
		const char *id = is_element(t, "template") ? attr_of(t, "id") : NULL;

		if (id != NULL && strcmp(id, template_id) == 0)
			from[1] = t;
	}
	for (size_t i = 0; i < 2 && from[i] != NULL && error == 0; i++) {
		if (p->cls == NULL)
			p->cls = attr_of(from[i], "class");
		if (p->provider == NULL)
			p->provider = attr_of(from[i], "provider");
		if (p->type == NULL)
			p->type = attr_of(from[i], "type");
		error = sets_add(cib, &p->params, &p->n_params, from[i], "instance_attributes");
		if (error == 0)
			error = sets_add(cib, &p->meta, &p->n_meta, from[i], "meta_attributes");
		if (error == 0)
			error = ops_add(p, from[i]);
	}
	if (error == 0 && outer->group != NULL)
		error = sets_add(cib, &p->meta, &p->n_meta, outer->group, "meta_attributes");
	if (error == 0 && outer->clone != NULL) {
		p->clone_id = attr_of(outer->clone, "id");
		error = sets_add(cib, &p->clone_meta, &p->n_clone_meta, outer->clone,
				 "meta_attributes");
	}
	p->is_stopped =
	    is_stopped(p->meta, p->n_meta) || is_stopped(p->clone_meta, p->n_clone_meta);
	return error;
}

static int resources_add(struct cib *cib, const xmlNode *resources, const xmlNode *parent,
			 const struct outer *outer)
{
	int error = 0;

	for (xmlNode *n = parent->children; n != NULL && error == 0; n = n->next) {
		struct outer inner = *outer;

		if (inner.xml == NULL)
			inner.xml = n;
		if (is_element(n, "primitive")) {
			error = primitive_add(cib, resources, n, outer);
			continue;
		}
		if (is_element(n, "clone") || is_element(n, "master"))
			inner.clone = n;
		else if (is_element(n, "group"))
			inner.group = n;
		else if (is_element(n, "bundle"))
			inner.is_in_bundle = true;
		else
			continue;
		error = resources_add(cib, resources, n, &inner);
	}
	return error;
}

static int nodes_add(struct cib *cib, const xmlNode *nodes)
{
	for (const xmlNode *n = nodes != NULL ? nodes->children : NULL; n != NULL; n = n->next) {
		struct cib_node *node;
		const char *type;

		if (!is_element(n, "node"))
			continue;
		node = list_grow((void **)&cib->nodes, &cib->n_nodes, sizeof(*node));
		if (node == NULL)
			return -ENOMEM;
		node->id = attr_of(n, "id");
		node->name = attr_of(n, "uname");
		type = attr_of(n, "type");
		node->is_remote = type != NULL && strcmp(type, "remote") == 0;
	}
	return 0;
}

static int fill(struct cib *cib)
{
	xmlNode *root = xmlDocGetRootElement(cib->doc);
	const xmlNode *configuration, *part;
	const struct outer none = { .xml = NULL };
	int error;

	if (root == NULL)
		return -EBADMSG;
	configuration = is_element(root, "configuration") ? root
			: is_element(root, "cib")	  ? child_of(root, "configuration")
							  : NULL;
	if (configuration == NULL)
		return -EBADMSG;
	error = nodes_add(cib, child_of(configuration, "nodes"));
	part = child_of(configuration, "crm_config");
	if (error == 0 && part != NULL)
		error = sets_add(cib, &cib->properties, &cib->n_properties, part,
				 "cluster_property_set");
	part = child_of(configuration, "op_defaults");
	if (error == 0 && part != NULL)
		error =
		    sets_add(cib, &cib->op_defaults, &cib->n_op_defaults, part, "meta_attributes");
	part = child_of(configuration, "rsc_defaults");
	if (error == 0 && part != NULL)
		error = sets_add(cib, &cib->rsc_defaults, &cib->n_rsc_defaults, part,
				 "meta_attributes");
	part = child_of(configuration, "resources");
	if (error == 0 && part != NULL)
		error = resources_add(cib, part, part, &none);
	return error;
}

/* Takes doc */
static int cib_of_doc(xmlDoc *doc, struct cib **cib, char *error, size_t error_size)
{
	struct cib *c = calloc(1, sizeof(*c));
	int code = -ENOMEM;

	if (c == NULL) {
		xmlFreeDoc(doc);
	} else {
		c->doc = doc;
		code = fill(c);
	}
	if (code == 0) {
		*cib = c;
		return 0;
	}
	(void)snprintf(error, error_size, "%s",
		       code == -ENOMEM
			   ? "out of memory"
			   : "this is XML, but no CIB (no <cib> with a <configuration>)");
	cib_free(c);
	return code;
}

/* A document type declaration begins: nothing of it is read */
static void refuse_dtd(void *arg, const xmlChar *name, const xmlChar *external,
		       const xmlChar *system)
{
	xmlParserCtxt *parser = arg;

	(void)name;
	(void)external;
	(void)system;
	parser->_private = parser;
	xmlStopParser(parser);
}

int cib_of_text(const char *text, size_t len, struct cib **cib, char *error, size_t error_size)
{
	xmlParserCtxt *parser;
	xmlDoc *doc;
	int code = -EBADMSG;

	if (len > CIB_MAX_BYTES) {
		(void)snprintf(error, error_size, "the CIB is larger than %u MiB",
			       CIB_MAX_BYTES >> 20);
		return -EFBIG;
	}
	parser = xmlNewParserCtxt();
	if (parser == NULL) {
		(void)snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	parser->sax->internalSubset = refuse_dtd;
	doc = xmlCtxtReadMemory(parser, text, (int)len, "cib", NULL,
				XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
				    XML_PARSE_NOCDATA);
	if (parser->_private != NULL) {
		(void)snprintf(error, error_size,
			       "a document type declaration (DOCTYPE) has no place in a CIB");
		xmlFreeDoc(doc);
	} else if (doc == NULL) {
		const xmlError *e = xmlCtxtGetLastError(parser);

		(void)snprintf(error, error_size, "this is no XML: line %d: %s",
			       e != NULL ? e->line : 0,
			       e != NULL && e->message != NULL ? e->message : "it is empty");
		error[strcspn(error, "\n")] = '\0';
	} else {
		code = cib_of_doc(doc, cib, error, error_size);
	}
	xmlFreeParserCtxt(parser);
	return code;
}

int cib_of_file(const char *path, struct cib **cib, char *error, size_t error_size)
{
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), code = 0;
	size_t len = 0, size = 0;
	char *text = NULL;

	if (fd < 0) {
		code = -errno;
		goto out;
	}
	for (;;) {
		ssize_t n;

		if (len == size) {
			char *grown = size > CIB_MAX_BYTES ? NULL : realloc(text, size + 65536);

			if (grown == NULL) {
				code = size > CIB_MAX_BYTES ? -EFBIG : -ENOMEM;
				break;
			}
			text = grown;
			size += 65536;
		}
		n = read(fd, text + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			code = -errno;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (!is_stdin)
		(void)close(fd);
	if (code == 0 || code == -EFBIG)
		code = cib_of_text(text, len, cib, error, error_size);
	else
	out:
		(void)snprintf(error, error_size, "%s cannot be read: %s", path, strerror(-code));
	free(text);
	return code;
}

int cib_of_tree(const xmlNode *tree, struct cib **cib, char *error, size_t error_size)
{
	xmlDoc *doc = xmlNewDoc((const xmlChar *)"1.0");
	xmlNode *copy = doc != NULL ? xmlDocCopyNode((xmlNode *)(uintptr_t)tree, doc, 1) : NULL;

	if (copy == NULL) {
		xmlFreeDoc(doc);
		(void)snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	(void)xmlDocSetRootElement(doc, copy);
	return cib_of_doc(doc, cib, error, error_size);
}

void cib_free(struct cib *cib)
{
	if (cib == NULL)
		return;
	for (size_t i = 0; i < cib->n_primitives; i++) {
		free(cib->primitives[i].params);
		free(cib->primitives[i].meta);
		free(cib->primitives[i].clone_meta);
		free(cib->primitives[i].ops);
	}
	free(cib->primitives);
	free(cib->nodes);
	free(cib->properties);
	free(cib->op_defaults);
	free(cib->rsc_defaults);
	xmlFreeDoc(cib->doc);
	free(cib);
}
