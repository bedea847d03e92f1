"""Contract 1 §4.5 and §4.6: OPEN, REISSUE, SET, CHECK: what they make, and that repeating them is safe."""

from __future__ import annotations

from kiosk.drivers.contract import DI, Command
from kiosk.drivers.frame import Items
from kiosk.drivers.sdk.kit import orders, states
from kiosk.drivers.sdk.kit.answer import Answer
from kiosk.drivers.sdk.kit.bench import Bench
from kiosk.drivers.sdk.kit.rules_card import EVERY_SCENE, expect, makers, same_card
from kiosk.drivers.sdk.kit.verdict import Blocked, NotOffered, demand


def rule_open(bench: Bench) -> None:
    """OPEN makes an opening card: kind 1, the three numbers, last 0; with a first purchase count 1, pending."""
    bench.need(Command.OPEN)
    bench.put(bench.blank_card())
    who = states.person(bench)
    bench.put(bench.blank_card())
    answer = bench.accept(Command.OPEN, orders.open_card(who), "OPEN of a blank card")
    wanted: Items = {
        DI.KIND: b"\1", DI.REGION: who.region.encode(), DI.CUSTOMER: who.customer.encode(),
        DI.METER: who.meter.encode(), DI.COUNT: bytes(4), DI.STATE: b"\0",
    }  # fmt: skip
    expect(answer, wanted, "OPEN's answer")
    expect(bench.read(), wanted, "READ after OPEN")
    scene = bench.enter("opened with a purchase")
    answer = bench.read()
    expect(answer, {**same_card(scene), DI.KIND: b"\1", DI.STATE: b"\1"}, "READ after OPEN with a purchase")
    value_stands(bench, answer, scene.bought, "READ after OPEN with a purchase")


def rule_open_count(bench: Bench) -> None:
    """OPEN with a first purchase of another count than 1 is 0D."""
    bench.need(Command.OPEN)
    scene = bench.enter("blank")
    for count in (0, 2):
        items = orders.open_card(scene.person, states.bought(bench, count))
        bench.refuse(Command.OPEN, items, (0x0D,), f"OPEN with 0206 = {count}")


def rule_digits_kept(bench: Bench) -> None:
    """Numbers of other lengths, with leading zeros, come back as given, or are refused with 0E."""
    bench.need(Command.OPEN)
    person = bench.enter("blank").person
    lengths = (1, 5, 12, 19, 20)
    for length in lengths:
        digits = ("0" * 20 + "7")[-length:]
        _kept(bench, orders.Person(person.region, digits, person.meter))
        _kept(bench, orders.Person(person.region, person.customer, digits))
    for region in ("7", "01", "00000001"):
        _kept(bench, orders.Person(region, person.customer, person.meter))


def rule_settings_kept(bench: Bench) -> None:
    """Each 04xx given to OPEN or SET stands in READ afterwards, or is refused with 0E."""
    some = {di: orders.u4(60 + di % 16) for di in range(DI.HOARD_LIMIT, DI.PT_RATIO + 1)}
    rows = bytes.fromhex("01000000 00002710 02000000 00001388")
    tries: list[Items] = [{di: value} for di, value in some.items()]
    tries += [{DI.TARIFF: rows}, {DI.LADDER: orders.u4(21_000) + orders.u4(40_000)}]
    tries += [{DI.TARIFF: rows, DI.TARIFF_FROM: b"20260301000000"}]
    commands = [each for each in (Command.OPEN, Command.SET) if each in bench.about.commands]
    if not commands:
        raise NotOffered("neither OPEN nor SET in 0103")
    for command in commands:
        for items in tries:
            scene = bench.enter("blank")
            make = orders.open_card(scene.person, settings=items) if command == Command.OPEN else None
            answer = bench.ask(command, make or orders.set_card(scene.person, items))
            what = f"{command.name} with {' '.join(f'{di:04X}' for di in items)}"
            demand(answer.ok or answer.error == 0x0E, what, "success or 0E", answer.said)
            if answer.ok:
                expect(bench.read(), items, f"READ after {what}")


