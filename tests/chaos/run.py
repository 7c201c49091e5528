# SPDX-License-Identifier: GPL-3.0-or-later
"""run.py: one chaos run: a cluster, its clients, the faults of a seed, and the checks."""
import os, re, shutil, subprocess, sys, time

import check_bank, check_records, schedule
from faults import Faults
from harness import IS_OURS, PATIENCE, Cluster, base, build, say
from history import read_folder

CLIENTS = 4             # of each node
FOLDER = "/var/log/chaos"
WHOLE_S, ONLINE_S, END_S, ONCE_S = 60, 10, 20, 60
TOLD = 3                # so many violations are printed in full


class Failure(Exception):
    """Text for a reader"""


class Crew:
    """The clients of one node, on and on over its boots. A crew can be started when the node's daemon
    answers: before that its root may not be in its place."""
    started = 0

    def __init__(self, cluster, k, clients):
        self.c, self.k, self.clients = cluster, k, clients
        self.proc, self.host_folder = None, f"{base.SANDBOX}/nodes/node{k}{FOLDER}"
        os.makedirs(self.host_folder + "/history")
        shutil.copy(build.BUILD + "/tests/chaos/crew", self.host_folder + "/crew")

    def command(self, boots, clients):
        Crew.started += 1
        words = [FOLDER + "/crew", self.k, boots, Crew.started, FOLDER + "/history", clients]
        return f"exec {' '.join(map(str, words))} 2>>{FOLDER}/errors"

    def tick(self):
        """Starts the crew where there is none"""
        if self.proc and self.proc.poll() is None:
            return
        node = self.c.node(self.k)
        if node["state"] == "on" and self.c.daemon(self.k):
            argv = base.enter(node, ["sh", "-c", self.command(node["boots"], self.clients)])
            self.proc = subprocess.Popen(argv, stdin=-1, stdout=-1, text=True, env={**os.environ, "PATH": base.PATH})

    def tell(self, *words):
        if not self.proc or self.proc.poll() is not None:
            raise OSError(f"node{self.k} has no clients")
        self.proc.stdin.write(" ".join(map(str, words)) + "\n")
        self.proc.stdin.flush()

    def end(self):
        """What its clients wait for that do not end"""
        try:
            return self.proc.communicate(timeout=END_S * PATIENCE)[0] if self.proc else ""
        except (subprocess.TimeoutExpired, BrokenPipeError) as e:
            return f"the clients of node{self.k} do not end: {e}\n"

    def once(self, what):
        done = self.c.run(self.k, self.command(self.c.boots(self.k), what), timeout=ONCE_S * PATIENCE)
        if done.returncode:
            raise Failure(f"a client of node{self.k} cannot do what it should ({what}):\n" +
                          base.read(self.host_folder + "/errors")[-1000:])


