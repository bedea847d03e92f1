"""Head office's signature: what it has cosigned cannot be taken back unseen (contract 2 §3, §6)."""

from __future__ import annotations

from kiosk.ledger.note import HEAD_OFFICE, Signer, Vkey, cosign
from kiosk.model.clock import Clock
from kiosk.model.errors import LedgerFault


class Witness:
    """Cosigns checkpoints with head office's key. Any thread may call."""

    def __init__(self, signer: Signer, clock: Clock) -> None:
        """Raises LedgerFault L-505 when the key is not a head office's."""
        if signer.vkey.type != HEAD_OFFICE:
            raise LedgerFault("L-505", f"{signer.vkey.name} is not a head office's key")
        self._signer = signer
        self._clock = clock

    @property
    def vkey(self) -> Vkey:
        """What terminals check our signatures with."""
        return self._signer.vkey

    def cosigned(self, note: str, last_time: int) -> tuple[str, int]:
        """The terminal's note with our line, and the time it bears: POSIX seconds, never 0, never below ``last_time``.

        The clock may have been set back; a cosignature's time must not fall, so it then stands still.
        """
        time = max(self._clock.utc_ms() // 1000, last_time, 1)
        return cosign(note, self._signer, time), time
