# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole sandbox: made, waited for, looked at, ended."""
import os, shutil, socket, subprocess, time
import xml.etree.ElementTree as ET

import build, conf as configuration, daemon, smbd
from base import MAX_NODES, PATH, SANDBOX, SELF, die, enter, load_conf, read, request, run_in, \
    save_conf, until, write

OVERLAYFS = 0x794C7630


def option(args, name, default=None):
    """Take --name VALUE out of args (or the flag --name, if default is False)."""
    if name not in args:
        return default
    i = args.index(name)
    del args[i]
    if default is False:
        return True
    if i == len(args):
        die(f"{name} needs a value")
    return args.pop(i)


def take_params(args):
    """Every --param NAME=VALUE."""
    params = {}
    while (p := option(args, "--param")) is not None:
        name, eq, value = p.partition("=")
        if not eq:
            die(f"--param {p}: NAME=VALUE is wanted")
        params[name.replace("-", "_")] = value
    return params


# ---- waiting ---------------------------------------------------------------------------------

def view(conf, node):
    """The names of the online nodes as this node sees them; none without quorum and DC."""
    try:
        if not conf["pacemaker"]:
            lines = run_in(node, "corosync-quorumtool", "-s", timeout=15).stdout.splitlines()
            quorate = any(x.split() == ["Quorate:", "Yes"] for x in lines)
            return {x.split()[2] for x in lines if " node" in x} if quorate else set()
        xml = ET.fromstring(run_in(node, "crm_mon", "-1", "--output-as=xml", timeout=15).stdout)
    except (ET.ParseError, subprocess.TimeoutExpired):
        return set()
    dc = xml.find("summary/current_dc")
    if dc is None or dc.get("with_quorum") != "true":
        return set()
    return {n.get("name") for n in xml.iterfind("nodes/node")
            if n.get("online") == "true" and n.get("pending") == n.get("unclean") == "false"}


def online(conf, names, boots):
    nodes = request("status")
    alive = [n for n in nodes if n["state"] != "off"]
    if not alive:
        die(f"every node is off; see {SANDBOX}/log and {SANDBOX}/nodes/*/console:\n"
            + read(f"{SANDBOX}/nodes/node1/console"))
    names = names or [n["name"] for n in alive]
    wanted = [n for n in nodes if n["name"] in names]
    return all(n["boots"] >= boots for n in wanted) and all(n["state"] == "on" for n in alive) and \
        all(view(conf, n).issuperset(names) for n in alive) and \
        (not conf["daemon"] or daemon.active_together(wanted))


def wait(names, timeout, boots=0, no_daemon=False):
    start, conf = time.monotonic(), load_conf()
    conf["daemon"] = conf["daemon"] and not no_daemon
    what = "cluster with all these nodes online"
    if conf["daemon"]:
        what += " and cotdb active on them"
    try:
        until(lambda: online(conf, names, boots), timeout, what, 0.1)
    except TimeoutError as e:
        die(f"{e}\n{report()}")
    return time.monotonic() - start


# ---- up and down -------------------------------------------------------------------------------

def prepare(fs):
    """An empty SANDBOX folder that overlay mounts can use."""
    for bad in ("/etc/", "/var/lib/", "/var/cache/", "/usr/", "/run/", "/proc/", "/sys/", "/dev/shm/"):
        if (SANDBOX + "/").startswith(bad):
            die(f"SANDBOX_DIR must not be below {bad}")
    if any(c in SANDBOX for c in ":,\\ "):
        die("SANDBOX_DIR must have no colon, comma, backslash or space in its name")
    if os.path.isdir(SANDBOX) and os.listdir(SANDBOX):
        die(f"{SANDBOX} holds a sandbox already (sandbox down ends it)"
            if os.path.exists(SANDBOX + "/conf.json") else f"{SANDBOX} is not empty")
    os.makedirs(SANDBOX, exist_ok=True)
    kind = subprocess.run(["stat", "-f", "-c", "%t", SANDBOX], stdout=-1, text=True).stdout
    if int(kind, 16) == OVERLAYFS:      # in a container: it cannot hold an overlay's upper layer
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "sandbox", SANDBOX], check=True)
    for d in SANDBOX + "/sock", fs:
        os.makedirs(d, exist_ok=True)


