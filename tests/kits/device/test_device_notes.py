"""The device kit: what happens to a note, and to the machine, whatever protocol is spoken between."""

import pytest
from device_bench import ALL, Bench, faults
from device_till import booked, kinds

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.validator import Phase, Timings

STAYS_MS = 60_000


def escrow_only(bench):
    """A till that records nothing of a note but lets it lie."""
    bench.wishes.mute |= {"decide"}


def test_a_note_from_the_slot_to_the_box(pair):
    bench = Bench(pair).open()
    assert bench.feed(5000)
    bench.until(lambda: booked(bench.journal) == {5000: 1})
    bench.settle()
    bench.nothing_is_lost()
    assert bench.said(on.NoteEscrowed) == [on.NoteEscrowed(5000)]
    (credit,) = bench.said(on.NoteStacked)
    assert (credit.fen, credit.found) == (5000, False)
    assert not bench.said(on.NoteReturned) and not faults(bench)


def test_many_notes_one_after_the_other(pair):
    bench = Bench(pair).open()
    for fen in (500, 1000, 2000, 5000, 10_000, 2000, 2000, 500):
        bench.until(bench.is_open)
        assert bench.feed(fen)
        bench.until(bench.at_rest)
    bench.settle()
    bench.nothing_is_lost()
    assert [event.fen for event in bench.said(on.NoteStacked)] == [500, 1000, 2000, 5000, 10_000, 2000, 2000, 500]


def test_a_note_is_given_back(pair):
    bench = Bench(pair).open()
    bench.till = lambda event: bench.talk.decide(False) if isinstance(event, on.NoteEscrowed) else None
    bench.till.tick = lambda: None
    bench.feed(2000)
    bench.until(lambda: bench.said(on.NoteReturned))
    bench.run(10_000)
    assert [event.fen for event in bench.said(on.NoteReturned)] in ([2000], [None])
    assert (bench.machine.handed_back, bench.in_box) == ({2000: 1}, {})
    assert bench.is_open() and not bench.said(on.NoteStacked)


@pytest.mark.parametrize(("fen", "genuine"), [(2000, False), (9_999, True), (100, True)])
def test_forged_unknown_and_unwanted_notes_come_back(pair, fen, genuine):
    bench = Bench(pair).open()
    bench.feed(fen, genuine)
    bench.until(lambda: bench.machine.handed_back)
    bench.settle()
    bench.nothing_is_lost()
    assert bench.said(on.NoteRejected) or bench.said(on.NoteReturned)
    assert not bench.in_box and not bench.said(on.NoteEscrowed)


def test_a_note_pulled_back(pair):
    bench = Bench(pair).open()
    bench.feed(1000)
    assert bench.machine.pull(bench.now)
    bench.settle()
    bench.nothing_is_lost()
    assert bench.said(on.NoteRejected) and not bench.in_box


def test_nothing_is_taken_that_is_not_wanted(pair):
    bench = Bench(pair).open()
    bench.talk.want(frozenset({1000, 7000}))
    bench.until(lambda: bench.look.open_for_fen == {1000})
    bench.talk.want(frozenset())
    bench.until(lambda: not bench.is_open())
    bench.run(STAYS_MS)
    assert not bench.is_open() and not bench.feed(1000)
    bench.talk.want(ALL)
    bench.open()


def test_a_moving_note_is_dealt_with_before_it_closes(pair):
    bench = Bench(pair).open()
    bench.feed(1000)
    bench.run(200)
    bench.talk.want(frozenset())
    bench.until(lambda: booked(bench.journal) == {1000: 1})
    bench.until(lambda: bench.at_rest() and not bench.is_open())
    bench.run(STAYS_MS)
    assert not bench.is_open() and booked(bench.journal) == bench.in_box


def test_nothing_opens_before_the_power_up_is_settled(pair):
    bench = Bench(pair)
    bench.wishes.mute |= {"settled"}
    bench.run(STAYS_MS)
    assert not bench.is_open()
    ups = bench.said(on.AcceptorUp)
    assert ups and len(ups) <= STAYS_MS // 4_000
    bench.wishes.mute.clear()
    bench.talk.settled()
    bench.open()


def test_escrow_is_held_for_a_minute(pair):
    bench = Bench(pair).open()
    escrow_only(bench)
    bench.feed(10_000)
    bench.until(lambda: bench.said(on.NoteEscrowed))
    bench.run(STAYS_MS)
    assert bench.machine.phase in (Phase.ESCROW, Phase.HOLDING), bench.story
    assert len(bench.said(on.NoteEscrowed)) == 1
    bench.wishes.mute.clear()
    bench.talk.decide(True)
    bench.until(lambda: bench.in_box == {10_000: 1})


