"""What a call on the card fails with (contract 1 §6). A driver's process loads this file and not cardport.py."""

from __future__ import annotations

NO_CARD, IO_FAULT, DENIED, BAD_ARGUMENT, LOCKED = -1, -2, -3, -4, -5


class CardPortError(Exception):
    """A call on the card failed; ``code`` is −1 no card, −2 I/O, −3 denied, −4 bad argument, −5 locked.

    After a ``write`` that failed with −3 or −4 nothing is written; with any other code any prefix may be.
    """

    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(message or f"card port error {code}")
        self.code = code
