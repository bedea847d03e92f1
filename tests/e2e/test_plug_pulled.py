"""The plug is pulled at every recorded step of a visit, before and after the disk has it: SIGKILL, the real process."""

import pytest
from stage import VENDORS, Customer, entries, nothing_is_lost, slips_are_genuine

pytestmark = pytest.mark.slow
NOTE_FEN = 2000
WRITES_MAX = 20  # of a kiosk that starts, sells for one note and prints
ROUNDS_MAX = 3  # a reader that reports, or a WAL that is folded in, may shift the count by one
STEPS = {"sale.opened", "note.escrowed", "note.accepted", "note.stacked", "write.intended", "sale.closed"}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("vendor", sorted(VENDORS))
def test_no_fen_and_no_credit_is_lost_or_doubled(stage, vendor, when):
    world, power = stage(VENDORS[vendor], office=False)  # no other writes to the ledger than the visit's
    cut_at = set()
    for turn in range(ROUNDS_MAX):
        for at in range(1 + 2 * turn, WRITES_MAX):
            step = visit_with_a_cut(world, power, at, when)
            if step is None or (turn and cut_at >= STEPS):
                break
            cut_at.add(step)
        if cut_at >= STEPS:
            break
    assert cut_at >= STEPS
    slips_are_genuine(world, world.town.kiosk_vkey)


def visit_with_a_cut(world, power, at, when):
    """One customer, whose visit dies at the ``at``-th write and goes on after it. The last step in the ledger then."""
    (card,) = world.cards
    customer = Customer(world, card, (NOTE_FEN,))
    power.start(at, when)
    customer.visit(may_end=power.off)
    if not power.off():
        world.kiosk.stop()
        assert nothing_is_lost(world, card) == 0
        return None
    step = entries(world)[-1].kind
    power.start()
    last = customer.visit()
    assert customer.paid_fen == NOTE_FEN, step
    assert last.startswith(("done", "attract")), step
    world.kiosk.stop()
    assert nothing_is_lost(world, card) == 0, step
    return step
