"""kiosk.toml → one frozen Config.

Each table of the file is one frozen dataclass below; its fields are the keys, with their defaults and units. An unknown
key is a slip of the pen and refused; all mistakes are reported together. Secrets are paths here, never values.
Relative paths count from the folder of kiosk.toml.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
import types
import typing
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kiosk.devices.acceptor.protocols import COIN_PROTOCOLS, NOTE_PROTOCOLS
from kiosk.devices.reader.commands import Choices
from kiosk.ledger.hardware.settings import KEPT, ChipSettings, TokenSettings
from kiosk.model.errors import ConfigFault

BAUDS = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
LABEL = r"[a-z0-9][a-z0-9-]{0,31}"
KEEP_DAYS_MIN = 30  # longer than head office goes without a backup


@dataclass(frozen=True, slots=True)
class Terminal:
    """Which terminal this is, and what its slips say."""

    domain: str  # the operator's, first part of the ledger's origin (contract 2 §1)
    region: str  # 区域码
    id: str  # 终端号
    operator_zh: str
    operator_en: str
    place_zh: str
    place_en: str
    phone: str
    folder: Path  # ledger, key and state of this terminal
    language: str = "zh-CN"
    utc_offset_minutes: int = 480
    heat_max_c: int = 85  # warmer than this inside, and no cash is taken


@dataclass(frozen=True, slots=True)
class Keys:
    """Where the secrets lie; the files must not be readable by others."""

    passphrase_file: Path  # opens the ledger's signing key
    vendor_secrets_file: Path  # TOML: name = "password", as the vendors' manifests name them
    kept: str = "file"  # where the signing key is: a "file", a "token" ([token]), or a file that a "chip" seals


@dataclass(frozen=True, slots=True)
class Reader:
    """The card reader: on PC/SC (`name`, `pcsc_socket`) or on a serial line (`path`, `baud`).

    Drivers of the old kind (`access = "serial"`) need one on a serial line.
    """

    kind: str = "pcsc"  # or "serial"
    name: str = ""  # part of the reader's PC/SC name; "" takes the first
    pcsc_socket: str = ""  # "" is pcscd's own
    path: str = ""  # the serial line, e.g. "/dev/ttyUSB0"; one of /dev/serial/by-id stays the same
    baud: int = 19200
    poll_ms: int = 250
    choices: Choices = field(default_factory=Choices)


@dataclass(frozen=True, slots=True)
class Acceptor:
    """The note acceptor."""

    path: str
    protocol: str = "ccnet"  # or "ssp", "cctalk", "id003"
    baud: int = 9600
    poll_ms: int = 0  # 0 leaves it to the protocol
    check: str = "sum"  # of ccTalk's frames: "sum" or "crc", as the device is set
    keeps_count: bool = False  # ccTalk: the device's manual says that its accept counter is kept without power
    key_file: Path | None = None  # SSP: 16 hex digits, the fixed key if it is not the makers' default


@dataclass(frozen=True, slots=True)
class Coins:
    """The coin acceptor; without a path there is none."""

    path: str = ""
    denominations_fen: tuple[int, ...] = (50, 100)  # the coins it takes
    protocol: str = "cctalk"  # there is no other yet
    baud: int = 9600
    poll_ms: int = 0  # 0 leaves it to the protocol
    check: str = "sum"  # or "crc", as the device is set
    keeps_count: bool = False  # the device's manual says that its accept counter is kept without power


@dataclass(frozen=True, slots=True)
class Printer:
    """The receipt printer; ESC/POS, 80 mm."""

    path: str
    baud: int = 115200


@dataclass(frozen=True, slots=True)
class Prices:
    """The signed price list."""

    file: Path
    vkey_file: Path


@dataclass(frozen=True, slots=True)
class Customers:
    """The signed list of customers whose meters have keypads; all three, or none. Signed by the price list's key."""

    file: Path | None = None
    note: Path | None = None  # head office's signature on it
    vkey_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Owed:
    """The signed list of vouchers to be brought to their cards; all three, or none. Signed by the price list's key."""

    file: Path | None = None
    note: Path | None = None  # head office's signature on it
    vkey_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Vendors:
    """The vendors whose cards are served: one folder each (contract 1 §9)."""

    folders: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class HeadOffice:
    """Where the records go; without a URL the terminal keeps them."""

    url: str = ""
    vkey_file: Path | None = None
    retry_min_ms: int = 5_000
    retry_max_ms: int = 3_600_000
    heartbeat_ms: int = 86_400_000
    limit_kbit_s: int = 0  # neither way faster; a little below a slow modem's speed is best; 0: no limit
    sell_in_quarantine: bool = False


