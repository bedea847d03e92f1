"""A small ISO 7816-4 card with transparent files, spoken to over T=0: the shape of a State Grid user card.

MF 3F00 holds DFs, DFs hold elementary files named by short ids; ``00 B0 81 00 04`` reads the head of file 1. Access
is free: real cards ask for mutual authentication with keys nobody outside has. The answers to reset, the file sizes
and the status words are as those cards give them (Q/GDW 365 family; layouts as read from meter firmware).
"""

from __future__ import annotations

from collections.abc import Mapping

MF, DF_METER = 0x3F00, 0xDF01
USER_FILES: Mapping[int, bytes] = {1: bytes(45), 2: bytes(8), 3: bytes(203), 4: bytes(203), 5: bytes(49)}
"""Parameters, purchase, tariff, spare tariff, write-back: short ids 1–5, sent as P1 = 81–85."""

SELECT, READ_BINARY, UPDATE_BINARY, GET_RESPONSE = 0xA4, 0xB0, 0xD6, 0xC0
OK = bytes.fromhex("9000")
WRONG_LENGTH = bytes.fromhex("6700")
NO_CURRENT_FILE = bytes.fromhex("6986")
NOT_FOUND = bytes.fromhex("6A82")
OUTSIDE = bytes.fromhex("6B00")
NO_INSTRUCTION = bytes.fromhex("6D00")
NO_CLASS = bytes.fromhex("6E00")


class FileCard:
    """The card itself (contract 1 §9's shape); ``VirtualCpuCard`` makes a VirtualCard of it.

    ``directories``: DF id → short file id → content, whose length is the file's for good. ``serial``: 8 bytes, the
    ATR's bytes 5–12.
    """

    def __init__(
        self, directories: Mapping[int, Mapping[int, bytes]] | None = None, serial: bytes = bytes(range(1, 9))
    ) -> None:
        if len(serial) != 8:
            raise ValueError("a serial has 8 bytes")
        if directories is None:
            directories = {DF_METER: USER_FILES}
        self._files = {
            (df, name): bytearray(content) for df, files in directories.items() for name, content in files.items()
        }
        self._directories = frozenset(directories)
        self._atr = bytes.fromhex("3B69000057") + serial  # 9 historical bytes; the first is our own choice
        self.tear_after: int | None = None
        self._dead = False
        self._directory = MF
        self._file: int | None = None
        self._answer = b""

    def reset(self) -> bytes:
        """Cold reset: the MF is selected, a dead card lives again."""
        if self._dead:
            self._dead, self.tear_after = False, None
        self._directory, self._file, self._answer = MF, None, b""
        return self._atr

    def image(self) -> bytes:
        """Every file: DF, short id, content."""
        return b"".join(
            df.to_bytes(2, "big") + bytes((name,)) + content for (df, name), content in sorted(self._files.items())
        )

    def transmit(self, apdu: bytes) -> bytes:
        """One T=0 command: header, P3, data for commands that bring some; b"" from a dead card."""
        if self._dead:
            return b""
        if len(apdu) < 4:
            return WRONG_LENGTH
        if apdu[0] != 0x00:
            return NO_CLASS
        p3, data = (apdu[4], apdu[5:]) if len(apdu) > 4 else (0, b"")
        waiting, self._answer = self._answer, b""
        if apdu[1] == SELECT:
            return self._select(apdu[2], data[:p3])
        if apdu[1] == READ_BINARY:
            return self._read(apdu[2], apdu[3], p3)
        if apdu[1] == UPDATE_BINARY:
            return self._update(apdu[2], apdu[3], data) if len(data) == p3 > 0 else WRONG_LENGTH
        if apdu[1] == GET_RESPONSE:
            return self._give(waiting, p3)
        return NO_INSTRUCTION

    def _select(self, p1: int, name: bytes) -> bytes:
        if p1 != 0 or len(name) not in (0, 2):
            return NOT_FOUND
        wanted = int.from_bytes(name, "big") if name else MF
        if wanted == MF or wanted in self._directories:
            self._directory, self._file = wanted, None
        elif (self._directory, wanted & 0x1F) in self._files and wanted < 0x20:
            self._file = wanted
        else:
            return NOT_FOUND
        body = b"\x83\x02" + wanted.to_bytes(2, "big")  # file control information: the file's id
        self._answer = bytes((0x6F, len(body))) + body
        return bytes((0x61, len(self._answer)))

    def _find(self, p1: int, p2: int) -> tuple[bytearray | None, int]:
        """The file and the offset: by short id when bit 8 of P1 is set, which selects it too."""
        if p1 & 0x80:
            name = p1 & 0x1F
            found = self._files.get((self._directory, name))
            if found is not None:
                self._file = name
            return found, p2
        if self._file is None:
            return None, 0
        return self._files[self._directory, self._file], p1 << 8 | p2

    def _read(self, p1: int, p2: int, wanted: int) -> bytes:
        content, offset = self._find(p1, p2)
        if content is None:
            return NOT_FOUND if p1 & 0x80 else NO_CURRENT_FILE
        if offset >= len(content):
            return OUTSIDE
        there = min(len(content) - offset, 256)
        if (wanted or 256) > there:
            return bytes((0x6C, there & 0xFF))
        return bytes(content[offset : offset + (wanted or 256)]) + OK

    def _update(self, p1: int, p2: int, data: bytes) -> bytes:
        content, offset = self._find(p1, p2)
        if content is None:
            return NOT_FOUND if p1 & 0x80 else NO_CURRENT_FILE
        if offset + len(data) > len(content):
            return OUTSIDE
        may = len(data) if self.tear_after is None else min(self.tear_after, len(data))
        content[offset : offset + may] = data[:may]
        if self.tear_after is not None:
            self.tear_after -= may
        if may < len(data):
            self._dead = True
            return b""
        return OK

    def _give(self, waiting: bytes, wanted: int) -> bytes:
        if not waiting:
            return bytes.fromhex("6F00")
        if (wanted or 256) > len(waiting):
            self._answer = waiting
            return bytes((0x6C, len(waiting)))
        left = waiting[wanted or 256 :]
        self._answer = left
        return waiting[: wanted or 256] + (bytes((0x61, min(len(left), 255))) if left else OK)
