"""The kiosk's half of ID003, sentence by sentence."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from id003_line import ALL, NAME, TABLE, Line, h

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.id003 import memory as kept
from kiosk.devices.acceptor.id003 import wire
from kiosk.devices.acceptor.id003.memory import Memory
from kiosk.devices.acceptor.id003.setup import SETUP
from kiosk.devices.acceptor.id003.talk import Id003Talk

UP = on.AcceptorUp(NAME, "none")
ACK, RESET, STACK_2, RETURN, HOLD = h("50"), h("40"), h("42"), h("43"), h("44")
FIVE_KINDS = wire.set_denominations(frozenset({0x62, 0x63, 0x64, 0x65, 0x66}))
KNOWN = kept.encode(Memory(NAME.encode(), TABLE[1:], 0))
IN_FLIGHT = kept.encode(Memory(NAME.encode(), TABLE[1:], 0x64))


def test_the_line_has_even_parity():
    shape = Id003Talk().shape
    assert (shape.baud, shape.parity, shape.stop_bits) == (9600, "even", 1)


def test_from_power_up_to_open_in_the_makers_order():
    line = Line()
    line.talk.want(ALL)
    line.status("40", "40", "40", "40", "40")
    assert line.heard() == [on.AcceptorUp(NAME, "none")]
    assert line.commands() == [h("88"), h("8A")], "no RESET before it is settled"
    line.talk.settled()
    line.status("40", "1B")
    assert line.commands() == [RESET]
    line.status(*["1B"] * 8)
    assert line.commands() == [*SETUP, FIVE_KINDS, wire.INHIBIT_ON]
    line.status("1A", "11", "11")
    assert line.commands() == [wire.INHIBIT_OFF]
    assert line.heard() == []


def test_a_power_up_is_said_again_until_it_is_settled():
    line = Line(KNOWN)
    line.status(*["42"] * 200)
    assert set(line.heard()) == {on.AcceptorUp(NAME, "stacker")} and not line.commands()
    line.talk.settled()
    line.status("42", "42", "1B")
    assert line.commands()[0] == RESET


def test_a_note_from_slot_to_box():
    line = Line().up()
    line.status("12", "12", "13 64", "13 64")
    assert line.heard() == [on.Accepting(), on.NoteEscrowed(2000)] and not line.commands()
    line.talk.decide(True)
    line.status("14", "14", "15", "15")
    assert line.commands() == [STACK_2]
    assert line.heard() == [on.Stacking(), on.NoteStacked(2000)], "and no ACK before it is recorded"
    line.talk.credited()
    line.status("16", "11")
    assert line.commands() == [ACK] and line.heard() == []


def test_an_acknowledgement_that_is_lost_is_repeated_and_nothing_is_credited_again():
    line = Line().up()
    line.status("13 64")
    line.talk.decide(True)
    line.status("15")
    line.talk.credited()
    line.status("15", "15", "11")
    assert line.commands() == [STACK_2, ACK, ACK, ACK]
    assert line.heard() == [on.NoteEscrowed(2000), on.NoteStacked(2000)]


def test_an_unrecorded_credit_is_told_again_every_five_seconds():
    line = Line().up()
    line.status("13 62")
    line.talk.decide(True)
    line.status(*["15"] * 160)
    assert [event for event in line.heard() if event == on.NoteStacked(500)] == [on.NoteStacked(500)] * 4
    assert line.commands() == [STACK_2]


def test_the_next_process_knows_what_the_vend_valid_is_worth():
    line = Line(KNOWN)
    line.status("1A", "1A", "1A", "13 64", "13 64")
    later = Line(line.talk.memory())
    later.status(*["15"] * 3)
    assert later.heard() == [UP, on.NoteStacked(2000, found=True)] and ACK not in later.commands()
    later.talk.credited()
    later.status("15", "11")
    assert ACK in later.commands()


def test_a_vend_valid_of_unknown_value_is_left_to_the_books():
    """The file is lost. The ledger knows what it sent there, so it is told that a note lies in the stacker."""
    line = Line()
    line.refused = {wire.VERSION, wire.CURRENCY}
    line.status(*["15"] * 5)
    assert line.heard() == [on.AcceptorUp("", "stacker")]
    line.talk.credited()  # of something else
    line.status(*["15"] * 3)
    assert ACK not in line.commands() and RESET not in line.commands()
    line.talk.settled()
    line.status("16")
    assert line.commands() == [ACK]


def test_while_a_note_of_unknown_value_goes_in_it_is_not_called_up():
    """Else what is settled would be the word before the one that counts."""
    line = Line()
    line.refused = {wire.VERSION, wire.CURRENCY}
    line.status(*["14"] * 30)
    assert line.heard() == []
    line.status("15")
    assert line.heard() == [on.AcceptorUp("", "stacker")]


def test_a_remembered_note_is_forgotten_when_the_machine_is_at_rest():
    line = Line(IN_FLIGHT)
    line.status("1A", "1A", "1A", "1A")
    assert kept.decode(line.talk.memory()).kind == 0
    later = Line(line.talk.memory())
    later.status("15", "15")
    assert later.heard() == [on.AcceptorUp(NAME, "stacker")], "not what was in escrow long ago"


def test_what_it_refused_while_a_note_came_in_is_asked_again_at_rest():
    line = Line()
    line.refused = {wire.VERSION, wire.CURRENCY}
    line.status("12", "12", "12", "12", "12")
    assert line.heard() == [on.AcceptorUp("", "none"), on.Accepting()]
    line.refused = set()
    line.talk.want(ALL)
    line.status("13 64", "18", "11", *["1A"] * 10, "11")
    assert line.heard() == [on.NoteReturned(None)] and wire.INHIBIT_OFF in line.commands()


def test_one_that_comes_later_waits_for_its_own_word():
    """It was up already when it was seen: what is settled must be what was told."""
    line = Line(KNOWN)
    line.status("19", "19", "14", "15", "15")
    assert line.heard() == [UP, on.Stacking()], "held, given back, and yet in the box"
    assert line.commands()[:1] == [RETURN]
    line.talk.settled()
    line.status("15", "15")
    assert line.heard() == [on.AcceptorUp(NAME, "stacker")] and ACK not in line.commands()
    line.talk.settled()
    line.status("15", "16")
    assert ACK in line.commands()


def test_a_vend_valid_nobody_expects_is_money():
    """It is told, and never reset away."""
    line = Line(IN_FLIGHT)
    line.status("14", "14", "14", "15", "15", "15")
    assert line.heard() == [UP, on.Stacking(), on.NoteStacked(2000, found=True)]
    assert RESET not in line.commands() and ACK not in line.commands()


def test_a_machine_that_does_not_wait_for_the_acknowledgement():
    line = Line().up()
    line.status("13 64")
    line.talk.decide(True)
    line.status("14", "16", "11", *["1A"] * 60)
    told = line.heard()
    assert told.count(on.NoteStacked(2000)) == 2, "it is at rest, and the record is still waited for"
    assert wire.INHIBIT_ON in line.commands(), "one at a time"
    line.talk.credited()
    line.status("1A", "1A", "11", "11")
    assert line.heard() == [] and wire.INHIBIT_OFF in line.commands()


def test_stacked_is_no_credit_for_a_note_that_goes_back():
    line = Line().up()
    line.status("13 64")
    line.talk.decide(False)
    line.status("13 64", "16", "11")
    assert line.heard() == [on.NoteEscrowed(2000), on.NoteReturned(2000)]
    assert line.commands()[0] == RETURN


@pytest.mark.parametrize("way", [["18", "11"], ["17 7B", "11"], ["11"]])
def test_a_note_that_is_given_back(way):
    line = Line().up()
    line.status("13 64")
    line.talk.decide(False)
    line.status("13 64", *way)
    told = line.heard()
    assert told[-1] == on.NoteReturned(2000) and line.commands()[0] == RETURN
    assert (on.NoteRejected("operation") in told) == (way[0] == "17 7B")


def test_the_machine_turns_it_back_although_it_should_go_in():
    line = Line().up()
    line.status("13 64")
    line.talk.decide(True)
    line.status("14", "18", "11")
    assert line.heard()[-1] == on.NoteReturned(2000)


def test_at_rest_without_a_word_it_is_left_to_people():
    line = Line().up()
    line.status("13 64")
    line.talk.decide(True)
    line.status("11", "11")
    assert line.heard() == [on.NoteEscrowed(2000)]


def test_escrow_is_held_in_time():
    line = Line().up()
    line.status("13 64", *["19"] * 120)
    assert line.commands() == [HOLD, HOLD], "every five seconds; by itself it would go back after ten"
    assert line.heard() == [on.NoteEscrowed(2000)]
    line.talk.decide(True)
    line.status("14")
    assert line.commands() == [STACK_2]


def test_a_note_found_in_escrow():
    line = Line(KNOWN)
    line.status("13 63", "13 63", "13 63")
    assert line.heard() == [UP, on.NoteEscrowed(1000, found=True)]
    held = Line(IN_FLIGHT)
    held.status("19", "19", "19")
    assert held.heard() == [UP, on.NoteEscrowed(2000, found=True)]


def test_a_note_without_a_value_goes_back_untold():
    line = Line().up()
    line.status("13 68", "13 68", "18", "11")
    assert line.commands()[0] == RETURN
    assert line.heard() == [on.NoteReturned(None)]


def test_a_barcode_is_a_signal():
    line = Line().up()
    line.status("13 6F 31 32 33", "18", "11", "1A")
    assert line.heard()[0] == on.FraudSeen("barcode")
    assert line.commands() == [RETURN, wire.INHIBIT_ON]
    line.talk.want(ALL)
    line.status("1A", "1A", "1A", "11")
    assert wire.INHIBIT_OFF in line.commands()


def test_fishing_closes_until_somebody_wants_again():
    line = Line().up()
    line.status("48", "48", "11", *["1A"] * 50)
    assert line.heard() == [on.FraudSeen("cheated"), on.AcceptorFault("V-416"), on.AcceptorClear()]
    assert line.commands() == [wire.INHIBIT_ON]


@pytest.mark.parametrize(
    ("status", "code"),
    [("43", "V-413"), ("44", "V-414"), ("45", "V-412"), ("46", "V-412"), ("49 A2", "V-415"), ("49", "V-415")],
)
def test_faults(status, code):
    line = Line().up()
    line.status(status, status)
    assert line.heard() == [on.AcceptorFault(code)]
    line.status("11")
    assert line.heard() == [on.AcceptorClear()] and RESET not in line.commands()


def test_one_communication_error_is_nothing_and_many_are_a_fault():
    line = Line().up()
    line.status("4A", "11", "4A", "4A", "4A", "4A", "11")
    assert line.heard() == []
    line.status(*["4A"] * 6)
    assert line.heard() == [on.AcceptorFault("V-415")]
    line.status("11")
    assert line.heard() == [on.AcceptorClear()]


def test_a_pause_is_no_fault_and_forgets_nothing():
    line = Line().up()
    line.status("13 64")
    line.talk.decide(True)
    line.status("47", "14", "15")
    assert line.heard() == [on.NoteEscrowed(2000), on.Stacking(), on.NoteStacked(2000)]


@pytest.mark.parametrize(
    ("data", "word"), [("17 71", "insertion"), ("17 79", "inhibited"), ("17 99", "99"), ("17", "00")]
)
def test_reasons(data, word):
    line = Line().up()
    line.status("12", data, data, "11")
    assert line.heard() == [on.Accepting(), on.NoteRejected(word)]


def test_the_masks_change_only_while_it_takes_nothing():
    line = Line().up()
    line.talk.want(frozenset({500}))
    line.status("1A", "1A", "1A", "11", "11")
    only = wire.set_denominations(frozenset({0x62}))
    assert line.commands() == [wire.INHIBIT_ON, only, wire.INHIBIT_OFF]
    line.talk.want(frozenset())
    line.status("1A", *["1A"] * 30)
    assert line.commands() == [wire.INHIBIT_ON]


def test_a_machine_that_began_anew_is_set_up_anew():
    line = Line().up()
    line.status("44", "1B", *["1B"] * 8, "1A", "11")
    assert line.commands() == [*SETUP, FIVE_KINDS, wire.INHIBIT_ON, wire.INHIBIT_OFF]


def test_an_order_that_was_echoed_and_did_nothing_is_repeated():
    line = Line().up()
    line.talk.want(frozenset())
    line.status("1A")
    line.talk.want(ALL)
    line.status(*["1A"] * 30)
    line.commands()
    line.status(*["1A"] * 41)
    assert line.commands() == [wire.INHIBIT_OFF] * 2, "every two seconds"


def test_an_option_that_it_does_not_know_is_passed_over():
    line = Line()
    line.refused = {wire.SET_SECURITY, wire.SET_OPTIONS}
    line.up()
    line.status("11", "11")
    assert line.commands() == []


def test_a_setting_that_was_not_echoed_whole_is_set_again():
    line = Line().up()
    line.talk.want(frozenset({500}))
    line.status("11", "1A")
    only = wire.set_denominations(frozenset({0x62}))
    assert line.asked() == only
    line.say(h("C0 00 00"))
    line.status("1A")
    assert line.asked() == only


def test_without_a_table_it_says_so_and_opens_for_nothing():
    line = Line(table=h("8A 61 01 01 00"))
    line.up()
    assert line.talk.events() == [] and wire.INHIBIT_OFF not in line.sent


@pytest.mark.parametrize("memory", [b"", KNOWN])
def test_a_machine_that_does_not_say_what_its_notes_are_worth_takes_none_and_is_asked_again(memory):
    """What is remembered may be another's."""
    line = Line(memory)
    line.refused = {wire.CURRENCY}
    line.talk.want(ALL)
    line.status(*["1A"] * 12)
    assert on.AcceptorFault("V-415") in line.heard()
    line.commands()
    line.status(*["1A"] * 190)
    assert line.commands().count(h("8A")) == 1 and wire.INHIBIT_OFF not in line.sent
    line.refused = set()
    line.heard()
    line.status(*["1A"] * 30)
    assert line.heard()[-1] == on.AcceptorClear() and wire.INHIBIT_OFF in line.commands()


