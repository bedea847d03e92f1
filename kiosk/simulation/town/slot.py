"""A card slot of simulated time: real virtual chips, put in and torn out by people."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

from kiosk.devices.reader.roles import CardSession
from kiosk.model.card import CardType
from kiosk.model.cardport import CardPort, VirtualCard
from kiosk.model.errors import CardFault
from kiosk.sale import events as on
from kiosk.sale.ports import Post
from kiosk.simulation.town.chance import Chance

T = TypeVar("T")
P = ParamSpec("P")
WORK_MS, NOTICE_MS = 300, 50
TEAR_BYTES_MAX = 120


@dataclass(slots=True)
class Insertion:
    """One card from insertion to removal; what a job works with."""

    number: int
    chip: VirtualCard = field(repr=False)
    atr: bytes = b""

    @property
    def port(self) -> CardPort:
        """The chip itself."""
        return self.chip

    @property
    def card_type(self) -> CardType:
        """The family."""
        return CardType(self.chip.card_type())

    def power_afresh(self) -> None:
        """Cold reset."""
        self.chip.tear_after = None
        self.atr = self.chip.reset()


class Slot:
    """The reader, as ``CardReaderHost``; a new kiosk process takes the same slot with the card that lies in it."""

    def __init__(self, chance: Chance, later: Callable[[int, Callable[[], None]], None]) -> None:
        """``later(ms, act)``: acts after so many ms."""
        self._chance, self._later = chance, later
        self._post: Post | None = None
        self._number = 0
        self.inside: Insertion | None = None

    def taken_by(self, post: Post | None) -> None:
        """A process begins to watch the slot; None: it ends."""
        self._post = post
        if post is not None:
            post(on.DeviceUp("reader"))
        if self.inside is not None:
            self.put_in(self.inside.chip)

    def put_in(self, chip: VirtualCard) -> None:
        """A card is put in."""
        self._number += 1
        self.inside = Insertion(self._number, chip)
        self.inside.power_afresh()
        self._tell(on.CardInserted(self._number))

    def pull(self) -> None:
        """It is taken out."""
        if self.inside is not None:
            number, self.inside = self.inside.number, None
            self._tell(on.CardRemoved(number))

    def _tell(self, event: on.Event) -> None:
        post = self._post
        if post is not None:
            self._later(NOTICE_MS, lambda: post(event) if post is self._post else None)

    def start(self) -> None:
        """As CardReaderHost's."""

    def close(self) -> None:
        """As CardReaderHost's."""

    def submit(self, session: int, job: Callable[[CardSession], T]) -> Future[T]:
        """Runs the job a little later, if the process is still there."""
        future: Future[T] = Future()
        owner = self._post

        def run() -> None:
            if owner is self._post:
                self._run(session, job, future)

        self._later(WORK_MS, run)
        return future

    def _run(self, session: int, job: Callable[[CardSession], T], future: Future[T]) -> None:
        inside = self.inside
        if inside is None or inside.number != session:
            future.set_exception(CardFault("C-202", "the card is gone"))
            return
        torn = self._chance.happens("card torn in a write")
        try:
            done = job(Torn(inside, self._chance.random.randrange(TEAR_BYTES_MAX)) if torn else inside)
        except Exception as error:  # noqa: BLE001 — as a reader's thread hands on what a job raises
            self._after(torn)
            future.set_exception(error)
        else:
            self._after(torn)
            future.set_result(done)

    def _after(self, torn: bool) -> None:
        if torn or self._chance.happens("card pulled while read"):
            self.pull()


class Torn:
    """An insertion whose card is torn out: the chip dies after so many written bytes."""

    def __init__(self, inside: Insertion, left: int) -> None:
        self._inside, self._left = inside, left
        self.number, self.port, self.card_type = inside.number, inside.port, inside.card_type

    @property
    def atr(self) -> bytes:
        """Answer to reset."""
        return self._inside.atr

    def power_afresh(self) -> None:
        """Cold reset, and the end comes nearer."""
        self._inside.power_afresh()
        self._inside.chip.tear_after = self._left


class AtOnce(Executor):
    """A thread that is none: what is submitted is done."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Does it."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 — as an executor does
            future.set_exception(error)
        return future
