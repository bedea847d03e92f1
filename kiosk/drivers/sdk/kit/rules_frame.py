"""Contract 1 §1 and §2: the frame, the items, what each command must have."""

from __future__ import annotations

import random

from kiosk.drivers.contract import DI, Command
from kiosk.drivers.frame import Frame, Items, pack_items
from kiosk.drivers.sdk.kit import orders, states
from kiosk.drivers.sdk.kit.answer import Answer, parse
from kiosk.drivers.sdk.kit.bench import Bench
from kiosk.drivers.sdk.kit.port import EmptyReader
from kiosk.drivers.sdk.kit.verdict import RuleBroken, demand
from kiosk.model.cardport import CardPort

BROKEN_FRAMES = {
    "start byte 67": "67 11 00 00 11 16",
    "end byte 17": "68 11 00 00 11 17",
    "a wrong CS": "68 11 00 00 12 16",
    "CS that counts the 68": "68 11 00 00 79 16",
    "L one too large": "68 11 00 01 11 16",
    "L one too small": "68 11 00 04 05 02 00 01 41 5F 16",
    "L low byte first": "68 11 05 00 05 02 00 01 41 5F 16",
    "L above 2048": "68 11 08 01 05 02 00 01 41 62 16",
    "C = 40": "68 40 00 00 40 16",
    "C = 91 (an answer)": "68 91 00 00 91 16",
    "only a start byte": "68",
    "cut after L": "68 11 00 00",
    "no bytes at all": "",
}
"""None can be read as a good frame, even by a library that sees no end of the buffer (zeros follow)."""

ROWS = bytes.fromhex("0000000000001388")
FAULTY_ITEMS: dict[str, tuple[int, bytes]] = {
    "0206 of three bytes": (DI.COUNT, b"\0\0\1"),
    "0207 of five bytes": (DI.AMOUNT, bytes(4) + b"\1"),
    "0401 of three bytes": (DI.HOARD_LIMIT, bytes(3)),
    "0504 of fifteen bytes": (DI.SALE, bytes(15)),
    "0501 of thirteen digits": (DI.WHEN, b"2026021510300"),
    "0501 with a letter": (DI.WHEN, b"2026021510300A"),
    "0505 of two bytes": (DI.INSIST, b"\0\1"),
    "0202 of nine digits": (DI.REGION, b"123456789"),
    "0203 of 21 digits": (DI.CUSTOMER, b"1" * 21),
    "0203 with a letter": (DI.CUSTOMER, b"12A4"),
    "0204 with a space": (DI.METER, b"12 4"),
    "0203 empty": (DI.CUSTOMER, b""),
    "0206 empty": (DI.COUNT, b""),
    "0501 empty": (DI.WHEN, b""),
    "0410 of seven bytes": (DI.TARIFF, ROWS[:7]),
    "0410 with a row twice": (DI.TARIFF, ROWS + ROWS),
    "0410 with period and step twice at two prices": (DI.TARIFF, ROWS + ROWS[:-1] + b"\x89"),
    "0410 empty": (DI.TARIFF, b""),
    "0411 of five bytes": (DI.LADDER, bytes(4) + b"\1"),
    "0411 descending": (DI.LADDER, orders.u4(30_000) + orders.u4(20_000)),
}

REQUESTS_LEAST = 200

FIRST: tuple[int, ...] = (DI.COUNT, DI.AMOUNT, DI.ENERGY, DI.SALE)
WHO: tuple[int, ...] = (DI.CUSTOMER, DI.METER)
WHEN: tuple[int, ...] = (DI.WHEN, DI.TERMINAL)
MUST_HAVE: dict[int, tuple[int, ...]] = {
    Command.OPEN: (DI.REGION, *WHO, *WHEN),
    Command.PURCHASE: (*WHO, *FIRST, *WHEN),
    Command.REISSUE: (DI.REGION, *WHO, DI.COUNT, *WHEN),
    Command.CLEAR: (*WHO, DI.COUNT, *WHEN),
    Command.SET: (DI.REGION, *WHEN),
    Command.CHECK: WHEN,
    Command.REVERSE: (*WHO, DI.COUNT, DI.AMOUNT, DI.ENERGY, *WHEN),
}


