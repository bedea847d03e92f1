"""Cards in known states, made with the driver's own commands and the vendor's meter.

Every card that starts a story gets a meter number of its own: a meter remembers what it has taken (contract 1 §9).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kiosk.drivers.contract import DI, Command
from kiosk.drivers.frame import Items
from kiosk.drivers.sdk.kit import orders
from kiosk.drivers.sdk.kit.bench import Bench
from kiosk.drivers.sdk.kit.notes import Scene
from kiosk.drivers.sdk.kit.orders import Bought, Person
from kiosk.drivers.sdk.kit.verdict import Blocked, NotOffered, demand

LENGTHS = (12, 10, 8, 14, 16, 20, 6, 7, 9, 11, 13, 15, 18, 5, 4, 17, 19, 3, 2, 1)
"""Digits tried for customer and meter numbers; the contract lets a layout hold fewer than 20 (error 0E)."""
HOARD_MIN = 60_000  # the unit; two bytes hold it


def bought(bench: Bench, count: int, salt: int = 0) -> Bought:
    """A purchase within the vendor's amounts; another ``salt`` is another value in both units."""
    low, high = bench.folder.manifest.sale.amount_min_fen, bench.folder.manifest.sale.amount_max_fen
    amount = max(low, min(5000, high)) + 100 * (count % 7) + 1000 * salt
    if amount > high:
        amount = max(1, high - 10 * (count % 7) - salt)
    return Bought(count, amount, amount * 5 // 3 + 1, bytes(14) + bytes((salt, count & 0xFF)))


def hoard(bench: Bench) -> int:
    """The hoard limit on the kit's cards, the unit: far above its purchases, whatever the vendor's amounts are."""
    return max(HOARD_MIN, 10 * bench.value(bought(bench, 1)))


def person(bench: Bench) -> Person:
    """A customer with a meter nobody has used yet, in lengths the layout holds. Raises Blocked."""
    customer, meter = _lengths(bench)
    return _numbered(bench, customer, meter)


def settings(bench: Bench) -> Items:
    """A hoard limit, if the card can hold one with OPEN, else nothing."""
    return _hold(bench, Command.OPEN, {DI.HOARD_LIMIT: orders.u4(hoard(bench))})


def set_items(bench: Bench) -> Items:
    """One setting a setting card of this vendor can hold. Raises Blocked."""
    for di in (DI.HOARD_LIMIT, DI.ALARM_1, DI.ALARM_2, DI.OVERDRAFT_LIMIT, DI.CT_RATIO, DI.PT_RATIO):
        found = _hold(bench, Command.SET, {di: orders.u4(50)})
        if found:
            return found
    found = tariff(bench, Command.SET)
    if found:
        return found
    raise Blocked("SET accepts none of 0401–0406, 0410, 0411")


def tariff(bench: Bench, command: int = Command.OPEN) -> Items:
    """As much of a tariff as the card can hold with that command, maybe nothing."""
    rows: Items = {DI.TARIFF: bytes.fromhex("02000000 00002710 04000000 00001388")}
    since: Items = {DI.TARIFF_FROM: b"20260301000000"}
    steps: Items = {DI.LADDER: orders.u4(21_000) + orders.u4(40_000)}
    for items in ({**rows, **steps, **since}, {**rows, **since}, {**rows, **steps}, rows, steps):
        found = _hold(bench, command, items)
        if found:
            return found
    return {}


def make(bench: Bench, name: str) -> Scene:
    """The card in that state. Raises Blocked, NotOffered, RuleBroken."""
    bench.need_card()
    return MAKERS[name](bench)


def _blank(bench: Bench) -> Scene:
    bench.put(bench.blank_card())
    return Scene(bench.snapshot(), person(bench), 0)


def _opened(bench: Bench) -> Scene:
    bench.need(Command.OPEN)
    blank = bench.enter("blank")
    fresh = person(bench)
    bench.put(blank.card)
    bench.accept(Command.OPEN, orders.open_card(fresh), "OPEN of a blank card")
    return Scene(bench.snapshot(), fresh, 0)


def _opened_first(bench: Bench) -> Scene:
    bench.need(Command.OPEN)
    bench.enter("blank")
    fresh, first = person(bench), bought(bench, 1)
    bench.enter("blank")
    bench.accept(Command.OPEN, orders.open_card(fresh, first), "OPEN with a first purchase")
    return Scene(bench.snapshot(), fresh, 1, first)


def _opened_limit(bench: Bench) -> Scene:
    bench.need(Command.OPEN)
    limits = settings(bench)
    if not limits:
        raise NotOffered("the card holds no hoard limit (0401)")
    fresh = person(bench)
    bench.enter("blank")
    bench.accept(Command.OPEN, orders.open_card(fresh, settings=limits), "OPEN with a hoard limit")
    return Scene(bench.snapshot(), fresh, 0)


def _opened_tariff(bench: Bench) -> Scene:
    bench.need(Command.OPEN)
    prices = tariff(bench)
    if not prices:
        raise NotOffered("the card holds no tariff (0410, 0411)")
    fresh = person(bench)
    bench.enter("blank")
    bench.accept(Command.OPEN, orders.open_card(fresh, settings=prices), "OPEN with a tariff")
    return Scene(bench.snapshot(), fresh, 0)


def _started(bench: Bench) -> Scene:
    """An opened card; a vendor without OPEN gets a reissued one."""
    if Command.OPEN in bench.about.commands:
        return _fresh(bench, _opened)
    if Command.REISSUE in bench.about.commands:
        return _fresh(bench, _reissued)
    raise NotOffered("neither OPEN nor REISSUE in 0103: no card to buy on can be made")


def _fresh(bench: Bench, maker: Callable[[Bench], Scene]) -> Scene:
    scene = maker(bench)
    bench.put(scene.card)
    return scene


def _pending(bench: Bench) -> Scene:
    bench.need(Command.PURCHASE)
    return _buy(bench, _started(bench))


def _taken(bench: Bench) -> Scene:
    return _meter(bench, _fresh(bench, _pending))


def _taken_pending(bench: Bench) -> Scene:
    return _buy(bench, _fresh(bench, _taken))


def _taken_twice(bench: Bench) -> Scene:
    return _meter(bench, _fresh(bench, _taken_pending))


def _reissued(bench: Bench) -> Scene:
    bench.need(Command.REISSUE)
    bench.enter("blank")
    fresh = person(bench)
    bench.enter("blank")
    bench.accept(Command.REISSUE, orders.reissue(fresh, 5), "REISSUE on a blank card")
    return Scene(bench.snapshot(), fresh, 5)


def _reissued_pending(bench: Bench) -> Scene:
    bench.need(Command.REISSUE)
    bench.enter("blank")
    fresh, again = person(bench), bought(bench, 6)
    bench.enter("blank")
    bench.accept(Command.REISSUE, orders.reissue(fresh, 6, again), "REISSUE with its purchase")
    return Scene(bench.snapshot(), fresh, 6, again)


def _set(bench: Bench) -> Scene:
    bench.need(Command.SET)
    bench.enter("blank")
    fresh, items = person(bench), set_items(bench)
    bench.enter("blank")
    bench.accept(Command.SET, orders.set_card(fresh, items), "SET on a blank card")
    return Scene(bench.snapshot(), fresh, 0)


def _check(bench: Bench) -> Scene:
    bench.need(Command.CHECK)
    blank = bench.enter("blank")
    bench.accept(Command.CHECK, orders.check_card(), "CHECK on a blank card")
    return Scene(bench.snapshot(), blank.person, 0)


MAKERS: dict[str, Callable[[Bench], Scene]] = {
    "blank": _blank,
    "opened": _opened,
    "opened with a purchase": _opened_first,
    "opened with a hoard limit": _opened_limit,
    "opened with a tariff": _opened_tariff,
    "started": _started,
    "pending": _pending,
    "pending to be taken": _pending,
    "taken": _taken,
    "taken, then pending": _taken_pending,
    "taken twice": _taken_twice,
    "reissued": _reissued,
    "reissued with a purchase": _reissued_pending,
    "set": _set,
    "check": _check,
}


def _buy(bench: Bench, scene: Scene) -> Scene:
    bench.need(Command.PURCHASE)
    what = bought(bench, scene.last + 1)
    bench.accept(Command.PURCHASE, orders.purchase(scene.person, what), f"PURCHASE of count {what.count}")
    return Scene(bench.snapshot(), scene.person, what.count, what)


def _meter(bench: Bench, scene: Scene) -> Scene:
    told = bench.insert()
    demand(told["count"] == scene.last, "the card in the meter", f"count {scene.last}", f"count {told['count']}")
    return replace(scene, card=bench.snapshot())


def _hold(bench: Bench, command: int, items: Items) -> Items:
    bench.need(command)
    someone = person(bench)
    bench.put(bench.blank_card())
    request = orders.open_card(someone, settings=items) if command == Command.OPEN else orders.set_card(someone, items)
    return items if bench.ask(command, request).ok else {}


def _lengths(bench: Bench) -> tuple[int, int]:
    known = bench.lengths
    if known is not None:
        return known
    command = next((each for each in (Command.OPEN, Command.REISSUE) if each in bench.about.commands), None)
    pairs = sorted(((a, b) for a in LENGTHS for b in LENGTHS), key=lambda pair: sum(map(LENGTHS.index, pair)))
    for customer, meter in pairs if command else ():
        someone = _numbered(bench, customer, meter)
        request = orders.open_card(someone) if command == Command.OPEN else orders.reissue(someone, 5)
        bench.put(bench.blank_card())
        answer = bench.ask(command or 0, request)
        if answer.ok:
            bench.lengths = (customer, meter)
            return bench.lengths
        if answer.error != 0x0E:
            break  # not a question of length; the rule about OPEN tells
    return 12, 12


def _numbered(bench: Bench, customer: int, meter: int) -> Person:
    bench.meters_used += 1
    number = str(bench.meters_used % 10 ** max(1, meter - 1)).rjust(meter - 1, "0")
    digits = ("2" + number)[:meter] if meter > 1 else str(bench.meters_used % 10)
    regions = bench.folder.manifest.sale.regions
    region = regions[0] if regions else "420100"
    return Person(region, "1002345678901234567890"[:customer], digits)
