"""The serial reader's owner: one thread that asks for cards and does all work on them, as ``reader.host`` for PC/SC.

Theory. Every ``poll_ms`` the reader is asked whether a card is in; many also say by themselves when one comes or goes,
which is heard at the next question. A **session** is one card in the slot; it is over when the reader says the slot is
empty, names another chip or another count of cards put in, or falls silent. A reader that does not answer three
questions is down (V-403): a state, not an end. The line is opened and asked again every ``poll_ms``.

A card the reader calls invalid, or that cannot be read, is mute: it is reported with an empty ATR, and stays so until
it is out.

Rules: jobs run on this thread and one at a time, so a job has card and line to itself. Within a job the line may be
lent to a vendor's library of the old kind (contract 1 §6): ``lend``.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from kiosk.devices.reader.events import CardInserted, CardRemoved, ReaderDown, ReaderEvent, ReaderUp
from kiosk.devices.reader.roles import CardSession
from kiosk.devices.reader.serial import wire
from kiosk.devices.reader.serial.line import FAULT, ReaderLine
from kiosk.devices.reader.serial.session import IN, SerialSession
from kiosk.devices.reader.settings import SerialReaderSettings
from kiosk.model.cardport import CardPortError
from kiosk.model.errors import CardFault, DeviceFault

T = TypeVar("T")
CLOSE_TIMEOUT_S = 5.0
MUTE_LOOKS = 2  # times in a row a card cannot be used before we say so: it may still be sliding in


@dataclass(frozen=True, slots=True)
class _Order:
    session: int
    job: Callable[[CardSession], Any]
    future: Future[Any]


@dataclass(frozen=True, slots=True)
class _Mute:
    """A card nothing can be done with, in the place of a session."""

    number: int


class SerialCardReader:
    """See above (``roles.CardReaderHost``). ``on_event`` is called on the reader's thread: it must return soon and
    raise nothing."""

    def __init__(self, settings: SerialReaderSettings, on_event: Callable[[ReaderEvent], None]) -> None:
        self._settings = settings
        self._on_event = on_event
        self._orders: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._gate = threading.Lock()  # between submit and close
        self._closing = False
        self._line: ReaderLine | None = None
        self._session: SerialSession | _Mute | None = None
        self._numbers = self._useless = 0
        self._told: ReaderDown | ReaderUp | None = None
        self._thread = threading.Thread(target=self._run, name="card reader", daemon=True)

    def start(self) -> None:
        """Starts to watch; from now on events come."""
        self._thread.start()

    def close(self) -> None:
        """Ends the thread, after the job it may be doing; jobs that wait fail with C-202."""
        with self._gate:
            self._closing = True
        self._orders.put(None)
        if self._thread.is_alive():
            self._thread.join(CLOSE_TIMEOUT_S)
        with contextlib.suppress(queue.Empty):
            while True:
                self._perform(self._orders.get_nowait())

    def submit(self, session: int, job: Callable[[CardSession], T]) -> Future[T]:
        """Runs ``job`` on the reader's thread with the card of that session.

        The future fails with CardFault C-202 when the session is over (before the job, which then never runs), C-205
        when the card is mute, C-201 when the reader is silent, and with whatever the job raises.
        """
        future: Future[T] = Future()
        with self._gate:
            if self._closing:
                future.set_exception(CardFault("C-202", "the reader is closed"))
            else:
                self._orders.put(_Order(session, job, future))
        return future

    @contextlib.contextmanager
    def lend(self, baud: int) -> Iterator[int]:
        """The line, for one call of a library of the old kind; within a job only. DeviceFault V-403 there is none."""
        line = self._line
        if line is None or threading.current_thread() is not self._thread:
            raise DeviceFault(FAULT, "the line to the reader is not there to be lent")
        with line.lend(baud) as number:
            yield number

    # -- the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing:
            try:
                with contextlib.closing(ReaderLine(self._settings)) as line:
                    self._line = line
                    self._attend(line)
            except DeviceFault:
                self._let_go()
                self._tell(ReaderDown(FAULT))
                self._pause()
            finally:
                self._let_go()

    def _let_go(self) -> None:
        self._line = None
        self._end_session()

    def _attend(self, line: ReaderLine) -> None:
        """While the line works. DeviceFault when it cannot be used any more."""
        while not self._closing:
            try:
                self._look(line)
            except CardPortError:
                self._end_session()
                self._tell(ReaderDown(FAULT))
            if line.broken:
                raise DeviceFault(FAULT, "the line is broken")
            self._pause()

    def _look(self, line: ReaderLine) -> None:
        """Asks once what is in the slot. CardPortError when the reader is silent."""
        if isinstance(self._session, SerialSession):
            if self._session.still_here():
                return
            self._end_session()
        head = line.ask(wire.status(line.slot)).head
        self._tell(ReaderUp(self._settings.path))
        if head == wire.NO_CARD or (self._session is not None and line.gone):
            self._useless = 0
            self._end_session()
        elif self._session is None and not (head in IN and self._begin(line)):
            self._useless += 1
            if self._useless >= MUTE_LOOKS:
                line.gone = False
                self._take(_Mute(self._numbers + 1), b"")

    def _begin(self, line: ReaderLine) -> bool:
        try:
            session = SerialSession(self._numbers + 1, line)
        except CardPortError:
            return False  # pulled again already, or not to be read
        self._useless = 0
        self._take(session, session.atr)
        return True

    def _take(self, session: SerialSession | _Mute, atr: bytes) -> None:
        self._numbers = session.number
        self._session = session
        self._on_event(CardInserted(session.number, atr))

    def _end_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            self._on_event(CardRemoved(session.number))

    def _perform(self, order: _Order | None) -> None:
        if order is None or not order.future.set_running_or_notify_cancel():
            return
        try:
            result = order.job(self._admit(order.session))
        except BaseException as fault:  # noqa: BLE001 - it belongs to whoever waits for the future
            order.future.set_exception(fault)
        else:
            order.future.set_result(result)
        if isinstance(self._session, SerialSession) and self._session.lost:
            self._end_session()

    def _admit(self, number: int) -> SerialSession:
        """The session, if it is still that card's. CardFault C-201, C-202, C-205."""
        session = self._session
        if session is None or session.number != number or self._closing:
            raise CardFault("C-202", f"the card of session {number} is gone")
        if isinstance(session, _Mute):
            raise CardFault("C-205", "the reader can do nothing with the card")
        try:
            here = session.still_here()
        except CardPortError as fault:
            raise CardFault("C-201", f"the reader is silent: {fault}") from fault
        if not here:
            self._end_session()
            raise CardFault("C-202", f"the card of session {number} is gone")
        return session

    def _pause(self) -> None:
        """Waits ``poll_ms``, or for an order, which is done."""
        with contextlib.suppress(queue.Empty):
            self._perform(self._orders.get(timeout=self._settings.poll_ms / 1_000))

    def _tell(self, event: ReaderDown | ReaderUp) -> None:
        if event != self._told:
            self._told = event
            self._on_event(event)
