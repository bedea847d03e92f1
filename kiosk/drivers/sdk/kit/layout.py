"""Where a memory family's zones stand in one run of bytes, and how a card is read into one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from kiosk.model.cardport import CardPortError, VirtualCard
from kiosk.model.chip import Chip

Keys = Callable[[int], Sequence[bytes]]
"""``which`` → secrets worth trying where a zone cannot be read freely."""
Run = tuple[int, int, int]
"""Zone, first address, address after the last."""


@dataclass(frozen=True, slots=True)
class Span:
    """One zone: where it begins in an image, and which of its addresses are the vendor's."""

    zone: int
    at: int
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a family's zones stand in an image of ``size`` bytes."""

    spans: tuple[Span, ...]
    size: int

    @property
    def places(self) -> tuple[tuple[int, int], ...]:
        """Zone and address of each of the vendor's bytes."""
        return tuple((span.zone, addr) for span in self.spans for addr in range(span.first, span.end))

    def at(self, zone: int, addr: int) -> int:
        """The place of an address in an image. StopIteration for a zone that is not in it."""
        return next(span.at for span in self.spans if span.zone == zone) + addr

    def holds(self, zone: int) -> bool:
        """Whether that zone is in an image."""
        return any(span.zone == zone for span in self.spans)

    def user(self, image: bytes) -> bytes:
        """The vendor's bytes of an image."""
        return b"".join(image[span.at + span.first : span.at + span.end] for span in self.spans)

    def with_user(self, image: bytes, user: bytes) -> bytes:
        """The image with other bytes of the vendor's."""
        changed, taken = bytearray(image), 0
        for span in self.spans:
            count = span.end - span.first
            changed[span.at + span.first : span.at + span.end] = user[taken : taken + count]
            taken += count
        return bytes(changed)

    def with_bytes(self, image: bytes, zone: int, addr: int, data: bytes) -> bytes:
        """The image with other bytes at one place."""
        at = self.at(zone, addr)
        return image[:at] + data + image[at + len(data) :]


def layout_of(chip: Chip, size: int) -> Layout:
    """For an image of that size: with trailers where it is the family's raw size, else without."""
    spans, at = [], 0
    raw = chip.raw_size // len(chip.own) if size == chip.raw_size else 0
    for number, zone in chip.own:
        spans.append(Span(number, at, zone.first, zone.end))
        at += raw or zone.size
    return Layout(tuple(spans), at)


def image_of(card: VirtualCard, layout: Layout, blank: bytes, keys: Keys) -> bytes:
    """The card as an image; what lies behind a zone's last byte of the vendor's is taken from ``blank``.

    Secrets are presented to a copy, and only where a zone cannot be read freely. CardPortError where none of them does.
    """
    image, open_copy = bytearray(blank), _OpenCopy(card, keys)
    for span in layout.spans:
        image[span.at : span.at + span.end] = open_copy.read(span.zone, 0, span.end)
    return bytes(image)


def bytes_of(card: VirtualCard, runs: Sequence[Run], keys: Keys) -> bytes:
    """What stands in those places, read as ``image_of`` does."""
    open_copy = _OpenCopy(card, keys)
    return b"".join(open_copy.read(zone, first, end - first) for zone, first, end in runs)


def reads_freely(card: VirtualCard, layout: Layout) -> bool:
    """Whether all of the vendor's bytes can be read without a secret."""
    try:
        for span in layout.spans:
            card.read(span.zone, span.first, span.end - span.first)
    except CardPortError:
        return False
    return True


def still_runs(chip: Chip, layout: Layout, cards: Sequence[VirtualCard], left_out: frozenset[int]) -> tuple[Run, ...]:
    """Places that are not the vendor's and read alike on all ``cards``, which differ in his bytes and in tries left.

    So neither a second view of his bytes (AT88SC102's map of the whole chip) nor a counter is among them. ``left_out``:
    zones not to look at.
    """
    vendors = set(layout.places)
    still: list[tuple[int, int]] = []
    for number, zone in sorted(chip.zones.items()):
        if number in left_out:
            continue
        contents = [_readable(card, number, zone.size) for card in cards]
        still += [
            (number, addr)
            for addr in range(zone.size)
            if (number, addr) not in vendors
            and contents[0][addr] is not None
            and all(content[addr] == contents[0][addr] for content in contents)
        ]
    return tuple(_runs(still))


def _readable(card: VirtualCard, zone: int, size: int) -> Sequence[int | None]:
    try:
        return card.read(zone, 0, size)
    except CardPortError:
        return [_byte(card, zone, addr) for addr in range(size)]


def _byte(card: VirtualCard, zone: int, addr: int) -> int | None:
    try:
        return card.read(zone, addr, 1)[0]
    except CardPortError:
        return None


def _runs(places: Sequence[tuple[int, int]]) -> Iterator[Run]:
    start = 0
    for index, (zone, addr) in enumerate(places):
        if index + 1 == len(places) or places[index + 1] != (zone, addr + 1):
            yield zone, places[start][1], addr + 1
            start = index + 1


class _OpenCopy:
    """Reads a card; where it asks for a secret, a copy of it that is given one."""

    def __init__(self, card: VirtualCard, keys: Keys) -> None:
        self._card, self._keys = card, keys
        self._copy: VirtualCard | None = None

    def read(self, zone: int, addr: int, length: int) -> bytes:
        """Exactly so many bytes. CardPortError as the card's own where no secret helps."""
        try:
            return self._card.read(zone, addr, length)
        except CardPortError as fault:
            found = self._unlocked(zone, addr, length)
            if found is None:
                raise fault from None
            return found

    def _unlocked(self, zone: int, addr: int, length: int) -> bytes | None:
        if self._copy is None:
            self._copy = copy.deepcopy(self._card)
            self._copy.tear_after = None
        # MIFARE's secrets 2z and 2z + 1 belong to sector z; elsewhere which opens what is the card's own affair
        likely = (2 * zone, 2 * zone + 1, *range(16))
        for which in dict.fromkeys(likely):
            for key in self._keys(which):
                try:
                    self._copy.verify(which, key)
                    return self._copy.read(zone, addr, length)
                except CardPortError:
                    continue
        return None
