"""Every protocol by its name: both halves fit, and one's memory does another no harm."""

import pytest

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.coins import CoinMachine
from kiosk.devices.acceptor.duet import Duet
from kiosk.devices.acceptor.protocols import COIN_PROTOCOLS, NOTE_PROTOCOLS, Options
from kiosk.devices.acceptor.simulator import CoinSimulator
from kiosk.devices.acceptor.validator import Validator

EVERY = {
    **{name: (it, Validator) for name, it in NOTE_PROTOCOLS.items()},
    "coins": (COIN_PROTOCOLS["cctalk"], CoinMachine),
}


def meet(protocol, machine, memory=b"", **more):
    """Lets them meet for a while; gives the talk and what it told."""
    talk, told = protocol.make_talk(memory, None, Options(**more)), []
    voice = protocol.make_voice(machine)
    machine.power_on(0)
    duet = Duet(talk, voice, lambda event: (told.append(event), talk.settled(), talk.credited()), 0)
    duet.run(0, 20_000)
    return talk, told


@pytest.mark.parametrize("name", EVERY)
def test_both_halves_understand_each_other(name):
    protocol, machine = EVERY[name]
    talk, told = meet(protocol, machine())
    assert any(isinstance(event, on.AcceptorUp) for event in told)
    assert talk.shape == protocol.make_voice(machine()).shape


@pytest.mark.parametrize("name", EVERY)
def test_the_poll_is_as_often_as_the_settings_say(name):
    protocol, machine = EVERY[name]
    counts = []
    for poll_ms in (0, 50):
        voices, voiced = [], protocol.make_voice
        talk, there = protocol.make_talk(b"", None, Options(poll_ms)), machine()
        voices.append(voiced(there))
        there.power_on(0)
        Duet(talk, voices[0], lambda event: (talk.settled(), talk.credited()), 0).run(0, 20_000)  # noqa: B023
        counts.append(voices[0].polls)
    assert counts[1] > counts[0] * 1.3


@pytest.mark.parametrize("name", EVERY)
def test_another_protocols_memory_is_as_none(name):
    protocol, machine = EVERY[name]
    memories = [meet(it, kind())[0].memory() for it, kind in EVERY.values()]
    assert any(memories)
    for memory in (*memories, b"\0", b"\xff" * 500):
        _, told = meet(protocol, machine(), memory)
        assert any(isinstance(event, on.AcceptorUp) for event in told)


def test_a_coin_acceptor_on_a_pseudo_terminal(tmp_path):
    looks = []
    sim = CoinSimulator(tmp_path / "coins", CoinMachine(), COIN_PROTOCOLS["cctalk"].make_voice, on_change=looks.append)
    sim.feed(100)
    sim.string()
    sim.feed(50, genuine=False)
    assert sim.look.powered and sim.look.open_for_fen == frozenset()
    assert sim.jam() in (True, False)
    sim.clear_jam()
    sim.power_off()
    sim.close()
    assert not looks[-1].powered and sim.look.box == ()
