"""Random stories of a terminal, good and bad entries mixed: the books must come out the same however they are made."""

import random

from voucher_fakes import issue, write

KINDS = ("device.down", "device.up", "fraud.seen", "note.lost", "clock.stepped", "terminal.started", "price.installed")
NUL = "bad\0text"
DAY = 86_400_000


class Story:
    def __init__(self, terminal, seed):
        self.terminal, self.random, self.sales, self.open = terminal, random.Random(seed), 0, []

    def grow(self, count):
        """About so many more entries."""
        end = len(self.terminal.entries) + count
        while len(self.terminal.entries) < end:
            self.random.choice((self.sale, self.sale, self.opened, self.pays, self.happens, self.voucher, self.bad))()
            if self.random.random() < 0.2:
                self.terminal.at += self.random.randrange(-DAY, 2 * DAY)
            self.terminal.boot += self.random.random() < 0.05
        return self.terminal

    def _sale(self):
        self.sales += 1
        return self.sales.to_bytes(16, "big")

    def _customer(self):
        return str(10_000 + self.random.randrange(6))

    def sale(self):
        notes = [self.random.choice((1000, 2000, 5000, 10_000)) for _ in range(self.random.randrange(4))]
        fen = sum(notes) if self.random.random() < 0.7 else self.random.choice((0, 500, 1000))
        self.terminal.sell(self._sale(), fen, fen * 100 // 56, notes, self._customer())

    def opened(self):
        """A sale that goes on in another batch, or never."""
        sale, customer = self._sale(), self._customer()
        who = {"vendor": "1a2b", "customer": customer, "meter": "70001", "region": "420100", "count": 3}
        facts = {"unit": 2, "price": 5600, "tariff": 1, "limit": 50_000, "brought": 0}
        self.terminal.append("sale.opened", sale, **who, **facts)
        self.open.append((sale, customer))

    def pays(self):
        if not self.open:
            return
        sale, customer = self.open.pop(self.random.randrange(len(self.open)))
        owed, fen = f"owed:1a2b:{customer}", self.random.choice((1000, 5000))
        self.terminal.append(
            "note.stacked", sale, [("cash:box", fen), (owed, -fen)], note=b"12345678", fen=fen, how="credit"
        )
        if self.random.random() < 0.5:
            return
        closed = {"vendor": "1a2b", "customer": customer, "meter": "70001", "paid": fen, "count": 3, "written": 0}
        self.terminal.append(
            "sale.closed", sale, **closed, energy=0, why="refused", code="C-203", doubt=False, kept=-fen
        )

    def happens(self):
        kind, device = self.random.choice(KINDS), self.random.choice(("printer", "acceptor"))
        if kind.startswith("device") or kind == "fraud.seen":
            more = {"device.down": {"code": "V-421"}, "fraud.seen": {"what": "string"}}.get(kind, {})
            self.terminal.append(kind, None, device=device, **more)
        elif kind == "price.installed":
            self.terminal.append(kind, None, version=self.random.randrange(100), sha256=bytes(32))
        else:
            self.terminal.append(kind, None, note=b"12345678", fen=1000)

    def voucher(self):
        no = f"0007-{self.random.getrandbits(40):010x}"
        issue(self.terminal, no)
        if self.random.random() < 0.5:
            write(self.terminal, self._sale(), no)

    def bad(self):
        """What cannot be booked, or is not in form."""
        huge = [("cash:box", 10**12), ("unassigned", -(10**12))]
        act = self.random.randrange(7)
        if act == 0:
            self.terminal.entries.append(self.random.randbytes(self.random.randrange(40)))
        elif act == 1:
            self.terminal.append("tea.made")
        elif act == 2:
            self.terminal.append("note.stacked", None, huge, note=b"12345678", fen=10**12, how="unasked")
        elif act == 3:
            self.terminal.append("device.down", None, device=NUL, code=NUL * 20)
        elif act == 4:
            issue(self.terminal, NUL)
        elif act == 5:
            closed = {"vendor": 5, "customer": NUL, "meter": "x" * 99, "paid": "x", "count": 2**63, "written": True}
            self.terminal.append("sale.closed", self._sale(), **closed, energy=[], why={}, doubt=1)
        else:
            self.terminal.append("sale.closed", self._sale(), kept=12)
