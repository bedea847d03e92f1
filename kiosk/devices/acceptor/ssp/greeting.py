"""How a device is greeted: SYNC, keys, protocol version, identity, notes; and whether a note lies in escrow.

Plain POLL (``acknowledges`` False) is for a device that knows no keys or no POLL WITH ACK, and for one with another
fixed key than ours, which is told by its silence to everything sealed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from kiosk.devices.acceptor.ssp import wire
from kiosk.devices.acceptor.ssp.cipher import FIXED_KEY, HostKeys, RandomBelow, Seal
from kiosk.devices.acceptor.ssp.wire import Setup

log = logging.getLogger(__name__)

CURRENCY = frozenset({"CNY", "CHN"})  # ISO 4217, and the country's letters that some datasets have instead
VERSIONS = (7, 6, 5, 4)  # below 4 there are no power-up events
KEY_ROUNDS_MAX = 3  # agreed keys under which nothing was understood: then it has another fixed key
SETUP_TRIES_MAX = 3
REFUSALS_MAX = 3  # of keys or POLL WITH ACK: one may be another question's answer, and the weaker mode is for good
KEY_QUESTIONS = frozenset((wire.GENERATOR, wire.MODULUS, wire.KEYS))


@dataclass(frozen=True, slots=True)
class KeySettings:
    """``fixed_key``: 64 bits, a secret unless it is the makers' default; it is never shown."""

    sealed: bool = True  # False: no keys, so plain POLL
    fixed_key: int = field(default=FIXED_KEY, repr=False)


class Greeting:
    """The questions that are still to be asked, and what the device answered."""

    def __init__(self, settings: KeySettings, random_below: RandomBelow) -> None:
        self._settings, self._random_below = settings, random_below
        self._keys: HostKeys | None = None
        self._other_key = self._understood = False
        self._key_rounds = self._setup_tries = self._refusals = 0
        self.questions: list[bytes] = []
        self.seal: Seal | None = None
        self.acknowledges = False
        self.setup: Setup | None = None
        self.serial = ""
        self.exchanged = False  # the serial number is not the one from before
        self.total: int | None = None  # notes stacked in its life, as it counted when COUNTERS was last asked

    def begin(self) -> None:
        """Everything is asked anew, from SYNC on."""
        self.seal, self._keys, self._setup_tries, self.exchanged = None, None, 0, False
        self._refusals = 0
        if self._settings.sealed and not self._other_key:
            self._keys = HostKeys(self._random_below)
        keys = self._keys.questions if self._keys else ()
        setup = bytes((wire.SETUP,)), bytes((wire.SERIAL,)), bytes((wire.HOLD,))
        self.questions = [bytes((wire.SYNC,)), *keys, bytes((wire.VERSION, VERSIONS[0])), *setup]
        self.acknowledges = bool(keys)

    def new_line(self) -> None:
        """The line is new: so may be the device, and its key."""
        self._other_key, self._key_rounds = False, 0

    def no_acknowledging(self) -> None:
        """POLL WITH ACK is not known, it says."""
        self._refusals += 1
        self.acknowledges = self._refusals < REFUSALS_MAX

    def count(self) -> None:
        """The counters are to be asked for."""
        self.questions = [bytes((wire.COUNTERS,))]

    def understood(self, answer: bytes) -> bool:
        """Whether an answer came from a device that has our key, or needs none; else it lost it with its power."""
        if self.seal is None:
            return True
        if answer[0] == wire.NO_KEY:
            self.misunderstood()
            return False
        self._understood, self._key_rounds = True, 0
        return True

    def misunderstood(self) -> None:
        """No answer, or none that is sealed."""
        if self.seal is None or self._understood:
            return
        self._key_rounds += 1
        if self._key_rounds >= KEY_ROUNDS_MAX and not self._other_key:
            self._other_key = True
            log.warning("the note acceptor does not take our key: it is polled without acknowledgement")

    def heard(self, answer: bytes) -> bool:
        """The answer to the first of the questions; False if it is to be asked again, or another instead."""
        question = self.questions[0]
        takes: dict[int, Callable[[bytes], bool]] = {
            wire.SYNC: lambda answer: answer in (bytes((wire.OK,)), bytes((wire.NO_KEY,))),
            wire.GENERATOR: self._may_have_keys,
            wire.MODULUS: self._may_have_keys,
            wire.KEYS: self._agreed,
            wire.VERSION: self._versioned,
            wire.SETUP: self._set_up,
            wire.SERIAL: self._numbered,
            wire.HOLD: self._held,
            wire.COUNTERS: self._counted,
        }
        take = takes.get(question[0])
        if take and not take(answer):
            return False
        self.questions.pop(0)
        return True

    def _may_have_keys(self, answer: bytes) -> bool:
        if answer[0] == wire.OK:
            return True
        self._refusals += 1
        if self._refusals < REFUSALS_MAX:
            return False
        self.questions = [question for question in self.questions if question[0] not in KEY_QUESTIONS]
        self.acknowledges = False
        return False

    def _agreed(self, answer: bytes) -> bool:
        try:
            self.seal = self._keys.agree(answer, self._settings.fixed_key) if self._keys else None
        except ValueError:
            return self._may_have_keys(bytes((wire.FAIL,)))
        self._understood, self._refusals = False, 0
        return True

    def _versioned(self, answer: bytes) -> bool:
        lower = [version for version in VERSIONS if version < self.questions[0][1]]
        if answer[0] == wire.OK or not lower:
            return True
        self.questions[0] = bytes((wire.VERSION, lower[0]))
        return False

    def _set_up(self, answer: bytes) -> bool:
        try:
            self.setup = wire.parse_setup(answer)
        except ValueError:
            self._setup_tries += 1
            return self._setup_tries >= SETUP_TRIES_MAX
        return True

    def _numbered(self, answer: bytes) -> bool:
        serial = wire.serial_of(answer)
        self.exchanged, self.serial = serial != self.serial, serial
        return True

    def _held(self, answer: bytes) -> bool:
        if answer[0] == wire.OK:
            self.questions.append(bytes((wire.REJECT,)))
        return True

    def _counted(self, answer: bytes) -> bool:
        try:
            self.total = wire.parse_counters(answer)
        except ValueError:
            self.total = None
        return True

    # ---- what the device is

    @property
    def identity(self) -> str:
        """Model, firmware and serial number."""
        model = f"ITL-{self.setup.unit:02X}-{self.setup.firmware}" if self.setup else ""
        return f"{model} {self.serial}".strip()

    def fen(self, channel: int | None) -> int | None:
        """The value of a channel's notes; None if nobody knows, or they are another country's."""
        if not channel or self.setup is None or channel > len(self.setup.channels):
            return None
        row = self.setup.channels[channel - 1]
        return row.fen if row.country in CURRENCY else None

    @property
    def known_fen(self) -> dict[int, int]:
        """Channel → value."""
        channels = range(1, len(self.setup.channels) + 1) if self.setup else ()
        return {channel: fen for channel in channels if (fen := self.fen(channel))}
