"""ID003 through a real port: two kiosks one after the other, and a machine that lives on."""

import threading

import pytest

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.host import HostSettings, SerialAcceptor
from kiosk.devices.acceptor.protocols import NOTE_PROTOCOLS, Options
from kiosk.devices.acceptor.simulator import AcceptorSimulator
from kiosk.devices.acceptor.validator import Timings, Validator
from kiosk.devices.link import LinkSettings

ALL = frozenset({500, 1000, 2000})
PATIENCE_S = 10


class Kiosk:
    """Takes every note, and records it unless it is told not to."""

    def __init__(self, folder, records=True):
        self.changed, self.told = threading.Condition(), []
        self.records = records
        settings = HostSettings(LinkSettings(str(folder / "line"), 9600, "V-411"), memory_file=folder / "memory")
        protocol = NOTE_PROTOCOLS["id003"]
        self.acceptor = SerialAcceptor(settings, lambda memory: protocol.make_talk(memory, None, Options(poll_ms=10)))
        self.acceptor.enable(ALL)
        self.acceptor.start(self.hear)

    def hear(self, event):
        match event:
            case on.AcceptorUp():
                self.acceptor.settled()
            case on.NoteEscrowed(found=False):
                self.acceptor.stack()
            case on.NoteEscrowed():
                self.acceptor.give_back()
            case on.NoteStacked() if self.records:
                self.acceptor.credited()
        with self.changed:
            self.told.append(event)
            self.changed.notify_all()

    def wait(self, wanted):
        with self.changed:
            assert self.changed.wait_for(lambda: wanted in self.told, PATIENCE_S), self.told


@pytest.mark.slow
def test_a_note_and_a_kiosk_that_ends_before_it_is_recorded(tmp_path):
    looks = threading.Condition()

    def look(_):
        with looks:
            looks.notify_all()

    def see(fits):
        with looks:
            assert looks.wait_for(lambda: fits(sim.machine.look), PATIENCE_S), sim.machine.look

    machine = Validator(timings=Timings().faster(10))
    sim = AcceptorSimulator(tmp_path / "line", machine, NOTE_PROTOCOLS["id003"].make_voice, on_change=look)
    first = Kiosk(tmp_path, records=False)
    see(lambda seen: seen.open_for_fen == ALL)
    assert sim.feed(2000)
    first.wait(on.NoteStacked(2000))
    first.acceptor.stop()
    second = Kiosk(tmp_path)
    second.wait(on.NoteStacked(2000, found=True))
    see(lambda seen: seen.open_for_fen == ALL)
    second.acceptor.stop()
    see(lambda seen: not seen.open_for_fen)
    assert dict(sim.look.box) == {2000: 1}
    sim.close()
