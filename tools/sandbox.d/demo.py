# SPDX-License-Identifier: GPL-3.0-or-later
"""sandbox demo: the tour for an HA admin. A cluster is made, cotdb put under Pacemaker with the
commands that an admin would type, work is done, a node is killed meanwhile and comes back."""
import os, re, shlex, subprocess, threading, time

import cluster, daemon
from base import PATH, SANDBOX, die, enter, load_conf, read, request, run_in, stamp, until

NODES = 3
VICTIM = "node3"


def heading(text):
    print(f"\n== {text}", flush=True)


def say(text):
    print("   " + text.rstrip().replace("\n", "\n   "), flush=True)


def node(name):
    return next(n for n in request("status") if n["name"] == name)


def type_in(name, *argv, timeout=120):
    """Run a command in a node as somebody there would: shown, with what it prints."""
    print(f"   {name}# {shlex.join(argv)}", flush=True)
    done = run_in(node(name), *argv, timeout=timeout)
    text = re.sub("\x1b\\[[0-9;]*m", "", done.stdout + done.stderr)
    if text.strip():
        say(re.sub("^", "  ", text.rstrip(), flags=re.M))
    return done.returncode


def put_under_pacemaker(commands):
    """Typed one by one on node1; how long the daemon took then to be active on all nodes."""
    for command in commands:
        if type_in("node1", "crm", *command):
            die("crm refused the configuration")
    cluster.daemon_is_configured()
    return cluster.wait([], 90)


def configure():
    heading("cotdb under Pacemaker")
    say("The daemon is a primitive with its options as parameters, cloned to all nodes. A monitor\n"
        "that fails fences the node: what its clients had written may not be used twice.")
    took = put_under_pacemaker(daemon.crm_commands(load_conf()))
    say(f"active on all nodes {took:.1f} s after the last command")
    attributes_told()
    type_in("node1", "crm_mon", "-1", "-A")
    type_in("node2", "cotdb", "status")
    type_in("node3", "ctdb", "status")


def attributes_told():
    """Each node's attributes reach the CIB a moment after it is active."""
    def told():
        done = run_in(node("node1"), "crm_mon", "-1", "-A")
        return done.stdout.count("cotdb-generation") == NODES and "Starting" not in done.stdout
    try:
        until(told, 10, "node attributes", 0.2)
    except TimeoutError:
        pass                            # crm_mon shows what is there


def moves():
    heading("A record moves")
    type_in("node1", "ctdb", "attach", "demo.tdb")
    type_in("node1", "ctdb", "writekey", "demo.tdb", "greeting", "hello from node1")
    for name in "node2", "node3":
        type_in(name, "ctdb", "attach", "demo.tdb")
        type_in(name, "ctdb", "readkey", "demo.tdb", "greeting")
    type_in("node3", "ctdb", "writekey", "demo.tdb", "greeting", "hello from node3")
    type_in("node1", "ctdb", "readkey", "demo.tdb", "greeting")


# ---- work -------------------------------------------------------------------------------------------

class Ring:
    """cotdb-bench ring, one client on each node; its progress is printed as it goes."""

    def __init__(self, seconds, *options):
        self.argv = ["cotdb-bench", "ring", "--nodes", str(NODES), "--seconds", str(seconds),
                     "--progress", *options]
        print(f"   on each node# {shlex.join(self.argv)}", flush=True)
        self.clients, self.line, self.is_told = {}, "", False
        for k in range(1, NODES + 1):
            self.join(f"node{k}")

    def join(self, name):
        """A client on that node; the first node's tells how it goes."""
        is_first = not self.clients
        client = subprocess.Popen(enter(node(name), self.argv), stdin=-3, stdout=-1 if is_first else -3,
                                  stderr=-1 if is_first else -3, text=True, bufsize=1,
                                  env={**os.environ, "PATH": PATH})
        self.clients[name] = client
        if is_first:
            self.teller = threading.Thread(target=self.tell, daemon=True)
            self.teller.start()

    def tell(self):
        """Each second one line of the first client's progress, which rewrites its line by \r."""
        last, text = 0, ""
        while char := self.clients["node1"].stderr.read(1):
            if char not in "\r\n":
                text += char
                continue
            if text.startswith("ring:"):
                self.line = text
                if time.monotonic() - last >= 1:
                    last = time.monotonic()
                    print(f"   {stamp()}  {text.strip()}", flush=True)
            elif text.strip():
                say(text)
            text = ""

    def end(self):
        """Waits for the result and prints it: (longest time without progress in ms or None, is it
        right: do the records hold what was counted?)"""
        text = self.clients["node1"].stdout.read()
        codes = {name: c.wait(60) for name, c in self.clients.items()}
        self.teller.join(10)
        say(text)
        gap = re.search(r"longest gap without progress: (\d+) ms", text)
        return gap and int(gap.group(1)), codes["node1"] == 0