@dataclass(frozen=True, slots=True)
class Downlink:
    """What head office publishes: fetched from `[head_office]` `url`, or read from a stick."""

    root_file: Path | None = None  # the TUF root given at enrolment; without it, `tuf-root.json` in the folder, if any
    poll_ms: int = 900_000  # how often it is looked for something new


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger on this terminal."""

    keep_days: int = 400  # what head office has had for longer, and nothing here needs, is deleted here; 0: never


@dataclass(frozen=True, slots=True)
class Screen:
    """The customers' screen."""

    width: int = 1024
    height: int = 600
    fullscreen: bool = False
    left: int = -1  # of the window; -1 leaves it to the window manager
    top: int = -1
    touch: str = ""  # a touch frame that speaks TUIO, e.g. "tuio,127.0.0.1:3333"; "" is the display's own touch
    shots_folder: Path | None = None  # a picture of each new screen goes here, and its words beside it


@dataclass(frozen=True, slots=True)
class Visit:
    """The sale. Money in fen, times in ms."""

    denominations_fen: tuple[int, ...] = (500, 1000, 2000, 5000, 10000)
    amounts_fen: tuple[int, ...] = (2000, 5000, 10000, 20000)
    visit_ms: int = 60_000
    paying_ms: int = 90_000
    away_ms: int = 60_000
    refused_ms: int = 30_000
    done_ms: int = 45_000
    note_ms: int = 8_000
    jam_ms: int = 45_000


@dataclass(frozen=True, slots=True)
class Config:
    """All settings."""

    terminal: Terminal
    keys: Keys
    acceptor: Acceptor
    printer: Printer
    prices: Prices
    vendors: Vendors
    token: TokenSettings = field(default_factory=TokenSettings)
    chip: ChipSettings = field(default_factory=ChipSettings)
    reader: Reader = field(default_factory=Reader)
    coins: Coins = field(default_factory=Coins)
    customers: Customers = field(default_factory=Customers)
    owed: Owed = field(default_factory=Owed)
    head_office: HeadOffice = field(default_factory=HeadOffice)
    downlink: Downlink = field(default_factory=Downlink)
    ledger: Ledger = field(default_factory=Ledger)
    screen: Screen = field(default_factory=Screen)
    visit: Visit = field(default_factory=Visit)

    @property
    def coins_fen(self) -> tuple[int, ...]:
        """The coins that are taken; none without a coin acceptor."""
        return self.coins.denominations_fen if self.coins.path else ()

    @property
    def home(self) -> Path:
        """Where the ledger and its key are: the terminal's folder, or its epoch's, which the file ``epoch`` names."""
        try:
            number = (self.terminal.folder / "epoch").read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return self.terminal.folder
        return self.terminal.folder / f"epoch-{number}"

    @property
    def journal(self) -> Path:
        """The ledger's file."""
        return self.home / "ledger.db"

    @property
    def signing_key(self) -> Path:
        """The terminal's encrypted signing key."""
        return self.home / "signing-key.pem"

    @property
    def sync_state(self) -> Path:
        """What the sync process knows of head office."""
        return self.terminal.folder / "sync.db"

    @property
    def downlink_folder(self) -> Path:
        """What came down from head office, verified; the sync process writes it."""
        return self.terminal.folder / "downlink"

    @property
    def tuf_root(self) -> Path:
        """The root of head office's repository, as it was given at enrolment; perhaps not there."""
        return self.downlink.root_file or self.terminal.folder / "tuf-root.json"

    @property
    def lists(self) -> Path:
        """The lists in force that came down; the terminal writes them."""
        return self.terminal.folder / "lists"

    @property
    def sent_vendors(self) -> Path:
        """Vendors' folders that head office sent, unpacked."""
        return self.terminal.folder / "vendors"

    @property
    def vkeys(self) -> Path:
        """All public keys, once head office has sent them."""
        return self.terminal.folder / "vkeys.txt"

    @property
    def sealing_key(self) -> Path:
        """What opens secrets that head office sealed to this terminal."""
        return self.terminal.folder / "sealing-key.pem"

    @property
    def place(self) -> str:
        """The ledger's origin without its epoch."""
        return f"{self.terminal.domain}/kiosk/{self.terminal.region}/{self.terminal.id}"

    def origin(self, epoch: int) -> str:
        """The ledger's origin in an epoch (contract 2 §1)."""
        return f"{self.place}/{epoch}"


