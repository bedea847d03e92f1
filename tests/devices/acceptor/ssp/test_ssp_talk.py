"""The talk against the strict voice: what it asks when, what it tells, and what it never does."""

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ssp_bench import Bench, Slow
from ssp_pair import PLAIN, make_talk

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.ssp import wire
from kiosk.devices.acceptor.ssp.dialogue import DialogueSettings
from kiosk.devices.acceptor.ssp.greeting import KeySettings
from kiosk.devices.acceptor.ssp.talk import TalkSettings
from kiosk.devices.acceptor.ssp.voice import VoiceSettings
from kiosk.devices.acceptor.ssp.wire import Packet, Told
from kiosk.devices.acceptor.validator import AT_REST, Phase

BOTH = pytest.mark.parametrize("kind", [VoiceSettings(), PLAIN], ids=["acknowledged", "plain"])
POLLS = {wire.POLL, wire.POLL_ACK}
UP = on.AcceptorUp("ITL-00-0459 4880564", "none", None, 0, "4880564")


# ---- greeting


def test_the_greeting_asks_everything_before_anything_is_enabled():
    it = Bench(auto=False).run(10_000)
    assert it.codes()[:9] == [0x11, 0x4A, 0x4B, 0x4C, 0x06, 0x05, 0x0C, 0x18, 0x56]
    assert it.told[0] == UP
    assert not set(it.codes()) & {wire.ENABLE, wire.INHIBITS, wire.RESET, wire.EVENT_ACK}
    it.talk.settled()
    it.run(1_000)
    assert it.codes().count(wire.INHIBITS) == it.codes().count(wire.ENABLE) == 1
    assert it.machine.look.open_for_fen == frozenset(it.machine.kinds_fen)


def test_what_is_not_settled_is_told_again():
    it = Bench(auto=False).run(20_000)
    assert len(it.of(on.AcceptorUp)) == 4


@pytest.mark.parametrize(
    ("kind", "asks"),
    [
        (VoiceSettings(), wire.POLL_ACK),
        (VoiceSettings(seals=False), wire.POLL),  # knows no keys
        (PLAIN, wire.POLL),  # knows keys, and no POLL WITH ACK
        (VoiceSettings(fixed_key=1), wire.POLL),  # has another fixed key than ours
        (VoiceSettings(fixed_key=1, says_no_key=False), wire.POLL),
    ],
)
def test_it_falls_back_to_plain_poll_where_the_device_cannot(kind, asks):
    it = Bench(kind).run(40_000).clear().run(2_000)
    assert set(it.codes()) == {asks}
    assert it.machine.phase is Phase.IDLE


@pytest.mark.parametrize("command", [wire.GENERATOR, wire.KEYS, wire.POLL_ACK])
def test_one_refusal_is_not_yet_the_weaker_mode(command):
    it = Bench()
    it.voice.changed = {command: bytes((wire.UNKNOWN,))}
    it.until(lambda: command in it.codes())
    it.voice.changed = {}
    it.run(10_000).clear().run(1_000)
    assert set(it.codes()) == {wire.POLL_ACK}


def test_another_fixed_key_is_logged_without_the_key(caplog):
    with caplog.at_level(logging.DEBUG):
        mine = TalkSettings(dialogue=DialogueSettings(keys=KeySettings(fixed_key=0xABCDEF)))
        Bench().start(settings=mine).run(40_000)
    assert "does not take our key" in caplog.text
    assert "abcdef" not in caplog.text.lower() and str(0xABCDEF) not in caplog.text


def test_with_the_same_own_key_credits_are_acknowledged():
    it = Bench(VoiceSettings(fixed_key=0xABCDEF))
    it.start(settings=TalkSettings(dialogue=DialogueSettings(keys=KeySettings(fixed_key=0xABCDEF)))).run(10_000)
    assert it.codes()[-1] == wire.POLL_ACK


def test_an_old_device_is_asked_for_an_older_protocol():
    it = Bench(VoiceSettings(protocol_max=5)).feed(2000)
    assert [command[1] for command in it.voice.asked if command[0] == wire.VERSION] == [7, 6, 5]
    it.run(5_000)
    assert it.of(on.NoteStacked) == [on.NoteStacked(2000)]


