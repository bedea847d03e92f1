"""The plug is pulled at every recorded step of a visit, before and after the disk has it: SIGKILL, the real process."""

import pytest
import zxingcpp
from PIL import Image
from stage import KEYPADS, PLAYED, VENDORS, Customer, Eyes, entries, nothing_is_lost, slips_are_genuine, sums

from kiosk.desk.customer import Caller
from kiosk.desk.script import slip_shows

pytestmark = pytest.mark.slow
NOTE_FEN = 2000
WRITES_MAX = 15  # of one visit: more than there are
STEPS = {"sale.opened", "note.escrowed", "note.accepted", "note.stacked", "write.intended", "sale.closed"}
PATIENCE_S = 40


@pytest.mark.timeout(600)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("vendor", PLAYED)
def test_no_fen_and_no_credit_is_lost_or_doubled(stage, vendor, when):
    world, power = stage(VENDORS[vendor], office=False)  # no other writes to the ledger than the visit's
    power.start()
    eyes = Eyes(world)
    world.wait_until(lambda: eyes.page.startswith("attract"), PATIENCE_S, "the first page")
    cut_at = set()
    for at in range(1, WRITES_MAX):
        step = visit_with_a_cut(world, power, at, when)
        if step is None:
            break
        cut_at.add(step)
    assert cut_at >= STEPS
    slips_are_genuine(world, world.town.kiosk_vkey)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("when", ["before", "after"])
def test_digits_for_a_keypad_are_made_once_and_never_lost(stage, when):
    world, power = stage(KEYPADS["sts"], office=False, changes="done_ms = 3000")
    power.start()
    eyes = Eyes(world)
    world.wait_until(lambda: eyes.page.startswith("attract"), PATIENCE_S, "the first page")
    (meter,) = world.keypads
    cut_at, paid = set(), 0
    for at in range(1, WRITES_MAX):
        power.cut(at, when)
        customer = Caller(world, None, (NOTE_FEN,), number=meter.customer)
        customer.visit(may_end=power.off)
        power.leave()
        step = entries(world)[-1].kind if power.off() else None
        if step is not None:
            cut_at.add(step)
            power.start()
            customer.visit()
        paid += NOTE_FEN
        digits = tokens(world)
        assert customer.paid_fen == NOTE_FEN and len(set(digits)) == len(digits) == paid // NOTE_FEN, step
        taken = meter.enter(digits[-1])
        assert taken["accepted"] and taken["count"] == len(digits), step
        assert all(not meter.enter(old)["accepted"] for old in digits)
        customer.leave()
        world.wait_until(lambda: power.off() or at_rest(world, eyes), PATIENCE_S, "the end of the visit")
        if power.off():  # the last step's cut came after the customer had seen all
            power.start()
            world.wait_until(lambda: at_rest(world, eyes), PATIENCE_S, "the end of the visit")
        if step is None:
            break
    assert cut_at >= STEPS
    balances = sums(world)["balances"]
    assert balances == {"cash:box": paid, "sold:000A": -paid} and world.box_fen() == paid
    assert all(slip_shows(paper, each) for paper, each in zip(whole_slips(world), tokens(world), strict=True))


def at_rest(world, eyes):
    """Nobody is served, and every slip's end stands in the ledger: no write is under way."""
    log = entries(world)
    told = sum(entry.kind in ("receipt.printed", "receipt.failed") for entry in log)
    due = sum(entry.kind == "sale.closed" and entry.data["paid"] > 0 for entry in log)
    return eyes.page.startswith("attract") and told == due


def tokens(world):
    return [entry.data["token"] for entry in entries(world) if entry.kind == "write.done"]


def whole_slips(world):
    """The slips that came out whole, oldest first: a code stands at their foot."""
    return [paper for paper in world.papers() if zxingcpp.read_barcodes(Image.open(paper))]


def visit_with_a_cut(world, power, at, when):
    """One customer, whose visit dies at its ``at``-th write and goes on after it. The last step in the ledger then."""
    (card,) = world.cards
    customer = Customer(world, card, (NOTE_FEN,))
    power.cut(at, when)
    last = customer.visit(may_end=power.off)
    power.leave()
    step = None
    if power.off():
        step = entries(world)[-1].kind
        power.start()
        last = customer.visit()
    assert customer.paid_fen == NOTE_FEN, step
    assert last.startswith(("done", "attract")), step
    assert nothing_is_lost(world, card) == 0, step
    return step
