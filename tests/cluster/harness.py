# SPDX-License-Identifier: GPL-3.0-or-later
"""harness.py: a sandbox for one test, and what tests do with it.

    with Cluster(3) as c:               # node1..node3 with Pacemaker, fencing and cotdb
        c.sh(1, "ctdb pnn")             # run in node1; its output; the test fails if it fails
        c.kill(3)
        c.wait("all active again", lambda: c.active(1, 2), 20)

Every wait has a bound, and says what it waits for. A test that fails ends with the sentence of
what it expected. By hand a test runs without tests/run, too, in a SANDBOX_DIR of its own; with
SANDBOX_DIR set, the sandbox of a test that failed is left.
"""
import atexit, contextlib, json, os, re, shlex, shutil, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.realpath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
IS_OURS = "SANDBOX_DIR" not in os.environ
if IS_OURS:
    os.environ["SANDBOX_DIR"] = tempfile.mkdtemp(prefix="cotdb-test-") + "/sandbox"

    @atexit.register
    def folder_remove():
        with contextlib.suppress(OSError):      # not empty: what is in it is for who looks at a failure
            os.rmdir(os.path.dirname(os.environ["SANDBOX_DIR"]))

sys.path.insert(0, SOURCE + "/tools/sandbox.d")

import base, build, daemon                                                             # noqa: E402

TOOL = SOURCE + "/tools/sandbox"
LOCK_FILE = base.LOCK_FILE
BEGIN = time.monotonic()
PATIENCE = 3    # the bounds of waits are those of an idle machine; a busy one may take this many times as long


def say(text):
    print(f"[{time.monotonic() - BEGIN:6.2f}] {text}", flush=True)


def expect(truth, text):
    if not truth:
        sys.exit("expected: " + text)
    say("ok: " + text)


def expect_equal(is_value, should, text):
    if is_value != should:
        sys.exit(f"expected: {text}: {should!r}, not {is_value!r}")
    say(f"ok: {text}")


def skip(reason):
    print(reason)
    sys.exit(77)


