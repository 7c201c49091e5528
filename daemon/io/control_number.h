/* SPDX-License-Identifier: GPL-3.0-or-later */
/* control_number.h: controls of our own, for the cotdb command; CTDB's numbers will not come here
 * for long */
#ifndef COTDB_CONTROL_NUMBER_H
#define COTDB_CONTROL_NUMBER_H

#define COTDB_CONTROL_STATUS 0x434F0001U /* no data -> JSON text with its NUL (status.c) */
#define COTDB_CONTROL_DRAIN 0x434F0002U  /* u32: 1 drain, 0 no longer -> no data */

#endif
