# SPDX-License-Identifier: GPL-3.0-or-later
# The schema of the resource in the CIB, with the daemon's options as parameters, and samples
pkgdata_DATA = cib-schema/cotdb.rng
CLEANFILES += cib-schema/cotdb.rng
EXTRA_DIST += cib-schema/cotdb.rng.in
dist_pkgdata_DATA += cib-schema/cotdb.crm cib-schema/cotdb.pcs

cib-schema/cotdb.rng: cib-schema/cotdb.rng.in agent/parameters.awk daemon/options.def Makefile
	$(AM_V_GEN)$(MKDIR_P) cib-schema && \
	$(AWK) -v mode=rng -f $(srcdir)/agent/parameters.awk $(srcdir)/daemon/options.def > $@.xml && \
	sed -e '/^@parameters@$$/{' -e 'r $@.xml' -e d -e '}' $(srcdir)/cib-schema/cotdb.rng.in > $@.tmp && \
	rm -f $@.xml && mv -f $@.tmp $@
