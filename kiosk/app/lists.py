"""Signed lists of head office as files: the price list, and the customers whose meters have keypads.

A signed note (C2SP signed-note) carries a text. The price list is that text itself. The list of customers may be long:
the note's text is its heading, its version and the SHA-256 of the file beside it, as in ``sha256 <64 hex>``.
"""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

from kiosk.billing.book import PriceBook, parse_prices
from kiosk.billing.customers import HEADING, CustomerList, parse_customers
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
    body, _ = _signed(note, vkey_file, "F-704", "customer list")
    try:
        raw = file.read_bytes()
        text = raw.decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigFault("F-704", f"customer list {file}: {error}") from error
    told = re.fullmatch(rf"{re.escape(HEADING)}\nversion ([1-9][0-9]{{0,8}})\nsha256 ([0-9a-f]{{64}})\n", body)
    digest = sha256(raw).digest()
    if told is None or told[2] != digest.hex():
        raise ConfigFault("F-704", f"customer list {file} is not the one that {note} signs")
    listed = parse_customers(text)
    if listed.version != int(told[1]):
        raise ConfigFault("F-704", f"customer list {file} is version {listed.version}, {note} says {told[1]}")
    _not_older(listed.version, version_min, "F-704", f"customer list {file}")
    return listed, digest


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
