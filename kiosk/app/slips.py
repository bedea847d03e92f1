"""The receipt printer as the sale sees it: a thread that asks for paper, prints slips, and looks after the printer."""

from __future__ import annotations

import queue
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TypedDict

from kiosk.config import Terminal
from kiosk.devices.printer.host import PrinterState, ReceiptPrinter
from kiosk.devices.printer.layout import slip
from kiosk.devices.printer.raster import Faces, draw_slip
from kiosk.ledger.entry import Entry
from kiosk.model.card import Vendor
from kiosk.model.clock import Clock
from kiosk.model.errors import DeviceFault
from kiosk.model.receipt import Receipt, ReceiptKind
from kiosk.model.texts import Texts
from kiosk.sale.events import (
    DeviceDown,
    DeviceUp,
    PaperReady,
    Printed,
    PrintFailed,
    UnclaimedPrinted,
    VoucherPrinted,
)
from kiosk.sale.ports import Post
from kiosk.sale.state import Outcome

LOOK_MS = 3_000
DOWN = {PrinterState.SILENT: "V-421", PrinterState.OUT: "V-422", PrinterState.FAULT: "V-423"}


class _Place(TypedDict):
    """Whose terminal it is, where it stands, and whom to call: on every slip."""

    operator_zh: str
    operator_en: str
    terminal: str
    place_zh: str
    place_en: str
    phone: str


class SlipPrinter:
    """``proof`` gives the QR of a sale.closed or voucher.issued entry; it is called on the runner's thread."""

    def __init__(
        self,
        printer: ReceiptPrinter,
        faces: Faces,
        terminal: Terminal,
        vendors: Mapping[str, Vendor],
        words: Mapping[str, Texts],
        proof: Callable[[Entry], str],
        clock: Clock,
        post: Post,
    ) -> None:
        self._printer, self._faces, self._terminal, self._vendors = printer, faces, terminal, vendors
        self._words, self._proof, self._clock, self._post = words, proof, clock, post
        self._jobs: queue.SimpleQueue[Receipt | str] = queue.SimpleQueue()
        self._known: str | None = None  # code last reported; "" is good
        self._thread = threading.Thread(target=self._run, name="printer", daemon=True)

    def start(self) -> None:
        """Begins to look after the printer."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the jobs that are in."""
        self._jobs.put("stop")
        self._thread.join()

    def ask(self) -> None:
        """Answered by PaperReady or DeviceDown."""
        self._jobs.put("ask")

    def print(self, outcome: Outcome, closing: Entry, language: str) -> None:
        """Answered by Printed or PrintFailed."""
        vendor = self._vendors.get(outcome.sale.vendor)
        now = self._clock.civil()
        self._jobs.put(receipt_of(outcome, closing, language, self._terminal, vendor, now, self._proof))

    def print_unclaimed(self, entry: Entry, language: str) -> None:
        """Answered by UnclaimedPrinted."""
        self._jobs.put(unclaimed_receipt(entry, language, self._terminal, self._clock.civil()))

    def print_voucher(self, entry: Entry, language: str) -> None:
        """Answered by VoucherPrinted."""
        vendor, now = self._vendors.get(entry.data["vendor"]), self._clock.civil()
        self._jobs.put(voucher_receipt(entry, language, self._terminal, vendor, now, self._proof))

    def _run(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=LOOK_MS / 1000 if self._known is not None else 0)
            except queue.Empty:
                self._look()
                continue
            if job == "stop":
                self._printer.close()
                return
            if isinstance(job, Receipt):
                self._print(job)
            elif self._look():
                self._post(PaperReady())

    def _look(self) -> bool:
        code = DOWN.get(self._printer.status(), "")
        if code != self._known:
            self._known = code
            self._post(DeviceDown("printer", code) if code else DeviceUp("printer"))
        elif code:
            self._post(DeviceDown("printer", code))
        return not code

    def _print(self, receipt: Receipt) -> None:
        code, number = "", receipt.number
        try:
            self._printer.print(draw_slip(slip(receipt, self._words[receipt.language]), self._faces))
        except DeviceFault as fault:
            code = fault.code
        if receipt.kind == "unassigned":
            self._post(UnclaimedPrinted(number, code))
        elif receipt.kind == "voucher":
            self._post(VoucherPrinted(number, code))
        else:
            self._post(PrintFailed(number, code) if code else Printed(number))
        if code:
            self._look()


def receipt_of(
    outcome: Outcome,
    closing: Entry,
    language: str,
    terminal: Terminal,
    vendor: Vendor | None,
    printed_at: str,
    proof: Callable[[Entry], str],
) -> Receipt:
    """What the slip of a closed sale says; ``proof`` gives the receipt QR of its sale.closed entry."""
    sale = outcome.sale
    kind: ReceiptKind = "purchase" if not sale.due_fen else "doubt" if outcome.why == "doubt" else "owed"
    return Receipt(
        kind=kind,
        language=language,
        number=closing.seq,
        **_place(terminal),
        printed_at=printed_at,
        sale_id=sale.id.hex()[:8],
        paid_fen=sale.paid_fen,
        notes=tuple(sorted(Counter(sale.notes).items())),
        lost_fen=sale.lost_fen,
        vendor_zh=vendor.name_zh if vendor else sale.vendor,
        vendor_en=vendor.name_en if vendor else sale.vendor,
        vendor_code=sale.vendor,
        customer=sale.customer,
        meter=sale.meter,
        written_fen=sale.written_fen,
        energy_centi_kwh=sale.written_centi_kwh,
        price=sale.price.per_kwh,
        count=sale.written_count,
        brought_fen=sale.brought_fen + sale.voucher_fen,
        kept_fen=sale.due_fen,
        keypad=bool(sale.when),
        token=sale.token,
        code=outcome.code if sale.due_fen else "",
        qr=proof(closing),
    )


def voucher_receipt(
    entry: Entry,
    language: str,
    terminal: Terminal,
    vendor: Vendor | None,
    printed_at: str,
    proof: Callable[[Entry], str],
) -> Receipt:
    """What the slip of a voucher says; ``proof`` gives the QR of its voucher.issued entry."""
    data = entry.data
    return Receipt(
        kind="voucher",
        language=language,
        number=entry.seq,
        **_place(terminal),
        printed_at=printed_at,
        sale_id="",
        paid_fen=0,
        vendor_zh=vendor.name_zh if vendor else data["vendor"],
        vendor_en=vendor.name_en if vendor else data["vendor"],
        vendor_code=data["vendor"],
        customer=data["customer"],
        meter=data["meter"],
        energy_centi_kwh=data["energy"],
        brought_fen=data["fen"],
        kept_fen=data["fen"],
        keypad=bool(vendor and vendor.keypad),
        voucher=data["no"],
        qr=proof(entry),
    )


def unclaimed_receipt(entry: Entry, language: str, terminal: Terminal, printed_at: str) -> Receipt:
    """What the slip of money without a sale says. It has no QR: that proves a closed sale (contract 2 §4)."""
    fen = entry.data["fen"]
    return Receipt(
        kind="unassigned",
        language=language,
        number=entry.seq,
        **_place(terminal),
        printed_at=printed_at,
        sale_id="",
        paid_fen=fen,
        notes=((fen, 1),),
        kept_fen=fen,
    )


def _place(terminal: Terminal) -> _Place:
    return {
        "operator_zh": terminal.operator_zh,
        "operator_en": terminal.operator_en,
        "terminal": terminal.id,
        "place_zh": terminal.place_zh,
        "place_en": terminal.place_en,
        "phone": terminal.phone,
    }