def test_what_comes_first_after_a_silence_is_not_believed():
    """It may be the late answer to the question before; here one that would move a note."""
    line = Line(KNOWN)
    line.status("13 64")
    assert line.heard() == [] and not line.commands()
    line.status("1A", "1A", "1A")
    line.heard()
    line.silence(1)
    line.status("15")
    assert line.heard() == []
    line.status("1A")
    assert line.heard() == []


def test_two_answers_at_once_are_not_believed():
    line = Line().up()
    line.until_status()
    line.say(h("15"), h("11"))
    assert line.heard() == []
    asked_at = line.now
    assert line.asked() == wire.STATUS and line.now >= asked_at + 150, "the line is listened to first"


def test_an_answer_to_something_else_is_passed_over():
    line = Line().up()
    line.status("13 64")
    line.talk.decide(True)
    line.status("13 64")
    assert line.asked() == STACK_2
    line.say(h("13 64"))
    line.say(ACK)
    line.status("14")
    assert line.heard()[-1] == on.Stacking()


def test_fraud_that_is_going_on_when_we_come_is_told():
    line = Line(KNOWN)
    line.status(*["48"] * 6)
    assert line.heard() == [UP, on.FraudSeen("cheated"), on.AcceptorFault("V-416")]


def test_a_stray_status_does_not_cost_a_question():
    line = Line()
    line.status("1A", "1A")
    assert line.asked() == h("88")
    line.say(h("1A"))
    line.say(line.version)
    line.status("1A", "1A")
    assert line.heard() == [UP] and line.commands() == [h("88"), h("8A")]


