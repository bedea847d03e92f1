"""The host's half and the simulated validator, in simulated time."""

from collections import Counter

import pytest
from ccnet_bench import ALL, bench, up

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.ccnet import wire
from kiosk.devices.acceptor.ccnet.dialogue import Dialogue, DialogueSettings
from kiosk.devices.acceptor.ccnet.memory import Memory
from kiosk.devices.acceptor.validator import Phase


@pytest.fixture
def it():
    with bench() as it:
        yield it


def to_escrow(it, witness, fen=2000):
    assert it.sim.feed(fen)
    witness.wait(on.NoteEscrowed(fen))


def to_credit(it, acceptor, witness, fen=2000):
    to_escrow(it, witness, fen)
    acceptor.stack()
    witness.wait(on.NoteStacked(fen))


def test_a_note_is_taken(it):
    acceptor, witness = it.open()
    to_credit(it, acceptor, witness, 5000)
    acceptor.credited()
    it.see(lambda look: look.phase is Phase.IDLE)
    assert it.sim.look.box == ((5000, 1),)
    kinds = [type(event) for event in witness.all]
    assert kinds == [on.AcceptorUp, on.Accepting, on.NoteEscrowed, on.Stacking, on.NoteStacked]


def test_a_note_is_given_back(it):
    acceptor, witness = it.open()
    to_escrow(it, witness)
    acceptor.give_back()
    witness.wait(on.NoteReturned(2000))
    it.see(lambda look: look.phase is Phase.IDLE)
    assert it.sim.look.handed_back == ((2000, 1),)
    assert it.sim.look.box == ()
    assert witness.count(on.NoteReturned) == 1


def test_it_is_not_reset_before_the_power_up_is_settled(it):
    acceptor, witness = it.host()
    acceptor.enable(ALL)
    witness.wait(up("none"))
    polls = it.sim.voice.polls
    it.until(lambda: it.sim.voice.polls > polls + 20)
    assert it.sim.look.phase is Phase.POWER_UP
    acceptor.settled()
    it.see(lambda look: look.open_for_fen == ALL)


def test_an_unsettled_power_up_is_said_again(it):
    acceptor, witness = it.host()
    witness.wait(up("none"))
    witness.wait(up("none"))
    acceptor.settled()
    it.see(lambda look: look.phase is Phase.DISABLED)


def test_a_credit_is_repeated_by_the_device_until_it_is_recorded(it):
    acceptor, witness = it.open(dialogue=DialogueSettings(remind_ms=60_000))
    to_credit(it, acceptor, witness)
    polls = it.sim.voice.polls
    it.until(lambda: it.sim.voice.polls > polls + 20)
    assert it.sim.look.phase is Phase.STACKED, "acknowledged before it was recorded"
    assert witness.count(on.NoteStacked) == 1
    acceptor.credited()
    it.see(lambda look: look.phase is Phase.IDLE)
    assert witness.count(on.NoteStacked) == 1


def test_an_unrecorded_credit_is_said_again(it):
    acceptor, witness = it.open()
    to_credit(it, acceptor, witness)
    witness.wait(on.NoteStacked(2000))
    acceptor.credited()
    it.see(lambda look: look.phase is Phase.IDLE)


def test_a_credit_recorded_at_once_is_acknowledged_at_once(it):
    acceptor, witness = it.open()

    def till(event):
        witness(event)
        if isinstance(event, on.NoteEscrowed):
            acceptor.stack()
        if isinstance(event, on.NoteStacked):
            acceptor.credited()

    acceptor.on_event = till
    assert it.sim.feed(1000)
    it.see(lambda look: look.box == ((1000, 1),) and look.phase is Phase.IDLE)
    assert witness.count(on.NoteStacked) == 1


@pytest.mark.parametrize("fen", [1000, 9999])
def test_a_note_that_will_not_be_taken_is_rejected(it, fen):
    _, witness = it.open()
    assert it.sim.feed_forged(fen)
    witness.wait(on.NoteRejected("verification"))
    it.see(lambda look: look.phase is Phase.IDLE)
    assert it.sim.look.handed_back == ((fen, 1),)