class Run:
    def __init__(self, cluster, seed):
        self.c, self.seed = cluster, seed
        self.crews = {k: Crew(cluster, k, CLIENTS) for k in range(1, cluster.n + 1)}
        self.folder = f"{base.SANDBOX}/nodes"
        self.log_file = open(f"{self.folder}/node1{FOLDER}/history/faults", "w", buffering=1)
        self.faults = Faults(cluster, self.crews, self.log)

    def log(self, text):
        text = " ".join(text.split("\n")).rstrip()
        self.log_file.write(f"{time.monotonic_ns()} {text}\n")
        say("  " + text)

    def tick(self):
        for crew in self.crews.values():
            crew.tick()

    def is_whole(self):
        self.tick()
        return self.c.active() and all(crew.proc and crew.proc.poll() is None for crew in self.crews.values())

    def wait_whole(self):
        begin = time.monotonic()
        online_at = begin + ONLINE_S

        def is_whole():
            nonlocal online_at
            if time.monotonic() >= online_at:
                self.faults.all_up()
                self.faults.all_online()
                online_at = time.monotonic() + ONLINE_S
            return self.is_whole()

        try:
            base.until(is_whole, WHOLE_S * PATIENCE, "end of the recovery", 0.1)
        except TimeoutError as e:
            says = "\n".join(f"node{k}: {self.c.node(k)['state']} {self.c.daemon(k)}" for k in self.crews)
            raise Failure(f"not all nodes are active again: {e}\n{says}")
        self.log(f"all are active, {time.monotonic() - begin:.1f} s after the faults have ended")

    def one_round(self, r, number):
        self.log(f"round {number}: {r}")
        begin = time.monotonic()
        todo = [(f.at, f, lambda f: self.faults.do(f, r.anchor)) for f in r.faults]
        todo += [(f.at + f.seconds, f, self.faults.end) for f in r.faults if f.seconds]
        for at, fault, act in sorted(todo, key=lambda t: t[0]):
            while time.monotonic() < begin + at:
                self.tick()
                time.sleep(max(0.0, min(0.2, begin + at - time.monotonic())))
            act(fault)
        time.sleep(r.rest_s)
        self.faults.heal()
        self.wait_whole()

    def go_on(self, seconds):
        """All rounds that begin in this time, and what has to be true then; raises Failure"""
        until = time.monotonic() + seconds
        for number, r in enumerate(schedule.rounds(self.seed, self.c.n), 1):
            if time.monotonic() > until:
                break
            self.one_round(r, number)
        waiting = "".join(crew.end() for crew in self.crews.values())
        if waiting:
            raise Failure("all nodes are active, and clients wait:\n" + waiting)
        for what in "all", "look":
            for crew in self.crews.values():
                crew.once(what)
        say("every client could do everything on every record")

    def crashes(self):
        """Engines that ended by a signal that no fault has sent"""
        for k in self.crews:
            with open(f"{self.folder}/node{k}/var/log/cotdb.log", errors="replace") as f:
                for line in f:
                    if re.search(r"ended by a signal .*signal=(?!9 )", line):
                        yield f"node{k}: {line.strip()}"


def check(history, nodes):
    """The number of violations; prints them. nodes: how many tell in the end what they have; None: it has
    not come to that"""
    violations = []
    for one, *args in (check_records.check,), (check_bank.check, nodes):
        found, numbers = one(history, *args)
        say(", ".join(f"{k} {v}" for k, v in numbers.items()))
        violations += found
    if history.slow:
        time_ns, ms, record, client = max(history.slow, key=lambda s: s[1])
        say(f"the longest that a client waited: {ms} ms, {client} for {record}, until {time_ns / 1e9:.3f}")
    for v in violations[:TOLD]:
        print(v.tell(history.faults), flush=True)
    if len(violations) > TOLD:
        print(f"and {len(violations) - TOLD} more: " + ", ".join(sorted({v.kind for v in violations})))
    return len(violations)


def keep(seed, nodes):
    """Histories and logs, where they outlive the sandbox"""
    folder = f"{os.environ.get('TESTS_LOGS', '/var/tmp')}/cotdb-chaos-{seed}-{nodes}-{os.getpid()}"
    for k in range(1, nodes + 1):
        shutil.copytree(f"{base.SANDBOX}/nodes/node{k}/var/log", f"{folder}/node{k}", ignore_dangling_symlinks=True,
                        ignore=shutil.ignore_patterns("crew"))
    shutil.copy(base.SANDBOX + "/log", folder)
    return folder


def check_kept(folder, nodes):
    return check(read_folder(folder), nodes)


def chaos(seed, nodes, seconds):
    """One run; ends the program when it fails"""
    say(f"seed {seed}: tests/chaos/chaos --seed {seed} --nodes {nodes} --seconds {seconds}")
    with Cluster(nodes, "--timeout", "180") as c:
        run, failures = Run(c, seed), []
        run.is_whole()
        try:
            run.wait_whole()
            run.go_on(seconds)
        except Failure as e:
            failures.append(str(e))
            for crew in run.crews.values():
                crew.end()
        say(f"fenced: {' '.join(sorted(n for _, n in c.fencings())) or 'nobody'}")
        violations = check(read_folder(run.folder), None if failures else nodes)
        failures += run.crashes()
        if failures or violations:
            print("\n".join(failures))
            sys.exit(f"seed {seed}, {nodes} nodes: {violations} violations, {len(failures)} failures; "
                     f"kept in {keep(seed, nodes)}")
        say(f"seed {seed}, {nodes} nodes: all is well")
