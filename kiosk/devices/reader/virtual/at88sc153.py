"""AT88SC153 and AT88SC1608: user zones written by pages, a configuration zone with passwords and their counters.

Atmel 1016 (AT88SC153) and 0971 (AT88SC1608), as far as they could be read. Passwords of three bytes come in sets, one
to write and one to read; each has an attempts counter of eight bits in the byte before it. Only the password presented
last is in force; the one to write lets read, too. Each user zone has an access register: WPE (0: writing takes the
write password), RPE (0: reading takes a password), ATE (0: takes the authentication), MDF (0: never written again), PGO
(0: bits fall only), and which set it is. The authentication (ELVA's licence) and write lock mode are not played: a zone
that asks for the authentication is closed.

Our own choices: where the access registers stand, which bits of the AT88SC1608's name the set, and that a card made
here is personalised: each zone is read freely and written after password 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, IO_FAULT, LOCKED, NO_CARD, CardPortError

PASSWORD, TRIES = 3, 8
WPE, RPE, ATE, MDF, PGO = 0x80, 0x40, 0x20, 0x02, 0x01


@dataclass(frozen=True, slots=True)
class Shape:
    """One family. ``set_bits``: how many bits of ``which`` are the number of the set, the next one says read."""

    type: CardType
    atr: bytes  # the answer-to-reset register, also at 0 of the configuration zone
    zones: int
    zone_size: int
    config_size: int
    page: int
    access: int  # where the access registers begin
    passwords: int  # where the counters and passwords begin
    secret: range  # what is never read
    set_bits: int
    set_shift: int  # where an access register names its set
    secure_code: int  # ``which`` that opens the configuration zone

    def counter(self, which: int) -> int:
        """The attempts counter's place; the password is behind it."""
        number, reads = which & ((1 << self.set_bits) - 1), which >> self.set_bits
        return self.passwords + 8 * number + 4 * reads

    @property
    def secrets(self) -> int:
        """How many passwords there are."""
        return 2 << self.set_bits


AT88SC153 = Shape(CardType.AT88SC153, bytes.fromhex("2CAA55A1"), 3, 64, 64, 8, 0x0C, 0x30, range(0x28, 0x30), 1, 3, 1)
AT88SC1608 = Shape(
    CardType.AT88SC1608, bytes.fromhex("2CAA55A0"), 8, 256, 128, 16, 0x10, 0x40, range(0x30, 0x38), 3, 2, 7
)


