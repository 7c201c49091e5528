/* SPDX-License-Identifier: GPL-3.0-or-later */
/* cib_fetch.c: asks Pacemaker's CIB manager once for the whole configuration */
#include "config.h"
#include "cib_fetch.h"

#include <errno.h>
#include <stdio.h>
#include <libxml/tree.h>
#include <crm/crm.h>
#include <crm/cib.h>

int cib_fetch(struct cib **cib, char *error, size_t error_size)
{
	cib_t *connection = cib_new();
	xmlNode *answer = NULL;
	int rc;

	if (connection == NULL) {
		(void)snprintf(error, error_size, "out of memory");
		return -ENOMEM;
	}
	rc = connection->cmds->signon(connection, "cotdb", cib_query);
	if (rc == pcmk_ok)
		rc = connection->cmds->query(connection, "configuration", &answer,
					     cib_sync_call | cib_scope_local);
	if (rc == pcmk_ok) {
		rc = cib_of_tree(answer, cib, error, error_size);
	} else {
		(void)snprintf(error, error_size, "Pacemaker's CIB cannot be read: %s",
			       pcmk_strerror(rc));
		rc = -ENOTCONN;
	}
	if (answer != NULL)
		free_xml(answer);
	(void)connection->cmds->signoff(connection);
	cib_delete(connection);
	return rc;
}
