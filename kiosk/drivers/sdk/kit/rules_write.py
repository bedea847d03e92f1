"""Contract 1 §4.8: the driver reads back what it wrote and says the truth about the card: 10, 11, 12 and FF03."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kiosk.drivers.contract import DI, Command
from kiosk.drivers.frame import Items
from kiosk.drivers.sdk.kit import orders, states
from kiosk.drivers.sdk.kit.bench import Bench
from kiosk.drivers.sdk.kit.port import Faults
from kiosk.drivers.sdk.kit.verdict import NotOffered, demand


@dataclass(frozen=True, slots=True)
class Writing:
    """One writing command and the scene it is tried on."""

    scene: str
    command: Command
    items: Items


def writings(bench: Bench) -> Iterator[Writing]:
    """One of each writing command the driver has. Raises NotOffered when there is none."""
    found = 0
    for scene_name, command in (
        ("started", Command.PURCHASE), ("taken", Command.PURCHASE), ("blank", Command.OPEN), ("blank", Command.REISSUE),
        ("blank", Command.SET), ("blank", Command.CHECK), ("pending", Command.REVERSE), ("taken", Command.CLEAR),
    ):  # fmt: skip
        if command not in bench.about.commands:
            continue
        settings = states.set_items(bench) if command == Command.SET else Items()
        try:
            scene = bench.enter(scene_name)
        except NotOffered:
            continue
        if command == Command.REVERSE and bench.unit_item not in bench.read().items:
            continue  # 0106 bit 0, only sums are kept: there is no record to take back (0D)
        who, following = scene.person, states.bought(bench, scene.last + 1)
        items = {
            Command.PURCHASE: orders.purchase(who, following),
            Command.OPEN: orders.open_card(who, following),
            Command.REISSUE: orders.reissue(who, 1, following),
            Command.SET: orders.set_card(who, settings),
            Command.CHECK: orders.check_card(),
            Command.REVERSE: orders.reverse(who, scene.bought or following),
            Command.CLEAR: orders.clear(who, scene.last),
        }[command]
        found += 1
        yield Writing(scene_name, command, items)
    if not found:
        raise NotOffered("no command that writes a card")


def rule_write_fails(bench: Bench) -> None:
    """Writes that fail and leave the card alive: 10 and FF03 = 0 where it is as before, else 11 and FF03 = 2."""
    for writing in writings(bench):
        bench.enter(writing.scene)
        before = bench.content()
        bench.accept(writing.command, writing.items, writing.command.name)
        count = bench.seen.writes
        for first in _some(count):
            bench.enter(writing.scene)
            answer = bench.ask(writing.command, writing.items, faults=Faults(refuse_from=first))
            what = f"{writing.command.name} on “{writing.scene}” whose writes fail from the {first + 1}. on"
            code, left = (0x10, 0) if bench.content() == before else (0x11, 2)
            demand(answer.error == code, what, f"error {code:02X}", answer.said, "after a failed write, read again")
            demand(answer.number(DI.CARD_AFTER) == left, what, f"FF03 = {left}", f"{answer.number(DI.CARD_AFTER)}")


def rule_write_dropped(bench: Bench) -> None:
    """A byte that a card drops without an error is 12, FF03 = 2; never success."""
    for writing in writings(bench):
        bench.enter(writing.scene)
        bench.accept(writing.command, writing.items, writing.command.name)
        after, seen = bench.content(), bench.seen
        memory = bench.folder.chip is not None
        for number in _some(seen.bytes_written if memory else seen.writes, 400):
            bench.progress(f"{writing.command.name}: write {number} dropped")
            bench.enter(writing.scene)
            faults = Faults(drop_byte=number) if memory else Faults(drop_update=number)
            answer = bench.ask(writing.command, writing.items, faults=faults)
            if answer.ok and bench.content() == after:
                continue  # the dropped byte was already there, or was written over later
            unit = "byte" if memory else "UPDATE"
            what = f"{writing.command.name} on “{writing.scene}” with the {number + 1}. {unit} dropped"
            demand(answer.error == 0x12, what, "error 12", answer.said, "§4.8: read back before answering success")
            demand(answer.number(DI.CARD_AFTER) == 2, what, "FF03 = 2", f"{answer.number(DI.CARD_AFTER)}")


def rule_answer_is_read_back(bench: Bench) -> None:
    """Success answers carry READ's items, read back after the write (CLEAR's: as before it)."""
    for writing in writings(bench):
        bench.enter(writing.scene)
        old = bench.read()
        answer = bench.accept(writing.command, writing.items, writing.command.name)
        wanted = old if writing.command == Command.CLEAR else bench.read()
        for di, value in wanted.meaning().items():
            got = answer.items.get(di)
            what = f"{writing.command.name}: {di:04X} in its answer"
            demand(got == value, what, value.hex(" ") or "N = 0", "left out" if got is None else got.hex(" "))


def _some(count: int, limit: int = 60) -> Iterator[int]:
    """All of them, or evenly chosen ones, the first and the last always among them."""
    if count <= limit:
        yield from range(count)
    else:
        yield from sorted({index * (count - 1) // (limit - 1) for index in range(limit)})
