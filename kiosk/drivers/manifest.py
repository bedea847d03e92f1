"""A vendor's folder: vendor.toml → one frozen ``Manifest`` (contract 1 §9).

All mistakes of a file are found in one go and reported together, each on a line of its own, as ConfigFault F-703. An
unknown key is a slip of the pen and refused. A mark may only look: an APDU that is not a SELECT or a read is refused,
and so is a mark that every new card carries (only 00 or FF).
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

from kiosk.drivers.table import Table
from kiosk.model.card import CardType
from kiosk.model.chip import CHIPS
from kiosk.model.errors import ConfigFault, DriverFault

TIMEOUT_MAX_MS = 15_000
KINDS, ACCESSES = ("native", "python"), ("api", "serial")
BAUDS = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
LOOKING = frozenset((0xA4, 0xB0, 0xB1, 0xB2, 0xB3, 0xCA, 0xCB))
"""INS bytes a mark may use: SELECT, READ BINARY, READ RECORD, GET DATA (ISO 7816-4)."""


@dataclass(frozen=True, slots=True)
class MarkBytes:
    """Part of a memory card's identification unit 标志单元: these bytes at this place."""

    zone: int
    addr: int
    content: bytes


@dataclass(frozen=True, slots=True)
class MarkApdu:
    """Part of a CPU card's: this APDU gets SW 9000 and an answer that begins so."""

    apdu: bytes
    begins: bytes = b""


@dataclass(frozen=True, slots=True)
class CardMark:
    """One ``[[card]]``: a chip family and its mark, memory or CPU; all parts must match, in order."""

    type: CardType
    memory: tuple[MarkBytes, ...] = ()
    cpu: tuple[MarkApdu, ...] = ()


@dataclass(frozen=True, slots=True)
class VendorName:
    """``[vendor]``."""

    code: str  # four hex digits, capitals
    abbr: str  # capitals; the library exports <abbr>Icard
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class DriverFile:
    """``[driver]``."""

    kind: str  # native or python
    path: Path
    sha256: str  # of the file, lower case
    access: str  # api or serial
    baud: int  # 0 unless access is serial
    timeout_ms: int  # one call

    def load(self) -> bytes:
        """The file's bytes. DriverFault D-304 when it cannot be read, D-305 when it is not the one named."""
        try:
            content = self.path.read_bytes()
        except OSError as fault:
            raise DriverFault("D-304", f"{self.path} cannot be read: {fault.strerror}") from fault
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256:
            raise DriverFault("D-305", f"{self.path} has sha256 {found}, vendor.toml names {self.sha256}")
        return content


@dataclass(frozen=True, slots=True)
class SaleRules:
    """``[sale]``."""

    regions: tuple[str, ...]
    amount_min_fen: int
    amount_max_fen: int
    password: str  # name of the secret in the key vault, "" if none


@dataclass(frozen=True, slots=True)
class Manifest:
    """One vendor, as its folder says."""

    folder: Path
    vendor: VendorName
    driver: DriverFile
    cards: tuple[CardMark, ...]  # empty: meters with keypads (§8)
    sale: SaleRules

    @property
    def keypad(self) -> bool:
        """Whether this vendor's meters take tokens and there is no card."""
        return not self.cards


def load_manifest(folder: Path, *, check_file: bool = False) -> Manifest:
    """The folder's manifest; ``check_file`` also holds the driver's file against its sha256.

    Raises ConfigFault F-703 that lists every mistake.
    """
    try:
        folder = folder.resolve()
        toml = tomllib.loads((folder / "vendor.toml").read_text("utf-8"))
    except (OSError, ValueError, RuntimeError) as fault:  # not TOML; a number of 5000 digits, brackets without end
        raise ConfigFault("F-703", f"{folder / 'vendor.toml'}: {fault}") from fault
    mistakes: list[str] = []
    if folder.name != folder.name.lower():
        mistakes.append(f"the folder's name {folder.name!r} is not in lower case")
    top = Table("", toml, mistakes)
    vendor = _vendor(top.table("vendor"))
    driver = _driver(top.table("driver"), folder)
    cards = tuple(_card(card) for card in top.tables("card"))
    sale = _sale(top.table("sale"), bool(cards))
    top.close()
    if check_file and not mistakes:
        try:
            driver.load()
        except DriverFault as fault:
            mistakes.append(str(fault))
    if mistakes:
        raise ConfigFault("F-703", f"{folder / 'vendor.toml'}:" + "".join(f"\n  {line}" for line in mistakes))
    return Manifest(folder, vendor, driver, cards, sale)