def work():
    heading("Records go round")
    say("Each client locks the same record in turn, adds one to it, and passes a token on; so the\n"
        "record moves to another node with every step.")
    if not Ring(5).end()[1]:
        die("the ring failed")


# ---- a node dies ---------------------------------------------------------------------------------

def clock(stamp):
    """Seconds of the day of a HH:MM:SS.mmm."""
    h, m, s = stamp.split(":")
    return int(h) * 3600 + int(m) * 60 + float(s)


def since(begin, stamp):
    now = time.localtime(begin)
    seconds = clock(stamp) - (now.tm_hour * 3600 + now.tm_min * 60 + now.tm_sec + begin % 1)
    return seconds + 86400 if seconds < -43200 else seconds


def first_after(begin, path, pattern):
    """Seconds from begin to the first line of a log after it that matches; None without one."""
    for line in read(path).splitlines():
        stamp = re.search(r"\d\d:\d\d:\d\d\.\d+", line)
        if stamp and re.search(pattern, line) and since(begin, stamp.group()) >= 0:
            return since(begin, stamp.group())
    return None


def survivors_active(names, generation):
    answers = [daemon.supervisor_says(node(n)) for n in names]
    return all(a and a["state"] == "active" and a["generation"] > generation for a in answers)


def seconds(value):
    return "?" if value is None else f"{value:5.2f} s"


def kill():
    say(f"{stamp()}  power off: tools/sandbox kill {VICTIM}")
    survivors = [n["name"] for n in request("status") if n["name"] != VICTIM]
    generation = daemon.supervisor_says(node(survivors[0]))["generation"]
    begin = time.time()
    request("off", VICTIM)
    until(lambda: survivors_active(survivors, generation), 60, "new generation of the survivors")
    active = time.time() - begin
    detected = first_after(begin, f"{SANDBOX}/nodes/{survivors[0]}/var/log/corosync/corosync.log",
                           "Members left: |membership.*formed")
    fence = first_after(begin, SANDBOX + "/log", rf"(reboot|off) {VICTIM}")
    say(f"{stamp()}  active again without {VICTIM}")
    return detected, fence, active


def dead_and_back():
    heading(f"{VICTIM} loses power while the work goes on, is fenced, and comes back")
    ring = Ring(30, "--keep-going")
    until(lambda: ring.line, 30, "progress of the ring")
    time.sleep(3)                       # some work to be seen before
    detected, fence, active = kill()
    cluster.wait([VICTIM], 60, 2)
    say(f"{stamp()}  {VICTIM} was started again and is active; its client joins")
    ring.join(VICTIM)
    gap_ms, is_right = ring.end()
    heading("What that took")
    say(f"power off                                      0.00 s\n"
        f"corosync has noticed (its token is 1 s)       {seconds(detected)}\n"
        f"Pacemaker has the node fenced                 {seconds(fence)}\n"
        f"cotdb is active in a new generation           {seconds(active)}")
    if None not in (detected, fence):
        say(f"So: detection {detected:.2f} s, fencing {fence - detected:.2f} s, recovery "
            f"{max(active - fence, 0):.2f} s.")
    if gap_ms is not None:
        say(f"The clients on the other nodes stood still for {gap_ms / 1000:.2f} s, because the record that all "
            "of them want\nwas lost with the node; what only they use goes on meanwhile. No count "
            "of a node that lived was lost.")
    type_in("node1", "stonith_admin", "--history", VICTIM, "-V")
    type_in("node3", "cotdb", "status")
    if not is_right:
        die("the records do not hold what the clients counted")


TRY_NEXT = """  sudo tools/sandbox exec node1 cotdb status
  sudo tools/sandbox exec node2 crm_mon -A
  sudo tools/sandbox exec node1 cotdb-bench ring --help
  sudo tools/sandbox exec node1 pkill -9 cotdb-engine    # nobody is fenced for that
  sudo tools/sandbox pause node2                         # all of it hangs: fenced
  sudo tools/sandbox --help
"""


def demo(args):
    is_down = cluster.option(args, "--down", False)
    with_samba = cluster.option(args, "--samba", False)
    if args:
        die("demo [--samba] [--down]")
    begin = time.monotonic()
    heading(f"{NODES} nodes with corosync, Pacemaker and fencing")
    cluster.up([str(NODES), "--bare", "--install", *["--samba"] * with_samba])
    try:
        if with_samba:
            import demo_samba
            next_steps = demo_samba.steps()
        else:
            configure()
            moves()
            work()
            dead_and_back()
            next_steps = TRY_NEXT
    except BaseException:
        print(f"\nThe demo failed. The cluster is left as it is, in {SANDBOX}: look at it with "
              "`tools/sandbox status`,\nend it with `tools/sandbox down`.", flush=True)
        raise
    heading(f"Done, after {time.monotonic() - begin:.0f} s")
    if is_down:
        cluster.down()
        say("Everything is cleaned up.")
        return
    say("The cluster is still up. What to try next:\n" + next_steps + "  sudo tools/sandbox down")
