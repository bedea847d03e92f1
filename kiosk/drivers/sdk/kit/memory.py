"""Memory cards as images: what the kit sees of a card and how it makes others from it.

The kit changes a card behind the driver's back by making a new one from an image. An image is what
``conformance/blank.bin`` has: all zones with bytes of the vendor's, whole, in order (kiosk/model/chip.py); MIFARE may
have its trailers in it, which are then kept as they are in blank.bin. The vendor's bytes, one zone's after the
other's, are what rules look at and mutate.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from kiosk.drivers.sdk.kit.folder import CardMaker, VendorFolder
from kiosk.drivers.sdk.kit.layout import Layout, Run, bytes_of, image_of, layout_of, reads_freely, still_runs
from kiosk.drivers.sdk.kit.words import bytes_in_rows
from kiosk.model.cardport import CardPortError, VirtualCard
from kiosk.model.chip import NO_COUNTER, Chip

OTHER = 0x5A  # every byte of another secret, or of another vendor's mark, differs by it
SEES_PROTECTION = ("SLE4442", "SLE4428")
"""Families whose zone 1 holds protection bits: a vendor may set them, which is remarked."""


class Memory:
    """The memory cards of one vendor's folder."""

    def __init__(self, folder: VendorFolder, chip: Chip, card_maker: CardMaker) -> None:
        self.chip = chip
        self._folder, self._card_maker = folder, card_maker
        self.layout: Layout = layout_of(chip, len(folder.blank))
        self._blank = folder.blank[: self.layout.size].ljust(self.layout.size, b"\xff")

    @property
    def protection_zone(self) -> int | None:
        """The zone of the protection bits, if the family has them."""
        return 1 if self._folder.type_name in SEES_PROTECTION else None

    @cached_property
    def free(self) -> bool:
        """Whether the vendor's bytes can be read without a secret (contract 1 §4.12)."""
        return reads_freely(self.blank(), self.layout)

    def blank(self, secret: bytes | None = None) -> VirtualCard:
        """The card of ``blank.bin``."""
        return self._make(self._folder.blank, secret)

    def image(self, card: VirtualCard) -> bytes:
        """The card as an image. CardPortError where it cannot be read."""
        return image_of(card, self.layout, self._blank, self._keys)

    def user(self, card: VirtualCard) -> bytes:
        """The vendor's bytes."""
        return self.layout.user(self.image(card))

    def changed(self, card: VirtualCard, user: bytes) -> VirtualCard:
        """A new card with the same content but for the vendor's bytes."""
        return self._make(self.layout.with_user(self.image(card), user))

    def filled(self, fill: int) -> VirtualCard:
        """A card as it comes from the factory: the vendor's bytes all alike."""
        return self._make(self.layout.with_user(self._blank, bytes((fill,)) * len(self.layout.places)))

    def poked(self, card: VirtualCard, zone: int, addr: int, data: bytes) -> VirtualCard:
        """A new card with the same content but for some bytes."""
        return self._make(self.layout.with_bytes(self.image(card), zone, addr, data))

    def marked(self, user: bytes) -> bytes:
        """The vendor's bytes with his mark among them."""
        image = self.layout.with_user(self._blank, user)
        for part in self._folder.mark.memory:
            if self.layout.holds(part.zone):
                image = self.layout.with_bytes(image, part.zone, part.addr, part.content)
        return self.layout.user(image)

    def foreign(self, card: VirtualCard) -> VirtualCard:
        """The same content behind other secrets."""
        image = bytearray(self.image(card))
        for which, at in self._keys_at.items():
            if self.free and which % 2 == 0:
                continue  # what opens a sector to everybody is a public key A, and no secret
            image[at : at + 6] = other(bytes(image[at : at + 6]))
        return self._make(bytes(image), other(self._folder.secret))

    def guarded(self, card: VirtualCard) -> bytes:
        """What stands in places no driver may change."""
        return bytes_of(card, self._still, self._keys)

    def tries(self, card: VirtualCard) -> dict[int, int]:
        """``which`` → tries left, of the secrets whose tries are counted."""
        return {which: left for which in self.chip.secrets if 0 < (left := tries_of(card, which)) < NO_COUNTER}

    def opens(self, card: VirtualCard) -> bool:
        """Whether the card takes its secrets: which 0, or every key the image has."""
        whole = {which: bytes(self._blank[at : at + 6]) for which, at in self._keys_at.items()}
        try:
            for which, key in (whole or {0: self._folder.secret}).items():
                card.verify(which, key)
        except CardPortError:
            return False
        return True

    def rows(self, image: bytes) -> list[str]:
        """An image as rows of hex, zone by zone."""
        found: list[str] = []
        for span in self.layout.spans:
            rows = bytes_in_rows(image[span.at : span.at + span.end])
            found += rows if len(self.layout.spans) == 1 else [f"zone {span.zone}", *(f"  {row}" for row in rows)]
        return found

    @cached_property
    def _still(self) -> Sequence[Run]:
        cards = [self.blank(), self.filled(0x00), self.filled(0xFF), self.blank()]
        for which, size in self.chip.secrets.items():
            try:
                cards[-1].verify(which, other(self._folder.secret)[:size].ljust(size, b"\x5a"))
            except CardPortError:
                continue
        cards[-1].reset()
        left_out = frozenset(() if self.protection_zone is None else (self.protection_zone,))
        return still_runs(self.chip, self.layout, cards, left_out)

    @cached_property
    def _keys_at(self) -> dict[int, int]:
        """``which`` → where its key stands in an image with trailers (MIFARE: A at 0, B at 10 of block 3)."""
        if self.layout.size != self.chip.raw_size:
            return {}
        return {
            2 * span.zone + key: span.at + self.chip.zones[span.zone].size + 10 * key
            for span in self.layout.spans
            for key in (0, 1)
        }

    def _keys(self, which: int) -> list[bytes]:
        at = self._keys_at.get(which)
        key = self._folder.secret if at is None else self._blank[at : at + 6]
        return [key, other(key)] if len(key) == self.chip.secrets.get(which) else []

    def _make(self, image: bytes, secret: bytes | None = None) -> VirtualCard:
        return self._card_maker(self._folder.type_name, image, self._folder.secret if secret is None else secret)


def other(secret: bytes) -> bytes:
    """Another secret."""
    return bytes(byte ^ OTHER for byte in secret)


def tries_of(card: VirtualCard, which: int) -> int:
    """Tries left, 0 where the card does not say."""
    try:
        return card.tries_left(which)
    except CardPortError:
        return 0