def test_a_credit_that_is_not_recorded_is_repeated_and_not_let_go(pair):
    """The till is busy for a minute; then it is killed, and its successor hears of the note, or counts it."""
    bench = Bench(pair).open()
    bench.till = lambda event: bench.talk.decide(True) if isinstance(event, on.NoteEscrowed) else None
    bench.till.tick = lambda: None
    bench.feed(2000)
    bench.until(lambda: bench.said(on.NoteStacked))
    bench.run(STAYS_MS)
    told = bench.said(on.NoteStacked)
    assert {event.fen for event in told} == {2000} and 6 <= len(told) <= 30
    assert len({event.mark for event in told}) == 1
    assert not bench.is_open(), "one at a time"
    bench.journal += [*bench.journal, *_sent(2000)]
    bench.kill()
    bench.settle()
    bench.nothing_is_lost()


def test_a_late_record_lets_it_go_once(pair):
    bench = Bench(pair).open()
    bench.wishes.mute |= {"credited"}
    bench.feed(2000)
    bench.until(lambda: len(bench.said(on.NoteStacked)) == 3)
    assert booked(bench.journal) == {2000: 1} and kinds(bench.journal)["repeated"] == 2
    bench.wishes.mute.clear()
    bench.settle()
    bench.nothing_is_lost()


def _sent(fen):
    from device_till import Entry

    return Entry("escrowed", fen), Entry("accepted", fen)


@pytest.mark.parametrize("where", ["validator", "stacker"])
def test_a_note_jams_and_is_freed(pair, where):
    bench = Bench(pair).open()
    bench.feed(2000)
    bench.to(Phase.ACCEPTING if where == "validator" else Phase.STACKING, where)
    assert bench.machine.jam(bench.now)
    bench.until(lambda: "V-412" in faults(bench))
    bench.run(10_000)
    assert not bench.in_box and not bench.machine.handed_back
    bench.machine.clear_jam(bench.now)
    bench.settle()
    bench.nothing_is_lost()
    assert bench.said(on.AcceptorClear)
    assert bool(bench.in_box) == (where == "stacker")


def test_the_cash_box_is_taken_and_put_back(pair):
    bench = Bench(pair).open()
    bench.feed(2000)
    bench.until(lambda: bench.in_box and bench.at_rest())
    bench.take_box()
    bench.until(lambda: "V-414" in faults(bench))
    bench.run(10_000)
    assert not bench.is_open()
    bench.machine.put_box(bench.now)
    bench.until(lambda: bench.said(on.AcceptorClear))
    bench.settle()
    bench.nothing_is_lost()


def test_the_cash_box_is_pulled_while_a_note_goes_in(pair):
    bench = Bench(pair).open()
    bench.feed(2000)
    bench.to(Phase.STACKING)
    bench.take_box()
    bench.until(lambda: faults(bench))
    assert not bench.in_box
    bench.machine.put_box(bench.now)
    bench.machine.clear_jam(bench.now)
    bench.settle()
    bench.nothing_is_lost()


def test_a_full_cash_box(pair):
    bench = Bench(pair, capacity=1).open()
    bench.feed(2000)
    bench.until(lambda: "V-413" in faults(bench))
    bench.run(10_000)
    assert not bench.is_open() and booked(bench.journal) == {2000: 1}
    bench.take_box()
    bench.machine.put_box(bench.now)
    bench.settle()
    bench.nothing_is_lost()


def test_fishing_is_told(pair):
    bench = Bench(pair).open()
    assert bench.machine.cheat(bench.now)
    bench.until(lambda: bench.said(on.FraudSeen) or "V-416" in faults(bench))
    if bench.said(on.FraudSeen):
        bench.run(10_000)
        assert not bench.is_open(), "it takes nothing until somebody says so"
        bench.talk.want(ALL)
    bench.settle()
    assert not bench.in_box


def test_it_closes_when_the_kiosk_ends(pair):
    bench = Bench(pair).open()
    bench.talk.leave()
    bench.until(bench.talk.left, 3_000)
    assert not bench.is_open()


def test_leaving_a_dead_machine_ends(pair):
    bench = Bench(pair).open()
    bench.machine.power_off(bench.now)
    bench.talk.leave()
    bench.until(bench.talk.left, 10_000)
    assert bench.machine.phase is Phase.OFF


def test_at_rest_it_is_neither_silent_nor_busy(pair):
    """Law 2 of the house of the halves: ``due_ms`` says when there is something to do."""
    bench = Bench(pair).open()
    before, plays = len(bench.events), bench.plays
    bench.run(STAYS_MS)
    assert bench.events[before:] == []
    assert bench.plays - plays < STAYS_MS // 10
    assert bench.is_open()


def test_a_faster_machine_is_understood_too(pair):
    bench = Bench(pair, timings=Timings().faster(40)).open()
    for _ in range(10):
        bench.until(bench.is_open)
        assert bench.feed(1000)
        bench.until(bench.at_rest)
    bench.settle()
    bench.nothing_is_lost()
    assert bench.in_box == {1000: 10}
