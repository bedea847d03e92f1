"""A serial reader's host under watch."""

import queue

from kiosk.devices.reader.serial.host import SerialCardReader

PATIENCE_S = 10


class Watcher:
    """A SerialCardReader and the events it told, in order."""

    def __init__(self, settings):
        self.events = queue.Queue()
        self.reader = SerialCardReader(settings, self.events.put)

    def next(self):
        return self.events.get(timeout=PATIENCE_S)

    def until(self, kind):
        while not isinstance(event := self.next(), kind):
            pass
        return event

    def do(self, session, job):
        return self.reader.submit(session, job).result(PATIENCE_S)