class Cluster:
    def __init__(self, n, *options):
        self.n, self.options = n, options

    def __enter__(self):
        try:
            say(self.sandbox("up", str(self.n), *self.options, timeout=200).strip())
        except (subprocess.TimeoutExpired, SystemExit) as e:
            if IS_OURS:
                self.sandbox("down")    # nobody else would
            sys.exit(f"expected: the sandbox is up within 200 s: {e}")
        return self

    def __exit__(self, kind, value, trace):
        if kind and not (kind is SystemExit and not value.code):
            self.dump()
            if not IS_OURS:
                return      # who named the folder looks at the sandbox, and ends it
        self.sandbox("down")

    def sandbox(self, *args, timeout=120):
        done = subprocess.run([TOOL, *map(str, args)], stdin=-3, stdout=-1, stderr=-2, text=True,
                              timeout=timeout)
        if done.returncode:
            sys.exit(f"sandbox {shlex.join(map(str, args))}: {done.stdout}")
        return done.stdout

    def dump(self):
        """What a reader of a failed test wants to see."""
        print(f"--- {base.SANDBOX}/log", flush=True)
        subprocess.run(["tail", "-n", "30", base.SANDBOX + "/log"])
        for k in range(1, self.n + 1):
            node = self.node(k)
            print(f"--- node{k}: {node['state']} {self.daemon(k)}", flush=True)
            subprocess.run(["tail", "-n", "15", f"{base.SANDBOX}/nodes/node{k}/var/log/cotdb.log"], stderr=-3)

    # ---- nodes: by number from 1 -----------------------------------------------------------------

    def node(self, k):
        return next(n for n in base.request("status") if n["name"] == f"node{k}")

    def run(self, k, command, timeout=60):
        """Run a shell command in a node: the finished process."""
        return base.run_in(self.node(k), "sh", "-c", command, timeout=timeout)

    def sh(self, k, command, timeout=60):
        done = self.run(k, command, timeout)
        if done.returncode:
            sys.exit(f"node{k}: {command}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def start(self, k, command):
        """Start a shell command in a node and go on: the running process."""
        return subprocess.Popen(base.enter(self.node(k), ["sh", "-c", command]), stdin=-1, stdout=-1,
                                stderr=-2, text=True, env={**os.environ, "PATH": base.PATH})

    def copy_program(self, name, k, path):
        """A program of the build folder into a node."""
        shutil.copy(f"{build.BUILD}/{name}", f"{base.SANDBOX}/nodes/node{k}/root{path}")

    def kill(self, k, hold=False):
        self.sandbox("kill", f"node{k}", *["--hold"] * hold)

    def host_run(self, k):
        """The node's /run as the host sees it."""
        return f"{base.SANDBOX}/nodes/node{k}/run"

    def boots(self, k):
        return self.node(k)["boots"]

    def fencings(self):
        """[(who asked, node fenced)] as the sandbox saw them."""
        lines = base.read(base.SANDBOX + "/log")
        return re.findall(r"^\S+ (node\d+): (?:reboot|off) (node\d+)", lines, re.M)

    # ---- waiting -----------------------------------------------------------------------------------

    def wait(self, what, test, seconds, step=0.05):
        begin = time.monotonic()
        try:
            value = base.until(test, seconds * PATIENCE, what, step)
        except TimeoutError as e:
            sys.exit(f"expected: {e}")
        say(f"ok: {what} (after {time.monotonic() - begin:.2f} s)")
        return value

    def wait_active(self, *numbers, seconds=60):
        who = " ".join(f"node{k}" for k in numbers or range(1, self.n + 1))
        self.wait(f"{who} active in one generation", lambda: self.active(*numbers), seconds)

    # ---- the daemon ----------------------------------------------------------------------------------

    def daemon(self, k):
        """What the supervisor of a node says (a dict), None when there is none."""
        node = self.node(k)
        return daemon.supervisor_says(node) if node["state"] == "on" else None

    def active(self, *numbers):
        rows = [self.node(k) for k in numbers or range(1, self.n + 1)]
        return all(r["state"] == "on" for r in rows) and daemon.active_together(rows)

    def active_anew(self, k, engine_pid):
        """Active with another engine than that one: asked at once, for the supervisor may not have
        noticed yet that the old one is gone."""
        says = self.daemon(k)
        return says and says["state"] == "active" and says["engine_pid"] not in (0, engine_pid) and self.active()

    def generation(self, k):
        says = self.daemon(k)
        return says and says["generation"]

    def ctdb_nodes(self, k):
        """{pnn: flags} as `ctdb status` in a node prints them."""
        rows = re.findall(r"^pnn:(\d+) \S+\s+(\S+)", self.sh(k, "ctdb status"), re.M)
        return {int(pnn): flags for pnn, flags in rows}

    def writekey(self, k, db, key, value):
        self.sh(k, f"ctdb writekey {db} {shlex.quote(key)} {shlex.quote(value)}")

    def readkey(self, k, db, key):
        out = self.sh(k, f"ctdb readkey {db} {shlex.quote(key)}")
        found = re.search(r"Data: size:(\d+) ptr:\[(.*)\]", out, re.S)
        if not found:
            sys.exit(f"node{k}: ctdb readkey says {out!r}")
        return found.group(2)

    def expect_moves(self, *numbers, db="moves.tdb"):
        """A record moves between these nodes in turn, each sees what the one before wrote."""
        for k in numbers:
            self.sh(k, f"ctdb attach {db}")
        value = self.readkey(numbers[0], db, "key")
        for k in numbers + numbers[:1]:
            expect_equal(self.readkey(k, db, "key"), value, f"node{k} reads {value!r}")
            value = f"by node{k} at {time.monotonic():.3f}"
            self.writekey(k, db, "key", value)

    # ---- Pacemaker --------------------------------------------------------------------------------------

    def clone_on(self, k):
        """The nodes where Pacemaker (asked in node k) says that cotdb is started."""
        out = self.sh(k, "crm_mon -1 --output-as=xml")
        return sorted(re.findall(r'<resource id="p_cotdb"[^>]*role="Started"[^>]*failed="false"[^>]*>\s*'
                                 r'<node name="(node\d+)"', out))

    def failures(self, k):
        """Failed actions of cotdb as crm_mon lists them: [(node, text)]."""
        out = self.sh(k, "crm_mon -1 --output-as=xml")
        return [(dict(re.findall(r'(\w+)="([^"]*)"', f))) for f in re.findall(r"<failure ([^>]*)>", out)]


def cotdb_status(c, k):
    """`cotdb status` as JSON; it exits with 3 when the node is not active."""
    return json.loads(c.run(k, "cotdb status --output-as=json").stdout)
