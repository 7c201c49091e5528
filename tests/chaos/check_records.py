# SPDX-License-Identifier: GPL-3.0-or-later
"""check_records.py: is a history of volatile records one that doc/design.md allows?

What a client tells of a hold, it tells while it has the chain lock. Two things follow. The times of a hold
are inside the real one, so holds that overlap here have overlapped. And at each of these times the file was
not retired, nor its node without power, since retiring needs all locks: so a history tells by itself until
when an incarnation has certainly lived (History.last_life). No fault has to be known to check it; that an
incarnation has ended is only ever believed where the history does not show its life afterwards.

1. *One owner (I1).* Holds of one record do not overlap. Neither do they on one node: that is libtdb's
   promise, which this needs as well. The rsn that holds see never becomes smaller, and one rsn is seen on
   one incarnation only: a record changes its owner with a higher rsn, and adopted and new ones begin with
   their generation.

2. *Nothing is lost but by a loss (I2, I3).* So the holds of a record are one sequence, and its writes are
   a line of versions. Each hold reads the last one, unless that was lost. When is it?

   A version is known to an incarnation where a client has read or written it: the copy there is this version,
   or a later one, for as long as the incarnation lives (the old copy stays behind). When the owner is lost,
   the copy with the highest rsn counts, of all members; and nobody goes on before everybody who was a
   member and is not there any more has ended (I5). Therefore a hold may read version i although i+1 .. n were
   written, if *every* incarnation that knew one of those has ended before. This is one rule for all ends:
   power, engine, eviction, and a clean stop, too: that one drains first, but what it cannot hand over in time
   is lost as any other. One living incarnation that knew i+1 is enough to forbid it: its copy has a higher
   rsn than any copy with i.
   An engine that has ended and its successor on the same node are two incarnations, and the second one
   knows only what came to it.

   The check is not exact in one direction: an incarnation that knew i+1, was alive when i was adopted, and
   ended between that and the hold counts as ended before. So a loss right behind another one may hide a
   defect; a false alarm cannot come from it.

   Further, a copy is made by a hand-off, and has what was current then. So version i can come back only if
   it was current when the record's rsn grew: i+1 was written with another rsn. What a client overwrote before
   the record moved was in no other file. ("No content" may always come back, when no survivor has a copy.)

   Once a hold has read i, the versions above are gone: who reads one later has seen an ended incarnation's
   file (resurrection). R8 of the design (no older content than a deletion comes back) is the same rule: an
   emptied record is a version as any other, with the difference that one cannot tell which of several empty
   ones a hold has read; the latest that is allowed is taken.

3. *What is uncertain.* A client that was killed between the announcement of a write and the end of its hold
   has written it, or not: the next hold may read either, and decides. Where libtdb refused a write, it may
   have deleted the record before it looked for room (what came of that is the client's doing, not
   the daemon's): then it may also be empty.

4. *Whole values.* A value is one that was announced, with its counter, and none is torn.
"""
from violation import Violation, around


class Version:
    __slots__ = "name", "counter", "rsn", "known", "is_certain", "may_be_empty"

    def __init__(self, name, counter, rsn, incarnation=None, is_certain=True, may_be_empty=False):
        self.name, self.counter, self.rsn, self.known = name, counter, rsn, {incarnation} - {None}
        self.is_certain, self.may_be_empty = is_certain, may_be_empty or counter is None

    def is_read_as(self, name):
        return self.may_be_empty if name == "-" else self.name == name