def test_a_machine_that_idles_unasked_is_closed():
    line = Line().up(wanted=frozenset())
    line.status("11", "1A")
    assert set(line.commands()) == {wire.INHIBIT_ON}


def test_five_silences_are_one_word():
    line = Line().up()
    line.silence(4)
    assert line.heard() == []
    line.silence(8)
    assert line.heard() == [on.AcceptorDown("V-411")]
    line.status("11", "11", "1A", "1A", "1A")
    assert line.heard() == [UP]
    assert line.commands()[:3] == [wire.INHIBIT_ON, h("88"), h("8A")], "it may be another machine"


def test_what_was_decided_before_a_silence_does_not_hold_after_it():
    line = Line().up()
    line.status("13 64")
    line.talk.decide(True)
    line.silence(6)
    line.status("13 64", "13 64", "13 64")
    told = line.heard()
    assert told == [on.NoteEscrowed(2000), on.AcceptorDown("V-411"), UP, on.NoteEscrowed(2000, found=True)]
    assert STACK_2 not in line.commands()[2:]


def test_a_blink_of_its_power_is_seen():
    line = Line().up()
    line.status("13 64")
    line.talk.decide(True)
    line.status("42", "42", "42", "42", "42")
    assert line.heard() == [on.NoteEscrowed(2000), on.AcceptorUp(NAME, "stacker")]
    line.talk.settled()
    assert line.asked() == RESET
    line.say(ACK)
    line.status("41", "41")
    assert line.heard() == [on.AcceptorUp(NAME, "validator")], "and again, somewhere else"
    assert line.commands().count(RESET) == 1


