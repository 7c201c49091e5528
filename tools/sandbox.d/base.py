# SPDX-License-Identifier: GPL-3.0-or-later
"""Where everything is, and the few helpers that every part of the sandbox uses."""
import json, os, socket, subprocess, sys, time

HERE = os.path.dirname(os.path.realpath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
SANDBOX = os.path.abspath(os.environ.get("SANDBOX_DIR") or "/tmp/cotdb-sandbox")
SELF = ["/usr/bin/python3", "-ESB", HERE + "/main.py"]
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MAX_NODES = 16
LOCK_FILE = "/clusterfs/.cotdb.lock"


def die(text):
    sys.exit("sandbox: " + text)


def read(path):
    with open(path) as f:
        return f.read()


def write(path, text, mode=None):
    with open(path, "wb" if isinstance(text, bytes) else "w") as f:
        f.write(text)
    if mode is not None:
        os.chmod(path, mode)


def until(test, seconds, what, step=0.01):
    """Call test() until it is true (its value is returned) or the time is up."""
    end = time.monotonic() + seconds
    while True:
        value = test()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"no {what} within {seconds:g} s")
        time.sleep(step)


def load_conf():
    """What `up` was told: n, pacemaker, daemon (run it?), params, fs, boot_delay, ipv6, samba, cgroup, inst."""
    return json.loads(read(SANDBOX + "/conf.json"))


def save_conf(conf):
    write(SANDBOX + "/conf.new", json.dumps(conf, indent=1))
    os.rename(SANDBOX + "/conf.new", SANDBOX + "/conf.json")


def address(conf, k):
    return f"fd77::{k:x}" if conf["ipv6"] else f"10.77.0.{k}"


def client_address(conf):
    return "fd77::fe/64 nodad" if conf["ipv6"] else "10.77.0.254/24"


def ip(text, *wrap):
    subprocess.run([*wrap, "ip", "-batch", "-"], input=text, text=True, check=True, timeout=10)


def stamp():
    t = time.time()
    return time.strftime("%T", time.localtime(t)) + f".{int(t % 1 * 1000):03d}"


def request(*words, timeout=60):
    """Ask the supervisor outside the nodes (power.py); its answer, or the end with its error."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(timeout)
        try:
            s.connect(SANDBOX + "/sock/ctl")
        except OSError:
            die(f"no sandbox is running in {SANDBOX}")
        s.sendall(json.dumps(words).encode() + b"\n")
        rc, out = json.loads(s.makefile().read() or '[1, "no reply"]')
    if rc:
        die(out)
    return out


def enter(node, argv, only=None):
    """The command line that runs argv inside a node, and is killed and paused with it.
    only: the namespaces to enter, as nsenter's options (default: all)."""
    join = 'echo $$ > "$1/cgroup.procs" && shift && exec "$@"'
    return ["sh", "-c", join, "sh", node["cgroup"],
            "nsenter", "-t", str(node["init"]), *([only] if only else ["-m", "-u", "-i", "-n", "-p"]),
            "--", *argv]


def run_in(node, *argv, timeout=30, check=False, text=None):
    """Run a command inside a node (a row of request("status")) and wait for it."""
    env = {**os.environ, "PATH": PATH, "HOME": "/var/cache/sandbox-home"}
    return subprocess.run(enter(node, argv), stdout=-1, stderr=-1, input=text, text=True, env=env,
                          stdin=None if text else -3, timeout=timeout, check=check)
