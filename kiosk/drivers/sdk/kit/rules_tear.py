"""Contract 1 §4.7: a card torn out at any byte reads as before or as after, and can be bought on.

Every writing command is broken off after 0, 1, 2 … bytes (tear.py). Then, powered afresh: READ must show the state
before or the state after; the same command again must succeed and give the state after; where the card is a customer's
and nothing is pending, PURCHASE of last + 1 must work; and whatever READ says, staff must be able to make the card
blank and open it again. What the *meter* makes of a torn card is in rules_credit.py.
"""

from __future__ import annotations

import copy

from kiosk.drivers.contract import DI, Command
from kiosk.drivers.frame import Items
from kiosk.drivers.sdk.kit import orders, states
from kiosk.drivers.sdk.kit.answer import MAY_BE_GONE, Answer
from kiosk.drivers.sdk.kit.bench import Bench
from kiosk.drivers.sdk.kit.notes import Scene
from kiosk.drivers.sdk.kit.rules_card import makers, memory_of
from kiosk.drivers.sdk.kit.tear import CleanRun, Story, Torn, clean_run, torn_cards
from kiosk.drivers.sdk.kit.verdict import NotOffered, RuleBroken, demand
from kiosk.drivers.sdk.kit.words import value_in_words
from kiosk.model.cardport import VirtualCard


def rule_tear_purchase(bench: Bench) -> None:
    """PURCHASE torn at any byte."""
    bench.need_card()
    bench.need(Command.PURCHASE)
    bench.enter("started")
    for name in ("started", "taken", "taken twice", "reissued", "opened with a hoard limit", "pending"):
        scene = _enter(bench, name)
        if scene is None or (name == "pending" and not bench.about.may_stack):
            continue
        what = states.bought(bench, scene.last + 1)
        items = orders.purchase(scene.person, what)
        _tear(bench, Story(f"PURCHASE on a card “{name}”", Command.PURCHASE, items, scene.card, scene.person))
        if name == "opened with a hoard limit":
            items = {**items, DI.HOARD_LIMIT: orders.u4(states.hoard(bench) + 7)}
            bench.enter(name)
            if bench.ask(Command.PURCHASE, items).ok:
                title = "PURCHASE with another 0401"
                _tear(bench, Story(title, Command.PURCHASE, items, scene.card, scene.person))


def rule_tear_open(bench: Bench) -> None:
    """OPEN, with a first purchase and without, torn at any byte."""
    bench.need(Command.OPEN)
    scene = bench.enter("blank")
    limits = states.settings(bench)
    first = states.bought(bench, 1)
    for name, items in (
        ("OPEN", orders.open_card(scene.person, settings=limits)),
        ("OPEN with a first purchase", orders.open_card(scene.person, first, limits)),
        ("OPEN with a tariff", orders.open_card(scene.person, first, states.tariff(bench))),
    ):
        _tear(bench, Story(name, Command.OPEN, items, scene.card, scene.person))


def rule_tear_reissue(bench: Bench) -> None:
    """REISSUE, with a purchase and without, torn at any byte."""
    bench.need(Command.REISSUE)
    scene = bench.enter("blank")
    for name, items in (
        ("REISSUE", orders.reissue(scene.person, 5)),
        ("REISSUE with its purchase", orders.reissue(scene.person, 6, states.bought(bench, 6))),
    ):
        _tear(bench, Story(name, Command.REISSUE, items, scene.card, scene.person))


def rule_tear_reverse(bench: Bench) -> None:
    """REVERSE torn at any byte."""
    bench.need(Command.REVERSE)
    made = 0
    for name in ("pending", "taken, then pending", "opened with a purchase", "reissued with a purchase"):
        scene = _enter(bench, name)
        if scene is None or scene.bought is None or bench.unit_item not in bench.read().items:
            continue
        made += 1
        items = orders.reverse(scene.person, scene.bought)
        _tear(bench, Story(f"REVERSE on a card “{name}”", Command.REVERSE, items, scene.card, scene.person))
    if not made:
        raise NotOffered("no card with a pending purchase, and its value in READ, can be made")


def rule_tear_clear(bench: Bench) -> None:
    """CLEAR of every kind of card, torn at any byte."""
    bench.need(Command.CLEAR)
    made = 0
    for name in ("opened", "taken", "taken, then pending", "reissued", "set", "check"):
        scene = _enter(bench, name)
        if scene is None:
            continue
        made += 1
        items = orders.clear(scene.person, scene.last, insist=name.endswith("pending"))
        _tear(bench, Story(f"CLEAR of a card “{name}”", Command.CLEAR, items, scene.card, scene.person))
    if not made:
        raise NotOffered("no card to be cleared can be made")


def rule_tear_set_check(bench: Bench) -> None:
    """SET and CHECK torn at any byte."""
    commands = [each for each in (Command.SET, Command.CHECK) if each in bench.about.commands]
    if not commands:
        raise NotOffered("neither SET nor CHECK in 0103")
    for command in commands:
        setting = orders.set_card(states.person(bench), states.set_items(bench)) if command == Command.SET else None
        scene = bench.enter("blank")
        _tear(bench, Story(command.name, command, setting or orders.check_card(), scene.card, scene.person))


def rule_tear_marking(bench: Bench) -> None:
    """A command that marks a card, torn at any byte: READ says 05, blank or after, and repeating works."""
    if bench.folder.chip is None:
        raise NotOffered("CPU cards are blank only where the files exist")
    person = bench.enter("blank").person
    for command, items in makers(bench, person).items():
        card = memory_of(bench).filled(0xFF)
        title = f"{Command(command).name} of a card full of FF"
        _tear(bench, Story(title, Command(command), items, card, person, marking=True))