def rule_not_blank(bench: Bench) -> None:
    """OPEN, REISSUE, SET and CHECK of a card that is not blank are 0B, region and customer not looked at."""
    makes = makers(bench, states.person(bench))
    own = {Command.OPEN: "opened", Command.REISSUE: "reissued", Command.SET: "set", Command.CHECK: "check"}
    for command, items in makes.items():
        for name in EVERY_SCENE[1:]:
            if name == own[Command(command)]:
                continue
            try:
                bench.enter(name)
            except (Blocked, NotOffered):
                continue
            bench.refuse(command, items, (0x0B,), f"{Command(command).name} of a card “{name}”")
    if Command.OPEN in makes:
        scene = bench.enter("opened")
        for what in ("region", "customer", "meter"):
            items = orders.open_card(scene.person.other(what))
            bench.refuse(Command.OPEN, items, (0x0B,), f"OPEN of an opened card with another {what}")
        try:
            scene = bench.enter("opened with a hoard limit")
        except NotOffered:
            return
        other: Items = {DI.HOARD_LIMIT: orders.u4(states.hoard(bench) + 7)}
        title = "OPEN of a card opened with a hoard limit, with another 0401"
        bench.refuse(Command.OPEN, orders.open_card(scene.person, settings=other), (0x0B,), title)


def rule_repeat(bench: Bench) -> None:
    """OPEN, REISSUE and SET repeated with the same data, and CHECK of a check card, succeed and write nothing."""
    ways: list[tuple[str, int, Items]] = []
    holding = {"opened with a hoard limit": states.settings, "opened with a tariff": states.tariff}
    names = ("opened", "opened with a purchase", *holding, "reissued", "reissued with a purchase", "set", "check")
    for name in names:
        try:
            scene = bench.enter(name)
        except NotOffered:
            continue
        who, what = scene.person, scene.bought
        if name in holding:
            ways.append((name, Command.OPEN, orders.open_card(who, settings=holding[name](bench), when=40)))
        elif name.startswith("opened"):
            ways.append((name, Command.OPEN, orders.open_card(who, what, when=40)))
        elif name.startswith("reissued"):
            ways.append((name, Command.REISSUE, orders.reissue(who, scene.last, what, when=40)))
        elif name == "set":
            ways.append((name, Command.SET, orders.set_card(who, states.set_items(bench), when=40)))
        else:
            ways.append((name, Command.CHECK, orders.check_card(when=40)))
    if not ways:
        raise NotOffered("none of OPEN, REISSUE, SET, CHECK in 0103")
    for name, command, items in ways:
        bench.enter(name)
        changed: Items = {**items, DI.OPERATOR: b"7"}
        if DI.SALE in items:
            changed[DI.SALE] = bytes(16)
        what_done = f"{Command(command).name} repeated on a card “{name}” with another 0501–0504 and a wrong password"
        answer = bench.accept(command, changed, what_done, password=bench.idle_password)
        demand(bench.seen.writes == 0, what_done, "nothing written", f"{bench.seen.writes} writes")
        carries_read(bench, answer, what_done)


def rule_repeat_after_meter(bench: Bench) -> None:
    """Once the meter has written back, OPEN and REISSUE repeated are 0B."""
    tried = 0
    for name, command in (("opened with a purchase", Command.OPEN), ("reissued with a purchase", Command.REISSUE)):
        try:
            scene = bench.enter(name)
        except NotOffered:
            continue
        bench.insert()
        if DI.METER_COUNT not in bench.read().items:
            continue  # this meter did not write back; the rule about the meter tells
        what = scene.bought
        if command == Command.OPEN:
            items = orders.open_card(scene.person, what)
        else:
            items = orders.reissue(scene.person, scene.last, what)
        bench.refuse(command, items, (0x0B,), f"{command.name} repeated after the meter wrote back")
        tried += 1
    if not tried:
        raise NotOffered("neither OPEN nor REISSUE with a purchase could be followed by a write-back")