def test_a_device_of_another_country_takes_nothing():
    it = Bench()
    it.voice.changed = {
        wire.SETUP: bytes.fromhex("F0003031303045555200000103050A14020202000064 04"),  # kybarg/ssp: EUR
    }
    it.run(10_000)
    assert on.AcceptorFault("V-415") in it.told
    assert it.machine.look.open_for_fen == frozenset() and wire.ENABLE not in it.codes()


# ---- a note


@BOTH
def test_a_note_goes_to_the_box_and_is_credited_once(kind):
    it = Bench(kind).open().clear().feed(5000).run(20_000)
    assert it.told == [on.Accepting(), on.NoteEscrowed(5000), on.Stacking(), on.NoteStacked(5000)]
    assert it.machine.box == {5000: 1}


@BOTH
def test_while_undecided_the_note_is_held_and_never_polled(kind):
    it = Bench(kind, auto=False)
    it.until(lambda: it.of(on.AcceptorUp)).talk.settled()
    it.feed().until(lambda: it.of(on.NoteEscrowed)).clear().run(60_000)
    assert set(it.codes()) == {wire.HOLD} and len(it.codes()) == 61
    assert it.machine.phase in (Phase.ESCROW, Phase.HOLDING)
    it.talk.decide(True)
    it.run(3_000)
    assert it.of(on.NoteStacked) == [on.NoteStacked(2000)]


@BOTH
def test_a_note_that_is_not_wanted_goes_back(kind):
    it = Bench(kind, auto=False)
    it.until(lambda: it.of(on.AcceptorUp)).talk.settled()
    it.feed().until(lambda: it.of(on.NoteEscrowed)).talk.decide(False)
    it.run(5_000)
    assert wire.REJECT in it.codes()
    assert it.told[-1] == on.NoteReturned(2000) and it.machine.handed_back == {2000: 1}


@BOTH
def test_a_credit_is_told_until_it_is_recorded_and_only_then_let_go(kind):
    it = Bench(kind, auto=False)
    it.until(lambda: it.of(on.AcceptorUp)).talk.settled()
    it.feed().until(lambda: it.of(on.NoteEscrowed)).talk.decide(True)
    it.until(lambda: it.of(on.NoteStacked)).clear().run(21_000)
    assert it.of(on.NoteStacked) == [on.NoteStacked(2000)] * 4
    assert wire.EVENT_ACK not in it.codes()
    it.talk.credited()
    it.clear().run(20_000)
    assert not it.of(on.NoteStacked)
    assert (wire.EVENT_ACK in it.codes()) == (kind is not PLAIN)
    assert it.machine.phase is Phase.IDLE


def test_a_second_note_waits_in_escrow_until_the_first_is_recorded():
    it = Bench(PLAIN, auto=False)
    it.until(lambda: it.of(on.AcceptorUp)).talk.settled()
    it.feed(2000).until(lambda: it.of(on.NoteEscrowed)).talk.decide(True)
    it.until(lambda: it.of(on.NoteStacked)).open()
    it.machine.feed(500, it.now)
    it.run(8_000)
    assert it.of(on.NoteEscrowed) == [on.NoteEscrowed(2000)] and it.machine.phase is Phase.HOLDING
    it.talk.credited()
    it.run(100)
    assert it.told[-1] == on.NoteEscrowed(500)


def test_a_forged_note_is_rejected_with_the_reason():
    it = Bench().open().clear().feed(10_000, genuine=False).run(5_000)
    assert it.told == [on.Accepting(), on.NoteRejected("verification")]


def test_a_note_that_times_out_in_escrow_came_back():
    it = Bench(auto=False)
    it.until(lambda: it.of(on.AcceptorUp)).talk.settled()
    it.feed().until(lambda: it.of(on.NoteEscrowed))
    it.cut = True
    it.run(14_000)
    it.cut = False
    it.run(10_000)
    assert it.told[3:6] == [on.AcceptorDown("V-411"), UP, on.NoteReturned(2000)]
    assert len(it.of(on.NoteReturned)) == 1
    assert it.machine.handed_back == {2000: 1} and not it.machine.box


