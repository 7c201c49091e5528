# SPDX-License-Identifier: GPL-3.0-or-later
"""cotdb in the sandbox: as a clone under Pacemaker, configured with crmsh as an admin would, or
(without Pacemaker) started directly; and asking its supervisors how they are."""
import json, shlex, socket

from base import LOCK_FILE, die, run_in

RESOURCE, CLONE = "p_cotdb", "c_cotdb"


def parameters(conf):
    """The daemon's options: the sandbox's own choice, then those of --param."""
    chosen = {"recovery_lock": LOCK_FILE, "log_file": "/var/log/cotdb.log"}
    if not conf["pacemaker"]:
        chosen["allow_unfenced"] = "true"       # nobody fences
    chosen.update(conf["params"])
    return chosen


def command_line(conf):
    return ["/usr/sbin/cotdbd"] + [f"--{k}={v}" for k, v in parameters(conf).items()]


def crm_commands(conf):
    params = [f"{k}={v}" for k, v in parameters(conf).items()]
    return [["configure", "primitive", RESOURCE, "ocf:cotdb:cotdbd", "params", *params,
             "op", "start", "timeout=60s", "interval=0", "op", "stop", "timeout=60s", "interval=0",
             "op", "monitor", "interval=10s", "timeout=20s", "on-fail=fence",
             "meta", "failure-timeout=30s"],
            ["configure", "clone", CLONE, RESOURCE, "meta", "interleave=true"]]


def crm(node, *args, text=None):
    done = run_in(node, "crm", *args, timeout=120, text=text)
    if done.returncode:
        die(f"crm {shlex.join(args)}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def configure(commands, node):
    """All commands in one change of the CIB: else Pacemaker starts the primitive on one node alone
    before it hears of the clone."""
    lines = ["configure", *[shlex.join(c[1:]) for c in commands], "commit"]
    return crm(node, text="\n".join(lines) + "\n")


def start_directly(conf, node):
    argv = command_line(conf)
    done = run_in(node, *argv)
    if done.returncode:
        die(f"{node['name']}: {shlex.join(argv)}: {done.stdout}{done.stderr}")


def supervisor_says(node, question="status", timeout=2):
    """The supervisor's answer (a dict, see daemon/helper/ipc.h), None when there is none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
        s.settimeout(timeout)
        try:
            s.connect(f"/proc/{node['init']}/root/run/cotdb/supervisor.socket")
            s.send(question.encode())
            return json.loads(s.recv(65536))
        except (OSError, ValueError):
            return None


def active_together(nodes):
    """Whether the daemons of all these nodes are active, in one generation."""
    answers = [supervisor_says(n) for n in nodes]
    return all(a and a["state"] == "active" for a in answers) and \
        len({a["generation"] for a in answers}) <= 1
