"""Pulling the card out: one command on one card, broken off after 0, 1, 2 … bytes, in each way the chip offers.

A virtual chip may have an attribute ``tear_ways`` (kiosk/model/cardport.py): what may stand afterwards in the place
that was being written. Contract 1 §6 lets a failed write leave *any prefix*, so prefixes are what §4.7 is demanded of,
to the letter, on every family: a stranger who has only the contract cannot know more. What else a real chip may leave
(FF, half a byte, garbage in its page or block) is strict where money is concerned (rules_credit.py) and where staff
must be able to free the card; elsewhere it is advice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kiosk.drivers.contract import Command
from kiosk.drivers.frame import Items
from kiosk.drivers.sdk.kit.answer import Answer
from kiosk.drivers.sdk.kit.bench import Bench
from kiosk.drivers.sdk.kit.orders import Person
from kiosk.drivers.sdk.kit.verdict import demand
from kiosk.model.cardport import VirtualCard

PREFIX, OLD = "prefix", "old"
"""The way of a write that left a prefix and nothing else; on chips that have only the second, that one."""
IN_WORDS = {
    "": "", PREFIX: "", OLD: ", what was being written left as it was",
    "erased": ", what was being written left FF", "half": ", what was being written left in part",
    "part": ", what was being written left in part", "page": ", its whole page left FF",
    "spoiled": ", its block left as garbage",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Story:
    """One writing command on one card. ``marking``: READ may answer 05 while the card is being marked."""

    name: str
    command: Command
    items: Items
    card: VirtualCard
    person: Person
    marking: bool = False


@dataclass(frozen=True, slots=True)
class CleanRun:
    """READ before and after the whole command, and how many bytes it wrote."""

    before: Answer
    after: Answer
    total: int


@dataclass(frozen=True, slots=True)
class Torn:
    """One torn card. ``strict``: §4.7 is demanded of it to the letter, see the module."""

    what: str
    card: VirtualCard
    strict: bool


def clean_run(bench: Bench, story: Story) -> CleanRun:
    """The command without an accident. RuleBroken where it does not work."""
    bench.put(story.card)
    before = bench.ask(Command.READ)
    demand(before.ok or (story.marking and before.error == 0x05), f"READ before {story.name}", "success", before.said)
    bench.accept(story.command, story.items, story.name)
    total = bench.seen.bytes_written
    return CleanRun(before, bench.read(), total)


def ways_of(bench: Bench, card: VirtualCard) -> Iterator[tuple[str, bool]]:
    """The ways to tear that card, and whether each is strict."""
    ways = getattr(card, "tear_ways", ()) or ("",)
    for way in ways:
        yield way, way in ("", PREFIX if PREFIX in ways else OLD)


def torn_cards(bench: Bench, story: Story, total: int, *, truthful: bool = False) -> Iterator[Torn]:
    """Every torn card that is not like one before. ``truthful``: the answer to the torn call is judged, too (§4.8)."""
    met: set[bytes] = set()
    for way, strict in ways_of(bench, story.card):
        for survived in range(total + 1):
            what = f"{story.name}, torn after {survived} of {total} bytes{IN_WORDS.get(way, f' ({way})')}"
            bench.progress(what)
            bench.put(story.card)
            bench.set_tear(survived, way)
            answer = bench.ask(story.command, story.items)
            failed = bench.seen.failures > 0
            if survived < total and not failed:
                break  # the driver wrote less this time; the card was never torn
            if failed and truthful:
                _says_so(answer, what, torn_while_writing=survived < total)
            card = bench.snapshot()
            image = card.image() if bench.memory is not None else b""
            if image and image in met:
                continue
            met.add(image)
            yield Torn(what, card, strict)


def _says_so(answer: Answer, what: str, torn_while_writing: bool) -> None:
    """A card that dies under the pen cannot be read again: 11, FF03 = 2 (§4.8)."""
    if not torn_while_writing:
        # every byte was written; only reading back failed, for which the contract names no one code
        demand(answer.error in (0x03, 0x0F, 0x11, 0x12), what, "error 11", answer.said)
        return
    demand(answer.error == 0x11, what, "error 11", answer.said, "§4.8: unreadable after a failed write is 11")
    left = answer.number(0xFF03)
    demand(left == 2, what, "FF03 = 2 (unknown)", f"FF03 = {left}")
