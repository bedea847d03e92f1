"""The signed price list file: a note (C2SP signed-note) whose text is the price list."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from kiosk.billing.book import PriceBook, parse_prices
from kiosk.ledger.note import Note, Vkey
from kiosk.model.errors import ConfigFault, LedgerFault


def load_prices(file: Path, vkey_file: Path, version_min: int) -> tuple[PriceBook, bytes]:
    """The price list and the SHA-256 of its file.

    Raises ConfigFault F-702: no such file, a signature that does not hold, an older list than ``version_min``, or any
    mistake in the text.
    """
    try:
        raw = file.read_bytes()
        note, vkey = Note.parse(raw.decode()), Vkey.parse(vkey_file.read_text().strip())
    except (OSError, UnicodeDecodeError, LedgerFault) as error:
        raise ConfigFault("F-702", f"price list {file}: {error}") from error
    good = [s for s in note.signatures if s.is_by(vkey) and vkey.verify(note.body.encode(), s.blob)]
    if not good:
        raise ConfigFault("F-702", f"price list {file} is not signed by {vkey.name}")
    book = parse_prices(note.body)
    if book.version < version_min:
        raise ConfigFault("F-702", f"price list {file} is version {book.version}; {version_min} was installed already")
    return book, sha256(raw).digest()
