"""The whole stack over a real pseudo-terminal: host, thread, line, simulator. Once a protocol; the rest is CCNET's."""

import importlib
import logging
import threading
from pathlib import Path

import ccnet_pair
import pytest
from serial_stack import ALL, MortalAcceptor, Witness, stack

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.ccnet.voice import CcnetVoice
from kiosk.devices.acceptor.coins import CoinMachine
from kiosk.devices.acceptor.host import HostSettings, SerialAcceptor
from kiosk.devices.acceptor.protocols import COIN_PROTOCOLS, Options
from kiosk.devices.acceptor.simulator import AcceptorSimulator, CoinSimulator
from kiosk.devices.acceptor.talk import NEVER, LineShape
from kiosk.devices.acceptor.validator import Phase, Validator
from kiosk.devices.link import LinkSettings

ALL_PAIRS = sorted(file.stem for file in Path(__file__).parent.glob("*/*_pair.py"))
PAIRS = [name for name in ALL_PAIRS if not hasattr(importlib.import_module(name), "MACHINE")]  # those of notes


@pytest.fixture
def it(tmp_path):
    with stack(tmp_path, ccnet_pair) as it:
        yield it


@pytest.mark.parametrize("name", PAIRS)
def test_a_day_of_a_machine_and_two_processes(tmp_path, name):
    with stack(tmp_path, importlib.import_module(name)) as it:
        acceptor, witness = it.open()
        assert it.sim.feed(5000)
        assert witness.wait_kind(on.NoteEscrowed) == on.NoteEscrowed(5000)
        acceptor.stack()
        credit = witness.wait_kind(on.NoteStacked)
        assert (credit.fen, credit.found) == (5000, False)
        acceptor.credited()
        it.see(lambda look: look.phase is Phase.IDLE)
        it.until(lambda: it.sim.feed(2000))
        witness.wait_kind(on.NoteEscrowed)
        acceptor.kill()
        acceptor, witness = it.open(known=credit.mark) if it.sim.look.phase is Phase.IDLE else again(it, credit.mark)
        witness.wait_kind(on.AcceptorUp)
        it.until(lambda: it.sim.look.handed_back == ((2000, 1),))
        it.see(lambda look: look.open_for_fen == ALL)
        it.pass_questions()
        acceptor.stop()
        assert not it.sim.look.open_for_fen
        assert it.sim.look.box == ((5000, 1),)
        assert not witness.count(on.NoteStacked)


def again(it, known):
    """Another process finds the note in escrow and gives it back."""
    acceptor, witness = it.acceptor(known), Witness()

    def hear(event):
        witness(event)
        if isinstance(event, on.AcceptorUp):
            acceptor.settled()
        if isinstance(event, on.NoteEscrowed):
            acceptor.give_back()

    acceptor.enable(ALL)
    acceptor.start(hear)
    return acceptor, witness


def test_a_coin(tmp_path):
    cctalk = COIN_PROTOCOLS["cctalk"]
    opened = threading.Event()
    sim = CoinSimulator(
        tmp_path / "coins", CoinMachine(), cctalk.make_voice, on_change=lambda it: it.open_for_fen and opened.set()
    )
    settings = HostSettings(LinkSettings(str(tmp_path / "coins"), 9600, "V-411"))
    acceptor = SerialAcceptor(settings, lambda memory: cctalk.make_talk(memory, None, Options()), name="coins")
    witness = Witness()

    def hear(event):
        witness(event)
        acceptor.settled() if isinstance(event, on.AcceptorUp) else acceptor.credited()

    try:
        acceptor.enable(frozenset({50, 100}))
        acceptor.start(hear)
        assert opened.wait(20) and sim.look.open_for_fen == {50, 100}
        sim.feed(100)
        taken = witness.wait_kind(on.CoinTaken)
        assert (taken.fen, taken.found, bool(taken.mark)) == (100, False, True)
        assert sim.look.box == ((100, 1),)
        acceptor.stop()
        assert not sim.look.open_for_fen
    finally:
        acceptor.stop()
        sim.close()


def test_no_device_at_all_is_down_and_told_once(it):
    it.sim.close()
    acceptor, witness = it.acceptor(), Witness()
    acceptor.start(witness)
    assert witness.wait_kind(on.AcceptorDown) == on.AcceptorDown("V-411")
    it.until(lambda: acceptor._thread.is_alive())
    acceptor.stop()
    assert witness.all == [on.AcceptorDown("V-411")]


def test_the_port_disappears_and_comes_back(tmp_path):
    with stack(tmp_path, ccnet_pair) as it:
        _, witness = it.open()
        it.sim.close()
        witness.wait_kind(on.AcceptorDown)
        with stack(tmp_path, ccnet_pair) as other:
            witness.wait_kind(on.AcceptorUp)
            other.see(lambda look: look.open_for_fen == ALL)


