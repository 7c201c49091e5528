#!/usr/bin/python3 -ESB
# SPDX-License-Identifier: GPL-3.0-or-later
"""smb.py: clusters that serve SMB, and clients of them.

    with Samba(3, "--no-pacemaker") as c:   # smbd and winbindd on cotdb
    with Ctdbd(3) as c:                     # the same on Debian's ctdbd, to compare with

Clients run outside the nodes, on their network: c.client(...). As a program, so that two clusters
can be up at once, each in its SANDBOX_DIR: smb.py ctdbd|cotdb N: makes one, prints "serving", and
ends it when its input ends."""
import os, shutil, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path.insert(0, HERE + "/../cluster")
from harness import TOOL, Cluster, say, skip                             # noqa: E402
import base, smbd                                                               # noqa: E402

for program in "smbd", "smbclient", "winbindd":
    if not shutil.which(program, path=base.PATH):
        skip(f"{program} is not installed (tools/install-packages tests)")


class Samba(Cluster):
    """Of cotdb, with Samba on it"""
    name = "cotdb"

    def __init__(self, n, *options):
        super().__init__(n, *options, "--samba")

    def __enter__(self):
        self.tmp = tempfile.mkdtemp(prefix="smb-client-")
        self.conf = smbd.write_client(self.tmp)
        return super().__enter__()

    def __exit__(self, *args):
        try:
            return super().__exit__(*args)
        finally:
            shutil.rmtree(self.tmp, ignore_errors=True)

    def address(self, k):
        return f"10.77.0.{k}"

    def unc(self, k, share=smbd.SHARE):
        return f"//{self.address(k)}/{share}"

    def argv(self, *argv):
        return [TOOL, "client", *argv]

    def client(self, *argv, timeout=60):
        """Run a client program: the finished process."""
        return subprocess.run(self.argv(*argv), stdin=-3, stdout=-1, stderr=-2, text=True, errors="replace",
                              timeout=timeout)

    def start_client(self, *argv, **options):
        return subprocess.Popen(self.argv(*argv), text=True, stdin=-1, stdout=-1, stderr=-2, **options)

    def smbclient(self, where, commands, timeout=60, credentials=smbd.CREDENTIALS):
        """where: a node's number, or an address"""
        unc = f"//{self.address(where) if isinstance(where, int) else where}/{smbd.SHARE}"
        return self.client("timeout", str(timeout), "smbclient", "-s", self.conf, "-U", credentials,
                           unc, "-c", commands, timeout=timeout + 5)

    def empty_share(self, share):
        for entry in os.scandir(f"{base.load_conf()['fs']}/{share}"):
            shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)

    def smbtorture(self, test, nodes, share=smbd.SHARE, seconds=120, options=()):
        """Run one smbtorture test or suite in a share of these nodes; all that it printed."""
        with tempfile.TemporaryDirectory(dir=self.tmp) as folder:
            base.write(folder + "/unclist", "".join(self.unc(k, share) + "\n" for k in nodes))
            with open(folder + "/out", "w+", errors="replace") as out:
                run = subprocess.Popen(
                    self.argv("setpriv", "--pdeathsig", "KILL", "timeout", "-k", "5", str(seconds), "smbtorture",
                              "-s", self.conf, "-U", smbd.CREDENTIALS, "--option=torture:samba3=yes",
                              f"--basedir={folder}", *[f"--unclist={folder}/unclist"] * (len(nodes) > 1),
                              *options, self.unc(nodes[0], share), test), stdin=-3, stdout=out, stderr=out)
                run.wait(seconds + 30)
                out.seek(0)
                return out.read()


class Ctdbd(Samba):
    """Of Debian's ctdbd, with the same Samba on it: the daemons in the same nodes, at their default
    paths, with default tunables; no public addresses and no event scripts."""
    name = "ctdbd"

    CONF = """[logging]
	location = file:/var/log/ctdb.log
	log level = NOTICE
[cluster]
	cluster lock = /clusterfs/.ctdb.lock
[database]
	volatile database directory = /run/ctdb/volatile
	persistent database directory = /var/lib/ctdb/persistent
	state database directory = /var/lib/ctdb/state
[legacy]
	realtime scheduling = false
[failover]
	disabled = true
"""

    def __init__(self, n):
        super().__init__(n, "--no-pacemaker", "--bare")

    def __enter__(self):
        super().__enter__()
        try:
            self.start_daemons()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def start_daemons(self):
        for k in range(1, self.n + 1):
            etc = f"{base.SANDBOX}/nodes/node{k}/root/etc/ctdb"
            for sub in "events/legacy", "events/notification":
                os.makedirs(f"{etc}/{sub}", exist_ok=True)
            shutil.copy("/etc/ctdb/functions", etc)
            base.write(etc + "/ctdb.conf", self.CONF)
            base.write(etc + "/notify.sh", "#!/bin/sh\nexit 0\n", 0o755)
            self.sh(k, "mkdir -p /run/ctdb/volatile /var/lib/ctdb/persistent /var/lib/ctdb/state && ctdbd")
        self.wait("ctdbd healthy on all nodes", self.are_healthy, 60, 0.2)
        smbd.start_directly([self.node(k) for k in range(1, self.n + 1)])
        say("Samba serves on ctdbd")

    def are_healthy(self):
        done = self.run(1, "timeout 5 ctdb status")
        return done.returncode == 0 and done.stdout.count(" OK") >= self.n and "NORMAL" in done.stdout

    def dump(self):
        for k in range(1, self.n + 1):
            subprocess.run(["tail", "-n", "15", f"{base.SANDBOX}/nodes/node{k}/var/log/ctdb.log"], stderr=-3)


CLUSTERS = {"ctdbd": Ctdbd, "cotdb": lambda n: Samba(n, "--no-pacemaker")}

if __name__ == "__main__":
    with CLUSTERS[sys.argv[1]](int(sys.argv[2])):
        print("serving", flush=True)
        sys.stdin.read()
