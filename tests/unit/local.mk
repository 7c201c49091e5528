# SPDX-License-Identifier: GPL-3.0-or-later
include tests/unit/client.mk
include tests/unit/lib.mk
include tests/unit/io.mk
include tests/unit/core.mk
include tests/unit/pacemaker.mk
include tests/unit/helper.mk
include tests/unit/tools.mk
