"""AT88SC102 behind an ACS reader: select 09, read FF B0, ones to zeros FF D0, erase a word FF D2, codes and keys FF 20.

The reader shows each byte's first bit lowest (ACR38 manual, "LSB first"), Atmel and 明华 show it highest; here bytes
are turned round, so that a driver sees the same card in every reader. Traps: ``90 00`` after a code proves nothing;
only the attempts counter, which a right code fills up, does. An erase that is not allowed is answered ``90 00``, too.
"""

from __future__ import annotations

from kiosk.devices.reader.acs.select import AT88SC102, select
from kiosk.devices.reader.apdu import OK, Exchange
from kiosk.devices.reader.commands import Choices, Connection, ask, check_place, order
from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, IO_FAULT, LOCKED, CardPortError
from kiosk.model.chip import CHIPS, NO_COUNTER

ORIGINS = {0: 0, 1: 22, 2: 92}  # zone → its first byte in the map
SIZES = {number: zone.size for number, zone in CHIPS[CardType.AT88SC102].zones.items()}
CODE, COUNTER, TEST, KEY_1, KEY_2 = 0x0A, 0x0C, range(0xB0, 0xB2), 0x56, 0x9C
ERASES, ERASES_LENGTH = 0xA0, 16
SECRETS = CHIPS[CardType.AT88SC102].secrets
NO_TRY_LEFT = b"\x63\x00"
KEYED_ERASES: dict[int, tuple[bytes, ...]] = {
    1: (bytes((0xFF, 0x20, 0x00, KEY_1)),),
    2: (bytes((0xFF, 0x20, 0x00, KEY_2)), bytes((0xFF, 0x20, 0x80, KEY_2))),
}
"""How a zone is erased with its key. Of zone 2's the second spends one of the 128 erases, where they are counted."""
MARKS = frozenset(bytes.fromhex(mark) for mark in ("0F0F", "7155", "17AA"))
"""明华's marks of the family."""


def turned(data: bytes) -> bytes:
    """Each byte with its first bit last."""
    return bytes(sum((byte >> bit & 1) << (7 - bit) for bit in range(8)) for byte in data)


def probe(exchange: Exchange) -> CardType | None:
    """Whether the fabrication zone is an AT88SC102's; it is left selected."""
    if not select(exchange, AT88SC102):
        return None
    first = exchange(bytes.fromhex("FFB0000002"))
    known = first[-2:] == OK and len(first) == 4 and turned(first[:2]) in MARKS
    return CardType.AT88SC102 if known else None