class At88Paged:
    """A virtual card (``kiosk.model.cardport.VirtualCard``). ``memory``: the user zones; ``secret``: password 0.

    ``tear_leaves``: what stands in the rest of the page's bytes that were being written when the card was pulled.
    """

    shape: Shape

    tear_ways = ("old", "erased")

    def __init__(self, memory: bytes | None = None, secret: bytes = b"\xff" * PASSWORD) -> None:
        shape = self.shape
        memory = b"\xff" * (shape.zones * shape.zone_size) if memory is None else memory
        if len(memory) != shape.zones * shape.zone_size or len(secret) != PASSWORD:
            size = f"{shape.zones} zones of {shape.zone_size} bytes"
            raise ValueError(f"{shape.type.name} has {size} and passwords of {PASSWORD}")
        self._zones = [bytearray(memory[at : at + shape.zone_size]) for at in range(0, len(memory), shape.zone_size)]
        self._zones.append(bytearray(shape.atr.ljust(shape.config_size, b"\xff")))
        for zone in range(shape.zones):
            self.set_access(zone, 0xFF & ~WPE)
        self.set_password(0, secret)
        self.personalised = True
        """All fuses are blown."""
        self._active: int | None = None
        self._dead = False
        self.tear_after: int | None = None
        self.tear_leaves: Literal["old", "erased"] = "erased"
        self.tear_in_verify = False

    def set_access(self, zone: int, register: int, number: int = 0) -> None:
        """A zone's access register, as the issuer writes it; ``number`` is its set of passwords."""
        mask = ((1 << self.shape.set_bits) - 1) << self.shape.set_shift
        self._config[self.shape.access + zone] = register & ~mask | number << self.shape.set_shift

    def set_password(self, which: int, secret: bytes) -> None:
        """A password, as the issuer writes it."""
        place = self.shape.counter(which) + 1
        self._config[place : place + PASSWORD] = secret

    def card_type(self) -> int:
        """The family."""
        return self.shape.type

    def atr(self) -> bytes:
        """3B 04 and the answer-to-reset register."""
        self._alive()
        return b"\x3b\x04" + self.shape.atr

    def reset(self) -> bytes:
        """Powered afresh."""
        self._active = None
        if self._dead:
            self._dead, self.tear_after, self.tear_in_verify = False, None, False
        return self.atr()

    def image(self) -> bytes:
        """User zones, configuration zone, fuses."""
        return b"".join(self._zones) + bytes((self.personalised,))

    def read(self, zone: int, addr: int, length: int) -> bytes:
        """Bytes that may not be read are 00. −4 outside."""
        self._alive()
        source = self._zone(zone, addr, length)
        return bytes(source[at] if self._readable(zone, at) else 0 for at in range(addr, addr + length))

    def write(self, zone: int, addr: int, data: bytes) -> None:
        """Page by page. −3 without the password, −4 outside; bytes that can never change drop silently."""
        self._alive()
        self._zone(zone, addr, len(data))
        if not self._writable(zone):
            raise CardPortError(DENIED, "the zone's write password was not presented")
        page, at = self.shape.page, 0
        while at < len(data):
            end = min(len(data), at + page - (addr + at) % page)
            self._put(zone, addr + at, data[at:end])
            at = end

    def verify(self, which: int, secret: bytes) -> None:
        """−3 wrong, −5 no try left (after this one, too), −4 no such password."""
        self._alive()
        counter = self._counter(which)
        if len(secret) != PASSWORD:
            raise CardPortError(BAD_ARGUMENT)
        if not self._config[counter]:
            raise CardPortError(LOCKED, "no try left")
        self._active = None
        self._config[counter] &= ~(1 << (self._config[counter].bit_length() - 1))
        if self.tear_in_verify:
            self._dead = True
            raise CardPortError(IO_FAULT, "pulled while the password was presented")
        if secret != bytes(self._config[counter + 1 : counter + 1 + PASSWORD]):
            left = self.tries_left(which)
            raise CardPortError(DENIED if left else LOCKED, f"password {which} is wrong, {left} tries left")
        self._config[counter] = 0xFF
        self._active = which

    def tries_left(self, which: int) -> int:
        """Ones in the password's attempts counter."""
        self._alive()
        return self._config[self._counter(which)].bit_count()

    def transmit(self, apdu: bytes) -> bytes:
        """A memory card knows no APDU: −4."""
        self._alive()
        raise CardPortError(BAD_ARGUMENT, "a memory card takes no APDU")

    @property
    def _config(self) -> bytearray:
        return self._zones[-1]

    def _alive(self) -> None:
        if self._dead:
            raise CardPortError(NO_CARD, "the card was pulled")

    def _zone(self, zone: int, addr: int, length: int) -> bytearray:
        if not 0 <= zone < len(self._zones):
            raise CardPortError(BAD_ARGUMENT, f"no zone {zone}")
        if addr < 0 or length < 1 or addr + length > len(self._zones[zone]):
            raise CardPortError(BAD_ARGUMENT, "outside the zone")
        return self._zones[zone]

    def _counter(self, which: int) -> int:
        if not 0 <= which < self.shape.secrets:
            raise CardPortError(BAD_ARGUMENT, f"no password {which}")
        return self.shape.counter(which)

    def _register(self, zone: int) -> tuple[int, int]:
        """A zone's access register, and the number of its set."""
        register = self._config[self.shape.access + zone]
        return register, register >> self.shape.set_shift & ((1 << self.shape.set_bits) - 1)

    def _readable(self, zone: int, addr: int) -> bool:
        shape = self.shape
        if zone == shape.zones:
            kept = addr in shape.secret or (addr >= shape.passwords and (addr - shape.passwords) % 4)
            return not kept or (self._active == shape.secure_code and not self.personalised)
        register, number = self._register(zone)
        known = self._active is not None and self._active & ((1 << shape.set_bits) - 1) == number
        return bool(register & ATE) and (bool(register & RPE) or known)

    def _writable(self, zone: int) -> bool:
        if zone == self.shape.zones:
            return self._active == self.shape.secure_code and not self.personalised
        register, number = self._register(zone)
        return bool(register & ATE) and (bool(register & WPE) or self._active == number)

    def _put(self, zone: int, addr: int, data: bytes) -> None:
        """The bytes of one page: erased together, written together."""
        there = self._zones[zone]
        register = 0xFF if zone == self.shape.zones else self._register(zone)[0]
        wanted = bytearray(data)
        for at, old in enumerate(bytes(there[addr : addr + len(data)])):
            if not register & MDF or (zone == self.shape.zones and addr + at < 4):
                wanted[at] = old
            elif not register & PGO:
                wanted[at] &= old
        if self.tear_after is None or self.tear_after >= len(data):
            self.tear_after = None if self.tear_after is None else self.tear_after - len(data)
            there[addr : addr + len(data)] = wanted
            return
        torn = addr + self.tear_after
        there[addr:torn] = wanted[: self.tear_after]
        if self.tear_leaves == "erased" and register & MDF and register & PGO:
            there[torn : addr + len(data)] = b"\xff" * (addr + len(data) - torn)
        self.tear_after, self._dead = 0, True
        raise CardPortError(IO_FAULT, "pulled while writing")


class At88sc153(At88Paged):
    """A virtual AT88SC153: three zones of 64 bytes. ``which`` 0 and 1 write, 2 and 3 read; 1 is the secure code."""

    shape = AT88SC153


class At88sc1608(At88Paged):
    """A virtual AT88SC1608: eight zones of 256 bytes. ``which`` 0–7 write, 8–15 read; 7 is the secure code."""

    shape = AT88SC1608
