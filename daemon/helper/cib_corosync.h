/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cib_corosync.h: corosync's side of the comparison with the CIB, read from cmap (may block) */
#ifndef COTDB_CIB_COROSYNC_H
#define COTDB_CIB_COROSYNC_H

#include "cib.h"

/* Fills *c (members are the caller's until cib_corosync_free()). 0; -ENOTCONN: corosync does not
 * answer, *c says is_known=false; -ENOMEM */
int cib_corosync_read(struct cib_corosync *c);
void cib_corosync_free(struct cib_corosync *c);

#endif
