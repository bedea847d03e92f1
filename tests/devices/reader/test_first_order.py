"""Who hears of a new card and asks for it is served before the reader begins to wait again.

pcscd's waiting cannot be ended in the moment in which it begins: an order that comes then would lie for a whole
``poll_ms``, and every customer would look at "reading your card" for that long.
"""

import queue
import threading

from kiosk.devices.reader import host
from kiosk.devices.reader.events import CardInserted
from kiosk.devices.reader.host import CardReader
from kiosk.devices.reader.pcsc import SlotState
from kiosk.devices.reader.settings import ReaderSettings
from kiosk.devices.reader.virtual.filecard import FileCard
from kiosk.model.card import CardType

IN = SlotState(0x00010022)  # one insertion, a card is present


class Connection:
    atr, t0, lost = FileCard().reset(), True, False

    def transmit(self, _apdu):
        return b"\x6f\x00"

    def power_afresh(self):
        pass

    def close(self):
        pass


class PlayedService:
    """pcscd, and a waiting that cannot be ended: it goes on until the test says so."""

    def __init__(self, waits, over):
        self._waits, self._over, self._looks = waits, over, 0

    def readers(self):
        return ["R"]

    def wait(self, _name, _known, timeout_ms):
        if timeout_ms == 0:
            return IN  # asked while an order is done
        self._looks += 1
        if self._looks > 1:
            self._waits.put("waits")
            self._over.wait(20)
        return IN

    def cancel(self):
        pass

    def connect(self, _name):
        return Connection()

    def release(self):
        pass


class Orders(queue.SimpleQueue):
    """The reader's orders; ``looked`` once it looked for one."""

    looked = threading.Event()

    def get(self, *words, **more):
        self.looked.set()
        return super().get(*words, **more)

    def empty(self):
        nothing = super().empty()
        self.looked.set()
        return nothing


def test_the_first_order_is_done_before_the_reader_waits_again(monkeypatch):
    happened, over = queue.Queue(), threading.Event()
    monkeypatch.setattr(host, "Service", lambda: PlayedService(happened, over))
    monkeypatch.setattr(host, "use_socket", lambda _path: None)  # a process knows one pcscd
    monkeypatch.setattr(host.queue, "SimpleQueue", Orders)

    def job(card):
        happened.put("served")
        return card.card_type

    def ask(session):
        Orders.looked.wait(20)
        done.append(reader.submit(session, job))

    def hear(event):
        if isinstance(event, CardInserted):
            Orders.looked.clear()
            threading.Thread(target=ask, args=(event.session,)).start()

    done = []
    reader = CardReader(ReaderSettings(), hear)
    reader.start()
    try:
        assert happened.get(timeout=20) == "served"
        assert happened.get(timeout=20) == "waits"
        assert done[0].result(20) is CardType.CPU
    finally:
        over.set()
        reader.close()
