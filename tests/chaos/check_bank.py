# SPDX-License-Identifier: GPL-3.0-or-later
"""check_bank.py: is a history of transactions one that doc/design.md (I6) allows?

Each transaction reads the record "tail", which names the one before it, and writes its own name there. So the
transactions that have happened are a chain, and the chain that ends in what all files say when all is over
is the truth. Then:

1. *All nodes are equal* in the end, and money is neither made nor lost (at any time, on any node).
2. *Whole or not at all.* What a transaction leaves is what it read (its image) and its own changes. So the
   image that anybody has of a node's file, at any moment, has to be exactly what the transaction that it
   names as tail leaves. A half commit, a change that got lost, one that was made twice, or upon what was
   not there, is one image that is not.
3. *Told means done.* A transaction whose client was told of success ("done"), or found it in its file after
   it was told of a failure ("found"), is in the chain. One that was told of a failure and found nothing
   ("missing") is not in the chain: not then, not later. Of a client that was told nothing ("unknown")
   either may be true.
4. *Sequence numbers grow* along the chain. (They may jump: cotdbd raises them by itself.)
5. *Nothing is stale.* Who is told of success may tell a client of another node, which has to find it. An image
   of a node's file has everything of which a client was told before it, wherever, if that node's
   incarnation certainly lived then (the volatile records tell: History.last_life): a generation without it
   begins only when it has ended, and in one with it a commit is told when it is in its file. For
   an incarnation that has ended, though its clients still read the file, that is not so.
6. *Nothing goes back* in the eyes of one incarnation. Before all agree on a commit, one node may show it alone,
   be lost, and lose it (so an image may have a tail that is not in the chain); but that ends its incarnation.
"""
from history import slot_of
from violation import Violation, around

BALANCE_AT_FIRST, OFF_CHAIN = 100, 1 << 60


class Bank:
    def __init__(self, history, nodes):
        self.history, self.nodes, self.violations = history, nodes, []
        self.images = sorted(history.images, key=lambda i: i.begin)
        self.transfers = sorted(history.transfers, key=lambda t: t.begin)
        self.by_name = {t.name: t for t in self.transfers}
        self.place = {"-": 0}           # in the chain, by name
        self.last_of = {}               # slot: {name: its last one, seen from there}

    def violate(self, kind, text, event):
        same = self.images if event in self.images else self.transfers
        self.violations.append(Violation(kind, "bank: " + text, event.begin, around(same, same.index(event))))

    def before(self, name):
        return self.by_name[name].image.tail

    def left_by(self, name):
        """The accounts as this transaction leaves them"""
        if name == "-":
            return None
        t = self.by_name[name]
        accounts = list(t.image.accounts)
        for n, amount in (t.source, -t.amount), (t.target, t.amount):
            accounts[n] = accounts[n][0] + amount, name
        return tuple(accounts)

    def last_of_slot(self, name, slot):
        """The slot's last transaction, seen from this one"""
        known, way = self.last_of.setdefault(slot, {"-": "-"}), []
        while name not in known and slot_of(name.split(":")[0]) != slot:
            way.append(name)
            name = self.before(name)
        last = known.get(name, name)
        known.update(dict.fromkeys(way, last))
        return last

    def check_image(self, image):
        if image.tail != "-" and image.tail not in self.by_name:
            return self.violate("garbage", f"tail {image.tail}, which nobody wrote", image)
        if sum(b for b, _ in image.accounts) != BALANCE_AT_FIRST * len(image.accounts):
            return self.violate("sum", f"all accounts have {sum(b for b, _ in image.accounts)}", image)
        should = self.left_by(image.tail) or ((BALANCE_AT_FIRST, "-"),) * len(image.accounts)
        if image.accounts != should:
            text = " ".join(f"{b}/{w}" for b, w in should)
            return self.violate("not whole", f"{image.tail} leaves {text}", image)
        own = self.last_of_slot(image.tail, image.slot)
        if own != image.own:
            return self.violate("not whole", f"own is {image.own}, but seen from {image.tail} it is {own}", image)

    def find_chain(self):
        """From what all nodes say in the end"""
        last = [i for i in self.images if ".look" in i.session.client]
        if len({i.session.node for i in last}) != self.nodes:
            self.violations.append(Violation("no end", f"bank: {len(last)} nodes tell what they have in the end", 0))
            return False
        for i in last[1:]:
            if (i.sequence, i.tail, i.accounts) != (last[0].sequence, last[0].tail, last[0].accounts):
                self.violate("unequal", f"node{i.session.node} has another content than node{last[0].session.node}", i)
        chain, name = [], last[0].tail
        while name != "-":
            if name not in self.by_name or name in chain[-1:]:
                self.violate("garbage", f"the chain ends with {name}", last[0])
                return False
            chain.append(name)
            name = self.before(name)
        self.place.update({name: n for n, name in enumerate(reversed(chain), 1)})
        self.chain = chain[::-1]
        return True

    def check_fates(self):
        for t in self.transfers:
            if t.fate in ("done", "found") and t.name not in self.place:
                self.violate("lost commit", f"{t.name}: {t.fate}, and it has not happened", t)
            if t.fate == "missing" and t.name in self.place:
                self.violate("undead commit", f"{t.name} was found missing, and has happened", t)
        for before, name in zip(self.chain, self.chain[1:]):
            if self.by_name[before].image.sequence >= self.by_name[name].image.sequence:
                self.violate("sequence", f"{name} comes behind {before}, with no higher number", self.by_name[name])

    def check_stale(self):
        told = sorted((t.end, self.place[t.name]) for t in self.transfers
                      if t.fate in ("done", "found") and t.name in self.place)
        highest = n = 0
        for image in self.images:
            while n < len(told) and told[n][0] < image.begin:
                highest, n = max(highest, told[n][1]), n + 1
            lives = self.history.last_life.get(image.incarnation, 0) >= image.begin
            if lives and self.place.get(image.tail, OFF_CHAIN) < highest:
                self.violate("stale", f"{self.chain[highest - 1]} was done before", image)

    def check_backwards(self):
        of = {}
        for image in self.images:
            of.setdefault(image.incarnation, []).append(image)
        for images in of.values():
            ended = sorted(images, key=lambda i: i.end)
            highest = n = 0
            for image in images:
                while n < len(ended) and ended[n].end < image.begin:
                    highest = max(highest, self.place.get(ended[n].tail, OFF_CHAIN))
                    n += 1
                if self.place.get(image.tail, OFF_CHAIN) < highest:
                    self.violate("backwards", "its incarnation has seen more before", image)

    def check(self):
        for image in self.images:
            self.check_image(image)
        if self.violations:
            return self.violations      # what follows would only tell it again
        if self.nodes and self.find_chain():
            self.check_fates()
            self.check_stale()
            self.check_backwards()
        return self.violations


def check(history, nodes):
    """([Violation], {what: number}). nodes: how many tell in the end what they have; None: there is no end,
    and only images are checked"""
    bank = Bank(history, nodes)
    violations, fates = bank.check(), {}
    for t in history.transfers:
        fates[t.fate] = fates.get(t.fate, 0) + 1
    return violations, dict(transfers=len(history.transfers), **fates,
                            happened=len(bank.place) - 1, images=len(history.images))
