# SPDX-License-Identifier: GPL-3.0-or-later
"""engine.py: plays the engine for a real cotdb-pacemaker: starts it with a channel on fd 3,
sends packets and waits for its answers (daemon/helper/ipc.h)."""
import os, select, socket, struct, subprocess, time

WATCH, REQUEST, CHECK, ATTRIBUTES, RESUME = 128, 129, 130, 131, 132
FENCED, FAILED, TOPOLOGY, UP, BASED = 160, 161, 162, 163, 164


def text(s):
    b = s.encode()
    return struct.pack("<I", len(b)) + b


class Reader:
    def __init__(self, data):
        self.data = data

    def u32(self):
        v, self.data = struct.unpack("<I", self.data[:4])[0], self.data[4:]
        return v

    def u64(self):
        v, self.data = struct.unpack("<Q", self.data[:8])[0], self.data[8:]
        return v

    def text(self):
        n = self.u32()
        v, self.data = self.data[:n].decode(), self.data[n:]
        return v


class Helper:
    def __init__(self, program, *options):
        self.sock, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

        def child():
            os.dup2(theirs.fileno(), 3)
        self.proc = subprocess.Popen([program, *options], preexec_fn=child, close_fds=False)
        theirs.close()
        self.seen = []

    def send(self, kind, data):
        self.sock.send(struct.pack("<I", kind) + data)

    def members(self, *members):
        self.send(CHECK, struct.pack("<I", len(members)) +
                  b"".join(struct.pack("<I", i) + text(n) for i, n in members))

    def watch(self, nodeid, name, boot_id):
        self.send(WATCH, struct.pack("<I", nodeid) + text(name) + struct.pack("<Q", boot_id))

    def resume(self, nodeid, name, boot_id, base):
        self.send(RESUME, struct.pack("<I", nodeid) + text(name) + struct.pack("<QI", boot_id, len(base)) + base)

    def request(self, nodeid, name, boot_id):
        self.send(REQUEST, struct.pack("<I", nodeid) + text(name) + struct.pack("<Q", boot_id))

    def attributes(self, state, generation, leader):
        self.send(ATTRIBUTES, text(state) + struct.pack("<I", generation) + text(leader))

    def receive(self, seconds):
        """The next packet as a tuple, or None when none comes in that time."""
        if not select.select([self.sock], [], [], max(seconds, 0))[0]:
            return None
        data = self.sock.recv(65536)
        if not data:
            raise EOFError("the helper has ended")
        r = Reader(data)
        kind = r.u32()
        if kind == FENCED:
            got = (kind, r.u32(), r.u64())
        elif kind == FAILED:
            got = (kind, r.u32(), r.u64(), r.text())
        elif kind == BASED:
            got = (kind, r.u32(), r.u64(), r.data[4:])
        elif kind in (TOPOLOGY, UP):
            got = (kind, r.u32(), r.text())
        else:
            raise ValueError(f"packet of type {kind}")
        print("  helper:", *got, flush=True)
        return got

    def wait(self, kind, seconds, *first):
        """The next packet of that kind that begins with these fields; others are passed over."""
        end = time.monotonic() + seconds
        while True:
            got = self.receive(end - time.monotonic())
            if got is None:
                raise TimeoutError(f"no packet {kind} {first} within {seconds} s")
            if got[0] == kind and got[1:1 + len(first)] == first:
                return got

    def none(self, kind, seconds):
        """No packet of that kind comes in that time."""
        end = time.monotonic() + seconds
        while True:
            got = self.receive(end - time.monotonic())
            if got is None:
                return
            if got[0] == kind:
                raise AssertionError(f"unexpected packet {got}")

    def close(self):
        self.sock.close()
        self.proc.wait(10)
