"""A note acceptor of simulated time: the real protocol on both ends of a line that loses, doubles and changes bytes."""

from __future__ import annotations

from collections.abc import Callable

from kiosk.devices.acceptor.duet import Duet
from kiosk.devices.acceptor.port import OnEvent
from kiosk.devices.acceptor.talk import NEVER, Talk, Voice
from kiosk.devices.acceptor.validator import AT_REST, Phase, Validator
from kiosk.devices.link import Direction
from kiosk.simulation.power import PowerCut
from kiosk.simulation.town.chance import Chance

JAM_MS, AWAY_MS = 3_000, 2_500
MOVING = (Phase.ACCEPTING, Phase.ESCROW, Phase.STACKING, Phase.STACKED, Phase.RETURNING)


class BadLine:
    """What a line in a hot steel box does to bytes; and where the power may go in the middle of a frame."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance

    def __call__(self, direction: Direction, passing: bytes) -> bytes:
        """What arrives of what passes. Raises PowerCut."""
        chance = self._chance
        if chance.happens("power cut on the line"):
            raise PowerCut
        if chance.happens("noise on the line"):
            at = chance.random.randrange(len(passing))
            return passing[:at] + bytes((passing[at] ^ 1 << chance.random.randrange(8),)) + passing[at + 1 :]
        if chance.happens("bytes lost on the line"):
            at = chance.random.randrange(len(passing))
            return passing[:at] if chance.random.random() < 0.5 else passing[at:]
        return passing + passing if chance.happens("bytes doubled on the line") else passing


class LineAcceptor:
    """One life of the kiosk's end, as a ``NoteAcceptor``."""

    def __init__(self, talk: Talk, voice: Voice, line: BadLine, now_ms: int) -> None:
        self.talk = talk
        self._duet = Duet(talk, voice, self._hear, now_ms)
        self._duet.tamper = line
        self._on_event: OnEvent | None = None
        self._wished = False

    def _hear(self, event: object) -> None:
        if self._on_event is not None:
            self._on_event(event)  # type: ignore[arg-type]

    def due_ms(self, now_ms: int) -> int:
        """When it is to be played next."""
        return now_ms if self._wished else self._duet.due_ms() if self._on_event else NEVER

    def play(self, now_ms: int) -> None:
        """All that happens by now. Raises PowerCut."""
        self._wished = False
        self._duet.play(now_ms)

    def _wish(self) -> None:
        self._wished = True

    def start(self, on_event: OnEvent) -> None:
        """As NoteAcceptor's, and so are the others."""
        self._on_event = on_event
        self._wish()

    def stop(self) -> None:
        self._on_event = None

    def enable(self, denominations_fen: frozenset[int]) -> None:
        self.talk.want(denominations_fen)
        self._wish()

    def disable(self) -> None:
        self.enable(frozenset())

    def stack(self) -> None:
        self.talk.decide(True)
        self._wish()

    def give_back(self) -> None:
        self.talk.decide(False)
        self._wish()

    def credited(self) -> None:
        self.talk.credited()
        self._wish()

    def settled(self) -> None:
        self.talk.settled()
        self._wish()


class Hands:
    """What people and mishaps do to the machine while a note is on its way."""

    def __init__(self, machine: Validator, chance: Chance, later: Callable[[int, Callable[[], None]], None]) -> None:
        self.machine, self._chance, self._later = machine, chance, later

    def feed(self, fen: int, now_ms: int) -> bool:
        """A note into the slot; False if it is not taken."""
        genuine = not self._chance.happens("note forged")
        if not self.machine.feed(fen, now_ms, genuine):
            return False
        within = self._chance.random.randrange(1, 2_500)
        for mishap, act in self._mishaps.items():
            if self._chance.happens(mishap):
                self._later(within, act)
                break
        return True

    @property
    def _mishaps(self) -> dict[str, Callable[[], None]]:
        return {
            "note pulled": lambda: self._do(self.machine.pull),
            "note jammed": self._jam,
            "acceptor's power cut": self.blink,
            "string in the acceptor": lambda: self._do(self.machine.cheat),
            "cash box taken out": self._rob,
        }

    def _do(self, act: Callable[[int], object]) -> None:
        act(self._chance.now_ms)

    def _jam(self) -> None:
        if self.machine.jam(self._chance.now_ms):
            self._later(JAM_MS, lambda: self._do(self.machine.clear_jam))

    def blink(self) -> None:
        """The acceptor's own power goes and comes back."""
        self.machine.power_off(self._chance.now_ms)
        self._later(self._chance.random.randrange(10, AWAY_MS), lambda: self._do(self.machine.power_on))

    def _rob(self) -> None:
        """The box is out for a while; what was in it lies in the hands of who took it, and comes back."""
        if self.machine.phase in AT_REST:
            taken = self.machine.take_box(self._chance.now_ms)

            def back() -> None:
                self.machine.put_box(self._chance.now_ms)
                self.machine.box.update(taken)

            self._later(AWAY_MS, back)
