"""A note's way, and a device's standing, whatever the protocol."""

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.passage import Passage, Stage
from kiosk.devices.acceptor.standing import Standing


def passage(fen=2000, found=False):
    it = Passage(remind_ms=5_000)
    return it, it.escrowed(0x64, fen, found, 1_000)


def test_from_escrow_to_its_credit():
    it, told = passage()
    assert told == [on.NoteEscrowed(2000)] and it.stage is Stage.UNDECIDED
    it.decide(True)
    assert it.stage is Stage.TO_BOX
    assert it.stacked(None, 2_000) == [on.NoteStacked(2000)]
    assert it.stacked(None, 6_999) == [] and it.stacked(None, 7_000) == [on.NoteStacked(2000)]
    it.credited()
    assert it.stage is Stage.CREDITED and it.stacked(None, 60_000) == []
    assert it.gone() == [] and it.stage is None


def test_the_first_decision_counts_and_only_in_escrow():
    it, _ = passage()
    it.decide(False)
    it.decide(True)
    assert it.stage is Stage.TO_CUSTOMER
    it.credited()
    assert it.stage is Stage.TO_CUSTOMER and it.gone() == [on.NoteReturned(2000)]
    Passage(1).decide(True)


def test_a_credit_that_we_did_not_send_for_is_found():
    it, _ = passage()
    assert it.stacked(None, 0) == [on.NoteStacked(2000, found=True)]
    assert Passage(1).stacked(500, 0) == [on.NoteStacked(500, found=True)]


def test_what_the_device_says_of_the_value_counts_before_what_we_knew():
    it, _ = passage()
    it.decide(True)
    assert it.stacked(5000, 0) == [on.NoteStacked(5000)]


def test_a_note_of_no_known_value_goes_back_untold_and_is_never_a_credit_of_nothing():
    it, told = passage(fen=None)
    assert told == [] and it.stage is Stage.TO_CUSTOMER and it.gone() == [on.NoteReturned(None)]
    it, _ = passage(fen=None)
    assert it.stacked(None, 0) == [] and it.stage is Stage.STACKED


def test_another_note_means_that_the_one_before_went_out():
    it, _ = passage()
    assert it.escrowed(0x62, 500, True, 0) == [on.NoteReturned(2000), on.NoteEscrowed(500, found=True)]


def test_turned_back_although_it_should_go_in():
    it, _ = passage()
    it.decide(True)
    it.turned_back()
    assert it.gone() == [on.NoteReturned(2000)]
    it, _ = passage()
    it.decide(True)
    it.stacked(None, 0)
    it.turned_back()
    assert it.stage is Stage.STACKED, "a credit is not turned back"


def test_sent_to_the_box_and_no_word_is_left_to_people():
    it, _ = passage()
    it.decide(True)
    assert it.gone() == []


def test_a_silence_forgets_escrow_and_no_credit():
    it, _ = passage()
    it.decide(True)
    it.silence()
    assert it.stage is None
    it, _ = passage()
    it.stacked(None, 0)
    it.silence()
    assert it.stage is Stage.STACKED


def test_holding_is_counted_from_the_last_time():
    it, _ = passage()
    it.held(9_000)
    assert it.note.since_ms == 9_000
    Passage(1).held(0)


def test_silence_is_told_once():
    it = Standing(silent_max=3)
    it.came_up()
    assert [it.missed(), it.missed(), it.missed()] == [False, False, True]
    assert it.silent() == [on.AcceptorDown("V-411")] and it.silent() == [] and not it.up
    it.answered()
    assert not it.missed()
    it.came_up()
    assert it.up and it.silent() == [on.AcceptorDown("V-411")]


def test_faults_are_told_when_they_change():
    it = Standing(3)
    assert it.at_fault("") == []
    assert it.at_fault("V-412") == [on.AcceptorFault("V-412")] and it.at_fault("V-412") == []
    assert it.at_fault("V-413") == [on.AcceptorFault("V-413")]
    assert it.at_fault("") == [on.AcceptorClear()]
    it.at_fault("V-412")
    it.silent()
    assert it.at_fault("") == [], "a silence ends it"
