# SPDX-License-Identifier: GPL-3.0-or-later
sbin_PROGRAMS += cotdb
cotdb_SOURCES = \
	tools/ask.c \
	tools/ask.h \
	tools/command_check.c \
	tools/command_drain.c \
	tools/command_parts.c \
	tools/command_ping.c \
	tools/command_reasons.c \
	tools/command_recovery.c \
	tools/command_status.c \
	tools/command_supervisor.c \
	tools/command_version.c \
	tools/commands.def \
	tools/cotdb.c \
	tools/exit.def \
	tools/field.c \
	tools/field.h \
	tools/recovery_text.c \
	tools/recovery_text.h \
	tools/status_text.c \
	tools/status_text.h \
	tools/supervisor_act.c \
	tools/supervisor_act.h \
	tools/supervisor_ask.c \
	tools/supervisor_ask.h \
	tools/table.c \
	tools/table.h \
	tools/tool.h \
	tools/tool_time.c
cotdb_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
cotdb_LDADD = libcotdb.la libdaemon.a libcotdb-base.a $(JSON_LIBS)

# does an SMB server answer?
sbin_PROGRAMS += cotdb-smb-probe
cotdb_smb_probe_SOURCES = \
	tools/smb_probe.c tools/smb_probe.def tools/smb_probe.h \
	tools/smb_probe_main.c \
	tools/tool.h tools/tool_time.c
cotdb_smb_probe_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
cotdb_smb_probe_LDADD = libcotdb-base.a

# cotdb check
pkglibexec_PROGRAMS += cotdb-check
cotdb_check_SOURCES = tools/check.c tools/check.h tools/check_main.c
cotdb_check_CFLAGS = $(AM_CFLAGS) $(JSON_CFLAGS)
cotdb_check_LDADD = libcotdb-cib.a libdaemon.a libcotdb-base.a $(JSON_LIBS) $(libcotdb_cib_libs)

# the sandbox: a cluster of several nodes on one machine
dist_noinst_SCRIPTS += tools/sandbox tools/install-packages tools/sandbox.d/usr/sbin/fence_sandbox
EXTRA_DIST += tools/sandbox.d/base.py tools/sandbox.d/build.py tools/sandbox.d/cluster.py \
	tools/sandbox.d/conf.py tools/sandbox.d/daemon.py tools/sandbox.d/demo.py tools/sandbox.d/demo_samba.py tools/sandbox.d/smbd.py \
	tools/sandbox.d/inside.py \
	tools/sandbox.d/main.py tools/sandbox.d/power.py
