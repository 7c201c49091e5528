/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cib_fetch.h: the running cluster's CIB, through libcib (blocks); honours its CIB_file */
#ifndef COTDB_CIB_FETCH_H
#define COTDB_CIB_FETCH_H

#include "cib.h"

/* As cib_of_tree(); -ENOTCONN: no CIB manager answers */
int cib_fetch(struct cib **cib, char *error, size_t error_size);

#endif
