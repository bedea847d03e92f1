"""A blank NLT card made of software: ISO 7816-4 over T=0, standard library only.

DF01 below the MF holds files 81, 82, 85 and 86. Reading is free; UPDATE BINARY wants PIN 1 (VERIFY) since the last
reset. Three wrong PINs lock it. Answers that bring data after data are fetched with GET RESPONSE (61xx), a wrong Le is
told with 6Cxx, as T=0 cards do.
"""

from __future__ import annotations

PIN = bytes.fromhex("4E4C54202601")  # of all cards of this folder; blank.toml gives it to the driver
TRIES = 3
MF, DF = 0x3F00, 0xDF01
BLANK = {  # short file id → content; 81 carries the vendor's mark, kind 0 and a good CS
    1: bytes.fromhex("68010027 0000 4E4C5401") + bytes(33) + bytes.fromhex("1716"),
    2: bytes(74),
    5: bytes(54),
    6: bytes(26),
}
OK, TRIES_LEFT, LOCKED = b"\x90\x00", 0x63C0, b"\x69\x83"
NOT_ALLOWED, NO_FILE, NOT_SELECTED = b"\x69\x82", b"\x6a\x82", b"\x69\x86"
WRONG_LENGTH, OUTSIDE, NO_INSTRUCTION, NO_CLASS, NOTHING_TO_FETCH = (
    b"\x67\x00", b"\x6b\x00", b"\x6d\x00", b"\x6e\x00", b"\x6f\x00",
)  # fmt: skip


class Card:
    """One card, blank when new. ``tear_after``: bytes UPDATEs may still write before it dies, None: it does not."""

    def __init__(self, serial: bytes = b"NLT00001") -> None:
        self.tear_after: int | None = None
        self._files = {name: bytearray(content) for name, content in BLANK.items()}
        self._serial, self._tries = serial, TRIES
        self._dead = False
        self.reset()

    def reset(self) -> bytes:
        """Powered afresh: the MF is selected, the PIN forgotten, a dead card lives again. The ATR: 3B 69, the serial
        in its last eight bytes."""
        if self._dead:
            self._dead, self.tear_after = False, None
        self._directory, self._current = MF, 0
        self._verified, self._waiting = False, b""
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
        if apdu[0] != 0:
            return NO_CLASS
        p3, data = apdu[4] if len(apdu) > 4 else 0, apdu[5:]
        waiting, self._waiting = self._waiting, b""
        if apdu[1] == 0xA4:
            return self._select(apdu[2], data[:p3])
        if apdu[1] == 0xB0:
            return self._read(apdu[2], apdu[3], p3)
        if apdu[1] == 0xD6:
            return self._update(apdu[2], apdu[3], data) if len(data) == p3 > 0 else WRONG_LENGTH
        if apdu[1] == 0x20:
            return self._verify(apdu[3], data) if len(data) == p3 else WRONG_LENGTH
        if apdu[1] == 0xC0:
            return self._fetch(waiting, p3)
        return NO_INSTRUCTION

    def _select(self, p1: int, name: bytes) -> bytes:
        wanted = int.from_bytes(name) if len(name) == 2 else MF
        if p1 != 0 or len(name) not in (0, 2):
            return NO_FILE
        if wanted in (MF, DF):
            self._directory, self._current = wanted, 0
        elif self._directory == DF and wanted in self._files:
            self._current = wanted
        else:
            return NO_FILE
        self._waiting = b"\x6f\x04\x83\x02" + wanted.to_bytes(2)  # control information: the file's id
        return bytes((0x61, len(self._waiting)))

    def _find(self, p1: int, p2: int) -> tuple[bytearray | None, int, bytes]:
        """The file meant, the offset in it, and what to say when there is none."""
        if p1 & 0x80:  # by short id, which selects it
            name = p1 & 0x1F
            if self._directory != DF or name not in self._files:
                return None, 0, NO_FILE
            self._current = name
            return self._files[name], p2, b""
        return self._files.get(self._current), p1 << 8 | p2, NOT_SELECTED

    def _read(self, p1: int, p2: int, wanted: int) -> bytes:
        content, offset, without = self._find(p1, p2)
        if content is None:
            return without
        there = len(content) - offset
        if there <= 0:
            return OUTSIDE
        if (wanted or 256) > there:
            return bytes((0x6C, there))
        return bytes(content[offset : offset + (wanted or 256)]) + OK

    def _update(self, p1: int, p2: int, data: bytes) -> bytes:
        content, offset, without = self._find(p1, p2)
        if content is None:
            return without
        if not self._verified:
            return NOT_ALLOWED
        if offset + len(data) > len(content):
            return OUTSIDE
        may = len(data) if self.tear_after is None else min(self.tear_after, len(data))
        content[offset : offset + may] = data[:may]
        if self.tear_after is not None:
            self.tear_after -= may
        self._dead = may < len(data)
        return b"" if self._dead else OK

    def _verify(self, which: int, pin: bytes) -> bytes:
        """Without a PIN it tells the tries left and costs none."""
        if which != 1:
            return b"\x6a\x88"
        if self._tries == 0:
            return LOCKED
        if pin == PIN:
            self._tries, self._verified = TRIES, True
        elif pin:
            self._tries, self._verified = self._tries - 1, False
        if self._verified:
            return OK
        return LOCKED if self._tries == 0 else (TRIES_LEFT | self._tries).to_bytes(2)

    def _fetch(self, waiting: bytes, wanted: int) -> bytes:
        if not waiting:
            return NOTHING_TO_FETCH
        if (wanted or 256) > len(waiting):
            self._waiting = waiting
            return bytes((0x6C, len(waiting)))
        self._waiting = waiting[wanted or 256 :]
        return waiting[: wanted or 256] + (bytes((0x61, len(self._waiting))) if self._waiting else OK)
