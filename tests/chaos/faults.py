# SPDX-License-Identifier: GPL-3.0-or-later
"""faults.py: how each fault is made, and undone. A fault that cannot be made now (its node is off, say) is
passed over, and said so; so a schedule always goes on."""
import os, signal, subprocess

import schedule
from harness import LOCK_FILE, base

SUPERVISOR, ENGINE, WORKER, LOCK_HELPER = "cotdbd", "cotdb-engine", "cotdb-tdb-worker", "cotdb-reclock"
DATA_PORT = 4379
RUN_S = 10
ROOM_BYTES = 64 << 10       # what is left when a disk becomes full


class NotNow(Exception):
    pass


class Faults:
    """log(text): for the record. crews: {node: Crew}, whose clients have faults of their own"""

    def __init__(self, cluster, crews, log):
        self.c, self.crews, self.log = cluster, crews, log
        self.undo, self.held = {}, None         # fault: what undoes it; the recovery lock's file

    def do(self, fault, anchor=None):
        """anchor: the node that is spared. When it is not active now, nothing is done to the others that
        could cost them their engines."""
        try:
            if anchor and fault.kind in schedule.HARD and not self.c.active(anchor):
                raise NotNow(f"node{anchor} is not active")
            undo = getattr(self, "do_" + fault.kind.replace("-", "_"))(fault)
            self.log(f"{fault}")
        except (NotNow, SystemExit, OSError, subprocess.SubprocessError) as e:
            return self.log(f"{fault}: not now: {str(e).strip()[:200]}")
        if undo:
            self.undo[fault] = undo

    def end(self, fault):
        undo = self.undo.pop(fault, None)
        if not undo:
            return
        try:
            undo()
            self.log(f"{fault}: ended")
        except (NotNow, SystemExit, OSError, subprocess.SubprocessError) as e:
            self.log(f"{fault}: ended by itself: {str(e).strip()[:200]}")

    def heal(self):
        """Ends all of them, switches on who is off"""
        for fault in list(self.undo):
            self.end(fault)
        base.request("heal")
        for k in self.everybody():
            state = self.c.node(k)["state"]
            if state == "paused":
                base.request("resume", f"node{k}")
            elif state == "off":
                self.log(f"node{k} is switched on")
                base.request("on", f"node{k}", "force")

    # ---- what they are made of ----------------------------------------------------------------------

    def run(self, k, command):
        node = self.c.node(k)
        if node["state"] != "on":
            raise NotNow(f"node{k} is {node['state']}")
        try:
            done = base.run_in(node, "sh", "-c", command, timeout=RUN_S)
        except (OSError, subprocess.TimeoutExpired) as e:
            raise NotNow(f"node{k}: {e}")
        if done.returncode:
            raise NotNow((done.stdout + done.stderr) or f"exit code {done.returncode}")
        return done.stdout

    def processes(self, k, program):
        """Of a node: pidfds, which no other process ever answers to"""
        node, found = self.c.node(k), []
        if node["state"] != "on":
            raise NotNow(f"node{k} is {node['state']}")
        for pid in base.read(node["cgroup"] + "/cgroup.procs").split():
            try:
                fd = os.pidfd_open(int(pid))
                is_it = os.path.basename(os.readlink(f"/proc/{pid}/exe")) == program
            except OSError:
                continue        # it has ended
            found.append(fd) if is_it else os.close(fd)
        if not found:
            raise NotNow(f"node{k} runs no {program}")
        return found

    def kill(self, *processes):
        for p in processes:
            signal.pidfd_send_signal(p, signal.SIGKILL)
        for p in processes:
            os.close(p)

    def stop(self, *processes):
        """What undoes it"""
        for p in processes:
            signal.pidfd_send_signal(p, signal.SIGSTOP)

        def go_on():
            for p in processes:
                try:
                    signal.pidfd_send_signal(p, signal.SIGCONT)
                finally:
                    os.close(p)
        return go_on

    def one_of(self, fault, processes):
        """The one that the dice choose"""
        chosen = processes.pop(int(fault.dice * len(processes)))
        for p in processes:
            os.close(p)
        return chosen

    def filter(self, k, rules):
        """Drops what these rules match in a node, beside the sandbox's own filter; what undoes it"""
        boots, tool = self.c.boots(k), "ip6tables" if base.load_conf()["ipv6"] else "iptables"
        self.run(k, " && ".join(f"{tool} -t mangle -A {rule} -j DROP" for rule in rules))

        def go_on():
            if self.c.boots(k) == boots:
                self.run(k, "; ".join(f"{tool} -t mangle -D {rule} -j DROP" for rule in rules))
        return go_on

    def other(self, fault):
        """Another node than the fault's"""
        others = [k for k in self.everybody() if k != fault.node]
        return others[int(fault.dice * len(others))]

    def everybody(self):
        return range(1, self.c.n + 1)

    def address(self, k):
        return base.address(base.load_conf(), k)

    # ---- nodes, and cotdb in them -------------------------------------------------------------------

    def do_power(self, f):
        base.request("off", f"node{f.node}")

    def do_pause(self, f):
        self.run(f.node, "true")
        base.request("pause", f"node{f.node}")
        return lambda: base.request("resume", f"node{f.node}")

    def do_engine(self, f):
        self.kill(*self.processes(f.node, ENGINE))

    def do_supervisor(self, f):
        self.kill(*self.processes(f.node, SUPERVISOR))

    def do_engine_and_supervisor(self, f):
        both = self.processes(f.node, SUPERVISOR) + self.processes(f.node, ENGINE)
        self.kill(*(both if f.dice < 0.5 else both[::-1]))

    def do_stop_engine(self, f):
        return self.stop(*self.processes(f.node, ENGINE))

    do_stop_briefly = do_stop_engine        # shorter than hang_timeout

    def do_stop_supervisor(self, f):
        return self.stop(*self.processes(f.node, SUPERVISOR))

    def do_corosync(self, f):
        self.kill(*self.processes(f.node, "corosync"))

    def do_every_engine(self, f):
        """At the same time: while some are whole again others must not lose what was committed meanwhile"""
        self.kill(*(p for k in self.everybody() for p in self.processes(k, ENGINE)))

    def do_every_power(self, f):
        for k in self.everybody():
            base.request("off", f"node{k}")

    def do_restart(self, f):
        """A clean stop by Pacemaker, and the start"""
        self.run(f.node, f"crm_standby --node node{f.node} --update on")

        def online():
            for k in [f.node, self.other(f)]:
                try:
                    return self.run(k, f"crm_standby --node node{f.node} --delete")
                except NotNow as e:
                    why = e
            raise why
        return online

    def all_up(self):
        """Pacemaker that is told of its own node's fencing, because that came back sooner than the others
        had heard, ends, with corosync, and stays down: who is in charge switches it off and on"""
        for k in self.everybody():
            try:
                is_down = self.run(k, "pgrep -x pacemakerd || pgrep -x corosync || echo none") == "none\n"
            except NotNow:
                continue        # later
            if is_down:
                self.log(f"node{k} runs no Pacemaker: reboot")
                self.c.sandbox("reboot", f"node{k}")

    def all_online(self):
        """A node's end of standby may be lost with the CIB of a part of the cluster"""
        nodes = " ".join(f"node{k}" for k in self.everybody())
        for k in self.everybody():
            try:
                return self.run(k, f"for n in {nodes}; do timeout 5 crm_standby --node $n --delete || exit 1; done")
            except (NotNow, subprocess.TimeoutExpired):
                pass    # it is paused, or has no Pacemaker: another one, or later

    def do_worker(self, f):
        self.kill(self.one_of(f, self.processes(f.node, WORKER)))

    def do_stop_worker(self, f):
        return self.stop(self.one_of(f, self.processes(f.node, WORKER)))

    def do_pacemaker_helper(self, f):
        self.kill(*self.processes(f.node, "cotdb-pacemaker"))

    def do_full(self, f):
        """The file system of the volatile databases has no room left, for anybody on the node"""
        boots = self.c.boots(f.node)
        used = "df -B1 --output=used /run | tail -1"
        self.run(f.node, f"mount -o remount,size=$(( $({used}) + {ROOM_BYTES} )) /run")

        def go_on():
            if self.c.boots(f.node) == boots:
                self.run(f.node, "mount -o remount,size=50% /run")
        return go_on

    # ---- the recovery lock --------------------------------------------------------------------------

    def do_lock_helper(self, f):
        self.kill(*self.processes(f.node, LOCK_HELPER))

    def do_hang_lock(self, f):
        """The process that touches the cluster file system hangs there"""
        return self.stop(*self.processes(f.node, LOCK_HELPER))

    def do_hold_lock(self, f):
        """Somebody else takes the recovery lock when he can get it (it is taken by no node of the cluster)"""
        if self.held:
            raise NotNow("it is held")
        path = base.load_conf()["fs"] + "/" + os.path.basename(LOCK_FILE)
        code = ("import fcntl, sys\n"
                "with open(sys.argv[1], 'r+') as f:\n"
                "    fcntl.lockf(f, fcntl.LOCK_EX, 1, 0)\n"
                "    sys.stdin.read()\n")
        self.held = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "/usr/bin/python3", "-ESc", code, path], stdin=-1)

        def let_go():
            self.held.kill()
            self.held.wait()
            self.held = None
        return let_go

    # ---- the network -------------------------------------------------------------------------------

    def do_cut(self, f):
        base.request("cut", f"node{f.node}", 0)
        return lambda: base.request("heal", f"node{f.node}")

    def do_cut_in(self, f):
        """What others send does not come"""
        return self.filter(f.node, [f"INPUT -s {self.address(k)}" for k in self.everybody() if k != f.node])

    def do_cut_out(self, f):
        return self.filter(f.node, [f"OUTPUT -d {self.address(k)}" for k in self.everybody() if k != f.node])

    def do_cut_data(self, f):
        """Between two nodes, the connection for records only"""
        base.request("cut", f"node{f.node}", DATA_PORT, f"node{self.other(f)}")
        return lambda: base.request("heal", f"node{f.node}")

    def do_cut_data_in(self, f):
        peer = self.address(self.other(f))
        return self.filter(f.node, [f"INPUT -s {peer} -p tcp --{end} {DATA_PORT}" for end in ("sport", "dport")])

    # ---- clients -------------------------------------------------------------------------------------

    def tell_crew(self, f, what, *words):
        crew = self.crews[f.node]
        crew.tell(what, int(f.dice * crew.clients), *words)

    def do_client(self, f):
        self.tell_crew(f, "kill")

    def do_kill_locked(self, f):
        self.tell_crew(f, "kill-locked")

    def do_stop_client(self, f):
        self.tell_crew(f, "stop", int(f.seconds * 1000))

    def do_stop_locked(self, f):
        self.tell_crew(f, "stop-locked", int(f.seconds * 1000))
