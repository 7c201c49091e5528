# SPDX-License-Identifier: GPL-3.0-or-later
"""Samba in the sandbox: smbd and winbindd, Debian's own and unchanged, one share on the cluster
filesystem, one user. As a clone under Pacemaker (with a Filesystem below and addresses above), or
started directly.

All nodes share one kernel, so file locks, oplocks, share modes and inotify would work between them
with no daemon at all: smb.conf turns the kernel's off, and what works then works by the daemon."""
import os

import daemon
from base import die, load_conf, read, request, run_in, until, write

SHARE, USER, PASSWORD = "share", "smbuser", "secret"
SHARES = [SHARE, "share2", "share3", "share4"]  # so that tests need not share theirs
UID = 5000
CREDENTIALS = f"{USER}%{PASSWORD}"
ADDRESSES = ["10.77.0.201", "10.77.0.202"]      # what clients use: they move between the nodes
STORE = "/run/clusterfs"                        # where the Filesystem resource takes /clusterfs from

SMB_CONF = f"""[global]
clustering = yes
ctdbd socket = /run/ctdb/ctdbd.socket
netbios name = CLUSTER
workgroup = SANDBOX
passdb backend = tdbsam
idmap config * : backend = tdb2
idmap config * : range = 1000000-1999999
log file = /var/log/samba/log.%m
max log size = 0
load printers = no
disable spoolss = yes
printcap name = /dev/null
server min protocol = NT1
client min protocol = NT1
posix locking = no
kernel oplocks = no
kernel share modes = no
kernel change notify = no
""" + "".join(f"\n[{share}]\npath = /clusterfs/{share}\nread only = no\n" for share in SHARES)

# A client outside the nodes touches no file of theirs, and none of the host's
CLIENT_CONF = """[global]
client min protocol = NT1
{}"""
PRIVATE = "lock", "state", "cache", "private", "pid", "ncalrpc"


def write_client(folder):
    """A configuration for clients (-s FILE) that keeps everything in this folder; its path."""
    path = folder + "/smb-client.conf"
    write(path, CLIENT_CONF.format("".join(
        f"{d} {'dir' if d in ('private', 'ncalrpc') else 'directory'} = {folder}\n" for d in PRIVATE)))
    return path


def write_node(folder):
    """Files of one node before its first boot; folder: what is laid over its /."""
    for sub in "etc/samba", "var/lib/samba/private", "var/cache/samba", "var/log/samba":
        os.makedirs(folder + sub)
    for sub in "etc/samba", "var/lib/samba", "var/cache/samba":
        os.setxattr(folder + sub, "trusted.overlay.opaque", b"y")
    write(folder + "etc/samba/smb.conf", SMB_CONF)
    write(folder + "etc/passwd", read("/etc/passwd") + f"{USER}:x:{UID}:{UID}:SMB user:/:/bin/false\n")
    write(folder + "etc/group", read("/etc/group") + f"{USER}:x:{UID}:\n")


def write_shares(fs):
    for share in SHARES:
        os.makedirs(f"{fs}/{share}", exist_ok=True)
        os.chown(f"{fs}/{share}", UID, UID)


def sh(node, command, timeout=60):
    done = run_in(node, "sh", "-c", command, timeout=timeout)
    if done.returncode:
        die(f"{node['name']}: {command}: {done.stdout}{done.stderr}")
    return done.stdout


def add_user(node):
    """Into the clustered password database: any node will do, once."""
    sh(node, f"printf '{PASSWORD}\\n{PASSWORD}\\n' | smbpasswd -s -a {USER}")


def answers(node):
    """Whether somebody can log in on the node and see the share."""
    done = run_in(node, "timeout", "20", "smbclient", "-U", CREDENTIALS, f"//127.0.0.1/{SHARE}", "-c", "ls")
    return done.returncode == 0


def start_directly(nodes, timeout=60):
    """smbd and winbindd on these nodes, whose daemons are active; returns when all serve."""
    for node in nodes:
        sh(node, "mkdir -p /run/samba && smbd -D && winbindd -D")
    add_user(nodes[0])
    for node in nodes:
        until(lambda: answers(node), timeout, f"answer of smbd on {node['name']}", 0.1)


# ---- Pacemaker ----------------------------------------------------------------------------------

def crm_filesystem():
    """What stands for the cluster filesystem: a Filesystem resource as with GFS2, CephFS, GlusterFS."""
    return [["configure", "primitive", "p_fs", "ocf:heartbeat:Filesystem", "params",
             "device=" + STORE, "directory=/clusterfs", "fstype=none", "options=bind",
             "op", "monitor", "interval=20s", "timeout=40s"],
            ["configure", "clone", "c_fs", "p_fs", "meta", "interleave=true"]]


def crm_samba():
    """The commands that put smbd on a cluster with cotdb, in an admin's order."""
    commands = [
        ["configure", "order", "o_fs_cotdb", "Mandatory:", "c_fs", daemon.CLONE],
        ["configure", "colocation", "l_cotdb_fs", "inf:", daemon.CLONE, "c_fs"],
        ["configure", "primitive", "p_smbd", "ocf:cotdb:smbd", "params", "winbindd=true",
         "op", "start", "timeout=60s", "interval=0", "op", "stop", "timeout=60s", "interval=0",
         "op", "monitor", "interval=10s", "timeout=20s", "meta", "failure-timeout=30s"],
        ["configure", "clone", "c_smbd", "p_smbd", "meta", "interleave=true"],
        ["configure", "order", "o_cotdb_smbd", "Mandatory:", daemon.CLONE, "c_smbd"],
        ["configure", "colocation", "l_smbd_cotdb", "inf:", "c_smbd", daemon.CLONE]]
    for i, ip in enumerate(ADDRESSES, 1):
        commands += [
            ["configure", "primitive", f"p_ip{i}", "ocf:heartbeat:IPaddr2", "params", "ip=" + ip,
             "cidr_netmask=24", "op", "monitor", "interval=10s", "timeout=20s"],
            # optional: when smbd restarts on one node, addresses of others stay where they are
            ["configure", "order", f"o_smbd_ip{i}", "Optional:", "c_smbd", f"p_ip{i}"],
            ["configure", "colocation", f"l_ip{i}_smbd", "inf:", f"p_ip{i}", "c_smbd"]]
    return commands + [["configure", "colocation", "l_apart", "-100:", "p_ip2", "p_ip1"]]


def crm_all(conf):
    return [*crm_filesystem(), *daemon.crm_commands(conf), *crm_samba()]


def serve(timeout):
    """On a cluster whose daemon is active: with Pacemaker (and crm_all() configured) waits until each
    node serves and the addresses are up, without it starts Samba."""
    nodes = [n for n in request("status") if n["state"] == "on"]
    if not load_conf()["pacemaker"]:
        return start_directly(nodes, timeout)
    add_user(nodes[0])
    return all_serve(timeout)


def all_serve(timeout):
    for node in request("status"):
        until(lambda: answers(node), timeout, f"answer of smbd on {node['name']}", 0.2)
    for ip in ADDRESSES:
        until(lambda: where(ip), timeout, f"node with the address {ip}", 0.2)


def where(ip):
    """The name of the node that has this address; None."""
    return next((n["name"] for n in request("status") if n["state"] == "on"
                 and f" {ip}/" in run_in(n, "ip", "-4", "-o", "address").stdout), None)
