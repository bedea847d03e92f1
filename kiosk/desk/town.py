"""The town around one kiosk: keys, price list, settings, enrolment at head office. Laid out once in a folder.

Everything here is what an operator does when a terminal is set up; the files are the production program's own.
"""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kiosk.billing.book import PriceBook
from kiosk.billing.customers import CustomerList, customers_note
from kiosk.desk.keypads import who_has
from kiosk.desk.programs import call, free_port
from kiosk.drivers.manifest import load_manifest
from kiosk.drivers.sdk.kit.folder import load_folder
from kiosk.ledger.keys import make_key
from kiosk.ledger.note import Note, Signature, Signer

DOMAIN, REGION, TERMINAL = "power.example", "420100", "0007"
WINDOW_AT = "left = 0\ntop = 40"
LISTS = """\
[prices]
file = "prices.note"
vkey_file = "prices.vkey"

[customers]
file = "customers.txt"
note = "customers.note"
vkey_file = "prices.vkey"
"""
PRICES = (5600, 5283, 6120, 4980)  # 0.0001 yuan per kWh, one vendor after the other


@dataclass(frozen=True, slots=True)
class Town:
    """Where everything lies. ``vendors``: their folders, in the order of the configuration."""

    folder: Path
    vendors: tuple[Path, ...]
    hq_port: int
    touch_port: int
    shots: Path  # pictures of the kiosk's screens
    reader: str = "pcsc"  # or "serial"
    acceptor: str = "ccnet"  # the note acceptor's protocol

    @property
    def config(self) -> Path:
        """The kiosk's settings."""
        return self.folder / "kiosk.toml"

    @property
    def hq(self) -> Path:
        """Head office's folder."""
        return self.folder / "hq"

    @property
    def kiosk(self) -> Path:
        """The terminal's folder."""
        return self.folder / "kiosk"

    @property
    def acceptor_line(self) -> Path:
        """The note acceptor's serial line."""
        return self.folder / "lines" / "acceptor"

    @property
    def coins_line(self) -> Path:
        """The coin acceptor's serial line."""
        return self.folder / "lines" / "coins"

    @property
    def printer_line(self) -> Path:
        """The printer's serial line."""
        return self.folder / "lines" / "printer"

    @property
    def reader_line(self) -> Path:
        """The card reader's serial line, if it is on one."""
        return self.folder / "lines" / "reader"

    @property
    def pcscd(self) -> Path:
        """Folder of the private pcscd."""
        return self.folder / "pcscd"

    @property
    def kiosk_vkey(self) -> Path:
        """The terminal's public key."""
        return self.folder / "kiosk.vkey"

    @property
    def hq_vkey(self) -> Path:
        """Head office's public key."""
        return self.folder / "hq.vkey"


def lay_out(
    folder: Path,
    vendors: Sequence[Path],
    shots: Path,
    changes: str = "",
    reader: str = "pcsc",
    acceptor: str = "ccnet",
) -> Town:
    """Lays the town out in ``folder``, or takes it up as it lies there (ports are new each time).

    ``changes`` are lines added to kiosk.toml's [visit] table. Raises ConfigFault F-701 for an ``acceptor`` that the
    kiosk does not speak with.
    """
    town = Town(
        folder.resolve(),
        tuple(v.resolve() for v in vendors),
        free_port(),
        free_port(socket.SOCK_DGRAM),
        shots.resolve(),
        reader,
        acceptor,
    )
    for part in (town.hq, town.kiosk, town.acceptor_line.parent, town.pcscd):
        part.mkdir(parents=True, exist_ok=True)
    if not town.kiosk_vkey.exists():
        _secret(folder / "passphrase", secrets.token_hex(16))
        _secret(folder / "vendor-secrets.toml", "".join(_vendor_secret(v) for v in town.vendors))
        _publish_lists(town)
        town.hq_vkey.write_text(call("hq", "init", "--data", town.hq, "--domain", DOMAIN), encoding="ascii")
    town.config.write_text(_settings(town, changes), encoding="utf-8")
    if not town.kiosk_vkey.exists():
        vkey = call("enrol", "--config", town.config)
        call("hq", "enrol", vkey.strip(), "--data", town.hq)
        town.kiosk_vkey.write_text(vkey, encoding="ascii")
    return town


def _secret(path: Path, content: str) -> None:
    path.touch(mode=0o600)
    path.write_text(content, encoding="utf-8")


def _vendor_secret(folder: Path) -> str:
    vendor = load_folder(folder)
    name = vendor.manifest.sale.password
    return f"{name} = {json.dumps(vendor.password)}\n" if name else ""


def _publish_lists(town: Town) -> None:
    codes = [load_manifest(folder).vendor.code for folder in town.vendors]
    book = PriceBook(1, dict(zip(codes, (PRICES[n % len(PRICES)] for n in range(len(codes))), strict=True)))
    signer = make_key(town.folder / "price-key.pem", town.folder / "passphrase", f"{DOMAIN}/prices/1")
    (town.folder / "prices.note").write_text(_signed(signer, book.text()), encoding="utf-8")
    (town.folder / "prices.vkey").write_text(f"{signer.vkey}\n", encoding="ascii")
    keypads = [manifest for manifest in map(load_manifest, town.vendors) if manifest.keypad]
    listed = [who_has(number, manifest) for number, manifest in enumerate(keypads)]
    customers = CustomerList(1, {who.customer: who for who in listed})
    (town.folder / "customers.txt").write_text(customers.text(), encoding="ascii")
    (town.folder / "customers.note").write_text(_signed(signer, customers_note(customers)), encoding="utf-8")


def _signed(signer: Signer, body: str) -> str:
    signature = Signature(signer.vkey.name, signer.vkey.key_id, signer.sign(body.encode()))
    return str(Note(body, (signature,)))


def _reader(town: Town) -> str:
    if town.reader == "serial":
        return f'kind = "serial"\npath = {json.dumps(str(town.reader_line))}'
    return f"pcsc_socket = {json.dumps(str(town.pcscd / 'pcscd.comm'))}"


def _settings(town: Town, changes: str) -> str:
    folders = ", ".join(json.dumps(str(folder)) for folder in town.vendors)
    return f"""\
[terminal]
domain = "{DOMAIN}"
region = "{REGION}"
id = "{TERMINAL}"
operator_zh = "示范电力公司"
operator_en = "Example Power"
place_zh = "一号楼大厅"
place_en = "Building 1"
phone = "95598"
folder = "kiosk"

[keys]
passphrase_file = "passphrase"
vendor_secrets_file = "vendor-secrets.toml"

[reader]
{_reader(town)}

[acceptor]
path = {json.dumps(str(town.acceptor_line))}
protocol = {json.dumps(town.acceptor)}

[coins]
path = {json.dumps(str(town.coins_line))}

[printer]
path = {json.dumps(str(town.printer_line))}

{LISTS}
[vendors]
folders = [{folders}]

[head_office]
url = "http://127.0.0.1:{town.hq_port}"
vkey_file = "hq.vkey"
retry_min_ms = 1000

[screen]
touch = "tuio,127.0.0.1:{town.touch_port}"
shots_folder = {json.dumps(str(town.shots))}
{WINDOW_AT}

[visit]
{changes}
"""
