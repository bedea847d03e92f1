"""One machine and one talk in simulated time, the questions that were asked, and what was told."""

from ssp_pair import below, make_talk

from kiosk.devices.acceptor import events as on
from kiosk.devices.acceptor.duet import Duet
from kiosk.devices.acceptor.ssp.voice import SspVoice, VoiceSettings
from kiosk.devices.acceptor.validator import Phase, Validator

ALL = frozenset((100, 500, 1000, 2000, 5000, 10_000))


class Voice(SspVoice):
    """Writes down what it was asked, opened."""

    def __init__(self, *args):
        super().__init__(*args)
        self.asked, self.changed = (), {}  # changed: command → the answer instead of its own

    def _answer(self, command, sealed, now_ms):
        self.asked = (*self.asked, command)
        answer = super()._answer(command, sealed, now_ms)
        return self.changed.get(command[0], answer)


class Slow:
    """A voice whose answers come late."""

    def __init__(self, voice, by_ms):
        self.voice, self.by_ms, self.late = voice, by_ms, []

    def received(self, came, now_ms):
        said = self.voice.received(came, now_ms)
        if said:
            self.late.append((now_ms + self.by_ms, said))
        return b""

    def wake(self, now_ms):
        self.voice.wake(now_ms)
        due = b"".join(said for at, said in self.late if at <= now_ms)
        self.late = [(at, said) for at, said in self.late if at > now_ms]
        return due

    def due_ms(self):
        return min([self.voice.due_ms(), *(at for at, _ in self.late)])


class Bench:
    """``auto``: everything told is recorded, and notes go to the box."""

    def __init__(self, settings=VoiceSettings(), auto=True, capacity=600, kinds=None):
        self.machine = Validator(capacity=capacity, **({"kinds_fen": kinds} if kinds else {}))
        self.machine.power_on(0)
        self.voice = Voice(self.machine, settings, below("voice"))
        self.now, self.auto, self.told = 0, auto, []
        self.cut = False
        self.talk = None
        self.start()

    def start(self, voice=None, **more):
        """A new process."""
        self.talk = make_talk(seed=f"talk {self.now}", **more)
        self.talk.want(ALL)
        self.duet = Duet(self.talk, voice or self.voice, self.hear, self.now)
        self.duet.tamper = lambda direction, passing: b"" if self.cut else passing
        return self

    def hear(self, event):
        self.told.append(event)
        if not self.auto:
            return
        match event:
            case on.AcceptorUp():
                self.talk.settled()
            case on.NoteEscrowed(_, found):
                self.talk.decide(not found)
            case on.NoteStacked():
                self.talk.credited()

    def run(self, ms):
        end = self.now + ms
        while self.now < end:
            self.duet.play(self.now)
            self.now = min(end, max(self.now + 1, self.duet.due_ms()))
        self.duet.play(self.now)
        return self

    def until(self, done, within_ms=60_000):
        end = self.now + within_ms
        while not done():
            assert self.now < end, (self.machine.look, self.told[-5:])
            self.duet.play(self.now)
            self.now = max(self.now + 1, min(self.duet.due_ms(), end))
        return self

    def open(self):
        return self.until(lambda: self.machine.phase is Phase.IDLE)

    def feed(self, fen=2000, genuine=True):
        self.open()
        assert self.machine.feed(fen, self.now, genuine)
        return self

    def phase(self, phase):
        return self.until(lambda: self.machine.phase is phase)

    def of(self, *kinds):
        return [event for event in self.told if isinstance(event, kinds)]

    def clear(self):
        self.told, self.voice.asked = [], ()
        return self

    def codes(self):
        return [command[0] for command in self.voice.asked]

    def blink(self, ms=0):
        self.machine.power_off(self.now)
        self.run(ms)
        self.machine.power_on(self.now)
        return self
