# SPDX-License-Identifier: GPL-3.0-or-later
# The agent, with the daemon's options as its parameters (one list: daemon/options.def)
agent_SCRIPTS = agent/cotdbd
CLEANFILES += agent/cotdbd
EXTRA_DIST += agent/cotdbd.in agent/parameters.awk

agent/cotdbd: agent/cotdbd.in agent/parameters.awk daemon/options.def Makefile
	$(AM_V_GEN)$(MKDIR_P) agent && \
	options=$$($(AWK) -v mode=names -f $(srcdir)/agent/parameters.awk $(srcdir)/daemon/options.def | tr '\n' ' ') && \
	$(AWK) -v mode=xml -f $(srcdir)/agent/parameters.awk $(srcdir)/daemon/options.def > $@.xml && \
	sed -e '/^@parameters@$$/{' -e 'r $@.xml' -e d -e '}' \
		-e 's|@sbindir[@]|$(sbindir)|g'\
		-e 's|@version[@]|$(PACKAGE_VERSION)|g' -e "s|@options[@]|$${options% }|g" \
		$(srcdir)/agent/cotdbd.in > $@.tmp && \
	rm -f $@.xml && chmod 755 $@.tmp && mv -f $@.tmp $@
