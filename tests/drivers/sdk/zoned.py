"""TST's card on every family: its addresses 32 … 255 are the family's first 224 bytes of the vendor's, zone by zone."""

from __future__ import annotations

import hashlib
from pathlib import Path

from kit_bench import HERE, MANIFEST
from tst_driver import Driver, Refused

from kiosk.drivers.sdk import CardPortError
from kiosk.drivers.sdk.kit.layout import layout_of
from kiosk.model.card import CardType
from kiosk.model.cardport import BAD_ARGUMENT, DENIED
from kiosk.model.chip import CHIPS

ADAPTOR = '''
PLACES = {places!r}
KEYED = {keyed!r}


class Flat:
    """Reads and writes as on an SLE4442, whose first 32 bytes are the maker's."""

    def __init__(self, icdev, secret):
        self.icdev, self.secret = icdev, secret

    def __getattr__(self, name):
        return getattr(self.icdev, name)

    def read(self, zone, addr, length):
        found = bytearray(256)
        for zone, first, at, count in runs(32, len(PLACES)):
            if KEYED:
                self.icdev.verify(2 * zone + 1, self.secret)
            found[at : at + count] = self.icdev.read(zone, first, count)
        return bytes(found[addr : addr + length])

    def write(self, zone, addr, data):
        for zone, first, at, count in runs(addr, len(data)):
            if KEYED:
                self.icdev.verify(2 * zone + 1, self.secret)
            self.icdev.write(zone, first, data[at - addr : at - addr + count])


def runs(addr, length):
    """Zone, address in it, flat address, bytes: one after the other."""
    at = addr
    while at < addr + length:
        zone, first = PLACES[at - 32]
        count = 1
        while at + count < addr + length and PLACES[at + count - 32] == (zone, first + count):
            count += 1
        yield zone, first, at, count
        at += count
'''


def places_of(kind: CardType) -> tuple[tuple[int, int], ...]:
    """Zone and address of each flat address from 32 on, and of the vendor's bytes that TST does not use."""
    chip = CHIPS[kind]
    return layout_of(chip, chip.image_size).places


def adaptor(kind: CardType) -> dict:
    """The module's names: Flat and runs."""
    found: dict = {}
    exec(adaptor_source(kind), found)
    return found


def adaptor_source(kind: CardType) -> str:
    """The adaptor, as it stands before the meter too."""
    return ADAPTOR.format(places=places_of(kind)[:224], keyed=kind is CardType.MIFARE1K)


class Zoned(Driver):
    """TST on another family. On MIFARE every sector is opened with key B when it is read or written."""

    opened = b""

    def __init__(self, kind: CardType) -> None:
        self.kind, self.places, self.flat = kind, places_of(kind), adaptor(kind)["Flat"]
        self.chip, self.keyed = CHIPS[kind], kind is CardType.MIFARE1K

    def describe(self):
        return {**super().describe(), 0x0104: bytes((self.kind,))}

    def act(self, icdev, command, data, password):
        if command not in self.commands or icdev is None:
            return super().act(icdev, command, data, password)
        self.opened = bytes.fromhex(password) if self.keyed and len(password) == 12 else b""
        self.real, port = icdev, self.flat(icdev, self.opened)
        port.card_type = lambda: {0: 0, self.kind: 21}.get(icdev.card_type(), 1)
        return super().act(port, command, data, password)

    def read_image(self, icdev):
        if self.keyed and not self.opened:
            raise Refused(0x06)
        try:
            return super().read_image(icdev)
        except Refused as fault:
            if isinstance(fault.__cause__, CardPortError) and fault.__cause__.code in (DENIED, BAD_ARGUMENT):
                raise Refused(0x06) from fault
            raise

    def marking(self, command, image):
        steps = super().marking(command, image)
        rest = self.places[224:] if steps else ()
        for zone in sorted({zone for zone, _ in rest}):
            first, last = (pick(addr for there, addr in rest if there == zone) for pick in (min, max))
            if self.keyed:
                self.real.verify(2 * zone + 1, self.opened)
            if self.real.read(zone, first, last - first + 1).strip(b"\0\xff"):
                raise Refused(0x05)
        return steps

    def secret(self, icdev, password):
        if not self.chip.counts_tries:
            return
        try:
            tries = icdev.tries_left(0)
        except CardPortError:
            tries = 0
        if tries < 2:
            raise Refused(0x07)
        try:
            secret = bytes.fromhex(password)
        except ValueError:
            raise Refused(0x06) from None
        if len(secret) != self.chip.secrets[0]:
            raise Refused(0x06)
        try:
            icdev.verify(0, secret)
        except CardPortError as fault:
            raise Refused(0x07 if fault.code == -5 else 0x06, 0) from fault


def zoned_folder(folder: Path, kind: CardType) -> Path:
    """The vendor's folder for that family."""
    chip, names = CHIPS[kind], adaptor(kind)
    keyed = kind is CardType.MIFARE1K
    secret = bytes.fromhex("A1B2C3D4E5F6")[: chip.secrets.get(0, 0)]
    (zone, addr), *_ = names["PLACES"]
    source = (HERE / "tst_driver.py").read_bytes()
    toml = MANIFEST.format(sha256=hashlib.sha256(source).hexdigest())
    toml = toml.replace('"SLE4442"', f'"{kind.name}"').replace("zone = 0, addr = 32", f"zone = {zone}, addr = {addr}")
    meter = (HERE / "tst_meter.py").read_text().replace('SECRET = bytes.fromhex("A1B2C3")', f"SECRET = {secret!r}")
    meter = meter.replace("    image = icdev", "    icdev = Flat(icdev, SECRET)\n    image = icdev")
    if keyed or not secret:
        meter = meter.replace("    icdev.verify(0, SECRET)\n", "")
    layout = layout_of(chip, chip.raw_size or chip.image_size)
    blank = layout.with_user(b"\xff" * layout.size, b"TST1".ljust(len(layout.places), b"\xff"))
    if keyed:  # the mark's sector can be read with a public key, the others only with the vendor's
        for number, span in enumerate(layout.spans):
            key = b"\xff" * 6 if number == 0 else secret[::-1]
            trailer = key + bytes.fromhex("7F078869") + secret
            blank = blank[: span.at + 48] + trailer + blank[span.at + 64 :]
        blank = bytes.fromhex("4B494F539D080400") + bytes(8) + blank[16:]
    (folder / "conformance").mkdir(parents=True)
    (folder / "driver.py").write_bytes(source)
    (folder / "vendor.toml").write_text(toml, "utf-8")
    told = f'password = "{secret.hex()}"\nsecret = "{secret.hex()}"\n'
    (folder / "conformance" / "blank.toml").write_text(told)
    (folder / "conformance" / "meter.py").write_text(adaptor_source(kind) + meter)
    (folder / "conformance" / "blank.bin").write_bytes(blank)
    return folder
