"""eSSP: what is sealed into SSP packets, and the key it is sealed with.

The key has two halves of 64 bits. One is fixed, known to both sides; the other they agree on anew each time they
meet, by Diffie and Hellman's exchange (GENERATOR, MODULUS, KEYS). Sealed data is ``7E`` and, under AES-128 in ECB mode,
``length count data packing crc crc``: the count (four bytes, low first) is one more for each packet either side sends,
so no packet can be taken for another, nor played again.

How strong is that? The makers' own hosts draw numbers under 2^31, and so do we, since devices are built to them; who
listens to the exchange and knows the fixed half can find the rest. What protects is the fixed half: its default stands
in every manual, so a kiosk whose line can be reached has one of its own, and that is a secret.

Source: GA138 (2.2.2), encryption layer and encryption keys; AES: FIPS 197.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from kiosk.devices.acceptor.ssp import wire

FIXED_KEY = 0x0123456701234567  # the makers' default
BLOCK = 16
OVERHEAD = 7  # length, count, crc
NUMBER_MAX = 1 << 31
WITNESSES = (2, 3, 5, 7)  # enough for Miller and Rabin's test of every number under 3,215,031,751

RandomBelow = Callable[[int], int]
"""Gives a number from 0 to below its argument; ``secrets.randbelow`` outside of tests."""


class Seal:
    """One key, and the count that the next packet has: a question's is its answer's less one."""

    def __init__(self, fixed_key: int, shared_key: int, random_below: RandomBelow) -> None:
        key = fixed_key.to_bytes(8, "little") + (shared_key % (1 << 64)).to_bytes(8, "little")
        self._cipher = Cipher(algorithms.AES(key), modes.ECB())  # the protocol's
        self._random_below = random_below
        self.count = 0

    def close(self, data: bytes) -> bytes:
        """Seals ``data`` with the count as it stands."""
        inside = bytes((len(data),)) + (self.count % (1 << 32)).to_bytes(4, "little") + data
        inside += bytes(self._random_below(256) for _ in range(-(len(inside) + 2) % BLOCK))
        inside += wire.crc(inside)
        sealing = self._cipher.encryptor()
        return bytes((wire.SEALED,)) + sealing.update(inside) + sealing.finalize()

    def open(self, sealed: bytes) -> bytes | None:
        """What is in it; None if it was not sealed with this key and this count."""
        hidden = sealed[1:]
        if sealed[:1] != bytes((wire.SEALED,)) or not hidden or len(hidden) % BLOCK:
            return None
        opening = self._cipher.decryptor()
        inside = opening.update(hidden) + opening.finalize()
        length, count = inside[0], int.from_bytes(inside[1:5], "little")
        whole = length + OVERHEAD <= len(inside) and wire.crc(inside[:-2]) == inside[-2:]
        return inside[5 : 5 + length] if whole and length and count == self.count % (1 << 32) else None


class HostKeys:
    """The host's part of the exchange: three numbers to send, and what the device answers to the last."""

    def __init__(self, random_below: RandomBelow) -> None:
        self._random_below = random_below
        primes = {prime(random_below), prime(random_below)}
        while len(primes) < 2:
            primes.add(prime(random_below))
        self.modulus, self.generator = sorted(primes)
        self._secret = 1 + random_below(NUMBER_MAX - 1)

    @property
    def questions(self) -> tuple[bytes, bytes, bytes]:
        """GENERATOR, MODULUS and KEYS."""
        numbers = self.generator, self.modulus, pow(self.generator, self._secret, self.modulus)
        commands = wire.GENERATOR, wire.MODULUS, wire.KEYS
        first, second, third = (
            bytes((command,)) + number.to_bytes(8, "little") for command, number in zip(commands, numbers, strict=True)
        )
        return first, second, third

    def agree(self, answer: bytes, fixed_key: int) -> Seal:
        """The seal, from the answer to KEYS. Raises ValueError for another length."""
        if len(answer) != 9:
            raise ValueError(f"an answer with a key has 9 bytes, not {len(answer)}")
        theirs = int.from_bytes(answer[1:], "little")
        return Seal(fixed_key, pow(theirs, self._secret, self.modulus), self._random_below)


def prime(random_below: RandomBelow) -> int:
    """A prime of 31 bits."""
    while True:
        number = NUMBER_MAX - 1 - 2 * random_below(NUMBER_MAX // 4)
        if is_prime(number):
            return number


def is_prime(number: int) -> bool:
    """Whether this number under 2^31 is a prime (larger ones: very probably)."""
    if number < 11:
        return number in WITNESSES
    if not all(number % small for small in WITNESSES):
        return False
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    return all(_passes(number, witness, odd, twos) for witness in WITNESSES)


def _passes(number: int, witness: int, odd: int, twos: int) -> bool:
    power = pow(witness, odd, number)
    if power in (1, number - 1):
        return True
    for _ in range(twos - 1):
        power = power * power % number
        if power == number - 1:
            return True
    return False