class At88sc102Commands:
    """ChipCommands; see the module. An erase key given to ``verify`` is kept until an erase needs it (mode 2)."""

    def __init__(self, connection: Connection, choices: Choices) -> None:
        self._connection = connection
        self._tries = choices.at88sc102_tries
        self._verified = False
        self._keys: dict[int, bytes] = {}
        self._by_words: bool | None = None  # whether application zones are erased by words; None: not tried yet

    def read(self, zone: int, addr: int, length: int) -> bytes:
        """Zone 0 is the whole map, 1 and 2 the application zones."""
        return self._map(self._place(zone, addr, length), length)

    def write(self, zone: int, addr: int, data: bytes) -> None:
        """Word by word: where a bit must rise the word is erased, and its other byte written again, too.

        Where the card does not erase by words (mode 2), the whole zone is read, erased with its key and written again:
        a card pulled meanwhile loses it. −3 before ``verify``, or without the right key.
        """
        start = self._place(zone, addr, len(data))
        if not self._verified and not (start in TEST and start + len(data) <= TEST.stop):
            raise CardPortError(DENIED, "no security code was presented")
        first, end = start & ~1, (start + len(data) + 1) & ~1
        old = self._map(first, end - first)
        new = old[: start - first] + data + old[start - first + len(data) :]
        at, written = 0, False
        while at < len(old):
            word, length = new[at : at + 2], 2
            if word != old[at : at + 2]:
                if _rises(old[at : at + 2], word) and not self._erase_word(first + at):
                    length = self._rewrite_zone(first + at, new[at:], IO_FAULT if written else DENIED)
                else:
                    self._clear(first + at, word)
                written = True
            at += length

    def verify(self, which: int, secret: bytes) -> None:
        """The security code, proven by its counter (−3 wrong, −5 locked), or an erase key, not compared yet."""
        if len(secret) != SECRETS.get(which, -1):
            raise CardPortError(BAD_ARGUMENT)
        if which:
            self._keys[which] = secret
            return
        self._verified = False
        answer = self._connection.transmit(bytes((0xFF, 0x20, 0x08, CODE, len(secret))) + turned(secret))
        if answer == NO_TRY_LEFT:
            raise CardPortError(LOCKED, "no try left")
        if answer != OK:
            raise CardPortError(IO_FAULT, f"presenting the security code: {answer[-2:].hex()}")
        if self._map(COUNTER, 1) != b"\xff":
            left = self.tries_left(0)
            raise CardPortError(DENIED if left else LOCKED, f"the security code is wrong, {left} tries left")
        self._verified = True

    def tries_left(self, which: int) -> int:
        """Ones among the first bits of the attempts counter; of erase key 2 what the erase counter still has."""
        if which not in SECRETS:
            raise CardPortError(BAD_ARGUMENT)
        if which == 1:
            return NO_COUNTER
        if which == 2:
            return sum(byte.bit_count() for byte in self._map(ERASES, ERASES_LENGTH))
        return (self._map(COUNTER, 1)[0] >> (8 - self._tries)).bit_count()

    def still_here(self) -> bool:
        """One byte read; it fails on a card that was not selected."""
        return self._connection.transmit(bytes.fromhex("FFB0000001"))[-2:] == OK

    def _place(self, zone: int, addr: int, length: int) -> int:
        if zone not in ORIGINS:
            raise CardPortError(BAD_ARGUMENT, f"no zone {zone}")
        check_place(SIZES[zone], addr, length)
        return ORIGINS[zone] + addr

    def _map(self, place: int, length: int) -> bytes:
        return turned(ask(self._connection, bytes((0xFF, 0xB0, 0, place, length)))[:length])

    def _clear(self, place: int, data: bytes) -> None:
        if data.strip(b"\xff"):
            order(self._connection, b"\xff\xd0", place, turned(data))

    def _erase_word(self, place: int) -> bool:
        """False where an application zone's word did not become all ones: security mode 2."""
        inside = _zone_of(place) is not None
        if inside and self._by_words is False:
            return False
        order(self._connection, b"\xff\xd2", place, b"")
        if inside and self._by_words is None:
            self._by_words = self._map(place, 2) == b"\xff\xff"
        return not inside or self._by_words is True

    def _rewrite_zone(self, place: int, data: bytes, refused: int) -> int:
        """``data`` at ``place`` and the rest of the zone as it was; how many of its bytes that was.

        ``refused``: the error's code when the key is missing or wrong.
        """
        number = _zone_of(place)
        assert number is not None
        origin, size, key = ORIGINS[number], SIZES[number], self._keys.get(number)
        if key is None:
            raise CardPortError(refused, f"erasing zone {number} needs its erase key")
        old, at = self._map(origin, size), place - origin
        data = data[: size - at]
        new = old[:at] + data + old[at + len(data) :]
        for command in KEYED_ERASES[number]:
            answer = self._connection.transmit(command + bytes((len(key),)) + turned(key))
            if answer not in (OK, NO_TRY_LEFT):
                raise CardPortError(IO_FAULT, f"erasing zone {number}: {answer[-2:].hex()}")
            erased = self._map(origin, size)
            if not erased.strip(b"\xff"):
                self._clear(origin + 2, new[2:])
                self._clear(origin, new[:2])  # the access bits last: the first may close the zone
                return len(data)
            if erased != old:
                raise CardPortError(IO_FAULT, f"zone {number} changed while it was erased")
        raise CardPortError(refused, f"erase key {number} is wrong, no erase is left, or it is closed")


def _rises(old: bytes, new: bytes) -> bool:
    return any(there & ~here for here, there in zip(old, new, strict=True))


def _zone_of(place: int) -> int | None:
    return next((number for number in (1, 2) if 0 <= place - ORIGINS[number] < SIZES[number]), None)
