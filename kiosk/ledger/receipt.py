"""The receipt's QR text: contract 2 §4; and the voucher's.

``PK1:`` and the Base45 (RFC 9285) of: 01 | u8 o | origin | u16 e | entry | u32 n | proof | 64 bytes signature, all
big-endian. It shows that this terminal signed this sale; not that head office has it. A voucher's is the same around a
``voucher.issued`` instead of a ``sale.closed``, behind ``PV1:``, so that nobody takes one for the other.
"""

from __future__ import annotations

from dataclasses import dataclass

from kiosk.ledger.entry import CLOSED_BYTES_MAX, Entry, decode
from kiosk.ledger.kinds import CLOSED, VOUCHER
from kiosk.ledger.note import SIGNATURE_BYTES, SIZE_MAX, TERMINAL, Checkpoint, Signer, Vkey, is_origin
from kiosk.ledger.tree import HASH_BYTES, Frontier, inclusion_length, inclusion_root, leaf_hash
from kiosk.model.errors import LedgerFault

PREFIX, VOUCHER_PREFIX = "PK1:", "PV1:"
PREFIXES = {CLOSED: PREFIX, VOUCHER: VOUCHER_PREFIX}
VERSION = 1
BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"

_DIGIT = {letter: value for value, letter in enumerate(BASE45)}


@dataclass(frozen=True, slots=True)
class ReceiptProof:
    """What a receipt's QR says. ``verify`` says whether the terminal signed it."""

    origin: str
    raw: bytes  # the sale.closed or voucher.issued entry
    size: int  # n, of the tree that was signed
    proof: tuple[bytes, ...]  # the leaf's sibling first
    signature: bytes

    @property
    def entry(self) -> Entry:
        """The entry. Raises LedgerFault L-501."""
        return decode(self.raw)

    def verify(self, vkey: Vkey) -> Entry:
        """The entry, if this key signed a tree that holds it. Raises LedgerFault L-501."""
        entry = self.entry
        root = inclusion_root(entry.seq, self.size, leaf_hash(self.raw), self.proof)
        message = str(Checkpoint(self.origin, self.size, root)).encode()
        if vkey.type != TERMINAL or vkey.name != self.origin or not vkey.verify(message, self.signature):
            raise LedgerFault("L-501", f"the slip is not signed by {vkey.name}")
        return entry


def receipt_text(signer: Signer, raw: bytes, before: Frontier) -> str:
    """The QR text of a committed ``sale.closed`` or ``voucher.issued``, signed at n = seq + 1.

    ``before`` is the frontier of the entries ahead of it (``Journal.frontier(entry.seq)``, or
    ``Frontier(leaf hashes)``): its peaks are the proof.
    """
    entry = decode(raw)
    if entry.kind not in PREFIXES or entry.seq != before.size or len(raw) > CLOSED_BYTES_MAX:
        raise ValueError(f"no receipt of {entry.kind} {entry.seq}, {len(raw)} bytes, on a tree of {before.size}")
    grown = before.copy()
    grown.append(leaf_hash(raw))
    origin = signer.vkey.name.encode()
    signature = signer.sign(str(Checkpoint(signer.vkey.name, grown.size, grown.root())).encode())
    parts = (
        bytes([VERSION, len(origin)]) + origin,
        len(raw).to_bytes(2) + raw,
        grown.size.to_bytes(4),
        *reversed(before.peaks),
        signature,
    )
    return PREFIXES[entry.kind] + base45_encode(b"".join(parts))


def parse_receipt(text: str) -> ReceiptProof:
    """What a QR text says, not yet verified. Raises LedgerFault L-501 unless its form is right to the byte."""
    return _parsed(text, CLOSED, "receipt")


def parse_voucher(text: str) -> ReceiptProof:
    """The same for a voucher's. Raises LedgerFault L-501."""
    return _parsed(text, VOUCHER, "voucher")


def _parsed(text: str, kind: str, called: str) -> ReceiptProof:
    prefix = PREFIXES[kind]
    if not text.startswith(prefix):
        raise LedgerFault("L-501", f"a {called} begins with {prefix}")
    try:
        return _parse(_Bytes(base45_decode(text.removeprefix(prefix))), kind)
    except ValueError as error:
        raise LedgerFault("L-501", f"not a {called}: {error}") from error


class _Bytes:
    """Bytes taken from the front. Raises ValueError when there are too few."""

    def __init__(self, raw: bytes) -> None:
        self._rest = raw

    def take(self, count: int) -> bytes:
        if count > len(self._rest):
            raise ValueError("it is cut short")
        taken, self._rest = self._rest[:count], self._rest[count:]
        return taken

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width))

    def end(self) -> None:
        if self._rest:
            raise ValueError("bytes follow it")


def _parse(raw: _Bytes, kind: str) -> ReceiptProof:
    if raw.number(1) != VERSION:
        raise ValueError("another version")
    origin = raw.take(raw.number(1)).decode("ascii")
    if not is_origin(origin):
        raise ValueError("not an origin")
    body = raw.take(raw.number(2))
    if len(body) > CLOSED_BYTES_MAX:
        raise ValueError("the entry is too long")
    entry = decode(body)
    size = raw.number(4)
    if entry.kind != kind or not entry.seq < size <= SIZE_MAX:
        raise ValueError(f"not a {kind} within the tree")
    if kind == CLOSED and (entry.sale is None or type(entry.data.get("kept", 0)) is not int):
        raise ValueError("not a closed sale in form")  # as ``totals`` has it: contract 2 §2
    proof = tuple(raw.take(HASH_BYTES) for _ in range(inclusion_length(entry.seq, size)))
    signature = raw.take(SIGNATURE_BYTES)
    raw.end()
    return ReceiptProof(origin, body, size, proof, signature)


def base45_encode(raw: bytes) -> str:
    """RFC 9285 §4: two bytes to three letters, a last one to two."""
    letters = []
    for at in range(0, len(raw), 2):
        pair = raw[at : at + 2]
        value = int.from_bytes(pair)
        for _ in range(len(pair) + 1):
            value, digit = divmod(value, 45)
            letters.append(BASE45[digit])
    return "".join(letters)


def base45_decode(text: str) -> bytes:
    """RFC 9285, strict. Raises ValueError for another letter, a wrong length, or a group that overflows."""
    if len(text) % 3 == 1:
        raise ValueError("a Base45 text of this length is none")
    raw = bytearray()
    for at in range(0, len(text), 3):
        group = text[at : at + 3]
        value = 0
        for letter in reversed(group):
            if letter not in _DIGIT:
                raise ValueError(f"{letter!r} is not in Base45")
            value = value * 45 + _DIGIT[letter]
        if value >= 256 ** (len(group) - 1):
            raise ValueError(f"{group!r} overflows")
        raw += value.to_bytes(len(group) - 1)
    return bytes(raw)
