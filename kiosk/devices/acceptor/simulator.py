"""Cash devices at the other end of a pseudo-terminal: any ``Voice``, and hands that touch its machine.

They live on while hosts come and go, as machines with their own power supply do.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from kiosk.devices.acceptor.coins import CoinMachine
from kiosk.devices.acceptor.talk import NEVER, Voice
from kiosk.devices.acceptor.validator import Look, Validator
from kiosk.devices.link import PtyLine, Tamper
from kiosk.model.clock import Clock, SystemClock


class Machine(Protocol):
    """What all machines have."""

    def pass_time(self, now_ms: int) -> None:
        """Lets happen what is due."""

    def power_off(self, now_ms: int) -> None:
        """The power goes."""

    def power_on(self, now_ms: int) -> None:
        """The power comes."""


T = TypeVar("T")
V = TypeVar("V", bound=Voice)
M = TypeVar("M", bound=Machine)
L = TypeVar("L")


class Simulator(Generic[M, V, L]):
    """A machine, its serial line and its power switch. Every method may be called from any thread."""

    def __init__(
        self,
        path: Path,
        machine: M,
        make_voice: Callable[[M], V],
        look_at: Callable[[M], L],
        clock: Clock | None,
        on_change: Callable[[L], None] | None,
        tamper: Tamper | None,
    ) -> None:
        """Puts the line at ``path`` and is switched on. ``on_change`` is called from whatever thread made the change.

        Raises ConfigFault if the line cannot be put there.
        """
        self.line = PtyLine(path, tamper)
        self.machine, self.voice = machine, make_voice(machine)
        self._look_at, self._on_change = look_at, on_change
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._seen = look_at(machine)
        self._running = True
        self._thread = threading.Thread(target=self._run, name=f"simulator {path.name}", daemon=True)
        self.power_on()
        self._thread.start()

    def close(self) -> None:
        """Ends, once; the machine and its cash box are forgotten."""
        self._running = False
        self.line.wake()
        self._thread.join()
        self.line.close()

    @property
    def look(self) -> L:
        """What one sees of the machine now."""
        with self._lock:
            self.machine.pass_time(self._clock.monotonic_ms())
            return self._look_at(self.machine)

    def power_off(self) -> None:
        """Pulls the plug."""
        self._do(lambda machine, now: machine.power_off(now))

    def power_on(self) -> None:
        """Puts it in."""
        self._do(lambda machine, now: machine.power_on(now))

    def _do(self, act: Callable[[M, int], T]) -> T:
        with self._lock:
            now = self._clock.monotonic_ms()
            self.machine.pass_time(now)
            done = act(self.machine, now)
            # A voice without power forgets what it would have said, even if the power is back before its thread looks.
            said = self.voice.wake(now)
        if said:
            self.line.send(said)
        self.line.wake()
        self._show()
        return done

    def _show(self) -> None:
        with self._lock:
            look = self._look_at(self.machine)
            changed, self._seen = look != self._seen, look
        if changed and self._on_change:
            self._on_change(look)

    def _run(self) -> None:
        while self._running:
            with self._lock:
                due = self.voice.due_ms()
            wait = None if due >= NEVER else max(0, due - self._clock.monotonic_ms())
            came = self.line.receive(wait)
            with self._lock:
                now = self._clock.monotonic_ms()
                said = self.voice.wake(now)
                if came:
                    said += self.voice.received(came, now)
            if said:
                self.line.send(said)
            self._show()


class AcceptorSimulator(Simulator[Validator, V, Look]):
    """A note validator."""

    def __init__(
        self,
        path: Path,
        machine: Validator,
        make_voice: Callable[[Validator], V],
        clock: Clock | None = None,
        on_change: Callable[[Look], None] | None = None,
        tamper: Tamper | None = None,
    ) -> None:
        super().__init__(path, machine, make_voice, lambda it: it.look, clock, on_change, tamper)

    def feed(self, fen: int) -> bool:
        """A customer pushes in a genuine note; False if the slot does not take it."""
        return self._do(lambda machine, now: machine.feed(fen, now))

    def feed_forged(self, fen: int = 10_000) -> bool:
        """A customer pushes in a forged note."""
        return self._do(lambda machine, now: machine.feed(fen, now, genuine=False))

    def pull(self) -> bool:
        """A customer pulls the note back; False if it is too far in."""
        return self._do(lambda machine, now: machine.pull(now))

    def jam(self) -> bool:
        """The note that moves sticks; False if none does."""
        return self._do(lambda machine, now: machine.jam(now))

    def clear_jam(self) -> None:
        """Frees the note; it goes the way it went."""
        self._do(lambda machine, now: machine.clear_jam(now))

    def take_box(self) -> Counter[int]:
        """Takes the cash box out and empties it: fen → pieces."""
        return self._do(lambda machine, now: machine.take_box(now))

    def put_box(self) -> None:
        """Puts an empty cash box in."""
        self._do(lambda machine, now: machine.put_box(now))

    def cheat(self) -> bool:
        """Fishes for notes; False if one moves."""
        return self._do(lambda machine, now: machine.cheat(now))

    def fail(self, failure: int = 0x50) -> None:
        """Breaks a part (the machine's failure codes)."""
        self._do(lambda machine, now: machine.fail(failure, now))

    def mend(self) -> None:
        """Mends it."""
        self._do(lambda machine, now: machine.mend(now))


@dataclass(frozen=True, slots=True)
class CoinLook:
    """What one sees of a coin acceptor; (fen, pieces) in the box and in the tray."""

    powered: bool = False
    open_for_fen: frozenset[int] = frozenset()
    box: tuple[tuple[int, int], ...] = ()
    handed_back: tuple[tuple[int, int], ...] = ()
    jammed: bool = False


def _look_at_coins(machine: CoinMachine) -> CoinLook:
    counted = tuple(sorted(machine.box.items())), tuple(sorted(machine.handed_back.items()))
    return CoinLook(machine.powered, machine.open_for_fen, *counted, machine.jammed)


class CoinSimulator(Simulator[CoinMachine, V, CoinLook]):
    """A coin acceptor."""

    def __init__(
        self,
        path: Path,
        machine: CoinMachine,
        make_voice: Callable[[CoinMachine], V],
        clock: Clock | None = None,
        on_change: Callable[[CoinLook], None] | None = None,
        tamper: Tamper | None = None,
    ) -> None:
        super().__init__(path, machine, make_voice, _look_at_coins, clock, on_change, tamper)

    def feed(self, fen: int, genuine: bool = True) -> None:
        """A customer throws a coin in."""
        self._do(lambda machine, now: machine.feed(fen, now, genuine))

    def string(self) -> None:
        """Lets a coin in on a string."""
        self._do(lambda machine, now: machine.string(now))

    def jam(self) -> bool:
        """A coin sticks; False if none is before the gate."""
        return self._do(lambda machine, now: machine.jam(now))

    def clear_jam(self) -> None:
        """Frees it."""
        self._do(lambda machine, now: machine.clear_jam(now))
