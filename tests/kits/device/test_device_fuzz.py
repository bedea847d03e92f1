"""The device kit: any bytes on the line, at any time, and wishes in any order."""

from device_bench import ALL, Bench
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.validator import Phase, Validator

JUNK = st.binary(min_size=1, max_size=40)
MONEY = (on.NoteStacked, on.CoinTaken)
fuzz = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@fuzz
@given(st.lists(st.tuples(JUNK, st.integers(1, 400)), max_size=30))
def test_the_host_hears_junk_alone(pair, junk):
    talk = pair.make_talk()
    talk.opened(0)
    talk.want(ALL)
    now, told = 0, []
    for came, wait_ms in junk:
        talk.wake(now)
        talk.received(came, now)
        told += talk.events()
        now += wait_ms
    assert not [event for event in told if isinstance(event, MONEY)]


@fuzz
@given(st.lists(st.tuples(st.integers(0, 60), st.sampled_from(["to-host", "to-device"]), JUNK), max_size=12))
def test_junk_between_the_frames_of_a_notes_life(pair, junk):
    bench, seen = Bench(pair).open(), {"to-host": 0, "to-device": 0}

    def tamper(way, passing):
        seen[way] += 1
        return b"".join(bytes_ for at, there, bytes_ in junk if (at, there) == (seen[way], way)) + passing

    bench.duet.tamper = tamper
    bench.feed(2000)
    bench.run(20_000)
    bench.settle()
    bench.nothing_is_lost()


@fuzz
@given(st.lists(JUNK, max_size=30))
def test_the_machine_hears_junk(pair, junk):
    machine = Validator()
    voice = pair.make_voice(machine)
    machine.power_on(0)
    for at, came in enumerate(junk):
        voice.wake(at * 50)
        voice.received(came, at * 50)
    assert not machine.box and machine.phase in (Phase.POWER_UP, Phase.INITIALIZING, Phase.DISABLED, Phase.IDLE)


@fuzz
@given(
    st.lists(st.tuples(st.sampled_from(["credited", "settled", "stack", "give", "want", "none"]), st.integers(0, 3000)))
)
def test_wishes_in_any_order(pair, wishes):
    bench = Bench(pair).open()
    bench.feed(2000)
    for wish, wait_ms in wishes:
        match wish:
            case "stack" | "give":
                bench.talk.decide(wish == "stack")
            case "want" | "none":
                bench.talk.want(ALL if wish == "want" else frozenset())
            case "settled":
                bench.talk.settled()
            case "credited" if bench.till.row is None:  # nobody says that of what is not recorded
                bench.talk.credited()
        bench.run(wait_ms)
    bench.talk.want(ALL)
    bench.settle()
    bench.nothing_is_lost()
