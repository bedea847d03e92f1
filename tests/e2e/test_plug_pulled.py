"""The plug is pulled at every recorded step of a visit, before and after the disk has it: SIGKILL, the real process."""

import pytest
from stage import VENDORS, Customer, Eyes, entries, nothing_is_lost, slips_are_genuine

pytestmark = pytest.mark.slow
NOTE_FEN = 2000
WRITES_MAX = 15  # of one visit: more than there are
STEPS = {"sale.opened", "note.escrowed", "note.accepted", "note.stacked", "write.intended", "sale.closed"}
PATIENCE_S = 40


@pytest.mark.timeout(600)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("vendor", sorted(VENDORS))
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
