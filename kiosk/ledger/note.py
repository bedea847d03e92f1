"""Signed notes, checkpoints and cosignatures: contract 2 §1 and §3; c2sp.org signed-note, tlog-checkpoint and
tlog-cosignature (v1, Ed25519).

A note is a text, a blank line, and signature lines. A checkpoint's text is three lines: origin, size, root. Everything
is strict: one byte form for each value, because what is signed, compared and sent on are bytes.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from kiosk.ledger.tree import HASH_BYTES
from kiosk.model.errors import LedgerFault

TERMINAL, HEAD_OFFICE = 0x01, 0x04  # signature types: Ed25519; timestamped Ed25519 cosignature
SIZE_MAX = 2**32 - 1
ORIGIN_BYTES_MAX = 120
NOTE_BYTES_MAX = 16_384
SIGNATURES_MAX = 16
KEY_BYTES, KEY_ID_BYTES, SIGNATURE_BYTES, TIME_BYTES = 32, 4, 64, 8
TIME_MAX = 2**63 - 1

_PART = "[a-z0-9][a-z0-9-]{0,31}"
_DOMAIN = rf"{_PART}(?:\.{_PART})*"
_ORIGIN = re.compile(rf"{_DOMAIN}/kiosk/{_PART}/{_PART}/[1-9][0-9]*")
_HEAD_OFFICE = re.compile(rf"{_DOMAIN}/ledger-hq/[1-9][0-9]*")
_PRICES = re.compile(rf"{_DOMAIN}/prices/[1-9][0-9]*")
_SIZE = re.compile("0|[1-9][0-9]*")
_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")
_DASH = "\u2014 "


def is_origin(name: str) -> bool:
    """Whether a text is the origin of a terminal's log: ``power.example/kiosk/420100/0007/1``."""
    return len(name) <= ORIGIN_BYTES_MAX and _ORIGIN.fullmatch(name) is not None


def is_head_office(name: str) -> bool:
    """Whether a text is the key name of a head office: ``power.example/ledger-hq/1``."""
    return _HEAD_OFFICE.fullmatch(name) is not None


def is_price_signer(name: str) -> bool:
    """Whether a text is the key name of whoever signs an operator's price lists: ``power.example/prices/1``."""
    return _PRICES.fullmatch(name) is not None


def key_id(name: str, kind: int, key: bytes) -> bytes:
    """First 4 bytes of SHA-256(name ‖ 0A ‖ type ‖ public key)."""
    return sha256(name.encode() + b"\n" + bytes([kind]) + key).digest()[:KEY_ID_BYTES]


@dataclass(frozen=True, slots=True)
class Vkey:
    """A public key with its name and signature type; as text ``name+hex key ID+base64(type ‖ key)``."""

    name: str
    type: int  # TERMINAL (also who signs price lists: plain Ed25519) or HEAD_OFFICE
    key: bytes  # 32 bytes, Ed25519

    def __post_init__(self) -> None:
        names = {TERMINAL: (is_origin, is_price_signer), HEAD_OFFICE: (is_head_office,)}.get(self.type, ())
        if not any(known(self.name) for known in names) or len(self.key) != KEY_BYTES:
            raise LedgerFault("L-501", f"not a key of a terminal or of head office: {self.name!r} type {self.type}")

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64_of(bytes([self.type]) + self.key)}"

    @property
    def key_id(self) -> bytes:
        """What a signature line names the key by, 4 bytes."""
        return key_id(self.name, self.type, self.key)

    @classmethod
    def parse(cls, text: str) -> Vkey:
        """The key a text says. Raises LedgerFault L-501 unless its key ID and form are exactly right."""
        parts = text.split("+", 2)  # the base64 may hold more of them
        if len(parts) != 3:
            raise LedgerFault("L-501", "a vkey has three parts")
        raw = bytes_of_base64(parts[2])
        vkey = cls(parts[0], raw[0] if raw else 0, raw[1:])
        if str(vkey) != text:
            raise LedgerFault("L-501", f"the key ID in the vkey of {vkey.name} is wrong")
        return vkey

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether the 64-byte signature over the message is this key's."""
        try:
            Ed25519PublicKey.from_public_bytes(self.key).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


