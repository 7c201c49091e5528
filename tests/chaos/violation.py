# SPDX-License-Identifier: GPL-3.0-or-later
"""violation.py: what a check has found, and what happened around it."""
AROUND, FAULTS_BEFORE_NS, FAULTS_BEHIND_NS = 8, 15e9, 2e9


class Violation:
    """kind: a word, for tests; at: when; events: [(time, text)] that a reader wants to see with it"""

    def __init__(self, kind, text, at, events=()):
        self.kind, self.text, self.at, self.events = kind, text, at, list(events)

    def tell(self, faults):
        """All of it as lines"""
        near = [(t, "fault: " + x) for t, x in faults if self.at - FAULTS_BEFORE_NS < t < self.at + FAULTS_BEHIND_NS]
        rows = sorted([*self.events, *near], key=lambda e: e[0])
        return "\n".join([f"VIOLATION {self.kind}: {self.text}",
                          *(f"  {'>' if t == self.at else ' '} {t / 1e9:.6f} {text}" for t, text in rows)])


def around(events, i):
    """Those before and behind the one with this index, as (time, text); events have begin"""
    return [(e.begin, str(e)) for e in events[max(0, i - AROUND):i + AROUND // 2]]