def test_only_what_is_wanted_is_open():
    it = Bench().open()
    it.talk.want(frozenset({500, 2000}))
    it.run(1_000)
    assert it.machine.look.open_for_fen == {500, 2000}
    it.talk.want(frozenset())
    it.run(1_000)
    assert it.machine.phase is Phase.DISABLED


def test_nothing_is_changed_while_a_note_moves():
    it = Bench(auto=False)
    it.until(lambda: it.of(on.AcceptorUp)).talk.settled()
    it.feed().until(lambda: it.of(on.NoteEscrowed)).clear()
    it.talk.want(frozenset())
    it.run(2_000)
    it.talk.decide(True)
    it.until(lambda: it.of(on.NoteStacked))
    assert not set(it.codes()) & {wire.DISABLE, wire.INHIBITS}
    it.talk.credited()
    it.run(1_000)
    assert it.machine.phase is Phase.DISABLED


# ---- power and processes


@pytest.mark.parametrize(
    ("moment", "wait_ms", "where"), [(Phase.STACKING, 200, "validator"), (Phase.STACKING, 600, "stacker")]
)
@BOTH
def test_power_gone_while_a_note_moves(kind, moment, wait_ms, where):
    it = Bench(kind).feed(5000).phase(moment).run(wait_ms).clear()
    it.blink(9_000).run(20_000)
    total = 1 if where == "stacker" else 0
    assert it.of(on.AcceptorUp) == [on.AcceptorUp("ITL-00-0459 4880564", where, 5000, total, "4880564")]
    assert not it.of(on.NoteStacked)
    assert it.machine.phase is Phase.IDLE


@BOTH
def test_a_blink_shorter_than_a_silence_is_noticed(kind):
    it = Bench(kind).feed(5000).phase(Phase.STACKING).run(600).clear().blink(0).run(20_000)
    assert not it.of(on.AcceptorDown)
    assert it.of(on.AcceptorUp)[0].note_at_power_up == "stacker"
    assert it.machine.phase is Phase.IDLE


def test_a_note_found_in_the_box_at_power_up_is_let_go_only_when_settled():
    it = Bench(auto=False)
    it.until(lambda: it.of(on.AcceptorUp)).talk.settled()
    it.feed().until(lambda: it.of(on.NoteEscrowed)).talk.decide(True)
    it.phase(Phase.STACKING).run(600).blink(0).run(20_000)
    assert it.voice.kept.untold == [Told(wire.TO_BOX_AT_START, 4)]
    it.start().run(10_000)  # another process hears it again
    assert it.told[-1].note_at_power_up == "stacker"
    it.talk.settled()
    it.run(1_000)
    assert it.voice.kept.untold == []


def test_a_credit_outlives_process_and_power_until_it_is_recorded():
    it = Bench(auto=False)
    it.until(lambda: it.of(on.AcceptorUp)).talk.settled()
    it.feed(5000).until(lambda: it.of(on.NoteEscrowed)).talk.decide(True)
    it.until(lambda: it.of(on.NoteStacked)).blink(20_000)
    it.start().clear().run(12_000)
    assert it.of(on.NoteStacked)[0] == on.NoteStacked(5000, found=True)
    assert it.told.index(it.of(on.AcceptorUp)[0]) < it.told.index(it.of(on.NoteStacked)[0])
    it.talk.settled()
    it.talk.credited()
    it.run(2_000)
    assert it.voice.kept.untold == []


def test_a_credit_that_the_device_repeats_after_a_blink_is_the_same():
    it = Bench(auto=False)
    it.until(lambda: it.of(on.AcceptorUp)).talk.settled()
    it.feed(5000).until(lambda: it.of(on.NoteEscrowed)).talk.decide(True)
    it.until(lambda: it.of(on.NoteStacked)).blink(0).run(8_000)
    it.talk.settled()
    it.talk.credited()
    it.clear().run(20_000)
    assert not it.of(on.NoteStacked) and it.voice.kept.untold == []
    assert it.machine.phase is Phase.IDLE


def test_in_the_plain_mode_the_word_dies_with_the_process_and_the_counter_knows():
    it = Bench(PLAIN, auto=False)
    it.until(lambda: it.of(on.AcceptorUp)).talk.settled()
    it.feed(5000).until(lambda: it.of(on.NoteEscrowed)).talk.decide(True)
    it.until(lambda: it.of(on.NoteStacked))  # told, and nobody wrote it down
    it.start().clear().run(12_000)
    assert not it.of(on.NoteStacked)
    assert it.of(on.AcceptorUp)[0].stacked_total == 1


