/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * jenkins.h: Bob Jenkins' hash lookup3 ("hashlittle"), the one that CTDB numbers its databases
 * with and libtdb finds its chains with.
 */
#ifndef COTDB_JENKINS_H
#define COTDB_JENKINS_H

#include "slice.h"

uint32_t jenkins_hash(struct slice key);

/* A database's id: the hash of its name, the NUL included. The same on all nodes. */
uint32_t jenkins_db_id(const char *name);

#endif