def up(args):
    bare, pacemaker = option(args, "--bare", False), not option(args, "--no-pacemaker", False)
    install = not bare or option(args, "--install", False)
    fs, token = option(args, "--fs", SANDBOX + "/fs"), int(option(args, "--token", "1000"))
    delay, timeout = float(option(args, "--boot-delay", "1")), float(option(args, "--timeout", "90"))
    ipv6, params = bool(option(args, "--ipv6", False)), take_params(args)
    with_samba = bool(option(args, "--samba", False))
    if len(args) != 1 or not args[0].isdigit() or not 1 <= int(args[0]) <= MAX_NODES:
        die(f"up N, with N from 1 to {MAX_NODES}")
    build.packages("sandbox", *["samba"] * with_samba)
    if install:
        build.prepared()
    fs = os.path.abspath(fs)
    prepare(fs)
    cgroups = next(x.split()[1] for x in open("/proc/self/mounts") if x.split()[2] == "cgroup2")
    conf = dict(n=int(args[0]), pacemaker=pacemaker, daemon=not bare, samba=with_samba,
                params=params, ipv6=ipv6, boot_delay=delay, fs=fs, cgroup=f"{cgroups}/cotdb-sandbox-{os.getpid()}", inst=None)
    save_conf(conf)
    conf["inst"] = build.installed() if install else None
    begin = time.monotonic()
    # Pacemaker is online before the clone is configured: the daemon is waited for after that
    conf["daemon"] = not bare and not pacemaker
    save_conf(conf)
    os.mkdir(conf["cgroup"])
    configuration.write_nodes(conf, token)
    with open(SANDBOX + "/log", "a") as out:
        sup = subprocess.Popen(["unshare", "--net", *SELF, "_supervise"], stdin=-3, stdout=out,
                               stderr=out, start_new_session=True, cwd="/")
    write(SANDBOX + "/supervisor", str(sup.pid))
    until(lambda: os.path.exists(SANDBOX + "/sock/ctl") or sup.poll() is not None, timeout, "supervisor")
    wait([], timeout)
    if not bare and pacemaker:
        start_daemon(timeout)
    if not bare and with_samba:
        smbd.serve(timeout)
    has = "" if bare else f", cotdb active{' and Samba serving' * with_samba} on all,"
    print(f"{conf['n']} nodes online{has} after {time.monotonic() - begin:.1f} s")


def start_daemon(timeout, params=None, names=()):
    """Put cotdb on a running cluster: with Pacemaker as a clone, without on the named nodes."""
    conf = load_conf()
    conf["params"].update(params or {})
    if not conf["inst"]:
        die("this sandbox has no cotdb in its nodes: make it with `up N --bare --install`")
    nodes = [n for n in request("status") if n["state"] == "on"]
    if conf["pacemaker"]:
        commands = smbd.crm_all(conf) if conf["samba"] else daemon.crm_commands(conf)
        print(daemon.configure(commands, nodes[0]), end="")
    else:
        for n in nodes:
            if not names or n["name"] in names:
                daemon.start_directly(conf, n)
    daemon_is_configured(conf)
    return wait(names, timeout) if timeout else 0


def daemon_is_configured(conf=None):
    """From now on `wait` waits for the daemon, too."""
    conf = conf or load_conf()
    conf["daemon"] = True
    save_conf(conf)


def down():
    if not os.path.exists(SANDBOX + "/conf.json"):
        print(f"no sandbox in {SANDBOX}")
        return

    def alive():
        try:
            return "_supervise" in read(f"/proc/{read(SANDBOX + '/supervisor')}/cmdline")
        except OSError:
            return False
    if alive():
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(SANDBOX + "/sock/ctl")
            s.sendall(b'["down"]\n')
        until(lambda: not alive(), 60, "end of the supervisor")
    cgroup = load_conf()["cgroup"]
    for k in range(1, MAX_NODES + 1):
        d = f"{cgroup}/node{k}"
        if os.path.isdir(d):
            write(d + "/cgroup.kill", "1")
            write(d + "/cgroup.freeze", "0")
            until(lambda: "populated 0" in read(d + "/cgroup.events"), 15, "end of " + d)
            os.rmdir(d)
    if os.path.isdir(cgroup):
        os.rmdir(cgroup)
    if os.path.ismount(SANDBOX):
        subprocess.run(["umount", SANDBOX], check=True)
    shutil.rmtree(SANDBOX)


# ---- looking ------------------------------------------------------------------------------------

def exec_in(name, argv, only=None):
    node = next((n for n in request("status") if n["name"] == name), None)
    if not node or node["state"] in ("off", "booting"):
        die(f"{name} is not on")
    os.environ.update(PATH=PATH, HOME="/var/cache/sandbox-home")
    shell = 'cd "$1" 2>/dev/null || cd /; shift; exec "$@"'
    command = enter(node, ["sh", "-c", shell, "sh", os.getcwd(), *argv], only)
    os.execvp(command[0], command)


def client(argv):
    """Run a command outside the nodes, on their network."""
    pid = read(SANDBOX + "/supervisor")
    os.execvp("nsenter", ["nsenter", f"--net=/proc/{pid}/ns/net", "--", *argv])


def memory(cgroup):
    """MiB in use by a node's processes, shared pages counted in proportion."""
    kib = 0
    for pid in read(cgroup + "/cgroup.procs").split():
        try:
            kib += int(next(x for x in open(f"/proc/{pid}/smaps_rollup") if x.startswith("Pss:")).split()[1])
        except (OSError, StopIteration):
            pass
    return kib // 1024


def daemon_line(node):
    says = node["state"] == "on" and daemon.supervisor_says(node)
    if not says:
        return ""
    reason = "" if says["state"] == "active" else f" ({says['reason']}: {says['text']})"
    return f"  cotdb {says['state']}{reason}, generation {says['generation']}"


def report():
    """A line for each node."""
    lines = []
    for n in request("status"):
        cpu = int(read(n["cgroup"] + "/cpu.stat").split()[1]) / 1e6
        lines.append(f"{n['name']:7} {n['state']:8} boots {n['boots']:<3} {memory(n['cgroup']):4} MiB "
                     f"{cpu:6.1f} s" + " held" * n["hold"] + daemon_line(n)
                     + ("  cut from " + " ".join(n["cut"]) if n["cut"] else ""))
    return "\n".join(lines)