def test_in_the_plain_mode_the_word_dies_with_the_devices_power_and_the_counter_knows():
    it = Bench(PLAIN).feed(5000)
    it.duet.tamper = lambda direction, passing: b"" if direction == "to-host" and it.machine.box else passing
    it.run(5_000).clear().blink(0)
    it.duet.tamper = None
    it.run(20_000)
    assert not it.of(on.NoteStacked)
    assert it.of(on.AcceptorUp)[0] == on.AcceptorUp("ITL-00-0459 4880564", "none", None, 1, "4880564")


@pytest.mark.parametrize("cut_ms", [3_000, 15_000])
@BOTH
def test_a_lost_answer_is_said_again_however_long_the_line_was_dead(kind, cut_ms):
    it = Bench(kind).feed(5000)
    it.duet.tamper = lambda direction, passing: b"" if direction == "to-host" and it.machine.box else passing
    it.until(lambda: it.machine.box).run(cut_ms).clear()
    it.duet.tamper = None
    it.run(20_000)
    assert [event.fen for event in it.of(on.NoteStacked)] == [5000]


def test_a_note_in_escrow_that_a_new_process_finds_goes_back():
    it = Bench(auto=False)
    it.until(lambda: it.of(on.AcceptorUp)).talk.settled()
    it.feed().until(lambda: it.of(on.NoteEscrowed))
    it.start().clear().run(3_000)
    assert it.codes()[it.codes().index(wire.HOLD) + 1] == wire.REJECT
    assert not set(it.codes()[: it.codes().index(wire.REJECT)]) & POLLS
    assert it.told[-1] == on.NoteReturned(None) and it.machine.handed_back == {2000: 1}


def test_a_note_that_is_read_while_a_new_process_greets_counts_as_found():
    it = Bench(auto=False)
    it.until(lambda: it.of(on.AcceptorUp)).talk.settled()
    it.feed()
    it.start().clear()
    it.talk.want(frozenset())
    it.run(4_000)
    assert it.of(on.NoteEscrowed) == [on.NoteEscrowed(2000, found=True)]


@BOTH
def test_a_silent_device_is_told_after_five_questions_and_greeted_anew(kind):
    it = Bench(kind).open().clear()
    it.cut = True
    it.run(4_000)
    assert not it.told
    it.run(30_000)
    assert it.told == [on.AcceptorDown("V-411")]
    it.cut = False
    it.clear().run(10_000)
    assert it.of(on.AcceptorUp) == [UP]
    assert {wire.SYNC, wire.SERIAL, wire.COUNTERS, wire.INHIBITS, wire.ENABLE} <= set(it.codes())
    assert it.machine.phase is Phase.IDLE


def test_another_device_after_a_gap_is_noticed():
    it = Bench().open().clear()
    it.voice.changed = {wire.SERIAL: bytes.fromhex("F000000001")}
    it.cut = True
    it.run(1_500)  # shorter than a silence
    it.cut = False
    it.run(10_000)
    assert it.of(on.AcceptorUp)[0].serial == "1"


@pytest.mark.parametrize("by_ms", [900, 1_500, 2_500])
@BOTH
def test_a_slow_machine_is_understood(kind, by_ms):
    it = Bench(kind)
    it.start(Slow(it.voice, by_ms)).clear()
    it.until(lambda: it.of(on.AcceptorUp), within_ms=300_000)
    it.until(lambda: it.machine.phase is Phase.IDLE, within_ms=300_000)
    it.feed(5000).run(120_000)
    stacked = it.of(on.NoteStacked)
    assert len(stacked) == it.machine.box.total() and it.machine.box.total() + it.machine.handed_back.total() == 1


def test_a_line_that_is_opened_anew():
    it = Bench().open().clear()
    it.talk.lost(it.now)
    it.run(2_000)
    assert it.talk.due_ms() > 1 << 60
    it.talk.opened(it.now)
    it.run(10_000)
    assert it.told == [on.AcceptorDown("V-411"), UP]


# ---- what else goes wrong


