"""A PIN of six digits: how it is asked for, and what is kept of it.

What is kept is Argon2id (RFC 9106) as a PHC string, with the parameters of its §4 for machines with little memory:
64 MiB, three passes, four lanes, 16 bytes of salt, 32 bytes out. A million PINs are few, whatever the hash: who has it
tries them all in a day or two. So it is sealed wherever it travels, and the kiosk counts wrong tries
(kiosk/app/pin_tries.py).
"""

from __future__ import annotations

import getpass
import secrets
import sys

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from kiosk.model.errors import ConfigFault

DIGITS = 6
MEMORY_KIB, PASSES, LANES, SALT_BYTES, HASH_BYTES = 65_536, 3, 4, 16, 32
_RUNS = "01234567890", "09876543210"


def hashed(pin: str) -> str:
    """The PHC string of a PIN, with a salt of its own. Raises ConfigFault F-717 for one that is tried first of all."""
    if why := weakness(pin):
        raise ConfigFault("F-717", why)
    kdf = Argon2id(
        salt=secrets.token_bytes(SALT_BYTES), length=HASH_BYTES, iterations=PASSES, lanes=LANES, memory_cost=MEMORY_KIB
    )
    return kdf.derive_phc_encoded(pin.encode("ascii"))


def matches(pin: str, phc: str) -> bool:
    """Whether a PIN is the one a PHC string was made of. Takes as long for a wrong one."""
    try:
        Argon2id.verify_phc_encoded(pin.encode("ascii", "replace"), phc)
    except (InvalidKey, ValueError):
        return False
    return True


def weakness(pin: str) -> str:
    """Why a PIN may not be chosen; "" if it may."""
    if len(pin) != DIGITS or not (pin.isascii() and pin.isdigit()):
        return f"a PIN has {DIGITS} digits"
    if len(set(pin)) == 1 or any(pin in run for run in _RUNS):
        return "all digits the same, or one after the other, is tried first: choose another PIN"
    return ""


def ask_pin(prompt: str) -> str:
    """A PIN from the person at the terminal, which does not show it; or a line that another program gives."""
    if sys.stdin.isatty():
        return getpass.getpass(prompt).strip()
    return sys.stdin.readline().strip()
