"""The serial reader's packets as bytes: what is asked, and what the answers mean. No line, no clock.

A packet has 40 bytes both ways: ``head · slot · area · frame · address · length · 32 data · sum``, the sum of the first
38 bytes, high byte first. Bit 7 of the area says write. The PC asks, the reader answers with the same slot, area, frame
and address; by itself it sends a status packet when a card comes or goes.

Source: 四路IC卡读卡器通信协议, tables 1 and 2 (csdn xdpcxq/134229999; the same text at coreui.cn/news/218795.html):
heads, places, areas 0–3, the sum, 19200 baud. It is published for the SLE4442. The page's later examples could not be
had, so these are **our own reading**: within area 1 the counter stands at 0 (as in the chip), a secret is presented
with the write bit, the first data byte of a status is 1 once it was accepted, and the length of an answer is its
number of bytes (the table says pages; nothing here depends on it). Packets of several frames are not used.

**Our own extension**, for every other chip, in areas the page leaves free; no reader on the market is known to have it:

    CHIP   read                                  → type code (contract 1 §7), cards put in since power-up modulo 256
    ZONE   read   zone · addr 2 · count          → the bytes, at most 32
    ZONE   write  zone · addr 2 · 1 to 29 bytes
    SECRET read   which                          → tries left, 255: not counted
    SECRET write  which · the secret
    POWER  read                                  the card is powered afresh → as CHIP; twice does no harm, so it "reads"
    head E4, answered to these only: no such zone, place or secret; nothing was done

There the address is a running number, so that a late answer is not taken for the next one's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

PACKET, DATA_MAX = 40, 32
SLOTS = range(1, 5)
WRITE = 0x80

MAIN, SECURITY, PSC, STATUS = 0, 1, 2, 3
CHIP, ZONE, SECRET, POWER = 4, 5, 6, 7
ZONE_HEAD = 3  # zone and address before what is written

ASKED = OK = 0x55
NO_CARD, BAD_CARD, NOT_VERIFIED, NO_FIRST_FRAME, WRONG_SECRET = 0x5A, 0xA5, 0xAA, 0xAB, 0xBB
NO_SUCH_PLACE = 0xE4
HEADS = frozenset((OK, NO_CARD, BAD_CARD, NOT_VERIFIED, NO_FIRST_FRAME, WRONG_SECRET, NO_SUCH_PLACE))


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet, either way. ``area`` with its write bit; ``data`` at most 32 bytes."""

    head: int
    slot: int
    area: int
    address: int = 0
    length: int = 0
    data: bytes = b""
    frame: int = 0  # 0 single, 1 first, 2 middle, 3 last

    @property
    def writes(self) -> bool:
        """Whether it writes or presents a secret: nothing that may be asked twice."""
        return bool(self.area & WRITE)

    def answers(self, asked: Packet) -> bool:
        """Whether this is the answer to that: slot, area, frame and address come back."""
        return (self.slot, self.area, self.frame, self.address) == (
            asked.slot,
            asked.area,
            asked.frame,
            asked.address,
        )

    def encode(self) -> bytes:
        """The 40 bytes. ValueError: more than 32 data bytes."""
        if len(self.data) > DATA_MAX:
            raise ValueError(f"a packet carries {DATA_MAX} bytes, not {len(self.data)}")
        head = bytes((self.head, self.slot, self.area, self.frame, self.address, self.length))
        summed = head + self.data.ljust(DATA_MAX, b"\x00")
        return summed + sum(summed).to_bytes(2, "big")


class Decoder:
    """Packets out of a stream of bytes. What is none is skipped, byte after byte, up to the next possible head."""

    def __init__(self, heads: frozenset[int] = HEADS) -> None:
        self._heads = heads
        self._waiting = bytearray()

    def feed(self, came: bytes) -> Iterator[Packet]:
        """The packets that are whole now."""
        self._waiting += came
        while True:
            while self._waiting and self._waiting[0] not in self._heads:
                del self._waiting[0]
            if len(self._waiting) < PACKET:
                return
            packet = bytes(self._waiting[:PACKET])
            if sum(packet[:-2]) != int.from_bytes(packet[-2:], "big"):
                del self._waiting[0]
                continue
            del self._waiting[:PACKET]
            head, slot, area, frame, address, length = packet[:6]
            yield Packet(head, slot, area, address, length, packet[6:-2], frame)

    def clear(self) -> None:
        """Forgets a packet that was begun."""
        self._waiting.clear()


def status(slot: int) -> Packet:
    """Is there a card?"""
    return Packet(ASKED, slot, STATUS)


def read_main(slot: int, address: int, count: int) -> Packet:
    """Bytes of an SLE4442's memory."""
    return Packet(ASKED, slot, MAIN, address, count)


def write_main(slot: int, address: int, data: bytes) -> Packet:
    """Bytes into an SLE4442's memory."""
    return Packet(ASKED, slot, MAIN | WRITE, address, len(data), data)


def read_counter(slot: int) -> Packet:
    """An SLE4442's error counter: as many tries are left as it has ones."""
    return Packet(ASKED, slot, SECURITY, 0, 1)


def present_psc(slot: int, psc: bytes) -> Packet:
    """An SLE4442's secret, 3 bytes."""
    return Packet(ASKED, slot, PSC | WRITE, 0, len(psc), psc)


def chip(slot: int, run: int) -> Packet:
    """Which chip is it? ``run``, here and below: the running number, 0…255."""
    return Packet(ASKED, slot, CHIP, run)


def read_zone(slot: int, run: int, zone: int, address: int, count: int) -> Packet:
    """Bytes of any chip's zone."""
    return _extended(slot, ZONE, run, bytes((zone, address >> 8, address & 0xFF, count)))


def write_zone(slot: int, run: int, zone: int, address: int, data: bytes) -> Packet:
    """At most 29 bytes into any chip's zone."""
    return _extended(slot, ZONE | WRITE, run, bytes((zone, address >> 8, address & 0xFF)) + data)


def read_tries(slot: int, run: int, which: int) -> Packet:
    """Tries left for any chip's secret."""
    return _extended(slot, SECRET, run, bytes((which,)))


def present(slot: int, run: int, which: int, secret: bytes) -> Packet:
    """Any chip's secret."""
    return _extended(slot, SECRET | WRITE, run, bytes((which,)) + secret)


def power(slot: int, run: int) -> Packet:
    """The card powered off and on."""
    return Packet(ASKED, slot, POWER, run)


def _extended(slot: int, area: int, run: int, data: bytes) -> Packet:
    return Packet(ASKED, slot, area, run, len(data), data)