def test_a_jam_on_either_side():
    it = Bench().feed(5000).phase(Phase.STACKING).run(600)
    it.machine.jam(it.now)
    it.run(2_000)
    assert it.told[-1] == on.AcceptorFault("V-412")
    it.machine.clear_jam(it.now)
    it.run(3_000)
    assert it.of(on.NoteStacked) == [on.NoteStacked(5000)] and on.AcceptorClear() in it.told
    it.clear().feed(500).phase(Phase.ACCEPTING)
    it.machine.jam(it.now)
    it.run(2_000)
    assert it.told[-1] == on.AcceptorFault("V-412")


def test_a_full_box_is_told_once_and_lasts():
    it = Bench(capacity=1).feed(500).run(10_000)
    assert it.of(on.AcceptorFault) == [on.AcceptorFault("V-413")] and not it.of(on.AcceptorClear)
    it.machine.take_box(it.now)
    it.run(1_000)
    it.machine.put_box(it.now)
    it.run(10_000)
    assert it.told[-1] == on.AcceptorClear() and it.machine.phase is Phase.IDLE


def test_the_box_is_taken_out_and_put_back():
    it = Bench().open().clear()
    it.machine.take_box(it.now)
    it.run(5_000)
    assert it.told == [on.AcceptorFault("V-414")]
    it.machine.put_box(it.now)
    it.run(10_000)
    assert it.told == [on.AcceptorFault("V-414"), on.AcceptorClear()]
    assert it.machine.phase is Phase.IDLE


@BOTH
def test_fraud_stops_acceptance_until_the_kiosk_wants_notes_again(kind):
    it = Bench(kind).open().clear()
    assert it.machine.cheat(it.now)
    it.run(10_000)
    assert it.told == [on.FraudSeen("fraud-attempt")]
    assert it.machine.phase is Phase.DISABLED
    it.machine.cheat(it.now)
    it.run(5_000)
    assert it.told == [on.FraudSeen("fraud-attempt")] * 2
    it.talk.want(frozenset({500}))
    it.run(2_000)
    assert it.machine.look.open_for_fen == {500}


def test_an_opened_path_is_fraud_once_and_a_barcode_goes_back():
    it = Bench(PLAIN).open().clear()
    it.voice.changed = {wire.POLL: bytes((wire.OK, wire.PATH_OPEN))}
    it.run(2_000)
    assert it.told == [on.FraudSeen("path-open")]
    it.clear().voice.changed = {wire.POLL: bytes((wire.OK, wire.BARCODE))}
    it.run(250)
    assert (it.told == [on.FraudSeen("barcode")] and it.codes()[-1] == wire.REJECT) or wire.REJECT in it.codes()


def test_a_broken_device_is_told_and_mended():
    it = Bench().open().clear()
    it.machine.fail(0x50, it.now)
    it.run(2_000)
    assert it.told == [on.AcceptorFault("V-415")]
    it.machine.mend(it.now)
    it.run(8_000)
    assert it.told[-1] == on.AcceptorClear() and it.machine.phase is Phase.IDLE


def test_an_event_that_nobody_knows_is_not_acknowledged():
    it = Bench().open()
    it.voice.changed = {wire.POLL_ACK: bytes.fromhex("F0EE04DA")}
    it.clear().run(5_000)
    assert it.of(on.NoteStacked) == [on.NoteStacked(2000, found=True)]
    assert wire.EVENT_ACK not in it.codes()


def test_what_stands_in_an_answer_that_does_not_change_is_heard_once():
    it = Bench(auto=False)
    it.until(lambda: it.of(on.AcceptorUp)).talk.settled()
    it.open().clear().voice.changed = {wire.POLL_ACK: bytes.fromhex("F0ECEE04")}
    it.run(3_000)
    assert it.codes().count(wire.LAST_REJECT) == 1
    assert it.of(on.NoteStacked) == [on.NoteStacked(2000, found=True)]