class Signer(Protocol):
    """Whoever holds the private key of a vkey: a key file, or a token."""

    @property
    def vkey(self) -> Vkey:
        """The public half."""

    def sign(self, message: bytes) -> bytes:
        """64 bytes. Raises LedgerFault L-505 when the key cannot be reached."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's size and root under its name; as text three lines, each ended by LF."""

    origin: str
    size: int
    root: bytes  # 32 bytes

    def __str__(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64_of(self.root)}\n"

    @classmethod
    def parse(cls, body: str) -> Checkpoint:
        """The checkpoint a note's text says. Raises LedgerFault L-501 unless it is exactly three lines in form."""
        lines = body.split("\n")
        if len(lines) != 4 or lines[3]:
            raise LedgerFault("L-501", "a checkpoint has exactly three lines")
        origin, size, root = lines[0], lines[1], bytes_of_base64(lines[2])
        if not is_origin(origin) or not _SIZE.fullmatch(size) or len(size) > 10 or len(root) != HASH_BYTES:
            raise LedgerFault("L-501", "not a checkpoint of a terminal's log")
        if int(size) > SIZE_MAX:
            raise LedgerFault("L-501", f"a log ends at {SIZE_MAX} entries")
        return cls(origin, int(size), root)


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: key name, 4-byte key ID, and what follows it."""

    name: str
    key_id: bytes
    blob: bytes  # 64 bytes; a cosignature has 8 bytes of time before them

    def __str__(self) -> str:
        return f"{_DASH}{self.name} {base64_of(self.key_id + self.blob)}\n"

    @classmethod
    def parse(cls, line: str) -> Signature:
        """A line without its LF. Raises LedgerFault L-501."""
        name, space, coded = line.removeprefix(_DASH).partition(" ")
        raw = bytes_of_base64(coded)
        if not line.startswith(_DASH) or not name or not space or len(raw) <= KEY_ID_BYTES:
            raise LedgerFault("L-501", "not a signature line")
        if "+" in name or any(letter.isspace() for letter in name):
            raise LedgerFault("L-501", f"not a key name: {name!r}")
        return cls(name, raw[:KEY_ID_BYTES], raw[KEY_ID_BYTES:])

    def is_by(self, vkey: Vkey) -> bool:
        """Whether the line claims to be this key's."""
        return self.name == vkey.name and self.key_id == vkey.key_id


