"""A blank SGC card made of software: the State Grid user card's files and commands over T=0.

DF01 below the MF holds files 81 to 85. Reading is free; UPDATE wants EXTERNAL AUTHENTICATE with key 2 since the last
SELECT, a challenge fetched just before, and its MAC. Three wrong cryptograms lock the key. Answers to commands with
data are fetched with GET RESPONSE (61xx), a wrong Le is told with 6Cxx. Its SM4 is the ``cryptography`` library's, not
the driver's own.
"""

from __future__ import annotations

import os

from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import SM4

MASTER = bytes.fromhex("5347433230313354455354204B455921")  # "SGC2013TEST KEY!", which blank.toml gives the driver
BLOCK = 16
TRIES = 3
MF, DF = 0x3F00, 0xDF01
BLANK = {  # short file id → content; 81 carries the mark, no region, meter and customer 0, kind 0
    1: bytes.fromhex("68010027 0000 13FFFFFF") + bytes(33) + bytes.fromhex("3816"),
    2: bytes(8),
    3: bytes(203),
    4: bytes(203),
    5: bytes(49),
}
OK, LOCKED, NOT_ALLOWED = b"\x90\x00", b"\x69\x83", b"\x69\x82"
NO_CHALLENGE, NO_MAC, WRONG_MAC = b"\x69\x84", b"\x69\x87", b"\x69\x89"
WRONG_LENGTH, NO_FILE, NO_KEY, OUTSIDE = b"\x67\x00", b"\x6a\x82", b"\x6a\x88", b"\x6b\x00"
NO_INSTRUCTION, NOTHING_TO_FETCH = b"\x6d\x00", b"\x6f\x00"


