"""Keys of CPU cards: cryptograms and MACs, and the port behind which the keys themselves stay.

A master key is diversified by the card's serial, so that every card has its own. What is done with such a key:

- **cryptogram**: the challenge, filled with zeros to a block, enciphered; its first 8 bytes.
- **MAC** (PBOC): CBC from the challenge filled with zeros, over the message padded with ``80 00 …`` (always, also
  where it fits); the first 4 bytes of the last block. A DES key of 16 bytes enciphers with its first half and adds
  "decipher with the second, encipher with the first" at the end: the retail MAC, ISO 9797-1 algorithm 3.

DES and 3DES are old and stand here because cards in use have them; SM4 is GB/T 32907. State Grid's SM1 is hardware.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Protocol

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, modes
from cryptography.hazmat.primitives.ciphers.algorithms import SM4

from kiosk.model.errors import CardRefused

SERIAL, CRYPTOGRAM, MAC = 8, 8, 4  # bytes


class Algorithm(Enum):
    """Name, bytes of a block, bytes of a key."""

    DES = ("DES", 8, 8)
    TDES = ("3DES", 8, 16)
    SM4 = ("SM4", 16, 16)

    @property
    def block(self) -> int:
        """Bytes of a block."""
        return self.value[1]

    @property
    def key(self) -> int:
        """Bytes of a key."""
        return self.value[2]


class KeyStore(Protocol):
    """Who has the keys: this program (tests), a key card, an HSM. Keys are named by number and never come out.

    Both calls raise KeyError for a key there is not, and CardRefused C-114 when whoever has the keys is not here.
    """

    def cryptogram(self, key_id: int, serial: bytes, challenge: bytes) -> bytes:
        """8 bytes over a challenge of 8, with the key of the card of that serial (8 bytes)."""

    def mac(self, key_id: int, serial: bytes, challenge: bytes, message: bytes) -> bytes:
        """4 bytes over the message (header and data), begun with a challenge of 4 or 8 bytes."""


class SoftwareKeys:
    """Keys in this program's memory: for tests and the desk, never for cards that are worth money."""

    def __init__(self, algorithm: Algorithm, keys: Mapping[int, bytes], *, diversified: bool = True) -> None:
        """``keys``: number → master key; not ``diversified``: the keys are the card's own. ValueError: wrong length."""
        if any(len(key) != algorithm.key for key in keys.values()):
            raise ValueError(f"a {algorithm.value[0]} key has {algorithm.key} bytes")
        self._algorithm, self._keys, self._diversified = algorithm, dict(keys), diversified

    def cryptogram(self, key_id: int, serial: bytes, challenge: bytes) -> bytes:
        """See KeyStore."""
        block = challenge.ljust(self._algorithm.block, b"\x00")
        return encipher(self._algorithm, self._key(key_id, serial), block)[:CRYPTOGRAM]

    def mac(self, key_id: int, serial: bytes, challenge: bytes, message: bytes) -> bytes:
        """See KeyStore."""
        return mac(self._algorithm, self._key(key_id, serial), challenge, message)

    def _key(self, key_id: int, serial: bytes) -> bytes:
        key = self._keys[key_id]
        return diversified(self._algorithm, key, serial) if self._diversified else key


class KeysElsewhere:
    """Keys in a key card or an HSM that is not connected."""

    def cryptogram(self, key_id: int, serial: bytes, challenge: bytes) -> bytes:
        """CardRefused C-114."""
        raise _not_here(key_id, serial, challenge)

    def mac(self, key_id: int, serial: bytes, challenge: bytes, message: bytes) -> bytes:
        """CardRefused C-114."""
        raise _not_here(key_id, serial, challenge, message)


def _not_here(key_id: int, *_asked: bytes) -> CardRefused:
    return CardRefused("C-114", f"key {key_id} lives in a key card or an HSM that is not here")


def diversified(algorithm: Algorithm, key: bytes, serial: bytes) -> bytes:
    """A card's own key: the serial enciphered with the master key, for keys of 16 bytes its complement behind it."""
    if len(serial) != SERIAL:
        raise ValueError(f"a serial has {SERIAL} bytes")
    return encipher(algorithm, key, (serial + bytes(0xFF ^ byte for byte in serial))[: algorithm.key])


def encipher(algorithm: Algorithm, key: bytes, blocks: bytes) -> bytes:
    """Whole blocks, each on its own (ECB)."""
    return _encryptor(algorithm, key, modes.ECB()).update(blocks)


def mac(algorithm: Algorithm, key: bytes, challenge: bytes, message: bytes) -> bytes:
    """The PBOC MAC (see the module)."""
    size = algorithm.block
    padded = message + b"\x80" + bytes(-(len(message) + 1) % size)
    chained = Algorithm.DES if algorithm is Algorithm.TDES else algorithm
    chain = _encryptor(chained, key[: chained.key], modes.CBC(challenge.ljust(size, b"\x00")))
    last = chain.update(padded)[-size:]
    if algorithm is Algorithm.TDES:
        inner = Cipher(TripleDES(3 * key[8:]), modes.ECB()).decryptor()
        last = encipher(Algorithm.DES, key[:8], inner.update(last))
    return last[:MAC]


def _encryptor(algorithm: Algorithm, key: bytes, mode: modes.ECB | modes.CBC) -> CipherContext:
    if algorithm is Algorithm.SM4:
        return Cipher(SM4(key), mode).encryptor()
    whole = 3 * key if algorithm is Algorithm.DES else key + key[:8]  # TripleDES takes three keys of 8 bytes
    return Cipher(TripleDES(whole), mode).encryptor()
