"""The body of an upload, contract 2 §6: one wire format, used by the terminal and by head office.

::

    {"origin": text, "from": uint, "entries": [bytes, …], "checkpoint": text}

Exactly these four keys, in any order, each once; well-formed definite CBOR (RFC 8949), nothing behind it. What we send
is deterministic CBOR. The reader below is our own because ``cbor2.loads`` silently takes keys twice, indefinite lengths
and tags; it copies nothing before it has seen that it may.
"""

from __future__ import annotations

from dataclasses import dataclass

import cbor2

from kiosk.model.errors import BatchRefused

ENTRIES_MAX = 4_096
BODY_BYTES_MAX = 8_388_608  # as sent, and again as unpacked
ENTRY_BYTES_MAX = 65_535  # head office takes bytes; what a ledger may hold is stricter (§2)

_UINT, _BYTES, _TEXT, _ARRAY, _MAP = 0, 2, 3, 4, 5
_SHORT_BYTES = 0x58  # a byte string whose length is in the next byte
_KINDS = {_UINT: "whole number", _BYTES: "byte string", _TEXT: "text", _ARRAY: "array", _MAP: "map"}


class BatchTooLarge(BatchRefused):
    """Over a limit: 413, and the terminal halves."""


class BatchMalformed(BatchRefused):
    """Not a batch: 400."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Entries ``first`` … ``end − 1`` of one log and the signed checkpoint of size ``end``, as text."""

    origin: str
    first: int
    entries: tuple[bytes, ...]
    checkpoint: str

    @property
    def end(self) -> int:
        """The size that the checkpoint must have."""
        return self.first + len(self.entries)


def encode_batch(batch: Batch) -> bytes:
    """The body, deterministic. Raises BatchTooLarge (S-604) when it is over a limit."""
    if len(batch.entries) > ENTRIES_MAX:
        raise BatchTooLarge("S-604", f"{len(batch.entries)} entries in one batch")
    # In bytewise order of the encoded keys: shorter ones first (RFC 8949 §4.2.1).
    body = cbor2.dumps(
        {
            "from": batch.first,
            "origin": batch.origin,
            "entries": list(batch.entries),
            "checkpoint": batch.checkpoint,
        }
    )
    if len(body) > BODY_BYTES_MAX:
        raise BatchTooLarge("S-604", f"a body of {len(body)} bytes")
    return body


def decode_batch(body: bytes) -> Batch:
    """The batch in an unpacked body. Raises BatchTooLarge or BatchMalformed (both S-604)."""
    if len(body) > BODY_BYTES_MAX:
        raise BatchTooLarge("S-604", f"a body of more than {BODY_BYTES_MAX} bytes")
    reader = _Reader(body)
    fields: dict[str, object] = {}
    for _ in range(reader.head(_MAP)):
        key = reader.text()
        if key in fields:
            raise BatchMalformed("S-604", f"key {key!r} twice")
        fields[key] = reader.field(key)
    reader.finish()
    match fields:
        case {"origin": str(origin), "from": int(first), "entries": tuple(entries), "checkpoint": str(checkpoint)}:
            return Batch(origin, first, entries, checkpoint)
    raise BatchMalformed("S-604", "a key is missing")


class _Reader:
    """Reads CBOR from the front of a buffer; every wish that does not hold raises."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def field(self, key: str) -> object:
        match key:
            case "origin" | "checkpoint":
                return self.text()
            case "from":
                return self.head(_UINT)
            case "entries":
                return self.entries()
        raise BatchMalformed("S-604", f"unknown key {key[:40]!r}")

    def entries(self) -> tuple[bytes, ...]:
        count = self.head(_ARRAY)
        if count > ENTRIES_MAX:
            raise BatchTooLarge("S-604", f"{count} entries in one batch")
        body, size, taken = self._body, len(self._body), []
        for _ in range(count):
            at = self._at
            if at + 1 < size and body[at] == _SHORT_BYTES and (end := at + 2 + body[at + 1]) <= size:
                taken.append(body[at + 2 : end])  # nearly every entry; the rest of the rules is in ``_entry``
                self._at = end
            else:
                taken.append(self._entry())
        return tuple(taken)

    def _entry(self) -> bytes:
        length = self.head(_BYTES)
        if length > ENTRY_BYTES_MAX:
            raise BatchTooLarge("S-604", f"an entry of {length} bytes")
        return self._take(length)

    def text(self) -> str:
        try:
            return self._take(self.head(_TEXT)).decode("utf-8")
        except UnicodeDecodeError as error:
            raise BatchMalformed("S-604", "text that is not UTF-8") from error

    def head(self, major: int) -> int:
        """The argument of the next item, which must be of this major type and definite."""
        initial = self._take(1)[0]
        if initial >> 5 != major:
            raise BatchMalformed("S-604", f"no {_KINDS[major]} at byte {self._at - 1}")
        short = initial & 31
        if short < 24:
            return short
        if short > 27:
            raise BatchMalformed("S-604", f"indefinite or reserved length at byte {self._at - 1}")
        return int.from_bytes(self._take(1 << (short - 24)), "big")

    def finish(self) -> None:
        if self._at != len(self._body):
            raise BatchMalformed("S-604", "bytes behind the batch")

    def _take(self, length: int) -> bytes:
        end = self._at + length
        if end > len(self._body):
            raise BatchMalformed("S-604", "the body ends too early")
        taken = self._body[self._at : end]
        self._at = end
        return taken