class Card:
    """One card, blank when new. ``tear_after``: bytes UPDATEs may still write before it dies, MACs not counted; None:
    it does not."""

    def __init__(self, serial: bytes = b"SGC00001") -> None:
        self.tear_after: int | None = None
        self._files = {name: bytearray(content) for name, content in BLANK.items()}
        self._serial, self._tries = serial, TRIES
        self._dead = False
        self.reset()

    def reset(self) -> bytes:
        """Powered afresh. The ATR: 3B 69, the serial in its last eight bytes."""
        if self._dead:
            self._dead, self.tear_after = False, None
        self._directory, self._authenticated = MF, False
        self._challenge, self._waiting = b"", b""
        return bytes.fromhex("3B69000057") + self._serial

    def image(self) -> bytes:
        """All that stays without power."""
        return b"".join(bytes((name,)) + content for name, content in self._files.items()) + bytes((self._tries,))

    def transmit(self, apdu: bytes) -> bytes:
        """One command and its answer with SW1 SW2; b"" from a dead card."""
        if self._dead:
            return b""
        if len(apdu) < 4:
            return WRONG_LENGTH
        p3, data = apdu[4] if len(apdu) > 4 else 0, apdu[5:]
        waiting, self._waiting = self._waiting, b""
        challenge, self._challenge = self._challenge, b""
        if data and len(data) != p3:
            return WRONG_LENGTH
        match apdu[0], apdu[1]:
            case 0x00, 0xA4:
                return self._select(apdu[2], data)
            case 0x00, 0xB0:
                return self._read(apdu[2], apdu[3], p3)
            case 0x00, 0xC0:
                return self._fetch(waiting, p3)
            case 0x00, 0x84:
                return self._give_challenge(p3)
            case 0x00, 0x88:
                return self._later(cryptogram(self._serial, data)) if len(data) == 8 else WRONG_LENGTH
            case 0x00, 0x82:
                return self._authenticate(apdu[3], data, challenge)
            case 0x04, 0xD6:
                return self._update(apdu[:5], data, challenge)
        return NO_MAC if apdu[:2] == b"\x00\xd6" else NO_INSTRUCTION

    def _select(self, p1: int, name: bytes) -> bytes:
        wanted = int.from_bytes(name) if name else MF
        if p1 != 0 or wanted not in (MF, DF):
            return NO_FILE
        self._directory, self._authenticated = wanted, False
        return self._later(b"\x6f\x04\x83\x02" + wanted.to_bytes(2))

    def _file(self, p1: int) -> bytearray | None:
        return self._files.get(p1 & 0x1F) if p1 & 0x80 and self._directory == DF else None

    def _read(self, p1: int, offset: int, wanted: int) -> bytes:
        content = self._file(p1)
        if content is None:
            return NO_FILE
        there = len(content) - offset
        if there <= 0:
            return OUTSIDE
        if (wanted or 256) > there:
            return bytes((0x6C, there))
        return bytes(content[offset : offset + (wanted or 256)]) + OK

    def _give_challenge(self, size: int) -> bytes:
        if size not in (4, 8):
            return WRONG_LENGTH
        self._challenge = os.urandom(size)
        return self._challenge + OK

    def _authenticate(self, key: int, proof: bytes, challenge: bytes) -> bytes:
        """Without a cryptogram it tells the tries left and costs none."""
        if key != 2:
            return NO_KEY
        if self._tries == 0:
            return LOCKED
        if not proof:
            return bytes((0x63, 0xC0 | self._tries))
        if len(challenge) != 8:
            return NO_CHALLENGE
        self._authenticated = proof == cryptogram(self._serial, challenge)
        self._tries = TRIES if self._authenticated else self._tries - 1
        if self._authenticated:
            return OK
        return bytes((0x63, 0xC0 | self._tries)) if self._tries else LOCKED

    def _update(self, header: bytes, data: bytes, challenge: bytes) -> bytes:
        content, offset = self._file(header[2]), header[3]
        if content is None:
            return NO_FILE
        if not self._authenticated:
            return NOT_ALLOWED
        if len(challenge) != 4:
            return NO_CHALLENGE
        plain, told = data[:-4], data[-4:]
        if not plain or offset + len(plain) > len(content):
            return OUTSIDE if plain else WRONG_LENGTH
        if told != mac(self._serial, challenge, header + plain):
            return WRONG_MAC
        may = len(plain) if self.tear_after is None else min(self.tear_after, len(plain))
        content[offset : offset + may] = plain[:may]
        if self.tear_after is not None:
            self.tear_after -= may
        self._dead = may < len(plain)
        return b"" if self._dead else OK

    def _later(self, answer: bytes) -> bytes:
        self._waiting = answer
        return bytes((0x61, len(answer)))

    def _fetch(self, waiting: bytes, wanted: int) -> bytes:
        if not waiting:
            return NOTHING_TO_FETCH
        if (wanted or 256) > len(waiting):
            self._waiting = waiting
            return bytes((0x6C, len(waiting)))
        self._waiting = waiting[wanted or 256 :]
        return waiting[: wanted or 256] + (bytes((0x61, len(self._waiting))) if self._waiting else OK)


def cryptogram(serial: bytes, challenge: bytes) -> bytes:
    """8 bytes over a challenge of 8, with the key of that card."""
    return _cbc(_card_key(serial), bytes(BLOCK), challenge + bytes(8))[:8]


def mac(serial: bytes, challenge: bytes, message: bytes) -> bytes:
    """The PBOC MAC, 4 bytes, begun with a challenge of 4; always padded."""
    padded = message + b"\x80"
    padded += bytes(-len(padded) % BLOCK)
    return _cbc(_card_key(serial), challenge.ljust(BLOCK, b"\x00"), padded)[-BLOCK:][:4]


def _card_key(serial: bytes) -> bytes:
    return _cbc(MASTER, bytes(BLOCK), serial + bytes(byte ^ 0xFF for byte in serial))


def _cbc(key: bytes, start: bytes, blocks: bytes) -> bytes:
    return Cipher(SM4(key), modes.CBC(start)).encryptor().update(blocks)