def test_what_the_machine_says_of_itself_is_kept_in_a_file(it):
    acceptor, _ = it.open()
    kept = it.memory_file.read_bytes()
    assert b"30K000000001" in kept
    acceptor.kill()
    told = []
    it.acceptor(make_talk=lambda memory, known: told.append(memory) or ccnet_pair.make_talk(memory, known))
    assert told == [kept]


def test_a_file_that_cannot_be_written_stops_nothing(it, caplog):
    it.memory_file.with_name("acceptor.memory.new").mkdir()
    it.open()
    assert "cannot be written" in caplog.text and not it.memory_file.exists()


def test_stop_may_come_before_start_and_twice_and_wishes_after_it(it):
    acceptor = it.acceptor()
    acceptor.stop()
    acceptor, _ = it.open()
    acceptor.stop()
    acceptor.stop()
    acceptor.enable(ALL)
    assert it.sim.look.phase is Phase.DISABLED


def test_it_may_be_stopped_from_its_own_thread(it):
    acceptor, witness = it.open()
    acceptor._on_event = lambda event: acceptor.stop()
    assert it.sim.feed(1000)
    acceptor._thread.join(20)
    assert not acceptor._thread.is_alive() and witness.count(on.AcceptorUp) == 1


class Sleeper:
    """A talk that has nothing to do until somebody wishes something."""

    shape = LineShape()

    def __init__(self):
        self.wanted, self.woken, self.left_at, self.heard = None, [], None, b""

    def __getattr__(self, name):
        return lambda *arguments: None

    def opened(self, now_ms):
        self.woken.append(now_ms)

    def wake(self, now_ms):
        self.woken.append(now_ms)
        return b"hello" if self.wanted else b""

    def want(self, denominations_fen):
        self.wanted = denominations_fen

    def received(self, came, now_ms):
        self.heard += came

    def due_ms(self):
        return NEVER

    def events(self):
        return []

    def memory(self):
        return b""

    def left(self):
        return False


def sleeper_on(it, **more):
    talk = Sleeper()
    settings = HostSettings(LinkSettings(str(it.path), 9600, "V-411"), **more)
    acceptor = MortalAcceptor(settings, lambda memory: talk)
    it.hosts.append(acceptor)
    acceptor.start(lambda event: None)
    it.until(lambda: len(talk.woken) == 2)
    return talk, acceptor


def test_it_sleeps_until_a_wish_wakes_it(it):
    heard = []
    it.sim.line.tamper = lambda way, passing: heard.append(passing) or passing
    talk, acceptor = sleeper_on(it, leave_ms=1)
    it.until(lambda: it.sim.look.phase is Phase.POWER_UP)
    assert len(talk.woken) == 2
    acceptor.enable(ALL)
    it.until(lambda: heard)
    assert b"".join(heard).startswith(b"hello")


def test_bytes_wake_it(it):
    talk, _ = sleeper_on(it, leave_ms=1)
    it.sim.line.send(b"\x01\x02")
    it.until(lambda: talk.heard == b"\x01\x02")
    assert len(talk.woken) >= 3


def test_a_talk_that_never_leaves_is_left(it):
    talk, acceptor = sleeper_on(it, leave_ms=50)
    stopping = threading.Thread(target=acceptor.stop, daemon=True)
    stopping.start()
    stopping.join(10)
    in_time = not stopping.is_alive() and not acceptor._thread.is_alive()
    talk.left = lambda: True
    assert in_time


class WatchfulVoice(CcnetVoice):
    def __init__(self, machine):
        super().__init__(machine)
        self.phases = []

    def wake(self, now_ms):
        said = super().wake(now_ms)
        self.phases.append(self._machine.phase)
        return said


def test_a_voice_notices_every_blink_of_the_power(tmp_path):
    """However short: what it would have said is forgotten."""
    sim = AcceptorSimulator(tmp_path / "acceptor", Validator(), WatchfulVoice)
    for _ in range(50):
        sim.power_off()
        sim.power_on()
    sim.close()
    assert sim.voice.phases.count(Phase.OFF) >= 50


def test_a_protocol_with_parity_runs_on_a_line_that_has_none(it, caplog):
    """A pseudo-terminal takes parity at its first opening, and refuses it at its second."""
    talk = ccnet_pair.make_talk()
    talk.shape = LineShape(9600, "even", 2)
    for _ in range(2):
        acceptor = it.acceptor(make_talk=lambda memory, known: talk)
        assert (acceptor._line.parity, acceptor._line.stop_bits) == ("even", 2)
    caplog.set_level(logging.WARNING)
    for _ in range(2):
        talk = ccnet_pair.make_talk()
        talk.shape = LineShape(9600, "even", 2)
        acceptor, witness = it.acceptor(make_talk=lambda memory, known: talk), Witness()  # noqa: B023
        acceptor.start(witness)
        witness.wait_kind(on.AcceptorUp)
        acceptor.stop()
    assert "has no even parity" in caplog.text
