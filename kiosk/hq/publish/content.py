"""What may be published under which name: each file is read here as the terminals will read it, before it is signed."""

from __future__ import annotations

import io
import re
import tarfile
import tomllib
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

from kiosk.billing.blocked import parse_blocked
from kiosk.billing.book import parse_prices
from kiosk.billing.customers import parse_customers
from kiosk.billing.messages import parse_messages
from kiosk.billing.owed import parse_owed
from kiosk.billing.settings import parse_settings
from kiosk.hq.publish.repository import Repository
from kiosk.ledger.note import Vkey
from kiosk.ledger.sealing import parse_sealed
from kiosk.model import targets
from kiosk.model.errors import ConfigFault, LedgerFault

_VERSION = re.compile(rb"^version *=? *([1-9][0-9]{0,8}) *(?:#.*)?$", re.M)

PARSERS: Mapping[str, Callable[[str], object]] = {
    targets.PRICES: parse_prices,
    targets.OWED: parse_owed,
    targets.BLOCKED: parse_blocked,
    targets.MESSAGES: parse_messages,
    targets.CUSTOMERS: parse_customers,
    targets.SECRETS: parse_sealed,
    targets.SETTINGS: parse_settings,
    targets.OWN_SETTINGS: parse_settings,
}
CODES = {
    targets.PRICES: "F-702",
    targets.OWED: "F-705",
    targets.BLOCKED: "F-712",
    targets.MESSAGES: "F-713",
    targets.CUSTOMERS: "F-704",
    targets.SECRETS: "F-715",
    targets.SETTINGS: "F-718",
    targets.OWN_SETTINGS: "F-718",
}


def checked(repository: Repository, path: str, file: Path) -> bytes:
    """A file's content, fit to be published under a name.

    Raises ConfigFault with the kind's own code (F-702 …): it cannot be read, is not such a list, or is not newer than
    the one that is published and another.
    """
    kind = path.rpartition("/")[2] if path.startswith("terminals/") else path
    code = CODES[kind]
    try:
        content = file.read_bytes()
        PARSERS[kind](content.decode())
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigFault(code, f"{file}: {error}") from error
    if kind == targets.SECRETS and path != targets.for_terminal(parse_sealed(content.decode()).terminal, kind):
        raise ConfigFault(code, f"{file} is sealed to another terminal than {path}")
    before = repository.content(path)
    if before not in (None, content) and version_of(content) <= version_of(before or b""):
        told = f"version {version_of(content)}, published is version {version_of(before or b'')}"
        raise ConfigFault(code, f"{file}: {told}; give it a higher one, terminals take no other")
    return content


def version_of(content: bytes) -> int:
    """The version that a list says; 0 without one."""
    found = _VERSION.search(content)
    return int(found[1]) if found else 0


def vkeys_text(vkeys: list[str]) -> bytes:
    """The list of all vkeys: one a line, LF (contract 2 §7). Raises LedgerFault L-501 for a line that is none."""
    if not vkeys:
        raise LedgerFault("L-501", "there is no key to publish yet")
    return "".join(f"{Vkey.parse(line)}\n" for line in vkeys).encode("ascii")


def vendor_tar(folder: Path) -> tuple[str, bytes]:
    """A vendor's folder as one file, always the same for the same folder, and the name it is published under.

    Raises ConfigFault F-703 unless it has a vendor.toml whose driver's file is there and is the one it names. The rest
    is for `kiosk driver check`, which every terminal runs before it serves the vendor.
    """
    folder = folder.resolve()
    path = f"vendors/{folder.name}.tar"
    try:
        driver = tomllib.loads((folder / "vendor.toml").read_text(encoding="utf-8"))["driver"]
        found = sha256((folder / driver["file"]).read_bytes()).hexdigest()
        files = sorted(each for each in folder.rglob("*") if each.is_file() and not _is_left_out(each, folder))
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for file in files:
                member = tarfile.TarInfo(f"{folder.name}/{file.relative_to(folder).as_posix()}")
                content = file.read_bytes()
                member.size, member.mode = len(content), 0o644
                tar.addfile(member, io.BytesIO(content))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigFault("F-703", f"{folder}: {error}") from error
    if found != driver.get("sha256") or not targets.vendor_in(path):
        raise ConfigFault("F-703", f"{folder}: another driver's file than vendor.toml names, or no plain name")
    return path, buffer.getvalue()


def _is_left_out(file: Path, folder: Path) -> bool:
    return any(part.startswith((".", "__pycache__")) for part in file.relative_to(folder).parts)
