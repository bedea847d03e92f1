"""The printer of the simulation."""

from __future__ import annotations

from collections.abc import Callable

from kiosk.ledger.entry import Entry
from kiosk.sale import events as on
from kiosk.sale.state import Outcome
from kiosk.simulation.town.chance import Chance

Later = Callable[[int, Callable[[], None]], None]
Tray = dict[str, str]  # number of a voucher: the QR on its slip
OUT_MS = 20_000  # until somebody brings paper


class Slips:
    """A printer of few words: paper, or none."""

    def __init__(
        self, chance: Chance, post: Callable[[on.Event], None], later: Later, proof: Callable[[Entry], str], tray: Tray
    ) -> None:
        """``proof`` gives a voucher's QR; what is printed of vouchers lies in ``tray`` until somebody takes it."""
        self._chance, self._post, self._later = chance, post, later
        self._proof, self._tray = proof, tray
        self.paper = True

    def ask(self) -> None:
        """Paper, or not."""
        if self._chance.happens("paper out"):
            self.paper = False
            self._later(OUT_MS, self._refill)
        self._later(50, lambda: self._post(on.PaperReady() if self.paper else on.DeviceDown("printer", "V-422")))

    def _refill(self) -> None:
        self.paper = True
        self._post(on.DeviceUp("printer"))

    def print(self, outcome: Outcome, closing: Entry, language: str) -> None:
        """A slip."""
        number, out = closing.seq, self._chance.happens("paper out")
        self._later(200, lambda: self._post(on.PrintFailed(number, "V-422") if out else on.Printed(number)))

    def print_unclaimed(self, entry: Entry, language: str) -> None:
        """A slip of money without a sale."""
        self._later(200, lambda: self._post(on.UnclaimedPrinted(entry.seq)))

    def print_voucher(self, entry: Entry, language: str) -> None:
        """A slip of what leaves the kiosk on paper."""
        out = self._chance.happens("paper out")
        if not out:
            self._tray[entry.data["no"]] = self._proof(entry)
        self._later(200, lambda: self._post(on.VoucherPrinted(entry.seq, "V-422" if out else "")))
