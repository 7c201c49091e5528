# SPDX-License-Identifier: GPL-3.0-or-later
"""sandbox - a real cluster of several nodes on one machine, with cotdb on it

  sandbox up N [OPTIONS]    make and start node1..nodeN with corosync, Pacemaker, fencing and the
                            daemon's clone; wait until the daemon is active on all
      --bare                  without the daemon (`sandbox daemon` starts it later)
      --no-pacemaker          corosync alone; the daemon is started directly (nobody fences)
      --install               have cotdb in the nodes although --bare is given
      --samba                 and Debian's smbd and winbindd on it, with one share (with --bare:
                              only their configuration)
      --param NAME=VALUE      option of the daemon (several times)
      --fs DIR                the folder that stands for the cluster file system
      --token MS              corosync's token (1000)   --ipv6          addresses fd77::K
      --boot-delay S          of a power cycle (1)      --timeout S     to wait at most (90)
  sandbox daemon [NODE...] [--param NAME=VALUE] [--timeout S] [--no-wait]
                            start the daemon on a cluster made with --bare --install
  sandbox demo [--samba] [--down]
                            the tour: start, work, a node killed, fenced, back; --samba: of smbd on
                            cotdb, with addresses that move; --down: and the end
  sandbox status            nodes: state, boots, memory, CPU time used, daemon, cut peers
  sandbox wait [NODE...] [--boots K] [--timeout S] [--no-daemon]
                            wait until the NODEs (default: all that are not off) are online, with
                            quorum, in the eyes of every running node, with the daemon active if
                            it is configured (--no-daemon: even if not), and each of the NODEs
                            was started at least K times
  sandbox exec [--net] NODE CMD...
                            run CMD inside NODE: cotdb, cotdb-bench, ctdb, crm, crm_mon, sh, ...
                            --net: with the host's files, only the network is the node's
  sandbox client CMD...     run CMD outside the nodes, on their network
  sandbox kill NODE [--hold]  power off at once; --hold: fencing does not switch it on again
  sandbox stop NODE         clean shutdown (Pacemaker, the daemon, corosync, then off)
  sandbox start NODE        switch on
  sandbox reboot NODE       power cycle
  sandbox pause NODE        freeze every process of NODE;  sandbox resume NODE
  sandbox cut NODE [PEER...] [--port P]
                            drop all packets (--port: of that TCP port) between NODE and the PEERs
                            (default: all others)
  sandbox heal [NODE]       undo every cut (of NODE)
  sandbox down              end everything and delete SANDBOX_DIR

Every node has its own pid, mount, uts, ipc and net namespaces; its own /etc, /var/lib and
/var/cache laid over the host's, and /var/log (all kept over reboots, on the host in
SANDBOX_DIR/nodes/NODE); /run, /tmp and /dev/shm (new at every boot); /usr with cotdb as built from
this checkout laid over the host's. /clusterfs is one folder shared by all of them; the rest is the
host's file system. SANDBOX_DIR/nodes/NODE/run is the node's /run as seen from the host while the
node is on, so programs outside reach for instance nodes/node1/run/ctdb/ctdbd.socket (the daemon
sees their pid as 0).

SANDBOX_DIR (default /tmp/cotdb-sandbox) holds all state: several sandboxes with different
SANDBOX_DIRs run side by side. SANDBOX_BUILD: the build folder (default build/ of the checkout).
SANDBOX_INST: an installed tree to use instead of building. Missing Debian packages are installed.
"""
import os, sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

import cluster                                                                  # noqa: E402
from base import die, request, until                                           # noqa: E402
from cluster import option                                                      # noqa: E402


def power(cmd, args):
    if cmd == "kill" and args:
        hold = option(args, "--hold", False)
        return len(args) == 1 and request("off", args[0], *["hold"] * bool(hold))
    if cmd == "start" and len(args) == 1:
        return request("on", args[0], "force")
    if cmd == "stop" and len(args) == 1:
        request("stop", args[0])
        return until(lambda: request("state", args[0]) == "off" and "off", 90, "clean shutdown", 0.1)
    if cmd == "cut":
        port = int(option(args, "--port", "0"))
        return args and request("cut", args[0], port, *args[1:])
    if cmd in ("reboot", "pause", "resume") and len(args) == 1 or cmd == "heal" and len(args) < 2:
        return request(cmd, *args)
    return None


def main(args):
    cmd, args = args[0] if args else "help", args[1:]
    if cmd == "_node":
        from inside import node_main
        return node_main(int(args[0]))
    if cmd == "_supervise":
        from power import supervise
        return supervise()
    if cmd in ("help", "--help", "-h"):
        return print(__doc__, end="")
    if os.getuid():
        die("this needs root (sudo tools/sandbox ...)")
    if cmd == "up":
        cluster.up(args)
    elif cmd == "daemon":
        params, timeout = cluster.take_params(args), float(option(args, "--timeout", "90"))
        timeout = 0 if option(args, "--no-wait", False) else timeout
        print(f"active after {cluster.start_daemon(timeout, params, args):.1f} s")
    elif cmd == "demo":
        from demo import demo
        demo(args)
    elif cmd == "down" and not args:
        cluster.down()
    elif cmd == "status" and not args:
        print(cluster.report())
    elif cmd == "wait":
        timeout, boots = float(option(args, "--timeout", "60")), int(option(args, "--boots", "0"))
        no_daemon = option(args, "--no-daemon", False)
        print(f"online after {cluster.wait(args, timeout, boots, no_daemon):.1f} s")
    elif cmd == "exec" and len(args) > 1:
        net = option(args, "--net", False) if args[0] == "--net" else None
        cluster.exec_in(args[0], args[1:], "-n" if net else None)
    elif cmd == "client" and args:
        cluster.client(args)
    else:
        done = power(cmd, args)
        if not done:
            die("what? sandbox --help tells the commands")
        print(done)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (TimeoutError, OSError) as e:
        die(str(e))
    except KeyboardInterrupt:
        sys.exit(130)
