"""The scripted demo: one visit per vendor through the real lines, and what it leaves in build/demo/.

The script sees what a person sees (the pictures of the screen, the slip, the meter) and does what a person does (card,
notes, taps). It ends by holding everything against everything: money fed, notes in the box, the slip, the card, the
meter, the ledger, head office.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import zxingcpp
from PIL import Image

from kiosk.desk.cards import CustomerCard
from kiosk.desk.customer import Caller, Customer, Eyes
from kiosk.desk.keypads import KeypadMeter
from kiosk.desk.programs import call
from kiosk.desk.town import Town
from kiosk.desk.world import World
from kiosk.devices.printer.layout import Digits
from kiosk.devices.printer.raster import Faces, draw_slip
from kiosk.ledger.entry import decode
from kiosk.ledger.journal import JournalReader
from kiosk.ledger.note import Vkey
from kiosk.model.card import Unit

NOTES_FEN = (2000, 2000, 1000)
WITH_COINS = (2000, 2000), (100, 50)  # what the first customer has: notes, coins
PATIENCE_S = 30.0
FONTS = [Path(__file__).parents[2] / "build" / "fonts" / f"NotoSansSC-{weight}.otf" for weight in ("Regular", "Bold")]


@dataclass
class Visit:
    """What one visit says of itself."""

    vendor: str
    customer: str
    paid_fen: int
    count_before: int
    count_after: int = 0
    written_fen: int = 0
    written_centi_kwh: int = 0
    meter_before: dict[str, int] = field(default_factory=dict)
    meter_after: dict[str, int] = field(default_factory=dict)
    receipt: str = ""
    token: str = ""  # for a meter with a keypad
    seconds: dict[str, float] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)


def play(world: World, out: Path) -> int:
    """Plays a visit per vendor. Exit status: 0 only if everything agrees."""
    _say("head office")
    world.open_office()
    _say("kiosk")
    eyes, begun = Eyes(world), time.monotonic()
    world.kiosk.start()
    world.wait_until(lambda: eyes.page.startswith("attract"), PATIENCE_S, "the kiosk's first screen")
    first_s = time.monotonic() - begun
    visits = [_visit(world, card, number, out) for number, card in enumerate(world.cards, 1)]
    visits += [_call(world, meter, number, out) for number, meter in enumerate(world.keypads, len(visits) + 1)]
    _say("records to head office")
    world.wait_until(lambda: _sizes_agree(world), PATIENCE_S, "the records at head office")
    world.kiosk.stop()
    summary = _summary(world, visits, out)
    summary["timings"] = {"start to the first screen, s": round(first_s, 2)}
    (out / "summary.json").write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    for mistake in summary["disagreements"]:
        sys.stdout.write(f"DISAGREES: {mistake}\n")
    sys.stdout.write(f"{len(visits)} visits, {len(summary['disagreements'])} disagreements: {out / 'summary.json'}\n")
    return 1 if summary["disagreements"] else 0


def _say(words: str) -> None:
    sys.stdout.write(f"· {words}\n")
    sys.stdout.flush()


def _purse(number: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The notes and coins that visit ``number`` (from 1) pays with."""
    return WITH_COINS if number == 1 else (NOTES_FEN, ())


def _visit(world: World, card: CustomerCard, number: int, out: Path) -> Visit:
    abbr = card.manifest.vendor.abbr
    before = card.reading()
    notes, coins = _purse(number)
    paid = sum(notes) + sum(coins)
    visit = Visit(abbr, card.customer, paid, before.count, meter_before=card.meter.insert(card.chip))
    customer = Customer(world, card, notes, lambda words: _say(f"{abbr}: {words}"), coins)
    last = customer.visit()
    visit.seconds = customer.seconds
    if not last.startswith("done"):
        visit.mistakes.append(f"{abbr}: the visit ended with {last}")
    _take_slip(world, visit, number, out)
    _say(f"{abbr}: card into the meter")
    _meter(card, visit)
    world.wait_until(lambda: customer.eyes.page.startswith("attract"), PATIENCE_S, "the attract screen")
    return visit


def _call(world: World, meter: KeypadMeter, number: int, out: Path) -> Visit:
    """A visit without a card: the number, the digits, the meter's keypad."""
    abbr = meter.manifest.vendor.abbr
    notes, coins = _purse(number)
    visit = Visit(abbr, meter.customer, sum(notes) + sum(coins), 0)
    customer = Caller(world, None, notes, lambda words: _say(f"{abbr}: {words}"), coins, number=meter.customer)
    last = customer.visit()
    visit.seconds = customer.seconds
    if not last.startswith("done"):
        visit.mistakes.append(f"{abbr}: the visit ended with {last}")
    _take_slip(world, visit, number, out)
    made = _last_token(world)
    visit.token, visit.count_after = made["token"], made["count"]
    visit.written_fen, visit.written_centi_kwh = made["fen"], made["energy"]
    if not slip_shows(world.papers()[-1], visit.token):
        visit.mistakes.append(f"{abbr}: the slip does not show the digits {visit.token} of the ledger")
    customer.leave()
    _say(f"{abbr}: digits into the meter")
    for taken in (True, False):  # they count once
        visit.meter_after = meter.enter(visit.token)
        if visit.meter_after["accepted"] is not taken or visit.meter_after["remaining"] != visit.written_centi_kwh:
            visit.mistakes.append(f"{abbr}: the meter says {visit.meter_after}")
    world.wait_until(lambda: customer.eyes.page.startswith("attract"), PATIENCE_S, "the attract screen")
    return visit


