"""Contract 1 §4.2–4.4, §4.9, §4.10, §4.14: PURCHASE."""

from __future__ import annotations

from dataclasses import replace

from kiosk.drivers.contract import DI, Command
from kiosk.drivers.frame import Items
from kiosk.drivers.sdk.kit import orders, states
from kiosk.drivers.sdk.kit.bench import Bench
from kiosk.drivers.sdk.kit.notes import Scene
from kiosk.drivers.sdk.kit.orders import Bought
from kiosk.drivers.sdk.kit.rules_card import expect, same_card
from kiosk.drivers.sdk.kit.rules_open import carries_read, value_stands
from kiosk.drivers.sdk.kit.verdict import NotOffered, demand

READY = ("started", "taken", "taken twice", "opened", "reissued")
"""Scenes that can be bought on."""


def rule_purchase(bench: Bench) -> None:
    """PURCHASE of last + 1 makes it the last purchase, pending; the kind stays; READ says what the answer says."""
    bench.need_card()
    bench.need(Command.PURCHASE)
    bench.enter("started")
    for name in READY:
        try:
            scene = bench.enter(name)
        except NotOffered:
            continue
        kind = bench.read().items[DI.KIND]
        for with_region in (True, False):
            bench.enter(name)
            what = states.bought(bench, scene.last + 1)
            title = f"PURCHASE of count {what.count} on a card “{name}” {'with' if with_region else 'without'} 0202"
            items = orders.purchase(scene.person, what, with_region=with_region)
            answer = bench.accept(Command.PURCHASE, items, title)
            after = replace(scene, last=what.count)
            expect(answer, {**same_card(after), DI.KIND: kind, DI.STATE: b"\1"}, title)
            carries_read(bench, answer, title)
            value_stands(bench, bench.read(), what, title)


def rule_same_count(bench: Bench) -> None:
    """The same count with the same value again: success, nothing written, whatever 0504 says."""
    scene, what = _pending(bench)
    title = f"PURCHASE of count {what.count} repeated"
    if bench.read().number(bench.unit_item) is None:  # 0106 bit 0, and only the sums are kept: no longer on the card
        bench.refuse(Command.PURCHASE, orders.purchase(scene.person, what), (0x0D,), f"{title}, its value not in READ")
        return
    ways = {
        "": orders.purchase(scene.person, what),
        " with another 0504": orders.purchase(scene.person, replace(what, sale=bytes(16))),
        " with another 0501 and without 0202": orders.purchase(scene.person, what, with_region=False, when=50),
    }
    for way, items in ways.items():
        bench.enter("pending")
        # “where nothing is to be written, tries and password are not looked at” (§4.9)
        answer = bench.accept(Command.PURCHASE, items, title + way, password=bench.idle_password)
        demand(bench.seen.writes == 0, title + way, "nothing written", f"{bench.seen.writes} writes")
        carries_read(bench, answer, title + way)
    bench.enter("pending")
    bench.driver.restart()  # the kiosk asks again after a power cut: the driver remembers nothing but the card
    again = f"{title} to a driver just started"
    bench.accept(Command.PURCHASE, orders.purchase(scene.person, what), again, password=bench.idle_password)
    demand(bench.seen.writes == 0, again, "nothing written", f"{bench.seen.writes} writes")


def rule_same_count_other_value(bench: Bench) -> None:
    """The same count with another value in the unit is 0D; with another other value only where the card stores it."""
    scene, what = _pending(bench)
    stored = bench.read().number(bench.other_item) is not None
    unit_differs = _differs(bench, what, in_unit=True)
    title = f"PURCHASE of count {what.count} repeated with another"
    bench.refuse(Command.PURCHASE, orders.purchase(scene.person, unit_differs), (0x0D,), f"{title} value in the unit")
    other_differs = orders.purchase(scene.person, _differs(bench, what, in_unit=False))
    if stored or bench.read().number(bench.unit_item) is None:
        bench.refuse(Command.PURCHASE, other_differs, (0x0D,), f"{title} {bench.other_item:04X}, which the card stores")
    else:
        bench.accept(Command.PURCHASE, other_differs, f"{title} {bench.other_item:04X}, which the card does not store")


