"""The one tree of errors.

::

    KioskError
    ├── CardRefused     C-1xx  the card is not ours to write; nothing was charged
    ├── CardFault       C-2xx  the card could not be read or written
    ├── DriverFault     D-3xx  a vendor's driver misbehaved; its process was ended
    ├── DeviceFault     V-4xx  a device is down, jammed, full or out of paper
    ├── LedgerFault     L-5xx  the ledger cannot be trusted or written; the kiosk closes
    ├── BatchRefused    S-6xx  head office or a stick refused, or was refused
    ├── ConfigFault     F-7xx  a setting or file is wrong; all mistakes listed at once
    └── EnrolmentRefused E-9xx  a terminal was not enrolled; nothing was changed, and nothing can be sold by it

A code is never reused. Every code has a line in ``docs/errors.md`` and, where customers meet it, a sentence in
``assets/text``; tests hold the three together. No foreign exception (pyserial, pyscard, peewee) leaves its package.
"""

from __future__ import annotations


class KioskError(Exception):
    """An error with a code that staff can look up.

    ``code`` is one of ``docs/errors.md``; the message is English, for the log, and never holds a secret.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code

    def __str__(self) -> str:
        return f"[{self.code}] {super().__str__()}"


class CardRefused(KioskError):
    """The card is not ours to write."""


class CardFault(KioskError):
    """The card could not be read or written."""


class DriverFault(KioskError):
    """A vendor's driver crashed, hung or answered nonsense."""


class DeviceFault(KioskError):
    """A device is down, jammed, full or out of paper."""


class LedgerFault(KioskError):
    """The ledger cannot be appended to or does not verify."""


class BatchRefused(KioskError):
    """A batch of entries was refused, with the reason."""


class ConfigFault(KioskError):
    """A setting or a configured file is wrong; the message lists every mistake."""


class EnrolmentRefused(KioskError):
    """A terminal was not enrolled, with the reason."""