def rule_reissue(bench: Bench) -> None:
    """REISSUE without a purchase sets last = 0206, nothing pending; with one it is pending under 0206. Kind 3."""
    bench.need(Command.REISSUE)
    scene = bench.enter("reissued")
    expect(bench.read(), {**same_card(scene), DI.KIND: b"\3", DI.STATE: b"\0"}, "READ after REISSUE")
    scene = bench.enter("reissued with a purchase")
    answer = bench.read()
    expect(answer, {**same_card(scene), DI.KIND: b"\3", DI.STATE: b"\1"}, "READ after REISSUE with a purchase")
    value_stands(bench, answer, scene.bought, "READ after REISSUE with a purchase")
    if Command.PURCHASE in bench.about.commands:
        scene = bench.enter("reissued")
        items = orders.purchase(scene.person, states.bought(bench, scene.last + 1))
        bench.accept(Command.PURCHASE, items, "PURCHASE on a reissued card the meter has not seen")
    if Command.REVERSE in bench.about.commands:
        scene = bench.enter("reissued with a purchase")
        assert scene.bought is not None
        if bench.unit_item not in bench.read().items:
            return  # 0106 bit 0, only sums are kept: there is no record to take back (0D)
        answer = bench.accept(Command.REVERSE, orders.reverse(scene.person, scene.bought), "REVERSE of it")
        expect(answer, {DI.COUNT: orders.u4(scene.last - 1), DI.STATE: b"\0"}, "REVERSE on a reissued card")


def rule_set_and_check(bench: Bench) -> None:
    """SET makes a card of kind 5 that holds the settings, CHECK one of kind 6; neither can be bought on (0A)."""
    tried = 0
    for name, command, kind in (("set", Command.SET, b"\5"), ("check", Command.CHECK, b"\6")):
        try:
            scene = bench.enter(name)
        except NotOffered:
            continue
        tried += 1
        expect(bench.read(), {DI.KIND: kind, DI.STATE: b"\0", DI.COUNT: bytes(4)}, f"READ after {command.name}")
        if command == Command.SET:
            wanted = states.set_items(bench)
            bench.enter(name)
            expect(bench.read(), wanted, "READ of a setting card")
        not_a_purchase_card(bench, scene.person, name)
    if not tried:
        raise NotOffered("neither SET nor CHECK in 0103")


def not_a_purchase_card(bench: Bench, person: orders.Person, name: str) -> None:
    """PURCHASE and REVERSE of a blank, setting or check card are 0A, even with another region."""
    for who in (person, person.other("region")):
        one = states.bought(bench, 1)
        if Command.PURCHASE in bench.about.commands:
            bench.refuse(Command.PURCHASE, orders.purchase(who, one), (0x0A,), f"PURCHASE on a card “{name}”")
        if Command.REVERSE in bench.about.commands:
            bench.refuse(Command.REVERSE, orders.reverse(who, one), (0x0A,), f"REVERSE on a card “{name}”")


def rule_blank_not_sold(bench: Bench) -> None:
    """PURCHASE and REVERSE of a blank card are 0A."""
    bench.need(Command.PURCHASE)
    scene = bench.enter("blank")
    not_a_purchase_card(bench, scene.person, "blank")


def value_stands(bench: Bench, answer: Answer, what: orders.Bought | None, title: str) -> None:
    """The value in the unit stands in READ; of the other value, the time and the sale only what the card stores."""
    assert what is not None
    unit, other = (what.amount, what.energy) if bench.about.counts_money else (what.energy, what.amount)
    got = answer.number(bench.unit_item)
    # a driver that may add purchases up may keep only their sum (020A, 020B)
    summed = bench.about.may_stack and got is None
    demand(summed or got == unit, f"{title}: {bench.unit_item:04X}", str(unit), str(got))
    stored = answer.number(bench.other_item)
    demand(stored in (None, other), f"{title}: {bench.other_item:04X}", f"{other} or left out", str(stored))
    sale = answer.items.get(DI.SALE, what.sale)
    demand(sale == what.sale, f"{title}: 0504", what.sale.hex(), sale.hex())


def carries_read(bench: Bench, answer: Answer, what: str) -> None:
    """A success answer carries READ's items as READ gives them right after."""
    after = bench.read()
    for di, value in after.meaning().items():
        got = answer.items.get(di)
        demand(
            got == value, f"{what}: {di:04X} in the answer", value.hex(" "), "left out" if got is None else got.hex()
        )


def _kept(bench: Bench, person: orders.Person) -> None:
    bench.enter("blank")
    answer = bench.ask(Command.OPEN, orders.open_card(person))
    what = f"OPEN for region {person.region}, customer {person.customer}, meter {person.meter}"
    demand(answer.ok or answer.error == 0x0E, what, "success or 0E", answer.said, "never shortened, never padded")
    if answer.ok:
        given: Items = {DI.REGION: person.region.encode(), DI.CUSTOMER: person.customer.encode()}
        expect(bench.read(), {**given, DI.METER: person.meter.encode()}, f"READ after {what}")
