"""Contract 1 §9 and §4.2: conformance/meter.py takes purchases, and the driver sees that it did."""

from __future__ import annotations

from collections.abc import Iterator

from kiosk.drivers.contract import DI, Command
from kiosk.drivers.sdk.kit import orders, states
from kiosk.drivers.sdk.kit.answer import Answer
from kiosk.drivers.sdk.kit.bench import Bench
from kiosk.drivers.sdk.kit.notes import Scene
from kiosk.drivers.sdk.kit.verdict import NotOffered, demand


def rule_meter_takes(bench: Bench) -> None:
    """The meter credits a purchase once; READ then shows it taken, with 0302 and 0301 as the meter says; kind 2."""
    scene = _pending(bench)
    told = bench.insert()
    value = bench.value(_what(scene))
    demand(told["count"] == scene.last, "insert(): count", str(scene.last), str(told["count"]))
    demand(told["remaining"] == value, "insert(): remaining of a new meter", str(value), str(told["remaining"]))
    reading = bench.read()
    demand(reading.number(DI.STATE) == 2, "READ after the meter: 0209", "2 (taken)", str(reading.number(DI.STATE)))
    demand(reading.number(DI.KIND) == 2, "READ after the meter: 0201", "2", str(reading.number(DI.KIND)))
    _agrees(reading, told, "READ after the meter")
    again = bench.insert()
    demand(again == told, "the same card inserted again", str(told), str(again), "a purchase is credited once")


def rule_meter_copies(bench: Bench) -> None:
    """A copy of the card, made before the meter took the purchase, is not credited a second time."""
    _pending(bench)
    bought = bench.snapshot()
    first = bench.insert()
    bench.put(bought)
    second = bench.insert()
    demand(second == first, "a copy of the card in the same meter", str(first), str(second))
    reading = bench.read()
    demand(reading.number(DI.STATE) == 2, "READ of the copy: 0209", "2 (taken)", str(reading.number(DI.STATE)))


def rule_meter_early(bench: Bench) -> None:
    """A card pulled before three seconds is not touched."""
    _pending(bench)
    before = bench.content()
    for seconds in (0, 1, 2):
        bench.insert(seconds=seconds)
        what = f"insert(seconds={seconds})"
        demand(bench.content() == before, what, "the card unchanged", "it changed")
        state = bench.read().number(DI.STATE)
        demand(state == 1, f"READ after {what}: 0209", "1 (pending)", str(state))


def rule_meter_use(bench: Bench) -> None:
    """What is used up lowers what remains; READ says what the meter says, below zero too."""
    bench.enter("taken")
    start = bench.insert()["remaining"]
    for use in (30, start):
        before = bench.insert()["remaining"]
        told = bench.insert(use=use)
        wanted = before - use
        # below zero a meter may count on, or stop at 0 and leave the rest to its overdraft (0304)
        demand(told["remaining"] in (wanted, max(0, wanted)), f"insert(use={use})", str(wanted), str(told["remaining"]))
        _agrees(bench.read(), told, f"READ after insert(use={use})")


def rule_meter_following(bench: Bench) -> None:
    """Purchase after purchase is taken; what remains adds up; last never falls."""
    scene = bench.enter("taken")
    told = bench.insert()
    for _ in range(3):
        what = states.bought(bench, told["count"] + 1)
        bench.accept(Command.PURCHASE, orders.purchase(scene.person, what), f"PURCHASE of count {what.count}")
        before = told["remaining"]
        told = bench.insert(use=7)
        demand(told["count"] == what.count, "the next purchase in the meter", str(what.count), str(told["count"]))
        wanted = before + bench.value(what) - 7
        demand(told["remaining"] == wanted, "insert(): remaining", str(wanted), str(told["remaining"]))
        reading = bench.read()
        _agrees(reading, told, "READ")
        demand(reading.number(DI.COUNT) == what.count, "READ: 0206", str(what.count), str(reading.number(DI.COUNT)))


def rule_last_is_largest(bench: Bench) -> None:
    """A card that is behind its meter: once the meter has written back its count, that is last."""
    tried = 0
    for title, low in _behind(bench):
        told = bench.insert()
        reading = bench.read()
        if DI.METER_COUNT not in reading.items:
            continue
        tried += 1
        wanted = max(low, told["count"])
        last = reading.number(DI.COUNT)
        demand(last == wanted, f"READ of {title}, meter {told['count']}: 0206", str(wanted), str(last))
        if Command.PURCHASE in bench.about.commands and reading.number(DI.STATE) in (0, 2):
            person = orders.Person(*(reading.digits(di) for di in (DI.REGION, DI.CUSTOMER, DI.METER)))
            what = states.bought(bench, wanted + 1)
            bench.accept(Command.PURCHASE, orders.purchase(person, what), f"PURCHASE of last + 1 on {title}")
    if not tried:
        raise NotOffered("this meter does not write back to a card with a lower count")


def _behind(bench: Bench) -> Iterator[tuple[str, int]]:
    """Cards whose count is lower than what their meter has taken, each put into the reader when its turn comes."""
    scene = _pending(bench)
    old, told = bench.snapshot(), bench.insert()
    what = states.bought(bench, told["count"] + 1)
    bench.accept(Command.PURCHASE, orders.purchase(scene.person, what), f"PURCHASE of count {what.count}")
    told = bench.insert()
    demand(told["count"] == what.count, "insert(): count", str(what.count), str(told["count"]))
    bench.put(old)
    yield f"a copy of the card with count {scene.last}", scene.last
    if Command.REISSUE in bench.about.commands:
        low = what.count - 1
        bench.put(bench.blank_card())
        bench.accept(Command.REISSUE, orders.reissue(scene.person, low), f"REISSUE with count {low}")
        yield f"a card reissued with count {low}", low


def _agrees(reading: Answer, told: dict[str, int], what: str) -> None:
    count = reading.number(DI.METER_COUNT)
    demand(count == told["count"], f"{what}: 0302", str(told["count"]), str(count))
    remaining = reading.signed(DI.REMAINING)
    # a write-back without what remains is allowed: “unknown remaining counting as 0” (§4.14)
    demand(remaining in (None, told["remaining"]), f"{what}: 0301", str(told["remaining"]), str(remaining))


def _pending(bench: Bench) -> Scene:
    """A pending purchase on a card whose meter nobody has met yet."""
    bench.need(Command.PURCHASE)
    scene = bench.enter("pending to be taken")
    del bench.scenes["pending to be taken"]  # a meter remembers; the next rule gets another
    return scene


def _what(scene: Scene) -> orders.Bought:
    assert scene.bought is not None
    return scene.bought
