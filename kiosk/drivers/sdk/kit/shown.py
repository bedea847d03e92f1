"""A CPU card that only READs as changed: for cards whose every UPDATE wants a MAC with keys the kit does not have.

What the driver, or the meter, writes to a changed place reaches the card and stands there from then on.
"""

from __future__ import annotations

from kiosk.drivers.sdk.kit.files import OK, Chunk, Content, chunk_of, is_secured, is_select, is_update, written
from kiosk.model.cardport import VirtualCard

MASTER_FILE = b"\x3f\x00"
Place = tuple[tuple[bytes, ...], bool, int]
"""The SELECTs since the master file's, record or binary, and which record or file."""


class Shown:
    """The face of ``card``, a VirtualCard, with other bytes in some places of its files."""

    def __init__(self, card: VirtualCard, changes: Content) -> None:
        self.card = card
        self._path: tuple[bytes, ...] = ()
        self._bytes: dict[tuple[Place, int], int] = {}
        for chunk, data in changes:
            place, first = _place(chunk)
            self._bytes |= {(place, first + at): byte for at, byte in enumerate(data)}

    @property
    def tear_after(self) -> int | None:
        """The card's."""
        return self.card.tear_after

    @tear_after.setter
    def tear_after(self, count: int | None) -> None:
        self.card.tear_after = count

    def card_type(self) -> int:
        """The card's."""
        return self.card.card_type()

    def atr(self) -> bytes:
        """The card's."""
        return self.card.atr()

    def reset(self) -> bytes:
        """Powered afresh; the changes stay."""
        self._path = ()
        return self.card.reset()

    def image(self) -> bytes:
        """The card's own, and what is shown instead."""
        return self.card.image() + repr(sorted(self._bytes.items())).encode()

    def read(self, zone: int, addr: int, length: int) -> bytes:
        """As the card: a CPU card has no zones."""
        return self.card.read(zone, addr, length)

    def write(self, zone: int, addr: int, data: bytes) -> None:
        """As the card."""
        self.card.write(zone, addr, data)

    def verify(self, which: int, secret: bytes) -> None:
        """As the card."""
        self.card.verify(which, secret)

    def tries_left(self, which: int) -> int:
        """As the card."""
        return self.card.tries_left(which)

    def transmit(self, apdu: bytes) -> bytes:
        """As the card, but for the changed places."""
        answer = self.card.transmit(apdu)
        if answer[-2:] != OK:
            return answer
        if is_select(apdu):
            self._path = (*self._path, apdu)
            return answer
        plain = b"\x00" + apdu[1:] if is_secured(apdu) else apdu
        found = chunk_of(self._path, plain, len(answer) - 2)
        if found is None:
            return answer
        place, first = _place(found[0])
        if is_update(apdu):
            for at in range(written(apdu)):
                self._bytes.pop((place, first + at), None)
            return answer
        shown = (self._bytes.get((place, first + at), byte) for at, byte in enumerate(answer[:-2]))
        return bytes(shown) + answer[-2:]


def _place(chunk: Chunk) -> tuple[Place, int]:
    """Which file or record, and the first byte in it; the same however often the path was walked."""
    starts = [at for at, select in enumerate(chunk.path) if select[5:7] == MASTER_FILE]
    path = chunk.path[starts[-1] :] if starts else chunk.path
    if chunk.record:
        return (path, True, chunk.p1 << 8 | chunk.p2), 0
    if chunk.names_its_file:
        return (path, False, chunk.p1), chunk.p2
    return (path, False, 0), chunk.p1 << 8 | chunk.p2
