"""Signed lists of head office as files: prices, customers whose meters have keypads, vouchers for cards.

A signed note (C2SP signed-note) carries a text. The price list is that text itself. The other lists may be long: the
note's text is the heading, the version and the SHA-256 of the file beside it, as in ``sha256 <64 hex>``.
"""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

from kiosk.billing import customers, owed
from kiosk.billing.book import PriceBook, parse_prices
from kiosk.billing.customers import CustomerList, parse_customers
from kiosk.billing.owed import OwedList, parse_owed
from kiosk.ledger.note import Note, Vkey
from kiosk.model.errors import ConfigFault, LedgerFault


def load_prices(file: Path, vkey_file: Path, version_min: int) -> tuple[PriceBook, bytes]:
    """The price list and the SHA-256 of its file.

    Raises ConfigFault F-702: no such file, a signature that does not hold, an older list than ``version_min``, or any
    mistake in the text.
    """
    body, digest = _signed(file, vkey_file, "F-702", "price list")
    book = parse_prices(body)
    _not_older(book.version, version_min, "F-702", f"price list {file}")
    return book, digest


def load_customers(note: Path, file: Path, vkey_file: Path, version_min: int) -> tuple[CustomerList, bytes]:
    """The list of customers with keypad meters, and the SHA-256 of its file. Raises ConfigFault F-704 as above."""
    code, what = "F-704", f"customer list {file}"
    text, told, digest = _beside(note, file, vkey_file, customers.HEADING, code, "customer list")
    listed = parse_customers(text)
    _right_version(listed.version, told, version_min, code, what)
    return listed, digest


def load_owed(note: Path, file: Path, vkey_file: Path, version_min: int) -> tuple[OwedList, bytes]:
    """The list of vouchers for cards, and the SHA-256 of its file. Raises ConfigFault F-705 as above."""
    code, what = "F-705", f"list of vouchers {file}"
    text, told, digest = _beside(note, file, vkey_file, owed.HEADING, code, "list of vouchers")
    listed = parse_owed(text)
    _right_version(listed.version, told, version_min, code, what)
    return listed, digest


def _beside(note: Path, file: Path, vkey_file: Path, heading: str, code: str, what: str) -> tuple[str, int, bytes]:
    """The text of a file that a signed note names by its sum; the version that the note says; the sum."""
    body, _ = _signed(note, vkey_file, code, what)
    try:
        raw = file.read_bytes()
        text = raw.decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigFault(code, f"{what} {file}: {error}") from error
    told = re.fullmatch(rf"{re.escape(heading)}\nversion ([1-9][0-9]{{0,8}})\nsha256 ([0-9a-f]{{64}})\n", body)
    digest = sha256(raw).digest()
    if told is None or told[2] != digest.hex():
        raise ConfigFault(code, f"{what} {file} is not the one that {note} signs")
    return text, int(told[1]), digest


def _right_version(version: int, told: int, version_min: int, code: str, what: str) -> None:
    if version != told:
        raise ConfigFault(code, f"{what} is version {version}, its note says {told}")
    _not_older(version, version_min, code, what)


def _signed(file: Path, vkey_file: Path, code: str, what: str) -> tuple[str, bytes]:
    """The note's text and the SHA-256 of its file."""
    try:
        raw = file.read_bytes()
        note, vkey = Note.parse(raw.decode()), Vkey.parse(vkey_file.read_text().strip())
    except (OSError, UnicodeDecodeError, LedgerFault) as error:
        raise ConfigFault(code, f"{what} {file}: {error}") from error
    if not any(s.is_by(vkey) and vkey.verify(note.body.encode(), s.blob) for s in note.signatures):
        raise ConfigFault(code, f"{what} {file} is not signed by {vkey.name}")
    return note.body, sha256(raw).digest()


def _not_older(version: int, version_min: int, code: str, what: str) -> None:
    if version < version_min:
        raise ConfigFault(code, f"{what} is version {version}; {version_min} was installed already")
