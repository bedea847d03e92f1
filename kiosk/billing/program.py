"""What a program release says of itself: ``program.txt`` at the top of its tree (contract 2 §7, docs/downlink.md).

::

    prepaid-kiosk/program/v1
    version 7
    name 0.2.0
    format 1
    requirements <64 hex: SHA-256 of requirements.lock>

``version`` only rises and is what the ledger names; ``name`` is for people; ``format`` is of what the program keeps on
the disk (``kiosk/model/version.py``).
"""

from __future__ import annotations

import io
import re
import tarfile
from dataclasses import dataclass

from kiosk.model.errors import ConfigFault

CODE = "F-719"
TREE = "program"  # top folder in the tar
MANIFEST = "program.txt"
VERSION_MAX = 999_999_999
MANIFEST_MAX = 1_000
_TEXT = re.compile(
    r"prepaid-kiosk/program/v1\n"
    r"version ([1-9][0-9]{0,8})\n"
    r"name ([0-9A-Za-z][0-9A-Za-z.-]{0,31})\n"
    r"format ([1-9][0-9]{0,8})\n"
    r"requirements ([0-9a-f]{64})\n"
)


@dataclass(frozen=True, slots=True)
class Release:
    """One release. ``requirements``: SHA-256 of its requirements.lock, hex."""

    version: int
    name: str
    format: int
    requirements: str

    def text(self) -> str:
        """As it lies in its tree."""
        return (
            f"prepaid-kiosk/program/v1\nversion {self.version}\nname {self.name}\n"
            f"format {self.format}\nrequirements {self.requirements}\n"
        )


def parse_release(text: str) -> Release:
    """The inverse. Raises ConfigFault F-719."""
    found = _TEXT.fullmatch(text)
    if found is None:
        raise ConfigFault(CODE, f"{MANIFEST} of a program does not say what it must")
    return Release(int(found[1]), found[2], int(found[3]), found[4])


def release_in(content: bytes) -> Release:
    """Of a release's tar, whose first file it is. Raises ConfigFault F-719."""
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
            first = tar.next()
            if first is None or first.name != f"{TREE}/{MANIFEST}" or not first.isreg() or first.size > MANIFEST_MAX:
                raise ConfigFault(CODE, f"a program's first file is {TREE}/{MANIFEST}")
            source = tar.extractfile(first)
            assert source is not None, "a plain file has content"
            return parse_release(source.read().decode("ascii"))
    except (tarfile.TarError, UnicodeDecodeError) as error:
        raise ConfigFault(CODE, f"a program is no tar: {error}") from error
