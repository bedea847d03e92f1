"""How long the last page stays: short once the card is taken and all is said, long while a debt is to be read."""

from dataclasses import replace

import pytest
from world import World

from kiosk.sale import events as on
from kiosk.sale.effects import SetTimer
from kiosk.sale.machine import step
from kiosk.sale.moves import AFTER_CARD_TAKEN_MS
from kiosk.sale.state import Done, Printing

STAMP = on.Stamp(bytes(16), "20261125103000")


@pytest.fixture
def done():
    """A visit that has come to its last page, the card still in."""
    state = World().buy(5000, 5000).state
    assert isinstance(state.phase, Done)
    return state


def timers(effects):
    return [effect.ms for effect in effects if isinstance(effect, SetTimer) and effect.timer == "visit"]


def test_the_card_is_taken_from_the_last_page(done):
    _, effects = step(done, on.CardRemoved(done.session), STAMP)
    assert timers(effects) == [AFTER_CARD_TAKEN_MS]


@pytest.mark.parametrize("taken", [True, False])
def test_the_card_is_taken_while_the_slip_is_printed(done, taken):
    printing = replace(done, phase=Printing(done.phase.outcome))
    if taken:
        printing, _ = step(printing, on.CardRemoved(done.session), STAMP)
    after, effects = step(printing, on.Printed(9), STAMP)
    assert isinstance(after.phase, Done)
    assert timers(effects) == [AFTER_CARD_TAKEN_MS if taken else done.rules.done_ms]


def test_a_debt_and_a_missing_slip_can_be_read_to_the_end(done):
    outcome = done.phase.outcome
    owed = replace(outcome, sale=replace(outcome.sale, written_fen=0))
    lost = replace(outcome, sale=replace(outcome.sale, lost_fen=2000))
    for phase in (Done(owed), Done(lost), Done(outcome, "V-422")):
        _, effects = step(replace(done, phase=phase), on.CardRemoved(done.session), STAMP)
        assert timers(effects) == [done.rules.done_ms], phase
