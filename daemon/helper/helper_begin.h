/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * helper_begin.h: what helper processes of the engine do first that need nothing but libc. There
 * are several of them: without libqb, which brings half a dozen libraries, each takes a third of
 * the memory, and starts faster. The engine logs for them (IPC_LOG).
 */
#ifndef COTDB_HELPER_BEGIN_H
#define COTDB_HELPER_BEGIN_H

#include "daemon/options.h"

/* Takes the engine's options from the command line (others, as the engine's own --boot_id, are
 * ignored), has the engine log what it logs, sees that this process ends with the engine. 0 or an
 * exit code with a sentence on standard error. */
int helper_begin(int argc, char **argv, const char *ident, struct options *o);
/* Something in memory of this helper can be lost: the OOM killer may take it like any other */
void helper_expendable(void);

#endif
