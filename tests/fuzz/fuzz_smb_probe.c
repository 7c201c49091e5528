/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fuzz_smb_probe.c: any bytes as an SMB server's answer to a probe */
#include <stdlib.h>
#include "tools/smb_probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t len)
{
	struct smb_probe probe;
	char text[128];

	smb_probe_answer(slice_of(p, len), &probe);
	smb_probe_say(&probe, text, sizeof(text));
	if (probe.result == SMB_PROBE_ANSWERS && (probe.dialect < 0x0202 || probe.dialect > 0x0311))
		abort();
	return 0;
}
