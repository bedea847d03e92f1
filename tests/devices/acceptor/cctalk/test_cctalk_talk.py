"""The kiosk's half with a device beside it: the event counter over every gap, escrow, fraud and faults."""

from dataclasses import replace

import pytest
from cctalk_bench import ALL_COINS, ALL_NOTES, SERIAL, Bench, Entry, booked, coins, known

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.cctalk import wire
from kiosk.devices.acceptor.cctalk.talk import CctalkSettings
from kiosk.devices.acceptor.cctalk.voice import Plate
from kiosk.devices.acceptor.validator import Phase
from kiosk.model.cash import Mark

DAY_MS = 86_400_000


def spy(bench):
    """All that the host says: (header, data)."""
    said = []
    received = bench.voice.received

    def listen(came, now):
        if came:
            said.append((came[3], came[4:-1]))
        return received(came, now)

    bench.voice.received = listen
    return said


def marks(bench, kind=on.CoinTaken):
    return [(event.fen, event.mark.counter) for event in bench.said(kind)]


# ---- coins


def test_several_coins_within_one_poll_are_told_one_at_a_time_oldest_first():
    bench = coins().open()
    bench.till.mute = True
    for fen in (10, 50, 100, 100):
        bench.feed(fen)
    bench.run(3_000)
    assert marks(bench) == [(10, 1)], "not recorded yet"
    bench.till.mute = False
    bench.until(lambda: booked(bench.journal).total() == 4)
    assert [(it.fen, it.mark.counter) for it in bench.journal if it.mark] == [(10, 1), (50, 2), (100, 3), (100, 4)]
    assert booked(bench.journal) == bench.in_box == {10: 1, 50: 1, 100: 2}


def test_a_coin_that_is_not_recorded_is_told_every_five_seconds():
    bench = coins().open()
    bench.till.mute = True
    bench.feed(100)
    bench.run(31_000)
    assert 5 <= len(bench.said(on.CoinTaken)) <= 7 and len(set(bench.said(on.CoinTaken))) == 1
    bench.till.mute = False
    bench.settle()
    assert booked(bench.journal) == {100: 1}


def test_a_reminder_that_is_answered_late_does_not_let_go_the_next_coin():
    """The till was slow: two words for the first coin come one after the other, then nothing."""
    bench = coins().open()
    bench.till.mute = True
    bench.feed(10)
    bench.feed(50)
    bench.until(lambda: len(bench.said(on.CoinTaken)) == 2)  # the first, twice
    bench.talk.credited()
    bench.play()
    bench.talk.credited()
    bench.run(20_000)
    assert {event.fen for event in bench.said(on.CoinTaken)[2:]} == {50}
    assert bench.talk._heard.known == Mark(SERIAL, 1)
    bench.talk.credited()
    bench.run(10_000)
    bench.talk.credited()
    bench.run(10_000)
    assert bench.talk._heard.known == Mark(SERIAL, 2)


def test_a_till_that_hangs_closes_the_slot_before_the_table_is_full():
    bench = coins().open()
    bench.till.mute = True
    for _ in range(3):
        bench.feed(100)
        bench.run(400)
    bench.run(1_000)
    assert not bench.open_for
    for _ in range(2):  # each of them is an event too
        bench.feed(100)
        bench.run(400)
    assert bench.in_box == {100: 3}
    bench.kill()
    bench.settle()
    assert booked(bench.journal) == {100: 3} and not bench.said(on.EventsLost)


def test_after_a_till_that_hung_nothing_stays_slow():
    bench = coins().open()
    bench.till.mute = True
    bench.feed(10)
    bench.run(12_000)
    bench.till.mute = False
    bench.until(lambda: booked(bench.journal) == {10: 1})
    bench.feed(50)
    bench.until(lambda: bench.talk._heard.known == Mark(SERIAL, 2), 8_000)
    for counter in range(3, 8):
        bench.feed(100)
        bench.until(lambda counter=counter: bench.talk._heard.known == Mark(SERIAL, counter), 1_000)


def test_a_coin_that_rolls_when_the_slot_closes_is_credited():
    bench = coins().open()
    bench.feed(100)
    bench.run(150)  # past the gate
    bench.talk.want(frozenset())
    bench.until(lambda: not bench.open_for)
    assert bench.machine.box == {}
    bench.until(lambda: booked(bench.journal) == {100: 1})


