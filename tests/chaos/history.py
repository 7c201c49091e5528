# SPDX-License-Identifier: GPL-3.0-or-later
"""history.py: what the clients of a chaos run did, as they wrote it down (the lines are told in
client.c, holds.c, transfers.c), and the faults that came meanwhile. All nodes are namespaces of one
machine, so there is one clock (CLOCK_MONOTONIC) and its order is the order of what happened."""
import os


class Session:
    """One connection to one engine. incarnation: that engine and its files; None before there is one."""

    def __init__(self, client):
        self.client, self.node, self.incarnation = client, int(client.split(".")[0]), None


class Hold:
    """A record under its lock. begin and end: from when to when it certainly was. writes: [(name,
    counter)], counter None: emptied. How far the last of them came: is_open (the client has not told that
    it was done, since it was stopped or killed), is_refused (libtdb gave an error)."""
    __slots__ = "session", "incarnation", "record", "rsn", "read", "counter", "begin", "end", "writes", \
        "is_open", "is_refused"

    def __init__(self, session, begin, record, rsn, read, counter):
        self.session, self.incarnation, self.begin, self.end = session, session.incarnation, begin, begin
        self.record, self.rsn, self.read, self.counter = record, rsn, read, counter
        self.writes, self.is_open, self.is_refused = [], True, False

    def __str__(self):
        wrote = ", ".join(f"emptied it ({n})" if c is None else f"wrote {n} {c}" for n, c in self.writes)
        return (f"{self.session.client} on node{self.session.node} ({self.incarnation}) rsn {self.rsn:#x} "
                f"{(self.end - self.begin) / 1e6:.3f} ms: read {self.read} {self.counter}, "
                f"{wrote or 'wrote nothing'}{', refused' * self.is_refused}{', not ended' * self.is_open}")


class Image:
    """What a node's file said of the bank at one moment. own: the last transaction of the client's slot."""
    __slots__ = "session", "incarnation", "begin", "end", "sequence", "tail", "own", "accounts", "slot"

    def __init__(self, session, begin, end, sequence, tail, own, accounts):
        self.session, self.incarnation, self.begin, self.end = session, session.incarnation, begin, end
        self.sequence, self.tail, self.own = sequence, tail, own
        self.accounts, self.slot = tuple(accounts), slot_of(session.client)

    def __str__(self):
        return (f"{self.session.client} on node{self.session.node} ({self.incarnation}) saw {self.sequence}, "
                f"tail {self.tail}, own {self.own}, {' '.join(f'{b}/{w}' for b, w in self.accounts)}")


class Transfer:
    __slots__ = "name", "image", "begin", "end", "source", "target", "amount", "fate", "status"

    def __init__(self, name, image, begin, source, target, amount):
        self.name, self.image, self.begin, self.end = name, image, begin, begin
        self.source, self.target, self.amount = source, target, amount
        self.fate, self.status = "unknown", None

    def __str__(self):
        return (f"{self.name} commits {self.amount} from {self.source} to {self.target} upon {self.image.sequence} "
                f"{self.image.tail}: {self.fate} ({self.status}) after {(self.end - self.begin) / 1e6:.1f} ms")


def slot_of(client):
    node, _, slot, _ = client.split(".")
    return f"{node}.{slot}"


class History:
    """holds, images, transfers, slow [(time, ms, record, client)], faults [(time, text)]"""

    def __init__(self):
        self.holds, self.images, self.transfers, self.slow, self.faults = [], [], [], [], []
        self.last_life = {}     # incarnation: when its files were certainly not retired yet

    def read_client(self, client, lines):
        session, hold, transfer = Session(client), None, None
        for line in lines:
            if not line.endswith("\n"):
                break           # a write of its last moment
            what, time, *words = line.split()
            time = int(time)
            if what not in "WEFU":
                hold = None
            if what == "L":
                db, key, rsn, read, counter = words
                hold = Hold(session, time, (int(db), key), int(rsn), read, int(counter))
                self.holds.append(hold)
            elif what == "W":
                hold.writes.append((words[0], int(words[1])))
            elif what == "E":
                hold.writes.append((words[0], None))
            elif what == "F":
                hold.is_refused = True
            elif what == "U":
                hold.is_open = False
            elif what == "S":
                session = Session(client)
                session.incarnation = "/".join(words)
            elif what == "Q":
                self.slow.append((time, int(words[0]), (int(words[1]), words[2]), client))
            elif what == "P":
                accounts = [(int(a.split("/")[0]), a.split("/")[1]) for a in words[4:]]
                self.images.append(Image(session, time, int(words[0]), int(words[1]), words[2], words[3], accounts))
            elif what == "T":
                transfer = Transfer(words[0], self.images[-1], time, *map(int, words[1:4]))
                self.transfers.append(transfer)
            elif what == "R":
                transfer.end, transfer.fate, transfer.status = time, words[1], int(words[2])
            elif what != "X":
                raise ValueError(f"{client}: {line!r}")
            if hold:
                hold.end = time
                self.last_life[session.incarnation] = max(time, self.last_life.get(session.incarnation, 0))

    def read_faults(self, lines):
        for line in lines:
            time, text = line.rstrip("\n").split(" ", 1)
            self.faults.append((int(time), text))


def read_folder(folder):
    """All histories below this folder: what is in folders of the name "history". A file "faults" there
    has the faults."""
    history = History()
    for path, _, files in os.walk(folder):
        for name in sorted(files) if os.path.basename(path) == "history" else ():
            with open(f"{path}/{name}") as f:
                history.read_faults(f) if name == "faults" else history.read_client(name, f)
    history.faults.sort()
    return history