def requests(bench: Bench) -> dict[int, Items]:
    """A good request for every command the driver has."""
    who, what = states.person(bench), states.bought(bench, 1)
    every: dict[int, Items] = {
        Command.READ: {},
        Command.OPEN: orders.open_card(who),
        Command.PURCHASE: orders.purchase(who, what, with_region=False),
        Command.REISSUE: orders.reissue(who, 5),
        Command.CLEAR: orders.clear(who, 0),
        Command.SET: orders.set_card(who, {DI.HOARD_LIMIT: orders.u4(50)}),
        Command.CHECK: orders.check_card(),
        Command.REVERSE: orders.reverse(who, what),
    }
    return {command: items for command, items in every.items() if command in bench.about.commands}


def rule_frame_faults(bench: Bench) -> None:
    """Each broken frame gets no answer; the driver goes on living."""
    for name, text in BROKEN_FRAMES.items():
        answer = bench.raw(bytes.fromhex(text), _port(bench))
        demand(answer == b"", f"a frame with {name}", "no answer", answer.hex(" "), "§1: answered with nothing")
    longest = filled(2049)
    body = bytes((Command.DESCRIBE,)) + len(longest).to_bytes(2, "big") + longest
    answer = bench.raw(b"\x68" + body + bytes((sum(body) & 0xFF, 0x16)), _port(bench))
    demand(answer == b"", "a whole frame with L = 2049", "no answer", answer.hex(" "), "§1: L is 0 … 2048")
    bench.ask_port(Command.DESCRIBE, {}, None)


def filled(size: int) -> bytes:
    """DATA of ``size`` bytes: one item nobody knows, which is skipped."""
    return bytes.fromhex("7F01") + (size - 4).to_bytes(2, "big") + bytes(size - 4)


def rule_item_faults(bench: Bench) -> None:
    """Each fault inside DATA is 01, whatever the command, whatever the card."""
    for command, good in requests(bench).items():
        name = Command(command).name
        packed = pack_items(good)
        again = pack_items({DI.TERMINAL: orders.TERMINAL})
        twice = again if DI.TERMINAL in good else again + again
        _expect(bench, command, packed + twice, 0x01, f"{name} with 0502 twice")
        _expect(bench, command, packed + bytes.fromhex("050300"), 0x01, f"{name} with an item cut in its head")
        _expect(bench, command, packed + bytes.fromhex("0503000541"), 0x01, f"{name} with an item cut short")
        for fault, (di, value) in FAULTY_ITEMS.items():
            _expect(bench, command, pack_items({**good, di: value}), 0x01, f"{name} with {fault}")