def test_only_wanted_coins_are_let_in():
    bench = coins(wanted=frozenset({50, 100})).open()
    bench.feed(10)
    bench.feed(10, genuine=False)
    bench.until(lambda: len(bench.said(on.NoteRejected)) == 2)
    assert [event.reason for event in bench.said(on.NoteRejected)] == ["inhibited", "unknown coin"]
    bench.talk.want(frozenset({10}))
    bench.until(lambda: bench.open_for == {10})
    bench.talk.want(frozenset({7}))
    bench.until(lambda: not bench.open_for)


@pytest.mark.parametrize(("hand", "what"), [("string", "string"), ("pull_backwards", "going backwards")])
def test_fraud_closes_the_slot_until_somebody_says_so(hand, what):
    bench = coins().open()
    getattr(bench.machine, hand)(bench.now)
    bench.until(lambda: bench.said(on.FraudSeen) == [on.FraudSeen(what)])
    bench.until(lambda: not bench.open_for)
    bench.run(60_000)
    assert not bench.open_for
    bench.talk.want(ALL_COINS)
    bench.until(lambda: bench.open_for == ALL_COINS)


def test_a_jam_is_told_and_so_is_its_end():
    bench = coins().open()
    bench.feed(100)
    bench.run(50)
    assert bench.machine.jam(bench.now)
    bench.until(lambda: bench.said(on.AcceptorFault) == [on.AcceptorFault("V-412")])
    bench.run(10_000)
    assert not bench.said(on.AcceptorClear)
    bench.machine.clear_jam(bench.now)
    bench.until(lambda: bench.said(on.AcceptorClear))


def test_a_coin_without_a_value_is_a_loss_that_people_count():
    """A token, or a coin that the acceptor gives no name: it lies in the box, and nobody says what it is worth."""
    bench = coins(plate=Plate(country="TK"))
    bench.until(lambda: bench.said(on.AcceptorUp))
    bench.run(5_000)
    bench.voice.log((3, 1))
    bench.until(lambda: bench.said(on.EventsLost) == [on.EventsLost(1, Mark(SERIAL, 1))])
    bench.run(20_000)
    assert len(bench.said(on.EventsLost)) == 1 and not booked(bench.journal)


def test_a_swallowed_coin_is_a_loss_that_people_count():
    bench = coins().open()
    bench.voice.log((0, 36))
    bench.until(lambda: bench.said(on.EventsLost) == [on.EventsLost(1, Mark(SERIAL, 1))], 2_000)


def test_an_acceptor_without_our_money_is_at_fault():
    for bench in (coins(plate=Plate(country="TK")), Bench(plate=Plate(country="EU"))):
        bench.run(10_000)
        assert bench.said(on.AcceptorFault) == [on.AcceptorFault("V-415")]
        assert not bench.open_for and not bench.said(on.AcceptorClear)


def test_a_device_without_a_self_check_is_not_asked_for_ever():
    bench = coins()
    said = spy(bench)
    answer = bench.voice.said
    bench.voice.said = lambda header, data, now: None if header == wire.SELF_CHECK else answer(header, data, now)
    bench.run(60_000)
    assert said.count((wire.SELF_CHECK, b"")) == 3 and bench.open_for == ALL_COINS
    assert not bench.said(on.AcceptorDown)


# ---- the counter over every gap


def life_of(bench, count):
    """So many coins, each recorded."""
    for _ in range(count):
        bench.feed(10)
        bench.run(1_000)
    assert booked(bench.journal) == {10: count}


def test_the_counter_wraps_from_255_to_1():
    bench = coins().open()
    life_of(bench, 260)
    assert known(bench.journal) == Mark(SERIAL, 5) and not bench.said(on.EventsLost)


@pytest.mark.parametrize(("count", "kept"), [(253, 4), (250, 5), (10, 5), (3, 0)])
def test_coins_while_the_process_was_dead_are_told_once(count, kept):
    bench = coins().open()
    life_of(bench, count)
    for _ in range(kept):
        bench.voice.log((3, 1))
        bench.machine.box[100] += 1
    bench.kill()
    bench.settle()
    bench.kill()
    bench.settle()
    assert booked(bench.journal) == {10: count, **({100: kept} if kept else {})}
    assert not bench.said(on.EventsLost)
    assert all(event.found for event in bench.said(on.CoinTaken) if event.fen == 100)