def rule_same_count_taken(bench: Bench) -> None:
    """The same count after the meter took it: success while its value is on the card, else 0D."""
    bench.need(Command.PURCHASE)
    scene = bench.enter("taken")
    assert scene.bought is not None
    on_card = bench.read().number(bench.unit_item) is not None
    items, title = orders.purchase(scene.person, scene.bought), "PURCHASE repeated after the meter took it"
    if on_card:
        bench.accept(Command.PURCHASE, items, title)
        demand(bench.seen.writes == 0, title, "nothing written", f"{bench.seen.writes} writes")
    else:
        bench.refuse(Command.PURCHASE, items, (0x0D,), f"{title}, its value no longer on the card")
    other = orders.purchase(scene.person, _differs(bench, scene.bought, in_unit=True))
    bench.refuse(Command.PURCHASE, other, (0x0D,), f"{title} with another value")


def rule_count_jumps(bench: Bench) -> None:
    """Any count but last and last + 1 is 0D, pending or not; a count that is last without a record too."""
    bench.need_card()
    bench.need(Command.PURCHASE)
    bench.enter("started")
    for name in ("started", "pending", "taken", "taken, then pending", "reissued"):
        try:
            scene = bench.enter(name)
        except NotOffered:
            continue
        counts = [scene.last + 2, scene.last + 256, 0xFFFFFFFF, *((scene.last - 1,) if scene.last else ())]
        counts += [scene.last] if scene.bought is None else []
        for count in counts:
            items = orders.purchase(scene.person, states.bought(bench, scene.last + 3))
            items[DI.COUNT] = orders.u4(count)
            title = f"PURCHASE of count {count} where last is {scene.last} (“{name}”)"
            bench.refuse(Command.PURCHASE, items, (0x0D,), title)


def rule_pending_under(bench: Bench) -> None:
    """A pending purchase under it is 0C, unless 0106 bit 0: then both count and 020A 020B are their sums."""
    scene, what = _pending(bench)
    following = states.bought(bench, what.count + 1)
    items = orders.purchase(scene.person, following)
    if not bench.about.may_stack:
        bench.refuse(Command.PURCHASE, items, (0x0C,), "PURCHASE over a pending one")
        return
    answer = bench.accept(Command.PURCHASE, items, "PURCHASE over a pending one (0106 bit 0 is set)")
    expect(answer, {DI.COUNT: orders.u4(following.count), DI.STATE: b"\1"}, "its answer")
    sums = {DI.PENDING_AMOUNT: what.amount + following.amount, DI.PENDING_ENERGY: what.energy + following.energy}
    unit_sum = DI.PENDING_AMOUNT if bench.about.counts_money else DI.PENDING_ENERGY
    for di, value in sums.items():
        got = answer.number(di)
        # the sum in the other value can be known only where the card stores it
        unknown = di != unit_sum and got is None
        demand(unknown or got == value, f"two pending purchases: {di:04X}", str(value), str(got))


def rule_other_customer(bench: Bench) -> None:
    """Another customer or meter is 09, even with the last count and value or a wrong count."""
    scene, what = _pending(bench)
    for field in ("customer", "meter"):
        for bought in (what, states.bought(bench, what.count + 1), states.bought(bench, what.count + 5)):
            items = orders.purchase(scene.person.other(field), bought)
            bench.refuse(Command.PURCHASE, items, (0x09,), f"PURCHASE for another {field}, count {bought.count}")


def rule_other_region(bench: Bench) -> None:
    """08 only if the request has a 0202 other than the card's; before 09; READ never."""
    scene, what = _pending(bench)
    elsewhere = scene.person.other("region")
    following = states.bought(bench, what.count + 1)
    for title, who in (("", elsewhere), (" and another customer", elsewhere.other("customer"))):
        items = orders.purchase(who, following)
        bench.refuse(Command.PURCHASE, items, (0x08,), f"PURCHASE for another region{title}")
    away: Items = {DI.REGION: elsewhere.region.encode()}
    bench.accept(Command.READ, away, "READ with another 0202")
    if Command.REVERSE in bench.about.commands:
        items = {**orders.reverse(scene.person, what), **away}
        bench.refuse(Command.REVERSE, items, (0x08,), "REVERSE with another 0202")
    if Command.CLEAR in bench.about.commands:
        items = {**orders.clear(scene.person, what.count), **away}
        bench.refuse(Command.CLEAR, items, (0x08,), "CLEAR with another 0202")


def rule_value_zero(bench: Bench) -> None:
    """A value of 0 in the unit is refused."""
    bench.need(Command.PURCHASE)
    scene = bench.enter("started")
    what = states.bought(bench, scene.last + 1)
    nothing = replace(what, amount=0) if bench.about.counts_money else replace(what, energy=0)
    # §4.14 does not say with which code: 0E (as the limits) and 01 are both taken
    bench.refuse(Command.PURCHASE, orders.purchase(scene.person, nothing), (0x0E, 0x01), "PURCHASE of value 0")


