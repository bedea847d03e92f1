"""Who may speak: terminals are enrolled, blocked and released by people, never by the network."""

from __future__ import annotations

from pathlib import Path

from kiosk.hq.store import Store, log_hash
from kiosk.hq.tables import Evidence, Log
from kiosk.ledger.note import TERMINAL, Vkey
from kiosk.ledger.tree import HASH_BYTES
from kiosk.model.errors import LedgerFault


def enrol(store: Store, text: str, now_ms: int) -> bool:
    """Enrols the epoch a terminal's vkey names; False if it was already. Raises LedgerFault L-501, L-502, L-505."""
    try:
        vkey = Vkey.parse(text.strip())
    except LedgerFault as fault:
        hint = "give the whole line that `kiosk enrol` printed at the terminal, in quotes"
        raise LedgerFault("L-501", f"this is not a terminal's public key ({fault.args[0]}): {hint}") from fault
    if vkey.type != TERMINAL:
        raise LedgerFault("L-501", f"{vkey.name} is not a terminal's key, but head office's own")
    return store.add_log(vkey, now_ms)


def known(store: Store, origin: str) -> Log:
    """The log of an origin. Raises LedgerFault L-501 for one that is not enrolled."""
    log = store.log(log_hash(origin))
    if log is None:
        raise LedgerFault("L-501", f"{origin} is not enrolled; `kiosk hq vkeys` lists those that are")
    return log


def change(store: Store, origin: str, **fields: int) -> bool:
    """Sets ``blocked``, ``quarantined`` or ``retired_ms`` of a log; False if they were so. LedgerFault L-501."""
    with store.turn(known(store, origin).hash) as turn:
        assert turn is not None, "a log is never deleted"
        before = {name: getattr(turn.log, name) for name in fields}
        turn.set(**fields)
        return before != fields


def vkeys(store: Store) -> list[str]:
    """All vkeys, old epochs too, terminals' and head office's: the list that is published (contract 2 §1, §7)."""
    return [log.vkey for log in store.logs()] + store.own_keys()


def write_evidence(store: Store, origin: str, folder: Path) -> int:
    """Writes every proof of a fork: both checkpoints, and the leaf hashes as hex, one a line. Returns how many.

    Raises LedgerFault L-501 for an origin that is not enrolled, L-502 if it cannot be written.
    """
    log = known(store, origin)
    with store.session() as database:
        rows = list(Evidence.select().where(Evidence.log == log.id).order_by(Evidence.id).execute(database))
    try:
        for number, row in enumerate(rows, 1):
            here = folder / str(number)
            here.mkdir(parents=True, exist_ok=True)
            leaves = bytes(row.leaves)
            lines = [leaves[at : at + HASH_BYTES].hex() + "\n" for at in range(0, len(leaves), HASH_BYTES)]
            (here / "refused").write_text(row.refused, encoding="utf-8")
            (here / "held").write_text(row.held, encoding="utf-8")
            (here / "leaves").write_text("".join(lines), encoding="ascii")
    except OSError as error:
        raise LedgerFault("L-502", f"the evidence cannot be written: {error}") from error
    return len(rows)
