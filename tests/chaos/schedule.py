# SPDX-License-Identifier: GPL-3.0-or-later
"""schedule.py: which faults come when: a function of the seed and of the number of nodes.

A run is a row of rounds. A round is some faults within SPAN_S seconds, many of them at once or behind one
another, so that they meet recoveries; then everything is healed, and has to become whole; then the next
one. How many rounds a run has depends on the machine, what each is does not.

Each round has an *anchor*, a node that nothing is done to that could cost it its engine. So there is always
somebody in every new generation who has all that clients were told of: that is what a cluster needs
(doc/design.md, "Becoming equal", names the limit), and it is all that is spared."""
import random

SPAN_S = 12

# kind: (how often, seconds from and to; 0: an event that needs no end). What each is: faults.py
HARD = {                # its node may lose its engine
    "power": (10, 0, 0), "engine": (12, 0, 0), "supervisor": (6, 0, 0), "engine-and-supervisor": (4, 0, 0),
    "stop-engine": (8, 1, 14), "stop-supervisor": (5, 1, 14), "pause": (8, 0.3, 6), "restart": (8, 0.5, 6),
    "cut": (8, 0.3, 8), "cut-in": (4, 0.3, 8), "cut-out": (4, 0.3, 8), "corosync": (3, 0, 0),
    "full": (4, 2, 8), "stop-worker": (3, 1, 8), "stop-locked": (8, 0.2, 8),
}
SOFT = {                # and these befall the anchor, too
    "cut-data": (6, 0.5, 8), "cut-data-in": (4, 0.5, 8), "hang-lock": (5, 1, 12), "hold-lock": (3, 2, 10),
    "worker": (4, 0, 0), "pacemaker-helper": (3, 0, 0), "lock-helper": (3, 0, 0), "stop-briefly": (4, 0.2, 4),
    "client": (5, 0, 0), "stop-client": (4, 0.5, 6), "kill-locked": (8, 0, 0),
}
SOFT_SHARE = 0.25           # of the faults of the other nodes
EVERYBODY = {"every-engine": 5, "every-power": 2}    # of 100 rounds, so many are this alone


class Fault:
    def __init__(self, at, kind, node, seconds, dice):
        self.at, self.kind, self.node, self.seconds = at, kind, node, seconds
        self.dice = dice        # 0 to 1, for what else there is to choose

    def __str__(self):
        return self.kind + (f" node{self.node}" if self.node else "") + (f" for {self.seconds:.2f} s" if self.seconds else "")


class Round:
    def __init__(self, anchor, faults, rest_s):
        self.anchor, self.faults, self.rest_s = anchor, faults, rest_s

    def __str__(self):
        return (f"node{self.anchor} is spared; " if self.anchor else "") + \
            ", ".join(f"+{f.at:.2f} {f}" for f in self.faults)


def choose(rng, kinds):
    kind = rng.choices(list(kinds), [row[0] for row in kinds.values()])[0]
    _, least, most = kinds[kind]
    # short ones are as likely as long ones
    return kind, least * (most / least) ** rng.random() if most else 0


def rounds(seed, nodes):
    """Endless"""
    rng = random.Random(f"{seed} {nodes}")
    numbers = range(1, nodes + 1)
    while True:
        dice = rng.uniform(0, 100)
        for kind, share in EVERYBODY.items():
            if 0 <= dice < share:
                yield Round(None, [Fault(0, kind, None, 0, 0)], rng.uniform(1, 3))
            dice -= share
        anchor, faults, at = rng.choice(numbers), [], rng.uniform(0, 1)
        for _ in range(rng.choice((1, 2, 2, 3, 4, 6))):
            node = rng.choice(numbers)
            kind, seconds = choose(rng, SOFT if node == anchor or rng.random() < SOFT_SHARE else HARD)
            faults.append(Fault(at, kind, node, seconds, rng.random()))
            # at once, or while the one before is being dealt with
            at += rng.choice((0, rng.uniform(0, 0.3), rng.uniform(0, 3), rng.uniform(2, 6)))
            if at > SPAN_S:
                break
        yield Round(anchor, faults, rng.uniform(0.5, 3))