def test_leaving_inhibits_an_idle_machine_only():
    line = Line().up()
    line.talk.leave()
    line.status("11")
    assert line.asked() == wire.INHIBIT_ON
    line.say(wire.INHIBIT_ON)
    assert not line.talk.left()
    line.status("1A")
    assert line.talk.left()
    soon = Line().up()
    soon.talk.leave()
    soon.status("16", "18", "17 71", "11", "11")
    assert not soon.talk.left() and wire.INHIBIT_ON in soon.commands(), "it is waited for"
    busy = Line().up()
    busy.status("13 64")
    busy.talk.decide(True)
    busy.talk.leave()
    busy.status("13 64")
    assert busy.talk.left() and not busy.commands(), "the next process finds it"


@given(st.binary(max_size=200))
def test_a_damaged_memory_is_none(kept_bytes):
    assert kept.decode(kept_bytes) == Memory()


@given(st.integers(0, 199), st.integers(1, 255))
def test_a_memory_with_one_wrong_byte_is_none(at, wrong):
    bad = bytearray(IN_FLIGHT)
    bad[at % len(bad)] ^= wrong
    assert kept.decode(bytes(bad)) == Memory()
    assert kept.decode(IN_FLIGHT) == Memory(NAME.encode(), TABLE[1:], 0x64)


