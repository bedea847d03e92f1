"""What head office publishes for its terminals, by name: the targets of the TUF repository (contract 2 §7).

Lists for everyone stand under their own names; what is meant for one terminal stands under ``terminals/``.
"""

from __future__ import annotations

import re

PRICES = "prices/prices.txt"
OWED = "owed/owed.txt"
BLOCKED = "blocked/blocked.txt"
MESSAGES = "messages/messages.txt"
VKEYS = "ledger/vkeys.txt"
SETTINGS = "settings/settings.toml"
PROGRAM = "programs/program.tar"
FOR_ALL = (PRICES, OWED, BLOCKED, MESSAGES, VKEYS, SETTINGS, PROGRAM)

CUSTOMERS, SECRETS, STAFF, OWN_SETTINGS = "customers.txt", "secrets.sealed", "staff.sealed", "settings.toml"
FOR_ONE = (CUSTOMERS, SECRETS, STAFF, OWN_SETTINGS)

LIST_BYTES_MAX = 64 << 20
"""A target above it is not fetched, whoever signed it: a kiosk's disk is small, and its ledger needs the room."""

_VENDOR = re.compile(r"vendors/([a-z0-9][a-z0-9_-]{0,31})\.tar")
_TERMINAL = re.compile(r"[a-z0-9][a-z0-9-]{0,31}/[a-z0-9][a-z0-9-]{0,31}")


def for_terminal(terminal: str, name: str) -> str:
    """The target that is one terminal's (REGION/TERMINAL): ``terminals/420100/0007/customers.txt``."""
    assert name in FOR_ONE and is_terminal(terminal), f"{name} of {terminal} is no terminal's own target"
    return f"terminals/{terminal}/{name}"


def is_terminal(text: str) -> bool:
    """Whether a text is ``REGION/TERMINAL`` as contract 2 §1 writes them."""
    return _TERMINAL.fullmatch(text) is not None


def vendor_in(path: str) -> str:
    """The name of the vendor's folder that a target is: ``rdk`` of ``vendors/rdk.tar``; "" for another target."""
    found = _VENDOR.fullmatch(path)
    return found[1] if found else ""


def is_wanted(path: str, terminal: str) -> bool:
    """Whether this terminal (REGION/TERMINAL) takes a target."""
    own = tuple(for_terminal(terminal, name) for name in FOR_ONE)
    return path in FOR_ALL or path in own or bool(vendor_in(path))
