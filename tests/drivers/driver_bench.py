"""A bench for tests of the driver call: frames made from the contract's text, a vendor's folder, a card, two probes.

Nothing here uses the project's own encoders: ``by_hand`` and ``said`` are contract 1 §1 written down once more.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from kiosk.drivers import sandbox
from kiosk.drivers.manifest import load_manifest
from kiosk.model.cardport import BAD_ARGUMENT, DENIED, NO_CARD, CardPortError

MANIFEST = """
[vendor]
code = "{code}"
abbr = "{abbr}"
name = {{ zh = "测试", en = "Probe" }}

[driver]
kind = "{kind}"
file = "{file}"
sha256 = "{sha256}"
access = "{access}"
{baud}
timeout_ms = {timeout_ms}

{card}

[sale]
regions = ["420100"]
amount_min_fen = 100
amount_max_fen = 500000
password = "prb"
"""
SLE4442_CARD = """
[[card]]
type = "SLE4442"
mark = [{ zone = 0, addr = 32, hex = "50524201" }]
"""

ORACLE = '''
"""A Python driver that does what the request says: item 7F01 is a program, which leaves its answer in ``said``."""


def frame(command, text):
    data = b"\\x01\\x02" + len(text).to_bytes(2, "big") + text
    body = bytes((command,)) + len(data).to_bytes(2, "big") + data
    return b"\\x68" + body + bytes((sum(body) & 0xFF, 0x16))


class Driver:
    def __init__(self):
        self.calls = 0

    def icard(self, icdev, send, password):
        self.calls += 1
        program = send[8:-2].decode()
        names = {"icdev": icdev, "send": send, "password": password, "calls": self.calls, "raw": None}
        try:
            exec(program, names)
            text = repr(names.get("said"))
        except Exception as fault:
            text = f"{type(fault).__name__} {getattr(fault, 'errno', None)}"
        if names["raw"] is not None:
            return names["raw"]
        return frame(send[1] | 0x80, text.encode("utf-8", "backslashreplace")[:2000])
'''


SANDBOXED, BARE = "in bubblewrap's sandbox", "without a sandbox"
WAYS = (SANDBOXED, BARE) if sandbox.words(sandbox.interpreter()) else (BARE,)
"""How drivers can be shut in on this machine."""


def shut_in(patch, way: str) -> None:
    """Has drivers started that way while the monkeypatch lasts."""
    if way == BARE:
        patch.setattr(sandbox, "words", lambda python: ())
    else:
        assert sandbox.words(sandbox.interpreter())


def inner(pid: int) -> int:
    """The driver's own process: the last of the line that begins with ``DriverProcess.pid``."""
    while children := Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        pid = int(children[0])
    return pid


def by_hand(command: int, *items: tuple[int, bytes]) -> bytes:
    """A frame, contract 1 §1: 68 C L L DATA CS 16, items DI DI N N value."""
    content = b"".join(bytes((di >> 8, di & 0xFF, len(value) >> 8, len(value) & 0xFF)) + value for di, value in items)
    middle = bytes((command, len(content) >> 8, len(content) & 0xFF)) + content
    return b"\x68" + middle + bytes((sum(middle) % 256, 0x16))


def program(source: str, command: int = 0x10) -> bytes:
    """A request the oracle understands."""
    return by_hand(command, (0x7F01, source.encode()))


def text_of(answer: bytes) -> str:
    """The text (item 0102) of a probe's answer."""
    assert answer[0] == 0x68, answer.hex(" ")
    assert answer[4:6] == b"\x01\x02"
    return answer[8 : 8 + int.from_bytes(answer[6:8], "big")].decode()


def write_vendor(folder: Path, image: bytes | str, *, keypad: bool = False, **changes: object) -> Path:
    """A vendor's folder round a driver's file. ``changes``: code, abbr, kind, file, access, baud, timeout_ms, card."""
    content = image.encode() if isinstance(image, str) else image
    given: dict[str, object] = {"code": "00F1", "abbr": "PRB", "kind": "python", "access": "api", "timeout_ms": 2000}
    given |= {"baud": "", "card": "" if keypad else SLE4442_CARD} | changes
    given.setdefault("file", "driver.py" if given["kind"] == "python" else "libprb.so")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / str(given["file"])).write_bytes(content)
    given["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "vendor.toml").write_text(MANIFEST.format(**given), "utf-8")
    return folder


def vendor(folder: Path, image: bytes | str, **changes: object):
    """The manifest of such a folder."""
    return load_manifest(write_vendor(folder, image, **changes))


class MemoryCard:
    """256 bytes behind the card port, remembering every call; ``fail`` makes the next calls raise."""

    def __init__(self, image: bytes = bytes(range(256)), family: int = 21):
        self.memory, self.family, self.calls, self.fail = bytearray(image), family, [], None

    def _seen(self, *call: object) -> None:
        self.calls.append(call)
        if self.fail is not None:
            raise self.fail

    def card_type(self) -> int:
        self._seen("card_type")
        return self.family

    def atr(self) -> bytes:
        self._seen("atr")
        return bytes.fromhex("A2131091")

    def read(self, zone: int, addr: int, length: int) -> bytes:
        self._seen("read", zone, addr, length)
        if zone or addr + length > len(self.memory):
            raise CardPortError(BAD_ARGUMENT)
        return bytes(self.memory[addr : addr + length])

    def write(self, zone: int, addr: int, data: bytes) -> None:
        self._seen("write", zone, addr, data)
        self.memory[addr : addr + len(data)] = data

    def verify(self, which: int, secret: bytes) -> None:
        self._seen("verify", which, secret)
        if secret != b"\xff\xff\xff":
            raise CardPortError(DENIED)

    def tries_left(self, which: int) -> int:
        self._seen("tries_left", which)
        return 3

    def transmit(self, apdu: bytes) -> bytes:
        self._seen("transmit", apdu)
        return apdu[::-1] + b"\x90\x00"


class GoneCard(MemoryCard):
    """A card that was taken out."""

    def __init__(self):
        super().__init__()
        self.fail = CardPortError(NO_CARD)