class Record:
    """Goes through the holds of one record, in their order"""

    def __init__(self, name, holds, last_life):
        self.name, self.last_life = name, last_life
        self.holds = sorted(holds, key=lambda h: h.begin)
        self.line = [Version("-", None, 0)]     # of versions
        self.gone = {}                          # name: why
        self.moves = self.losses = 0            # hand-offs that clients saw, versions that were lost
        self.violations = []

    def violate(self, kind, text, i):
        self.violations.append(Violation(kind, f"record {self.name[1]} of database {self.name[0]}: {text}",
                                         self.holds[i].begin, around(self.holds, i)))

    def check(self):
        announced = {w for h in self.holds for w, _ in h.writes}
        for i, h in enumerate(self.holds):
            if i > 0:
                self.check_owner(i, self.longest, h)
            self.longest = h if i == 0 or h.end > self.longest.end else self.longest
            self.read(i, h, announced)
            self.write(h)
        return self.violations

    def check_owner(self, i, longest, h):
        before = self.holds[i - 1]
        if h.begin < longest.end:
            self.violate("double hold", f"{h.session.client} held it while {longest.session.client} did", i)
        if h.rsn < before.rsn:
            self.violate("rsn", f"it was held with rsn {h.rsn:#x} after {before.rsn:#x}", i)
        elif h.rsn == before.rsn and h.incarnation != before.incarnation:
            self.violate("two owners", f"two incarnations held it with rsn {h.rsn:#x}", i)
        self.moves += h.rsn != before.rsn

    def read(self, i, h, announced):
        found = [len(self.line) - 1]
        if not self.line[-1].is_read_as(h.read):
            found = [n for n in range(len(self.line) - 1, -1, -1) if self.line[n].is_read_as(h.read)]
        reasons = [self.why_not(n, h) for n in found]
        if not found:
            self.violate(*(("resurrection", f"{h.read} is read, although {self.gone[h.read]}") if h.read in self.gone
                           else ("future", f"{h.read} is read, which is written later") if h.read in announced
                           else ("garbage", f"{h.read} is read, which nobody wrote")), i)
            # what it reads is what counts from here on, so that one defect is told once
            self.line.append(Version(h.read, h.counter, h.rsn, h.incarnation))
            return
        at = next((n for n, why in zip(found, reasons) if not why), found[0])
        if all(reasons):
            self.violate("lost update", reasons[0], i)
        for v in self.line[at + 1:]:
            self.gone[v.name] = f"{h.session.client} has read {h.read} after it was lost"
        self.losses += sum(v.is_certain for v in self.line[at + 1:])
        del self.line[at + 1:]
        now = self.line[at]
        now.is_certain = True
        if h.read != "-":
            now.may_be_empty = False
            if now.counter != h.counter:
                self.violate("garbage", f"{h.read} is read with counter {h.counter}, not {now.counter}", i)
        elif now.counter is not None:       # a refused write has deleted it
            now.name, now.counter = "-", None
        now.known.add(h.incarnation)

    def why_not(self, n, h):
        """Why a hold must not read the version with this index; None if it may"""
        lost = [v for v in self.line[n + 1:] if v.is_certain]
        for v in lost:
            for incarnation in v.known:
                if self.last_life.get(incarnation, 0) >= h.begin:
                    return f"{h.read} is read, but {incarnation} lives and knew {v.name} {v.counter}"
        if lost and h.read != "-" and lost[0].rsn == self.line[n].rsn:
            return f"{h.read} is read, which was overwritten by {lost[0].name} before the record moved"
        return None

    def write(self, h):
        for n, (name, counter) in enumerate(h.writes):
            is_last = n == len(h.writes) - 1
            self.line.append(Version(name, counter, h.rsn, h.incarnation,
                                     is_certain=not (is_last and (h.is_open or h.is_refused)),
                                     may_be_empty=is_last and h.is_refused))


def check(history):
    """([Violation], {what: number})"""
    of, violations = {}, []
    numbers = dict(holds=len(history.holds), moves=0, lost_versions=0, incarnations=len(history.last_life))
    for h in history.holds:
        of.setdefault(h.record, []).append(h)
    for name, holds in sorted(of.items()):
        record = Record(name, holds, history.last_life)
        violations += record.check()
        numbers["moves"] += record.moves
        numbers["lost_versions"] += record.losses
    return violations, numbers