def _vendor(table: Table) -> VendorName:
    code = table.text("code", r"[0-9A-Fa-f]{4}", "four hex digits").upper()
    abbr = table.text("abbr", r"[A-Z][A-Z0-9]{0,15}", "capitals and digits, at most 16, a capital first")
    name = table.table("name")
    zh, en = name.text("zh", r"(?s).+", "a name"), name.text("en", r"(?s).+", "a name")
    name.close()
    table.close()
    return VendorName(code, abbr, zh, en)


def _driver(table: Table, folder: Path) -> DriverFile:
    kind = table.choice("kind", KINDS)
    name = table.text("file", r"[a-z0-9][a-z0-9_.+-]*", "a file's name in lower case, in the vendor's folder")
    ending = ".so" if kind == "native" else ".py"
    if kind and name and not name.endswith(ending):
        table.mistake("file", f"must end in {ending} for a {kind} driver")
    sha256 = table.text("sha256", r"[0-9A-Fa-f]{64}", "64 hex digits").lower()
    access = table.choice("access", ACCESSES, default="api")
    baud = 0
    if access == "serial":
        baud = table.number("baud", BAUDS[0], BAUDS[-1])
        if kind == "python":
            table.mistake("access", "must be 'api' for a python driver")
        if baud and baud not in BAUDS:
            table.mistake("baud", f"must be one of {', '.join(map(str, BAUDS))}")
    timeout_ms = table.number("timeout_ms", 1, TIMEOUT_MAX_MS)
    table.close()
    return DriverFile(kind, folder / name, sha256, access, baud, timeout_ms)


def _card(table: Table) -> CardMark:
    names = CardType.__members__
    name = table.choice("type", tuple(names))
    parts = table.tables("mark", inline=True)
    table.close()
    if not name:
        return CardMark(CardType.CPU)
    kind = names[name]
    if not parts:
        table.mistake("mark", "must have at least one entry")
    if kind is CardType.CPU:
        return CardMark(kind, cpu=tuple(_mark_apdu(part) for part in parts))
    memory = tuple(_mark_bytes(part, kind) for part in parts)
    content = b"".join(part.content for part in memory)
    if content and not content.strip(b"\x00\xff"):
        table.mistake("mark", "is only 00 or FF, as every new card is")
    if _contradicts(memory):
        table.mistake("mark", "wants two different bytes in one place and can never match")
    return CardMark(kind, memory=memory)


def _mark_bytes(table: Table, kind: CardType) -> MarkBytes:
    zone, addr = table.number("zone", 0, 255), table.number("addr", 0, 0xFFFF)
    content = table.hex("hex", 1, 256)
    table.close()
    there = CHIPS[kind].zones.get(zone)
    if there is None:
        table.mistake("zone", f"a {kind.name} has no zone {zone}")
    elif addr + len(content) > there.size:
        end = addr + len(content)
        table.mistake("addr", f"the mark ends at {end}, zone {zone} of a {kind.name} has {there.size} bytes")
    return MarkBytes(zone, addr, content)


def _mark_apdu(table: Table) -> MarkApdu:
    apdu = table.hex("apdu", 4, 261)
    begins = table.hex("begins", 0, 256, default="")
    table.close()
    if len(apdu) >= 4:
        extra = apdu[5:]
        if len(apdu) > 5 and (apdu[4] == 0 or len(extra) - apdu[4] not in (0, 1)):
            table.mistake("apdu", "is not a short APDU: its length and Lc do not fit")
        if apdu[1] not in LOOKING or apdu[0] == 0xFF:
            table.mistake("apdu", "must be a SELECT or a read: recognising a card changes nothing, presents no secret")
    return MarkApdu(apdu, begins)


def _contradicts(memory: tuple[MarkBytes, ...]) -> bool:
    held: dict[tuple[int, int], int] = {}
    return any(
        held.setdefault((part.zone, part.addr + at), byte) != byte
        for part in memory
        for at, byte in enumerate(part.content)
    )


def _sale(table: Table, has_cards: bool) -> SaleRules:
    regions = table.texts("regions", r"[0-9]{1,8}", "1–8 digits", least=1 if has_cards else 0)
    low, high = table.number("amount_min_fen", 1, 0xFFFFFFFF), table.number("amount_max_fen", 1, 0xFFFFFFFF)
    if low > high > 0:
        table.mistake("amount_min_fen", "is more than 'amount_max_fen'")
    password = table.text("password", r"[!-~]{0,64}", "a name in printable ASCII, or empty")
    table.close()
    return SaleRules(regions, low, high, password)
