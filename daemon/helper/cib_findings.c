/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cib_findings.c: the table of rules, the list of what was found, and the verdict over it (cib.h)
 */
#include "config.h"
#include "cib.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct cib_rule_row rules[CIB_RULE_COUNT] = {
#define CIB_RULE(id, name, severity, reason, sentence, cure)                                       \
	[CIB_RULE_##id] = { name, CIB_##severity, REASON_##reason, sentence, cure },
#include "cib_rules.def"
#undef CIB_RULE
};

const struct cib_rule_row *cib_rule_row(enum cib_rule rule)
{
	return &rules[rule];
}

const char *cib_severity_name(enum cib_severity severity)
{
	static const char *const names[] = { "info", "warning", "error" };

	return names[severity];
}

void cib_findings_add(struct cib_findings *f, enum cib_rule rule, uint32_t nodeid, const char *fmt,
		      ...)
{
	const struct cib_rule_row *row = cib_rule_row(rule);
	struct cib_finding *grown = reallocarray(f->list, f->n + 1, sizeof(*grown)), *new;
	char particulars[CIB_TEXT_SIZE - 256];
	va_list args;

	if (grown == NULL) {
		f->is_out_of_memory = true;
		return;
	}
	f->list = grown;
	new = &grown[f->n++];
	memset(new, 0, sizeof(*new));
	new->rule = rule;
	new->severity = row->severity;
	new->nodeid = nodeid;
	va_start(args, fmt);
	(void)vsnprintf(particulars, sizeof(particulars), fmt, args);
	va_end(args);
	(void)snprintf(new->text, sizeof(new->text), "%s%s%s", row->sentence,
		       particulars[0] != '\0' ? ": " : "", particulars);
}

void cib_findings_free(struct cib_findings *f)
{
	free(f->list);
	memset(f, 0, sizeof(*f));
}

enum reason cib_verdict(const struct cib_findings *f, uint32_t own_nodeid, char *text,
			size_t text_size)
{
	const struct cib_finding *first = NULL;

	for (size_t i = 0; i < f->n; i++) {
		const struct cib_finding *now = &f->list[i];

		if (cib_rule_row(now->rule)->reason == REASON_NONE || now->severity != CIB_ERROR ||
		    (now->nodeid != 0 && now->nodeid != own_nodeid))
			continue;
		if (first == NULL || now->rule < first->rule)
			first = now;
	}
	(void)snprintf(text, text_size, "%s", first != NULL ? first->text : "");
	return first != NULL ? cib_rule_row(first->rule)->reason : REASON_NONE;
}
