/* SPDX-License-Identifier: GPL-3.0-or-later */
/* reason.h: why a node is not serving; the table is reason.def */
#ifndef COTDB_REASON_H
#define COTDB_REASON_H

enum reason {
#define REASON(id, name, cure, ocf, text) REASON_##id,
#include "reason.def"
#undef REASON
	REASON_COUNT
};

enum reason_cure { REASON_CURE_WAIT, REASON_CURE_FINAL };

struct reason_row {
	const char *name; /* "no-quorum": stable, for scripts */
	const char *text; /* a sentence without full stop */
	enum reason_cure cure;
	int ocf; /* exit code of an OCF start that ends with this reason */
};

/* The row of a reason; of REASON_NONE for a number that is none */
const struct reason_row *reason_row(unsigned int reason);
/* The reason of that name, or -1 */
int reason_by_name(const char *name);

#endif
