/* SPDX-License-Identifier: GPL-3.0-or-later */
/* smb_probe.h: does an SMB server answer? One connection, one SMB2 NEGOTIATE, one answer. */
#ifndef COTDB_SMB_PROBE_H
#define COTDB_SMB_PROBE_H

#include "lib/slice.h"

#define SMB_PROBE_REQUEST_SIZE 178   /* with the 4 bytes of its length in front */
#define SMB_PROBE_ANSWER_SIZE  65536 /* a longer one is taken for nonsense */

enum smb_probe_result {
#define PROBE(id, code, text) SMB_PROBE_##id,
#include "smb_probe.def"
#undef PROBE
	SMB_PROBE_RESULTS
};

struct smb_probe_row {
	int code;
	const char *text;
};
extern const struct smb_probe_row smb_probe_table[SMB_PROBE_RESULTS];

struct smb_probe {
	enum smb_probe_result result;
	uint16_t dialect; /* ANSWERS: 0x0202 to 0x0311 */
	uint32_t status;  /* REFUSES: the server's NTSTATUS */
	int error;	  /* UNREACHABLE: the errno of connect() */
};

/* Asks the server at address (IPv4 or IPv6 in numbers) and port; ends within timeout_ms. 0 and *p,
 * or -EINVAL: no such address */
int smb_probe_ask(const char *address, unsigned int port, unsigned int timeout_ms,
		  struct smb_probe *p);
/* One sentence without full stop, beginning with a verb */
void smb_probe_say(const struct smb_probe *p, char *text, size_t size);

/* The request, SMB_PROBE_REQUEST_SIZE bytes; the length that was written */
size_t smb_probe_request(uint8_t *p, size_t size);
/* What the answer says, without its 4 bytes of length: ANSWERS, REFUSES or NOT_SMB2 */
void smb_probe_answer(struct slice answer, struct smb_probe *p);

#endif
