"""Contract 1 §2, §4.1, §4.9 and §5: who the driver is, what READ says, whose card it is."""

from __future__ import annotations

from kiosk.drivers.contract import DI, Command
from kiosk.drivers.frame import Items
from kiosk.drivers.sdk.kit import orders, states
from kiosk.drivers.sdk.kit.answer import ALWAYS, KNOWN, Answer
from kiosk.drivers.sdk.kit.bench import Bench
from kiosk.drivers.sdk.kit.memory import Memory, other
from kiosk.drivers.sdk.kit.notes import Scene
from kiosk.drivers.sdk.kit.port import EmptyReader, StrangeChip
from kiosk.drivers.sdk.kit.verdict import Blocked, NotOffered, demand
from kiosk.model.card import CardType
from kiosk.model.cardport import IO_FAULT, NO_CARD, CardPortError, VirtualCard

EVERY_SCENE = (
    "blank", "opened", "opened with a purchase", "pending", "taken", "taken, then pending", "taken twice",
    "reissued", "reissued with a purchase", "set", "check",
)  # fmt: skip


def rule_describe(bench: Bench) -> None:
    """DESCRIBE, without a card: 0101 as in the manifest, 0102–0105."""
    answer = bench.ask_port(Command.DESCRIBE, {}, None)
    demand(answer.ok, "DESCRIBE", "success", answer.said, "it touches no card: icdev may be 0")
    # 0106 left out is taken as 0, and a keypad vendor's 0104 may be left out: “what is not known is left out” (§1)
    wanted = [DI.VENDOR_CODE, DI.DRIVER_VERSION, DI.COMMANDS, DI.UNIT]
    wanted += [DI.CARD_TYPES] if bench.folder.type_name else []
    for di in wanted:
        demand(di in answer.items, "DESCRIBE", f"{di:04X}", "it is not there")
    code = answer.digits(DI.VENDOR_CODE)
    demand(code.upper() == bench.folder.manifest.vendor.code, "DESCRIBE 0101", bench.folder.manifest.vendor.code, code)
    served = set(answer.items.get(DI.CARD_TYPES, b""))
    for card in bench.folder.manifest.cards:
        demand(card.type in served, "DESCRIBE 0104", f"{card.type:d} ({card.type.name})", str(sorted(served)))
    must = Command.READ if bench.folder.type_name else Command.PURCHASE
    demand(must in answer.items[DI.COMMANDS], "DESCRIBE 0103", f"{must:02X}", answer.items[DI.COMMANDS].hex(" "))
    again = bench.ask_port(Command.DESCRIBE, {}, EmptyReader())
    told, told_again = ({di: value for di, value in each.items.items() if di in KNOWN} for each in (answer, again))
    demand(told == told_again, "DESCRIBE with an empty reader", "the same", again.said)


def rule_six_items(bench: Bench) -> None:
    """READ gives its six items on every kind of card the driver can make."""
    bench.need_card()
    seen = 0
    for name in EVERY_SCENE:
        try:
            scene = bench.enter(name)
        except (Blocked, NotOffered):
            continue  # the rule about that command tells
        answer = bench.read()
        missing = [f"{di:04X}" for di in ALWAYS if di not in answer.items]
        demand(not missing, f"READ of a card “{name}”", "0201 0202 0203 0204 0206 0209", f"without {missing}")
        demand(answer.number(DI.COUNT) == scene.last, f"READ of “{name}”: 0206", str(scene.last), _count(answer))
        seen += 1
    demand(seen > 0, "READ", "a card to read", "no card could be made")


def rule_blank(bench: Bench) -> None:
    """A blank card is kind 0, counts nothing and knows nobody."""
    bench.need_card()
    bench.put(bench.blank_card())
    answer = bench.read()
    # the region is not looked at: blank cards may be handed out by one
    expect(answer, {DI.KIND: b"\0", DI.CUSTOMER: b"", DI.METER: b"", DI.COUNT: bytes(4), DI.STATE: b"\0"}, "READ blank")