def _tear(bench: Bench, story: Story) -> None:
    run = clean_run(bench, story)
    advised = False
    for torn in torn_cards(bench, story, run.total, truthful=True):
        if torn.strict:
            _holds(bench, story, run, torn)
        elif not advised:
            try:
                _holds(bench, story, run, torn)
            except RuleBroken as fault:
                bench.advice.append(f"{fault.what}: {fault.got}; a real chip can do that too (§4.7)")
                advised = True
        recovered(bench, story.person, torn)


def _holds(bench: Bench, story: Story, run: CleanRun, torn: Torn) -> None:
    bench.put(torn.card)
    reading = bench.ask(Command.READ)
    _before_or_after(reading, run.before, run.after, torn.what, story.marking)
    _buys(bench, story, torn.card, reading, torn.what)
    bench.put(torn.card)
    _repeated(bench, story, reading, f"{torn.what}, then repeated")
    _same(bench.read(), run.after, f"{torn.what}, then repeated: READ", Items())


def recovered(bench: Bench, person: orders.Person, torn: Torn) -> None:
    """Staff make the torn card blank, whatever is on it (CLEAR with 0505), and issue it again."""
    if Command.CLEAR not in bench.about.commands:
        return
    bench.put(torn.card)
    reading = bench.ask(Command.READ)
    if reading.error == 0x05:
        return  # not marked yet; that the command works when repeated is demanded elsewhere
    numbers = reading if reading.ok else None
    who = orders.Person(
        (numbers.digits(DI.REGION) if numbers else "") or person.region,
        (numbers.digits(DI.CUSTOMER) if numbers else "") or person.customer,
        (numbers.digits(DI.METER) if numbers else "") or person.meter,
    )
    last = numbers.number(DI.COUNT) if numbers else 0
    hint = "0505 = 1 lifts 0C and 13 (§4.5); a card that nothing frees is lost to its customer"
    title = f"{torn.what}, then CLEAR with 0505 = 1"
    bench.accept(Command.CLEAR, orders.clear(who, last or 0, insist=True), title, hint)
    reading = bench.read()
    demand(reading.number(DI.KIND) == 0, f"{title}: READ", "kind 0", f"kind {reading.number(DI.KIND)}", hint)
    if Command.OPEN in bench.about.commands:
        bench.accept(Command.OPEN, orders.open_card(person), f"{title}, then OPEN", hint)
    elif Command.REISSUE in bench.about.commands:
        bench.accept(Command.REISSUE, orders.reissue(person, 5), f"{title}, then REISSUE", hint)


def _repeated(bench: Bench, story: Story, reading: Answer, what: str) -> None:
    written = story.command == Command.PURCHASE and reading.items.get(DI.COUNT) == story.items[DI.COUNT]
    if written and bench.unit_item not in reading.items:  # 0106 bit 0, only sums kept: the same count is 0D (§4.3)
        bench.refuse(story.command, story.items, (0x0D,), what)
    else:
        bench.accept(story.command, story.items, what)


def _before_or_after(reading: Answer, before: Answer, after: Answer, what: str, marking: bool) -> None:
    if marking and reading.error == 0x05:
        return
    hint = "§4.7: what makes a record valid is the last byte written"
    demand(reading.ok, f"{what}: READ", "the state before or after", reading.said, hint)
    if marking and reading.number(DI.KIND) == 0:
        return  # marked and still blank
    wanted = [each for each in (before, after) if each.ok]
    for each in wanted:
        # an older purchase's record may be gone on layouts with one record
        gone = {di: value for di, value in each.meaning().items() if di in MAY_BE_GONE and each is before}
        if _differences(reading.meaning(), each.meaning(), gone) == []:
            return
    named = (("before", before), ("after", after))
    found = [f"against {name}: {_told(_differences(reading.meaning(), each.meaning(), {}))}"
             for name, each in named if each.ok]  # fmt: skip
    demand(False, f"{what}: READ", "the state before or after", f"neither, {'; '.join(found)}", hint)


def _told(differences: list[str]) -> str:
    shown = ", ".join(differences[:6])
    return shown + (f" and {len(differences) - 6} more" if len(differences) > 6 else "")


def _same(reading: Answer, wanted: Answer, what: str, gone: Items) -> None:
    found = _differences(reading.meaning(), wanted.meaning(), gone)
    demand(not found, what, "the state after", "; ".join(found))


def _differences(reading: Items, wanted: Items, gone: Items) -> list[str]:
    """Items that differ; those in ``gone`` may be missing."""
    found = []
    for di in sorted(set(reading) | set(wanted)):
        if reading.get(di) == wanted.get(di) or (di in gone and di not in reading):
            continue
        here, there = (value_in_words(di, items.get(di)) for items in (reading, wanted))
        found.append(f"{di:04X} is {here}, not {there}")
    return found


def _buys(bench: Bench, story: Story, torn: VirtualCard, reading: Answer, what: str) -> None:
    kind, state, last = (reading.number(di) for di in (DI.KIND, DI.STATE, DI.COUNT))
    can = Command.PURCHASE in bench.about.commands and reading.ok and kind in (1, 2, 3)
    if not can or last is None or state not in ((0, 1, 2) if bench.about.may_stack else (0, 2)):
        return
    bench.put(copy.deepcopy(torn))
    items = orders.purchase(story.person, states.bought(bench, last + 1, salt=1))
    bench.accept(Command.PURCHASE, items, f"{what}, then PURCHASE of last + 1")


def _enter(bench: Bench, name: str) -> Scene | None:
    try:
        return bench.enter(name)
    except NotOffered:
        return None
