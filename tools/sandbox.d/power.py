# SPDX-License-Identifier: GPL-3.0-or-later
"""Power and network of the nodes: a process outside of them that holds the bridge, starts and
kills the nodes, and does what the command line and fence_sandbox ask through SANDBOX/sock/ctl."""
import json, os, select, signal, socket, struct, subprocess, sys, time

from base import SANDBOX, SELF, address, client_address, ip, load_conf, read, stamp, until, write


def log(text):
    print(stamp(), text, flush=True)


class Node:
    proc = init = boot_at = None        # the unshare process, its child (process 1), next boot
    boots, hold, paused, filtered = 0, False, False, False

    def __init__(self, power, k):
        self.power, self.k, self.name = power, k, f"node{k}"
        self.cgroup = f"{power.conf['cgroup']}/{self.name}"
        os.mkdir(self.cgroup)

    @property
    def state(self):
        return ("paused" if self.paused else "on") if self.proc else \
            "booting" if self.boot_at else "off"

    def start(self):
        self.hold, self.boot_at = False, None
        if self.proc:
            return
        with open(f"{SANDBOX}/nodes/{self.name}/console", "a") as console:
            self.proc = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "unshare", "-pmuin", "--fork",
                 "--kill-child", *SELF, "_node", str(self.k)],
                stdin=subprocess.PIPE, stdout=console, stderr=console, start_new_session=True)
        pid = self.proc.pid
        self.init = int(until(lambda: read(f"/proc/{pid}/task/{pid}/children"), 10, "process 1",
                              0.001).split()[0])
        ip(f"link add v{self.k} type veth peer name eth0 address 02:77:00:00:00:{self.k:02x}"
           f" netns {pid}\nlink set v{self.k} master br0 up\n")
        self.boots += 1
        self.firewall()
        self.link("root", f"/proc/{self.init}/root")
        self.link("run", f"/proc/{self.init}/root/run")
        self.proc.stdin.write(b"\n")
        self.proc.stdin.close()
        log(f"{self.name} started, process {self.init}, boot {self.boots}")

    def link(self, name, target):
        """SANDBOX/nodes/NODE/root and run: the node's files as the host may reach them."""
        path = f"{SANDBOX}/nodes/{self.name}/{name}"
        if os.path.lexists(path):
            os.unlink(path)
        if target:
            os.symlink(target, path)

    def cuts(self):
        """(peer, port) of every cut of this node; port 0: all packets."""
        return sorted((p, port) for pair, port in self.power.cuts if self.k in pair
                      for p in pair if p != self.k)

    def firewall(self):
        """Both ends drop what arrives from the other: a silent loss, as in a bad switch."""
        cuts = self.cuts()
        if self.proc and (cuts or self.filtered):
            rules = ""
            for p, port in cuts:
                source = f"-A INPUT -s {address(self.power.conf, p)}"
                for match in [f" -p tcp --{end} {port}" for end in ("dport", "sport")] if port else [""]:
                    rules += f"{source}{match} -j DROP\n"
            tool = "ip6tables-restore" if self.power.conf["ipv6"] else "iptables-restore"
            subprocess.run(["nsenter", "-t", str(self.proc.pid), "-n", tool],
                           input=f"*filter\n{rules}COMMIT\n", text=True, check=True, timeout=10)
            self.filtered = True

    def kill(self):
        """Power off: returns when no process of the node is left."""
        self.boot_at = None
        if not self.proc:
            return
        write(self.cgroup + "/cgroup.kill", "1")
        self.proc.wait(15)
        self.ended()

    def ended(self):
        log(f"{self.name} off (status {self.proc.returncode})")
        subprocess.run(["ip", "link", "del", f"v{self.k}"], stderr=-3, timeout=10)
        write(self.cgroup + "/cgroup.freeze", "0")
        self.link("root", None)
        self.link("run", None)
        self.proc, self.init, self.paused, self.filtered = None, None, False, False

    def freeze(self, on):
        if self.proc:
            write(self.cgroup + "/cgroup.freeze", str(int(on)))
            until(lambda: f"frozen {int(on)}" in read(self.cgroup + "/cgroup.events"), 10, "freeze")
            self.paused = on

    def tick(self):
        if self.proc and self.proc.poll() is not None:      # it ended by itself
            if self.proc.returncode == -signal.SIGHUP:      # reboot(2) in the namespace
                self.boot_at = time.monotonic() + self.power.conf["boot_delay"]
            self.ended()
        if self.boot_at and time.monotonic() > self.boot_at:
            self.start()

    def row(self):
        return dict(name=self.name, state=self.state, init=self.init, boots=self.boots,
                    cgroup=self.cgroup, hold=self.hold,
                    cut=[f"node{p}" + (f":{port}" if port else "") for p, port in self.cuts()])


