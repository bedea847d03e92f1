"""What kiosk.toml says about keys in hardware."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from kiosk.model.errors import ConfigFault

KEPT = ("file", "token", "chip")


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """A PKCS#11 token that holds the signing key, for `kept = "token"`; the key is made in it."""

    module: Path | None = None  # the maker's library, e.g. "/usr/lib/softhsm/libsofthsm2.so"
    label: str = ""  # the token's
    pin_file: Path | None = None  # the user's PIN; chmod 600

    def __post_init__(self) -> None:
        given = (self.module, self.label, self.pin_file)
        if any(given) and not all(given):
            raise ConfigFault("F-701", "'module', 'label' and 'pin_file' belong together")


@dataclass(frozen=True, slots=True)
class ChipSettings:
    """A TPM 2.0: seals the key file (`kept = "chip"`), and counts, so that a disk image put back is noticed."""

    tcti: str = ""  # how tpm2-tools reach it, e.g. "device:/dev/tpmrm0"; "" leaves it to them
    counter: str = ""  # the counter's NV index, e.g. "0x01500017"; "" is no counter
    raise_minutes: int = 60  # while there are new entries: an image older than this is noticed

    def __post_init__(self) -> None:
        if self.counter and not re.fullmatch("0x01[0-9a-fA-F]{6}", self.counter):
            raise ConfigFault("F-701", "'counter' must be an NV index like 0x01500017")
        if self.raise_minutes < 1:
            raise ConfigFault("F-701", "'raise_minutes' must be 1 or more")