def rule_hoard_limit(bench: Bench) -> None:
    """remaining + value may reach the hoard limit, not pass it (0E); unknown remaining counts as 0."""
    bench.need(Command.OPEN, Command.PURCHASE)
    scene = bench.enter("opened with a hoard limit")
    _limits(bench, scene, states.hoard(bench), "opened with a hoard limit")
    first = states.bought(bench, scene.last + 1)
    bench.accept(Command.PURCHASE, orders.purchase(scene.person, first), "PURCHASE below the hoard limit")
    bench.insert()
    remaining = bench.read().signed(DI.REMAINING)
    if remaining is not None:
        met = replace(scene, card=bench.snapshot(), last=first.count)
        _limits(bench, met, states.hoard(bench) - remaining, "with a hoard limit and remaining")
    if not bench.about.may_stack:
        bench.put(scene.card)
        bench.accept(Command.PURCHASE, orders.purchase(scene.person, first), "PURCHASE below the hoard limit")
        more = orders.purchase(scene.person, _of_value(bench, states.bought(bench, first.count + 1), 0xFFFFFFFF))
        title = "PURCHASE over a pending one and above the hoard limit"
        bench.refuse(Command.PURCHASE, more, (0x0C,), title, "§4.9: 0C is looked at before 0E")
    limit: Items = {DI.HOARD_LIMIT: orders.u4(states.hoard(bench))}
    for command in (Command.OPEN, Command.REISSUE):
        if command not in bench.about.commands:
            continue
        who = bench.enter("blank").person
        over = _of_value(bench, Bought(1, 0, 0), states.hoard(bench) + 1)
        opens = command == Command.OPEN
        items = orders.open_card(who, over, limit) if opens else orders.reissue(who, 1, over, limit)
        bench.refuse(command, items, (0x0E,), f"{command.name} with a purchase above its own 0401")


def rule_purchase_settings(bench: Bench) -> None:
    """04xx in PURCHASE become the card's settings, or are 0E where they differ from it; the same ones are no error."""
    bench.need(Command.OPEN, Command.PURCHASE)
    scene = bench.enter("opened with a hoard limit")
    what = states.bought(bench, scene.last + 1)
    same: Items = {DI.HOARD_LIMIT: orders.u4(states.hoard(bench))}
    other: Items = {DI.HOARD_LIMIT: orders.u4(states.hoard(bench) + 7)}
    bench.accept(Command.PURCHASE, orders.purchase(scene.person, what), "PURCHASE without 04xx")
    expect(bench.read(), same, "READ after it")
    bench.enter("opened with a hoard limit")
    bench.accept(Command.PURCHASE, orders.purchase(scene.person, what, same), "PURCHASE with the card's own 0401")
    expect(bench.read(), same, "READ after it")
    bench.enter("opened with a hoard limit")
    items, title = orders.purchase(scene.person, what, other), "PURCHASE with another 0401"
    answer = bench.ask(Command.PURCHASE, items)
    demand(answer.ok or answer.error == 0x0E, title, "success or 0E", answer.said)
    expect(bench.read(), {**(other if answer.ok else same), DI.COUNT: orders.u4(scene.last + answer.ok)}, title)


def _limits(bench: Bench, scene: Scene, room: int, name: str) -> None:
    what = Bought(scene.last + 1, 5000, 5000)
    for value in (room + 1, 0xFFFFFFFF):
        bench.put(scene.card)
        items = orders.purchase(scene.person, _of_value(bench, what, value))
        bench.refuse(Command.PURCHASE, items, (0x0E,), f"PURCHASE of {value} on a card {name} that has room for {room}")
    bench.put(scene.card)
    items = orders.purchase(scene.person, _of_value(bench, what, room))
    bench.accept(Command.PURCHASE, items, f"PURCHASE of exactly {room}, which the hoard limit allows")
    bench.put(scene.card)


def _of_value(bench: Bench, what: Bought, value: int) -> Bought:
    if bench.about.counts_money:
        return replace(what, amount=value, energy=5000)
    return replace(what, amount=5000, energy=value)


def _differs(bench: Bench, what: Bought, in_unit: bool) -> Bought:
    amount = in_unit == bench.about.counts_money
    return replace(what, amount=what.amount + 1) if amount else replace(what, energy=what.energy + 1)


def _pending(bench: Bench) -> tuple[Scene, Bought]:
    bench.need(Command.PURCHASE)
    scene = bench.enter("pending")
    assert scene.bought is not None
    return scene, scene.bought