def rule_no_card(bench: Bench) -> None:
    """An empty reader is 03."""
    bench.need_card()
    for command, items in ((Command.READ, Items()), (Command.PURCHASE, _purchase(bench))):
        if command in bench.about.commands:
            answer = bench.ask_port(command, items, EmptyReader())
            demand(answer.error == 0x03, f"{command.name} on an empty reader", "error 03", answer.said)


def rule_wrong_family(bench: Bench) -> None:
    """A chip of another family is 04."""
    bench.need_card()
    # compared with 0104, not with vendor.toml: a driver may serve more than this terminal is told to take
    served = bench.ask_port(Command.DESCRIBE, {}, None).items.get(DI.CARD_TYPES, b"")
    family = next((each for each in (CardType.CPU, CardType.SLE4442, CardType.AT24C01) if each not in served), None)
    if family is None:
        raise NotOffered("the vendor serves every family the kit could put in")
    answer = bench.ask_port(Command.READ, {}, StrangeChip(family, cpu=family is CardType.CPU))
    demand(answer.error == 0x04, f"READ of a {family.name} card", "error 04", answer.said, "compare card_type()")


def rule_other_mark(bench: Bench) -> None:
    """A card of the right family without this vendor's mark is 05, and nothing is written to it."""
    bench.need_card()
    for command, items in ((Command.READ, Items()), (Command.PURCHASE, _purchase(bench))):
        if command not in bench.about.commands:
            continue
        what = f"{command.name} of a card with another mark"
        if bench.folder.type_name == "CPU":
            answer = bench.ask_port(command, items, StrangeChip(CardType.CPU, cpu=True))
            demand(answer.error == 0x05, what, "error 05", answer.said)
        else:
            blank = bench.enter("blank").card
            bench.put(without_mark(bench, blank))
            bench.refuse(command, items, (0x05,), what)
            for part in bench.folder.mark.memory:
                last = part.addr + len(part.content) - 1
                bench.put(memory_of(bench).poked(blank, part.zone, last, other(part.content[-1:])))
                where = f"{last}" if part.zone == 0 else f"zone {part.zone}, {last}"
                bench.refuse(command, items, (0x05,), f"{command.name} of a card whose mark differs at {where}")


def rule_mark_leaves_card(bench: Bench) -> None:
    """The manifest's mark matches the blank card and every card made from it; looking changes nothing."""
    bench.need_card()
    for name in EVERY_SCENE:
        try:
            scene = bench.enter(name)
        except (Blocked, NotOffered):
            continue
        before = scene.card.image()
        demand(mark_matches(bench, scene.card), f"the mark on a card “{name}”", "a match", "none")
        if bench.folder.chip is not None:  # a CPU card's image holds which file is selected
            demand(scene.card.image() == before, "looking for the mark", "the card unchanged", "another image")
    bench.put(bench.blank_card())
    demand(mark_matches(bench, bench.snapshot()), "the mark on conformance's blank card", "a match", "none")


def rule_unmarked(bench: Bench) -> None:
    """A card of FF or 00 only is marked and taken by OPEN, REISSUE, SET and CHECK; any other byte is 05."""
    bench.need_card()
    if bench.memory is None:
        raise NotOffered("CPU cards are blank only where the files exist")
    memory = bench.memory
    for command, items in makers(bench, states.person(bench)).items():
        for fill, card in _factory_cards(bench).items():
            bench.put(card)
            what = f"{Command(command).name} of {fill}"
            answer = bench.accept(command, items, what)
            demand(answer.number(DI.KIND) != 0, what, "a card that is not blank", "kind 0")
            demand(mark_matches(bench, bench.snapshot()), what, "the vendor's mark on it", "none")
        bench.put(memory.filled(0xFF))
        answer = bench.ask(Command.READ)
        demand(answer.error == 0x05, "READ of a card full of FF", "error 05", answer.said)
        zone, addr = memory.layout.places[-5]
        bench.put(memory.poked(memory.filled(0xFF), zone, addr, b"\x5a"))
        bench.refuse(command, items, (0x05,), f"{Command(command).name} of an unmarked card with one byte 5A")