def rule_any_request(bench: Bench) -> None:
    """Requests changed by chance: no answer where the frame is broken, 01 or 02 where its DATA is no run of items,
    else any answer at all; never a crash."""
    rng, good = bench.rng("requests"), list(requests(bench).items()) or [(int(Command.DESCRIBE), Items())]
    port, tried = _port(bench), max(REQUESTS_LEAST, bench.images // 10)
    for number in range(tried):
        if number % 50 == 0:
            bench.progress(f"request {number} of {tried}, changed by chance")
        command, items = rng.choice(good)
        data = bytearray(pack_items(items))
        _spoil(data, rng)
        whole = Frame(command, bytes(data[:2048])).encode()
        what = f"{Command(command).name} with its DATA changed by chance"
        answer = _parsed(bench.raw(whole, port), command, what, "an answer")
        if not _is_run_of_items(whole):
            demand(answer.error in (0x01, 0x02), what, "error 01", answer.said, "§1: faults inside DATA")
        broken = bytearray(whole)
        broken[rng.choice((0, 1, 2, 3, len(broken) - 2, len(broken) - 1))] ^= 1 << rng.randrange(8)
        raw = bench.raw(bytes(broken), port)
        demand(raw == b"" or _is_frame(bytes(broken)), "a frame changed in one bit", "no answer", raw.hex(" "))


def _spoil(data: bytearray, rng: random.Random) -> None:
    """Flips, inserts, takes away, doubles; lengths are hit as often as values."""
    for _ in range(rng.choice((1, 1, 2, 5))):
        at, way = rng.randrange(len(data) + 1), rng.randrange(4)
        if way == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif way == 1:
            data[at:at] = rng.randbytes(rng.randrange(1, 9))
        elif way == 2:
            del data[at : at + rng.randrange(1, 9)]
        else:
            data[at:at] = data[: rng.randrange(1, 40)]


def _is_frame(raw: bytes) -> bool:
    try:
        return Frame.decode(raw).command <= 0x3F
    except ValueError:
        return False


def _is_run_of_items(raw: bytes) -> bool:
    try:
        Frame.decode(raw).items()
    except ValueError:
        return False
    return True


def rule_missing_items(bench: Bench) -> None:
    """Each item a command must have is missed with 16."""
    good = requests(bench)
    for command, items in good.items():
        for di in MUST_HAVE.get(command, ()):
            fewer = {each: value for each, value in items.items() if each != di}
            _expect(bench, command, pack_items(fewer), 0x16, f"{Command(command).name} without {di:04X}")
    who, first = states.person(bench), states.bought(bench, 1)
    halves: dict[int, Items] = {
        Command.OPEN: orders.open_card(who, first),
        Command.REISSUE: orders.reissue(who, 1, first),
    }
    for command, items in halves.items():
        if command in good:
            half = {di: value for di, value in items.items() if di != DI.ENERGY}
            _expect(bench, command, pack_items(half), 0x16, f"{Command(command).name} with 0207 but without 0208")
    if Command.SET in good:
        _expect(bench, Command.SET, pack_items(orders.set_card(who, {})), 0x16, "SET without any 04xx")


def rule_unknown_commands(bench: Bench) -> None:
    """A command the driver does not have is 02, before its items are looked at."""
    listed = set(bench.about.commands) | {Command.DESCRIBE}
    for command in (0x00, 0x0F, 0x19, 0x3F, *(each for each in Command if each not in listed)):
        _expect(bench, command, b"", 0x02, f"command {command:02X}")
        _expect(bench, command, b"\x05", 0x02, f"command {command:02X} with DATA cut short")


def rule_free_items(bench: Bench) -> None:
    """Items come in any order; unknown ones are skipped, known ones of no use ignored, texts may be empty."""
    longest = "DESCRIBE with L = 2048, one unknown item"
    raw = bench.raw(Frame(Command.DESCRIBE, filled(2048)).encode(), None)
    answer = _parsed(raw, Command.DESCRIBE, longest, "success")
    demand(answer.ok, longest, "success", answer.said, "the longest frame there is")
    if bench.folder.type_name:
        bench.enter("blank")
        bench.accept(Command.READ, {DI.CUSTOMER: b"987654", 0x7F01: b"\0"}, "READ with items of no use to it")
    bench.need(Command.PURCHASE)
    if not bench.folder.type_name:
        return
    scene = bench.enter("started")
    what = states.bought(bench, scene.last + 1)
    items = {**orders.purchase(scene.person, what), 0x7F01: b"\xff\0", DI.OPERATOR: "张三".encode(), DI.TERMINAL: b""}
    backwards = dict(reversed(items.items()))
    bench.accept(Command.PURCHASE, backwards, "PURCHASE with its items backwards, an unknown one and an empty 0502")


def _expect(bench: Bench, command: int, data: bytes, code: int, what: str) -> None:
    raw = bench.raw(Frame(command, data).encode(), _port(bench))
    answer = _parsed(raw, command, what, f"error {code:02X}")
    # the reader is empty on purpose: items are looked at before the card (§4.9)
    demand(answer.error == code, what, f"error {code:02X}", answer.said)


def _parsed(raw: bytes, command: int, what: str, expected: str) -> Answer:
    try:
        return parse(raw, command)
    except ValueError as fault:
        raise RuleBroken(what, expected, f"{raw.hex(' ') or 'nothing'} ({fault})") from fault


def _port(bench: Bench) -> CardPort | None:
    return EmptyReader() if bench.folder.type_name else None