def test_six_events_while_the_process_was_dead_one_is_lost_and_five_are_not():
    bench = coins().open()
    life_of(bench, 2)
    for _ in range(6):
        bench.voice.log((3, 1))
        bench.machine.box[100] += 1
    bench.kill()
    bench.settle()
    assert bench.said(on.EventsLost) == [on.EventsLost(1, Mark(SERIAL, 3))]
    assert booked(bench.journal) == {10: 2, 100: 5}


def test_a_loss_is_repeated_until_it_is_recorded_and_nothing_opens_before():
    bench = coins().open()
    life_of(bench, 2)
    for _ in range(60):
        bench.voice.log((3, 1))
    bench.kill()
    bench.till.mute = True
    bench.run(20_000)
    assert set(bench.said(on.EventsLost)) == {on.EventsLost(60, Mark(SERIAL, 62))}
    assert len(bench.said(on.EventsLost)) >= 3 and not bench.open_for
    bench.kill()
    bench.settle()
    assert known(bench.journal) == Mark(SERIAL, 62) and booked(bench.journal) == {10: 2}
    bench.kill()
    bench.settle()
    assert len([it for it in bench.journal if it.kind == "events lost"]) == 1


@pytest.mark.parametrize("counter", [0, 2, 200])
def test_another_device_credits_nothing_of_its_table(counter):
    bench = coins().open()
    life_of(bench, 2)
    bench.exchange(Plate(serial=777))
    for _ in range(counter):
        bench.voice.log((3, 1))
    bench.kill()
    bench.settle()
    assert bench.said(on.EventsLost) == [on.EventsLost(0, Mark("777", counter))]
    assert bench.said(on.AcceptorUp)[-1].serial == "777"
    bench.feed(50)
    bench.until(lambda: booked(bench.journal) == {10: 2, 50: 1})


def test_a_device_exchanged_while_the_process_runs():
    bench = coins().open()
    life_of(bench, 2)
    bench.machine.power_off(bench.now)
    bench.until(lambda: bench.said(on.AcceptorDown))
    bench.exchange(Plate(serial=777))
    bench.machine.power_on(bench.now)
    bench.settle()
    assert bench.said(on.EventsLost) == [on.EventsLost(0, Mark("777", 0))]


@pytest.mark.parametrize("away_ms", [0, 300, 20_000])
def test_a_power_up_is_recorded_before_anything_is_taken(away_ms):
    """Else the fourth coin after it would be taken for the one that follows the three before it."""
    bench = coins().open()
    life_of(bench, 3)
    bench.till.mute = True
    bench.power_cut(away_ms)
    bench.run(20_000)
    assert set(bench.said(on.EventsLost)) == {on.EventsLost(0, Mark(SERIAL, 0))} and not bench.open_for
    bench.till.mute = False
    bench.settle()
    assert known(bench.journal) == Mark(SERIAL, 0)
    for _ in range(4):
        bench.voice.log((3, 1))  # four coins fall, and the process ends before it hears of them
        bench.machine.box[100] += 1
    bench.kill()
    bench.settle()
    assert booked(bench.journal) == {10: 3, 100: 4}


def test_a_power_cut_while_no_process_ran():
    bench = coins().open()
    life_of(bench, 200)
    bench.machine.power_off(bench.now)
    bench.machine.power_on(bench.now + 1)
    bench.kill()
    bench.settle()
    assert bench.said(on.EventsLost) == [on.EventsLost(0, Mark(SERIAL, 0))]
    assert booked(bench.journal) == {10: 200}


def test_an_earlier_processs_rejections_are_no_alarm():
    bench = coins().open()
    life_of(bench, 2)
    for _ in range(9):
        bench.feed(100, genuine=False)
        bench.run(500)
    bench.kill()
    bench.settle()
    assert not bench.said(on.EventsLost)
    bench.memory = b""
    bench.kill()
    bench.settle()
    assert bench.said(on.EventsLost) == [on.EventsLost(4, Mark(SERIAL, 6))], "without the file it is one"