def _factory_cards(bench: Bench) -> dict[str, VirtualCard]:
    """Cards nobody has marked: FF, 00, both mixed, and one with the first half of the mark on it already."""
    memory, parts = memory_of(bench), bench.folder.mark.memory
    mixed, half = bytearray(b"\xff" * len(memory.layout.places)), memory.filled(0xFF)
    for at in range(0, len(mixed), 7):
        mixed[at : at + 3] = b"\0\xff\0"[: len(mixed) - at]
    if len(parts) > 1 or len(parts[0].content) > 1:
        head = parts[0].content[: max(1, len(parts[0].content) // 2)]
        half = memory.poked(half, parts[0].zone, parts[0].addr, head)
    return {
        "a card full of FF": memory.filled(0xFF), "a card full of 00": memory.filled(0x00),
        "a card of FF and 00 mixed": memory.changed(half, bytes(mixed)),
        "a card full of FF but for half of the mark": half,
    }  # fmt: skip


def makers(bench: Bench, who: orders.Person) -> dict[int, Items]:
    """The requests that make something of a blank card, of those the driver has."""
    found: dict[int, Items] = {}
    if Command.OPEN in bench.about.commands:
        found[Command.OPEN] = orders.open_card(who)
    if Command.REISSUE in bench.about.commands:
        found[Command.REISSUE] = orders.reissue(who, 5)
    if Command.SET in bench.about.commands:
        found[Command.SET] = orders.set_card(who, states.set_items(bench))
    if Command.CHECK in bench.about.commands:
        found[Command.CHECK] = orders.check_card()
    if not found:
        raise NotOffered("none of OPEN, REISSUE, SET, CHECK in 0103")
    return found


def memory_of(bench: Bench) -> Memory:
    """The memory family's cards. NotOffered for CPU cards and keypads."""
    if bench.memory is None:
        raise NotOffered("not a memory card")
    return bench.memory


def without_mark(bench: Bench, card: VirtualCard) -> VirtualCard:
    """A memory card whose mark is another vendor's."""
    for part in bench.folder.mark.memory:
        card = memory_of(bench).poked(card, part.zone, part.addr, other(part.content))
    return card


def mark_matches(bench: Bench, card: VirtualCard) -> bool:
    """As the kiosk looks for it (contract 1 §9)."""
    card.reset()
    for part in bench.folder.mark.memory:
        try:
            if card.read(part.zone, part.addr, len(part.content)) != part.content:
                return False
        except CardPortError as fault:
            if fault.code in (NO_CARD, IO_FAULT):
                raise
            return False  # a mark nobody may read matches no card
    for look in bench.folder.mark.cpu:
        answer = card.transmit(look.apdu)
        if answer[-2:] != b"\x90\x00" or not answer[:-2].startswith(look.begins):
            return False
    return True


def expect(answer: Answer, items: Items, what: str) -> None:
    """The answer has these items with these values."""
    for di, value in items.items():
        got = answer.items.get(di)
        demand(got == value, f"{what}: {di:04X}", _shown(value), "left out" if got is None else _shown(got))


def same_card(scene: Scene) -> Items:
    """The items that must stand on a card of that scene."""
    who = scene.person
    return {
        DI.REGION: who.region.encode(), DI.CUSTOMER: who.customer.encode(), DI.METER: who.meter.encode(),
        DI.COUNT: orders.u4(scene.last),
    }  # fmt: skip


def _purchase(bench: Bench) -> Items:
    return orders.purchase(states.person(bench), states.bought(bench, 1))


def _count(answer: Answer) -> str:
    return str(answer.number(DI.COUNT))


def _shown(value: bytes) -> str:
    return value.decode() if value.isdigit() else (value.hex(" ") or "N = 0")