class Power:
    def __init__(self):
        self.conf, self.cuts = load_conf(), set()
        self.nodes = {f"node{k}": Node(self, k) for k in range(1, self.conf["n"] + 1)}

    def sender(self, conn):
        """Who asks: a node's name, "host", or None if the process is no more (its node was killed)."""
        pid = struct.unpack("3i", conn.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        try:
            cgroup = read(f"/proc/{pid}/cgroup").split("0::")[-1].strip()
        except OSError:
            return None
        return next((n.name for n in self.nodes.values() if n.cgroup.endswith(cgroup)), "host")

    def handle(self, who, cmd, name=None, *args):
        """Do one command; the result goes back as JSON."""
        if cmd == "status":
            return [n.row() for n in self.nodes.values()]
        if name and name not in self.nodes:
            raise ValueError(f"there is no {name}")
        if cmd == "state":
            return self.nodes[name].state
        log(" ".join([who + ":", cmd, name or "", *map(str, args)]))
        if cmd == "heal":
            self.cuts = {c for c in self.cuts if name and self.nodes[name].k not in c[0]}
            for n in self.nodes.values():
                n.firewall()
            return "healed"
        node = self.nodes[name]
        if cmd in ("off", "reboot"):    # off/on/reboot are what fence_sandbox asks for, too
            node.hold = node.hold or "hold" in args
            node.kill()
            if cmd == "reboot" and not node.hold:
                node.boot_at = time.monotonic() + self.conf["boot_delay"]
        elif cmd == "on":
            if not node.hold or "force" in args:
                node.start()
        elif cmd == "stop":
            if node.proc:
                os.kill(node.init, signal.SIGTERM)
        elif cmd in ("pause", "resume"):
            node.freeze(cmd == "pause")
        elif cmd == "cut":
            port, peers = args[0], [self.nodes[p] for p in args[1:]]
            peers = peers or [n for n in self.nodes.values() if n is not node]
            self.cuts.update((frozenset((node.k, p.k)), port) for p in peers)
            for n in [node, *peers]:
                n.firewall()
        else:
            raise ValueError("unknown command " + cmd)
        return node.state

    def answer(self, who, words):
        try:
            return 0, self.handle(who, *words)
        except Exception as e:
            log(f"{words}: {e!r}")
            return 1, str(e)

    def serve(self, conn):
        """False when the sandbox shall end."""
        conn.settimeout(2)
        try:
            words, who = json.loads(conn.makefile().readline()), self.sender(conn)
            if words == ["down"]:
                return False
            if who:     # in a fencing race the loser's request must not count
                conn.sendall(json.dumps(self.answer(who, words)).encode())
        except (OSError, ValueError) as e:
            log(f"bad request: {e!r}")
        return True

    def run(self, server):
        try:
            for node in self.nodes.values():
                node.start()
            while True:
                if select.select([server], [], [], 0.1)[0]:
                    with server.accept()[0] as conn:
                        if not self.serve(conn):
                            return
                for node in self.nodes.values():
                    try:
                        node.tick()
                    except Exception as e:
                        log(f"{node.name}: {e!r}")
                        node.kill()
        finally:
            for node in self.nodes.values():
                node.kill()


def supervise():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    power = Power()
    # its address is that of the clients outside the nodes (sandbox client)
    ip("link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n"
       f"addr add {client_address(power.conf)} dev br0\nlink set lo up\nlink set br0 up\n")
    for table in ("iptables", "ip6tables", "arptables"):    # a switch has no filters
        try:
            with open("/proc/sys/net/bridge/bridge-nf-call-" + table, "w") as f:
                f.write("0")
        except OSError:
            pass                                            # the kernel does without them
    server = socket.socket(socket.AF_UNIX)
    server.bind(SANDBOX + "/sock/new")
    server.listen(64)
    os.rename(SANDBOX + "/sock/new", SANDBOX + "/sock/ctl")     # it appears when it can be used
    power.run(server)