def _last_token(world: World) -> dict[str, Any]:
    """The last digits in the ledger, as an export would show them to anybody."""
    with JournalReader(world.town.kiosk / "ledger.db") as log:
        made = [entry.data for raw in log.entries(0, log.size) if (entry := decode(raw)).data.get("token")]
    return dict(made[-1])


def slip_shows(paper: Path, digits: str) -> bool:
    """Whether these digits stand on the slip, dot for dot as a printer sets them."""
    groups = tuple(digits[at : at + 4] for at in range(0, len(digits), 4))
    wanted = _rows(draw_slip([Digits(groups)], Faces(*FONTS)))
    found = _rows(Image.open(paper).convert("1"))
    return any(found[at : at + len(wanted)] == wanted for at in range(len(found) - len(wanted) + 1))


def _rows(picture: Image.Image) -> list[bytes]:
    """The rows from the first with ink to the last, packed."""
    width = -(-picture.width // 8)
    raw = picture.tobytes()
    rows = [raw[at : at + width] for at in range(0, len(raw), width)]
    inked = [at for at, row in enumerate(rows) if row.strip(b"\xff")]
    return rows[inked[0] : inked[-1] + 1] if inked else []


def _take_slip(world: World, visit: Visit, number: int, out: Path) -> None:
    picture = out / f"receipt-{number}.png"
    shutil.copy(world.papers()[-1], picture)
    codes = zxingcpp.read_barcodes(Image.open(picture))
    if len(codes) != 1:
        visit.mistakes.append(f"{visit.vendor}: the slip's QR cannot be read")
        return
    visit.receipt = codes[0].text
    (out / f"receipt-{number}.txt").write_text(visit.receipt + "\n", encoding="utf-8")


def _meter(card: CustomerCard, visit: Visit) -> None:
    on_card = card.reading()
    visit.count_after = on_card.count
    visit.written_fen, visit.written_centi_kwh = on_card.amount_fen or 0, on_card.energy_centi_kwh or 0
    visit.meter_after = card.meter.insert(card.chip)
    if on_card.count != visit.count_before + 1:
        visit.mistakes.append(f"{visit.vendor}: count {visit.count_before} became {on_card.count}")
    if on_card.amount_fen not in (None, visit.paid_fen):
        visit.mistakes.append(f"{visit.vendor}: paid {visit.paid_fen} fen, on the card {on_card.amount_fen}")
    written = on_card.amount_fen if card.unit is Unit.MONEY else on_card.energy_centi_kwh
    credited = visit.meter_after["remaining"] - visit.meter_before["remaining"]
    if credited != written:
        visit.mistakes.append(f"{visit.vendor}: the card brought {written}, the meter took {credited}")


def _checkpoint_url(town: Town) -> str:
    from hashlib import sha256  # noqa: PLC0415

    origin = Vkey.parse(town.kiosk_vkey.read_text().strip()).name
    return f"http://127.0.0.1:{town.hq_port}/v1/logs/{sha256(origin.encode()).hexdigest()}/checkpoint"


def _sizes_agree(world: World) -> bool:
    answer = httpx.get(_checkpoint_url(world.town))
    if answer.status_code != 200:
        return False
    totals = json.loads(call("ledger", "totals", world.town.kiosk / "ledger.db", "--json"))
    return bool(int(answer.text.split("\n")[1]) >= totals["size"])


def _summary(world: World, visits: list[Visit], out: Path) -> dict[str, Any]:
    town = world.town
    journal = town.kiosk / "ledger.db"
    cosigned = out / "checkpoint.hq"
    cosigned.write_text(httpx.get(_checkpoint_url(town)).text, encoding="utf-8")
    shutil.rmtree(out / "export", ignore_errors=True)
    call("ledger", "export", journal, out / "export", "--hq", cosigned)
    cosigned.unlink()
    for name in ("kiosk.vkey", "hq.vkey"):
        shutil.copy(town.folder / name, out / name)
    call("ledger", "verify", out / "export", "--key", out / "kiosk.vkey")
    totals = json.loads(call("ledger", "totals", journal, "--json"))
    wrong = [mistake for visit in visits for mistake in visit.mistakes]
    paid = sum(visit.paid_fen for visit in visits)
    balances = totals["balances"]
    if balances.get("cash:box") != paid or world.box_fen() != paid:
        wrong.append(f"fed {paid} fen, {world.box_fen()} in the box, the ledger says {balances.get('cash:box')}")
    sold = -sum(fen for account, fen in balances.items() if account.startswith("sold:"))
    if sold != paid or {account.split(":")[0] for account in balances} - {"cash", "sold"}:
        wrong.append(f"paid {paid} fen, sold {sold}; balances {balances}")
    for number, visit in enumerate(visits, 1):
        if visit.receipt:
            call("receipt", "verify", visit.receipt, "--key", out / "kiosk.vkey")
        else:
            wrong.append(f"{visit.vendor}: no receipt {number}")
    return {
        "visits": [vars(visit) for visit in visits],
        "balances_fen": balances,
        "ledger_size": totals["size"],
        "cash_box_fen": world.box_fen(),
        "disagreements": wrong,
    }