@dataclass(frozen=True, slots=True)
class Note:
    """A text and its signatures, not yet checked."""

    body: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return self.body + "\n" + "".join(map(str, self.signatures))

    @classmethod
    def parse(cls, text: str) -> Note:
        """The note a text says: 1 to 16 signatures. Raises LedgerFault L-501."""
        if len(text.encode(errors="replace")) > NOTE_BYTES_MAX or _CONTROL.search(text):
            raise LedgerFault("L-501", "a note is too long, or holds control characters")
        body, blank, lines = text.rpartition("\n\n")
        if not blank or not lines.endswith("\n"):
            raise LedgerFault("L-501", "a note is a text, a blank line, and signature lines")
        signatures = tuple(Signature.parse(line) for line in lines[:-1].split("\n"))
        if len(signatures) > SIGNATURES_MAX:
            raise LedgerFault("L-501", f"a note with {len(signatures)} signatures")
        return cls(body + "\n", signatures)


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A checkpoint that head office has cosigned, both signatures good. ``time`` in POSIX seconds."""

    checkpoint: Checkpoint
    time: int
    by: Vkey


def parse_checkpoint_note(text: str) -> tuple[Checkpoint, Signature]:
    """A terminal's checkpoint note: exactly one signature line, in its origin's name; not yet verified.

    Raises LedgerFault L-501 for a malformed one. ``signed_by`` says whether the signature holds.
    """
    note = Note.parse(text)
    checkpoint = Checkpoint.parse(note.body)
    if len(note.signatures) != 1 or note.signatures[0].name != checkpoint.origin:
        raise LedgerFault("L-501", "a checkpoint has one signature line, in its origin's name")
    return checkpoint, note.signatures[0]


def signed_by(vkey: Vkey, checkpoint: Checkpoint, signature: Signature) -> bool:
    """Whether a terminal's signature line is this key's and holds."""
    if vkey.type != TERMINAL or vkey.name != checkpoint.origin or not signature.is_by(vkey):
        return False
    return vkey.verify(str(checkpoint).encode(), signature.blob)


def open_checkpoint(text: str, vkey: Vkey) -> Checkpoint:
    """The checkpoint of a note that the terminal signed. Raises LedgerFault L-501 if malformed or not so signed."""
    checkpoint, signature = parse_checkpoint_note(text)
    if not signed_by(vkey, checkpoint, signature):
        raise LedgerFault("L-501", f"the signature on the checkpoint of {checkpoint.origin} does not hold")
    return checkpoint


def parse_cosigned_note(text: str) -> tuple[Checkpoint, Signature, Signature]:
    """Head office's answer: the terminal's note and one cosignature line; nothing verified yet. LedgerFault L-501."""
    note = Note.parse(text)
    checkpoint = Checkpoint.parse(note.body)
    if len(note.signatures) != 2 or note.signatures[0].name != checkpoint.origin:
        raise LedgerFault("L-501", "not a terminal's note with one cosignature")
    return checkpoint, note.signatures[0], note.signatures[1]


def open_cosigned(text: str, terminal: Vkey, head_offices: Iterable[Vkey]) -> Cosigned:
    """A cosigned checkpoint, both signatures checked. Raises LedgerFault L-501 if malformed or either does not hold."""
    checkpoint, signature, cosignature = parse_cosigned_note(text)
    if not signed_by(terminal, checkpoint, signature):
        raise LedgerFault("L-501", f"the signature on the checkpoint of {checkpoint.origin} does not hold")
    for vkey in head_offices:
        time = cosignature_time(vkey, checkpoint, cosignature)
        if time is not None:
            return Cosigned(checkpoint, time, vkey)
    raise LedgerFault("L-501", f"no cosignature of head office holds on the checkpoint of {checkpoint.origin}")


def claimed_time(line: Signature) -> int | None:
    """POSIX seconds that a cosignature line of a head office says; None if it is not one in form. Verifies nothing."""
    if not is_head_office(line.name) or len(line.blob) != TIME_BYTES + SIGNATURE_BYTES:
        return None
    time = int.from_bytes(line.blob[:TIME_BYTES])
    return time if 0 < time <= TIME_MAX else None


def cosignature_time(vkey: Vkey, checkpoint: Checkpoint, line: Signature) -> int | None:
    """POSIX seconds at which this head office cosigned; None if the line is not its, or does not hold."""
    time = claimed_time(line)
    if time is None or vkey.type != HEAD_OFFICE or not line.is_by(vkey):
        return None
    return time if vkey.verify(_cosigned(checkpoint, time), line.blob[TIME_BYTES:]) else None


def sign_checkpoint(signer: Signer, checkpoint: Checkpoint) -> str:
    """A terminal's checkpoint note."""
    return checkpoint_note(signer.vkey, checkpoint, signer.sign(str(checkpoint).encode()))


def checkpoint_note(vkey: Vkey, checkpoint: Checkpoint, signature: bytes) -> str:
    """The note of a checkpoint whose 64-byte signature is known."""
    return f"{checkpoint}\n{Signature(vkey.name, vkey.key_id, signature)}"


def cosign(text: str, signer: Signer, time: int) -> str:
    """A terminal's checkpoint note with head office's cosignature line added; ``time`` in POSIX seconds, never 0."""
    checkpoint, _ = parse_checkpoint_note(text)
    if signer.vkey.type != HEAD_OFFICE or not 0 < time <= TIME_MAX:
        raise ValueError(f"no cosignature by {signer.vkey.name} at {time}")
    blob = time.to_bytes(TIME_BYTES) + signer.sign(_cosigned(checkpoint, time))
    return text + str(Signature(signer.vkey.name, signer.vkey.key_id, blob))


def _cosigned(checkpoint: Checkpoint, time: int) -> bytes:
    return f"cosignature/v1\ntime {time}\n{checkpoint}".encode()


def base64_of(raw: bytes) -> str:
    """Padded base64."""
    return base64.b64encode(raw).decode("ascii")


def bytes_of_base64(text: str) -> bytes:
    """Canonical padded base64 only. Raises LedgerFault L-501."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise LedgerFault("L-501", "not base64") from error
    if base64_of(raw) != text:  # spare bits, or padding, of another form
        raise LedgerFault("L-501", "not canonical base64")
    return raw
