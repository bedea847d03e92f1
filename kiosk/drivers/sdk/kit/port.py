"""The card behind a window: everything a driver does to it is counted, and some calls can be made to fail."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

from kiosk.drivers.sdk.kit.files import (
    VERIFY,
    Chunk,
    Keys,
    chunk_of,
    is_secret,
    is_secured,
    is_select,
    is_update,
    written,
)
from kiosk.model.cardport import BAD_ARGUMENT, IO_FAULT, NO_CARD, CardPortError, VirtualCard

OK = b"\x90\x00"
MEMORY_FAILURE = b"\x65\x81"
SECRET_CHANGES = (0x24, 0x2C)  # CHANGE REFERENCE DATA, RESET RETRY COUNTER (ISO 7816-4)


@dataclass(slots=True)
class Faults:
    """What goes wrong on purpose. Bytes and writes are numbered from 0 in the order they are written."""

    drop_byte: int | None = None  # this byte of a memory card is dropped without an error
    drop_update: int | None = None  # this UPDATE of a CPU card is dropped without an error
    refuse_from: int | None = None  # this write and all later ones fail, nothing is written
    tries_unreadable: bool = False
    spoil_secret: bool = False  # the last byte of every secret presented by APDU arrives as another one


@dataclass(slots=True)
class Seen:
    """What a driver did to the card in one call."""

    reads: int = 0
    writes: int = 0
    bytes_written: int = 0
    verifies: int = 0
    failures: int = 0
    touched: int = 0  # calls of any kind
    secret_changes: int = 0
    zones: set[int] = field(default_factory=set)  # written to


class WatchedPort:
    """A CardPort around a virtual card: counts, and fails where told to."""

    def __init__(self, card: VirtualCard, faults: Faults | None = None) -> None:
        self.card = card
        self.faults = faults or Faults()
        self.seen = Seen()
        self.chunks: dict[Chunk, int] = {}  # what was read or written of a CPU card's files → most bytes
        self.keys: Keys = {}  # secrets a CPU card took
        self.presented: tuple[tuple[bytes, ...], bytes] | None = None  # the first secret sent to it
        self.session: VirtualCard | None = None  # a copy of a CPU card just after its first accepted UPDATE
        self._path: tuple[bytes, ...] = ()

    def card_type(self) -> int:
        """Code of the family."""
        self.seen.touched += 1
        return self.card.card_type()

    def atr(self) -> bytes:
        """Answer to reset."""
        self.seen.touched += 1
        return self.card.atr()

    def read(self, zone: int, addr: int, length: int) -> bytes:
        """As the card."""
        self.seen.touched += 1
        self.seen.reads += 1
        try:
            return self.card.read(zone, addr, length)
        except CardPortError:
            self.seen.failures += 1
            raise

    def write(self, zone: int, addr: int, data: bytes) -> None:
        """As the card, unless a fault is set for one of these bytes."""
        seen, faults = self.seen, self.faults
        seen.touched += 1
        number, first = seen.writes, seen.bytes_written
        seen.writes += 1
        seen.bytes_written += len(data)
        seen.zones.add(zone)
        if faults.refuse_from is not None and number >= faults.refuse_from:
            seen.failures += 1
            raise CardPortError(IO_FAULT, "the write failed (on purpose)")
        pieces = [(addr, data)]
        if faults.drop_byte is not None and first <= faults.drop_byte < first + len(data):
            at = faults.drop_byte - first
            pieces = [(addr, data[:at]), (addr + at + 1, data[at + 1 :])]
        try:
            for start, piece in pieces:
                if piece:
                    self.card.write(zone, start, piece)
        except CardPortError:
            seen.failures += 1
            raise

    def verify(self, which: int, secret: bytes) -> None:
        """As the card; counted."""
        self.seen.touched += 1
        self.seen.verifies += 1
        self.card.verify(which, secret)

    def tries_left(self, which: int) -> int:
        """As the card, unless it cannot be read."""
        self.seen.touched += 1
        if self.faults.tries_unreadable:
            raise CardPortError(IO_FAULT, "the tries cannot be read (on purpose)")
        return self.card.tries_left(which)

    def transmit(self, apdu: bytes) -> bytes:
        """As the card; files read and written are remembered, UPDATEs can be dropped or refused."""
        seen = self.seen
        seen.touched += 1
        if is_secret(apdu):
            seen.verifies += 1
            self.presented = self.presented or (self._path, apdu)
            if self.faults.spoil_secret:
                apdu = spoiled(apdu)
        if len(apdu) > 1 and apdu[1] in SECRET_CHANGES:
            seen.secret_changes += 1
        update = is_update(apdu)
        if update:
            number = seen.writes
            seen.writes += 1
            seen.bytes_written += written(apdu)
            if self.faults.refuse_from is not None and number >= self.faults.refuse_from:
                seen.failures += 1
                return MEMORY_FAILURE
            if number == self.faults.drop_update:
                return OK
        try:
            answer = self.card.transmit(apdu)
        except CardPortError:
            seen.failures += 1
            raise
        if not answer:
            seen.failures += 1
        elif answer[-2:] == OK:
            self._remember(apdu, answer, update)
        return answer

    def _remember(self, apdu: bytes, answer: bytes, update: bool) -> None:
        if is_select(apdu):
            self._path = (*self._path, apdu)
            return
        if is_secret(apdu) and apdu[1] == VERIFY:  # a cryptogram is another one each time
            self.keys[self._path, apdu] = None
        found = chunk_of(self._path, apdu, len(answer) - 2)
        if found is not None:
            chunk, size = found
            self.chunks[chunk] = max(size, self.chunks.get(chunk, 0))
        if update and self.session is None and not is_secured(apdu):
            self.session = copy.deepcopy(self.card)


def spoiled(apdu: bytes) -> bytes:
    """The APDU with the last byte of its data changed."""
    last = 4 + apdu[4]
    return apdu[:last] + bytes((apdu[last] ^ 0x01,)) + apdu[last + 1 :]


class EmptyReader:
    """No card in the reader."""

    def card_type(self) -> int:
        """0 = no card."""
        return 0

    def atr(self) -> bytes:
        """−1, as every call here."""
        raise CardPortError(NO_CARD)

    def read(self, zone: int, addr: int, length: int) -> bytes:
        """−1."""
        raise self._nothing(zone, addr, length)

    def write(self, zone: int, addr: int, data: bytes) -> None:
        """−1."""
        raise self._nothing(zone, addr, data)

    def verify(self, which: int, secret: bytes) -> None:
        """−1."""
        raise self._nothing(which, secret)

    def tries_left(self, which: int) -> int:
        """−1."""
        raise self._nothing(which)

    def transmit(self, apdu: bytes) -> bytes:
        """−1."""
        raise self._nothing(apdu)

    def _nothing(self, *_asked: object) -> CardPortError:
        return CardPortError(NO_CARD)


class StrangeChip(EmptyReader):
    """A card of another family, with nothing on it: memory reads as FF, every APDU is refused, nothing is written."""

    def __init__(self, type_code: int, cpu: bool) -> None:
        self._type, self._cpu = type_code, cpu

    def card_type(self) -> int:
        """The other family."""
        return self._type

    def atr(self) -> bytes:
        """An answer to reset nobody knows."""
        return bytes.fromhex("3B00")

    def read(self, zone: int, addr: int, length: int) -> bytes:
        """FF everywhere; a CPU card has no such call."""
        if self._cpu:
            raise self._nothing(zone, addr)
        return b"\xff" * length

    def transmit(self, apdu: bytes) -> bytes:
        """A CPU card refuses every file (6A82)."""
        if not self._cpu:
            raise self._nothing(apdu)
        return bytes.fromhex("6A82")

    def _nothing(self, *_asked: object) -> CardPortError:
        return CardPortError(BAD_ARGUMENT)
