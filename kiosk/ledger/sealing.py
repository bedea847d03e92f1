"""Secrets sealed to one terminal: only its own key opens them, and nobody who carries them reads them.

::

    prepaid-kiosk/sealed/v1
    terminal 420100/0007
    version 3
    key <64 hex: SHA-256 of the terminal's sealing key>
    <one line of base64: 32 bytes X25519 | 1088 bytes ML-KEM-768 | ChaCha20-Poly1305 of the content, 16 bytes tag>

A hybrid: whoever wants to read it must break both X25519 (RFC 7748) and ML-KEM-768 (FIPS 203), so what is recorded
today stays shut when one of them falls. The ChaCha20-Poly1305 key (RFC 8439) is HKDF-SHA256 (RFC 5869) of both shared
secrets, X25519's first, without salt, ``info`` = first line ‖ both public keys ‖ what they were sent; a fresh one each
time, so the nonce is 0. The four lines above are authenticated with the content.

It hides; it does not say who sealed it. That is for the TUF repository that carries it. ``version`` only rises: the
terminal takes none below the one its ledger says is in force.

The terminal's key is two PEM blocks, encrypted like its signing key; the public half one line:
``seal1+420100/0007+<base64: 32 bytes X25519 | 1184 bytes ML-KEM-768>``.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from kiosk.ledger.keys import passphrase_in, write_new
from kiosk.model.errors import ConfigFault, LedgerFault
from kiosk.model.targets import is_terminal

HEADING, PUBLIC = "prepaid-kiosk/sealed/v1", "seal1"
X25519_BYTES, MLKEM_KEY_BYTES, MLKEM_TEXT_BYTES, KEY_BYTES = 32, 1184, 1088, 32
PUBLIC_BYTES = X25519_BYTES + MLKEM_KEY_BYTES
SEALED_BYTES_MAX = 1 << 20
NONCE = bytes(12)
_HEAD = re.compile(
    re.escape(HEADING) + r"\nterminal ([a-z0-9/-]+)\nversion ([1-9][0-9]{0,8})\nkey ([0-9a-f]{64})\n([A-Za-z0-9+/=]+)\n"
)


@dataclass(frozen=True, slots=True)
class SealingKey:
    """A terminal's public half. ``terminal``: REGION/TERMINAL; 32 bytes X25519 and 1184 bytes ML-KEM-768."""

    terminal: str
    raw: bytes

    def __str__(self) -> str:
        return f"{PUBLIC}+{self.terminal}+{base64.b64encode(self.raw).decode()}"

    @property
    def digest(self) -> bytes:
        """SHA-256 of the key: what a sealed text names it by."""
        return sha256(self.raw).digest()

    @classmethod
    def parse(cls, text: str) -> SealingKey:
        """The key a line says. Raises LedgerFault L-501."""
        word, _, rest = text.partition("+")
        terminal, _, coded = rest.partition("+")
        try:
            raw = base64.b64decode(coded, validate=True)
        except ValueError:
            raw = b""
        key = cls(terminal, raw)
        if word != PUBLIC or not is_terminal(terminal) or len(raw) != PUBLIC_BYTES or str(key) != text:
            raise LedgerFault("L-501", "not a terminal's sealing key: give the whole line that the terminal printed")
        return key


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed text, not opened."""

    terminal: str
    version: int
    digest: bytes  # of the key it is sealed to
    body: bytes

    def text(self) -> str:
        """The canonical text."""
        return f"{self.head()}{base64.b64encode(self.body).decode()}\n"

    def head(self) -> str:
        """The lines that are authenticated with the content."""
        return f"{HEADING}\nterminal {self.terminal}\nversion {self.version}\nkey {self.digest.hex()}\n"


class Opener:
    """The terminal's private half. Holds it in memory."""

    __slots__ = ("_mlkem", "_x25519", "key")

    def __init__(self, terminal: str, x25519: X25519PrivateKey, mlkem: MLKEM768PrivateKey) -> None:
        self._x25519, self._mlkem = x25519, mlkem
        raw = x25519.public_key().public_bytes_raw() + mlkem.public_key().public_bytes_raw()
        self.key = SealingKey(terminal, raw)

    def open(self, sealed: Sealed) -> bytes:
        """The content. Raises ConfigFault F-715 where it is not sealed to this key, or a byte of it was changed."""
        if sealed.digest != self.key.digest or sealed.terminal != self.key.terminal:
            raise ConfigFault("F-715", f"the secrets are sealed to another key, of terminal {sealed.terminal}")
        sent, box = sealed.body[: X25519_BYTES + MLKEM_TEXT_BYTES], sealed.body[X25519_BYTES + MLKEM_TEXT_BYTES :]
        try:
            one = self._x25519.exchange(X25519PublicKey.from_public_bytes(sent[:X25519_BYTES]))
            two = self._mlkem.decapsulate(sent[X25519_BYTES:])
            return ChaCha20Poly1305(_derived(one + two, self.key.raw + sent)).decrypt(
                NONCE, box, sealed.head().encode()
            )
        except (InvalidTag, ValueError) as error:
            raise ConfigFault("F-715", "the sealed secrets were changed on the way, or are damaged") from error


