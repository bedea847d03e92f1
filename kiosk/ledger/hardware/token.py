"""The signing key in a PKCS#11 token (contract 2 §8): made there, never outside of it, used with CKM_EDDSA.

PKCS #11 v3.1 §6.3.15 (EdDSA). The PIN lies in a file; it is on no command line, in no log and in no error. A token that
was pulled out and put in again is opened anew: nothing is signed meanwhile, so nothing is recorded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from kiosk.ledger.keys import private_text
from kiosk.ledger.note import KEY_BYTES, SIGNATURE_BYTES, TERMINAL, Vkey
from kiosk.model.errors import LedgerFault

ED25519 = bytes.fromhex("06032b6570")  # DER of the object identifier 1.3.101.112 (RFC 8410)
ID_BYTES = 16
LABEL = "prepaid-kiosk"

Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """Which token: the maker's library, the token's label, and the file with the user's PIN."""

    module: Path
    label: str
    pin_file: Path


class TokenSigner:
    """A key in a token, by its CKA_ID; a ``Signer``. May be used from any thread; signatures wait for each other."""

    def __init__(self, place: TokenPlace, key_id: bytes, name: str, kind: int = TERMINAL) -> None:
        """Raises LedgerFault L-505 if there is no such key."""
        self._place, self._key_id = place, key_id
        self._turn = threading.Lock()
        self._session: Any = None
        self._key: Any = None
        self._vkey = Vkey(name, kind, self._with_key(lambda: _public(self._session, key_id)))

    @property
    def vkey(self) -> Vkey:
        """The public half."""
        return self._vkey

    def sign(self, message: bytes) -> bytes:
        """64 bytes. Raises LedgerFault L-505 while the token cannot be reached."""
        import pkcs11  # noqa: PLC0415

        signature = self._with_key(lambda: bytes(self._key.sign(message, mechanism=pkcs11.Mechanism.EDDSA)))
        if len(signature) != SIGNATURE_BYTES:
            raise LedgerFault("L-505", f"the token's signature has {len(signature)} bytes")
        return signature

    def close(self) -> None:
        """Lets the token go."""
        with self._turn:
            self._forget()

    def _with_key(self, use: Callable[[], Found]) -> Found:
        """Uses the key; a token that went away is opened once more before it counts as gone."""
        with self._turn:
            if self._session is not None:
                try:
                    with _faults():
                        return use()
                except LedgerFault:
                    self._forget()
            with _faults():
                try:
                    self._session = _opened(self._place, writable=False)
                    self._key = _private(self._session, self._key_id)
                    return use()
                except BaseException:
                    self._forget()
                    raise

    def _forget(self) -> None:
        session, self._session, self._key = self._session, None, None
        if session is not None:
            try:
                with _faults():
                    session.close()
            except LedgerFault:
                pass  # it went away with its token


def make_token_key(place: TokenPlace, key_id: bytes) -> None:
    """Makes an Ed25519 key inside the token: sensitive, not extractable. Raises LedgerFault L-505."""
    import pkcs11  # noqa: PLC0415

    with _faults():
        session = _opened(place, writable=True)
        try:
            words = {pkcs11.Attribute.EC_PARAMS: ED25519}
            parameters = session.create_domain_parameters(pkcs11.KeyType.EC_EDWARDS, words, local=True)
            _, private = parameters.generate_keypair(
                id=key_id,
                label=LABEL,
                store=True,
                mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
                private_template={pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False},
            )
            if private[pkcs11.Attribute.EXTRACTABLE] or not private[pkcs11.Attribute.SENSITIVE]:
                raise LedgerFault("L-505", "this token makes keys that can be taken out of it; it cannot be used")
        finally:
            session.close()


def _opened(place: TokenPlace, *, writable: bool) -> Any:
    import pkcs11  # noqa: PLC0415

    pin = private_text(place.pin_file, "the token's PIN")
    token = pkcs11.lib(str(place.module)).get_token(token_label=place.label)
    try:
        return token.open(rw=writable, user_pin=pin.decode())
    except pkcs11.exceptions.UserAlreadyLoggedIn:  # a login is the whole process's: another signer has one
        return token.open(rw=writable)


def _private(session: Any, key_id: bytes) -> Any:
    import pkcs11  # noqa: PLC0415

    return session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, id=key_id)


def _public(session: Any, key_id: bytes) -> bytes:
    """CKA_EC_POINT is the 32 bytes in a DER OCTET STRING; some tokens leave that off."""
    import pkcs11  # noqa: PLC0415

    key = session.get_key(object_class=pkcs11.ObjectClass.PUBLIC_KEY, id=key_id)
    point = bytes(key[pkcs11.Attribute.EC_POINT])
    raw = point[2:] if point[:2] == bytes([0x04, KEY_BYTES]) else point
    if len(raw) != KEY_BYTES:
        raise LedgerFault("L-505", "the token's key is not an Ed25519 key")
    return raw


@contextmanager
def _faults() -> Iterator[None]:
    """Turns what the token says into a LedgerFault L-505: its kind only, for a library's words may hold more."""
    try:
        import pkcs11  # noqa: PLC0415
    except ImportError as error:
        raise LedgerFault("L-505", "python-pkcs11 is not installed: no token can be used") from error
    try:
        yield
    except (pkcs11.PKCS11Error, RuntimeError, OSError, ValueError) as error:
        raise LedgerFault("L-505", f"the token cannot be used: {type(error).__name__}") from None
