"""Kiosks that hold the same list of vouchers, and the one card they meet."""

from dataclasses import replace

from world import VENDOR, Plastic, PowerCut, World

from kiosk.model.card import PurchaseState, WriteOrder
from kiosk.sale import events as on
from kiosk.sale.state import Bound, Rules

KEY = ("0001", "1001", "2001")
NO = "0003-a1b2c3d4e5"
BOUND = Bound(NO, "420100", 5000, 8928, 3)


class Nameless(Plastic):
    """A card that does not keep the id of the sale that wrote it."""

    def write(self, order: WriteOrder) -> None:
        super().write(order)
        self.reading = replace(self.reading, sale=None)


class Kiosk(World):
    """A world of the machine with a card that others meet, too, and more ways to lose it."""

    def __init__(self, terminal="0007", card=None, vendor=VENDOR, start=0):
        self.shared = card or Plastic()
        self.records = []
        self.snatched = ""  # the next write loses the card: 'unchanged' before, 'unknown' within it
        self.refuses = ""  # code by which the driver surely does not write
        self.unreadable = False
        self.rolling = 0  # a coin that is on its way when the next write begins
        self.stops_before = ""
        super().__init__(Rules(terminal=terminal), vendor)
        self.fresh, self.card = start, self.shared
        self.bought = 0

    def stop_before(self, kind):
        """The power goes before an entry of this kind is committed."""
        self.stops_before = kind

    def of(self, kind):
        return [entry for entry in self.entries if entry.kind == kind]

    def elsewhere(self):
        """A purchase at a kiosk that has no list."""
        self.bought += 1
        sale = bytes(15) + bytes([0xE0 + self.bought])
        reading = self.card.reading
        self.card.write(WriteOrder(sale, "1001", "2001", "420100", reading.count + 1, 700, 1250))
        self.card.reading = replace(self.card.reading, state=PurchaseState.TAKEN)

    def _Record(self, effect):
        if self.stops_before and effect.drafts[0].kind == self.stops_before:
            self.stops_before = ""
            raise PowerCut
        super()._Record(effect)
        self.records.append(effect.drafts)

    def _ReadCard(self, effect):
        if self.unreadable and self.of("write.intended"):
            self.queue.append(on.CardRejected(effect.session, "C-201"))
        else:
            super()._ReadCard(effect)

    def _WriteCard(self, effect):
        if self.rolling:
            self.queue.append(on.CoinTaken(self.rolling))
            self.box.append(self.rolling)
            self.rolling = 0
        if self.refuses:
            self.queue.append(on.WriteFailed(effect.session, self.refuses, unchanged=True))
        elif self.snatched:
            how, self.snatched = self.snatched, ""
            if how == "unknown" and self.lands:
                self.card.write(effect.order)
            self.inserted = False
            self.queue.append(on.CardRemoved(self.session))
            self.queue.append(on.WriteFailed(effect.session, "C-202", unchanged=how == "unchanged"))
        else:
            super()._WriteCard(effect)


def kinds_since(kiosk, first):
    kinds = [entry.kind for entry in kiosk.entries]
    return kinds[kinds.index(first) :]


def after_rest(*kiosks):
    """Everybody comes by until everything that can be settled is settled: at each kiosk in turn."""
    for _ in range(3):
        for kiosk in kiosks:
            kiosk.disk_full = kiosk.write_fails = kiosk.tear_next = kiosk.unreadable = False
            kiosk.snatched, kiosk.refuses, kiosk.paper = "", "", True
            kiosk.say(on.DeviceUp("printer"))
            for _ in range(3):
                for timer in ("ledger", "note", "note-last", "read"):
                    kiosk.wait(timer)
                if kiosk.inserted:
                    kiosk.say(on.Finish(), on.Cancel()).wait()
                    kiosk.pull()
                kiosk.wait()
                kiosk.insert()
            kiosk.pull().wait()