def test_the_link_is_lost_and_the_events_are_not():
    bench = coins().open()
    said = spy(bench)
    bench.duet.tamper = lambda way, passing: b""
    bench.feed(100)
    bench.until(lambda: bench.said(on.AcceptorDown))
    bench.run(DAY_MS // 1_000)
    bench.duet.tamper = None
    bench.settle()
    assert booked(bench.journal) == {100: 1} and not bench.said(on.EventsLost)
    assert wire.RESET not in {header for header, _ in said}


# ---- notes


def test_a_bill_is_routed_only_while_its_event_is_the_newest():
    bench = Bench().open()
    bench.till.hold = True
    bench.feed(2000)
    bench.until(lambda: bench.said(on.NoteEscrowed))
    bench.voice.log((0, 3))  # something came after it
    bench.run(500)
    said = spy(bench)
    bench.talk.decide(True)
    bench.run(3_000)
    assert wire.ROUTE not in {header for header, _ in said}
    assert bench.said(on.NoteRejected)


def test_escrow_is_held_until_somebody_decides():
    bench = Bench().open()
    bench.till.hold = True
    bench.feed(2000)
    bench.until(lambda: bench.said(on.NoteEscrowed))
    said = spy(bench)
    bench.run(60_000)
    assert bench.machine.phase in (Phase.ESCROW, Phase.HOLDING)
    assert 10 <= said.count((wire.ROUTE, b"\xff")) <= 14
    bench.talk.decide(False)
    bench.until(lambda: bench.said(on.NoteReturned) == [on.NoteReturned(2000)])
    assert bench.machine.handed_back == {2000: 1}


def test_a_note_of_no_value_here_goes_back_untold():
    bench = Bench(wanted=frozenset({500})).open()
    names = bench.talk._teller.worth_fen
    bench.talk._teller.worth_fen = {kind: fen for kind, fen in names.items() if fen != 500}
    bench.feed(500)
    bench.until(lambda: bench.machine.handed_back == {500: 1})
    bench.run(2_000)
    assert not bench.said(on.NoteEscrowed) and not bench.in_box


def test_a_note_in_escrow_when_the_process_ends_is_found_and_goes_back():
    bench = Bench().open()
    bench.till.hold = True
    bench.feed(2000)
    bench.until(lambda: bench.said(on.NoteEscrowed))
    for memory in (bench.memory, b""):
        bench.memory = memory
        bench.kill()
        bench.till.hold = True
        bench.until(lambda: bench.events[-1] == on.NoteEscrowed(2000, found=True))
        bench.events.append(None)
    bench.kill()
    bench.until(lambda: bench.machine.handed_back == {2000: 1})


def test_a_note_is_stacked_while_no_process_ran():
    bench = Bench().open()
    bench.feed(2000)
    bench.until(lambda: bench.machine.phase is Phase.STACKING)
    bench.kill()
    bench.settle()
    (credit,) = bench.said(on.NoteStacked)
    assert credit == on.NoteStacked(2000, True, Mark(SERIAL, 2)) and booked(bench.journal) == {2000: 1}


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (2, on.NoteRejected("validation")),
        (4, on.NoteRejected("inhibited")),
        (6, on.AcceptorFault("V-412")),
        (7, on.AcceptorFault("V-412")),
        (8, on.FraudSeen("pulled backwards")),
        (9, on.FraudSeen("tampering")),
        (11, on.AcceptorFault("V-414")),
        (13, on.AcceptorFault("V-415")),
        (14, on.AcceptorFault("V-413")),
        (16, on.AcceptorFault("V-412")),
        (17, on.FraudSeen("opto")),
        (18, on.FraudSeen("string")),
        (20, on.FraudSeen("barcode")),
    ],
)
def test_what_a_bill_validator_says_of_itself(code, told):
    bench = Bench().open()
    bench.run(5_000)
    before = len(bench.events)
    bench.voice.log((0, code))
    bench.run(400)
    assert bench.events[before:] == [told]
    if isinstance(told, on.FraudSeen):
        bench.run(10_000)
        assert not bench.open_for


@pytest.mark.parametrize("code", [0, 10, 12, 99])
def test_what_is_of_no_concern(code):
    bench = Bench().open()
    before = len(bench.events)
    bench.voice.log((0, code))
    bench.run(10_000)
    assert bench.events[before:] == [] and bench.open_for == ALL_NOTES


def test_a_box_that_was_taken_is_out_until_its_event_says_otherwise():
    """There are devices whose self-check knows nothing of the box."""
    bench = Bench().open()
    bench.voice.log((0, 11))
    bench.run(20_000)
    assert bench.said(on.AcceptorFault) == [on.AcceptorFault("V-414")] and not bench.said(on.AcceptorClear)
    bench.voice.log((0, 12))
    bench.until(lambda: bench.said(on.AcceptorClear), 3_000)