def test_a_note_that_was_sent_to_the_box_before_a_silence_counts_as_found():
    it = Bench(PLAIN, auto=False)
    it.until(lambda: it.of(on.AcceptorUp)).talk.settled()
    it.feed().until(lambda: it.of(on.NoteEscrowed)).talk.decide(True)
    it.voice.changed = {wire.POLL: b"\xf0"}  # not a word of it
    it.run(100)
    it.cut = True
    it.run(6_000)
    it.cut = False
    it.clear().until(lambda: it.of(on.AcceptorUp)).talk.settled()
    it.voice.changed = {wire.POLL: bytes.fromhex("F0EE04")}
    it.run(250)
    assert it.of(on.NoteStacked)[0] == on.NoteStacked(2000, found=True)


def test_a_credit_of_an_unknown_channel_is_a_fault_and_stays():
    it = Bench().open().clear()
    it.voice.changed = {wire.POLL_ACK: bytes.fromhex("F0EE00")}
    it.run(5_000)
    assert it.told == [on.AcceptorFault("V-415")] and wire.EVENT_ACK not in it.codes()


def test_without_counters_there_is_no_total():
    it = Bench(VoiceSettings(counts=False)).run(5_000)
    assert it.told[0].stacked_total is None


def test_a_device_that_forgot_its_key_is_greeted_anew():
    it = Bench().open().clear()
    it.voice._state.seal = None
    it.run(5_000)
    assert it.codes()[0] == wire.SYNC and it.of(on.AcceptorUp) == [UP]


# ---- leaving


def test_leaving_disables_a_device_at_rest():
    it = Bench().open().clear()
    it.talk.leave()
    it.run(200)
    assert it.talk.left() and it.machine.phase is Phase.DISABLED
    assert it.talk.due_ms() > 1 << 60
    it.clear().run(5_000)
    assert it.codes() == []


def test_leaving_leaves_a_note_and_its_credit_alone():
    it = Bench(auto=False)
    it.until(lambda: it.of(on.AcceptorUp)).talk.settled()
    it.feed().until(lambda: it.of(on.NoteEscrowed)).clear()
    it.talk.leave()
    assert it.talk.left()
    it.run(3_000)
    assert it.codes() == [] and it.machine.phase is Phase.ESCROW


def test_leaving_a_device_that_is_silent():
    it = Bench().open()
    it.cut = True
    it.talk.leave()
    it.until(it.talk.left, within_ms=7_000)
    assert it.told[-1] == on.AcceptorDown("V-411")


# ---- any bytes


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3_000), st.binary(max_size=40)), max_size=12))
def test_noise_tells_nothing_but_silence(noise):
    talk = make_talk(seed=1)
    talk.opened(0)
    now, told = 0, []
    for wait, came in noise:
        now += wait
        talk.received(came, now)
        talk.wake(now)
        told += talk.events()
    assert set(told) <= {on.AcceptorDown("V-411")}


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(st.sampled_from((0, 0x80)), st.binary(min_size=1, max_size=30)), max_size=40), st.booleans())
def test_packets_that_mean_nothing_break_nothing(answers, sealed):
    talk = make_talk(settings=TalkSettings(dialogue=DialogueSettings(keys=KeySettings(sealed=sealed))), seed=1)
    talk.opened(0)
    talk.want(frozenset({500}))
    now = 0
    for bit, inside in answers:
        now += 1_000
        talk.wake(now)
        talk.received(wire.encode(Packet(bit, b"\xf0" + inside)), now)
        talk.received(wire.encode(Packet(bit ^ 0x80, inside)), now)
        assert all(isinstance(event, on.AcceptorEvent) for event in talk.events())
        assert talk.due_ms() >= 0


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_answers_to_polls_tell_only_credits_that_they_hold(draw):
    it = Bench(PLAIN).open().clear()
    channels = []
    for _ in range(draw.draw(st.integers(1, 8))):
        answer = b"\xf0" + draw.draw(st.binary(max_size=6))
        channels += [event.channel for event in wire.parse_poll(answer)[0] if event.code == wire.CREDIT]
        it.voice.changed = {wire.POLL: answer}
        it.run(200)
    it.voice.changed = {}
    it.run(30_000)
    known = [it.machine.kinds_fen[channel - 1] for channel in channels if 0 < channel <= 6]
    assert len(it.of(on.NoteStacked)) <= len(channels) * 4
    assert {event.fen for event in it.of(on.NoteStacked)} <= set(known)
    assert it.machine.phase in (*AT_REST, Phase.INITIALIZING)
