# SPDX-License-Identifier: GPL-3.0-or-later
"""Inside a node: process 1 of its pid namespace. It makes the node's root, starts corosync and
what runs on it, reaps, and shuts down cleanly on SIGTERM."""
import ctypes, os, signal, socket, sys, time

from base import HERE, PATH, SANDBOX, SOURCE, address, ip, load_conf, read, write
from daemon import command_line
from smbd import STORE

PCMK_ENV = {"PCMK_logfile": "/var/log/pacemaker/pacemaker.log", "PCMK_logfacility": "none",
            "PCMK_panic_action": "reboot"}
RUN_FILE = "/run/cotdb/cotdbd.pid"
libc = ctypes.CDLL(None, use_errno=True)
READONLY, BIND, REC, DETACH = 1, 4096, 16384, 2


def mount(source, target, fstype=None, flags=0, data=None):
    args = [s and s.encode() for s in (source, target, fstype, data)]
    if libc.mount(args[0], args[1], args[2], ctypes.c_ulong(flags), args[3]):
        e = ctypes.get_errno()
        raise OSError(e, f"mount {source} on {target} {data or ''}: {os.strerror(e)}")


def make_root(conf, name):
    """A tmpfs as / with the host's directories bound into it and the node's own laid over them."""
    mine = f"{SANDBOX}/nodes/{name}"
    root = mine + "/mnt"
    mount("sandbox", root, "tmpfs", 0, "mode=755")
    for d in os.scandir("/"):
        if d.is_symlink():
            os.symlink(os.readlink(d.path), root + d.path)
        elif d.is_dir():
            os.mkdir(root + d.path)
            if d.name not in ("proc", "sys", "run", "tmp", "clusterfs", "lost+found"):
                mount(d.path, root + d.path, None, BIND | REC)
    os.makedirs(root + "/clusterfs", exist_ok=True)
    mount("proc", root + "/proc", "proc")
    mount("sysfs", root + "/sys", "sysfs")
    for d, mode in ("/run", "755"), ("/tmp", "1777"), ("/dev/shm", "1777"):
        mount("sandbox", root + d, "tmpfs", 0, "mode=" + mode)
    if SOURCE.startswith(("/tmp/", "/run/", "/dev/shm/")):
        os.makedirs(root + SOURCE)      # the checkout is wanted inside as well
        mount(SOURCE, root + SOURCE, None, BIND)
    for d in "/run/lock", "/run/resource-agents", "/run/sandbox":
        os.mkdir(root + d)
    # a panicking daemon must not restart the host; its reboot(2) then ends this namespace
    for f in "/proc/sysrq-trigger", "/proc/sys/kernel/sysrq":
        if os.path.exists(f):
            mount("/dev/null", root + f, None, BIND)
    layers = [HERE + "/usr", "/usr"]
    if conf["inst"]:
        layers.insert(1, conf["inst"] + "/usr")
    mount("sandbox", root + "/usr", "overlay", READONLY, "lowerdir=" + ":".join(layers))
    for d in "/etc", "/var/lib", "/var/cache":
        mount("sandbox", root + d, "overlay", 0,
              f"lowerdir={d},upperdir={mine}{d},workdir={mine}/work{d}")
    mount(mine + "/var/log", root + "/var/log", None, BIND)
    mount(SANDBOX + "/sock", root + "/run/sandbox", None, BIND)
    # with Samba under Pacemaker a Filesystem resource puts it on /clusterfs
    store = STORE if conf["samba"] and conf["pacemaker"] else "/clusterfs"
    os.makedirs(root + store, exist_ok=True)
    mount(conf["fs"], root + store, None, BIND)
    os.chdir(root)
    if libc.pivot_root(b".", b".") or libc.umount2(b".", DETACH):
        raise OSError(ctypes.get_errno(), "pivot_root")
    os.chdir("/")


def spawn(path, *args):
    """Start a program with its output in /var/log/NAME.out."""
    out = f"/var/log/{os.path.basename(path)}.out"
    env = {"PATH": PATH, "HOME": "/var/cache/sandbox-home", "LANG": "C.UTF-8", **PCMK_ENV}
    return os.posix_spawn(path, [path, *args], env, setsid=True,
                          setsigdef=[signal.SIGPIPE, signal.SIGXFSZ], file_actions=[
        (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, out, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2)])


def node_main(k):
    name = f"node{k}"
    conf = load_conf()
    write(f"{conf['cgroup']}/{name}/cgroup.procs", "0")
    make_root(conf, name)
    socket.sethostname(name)
    if not sys.stdin.read(1):           # the supervisor plugs in eth0, then says so
        sys.exit("no supervisor")
    ip(f"link set lo up\naddr add {address(conf, k)}/{'64 nodad' if conf['ipv6'] else '24'} dev eth0\n"
       "link set eth0 up\n")
    running = {}                        # pid -> name

    def reap(block):
        try:
            pid, status = os.waitpid(-1, 0 if block else os.WNOHANG)
        except ChildProcessError:
            return time.sleep(0.1)
        what = running.pop(pid, None)
        if what:
            print(time.strftime("%T"), what, "ended, status", status, flush=True)
        if what == "pacemakerd" and not stopping and "corosync" in running.values() \
                and os.waitstatus_to_exitcode(status) not in (0, 100):
            time.sleep(1)               # as pacemaker.service: Restart=on-failure
            running[spawn("/usr/sbin/pacemakerd")] = "pacemakerd"

    def end(pid, alive):
        os.kill(pid, signal.SIGTERM)
        while alive():
            reap(False)
            time.sleep(0.02)

    def stop(*_):
        stopping.append(1)
        for pid in [p for p, w in running.items() if w == "pacemakerd"]:
            end(pid, lambda: pid in running)
        try:                            # without Pacemaker nobody has stopped the daemon yet
            pid = int(read(RUN_FILE))
            end(pid, lambda: os.path.exists(f"/proc/{pid}"))
        except (OSError, ValueError):
            pass
        for pid in [p for p, w in running.items() if w == "corosync"]:
            end(pid, lambda: pid in running)
        os._exit(0)

    stopping = []
    signal.signal(signal.SIGTERM, stop)
    running[spawn("/usr/sbin/corosync", "-f")] = "corosync"
    limit = time.monotonic() + 20
    while running and "@cmap" not in read("/proc/net/unix") and time.monotonic() < limit:
        time.sleep(0.02)
        reap(False)
    if conf["pacemaker"]:
        running[spawn("/usr/sbin/pacemakerd")] = "pacemakerd"
    elif conf["daemon"]:
        argv = command_line(conf)
        running[spawn(*argv)] = "cotdbd"
    while True:
        reap(True)