def test_a_kind_that_is_not_wanted_is_rejected(it):
    _, witness = it.open()
    assert it.sim.feed(100)
    witness.wait(on.NoteRejected("inhibited"))


def test_a_note_pulled_back_is_rejected(it):
    _, witness = it.open()
    assert it.sim.feed(1000)
    assert it.sim.pull()
    witness.wait(on.NoteRejected("insertion"))


def test_only_what_is_asked_for_is_open_and_nothing_after_disable(it):
    acceptor, _ = it.open()
    acceptor.enable(frozenset({1000, 7000}))
    it.see(lambda look: look.open_for_fen == {1000})
    acceptor.disable()
    it.see(lambda look: look.phase is Phase.DISABLED)
    assert not it.sim.feed(1000)


def test_it_is_disabled_only_when_no_note_moves(it):
    acceptor, witness = it.open()
    assert it.sim.feed(1000)
    acceptor.disable()
    witness.wait(on.NoteEscrowed(1000))
    acceptor.stack()
    witness.wait(on.NoteStacked(1000))
    acceptor.credited()
    it.see(lambda look: look.phase is Phase.DISABLED)
    assert it.sim.look.box == ((1000, 1),)


def test_stopping_disables_the_machine(it):
    acceptor, _ = it.open()
    acceptor.stop()
    assert it.sim.look.phase is Phase.DISABLED


def test_without_a_host_the_note_goes_back_by_itself_and_the_next_host_hears_of_it(it):
    acceptor, witness = it.open()
    to_escrow(it, witness)
    acceptor.stop()
    it.see(lambda look: look.phase is Phase.RETURNED)
    acceptor, witness = it.host()
    witness.wait(up("none"))
    witness.wait(on.NoteReturned(2000))


@pytest.mark.parametrize(
    ("accident", "code", "mended"),
    [
        (lambda sim: sim.take_box(), "V-414", lambda sim: sim.put_box()),
        (lambda sim: sim.fail(0x52), "V-415", lambda sim: sim.mend()),
        (lambda sim: sim.cheat(), "V-416", lambda sim: None),
    ],
)
def test_a_fault_is_reported_and_its_end_and_it_opens_again(it, accident, code, mended):
    _, witness = it.open()
    accident(it.sim)
    witness.wait(on.AcceptorFault(code))
    mended(it.sim)
    witness.wait(on.AcceptorClear())
    it.see(lambda look: look.open_for_fen == ALL)


def test_a_full_cash_box():
    with bench(capacity=1) as it:
        acceptor, witness = it.open()
        to_credit(it, acceptor, witness)
        acceptor.credited()
        witness.wait(on.AcceptorFault("V-413"))
        assert it.sim.take_box() == Counter({2000: 1})
        witness.wait(on.AcceptorFault("V-414"))
        it.sim.put_box()
        witness.wait(on.AcceptorClear())
        it.see(lambda look: look.open_for_fen == ALL)


def test_a_jam_on_the_way_in_gives_the_note_back(it):
    _, witness = it.open()
    assert it.sim.feed(2000)
    assert it.sim.jam()
    witness.wait(on.AcceptorFault("V-412"))
    it.sim.clear_jam()
    witness.wait(on.AcceptorClear())
    it.see(lambda look: look.handed_back == ((2000, 1),))


def test_a_jam_on_the_way_to_the_box_is_credited_when_it_is_freed(it):
    acceptor, witness = it.open()
    to_escrow(it, witness)
    acceptor.stack()
    it.see(lambda look: look.phase is Phase.STACKING and look.place == "stacker")
    assert it.sim.jam()
    witness.wait(on.AcceptorFault("V-412"))
    assert it.sim.look.box == ()
    it.sim.clear_jam()
    witness.wait(on.NoteStacked(2000))
    acceptor.credited()
    it.see(lambda look: look.open_for_fen == ALL)


def test_the_box_is_pulled_while_a_note_goes_in(it):
    acceptor, witness = it.open()
    to_escrow(it, witness)
    it.sim.take_box()
    acceptor.stack()
    witness.wait(on.AcceptorFault("V-412"))
    assert it.sim.look.box == ()