def seal(key: SealingKey, version: int, content: bytes) -> Sealed:
    """Seals to a terminal's key. ``version`` from 1, higher than the last."""
    assert version > 0 and is_terminal(key.terminal), "a version from 1, a terminal's key"
    passing = X25519PrivateKey.generate()
    one = passing.exchange(X25519PublicKey.from_public_bytes(key.raw[:X25519_BYTES]))
    two, encapsulated = MLKEM768PublicKey.from_public_bytes(key.raw[X25519_BYTES:]).encapsulate()
    sent = passing.public_key().public_bytes_raw() + encapsulated
    empty = Sealed(key.terminal, version, key.digest, b"")
    box = ChaCha20Poly1305(_derived(one + two, key.raw + sent)).encrypt(NONCE, content, empty.head().encode())
    return Sealed(key.terminal, version, key.digest, sent + box)


def parse_sealed(text: str) -> Sealed:
    """The sealed text, not opened. Raises ConfigFault F-715 unless its form is exactly right."""
    told = _HEAD.fullmatch(text) if len(text) <= SEALED_BYTES_MAX else None
    if told is None or not is_terminal(told[1]):
        raise ConfigFault("F-715", "not sealed secrets")
    try:
        body = base64.b64decode(told[4], validate=True)
    except ValueError:
        body = b""
    sealed = Sealed(told[1], int(told[2]), bytes.fromhex(told[3]), body)
    if sealed.text() != text or len(body) < X25519_BYTES + MLKEM_TEXT_BYTES:
        raise ConfigFault("F-715", "not sealed secrets: not canonical base64, or too short")
    return sealed


def make_sealing_key(path: Path, passphrase_file: Path, terminal: str) -> SealingKey:
    """Makes a terminal's sealing key, durable, for its owner's eyes; never over another. LedgerFault L-505."""
    passphrase = passphrase_in(passphrase_file)
    x25519, mlkem = X25519PrivateKey.generate(), MLKEM768PrivateKey.generate()
    locked = BestAvailableEncryption(passphrase)
    pem = b"".join(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked) for key in (x25519, mlkem))
    try:
        write_new(path, pem)
    except OSError as error:
        raise LedgerFault("L-505", f"the sealing key cannot be written: {error}") from error
    return Opener(terminal, x25519, mlkem).key


def load_sealing_key(path: Path, passphrase_file: Path, terminal: str) -> Opener:
    """The key of a file. Raises LedgerFault L-505 if it cannot be read or opened, or is not such a key."""
    passphrase = passphrase_in(passphrase_file)
    try:
        one, end, two = path.read_bytes().partition(b"-----END ENCRYPTED PRIVATE KEY-----\n")
        x25519, mlkem = load_pem_private_key(one + end, passphrase), load_pem_private_key(two, passphrase)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise LedgerFault("L-505", f"the sealing key {path} cannot be opened: {error}") from error
    if not isinstance(x25519, X25519PrivateKey) or not isinstance(mlkem, MLKEM768PrivateKey):
        raise LedgerFault("L-505", f"{path} is not a sealing key")
    return Opener(terminal, x25519, mlkem)


def _derived(secret: bytes, bound: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, None, HEADING.encode() + b"\n" + bound).derive(secret)
