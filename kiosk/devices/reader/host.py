"""The card reader's owner: one thread that waits for cards and does all work on them.

Theory. pcscd is asked for the slot's state and told what we know; it answers when that changes, by flags and by a
counter of insertions and removals. A **session** is one card in the slot. It is over when the slot is empty, when the
counter moved (a swap faster than pcscd's polling still moves it, mostly), or when one exchange failed, for then
nobody knows which card would answer next. A session that is over never comes back; if a card is in, it gets a new
number. Two refusals in a row to be powered make a card mute: it is reported, with an empty ATR.

Rules: jobs run on this thread and one at a time, so a job has the card to itself; a job of a session that is over
fails with C-202. pcscd gone, restarting, or without a reader is a state, not an end: we keep asking every ``poll_ms``.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from kiosk.devices.reader.dialects import dialect_of
from kiosk.devices.reader.events import CardInserted, CardRemoved, ReaderDown, ReaderEvent, ReaderUp
from kiosk.devices.reader.pcsc import NO_ANSWER, UNAWARE, PcscFault, Service, SlotState, use_socket
from kiosk.devices.reader.session import Session
from kiosk.devices.reader.settings import ReaderSettings
from kiosk.model.cardport import CardPortError
from kiosk.model.errors import CardFault

T = TypeVar("T")
REFUSALS_MAX = 2
CLOSE_TIMEOUT_S = 5.0
FIRST_ORDER_S = 0.05


@dataclass(frozen=True, slots=True)
class _Order:
    session: int
    job: Callable[[Session], Any]
    future: Future[Any]


@dataclass(frozen=True, slots=True)
class _Mute:
    """A card that gives no answer, in the place of a session."""

    number: int
    counter: int
    lost: bool = False

    def close(self) -> None:
        """Nothing was opened."""


class CardReader:
    """See above. ``on_event`` is called on the reader's thread: it must return soon and raise nothing.

    ConfigFault F-701 when the process uses another ``pcsc_socket`` already.
    """

    def __init__(self, settings: ReaderSettings, on_event: Callable[[ReaderEvent], None]) -> None:
        use_socket(settings.pcsc_socket)
        self._settings = settings
        self._on_event = on_event
        self._orders: queue.SimpleQueue[_Order | None] = queue.SimpleQueue()
        self._gate = threading.Lock()  # between submit and close
        self._closing = False
        self._service: Service | None = None
        self._session: Session | _Mute | None = None
        self._numbers = 0
        self._refusals = 0
        self._told: ReaderDown | ReaderUp | None = None
        self._thread = threading.Thread(target=self._run, name="card reader", daemon=True)

    def start(self) -> None:
        """Starts to watch; from now on events come."""
        self._thread.start()

    def close(self) -> None:
        """Powers the card off and ends the thread, after the job it may be doing; jobs that wait fail with C-202."""
        with self._gate:
            self._closing = True
        self._orders.put(None)
        self._wake()
        if self._thread.is_alive():
            self._thread.join(CLOSE_TIMEOUT_S)
        with suppress(queue.Empty):
            while True:
                self._perform(self._orders.get_nowait(), None, "")

    def submit(self, session: int, job: Callable[[Session], T]) -> Future[T]:
        """Runs ``job`` on the reader's thread with the card of that session.

        The future fails with CardFault C-202 when the session is over (before the job, which then never runs), C-205
        when the card gives no answer, and with whatever the job raises.
        """
        future: Future[T] = Future()
        with self._gate:
            if self._closing:
                future.set_exception(CardFault("C-202", "the reader is closed"))
                return future
            self._orders.put(_Order(session, job, future))
        self._wake()
        return future

    # -- the thread ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing:
            try:
                self._service = Service()
                self._attend(self._service)
            except PcscFault:
                self._end_session()
                self._tell(ReaderDown("V-401"))
                self._pause()
            finally:
                self._end_session()
                if self._service is not None:
                    self._service.release()
                    self._service = None

    def _attend(self, service: Service) -> None:
        """While pcscd is there. PcscFault when it goes."""
        while not self._closing:
            names = [each for each in service.readers() if self._settings.reader_name in each]
            if names:
                self._tell(ReaderUp(names[0]))
                self._watch(service, names[0])
                self._end_session()
            else:
                self._tell(ReaderDown("V-402"))
                self._pause()

    def _watch(self, service: Service, name: str) -> None:
        """While the reader is there."""
        state = UNAWARE
        while not self._closing:
            state = service.wait(name, state, self._settings.poll_ms)
            if state.gone:
                return
            before = self._session
            self._notice(service, name, state)
            if self._session is not before and self._session is not None:
                self._first_order(service, name)
            while not self._closing and not self._orders.empty():
                self._perform(self._orders.get(), service, name)

    def _first_order(self, service: Service, name: str) -> None:
        """Whoever heard of a new card asks for it at once, when pcscd's waiting, just begun, cannot be cancelled."""
        with suppress(queue.Empty):
            self._perform(self._orders.get(timeout=FIRST_ORDER_S), service, name)

    def _notice(self, service: Service, name: str, state: SlotState) -> None:
        """Ends and opens sessions as the slot's state says."""
        session = self._session
        if session is not None and (session.lost or not state.present or session.counter != state.counter):
            self._end_session()
        if not state.present:
            self._refusals = 0
        elif self._session is None:
            self._open_session(service, name, state.counter)

    def _open_session(self, service: Service, name: str, counter: int) -> None:
        try:
            connection = service.connect(name)
        except PcscFault as fault:
            if fault.result in NO_ANSWER:
                self._refusals += 1
                if self._refusals >= REFUSALS_MAX:
                    self._begin(_Mute(self._numbers + 1, counter), b"")
            return  # gone again, or another program has it; if the service is gone, the next wait says so
        self._refusals = 0
        try:
            session = Session(self._numbers + 1, connection, counter, dialect_of(name), self._settings.choices)
        except (CardPortError, PcscFault):
            connection.close()  # pulled again already
            return
        self._begin(session, session.atr)

    def _begin(self, session: Session | _Mute, atr: bytes) -> None:
        self._numbers = session.number
        self._session = session
        self._on_event(CardInserted(session.number, atr))

    def _end_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.close()
            self._on_event(CardRemoved(session.number))

    def _perform(self, order: _Order | None, service: Service | None, name: str) -> None:
        if order is None or not order.future.set_running_or_notify_cancel():
            return
        try:
            result = order.job(self._admit(order.session, service, name))
        except BaseException as fault:  # noqa: BLE001 - it belongs to whoever waits for the future
            order.future.set_exception(fault)
        else:
            order.future.set_result(result)
        if self._session is not None and self._session.lost:
            self._end_session()

    def _admit(self, number: int, service: Service | None, name: str) -> Session:
        """The session, if it is still that card's. CardFault C-202, C-205."""
        session = self._session
        if session is None or session.number != number or service is None:
            raise CardFault("C-202", f"the card of session {number} is gone")
        if isinstance(session, _Mute):
            raise CardFault("C-205", "the card gives no answer")
        try:
            state = service.wait(name, UNAWARE, 0)
        except PcscFault as fault:
            raise CardFault("C-202", f"the smart card service is gone: {fault}") from fault
        if not state.present or state.counter != session.counter:
            self._end_session()
            raise CardFault("C-202", f"the card of session {number} is gone")
        return session

    def _pause(self) -> None:
        """Nothing to attend to for ``poll_ms``; orders fail at once."""
        try:
            self._perform(self._orders.get(timeout=self._settings.poll_ms / 1000), None, "")
        except queue.Empty:
            return

    def _tell(self, event: ReaderDown | ReaderUp) -> None:
        if event != self._told:
            self._told = event
            self._on_event(event)

    def _wake(self) -> None:
        """Ends the thread's waiting. If it is just about to begin to wait, it waits ``poll_ms`` at most."""
        service = self._service
        if service is not None:
            service.cancel()
