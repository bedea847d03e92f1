"""Whether a slip is genuine: what its QR says, held against the terminal's key and against its ledger.

A slip stands by itself (contract 2 §4): its signature holds before the ledger has arrived. Once it has, the entry must
be the one on the slip; another one there means that the terminal's key signed two histories.
"""

from __future__ import annotations

from dataclasses import dataclass

from kiosk.hq.store import Store, log_hash
from kiosk.hq.tables import StoredEntry
from kiosk.ledger.entry import Entry
from kiosk.ledger.note import Vkey
from kiosk.ledger.receipt import VOUCHER_PREFIX, parse_receipt, parse_voucher
from kiosk.model.errors import LedgerFault


@dataclass(frozen=True, slots=True)
class SlipCheck:
    """``verdict``: booked, not-here (genuine, its ledger has not arrived), two-histories, forged, unknown, unreadable.

    ``entry``, only if the signature holds: ``sale.closed`` or ``voucher.issued``.
    """

    verdict: str
    origin: str = ""
    entry: Entry | None = None
    is_voucher: bool = False


def check(store: Store, text: str) -> SlipCheck:
    """What is to be said of the QR text of a slip, as scanned."""
    text = text.strip("\r\n")
    is_voucher = text.startswith(VOUCHER_PREFIX)
    try:
        proof = (parse_voucher if is_voucher else parse_receipt)(text)
    except LedgerFault:
        return SlipCheck("unreadable")
    log = store.log(log_hash(proof.origin))
    if log is None:
        return SlipCheck("unknown", proof.origin, is_voucher=is_voucher)
    try:
        entry = proof.verify(Vkey.parse(log.vkey))
    except LedgerFault:
        return SlipCheck("forged", proof.origin, is_voucher=is_voucher)
    with store.session() as database:
        here = (StoredEntry.log == log.id) & (StoredEntry.seq == entry.seq)
        row = StoredEntry.select(StoredEntry.content).where(here).first(database)
    if row is None:
        return SlipCheck("not-here", proof.origin, entry, is_voucher)
    verdict = "booked" if bytes(row.content) == proof.raw else "two-histories"
    return SlipCheck(verdict, proof.origin, entry, is_voucher)
