# SPDX-License-Identifier: GPL-3.0-or-later
# The agents; that of the daemon has the daemon's options as its parameters (one list: daemon/options.def)
agent_SCRIPTS = agent/cotdbd agent/smbd
CLEANFILES += agent/cotdbd agent/smbd
EXTRA_DIST += agent/cotdbd.in agent/parameters.awk agent/smbd.in

agent/cotdbd: agent/cotdbd.in agent/parameters.awk daemon/options.def Makefile
	$(AM_V_GEN)$(MKDIR_P) agent && \
	options=$$($(AWK) -v mode=names -f $(srcdir)/agent/parameters.awk $(srcdir)/daemon/options.def | tr '\n' ' ') && \
	$(AWK) -v mode=xml -f $(srcdir)/agent/parameters.awk $(srcdir)/daemon/options.def > $@.xml && \
	sed -e '/^@parameters@$$/{' -e 'r $@.xml' -e d -e '}' \
		-e 's|@sbindir[@]|$(sbindir)|g'\
		-e 's|@version[@]|$(PACKAGE_VERSION)|g' -e "s|@options[@]|$${options% }|g" \
		$(srcdir)/agent/cotdbd.in > $@.tmp && \
	rm -f $@.xml && chmod 755 $@.tmp && mv -f $@.tmp $@

agent/smbd: agent/smbd.in Makefile
	$(AM_V_GEN)$(MKDIR_P) agent && \
	sed -e 's|@sbindir[@]|$(sbindir)|g' -e 's|@libexecdir[@]|$(libexecdir)|g' \
		-e 's|@runstatedir[@]|$(runstatedir)|g' -e 's|@version[@]|$(PACKAGE_VERSION)|g' \
		$(srcdir)/agent/smbd.in > $@.tmp && \
	chmod 755 $@.tmp && mv -f $@.tmp $@

# what the agent of smbd is built on
pkglibexec_PROGRAMS += cotdb-smbd-keeper
cotdb_smbd_keeper_SOURCES = \
	agent/keeper.h \
	agent/keeper_act.c \
	agent/keeper_engine.c \
	agent/keeper_file.c \
	agent/keeper_main.c \
	agent/keeper_reason.def \
	agent/keeper_run.c \
	agent/process.c agent/process.h \
	tools/smb_probe.c tools/smb_probe.def tools/smb_probe.h \
	tools/supervisor_ask.c tools/supervisor_ask.h \
	tools/tool_time.c tools/tool.h
cotdb_smbd_keeper_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
cotdb_smbd_keeper_LDADD = libcotdb-base.a $(JSON_LIBS)