def test_a_note_of_an_unknown_kind_in_the_box_is_a_loss():
    bench = Bench().open()
    bench.voice.log((0, 2))
    bench.run(1_000)
    bench.voice.log((0, 21))
    bench.until(lambda: bench.said(on.EventsLost) == [on.EventsLost(1, Mark(SERIAL, 2))], 2_000)
    assert {event.note_at_power_up for event in bench.said(on.AcceptorUp)} == {"none"}


def test_a_credit_that_the_accept_counter_had_already_is_a_found_one():
    bench = Bench().open()
    bench.feed(2000)
    bench.until(lambda: bench.machine.phase is Phase.STACKING)
    bench.duet.tamper = lambda way, passing: b""
    bench.until(lambda: bench.said(on.AcceptorDown))
    bench.duet.tamper = None
    bench.settle()
    assert bench.said(on.NoteStacked) == [on.NoteStacked(2000, True, Mark(SERIAL, 2))]


def logged_while_nobody_listened(*pairs):
    bench = Bench().open()
    for pair in pairs:
        bench.voice.log(pair)
    bench.memory = b""
    bench.kill()
    bench.till.mute = True
    bench.machine.box[2000] += 1
    before = len(bench.events)
    bench.run(2_000)
    return [event for event in bench.events[before:] if not isinstance(event, on.AcceptorUp)]


def test_an_earlier_notes_return_is_not_told_of_a_later_note():
    events = logged_while_nobody_listened((3, 1), (0, 1), (4, 1), (4, 0))
    assert events == [on.NoteStacked(2000, True, Mark(SERIAL, 4))]


def test_money_comes_before_the_escrow_that_followed_it():
    events = logged_while_nobody_listened((4, 1), (4, 0), (3, 1))
    assert events == [on.NoteStacked(2000, True, Mark(SERIAL, 2))], "and nothing of the note in escrow yet"


def test_the_box_is_out_until_it_is_in():
    bench = Bench().open()
    bench.machine.take_box(bench.now)
    bench.until(lambda: bench.said(on.AcceptorFault) == [on.AcceptorFault("V-414")])
    bench.run(30_000)
    assert not bench.said(on.AcceptorClear)
    bench.machine.put_box(bench.now)
    bench.until(lambda: bench.said(on.AcceptorClear))
    bench.open()


def test_a_note_stacked_at_power_up_is_the_word_of_its_power_up():
    bench = Bench().open()
    bench.feed(5000)
    bench.until(lambda: bench.machine.phase is Phase.STACKING and bench.machine.place == "stacker")
    bench.power_cut(1_000)
    bench.settle()
    assert bench.said(on.AcceptorUp)[-1].note_at_power_up == "stacker"
    assert booked(bench.journal) == bench.in_box == {5000: 1}
    assert bench.said(on.EventsLost) == [on.EventsLost(0, Mark(SERIAL, 0))]
    ups = len(bench.said(on.AcceptorUp))
    bench.kill()
    bench.settle()
    assert {event.note_at_power_up for event in bench.said(on.AcceptorUp)[ups:]} == {"none"}, "it is said once"


def test_a_note_stacked_by_a_device_that_does_not_say_so_is_left_to_people():
    bench = Bench(tells_power_up=False).open()
    bench.feed(5000)
    bench.until(lambda: bench.machine.phase is Phase.STACKING and bench.machine.place == "stacker")
    bench.power_cut(1_000)
    bench.settle()
    assert not booked(bench.journal) and bench.in_box == {5000: 1}
    assert Entry("lost", 5000) in bench.journal and bench.said(on.EventsLost)


def test_the_accept_counter_is_told_only_if_it_is_kept_without_power():
    assert Bench().open().said(on.AcceptorUp)[0].stacked_total is None
    bench = Bench(settings=CctalkSettings(keeps_count=True)).open()
    assert bench.said(on.AcceptorUp)[0].stacked_total == 0
    bench.feed(1000)
    bench.until(lambda: booked(bench.journal))
    bench.power_cut()
    bench.open()
    assert bench.said(on.AcceptorUp)[-1] == on.AcceptorUp("KSK CT1 12345678", "none", None, 1, SERIAL)


def test_nothing_opens_before_the_power_up_is_settled():
    bench = Bench()
    settled, bench.talk.settled = bench.talk.settled, lambda: None
    bench.run(60_000)
    assert not bench.open_for and 10 <= len(bench.said(on.AcceptorUp)) <= 14
    settled()
    bench.open()


