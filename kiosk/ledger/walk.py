"""The rules that bind a log's entries to each other: contract 2 §1 to §3.

Entry 0 is ``log.opened`` and no other is; ``seq`` has no gaps; ``boot`` never falls; a log ends at 2^32 − 1 entries.
"""

from __future__ import annotations

from kiosk.ledger.entry import Entry, decode
from kiosk.ledger.kinds import OPENED
from kiosk.ledger.note import SIZE_MAX, TERMINAL, Vkey, parse_cosigned_note
from kiosk.ledger.part import TILE_HEIGHT, Part
from kiosk.ledger.tree import Frontier, leaf_hash
from kiosk.model.errors import LedgerFault


class Walk:
    """Walks a log from its first entry. After a fault it may go on, to find the next one."""

    __slots__ = ("_seq", "boot", "frontier", "leaf", "prev", "vkey")

    def __init__(self) -> None:
        self.frontier = Frontier()  # over the bytes met, right or wrong
        self.leaf = b""  # hash of the last entry met
        self.boot = 0
        self.vkey: Vkey | None = None  # the key that entry 0 names
        self.prev = ""  # the old epoch's cosigned checkpoint that entry 0 names
        self._seq = 0

    @property
    def seq(self) -> int:
        """The number of the last entry met: its own, or where it stands if it cannot be read."""
        return self._seq - 1

    def take(self, raw: bytes) -> Entry:
        """The next entry, by its bytes. Raises LedgerFault L-501 that says which rule it breaks."""
        self.leaf = leaf_hash(raw)
        self.frontier.append(self.leaf)
        expected, self._seq = self._seq, self._seq + 1
        try:
            entry = decode(raw)
        except LedgerFault as fault:
            raise LedgerFault("L-501", f"entry {expected}: {fault.args[0]}") from fault
        if entry.seq != expected:
            self._seq = entry.seq + 1  # told once, not again for all that follow
            raise LedgerFault("L-501", f"entry {entry.seq} stands where {expected} belongs")
        if entry.seq >= SIZE_MAX:
            raise LedgerFault("L-501", f"a log ends at {SIZE_MAX} entries")
        boot_before, self.boot = self.boot, max(self.boot, entry.boot)
        if entry.boot < boot_before:
            raise LedgerFault("L-501", f"boot falls from {boot_before} to {entry.boot}")
        if (entry.kind == OPENED) is not (expected == 0):
            raise LedgerFault("L-501", "log.opened is entry 0 and no other")
        if expected == 0:
            self.vkey = opened_vkey(entry)
            _check_prev(entry.data["prev"])
            self.prev = entry.data["prev"]
        return entry

    def skip(self, leaf: bytes) -> None:
        """The next entry, of which only the leaf hash is here (``prune``)."""
        self.leaf = leaf
        self.frontier.append(leaf)
        self._seq += 1

    def take_part(self, part: Part) -> bool:
        """The next entries at once; False, and none taken, if the part does not go on from here."""
        if part.first != self._seq or self.frontier.size != part.first or part.boots[0] < self.boot:
            return False
        if part.first + part.count > SIZE_MAX:
            return False
        if part.opened:
            begun = Walk()
            try:
                begun.take(part.opened)
            except LedgerFault:
                return False
            self.vkey, self.prev = begun.vkey, begun.prev
        for root in part.roots:
            self.frontier.append(root, TILE_HEIGHT)
        for leaf in part.rest:
            self.frontier.append(leaf)
        self._seq, self.boot = part.first + part.count, part.boots[1]
        return True


def _check_prev(prev: str) -> None:
    """Raises LedgerFault L-501 unless it is empty, or a cosigned checkpoint in form: its keys are not at hand here."""
    try:
        if prev:
            parse_cosigned_note(prev)
    except LedgerFault as fault:
        raise LedgerFault("L-501", f"prev in log.opened: {fault.args[0]}") from fault


def opened_vkey(entry: Entry) -> Vkey:
    """The terminal's key that ``log.opened`` names. Raises LedgerFault L-501 unless its four texts are in form."""
    texts = entry.data
    if texts.keys() != {"origin", "vkey", "prev", "why"} or any(type(text) is not str for text in texts.values()):
        raise LedgerFault("L-501", "log.opened holds four texts: origin, vkey, prev, why")
    vkey = Vkey.parse(texts["vkey"])
    if vkey.type != TERMINAL or vkey.name != texts["origin"]:
        raise LedgerFault("L-501", "log.opened names a key of another name than its origin")
    return vkey
