"""Contract 1 §4.5: REVERSE takes a purchase back, CLEAR makes the card blank."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from kiosk.drivers.contract import DI, Command
from kiosk.drivers.sdk.kit import orders, states
from kiosk.drivers.sdk.kit.bench import Bench
from kiosk.drivers.sdk.kit.notes import Scene
from kiosk.drivers.sdk.kit.orders import Bought
from kiosk.drivers.sdk.kit.rules_card import expect, makers, mark_matches, same_card
from kiosk.drivers.sdk.kit.rules_open import carries_read, value_stands
from kiosk.drivers.sdk.kit.verdict import NotOffered, demand

PENDING = ("pending", "taken, then pending", "opened with a purchase", "reissued with a purchase")


def rule_reverse(bench: Bench) -> None:
    """REVERSE takes a pending purchase back: last − 1; the count may be used again with another value."""
    bench.need(Command.REVERSE)
    for name, scene in _scenes(bench, PENDING):
        title = f"REVERSE on a card “{name}”"
        what = _bought(scene)
        if _without_record(bench):
            bench.refuse(Command.REVERSE, orders.reverse(scene.person, what), (0x0D,), f"{title} without its record")
            continue
        answer = bench.accept(Command.REVERSE, orders.reverse(scene.person, what), title)
        expect(answer, same_card(replace(scene, last=what.count - 1)), title)
        state = answer.number(DI.STATE)
        demand(state in (0, 2), f"{title}: 0209", "0 or 2", str(state))
        carries_read(bench, answer, title)
        if Command.PURCHASE in bench.about.commands:
            again = states.bought(bench, what.count, salt=1)
            answer = bench.accept(Command.PURCHASE, orders.purchase(scene.person, again), f"{title}, then PURCHASE")
            value_stands(bench, answer, again, f"{title}, then PURCHASE of another value")


def rule_reverse_repeat(bench: Bench) -> None:
    """REVERSE of a count that is not there (last = 0206 − 1, nothing pending) succeeds and writes nothing."""
    bench.need(Command.REVERSE)
    for name, scene in _scenes(bench, ("pending", "taken, then pending")):
        items = orders.reverse(scene.person, _bought(scene))
        if _without_record(bench):
            continue
        bench.accept(Command.REVERSE, items, f"REVERSE on a card “{name}”")
        title = f"REVERSE repeated on a card “{name}”"
        answer = bench.accept(Command.REVERSE, items, title, password=bench.idle_password)
        demand(bench.seen.writes == 0, title, "nothing written", f"{bench.seen.writes} writes")
        carries_read(bench, answer, title)
    for name, scene in _scenes(bench, ("started", "taken")):
        absent = orders.reverse(scene.person, states.bought(bench, scene.last + 1))
        bench.accept(Command.REVERSE, absent, f"REVERSE of last + 1 on a card “{name}”", password=bench.idle_password)
        demand(bench.seen.writes == 0, "REVERSE of last + 1", "nothing written", f"{bench.seen.writes} writes")


def rule_reverse_refused(bench: Bench) -> None:
    """REVERSE of a taken count is 17, of another value or a count without its record 0D."""
    bench.need(Command.REVERSE)
    for name, scene in _scenes(bench, ("taken",)):
        what = _bought(scene)
        for value in (what, replace(what, amount=what.amount + 1, energy=what.energy + 1)):
            bench.refuse(Command.REVERSE, orders.reverse(scene.person, value), (0x17,), f"REVERSE on a card “{name}”")
        bench.refuse(
            Command.REVERSE, orders.reverse(scene.person, replace(what, count=what.count + 2)), (0x0D,),
            f"REVERSE of last + 2 on a card “{name}”",
        )  # fmt: skip
    for name, scene in _scenes(bench, ("taken, then pending",)):
        what = _bought(scene)
        older = orders.reverse(scene.person, states.bought(bench, what.count - 1))
        bench.refuse(Command.REVERSE, older, (0x17,), f"REVERSE of the older, taken count on a card “{name}”")
        other = replace(what, amount=what.amount + 1, energy=what.energy + 1)
        bench.refuse(
            Command.REVERSE, orders.reverse(scene.person, other), (0x0D,), f"REVERSE of another value on “{name}”"
        )
        stranger = orders.reverse(scene.person.other("customer"), other)
        bench.refuse(Command.REVERSE, stranger, (0x09,), f"REVERSE for another customer on “{name}”")
    for name, scene in _scenes(bench, ("reissued",)) if Command.REISSUE in bench.about.commands else ():
        same = orders.reverse(scene.person, states.bought(bench, scene.last))
        bench.refuse(Command.REVERSE, same, (0x0D,), f"REVERSE of a count without its record (“{name}”)")


def rule_clear(bench: Bench) -> None:
    """CLEAR makes any card blank, keeps the mark, and answers what READ said before; OPEN works on it again."""
    bench.need(Command.CLEAR)
    names = ("opened", "taken", "taken twice", "reissued", "set", "check")
    for name, scene in _scenes(bench, names):
        title = f"CLEAR of a card “{name}”"
        before = bench.read()
        answer = bench.accept(Command.CLEAR, orders.clear(scene.person, scene.last), title)
        expect(answer, before.meaning(), f"{title}: the answer has READ's items as before")
        expect(
            bench.read(), {DI.KIND: b"\0", DI.CUSTOMER: b"", DI.METER: b"", DI.COUNT: bytes(4)}, f"READ after {title}"
        )
        demand(mark_matches(bench, bench.snapshot()), f"the mark after {title}", "a match", "none")
        if Command.OPEN in bench.about.commands:
            fresh = states.person(bench)
            answer = bench.accept(Command.OPEN, orders.open_card(fresh), f"OPEN after {title}")
            expect(answer, {**same_card(Scene(scene.card, fresh, 0)), DI.STATE: b"\0"}, f"OPEN after {title}")
            demand(DI.METER_COUNT not in answer.items, f"OPEN after {title}", "no write-back of the old meter", "0302")


def rule_clear_leaves_nothing(bench: Bench) -> None:
    """What is made of a used and cleared card READs as if made of a new one."""
    bench.need(Command.CLEAR)
    for name, scene in _scenes(bench, ("taken twice", "taken, then pending")):
        who = states.person(bench)
        for command, items in makers(bench, who).items():
            made = f"{Command(command).name} on a"
            bench.put(bench.blank_card())
            bench.accept(command, items, f"{made} new card")
            wanted = bench.read().meaning()
            bench.put(scene.card)
            bench.accept(Command.CLEAR, orders.clear(scene.person, scene.last, insist=True), f"CLEAR of “{name}”")
            bench.accept(command, items, f"{made} card “{name}” after CLEAR")
            got = bench.read().meaning()
            old = [f"{di:04X}" for di in sorted(set(got) | set(wanted)) if got.get(di) != wanted.get(di)]
            demand(not old, f"READ after {made} card “{name}” after CLEAR", "as on a new card", f"others in {old}")


def rule_clear_blank(bench: Bench) -> None:
    """CLEAR of a blank card succeeds and writes nothing, whatever numbers and password come with it."""
    bench.need(Command.CLEAR)
    scene = bench.enter("blank")
    bench.accept(Command.CLEAR, orders.clear(scene.person, 7), "CLEAR of a blank card", password=bench.idle_password)
    demand(bench.seen.writes == 0, "CLEAR of a blank card", "nothing written", f"{bench.seen.writes} writes")


def rule_clear_refused(bench: Bench) -> None:
    """CLEAR: another customer 09, 0206 other than last 0D, a pending purchase 0C; 0505 lifts only 0C."""
    bench.need(Command.CLEAR)
    for name, scene in _scenes(bench, ("taken", "pending")):
        for insist in (False, True):
            for field in ("customer", "meter"):
                items = orders.clear(scene.person.other(field), scene.last + 3, insist)
                bench.refuse(Command.CLEAR, items, (0x09,), f"CLEAR for another {field} on a card “{name}”")
            items = orders.clear(scene.person, scene.last + 1, insist)
            bench.refuse(Command.CLEAR, items, (0x0D,), f"CLEAR with 0206 ≠ last on a card “{name}”, 0505 = {insist:d}")
    for name, scene in _scenes(bench, PENDING):
        before = bench.read()
        items = orders.clear(scene.person, scene.last)
        bench.refuse(Command.CLEAR, items, (0x0C,), f"CLEAR of a card “{name}”")
        title = f"CLEAR of a card “{name}” with 0505 = 1"
        answer = bench.accept(Command.CLEAR, orders.clear(scene.person, scene.last, insist=True), title)
        expect(answer, before.meaning(), f"{title}: the answer has READ's items as before")
        expect(bench.read(), {DI.KIND: b"\0", DI.STATE: b"\0"}, f"READ after {title}")


def _without_record(bench: Bench) -> bool:
    """0106 bit 0, and of what is pending only the sums are kept."""
    return bench.unit_item not in bench.read().items


def _scenes(bench: Bench, names: tuple[str, ...]) -> Iterator[tuple[str, Scene]]:
    """Those scenes the driver can make, each put into the reader when its turn comes."""
    made = 0
    for name in names:
        try:
            scene = bench.enter(name)
        except NotOffered:
            continue
        made += 1
        yield name, scene
    if not made:
        raise NotOffered(f"no card “{names[0]}” can be made")


def _bought(scene: Scene) -> Bought:
    assert scene.bought is not None
    return scene.bought
