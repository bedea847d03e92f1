"""What must hold in every call of the whole check; these rules come last and look back."""

from __future__ import annotations

from kiosk.drivers.sdk.kit.bench import Bench
from kiosk.drivers.sdk.kit.verdict import Exchange, NotOffered, demand

SPARE_THE_KEY = (
    "READ presented a key where a public one opens the sector. read() tries the public keys by itself: "
    "present yours to read only after read() is −3, and a card that is not yours never hears it"
)


def rule_forms(bench: Bench) -> None:
    """Every item of every answer had its width and form; every error answer its FF01."""
    bench.about  # noqa: B018 — at least one call was made
    _none(bench, bench.notes.forms, "every answer's items in the widths and forms of §3")


def rule_no_unmeant_writes(bench: Bench) -> None:
    """READ never wrote; a refusal never came after a write; FF03 = 0 was always true."""
    bench.need_card()
    _none(bench, bench.notes.unmeant, "no write before the checks of §4.9 are done")


def rule_own_bytes_only(bench: Bench) -> None:
    """Only the user's bytes changed. The contract does not forbid to protect some of them; it is remarked."""
    bench.need_card()
    if bench.notes.protected:
        bench.remarks.append("protection bits were written: what they lock stays as it is, after CLEAR too")
    _none(bench, bench.notes.outside, "changes within the user's bytes only")


def rule_read_presents_nothing(bench: Bench) -> None:
    """READ presented no secret (families that can be read without)."""
    bench.need_card()
    if bench.memory is not None and not bench.memory.free:
        raise NotOffered("the family cannot be read without a secret")
    if bench.memory is not None and bench.memory.chip.keyed and bench.notes.read_verifies:
        bench.advice.append(SPARE_THE_KEY)
        return
    _none(bench, bench.notes.read_verifies, "no secret presented by READ")


def rule_deadline(bench: Bench) -> None:
    """Every call ended within timeout_ms."""
    bench.about  # noqa: B018
    notes, limit = bench.notes, bench.folder.manifest.driver.timeout_ms
    bench.remarks.append(f"{notes.calls} calls, the slowest {notes.slowest_ms} ms of {limit} ms")
    late = notes.late.total()
    demand(late == 0, "all calls", f"an answer within {limit} ms", f"{late} calls were too late")


def _none(bench: Bench, found: list[tuple[str, Exchange]], expected: str) -> None:
    if found:
        text, call = found[0]
        bench.trace = [call]
        demand(False, "one of the calls of this check", expected, f"{text} ({len(found)} times in all)")
