# SPDX-License-Identifier: GPL-3.0-or-later
"""sandbox demo --samba: Debian's smbd on cotdb, with all that an SMB cluster has under Pacemaker: the
cluster filesystem below, cotdb, smbd, and two addresses above. A client copies files through one of
the addresses, and the node that has it dies."""
import filecmp, os, subprocess, threading, time

import cluster, smbd
from base import SANDBOX, SELF, die, load_conf, request, stamp, until, write
from demo import heading, put_under_pacemaker, say, seconds, type_in

KIB = 256           # of each file that is copied


class Copier(threading.Thread):
    """Copies files to the share and back, one after the other; what fails is tried again."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.unc, self.count, self.failed, self.longest, self.wrong = f"//{address}/{smbd.SHARE}", 0, 0, 0, 0
        self.is_over, self.why = threading.Event(), ""
        self.folder = SANDBOX + "/client"
        os.makedirs(self.folder, exist_ok=True)
        self.conf = smbd.write_client(self.folder)

    def run(self):
        last = told = time.monotonic()
        while not self.is_over.is_set():
            if not self.copy(self.count):
                self.failed += 1
                time.sleep(0.1)         # a refused connection is not tried in a tight loop
                continue
            now = time.monotonic()
            self.count, self.longest, last = self.count + 1, max(self.longest, now - last), now
            if now - told >= 1:
                told = now
                print(f"   {stamp()}  {self.count} files copied and compared", flush=True)

    def copy(self, i):
        there, back = f"{self.folder}/there", f"{self.folder}/back"
        write(there, os.urandom(KIB << 10))
        commands = f"put {there} file{i % 50}; get file{i % 50} {back}"
        done = subprocess.run([*SELF, "client", "timeout", "5", "smbclient", "-s", self.conf, "-U", smbd.CREDENTIALS,
                               self.unc, "-c", commands], stdin=-3, stdout=-1, stderr=-2, text=True)
        if done.returncode:
            self.why = done.stdout.strip().split("\n")[-1]
            return False
        self.wrong += not filecmp.cmp(there, back, shallow=False)
        return True

    def end(self):
        self.is_over.set()
        self.join(30)


def configure():
    heading("Filesystem, cotdb, smbd and addresses under Pacemaker")
    say("Each layer is a clone that runs where the one below it runs; an address runs where smbd\n"
        "does. The Filesystem here binds a folder; with a real cluster it mounts GFS2, CephFS, ...")
    put_under_pacemaker(smbd.crm_all(load_conf()))
    say(f"A user, once for all nodes (password: {smbd.PASSWORD}):")
    type_in("node1", "sh", "-c", f"printf '{smbd.PASSWORD}\\n{smbd.PASSWORD}\\n' | smbpasswd -s -a {smbd.USER}")
    smbd.all_serve(90)
    type_in("node1", "crm_mon", "-1")


def copy_and_kill():
    address = smbd.ADDRESSES[0]
    heading(f"A client copies files through {address}, and the node that has it loses power")
    copier = Copier(address)
    copier.start()
    until(lambda: copier.count >= 10, 60, f"copied files ({copier.why})")
    victim = smbd.where(address)
    type_in(victim, "smbstatus", "--brief")
    say(f"{stamp()}  power off: tools/sandbox kill {victim}")
    begin, longest = time.monotonic(), copier.longest
    request("off", victim)
    to = until(lambda: smbd.where(address), 60, f"node with the address {address}", 0.05)
    moved = time.monotonic() - begin
    say(f"{stamp()}  {address} is on {to} now")
    before = copier.count
    until(lambda: copier.count >= before + 10, 60, f"more copied files ({copier.why})")
    cluster.wait([victim], 90, 2)
    say(f"{stamp()}  {victim} was fenced, started again, and serves")
    smbd.all_serve(90)
    copier.end()
    heading("What that took")
    say(f"power off                                     {seconds(0.0)}\n"
        f"the address is on another node                {seconds(moved)}\n"
        f"the longest pause that the client saw         {seconds(max(copier.longest, longest))}\n"
        f"{copier.count} files of {KIB} KiB copied to the share, read back and compared: {copier.wrong} differ; "
        f"{copier.failed} tries failed and were repeated.")
    type_in(victim, "crm_mon", "-1")
    if copier.wrong:
        die("a file was not what was written")


TRY_NEXT = f"""  sudo tools/sandbox client smbclient -U {smbd.CREDENTIALS} //{smbd.ADDRESSES[0]}/{smbd.SHARE}
  sudo tools/sandbox exec node1 smbstatus
  sudo tools/sandbox exec node2 net conf list
  sudo tools/sandbox exec node1 pkill -9 smbd             # Pacemaker starts it again
  sudo tools/sandbox exec node1 crm node standby node1    # its address moves
"""


def steps():
    """After `up --bare --samba`; what to try next."""
    configure()
    copy_and_kill()
    return TRY_NEXT