frames = st.one_of(
    st.binary(max_size=8),
    st.sampled_from(sorted(wire.STATES)).map(lambda code: wire.encode(bytes((code,)))),
    st.integers(0, 255).map(lambda code: wire.encode(bytes((wire.ESCROW, code)))),
    st.binary(min_size=1, max_size=12).map(wire.encode),
    st.sampled_from([VEND := wire.encode(h("15")), wire.encode(ACK), wire.encode(h("4B")), wire.encode(TABLE)]),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(frames, st.sampled_from([0, 1, 60, 200, 2_000]), st.sampled_from("sctn-")), max_size=60))
def test_any_answers_to_any_questions_only_yield_what_it_could_have_meant(said):
    """No credit without a VEND VALID, none of a value that is not in the table, and no ACK before it is recorded."""
    talk, now, told, vends, recorded = Id003Talk(KNOWN), 0, [], 0, False
    talk.opened(0)
    for came, wait_ms, wish in said:
        now += wait_ms
        sent = talk.wake(now)
        assert sent != wire.encode(ACK) or recorded
        vends += came == VEND or came == wire.encode(h("16"))
        talk.received(came, now)
        told += talk.events()
        if wish == "s":
            talk.settled()
            recorded = True
        elif wish == "c":
            talk.credited()
            recorded = True
        elif wish in "tn":
            talk.decide(wish == "t")
    credited = [event for event in told if isinstance(event, on.NoteStacked)]
    assert vends or not credited
    assert {event.fen for event in credited} <= {100, 500, 1000, 2000, 5000, 10_000}
