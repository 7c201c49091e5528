# SPDX-License-Identifier: GPL-3.0-or-later
"""domain.py: a cluster that serves SMB as one member of a domain.

    with Member(3) as c:        # joined, smbd and winbindd on cotdb
        c.sh(2, "wbinfo -t")

The nodes share one machine account, as they share all of Samba's: its password is in the clustered
secrets.tdb, and what winbindd has agreed on with the domain controller in netlogon_creds_cli.tdb. The
controller is one of the NT4 kind: Debian's smbd and nmbd outside the nodes, with pid and mount
namespaces of their own, so that nothing of the host's Samba is seen or changed, and they end
together."""
import os, shutil, subprocess, sys, tempfile

from smb import Samba, smbd
from harness import TOOL, say, skip
import base

for program in "nmbd", "nmblookup", "net", "wbinfo":
    if not shutil.which(program, path=base.PATH):
        skip(f"{program} is not installed (tools/install-packages tests)")

DOMAIN, USER, PASSWORD = "DOMAIN", "domuser", "secret"
ACCOUNT = rf"{DOMAIN}\{USER}"
CREDENTIALS = f"{DOMAIN}/{USER}%{PASSWORD}"
ADDRESS = "10.77.0.254"                         # where clients outside the nodes are
FIRST_ID = 2000000                              # of the domain's users and groups in the nodes

CONTROLLER_CONF = f"""[global]
netbios name = PDC
workgroup = {DOMAIN}
server role = classic primary domain controller
domain logons = yes
wins support = yes
interfaces = {ADDRESS}/24
bind interfaces only = yes
load printers = no
disable spoolss = yes
printcap name = /dev/null
log file = /var/log/samba/log.%m
max log size = 0
"""
CONTROLLER_PASSWD = f"{USER}:x:6000:100::/:/bin/false\ncluster$:x:6001:100::/:/bin/false\n"
CONTROLLER_RUN = f"""
for path in /run /etc/passwd /etc/samba /var/lib/samba /var/cache/samba /var/log/samba; do
	mount --bind "$0$path" "$path" || exit
done
for user in root {USER}; do
	printf '{PASSWORD}\\n{PASSWORD}\\n' | smbpasswd -s -a $user || exit
done
pdbedit -a -m -u 'cluster$' && nmbd -D && exec smbd -F --no-process-group
"""

MEMBER_CONF = f"""
[global]
workgroup = {DOMAIN}
security = domain
wins server = {ADDRESS}
idmap config {DOMAIN} : backend = rid
idmap config {DOMAIN} : range = {FIRST_ID}-{FIRST_ID + 999999}
"""
MEMBER_NSSWITCH = "passwd: files winbind\ngroup: files winbind\nhosts: files\n"


class Controller:
    """Running from start() to end(); end() may be called at any time."""

    def __init__(self):
        self.folder, self.process = tempfile.mkdtemp(prefix="domain-controller-"), None
        for sub in "run/samba", "etc/samba", "var/lib/samba/private", "var/cache/samba", "var/log/samba":
            os.makedirs(f"{self.folder}/{sub}")
        base.write(self.folder + "/etc/samba/smb.conf", CONTROLLER_CONF)
        base.write(self.folder + "/etc/passwd", base.read("/etc/passwd") + CONTROLLER_PASSWD)

    def start(self):
        with open(self.folder + "/out", "w") as out:
            self.process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", TOOL, "client", "unshare", "--mount", "--pid", "--fork",
                 "--kill-child", "--mount-proc", "sh", "-c", CONTROLLER_RUN, self.folder],
                stdin=-3, stdout=out, stderr=out, env={**os.environ, "TMPDIR": "/tmp"})   # all enter: IPC$ is there

    def is_registered(self):
        """Whether it answers for the domain; its end with an error if it has ended."""
        if self.process.poll() is not None:
            sys.exit("the domain controller has ended: " + base.read(self.folder + "/out"))
        found = subprocess.run([TOOL, "client", "nmblookup", "--recursion", "-U", ADDRESS, DOMAIN + "#1C"],
                               stdin=-3, stdout=-1, stderr=-2, text=True, timeout=60)
        return f"{ADDRESS} {DOMAIN}<1c>" in found.stdout

    def end(self):
        if self.process and self.process.poll() is None:
            pid = self.process.pid
            inner = base.read(f"/proc/{pid}/task/{pid}/children")
            os.kill(int(inner or pid), 9)       # with the first of a pid namespace all end before it is gone
            self.process.wait(30)
        shutil.rmtree(self.folder)


class Member(Samba):
    def __init__(self, n):
        super().__init__(n, "--no-pacemaker", "--bare", "--install")
        self.nodes = range(1, n + 1)

    def __enter__(self):
        self.controller = Controller()
        try:
            super().__enter__()
        except BaseException:
            self.controller.end()
            raise
        try:
            self.join()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, *args):
        self.controller.end()
        return super().__exit__(*args)

    def join(self):
        self.controller.start()
        for k in self.nodes:
            etc = f"{base.SANDBOX}/nodes/node{k}/root/etc"
            base.write(etc + "/samba/smb.conf", smbd.SMB_CONF + MEMBER_CONF)
            base.write(etc + "/nsswitch.conf", MEMBER_NSSWITCH)
        os.chmod(f"{base.load_conf()['fs']}/{smbd.SHARE}", 0o1777)
        self.sandbox("daemon")
        self.wait("the domain controller is there", self.controller.is_registered, 30, 0.1)
        self.wait("node1 joins the domain for all", self.is_joined, 30, 1)
        for k in self.nodes:
            self.start_samba(k)

    def is_joined(self):
        done = self.run(1, f"net rpc join -U root%{PASSWORD}")
        if f"to domain '{DOMAIN}'" in done.stdout:
            return True
        say(f"net rpc join: {done.stdout}{done.stderr}")
        return False

    def start_samba(self, k):
        self.sh(k, "mkdir -p /run/samba && winbindd -D && smbd -D")
        self.wait(f"node{k} serves a user of the domain",
                  lambda: self.smbclient(k, "ls", 30, CREDENTIALS).returncode == 0, 30, 0.1)