def load_config(path: Path, *layers: Mapping[str, Mapping[str, Any]]) -> Config:
    """The configuration of a file, with layers of tables over it. Raises ConfigFault F-701 that lists every mistake."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigFault("F-701", f"{path}: {error}") from error
    for layer in layers:
        tables |= {name: {**tables.get(name, {}), **table} for name, table in layer.items()}
    mistakes: list[str] = []
    config = _build(Config, tables, "", path.resolve().parent, mistakes)
    mistakes += _sense(config) if isinstance(config, Config) else []
    if mistakes or not isinstance(config, Config):
        raise ConfigFault("F-701", f"{path}: " + "; ".join(mistakes))
    return config


def _build(kind: type, table: dict[str, Any], name: str, base: Path, mistakes: list[str]) -> object | None:
    hints = typing.get_type_hints(kind)
    fields = {f.name: f for f in dataclasses.fields(kind)}
    here = f"[{name}] " if name else ""
    mistakes += [f"{here}unknown key {key!r}" for key in table if key not in fields]
    before, values = len(mistakes), {}
    for key, spec in fields.items():
        if key in table:
            values[key] = _value(hints[key], table[key], key, here, base, mistakes)
        elif spec.default is dataclasses.MISSING and spec.default_factory is dataclasses.MISSING:
            mistakes.append(f"{here}{key!r} is missing")
    if len(mistakes) > before:
        return None
    try:
        return typing.cast("object", kind(**values))
    except ConfigFault as fault:
        mistakes.append(f"{here}{fault.args[0]}")
        return None


def _value(hint: Any, given: Any, key: str, here: str, base: Path, mistakes: list[str]) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(given, dict):
        return _build(typing.cast("type", hint), given, key, base, mistakes)
    if typing.get_origin(hint) is tuple and isinstance(given, list):
        item = typing.get_args(hint)[0]
        return tuple(_value(item, each, key, here, base, mistakes) for each in given)
    wanted = [arg for arg in typing.get_args(hint) if arg is not types.NoneType] or [hint]
    if wanted[0] is Path and isinstance(given, str):
        return (base / given).absolute()
    if type(given) is not wanted[0]:
        name = getattr(wanted[0], "__name__", str(hint))
        mistakes.append(f"{here}{key!r} must be a {name}, not {given!r}")
    return given


def _sense(config: Config) -> list[str]:
    terminal, visit = config.terminal, config.visit
    mistakes = [
        f"[terminal] {key!r} must be lower-case letters, digits and hyphens, at most 32"
        for key in ("region", "id")
        if not re.fullmatch(LABEL, getattr(terminal, key))
    ]
    if not re.fullmatch(rf"{LABEL}(\.{LABEL})*", terminal.domain) or len(config.origin(1)) > 110:
        mistakes.append("[terminal] 'domain' must be a domain name")
    if terminal.language not in ("zh-CN", "en"):
        mistakes.append("[terminal] 'language' must be zh-CN or en")
    if not visit.denominations_fen or min((*visit.denominations_fen, *visit.amounts_fen)) <= 0:
        mistakes.append("[visit] amounts must be whole fen above 0")
    if config.keys.kept not in KEPT or (config.keys.kept == "token" and config.token.module is None):
        mistakes.append(f"[keys] 'kept' must be one of {', '.join(KEPT)}; a token needs the table [token]")
    mistakes += _reader_sense(config.reader)
    mistakes += _cash_sense("acceptor", config.acceptor, NOTE_PROTOCOLS)
    mistakes += _cash_sense("coins", config.coins, COIN_PROTOCOLS)
    if config.coins.path == config.acceptor.path:
        mistakes.append("[coins] 'path' is the note acceptor's: each needs a line of its own")
    if config.coins.path and min(config.coins.denominations_fen, default=0) <= 0:
        mistakes.append("[coins] 'denominations_fen' must be whole fen above 0")
    for name, listed in (("customers", config.customers), ("owed", config.owed)):
        three = (listed.file, listed.note, listed.vkey_file)
        if any(three) and not all(three):
            mistakes.append(f"[{name}] 'file', 'note' and 'vkey_file' belong together")
    if config.downlink.poll_ms < 1_000:
        mistakes.append("[downlink] 'poll_ms' must be 1000 or more")
    if config.ledger.keep_days and config.ledger.keep_days < KEEP_DAYS_MIN:
        mistakes.append(f"[ledger] 'keep_days' must be {KEEP_DAYS_MIN} or more, or 0 to keep everything")
    if config.head_office.url and config.head_office.vkey_file is None:
        mistakes.append("[head_office] 'vkey_file' is missing")
    return mistakes


def _cash_sense(name: str, device: Acceptor | Coins, protocols: Collection[str]) -> list[str]:
    mistakes = []
    if device.protocol not in protocols:
        mistakes.append(f"[{name}] 'protocol' must be one of {', '.join(protocols)}, not {device.protocol!r}")
    if device.baud not in BAUDS:
        mistakes.append(f"[{name}] 'baud' must be one of {', '.join(map(str, BAUDS))}")
    if device.poll_ms < 0:
        mistakes.append(f"[{name}] 'poll_ms' must not be below 0")
    if device.check not in ("sum", "crc"):
        mistakes.append(f"[{name}] 'check' must be sum or crc, not {device.check!r}")
    return mistakes


def _reader_sense(reader: Reader) -> list[str]:
    if reader.kind not in ("pcsc", "serial"):
        return [f"[reader] 'kind' must be pcsc or serial, not {reader.kind!r}"]
    foreign = ("path", "baud") if reader.kind == "pcsc" else ("name", "pcsc_socket")
    mistakes = [
        f"[reader] {key!r} has no meaning with kind = '{reader.kind}'"
        for key in foreign
        if getattr(reader, key) != getattr(Reader(), key)
    ]
    if reader.kind == "serial" and not reader.path:
        mistakes.append("[reader] 'path' is missing: the serial line of the reader")
    if reader.baud not in BAUDS:
        mistakes.append(f"[reader] 'baud' must be one of {', '.join(map(str, BAUDS))}")
    return mistakes