def power_cycle(it, witness):
    it.sim.power_off()
    witness.wait(on.AcceptorDown("V-411"))
    it.sim.power_on()


def test_power_lost_while_idle(it):
    acceptor, witness = it.open()
    power_cycle(it, witness)
    witness.wait(up("none"))
    acceptor.settled()
    it.see(lambda look: look.open_for_fen == ALL)


@pytest.mark.parametrize("phase", [Phase.ACCEPTING, Phase.ESCROW, Phase.RETURNING])
def test_power_lost_with_a_note_in_the_validator(it, phase):
    acceptor, witness = it.open()
    assert it.sim.feed(2000)
    if phase is not Phase.ACCEPTING:
        witness.wait(on.NoteEscrowed(2000))
    if phase is Phase.RETURNING:
        acceptor.give_back()
    it.see(lambda look: look.phase is phase)
    power_cycle(it, witness)
    witness.wait(up("validator"))
    acceptor.settled()
    witness.wait(on.NoteReturned(2000))
    it.see(lambda look: look.open_for_fen == ALL)
    assert (it.sim.look.box, it.sim.look.handed_back) == ((), ((2000, 1),))


@pytest.mark.parametrize(("place", "where"), [("validator", "validator"), ("stacker", "stacker")])
def test_power_lost_while_stacking(it, place, where):
    acceptor, witness = it.open()
    to_escrow(it, witness)
    acceptor.stack()
    it.see(lambda look: look.phase is Phase.STACKING and look.place == place)
    power_cycle(it, witness)
    witness.wait(up(where))
    acceptor.settled()
    it.see(lambda look: look.open_for_fen == ALL)
    in_box = ((2000, 1),)
    assert it.sim.look.box == (in_box if where == "stacker" else ())
    assert witness.count(on.NoteStacked) == 0


def test_power_lost_before_the_credit_is_recorded(it):
    acceptor, witness = it.open()
    to_credit(it, acceptor, witness)
    power_cycle(it, witness)
    witness.wait(up("stacker"))
    acceptor.settled()
    it.see(lambda look: look.open_for_fen == ALL)
    assert it.sim.look.box == ((2000, 1),)


def test_a_blink_of_the_power_is_a_power_up_too(it):
    acceptor, witness = it.open()
    to_escrow(it, witness)
    it.sim.power_off()
    it.sim.power_on()
    witness.wait(up("validator"))
    acceptor.settled()
    it.see(lambda look: look.open_for_fen == ALL)


# A kiosk that starts beside a machine that kept its power


def test_warm_start_with_a_note_in_escrow(it):
    _, witness = it.open()
    to_escrow(it, witness)
    acceptor, witness = it.host()
    witness.wait(up("none"))
    witness.wait(on.NoteEscrowed(2000, found=True))
    acceptor.give_back()
    witness.wait(on.NoteReturned(2000))


def test_warm_start_beside_an_open_machine_closes_it_and_asks_its_name(it):
    it.open()
    assert it.sim.look.phase is Phase.IDLE
    _, witness = it.host(memory=False)
    witness.wait(up("none"))
    it.see(lambda look: look.phase is Phase.DISABLED)


def test_a_credit_that_the_last_process_did_not_record_is_found(it):
    first, witness = it.open()
    to_credit(it, first, witness)
    first.stop()
    acceptor, witness = it.host()
    witness.wait(up("none"))
    witness.wait(on.NoteStacked(2000, found=True))
    assert it.sim.look.phase is Phase.STACKED
    acceptor.credited()
    it.see(lambda look: look.phase is Phase.DISABLED)


def test_a_credit_whose_value_it_cannot_say_is_told_without_and_let_go_once_recorded(it):
    first, witness = it.open()
    to_credit(it, first, witness)
    first.stop()
    acceptor, witness = it.host(memory=False)
    witness.wait(on.AcceptorUp("", "none"))
    witness.wait(on.NoteStacked(None, found=True))
    assert it.sim.look.phase is Phase.STACKED
    acceptor.credited()
    it.see(lambda look: look.phase is Phase.DISABLED)


