"""A TPM 2.0: seals the passphrase of the key file, and holds a counter that nobody can set back (contract 2 §8).

By the programs of ``tpm2-tools`` and not by a library: Debian has them for every machine, they need no compiler, and a
call costs some 20 ms, an hour apart. Secrets go in by standard input and out by standard output, never as arguments.

A chip's NV counter (TPM 2.0 Library, Part 1, NV indices: TPM_NT_COUNTER) only rises, and one that is made anew begins
above every value any counter of that chip has had. Limits: who owns the running machine may ask the chip like we do;
who listens on the wires between processor and chip may hear the passphrase.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from kiosk.model.errors import LedgerFault

TIMEOUT_S = 30
COUNTER_BYTES = 8
ATTRIBUTES = "nt=counter|ownerread|ownerwrite|authread|authwrite"


class Chip:
    """One TPM. ``tcti``: how it is reached, e.g. ``device:/dev/tpmrm0``; "" leaves it to the tools.

    Every method raises LedgerFault L-505 where the chip, or the tools, do not do it.
    """

    def __init__(self, tcti: str = "") -> None:
        self._tcti = ["-T", tcti] if tcti else []

    def seal(self, secret: bytes, folder: Path, name: str) -> None:
        """Seals a secret of at most 128 bytes into ``<name>.pub`` and ``<name>.priv``: only this chip opens them."""
        with tempfile.TemporaryDirectory() as work:
            primary = self._primary(work)
            public, private = folder / f"{name}.pub", folder / f"{name}.priv"
            self._call("create", "-Q", "-C", primary, "-i", "-", "-u", public, "-r", private, given=secret)
            self._flush()

    def unseal(self, folder: Path, name: str) -> bytes:
        """The secret again."""
        with tempfile.TemporaryDirectory() as work:
            primary, context = self._primary(work), str(Path(work) / "sealed")
            parts = ("-u", folder / f"{name}.pub", "-r", folder / f"{name}.priv", "-c", context)
            self._call("load", "-Q", "-C", primary, *parts)
            secret = self._call("unseal", "-c", context)
            self._flush()
            return secret

    def make_counter(self, index: str) -> None:
        """Makes the counter, unless it is there, and raises one that was never raised: it could not be read."""
        handles = self._call("getcap", "handles-nv-index").decode("ascii", "replace").lower().split()
        if int(index, 16) not in (int(each, 16) for each in handles if each.startswith("0x")):
            self._call("nvdefine", "-s", COUNTER_BYTES, "-a", ATTRIBUTES, index)
        try:
            self.counter(index)
        except LedgerFault:  # just made, or a making that broke off here
            self._call("nvincrement", index)

    def counter(self, index: str) -> int:
        """What it stands at."""
        raw = self._call("nvread", "-s", COUNTER_BYTES, index)
        if len(raw) != COUNTER_BYTES:
            raise LedgerFault("L-505", f"the chip's counter {index} has {len(raw)} bytes")
        return int.from_bytes(raw)

    def raise_counter(self, index: str) -> None:
        """One more."""
        self._call("nvincrement", index)

    def _primary(self, work: str) -> str:
        """The storage key: made of the chip's own seed, so it is the same each time and lies nowhere."""
        context = str(Path(work) / "primary")
        self._call("createprimary", "-Q", "-G", "ecc", "-c", context)
        self._flush()
        return context

    def _flush(self) -> None:
        """A chip without a resource manager keeps three objects, and then takes none."""
        self._call("flushcontext", "-t")

    def _call(self, tool: str, *words: object, given: bytes = b"") -> bytes:
        command = [f"tpm2_{tool}", *self._tcti, *map(str, words)]
        try:
            done = subprocess.run(command, input=given, capture_output=True, timeout=TIMEOUT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise LedgerFault("L-505", f"the security chip cannot be asked (tpm2_{tool}): {error}") from error
        if done.returncode:
            said = done.stderr.decode("ascii", "replace").strip().splitlines()
            why = next((line for line in said if line.startswith("ERROR: ")), "") or (said or ["no reason given"])[-1]
            raise LedgerFault("L-505", f"the security chip refuses tpm2_{tool}: {why}")
        return done.stdout
