"""The bench: one vendor's driver, one virtual card in front of it, and everything that was seen.

A rule takes a card in a known state (``enter``), asks the driver (``ask``, ``accept``, ``refuse``) and demands. The
states are made with the driver's own commands and the vendor's meter; if that does not work the rule is Blocked, and
the rule about that command tells why.
"""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import Any, Protocol

from kiosk.drivers.contract import DI, Command
from kiosk.drivers.frame import Frame, Items, pack_items
from kiosk.drivers.sdk.kit.answer import Answer, complaints, parse
from kiosk.drivers.sdk.kit.files import Chunk, Content, Keys, read_files
from kiosk.drivers.sdk.kit.folder import CardMaker, CpuCardMaker, VendorFolder, load_python
from kiosk.drivers.sdk.kit.forge import forged
from kiosk.drivers.sdk.kit.memory import Memory
from kiosk.drivers.sdk.kit.notes import About, Notes, Scene
from kiosk.drivers.sdk.kit.orders import Bought
from kiosk.drivers.sdk.kit.port import Faults, Seen, WatchedPort
from kiosk.drivers.sdk.kit.verdict import Blocked, Exchange, NotOffered, RuleBroken, demand
from kiosk.drivers.sdk.kit.words import bytes_in_rows, frame_in_words
from kiosk.model.cardport import CardPort, VirtualCard
from kiosk.model.errors import ConfigFault, DriverFault

AFTER_WRITING = frozenset((0x10, 0x11, 0x12))
MAY_HAVE_WRITTEN = AFTER_WRITING | {0x03, 0x0F, 0x15}
"""Errors that can come after the first byte was written; all others are decided before it."""
TRACE = 4
LATE_MAX = 3
NONSENSE = "!"
"""A password in no vendor's form, a single exclamation mark; what else is malformed, only the vendor knows."""


HINTS = {
    "D-301": "the driver's process died or raised: no card and no request may do that to it (§4.13)",
    "D-302": "the driver did not come back in timeout_ms: no card and no request may do that to it (§4.13)",
    "D-303": "an answer is 68 · C|80 or C|C0 · L, two bytes, at most 2048 · DATA · CS from C on · 16 (§1), or nothing",
    "D-304": "the driver did not load; it runs alone, with the standard library or the C library only (§6, §9)",
}


class DriverCall(Protocol):
    """The real driver process, or in the kit's own tests a driver in this process."""

    def call(self, raw: bytes, port: CardPort | None, password: str) -> bytes:
        """The answer's bytes, b"" for none. DriverFault D-301 crashed, D-302 too late, D-303 nonsense."""

    def restart(self) -> None:
        """As after a power cut: the next call meets a driver that has just been loaded."""