def test_a_note_on_its_way_at_the_warm_start_is_found_in_the_box(it):
    first, witness = it.open()
    to_escrow(it, witness)
    first.stack()
    it.see(lambda look: look.phase is Phase.STACKING)
    first.stop()
    _, witness = it.host()
    witness.wait(on.NoteStacked(2000, found=True))


def test_a_held_note_at_the_warm_start_is_given_back(it):
    first, witness = it.open()
    to_escrow(it, witness)
    it.see(lambda look: look.phase is Phase.HOLDING)
    first.stop()
    _, witness = it.host()
    witness.wait(on.NoteReturned(2000))
    it.see(lambda look: look.handed_back == ((2000, 1),))


# The line


def test_a_dead_line_is_down_and_comes_back(it):
    acceptor, witness = it.open()
    it.duet.tamper = lambda direction, passing: b""
    witness.wait(on.AcceptorDown("V-411"))
    it.duet.tamper = None
    witness.wait(up("none"))
    it.see(lambda look: look.open_for_fen == ALL)
    to_credit(it, acceptor, witness)


def test_an_answer_after_a_silence_may_be_late_and_is_not_acknowledged():
    """The machine would take the acknowledgement for the answer it has given since: a credit nobody has heard."""
    dialogue, poll = Dialogue(DialogueSettings(), Memory()), bytes((wire.POLL,))
    stacking = bytes((wire.STACKING,))
    dialogue.heard(poll, stacking, 0)
    dialogue._up = True
    dialogue.heard(poll, stacking, 1)
    assert dialogue.may_acknowledge
    dialogue.heard(poll, None, 2)
    dialogue.heard(poll, stacking, 3)
    assert not dialogue.may_acknowledge
    dialogue.heard(poll, stacking, 4)
    assert dialogue.may_acknowledge


def test_a_late_answer_on_the_line_lets_no_credit_go(it):
    """The answer "stacking" comes one poll late, together with the credit that the machine tells by then."""
    acceptor, witness = it.open()
    to_escrow(it, witness)
    stacking, held = wire.encode(bytes((wire.STACKING,))), []

    def one_late(direction, passing):
        soon = (
            it.sim.machine.due_ms is not None
            and it.sim.machine.due_ms - it.now < 300
            and it.sim.look.place == "stacker"
        )
        if direction == "to-host" and passing == stacking and not held and soon:
            held.append(passing)
            return b""
        if direction == "to-host" and held == [stacking]:
            held.append(passing)
            return stacking + passing
        return passing

    it.duet.tamper = one_late
    acceptor.stack()
    witness.wait(on.NoteStacked(2000))
    acceptor.credited()
    it.see(lambda look: look.phase is Phase.IDLE)
    assert len(held) == 2 and held[1] == wire.encode(bytes((wire.STACKED, 3)))


def test_a_lost_acknowledgement_of_a_credit_is_not_a_second_credit(it):
    acceptor, witness = it.open()
    lost = []

    def lose_acknowledgements(direction, passing):
        if direction == "to-device" and passing[3:4] == b"\x00" and it.sim.machine.phase is Phase.STACKED:
            lost.append(passing)
            return b"" if len(lost) < 5 else passing
        return passing

    to_credit(it, acceptor, witness)
    it.duet.tamper = lose_acknowledgements
    acceptor.credited()
    it.see(lambda look: look.phase is Phase.IDLE)
    assert len(lost) == 5
    assert witness.count(on.NoteStacked) == 1


def test_after_a_silence_a_note_in_escrow_is_found_and_no_old_word_moves_it(it):
    acceptor, witness = it.open(dialogue=DialogueSettings(hold_every_ms=20))
    to_escrow(it, witness)
    it.see(lambda look: look.phase is Phase.HOLDING)
    cut = [True]
    it.duet.tamper = lambda direction, passing: b"" if cut[0] else passing
    witness.wait(on.AcceptorDown("V-411"))
    acceptor.stack()
    cut[0] = False
    witness.wait(up("none"))
    witness.wait(on.NoteReturned(2000))
    assert it.sim.look.box == ()
