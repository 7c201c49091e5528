# SPDX-License-Identifier: GPL-3.0-or-later
EXTRA_DIST += tests/model/README tests/model/configurations tests/model/own.pml
dist_noinst_SCRIPTS += tests/model/run
