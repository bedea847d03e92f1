"""The kiosk's cash devices as the demo's settings name them, and the machines that the world puts on their lines."""

import threading

import pytest

from kiosk.app.acceptors import coin_acceptor, note_acceptor
from kiosk.config import load_config
from kiosk.desk import command
from kiosk.desk.town import Town, _settings
from kiosk.desk.world import World
from kiosk.devices.acceptor.events import AcceptorUp, CoinTaken, NoteEscrowed, NoteStacked
from kiosk.devices.acceptor.protocols import NOTE_PROTOCOLS
from kiosk.devices.acceptor.validator import Timings, Validator
from kiosk.model.errors import ConfigFault

PATIENCE_S = 20


def town_of(folder, acceptor):
    """A town of which only the settings and the lines are there."""
    town = Town(folder, (), 1, 2, folder / "screens", acceptor=acceptor)
    for part in (town.kiosk, town.acceptor_line.parent, town.pcscd):
        part.mkdir()
    town.config.write_text(_settings(town, ""), encoding="utf-8")
    return town


@pytest.fixture
def laid(tmp_path):
    """Makes a world and the kiosk's settings for it; nothing of it runs on after the test."""
    undo = []

    def make(acceptor):
        town = town_of(tmp_path, acceptor)
        world = World(town, validator=Validator(timings=Timings().faster(40)))
        world.printer.start()
        undo.append(lambda: world.__exit__(None, None, None))
        return world, load_config(town.config), undo

    yield make
    for each in reversed(undo):
        each()


class Ears:
    """Hears a device; settles and credits what it says at once, as a till does."""

    def __init__(self, device):
        self._device, self._changed, self._heard = device, threading.Condition(), []

    def __call__(self, event):
        if isinstance(event, AcceptorUp):
            self._device.settled()
        elif isinstance(event, NoteEscrowed):
            self._device.stack()
        elif isinstance(event, (NoteStacked, CoinTaken)):
            self._device.credited()
        with self._changed:
            self._heard.append(event)
            self._changed.notify_all()

    def wait(self, kind):
        with self._changed:
            fits = lambda: [event for event in self._heard if isinstance(event, kind)]  # noqa: E731
            assert self._changed.wait_for(fits, PATIENCE_S), f"no {kind.__name__} in {self._heard}"
            return fits()[0]


@pytest.mark.parametrize("protocol", NOTE_PROTOCOLS)
def test_the_kiosk_and_the_machine_on_its_line_speak_the_same(laid, protocol):
    world, config, undo = laid(protocol)
    acceptor = note_acceptor(config, None)
    assert config.acceptor.protocol == protocol and config.acceptor.key_file is None  # SSP: the makers' key
    ears = Ears(acceptor)
    acceptor.start(ears)
    undo.append(acceptor.stop)
    ears.wait(AcceptorUp)
    acceptor.enable(frozenset((2000,)))
    world.wait_until(lambda: 2000 in world.look.open_for_fen, PATIENCE_S, "an open mouth")
    assert world.feed(2000)
    assert ears.wait(NoteStacked).fen == 2000 and world.box_fen() == 2000


def test_a_coin_is_taken_when_the_slot_is_open_and_else_comes_back(laid):
    world, config, undo = laid("ccnet")
    acceptor = coin_acceptor(config, None)
    assert config.coins_fen == (50, 100) and acceptor is not None
    ears = Ears(acceptor)
    acceptor.start(ears)
    undo.append(acceptor.stop)
    ears.wait(AcceptorUp)
    assert not world.throw(50)
    world.wait_until(lambda: world.coin_look.handed_back == ((50, 1),), PATIENCE_S, "the coin in the tray")
    acceptor.enable(frozenset(config.coins_fen))
    world.wait_until(lambda: world.coin_look.open_for_fen == {50, 100}, PATIENCE_S, "an open slot")
    assert world.throw(100)
    assert ears.wait(CoinTaken).fen == 100 and world.box_fen() == 100


def test_a_protocol_that_nobody_speaks_is_refused_by_the_kiosk_itself(tmp_path):
    town = town_of(tmp_path, "mdb")
    with pytest.raises(ConfigFault, match="must be one of ccnet, ssp, cctalk, id003, not 'mdb'"):
        load_config(town.config)


def test_the_wrong_word_is_told_before_anything_starts(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "lay_out", lambda *_, **__: pytest.fail("nothing is begun"))
    with pytest.raises(SystemExit) as left:
        command.main(["--script", "--folder", str(tmp_path), "--acceptor", "mdb"])
    words = capsys.readouterr().err
    assert left.value.code == 2 and "argument --acceptor: invalid choice: 'mdb'" in words
    assert all(repr(protocol) in words for protocol in NOTE_PROTOCOLS)


@pytest.mark.parametrize(("words", "protocol"), [([], "ccnet"), (["--acceptor", "id003"], "id003")])
@pytest.mark.parametrize("display", ["", ":7"])
def test_the_word_comes_to_the_settings(tmp_path, monkeypatch, words, protocol, display):
    asked = []

    def lay_out(*_given, **named):
        asked.append(named)
        raise ConfigFault("F-701", "far enough")

    monkeypatch.setattr(command, "lay_out", lay_out)
    monkeypatch.setenv("DISPLAY", display)
    assert command.main(["--folder", str(tmp_path), *words]) == 1
    assert [named["acceptor"] for named in asked] == [protocol]
