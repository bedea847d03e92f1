"""A CPU card that guards its files: authentication both ways and MACed access, over T=0 or T=1.

It has what ``FileCard`` has, and beside it::

    00 84 00 00 04|08              GET CHALLENGE; good for the next command only
    00 88 00 kk 08 challenge       INTERNAL AUTHENTICATE: the card's cryptogram over our challenge, key kk
    00 82 00 kk 08 cryptogram      EXTERNAL AUTHENTICATE: ours over the card's challenge; without data: the tries left
    04 D6 P1 P2 Lc data MAC        secured UPDATE: MAC over these five bytes and the data, begun with a challenge
    04 B0 P1 P2 09 cccc header     secured READ: the data and a MAC over (header, data), begun with our challenge cccc;
                                   header is the command the data are meant for, its Lc four more than they have

A try counter belongs to every key. A SELECT of a directory ends what was authenticated (ISO 7816-4). Instructions and
the form of the secured READ as State Grid user cards have them (read from meter firmware); the tries told without data
are ISO 7816-4's and not known of those cards.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kiosk.devices.reader.apdu import HEADER, as_t0, follow
from kiosk.devices.reader.virtual.filecard import (
    NO_CLASS,
    NOT_FOUND,
    OK,
    READ_BINARY,
    SELECT,
    UPDATE_BINARY,
    WRONG_LENGTH,
    FileCard,
)
from kiosk.devices.reader.virtual.keys import CRYPTOGRAM, MAC, KeysElsewhere, KeyStore
from kiosk.model.errors import CardRefused

PLAIN = 0x00  # CLA
NOT_AUTHENTICATED, BLOCKED = bytes.fromhex("6982"), bytes.fromhex("6983")
NO_CHALLENGE, MAC_MISSING, MAC_WRONG = bytes.fromhex("6984"), bytes.fromhex("6987"), bytes.fromhex("6988")
NO_KEY = bytes.fromhex("6A88")
TRIES = 3


@dataclass(frozen=True, slots=True)
class Guard:
    """What a file asks for. ``read_after``, ``update_after``: the key of the EXTERNAL AUTHENTICATE before it, None for
    none; ``mac``: the key of its MACs, None: plain UPDATEs."""

    read_after: int | None = None
    update_after: int | None = None
    mac: int | None = None


OPEN_FILE = Guard()


class SecureCard(FileCard):
    """See the module. ``keys`` are the card's own; KeysElsewhere makes a card that can be read but not opened.

    ``guards``: short file id → Guard, in every directory; ``chance`` makes challenges; ``mac_wrong`` is the answer to a
    wrong MAC: 6988 (ISO 7816-4) or, on other cards, 6989.
    """

    def __init__(
        self,
        directories: Mapping[int, Mapping[int, bytes]] | None = None,
        serial: bytes = bytes(range(1, 9)),
        *,
        keys: KeyStore | None = None,
        guards: Mapping[int, Guard] | None = None,
        t1: bool = False,
        mac_wrong: bytes = MAC_WRONG,
        chance: Callable[[int], bytes] = os.urandom,
    ) -> None:
        super().__init__(directories, serial)
        self._keys: KeyStore = keys or KeysElsewhere()
        self._guards, self._serial = dict(guards or {}), serial
        self._t1, self._mac_wrong, self._chance = t1, mac_wrong, chance
        self._tries: dict[int, int] = {}
        self._authenticated: set[int] = set()
        self._challenge = b""
        if t1:  # TC1 stays, TD1 says T=1 and nothing else; so the serial keeps its place, and a check byte follows
            told = bytes.fromhex("C9000157") + serial
            check = 0
            for byte in told:
                check ^= byte
            self._atr = b"\x3b" + told + bytes((check,))

    def reset(self) -> bytes:
        """Cold reset: authentications and the challenge are forgotten, the tries are not."""
        self._authenticated, self._challenge = set(), b""
        return super().reset()

    def image(self) -> bytes:
        """Every file, and the tries of every key that was ever presented."""
        return super().image() + bytes(byte for pair in sorted(self._tries.items()) for byte in pair)

    def transmit(self, apdu: bytes) -> bytes:
        """One command in the card's protocol; b"" from a dead card."""
        if not self._t1:
            return self._exchange(apdu)
        answer = follow(self._exchange, as_t0(apdu))
        wants_data = len(apdu) == HEADER + 1 or (len(apdu) > HEADER + 1 and len(apdu) == HEADER + 2 + apdu[HEADER])
        return answer if wants_data else answer[-2:]  # T=1 brings data only where Le asked for them

    def _exchange(self, apdu: bytes) -> bytes:
        """One T=0 command."""
        if self._dead:
            return b""
        if len(apdu) < HEADER:
            return WRONG_LENGTH
        challenge, self._challenge = self._challenge, b""
        p3, data = (apdu[HEADER], apdu[HEADER + 1 :]) if len(apdu) > HEADER else (0, b"")
        if data and len(data) != p3:
            return WRONG_LENGTH
        try:
            own = self._own(apdu[: HEADER + 1], p3, data, challenge)
        except (CardRefused, KeyError):  # the keys are not here, or not this one
            return NO_KEY
        if own is not None:
            return own
        if apdu[0] == PLAIN and apdu[1] in (READ_BINARY, UPDATE_BINARY):
            refused = self._refused(apdu[1], self._guard(apdu[2]))
            if refused:
                return refused
        answer = super().transmit(apdu) if apdu[0] == PLAIN else NO_CLASS
        if apdu[1] == SELECT and self._file is None:
            self._authenticated.clear()
        return answer

    def _own(self, header: bytes, p3: int, data: bytes, challenge: bytes) -> bytes | None:
        """What a FileCard does not have; None for the rest."""
        match header[0], header[1]:
            case 0x00, 0x84:
                return self._give_challenge(p3)
            case 0x00, 0x88:
                return self._prove(header[3], data)
            case 0x00, 0x82:
                return self._admit(header[3], data, challenge)
            case 0x04, 0xD6:
                return self._update_secured(header, data, challenge)
            case 0x04, 0xB0:
                return self._read_secured(header[2], header[3], data)
        return None

    def _guard(self, p1: int) -> Guard:
        name = p1 & 0x1F if p1 & 0x80 else self._file
        return self._guards.get(name or 0, OPEN_FILE)

    def _refused(self, instruction: int, guard: Guard, *, secured: bool = False) -> bytes:
        """The status word of a refusal, b"" when the file may be read or updated."""
        update = instruction == UPDATE_BINARY
        key = guard.update_after if update else guard.read_after
        if key is not None and key not in self._authenticated:
            return NOT_AUTHENTICATED
        return MAC_MISSING if update and guard.mac is not None and not secured else b""

    def _give_challenge(self, length: int) -> bytes:
        if length not in (4, 8):
            return WRONG_LENGTH
        self._challenge = self._chance(length)
        return self._challenge + OK

    def _prove(self, key_id: int, challenge: bytes) -> bytes:
        if len(challenge) != CRYPTOGRAM:
            return WRONG_LENGTH
        return self._later(self._keys.cryptogram(key_id, self._serial, challenge))

    def _admit(self, key_id: int, cryptogram: bytes, challenge: bytes) -> bytes:
        right = self._keys.cryptogram(key_id, self._serial, challenge)
        left = self._tries.get(key_id, TRIES)
        if left == 0:
            return BLOCKED
        if not cryptogram:
            return bytes((0x63, 0xC0 | left))
        if len(cryptogram) != CRYPTOGRAM:
            return WRONG_LENGTH
        if len(challenge) != CRYPTOGRAM:
            return NO_CHALLENGE
        if cryptogram != right:
            self._tries[key_id] = left - 1
            self._authenticated.discard(key_id)
            return bytes((0x63, 0xC0 | left - 1)) if left > 1 else BLOCKED
        self._tries[key_id] = TRIES
        self._authenticated.add(key_id)
        return OK

    def _update_secured(self, header: bytes, data: bytes, challenge: bytes) -> bytes:
        guard = self._guard(header[2])
        if len(data) <= MAC or guard.mac is None:
            return WRONG_LENGTH if len(data) <= MAC else NO_KEY
        refused = self._refused(UPDATE_BINARY, guard, secured=True)
        if refused or not challenge:
            return refused or NO_CHALLENGE
        plain, told = data[:-MAC], data[-MAC:]
        if told != self._keys.mac(guard.mac, self._serial, challenge, header + plain):
            return self._mac_wrong
        return self._update(header[2], header[3], plain)

    def _read_secured(self, p1: int, p2: int, asked: bytes) -> bytes:
        guard = self._guard(p1)
        if len(asked) != 4 + HEADER + 1 or asked[-1] <= MAC:
            return WRONG_LENGTH
        refused = self._refused(READ_BINARY, guard)
        if refused or guard.mac is None:
            return refused or NO_KEY
        content, offset = self._find(p1, p2)
        if content is None:
            return NOT_FOUND
        data = bytes(content[offset : offset + asked[-1] - MAC])
        if len(data) < asked[-1] - MAC:
            return WRONG_LENGTH
        return self._later(data + self._keys.mac(guard.mac, self._serial, asked[:4], asked[4:] + data))

    def _later(self, answer: bytes) -> bytes:
        """An answer to a command with data: T=0 fetches it with GET RESPONSE."""
        self._answer = answer
        return bytes((0x61, len(answer)))