def test_an_inhibit_that_the_device_forgot_is_said_again():
    bench = coins().open()
    bench.voice._master_open = False
    bench.run(500)
    assert not bench.open_for
    bench.run(6_000)
    assert bench.open_for == ALL_COINS


def test_a_table_is_believed_when_it_was_read_twice_the_same():
    """A check of one byte: two bits flipped, and what was no coin is one."""
    bench = coins().open()
    forged = wire.encode(wire.HOST, wire.REPLY, bytes((1, 3, 1, *[0] * 8)), wire.COIN_ACCEPTOR)
    left = [1]

    def tamper(way, passing):
        if way == "to-host" and len(passing) > 16 and left[0]:
            left[0] -= 1
            return passing[:5] + forged
        return passing

    bench.duet.tamper = tamper
    bench.run(10_000)
    assert left == [0] and not bench.said(on.CoinTaken) and not bench.said(on.EventsLost)
    left[0] = 2
    bench.machine.box[100] += 1  # this time it is true
    bench.run(1_000)
    assert bench.said(on.CoinTaken), "twice the same is what it takes"


def test_a_command_does_not_follow_an_old_poll():
    bench = coins().open()
    bench.run(1_000)
    said = spy(bench)
    hurt = [1]

    def tamper(way, passing):
        if way == "to-host" and hurt[0]:
            hurt[0] -= 1
            return passing + b"\x55"  # the line is not quiet for a while
        return passing

    bench.duet.tamper = tamper
    bench.talk.want(frozenset())
    bench.until(lambda: not bench.open_for)
    assert [header for header, _ in said[:3]] == [wire.COIN_EVENTS, wire.COIN_EVENTS, wire.MASTER_INHIBIT]


def test_a_device_that_was_left_open_is_closed_first():
    bench = coins().open()
    said = spy(bench)
    bench.kill()
    bench.until(lambda: len(said) >= 3)
    assert said[:3] == [(wire.SIMPLE_POLL, b""), (wire.MASTER_INHIBIT, b"\0"), (wire.SERIAL, b"")]


def test_what_was_not_said_yet_is_not_settled():
    """A till that is slow settles the power-up before; the word of this one is still told."""
    bench = Bench().open()
    bench.feed(5000)
    bench.until(lambda: bench.machine.phase is Phase.STACKING and bench.machine.place == "stacker")
    hear = bench.till.__call__

    def slow(event):
        if isinstance(event, on.AcceptorDown):
            bench.talk.settled()
        hear(event)

    bench.till, slow.tick = slow, bench.till.tick
    bench.power_cut()
    bench.until(lambda: bench.said(on.AcceptorDown) and bench.machine.phase is Phase.IDLE)
    bench.run(2_000)
    assert bench.said(on.AcceptorUp)[-1].note_at_power_up == "stacker"
    assert booked(bench.journal) == {5000: 1}


def test_leaving_closes_the_slot():
    bench = coins().open()
    assert not bench.talk.left()
    bench.talk.leave()
    bench.until(bench.talk.left, 3_000)
    assert not bench.open_for
    bench.run(10_000)
    assert not bench.open_for


def test_a_device_that_refuses_what_is_not_needed():
    """No identity, no polling priority, no operating mode: NAK to all of them."""
    bench = Bench()
    said = bench.voice.said
    common = bench.voice._common
    unknown = {wire.MANUFACTURER, wire.PRODUCT, wire.CATEGORY, wire.POLLING_PRIORITY}
    bench.voice._common = lambda header, data, now: None if header in unknown else common(header, data, now)
    bench.voice.said = lambda header, data, now: None if header == wire.CURRENCY_REVISION else said(header, data, now)
    bench.open()
    assert bench.said(on.AcceptorUp)[0] == on.AcceptorUp(SERIAL, "none", serial=SERIAL)
    assert not bench.said(on.AcceptorDown)


def test_a_device_that_never_says_its_number_is_down():
    bench = Bench()
    common = bench.voice._common
    bench.voice._common = lambda header, data, now: None if header == wire.SERIAL else common(header, data, now)
    bench.run(60_000)
    assert bench.events == [on.AcceptorDown("V-411")] and not bench.open_for


def test_a_slower_poll_is_the_devices_own_wish_only_if_it_is_faster():
    slow = coins(settings=replace(CctalkSettings(), poll_ms=500)).open()
    slow.run(1_000)
    before = slow.voice.polls
    slow.run(10_000)
    assert 45 <= slow.voice.polls - before <= 60, "every 200 ms, as it asks"
