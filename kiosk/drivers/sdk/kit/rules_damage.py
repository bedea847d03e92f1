"""Contract 1 §4.13, §4.5 and item 0209: any bytes on the card give an answer or an error."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator

from kiosk.drivers.contract import DI, Command
from kiosk.drivers.frame import Items
from kiosk.drivers.sdk.kit import orders, states
from kiosk.drivers.sdk.kit.answer import ALWAYS, Answer
from kiosk.drivers.sdk.kit.bench import Bench
from kiosk.drivers.sdk.kit.files import Chunk, Content, read_files
from kiosk.drivers.sdk.kit.notes import Scene
from kiosk.drivers.sdk.kit.tear import Story, torn_cards
from kiosk.drivers.sdk.kit.verdict import Blocked, NotOffered, demand
from kiosk.model.cardport import VirtualCard

SCENES = (
    "pending", "taken", "taken, then pending", "opened with a hoard limit", "opened with a tariff", "set", "check",
    "blank",
)  # fmt: skip
BUY_EVERY = 10  # on every tenth mutated card something is written, or refused, too
DAMAGED_MAX, FREED_MAX = 25, 3
SPLICED = 0.15  # of the mutated cards have a stretch of another card instead of chance: sound records, wrong together
NO_WAY_IN = "no way was found to change the card's files: the secret is a cryptogram, and no session stays open"


def rule_any_bytes(bench: Bench) -> None:
    """Thousands of mutated cards: READ, and on some PURCHASE and CLEAR, answer; READ writes nothing, nor does 13; what
    succeeds is true."""
    scenes = _bases(bench)
    rng, said = bench.rng("mutations"), Counter[str]()
    for number, (scene, card) in enumerate(_mutants(bench, scenes, rng)):
        if number % 50 == 0:
            bench.progress(f"mutated card {number} of {bench.images}")
        bench.put(card)
        reading = bench.ask(Command.READ)
        demand(bench.seen.writes == 0, f"READ of mutated card {number}", "nothing written", f"{bench.seen.writes}")
        if reading.ok:
            missing = [f"{di:04X}" for di in ALWAYS if di not in reading.items]
            demand(not missing, f"READ of mutated card {number}", "the six items", f"without {missing}")
        said["read as good" if reading.ok else f"refused with {reading.error:02X}"] += 1
        if number % BUY_EVERY == 0:
            _write_on(bench, scene, card, reading, number)
    told = ", ".join(f"{count} {how}" for how, count in said.most_common())
    bench.remarks.append(f"{bench.images} mutated cards, seed {bench.seed}: {told}")


def rule_damaged(bench: Bench) -> None:
    """A damaged card is 13 to every command, before kind, region, customer; CLEAR insisting frees it."""
    damaged = _find(bench, lambda answer: answer.error == 0x13)
    if not damaged:
        raise NotOffered("no mutated card was answered 13")
    for scene, card in damaged:
        stranger = scene.person.other("customer").other("region")
        one = states.bought(bench, 9)
        tries: dict[int, Items] = {
            Command.PURCHASE: orders.purchase(stranger, one),
            Command.REVERSE: orders.reverse(stranger, one),
            Command.OPEN: orders.open_card(stranger),
            Command.REISSUE: orders.reissue(stranger, 3),
            Command.CHECK: orders.check_card(),
            Command.CLEAR: orders.clear(stranger, 77),
        }
        for command, items in tries.items():
            if command in bench.about.commands:
                bench.put(card)
                bench.refuse(command, items, (0x13,), f"{Command(command).name} of a damaged card")
        if Command.CLEAR in bench.about.commands:
            bench.put(card)
            items, what = orders.clear(stranger, 77, insist=True), "CLEAR of a damaged card with 0505 = 1"
            answer = bench.accept(Command.CLEAR, items, what)
            for di in (DI.REGION, DI.CUSTOMER, DI.METER):
                demand(answer.items.get(di) == b"", f"{what}: {di:04X}", "N = 0 (unknown)", str(answer.items.get(di)))
            # 0201 and 0209 as unknown are zero (§1); so is 0206
            for di in (DI.KIND, DI.COUNT, DI.STATE):
                demand(answer.number(di) == 0, f"{what}: {di:04X}", "zero (unknown)", str(answer.number(di)))
            demand(bench.read().number(DI.KIND) == 0, f"READ after {what}", "kind 0", "another")


def rule_tear_freeing(bench: Bench) -> None:
    """CLEAR insisting on a damaged card, torn at any byte: still damaged, or blank; and the same works again."""
    bench.need(Command.CLEAR)
    damaged = _find(bench, lambda answer: answer.error == 0x13)
    if not damaged:
        raise NotOffered("no mutated card was answered 13")
    for scene, card in damaged[:FREED_MAX]:
        items = orders.clear(scene.person, 77, insist=True)
        bench.put(card)
        bench.accept(Command.CLEAR, items, "CLEAR of a damaged card with 0505 = 1")
        story = Story("CLEAR of a damaged card with 0505 = 1", Command.CLEAR, items, card, scene.person)
        for torn in torn_cards(bench, story, bench.seen.bytes_written, truthful=True):
            bench.put(torn.card)
            reading = bench.ask(Command.READ)
            blank = reading.ok and reading.number(DI.KIND) == 0
            demand(blank or reading.error == 0x13, f"READ of {torn.what}", "13, or kind 0", reading.said)
            bench.accept(Command.CLEAR, items, f"{torn.what}, then repeated")
            demand(bench.read().number(DI.KIND) == 0, f"READ of {torn.what}, then repeated", "kind 0", "another")


def rule_write_back_damaged(bench: Bench) -> None:
    """A damaged write-back is 0209 = 3, never 13; last does not fall; PURCHASE, CLEAR and REVERSE are 0C."""
    found = lost = 0
    for name in ("taken", "taken, then pending"):
        scene = bench.enter(name)
        whole = bench.read()
        for card in _write_back_damaged(bench, scene):
            bench.put(card)
            reading = bench.ask(Command.READ)
            what = f"READ of a card “{name}” with its write-back damaged"
            demand(reading.ok, what, "success, 0209 = 3", reading.said)
            if reading.number(DI.STATE) != 3:
                # nothing lost: the layout's check does not cover the byte; one byte may say whether there is one at all
                lost += DI.METER_COUNT in whole.items and DI.METER_COUNT not in reading.items
                got = f"0209 = {reading.number(DI.STATE)} and no 0302 in {lost} such cards"
                hint = "a write-back that fails its check is damaged, not absent: the meter may have taken the purchase"
                demand(lost < 2, what, "0209 = 3", got, hint)
                continue
            found += 1
            last = reading.number(DI.COUNT)
            kept = whole.number(bench.unit_item) is not None
            demand(not kept or last == scene.last, f"{what}: 0206", str(scene.last), str(last))
            _unsure(bench, scene, card, last or 0)
    if not found:
        raise NotOffered("no damage of the write-back was noticed (0209 = 3)")


def _unsure(bench: Bench, scene: Scene, card: VirtualCard, last: int) -> None:
    nothing, following = scene.bought, states.bought(bench, last + 1)
    tries: dict[int, Items] = {
        Command.PURCHASE: orders.purchase(scene.person, following),
        Command.CLEAR: orders.clear(scene.person, last),
    }
    if nothing is not None and nothing.count == last and bench.ask(Command.READ).number(bench.unit_item) is not None:
        tries[Command.REVERSE] = orders.reverse(scene.person, nothing)
    for command, items in tries.items():
        if command in bench.about.commands:
            bench.put(card)
            title = f"{Command(command).name} where the write-back is damaged"
            bench.refuse(command, items, (0x0C,), title, "0209 = 3: it cannot be told whether the meter took it")
    if Command.CLEAR in bench.about.commands:
        bench.put(card)
        insisting = orders.clear(scene.person, last, insist=True)
        bench.accept(Command.CLEAR, insisting, "CLEAR with 0505 = 1 where the write-back is damaged")


def _write_on(bench: Bench, scene: Scene, card: VirtualCard, reading: Answer, number: int) -> None:
    last = reading.number(DI.COUNT) or 0
    following = states.bought(bench, min(last + 1, 0xFFFFFFFF))
    tries: dict[int, Items] = {
        Command.PURCHASE: orders.purchase(scene.person, following),
        Command.REVERSE: orders.reverse(scene.person, scene.bought or following),
        Command.OPEN: orders.open_card(scene.person),
        Command.CLEAR: orders.clear(scene.person, min(last, 0xFFFFFFFF), insist=True),
    }
    for command, items in tries.items():
        if command not in bench.about.commands:
            continue
        bench.progress(f"{Command(command).name} of mutated card {number}")
        bench.put(card)
        answer = bench.ask(command, items)  # any error will do, 15 too; nonsense, a crash, a hang or a lie will not
        if answer.ok:
            _is_true(bench, command, reading, f"{Command(command).name} of mutated card {number}")


def _is_true(bench: Bench, command: int, before: Answer, what: str) -> None:
    """A success on a mutated card is one: READ shows it."""
    after = bench.ask(Command.READ)
    hint = "success is told only of what stands on the card and can be read"
    demand(after.ok, f"READ after {what}, which succeeded", "success", after.said, hint)
    if command == Command.CLEAR:
        demand(after.number(DI.KIND) == 0, f"READ after {what}: 0201", "0", str(after.number(DI.KIND)), hint)
    if command == Command.PURCHASE:
        demand(before.ok, what, "an error, as READ of that card", "success", hint)
        last, wanted = after.number(DI.COUNT), min((before.number(DI.COUNT) or 0) + 1, 0xFFFFFFFF)
        demand(last == wanted, f"READ after {what}: 0206", str(wanted), str(last), hint)


def _bases(bench: Bench) -> list[Scene]:
    bench.need_card()
    found = []
    for name in SCENES:
        try:
            found.append(bench.enter(name))
        except (NotOffered, Blocked):
            continue
    if not found:
        raise Blocked("no card could be made")
    return found


def _mutants(bench: Bench, scenes: list[Scene], rng: random.Random) -> Iterator[tuple[Scene, VirtualCard]]:
    for _ in range(bench.images):
        scene = rng.choice(scenes)
        if bench.memory is not None:
            user = bytearray(bench.memory.user(scene.card))
            if rng.random() < SPLICED:
                splice(user, bench.memory.user(rng.choice(scenes).card), rng)
            else:
                mutate(user, rng, 0, len(user))
            # mostly with the mark, or READ would look no further
            content = bench.memory.marked(bytes(user)) if rng.random() < 0.9 else bytes(user)
            yield scene, bench.memory.changed(scene.card, content)
        else:
            yield scene, _mutated_files(bench, scene, scenes, rng)


def splice(image: bytearray, other: bytes, rng: random.Random) -> None:
    """A stretch of another card of the same vendor: whole records that do not belong together."""
    differ = [at for at, (mine, yours) in enumerate(zip(image, other, strict=True)) if mine != yours]
    if differ:
        first, last = sorted((rng.choice(differ), rng.choice(differ)))
        image[first : last + 1] = other[first : last + 1]


def mutate(image: bytearray, rng: random.Random, first: int, end: int) -> None:
    """Flips bits, writes chance or FF/00 over a block, or fills up to the end, within [first, end)."""
    way = rng.randrange(5)
    at = _place(image, rng, first, end)
    if way <= 1:
        for _ in range(rng.choice((1, 1, 1, 2, 4, 8))):
            image[_place(image, rng, first, end)] ^= 1 << rng.randrange(8)
    elif way == 2:
        block = rng.randbytes(rng.randrange(1, 65))[: end - at]
        image[at : at + len(block)] = block
    elif way == 3:
        size = min(rng.randrange(1, 65), end - at)
        image[at : at + size] = bytes((rng.choice((0x00, 0xFF)),)) * size
    else:
        image[at:end] = bytes((rng.choice((0x00, 0xFF)),)) * (end - at)


def _place(image: bytearray, rng: random.Random, first: int, end: int) -> int:
    """Mostly at or near bytes that hold something; on a large card most hold nothing."""
    held = [at for at in range(first, end) if image[at] not in (0x00, 0xFF)]
    if not held or rng.random() < 0.25:
        return rng.randrange(first, end)
    return min(max(rng.choice(held) + rng.randrange(-3, 4), first), end - 1)


def _mutated_files(bench: Bench, scene: Scene, scenes: list[Scene], rng: random.Random) -> VirtualCard:
    """A CPU card whose files hold something else."""
    content = read_files(scene.card, bench.chunks)
    if not content:
        raise NotOffered("the driver's files could not be reached: no READ BINARY/RECORD or UPDATE in plain was seen")
    changed: list[tuple[Chunk, bytes]] = []
    victim = rng.randrange(len(content))
    other = dict(read_files(rng.choice(scenes).card, bench.chunks)) if rng.random() < SPLICED else {}
    for index, (chunk, data) in enumerate(content):
        if index == victim and other.get(chunk, data) != data:
            changed.append((chunk, other[chunk]))
        elif data and (index == victim or rng.random() < 0.2):
            image = bytearray(data)
            mutate(image, rng, 0, len(image))
            changed.append((chunk, bytes(image)))
    card = bench.forged(scene.card, tuple(changed))
    if card is None:
        raise NotOffered(NO_WAY_IN)
    return card


def _find(bench: Bench, wanted: Callable[[Answer], bool]) -> list[tuple[Scene, VirtualCard]]:
    """Some mutated cards whose READ is as wanted."""
    found: list[tuple[Scene, VirtualCard]] = []
    scenes = _bases(bench)
    tried = min(bench.images, 1500)
    for number, (scene, card) in enumerate(_mutants(bench, scenes, bench.rng("damaged"))):
        bench.put(card)
        if wanted(bench.ask(Command.READ)):
            found.append((scene, card))
        if len(found) >= DAMAGED_MAX or number >= tried:
            break
    return found


def _write_back_damaged(bench: Bench, scene: Scene) -> Iterator[VirtualCard]:
    """The card with one bit flipped in each byte that a second write-back of the same meter changed."""
    bench.enter("taken")
    first = bench.content()
    bench.insert(use=333)
    second = bench.content()
    if bench.memory is not None and isinstance(first, bytes) and isinstance(second, bytes):
        for at in (index for index in range(len(first)) if first[index] != second[index]):
            user = bytearray(bench.memory.user(scene.card))
            user[at] ^= 0x10
            yield bench.memory.changed(scene.card, bytes(user))
        return
    old = dict(read_files_of(first))
    written = {chunk for chunk, data in read_files_of(second) if old.get(chunk) != data}
    for chunk, data in read_files(scene.card, bench.chunks):
        if chunk not in written:
            continue
        for at in range(0, len(data), max(1, len(data) // 12)):
            image = bytearray(data)
            image[at] ^= 0x10
            forged = bench.forged(scene.card, ((chunk, bytes(image)),))
            if forged is not None:
                yield forged


def read_files_of(content: bytes | Content) -> Content:
    """A CPU card's content; memory has none."""
    return () if isinstance(content, bytes) else content