@dataclass
class Bench:
    """See the module. ``images`` is how many mutated cards are tried, ``seed`` makes them the same each time."""

    folder: VendorFolder
    driver: DriverCall
    card_maker: CardMaker
    cpu_card_maker: CpuCardMaker
    maker: Callable[[Bench, str], Scene]  # states.make
    images: int = 10_000
    seed: int = 20260215
    progress: Callable[[str], None] = lambda _text: None
    notes: Notes = field(default_factory=Notes)
    trace: list[Exchange] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)
    chunks: dict[Chunk, int] = field(default_factory=dict)
    keys: Keys = field(default_factory=dict)
    presented: tuple[tuple[bytes, ...], bytes] | None = None  # a CPU driver's first secret of a call, and its path
    sessions: list[VirtualCard] = field(default_factory=list)
    scenes: dict[str, Scene] = field(default_factory=dict)
    broken_scenes: dict[str, str] = field(default_factory=dict)
    advice: list[str] = field(default_factory=list)  # what holds, but could hold better; the rule in work's
    remarks: list[str] = field(default_factory=list)  # for the report: seed, what was skipped and why
    card: VirtualCard | None = None
    shown: VirtualCard | bytes | None = None  # the card, or its memory, before the last call, for the report
    meters_used: int = 0
    lengths: tuple[int, int] | None = None  # digits of customer and meter numbers this layout holds

    # -- the driver ------------------------------------------------------------------------------------------------

    def raw(self, request: bytes, port: CardPort | None, password: str | None = None) -> bytes:
        """One call with any bytes at all. RuleBroken when the driver crashes, hangs or answers nonsense.

        Blocked when it hung at this command too often: each time costs the whole timeout_ms.
        """
        if self.notes.late[request[1:2]] >= LATE_MAX:
            raise Blocked(f"{_called(request)} was too late {LATE_MAX} times and is not asked again")
        self.trace = self.trace[1 - TRACE :]
        started = time.monotonic_ns()
        try:
            answer = self.driver.call(request, port, self.folder.password if password is None else password)
        except DriverFault as fault:
            self.trace.append(Exchange(request, b"", str(fault)))
            self.notes.late[request[1:2]] += fault.code == "D-302"
            raise RuleBroken(_called(request), "an answer", str(fault), HINTS.get(fault.code, "")) from fault
        finally:
            self.notes.calls += 1
            self.notes.slowest_ms = max(self.notes.slowest_ms, (time.monotonic_ns() - started) // 1_000_000)
        self.trace.append(Exchange(request, answer))
        return answer

    def ask_port(self, command: int, items: Items, port: CardPort | None, password: str | None = None) -> Answer:
        """One well-formed request on any port. RuleBroken when the answer is not an answer."""
        raw = self.raw(Frame(command, pack_items(items)).encode(), port, password)
        try:
            answer = parse(raw, command)
        except ValueError as fault:
            got = f"{raw.hex(' ')} ({fault})" if raw else "nothing"
            hint = "" if raw else 'b"" and results below 0 are for faults of the outer frame (§1); this one has none'
            raise RuleBroken(_called(self.trace[-1].request), "one frame, C|80 or C|C0", got, hint) from fault
        self.notes.forms += [(text, self.trace[-1]) for text in complaints(answer)]
        return answer

    def ask(
        self, command: int, items: Items | None = None, password: str | None = None, faults: Faults | None = None
    ) -> Answer:
        """One request on the card of the bench, powered afresh; what the driver did stands in ``seen``."""
        card = self._card()
        torn = card.tear_after
        card.reset()
        card.tear_after = torn
        memory = self.memory
        self.shown = copy.deepcopy(card) if memory is None else memory.image(card)
        guarded = None if torn is not None or memory is None else memory.guarded(card)
        before = self.shown
        port = WatchedPort(card, faults)
        self.seen = port.seen
        answer = self.ask_port(command, items or {}, port, password)
        seen = port.seen
        self.trace[-1] = Exchange(
            self.trace[-1].request, answer.raw, f"{seen.writes} writes, {seen.bytes_written} bytes"
        )
        self._learn(port)
        self._watch(command, answer, seen)
        if torn is None:
            self._compare(answer, card, guarded, before)
        return answer

    def accept(self, command: int, items: Items, what: str, hint: str = "", password: str | None = None) -> Answer:
        """A request that must succeed."""
        answer = self.ask(command, items, password)
        if answer.error == 0x06 and password is None:
            hint = hint or "the driver is given the password, the card has the secret of conformance/blank.toml"
        demand(answer.ok, what, "success", answer.said, hint)
        return answer

    def refuse(
        self, command: int, items: Items, codes: tuple[int, ...], what: str, hint: str = "", password: str | None = None
    ) -> Answer:
        """A request that must be refused with one of ``codes`` and write nothing."""
        answer = self.ask(command, items, password)
        wanted = "error " + " or ".join(f"{code:02X}" for code in codes)
        demand(answer.error in codes, what, wanted, answer.said, hint)
        demand(self.seen.writes == 0, what, "nothing written", f"{self.seen.writes} writes", hint)
        return answer

    def read(self) -> Answer:
        """READ, which must succeed."""
        return self.accept(Command.READ, {}, "READ")

    def need(self, *commands: int) -> None:
        """Raises NotOffered unless the driver has all of them (0103)."""
        for command in commands:
            if command not in self.about.commands:
                raise NotOffered(f"no {Command(command).name} in 0103")

    def need_card(self) -> None:
        """Raises NotOffered for a keypad vendor."""
        if not self.folder.type_name:
            raise NotOffered("a meter with a keypad: no card")

    @cached_property
    def about(self) -> About:
        """DESCRIBE, once."""
        try:
            answer = self.ask_port(Command.DESCRIBE, {}, None)
        except RuleBroken as fault:
            raise Blocked(f"DESCRIBE does not work: {fault}") from fault
        if not answer.ok or DI.COMMANDS not in answer.items:
            raise Blocked("DESCRIBE does not say which commands there are (0103)")
        return About(
            commands=frozenset(answer.items[DI.COMMANDS]),
            counts_money=answer.number(DI.UNIT) == 1,
            may_stack=bool((answer.number(DI.ABILITIES) or 0) & 1),
        )

    @property
    def idle_password(self) -> str | None:
        """What is given where nothing is to be written: nonsense, for it is not looked at (contract 1 §4.9); the right
        one (None) where the family cannot be read without."""
        return NONSENSE if self.reads_freely else None

    @cached_property
    def reads_freely(self) -> bool:
        """Whether READ does without a secret. A family that opens nothing without a key (MIFARE) may be read with the
        vendor's (§4.12), also where a public key would do: of public keys the contract says nothing."""
        memory = self.memory
        if memory is None or not memory.free or not memory.chip.keyed:
            return memory is None or memory.free
        card, seen = self.card, self.seen
        self.put(memory.blank())
        self.ask(Command.READ)
        presented, self.card, self.seen = self.seen.verifies, card, seen
        return not presented

    @property
    def unit_item(self) -> DI:
        """The item that is the value in the unit."""
        return DI.AMOUNT if self.about.counts_money else DI.ENERGY

    @property
    def other_item(self) -> DI:
        """The other of the two."""
        return DI.ENERGY if self.about.counts_money else DI.AMOUNT

    def value(self, bought: Bought) -> int:
        """A purchase's value in the unit."""
        return bought.amount if self.about.counts_money else bought.energy

    # -- the card --------------------------------------------------------------------------------------------------

    def put(self, card: VirtualCard) -> None:
        """A copy of ``card`` into the reader."""
        self.card = copy.deepcopy(card)
        self.card.tear_after = None

    def enter(self, name: str) -> Scene:
        """A fresh card in that state into the reader (see states.py). Raises Blocked or NotOffered."""
        if name in self.broken_scenes:
            raise Blocked(self.broken_scenes[name])
        if name not in self.scenes:
            try:
                self.scenes[name] = self.maker(self, name)
            except (RuleBroken, Blocked) as fault:
                self.broken_scenes[name] = f"no card in the state “{name}”: {fault}"
                raise Blocked(self.broken_scenes[name]) from fault
        scene = self.scenes[name]
        self.put(scene.card)
        return scene

    def card_in_rows(self) -> list[str]:
        """The card before the last call, for a report: memory, or a CPU card's files as far as they are known."""
        if self.shown is None:
            return []
        if isinstance(self.shown, bytes):
            return self.memory.rows(self.shown) if self.memory is not None else []
        files = {chunk.in_words: data for chunk, data in read_files(self.shown, self.chunks)}
        return [row for name, data in files.items() for row in (name, *(f"  {row}" for row in bytes_in_rows(data)))]

    def blank_card(self, secret: bytes | None = None) -> VirtualCard:
        """A new card as conformance/ describes it. Raises Blocked when it cannot be made."""
        folder = self.folder
        try:
            if folder.type_name == "CPU":
                return self.cpu_card_maker(self._card_module.Card())
            if self.memory is None:
                raise TypeError(f"{folder.type_name} is no memory card")
            return self.memory.blank(secret)
        except Exception as fault:
            raise Blocked(f"a blank card could not be made: {type(fault).__name__}: {fault}") from fault

    def snapshot(self) -> VirtualCard:
        """A copy of the card in the reader, powered afresh."""
        card = copy.deepcopy(self._card())
        card.tear_after = None
        card.reset()
        return card

    def content(self) -> bytes | Content:
        """What the vendor's bytes hold (memory), or the files the driver was seen to use (CPU)."""
        card = self.snapshot()
        return read_files(card, self.chunks) if self.memory is None else self.memory.user(card)

    def forged(self, card: VirtualCard, changes: Content) -> VirtualCard | None:
        """A copy of a CPU card with other bytes in those places; None when there is no way to write them."""
        return forged(card, changes, self.chunks, self.keys, self.sessions)

    def insert(self, seconds: int = 3, use: int = 0) -> dict[str, int]:
        """The card into the vendor's meter. RuleBroken when conformance/meter.py raises or answers something else."""
        card = self._card()
        card.reset()
        port = WatchedPort(card)
        try:
            result = self._meter_module.insert(port, seconds=seconds, use=use)
            told = {"count": int(result["count"]), "remaining": int(result["remaining"])}
        except Exception as fault:
            raise RuleBroken(
                "conformance/meter.py insert()", '{"count", "remaining"}', f"{type(fault).__name__}: {fault}"
            ) from fault
        self._learn(port)
        self.seen = port.seen
        return told

    def insert_torn(self, survived: int, way: str) -> None:
        """The card into the meter, and out of it again after so many bytes of the meter's (tear.py)."""
        self._card().reset()
        self.set_tear(survived, way)
        with suppress(Exception):  # the vendor's own code meets a card that is gone; how it complains is its affair
            self._meter_module.insert(WatchedPort(self._card()), seconds=3, use=0)

    def set_tear(self, survived: int, way: str) -> None:
        """The card on the bench will die after so many bytes; ``way``: what the chip's ``tear_leaves`` then is."""
        card = self._card()
        card.tear_after = survived
        if way:
            setattr(card, "tear_leaves", way)  # noqa: B010 — not every chip has it

    def fresh_meter(self) -> None:
        """A meter that has met no card yet."""
        self.__dict__.pop("_meter_module", None)

    def type_in(self, meter: str, token: str) -> dict[str, Any]:
        """A token at the keypad of the vendor's meter with that number. RuleBroken when meter.py raises or answers
        something else; NotOffered when it plays no meter with a keypad."""
        if not (self.folder.conformance / "meter.py").is_file():
            raise NotOffered("no conformance/meter.py")
        try:
            told = self._meter_module.enter(meter, token)
            wanted = {"accepted": bool, "count": int, "remaining": int, "said": str}
            return {name: _of_type(told[name], kind) for name, kind in wanted.items()}
        except Exception as fault:
            shape = '{"accepted", "count", "remaining", "said"}'
            raise RuleBroken("conformance/meter.py enter()", shape, f"{type(fault).__name__}: {fault}") from fault

    def rng(self, salt: str) -> random.Random:
        """Chance that is the same in every run with the same seed."""
        return random.Random(f"{self.seed}:{salt}")

    @cached_property
    def memory(self) -> Memory | None:
        """The memory family's cards; None for CPU cards and keypads."""
        chip = self.folder.chip
        return None if chip is None else Memory(self.folder, chip, self.card_maker)

    @cached_property
    def _card_module(self) -> Any:
        return load_python(self.folder.conformance / "card.py")

    @cached_property
    def _meter_module(self) -> ModuleType:
        try:
            return load_python(self.folder.conformance / "meter.py")
        except ConfigFault as fault:
            raise Blocked(str(fault)) from fault

    def _card(self) -> VirtualCard:
        if self.card is None:
            raise Blocked("no card on the bench")
        return self.card

    def _learn(self, port: WatchedPort) -> None:
        for chunk, size in port.chunks.items():
            self.chunks[chunk] = max(size, self.chunks.get(chunk, 0))
        self.keys.update(port.keys)
        self.presented = port.presented or self.presented
        if port.session is not None and len(self.sessions) < 40:
            self.sessions.append(port.session)

    def _watch(self, command: int, answer: Answer, seen: Seen) -> None:
        now = self.trace[-1]
        if command == Command.READ and seen.writes:
            self.notes.unmeant.append((f"READ wrote to the card ({seen.writes} writes)", now))
        if answer.error is not None and answer.error not in MAY_HAVE_WRITTEN and seen.writes:
            self.notes.unmeant.append((f"{answer.said} came after {seen.writes} writes", now))
        self.notes.protected += self.memory is not None and self.memory.protection_zone in seen.zones
        if seen.secret_changes:
            self.notes.secrets.append(("an APDU that changes a secret was sent", now))
        if command == Command.READ and seen.verifies and self.memory is not None and self.memory.free:
            self.notes.read_verifies.append(("READ presented a secret", now))

    def _compare(self, answer: Answer, card: VirtualCard, guarded: bytes | None, before: object) -> None:
        if not self.seen.writes or self.memory is None:
            return
        card.reset()
        now = self.trace[-1]
        if self.memory.guarded(card) != guarded:
            self.notes.outside.append(("bytes outside the user's memory changed", now))
        if answer.number(DI.CARD_AFTER) == 0 and self.memory.image(card) != before:
            self.notes.unmeant.append((f"{answer.said} says FF03 = 0 (unchanged), but the card changed", now))


def _of_type(value: object, kind: type) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def _called(request: bytes) -> str:
    return (frame_in_words(request) or f"the call {request.hex(' ')}").partition(":")[0]
